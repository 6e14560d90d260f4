package bitcart

import (
	"slices"
	"time"

	"github.com/bitcart-go/bitcart/internal/queue"
	"github.com/bitcart-go/bitcart/internal/replay"
	"github.com/bitcart-go/bitcart/internal/wire"
)

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
	if !unbroken {
		r.putOff(p, w)
	}
	chainProven = r.put(p, w, unbroken)
	l.open(w)
	switch {
	case asked.chain != l.chainHold || l.chainHold != p.chainHold: // a refill opens it when its own answer has come
	case p.first && !l.single && !l.s.cfg.noBacklog: // the queues' backlogs begin at different blocks: all have to be read
		if l.chainDropsSince().IsZero() {
			l.chainLog.EndDoubt()
		}
	case chainProven || p.common.Load():
		r.openChain()
	}
	return chainProven, true
}

// putOff leaves the chain-wide updates of an answer that came when the connection
// had ended for the next one, unless all that were missed are there: they may be
// younger than that end, and what lies between is in other queues only. If they are
// too many to be kept, they go ahead, behind a gap. hist is held.
func (r *recovery) putOff(p *pass, w *watch) {
	l, told := r.l, w.drained
	if l.single || !l.chain.droppedAt.IsZero() { // then the chain's refill sees to them
		return
	}
	answer, chainBytes := told.items()
	proves, _ := r.provesChain(w, told, answer)
	switch {
	case proves && (chainBytes == 0 || r.reachesBack(w)):
	case chainBytes > l.cfg.QueueBytes/8:
		p.gaps.Add(1)
		l.gap(Gap{ChainWide: true, Since: p.since, Reason: GapOverflow})
	default:
		told.ownOnly, told.lacking = true, told.lacking || !proves
	}
}

// provesChain reports whether what is drained of w shows that its queue has lost
// nothing of the chain's, and which of the chain-wide updates were missed. hist is
// held.
func (r *recovery) provesChain(w *watch, told *drained, answer []replay.Item) (proves bool, missed []replay.Missed) {
	m := w.seen.Judge(&r.l.chainLog, answer)
	r.mu.Lock()
	defer r.mu.Unlock()
	told.weigh(&m, r.queueCap)
	off := r.doubt && m.Items == 0 // as in judge
	return !told.lacking && !off && m.OfChain.Continuity(false, r.queueCap) == replay.Proven, m.Chain
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
	r.leaveToRefill(w, told)
	answer, _ := told.items()
	for _, it := range answer {
		l.queued(w, it)
	}
	backlog := l.s.cfg.noBacklog && !w.read && !w.refilling
	w.refilling = false
	var m replay.Merged
	switch {
	case l.single:
		m = l.together.Merge(answer)
	case told.ownOnly:
		m = w.seen.MergeOwn(&l.chainLog, answer)
		told.ownOnly = !backlog || !p.first // or other queues know which of them are no backlog
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
	} else if !told.ownOnly {
		w.missing = time.Time{}
		if unbroken && l.laneOwner(w).droppedAt.IsZero() && l.chainDropsSince().IsZero() {
			w.emptied = 0 // all that was sent before has been read, and nothing of it dropped
		}
	}
	if told.ownOnly {
		w.keepLater(told)
		if w.missing.IsZero() {
			w.missing = p.since
		}
	}
	if !w.sure || !chainProven && !told.ownOnly {
		w.seen.Begin(&l.chainLog) // no later answer of it is relied on for what is missing now
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

// leaveToRefill takes the chain-wide updates out of an answer while the chain's lane
// drops, unless it has all that was dropped, and all of before that if the lane is not
// held: the refill brings that in order. The queue lacks some of it from now on,
// however old it is. hist is held.
func (r *recovery) leaveToRefill(w *watch, told *drained) {
	l := r.l
	if l.single || l.chain.droppedAt.IsZero() {
		return
	}
	answer, _ := told.items()
	proves, missed := r.provesChain(w, told, answer)
	if proves && l.coversChain(w) && (l.chain.held || w.unbrokenQueue()) {
		l.aside.leaveOut(answer)
		return // what other queues still hold of before goes in front, as long as the lane is held
	}
	// What is known was handed over. When it is brought back, the wallet's place in
	// the chain's history is behind it: it would be handed over again.
	var left []wire.Update
	for i, u := range told.updates {
		if !answer[i].Chain || slices.ContainsFunc(missed, func(m replay.Missed) bool { return m.Index == i }) {
			left = append(left, u)
		}
	}
	told.updates = l.setAside(w, left)
	told.lacking = true // what is left does not show it any more
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
	if r.doubt && chain == replay.Proven {
		chain = replay.Unknown
	}
	r.mu.Unlock()
	lacking = verdict
	sure := w.unbrokenQueue()
	if !sure && verdict == replay.Proven {
		verdict = replay.Unknown
	}
	chainProven = r.reachesBack(w) && chain == replay.Proven && !told.lacking
	if r.l.single {
		chainProven = verdict == replay.Proven
	}
	if r.l.single || chainProven || p.common.Load() {
		p.proven.Store(true)
	}
	if verdict != replay.Proven && w.gapIn != w.episode && !p.proven.Load() {
		told.lacking = false // the gap tells of the chain's as well
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
	if chainWide {
		since = r.l.chainMissingSince(since)
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
