package bitcart

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bitcart-go/bitcart/internal/replay"
	"github.com/bitcart-go/bitcart/internal/wsconn"
)

// pass is what one connect has brought.
type pass struct {
	conn  *wsconn.Conn
	epoch uint64
	info  ConnectInfo
	ctx   context.Context // of the connection
	end   context.CancelFunc
	read  chan struct{} // closed when everything that the connection brought has been read
	since time.Time     // from when on updates may be missing

	wallets   int
	first     bool
	witnessed chan struct{} // closed when it is known whether the daemon was restarted
	common    atomic.Bool   // a gap for every wallet was reported
	left      atomic.Int64  // wallets that were not tried yet
	complete  atomic.Bool   // every wallet was tried
	recovered atomic.Int64
	gaps      atomic.Int64
	proven    atomic.Bool // it is known whether chain-wide events were missed
	chainHold uint64      // the chain's hold with which it began; guarded by link.hist
	// The last update that the chain's lane has dropped, if the pass refills it; 0 = none.
	// Guarded by link.hist.
	await replay.Fingerprint
}

func (r *recovery) setPass(p *pass) {
	r.mu.Lock()
	r.pass, r.dialing = p, false
	if r.heldAt.IsZero() {
		r.heldAt = time.Now()
	}
	r.mu.Unlock()
	r.changed.broadcast()
}

func (r *recovery) setDialing(on bool) {
	r.mu.Lock()
	r.dialing = on
	r.mu.Unlock()
	r.changed.broadcast()
}

// begin starts the pass of a new connection, before its first frame is read.
func (r *recovery) begin(p *pass, ws []*watch) {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	for _, w := range ws {
		if w.connect == 0 && !p.first { // it was added while nothing was connected
			p.gaps.Add(r.joins(w))
		} else {
			w.episode++
			w.connect++
			w.excused = false
			w.lacks(p.since)
		}
		r.beginWallet(w)
	}
	p.since = l.chainMissingSince(p.since)
	switch { // after the wallets, which note their places in the chain's history
	case !l.single && !l.chain.lane.Overflow():
		l.holdChain()
	case !l.single:
		l.chainHold++
		l.chainLog.Hold()
		l.full(l.chain, p.since)
	case len(ws) == 0:
		l.together.Hold()
		l.chain.lane.Hold()
	}
	p.chainHold = l.chainHold
}

// beginWallet holds a wallet's lane, unless it is full: then it takes nothing
// more until it has run dry, and is refilled. Reconnects must not pile up more
// and more in it. hist is held.
func (r *recovery) beginWallet(w *watch) {
	w.deferred = false
	r.l.laneOwner(w).awaited = 0 // whoever waited for it was of an earlier connection
	r.l.withLane(w, func() { w.deferred = w.lane.Overflow() })
	if !w.deferred {
		r.l.hold(w)
		w.begun = w.turn
		return
	}
	w.turn++
	w.held = false
	r.l.holdHistory(w)
	r.l.full(w, w.missing)
}

// lacks notes since when updates may be missing, unless some are missing since
// before that: then no answer has come for those yet. hist is held.
func (w *watch) lacks(since time.Time) {
	if since.IsZero() {
		return
	}
	if w.missing.IsZero() || since.Before(w.missing) {
		w.missing = since
	}
}

// lacksMore notes an update that is dropped, and was sent after that time: a gap
// that was told before does not stand for it. hist is held.
func (w *watch) lacksMore(sent time.Time) {
	if w.gapIn == w.episode {
		w.episode++
		w.lacks(sent)
	}
}

// full notes since when a lane takes nothing in that is full at a connect,
// unless it has dropped before. hist is held.
func (l *link) full(w *watch, since time.Time) {
	if owner := l.laneOwner(w); owner.droppedAt.IsZero() {
		owner.droppedAt = since
	}
}

// end ends the pass: all that the connection brought has been read.
func (r *recovery) end(p *pass) {
	p.end()
	close(p.read)
	r.endFirst(p)
	r.mu.Lock()
	r.pass = nil
	if r.heldAt.IsZero() {
		r.heldAt = time.Now() // a refill may hold something
	}
	r.mu.Unlock()
	r.changed.broadcast()
}

// endFirst hands over what is held of the chain since a first connection that ends
// before all queues were read: nothing of it is missing.
func (r *recovery) endFirst(p *pass) {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	if p.first && !l.single && l.chain.held && l.chainHold == p.chainHold && !l.chainLog.Doubtful() {
		r.openChain()
	}
}

func (r *recovery) current() *pass {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pass
}

// start asks for the restart witness and puts the wallets down for recovery.
func (r *recovery) start(p *pass, ws []*watch) {
	r.passes.Go(func() {
		r.witness(p, ws)
		close(p.witnessed)
		if p.ctx.Err() != nil {
			return
		}
		if len(ws) == 0 {
			r.passed(p)
			return
		}
		r.load(p, ws)
	})
	r.passes.Go(func() {
		if pause(p.ctx, r.l.d.patience+time.Duration(len(ws))*walletPatience) {
			r.overdue(p, ws)
		}
	})
}

// walletPatience is what each wallet adds to the time that a pass may take.
const walletPatience = 10 * time.Millisecond

// overdue hands over what waits for a turn that has not come: those before it
// may take as long as a daemon that synchronizes.
func (r *recovery) overdue(p *pass, ws []*watch) {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	if r.current() != p || p.complete.Load() {
		return
	}
	var late []*watch
	told := true
	for _, w := range ws {
		if w.held && w.turn == w.begun {
			late = append(late, w)
			l.outlivesStart(w)
			told = told && w.gapIn == w.episode
			r.coverBy(p, w, true)
		}
	}
	chain := l.chain.held && l.chainHold == p.chainHold
	onlyStart := p.first && !told // the backlog of the chain comes later, too
	unproven := chain && !p.proven.Load() && (!p.common.Load() || onlyStart)
	if !told || unproven {
		p.common.Store(p.common.Load() || unproven)
		p.gaps.Add(1)
		since := p.since
		if unproven {
			since = l.chainMissingSince(since)
		}
		l.gap(Gap{ChainWide: unproven, Since: since, Reason: GapUnknown})
	}
	for _, w := range late {
		r.free(p, w)
	}
	if chain {
		r.openChain()
	}
}

// witness reports the gaps that concern every wallet.
func (r *recovery) witness(p *pass, ws []*watch) {
	l := r.l
	gap := Gap{Since: p.since, ChainWide: true}
	watched := r.watched(ws)
	forget := func() {}
	switch {
	case p.first:
		gap.Reason = GapStart
	case l.cfg.DequeCap < 0, l.d.allWallets && !l.single, len(watched) == 0:
		gap.Reason = GapUnknown
		forget = func() { r.forget(p, ws, false) } // nobody has asked whether it was restarted
	default:
		restarted, err := l.restarted(p.ctx, watched, len(ws))
		if p.ctx.Err() != nil || err == nil && !restarted {
			return
		}
		gap.Reason = GapUnknown // nobody can tell whether it was restarted
		if restarted {
			gap.Reason = GapRestart
		}
		forget = func() { r.forget(p, ws, restarted) }
	}
	p.common.Store(true)
	p.gaps.Add(1)
	l.hist.Lock()
	gap.Since = l.chainMissingSince(gap.Since)
	for _, w := range ws {
		r.coverBy(p, w, gap.Reason == GapRestart || l.cfg.DequeCap < 0)
		w.begins = p.first
	}
	l.hist.Unlock()
	forget() // before the gap: it does not stand for what a full lane drops behind it
	l.gap(gap)
}

// coverBy makes the pass's gap for every wallet one wallet's as well. What that
// one misses since before is told by itself: now if no answer can bring it, else
// when the answer has come. hist is held.
func (r *recovery) coverBy(p *pass, w *watch, lost bool) {
	w.excused = true
	if !w.missing.IsZero() && w.missing.Before(p.since) {
		if !lost {
			return
		}
		r.tell(p, w, GapUnknown, false) // the chain's are missing since p.since
	}
	w.gapIn, w.begins, w.missing = w.episode, false, time.Now()
}

// watched are the wallets that the daemon should still have loaded.
func (r *recovery) watched(ws []*watch) []*watch {
	r.l.hist.Lock()
	defer r.l.hist.Unlock()
	var sure []*watch
	for _, w := range ws {
		if w.sure {
			sure = append(sure, w)
		}
	}
	return sure
}

// forget: nothing proves that the daemon has watched the wallets; restarted
// says that its queues began anew.
func (r *recovery) forget(p *pass, ws []*watch, restarted bool) {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	for _, w := range ws {
		if restarted && w.keeps() { // of the queue that is lost
			r.free(p, w)
			r.beginWallet(w)
		}
		w.sure = false
		if restarted {
			w.seen.Forget()
		}
	}
	if restarted {
		l.together.Forget()
		l.chainLog.Forget()
	}
}

// load puts the wallets down, many at once where the daemon can load so.
func (r *recovery) load(p *pass, ws []*watch) {
	p.left.Store(int64(len(ws)))
	task := func(w *watch, loaded bool) {
		r.tasks.add(recoverTask{w: w, epoch: p.epoch, loaded: loaded, share: new(sync.Once)}, time.Time{})
	}
	if !r.l.d.cur.dialect.batchLoad || r.l.single || len(ws) < 2 {
		for _, w := range ws {
			task(w, false)
		}
		return
	}
	for size := firstBatch; len(ws) > 0 && p.ctx.Err() == nil; {
		batch := ws[:min(size, len(ws))]
		ws = ws[len(batch):]
		if !r.alive(p) {
			return
		}
		began := time.Now()
		err := r.l.loadBatch(p.ctx, batch)
		if err != nil {
			r.l.warn("batch_load failed, loading one by one", "wallets", len(batch), "error", err)
		}
		for _, w := range batch {
			task(w, err == nil)
		}
		switch took := time.Since(began); {
		case took < batchTime/2:
			size = min(2*size, mostBatch)
		case took > 2*batchTime:
			size = max(size/2, 1)
		}
	}
}

// leave counts a wallet's part of the pass as done, once.
func (r *recovery) leave(p *pass, t recoverTask) {
	if t.share == nil {
		return
	}
	t.share.Do(func() {
		if p.left.Add(-1) == 0 {
			r.passed(p)
		}
	})
}

// passed is called when every wallet was tried once after a connect.
func (r *recovery) passed(p *pass) {
	l := r.l
	r.mu.Lock()
	current := r.pass == p
	if current {
		r.heldAt = time.Time{}
	}
	r.mu.Unlock()
	if !current {
		return // its connection has ended: the next one's pass tells
	}
	p.complete.Store(true)
	l.hist.Lock()
	if !p.proven.Load() && !p.common.Load() && !r.refills(p) {
		p.gaps.Add(1)
		// No answer has shown all of the chain's.
		l.gap(Gap{ChainWide: true, Since: l.chainMissingSince(p.since), Reason: GapUnknown})
	}
	switch { // a refill opens what it holds itself
	case l.single && p.wallets == 0:
		l.together.Release()
		r.openChain()
	case !l.single && l.chainHold == p.chainHold && r.current() == p:
		r.openChain()
	}
	l.hist.Unlock()
	l.mu.Lock()
	if l.epoch.Load() == p.epoch {
		l.recovering = false
	}
	info := p.info
	info.Armed, info.Unarmed = l.armed, len(l.watches)-l.armed
	l.mu.Unlock()
	info.Recovered, info.Gaps = int(p.recovered.Load()), int(p.gaps.Load())
	if hook := l.d.hooks.OnConnect; hook != nil {
		l.hooks.post(hookCall{run: func(ctx context.Context) { hook(ctx, info) }})
	}
	if callback := l.s.cfg.reconnected; callback != nil {
		l.hooks.post(hookCall{run: func(ctx context.Context) { l.callBack(ctx, callback) }})
	}
}

// refills reports whether a refill, of a Coin's own lane or the chain's, is still to
// judge what the pass has not. hist is held.
func (r *recovery) refills(p *pass) bool {
	l := r.l
	if l.single {
		return slices.ContainsFunc(l.allWatches(), func(w *watch) bool { return w.deferred || w.refilling })
	}
	since := l.chain.droppedAt
	return !since.IsZero() && !since.After(p.since)
}

// abandon hands over what has waited too long for a pass to end, when the next
// connection is tried after the time next.
func (r *recovery) abandon(since time.Time, next time.Duration) {
	r.mu.Lock()
	tooLong := !r.heldAt.IsZero() && time.Since(r.heldAt)+next > r.l.d.patience
	if tooLong {
		r.heldAt = time.Time{}
	}
	r.mu.Unlock()
	if !tooLong || !r.waits() {
		return
	}
	r.tellOutage(since)
	r.releaseAll(false)
}

// tellOutage reports a gap of every wallet, but for those that miss something
// since before.
func (r *recovery) tellOutage(since time.Time) {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	since = l.chainMissingSince(since)
	p := &pass{since: since}
	for _, w := range l.allWatches() {
		r.coverBy(p, w, true)
	}
	l.gap(Gap{Since: since, ChainWide: true, Reason: GapUnknown})
}

// waits reports whether an event waits for an answer, or an answer for the next
// one. What waits for another connection anyway is no reason to wait no longer.
func (r *recovery) waits() bool {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	watches := l.allWatches()
	for _, w := range watches {
		if w.held && w.lane.Len() > 0 || w.awaitsAnswer() {
			return true
		}
	}
	return (l.chain.held || l.single && len(watches) == 0) && l.chain.lane.Len() > 0
}
