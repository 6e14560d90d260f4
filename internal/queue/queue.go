// Package queue hands values to handlers: one after another within a lane, in
// parallel across lanes, within bounds, by workers that are started on demand.
//
// A [Set] is one stream's delivery for one daemon; a [Lane] is one wallet of it.
// Push never blocks and never runs a handler, so a reader may call it. The
// package starts goroutines only while there is something to hand over and
// waits for them in [Set.Wait].
//
// All state of a Set and its lanes is guarded by the Set's one mutex; it is
// never held while Handle or Dry run.
package queue

import (
	"context"
	"sync"
	"time"

	"github.com/bitcart-go/bitcart/internal/jitter"
)

// Config says how a Set works. Handle is required.
type Config[T any] struct {
	// Workers is how many handlers run at once, at most. At least 1.
	Workers int
	// PerLane is how many values wait in one lane, at most. At least 1.
	PerLane int
	// LaneBytes and Bytes bound the sizes that wait in one lane and in all
	// of them. An empty lane takes one value of any size that fits Bytes, and
	// a Set in which nothing waits takes one of any size at all. A value that
	// need not wait, since its lane is empty and a worker is free, needs no
	// room in Bytes: otherwise some stuck lanes would stop all others.
	//
	// A value that goes back for another attempt is not measured again: it may
	// stand beyond the bounds, at most one per lane.
	LaneBytes, Bytes int64
	// Arrival makes one worker hand over all values in the order in which
	// they were pushed, whatever their lane. A lane that is held, or waits for
	// another attempt, lets the others go on; then its values, being older, go
	// first.
	Arrival bool
	// Handle is given one value, on a worker's goroutine, with no lock held.
	// attempt is 1, then more. When again is true the value goes back to the
	// head of its lane and is handed over again after the time retry, unless
	// the lane was removed meanwhile and not revived. A Handle that ends its
	// goroutine has done its value; it should not panic, for nobody recovers it.
	Handle func(v T, attempt int) (retry time.Duration, again bool)
	// Timed notes when each Handle began, for [Set.Running]. It costs a look at
	// the clock for each value.
	Timed bool
	// Since is asked since when the values that a keyed lane drops may have been
	// made, for [Lane.DroppingSince], when that overflows. It must be short and must
	// not call the set. nil = the time of the overflow.
	Since func() time.Time
	// Dry is told, with no lock held, that an overflowed lane has handed over
	// all it had. What is pushed is dropped until the lane is reopened; a
	// keyed lane that is empty and not held when Dry returns is forgotten
	// instead. May be nil.
	//
	// What Dry itself wants to put in goes by Hold, Reopen and Release, which
	// always finds room. A push after Reopen may find none, because of other
	// lanes; then Dry is called again at once, and again.
	Dry func(*Lane[T])
}

// Outcome is what became of a pushed value.
type Outcome int

// Outcomes of a push.
const (
	Accepted   Outcome = iota // it waits for its handler
	Overflowed                // the first one that found no room; it was dropped
	Dropped                   // dropped because its lane had overflowed before
	Gone                      // the lane was removed or forgotten, or the Set was stopped
)

// Set is a family of lanes with common bounds and workers.
type Set[T any] struct {
	cfg Config[T]

	mu        jitter.Mutex
	ready     ring[*Lane[T]]           // lanes with something to hand over, first come first served
	oldest    arrivals[T]              // the same in arrival order
	arrived   uint64                   // pushes so far
	keyed     map[string]*Lane[T]      // lanes that exist only while something waits in them
	rest      *Lane[T]                 // the overflowed lane of all keys that have none, see PushKeyed; nil otherwise
	waits     map[*Lane[T]]*time.Timer // lanes that wait for another attempt
	dropping  map[*Lane[T]]time.Time   // keyed lanes that have overflowed, and when
	spares    [][]item[T]              // room that lanes have left, for the next ones that grow
	spareRoom int                      // of all of them
	workers   []*worker[T]             // alive ones
	calling   int                      // of workers: they run Handle or Dry
	queued    int
	retrying  int // of queued: their handler has been called
	bytes     int64
	held      int64 // of bytes: in held lanes
	running   int   // handlers inside
	refused   int   // values whose handler asked for another attempt after Stop
	stopped   bool
	quiet     chan struct{}  // closed when nothing waits and no worker is alive; nil while nobody asks
	exited    chan struct{}  // closed when no worker is alive; nil while nobody asks
	timers    sync.WaitGroup // retry timers whose function may run
}

// worker is one goroutine; its fields are guarded by the set's mutex.
type worker[T any] struct {
	calling bool // Handle or Dry runs, without the lock
	inside  bool // Handle runs
	// What follows is of the present call, or of the last one: it is not cleared
	// between two, since a pointer that is cleared while the garbage collector marks
	// costs far more than a number.
	lane    *Lane[T]
	v       T
	attempt int
	since   time.Time
}

// New returns a Set without lanes. It has nothing to close: a Set in which
// nothing waits and no handler runs holds no goroutine.
func New[T any](cfg Config[T]) *Set[T] {
	cfg.Workers = max(cfg.Workers, 1)
	cfg.PerLane = max(cfg.PerLane, 1)
	if cfg.Arrival {
		cfg.Workers = 1
	}
	return &Set[T]{cfg: cfg}
}

// Counts is a Set's load at one moment.
type Counts struct {
	Queued  int   // values that wait, without those a handler holds
	Bytes   int64 // their sizes
	Running int   // handlers inside
}

// Counts returns the load now.
func (s *Set[T]) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Counts{Queued: s.queued, Bytes: s.bytes, Running: s.running}
}

// Held is how many bytes wait in lanes that are held.
func (s *Set[T]) Held() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// Running calls f for each value that a handler holds, with the number of the
// attempt and, if the Set is Timed, the time at which the handler began. f runs
// without a lock, on a snapshot.
func (s *Set[T]) Running(f func(v T, attempt int, since time.Time)) {
	type held struct {
		v       T
		attempt int
		since   time.Time
	}
	s.mu.Lock()
	var list []held
	for _, w := range s.workers {
		if w.inside {
			list = append(list, held{w.v, w.attempt, w.since})
		}
	}
	s.mu.Unlock()
	for _, h := range list {
		f(h.v, h.attempt, h.since)
	}
}

// PushKeyed pushes into the lane named key, which lives only while something
// waits in it: nothing grows with the number of keys seen. Keys that have no
// lane and find no room in the Set overflow together, as one lane named "".
func (s *Set[T]) PushKeyed(key string, v T, size int) Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return Gone
	}
	return s.laneOf(key, int64(size)).push(v, size)
}

// Entry is a value for [Set.PushAll].
type Entry[T any] struct {
	Lane *Lane[T]
	V    T
	Size int
}

// PushAll does for each entry what [Lane.Push] does, in order, for the price of
// one. It ends behind the first one that was not accepted: done is how many it
// has dealt with, and out what became of the last of them. admit is called with
// the index of each that is accepted, under the set's lock, before anybody can
// be handed it: it must be short and must not call the set.
func (s *Set[T]) PushAll(entries []Entry[T], admit func(i int)) (done int, out Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.hire()
	for i := range entries {
		e := &entries[i]
		if out := e.Lane.admit(int64(e.Size)); out != Accepted {
			return i + 1, out
		}
		admit(i)
		e.Lane.append(item[T]{v: e.V, size: int64(e.Size), arrived: s.tick()})
		e.Lane.enlist()
	}
	return len(entries), Accepted
}

// laneOf is the lane into which a value of a key goes. mu is held.
func (s *Set[T]) laneOf(key string, size int64) *Lane[T] {
	if l := s.keyed[key]; l != nil {
		return l
	}
	if s.rest != nil {
		return s.rest
	}
	l := &Lane[T]{set: s, keyed: true}
	if !l.fits(size) {
		s.rest = l
		return l
	}
	l.key = key
	s.keep(l)
	return l
}

// keep makes a lane known by its key. mu is held.
func (s *Set[T]) keep(l *Lane[T]) {
	if s.keyed == nil {
		s.keyed = make(map[string]*Lane[T])
	}
	s.keyed[l.key] = l
}

// Adopt makes the lane of a key, if there is one, a lane like those of
// [Set.NewLane]: what waits in it stays first. An overflow of it is over.
func (s *Set[T]) Adopt(key string) *Lane[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.keyed[key]
	if l == nil || s.stopped {
		return nil
	}
	delete(s.keyed, key)
	delete(s.dropping, l)
	l.keyed, l.over, l.toldDry = false, false, false
	return l
}

// Drain returns nil when nothing waits and no handler runs, or ctx's error.
// Values in held lanes wait too: their owner must release them.
func (s *Set[T]) Drain(ctx context.Context) error {
	return s.await(ctx, &s.quiet)
}

// Stop ends handing over: no value is given to a handler after it has
// returned. It tells how many values were left whose handler never began, and
// how many wait for another attempt.
func (s *Set[T]) Stop() (undelivered, retrying int) {
	s.mu.Lock()
	s.stopped = true
	for l := range s.waits {
		s.wake(l)
	}
	undelivered, retrying = s.queued-s.retrying, s.retrying
	s.ready, s.oldest = ring[*Lane[T]]{}, nil
	s.mu.Unlock()
	s.timers.Wait()
	return undelivered, retrying
}

// Wait waits for the handlers that are inside, until ctx ends. It returns how
// many still are, and how many asked for another attempt that nobody will make.
// Call it after Stop.
func (s *Set[T]) Wait(ctx context.Context) (running, refused int) {
	_ = s.await(ctx, &s.exited) // the count below says it
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running, s.refused
}

func (s *Set[T]) await(ctx context.Context, signal *chan struct{}) error {
	s.mu.Lock()
	if *signal == nil {
		*signal = make(chan struct{})
	}
	done := *signal
	s.announce()
	s.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-done: // both: what was waited for is the better news
		return nil
	default:
		return ctx.Err()
	}
}

// announce wakes those who wait for quiet or for the last worker's end. mu is held.
func (s *Set[T]) announce() {
	if len(s.workers) > 0 {
		return
	}
	if s.exited != nil {
		close(s.exited)
		s.exited = nil
	}
	if s.quiet != nil && s.queued == 0 {
		close(s.quiet)
		s.quiet = nil
	}
}

// tick numbers a push. mu is held.
func (s *Set[T]) tick() uint64 {
	s.arrived++
	return s.arrived
}

// line puts l in line for a worker. mu is held.
func (s *Set[T]) line(l *Lane[T]) {
	if s.cfg.Arrival {
		s.oldest.add(l)
	} else {
		s.ready.push(l)
	}
}

// inLine is how many lanes wait for a worker. mu is held.
func (s *Set[T]) inLine() int { return s.ready.len() + len(s.oldest) }

// next takes the lane whose turn it is. mu is held.
func (s *Set[T]) next() (l *Lane[T], ok bool) {
	if s.cfg.Arrival {
		l, ok = s.oldest.take()
	} else {
		l, ok = s.ready.pop()
	}
	if ok {
		l.enlisted = false
	}
	return l, ok
}

// What is kept of the room that lanes leave: as many pieces, and as many items
// in all of them.
const (
	maxSpares    = 32
	maxSpareRoom = 8 << 10
)

// putSpare keeps the room of a lane that has run empty. mu is held.
func (s *Set[T]) putSpare(room []item[T]) {
	if len(s.spares) < maxSpares && s.spareRoom+len(room) <= maxSpareRoom {
		s.spares = append(s.spares, room)
		s.spareRoom += len(room)
	}
}

// takeSpare returns room, or nil. mu is held.
func (s *Set[T]) takeSpare() (room []item[T]) {
	if last := len(s.spares) - 1; last >= 0 {
		room, s.spares[last] = s.spares[last], nil
		s.spares = s.spares[:last]
		s.spareRoom -= len(room)
	}
	return room
}

// hire starts a worker when lanes are in line, no worker is about to take one,
// and there may be more workers. One is enough: a worker sees to the next one
// before it is held up by a handler. mu is held.
func (s *Set[T]) hire() {
	if s.inLine() == 0 || len(s.workers) > s.calling || len(s.workers) == s.cfg.Workers {
		return
	}
	w := &worker[T]{}
	s.workers = append(s.workers, w)
	go s.work(w)
}

// work hands over until no lane is ready.
func (s *Set[T]) work(w *worker[T]) {
	defer s.leave(w)
	s.mu.Lock()
	for l, ok := s.next(); ok; l, ok = s.next() {
		s.turn(w, l)
	}
}

// leave ends a worker that has found no lane, with mu held, or whose goroutine
// ends inside Handle or Dry, by a panic or [runtime.Goexit], without it. Then
// the value is done, and another worker goes on.
func (s *Set[T]) leave(w *worker[T]) {
	aborted := w.calling
	if aborted {
		s.mu.Lock()
		s.exit(w)
	}
	for i, other := range s.workers {
		if other == w {
			last := len(s.workers) - 1
			s.workers[i] = s.workers[last]
			s.workers[last] = nil
			s.workers = s.workers[:last]
			break
		}
	}
	if aborted {
		w.lane.forgetIfIdle()
		w.lane.enlist()
		s.hire()
	}
	s.announce()
	s.mu.Unlock()
}

// turn hands over values of l: one when other lanes are waiting, as many as
// there are otherwise. mu is held, but not while a handler runs.
func (s *Set[T]) turn(w *worker[T], l *Lane[T]) {
	for l.runnable() && !s.stopped {
		it := l.pop()
		s.running++
		w.v, w.attempt, w.inside = it.v, it.attempt+1, true
		if s.cfg.Timed {
			w.since = time.Now()
		}
		s.enter(w, l)
		retry, again := s.cfg.Handle(it.v, it.attempt+1)
		s.mu.Lock()
		s.exit(w)
		if again {
			s.again(l, it, retry)
		}
		if s.inLine() > 0 {
			break
		}
	}
	if l.dry() && !s.stopped {
		l.toldDry = true
		if s.cfg.Dry != nil {
			s.enter(w, l)
			s.cfg.Dry(l)
			s.mu.Lock()
			s.exit(w)
		}
	}
	l.forgetIfIdle()
	l.enlist()
}

// enter marks that w runs Handle or Dry for l, and unlocks: nothing else of l runs
// meanwhile. mu is held.
func (s *Set[T]) enter(w *worker[T], l *Lane[T]) {
	l.busy = true
	w.calling = true
	if w.lane != l {
		w.lane = l
	}
	s.calling++
	s.hire()
	s.mu.Unlock()
}

// exit takes back what enter did, but for the lock. mu is held.
func (s *Set[T]) exit(w *worker[T]) {
	w.lane.busy = false
	s.calling--
	if w.inside {
		s.running--
	}
	w.calling, w.inside = false, false
}

// again puts a value back whose handler wants another attempt. mu is held.
func (s *Set[T]) again(l *Lane[T], it item[T], retry time.Duration) {
	switch {
	case s.stopped:
		s.refused++
	case !l.removed:
		it.attempt++
		l.pushFront(it)
		s.sleep(l, retry)
	}
}

// sleep keeps l from its workers for the time d. mu is held.
func (s *Set[T]) sleep(l *Lane[T], d time.Duration) {
	if s.waits == nil {
		s.waits = make(map[*Lane[T]]*time.Timer)
	}
	s.timers.Add(1)
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		defer s.timers.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.waits[l] == t { // not another attempt's, after this one was called off
			delete(s.waits, l)
			l.enlist()
			s.hire()
		}
	})
	s.waits[l] = t
}

// wake calls off l's waiting for another attempt. mu is held.
func (s *Set[T]) wake(l *Lane[T]) {
	t, ok := s.waits[l]
	if !ok {
		return
	}
	if t.Stop() {
		s.timers.Done()
	}
	delete(s.waits, l)
}
