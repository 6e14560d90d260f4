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
)

// Config says how a Set works. Handle is required.
type Config[T any] struct {
	// Workers is how many handlers run at once, at most. At least 1.
	Workers int
	// PerLane is how many values wait in one lane, at most. At least 1.
	PerLane int
	// LaneBytes and Bytes bound the sizes that wait in one lane and in all
	// of them. An empty lane takes one value of any size that fits Bytes.
	LaneBytes, Bytes int64
	// Arrival makes one worker hand over all values in the order in which
	// they were pushed, whatever their lane.
	Arrival bool
	// Handle is given one value, on a worker's goroutine, with no lock held.
	// attempt is 1, then more. When again is true the value goes back to the
	// head of its lane and is handed over again after the time retry.
	Handle func(v T, attempt int) (retry time.Duration, again bool)
	// Dry is told, with no lock held, that an overflowed lane has handed over
	// all it had. What is pushed is dropped until the lane is reopened. May be nil.
	Dry func(*Lane[T])
}

// Outcome is what became of a pushed value.
type Outcome int

// Outcomes of a push.
const (
	Accepted   Outcome = iota // it waits for its handler
	Overflowed                // the first one that found no room; it was dropped
	Dropped                   // dropped because its lane had overflowed before
	Gone                      // the lane was removed, or the set was stopped
)

// Set is a family of lanes with common bounds and workers.
type Set[T any] struct {
	cfg Config[T]

	mu      sync.Mutex
	ready   ring[*Lane[T]]      // lanes with something to hand over, first come first served
	keyed   map[string]*Lane[T] // lanes that exist only while something waits in them
	waits   map[*Lane[T]]*time.Timer
	workers []*worker[T] // alive ones
	queued  int
	bytes   int64
	running int // handlers inside
	refused int // values whose handler asked for another attempt after Stop
	stopped bool
	quiet   chan struct{}  // closed when nothing waits and no worker is alive; nil while nobody asks
	exited  chan struct{}  // closed when no worker is alive; nil while nobody asks
	timers  sync.WaitGroup // retry timers whose function may run
}

// worker is one goroutine; its fields are guarded by the set's mutex.
type worker[T any] struct {
	v      T
	since  time.Time
	inside bool
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

// Running calls f for each value that a handler holds, with the time at which
// the handler began. f runs without a lock, on a snapshot.
func (s *Set[T]) Running(f func(v T, since time.Time)) {
	type held struct {
		v     T
		since time.Time
	}
	s.mu.Lock()
	var list []held
	for _, w := range s.workers {
		if w.inside {
			list = append(list, held{w.v, w.since})
		}
	}
	s.mu.Unlock()
	for _, h := range list {
		f(h.v, h.since)
	}
}

// PushKeyed pushes into the lane named key, which lives only while something
// waits in it: nothing grows with the number of keys seen.
func (s *Set[T]) PushKeyed(key string, v T, size int) Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.keyed[key]
	if l == nil {
		l = &Lane[T]{set: s, key: key, keyed: true}
		if s.keyed == nil {
			s.keyed = make(map[string]*Lane[T])
		}
		s.keyed[key] = l
	}
	out := l.push(v, size)
	l.forgetIfIdle()
	return out
}

// Drain returns nil when nothing waits and no handler runs, or ctx's error.
// Values in held lanes wait too: their owner must release them.
func (s *Set[T]) Drain(ctx context.Context) error {
	return s.await(ctx, &s.quiet)
}

// Stop ends handing over: no handler starts after it has returned. It tells
// how many values were left whose handler never began, and how many wait for
// another attempt.
func (s *Set[T]) Stop() (undelivered, retrying int) {
	s.mu.Lock()
	s.stopped = true
	for l, t := range s.waits {
		if t.Stop() {
			s.timers.Done()
		}
		delete(s.waits, l)
		retrying++
	}
	undelivered = s.queued - retrying
	s.ready = ring[*Lane[T]]{}
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

// enlist puts l in line for a worker and starts one when there may be more. mu is held.
func (s *Set[T]) enlist(l *Lane[T]) {
	s.ready.push(l)
	if len(s.workers) < s.cfg.Workers {
		w := &worker[T]{}
		s.workers = append(s.workers, w)
		go s.work(w)
	}
}

// work hands over until no lane is ready.
func (s *Set[T]) work(w *worker[T]) {
	s.mu.Lock()
	for {
		l, ok := s.ready.pop()
		if !ok || s.stopped {
			break
		}
		l.enlisted = false
		s.turn(w, l)
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
	s.announce()
	s.mu.Unlock()
}

// turn hands over values of l: one when other lanes are waiting, as many as
// there are otherwise. mu is held, but not while a handler runs.
func (s *Set[T]) turn(w *worker[T], l *Lane[T]) {
	for l.runnable() && !s.stopped {
		it := l.pop()
		l.busy = true
		s.running++
		w.v, w.since, w.inside = it.v, time.Now(), true
		s.mu.Unlock()

		retry, again := s.cfg.Handle(it.v, it.attempt+1)

		s.mu.Lock()
		var zero T
		w.v, w.inside = zero, false
		s.running--
		l.busy = false
		if again && s.stopped {
			s.refused++
		} else if again && !l.removed {
			it.attempt++
			l.pushFront(it)
			s.sleep(l, retry)
			return
		}
		if s.cfg.Arrival || s.ready.len() > 0 {
			break
		}
	}
	if s.stopped {
		return
	}
	if l.dry() {
		s.tellDry(l)
	}
	l.forgetIfIdle()
	if !s.cfg.Arrival {
		l.enlist()
	}
}

// tellDry calls Dry without the lock. mu is held on entry and on return.
func (s *Set[T]) tellDry(l *Lane[T]) {
	l.toldDry = true
	if s.cfg.Dry == nil {
		return
	}
	l.busy = true // nothing of this lane runs meanwhile
	s.mu.Unlock()
	s.cfg.Dry(l)
	s.mu.Lock()
	l.busy = false
}

// sleep keeps l from its workers for the time d. mu is held.
func (s *Set[T]) sleep(l *Lane[T], d time.Duration) {
	if s.waits == nil {
		s.waits = make(map[*Lane[T]]*time.Timer)
	}
	s.timers.Add(1)
	s.waits[l] = time.AfterFunc(d, func() {
		defer s.timers.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, ok := s.waits[l]; ok {
			delete(s.waits, l)
			l.enlist()
		}
	})
}
