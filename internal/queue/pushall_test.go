package queue_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// PushAll is one push after another: the same values find room, and they come in
// the same order.
func TestPushAllIsPushAfterPush(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		together, single := newPushed(seed), newPushed(seed)
		values := make([]int, 300)
		for i := range values {
			values[i] = i
		}
		for len(values) > 0 {
			n := min(len(values), 1+r.IntN(40))
			for _, v := range values[:n] {
				single.push(v)
			}
			together.pushAll(t, values[:n])
			values = values[n:]
		}
		require.Equal(t, single.outcomes, together.outcomes)
		require.Equal(t, single.admitted, together.admitted)
		require.Equal(t, single.s.Counts(), together.s.Counts())
		require.Equal(t, single.handOver(t), together.handOver(t))
	}
}

// pushed is a Set whose lanes are held, so that what finds room does not depend
// on workers.
type pushed struct {
	s        *queue.Set[int]
	lanes    []*queue.Lane[int]
	seed     uint64
	outcomes map[int]queue.Outcome
	admitted []int

	mu      sync.Mutex
	handled map[int][]int // by lane
}

func newPushed(seed uint64) *pushed {
	p := &pushed{seed: seed, outcomes: map[int]queue.Outcome{}, handled: map[int][]int{}}
	r := rand.New(rand.NewPCG(seed, 4))
	p.s = queue.New(queue.Config[int]{
		Workers: 1 + r.IntN(4), PerLane: 1 + r.IntN(30), LaneBytes: int64(1 + r.IntN(100)), Bytes: int64(1 + r.IntN(600)),
		Handle: func(v, _ int) (time.Duration, bool) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.handled[p.laneOf(v)] = append(p.handled[p.laneOf(v)], v)
			return 0, false
		},
	})
	for range 12 {
		p.lanes = append(p.lanes, p.s.NewLane())
	}
	for i, l := range p.lanes {
		l.Hold()
		if i == 11 {
			l.Remove()
		}
	}
	return p
}

func (p *pushed) laneOf(v int) int { return int((p.seed + uint64(v)*7) % 12) }

func (p *pushed) size(v int) int { return 1 + v%9 }

func (p *pushed) push(v int) {
	p.outcomes[v] = p.lanes[p.laneOf(v)].Push(v, p.size(v))
	if p.outcomes[v] == queue.Accepted {
		p.admitted = append(p.admitted, v)
	}
}

func (p *pushed) pushAll(t *testing.T, values []int) {
	entries := make([]queue.Entry[int], len(values))
	for i, v := range values {
		entries[i] = queue.Entry[int]{Lane: p.lanes[p.laneOf(v)], V: v, Size: p.size(v)}
	}
	for len(entries) > 0 {
		n, out := p.s.PushAll(entries, func(i int) { p.admitted = append(p.admitted, entries[i].V) })
		require.Positive(t, n)
		for i := range n {
			p.outcomes[entries[i].V] = queue.Accepted
		}
		p.outcomes[entries[n-1].V] = out
		entries = entries[n:]
	}
}

func (p *pushed) handOver(t *testing.T) map[int][]int {
	for _, l := range p.lanes {
		l.Release(nil, nil, nil)
	}
	require.NoError(t, p.s.Drain(t.Context()))
	p.s.Stop()
	entries := []queue.Entry[int]{{Lane: p.lanes[0], V: 1, Size: 1}}
	_, out := p.s.PushAll(entries, func(int) { t.Error("a Set that was stopped takes nothing") })
	require.Equal(t, queue.Gone, out)
	n, out := p.s.PushAll(nil, nil)
	require.Zero(t, n)
	require.Equal(t, queue.Accepted, out)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handled
}
