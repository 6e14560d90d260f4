package bitcart_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// A queue of less than eight bytes leaves a lane none, and yet an empty lane takes an event.
func TestQueueOfAFewBytesHearsEvents(t *testing.T) {
	for _, bytes := range []int64{1, 7, 8} {
		d := newDaemon(t, "BTC")
		coin := newWalletCoin(t, d, bitcart.WithStream(bitcart.StreamConfig{QueueBytes: bytes}))
		in := inboxOf(t, coin, "x")
		r := listen(t, coin)
		emit(t, d, coin.WalletKey(), "x", 0, 1)
		require.Equal(t, upTo(1), in.numbers(1))
		require.NoError(t, r.stop())
	}
}
