package bitcart_test

import (
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// A wallet that did not take a transaction does not keep its coins for it: the
// next payment spends them. Whoever went on with the first transaction, as a
// BroadcastError asks for, would replace the second one.
func TestPaymentThatTheWalletDidNotTakeIsNone(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{"error": errFault, "unauthorized": &bitcarttest.HTTPError{Status: 403, Body: "no"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, coin := payer(t, "BTC")
			d.Faults().FailMethod("addtransaction", 1, fault)
			_, err := coin.PayTo(patient(t), receivers["BTC"], dec("4"))
			require.Error(t, err)
			_, again := coin.PayTo(patient(t), receivers["BTC"], dec("4"))
			require.NoError(t, again, "the coins are free")
			require.NotErrorAs(t, err, new(*bitcart.BroadcastError), "the same coins are spent twice")
			require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
			requireCoins(t, coin, "4")
		})
	}
	t.Run("conflict", func(t *testing.T) {
		t.Parallel()
		d, coin := payer(t, "BTC")
		first, err := coin.PayTo(patient(t), receivers["BTC"], dec("4"), bitcart.WithoutBroadcast())
		require.NoError(t, err)
		// Another transaction with the same coins is out before the wallet is told of this one.
		_, err = coin.PayTo(patient(t), receivers["BTC"], dec("4"), bitcart.WithFeeFunc(func(int, decimal.Decimal) (decimal.Decimal, error) {
			_, err := coin.Broadcast(patient(t), first.RawTx)
			return decimal.Zero, err
		}))
		require.ErrorContains(t, err, "conflicts")
		require.NotErrorAs(t, err, new(*bitcart.BroadcastError), "it can never stand beside the one that spends its coins")
		require.Equal(t, 1, d.CountCalls("broadcast"))
	})
}

// TestHashOfAddtransactionIsAHash: what else a daemon answers is no hash to look for.
func TestHashOfAddtransactionIsAHash(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("5b", 32)
	tests := []struct{ currency, answer, want string }{
		{"BTC", `"` + hash + `"`, hash}, {"BTC", `"added"`, ""}, {"BTC", `"` + hash + ` "`, ""},
		{"BCH", `"Transaction added."`, firstHash}, {"BCH", `null`, firstHash},
	}
	unknown := newSymbol() // whose hashes nobody knows here
	require.NoError(t, bitcart.RegisterCurrency(bitcart.Currency{Symbol: unknown, Port: 6200, Family: bitcart.FamilyElectrum, Decimals: 8, UnitKey: "amount_sat"}))
	tests = append(tests, struct{ currency, answer, want string }{unknown, `"5b5b"`, "5b5b"})
	for _, test := range tests {
		s := newStub(t, func(s *stub) {
			s.results["payto"], s.results["addtransaction"], s.results["broadcast"] = `"`+firstTx+`"`, test.answer, `null`
		})
		coin := makeCoin(t, test.currency, bitcart.WithURL(s.URL), bitcart.WithXpub(payerSeed))
		t.Cleanup(coin.CloseIdleConnections)
		_, err := coin.PayTo(patient(t), "an address", dec("1"))
		var unfinished *bitcart.BroadcastError
		require.ErrorAs(t, err, &unfinished, "%s %s", test.currency, test.answer)
		require.Equal(t, test.want, unfinished.TxID, "%s %s", test.currency, test.answer)
	}
}

// requireCoins: so many whole coins have left the wallet.
func requireCoins(t testing.TB, coin *bitcart.Coin, want string) {
	t.Helper()
	require.Equal(t, want, wholeCoins(t, coin))
}

// Without keys Electron Cash answers hexadecimal all the same, with a byte where each signature
// belongs. It can never be broadcast, so it is no payment that may be on its way.
func TestHexWithoutSignaturesIsNotBroadcast(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BCH", "XRG"} {
		d := newDaemon(t, currency)
		coin := newCoin(t, d, bitcart.WithXpub(d.NewWallet())) // an xpub
		_, err := coin.Balance(patient(t))
		require.NoError(t, err)
		_, err = d.Send(coin.WalletKey(), bitcarttest.Transfer{Amount: "5", Mined: true})
		require.NoError(t, err)
		to := d.NewAddress()
		_, err = coin.PayTo(patient(t), to, dec("1"))
		require.ErrorIs(t, err, bitcart.ErrWatchOnlyWallet)
		require.NotErrorAs(t, err, new(*bitcart.BroadcastError))
		require.Zero(t, d.CountCalls("broadcast"))
		require.Zero(t, d.CountCalls("addtransaction"), "nothing keeps its coins")
		out, err := coin.PayTo(patient(t), to, dec("1"), bitcart.WithoutBroadcast())
		require.NoError(t, err, "to be signed elsewhere")
		require.Contains(t, out.RawTx, "01ff21")
	}
}

// Electron Cash says of the object itself that signatures are missing. It can
// never be broadcast, so it is none of the payments that may be on their way.
func TestObjectWithoutSignaturesIsNotBroadcast(t *testing.T) {
	t.Parallel()
	const category = "ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12ab12"
	d := newDaemon(t, "BCH", bitcarttest.WithToken(bitcarttest.Token{Contract: category, Symbol: "FLEX", Decimals: 2}))
	watched := d.NewWallet() // an xpub
	coins := newCoin(t, d, bitcart.WithXpub(watched))
	tokens := newCoin(t, d, bitcart.WithWallet(bitcart.Wallet{Xpub: watched, Contract: category}))
	for _, coin := range []*bitcart.Coin{coins, tokens} {
		_, err := coin.Balance(patient(t))
		require.NoError(t, err)
		_, err = d.Send(coin.WalletKey(), bitcarttest.Transfer{Amount: "5", Mined: true})
		require.NoError(t, err)
	}
	_, err := tokens.Transfer(patient(t), category, receivers["BCH"], dec("1"))
	require.ErrorIs(t, err, bitcart.ErrWatchOnlyWallet)
	require.NotErrorAs(t, err, new(*bitcart.BroadcastError))
	require.Zero(t, d.CountCalls("broadcast"))

	out, err := tokens.Transfer(patient(t), category, receivers["BCH"], dec("1"), bitcart.WithoutBroadcast())
	require.NoError(t, err, "to be signed elsewhere")
	require.Contains(t, out.RawTx, "complete")
}
