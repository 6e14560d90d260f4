package blockio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// heldClaim is a fresh claim and what it takes to keep and to end it. The
// context of its calls is the handler's, without its end: what the handler did
// is done, whoever has hung up.
type heldClaim struct {
	seen   Seen
	key    string
	token  Token
	lease  time.Duration
	warn   func(msg string, args ...any)
	asides *asides
}

func newHeldClaim(seen Seen, key string, token Token, lease time.Duration, warn func(msg string, args ...any)) heldClaim {
	return heldClaim{seen, key, token, lease, warn, &asides{}}
}

// asides are the warnings of the renewals. A logger is foreign code: one that
// is stuck must not keep the claim from being renewed or committed.
type asides struct {
	busy    atomic.Bool
	running sync.WaitGroup
}

// call runs f beside the caller, unless the one before has not returned.
func (a *asides) call(f func()) {
	if !a.busy.CompareAndSwap(false, true) {
		return
	}
	a.running.Go(func() {
		defer a.busy.Store(false)
		f()
	})
}

// end waits for the warnings that are being logged: nothing of a claim outlives
// its delivery. It comes after the commit.
func (c heldClaim) end() { c.asides.running.Wait() }

// minLease is far below what a store takes that others share.
const minLease = 10 * time.Millisecond

// part of a lease is the time between two renewals, and how long each call of a
// Seen may take. So a claim has some of its lease left while any of its calls
// runs, the commit included: nobody can take its key meanwhile.
func part(lease time.Duration) time.Duration { return lease / 3 }

// claimOf claims a key.
func claimOf(ctx context.Context, seen Seen, key string, lease time.Duration) (Claim, error) {
	ctx, cancel := context.WithTimeout(ctx, part(lease))
	defer cancel()
	return seen.Claim(ctx, key, lease)
}

// keep renews the claim until stop is called, which waits for the end of it.
func (c heldClaim) keep(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var renewing sync.WaitGroup
	renewing.Go(func() { c.renewUntil(ctx) })
	return func() {
		cancel()
		renewing.Wait()
	}
}

func (c heldClaim) renewUntil(ctx context.Context) {
	ticker := time.NewTicker(part(c.lease))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := c.renew(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		c.asides.call(func() { c.warn("claim not renewed", "error", err) })
		if errors.Is(err, ErrClaimLost) {
			return // the commit will say so to the sender
		}
	}
}

// renew takes a panic of the Seen, which nobody else could recover from on this
// goroutine, as an error.
func (c heldClaim) renew(ctx context.Context) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("the store panicked with a %T", value)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, part(c.lease))
	defer cancel()
	return c.seen.Renew(ctx, c.key, c.token, c.lease)
}

func (c heldClaim) commit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), part(c.lease))
	defer cancel()
	if err := c.seen.Commit(ctx, c.key, c.token, keepSeen); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// release gives the claim back. One that cannot be given back expires.
func (c heldClaim) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), part(c.lease))
	defer cancel()
	if err := c.seen.Release(ctx, c.key, c.token); err != nil {
		c.warn("claim not released, it has to expire", "error", err)
	}
}
