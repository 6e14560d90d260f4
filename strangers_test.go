package bitcart_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// With WithAllWallets a wallet goes on sending when it has been removed, and is added again with
// events of it still waiting: one sequence all the time.
func TestG1WalletThatLeavesAndComesBackAmongStrangers(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 2, bitcart.WithStream(recovering()), bitcart.WithAllWallets())
	in := newInbox(t)
	open := make(chan struct{})
	var inside atomic.Int32
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		if n := inside.Add(1); n > 1 {
			t.Errorf("%d handlers of one wallet at once", n)
		}
		defer inside.Add(-1)
		<-open
		return in.handle(ctx, ev)
	})
	listenAll(t, m)
	key := keys[0]
	emit(t, d, key, "own", 0, 1)
	eventually(t, func() bool { return inside.Load() == 1 })
	require.True(t, m.RemoveWallet("BTC", key))
	emit(t, d, key, "own", 1, 3)
	eventually(t, func() bool { return m.Stats()[0].Queued == 2 })
	c, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: key})
	require.NoError(t, err)
	armed(t, c)
	emit(t, d, key, "own", 3, 4)
	close(open)
	var live, recovered []int
	for len(live) < 4 || len(recovered) == 0 || recovered[len(recovered)-1] != 2 {
		ev := in.next()
		if ev.Source == bitcart.SourceRecovered {
			recovered = append(recovered, numberOf(t, ev))
			continue
		}
		live = append(live, numberOf(t, ev))
		require.True(t, len(recovered) == 0 || numberOf(t, ev) == 3, "live ones that waited are older")
	}
	require.Equal(t, upTo(4), live)
	require.Equal(t, span(recovered[0], 3), recovered)
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

// ProcessUpdates of a manager takes any wallet with WithAllWallets, but no other currency.
func TestProcessUpdatesOfAStrangerWithAllWallets(t *testing.T) {
	t.Parallel()
	m := makeManager(t, map[string][]string{"BTC": nil}, bitcart.WithAllWallets())
	var got *bitcart.Event
	m.On("own", func(_ context.Context, ev *bitcart.Event) error { got = ev; return nil })
	updates := []bitcart.Update{bitcart.NewUpdate("own", nil)}
	require.NoError(t, m.ProcessUpdates(t.Context(), "btc", "xpub6stranger", updates))
	require.Equal(t, "xpub6stranger", got.Wallet)
	require.Equal(t, "xpub6stranger", got.Coin.WalletKey())
	require.ErrorIs(t, m.ProcessUpdates(t.Context(), "LTC", "xpub6stranger", updates), bitcart.ErrUnknownWallet)
}

// With WithAllWallets the wallets that were added are recovered. Those of others are neither
// recovered nor loaded, so each reconnect is one gap of every wallet, whatever the answers prove.
func TestReconnectWithAllWalletsIsOneGap(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	stranger := d.NewWallet()
	require.NoError(t, d.Load(stranger))
	j := newDiary()
	m, keys := serve(t, d, 2, bitcart.WithStream(recovering()), bitcart.WithAllWallets(), bitcart.WithHooks(j.hooks()))
	ours, theirs := newInbox(t), newInbox(t)
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		if ev.Wallet == stranger {
			return theirs.handle(ctx, ev)
		}
		return ours.handle(ctx, ev)
	})
	stream := listenAll(t, m)
	receive(t, j.connects, "the connection")
	for n := range 3 {
		outage(t, d, func() {
			emit(t, d, keys[0], "own", n, n+1)
			emit(t, d, stranger, "own", n, n+1)
		})
		require.Equal(t, 1, receive(t, j.connects, "the reconnection").Gaps)
		requireSequence(t, ours, n, n+1, bitcart.SourceRecovered)
	}
	for _, call := range d.Calls() {
		require.NotEqual(t, stranger, call.Wallet, call.Method)
	}
	stream.stopPromptly()
	theirs.requireEmpty()
	unknown := bitcart.GapUnknown.String()
	require.Equal(t, []string{bitcart.GapStart.String(), unknown, unknown, unknown}, j.reasons())
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

// A handler that asks for another attempt at an event of a wallet that was removed meanwhile gets it with
// WithAllWallets, where the wallet's events go on, and only there.
func TestRetryForARemovedWallet(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]bitcart.Option{"added wallets": nil, "all wallets": {bitcart.WithAllWallets()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			m, keys := serve(t, d, 2, append(opts, bitcart.WithStream(recovering()))...)
			calls := make(chan *bitcart.Event, 10)
			gone := make(chan struct{})
			m.On("own", func(_ context.Context, ev *bitcart.Event) error {
				calls <- ev
				if ev.Wallet != keys[0] || ev.Attempt > 1 {
					return nil
				}
				<-gone
				return bitcart.Retry(nil, time.Millisecond)
			})
			r := listenAll(t, m)
			emit(t, d, keys[0], "own", 0, 1)
			first := receive(t, calls, "the first attempt")
			require.True(t, m.RemoveWallet("BTC", keys[0]))
			close(gone)
			if opts != nil {
				again := receive(t, calls, "the second attempt")
				require.Equal(t, []any{2, first.Coin, first.Wallet}, []any{again.Attempt, again.Coin, again.Wallet})
			}
			emit(t, d, keys[1], "own", 1, 2)
			require.Equal(t, keys[1], receive(t, calls, "another wallet's event").Wallet)
			require.NoError(t, r.stop())
			require.Empty(t, calls)
			want := uint64(1)
			if opts != nil {
				want = 0
			}
			require.EqualValues(t, want, daemonStats(t, m).Dropped)
		})
	}
}
