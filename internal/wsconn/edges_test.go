package wsconn_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wsconn"
)

// watched is a connection that tells of each write and of its end.
type watched struct {
	net.Conn
	wrote  func(p []byte) error
	closed *atomic.Int32
}

func (c *watched) Write(p []byte) (int, error) {
	if c.wrote != nil {
		if err := c.wrote(p); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

func (c *watched) Close() error {
	if c.closed != nil {
		c.closed.Add(1)
	}
	return c.Conn.Close()
}

// watch puts a watched connection over those of tr.
func watch(tr *http.Transport, wrote func(p []byte) error, closed *atomic.Int32) *http.Transport {
	open := tr.DialContext
	if open == nil {
		open = new(net.Dialer).DialContext
	}
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := open(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &watched{Conn: nc, wrote: wrote, closed: closed}, nil
	}
	return tr
}

// What comes in one piece with a control frame, or with what cannot be read, is told of before that is
// answered, not when the reader has nothing left to read.
func TestBeforeWaitComesBeforeAnAnswer(t *testing.T) {
	for name, last := range map[string][]byte{
		"ping":           dataFrame(9, true, "p"),
		"close":          dataFrame(8, true, "\x03\xe8"),
		"no valid frame": dataFrame(8, true, "\x00\x00"),
		"too large":      text(string(make([]byte, 200))),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, hand := inHand(t)
				var read, told atomic.Int32
				early := make(chan struct{}, 10)
				tr = watch(tr, func([]byte) error {
					if told.Load() < read.Load() {
						early <- struct{}{}
					}
					return nil
				}, nil)
				c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, ReadLimit: 100, Transport: tr,
					BeforeWait: func() { told.Store(read.Load()) }})
				ended := reading(c, func(string) { read.Add(1) })
				_, err := (<-hand).Write(append(bytes.Repeat(text("before"), 3), last...))
				require.NoError(t, err)
				synctest.Wait()
				require.EqualValues(t, 3, read.Load())
				require.EqualValues(t, 3, told.Load())
				if name == "ping" || name == "close" { // of the others the library below says so by itself, at once
					require.Empty(t, early)
				}
				require.NoError(t, c.Close())
				require.Error(t, <-ended)
			})
		})
	}
}

// The same holds for who waits for a pong.
func TestBeforeWaitComesBeforePingReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, hand := inHand(t)
		pinged := make(chan error, 1)
		var read, checked atomic.Int32
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, Transport: tr, BeforeWait: func() {
			if read.Load() == 0 || checked.Swap(1) == 1 {
				return
			}
			select {
			case err := <-pinged:
				t.Errorf("it has returned %v", err)
			case <-time.After(time.Second):
			}
		}})
		ended := reading(c, func(string) { read.Add(1) })
		nc := <-hand
		go func() { pinged <- c.Ping(t.Context()) }()
		synctest.Wait()
		_, err := nc.Write(append(text("before"), dataFrame(10, true, "1")...))
		require.NoError(t, err)
		require.NoError(t, <-pinged)
		require.EqualValues(t, 1, checked.Load())
		require.NoError(t, c.Close())
		require.Error(t, <-ended)
	})
}

// A connection that has ended gives its socket back before anybody calls Close.
func TestEndClosesTheSocket(t *testing.T) {
	for name, tt := range map[string]struct {
		send []byte
		want error // nil = some other
	}{
		"no pong":         {nil, wsconn.ErrPongTimeout},
		"close frame":     {dataFrame(8, true, "\x03\xe8"), nil},
		"no valid frame":  {dataFrame(3, true, ""), nil},
		"RSV bit":         {[]byte{0xc1, 0}, nil},
		"long control":    {dataFrame(9, true, string(make([]byte, 126))), nil},
		"continues none":  {dataFrame(0, true, "x"), nil},
		"another message": {append(dataFrame(1, false, "x"), text("y")...), nil},
		"masked":          {[]byte{0x81, 0x80, 0, 0, 0, 0}, nil},
		"too large":       {text(string(make([]byte, 101))), wsconn.ErrTooLarge},
		"too large in parts, with a ping between": {bytes.Join([][]byte{
			dataFrame(1, false, string(make([]byte, 60))), dataFrame(9, true, ""), dataFrame(0, true, string(make([]byte, 41))),
		}, nil), wsconn.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, hand := inHand(t)
				var closed atomic.Int32
				c := dial(t, wsconn.Config{URL: "ws://host", ReadLimit: 100, Transport: watch(tr, nil, &closed)})
				ended := reading(c, nil)
				if tt.send != nil {
					_, err := (<-hand).Write(tt.send)
					require.NoError(t, err)
				}
				err := <-ended
				if tt.want != nil {
					require.Equal(t, tt.want, err)
				}
				require.NotErrorIs(t, err, wsconn.ErrClosed)
				synctest.Wait()
				require.EqualValues(t, 1, closed.Load())
			})
		})
	}
}

// A message of the largest size, in parts with control frames between them, is read.
func TestLargestMessageInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, hand := inHand(t)
		c := dial(t, wsconn.Config{URL: "ws://host", ReadLimit: 100, Transport: tr})
		got := make(chan string, 1)
		ended := reading(c, func(msg string) { got <- msg })
		part := string(bytes.Repeat([]byte("x"), 50))
		_, err := (<-hand).Write(bytes.Join([][]byte{
			dataFrame(1, false, part), dataFrame(9, true, part+part), dataFrame(0, false, part), dataFrame(10, true, part), dataFrame(0, true, ""),
		}, nil))
		require.NoError(t, err)
		require.Equal(t, part+part, <-got)
		require.NoError(t, c.Close())
		require.Equal(t, wsconn.ErrClosed, <-ended)
	})
}

// A close frame that had come before a Write failed says why; after Shutdown the end is our own.
func TestCloseFrameBehindTheEnd(t *testing.T) {
	for name, own := range map[string]bool{"failed Write": false, "Shutdown": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, hand := inHand(t)
				var broken atomic.Bool
				tr = watch(tr, func([]byte) error {
					if broken.Load() {
						return errors.New("broken pipe")
					}
					return nil
				}, nil)
				c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, Transport: tr})
				nc := <-hand
				go func() { _, _ = nc.Write(append(text("before"), dataFrame(8, true, "\x03\xe9going")...)) }()
				msg, err := c.Read()
				require.NoError(t, err)
				require.Equal(t, "before", string(msg))
				if own {
					c.Shutdown()
					time.Sleep(time.Minute)
				} else {
					broken.Store(true)
					require.ErrorContains(t, c.Write([]byte("x")), "broken pipe")
				}
				_, err = c.Read()
				if own {
					require.Equal(t, wsconn.ErrClosed, err)
					return
				}
				var byPeer *wsconn.CloseError
				require.ErrorAs(t, err, &byPeer)
				require.Equal(t, 1001, byPeer.Code)
			})
		})
	}
}

// To begin the end takes no longer than a Write may.
func TestShutdownIsBoundedByWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		defer close(stop)
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, WriteTimeout: 100 * time.Millisecond, CloseTimeout: 3 * time.Second,
			Transport: inPipe(t, func(*websocket.Conn) { <-stop })})
		begun := time.Now()
		c.Shutdown()
		require.Equal(t, 100*time.Millisecond, time.Since(begun))
	})
}

// A ping that a peer does not take is waited for as long as for a pong, or the peer would be noticed late.
func TestStuckPingIsBoundedByPongTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		defer close(stop)
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: 5 * time.Second, PongTimeout: 2 * time.Second,
			Transport: inPipe(t, func(*websocket.Conn) { <-stop })})
		begun := time.Now()
		require.Equal(t, wsconn.ErrPongTimeout, <-reading(c, nil))
		require.Equal(t, 7*time.Second, time.Since(begun))
	})
}

// A socket that is broken for writing is not one that takes nothing for a while.
func TestBrokenSocketIsNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		tr := watch(inPipe(t, deaf), func([]byte) error {
			if broken.Load() {
				return &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
			}
			return nil
		}, nil)
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, PongTimeout: 4 * time.Second, Transport: tr})
		broken.Store(true)
		ended := reading(c, nil)
		begun := time.Now()
		require.ErrorContains(t, c.Ping(t.Context()), "wsconn: read: ")
		require.Equal(t, 4*time.Second, time.Since(begun))
		<-ended
	})
}

// A dial that fails in TLS leaves no socket.
func TestFailedTLSClosesTheSocket(t *testing.T) {
	srv := newTLSServer(t, true)
	var closed atomic.Int32
	_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: srv.URL, Transport: watch(&http.Transport{}, nil, &closed)})
	require.ErrorContains(t, err, "wsconn: TLS handshake: ")
	require.EqualValues(t, 1, closed.Load())

	cfg := transportOf(srv).TLSClientConfig.Clone()
	cfg.NextProtos, cfg.ServerName = []string{"h2"}, "127.0.0.1"
	tr := &http.Transport{DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return tls.Client(&watched{Conn: nc, closed: &closed}, cfg), nil
	}}
	_, err = wsconn.Dial(t.Context(), wsconn.Config{URL: srv.URL, Transport: tr})
	require.ErrorContains(t, err, "negotiated h2")
	require.EqualValues(t, 2, closed.Load())
}

// GetProxyConnectHeader stands for ProxyConnectHeader; what it fails with is not shown.
func TestGetProxyConnectHeader(t *testing.T) {
	asked := make(chan *http.Request, 1)
	target, err := url.Parse(serve(t, idle))
	require.NoError(t, err)
	proxy := connectProxy(t, target.Host, asked)
	proxy.Start()
	at, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	at.User = url.UserPassword("u", "hunter2")
	failure := errors.New("hunter2")
	var fails bool
	tr := &http.Transport{
		Proxy:              http.ProxyURL(at),
		ProxyConnectHeader: http.Header{"X-Of": {"all"}},
		GetProxyConnectHeader: func(_ context.Context, proxyURL *url.URL, to string) (http.Header, error) {
			if fails {
				return nil, failure
			}
			return http.Header{"x-to": {to}, "X-Proxy": {proxyURL.Host}}, nil
		},
	}
	c := dial(t, wsconn.Config{URL: target.String(), Transport: tr})
	r := receive(t, asked)
	require.Equal(t, target.Host, r.Header.Get("X-To"))
	require.Equal(t, at.Host, r.Header.Get("X-Proxy"))
	require.Empty(t, r.Header.Get("X-Of"))
	require.NoError(t, c.Close())

	fails = true
	_, err = wsconn.Dial(t.Context(), wsconn.Config{URL: target.String(), Transport: tr})
	require.ErrorIs(t, err, failure)
	require.NotContains(t, err.Error(), "hunter2")
	require.Empty(t, asked)
}

// A login goes only to a SOCKS5 proxy that asks for one, and only where there is one.
func TestSOCKS5LoginIsForWhoAsks(t *testing.T) {
	for name, tt := range map[string]struct {
		user   *url.Userinfo
		method byte
		want   string
	}{
		"none of them":         {url.UserPassword("u", "hunter2"), 0xff, "accepts none of the offered logins"},
		"one nobody offered":   {url.UserPassword("u", "hunter2"), 1, "accepts none of the offered logins"},
		"a login nobody has":   {nil, 2, "accepts none of the offered logins"},
		"a login without name": {url.UserPassword("", "hunter2"), 2, "impossible length"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			rest := make(chan []byte, 1)
			var serving sync.WaitGroup
			serving.Go(func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				offer := make([]byte, 3)
				if tt.user != nil {
					offer = make([]byte, 4)
				}
				_, _ = io.ReadFull(nc, offer)
				_, _ = nc.Write([]byte{5, tt.method})
				sent, _ := io.ReadAll(nc)
				rest <- sent
			})
			t.Cleanup(serving.Wait)
			t.Cleanup(func() { _ = l.Close() })
			tr := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "socks5", Host: l.Addr().String(), User: tt.user})}
			_, err = wsconn.Dial(t.Context(), wsconn.Config{URL: "ws://host", Transport: tr})
			require.ErrorContains(t, err, tt.want)
			require.Empty(t, receive(t, rest), "nothing follows the offer")
		})
	}
}
