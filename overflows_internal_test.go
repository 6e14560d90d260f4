package bitcart

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// What a wallet costs whose lane has overflowed and run dry does not grow with the number of wallets:
// the reader would wait for it.
func TestManyOverflowsOfManyWallets(t *testing.T) {
	const wallets, drops = 50_000, 5_000
	d, err := NewCoin("BTC", WithStream(StreamConfig{QueueBytes: 2000, Workers: 1, DequeCap: -1}))
	require.NoError(t, err)
	coins := make([]*Coin, wallets)
	for i := range coins {
		coins[i] = newCoin(d.d, Wallet{Xpub: strconv.Itoa(i)}, nil)
	}
	s := &stream{transport: websocket}
	s.prepare(t.Context(), []*linkPlan{{d: d.d, chain: d, coins: coins}})
	l := s.links[0]
	open := make(chan struct{})
	coins[0].On("own", func(context.Context, *Event) error { <-open; return nil })
	updates, _, err := wire.CutList([]byte(`[{"event":"own"}]`))
	require.NoError(t, err)
	push := func(c *Coin) { l.push(l.lookup(c.key), c.key, &updates[0], SourceWebsocket, time.Now()) }
	for range 10 { // one inside, and QueueBytes are full
		push(coins[0])
	}
	for _, c := range coins[1 : 1+drops] {
		push(c)
	}
	began := time.Now()
	close(open)
	require.NoError(t, l.queue.Drain(t.Context()))
	require.Less(t, time.Since(began), time.Second) // it takes some milliseconds, and took seconds
	require.Greater(t, d.Stats().Gaps, drops*9/10)
	require.Empty(t, l.dropping)
	s.cancel()
	l.beginDrain()
	require.NoError(t, l.drain())
}
