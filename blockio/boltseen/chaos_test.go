package boltseen_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/boltseen"
	"github.com/bitcart-go/bitcart/blockio/internal/seentest"
)

// TestReceiverChaos opens the file again after each crash.
func TestReceiverChaos(t *testing.T) {
	path := newFile(t)
	seentest.Chaos{
		Events: 500, CrashOneIn: 50,
		Open: func(t *testing.T) (blockio.Seen, func()) {
			s, err := boltseen.Open(path, boltseen.Config{NoSync: true})
			require.NoError(t, err)
			return s, func() { require.NoError(t, s.Close()) }
		},
	}.Run(t)
}
