package bitcart_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// cycles is how often a stream is started and stopped.
const cycles = 200

// These tests do not run beside others: they look at the goroutines of the whole program.

// requireNothingLeft runs f and fails when a goroutine or a connection of it is left.
func requireNothingLeft(t *testing.T, f func(t *testing.T, d *bitcarttest.Daemon)) {
	t.Helper()
	d, err := bitcarttest.NewDaemon("BTC", bitcarttest.WithoutReplay())
	require.NoError(t, err)
	defer d.Close()
	before := goleak.IgnoreCurrent()
	f(t, d)
	eventually(t, func() bool { return d.OpenConnections() == 0 }, "connections are left")
	eventually(t, func() bool { return d.Sockets() == 0 }, "websockets are left") // the daemon has to notice
	require.NoError(t, goleak.Find(before))
}

// cycle starts a stream, waits until it works, and ends it.
func cycle(t *testing.T, f func(context.Context) error, coins ...*bitcart.Coin) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	waiting, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	for _, c := range coins {
		require.NoError(t, c.WaitArmed(waiting))
	}
	cancel()
	require.NoError(t, receive(t, done, "the end of the stream"))
}

func TestWebsocketLeavesNothing(t *testing.T) {
	requireNothingLeft(t, func(t *testing.T, d *bitcarttest.Daemon) {
		coin := makeCoin(t, "BTC", bitcart.WithURL(d.URL()), bitcart.WithStream(quick), bitcart.WithXpub(d.NewWallet()))
		coin.On("own", func(context.Context, *bitcart.Event) error { return nil })
		for range cycles {
			cycle(t, websocketOf(coin), coin)
		}
		require.Equal(t, cycles, int(coin.Stats().Gaps), "each of them was connected")
	})
}

func TestPollingLeavesNothing(t *testing.T) {
	requireNothingLeft(t, func(t *testing.T, d *bitcarttest.Daemon) {
		coin := makeCoin(t, "BTC", bitcart.WithURL(d.URL()), bitcart.WithStream(quick), bitcart.WithXpub(d.NewWallet()))
		for range cycles {
			cycle(t, pollingOf(coin), coin)
		}
		require.GreaterOrEqual(t, d.CountCalls("get_updates"), 1)
	})
}

func TestManagerLeavesNothing(t *testing.T) {
	requireNothingLeft(t, func(t *testing.T, d *bitcarttest.Daemon) {
		m, _ := serve(t, d, 3)
		var coins []*bitcart.Coin
		for _, c := range m.Coins() {
			coins = append(coins, c)
		}
		for range cycles {
			cycle(t, websocketOf(m), coins...)
		}
	})
}

// The end may come at any moment of the start.
func TestEarlyEndsLeaveNothing(t *testing.T) {
	requireNothingLeft(t, func(t *testing.T, d *bitcarttest.Daemon) {
		coin := makeCoin(t, "BTC", bitcart.WithURL(d.URL()), bitcart.WithStream(quick), bitcart.WithXpub(d.NewWallet()))
		m, _ := serve(t, d, 2)
		for i := range cycles {
			for _, f := range []func(context.Context) error{websocketOf(coin), pollingOf(coin), websocketOf(m)} {
				ctx, cancel := context.WithCancel(context.Background())
				timer := time.AfterFunc(time.Duration(i)*20*time.Microsecond, cancel)
				require.NoError(t, f(ctx))
				timer.Stop()
			}
		}
	})
}

// Neither do starts that fail.
func TestFailedStartsLeaveNothing(t *testing.T) {
	requireNothingLeft(t, func(t *testing.T, d *bitcarttest.Daemon) {
		d.Faults().RefuseUpgrade(404, "")
		coin := makeCoin(t, "BTC", bitcart.WithURL(d.URL()), bitcart.WithStream(quick), bitcart.WithXpub(d.NewWallet()))
		wrong := makeCoin(t, "BTC", bitcart.WithURL(d.URL()), bitcart.WithStream(quick), bitcart.WithXpub(d.NewWallet()), bitcart.WithBasicAuth("a", "b"))
		for range cycles / 4 {
			require.ErrorIs(t, coin.StartWebsocket(context.Background()), bitcart.ErrConnectionFailed)
			require.ErrorIs(t, wrong.StartWebsocket(context.Background()), bitcart.ErrUnauthorized)
			require.ErrorIs(t, wrong.PollUpdates(context.Background(), time.Millisecond), bitcart.ErrUnauthorized)
		}
	})
}

// Neither do connections that are lost.
func TestReconnectsLeaveNothing(t *testing.T) {
	requireNothingLeft(t, func(t *testing.T, d *bitcarttest.Daemon) {
		cfg := quick
		cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, time.Millisecond
		coin := makeCoin(t, "BTC", bitcart.WithURL(d.URL()), bitcart.WithStream(cfg), bitcart.WithXpub(d.NewWallet()))
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- coin.StartWebsocket(ctx) }()
		waiting, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		require.NoError(t, coin.WaitArmed(waiting)) // a first attempt that fails would end it
		cuts := []bitcarttest.Cut{bitcarttest.RST, bitcarttest.FIN, closing}
		for i := range cycles / 4 {
			require.NoError(t, d.WaitSockets(waiting, 1))
			d.Faults().CutSockets(cuts[i%len(cuts)])
		}
		cancel()
		require.NoError(t, receive(t, done, "the end of the stream"))
		require.Positive(t, coin.Stats().Reconnects)
	})
}

// A stream whose handler never returns leaves that handler alone behind.
func TestStuckHandlerIsAllThatIsLeft(t *testing.T) {
	requireNothingLeft(t, func(t *testing.T, d *bitcarttest.Daemon) {
		cfg := quick
		cfg.DrainTimeout = 20 * time.Millisecond
		coin := makeCoin(t, "BTC", bitcart.WithURL(d.URL()), bitcart.WithStream(cfg), bitcart.WithXpub(d.NewWallet()))
		entered, release := make(chan struct{}), make(chan struct{})
		coin.On("own", func(context.Context, *bitcart.Event) error {
			close(entered)
			<-release
			return nil
		})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- coin.StartWebsocket(ctx) }()
		waiting, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		require.NoError(t, coin.WaitArmed(waiting))
		require.NoError(t, d.Emit(coin.WalletKey(), item("own", 0)))
		receive(t, entered, "the handler")
		cancel()
		require.True(t, errors.Is(receive(t, done, "the end"), bitcart.ErrDrainTimeout))
		require.Error(t, goleak.Find(goleak.IgnoreTopFunction("none")), "the handler is still there")
		close(release)
	})
}
