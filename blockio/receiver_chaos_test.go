package blockio_test

import (
	"testing"

	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/internal/seentest"
)

// TestReceiverChaos: the memory outlives the crashes, as a store on the
// network does.
func TestReceiverChaos(t *testing.T) {
	seen := blockio.NewMemorySeen(0)
	seentest.Chaos{
		Events: 10_000, CrashOneIn: 300,
		Open: func(*testing.T) (blockio.Seen, func()) { return seen, func() {} },
	}.Run(t)
}
