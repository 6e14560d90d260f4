package bitcart_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

const (
	hash3a = "3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a"
	hash2a = "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a"
)

// answered is a Coin whose daemon gives one answer to one method.
func answered(t testing.TB, currency, method, answer string) (*bitcart.Coin, *stub) {
	t.Helper()
	s := newStub(t, func(s *stub) { s.results[method] = answer })
	wallet := bitcart.Wallet{Xpub: payerSeed}
	coin := makeCoin(t, currency, bitcart.WithURL(s.URL), bitcart.WithWallet(wallet))
	t.Cleanup(coin.CloseIdleConnections)
	return coin, s
}

// lastRequest is the last call as method and params, without the wallet.
func lastRequest(t testing.TB, s *stub) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotEmpty(t, s.bodies)
	var call struct {
		Method string
		Params json.RawMessage
	}
	require.NoError(t, json.Unmarshal(s.bodies[len(s.bodies)-1], &call))
	return call.Method + strings.ReplaceAll(string(call.Params), `"xpub":"`+payerSeed+`"`, "W")
}

func TestBalance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		currency, answer                             string // a file of testdata/rpc, or JSON
		confirmed, unconfirmed, unmatured, lightning string
	}{
		{"BTC", "BTC/getbalance", "10.5", "0.7", "0", "0"},
		{"BTC", "BTC/getbalance.all", "1.5", "0.25", "6.25", "0.0005"},
		{"BTC", "BTC/getbalance.small", "0.00000001", "0", "0", "0"},
		{"BCH", "BCH/getbalance", "10.5", "0.7", "0", "0"},
		{"BCH", "BCH/getbalance.token", "25", "0", "0", "0"},
		{"ETH", "ETH/getbalance", "10.5", "0", "0", "0"},
		{"ETH", "ETH/getbalance.token", "25", "0", "0", "0"},
		{"TRX", "TRX/getbalance", "10.5", "0", "0", "0"},
		{"XMR", "XMR/getbalance", "0", "0", "0", "0"},
		{"BTC", `{"confirmed":"0"}`, "0", "0", "0", "0"},
		{"BTC", `{"confirmed":"1.5","unconfirmed":"-0.50000001"}`, "1.5", "-0.50000001", "0", "0"},
		{"BTC", `{"confirmed":"1E-8","unconfirmed":"-1.5E-7","unmatured":"6.25E+3","lightning":"1e0"}`, "0.00000001", "-0.00000015", "6250", "1"},
		{"BTC", `{"confirmed":"0.","lightning":null}`, "0", "0", "0", "0"},
		{"ETH", `{"confirmed":"123456789012345678901234567890.000000000000000001"}`, "123456789012345678901234567890.000000000000000001", "0", "0", "0"},
		{"ETH", `{"confirmed":25000000000000000000}`, "25000000000000000000", "0", "0", "0"},
		{"ETH", `{"confirmed":0.100000000000000001}`, "0.100000000000000001", "0", "0", "0"},
	}
	for i, test := range tests {
		t.Run(fmt.Sprintf("%d %s", i, test.currency), func(t *testing.T) {
			t.Parallel()
			answer := answerOf(t, test.answer)
			coin, s := answered(t, test.currency, "getbalance", answer)
			b, err := coin.Balance(patient(t))
			require.NoError(t, err)
			require.Equal(t, `getbalance{W}`, lastRequest(t, s))
			requireExact(t, test.confirmed, b.Confirmed)
			requireExact(t, test.unconfirmed, b.Unconfirmed)
			requireExact(t, test.unmatured, b.Unmatured)
			requireExact(t, test.lightning, b.Lightning)
			require.JSONEq(t, answer, string(b.Raw))
		})
	}
}

// requireExact compares with math/big, which shares no code with the decimals.
func requireExact(t testing.TB, want string, got decimal.Decimal) {
	t.Helper()
	r, ok := new(big.Rat).SetString(want)
	require.True(t, ok)
	g, ok := new(big.Rat).SetString(got.String())
	require.True(t, ok)
	require.Zero(t, r.Cmp(g), "want %s, got %s", want, got)
}

func TestBalanceOfADaemon(t *testing.T) {
	t.Parallel()
	for currency, want := range map[string]string{"BTC": "1.00000001", "BCH": "1.00000001", "ETH": "1.000000000000000001", "TRX": "1.000001"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, currency)
			coin := newWalletCoin(t, d)
			b, err := coin.Balance(patient(t))
			require.NoError(t, err)
			require.True(t, b.Confirmed.IsZero())
			_, err = d.Send(coin.WalletKey(), bitcarttest.Transfer{Amount: want, Mined: true})
			require.NoError(t, err)
			b, err = coin.Balance(patient(t))
			require.NoError(t, err)
			requireExact(t, want, b.Confirmed)
		})
	}
}

func TestBadBalance(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		`null`, `{}`, `[]`, `"1"`, `{"unconfirmed":"1"}`, `{"confirmed":null}`, `{"confirmed":"much"}`, `{"confirmed":""}`, `{"confirmed":true}`,
		`{"confirmed":"1","unconfirmed":"1e999999999"}`, `{"confirmed":"1","lightning":[]}`, `{"Confirmed":"1"}`,
	} {
		coin, _ := answered(t, "BTC", "getbalance", answer)
		b, err := coin.Balance(patient(t))
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, answer)
		require.Nil(t, b)
	}
	d := newDaemon(t, "BTC")
	_, err := newCoin(t, d).Balance(patient(t))
	require.ErrorIs(t, err, bitcart.ErrWalletRequired)
	require.Zero(t, d.CountCalls(""))
}

func TestGetTx(t *testing.T) {
	t.Parallel()
	eth := "0x" + hash3a
	tests := []struct {
		currency, answer, hash string
		want                   bitcart.Tx
	}{
		{"BTC", "BTC/get_transaction", hash3a, bitcart.Tx{Hash: hash3a, Confirmations: 1}},
		{"BTC", "BTC/get_transaction.unconfirmed", hash2a, bitcart.Tx{Hash: hash2a}},
		{"BCH", "BCH/get_transaction", hash3a, bitcart.Tx{
			Hash: hash3a, Confirmations: 1, BlockHash: "00000000eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
			Time: time.Unix(1767323045, 0).UTC(),
		}},
		{"ETH", "ETH/get_transaction", eth, bitcart.Tx{
			Hash: eth, Confirmations: 1, Height: 800, BlockHash: "0x" + strings.Repeat("ee", 32),
		}},
		{"TRX", "TRX/get_transaction", hash3a, bitcart.Tx{Hash: hash3a, Confirmations: 1}},
		{"XMR", "XMR/get_transaction", hash3a, bitcart.Tx{Hash: hash3a, Confirmations: 1, Height: 800}},
		{"XMR", "XMR/get_transaction.unconfirmed", hash2a, bitcart.Tx{Hash: hash2a}},
		{"ETH", `{"hash":"0xAB","blockHash":null,"blockNumber":null,"confirmations":0,"value":25000000000000000000}`, "0xab", bitcart.Tx{Hash: "0xAB"}},
		{"XMR", `{"tx_hash":"ab","height":null,"confirmations":0}`, "ab", bitcart.Tx{Hash: "ab"}},
		{"BTC", `{"confirmations":null}`, "ab", bitcart.Tx{Hash: "ab"}},
		{"TRX", `{"txID":"cd","confirmations":-1}`, "ab", bitcart.Tx{Hash: "cd"}},
	}
	for i, test := range tests {
		t.Run(fmt.Sprintf("%d %s", i, test.currency), func(t *testing.T) {
			t.Parallel()
			answer := answerOf(t, test.answer)
			coin, s := answered(t, test.currency, "get_transaction", answer)
			tx, err := coin.GetTx(patient(t), test.hash)
			require.NoError(t, err)
			require.Equal(t, `get_transaction["`+test.hash+`",{W}]`, lastRequest(t, s))
			require.JSONEq(t, answer, string(tx.Raw))
			test.want.Raw = tx.Raw
			require.Equal(t, test.want, *tx)
		})
	}
}

func TestGetTxOfADaemon(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "BCH", "ETH", "TRX", "XMR"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, currency)
			key := d.NewWallet()
			w := bitcart.Wallet{Xpub: key}
			if currency == "XMR" {
				w.Address = "4A"
			}
			coin := newCoin(t, d, bitcart.WithWallet(w))
			_, err := coin.Balance(patient(t))
			require.NoError(t, err)
			txid, err := d.Send(key, bitcarttest.Transfer{Amount: "1"})
			require.NoError(t, err)
			tx, err := coin.GetTx(patient(t), txid)
			require.NoError(t, err)
			require.Equal(t, txid, tx.Hash)
			before := tx.Confirmations
			d.Mine(2)
			tx, err = newCoin(t, d).GetTx(patient(t), txid) // needs no wallet
			require.NoError(t, err)
			require.Equal(t, before+2, tx.Confirmations)

			_, err = coin.GetTx(patient(t), strings.Repeat("0", len(txid)))
			require.ErrorIs(t, err, bitcart.ErrTxNotFound)
			require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
		})
	}
}

func TestBadTx(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`[]`, `"0200"`, `{"confirmations":"many"}`, `{"confirmations":1e30}`, `{"txid":5}`, `{"hash":""}`, `{"blockNumber":{}}`, `{"blocktime":"now"}`} {
		coin, _ := answered(t, "ETH", "get_transaction", answer)
		_, err := coin.GetTx(patient(t), "ab")
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, answer)
	}
	coin, s := answered(t, "ETH", "get_transaction", `null`)
	_, err := coin.GetTx(patient(t), "ab")
	require.ErrorIs(t, err, bitcart.ErrTxNotFound)
	require.Len(t, s.bodies, 1)
	_, err = coin.GetTx(patient(t), "")
	require.Error(t, err)
	require.Len(t, s.bodies, 1, "nothing may have been sent")
}

func TestGetAddress(t *testing.T) {
	t.Parallel()
	for currency, fee := range map[string]string{"BTC": "0.0000226", "BCH": "0.0000226"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			s := newStub(t, func(s *stub) {
				s.results["getaddresshistory"] = `[{"tx_hash":"` + hash3a + `","height":800},{"tx_hash":"` + hash2a + `","height":-1,"fee":2260}]`
				s.results["get_transaction"] = string(golden(t, "BTC/get_transaction"))
			})
			coin := makeCoin(t, currency, bitcart.WithURL(s.URL))
			t.Cleanup(coin.CloseIdleConnections)
			list, err := coin.GetAddress(patient(t), "bc1q")
			require.NoError(t, err)
			require.Len(t, list, 2)
			require.Equal(t, hash3a, list[0].Hash)
			require.Equal(t, int64(800), list[0].Height)
			require.False(t, list[0].Fee.Valid)
			require.Equal(t, hash3a, list[0].Tx.Hash)
			require.JSONEq(t, `{"tx_hash":"`+hash3a+`","height":800}`, string(list[0].Raw))
			require.Equal(t, int64(-1), list[1].Height)
			requireExact(t, fee, list[1].Fee.Decimal)
			require.Equal(t, hash2a, list[1].Tx.Hash)
			require.Len(t, s.bodies, 3, "the history, and each transaction")
		})
	}
	coin, s := answered(t, "BTC", "getaddresshistory", `[]`)
	list, err := coin.GetAddress(patient(t), "bc1q")
	require.NoError(t, err)
	require.Empty(t, list)
	require.Equal(t, `getaddresshistory["bc1q",{W}]`, lastRequest(t, s))
	_, err = coin.GetAddress(patient(t), "")
	require.Error(t, err)
	for _, answer := range []string{`null`, `{}`, `[1]`, `[{}]`, `[{"tx_hash":null}]`, `[{"tx_hash":"ab","height":"x"}]`, `[{"tx_hash":"ab","fee":"x"}]`} {
		coin, _ := answered(t, "BTC", "getaddresshistory", answer)
		_, err := coin.GetAddress(patient(t), "bc1q")
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, answer)
	}
}

// addressDaemon has an address with n transactions, of which a look-up fails when fails says so.
func addressDaemon(t testing.TB, n int, fails func(i int) error) (*bitcarttest.Daemon, *bitcart.Coin) {
	t.Helper()
	d := newDaemon(t, "BTC")
	d.Handle("getaddresshistory", func(*bitcarttest.Call) (any, error) {
		list := []map[string]any{}
		for i := range n {
			list = append(list, map[string]any{"tx_hash": fmt.Sprintf("%064d", i), "height": i})
		}
		return list, nil
	})
	d.Handle("get_transaction", func(c *bitcarttest.Call) (any, error) {
		var hash string
		var i int
		_ = json.Unmarshal(c.Args[0], &hash)
		_, _ = fmt.Sscanf(hash, "%d", &i)
		if err := fails(i); err != nil {
			return nil, err
		}
		return map[string]any{"confirmations": i}, nil
	})
	return d, newCoin(t, d)
}

func TestGetAddressKeepsTheOrder(t *testing.T) {
	t.Parallel()
	_, coin := addressDaemon(t, 100, func(int) error { return nil })
	list, err := coin.GetAddress(patient(t), "bc1q")
	require.NoError(t, err)
	require.Len(t, list, 100)
	for i, item := range list {
		require.Equal(t, int64(i), item.Height)
		require.Equal(t, i, item.Tx.Confirmations)
	}
}

func TestGetAddressAsksAFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		history := strings.Repeat(`{"tx_hash":"ab","height":1},`, 40)
		d := &slowDaemon{slow: "get_transaction", gate: make(chan struct{}), results: map[string]string{
			"getaddresshistory": "[" + strings.TrimSuffix(history, ",") + "]", "get_transaction": `{"confirmations":1}`,
		}}
		coin := makeCoin(t, "BTC", bitcart.WithHTTPClient(&http.Client{Transport: d}))
		done := make(chan error, 1)
		go func() {
			_, err := coin.GetAddress(t.Context(), "bc1q")
			done <- err
		}()
		for left := 40; left > 0; left-- {
			synctest.Wait()
			_, inside := d.state()
			require.Equal(t, min(4, left), inside)
			d.gate <- struct{}{}
		}
		require.NoError(t, <-done)
	})
}

func TestGetAddressThatIsIncomplete(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	d, coin := addressDaemon(t, 100, func(i int) error {
		switch {
		case i == 30:
			return &bitcarttest.Error{Code: -32002, Message: "No such mempool or blockchain transaction"}
		case i > 60:
			<-gate // the failure comes first, however busy the machine is
		}
		return nil
	})
	list, err := coin.GetAddress(patient(t), "bc1q")
	close(gate)
	var incomplete *bitcart.IncompleteError
	require.ErrorAs(t, err, &incomplete)
	require.ErrorIs(t, err, bitcart.ErrTxNotFound)
	require.Equal(t, fmt.Sprintf("%064d", 30), incomplete.Hash)
	require.Equal(t, 100, incomplete.Total)
	require.Contains(t, err.Error(), "of 100 transactions were not read")
	require.Len(t, list, 100, "the history is whole")
	missing := 0
	for i, item := range list {
		require.Equal(t, int64(i), item.Height)
		if item.Tx == nil {
			missing++
		}
	}
	require.Equal(t, incomplete.Missing, missing)
	require.Nil(t, list[30].Tx)
	require.NotNil(t, list[0].Tx)
	require.Less(t, d.CountCalls("get_transaction"), 100, "no more is asked for after the failure")

	_, coin = addressDaemon(t, 100, func(int) error { return bitcarttest.ErrReset })
	_, err = coin.GetAddress(patient(t), "bc1q")
	require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
}

func TestGetAddressWhoseContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, coin := addressDaemon(t, 100, func(i int) error {
		if i == 20 {
			cancel()
		}
		return nil
	})
	list, err := coin.GetAddress(ctx, "bc1q")
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, list, 100)
	var incomplete *bitcart.IncompleteError
	require.ErrorAs(t, err, &incomplete)
	require.Positive(t, incomplete.Missing)
}

func TestHistoryElectrum(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "LTC", "GRS"} {
		coin, s := answered(t, currency, "onchain_history", string(golden(t, "BTC/onchain_history")))
		list, err := coin.History(patient(t))
		require.NoError(t, err)
		require.Equal(t, `onchain_history{W}`, lastRequest(t, s))
		require.Len(t, list, 3)

		in := list[0]
		require.Equal(t, hash3a, in.TxID)
		requireExact(t, "0.5", in.Amount.Decimal)
		requireExact(t, "0.5", in.Balance.Decimal)
		require.False(t, in.Fee.Valid)
		require.Equal(t, int64(800), in.Height)
		require.Equal(t, 1, in.Confirmations)
		require.Equal(t, time.Unix(1767323045, 0).UTC(), in.Timestamp)
		require.Equal(t, "Order 17", in.Label)
		require.True(t, in.Incoming)

		require.True(t, list[1].Timestamp.IsZero())
		require.Zero(t, list[1].Height)

		out := list[2]
		requireExact(t, "-0.0100452", out.Amount.Decimal)
		requireExact(t, "0.0000452", out.Fee.Decimal)
		requireExact(t, "0.9899548", out.Balance.Decimal)
		require.False(t, out.Incoming)
		require.Contains(t, string(out.Raw), `"monotonic_timestamp"`)
	}
}

func TestHistoryElectronCash(t *testing.T) {
	t.Parallel()
	coin, s := answered(t, "BCH", "history", string(golden(t, "BCH/history")))
	list, err := coin.History(patient(t))
	require.NoError(t, err)
	require.Equal(t, `history{W}`, lastRequest(t, s))
	require.Len(t, list, 2)
	for _, item := range list {
		require.False(t, item.Amount.Valid, "-- is no amount")
		require.False(t, item.Fee.Valid)
		require.False(t, item.Incoming)
	}
	requireExact(t, "0.5", list[0].Balance.Decimal)
	requireExact(t, "1", list[1].Balance.Decimal)
	require.Equal(t, time.Unix(1767323045, 0).UTC(), list[0].Timestamp)
	require.True(t, list[1].Timestamp.IsZero())
	require.Equal(t, "Order 17", list[0].Label)

	coin, _ = answered(t, "XRG", "history", `[
		{"txid":"ab","height":0,"confirmations":0,"timestamp":0,"value":"+0.5","fee":"--","balance":"0.5","label":""},
		{"txid":"cd","height":5,"confirmations":3,"timestamp":1767323045,"value":"-0.10000226","fee":"0.00000226","balance":"0.","label":""}]`)
	list, err = coin.History(patient(t))
	require.NoError(t, err)
	requireExact(t, "0.5", list[0].Amount.Decimal)
	require.True(t, list[0].Incoming)
	requireExact(t, "-0.10000226", list[1].Amount.Decimal)
	requireExact(t, "0.00000226", list[1].Fee.Decimal)
	require.True(t, list[1].Balance.Valid)
	require.True(t, list[1].Balance.Decimal.IsZero())
	require.False(t, list[1].Incoming)
}

func TestHistoryOfADaemon(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "BCH"} {
		d := newDaemon(t, currency)
		coin := newWalletCoin(t, d)
		list, err := coin.History(patient(t))
		require.NoError(t, err)
		require.Empty(t, list)
		txid, err := d.Send(coin.WalletKey(), bitcarttest.Transfer{Amount: "0.00000001"})
		require.NoError(t, err)
		list, err = coin.History(patient(t))
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, txid, list[0].TxID)
		require.Zero(t, list[0].Confirmations)
		d.Mine(2)
		list, err = coin.History(patient(t))
		require.NoError(t, err)
		require.Equal(t, 2, list[0].Confirmations)
	}
}

func TestBadHistory(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		`null`, `{"transactions":[]}`, `[null]`, `[{}]`, `[{"txid":"ab","amount_sat":"x"}]`, `[{"txid":"ab","incoming":1}]`,
		`[{"txid":"ab","timestamp":-1}]`, `[{"txid":"ab","confirmations":1e99}]`, `[{"txid":"ab"},{"txid":""}]`, `[{"txid":"ab","label":{}}]`,
	} {
		coin, _ := answered(t, "BTC", "onchain_history", answer)
		_, err := coin.History(patient(t))
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, answer)
	}
}

// What a family lacks is said without a call, by the method's and the currency's name.
func TestTransactionsUnsupported(t *testing.T) {
	t.Parallel()
	viewKey := bitcart.Wallet{Xpub: strings.Repeat("ab", 32), Address: "4A"}
	calls := map[string]func(*bitcart.Coin) error{
		"History":    func(c *bitcart.Coin) error { _, err := c.History(t.Context()); return err },
		"GetAddress": func(c *bitcart.Coin) error { _, err := c.GetAddress(t.Context(), "a"); return err },
		"PayToMany": func(c *bitcart.Coin) error {
			_, err := c.PayToMany(t.Context(), []bitcart.Output{{Address: "a", Amount: dec("1")}})
			return err
		},
	}
	for _, currency := range []string{"ETH", "BNB", "MATIC", "TRX", "XMR"} {
		d := newDaemon(t, currency)
		w := bitcart.Wallet{Xpub: payerSeed}
		if currency == "XMR" {
			w = viewKey
		}
		coin := newCoin(t, d, bitcart.WithWallet(w))
		for method, call := range calls {
			err := call(coin)
			require.ErrorIs(t, err, bitcart.ErrUnsupported)
			var unsupported *bitcart.UnsupportedError
			require.True(t, errors.As(err, &unsupported))
			require.Equal(t, bitcart.UnsupportedError{Method: method, Currency: currency}, *unsupported)
		}
		require.Zero(t, d.CountCalls(""))
	}
	d := newDaemon(t, "BTC")
	_, err := newCoin(t, d).History(t.Context())
	require.ErrorIs(t, err, bitcart.ErrWalletRequired)
	require.Zero(t, d.CountCalls(""))
}
