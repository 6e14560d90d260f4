package bitcart_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

func TestUsedFee(t *testing.T) {
	t.Parallel()
	tests := []struct{ currency, answer, want string }{
		{"BTC", "BTC/get_used_fee", "0.0000452"},
		{"BTC", "BTC/get_used_fee.foreign", ""},
		{"BCH", "BCH/get_used_fee", "0.00000226"},
		{"ETH", "ETH/get_used_fee", "0.00042"},
		{"TRX", "TRX/get_used_fee", "1.1"},
		{"XMR", "XMR/get_used_fee", "0.00003064"},
		{"XMR", `null`, ""},
		{"TRX", `0`, "0"},
		{"ETH", `"0.000000000000000001"`, "0.000000000000000001"},
		{"ETH", `1E-18`, "0.000000000000000001"},
	}
	for i, test := range tests {
		t.Run(fmt.Sprintf("%d %s", i, test.currency), func(t *testing.T) {
			t.Parallel()
			coin, s := answered(t, test.currency, "get_used_fee", answerOf(t, test.answer))
			fee, err := coin.UsedFee(patient(t), "ab")
			require.NoError(t, err)
			require.Equal(t, `get_used_fee["ab",{W}]`, lastRequest(t, s))
			require.Equal(t, test.want != "", fee.Valid, "absent is not zero")
			if fee.Valid {
				requireExact(t, test.want, fee.Decimal)
			}
		})
	}
}

// answerOf is a stored answer where the text names one, the text itself otherwise.
func answerOf(t testing.TB, text string) string {
	t.Helper()
	if strings.Contains(text, "/") {
		return string(golden(t, text))
	}
	return text
}

func TestUsedFeeOfAForeignTx(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	d.Faults().FailMethod("get_used_fee", 1, errNoSuchTx)
	_, err := newWalletCoin(t, d).UsedFee(patient(t), strings.Repeat("0", 64))
	require.ErrorIs(t, err, bitcart.ErrTxNotFound)
}

func TestDefaultFee(t *testing.T) {
	t.Parallel()
	tests := []struct{ currency, tx, answer, request, want string }{
		{"BTC", "0200", "BTC/get_default_fee.raw", `get_default_fee["0200",{W}]`, "0.000025"},
		{"BCH", "0200", "BCH/get_default_fee.raw", `get_default_fee["0200",{W}]`, "0.00000125"},
		{"ETH", `{"gas":21000,"gasPrice":20000000000}`, "ETH/get_default_fee", `get_default_fee[{"gas":21000,"gasPrice":20000000000},{W}]`, "0.00042"},
		{"TRX", `{"txID":"ab"}`, "TRX/get_default_fee", `get_default_fee[{"txID":"ab"},{W}]`, "1.1"},
		{"LTC", "0200", `"1E-8"`, `get_default_fee["0200",{W}]`, "0.00000001"},
	}
	for _, test := range tests {
		t.Run(test.currency, func(t *testing.T) {
			t.Parallel()
			coin, s := answered(t, test.currency, "get_default_fee", answerOf(t, test.answer))
			fee, err := coin.DefaultFee(patient(t), test.tx)
			require.NoError(t, err)
			require.Equal(t, test.request, lastRequest(t, s))
			requireExact(t, test.want, fee)
		})
	}
	for _, currency := range []string{"BTC", "BCH"} {
		coin, s := answered(t, currency, "get_default_fee", answerOf(t, currency+"/get_default_fee"))
		fee, err := coin.DefaultFeeForSize(patient(t), 200)
		require.NoError(t, err)
		require.Equal(t, `get_default_fee[200,{W}]`, lastRequest(t, s))
		requireExact(t, map[string]string{"BTC": "0.00004", "BCH": "0.000002"}[currency], fee)
	}
	for _, answer := range []string{`null`, `"much"`, `{}`, `true`} {
		coin, _ := answered(t, "BTC", "get_default_fee", answer)
		_, err := coin.DefaultFeeForSize(patient(t), 200)
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
	}
}

func TestRecommendedFee(t *testing.T) {
	t.Parallel()
	tests := []struct{ currency, answer, want string }{
		{"BTC", "BTC/recommended_fee", "30000"},
		{"BTC", `null`, ""},
		{"BTC", `12345.675`, "12345.675"},
		{"LTC", `"1000"`, "1000"},
		{"BCH", "BCH/recommended_fee", ""},
		{"ETH", "ETH/recommended_fee", ""},
		{"TRX", "TRX/recommended_fee", ""},
		{"XMR", "XMR/recommended_fee", ""},
	}
	for i, test := range tests {
		t.Run(fmt.Sprintf("%d %s", i, test.currency), func(t *testing.T) {
			t.Parallel()
			coin, s := answered(t, test.currency, "recommended_fee", answerOf(t, test.answer))
			rate, err := coin.RecommendedFee(patient(t), 2)
			require.NoError(t, err)
			require.Equal(t, `recommended_fee[2]`, lastRequest(t, s))
			require.Equal(t, test.want != "", rate.Valid, "0 is no estimate")
			if rate.Valid {
				requireExact(t, test.want, rate.Decimal)
			}
		})
	}
	coin, _ := answered(t, "BTC", "recommended_fee", `{}`)
	_, err := coin.RecommendedFee(patient(t), 2)
	require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
}

func TestFeesUnsupported(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "XMR")
	_, err := newCoin(t, d).DefaultFee(t.Context(), "0200")
	require.ErrorIs(t, err, bitcart.ErrUnsupported)
	_, err = newCoin(t, d).DefaultFeeForSize(t.Context(), 200)
	require.ErrorIs(t, err, bitcart.ErrUnsupported)
	require.Zero(t, d.CountCalls(""))

	// The BCH daemon prints the fees of a token wallet with the token's decimals.
	d = newDaemon(t, "BCH")
	coin := newCoin(t, d, bitcart.WithWallet(bitcart.Wallet{Xpub: payerSeed, Contract: strings.Repeat("ab", 32)}))
	_, err = coin.UsedFee(t.Context(), "ab")
	require.Error(t, err)
	_, err = coin.DefaultFee(t.Context(), "0200")
	require.Error(t, err)
	_, err = coin.DefaultFeeForSize(t.Context(), 200)
	require.Error(t, err)
	require.Zero(t, d.CountCalls(""))
}
