package queue

// ring is a first-in first-out queue that reuses its room. The length of buf
// is 0 or a power of two.
type ring[E any] struct {
	buf  []E
	head int
	n    int
}

func (r *ring[E]) len() int { return r.n }

// room is how many elements it holds without growing.
func (r *ring[E]) room() int { return len(r.buf) }

// at is the i-th element from the head; i is in range.
func (r *ring[E]) at(i int) E { return r.buf[r.index(i)] }

func (r *ring[E]) push(e E) {
	r.grow()
	r.buf[r.index(r.n)] = e
	r.n++
}

func (r *ring[E]) pushFront(e E) {
	r.grow()
	r.head = r.index(-1)
	r.buf[r.head] = e
	r.n++
}

func (r *ring[E]) pop() (e E, ok bool) {
	if r.n == 0 {
		return e, false
	}
	var zero E
	e, r.buf[r.head] = r.buf[r.head], zero
	r.head = r.index(1)
	r.n--
	return e, true
}

// grow makes room for one more.
func (r *ring[E]) grow() {
	if r.n < len(r.buf) {
		return
	}
	r.moveTo(make([]E, max(keepCap, 2*len(r.buf))))
}

// moveTo goes on in other room, whose length is 0 or a power of two; if it is
// less than there is, nothing happens.
func (r *ring[E]) moveTo(buf []E) {
	if len(buf) <= len(r.buf) {
		return
	}
	n := copy(buf, r.buf[r.head:])
	copy(buf[n:], r.buf[:r.head])
	r.buf, r.head = buf, 0
}

func (r *ring[E]) index(i int) int { return (r.head + i) & (len(r.buf) - 1) }
