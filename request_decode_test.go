package bitcart_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

func amount(text string) decimal.NullDecimal {
	return decimal.NewNullDecimal(decimal.RequireFromString(text))
}

var noAmount decimal.NullDecimal

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// requireSame compares what two requests say; amounts as numbers, and Raw apart.
func requireSame(t testing.TB, want, got *bitcart.Request) {
	t.Helper()
	requireAmount(t, want.Amount, got.Amount, "Amount")
	requireAmount(t, want.SentAmount, got.SentAmount, "SentAmount")
	w, g := *want, *got
	w.Amount, w.SentAmount, w.Raw = noAmount, noAmount, nil
	g.Amount, g.SentAmount, g.Raw = noAmount, noAmount, nil
	require.Equal(t, w, g)
}

func requireAmount(t testing.TB, want, got decimal.NullDecimal, name string) {
	t.Helper()
	require.Equal(t, want.Valid, got.Valid, name)
	require.True(t, want.Decimal.Equal(got.Decimal), "%s: want %s, got %s", name, want.Decimal, got.Decimal)
}

// readAnswer is what GetRequest makes of an answer.
func readAnswer(t testing.TB, currency string, w bitcart.Wallet, answer string) (*bitcart.Request, error) {
	t.Helper()
	return coinOn(t, currency, always(result(answer)), w).GetRequest(t.Context(), "key")
}

const (
	hash1 = "3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a"
	hash2 = "750b1409750b1409750b1409750b1409750b1409750b1409750b1409750b1409"
)

func TestRequestOfEachFamily(t *testing.T) {
	t.Parallel()
	token := bitcart.Wallet{Xpub: "seed", Contract: "0xdAC17F958D2ee523a2206206994597C13D831ec7"}
	category := strings.Repeat("ab", 32)
	tests := []struct {
		name, currency string
		wallet         bitcart.Wallet
		answer         string
		want           bitcart.Request
	}{
		{
			name: "Electrum, as added", currency: "BTC",
			answer: `{"is_lightning":false,"amount_BTC":"0.5","message":"My invoice","timestamp":1795311845,"expiry":900,"status":0,
				"status_str":"Expires in about 15 minutes","amount_sat":50000000,"request_id":"4d3c7846c4","address":"bcrt1qx",
				"URI":"bitcoin:bcrt1qx?amount=0.5&message=My%20invoice&time=1795311845&exp=900","tx_hashes":[]}`,
			want: bitcart.Request{
				Key: "4d3c7846c4", Address: "bcrt1qx", URI: "bitcoin:bcrt1qx?amount=0.5&message=My%20invoice&time=1795311845&exp=900",
				Description: "My invoice", StatusStr: "Expires in about 15 minutes", Amount: amount("0.5"),
				Created: at(1795311845), ExpiresAt: at(1795312745), Symbol: "BTC",
			},
		},
		{
			name: "Electrum, without amount and description", currency: "LTC",
			answer: `{"is_lightning":false,"amount_LTC":"unknown","message":"","timestamp":1795311630,"expiry":0,"status":0,"status_str":"Unpaid",
				"amount_sat":null,"request_id":"748924d07b","address":"ltc1q","URI":null,"tx_hashes":[],"sent_amount":"0.00000000"}`,
			want: bitcart.Request{
				Key: "748924d07b", Address: "ltc1q", StatusStr: "Unpaid", SentAmount: amount("0"), Created: at(1795311630), Symbol: "LTC",
			},
		},
		{
			name: "Electrum, paid by two", currency: "BTC",
			answer: `{"is_lightning":false,"amount_BTC":"0.5","message":"My invoice","timestamp":1795311884,"expiry":900,"status":7,
				"status_str":"Unconfirmed","amount_sat":50000000,"request_id":"5bb56e50f4","address":"bcrt1q9","URI":"bitcoin:x",
				"confirmations":0,"tx_hashes":["` + hash1 + `","` + hash2 + `"],"sent_amount":"0.50000000"}`,
			want: bitcart.Request{
				Key: "5bb56e50f4", Address: "bcrt1q9", URI: "bitcoin:x", Description: "My invoice", Status: bitcart.StatusUnconfirmed,
				StatusStr: "Unconfirmed", Amount: amount("0.5"), SentAmount: amount("0.5"), TxHashes: []string{hash1, hash2},
				Created: at(1795311884), ExpiresAt: at(1795312784), Symbol: "BTC",
			},
		},
		{
			name: "lightning", currency: "BTC",
			answer: `{"is_lightning":true,"amount_BTC":"0.0005","message":"ln","timestamp":1795311631,"expiry":900,"status":3,"status_str":"Paid",
				"amount_sat":50000,"amount_msat":50000000,"request_id":"` + hash1 + `","rhash":"` + hash1 + `","lightning_invoice":"lnbc5","can_receive":false}`,
			want: bitcart.Request{
				Key: hash1, RHash: hash1, LightningInvoice: "lnbc5", Description: "ln", Status: bitcart.StatusPaid, StatusStr: "Paid",
				Amount: amount("0.0005"), Created: at(1795311631), ExpiresAt: at(1795312531), Symbol: "BTC",
			},
		},
		{
			name: "BCH, as added", currency: "BCH",
			answer: `{"time":1795312019,"amount":50000000,"exp":900,"address":"qr0khg85","memo":"My invoice","id":"969d4c27df","tokenreq":false,
				"category_id":null,"URI":"bchreg:qr0khg85?amount=0.5","status":"Pending","tx_hashes":[],"amount (BCH)":"0.5","sent_amount":"0.00000000"}`,
			want: bitcart.Request{
				Key: "qr0khg85", Address: "qr0khg85", URI: "bchreg:qr0khg85?amount=0.5", Description: "My invoice", StatusStr: "Pending",
				Amount: amount("0.5"), SentAmount: amount("0"), Created: at(1795312019), ExpiresAt: at(1795312919), Symbol: "BCH",
			},
		},
		{
			name: "BCH, paid", currency: "BCH",
			answer: `{"time":1795312019,"amount":50000000,"exp":null,"address":"qr0khg85","memo":"","id":"969d4c27df","tokenreq":false,"category_id":null,
				"URI":"bchreg:qr0khg85?amount=0.5","status":"Paid","confirmations":3,"tx_hashes":["` + hash1 + `"],"amount (BCH)":"0.5","sent_amount":"0.50000000"}`,
			want: bitcart.Request{
				Key: "qr0khg85", Address: "qr0khg85", URI: "bchreg:qr0khg85?amount=0.5", Status: bitcart.StatusPaid, StatusStr: "Paid", Confirmations: 3,
				TxHashes: []string{hash1}, Amount: amount("0.5"), SentAmount: amount("0.5"), Created: at(1795312019), Symbol: "BCH",
			},
		},
		{
			name: "BCH, an amount of zero and one that is unknown", currency: "BCH",
			answer: `{"time":1,"amount":0,"exp":null,"address":"q","memo":null,"status":"Expired","amount (BCH)":"0.","sent_amount":"Unknown"}`,
			want: bitcart.Request{
				Key: "q", Address: "q", Status: bitcart.StatusExpired, StatusStr: "Expired", Amount: amount("0"), Created: at(1), Symbol: "BCH",
			},
		},
		{
			name: "BCH token", currency: "BCH", wallet: bitcart.Wallet{Xpub: "seed", Contract: category},
			answer: `{"time":5,"amount":250,"exp":10,"address":"zq","memo":"","id":"8","tokenreq":true,"category_id":"` + category + `","URI":"bitcoincash:zq",
				"status":"Unconfirmed","confirmations":0,"tx_hashes":["` + hash1 + `"],"amount (Gem)":"2.5","sent_amount":"2.50"}`,
			want: bitcart.Request{
				Key: "zq", Address: "zq", URI: "bitcoincash:zq", Status: bitcart.StatusUnconfirmed, StatusStr: "Unconfirmed", TxHashes: []string{hash1},
				Amount: amount("2.5"), SentAmount: amount("2.5"), Created: at(5), ExpiresAt: at(15), Contract: category, Symbol: "Gem",
			},
		},
		{
			name: "XRG", currency: "XRG",
			answer: `{"time":5,"amount":null,"exp":900,"address":"q","memo":"","id":"6","URI":"ergon:q","status":"Pending","tx_hashes":[],
				"amount (XRG)":"Unknown","sent_amount":"0.00000000"}`,
			want: bitcart.Request{
				Key: "q", Address: "q", URI: "ergon:q", StatusStr: "Pending", SentAmount: amount("0"), Created: at(5), ExpiresAt: at(905), Symbol: "XRG",
			},
		},
		{
			name: "ETH, paid by two", currency: "ETH",
			answer: `{"id":"jC0n","request_id":"jC0n","is_lightning":false,"amount_ETH":"1.500000000000000000","sent_amount":"1.500000000000000000",
				"message":"m","timestamp":1795311153,"expiration":1795312053,"payment_address":"0x2222","status":3,"status_str":"Paid",
				"tx_hashes":["0xcf69","0x45dd"],"confirmations":2,"amount_wei":1500000000000000000,"address":"0x1111","URI":"ethereum:0x1111@1"}`,
			want: bitcart.Request{
				Key: "jC0n", Address: "0x1111", URI: "ethereum:0x1111@1", Description: "m", Status: bitcart.StatusPaid, StatusStr: "Paid",
				Amount: amount("1.5"), SentAmount: amount("1.5"), TxHashes: []string{"0xcf69", "0x45dd"}, Confirmations: 2,
				Created: at(1795311153), ExpiresAt: at(1795312053), Payer: "0x2222", Symbol: "ETH",
			},
		},
		{
			name: "ETH, more than 64 bits, for ever", currency: "ETH",
			answer: `{"id":"a","request_id":"a","amount_ETH":"123456789012345678901234567890.000000000000000001","sent_amount":"25.000000000000000000",
				"message":"","timestamp":1795311153,"expiration":0,"payment_address":null,"status":0,"status_str":"Unpaid",
				"amount_wei":123456789012345678901234567890000000000000000001,"address":"0x1","URI":"ethereum:0x1@1"}`,
			want: bitcart.Request{
				Key: "a", Address: "0x1", URI: "ethereum:0x1@1", StatusStr: "Unpaid", Amount: amount("123456789012345678901234567890.000000000000000001"),
				SentAmount: amount("25"), Created: at(1795311153), Symbol: "ETH",
			},
		},
		{
			name: "ETH, made without amount", currency: "ETH",
			answer: `{"request_id":"a","amount_ETH":"0.000000000000000000","sent_amount":"0.000000000000000000","message":"","timestamp":1,
				"expiration":901,"payment_address":null,"status":0,"status_str":"Expires at x","amount_wei":0,"address":"0x1","URI":"u"}`,
			want: bitcart.Request{
				Key: "a", Address: "0x1", URI: "u", StatusStr: "Expires at x", SentAmount: amount("0"), Created: at(1), ExpiresAt: at(901), Symbol: "ETH",
			},
		},
		{
			name: "ETH token", currency: "ETH", wallet: token,
			answer: `{"id":"t","request_id":"t","is_lightning":false,"amount_USDT":"2.500000","sent_amount":"0.000000","message":"m","timestamp":9,
				"expiration":0,"payment_address":null,"status":0,"status_str":"Unpaid","amount_wei":2500000,"address":"0x1","URI":"ethereum:c/transfer"}`,
			want: bitcart.Request{
				Key: "t", Address: "0x1", URI: "ethereum:c/transfer", Description: "m", StatusStr: "Unpaid", Amount: amount("2.5"), SentAmount: amount("0"),
				Created: at(9), Contract: token.Contract, Symbol: "USDT",
			},
		},
		{
			name: "a token whose symbol looks like a unit", currency: "ETH", wallet: token,
			answer: `{"request_id":"t","amount_WEI":"2.5","amount_wei":25,"timestamp":9,"expiration":0,"status":0,"status_str":"Unpaid"}`,
			want:   bitcart.Request{Key: "t", StatusStr: "Unpaid", Amount: amount("2.5"), Created: at(9), Contract: token.Contract, Symbol: "WEI"},
		},
		{
			name: "a token that the wallet does not name", currency: "BCH",
			answer: `{"time":5,"amount":250,"exp":null,"address":"zq","category_id":"` + category + `","status":"Pending","amount (Gem)":"2.5"}`,
			want:   bitcart.Request{Key: "zq", Address: "zq", StatusStr: "Pending", Amount: amount("2.5"), Created: at(5), Contract: category, Symbol: "Gem"},
		},
		{
			name: "a token beside its coin", currency: "ETH", wallet: token,
			answer: `{"request_id":"t","amount_ETH":"9","amount_USDT":"2.5","timestamp":9,"expiration":0,"status":0,"status_str":"Unpaid"}`,
			want:   bitcart.Request{Key: "t", StatusStr: "Unpaid", Amount: amount("2.5"), Created: at(9), Contract: token.Contract, Symbol: "USDT"},
		},
		{
			name: "XMR", currency: "XMR",
			answer: `{"id":"1122334455667788","request_id":"1122334455667788","amount_XMR":"0.150000000000","sent_amount":"0.100000000000","message":"",
				"timestamp":9,"expiration":909,"payment_address":null,"status":7,"status_str":"Unconfirmed","tx_hashes":["` + hash1 + `"],"confirmations":0,
				"amount_piconero":150000000000,"address":"4Int","URI":"monero:4Int?tx_amount=0.150000000000"}`,
			want: bitcart.Request{
				Key: "1122334455667788", Address: "4Int", URI: "monero:4Int?tx_amount=0.150000000000", Status: bitcart.StatusUnconfirmed,
				StatusStr: "Unconfirmed", Amount: amount("0.15"), SentAmount: amount("0.1"), TxHashes: []string{hash1},
				Created: at(9), ExpiresAt: at(909), Symbol: "XMR",
			},
		},
		{
			name: "a coin that has another name now", currency: "MATIC",
			answer: `{"request_id":"p","amount_POL":"3","amount_wei":3000000000000000000,"timestamp":9,"expiration":0,"status":0,"status_str":"Unpaid"}`,
			want:   bitcart.Request{Key: "p", StatusStr: "Unpaid", Amount: amount("3"), Created: at(9), Symbol: "POL"},
		},
		{
			name: "nothing but the smallest unit", currency: "ETH",
			answer: `{"request_id":"w","amount_wei":25000000000000000000,"timestamp":9,"expiration":0,"status":0,"status_str":"Unpaid"}`,
			want:   bitcart.Request{Key: "w", StatusStr: "Unpaid", Amount: amount("25"), Created: at(9), Symbol: "ETH"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := test.wallet
			if w.Xpub == "" {
				w = walletOf(test.currency)
			}
			got, err := readAnswer(t, test.currency, w, test.answer)
			require.NoError(t, err)
			requireSame(t, &test.want, got)
			require.JSONEq(t, test.answer, string(got.Raw))
		})
	}
}

func TestRequestAmounts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		wire string
		want decimal.NullDecimal
	}{
		{`"0.5"`, amount("0.5")}, {`0.5`, amount("0.5")}, {`"1E-8"`, amount("0.00000001")}, {`1e-8`, amount("0.00000001")},
		{`"0E-18"`, amount("0")}, {`"0."`, amount("0")}, {`"-0.1"`, amount("-0.1")}, {`"unknown"`, noAmount}, {`"Unknown"`, noAmount}, {`null`, noAmount},
		{`25000000000000000000`, amount("25000000000000000000")}, {`"21000000.00000001"`, amount("21000000.00000001")},
	}
	for _, test := range tests {
		for currency, answer := range map[string]string{
			"BTC": `{"request_id":"k","timestamp":1,"status":0,"amount_BTC":%[1]s,"sent_amount":%[1]s}`,
			"BCH": `{"address":"k","time":1,"status":"Pending","amount (BCH)":%[1]s,"sent_amount":%[1]s}`,
			"TRX": `{"request_id":"k","timestamp":1,"status":0,"sent_amount":%[1]s}`,
		} {
			t.Run(currency+" "+test.wire, func(t *testing.T) {
				r, err := readAnswer(t, currency, walletOf(currency), fmt.Sprintf(answer, test.wire))
				require.NoError(t, err)
				requireAmount(t, test.want, r.SentAmount, "SentAmount")
				if currency != "TRX" {
					requireAmount(t, test.want, r.Amount, "Amount")
				}
			})
		}
	}
	for _, wrong := range []string{`"lots"`, `""`, `true`, `{}`, `["1"]`, `"NaN"`, `"1e999999999"`, `"0x10"`, `"1,5"`, `"` + strings.Repeat("9", 500) + `"`} {
		t.Run(wrong[:min(20, len(wrong))], func(t *testing.T) {
			_, err := readAnswer(t, "BTC", walletOf("BTC"), `{"request_id":"k","timestamp":1,"status":0,"amount_BTC":"1","sent_amount":`+wrong+`}`)
			require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
			require.Contains(t, err.Error(), "sent_amount")
		})
	}
}

func TestRequestStatuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		wire, shown string // the members status and status_str; "" = not there
		want        bitcart.RequestStatus
		text        string
	}{
		{`0`, `"Unpaid"`, bitcart.StatusUnpaid, "Unpaid"}, {`3`, `"Bezahlt"`, bitcart.StatusPaid, "Bezahlt"}, {`9`, ``, bitcart.StatusBroadcast, "9"},
		{`42`, `"New"`, bitcart.RequestStatus(42), "New"},
		{`"Pending"`, ``, bitcart.StatusUnpaid, "Pending"}, {`"Unpaid"`, ``, bitcart.StatusUnpaid, "Unpaid"},
		{`"Expired"`, ``, bitcart.StatusExpired, "Expired"}, {`"Unknown"`, ``, bitcart.StatusUnknown, "Unknown"},
		{`"Paid"`, ``, bitcart.StatusPaid, "Paid"}, {`"PAID"`, ``, bitcart.StatusPaid, "PAID"}, {`"In progress"`, ``, bitcart.StatusInFlight, "In progress"},
		{`"Failed"`, ``, bitcart.StatusFailed, "Failed"}, {`"Computing route..."`, ``, bitcart.StatusRouting, "Computing route..."},
		{`"Unconfirmed"`, ``, bitcart.StatusUnconfirmed, "Unconfirmed"}, {`"Broadcasting"`, ``, bitcart.StatusBroadcasting, "Broadcasting"},
		{`"Broadcast successfully"`, ``, bitcart.StatusBroadcast, "Broadcast successfully"}, {`"3"`, ``, bitcart.StatusPaid, "3"},
		{`"Refunded"`, ``, bitcart.StatusUnknown, "Refunded"}, {`"Refunded"`, `"Given back"`, bitcart.StatusUnknown, "Given back"},
		{`null`, `"Paid"`, bitcart.StatusUnknown, "Paid"}, {``, ``, bitcart.StatusUnknown, ""}, {`-1`, ``, bitcart.StatusUnknown, "-1"},
		{`3.5`, ``, bitcart.StatusUnknown, "3.5"}, {`true`, ``, bitcart.StatusUnknown, "true"}, {`99999999999999999999`, ``, bitcart.StatusUnknown, "99999999999999999999"},
	}
	for _, test := range tests {
		t.Run(test.wire+" "+test.shown, func(t *testing.T) {
			answer := `{"address":"k","time":1`
			if test.wire != "" {
				answer += `,"status":` + test.wire
			}
			if test.shown != "" {
				answer += `,"status_str":` + test.shown
			}
			r, err := readAnswer(t, "BCH", walletOf("BCH"), answer+`}`)
			require.NoError(t, err)
			require.Equal(t, test.want, r.Status)
			require.Equal(t, test.text, r.StatusStr)
		})
	}
}

func TestRequestTimes(t *testing.T) {
	t.Parallel()
	relative, absolute := `{"request_id":"k","status":0,"timestamp":%s,"expiry":%s}`, `{"request_id":"k","status":0,"timestamp":%s,"expiration":%s}`
	tests := []struct {
		name, currency, answer string
		created, expires       time.Time
	}{
		{"relative", "BTC", fmt.Sprintf(relative, "1000", "900"), at(1000), at(1900)},
		{"relative, never", "BTC", fmt.Sprintf(relative, "1000", "0"), at(1000), time.Time{}},
		{"relative, null", "BTC", fmt.Sprintf(relative, "1000", "null"), at(1000), time.Time{}},
		{"relative, negative", "BTC", fmt.Sprintf(relative, "1000", "-5"), at(1000), time.Time{}},
		{"relative, beyond all times", "BTC", fmt.Sprintf(relative, "1000", "9000000000000000000"), at(1000), time.Time{}},
		{"absolute", "ETH", fmt.Sprintf(absolute, "1000", "1900"), at(1000), at(1900)},
		{"absolute, never", "ETH", fmt.Sprintf(absolute, "1000", "0"), at(1000), time.Time{}},
		{"absolute, null", "ETH", fmt.Sprintf(absolute, "1000", "null"), at(1000), time.Time{}},
		{"with a fraction", "ETH", fmt.Sprintf(absolute, "1000.75", "1900.25"), at(1000), at(1900)},
		{"neither", "BTC", `{"request_id":"k","status":0}`, time.Time{}, time.Time{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := readAnswer(t, test.currency, walletOf(test.currency), test.answer)
			require.NoError(t, err)
			require.Equal(t, test.created, r.Created)
			require.Equal(t, test.expires, r.ExpiresAt)
		})
	}
}

// An answer that cannot be read must not pass for a request that nobody has paid.
func TestRequestsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, currency, answer, member string }{
		{"null", "BTC", `null`, ""},
		{"false", "BTC", `false`, ""},
		{"list", "BTC", `[]`, ""},
		{"no key", "BTC", `{"address":"a","timestamp":1,"status":0}`, "request_id"},
		{"empty key", "BTC", `{"request_id":"","timestamp":1}`, "request_id"},
		{"the id is no key", "BCH", `{"id":"969d4c27df","time":1}`, "address"},
		{"number for a text", "ETH", `{"request_id":5}`, "request_id"},
		{"hashes", "ETH", `{"request_id":"k","tx_hashes":"0x1"}`, "tx_hashes"},
		{"confirmations", "ETH", `{"request_id":"k","confirmations":"many"}`, "confirmations"},
		{"too many confirmations", "ETH", `{"request_id":"k","confirmations":99999999999}`, "confirmations"},
		{"time", "ETH", `{"request_id":"k","timestamp":"now"}`, "timestamp"},
		{"time before all times", "ETH", `{"request_id":"k","timestamp":-5}`, "timestamp"},
		{"time after all times", "ETH", `{"request_id":"k","expiration":1e15}`, "expiration"},
		{"an end without beginning", "BTC", `{"request_id":"k","expiry":900}`, "timestamp"},
		{"fraction of a second", "BTC", `{"request_id":"k","timestamp":1,"expiry":0.5}`, "expiry"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := readAnswer(t, test.currency, walletOf(test.currency), test.answer)
			require.Nil(t, r)
			require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
			require.ErrorIs(t, err, bitcart.ErrMaybeSent, "the daemon has done what it was asked")
			require.NotErrorIs(t, err, bitcart.ErrConnectionFailed)
			require.Contains(t, err.Error(), test.member)
			require.True(t, strings.HasPrefix(err.Error(), "bitcart: get"), err.Error())
		})
	}
}

func TestRequestWithOddMembers(t *testing.T) {
	t.Parallel()
	w := always(result(`{"request_id":"k","status":3,"confirmations":-1,"tx_hashes":["a",null,"","b"]}`))
	r, err := coinOn(t, "BTC", w, walletOf("BTC")).GetRequest(t.Context(), "k")
	require.NoError(t, err)
	require.Zero(t, r.Confirmations)
	require.Equal(t, []string{"a", "b"}, r.TxHashes)
}

func TestRemaining(t *testing.T) {
	t.Parallel()
	tests := []struct {
		amount, sent, want decimal.NullDecimal
	}{
		{amount("1"), amount("0"), amount("1")},
		{amount("1"), amount("0.4"), amount("0.6")},
		{amount("1"), amount("1"), amount("0")},
		{amount("1"), amount("1.5"), amount("0")},
		{amount("0.000000000000000003"), amount("0.000000000000000002"), amount("0.000000000000000001")},
		{noAmount, amount("1"), noAmount},
		{amount("1"), noAmount, noAmount},
	}
	for _, test := range tests {
		r := &bitcart.Request{Amount: test.amount, SentAmount: test.sent}
		requireAmount(t, test.want, r.Remaining(), "Remaining")
	}
}

// Nobody may take lamports for coins.
func TestUnitsOfACurrencyThatNamesNone(t *testing.T) {
	t.Parallel()
	symbol := newSymbol()
	require.NoError(t, bitcart.RegisterCurrency(bitcart.Currency{Symbol: symbol, Port: 5012, Family: bitcart.FamilyAccount, Decimals: 9}))
	for answer, want := range map[string]bitcart.Request{
		`{"request_id":"k","amount_lamport":5}`:                      {}, // the amount of a unit, and the token's symbol is unknown
		`{"request_id":"k","amount_lamport":5,"amount_USDC":"2.5"}`:  {Symbol: "USDC", Amount: amount("2.5")},
		`{"request_id":"k","amount_lamport":5,"amount_OTHER":"0.5"}`: {Symbol: "OTHER", Amount: amount("0.5")},
	} {
		r, err := readAnswer(t, symbol, bitcart.Wallet{Xpub: "x", Contract: "c"}, answer)
		require.NoError(t, err)
		require.Equal(t, want.Symbol, r.Symbol)
		requireAmount(t, want.Amount, r.Amount, answer)
	}
}

func TestUnknownMembersStayInRaw(t *testing.T) {
	t.Parallel()
	r, err := readAnswer(t, "ETH", walletOf("ETH"), `{"request_id":"k","timestamp":1,"new_member":{"deep":[1,2]},"amount_ETH":"1"}`)
	require.NoError(t, err)
	var more struct {
		New struct{ Deep []int } `json:"new_member"`
	}
	require.NoError(t, json.Unmarshal(r.Raw, &more))
	require.Equal(t, []int{1, 2}, more.New.Deep)
}

// FuzzRequest: any answer is a request that makes sense, or an error.
func FuzzRequest(f *testing.F) {
	for _, currency := range everyCurrency {
		for _, name := range []string{"add_request", "addrequest", "get_request", "get_request.paid", "getrequest.paid", "getrequest.token",
			"add_request.lightning", "addrequest.zero", "getrequest.bare"} {
			if g, ok := exchangeOf(f, currency, name); ok && g.Result != nil {
				f.Add(currency, []byte(g.Result))
			}
		}
	}
	f.Add("BTC", []byte(`{"request_id":"k","timestamp":1e3,"expiry":9223372036854775807,"amount_BTC":"1e-100","status":"x"}`))
	f.Add("ETH", []byte(`{"request_id":"k","amount_":"1","amount_A":5,"amount_B":6,"amount_wei":null}`))
	f.Add("BCH", []byte(`{"address":"k","amount ()":"0.","category_id":"c","time":253402300799,"exp":1}`))
	f.Fuzz(func(t *testing.T, currency string, answer []byte) {
		coin, err := bitcart.NewCoin(currency)
		if err != nil {
			return
		}
		currency = coin.Currency()
		r, err := readAnswer(t, currency, walletOf(currency), string(answer))
		if err != nil {
			require.Nil(t, r)
			var call *bitcart.CallError
			var answered *bitcart.RPCError // the answer can close the envelope and open another
			require.True(t, errors.As(err, &call) || errors.As(err, &answered), "%v", err)
			return
		}
		require.NotEmpty(t, r.Key)
		require.NotEmpty(t, r.Raw)
		requireSameNumber(t, r.Raw, "sent_amount", r.SentAmount)
		require.False(t, !r.ExpiresAt.IsZero() && r.ExpiresAt.Year() > 9999)
		_, err = json.Marshal(r)
		require.NoError(t, err)
		_ = r.Remaining()
	})
}

// requireSameNumber compares an amount with what math/big makes of the same text.
func requireSameNumber(t testing.TB, raw json.RawMessage, member string, got decimal.NullDecimal) {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &members))
	text := string(members[member])
	if !got.Valid {
		require.Contains(t, []string{"", "null", `"unknown"`}, strings.ToLower(text))
		return
	}
	var quoted string
	if json.Unmarshal([]byte(text), &quoted) == nil {
		text = quoted
	}
	want, ok := new(big.Rat).SetString(strings.ReplaceAll(text, "\u2212", "-"))
	require.True(t, ok, text)
	require.Zero(t, want.Cmp(got.Decimal.Rat()), "%s is not %s", got.Decimal, text)
}
