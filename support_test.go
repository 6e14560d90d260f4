package bitcart_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// surface are methods of Coin that some daemons lack, with the currencies that have them (protocol
// section 9.15).
var surface = map[string]struct {
	have string
	call func(context.Context, *bitcart.Coin) error
}{
	"AddInvoice": {"BTC LTC GRS", func(ctx context.Context, c *bitcart.Coin) error {
		_, err := c.AddInvoice(ctx, bitcart.RequestParams{})
		return err
	}},
	"GetInvoice":   {"BTC LTC GRS", func(ctx context.Context, c *bitcart.Coin) error { _, err := c.GetInvoice(ctx, "hash"); return err }},
	"NodeID":       {"BTC LTC GRS", func(ctx context.Context, c *bitcart.Coin) error { _, err := c.NodeID(ctx); return err }},
	"Connect":      {"BTC LTC GRS", func(ctx context.Context, c *bitcart.Coin) error { return c.Connect(ctx, "peer") }},
	"ListPeers":    {"BTC LTC GRS", func(ctx context.Context, c *bitcart.Coin) error { _, err := c.ListPeers(ctx); return err }},
	"ListChannels": {"BTC LTC GRS", func(ctx context.Context, c *bitcart.Coin) error { _, err := c.ListChannels(ctx); return err }},
	"OpenChannel": {"BTC LTC GRS", func(ctx context.Context, c *bitcart.Coin) error {
		_, err := c.OpenChannel(ctx, "node", decimal.NewFromInt(1))
		return err
	}},
	"CloseChannel": {"BTC LTC GRS", func(ctx context.Context, c *bitcart.Coin) error {
		_, err := c.CloseChannel(ctx, "t:0", false)
		return err
	}},
	"LNPay":      {"BTC LTC GRS", func(ctx context.Context, c *bitcart.Coin) error { _, err := c.LNPay(ctx, "lnbc"); return err }},
	"History":    {"BTC LTC GRS BCH XRG", func(ctx context.Context, c *bitcart.Coin) error { _, err := c.History(ctx); return err }},
	"GetAddress": {"BTC LTC GRS BCH XRG", func(ctx context.Context, c *bitcart.Coin) error { _, err := c.GetAddress(ctx, "a"); return err }},
	"SetRequestAddress": {"ETH BNB MATIC TRX", func(ctx context.Context, c *bitcart.Coin) error {
		return c.SetRequestAddress(ctx, "key", "payer")
	}},
	"PayTo": {"BTC LTC GRS BCH XRG ETH BNB MATIC TRX", func(ctx context.Context, c *bitcart.Coin) error {
		_, err := c.PayTo(ctx, "a", decimal.NewFromInt(1))
		return err
	}},
	"PayToMany": {"BTC LTC GRS BCH XRG", func(ctx context.Context, c *bitcart.Coin) error {
		_, err := c.PayToMany(ctx, []bitcart.Output{{Address: "a", Amount: decimal.NewFromInt(1)}})
		return err
	}},
	"Transfer": {"BCH ETH BNB MATIC TRX", func(ctx context.Context, c *bitcart.Coin) error {
		_, err := c.Transfer(ctx, "contract", "a", decimal.NewFromInt(1))
		return err
	}},
	"ReadContract": {"BCH ETH BNB MATIC TRX", func(ctx context.Context, c *bitcart.Coin) error {
		return c.ReadContract(ctx, nil, "contract", "decimals")
	}},
	"Broadcast": {"BTC LTC GRS BCH XRG ETH BNB MATIC TRX", func(ctx context.Context, c *bitcart.Coin) error {
		_, err := c.Broadcast(ctx, "00")
		return err
	}},
	"DefaultFee": {"BTC LTC GRS BCH XRG ETH BNB MATIC TRX", func(ctx context.Context, c *bitcart.Coin) error {
		_, err := c.DefaultFee(ctx, "00")
		return err
	}},
	"DefaultFeeForSize": {"BTC LTC GRS BCH XRG", func(ctx context.Context, c *bitcart.Coin) error {
		_, err := c.DefaultFeeForSize(ctx, 100)
		return err
	}},
	"BatchLoad": {"ETH BNB MATIC TRX XMR", func(ctx context.Context, c *bitcart.Coin) error {
		return c.BatchLoad(ctx, []bitcart.Wallet{c.Wallet()})
	}},
	"RescanBlocks": {"ETH BNB MATIC TRX XMR", func(ctx context.Context, c *bitcart.Coin) error { return c.RescanBlocks(ctx, 1, 2) }},
}

// What a family lacks is told without asking the daemon, not even for its spec.
func TestSupportMatrix(t *testing.T) {
	t.Parallel()
	for name, method := range surface {
		for _, currency := range everyCurrency {
			t.Run(name+" "+currency, func(t *testing.T) {
				t.Parallel()
				w := always(failure(-32603, "Exception: asked"))
				err := method.call(t.Context(), coinOn(t, currency, w, walletOf(currency)))
				require.Error(t, err)
				if slices.Contains(strings.Fields(method.have), currency) {
					require.Contains(t, err.Error(), "asked")
					require.NotErrorIs(t, err, bitcart.ErrUnsupported)
					require.Len(t, w.calls(), 1)
					return
				}
				require.Empty(t, w.calls(), "nothing must be sent")
				require.ErrorIs(t, err, bitcart.ErrUnsupported)
				require.NotErrorIs(t, err, bitcart.ErrProcedureNotFound)
				var lacking *bitcart.UnsupportedError
				require.ErrorAs(t, err, &lacking)
				require.Equal(t, bitcart.UnsupportedError{Method: name, Currency: currency}, *lacking)
				require.Contains(t, err.Error(), name)
				require.Contains(t, err.Error(), currency)
			})
		}
	}
}

// A registered currency has what its family has.
func TestSupportOfRegisteredCurrencies(t *testing.T) {
	t.Parallel()
	symbol := newSymbol()
	require.NoError(t, bitcart.RegisterCurrency(bitcart.Currency{Symbol: symbol, Port: 5012, Family: bitcart.FamilyAccount, Decimals: 9, UnitKey: "amount_lamport"}))
	w := always(result("true"))
	coin := coinOn(t, symbol, w, bitcart.Wallet{Xpub: "x"})
	require.NoError(t, coin.SetRequestAddress(t.Context(), "k", "p"))
	_, err := coin.NodeID(t.Context())
	require.ErrorIs(t, err, bitcart.ErrUnsupported)
	require.Contains(t, err.Error(), symbol)

	w = always(result(`{"request_id":"k","amount_lamport":1500000001,"amount_` + symbol + `":"1.500000001","timestamp":1,"expiration":0,"status":0}`))
	r, err := coinOn(t, symbol, w, bitcart.Wallet{Xpub: "x"}).GetRequest(t.Context(), "k")
	require.NoError(t, err)
	requireAmount(t, amount("1.500000001"), r.Amount, "Amount")
	require.Equal(t, symbol, r.Symbol)
}

// A daemon that lacks a method says so in one of two ways; both are ErrUnsupported.
func TestDaemonsThatLackAMethod(t *testing.T) {
	t.Parallel()
	for currency, method := range map[string]string{"BTC": "batch_load", "BCH": "batch_load", "ETH": "onchain_history", "TRX": "getmpk", "XMR": "payto"} {
		d := newDaemon(t, currency)
		err := newCoin(t, d).Call(patient(t), nil, method, "a", "1")
		require.ErrorIs(t, err, bitcart.ErrUnsupported, currency)
		require.Contains(t, err.Error(), currency+" "+method)
	}
}
