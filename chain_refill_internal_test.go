package bitcart

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/replay"
	"github.com/bitcart-go/bitcart/internal/wire"
)

// blockRig is a rig with room for one block in the chain's lane, whose handler lets blocks pass up to a height.
type blockRig struct {
	*rig
	mu     sync.Mutex
	passes *sync.Cond
	below  int64 // the handler returns for blocks below
	inside bool
	got    []int64
}

func newBlockRig(t *testing.T, wallets int) *blockRig {
	t.Helper()
	b := &blockRig{rig: newRig(t, wallets, StreamConfig{QueuePerWallet: 1, DequeCap: 5})}
	b.passes = sync.NewCond(&b.mu)
	On(b.chain.coin, func(_ context.Context, _ *Event, nb NewBlock) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		for b.inside = true; nb.Height >= b.below; {
			b.passes.Wait()
		}
		b.inside, b.got = false, append(b.got, nb.Height)
		return nil
	})
	t.Cleanup(func() { b.pass(1 << 62) })
	return b
}

// pass lets blocks below a height pass.
func (b *blockRig) pass(below int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.below = below
	b.passes.Broadcast()
}

func (b *blockRig) heights() []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]int64(nil), b.got...)
}

func (b *blockRig) eventually(cond func() bool) {
	b.t.Helper()
	require.Eventually(b.t, cond, 15*time.Second, time.Millisecond)
}

// starts begins the first pass. All wallets are armed and their queues empty.
func (b *blockRig) starts() *pass {
	b.t.Helper()
	p := b.connects(true, b.started)
	b.setConnected(true)
	b.recovery.witness(p, b.ws)
	for _, w := range b.ws {
		b.setArmed(w)
		b.answered(p, w)
	}
	b.recovery.passed(p)
	b.told()
	return p
}

// live takes in a block that was sent after that time.
func (b *blockRig) live(height int, sent time.Time) {
	b.push(b.chain, "", &blocks(b.t, height).updates[0], SourceWebsocket, time.Now(), sent)
}

// fills fills the chain's lane by the blocks 0, which is inside its handler, and 1.
func (b *blockRig) fills() {
	b.t.Helper()
	b.live(0, b.started)
	b.eventually(func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.inside })
	b.live(1, b.started)
}

// drops fills the chain's lane and drops 2 and 3.
func (b *blockRig) drops() {
	b.t.Helper()
	b.fills()
	b.live(2, time.Now())
	b.live(3, time.Now())
	require.EqualValues(b.t, 2, b.d.stats().Dropped)
}

// refills waits until the chain's lane is about to be refilled.
func (b *blockRig) refills() {
	b.t.Helper()
	b.eventually(func() bool { b.hist.Lock(); defer b.hist.Unlock(); return b.chain.refilling })
}

// refilled merges the answer of the refill.
func (b *blockRig) refilled(p *pass, w *watch, heights ...int) {
	b.t.Helper()
	b.recovery.chainRefilled(p, recoverTask{forChain: new(sync.Once), since: b.started}, b.answers(p, w, true, heights...))
}

// answers merges an answer of blocks, and tells whether it proves the chain.
func (b *blockRig) answers(p *pass, w *watch, unbroken bool, heights ...int) (proven bool) {
	b.t.Helper()
	proven, merged := b.recovery.merge(p, w, blocks(b.t, heights...), b.recovery.beforeAsking(w), unbroken)
	require.True(b.t, merged)
	return proven
}

// ends ends the connection of a pass.
func (b *blockRig) ends(p *pass) {
	p.read, p.end = make(chan struct{}), func() {}
	b.recovery.end(p)
}

// blocks is an answer.
func blocks(t *testing.T, heights ...int) dequeued {
	t.Helper()
	list := make([]string, len(heights))
	for i, h := range heights {
		list[i] = fmt.Sprintf(`{"event":"new_block","height":%d}`, h)
	}
	return dequeued{updatesOf(t, "["+strings.Join(list, ",")+"]"), len(heights)}
}

// G1: a wallet that may have been loaded only after its connection had ended does not bring its blocks before
// those that an older queue holds, also where the chain's lane drops.
func TestG1LateLoadedWalletBringsNoBlocksTooEarly(t *testing.T) {
	b := newBlockRig(t, 2)
	p := b.starts()
	b.fills()
	old, late := b.ws[0], b.ws[1]
	b.hist.Lock()
	late.sure, late.seen = false, replay.Wallet{} // as if it were new
	b.hist.Unlock()
	b.answers(p, late, false)
	b.ends(p)
	p = b.connects(false, time.Now()) // the lane is full
	require.False(t, b.answers(p, late, true, 3))
	require.True(t, b.answers(p, old, true, 0, 1, 2, 3))
	b.pass(4)
	b.eventually(func() bool { return len(b.heights()) == 4 })
	require.Equal(t, []int64{0, 1, 2, 3}, b.heights())
}

// twiceDropped has the chain's lane drop 2 and 3, and 5 while it is refilled from the first wallet's queue. What
// the others' queues held of the first drop was lost with an answer, and what they hold of the second one was read
// and set aside. Blocks below 2 have passed.
func twiceDropped(t *testing.T, wallets int) (b *blockRig, p *pass) {
	t.Helper()
	b = newBlockRig(t, wallets)
	p = b.starts()
	b.drops()
	for _, w := range b.ws[1:] {
		b.recovery.failed(p, w, b.recovery.beforeAsking(w), ErrMaybeSent)
	}
	b.pass(2)
	b.refills()
	b.live(4, time.Now()) // held
	for _, w := range b.ws[1:] {
		b.answers(p, w, true, 4)
	}
	b.live(5, time.Now().Add(time.Millisecond)) // after those calls
	require.EqualValues(t, 3, b.d.stats().Dropped)
	for _, w := range b.ws[1:] {
		b.answers(p, w, true, 5)
	}
	b.refilled(p, b.ws[0], 0, 1, 2, 3) // it was asked before 4 came
	b.told()
	return b, p
}

// G1: a wallet whose blocks were set aside during a first drop lacks them for a second one.
func TestG1SetAsideBlocksAreLackingForTheNextDrop(t *testing.T) {
	b, p := twiceDropped(t, 2)
	b.eventually(func() bool { return b.chain.lane.Len() == 2 })
	b.live(6, time.Now())
	b.ends(p)
	p = b.connects(false, time.Now().Add(time.Second))
	b.answers(p, b.ws[1], true, 6)
	require.True(t, b.answers(p, b.ws[0], true, 4, 5, 6))
	b.pass(7)
	b.eventually(func() bool { return len(b.heights()) == 7 })
	require.Equal(t, []int64{0, 1, 2, 3, 4, 5, 6}, b.heights())
}

// G2: nor does its queue prove that nothing is missing, if what was to be set aside was too much.
func TestG2NotSetAsideBlocksAreLackingForTheNextDrop(t *testing.T) {
	b, p := twiceDropped(t, mostAside+3)
	last := slices.IndexFunc(b.ws[1:], func(w *watch) bool { b.hist.Lock(); defer b.hist.Unlock(); return b.aside.of[w] == nil })
	left := b.ws[1+last]
	for _, w := range b.ws {
		if w != left {
			b.removeCoin(w.coin)
		}
	}
	b.pass(7)
	b.refills()
	b.live(6, time.Now()) // held
	b.refilled(p, left, 6)
	b.eventually(func() bool { return slices.Contains(b.heights(), 6) })
	told := b.told()
	require.Len(t, told, 1, "a block is lost: %v", b.heights())
	require.True(t, told[0].ChainWide)
}

// G2: the gap of a wallet that tells of the chain's as well is since what a refill is still to bring. A late answer,
// as long as the daemon's queue, has told of the wallet's own; the next one shows nothing of what was pushed out.
func TestG2SinceOfAWalletsGapThatIsTheChainsToo(t *testing.T) {
	b := newBlockRig(t, 1)
	w := b.ws[0]
	p := b.starts()
	b.fills()
	b.answers(p, w, true, 0, 1)
	b.live(2, time.Now())
	require.EqualValues(t, 1, b.d.stats().Dropped)
	dropped := time.Now()
	b.ends(p)
	b.pass(2)
	b.refills()
	cut := dropped.Add(time.Millisecond) // the connection was read up to then
	p = b.connects(false, cut)
	asked := b.recovery.beforeAsking(w)
	b.ends(p)
	full := updatesOf(t, "["+strings.Repeat(`{"event":"own"},`, 4)+`{"event":"own"}]`)
	_, merged := b.recovery.merge(p, w, dequeued{full, len(full)}, asked, false)
	require.True(t, merged)
	p = b.connects(false, cut)
	b.answers(p, w, true)
	b.recovery.passed(p)
	require.True(t, slices.ContainsFunc(b.told(), func(g Gap) bool { return g.ChainWide && !g.Since.After(dropped) }),
		"a block is lost: %v", b.heights())
}

// passRefills drops blocks 2 and 3 while a pass has armed no wallet yet, which then refills the chain's lane.
func passRefills(t *testing.T) (b *blockRig, p *pass) {
	t.Helper()
	b = newBlockRig(t, 1)
	p = b.starts()
	b.fills()
	b.ends(p)
	b.setConnected(false)
	p = b.connects(false, time.Now()) // the lane is full
	b.setConnected(true)
	b.live(2, time.Now())
	b.live(3, time.Now())
	require.EqualValues(t, 2, b.d.stats().Dropped)
	b.pass(1 << 62)
	b.refills()
	b.setArmed(b.ws[0])
	return b, p
}

// G2: a pass that refills the chain's lane waits for the last update that was dropped, as any refill does: the
// daemon writes a frame before it queues the update.
func TestG2PassThatRefillsAwaitsTheLastDroppedBlock(t *testing.T) {
	b, p := passRefills(t)
	task := recoverTask{w: b.ws[0], epoch: p.epoch, loaded: true}
	asked := b.recovery.beforeAsking(b.ws[0])
	require.True(t, b.recovery.tooEarly(p, &task, blocks(t, 0, 1, 2)), "block 3 is lost")
	last := blocks(t, 3)
	require.False(t, b.recovery.tooEarly(p, &task, last))
	proven, merged := b.recovery.merge(p, b.ws[0], last, asked, true)
	require.True(t, proven && merged)
	b.eventually(func() bool { return len(b.heights()) == 4 })
	require.Equal(t, []int64{0, 1, 2, 3}, b.heights())
	b.recovery.passed(p)
	require.Empty(t, b.told())
}

// G2: if the daemon's queue never holds that update, the pass tells a gap.
func TestG2PassThatRefillsAwaitsInVain(t *testing.T) {
	b, p := passRefills(t)
	dropped := time.Now()
	task := recoverTask{w: b.ws[0], epoch: p.epoch, loaded: true}
	asked := b.recovery.beforeAsking(b.ws[0])
	answer := blocks(t, 0, 1, 2)
	for b.recovery.tooEarly(p, &task, answer) {
		answer = blocks(t)
	}
	require.Equal(t, mostAwaits+1, task.awaits)
	_, merged := b.recovery.merge(p, b.ws[0], answer, asked, true)
	require.True(t, merged)
	b.recovery.passed(p)
	b.eventually(func() bool { return len(b.heights()) == 3 })
	told := b.told()
	require.Len(t, told, 1)
	require.True(t, told[0].ChainWide && told[0].Since.Before(dropped), "%v", told)
}

// heldDrops is a rig whose present connection holds block 3 and has dropped 4; 1 and 2 were missed before it. A call
// for the first wallet was refused on the one before. The other wallets may have been loaded only after that.
func heldDrops(t *testing.T, wallets int) (b *blockRig, p *pass) {
	t.Helper()
	b = newBlockRig(t, wallets)
	p = b.starts()
	b.ends(p)
	b.setConnected(false)
	p = b.connects(false, time.Now())
	b.setConnected(true)
	b.recovery.failed(p, b.ws[0], b.recovery.beforeAsking(b.ws[0]), errors.New("refused"))
	b.ends(p)
	b.setConnected(false)
	p = b.connects(false, time.Now())
	b.setConnected(true)
	for i, w := range b.ws {
		b.setArmed(w)
		if i > 0 {
			b.hist.Lock()
			w.sure, w.seen = false, replay.Wallet{}
			b.hist.Unlock()
		}
	}
	b.live(3, time.Now())
	b.live(4, time.Now())
	require.EqualValues(t, 1, b.d.stats().Dropped)
	return b, p
}

// G1: missed blocks go before held ones, also where the lane has begun to drop during the hold and the wallet's
// queue does not prove that it has all.
func TestG1MissedBlocksOfAnUnprovenQueueGoBeforeHeldOnes(t *testing.T) {
	b, p := heldDrops(t, 1)
	b.answers(p, b.ws[0], true, 1, 2, 3, 4)
	b.recovery.passed(p)
	b.pass(1 << 62)
	b.refills()
	b.refilled(p, b.ws[0])
	b.eventually(func() bool { return len(b.heights()) == 4 })
	require.Equal(t, []int64{1, 2, 3, 4}, b.heights())
}

// G1: what such a queue has brought does not come again with what another wallet's answer had set aside.
func TestG1SetAsideBlocksThatAnotherQueueHasBroughtComeOnce(t *testing.T) {
	b, p := heldDrops(t, 2)
	b.answers(p, b.ws[1], true, 1, 2, 3, 4)
	b.answers(p, b.ws[0], true, 1, 2, 3, 4)
	b.recovery.passed(p)
	b.pass(1 << 62)
	b.refills()
	b.refilled(p, b.ws[1], 5)
	b.eventually(func() bool { return slices.Contains(b.heights(), 5) })
	require.Equal(t, []int64{1, 2, 3, 4, 5}, b.heights())
}

// The chain's refill asks no more wallets than mostTries after the first one, also where some of them were removed:
// one that refuses its call is asked again otherwise, without end.
func TestChainsRefillEndsAfterSomeTries(t *testing.T) {
	b := newBlockRig(t, 2)
	p := b.starts()
	b.drops()
	b.pass(2)
	b.refills()
	for tries := range mostTries + 2 {
		b.hist.Lock()
		before := recoverTask{w: b.ws[0], epoch: p.epoch, since: b.chain.missing, tries: tries}
		b.hist.Unlock()
		require.Equal(t, tries < mostTries, b.recovery.refillChain(&before), "%d tries", tries)
	}
}

// What an answer has brought is left out as often as it has: a block may come twice with the same bytes, and the
// second one is in a later answer.
func TestSetAsideBlocksAreLeftOutAsOftenAsTheyCame(t *testing.T) {
	w := new(watch)
	a := aside{of: map[*watch][]wire.Update{w: blocks(t, 1, 2, 2, 3, 2).updates}}
	answer, _ := (&drained{updates: blocks(t, 2, 3, 2).updates}).items()
	a.leaveOut(answer)
	require.Equal(t, blocks(t, 1, 2).updates, a.of[w])
}
