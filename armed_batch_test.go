package bitcart_test

import (
	"encoding/json"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// Chunks of batch_load begin small and grow while the answers are quick.
func TestBatchLoadGrows(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "ETH")
	m, keys := serve(t, d, 500)
	listenAll(t, m)
	var sizes []int
	for _, call := range d.Calls() {
		if call.Method == "batch_load" {
			var wallets []json.RawMessage
			require.NoError(t, json.Unmarshal(call.Named["wallets"], &wallets))
			sizes = append(sizes, len(wallets))
		}
	}
	require.Equal(t, 50, sizes[0])
	require.Greater(t, slices.Max(sizes), 50)
	require.Subset(t, d.Loaded(), keys)
}

// batch_load answers before the wallets are synchronized: until then none counts as watched, and
// no queue is read.
func TestBatchLoadWaitsUntilSynchronized(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "ETH")
	var synchronized atomic.Bool
	d.Handle("getinfo", func(*bitcarttest.Call) (any, error) {
		return map[string]any{"total_wallets": len(d.Loaded()), "synchronized": synchronized.Load()}, nil
	})
	m, _ := serve(t, d, 3, bitcart.WithStream(recovering()))
	start(t, websocketOf(m))
	require.NoError(t, d.WaitCalls(patient(t), "batch_load", 1))
	require.NoError(t, d.WaitCalls(patient(t), "getinfo", d.CountCalls("getinfo")+3))
	require.Zero(t, d.CountCalls("get_updates"))
	require.Zero(t, daemonStats(t, m).Armed)
	synchronized.Store(true)
	for _, coin := range m.Coins() {
		armed(t, coin)
	}
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", 3))
	require.Equal(t, 1, d.CountCalls("batch_load"))
}
