package wsconn_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wsconn"
)

func TestShutdownDeliversWhatIsInFlight(t *testing.T) {
	const frames = 1000
	end := make(chan error, 1)
	u := serve(t, func(ws *websocket.Conn) {
		answer := ws.CloseHandler()
		ws.SetCloseHandler(func(code int, text string) error {
			for i := range frames { // sent before the peer answers
				_ = ws.WriteMessage(websocket.TextMessage, fmt.Append(nil, i))
			}
			return answer(code, text)
		})
		end <- readAll(ws)
	})
	c := dial(t, wsconn.Config{URL: u})
	var got []string
	ended := reading(c, func(msg string) { got = append(got, msg) })
	require.NoError(t, c.Ping(t.Context()))
	c.Shutdown()
	require.ErrorIs(t, c.Write([]byte("x")), wsconn.ErrClosed)
	require.ErrorIs(t, c.Ping(t.Context()), wsconn.ErrClosed)
	require.Equal(t, wsconn.ErrClosed, receive(t, ended))
	require.Len(t, got, frames)
	require.Equal(t, fmt.Sprint(frames-1), got[frames-1])
	require.True(t, websocket.IsCloseError(receive(t, end), websocket.CloseNormalClosure))
	c.Shutdown()
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	c.Shutdown()
}

func TestShutdownCutsPeerThatNeverAnswers(t *testing.T) {
	for name, p := range map[string]peer{
		"deaf": deaf,
		"busy": func(ws *websocket.Conn) {
			go deaf(ws)
			for ws.WriteMessage(websocket.TextMessage, []byte("x")) == nil {
				time.Sleep(10 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := dial(t, wsconn.Config{URL: "ws://host", CloseTimeout: 3 * time.Second, Transport: inPipe(t, p)})
				ended := reading(c, nil)
				synctest.Wait()
				begun := time.Now()
				c.Shutdown()
				require.Zero(t, time.Since(begun))
				require.Equal(t, wsconn.ErrClosed, <-ended)
				require.Equal(t, 3*time.Second, time.Since(begun))
			})
		})
	}
}

func TestShutdownOfStuckPeerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		defer close(stop)
		c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, func(*websocket.Conn) { <-stop })})
		ended := reading(c, nil)
		begun := time.Now()
		c.Shutdown()
		require.Equal(t, wsconn.ErrClosed, <-ended)
		require.Equal(t, time.Second, time.Since(begun))
	})
}

func TestShutdownWithoutReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, deaf)})
		c.Shutdown()
		time.Sleep(2 * time.Second)
		_, err := c.Read()
		require.Equal(t, wsconn.ErrClosed, err)
	})
}

func TestShutdownThenReadThenClose(t *testing.T) {
	end := make(chan error, 1)
	c := dial(t, wsconn.Config{URL: serve(t, func(ws *websocket.Conn) { end <- readAll(ws) })})
	c.Shutdown()
	_, err := c.Read()
	require.Equal(t, wsconn.ErrClosed, err)
	require.NoError(t, c.Close())
	require.True(t, websocket.IsCloseError(receive(t, end), websocket.CloseNormalClosure))
}

func TestCloseEndsReadAtOnce(t *testing.T) {
	c := dial(t, wsconn.Config{URL: serve(t, idle)})
	ended := reading(c, nil)
	require.NoError(t, c.Close())
	require.Equal(t, wsconn.ErrClosed, receive(t, ended))
	require.Equal(t, wsconn.ErrClosed, c.Write([]byte("x")))
}

func TestReadAfterCloseDeliversNothing(t *testing.T) {
	c := dial(t, wsconn.Config{URL: serve(t, func(ws *websocket.Conn) {
		for range 10 {
			_ = ws.WriteMessage(websocket.TextMessage, []byte("x"))
		}
		idle(ws)
	})})
	_, err := c.Read()
	require.NoError(t, err)
	require.NoError(t, c.Close())
	_, err = c.Read()
	require.Equal(t, wsconn.ErrClosed, err)
}

func TestCloseWaitsForGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, answer := make(chan struct{}), make(chan struct{})
		c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, deaf), LastLife: func() time.Time {
			close(asked)
			<-answer
			return time.Time{}
		}})
		<-asked // the keep-alive goroutine is in there now
		closed := make(chan error, 1)
		go func() { closed <- c.Close() }()
		synctest.Wait()
		require.Empty(t, closed)
		close(answer)
		require.NoError(t, <-closed)
	})
}

// Over TLS the standard library's Close waits 5 s for a peer that takes nothing.
func TestCloseNeverWaitsForStuckTLSPeer(t *testing.T) {
	stop := make(chan struct{})
	srv := newTLSServer(t, false)
	srv.Config.Handler = upgradeAnd(func(*websocket.Conn) { <-stop })
	defer close(stop)
	for name, fill := range map[string]bool{"while a Write is stuck": true, "idle": false} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, wsconn.Config{URL: srv.URL, Transport: transportOf(srv)})
			written := make(chan error, 1)
			if fill {
				go func() { written <- c.Write(make([]byte, 64<<20)) }()
				require.Never(t, func() bool { return len(written) > 0 }, 100*time.Millisecond, 10*time.Millisecond)
			}
			begun := time.Now()
			require.NoError(t, c.Close())
			require.Less(t, time.Since(begun), 2*time.Second)
			if fill {
				require.Error(t, receive(t, written))
			}
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	u := serve(t, echo)
	for i := range 30 {
		c := dial(t, wsconn.Config{URL: u, PingInterval: time.Millisecond})
		ended := reading(c, nil)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for c.Write([]byte("hello")) == nil {
					_ = c.LastFrame()
				}
			})
			all.Go(func() {
				for c.Ping(t.Context()) == nil {
				}
			})
		}
		receive(t, c.Proven())
		require.NoError(t, c.Ping(t.Context()))
		for range 2 {
			if i%2 == 0 {
				all.Go(c.Shutdown)
			}
			if i%3 != 0 {
				all.Go(func() { _ = c.Close() })
			}
		}
		if i%6 == 3 {
			all.Go(func() { _ = c.Close() })
		}
		require.Equal(t, wsconn.ErrClosed, receive(t, ended))
		all.Wait()
	}
}

// A closed socket with unread bytes is reset, and the peer's next send fails.
func TestShutdownUnderFireDoesNotResetThePeer(t *testing.T) {
	failed := make(chan error, 1)
	u := serve(t, func(ws *websocket.Conn) {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = readAll(ws) // answers the close frame
		}()
		for {
			select {
			case <-closed:
				failed <- nil
				return
			default:
			}
			err := ws.WriteMessage(websocket.TextMessage, make([]byte, 500))
			if err != nil && err != websocket.ErrCloseSent {
				failed <- err
				return
			}
		}
	})
	for range 20 {
		c := dial(t, wsconn.Config{URL: u})
		ended := reading(c, nil)
		receive(t, c.Proven())
		c.Shutdown()
		require.Equal(t, wsconn.ErrClosed, receive(t, ended))
		require.NoError(t, c.Close())
		require.NoError(t, receive(t, failed))
	}
}

func TestCustomConnectionIsClosedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan struct{}, 10)
		tr := inPipe(t, idle)
		c := dial(t, wsconn.Config{URL: "ws://host", Transport: &http.Transport{DialContext: wrapClose(tr.DialContext, closed)}})
		require.NoError(t, c.Close())
		require.NoError(t, c.Close())
		require.Len(t, closed, 1)
	})
}

func wrapClose(dial func(context.Context, string, string) (net.Conn, error), closed chan<- struct{}) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		return tellingConn{nc, closed}, err
	}
}

type tellingConn struct {
	net.Conn
	closed chan<- struct{}
}

func (c tellingConn) Close() error {
	c.closed <- struct{}{}
	return c.Conn.Close()
}
