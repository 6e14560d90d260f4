package blockiotest_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

const socketSoon = 10 * time.Second

const success = `{"status":"success"}`

func newSocketService(t testing.TB) *blockiotest.Service {
	t.Helper()
	svc, err := blockiotest.New()
	require.NoError(t, err)
	t.Cleanup(svc.Close)
	return svc
}

func connect(t testing.TB, svc *blockiotest.Service) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial(svc.SocketURL(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = ws.Close() })
	return ws
}

func read(t testing.TB, ws *websocket.Conn) string {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(socketSoon))
	_, msg, err := ws.ReadMessage()
	require.NoError(t, err)
	return string(msg)
}

func ask(t testing.TB, ws *websocket.Conn, request string) {
	t.Helper()
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(request)))
}

const wantAddress = `{"network":"BTC","type":"address","address":"3a"}`

func TestSocketGreetsSubscribesAndEmits(t *testing.T) {
	svc := newSocketService(t)
	ws, other := connect(t, svc), connect(t, svc)
	require.Equal(t, success, read(t, ws))
	require.Equal(t, success, read(t, other))
	require.Equal(t, 2, svc.Sockets())
	ask(t, ws, wantAddress)
	require.Equal(t, success, read(t, ws))
	ask(t, other, `{"network":"LTC","type":"new-blocks"}`)
	require.Equal(t, success, read(t, other))
	require.Equal(t, []blockiotest.SocketRequest{
		{Network: "BTC", Type: "address", Address: "3a"}, {Network: "LTC", Type: "new-blocks"},
	}, svc.SocketRequests())
	require.NoError(t, svc.WaitSubscribed(t.Context(), svc.SocketRequests()...))

	require.NoError(t, svc.Emit("LTC", "address", map[string]any{"address": "3a"}))      // another network
	require.NoError(t, svc.Emit("BTC", "address", map[string]any{"address": "3b"}))      // another address
	require.NoError(t, svc.Emit("BTC", "new-blocks", map[string]any{"network": "BTC"}))  // another type
	require.NoError(t, svc.Emit("BTC", "address", json.RawMessage(`{"address":"3a"}`)))  // ws
	require.NoError(t, svc.Emit("LTC", "new-blocks", json.RawMessage(`{"block_no":1}`))) // other
	require.Equal(t, `{"type":"address","data":{"address":"3a"}}`, read(t, ws))
	require.Equal(t, `{"type":"new-blocks","data":{"block_no":1}}`, read(t, other))
	svc.PingSockets()
	require.Equal(t, `{"type":"ping"}`, read(t, ws))
}

func TestSocketRefusesWhatTheServiceRefuses(t *testing.T) {
	svc := newSocketService(t)
	ws := connect(t, svc)
	read(t, ws)
	for _, request := range []string{
		"", "nonsense", "[]", "{}", `{"network":"BTC"}`, `{"network":"BTC","type":"address"}`, `{"type":"new-blocks"}`,
		`{"network":"BTC","type":"blocks"}`, `{"network":"BTC","type":"account"}`,
	} {
		ask(t, ws, request)
		var answer map[string]string
		require.NoError(t, json.Unmarshal([]byte(read(t, ws)), &answer))
		require.Equal(t, "fail", answer["status"])
		require.NotEmpty(t, answer["error_message"])
	}
	svc.Faults().RefuseSubscriptions(func(req blockiotest.SocketRequest) string { return "not " + req.Address })
	ask(t, ws, wantAddress)
	require.JSONEq(t, `{"status":"fail","error_message":"not 3a"}`, read(t, ws))
	svc.Faults().RefuseSubscriptions(nil)
	ask(t, ws, wantAddress)
	require.Equal(t, success, read(t, ws))
}

func TestSocketFaults(t *testing.T) {
	t.Run("upgrade", func(t *testing.T) {
		svc := newSocketService(t)
		svc.Faults().RefuseUpgrades(503)
		_, answer, err := websocket.DefaultDialer.Dial(svc.SocketURL(), nil)
		require.ErrorIs(t, err, websocket.ErrBadHandshake)
		require.Equal(t, 503, answer.StatusCode)
		svc.Faults().RefuseUpgrades(0)
		require.Equal(t, success, read(t, connect(t, svc)))
	})
	t.Run("greeting", func(t *testing.T) {
		svc := newSocketService(t)
		svc.Faults().WithholdGreeting(true)
		ws := connect(t, svc)
		require.NoError(t, svc.WaitSockets(t.Context(), 1))
		svc.SendFrame([]byte("odd"))
		require.Equal(t, "odd", read(t, ws))
		svc.Faults().WithholdGreeting(false)
		require.Equal(t, success, read(t, ws))
	})
	t.Run("answers", func(t *testing.T) {
		svc := newSocketService(t)
		ws := connect(t, svc)
		read(t, ws)
		svc.Faults().HoldAnswers(true)
		ask(t, ws, wantAddress)
		require.NoError(t, svc.WaitSubscribed(t.Context(), blockiotest.SocketRequest{Network: "BTC", Type: "address", Address: "3a"}))
		svc.SendFrame([]byte("odd"))
		require.Equal(t, "odd", read(t, ws))
		svc.Faults().ReleaseAnswers()
		require.Equal(t, success, read(t, ws))
		svc.Faults().HoldAnswers(false)
		svc.Faults().DelayAnswers(20 * time.Millisecond)
		asked := time.Now()
		ask(t, ws, wantAddress)
		require.Equal(t, success, read(t, ws))
		require.GreaterOrEqual(t, time.Since(asked), 20*time.Millisecond)
		svc.Faults().DelayAnswers(time.Hour)
		ask(t, ws, wantAddress)
		svc.Close() // does not wait for it
	})
	t.Run("events", func(t *testing.T) {
		svc := newSocketService(t)
		ws := connect(t, svc)
		read(t, ws)
		ask(t, ws, wantAddress)
		read(t, ws)
		svc.Faults().RepeatEvents(3)
		require.NoError(t, svc.Emit("BTC", "address", map[string]any{"address": "3a"}))
		for range 3 {
			require.Equal(t, `{"type":"address","data":{"address":"3a"}}`, read(t, ws))
		}
		svc.Faults().RepeatEvents(1)
		svc.Faults().SilenceSockets(true)
		require.NoError(t, svc.Emit("BTC", "address", map[string]any{"address": "3a"}))
		svc.PingSockets()
		svc.Faults().SilenceSockets(false)
		svc.SendFrame([]byte("odd"))
		require.Equal(t, "odd", read(t, ws), "what it would have sent is lost")
		svc.Faults().PingEvery(time.Millisecond)
		require.Equal(t, `{"type":"ping"}`, read(t, ws))
		svc.Faults().PingEvery(0)
	})
}

func TestCutSockets(t *testing.T) {
	svc := newSocketService(t)
	ends := func(ws *websocket.Conn) error {
		_ = ws.SetReadDeadline(time.Now().Add(socketSoon))
		for {
			if _, _, err := ws.ReadMessage(); err != nil {
				return err
			}
		}
	}
	for name, tc := range map[string]struct {
		cut  blockiotest.Cut
		want func(err error)
	}{
		"RST": {blockiotest.RST, func(err error) {
			var op *net.OpError
			require.ErrorAs(t, err, &op)
		}},
		"FIN": {blockiotest.FIN, func(err error) {
			require.True(t, websocket.IsCloseError(err, websocket.CloseAbnormalClosure) || err == io.ErrUnexpectedEOF, err)
		}},
		"close frame": {blockiotest.CloseFrame(1012, "restart"), func(err error) {
			var ce *websocket.CloseError
			require.ErrorAs(t, err, &ce)
			require.Equal(t, 1012, ce.Code)
			require.Equal(t, "restart", ce.Text)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			ws := connect(t, svc)
			read(t, ws)
			ended := make(chan error, 1)
			go func() { ended <- ends(ws) }()
			svc.Faults().CutSockets(tc.cut)
			require.Zero(t, svc.Sockets())
			tc.want(<-ended)
		})
	}
}

// A peer that does not read is cut, and delays nobody for long.
func TestSocketThatDoesNotRead(t *testing.T) {
	svc := newSocketService(t)
	connect(t, svc)
	require.NoError(t, svc.WaitSockets(t.Context(), 1))
	frame := []byte(`"` + strings.Repeat("x", 16<<20) + `"`)
	begun := time.Now()
	svc.SendFrame(frame)
	require.Less(t, time.Since(begun), socketSoon)
	require.NoError(t, svc.WaitSockets(t.Context(), 0))
}

func TestWaitsEnd(t *testing.T) {
	svc := newSocketService(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, svc.WaitSockets(ctx, 7), context.Canceled)
	require.ErrorIs(t, svc.WaitSubscribed(ctx, blockiotest.SocketRequest{}), context.Canceled)
	svc.Close()
	require.ErrorIs(t, svc.WaitSockets(t.Context(), 7), blockiotest.ErrClosed)
}

func TestSocketsUnderStress(t *testing.T) {
	svc := newSocketService(t)
	var all sync.WaitGroup
	var seen atomic.Int64
	for range 8 {
		all.Go(func() {
			for range 10 {
				ws, answer, err := websocket.DefaultDialer.Dial(svc.SocketURL(), nil)
				if err != nil {
					continue
				}
				_ = answer.Body.Close()
				_ = ws.WriteMessage(websocket.TextMessage, []byte(wantAddress))
				for range 5 {
					if _, _, err := ws.ReadMessage(); err == nil {
						seen.Add(1)
					}
				}
				_ = ws.Close()
			}
		})
	}
	stop := make(chan struct{})
	var emitting sync.WaitGroup
	emitting.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_ = svc.Emit("BTC", "address", map[string]any{"address": "3a", "txid": strconv.Itoa(i)})
			if i%50 == 0 {
				svc.Faults().CutSockets(blockiotest.RST)
			}
		}
	})
	all.Wait()
	close(stop)
	emitting.Wait()
	svc.Close()
	require.Zero(t, svc.Sockets())
	require.NotZero(t, seen.Load())
	_, _, err := websocket.DefaultDialer.Dial(svc.SocketURL(), http.Header{})
	require.Error(t, err)
}
