package bitcart

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// newBackoff returns the pauses between attempts: growing, jittered, capped,
// and without an end. The cap of backoff's own is before its jitter; the
// jitter must stay below BackoffMax and must not vanish there, or a thousand
// clients come back to a daemon in the same moment.
func newBackoff(c StreamConfig) *backoff.ExponentialBackOff {
	const jitter = 0.5
	b := backoff.NewExponentialBackOff()
	b.RandomizationFactor = jitter
	b.Multiplier = 2
	b.MaxElapsedTime = 0
	b.MaxInterval = time.Duration(float64(c.BackoffMax) / (1 + jitter))
	b.InitialInterval = min(c.BackoffMin, b.MaxInterval)
	b.Reset()
	return b
}

// retryPause is the pause before attempt n+1 of a handler that named none.
func retryPause(c StreamConfig, n int) time.Duration {
	pause := doubled(c.BackoffMin, n-1, c.BackoffMax)
	return pause/2 + rand.N(pause/2+1)
}

// awaitPause is the pause before the daemon's queue is read for the nth time
// after it lacked an update that was dropped.
func awaitPause(c StreamConfig, n int) time.Duration {
	return doubled(c.BackoffMin/4, n, c.BackoffMax)
}

// doubled is pause doubled n times, limit at most. A limit that stands for none
// would let it grow past what a Duration holds.
func doubled(pause time.Duration, n int, limit time.Duration) time.Duration {
	for ; n > 0 && pause < limit; n-- {
		pause += min(pause, limit-pause)
	}
	return pause
}

// pause waits for d and reports whether ctx had not ended before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
