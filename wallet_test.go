package bitcart_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

const (
	testViewKey = "0f3fe25d0c6d4c94dde0c0bcc214b233e9c72927f813728b0f01f28f9d5e1201"
	testAddress = "46BeWrHpwXmHDpDEUmZBWZfoQpdc6HaERCNmx1pEYL2rAcuwufPN9rXHHtyUA4QVy66qeFQkn6sfK8aHYjA3jk3o1Bv16em"
)

func TestWalletKey(t *testing.T) {
	tests := []struct {
		name, currency string
		wallet         bitcart.Wallet
		want           string
	}{
		{"xpub", "BTC", bitcart.Wallet{Xpub: "vpub5SLqN2bLY4WeZ"}, "vpub5SLqN2bLY4WeZ"},
		{"seed with spaces", "LTC", bitcart.Wallet{Xpub: "one two three"}, "one two three"},
		{"diskless", "GRS", bitcart.Wallet{Xpub: "x", Diskless: true}, "x"},
		{"electron cash", "BCH", bitcart.Wallet{Xpub: "xpub1"}, "xpub1"},
		{"electron cash token", "BCH", bitcart.Wallet{Xpub: "xpub1", Contract: "ABcd"}, "xpub1_ABcd"},
		{"ergon", "XRG", bitcart.Wallet{Xpub: "xpub1"}, "xpub1"},
		{"address, case kept", "ETH", bitcart.Wallet{Xpub: "0xAbCd"}, "0xAbCd"},
		{"token, case kept", "ETH", bitcart.Wallet{Xpub: "0xAbCd", Contract: "0xdAC1"}, "0xAbCd_0xdAC1"},
		{"token in lower case is another wallet", "ETH", bitcart.Wallet{Xpub: "0xAbCd", Contract: "0xdac1"}, "0xAbCd_0xdac1"},
		{"diskless token", "BNB", bitcart.Wallet{Xpub: "0x1", Contract: "0x2", Diskless: true}, "0x1_0x2"},
		{"matic token", "MATIC", bitcart.Wallet{Xpub: "0x1", Contract: "0x2"}, "0x1_0x2"},
		{"tron token", "TRX", bitcart.Wallet{Xpub: "TX1", Contract: "TR7"}, "TX1_TR7"},
		{"monero view key", "XMR", bitcart.Wallet{Xpub: testViewKey, Address: testAddress}, testViewKey},
		{"monero seed", "XMR", bitcart.Wallet{Xpub: "one two three four"}, "one two three four"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := makeCoin(t, tt.currency, bitcart.WithWallet(tt.wallet))
			require.Equal(t, tt.want, c.WalletKey())
			require.Equal(t, tt.wallet, c.Wallet())

			m := makeManager(t, nil)
			added, err := m.AddWallet(tt.currency, tt.wallet)
			require.NoError(t, err)
			require.Equal(t, tt.want, added.WalletKey())
			require.Equal(t, tt.wallet, added.Wallet())
			found, ok := m.Coin(tt.currency, tt.want)
			require.True(t, ok)
			require.Same(t, added, found)
		})
	}
}

func TestCoinWithoutWallet(t *testing.T) {
	c := makeCoin(t, "BTC")
	require.Empty(t, c.WalletKey())
	require.Equal(t, bitcart.Wallet{}, c.Wallet())
	require.ErrorIs(t, c.WaitArmed(t.Context()), bitcart.ErrWalletRequired)
	require.ErrorIs(t, c.PollUpdates(t.Context(), 0), bitcart.ErrWalletRequired)
}

func TestWithXpubIsAWallet(t *testing.T) {
	c := makeCoin(t, "BTC", bitcart.WithXpub("xpub1"))
	require.Equal(t, bitcart.Wallet{Xpub: "xpub1"}, c.Wallet())
}

func TestWalletIncomplete(t *testing.T) {
	tests := []struct {
		name, currency string
		wallet         bitcart.Wallet
	}{
		{"empty", "BTC", bitcart.Wallet{}},
		{"diskless only", "BTC", bitcart.Wallet{Diskless: true}},
		{"contract only", "ETH", bitcart.Wallet{Contract: "0xdAC1"}},
		{"address only", "XMR", bitcart.Wallet{Address: testAddress}},
		{"view key only", "XMR", bitcart.Wallet{Xpub: testViewKey}},
		{"view key only, in upper case", "XMR", bitcart.Wallet{Xpub: strings.ToUpper(testViewKey)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := bitcart.NewCoin(tt.currency, bitcart.WithWallet(tt.wallet))
			require.ErrorIs(t, err, bitcart.ErrWalletIncomplete)

			m := makeManager(t, nil)
			_, err = m.AddWallet(tt.currency, tt.wallet)
			require.ErrorIs(t, err, bitcart.ErrWalletIncomplete)
			_, err = m.AddWallets(tt.currency, []bitcart.Wallet{{Xpub: "one two"}, tt.wallet})
			require.ErrorIs(t, err, bitcart.ErrWalletIncomplete)
			_, err = m.LoadWallet(tt.currency, tt.wallet)
			require.ErrorIs(t, err, bitcart.ErrWalletIncomplete)
			require.Empty(t, walletKeys(m))
		})
	}
	_, err := bitcart.NewCoin("BTC", bitcart.WithXpub(""))
	require.ErrorIs(t, err, bitcart.ErrWalletIncomplete)
	_, err = bitcart.NewAPIManager(map[string][]string{"BTC": {"x", ""}})
	require.ErrorIs(t, err, bitcart.ErrWalletIncomplete)
	_, err = bitcart.NewAPIManager(map[string][]string{"XMR": {testViewKey}})
	require.ErrorIs(t, err, bitcart.ErrWalletIncomplete)
}

func TestWalletThatDoesNotFit(t *testing.T) {
	tests := []struct {
		name, currency string
		wallet         bitcart.Wallet
	}{
		{"token of BTC", "BTC", bitcart.Wallet{Xpub: "x", Contract: "c"}},
		{"token of XMR", "XMR", bitcart.Wallet{Xpub: testViewKey, Address: testAddress, Contract: "c"}},
		{"address of BTC", "BTC", bitcart.Wallet{Xpub: "x", Address: "a"}},
		{"address of ETH", "ETH", bitcart.Wallet{Xpub: "x", Address: "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := bitcart.NewCoin(tt.currency, bitcart.WithWallet(tt.wallet))
			require.ErrorContains(t, err, "bitcart: ")
			require.NotErrorIs(t, err, bitcart.ErrWalletIncomplete)

			m := makeManager(t, nil)
			_, err = m.AddWallet(tt.currency, tt.wallet)
			require.Error(t, err)
			_, err = m.LoadWallet(tt.currency, tt.wallet)
			require.Error(t, err)
			require.Empty(t, walletKeys(m))
		})
	}
}
