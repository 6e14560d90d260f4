package queue_test

import (
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

// A stress test has some lanes; the last one is removed. Lane and producer of a
// value are seen from it.
const (
	stressLanes     = 5
	stressProducers = 4 // and the owner
	stressEach      = 2000
)

func valueOf(producer, n int) int { return producer*stressEach + n }
func laneOf(v int) int            { return v % stressLanes }

// ledger says what became of each value.
type ledger struct {
	accepted atomic.Int64
	refused  atomic.Int64 // by keep, before their handler began
	removed  atomic.Int64
	starts   [(stressProducers + 1) * stressEach]atomic.Int32 // of its handler

	inLane [stressLanes]atomic.Int32
	last   [stressLanes][stressProducers + 1]int // by its one handler: -race tells if there are two
	wrong  atomic.Int64
}

func (b *ledger) handle(v, attempt int) (time.Duration, bool) {
	lane := laneOf(v)
	defer b.inLane[lane].Add(-1)
	if b.inLane[lane].Add(1) != 1 || b.starts[v].Add(1) != int32(attempt) {
		b.wrong.Add(1)
	}
	producer, n := v/stressEach, v%stressEach+1
	if attempt == 1 && b.last[lane][producer] >= n || attempt > 1 && b.last[lane][producer] != n {
		b.wrong.Add(1)
	}
	b.last[lane][producer] = n
	switch {
	case v%13 == 0 && lane != stressLanes-1: // Remove must not find any whose handler began
		return time.Duration(v%7) * time.Microsecond, attempt < 3
	case v%13 == 1:
		runtime.Goexit()
	}
	return 0, false
}

func (b *ledger) started() (n int64) {
	for i := range b.starts {
		if b.starts[i].Load() > 0 {
			n++
		}
	}
	return n
}

// Everything at once, on few lanes: whatever the interleaving, each value that
// was accepted is handed over, dropped by keep or by Remove, or left by Stop:
// one of these, once. Each producer's values are handed over in its order.
func TestEveryValueIsAccountedFor(t *testing.T) {
	for mode, arrival := range map[string]bool{"lanes": false, "arrival": true} {
		t.Run(mode, func(t *testing.T) {
			for range 20 {
				stress(t, arrival)
			}
		})
	}
}

func stress(t *testing.T, arrival bool) {
	book := &ledger{}
	s := queue.New(queue.Config[int]{
		Workers: 3, PerLane: 20, LaneBytes: 100, Bytes: 300, Arrival: arrival,
		Handle: book.handle,
		Dry:    func(l *queue.Lane[int]) { l.Reopen() },
	})
	lanes := make([]*queue.Lane[int], stressLanes)
	for i := range lanes {
		lanes[i] = s.NewLane()
	}
	var wg sync.WaitGroup
	for p := range stressProducers {
		wg.Go(func() {
			for n := range stressEach {
				v := valueOf(p, n)
				if lanes[laneOf(v)].Push(v, v%9) == queue.Accepted {
					book.accepted.Add(1)
				}
				if n%16 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	var stopping atomic.Bool
	halfway := make(chan struct{})
	wg.Go(func() { own(book, lanes, halfway, &stopping) })
	wg.Go(func() {
		for !stopping.Load() {
			c := s.Counts()
			if c.Queued < 0 || c.Bytes < 0 || c.Running < 0 || c.Running > 3 {
				book.wrong.Add(1)
			}
			s.Running(func(int, int, time.Time) {})
			runtime.Gosched()
		}
	})
	<-halfway
	for range rand.IntN(300) {
		runtime.Gosched()
	}
	undelivered, retrying := s.Stop()
	inside := s.Counts().Running // before the starts are counted: one of these may not have begun yet
	atStop := book.started()
	stopping.Store(true)
	wg.Wait()
	running, refused := s.Wait(t.Context())

	require.Zero(t, running)
	require.Zero(t, book.wrong.Load())
	require.LessOrEqual(t, book.started()-atStop, int64(inside), "nothing is given to a handler after Stop")
	require.Equal(t, book.accepted.Load(), book.started()+book.refused.Load()+book.removed.Load()+int64(undelivered))
	require.LessOrEqual(t, retrying+refused, stressLanes)
	require.Zero(t, s.Workers()+s.Sleeping())
}

// own holds and releases lanes, with values of its own until it is halfway,
// and in the end removes one.
func own(book *ledger, lanes []*queue.Lane[int], halfway chan<- struct{}, stopping *atomic.Bool) {
	keep := func(v int) bool {
		if rand.IntN(20) > 0 {
			return true
		}
		if book.starts[v].Load() == 0 {
			book.refused.Add(1)
		}
		return false
	}
	for n := range 200 {
		v := valueOf(stressProducers, n)
		l := lanes[laneOf(v)]
		l.Hold()
		runtime.Gosched()
		l.Release([]int{v}, oneByte, keep)
		book.accepted.Add(1)
	}
	close(halfway)
	for n := 0; !stopping.Load(); n++ {
		l := lanes[n%len(lanes)]
		l.Hold()
		l.Release(nil, nil, keep)
		if n == 50 {
			book.removed.Add(int64(lanes[stressLanes-1].Remove()))
		}
		runtime.Gosched()
	}
}

func TestHandleMayUseItsSetAndLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *queue.Set[int]
		var l, other *queue.Lane[int]
		var got []int
		cfg := wide(1)
		cfg.Handle = func(v, attempt int) (time.Duration, bool) {
			got = append(got, v)
			require.Equal(t, 1, s.Counts().Running)
			s.Running(func(inside, _ int, _ time.Time) { require.Equal(t, v, inside) })
			switch v {
			case 1:
				pushAll(t, l, 2)
				pushAll(t, other, 11)
				require.Equal(t, queue.Accepted, s.PushKeyed("k", 21, 1))
			case 2:
				l.Hold()
				pushAll(t, l, 4)
				l.Release([]int{3}, oneByte, nil)
			case 3:
				l.Hold()
			case 11:
				if attempt == 1 {
					return time.Second, true
				}
				l.Release(nil, nil, nil)
			case 4:
				pushAll(t, l, 5, 6)
				require.Equal(t, 2, l.Remove())
				require.Equal(t, queue.Gone, l.Push(7, 1))
			case 21:
				require.Equal(t, queue.Accepted, s.PushKeyed("k", 22, 1))
			case 31:
				undelivered, retrying := s.Stop()
				require.Equal(t, 1, undelivered)
				require.Zero(t, retrying)
			}
			return 0, false
		}
		s = queue.New(cfg)
		l, other = s.NewLane(), s.NewLane()
		pushAll(t, l, 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []int{1, 11, 21, 2, 22, 3, 11, 4}, got)
		pushAll(t, other, 31, 32)
		synctest.Wait()
		require.Equal(t, []int{1, 11, 21, 2, 22, 3, 11, 4, 31}, got)
	})
}

// Keys come and go beside Stop.
func TestKeyedBesideStop(t *testing.T) {
	for round := range 30 {
		var accepted, handled atomic.Int64
		cfg := wide(3)
		cfg.Handle = func(int, int) (time.Duration, bool) { handled.Add(1); return 0, false }
		s := queue.New(cfg)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for v := 0; ; v++ {
					if s.PushKeyed(strconv.Itoa(v%17), v, 1) == queue.Gone {
						return
					}
					accepted.Add(1)
				}
			})
		}
		for handled.Load() < int64(20*round) {
			runtime.Gosched()
		}
		undelivered, retrying := s.Stop()
		wg.Wait()
		running, refused := s.Wait(t.Context())
		require.Zero(t, running+refused+retrying)
		require.Equal(t, accepted.Load(), handled.Load()+int64(undelivered))
	}
}
