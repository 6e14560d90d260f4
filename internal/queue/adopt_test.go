package queue_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// A key's lane can become one that stays, and a removed one a key's: its values
// are handed over one after another all the same.
func TestAdoptAndName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(4))
		require.Nil(t, s.Adopt("k"))
		s.PushKeyed("k", 1, 1)
		s.PushKeyed("k", 2, 1)
		require.Equal(t, []int{1}, s.holding())
		l := s.Adopt("k")
		require.NotNil(t, l)
		require.Nil(t, s.Adopt("k"), "it is no key's any more")
		pushAll(t, l, 3)
		s.PushKeyed("k", 11, 1)
		require.ElementsMatch(t, []int{1, 11}, s.holding())
		s.finish(11, done)
		s.finish(1, done)
		require.Equal(t, []int{2}, s.holding())

		require.Equal(t, 1, l.Remove())
		l.Name("k")
		s.PushKeyed("k", 12, 1)
		require.Equal(t, []int{2}, s.holding(), "it waits for the handler inside")
		s.finish(2, done)
		require.Equal(t, []int{12}, s.holding())
		s.finish(12, done)
		require.Nil(t, s.Adopt("k"), "an idle lane of a key is forgotten")
		s.empty()
	})
}

// A lane in which no handler is needs no name.
func TestNameOfAnIdleLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(4))
		l := s.NewLane()
		l.Remove()
		l.Name("k")
		require.Nil(t, s.Adopt("k"))
		require.Equal(t, queue.Gone, l.Push(1, 1))
		s.empty()
	})
}

// An overflow of a lane that was adopted is over.
func TestAdoptOfAnOverflowedLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, narrow(1))
		s.PushKeyed("k", 1, 1)
		require.Equal(t, []int{1}, s.holding())
		for v := 2; s.PushKeyed("k", v, 1) == queue.Accepted; v++ {
		}
		l := s.Adopt("k")
		require.Equal(t, "k", l.Key(), "it keeps its name")
		require.Zero(t, s.Dropping())
		require.NotNil(t, l)
		l.Hold()
		for len(s.holding()) > 0 {
			s.finish(s.holding()[0], done)
		}
		l.Release(nil, nil, nil)
		s.runDry()
		require.Empty(t, s.dries())
		pushAll(t, l, 100)
		require.Equal(t, []int{100}, s.holding())
		s.finish(100, done)
		s.empty()
	})
}

// Dry of the overflow before the adoption does not stand for the one after it.
func TestOverflowOfAnAdoptedLaneIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *stage
		var own *queue.Lane[int]
		cfg := narrow(1)
		cfg.Dry = func(*queue.Lane[int]) {
			if own == nil {
				own = s.Adopt("k")
				push(own, 11, 12, 13)
			}
		}
		s = newStage(t, cfg)
		s.PushKeyed("k", 1, 1)
		synctest.Wait()
		for v := 2; v <= 4; v++ {
			s.PushKeyed("k", v, 1)
		}
		require.Equal(t, []int{1, 2, 3, 11, 12}, s.runDry())
		require.Equal(t, []*queue.Lane[int]{own, own}, s.dries())
		s.empty()
	})
}

// A lane that is named is open, whatever it was when it was removed, and an
// overflow of it is a new one.
func TestNameOpensTheLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, narrow(1))
		l := s.NewNamed("its owner's")
		pushAll(t, l, 1)
		synctest.Wait()
		l.Hold()
		require.Equal(t, []queue.Outcome{queue.Accepted, queue.Accepted, queue.Overflowed}, push(l, 2, 3, 4))
		require.Equal(t, 2, l.Remove())
		l.Name("k")
		require.Equal(t, "k", l.Key())
		require.Equal(t, 1, s.Keyed())
		var outs []queue.Outcome
		for v := 12; v <= 15; v++ {
			outs = append(outs, s.PushKeyed("k", v, 1))
		}
		require.Equal(t, []queue.Outcome{queue.Accepted, queue.Accepted, queue.Overflowed, queue.Dropped}, outs)
		require.Equal(t, []int{1, 12, 13}, s.runDry())
		require.Equal(t, []*queue.Lane[int]{l}, s.dries())
		s.empty()
	})
}

// Dry of the overflow before the removal does not stand for the one after it.
func TestOverflowOfANamedLaneIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := narrow(1)
		var again func(l *queue.Lane[int])
		cfg.Dry = func(l *queue.Lane[int]) {
			if again != nil {
				again(l)
			}
		}
		s := newStage(t, cfg)
		again = func(l *queue.Lane[int]) {
			again = nil
			l.Remove()
			l.Name("k")
			for v := 2; v <= 4; v++ {
				s.PushKeyed("k", v, 1)
			}
		}
		l := s.NewLane()
		l.Hold()
		push(l, 0, 1, 9)
		l.Release(nil, nil, nil)
		require.Equal(t, []int{0, 1, 2, 3}, s.runDry())
		require.Equal(t, []*queue.Lane[int]{l, l}, s.dries())
		s.empty()
	})
}

// A key that has a lane keeps it: no other takes its place.
func TestNameThatIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(2))
		l := s.NewLane()
		pushAll(t, l, 1)
		s.PushKeyed("k", 11, 1)
		require.Equal(t, []int{1, 11}, s.holding())
		l.Remove()
		l.Name("k")
		require.Equal(t, queue.Gone, l.Push(2, 1))
		s.finish(1, done)
		s.PushKeyed("k", 12, 1)
		require.Equal(t, []int{11}, s.holding(), "one handler per key")
		require.Equal(t, []int{1, 11, 12}, s.runDry())
		s.empty()
	})
}

func TestAdoptAndNameAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(2))
		l := s.NewLane()
		pushAll(t, l, 1)
		s.PushKeyed("k", 11, 1)
		synctest.Wait()
		s.Stop()
		require.Nil(t, s.Adopt("k"))
		l.Remove()
		l.Name("other")
		require.Equal(t, 1, s.Keyed(), "the one of k")
		s.runDry()
		s.empty()
	})
}
