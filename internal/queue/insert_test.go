package queue_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

func TestPushFuncMakesTheValueOnlyWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, queue.Config[int]{Workers: 1, PerLane: 2, LaneBytes: 100, Bytes: 100})
		l := s.NewLane()
		l.Hold()
		made := 0
		push := func() queue.Outcome {
			return l.PushFunc(1, func() int { made++; return made })
		}
		require.Equal(t, queue.Accepted, push())
		require.Equal(t, queue.Accepted, push())
		require.Equal(t, queue.Overflowed, push())
		require.Equal(t, queue.Dropped, push())
		require.Equal(t, 2, made)
		l.Release(nil, nil, nil)
		require.Equal(t, []int{1, 2}, s.runDry())
		l.Remove()
		require.Equal(t, queue.Gone, push())
	})
}

func TestInsertPutsValuesAmongWhatCameSinceHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, queue.Config[int]{Workers: 1, PerLane: 20, LaneBytes: 100, Bytes: 100})
		busy, l := s.NewLane(), s.NewLane()
		busy.Push(99, 1)
		require.Equal(t, []int{99}, s.holding())
		pushAll(t, l, 1, 2) // waited when the hold began
		l.Hold()
		pushAll(t, l, 3, 4)
		at := func(v, before int) queue.Placed[int] { return queue.Placed[int]{V: v, Size: 1, Before: before} }
		l.Insert([]queue.Placed[int]{at(10, 0), at(11, 0), at(12, 1), at(13, 9)})
		l.Insert([]queue.Placed[int]{at(20, 2)}) // counts what was inserted: 10, 11, then 3
		l.PushBefore(30, 1)
		l.Insert(nil)
		require.Equal(t, queue.Counts{Queued: 10, Bytes: 10, Running: 1}, s.Counts())
		l.Release(nil, nil, nil)
		require.Equal(t, []int{99, 1, 2, 30, 10, 11, 20, 3, 12, 4, 13}, s.runDry())
		l.Insert([]queue.Placed[int]{at(40, 0)}) // an open lane: at the end
		l.PushBefore(41, 1)
		require.Equal(t, []int{40, 41}, s.runDry()[11:])
		l.Remove()
		l.Insert([]queue.Placed[int]{at(50, 0)})
		l.PushBefore(51, 1)
		s.empty()
	})
}

func TestPushBeforeTakesAPlaceInTheOrderOfArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, queue.Config[int]{Arrival: true, PerLane: 20, LaneBytes: 100, Bytes: 100})
		a, b := s.NewLane(), s.NewLane()
		a.Hold()
		b.Hold()
		pushAll(t, a, 1)
		pushAll(t, b, 2)
		a.PushBefore(9, 1)
		a.Release(nil, nil, nil)
		b.Release(nil, nil, nil)
		require.Equal(t, []int{9, 1, 2}, s.runDry())
	})
}

func TestReviveGivesARemovedLaneBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, queue.Config[int]{Workers: 2, PerLane: 20, LaneBytes: 100, Bytes: 100})
		l := s.NewLane()
		pushAll(t, l, 1, 2)
		require.Equal(t, []int{1}, s.holding())
		require.True(t, l.Busy())
		require.Equal(t, 1, l.Remove())
		require.True(t, l.Revive())
		pushAll(t, l, 3)
		require.Equal(t, []int{1}, s.holding(), "one handler at a time, over the removal")
		require.Equal(t, []int{1, 3}, s.runDry())
		require.False(t, l.Busy())
		l.Remove()
		s.Stop()
		require.False(t, l.Revive())
	})
}

// What is put in after Stop would be told by nobody.
func TestNothingIsPutInAfterStop(t *testing.T) {
	for name, held := range map[string]bool{"open": false, "held": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, wide(1))
				l := s.NewLane()
				if held {
					l.Hold()
				}
				s.Stop()
				require.False(t, l.PushBefore(1, 1))
				l.Insert([]queue.Placed[int]{{V: 2, Size: 1}})
				require.Equal(t, queue.Gone, l.PushFunc(1, func() int { t.Error("it has no room"); return 3 }))
				l.Release([]int{4}, oneByte, nil)
				s.empty()
			})
		})
	}
}
