package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// A push of a bounds test: into which lane, how large, with which outcome.
type sized struct {
	lane, size int
	want       queue.Outcome
}

// The lanes are held, so that everything that is accepted waits.
func TestBounds(t *testing.T) {
	const ok, over, dropped = queue.Accepted, queue.Overflowed, queue.Dropped
	for name, c := range map[string]struct {
		perLane, laneBytes, bytes int
		pushes                    []sized
	}{
		"values of a lane": {3, 100, 100, []sized{
			{0, 1, ok}, {0, 1, ok}, {0, 1, ok}, {0, 1, over}, {0, 1, dropped}, {1, 1, ok},
		}},
		"one value": {1, 100, 100, []sized{{0, 1, ok}, {0, 0, over}, {1, 1, ok}}},
		"bytes of a lane, to the byte": {10, 8, 100, []sized{
			{0, 5, ok}, {0, 3, ok}, {0, 0, ok}, {0, 1, over}, {0, 0, dropped}, {1, 8, ok}, {1, 1, over},
		}},
		"an empty lane takes one of any size": {10, 8, 100, []sized{
			{0, 50, ok}, {0, 0, over}, {1, 50, ok}, {1, 1, over},
		}},
		"a small one in front of a large one": {10, 8, 100, []sized{{0, 1, ok}, {0, 8, over}, {0, 1, dropped}}},
		"bytes of all, to the byte": {10, 50, 100, []sized{
			{0, 50, ok}, {1, 49, ok}, {2, 1, ok}, {3, 0, ok}, {3, 1, over}, {2, 1, over}, {4, 0, ok},
		}},
		"an empty lane is bound by all bytes": {10, 50, 100, []sized{{0, 50, ok}, {1, 51, over}, {2, 50, ok}}},
		"an empty set takes one of any size":  {10, 50, 100, []sized{{0, 500, ok}, {1, 1, over}, {0, 0, over}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, queue.Config[int]{
					Workers: 4, PerLane: c.perLane, LaneBytes: int64(c.laneBytes), Bytes: int64(c.bytes),
				})
				lanes := map[int]*queue.Lane[int]{}
				var want queue.Counts
				for i, p := range c.pushes {
					if lanes[p.lane] == nil {
						lanes[p.lane] = s.NewLane()
						lanes[p.lane].Hold()
					}
					require.Equal(t, p.want, lanes[p.lane].Push(i, p.size), "push %d", i)
					if p.want == ok {
						want.Queued++
						want.Bytes += int64(p.size)
					}
					require.Equal(t, want, s.Counts())
				}
				for _, l := range lanes {
					l.Release(nil, nil, nil)
				}
				s.runDry()
				s.empty()
			})
		})
	}
}

// What a handler holds does not count: room is made when it is handed over.
func TestHandlersValueTakesNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, queue.Config[int]{Workers: 1, PerLane: 1, LaneBytes: 10, Bytes: 10})
		l := s.NewLane()
		require.Equal(t, queue.Accepted, l.Push(1, 10))
		require.Equal(t, []int{1}, s.holding())
		require.Equal(t, queue.Counts{Running: 1}, s.Counts())
		require.Equal(t, queue.Accepted, l.Push(2, 10))
		require.Equal(t, queue.Overflowed, l.Push(3, 0))
		require.Equal(t, []int{1, 2}, s.runDry())
		s.empty()
	})
}

// A value that goes back for another attempt is not refused, even when its
// room was taken meanwhile.
func TestRetriedValueGoesBackIntoFullLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, queue.Config[int]{Workers: 1, PerLane: 1, LaneBytes: 10, Bytes: 10})
		l := s.NewLane()
		require.Equal(t, queue.Accepted, l.Push(1, 10))
		synctest.Wait()
		require.Equal(t, queue.Accepted, l.Push(2, 10))
		s.finish(1, retryIn(time.Second))
		require.Equal(t, queue.Counts{Queued: 2, Bytes: 20}, s.Counts())
		require.Equal(t, queue.Overflowed, l.Push(3, 1))
		time.Sleep(time.Second)
		require.Equal(t, []int{1, 1, 2}, s.runDry())
		s.empty()
	})
}

// Room that Remove and a refusing keep make is there for others at once.
func TestRoomComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, queue.Config[int]{Workers: 1, PerLane: 10, LaneBytes: 10, Bytes: 10})
		a, b := s.NewLane(), s.NewLane()
		a.Hold()
		b.Hold()
		require.Equal(t, queue.Accepted, a.Push(1, 10))
		require.Equal(t, 1, a.Remove())
		require.Equal(t, queue.Accepted, b.Push(2, 10))
		b.Release(nil, nil, func(int) bool { return false })
		c := s.NewLane()
		require.Equal(t, queue.Accepted, c.Push(3, 10))
		require.Equal(t, []int{3}, s.runDry())
		s.empty()
	})
}

// Only what need not wait at all needs no room in Bytes: not what comes behind
// another value of its lane, nor what comes when the free workers are as good as
// taken. PushAll lets no worker begin in between.
func TestOnlyWhatNeedNotWaitNeedsNoRoom(t *testing.T) {
	for name, c := range map[string]struct {
		workers int
		lanes   []int // of one byte each
		fit     int
	}{
		"a worker for each":    {workers: 3, lanes: []int{0, 1, 2}, fit: 3},
		"one worker too few":   {workers: 2, lanes: []int{0, 1, 2}, fit: 2},
		"behind another value": {workers: 3, lanes: []int{0, 0, 1}, fit: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, queue.Config[int]{Workers: c.workers, PerLane: 9, LaneBytes: 10, Bytes: 10})
				full := s.NewLane()
				full.Hold()
				require.Equal(t, queue.Accepted, full.Push(-1, 10))
				lanes := []*queue.Lane[int]{s.NewLane(), s.NewLane(), s.NewLane()}
				var entries []queue.Entry[int]
				for v, i := range c.lanes {
					entries = append(entries, queue.Entry[int]{Lane: lanes[i], V: v, Size: 1})
				}
				admitted := 0
				n, out := s.PushAll(entries, func(int) { admitted++ })
				require.Equal(t, c.fit, admitted)
				if c.fit == len(entries) {
					require.Equal(t, queue.Accepted, out)
				} else {
					require.Equal(t, queue.Overflowed, out)
					require.Equal(t, c.fit+1, n)
				}
				require.Len(t, s.holding(), c.fit)
				full.Remove()
				s.runDry()
				s.empty()
			})
		})
	}
}
