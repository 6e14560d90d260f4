package blockio_test

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

// streamSoon is far beyond what anything here takes.
const streamSoon = 10 * time.Second

// listening is a Stream on a service inside the process. What happens is told
// by channels.
type listening struct {
	*blockio.Stream
	t       testing.TB
	svc     *blockiotest.Service
	sink    *bitcart.Dispatcher
	events  chan *bitcart.Event
	gaps    chan blockio.Gap
	refused chan *blockio.SubscriptionError
	end     context.CancelFunc
	ended   chan error
}

func newSocketService(t testing.TB) *blockiotest.Service {
	t.Helper()
	svc, err := blockiotest.New()
	require.NoError(t, err)
	t.Cleanup(svc.Close)
	return svc
}

// newListening makes a Stream that does not run yet.
func newListening(t testing.TB, opts ...blockio.StreamOption) *listening {
	t.Helper()
	l := &listening{
		t: t, svc: newSocketService(t), sink: &bitcart.Dispatcher{},
		events: make(chan *bitcart.Event, 1000), gaps: make(chan blockio.Gap, 100),
		refused: make(chan *blockio.SubscriptionError, 100), ended: make(chan error, 1),
	}
	l.sink.AddEventHandler([]string{blockio.EventAddress, blockio.EventNewBlocks}, func(_ context.Context, ev *bitcart.Event) error {
		l.events <- ev
		return nil
	})
	opts = append([]blockio.StreamOption{
		blockio.WithEndpoint(l.svc.SocketURL()),
		blockio.WithBackoff(time.Millisecond, 10*time.Millisecond),
		blockio.WithOnGap(func(_ context.Context, g blockio.Gap) { l.gaps <- g }),
		blockio.WithOnRefused(func(_ context.Context, err *blockio.SubscriptionError) { l.refused <- err }),
	}, opts...)
	var err error
	l.Stream, err = blockio.NewStream(l.sink, opts...)
	require.NoError(t, err)
	return l
}

// begin runs the Stream; the end of the test ends it.
func (l *listening) begin() *listening {
	ctx, cancel := context.WithCancel(context.Background())
	l.end = cancel
	go func() { l.ended <- l.Run(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		select {
		case err := <-l.ended:
			l.ended <- err
		case <-time.After(streamSoon):
			l.t.Error("Run does not return")
		}
	})
	return l
}

// start is begin, and waits for the service's greeting.
func (l *listening) start() *listening {
	l.t.Helper()
	l.begin()
	require.Eventually(l.t, func() bool { return l.Stats().Connected }, streamSoon, time.Millisecond)
	return l
}

// stop ends Run and returns its error.
func (l *listening) stop() error {
	l.t.Helper()
	l.end()
	err := get(l.t, l.ended)
	l.ended <- err
	return err
}

func (l *listening) subscribe(subs ...blockio.Subscription) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), streamSoon)
	defer cancel()
	require.NoError(l.t, l.Subscribe(ctx, subs...))
}

// pay emits a payment to an address of network BTC.
func (l *listening) pay(address, txid string) {
	l.t.Helper()
	require.NoError(l.t, l.svc.Emit("BTC", blockio.EventAddress, payment(address, txid)))
}

func payment(address, txid string) map[string]any {
	return map[string]any{
		"network": "BTC", "address": address, "balance_change": "0.01000000", "amount_sent": "0.00000000",
		"amount_received": "0.01000000", "txid": txid, "confirmations": 0, "is_green": false,
	}
}

// get takes what comes, soon.
func get[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(streamSoon):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

// txidOf is the txid of an event of type address.
func txidOf(t testing.TB, ev *bitcart.Event) string {
	t.Helper()
	p, err := bitcart.PayloadOf[blockio.AddressEvent](ev)
	require.NoError(t, err)
	return p.TxID
}

func btc(address string) blockio.Subscription {
	return blockio.Subscription{Network: "BTC", Type: blockio.TypeAddress, Address: address}
}

func blocks(network string) blockio.Subscription {
	return blockio.Subscription{Network: network, Type: blockio.TypeNewBlocks}
}

func asked(sub blockio.Subscription) blockiotest.SocketRequest {
	return blockiotest.SocketRequest{Network: sub.Network, Type: sub.Type, Address: sub.Address}
}

// logLines is a logger that keeps its lines.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

func (l *logLines) all() (text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		text += line
	}
	return text
}

func (l *logLines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// socketPeer serves one connection under synctest's clock.
type socketPeer func(ws *peerConn)

// peerConn may be written to from several goroutines.
type peerConn struct {
	*websocket.Conn
	mu *sync.Mutex
}

// socketPipe is a Transport whose connections end in p, without a socket, so
// that time can be synctest's. The end of the test waits for the peers.
func socketPipe(t *testing.T, p socketPeer) blockio.StreamOption {
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	return blockio.WithTransport(&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		running.Go(func() {
			defer server.Close()
			r := bufio.NewReader(server)
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			up := websocket.Upgrader{}
			ws, err := up.Upgrade(&hijacked{server, r}, req, nil)
			if err == nil {
				p(&peerConn{ws, &sync.Mutex{}})
			}
		})
		return client, nil
	}})
}

// hijacked is as much of an http.ResponseWriter as an upgrade needs.
type hijacked struct {
	nc net.Conn
	r  *bufio.Reader
}

func (h *hijacked) Header() http.Header         { return http.Header{} }
func (h *hijacked) Write(p []byte) (int, error) { return len(p), nil }
func (h *hijacked) WriteHeader(int)             {}
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(h.r, bufio.NewWriter(h.nc)), nil
}

func say(ws *peerConn, text string) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return ws.WriteMessage(websocket.TextMessage, []byte(text)) == nil
}

const saySuccess, sayPing = `{"status":"success"}`, `{"type":"ping"}`

// hear reads until the connection ends and tells f of each request.
func hear(ws *peerConn, f func(req blockiotest.SocketRequest)) {
	for {
		_, msg, err := ws.ReadMessage()
		if err != nil {
			return
		}
		var req blockiotest.SocketRequest
		if json.Unmarshal(msg, &req) == nil && f != nil {
			f(req)
		}
	}
}
