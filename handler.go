package bitcart

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Handler handles one event. It runs on a goroutine of the stream, one at a
// time for each wallet and at the same time for different wallets; it may
// block and make calls, and only its own wallet's later events wait for it. It
// must not wait for its own stream to return.
//
// In a stream ctx carries the values of the stream's ctx but not its
// cancellation: it is cancelled when DrainTimeout is over. In ProcessUpdates
// it is the caller's.
//
// An error is reported to OnHandlerError and the event is done; return
// [Retry] to have it handed over again. A panic is an error.
type Handler func(ctx context.Context, ev *Event) error

// Retry is what a handler returns to have the event handed over again, after
// the given time, or with a growing pause when it is 0 or less. The event
// stays at the head of its wallet's queue, and later events of that wallet
// wait. err says why; it may be nil. ProcessUpdates does not repeat: there the
// error goes back to the caller.
func Retry(err error, after time.Duration) error {
	return &retryError{err: err, after: max(after, 0)}
}

// RetryAfter reports whether err, which ProcessUpdates has returned, asks by
// [Retry] for another attempt, and after which time; 0 leaves the pause to the
// caller. Of several errors the first that asks counts: a source that keeps
// events for another attempt hands them over one by one.
func RetryAfter(err error) (after time.Duration, again bool) {
	var retry *retryError
	if !errors.As(err, &retry) {
		return 0, false
	}
	return retry.after, true
}

// Registry is where handlers are registered: a *Coin, an *APIManager, a
// *Dispatcher.
type Registry interface {
	On(event string, h Handler)
}

// On registers fn as the handler of P's event. P is one of the payload types,
// a type of your own, or a pointer to one. An update that PayloadOf cannot
// read is the handler's error; fn is not called for it. A nil fn removes the
// handler. An interface type names no event, and nothing is registered.
func On[P Payload](r Registry, fn func(ctx context.Context, ev *Event, p P) error) {
	name, err := payloadName[P]()
	if err != nil {
		return // an interface type names no event
	}
	if fn == nil {
		r.On(name, nil)
		return
	}
	r.On(name, func(ctx context.Context, ev *Event) error {
		p, err := PayloadOf[P](ev)
		if err != nil {
			return err
		}
		return fn(ctx, ev, p)
	})
}

// registry maps event names to handlers. Reading takes no lock: writers put a
// new map in place of the old one. The zero value is empty.
type registry struct {
	handlers atomic.Pointer[map[string]Handler]
	mu       sync.Mutex // among writers
}

func (r *registry) set(events []string, h Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := make(map[string]Handler)
	if old := r.handlers.Load(); old != nil {
		next = maps.Clone(*old)
	}
	for _, event := range events {
		if h == nil {
			delete(next, event)
		} else {
			next[event] = h
		}
	}
	r.handlers.Store(&next)
}

func (r *registry) lookup(event string) Handler {
	if handlers := r.handlers.Load(); handlers != nil {
		return (*handlers)[event]
	}
	return nil
}
