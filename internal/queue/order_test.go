package queue_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// mark is the n-th value of a producer for a lane.
type mark struct{ lane, producer, n int }

// Many producers push into many lanes: each lane hands over one value at a
// time, each producer's values in its order, and never more than Workers run.
func TestOrderWithinLanes(t *testing.T) {
	for _, workers := range []int{1, 3, 64} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			const lanes, producers, each = 16, 8, 100
			var (
				inLane  [lanes]atomic.Int32
				running atomic.Int32
				last    [lanes][producers]int // guarded by the lane's order: -race tells if it is none
				wrong   atomic.Int32
			)
			s := queue.New(queue.Config[mark]{
				Workers: workers, PerLane: producers * each, LaneBytes: 1 << 30, Bytes: 1 << 30,
				Handle: func(m mark, attempt int) (time.Duration, bool) {
					if inLane[m.lane].Add(1) != 1 || running.Add(1) > int32(workers) || attempt != 1 {
						wrong.Add(1)
					}
					if last[m.lane][m.producer] != m.n-1 {
						wrong.Add(1)
					}
					last[m.lane][m.producer] = m.n
					runtime.Gosched()
					running.Add(-1)
					inLane[m.lane].Add(-1)
					return 0, false
				},
			})
			var all [lanes]*queue.Lane[mark]
			for i := range all {
				all[i] = s.NewLane()
			}
			var wg sync.WaitGroup
			for p := range producers {
				wg.Go(func() {
					for n := 1; n <= each; n++ {
						for lane, l := range all {
							if l.Push(mark{lane, p, n}, 1) != queue.Accepted {
								wrong.Add(1)
							}
						}
					}
				})
			}
			wg.Wait()
			require.NoError(t, s.Drain(t.Context()))
			require.Zero(t, wrong.Load())
			for _, lane := range last {
				for _, n := range lane {
					require.Equal(t, each, n)
				}
			}
			require.Equal(t, queue.Counts{}, s.Counts())
		})
	}
}

func TestLanesRunInParallelUpToWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(3))
		for i := range 5 {
			pushAll(t, s.NewLane(), i, 10+i)
		}
		require.Equal(t, []int{0, 1, 2}, s.holding(), "three of five lanes, first come first served")
		require.Equal(t, queue.Counts{Queued: 7, Bytes: 7, Running: 3}, s.Counts())
		s.finish(1, done)
		require.Equal(t, []int{0, 2, 3}, s.holding(), "a lane that waited goes before the next value of a busy one")
		s.finish(0, done)
		require.Equal(t, []int{2, 3, 4}, s.holding())
		s.finish(2, done)
		require.Equal(t, []int{3, 4, 11}, s.holding())
		s.runDry()
		s.empty()
	})
}

func TestOneHandlerPerLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(8))
		l := s.NewLane()
		pushAll(t, l, 1, 2, 3)
		require.Equal(t, []int{1}, s.holding())
		pushAll(t, l, 4)
		l.Hold()
		l.Release(nil, nil, nil)
		require.Equal(t, []int{1}, s.holding())
		require.Equal(t, []int{1, 2, 3, 4}, s.runDry())
		s.empty()
	})
}

// Every lane that has something waits its turn: one that is never empty does
// not keep a single worker from the others.
func TestBusyLaneDoesNotStarveOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		a, b, c := s.NewLane(), s.NewLane(), s.NewLane()
		pushAll(t, a, 1, 2, 3)
		synctest.Wait()
		pushAll(t, b, 11, 12, 13)
		pushAll(t, c, 21)
		require.Equal(t, []int{1, 11, 21, 2, 12, 3, 13}, s.runDry())
	})
}

// A handler that is inside for ever costs its own lane and one worker.
func TestStuckHandlerDelaysOnlyItsLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(2))
		stuck := s.NewLane()
		pushAll(t, stuck, -1, -2)
		synctest.Wait()
		l := s.NewLane()
		for i := range 100 {
			pushAll(t, l, i)
			s.finish(i, done)
		}
		require.Equal(t, []int{-1}, s.holding())
		require.Equal(t, 1, stuck.Len())
		s.finish(-1, done)
		s.finish(-2, done)
		s.empty()
	})
}

func TestWorkersAreStartedOnDemandAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const few = 3 // goroutines of the runtime and of package testing come and go
		before := runtime.NumGoroutine()
		s := newStage(t, wide(256))
		lanes := make([]*queue.Lane[int], 1000)
		for i := range lanes {
			lanes[i] = s.NewLane()
		}
		require.Zero(t, s.Workers())
		require.InDelta(t, before, runtime.NumGoroutine(), few, "lanes alone cost no goroutine")
		for i := range 10 {
			pushAll(t, lanes[i], i)
		}
		synctest.Wait()
		require.Equal(t, 10, s.Workers())
		require.InDelta(t, before+10, runtime.NumGoroutine(), few)
		for i := 10; i < 1000; i++ {
			pushAll(t, lanes[i], i)
		}
		synctest.Wait()
		require.Equal(t, 256, s.Workers())
		require.InDelta(t, before+256, runtime.NumGoroutine(), few)
		s.runDry()
		s.empty()
		require.InDelta(t, before, runtime.NumGoroutine(), few, "nothing is left when nothing waits")
	})
}

// Two lanes that are never empty need two workers, however long they go on.
func TestNoMoreWorkersThanWork(t *testing.T) {
	var most atomic.Int32
	var s *queue.Set[int]
	cfg := wide(64)
	cfg.Handle = func(int, int) (time.Duration, bool) {
		if n := int32(s.Workers()); n > most.Load() {
			most.Store(n)
		}
		runtime.Gosched()
		return 0, false
	}
	s = queue.New(cfg)
	lanes := []*queue.Lane[int]{s.NewLane(), s.NewLane(), s.NewLane()}
	for _, l := range lanes {
		l.Hold()
		for i := range 2000 {
			l.Push(i, 1)
		}
	}
	for _, l := range lanes {
		l.Release(nil, nil, nil)
	}
	require.NoError(t, s.Drain(t.Context()))
	require.LessOrEqual(t, int(most.Load()), len(lanes))
}

// A burst for one lane is work for one worker, also before that one has begun.
func TestBurstForOneLaneNeedsOneWorker(t *testing.T) {
	for range 200 {
		cfg := wide(64)
		cfg.Handle = func(int, int) (time.Duration, bool) { return 0, false }
		s := queue.New(cfg)
		l := s.NewLane()
		for v := range 20 {
			pushAll(t, l, v)
			require.LessOrEqual(t, s.Workers(), 1)
		}
		require.NoError(t, s.Drain(t.Context()))
	}
}

func TestZeroConfigStillWorks(t *testing.T) {
	var got []int
	s := queue.New(queue.Config[int]{Handle: func(v, _ int) (time.Duration, bool) {
		got = append(got, v)
		return 0, false
	}})
	require.Equal(t, queue.Accepted, s.NewLane().Push(1, 0))
	require.NoError(t, s.Drain(t.Context()))
	require.Equal(t, []int{1}, got)
}

func TestRunningTellsValuesAndTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := wide(2)
		cfg.Timed = true
		s := newStage(t, cfg)
		began := map[int]time.Time{}
		for i := range 3 {
			began[i] = time.Now()
			pushAll(t, s.NewLane(), i)
			synctest.Wait()
			time.Sleep(time.Second)
		}
		seen := map[int]time.Time{}
		s.Running(func(v, _ int, since time.Time) {
			seen[v] = since
			s.Counts() // no lock is held
		})
		delete(began, 2) // it waits
		require.Equal(t, began, seen)
		s.runDry()
		s.Running(func(int, int, time.Time) { t.Error("no handler runs") })
	})
}

// Dry is no handler: it holds no value.
func TestRunningTellsAttemptsAndNotDry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		cfg := narrow(3)
		cfg.Dry = func(*queue.Lane[int]) { <-gate }
		s := newStage(t, cfg)
		a, b, dry := s.NewLane(), s.NewLane(), s.NewLane()
		pushAll(t, a, 1)
		pushAll(t, b, 2)
		s.finish(2, retryIn(0))
		dry.Hold()
		push(dry, 11, 12, 13)
		dry.Release(nil, nil, func(int) bool { return false })
		require.Len(t, s.dries(), 1)
		seen := map[int]int{}
		s.Running(func(v, attempt int, since time.Time) {
			seen[v] = attempt
			require.Zero(t, since, "the Set is not Timed")
		})
		require.Equal(t, map[int]int{1: 1, 2: 2}, seen)
		close(gate)
		s.runDry()
		s.empty()
	})
}
