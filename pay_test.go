package bitcart_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

const payerSeed = "abandon ability able about above absent absorb abstract absurd abuse access accident"

var (
	receivers = map[string]string{
		"BTC": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "LTC": "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9",
		"BCH": "qr0khg85tm5vryezw7cfs8n2j4hk0hrsevpk5prj0p", "ETH": "0x71C7656EC7ab88b098defB751B7401B5f6d8976F",
		"BNB": "0x71C7656EC7ab88b098defB751B7401B5f6d8976F", "MATIC": "0x71C7656EC7ab88b098defB751B7401B5f6d8976F",
		"TRX": "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
	}
	errFault = &bitcarttest.Error{Code: -32603, Message: "Exception: no"}
)

func dec(text string) decimal.Decimal { return decimal.RequireFromString(text) }

// payer is a wallet that can sign and has 5 coins.
func payer(t testing.TB, currency string) (*bitcarttest.Daemon, *bitcart.Coin) {
	t.Helper()
	d := newDaemon(t, currency)
	coin := newCoin(t, d, bitcart.WithXpub(payerSeed))
	_, err := coin.Balance(patient(t)) // loads it
	require.NoError(t, err)
	_, err = d.Send(payerSeed, bitcarttest.Transfer{Amount: "5", Mined: true})
	require.NoError(t, err)
	return d, coin
}

// sentCalls are the calls after those of payer, as method and params.
func sentCalls(d *bitcarttest.Daemon) []string {
	var list []string
	for _, c := range d.Calls()[1:] {
		args := []string{}
		for _, a := range c.Args {
			args = append(args, string(a))
		}
		names, _ := json.Marshal(c.Named) // sorted
		list = append(list, c.Method+"("+strings.Join(append(args, string(names)), " ")+")")
	}
	return list
}

func methodsOf(d *bitcarttest.Daemon) []string {
	list := []string{}
	for _, c := range d.Calls()[1:] {
		list = append(list, c.Method)
	}
	return list
}

// spent is what has left the payer's wallet, by the daemon's own book.
func spent(t testing.TB, coin *bitcart.Coin) decimal.Decimal {
	t.Helper()
	b, err := coin.Balance(patient(t))
	require.NoError(t, err)
	return dec("5").Sub(b.Confirmed).Sub(b.Unconfirmed)
}

// golden is the result of a stored answer, "BTC/getbalance".
func golden(t testing.TB, name string) json.RawMessage {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "rpc", name+".json"))
	require.NoError(t, err)
	var file struct{ Result json.RawMessage }
	require.NoError(t, json.Unmarshal(data, &file))
	require.NotNil(t, file.Result, "%s is no result", name)
	return file.Result
}

func TestPayRequests(t *testing.T) {
	t.Parallel()
	fee := func(result string) bitcart.PayOption {
		return bitcart.WithFeeFunc(func(int, decimal.Decimal) (decimal.Decimal, error) { return dec(result), nil })
	}
	opts := func(o ...bitcart.PayOption) []bitcart.PayOption { return o }
	// $TO is the receiver, $RAW the transaction that was signed last.
	tests := []struct {
		name, currencies string
		amount           string
		opts             []bitcart.PayOption
		want             []string
	}{
		{"plain", "BTC LTC BCH", "0.001", nil, []string{
			`payto("$TO" "0.001" {"addtransaction":false})`, `addtransaction("$RAW" {})`, `broadcast("$RAW" {})`,
		}},
		{"fixed fee", "BTC LTC BCH", "0.001", opts(bitcart.WithFee(dec("0.0001"))), []string{
			`payto("$TO" "0.001" {"addtransaction":false,"fee":"0.0001"})`, `addtransaction("$RAW" {})`, `broadcast("$RAW" {})`,
		}},
		{"a fee below the smallest unit is rounded up", "BTC", "0.001", opts(bitcart.WithFee(dec("0.000000011"))), []string{
			`payto("$TO" "0.001" {"addtransaction":false,"fee":"0.00000002"})`, `addtransaction("$RAW" {})`, `broadcast("$RAW" {})`,
		}},
		{"fee rate is a number", "BTC LTC BCH", "0.00000001", opts(bitcart.WithFeeRate(dec("5.25"))), []string{
			`payto("$TO" "0.00000001" {"addtransaction":false,"feerate":5.25})`, `addtransaction("$RAW" {})`, `broadcast("$RAW" {})`,
		}},
		{"a fee rate of more decimals is rounded up, never to nothing", "BTC BCH", "0.001", opts(bitcart.WithFeeRate(dec("1.0000001"))), []string{
			`payto("$TO" "0.001" {"addtransaction":false,"feerate":1.001})`, `addtransaction("$RAW" {})`, `broadcast("$RAW" {})`,
		}},
		{"without broadcast", "BTC BCH", "1", opts(bitcart.WithoutBroadcast()), []string{
			`payto("$TO" "1" {"addtransaction":false})`,
		}},
		{"fee function", "BTC LTC BCH", "0.001", opts(fee("0.00012345")), []string{
			`payto("$TO" "0.001" {"addtransaction":false})`, `get_tx_size("$DRAFT" {})`, `get_default_fee($SIZE {})`,
			`payto("$TO" "0.001" {"addtransaction":false,"fee":"0.00012345"})`, `addtransaction("$RAW" {})`, `broadcast("$RAW" {})`,
		}},
		{"fee function without broadcast", "BTC BCH", "0.001", opts(fee("0.0001"), bitcart.WithoutBroadcast()), []string{
			`payto("$TO" "0.001" {"addtransaction":false})`, `get_tx_size("$DRAFT" {})`, `get_default_fee($SIZE {})`,
			`payto("$TO" "0.001" {"addtransaction":false,"fee":"0.0001"})`,
		}},
		{"fee function that gives nothing", "BTC LTC BCH", "0.001", opts(fee("0")), []string{
			`payto("$TO" "0.001" {"addtransaction":false})`, `get_tx_size("$DRAFT" {})`, `get_default_fee($SIZE {})`,
			`addtransaction("$DRAFT" {})`, `broadcast("$DRAFT" {})`,
		}},
		{"fee function that gives nothing, without broadcast", "BTC BCH", "0.001", opts(fee("0"), bitcart.WithoutBroadcast()), []string{
			`payto("$TO" "0.001" {"addtransaction":false})`, `get_tx_size("$DRAFT" {})`, `get_default_fee($SIZE {})`,
		}},
		{"plain on an account", "ETH BNB MATIC", "0.000000000000000001", nil, []string{
			`payto("$TO" "0.000000000000000001" {})`, `broadcast("$RAW" {})`,
		}},
		{"without broadcast on an account", "ETH", "0.1", opts(bitcart.WithoutBroadcast()), []string{`payto("$TO" "0.1" {})`}},
		{"fixed fee on an account", "ETH BNB MATIC", "0.1", opts(bitcart.WithFee(dec("0.0021"))), []string{
			`payto("$TO" "0.1" {"unsigned":true})`, `payto("$TO" "0.1" {"gas":21000,"gas_price":100000000000})`, `broadcast("$RAW" {})`,
		}},
		{"fee rate on an account", "ETH BNB MATIC", "0.1", opts(bitcart.WithFeeRate(dec("1.5"))), []string{
			`payto("$TO" "0.1" {"unsigned":true})`, `payto("$TO" "0.1" {"gas":21000,"gas_price":1500000000})`, `broadcast("$RAW" {})`,
		}},
		{"fee function on an account", "ETH", "0.1", opts(fee("0.00042")), []string{
			`payto("$TO" "0.1" {"unsigned":true})`, `get_default_fee($OBJECT {})`,
			`payto("$TO" "0.1" {"gas":21000,"gas_price":20000000000})`, `broadcast("$RAW" {})`,
		}},
		{"fee function that gives nothing on an account", "ETH", "0.1", opts(fee("0")), []string{
			`payto("$TO" "0.1" {"unsigned":true})`, `get_default_fee($OBJECT {})`, `payto("$TO" "0.1" {})`, `broadcast("$RAW" {})`,
		}},
	}
	for _, test := range tests {
		for currency := range strings.FieldsSeq(test.currencies) {
			t.Run(test.name+" "+currency, func(t *testing.T) {
				t.Parallel()
				d, coin := payer(t, currency)
				out, err := coin.PayTo(patient(t), receivers[currency], dec(test.amount), test.opts...)
				require.NoError(t, err)
				calls := sentCalls(d)
				require.Len(t, calls, len(test.want), "%v", calls)
				for i, want := range test.want {
					want = strings.NewReplacer("$TO", receivers[currency], "$RAW", out.RawTx).Replace(want)
					requireCall(t, want, calls[i])
				}
				broadcast := strings.HasPrefix(test.want[len(test.want)-1], "broadcast")
				require.Equal(t, broadcast, out.TxID != "")
				require.NotEmpty(t, out.RawTx)
				require.JSONEq(t, fmt.Sprintf("%q", out.RawTx), string(out.Raw))
				if broadcast {
					requirePaid(t, coin, out.TxID, test.amount)
					tx, err := coin.GetTx(patient(t), out.TxID)
					require.NoError(t, err)
					require.Equal(t, out.TxID, tx.Hash)
				} else {
					require.True(t, spent(t, coin).IsZero())
				}
			})
		}
	}
}

// requirePaid: the wallet has paid once, to the last digit, and the transaction's fee.
func requirePaid(t testing.TB, coin *bitcart.Coin, txid, amount string) {
	t.Helper()
	fee, err := coin.UsedFee(patient(t), txid)
	require.NoError(t, err)
	require.True(t, fee.Valid)
	require.Equal(t, amount, spent(t, coin).Sub(fee.Decimal).String())
}

// requireCall compares, with $DRAFT, $SIZE and $OBJECT for what cannot be told beforehand.
func requireCall(t testing.TB, want, got string) {
	t.Helper()
	for _, wild := range []string{`"$DRAFT"`, "$SIZE", "$OBJECT"} {
		if before, after, ok := strings.Cut(want, wild); ok {
			require.True(t, strings.HasPrefix(got, before) && strings.HasSuffix(got, after), "%s is not %s", got, want)
			require.Greater(t, len(got), len(before)+len(after))
			return
		}
	}
	require.Equal(t, want, got)
}

func TestPayToOnTRX(t *testing.T) {
	t.Parallel()
	d, coin := payer(t, "TRX")
	out, err := coin.PayTo(patient(t), receivers["TRX"], dec("1.000001"))
	require.NoError(t, err)
	requirePaid(t, coin, out.TxID, "1.000001")
	require.Equal(t, []string{"payto", "broadcast"}, methodsOf(d)[:2])
	require.JSONEq(t, out.RawTx, string(lastCall(t, d, "broadcast").Args[0]))
}

func TestPayToMany(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "BCH"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			d, coin := payer(t, currency)
			to := receivers[currency]
			outputs := []bitcart.Output{{Address: to, Amount: dec("0.1")}, {Address: to, Amount: dec("0.20000001")}}
			out, err := coin.PayToMany(patient(t), outputs, bitcart.WithFeeRate(dec("2")))
			require.NoError(t, err)
			require.Equal(t, []string{
				fmt.Sprintf(`paytomany([["%s","0.1"],["%s","0.20000001"]] {"addtransaction":false,"feerate":2})`, to, to),
				fmt.Sprintf(`addtransaction("%s" {})`, out.RawTx), fmt.Sprintf(`broadcast("%s" {})`, out.RawTx),
			}, sentCalls(d))
			requirePaid(t, coin, out.TxID, "0.30000001")
		})
	}
}

func TestPayToManyWithFeeFunc(t *testing.T) {
	t.Parallel()
	d, coin := payer(t, "BTC")
	out, err := coin.PayToMany(patient(t), []bitcart.Output{{Address: receivers["BTC"], Amount: dec("1")}},
		bitcart.WithFeeFunc(func(size int, fee decimal.Decimal) (decimal.Decimal, error) { return fee.Add(fee), nil }))
	require.NoError(t, err)
	require.NotEmpty(t, out.TxID)
	require.Equal(t, []string{"paytomany", "get_tx_size", "get_default_fee", "paytomany", "addtransaction", "broadcast"}, methodsOf(d))
}

// What the fee function is told and what it returns are coins, to the last digit.
func TestFeeFuncIsInCoins(t *testing.T) {
	t.Parallel()
	for currency, want := range map[string]struct {
		size int
		fee  string
	}{"BTC": {110, "0.000022"}, "ETH": {21000, "0.00042"}} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			_, coin := payer(t, currency)
			var gotSize int
			var gotFee decimal.Decimal
			_, err := coin.PayTo(patient(t), receivers[currency], dec("1"), bitcart.WithFeeFunc(func(size int, fee decimal.Decimal) (decimal.Decimal, error) {
				gotSize, gotFee = size, fee
				return fee, nil
			}))
			require.NoError(t, err)
			require.Equal(t, want.size, gotSize)
			require.Equal(t, want.fee, gotFee.String())
		})
	}
}

// The price of gas is the fee by the gas, rounded down, whatever the size of the numbers.
func TestGasPriceIsExact(t *testing.T) {
	t.Parallel()
	coin, s := answered(t, "ETH", "payto", string(golden(t, "ETH/payto.unsigned")))
	pay := func(fee string) error {
		_, err := coin.PayTo(patient(t), receivers["ETH"], dec("1"), bitcart.WithFee(dec(fee)), bitcart.WithoutBroadcast())
		return err
	}
	for _, text := range []string{"0.000000000000021000", "0.000000000000041999", "0.0021", "0.123456789012345678", "1", "123456789.000000000000000001"} {
		require.NoError(t, pay(text))
		wei, ok := new(big.Rat).SetString(text)
		require.True(t, ok)
		wei.Mul(wei, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil)))
		require.True(t, wei.IsInt())
		want := new(big.Int).Quo(wei.Num(), big.NewInt(21000))
		require.Equal(t, want.String(), string(namesOf(t, s.lastParams(t))["gas_price"]))
		require.Equal(t, "21000", string(namesOf(t, s.lastParams(t))["gas"]))
	}
	before := len(s.bodies)
	require.Equal(t, []string{"WithFee"}, wrongOptions(pay("0.000000000000020999")))
	require.Len(t, s.bodies, before+1, "only the draft was asked for")
}

func TestPayRefusesBeforeAnyCall(t *testing.T) {
	t.Parallel()
	one := dec("1")
	nothing := func(int, decimal.Decimal) (decimal.Decimal, error) { return decimal.Zero, nil }
	many := func(outputs ...bitcart.Output) func(*bitcart.Coin, string) (*bitcart.Payout, error) {
		return func(c *bitcart.Coin, _ string) (*bitcart.Payout, error) { return c.PayToMany(t.Context(), outputs) }
	}
	to := func(amount decimal.Decimal, opts ...bitcart.PayOption) func(*bitcart.Coin, string) (*bitcart.Payout, error) {
		return func(c *bitcart.Coin, address string) (*bitcart.Payout, error) {
			return c.PayTo(t.Context(), address, amount, opts...)
		}
	}
	viewKey := bitcart.WithWallet(bitcart.Wallet{Xpub: strings.Repeat("ab", 32), Address: "4A"})
	seed := bitcart.WithXpub(payerSeed)
	tests := []struct {
		name, currency string
		wallet         bitcart.Option
		pay            func(*bitcart.Coin, string) (*bitcart.Payout, error)
		is             error
		option         string // of the *OptionError
	}{
		{"fee and rate", "BTC", seed, to(one, bitcart.WithFee(one), bitcart.WithFeeRate(one)), nil, "WithFeeRate"},
		{"rate and fee", "BTC", seed, to(one, bitcart.WithFeeRate(one), bitcart.WithFee(one)), nil, "WithFee"},
		{"fee and function", "ETH", seed, to(one, bitcart.WithFee(one), bitcart.WithFeeFunc(nothing)), nil, "WithFeeFunc"},
		{"rate and function", "BCH", seed, to(one, bitcart.WithFeeRate(one), bitcart.WithFeeFunc(nothing)), nil, "WithFeeFunc"},
		{"two fees", "BTC", seed, to(one, bitcart.WithFee(one), bitcart.WithFee(one)), nil, "WithFee"},
		{"zero fee", "BTC", seed, to(one, bitcart.WithFee(decimal.Zero)), nil, "WithFee"},
		{"negative fee", "BTC", seed, to(one, bitcart.WithFee(dec("-1"))), nil, "WithFee"},
		{"negative rate", "BTC", seed, to(one, bitcart.WithFeeRate(dec("-1"))), nil, "WithFeeRate"},
		{"huge rate", "BTC", seed, to(one, bitcart.WithFeeRate(decimal.New(1, 1<<30))), nil, "WithFeeRate"},
		{"no function", "BTC", seed, to(one, bitcart.WithFeeFunc(nil)), nil, "WithFeeFunc"},
		{"nil option", "BTC", seed, to(one, nil), nil, "PayOption"},
		{"amount zero", "BTC", seed, to(decimal.Decimal{}), bitcart.ErrInvalidAmount, ""},
		{"amount negative", "ETH", seed, to(dec("-0.1")), bitcart.ErrInvalidAmount, ""},
		{"amount too fine", "BTC", seed, to(dec("0.000000001")), bitcart.ErrInvalidAmount, ""},
		{"amount too fine for TRX", "TRX", seed, to(dec("0.0000001")), bitcart.ErrInvalidAmount, ""},
		{"amount without end", "BTC", seed, to(decimal.New(1, 1<<30)), bitcart.ErrInvalidAmount, ""},
		{"amount of no size", "BTC", seed, to(decimal.New(1, -1<<30)), bitcart.ErrInvalidAmount, ""},
		{"an output that is zero", "BTC", seed, many(bitcart.Output{Address: "a", Amount: one}, bitcart.Output{Address: "b"}), bitcart.ErrInvalidAmount, ""},
		{"no outputs", "BTC", seed, many(), nil, ""},
		{"no address", "BTC", seed, many(bitcart.Output{Amount: one}), nil, ""},
		{"no wallet", "BTC", nil, to(one), bitcart.ErrWalletRequired, ""},
		{"many on ETH", "ETH", seed, many(bitcart.Output{Address: "a", Amount: one}), bitcart.ErrUnsupported, ""},
		{"many on TRX", "TRX", seed, many(bitcart.Output{Address: "a", Amount: one}), bitcart.ErrUnsupported, ""},
		{"many on XMR", "XMR", viewKey, many(bitcart.Output{Address: "a", Amount: one}), bitcart.ErrUnsupported, ""},
		{"XMR", "XMR", viewKey, to(one), bitcart.ErrUnsupported, ""},
		{"fee on TRX", "TRX", seed, to(one, bitcart.WithFee(one)), bitcart.ErrUnsupported, ""},
		{"rate on TRX", "TRX", seed, to(one, bitcart.WithFeeRate(one)), bitcart.ErrUnsupported, ""},
		{"function on TRX", "TRX", seed, to(one, bitcart.WithFeeFunc(nothing)), bitcart.ErrUnsupported, ""},
		{
			"coins from a token wallet", "ETH",
			bitcart.WithWallet(bitcart.Wallet{Xpub: payerSeed, Contract: "0xdAC17F958D2ee523a2206206994597C13D831ec7"}), to(one), nil, "",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, test.currency)
			opts := []bitcart.Option{}
			if test.wallet != nil {
				opts = append(opts, test.wallet)
			}
			out, err := test.pay(newCoin(t, d, opts...), receivers[test.currency]+" ")
			require.Error(t, err)
			require.Nil(t, out)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			if test.is == bitcart.ErrUnsupported {
				require.Contains(t, err.Error(), test.currency)
			}
			if test.option != "" {
				require.Equal(t, []string{test.option}, wrongOptions(err))
			}
			require.True(t, strings.HasPrefix(err.Error(), "bitcart: "), "%v", err)
			require.NotContains(t, shown(t, err), payerSeed)
			require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
			require.Zero(t, d.CountCalls(""), "nothing may have been sent")
		})
	}
}

// payPlans are the calls of a payment, one by one.
var payPlans = []struct {
	name, currency string
	steps          []string
	opts           []bitcart.PayOption
}{
	{"plain", "BTC", []string{"payto", "addtransaction", "broadcast"}, nil},
	{"plain", "BCH", []string{"payto", "addtransaction", "broadcast"}, nil},
	{"plain", "ETH", []string{"payto", "broadcast"}, nil},
	{"plain", "TRX", []string{"payto", "broadcast"}, nil},
	{
		"fee function", "BTC", []string{"payto", "get_tx_size", "get_default_fee", "payto", "addtransaction", "broadcast"},
		[]bitcart.PayOption{bitcart.WithFeeFunc(func(_ int, fee decimal.Decimal) (decimal.Decimal, error) { return fee, nil })},
	},
	{
		"fee function without a fee", "BCH", []string{"payto", "get_tx_size", "get_default_fee", "addtransaction", "broadcast"},
		[]bitcart.PayOption{bitcart.WithFeeFunc(func(int, decimal.Decimal) (decimal.Decimal, error) { return decimal.Zero, nil })},
	},
	{
		"fee function", "ETH", []string{"payto", "get_default_fee", "payto", "broadcast"},
		[]bitcart.PayOption{bitcart.WithFeeFunc(func(_ int, fee decimal.Decimal) (decimal.Decimal, error) { return fee, nil })},
	},
}

// payFaults are ways in which a call goes wrong.
var payFaults = []struct {
	name   string
	unsure bool // the call may have run
	err    error
}{
	{"answer lost", true, nil},
	{"reset", true, bitcarttest.ErrReset},
	{"error", false, errFault},
	{"500", true, &bitcarttest.HTTPError{Status: 500, Body: "500 Internal Server Error"}},
	{"502", true, &bitcarttest.HTTPError{Status: 502, Body: "Bad Gateway"}},
}

// failNth makes the n-th call of a method fail, or lose its answer, and the others run.
func failNth(d *bitcarttest.Daemon, method string, n int, err error) {
	if n == 1 {
		arm(d, method, err)
		return
	}
	// The call before it arms the fault: a call that has begun has passed its own.
	d.Handle("get_default_fee", func(*bitcarttest.Call) (any, error) {
		arm(d, method, err)
		return "0.00042", nil
	})
}

func arm(d *bitcarttest.Daemon, method string, err error) {
	if err == nil {
		d.Faults().DropAnswer(method, 1)
		return
	}
	d.Faults().FailMethod(method, 1, err)
}

// Whatever call fails, in whatever way: at most one transaction is broadcast, the library repeats
// nothing by itself, and a payment that may be on its way comes with what is needed to go on.
func TestPayWithAnyCallFailing(t *testing.T) {
	t.Parallel()
	for _, plan := range payPlans {
		for i, step := range plan.steps {
			nth := 0
			for _, s := range plan.steps[:i+1] {
				if s == step {
					nth++
				}
			}
			for _, fault := range payFaults {
				t.Run(fmt.Sprintf("%s %s %d %s %s", plan.currency, plan.name, i+1, step, fault.name), func(t *testing.T) {
					t.Parallel()
					d, coin := payer(t, plan.currency)
					failNth(d, step, nth, fault.err)
					out, err := coin.PayTo(patient(t), receivers[plan.currency], dec("1"), plan.opts...)
					require.Error(t, err)
					require.Nil(t, out)
					require.Equal(t, plan.steps[:i+1], methodsOf(d), "the payment ends where it fails, and nothing is asked for twice")

					var unfinished *bitcart.BroadcastError
					signed := step == "broadcast" || step == "addtransaction" && fault.unsure
					require.Equal(t, signed, errors.As(err, &unfinished), "%v", err)
					require.Equal(t, step == "broadcast" && fault.unsure, errors.Is(err, bitcart.ErrMaybeSent),
						"only a broadcast can have moved money: %v", err)
					requireSpent(t, coin, step == "broadcast" && fault.err == nil)
					if !signed {
						return
					}
					// The same transaction, as often as wanted.
					signatures := d.CountCalls("payto")
					for range 3 {
						_, err = coin.Broadcast(patient(t), unfinished.RawTx)
						if plan.currency != "TRX" { // whose daemon forgets what it has sent
							require.NoError(t, err)
						}
					}
					requireSpent(t, coin, true)
					require.Equal(t, signatures, d.CountCalls("payto"), "nothing is signed again")
					require.Len(t, broadcasts(d), 1, "one transaction, whatever happened")
				})
			}
		}
	}
}

// broadcasts are the different transactions that a daemon was told to send.
func broadcasts(d *bitcarttest.Daemon) map[string]bool {
	list := map[string]bool{}
	for _, c := range d.Calls() {
		if c.Method == "broadcast" {
			list[string(c.Args[0])] = true
		}
	}
	return list
}

// requireSpent: one coin and its fee have left the wallet, or nothing has.
func requireSpent(t testing.TB, coin *bitcart.Coin, paid bool) {
	t.Helper()
	if !paid {
		require.True(t, spent(t, coin).IsZero())
		return
	}
	require.Equal(t, "1", wholeCoins(t, coin))
}

// wholeCoins is what was spent without the fees, for payments of whole coins.
func wholeCoins(t testing.TB, coin *bitcart.Coin) string {
	t.Helper()
	out := spent(t, coin)
	if coin.Currency() == "TRX" { // a fee there is more than a coin
		out = out.Sub(dec("1.1"))
	}
	require.True(t, out.Sub(out.Truncate(0)).LessThan(dec("0.01")), "%s", out)
	return out.Truncate(0).String()
}

// A daemon that is gone between the signature and the broadcast leaves nothing in doubt.
func TestPayCutOffByItsContext(t *testing.T) {
	t.Parallel()
	for step, signed := range map[string]bool{"payto": false, "addtransaction": true, "broadcast": true} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			d, coin := payer(t, "BTC")
			hold(t, d, step)
			ctx, cancel := context.WithCancel(patient(t))
			go func() {
				_ = d.WaitCalls(ctx, step, 1)
				cancel()
			}()
			_, err := coin.PayTo(ctx, receivers["BTC"], dec("1"))
			require.ErrorIs(t, err, context.Canceled)
			var unfinished *bitcart.BroadcastError
			require.Equal(t, signed, errors.As(err, &unfinished))
			require.Equal(t, step == "broadcast", errors.Is(err, bitcart.ErrMaybeSent))
			require.Len(t, methodsOf(d), len(methodsUpTo(step)))
		})
	}
	t.Run("before", func(t *testing.T) {
		d, coin := payer(t, "BTC")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := coin.PayTo(ctx, receivers["BTC"], dec("1"))
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
		require.Empty(t, methodsOf(d))
	})
}

func methodsUpTo(step string) []string {
	steps := []string{"payto", "addtransaction", "broadcast"}
	for i, s := range steps {
		if s == step {
			return steps[:i+1]
		}
	}
	return steps
}

func TestBroadcastErrorIsShort(t *testing.T) {
	t.Parallel()
	raw := strings.Repeat("0200", 50000)
	err := &bitcart.BroadcastError{RawTx: raw, Err: bitcart.ErrMaybeSent}
	require.Less(t, len(err.Error()), 300)
	require.Contains(t, err.Error(), "200000 characters")
	require.NotContains(t, err.Error(), "02000200")
	require.True(t, strings.HasPrefix(err.Error(), "bitcart: "))
	require.Equal(t, 1, strings.Count(err.Error(), "bitcart: "))
	require.ErrorIs(t, err, bitcart.ErrMaybeSent)
}

// What prints an error prints no transaction that somebody else could broadcast.
func TestBroadcastErrorPrintsNoTransaction(t *testing.T) {
	t.Parallel()
	err := &bitcart.BroadcastError{RawTx: "0200abcdef", Err: bitcart.ErrMaybeSent}
	for _, verb := range verbs {
		require.NotContains(t, fmt.Sprintf(verb, err), "0200abcdef", verb)
		require.NotContains(t, fmt.Sprintf(verb, *err), "0200abcdef", verb+" of a copy")
	}
	require.Equal(t, err.Error(), fmt.Sprintf("%#v", err))
}

func TestPayErrorsHideTheWallet(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"payto", "addtransaction", "broadcast"} {
		d, coin := payer(t, "BTC")
		d.Faults().FailMethod(step, 1, &bitcarttest.Error{Code: -32603, Message: "Exception: no wallet '" + payerSeed + "'"})
		_, err := coin.PayTo(patient(t), receivers["BTC"], dec("1"))
		require.Error(t, err)
		require.NotContains(t, shown(t, err), "abandon")
	}
}

// A TRX transaction is an object from the signature to the broadcast.
func TestPayToWithAnObject(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"TRX/payto", "TRX/payto.unsigned"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tx := golden(t, name)
			s := newStub(t, func(s *stub) {
				s.results["payto"] = string(tx)
				s.results["broadcast"] = string(golden(t, "TRX/broadcast"))
			})
			coin := makeCoin(t, "TRX", bitcart.WithURL(s.URL), bitcart.WithXpub(payerSeed))
			t.Cleanup(coin.CloseIdleConnections)
			out, err := coin.PayTo(patient(t), receivers["TRX"], dec("0.01"))
			require.NoError(t, err)
			require.Equal(t, strings.Repeat("4a", 32), out.TxID)
			require.JSONEq(t, string(tx), out.RawTx)
			require.JSONEq(t, string(tx), string(out.Raw))
			requireObjectSent(t, s, tx)

			_, err = coin.Broadcast(patient(t), "\n "+out.RawTx)
			require.NoError(t, err)
			requireObjectSent(t, s, tx)
		})
	}
}

// requireObjectSent: an object that is no last argument, or it would be read as the named ones.
func requireObjectSent(t testing.TB, s *stub, tx json.RawMessage) {
	t.Helper()
	var params []json.RawMessage
	require.NoError(t, json.Unmarshal(s.lastParams(t), &params))
	require.Len(t, params, 2)
	require.JSONEq(t, string(tx), string(params[0]))
	require.JSONEq(t, `{"xpub":"`+payerSeed+`"}`, string(params[1]))
}

func TestBroadcastWithoutWallet(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(s *stub) { s.results["broadcast"] = `"` + strings.Repeat("4a", 32) + `"` })
	coin := makeCoin(t, "TRX", bitcart.WithURL(s.URL))
	t.Cleanup(coin.CloseIdleConnections)
	_, err := coin.Broadcast(patient(t), `{"txID":"4a"}`)
	require.NoError(t, err)
	require.JSONEq(t, `[{"txID":"4a"},{}]`, string(s.lastParams(t)))
	_, err = coin.Broadcast(patient(t), `0200`)
	require.NoError(t, err)
	require.JSONEq(t, `["0200"]`, string(s.lastParams(t)))
	_, err = coin.Broadcast(patient(t), `{"broken`)
	require.NoError(t, err)
	require.JSONEq(t, `["{\"broken"]`, string(s.lastParams(t)))
	calls := len(s.bodies)
	_, err = coin.Broadcast(patient(t), " ")
	require.Error(t, err)
	monero := makeCoin(t, "XMR", bitcart.WithURL(s.URL))
	_, err = monero.Broadcast(patient(t), "0200")
	require.ErrorIs(t, err, bitcart.ErrUnsupported)
	require.Len(t, s.bodies, calls, "nothing may have been sent")
}

// What answers a broadcast in place of a hash leaves the payment open: Electron Cash answers the
// text of a refusal, or of a timeout, as if it were the hash.
func TestBroadcastAnsweredWithoutAHash(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, currency, answer string
		is                     error
	}{
		{"refusal", "BCH", `"error: the transaction was rejected by network rules. (code 66)"`, nil},
		{"known", "BCH", `"error: Transaction already in block chain"`, bitcart.ErrAlreadyBroadcast},
		{"no funds", "BCH", `"error: insufficient funds"`, bitcart.ErrNotEnoughFunds},
		{"timeout", "XRG", `"error: operation timed out"`, nil},
		{"a seed", "BCH", `"error for ` + payerSeed + `"`, nil},
		{"null", "BTC", `null`, nil},
		{"false", "BTC", `false`, nil},
		{"empty", "ETH", `""`, nil},
		{"object", "TRX", `{"result":true}`, nil},
		{"half a hash", "BTC", `"4a4a"`, nil},
	}
	for _, test := range tests {
		t.Run(test.name+" "+test.currency, func(t *testing.T) {
			t.Parallel()
			s := newStub(t, func(s *stub) {
				s.results["payto"], s.results["addtransaction"], s.results["broadcast"] = `"0200"`, `null`, test.answer
			})
			coin := makeCoin(t, test.currency, bitcart.WithURL(s.URL), bitcart.WithXpub(payerSeed))
			t.Cleanup(coin.CloseIdleConnections)
			out, err := coin.PayTo(patient(t), receivers["BCH"], dec("1"))
			require.Nil(t, out)
			var unfinished *bitcart.BroadcastError
			require.ErrorAs(t, err, &unfinished)
			require.Equal(t, "0200", unfinished.RawTx)
			require.ErrorIs(t, err, bitcart.ErrMaybeSent)
			require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			require.NotContains(t, shown(t, err), "abandon")
		})
	}
}

func TestAlreadyBroadcast(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"electrum.network.TxBroadcastServerReturnedError: Transaction already in block chain",
		"ValueError: {'code': -32000, 'message': 'already known'}", "Exception: txn-already-known", "tronpy.exceptions.TransactionError: DUP_TRANSACTION_ERROR",
	} {
		d, coin := payer(t, "ETH")
		d.Faults().FailMethod("broadcast", 1, &bitcarttest.Error{Code: -32603, Message: text})
		_, err := coin.Broadcast(patient(t), "0x02")
		require.ErrorIs(t, err, bitcart.ErrAlreadyBroadcast)
		require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
	}
}

// No catalogue has a name for it: a daemon that finds another error's words in the text gives that
// one's code.
func TestAlreadyBroadcastUnderAnotherName(t *testing.T) {
	t.Parallel()
	d, coin := payer(t, "ETH")
	d.Faults().FailMethod("broadcast", 1, &bitcarttest.Error{Code: -32008, Message: "ValueError: Invalid transaction: already known"})
	_, err := coin.Broadcast(patient(t), "0x02")
	require.ErrorIs(t, err, bitcart.ErrInvalidTransaction)
	require.ErrorIs(t, err, bitcart.ErrAlreadyBroadcast)
	require.NotErrorIs(t, err, bitcart.ErrNotEnoughFunds)
}

// A watch-only wallet's transaction has to be signed elsewhere; it is never broadcast as it is.
func TestPayToFromAWatchOnlyWallet(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(s *stub) { s.results["payto"] = string(golden(t, "BTC/payto.watch_only")) })
	coin := coinAt(t, s.URL, bitcart.WithXpub("zpub6abcdefgh"))
	_, err := coin.PayTo(patient(t), receivers["BTC"], dec("1"))
	require.ErrorIs(t, err, bitcart.ErrWatchOnlyWallet)
	require.False(t, errors.As(err, new(*bitcart.BroadcastError)))
	require.Len(t, s.bodies, 1)

	out, err := coin.PayTo(patient(t), receivers["BTC"], dec("1"), bitcart.WithoutBroadcast())
	require.NoError(t, err)
	require.Equal(t, "cHNidP8BVGVzdDI=", out.RawTx)

	d := newDaemon(t, "ETH")
	watched := newWalletCoin(t, d)
	_, err = watched.Balance(patient(t))
	require.NoError(t, err)
	_, err = d.Send(watched.WalletKey(), bitcarttest.Transfer{Amount: "5", Mined: true})
	require.NoError(t, err)
	_, err = watched.PayTo(patient(t), receivers["ETH"], dec("1"))
	require.ErrorIs(t, err, bitcart.ErrWatchOnlyWallet)
	require.Zero(t, d.CountCalls("broadcast"))
}

func TestPayAnsweredWithNoTransaction(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`null`, `false`, `""`, `[]`, `5`} {
		s := newStub(t, func(s *stub) { s.results["payto"] = answer })
		_, err := coinAt(t, s.URL, bitcart.WithXpub(payerSeed)).PayTo(patient(t), receivers["BTC"], dec("1"))
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
		require.NotErrorIs(t, err, bitcart.ErrMaybeSent, "nothing was broadcast")
		require.Len(t, s.bodies, 1)
	}
}

// The wallet refuses a transaction whose coins another one spends.
func TestPayRefusedByTheWallet(t *testing.T) {
	t.Parallel()
	d, coin := payer(t, "BTC")
	d.Handle("addtransaction", func(*bitcarttest.Call) (any, error) { return false, nil })
	_, err := coin.PayTo(patient(t), receivers["BTC"], dec("1"))
	require.ErrorContains(t, err, "conflicts")
	require.NotErrorAs(t, err, new(*bitcart.BroadcastError))
	require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
	require.Zero(t, d.CountCalls("broadcast"))
}

func TestBroadcastErrorKnowsTheHash(t *testing.T) {
	t.Parallel()
	d, coin := payer(t, "BTC")
	d.Faults().DropAnswer("broadcast", 1)
	_, err := coin.PayTo(patient(t), receivers["BTC"], dec("1"))
	var unfinished *bitcart.BroadcastError
	require.ErrorAs(t, err, &unfinished)
	tx, err := coin.GetTx(patient(t), unfinished.TxID)
	require.NoError(t, err, "it is on its way")
	require.Equal(t, unfinished.TxID, tx.Hash)
}

func TestFeeFuncThatFails(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "ETH"} {
		d, coin := payer(t, currency)
		unsure := fmt.Errorf("%w: %w", errOwn, &bitcart.CallError{Method: "own", MaybeSent: true, Err: errOwn}) // of a call of the user's own
		for _, result := range []struct {
			fee decimal.Decimal
			err error
		}{{decimal.Zero, unsure}, {dec("-1"), nil}, {decimal.New(1, 1<<30), nil}} {
			_, err := coin.PayTo(patient(t), receivers[currency], dec("1"),
				bitcart.WithFeeFunc(func(int, decimal.Decimal) (decimal.Decimal, error) { return result.fee, result.err }))
			require.Error(t, err)
			require.Equal(t, result.err != nil, errors.Is(err, errOwn) && errors.Is(err, bitcart.ErrMaybeSent))
			require.Equal(t, result.err == nil, len(wrongOptions(err)) == 1)
		}
		require.Zero(t, d.CountCalls("broadcast"))
		require.Zero(t, d.CountCalls("addtransaction"))
	}
}

// A daemon that prices gas in another way would not take the fee that was asked for.
func TestFeeThatTheDaemonWouldNotTake(t *testing.T) {
	t.Parallel()
	for _, draft := range []string{`{"gas":21000,"maxFeePerGas":5}`, `{"gasPrice":5}`, `{"gas":0,"gasPrice":5}`, `{"gas":-1,"gasPrice":5}`, `{"gas":5000000000,"gasPrice":5}`, `null`, `"0x"`} {
		s := newStub(t, func(s *stub) { s.results["payto"] = draft })
		coin := makeCoin(t, "ETH", bitcart.WithURL(s.URL), bitcart.WithXpub(payerSeed))
		_, err := coin.PayTo(patient(t), receivers["ETH"], dec("1"), bitcart.WithFee(dec("0.1")))
		coin.CloseIdleConnections()
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
		require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
		require.Len(t, s.bodies, 1)
	}
}

// Two payments that were signed at once would have the same coins, or the same nonce.
func TestPaymentsOfAWalletTakeTurns(t *testing.T) {
	t.Parallel()
	for currency, steps := range map[string]int{"BTC": 3, "ETH": 2} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			d, coin := payer(t, currency)
			gate := make(chan struct{})
			d.Faults().GateMethod("broadcast", gate)
			var group sync.WaitGroup
			errs := make([]error, 6)
			for i := range errs {
				payer := coin
				if i%2 == 1 {
					payer = newCoin(t, d, bitcart.WithXpub(payerSeed)) // another Coin of the same wallet
				}
				group.Go(func() { _, errs[i] = payer.PayTo(patient(t), receivers[currency], dec("0.5")) })
			}
			require.NoError(t, d.WaitCalls(patient(t), "broadcast", 1))
			close(gate)
			group.Wait()
			require.NoError(t, errors.Join(errs...))
			require.Equal(t, "3", wholeCoins(t, coin))
			calls := methodsOf(d)
			for i, method := range calls[:6*steps] {
				require.Equal(t, calls[i%steps], method, "%v", calls)
			}
		})
	}
}

// slowDaemon answers without a network; calls of one method wait until they are let in.
type slowDaemon struct {
	mu      sync.Mutex
	methods []string
	slow    string
	inside  int
	gate    chan struct{}
	results map[string]string
}

func (d *slowDaemon) RoundTrip(r *http.Request) (*http.Response, error) {
	var call struct {
		ID     json.RawMessage
		Method string
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.methods = append(d.methods, call.Method)
	slow := call.Method == d.slow
	if slow {
		d.inside++
	}
	d.mu.Unlock()
	if slow {
		<-d.gate
		d.mu.Lock()
		d.inside--
		d.mu.Unlock()
	}
	body := fmt.Sprintf(`{"jsonrpc":"2.0","result":%s,"id":%s}`, d.results[call.Method], call.ID)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func (d *slowDaemon) state() (methods []string, inside int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.methods), d.inside
}

// While one payment of a wallet waits for its broadcast's answer, no other is signed.
func TestNoPaymentIsSignedDuringAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDaemon{slow: "broadcast", gate: make(chan struct{}), results: map[string]string{
			"payto": `"0200"`, "addtransaction": `null`, "broadcast": `"` + strings.Repeat("4a", 32) + `"`,
		}}
		client := bitcart.WithHTTPClient(&http.Client{Transport: d})
		var group sync.WaitGroup
		errs := make([]error, 6)
		pay := func(i int) {
			coin := makeCoin(t, "BTC", bitcart.WithXpub(payerSeed), client) // each one of its own
			group.Go(func() { _, errs[i] = coin.PayTo(t.Context(), receivers["BTC"], dec("1")) })
		}
		for i := range 5 {
			pay(i)
		}
		want := []string{}
		for i := range errs {
			synctest.Wait() // nothing goes on by itself any more
			if i == 1 {
				pay(5) // one that begins when another has ended
				synctest.Wait()
			}
			want = append(want, "payto", "addtransaction", "broadcast")
			methods, _ := d.state()
			require.Equal(t, want, methods)
			d.gate <- struct{}{}
		}
		group.Wait()
		require.NoError(t, errors.Join(errs...))
	})
}

// A channel is opened with coins of the wallet: a payment that is signed meanwhile would spend them,
// too, and a draft that was signed before already does.
func TestOpenChannelTakesItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDaemon{slow: "open_channel", gate: make(chan struct{}), results: map[string]string{
			"payto": `"0200"`, "addtransaction": `null`, "broadcast": `"` + strings.Repeat("4a", 32) + `"`,
			"open_channel": `"t:0"`, "get_tx_size": `100`, "get_default_fee": `"0.1"`,
		}}
		coin := makeCoin(t, "BTC", bitcart.WithXpub(payerSeed), bitcart.WithHTTPClient(&http.Client{Transport: d}))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var group sync.WaitGroup
		errs := make([]error, 2)
		measured := make(chan struct{})
		group.Go(func() {
			_, errs[0] = coin.PayTo(t.Context(), receivers["BTC"], dec("1"), bitcart.WithFeeFunc(func(int, decimal.Decimal) (decimal.Decimal, error) {
				<-measured
				return decimal.Zero, nil
			}))
		})
		synctest.Wait()
		group.Go(func() { _, errs[1] = coin.OpenChannel(t.Context(), "n", dec("1")) })
		synctest.Wait()
		close(measured)
		waiting := make(chan error, 1)
		go func() {
			_, err := coin.OpenChannel(ctx, "n", dec("1"))
			waiting <- err
		}()
		synctest.Wait()
		want := []string{"payto", "get_tx_size", "get_default_fee", "open_channel"}
		methods, _ := d.state()
		require.Equal(t, want, methods, "nothing is signed while a channel is being opened")
		cancel()
		err := <-waiting
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
		var unsent *bitcart.CallError
		require.ErrorAs(t, err, &unsent)
		require.Equal(t, "open_channel", unsent.Method)
		d.gate <- struct{}{}
		group.Wait()
		require.NoError(t, errors.Join(errs...))
		methods, _ = d.state()
		require.Equal(t, append(want, "payto", "addtransaction", "broadcast"), methods, "the draft is signed anew")
	})
}

// Whose turn did not come has an error that names the call that was not made.
func TestErrorOfAPaymentThatWaitedInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDaemon{slow: "payto", gate: make(chan struct{}), results: map[string]string{
			"payto": `"0200"`, "addtransaction": `null`, "broadcast": `"` + strings.Repeat("4a", 32) + `"`,
		}}
		coin := makeCoin(t, "BCH", bitcart.WithXpub(payerSeed), bitcart.WithHTTPClient(&http.Client{Transport: d}))
		paid := make(chan error, 1)
		go func() {
			_, err := coin.PayTo(t.Context(), receivers["BCH"], dec("1"))
			paid <- err
		}()
		synctest.Wait()
		outputs := []bitcart.Output{{Address: receivers["BCH"], Amount: dec("1")}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for method, pay := range map[string]func() (*bitcart.Payout, error){
			"payto":     func() (*bitcart.Payout, error) { return coin.PayTo(ctx, receivers["BCH"], dec("1")) },
			"paytomany": func() (*bitcart.Payout, error) { return coin.PayToMany(ctx, outputs) },
			"transfer":  func() (*bitcart.Payout, error) { return coin.Transfer(ctx, "c", receivers["BCH"], dec("1")) },
		} {
			_, err := pay()
			var unsent *bitcart.CallError
			require.ErrorAs(t, err, &unsent)
			require.Equal(t, method, unsent.Method)
			require.False(t, unsent.MaybeSent)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		d.gate <- struct{}{}
		require.NoError(t, <-paid)
	})
}

// One daemon has more than one name.
func TestNoPaymentIsSignedDuringAnotherByAnotherURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDaemon{slow: "broadcast", gate: make(chan struct{}), results: map[string]string{
			"payto": `"0x0200"`, "broadcast": `"` + strings.Repeat("4a", 32) + `"`,
		}}
		urls := []string{"http://localhost", "http://LOCALHOST:80/", "http://127.0.0.1:80", "http://[::1]:80/"}
		var group sync.WaitGroup
		errs := make([]error, len(urls))
		for i, url := range urls {
			coin := makeCoin(t, "ETH", bitcart.WithURL(url), bitcart.WithXpub(payerSeed), bitcart.WithHTTPClient(&http.Client{Transport: d}))
			group.Go(func() { _, errs[i] = coin.PayTo(t.Context(), receivers["ETH"], dec("1")) })
		}
		want := []string{}
		for range urls {
			synctest.Wait()
			want = append(want, "payto", "broadcast")
			methods, _ := d.state()
			require.Equal(t, want, methods)
			d.gate <- struct{}{}
		}
		group.Wait()
		require.NoError(t, errors.Join(errs...))
	})
}

func TestPaymentsOfDifferentWalletsDoNotWait(t *testing.T) {
	t.Parallel()
	d, coin := payer(t, "BTC")
	release := hold(t, d, "broadcast")
	done := make(chan error, 1)
	go func() {
		_, err := coin.PayTo(patient(t), receivers["BTC"], dec("1"))
		done <- err
	}()
	require.NoError(t, d.WaitCalls(patient(t), "broadcast", 1))
	other := newWalletCoin(t, d)
	_, err := other.Balance(patient(t))
	require.NoError(t, err)
	_, err = d.Send(other.WalletKey(), bitcarttest.Transfer{Amount: "2", Mined: true})
	require.NoError(t, err)
	_, err = other.PayTo(patient(t), receivers["BTC"], dec("1"), bitcart.WithoutBroadcast())
	require.NoError(t, err, "another wallet is not held up")

	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() {
		_, err := coin.PayTo(ctx, receivers["BTC"], dec("1"))
		waiting <- err
	}()
	cancel()
	err = receive(t, waiting, "the payment whose ctx has ended")
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
	release()
	require.NoError(t, receive(t, done, "the payment"))
	require.Equal(t, "1", wholeCoins(t, coin))
}

// The fee function may pay from the same wallet; a draft that was made before is not used then.
func TestFeeFuncThatPays(t *testing.T) {
	t.Parallel()
	d, coin := payer(t, "BTC")
	out, err := coin.PayTo(patient(t), receivers["BTC"], dec("1"), bitcart.WithFeeFunc(func(int, decimal.Decimal) (decimal.Decimal, error) {
		_, err := coin.PayTo(patient(t), receivers["BTC"], dec("2"))
		return decimal.Zero, err
	}))
	require.NoError(t, err)
	require.Equal(t, []string{
		"payto", "get_tx_size", "get_default_fee", "payto", "addtransaction", "broadcast", "payto", "addtransaction", "broadcast",
	}, methodsOf(d))
	require.JSONEq(t, `"`+out.RawTx+`"`, string(lastCall(t, d, "broadcast").Args[0]))
	require.Len(t, broadcasts(d), 2)
	require.Equal(t, "3", wholeCoins(t, coin))
}

func TestNotEnoughFunds(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "BCH"} {
		d, coin := payer(t, currency)
		_, err := coin.PayTo(patient(t), receivers[currency], dec("50"))
		require.ErrorIs(t, err, bitcart.ErrNotEnoughFunds)
		require.Zero(t, d.CountCalls("broadcast"))
	}
}
