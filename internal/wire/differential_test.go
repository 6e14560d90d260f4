//go:build !bitcart_stdjson

package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// The reference: what encoding/json makes of a text.

// refObject returns the members of an object, the last of each name.
func refObject(data []byte) (map[string]json.RawMessage, bool) {
	var m map[string]json.RawMessage
	if json.Unmarshal(data, &m) != nil || m == nil {
		return nil, false
	}
	return m, true
}

func refList(data []byte) ([]json.RawMessage, bool) {
	var list []json.RawMessage
	if json.Unmarshal(data, &list) != nil || list == nil {
		return nil, false
	}
	return list, true
}

func refString(data []byte) (string, bool) {
	var s *string
	if json.Unmarshal(data, &s) != nil || s == nil {
		return "", false
	}
	return *s, true
}

func refAbsent(raw json.RawMessage) bool { return raw == nil || string(raw) == "null" }

func refEvent(data []byte) string {
	m, _ := refObject(data)
	name, _ := refString(m["event"])
	return name
}

func refUpdates(list []json.RawMessage) []wire.Update {
	updates := make([]wire.Update, 0, len(list))
	for _, item := range list {
		updates = append(updates, wire.Update{Event: refEvent(item), Body: wire.BodyOf(string(item))})
	}
	return updates
}

func refUpdatesOf(text string) []wire.Update {
	f, _ := refFrame([]byte(text))
	return f.Updates
}

func refFrame(data []byte) (f wire.Frame, ok bool) {
	m, ok := refObject(data)
	if !ok {
		return f, false
	}
	list, ok := refList(m["updates"])
	if !ok {
		return f, false
	}
	wallet, walletOK := refString(m["wallet"])
	currency, currencyOK := refString(m["currency"])
	if !walletOK && !refAbsent(m["wallet"]) || !currencyOK && !refAbsent(m["currency"]) {
		return f, false
	}
	return wire.Frame{Updates: refUpdates(list), Wallet: []byte(wallet), Currency: []byte(currency)}, true
}

// otherFrame is cut after each text, so that what was kept of that is seen to
// stay.
var otherFrame = []byte(`{"updates": [{"event": "ZZZZZZ", "Z": "ZZZZZZZZZZZZZZZZZZZZZZZZZZ"}, ["ZZZZ"], {"ev\u0065nt": "Z"}], "wallet": "ZZ\u005a", "currency": "ZZZ"}`)

// excerpt is a text short enough to read in a failure.
func excerpt[T ~string | ~[]byte](text T) string {
	if len(text) > 400 {
		return fmt.Sprintf("%q... (%d bytes)", string(text[:400]), len(text))
	}
	return fmt.Sprintf("%q", string(text))
}

// compareFrame cuts data and says where the result is not the reference's.
// The functions of this file that compare return errors: a call of require for
// each of many thousand texts would cost more than what it checks.
func compareFrame(c *wire.Cutter, data []byte) error {
	want, ok := refFrame(data)
	message := bytes.Clone(data)
	got, err := c.Cut(message)
	if !bytes.Equal(message, data) {
		return fmt.Errorf("the message was changed into %s", excerpt(message))
	}
	if !ok {
		if !errors.Is(err, wire.ErrFrame) {
			return fmt.Errorf("want ErrFrame, got %v", err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("want a frame, got %w", err)
	}
	if !bytes.Equal(want.Wallet, got.Wallet) {
		return fmt.Errorf("want the wallet %q, got %q", want.Wallet, got.Wallet)
	}
	if !bytes.Equal(want.Currency, got.Currency) {
		return fmt.Errorf("want the currency %q, got %q", want.Currency, got.Currency)
	}
	kept := slices.Clone(got.Updates)
	for c.More(&got) {
		kept = append(kept, got.Updates...)
	}
	if err := compareUpdates(want.Updates, kept); err != nil {
		return err
	}
	for i := range message {
		message[i] = 'Z'
	}
	if _, err := c.Cut(otherFrame); err != nil {
		return fmt.Errorf("the frame after it: %w", err)
	}
	if err := compareUpdates(want.Updates, kept); err != nil {
		return fmt.Errorf("after another frame: %w", err)
	}
	return nil
}

func compareUpdates(want, got []wire.Update) error {
	if len(want) != len(got) {
		return fmt.Errorf("want %d updates, got %d", len(want), len(got))
	}
	for i := range want {
		if want[i].Event != got[i].Event || want[i].Text != got[i].Text {
			return fmt.Errorf("update %d: want %q %s, got %q %s", i, want[i].Event, excerpt(want[i].Text), got[i].Event, excerpt(got[i].Text))
		}
	}
	return nil
}

func compareList(data []byte) error {
	list, ok := refList(data)
	message := bytes.Clone(data)
	got, skipped, err := wire.CutList(message)
	if !bytes.Equal(message, data) {
		return fmt.Errorf("the list was changed into %s", excerpt(message))
	}
	if ok != (err == nil) {
		return fmt.Errorf("a list: %v, got error %v", ok, err)
	}
	for i := range message {
		message[i] = 'Z'
	}
	if skipped > 0 {
		if len(list) != len(got)+skipped {
			return fmt.Errorf("want %d updates, got %d and %d that are skipped", len(list), len(got), skipped)
		}
		return nil
	}
	return compareUpdates(refUpdates(list), got)
}

// namesFor are the names to ask for in an object of these members: those that
// it has, up to a number, and some that are nearly the same.
func namesFor(members map[string]json.RawMessage) []string {
	names := slices.Sorted(maps.Keys(members))
	names = names[:min(len(names), 8)]
	for _, name := range slices.Clone(names) {
		names = append(names, strings.ToUpper(name), name+"x", name+"\x00", strings.TrimRight(name, "s"))
		if len(name) > 0 {
			names = append(names, name[:len(name)-1], name[1:])
		}
	}
	names = append(names, "event", "updates", "Event", "", "a", "tx", "\ufffd", "\xff", `upd\u0061tes`, `"`)
	names = slices.DeleteFunc(names, func(name string) bool { return !askable(name) })
	slices.Sort(names)
	return slices.Compact(names)
}

// askable: a name that stands in JSON as it is, as those of all daemons do.
func askable(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError
	})
}

func compareMembers(data []byte) error {
	members, isObject := refObject(data)
	names := namesFor(members)
	got, ok := wire.Members(data, names...)
	if ok != isObject {
		return fmt.Errorf("an object: %v, Members says %v", isObject, ok)
	}
	if ok {
		for _, name := range names {
			want, is := members[name]
			have, found := got[name]
			if is != found || !bytes.Equal(want, have) {
				return fmt.Errorf("member %q: want %v %s, got %v %s", name, is, excerpt(want), found, excerpt(have))
			}
		}
		for name := range got {
			if !slices.Contains(names, name) {
				return fmt.Errorf("member %q was not asked for", name)
			}
		}
	}
	if want, name := refEvent(data), wire.EventName(data); want != name {
		return fmt.Errorf("want the event %q, got %q", want, name)
	}
	if trimmed := bytes.Trim(data, " \t\r\n"); json.Valid(data) && wire.IsObject(trimmed) != isObject {
		return fmt.Errorf("an object: %v, IsObject says %v", isObject, !isObject)
	}
	return nil
}

// compareAll compares everything that takes any bytes.
func compareAll(c *wire.Cutter, data []byte) error {
	err := compareFrame(c, data)
	if err == nil {
		err = compareList(data)
	}
	if err == nil {
		err = compareMembers(data)
	}
	if err == nil {
		err = compareFind(string(data))
	}
	if err == nil {
		err = boundedFind(string(data))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", excerpt(data), err)
	}
	return nil
}

// The texts.

// specials are what a string can hold, and what it cannot, with the bytes
// beside a limit of a class: 0x1f and 0x20, 0x21 to 0x23, 0x5b to 0x5d, 0x7e
// to 0x81.
var specials = []string{
	`"`, `\`, `\"`, `\\`, `\\"`, `\\\`, `\\\"`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t`, `\x`, `\'`, `\u`, `\u0`, `\u00`, `\u004`,
	`\u0041`, `\U0041`, `\u00e9`, `\u00E9`, `\u00g0`, `\u0000`, `\u001f`, `\u0022`, `\u005c`, `\u2028`, `\uffff`, `\ufffd`,
	`\ud83d\ude00`, `\ud83d`, `\ude00`, `\ud83d\ud83d`, `\ude00\ud83d`, `\ud83d\u0041`, `\ud83dA`, `\ud83d\n`, `\ud83d\ude0`, `\ud83d\`,
	"\x00", "\x01", "\t", "\n", "\r", "\x1f", " ", "!", "#", "[", "]", "{", "}", ":", ",", "/", "~", "\x7f",
	"\x80", "\x81", "\xa0", "\xa2", "\xbf", "\xc0\xaf", "\xc3", "\xc3\xa9", "é", "\u2028", "\u2029", "\ufffd", "\ufeff", "😀",
	"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x98", "\xdc", "\xfe", "\xff",
}

// fillers stand around a special: the bytes just beside a quote, a backslash,
// the control characters and DEL are those that arithmetic on eight bytes
// at once gets wrong.
const fillers = "a!]# [~0"

// filled is a string of n bytes with a special at one place.
func filled(n, place int, special string) string {
	filler := fillers[(n+3*place)%len(fillers)]
	return strings.Repeat(string(filler), place) + special + strings.Repeat(string(filler), max(n-place-len(special), 0))
}

// specialStrings are strings of 0 to longest bytes with each special at each
// place, without their quotes; an escape of several characters not at each
// place of the long ones.
func specialStrings(longest int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for n := range longest + 1 {
			for place := range n + 1 {
				for i, special := range specials {
					if n > 17 && len(special) > 2 && (n+place+i)%8 != 0 {
						continue
					}
					if !yield(filled(n, place, special)) {
						return
					}
				}
			}
		}
	}
}

// typicalFrames are what daemons send: Python's json.dumps, and other hands.
var typicalFrames = []string{
	`{"updates": [{"event": "new_payment", "address": "5bb56e50f4", "status": 7, "status_str": "Unconfirmed", "tx_hashes": ["750b", "9dc8"], "sent_amount": "0.50000000", "contract": null}], "wallet": "zpub6nQ", "currency": "BTC"}`,
	`{"updates":[{"event":"new_transaction","tx":"0xcf69","from_address":"0x22","to":"0x11","amount":"0.5","contract":null},{"event":"new_block","height":1001}],"wallet":null,"currency":"ETH"}`,
	`{"updates": [{"event": "verified_tx", "tx": "9dc8", "height": 812345}, {"event": "caf\u00e9", "path": "C:\\", "q": "\\\"", "b": "\\\\", "s": "\ud83d\ude00"}], "wallet": "w\u00e9", "currency": "LTC"}`,
	"{\n\t\"updates\": [\n\t\t{\n\t\t\t\"event\": \"new_block\",\n\t\t\t\"height\": 5\n\t\t},\r\n\t\tnull, true, -1.5e+3\n\t],\n\t\"wallet\": \"w\",\n\t\"currency\": \"XMR\"\n}\n",
	`{  "updates"  :  [  {  "event"  :  "new_block"  ,  "height"  :  5  }  ,  [  ]  ,  {  }  ]  ,  "wallet"  :  ""  ,  "currency"  :  "BCH"  }`,
	`{"wallet": "café", "currency": "XRG", "updates": [{"status_str": "Läuft ab", "event": "new_payment", "x": {"event": "inner", "updates": [1, 2]}}]}`,
}

var numbers = []string{
	"0", "-0", "1", "-1", "01", "00", "-01", "-", "+1", "+", ".5", "-.5", "1.", "1.e1", "1.0", "1.05", "1e", "1E", "1e+", "1e-", "1e5", "1E5",
	"1E+5", "1e-5", "1e05", "0e0", "0E-0", "0.0e00", "1e999999", "-1e-999999", "1.5.5", "1e5e5", "1e5.5", "1-1", "--1", "1+1", "0x10", "0b1",
	"1_000", "1,", "Infinity", "NaN", "-Infinity", "1a", "0a", "1.a", "1ea", "12345678901234567", "123456789012345678", "-123456789012345678",
	"999999999999999999", "-999999999999999999", "1000000000000000000", "-1000000000000000000", "9223372036854775807",
	"9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
	"123456789012345678901234567890", "0.000000000000000001", "00000000000000000000", "-00", "10", "100", "-10", "1 1", "- 1", "1 .5", "1\x00", "1\xff", "١",
}

var literals = []string{
	"true", "false", "null", "tru", "fals", "nul", "t", "f", "n", "True", "NULL", "None", "truee", "nulll", "nullnull", "true false", "trux", "nuxl",
	"falsE", "null\x00", "undefined", "'a'", "", " ", "\t\r\n ", "\v", "\f", "\u00a0", "\ufeff", "//", "/**/", "#",
}

// ruleTexts are about one rule each.
var ruleTexts = []string{
	`{"updates":[]}`, `{"updates":[{}]}`, `{"updates":null}`, `{"updates":{}}`, `{"updates":"[]"}`, `{"updates":1}`, `{}`, `[]`, `null`, `""`, `1`,
	`{"Updates":[]}`, `{"UPDATES":[]}`, `{"updates":[],"Updates":5}`, `{"updates":[{"Event":"a"}]}`, `{"updates":[{"Event":"a","event":"b","EVENT":"c"}]}`,
	`{"upd\u0061tes":[{"ev\u0065nt":"\u0061b"}]}`, `{"upd\u0041tes":[]}`, `{"\u0075\u0070\u0064\u0061\u0074\u0065\u0073":[1]}`, `{"upd\\u0061tes":[]}`,
	`{": 1}`, `{": "}`, `{"": 1}`, `{"event": "a", ": 1}`,
	`{"updates":[1],"updates":[2]}`, `{"updates":[1],"upd\u0061tes":[2]}`, `{"upd\u0061tes":[1],"updates":[2]}`, `{"updates":[1],"updates":null}`,
	`{"updates":null,"updates":[1]}`, `{"updates":5,"updates":[{"event":"a"}],"x":1}`, `{"updates":[{"event":"a"},{"event":"b"}],"updates":[]}`,
	`{"updates":[{"event":"a"}],"updates":{"event":"b"}}`, `{"updates":[1,2,3],"updates":[4],"updates":[5,6]}`,
	`{"updates":[],"wallet":"a","wallet":"b"}`, `{"updates":[],"wallet":"a","wallet":null}`, `{"updates":[],"wallet":null,"wallet":"a"}`,
	`{"updates":[],"wallet":1,"wallet":"a"}`, `{"updates":[],"wallet":"a","wallet":1}`, `{"updates":[],"wallet":"a","w\u0061llet":[]}`,
	`{"updates":[],"wallet":"\u0061","wallet":"b"}`, `{"updates":[],"wallet":"a\u0062","wallet":"\u0063"}`, `{"updates":[],"wallet":"a\u0062","wallet":null}`,
	`{"updates":[],"currency":"a","currency":null}`, `{"updates":[],"currency":{},"currency":"BTC"}`, `{"updates":[],"currency":"BTC","currency":{}}`,
	`{"updates":[],"wallet":1}`, `{"updates":[],"wallet":true}`, `{"updates":[],"wallet":[]}`, `{"updates":[],"wallet":{}}`, `{"updates":[],"wallet":""}`,
	`{"updates":[],"currency":1}`, `{"updates":[],"currency":false}`, `{"updates":[],"currency":""}`, `{"updates":[],"Wallet":1,"Currency":2}`,
	"{\"updates\":[],\"wallet\":\"\xff\",\"currency\":\"\\ud800\"}", `{"updates":[],"wallet":"\u0000","currency":"\u2028"}`,
	`{"updates":[{"event":"a","event":null}]}`, `{"updates":[{"event":null,"event":"a"}]}`, `{"updates":[{"event":"a","ev\u0065nt":5}]}`,
	`{"updates":[{"event":5,"ev\u0065nt":"a"}]}`, `{"updates":[{"event":{"event":"a"}}]}`, `{"updates":[{"x":{"event":"a"}}]}`, `{"updates":[{"x":[{"event":"a"}]}]}`,
	`{"updates":[{"event":"a","x":{"event":"b"}}]}`, `{"updates":[["event","a"]]}`, `{"updates":["event"]}`, `{"updates":[{"event":""}]}`,
	`{"updates":[{"event":"\ud800"}]}`, `{"updates":[{"event":"\u0000"}]}`, "{\"updates\":[{\"event\":\"\xff\"}]}", "{\"updates\":[{\"event\":\"a\xc3\"}]}",
	`{"updates":[{"event":"a"}],"x":{"updates":[{"event":"b"}]}}`, `{"x":{"updates":[{"event":"b"}]}}`, `{"x":[{"updates":[]}],"updates":[1]}`,
	`{"":1,"updates":[{"":2,"event":"a"}]}`, `{"":[],"":{},"":""}`, `{"a":1,"a":2,"\u0061":3,"A":4}`, "{\"\xff\":1,\"\ufffd\":2,\"\\ud800\":3}",
	"{\"\\ufffd\":1,\"\xfe\":null}", "{\"event\xff\":\"a\"}", "{\"event\x7f\":\"a\",\"\x7f\":1}", `{"event\u0000":"a"}`, `{"even":"a"}`, `{"events":"a"}`,
	`{"event":"a","tx":"b"} `, ` {"event":"a"}`, "\t\r\n{\"event\":\"a\"}\t\r\n", "\v{\"event\":\"a\"}", "{\"event\":\"a\"}\f", "\ufeff{\"event\":\"a\"}", "{\"event\":\"a\"}\x00",
	`{"event":"a"}x`, `{"event":"a"}{}`, `{"event":"a"},`, `{"event":"a",}`, `{,"event":"a"}`, `{"event":"a",,"b":1}`, `{"event"}`, `{"event":}`, `{"event","a"}`,
	`{"event":"a":"b"}`, `{event:"a"}`, `{'event':'a'}`, `{1:2}`, `{null:1}`, `{"event" "a"}`, `{"a":1 "b":2}`, `{"a":[}`, `{"a":{]`, `{"a":[1}}`, `[{"a":1]]`,
	`[`, `]`, `{`, `}`, `[,]`, `[1,]`, `[,1]`, `[1,,2]`, `[1 2]`, `[1:2]`, `["a":1]`, `[1]]`, `[[1]`, `[] []`, `[null,null]`, `[ ]`, `{ }`, `{"a":[ ],"b":{ }}`,
	`[{"event":"a"},{"event":"b"}]`, `[{"event":"a"},1,"a",null,[],{"event":null},true,false,-0.5e-7]`, "[ {\"event\":\"a\"} ,\t{ \"event\" : \"b\" } \n]",
	`{"a":tru}`, `{"a":nul}`, `{"a":truee}`, `{"a":"b}`, `{"a:"b"}`, `"`, `"\"`, `"\\`, `{"`, `{"\`, `{"\u`, `{"a":"\u12`, `{"a":"\ud800\u`, `{"a":"b"`, `{"a":"b",`, `{"a":"b","`,
	`{"event":"a\\"}`, `{"event":"a\\\""}`, `{"event":"\\\\"}`, `{"event":"\""}`, `{"event":"\\","tx":"\\\\\\"}`, `{"a\\":1,"\\":2,"\"":3,"\\\"":4}`,
}

// manyMembers has members before and after those that count, some of them with
// long names.
func manyMembers(n int) string {
	var b strings.Builder
	b.WriteString(`{"event": "first", "updates": 5`)
	for i := range n {
		name := strings.Repeat("n", i%130) + strconv.Itoa(i)
		fmt.Fprintf(&b, `, %q: [{"event": %d}, "\u00e9%d"]`, name, i, i)
		fmt.Fprintf(&b, `, "upd%d": {}, "events": "x"`, i)
	}
	b.WriteString(`, "updates": [{"event": "a"}], "event": "last"}`)
	return b.String()
}

// longNames has names of the given length that differ in one byte, at each
// place of it.
func longNames(length int) string {
	var b strings.Builder
	name := []byte(strings.Repeat("n", length))
	fmt.Fprintf(&b, `{"%s":-1`, name)
	for i := range name {
		name[i] = 'm'
		fmt.Fprintf(&b, `,"%s":%d`, name, i)
		name[i] = 'n'
	}
	fmt.Fprintf(&b, `,"\u006e%s":-2}`, name[min(1, length):])
	return b.String()
}

// deepTexts have n levels in all.
func deepTexts(n int) []string {
	lists := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	objects := func(n int, inside string) string { return strings.Repeat(`{"a":`, n) + inside + strings.Repeat("}", n) }
	return []string{
		lists(n),
		objects(n, "1"),
		objects(n-1, "{}"),
		strings.Repeat(`[{"event":`, n/2) + lists(n%2+1) + strings.Repeat(`}]`, n/2),
		`{"updates":[` + lists(n-2) + `]}`,
		`{"updates":[{"event":"a","x":` + lists(n-3) + `}],"wallet":"w"}`,
		`{"updates": [{"event": "a", "x": ` + lists(n-3) + `}], "wallet": "w", "currency": "BTC"}`,
		`[{"event": "a", "x": ` + lists(n-2) + `}]`,
		`{"updates":[{"event":` + lists(n-3) + `,"event":"b"}],"wallet":"w"}`,
		`{"x":` + objects(n-1, `"a"`) + `,"updates":[]}`,
		`{"updates":[],"updates":` + lists(n-1) + `}`,
		`{"updates":[],"wallet":` + lists(n-1) + `,"wallet":"w"}`,
		`[{"event":"a"},{"x":` + lists(n-2) + `,"event":"b"}]`,
		` [ ` + lists(n-1) + ` , ` + lists(n-1) + ` ] `,
		lists(n)[:n],
		objects(n, "")[:5*n],
	}
}

// seeds are the texts for the fuzz targets.
func seeds() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, list := range [][]string{ruleTexts, typicalFrames, literals, numbers} {
			for _, text := range list {
				if !yield(text) {
					return
				}
			}
		}
		for _, special := range specials {
			for _, place := range []int{0, 1, 6, 7, 8, 9, 15, 16, 23} {
				s := filled(24, place, special)
				if !yield(`{"updates": [{"` + s + `": "` + s + `", "event": "` + s + `"}], "wallet": "` + s + `"}`) {
					return
				}
			}
		}
		frame := typicalFrames[0]
		for n := range frame {
			if !yield(frame[:n]) {
				return
			}
		}
		long := strings.Repeat("n", 100)
		_ = yield(manyMembers(12)) && yield(longNames(9)) &&
			yield(`{"`+long+`n":1,"`+long+`m":2,"`+long+`":"`+long+`","\u006e`+long+`":3,"event":"a"}`)
	}
}

// in is a text inside of so many lists. A fuzz target has the number beside the
// text: it would need minutes to make a deep text shorter.
func in(levels uint16, text string) string {
	if levels < 9990 || levels > 10010 {
		levels %= 4
	}
	return strings.Repeat("[", int(levels)) + text + strings.Repeat("]", int(levels))
}

var seedLevels = []uint16{9996, 9997, 9998, 9999, 10000, 10001}

// The tests.

func TestRulesAgainstEncodingJSON(t *testing.T) {
	var c wire.Cutter
	for _, list := range [][]string{ruleTexts, typicalFrames, literals, numbers} {
		for _, text := range list {
			require.NoError(t, compareAll(&c, []byte(text)))
			require.NoError(t, compareAll(&c, []byte("["+text+"]")))
			require.NoError(t, compareAll(&c, []byte("[1, "+text+" ,2]")))
			require.NoError(t, compareAll(&c, []byte(`{"updates":`+text+`}`)))
			require.NoError(t, compareAll(&c, []byte(`{"updates": [`+text+`,`+text+"\n],\"wallet\" : "+text+` }`)))
			require.NoError(t, compareAll(&c, []byte(`{"updates":[],"updates":[{"event": `+text+`,"tx":`+text+`}],"currency":`+text+` }`)))
			require.NoError(t, compareAll(&c, []byte(`{"updates":[{"x":`+text+`,"event":"a"},{"event":"b"}]}`)))
			require.NoError(t, compareAll(&c, []byte(`{"updates": [{"event": `+text+`, "tx": `+text+`}, `+text+`], "wallet": `+text+`, "currency": "ETH"}`)))
			require.NoError(t, compareAll(&c, []byte(`{"updates": [{"event": "a"}], "wallet": null, "currency": `+text+`}`)))
			require.NoError(t, compareAll(&c, []byte(text+text)))
			require.NoError(t, compareAll(&c, []byte(" "+text+"\n")))
		}
	}
}

// The seeds must hold each answer, or the comparison could be one of errors.
func TestReferenceKnowsFramesFromOthers(t *testing.T) {
	var frames, lists, objects, none int
	for text := range seeds() {
		_, frame := refFrame([]byte(text))
		_, list := refList([]byte(text))
		_, object := refObject([]byte(text))
		switch {
		case frame:
			frames++
		case list:
			lists++
		case object:
			objects++
		default:
			none++
		}
	}
	for _, n := range []int{frames, lists, objects, none} {
		require.Greater(t, n, 5, "%d frames, %d lists, %d objects, %d others", frames, lists, objects, none)
	}
	f, ok := refFrame([]byte(typicalFrames[0]))
	require.True(t, ok)
	require.Equal(t, "zpub6nQ", string(f.Wallet))
	require.Equal(t, "new_payment", f.Updates[0].Event)
}

// longestString is how long the strings of the tables are: five words of eight
// bytes.
func longestString() int {
	if testing.Short() || raced {
		return 17
	}
	return 40
}

func TestStringsAgainstEncodingJSON(t *testing.T) {
	t.Run("values", func(t *testing.T) {
		t.Parallel()
		var c wire.Cutter
		for s := range specialStrings(longestString()) {
			data := []byte(`{"updates":[{"event":"` + s + `"}, "` + s + `"],"wallet":"` + s + `"}`)
			if err := compareFrame(&c, data); err != nil {
				t.Fatalf("%q: %v", data, err)
			}
		}
	})
	t.Run("names", func(t *testing.T) {
		t.Parallel()
		var c wire.Cutter
		for s := range specialStrings(longestString()) {
			data := []byte(`{"` + s + `":1, "updates":[{"` + s + `": 2,"event":"a", "` + s + `":"b"}]}`)
			if err := compareFrame(&c, data); err != nil {
				t.Fatalf("%q: %v", data, err)
			}
			body := data[len(data)-len(`{"": 2,"event":"a", "":"b"}]}`)-2*len(s) : len(data)-2]
			if err := compareMembers(body); err != nil {
				t.Fatalf("%q: %v", body, err)
			}
		}
	})
	// A list ends right behind the string, so that its last word is not full.
	t.Run("at the end", func(t *testing.T) {
		t.Parallel()
		for s := range specialStrings(longestString()) {
			for _, data := range []string{`["` + s + `"]`, `["` + s + `"`, `["` + s} {
				if err := compareList([]byte(data)); err != nil {
					t.Fatalf("%q: %v", data, err)
				}
			}
		}
	})
}

// Each pair of neighbours, at each place of a word: a carry out of one byte is
// seen in the next.
func TestPairsOfBytesAgainstEncodingJSON(t *testing.T) {
	first := []byte{0, 1, 0x1f, ' ', '!', '"', '#', '[', '\\', ']', 'a', 0x7e, 0x7f, 0x80, 0x81, 0xa2, 0xdc, 0xff}
	for place := range 9 {
		if (testing.Short() || raced) && place > 1 {
			break
		}
		for _, a := range first {
			for b := range 256 {
				s := filled(place+3, place, string([]byte{a, byte(b)}))
				data := []byte(`{"` + s + `":0,"event":"` + s + `"}`)
				if err := compareMembers(data); err != nil {
					t.Fatalf("%q: %v", data, err)
				}
			}
		}
	}
}

// mutants are a text with one byte replaced, left out or put in, at each place,
// and cut off at each place.
func mutants(text string) iter.Seq[[]byte] {
	const interesting = "\x00\x01\t\n\r\x1f !\"#$',-./019:Eaeflnrtu[\\]{}~_+\x7f\x80\xbf\xc3\xe9\xed\xf0\xff"
	return func(yield func([]byte) bool) {
		for i := range len(text) + 1 {
			if !yield([]byte(text[:i])) {
				return
			}
			for _, b := range []byte(interesting) {
				if i < len(text) && !yield([]byte(text[:i]+string([]byte{b})+text[i+1:])) {
					return
				}
				if !yield([]byte(text[:i] + string([]byte{b}) + text[i:])) {
					return
				}
			}
			for n := 1; i+n <= len(text) && n <= 4; n++ {
				if !yield([]byte(text[:i] + text[i+n:])) {
					return
				}
			}
		}
	}
}

func TestMutationsAgainstEncodingJSON(t *testing.T) {
	for i, frame := range typicalFrames {
		if i > 1 && (testing.Short() || raced) {
			break
		}
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			var c wire.Cutter
			for data := range mutants(frame) {
				if err := compareFrame(&c, data); err != nil {
					t.Fatalf("%q: %v", data, err)
				}
			}
		})
		t.Run(strconv.Itoa(i)+" as an update", func(t *testing.T) {
			t.Parallel()
			f, ok := refFrame([]byte(frame))
			require.True(t, ok)
			for data := range mutants(f.Updates[0].Text) {
				err := compareMembers(data)
				if err == nil {
					err = compareFind(string(data))
				}
				if err == nil {
					err = compareList([]byte("[" + string(data) + "]"))
				}
				if err != nil {
					t.Fatalf("%q: %v", data, err)
				}
			}
		})
	}
}

func TestDepthAgainstEncodingJSON(t *testing.T) {
	var c wire.Cutter
	for n := 9998; n <= 10003; n++ {
		for i, text := range deepTexts(n) {
			err := compareFrame(&c, []byte(text))
			if err == nil {
				err = compareList([]byte(text))
			}
			if err == nil {
				err = compareMembers([]byte(text))
			}
			require.NoError(t, err, "text %d of %d levels", i, n)
		}
	}
	for _, text := range []string{strings.Repeat("[", 1<<20), strings.Repeat(`{"updates":`, 1<<18), strings.Repeat(`{"updates":[`, 1<<18)} {
		require.NoError(t, compareFrame(&c, []byte(text)))
		require.NoError(t, compareList([]byte(text)))
		require.NoError(t, compareMembers([]byte(text)))
	}
}

func TestManyMembersAgainstEncodingJSON(t *testing.T) {
	var c wire.Cutter
	for _, n := range []int{1, 7, 8, 9, 63, 64, 65, 300, 2000} {
		require.NoError(t, compareAll(&c, []byte(manyMembers(n))))
	}
	for _, n := range []int{1, 2, 3, 7, 8, 9, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 256, 257, 300} {
		require.NoError(t, compareAll(&c, []byte(longNames(n))))
	}
}

func TestLongTextsAgainstEncodingJSON(t *testing.T) {
	var c wire.Cutter
	compare := func(data string) {
		t.Helper()
		require.NoError(t, compareFrame(&c, []byte(data)))
		require.NoError(t, compareFindOf(data, "updates", "wallet", "tx"))
		for _, u := range refUpdatesOf(data) {
			require.NoError(t, compareFindOf(u.Text, "event", "x", "tx"))
		}
	}
	for _, n := range []int{1 << 10, 1<<16 - 1, 1 << 16, 1<<16 + 1} {
		for _, special := range []string{"", `\"`, "\xff", "é"} {
			s := strings.Repeat("a", n) + special
			compare(`{"updates":[{"event":"` + s + `","tx":"b"},{"x":"` + s + `","event":"` + special + `"},{"` + s + `":2,"event":"a"}],"wallet":"` + s + `"}`)
		}
		compare(`{"updates":[` + strings.Repeat(" ", n) + `]` + strings.Repeat("\n", n) + `}`)
		compare(`{"updates":[{"x":` + strings.Repeat("1", n) + `,"event":"a"}]}`)
	}
	many := strings.Repeat(`{"event":"a"},`, 10000)
	require.NoError(t, compareFrame(&c, []byte(`{"updates":[`+many+`1],"updates":[`+many+`null]}`)))
	require.NoError(t, compareList([]byte(`[`+many+`1]`)))
}

// randomFrame is a frame of any size, now and then one that is none.
func randomFrame(rng *rand.Rand) []byte {
	text := func(n int) string {
		var b strings.Builder
		for b.Len() < n {
			if rng.IntN(12) == 0 {
				b.WriteString(specials[rng.IntN(len(specials))])
			} else {
				b.WriteByte(byte(' ' + rng.IntN(95)))
			}
		}
		quoted := `"` + b.String() + `"`
		if !json.Valid([]byte(quoted)) {
			return fmt.Sprintf("%q", strconv.Itoa(rng.IntN(1e9)))
		}
		return quoted
	}
	var b bytes.Buffer
	b.WriteString(`{"updates": [`)
	for i := range rng.IntN(30) {
		if i > 0 {
			b.WriteString(", ")
		}
		if rng.IntN(10) == 0 {
			b.WriteString(text(rng.IntN(100)))
			continue
		}
		fmt.Fprintf(&b, `{"event": %s, %s: %s`, text(rng.IntN(20)), text(8), text(rng.IntN(300)))
		if rng.IntN(10) == 0 {
			fmt.Fprintf(&b, `, "event": %s`, text(rng.IntN(9)))
		}
		b.WriteString("}")
	}
	fmt.Fprintf(&b, `], "wallet": %s, "currency": %s}`, text(rng.IntN(120)), text(3))
	if rng.IntN(10) == 0 {
		b.Truncate(rng.IntN(b.Len()))
	}
	return b.Bytes()
}

// One Cutter cuts every message of a connection, out of one buffer.
func TestKeptUpdatesStayOverManyFrames(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var c wire.Cutter
	var want, kept []wire.Update
	var buffer []byte
	frames := 0
	for range 1000 {
		message := randomFrame(rng)
		buffer = append(buffer[:0], message...)
		f, err := c.Cut(buffer)
		ref, ok := refFrame(message)
		require.Equal(t, ok, err == nil, "%q", message)
		if !ok {
			require.ErrorIs(t, err, wire.ErrFrame)
			continue
		}
		frames++
		require.Equal(t, string(ref.Wallet), string(f.Wallet))
		require.Equal(t, string(ref.Currency), string(f.Currency))
		require.NoError(t, compareUpdates(ref.Updates, f.Updates))
		want = append(want, ref.Updates...)
		kept = append(kept, f.Updates...)
	}
	for i := range buffer[:cap(buffer)] {
		buffer[:cap(buffer)][i] = 'Z'
	}
	require.Greater(t, frames, 500)
	require.NoError(t, compareUpdates(want, kept))
}

func FuzzCutAgainstEncodingJSON(f *testing.F) {
	for text := range seeds() {
		f.Add([]byte(text), uint16(0))
	}
	for _, levels := range seedLevels {
		f.Add([]byte(`1`), levels)
		f.Add([]byte(`{"event":[],"event":"a"}`), levels)
	}
	f.Fuzz(func(t *testing.T, data []byte, levels uint16) {
		var c wire.Cutter
		err := compareFrame(&c, data)
		if err == nil {
			err = compareFrame(&c, data)
		}
		if err == nil {
			// Most texts are no frame: as an item of one they are seen whole.
			err = compareFrame(&c, []byte(`{"updates":[`+in(levels, string(data))+`],"wallet":"w"}`))
		}
		if err == nil && len(data)%16 == 7 { // it takes its time
			// Behind more updates than are cut at once, and among them.
			many := strings.Repeat(`{"event":"e"},`, 511)
			err = compareFrame(&c, []byte(`{"updates":[`+many+string(data)+`,`+many+string(data)+`]}`))
		}
		if err != nil {
			t.Fatalf("%s: %v", excerpt(data), err)
		}
	})
}

func FuzzListAgainstEncodingJSON(f *testing.F) {
	for text := range seeds() {
		f.Add([]byte(text), uint16(0))
		f.Add([]byte(text), uint16(1))
	}
	for _, levels := range seedLevels {
		f.Add([]byte(`1`), levels)
		f.Add([]byte(`{"event":[],"event":"a"}`), levels)
	}
	f.Fuzz(func(t *testing.T, data []byte, levels uint16) {
		data = []byte(in(levels, string(data)))
		err := compareList(data)
		if err == nil {
			err = compareMembers(data)
		}
		if err == nil {
			err = compareMembers([]byte(`{"event":` + string(data) + `}`))
		}
		if err != nil {
			t.Fatalf("%s: %v", excerpt(data), err)
		}
	})
}
