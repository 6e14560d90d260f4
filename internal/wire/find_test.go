//go:build !bitcart_stdjson

package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// smallInteger is what Int takes.
var smallInteger = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,17})$`)

// compareValue compares a value with the text that encoding/json has for it;
// nil is one that is not there.
func compareValue(text string, v wire.Value, want json.RawMessage, depth int) error {
	if raw := v.Raw(text); raw != string(want) {
		return fmt.Errorf("want %s, got %s", excerpt(want), excerpt(raw))
	}
	if absent := v.Absent(text); absent != refAbsent(want) {
		return fmt.Errorf("%s: absent is %v", excerpt(want), absent)
	}

	content, isString := refString(want)
	stands := isString && string(want[1:len(want)-1]) == content
	if plain, ok := v.Plain(text); ok != stands || ok && plain != content {
		return fmt.Errorf("%s: stands as it is: %v, Plain says %q, %v", excerpt(want), stands, plain, ok)
	}

	n, ok := v.Int(text)
	if ok != smallInteger.Match(want) {
		return fmt.Errorf("%s: Int says %d, %v", excerpt(want), n, ok)
	}
	var integer int64
	if ok && (json.Unmarshal(want, &integer) != nil || integer != n) {
		return fmt.Errorf("%s: Int says %d", excerpt(want), n)
	}

	items, isList := refList(want)
	before := []wire.Value{v, {}}
	values, ok := v.List(text, before)
	if ok != isList {
		return fmt.Errorf("%s: List says %v", excerpt(want), ok)
	}
	if isList {
		if len(values) != len(before)+len(items) {
			return fmt.Errorf("%s: want %d items, got %d", excerpt(want), len(items), len(values)-len(before))
		}
		if !slices.Equal(values[:len(before)], before) {
			return fmt.Errorf("%s: List has not appended", excerpt(want))
		}
		for i, item := range items {
			if depth == 0 || i > 100 {
				break
			}
			if err := compareValue(text, values[len(before)+i], item, depth-1); err != nil {
				return fmt.Errorf("item %d: %w", i, err)
			}
		}
	}
	return nil
}

// findDeep is as many levels as compareFind goes into: each reads the text of
// the levels below again.
const findDeep = 4

// find looks in the body of an update that was cut out of a message, where text
// is one, and otherwise in a text that is walked through. Both have to agree.
func find(text string, names []string, values []wire.Value) bool {
	walked := wire.BodyOf(text)
	list, _, err := wire.CutList([]byte("[" + text + "]"))
	if err != nil || len(list) != 1 || list[0].Text != text {
		return walked.Find(names, values)
	}
	byWalk := slices.Clone(values)
	ok := walked.Find(names, byWalk)
	if list[0].Find(names, values) != ok {
		panic("the index and the walk disagree about " + text)
	}
	for i := range values {
		if values[i].Raw(text) != byWalk[i].Raw(text) {
			panic("the index and the walk find different members in " + text)
		}
	}
	return ok
}

// compareFind compares what Find and the methods of Value say of a text, which
// must be valid, and of the lists and objects in it.
func compareFind(text string) error {
	if !json.Valid([]byte(text)) {
		return nil
	}
	return compareFindDeep(text, findDeep)
}

func compareFindDeep(text string, depth int) error {
	trimmed := strings.Trim(text, " \t\r\n")
	if err := compareValue(trimmed, wire.ValueOf(trimmed), json.RawMessage(trimmed), depth); err != nil {
		return err
	}
	if items, ok := refList([]byte(text)); ok && depth > 0 {
		for _, item := range items[:min(len(items), 20)] {
			if err := compareFindDeep(string(item), depth-1); err != nil {
				return err
			}
		}
	}

	members, isObject := refObject([]byte(text))
	names := namesFor(members)
	// What stands there before is a value of this text that none of the names
	// can have, the text as a whole.
	before := wire.ValueOf(text)
	values := make([]wire.Value, len(names))
	for i := range values {
		values[i] = before
	}
	if ok := find(text, names, values); ok != isObject {
		return fmt.Errorf("an object: %v, Find says %v", isObject, ok)
	}
	for i, name := range names {
		want, is := members[name]
		if !is {
			if values[i] != before {
				return fmt.Errorf("member %q is not there, Find has %s", name, excerpt(values[i].Raw(text)))
			}
			continue
		}
		if err := compareValue(text, values[i], want, depth); err != nil {
			return fmt.Errorf("member %q: %w", name, err)
		}
		var alone [1]wire.Value
		if find(text, []string{name}, alone[:]); alone[0] != values[i] {
			return fmt.Errorf("member %q alone: %s", name, excerpt(alone[0].Raw(text)))
		}
		if bytes.HasPrefix(want, []byte("{")) && depth > 0 {
			if err := compareFindDeep(string(want), depth-1); err != nil {
				return fmt.Errorf("in member %q: %w", name, err)
			}
		}
	}
	return nil
}

// within says whether part is a part of text, by its place in memory.
func within(text, part string) bool {
	if part == "" {
		return true
	}
	start, at := uintptr(unsafe.Pointer(unsafe.StringData(text))), uintptr(unsafe.Pointer(unsafe.StringData(part)))
	return start <= at && at+uintptr(len(part)) <= start+uintptr(len(text))
}

// answers is everything that Find and the methods of Value say of a text.
type answers struct {
	object bool
	raws   []string
	plains []string
	ints   []int64
	oks    []bool
}

func (a *answers) add(text string, v wire.Value, depth int) error {
	raw := v.Raw(text)
	plain, isPlain := v.Plain(text)
	n, isInt := v.Int(text)
	items, isList := v.List(text, nil)
	if !within(text, raw) || !within(text, plain) {
		return fmt.Errorf("%q, %q is no part of the text", raw, plain)
	}
	if len(items) > len(text) {
		return fmt.Errorf("%d items in %d bytes", len(items), len(text))
	}
	a.raws, a.plains, a.ints = append(a.raws, raw), append(a.plains, plain), append(a.ints, n)
	a.oks = append(a.oks, v.Absent(text), isPlain, isInt, isList)
	for _, item := range items[:min(len(items), 20)] {
		if depth == 0 {
			break
		}
		if err := a.add(text, item, depth-1); err != nil {
			return err
		}
	}
	return nil
}

func (a *answers) equal(b *answers) bool {
	return a.object == b.object && slices.Equal(a.raws, b.raws) && slices.Equal(a.plains, b.plains) &&
		slices.Equal(a.ints, b.ints) && slices.Equal(a.oks, b.oks)
}

// ask asks everything of a text, of names and of the text as a whole.
func ask(text string, names ...string) (*answers, error) {
	values := make([]wire.Value, len(names))
	a := &answers{object: find(text, names, values)}
	for _, v := range append(values, wire.ValueOf(text)) {
		if err := a.add(text, v, 2); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// boundedFind: of any text, valid or not, nothing panics, and what stands
// behind it in memory makes no difference.
func boundedFind(text string, names ...string) error {
	names = append(names, "event", "tx", "a", "updates", "", "é", strings.Repeat("n", 101))
	first, err := ask(strings.Clone(text), names...)
	if err != nil {
		return err
	}
	for _, tail := range []string{`"]},"event":"beyond"}`, `99],"tx":"beyond"}`, "ull", `:"beyond"}`, "]]]]}}}}"} {
		longer := text + tail
		again, err := ask(longer[:len(text)], names...)
		if err != nil {
			return fmt.Errorf("before %q: %w", tail, err)
		}
		if !first.equal(again) {
			return fmt.Errorf("before %q: want %q, got %q", tail, first.raws, again.raws)
		}
	}
	return nil
}

func TestZeroValueIsNotThere(t *testing.T) {
	var v wire.Value
	for _, text := range []string{"", "null", "5", `"a"`, `{"a":1}`, "[1]"} {
		require.NoError(t, compareValue(text, v, nil, 1))
	}
}

func TestFindWithoutNames(t *testing.T) {
	require.True(t, find(`{}`, nil, nil))
	require.True(t, find(` {"a":1} `, nil, nil))
	require.False(t, find(`[]`, nil, nil))
	require.False(t, find(`null`, nil, nil))
	require.False(t, find(` "{" `, nil, nil))
}

// Of many names each gets its own value.
func TestFindManyNames(t *testing.T) {
	for _, n := range []int{8, 9, 32, 33, 64, 65, 130} {
		var names []string
		var b strings.Builder
		b.WriteString(`{"other":0`)
		for i := range n {
			name := fmt.Sprintf("name%d", i)
			names = append(names, name)
			fmt.Fprintf(&b, `, "x%d": "name%d", %q: %d`, i, i, name, i)
		}
		text := b.String() + "}"
		slices.Reverse(names)
		values := make([]wire.Value, n)
		require.True(t, find(text, names, values))
		for i, v := range values {
			got, ok := v.Int(text)
			require.True(t, ok)
			require.EqualValues(t, n-1-i, got)
		}
	}
}

func TestFindInStringsAgainstEncodingJSON(t *testing.T) {
	for s := range specialStrings(longestString()) {
		if !json.Valid([]byte(`"` + s + `"`)) {
			continue
		}
		// The whole text is of one kind with its worst string: the others are
		// read on the way of that kind.
		text := `{"tx":"b", "a":["` + s + `","c"],"` + s + `":"` + s + `","event":"d"}`
		if err := compareFindOf(text, "tx", "a", "event"); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if name, _ := refString([]byte(`"` + s + `"`)); askable(name) {
			if err := compareFindOf(text, name, name+"a"); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
		}
	}
}

// compareFindOf is compareFind of some names, without what stands deeper.
func compareFindOf(text string, names ...string) error {
	members, isObject := refObject([]byte(text))
	values := make([]wire.Value, len(names))
	if ok := find(text, names, values); ok != isObject {
		return fmt.Errorf("an object: %v, Find says %v", isObject, ok)
	}
	for i, name := range names {
		if err := compareValue(text, values[i], members[name], 1); err != nil {
			return fmt.Errorf("member %q: %w", name, err)
		}
	}
	return nil
}

// A text that is ASCII but for one byte, with that at each place where it may
// stand: clean texts are read another way than others.
func TestFindWithOneOddByte(t *testing.T) {
	const text = `{"event": "new_payment", "address": "5bb56e50f4", "n": 7, "tx_hashes": ["750b", "9dc8"], "inner": {"event": "x"}, "contract": null, "s": "Paid", "tx": ""}`
	for place := range len(text) + 1 {
		for _, special := range specials {
			odd := text[:place] + special + text[place:]
			if err := compareFind(odd); err != nil {
				t.Fatalf("%q: %v", odd, err)
			}
		}
	}
}

// Quotes, commas and brackets in strings are text, and what is in inner values
// is no member.
func TestFindSkipsWhatLooksLikeAMember(t *testing.T) {
	for _, text := range []string{
		`{"x":"\"event\":\"a\"","event":"b"}`, `{"x":",\"event\":\"a\"}"}`, `{"x":"}","event":"b"}`, `{"x":"]","event":"b","y":["]}","event",{"event":1}]}`,
		`{"x":{"event":"a"},"event":"b"}`, `{"event":"b","x":{"event":"a"}}`, `{"x":[{"event":"a"},"event",["event"]],"y":"event"}`, `{"x":"event","event":"x"}`,
		`{"event":"event","x":"event"}`, `{"x":"event"}`, `{"x":"event" , "y" : "event"}`, `{"a":{"a":{"a":{"a":{"a":1}}}}}`, `{"a":[[[["a"]]]],"tx":[{}]}`,
		`{"x":"\\","event":"b"}`, `{"x":"\\\"","event":"b"}`, `{"x":"\\\\","event":"b"}`, `{"x":"{","event":"b"}`, `{"x":"[","event":"b"}`, `{"x":"\\\\\"","event":"\\"}`,
		`{"tx":[],"a":[ ],"event":["]"],"updates":["\"]"]}`, `{"tx":["a,b",",","[","]"],"a":[1,2 , 3],"event":[[1,2],{"a":[3,4]}]}`,
		`{"tx":"","a":"","event":""}`, `{ "event" : null , "tx" : null }`, `{"event":true,"tx":false,"a":-1.5e+10}`, "{\"event\"\n:\t5\r}", "{\"event\":\"\x7f\"}",
		`{"event":"a","event":null}`, `{"event":null,"event":"a"}`, `{"event":"a","ev\u0065nt":[1]}`, `{"ev\u0065nt":[1],"event":"a"}`, `{"even\u0074":"\u0061"}`,
	} {
		require.NoError(t, compareFind(text), text)
		require.NoError(t, compareFind(" \t\r\n"+text+" \t\r\n"), text)
		require.NoError(t, compareFind(strings.NewReplacer(`:`, ` : `, `,`, "  ,\n").Replace(text)), text)
		require.NoError(t, boundedFind(text), text)
	}
}

func TestIntsAgainstEncodingJSON(t *testing.T) {
	var texts []string
	texts = append(texts, numbers...)
	for n := 1; n <= 21; n++ {
		for _, digit := range []string{"1", "9", "8", "10"} {
			texts = append(texts, strings.Repeat(digit, n)[:n], "-"+strings.Repeat(digit, n)[:n])
		}
		texts = append(texts, "1"+strings.Repeat("0", n), "-1"+strings.Repeat("0", n), strings.Repeat("1", n)+".0", strings.Repeat("1", n)+"e0", `"`+strings.Repeat("1", n)+`"`)
	}
	for _, text := range texts {
		for _, in := range []string{"%s", " %s ", `{"a":%s}`, `{"a": %s , "tx":%[1]s}`, "[%s]", "[%s,%[1]s]", "[ %s ]", "{\"a\":%s\n}", "\t%s\r"} {
			text := fmt.Sprintf(in, text)
			require.NoError(t, compareFind(text), text)
			require.NoError(t, boundedFind(text), text)
		}
	}
}

// A text that is not valid may be answered by anything but a panic.
func TestFindInInvalidTexts(t *testing.T) {
	for text := range seeds() {
		require.NoError(t, boundedFind(text), excerpt(text))
	}
	for i, frame := range typicalFrames {
		if i > 1 && (testing.Short() || raced) {
			break
		}
		f, ok := refFrame([]byte(frame))
		require.True(t, ok)
		for data := range mutants(f.Updates[0].Text) {
			if err := boundedFind(string(data), "height", "tx_hashes", "status"); err != nil {
				t.Fatalf("%q: %v", data, err)
			}
		}
	}
}

func TestFindInEndlessDepth(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("[", 1<<20), strings.Repeat(`{"a":`, 1<<18), strings.Repeat(`[{"a":`, 1<<18), strings.Repeat(`{"`, 1<<18),
		`{"a":` + strings.Repeat("[", 1<<20), `{"x":` + strings.Repeat(`{"x":`, 1<<18) + `1`, strings.Repeat("]", 1<<20), strings.Repeat("}", 1<<20),
		strings.Repeat(`\`, 1<<20), `"` + strings.Repeat(`\`, 1<<20), `{"` + strings.Repeat(`\"`, 1<<19), strings.Repeat(`"`, 1<<20), strings.Repeat(",", 1<<20),
	} {
		_, err := ask(text, "a")
		require.NoError(t, err)
	}
}

func FuzzFindAgainstEncodingJSON(f *testing.F) {
	for text := range seeds() {
		if json.Valid([]byte(text)) {
			f.Add(text, "event", uint16(0))
		}
	}
	for _, levels := range seedLevels {
		f.Add(`1`, "x", levels)
		f.Add(`{"x":[1,"a",null]}`, "x", levels)
	}
	f.Add(`{"\u00e9":1,"a":[1,"b",null]}`, "é", uint16(0))
	f.Fuzz(func(t *testing.T, text, name string, levels uint16) {
		if !json.Valid([]byte(text)) {
			return
		}
		err := compareFind(text)
		if err == nil && askable(name) {
			err = compareFindOf(text, name, name+"x")
		}
		deep := `{"x":` + in(levels, text) + `,"event":"a"}`
		if err == nil && json.Valid([]byte(deep)) {
			err = compareFindOf(deep, "x", "event")
		}
		if err == nil {
			err = boundedFind(text, name)
		}
		if err != nil {
			t.Fatalf("%s, %q: %v", excerpt(text), name, err)
		}
	})
}

func FuzzFindInvalid(f *testing.F) {
	for text := range seeds() {
		f.Add(text, "event", uint16(0))
	}
	for _, levels := range seedLevels {
		f.Add(`{"event":[`, "event", levels)
	}
	f.Fuzz(func(t *testing.T, text, name string, levels uint16) {
		err := boundedFind(text, name)
		if err == nil {
			_, err = ask(`{"event":`+in(levels, text), name, "event")
		}
		if err != nil {
			t.Fatalf("%s, %q: %v", excerpt(text), name, err)
		}
	})
}
