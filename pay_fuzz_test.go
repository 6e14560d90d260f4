package bitcart

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	testify "github.com/stretchr/testify/require" // the package has a require of its own
)

// fuzzCoins are wallets of each family.
func fuzzCoins(t testing.TB) []*Coin {
	t.Helper()
	var coins []*Coin
	for _, symbol := range []string{"BTC", "BCH", "ETH", "TRX"} {
		c, err := NewCoin(symbol, WithXpub("xpub6abcdefgh"))
		testify.NoError(t, err)
		coins = append(coins, c)
	}
	return coins
}

// asAnswer is what a decoder can be given: the RPC layer lets only valid JSON through.
func asAnswer(t *testing.T, text string) json.RawMessage {
	if !json.Valid([]byte(text)) {
		return json.RawMessage("null")
	}
	return json.RawMessage(strings.TrimSpace(text))
}

// requireSameAmount: a decoded amount is what math/big reads in the member, to the last digit.
func requireSameAmount(t *testing.T, raw json.RawMessage, got decimal.Decimal, shift int32) {
	t.Helper()
	text := strings.Trim(string(raw), `"`)
	want, ok := new(big.Rat).SetString(text)
	if !ok || strings.ContainsAny(text, `\_xXpPoObB/`) {
		return // a spelling that only one of the two knows, or none at all
	}
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(shift)), nil))
	have, ok := new(big.Rat).SetString(got.String())
	testify.True(t, ok)
	testify.Zero(t, want.Cmp(have.Mul(have, scale)), "%s became %s", raw, got)
}

func FuzzDecodeBalance(f *testing.F) {
	for _, seed := range []string{
		`{"confirmed":"0"}`, `{"confirmed":"1E-8","unconfirmed":"-0.5","unmatured":6.25,"lightning":null}`,
		`{"confirmed":"123456789012345678901234567890.000000000000000001"}`, `{"confirmed":1e400}`, `{"confirmed":"+1."}`, `null`, `[]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		raw := asAnswer(t, text)
		b, err := decodeBalance(raw)
		if err != nil {
			return
		}
		var members map[string]json.RawMessage
		testify.NoError(t, json.Unmarshal(raw, &members))
		for name, got := range map[string]decimal.Decimal{
			"confirmed": b.Confirmed, "unconfirmed": b.Unconfirmed, "unmatured": b.Unmatured, "lightning": b.Lightning,
		} {
			if member, ok := members[name]; ok {
				requireSameAmount(t, member, got, 0)
			}
		}
	})
}

func FuzzDecodeTx(f *testing.F) {
	for _, seed := range []string{
		`{"confirmations":3}`, `{"txid":"ab","blockhash":"cd","blocktime":1767323045,"confirmations":1}`,
		`{"hash":"0xab","blockNumber":800,"blockHash":"0xcd","confirmations":2}`, `{"tx_hash":"ab","height":null}`, `{"txID":"ab","txid":"cd"}`, `null`, `5`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tx, err := decodeTx(asAnswer(t, text), "asked")
		if err != nil {
			return
		}
		testify.NotEmpty(t, tx.Hash)
		testify.GreaterOrEqual(t, tx.Confirmations, 0)
		testify.GreaterOrEqual(t, tx.Height, int64(0))
		_, err = json.Marshal(tx)
		testify.NoError(t, err)
	})
}

func FuzzDecodeHistory(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[{"txid":"ab","amount_sat":-1004520,"fee_sat":4520,"bc_balance":"0.5","height":-2,"incoming":false,"timestamp":null,"label":""}]`,
		`[{"txid":"ab","value":"--","fee":"--","balance":"0.","timestamp":0}]`, `[{"tx_hash":"ab","height":0,"fee":2260}]`, `[null]`, `{}`,
	} {
		f.Add(seed)
	}
	coins := fuzzCoins(f)
	f.Fuzz(func(t *testing.T, text string) {
		raw := asAnswer(t, text)
		for _, c := range coins {
			items, err := c.decodeHistory(raw)
			for _, item := range items {
				testify.NoError(t, err)
				testify.NotEmpty(t, item.TxID)
				var members map[string]json.RawMessage
				testify.NoError(t, json.Unmarshal(item.Raw, &members))
				if sat, ok := members["amount_sat"]; ok && item.Amount.Valid && string(sat) != "null" && !isUnknown(sat) {
					requireSameAmount(t, sat, item.Amount.Decimal, int32(c.d.cur.Decimals))
				}
			}
			lines, err := c.decodeAddressTxs(raw)
			for _, line := range lines {
				testify.NoError(t, err)
				testify.NotEmpty(t, line.Hash)
			}
		}
	})
}

// What a daemon gives to sign, or as a hash or a size, never panics, and a transaction goes back as it came.
func FuzzDecodePayment(f *testing.F) {
	for _, seed := range []string{
		`"0200"`, `"cHNidP8BVGVzdDI="`, `{"txID":"ab","raw_data":{"a":25000000000000000000}}`, `{"gas":21000,"gasPrice":20000000000}`,
		`"` + strings.Repeat("4a", 32) + `"`, `"error: timed out"`, `110`, `1e3`, `null`, `false`, `" {"`, `"{}"`,
	} {
		f.Add(seed)
	}
	coins := fuzzCoins(f)
	f.Fuzz(func(t *testing.T, text string) {
		raw := asAnswer(t, text)
		if tx, err := decodeSigned(raw); err == nil {
			testify.NotEmpty(t, tx.text)
			tx.signed()
			if raw[0] == '{' {
				again, err := json.Marshal(wireTx(tx.text))
				testify.NoError(t, err)
				testify.JSONEq(t, string(raw), string(again))
			}
		}
		if draft, err := decodeGasDraft(raw); err == nil {
			testify.Positive(t, draft.gas)
		}
		if size, err := decodeSize(raw); err == nil {
			testify.Positive(t, size)
		}
		_, _ = requiredAmount(raw)
		_, _ = decodeTokens(raw)
		_, _ = decodeABI(raw)
		_, _ = decodeFlag(raw)
		for _, c := range coins {
			id, err := c.readTxID(raw)
			testify.Equal(t, err == nil, hash64.MatchString(id))
			if hash := c.hashOf(string(raw)); hash != "" {
				testify.Regexp(t, hash64, hash)
			}
			if signed, err := decodeSigned(raw); err == nil {
				signed.signed()
				c.hashOf(signed.text)
			}
		}
	})
}

// An amount goes out as it was given, or not at all.
func FuzzCheckOutput(f *testing.F) {
	for _, seed := range []string{"0.1", "1e-8", "0.000000001", "-1", "0", "123456789012345678901234567890", "1e99", "1e-101"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		amount, err := decimal.NewFromString(text)
		if err != nil {
			return // no amount
		}
		if checkOutput("PayTo", Output{"a", amount}, 8) != nil {
			return
		}
		out := wireValue(amount).(string)
		testify.Less(t, len(out), 300)
		sent, ok := new(big.Rat).SetString(out)
		testify.True(t, ok)
		satoshis := sent.Mul(sent, big.NewRat(100_000_000, 1))
		testify.True(t, satoshis.IsInt(), "the daemon would cut digits of %s off", out)
		testify.Positive(t, satoshis.Sign())
		requireSameAmount(t, json.RawMessage(text), amount, 0)
	})
}

// TestHashOfARegisteredCurrencyIsNotKnown: nobody knows how it is computed.
func TestHashOfARegisteredCurrencyIsNotKnown(t *testing.T) {
	t.Parallel()
	for _, symbol := range []string{"BCH", "ETH"} {
		known, err := NewCoin(symbol)
		testify.NoError(t, err)
		testify.NotEmpty(t, known.hashOf("0200"))
		cur := *known.d.cur
		cur.registered = true
		testify.Empty(t, (&Coin{d: &daemon{cur: &cur}}).hashOf("0200"))
	}
}
