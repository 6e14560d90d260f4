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
