package bitcart_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// newSymbol returns a symbol that no test has registered: a registration lasts
// as long as the process, and a test can run more than once.
func newSymbol() string { return fmt.Sprint("TST", symbols.Add(1)) }

var symbols atomic.Int64

func TestKnownCurrencies(t *testing.T) {
	tests := []struct {
		symbol  string
		port    int
		tokens  bool // a wallet may have a contract
		viewKey bool // a wallet may have an address beside its xpub
	}{
		{"BTC", 5000, false, false},
		{"LTC", 5001, false, false},
		{"ETH", 5002, true, false},
		{"BCH", 5004, true, false},
		{"BNB", 5006, true, false},
		{"MATIC", 5008, true, false},
		{"TRX", 5009, true, false},
		{"GRS", 5010, false, false},
		{"XMR", 5011, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.symbol, func(t *testing.T) {
			for _, spelling := range []string{tt.symbol, strings.ToLower(tt.symbol)} {
				c := makeCoin(t, spelling)
				require.Equal(t, tt.symbol, c.Currency())
				require.Equal(t, fmt.Sprintf("http://localhost:%d", tt.port), c.URL())
				require.Equal(t, tt.symbol, c.Stats().Currency)
				require.Equal(t, c.URL(), c.Stats().URL)
			}
			_, err := bitcart.NewCoin(tt.symbol, bitcart.WithWallet(bitcart.Wallet{Xpub: "x", Contract: "c"}))
			if tt.tokens {
				require.NoError(t, err)
			} else {
				require.Error(t, err)
			}
			_, err = bitcart.NewCoin(tt.symbol, bitcart.WithWallet(bitcart.Wallet{Xpub: "x", Address: "a"}))
			if tt.viewKey {
				require.NoError(t, err)
			} else {
				require.Error(t, err)
			}
		})
	}
	t.Run("XRG", func(t *testing.T) {
		require.Equal(t, "http://localhost:5005", makeCoin(t, "xrg").URL())
	})
}

func TestUnsupportedCurrency(t *testing.T) {
	m := makeManager(t, nil)
	ways := map[string]func(symbol string) error{
		"NewCoin": func(s string) error { _, err := bitcart.NewCoin(s); return err },
		"NewAPIManager": func(s string) error {
			_, err := bitcart.NewAPIManager(map[string][]string{s: nil})
			return err
		},
		"WithCurrency": func(s string) error {
			_, err := bitcart.NewAPIManager(nil, bitcart.WithCurrency(s))
			return err
		},
		"AddWallet": func(s string) error { _, err := m.AddWallet(s, bitcart.Wallet{Xpub: "x"}); return err },
		"AddWallets": func(s string) error {
			_, err := m.AddWallets(s, []bitcart.Wallet{{Xpub: "x"}})
			return err
		},
		"AddWallets of none": func(s string) error { _, err := m.AddWallets(s, nil); return err },
		"LoadWallet":         func(s string) error { _, err := m.LoadWallet(s, bitcart.Wallet{Xpub: "x"}); return err },
	}
	// BSTY and SBCH are daemons that were dropped.
	for _, symbol := range []string{"", " ", "DOGE", "BSTY", "SBCH", "BTC ", "B\x00TC"} {
		for name, try := range ways {
			t.Run(fmt.Sprintf("%s/%q", name, symbol), func(t *testing.T) {
				require.ErrorIs(t, try(symbol), bitcart.ErrUnsupportedCurrency)
			})
		}
	}
	require.Empty(t, m.Stats())
}

func TestRegisterCurrencyErrors(t *testing.T) {
	right := bitcart.Currency{Symbol: newSymbol(), Port: 6000, Family: bitcart.FamilyAccount, Decimals: 9, UnitKey: "amount_x"}
	tests := []struct {
		name   string
		change func(*bitcart.Currency)
	}{
		{"known", func(c *bitcart.Currency) { c.Symbol = "BTC" }},
		{"known, in lower case", func(c *bitcart.Currency) { c.Symbol = "btc" }},
		{"no symbol", func(c *bitcart.Currency) { c.Symbol = "" }},
		{"symbol with a space", func(c *bitcart.Currency) { c.Symbol = "TST ERR" }},
		{"symbol that is no name", func(c *bitcart.Currency) { c.Symbol = "TST=\n" }},
		{"no family", func(c *bitcart.Currency) { c.Family = "" }},
		{"unknown family", func(c *bitcart.Currency) { c.Family = "solana" }},
		{"negative port", func(c *bitcart.Currency) { c.Port = -1 }},
		{"port out of range", func(c *bitcart.Currency) { c.Port = 65536 }},
		{"negative decimals", func(c *bitcart.Currency) { c.Decimals = -1 }},
		{"decimals out of range", func(c *bitcart.Currency) { c.Decimals = 1 << 20 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := right
			tt.change(&c)
			err := bitcart.RegisterCurrency(c)
			require.ErrorContains(t, err, "bitcart: ")
			require.Less(t, len(err.Error()), 1000)
		})
	}
	_, err := bitcart.NewCoin(right.Symbol)
	require.ErrorIs(t, err, bitcart.ErrUnsupportedCurrency, "an attempt that failed has registered it")
}

func TestRegisterCurrency(t *testing.T) {
	tests := []struct {
		family bitcart.Family
		token  bool
	}{
		{bitcart.FamilyElectrum, false},
		{bitcart.FamilyElectronCash, true},
		{bitcart.FamilyAccount, true},
	}
	for i, tt := range tests {
		t.Run(string(tt.family), func(t *testing.T) {
			symbol := newSymbol()
			c := bitcart.Currency{Symbol: symbol, Port: 6100 + i, Family: tt.family, Decimals: 8, UnitKey: "amount_sat"}
			require.NoError(t, bitcart.RegisterCurrency(c))
			require.Error(t, bitcart.RegisterCurrency(c), "registered twice")

			require.Equal(t, fmt.Sprintf("http://localhost:%d", 6100+i), makeCoin(t, strings.ToLower(symbol)).URL())
			_, err := bitcart.NewAPIManager(map[string][]string{symbol: {"x"}})
			require.NoError(t, err)
			_, err = bitcart.NewCoin(symbol, bitcart.WithWallet(bitcart.Wallet{Xpub: "x", Contract: "c"}))
			require.Equal(t, tt.token, err == nil, "%v", err)
		})
	}
}

func TestCurrencyWithoutPortNeedsURL(t *testing.T) {
	symbol := newSymbol()
	require.NoError(t, bitcart.RegisterCurrency(bitcart.Currency{
		Symbol: symbol, Family: bitcart.FamilyAccount, Decimals: 9, UnitKey: "amount_lamport",
	}))
	_, err := bitcart.NewCoin(symbol)
	require.Error(t, err)
	require.NotErrorIs(t, err, bitcart.ErrUnsupportedCurrency)
	require.Equal(t, "http://h:7", makeCoin(t, symbol, bitcart.WithURL("http://h:7")).URL())

	t.Setenv(symbol+"_HOST", "h2")
	_, err = bitcart.NewCoin(symbol, bitcart.WithEnv())
	require.Error(t, err, "a host alone says no port")
	t.Setenv(symbol+"_PORT", "8")
	require.Equal(t, "http://h2:8", makeCoin(t, symbol, bitcart.WithEnv()).URL())
}

func TestRegisterCurrencyWhileCoinsAreMade(t *testing.T) {
	symbol := newSymbol()
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			errs[i] = bitcart.RegisterCurrency(bitcart.Currency{
				Symbol: symbol, Port: 6200, Family: bitcart.FamilyElectrum, Decimals: 8, UnitKey: "amount_sat",
			})
		})
		wg.Go(func() { _, _ = bitcart.NewCoin(symbol) })
	}
	wg.Wait()
	registered := 0
	for _, err := range errs {
		if err == nil {
			registered++
		}
	}
	require.Equal(t, 1, registered)
}
