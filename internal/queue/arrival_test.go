package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

func arrival() queue.Config[int] {
	cfg := wide(8) // Arrival makes it one
	cfg.Arrival = true
	return cfg
}

func TestArrivalOrderOverLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, arrival())
		lanes := make([]*queue.Lane[int], 7)
		for i := range lanes {
			lanes[i] = s.NewLane()
		}
		var want []int
		for v := range 300 {
			if lane := v * v * 31 % 8; lane < 7 {
				pushAll(t, lanes[lane], v)
			} else {
				require.Equal(t, queue.Accepted, s.PushKeyed("key", v, 1))
			}
			want = append(want, v)
		}
		require.Len(t, s.holding(), 1, "one at a time")
		require.Equal(t, want, s.runDry())
		s.empty()
	})
}

func TestArrivalPushFromHandle(t *testing.T) {
	var got []int
	cfg := arrival()
	var a, b *queue.Lane[int]
	cfg.Handle = func(v, _ int) (time.Duration, bool) {
		got = append(got, v)
		if v < 100 {
			a.Push(1000+v, 1)
			b.Push(2000+v, 1)
		}
		return 0, false
	}
	s := queue.New(cfg)
	a, b = s.NewLane(), s.NewLane()
	a.Hold()
	pushAll(t, a, 1, 2)
	a.Release(nil, nil, nil)
	require.NoError(t, s.Drain(t.Context()))
	require.ElementsMatch(t, []int{1, 2, 1001, 2001, 1002, 2002}, got)
	require.Equal(t, []int{1, 2, 1001, 2001, 1002, 2002}, got)
}

// A held value keeps its place among those that still wait when it is released.
func TestArrivalHoldAndRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, arrival())
		busy, a, b := s.NewLane(), s.NewLane(), s.NewLane()
		pushAll(t, busy, 0)
		synctest.Wait()
		pushAll(t, a, 1)
		pushAll(t, b, 2)
		a.Hold()
		pushAll(t, a, 3)
		pushAll(t, b, 4)
		a.Release(nil, nil, nil)
		pushAll(t, b, 5)
		pushAll(t, a, 6)
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6}, s.runDry())
		s.empty()
	})
}

// Values whose turn came while they were held are the oldest afterwards.
func TestArrivalReleaseAfterTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, arrival())
		busy, a, b := s.NewLane(), s.NewLane(), s.NewLane()
		pushAll(t, busy, 0)
		synctest.Wait()
		pushAll(t, a, 1)
		pushAll(t, b, 2, 3, 4)
		pushAll(t, a, 5)
		pushAll(t, b, 6)
		a.Hold()
		s.finish(0, done)
		s.finish(2, done)
		require.Equal(t, []int{3}, s.holding())
		a.Release(nil, nil, nil)
		require.Equal(t, []int{0, 2, 3, 1, 4, 5, 6}, s.runDry())
		s.empty()
	})
}

// Holding and releasing again and again while the one worker is inside leaves
// nothing behind that a later value could use to jump the line.
func TestArrivalRepeatedRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, arrival())
		a, b := s.NewLane(), s.NewLane()
		pushAll(t, b, 0)
		synctest.Wait()
		pushAll(t, a, 1, 2)
		for range 1000 {
			a.Hold()
			a.Release(nil, nil, nil)
		}
		require.LessOrEqual(t, s.InLine(), 2)
		s.finish(0, done)
		s.finish(1, done)
		require.Equal(t, []int{2}, s.holding())
		pushAll(t, b, 3)
		pushAll(t, a, 4)
		require.Equal(t, []int{0, 1, 2, 3, 4}, s.runDry())
		s.empty()
	})
}

func TestArrivalReleaseWithFirstAndKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, arrival())
		busy, a, b, c := s.NewLane(), s.NewLane(), s.NewLane(), s.NewLane()
		pushAll(t, busy, 0)
		synctest.Wait()
		a.Hold()
		c.Hold()
		pushAll(t, b, 1)
		pushAll(t, a, 2, 4)
		pushAll(t, b, 3)
		pushAll(t, a, 6)
		a.Release([]int{11, 12}, oneByte, func(v int) bool { return v != 2 }) // they stand where 2 stood
		c.Release([]int{21}, oneByte, nil)                                    // nothing waited: it comes now
		pushAll(t, b, 7)
		require.Equal(t, []int{0, 1, 11, 12, 4, 3, 6, 21, 7}, s.runDry())
		s.empty()
	})
}

// A lane that waits for its head's next attempt lets others go on; then its
// values are the oldest.
func TestArrivalRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, arrival())
		a, b := s.NewLane(), s.NewLane()
		pushAll(t, a, 1, 2)
		pushAll(t, b, 3)
		pushAll(t, a, 4)
		s.finish(1, retryIn(time.Minute))
		s.finish(3, done)
		require.Empty(t, s.holding())
		time.Sleep(time.Minute)
		synctest.Wait()
		pushAll(t, b, 5)
		require.Equal(t, []int{1, 3, 1, 2, 4, 5}, s.runDry())
		s.empty()
		require.NoError(t, s.Drain(t.Context()))
	})
}

func TestArrivalOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := arrival()
		cfg.PerLane = 2
		var s *stage
		cfg.Dry = func(l *queue.Lane[int]) {
			l.Reopen()
			pushAll(t, l, 100)
		}
		s = newStage(t, cfg)
		busy, a, b := s.NewLane(), s.NewLane(), s.NewLane()
		pushAll(t, busy, 0)
		synctest.Wait()
		require.Equal(t, []queue.Outcome{queue.Accepted, queue.Accepted, queue.Overflowed, queue.Dropped}, push(a, 1, 2, 3, 4))
		pushAll(t, b, 5)
		require.Equal(t, []int{0, 1, 2, 5, 100}, s.runDry())
		require.Equal(t, []*queue.Lane[int]{a}, s.dries())
		s.empty()
	})
}

func TestArrivalRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, arrival())
		busy, a, b := s.NewLane(), s.NewLane(), s.NewLane()
		pushAll(t, busy, 0)
		synctest.Wait()
		for v := 1; v < 10; v += 2 {
			pushAll(t, a, v)
			pushAll(t, b, v+1)
		}
		require.Equal(t, 5, a.Remove())
		require.Equal(t, []int{0, 2, 4, 6, 8, 10}, s.runDry())
		s.empty()
	})
}

// What is put into an open lane comes now: neither before what other lanes have
// already, nor behind what they get later.
func TestArrivalOfWhatIsPutIntoAnOpenLane(t *testing.T) {
	for name, put := range map[string]func(s *stage, l *queue.Lane[int], v int){
		"PushBefore": func(_ *stage, l *queue.Lane[int], v int) { l.PushBefore(v, 1) },
		"Insert":     func(_ *stage, l *queue.Lane[int], v int) { l.Insert([]queue.Placed[int]{{V: v, Size: 1}}) },
		"PushFunc":   func(_ *stage, l *queue.Lane[int], v int) { l.PushFunc(1, func() int { return v }) },
		"PushAll": func(s *stage, l *queue.Lane[int], v int) {
			s.PushAll([]queue.Entry[int]{{Lane: l, V: v, Size: 1}}, func(int) {})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, arrival())
				a, b := s.NewLane(), s.NewLane()
				pushAll(t, s.NewLane(), 0) // takes the worker
				synctest.Wait()
				pushAll(t, a, 1)
				pushAll(t, b, 2)
				put(s, a, 3)
				pushAll(t, b, 4)
				put(s, a, 5)
				pushAll(t, b, 6)
				require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6}, s.runDry())

				// The next one is in another lane, which is in line already.
				pushAll(t, b, 7)
				synctest.Wait()
				pushAll(t, a, 8)
				put(s, a, 9)
				pushAll(t, s.NewLane(), 10)
				require.Equal(t, []int{7, 8, 9, 10}, s.runDry()[7:])
				s.empty()
			})
		})
	}
}

// What is put before a value of a held lane takes that one's place in the order;
// what goes behind all of them comes now.
func TestArrivalOfWhatIsInserted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, arrival())
		a, b := s.NewLane(), s.NewLane()
		pushAll(t, s.NewLane(), 0) // takes the worker
		synctest.Wait()
		a.Hold()
		pushAll(t, b, 1)
		pushAll(t, a, 4)
		pushAll(t, b, 5)
		pushAll(t, a, 8)
		pushAll(t, b, 9)
		a.Insert([]queue.Placed[int]{{V: 3, Size: 1, Before: 0}, {V: 6, Size: 1, Before: 1}, {V: 7, Size: 1, Before: 1}, {V: 10, Size: 1, Before: 2}})
		pushAll(t, b, 11)
		a.PushBefore(2, 1)
		a.Release(nil, nil, nil)
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, s.runDry())
		s.empty()

		// The next one is in line already when the hold ends.
		for name, put := range map[string]func(){
			"into an empty lane": func() { a.Insert([]queue.Placed[int]{{V: 2, Size: 1}}) },
			"before a value": func() {
				pushAll(t, a, 3)
				pushAll(t, b, 4)
				a.PushBefore(2, 1)
			},
		} {
			begun := len(s.started())
			pushAll(t, s.NewLane(), 1) // takes the worker
			synctest.Wait()
			a.Hold()
			put()
			pushAll(t, b, 5)
			a.Release(nil, nil, nil)
			got := s.runDry()[begun:]
			require.IsIncreasing(t, got, name)
		}
		s.empty()
	})
}

// One that has only its overflow to tell goes before all that wait.
func TestArrivalTellsAnOverflowFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := arrival()
		cfg.PerLane = 1
		gate := make(chan struct{})
		cfg.Dry = func(*queue.Lane[int]) { <-gate }
		s := newStage(t, cfg)
		first, dry := s.NewLane(), s.NewLane()
		first.Hold()
		pushAll(t, first, 1) // the oldest of all
		pushAll(t, s.NewLane(), 2)
		require.Equal(t, []int{2}, s.holding())
		dry.Hold()
		require.Equal(t, []queue.Outcome{queue.Accepted, queue.Overflowed}, push(dry, 3, 4))
		first.Release(nil, nil, nil)
		dry.Release(nil, nil, func(int) bool { return false })
		s.finish(2, done)
		require.Equal(t, []*queue.Lane[int]{dry}, s.dries())
		require.Equal(t, []int{2}, s.started())
		close(gate)
		require.Equal(t, []int{2, 1}, s.runDry())
		s.empty()
	})
}
