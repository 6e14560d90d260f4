package bitcart_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// closing is how a daemon that is stopped ends websockets.
var closing = bitcarttest.CloseFrame(1001, "Server shutdown")

// padded is an update of a given size, or a little more.
func padded(n, size int) map[string]any {
	return map[string]any{"event": "own", "n": n, "pad": strings.Repeat("x", size)}
}

// G3: a handler that blocks stalls neither the daemon nor other wallets, far beyond what sockets buffer.
func TestBlockedHandlerStallsNobody(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC", bitcarttest.WithWriteTimeout(patience))
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(64 << 10) // a small buffer shows a reader that waits
		}
		return conn, err
	}}
	t.Cleanup(transport.CloseIdleConnections)
	cfg := quick
	cfg.QueuePerWallet = 16
	m, keys := serve(t, d, 2, bitcart.WithTransport(transport), bitcart.WithStream(cfg))
	other := newCoin(t, d, bitcart.WithXpub(keys[0])) // another client of the daemon
	g := newGated(t)
	in := newInbox(t)
	m.AddEventHandler([]string{"own", "new_block"}, func(ctx context.Context, ev *bitcart.Event) error {
		if ev.Wallet == keys[0] {
			return g.handle(ctx, ev)
		}
		return in.handle(ctx, ev)
	})
	var heard atomic.Int32
	other.On("own", func(context.Context, *bitcart.Event) error { heard.Add(1); return nil })
	listenAll(t, m)
	listen(t, other)
	require.NoError(t, d.WaitSockets(patient(t), 2))

	const events = 600
	begin := time.Now()
	flood := []byte(frame(keys[0], "BTC", fmt.Sprintf(`[{"event": "own", "pad": %q}]`, strings.Repeat("x", 8<<10))))
	for range events { // 5 MB
		d.SendFrame(flood)
	}
	require.Less(t, time.Since(begin), patience/2)
	emit(t, d, keys[1], "own", 0, 5)
	emit(t, d, "", "new_block", 5, 6)
	seen := in.numbers(6)
	require.ElementsMatch(t, upTo(6), seen)
	require.EqualValues(t, 1, g.started.Load())
	require.Equal(t, 2, d.Sockets(), "nobody was cut off")
	require.Zero(t, daemonStats(t, m).Reconnects)
	room := uint64(cfg.QueuePerWallet) // and one more, if a worker had taken the first before the lane was full
	require.Contains(t, []uint64{events - room, events - room - 1}, daemonStats(t, m).Dropped)
	eventually(t, func() bool { return heard.Load() == events })
	g.open()
}

// G4: at most QueuePerWallet events wait; what is beyond is dropped, counted and told as a gap.
func TestQueueOfAWalletIsBounded(t *testing.T) {
	t.Parallel()
	const bound, events = 10, 60
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.QueuePerWallet = bound
	gaps := make(chan bitcart.Gap, 16)
	m, keys := serve(t, d, 2, bitcart.WithStream(cfg), bitcart.WithHooks(gapsOf(gaps)))
	g := newGated(t)
	in := newInbox(t)
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		if ev.Wallet == keys[0] {
			_ = g.handle(ctx, ev)
		}
		return in.handle(ctx, ev)
	})
	stream := listenAll(t, m)
	require.Equal(t, bitcart.GapStart, receive(t, gaps, "the first gap").Reason)
	emit(t, d, keys[0], "own", 0, 1)
	receive(t, g.entered, "the handler")
	emit(t, d, keys[0], "own", 1, events)
	eventually(t, func() bool { return daemonStats(t, m).Received == events })
	stats := daemonStats(t, m)
	require.Equal(t, bound, stats.Queued)
	require.EqualValues(t, events-1-bound, stats.Dropped)
	for i := range 30 {
		emit(t, d, keys[1], "own", i, i+1)
		require.Equal(t, span(i, i+1), in.numbers(1), "other wallets have queues of their own")
	}
	require.Empty(t, gaps, "the gap comes when the queue has run dry")

	g.open()
	require.Equal(t, upTo(bound+1), in.numbers(bound+1))
	gap := receive(t, gaps, "the gap")
	require.Equal(t, bitcart.GapOverflow, gap.Reason)
	require.Equal(t, "BTC", gap.Currency)
	require.NotNil(t, gap.Coin)
	require.Equal(t, keys[0], gap.Coin.WalletKey())
	require.False(t, gap.ChainWide)

	emit(t, d, keys[0], "own", 100, 105)
	require.Equal(t, span(100, 105), in.numbers(5), "later events flow again")
	stats = daemonStats(t, m)
	require.Zero(t, stats.Queued)
	require.Zero(t, stats.QueuedBytes)
	require.Equal(t, 2, stats.Gaps)
	stream.stopPromptly()
	require.Empty(t, gaps)
}

// The same for chain-wide events, whose gap is no wallet's.
func TestQueueOfTheChainIsBounded(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.QueuePerWallet = 10
	gaps := make(chan bitcart.Gap, 16)
	m, _ := serve(t, d, 1, bitcart.WithStream(cfg), bitcart.WithHooks(gapsOf(gaps)))
	g := newGated(t)
	m.On("new_block", g.handle)
	stream := listenAll(t, m)
	require.Equal(t, bitcart.GapStart, receive(t, gaps, "the first gap").Reason)
	emit(t, d, "", "new_block", 0, 30)
	eventually(t, func() bool { return daemonStats(t, m).Received == 30 })
	g.open()
	gap := receive(t, gaps, "the gap")
	require.Equal(t, bitcart.GapOverflow, gap.Reason)
	require.True(t, gap.ChainWide)
	stream.stopPromptly()
}

// G4: the bytes that wait are bounded, for a wallet and for all of them.
func TestQueuedBytesAreBounded(t *testing.T) {
	t.Parallel()
	const limit, size, wallets = 160_000, 2000, 12
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.QueueBytes = limit
	gaps := make(chan bitcart.Gap, 64)
	m, keys := serve(t, d, wallets, bitcart.WithStream(cfg), bitcart.WithHooks(gapsOf(gaps)))
	g := newGated(t)
	in := newInbox(t)
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		_ = g.handle(ctx, ev)
		return in.handle(ctx, ev)
	})
	stream := listenAll(t, m)
	require.Equal(t, bitcart.GapStart, receive(t, gaps, "the first gap").Reason)

	fill := func(key string) {
		before := daemonStats(t, m).Received
		for i := range 20 {
			require.NoError(t, d.Emit(key, padded(i, size)))
		}
		eventually(t, func() bool { return daemonStats(t, m).Received == before+20 })
	}
	// Received is counted before the lane is asked, so the rest is waited for.
	accounted := func(events int) func() bool {
		return func() bool {
			stats := daemonStats(t, m)
			return uint64(stats.Queued)+stats.Dropped+uint64(stats.Running) == uint64(events)
		}
	}
	fill(keys[0])
	eventually(t, accounted(20), "each event runs, waits, or is counted as dropped")
	stats := daemonStats(t, m)
	require.LessOrEqual(t, stats.QueuedBytes, limit/8, "one wallet holds an eighth at most")
	require.Positive(t, stats.Queued)
	for n, key := range keys[1:] {
		fill(key)
		// An event that need not wait needs no room: until a worker has it, it is counted beside the others.
		eventually(t, func() bool { return accounted(20*(n+2))() && daemonStats(t, m).Running == n+2 })
		require.LessOrEqual(t, daemonStats(t, m).QueuedBytes, limit)
	}
	eventually(t, accounted(20*wallets))
	stats = daemonStats(t, m)

	g.open()
	for range wallets {
		gap := receive(t, gaps, "the gap of each wallet")
		require.Equal(t, bitcart.GapOverflow, gap.Reason)
		require.NotNil(t, gap.Coin)
	}
	eventually(t, func() bool { return daemonStats(t, m).Queued == 0 })
	require.Zero(t, daemonStats(t, m).QueuedBytes)
	require.EqualValues(t, 20*wallets, daemonStats(t, m).Delivered+stats.Dropped)
	for _, key := range keys {
		require.NoError(t, d.Emit(key, item("own", 999)))
	}
	eventually(t, func() bool {
		return daemonStats(t, m).Delivered+stats.Dropped == 21*wallets
	}, "later events flow again")
	stream.stopPromptly()
}

// G5: an event that need not wait takes no room from those that wait.
func TestIdleWalletsHearWhileOthersFillTheBytes(t *testing.T) {
	t.Parallel()
	const limit, stuck = 80_000, 8
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.QueueBytes = limit
	m, keys := serve(t, d, stuck+1, bitcart.WithStream(cfg))
	g := newGated(t)
	idle := keys[stuck]
	in := newInbox(t)
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		if ev.Wallet != idle {
			return g.handle(ctx, ev)
		}
		return in.handle(ctx, ev)
	})
	listenAll(t, m)
	t.Cleanup(g.open)
	for _, key := range keys[:stuck] {
		for i := range 50 {
			require.NoError(t, d.Emit(key, padded(i, 20)))
		}
	}
	eventually(t, func() bool { return daemonStats(t, m).Received == 50*stuck })
	for i := range 20 {
		require.NoError(t, d.Emit(idle, padded(i, 6000)))
		require.Equal(t, span(i, i+1), in.numbers(1))
		eventually(t, func() bool { return daemonStats(t, m).Running == stuck }) // the next one need not wait
	}
}

// An overflow leaves no hole in the middle: what was dropped is behind what was kept, and the gap between.
func TestOverflowKeepsTheOldest(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.QueuePerWallet = 5
	var story journal
	done := make(chan struct{})
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
		OnGap: func(_ context.Context, gap bitcart.Gap) {
			if gap.Reason == bitcart.GapOverflow {
				story.add("gap")
			}
		},
	}))
	g := newGated(t)
	coin.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		story.add("%d", numberOf(t, ev))
		if numberOf(t, ev) == 99 {
			close(done)
		}
		return g.handle(ctx, ev)
	})
	listen(t, coin)
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	receive(t, g.entered, "the handler")
	emit(t, d, coin.WalletKey(), "own", 1, 20)
	eventually(t, func() bool { return coin.Stats().Received == 20 })
	require.EqualValues(t, 14, coin.Stats().Dropped)
	g.open()
	eventually(t, func() bool { return story.count("gap") == 1 })
	emit(t, d, coin.WalletKey(), "own", 99, 100)
	receive(t, done, "the event behind the gap")
	require.Equal(t, []string{"0", "1", "2", "3", "4", "5", "gap", "99"}, story.all())
}

func TestManyForeignWalletsAreNotKept(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 1)
	in := inboxOf(t, m, "own")
	stream := listenAll(t, m)
	require.NoError(t, d.WaitSockets(patient(t), 1))
	for i := range 500 {
		d.SendFrame([]byte(frame(fmt.Sprintf("xpub6stranger%d", i), "BTC", `[{"event":"own","n":7}]`)))
	}
	emit(t, d, keys[0], "own", 0, 1)
	require.Equal(t, upTo(1), in.numbers(1))
	require.EqualValues(t, 500, daemonStats(t, m).Foreign)
	stream.stopPromptly()
	in.requireEmpty()
}

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
