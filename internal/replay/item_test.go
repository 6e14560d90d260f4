package replay

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wire"
)

func bodyOf(text string) *wire.Body {
	b := wire.BodyOf(text)
	return &b
}

func TestItemOfIgnoresTheHashesOfAPayment(t *testing.T) {
	payment := func(raw string) Item { return ItemOf("new_payment", bodyOf(raw), false) }
	first := payment(`{"event":"new_payment","address":"r","tx_hashes":["a"],"status":7}`)
	for _, tt := range []struct {
		name, raw string
		same      bool
	}{
		{"another hash", `{"event":"new_payment","address":"r","tx_hashes":["a","b"],"status":7}`, true},
		{"brackets and quotes inside", `{"event":"new_payment","address":"r","tx_hashes":["]}\",",{"x":[1]}],"status":7}`, true},
		{"no hashes", `{"event":"new_payment","address":"r","status":7}`, true},
		{"another status", `{"event":"new_payment","address":"r","tx_hashes":["a"],"status":3}`, false},
		{"another order", `{"address":"r","event":"new_payment","tx_hashes":["a"],"status":7}`, false},
		{"hashes inside another member", `{"event":"new_payment","address":{"tx_hashes":1},"status":7}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			it := payment(tt.raw)
			require.NotEqual(t, first.Bytes, it.Bytes)
			require.Equal(t, tt.same, first.Key == it.Key)
		})
	}
	require.Equal(t, payment(`{"a":1}`).Key, payment(`{"a":1, "tx_hashes": [2]}`).Key, "with white space")
	require.Equal(t, payment(`{"a":1}`).Key, payment(`{"a":1,"tx_hashes":[]}`).Key, "as the last member")
	require.Equal(t, payment(`{"a":1}`).Key, payment(`{"tx_hashes":[],"a":1}`).Key, "as the first member")
	require.Equal(t, payment(`{}`).Key, payment(`{"tx_hashes":[]}`).Key, "as the only member")
}

func TestItemOfOtherEvents(t *testing.T) {
	raw := `{"event":"new_block","tx_hashes":[1]}`
	it := ItemOf("new_block", bodyOf(raw), true)
	require.Equal(t, Item{Bytes: Of(raw), Key: Of(raw), Chain: true}, it)
}

// FuzzItemOf looks for texts that break the search for the member, and checks
// valid objects against encoding/json.
func FuzzItemOf(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"tx_hashes":[]}`, `{"a":"\"","tx_hashes":["x"],"b":{"tx_hashes":1}}`, `{"tx_hashes":`,
		`{"a`, `[`, ``, `{"a":1,}`, `{"a":[[{]],"tx_hashes":1}`, ` { "tx_hashes" : null , "b" : 2 } `, `{"a\`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		ItemOf("new_payment", bodyOf(raw), false)
		before, after, ok := bodyOf(raw).Without("tx_hashes")
		var members map[string]json.RawMessage
		if json.Unmarshal([]byte(raw), &members) != nil || !ok {
			return
		}
		n := len(members)
		rest := []byte(before + after)
		var left map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(rest, &left), "%q", rest)
		_, still := left["tx_hashes"] // it may stand twice
		if !still {
			require.Len(t, left, n-1, "%q of %q", rest, raw)
		}
		for name, value := range left {
			if name != "tx_hashes" {
				require.Equal(t, members[name], value)
			}
		}
	})
}
