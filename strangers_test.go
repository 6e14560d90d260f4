package bitcart_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// With WithAllWallets a wallet goes on sending when it has been removed, and is added again with
// events of it still waiting: one sequence all the time.
func TestG1WalletThatLeavesAndComesBackAmongStrangers(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 2, bitcart.WithStream(recovering()), bitcart.WithAllWallets())
	in := newInbox(t)
	open := make(chan struct{})
	var inside atomic.Int32
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		if n := inside.Add(1); n > 1 {
			t.Errorf("%d handlers of one wallet at once", n)
		}
		defer inside.Add(-1)
		<-open
		return in.handle(ctx, ev)
	})
	listenAll(t, m)
	key := keys[0]
	emit(t, d, key, "own", 0, 1)
	eventually(t, func() bool { return inside.Load() == 1 })
	require.True(t, m.RemoveWallet("BTC", key))
	emit(t, d, key, "own", 1, 3)
	eventually(t, func() bool { return m.Stats()[0].Queued == 2 })
	c, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: key})
	require.NoError(t, err)
	armed(t, c)
	emit(t, d, key, "own", 3, 4)
	close(open)
	var live, recovered []int
	for len(live) < 4 || len(recovered) == 0 || recovered[len(recovered)-1] != 2 {
		ev := in.next()
		if ev.Source == bitcart.SourceRecovered {
			recovered = append(recovered, numberOf(t, ev))
			continue
		}
		live = append(live, numberOf(t, ev))
		require.True(t, len(recovered) == 0 || numberOf(t, ev) == 3, "live ones that waited are older")
	}
	require.Equal(t, upTo(4), live)
	require.Equal(t, span(recovered[0], 3), recovered)
}
