package bitcart

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A cap that is meant as none neither wraps around nor panics, however often a
// handler has asked for another attempt.
func TestRetryPauseWithoutCap(t *testing.T) {
	for _, longest := range []time.Duration{math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64/2 + 1, 1 << 62} {
		c := StreamConfig{BackoffMin: 500 * time.Millisecond, BackoffMax: longest}
		before := time.Duration(0)
		for attempt := 1; attempt <= 200; attempt++ {
			pause := retryPause(c, attempt)
			require.GreaterOrEqual(t, pause, before/2, "attempt %d", attempt)
			require.Positive(t, pause, "attempt %d", attempt)
			before = pause
		}
	}
}

// A daemon's queue that lacks a dropped update is read again after pauses that grow, and that stay
// positive and within BackoffMax for every BackoffMin.
func TestAwaitPauses(t *testing.T) {
	for _, shortest := range []time.Duration{500 * time.Millisecond, 30 * time.Second, 1 << 59, 1 << 60, 1 << 62, math.MaxInt64 - 1, math.MaxInt64} {
		for _, longest := range []time.Duration{shortest, 0} {
			c := StreamConfig{BackoffMin: shortest, BackoffMax: longest}
			require.NoError(t, c.check())
			c = c.withDefaults()
			before := c.BackoffMin / 4
			for awaits := 1; awaits <= mostAwaits; awaits++ {
				twice := c.BackoffMax
				if before < twice/2 {
					twice = 2 * before
				}
				before = awaitPause(c, awaits)
				require.Equal(t, twice, before, "%v, %d", shortest, awaits)
			}
			require.Positive(t, retryPause(c, 1))
			require.LessOrEqual(t, retryPause(c, 1), c.BackoffMax)
		}
	}
}
