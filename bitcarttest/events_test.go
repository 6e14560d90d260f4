package bitcarttest_test

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

func TestPaymentEvents(t *testing.T) {
	tests := []struct {
		currency string
		partly   []string // events of a part, of the rest, and of a block after it
		rest     []string
		block    []string
		statuses []int
	}{
		{"LTC", []string{"new_payment", "new_transaction"}, []string{"new_payment", "new_transaction"},
			[]string{"new_block", "new_payment", "verified_tx", "new_payment", "verified_tx"}, []int{0, 7, 7, 3}},
		{"BCH", []string{"new_payment", "new_transaction"}, []string{"new_payment", "new_transaction"},
			[]string{"new_block", "new_payment", "verified_tx", "new_payment", "verified_tx"}, []int{0, 7, 7, 3}},
		{"XRG", []string{"new_transaction"}, []string{"new_transaction"}, []string{"new_block", "verified_tx", "verified_tx"}, nil},
		{"BNB", []string{"new_block", "new_transaction", "new_payment"}, []string{"new_block", "new_transaction", "new_payment"},
			[]string{"new_block"}, []int{0, 3}},
		{"TRX", []string{"new_block", "new_transaction", "new_payment"}, []string{"new_block", "new_transaction", "new_payment"},
			[]string{"new_block"}, []int{0, 3}},
		{"XMR", []string{"new_transaction", "new_payment"}, []string{"new_transaction", "new_payment"},
			[]string{"new_block", "new_payment", "new_payment"}, []int{0, 7, 7, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.currency, func(t *testing.T) {
			d := newDaemon(t, tt.currency)
			w := d.NewWallet()
			key := addRequest(t, d, w, "2", 900)
			_, err := d.Pay(w, key, bitcarttest.Transfer{From: d.NewAddress(), Amount: "0.5"})
			require.NoError(t, err)
			partly := updates(t, d, w)
			_, err = d.Pay(w, key, bitcarttest.Transfer{})
			require.NoError(t, err)
			rest := updates(t, d, w)
			d.Mine(1)
			block := updates(t, d, w)
			require.Equal(t, tt.partly, eventNames(partly))
			require.Equal(t, tt.rest, eventNames(rest))
			require.Equal(t, tt.block, eventNames(block))
			var statuses []int
			for _, e := range append(append(partly, rest...), block...) {
				if e.Event == "new_payment" {
					statuses = append(statuses, e.Status)
					require.Equal(t, key, e.Address)
				}
			}
			require.Equal(t, tt.statuses, statuses)
			_, err = d.Pay(w, key, bitcarttest.Transfer{})
			require.Error(t, err, "nothing is missing")
			_, err = d.Pay(w, "none", bitcarttest.Transfer{Amount: "1"})
			require.ErrorIs(t, err, bitcarttest.ErrUnknownRequest)
		})
	}
}

func TestOverpayment(t *testing.T) {
	d := newDaemon(t, "BTC")
	w := d.NewWallet()
	key := addRequest(t, d, w, "1", 0)
	_, err := d.Pay(w, key, bitcarttest.Transfer{Amount: "1"})
	require.NoError(t, err)
	_, err = d.Pay(w, key, bitcarttest.Transfer{Amount: "0.25", Mined: true})
	require.NoError(t, err)
	list := updates(t, d, w)
	require.Equal(t, []string{"new_payment", "new_transaction", "new_block", "new_payment", "new_transaction",
		"new_payment", "verified_tx", "new_payment", "verified_tx"}, eventNames(list))
	require.Equal(t, "1.25000000", list[3].SentAmount)
}

// clock is a clock that a test moves.
func clock() (now func() time.Time, forward func(time.Duration)) {
	var offset atomic.Int64
	start := time.Now()
	return func() time.Time { return start.Add(time.Duration(offset.Load())) },
		func(d time.Duration) { offset.Add(int64(d)) }
}

func TestExpiry(t *testing.T) {
	tests := []struct {
		currency string
		status   any
		events   []string // of a payment that comes too late
		final    any
	}{
		{"BTC", 1.0, []string{"new_payment", "new_transaction"}, 7.0},
		{"BCH", "Expired", []string{"new_payment", "new_transaction"}, "Unconfirmed"},
		{"ETH", 1.0, []string{"new_block", "new_transaction"}, 1.0},
	}
	for _, tt := range tests {
		t.Run(tt.currency, func(t *testing.T) {
			now, forward := clock()
			d := newDaemon(t, tt.currency, bitcarttest.WithClock(now))
			w := d.NewWallet()
			key := addRequest(t, d, w, "1", 60)
			forward(time.Minute)
			status := func() any {
				var r map[string]any
				rpc(t, d, "getrequest", []any{key, named{"xpub": w}}, &r)
				return r["status"]
			}
			require.Equal(t, tt.status, status())
			require.Empty(t, updates(t, d, w), "no event tells of it")
			_, err := d.Pay(w, key, bitcarttest.Transfer{From: d.NewAddress()})
			require.NoError(t, err)
			require.Equal(t, tt.events, eventNames(updates(t, d, w)))
			require.Equal(t, tt.final, status())
		})
	}
}

func TestAccountPaymentsNeedTheSender(t *testing.T) {
	d := newDaemon(t, "ETH")
	w, payer := d.NewWallet(), d.NewAddress()
	key := addRequest(t, d, w, "1", 900)
	_, err := d.Pay(w, key, bitcarttest.Transfer{Amount: "1"})
	require.NoError(t, err)
	require.Equal(t, []string{"new_block", "new_transaction"}, eventNames(updates(t, d, w)), "a sender that nobody knows")

	newer := addRequest(t, d, w, "1", 900)
	for _, k := range []string{key, newer} {
		var ok bool
		rpc(t, d, "setrequestaddress", []any{k, payer, named{"xpub": w}}, &ok)
		require.True(t, ok)
	}
	_, err = d.Pay(w, key, bitcarttest.Transfer{Amount: "1"})
	require.NoError(t, err)
	list := updates(t, d, w)
	require.Equal(t, []string{"new_block", "new_transaction", "new_payment"}, eventNames(list))
	require.Equal(t, newer, list[2].Address, "the newer request has taken the payer over")
}

func TestTokenTransfers(t *testing.T) {
	for _, currency := range []string{"ETH", "BNB", "TRX"} {
		t.Run(currency, func(t *testing.T) {
			d := newDaemon(t, currency)
			var tokens map[string]string
			rpc(t, d, "get_tokens", []any{}, &tokens)
			w := d.NewWallet()
			wallet := named{"xpub": w, "contract": tokens["USDT"]}
			key := addRequest(t, d, wallet, "3", 900)
			require.NoError(t, d.Load(w))
			_, err := d.Pay(w+"_"+tokens["USDT"], key, bitcarttest.Transfer{From: d.NewAddress()})
			require.NoError(t, err)
			require.Equal(t, []string{"new_block"}, eventNames(updates(t, d, w)), "the coin's wallet sees no tokens")
			require.Equal(t, []string{"new_block", "new_transaction", "new_payment"}, eventNames(updates(t, d, wallet)))
			_, err = d.Send(w, bitcarttest.Transfer{Amount: "3", Contract: tokens["USDT"]})
			require.NoError(t, err)
			require.Equal(t, []string{"new_block", "new_transaction"}, eventNames(updates(t, d, wallet)))
			var balance map[string]string
			rpc(t, d, "getbalance", named{"xpub": wallet}, &balance)
			require.Contains(t, balance["confirmed"], "6.000000")
		})
	}
}

func TestBlocks(t *testing.T) {
	for currency, want := range map[string][]int64{"BTC": {53}, "BCH": {53}, "ETH": {51, 52, 53}, "XMR": {51, 52, 53}} {
		d := newDaemon(t, currency, bitcarttest.WithHeight(50))
		a, b := d.NewWallet(), d.NewWallet()
		require.NoError(t, d.Load(a))
		require.NoError(t, d.Load(b))
		conn := dial(t, d, "")
		d.Mine(3)
		require.NoError(t, d.Emit("", named{"event": "end"}))
		require.EqualValues(t, 53, d.Height())
		for _, w := range []string{a, b} {
			list := updates(t, d, w)
			require.Len(t, list, len(want)+1, currency)
			for i, height := range want {
				require.Equal(t, height, list[i].Height, currency)
			}
		}
		for _, height := range want {
			require.Equal(t, fmt.Sprintf(`{"updates": [{"event": "new_block", "height": %d}], "wallet": null, "currency": %q}`, height, currency), read(t, conn))
		}
		require.Contains(t, read(t, conn), "end", "one frame per block, whatever the number of wallets")
	}
}

func TestQueueIsBoundedAndEmptied(t *testing.T) {
	for _, limit := range []int{0, 3, 100} {
		d := newDaemon(t, "BTC", bitcarttest.WithPollingCap(limit))
		w := d.NewWallet()
		require.NoError(t, d.Load(w))
		for i := range 250 {
			require.NoError(t, d.Emit(w, named{"event": "e", "height": i}))
		}
		list := updates(t, d, w)
		require.Len(t, list, limit)
		for i, e := range list {
			require.EqualValues(t, 250-limit+i, e.Height)
		}
		require.Empty(t, updates(t, d, w))
	}
}

func TestFrameAndQueueItemAreEqual(t *testing.T) {
	d := newDaemon(t, "BTC")
	w := d.NewWallet()
	require.NoError(t, d.Load(w))
	conn := dial(t, d, w)
	type custom struct {
		Event string  `json:"event"`
		Note  string  `json:"note"`
		Big   float64 `json:"big"`
	}
	bodies := []any{
		custom{"a", "<é> & 😀\n", 1e21},
		json.RawMessage(`{"event":"b","n":10000000000000000000000,"s":"\u003c\/\u00e9"}`),
		map[string]any{"event": "c", "list": []int{1, 2}},
	}
	want := []string{
		`{"event": "a", "note": "<\u00e9> & \ud83d\ude00\n", "big": 1e+21}`,
		`{"event": "b", "n": 10000000000000000000000, "s": "</\u00e9"}`,
		`{"event": "c", "list": [1, 2]}`,
	}
	for _, b := range bodies {
		require.NoError(t, d.Emit(w, b))
	}
	for _, text := range want {
		require.Equal(t, `{"updates": [`+text+`], "wallet": "`+w+`", "currency": "BTC"}`, read(t, conn))
	}
	raw := post(t, d, fmt.Sprintf(`{"method": "get_updates", "params": {"xpub": %q}}`, w))
	require.Equal(t, `{"jsonrpc": "2.0", "result": [`+want[0]+", "+want[1]+", "+want[2]+`], "id": null}`, raw)
	require.Error(t, d.Emit(w, []int{1}), "an update is an object")
	require.Error(t, d.Emit(w, make(chan int)))
}

func TestReplayAfterLoadingAgain(t *testing.T) {
	d := newDaemon(t, "ETH")
	w, other := d.NewWallet(), d.NewWallet()
	require.NoError(t, d.Load(other))
	key := addRequest(t, d, w, "1", 900)
	_, err := d.Send(other, bitcarttest.Transfer{Amount: "5"})
	require.NoError(t, err)
	rpc(t, d, "close_wallet", named{"xpub": w}, nil)
	_, err = d.Pay(w, key, bitcarttest.Transfer{From: d.NewAddress()})
	require.NoError(t, err)
	require.Equal(t, []string{"new_block", "new_transaction", "new_block"}, eventNames(updates(t, d, other)))

	rpc(t, d, "getbalance", named{"xpub": w}, nil)
	require.Eventually(t, func() bool { return d.Queued(w) == 2 }, patience, time.Millisecond)
	require.Equal(t, []string{"new_transaction", "new_payment"}, eventNames(updates(t, d, w)), "what was missed")
	require.Equal(t, []string{"new_transaction"}, eventNames(updates(t, d, other)), "a repeat")

	rpc(t, d, "rescan_blocks", []any{1001, 1002}, nil)
	require.Equal(t, []string{"new_block", "new_block", "new_transaction"}, eventNames(updates(t, d, w)), "credited only once")
}

func TestRescanCreditsNothingTwice(t *testing.T) {
	d := newDaemon(t, "MATIC")
	w := d.NewWallet()
	key := addRequest(t, d, w, "1", 900)
	_, err := d.Pay(w, key, bitcarttest.Transfer{From: d.NewAddress(), Amount: "0.6"})
	require.NoError(t, err)
	rpc(t, d, "rescan_blocks", []any{d.Height()}, nil)
	var r map[string]any
	rpc(t, d, "get_request", []any{key, named{"xpub": w}}, &r)
	require.Equal(t, "0.600000000000000000", r["sent_amount"])
	require.Len(t, r["tx_hashes"], 1)
}

func TestLightningInvoices(t *testing.T) {
	d := newDaemon(t, "BTC")
	var seed string
	rpc(t, d, "make_seed", []any{}, &seed)
	var r struct {
		RHash   string `json:"rhash"`
		Invoice string `json:"lightning_invoice"`
		Msat    int64  `json:"amount_msat"`
	}
	rpc(t, d, "add_request", named{"amount": "0.001", "lightning": true, "xpub": seed}, &r)
	require.Len(t, r.RHash, 64)
	require.EqualValues(t, 100_000_000, r.Msat)
	rpc(t, d, "get_invoice", []any{r.RHash, named{"xpub": seed}}, &r)
	code, _ := fails(t, d, "get_invoice", []any{"x", named{"xpub": seed}})
	require.Equal(t, -32012, code)
	code, _ = fails(t, d, "nodeid", named{"xpub": d.NewWallet()})
	require.Equal(t, -32011, code)
	code, _ = fails(t, d, "add_peer", []any{"zz", named{"xpub": seed}})
	require.Equal(t, -32007, code)
	code, _ = fails(t, d, "lnpay", []any{"lnbcx", named{"xpub": seed}})
	require.Equal(t, -32009, code)
}

func TestPayouts(t *testing.T) {
	d := newDaemon(t, "BTC")
	const w = seedWallet
	require.NoError(t, d.Load(w))
	_, err := d.Send(w, bitcarttest.Transfer{Amount: "1", Mined: true})
	require.NoError(t, err)
	code, _ := fails(t, d, "payto", []any{d.NewAddress(), "2", named{"xpub": w}})
	require.Equal(t, -32006, code)
	code, _ = fails(t, d, "payto", []any{d.NewAddress(), "0.1", named{"feerate": "5", "xpub": w}})
	require.Equal(t, -32603, code, "a rate must be a number")
	code, _ = fails(t, d, "payto", []any{"nowhere", "0.1", named{"xpub": w}})
	require.Equal(t, -32004, code)
	var raw, id string
	var size int64
	rpc(t, d, "paytomany", []any{[][]string{{d.NewAddress(), "0.25"}, {d.NewAddress(), "0.15"}}, named{"feerate": 5, "xpub": w}}, &raw)
	rpc(t, d, "get_tx_size", []any{raw}, &size)
	require.EqualValues(t, 144, size)
	rpc(t, d, "broadcast", []any{raw, named{"xpub": w}}, &id)
	d.Mine(1)
	var balance map[string]string
	rpc(t, d, "getbalance", named{"xpub": w}, &balance)
	require.Equal(t, map[string]string{"confirmed": "0.5999928"}, balance, "144 bytes at 5 satoshis are gone too")
	var history []map[string]any
	rpc(t, d, "onchain_history", named{"xpub": w}, &history)
	require.Len(t, history, 2)
	require.Equal(t, id, history[1]["txid"])
	require.Equal(t, false, history[1]["incoming"])
	require.EqualValues(t, 720, history[1]["fee_sat"])
}

func TestRequestLists(t *testing.T) {
	now, forward := clock()
	d := newDaemon(t, "BTC", bitcarttest.WithClock(now))
	w := d.NewWallet()
	paid, late, open := addRequest(t, d, w, "1", 0), addRequest(t, d, w, "1", 5), addRequest(t, d, w, "1", 0)
	_, err := d.Pay(w, paid, bitcarttest.Transfer{Mined: true})
	require.NoError(t, err)
	forward(10 * time.Second)
	for flag, want := range map[string][]string{"paid": {paid}, "expired": {late}, "pending": {open}, "": {paid, late, open}} {
		params := named{"xpub": w}
		if flag != "" {
			params[flag] = true
		}
		var list []struct {
			RequestID string `json:"request_id"`
		}
		rpc(t, d, "list_requests", params, &list)
		var got []string
		for _, r := range list {
			got = append(got, r.RequestID)
		}
		require.Equal(t, want, got, flag)
	}
	rpc(t, d, "delete_request", []any{open, named{"xpub": w}}, nil)
	code, _ := fails(t, d, "get_request", []any{open, named{"xpub": w}})
	require.Equal(t, -32003, code)
}

// Account daemons look only at requests that still wait for money, and Monero's is one of them: what
// comes after that is a transaction like any other.
func TestMoneroPaymentsThatComeTooLate(t *testing.T) {
	now, forward := clock()
	d := newDaemon(t, "XMR", bitcarttest.WithClock(now))
	w := d.NewWallet()
	request := func(key string) (r struct {
		Status     int
		SentAmount string   `json:"sent_amount"`
		TxHashes   []string `json:"tx_hashes"`
	}) {
		rpc(t, d, "getrequest", []any{key, named{"xpub": w}}, &r)
		return r
	}
	pay := func(key, amount string) {
		_, err := d.Pay(w, key, bitcarttest.Transfer{Amount: amount})
		require.NoError(t, err)
	}

	paid := addRequest(t, d, w, "1", 60)
	pay(paid, "1")
	pay(paid, "1")
	require.Equal(t, []string{"new_transaction", "new_payment", "new_transaction", "new_payment"}, eventNames(updates(t, d, w)))
	d.Mine(1)
	list := updates(t, d, w)
	require.Equal(t, []string{"new_block", "new_payment"}, eventNames(list), "nothing after status 3")
	require.Equal(t, 3, list[1].Status)
	pay(paid, "1")
	d.Mine(1)
	require.Equal(t, []string{"new_transaction", "new_block"}, eventNames(updates(t, d, w)))
	require.Equal(t, "2.000000000000", request(paid).SentAmount)
	require.Len(t, request(paid).TxHashes, 2)
	rpc(t, d, "rescan_blocks", []any{d.Height() - 1, d.Height()}, nil)
	require.NotContains(t, eventNames(updates(t, d, w)), "new_payment", "a rescan finds nothing that waits either")

	partly, unconfirmed, unpaid := addRequest(t, d, w, "1", 60), addRequest(t, d, w, "1", 60), addRequest(t, d, w, "1", 60)
	pay(partly, "0.5")
	pay(unconfirmed, "1")
	updates(t, d, w)
	forward(time.Minute)
	pay(partly, "0.5")
	pay(unpaid, "1")
	require.Equal(t, []string{"new_transaction", "new_transaction"}, eventNames(updates(t, d, w)))
	d.Mine(1)
	list = updates(t, d, w)
	require.Equal(t, []string{"new_block", "new_payment"}, eventNames(list), "one was reached in time")
	require.Equal(t, unconfirmed, list[1].Address)
	require.Equal(t, 3, request(unconfirmed).Status)
	for _, key := range []string{partly, unpaid} {
		require.Equal(t, 1, request(key).Status)
	}
	require.Equal(t, "0.500000000000", request(partly).SentAmount)
	require.Empty(t, request(unpaid).TxHashes)
}

// A request waits for one payer: registering another forgets the first.
func TestAnotherPayerTakesThePlaceOfTheFirst(t *testing.T) {
	d := newDaemon(t, "ETH")
	w, first, second := d.NewWallet(), d.NewAddress(), d.NewAddress()
	key := addRequest(t, d, w, "1", 900)
	for _, payer := range []string{first, second} {
		rpc(t, d, "setrequestaddress", []any{key, payer, named{"xpub": w}}, nil)
	}
	_, err := d.Pay(w, key, bitcarttest.Transfer{From: first, Amount: "1"})
	require.NoError(t, err)
	require.Equal(t, []string{"new_block", "new_transaction"}, eventNames(updates(t, d, w)))
	_, err = d.Pay(w, key, bitcarttest.Transfer{From: second, Amount: "1"})
	require.NoError(t, err)
	require.Equal(t, []string{"new_block", "new_transaction", "new_payment"}, eventNames(updates(t, d, w)))
}
