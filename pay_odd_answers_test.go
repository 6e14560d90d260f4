package bitcart_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// An object of an account daemon is what has to be signed: nobody could ever settle a BroadcastError
// that holds one.
func TestObjectOfAnAccountIsNotBroadcast(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"ETH", "BNB", "MATIC"} {
		unsigned := string(golden(t, "ETH/payto.unsigned"))
		w := &wire{answer: func(string) string { return result(unsigned) }}
		coin := coinOn(t, currency, w, walletOf(currency))
		out, err := coin.PayTo(t.Context(), receivers[currency], dec("1"))
		require.Nil(t, out)
		require.ErrorIs(t, err, bitcart.ErrWatchOnlyWallet)
		require.NotErrorAs(t, err, new(*bitcart.BroadcastError))
		require.Len(t, w.calls(), 1, "it is not broadcast")

		_, err = coin.Transfer(t.Context(), usdt, receivers[currency], dec("1"))
		require.ErrorIs(t, err, bitcart.ErrWatchOnlyWallet)

		out, err = coin.PayTo(t.Context(), receivers[currency], dec("1"), bitcart.WithoutBroadcast())
		require.NoError(t, err, "to be signed elsewhere")
		require.JSONEq(t, unsigned, out.RawTx)
	}
}

// So it is with an object that is no transaction at all.
func TestObjectThatIsNoTransaction(t *testing.T) {
	t.Parallel()
	for currency, odd := range map[string]string{"BTC": `{"odd":1}`, "BCH": `{"complete":true,"hex":null}`, "TRX": `{"txID":"x"}`} {
		w := always(result(odd))
		_, err := coinOn(t, currency, w, bitcart.Wallet{Xpub: payerSeed}).PayTo(t.Context(), receivers[currency], dec("1"))
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, currency)
		require.NotErrorIs(t, err, bitcart.ErrMaybeSent, "nothing was paid")
		require.NotErrorAs(t, err, new(*bitcart.BroadcastError), currency)
		require.Len(t, w.calls(), 1, "nothing was broadcast")
	}
}

// Whether the wallet has taken the transaction nobody knows then: it is neither sent nor forgotten.
func TestOddAnswerToAddtransaction(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`true`, `5`, `{}`, `""`, `[null]`} {
		w := &wire{answer: func(method string) string {
			if method == "payto" {
				return result(`"0200"`)
			}
			return result(answer)
		}}
		_, err := coinOn(t, "BTC", w, walletOf("BTC")).PayTo(t.Context(), receivers["BTC"], dec("1"))
		var unfinished *bitcart.BroadcastError
		require.ErrorAs(t, err, &unfinished, answer)
		require.Equal(t, "0200", unfinished.RawTx)
		require.NotErrorIs(t, err, bitcart.ErrMaybeSent, "it was not broadcast")
		require.Len(t, w.calls(), 2, answer)
	}
}

// How a hash looks on a registered currency nobody knows, but it has no spaces in it.
func TestBroadcastAnsweredWithASentence(t *testing.T) {
	t.Parallel()
	unknown := newSymbol()
	require.NoError(t, bitcart.RegisterCurrency(bitcart.Currency{Symbol: unknown, Port: 5013, Family: bitcart.FamilyElectronCash, Decimals: 8}))
	for answer, hash := range map[string]string{`"error: timed out"`: "", `"rejected\n"`: "", `"5VERYLongSignature"`: "5VERYLongSignature"} {
		txid, err := coinOn(t, unknown, always(result(answer)), bitcart.Wallet{}).Broadcast(t.Context(), "0200")
		require.Equal(t, hash, txid)
		require.Equal(t, hash == "", errors.Is(err, bitcart.ErrMaybeSent), "%v", err)
		require.Equal(t, hash == "", err != nil)
	}
}

// What cannot be read has been done all the same.
func TestOddAnswerToWhatSpends(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`null`, `""`, `5`, `{}`, `true`} {
		coin := coinOn(t, "BTC", always(result(answer)), walletOf("BTC"))
		_, err := coin.OpenChannel(t.Context(), "n", dec("1"))
		require.ErrorIs(t, err, bitcart.ErrMaybeSent, answer)
		_, err = coin.CloseChannel(t.Context(), "t:0", false)
		require.ErrorIs(t, err, bitcart.ErrMaybeSent, answer)
		_, err = coin.Broadcast(t.Context(), "0200")
		require.ErrorIs(t, err, bitcart.ErrMaybeSent, answer)
	}
}

// Of a price per gas no part of a wei is cut off or added.
func TestFeeRateOfAPartOfAWei(t *testing.T) {
	t.Parallel()
	coin, s := answered(t, "ETH", "payto", string(golden(t, "ETH/payto.unsigned")))
	for _, rate := range []string{"1.0000000001", "0.0000000001"} {
		_, err := coin.PayTo(patient(t), receivers["ETH"], dec("1"), bitcart.WithFeeRate(dec(rate)))
		require.Equal(t, []string{"WithFeeRate"}, wrongOptions(err), rate)
	}
	require.Len(t, requests(t, s), 2, "only the drafts were asked for")
}

// A draft that is signed while another payment is on its way would have that payment's coins.
func TestDraftTakesItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDaemon{slow: "broadcast", gate: make(chan struct{}), results: map[string]string{
			"payto": `"0200"`, "addtransaction": `null`, "broadcast": `"` + strings.Repeat("4a", 32) + `"`,
			"get_tx_size": `100`, "get_default_fee": `"0.1"`,
		}}
		coin := makeCoin(t, "BTC", bitcart.WithXpub(payerSeed), bitcart.WithHTTPClient(&http.Client{Transport: d}))
		var group sync.WaitGroup
		errs := make([]error, 2)
		group.Go(func() { _, errs[0] = coin.PayTo(t.Context(), receivers["BTC"], dec("1")) })
		synctest.Wait()
		group.Go(func() {
			_, errs[1] = coin.PayTo(t.Context(), receivers["BTC"], dec("1"), payStyles["no fee of its own"]...)
		})
		synctest.Wait()
		methods, _ := d.state()
		require.Equal(t, []string{"payto", "addtransaction", "broadcast"}, methods)
		d.gate <- struct{}{}
		d.gate <- struct{}{}
		group.Wait()
		require.NoError(t, errors.Join(errs...))
	})
}

// A daemon that does not care for "unsigned" has sent the tokens when it answers a hash.
func TestTransferThatWasSentAtOnce(t *testing.T) {
	t.Parallel()
	unknown := newSymbol()
	require.NoError(t, bitcart.RegisterCurrency(bitcart.Currency{Symbol: unknown, Port: 5012, Family: bitcart.FamilyAccount, Decimals: 9}))
	for currency, hash := range map[string]string{
		"ETH": "0x" + strings.Repeat("4a", 32), "TRX": strings.Repeat("4a", 32), "BCH": strings.Repeat("4a", 32), unknown: "5VERYLongSignature",
	} {
		for _, opts := range [][]bitcart.PayOption{nil, {bitcart.WithoutBroadcast()}} {
			w := &wire{answer: func(method string) string {
				if method == "transfer" {
					return result(`"` + hash + `"`)
				}
				return failure(-32603, "Exception: no")
			}}
			out, err := coinOn(t, currency, w, bitcart.Wallet{Xpub: payerSeed}).Transfer(t.Context(), "contract", "there", dec("1"), opts...)
			require.Nil(t, out)
			var unfinished *bitcart.BroadcastError
			require.ErrorAs(t, err, &unfinished, "any other error would say that nothing was paid")
			require.Equal(t, hash, unfinished.TxID)
			require.Empty(t, unfinished.RawTx)
			require.ErrorIs(t, err, bitcart.ErrMaybeSent)
			require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
			require.Len(t, w.calls(), 1)
		}
	}
}
