package bitcart_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// money is an amount that is present.
func money(t testing.TB, text string) decimal.NullDecimal {
	t.Helper()
	d, err := decimal.NewFromString(text)
	require.NoError(t, err)
	return decimal.NewNullDecimal(d)
}

// requireSamePayload compares payloads, and amounts by their value.
func requireSamePayload(t *testing.T, want, got any) {
	t.Helper()
	switch want := want.(type) {
	case bitcart.NewTransaction:
		got := got.(bitcart.NewTransaction)
		requireSameMoney(t, want.Amount, got.Amount)
		want.Amount, got.Amount = decimal.NullDecimal{}, decimal.NullDecimal{}
		require.Equal(t, want, got)
	case bitcart.NewPayment:
		got := got.(bitcart.NewPayment)
		requireSameMoney(t, want.SentAmount, got.SentAmount)
		want.SentAmount, got.SentAmount = decimal.NullDecimal{}, decimal.NullDecimal{}
		require.Equal(t, want, got)
	default:
		require.Equal(t, want, got)
	}
}

func requireSameMoney(t *testing.T, want, got decimal.NullDecimal) {
	t.Helper()
	require.Equal(t, want.Valid, got.Valid)
	if want.Valid {
		require.True(t, want.Decimal.Equal(got.Decimal), "want %s, got %s", want.Decimal, got.Decimal)
	}
}

// requireBoth reads a payload as a value and as a pointer.
func requireBoth[P bitcart.Payload](t *testing.T, want P, ev *bitcart.Event) {
	t.Helper()
	value, err := bitcart.PayloadOf[P](ev)
	require.NoError(t, err)
	requireSamePayload(t, want, value)
	pointer, err := bitcart.PayloadOf[*P](ev)
	require.NoError(t, err)
	require.NotNil(t, pointer)
	requireSamePayload(t, want, *pointer)
	require.Equal(t, want.EventName(), ev.Name)
}

func TestPayloadsOfAllFamilies(t *testing.T) {
	hash := strings.Repeat("9dc8d56b", 8)
	tests := []struct {
		name, text string
		want       any
	}{
		{"block", `{"event":"new_block","height":1001}`, bitcart.NewBlock{Height: 1001}},
		{"genesis", `{"event":"new_block","height":0}`, bitcart.NewBlock{}},
		{
			"electrum payment",
			`{"event":"new_payment","address":"5bb56e50f4","status":7,"status_str":"Unconfirmed","tx_hashes":["750b","9dc8"],"sent_amount":"0.50000000"}`,
			bitcart.NewPayment{
				Address: "5bb56e50f4", Status: bitcart.StatusUnconfirmed, StatusStr: "Unconfirmed",
				TxHashes: []string{"750b", "9dc8"}, SentAmount: money(t, "0.5"),
			},
		},
		{
			"lightning payment",
			`{"event":"new_payment","address":"` + hash + `","status":3,"status_str":"Paid","tx_hashes":["` + hash + `"],"sent_amount":"0.00050000"}`,
			bitcart.NewPayment{
				Address: hash, Status: bitcart.StatusPaid, StatusStr: "Paid",
				TxHashes: []string{hash}, SentAmount: money(t, "0.0005"),
			},
		},
		{"electrum transaction", `{"event":"new_transaction","tx":"9dc8d56b"}`, bitcart.NewTransaction{Tx: "9dc8d56b"}},
		{"verified", `{"event":"verified_tx","tx":"9dc8d56b","height":812345}`, bitcart.VerifiedTx{Tx: "9dc8d56b", Height: 812345}},
		{
			"electron cash payment",
			`{"event":"new_payment","address":"qr0khg85","status":7,"status_str":"Unconfirmed","tx_hashes":["3a75bfa2"],"sent_amount":"0.50000000"}`,
			bitcart.NewPayment{
				Address: "qr0khg85", Status: bitcart.StatusUnconfirmed, StatusStr: "Unconfirmed",
				TxHashes: []string{"3a75bfa2"}, SentAmount: money(t, "0.5"),
			},
		},
		{
			"ETH transaction",
			`{"event":"new_transaction","tx":"0xcf69","from_address":"0x2222","to":"0x1111","amount":"0.500000000000000000","contract":null}`,
			bitcart.NewTransaction{Tx: "0xcf69", FromAddress: "0x2222", To: "0x1111", Amount: money(t, "0.5")},
		},
		{
			"ETH payment in part",
			`{"event":"new_payment","address":"jC0nO-UTy_sOVE7Oznp8MTVeSI2mSMW0LlIjzwgGpEY","status":0,"status_str":"Expires at Sun Nov 22 01:47:33 2026","tx_hashes":["0xcf69"],"sent_amount":"0.500000000000000001","contract":null}`,
			bitcart.NewPayment{
				Address: "jC0nO-UTy_sOVE7Oznp8MTVeSI2mSMW0LlIjzwgGpEY", StatusStr: "Expires at Sun Nov 22 01:47:33 2026",
				TxHashes: []string{"0xcf69"}, SentAmount: money(t, "0.500000000000000001"),
			},
		},
		{
			"ETH token payment",
			`{"event":"new_payment","address":"4dFJxSpL","status":3,"status_str":"Paid","tx_hashes":["0x7d81"],"sent_amount":"3.000000","contract":"0xdAC1"}`,
			bitcart.NewPayment{
				Address: "4dFJxSpL", Status: bitcart.StatusPaid, StatusStr: "Paid",
				TxHashes: []string{"0x7d81"}, SentAmount: money(t, "3"), Contract: "0xdAC1",
			},
		},
		{
			"TRX token transaction",
			`{"event":"new_transaction","tx":"ab","from_address":"TA","to":"TB","amount":"3.000000","contract":"TC"}`,
			bitcart.NewTransaction{Tx: "ab", FromAddress: "TA", To: "TB", Amount: money(t, "3"), Contract: "TC"},
		},
		{"XMR transaction", `{"event":"new_transaction","tx":"abcd"}`, bitcart.NewTransaction{Tx: "abcd"}},
		{
			"XMR payment",
			`{"event":"new_payment","address":"0123456789abcdef","status":7,"status_str":"Unconfirmed","tx_hashes":["ab"],"sent_amount":"0.150000000000","contract":null}`,
			bitcart.NewPayment{
				Address: "0123456789abcdef", Status: bitcart.StatusUnconfirmed, StatusStr: "Unconfirmed",
				TxHashes: []string{"ab"}, SentAmount: money(t, "0.15"),
			},
		},
		{
			"XRG payment with less",
			`{"event":"new_payment","address":"q","status":0,"status_str":"Pending"}`,
			bitcart.NewPayment{Address: "q", StatusStr: "Pending"},
		},
		{
			"members in another order, others beside them",
			`{"height":5,"more":{"height":6},"event":"verified_tx","x":[1],"tx":"a"}`,
			bitcart.VerifiedTx{Tx: "a", Height: 5},
		},
		{"escapes", `{"event":"new_transaction","tx":"\u0061\n\ud83d\ude00"}`, bitcart.NewTransaction{Tx: "a\n😀"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev := eventOfText(t, tt.text)
			switch want := tt.want.(type) {
			case bitcart.NewBlock:
				requireBoth(t, want, ev)
			case bitcart.NewTransaction:
				requireBoth(t, want, ev)
			case bitcart.NewPayment:
				requireBoth(t, want, ev)
			case bitcart.VerifiedTx:
				requireBoth(t, want, ev)
			}
		})
	}
}

func TestPayloadAmounts(t *testing.T) {
	tests := []struct {
		name, wire string // "" = the member is absent
		want       string // "" = no amount
	}{
		{"absent", "", ""},
		{"null", `null`, ""},
		{"zero", `"0"`, "0"},
		{"zero of Electron Cash", `"0."`, "0"},
		{"dot at the end", `"12."`, "12"},
		{"8 decimals", `"0.00000001"`, "0.00000001"},
		{"18 decimals", `"123456789.000000000000000001"`, "123456789.000000000000000001"},
		{"more than a float holds", `"9007199254740993.123456789012345678"`, "9007199254740993.123456789012345678"},
		{"more than 64 bits", `"25000000000000000000"`, "25000000000000000000"},
		{"scientific", `"1E-8"`, "0.00000001"},
		{"scientific, lower case", `"1e-8"`, "0.00000001"},
		{"scientific with plus", `"2.5E+3"`, "2500"},
		{"scientific zero", `"0E-18"`, "0"},
		{"negative", `"-0.5"`, "-0.5"},
		{"number", `0.1`, "0.1"},
		{"number of 18 decimals", `0.100000000000000001`, "0.100000000000000001"},
		{"whole number", `3`, "3"},
		{"zero as a number", `0`, "0"},
		{"escaped digit", `"\u0031.5"`, "1.5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sent, amount := "", ""
			if tt.wire != "" {
				sent, amount = `,"sent_amount":`+tt.wire, `,"amount":`+tt.wire
			}
			want := decimal.NullDecimal{}
			if tt.want != "" {
				want = money(t, tt.want)
			}
			ev := eventOfText(t, `{"event":"new_payment","address":"a","status":0,"status_str":"s"`+sent+`}`)
			payment, err := bitcart.PayloadOf[bitcart.NewPayment](ev)
			require.NoError(t, err)
			requireSameMoney(t, want, payment.SentAmount)

			ev = eventOfText(t, `{"event":"new_transaction","tx":"a"`+amount+`}`)
			tx, err := bitcart.PayloadOf[*bitcart.NewTransaction](ev)
			require.NoError(t, err)
			requireSameMoney(t, want, tx.Amount)
		})
	}
}

func TestPayloadAmountsThatAreNone(t *testing.T) {
	for name, wire := range map[string]string{
		"empty":        `""`,
		"spaces":       `" 1"`,
		"text":         `"unknown"`,
		"infinite":     `"Infinity"`,
		"not a number": `"NaN"`,
		"two dots":     `"1.2.3"`,
		"comma":        `"1,5"`,
		"hex":          `"0x10"`,
		"underscore":   `"1_000"`,
		"bool":         `true`,
		"list":         `["1"]`,
		"object":       `{"Decimal":"1","Valid":true}`,
		"only a dot":   `"."`,
		"only an e":    `"e5"`,
	} {
		t.Run(name, func(t *testing.T) {
			ev := eventOfText(t, `{"event":"new_payment","address":"a","status":0,"status_str":"s","sent_amount":`+wire+`}`)
			_, err := bitcart.PayloadOf[bitcart.NewPayment](ev)
			requirePayloadError(t, err, "new_payment", "sent_amount")
		})
	}
}

// The text of such a number has more digits than a machine has memory.
func TestPayloadAmountsWithHugeExponents(t *testing.T) {
	for _, wire := range []string{
		`"1e2147483647"`, `"1e-2147483648"`, `"-1E999999999"`, `"1e100000"`, `"1e-100000"`, `1e2147483647`, `1e-99999999`,
		`"1e99999999999999999999"`, `"0e2000000000"`, `"1e9999"`, `"1e-9999"`, `"1.5e-2147483648"`,
	} {
		t.Run(wire, func(t *testing.T) {
			ev := eventOfText(t, `{"event":"new_transaction","tx":"a","amount":`+wire+`}`)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := bitcart.PayloadOf[bitcart.NewTransaction](ev)
			runtime.ReadMemStats(&after)
			requirePayloadError(t, err, "new_transaction", "amount")
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
		})
	}
}

func requirePayloadError(t *testing.T, err error, event, field string) {
	t.Helper()
	var pe *bitcart.PayloadError
	require.ErrorAs(t, err, &pe)
	require.Equal(t, event, pe.Event)
	require.Equal(t, field, pe.Field)
	require.ErrorContains(t, err, "bitcart: ")
	require.NotErrorIs(t, err, bitcart.ErrWrongEvent)
}

func TestPayloadRequiredMembers(t *testing.T) {
	full := map[string]map[string]any{
		"new_block":       {"height": 5},
		"new_transaction": {"tx": "a"},
		"new_payment":     {"address": "a", "status": 3, "status_str": "Paid"},
		"verified_tx":     {"tx": "a", "height": 5},
	}
	read := map[string][]func(*bitcart.Event) error{
		"new_block":       {errOf[bitcart.NewBlock], errOf[*bitcart.NewBlock]},
		"new_transaction": {errOf[bitcart.NewTransaction], errOf[*bitcart.NewTransaction]},
		"new_payment":     {errOf[bitcart.NewPayment], errOf[*bitcart.NewPayment]},
		"verified_tx":     {errOf[bitcart.VerifiedTx], errOf[*bitcart.VerifiedTx]},
	}
	for event, members := range full {
		for _, try := range read[event] {
			require.NoError(t, try(eventOf(t, bitcart.NewUpdate(event, members))))
			for member := range members {
				t.Run(event+" without "+member, func(t *testing.T) {
					err := try(eventOf(t, bitcart.NewUpdate(event, without(members, member))))
					requirePayloadError(t, err, event, member)
					require.ErrorIs(t, err, bitcart.ErrMissingMember)
				})
				t.Run(event+" with null "+member, func(t *testing.T) {
					body := without(members, member)
					body[member] = nil
					err := try(eventOf(t, bitcart.NewUpdate(event, body)))
					requirePayloadError(t, err, event, member)
					require.ErrorIs(t, err, bitcart.ErrMissingMember)
				})
			}
		}
	}
}

func errOf[P any](ev *bitcart.Event) error {
	_, err := bitcart.PayloadOf[P](ev)
	return err
}

func without(m map[string]any, key string) map[string]any {
	rest := map[string]any{}
	for k, v := range m {
		if k != key {
			rest[k] = v
		}
	}
	return rest
}

func TestPayloadMembersOfAWrongType(t *testing.T) {
	tests := []struct{ name, text, field string }{
		{"height as text", `{"event":"new_block","height":"5"}`, "height"},
		{"height as a fraction", `{"event":"new_block","height":5.5}`, "height"},
		{"height beyond 64 bits", `{"event":"new_block","height":9223372036854775808}`, "height"},
		{"height as a list", `{"event":"new_block","height":[5]}`, "height"},
		{"height as bool", `{"event":"new_block","height":true}`, "height"},
		{"tx as a number", `{"event":"new_transaction","tx":5}`, "tx"},
		{"tx as an object", `{"event":"new_transaction","tx":{"tx":"a"}}`, "tx"},
		{"from as a number", `{"event":"new_transaction","tx":"a","from_address":1}`, "from_address"},
		{"to as a list", `{"event":"new_transaction","tx":"a","to":[]}`, "to"},
		{"contract as bool", `{"event":"new_transaction","tx":"a","contract":false}`, "contract"},
		{"status as text", `{"event":"new_payment","address":"a","status":"3","status_str":"s"}`, "status"},
		{"status as a fraction", `{"event":"new_payment","address":"a","status":2.5,"status_str":"s"}`, "status"},
		{"status out of range", `{"event":"new_payment","address":"a","status":1e400,"status_str":"s"}`, "status"},
		{"status text as a number", `{"event":"new_payment","address":"a","status":3,"status_str":3}`, "status_str"},
		{"address as a number", `{"event":"new_payment","address":1,"status":3,"status_str":"s"}`, "address"},
		{"hashes as text", `{"event":"new_payment","address":"a","status":3,"status_str":"s","tx_hashes":"x"}`, "tx_hashes"},
		{"hashes as an object", `{"event":"new_payment","address":"a","status":3,"status_str":"s","tx_hashes":{}}`, "tx_hashes"},
		{"hashes of numbers", `{"event":"new_payment","address":"a","status":3,"status_str":"s","tx_hashes":[1]}`, "tx_hashes"},
		{"verified height as text", `{"event":"verified_tx","tx":"a","height":"5"}`, "height"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev := eventOfText(t, tt.text)
			var err error
			switch ev.Name {
			case "new_block":
				err = errOf[bitcart.NewBlock](ev)
			case "new_transaction":
				err = errOf[bitcart.NewTransaction](ev)
			case "new_payment":
				err = errOf[bitcart.NewPayment](ev)
			case "verified_tx":
				err = errOf[bitcart.VerifiedTx](ev)
			}
			var pe *bitcart.PayloadError
			require.ErrorAs(t, err, &pe)
			require.Equal(t, ev.Name, pe.Event)
			require.NotErrorIs(t, err, bitcart.ErrMissingMember)
			require.ErrorContains(t, err, tt.field)
		})
	}
}

// "" as Field means the body as a whole.
func TestPayloadErrorNamesTheMemberOfAWrongType(t *testing.T) {
	requirePayloadError(t, errOf[bitcart.NewBlock](eventOfText(t, `{"event":"new_block","height":"5"}`)), "new_block", "height")
	requirePayloadError(t, errOf[ownEvent](eventOfText(t,
		`{"event":"own","n":1,"text":5,"at":"2026-01-02T03:04:05Z","price":"1","Untagged":true}`)), "own", "text")
}

func TestPayloadOfNullLists(t *testing.T) {
	for name, wire := range map[string]string{"null": "null", "empty": "[]"} {
		t.Run(name, func(t *testing.T) {
			ev := eventOfText(t, `{"event":"new_payment","address":"a","status":3,"status_str":"s","tx_hashes":`+wire+`}`)
			p, err := bitcart.PayloadOf[bitcart.NewPayment](ev)
			require.NoError(t, err)
			require.Empty(t, p.TxHashes)
		})
	}
}

func TestPayloadOfAnotherEvent(t *testing.T) {
	ev := eventOfText(t, `{"event":"new_block","height":5,"tx":"a","address":"a","status":3,"status_str":"s","n":1}`)
	for name, try := range map[string]func(*bitcart.Event) error{
		"NewTransaction": errOf[bitcart.NewTransaction], "*NewTransaction": errOf[*bitcart.NewTransaction],
		"NewPayment": errOf[bitcart.NewPayment], "*NewPayment": errOf[*bitcart.NewPayment],
		"VerifiedTx": errOf[bitcart.VerifiedTx], "*VerifiedTx": errOf[*bitcart.VerifiedTx],
		"own": errOf[ownEvent], "*own": errOf[*ownEvent], "method of the pointer": errOf[*pointerEvent], "map": errOf[mapEvent],
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, try(ev), bitcart.ErrWrongEvent) })
	}
	require.NoError(t, errOf[bitcart.NewBlock](ev))
}

// ownEvent is a payload of the user's.
type ownEvent struct {
	N        int                 `json:"n"`
	Text     string              `json:"text"`
	At       time.Time           `json:"at"`
	Price    decimal.Decimal     `json:"price"`
	Pointer  *int                `json:"pointer"`
	List     []int               `json:"list"`
	Map      map[string]int      `json:"map"`
	Any      any                 `json:"any"`
	Amount   decimal.NullDecimal `json:"amount"`
	Empty    string              `json:"empty,omitempty"`
	Zero     int                 `json:"zero,omitzero"`
	Skipped  string              `json:"-"`
	Untagged bool
	hidden   int
}

func (ownEvent) EventName() string { return "own" }

type pointerEvent struct {
	N int `json:"n"`
}

func (*pointerEvent) EventName() string { return "pointer" }

type mapEvent map[string]any

func (mapEvent) EventName() string { return "map" }

type embedded struct {
	Inner string `json:"inner"`
}

type deepEvent struct {
	embedded
	*Outer
	N     int `json:"n"`
	Named struct {
		A int `json:"a"`
	} `json:"named"`
}

// Outer is exported, or encoding/json could not set the pointer.
type Outer struct {
	Far string `json:"far,omitempty"`
}

func (deepEvent) EventName() string { return "deep" }

func TestPayloadsOfTheUser(t *testing.T) {
	body := map[string]any{
		"n": 0, "text": "", "at": "2026-01-02T03:04:05Z", "price": "1.50", "Untagged": false,
	}
	t.Run("the least", func(t *testing.T) {
		ev := eventOf(t, bitcart.NewUpdate("own", body))
		value, err := bitcart.PayloadOf[ownEvent](ev)
		require.NoError(t, err)
		require.Equal(t, "1.5", value.Price.String())
		require.Equal(t, 2026, value.At.Year())
		require.False(t, value.Amount.Valid)
		pointer, err := bitcart.PayloadOf[*ownEvent](ev)
		require.NoError(t, err)
		require.True(t, value.Price.Equal(pointer.Price))
		require.Zero(t, pointer.hidden)
		require.Empty(t, pointer.Skipped)
	})
	for _, member := range []string{"n", "text", "at", "price", "Untagged"} {
		t.Run("without "+member, func(t *testing.T) {
			for _, try := range []func(*bitcart.Event) error{errOf[ownEvent], errOf[*ownEvent]} {
				err := try(eventOf(t, bitcart.NewUpdate("own", without(body, member))))
				requirePayloadError(t, err, "own", member)
				require.ErrorIs(t, err, bitcart.ErrMissingMember)
				null := without(body, member)
				null[member] = nil
				err = try(eventOf(t, bitcart.NewUpdate("own", null)))
				requirePayloadError(t, err, "own", member)
				require.ErrorIs(t, err, bitcart.ErrMissingMember)
			}
		})
	}
	for _, member := range []string{"pointer", "list", "map", "any", "amount", "empty", "zero"} {
		t.Run("null "+member, func(t *testing.T) {
			null := without(body, "")
			null[member] = nil
			require.NoError(t, errOf[ownEvent](eventOf(t, bitcart.NewUpdate("own", null))))
		})
	}
	t.Run("wrong type", func(t *testing.T) {
		wrong := without(body, "n")
		wrong["n"] = "text"
		err := errOf[ownEvent](eventOf(t, bitcart.NewUpdate("own", wrong)))
		var pe *bitcart.PayloadError
		require.ErrorAs(t, err, &pe)
		require.Equal(t, "own", pe.Event)
	})
	t.Run("method of the pointer", func(t *testing.T) {
		p, err := bitcart.PayloadOf[*pointerEvent](eventOf(t, bitcart.NewUpdate("pointer", map[string]any{"n": 4})))
		require.NoError(t, err)
		require.Equal(t, 4, p.N)
		err = errOf[*pointerEvent](eventOf(t, bitcart.NewUpdate("pointer", nil)))
		requirePayloadError(t, err, "pointer", "n")
	})
	t.Run("named map", func(t *testing.T) {
		m, err := bitcart.PayloadOf[mapEvent](eventOf(t, bitcart.NewUpdate("map", map[string]any{"n": "x"})))
		require.NoError(t, err)
		require.Equal(t, "x", m["n"])
	})
}

func TestPayloadWithEmbeddedStructs(t *testing.T) {
	body := map[string]any{"inner": "i", "n": 1, "named": map[string]any{"a": 2}}
	p, err := bitcart.PayloadOf[deepEvent](eventOf(t, bitcart.NewUpdate("deep", body)))
	require.NoError(t, err)
	require.Equal(t, "i", p.Inner)
	require.Equal(t, 2, p.Named.A)
	for _, member := range []string{"inner", "n", "named"} {
		t.Run("without "+member, func(t *testing.T) {
			err := errOf[deepEvent](eventOf(t, bitcart.NewUpdate("deep", without(body, member))))
			requirePayloadError(t, err, "deep", member)
			require.ErrorIs(t, err, bitcart.ErrMissingMember)
		})
	}
	t.Run("embedded payload", func(t *testing.T) {
		// The embedded type brings its EventName along.
		type more struct {
			bitcart.NewPayment
			Extra string `json:"extra"`
		}
		update := bitcart.NewUpdate("new_payment", map[string]any{
			"address": "a", "status": 3, "status_str": "Paid", "sent_amount": "0.100000000000000001", "extra": "e",
		})
		p, err := bitcart.PayloadOf[more](eventOf(t, update))
		require.NoError(t, err)
		require.Equal(t, "e", p.Extra)
		require.Equal(t, "a", p.Address)
		require.Equal(t, "0.100000000000000001", p.SentAmount.Decimal.String())
		err = errOf[more](eventOf(t, bitcart.NewUpdate("new_payment", map[string]any{"address": "a", "extra": "e"})))
		require.ErrorIs(t, err, bitcart.ErrMissingMember)
	})
}

// A member of the outer struct stands before the embedded one of its name.
func TestEmbeddedMemberThatIsHiddenIsNotRequired(t *testing.T) {
	type looser struct {
		bitcart.NewPayment
		StatusStr string `json:"status_str,omitempty"`
	}
	update := bitcart.NewUpdate("new_payment", map[string]any{"address": "a", "status": 3})
	p, err := bitcart.PayloadOf[looser](eventOf(t, update))
	require.NoError(t, err)
	require.Equal(t, bitcart.StatusPaid, p.Status)
}

func TestEmbeddedMembers(t *testing.T) {
	type stricter struct {
		bitcart.NewPayment
		Contract string `json:"contract"`
	}
	type apart struct {
		bitcart.NewBlock `json:"block"` // a name makes it a member like others
	}
	update := bitcart.NewUpdate("new_payment", map[string]any{"address": "a", "status": 3, "status_str": "s"})
	requirePayloadError(t, errOf[stricter](eventOf(t, update)), "new_payment", "contract")

	requirePayloadError(t, errOf[apart](eventOf(t, bitcart.NewUpdate("new_block", map[string]any{"height": 1}))), "new_block", "block")
	require.NoError(t, errOf[apart](eventOf(t, bitcart.NewUpdate("new_block", map[string]any{"block": bitcart.NewBlock{Height: 1}}))))
}

// The wire knows no embedding.
func TestPayloadErrorNamesAnEmbeddedMemberAsOnTheWire(t *testing.T) {
	type more struct {
		bitcart.NewPayment
		Extra string `json:"extra"`
	}
	update := bitcart.NewUpdate("new_payment", map[string]any{"address": "a", "status": "3", "status_str": "s", "extra": "e"})
	requirePayloadError(t, errOf[more](eventOf(t, update)), "new_payment", "status")
}

// selfRead reads its members itself: the names of its first fields are none of the wire's.
type selfRead struct {
	ID    string
	Paid  bool
	Total json.Number `json:"total"`
}

func (selfRead) EventName() string { return "own" }

func (s *selfRead) UnmarshalJSON(data []byte) error {
	var wire struct {
		Address string `json:"address"`
		Status  *int   `json:"status"`
		Total   json.Number
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	if wire.Status == nil {
		return errNoStatus
	}
	s.ID, s.Paid, s.Total = wire.Address, *wire.Status == 3, wire.Total
	return nil
}

var errNoStatus = errors.New("no status")

func TestPayloadThatReadsItself(t *testing.T) {
	ev := eventOf(t, bitcart.NewUpdate("own", map[string]any{"address": "a", "status": 3, "total": 5}))
	want := selfRead{ID: "a", Paid: true, Total: "5"}
	p, err := bitcart.PayloadOf[selfRead](ev)
	require.NoError(t, err)
	require.Equal(t, want, p)
	pointer, err := bitcart.PayloadOf[*selfRead](ev)
	require.NoError(t, err)
	require.Equal(t, &want, pointer)
	err = errOf[selfRead](eventOf(t, bitcart.NewUpdate("own", map[string]any{"address": "a"})))
	requirePayloadError(t, err, "own", "")
	require.ErrorIs(t, err, errNoStatus)
	err = errOf[selfRead](eventOf(t, bitcart.NewUpdate("own", map[string]any{"address": "a", "status": 3})))
	requirePayloadError(t, err, "own", "total")
}

func TestPayloadsWithoutAName(t *testing.T) {
	ev := eventOfText(t, `{"event":"anything","n":5,"t":"x"}`)
	m, err := bitcart.PayloadOf[map[string]any](ev)
	require.NoError(t, err)
	require.Equal(t, "x", m["t"])
	require.Equal(t, "anything", m["event"])
	pm, err := bitcart.PayloadOf[*map[string]json.RawMessage](ev)
	require.NoError(t, err)
	require.Equal(t, "5", string((*pm)["n"]))
	raw, err := bitcart.PayloadOf[json.RawMessage](ev)
	require.NoError(t, err)
	require.JSONEq(t, string(ev.Raw()), string(raw))
	s, err := bitcart.PayloadOf[struct{ N int }](ev)
	require.NoError(t, err)
	require.Equal(t, 5, s.N)
	for name, try := range map[string]func(*bitcart.Event) error{
		"int": errOf[int], "string": errOf[string], "list": errOf[[]int], "channel": errOf[chan int],
		"function": errOf[func()], "Payload": errOf[bitcart.Payload], "map of channels": errOf[map[string]chan int],
	} {
		t.Run(name, func(t *testing.T) {
			require.NotPanics(t, func() {
				var pe *bitcart.PayloadError
				require.ErrorAs(t, try(ev), &pe)
			})
		})
	}
}

func TestPayloadOfNoEvent(t *testing.T) {
	require.NotPanics(t, func() {
		_, err := bitcart.PayloadOf[bitcart.NewBlock](nil)
		require.Error(t, err)
		_, err = bitcart.PayloadOf[map[string]any](nil)
		require.Error(t, err)
	})
}

func TestPayloadsRoundTrip(t *testing.T) {
	tests := []bitcart.Payload{
		bitcart.NewBlock{Height: math.MaxInt64},
		bitcart.NewBlock{},
		bitcart.VerifiedTx{Tx: "a", Height: 1},
		bitcart.NewTransaction{Tx: "a"},
		bitcart.NewTransaction{Tx: "a", FromAddress: "f", To: "t", Amount: money(t, "0.000000000000000001"), Contract: "c"},
		bitcart.NewPayment{Address: "a", StatusStr: "s"},
		bitcart.NewPayment{
			Address: "a", Status: bitcart.StatusBroadcast, StatusStr: "s",
			TxHashes: []string{"x", "y"}, SentAmount: money(t, "123456789012345678901234567890.5"), Contract: "c",
		},
		bitcart.NewPayment{Address: "a", StatusStr: "s", SentAmount: money(t, "0")},
	}
	for _, want := range tests {
		u := bitcart.NewUpdate(want.EventName(), want)
		ev := eventOf(t, u)
		switch want := want.(type) {
		case bitcart.NewBlock:
			requireBoth(t, want, ev)
		case bitcart.NewTransaction:
			requireBoth(t, want, ev)
			requireMoneyIsText(t, ev, "amount")
		case bitcart.NewPayment:
			requireBoth(t, want, ev)
			requireMoneyIsText(t, ev, "sent_amount")
		case bitcart.VerifiedTx:
			requireBoth(t, want, ev)
		}
		byPointer := reflect.New(reflect.TypeOf(want))
		byPointer.Elem().Set(reflect.ValueOf(want))
		require.JSONEq(t, string(ev.Raw()), string(eventOf(t, bitcart.NewUpdate(want.EventName(), byPointer.Interface())).Raw()))
	}
}

// requireMoneyIsText fails when an amount is a JSON number, which others read
// as a float.
func requireMoneyIsText(t *testing.T, ev *bitcart.Event, member string) {
	t.Helper()
	fields, err := ev.Fields()
	require.NoError(t, err)
	if v := fields[member]; v != nil {
		require.IsType(t, "", v)
	}
}

func TestRequestStatus(t *testing.T) {
	tests := map[bitcart.RequestStatus]int{
		bitcart.StatusUnpaid: 0, bitcart.StatusExpired: 1, bitcart.StatusUnknown: 2, bitcart.StatusPaid: 3,
		bitcart.StatusInFlight: 4, bitcart.StatusFailed: 5, bitcart.StatusRouting: 6, bitcart.StatusUnconfirmed: 7,
		bitcart.StatusBroadcasting: 8, bitcart.StatusBroadcast: 9,
	}
	require.Len(t, tests, 10)
	var all []bitcart.RequestStatus
	for status, code := range tests {
		require.EqualValues(t, code, status)
		all = append(all, status)
		p, err := bitcart.PayloadOf[bitcart.NewPayment](eventOf(t, bitcart.NewUpdate("new_payment",
			map[string]any{"address": "a", "status": code, "status_str": "s"})))
		require.NoError(t, err)
		require.Equal(t, status, p.Status)
	}
	requireDifferentNames(t, all, bitcart.RequestStatus.String)
	require.NotPanics(t, func() {
		require.NotEmpty(t, bitcart.RequestStatus(-1).String())
		require.NotEmpty(t, bitcart.RequestStatus(math.MaxInt).String())
	})
	p, err := bitcart.PayloadOf[bitcart.NewPayment](eventOfText(t, `{"event":"new_payment","address":"a","status":42,"status_str":"New"}`))
	require.NoError(t, err, "a code that a later daemon sends")
	require.EqualValues(t, 42, p.Status)
	require.Equal(t, "New", p.StatusStr)
}

func TestRequestKey(t *testing.T) {
	for _, key := range []string{"", "5bb56e50f4", "qr0khg85"} {
		require.Equal(t, key, bitcart.NewPayment{Address: key, StatusStr: "s"}.RequestKey())
	}
}

// FuzzPayloadOf: nothing panics, and what is read without an error is what
// encoding/json reads.
func FuzzPayloadOf(f *testing.F) {
	for _, seed := range []string{
		`{"event":"new_block","height":1001}`,
		`{"event":"verified_tx","tx":"9dc8","height":812345}`,
		`{"event":"new_transaction","tx":"0xcf69","from_address":"0x2","to":"0x1","amount":"0.500000000000000000","contract":null}`,
		`{"event":"new_payment","address":"a","status":7,"status_str":"Unconfirmed","tx_hashes":["7","9"],"sent_amount":"0."}`,
		`{"event":"new_payment","address":"a","status":3,"status_str":"P","tx_hashes":null,"sent_amount":1E-8}`,
		`{"event":"new_transaction","tx":"a","amount":"1e2147483647"}`,
		`{"event":"new_block","height":null,"Height":5}`,
		`{"event":"new_block","height":5,"height":6}`,
		`{"event":"new_block","height":5,"HEIGHT":6}`,
		`{"event":"new_transaction","tx":"\ud800","to":"\u0000"}`,
		`{"event":"own","n":1,"text":"","at":"2026-01-02T03:04:05Z","price":"1","Untagged":true}`,
		`[]`, `null`, `{}`, `{"event":""}`, `{"event":5}`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var u bitcart.Update
		if json.Unmarshal(data, &u) != nil || u.Event() == "" {
			return
		}
		ev := eventOf(t, u)
		fuzzOne[bitcart.NewBlock](t, ev)
		fuzzOne[bitcart.NewTransaction](t, ev)
		fuzzOne[bitcart.NewPayment](t, ev)
		fuzzOne[bitcart.VerifiedTx](t, ev)
		fuzzOne[deepEvent](t, ev)
		_, _ = bitcart.PayloadOf[mapEvent](ev)
		_, _ = ev.Fields()
	})
}

// exactMembers leaves of an object the members that have a field of a struct
// type, by their exact names: the library's own payloads know no other.
func exactMembers(t *testing.T, raw []byte, of reflect.Type) []byte {
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(raw, &members))
	exact := make(map[string]json.RawMessage)
	for i := range of.NumField() {
		name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		if value, ok := members[name]; ok {
			exact[name] = value
		}
	}
	out, err := json.Marshal(exact)
	require.NoError(t, err)
	return out
}

// fuzzOne compares what PayloadOf reads with what encoding/json reads. "0."
// is Electron Cash's zero, which a decimal does not take.
func fuzzOne[P bitcart.Payload](t *testing.T, ev *bitcart.Event) {
	got, err := bitcart.PayloadOf[P](ev)
	pointer, errPointer := bitcart.PayloadOf[*P](ev)
	require.Equal(t, err == nil, errPointer == nil, "as a value %v, as a pointer %v", err, errPointer)
	var zero P
	if ev.Name != zero.EventName() {
		require.ErrorIs(t, err, bitcart.ErrWrongEvent)
		return
	}
	if err != nil {
		return
	}
	requireSamePayload(t, got, *pointer)
	raw := []byte(ev.Raw())
	switch any(zero).(type) {
	case bitcart.NewBlock, bitcart.NewTransaction, bitcart.NewPayment, bitcart.VerifiedTx:
		raw = exactMembers(t, raw, reflect.TypeFor[P]())
	}
	var want P
	if err := json.Unmarshal(raw, &want); err != nil {
		require.ErrorContains(t, err, "decimal", "PayloadOf has taken what encoding/json does not")
		return
	}
	requireSamePayload(t, want, got)
}
