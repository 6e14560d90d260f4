package queue

import "container/heap"

// arrivals is a line in which the lane goes first whose head was pushed first.
type arrivals[T any] []*Lane[T]

func (a *arrivals[T]) add(l *Lane[T]) {
	l.place = l.number()
	heap.Push((*byPlace[T])(a), l)
}

func (a *arrivals[T]) take() (l *Lane[T], ok bool) {
	for len(*a) > 0 {
		l = heap.Pop((*byPlace[T])(a)).(*Lane[T])
		if l.number() <= l.place {
			return l, true
		}
		a.add(l) // the head by which it stood here was dropped
	}
	return nil, false
}

// number is that of the lane's head, by which it stands in line. One that has
// only its overflow to tell goes before all.
func (l *Lane[T]) number() uint64 {
	if l.empty() {
		return 0
	}
	return l.items.at(0).arrived
}

// byPlace implements [heap.Interface].
type byPlace[T any] []*Lane[T]

func (b byPlace[T]) Len() int           { return len(b) }
func (b byPlace[T]) Less(i, j int) bool { return b[i].place < b[j].place }
func (b byPlace[T]) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }
func (b *byPlace[T]) Push(l any)        { *b = append(*b, l.(*Lane[T])) }

func (b *byPlace[T]) Pop() any {
	last := len(*b) - 1
	l := (*b)[last]
	(*b)[last] = nil
	*b = (*b)[:last]
	return l
}
