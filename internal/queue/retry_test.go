package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

func TestRetryKeepsTheHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l, other := s.NewLane(), s.NewLane()
		pushAll(t, l, 1, 2)
		start := time.Now()
		s.finish(1, retryIn(time.Minute))
		require.Empty(t, s.holding(), "2 waits behind 1")
		require.Zero(t, s.Workers(), "waiting needs no worker")
		require.Equal(t, queue.Counts{Queued: 2, Bytes: 2}, s.Counts())

		pushAll(t, other, 11)
		s.finish(11, done)
		require.Equal(t, start, time.Now(), "other lanes go on")

		time.Sleep(time.Minute - time.Nanosecond)
		require.Empty(t, s.holding())
		time.Sleep(time.Nanosecond)
		require.Equal(t, []int{1}, s.holding(), "to the nanosecond")
		s.finish(1, retryIn(time.Second))
		pushAll(t, l, 3)
		time.Sleep(time.Second)
		require.Equal(t, []int{1}, s.holding())
		s.runDry()
		require.Equal(t, []call{{1, 1}, {11, 1}, {1, 2}, {1, 3}, {2, 1}, {3, 1}}, s.calls)
		s.empty()
	})
}

func TestRetryAtOnce(t *testing.T) {
	for name, d := range map[string]time.Duration{"zero": 0, "negative": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, wide(1))
				l := s.NewLane()
				pushAll(t, l, 1, 2)
				s.finish(1, retryIn(d))
				require.Equal(t, []int{1}, s.holding())
				require.Equal(t, []int{1, 1, 2}, s.runDry())
				s.empty()
			})
		})
	}
}

// The attempts of one value are not counted on the next.
func TestAttemptsAreOfOneValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l := s.NewLane()
		pushAll(t, l, 1, 2)
		for range 9 {
			s.finish(1, retryIn(0))
		}
		s.finish(1, done)
		s.finish(2, retryIn(0))
		s.finish(2, done)
		require.Equal(t, []call{{1, 9}, {1, 10}, {2, 1}, {2, 2}}, s.calls[8:])
		s.empty()
	})
}

// Many lanes retry at once: each has its own time, and all are handed over.
func TestManyLanesRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 500
		cfg := wide(3)
		at := make([]time.Duration, n)
		start := time.Now()
		cfg.Handle = func(v, attempt int) (time.Duration, bool) {
			at[v] = time.Since(start) // of its own lane: no two at once
			return time.Duration(v+1) * time.Second, attempt < 3
		}
		s := queue.New(cfg)
		for v := range n {
			pushAll(t, s.NewLane(), v)
		}
		require.NoError(t, s.Drain(t.Context()))
		for v := range n {
			require.Equal(t, 2*time.Duration(v+1)*time.Second, at[v])
		}
		require.Zero(t, s.Sleeping())
	})
}

func TestRetryDuringDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l := s.NewLane()
		pushAll(t, l, 1)
		drained := make(chan error, 1)
		go func() { drained <- s.Drain(t.Context()) }()
		s.finish(1, retryIn(time.Minute))
		require.Empty(t, drained, "it waits for the next attempt")
		time.Sleep(time.Minute)
		s.finish(1, retryIn(time.Minute))
		require.Empty(t, drained)
		time.Sleep(time.Minute)
		s.finish(1, done)
		require.NoError(t, <-drained)
	})
}
