package bitcart

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wire"
)

func updatesOf(t *testing.T, list string) []wire.Update {
	t.Helper()
	updates, skipped, err := wire.CutList([]byte(list))
	require.NoError(t, err)
	require.Zero(t, skipped)
	return updates
}

// A lost answer behind which another has come is no gap at each later connect, although a pass that was not
// complete leaves the time since which updates may be missing where it was.
func TestG11LostAnswerIsToldOnce(t *testing.T) {
	g := newRig(t, 2, StreamConfig{})
	p := g.connects(true, g.started)
	g.recovery.witness(p, g.ws)
	for _, w := range g.ws {
		g.answered(p, w)
	}
	life := time.Now()
	p = g.connects(false, life)
	g.answered(p, g.ws[1]) // proves the chain
	g.recovery.failed(p, g.ws[0], g.recovery.beforeAsking(g.ws[0]), ErrMaybeSent)
	require.Len(t, g.told(), 2)
	g.answered(p, g.ws[0])
	for range 3 {
		p = g.connects(false, life)
		g.answered(p, g.ws[1])
		g.answered(p, g.ws[0])
		require.Empty(t, g.told())
	}
}

// Blocks of a new wallet that wait for the next connection are no reason to wait for it no longer.
func TestG11BlocksThatWaitMakeNoOutageAGap(t *testing.T) {
	g := newRig(t, 2, StreamConfig{})
	p := g.connects(true, g.started)
	g.recovery.witness(p, g.ws)
	g.answered(p, g.ws[0])
	g.answered(p, g.ws[1])
	g.told()
	life := time.Now()
	p = g.connects(false, life)
	g.answered(p, g.ws[0])
	w := g.ws[1]
	g.hist.Lock()
	w.sure, w.excused, w.gapIn = false, true, w.episode // as if it were new
	g.recovery.openChain()
	g.hist.Unlock()
	asked := g.recovery.beforeAsking(w)
	p.read, p.end = make(chan struct{}), func() {}
	g.recovery.end(p)
	_, merged := g.recovery.merge(p, w, dequeued{updatesOf(t, `[{"event":"new_block","height":5}]`), 1}, asked, false)
	require.True(t, merged)
	g.hist.Lock()
	require.True(t, w.keeps())
	g.hist.Unlock()
	g.recovery.abandon(life, g.d.patience)
	require.Empty(t, g.told())
}

// What was set aside for a refill of the chain's lane is older than what a wallet keeps.
func TestG1SetAsideGoesBeforeWhatIsKept(t *testing.T) {
	g := newRig(t, 2, StreamConfig{})
	w := g.ws[1]
	g.hist.Lock()
	defer g.hist.Unlock()
	since := time.Now()
	g.chain.droppedAt = since
	g.setAside(w, updatesOf(t, `[{"event":"new_block","height":3}]`))
	g.takeDroppedAt(g.chain)
	w.keep(dequeued{updatesOf(t, `[{"event":"new_block","height":5}]`), 1})
	bytes := w.drained.bytes
	g.bringBack(&recoverTask{since: since}, g.aside.wallets()...)
	require.Equal(t, []int{1, 1}, w.drained.sizes)
	require.Equal(t, 2*bytes, w.drained.bytes)
	for i, height := range []string{"3", "5"} {
		require.Contains(t, string(w.drained.updates[i].Text), height)
	}
}
