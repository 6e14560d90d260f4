package queue

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// An idle lane keeps little room, however much it held.
func TestEmptyLaneKeepsLittleRoom(t *testing.T) {
	s := New(Config[int]{Workers: 1, PerLane: 1 << 20, LaneBytes: 1 << 30, Bytes: 1 << 30,
		Handle: func(int, int) (time.Duration, bool) { return 0, false }})
	l := s.NewLane()
	for _, n := range []int{1, keepCap, 1000} {
		l.Hold()
		for v := range n {
			l.Push(v, 1)
		}
		l.Release(nil, nil, nil)
		require.NoError(t, s.Drain(t.Context()))
		require.LessOrEqual(t, l.items.rest.room(), keepCap)
	}
}

// A lane that is never empty does not grow with what went through it.
func TestBusyLaneKeepsItsRoom(t *testing.T) {
	s := New(Config[int]{Workers: 1, PerLane: 64, LaneBytes: 1 << 30, Bytes: 1 << 30,
		Handle: func(int, int) (time.Duration, bool) { return 0, false }})
	l := s.NewLane()
	l.Hold()
	for v := range 64 {
		require.Equal(t, Accepted, l.Push(v, 1))
	}
	for v := range 10_000 {
		s.mu.Lock()
		l.pop()
		s.mu.Unlock()
		require.Equal(t, Accepted, l.Push(v, 1))
		require.Equal(t, 64, l.items.rest.room())
	}
}

// A panic in Handle or Dry leaves the set usable for whoever recovers it: it
// passes through, its value is done, and another worker goes on. A worker's
// goroutine has nobody to recover it, so the test is the worker here.
func TestPanicLeavesTheSetUsable(t *testing.T) {
	var got []int
	var armed bool
	s := New(Config[int]{Workers: 1, PerLane: 2, LaneBytes: 1 << 30, Bytes: 1 << 30,
		Handle: func(v, _ int) (time.Duration, bool) {
			got = append(got, v)
			if v == 1 {
				panic("in Handle")
			}
			return 0, false
		},
		Dry: func(l *Lane[int]) {
			if armed {
				armed = false
				panic("in Dry")
			}
		},
	})
	// asWorker makes the goroutine that calls it the one worker.
	asWorker := func(prepare func()) {
		s.mu.Lock()
		w := &worker[int]{}
		s.workers = append(s.workers, w)
		s.mu.Unlock()
		prepare()
		s.work(w)
	}
	l, other := s.NewLane(), s.NewLane()
	require.PanicsWithValue(t, "in Handle", func() {
		asWorker(func() {
			l.Push(1, 1)
			l.Push(2, 1)
			other.Push(11, 1)
		})
	})
	require.NoError(t, s.Drain(t.Context()))
	require.ElementsMatch(t, []int{1, 2, 11}, got)

	armed = true
	require.PanicsWithValue(t, "in Dry", func() {
		asWorker(func() {
			l.Push(3, 1)
			l.Push(4, 1)
			require.Equal(t, Overflowed, l.Push(5, 1))
			other.Push(12, 1)
		})
	})
	require.NoError(t, s.Drain(t.Context()))
	require.ElementsMatch(t, []int{1, 2, 11, 3, 4, 12}, got)
	require.Equal(t, Counts{}, s.Counts())
	require.Equal(t, Dropped, l.Push(6, 1), "Dry was called for this overflow")
	l.Reopen()
	require.Equal(t, Accepted, l.Push(7, 1))
	require.NoError(t, s.Drain(t.Context()))
}

// inTimer: the function of a retry's timer has begun and not ended. Goroutines
// of other tests may still be about to end, so their number tells nothing.
func inTimer() bool {
	stacks := make([]byte, 1<<20)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), ".sleep.func1(")
}

// A timer that fired just before its wait was called off does not cut short
// the wait that follows.
func TestLateTimerEndsNoOtherWait(t *testing.T) {
	s := New(Config[int]{Workers: 1, PerLane: 2, LaneBytes: 1 << 30, Bytes: 1 << 30,
		Handle: func(int, int) (time.Duration, bool) { return 0, false }})
	l := s.NewLane()

	s.mu.Lock()
	s.sleep(l, 0)
	for !inTimer() {
		runtime.Gosched() // until its function stands before the lock
	}
	s.wake(l)
	s.sleep(l, time.Hour)
	s.mu.Unlock()

	for inTimer() {
		runtime.Gosched()
	}
	require.Equal(t, 1, s.Sleeping())
	s.Stop()
	require.Zero(t, s.Sleeping())
}

// Stop owns the functions of retry timers: one that has begun is waited for.
func TestStopWaitsForTimersThatHaveFired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config[int]{Handle: func(int, int) (time.Duration, bool) { return 0, false }})
		s.timers.Add(1) // as one that has begun
		stopped := make(chan struct{})
		go func() {
			s.Stop()
			close(stopped)
		}()
		synctest.Wait()
		select {
		case <-stopped:
			t.Error("it has not waited")
		default:
		}
		s.timers.Done()
		<-stopped
	})
}

// A lane that has left the line of arrivals is not kept by it.
func TestArrivalsForgetWhomTheyGave(t *testing.T) {
	s := New(Config[int]{Arrival: true})
	var a arrivals[int]
	for range 10 {
		a.add(s.NewLane())
	}
	for range 10 {
		_, ok := a.take()
		require.True(t, ok)
	}
	for _, l := range a[:cap(a)] {
		require.Nil(t, l)
	}
}
