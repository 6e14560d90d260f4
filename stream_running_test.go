package bitcart_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// streamer is a Coin or an APIManager.
type streamer interface {
	StartWebsocket(ctx context.Context, opts ...bitcart.StartOption) error
	PollUpdates(ctx context.Context, interval time.Duration) error
}

// drainQueue asks for the updates of a wallet by hand.
func drainQueue(t testing.TB, c *bitcart.Coin) error {
	t.Helper()
	return c.Call(patient(t), nil, "get_updates")
}

func pulled(t testing.TB, c *bitcart.Coin) error {
	t.Helper()
	for _, err := range c.Events(patient(t)) {
		return err
	}
	return nil
}

// requireStreaming fails unless every way to hear of s is taken.
func requireStreaming(t testing.TB, s streamer) {
	t.Helper()
	require.ErrorIs(t, s.StartWebsocket(patient(t)), bitcart.ErrStreamRunning)
	require.ErrorIs(t, s.StartWebsocket(patient(t), bitcart.WithForceConnect()), bitcart.ErrStreamRunning)
	require.ErrorIs(t, s.PollUpdates(patient(t), time.Millisecond), bitcart.ErrStreamRunning)
	switch s := s.(type) {
	case *bitcart.Coin:
		require.ErrorIs(t, pulled(t, s), bitcart.ErrStreamRunning)
	case *bitcart.APIManager:
		for _, err := range s.Events(patient(t)) {
			require.ErrorIs(t, err, bitcart.ErrStreamRunning)
		}
	}
}

var waysToHear = map[string]func(streamer) func(context.Context) error{
	"websocket": func(s streamer) func(context.Context) error { return websocketOf(s) },
	"polling":   func(s streamer) func(context.Context) error { return pollingOf(s) },
}

func TestCoinStreamsOnce(t *testing.T) {
	t.Parallel()
	for name, way := range waysToHear {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			coin := newWalletCoin(t, d)
			require.NoError(t, drainQueue(t, coin), "nothing runs yet")
			stream := start(t, way(coin))
			armed(t, coin)
			for range 2 {
				requireStreaming(t, coin)
				polls := d.CountCalls("get_updates")
				if name == "websocket" {
					require.ErrorIs(t, drainQueue(t, coin), bitcart.ErrStreamRunning)
					require.Equal(t, polls, d.CountCalls("get_updates"), "it did not reach the daemon")
				}
				require.ErrorIs(t, coin.Call(patient(t), nil, "get_updates", bitcart.Named{}), bitcart.ErrStreamRunning)
			}
			require.NoError(t, coin.Call(patient(t), nil, "getbalance"), "other calls are free")
			stream.stopPromptly()

			require.NoError(t, drainQueue(t, coin), "nothing runs any more")
			stream = start(t, way(coin))
			armed(t, coin)
			stream.stopPromptly()
		})
	}
}

// A stream that could not start leaves nothing behind.
func TestFailedStartIsNoStream(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	d.Faults().RefuseUpgrade(404, "")
	coin := newWalletCoin(t, d)
	m := makeManager(t, nil, bitcart.WithURL(d.URL()), bitcart.WithStream(quick))
	_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: d.NewWallet()})
	require.NoError(t, err)
	for range 3 {
		require.NotErrorIs(t, coin.StartWebsocket(patient(t)), bitcart.ErrStreamRunning)
		require.NotErrorIs(t, m.StartWebsocket(patient(t)), bitcart.ErrStreamRunning)
	}
	require.NoError(t, drainQueue(t, coin))
}

func TestManagerStreamsOnce(t *testing.T) {
	t.Parallel()
	for name, way := range waysToHear {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			m := makeManager(t, map[string][]string{"BTC": {d.NewWallet()}}, bitcart.WithURL(d.URL()), bitcart.WithStream(quick))
			first := soleCoin(t, m)
			loaded, err := m.LoadWallet("BTC", bitcart.Wallet{Xpub: d.NewWallet()})
			require.NoError(t, err)
			stream := start(t, way(m))
			armed(t, first)

			requireStreaming(t, m)
			requireStreaming(t, first)
			require.ErrorIs(t, drainQueue(t, first), bitcart.ErrStreamRunning)
			added, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: d.NewWallet()})
			require.NoError(t, err)
			requireStreaming(t, added)
			require.ErrorIs(t, drainQueue(t, added), bitcart.ErrStreamRunning)

			listen(t, loaded).stopPromptly() // it is not the manager's
			require.NoError(t, drainQueue(t, loaded))
			listen(t, newCoin(t, d, bitcart.WithXpub(first.WalletKey()))).stopPromptly() // nor is another Coin of the wallet
			stream.stopPromptly()

			require.NoError(t, drainQueue(t, first))
			listen(t, first).stopPromptly()
		})
	}
}

func TestManagerDoesNotStreamBesideItsCoins(t *testing.T) {
	t.Parallel()
	for name, way := range waysToHear {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			m := makeManager(t, map[string][]string{"BTC": {d.NewWallet(), d.NewWallet()}}, bitcart.WithURL(d.URL()), bitcart.WithStream(quick))
			var coins []*bitcart.Coin
			for _, c := range m.Coins() {
				coins = append(coins, c)
			}
			stream := start(t, way(coins[0]))
			armed(t, coins[0])
			requireStreaming(t, m)
			other := start(t, way(coins[1])) // each of them may
			armed(t, coins[1])
			stream.stopPromptly()
			requireStreaming(t, m)
			other.stopPromptly()

			stream = start(t, way(m))
			armed(t, coins...)
			stream.stopPromptly()
		})
	}
}

// soleCoin is the one Coin of a manager.
func soleCoin(t testing.TB, m *bitcart.APIManager) *bitcart.Coin {
	t.Helper()
	var coin *bitcart.Coin
	for _, c := range m.Coins() {
		require.Nil(t, coin)
		coin = c
	}
	require.NotNil(t, coin)
	return coin
}

// While a stream waits for the end of its handlers it still runs.
func TestDrainingStreamIsRunning(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	entered, release := make(chan struct{}), make(chan struct{})
	coin.On("own", func(context.Context, *bitcart.Event) error {
		close(entered)
		<-release
		return nil
	})
	stream := listen(t, coin)
	require.NoError(t, d.WaitRegistered(patient(t), coin.WalletKey()))
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	receive(t, entered, "the handler")
	stream.cancel()
	require.NoError(t, d.WaitSockets(patient(t), 0))
	requireStreaming(t, coin)
	close(release)
	require.NoError(t, stream.wait())
	require.NoError(t, drainQueue(t, coin))
}

var _ = []streamer{(*bitcart.Coin)(nil), (*bitcart.APIManager)(nil)}
