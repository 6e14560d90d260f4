package bitcart

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A loop over Events that hangs while gap after gap comes costs a bounded amount of memory. What found
// no room is told in the end, as one gap of every wallet since the first of them.
func TestGapsThatWaitForALoopAreBounded(t *testing.T) {
	coin, err := NewCoin("BTC", WithXpub("xpub"))
	require.NoError(t, err)
	began := time.Now()
	const told = mostGaps + 1 // one is in the loop's hands
	gate, list := make(chan struct{}), make(chan Gap, 2*told)
	s := &stream{transport: websocket, pull: func(_ context.Context, p parcel) bool {
		<-gate
		list <- *p.(*Gap)
		return true
	}}
	s.prepare(t.Context(), []*linkPlan{{d: coin.d, chain: coin, coins: []*Coin{coin}, single: true}})
	l := s.links[0]
	l.gap(Gap{Coin: coin, Since: began, Reason: GapUnknown})
	require.Eventually(t, func() bool { return l.gapsWaiting.count() == 0 }, 10*time.Second, time.Millisecond, "the loop has it")
	for i := range told + 1000 {
		l.gap(Gap{Coin: coin, Since: began.Add(time.Duration(i) * time.Second), Reason: GapUnknown})
	}
	require.Equal(t, mostGaps, l.gapsWaiting.count())
	require.Equal(t, mostGaps, l.queue.Counts().Queued)

	close(gate)
	for i := range told {
		require.Equal(t, coin, (<-list).Coin, i)
	}
	want := Gap{Currency: "BTC", Since: began.Add(mostGaps * time.Second), Reason: GapUnknown, ChainWide: true}
	require.Equal(t, want, <-list)
	require.NoError(t, l.queue.Drain(t.Context()))
	require.Empty(t, list)
	require.Zero(t, l.gapsWaiting.count())
	s.cancel()
	l.beginDrain()
	require.NoError(t, l.drain())
}
