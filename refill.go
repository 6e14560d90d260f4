package bitcart

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bitcart-go/bitcart/internal/replay"
	"github.com/bitcart-go/bitcart/internal/wire"
)

// refill recovers a lane that has overflowed and run dry from the daemon's
// queue: a wallet's own, or any armed wallet's for the chain. Without a
// connection the next one's pass does it, and for the chain also one that has armed no
// wallet yet. It reports false when nobody will.
func (r *recovery) refill(w *watch) bool {
	l := r.l
	if l.cfg.DequeCap < 0 || l.isPolling() {
		return false
	}
	if w == l.chain {
		return r.refillChain(nil)
	}
	l.hist.Lock()
	defer l.hist.Unlock()
	return !r.over && r.refillWallet(r.current(), w)
}

// refillChain is refill for the chain. before is the task that has not come to an
// end because its wallet was removed, or whose wallet's queue has not proven that it
// has told all: then one that may is asked. nil = none.
func (r *recovery) refillChain(before *recoverTask) bool {
	l := r.l
	asked, covers := l.anyArmed(before)
	l.hist.Lock()
	defer l.hist.Unlock()
	p := r.current()
	switch {
	case r.over:
		return false
	case before == nil && !l.single && l.chain.droppedAt.IsZero():
		return true // another one has reopened the lane since it ran dry
	case before != nil && !before.w.gone.Load() && !(covers && r.mayAskAnother(p, before)):
		return false
	}
	later := p == nil || asked == nil && before == nil && !p.complete.Load() && !p.common.Load() && !p.proven.Load()
	if asked == nil && (!later || l.single) {
		return false
	}
	if later {
		l.bringBack(before, l.aside.wallets()...)
	} else {
		l.bringBack(before, asked)
	}
	l.holdChain()
	l.chain.lane.Reopen()
	t := r.refillTask(before)
	l.chain.refilling, l.chain.missing = true, t.since
	if later {
		if p != nil {
			p.chainHold, p.await = l.chainHold, t.await
		}
		return true
	}
	asked.episode++
	if !asked.emptiedSince(t.since) { // else nothing is relied on for the chain's, and its own of before are told
		asked.lacks(t.since)
	}
	if asked.deferred { // it takes nothing in: its lane must run dry by itself
		asked.turn++
		l.holdHistory(asked)
	} else {
		l.hold(asked)
	}
	t.w, t.epoch = asked, p.epoch
	r.tasks.add(t, time.Time{})
	return true
}

const mostTries = 3 // more wallets that are asked for what the chain's lane has dropped, before a gap is told

// mayAskAnother reports whether a refill whose wallet's queue has not shown all may
// ask another one's: it is still the one under way. hist is held.
func (r *recovery) mayAskAnother(p *pass, before *recoverTask) bool {
	chain := r.l.chain
	return before.tries < mostTries && p != nil && p.epoch == before.epoch &&
		chain.refilling && chain.missing.Equal(before.since)
}

// refillTask takes what is known of the updates that the chain's lane has dropped, and
// what the task before was to bring; nil = there was none. hist is held.
func (r *recovery) refillTask(before *recoverTask) recoverTask {
	l := r.l
	awaited := l.chain.awaited
	t := recoverTask{
		loaded: true, forChain: new(sync.Once), since: l.takeDroppedAt(l.chain), await: l.takeDropped(l.chain),
	}
	if before == nil {
		return t
	}
	t.tries, t.awaits = before.tries+1, before.awaits
	if t.since.IsZero() || before.since.Before(t.since) {
		t.since = before.since
	}
	if t.await == 0 && awaited == before.await { // neither dropped nor brought since
		t.await, l.chain.awaited = awaited, awaited
	}
	return t
}

// takeDropped returns the last update that a lane has dropped, once. hist is held.
func (l *link) takeDropped(w *watch) replay.Fingerprint {
	owner := l.laneOwner(w)
	last := owner.lastDropped
	owner.lastDropped, owner.awaited = 0, last
	return last
}

// queued notes that the daemon's queue has told of an update: if it was
// dropped, no later answer holds it. hist is held.
func (l *link) queued(w *watch, it replay.Item) {
	owner := l.laneOwner(w)
	if it.Chain {
		owner = l.chain
	}
	if owner.lastDropped == it.Key {
		owner.lastDropped = 0
	}
	if owner.awaited == it.Key {
		owner.awaited = 0
	}
}

// refillWallet holds the wallet's lane, which is empty, and asks for what was
// dropped if there is a connection. hist is held.
func (r *recovery) refillWallet(p *pass, w *watch) bool {
	if !r.l.withLane(w, w.lane.Reopen) {
		return true // it was removed
	}
	w.seen.Keep()
	w.deferred = false
	w.episode++
	w.lacks(r.l.takeDroppedAt(w))
	r.l.hold(w)
	w.refilling = true
	await := r.l.takeDropped(w)
	if p != nil {
		armed := r.l.isArmed(w) // if not, the pass is still at it
		r.tasks.add(recoverTask{w: w, epoch: p.epoch, loaded: armed, beside: !armed, await: await}, time.Time{})
	}
	return true
}

// takeDroppedAt returns when a lane began to drop, or since when a connect has
// found it full. hist is held.
func (l *link) takeDroppedAt(w *watch) time.Time {
	owner := l.laneOwner(w)
	at := owner.droppedAt
	owner.droppedAt = time.Time{}
	return at
}

const mostAwaits = 6 // answers that may come before the daemon has queued the last dropped update

// tooEarly keeps an answer in which the last dropped update is not yet, and asks
// again soon. When it never comes, the daemon did not queue it. What another task
// awaits for the wallet's own lane counts as well: taking the answer in would open
// the lane. So does what a pass awaits that refills the chain's.
func (r *recovery) tooEarly(p *pass, t *recoverTask, answer dequeued) bool {
	l, w := r.l, t.w
	l.hist.Lock()
	defer l.hist.Unlock()
	if w.gone.Load() {
		return false
	}
	lane := l.laneOwner(w)
	owner := lane
	if t.forChain != nil {
		owner = l.chain
	}
	lacks := func(await replay.Fingerprint) bool {
		is := func(u wire.Update) bool { return replay.ItemOf(u.Event, &u.Body, chainWide(u.Event)).Key == await }
		return await != 0 && !slices.ContainsFunc(answer.updates, is) && !(w.keeps() && slices.ContainsFunc(w.drained.updates, is))
	}
	early := owner.awaited == t.await && lacks(t.await) // else another answer has brought it
	refills := p.await != 0 && p.await == l.chain.awaited && p.chainHold == l.chainHold && !p.common.Load()
	lacking := refills && l.coversChain(w) && lacks(p.await)
	if !early && !lacking && !lacks(lane.awaited) {
		return false
	}
	if t.awaits++; t.awaits > mostAwaits {
		t.lost = early
		if lacking { // another wallet's queue may show it
			w.lacksOfChain()
		}
		if early && owner == lane {
			lane.awaited = 0
		}
		return false
	}
	w.keep(answer)
	t.loaded = true
	r.tasks.add(*t, time.Now().Add(awaitPause(l.cfg, t.awaits)))
	return true
}

// lost reports that a dropped update of a wallet was not in the daemon's queue.
func (r *recovery) lost(p *pass, w *watch) {
	r.l.hist.Lock()
	defer r.l.hist.Unlock()
	r.gapOf(p, w, GapOverflow)
}

// anyArmed is a wallet whose queue can be asked for the chain's updates: one that
// was watched when the first of them was dropped, which covers says, or else one that
// was added later and can bring some of them, or else one whose own lane has to run
// dry first, for which nothing is read: then a gap is all there is. It is not the one
// of the task before, nil = of none.
func (l *link) anyArmed(before *recoverTask) (w *watch, covers bool) {
	l.hist.Lock()
	defer l.hist.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	var young, full *watch
	for _, w := range l.watches {
		switch {
		case !l.isArmed(w), before != nil && before.w == w:
		case w.deferred:
			full = w
		case !l.coversChain(w):
			if young == nil || l.aside.of[w] != nil {
				young = w
			}
		default:
			return w, true
		}
	}
	if young != nil {
		return young, false
	}
	return full, false
}

// aside is what answers have told of the chain while its lane drops, of wallets
// whose queue may lack the first of what was dropped. A refill from an older queue
// brings it in order; but that wallet may be removed before.
type aside struct {
	since time.Time // when the lane began to drop
	of    map[*watch][]wire.Update
	bytes int64
}

const mostAside = 8 // wallets, of which one is enough

func (a *aside) wallets() []*watch { return slices.Collect(maps.Keys(a.of)) }

// leaveOut forgets what an answer has brought, as often as it has: put in front of its
// wallet's next one it would be handed over again.
func (a *aside) leaveOut(answer []replay.Item) {
	for w, updates := range a.of {
		brought := make(map[replay.Fingerprint]int)
		for _, it := range answer {
			if it.Chain {
				brought[it.Key]++
			}
		}
		a.of[w] = slices.DeleteFunc(updates, func(u wire.Update) bool {
			key := replay.ItemOf(u.Event, &u.Body, true).Key
			brought[key]--
			return brought[key] >= 0
		})
	}
}

// setAside takes the chain-wide updates out of an answer. hist is held.
func (l *link) setAside(w *watch, updates []wire.Update) (rest []wire.Update) {
	if a := &l.aside; !a.since.Equal(l.chain.droppedAt) {
		*a = aside{since: l.chain.droppedAt, of: make(map[*watch][]wire.Update)}
	}
	a := &l.aside
	keeps := (len(a.of) < mostAside || a.of[w] != nil) && a.bytes <= l.cfg.QueueBytes/8
	return slices.DeleteFunc(updates, func(u wire.Update) bool {
		if !chainWide(u.Event) {
			return false
		}
		if keeps {
			a.of[w] = append(a.of[w], u)
			a.bytes += int64(len(u.Text)) + parcelOverhead
		}
		return true
	})
}

// bringBack puts what was set aside in front of the wallets' next answers, when
// the chain's lane is about to be refilled. hist is held.
func (l *link) bringBack(before *recoverTask, ws ...*watch) {
	a := &l.aside
	if !a.since.Equal(l.chain.droppedAt) && (before == nil || !a.since.Equal(before.since)) {
		return
	}
	for _, w := range ws {
		if updates := a.of[w]; len(updates) > 0 && !w.gone.Load() {
			w.keepFirst(dequeued{updates, len(updates)})
		}
		delete(a.of, w)
	}
}

// coversChain: as far as is known, the daemon has watched the wallet since before
// anything of the chain's may be missing, and no call has emptied its queue since the
// first update was sent that the chain's lane has dropped. hist is held.
func (l *link) coversChain(w *watch) bool {
	return w.sure && w.seen.Covers(&l.chainLog) && !w.emptiedSince(l.chainDropsSince())
}

// chainDropsSince is when the first update was sent that the chain's lane has
// dropped and no refill has brought; zero = there is none. hist is held.
func (l *link) chainDropsSince() time.Time {
	since := l.chain.droppedAt
	if l.chain.refilling && (since.IsZero() || l.chain.missing.Before(since)) {
		since = l.chain.missing
	}
	return since
}

// chainMissingSince is since when the chain's may be missing that are missing since that
// time, or since its lane dropped what a refill is still to bring. hist is held.
func (l *link) chainMissingSince(since time.Time) time.Time {
	if l.chain.refilling && l.chain.missing.Before(since) {
		return l.chain.missing
	}
	return since
}

// wasEmptied notes that a call whose answer is lost may have emptied the queue. hist
// is held.
func (w *watch) wasEmptied() { w.emptied = time.Since(w.link.started) }

// emptiedSince reports whether such a call may have taken what was sent after a time;
// zero = nothing is missing. hist is held.
func (w *watch) emptiedSince(t time.Time) bool {
	return w.emptied > 0 && !t.IsZero() && w.emptied >= t.Sub(w.link.started)
}

// chainRefilled opens the chain's lane after an overflow, once.
func (r *recovery) chainRefilled(p *pass, t recoverTask, proven bool) {
	t.forChain.Do(func() {
		if !proven {
			p.gaps.Add(1)
			r.l.gap(Gap{ChainWide: true, Since: t.since, Reason: GapOverflow})
		}
		r.l.hist.Lock()
		defer r.l.hist.Unlock()
		if r.current() == p {
			r.openChain()
		}
	})
}
