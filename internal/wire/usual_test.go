//go:build !bitcart_stdjson

package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What the other tests compare with encoding/json may have been read by either
// way; this one holds what daemons send to the fast one.
func TestUsualFrame(t *testing.T) {
	const (
		block   = `{"event": "new_block", "height": 21000001}`
		payment = `{"event": "new_payment", "address": "0x11", "status": 3, "status_str": "Paid", "tx_hashes": ["0x22", "0x33"], "sent_amount": "0.5", "contract": null}`
	)
	for _, tt := range []struct {
		name, frame string
		usual       bool
	}{
		{"a block", `{"updates": [` + block + `], "wallet": null, "currency": "ETH"}`, true},
		{"a payment", `{"updates": [` + payment + `], "wallet": "xpub", "currency": "ETH"}`, true},
		{"several", `{"updates": [` + payment + `, ` + block + `], "wallet": "xpub", "currency": "ETH"}`, true},
		{"none", `{"updates": [], "wallet": "xpub", "currency": "ETH"}`, true},
		{"no list", `{"updates": null, "wallet": "xpub", "currency": "ETH"}`, false},
		{"another order", `{"wallet": "xpub", "updates": [` + block + `], "currency": "ETH"}`, false},
		{"another member", `{"updates": [` + block + `], "wallet": "xpub", "currency": "ETH", "x": 1}`, false},
		{"white space", `{"updates": [` + block + `], "wallet": "xpub", "currency": "ETH"} `, false},
		{"letters beyond ASCII", `{"updates": [` + block + `], "wallet": "ä", "currency": "ETH"}`, false},
		{"an escape", `{"updates": [` + block + `], "wallet": "\n", "currency": "ETH"}`, false},
		{"a number for a wallet", `{"updates": [` + block + `], "wallet": 1, "currency": "ETH"}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := scan([]byte(tt.frame))
			var c Cutter
			_, usual := c.usualFrame(&s)
			require.Equal(t, tt.usual, usual)
		})
	}
	for _, text := range []string{block, payment} {
		s := scan([]byte(text))
		_, usual := s.usualEvent(new(index))
		require.True(t, usual, text)
	}
}
