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
