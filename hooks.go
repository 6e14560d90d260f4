package bitcart

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/bitcart-go/bitcart/internal/jitter"
	"github.com/bitcart-go/bitcart/internal/queue"
)

// Hooks are functions that a stream calls. nil fields are skipped.
//
// The hooks of one daemon run one at a time, in order, on a goroutine of their
// own. They may block and make calls without delaying an event, but a hook must
// not wait for its own stream to return. Their ctx is like a handler's. A panic
// is logged, without its value. A hook that never returns blocks the hooks
// behind it, not events: once 65 536 calls wait, or calls that hold QueueBytes
// of events, new ones are dropped and logged, and the gaps among them are
// reported later as one.
type Hooks struct {
	// OnConnect is called after every connect, once the stream has tried each
	// wallet; if the connection ends before that, it is not called. With
	// PollUpdates it is called when the daemon answers for the first time, and
	// again after it was away.
	OnConnect func(ctx context.Context, info ConnectInfo)
	// OnDisconnect is called when a connection is lost and when an attempt to
	// connect fails, but not when ctx ends the stream.
	OnDisconnect func(ctx context.Context, info DisconnectInfo)
	// OnGap is called when events may be missing: read the requests that you
	// wait for by RPC. The call is queued before the events that follow the gap,
	// but their delivery does not wait for it to return.
	OnGap func(ctx context.Context, gap Gap)
	// OnArm is called once per connect and wallet when the daemon watches the
	// wallet, and for each failed try to load it.
	OnArm func(ctx context.Context, info ArmInfo)
	// OnHandlerError is called for each error that a handler returns in a
	// stream, and for each panic, but not for Retry.
	OnHandlerError func(ctx context.Context, err *HandlerError)
	// OnSlowHandler is called once, while a handler is still running, if it has
	// run for longer than StreamConfig.SlowHandler.
	OnSlowHandler func(ctx context.Context, ev *Event, running time.Duration)
}

// ConnectInfo describes a new connection.
type ConnectInfo struct {
	Currency  string
	First     bool          // it is the first connection of this run of the stream
	Attempts  int           // attempts to connect, the successful one included
	Downtime  time.Duration // since the last connection ended; 0 for the first one
	Armed     int           // wallets that the daemon watches now
	Unarmed   int           // wallets that could not be loaded yet
	Recovered int           // updates that were recovered from the daemon's queues
	Gaps      int           // gaps reported for this connect
}

// DisconnectInfo describes the end of a connection, or a failed attempt to
// connect.
type DisconnectInfo struct {
	Currency string
	Err      error
	RetryIn  time.Duration // until the next attempt; 0 = there is none
}

// ArmInfo describes one try to make the daemon load and watch a wallet.
type ArmInfo struct {
	Coin     *Coin
	Err      error         // nil = the wallet is watched now
	Attempts int           // tries since the connect, from 1
	RetryIn  time.Duration // until the next try; 0 if Err is nil
}

// Gap says that events may be missing.
type Gap struct {
	Currency  string
	Coin      *Coin // whose events may be missing; nil = those of every wallet of the currency
	ChainWide bool  // chain-wide events may be missing too
	// Events that the daemon sent from then on may be missing; for GapStart, events
	// before then. It is not later than the first that is missing was sent, by the
	// clock of this process. It may be too early, usually by up to PingInterval: only
	// a pong tells how far the daemon has been read.
	Since  time.Time
	Reason GapReason
}

// GapReason says why events may be missing.
type GapReason uint8

// Reasons of a gap.
const (
	GapUnknown  GapReason = iota // it is not proven that nothing is missing
	GapStart                     // the stream or the wallet is new, so earlier events are unknown
	GapRestart                   // the daemon was restarted and had forgotten its wallets
	GapOverflow                  // more updates came than the daemon's queue, or a bound of the stream, holds
)

var gapReasons = [...]string{"continuity is not proven", "start", "the daemon was restarted", "overflow"}

// String returns the reason in words, such as "the daemon was restarted".
func (r GapReason) String() string {
	if int(r) < len(gapReasons) {
		return gapReasons[r]
	}
	return fmt.Sprintf("GapReason(%d)", uint8(r))
}

// hookBound is how many calls of hooks wait, at most.
const hookBound = 1 << 16

// hookRunner calls the hooks of one link, one at a time, in order.
type hookRunner struct {
	set  *queue.Set[hookCall]
	lane *queue.Lane[hookCall]
	log  *slog.Logger

	mu   jitter.Mutex // makes a push, or a reopening, and what it says of lost one step; before set's
	lost time.Time    // since when a gap was dropped; zero = none was
}

type hookCall struct {
	run  func(ctx context.Context)
	gap  *Gap // it tells of this gap
	size int  // bytes of the event that it holds
}

// newHookRunner returns a runner that holds so many bytes of events. regap
// tells the gaps that found no room as one.
func newHookRunner(ctx context.Context, log *slog.Logger, bytes int64, regap func(since time.Time)) *hookRunner {
	r := &hookRunner{log: log}
	r.set = queue.New(queue.Config[hookCall]{
		Workers: 1, PerLane: hookBound, LaneBytes: bytes, Bytes: bytes,
		Handle: func(c hookCall, _ int) (time.Duration, bool) {
			r.call(ctx, c)
			return 0, false
		},
		Dry: func(l *queue.Lane[hookCall]) {
			since := r.reopen(l)
			log.Warn("a hook was stuck: calls of hooks were dropped")
			if !since.IsZero() {
				regap(since)
			}
		},
	})
	r.lane = r.set.NewLane()
	return r
}

// reopen takes calls again, and returns since when gaps were dropped.
func (r *hookRunner) reopen(l *queue.Lane[hookCall]) (since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.Reopen()
	since, r.lost = r.lost, time.Time{}
	return since
}

// post puts a call in line. It runs no user code, so locks may be held.
func (r *hookRunner) post(c hookCall) {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.lane.Push(c, c.size+1)
	if c.gap == nil || out == queue.Accepted {
		return
	}
	if r.lost.IsZero() || c.gap.Since.Before(r.lost) {
		r.lost = c.gap.Since
	}
}

func (r *hookRunner) call(ctx context.Context, c hookCall) {
	returned := false
	defer func() {
		if !returned {
			// The value is not logged: it can be anything, a wallet's key too.
			r.log.Error("hook panicked", "type", fmt.Sprintf("%T", recover()), "stack", string(debug.Stack()))
		}
	}()
	c.run(ctx)
	returned = true
}
