package bitcart

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// rig is a link without a daemon, whose passes the test makes step by step: a manager's, or with no wallets
// that of a Coin's own stream.
type rig struct {
	*link
	t    *testing.T
	ws   []*watch
	gaps chan Gap
}

func newRig(t *testing.T, wallets int, cfg StreamConfig) *rig {
	t.Helper()
	g := &rig{t: t, gaps: make(chan Gap, 64)}
	d, err := NewCoin("BTC", WithStream(cfg), WithHooks(Hooks{OnGap: func(_ context.Context, gap Gap) { g.gaps <- gap }}))
	require.NoError(t, err)
	plan := &linkPlan{d: d.d, chain: d}
	for i := range wallets {
		plan.coins = append(plan.coins, newCoin(d.d, Wallet{Xpub: strconv.Itoa(i)}, nil))
	}
	if wallets == 0 { // a Coin's own stream
		coin := newCoin(d.d, Wallet{Xpub: "xpub"}, nil)
		plan = &linkPlan{d: d.d, chain: coin, coins: []*Coin{coin}, single: true}
	}
	s := &stream{transport: websocket}
	s.prepare(context.Background(), []*linkPlan{plan})
	g.link = s.links[0]
	for _, c := range plan.coins {
		g.ws = append(g.ws, g.lookup(c.key))
	}
	t.Cleanup(func() {
		g.recovery.releaseAll(true)
		s.cancel()
		g.beginDrain()
		require.NoError(t, g.drain())
	})
	return g
}

// connects begins a pass that may miss what came since.
func (g *rig) connects(first bool, since time.Time) *pass {
	p := &pass{first: first, since: since, ctx: context.Background()}
	g.recovery.setPass(p)
	g.recovery.begin(p, g.ws)
	return p
}

// answered merges an empty answer of a wallet's queue.
func (g *rig) answered(p *pass, w *watch) {
	g.t.Helper()
	_, merged := g.recovery.merge(p, w, dequeued{}, g.recovery.beforeAsking(w), true)
	require.True(g.t, merged)
}

// missing is since when a wallet's updates may be missing.
func (g *rig) missing(w *watch) time.Time {
	g.hist.Lock()
	defer g.hist.Unlock()
	return w.missing
}

// told are the gaps since the last call.
func (g *rig) told() []Gap {
	g.t.Helper()
	require.NoError(g.t, g.hooks.set.Drain(g.t.Context()))
	var list []Gap
	for len(g.gaps) > 0 {
		gap := <-g.gaps
		gap.Currency = ""
		list = append(list, gap)
	}
	return list
}

// halfRead is a rig that has begun its second pass: the first wallet's queue was read in the first one,
// the second one's could not be, at the time failed. The second pass misses what came since cut.
func halfRead(t *testing.T) (g *rig, p *pass, failed, cut time.Time) {
	t.Helper()
	g = newRig(t, 2, StreamConfig{})
	p = g.connects(true, g.started)
	g.recovery.witness(p, g.ws)
	g.answered(p, g.ws[0])
	g.recovery.failed(p, g.ws[1], g.recovery.beforeAsking(g.ws[1]), ErrMaybeSent)
	failed = g.missing(g.ws[1])
	require.Len(t, g.told(), 2, "the start, and that what the second one's queue holds comes later")
	cut = failed.Add(time.Nanosecond)
	return g, g.connects(false, cut), failed, cut
}

// A gap of every wallet does not stand for what one of them misses since before. That concerns this
// wallet alone: what the chain misses is in the gap of all.
func TestGapOfEveryWalletBesideAnOlderOne(t *testing.T) {
	for name, give := range map[string]func(r *recovery, p *pass, ws []*watch, since time.Time){
		"a pass that takes too long": func(r *recovery, p *pass, ws []*watch, _ time.Time) { r.overdue(p, ws) },
		"an outage that takes too long": func(r *recovery, _ *pass, _ []*watch, since time.Time) {
			r.abandon(since, r.l.d.patience)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, p, failed, cut := halfRead(t)
			updates, _, err := wire.CutList([]byte(`[{"event":"own"}]`))
			require.NoError(t, err)
			g.push(g.ws[0], "0", &updates[0], SourceWebsocket, time.Now(), time.Time{}) // it waits for the pass
			at := time.Now()
			give(g.recovery, p, g.ws, cut)
			require.Equal(t, []Gap{
				{Coin: g.ws[1].coin, Since: failed, Reason: GapUnknown},
				{ChainWide: true, Since: cut, Reason: GapUnknown},
			}, g.told())
			for _, w := range g.ws {
				g.recovery.release(p, w, true)
			}
			require.Empty(t, g.told(), "all of it was told")
			for _, w := range g.ws {
				require.False(t, g.missing(w).Before(at), "only what comes from now on is missing")
			}
		})
	}
}

// Who is told of an outage in which no pass has begun misses nothing since before.
func TestGapOfAnOutage(t *testing.T) {
	g := newRig(t, 2, StreamConfig{})
	p := g.connects(true, g.started)
	g.recovery.witness(p, g.ws)
	for _, w := range g.ws {
		g.answered(p, w)
	}
	require.Len(t, g.told(), 1)
	cut := time.Now()
	g.recovery.tellOutage(cut)
	require.Equal(t, []Gap{{ChainWide: true, Since: cut, Reason: GapUnknown}}, g.told())
	// What the chain has dropped before is missing as well.
	dropped := cut.Add(-time.Second)
	g.hist.Lock()
	g.chain.refilling, g.chain.missing = true, dropped
	g.hist.Unlock()
	g.recovery.tellOutage(cut)
	require.Equal(t, []Gap{{ChainWide: true, Since: dropped, Reason: GapUnknown}}, g.told())
	g.hist.Lock()
	g.chain.refilling = false
	g.hist.Unlock()
}

// What comes into doubt behind an answer is missing since before the pass.
func TestGapBehindAnAnswer(t *testing.T) {
	g := newRig(t, 1, StreamConfig{})
	w := g.ws[0]
	p := g.connects(true, g.started)
	g.recovery.witness(p, g.ws)
	g.answered(p, w)
	cut := time.Now().Add(time.Second)
	p = g.connects(false, cut)
	g.answered(p, w)
	require.Len(t, g.told(), 1)
	at := time.Now()
	g.recovery.release(p, w, true)
	require.False(t, g.missing(w).Before(at), "only what comes from now on is missing")
	require.Equal(t, []Gap{{Coin: w.coin, Since: cut, Reason: GapUnknown}}, g.told())
}

// Where the daemon keeps no queue each connect is one gap of every wallet; one that was not watched before
// has its own.
func TestGapsWithoutTheDaemonsQueue(t *testing.T) {
	g := newRig(t, 2, StreamConfig{DequeCap: -1})
	p := g.connects(true, g.started)
	g.recovery.witness(p, g.ws)
	g.recovery.release(p, g.ws[0], false)
	g.recovery.notLoaded(p, recoverTask{w: g.ws[1]}, context.DeadlineExceeded)
	notWatched := g.missing(g.ws[1])
	require.Len(t, g.told(), 1)
	cut := time.Now().Add(time.Second)
	p = g.connects(false, cut)
	g.recovery.witness(p, g.ws)
	require.Equal(t, []Gap{
		{Coin: g.ws[1].coin, Since: notWatched, Reason: GapUnknown},
		{ChainWide: true, Since: cut, Reason: GapUnknown},
	}, g.told())
}

// overflow makes a wallet's lane drop. It runs dry when open is closed.
func (g *rig) overflow(w *watch) (open chan struct{}) {
	g.t.Helper()
	inside, open := make(chan struct{}, 8), make(chan struct{})
	w.coin.On("own", func(context.Context, *Event) error { inside <- struct{}{}; <-open; return nil })
	updates, _, err := wire.CutList([]byte(`[{"event":"own"}]`))
	require.NoError(g.t, err)
	push := func() { g.push(w, w.coin.key, &updates[0], SourceWebsocket, time.Now(), time.Time{}) }
	push()
	<-inside
	push()
	push()
	return open
}

// droppedSince is when the wallet's lane began to drop.
func (g *rig) droppedSince(w *watch) time.Time {
	g.hist.Lock()
	defer g.hist.Unlock()
	return g.laneOwner(w).droppedAt
}

// A lane that is full at such a connect, and runs dry before the gap of every wallet, needs no other one than
// its own overflow's; nor does one that has run dry before the connect.
func TestG11LaneThatRunsDryBeforeTheGapOfEveryWallet(t *testing.T) {
	for _, before := range []bool{false, true} {
		g := newRig(t, 1, StreamConfig{DequeCap: -1, QueuePerWallet: 1})
		w := g.ws[0]
		p := g.connects(true, g.started)
		g.recovery.witness(p, g.ws)
		g.recovery.release(p, w, false)
		open := g.overflow(w)
		require.Len(t, g.told(), 1)
		dropped := g.droppedSince(w)
		cut := time.Now().Add(time.Second)
		if !before {
			p = g.connects(false, cut)
		}
		close(open)
		require.NoError(t, g.queue.Drain(t.Context()))
		require.Equal(t, []Gap{{Coin: w.coin, Since: dropped, Reason: GapOverflow}}, g.told())
		if before {
			p = g.connects(false, cut)
		}
		g.recovery.witness(p, g.ws)
		require.Equal(t, []Gap{{ChainWide: true, Since: cut, Reason: GapUnknown}}, g.told())
	}
}

// What a wallet's queue holds, and nobody has read yet, is missing as long, whatever overflows meanwhile.
func TestOverflowMakesNothingYounger(t *testing.T) {
	for name, overflow := range map[string]func(g *rig, w *watch){
		"of a Coin's own lane": func(g *rig, w *watch) {
			g.hist.Lock()
			defer g.hist.Unlock()
			g.overflowed(w, time.Now())
		},
		"of the chain's lane": func(g *rig, w *watch) {
			g.setConnected(true)
			require.True(t, g.setArmed(w))
			g.hist.Lock()
			g.chain.droppedAt = time.Now()
			g.hist.Unlock()
			require.True(t, g.recovery.refill(g.chain))
			g.recovery.chainRefilled(g.recovery.current(), recoverTask{forChain: new(sync.Once)}, true)
		},
		"of a lane while polling": func(g *rig, w *watch) {
			g.mu.Lock()
			g.poller = new(poller)
			g.mu.Unlock()
			g.reopen(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			wallets := 1
			if name == "of a Coin's own lane" {
				wallets = 0
			}
			g := newRig(t, wallets, StreamConfig{})
			w := g.ws[0]
			cut := time.Now()
			g.connects(true, cut)
			overflow(g, w)
			require.Equal(t, cut, g.missing(w))
		})
	}
}

// A refill misses what its lane has dropped, although the connection has ended since, and an answer has told
// of what was missed before. One whose lane has dropped nothing adds nothing.
func TestRefillMissesWhatWasDropped(t *testing.T) {
	g := newRig(t, 1, StreamConfig{})
	w := g.ws[0]
	p := g.connects(true, g.started)
	g.recovery.witness(p, g.ws)
	g.answered(p, w)
	cut := time.Now().Add(time.Second)
	g.connects(false, cut)
	for _, dropped := range []time.Time{{}, cut.Add(-time.Minute), {}} {
		g.hist.Lock()
		before := w.missing
		w.droppedAt = dropped
		g.hist.Unlock()
		require.True(t, g.recovery.refill(w))
		if dropped.IsZero() {
			dropped = before
		}
		require.Equal(t, dropped, g.missing(w))
	}
	g.hist.Lock()
	w.refilling = false
	g.hist.Unlock()
}

// What waits too long in the first pass is handed over behind a gap as well: a GapStart does not tell that
// the backlog comes later.
func TestG1FirstPassThatTakesTooLong(t *testing.T) {
	for _, noBacklog := range []bool{false, true} {
		g := newRig(t, 2, StreamConfig{})
		g.s.cfg.noBacklog = noBacklog
		p := g.connects(true, g.started)
		g.recovery.witness(p, g.ws)
		require.Equal(t, []Gap{{ChainWide: true, Since: g.started, Reason: GapStart}}, g.told())
		g.recovery.overdue(p, g.ws)
		if noBacklog {
			require.Empty(t, g.told(), "the backlog is dropped")
			continue
		}
		require.Equal(t, []Gap{{ChainWide: true, Since: g.started, Reason: GapUnknown}}, g.told())
		for _, w := range g.ws {
			g.recovery.release(p, w, true)
		}
		require.Empty(t, g.told(), "all of it was told")
	}
}
