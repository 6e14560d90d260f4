package queue_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// Most lanes hold one value at a time, and the first one that waits is kept apart
// from the others. So these tests go up and down between no value and ten, in
// every way in which a value comes or goes, and compare with a slice. One worker
// whose handler waits for the test makes each step have one outcome.

const shortest, longest = 0, 10

// span is a Set with one worker and some lanes, beside what they should be.
type span struct {
	t     *testing.T
	cfg   queue.Config[int]
	set   *queue.Set[int]
	lanes []*spanLane
	next  int // value

	starts chan call    // a handler has begun
	ends   chan verdict // and may end
	inside *spanItem
	of     *spanLane // whose it is
}

// spanLane is a lane as a plain slice.
type spanLane struct {
	*queue.Lane[int]
	waits []spanItem
	older int // how many of them waited when the hold began
	held  bool
	full  bool // it has overflowed
	gone  bool
	until time.Time // when the first may be handed over again
}

type spanItem struct{ v, tries int }

// spanSize is how many bytes a value has: any number, none as well.
func spanSize(v int) int { return v % 7 }

func (l *spanLane) bytes() (n int) {
	for _, it := range l.waits {
		n += spanSize(it.v)
	}
	return n
}

func newSpan(t *testing.T, lanes int, cfg queue.Config[int]) *span {
	s := &span{t: t, starts: make(chan call, 100), ends: make(chan verdict)}
	cfg.Workers, cfg.Bytes = 1, 1<<40
	over := make(chan struct{}) // lets a handler go when the test has failed
	cfg.Handle = func(v, attempt int) (time.Duration, bool) {
		s.starts <- call{v, attempt}
		select {
		case how := <-s.ends:
			return how.obey()
		case <-over:
			return 0, false
		}
	}
	s.cfg, s.set = cfg, queue.New(cfg)
	t.Cleanup(func() {
		s.set.Stop()
		close(over)
	})
	for range lanes {
		s.lanes = append(s.lanes, &spanLane{Lane: s.set.NewLane()})
	}
	return s
}

// roomy is a Config whose bounds no short lane meets.
func roomy() queue.Config[int] { return queue.Config[int]{PerLane: 1000, LaneBytes: 1 << 40} }

func (s *span) new() int {
	s.next++
	return s.next
}

// take is what a push of v does to the slice.
func (s *span) take(l *spanLane, v int) queue.Outcome {
	switch {
	case l.gone:
		return queue.Gone
	case l.full:
		return queue.Dropped
	case len(l.waits) > 0 && (len(l.waits) >= s.cfg.PerLane || int64(l.bytes()+spanSize(v)) > s.cfg.LaneBytes):
		l.full = true
		return queue.Overflowed
	}
	l.waits = append(l.waits, spanItem{v: v})
	return queue.Accepted
}

// The ways in which values come.
const (
	byPush = iota
	byPushFunc
	byPushBefore
	byPushAll
	byInsert
	ways
)

// put brings one value into the lane.
func (s *span) put(l *spanLane, way int) {
	switch v := s.new(); way {
	case byPush:
		want := s.take(l, v)
		require.Equal(s.t, want, l.Push(v, spanSize(v)))
	case byPushFunc:
		want, made := s.take(l, v), 0
		require.Equal(s.t, want, l.PushFunc(spanSize(v), func() int { made++; return v }))
		if want == queue.Accepted {
			require.Equal(s.t, 1, made)
		} else {
			require.Zero(s.t, made, "there is no room for it")
		}
	case byPushBefore:
		require.Equal(s.t, !l.gone, l.PushBefore(v, spanSize(v)))
		if l.held {
			l.waits = slices.Insert(l.waits, l.older, spanItem{v: v})
			l.older++ // what comes in that way keeps its order
		} else if !l.gone {
			l.waits = append(l.waits, spanItem{v: v})
		}
	case byPushAll:
		s.putAll([]*spanLane{l, l}, v, s.new())
	case byInsert:
		s.insert(l, []int{0}, v)
	}
	s.settle()
}

// putAll brings values into lanes, in one step.
func (s *span) putAll(lanes []*spanLane, vs ...int) {
	var entries []queue.Entry[int]
	want, wantDone, wantAdmitted := queue.Accepted, 0, []int{}
	for i, v := range vs {
		entries = append(entries, queue.Entry[int]{Lane: lanes[i].Lane, V: v, Size: spanSize(v)})
		if want != queue.Accepted {
			continue
		}
		wantDone++
		if want = s.take(lanes[i], v); want == queue.Accepted {
			wantAdmitted = append(wantAdmitted, i)
		}
	}
	admitted := []int{}
	done, out := s.set.PushAll(entries, func(i int) { admitted = append(admitted, i) })
	require.Equal(s.t, want, out)
	require.Equal(s.t, wantDone, done)
	require.Equal(s.t, wantAdmitted, admitted)
}

// insert puts values before so many of those that came since the hold; before
// does not fall.
func (s *span) insert(l *spanLane, before []int, vs ...int) {
	var placed []queue.Placed[int]
	for i, v := range vs {
		placed = append(placed, queue.Placed[int]{V: v, Size: spanSize(v), Before: before[i]})
	}
	l.Insert(placed)
	if l.gone {
		return
	}
	newer := len(l.waits) - l.older
	for i, v := range vs {
		at := len(l.waits)
		if l.held {
			at = l.older + min(before[i], newer) + i
		}
		l.waits = slices.Insert(l.waits, at, spanItem{v: v})
	}
}

func (s *span) hold(l *spanLane) {
	l.Hold()
	if !l.gone && !l.held {
		l.held, l.older = true, len(l.waits)
	}
	s.settle()
}

// release opens a lane; keep may be nil.
func (s *span) release(l *spanLane, first int, keep func(v int) bool) {
	var vs []int
	for range first {
		vs = append(vs, s.new())
	}
	asked, waited := []int{}, []int{}
	ask := keep
	if keep != nil {
		ask = func(v int) bool {
			asked = append(asked, v)
			return keep(v)
		}
		for _, it := range l.waits {
			waited = append(waited, it.v)
		}
	}
	l.Release(vs, spanSize, ask)
	require.Equal(s.t, waited, asked, "keep is asked for each that waits, in order")
	if l.gone || !l.held {
		return
	}
	refused := func(it spanItem) bool { return keep != nil && !keep(it.v) }
	older := slices.DeleteFunc(slices.Clone(l.waits[:l.older]), refused)
	newer := slices.DeleteFunc(slices.Clone(l.waits[l.older:]), refused)
	if !slices.ContainsFunc(older, func(it spanItem) bool { return it.tries > 0 }) {
		l.until = time.Time{} // nobody waits for another attempt any more
	}
	for _, v := range vs {
		older = append(older, spanItem{v: v})
	}
	l.waits, l.older, l.held = append(older, newer...), 0, false
	s.settle()
}

func (s *span) reopen(l *spanLane) {
	l.Reopen()
	l.full = l.full && l.gone
	s.settle()
}

func (s *span) remove(l *spanLane) {
	require.Equal(s.t, len(l.waits), l.Remove())
	lane := l.Lane
	*l = spanLane{Lane: lane, gone: true}
	s.settle()
}

// revive gives a removed lane back, empty and open.
func (s *span) revive(l *spanLane) {
	if l.gone {
		require.True(s.t, l.Revive())
		l.gone = false
		s.settle()
	}
}

// let ends the handler that is inside, if one is.
func (s *span) let(how verdict) {
	if s.inside == nil {
		return
	}
	l, it := s.of, *s.inside
	s.inside, s.of = nil, nil
	if how.again && !l.gone {
		it.tries++
		l.waits = slices.Insert(l.waits, 0, it)
		l.until = time.Now().Add(how.retry)
		if l.held {
			l.older++
		}
	}
	s.ends <- how
	s.settle()
}

func (s *span) ready(l *spanLane) bool {
	return len(l.waits) > 0 && !l.held && !l.gone && !l.until.After(time.Now())
}

// settle waits until nothing more happens and judges what has happened.
func (s *span) settle() {
	if s.inside == nil {
		synctest.Wait()
	}
	for len(s.starts) > 0 {
		started := <-s.starts
		require.Nil(s.t, s.inside, "one worker")
		i := slices.IndexFunc(s.lanes, func(l *spanLane) bool { return len(l.waits) > 0 && l.waits[0].v == started.v })
		require.GreaterOrEqual(s.t, i, 0, "%d is the first of no lane", started.v)
		l := s.lanes[i]
		require.True(s.t, s.ready(l), "%d comes too early", started.v)
		it := l.waits[0]
		require.Equal(s.t, it.tries+1, started.attempt)
		l.waits, l.until = slices.Delete(l.waits, 0, 1), time.Time{}
		s.inside, s.of = &it, l
	}
	// This runs very often: require is called only for what it will refuse.
	want, held := queue.Counts{}, int64(0)
	if s.inside != nil {
		want.Running = 1
	}
	for _, l := range s.lanes {
		if got := l.Len(); got != len(l.waits) {
			require.Equal(s.t, len(l.waits), got)
		}
		if got := l.Busy(); got != (l == s.of) {
			require.Equal(s.t, l == s.of, got, "busy")
		}
		want.Queued += len(l.waits)
		want.Bytes += int64(l.bytes())
		if l.held {
			held += int64(l.bytes())
		}
		if s.inside == nil && s.ready(l) {
			require.Fail(s.t, "nobody hands over", "%v", l.waits)
		}
	}
	if got := s.set.Counts(); got != want {
		require.Equal(s.t, want, got)
	}
	if got := s.set.Held(); got != held {
		require.Equal(s.t, held, got, "held")
	}
}

// rest hands over what is left, once all of it may go.
func (s *span) rest() {
	for _, l := range s.lanes {
		if l.held {
			s.release(l, 0, nil)
		}
	}
	for {
		for s.inside != nil {
			s.let(done)
		}
		if s.set.Counts().Queued == 0 {
			break
		}
		time.Sleep(time.Hour)
		s.settle()
		require.NotNil(s.t, s.inside, "nobody hands over what is left")
	}
	require.NoError(s.t, s.set.Drain(s.t.Context()))
}

// A lane goes up to each length, down to each, up again and down, without ever
// being a new one: the room of the values that wait is in any state.
func TestLaneOfEachShortLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpan(t, 1, roomy())
		l := s.lanes[0]
		way := 0
		up := func(n int) {
			for len(l.waits) < n {
				way++
				s.put(l, way%ways)
			}
		}
		down := func(n int) {
			for len(l.waits) > n || n == 0 && s.inside != nil {
				s.let(done)
			}
		}
		for top := shortest; top <= longest; top++ {
			for bottom := shortest; bottom <= top; bottom++ {
				for again := bottom; again <= longest; again++ {
					up(top)
					down(bottom)
					up(again)
					down(0)
				}
			}
		}
		s.rest()
	})
}

// Each value that is handed over comes back before the next one is.
func TestRetryInALaneOfEachShortLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpan(t, 1, roomy())
		l := s.lanes[0]
		for n := shortest; n <= longest; n++ {
			for behind := range 3 { // come while the first one waits for its time
				for way := range ways {
					for range n {
						s.put(l, way)
					}
					more := behind
					for s.inside != nil {
						for range 2 {
							s.let(retryIn(time.Second))
							for ; more > 0; more-- {
								s.put(l, way)
							}
							time.Sleep(time.Second)
							s.settle()
						}
						s.let(done)
					}
				}
			}
		}
		s.rest()
	})
}

// What waited before the hold, what came since and what is put between them, for
// each number of these and for what is refused of them.
func TestReleaseOfALaneOfEachShortLength(t *testing.T) {
	keeps := map[string]func(older int) func(i int) bool{
		"all":       nil,
		"each":      func(int) func(int) bool { return func(int) bool { return true } },
		"none":      func(int) func(int) bool { return func(int) bool { return false } },
		"second":    func(int) func(int) bool { return func(i int) bool { return i%2 == 1 } },
		"first":     func(int) func(int) bool { return func(i int) bool { return i == 0 } },
		"not first": func(int) func(int) bool { return func(i int) bool { return i > 0 } },
		"older":     func(older int) func(int) bool { return func(i int) bool { return i < older } },
		"newer":     func(older int) func(int) bool { return func(i int) bool { return i >= older } },
	}
	for name, keep := range keeps {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSpan(t, 2, roomy())
				busy, l := s.lanes[0], s.lanes[1]
				for older := range 5 {
					for newer := range 5 {
						for first := range 4 {
							s.put(busy, byPush) // takes the worker
							for range older {
								s.put(l, byPush)
							}
							s.hold(l)
							for i := range newer {
								s.put(l, []int{byPush, byInsert, byPushBefore}[(i+first)%3])
							}
							var by func(v int) bool
							if keep != nil {
								place := map[int]int{}
								for i, it := range l.waits {
									place[it.v] = i
								}
								kept := keep(l.older)
								by = func(v int) bool { return kept(place[v]) }
							}
							s.release(l, first, by)
							s.rest()
						}
					}
				}
			})
		})
	}
}

// Insert at each place of a held lane of each short length.
func TestInsertInALaneOfEachShortLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpan(t, 1, roomy())
		l := s.lanes[0]
		for older := range 4 {
			for newer := range 6 {
				for a := range newer + 2 {
					for b := a; b < newer+2; b++ {
						for range older + 1 { // one goes to the worker
							s.put(l, byPush)
						}
						s.hold(l)
						for range newer {
							s.put(l, byPush)
						}
						s.insert(l, []int{a, a, b}, s.new(), s.new(), s.new())
						s.settle()
						s.insert(l, []int{b}, s.new())
						s.settle()
						s.rest()
					}
				}
			}
		}
	})
}

// Every program of four operations on a lane in which none, one or two values wait.
func TestEveryShortProgramOfALane(t *testing.T) {
	ops := []func(s *span, l *spanLane){
		func(s *span, l *spanLane) { s.put(l, byPush) },
		func(s *span, l *spanLane) { s.put(l, []int{byPushBefore, byInsert}[s.next%2]) },
		func(s *span, l *spanLane) { s.let(done) },
		func(s *span, l *spanLane) { s.let(retryIn(time.Second)) },
		func(s *span, l *spanLane) { time.Sleep(time.Second); s.settle() },
		func(s *span, l *spanLane) { s.hold(l) },
		func(s *span, l *spanLane) { s.release(l, 1, func(v int) bool { return v%3 > 0 }) },
		func(s *span, l *spanLane) { s.remove(l); s.revive(l) },
	}
	const releasing = 6 // is for a held lane
	synctest.Test(t, func(t *testing.T) {
		s := newSpan(t, 1, roomy())
		l := s.lanes[0]
		for waiting := range 3 {
			for program := range len(ops) * len(ops) * len(ops) * len(ops) {
				if waiting > 0 {
					s.put(l, byPush) // for the worker
				}
				for range waiting {
					s.put(l, byPush)
				}
				for range 4 {
					if op := program % len(ops); op != releasing || l.held {
						ops[op](s, l)
					}
					program /= len(ops)
				}
				s.rest()
			}
		}
	})
}

// Random programs on several lanes, whose bounds may be met.
func TestLanesModel(t *testing.T) {
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runSpan(t, spanProgram(seed)) })
	}
}

func FuzzLaneOrder(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(spanProgram(1000 + seed)[:100])
	}
	f.Fuzz(func(t *testing.T, program []byte) { runSpan(t, program[:min(len(program), 1000)]) })
}

func spanProgram(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 11))
	program := make([]byte, 500)
	for i := range program {
		program[i] = byte(r.Uint32())
	}
	return program
}

func runSpan(t *testing.T, program []byte) {
	synctest.Test(t, func(t *testing.T) {
		choose := &tape{program}
		lanes := max(1, choose.n(6)-1) // one lane in half of the programs
		cfg := roomy()
		if choose.bool() {
			cfg.PerLane = []int{1, 2, 3, 10}[choose.n(4)]
			cfg.LaneBytes = []int64{1, 10, 1 << 40}[choose.n(3)]
		}
		cfg.Arrival = lanes == 1 && choose.bool() // with one lane it changes nothing
		s := newSpan(t, lanes, cfg)
		for len(choose.b) > 0 {
			s.step(choose)
		}
		s.rest()
		for _, l := range s.lanes {
			s.revive(l)
			s.reopen(l)
			s.put(l, byPush)
		}
		s.rest()
	})
}

func (s *span) step(choose *tape) {
	l := s.lanes[choose.n(len(s.lanes))]
	switch op := choose.n(32); {
	case op < 8: // up to a length
		way := choose.n(ways)
		for n := choose.n(longest + 1); n > 0 && len(l.waits) < longest; n-- {
			s.put(l, way)
		}
	case op < 10:
		s.put(l, choose.n(ways))
	case op < 11:
		var lanes []*spanLane
		var vs []int
		for range choose.n(5) {
			lanes, vs = append(lanes, s.lanes[choose.n(len(s.lanes))]), append(vs, s.new())
		}
		s.putAll(lanes, vs...)
	case op < 13:
		var before, vs []int
		for range choose.n(4) {
			before, vs = append(before, choose.n(6)), append(vs, s.new())
		}
		slices.Sort(before)
		s.insert(l, before, vs...)
	case op < 21: // down by as many
		for n := choose.n(longest + 1); n > 0 && s.inside != nil; n-- {
			s.let(done)
		}
	case op < 23:
		s.let(retryIn(time.Duration(1+choose.n(5)) * time.Second))
	case op < 24:
		s.let(verdict{goexit: true})
	case op < 25:
		time.Sleep(time.Duration(choose.n(4)) * time.Second)
	case op < 27:
		s.hold(l)
	case op < 29:
		if !l.held {
			return
		}
		var keep func(int) bool
		if div := choose.n(5); div > 0 {
			keep = func(v int) bool { return v%div > 0 }
		}
		s.release(l, choose.n(4), keep)
	case op < 30:
		s.reopen(l)
	case op < 31:
		s.remove(l)
	default:
		s.revive(l)
	}
	s.settle()
}

// parcel is large enough to have memory of its own.
type parcel struct {
	_   [64]byte
	way int
}

// What was handed over, or dropped, is not kept alive by its lane, however many
// values are in the lane before and after; what waits is.
func TestLaneForgetsWhatItHandedOver(t *testing.T) {
	type watched struct {
		name string
		p    weak.Pointer[parcel]
	}
	var dead, alive []watched
	var ends []func()
	over := make(chan struct{}) // lets the handlers go when the test has failed
	defer close(over)

	// run takes n values through a lane until m of them are done, and leaves it so.
	run := func(way, n, m int) {
		starts, gate := make(chan struct{}), make(chan bool)
		s := queue.New(queue.Config[*parcel]{Workers: 1, PerLane: 100, LaneBytes: 1 << 40, Bytes: 1 << 40,
			Handle: func(*parcel, int) (time.Duration, bool) {
				select {
				case starts <- struct{}{}:
				case <-over:
				}
				select {
				case again := <-gate:
					return 0, again
				case <-over:
					return 0, false
				}
			}})
		l := s.NewLane()
		var all []watched
		push := func() {
			v := &parcel{way: way}
			all = append(all, watched{fmt.Sprintf("way %d, value %d of %d, %d done", way, len(all), n, m), weak.Make(v)})
			switch way {
			case byPushFunc:
				require.Equal(t, queue.Accepted, l.PushFunc(1, func() *parcel { return v }))
			case byPushBefore:
				require.True(t, l.PushBefore(v, 1))
			case byPushAll:
				_, out := s.PushAll([]queue.Entry[*parcel]{{Lane: l, V: v, Size: 1}}, func(int) {})
				require.Equal(t, queue.Accepted, out)
			case byInsert:
				l.Insert([]queue.Placed[*parcel]{{V: v, Size: 1}})
			default:
				require.Equal(t, queue.Accepted, l.Push(v, 1))
			}
		}
		for range n {
			push()
		}
		for i := range m {
			<-starts
			if i%3 == 0 { // it comes back once
				gate <- true
				<-starts
			}
			gate <- false
		}
		if m < n {
			<-starts // the next one is inside
		} else {
			require.NoError(t, s.Drain(t.Context()))
		}
		dead = append(dead, all[:m]...)
		if m < n { // the one that is inside is its handler's
			alive = append(alive, all[m+1:]...)
		}
		ends = append(ends, func() {
			for i := m; i < n; i++ {
				if i > m {
					<-starts
				}
				gate <- false
			}
			require.NoError(t, s.Drain(t.Context()))
			require.Zero(t, l.Len())
			runtime.KeepAlive(s)
		})
	}
	// drop takes n values into a held lane and all but some of them out, unhandled.
	drop := func(how string, n int) {
		s := queue.New(queue.Config[*parcel]{Workers: 1, PerLane: max(1, n), LaneBytes: 1 << 40, Bytes: 1 << 40,
			Handle: func(*parcel, int) (time.Duration, bool) { return 0, false }})
		l := s.NewLane()
		l.Hold()
		keep := func(v *parcel) bool { return v.way%2 == 1 }
		for i := range n {
			v := &parcel{way: i}
			w := watched{fmt.Sprintf("%s, value %d of %d", how, i, n), weak.Make(v)}
			require.Equal(t, queue.Accepted, l.Push(v, 1))
			dead = append(dead, w)
		}
		v := &parcel{}
		dead = append(dead, watched{how + ", without room", weak.Make(v)})
		if n > 0 {
			require.Equal(t, queue.Overflowed, l.Push(v, 1))
		}
		switch how {
		case "remove":
			require.Equal(t, n, l.Remove())
			require.True(t, l.Revive())
		case "keep":
			l.Release(nil, func(*parcel) int { return 1 }, keep)
			require.NoError(t, s.Drain(t.Context()))
		case "none":
			l.Release(nil, nil, func(*parcel) bool { return false })
		}
		ends = append(ends, func() {
			require.Zero(t, l.Len())
			runtime.KeepAlive(s)
		})
	}
	for n := shortest; n <= longest; n++ {
		for m := range n + 1 {
			run((n+m)%ways, n, m)
		}
		for way := range ways {
			run(way, n, n/2)
		}
		for _, how := range []string{"remove", "keep", "none"} {
			drop(how, n)
		}
	}
	var kept []string
	require.Eventually(t, func() bool {
		runtime.GC()
		kept = kept[:0]
		for _, w := range dead {
			if w.p.Value() != nil {
				kept = append(kept, w.name)
			}
		}
		return len(kept) == 0
	}, 10*time.Second, time.Millisecond, "%v", &kept)
	for _, w := range alive {
		require.NotNil(t, w.p.Value(), w.name)
	}
	for _, end := range ends {
		end()
	}
}
