package bitcarttest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

// pong sends a ping and reads what comes until its pong.
func pong(t *testing.T, conn *websocket.Conn) error {
	t.Helper()
	got := errors.New("pong")
	conn.SetPongHandler(func(string) error { return got })
	require.NoError(t, conn.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(patience)))
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, _, err := conn.ReadMessage()
	if errors.Is(err, got) {
		return nil
	}
	return err
}

func closeCode(err error) int {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return closed.Code
	}
	return 0
}

func TestFilters(t *testing.T) {
	d := newDaemon(t, "ETH")
	a, b := d.NewWallet(), d.NewWallet()
	require.NoError(t, d.Load(a))
	require.NoError(t, d.Load(b))
	tests := []struct {
		name   string
		frames []string
		filter string // what to wait for; "-" is none
		want   []string
	}{
		{"none", nil, "-", []string{"a", "b", "end"}},
		{"a", []string{`{"xpub": "` + a + `"}`}, a, []string{"a", "end"}},
		{"the last one wins", []string{`{"xpub": "` + a + `"}`, `{"xpub": "` + b + `"}`}, b, []string{"b", "end"}},
		{"empty and null are ignored", []string{`{"xpub": "` + a + `"}`, `{"xpub": ""}`, `{"xpub": null}`, `{}`, `nonsense`, ``}, a, []string{"a", "end"}},
		{"an object matches nothing", []string{`{"xpub": {"xpub": "` + a + `"}}`}, "", []string{"end"}},
		{"other case matches nothing", []string{`{"xpub": "` + strings.ToUpper(a) + `"}`}, strings.ToUpper(a), []string{"end"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn := dial(t, d, "")
			for _, f := range tt.frames {
				require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(f)))
			}
			if tt.filter != "-" {
				require.NoError(t, d.WaitRegistered(within(t), tt.filter))
			}
			require.NoError(t, d.Emit(a, named{"event": "a"}))
			require.NoError(t, d.Emit(b, named{"event": "b"}))
			require.NoError(t, d.Emit("", named{"event": "end"}))
			for _, name := range tt.want {
				require.Contains(t, read(t, conn), `[{"event": "`+name+`"}]`)
			}
			require.NoError(t, pong(t, conn))
			require.NoError(t, conn.Close())
			require.NoError(t, d.WaitSockets(within(t), 0))
		})
	}
}

func TestOddClientFrames(t *testing.T) {
	d := newDaemon(t, "BTC")
	tests := []struct {
		name, frame string
		kind        int
		code        int // -1: stays open, 0: ends without a close frame
	}{
		{"no JSON", "hello", websocket.TextMessage, -1},
		{"empty", "", websocket.TextMessage, -1},
		{"binary", "\x00\x01", websocket.BinaryMessage, -1},
		{"array", "[]", websocket.TextMessage, websocket.CloseAbnormalClosure},
		{"null", "null", websocket.TextMessage, websocket.CloseAbnormalClosure},
		{"number", "5", websocket.TextMessage, websocket.CloseAbnormalClosure},
		{"string", `"x"`, websocket.TextMessage, websocket.CloseAbnormalClosure},
		{"too long", strings.Repeat("x", 5<<20), websocket.TextMessage, websocket.CloseMessageTooBig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn := dial(t, d, "")
			_ = conn.WriteMessage(tt.kind, []byte(tt.frame))
			if tt.code == -1 {
				require.NoError(t, pong(t, conn))
				return
			}
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
			_, _, err := conn.ReadMessage()
			require.Equal(t, tt.code, closeCode(err), "%v", err)
		})
	}
}

func TestCloseIsAnsweredWith1000(t *testing.T) {
	d := newDaemon(t, "BTC")
	for _, payload := range [][]byte{{}, websocket.FormatCloseMessage(1000, ""), websocket.FormatCloseMessage(4000, "bye")} {
		conn := dial(t, d, "")
		require.NoError(t, conn.WriteControl(websocket.CloseMessage, payload, time.Now().Add(patience)))
		_, _, err := conn.ReadMessage()
		require.Equal(t, websocket.CloseNormalClosure, closeCode(err))
	}
}

func TestCloseSays1001(t *testing.T) {
	d := newDaemon(t, "BTC")
	conns := []*websocket.Conn{dial(t, d, ""), dial(t, d, "xpubSomething")}
	done := make(chan struct{})
	go func() { d.Close(); close(done) }()
	for _, conn := range conns {
		_, _, err := conn.ReadMessage()
		require.True(t, websocket.IsCloseError(err, websocket.CloseGoingAway), "%v", err)
		require.Contains(t, err.Error(), "Server shutdown")
	}
	<-done
	require.ErrorIs(t, d.Emit("", named{"event": "x"}), bitcarttest.ErrClosed)
	require.ErrorIs(t, d.WaitSockets(context.Background(), 5), bitcarttest.ErrClosed)
	require.ErrorIs(t, d.Load(d.NewWallet()), bitcarttest.ErrClosed)
	d.Mine(1)
	d.Close()
}

func TestPongComesBehindQueuedFrames(t *testing.T) {
	d := newDaemon(t, "BTC")
	w := d.NewWallet()
	require.NoError(t, d.Load(w))
	conn := dial(t, d, w)
	stop, emitted := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(emitted)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				_ = d.Emit(w, named{"event": "e", "height": i})
			}
		}
	}()
	defer func() { close(stop); <-emitted }()
	seen := int64(-1)
	conn.SetPongHandler(func(string) error { return errPong })
	for range 5 {
		require.Eventually(t, func() bool { return d.Queued(w) > 0 }, patience, time.Millisecond)
		list := updates(t, d, w)
		require.NoError(t, conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience)))
		seen = readToPong(t, conn, seen)
		require.GreaterOrEqual(t, seen, list[len(list)-1].Height)
		conn.SetPongHandler(func(string) error { return errPong })
	}
}

var errPong = errors.New("pong")

// readToPong gives the height of the last frame before the pong. A read that failed ends a
// connection of this package for good, so the pong is noted instead.
func readToPong(t *testing.T, conn *websocket.Conn, seen int64) int64 {
	t.Helper()
	ponged := false
	conn.SetPongHandler(func(string) error { ponged = true; return nil })
	for !ponged {
		// The pong handler runs inside of the read of the frame that follows it.
		var f struct{ Updates []event }
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		require.NoError(t, conn.ReadJSON(&f))
		if !ponged {
			seen = f.Updates[0].Height
		}
	}
	return seen
}

func TestStuckClientIsCut(t *testing.T) {
	d := newDaemon(t, "BTC", bitcarttest.WithWriteTimeout(100*time.Millisecond))
	w := d.NewWallet()
	require.NoError(t, d.Load(w))
	dial(t, d, w) // it never reads
	big := strings.Repeat("x", 1<<20)
	for d.Sockets() > 0 {
		require.NoError(t, d.Emit(w, named{"event": big}))
	}
}

func TestCloseWithStuckClient(t *testing.T) {
	d := newDaemon(t, "BTC", bitcarttest.WithWriteTimeout(time.Hour))
	w := d.NewWallet()
	require.NoError(t, d.Load(w))
	dial(t, d, w)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for d.Emit(w, named{"event": strings.Repeat("x", 1<<20)}) == nil {
		}
	}()
	// The writer hangs once the buffers are full: then the queue stands still.
	last, since := -1, time.Now()
	require.Eventually(t, func() bool {
		if n := d.Queued(w); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 200*time.Millisecond
	}, patience, 10*time.Millisecond)
	d.Close()
	<-done
}

func TestNothingIsMissedBehindTheHandshake(t *testing.T) {
	d := newDaemon(t, "BTC")
	for i := range 50 {
		conn := dial(t, d, "")
		require.NoError(t, d.Emit("", named{"event": "first", "height": i}))
		require.Contains(t, read(t, conn), `"first"`)
		require.NoError(t, conn.Close())
	}
}

func TestHandshakeIsChecked(t *testing.T) {
	d := newDaemon(t, "BTC")
	req, err := http.NewRequest("GET", d.URL()+"/ws", nil)
	require.NoError(t, err)
	req.Header = http.Header{"Authorization": {login}, "Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"9"}}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 400, resp.StatusCode)
	http.DefaultClient.CloseIdleConnections()
}

func TestOddFrames(t *testing.T) {
	d := newDaemon(t, "BTC")
	conn := dial(t, d, "xpubWhatever")
	d.SendFrame([]byte("}{"))
	require.Equal(t, "}{", read(t, conn))
}
