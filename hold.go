package bitcart

import (
	"errors"
	"time"
)

// What the recovery does to lanes: it holds them, and frees them. The lock
// hist, which all functions here need, makes the steps for the history and for
// the lane one.

// turn names a stretch of time in which a wallet's, and the chain's, live
// events are held without a break. An answer of the daemon's queue fits between
// the events of the turn in which it was asked for, and of no other.
type turn struct {
	wallet uint32
	chain  uint64
}

func (r *recovery) turnOf(w *watch) turn { return turn{w.turn, r.l.chainHold} }

// hold keeps a wallet's live events from here on. hist is held.
func (l *link) hold(w *watch) {
	w.turn++
	l.holdHistory(w)
	w.held = l.withLane(w, w.lane.Hold)
}

// beforeAsking holds what is not held already, and returns the turn.
func (r *recovery) beforeAsking(w *watch) turn {
	r.l.hist.Lock()
	defer r.l.hist.Unlock()
	if !w.held {
		r.l.hold(w)
	}
	w.seen.Ask(&r.l.chainLog)
	return r.turnOf(w)
}

// open hands over what was held. hist is held.
func (l *link) open(w *watch) {
	w.turn++
	w.held = false
	l.withLane(w, func() { w.lane.Release(nil, nil, nil) })
}

// withLane does something to a wallet's lane, unless the wallet was removed:
// its lane may be another watch's by now.
func (l *link) withLane(w *watch, do func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.gone.Load() {
		return false
	}
	do()
	return true
}

// holdChain keeps the chain-wide events of a manager's link. hist is held.
func (l *link) holdChain() {
	l.chainHold++
	l.chainLog.Hold()
	if l.chain.held {
		return
	}
	l.chain.held = true
	l.chainLog.Handed() // an overflow may have begun the history's hold before
	l.chain.lane.Hold()
}

// openChain hands over the chain-wide events that waited. hist is held.
func (r *recovery) openChain() {
	switch {
	case r.l.single:
	case r.l.chain.droppedAt.IsZero():
		r.l.chainLog.Release()
		r.l.aside = aside{}
	default:
		r.l.chainLog.ReleaseInDoubt()
	}
	r.l.chain.held, r.l.chain.refilling = false, false
	r.l.chain.lane.Release(nil, nil, nil)
}

// release hands over a wallet's held events without an answer. failed says that
// what was missed before them is not known, which is a gap.
func (r *recovery) release(p *pass, w *watch, failed bool) {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	if w.gone.Load() {
		return
	}
	if failed {
		l.outlivesStart(w)
		r.gapOf(p, w, GapUnknown)
	} else {
		w.missing = time.Time{} // the gap of every wallet stands for it
	}
	r.free(p, w)
}

// failed is release after a call that brought no answer, unless the wallet is to
// be asked again in another turn.
func (r *recovery) failed(p *pass, w *watch, asked turn, err error) {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	current := l.lookup(w.coin.key)
	if current == nil {
		return
	}
	l.outlivesStart(current)
	if errors.Is(err, ErrMaybeSent) {
		current.wasEmptied()
	}
	r.gapOf(p, current, GapUnknown) // of a wallet that was removed and added again, too
	current.unreadIn = current.connect
	l.laneOwner(w).awaited = 0 // the call may have taken it: the gap stands for it
	if current == w && r.turnOf(w) == asked {
		r.free(p, w)
		w.unreadIn = w.connect // an answer that was kept, and came in now, says nothing about this call
	}
}

// outlivesStart begins another episode if the one under way has reported no more
// than a GapStart, which does not tell that the wallet's backlog is going to come
// behind live events. hist is held.
func (l *link) outlivesStart(w *watch) {
	backlog := l.cfg.DequeCap >= 0 && (w.read || !l.s.cfg.noBacklog)
	if w.begins && w.gapIn == w.episode && backlog {
		w.episode++
	}
}

// free ends the waiting for an answer: what earlier answers brought is put in
// front, and everything is handed over. hist is held.
func (r *recovery) free(p *pass, w *watch) {
	if w.keeps() {
		r.put(p, w, false)
	}
	r.l.releaseHistory(w)
	r.l.open(w)
}

// releaseAll hands over every live event that still waits; over: nothing will
// be held any more.
func (r *recovery) releaseAll(over bool) {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	watches := l.allWatches() // nobody holds another one before it is over
	r.over = r.over || over
	p := &pass{since: l.chainDropsSince()} // of what was brought back for a refill
	if p.since.IsZero() {
		p.since = l.started
	}
	var younger []*watch
	for _, w := range watches {
		if over && w.refilling {
			r.gapOf(p, w, GapOverflow) // what was dropped stays where it is
		}
		if w.keepsYounger() {
			younger = append(younger, w)
			continue
		}
		r.free(p, w)
	}
	if len(younger) > 0 && l.chain.droppedAt.IsZero() {
		l.holdChain() // what they keep goes behind what is held of the chain's
	}
	for _, w := range younger {
		r.free(p, w)
	}
	if over && l.chain.refilling {
		l.gap(Gap{ChainWide: true, Since: l.chain.missing, Reason: GapOverflow})
	}
	r.openChain()
}
