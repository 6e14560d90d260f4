package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// narrow is a Config of lanes with room for two values.
func narrow(workers int) queue.Config[int] {
	cfg := wide(workers)
	cfg.PerLane = 2
	return cfg
}

// push pushes values of one byte and returns their outcomes.
func push(l *queue.Lane[int], vs ...int) []queue.Outcome {
	var outs []queue.Outcome
	for _, v := range vs {
		outs = append(outs, l.Push(v, 1))
	}
	return outs
}

func TestOverflowDeliversAnExactPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, narrow(4))
		l := s.NewLane()
		pushAll(t, l, 0)
		synctest.Wait()
		require.Equal(t,
			[]queue.Outcome{queue.Accepted, queue.Accepted, queue.Overflowed, queue.Dropped, queue.Dropped},
			push(l, 1, 2, 3, 4, 5))
		s.finish(0, done)
		require.Equal(t, []queue.Outcome{queue.Dropped}, push(l, 6), "room alone does not end an overflow")
		s.finish(1, done)
		require.Empty(t, s.dries(), "the last accepted value is still inside")
		s.finish(2, done)
		require.Equal(t, []*queue.Lane[int]{l}, s.dries())
		require.Equal(t, []queue.Outcome{queue.Dropped, queue.Dropped}, push(l, 7, 8), "nor does running dry")

		l.Reopen()
		pushAll(t, l, 9, 10)
		require.Equal(t, []int{0, 1, 2, 9, 10}, s.runDry())
		require.Len(t, s.dries(), 1, "once per overflow")
		s.empty()
	})
}

func TestEachOverflowIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, narrow(1))
		l := s.NewLane()
		for round := 1; round <= 3; round++ {
			require.Contains(t, push(l, 1, 2, 3, 4), queue.Overflowed)
			s.runDry()
			require.Len(t, s.dries(), round)
			l.Reopen()
		}
		s.empty()
	})
}

// An overflow that was ended before its lane ran dry needs no telling.
func TestReopenedBeforeDry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, narrow(1))
		l := s.NewLane()
		push(l, 1)
		synctest.Wait()
		push(l, 2, 3, 4)
		l.Reopen()
		s.finish(1, done)
		pushAll(t, l, 5)
		require.Equal(t, []int{1, 2, 3, 5}, s.runDry())
		require.Empty(t, s.dries())
		s.empty()
	})
}

// A lane that had nothing is dry as soon as a push finds no room in the set.
func TestEmptyLaneOverflows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, queue.Config[int]{Workers: 1, PerLane: 9, LaneBytes: 10, Bytes: 10})
		busy, full, l := s.NewLane(), s.NewLane(), s.NewLane()
		busy.Push(9, 1)
		require.Equal(t, []int{9}, s.holding())
		full.Hold()
		full.Push(1, 10)
		require.Equal(t, queue.Overflowed, l.Push(2, 1), "no worker is free: it would have to wait")
		s.finish(9, done)
		require.Equal(t, []*queue.Lane[int]{l}, s.dries())
		full.Release(nil, nil, nil)
		require.Equal(t, []int{9, 1}, s.runDry())
		s.empty()
	})
}

// Isolation: what need not wait takes no room from what does.
func TestEmptyLaneWithAFreeWorkerNeedsNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, queue.Config[int]{Workers: 2, PerLane: 9, LaneBytes: 10, Bytes: 10})
		full, l := s.NewLane(), s.NewLane()
		full.Hold()
		full.Push(1, 10)
		require.Equal(t, queue.Accepted, l.Push(2, 5))
		require.Equal(t, []int{2}, s.holding())
		require.Equal(t, queue.Overflowed, l.Push(3, 1), "behind a running handler it would have to wait")
		full.Release(nil, nil, nil)
		require.Equal(t, []int{2, 1}, s.runDry())
		require.Equal(t, []*queue.Lane[int]{l}, s.dries())
		s.empty()
	})
}

func TestHeldLaneRunsDryAfterRelease(t *testing.T) {
	for name, arrival := range map[string]bool{"lanes": false, "arrival": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := narrow(2)
				cfg.Arrival = arrival
				s := newStage(t, cfg)
				full, emptied := s.NewLane(), s.NewLane()
				for _, l := range []*queue.Lane[int]{full, emptied} {
					l.Hold()
					require.Equal(t, []queue.Outcome{queue.Accepted, queue.Accepted, queue.Overflowed}, push(l, 1, 2, 3))
				}
				require.Empty(t, s.dries())
				emptied.Release(nil, nil, func(int) bool { return false })
				require.Equal(t, []*queue.Lane[int]{emptied}, s.dries())
				full.Release(nil, nil, nil)
				require.Equal(t, []int{1, 2}, s.runDry())
				require.Equal(t, []*queue.Lane[int]{emptied, full}, s.dries())
				s.empty()
			})
		})
	}
}

func TestDryWaitsForTheLastRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, narrow(1))
		l := s.NewLane()
		push(l, 1)
		synctest.Wait()
		push(l, 2, 3, 4)
		s.finish(1, done)
		s.finish(2, done)
		s.finish(3, retryIn(time.Minute))
		require.Empty(t, s.dries())
		time.Sleep(time.Minute)
		s.finish(3, done)
		require.Len(t, s.dries(), 1)
		s.empty()
	})
}

func TestRemovedLaneIsNotToldDry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, narrow(1))
		l := s.NewLane()
		push(l, 1)
		synctest.Wait()
		push(l, 2, 3, 4)
		require.Equal(t, 2, l.Remove())
		s.finish(1, done)
		require.Empty(t, s.dries())
		s.empty()
	})
}

// Dry holds no lock and may do all that an owner does; nothing of the lane is
// handed over before it has returned.
func TestDryMayUseTheLane(t *testing.T) {
	for name, c := range map[string]struct {
		dry   func(t *testing.T, l *queue.Lane[int])
		after func(l *queue.Lane[int])
		want  []int
	}{
		"push into the overflow": {dry: func(t *testing.T, l *queue.Lane[int]) {
			require.Equal(t, queue.Dropped, l.Push(7, 1))
		}},
		"reopen and push": {dry: func(t *testing.T, l *queue.Lane[int]) {
			l.Reopen()
			pushAll(t, l, 7, 8)
			require.Equal(t, 2, l.Len())
		}, want: []int{7, 8}},
		"hold, reopen, release": {dry: func(t *testing.T, l *queue.Lane[int]) {
			l.Hold()
			l.Reopen()
			pushAll(t, l, 7)
			l.Release([]int{6}, oneByte, nil)
		}, want: []int{6, 7}},
		"first finds room where a push does not": {dry: func(t *testing.T, l *queue.Lane[int]) {
			l.Hold()
			l.Reopen()
			l.Release([]int{6}, func(int) int { return 1 << 30 }, nil)
		}, want: []int{6}},
		"hold and reopen, release later": {dry: func(t *testing.T, l *queue.Lane[int]) {
			l.Hold()
			l.Reopen()
			pushAll(t, l, 7)
		}, after: func(l *queue.Lane[int]) { l.Release([]int{6}, oneByte, nil) }, want: []int{6, 7}},
		"remove": {dry: func(t *testing.T, l *queue.Lane[int]) {
			l.Reopen()
			pushAll(t, l, 7)
			require.Equal(t, 1, l.Remove())
		}},
	} {
		for mode, arrival := range map[string]bool{"lanes": false, "arrival": true} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := narrow(4)
					cfg.Arrival = arrival
					gate := make(chan struct{})
					cfg.Dry = func(l *queue.Lane[int]) {
						c.dry(t, l)
						<-gate
					}
					s := newStage(t, cfg)
					l := s.NewLane()
					l.Hold()
					push(l, 1, 2, 3)
					l.Release(nil, nil, nil)
					s.finish(1, done)
					s.finish(2, done)
					require.Equal(t, []int{1, 2}, s.started(), "Dry is still inside")
					require.Zero(t, s.Counts().Running, "Dry is no handler")
					close(gate)
					synctest.Wait()
					if c.after != nil {
						require.Equal(t, []int{1, 2}, s.started())
						c.after(l)
					}
					require.Equal(t, append([]int{1, 2}, c.want...), s.runDry())
					require.Len(t, s.dries(), 1)
					s.empty()
				})
			})
		}
	}
}

// A lane that overflows again inside its own Dry is told again.
func TestOverflowInsideDry(t *testing.T) {
	for mode, arrival := range map[string]bool{"lanes": false, "arrival": true} {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := narrow(4)
				cfg.Arrival = arrival
				rounds := 0
				cfg.Dry = func(l *queue.Lane[int]) {
					if rounds++; rounds < 4 {
						l.Reopen()
						push(l, 1, 2, 3)
					}
				}
				s := newStage(t, cfg)
				l := s.NewLane()
				l.Hold()
				push(l, 1, 2, 3)
				l.Release(nil, nil, nil)
				require.Equal(t, []int{1, 2, 1, 2, 1, 2, 1, 2}, s.runDry())
				require.Len(t, s.dries(), 4)
				s.empty()
			})
		})
	}
}

func TestOverflowWithoutDry(t *testing.T) {
	var got []int
	cfg := narrow(1)
	cfg.Handle = func(v, _ int) (time.Duration, bool) { got = append(got, v); return 0, false }
	s := queue.New(cfg)
	l := s.NewLane()
	l.Hold()
	push(l, 1, 2, 3)
	l.Release(nil, nil, nil)
	require.NoError(t, s.Drain(t.Context()))
	require.Equal(t, queue.Dropped, l.Push(4, 1))
	l.Reopen()
	pushAll(t, l, 5)
	require.NoError(t, s.Drain(t.Context()))
	require.Equal(t, []int{1, 2, 5}, got)
}

// Drain waits for a Dry that is inside.
func TestDrainWaitsForDry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		cfg := narrow(1)
		cfg.Dry = func(*queue.Lane[int]) { <-gate }
		s := newStage(t, cfg)
		l := s.NewLane()
		l.Hold()
		push(l, 1, 2, 3)
		l.Release(nil, nil, nil)
		s.runDry()
		drained := make(chan error, 1)
		go func() { drained <- s.Drain(t.Context()) }()
		synctest.Wait()
		require.Empty(t, drained)
		close(gate)
		require.NoError(t, <-drained)
	})
}

// Overflow is what the next push would do to a lane that has reached a bound, to
// the value and to the byte.
func TestOverflowOfALaneThatIsFull(t *testing.T) {
	const perLane, laneBytes, bytes = 3, 10, 20
	for name, c := range map[string]struct {
		sizes []int // of what waits in the lane
		other int   // bytes of another one
		want  bool
	}{
		"nothing waits":                        {},
		"nothing waits, the set is full":       {other: bytes},
		"one value less":                       {sizes: []int{1, 1}},
		"values":                               {sizes: []int{1, 1, 1}, want: true},
		"one byte less":                        {sizes: []int{5, 4}},
		"bytes":                                {sizes: []int{5, 5}, want: true},
		"one large value":                      {sizes: []int{15}, want: true},
		"the set has room for one byte":        {sizes: []int{1}, other: bytes - 2},
		"the set is full":                      {sizes: []int{1}, other: bytes - 1, want: true},
		"the set is full by values of no size": {sizes: []int{0}, other: bytes, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, queue.Config[int]{Workers: 1, PerLane: perLane, LaneBytes: laneBytes, Bytes: bytes})
				busy, l, other := s.NewLane(), s.NewLane(), s.NewLane()
				busy.Push(0, 1)
				require.Equal(t, []int{0}, s.holding())
				want := []int{0}
				for i, size := range c.sizes {
					require.Equal(t, queue.Accepted, l.Push(1+i, size))
					want = append(want, 1+i)
				}
				other.Hold()
				if c.other > 0 {
					other.PushBefore(9, c.other)
				}

				l.Hold()
				require.False(t, l.Overflow(), "a held lane is left as it is")
				l.Release(nil, nil, nil)
				require.Equal(t, c.want, l.Overflow())
				require.Equal(t, c.want, l.Overflow(), "it says the same again")
				if c.want {
					require.Equal(t, queue.Dropped, l.Push(8, 0))
				}
				require.Equal(t, want, s.runDry())
				require.Equal(t, c.want, len(s.dries()) == 1)
				l.Reopen()
				require.False(t, l.Overflow())
				other.Remove()
				s.empty()
			})
		})
	}
}
