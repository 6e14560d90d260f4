package bitcart_test

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// recordingHooks note each call in a journal; two at once are noted, too.
func recordingHooks(story *journal) bitcart.Hooks {
	var busy atomic.Bool
	note := func(format string, args ...any) {
		if !busy.CompareAndSwap(false, true) {
			story.add("two hooks at once")
		}
		runtime.Gosched()
		story.add(format, args...)
		busy.Store(false)
	}
	return bitcart.Hooks{
		OnConnect: func(_ context.Context, info bitcart.ConnectInfo) {
			note("connect first=%t armed=%d", info.First, info.Armed)
		},
		OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { note("disconnect") },
		OnGap:        func(_ context.Context, gap bitcart.Gap) { note("gap %v", gap.Reason) },
		OnArm:        func(_ context.Context, info bitcart.ArmInfo) { note("arm ok=%t %d", info.Err == nil, info.Attempts) },
		OnHandlerError: func(_ context.Context, err *bitcart.HandlerError) {
			note("error %v", err.Unwrap())
		},
	}
}

func TestHooksRunInOrder(t *testing.T) {
	t.Parallel()
	var story journal
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d, bitcart.WithHooks(recordingHooks(&story)))
	coin.On("bad", func(context.Context, *bitcart.Event) error { return errOwn })
	d.Faults().FailMethod("getbalance", 1, &bitcarttest.Error{Code: -32005, Message: "x"})
	stream := listen(t, coin)
	emit(t, d, coin.WalletKey(), "bad", 0, 1)
	eventually(t, func() bool { return story.count("error "+errOwn.Error()) == 1 })
	cutOff(t, d, bitcarttest.RST)
	eventually(t, func() bool { return story.count("connect first=false armed=1") == 1 })
	stream.stopPromptly()

	require.Zero(t, story.count("two hooks at once"))
	requireOrder(t, &story, "gap "+bitcart.GapStart.String(), "connect first=true armed=0", "disconnect",
		"gap "+bitcart.GapUnknown.String(), "connect first=false armed=1")
	requireOrder(t, &story, "arm ok=false 1", "arm ok=true 2", "disconnect", "arm ok=true 1", "connect first=false armed=1")
	requireOrder(t, &story, "arm ok=false 1", "connect first=true armed=0")
}

// requireOrder fails unless the lines come in this order, with others between them.
func requireOrder(t testing.TB, story *journal, lines ...string) {
	t.Helper()
	rest := story.all()
	for _, want := range lines {
		i := 0
		for i < len(rest) && rest[i] != want {
			i++
		}
		require.Less(t, i, len(rest), "no %q behind the lines before it:\n%s", want, strings.Join(story.all(), "\n"))
		rest = rest[i+1:]
	}
}

// A hook may block: events flow, and the hooks behind it wait.
func TestHookThatBlocksHoldsNoEvents(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	release := make(chan struct{})
	reports := make(chan int, 8)
	coin := newWalletCoin(t, d, bitcart.WithHooks(bitcart.Hooks{
		OnGap: func(context.Context, bitcart.Gap) { <-release },
		OnHandlerError: func(_ context.Context, err *bitcart.HandlerError) {
			reports <- numberOf(t, err.Event)
		},
	}))
	in := inboxOf(t, coin, "own")
	coin.On("bad", func(context.Context, *bitcart.Event) error { return errOwn })
	stream := listen(t, coin)
	emit(t, d, coin.WalletKey(), "bad", 0, 3)
	emit(t, d, coin.WalletKey(), "own", 0, 100)
	require.Equal(t, upTo(100), in.numbers(100))
	cutOff(t, d, bitcarttest.FIN)
	eventually(t, func() bool { return coin.Stats().Reconnects == 1 }, "nor does it hold up the connection")
	armed(t, coin)
	emit(t, d, coin.WalletKey(), "own", 100, 110)
	require.Equal(t, span(100, 110), in.numbers(10))
	require.Empty(t, reports)
	close(release)
	for i := range 3 {
		require.Equal(t, i, receive(t, reports, "a report"))
	}
	stream.stopPromptly()
}

func TestHooksThatFail(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(){
		"panic": func() { panic("a hook") }, "Goexit": runtime.Goexit, "nil pointer": func() { var p *int; *p = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			connects := make(chan struct{}, 8)
			coin := newWalletCoin(t, d, bitcart.WithHooks(bitcart.Hooks{
				OnGap:          func(context.Context, bitcart.Gap) { fail() },
				OnArm:          func(context.Context, bitcart.ArmInfo) { fail() },
				OnConnect:      func(context.Context, bitcart.ConnectInfo) { connects <- struct{}{}; fail() },
				OnHandlerError: func(context.Context, *bitcart.HandlerError) { fail() },
				OnDisconnect:   func(context.Context, bitcart.DisconnectInfo) { fail() },
			}))
			in := inboxOf(t, coin, "own")
			coin.On("bad", func(context.Context, *bitcart.Event) error { return errOwn })
			stream := listen(t, coin, bitcart.WithReconnectCallback(func(context.Context, string) error {
				fail()
				return nil
			}))
			receive(t, connects, "the connection")
			emit(t, d, coin.WalletKey(), "bad", 0, 1)
			emit(t, d, coin.WalletKey(), "own", 0, 1)
			in.next()
			cutOff(t, d, bitcarttest.RST)
			receive(t, connects, "the reconnection")
			emit(t, d, coin.WalletKey(), "own", 1, 2)
			require.Equal(t, span(1, 2), in.numbers(1))
			stream.stopPromptly()
		})
	}
}

// G6, for hooks.
func TestHooksMayUseTheLibrary(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	extra := d.NewWallet()
	results := make(chan error, 8)
	handed := newInbox(t)
	var m *bitcart.APIManager
	var stop context.CancelFunc
	ready := make(chan struct{})
	m, keys := serve(t, d, 1, bitcart.WithHooks(bitcart.Hooks{
		OnConnect: func(ctx context.Context, _ bitcart.ConnectInfo) {
			<-ready
			coin := firstCoin(m)
			results <- coin.Call(ctx, nil, "getbalance")
			_, _ = coin.Stats(), m.Stats()
			coin.On("own", handed.handle)
			results <- coin.ProcessUpdates(ctx, []bitcart.Update{bitcart.NewUpdate("own", map[string]any{"n": 1})})
			added, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: extra})
			results <- err
			if err == nil {
				results <- added.WaitArmed(ctx)
			}
		},
		OnHandlerError: func(context.Context, *bitcart.HandlerError) {
			m.RemoveWallet("BTC", extra)
			stop()
		},
	}))
	m.On("bad", func(context.Context, *bitcart.Event) error { return errOwn })
	stream := start(t, websocketOf(m))
	stop = stream.cancel
	close(ready)
	for range 4 {
		require.NoError(t, receive(t, results, "the hook's work"))
	}
	require.Equal(t, 1, numberOf(t, handed.next()))
	emit(t, d, keys[0], "bad", 0, 1)
	require.NoError(t, stream.wait(), "the hook has ended ctx")
	_, there := m.Coin("BTC", extra)
	require.False(t, there)
}

func firstCoin(m *bitcart.APIManager) *bitcart.Coin {
	for _, c := range m.Coins() {
		return c
	}
	return nil
}

// A hook's ctx is like a handler's.
func TestContextOfHooks(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	contexts := make(chan context.Context, 1)
	release := make(chan struct{})
	coin := newWalletCoin(t, d, bitcart.WithHooks(bitcart.Hooks{OnConnect: func(ctx context.Context, _ bitcart.ConnectInfo) {
		contexts <- ctx
		<-release
	}}))
	stream := startIn(t, context.WithValue(context.Background(), valueKey{}, "v"), websocketOf(coin))
	ctx := receive(t, contexts, "the hook")
	require.Equal(t, "v", ctx.Value(valueKey{}))
	stream.cancel()
	require.NoError(t, d.WaitSockets(patient(t), 0))
	require.NoError(t, ctx.Err())
	close(release)
	require.NoError(t, stream.wait())
}

func TestOnSlowHandler(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.SlowHandler = 20 * time.Millisecond
	type report struct {
		ev      *bitcart.Event
		running time.Duration
	}
	reports := make(chan report, 64)
	m, keys := serve(t, d, 2, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
		OnSlowHandler: func(_ context.Context, ev *bitcart.Event, running time.Duration) { reports <- report{ev, running} },
	}))
	g := newGated(t)
	quickly := newInbox(t)
	m.On("own", g.handle)
	m.On("fast", quickly.handle)
	listenAll(t, m)
	t.Cleanup(g.open)
	emit(t, d, keys[0], "own", 7, 8)
	slow := receive(t, reports, "the report")
	require.Equal(t, 7, numberOf(t, slow.ev))
	require.GreaterOrEqual(t, slow.running, cfg.SlowHandler)
	require.EqualValues(t, 1, g.started.Load())
	require.Equal(t, 1, daemonStats(t, m).Running, "it is still running")

	emit(t, d, keys[1], "own", 8, 9)
	require.Equal(t, 8, numberOf(t, receive(t, reports, "the report of another wallet").ev))
	g.open()
	emit(t, d, keys[0], "own", 9, 10)
	emit(t, d, keys[1], "fast", 0, 50)
	quickly.numbers(50)
	require.Empty(t, reports, "once for each slow handler, never for a fast one")
}

func TestOnHandlerErrorNamesTheEvent(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	reports := make(chan *bitcart.HandlerError, 8)
	m, keys := serve(t, d, 2, bitcart.WithHooks(bitcart.Hooks{
		OnHandlerError: func(_ context.Context, err *bitcart.HandlerError) { reports <- err },
	}))
	m.On("own", func(context.Context, *bitcart.Event) error { return errOwn })
	bitcart.On(m, func(context.Context, *bitcart.Event, bitcart.NewBlock) error { return nil })
	listenAll(t, m)
	emit(t, d, keys[1], "own", 3, 4)
	report := receive(t, reports, "the report")
	require.ErrorIs(t, report, errOwn)
	require.Equal(t, keys[1], report.Event.Wallet)
	require.Equal(t, keys[1], report.Event.Coin.WalletKey())
	require.NotContains(t, shown(t, report), keys[1])

	require.NoError(t, d.Emit("", map[string]any{"event": "new_block"}))
	report = receive(t, reports, "the payload that cannot be read")
	require.ErrorIs(t, report, bitcart.ErrMissingMember)
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
