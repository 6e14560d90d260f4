package bitcart

import (
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/bitcart-go/bitcart/internal/jitter"
)

// agenda hands out tasks when their time has come, the earliest first and
// those of one time in the order in which they were added. The zero value is
// empty.
type agenda[T any] struct {
	mu    jitter.Mutex // guards what follows, but for wake; taken after link.mu
	now   []T          // are due, in order; a connect may add one for each wallet
	taken int          // of now
	later taskHeap[T]
	added uint64 // of later
	wake  signal
}

type timedTask[T any] struct {
	at   time.Time
	turn uint64
	task T
}

// add puts a task down for a time; the zero time is at once.
func (a *agenda[T]) add(task T, at time.Time) {
	a.mu.Lock()
	if at.IsZero() {
		if len(a.now) == cap(a.now) && a.taken > len(a.now)/2 { // room for it is in front
			left := copy(a.now, a.now[a.taken:])
			clear(a.now[left:])
			a.now, a.taken = a.now[:left], 0
		}
		a.now = append(a.now, task)
	} else {
		a.added++
		heap.Push(&a.later, timedTask[T]{at, a.added, task})
	}
	a.mu.Unlock()
	a.wake.broadcast()
}

// next waits for a task whose time has come; false means that ctx ended first.
func (a *agenda[T]) next(ctx context.Context) (task T, ok bool) {
	for ctx.Err() == nil {
		if task, ok = a.due(ctx); ok {
			return task, true
		}
		changed := a.wake.next()
		task, wait, ok := a.take() // one may have been added in between
		if ok {
			return task, true
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
	return task, false
}

// due returns a task whose time has come, if there is one and ctx has not ended.
func (a *agenda[T]) due(ctx context.Context) (task T, ok bool) {
	if ctx.Err() == nil {
		task, _, ok = a.take()
	}
	return task, ok
}

func (a *agenda[T]) take() (task T, wait time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.taken < len(a.now) {
		var none T
		task, a.now[a.taken] = a.now[a.taken], none
		if a.taken++; a.taken == len(a.now) {
			a.now, a.taken = nil, 0
		}
		return task, 0, true
	}
	if len(a.later) == 0 {
		return task, time.Hour, false
	}
	if wait = time.Until(a.later[0].at); wait > 0 {
		return task, wait, false
	}
	return heap.Pop(&a.later).(timedTask[T]).task, 0, true
}

// run does the tasks as they come due, atOnce of them at a time, until ctx ends,
// and waits for those under way. A task that takes longer than patience, or has called
// leave, goes on beside the others: it keeps no place from them.
//
// A goroutine that is done with a task waits for another one as long as tasks
// are due: its stack has grown already.
func (a *agenda[T]) run(ctx context.Context, atOnce int, patience time.Duration, do func(task T, leave func())) {
	var running sync.WaitGroup
	defer running.Wait()
	places := make(chan struct{}, atOnce)
	crew := make(chan T) // to the goroutines that wait for another task
	defer func() { close(crew) }()
	for {
		task, ok := a.due(ctx)
		if !ok { // nothing is due: nobody has to wait any more
			close(crew)
			crew = make(chan T)
			if task, ok = a.next(ctx); !ok {
				return
			}
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		select {
		case crew <- task:
		default:
			crew := crew
			running.Go(func() {
				for ok := true; ok; task, ok = <-crew {
					perform(task, places, patience, do)
				}
			})
		}
	}
}

// perform does a task, which has a place.
func perform[T any](task T, places <-chan struct{}, patience time.Duration, do func(task T, leave func())) {
	leave := sync.OnceFunc(func() { <-places })
	defer leave()
	timer := time.AfterFunc(patience, leave)
	defer timer.Stop()
	do(task, leave)
}

// taskHeap is a container/heap of tasks.
type taskHeap[T any] []timedTask[T]

func (h taskHeap[T]) Len() int      { return len(h) }
func (h taskHeap[T]) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h taskHeap[T]) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].turn < h[j].turn
	}
	return h[i].at.Before(h[j].at)
}
func (h *taskHeap[T]) Push(x any) { *h = append(*h, x.(timedTask[T])) }
func (h *taskHeap[T]) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = timedTask[T]{}
	*h = (*h)[:last]
	if last == 0 {
		*h = nil // there may have been a task for each wallet
	}
	return x
}
