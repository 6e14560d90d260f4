package blockiotest

import (
	"math"
	"slices"
	"time"
)

// The service repeats an unsuccessful delivery 25 times over 30 days with
// exponential back-off. How the pauses grow is not published; here each is
// longer than the one before by the same factor, from 12 seconds to 11 days.
const (
	retries     = 25
	retryPeriod = 30 * 24 * time.Hour
	retryGrowth = 1.6
)

var retryPauses = pausesOf(retries, retryPeriod, retryGrowth)

// pausesOf cuts a period into n growing parts; the last one ends exactly with
// the period.
func pausesOf(n int, period time.Duration, growth float64) []time.Duration {
	first := float64(period) * (growth - 1) / (math.Pow(growth, float64(n)) - 1)
	pauses := make([]time.Duration, n)
	left := period
	for i := range pauses {
		pauses[i] = time.Duration(first * math.Pow(growth, float64(i))).Round(time.Millisecond)
		left -= pauses[i]
	}
	pauses[n-1] += left
	return pauses
}

// RetryPauses are the pauses between the attempts at one delivery: 25, which
// are 30 days together.
func RetryPauses() []time.Duration { return slices.Clone(retryPauses) }
