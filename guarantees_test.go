package bitcart_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// What the library promises, one scenario for each guarantee, over the sockets of a daemon inside
// the process. "own" is an event with a number, which a daemon of bitcarttest sends on demand.

// G1: the events of a wallet are handed over one after another, in the order in which the daemon
// sent them, and what a lost connection missed comes before what is live again.
func TestG1Order(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	m, keys := serve(t, d, 2, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	boxes := map[string]*inbox{keys[0]: newInbox(t), keys[1]: newInbox(t)}
	inside := map[string]*atomic.Int32{keys[0]: {}, keys[1]: {}}
	more := make(chan struct{}) // closed when the next events wait
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		if inside[ev.Wallet].Add(1) > 1 {
			t.Error("two handlers of one wallet at once")
		}
		defer inside[ev.Wallet].Add(-1)
		<-more
		return boxes[ev.Wallet].handle(ctx, ev)
	})
	emitBoth := func(from, to int) {
		for i := from; i < to; i++ {
			emit(t, d, keys[0], "own", i, i+1)
			emit(t, d, keys[1], "own", i, i+1)
		}
	}
	listenAll(t, m)
	receive(t, j.connects, "the connection")
	emitBoth(0, 1)
	eventually(t, func() bool { return daemonStats(t, m).Running == 2 })
	emitBoth(1, 5) // while the first handlers are inside
	eventually(t, func() bool { return daemonStats(t, m).Queued == 8 })
	close(more)
	outage(t, d, func() { emitBoth(5, 10) })
	slow := make(chan struct{}) // the daemon answers no call for a while
	d.Faults().GateMethod("", slow)
	require.NoError(t, d.WaitSockets(patient(t), 1))
	emitBoth(10, 15) // live, before anybody knows what was missed
	close(slow)
	for _, key := range keys {
		requireSequence(t, boxes[key], 0, 5, bitcart.SourceWebsocket)
		requireSequence(t, boxes[key], 5, 10, bitcart.SourceRecovered)
		requireSequence(t, boxes[key], 10, 15, bitcart.SourceWebsocket)
	}
}

// G2: an update is handed over until a handler returns anything but Retry, also when the connection
// was lost meanwhile; and if the daemon does not have it any more, OnGap says so.
func TestG2NoSilentLoss(t *testing.T) {
	t.Parallel()
	const queue, missed = 100, 150 // more than the daemon's queue holds
	d := newDaemon(t, "BTC", bitcarttest.WithPollingCap(queue))
	j := newDiary()
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	in := newInbox(t)
	coin.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		if ev.Attempt < 3 {
			pause := time.Duration(ev.Attempt-1) * time.Microsecond // first the stream's own, then the handler's
			return bitcart.Retry(errors.New("the database is away"), pause)
		}
		return in.handle(ctx, ev)
	})
	stream := listen(t, coin)
	receive(t, j.connects, "the connection")
	emit(t, d, coin.WalletKey(), "own", 0, 5)
	requireSequence(t, in, 0, 5, bitcart.SourceWebsocket)

	outage(t, d, func() { emit(t, d, coin.WalletKey(), "own", 5, 5+missed) })
	requireSequence(t, in, 5+missed-queue, 5+missed, bitcart.SourceRecovered)
	receive(t, j.connects, "the reconnection")
	require.Equal(t, []string{"start", "overflow of a wallet"}, j.reasons(), "the first 50 are lost, and not in silence")
	stream.stopPromptly() // what else waits is handed over now
	in.requireEmpty()
}

// G3: the reader never waits for a handler. A daemon waits for each client that does not read, and
// with it every other client of that daemon.
func TestG3NoBackpressure(t *testing.T) {
	t.Parallel()
	const frames = 600
	d := newDaemon(t, "BTC", bitcarttest.WithWriteTimeout(patience))
	coin := newWalletCoin(t, d, bitcart.WithTransport(narrow(t)))
	g := newGated(t)
	defer g.open()
	coin.On("own", g.handle)
	listen(t, coin)
	require.NoError(t, d.WaitSockets(patient(t), 1))
	big := []byte(frame(coin.WalletKey(), "BTC", fmt.Sprintf(`[{"event": "own", "pad": %q}]`, strings.Repeat("x", 10<<10))))
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	receive(t, g.entered, "the handler")
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for range frames { // 6 MB, more than sockets buffer
			d.SendFrame(big)
		}
	}()
	receive(t, sent, "the end of the daemon's writes")
	require.Equal(t, 1, d.Sockets(), "the client was not cut off")
	require.EqualValues(t, 1, g.started.Load(), "and its first handler is still inside")
}

// G4: what waits is bounded. Beyond the bound a wallet reads the daemon's queue when its own has run
// dry, and where that is not everything, OnGap says so.
func TestG4BoundedMemory(t *testing.T) {
	t.Parallel()
	const bound, first, second = 10, 60, 200
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = bound
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	in := newInbox(t)
	gates := make(chan chan struct{}, 2)
	coin.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		if n := numberOf(t, ev); n == 0 || n == first {
			gate := make(chan struct{})
			gates <- gate
			<-gate
		}
		return in.handle(ctx, ev)
	})
	listen(t, coin)
	receive(t, j.connects, "the connection")
	fill := func(from, to, dropped int) chan struct{} {
		emit(t, d, coin.WalletKey(), "own", from, from+1)
		gate := receive(t, gates, "the handler that is stuck")
		emit(t, d, coin.WalletKey(), "own", from+1, to)
		eventually(t, func() bool { return coin.Stats().Dropped == uint64(dropped) })
		require.Equal(t, bound, coin.Stats().Queued)
		return gate
	}

	close(fill(0, first, 49)) // the daemon's queue has what found no room
	require.Equal(t, upTo(first), in.numbers(first))
	require.Equal(t, []string{"start"}, j.reasons())

	close(fill(first, first+second, 49+189)) // it has 100 of these 189
	require.Equal(t, span(first, first+bound+1), in.numbers(bound+1))
	require.Equal(t, span(first+second-100, first+second), in.numbers(100))
	eventually(t, func() bool { return slices.Equal([]string{"start", "overflow of a wallet"}, j.reasons()) })
	require.Zero(t, coin.Stats().Queued)
}

// G5: a handler that is stuck, fails or panics is its own wallet's trouble.
func TestG5Isolation(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	reported := make(chan *bitcart.HandlerError, 16)
	m, keys := serve(t, d, 4, bitcart.WithHooks(bitcart.Hooks{
		OnHandlerError: func(_ context.Context, err *bitcart.HandlerError) { reported <- err },
	}))
	stuck, failing, panicking, healthy := keys[0], keys[1], keys[2], keys[3]
	g, in := newGated(t), newInbox(t)
	defer g.open()
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		switch ev.Wallet {
		case stuck:
			return g.handle(ctx, ev)
		case failing:
			return errOwn
		case panicking:
			panic("a bug of the handler")
		}
		return in.handle(ctx, ev)
	})
	listenAll(t, m)
	for _, key := range []string{stuck, failing, panicking} {
		emit(t, d, key, "own", 0, 3)
	}
	emit(t, d, healthy, "own", 0, 10)
	require.Equal(t, upTo(10), in.numbers(10))

	for range 6 { // each of theirs was handed over and reported
		err := receive(t, reported, "the report")
		if err.Event.Wallet == panicking {
			require.Contains(t, string(panicOf(t, err).Stack), "guarantees_test.go")
		} else {
			require.ErrorIs(t, err, errOwn)
		}
	}
	require.Equal(t, 1, daemonStats(t, m).Running, "the one that is stuck")
}

// G6: handlers and hooks may use the library: no lock is held while they run.
func TestG6ReEntry(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	hooked := make(chan error, 1)
	var m *bitcart.APIManager
	m, keys := serve(t, d, 1, bitcart.WithHooks(bitcart.Hooks{
		OnConnect: func(ctx context.Context, _ bitcart.ConnectInfo) {
			m.On("from a hook", nil)
			hooked <- firstCoin(m).Call(ctx, nil, "getbalance")
		},
	}))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	in := newInbox(t)
	m.On("own", func(hctx context.Context, ev *bitcart.Event) error {
		defer cancel() // ends the stream, which waits for this handler
		added, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: d.NewWallet()})
		return errors.Join(err,
			ev.Coin.Call(hctx, nil, "getbalance"),
			added.WaitArmed(hctx), // its stream makes it ready while this handler runs
			func() error { m.On("other", in.handle); return nil }(),
			ev.Coin.ProcessUpdates(hctx, []bitcart.Update{bitcart.NewUpdate("other", item("other", 7))}))
	})
	stream := startIn(t, ctx, websocketOf(m))
	require.NoError(t, receive(t, hooked, "the hook"))
	armed(t, coinOf(t, m, "BTC", keys[0]))
	emit(t, d, keys[0], "own", 0, 1)
	require.Equal(t, []int{7}, in.numbers(1))
	require.NoError(t, stream.wait())
	require.Zero(t, daemonStats(t, m).HandlerErrors)
}

// G7: when ctx ends, the connection is closed with a handshake, and what was received is handed
// over within DrainTimeout; what is not is counted in the error.
func TestG7Drain(t *testing.T) {
	t.Parallel()
	for _, inTime := range []bool{true, false} {
		t.Run(fmt.Sprint("in time ", inTime), func(t *testing.T) {
			t.Parallel()
			drain := patience
			if !inTime {
				drain = 10 * time.Millisecond
			}
			g, send, coin, stream := gatedCoin(t, drain, bitcart.Hooks{})
			send(0, 20)
			receive(t, g.entered, "the first handler")
			stream.cancel()
			eventually(t, func() bool { return !coin.Stats().Connected }, "the connection is closed first")
			if inTime {
				stream.requireRunning()
				g.open()
				require.NoError(t, stream.wait())
				require.EqualValues(t, 20, g.started.Load(), "nil means all of them")
				return
			}
			var left *bitcart.DrainError
			require.ErrorAs(t, stream.wait(), &left)
			require.Equal(t, 19, left.Undelivered)
			require.Equal(t, 1, left.Running)
			g.open()
			require.Never(t, func() bool { return g.started.Load() > 1 }, 20*time.Millisecond, pulse, "no handler starts after the return")
		})
	}
}

// G8: updates from anywhere are handed over in the caller's goroutine, in order, and what handlers
// return comes back, Retry too.
func TestG8Custom(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	require.NoError(t, d.Load(coin.WalletKey()))
	emit(t, d, coin.WalletKey(), "own", 0, 5)
	var updates []bitcart.Update
	require.NoError(t, coin.Call(patient(t), &updates, "get_updates"))

	type ctxKey struct{}
	ctx := context.WithValue(context.Background(), ctxKey{}, "the caller's")
	var seen []int
	coin.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		require.Equal(t, "the caller's", ctx.Value(ctxKey{}))
		seen = append(seen, numberOf(t, ev)) // no lock: it is the caller's goroutine
		switch len(seen) {
		case 2:
			return errOwn
		case 4:
			return bitcart.Retry(context.Canceled, 0)
		}
		return nil
	})
	err := coin.ProcessUpdates(ctx, updates)
	require.Equal(t, upTo(5), seen, "an error keeps nothing from those behind it, and Retry repeats nothing")
	require.ErrorIs(t, err, errOwn)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, handlerErrors(err), 2)
}

// G9: a connection that is dead without a sign is noticed, and a daemon that is away is tried again
// without end, with pauses that differ and are bounded.
func TestG9Liveness(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	lost := make(chan bitcart.DisconnectInfo, 1<<12)
	cfg := recovering()
	cfg.PingInterval, cfg.PongTimeout = 50*time.Millisecond, 50*time.Millisecond
	cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 5*time.Millisecond
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
		OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { lost <- info },
	}))
	in := inboxOf(t, coin, "own")
	listen(t, coin)
	begin := time.Now()
	d.Faults().BlackHole(true) // as if a cable was pulled
	receive(t, lost, "the end of the connection")
	require.Less(t, time.Since(begin), cfg.PingInterval+cfg.PongTimeout+margin)
	d.Faults().BlackHole(false)

	d.Faults().Stop(bitcarttest.RST)
	pauses := map[time.Duration]bool{}
	for range 20 {
		info := receive(t, lost, "another attempt")
		require.Greater(t, info.RetryIn, time.Duration(0))
		require.LessOrEqual(t, info.RetryIn, cfg.BackoffMax)
		pauses[info.RetryIn] = true
	}
	require.Greater(t, len(pauses), 10, "a herd of clients does not come in step: %v", slices.Collect(maps.Keys(pauses)))
	require.NoError(t, d.Faults().Start(patient(t)))
	eventually(t, func() bool { return d.Emit(coin.WalletKey(), item("own", 1)) == nil && len(in.ch) > 0 }, "events flow again")
}

// G10: after every connect each wallet is loaded in the daemon, which watches no other; one that
// cannot be loaded is reported, tried again, and holds nobody up.
func TestG10ReArm(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	arms := make(chan bitcart.ArmInfo, 1<<12)
	m, keys := serve(t, d, 2, bitcart.WithStream(recovering()), bitcart.WithHooks(bitcart.Hooks{
		OnArm: func(_ context.Context, info bitcart.ArmInfo) { arms <- info },
	}))
	good, bad := keys[0], keys[1]
	in := inboxOf(t, m, "own")
	listenAll(t, m)
	receive(t, arms, "a wallet")
	receive(t, arms, "the other wallet")

	d.Handle("getbalance", func(c *bitcarttest.Call) (any, error) { // which loads a wallet here
		if c.Wallet == bad {
			return nil, errors.New("its file is locked")
		}
		return map[string]string{"confirmed": "0"}, nil
	})
	require.NoError(t, d.Faults().Restart(patient(t), 0))
	next := func(key string, failed bool) bitcart.ArmInfo {
		for {
			info := receive(t, arms, "a try to load a wallet")
			if info.Coin.WalletKey() == key && (info.Err != nil) == failed {
				return info
			}
		}
	}
	info := next(bad, true)
	require.Equal(t, 1, info.Attempts)
	require.Positive(t, info.RetryIn)
	armed(t, coinOf(t, m, "BTC", good))
	emit(t, d, good, "own", 0, 3)
	require.Equal(t, upTo(3), in.numbers(3), "the daemon watches it again")
	require.Equal(t, 1, daemonStats(t, m).Unarmed)

	d.Handle("getbalance", nil)
	require.Greater(t, next(bad, false).Attempts, 1)
	emit(t, d, bad, "own", 3, 6)
	require.Equal(t, span(3, 6), in.numbers(3))
}

// G11: a gap is told where something may be missing, not wherever a connection was lost: busy
// wallets, idle ones and the chain are proven complete.
func TestG11Precision(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	m, keys := serve(t, d, 6, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	busy := newInbox(t)
	m.On("own", busy.handle)
	listenAll(t, m)
	receive(t, j.connects, "the connection")
	for round := range 5 {
		n := 10 * round
		emit(t, d, keys[0], "own", n, n+5)
		d.Mine(round % 2)
		outage(t, d, func() {
			emit(t, d, keys[0], "own", n+5, n+10)
			d.Mine(round % 3)
		})
		receive(t, j.connects, "the reconnection")
		require.Equal(t, span(n, n+10), busy.numbers(10))
	}
	require.Equal(t, []string{"start"}, j.reasons())
}
