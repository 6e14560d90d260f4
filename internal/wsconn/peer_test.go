package wsconn_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wsconn"
)

// soon is far beyond what anything here takes, and far below the defaults that
// would hide a missing timeout.
const soon = 5 * time.Second

// peer serves one side of a websocket. It returns when the connection has ended.
type peer func(ws *websocket.Conn)

// readAll reads until the connection ends; it answers pings and close frames.
func readAll(ws *websocket.Conn) error {
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			return err
		}
	}
}

func idle(ws *websocket.Conn) { _ = readAll(ws) }

func upgradeAnd(p peer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		up := websocket.Upgrader{}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		p(ws)
	}
}

// serve starts a peer on a loopback socket; the end of the test waits for it.
func serve(t testing.TB, p peer) string {
	t.Helper()
	var running sync.WaitGroup
	handler := upgradeAnd(p)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		handler(w, r)
	}))
	t.Cleanup(func() {
		srv.Close()
		running.Wait()
	})
	return srv.URL
}

func dial(t testing.TB, cfg wsconn.Config) *wsconn.Conn {
	t.Helper()
	c, err := wsconn.Dial(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// reading keeps a goroutine in Read, hands each message to f and gives the error
// that ended it.
func reading(c *wsconn.Conn, f func(msg string)) <-chan error {
	ended := make(chan error, 1)
	go func() {
		for {
			msg, err := c.Read()
			if err != nil {
				ended <- err
				return
			}
			if f != nil {
				f(string(msg))
			}
		}
	}()
	return ended
}

func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(soon):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

// inPipe is a Transport whose connections end in p, without a socket, so that
// they work under synctest's clock; it is for use there only. The end of the test
// waits for the peer.
func inPipe(t *testing.T, p peer) *http.Transport {
	var running sync.WaitGroup
	t.Cleanup(func() {
		running.Wait()
		time.Sleep(time.Hour) // fake time, in which whatever the peer started ends too
	})
	return overPipe(func(nc net.Conn) {
		running.Add(1)
		defer running.Done()
		defer nc.Close()
		r := bufio.NewReader(nc)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		upgradeAnd(p)(&pipeWriter{nc: nc, r: r}, req)
	})
}

func overPipe(server func(net.Conn)) *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		client, srv := net.Pipe()
		go server(srv)
		return client, nil
	}}
}

// pipeWriter is as much of an http.ResponseWriter as an upgrade needs.
type pipeWriter struct {
	nc net.Conn
	r  *bufio.Reader
}

func (w *pipeWriter) Header() http.Header         { return http.Header{} }
func (w *pipeWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *pipeWriter) WriteHeader(int)             {}
func (w *pipeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.nc, bufio.NewReadWriter(w.r, bufio.NewWriter(w.nc)), nil
}

// deaf takes all bytes and never answers: a peer that is gone without a word.
func deaf(ws *websocket.Conn) { _, _ = io.Copy(io.Discard, ws.NetConn()) }

// silentListener accepts and says nothing. It tells of each connection on which
// the client has begun to speak and, when the client has gone, of that.
type silentListener struct {
	addr     string
	accepted chan struct{}
	gone     chan struct{}
}

func newSilentListener(t *testing.T) *silentListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &silentListener{addr: l.Addr().String(), accepted: make(chan struct{}, 100), gone: make(chan struct{}, 100)}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer nc.Close()
				_ = nc.SetDeadline(time.Now().Add(2 * soon))
				if _, err := nc.Read(make([]byte, 1)); err == nil {
					s.accepted <- struct{}{} // the client waits for an answer now
				}
				_, err := io.Copy(io.Discard, nc)
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					s.gone <- struct{}{}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return s
}
