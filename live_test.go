package bitcart_test

import (
	"cmp"
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// liveCoin is a Coin of the daemon that the environment names by BITCART_TEST_URL, _USER, _PASSWORD,
// _CURRENCY and _XPUB, else of one inside the test.
func liveCoin(t *testing.T) *bitcart.Coin {
	t.Helper()
	url, currency := os.Getenv("BITCART_TEST_URL"), cmp.Or(os.Getenv("BITCART_TEST_CURRENCY"), "BTC")
	xpub := os.Getenv("BITCART_TEST_XPUB")
	if url == "" {
		d := newDaemon(t, currency, bitcarttest.WithCredentials("electrum", "electrumz"))
		url, xpub = d.URL(), cmp.Or(xpub, d.NewWallet())
	}
	require.NotEmpty(t, xpub, "BITCART_TEST_XPUB names the wallet")
	coin := makeCoin(t, currency, bitcart.WithURL(url), bitcart.WithXpub(xpub), bitcart.WithBasicAuth(
		cmp.Or(os.Getenv("BITCART_TEST_USER"), "electrum"), cmp.Or(os.Getenv("BITCART_TEST_PASSWORD"), "electrumz")))
	t.Cleanup(coin.CloseIdleConnections)
	return coin
}

// These tests hold for every daemon: they ask for nothing that the chain would have to do.

func TestLiveCalls(t *testing.T) {
	coin := liveCoin(t)
	var info struct {
		Connected *bool  `json:"connected"`
		Version   string `json:"version"`
	}
	require.NoError(t, coin.Call(patient(t), &info, "getinfo"))
	require.NotNil(t, info.Connected)
	require.NotEmpty(t, info.Version)

	var balance struct {
		Confirmed *string `json:"confirmed"`
	}
	require.NoError(t, coin.Call(patient(t), &balance, "getbalance"))
	require.NotNil(t, balance.Confirmed, "money is text")

	err := coin.Call(patient(t), nil, "getrequest", "0000000000")
	require.ErrorIs(t, err, bitcart.ErrRequestNotFound, "by the daemon's /spec or its text")
	require.ErrorIs(t, coin.Call(patient(t), nil, "no_such_method_at_all"), bitcart.ErrProcedureNotFound)
	require.NotContains(t, shown(t, err), coin.WalletKey())
}

func TestLivePolling(t *testing.T) {
	coin := liveCoin(t)
	stream := start(t, func(ctx context.Context) error { return coin.PollUpdates(ctx, 20*time.Millisecond) })
	armed(t, coin)
	require.NoError(t, stream.stop())
	require.NoError(t, coin.Call(patient(t), nil, "get_updates"))
}

func TestLiveWebsocket(t *testing.T) {
	coin := liveCoin(t)
	connects := make(chan string, 1)
	stream := start(t, websocketOf(coin, bitcart.WithReconnectCallback(func(_ context.Context, currency string) error {
		connects <- currency
		return nil
	})))
	require.Equal(t, coin.Currency(), receive(t, connects, "the connection"))
	armed(t, coin)
	stats := coin.Stats()
	require.True(t, stats.Connected)
	require.Equal(t, 1, stats.Armed)
	require.ErrorIs(t, coin.Call(patient(t), nil, "get_updates"), bitcart.ErrStreamRunning)
	require.NoError(t, stream.stop())
	require.False(t, coin.Stats().Connected)
}

func TestLiveWrongPassword(t *testing.T) {
	right := liveCoin(t)
	coin := makeCoin(t, right.Currency(), bitcart.WithURL(right.URL()), bitcart.WithXpub(right.WalletKey()), bitcart.WithBasicAuth("electrum", "not-the-password"))
	t.Cleanup(coin.CloseIdleConnections)
	require.ErrorIs(t, coin.Call(patient(t), nil, "getinfo"), bitcart.ErrUnauthorized)
	require.ErrorIs(t, coin.StartWebsocket(patient(t), bitcart.WithForceConnect()), bitcart.ErrUnauthorized)
}
