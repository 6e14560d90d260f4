package bitcarttest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

// rich is a daemon with a wallet that can sign and holds 10 coins.
func rich(t *testing.T, currency string, opts ...bitcarttest.Option) *bitcarttest.Daemon {
	d := newDaemon(t, currency, opts...)
	require.NoError(t, d.Load(seedWallet))
	require.NoError(t, d.SetBalance(seedWallet, bitcarttest.Balance{Confirmed: "10"}))
	return d
}

func balanceOf(t *testing.T, d *bitcarttest.Daemon, wallet any) map[string]string {
	t.Helper()
	var b map[string]string
	rpc(t, d, "getbalance", named{"xpub": wallet}, &b)
	return b
}

// TestPaymentsLeaveTraces: balance, history, transaction and fee of a payment agree.
func TestPaymentsLeaveTraces(t *testing.T) {
	tests := []struct {
		currency string
		fee      string // of a payment, by default
		before   map[string]string
		after    map[string]string // mined
	}{
		{"BTC", "0.00002200", map[string]string{"confirmed": "10", "unconfirmed": "-1.000022"}, map[string]string{"confirmed": "8.999978"}},
		{"BCH", "0.00000110", map[string]string{"confirmed": "10", "unconfirmed": "-1.0000011"}, map[string]string{"confirmed": "8.9999989"}},
		{"ETH", "0.000420000000000000", map[string]string{"confirmed": "8.999580000000000000"}, map[string]string{"confirmed": "8.999580000000000000"}},
		{"TRX", "1.100000", map[string]string{"confirmed": "7.900000"}, map[string]string{"confirmed": "7.900000"}},
	}
	for _, tt := range tests {
		t.Run(tt.currency, func(t *testing.T) {
			d := rich(t, tt.currency)
			var made json.RawMessage
			rpc(t, d, "payto", []any{d.NewAddress(), "1", named{"xpub": seedWallet}}, &made)
			require.NotEqual(t, tt.before, balanceOf(t, d, seedWallet), "nothing is sent yet")
			var id string
			rpc(t, d, "broadcast", []any{made, named{"xpub": seedWallet}}, &id)
			require.Equal(t, tt.before, balanceOf(t, d, seedWallet))
			d.Mine(1)
			require.Equal(t, tt.after, balanceOf(t, d, seedWallet))

			var tx struct{ Confirmations int }
			rpc(t, d, "get_transaction", []any{id}, &tx)
			require.Positive(t, tx.Confirmations)
			var fee string
			rpc(t, d, "get_used_fee", []any{id, named{"xpub": seedWallet}}, &fee)
			require.Equal(t, tt.fee, fee)
			if d.Family() == bitcarttest.Account {
				return
			}
			method := map[bitcarttest.Family]string{bitcarttest.Electrum: "onchain_history", bitcarttest.ElectronCash: "history"}[d.Family()]
			var history []struct{ TxID string }
			rpc(t, d, method, named{"xpub": seedWallet}, &history)
			require.Equal(t, id, history[0].TxID)
			rpc(t, d, "broadcast", []any{made, named{"xpub": seedWallet}}, nil)
			require.Equal(t, tt.after, balanceOf(t, d, seedWallet), "the second time it does nothing")
		})
	}
}

func TestFees(t *testing.T) {
	tests := []struct {
		currency string
		args     named
		fee      string
	}{
		{"BTC", named{}, "0.00150000"},
		{"BTC", named{"fee": "0.001"}, "0.00100000"},
		{"BTC", named{"feerate": 5}, "0.00002500"},
		{"BTC", named{"feerate": 1.5}, "0.00000750"},
		{"BCH", named{}, "0.00150000"},
		{"ETH", named{}, "0.000000000006300000"},
		{"ETH", named{"gas": 50000}, "0.000000000015000000"},
		{"ETH", named{"gas": 21000, "gas_price": 2_000_000_000}, "0.000042000000000000"},
		{"ETH", named{"fee": "0.01"}, "0.010000000000000000"},
		{"ETH", named{"feerate": "2"}, "0.000042000000000000"},
		{"TRX", named{"fee": "5"}, "0.000300"},
	}
	for _, tt := range tests {
		t.Run(tt.currency, func(t *testing.T) {
			var opts []bitcarttest.Option
			if tt.currency == "BTC" || tt.currency == "BCH" {
				opts = append(opts, bitcarttest.WithTransactionSize(500))
			}
			d := rich(t, tt.currency, opts...)
			d.SetFeeRate(300)
			tt.args["xpub"] = seedWallet
			var made json.RawMessage
			rpc(t, d, "payto", []any{d.NewAddress(), "1", tt.args}, &made)
			var id, fee string
			rpc(t, d, "broadcast", []any{made, named{"xpub": seedWallet}}, &id)
			rpc(t, d, "get_used_fee", []any{id, named{"xpub": seedWallet}}, &fee)
			require.Equal(t, tt.fee, fee)
		})
	}
	for currency, code := range map[string]int{"BTC": -32603, "BCH": -32603, "ETH": -32012} {
		d := rich(t, currency)
		got, _ := fails(t, d, "payto", []any{d.NewAddress(), "1", named{"fee": "0.1", "feerate": 5, "xpub": seedWallet}})
		require.Equal(t, code, got, "%s: both at once", currency)
	}
	d := rich(t, "BTC")
	d.SetFeeRate(0)
	var none any = "something"
	rpc(t, d, "recommended_fee", []any{1}, &none)
	require.Nil(t, none, "no estimate")
}

func TestNothingIsPaidTwice(t *testing.T) {
	d := rich(t, "BTC")
	pay := func(amount string, add bool) (raw string) {
		rpc(t, d, "payto", []any{d.NewAddress(), amount, named{"addtransaction": add, "xpub": seedWallet}}, &raw)
		return raw
	}
	first, second := pay("6", false), pay("6", false)
	var id string
	rpc(t, d, "addtransaction", []any{first, named{"xpub": seedWallet}}, &id)
	var added any
	rpc(t, d, "addtransaction", []any{second, named{"xpub": seedWallet}}, &added)
	require.Equal(t, false, added, "its coins are held")
	code, _ := fails(t, d, "payto", []any{d.NewAddress(), "6", named{"xpub": seedWallet}})
	require.Equal(t, -32006, code)
	var history []struct {
		TxID   string
		Height int
	}
	rpc(t, d, "onchain_history", named{"xpub": seedWallet}, &history)
	require.Equal(t, -2, history[0].Height, "a local transaction")
	rpc(t, d, "removelocaltx", []any{id, named{"xpub": seedWallet}}, nil)
	pay("!", true)
	code, _ = fails(t, d, "payto", []any{d.NewAddress(), "0.1", named{"xpub": seedWallet}})
	require.Equal(t, -32006, code, "everything is held")
}

func TestUnsignedPayments(t *testing.T) {
	t.Run("BTC", func(t *testing.T) {
		d := rich(t, "BTC")
		var psbt, raw, id string
		rpc(t, d, "payto", []any{d.NewAddress(), "1", named{"unsigned": true, "xpub": seedWallet}}, &psbt)
		require.True(t, strings.HasPrefix(psbt, "cHNidP8B"))
		code, _ := fails(t, d, "broadcast", []any{psbt, named{"xpub": seedWallet}})
		require.Equal(t, -32603, code)
		rpc(t, d, "signtransaction", []any{psbt, named{"xpub": seedWallet}}, &raw)
		rpc(t, d, "broadcast", []any{raw, named{"xpub": seedWallet}}, &id)
		require.Equal(t, "-1.000022", balanceOf(t, d, seedWallet)["unconfirmed"])
	})
	t.Run("ETH", func(t *testing.T) {
		d := rich(t, "ETH")
		to := d.NewAddress()
		var tx map[string]any
		rpc(t, d, "payto", []any{to, "1.5", named{"unsigned": true, "xpub": seedWallet}}, &tx)
		require.Equal(t, to, tx["to"])
		require.Equal(t, 1.5e18, tx["value"])
		var raw, id string
		rpc(t, d, "signtransaction", []any{tx, named{"xpub": seedWallet}}, &raw)
		rpc(t, d, "broadcast", []any{raw}, &id)
		var nonce int
		rpc(t, d, "getnonce", []any{tx["from"]}, &nonce)
		require.Equal(t, 1, nonce)
		require.Equal(t, "8.499580000000000000", balanceOf(t, d, seedWallet)["confirmed"])
	})
	t.Run("TRX", func(t *testing.T) {
		d := rich(t, "TRX")
		var tx, signed map[string]any
		rpc(t, d, "payto", []any{d.NewAddress(), "1.5", named{"unsigned": true, "xpub": seedWallet}}, &tx)
		require.Empty(t, tx["signature"])
		code, _ := fails(t, d, "broadcast", []any{tx, named{"xpub": seedWallet}})
		require.Equal(t, -32603, code, "no signature")
		code, _ = fails(t, d, "broadcast", []any{tx})
		require.Equal(t, -32603, code, "a last object is the named arguments")
		rpc(t, d, "signtransaction", []any{tx, named{"xpub": seedWallet}}, &signed)
		text, err := json.Marshal(signed)
		require.NoError(t, err)
		var id string
		rpc(t, d, "broadcast", []any{string(text), named{"xpub": seedWallet}}, &id)
		require.Equal(t, tx["txID"], id, "JSON text works too")
		require.Equal(t, "7.400000", balanceOf(t, d, seedWallet)["confirmed"])
		_, message := fails(t, d, "broadcast", []any{signed, named{"xpub": seedWallet}})
		require.Contains(t, message, "DUP_TRANSACTION_ERROR")
	})
}

func TestWhoCannotPay(t *testing.T) {
	tests := []struct {
		currency, amount string
		watch            bool
		code             int
		message          string
	}{
		{"BTC", "11", false, -32006, "electrum.util.NotEnoughFunds: Insufficient funds"},
		{"BTC", "10", false, -32006, "electrum.util.NotEnoughFunds: Insufficient funds"}, // nothing is left for the fee
		{"BCH", "11", false, -32603, "electroncash.util.NotEnoughFunds"},
		{"ETH", "11", false, -32603, "ValueError: {'code': -32000, 'message': 'insufficient funds for transfer'}"},
		{"ETH", "1", true, -32006, "Exception: This is a watching-only wallet"},
		{"TRX", "1", true, -32006, "Exception: This is a watching-only wallet"},
		{"XMR", "1", true, -32602, "NotImplementedError: As we use only one address per wallet, address keys are used, but not the xprv/xpub"},
	}
	for _, tt := range tests {
		t.Run(tt.currency, func(t *testing.T) {
			d := newDaemon(t, tt.currency)
			w := seedWallet
			if tt.watch {
				w = d.NewWallet()
			}
			require.NoError(t, d.Load(w))
			if tt.currency != "XMR" {
				require.NoError(t, d.SetBalance(w, bitcarttest.Balance{Confirmed: "10"}))
			}
			code, message := fails(t, d, "payto", []any{d.NewAddress(), tt.amount, named{"xpub": w}})
			require.Equal(t, tt.code, code)
			require.Equal(t, tt.message, message)
		})
	}
	d := rich(t, "TRX")
	var tx any
	rpc(t, d, "payto", []any{d.NewAddress(), "11", named{"xpub": seedWallet}}, &tx)
	code, _ := fails(t, d, "broadcast", []any{tx, named{"xpub": seedWallet}})
	require.Equal(t, -32603, code, "TRX asks the node only then")
}

// TestPaymentsBetweenWallets: what one wallet of the daemon pays, another one gets, with its events.
func TestPaymentsBetweenWallets(t *testing.T) {
	for _, currency := range []string{"BTC", "BCH"} {
		t.Run(currency, func(t *testing.T) {
			d := rich(t, currency)
			w := d.NewWallet()
			key := addRequest(t, d, w, "1", 0)
			var r struct{ Address string }
			rpc(t, d, "getrequest", []any{key, named{"xpub": w}}, &r)
			var raw, id string
			rpc(t, d, "paytomany", []any{[][]string{{d.NewAddress(), "2"}, {r.Address, "1"}}, named{"xpub": seedWallet}}, &raw)
			rpc(t, d, "broadcast", []any{raw, named{"xpub": seedWallet}}, &id)
			d.Mine(1)
			list := updates(t, d, w)
			require.Equal(t, []string{"new_payment", "new_transaction", "new_block", "new_payment", "verified_tx"}, eventNames(list))
			require.Equal(t, id, list[1].Tx)
			require.Equal(t, 3, list[3].Status)
			require.Equal(t, "1", balanceOf(t, d, w)["confirmed"])
			require.Equal(t, []string{"new_transaction", "new_block", "verified_tx"}, eventNames(updates(t, d, seedWallet)))
		})
	}
	t.Run("ETH", func(t *testing.T) {
		d := rich(t, "ETH")
		w := d.NewWallet()
		key := addRequest(t, d, w, "1", 0)
		var from, to, raw string
		rpc(t, d, "getaddress", named{"xpub": seedWallet}, &from)
		rpc(t, d, "getaddress", named{"xpub": w}, &to)
		rpc(t, d, "setrequestaddress", []any{key, from, named{"xpub": w}}, nil)
		rpc(t, d, "payto", []any{to, "1", named{"xpub": seedWallet}}, &raw)
		rpc(t, d, "broadcast", []any{raw}, nil)
		require.Equal(t, []string{"new_block", "new_transaction", "new_payment"}, eventNames(updates(t, d, w)))
		require.Equal(t, "1.000000000000000000", balanceOf(t, d, w)["confirmed"])
	})
}

func TestPaymentsInTokens(t *testing.T) {
	gem := bitcarttest.Token{Symbol: "GEM", Contract: strings.Repeat("ab", 32), Decimals: 2}
	tests := []struct {
		currency, contract, left, coins string
		poor                            int
	}{
		{"ETH", "0xdAC17F958D2ee523a2206206994597C13D831ec7", "23.500000", "9.998800000000000000", -32603},
		{"TRX", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "23.500000", "8.900000", -32603},
		{"BCH", gem.Contract, "23.50", "9.9999989", -32603},
	}
	for _, tt := range tests {
		t.Run(tt.currency, func(t *testing.T) {
			var opts []bitcarttest.Option
			if tt.currency == "BCH" {
				opts = append(opts, bitcarttest.WithToken(gem))
			}
			d := rich(t, tt.currency, opts...)
			w := named{"xpub": seedWallet, "contract": tt.contract}
			require.NoError(t, d.Load(seedWallet+"_"+tt.contract))
			require.NoError(t, d.SetBalance(seedWallet+"_"+tt.contract, bitcarttest.Balance{Confirmed: "25"}))
			var id string
			rpc(t, d, "transfer", []any{tt.contract, d.NewAddress(), "1.5", named{"xpub": w}}, &id)
			d.Mine(1)
			require.Equal(t, tt.left, balanceOf(t, d, w)["confirmed"])
			require.Equal(t, tt.coins, balanceOf(t, d, seedWallet)["confirmed"], "the fee")
			rpc(t, d, "get_transaction", []any{id}, nil)
			code, _ := fails(t, d, "transfer", []any{tt.contract, d.NewAddress(), "24", named{"xpub": w}})
			require.Equal(t, tt.poor, code)

			// The same in steps.
			var unsigned, signed json.RawMessage
			rpc(t, d, "transfer", []any{tt.contract, d.NewAddress(), "3.5", named{"unsigned": true, "xpub": w}}, &unsigned)
			rpc(t, d, "signtransaction", []any{unsigned, named{"xpub": w}}, &signed)
			rpc(t, d, "broadcast", []any{signed, named{"xpub": w}}, &id)
			d.Mine(1)
			require.Equal(t, strings.Replace(tt.left, "23.5", "20.0", 1), balanceOf(t, d, w)["confirmed"])
		})
	}
	d := rich(t, "ETH")
	code, _ := fails(t, d, "transfer", []any{tests[0].contract, d.NewAddress(), "x", named{"xpub": seedWallet}})
	require.Equal(t, -32011, code)
	code, _ = fails(t, rich(t, "BTC"), "transfer", []any{gem.Contract, "x", "1", named{"xpub": seedWallet}})
	require.Equal(t, -32601, code)
}

func TestSetBalance(t *testing.T) {
	d := newDaemon(t, "BTC")
	w := d.NewWallet()
	require.ErrorIs(t, d.SetBalance(w, bitcarttest.Balance{Confirmed: "1"}), bitcarttest.ErrUnknownWallet)
	require.NoError(t, d.Load(w))
	require.Error(t, d.SetBalance(w, bitcarttest.Balance{Confirmed: "much"}))
	_, err := d.Send(w, bitcarttest.Transfer{Amount: "3", Mined: true})
	require.NoError(t, err)
	require.NoError(t, d.SetBalance(w, bitcarttest.Balance{Confirmed: "1", Unmatured: "6.25"}))
	require.Equal(t, map[string]string{"confirmed": "1", "unmatured": "6.25"}, balanceOf(t, d, w), "exactly, whatever came before")
	_, err = d.Send(w, bitcarttest.Transfer{Amount: "0.5"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"confirmed": "1", "unconfirmed": "0.5", "unmatured": "6.25"}, balanceOf(t, d, w))
	require.Error(t, newDaemon(t, "XMR").SetBalance(w, bitcarttest.Balance{Confirmed: "1"}))
}

// TestErgonLosesPayments: the daemon cannot read a request that has transactions, and sends no
// new_payment.
func TestErgonLosesPayments(t *testing.T) {
	d := newDaemon(t, "XRG")
	w := d.NewWallet()
	key := addRequest(t, d, w, "1", 0)
	rpc(t, d, "getrequest", []any{key, named{"xpub": w}}, nil)
	_, err := d.Pay(w, key, bitcarttest.Transfer{Mined: true})
	require.NoError(t, err)
	code, _ := fails(t, d, "getrequest", []any{key, named{"xpub": w}})
	require.Equal(t, -32603, code)
	require.NotContains(t, eventNames(updates(t, d, w)), "new_payment")
	var list []struct{ Status string }
	rpc(t, d, "listrequests", named{"paid": true, "xpub": w}, &list)
	require.Len(t, list, 1, "the list is the engine's own, and right")
}

func TestForcedExceptions(t *testing.T) {
	for currency, code := range map[string]int{"BTC": -32010, "ETH": -32603} {
		d := newDaemon(t, currency)
		d.Faults().FailMethod("version", 1, bitcarttest.Exception("Exception: No path found"))
		got, message := fails(t, d, "version", []any{})
		require.Equal(t, code, got)
		require.Equal(t, "Exception: No path found", message)
	}
}
