package bitcarttest_test

import (
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

// Two transactions are signed with the same coins. The network takes one.
func TestCoinsAreSpentOnce(t *testing.T) {
	for _, currency := range []string{"BTC", "BCH"} {
		t.Run(currency, func(t *testing.T) {
			d := rich(t, currency)
			sign := func(amount string) (raw string) {
				rpc(t, d, "payto", []any{d.NewAddress(), amount, named{"addtransaction": false, "xpub": seedWallet}}, &raw)
				return raw
			}
			first, second := sign("6"), sign("6")
			for range 2 { // again makes no difference
				var id string
				rpc(t, d, "broadcast", []any{first, named{"xpub": seedWallet}}, &id)
				require.Len(t, id, 64)
			}
			if currency == "BCH" {
				var refusal string
				rpc(t, d, "broadcast", []any{second, named{"xpub": seedWallet}}, &refusal)
				require.Contains(t, refusal, "txn-mempool-conflict")
			} else {
				_, message := fails(t, d, "broadcast", []any{second, named{"xpub": seedWallet}})
				require.Contains(t, message, "txn-mempool-conflict")
			}
			var balance map[string]json.RawMessage
			rpc(t, d, "getbalance", named{"xpub": seedWallet}, &balance)
			require.NotContains(t, string(balance["unconfirmed"]), "-12")
		})
	}
}

// busy sends events until the daemon closes, so that others wait for their turn.
func busy(t *testing.T, d *bitcarttest.Daemon) {
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for d.Emit("", json.RawMessage(`{"event":"noise"}`)) == nil {
			}
		})
	}
	t.Cleanup(group.Wait)
	t.Cleanup(d.Close) // before the wait
}

// The same, when both are broadcast at once.
func TestCoinsAreSpentOnceAtOnce(t *testing.T) {
	for range 20 {
		d := rich(t, "BTC")
		busy(t, d)
		var raws []string
		for range 8 {
			var raw string
			rpc(t, d, "payto", []any{d.NewAddress(), "6", named{"addtransaction": false, "xpub": seedWallet}}, &raw)
			raws = append(raws, raw)
		}
		var sent atomic.Int64
		var sending sync.WaitGroup
		for _, raw := range raws {
			sending.Go(func() {
				body, _ := json.Marshal(named{"method": "broadcast", "id": 1, "params": []any{raw, named{"xpub": seedWallet}}})
				if strings.Contains(post(t, d, string(body)), "result") {
					sent.Add(1)
				}
			})
		}
		sending.Wait()
		require.EqualValues(t, 1, sent.Load())
		d.Close()
	}
}

// Who pays one invoice many times at once pays it once.
func TestInvoiceIsPaidOnce(t *testing.T) {
	for range 20 {
		d := rich(t, "BTC")
		bill := newInvoice(t, d, otherSeed, "1")
		for _, ch := range []struct {
			key string
			bitcarttest.Channel
		}{{seedWallet, bitcarttest.Channel{Local: "5"}}, {otherSeed, bitcarttest.Channel{Remote: "20"}}} {
			_, err := d.AddChannel(ch.key, ch.Channel)
			require.NoError(t, err)
		}
		var paid atomic.Int64
		var paying sync.WaitGroup
		busy(t, d)
		for range 8 {
			paying.Go(func() {
				var outcome struct{ Success bool }
				rpc(t, d, "lnpay", []any{bill.Text, named{"xpub": seedWallet}}, &outcome)
				if outcome.Success {
					paid.Add(1)
				}
			})
		}
		paying.Wait()
		require.EqualValues(t, 1, paid.Load())
		require.Equal(t, "4", balanceOf(t, d, seedWallet)["lightning"])
		d.Close()
	}
}
