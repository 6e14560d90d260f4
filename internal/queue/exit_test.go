package queue_test

import (
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// A handler that ends its goroutine, as t.FailNow does, costs nothing but
// itself: its value is done, its lane and its worker's place are free.
func TestGoexitInAHandler(t *testing.T) {
	for mode, inOrder := range map[string]bool{"lanes": false, "arrival": true} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := wide(1)
				cfg.Arrival = inOrder
				s := newStage(t, cfg)
				l, other := s.NewLane(), s.NewLane()
				pushAll(t, l, 1, 2)
				pushAll(t, other, 11)
				s.PushKeyed("k", 21, 1)
				for s.Counts() != (queue.Counts{}) {
					require.Len(t, s.holding(), 1)
					require.Equal(t, 1, s.Workers())
					s.finish(s.holding()[0], verdict{goexit: true})
				}
				require.ElementsMatch(t, []int{1, 2, 11, 21}, s.started())
				s.Running(func(int, int, time.Time) { t.Error("no handler runs") })
				s.empty()
				require.NoError(t, s.Drain(t.Context()))
			})
		})
	}
}

// Others that wait for a worker get one, and those who wait for quiet are told.
func TestGoexitOfTheLastValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(2))
		a, b := s.NewLane(), s.NewLane()
		pushAll(t, a, 1)
		pushAll(t, b, 2)
		drained := make(chan error, 1)
		go func() { drained <- s.Drain(t.Context()) }()
		s.finish(1, verdict{goexit: true})
		require.Equal(t, queue.Counts{Running: 1}, s.Counts())
		s.finish(2, verdict{goexit: true})
		require.NoError(t, <-drained)
		s.empty()
	})
}

func TestGoexitWithOverflow(t *testing.T) {
	for where, inDry := range map[string]bool{"in a handler": false, "in Dry": true} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := narrow(1)
				cfg.Dry = func(l *queue.Lane[int]) {
					l.Reopen()
					l.Push(9, 1)
					if inDry {
						runtime.Goexit()
					}
				}
				s := newStage(t, cfg)
				l := s.NewLane()
				push(l, 1)
				synctest.Wait()
				push(l, 2, 3, 4)
				other := s.NewLane()
				pushAll(t, other, 11)
				s.finish(1, done)
				s.finish(11, done)
				s.finish(2, done)
				s.finish(3, verdict{goexit: !inDry})
				require.Len(t, s.dries(), 1)
				require.Equal(t, []int{9}, s.holding())
				s.finish(9, done)
				s.empty()
			})
		})
	}
}

// After Stop nobody takes over.
func TestGoexitAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, wide(1))
		l := s.NewLane()
		pushAll(t, l, 1, 2)
		synctest.Wait()
		undelivered, _ := s.Stop()
		require.Equal(t, 1, undelivered)
		waited := make(chan int, 1)
		go func() {
			running, _ := s.Wait(t.Context())
			waited <- running
		}()
		s.finish(1, verdict{goexit: true})
		require.Zero(t, <-waited)
		require.Equal(t, []int{1}, s.started())
		require.Zero(t, s.Workers())
	})
}

func TestGoexitUnderLoad(t *testing.T) {
	const n = 5000
	var handled atomic.Int32
	cfg := wide(3)
	cfg.Handle = func(v, _ int) (time.Duration, bool) {
		handled.Add(1)
		if v%3 == 0 {
			runtime.Goexit()
		}
		return 0, false
	}
	s := queue.New(cfg)
	lanes := []*queue.Lane[int]{s.NewLane(), s.NewLane(), s.NewLane(), s.NewLane(), s.NewLane()}
	for v := range n {
		pushAll(t, lanes[v%len(lanes)], v)
	}
	require.NoError(t, s.Drain(t.Context()))
	require.EqualValues(t, n, handled.Load())
	require.Equal(t, queue.Counts{}, s.Counts())
	require.Zero(t, s.Workers())
}

// A handler's panic is not swallowed: it ends the process, and does not hang it.
func TestPanicEndsTheProcess(t *testing.T) {
	const child = "QUEUE_TEST_PANICKING_CHILD"
	if os.Getenv(child) != "" {
		cfg := wide(2)
		cfg.Handle = func(v, _ int) (time.Duration, bool) { panic("a handler's own fault") }
		s := queue.New(cfg)
		pushAll(t, s.NewLane(), 1, 2)
		_ = s.Drain(t.Context())
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanicEndsTheProcess$", "-test.timeout=30s")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "panic: a handler's own fault")
	require.NotContains(t, string(out), "timed out")
}
