package bitcart_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// setEnv sets the platform's variables, and clears those of the machine.
func setEnv(t *testing.T, values map[string]string) {
	t.Helper()
	for _, name := range append(slices.Clone(everyCurrency), "BITCART") {
		for _, suffix := range []string{"_HOST", "_PORT", "_LOGIN", "_PASSWORD", "_CRYPTOS"} {
			t.Setenv(name+suffix, "") // restores it afterwards
			require.NoError(t, os.Unsetenv(name+suffix))
		}
	}
	for name, value := range values {
		t.Setenv(name, value)
	}
}

func TestManagerFromEnv(t *testing.T) {
	tests := []struct {
		name    string
		env     map[string]string
		want    string // URLs by currency
		wantErr error
		errText string
	}{
		{name: "two", env: map[string]string{"BITCART_CRYPTOS": "btc,ltc"}, want: "BTC http://localhost:5000 LTC http://localhost:5001"},
		{name: "spaces, empty items, twice", env: map[string]string{"BITCART_CRYPTOS": " btc , ,BTC,eth,"}, want: "BTC http://localhost:5000 ETH http://localhost:5002"},
		{name: "hosts and ports", env: map[string]string{
			"BITCART_CRYPTOS": "btc,eth,xmr", "BTC_HOST": "bitcoin", "ETH_PORT": "6002", "XMR_HOST": "monero", "XMR_PORT": "7",
		}, want: "BTC http://bitcoin:5000 ETH http://localhost:6002 XMR http://monero:7"},
		{name: "unset", wantErr: bitcart.ErrNoCurrencies, errText: "BITCART_CRYPTOS"},
		{name: "empty", env: map[string]string{"BITCART_CRYPTOS": " , "}, wantErr: bitcart.ErrNoCurrencies},
		{name: "unknown", env: map[string]string{"BITCART_CRYPTOS": "btc,doge"}, wantErr: bitcart.ErrUnsupportedCurrency, errText: "DOGE"},
		{name: "wrong port", env: map[string]string{"BITCART_CRYPTOS": "btc", "BTC_PORT": "many"}, errText: "BTC_PORT"},
		{name: "password with a colon", env: map[string]string{"BITCART_CRYPTOS": "btc", "BTC_PASSWORD": "a:b"}, errText: "WithEnv"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			setEnv(t, test.env)
			m, err := bitcart.ManagerFromEnv()
			if test.want == "" {
				require.Error(t, err)
				require.Nil(t, m)
				require.Contains(t, err.Error(), test.errText)
				if test.wantErr != nil {
					require.ErrorIs(t, err, test.wantErr)
				}
				return
			}
			require.NoError(t, err)
			got := []string{}
			for _, s := range m.Stats() {
				got = append(got, s.Currency, s.URL)
			}
			require.Equal(t, test.want, strings.Join(got, " "))
			for range m.Coins() {
				require.Fail(t, "it has no wallets")
			}
		})
	}
}

func TestManagerFromEnvTakesOptions(t *testing.T) {
	setEnv(t, map[string]string{"BITCART_CRYPTOS": "btc", "BTC_HOST": "bitcoin"})
	_, err := bitcart.ManagerFromEnv(bitcart.WithXpub("x"))
	require.Equal(t, []string{"WithXpub"}, wrongOptions(err))
	m, err := bitcart.ManagerFromEnv(bitcart.WithCurrency("LTC", bitcart.WithURL("http://other:1")))
	require.NoError(t, err)
	require.Len(t, m.Stats(), 2)
}

// The host, port, user and password of the environment reach the daemon.
func TestWalletsOfAManagerFromEnv(t *testing.T) {
	d := newDaemon(t, "LTC", bitcarttest.WithCredentials("me", "right-password"))
	host, port, _ := strings.Cut(strings.TrimPrefix(d.URL(), "http://"), ":")
	setEnv(t, map[string]string{
		"BITCART_CRYPTOS": "ltc", "LTC_HOST": host, "LTC_PORT": port, "LTC_LOGIN": "me", "LTC_PASSWORD": "right-password",
	})
	m, err := bitcart.ManagerFromEnv()
	require.NoError(t, err)
	coin, err := m.AddWallet("ltc", bitcart.Wallet{Xpub: d.NewWallet()})
	require.NoError(t, err)
	t.Cleanup(coin.CloseIdleConnections)
	_, err = coin.AddRequest(patient(t), bitcart.RequestParams{})
	require.NoError(t, err)
}

// Credentials in front of the host are credentials, and not shown.
func TestWithEnvHidesCredentialsOfTheHost(t *testing.T) {
	d := newDaemon(t, "BTC", bitcarttest.WithCredentials("me", "right-password"))
	address := strings.TrimPrefix(d.URL(), "http://")
	tests := map[string]struct {
		env map[string]string
		ok  bool
	}{
		"in the host":          {map[string]string{"BTC_HOST": "http://me:right-password@" + address}, true},
		"without scheme":       {map[string]string{"BTC_HOST": "me:right-password@" + address}, true},
		"overridden":           {map[string]string{"BTC_HOST": "http://me:wrong-password@" + address, "BTC_LOGIN": "me", "BTC_PASSWORD": "right-password"}, true},
		"overridden and wrong": {map[string]string{"BTC_HOST": "http://me:right-password@" + address, "BTC_LOGIN": "me", "BTC_PASSWORD": "wrong-password"}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			setEnv(t, test.env)
			coin := makeCoin(t, "BTC", bitcart.WithEnv())
			t.Cleanup(coin.CloseIdleConnections)
			require.Equal(t, "http://"+address, coin.URL())
			_, err := coin.Info(patient(t))
			if test.ok {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, bitcart.ErrUnauthorized)
			}
		})
	}
}
