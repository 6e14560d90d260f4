package bitcart_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// serve makes a manager with n wallets on a daemon, and their keys.
func serve(t testing.TB, d *bitcarttest.Daemon, n int, opts ...bitcart.Option) (*bitcart.APIManager, []string) {
	t.Helper()
	keys := make([]string, n)
	for i := range keys {
		keys[i] = d.NewWallet()
	}
	opts = append([]bitcart.Option{bitcart.WithURL(d.URL()), bitcart.WithStream(quick)}, opts...)
	return makeManager(t, map[string][]string{d.Currency(): keys}, opts...), keys
}

// listenAll starts the websocket of a manager and waits for its wallets.
func listenAll(t testing.TB, m *bitcart.APIManager, opts ...bitcart.StartOption) *run {
	t.Helper()
	r := start(t, websocketOf(m, opts...))
	for _, c := range m.Coins() {
		armed(t, c)
	}
	return r
}

// daemonStats is the Stats of a manager's only daemon.
func daemonStats(t testing.TB, m *bitcart.APIManager) bitcart.Stats {
	t.Helper()
	all := m.Stats()
	require.Len(t, all, 1)
	return all[0]
}

// G1.
func TestOrderOfEachWallet(t *testing.T) {
	t.Parallel()
	const wallets, events = 8, 300
	d := newDaemon(t, "ETH")
	m, keys := serve(t, d, wallets)
	var mu sync.Mutex
	seen := map[string][]int{}
	inside := map[string]bool{}
	var wrong journal
	var left sync.WaitGroup
	left.Add((wallets + 1) * events)
	m.AddEventHandler([]string{"own", "new_block"}, func(_ context.Context, ev *bitcart.Event) error {
		defer left.Done()
		mu.Lock()
		if inside[ev.Wallet] {
			wrong.add("two handlers of one wallet at once")
		}
		inside[ev.Wallet] = true
		mu.Unlock()
		n := numberOf(t, ev)
		if n%17 == 0 {
			runtime.Gosched()
		}
		mu.Lock()
		inside[ev.Wallet] = false
		seen[ev.Wallet] = append(seen[ev.Wallet], n)
		mu.Unlock()
		return nil
	})
	listenAll(t, m)
	var senders sync.WaitGroup
	for _, key := range append([]string{""}, keys...) {
		senders.Go(func() {
			event := "own"
			if key == "" {
				event = "new_block"
			}
			for i := range events {
				if err := d.Emit(key, item(event, i)); err != nil {
					wrong.add("%v", err)
				}
			}
		})
	}
	senders.Wait()
	left.Wait()
	require.Empty(t, wrong.all())
	for _, key := range append([]string{""}, keys...) {
		require.Equal(t, upTo(events), seen[key])
	}
}

// On a Coin's own stream, its wallet and the chain are one sequence.
func TestOrderOfACoinsOwnStream(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	in := inboxOf(t, coin, "own", "new_block")
	listen(t, coin)
	for i := range 200 {
		if i%3 == 0 {
			emit(t, d, "", "new_block", i, i+1)
		} else {
			emit(t, d, coin.WalletKey(), "own", i, i+1)
		}
	}
	require.Equal(t, upTo(200), in.numbers(200))
}

func TestHandlersOfDifferentWalletsRunAtOnce(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 3)
	inside := make(chan string, 4)
	together := make(chan struct{})
	handler := func(_ context.Context, ev *bitcart.Event) error {
		inside <- ev.Wallet
		<-together
		return nil
	}
	m.AddEventHandler([]string{"own", "new_block"}, handler)
	stream := listenAll(t, m)
	for _, key := range append([]string{""}, keys...) {
		emit(t, d, key, map[bool]string{true: "new_block", false: "own"}[key == ""], 0, 1)
	}
	for range 4 { // three wallets and the chain
		receive(t, inside, "another handler")
	}
	require.Equal(t, 4, daemonStats(t, m).Running)
	close(together)
	stream.stopPromptly()
	require.Zero(t, daemonStats(t, m).Running)
}

func TestFewerWorkersThanWallets(t *testing.T) {
	t.Parallel()
	const wallets, events = 10, 20
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.Workers = 2
	m, keys := serve(t, d, wallets, bitcart.WithStream(cfg))
	var now, most atomic.Int32
	in := newInbox(t)
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		runtime.Gosched()
		return in.handle(ctx, ev)
	})
	listenAll(t, m)
	for i := range events {
		for _, key := range keys {
			emit(t, d, key, "own", i, i+1)
		}
	}
	seen := map[string][]int{}
	for range wallets * events {
		ev := in.next()
		seen[ev.Wallet] = append(seen[ev.Wallet], numberOf(t, ev))
	}
	for _, key := range keys {
		require.Equal(t, upTo(events), seen[key])
	}
	require.LessOrEqual(t, most.Load(), int32(2))
}

// G5: whatever a handler does, the next event comes.
func TestHandlersThatFail(t *testing.T) {
	t.Parallel()
	cause := errors.New("a cause")
	failures := []struct {
		name  string
		fail  func() error
		check func(t *testing.T, err error)
		panic bool
	}{
		{"error", func() error { return errOwn }, func(t *testing.T, err error) { require.ErrorIs(t, err, errOwn) }, false},
		{"panic", func() error { panic("a text") }, func(t *testing.T, err error) {
			require.Equal(t, "a text", panicOf(t, err).Value)
			require.Contains(t, string(panicOf(t, err).Stack), "delivery_test.go")
		}, true},
		{"panic with an error", func() error { panic(cause) }, func(t *testing.T, err error) { require.ErrorIs(t, err, cause) }, true},
		{"panic(nil)", func() error { panic(nil) }, func(t *testing.T, err error) { panicOf(t, err) }, true},
		{"runtime panic", func() error { none := []int{}; _ = none[len(none)]; return nil }, func(t *testing.T, err error) {
			var rt runtime.Error
			require.ErrorAs(t, err, &rt)
		}, true},
		{"Goexit", func() error { runtime.Goexit(); return nil }, func(t *testing.T, err error) {
			require.Nil(t, panicOf(t, err).Value)
		}, true},
	}
	for _, test := range failures {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			reports := make(chan *bitcart.HandlerError, 8)
			coin := newWalletCoin(t, d, bitcart.WithHooks(bitcart.Hooks{
				OnHandlerError: func(_ context.Context, err *bitcart.HandlerError) { reports <- err },
			}))
			in := inboxOf(t, coin, "own")
			coin.On("bad", func(context.Context, *bitcart.Event) error { return test.fail() })
			stream := listen(t, coin)
			emit(t, d, coin.WalletKey(), "own", 0, 1)
			emit(t, d, coin.WalletKey(), "bad", 1, 2)
			emit(t, d, coin.WalletKey(), "bad", 2, 3)
			emit(t, d, coin.WalletKey(), "own", 3, 4)
			require.Equal(t, []int{0, 3}, in.numbers(2))
			for i := range 2 {
				report := receive(t, reports, "the report")
				require.Equal(t, i+1, numberOf(t, report.Event))
				test.check(t, report)
			}
			eventually(t, func() bool { return coin.Stats().Delivered == 4 })
			stats := coin.Stats()
			require.EqualValues(t, 2, stats.HandlerErrors)
			require.EqualValues(t, map[bool]int{true: 2}[test.panic], stats.Panics)
			stream.stopPromptly()
			require.Empty(t, reports)
		})
	}
}

func panicOf(t testing.TB, err error) *bitcart.PanicError {
	t.Helper()
	var p *bitcart.PanicError
	require.ErrorAs(t, err, &p)
	require.NotEmpty(t, p.Stack)
	return p
}

// G5: a handler that never returns costs its own wallet only.
func TestStuckHandlerDelaysItsOwnWalletOnly(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 3)
	release := make(chan struct{})
	in := newInbox(t)
	m.AddEventHandler([]string{"own", "new_block"}, func(ctx context.Context, ev *bitcart.Event) error {
		if ev.Wallet == keys[0] {
			<-release
		}
		return in.handle(ctx, ev)
	})
	stream := listenAll(t, m)
	emit(t, d, keys[0], "own", 0, 10)
	for i := range 50 {
		emit(t, d, keys[1], "own", i, i+1)
		emit(t, d, keys[2], "own", i, i+1)
		emit(t, d, "", "new_block", i, i+1)
	}
	for range 150 {
		require.NotEqual(t, keys[0], in.next().Wallet)
	}
	close(release)
	require.Equal(t, upTo(10), in.numbers(10))
	stream.stopPromptly()
}

// G6: what handlers may do.
func TestHandlersMayUseTheLibrary(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 2)
	in := newInbox(t)
	var stop context.CancelFunc
	added := d.NewWallet()
	steps := map[int]func(ctx context.Context, ev *bitcart.Event) error{
		0: func(ctx context.Context, ev *bitcart.Event) error { return ev.Coin.Call(ctx, nil, "getbalance") },
		1: func(_ context.Context, ev *bitcart.Event) error {
			ev.Coin.On("later", in.handle)
			m.On("later", in.handle)
			return nil
		},
		2: func(ctx context.Context, ev *bitcart.Event) error {
			return ev.Coin.ProcessUpdates(ctx, []bitcart.Update{bitcart.NewUpdate("later", map[string]any{"n": 100})})
		},
		3: func(ctx context.Context, _ *bitcart.Event) error {
			c, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: added})
			if err != nil {
				return err
			}
			return c.WaitArmed(ctx)
		},
		4: func(context.Context, *bitcart.Event) error {
			_ = m.Stats()
			for _, c := range m.Coins() {
				_ = c.Stats()
			}
			return nil
		},
		5: func(context.Context, *bitcart.Event) error {
			if !m.RemoveWallet("BTC", keys[1]) {
				return errors.New("not removed")
			}
			return nil
		},
		6: func(ctx context.Context, ev *bitcart.Event) error {
			if err := m.StartWebsocket(ctx); !errors.Is(err, bitcart.ErrStreamRunning) {
				return fmt.Errorf("a second stream: %w", err)
			}
			return nil
		},
		7: func(ctx context.Context, ev *bitcart.Event) error {
			stop()
			return ev.Coin.Call(ctx, nil, "getbalance") // the handler's ctx goes on
		},
	}
	results := make(chan error, len(steps))
	m.On("step", func(ctx context.Context, ev *bitcart.Event) error {
		err := steps[numberOf(t, ev)](ctx, ev)
		results <- err
		return err
	})
	stream := listenAll(t, m)
	stop = stream.cancel
	for i := range len(steps) {
		emit(t, d, keys[0], "step", i, i+1)
		require.NoError(t, receive(t, results, "the step"), "step %d", i)
	}
	require.NoError(t, stream.wait())
	require.Equal(t, 100, numberOf(t, in.next()))
}

// A handler may remove its own wallet: what waits for it is dropped and counted.
func TestHandlerRemovesItsOwnWallet(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 2)
	in := newInbox(t)
	entered, release := make(chan struct{}, 8), make(chan struct{})
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		if ev.Wallet == keys[0] {
			entered <- struct{}{}
			<-release
			m.RemoveWallet("BTC", keys[0])
		}
		return in.handle(ctx, ev)
	})
	stream := listenAll(t, m)
	emit(t, d, keys[0], "own", 0, 5)
	receive(t, entered, "the handler")
	emit(t, d, keys[1], "own", 0, 1)
	in.next()
	close(release)
	require.Equal(t, keys[0], in.next().Wallet, "a handler that runs finishes")
	emit(t, d, keys[0], "own", 5, 8)
	emit(t, d, keys[1], "own", 1, 2)
	require.Equal(t, keys[1], in.next().Wallet)
	require.EqualValues(t, 4, daemonStats(t, m).Dropped)
	stream.stopPromptly()
	in.requireEmpty()
}

// G6, and the end of ctx from a handler in each form of a stream.
func TestHandlerEndsItsStream(t *testing.T) {
	t.Parallel()
	for name, way := range waysToHear {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			coin := newWalletCoin(t, d)
			ctx, cancel := context.WithCancel(context.Background())
			coin.On("own", func(context.Context, *bitcart.Event) error { cancel(); return nil })
			stream := startIn(t, ctx, way(coin))
			armed(t, coin)
			emit(t, d, coin.WalletKey(), "own", 0, 1)
			require.NoError(t, stream.wait())
		})
	}
}

func TestRetryKeepsTheEventAtTheHead(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	failed := make(chan *bitcart.HandlerError, 8)
	m, keys := serve(t, d, 2, bitcart.WithHooks(bitcart.Hooks{
		OnHandlerError: func(_ context.Context, err *bitcart.HandlerError) { failed <- err },
	}))
	in := newInbox(t)
	var calls journal
	var open atomic.Bool
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		n := numberOf(t, ev)
		if ev.Wallet == keys[0] {
			calls.add("%d attempt %d repeat %t", n, ev.Attempt, ev.Repeat)
			if n == 1 && (ev.Attempt < 4 || !open.Load()) {
				return bitcart.Retry(errOwn, time.Millisecond)
			}
		}
		return in.handle(ctx, ev)
	})
	stream := listenAll(t, m)
	emit(t, d, keys[0], "own", 0, 4)
	emit(t, d, keys[1], "own", 0, 50)
	require.Equal(t, keys[0], nextOf(in, keys[0]).Wallet)
	eventually(t, func() bool { return calls.count("1 attempt 3 repeat false") == 1 })
	require.Zero(t, calls.count("2 attempt 1 repeat false"), "later events wait")
	open.Store(true)
	for n := 1; n < 4; n++ {
		require.Equal(t, n, numberOf(t, nextOf(in, keys[0])))
	}
	require.Equal(t, "0 attempt 1 repeat false", calls.all()[0])
	for i, line := range calls.all()[1 : len(calls.all())-2] {
		require.Equal(t, fmt.Sprintf("1 attempt %d repeat false", i+1), line)
	}
	stream.stopPromptly()
	require.Empty(t, failed, "Retry is no error")
	require.Zero(t, daemonStats(t, m).HandlerErrors)
	require.EqualValues(t, 54, daemonStats(t, m).Delivered, "a try that asks for another is no delivery")
}

// nextOf is the next event of one wallet; others are passed over.
func nextOf(in *inbox, key string) *bitcart.Event {
	in.t.Helper()
	for {
		if ev := in.next(); ev.Wallet == key {
			return ev
		}
	}
}

// While one wallet retries, others go on.
func TestRetryHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.Workers = 1 // the pause must not hold the only worker
	m, keys := serve(t, d, 2, bitcart.WithStream(cfg))
	in := newInbox(t)
	tried := make(chan struct{}, 1)
	var open atomic.Bool
	m.AddEventHandler([]string{"own", "new_block"}, func(ctx context.Context, ev *bitcart.Event) error {
		if ev.Wallet == keys[0] && !open.Load() {
			select {
			case tried <- struct{}{}:
			default:
			}
			return bitcart.Retry(nil, 20*time.Millisecond)
		}
		return in.handle(ctx, ev)
	})
	stream := listenAll(t, m)
	emit(t, d, keys[0], "own", 0, 1)
	receive(t, tried, "the first try")
	emit(t, d, keys[1], "own", 0, 100)
	emit(t, d, "", "new_block", 100, 101)
	for range 101 {
		require.NotEqual(t, keys[0], in.next().Wallet)
	}
	open.Store(true)
	require.Equal(t, keys[0], in.next().Wallet)
	stream.stopPromptly()
}

func TestRetryWaits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		after    time.Duration
		attempts int
		least    time.Duration // for all attempts
	}{
		{"a given time", 30 * time.Millisecond, 4, 90 * time.Millisecond},
		{"backoff", 0, 9, 50 * time.Millisecond}, // 5, 7.5, 11, ... 50 ms, less half for jitter
		{"backoff again", -time.Hour, 9, 50 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			coin := newWalletCoin(t, d)
			times := make(chan time.Time, 64)
			coin.On("own", func(_ context.Context, ev *bitcart.Event) error {
				times <- time.Now()
				if ev.Attempt < test.attempts {
					return bitcart.Retry(errOwn, test.after)
				}
				return nil
			})
			listen(t, coin)
			emit(t, d, coin.WalletKey(), "own", 0, 1)
			first := receive(t, times, "the first attempt")
			var last time.Time
			for range test.attempts - 1 {
				last = receive(t, times, "another attempt")
			}
			require.GreaterOrEqual(t, last.Sub(first), test.least)
			eventually(t, func() bool { return coin.Stats().Delivered == 1 })
		})
	}
}

func TestRetryOfChainWideEvents(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 1)
	in := newInbox(t)
	m.AddEventHandler([]string{"own", "new_block"}, func(ctx context.Context, ev *bitcart.Event) error {
		if ev.Name == "new_block" && ev.Attempt < 3 {
			return bitcart.Retry(errOwn, time.Millisecond)
		}
		return in.handle(ctx, ev)
	})
	listenAll(t, m)
	emit(t, d, "", "new_block", 0, 3)
	require.Equal(t, upTo(3), in.numbers(3))
	emit(t, d, keys[0], "own", 3, 4)
	require.Equal(t, span(3, 4), in.numbers(1))
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 2)
	in := inboxOf(t, m, "own", "new_block")
	listenAll(t, m)
	repeats := func(key, event string, n int) bool {
		emit(t, d, key, event, n, n+1)
		ev := in.next()
		require.Equal(t, n, numberOf(t, ev))
		require.Equal(t, key, ev.Wallet)
		return ev.Repeat
	}
	require.False(t, repeats(keys[0], "own", 0))
	require.True(t, repeats(keys[0], "own", 0), "the same update again")
	require.False(t, repeats(keys[1], "own", 0), "another wallet")
	require.False(t, repeats("", "new_block", 0), "the chain")
	require.True(t, repeats("", "new_block", 0))
	require.False(t, repeats(keys[0], "own", 1))
	require.True(t, repeats(keys[0], "own", 0))

	for i := range 150 {
		require.False(t, repeats("", "new_block", 1000+i))
	}
	require.True(t, repeats(keys[0], "own", 1), "chain-wide events have their own 100")
	require.False(t, repeats("", "new_block", 0), "more than 100 ago")

	require.False(t, repeats(keys[1], "own", 500))
	for i := range 99 {
		require.False(t, repeats(keys[1], "own", 1000+i))
	}
	require.True(t, repeats(keys[1], "own", 500), "the oldest of 100")
	for i := range 100 {
		require.False(t, repeats(keys[1], "own", 2000+i))
	}
	require.False(t, repeats(keys[1], "own", 500), "older than 100")

	cutOff(t, d, bitcarttest.RST)
	eventually(t, func() bool { return daemonStats(t, m).Reconnects == 1 })
	for _, c := range m.Coins() {
		armed(t, c)
	}
	require.NoError(t, d.WaitSockets(patient(t), 1))
	require.True(t, repeats(keys[1], "own", 500), "a new connection forgets nothing")
}

func TestRepeatOnACoinsOwnStream(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	in := inboxOf(t, coin, "own", "new_block")
	listen(t, coin)
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	emit(t, d, "", "new_block", 0, 150)
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	emit(t, d, "", "new_block", 149, 150)
	var repeated []string
	for range 153 {
		if ev := in.next(); ev.Repeat {
			repeated = append(repeated, fmt.Sprint(ev.Name, numberOf(t, ev)))
		}
	}
	require.Equal(t, []string{"own0", "new_block149"}, repeated)
}

func TestStatsOfAStream(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d, bitcart.WithBasicAuth("electrum", "electrumz"))
	require.False(t, coin.Stats().Connected)
	entered, release := make(chan struct{}), make(chan struct{})
	coin.On("own", func(context.Context, *bitcart.Event) error { return nil })
	coin.On("slow", func(context.Context, *bitcart.Event) error {
		close(entered)
		<-release
		return nil
	})
	coin.On("bad", func(context.Context, *bitcart.Event) error { return errOwn })
	coin.On("worse", func(context.Context, *bitcart.Event) error { panic("x") })
	stream := listen(t, coin)
	key := coin.WalletKey()
	emit(t, d, key, "own", 0, 3)
	emit(t, d, key, "unheard", 0, 2)
	emit(t, d, key, "slow", 0, 1)
	emit(t, d, key, "own", 3, 5)
	emit(t, d, key, "bad", 0, 1)
	emit(t, d, key, "worse", 0, 1)
	receive(t, entered, "the slow handler")
	eventually(t, func() bool { return coin.Stats().Received == 10 })
	stats := coin.Stats()
	require.Equal(t, "BTC", stats.Currency)
	require.Equal(t, d.URL(), stats.URL)
	require.True(t, stats.Connected)
	require.False(t, stats.Recovering)
	require.EqualValues(t, 3, stats.Delivered)
	require.EqualValues(t, 2, stats.Ignored)
	require.Equal(t, 4, stats.Queued, "what a handler holds does not wait")
	require.Positive(t, stats.QueuedBytes)
	require.Equal(t, 1, stats.Running)
	require.Equal(t, 1, stats.Armed)
	require.Zero(t, stats.Unarmed)
	require.Equal(t, 1, stats.Gaps)
	require.Zero(t, stats.Dropped+stats.Garbage+stats.Recovered+stats.HandlerErrors+stats.Panics)
	for _, at := range []time.Time{stats.Since, stats.LastFrame, stats.LastEvent} {
		require.False(t, at.Before(begin))
		require.False(t, at.After(time.Now()))
	}
	close(release)
	stream.stopPromptly()
	stats = coin.Stats()
	require.False(t, stats.Connected)
	require.EqualValues(t, 8, stats.Delivered)
	require.EqualValues(t, 2, stats.HandlerErrors)
	require.EqualValues(t, 1, stats.Panics)
	require.Zero(t, stats.Queued)
	require.Zero(t, stats.QueuedBytes)
	require.Zero(t, stats.Running)
	require.Zero(t, stats.Armed)

	stream = listen(t, coin)
	emit(t, d, key, "own", 5, 6)
	eventually(t, func() bool { return coin.Stats().Delivered == 9 }, "counters are cumulative over streams")
	stream.stopPromptly()
}

// Events may be kept, and used from several goroutines.
func TestEventsMayBeUsedAfterTheirHandler(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	in := inboxOf(t, coin, "own")
	listen(t, coin)
	emit(t, d, coin.WalletKey(), "own", 0, 20)
	var group sync.WaitGroup
	sums := make([]int, 4)
	events := make([]*bitcart.Event, 20)
	for i := range events {
		events[i] = in.next()
	}
	for i := range sums {
		group.Go(func() {
			for _, ev := range events {
				fields, err := ev.Fields()
				if err == nil && fields["event"] == "own" {
					sums[i]++
				}
			}
		})
	}
	group.Wait()
	require.Equal(t, slices.Repeat([]int{20}, 4), sums)
}
