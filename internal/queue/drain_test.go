package queue_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

func TestDrainWaitsForRunningHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(2))
		require.NoError(t, s.Drain(t.Context()), "nothing waits")
		pushAll(t, s.NewLane(), 1, 2)
		pushAll(t, s.NewLane(), 11)
		const drains = 5 // several at once
		drained := make(chan error, drains)
		for range drains {
			go func() { drained <- s.Drain(t.Context()) }()
		}
		for _, v := range []int{1, 11, 2} {
			synctest.Wait()
			require.Empty(t, drained)
			s.finish(v, done)
		}
		for range drains {
			require.NoError(t, <-drained)
		}
		s.empty()

		pushAll(t, s.NewLane(), 3) // and once more
		go func() { drained <- s.Drain(t.Context()) }()
		synctest.Wait()
		require.Empty(t, drained)
		s.finish(3, done)
		require.NoError(t, <-drained)
	})
}

func TestDrainEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(2))
		held := s.NewLane()
		held.Hold()
		pushAll(t, held, 1)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		patient := make(chan error, 1)
		go func() { patient <- s.Drain(t.Context()) }()
		require.ErrorIs(t, s.Drain(ctx), context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))
		synctest.Wait()
		require.Empty(t, patient, "one that gives up does not wake another")
		held.Release(nil, nil, nil)
		s.finish(1, done)
		require.NoError(t, <-patient)
	})
}

// That nothing waits is said also to one who has no time left.
func TestDrainOfAnIdleSetWithEndedContext(t *testing.T) {
	s := queue.New(wide(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		require.NoError(t, s.Drain(ctx))
	}
}
