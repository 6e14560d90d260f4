package blockio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bitcart-go/bitcart"
)

// oncePause is when an event comes again that is being handled, or whose
// handler has failed.
const oncePause = time.Second

var errSubjectInFlight = errors.New("blockio: the event's subject is being handled")

// OncePerSubject returns a handler that runs h once for each subject (see
// [SubjectOf]), whichever web hooks and sockets report it. Each number of
// confirmations is a subject of its own. An event without a subject always runs
// h.
//
// It works in two phases with a Seen, which may be the receiver's own.
// NewMemorySeen(max) bounds how many subjects are remembered; a Seen of package
// boltseen survives restarts. If h fails, the subject is free again, and the
// next event with it runs h. While h runs for a subject, other events with it
// return a bitcart.Retry: a Receiver then answers 503, and the service delivers
// again.
func OncePerSubject(h bitcart.Handler, seen Seen) bitcart.Handler {
	once := &oncePerSubject{h, seen}
	return once.handle
}

type oncePerSubject struct {
	handler bitcart.Handler
	seen    Seen
}

var errNoOnce = errors.New("blockio: OncePerSubject without a handler or without a Seen")

func (o *oncePerSubject) handle(ctx context.Context, ev *bitcart.Event) error {
	if o.handler == nil || o.seen == nil {
		return errNoOnce
	}
	subject := SubjectOf(ev)
	if subject == "" {
		return o.handler(ctx, ev)
	}
	key := "subject:" + subject
	claim, err := claimOf(ctx, o.seen, key, defaultLease)
	switch {
	case err != nil:
		return bitcart.Retry(fmt.Errorf("blockio: claim: %w", err), oncePause)
	case claim.State == Done:
		return nil
	case claim.State != Fresh:
		return bitcart.Retry(errSubjectInFlight, oncePause)
	}
	// There is no logger here; what goes wrong with the claim shows at its commit.
	silent := func(string, ...any) {}
	return o.claimed(ctx, ev, newHeldClaim(o.seen, key, claim.Token, defaultLease, silent))
}

// claimed runs the handler and ends the claim, also when the handler panics.
func (o *oncePerSubject) claimed(ctx context.Context, ev *bitcart.Event, claim heldClaim) error {
	defer claim.end()
	handled := false
	defer func() {
		if !handled {
			claim.release(ctx)
		}
	}()
	if err := o.run(ctx, ev, claim); err != nil {
		return err
	}
	handled = true
	if err := claim.commit(ctx); err != nil {
		return fmt.Errorf("blockio: the handler has run, and the event may come again: %w", err)
	}
	return nil
}

// run runs the handler, and renews the claim meanwhile.
func (o *oncePerSubject) run(ctx context.Context, ev *bitcart.Event, claim heldClaim) error {
	defer claim.keep(ctx)()
	return o.handler(ctx, ev)
}
