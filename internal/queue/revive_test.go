package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// A lane that was removed while it was held is as good as new: what waited when
// the hold began is no more, and nothing is put behind it.
func TestReviveForgetsTheHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		busy, l := s.NewLane(), s.NewLane()
		pushAll(t, busy, 0) // takes the worker
		synctest.Wait()
		pushAll(t, l, 1, 2, 3)
		l.Hold()
		require.Equal(t, 3, l.Remove())
		require.True(t, l.Revive())
		pushAll(t, l, 5, 6)
		l.Release([]int{4}, oneByte, nil)
		require.Equal(t, []int{0, 4, 5, 6}, s.runDry())
		s.empty()
	})
}

// The same for the lane of a key, whose handler was inside meanwhile.
func TestNameForgetsTheHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := narrow(1)
		s := newStage(t, cfg)
		l := s.NewLane()
		pushAll(t, l, 0)
		synctest.Wait()
		pushAll(t, l, 1, 2)
		l.Hold()
		require.Equal(t, 2, l.Remove())
		l.Name("k")
		require.Equal(t, queue.Accepted, s.PushKeyed("k", 5, 1))
		l.Release([]int{4}, oneByte, nil)
		require.Equal(t, []int{0, 4, 5}, s.runDry())
		s.empty()
	})
}

// A lane that was left to itself goes on, whatever state it was left in.
func TestReviveOpensWhatWasLeft(t *testing.T) {
	for name, leave := range map[string]func(l *queue.Lane[int]){
		"open": func(*queue.Lane[int]) {},
		"held": func(l *queue.Lane[int]) { l.Hold() },
		"overflowed": func(l *queue.Lane[int]) {
			for l.Push(9, 1<<30) == queue.Accepted {
			}
		},
		"held and overflowed": func(l *queue.Lane[int]) {
			l.Hold()
			for l.Push(9, 1<<30) == queue.Accepted {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := wide(1)
				cfg.LaneBytes = 1 << 20
				s := newStage(t, cfg)
				busy, l := s.NewLane(), s.NewLane()
				pushAll(t, busy, 0) // takes the worker
				synctest.Wait()
				pushAll(t, l, 1, 2)
				leave(l)
				s.finish(0, done)
				require.True(t, l.Revive())
				require.Zero(t, s.Held(), "nothing is held any more")
				require.Equal(t, []int{1}, s.holding(), "what waits goes on at once")
				pushAll(t, l, 3)
				require.Equal(t, []int{0, 1, 2, 3}, s.runDry())
				require.Empty(t, s.dries(), "an overflow is over")
				s.empty()
			})
		})
	}
}

// Neither a lane of a key is revived, which has its own ways, nor any after Stop.
func TestReviveOfOtherLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := narrow(1)
		cfg.Dry = func(l *queue.Lane[int]) { l.Reopen() }
		s := newStage(t, cfg)
		s.PushKeyed("k", 1, 1)
		synctest.Wait()
		for v := 2; v <= 4; v++ {
			s.PushKeyed("k", v, 1)
		}
		s.runDry()
		forgotten := s.dries()[0]
		require.False(t, forgotten.Revive())
		require.Equal(t, queue.Gone, forgotten.Push(5, 1), "it would stand beside the next lane of its key")

		l := s.NewLane()
		pushAll(t, l, 6)
		s.finish(6, retryIn(time.Hour))
		s.Stop()
		require.False(t, l.Revive())
	})
}
