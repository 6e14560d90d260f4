package bitcart_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

const grace = time.Second // between the end of DrainTimeout and the return

// gated is a handler that waits for a gate, whatever happens to its ctx.
type gated struct {
	entered chan *bitcart.Event
	gate    chan struct{}
	open    func()
	started atomic.Int32
}

func newGated(t testing.TB) *gated {
	t.Helper()
	g := &gated{entered: make(chan *bitcart.Event, 1<<12), gate: make(chan struct{})}
	g.open = sync.OnceFunc(func() { close(g.gate) })
	t.Cleanup(g.open)
	return g
}

func (g *gated) handle(_ context.Context, ev *bitcart.Event) error {
	g.started.Add(1)
	g.entered <- ev
	<-g.gate
	return nil
}

// gatedCoin is a Coin whose handler of "own" is gated, and that listens.
func gatedCoin(t testing.TB, drain time.Duration, hooks bitcart.Hooks) (*gated, func(from, to int), *bitcart.Coin, *run) {
	t.Helper()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DrainTimeout = drain
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(hooks))
	g := newGated(t)
	coin.On("own", g.handle)
	stream := listen(t, coin)
	send := func(from, to int) {
		t.Helper()
		before := coin.Stats().Received
		emit(t, d, coin.WalletKey(), "own", from, to)
		eventually(t, func() bool { return coin.Stats().Received == before+uint64(to-from) })
	}
	return g, send, coin, stream
}

// G7: what was received is handed over before the return.
func TestDrainDeliversWhatWaits(t *testing.T) {
	t.Parallel()
	g, send, coin, stream := gatedCoin(t, 10*time.Second, bitcart.Hooks{})
	send(0, 20)
	receive(t, g.entered, "the first handler")
	require.Equal(t, 19, coin.Stats().Queued)
	stream.cancel()
	eventually(t, func() bool { return !coin.Stats().Connected }, "it hears no more")
	stream.requireRunning()
	g.open()
	require.NoError(t, stream.wait())
	require.EqualValues(t, 20, g.started.Load())
	require.EqualValues(t, 20, coin.Stats().Delivered)
	require.Zero(t, coin.Stats().Queued)
}

// What had arrived in the connection when ctx ended was received, too.
func TestEveryEventBeforeTheCloseIsDelivered(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	for range 10 {
		coin := newWalletCoin(t, d)
		var got atomic.Int32
		coin.On("own", func(context.Context, *bitcart.Event) error { got.Add(1); return nil })
		stream := listen(t, coin)
		emit(t, d, coin.WalletKey(), "own", 0, 300) // has been written when it returns
		require.NoError(t, stream.stop())
		require.EqualValues(t, coin.Stats().Received, got.Load())
	}
}

type valueKey struct{}

// G7: a handler's ctx has the stream's values, not its end.
func TestContextOfHandlers(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DrainTimeout = 200 * time.Millisecond
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg))
	contexts := make(chan context.Context, 1)
	coin.On("own", func(ctx context.Context, _ *bitcart.Event) error {
		contexts <- ctx
		<-ctx.Done()
		return ctx.Err()
	})
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), valueKey{}, "v"), time.Hour)
	defer cancel()
	stream := startIn(t, ctx, websocketOf(coin))
	armed(t, coin)
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	inner := receive(t, contexts, "the handler")
	require.Equal(t, "v", inner.Value(valueKey{}))
	_, bounded := inner.Deadline()
	require.False(t, bounded, "the stream's deadline is not the handler's")

	begin := time.Now()
	stream.cancel()
	require.NoError(t, d.WaitSockets(patient(t), 0))
	if time.Since(begin) < cfg.DrainTimeout/2 {
		require.NoError(t, inner.Err(), "the end of the stream's ctx does not cancel it")
	}
	receive(t, inner.Done(), "the end of the handler's ctx")
	require.GreaterOrEqual(t, time.Since(begin), cfg.DrainTimeout)
	require.NoError(t, stream.wait(), "it was delivered, and nothing is left")
	require.Less(t, time.Since(begin), cfg.DrainTimeout+grace+margin)
}

func TestDrainErrorCounts(t *testing.T) {
	t.Parallel()
	g, send, coin, stream := gatedCoin(t, 50*time.Millisecond, bitcart.Hooks{})
	send(0, 6)
	receive(t, g.entered, "the first handler")
	begin := time.Now()
	err := stream.stop()
	took := time.Since(begin)
	var left *bitcart.DrainError
	require.ErrorAs(t, err, &left)
	require.ErrorIs(t, err, bitcart.ErrDrainTimeout)
	require.Equal(t, bitcart.DrainError{Undelivered: 5, Running: 1}, *left)
	require.GreaterOrEqual(t, took, 50*time.Millisecond+grace, "a handler has a second to return after its ctx has ended")
	require.Less(t, took, 50*time.Millisecond+grace+margin)
	require.NotContains(t, err.Error(), coin.WalletKey())

	g.open()
	eventually(t, func() bool { return coin.Stats().Running == 0 && len(g.entered) == 0 })
	require.EqualValues(t, 1, g.started.Load(), "no handler starts after the return")
	require.Zero(t, coin.Stats().Queued)
}

// Several wallets: everything counts together.
func TestDrainErrorCountsAllWallets(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DrainTimeout = 50 * time.Millisecond
	m, keys := serve(t, d, 3, bitcart.WithStream(cfg))
	g := newGated(t)
	m.AddEventHandler([]string{"own", "new_block"}, g.handle)
	stream := listenAll(t, m)
	for i, key := range keys {
		emit(t, d, key, "own", 0, i+1) // 1, 2 and 3 events
	}
	emit(t, d, "", "new_block", 0, 4)
	for range 4 {
		receive(t, g.entered, "a handler")
	}
	eventually(t, func() bool { return daemonStats(t, m).Received == 10 })
	err := stream.stop()
	var left *bitcart.DrainError
	require.ErrorAs(t, err, &left)
	require.Equal(t, bitcart.DrainError{Undelivered: 6, Running: 4}, *left)
}

func TestDrainErrorCountsRetries(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{"long pause": time.Hour, "no end": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			cfg := quick
			cfg.DrainTimeout = 50 * time.Millisecond
			coin := newWalletCoin(t, d, bitcart.WithStream(cfg))
			tried := make(chan struct{}, 1<<12)
			var returned atomic.Bool
			var late atomic.Int32
			coin.On("own", func(context.Context, *bitcart.Event) error {
				if returned.Load() {
					late.Add(1)
				}
				tried <- struct{}{}
				return bitcart.Retry(errOwn, after)
			})
			stream := listen(t, coin)
			emit(t, d, coin.WalletKey(), "own", 0, 3)
			eventually(t, func() bool { return coin.Stats().Received == 3 })
			receive(t, tried, "the first try")
			begin := time.Now()
			err := stream.stop()
			returned.Store(true)
			require.Less(t, time.Since(begin), cfg.DrainTimeout+grace+margin)
			var left *bitcart.DrainError
			require.ErrorAs(t, err, &left)
			require.Equal(t, bitcart.DrainError{Undelivered: 2, Retrying: 1}, *left)
			require.Zero(t, late.Load())
		})
	}
}

// The time of the drain is enough for a retry that comes within it.
func TestDrainWaitsForRetries(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	tried := make(chan struct{}, 8)
	coin.On("own", func(_ context.Context, ev *bitcart.Event) error {
		tried <- struct{}{}
		if ev.Attempt == 1 {
			return bitcart.Retry(errOwn, 50*time.Millisecond)
		}
		return nil
	})
	stream := listen(t, coin)
	emit(t, d, coin.WalletKey(), "own", 0, 2)
	eventually(t, func() bool { return coin.Stats().Received == 2 })
	receive(t, tried, "the first try")
	require.NoError(t, stream.stop())
	require.EqualValues(t, 2, coin.Stats().Delivered)
}

// A handler may make calls until the drain's time is over; then they are cut.
func TestCallsOfHandlersDuringTheDrain(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DrainTimeout = 300 * time.Millisecond
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg))
	entered, ended, results := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	coin.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		close(entered)
		<-ended
		results <- ev.Coin.Call(ctx, nil, "getbalance")
		results <- ev.Coin.Call(ctx, nil, "stuck")
		return nil
	})
	d.Handle("stuck", nil)
	hold(t, d, "stuck")
	stream := listen(t, coin)
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	receive(t, entered, "the handler")
	begin := time.Now()
	stream.cancel()
	require.NoError(t, d.WaitSockets(patient(t), 0))
	close(ended)
	require.NoError(t, receive(t, results, "a call"))
	require.ErrorIs(t, receive(t, results, "the call that is cut"), context.Canceled)
	require.GreaterOrEqual(t, time.Since(begin), cfg.DrainTimeout)
	require.NoError(t, stream.wait())
	require.Less(t, time.Since(begin), cfg.DrainTimeout+grace+margin)
}

func TestNoHandlerStartsAfterTheReturn(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DrainTimeout = time.Millisecond // too short on purpose
	key := d.NewWallet()
	require.NoError(t, d.Load(key))
	stop := make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				_ = d.Emit(key, item("own", i))
			}
		}
	})
	var late atomic.Int32
	for range 10 {
		coin := newCoin(t, d, bitcart.WithXpub(key), bitcart.WithStream(cfg))
		var returned atomic.Bool
		seen := make(chan struct{}, 1)
		coin.On("own", func(context.Context, *bitcart.Event) error {
			if returned.Load() {
				late.Add(1)
			}
			select {
			case seen <- struct{}{}:
			default:
			}
			return nil
		})
		stream := start(t, func(ctx context.Context) error {
			err := coin.StartWebsocket(ctx)
			returned.Store(true)
			return err
		})
		receive(t, seen, "an event")
		err := stream.stop()
		if err != nil {
			require.ErrorIs(t, err, bitcart.ErrDrainTimeout)
		}
	}
	close(stop)
	sender.Wait()
	require.Zero(t, late.Load())
}

// A stream that ends by itself drains as well.
func TestDrainWithoutReconnect(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DrainTimeout = 50 * time.Millisecond
	for name, open := range map[string]bool{"delivered": true, "stuck": false} {
		t.Run(name, func(t *testing.T) {
			coin := newWalletCoin(t, d, bitcart.WithStream(cfg))
			g := newGated(t)
			coin.On("own", g.handle)
			stream := listen(t, coin, bitcart.WithoutReconnect())
			emit(t, d, coin.WalletKey(), "own", 0, 5)
			receive(t, g.entered, "the handler")
			eventually(t, func() bool { return coin.Stats().Received == 5 })
			if open {
				g.open()
			}
			cutOff(t, d, closing)
			err := stream.wait()
			require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
			require.Equal(t, !open, errors.Is(err, bitcart.ErrDrainTimeout), "%v", err)
			if open {
				require.EqualValues(t, 5, g.started.Load())
			}
		})
	}
}

// Hooks are waited for as handlers are.
func TestDrainWaitsForHooks(t *testing.T) {
	t.Parallel()
	for name, drain := range map[string]time.Duration{"in time": 10 * time.Second, "stuck": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entered, release := make(chan context.Context, 1), make(chan struct{})
			open := sync.OnceFunc(func() { close(release) })
			t.Cleanup(open)
			var returned atomic.Bool
			_, _, _, stream := gatedCoin(t, drain, bitcart.Hooks{OnConnect: func(ctx context.Context, _ bitcart.ConnectInfo) {
				entered <- ctx
				<-release
				returned.Store(true)
			}})
			ctx := receive(t, entered, "the hook")
			stream.cancel()
			if name == "in time" {
				require.NoError(t, ctx.Err())
				stream.requireRunning()
				open()
				require.NoError(t, stream.wait())
				require.True(t, returned.Load())
				return
			}
			err := stream.wait()
			var left *bitcart.DrainError
			require.ErrorAs(t, err, &left)
			require.Equal(t, bitcart.DrainError{Running: 1}, *left)
			require.ErrorIs(t, ctx.Err(), context.Canceled)
		})
	}
}
