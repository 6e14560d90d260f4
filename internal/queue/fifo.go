package queue

// fifo is a ring whose first element stands beside the others: who holds one
// at a time, as most lanes do, needs no room elsewhere, and no look there.
type fifo[E any] struct {
	first E // if n > 0
	n     int
	rest  ring[E]
}

func (f *fifo[E]) len() int { return f.n }

// at is the i-th element from the head; i is in range.
func (f *fifo[E]) at(i int) E {
	if i == 0 {
		return f.first
	}
	return f.rest.at(i - 1)
}

func (f *fifo[E]) push(e E) {
	if f.n == 0 {
		f.first = e
	} else {
		f.rest.push(e)
	}
	f.n++
}

func (f *fifo[E]) pushFront(e E) {
	if f.n > 0 {
		f.rest.pushFront(f.first)
	}
	f.first = e
	f.n++
}

func (f *fifo[E]) pop() (e E, ok bool) {
	if f.n == 0 {
		return e, false
	}
	e = f.first
	f.first, _ = f.rest.pop()
	f.n--
	return e, true
}
