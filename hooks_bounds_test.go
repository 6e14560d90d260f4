package bitcart_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// gapOfAStuckHook cuts the connection of a stream whose hooks have no room any more, lets the hook go
// on, and requires that the gap of the cut is told, though it found no room.
func gapOfAStuckHook(t *testing.T, d *bitcarttest.Daemon, coin *bitcart.Coin, gaps <-chan bitcart.Gap, release func()) {
	t.Helper()
	require.Equal(t, 1, coin.Stats().Gaps, "that of the start")
	cutOff(t, d, bitcarttest.FIN)
	eventually(t, func() bool { return coin.Stats().Gaps == 2 })
	cut := time.Now()
	armed(t, coin)
	require.Empty(t, gaps)
	release()
	gap := receive(t, gaps, "the gap that found no room")
	require.True(t, gap.Since.Before(cut))
	require.Nil(t, gap.Coin)
	require.True(t, gap.ChainWide)
	eventually(t, func() bool { return coin.Stats().Gaps == 3 }, "one gap for all that found no room")
	require.Empty(t, gaps)
}

// G4: the events that a hook is to be told of are bounded in bytes while it does not return; what finds
// no room is dropped, but no gap is lost.
func TestG4StuckHookHoldsFewBytes(t *testing.T) {
	t.Parallel()
	const events, size, room = 200, 2 << 10, 64 << 10
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.QueueBytes = room
	gaps := make(chan bitcart.Gap, 16)
	inside, gate := make(chan struct{}), make(chan struct{})
	var told, bytes atomic.Int64
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
		OnGap: func(_ context.Context, g bitcart.Gap) {
			if g.Reason != bitcart.GapStart {
				gaps <- g
			}
		},
		OnHandlerError: func(_ context.Context, err *bitcart.HandlerError) {
			bytes.Add(int64(len(err.Event.Raw())))
			if told.Add(1) == 1 {
				close(inside)
				<-gate
			}
		},
	}))
	handled := make(chan struct{}, events)
	coin.On("bad", func(context.Context, *bitcart.Event) error {
		handled <- struct{}{}
		return errOwn
	})
	listen(t, coin)
	bad := item("bad", 1)
	bad["text"] = strings.Repeat("x", size)
	for range events {
		require.NoError(t, d.Emit(coin.WalletKey(), bad))
		receive(t, handled, "the handler: a hook holds up no events")
	}
	receive(t, inside, "the hook")
	eventually(t, func() bool { return coin.Stats().HandlerErrors == events })

	gapOfAStuckHook(t, d, coin, gaps, func() { close(gate) }) // told behind all that waited
	require.Less(t, told.Load(), int64(events))
	require.LessOrEqual(t, bytes.Load(), int64(room+2*size), "one is inside")
	require.Greater(t, bytes.Load(), int64(room/2), "there was room for that")

	before := told.Load()
	require.NoError(t, d.Emit(coin.WalletKey(), bad))
	eventually(t, func() bool { return told.Load() == before+1 }, "hooks are called again")
}

// G4: so many calls wait for a hook that does not return, logs of the stream included, and no more.
func TestG4StuckHookHoldsFewCalls(t *testing.T) {
	t.Parallel()
	const bound, updates = 1 << 16, 1<<16 + 5000 // the bound is in the manual of Hooks
	d := newDaemon(t, "BTC")
	var skipped atomic.Int64
	log := countLog{"message skipped", &skipped}
	gaps := make(chan bitcart.Gap, 16)
	inside, gate := make(chan struct{}), make(chan struct{})
	coin := newWalletCoin(t, d, bitcart.WithLogger(slog.New(log)), bitcart.WithHooks(bitcart.Hooks{
		OnGap: func(_ context.Context, g bitcart.Gap) {
			if g.Reason == bitcart.GapStart {
				close(inside)
				<-gate
				return
			}
			gaps <- g
		},
	}))
	listen(t, coin)
	receive(t, inside, "the hook")
	require.NoError(t, d.WaitRegistered(patient(t), coin.WalletKey()))
	d.SendFrame([]byte(frame("", "BTC", "["+strings.Repeat("{},", updates-1)+"{}]")))
	eventually(t, func() bool { return coin.Stats().Garbage == updates }, "a hook holds up no reader")

	gapOfAStuckHook(t, d, coin, gaps, func() { close(gate) })
	require.LessOrEqual(t, skipped.Load(), int64(bound))
	require.Greater(t, skipped.Load(), int64(bound/2), "there was room for that")
}

// countLog counts the records of a text.
type countLog struct {
	text string
	n    *atomic.Int64
}

func (l countLog) Enabled(context.Context, slog.Level) bool { return true }
func (l countLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l countLog) WithGroup(string) slog.Handler            { return l }

func (l countLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == l.text {
		l.n.Add(1)
	}
	return nil
}
