package bitcart

import (
	"errors"
	"slices"
	"time"

	"github.com/bitcart-go/bitcart/internal/queue"
	"github.com/bitcart-go/bitcart/internal/replay"
	"github.com/bitcart-go/bitcart/internal/wire"
)

// dequeued is an answer of get_updates.
type dequeued struct {
	updates []wire.Update
	size    int // of the queue: also of what is no update and was left out
}

// drained is what a wallet's queue has told and the history has not: the
// answers, in order, that came after the connection had changed under them.
// Together with the next one they are what that one would have been.
type drained struct {
	updates []wire.Update
	bytes   int64
	sizes   []int         // of the answers
	later   []wire.Update // chain-wide ones that wait for the next answer; nil = they do not
}

// keep adds the answer to what is drained of w. hist is held.
func (w *watch) keep(answer dequeued) {
	if w.drained == nil {
		w.drained = new(drained)
	}
	w.drained.add(answer)
}

// keeps reports whether anything is drained of w. hist is held.
func (w *watch) keeps() bool { return w.drained != nil && len(w.drained.updates) > 0 }

func (d *drained) add(answer dequeued) {
	d.updates = append(d.updates, answer.updates...)
	d.sizes = append(d.sizes, answer.size)
	for _, u := range answer.updates {
		d.bytes += int64(len(u.Text)) + parcelOverhead
	}
}

// putOff takes the chain-wide updates out, if there are any, for the next answer.
func (d *drained) putOff() {
	d.updates = slices.DeleteFunc(d.updates, func(u wire.Update) bool {
		if !chainWide(u.Event) {
			return false
		}
		d.later = append(d.later, u)
		return true
	})
}

// weigh judges several answers as one: it counts as long as the longest, and a
// later one that fills the daemon's queue may have lost what stood before it.
func (d *drained) weigh(m *replay.Merged, queueCap int) {
	for i, n := range d.sizes {
		if i > 0 && n >= queueCap {
			m.Whole, m.OfChain.Whole = false, false
		}
	}
	m.Items = slices.Max(d.sizes)
	m.OfChain.Items = m.Items
}

// dequeue reads the wallet's queue and hands over what was missed. The call is
// bounded by the drain alone: one that is cut off has emptied the queue. It
// reports false when the wallet has to be asked again.
func (r *recovery) dequeue(p *pass, t recoverTask, leave func()) (done bool) {
	w := t.w
	gaveUp := make(chan struct{})
	late := time.AfterFunc(r.l.d.patience, func() {
		defer close(gaveUp)
		r.giveUp(p, t)
	})
	asked := r.beforeAsking(w)
	answer, err := r.l.getUpdates(w.coin)
	leave() // others may ask while this one waits for the barrier, which many share
	unbroken := err == nil && r.barrier() == p
	if !late.Stop() {
		<-gaveUp
	}
	if err != nil {
		r.notRead(p, t, asked, err)
		return true
	}
	if r.tooEarly(&t, answer) {
		return false
	}
	if t.lost && t.forChain == nil {
		r.lost(p, w) // before what the answer brought
	}
	chainProven, merged := r.merge(p, w, answer, asked, unbroken)
	if !merged {
		t.loaded = true
		r.tasks.add(t, time.Time{})
		return false
	}
	proven := chainProven && !t.lost
	if t.forChain != nil && (proven || !w.gone.Load() || !r.refillChain(&t)) {
		r.chainRefilled(p, t, proven)
	}
	return true
}

// notRead frees a wallet whose queue could not be read, and tries again later:
// the daemon may still hold what it held.
func (r *recovery) notRead(p *pass, t recoverTask, asked turn, err error) {
	r.failed(p, t.w, asked, err)
	if t.forChain != nil && (!t.w.gone.Load() || !r.refillChain(&t)) {
		r.chainRefilled(p, t, false)
	}
	t.attempts++
	retryIn := retryPause(r.l.cfg, t.attempts)
	r.l.warn("the daemon's queue could not be read",
		"wallet", walletName(t.w.coin.key), "error", err, "retry_in", retryIn)
	r.tasks.add(recoverTask{w: t.w, epoch: t.epoch, attempts: t.attempts, loaded: true}, time.Now().Add(retryIn))
}

// getUpdates reads and empties a wallet's queue in the daemon. Only the drain's
// end cuts it off.
func (l *link) getUpdates(c *Coin) (dequeued, error) {
	const method = "get_updates"
	params, err := encodeParams(nil, c.param())
	if err != nil {
		return dequeued{}, err
	}
	answer, err := l.d.callUnbounded(l.work, method, params, func() redactor {
		return secretsOf(c.wallet, c.key, method, nil)
	})
	if err != nil {
		if l.work.Err() != nil && errors.Is(err, ErrMaybeSent) {
			l.callsCut.Add(1) // the daemon empties the queue all the same
		}
		return dequeued{}, err
	}
	updates, skipped, err := wire.CutList(answer)
	if err != nil {
		return dequeued{}, &CallError{Method: method, MaybeSent: true, Err: &decodeError{errors.New("no list")}}
	}
	if skipped > 0 {
		l.d.n.addN(garbage, skipped)
		l.warn("updates without an event name skipped", "wallet", walletName(c.key), "count", skipped)
	}
	return dequeued{updates, len(updates) + skipped}, nil
}

// barrier waits until every frame that the daemon had written before now has
// been read: it writes a frame before it appends the update to the queue. It
// returns the pass whose connection was alive then, nil if there was none.
func (r *recovery) barrier() (alive *pass) {
	for {
		changed := r.changed.next()
		r.mu.Lock()
		p, dialing := r.pass, r.dialing
		r.mu.Unlock()
		switch {
		case p != nil && p.conn.Ping(r.l.work) == nil:
			return p
		case p != nil:
			select {
			case <-p.read:
			case <-r.l.work.Done():
				return nil
			}
		case !dialing:
			return nil // no connection: all that came has been read
		default:
			select {
			case <-changed:
			case <-r.l.work.Done():
				return nil
			}
		}
	}
}

// merge puts what an answer tells among the live events and opens the lane. It
// reports false when the answer fits no more where it was asked for: then it is
// kept for the next one. unbroken: the connection of the pass was alive after
// the answer.
func (r *recovery) merge(p *pass, w *watch, answer dequeued, asked turn, unbroken bool) (chainProven, merged bool) {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	if w.gone.Load() {
		r.handOn(p, w, answer, unbroken)
		return false, true
	}
	w.keep(answer)
	if r.turnOf(w) != asked {
		if w.drained.bytes <= l.cfg.QueueBytes/8 {
			return false, false
		}
		r.gapOf(p, w, GapOverflow) // more cannot be kept: it goes where it seems to belong
	}
	if !unbroken && r.mayRunAhead(p, w) {
		w.drained.putOff()
	}
	chainProven = r.put(p, w, unbroken)
	l.open(w)
	if asked.chain == l.chainHold && l.chainHold == p.chainHold && (chainProven || p.common.Load()) {
		r.openChain() // not for a refill, which does so when its own answer has come
	}
	return chainProven, true
}

// mayRunAhead reports whether an answer that came when the connection had ended may
// tell of chain-wide updates before others that are missing: they may be younger
// than that end, and what lies between is in older queues only. hist is held.
func (r *recovery) mayRunAhead(p *pass, w *watch) bool {
	l := r.l
	switch {
	case l.single || r.reachesBack(w) || w.drained.bytes > l.cfg.QueueBytes/8:
		return false
	case !l.chain.droppedAt.IsZero():
		return false // the chain's refill sees to them
	}
	return w.read || !p.first || !l.s.cfg.noBacklog // or they are dropped
}

// reachesBack: as far as is known, the wallet's queue has all that the chain may
// lack. hist is held.
func (r *recovery) reachesBack(w *watch) bool { return w.unbrokenQueue() && r.l.coversChain(w) }

// unbrokenQueue: as far as is known, nothing is missing in the wallet's queue since
// its last answer. It may not have been watched, and a gap that was told says
// nothing about what was dropped since; or a call whose answer was lost emptied its
// queue after the connection had ended, or of what was dropped later. hist is held.
func (w *watch) unbrokenQueue() bool {
	return (w.sure || w.excused && !w.unqueued) && (w.unreadIn == 0 || w.unreadIn == w.connect) &&
		!w.emptiedSince(w.missing)
}

// handOn gives the answer for a wallet that was removed to the watch as which it
// was added again meanwhile: that one's own answer is to come. hist is held.
func (r *recovery) handOn(p *pass, w *watch, answer dequeued, unbroken bool) {
	l := r.l
	current := l.lookup(w.coin.key)
	switch {
	case current == nil:
	case !current.read && (current.drained == nil || current.drained.bytes <= l.cfg.QueueBytes/8):
		current.keep(answer)
	default: // the answer is lost to it
		r.gapOf(p, current, GapUnknown)
		if !unbroken {
			current.unreadIn = current.connect // so is what was missed since the end of the connection
		}
		current.wasEmptied()
	}
}

// put merges what a wallet's queue has told into its history and its lane. The
// history is open afterwards, the lane as before. hist is held.
func (r *recovery) put(p *pass, w *watch, unbroken bool) (chainProven bool) {
	l := r.l
	told := w.drained
	w.drained = nil
	if !l.single && !l.chain.droppedAt.IsZero() && !l.coversChain(w) {
		// The chain's lane drops, and this queue may lack the first of what was
		// dropped: the refill brings all of it, in order.
		told.updates = l.setAside(w, told.updates)
	}
	answer := make([]replay.Item, len(told.updates))
	for i, u := range told.updates {
		answer[i] = replay.ItemOf(u.Event, &u.Body, chainWide(u.Event))
		l.queued(w, answer[i])
	}
	backlog := l.s.cfg.noBacklog && !w.read && !w.refilling
	w.refilling = false
	var m replay.Merged
	switch {
	case l.single:
		m = l.together.Merge(answer)
	case told.later != nil:
		m = w.seen.MergeOwn(answer)
		w.keep(dequeued{told.later, len(told.later)})
	default:
		m = w.seen.Merge(&l.chainLog, answer)
	}
	reported := w.gapIn == w.episode
	chainProven, lacking := r.judge(p, w, told, m)
	w.unreadIn, w.unqueued = 0, false
	late := !unbroken && lacking != replay.Proven || w.turn != w.begun && lacking == replay.Unknown
	if !unbroken && !w.sure || reported && late {
		// It may have been loaded after the connection had ended. Or what it lacks
		// was missed after that, or is a live update that the daemon had not queued
		// yet: either is behind the only gap of the episode.
		w.unreadIn = w.connect
	} else {
		w.missing = time.Time{}
	}
	if !w.sure {
		w.seen.Begin(&l.chainLog)
	}
	w.read, w.sure = true, true
	now := time.Now()
	if backlog && (l.laneOwner(w).droppedAt.IsZero() || w.lane.Len() > 0) {
		m.Own = behindLive(m.Own)
	}
	own := r.events(p, w, m.Own, told.updates, now)
	l.withLane(w, func() { w.lane.Insert(own) })
	if !backlog || !p.first || l.chain.refilling || !l.chain.droppedAt.IsZero() {
		l.chain.lane.Insert(r.events(p, l.chain, m.Chain, told.updates, now))
	}
	return chainProven
}

// behindLive is what of the missed came behind a live update that is held: its
// lane has dropped it, so it is no backlog.
func behindLive(missed []replay.Missed) []replay.Missed {
	from := slices.IndexFunc(missed, func(m replay.Missed) bool { return m.Before > 0 })
	if from < 0 {
		return nil
	}
	return missed[from:]
}

// judge reports a gap where nothing proves that the answer holds all that was
// missed, and tells whether it holds all of the chain's. lacking is what the
// answer by itself proves. hist is held.
func (r *recovery) judge(p *pass, w *watch, told *drained, m replay.Merged) (chainProven bool, lacking replay.Continuity) {
	r.mu.Lock()
	r.longest = max(r.longest, told.bytes)
	told.weigh(&m, r.queueCap)
	verdict := m.Continuity(false, r.queueCap)
	chain := m.OfChain.Continuity(false, r.queueCap)
	r.queueCap = max(r.queueCap, m.Items)
	switch {
	case m.Items > 0:
		r.doubt = false
	case m.Expected:
		r.doubt = true
	case r.doubt && verdict == replay.Proven:
		verdict = replay.Unknown // nobody's queue holds anything: it may be switched off
	}
	r.mu.Unlock()
	lacking = verdict
	sure := w.unbrokenQueue()
	if !sure && verdict == replay.Proven {
		verdict = replay.Unknown
	}
	chainProven = r.reachesBack(w) && chain == replay.Proven
	if r.l.single {
		chainProven = verdict == replay.Proven
	}
	if r.l.single || chainProven || p.common.Load() {
		p.proven.Store(true)
	}
	switch {
	case verdict == replay.Proven:
	case verdict == replay.Overflowed:
		r.gapOf(p, w, GapOverflow)
	default:
		r.gapOf(p, w, GapUnknown)
	}
	return chainProven, lacking
}

// gapOf reports a wallet's gap, once for each episode. hist is held.
func (r *recovery) gapOf(p *pass, w *watch, reason GapReason) {
	r.tell(p, w, reason, !p.proven.Load())
}

// tell is gapOf where it is known whether the chain's may be missing as well.
func (r *recovery) tell(p *pass, w *watch, reason GapReason, chainWide bool) {
	w.excused = true
	if w.gapIn == w.episode {
		return
	}
	w.gapIn, w.begins = w.episode, false
	if r.l.single {
		p.common.Store(true) // it is the chain's as well
	}
	p.gaps.Add(1)
	since := w.missing
	if since.IsZero() { // an answer has come, and a later one is in doubt
		since = p.since
	}
	r.l.gap(Gap{Coin: w.coin, ChainWide: r.l.single || chainWide, Since: since, Reason: reason})
	w.missing = time.Now() // what was before that is told
}

// events makes the events of what was missed.
func (r *recovery) events(
	p *pass, w *watch, missed []replay.Missed, updates []wire.Update, now time.Time,
) []queue.Placed[parcel] {
	list := make([]queue.Placed[parcel], 0, len(missed))
	for _, m := range missed {
		u := &updates[m.Index]
		if u.Event == "" {
			r.l.garbage(unnamed)
			continue
		}
		key, repeat := w.coin.key, m.Repeat
		owner := w
		if chainWide(u.Event) {
			key, owner = "", r.l.chain
		}
		if r.l.single {
			repeat = r.l.repeatsOf(owner).Add(replay.Of(u.Text))
		}
		ev := r.l.event(u, owner.coin, key, SourceRecovered, now)
		ev.Repeat = repeat
		r.l.countReceived(1, now)
		r.l.d.n.add(recovered)
		p.recovered.Add(1)
		list = append(list, queue.Placed[parcel]{V: ev, Size: ev.size(), Before: m.Before})
	}
	return list
}
