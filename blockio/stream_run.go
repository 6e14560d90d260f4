package blockio

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/internal/queue"
	"github.com/bitcart-go/bitcart/internal/wsconn"
)

// streamRun is one Run of a Stream. It owns every goroutine of it.
type streamRun struct {
	s       *Stream
	queue   *queue.Set[parcel]
	notices *notices

	work  context.Context // of handlers and of the caller's functions: ends when the drain's time is over
	cut   context.CancelFunc
	clock *time.Timer
	begun sync.Once

	ended       chan struct{} // closed when there are no more connections
	undelivered atomic.Int64  // events that were not handed over because the time was over
	retrying    atomic.Int64  // the same, which had been handed over before
	cutOff      atomic.Int64  // backfills that were cut off

	// Guarded by Stream.mu:
	conn    *streamConn // nil while there is none
	over    bool        // ended is closed
	stopped bool        // nothing is handed over any more
	// retired are entries that left the book and whose lanes are not done.
	retired map[Subscription]*entry
	// strays are the lanes of other spellings, by topic.
	strays map[Subscription]*stray
}

func newStreamRun(s *Stream, ctx context.Context) *streamRun {
	r := &streamRun{s: s, ended: make(chan struct{}), retired: map[Subscription]*entry{}, strays: map[Subscription]*stray{}}
	r.work, r.cut = context.WithCancel(context.WithoutCancel(ctx))
	r.queue = r.newQueue()
	r.notices = newNotices(r.work, s.cfg.log, s.cfg.bounds.Bytes, r.tellGap)
	return r
}

// log logs from the notices' goroutine: a logger is foreign code, for which
// neither the reader nor the next attempt to connect must wait.
func (r *streamRun) log(level slog.Level, msg string, args ...any) {
	r.notices.post(func(ctx context.Context) { r.s.cfg.log.Log(ctx, level, msg, args...) })
}

func (r *streamRun) warn(msg string, args ...any) { r.log(slog.LevelWarn, msg, args...) }

// tellRefused tells of a refused subscription for which nobody waits.
func (r *streamRun) tellRefused(refused *SubscriptionError) {
	cfg := &r.s.cfg
	r.notices.postKept(func(ctx context.Context) {
		cfg.log.Error("subscription refused", "subscription", refused.Subscription.String(), "message", refused.Message)
		if cfg.onRefused != nil {
			cfg.onRefused(ctx, refused)
		}
	})
}

// connectUntil connects, and connects again, until ctx ends.
func (r *streamRun) connectUntil(ctx context.Context) {
	pauses := r.s.cfg.pauses.connects()
	for connected := false; ; {
		ws, err := r.dial(ctx)
		if err == nil {
			if connected {
				r.s.n.reconnects.Add(1)
			}
			connected = true
			var proved bool
			if proved, err = r.serve(ctx, ws); proved {
				// One that is accepted and dropped must not become a busy loop.
				pauses.Reset()
			}
		}
		if ctx.Err() != nil {
			return
		}
		delay := pauses.NextBackOff()
		r.warn("not connected", "error", errorText(err), "retry_in", delay)
		if !sleep(ctx, delay) {
			return
		}
	}
}

func (r *streamRun) dial(ctx context.Context) (*wsconn.Conn, error) {
	return wsconn.Dial(ctx, wsconn.Config{
		URL:       r.s.cfg.endpoint,
		Transport: r.s.cfg.transport,
		ReadLimit: streamReadLimit,
		// Whether the connection lives is decided by the service's own
		// messages: a pong can come from a proxy before a service that is gone.
		PingInterval: -1,
	})
}

// errorText is the text of an error without the name of the package it is from.
func errorText(err error) string { return strings.TrimPrefix(err.Error(), "wsconn: ") }

// beginDrain starts the time within which everything has to be handed over.
func (r *streamRun) beginDrain() {
	r.begun.Do(func() { r.clock = time.AfterFunc(r.s.cfg.bounds.Drain, r.cut) })
}

// drainGrace is how long handlers have to return after their ctx was
// cancelled.
const drainGrace = time.Second

// loggerGrace is how long the end waits for the logger: it may be what is stuck.
const loggerGrace = 100 * time.Millisecond

// drain waits until everything was handed over and told. When the time is over
// it cancels what runs and reports what is left.
func (r *streamRun) drain() error {
	defer r.cut()
	defer r.clock.Stop()
	// A gap brings a backfill, and that events; a queue that had overflowed
	// brings a gap when it has run empty. Nothing can overflow any more.
	for range 2 {
		r.notices.drain(r.work)
		_ = r.queue.Drain(r.work) // what is left is counted below
	}
	r.notices.drain(r.work)
	r.s.mu.Lock()
	r.stopped = true
	r.s.mu.Unlock()
	var left bitcart.DrainError
	left.Undelivered, left.Retrying = r.queue.Stop()

	last, cancel := outlive(r.work, drainGrace)
	defer cancel()
	running, refused := r.queue.Wait(last)
	r.notices.drain(last) // errors of handlers that were cancelled
	calling, lost, cutOff := r.notices.end(last)
	if lost > 0 {
		r.warnAtEnd("functions of the stream were not called before its end", "calls", lost)
	}
	left.Running = running + calling
	left.Undelivered += int(r.undelivered.Load())
	left.Retrying += refused + int(r.retrying.Load())
	left.Cut = cutOff + int(r.cutOff.Load())
	if left == (bitcart.DrainError{}) {
		return nil
	}
	return &left
}

// warnAtEnd logs when nothing else is called any more. A logger that does not
// return is left behind.
func (r *streamRun) warnAtEnd(msg string, args ...any) {
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		r.s.cfg.log.Warn(msg, args...)
	}()
	select {
	case <-logged:
	case <-time.After(loggerGrace):
	}
}

var (
	errSilent    = errors.New("the service has sent nothing for too long")
	errNoAnswer  = errors.New("the service does not answer a subscription")
	errUngreeted = errors.New("the service has not greeted the connection")
)
