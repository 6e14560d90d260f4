//go:build !bitcart_stdjson

package bitcart_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// reference reads a payload's members by encoding/json, one by one.
type reference struct {
	members map[string]json.RawMessage
	bad     map[string]error // by member; a payload with any is an error about one of them
}

func (r *reference) absent(name string) bool {
	raw := r.members[name]
	return raw == nil || string(raw) == "null"
}

func (r *reference) read(name string, required bool, into any) {
	switch {
	case !r.absent(name):
		if err := json.Unmarshal(r.members[name], into); err != nil {
			r.bad[name] = err
		}
	case required:
		r.bad[name] = bitcart.ErrMissingMember
	}
}

// Bounds of an amount, so that nobody can send one whose digits fill the
// memory.
const (
	longestAmount  = 128
	widestExponent = 100
)

func (r *reference) amount(name string) (amount decimal.NullDecimal) {
	if r.absent(name) {
		return amount
	}
	raw := r.members[name]
	var text string
	switch c := raw[0]; {
	case c == '"':
		if err := json.Unmarshal(raw, &text); err != nil {
			r.bad[name] = err
			return amount
		}
	case c == '-' || c >= '0' && c <= '9':
		text = string(raw)
	default:
		r.bad[name] = errors.New("neither text nor a number")
		return amount
	}
	d, err := decimal.NewFromString(text)
	switch {
	case err != nil:
		r.bad[name] = err
	case len(text) > longestAmount || d.Exponent() > widestExponent || d.Exponent() < -widestExponent:
		r.bad[name] = errors.New("too long")
	default:
		return decimal.NewNullDecimal(d)
	}
	return amount
}

// payload is what PayloadOf must give for the event of this name.
func (r *reference) payload(event string) any {
	r.bad = map[string]error{}
	switch event {
	case bitcart.EventNewBlock:
		var p bitcart.NewBlock
		r.read("height", true, &p.Height)
		return p
	case bitcart.EventNewTransaction:
		var p bitcart.NewTransaction
		r.read("tx", true, &p.Tx)
		r.read("from_address", false, &p.FromAddress)
		r.read("to", false, &p.To)
		r.read("contract", false, &p.Contract)
		p.Amount = r.amount("amount")
		return p
	case bitcart.EventNewPayment:
		var p bitcart.NewPayment
		var status int
		r.read("address", true, &p.Address)
		r.read("status", true, &status)
		r.read("status_str", true, &p.StatusStr)
		r.read("tx_hashes", false, &p.TxHashes)
		r.read("contract", false, &p.Contract)
		p.Status = bitcart.RequestStatus(status)
		p.SentAmount = r.amount("sent_amount")
		return p
	case bitcart.EventVerifiedTx:
		var p bitcart.VerifiedTx
		r.read("tx", true, &p.Tx)
		r.read("height", true, &p.Height)
		return p
	}
	return nil
}

// samePayload is strict: amounts have the same digits and the same exponent.
func samePayload(want, got any) error {
	var wantAmount, gotAmount decimal.NullDecimal
	switch g := got.(type) {
	case bitcart.NewTransaction:
		w := want.(bitcart.NewTransaction)
		wantAmount, gotAmount = w.Amount, g.Amount
		w.Amount, g.Amount = decimal.NullDecimal{}, decimal.NullDecimal{}
		want, got = w, g
	case bitcart.NewPayment:
		w := want.(bitcart.NewPayment)
		wantAmount, gotAmount = w.SentAmount, g.SentAmount
		w.SentAmount, g.SentAmount = decimal.NullDecimal{}, decimal.NullDecimal{}
		want, got = w, g
	}
	if wantAmount.Valid != gotAmount.Valid || wantAmount.Decimal.Exponent() != gotAmount.Decimal.Exponent() ||
		wantAmount.Decimal.Coefficient().Cmp(gotAmount.Decimal.Coefficient()) != 0 {
		return fmt.Errorf("want the amount %+v, got %+v", wantAmount, gotAmount)
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("want %#v, got %#v", want, got)
	}
	return nil
}

// samePayloadError: an error about any of the bad members is right.
func samePayloadError(event string, bad map[string]error, err error) error {
	var pe *bitcart.PayloadError
	if !errors.As(err, &pe) {
		return fmt.Errorf("want an error about one of %v, got %w", bad, err)
	}
	cause, ok := bad[pe.Field]
	if !ok || pe.Event != event {
		return fmt.Errorf("want an error about one of %v, got one about %q of %q: %w", bad, pe.Field, pe.Event, err)
	}
	if missing := errors.Is(cause, bitcart.ErrMissingMember); missing != errors.Is(err, bitcart.ErrMissingMember) {
		return fmt.Errorf("member %q is missing: %v, got %w", pe.Field, missing, err)
	}
	return nil
}

func comparePayload[P bitcart.Payload](ev *bitcart.Event, ref *reference) error {
	var zero P
	want := ref.payload(ev.Name)
	value, err := bitcart.PayloadOf[P](ev)
	pointer, pointerErr := bitcart.PayloadOf[*P](ev)
	if zero.EventName() != ev.Name {
		if !errors.Is(err, bitcart.ErrWrongEvent) || !errors.Is(pointerErr, bitcart.ErrWrongEvent) {
			return fmt.Errorf("%T: want ErrWrongEvent, got %w and %w", zero, err, pointerErr)
		}
		return nil
	}
	if len(ref.bad) > 0 {
		if err := samePayloadError(ev.Name, ref.bad, err); err != nil {
			return err
		}
		if err := samePayloadError(ev.Name, ref.bad, pointerErr); err != nil {
			return err
		}
		if !reflect.DeepEqual(value, zero) || pointer != nil {
			return fmt.Errorf("with an error came %+v and %+v", value, pointer)
		}
		return nil
	}
	if err != nil || pointerErr != nil {
		return fmt.Errorf("want %+v, got errors %w and %w", want, err, pointerErr)
	}
	if err := samePayload(want, value); err != nil {
		return err
	}
	return samePayload(want, *pointer)
}

func compareEvent(ev *bitcart.Event, members map[string]json.RawMessage) error {
	ref := &reference{members: members}
	err := comparePayload[bitcart.NewBlock](ev, ref)
	if err == nil {
		err = comparePayload[bitcart.NewTransaction](ev, ref)
	}
	if err == nil {
		err = comparePayload[bitcart.NewPayment](ev, ref)
	}
	if err == nil {
		err = comparePayload[bitcart.VerifiedTx](ev, ref)
	}
	return err
}

// comparePayloads compares the payload of an update in JSON. What is no update
// with a name has no event and nothing to compare; read is false then.
func comparePayloads(t testing.TB, text string) (read bool, err error) {
	t.Helper()
	var members map[string]json.RawMessage
	var u bitcart.Update
	valid := json.Valid([]byte(text))
	if err := json.Unmarshal([]byte(text), &u); valid != (err == nil) {
		return false, fmt.Errorf("%.400q: valid JSON: %v, as an update %w", text, valid, err)
	}
	if !valid || json.Unmarshal([]byte(text), &members) != nil || members == nil {
		return false, nil
	}
	if err := json.Unmarshal(members["event"], new(string)); err == nil && u.Event() != "" {
		if err := compareEvent(eventOf(t, u), members); err != nil {
			return false, fmt.Errorf("%.400q: %w", text, err)
		}
		read = true
	}
	return read, nil
}

// compareBodies compares each payload of the same body, with the event's name
// beside it: a member "event" is data there.
func compareBodies(t testing.TB, text string) error {
	t.Helper()
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &members) != nil || members == nil {
		return nil
	}
	for _, event := range []string{bitcart.EventNewBlock, bitcart.EventNewTransaction, bitcart.EventNewPayment, bitcart.EventVerifiedTx} {
		if err := compareEvent(eventOf(t, bitcart.UpdateOf(event, json.RawMessage(text))), members); err != nil {
			return fmt.Errorf("%.400q as %s: %w", text, event, err)
		}
	}
	return nil
}

func requirePayloadsAsReference(t *testing.T, text string) {
	t.Helper()
	read, err := comparePayloads(t, text)
	require.NoError(t, err)
	if json.Valid([]byte(text)) {
		require.True(t, read, text)
	}
}

// eventTexts are updates with a value in each member of each payload, and that
// value alone in its member.
func eventTexts(value string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, text := range []string{
			`{"event":"new_block","height":%s}`,
			`{"event": "new_block", "height": %s, "more": 1}`,
			`{"height" : %s , "event" : "new_block"}`,
			`{"event":"verified_tx","tx":%s,"height":%[1]s}`,
			`{"event":"verified_tx","tx":"a","height":%s}`,
			`{"event":"verified_tx","tx":%s,"height":5}`,
			`{"event":"new_transaction","tx":%s,"from_address":%[1]s,"to":%[1]s,"amount":%[1]s,"contract":%[1]s}`,
			`{"event":"new_transaction","tx":%s}`,
			`{"event":"new_transaction","tx":"a","from_address":%s}`,
			`{"event":"new_transaction","tx":"a","to":%s}`,
			`{"event":"new_transaction","tx":"a","amount":%s}`,
			`{"event": "new_transaction", "tx": "a", "amount": %s, "contract": null}`,
			`{"event":"new_transaction","tx":"a","contract":%s}`,
			`{"event":"new_payment","address":%s,"status":%[1]s,"status_str":%[1]s,"tx_hashes":%[1]s,"sent_amount":%[1]s,"contract":%[1]s}`,
			`{"event":"new_payment","address":%s,"status":3,"status_str":"s"}`,
			`{"event":"new_payment","address":"a","status":%s,"status_str":"s"}`,
			`{"event":"new_payment","address":"a","status":3,"status_str":%s}`,
			`{"event":"new_payment","address":"a","status":3,"status_str":"s","tx_hashes":%s}`,
			`{"event":"new_payment","address":"a","status":3,"status_str":"s","tx_hashes":[%s]}`,
			`{"event":"new_payment","address":"a","status":3,"status_str":"s","tx_hashes":["x", %s ,"y"]}`,
			`{"event":"new_payment","address":"a","status":3,"status_str":"s","sent_amount":%s}`,
			`{"event":"new_payment","address":"a","status":3,"status_str":"é","sent_amount": %s }`,
			`{"event":"new_payment","address":"a","status":3,"status_str":"s","contract":%s}`,
			`{"event":"new_payment","address":"a","status":3,"status_str":"s","more":%s}`,
			`{"event":"new_payment","%s":1,"address":"a","status":3,"status_str":"s"}`,
		} {
			if !yield(fmt.Sprintf(text, value)) {
				return
			}
		}
	}
}

// amountTexts are texts that are amounts, or nearly.
func amountTexts() []string {
	texts := []string{
		"", ".", "-", "+", "-.", "0", "-0", "+0", "00", "007", "0.", "-0.", ".0", "-.0", ".5", "-.5", "+.5", "5.", "+1", "--1", "+-1", "-+1", "1-", "1+", ".-5", ".+5",
		"5.-5", "5.+5", "-5.-5", "1e5", "1E5", "1e+5", "1E-8", "1e-8", "1.5e3", ".5e3", "5.e3", "0e0", "0E-18", "1e", "e", "e5", "E5", "1e5e5", "1e5.5", "1.e", "1e--5", "1e+-5",
		"1e05", "1e 5", "1 e5", "1_000", "1_0.5", "1e1_0", " 1", "1 ", "\t1", "1\n", "0x10", "0b1", "0o7", "1,5", "1,000.5", "1.2.3", "..", "1..", "NaN", "Infinity", "-Inf", "inf",
		"nan", "true", "null", "a", "1a", "a1", "١", "１", "\u2212 5", "\u22125", "1e\u22125", "\u00a01", "1\u0000", "½", "٫5", "1\u200b",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
		"92233720368547758.07", "92233720368547758.08", "-92233720368547758.08", "-92233720368547758.09", "1844674407370955161.5", "1844674407370955161.6",
		"0.9223372036854775807", "0.9223372036854775808", "0.18446744073709551615", "0.18446744073709551616",
		"999999999999999999", "1000000000000000000", "9999999999999999999", "99999999999999999999", "0.50000000", "0.500000000000000000", "123456789.000000000000000001",
		"1e100", "1e101", "1e-100", "1e-101", "1.5e100", "1.5e101", "1.5e102", "1.5e-99", "1.5e-100", "0e100", "0e101", "0e-100", "0e-101", "1e2147483647", "1e2147483648",
		"1e-2147483648", "1e-2147483649", "0e2000000000", "1e99999999999999999999", "-1E999999999", "1.5e-2147483648",
		strings.Repeat("0", 126) + ".5", strings.Repeat("0", 127) + ".5", strings.Repeat("-", 129), "1e" + strings.Repeat("0", 125) + "5", "1e" + strings.Repeat("0", 126) + "5",
	}
	for _, n := range []int{99, 100, 101, 126, 127, 128, 129, 130, 200, 5000} {
		digits := strings.Repeat("7", n)
		texts = append(texts, digits, "-"+digits, digits[1:]+".5", "0."+digits, "."+digits, "1"+strings.Repeat("0", n-1), strings.Repeat("0", n), "0."+strings.Repeat("0", n))
	}
	for n := 1; n <= 25; n++ {
		for _, digits := range []string{
			strings.Repeat("9", n), strings.Repeat("1", n), strings.Repeat("0", n), "1" + strings.Repeat("0", n-1), strings.Repeat("0", n-1) + "1",
			"9223372036854775807123456"[:n], "9223372036854775808123456"[:n], "1844674407370955161612345"[:n],
		} {
			for point := range n + 1 {
				text := digits[:point] + "." + digits[point:]
				texts = append(texts, text, "-"+text)
			}
			texts = append(texts, digits, "-"+digits, "+"+digits, "0"+digits, "-00"+digits, digits+"e3", digits+"E-3")
		}
	}
	return texts
}

func TestPayloadAmountsAgainstDecimal(t *testing.T) {
	for i, text := range amountTexts() {
		quoted, err := json.Marshal(text)
		require.NoError(t, err)
		escaped := &strings.Builder{}
		for _, r := range text {
			if r < 0x10000 {
				fmt.Fprintf(escaped, `\u%04x`, r)
			}
		}
		wires := []string{string(quoted), text, `"` + escaped.String() + `"`}
		if plain := `"` + text + `"`; plain != string(quoted) {
			wires = append(wires, plain)
		}
		for j, wire := range wires {
			body := `{"event":"new_transaction","tx":"a","amount":` + wire + `}`
			if (i/2+j)%2 == 0 {
				body = `{"event": "new_payment", "address": "a", "status": 3, "status_str": "s", "sent_amount": ` + wire + `, "contract": null}`
			}
			if json.Valid([]byte(body)) {
				requirePayloadsAsReference(t, body)
			}
		}
	}
}

func TestPayloadAmountsWithOddBytesAgainstDecimal(t *testing.T) {
	const text = "12345.67890123456789"
	for _, amount := range []string{text, text[:9], text[:1]} {
		for place := range len(amount) {
			for b := range 256 {
				odd := amount[:place] + string([]byte{byte(b)}) + amount[place+1:]
				for _, wire := range []string{odd, `"` + odd + `"`} {
					body := `{"event":"new_transaction","tx":"a","amount":` + wire + `}`
					if json.Valid([]byte(body)) && !strings.Contains(odd, `"`) {
						requirePayloadsAsReference(t, body)
					}
				}
			}
		}
	}
}

// payloadValues are JSON values, and some that are none.
func payloadValues() []string {
	values := []string{
		"null", "true", "false", "[]", "{}", `""`, `"null"`, `"7"`, `"a"`, `[null]`, `{"a":1}`, "nul", "", " ", "nulll", "tru",
		"0", "-0", "7", "-7", "007", "-07", "1.0", "-0.0", "0.0", "1e3", "1E3", "0e0", "1e-3", "1.5", "1e400", "-1e-400", "+7", "7.", ".7", "0x7", "7 ", "\n7\t",
		"9223372036854775806", "9223372036854775807", "9223372036854775808", "-9223372036854775807", "-9223372036854775808", "-9223372036854775809",
		"18446744073709551615", "18446744073709551616", "99999999999999999999", "123456789012345678901234567890", "2147483647", "2147483648", "-2147483648",
		"-2147483649", "4294967295", "4294967296", "1000000", "00", "-", "1e", "9223372036854775807.0", "922337203685477580e1",
		`"\u0061"`, `"\n\t\"\\\/\b\f\r"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\u0000"`, `"\u2028"`, `"é"`, `"😀"`, "\"\u2028\"", "\"\xff\"", "\"a\xc3\"", "\"\xed\xa0\x80\"",
		"\"a\x7fb\"", "\"a\x00b\"", "\"a\nb\"", `"a\`, `"a\"`, `"\\"`, `"\\\""`, `"\x"`, `"\u12"`, `"<&>"`, `"'"`, `"\u0031.5"`, `"1\u002e5"`, "\"1\xff\"",
		`["a","b"]`, `["a", null, "b"]`, `[null,null]`, `["\u0061","\\","é"]`, "[\"\xff\"]", `[["a"]]`, `[[]]`, `["a",["b"]]`, `[{}]`, `[1]`, `["a",1]`, `[true]`, `["a",]`, `[,]`,
		`[ "a" , "b" ]`, "[\n\t\"a\",\n\t\"b\"\n]", `[""]`, `["",""]`, `["]","[",","]`, `["a" "b"]`, `["a"`, `[ ]`, `[ null ]`, `{"0":"a"}`, `"[\"a\"]"`,
	}
	for _, n := range []int{1, 7, 8, 9, 16, 49, 50, 51, 100, 1000} {
		values = append(values,
			`["`+strings.Repeat(`9dc8d56b`, 8)+strings.Repeat(`", "750b`, n-1)+`"]`,
			`[`+strings.Repeat(`"a",`, n-1)+`null]`,
			`[`+strings.Repeat(`"a",`, n-1)+`"\u0061"]`,
			`[`+strings.Repeat(`"a",`, n-1)+`5]`,
			`[`+strings.Repeat(`null,`, n)+`"a"]`,
		)
	}
	// Around the lengths of the words that a scanner may read at once, and of
	// an update that is long.
	for _, n := range []int{1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 900, 1000, 1024, 1025, 4100} {
		s := strings.Repeat("x", n)
		values = append(values, `"`+s+`"`, `"`+s+`\u00e9"`, `"\n`+s+`"`, `"`+s+`é"`, `"`+s+"\xff"+s+`"`, `["`+s+`","\\`+s+`"]`)
	}
	return values
}

func TestPayloadValuesAgainstEncodingJSON(t *testing.T) {
	for _, value := range payloadValues() {
		for text := range eventTexts(value) {
			requirePayloadsAsReference(t, text)
			if len(value) < 100 {
				require.NoError(t, compareBodies(t, text))
			}
		}
	}
}

// A long update is read as a short one is.
func TestLongPayloadsAgainstEncodingJSON(t *testing.T) {
	fillers := []string{strings.Repeat("x", 1100), strings.Repeat(`\u00e9`, 300), strings.Repeat("é", 600)}
	for i, value := range payloadValues() {
		if len(value) > 1000 {
			continue
		}
		for _, filler := range []string{fillers[0], fillers[1+i%2]} {
			for text := range eventTexts(value) {
				requirePayloadsAsReference(t, `{"filler":"`+filler+`",`+text[1:])
			}
		}
	}
}

func TestPayloadMembersAgainstEncodingJSON(t *testing.T) {
	for _, text := range []string{
		`{"event":"new_block"}`, `{"event":"new_block","Height":5}`, `{"event":"new_block","HEIGHT":5,"height":6}`, `{"event":"new_block","height":6,"HEIGHT":5}`,
		`{"event":"new_block","height":5,"Height":null}`, `{"event":"new_block","height":5,"Height":"x"}`, `{"event":"new_block","heightx":5}`, `{"event":"new_block","heigh":5}`,
		`{"event":"new_block","height":5,"height":6}`, `{"event":"new_block","height":5,"height":null}`, `{"event":"new_block","height":null,"height":5}`,
		`{"event":"new_block","height":"x","height":5}`, `{"event":"new_block","height":5,"height":"x"}`, `{"event":"new_block","height":5,"height":[5]}`,
		`{"event":"new_block","h\u0065ight":5}`, `{"event":"new_block","height":5,"h\u0065ight":6}`, `{"event":"new_block","h\u0065ight":6,"height":5}`,
		`{"ev\u0065nt":"new\u005fblock","height":5}`, `{"event":"new_block","more":{"height":5}}`, `{"event":"new_block","more":[{"height":5}],"height":6}`,
		`{"event":"new_block","more":"\"height\":5"}`, `{"event":"new_block","":1,"height":7}`, `{"height":5,"event":"new_transaction","event":"new_block"}`,
		`{"event":"new_block","event":"verified_tx","tx":"a","height":5}`, `{"event":"New_Block","height":5}`, `{"event":"other","height":5,"tx":"a"}`,
		"{\"event\":\"new_block\",\"height\xff\":5}", "{\"event\":\"new_block\",\"height\x7f\":5}", "{\"event\":\"new_block\",\"\xff\":\"\xff\",\"height\":5}",
		`{"event":"new_transaction"}`, `{"event":"new_transaction","tx":null}`, `{"event":"new_transaction","TX":"a"}`, `{"event":"new_transaction","tx":"a","To":"b","From_Address":"c"}`,
		`{"event":"new_transaction","tx":"a","tx":"b"}`, `{"event":"new_transaction","tx":"a","tx":null}`, `{"event":"new_transaction","tx":1,"tx":"a"}`,
		`{"event":"new_transaction","tx":"a","amount":"1","amount":null}`, `{"event":"new_transaction","tx":"a","amount":null,"amount":"1"}`, `{"event":"new_transaction","tx":"a","amount":"x","amount":2}`,
		`{"event":"new_transaction","tx":"a","amount":2,"Amount":"x"}`, `{"event":"new_transaction","tx":"a","to":"b","to":null,"contract":null,"contract":"c"}`,
		`{"event":"new_transaction","tx":"a","from":"b","from_addres":"c","from_address_":"d"}`, `{"event":"new_transaction","amount":"x","to":5}`,
		`{"event":"new_payment"}`, `{"event":"new_payment","address":null,"status":null,"status_str":null}`, `{"event":"new_payment","address":"a","status":3}`,
		`{"event":"new_payment","address":"a","status_str":"s"}`, `{"event":"new_payment","status":3,"status_str":"s"}`, `{"event":"new_payment","address":"a","status":3,"status_str":"s"}`,
		`{"event":"new_payment","Address":"a","Status":3,"Status_Str":"s"}`, `{"event":"new_payment","address":"a","status":3,"status":4,"status_str":"s","status_str":"t"}`,
		`{"event":"new_payment","address":"a","status":3,"status":null,"status_str":"s"}`, `{"event":"new_payment","address":"a","status":"x","status":4,"status_str":"s"}`,
		`{"event":"new_payment","address":"a","status":3,"status_str":"s","tx_hashes":["a","b"],"tx_hashes":["c"]}`, `{"event":"new_payment","address":"a","status":3,"status_str":"s","tx_hashes":["a"],"tx_hashes":null}`,
		`{"event":"new_payment","address":"a","status":3,"status_str":"s","tx_hashes":["a"],"tx_hashes":[]}`, `{"event":"new_payment","address":"a","status":3,"status_str":"s","tx_hashes":5,"tx_hashes":["a"]}`,
		`{"event":"new_payment","address":"a","status":3,"status_str":"s","tx_hash":["a"],"sentamount":"1","sent_amount_":"2"}`,
		`{"event":"new_payment","address":"a","status":3,"status_str":"s","sent_amount":"1","sent_amount":2,"contract":"a","contract":"b"}`,
		`{"event":"new_payment","address":1,"status":"x","status_str":[],"tx_hashes":5,"sent_amount":true,"contract":{}}`,
		`{"event":"verified_tx"}`, `{"event":"verified_tx","tx":"a"}`, `{"event":"verified_tx","height":5}`, `{"event":"verified_tx","tx":"a","height":5,"tx":"b","height":6}`,
		`{"event":"verified_tx","tx":null,"height":null}`, `{"event":"verified_tx","Tx":"a","Height":5}`, " \t\r\n{\"event\" :\t\"verified_tx\" ,\n\"tx\":\r\"a\", \"height\" : 5 } \n",
	} {
		requirePayloadsAsReference(t, text)
		require.NoError(t, compareBodies(t, text))
	}
}

func TestReferenceOfPayloadsReadsAndRefuses(t *testing.T) {
	good, bad := map[string]int{}, map[string]int{}
	for _, value := range payloadValues() {
		for text := range eventTexts(value) {
			var members map[string]json.RawMessage
			var event string
			if json.Unmarshal([]byte(text), &members) != nil {
				continue
			}
			require.NoError(t, json.Unmarshal(members["event"], &event))
			ref := &reference{members: members}
			ref.payload(event)
			if len(ref.bad) == 0 {
				good[event]++
			}
			for member := range ref.bad {
				bad[member]++
			}
		}
	}
	require.Len(t, good, 4)
	require.Len(t, bad, 11, "each member of each payload: %v", bad)
}

func FuzzPayloadsAgainstEncodingJSON(f *testing.F) {
	// A part of the tables' texts: the fuzzer runs each of them before it
	// begins.
	n := 0
	for _, value := range payloadValues() {
		for text := range eventTexts(value) {
			if n++; n%11 == 0 && len(text) < 400 {
				f.Add(text)
			}
		}
	}
	for i, text := range amountTexts() {
		if i%61 == 0 && len(text) < 200 {
			f.Add(`{"event":"new_transaction","tx":"a","amount":"` + text + `"}`)
			f.Add(`{"event": "new_payment", "address": "a", "status": 7, "status_str": "Unconfirmed", "tx_hashes": ["7"], "sent_amount": ` + text + `}`)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := comparePayloads(t, text); err != nil {
			t.Fatal(err)
		}
		if err := compareBodies(t, text); err != nil {
			t.Fatal(err)
		}
	})
}
