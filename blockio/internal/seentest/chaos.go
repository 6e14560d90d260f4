package seentest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
)

// Chaos delivers events to a Receiver in every bad way: repeated, reordered,
// several times at once, by a sender that hangs up or loses the answer, to
// handlers that fail, panic or outlast the lease, in a process that crashes
// before and after each change of the Seen. Each event has to be handled once,
// and once more for each crash between its handler and its commit; nothing may
// be answered 200 before it was handled.
type Chaos struct {
	Events int
	// CrashOneIn is how many changes of the Seen there are to a crash.
	CrashOneIn int
	// Open opens the Seen, at first and again after each crash with what was
	// stored in it before.
	Open func(t *testing.T) (seen blockio.Seen, closeSeen func())
}

// Run runs it on a fake clock.
func (c Chaos) Run(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, conf: c, events: make([]event, c.Events)}
		w.restart(nil)
		w.deliverAll()
		w.restart(w.current())
		w.check()
	})
}

// world is a service that delivers, and the processes that receive.
type world struct {
	t      *testing.T
	conf   Chaos
	events []event

	mu   sync.Mutex
	proc *process

	crashes, failures, repeats, inFlight, long atomic.Int64
}

type event struct {
	handled atomic.Int64
	lost    atomic.Int64 // crashes between handler and commit
}

// process is a Receiver from its start to its crash.
type process struct {
	world     *world
	receiver  *blockio.Receiver
	seen      blockio.Seen
	closeSeen func()
	using     sync.RWMutex // read: a call of seen runs
	dead      atomic.Bool
	running   sync.Map // event -> true
}

var errCrashed = errors.New("the process has crashed")

func (w *world) current() *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.proc
}

// restart starts a process in place of one that has crashed.
func (w *world) restart(old *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.proc != old {
		return // somebody else did
	}
	if old != nil {
		old.dead.Store(true)
		old.using.Lock()
		old.closeSeen()
		old.using.Unlock()
	}
	p := &process{world: w}
	p.seen, p.closeSeen = w.conf.Open(w.t)
	var d bitcart.Dispatcher
	d.On("address", p.handle)
	receiver, err := blockio.NewReceiver(&d, blockio.WithSeen(p), blockio.WithLease(lease))
	require.NoError(w.t, err)
	p.receiver = receiver
	w.proc = p
}

const workers = 32

// deliverAll delivers every event, some of them several times, in a random
// order, until each delivery was answered 200.
func (w *world) deliverAll() {
	var order []int
	for i := range w.events {
		order = append(order, i)
		for oneIn(3) {
			order = append(order, i)
		}
	}
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	queue := make(chan int)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := range queue {
				w.deliver(i)
			}
		})
	}
	for _, i := range order {
		queue <- i
	}
	close(queue)
	all.Wait()
}

func (w *world) deliver(i int) {
	for attempt := 1; ; attempt++ {
		var copies sync.WaitGroup
		var taken atomic.Bool
		for range 1 + rand.IntN(2) {
			copies.Go(func() {
				if w.post(i, attempt) {
					taken.Store(true)
				}
			})
		}
		copies.Wait()
		if taken.Load() {
			return
		}
		time.Sleep(rand.N(30 * time.Second))
	}
}

// post reports whether the sender got a 200.
func (w *world) post(i, attempt int) bool {
	p := w.current()
	before := w.events[i].handled.Load()
	ctx, cancel := context.WithCancel(context.Background())
	if oneIn(10) {
		ctx, cancel = context.WithTimeout(context.Background(), rand.N(time.Second)) // hangs up
	}
	defer cancel()
	answer := httptest.NewRecorder()
	p.receiver.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodPost, "/", body(i, attempt)))
	if p.dead.Load() {
		w.restart(p)
	}
	if answer.Code != http.StatusOK {
		if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
			w.t.Errorf("event %d: status %d", i, answer.Code)
		}
		return false
	}
	switch w.events[i].handled.Load() {
	case 0:
		w.t.Errorf("event %d: answered 200 and never handled", i)
	case before:
		w.repeats.Add(1)
	}
	return !oneIn(10) // the answer is lost on its way
}

// body is a delivery; every second event has no id.
func body(i, attempt int) *strings.Reader {
	id := ""
	if i%2 == 0 {
		id = fmt.Sprintf(`"event_id":"e%d",`, i)
	}
	return strings.NewReader(fmt.Sprintf(`{%s"notification_id":"%d","delivery_attempt":%d,"created_at":1426104819,"type":"address",`+
		`"data":{"network":"BTC","address":"3cBraN1Q","balance_change":"0.01000000","amount_sent":"0","amount_received":"0.01000000","txid":"tx%d","confirmations":1}}`,
		id, i, attempt, i))
}

// handle is the handler of one process.
func (p *process) handle(ctx context.Context, ev *bitcart.Event) error {
	i := number(ctx)
	if _, twice := p.running.LoadOrStore(i, true); twice {
		p.world.t.Errorf("event %d: handled twice at the same time", i)
	}
	defer p.running.Delete(i)
	switch {
	case oneIn(10):
		p.world.failures.Add(1)
		return errors.New("the books are busy")
	case oneIn(50):
		p.world.failures.Add(1)
		panic("a bug")
	case oneIn(20):
		p.world.long.Add(1)
		time.Sleep(3 * lease)
	default:
		time.Sleep(rand.N(2 * time.Second))
	}
	if err := ctx.Err(); err != nil {
		p.world.t.Errorf("event %d: the handler was cancelled: %v", i, err)
	}
	p.world.events[i].handled.Add(1)
	return nil
}

// number is the event's, which stands in the id of its notification.
func number(ctx context.Context) (i int) {
	d, _ := blockio.DeliveryFrom(ctx)
	_, _ = fmt.Sscan(d.NotificationID, &i)
	return i
}

func oneIn(n int) bool { return rand.IntN(n) == 0 }

// A process is its own Seen: the real one, until it crashes.

func (p *process) Claim(ctx context.Context, key string, lease time.Duration) (claim blockio.Claim, err error) {
	err = p.use(func() error {
		claim, err = p.seen.Claim(ctx, key, lease)
		return err
	})
	if claim.State == blockio.InFlight {
		p.world.inFlight.Add(1)
	}
	return claim, err
}

func (p *process) Renew(ctx context.Context, key string, token blockio.Token, lease time.Duration) error {
	return p.use(func() error { return p.seen.Renew(ctx, key, token, lease) })
}

func (p *process) Release(ctx context.Context, key string, token blockio.Token) error {
	return p.use(func() error { return p.seen.Release(ctx, key, token) })
}

func (p *process) Commit(ctx context.Context, key string, token blockio.Token, keep time.Duration) error {
	committed := false
	err := p.use(func() error {
		err := p.seen.Commit(ctx, key, token, keep)
		committed = err == nil
		return err
	})
	if !committed {
		if !errors.Is(err, errCrashed) {
			p.world.t.Errorf("commit: %v", err)
		}
		p.world.events[number(ctx)].lost.Add(1)
	}
	return err
}

// use runs a call of the Seen, or crashes before or after it.
func (p *process) use(call func() error) error {
	p.using.RLock()
	defer p.using.RUnlock()
	if oneIn(2 * p.world.conf.CrashOneIn) {
		p.crash()
	}
	if p.dead.Load() {
		return errCrashed
	}
	err := call()
	if oneIn(2 * p.world.conf.CrashOneIn) {
		p.crash()
	}
	if p.dead.Load() {
		return errCrashed // it was done, and nobody learns of it
	}
	return err
}

func (p *process) crash() {
	if p.dead.CompareAndSwap(false, true) {
		p.world.crashes.Add(1)
	}
}

func (w *world) check() {
	w.t.Helper()
	w.proc.closeSeen()
	var lost, handled int64
	for i := range w.events {
		e := &w.events[i]
		if n, most := e.handled.Load(), 1+e.lost.Load(); n < 1 || n > most {
			w.t.Errorf("event %d: handled %d times, between 1 and %d were right", i, n, most)
		}
		lost += e.lost.Load()
		handled += e.handled.Load()
	}
	w.t.Logf("%d events, handled %d times; %d crashes, %d between handler and commit; %d failures, %d repeats, %d in flight, %d beyond the lease",
		len(w.events), handled, w.crashes.Load(), lost, w.failures.Load(), w.repeats.Load(), w.inFlight.Load(), w.long.Load())
	for name, n := range map[string]int64{
		"crash": w.crashes.Load(), "lost commit": lost, "failure": w.failures.Load(), "repeat": w.repeats.Load(),
		"delivery in flight": w.inFlight.Load(), "handler beyond the lease": w.long.Load(),
	} {
		require.Positive(w.t, n, "the test had no %s", name)
	}
}
