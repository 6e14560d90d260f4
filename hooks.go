package bitcart

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// Hooks are told about streams. Nil fields are skipped. The hooks of one daemon
// run one at a time, in order, on a goroutine of their own: they may block and
// make calls without holding up an event, but a hook must not wait for its own
// stream to return. ctx is like a handler's. A panic is logged, without its
// value. A hook that never returns costs the hooks behind it, not events: beyond
// 65 536 waiting calls, or QueueBytes of events in them, new ones are dropped and
// logged, and gaps among them are told later as one.
type Hooks struct {
	// OnConnect is called after every connect, when each wallet has been
	// tried once.
	OnConnect func(ctx context.Context, info ConnectInfo)
	// OnDisconnect is called when a connection was lost and when an attempt to
	// connect has failed; not when ctx has ended the stream.
	OnDisconnect func(ctx context.Context, info DisconnectInfo)
	// OnGap is called when events may be missing: read what you wait for by
	// RPC. It is queued before the events that follow the gap; delivery does
	// not wait for it to return.
	OnGap func(ctx context.Context, gap Gap)
	// OnArm is called when a wallet is watched, and for each failed try.
	OnArm func(ctx context.Context, info ArmInfo)
	// OnHandlerError is called for each error of a handler in a stream, panics
	// included, Retry not.
	OnHandlerError func(ctx context.Context, err *HandlerError)
	// OnSlowHandler is called once for a handler that runs longer than
	// StreamConfig.SlowHandler, while it is still running.
	OnSlowHandler func(ctx context.Context, ev *Event, running time.Duration)
}

// ConnectInfo tells of a new connection.
type ConnectInfo struct {
	Currency  string
	First     bool          // of this run of the stream
	Attempts  int           // to connect, this one included
	Downtime  time.Duration // since the last connection ended; 0 for the first one
	Armed     int           // wallets that are watched
	Unarmed   int           // wallets that could not be loaded yet
	Recovered int           // events that came from the daemon's queues
	Gaps      int           // gaps reported for this connect
}

// DisconnectInfo tells of the end of a connection, or of a failed attempt.
type DisconnectInfo struct {
	Currency string
	Err      error
	RetryIn  time.Duration // 0 = there is no further attempt
}

// ArmInfo tells of one try to make the daemon watch a wallet.
type ArmInfo struct {
	Coin     *Coin
	Err      error         // nil = the wallet is watched now
	Attempts int           // since the connect, from 1
	RetryIn  time.Duration // when Err is not nil
}

// Gap says that events may be missing.
type Gap struct {
	Currency  string
	Coin      *Coin     // nil = every wallet of the currency
	ChainWide bool      // chain-wide events may be missing too
	Since     time.Time // what came from then on may be missing; for GapStart what came before
	Reason    GapReason
}

// GapReason says why events may be missing.
type GapReason uint8

// Reasons of a gap.
const (
	GapUnknown  GapReason = iota // nothing proves that nothing is missing
	GapStart                     // the stream or the wallet is new: what came before it is not known
	GapRestart                   // the daemon was restarted and had forgotten its wallets
	GapOverflow                  // more than the daemon's queue, or our own bounds, hold
)

var gapReasons = [...]string{"continuity is not proven", "start", "the daemon was restarted", "overflow"}

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

	mu   sync.Mutex // makes a push, or a reopening, and what it says of lost one step; before set's
	lost time.Time  // since when a gap was dropped; zero = none was
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
