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

// watching runs the stream of a manager with wallets and waits for its first connection.
func watching(t *testing.T, d *bitcarttest.Daemon, wallets []bitcart.Wallet, opts ...bitcart.Option) *diary {
	t.Helper()
	j := newDiary()
	m := makeManager(t, nil, append([]bitcart.Option{bitcart.WithCurrency(d.Currency(), bitcart.WithURL(d.URL())),
		bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks())}, opts...)...)
	for _, w := range wallets {
		_, err := m.AddWallet(d.Currency(), w)
		require.NoError(t, err)
	}
	start(t, websocketOf(m))
	receive(t, j.connects, "the first connection")
	require.NoError(t, d.WaitSockets(patient(t), 1))
	return j
}

// What was seen of a daemon that others use as well counts for later: after a restart it may have as
// many wallets as before, or as we have, and none of ours.
func TestG2RestartAfterWhichTheTotalIsTheSame(t *testing.T) {
	for name, tt := range map[string]struct{ before, after int }{
		"strangers that were seen": {3, 1},
		"as many as before":        {1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			loadStrangers(t, d, tt.before)
			j := watching(t, d, []bitcart.Wallet{{Xpub: d.NewWallet()}})
			d.Faults().CutSockets(bitcarttest.RST)
			receive(t, j.connects, "the second connection")
			require.Equal(t, []string{"start"}, j.reasons())
			require.NoError(t, d.WaitSockets(patient(t), 1))
			restartShared(t, d, tt.after)
			receive(t, j.connects, "the third connection")
			require.Equal(t, []string{"start", "the daemon was restarted"}, j.reasons())
		})
	}
}

// A wallet of ours that the daemon has not loaded is no proof that nobody else's is: the total can be
// right by chance.
func TestG2RestartWithAWalletThatCannotBeLoaded(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := watching(t, d, []bitcart.Wallet{{Xpub: d.NewWallet()}, {Xpub: "nonsense"}})
	before := len(j.reasons())
	restartShared(t, d, 1)
	receive(t, j.connects, "the second connection")
	require.Contains(t, j.reasons()[before:], "the daemon was restarted")
}

// Where nobody else uses the daemon its total of wallets tells all, of wallets that are in no list too.
func TestG11DisklessWalletAloneOnADaemon(t *testing.T) {
	for name, tt := range map[string]struct {
		cut  func(t *testing.T, d *bitcarttest.Daemon)
		want []string
	}{
		"lost connection": {func(_ *testing.T, d *bitcarttest.Daemon) { d.Faults().CutSockets(bitcarttest.RST) }, []string{"start"}},
		"restart":         {func(t *testing.T, d *bitcarttest.Daemon) { restartShared(t, d, 0) }, []string{"start", "the daemon was restarted"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			j := watching(t, d, []bitcart.Wallet{{Xpub: d.NewWallet(), Diskless: true}})
			tt.cut(t, d)
			receive(t, j.connects, "the second connection")
			require.Equal(t, tt.want, j.reasons())
			require.Zero(t, d.CountCalls("list_wallets"))
		})
	}
}

// One wallet of ours on disk is enough to tell that the daemon was not restarted.
func TestG11DisklessWalletBesideOneOnDisk(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	loadStrangers(t, d, 3)
	j := watching(t, d, []bitcart.Wallet{{Xpub: d.NewWallet()}, {Xpub: d.NewWallet(), Diskless: true}})
	d.Faults().CutSockets(bitcarttest.RST)
	receive(t, j.connects, "the second connection")
	require.Equal(t, []string{"start"}, j.reasons())
	require.Positive(t, d.CountCalls("list_wallets"))
}

// A daemon whose node is away has no total: then the list decides, and where it cannot nobody knows.
func TestG2RestartWhileTheNodeIsAway(t *testing.T) {
	for name, tt := range map[string]struct {
		restart, diskless bool
		want              []string
	}{
		"restart":                          {true, false, []string{"start", "the daemon was restarted"}},
		"lost connection":                  {false, false, []string{"start"}},
		"restart, diskless wallet":         {true, true, []string{"start", "continuity is not proven"}},
		"lost connection, diskless wallet": {false, true, []string{"start", "continuity is not proven"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			node := new(nodeAway)
			j := watching(t, d, []bitcart.Wallet{{Xpub: d.NewWallet(), Diskless: tt.diskless}},
				bitcart.WithHTTPClient(&http.Client{Transport: node}))
			node.away.Store(true)
			if tt.restart {
				restartShared(t, d, 0)
			} else {
				d.Faults().CutSockets(bitcarttest.RST)
			}
			receive(t, j.connects, "the second connection")
			require.Equal(t, tt.want, j.reasons())
		})
	}
}

// A restart before the first reconnect, of a daemon on which others load as many wallets then as we
// have: their number tells nothing.
func TestG2RestartBeforeAnybodySawStrangers(t *testing.T) {
	for _, before := range []int{0, 1, 3} {
		d := newDaemon(t, "BTC")
		loadStrangers(t, d, before)
		j := newDiary()
		coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
		start(t, websocketOf(coin))
		receive(t, j.connects, "the first connection")
		require.NoError(t, d.WaitSockets(patient(t), 1))
		restartShared(t, d, 1)
		receive(t, j.connects, "the second connection")
		require.Equal(t, []string{"start", "the daemon was restarted"}, j.reasons(), before)
	}
}
