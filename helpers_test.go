package bitcart_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

const (
	patience = 15 * time.Second       // for what has to happen
	pulse    = 2 * time.Millisecond   // between looks at a condition
	prompt   = time.Second            // how long the end of a ctx may take to end a stream
	margin   = 700 * time.Millisecond // what a loaded machine adds to that
)

// quick are the times of streams in tests. Recovery is off: what a reconnect or an overflow does
// without it stays the same.
var quick = bitcart.StreamConfig{
	BackoffMin:   5 * time.Millisecond,
	BackoffMax:   50 * time.Millisecond,
	DrainTimeout: 3 * time.Second,
	DequeCap:     -1,
}

// patient is a context that ends when something is stuck.
func patient(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for a condition.
func eventually(t testing.TB, cond func() bool, msg ...any) {
	t.Helper()
	require.Eventually(t, cond, patience, pulse, msg...)
}

func newDaemon(t testing.TB, currency string, opts ...bitcarttest.Option) *bitcarttest.Daemon {
	t.Helper()
	d, err := bitcarttest.NewDaemon(currency, opts...)
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

// newCoin makes a Coin of a daemon with quick streams; options given win.
func newCoin(t testing.TB, d *bitcarttest.Daemon, opts ...bitcart.Option) *bitcart.Coin {
	t.Helper()
	c := makeCoin(t, d.Currency(), append([]bitcart.Option{bitcart.WithURL(d.URL()), bitcart.WithStream(quick)}, opts...)...)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// newWalletCoin is newCoin with a new wallet.
func newWalletCoin(t testing.TB, d *bitcarttest.Daemon, opts ...bitcart.Option) *bitcart.Coin {
	t.Helper()
	return newCoin(t, d, append(opts, bitcart.WithXpub(d.NewWallet()))...)
}

// coinAt is newCoin for a server that is no daemon of bitcarttest.
func coinAt(t testing.TB, url string, opts ...bitcart.Option) *bitcart.Coin {
	t.Helper()
	c := makeCoin(t, "BTC", append([]bitcart.Option{bitcart.WithURL(url), bitcart.WithStream(quick)}, opts...)...)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// run is a stream that runs in the background; its end is waited for by the end of the test.
type run struct {
	t      testing.TB
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func start(t testing.TB, f func(ctx context.Context) error) *run {
	t.Helper()
	return startIn(t, context.Background(), f)
}

func startIn(t testing.TB, ctx context.Context, f func(ctx context.Context) error) *run {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	r := &run{t: t, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = f(ctx)
	}()
	t.Cleanup(func() { _ = r.stop() })
	return r
}

// wait returns what the stream returned.
func (r *run) wait() error {
	r.t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(patience):
		require.FailNow(r.t, "the stream does not return")
		return nil
	}
}

// stop ends ctx and waits.
func (r *run) stop() error {
	r.t.Helper()
	r.cancel()
	return r.wait()
}

// stopPromptly is stop for a stream that has nothing to deliver.
func (r *run) stopPromptly() {
	r.t.Helper()
	begin := time.Now()
	require.NoError(r.t, r.stop())
	require.Less(r.t, time.Since(begin), prompt+margin, "the end of ctx must end the stream within a second")
}

func (r *run) requireRunning() {
	r.t.Helper()
	select {
	case <-r.done:
		require.FailNow(r.t, "the stream has returned", "%v", r.err)
	default:
	}
}

// websocketOf is StartWebsocket with its options, for start.
func websocketOf(s interface {
	StartWebsocket(context.Context, ...bitcart.StartOption) error
}, opts ...bitcart.StartOption) func(context.Context) error {
	return func(ctx context.Context) error { return s.StartWebsocket(ctx, opts...) }
}

// pollingOf is PollUpdates at a short interval, for start.
func pollingOf(s interface {
	PollUpdates(context.Context, time.Duration) error
}) func(context.Context) error {
	return func(ctx context.Context) error { return s.PollUpdates(ctx, 2*time.Millisecond) }
}

// listen starts the websocket of a Coin and waits until its wallet is watched.
func listen(t testing.TB, c *bitcart.Coin, opts ...bitcart.StartOption) *run {
	t.Helper()
	r := start(t, websocketOf(c, opts...))
	armed(t, c)
	return r
}

func armed(t testing.TB, coins ...*bitcart.Coin) {
	t.Helper()
	for _, c := range coins {
		require.NoError(t, c.WaitArmed(patient(t)))
	}
}

// inbox keeps events in the order in which they were handled.
type inbox struct {
	t  testing.TB
	ch chan *bitcart.Event
}

func newInbox(t testing.TB) *inbox { return &inbox{t, make(chan *bitcart.Event, 1<<15)} }

// inboxOf registers an inbox for events.
func inboxOf(t testing.TB, r interface {
	AddEventHandler([]string, bitcart.Handler)
}, events ...string) *inbox {
	t.Helper()
	in := newInbox(t)
	r.AddEventHandler(events, in.handle)
	return in
}

func (in *inbox) handle(_ context.Context, ev *bitcart.Event) error {
	in.ch <- ev
	return nil
}

// next is the next event.
func (in *inbox) next() *bitcart.Event {
	in.t.Helper()
	return receive(in.t, in.ch, "an event")
}

// requireEmpty fails when there is an event that was not asked for.
func (in *inbox) requireEmpty() {
	in.t.Helper()
	select {
	case ev := <-in.ch:
		require.FailNow(in.t, "an event too many", "%s %s", ev.Name, ev.Raw())
	default:
	}
}

// numbers takes the next n events and returns their numbers, see item.
func (in *inbox) numbers(n int) []int {
	in.t.Helper()
	list := make([]int, 0, n)
	for range n {
		list = append(list, numberOf(in.t, in.next()))
	}
	return list
}

// receive takes one value of a channel.
func receive[T any](t testing.TB, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		require.FailNow(t, "waited in vain for "+what)
		panic("unreachable")
	}
}

// upTo is 0, 1, ... n-1.
func upTo(n int) []int { return span(0, n) }

// span is from, from+1, ... to-1.
func span(from, to int) []int {
	list := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

// item is an update with a number.
func item(event string, n int) map[string]any { return map[string]any{"event": event, "n": n} }

func numberOf(t testing.TB, ev *bitcart.Event) int {
	t.Helper()
	var v struct{ N *int }
	require.NoError(t, ev.Decode(&v))
	require.NotNil(t, v.N, "%s has no number: %s", ev.Name, ev.Raw())
	return *v.N
}

// emit has a daemon send updates with the numbers from..to-1.
func emit(t testing.TB, d *bitcarttest.Daemon, key, event string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		require.NoError(t, d.Emit(key, item(event, i)))
	}
}

// stub is a server that is told what to answer, for what no daemon does.
type stub struct {
	*httptest.Server
	upgrades atomic.Int64
	mu       sync.Mutex
	bodies   [][]byte
	results  map[string]string // JSON by method
	status   int               // of each RPC answer, when it is not 200
	text     string            // each RPC answer, when it is not JSON-RPC
	socket   func(*websocket.Conn)
	upgrade  http.HandlerFunc // in place of socket
}

// newStub makes a server that answers what a stream asks for and keeps websockets open.
func newStub(t testing.TB, change ...func(*stub)) *stub {
	t.Helper()
	s := &stub{results: map[string]string{
		"getbalance":  `{"confirmed":"0"}`,
		"getinfo":     `{"connected":true,"synchronized":true,"total_wallets":1,"version":"4.5.0"}`,
		"get_updates": `[]`,
		"batch_load":  `true`,
	}}
	for _, f := range change {
		f(s)
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/ws":
		s.serveSocket(w, r)
	case "/spec":
		_, _ = io.WriteString(w, `{"version":"4.5.0","exceptions":{}}`)
	default:
		s.serveCall(w, r)
	}
}

func (s *stub) serveCall(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var call struct {
		ID     json.RawMessage
		Method string
	}
	_ = json.Unmarshal(body, &call)
	s.mu.Lock()
	s.bodies = append(s.bodies, body)
	result, status, text := s.results[call.Method], s.status, s.text
	s.mu.Unlock()
	if status != 0 {
		w.WriteHeader(status)
	}
	if text != "" {
		_, _ = io.WriteString(w, text)
		return
	}
	if result == "" {
		result = "null"
	}
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","result":%s,"id":%s}`, result, call.ID)
}

func (s *stub) serveSocket(w http.ResponseWriter, r *http.Request) {
	s.upgrades.Add(1)
	if s.upgrade != nil {
		s.upgrade(w, r)
		return
	}
	up := websocket.Upgrader{}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	if s.socket != nil {
		s.socket(conn)
		return
	}
	swallow(conn)
}

// swallow reads a websocket to its end; pings are answered meanwhile.
func swallow(conn *websocket.Conn) {
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
	}
}

// lastParams is the params member of the last call.
func (s *stub) lastParams(t testing.TB) json.RawMessage {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotEmpty(t, s.bodies)
	var call struct{ Params json.RawMessage }
	require.NoError(t, json.Unmarshal(s.bodies[len(s.bodies)-1], &call))
	return call.Params
}

// freePort is an address where nobody listens.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// silent is a listener that accepts connections and never answers.
type silent struct {
	addr     string
	accepted chan net.Conn
}

func newSilent(t testing.TB) *silent {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &silent{l.Addr().String(), make(chan net.Conn, 64)}
	var conns []net.Conn
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, c)
			s.accepted <- c
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
		for _, c := range conns {
			_ = c.Close()
		}
	})
	return s
}

// journal keeps what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (l *journal) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *journal) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

func (l *journal) count(line string) int {
	n := 0
	for _, s := range l.all() {
		if s == line {
			n++
		}
	}
	return n
}

// gapsOf is a hook that passes gaps on.
func gapsOf(ch chan<- bitcart.Gap) bitcart.Hooks {
	return bitcart.Hooks{OnGap: func(_ context.Context, g bitcart.Gap) { ch <- g }}
}

var errOwn = errors.New("an error of the handler")

func newServer(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// cutOff cuts the one websocket of a daemon. The daemon counts a websocket a moment after the
// client knows of it.
func cutOff(t testing.TB, d *bitcarttest.Daemon, how bitcarttest.Cut) {
	t.Helper()
	require.NoError(t, d.WaitSockets(patient(t), 1))
	d.Faults().CutSockets(how)
}
