package wsconn_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wsconn"
)

func TestReadKinds(t *testing.T) {
	large := strings.Repeat("x", 3<<20)
	c := dial(t, wsconn.Config{URL: serve(t, func(ws *websocket.Conn) {
		_ = ws.WriteMessage(websocket.TextMessage, []byte("text"))
		_ = ws.WriteMessage(websocket.BinaryMessage, []byte{0, 255})
		_ = ws.WriteMessage(websocket.TextMessage, nil)
		_ = ws.WriteMessage(websocket.TextMessage, []byte{0xff})
		_ = ws.WriteMessage(websocket.TextMessage, []byte(large))
		_ = ws.WriteMessage(websocket.TextMessage, []byte("after"))
		w, _ := ws.NextWriter(websocket.TextMessage) // fragments with a ping between
		_, _ = io.WriteString(w, strings.Repeat("f", 5000))
		_ = ws.WriteControl(websocket.PingMessage, []byte("hi"), time.Now().Add(soon))
		_, _ = io.WriteString(w, "end")
		_ = w.Close()
		idle(ws)
	})})
	for _, want := range []string{"text", "\x00\xff", "", "\xff", large, "after", strings.Repeat("f", 5000) + "end"} {
		msg, err := c.Read()
		require.NoError(t, err)
		require.Equal(t, want, string(msg))
	}
}

func TestReadReusesItsBuffer(t *testing.T) {
	c := dial(t, wsconn.Config{URL: serve(t, echo)})
	var first *byte
	for i := range 5 {
		require.NoError(t, c.Write(fmt.Appendf(nil, "message %d", i)))
		msg, err := c.Read()
		require.NoError(t, err)
		if first == nil {
			first = &msg[0]
		}
		require.Same(t, first, &msg[0])
	}
}

func TestReadLimit(t *testing.T) {
	for name, size := range map[string]int{"exactly": 1000, "one more": 1001} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, wsconn.Config{ReadLimit: 1000, URL: serve(t, func(ws *websocket.Conn) {
				_ = ws.WriteMessage(websocket.TextMessage, make([]byte, size))
				idle(ws)
			})})
			msg, err := c.Read()
			if size <= 1000 {
				require.NoError(t, err)
				require.Len(t, msg, size)
				return
			}
			require.ErrorIs(t, err, wsconn.ErrTooLarge)
			require.ErrorIs(t, c.Write([]byte("x")), wsconn.ErrTooLarge)
			require.ErrorIs(t, c.Ping(t.Context()), wsconn.ErrTooLarge)
		})
	}
}

func TestDefaultReadLimitIs16MiB(t *testing.T) {
	c := dial(t, wsconn.Config{URL: serve(t, func(ws *websocket.Conn) {
		_ = ws.WriteMessage(websocket.BinaryMessage, make([]byte, 16<<20))
		_ = ws.WriteMessage(websocket.BinaryMessage, make([]byte, 16<<20+1))
		idle(ws)
	})})
	msg, err := c.Read()
	require.NoError(t, err)
	require.Len(t, msg, 16<<20)
	_, err = c.Read()
	require.ErrorIs(t, err, wsconn.ErrTooLarge)
}

// The peer must be able to send all of the message that is refused: a reset
// would fail its send.
func TestTooLargeMessageEndsWithHandshakeNotReset(t *testing.T) {
	sent, ended := make(chan error, 1), make(chan error, 1)
	c := dial(t, wsconn.Config{ReadLimit: 1 << 10, URL: serve(t, func(ws *websocket.Conn) {
		sent <- ws.WriteMessage(websocket.BinaryMessage, make([]byte, 32<<20))
		ended <- readAll(ws)
	})})
	_, err := c.Read()
	require.ErrorIs(t, err, wsconn.ErrTooLarge)
	require.NoError(t, c.Close())
	require.NoError(t, receive(t, sent))
	require.True(t, websocket.IsCloseError(receive(t, ended), websocket.CloseMessageTooBig))
}

func TestBrokenFramesGetCloseFrame(t *testing.T) {
	cases := []struct {
		name  string
		frame string
		code  int
		err   string
	}{
		{"unknown opcode", "\x83\x00", websocket.CloseProtocolError, "bad opcode"},
		{"length with top bit", "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", websocket.CloseMessageTooBig, "read limit"},
		{"lengths that overflow", "\x02\x01a\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", websocket.CloseMessageTooBig, "read limit"},
		{"compressed", "\xc1\x01a", websocket.CloseProtocolError, "RSV1"},
		{"masked", "\x81\x81abcda", websocket.CloseProtocolError, "MASK"},
		{"long ping", "\x89\x7e\x00\x7e" + strings.Repeat("p", 126), websocket.CloseProtocolError, "control"},
		{"bad UTF-8 in close", "\x88\x03\x03\xe8\xff", websocket.CloseProtocolError, "utf8"},
		{"bad close code", "\x88\x02\x00\x01", websocket.CloseProtocolError, "bad close code"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			ended := make(chan error, 1)
			c := dial(t, wsconn.Config{URL: serve(t, func(ws *websocket.Conn) {
				_, _ = io.WriteString(ws.NetConn(), tc.frame)
				ended <- readAll(ws)
			})})
			_, err := c.Read()
			require.ErrorContains(t, err, tc.err)
			require.ErrorContains(t, err, "wsconn: ")
			var ce *websocket.CloseError
			require.ErrorAs(t, receive(t, ended), &ce)
			require.Equal(t, tc.code, ce.Code)
		})
	}
}

// A peer that never stops sending after a refused message is cut.
func TestDiscardIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, wsconn.Config{URL: "ws://host", ReadLimit: 10, CloseTimeout: 3 * time.Second, PingInterval: -1,
			Transport: inPipe(t, func(ws *websocket.Conn) {
				go deaf(ws)
				for ws.WriteMessage(websocket.BinaryMessage, make([]byte, 100)) == nil {
					time.Sleep(time.Millisecond)
				}
			})})
		begun := time.Now()
		_, err := c.Read()
		require.ErrorIs(t, err, wsconn.ErrTooLarge)
		require.Equal(t, 3*time.Second, time.Since(begun))
	})
}

func TestCloseCutsDiscard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, wsconn.Config{URL: "ws://host", ReadLimit: 10, CloseTimeout: time.Hour, PingInterval: -1,
			Transport: inPipe(t, func(ws *websocket.Conn) {
				_ = ws.WriteMessage(websocket.BinaryMessage, make([]byte, 100))
				deaf(ws)
			})})
		ended := reading(c, nil)
		synctest.Wait()
		begun := time.Now()
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-ended, wsconn.ErrTooLarge)
		require.Zero(t, time.Since(begun))
	})
}

func TestReadAfterErrorNeverPanics(t *testing.T) {
	c := dial(t, wsconn.Config{URL: serve(t, func(ws *websocket.Conn) {
		_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, "Server shutdown"), time.Now().Add(soon))
	})})
	_, first := c.Read()
	require.Error(t, first)
	for range 2000 {
		msg, err := c.Read()
		require.Nil(t, msg)
		require.Same(t, first, err)
	}
	require.NoError(t, c.Close())
	_, err := c.Read()
	require.Same(t, first, err, "Close does not change it")
}

func TestPeersCloseFrame(t *testing.T) {
	cases := map[string]struct {
		payload []byte
		want    wsconn.CloseError
	}{
		"1001":    {websocket.FormatCloseMessage(1001, "Server shutdown"), wsconn.CloseError{Code: 1001, Text: "Server shutdown"}},
		"1000":    {websocket.FormatCloseMessage(1000, ""), wsconn.CloseError{Code: 1000}},
		"no code": {nil, wsconn.CloseError{Code: 1005}},
		"own":     {websocket.FormatCloseMessage(4000, "x"), wsconn.CloseError{Code: 4000, Text: "x"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			answer := make(chan error, 1)
			c := dial(t, wsconn.Config{URL: serve(t, func(ws *websocket.Conn) {
				_ = ws.WriteMessage(websocket.TextMessage, []byte("last words"))
				_ = ws.WriteControl(websocket.CloseMessage, tc.payload, time.Now().Add(soon))
				answer <- readAll(ws)
			})})
			msg, err := c.Read()
			require.NoError(t, err)
			require.Equal(t, "last words", string(msg))
			_, err = c.Read()
			var ce *wsconn.CloseError
			require.ErrorAs(t, err, &ce)
			require.Equal(t, tc.want, *ce)
			require.True(t, websocket.IsCloseError(receive(t, answer), tc.want.Code), "the close frame is answered")
			require.ErrorAs(t, c.Write([]byte("x")), &ce)
		})
	}
}

func TestServerVanishes(t *testing.T) {
	t.Run("with a reset", func(t *testing.T) {
		// Without keep-alive, whose ping would take the error from the socket first.
		c := dial(t, wsconn.Config{PingInterval: -1, URL: serve(t, func(ws *websocket.Conn) {
			_, _, _ = ws.ReadMessage()
			_ = ws.NetConn().(*net.TCPConn).SetLinger(0)
			_ = ws.NetConn().Close()
		})})
		require.NoError(t, c.Write([]byte("x")))
		_, err := c.Read()
		if runtime.GOOS == "linux" {
			require.ErrorIs(t, err, syscall.ECONNRESET)
		}
		require.ErrorContains(t, err, "wsconn: read: ")
		require.NotErrorIs(t, err, wsconn.ErrClosed)
	})
	t.Run("without a word", func(t *testing.T) {
		c := dial(t, wsconn.Config{URL: serve(t, func(ws *websocket.Conn) {
			_, _, _ = ws.ReadMessage()
			_ = ws.NetConn().Close()
		}), PingInterval: -1})
		require.NoError(t, c.Write([]byte("x")))
		_, err := c.Read()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		var ce *wsconn.CloseError
		require.False(t, errors.As(err, &ce), "no frame came")
	})
	t.Run("within a message", func(t *testing.T) {
		c := dial(t, wsconn.Config{URL: serve(t, func(ws *websocket.Conn) {
			_, _ = io.WriteString(ws.NetConn(), "\x81\x05he")
		}), PingInterval: -1})
		_, err := c.Read()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

func TestWriteEndsConnectionWhenPeerTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		defer close(stop)
		c := dial(t, wsconn.Config{URL: "ws://host", WriteTimeout: 4 * time.Second, PingInterval: -1,
			Transport: inPipe(t, func(*websocket.Conn) { <-stop })})
		ended := reading(c, nil)
		begun := time.Now()
		err := c.Write([]byte("x"))
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout())
		require.Equal(t, 4*time.Second, time.Since(begun))
		require.Same(t, err, <-ended)
		require.Same(t, err, c.Write([]byte("y")))
	})
}

func TestWriteLargerThanTheBuffer(t *testing.T) {
	c := dial(t, wsconn.Config{URL: serve(t, echo)})
	large := strings.Repeat("abcdefg", 100_000)
	ended := make(chan error, 1)
	go func() { ended <- c.Write([]byte(large)) }()
	msg, err := c.Read()
	require.NoError(t, err)
	require.Equal(t, large, string(msg))
	require.NoError(t, receive(t, ended))
}
