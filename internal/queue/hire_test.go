package queue_test

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// meeting is a place where handlers wait for each other: all stay inside until
// as many as are expected have come.
type meeting struct {
	expected int32
	inside   atomic.Int32
	all      chan struct{}
}

func meetingOf(n int) *meeting { return &meeting{expected: int32(n), all: make(chan struct{})} }

func (m *meeting) join() {
	if m.inside.Add(1) == m.expected {
		close(m.all)
	}
	<-m.all
}

// require waits until all have come, or fails and lets those go who have.
func (m *meeting) require(t *testing.T, s *queue.Set[int]) {
	t.Helper()
	select {
	case <-m.all:
	case <-time.After(20 * time.Second):
		inside, workers, inLine := m.inside.Load(), s.Workers(), s.InLine()
		m.inside.Add(m.expected)
		close(m.all)
		require.FailNow(t, "the others never got in", "%d of %d are inside, %d workers, %d lanes in line", inside, m.expected, workers, inLine)
	}
}

// As many handlers as there are workers wait for each other, each in a lane of
// its own, and what other lanes hold is quick: every one of them gets in,
// whoever pushes and in whatever order.
func TestHandlersThatWaitForEachOtherAllGetIn(t *testing.T) {
	const quick = 0
	for round := range 60 {
		workers := 1 + rand.IntN(40)
		waiting := workers
		if round%3 == 0 {
			waiting = 1 + rand.IntN(workers)
		}
		m := meetingOf(waiting)
		cfg := wide(workers)
		cfg.Handle = func(v, attempt int) (time.Duration, bool) {
			switch {
			case v != quick:
				m.join()
			case rand.IntN(10) == 0:
				return 0, attempt < 3
			case rand.IntN(10) == 0:
				runtime.Goexit()
			}
			return 0, false
		}
		s := queue.New(cfg)
		lanes := make([]*queue.Lane[int], waiting+rand.IntN(20))
		for i := range lanes {
			lanes[i] = s.NewLane()
		}
		var pushing sync.WaitGroup
		for pusher := range 1 + rand.IntN(4) {
			order := rand.Perm(len(lanes))
			pushing.Go(func() {
				for _, i := range order {
					for range rand.IntN(3) {
						lanes[i].Push(quick, 1)
					}
					switch {
					case pusher > 0 || i >= waiting:
					case round%2 == 0:
						lanes[i].Push(1+i, 1)
					default:
						s.PushAll([]queue.Entry[int]{{Lane: lanes[i], V: 1 + i, Size: 1}}, func(int) {})
					}
					if rand.IntN(4) == 0 {
						s.PushKeyed(strconv.Itoa(i), quick, 1)
					}
					if rand.IntN(4) == 0 {
						runtime.Gosched()
					}
				}
			})
		}
		pushing.Wait()
		m.require(t, s)
		require.NoError(t, s.Drain(t.Context()))
		require.Equal(t, queue.Counts{}, s.Counts())
		require.Zero(t, s.Workers()+s.InLine()+s.Sleeping()+s.Keyed())
	}
}

// All workers but one are held up. By whatever way a lane comes into line, the
// last one is there for it.
func TestEveryWayIntoLineHires(t *testing.T) {
	const workers = 3
	ways := map[string]func(s *stage, l *queue.Lane[int]){
		"Push":     func(s *stage, l *queue.Lane[int]) { l.Push(1, 1) },
		"PushFunc": func(s *stage, l *queue.Lane[int]) { l.PushFunc(1, func() int { return 1 }) },
		"PushKeyed": func(s *stage, l *queue.Lane[int]) {
			s.PushKeyed("k", 1, 1)
		},
		"PushBefore": func(s *stage, l *queue.Lane[int]) { l.PushBefore(1, 1) },
		"Insert":     func(s *stage, l *queue.Lane[int]) { l.Insert([]queue.Placed[int]{{V: 1, Size: 1}}) },
		"Release of what waits": func(s *stage, l *queue.Lane[int]) {
			l.Hold()
			l.Push(1, 1)
			l.Release(nil, nil, nil)
		},
		"Release of what it brings": func(s *stage, l *queue.Lane[int]) {
			l.Hold()
			l.Release([]int{1}, oneByte, nil)
		},
		"Revive": func(s *stage, l *queue.Lane[int]) {
			l.Remove()
			l.Revive()
			l.Push(1, 1)
		},
		"Adopt": func(s *stage, l *queue.Lane[int]) {
			s.PushKeyed("k", 1, 1)
			if own := s.Adopt("k"); own != nil { // nil: it is inside already
				own.Push(2, 1)
			}
		},
		"another attempt": func(s *stage, l *queue.Lane[int]) {
			l.Push(1, 1)
			s.finish(1, retryIn(time.Second))
			time.Sleep(time.Second)
		},
		"an attempt that is called off": func(s *stage, l *queue.Lane[int]) {
			l.Push(2, 1)
			l.Push(1, 1)
			s.finish(2, retryIn(time.Hour))
			l.Hold()
			l.Release(nil, nil, func(v int) bool { return v != 2 })
		},
		"the end of a goroutine before it": func(s *stage, l *queue.Lane[int]) {
			l.Push(2, 1)
			l.Push(1, 1)
			s.finish(2, verdict{goexit: true})
		},
		"from a handler": func(s *stage, l *queue.Lane[int]) {
			synctest.Wait()
			l.Push(1, 1)
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, wide(workers))
				for v := range workers - 1 {
					pushAll(t, s.NewLane(), -1-v)
				}
				way(s, s.NewLane())
				require.Equal(t, []int{-2, -1, 1}, s.holding())
				s.runDry()
				s.empty()
			})
		})
	}
}

// Dry is foreign code as well: while it is held up the next lanes go on.
func TestDryThatIsHeldUpKeepsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers = 4
		cfg := wide(workers)
		cfg.PerLane = 1
		gate := make(chan struct{})
		cfg.Dry = func(*queue.Lane[int]) { <-gate }
		s := newStage(t, cfg)
		for range workers - 1 {
			l := s.NewLane()
			l.Hold()
			pushAll(t, l, -1)
			require.Equal(t, queue.Overflowed, l.Push(0, 1))
			l.Release(nil, nil, func(int) bool { return false }) // dry now
		}
		synctest.Wait()
		require.Len(t, s.dries(), workers-1)
		for v := 1; v < 5; v++ {
			pushAll(t, s.NewLane(), v)
		}
		require.Equal(t, []int{1}, s.holding(), "the last worker is for the other lanes")
		s.finish(1, done)
		require.Equal(t, []int{2}, s.holding())
		close(gate)
		require.Equal(t, []int{2, 3, 4}, s.holding())
		s.runDry()
		s.empty()
	})
}

// goroutines tells how many different goroutines have called note.
type goroutines struct{ seen sync.Map }

func (g *goroutines) note() {
	var room [64]byte
	head := room[:runtime.Stack(room[:], false)] // "goroutine 17 [running]:..."
	head, _, _ = bytes.Cut(head, []byte(" ["))
	g.seen.Store(string(head), true)
}

func (g *goroutines) count() (n int) {
	g.seen.Range(func(any, any) bool { n++; return true })
	return n
}

// Quick handlers in many lanes need few workers: of a burst that is pushed
// together no more than Workers are ever started.
func TestQuickHandlersNeedFewWorkers(t *testing.T) {
	const (
		lanes, each = 1000, 10
		workers     = 16
	)
	for range 5 {
		var workersSeen goroutines
		var handled atomic.Int32
		cfg := wide(workers)
		cfg.Handle = func(int, int) (time.Duration, bool) {
			workersSeen.note()
			handled.Add(1)
			return 0, false
		}
		s := queue.New(cfg)
		all := make([]*queue.Lane[int], lanes)
		for i := range all {
			all[i] = s.NewLane()
		}
		var burst []queue.Entry[int]
		for v := range each {
			for _, l := range all {
				burst = append(burst, queue.Entry[int]{Lane: l, V: v, Size: 1})
			}
		}
		done, out := s.PushAll(burst, func(int) {})
		require.Equal(t, len(burst), done)
		require.Equal(t, queue.Accepted, out)
		require.NoError(t, s.Drain(t.Context()))
		require.EqualValues(t, lanes*each, handled.Load())
		require.LessOrEqual(t, workersSeen.count(), workers)
	}
}

// A worker that has not yet begun is the one for all lanes that come meanwhile.
// How many have begun is a matter of luck, so the best of some rounds counts.
func TestPushesShareAWorkerThatIsFree(t *testing.T) {
	const lanes = 64
	best := lanes
	for range 50 {
		cfg := wide(lanes)
		cfg.Handle = func(int, int) (time.Duration, bool) { return 0, false }
		s := queue.New(cfg)
		all := make([]*queue.Lane[int], lanes)
		for i := range all {
			all[i] = s.NewLane()
		}
		most := 0
		for v, l := range all {
			pushAll(t, l, v)
			most = max(most, s.Workers())
		}
		require.NoError(t, s.Drain(t.Context()))
		best = min(best, most)
	}
	require.LessOrEqual(t, best, 3)
}

// A worker that finds the next lane by itself is not one too many: lanes that
// come one by one, each after the last one's handler has begun and before it is
// done, need two.
func TestTwoWorkersAreEnoughForOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(64))
		pushAll(t, s.NewLane(), 0)
		synctest.Wait()
		for v := 1; v < 200; v++ {
			pushAll(t, s.NewLane(), v)
			synctest.Wait()
			require.Equal(t, 2, s.Workers())
			s.finish(v-1, done)
			require.Equal(t, 1, s.Workers(), "no worker waits for work")
		}
		s.runDry()
		s.empty()
	})
}
