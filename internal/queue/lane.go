package queue

import "time"

// Lane is an ordered queue: its values are handed over one after another. It
// is open, held, overflowed or removed; DESIGN.md of the root package draws that.
type Lane[T any] struct {
	set *Set[T]
	key string

	items fifo[item[T]] // wait
	bytes int64
	older int // of items, from the head on: they waited when the hold began

	keyed    bool // lives in set.keyed, or is set.rest, while something waits
	held     bool // nothing is handed over
	over     bool // overflowed: what comes is dropped
	toldDry  bool // Dry has been called since the overflow
	removed  bool
	busy     bool // a handler, or Dry, runs for this lane
	enlisted bool // in line for a worker

	place uint64 // its number in the line of arrivals
}

type item[T any] struct {
	v       T
	size    int64
	attempt int
	arrived uint64 // its number among all pushes
}

// NewLane returns an open lane without a name.
func (s *Set[T]) NewLane() *Lane[T] { return s.NewNamed("") }

// NewNamed returns an open lane with a name, by which its owner knows in Dry whose
// it is. It is none of [Set.PushKeyed].
func (s *Set[T]) NewNamed(key string) *Lane[T] { return &Lane[T]{set: s, key: key} }

// Key is the name of a lane, "" if it has none. That does not change when a lane
// made by [Set.PushKeyed] becomes its owner's, by Adopt, or the other way, by Name.
func (l *Lane[T]) Key() string {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	return l.key
}

// Push puts v at the end, size bytes long. It never blocks.
func (l *Lane[T]) Push(v T, size int) Outcome {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	return l.push(v, size)
}

// PushFunc is Push of what make returns. make is called only when there is
// room, under the set's lock: it must be short and must not call the set.
func (l *Lane[T]) PushFunc(size int, make func() T) Outcome {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	out := l.admit(int64(size))
	if out == Accepted {
		l.enter(make(), size)
	}
	return out
}

// PushBefore puts v before what came since Hold, or at the end of an open
// lane. The bounds do not apply to it.
// It reports whether the lane took it: not when it was removed, or after Stop.
func (l *Lane[T]) PushBefore(v T, size int) bool {
	s := l.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.removed || s.stopped {
		return false
	}
	it := item[T]{v: v, size: int64(size), arrived: s.tick()}
	if l.held && l.older < l.items.len() {
		it.arrived = l.items.at(l.older).arrived // it takes that one's place
	}
	if !l.held {
		l.append(it)
		l.enlist()
		s.hire()
		return true
	}
	var items fifo[item[T]]
	for i := range l.items.len() {
		if i == l.older {
			items.push(it)
		}
		items.push(l.items.at(i))
	}
	if l.older == l.items.len() {
		items.push(it)
	}
	l.older++
	l.replace(items)
	return true
}

// Overflow makes a lane that has reached its bounds overflow, as a push would,
// and reports whether it has: what comes is dropped until it has run dry. A
// held lane cannot run dry and is left as it is.
func (l *Lane[T]) Overflow() bool {
	s := l.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.held {
		return false
	}
	full := l.items.len() >= s.cfg.PerLane || l.bytes >= s.cfg.LaneBytes || s.bytes >= s.cfg.Bytes
	if full && !l.empty() { // an empty one takes a value, and nobody would find it dry
		l.over = true
	}
	return l.over
}

// Placed is a value for [Lane.Insert].
type Placed[T any] struct {
	V      T
	Size   int
	Before int // how many of the values that came since Hold go before it
}

// Insert puts values among those that came since Hold, in the order given,
// which is that of Before. What was inserted counts as come since Hold in the
// next Insert. In an open lane they go to the end. The bounds do not apply.
func (l *Lane[T]) Insert(list []Placed[T]) {
	s := l.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.removed || s.stopped || len(list) == 0 {
		return
	}
	if !l.held {
		for _, p := range list {
			l.append(item[T]{v: p.V, size: int64(p.Size), arrived: s.tick()})
		}
		l.enlist()
		s.hire()
		return
	}
	var items fifo[item[T]]
	at, n := 0, l.items.len()
	for _, p := range list {
		for ; at < min(n, l.older+p.Before); at++ {
			items.push(l.items.at(at))
		}
		arrived := s.tick()
		if at < n {
			arrived = l.items.at(at).arrived
		}
		items.push(item[T]{v: p.V, size: int64(p.Size), arrived: arrived})
	}
	for ; at < n; at++ {
		items.push(l.items.at(at))
	}
	l.replace(items)
}

// Hold keeps what waits and what comes from the workers until Release. A
// handler that is inside finishes. Hold of a held lane changes nothing.
func (l *Lane[T]) Hold() {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	if !l.held {
		l.held, l.older = true, l.items.len()
		l.set.held += l.bytes
	}
}

// Release opens a held lane. first goes before everything that came since
// Hold, and behind what waited then, which is older; the bounds do not apply
// to it. keep, when not nil, is asked for each value that waits, in order, and
// those it refuses are dropped. size and keep run under the set's lock and
// must not call the set. Release of a removed lane, or after Stop, does nothing.
func (l *Lane[T]) Release(first []T, size func(T) int, keep func(T) bool) {
	s := l.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.removed || s.stopped {
		return
	}
	if len(first) > 0 || keep != nil {
		l.merge(first, size, keep)
	}
	if l.held {
		s.held -= l.bytes
	}
	l.held, l.older = false, 0
	l.forgetIfIdle()
	l.enlist()
	s.hire()
	s.announce()
}

// DroppingSince is when a lane of [Set.PushKeyed] has overflowed, by [Config], zero
// if it has not. The owner of other lanes can note that with the outcome of its push.
func (l *Lane[T]) DroppingSince() time.Time {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	return l.set.dropping[l]
}

// Reopen ends an overflow: what comes from now on is accepted again.
func (l *Lane[T]) Reopen() {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	l.over, l.toldDry = false, false
	delete(l.set.dropping, l)
	l.forgetIfIdle()
}

// Remove ends the lane and tells how many values were dropped with it. A
// handler that is inside finishes.
func (l *Lane[T]) Remove() (dropped int) { return l.RemoveFunc(nil) }

// RemoveFunc is Remove; each, when not nil, is told of every value that is
// dropped, under the set's lock: it must be short and must not call the set.
func (l *Lane[T]) RemoveFunc(each func(T)) (dropped int) {
	s := l.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped { // otherwise Stop has told of them
		dropped = l.items.len()
		for i := range dropped {
			if each != nil {
				each(l.items.at(i).v)
			}
		}
	}
	l.replace(fifo[item[T]]{})
	l.removed = true
	s.wake(l)
	l.forgetIfIdle()
	s.announce()
	return dropped
}

// Busy reports whether a handler is inside.
func (l *Lane[T]) Busy() bool {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	return l.busy
}

// Idle reports whether nothing waits and no handler is inside.
func (l *Lane[T]) Idle() bool {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	return l.items.len() == 0 && !l.busy
}

// Revive opens a lane that was removed, which is empty then, or that was left to
// itself, whatever its state was, and reports whether it could: not after Stop. A
// handler that was inside meanwhile counts as this lane's.
func (l *Lane[T]) Revive() bool {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	if l.set.stopped || l.keyed {
		return false
	}
	l.reset()
	l.enlist()
	l.set.hire()
	return true
}

// Name makes a lane that was removed one of those of [Set.PushKeyed], if a
// handler is still inside: what is pushed for the key waits for it.
func (l *Lane[T]) Name(key string) {
	s := l.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || !l.busy || s.keyed[key] != nil {
		return
	}
	l.reset()
	l.keyed, l.key = true, key
	s.keep(l)
}

// Len is how many values wait.
func (l *Lane[T]) Len() int {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	return l.items.len()
}

// The methods below are called with the set's mutex held.

func (l *Lane[T]) push(v T, size int) Outcome {
	out := l.admit(int64(size))
	if out == Accepted {
		l.enter(v, size)
	}
	return out
}

// reset opens a lane, whatever its state was. Of a hold nothing may be left: older
// is of values that may be gone.
func (l *Lane[T]) reset() {
	if l.held {
		l.set.held -= l.bytes
	}
	l.held, l.older = false, 0
	l.removed, l.over, l.toldDry = false, false, false
}

// admit says what becomes of a value of that size, and begins an overflow.
func (l *Lane[T]) admit(size int64) Outcome {
	switch {
	case l.removed || l.set.stopped:
		return Gone
	case l.over:
		return Dropped
	case !l.fits(size):
		l.noteDropping()
		l.over = true
		l.enlist() // an empty lane is dry at once
		l.set.hire()
		return Overflowed
	}
	return Accepted
}

func (l *Lane[T]) noteDropping() {
	if !l.keyed {
		return
	}
	if l.set.dropping == nil {
		l.set.dropping = make(map[*Lane[T]]time.Time)
	}
	since := time.Now
	if l.set.cfg.Since != nil {
		since = l.set.cfg.Since
	}
	l.set.dropping[l] = since()
}

func (l *Lane[T]) enter(v T, size int) {
	l.append(item[T]{v: v, size: int64(size), arrived: l.set.tick()})
	l.enlist()
	l.set.hire()
}

func (l *Lane[T]) fits(size int64) bool {
	s := l.set
	if s.bytes+size > s.cfg.Bytes && s.queued > 0 && !l.atOnce() {
		return false
	}
	return l.empty() || l.items.len() < s.cfg.PerLane && l.bytes+size <= s.cfg.LaneBytes
}

// atOnce reports whether a value of the lane need not wait, since nothing is
// before it and a worker is free for it. It takes no room from what waits elsewhere.
func (l *Lane[T]) atOnce() bool {
	return l.empty() && l.free() && l.set.calling+l.set.inLine() < l.set.cfg.Workers
}

func (l *Lane[T]) append(it item[T]) {
	if rest := &l.items.rest; rest.len() == keepCap && rest.room() == keepCap {
		rest.moveTo(l.set.takeSpare())
	}
	l.items.push(it)
	l.count(it, 1)
}

// keepCap is the room that an empty lane may keep: most lanes hold a few
// values now and then, and there may be tens of thousands of lanes.
const keepCap = 4

func (l *Lane[T]) pop() item[T] {
	it, _ := l.items.pop()
	if rest := &l.items.rest; l.empty() && rest.room() > keepCap {
		l.set.putSpare(rest.buf)
		*rest = ring[item[T]]{}
	}
	l.count(it, -1)
	return it
}

func (l *Lane[T]) pushFront(it item[T]) {
	l.items.pushFront(it)
	l.count(it, 1)
	if l.held {
		l.older++ // it was handed over before the hold began
	}
}

// merge puts first behind the older values and drops what keep refuses.
func (l *Lane[T]) merge(first []T, size func(T) int, keep func(T) bool) {
	var items fifo[item[T]]
	retried := false
	kept := func(from, to int) {
		for i := from; i < to; i++ {
			if it := l.items.at(i); keep == nil || keep(it.v) {
				items.push(it)
				retried = retried || it.attempt > 0
			}
		}
	}
	arrived := l.set.tick()
	if l.older < l.items.len() {
		arrived = l.items.at(l.older).arrived
	}
	kept(0, l.older)
	for _, v := range first {
		items.push(item[T]{v: v, size: int64(size(v)), arrived: arrived})
	}
	kept(l.older, l.items.len())
	l.replace(items)
	if !retried {
		l.set.wake(l) // whose next attempt it waited for is dropped
	}
}

func (l *Lane[T]) replace(items fifo[item[T]]) {
	for i := range l.items.len() {
		l.count(l.items.at(i), -1)
	}
	l.items = items
	for i := range items.len() {
		l.count(items.at(i), 1)
	}
}

// count adds it n times to what waits.
func (l *Lane[T]) count(it item[T], n int) {
	s := l.set
	size := int64(n) * it.size
	l.bytes += size
	s.bytes += size
	if l.held {
		s.held += size
	}
	s.queued += n
	if it.attempt > 0 {
		s.retrying += n
	}
}

func (l *Lane[T]) empty() bool { return l.items.len() == 0 }

func (l *Lane[T]) runnable() bool { return !l.empty() && l.free() }

// free reports whether nothing keeps a value of the lane from its handler.
func (l *Lane[T]) free() bool { return !l.held && !l.busy && !l.removed && !l.waiting() }

// dry reports whether an overflowed lane has handed over everything and its owner
// has not been told yet.
func (l *Lane[T]) dry() bool {
	return l.empty() && l.over && !l.toldDry && !l.held && !l.busy && !l.removed
}

func (l *Lane[T]) waiting() bool {
	_, ok := l.set.waits[l]
	return ok
}

// enlist puts the lane in line when it has something to do for a worker.
func (l *Lane[T]) enlist() {
	if !l.set.stopped && !l.enlisted && (l.runnable() || l.dry()) {
		l.enlisted = true
		l.set.line(l)
	}
}

// forgetIfIdle ends a keyed lane in which nothing waits. It counts as removed then:
// its owner may still know it from Dry, and it must not take values beside the
// next lane of its key.
func (l *Lane[T]) forgetIfIdle() {
	if !l.keyed || !l.empty() || l.busy {
		return
	}
	if !l.removed && (l.held || l.over && !l.toldDry) {
		return
	}
	l.removed = true
	s := l.set
	delete(s.dropping, l)
	if s.rest == l {
		s.rest = nil
	} else if s.keyed[l.key] == l {
		delete(s.keyed, l.key)
	}
}
