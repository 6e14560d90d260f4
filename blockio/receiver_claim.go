package blockio

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/bitcart-go/bitcart"
)

var (
	errInFlight = errors.New("the event is being handled right now")
	errRemoved  = errors.New("the event's handler was removed")
)

// handleOnce hands an update over unless that was done before. nil means that
// it is done and that the Seen knows.
func (rc *Receiver) handleOnce(ctx context.Context, key string, u bitcart.Update) error {
	claim, err := claimOf(ctx, rc.conf.seen, key, rc.conf.lease)
	if err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	switch claim.State {
	case Done:
		return nil
	case Fresh:
		return rc.handleClaimed(ctx, u, newHeldClaim(rc.conf.seen, key, claim.Token, rc.conf.lease, rc.conf.log.Warn))
	case InFlight:
		return errInFlight
	}
	return fmt.Errorf("claim: unknown answer %s", claim.State)
}

// handleClaimed gives the claim back when the handler fails in any way, a
// runtime.Goexit included. A claim whose commit fails is left to expire: the
// handler was here, and only the store knows whether the commit was as well.
func (rc *Receiver) handleClaimed(ctx context.Context, u bitcart.Update, claim heldClaim) error {
	defer claim.end()
	handled := false
	defer func() {
		if !handled {
			claim.release(ctx)
		}
	}()
	if err := rc.handle(ctx, u, claim); err != nil {
		return err
	}
	handled = true
	return claim.commit(ctx)
}

// handle runs the handler, and renews the claim meanwhile.
func (rc *Receiver) handle(ctx context.Context, u bitcart.Update, claim heldClaim) (err error) {
	defer claim.keep(ctx)()
	defer func() {
		// A handler's panic does not come here; a Sink of somebody else's may.
		if value := recover(); value != nil {
			err = &bitcart.PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	if err := rc.sink.ProcessUpdates(ctx, []bitcart.Update{u}); err != nil {
		return err
	}
	if !rc.sink.Handles(u.Event()) {
		return errRemoved // maybe before it was called: then nobody has handled the event
	}
	return nil
}
