package bitcarttest

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// Faults are switches for what goes wrong in production. They can be used at any time and from any
// goroutine.
type Faults struct {
	d *Daemon

	mu       sync.Mutex
	refusal  *HTTPError
	failing  map[string]*failing
	dropping map[string]int
	delays   map[string]delay
	skip     int
	lose     int
	blocks   int     // account daemons: that are to be skipped
	swaps    int     // pairs of appends that are to be swapped
	waiting  *queued // the first one of a pair
	rewrite  func(json.RawMessage) json.RawMessage
	mangled  int // handshakes
	noPongs  bool
	hole     chan struct{} // open while the black hole is on
}

// Cut is a way to end a connection.
type Cut struct {
	mode cutMode
	code int
	text string
}

type cutMode int

const (
	cutFrame cutMode = iota
	cutReset
	cutFIN
)

// The ways to cut connections without a close handshake.
var (
	RST = Cut{mode: cutReset} // the peer gets "connection reset"; what it has not read may be lost
	FIN = Cut{mode: cutFIN}   // the peer gets an unexpected EOF behind the last frame
)

// CloseFrame cuts with a close handshake. A daemon that is stopped sends 1001 "Server shutdown".
func CloseFrame(code int, text string) Cut { return Cut{code: code, text: text} }

// CutSockets cuts every open websocket and waits until they are gone. HTTP connections stay.
func (f *Faults) CutSockets(how Cut) {
	sockets := f.d.audience(everySocket)
	for _, s := range sockets {
		s.cut(how)
	}
	for _, s := range sockets {
		s.wait()
	}
}

// Restart stops the daemon as a crash does, with RST on every connection, keeps its port closed
// for the time down, and starts it again on the same port. Loaded wallets and their queues are
// forgotten; payment requests of wallets on disk come back when the wallet is loaded again, those
// of diskless wallets are gone. The chain goes on. It returns the error of ctx, and the daemon
// stays down then; ErrClosed after Close.
func (f *Faults) Restart(ctx context.Context, down time.Duration) error {
	f.Stop(RST)
	timer := time.NewTimer(down)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return f.Start(ctx)
}

// Stop stops the daemon until Start, without closing it: connections are cut in the given way,
// new ones are refused. Mine, Send and Pay go on changing the chain, but make no events.
func (f *Faults) Stop(how Cut) { f.d.stop(how) }

// Start starts a stopped daemon on its old port. ctx bounds the waiting for the port.
func (f *Faults) Start(ctx context.Context) error { return f.d.start(ctx) }

// RefuseUpgrade answers websocket handshakes with a status and a text, until AcceptUpgrade.
func (f *Faults) RefuseUpgrade(status int, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusal = &HTTPError{Status: status, Body: body}
}

// AcceptUpgrade ends RefuseUpgrade.
func (f *Faults) AcceptUpgrade() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusal = nil
}

func (f *Faults) upgradeRefusal() *HTTPError {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refusal
}

type failing struct {
	left int
	err  error
}

// FailMethod makes the next n calls of a method fail before anything has been done; "" means every
// method, n < 0 means until further notice, n = 0 ends it. err is an *Error for a JSON-RPC error, an
// *HTTPError for an answer in the style of a proxy, ErrReset for a broken connection, an Exception
// for what the daemon's catalogue has a code for; any other error becomes -32603.
func (f *Faults) FailMethod(method string, n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing == nil {
		f.failing = map[string]*failing{}
	}
	delete(f.failing, method)
	if n != 0 && err != nil {
		f.failing[method] = &failing{n, err}
	}
}

func (f *Faults) failure(method string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range []string{method, ""} {
		fail := f.failing[name]
		if fail == nil {
			continue
		}
		if fail.left > 0 {
			fail.left--
		}
		if fail.left == 0 {
			delete(f.failing, name)
		}
		return fail.err
	}
	return nil
}

// DropAnswer lets the next n calls of a method run to their end and then resets the connection
// instead of answering, so that the caller cannot know whether the call ran. "" means every method;
// n < 0 means until further notice, n = 0 ends it.
func (f *Faults) DropAnswer(method string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dropping == nil {
		f.dropping = map[string]int{}
	}
	f.dropping[method] = n
}

func (f *Faults) dropsAnswer(method string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range []string{method, ""} {
		if n := f.dropping[name]; n != 0 {
			if n > 0 {
				f.dropping[name] = n - 1
			}
			return true
		}
	}
	return false
}

type delay struct {
	pause time.Duration
	gate  <-chan struct{}
}

// DelayMethod makes every call of a method take at least d; "" means every method, 0 ends it. A
// call of an account daemon holds its wallet meanwhile. Delays end when the daemon stops.
func (f *Faults) DelayMethod(method string, d time.Duration) { f.setDelay(method, delay{pause: d}) }

// GateMethod holds every call of a method until the gate is closed (or one value per call has been
// received from it); "" means every method, a nil gate ends it for later calls. Waiting ends when
// the daemon stops.
func (f *Faults) GateMethod(method string, gate <-chan struct{}) {
	f.setDelay(method, delay{gate: gate})
}

func (f *Faults) setDelay(method string, d delay) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.delays == nil {
		f.delays = map[string]delay{}
	}
	delete(f.delays, method)
	if d.pause > 0 || d.gate != nil {
		f.delays[method] = d
	}
}

// hold waits for the delay of a method. It is false when ctx ended first.
func (f *Faults) hold(ctx context.Context, method string) bool {
	f.mu.Lock()
	d, ok := f.delays[method]
	if !ok {
		d, ok = f.delays[""]
	}
	f.mu.Unlock()
	if !ok {
		return true
	}
	timer := time.NewTimer(d.pause)
	defer timer.Stop()
	passed := d.gate
	if passed == nil {
		passed = closedGate
	}
	over := timer.C
	for range 2 {
		select {
		case <-over:
			over = nil
		case <-passed:
			passed = nil
		case <-ctx.Done():
			return false
		}
	}
	return true
}

var closedGate = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// SkipAppend makes the next n updates reach the websockets but no queue, as it happens in the real
// daemon when the write to some other client fails.
func (f *Faults) SkipAppend(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.skip = n
}

func (f *Faults) skipsAppend() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.skip <= 0 {
		return false
	}
	f.skip--
	return true
}

// LoseUpdates makes the next n updates reach nobody, neither a websocket nor a queue, as it happens
// in the real daemon when some client vanishes while it is written to. What they tell of has
// happened: only reading it by a call finds it.
func (f *Faults) LoseUpdates(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lose = n
}

func (f *Faults) losesUpdate() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lose <= 0 {
		return false
	}
	f.lose--
	return true
}

// SkipBlocks makes an account daemon skip the next n blocks that Send or Pay makes, as it does with
// blocks whose transactions its node does not hand out: new_block comes, but no transaction is seen
// and no request credited, not by loading a wallet again either, until rescan_blocks. XMR's and
// other families' daemons do not go by blocks.
func (f *Faults) SkipBlocks(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.blocks = n
}

func (f *Faults) skipsBlock() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.blocks <= 0 {
		return false
	}
	f.blocks--
	return true
}

// BlackHole makes websockets go dead silently, as if a cable was pulled: they stay open, but frames
// for them are lost, and nothing that they send is read. HTTP calls are answered; new websockets
// are accepted but just as dead. When it is switched off, what has arrived meanwhile is read.
func (f *Faults) BlackHole(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case on && f.hole == nil:
		f.hole = make(chan struct{})
	case !on && f.hole != nil:
		close(f.hole)
		f.hole = nil
	}
}

func (f *Faults) holed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hole != nil
}

// holeEnd is closed when there is no black hole.
func (f *Faults) holeEnd() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hole == nil {
		return closedGate
	}
	return f.hole
}

// DropPongs leaves pings unanswered.
func (f *Faults) DropPongs(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noPongs = on
}

func (f *Faults) pongsDropped() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.noPongs
}
