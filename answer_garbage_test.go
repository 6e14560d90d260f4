package bitcart_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// An answer as long as the daemon's queue is a gap, also when most of it is garbage that is not kept.
func TestGapOfAFullQueueOfGarbage(t *testing.T) {
	t.Parallel()
	const size = 700 // of the daemon's queue
	for _, polling := range []bool{false, true} {
		t.Run(fmt.Sprint("polling ", polling), func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC", bitcarttest.WithPollingCap(size))
			d.Faults().RewriteQueued(func(json.RawMessage) json.RawMessage { return json.RawMessage("7") })
			j := newDiary()
			cfg := recovering()
			cfg.DequeCap = size
			coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
			if polling {
				start(t, pollingOf(coin))
				armed(t, coin)
			} else {
				listen(t, coin)
				receive(t, j.connects, "the first connection")
			}
			before := len(j.reasons())
			gate := make(chan struct{})
			d.Faults().GateMethod("get_updates", gate)
			calls := d.CountCalls("get_updates")
			if !polling {
				outage(t, d, func() { emit(t, d, coin.WalletKey(), "own", 0, size+1) })
			}
			require.NoError(t, d.WaitCalls(patient(t), "get_updates", calls+1))
			if polling {
				emit(t, d, coin.WalletKey(), "own", 0, size+1)
			}
			close(gate)
			eventually(t, func() bool { return coin.Stats().Garbage >= size })
			eventually(t, func() bool { return len(j.reasons()) > before })
			require.Equal(t, "overflow of a wallet", j.reasons()[before])
		})
	}
}
