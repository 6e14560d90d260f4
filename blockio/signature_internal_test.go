package blockio

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCutSignature(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"last", `{"a":1,"signature":"x"}`, `{"a":1}`},
		{"first", `{"signature":"x","a":1}`, `{"a":1}`},
		{"middle", `{"a":1,"signature":"x","b":2}`, `{"a":1,"b":2}`},
		{"alone", `{"signature":"x"}`, `{}`},
		{"spaces, last", `{"a": 1, "signature": "x"}`, `{"a": 1}`},
		{"spaces, first", `{"signature": "x", "a": 1}`, `{"a": 1}`},
		{"spaces around the comma", `{ "a":1 , "signature" : "x" , "b":2 }`, `{ "a":1  , "b":2 }`},
		{"lines, last", "{\n  \"a\": 1,\n  \"signature\": \"x\"\n}\n", "{\n  \"a\": 1\n}\n"},
		{"lines, first", "{\n  \"signature\": \"x\",\n  \"a\": 1\n}\n", "{\n  \"a\": 1\n}\n"},
		{"nested ones are data", `{"data":{"signature":"y"},"signature":"x","l":[{"signature":1}]}`, `{"data":{"signature":"y"},"l":[{"signature":1}]}`},
		{"in a string", `{"a":",\"signature\":\"y\"","signature":"x"}`, `{"a":",\"signature\":\"y\""}`},
		{"escaped name", `{"a":1,"sign\u0061ture":"x"}`, `{"a":1}`},
		{"another case is another name", `{"Signature":"y","signature":"x"}`, `{"Signature":"y"}`},
		{"empty name before", `{"":"\",","signature":"x"}`, `{"":"\","}`},
		{"not a string", `{"a":1,"signature":{"b":[1,2]}}`, `{"a":1}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			rest, _, err := cutSignature([]byte(test.body))
			require.NoError(t, err)
			require.Equal(t, test.want, string(rest))
		})
	}
}

func TestCutSignatureRefuses(t *testing.T) {
	for _, test := range []struct {
		body string
		want error
	}{
		{`{"signature":"x","signature":"x"}`, errTwoSignatures},
		{`{"signature":"x","a":1,"signatur\u0065":"y"}`, errTwoSignatures},
		{`{"a":1}`, errNoSignature},
		{`{}`, errNoSignature},
		{`{"data":{"signature":"x"}}`, errNoSignature},
		{``, errNotOneObject},
		{`[]`, errNotOneObject},
		{`"signature"`, errNotOneObject},
		{`null`, errNotOneObject},
		{`{"signature":"x"`, errNotOneObject},
		{`{"signature":"x"} {}`, errNotOneObject},
		{`{"signature":"x",}`, errNotOneObject},
		{`{` + strings.Repeat(`"":0,`, maxMembers) + `"signature":"x"}`, errTooMany},
	} {
		_, _, err := cutSignature([]byte(test.body))
		require.ErrorIs(t, err, test.want, test.body)
	}
}

func TestSortedJSON(t *testing.T) {
	for _, test := range []struct{ body, want string }{
		{` { "b" : 1 , "a" : { "d" : [ 1 , { "f" : null , "e" : true } ] , "c" : "x" } } `, `{"a":{"c":"x","d":[1,{"e":true,"f":null}]},"b":1}`},
		{`{"a":1.10,"b":1e5,"c":123456789012345678901234567890,"d":-0}`, `{"a":1.10,"b":1e5,"c":123456789012345678901234567890,"d":-0}`},
		{`{"a":"\u0041\/<>&\u00e9"}`, `{"a":"A/<>&é"}`},
		{`{"a":"\ud83d\ude00"}`, `{"a":"😀"}`},
		{`{"a":"\\ud800"}`, `{"a":"\\ud800"}`},
		{`{"":[],"a":{}}`, `{"":[],"a":{}}`},
		{`"x"`, `"x"`},
	} {
		got, err := sortedJSON([]byte(test.body))
		require.NoError(t, err, test.body)
		require.Equal(t, test.want, string(got))
	}
}

func TestSortedJSONRefuses(t *testing.T) {
	deep := bytes.Repeat([]byte(`[`), 40)
	deep = append(deep, bytes.Repeat([]byte(`]`), 40)...)
	for body, want := range map[string]error{
		`{"a":1,"a":1}`:               errRepeatedMember,
		`{"x":[{"a":1,"\u0061":2}]}`:  errRepeatedMember,
		"{\"a\":\"\xff\"}":            errNotUTF8,
		`{"a":"\ud800"}`:              errNotUTF8,
		`{"a":"\uDC00 \ud800\udc00"}`: errNotUTF8,
		`{"\udfff\ud800":1}`:          errNotUTF8,
		`{"a":"\ufffd"}`:              nil,
		string(deep):                  errTooDeep,
		strings.Repeat(`[`, maxSortDepth) + `0` + strings.Repeat(`]`, maxSortDepth):         nil,
		strings.Repeat(`[`, maxSortDepth+1) + `0` + strings.Repeat(`]`, maxSortDepth+1):     errTooDeep,
		strings.Repeat(`{"a":`, maxSortDepth) + `0` + strings.Repeat(`}`, maxSortDepth):     nil,
		strings.Repeat(`{"a":`, maxSortDepth+1) + `0` + strings.Repeat(`}`, maxSortDepth+1): errTooDeep,
		`[` + strings.Repeat(`0,`, 2*maxSortTokens) + `0]`:                                  errTooMany,
		`{` + names(0, maxSortTokens) + `"":0}`:                                             errTooMany, // at a value
		`[{` + names(0, maxSortTokens) + `"":0}]`:                                           errTooMany, // at a name
		`{"":[],` + strings.TrimSuffix(names(0, maxSortTokens/2-2), ",") + `}`:              errTooMany, // at the last brace
		`{"":[],` + strings.TrimSuffix(names(0, maxSortTokens/2-3), ",") + `}`:              nil,
		`[` + strings.Repeat(`0,`, maxSortTokens-3) + `0]`:                                  nil,
		`[` + strings.Repeat(`0,`, maxSortTokens-2) + `0]`:                                  errTooMany,
		`{} {}`: errNotOneObject,
	} {
		_, err := sortedJSON([]byte(body))
		require.ErrorIs(t, err, want, "%.100s", body)
	}
}

// names are the members "0":0, "1":0, and so on.
func names(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, `"%d":0,`, i)
	}
	return b.String()
}

// TestNoSignatureOfNothing: a body that has no sorted form is not taken for an
// empty one.
func TestNoSignatureOfNothing(t *testing.T) {
	secret := []byte("correct-horse-9")
	body := `{"a":1,"a":2,"signature":"` + sign(secret, nil) + `"}`
	require.ErrorIs(t, checkSignature([][]byte{secret}, []byte(body)), errWrongSignature)
}

// FuzzCutSignature compares the cutter with decoding: what is left must be the
// same members without that one, in the same bytes.
func FuzzCutSignature(f *testing.F) {
	for _, seed := range []string{
		`{"event_id":"e","type":"address","data":{"signature":"y","a":[1,{"b":null}]},"signature":"x"}`,
		`{"signature":"x"}`, `{ "signature" : "x" , "a" : "}" }`, "{\n\"a\":\"\\\"\",\n\"signature\":{}\n}\n",
		`{"a":1,"sign\u0061ture":"x"}`, `{"signature":1,"signature":2}`, `{}`, `[1]`, `{"a":1,"a":2,"signature":"x"}`, ``,
		`{"":1e999,"signature":0}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		rest, value, err := cutSignature(body)
		require.Equal(t, before, body, "the body was changed")

		var want map[string]json.RawMessage
		if json.Unmarshal(body, &want) != nil || want == nil {
			require.ErrorIs(t, err, errNotOneObject)
			return
		}
		if errors.Is(err, errTooMany) {
			require.Greater(t, len(body), maxMembers*4)
			return
		}
		signature, signed := want["signature"]
		if errors.Is(err, errTwoSignatures) {
			require.True(t, signed)
			require.Greater(t, countSignatures(t, body), 1)
			return
		}
		if !signed {
			require.ErrorIs(t, err, errNoSignature)
			require.Equal(t, body, rest)
			return
		}
		require.NoError(t, err)
		require.Equal(t, 1, countSignatures(t, body))
		require.Equal(t, string(signature), string(value))
		delete(want, "signature")
		var got map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(rest, &got), "what is left: %q", rest)
		require.True(t, maps.EqualFunc(want, got, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }), "what is left: %q", rest)
		require.Zero(t, countSignatures(t, rest))
	})
}

// countSignatures counts the members of that name, which a map cannot.
func countSignatures(t *testing.T, body []byte) int {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // one may be above every float
	_, err := dec.Token()
	require.NoError(t, err)
	n := 0
	for depth, isName := 0, true; ; {
		token, err := dec.Token()
		require.NoError(t, err)
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			continue
		case json.Delim('}'), json.Delim(']'):
			if depth--; depth < 0 {
				return n
			}
		default:
			if depth == 0 && isName && token == "signature" {
				n++
			}
		}
		if depth == 0 {
			isName = !isName
		}
	}
}

// FuzzSortedJSON: sorting changes neither the value nor what is sorted already.
func FuzzSortedJSON(f *testing.F) {
	for _, seed := range []string{`{"b":[1,{"d":"\u0041","c":1e9}],"a":null}`, `[]`, `"\ud800"`, `{"a":1,"a":2}`, `1.50`, `[1e999]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		sorted, err := sortedJSON(raw)
		if err != nil {
			return
		}
		want, err := decodeAny(raw)
		require.NoError(t, err)
		got, err := decodeAny(sorted)
		require.NoError(t, err)
		require.Equal(t, want, got)
		again, err := sortedJSON(sorted)
		require.NoError(t, err)
		require.Equal(t, string(sorted), string(again))
	})
}
