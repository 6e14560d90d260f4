package bitcarttest_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
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
