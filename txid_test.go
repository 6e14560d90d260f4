package bitcart_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// A transaction of Ethereum's standard for signing, and the first one of Bitcoin's chain.
const (
	standardTx = "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a0" +
		"28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
	standardHash = "0x33469b22e9f636356c4160a87eb19df52b7412e8eac32a4a55ffe88ea8350788"
	firstTx      = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d65732030332f4a616e2f323030392043" +
		"68616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73ffffffff0100f2052a01000000434104678afdb0fe55482719" +
		"67f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
	firstHash = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
)

// What the network has already is found under the hash that comes with the error.
func TestAlreadyBroadcastTellsTheHash(t *testing.T) {
	t.Parallel()
	tron := strings.Repeat("5b", 32)
	tests := []struct{ currency, tx, hash string }{
		{"ETH", standardTx, standardHash}, {"BNB", standardTx[2:], standardHash}, {"MATIC", " " + standardTx, standardHash},
		{"BCH", firstTx, firstHash}, {"XRG", firstTx, firstHash}, {"BCH", `{"hex":"` + firstTx + `","complete":true}`, firstHash},
		{"TRX", `{"txID":"` + tron + `","raw_data":{}}`, tron},
		{"ETH", strings.ToUpper(standardTx), standardHash}, {"ETH", "\t" + strings.ToUpper(standardTx[2:]) + "\n", standardHash},
		{"ETH", "0x03" + standardTx[2:], ""}, // its blobs are no part of what is hashed
		{"ETH", "0xzz", ""}, {"ETH", `{"hash":"` + standardHash + `"}`, ""}, {"TRX", `{"txID":"x"}`, ""}, {"TRX", `{"txID":5}`, ""}, {"TRX", "0200", ""},
		{"BCH", "zz", ""}, {"BCH", `{"hex":5}`, ""}, {"BTC", firstTx, ""},
	}
	for _, test := range tests {
		d := newDaemon(t, test.currency)
		d.Faults().FailMethod("broadcast", 1, &bitcarttest.Error{Code: -32603, Message: "ValueError: {'code': -32000, 'message': 'already known'}"})
		hash, err := newCoin(t, d).Broadcast(patient(t), test.tx)
		require.ErrorIs(t, err, bitcart.ErrAlreadyBroadcast)
		require.Equal(t, test.hash, hash, "%s %s", test.currency, test.tx)
		d.Faults().FailMethod("broadcast", 1, errFault)
		hash, err = newCoin(t, d).Broadcast(patient(t), test.tx)
		require.Error(t, err)
		require.Empty(t, hash, "nothing is known about it")
	}
}

// A payment whose broadcast failed says under which hash to look for it.
func TestBroadcastErrorKnowsTheHashOfEachCurrency(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "LTC", "BCH", "ETH", "BNB", "MATIC", "TRX"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			d, coin := payer(t, currency)
			d.Faults().DropAnswer("broadcast", 1)
			_, err := coin.PayTo(patient(t), receivers[currency], dec("1"))
			var unfinished *bitcart.BroadcastError
			require.ErrorAs(t, err, &unfinished)
			require.NotEmpty(t, unfinished.TxID)
			tx, err := coin.GetTx(patient(t), unfinished.TxID)
			require.NoError(t, err, "it is on its way")
			require.Equal(t, unfinished.TxID, tx.Hash)
		})
	}
}
