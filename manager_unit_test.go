package bitcart_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// walletKeys returns "BTC/key" of every wallet of the manager, sorted.
func walletKeys(m *bitcart.APIManager) []string {
	var list []string
	for key, c := range m.Coins() {
		list = append(list, c.Currency()+"/"+key)
	}
	slices.Sort(list)
	return list
}

// servedCurrencies returns the currencies of the manager's daemons.
func servedCurrencies(m *bitcart.APIManager) []string {
	var list []string
	for _, s := range m.Stats() {
		list = append(list, s.Currency)
	}
	return list
}

func TestNewAPIManager(t *testing.T) {
	tests := []struct {
		name    string
		wallets map[string][]string
		keys    []string
		served  []string
	}{
		{"nothing", nil, nil, nil},
		{"no currency", map[string][]string{}, nil, nil},
		{"no wallets", map[string][]string{"BTC": nil, "LTC": {}}, nil, []string{"BTC", "LTC"}},
		{
			"several", map[string][]string{"BTC": {"b", "a"}, "eth": {"0x1"}},
			[]string{"BTC/a", "BTC/b", "ETH/0x1"}, []string{"BTC", "ETH"},
		},
		{"one key for two currencies", map[string][]string{"BTC": {"a"}, "LTC": {"a"}}, []string{"BTC/a", "LTC/a"}, []string{"BTC", "LTC"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := makeManager(t, tt.wallets)
			require.Equal(t, tt.keys, walletKeys(m))
			require.ElementsMatch(t, tt.served, servedCurrencies(m))
			require.True(t, slices.IsSorted(servedCurrencies(m)))
		})
	}
}

func TestManagerOfNothingCannotStream(t *testing.T) {
	m := makeManager(t, nil)
	require.ErrorIs(t, m.StartWebsocket(t.Context()), bitcart.ErrNoCurrencies)
	require.ErrorIs(t, m.PollUpdates(t.Context(), time.Second), bitcart.ErrNoCurrencies)
	var errs []error
	for ev, err := range m.Events(t.Context()) {
		require.Nil(t, ev)
		errs = append(errs, err)
	}
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], bitcart.ErrNoCurrencies)
}

func TestWalletExists(t *testing.T) {
	for name, wallets := range map[string]map[string][]string{
		"twice in a list":         {"BTC": {"a", "b", "a"}},
		"in two spellings":        {"BTC": {"a"}, "btc": {"a"}},
		"in two other spellings":  {"Eth": {"b", "a"}, "eTH": {"a"}},
		"twice and in lower case": {"ltc": {"a", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := bitcart.NewAPIManager(wallets)
			require.ErrorIs(t, err, bitcart.ErrWalletExists)
			require.ErrorContains(t, err, "bitcart: ")
			require.Nil(t, m)
		})
	}
	t.Run("spellings of one currency are joined", func(t *testing.T) {
		m := makeManager(t, map[string][]string{"BTC": {"a"}, "btc": {"b"}})
		require.Equal(t, []string{"BTC/a", "BTC/b"}, walletKeys(m))
		require.Equal(t, []string{"BTC"}, servedCurrencies(m))
	})
}

func TestAddWallet(t *testing.T) {
	m := makeManager(t, map[string][]string{"BTC": {"a"}})
	for _, currency := range []string{"BTC", "btc"} {
		c, err := m.AddWallet(currency, bitcart.Wallet{Xpub: "a"})
		require.ErrorIs(t, err, bitcart.ErrWalletExists)
		require.Nil(t, c)
	}
	c, err := m.AddWallet("btc", bitcart.Wallet{Xpub: "b"})
	require.NoError(t, err)
	require.Equal(t, "BTC", c.Currency())
	_, err = m.AddWallet("BTC", bitcart.Wallet{Xpub: "b", Diskless: true})
	require.ErrorIs(t, err, bitcart.ErrWalletExists, "the key counts")
	_, err = m.AddWallet("LTC", bitcart.Wallet{Xpub: "b"})
	require.NoError(t, err, "another currency")
	_, err = m.AddWallet("ETH", bitcart.Wallet{Xpub: "0x1"})
	require.NoError(t, err)
	_, err = m.AddWallet("ETH", bitcart.Wallet{Xpub: "0x1", Contract: "0xAa"})
	require.NoError(t, err, "a token wallet is another one")
	_, err = m.AddWallet("ETH", bitcart.Wallet{Xpub: "0x1", Contract: "0xaa"})
	require.NoError(t, err, "a token in another spelling too")
	_, err = m.AddWallet("ETH", bitcart.Wallet{Xpub: "0x1", Contract: "0xAa"})
	require.ErrorIs(t, err, bitcart.ErrWalletExists)
	require.Equal(t, []string{"BTC/a", "BTC/b", "ETH/0x1", "ETH/0x1_0xAa", "ETH/0x1_0xaa", "LTC/b"}, walletKeys(m))
}

func TestAddWalletOnAnotherDaemon(t *testing.T) {
	m := makeManager(t, map[string][]string{"BTC": {"a"}})
	add := func(xpub string, opts ...bitcart.Option) string {
		c, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: xpub}, opts...)
		require.NoError(t, err)
		return c.URL()
	}
	require.Equal(t, "http://h:1", add("b", bitcart.WithURL("http://h:1")))
	require.Len(t, m.Stats(), 2)
	require.Equal(t, "http://h:1", add("c", bitcart.WithURL("http://h:1")))
	require.Equal(t, "http://localhost:5000", add("d", bitcart.WithURL("http://localhost:5000")))
	require.Equal(t, "http://localhost:5000", add("e"))
	require.Len(t, m.Stats(), 2, "a daemon that is known already is shared")

	_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: "a"}, bitcart.WithURL("http://h:1"))
	require.ErrorIs(t, err, bitcart.ErrWalletExists, "a key names one wallet of the manager")
	require.Equal(t, []string{"BTC/a", "BTC/b", "BTC/c", "BTC/d", "BTC/e"}, walletKeys(m))
}

// Two connections to one daemon would both empty its queues.
func TestOneDaemonInTwoSpellingsIsShared(t *testing.T) {
	for _, spelling := range []string{"http://h:1/", "HTTP://h:1", "http://H:1"} {
		t.Run(spelling, func(t *testing.T) {
			m := makeManager(t, nil, bitcart.WithCurrency("BTC", bitcart.WithURL("http://h:1")))
			_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: "a"}, bitcart.WithURL(spelling))
			require.NoError(t, err)
			require.Len(t, m.Stats(), 1)
		})
	}
}

func TestFailedAddWalletLeavesNoDaemon(t *testing.T) {
	m := makeManager(t, map[string][]string{"BTC": {"a"}})
	_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: "a"}, bitcart.WithURL("http://unused:1"))
	require.ErrorIs(t, err, bitcart.ErrWalletExists)
	require.Len(t, m.Stats(), 1, "another daemon stayed, and a stream would connect to it")
	_, err = m.AddWallets("LTC", []bitcart.Wallet{{Xpub: "a"}, {}})
	require.ErrorIs(t, err, bitcart.ErrWalletIncomplete)
	require.Equal(t, []string{"BTC"}, servedCurrencies(m), "a currency stayed")
}

func TestAddWalletsIsAllOrNothing(t *testing.T) {
	tests := []struct {
		name string
		add  []bitcart.Wallet
		want error
	}{
		{"known already", []bitcart.Wallet{{Xpub: "b"}, {Xpub: "c"}, {Xpub: "a"}}, bitcart.ErrWalletExists},
		{"twice in the list", []bitcart.Wallet{{Xpub: "b"}, {Xpub: "c"}, {Xpub: "b"}}, bitcart.ErrWalletExists},
		{"empty", []bitcart.Wallet{{Xpub: "b"}, {}}, bitcart.ErrWalletIncomplete},
		{"unfitting", []bitcart.Wallet{{Xpub: "b"}, {Xpub: "c", Contract: "t"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := makeManager(t, map[string][]string{"BTC": {"a"}})
			coins, err := m.AddWallets("BTC", tt.add)
			require.Error(t, err)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
			}
			require.Empty(t, coins)
			require.Equal(t, []string{"BTC/a"}, walletKeys(m))

			coins, err = m.AddWallets("BTC", []bitcart.Wallet{{Xpub: "b"}, {Xpub: "c"}})
			require.NoError(t, err, "the failed attempt has taken a key")
			require.Len(t, coins, 2)
			require.Equal(t, "b", coins[0].WalletKey())
			require.Equal(t, "c", coins[1].WalletKey())
		})
	}
	t.Run("wrong option", func(t *testing.T) {
		m := makeManager(t, nil)
		_, err := m.AddWallets("BTC", []bitcart.Wallet{{Xpub: "b"}}, bitcart.WithURL("ftp://h"))
		require.Equal(t, []string{"WithURL"}, wrongOptions(err))
		require.Empty(t, walletKeys(m))
	})
	t.Run("no wallets", func(t *testing.T) {
		m := makeManager(t, nil)
		for _, list := range [][]bitcart.Wallet{nil, {}} {
			coins, err := m.AddWallets("BTC", list)
			require.NoError(t, err)
			require.Empty(t, coins)
		}
	})
}

func TestRemoveWallet(t *testing.T) {
	m := makeManager(t, map[string][]string{"BTC": {"a", "b"}, "LTC": {"a"}})
	require.False(t, m.RemoveWallet("BTC", "c"))
	require.False(t, m.RemoveWallet("ETH", "a"))
	require.False(t, m.RemoveWallet("NOPE", "a"))
	require.False(t, m.RemoveWallet("BTC", ""))
	require.True(t, m.RemoveWallet("btc", "a"))
	require.False(t, m.RemoveWallet("BTC", "a"))
	_, ok := m.Coin("BTC", "a")
	require.False(t, ok)
	require.Equal(t, []string{"BTC/b", "LTC/a"}, walletKeys(m))

	require.True(t, m.RemoveWallet("BTC", "b"))
	require.Contains(t, servedCurrencies(m), "BTC", "the chain-wide events of a currency stay")
	c, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: "a"})
	require.NoError(t, err)
	found, ok := m.Coin("BTC", "a")
	require.True(t, ok)
	require.Same(t, c, found)
}

func TestManagerCoin(t *testing.T) {
	m := makeManager(t, map[string][]string{"BTC": {"a"}})
	for _, currency := range []string{"BTC", "btc"} {
		c, ok := m.Coin(currency, "a")
		require.True(t, ok)
		require.Equal(t, "a", c.WalletKey())
	}
	for _, tt := range [][2]string{{"BTC", "A"}, {"BTC", ""}, {"LTC", "a"}, {"", ""}, {"NOPE", "a"}} {
		c, ok := m.Coin(tt[0], tt[1])
		require.False(t, ok, tt)
		require.Nil(t, c)
	}
}

func TestLoadWallet(t *testing.T) {
	m := makeManager(t, map[string][]string{"BTC": {"a"}}, bitcart.WithCurrency("BTC", bitcart.WithURL("http://h:1")))
	var ran []string
	m.On("e", noted(&ran, "manager"))

	c, err := m.LoadWallet("btc", bitcart.Wallet{Xpub: "b"})
	require.NoError(t, err)
	require.Equal(t, "BTC", c.Currency())
	require.Equal(t, "b", c.WalletKey())
	require.Equal(t, "http://h:1", c.URL())
	require.Equal(t, []string{"BTC/a"}, walletKeys(m))
	require.False(t, c.Handles("e"), "it has handlers of its own")
	require.NoError(t, c.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"e"}]`)))
	require.Empty(t, ran)

	again, err := m.LoadWallet("BTC", bitcart.Wallet{Xpub: "a"}, bitcart.WithURL("http://h:2"))
	require.NoError(t, err, "a wallet that was added can be loaded as well")
	require.Equal(t, "http://h:2", again.URL())
	added, _ := m.Coin("BTC", "a")
	require.NotSame(t, added, again)
	require.Len(t, m.Stats(), 1)

	_, err = m.LoadWallet("LTC", bitcart.Wallet{Xpub: "a"})
	require.NoError(t, err, "a currency that the manager does not serve")
	require.Equal(t, []string{"BTC"}, servedCurrencies(m))
}

func TestCoinsIsASnapshot(t *testing.T) {
	m := makeManager(t, map[string][]string{"BTC": {"a", "b", "c"}})
	seen := map[string]bool{}
	for key, c := range m.Coins() {
		require.Equal(t, key, c.WalletKey())
		require.True(t, m.RemoveWallet("BTC", key), "the loop body may change the manager")
		_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: "new " + key})
		require.NoError(t, err)
		seen[key] = true
	}
	require.Equal(t, []string{"a", "b", "c"}, slices.Sorted(maps.Keys(seen)))
	require.Equal(t, []string{"BTC/new a", "BTC/new b", "BTC/new c"}, walletKeys(m))

	turns := 0
	for range m.Coins() {
		turns++
		break
	}
	require.Equal(t, 1, turns)
}

func TestManagerCopiesItsInput(t *testing.T) {
	wallets := map[string][]string{"BTC": {"a", "b"}}
	m := makeManager(t, wallets)
	wallets["BTC"][0] = "z"
	delete(wallets, "BTC")
	require.Equal(t, []string{"BTC/a", "BTC/b"}, walletKeys(m))
}

func TestManagerIsSafeForConcurrentUse(t *testing.T) {
	const workers = 8
	m := makeManager(t, map[string][]string{"BTC": nil})
	var wg sync.WaitGroup
	won := make([]int, workers)
	for i := range workers {
		wg.Go(func() {
			for n := range 50 {
				currency := []string{"BTC", "btc"}[(i+n)%2]
				if _, err := m.AddWallet(currency, bitcart.Wallet{Xpub: fmt.Sprint(n)}); err == nil {
					won[i]++
				}
				_, _ = m.AddWallets("LTC", []bitcart.Wallet{{Xpub: fmt.Sprint(i, n)}, {Xpub: "shared"}})
				_, _ = m.Coin("BTC", fmt.Sprint(n))
				_ = m.Stats()
				for range m.Coins() {
					break
				}
				m.On("e", nil)
				m.RemoveWallet("LTC", "shared")
				_, _ = m.LoadWallet("ETH", bitcart.Wallet{Xpub: "x"})
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range won {
		sum += n
	}
	require.Equal(t, 50, sum, "each key was added once")
	btc := 0
	for _, c := range m.Coins() {
		if c.Currency() == "BTC" {
			btc++
		}
	}
	require.Equal(t, 50, btc)
}
