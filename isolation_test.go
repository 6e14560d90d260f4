package bitcart_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// tenant is a daemon with credentials of its own, and wallets on it.
type tenant struct {
	d     *bitcarttest.Daemon
	coins []*bitcart.Coin
}

// newTenants makes two daemons whose catalogues give the same code different meanings, and one
// manager with as many wallets in each as goroutines will use.
func newTenants(t testing.TB, wallets int) map[string]*tenant {
	t.Helper()
	tenants, keys, opts := map[string]*tenant{}, map[string][]string{}, []bitcart.Option{}
	for _, currency := range []string{"BTC", "ETH"} {
		user, password := "user-of-"+currency, "password-of-"+currency
		d := newDaemon(t, currency, bitcarttest.WithCredentials(user, password))
		d.Handle("who", func(c *bitcarttest.Call) (any, error) { return []string{currency, c.Wallet, string(c.Args[0])}, nil })
		d.Handle("fail", func(*bitcarttest.Call) (any, error) {
			return nil, &bitcarttest.Error{Code: -32006, Message: "Exception: no"}
		})
		for range wallets {
			keys[currency] = append(keys[currency], d.NewWallet())
		}
		tenants[currency] = &tenant{d: d}
		opts = append(opts, bitcart.WithCurrency(currency, bitcart.WithURL(d.URL()), bitcart.WithBasicAuth(user, password)))
	}
	m := makeManager(t, keys, opts...)
	for currency, tn := range tenants {
		for _, key := range keys[currency] {
			coin, ok := m.Coin(currency, key)
			require.True(t, ok)
			tn.coins = append(tn.coins, coin)
			t.Cleanup(coin.CloseIdleConnections)
		}
	}
	return tenants
}

// 64 goroutines in two groups call two daemons at once: each gets the answers to its own calls, for
// its own wallet, under its own credentials and by its own catalogue, and connections stay few.
func TestConcurrentCallsDoNotMix(t *testing.T) {
	t.Parallel()
	const goroutines, rounds = 32, 4
	meaning := map[string]error{"BTC": bitcart.ErrNotEnoughFunds, "ETH": bitcart.ErrWatchOnlyWallet}
	tenants := newTenants(t, goroutines)
	var group sync.WaitGroup
	failed := make(chan error, 2*goroutines)
	for currency, tn := range tenants {
		for i, coin := range tn.coins {
			group.Go(func() {
				for round := range rounds {
					if err := useOwn(t, coin, currency, fmt.Sprint(i, "-", round), meaning[currency]); err != nil {
						failed <- err
						return
					}
				}
			})
		}
	}
	group.Wait()
	close(failed)
	for err := range failed {
		require.NoError(t, err)
	}
	for currency, tn := range tenants {
		// A call needs a connection while it runs, and one is made in vain when another becomes free
		// meanwhile. It is the number of goroutines that counts, not that of the calls.
		require.LessOrEqual(t, tn.d.Connections(), 2*goroutines, currency)
		require.GreaterOrEqual(t, tn.d.CountCalls(""), goroutines*rounds*4)
		require.Len(t, tn.d.Loaded(), goroutines, "no wallet came to another's daemon")
		for _, key := range tn.d.Loaded() {
			require.True(t, strings.HasPrefix(key, "0x") == (currency == "ETH"), "%s has a wallet of the other", currency)
		}
	}
}

// useOwn makes calls whose answers tell whose they are.
func useOwn(t testing.TB, coin *bitcart.Coin, currency, token string, meaning error) error {
	ctx := patient(t)
	var who []string
	if err := coin.Call(ctx, &who, "who", token); err != nil {
		return err
	}
	if want := []string{currency, coin.WalletKey(), `"` + token + `"`}; fmt.Sprint(who) != fmt.Sprint(want) {
		return fmt.Errorf("asked as %s, answered as %s", want, who)
	}
	err := coin.Call(ctx, nil, "fail")
	for _, sentinel := range []error{bitcart.ErrNotEnoughFunds, bitcart.ErrWatchOnlyWallet} {
		if isIt := sentinel == meaning; isIt != errors.Is(err, sentinel) {
			return fmt.Errorf("%s: -32006 is read by another catalogue: %w", currency, err)
		}
	}
	r, err := coin.AddRequest(ctx, bitcart.RequestParams{Amount: amount("0.25"), Description: token})
	if err != nil {
		return err
	}
	read, err := coin.GetRequest(ctx, r.Key)
	if err != nil {
		return err
	}
	if read.Description != token || read.Symbol != currency {
		return fmt.Errorf("%s in %s is %s in %s", token, currency, read.Description, read.Symbol)
	}
	return nil
}

// The calls of one wallet after another need one connection.
func TestCallsInSequenceShareOneConnection(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "ETH")
	coin := newWalletCoin(t, d)
	for range 10 {
		r, err := coin.AddRequest(patient(t), bitcart.RequestParams{})
		require.NoError(t, err)
		_, err = coin.ListRequests(patient(t), bitcart.RequestFilter{Pending: true})
		require.NoError(t, err)
		require.NoError(t, coin.RemoveRequest(patient(t), r.Key))
		_, err = coin.Info(patient(t))
		require.NoError(t, err)
	}
	require.Equal(t, 1, d.Connections())
}
