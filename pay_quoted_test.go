package bitcart_test

import (
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// Servers quote the transaction that they reject. Whoever reads a log could broadcast it, and a draft
// as well, whose payment the caller takes for one that was not made.
func TestErrorsQuoteNoTransaction(t *testing.T) {
	t.Parallel()
	double := bitcart.WithFeeFunc(func(_ int, fee decimal.Decimal) (decimal.Decimal, error) { return fee.Add(fee), nil })
	tests := []struct {
		currency, step, answer string // $RAW is the transaction that the step was given
		opts                   []bitcart.PayOption
	}{
		{"BTC", "broadcast", "the transaction was rejected by network rules.\n\ndust\n[$RAW]", nil},
		{"ETH", "broadcast", "ValueError: cannot decode $RAW", nil},
		{"BCH", "addtransaction", "Exception: bad $RAW", nil},
		{"BTC", "get_tx_size", "Exception: bad $RAW", []bitcart.PayOption{double}},
	}
	for _, test := range tests {
		t.Run(test.currency+" "+test.step, func(t *testing.T) {
			t.Parallel()
			d, coin := payer(t, test.currency)
			var raw string
			d.Handle(test.step, func(c *bitcarttest.Call) (any, error) {
				raw = strings.Trim(string(c.Args[0]), `"`)
				return nil, &bitcarttest.Error{Code: -32603, Message: strings.Replace(test.answer, "$RAW", raw, 1)}
			})
			_, err := coin.PayTo(patient(t), receivers[test.currency], dec("1"), test.opts...)
			var answered *bitcart.RPCError
			require.ErrorAs(t, err, &answered)
			require.NotEmpty(t, raw)
			require.Contains(t, answered.Message, raw)
			require.NotContains(t, err.Error(), raw)
			require.NotContains(t, answered.Error(), raw)
		})
	}
	t.Run("in place of a hash", func(t *testing.T) {
		t.Parallel()
		s := newStub(t, func(s *stub) { s.results["broadcast"] = `"error: rejected [` + firstTx[:100] + `]"` })
		coin := makeCoin(t, "BCH", bitcart.WithURL(s.URL))
		t.Cleanup(coin.CloseIdleConnections)
		_, err := coin.Broadcast(patient(t), firstTx[:100])
		require.ErrorContains(t, err, "rejected")
		require.NotContains(t, err.Error(), firstTx[:100])
	})
	t.Run("default fee", func(t *testing.T) {
		t.Parallel()
		coin := coinOn(t, "BTC", always(failure(-32603, "Exception: bad "+firstTx)), walletOf("BTC"))
		_, err := coin.DefaultFee(t.Context(), firstTx)
		require.Error(t, err)
		require.NotContains(t, shown(t, err), firstTx)
	})
}
