package queue

// Lane is an ordered queue: its values are handed over one after another. It
// is open, held, overflowed or removed; see the package's owner for the picture.
type Lane[T any] struct {
	set   *Set[T]
	key   string
	keyed bool // lives in set.keyed while something waits

	items []item[T] // items[head:] wait
	head  int
	bytes int64

	held     bool // nothing is handed over
	over     bool // overflowed: what comes is dropped
	toldDry  bool // Dry has been called since the overflow
	removed  bool
	busy     bool // a handler, or Dry, runs for this lane
	enlisted bool // in set.ready
}

type item[T any] struct {
	v       T
	size    int64
	attempt int
}

// NewLane returns an open lane.
func (s *Set[T]) NewLane() *Lane[T] { return &Lane[T]{set: s} }

// Key is the name of a lane made by [Set.PushKeyed], "" for others.
func (l *Lane[T]) Key() string { return l.key }

// Push puts v at the end, size bytes long. It never blocks.
func (l *Lane[T]) Push(v T, size int) Outcome {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	return l.push(v, size)
}

// Hold keeps what waits and what comes from the workers until Release. A
// handler that is inside finishes.
func (l *Lane[T]) Hold() {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	l.held = true
}

// Release opens a held lane. first goes before everything that waits; keep,
// when not nil, is asked for each value that waits, in order, and those it
// refuses are dropped. keep runs under the set's lock and must not call the set.
func (l *Lane[T]) Release(first []T, size func(T) int, keep func(T) bool) {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	if l.removed || l.set.stopped {
		return
	}
	waiting := l.items[l.head:]
	items := make([]item[T], 0, len(first)+len(waiting))
	for _, v := range first {
		items = append(items, item[T]{v: v, size: int64(size(v))})
	}
	for _, it := range waiting {
		if keep == nil || keep(it.v) {
			items = append(items, it)
		}
	}
	l.replace(items)
	l.held = false
	l.enlistAll()
	l.set.announce()
}

// Reopen ends an overflow: what comes from now on is accepted again.
func (l *Lane[T]) Reopen() {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	l.over, l.toldDry = false, false
}

// Remove ends the lane and tells how many values were dropped with it. A
// handler that is inside finishes.
func (l *Lane[T]) Remove() (dropped int) {
	s := l.set
	s.mu.Lock()
	defer s.mu.Unlock()
	dropped = len(l.items) - l.head
	l.replace(nil)
	l.removed = true
	if t, ok := s.waits[l]; ok {
		if t.Stop() {
			s.timers.Done()
		}
		delete(s.waits, l)
	}
	s.announce()
	return dropped
}

// Len is how many values wait.
func (l *Lane[T]) Len() int {
	l.set.mu.Lock()
	defer l.set.mu.Unlock()
	return len(l.items) - l.head
}

// The methods below are called with the set's mutex held.

func (l *Lane[T]) push(v T, size int) Outcome {
	switch {
	case l.removed || l.set.stopped:
		return Gone
	case l.over:
		return Dropped
	case !l.fits(int64(size)):
		l.over = true
		l.enlist() // an empty lane is dry at once
		return Overflowed
	}
	if l.head > 0 && len(l.items) == cap(l.items) {
		l.compact()
	}
	l.items = append(l.items, item[T]{v: v, size: int64(size)})
	l.count(1, int64(size))
	l.enlist()
	return Accepted
}

func (l *Lane[T]) fits(size int64) bool {
	s := l.set
	waiting := len(l.items) - l.head
	if s.bytes+size > s.cfg.Bytes && s.queued > 0 {
		return false
	}
	return waiting == 0 || waiting < s.cfg.PerLane && l.bytes+size <= s.cfg.LaneBytes
}

func (l *Lane[T]) pop() item[T] {
	it := l.items[l.head]
	l.items[l.head] = item[T]{}
	l.head++
	if l.head == len(l.items) {
		l.rewind()
	}
	l.count(-1, -it.size)
	return it
}

func (l *Lane[T]) pushFront(it item[T]) {
	if l.head == 0 {
		l.items = append(l.items, item[T]{})
		copy(l.items[1:], l.items)
	} else {
		l.head--
	}
	l.items[l.head] = it
	l.count(1, it.size)
}

func (l *Lane[T]) replace(items []item[T]) {
	for _, it := range l.items[l.head:] {
		l.count(-1, -it.size)
	}
	l.items, l.head = items, 0
	for _, it := range items {
		l.count(1, it.size)
	}
}

func (l *Lane[T]) count(n int, size int64) {
	l.bytes += size
	l.set.bytes += size
	l.set.queued += n
}

func (l *Lane[T]) compact() {
	n := copy(l.items, l.items[l.head:])
	clear(l.items[n:])
	l.items, l.head = l.items[:n], 0
}

// keepCap is the room that an empty lane may keep: most lanes hold a few
// values now and then, and there may be tens of thousands of lanes.
const keepCap = 4

func (l *Lane[T]) rewind() {
	l.head = 0
	if cap(l.items) > keepCap {
		l.items = nil
		return
	}
	l.items = l.items[:0]
}

func (l *Lane[T]) empty() bool { return l.head == len(l.items) }

func (l *Lane[T]) runnable() bool {
	return !l.empty() && !l.held && !l.busy && !l.removed && !l.waiting()
}

// dry: everything is handed over and the owner has not been told of the overflow.
func (l *Lane[T]) dry() bool {
	return l.empty() && l.over && !l.toldDry && !l.held && !l.busy && !l.removed
}

func (l *Lane[T]) waiting() bool {
	_, ok := l.set.waits[l]
	return ok
}

// enlist puts the lane in line for a worker when it has something to do. In
// arrival order each value stands in line for itself.
func (l *Lane[T]) enlist() {
	if l.set.stopped {
		return
	}
	if l.set.cfg.Arrival {
		// The one worker may be inside this very lane: its token waits.
		if !l.held && !l.removed && (!l.empty() || l.over && !l.toldDry) {
			l.set.enlist(l)
		}
		return
	}
	if l.enlisted || !l.runnable() && !l.dry() {
		return
	}
	l.enlisted = true
	l.set.enlist(l)
}

func (l *Lane[T]) enlistAll() {
	if !l.set.cfg.Arrival {
		l.enlist()
		return
	}
	for range l.items[l.head:] {
		l.enlist()
	}
}

func (l *Lane[T]) forgetIfIdle() {
	if l.keyed && l.empty() && !l.busy && !l.waiting() && (!l.over || l.toldDry) {
		delete(l.set.keyed, l.key)
	}
}
