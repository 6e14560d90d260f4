package bitcart

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Handler handles one event. Handlers of one wallet run one at a time, those of
// different wallets at the same time, on goroutines of the stream. A handler
// may block and make calls: only later events of its own wallet wait for it. It
// must not wait for its own stream to return. If it starts a goroutine, the
// guarantees end when the handler returns.
//
// In a stream, ctx carries the values of the stream's ctx but not its
// cancellation; it is cancelled when DrainTimeout is over. In ProcessUpdates it
// is the caller's ctx.
//
// In a stream, an error is reported to OnHandlerError and the event is done;
// return [Retry] to get the event again. A panic counts as an error.
type Handler func(ctx context.Context, ev *Event) error

// Retry is what a handler returns to get the event again after the given time,
// or after a growing pause if the time is 0 or less. The event stays at the
// head of its wallet's queue, and later events of that wallet wait. err says
// why, for the logs; it may be nil. ProcessUpdates does not retry: it returns
// the error to its caller.
func Retry(err error, after time.Duration) error {
	return &retryError{err: err, after: max(after, 0)}
}

// RetryAfter reports whether err, which ProcessUpdates has returned, holds a
// [Retry], and after which time the handler wants the event again; 0 leaves the
// pause to the caller. If err joins several errors, the first Retry counts, so
// a source that retries should pass its updates one by one.
func RetryAfter(err error) (after time.Duration, again bool) {
	var retry *retryError
	if !errors.As(err, &retry) {
		return 0, false
	}
	return retry.after, true
}

// Registry is where handlers are registered: a *Coin, an *APIManager or a
// *Dispatcher.
type Registry interface {
	On(event string, h Handler)
}

// On registers fn as the handler of P's event. P is one of the payload types of
// this package, a type of your own, or a pointer to one. An update that
// [PayloadOf] cannot read counts as the handler's error, and fn is not called
// for it. A nil fn removes the handler. If P is an interface type, which names
// no event, nothing is registered.
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
