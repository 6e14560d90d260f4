package bitcart_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// pair is what an iteration yields.
type pair struct {
	ev  *bitcart.Event
	err error
}

// pullIn iterates in the background; the channel is closed at the end.
func pullIn(t testing.TB, seq iter.Seq2[*bitcart.Event, error]) <-chan pair {
	t.Helper()
	pairs := make(chan pair, 1<<12)
	go func() {
		defer close(pairs)
		for ev, err := range seq {
			pairs <- pair{ev, err}
		}
	}()
	return pairs
}

// gapIn takes a gap.
func gapIn(t testing.TB, pairs <-chan pair) bitcart.Gap {
	t.Helper()
	p := receive(t, pairs, "a gap")
	require.Nil(t, p.ev)
	var gap *bitcart.GapError
	require.ErrorAs(t, p.err, &gap)
	return gap.Gap
}

// numberIn takes an event.
func numberIn(t testing.TB, pairs <-chan pair) int {
	t.Helper()
	p := receive(t, pairs, "an event")
	require.NoError(t, p.err)
	return numberOf(t, p.ev)
}

// endOf waits for the end of an iteration and returns what came before it.
func endOf(t testing.TB, pairs <-chan pair) []pair {
	t.Helper()
	var rest []pair
	late := time.After(patience)
	for {
		select {
		case p, ok := <-pairs:
			if !ok {
				return rest
			}
			rest = append(rest, p)
		case <-late:
			require.FailNow(t, "the iteration does not end")
		}
	}
}

func TestPullInOrderOfArrival(t *testing.T) {
	t.Parallel()
	const events = 300
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 5)
	handled := inboxOf(t, m, "own", "new_block")
	ctx, cancel := context.WithCancel(patient(t))
	defer cancel()
	next := 0
	for ev, err := range m.Events(ctx) {
		var gap *bitcart.GapError
		if errors.As(err, &gap) { // everything waits when the loop goes on
			require.Equal(t, bitcart.GapStart, gap.Gap.Reason)
			require.Nil(t, gap.Gap.Coin)
			for _, c := range m.Coins() {
				armed(t, c)
			}
			for i := range events {
				if to := i / 4 % 6; to == 5 { // a few for each in turn, so that taking turns is another order
					emit(t, d, "", "new_block", i, i+1)
				} else {
					emit(t, d, keys[to], "own", i, i+1)
				}
			}
			eventually(t, func() bool { return daemonStats(t, m).Received == events })
			continue
		}
		require.NoError(t, err, "the end of ctx is no error")
		require.Equal(t, next, numberOf(t, ev), "the order of arrival, over all wallets")
		if from := next / 4 % 6; from == 5 {
			require.Empty(t, ev.Wallet)
		} else {
			require.Equal(t, keys[from], ev.Wallet)
			require.Same(t, coinOf(t, m, "BTC", keys[from]), ev.Coin)
		}
		require.Equal(t, bitcart.SourceWebsocket, ev.Source)
		if next++; next == events {
			cancel()
		}
	}
	require.Equal(t, events, next)
	handled.requireEmpty()
	require.NoError(t, d.WaitSockets(patient(t), 0))
}

func TestPullOfACoin(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	gaps := make(chan bitcart.Gap, 8)
	coin := newWalletCoin(t, d, bitcart.WithHooks(gapsOf(gaps)))
	handled := inboxOf(t, coin, "own")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	pairs := pullIn(t, coin.Events(ctx))
	require.Equal(t, bitcart.GapStart, gapIn(t, pairs).Reason)
	require.Equal(t, bitcart.GapStart, receive(t, gaps, "the hook").Reason, "OnGap is called, too")
	armed(t, coin)
	emit(t, d, coin.WalletKey(), "own", 0, 2)
	emit(t, d, coin.WalletKey(), "never handled", 2, 3)
	for i := range 3 {
		require.Equal(t, i, numberIn(t, pairs), "every event, whether it has a handler or not")
	}
	cutOff(t, d, closing)
	require.Equal(t, bitcart.GapUnknown, gapIn(t, pairs).Reason, "in its place")
	armed(t, coin)
	emit(t, d, coin.WalletKey(), "own", 3, 4)
	require.Equal(t, 3, numberIn(t, pairs))
	require.ErrorIs(t, coin.StartWebsocket(patient(t)), bitcart.ErrStreamRunning)
	cancel()
	require.Empty(t, endOf(t, pairs))
	handled.requireEmpty()
	require.EqualValues(t, 4, coin.Stats().Received)
}

func TestPullStartsWithTheLoop(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	seq := coin.Events(patient(t))
	require.Zero(t, d.Connections())
	for range 2 { // the sequence can be used again
		for _, err := range seq {
			var gap *bitcart.GapError
			require.ErrorAs(t, err, &gap)
			require.NoError(t, d.WaitSockets(patient(t), 1))
			break
		}
		require.NoError(t, d.WaitSockets(patient(t), 0))
	}
}

// leaveLoop are the ways out of a loop.
var leaveLoop = map[string]func(seq iter.Seq2[*bitcart.Event, error]){
	"break": func(seq iter.Seq2[*bitcart.Event, error]) {
		for range seq {
			break
		}
	},
	"return": func(seq iter.Seq2[*bitcart.Event, error]) {
		for range seq {
			return
		}
	},
	"panic": func(seq iter.Seq2[*bitcart.Event, error]) {
		defer func() { _ = recover() }()
		for range seq {
			panic("in the loop")
		}
	},
	"Goexit": func(seq iter.Seq2[*bitcart.Event, error]) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range seq {
				runtime.Goexit()
			}
		}()
		<-done
	},
	"iter.Pull": func(seq iter.Seq2[*bitcart.Event, error]) {
		next, stop := iter.Pull2(seq)
		_, _, _ = next()
		stop()
	},
}

func TestLeavingTheLoopEndsTheStream(t *testing.T) {
	t.Parallel()
	for name, leave := range leaveLoop {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			coin := newWalletCoin(t, d)
			m, _ := serve(t, d, 2)
			for range 3 {
				leave(coin.Events(context.Background()))
				require.NoError(t, drainQueue(t, coin), "no stream runs when the loop is left")
				leave(m.Events(context.Background()))
				require.NoError(t, d.WaitSockets(patient(t), 0))
			}
			listen(t, coin).stopPromptly()
			listenAll(t, m).stopPromptly()
			eventually(t, func() bool { return d.OpenConnections() == 0 })
		})
	}
}

// The panic is the caller's.
func TestPanicInTheLoopPassesThrough(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	require.PanicsWithError(t, errOwn.Error(), func() {
		for range coin.Events(context.Background()) {
			panic(errOwn)
		}
	})
}

func TestPullEndsWithTheError(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC", bitcarttest.WithCredentials("me", "right"))
	for name, coin := range map[string]*bitcart.Coin{
		"credentials": newWalletCoin(t, d),
		"refused":     coinAt(t, "http://"+freePort(t), bitcart.WithXpub("xpub6abcdefgh")),
	} {
		t.Run(name, func(t *testing.T) {
			pairs := endOf(t, pullIn(t, coin.Events(patient(t))))
			require.Len(t, pairs, 1)
			require.Nil(t, pairs[0].ev)
			require.ErrorIs(t, pairs[0].err, bitcart.ErrConnectionFailed)
			require.Equal(t, name == "credentials", errors.Is(pairs[0].err, bitcart.ErrUnauthorized))
		})
	}
	t.Run("without reconnect", func(t *testing.T) {
		coin := newWalletCoin(t, d, bitcart.WithBasicAuth("me", "right"))
		pairs := pullIn(t, coin.Events(patient(t), bitcart.WithoutReconnect()))
		require.Equal(t, bitcart.GapStart, gapIn(t, pairs).Reason)
		armed(t, coin)
		emit(t, d, coin.WalletKey(), "own", 0, 2)
		eventually(t, func() bool { return coin.Stats().Received == 2 })
		cutOff(t, d, closing)
		rest := endOf(t, pairs)
		require.Len(t, rest, 3)
		require.Equal(t, 0, numberOf(t, rest[0].ev))
		require.Equal(t, 1, numberOf(t, rest[1].ev))
		require.Nil(t, rest[2].ev)
		require.ErrorIs(t, rest[2].err, bitcart.ErrConnectionFailed)
	})
}

func TestPullWithAnEndedContext(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	require.Empty(t, endOf(t, pullIn(t, newWalletCoin(t, d).Events(ended))))
}

// What had been received when ctx ended is still yielded.
func TestPullAfterTheEndOfContext(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	next := 0
	for ev, err := range coin.Events(ctx) {
		var gap *bitcart.GapError
		if errors.As(err, &gap) {
			armed(t, coin)
			emit(t, d, coin.WalletKey(), "own", 0, 10)
			eventually(t, func() bool { return coin.Stats().Received == 10 })
			cancel()
			continue
		}
		require.NoError(t, err)
		require.Equal(t, next, numberOf(t, ev))
		next++
	}
	require.Equal(t, 10, next)
}

// A loop that does not take what was received within DrainTimeout is told so.
func TestPullThatTakesTooLong(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DrainTimeout = 50 * time.Millisecond
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var last error
	taken := 0
	for ev, err := range coin.Events(ctx) {
		var gap *bitcart.GapError
		switch {
		case errors.As(err, &gap):
			armed(t, coin)
			emit(t, d, coin.WalletKey(), "own", 0, 10)
		case err != nil:
			require.NoError(t, last, "one error, the last pair")
			last = err
		default:
			require.NoError(t, last)
			require.Equal(t, taken, numberOf(t, ev))
			if taken++; taken == 3 {
				eventually(t, func() bool { return coin.Stats().Received == 10 })
				cancel()
				eventually(t, func() bool { return !coin.Stats().Connected })
				<-time.After(4 * cfg.DrainTimeout) // the loop is busy with something else
			}
		}
	}
	if taken < 10 {
		var left *bitcart.DrainError
		require.ErrorAs(t, last, &left)
		require.Equal(t, 10-taken, left.Undelivered)
		return
	}
	require.NoError(t, last)
}

// A loop that is slow is bounded as a slow handler is, and told in band.
func TestPullOverflow(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.QueuePerWallet = 5
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg))
	ctx, cancel := context.WithCancel(patient(t))
	defer cancel()
	var story []string
	for ev, err := range coin.Events(ctx) {
		var gap *bitcart.GapError
		switch {
		case !errors.As(err, &gap):
			require.NoError(t, err)
			story = append(story, fmt.Sprint(numberOf(t, ev)))
			if story[len(story)-1] == "99" {
				cancel()
			}
		case gap.Gap.Reason == bitcart.GapStart:
			armed(t, coin)
			emit(t, d, coin.WalletKey(), "own", 0, 50)
			eventually(t, func() bool { return coin.Stats().Received == 50 })
			require.Equal(t, 5, coin.Stats().Queued)
			require.EqualValues(t, 45, coin.Stats().Dropped)
		default:
			require.Equal(t, bitcart.GapOverflow, gap.Gap.Reason)
			story = append(story, "gap")
			emit(t, d, coin.WalletKey(), "own", 99, 100)
		}
	}
	require.Equal(t, []string{"0", "1", "2", "3", "4", "gap", "99"}, story, "the gap comes in its place")
}

// The body may use the manager that it iterates.
func TestPullBodyMayUseTheLibrary(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 1)
	started := false
	for ev, err := range m.Events(patient(t)) {
		var gap *bitcart.GapError
		if errors.As(err, &gap) {
			if started {
				continue // the gap of the wallet that was added
			}
			started = true
			added, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: d.NewWallet()})
			require.NoError(t, err)
			armed(t, added, coinOf(t, m, "BTC", keys[0]))
			require.NoError(t, added.Call(patient(t), nil, "getbalance"))
			emit(t, d, added.WalletKey(), "own", 0, 1)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, "own", ev.Name)
		require.True(t, m.RemoveWallet("BTC", ev.Wallet))
		break
	}
	require.NoError(t, d.WaitSockets(patient(t), 0))
}

// At a start it is what came before that may be missing.
func TestGapErrorSaysWhatMayBeMissing(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	for reason, when := range map[bitcart.GapReason]string{
		bitcart.GapUnknown: "since", bitcart.GapStart: "before", bitcart.GapRestart: "since", bitcart.GapOverflow: "since",
	} {
		err := &bitcart.GapError{Gap: bitcart.Gap{Currency: "BTC", Since: at, Reason: reason}}
		require.EqualError(t, err, "bitcart: BTC: events may be missing for every wallet "+when+" 2026-02-03T04:05:06Z: "+reason.String())
	}
}
