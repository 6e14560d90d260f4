package blockio

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// pauses are the bounds of the pauses between attempts.
type pauses struct{ min, max time.Duration }

// connects returns the pauses between attempts to connect: growing, jittered,
// and without an end. The cap of backoff's own is before its jitter; with it a
// pause would exceed max.
func (p pauses) connects() *backoff.ExponentialBackOff {
	const jitter = 0.5
	b := backoff.NewExponentialBackOff()
	b.RandomizationFactor = jitter
	b.Multiplier = 2
	b.MaxElapsedTime = 0
	b.MaxInterval = time.Duration(float64(p.max) / (1 + jitter))
	b.InitialInterval = min(p.min, b.MaxInterval)
	b.Reset()
	return b
}

// retry is the pause before attempt n+1 of a handler that named none.
func (p pauses) retry(n int) time.Duration {
	d := p.min
	for ; n > 1 && d < p.max; n-- {
		d *= 2
	}
	d = min(d, p.max)
	return d/2 + rand.N(d/2+1)
}

// outlive returns a context that ends the time d after ctx. cancel waits for
// its goroutine.
func outlive(ctx context.Context, d time.Duration) (_ context.Context, cancel func()) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ctx.Done():
			sleep(longer, d)
			end()
		case <-longer.Done():
		}
	}()
	return longer, func() { end(); <-ended }
}
