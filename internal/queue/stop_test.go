package queue_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

func TestStopCountsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(2))
		asleep, held, busy, other := s.NewLane(), s.NewLane(), s.NewLane(), s.NewLane()
		pushAll(t, asleep, 1, 2)
		s.finish(1, retryIn(time.Hour)) // retrying: 1, never began: 2
		held.Hold()
		pushAll(t, held, 11, 12) // 2 more
		pushAll(t, busy, 21, 22) // 21 is inside, 1 more
		pushAll(t, other, 31)    // inside
		s.PushKeyed("k", 41, 1)  // 1 more
		require.Equal(t, []int{21, 31}, s.holding())

		undelivered, retrying := s.Stop()
		require.Equal(t, 5, undelivered)
		require.Equal(t, 1, retrying)
		require.Zero(t, s.Sleeping())

		require.Equal(t, queue.Gone, other.Push(32, 1))
		require.Equal(t, queue.Gone, s.PushKeyed("k", 42, 1))
		held.Release([]int{10}, oneByte, nil)
		time.Sleep(2 * time.Hour)
		require.Equal(t, []int{21, 31}, s.holding(), "no handler starts")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		running, refused := s.Wait(ctx)
		require.Equal(t, 2, running)
		require.Zero(t, refused)

		s.finish(21, done)
		s.finish(31, retryIn(time.Second))
		running, refused = s.Wait(t.Context())
		require.Zero(t, running)
		require.Equal(t, 1, refused, "nobody will make that attempt")
		require.Equal(t, []int{1, 21, 31}, s.started())
		require.Zero(t, s.Workers())

		undelivered, retrying = s.Stop()
		require.Equal(t, []int{5, 1}, []int{undelivered, retrying}, "it tells the same again")
	})
}

// A value whose handler began is not one "whose handler never began", also
// when the time of its next attempt has come and no worker is free, or when
// its lane is held.
func TestStopCountsRetriesThatAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l, held, busy := s.NewLane(), s.NewLane(), s.NewLane()
		pushAll(t, l, 1)
		s.finish(1, retryIn(time.Second))
		pushAll(t, held, 11, 12)
		s.finish(11, retryIn(time.Second))
		held.Hold()
		pushAll(t, busy, 21)
		require.Equal(t, []int{21}, s.holding())
		time.Sleep(time.Minute)
		synctest.Wait()
		undelivered, retrying := s.Stop()
		require.Equal(t, 2, retrying)
		require.Equal(t, 1, undelivered)
		s.finish(21, done)
	})
}

func TestStopOfAnIdleSet(t *testing.T) {
	s := queue.New(wide(1))
	undelivered, retrying := s.Stop()
	running, refused := s.Wait(t.Context())
	require.Zero(t, undelivered+retrying+running+refused)
}

// Dry is not called after Stop.
func TestStopWithAnOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, narrow(1))
		l := s.NewLane()
		push(l, 1)
		synctest.Wait()
		push(l, 2, 3, 4)
		undelivered, _ := s.Stop()
		require.Equal(t, 2, undelivered)
		s.finish(1, done)
		require.Empty(t, s.dries())
		require.Equal(t, []int{1}, s.started())
	})
}

// Stop beside producers, retries and handlers: what was accepted was handed
// over or is left, and what Stop leaves stays where it is. A handler that Stop
// finds inside is one that Counts and Wait know.
func TestStopUnderLoad(t *testing.T) {
	for round := range 30 {
		var accepted, starts, finished, again atomic.Int64
		cfg := wide(4)
		cfg.Handle = func(v, attempt int) (time.Duration, bool) {
			starts.Add(1)
			defer finished.Add(1)
			if v%5 == 0 && attempt == 1 {
				again.Add(1)
				return time.Duration(v%3) * time.Microsecond, true
			}
			return 0, false
		}
		s := queue.New(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for p := range 4 {
			l := s.NewLane()
			wg.Go(func() {
				for v := p; ctx.Err() == nil; v++ {
					if l.Push(v, 1) == queue.Accepted {
						accepted.Add(1)
					}
					if v%16 == 0 {
						runtime.Gosched()
					}
				}
			})
		}
		for finished.Load() < int64(100*round) {
			runtime.Gosched()
		}
		undelivered, retrying := s.Stop()
		inside := s.Counts().Running
		before := finished.Load()
		cancel()
		wg.Wait()
		running, refused := s.Wait(t.Context())
		require.Zero(t, running)
		require.LessOrEqual(t, finished.Load()-before, int64(inside), "no handler started after Stop")
		require.Equal(t, starts.Load(), finished.Load())
		// Each retry that was made is one start more.
		made := again.Load() - int64(retrying+refused)
		require.Equal(t, accepted.Load(), starts.Load()-made+int64(undelivered), "left %d, retrying %d, refused %d", undelivered, retrying, refused)
		require.Zero(t, s.Workers())
	}
}
