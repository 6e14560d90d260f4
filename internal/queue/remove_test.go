package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

func TestRemoveDropsWhatWaits(t *testing.T) {
	for mode, arrival := range map[string]bool{"lanes": false, "arrival": true} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := wide(1)
				cfg.Arrival = arrival
				s := newStage(t, cfg)
				l, other := s.NewLane(), s.NewLane()
				pushAll(t, l, 1, 2, 3)
				pushAll(t, other, 11)
				synctest.Wait()
				require.Equal(t, 2, l.Remove())
				require.Zero(t, l.Remove(), "a second one finds nothing")
				require.Zero(t, l.Len())
				require.Equal(t, queue.Counts{Queued: 1, Bytes: 1, Running: 1}, s.Counts(), "the handler finishes")
				require.Equal(t, queue.Gone, l.Push(4, 1))
				l.Release([]int{5}, oneByte, nil)
				l.Hold()
				l.Reopen()
				require.Equal(t, queue.Gone, l.Push(6, 1), "nothing brings a removed lane back")
				require.Equal(t, []int{1, 11}, s.runDry())
				s.empty()
			})
		})
	}
}

func TestRemoveOfARetryingLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l := s.NewLane()
		pushAll(t, l, 1, 2)
		s.finish(1, retryIn(time.Hour))
		drained := make(chan error, 1)
		go func() { drained <- s.Drain(t.Context()) }()
		synctest.Wait()
		start := time.Now()
		require.Equal(t, 2, l.Remove())
		require.NoError(t, <-drained)
		require.Equal(t, start, time.Now())
		s.empty()
		undelivered, retrying := s.Stop()
		require.Zero(t, undelivered+retrying)
		require.Equal(t, start, time.Now(), "Stop waits for no timer")
	})
}

// A handler of a removed lane finishes; what it asks for comes too late.
func TestRetryOfARemovedLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l := s.NewLane()
		pushAll(t, l, 1, 2)
		synctest.Wait()
		require.Equal(t, 1, l.Remove())
		s.finish(1, retryIn(time.Second))
		time.Sleep(time.Hour)
		require.Equal(t, []int{1}, s.started())
		s.empty()
	})
}

func TestRemoveOfAHeldLaneEndsADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l := s.NewLane()
		l.Hold()
		pushAll(t, l, 1, 2)
		drained := make(chan error, 1)
		go func() { drained <- s.Drain(t.Context()) }()
		synctest.Wait()
		require.Equal(t, 2, l.Remove())
		require.NoError(t, <-drained)
		s.empty()
	})
}

// What Stop has reported as left is not reported as dropped as well.
func TestRemoveAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l := s.NewLane()
		l.Hold()
		pushAll(t, l, 1, 2)
		undelivered, _ := s.Stop()
		require.Equal(t, 2, undelivered)
		require.Zero(t, l.RemoveFunc(func(v int) { t.Errorf("%d is told twice", v) }))
	})
}

func TestRemoveFuncTellsEachInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l := s.NewLane()
		pushAll(t, l, 1, 2, 3)
		s.finish(1, retryIn(time.Hour))
		l.Hold()
		pushAll(t, l, 4)
		var told []int
		require.Equal(t, 4, l.RemoveFunc(func(v int) { told = append(told, v) }))
		require.Equal(t, []int{1, 2, 3, 4}, told)
		require.Zero(t, l.RemoveFunc(func(v int) { t.Errorf("%d is told twice", v) }))
		s.empty()
	})
}

func TestIdleLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l := s.NewNamed("its owner's")
		require.Equal(t, "its owner's", l.Key())
		require.True(t, l.Idle())
		l.Hold()
		pushAll(t, l, 1)
		require.False(t, l.Idle(), "it waits")
		l.Release(nil, nil, nil)
		require.Equal(t, []int{1}, s.holding())
		require.False(t, l.Idle(), "it is inside")
		s.finish(1, retryIn(time.Hour))
		require.False(t, l.Idle(), "it waits for another attempt")
		l.Remove()
		require.True(t, l.Idle())
		s.empty()
	})
}
