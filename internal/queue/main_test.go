package queue_test

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bitcart-go/bitcart/internal/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wide is a Config whose bounds nobody meets.
func wide(workers int) queue.Config[int] {
	return queue.Config[int]{Workers: workers, PerLane: 1 << 20, LaneBytes: 1 << 40, Bytes: 1 << 40}
}

// verdict is what the test makes a handler do.
type verdict struct {
	again  bool
	retry  time.Duration
	goexit bool
}

// obey ends a handler that way.
func (v verdict) obey() (retry time.Duration, again bool) {
	if v.goexit {
		runtime.Goexit()
	}
	return v.retry, v.again
}

var done = verdict{}

func retryIn(d time.Duration) verdict { return verdict{again: true, retry: d} }

// call is one start of a handler.
type call struct{ v, attempt int }

// stage is a Set in a synctest bubble whose handlers stay inside until the
// test lets them go, so that each step has one outcome.
type stage struct {
	*queue.Set[int]
	t *testing.T

	mu     sync.Mutex
	calls  []call
	dried  []*queue.Lane[int]
	inside map[int]chan verdict
	over   chan struct{} // closed at the test's end: who is still inside goes
}

func newStage(t *testing.T, cfg queue.Config[int]) *stage {
	s := &stage{t: t, inside: map[int]chan verdict{}, over: make(chan struct{})}
	if cfg.Handle == nil {
		cfg.Handle = s.handle
	}
	onDry := cfg.Dry
	cfg.Dry = func(l *queue.Lane[int]) {
		s.mu.Lock()
		s.dried = append(s.dried, l)
		s.mu.Unlock()
		if onDry != nil {
			onDry(l)
		}
	}
	s.Set = queue.New(cfg)
	t.Cleanup(func() {
		s.Stop()
		close(s.over)
	})
	return s
}

func (s *stage) handle(v, attempt int) (time.Duration, bool) {
	gate := make(chan verdict)
	s.mu.Lock()
	s.calls = append(s.calls, call{v, attempt})
	s.inside[v] = gate
	s.mu.Unlock()
	select {
	case how := <-gate:
		return how.obey()
	case <-s.over:
		return 0, false
	}
}

// finish lets the handler of v go, and waits until nothing more happens.
func (s *stage) finish(v int, how verdict) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	gate := s.inside[v]
	delete(s.inside, v)
	s.mu.Unlock()
	require.NotNil(s.t, gate, "no handler holds %d", v)
	gate <- how
	synctest.Wait()
}

// holding is which values are in handlers, in order of size.
func (s *stage) holding() []int {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []int{}
	for v := range s.inside {
		list = append(list, v)
	}
	slices.Sort(list)
	return list
}

// runDry finishes everything that starts and returns the values in the order
// in which their handlers began, from the first call on.
func (s *stage) runDry() []int {
	for list := s.holding(); len(list) > 0; list = s.holding() {
		for _, v := range list {
			s.finish(v, done)
		}
	}
	return s.started()
}

func (s *stage) started() []int {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []int{}
	for _, c := range s.calls {
		list = append(list, c.v)
	}
	return list
}

func (s *stage) dries() []*queue.Lane[int] {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dried)
}

// empty checks that the set holds nothing any more.
func (s *stage) empty() {
	s.t.Helper()
	synctest.Wait()
	require.Equal(s.t, queue.Counts{}, s.Counts())
	require.Zero(s.t, s.Workers(), "workers")
	require.Zero(s.t, s.InLine(), "lanes in line")
	require.Zero(s.t, s.Sleeping(), "retry timers")
	require.Zero(s.t, s.Keyed(), "keyed lanes")
	require.Zero(s.t, s.Dropping(), "lanes that drop")
}

// pushAll pushes values of one byte each and wants them accepted.
func pushAll(t *testing.T, l *queue.Lane[int], vs ...int) {
	t.Helper()
	for _, v := range vs {
		require.Equal(t, queue.Accepted, l.Push(v, 1))
	}
}

func oneByte(int) int { return 1 }
