package blockio

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestCanonical(t *testing.T) {
	for _, test := range []struct{ raw, want string }{
		{` { "b" : [ 1 , { "d" : null , "c" : true } ] , "a" : "x" } `, `{"a":"x","b":[1,{"c":true,"d":null}]}`},
		{"\t[\r\n]\n", `[]`},
		{`{}`, `{}`},
		{`[{ },[ ],-0,1.10,1e5,123456789012345678901234567890,false]`, `[{},[],-0,1.10,1e5,123456789012345678901234567890,false]`},
		{`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		{`{"a":1,"\u0061":2}`, `{"a":2}`},
		{`{"a":2,"a":1,"a":{"c":1,"b":[]}}`, `{"a":{"b":[],"c":1}}`},
		{`{"ab":1,"a":2,"":3}`, `{"":3,"a":2,"ab":1}`},
		{`{"a\"b":1,"a":2}`, `{"a":2,"a\"b":1}`},
		{`{"b":"\"},{","a":"\\"}`, `{"a":"\\","b":"\"},{"}`},
		{`"\u0041\/\u00e9\u2028\ud83d\ude00\u007f"`, "\"A/\u00e9\u2028\U0001f600\u007f\""},
		{`"\u0022\u005C\u0008\u000c\u000A\u000D\u0009\u001F\u0000"`, `"\"\\\b\f\n\r\t\u001f\u0000"`},
		{`"\b\f\n\r\t\"\\"`, `"\b\f\n\r\t\"\\"`},
		{`"<>&` + "\u2028\ufffd" + `"`, `"<>&` + "\u2028\ufffd" + `"`},
		{`"\uDC00\uD800\u0041\ud83d\ud83d\uDE00\ud800"`, `"\udc00\ud800A\ud83d` + "\U0001f600" + `\ud800"`},
		{"{\"\xff\":1,\"\xfe\":\"\xc3\"}", "{\"\xfe\":\"\xc3\",\"\xff\":1}"},
	} {
		before := strings.Clone(test.raw)
		require.Equal(t, test.want, string(canonical([]byte(test.raw))), test.raw)
		require.Equal(t, before, test.raw)
	}
}

// Members in another order are put in order in each of many nested objects,
// and in objects of any size.
func TestCanonicalBounds(t *testing.T) {
	nest := func(depth int, before, after string) []byte {
		return []byte(strings.Repeat(before, depth) + `0` + strings.Repeat(after, depth))
	}
	const deep = 50
	require.Equal(t, string(nest(deep, `{"a":`, `,"b":0}`)), string(canonical(nest(deep, `{"b":0,"a":`, `}`))))
	tooDeep := nest(9000, `{"b":0,"a":`, `}`)
	require.Equal(t, string(tooDeep), string(canonical(tooDeep)), "left as it is")
	sorted := nest(9000, ` {"a":`, `,"b":0}`)
	require.Equal(t, string(nest(9000, `{"a":`, `,"b":0}`)), string(canonical(sorted)), "nothing to be moved")

	var up, down []string
	for c := 'a'; c <= 'z'; c++ {
		up = append(up, `"`+string(c)+`":0`)
		down = append([]string{`"` + string(c) + `":0`}, down...)
	}
	require.Equal(t, "{"+strings.Join(up, ",")+"}", string(canonical([]byte("{"+strings.Join(down, " , ")+"}"))))
}

// TestWriteCanonical: what is written in pieces is one text.
func TestWriteCanonical(t *testing.T) {
	for _, pad := range []int{0, 4093, 4094, 4095, 4096, 9000} {
		raw := []byte(`"` + strings.Repeat("x", pad) + "\u2028<\xff\xff" + strings.Repeat("\x80", 5000) + `"`)
		h := sha256.New()
		writeCanonical(h, raw)
		var want bytes.Buffer
		json.HTMLEscape(&want, raw)
		sum := sha256.Sum256(want.Bytes())
		require.Equal(t, sum[:], h.Sum(nil), pad)
	}
}

// decodedForm is the form by decoding, which takes as much memory as it likes.
func decodedForm(t *testing.T, raw []byte) []byte {
	t.Helper()
	value, err := decodeAny(raw)
	require.NoError(t, err)
	form, err := json.Marshal(value)
	require.NoError(t, err)
	return form
}

// FuzzCanonical compares the form with that by decoding.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{
		`{"b":[1,{"d":"\u0041","c":1e9}],"a":null,"b":2}`, `[]`, `"\ud800"`, `1.50`, `[1e999,"\ud83d\ude00"]`,
		`{"<":"\u003c","\"":"\u2028"}`, "\"\xff\"", `{"\n":{"":{}},"\u000A":[ "" , {} ]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) || bytes.Count(raw, []byte("{")) > maxMoves {
			return
		}
		got := canonical(raw)
		require.True(t, json.Valid(got), "%q", got)
		require.LessOrEqual(t, len(got), len(raw))
		require.Equal(t, string(got), string(canonical(got)), "twice")
		if !isUnicode(raw) {
			return
		}
		want := decodedForm(t, raw)
		require.Equal(t, string(want), string(decodedForm(t, got)), "another value")
		require.Equal(t, string(got), string(canonical(want)), "another spelling of the value has another form")
		if !bytes.Contains(raw, []byte(`\`)) {
			var escaped bytes.Buffer
			json.HTMLEscape(&escaped, got)
			require.Equal(t, string(want), escaped.String(), "stored keys hold")
			require.True(t, utf8.Valid(got))
		}
	})
}
