package bitcart_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// promptly is less than the second that a farewell or a control frame may take.
const promptly = 900 * time.Millisecond

// An event does not wait for a peer that is slow to close.
func TestEventBeforeABrokenFrame(t *testing.T) {
	for name, last := range map[string]string{"broken": "\x83\x00", "too large": "\x81\x7f\x00\x00\x00\x00\x02\x00\x00\x00"} {
		t.Run(name, func(t *testing.T) {
			sockets, over := make(chan *websocket.Conn, 10), make(chan struct{})
			ready := make(chan struct{}, 10)
			s := newStub(t, func(s *stub) {
				s.socket = func(conn *websocket.Conn) {
					sockets <- conn
					swallow(conn)
					<-over
				}
			})
			t.Cleanup(func() { close(over) })
			hooks := bitcart.Hooks{OnConnect: func(context.Context, bitcart.ConnectInfo) { ready <- struct{}{} }}
			coin := coinAt(t, s.URL, bitcart.WithXpub("xpub1"), bitcart.WithHooks(hooks))
			in := inboxOf(t, coin, "own")
			start(t, websocketOf(coin))
			receive(t, ready, "a connect")
			conn := <-sockets
			event := rawFrame(websocket.TextMessage, frame("xpub1", "BTC", `[{"event": "own", "n": 1}]`))
			begun := time.Now()
			_, err := conn.NetConn().Write(append(event, last...))
			require.NoError(t, err)
			in.next()
			require.Less(t, time.Since(begun), promptly)
		})
	}
}

// stuckConn is a socket that takes no bytes from some moment on.
type stuckConn struct {
	net.Conn
	stuck    *atomic.Bool
	deadline atomic.Int64
}

func (c *stuckConn) SetWriteDeadline(t time.Time) error {
	c.deadline.Store(t.UnixNano())
	return c.Conn.SetWriteDeadline(t)
}

func (c *stuckConn) Write(p []byte) (int, error) {
	if c.stuck.Load() {
		<-time.After(time.Until(time.Unix(0, c.deadline.Load())))
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Write(p)
}

// An event does not wait for the answer to a ping that comes with it.
func TestEventBeforeAPing(t *testing.T) {
	var stuck atomic.Bool
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &stuckConn{Conn: c, stuck: &stuck}, err
	}}
	t.Cleanup(transport.CloseIdleConnections)
	sockets, ready := make(chan *websocket.Conn, 10), make(chan struct{}, 10)
	s := newStub(t, func(s *stub) {
		s.socket = func(conn *websocket.Conn) { sockets <- conn; swallow(conn) }
	})
	hooks := bitcart.Hooks{OnConnect: func(context.Context, bitcart.ConnectInfo) { ready <- struct{}{} }}
	coin := coinAt(t, s.URL, bitcart.WithXpub("xpub1"), bitcart.WithHooks(hooks), bitcart.WithTransport(transport))
	in := inboxOf(t, coin, "own")
	start(t, websocketOf(coin))
	receive(t, ready, "a connect")
	conn := <-sockets
	stuck.Store(true)
	defer stuck.Store(false)
	event := rawFrame(websocket.TextMessage, frame("xpub1", "BTC", `[{"event": "own", "n": 1}]`))
	begun := time.Now()
	_, err := conn.NetConn().Write(append(event, rawFrame(websocket.PingMessage, "x")...))
	require.NoError(t, err)
	in.next()
	require.Less(t, time.Since(begun), promptly)
}
