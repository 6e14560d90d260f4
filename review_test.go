package bitcart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// A queue of less than eight bytes leaves a lane none, and yet an empty lane takes an event.
func TestQueueOfAFewBytesHearsEvents(t *testing.T) {
	for _, bytes := range []int64{1, 7, 8} {
		d := newDaemon(t, "BTC")
		coin := newWalletCoin(t, d, bitcart.WithStream(bitcart.StreamConfig{QueueBytes: bytes}))
		in := inboxOf(t, coin, "x")
		r := listen(t, coin)
		emit(t, d, coin.WalletKey(), "x", 0, 1)
		require.Equal(t, upTo(1), in.numbers(1))
		require.NoError(t, r.stop())
	}
}

// With WithAllWallets a wallet that is added while its events come has one lane: two handlers of it
// never run at once, and the order stays.
func TestG1WalletsThatJoinWithAllWallets(t *testing.T) {
	const perFrame = 300
	d := newDaemon(t, "BTC")
	m, err := bitcart.NewAPIManager(nil, bitcart.WithAllWallets(), bitcart.WithStream(quick),
		bitcart.WithCurrency("BTC", bitcart.WithURL(d.URL())))
	require.NoError(t, err)
	var inside, together, behind atomic.Int64
	var last atomic.Int64
	begun := make(chan struct{}, 1)
	m.On("x", func(_ context.Context, ev *bitcart.Event) error {
		if inside.Add(1) > 1 {
			together.Add(1)
		}
		var p struct{ N int64 }
		if err := ev.Decode(&p); err != nil {
			return err
		}
		if last.Swap(p.N) >= p.N {
			behind.Add(1)
		}
		if p.N%perFrame == 1 {
			begun <- struct{}{}
		}
		inside.Add(-1)
		return nil
	})
	start(t, websocketOf(m))
	require.NoError(t, d.WaitSockets(patient(t), 1))

	for frame := range 100 {
		key := d.NewWallet()
		last.Store(0)
		var updates []map[string]any
		for i := range perFrame {
			updates = append(updates, item("x", frame*perFrame+i+1))
		}
		text, err := json.Marshal(map[string]any{"wallet": key, "currency": "BTC", "updates": updates})
		require.NoError(t, err)
		d.SendFrame(text)
		receive(t, begun, "the first event")
		_, err = m.AddWallet("BTC", bitcart.Wallet{Xpub: key})
		require.NoError(t, err)
		eventually(t, func() bool { return last.Load() == int64((frame+1)*perFrame) })
	}
	require.Zero(t, together.Load(), "two handlers of one wallet at once")
	require.Zero(t, behind.Load(), "an event behind a later one")
}

// A Coin's own stream recovers, also when its manager hears every wallet.
func TestG11CoinOfAManagerWithAllWallets(t *testing.T) {
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DequeCap = 0
	gaps, connects := make(chan bitcart.Gap, 16), make(chan bitcart.ConnectInfo, 16)
	m, err := bitcart.NewAPIManager(map[string][]string{"BTC": {d.NewWallet()}}, bitcart.WithAllWallets(),
		bitcart.WithCurrency("BTC", bitcart.WithURL(d.URL())), bitcart.WithStream(cfg),
		bitcart.WithHooks(bitcart.Hooks{
			OnConnect: func(_ context.Context, info bitcart.ConnectInfo) { connects <- info },
			OnGap:     func(_ context.Context, gap bitcart.Gap) { gaps <- gap },
		}))
	require.NoError(t, err)
	for _, coin := range m.Coins() {
		start(t, websocketOf(coin))
	}
	receive(t, connects, "the first connection")
	require.Equal(t, bitcart.GapStart, receive(t, gaps, "the first gap").Reason)
	d.Faults().CutSockets(bitcarttest.FIN)
	require.Zero(t, receive(t, connects, "the second connection").Gaps)
	require.Empty(t, gaps)
}

// A wallet that cannot be loaded is not armed by the overflow of its queue.
func TestG10OverflowArmsNoWallet(t *testing.T) {
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DequeCap, cfg.QueuePerWallet = 0, 4
	tries := make(chan bitcart.ArmInfo, 1<<10)
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
		OnArm: func(_ context.Context, info bitcart.ArmInfo) { tries <- info },
	}))
	require.NoError(t, d.Load(coin.WalletKey()))
	for _, method := range []string{"getbalance", "get_updates"} {
		d.Faults().FailMethod(method, -1, errors.New("the contract is broken"))
	}
	gate := make(chan struct{})
	coin.On("x", func(context.Context, *bitcart.Event) error {
		<-gate
		return nil
	})
	start(t, websocketOf(coin))
	require.Error(t, receive(t, tries, "a try").Err)
	require.NoError(t, d.WaitRegistered(patient(t), coin.WalletKey()))
	emit(t, d, coin.WalletKey(), "x", 0, 20)
	eventually(t, func() bool { return coin.Stats().Dropped > 0 })
	close(gate)
	for range 10 {
		require.Error(t, receive(t, tries, "another try").Err)
	}
	require.Zero(t, coin.Stats().Armed)

	for _, method := range []string{"getbalance", "get_updates"} {
		d.Faults().FailMethod(method, 0, nil)
	}
	armed(t, coin)
	eventually(t, func() bool { return coin.Stats().Delivered == 20 }, "what was dropped is in the daemon's queue")
}

// stuckLog is a logger that takes a message and does not return.
type stuckLog struct {
	slog.Handler
	begun, gate chan struct{}
}

func (l stuckLog) Enabled(context.Context, slog.Level) bool { return true }
func (l stuckLog) WithAttrs([]slog.Attr) slog.Handler       { return l }

func (l stuckLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "connected" {
		close(l.begun)
		<-l.gate
	}
	return nil
}

// A logger is user code: the reader does not wait for it.
func TestG3ReaderWaitsForNoLogger(t *testing.T) {
	d := newDaemon(t, "BTC")
	stuck := stuckLog{begun: make(chan struct{}), gate: make(chan struct{})}
	coin := newWalletCoin(t, d, bitcart.WithLogger(slog.New(stuck)))
	in := inboxOf(t, coin, "x")
	start(t, websocketOf(coin))
	defer close(stuck.gate)
	receive(t, stuck.begun, "the log")
	require.NoError(t, d.Load(coin.WalletKey()))
	require.NoError(t, d.WaitRegistered(patient(t), coin.WalletKey()))
	emit(t, d, coin.WalletKey(), "x", 0, 3)
	require.Equal(t, upTo(3), in.numbers(3))
}

// OnSlowHandler is told of the attempt that is running.
func TestOnSlowHandlerNamesTheAttempt(t *testing.T) {
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.SlowHandler = 20 * time.Millisecond
	slow := make(chan int, 16)
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
		OnSlowHandler: func(_ context.Context, ev *bitcart.Event, _ time.Duration) { slow <- ev.Attempt },
	}))
	gate := make(chan struct{})
	coin.On("x", func(_ context.Context, ev *bitcart.Event) error {
		if ev.Attempt < 3 {
			return bitcart.Retry(nil, time.Millisecond)
		}
		<-gate
		return nil
	})
	listen(t, coin)
	emit(t, d, coin.WalletKey(), "x", 0, 1)
	attempt := receive(t, slow, "the hook")
	close(gate)
	require.Equal(t, 3, attempt)
}

// nodeAway is the transport to a daemon whose node is away at will: then its getinfo has no total of
// wallets (protocol section 10).
type nodeAway struct{ away atomic.Bool }

func (n *nodeAway) RoundTrip(req *http.Request) (*http.Response, error) {
	if !n.away.Load() || req.Body == nil {
		return http.DefaultTransport.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var call struct {
		ID     json.RawMessage
		Method string
	}
	if err := json.Unmarshal(body, &call); err != nil {
		return nil, err
	}
	if call.Method != "getinfo" {
		req.Body = io.NopCloser(bytes.NewReader(body))
		return http.DefaultTransport.RoundTrip(req)
	}
	answer := `{"jsonrpc":"2.0","result":{"connected":false,"path":"/data","version":"1"},"id":` + string(call.ID) + `}`
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(answer)), Request: req,
	}, nil
}

// A daemon whose node is away does not say how many wallets it has: that is no restart.
func TestG11NodeThatIsAwayIsNoRestart(t *testing.T) {
	d := newDaemon(t, "ETH")
	j := newDiary()
	node := new(nodeAway)
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()),
		bitcart.WithHTTPClient(&http.Client{Transport: node}))
	in := inboxOf(t, coin, "own")
	start(t, websocketOf(coin))
	receive(t, j.connects, "the first connection")
	emit(t, d, coin.WalletKey(), "own", 0, 3)
	requireSequence(t, in, 0, 3, bitcart.SourceWebsocket)
	node.away.Store(true)
	outage(t, d, func() { emit(t, d, coin.WalletKey(), "own", 3, 5) })
	receive(t, j.connects, "the second connection")
	requireSequence(t, in, 3, 5, bitcart.SourceRecovered)
	require.Equal(t, []string{"start"}, j.reasons())
	in.requireEmpty()
}

// A restart that is over before the next poll is told as well.
func TestG2PollingTellsOfARestartBetweenTwoCalls(t *testing.T) {
	for name, strangers := range map[string]int{"alone": 0, "with strangers": 3} {
		t.Run(name, func(t *testing.T) {
			d := newDaemon(t, "BTC")
			for range strangers {
				require.NoError(t, d.Load(d.NewWallet()))
			}
			j := newDiary()
			coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
			start(t, func(ctx context.Context) error { return coin.PollUpdates(ctx, 200*time.Millisecond) })
			require.NoError(t, d.WaitCalls(patient(t), "get_updates", 3))
			require.Empty(t, j.reasons())
			require.NoError(t, d.Faults().Restart(patient(t), 0))
			before := d.CountCalls("get_updates")
			require.NoError(t, d.WaitCalls(patient(t), "get_updates", before+4))
			reasons := slices.DeleteFunc(j.reasons(), func(reason string) bool {
				return reason == "continuity is not proven of a wallet" // a call was under way
			})
			require.Equal(t, []string{"the daemon was restarted"}, reasons)
			require.LessOrEqual(t, d.CountCalls("list_wallets"), 2, "a list only where the total is new")
		})
	}
}

// slowAnswer is a transport that keeps the first answer of get_updates that holds an update.
type slowAnswer struct {
	once       sync.Once
	kept, gate chan struct{}
}

func (s *slowAnswer) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if bytes.Contains(body, []byte(`"own"`)) {
		s.once.Do(func() {
			close(s.kept)
			<-s.gate
		})
	}
	return resp, err
}

// A wallet that is removed and added again is not asked while its earlier call is under way.
func TestG1PollingOfAWalletThatComesBack(t *testing.T) {
	d := newDaemon(t, "BTC")
	key := d.NewWallet()
	require.NoError(t, d.Load(key))
	slow := &slowAnswer{kept: make(chan struct{}), gate: make(chan struct{})}
	m, err := bitcart.NewAPIManager(map[string][]string{"BTC": {key}}, bitcart.WithStream(recovering()),
		bitcart.WithCurrency("BTC", bitcart.WithURL(d.URL())), bitcart.WithHTTPClient(&http.Client{Transport: slow}))
	require.NoError(t, err)
	in := inboxOf(t, m, "own")
	emit(t, d, key, "own", 0, 1)
	start(t, pollingOf(m))
	receive(t, slow.kept, "the answer")
	require.True(t, m.RemoveWallet("BTC", key))
	_, err = m.AddWallet("BTC", bitcart.Wallet{Xpub: key})
	require.NoError(t, err)
	emit(t, d, key, "own", 1, 2)
	require.Never(t, func() bool { return d.Queued(key) == 0 }, 50*time.Millisecond, pulse, "an answer behind the first one")
	close(slow.gate)
	require.Equal(t, upTo(2), in.numbers(2))
}
