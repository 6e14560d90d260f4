package bitcart

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/replay"
	"github.com/bitcart-go/bitcart/internal/wire"
)

// A call of get_updates that failed may empty the queue later. That an earlier answer, which was kept,
// comes in with it does not end the doubt: the next episode is a gap.
func TestFailedCallBehindAKeptAnswerIsRemembered(t *testing.T) {
	coin, err := NewCoin("BTC", WithXpub("xpub"))
	require.NoError(t, err)
	s := &stream{transport: websocket}
	s.prepare(t.Context(), []*linkPlan{{d: coin.d, chain: newCoin(coin.d, Wallet{}, nil), coins: []*Coin{coin}}})
	l := s.links[0]
	r, w := l.recovery, l.watches[coin.key]
	p := &pass{since: time.Now()}
	p.ctx, p.end = context.WithCancel(t.Context())
	defer p.end()
	r.setPass(p)
	r.begin(p, []*watch{w})
	answer, _, err := wire.CutList([]byte(`[{"event": "own", "n": 1}]`))
	require.NoError(t, err)
	l.hist.Lock()
	w.sure, w.read = true, true // the daemon has watched it before this connection
	w.keep(dequeued{answer, len(answer)})
	asked := r.turnOf(w)
	l.hist.Unlock()
	r.failed(p, w, asked, ErrMaybeSent)
	l.hist.Lock()
	require.False(t, w.keeps(), "the answer has come in")
	require.Equal(t, w.connect, w.unreadIn)
	l.hist.Unlock()
	require.NoError(t, l.queue.Drain(t.Context()))
	s.cancel()
	l.beginDrain()
	require.NoError(t, l.drain())
}

// A wallet that was added to a connection, but has joined only when the next one has begun, joins once.
func TestWalletThatJoinsBehindAConnectJoinsOnce(t *testing.T) {
	gaps := make(chan Gap, 8)
	d, err := NewCoin("BTC", WithHooks(Hooks{OnGap: func(_ context.Context, g Gap) { gaps <- g }}))
	require.NoError(t, err)
	coin := newCoin(d.d, Wallet{Xpub: "xpub"}, nil)
	s := &stream{transport: websocket}
	s.prepare(t.Context(), []*linkPlan{{d: d.d, chain: d}})
	l := s.links[0]
	l.recovery.setPass(new(pass))
	w, live := l.watchLate(coin)
	require.True(t, live, "this pass does not know it")
	p := &pass{since: time.Now()} // the next one does
	l.recovery.setPass(p)
	l.recovery.begin(p, []*watch{w})
	l.recovery.join(w)
	require.NoError(t, l.hooks.set.Drain(t.Context()))
	require.Len(t, gaps, 1)
	require.Equal(t, GapStart, (<-gaps).Reason)
	l.recovery.releaseAll(true)
	s.cancel()
	l.beginDrain()
	require.NoError(t, l.drain())
}

// An answer that was asked for before its wallet was removed and added again is lost to it. What that
// may have taken after the connection had ended is behind the gap with which the wallet began.
func TestLostAnswerOfARemovedWalletIsRemembered(t *testing.T) {
	gaps := make(chan Gap, 8)
	d, err := NewCoin("BTC", WithHooks(Hooks{OnGap: func(_ context.Context, g Gap) { gaps <- g }}))
	require.NoError(t, err)
	wallet := Wallet{Xpub: "xpub"}
	before, coin := newCoin(d.d, wallet, nil), newCoin(d.d, wallet, nil)
	s := &stream{transport: websocket}
	s.prepare(t.Context(), []*linkPlan{{d: d.d, chain: d, coins: []*Coin{before}}})
	l := s.links[0]
	r := l.recovery
	p := &pass{since: time.Now(), first: true}
	r.setPass(p)
	old := l.watches[before.key]
	r.begin(p, []*watch{old})
	asked := r.beforeAsking(old)

	l.removeCoin(before)
	w, live := l.watchLate(coin)
	require.True(t, live)
	r.join(w)
	_, merged := r.merge(p, w, dequeued{}, r.beforeAsking(w), true)
	require.True(t, merged, "its own queue was read")
	_, merged = r.merge(p, old, dequeued{}, asked, false) // behind the end of the connection
	require.True(t, merged)

	p = &pass{since: time.Now()}
	r.setPass(p)
	r.begin(p, []*watch{w})
	_, merged = r.merge(p, w, dequeued{}, r.beforeAsking(w), true)
	require.True(t, merged)
	require.NoError(t, l.hooks.set.Drain(t.Context()))
	require.Len(t, gaps, 2)
	require.Equal(t, GapStart, (<-gaps).Reason)
	require.Equal(t, GapUnknown, (<-gaps).Reason)
	r.releaseAll(true)
	s.cancel()
	l.beginDrain()
	require.NoError(t, l.drain())
}

// A wallet that is removed before it was polled, as the only one of its daemon, leaves no first attempt
// for which others would wait.
func TestPollOfTheOnlyWalletThatWasRemoved(t *testing.T) {
	d, err := NewCoin("BTC")
	require.NoError(t, err)
	coin := newCoin(d.d, Wallet{Xpub: "xpub"}, nil)
	s := &stream{}
	other := newCoin(d.d, Wallet{Xpub: "other"}, nil)
	s.prepare(t.Context(), []*linkPlan{{d: d.d, chain: d, coins: []*Coin{coin, other}}})
	l := s.links[0]
	p := &poller{l: l, ctx: t.Context()}
	task := pollTask{w: l.watches[coin.key]}
	l.removeCoin(coin)
	p.poll(task)
	require.Equal(t, 1, s.pending, "another wallet's poll tells")
	task = pollTask{w: l.watches[other.key]}
	l.removeCoin(other)
	p.poll(task)
	require.Zero(t, s.pending)
	s.cancel()
	l.beginDrain()
	require.NoError(t, l.drain())
}

// A refill of the chain's lane that begins anew, since its wallet was removed, still knows since when
// the lane has dropped, and for which update it waits.
func TestChainsRefillOfARemovedWalletBeginsAnew(t *testing.T) {
	g := newRig(t, 2, StreamConfig{})
	p := g.connects(true, g.started)
	p.witnessed = make(chan struct{})
	close(p.witnessed)
	g.setConnected(true)
	p.epoch = g.epoch.Load()
	for _, w := range g.ws {
		g.answered(p, w)
		require.True(t, g.setArmed(w))
	}
	began, last := time.Now(), replay.Of("a block")
	g.hist.Lock()
	g.overflowed(g.chain, began)
	g.chain.lastDropped = last
	g.hist.Unlock()
	require.True(t, g.recovery.refill(g.chain))
	task, ok := g.recovery.tasks.due(t.Context())
	require.True(t, ok)
	require.Equal(t, last, task.await)
	g.removeCoin(task.w.coin)
	g.recovery.recover(task, func() {})
	again, ok := g.recovery.tasks.due(t.Context())
	require.True(t, ok)
	require.NotSame(t, task.w, again.w)
	require.Equal(t, began, again.since)
	require.Equal(t, last, again.await)
	g.hist.Lock()
	require.Equal(t, last, g.chain.awaited)
	require.Equal(t, began, g.chain.missing)
	g.hist.Unlock()
}

// A lane that has run dry, but was reopened by another refill before its own could begin, needs none.
func TestChainsRefillThatHasBegunAlready(t *testing.T) {
	g := newRig(t, 1, StreamConfig{})
	p := g.connects(true, g.started)
	g.setConnected(true)
	p.epoch = g.epoch.Load()
	g.answered(p, g.ws[0])
	require.True(t, g.setArmed(g.ws[0]))
	began := time.Now()
	g.hist.Lock()
	g.overflowed(g.chain, began)
	g.hist.Unlock()
	require.True(t, g.recovery.refill(g.chain))
	g.hist.Lock()
	hold := g.chainHold
	g.hist.Unlock()
	require.True(t, g.recovery.refill(g.chain))
	g.hist.Lock()
	defer g.hist.Unlock()
	require.Equal(t, hold, g.chainHold)
	require.Equal(t, began, g.chain.missing)
}
