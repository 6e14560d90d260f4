package queue_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// payload is about what the library pushes: two pointers.
type payload struct{ a, b *int }

// BenchmarkPushHandle pushes from parallel producers over lanes, in turn, and
// hands over. What waits is bounded, so that it measures both ends.
func BenchmarkPushHandle(b *testing.B) {
	for _, arrival := range []bool{false, true} {
		for _, lanes := range []int{1, 8, 1000} {
			mode := "lanes"
			if arrival {
				mode = "arrival"
			}
			b.Run(fmt.Sprintf("%s=%d", mode, lanes), func(b *testing.B) {
				benchmarkPushHandle(b, lanes, arrival)
			})
		}
	}
}

func benchmarkPushHandle(b *testing.B, lanes int, arrival bool) {
	var inside atomic.Int64
	s := queue.New(queue.Config[payload]{
		Workers: 256, PerLane: 1 << 20, LaneBytes: 1 << 40, Bytes: 1 << 40, Arrival: arrival,
		Handle: func(payload, int) (time.Duration, bool) { inside.Add(-1); return 0, false },
	})
	all := make([]*queue.Lane[payload], lanes)
	for i := range all {
		all[i] = s.NewLane()
	}
	var producers atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(4)
	b.RunParallel(func(pb *testing.PB) {
		v := new(int)
		for i := int(producers.Add(1)) * 7919; pb.Next(); i++ {
			for inside.Load() > 1<<12 {
				runtime.Gosched()
			}
			inside.Add(1)
			if all[i%lanes].Push(payload{v, v}, 300+i%700) != queue.Accepted {
				b.Error("no room")
			}
		}
	})
	_ = s.Drain(b.Context())
}

// BenchmarkPushBacklog pushes into a lane in which about n values wait, one
// handed over for each one pushed.
func BenchmarkPushBacklog(b *testing.B) {
	for _, n := range []int{10, 512, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			turn, handled := make(chan struct{}), make(chan struct{}, 1)
			s := queue.New(queue.Config[payload]{
				Workers: 1, PerLane: n + 1, LaneBytes: 1 << 40, Bytes: 1 << 40,
				Handle: func(payload, int) (time.Duration, bool) {
					<-turn
					handled <- struct{}{}
					return 0, false
				},
			})
			l := s.NewLane()
			for range n {
				l.Push(payload{}, 300)
			}
			b.ReportAllocs()
			for b.Loop() {
				l.Push(payload{}, 300)
				turn <- struct{}{}
				<-handled
			}
			l.Remove()
			close(turn)
			_ = s.Drain(b.Context())
		})
	}
}

// BenchmarkPushKeyed makes and forgets a lane for about each value.
func BenchmarkPushKeyed(b *testing.B) {
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("xpub of a wallet, number %d", i)
	}
	var inside atomic.Int64
	s := queue.New(queue.Config[payload]{
		Workers: 256, PerLane: 1024, LaneBytes: 1 << 40, Bytes: 1 << 40,
		Handle: func(payload, int) (time.Duration, bool) { inside.Add(-1); return 0, false },
	})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for inside.Load() > 1<<12 {
			runtime.Gosched()
		}
		inside.Add(1)
		s.PushKeyed(keys[i%len(keys)], payload{}, 300)
	}
	_ = s.Drain(b.Context())
}
