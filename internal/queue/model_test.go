package queue_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/quick"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// A random program of operations runs against a Set and against a model that
// knows no locks, workers or timers. After each operation the bubble settles;
// what the Set did is replayed on the model, which says whether it may happen,
// and then whether something else should have happened.

func TestModel(t *testing.T) {
	seeds := 0
	require.NoError(t, quick.Check(func(seed uint64) bool {
		seeds++
		random := rand.New(rand.NewPCG(seed, 0))
		program := make([]byte, 50+random.IntN(400))
		for i := range program {
			program[i] = byte(random.Uint32())
		}
		return t.Run(fmt.Sprintf("%#x", seed), func(t *testing.T) { runModel(t, program) })
	}, &quick.Config{MaxCount: 300}))

}

func FuzzModel(f *testing.F) {
	for n := range uint64(20) {
		random := rand.New(rand.NewPCG(n, 1))
		program := binary.LittleEndian.AppendUint64(nil, random.Uint64())
		for range 30 {
			program = binary.LittleEndian.AppendUint64(program, random.Uint64())
		}
		f.Add(program)
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		runModel(t, program[:min(len(program), 2000)])
	})
}

func runModel(t *testing.T, program []byte) {
	synctest.Test(t, func(t *testing.T) {
		m := newModel(t, &tape{program})
		for len(m.tape.b) > 0 && !m.stopped {
			m.step()
		}
		m.finish()
	})
}

// tape turns bytes into choices; an empty one chooses 0.
type tape struct{ b []byte }

func (t *tape) n(below int) int {
	if len(t.b) == 0 {
		return 0
	}
	c := t.b[0]
	t.b = t.b[1:]
	return int(c) % below
}

func (t *tape) bool() bool { return t.n(2) == 1 }

// modelValue is a value that waits, or that a handler holds.
type modelValue struct{ v, size, attempt, arrived int }

type modelLane struct {
	lane  *queue.Lane[int] // nil for a keyed one that nobody was told of
	keyed bool
	key   string

	items                     []modelValue
	inside                    *modelValue
	telling                   bool // Dry runs for it
	older                     int
	held, over, told, removed bool
	wakes                     time.Time
}

func (l *modelLane) bytes() (n int) {
	for _, it := range l.items {
		n += it.size
	}
	return n
}

func (l *modelLane) ready(now time.Time) bool {
	return len(l.items) > 0 && l.inside == nil && !l.held && !l.removed && !l.wakes.After(now)
}

func (l *modelLane) tells() bool {
	return len(l.items) == 0 && l.inside == nil && l.over && !l.told && !l.held && !l.removed
}

// idle: a keyed lane of this kind is forgotten.
func (l *modelLane) idle() bool {
	return l.keyed && len(l.items) == 0 && l.inside == nil && (l.removed || !l.held && (!l.over || l.told))
}

// happening is what a Set did by itself.
type happening struct {
	at   time.Time
	call call             // a handler began
	dry  *queue.Lane[int] // or Dry ran and did these
	acts []act
}

// act is an operation on a lane from inside Dry.
type act struct {
	what string
	v    int
	out  queue.Outcome
}

type model struct {
	t    *testing.T
	tape *tape
	cfg  queue.Config[int]
	set  *queue.Set[int]

	lanes   []*modelLane       // own ones and keyed ones that live
	of      map[int]*modelLane // by value
	ended   []*modelLane       // own lanes that were removed and keyed ones that are forgotten, with a pointer to them
	stopped bool
	next    int // value
	pushes  int

	mu     sync.Mutex // guards what the Set's goroutines use
	log    []happening
	gates  map[int]chan verdict
	inDry  int // what Dry does
	dryNew int // values of Dry
}

func newModel(t *testing.T, tp *tape) *model {
	m := &model{t: t, tape: tp, of: map[int]*modelLane{}, gates: map[int]chan verdict{}, dryNew: 1 << 30}
	m.cfg = queue.Config[int]{
		Workers:   1 + tp.n(4),
		PerLane:   1 + tp.n(6),
		LaneBytes: int64(1 + tp.n(40)),
		Bytes:     int64(1 + tp.n(100)),
		Arrival:   tp.n(3) == 0,
		Handle:    m.handle,
		Dry:       m.dry,
	}
	m.set = queue.New(m.cfg)
	if m.cfg.Arrival {
		m.cfg.Workers = 1
	}
	t.Cleanup(func() { // after a failure
		m.set.Stop()
		synctest.Wait()
		for _, gate := range m.gates {
			close(gate)
		}
	})
	return m
}

func (m *model) handle(v, attempt int) (time.Duration, bool) {
	gate := make(chan verdict)
	m.mu.Lock()
	m.log = append(m.log, happening{at: time.Now(), call: call{v, attempt}})
	m.gates[v] = gate
	m.mu.Unlock()
	how := <-gate
	return how.obey()
}

// dry does what an owner may do in Dry, and notes it.
func (m *model) dry(l *queue.Lane[int]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := happening{at: time.Now(), dry: l}
	do := func(what string, v int, out queue.Outcome) { h.acts = append(h.acts, act{what, v, out}) }
	push := func() {
		m.dryNew++
		do("push", m.dryNew, l.Push(m.dryNew, 3))
	}
	switch m.inDry {
	case 1:
		l.Reopen()
		do("reopen", 0, 0)
	case 2:
		push()
		l.Reopen()
		do("reopen", 0, 0)
		push()
		push()
	case 3:
		l.Hold()
		do("hold", 0, 0)
		l.Reopen()
		do("reopen", 0, 0)
		push()
	case 4:
		l.Remove()
		do("remove", 0, 0)
	}
	m.inDry = 0 // or a push that overflows again goes round for ever
	m.log = append(m.log, h)
}

// step does one operation.
func (m *model) step() {
	m.mu.Lock()
	m.inDry = m.tape.n(5)
	m.mu.Unlock()
	switch op := m.tape.n(32); {
	case op < 2:
		m.newLane()
	case op < 12:
		m.push()
	case op < 15:
		m.pushKeyed()
	case op < 17:
		m.hold()
	case op < 20:
		m.release()
	case op < 21:
		m.reopen()
	case op < 22:
		m.remove()
	case op < 29:
		m.let()
	case op < 31:
		time.Sleep(time.Duration(m.tape.n(200)) * time.Second)
	case m.tape.n(20) == 0:
		m.stop()
		return
	}
	m.settle()
}

func (m *model) newLane() {
	if len(m.lanes) < 8 {
		m.lanes = append(m.lanes, &modelLane{lane: m.set.NewLane()})
	}
}

// pick is a lane that somebody may use, also one that has ended; nil if there is none.
func (m *model) pick() *modelLane {
	var all []*modelLane
	for _, l := range slices.Concat(m.lanes, m.ended) {
		if l.lane != nil {
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[m.tape.n(len(all))]
}

func (m *model) load() (queued, bytes int) {
	for _, l := range m.lanes {
		queued += len(l.items)
		bytes += l.bytes()
	}
	return queued, bytes
}

func (m *model) fits(l *modelLane, size int) bool {
	queued, bytes := m.load()
	if queued > 0 && int64(bytes+size) > m.cfg.Bytes && !m.atOnce(l) {
		return false
	}
	return len(l.items) == 0 || len(l.items) < m.cfg.PerLane && int64(l.bytes()+size) <= m.cfg.LaneBytes
}

// atOnce: nothing keeps the next value of the lane from a handler.
func (m *model) atOnce(l *modelLane) bool {
	free := l.inside == nil && !l.telling && !l.held && !l.removed && !l.wakes.After(time.Now())
	return len(l.items) == 0 && free && m.running() < m.cfg.Workers
}

// pushed is what a push does to the model, and its outcome.
func (m *model) pushed(l *modelLane, v, size int) queue.Outcome {
	switch {
	case l.removed:
		return queue.Gone
	case l.over:
		return queue.Dropped
	case !m.fits(l, size):
		l.over = true
		return queue.Overflowed
	}
	m.pushes++
	l.items = append(l.items, modelValue{v: v, size: size, arrived: m.pushes})
	m.of[v] = l
	return queue.Accepted
}

func (m *model) size() int {
	if m.tape.n(8) == 0 {
		return m.tape.n(120)
	}
	return m.tape.n(8)
}

func (m *model) push() {
	l, size := m.pick(), m.size()
	if l == nil {
		return
	}
	m.next++
	require.Equal(m.t, m.pushed(l, m.next, size), l.lane.Push(m.next, size))
}

func (m *model) pushKeyed() {
	key, size := strconv.Itoa(m.tape.n(4)), m.size()
	m.next++
	want := m.pushed(m.keyed(key, size), m.next, size)
	require.Equal(m.t, want, m.set.PushKeyed(key, m.next, size))
}

// keyed is the lane of a key, a new one if need be.
func (m *model) keyed(key string, size int) *modelLane {
	find := func(key string) *modelLane {
		i := slices.IndexFunc(m.lanes, func(l *modelLane) bool { return l.keyed && l.key == key })
		if i < 0 {
			return nil
		}
		return m.lanes[i]
	}
	if l := find(key); l != nil {
		return l
	}
	if l := find(""); l != nil {
		return l
	}
	l := &modelLane{keyed: true, key: key}
	if !m.fits(l, size) {
		l.key = ""
	}
	m.lanes = append(m.lanes, l)
	return l
}

func (m *model) hold() {
	if l := m.pick(); l != nil {
		l.lane.Hold()
		l.hold()
	}
}

func (l *modelLane) hold() {
	if !l.held {
		l.held, l.older = true, len(l.items)
	}
}

func (m *model) release() {
	l := m.pick()
	if l == nil {
		return
	}
	var first []int
	for range m.tape.n(4) {
		m.next++
		first = append(first, m.next)
	}
	size := func(v int) int { return v % 5 }
	var keep func(int) bool
	if div := m.tape.n(5); div > 0 {
		keep = func(v int) bool { return v%div != 0 }
	}
	l.lane.Release(first, size, keep)
	if l.removed {
		return
	}
	m.pushes++
	arrived := m.pushes
	if l.older < len(l.items) {
		arrived = l.items[l.older].arrived
	}
	items, retried := []modelValue{}, false
	merge := func(list []modelValue) {
		for _, it := range list {
			if keep == nil || keep(it.v) {
				items = append(items, it)
				retried = retried || it.attempt > 0
			}
		}
	}
	merge(l.items[:l.older])
	for _, v := range first {
		items = append(items, modelValue{v: v, size: size(v), arrived: arrived})
		m.of[v] = l
	}
	merge(l.items[l.older:])
	l.items, l.older, l.held = items, 0, false
	if !retried {
		l.wakes = time.Time{}
	}
}

func (m *model) reopen() {
	if l := m.pick(); l != nil {
		l.lane.Reopen()
		l.over, l.told = false, false
	}
}

func (m *model) remove() {
	if l := m.pick(); l != nil {
		require.Equal(m.t, len(l.items), l.lane.Remove())
		l.remove()
	}
}

func (l *modelLane) remove() { l.removed, l.items, l.older, l.wakes = true, nil, 0, time.Time{} }

// let lets one handler go, in one of three ways.
func (m *model) let() {
	var held []int
	for v := range m.gates {
		held = append(held, v)
	}
	if len(held) == 0 {
		return
	}
	slices.Sort(held)
	var how verdict
	switch c := m.tape.n(8); {
	case c < 2:
		m.pushes++ // no two timers at one moment
		how = retryIn(time.Duration(m.tape.n(100))*time.Second + time.Duration(m.pushes))
	case c == 2:
		how.goexit = true
	}
	m.letGo(held[m.tape.n(len(held))], how)
}

func (m *model) letGo(v int, how verdict) {
	m.mu.Lock()
	gate := m.gates[v]
	delete(m.gates, v)
	m.mu.Unlock()
	l := m.of[v]
	it := *l.inside
	l.inside = nil
	if how.again && !l.removed && !m.stopped {
		it.attempt++
		l.items = slices.Insert(l.items, 0, it)
		l.wakes = time.Now().Add(how.retry)
		if l.held {
			l.older++
		}
	}
	gate <- how
}

// settle lets the Set do what it does, and judges it.
func (m *model) settle() {
	synctest.Wait()
	for _, h := range m.log {
		m.forget()
		if h.dry != nil {
			m.sawDry(h)
		} else {
			m.sawCall(h)
		}
	}
	m.log = nil
	m.forget()
	m.check()
}

// forget ends keyed lanes in which nothing waits.
func (m *model) forget() {
	m.lanes = slices.DeleteFunc(m.lanes, func(l *modelLane) bool {
		if !l.idle() && !(l.removed && !l.keyed && l.inside == nil) {
			return false
		}
		l.removed = true
		if l.lane != nil {
			m.ended = append(m.ended, l)
		}
		return true
	})
}

func (m *model) running() (n int) {
	for _, l := range m.lanes {
		if l.inside != nil {
			n++
		}
	}
	return n
}

func (m *model) sawCall(h happening) {
	v := h.call.v
	l := m.of[v]
	require.NotNil(m.t, l, "value %d was not accepted", v)
	require.True(m.t, l.ready(h.at), "lane of %d: %+v", v, l)
	require.Equal(m.t, h.call, call{l.items[0].v, l.items[0].attempt + 1}, "the head, and its attempt")
	require.Less(m.t, m.running(), m.cfg.Workers)
	if m.cfg.Arrival {
		for _, other := range m.lanes {
			if other.ready(h.at) {
				require.LessOrEqual(m.t, l.items[0].arrived, other.items[0].arrived, "arrival order")
			}
		}
	}
	it := l.items[0]
	l.items, l.inside, l.wakes = l.items[1:], &it, time.Time{}
}

func (m *model) sawDry(h happening) {
	i := slices.IndexFunc(m.lanes, func(l *modelLane) bool { return l.lane == h.dry })
	if i < 0 { // the first that is heard of a keyed one
		i = slices.IndexFunc(m.lanes, func(l *modelLane) bool {
			return l.lane == nil && l.keyed && l.key == h.dry.Key()
		})
	}
	require.GreaterOrEqual(m.t, i, 0, "Dry of a lane that has ended")
	l := m.lanes[i]
	require.True(m.t, l.tells(), "Dry without a cause: %+v", l)
	l.lane, l.told = h.dry, true
	l.telling = true
	defer func() { l.telling = false }()
	for _, a := range h.acts {
		switch a.what {
		case "push":
			require.Equal(m.t, m.pushed(l, a.v, 3), a.out)
		case "reopen":
			l.over, l.told = false, false
		case "hold":
			l.hold()
		case "remove":
			l.remove()
		}
	}
}

// check compares all that can be seen, and that nobody idles.
func (m *model) check() {
	running, keyed, now := 0, 0, time.Now()
	for _, l := range m.lanes {
		if l.lane != nil {
			require.Equal(m.t, len(l.items), l.lane.Len())
		}
		if l.inside != nil {
			running++
		}
		if l.keyed && l.key != "" {
			keyed++
		}
	}
	queued, bytes := m.load()
	require.Equal(m.t, queue.Counts{Queued: queued, Bytes: int64(bytes), Running: running}, m.set.Counts())
	require.Equal(m.t, keyed, m.set.Keyed())
	require.Equal(m.t, running, m.set.Workers(), "a worker for each handler, none beside")
	held := map[int]bool{}
	m.set.Running(func(v, _ int, _ time.Time) { held[v] = true })
	require.Len(m.t, held, running)
	for v := range held {
		require.NotNil(m.t, m.of[v].inside)
		require.Equal(m.t, v, m.of[v].inside.v)
	}
	if running == m.cfg.Workers || m.stopped {
		return
	}
	for _, l := range m.lanes {
		require.False(m.t, l.ready(now), "nobody hands over %+v", l)
		require.False(m.t, l.tells(), "nobody tells the overflow of %+v", l)
	}
}

// stop ends the Set in the middle.
func (m *model) stop() {
	undelivered, retrying := 0, 0
	for _, l := range m.lanes {
		for _, it := range l.items {
			if it.attempt > 0 {
				retrying++
			} else {
				undelivered++
			}
		}
	}
	gotUndelivered, gotRetrying := m.set.Stop()
	require.Equal(m.t, undelivered, gotUndelivered, "undelivered")
	require.Equal(m.t, retrying, gotRetrying, "retrying")
	m.stopped = true
	m.settle()

	refused := 0
	for v := range m.gates {
		how := verdict{again: m.tape.bool(), retry: time.Second}
		if how.again {
			refused++
		}
		m.letGo(v, how)
	}
	m.settle()
	time.Sleep(time.Hour)
	m.settle()
	running, gotRefused := m.set.Wait(m.t.Context())
	require.Zero(m.t, running)
	require.Equal(m.t, refused, gotRefused)
}

// finish drains what is left: nothing is stuck.
func (m *model) finish() {
	if m.stopped {
		return
	}
	m.mu.Lock()
	m.inDry = 0
	m.mu.Unlock()
	for {
		for _, l := range m.lanes {
			if l.held && !l.removed {
				l.lane.Release(nil, nil, nil)
				l.held, l.older = false, 0
				m.settle()
				break
			}
		}
		time.Sleep(time.Hour) // longer than any retry
		m.settle()
		if len(m.gates) == 0 && !slices.ContainsFunc(m.lanes, func(l *modelLane) bool { return l.held && !l.removed }) {
			break
		}
		for v := range m.gates {
			m.letGo(v, done)
			m.settle()
			break
		}
	}
	require.NoError(m.t, m.set.Drain(m.t.Context()))
	require.Equal(m.t, queue.Counts{}, m.set.Counts())
	require.Zero(m.t, m.set.InLine())
	require.Zero(m.t, m.set.Sleeping())
	require.Zero(m.t, m.set.Keyed())
}
