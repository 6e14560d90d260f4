package bitcart_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// An invoice that cannot be paid is none.
func TestInvoiceWithoutItsText(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"on chain": `{"is_lightning":false,"amount_BTC":"0.5","timestamp":1,"expiry":900,"status":0,"request_id":"4d3c7846c4","address":"bc1","URI":"bitcoin:bc1"}`,
		"no text":  `{"is_lightning":true,"timestamp":1,"expiry":900,"status":0,"request_id":"` + strings.Repeat("5b", 32) + `","rhash":"` + strings.Repeat("5b", 32) + `","lightning_invoice":null}`,
	} {
		_, err := coinOn(t, "BTC", always(result(answer)), walletOf("BTC")).AddInvoice(t.Context(), bitcart.RequestParams{})
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, name)
		require.ErrorIs(t, err, bitcart.ErrMaybeSent, name)
		require.ErrorContains(t, err, "lightning_invoice", name)
	}
}

// What is not an amount is not zero.
func TestBalanceThatIsUnknown(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`{"confirmed":"unknown"}`, `{"confirmed":"1","unconfirmed":"Unknown"}`} {
		_, err := coinOn(t, "BTC", always(result(answer)), walletOf("BTC")).Balance(t.Context())
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, answer)
	}
}

// The library of decimals takes signs in places where no number has them.
func TestSignsInsideOfAmounts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`".-5"`, `".+5"`, `".-5e3"`, `"1.-5"`, `"+-5"`, `"1e"`, `"1 "`, `"٣"`, `"1_0"`} {
		_, err := coinOn(t, "BTC", always(result(`{"confirmed":`+text+`}`)), walletOf("BTC")).Balance(t.Context())
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, text)
	}
	for _, text := range []string{`"+0.5"`, `".5"`, `"5E-1"`, `"+5e-1"`, `"0.00005e+4"`, `5e-1`} {
		b, err := coinOn(t, "BTC", always(result(`{"confirmed":`+text+`}`)), walletOf("BTC")).Balance(t.Context())
		require.NoError(t, err, text)
		require.Equal(t, "0.5", b.Confirmed.String(), text)
	}
}

// Tokens are not counted in the coin of their chain.
func TestSymbolOfATokenThatTheAnswerDoesNotName(t *testing.T) {
	t.Parallel()
	w := always(result(`{"request_id":"k","timestamp":1,"status":0,"sent_amount":"100.000000"}`))
	r, err := coinOn(t, "ETH", w, bitcart.Wallet{Xpub: "0x11", Contract: usdt}).GetRequest(t.Context(), "k")
	require.NoError(t, err)
	require.Empty(t, r.Symbol)
	r, err = coinOn(t, "ETH", w, bitcart.Wallet{Xpub: "0x11"}).GetRequest(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "ETH", r.Symbol)
}
