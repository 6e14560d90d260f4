package bitcart_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// restartShared restarts a daemon on which other clients load so many wallets before anybody else
// is let in.
func restartShared(t *testing.T, d *bitcarttest.Daemon, strangers int) {
	t.Helper()
	d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "")
	require.NoError(t, d.Faults().Restart(patient(t), 0))
	loadStrangers(t, d, strangers)
	d.Faults().AcceptUpgrade()
}

func loadStrangers(t *testing.T, d *bitcarttest.Daemon, n int) {
	t.Helper()
	for range n {
		require.NoError(t, d.Load(d.NewWallet()))
	}
}

// A restart of a daemon that others use as well is never passed over in silence: the list of wallets
// shows it, however long it is, and where the list cannot show it nobody knows.
func TestG2RestartOfASharedDaemon(t *testing.T) {
	const unknown = "continuity is not proven"
	for name, tt := range map[string]struct {
		strangers int
		diskless  bool
		want      string
	}{
		"wallet on disk":         {3, false, "the daemon was restarted"},
		"wallet on disk of many": {5100, false, "the daemon was restarted"},
		"diskless wallet":        {3, true, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			loadStrangers(t, d, tt.strangers)
			j := newDiary()
			coin, err := bitcart.NewCoin("BTC", bitcart.WithURL(d.URL()), bitcart.WithStream(recovering()),
				bitcart.WithHooks(j.hooks()), bitcart.WithWallet(bitcart.Wallet{Xpub: d.NewWallet(), Diskless: tt.diskless}))
			require.NoError(t, err)
			start(t, websocketOf(coin))
			receive(t, j.connects, "the first connection")
			restartShared(t, d, tt.strangers)
			receive(t, j.connects, "the second connection")
			require.Equal(t, []string{"start", tt.want}, j.reasons())
		})
	}
}

// Where a lost connection is all that has happened, the list of wallets proves it.
func TestG11LostConnectionToASharedDaemonIsNoGap(t *testing.T) {
	for name, strangers := range map[string]int{"few": 3, "many": 5100} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			loadStrangers(t, d, strangers)
			j := newDiary()
			coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
			start(t, websocketOf(coin))
			receive(t, j.connects, "the first connection")
			d.Faults().CutSockets(bitcarttest.RST)
			receive(t, j.connects, "the second connection")
			require.Equal(t, []string{"start"}, j.reasons())
		})
	}
}

// PollUpdates tells once of an outage after which nobody knows whether the daemon was restarted.
func TestG2PollingOfADisklessWalletOnASharedDaemon(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	loadStrangers(t, d, 3)
	j := newDiary()
	coin, err := bitcart.NewCoin("BTC", bitcart.WithURL(d.URL()), bitcart.WithStream(recovering()),
		bitcart.WithHooks(j.hooks()), bitcart.WithWallet(bitcart.Wallet{Xpub: d.NewWallet(), Diskless: true}))
	require.NoError(t, err)
	start(t, func(ctx context.Context) error { return coin.PollUpdates(ctx, quick.BackoffMin) })
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", 2))
	d.Faults().Stop(bitcarttest.RST)
	eventually(t, func() bool { return !coin.Stats().Connected }, "the outage is noticed")
	require.NoError(t, d.Faults().Start(patient(t)))
	loadStrangers(t, d, 3)
	before := d.CountCalls("get_updates")
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", before+3))
	told := 0
	for _, reason := range j.reasons() {
		if reason != "continuity is not proven of a wallet" { // a call was under way
			told++
		}
	}
	require.Equal(t, 1, told, j.reasons())
}
