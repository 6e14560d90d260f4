package queue_test

import (
	"fmt"
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

func TestKeyedLanesKeepOrderAndVanish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(4))
		for n := range 3 {
			for k := range 3 {
				require.Equal(t, queue.Accepted, s.PushKeyed(strconv.Itoa(k), 10*k+n, 1))
			}
		}
		require.Equal(t, []int{0, 10, 20}, s.holding())
		require.Equal(t, 3, s.Keyed())
		s.finish(10, done)
		s.finish(11, done)
		require.Equal(t, []int{0, 12, 20}, s.holding())
		s.finish(12, done)
		require.Equal(t, 2, s.Keyed())
		s.runDry()
		s.empty()
	})
}

// A key whose handler is inside keeps its lane, or two would run at once.
func TestKeyedLaneLivesWhileItsHandlerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(4))
		s.PushKeyed("k", 1, 1)
		synctest.Wait()
		s.PushKeyed("k", 2, 1)
		require.Equal(t, []int{1}, s.holding())
		require.Equal(t, []int{1, 2}, s.runDry())
		s.empty()
	})
}

func TestKeyedLaneRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(4))
		s.PushKeyed("k", 1, 1)
		s.finish(1, retryIn(time.Minute))
		require.Equal(t, 1, s.Keyed())
		s.PushKeyed("k", 2, 1)
		s.PushKeyed("other", 11, 1)
		s.finish(11, done)
		require.Equal(t, 1, s.Keyed())
		require.Empty(t, s.holding())
		time.Sleep(time.Minute)
		require.Equal(t, []int{1, 11, 1, 2}, s.runDry())
		s.empty()
	})
}

func TestKeyedLaneOverflows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, narrow(4))
		var outs []queue.Outcome
		s.PushKeyed("k", 0, 1)
		synctest.Wait()
		for v := 1; v <= 5; v++ {
			outs = append(outs, s.PushKeyed("k", v, 1))
		}
		require.Equal(t, []queue.Outcome{queue.Accepted, queue.Accepted, queue.Overflowed, queue.Dropped, queue.Dropped}, outs)
		require.Equal(t, []int{0, 1, 2}, s.runDry())
		require.Len(t, s.dries(), 1)
		require.Equal(t, "k", s.dries()[0].Key())
		s.empty()
		require.Equal(t, queue.Accepted, s.PushKeyed("k", 9, 1), "the lane is forgotten, and its overflow with it")
		require.Equal(t, []int{0, 1, 2, 9}, s.runDry())
	})
}

func TestKeyedLaneKnowsSinceWhenItDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var since []time.Time
		cfg := narrow(1)
		begin := time.Now()
		gate := make(chan struct{})
		cfg.Handle = func(int, int) (time.Duration, bool) { <-gate; return 0, false }
		cfg.Dry = func(l *queue.Lane[int]) {
			since = append(since, l.DroppingSince())
			l.Reopen()
			since = append(since, l.DroppingSince())
		}
		s := queue.New(cfg)
		for v := range 6 { // one inside, two wait, the fourth overflows
			s.PushKeyed("k", v, 1)
			time.Sleep(time.Second)
		}
		close(gate)
		require.NoError(t, s.Drain(t.Context()))
		require.Equal(t, []time.Time{begin.Add(3 * time.Second), {}}, since)
		require.Zero(t, s.Dropping())
	})
}

func TestNoGrowthOverManyKeys(t *testing.T) {
	const keys = 100_000
	var handled atomic.Int64
	cfg := wide(4)
	cfg.Handle = func(int, int) (time.Duration, bool) { handled.Add(1); return 0, false }
	s := queue.New(cfg)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range keys {
		s.PushKeyed(fmt.Sprintf("a wallet's key is about as long as this one: %d", i), i, 1)
		if i%64 == 63 {
			require.NoError(t, s.Drain(t.Context()))
		}
	}
	require.NoError(t, s.Drain(t.Context()))
	require.EqualValues(t, keys, handled.Load())
	require.Zero(t, s.Keyed())
	require.Less(t, heap(), before+256<<10)
	runtime.KeepAlive(s)
}

// While the set is full and all workers are stuck, new keys must cost nothing
// either: they are what a stranger can make without end.
func TestNoGrowthOverManyKeysWhileFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, queue.Config[int]{Workers: 1, PerLane: 10, LaneBytes: 10, Bytes: 10})
		s.PushKeyed("stuck", 1, 1)
		synctest.Wait()
		s.PushKeyed("full", 2, 10)
		require.Equal(t, queue.Overflowed, s.PushKeyed("key", 3, 1))
		for i := range 10_000 {
			require.Contains(t, []queue.Outcome{queue.Overflowed, queue.Dropped}, s.PushKeyed(strconv.Itoa(i), 4, 1))
		}
		require.LessOrEqual(t, s.Keyed(), 3)
		require.LessOrEqual(t, s.InLine(), 3)
		require.Equal(t, []int{1, 2}, s.runDry())
		require.Len(t, s.dries(), 1, "keys that never had a lane are told as one")
		s.empty()
		require.Equal(t, queue.Accepted, s.PushKeyed("key", 5, 1))
		require.Equal(t, []int{1, 2, 5}, s.runDry())
		s.empty()
	})
}

// What Dry is given outlives Dry only while something waits in it, or while
// it is held. Afterwards it must not stand beside a new lane of its key.
func TestForgottenLaneIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, narrow(4))
		overflow := func() *queue.Lane[int] {
			before := len(s.dries())
			s.PushKeyed("k", 1, 1)
			synctest.Wait()
			for v := 2; v <= 4; v++ {
				s.PushKeyed("k", v, 1)
			}
			s.runDry()
			require.Len(t, s.dries(), before+1)
			return s.dries()[before]
		}
		old := overflow()
		s.PushKeyed("k", 7, 1)
		require.Equal(t, []int{7}, s.holding())
		require.Equal(t, queue.Gone, old.Push(8, 1))
		old.Reopen()
		old.Hold()
		old.Release([]int{9}, oneByte, nil)
		require.Equal(t, queue.Gone, old.Push(8, 1))
		require.Equal(t, []int{7}, s.holding(), "one handler per key")
		s.finish(7, done)
		s.empty()
	})
}

func TestKeyedLaneHeldByDry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := narrow(4)
		cfg.Dry = func(l *queue.Lane[int]) { l.Hold(); l.Reopen() }
		s := newStage(t, cfg)
		s.PushKeyed("k", 1, 1)
		synctest.Wait()
		for v := 2; v <= 4; v++ {
			s.PushKeyed("k", v, 1)
		}
		s.runDry()
		require.Equal(t, 1, s.Keyed(), "its owner is about to release it")
		require.Equal(t, queue.Accepted, s.PushKeyed("k", 6, 1))
		require.Equal(t, []int{1, 2, 3}, s.started())
		s.dries()[0].Release([]int{5}, oneByte, nil)
		require.Equal(t, []int{1, 2, 3, 5, 6}, s.runDry())
		s.empty()
	})
}

func TestKeyedLaneReleasedWithNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := narrow(4)
		cfg.Dry = func(l *queue.Lane[int]) { l.Hold(); l.Reopen() }
		s := newStage(t, cfg)
		s.PushKeyed("k", 1, 1)
		synctest.Wait()
		for v := 2; v <= 4; v++ {
			s.PushKeyed("k", v, 1)
		}
		s.runDry()
		require.Equal(t, 1, s.Keyed())
		s.dries()[0].Release(nil, nil, nil)
		s.empty()
	})
}

func TestKeyedLaneRemovedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := narrow(4)
		cfg.Dry = func(l *queue.Lane[int]) { l.Reopen(); l.Push(5, 1) }
		s := newStage(t, cfg)
		s.PushKeyed("k", 1, 1)
		synctest.Wait()
		for v := 2; v <= 4; v++ {
			s.PushKeyed("k", v, 1)
		}
		for _, v := range []int{1, 2, 3} {
			s.finish(v, done)
		}
		s.finish(5, retryIn(time.Hour))
		require.Equal(t, 1, s.dries()[0].Remove())
		s.empty()
		require.Equal(t, queue.Accepted, s.PushKeyed("k", 6, 1), "the key is as good as new")
		s.finish(6, done)
		s.empty()
	})
}

func TestKeyedAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		s.Stop()
		for i := range 100 {
			require.Equal(t, queue.Gone, s.PushKeyed(strconv.Itoa(i), i, 1))
		}
		s.empty()
	})
}

// Keys of many producers: order per key, one handler per key, nothing left.
func TestKeyedUnderLoad(t *testing.T) {
	const keys, producers, each = 8, 4, 500
	var (
		inside [keys]atomic.Int32
		last   [keys][producers]int
		wrong  atomic.Int32
		count  atomic.Int32
	)
	s := queue.New(queue.Config[mark]{
		Workers: 5, PerLane: 1 << 20, LaneBytes: 1 << 30, Bytes: 1 << 30,
		Handle: func(m mark, _ int) (time.Duration, bool) {
			if inside[m.lane].Add(1) != 1 || last[m.lane][m.producer] != m.n-1 {
				wrong.Add(1)
			}
			last[m.lane][m.producer] = m.n
			count.Add(1)
			inside[m.lane].Add(-1)
			return 0, false
		},
	})
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() {
			for n := 1; n <= each; n++ {
				for k := range keys {
					s.PushKeyed(strconv.Itoa(k), mark{k, p, n}, 1)
				}
				runtime.Gosched() // lanes come and go
			}
		})
	}
	wg.Wait()
	require.NoError(t, s.Drain(t.Context()))
	require.Zero(t, wrong.Load())
	require.EqualValues(t, keys*producers*each, count.Load())
	require.Zero(t, s.Keyed())
}

// An owner ends an overflow before it was told: there is nothing left to live for.
func TestKeyedLaneReopenedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := narrow(1)
		cfg.Dry = func(l *queue.Lane[int]) { l.Hold(); l.Reopen() }
		s := newStage(t, cfg)
		s.PushKeyed("k", 1, 1)
		synctest.Wait()
		for v := 2; v <= 4; v++ {
			s.PushKeyed("k", v, 1)
		}
		s.runDry()
		l := s.dries()[0]
		require.Equal(t, []queue.Outcome{queue.Accepted, queue.Accepted, queue.Overflowed}, push(l, 5, 6, 7))
		pushAll(t, s.NewLane(), 11) // takes the one worker
		require.Equal(t, []int{11}, s.holding())
		l.Release(nil, nil, func(int) bool { return false })
		require.Equal(t, 1, s.Keyed(), "its overflow is to be told")
		l.Reopen()
		require.Zero(t, s.Keyed())
		s.finish(11, done)
		require.Len(t, s.dries(), 1)
		s.empty()
	})
}

// Each key's lane has its own time; that of one is not that of all.
func TestEachKeyedLaneKnowsSinceWhenItDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		since := map[string]time.Time{}
		cfg := narrow(3)
		cfg.Dry = func(l *queue.Lane[int]) { since[l.Key()] = l.DroppingSince() }
		s := newStage(t, cfg)
		own := s.NewLane()
		want := map[string]time.Time{}
		for i, key := range []string{"a", "b"} {
			want[key] = time.Now()
			for v := range 4 {
				s.PushKeyed(key, 10*i+v, 1)
				synctest.Wait()
			}
			time.Sleep(time.Second)
		}
		pushAll(t, own, 20)
		synctest.Wait()
		push(own, 21, 22, 23)
		require.Equal(t, 2, s.Dropping(), "an owner can note it by itself")
		require.Zero(t, own.DroppingSince())
		for len(since) < 2 {
			s.finish(s.holding()[0], done)
		}
		require.Equal(t, want, since)
		s.runDry()
		s.empty()
	})
}
