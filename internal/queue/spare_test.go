package queue

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
)

// payload is what waits: a pointer, so that one that is kept can be seen.
type payload struct {
	lane, n int
	_       [512]byte
}

// A spareModel is a Set without workers: the test hands over itself, so that
// each step has one outcome, and compares every lane with a slice.
type spareModel struct {
	t     *testing.T
	r     *rand.Rand
	s     *Set[*payload]
	lanes []*Lane[*payload]
	want  [][]*payload
	n     int
}

func newSpareModel(t *testing.T, seed uint64) *spareModel {
	m := &spareModel{t: t, r: rand.New(rand.NewPCG(seed, 0))}
	m.s = New(Config[*payload]{Workers: 1, PerLane: 1 << 20, LaneBytes: 1 << 40, Bytes: 1 << 40,
		Handle: func(*payload, int) (time.Duration, bool) { return 0, false }})
	m.s.workers, m.s.calling = []*worker[*payload]{{}}, 1 // the one there may be is held up for ever
	for range 1 + m.r.IntN(60) {
		m.lanes = append(m.lanes, m.s.NewLane())
	}
	m.want = make([][]*payload, len(m.lanes))
	return m
}

func (m *spareModel) fresh(lane int) *payload {
	m.n++
	return &payload{lane: lane, n: m.n}
}

func (m *spareModel) push(i int) {
	v := m.fresh(i)
	if m.lanes[i].Push(v, 1) != Accepted {
		require.FailNow(m.t, "no room")
	}
	m.want[i] = append(m.want[i], v)
}

func (m *spareModel) pop(i int) *payload {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	it := m.lanes[i].pop()
	if it.v != m.want[i][0] {
		require.FailNow(m.t, "another value", "lane %d", i)
	}
	m.want[i][0] = nil
	m.want[i] = m.want[i][1:]
	return it.v
}

func (m *spareModel) step() {
	i := m.r.IntN(len(m.lanes))
	l := m.lanes[i]
	switch m.r.IntN(12) {
	case 0, 1, 2:
		m.push(i)
	case 3, 4: // a burst, of as many as a lane's room takes or a few more
		n := []int{3, 4, 5, 8, 9, 30, 100, 257, 600}[m.r.IntN(9)]
		for range n {
			m.push(i)
		}
	case 5: // in some lanes by turns
		for range 5 * len(m.lanes) {
			m.push(m.r.IntN(len(m.lanes)))
		}
	case 6:
		for range min(len(m.want[i]), m.r.IntN(20)) {
			m.pop(i)
		}
	case 7, 8:
		for range m.want[i] {
			m.pop(i)
		}
	case 9: // another attempt
		if len(m.want[i]) > 0 {
			v := m.pop(i)
			m.s.mu.Lock()
			l.pushFront(item[*payload]{v: v, size: 1})
			m.s.mu.Unlock()
			m.want[i] = slices.Insert(m.want[i], 0, v)
		}
	case 10:
		m.hold(i)
	case 11:
		l.Remove()
		l.Revive()
		m.want[i] = nil
	}
}

// hold holds a lane, puts values in by every way there is, and releases it.
func (m *spareModel) hold(i int) {
	l := m.lanes[i]
	l.Hold()
	older := len(m.want[i])
	for range m.r.IntN(8) {
		m.push(i)
	}
	if m.r.IntN(2) == 0 {
		v := m.fresh(i)
		require.True(m.t, l.PushBefore(v, 1))
		m.want[i] = slices.Insert(m.want[i], older, v)
		older++
	}
	var list []Placed[*payload]
	var newer []*payload // with what is inserted
	for n, v := range m.want[i][older:] {
		for range m.r.IntN(3) {
			list = append(list, Placed[*payload]{V: m.fresh(i), Size: 1, Before: n})
			newer = append(newer, list[len(list)-1].V)
		}
		newer = append(newer, v)
	}
	l.Insert(list)
	var first []*payload
	for range m.r.IntN(4) {
		first = append(first, m.fresh(i))
	}
	refused := func(v *payload) bool { return v.n%5 == 0 }
	l.Release(first, func(*payload) int { return 1 }, func(v *payload) bool { return !refused(v) })
	m.want[i] = slices.Concat(slices.DeleteFunc(m.want[i][:older:older], refused), first, slices.DeleteFunc(newer, refused))
}

func unused[T comparable](buf []item[T]) bool {
	return !slices.ContainsFunc(buf, func(it item[T]) bool { return it != item[T]{} })
}

// judge compares each lane with its slice, and looks at all room there is: none
// belongs to two, and what is not in use holds nothing.
func (m *spareModel) judge() {
	owner := map[*item[*payload]]string{}
	own := func(buf []item[*payload], who string) {
		if len(buf) == 0 {
			return
		}
		require.Empty(m.t, owner[&buf[0]], "room of %s", who)
		owner[&buf[0]] = who
		require.Equal(m.t, 1, bits.OnesCount(uint(len(buf))), "the room of %s is a power of two", who)
	}
	require.LessOrEqual(m.t, len(m.s.spares), maxSpares)
	room := 0
	for _, buf := range m.s.spares {
		own(buf, "nobody")
		require.Greater(m.t, len(buf), keepCap)
		require.True(m.t, unused(buf), "spare room keeps nothing")
		room += len(buf)
	}
	require.Equal(m.t, room, m.s.spareRoom)
	require.LessOrEqual(m.t, room, maxSpareRoom)
	for _, buf := range m.s.spares[len(m.s.spares):cap(m.s.spares)] {
		require.Nil(m.t, buf, "room that was taken is not kept")
	}
	waiting := 0
	for i, l := range m.lanes {
		own(l.items.rest.buf, fmt.Sprint("lane ", i))
		require.Equal(m.t, len(m.want[i]), l.items.len())
		for k, v := range m.want[i] {
			if l.items.at(k).v != v {
				require.FailNow(m.t, "another value", "lane %d, place %d", i, k)
			}
		}
		rest := &l.items.rest
		for k := rest.len(); k < rest.room(); k++ {
			if rest.at(k) != (item[*payload]{}) {
				require.FailNow(m.t, "room that is not in use keeps a value", "lane %d, place %d", i, k)
			}
		}
		if l.items.len() == 0 {
			require.Zero(m.t, l.items.first, "an empty lane keeps nothing")
		}
		waiting += len(m.want[i])
	}
	require.Equal(m.t, Counts{Queued: waiting, Bytes: int64(waiting)}, m.s.Counts())
}

// Room passes from lane to lane and takes nothing along, whatever fills and
// empties them.
func TestSpareRoomPassesOnWithoutValues(t *testing.T) {
	for range 12 {
		seed := rand.Uint64()
		if !t.Run(fmt.Sprintf("%#x", seed), func(t *testing.T) {
			m := newSpareModel(t, seed)
			for range 120 {
				m.step()
				m.judge()
			}
			for i := range m.lanes {
				for range len(m.want[i]) {
					m.pop(i)
				}
				require.LessOrEqual(t, m.lanes[i].items.rest.room(), keepCap)
			}
			m.judge()
		}) {
			return
		}
	}
}

func TestSpareRoomIsBounded(t *testing.T) {
	m := newSpareModel(t, 1)
	for len(m.lanes) < maxSpares+8 {
		m.lanes = append(m.lanes, m.s.NewLane())
	}
	m.want = make([][]*payload, len(m.lanes))
	fill := func(n int) {
		for i := range m.lanes {
			for range n {
				m.push(i)
			}
		}
		for i := range m.lanes {
			for range n {
				m.pop(i)
			}
		}
		m.judge()
	}
	const first = 1 // the head needs no room
	fill(first + maxSpareRoom + 1)
	require.Empty(t, m.s.spares, "what very much was in is not kept")
	fill(first + keepCap)
	require.Empty(t, m.s.spares, "a lane keeps little room itself")
	fill(first + keepCap + 1)
	require.Len(t, m.s.spares, maxSpares)
	fill(maxSpareRoom)
	require.LessOrEqual(t, len(m.s.spares), maxSpares)
	require.Positive(t, m.s.spareRoom)
}

// Who grows takes the room that another one left; who has room enough leaves it
// to others.
func TestSpareRoomIsForWhoGrows(t *testing.T) {
	m := newSpareModel(t, 1)
	for len(m.lanes) < 3 {
		m.lanes = append(m.lanes, m.s.NewLane())
	}
	m.want = make([][]*payload, len(m.lanes))
	const small = 1 + keepCap
	push := func(lane, n int) {
		for range n {
			m.push(lane)
		}
	}
	push(0, 100)
	room := m.lanes[0].items.rest.room()
	for range 100 {
		m.pop(0)
	}
	require.Equal(t, room, m.s.spareRoom)
	for range 3 {
		push(1, small)
		push(2, small)
		require.Equal(t, room, m.s.spareRoom, "they need no more than they have")
		for range small {
			m.pop(1)
			m.pop(2)
		}
	}
	push(1, small+1)
	require.Zero(t, m.s.spareRoom)
	require.Equal(t, room, m.lanes[1].items.rest.room())
	push(2, 10*small)
	for range 10 * small {
		m.pop(2)
	}
	left := m.s.spareRoom
	require.Positive(t, left)
	push(1, room)
	require.Equal(t, left, m.s.spareRoom, "it would be of no use")
	for len(m.want[1]) > small {
		m.pop(1)
	}
	push(1, 1)
	require.Equal(t, left, m.s.spareRoom, "it has more than it needs")
	m.judge()
}

// Values that were handed over are free, while the Set, its lanes and its spare
// room live on.
func TestHandledValuesAreNotKept(t *testing.T) {
	const lanes, each = 50, 300
	s := New(Config[*payload]{Workers: 4, PerLane: 1 << 20, LaneBytes: 1 << 40, Bytes: 1 << 40, Timed: true,
		Handle: func(v *payload, attempt int) (time.Duration, bool) {
			switch {
			case v.n%7 == 0:
				return 0, attempt < 3
			case v.n%11 == 0:
				runtime.Goexit()
			}
			return 0, false
		}})
	all := make([]*Lane[*payload], lanes)
	var pushed []weak.Pointer[payload]
	for i := range all {
		all[i] = s.NewLane()
	}
	for round := range 3 {
		for n := range each {
			for i, l := range all {
				if n%(1+i) > 0 {
					continue
				}
				v := &payload{lane: i, n: n}
				pushed = append(pushed, weak.Make(v))
				require.Equal(t, Accepted, l.Push(v, 1))
			}
			if n%100 == round {
				require.NoError(t, s.Drain(t.Context()))
			}
		}
		require.NoError(t, s.Drain(t.Context()))
	}
	require.NotEmpty(t, s.spares, "some room was left")
	require.Eventually(t, func() bool {
		runtime.GC()
		return !slices.ContainsFunc(pushed, func(p weak.Pointer[payload]) bool { return p.Value() != nil })
	}, 10*time.Second, time.Millisecond)
	runtime.KeepAlive(s)
	runtime.KeepAlive(all)
}

// With workers: lanes of every depth grow and run empty beside each other, and
// hand over what was pushed, once and in order.
func TestRoomPassesBesideWorkers(t *testing.T) {
	const lanes, rounds = 40, 60
	var next [lanes]int // by the lane's one handler
	var wrong, handled atomic.Int64
	s := New(Config[payload]{Workers: 8, PerLane: 1 << 20, LaneBytes: 1 << 40, Bytes: 1 << 40,
		Handle: func(v payload, attempt int) (time.Duration, bool) {
			if attempt == 1 {
				if next[v.lane] != v.n {
					wrong.Add(1)
				}
				next[v.lane] = v.n + 1
			}
			if v.n%97 == 0 && attempt < 3 {
				return 0, true
			}
			handled.Add(1)
			return 0, false
		}})
	all := make([]*Lane[payload], lanes)
	for i := range all {
		all[i] = s.NewLane()
	}
	var pushed atomic.Int64
	var pushing sync.WaitGroup
	for p := range 4 {
		pushing.Go(func() {
			var n [lanes]int
			for range rounds {
				i := p + 4*rand.IntN(lanes/4) // a lane has one pusher
				depth := rand.IntN(400)
				if rand.IntN(2) == 0 {
					depth = rand.IntN(10)
				}
				hold := rand.IntN(3) == 0
				if hold {
					all[i].Hold()
				}
				for range depth {
					all[i].Push(payload{lane: i, n: n[i]}, 1)
					n[i]++
				}
				pushed.Add(int64(depth))
				if hold {
					all[i].Release(nil, nil, nil)
				}
				if rand.IntN(3) == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	pushing.Wait()
	require.NoError(t, s.Drain(t.Context()))
	require.Zero(t, wrong.Load())
	require.Equal(t, pushed.Load(), handled.Load())
	for _, l := range all {
		require.LessOrEqual(t, l.items.rest.room(), keepCap)
	}
	for _, buf := range s.spares {
		require.True(t, unused(buf))
	}
}
