package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

func TestHoldKeepsOneLaneOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(4))
		held, open := s.NewLane(), s.NewLane()
		held.Hold()
		pushAll(t, held, 1, 2)
		pushAll(t, open, 11, 12)
		require.Equal(t, []int{11, 12}, s.runDry())
		require.Equal(t, 2, held.Len())
		require.Zero(t, s.Workers(), "what is held needs no worker")
		held.Release(nil, nil, nil)
		require.Equal(t, []int{11, 12, 1, 2}, s.runDry())
		s.empty()
	})
}

func TestReleasePutsFirstAndAsksKeep(t *testing.T) {
	even := func(v int) bool { return v%2 == 0 }
	for name, c := range map[string]struct {
		waits, first []int
		keep         func(int) bool
		want         []int
		bytes        int64
	}{
		"nothing at all":          {},
		"only first":              {first: []int{100, 101}, want: []int{100, 101}, bytes: 200},
		"only waiting":            {waits: []int{1, 2, 3}, want: []int{1, 2, 3}, bytes: 3},
		"first before waiting":    {waits: []int{1, 2}, first: []int{100, 101}, want: []int{100, 101, 1, 2}, bytes: 202},
		"keep does not ask first": {waits: []int{1, 2, 3, 4}, first: []int{101}, keep: even, want: []int{101, 2, 4}, bytes: 102},
		"keep refuses all":        {waits: []int{1, 3}, keep: even},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, wide(4))
				l := s.NewLane()
				l.Hold()
				pushAll(t, l, c.waits...)
				var asked []int
				keep := c.keep
				if keep != nil {
					keep = func(v int) bool { asked = append(asked, v); return c.keep(v) }
				}
				block := s.NewLane() // so that the lane's counts can be seen
				block.Hold()
				l.Release(c.first, func(int) int { return 100 }, keep)
				if c.keep != nil {
					require.Equal(t, c.waits, asked, "each that waits, in order")
				}
				if len(c.want) > 0 {
					require.Equal(t, c.want[:1], s.holding())
					size := int64(1)
					if c.want[0] >= 100 {
						size = 100
					}
					require.Equal(t, queue.Counts{Queued: len(c.want) - 1, Bytes: c.bytes - size, Running: 1}, s.Counts())
				}
				require.ElementsMatch(t, c.want, s.runDry())
				if len(c.want) > 0 {
					require.Equal(t, c.want, s.started())
				}
				s.empty()
			})
		})
	}
}

// What waited when the hold began is older than what was missed after it.
func TestFirstGoesBehindWhatIsOlderThanTheHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l := s.NewLane()
		pushAll(t, l, 1, 2, 3)
		synctest.Wait()
		l.Hold() // 1 is inside, 2 and 3 wait
		pushAll(t, l, 6, 7)
		l.Hold() // a second one, in the same gap, changes nothing
		s.finish(1, done)
		l.Release([]int{4, 5}, oneByte, func(v int) bool { return v != 6 })
		require.Equal(t, []int{1, 2, 3, 4, 5, 7}, s.runDry())

		// The next hold begins anew.
		pushAll(t, l, 8)
		s.finish(8, done)
		l.Hold()
		pushAll(t, l, 10)
		l.Release([]int{9}, oneByte, nil)
		require.Equal(t, []int{1, 2, 3, 4, 5, 7, 8, 9, 10}, s.runDry())
		s.empty()
	})
}

// A value whose handler was inside when the hold began, and that goes back, is
// older as well: its lane's order holds.
func TestFirstGoesBehindARetriedValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l := s.NewLane()
		pushAll(t, l, 1, 2)
		synctest.Wait()
		l.Hold()
		pushAll(t, l, 5)
		s.finish(1, retryIn(time.Second))
		l.Release([]int{3, 4}, oneByte, nil)
		time.Sleep(time.Second)
		require.Equal(t, []int{1, 1, 2, 3, 4, 5}, s.runDry())

		pushAll(t, l, 11)
		s.finish(11, retryIn(time.Second))
		l.Hold() // 11 waits for its time
		pushAll(t, l, 13)
		l.Release([]int{12}, oneByte, nil)
		time.Sleep(time.Second)
		require.Equal(t, []int{1, 1, 2, 3, 4, 5, 11, 11, 12, 13}, s.runDry())
		s.empty()
	})
}

func TestHoldWhileAHandlerRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(4))
		l := s.NewLane()
		pushAll(t, l, 1, 2)
		synctest.Wait()
		l.Hold()
		s.finish(1, done)
		require.Empty(t, s.holding(), "the handler finishes, the next one does not begin")
		require.Equal(t, queue.Counts{Queued: 1, Bytes: 1}, s.Counts())
		l.Release(nil, nil, nil)
		require.Equal(t, []int{1, 2}, s.runDry())
		s.empty()
	})
}

func TestReleaseOfAnOpenLaneChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(4))
		l := s.NewLane()
		l.Release(nil, nil, nil)
		pushAll(t, l, 1, 2, 3)
		l.Release(nil, nil, nil)
		require.Equal(t, []int{1, 2, 3}, s.runDry())
		s.empty()
	})
}

// A retry that is held waits for both: its time and the release.
func TestHoldOverARetry(t *testing.T) {
	for name, early := range map[string]bool{"released before its time": true, "released after its time": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, wide(4))
				l := s.NewLane()
				pushAll(t, l, 1, 2)
				s.finish(1, retryIn(time.Minute))
				l.Hold()
				if early {
					time.Sleep(time.Second)
					l.Release(nil, nil, nil)
					require.Empty(t, s.holding())
					time.Sleep(time.Minute)
				} else {
					time.Sleep(time.Hour)
					require.Empty(t, s.holding())
					l.Release(nil, nil, nil)
				}
				require.Equal(t, []int{1, 1, 2}, s.runDry())
				require.Equal(t, []call{{1, 1}, {1, 2}, {2, 1}}, s.calls)
				s.empty()
			})
		})
	}
}

// When keep refuses the value that waits for its next attempt, nothing is left
// to wait for.
func TestKeepRefusesARetriedValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(4))
		l := s.NewLane()
		pushAll(t, l, 1, 2)
		s.finish(1, retryIn(time.Hour))
		l.Hold()
		l.Release(nil, nil, func(v int) bool { return v != 1 })
		require.Equal(t, []int{2}, s.holding(), "at once")

		// Its timer is gone: the lane's next retry takes its full time.
		s.finish(2, retryIn(2*time.Hour))
		time.Sleep(time.Hour)
		require.Empty(t, s.holding())
		time.Sleep(time.Hour)
		s.finish(2, done)

		pushAll(t, l, 3)
		s.finish(3, retryIn(time.Hour))
		l.Hold()
		l.Release(nil, nil, func(int) bool { return false })
		s.empty()
		undelivered, retrying := s.Stop()
		require.Zero(t, undelivered)
		require.Zero(t, retrying)
	})
}

// Nothing waits any more, so those who wait for that are woken.
func TestReleaseEndsADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(4))
		l := s.NewLane()
		l.Hold()
		pushAll(t, l, 1)
		drained := make(chan error, 1)
		go func() { drained <- s.Drain(t.Context()) }()
		synctest.Wait()
		require.Empty(t, drained)
		l.Release(nil, nil, func(int) bool { return false })
		require.NoError(t, <-drained)
	})
}

// A keep that panics leaves the lane as it was, and the set usable.
func TestPanickingKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(4))
		l := s.NewLane()
		l.Hold()
		pushAll(t, l, 1)
		require.Panics(t, func() { l.Release(nil, nil, func(int) bool { panic("keep") }) })
		require.Equal(t, 1, l.Len())
		l.Release(nil, nil, nil)
		require.Equal(t, []int{1}, s.runDry())
		s.empty()
	})
}

// Held is of held lanes alone, by whatever way their values come and go.
func TestHeldCountsHeldLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		open, l := s.NewLane(), s.NewLane()
		pushAll(t, s.NewLane(), 0) // takes the worker
		synctest.Wait()
		open.Push(1, 10)
		l.Push(2, 100)
		require.Zero(t, s.Held())
		l.Hold()
		l.Hold()
		require.EqualValues(t, 100, s.Held())
		l.Push(3, 1000)
		l.PushBefore(4, 10_000)
		l.Insert([]queue.Placed[int]{{V: 5, Size: 100_000}})
		require.EqualValues(t, 111_100, s.Held())
		open.Release(nil, nil, nil)
		open.Release([]int{6}, oneByte, nil)
		require.EqualValues(t, 111_100, s.Held(), "it was not held")
		l.Release(nil, nil, func(v int) bool { return v != 3 })
		require.Zero(t, s.Held())
		require.EqualValues(t, 110_111, s.Counts().Bytes)
		l.Hold()
		require.EqualValues(t, 110_100, s.Held())
		l.Remove()
		require.Zero(t, s.Held())
		s.runDry()
		s.empty()
	})
}
