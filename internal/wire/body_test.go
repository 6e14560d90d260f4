//go:build !bitcart_stdjson

package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzIndexAgainstWalk: what was noted while a message was cut is what a walk
// through the text finds.
func FuzzIndexAgainstWalk(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { } `, `{"event":"new_payment","tx_hashes":["a", "b"],"status":3}`, `{"event": "x", "tx_hashes": [], "a": null}`,
		`{"tx_hashes":1}`, `{"tx_hashes":1,"a":2}`, `{"a":2,"tx_hashes":"\""}`, `{"tx_h\u0061shes":1,"a\\":2}`,
		`{"a":1,"a":2,"tx_hashes":3,"tx_hashes":4}`, "{\n\t\"a\" : {\"b\":[1,{}]} ,\r\"tx_hashes\":\"\xff\"}", `{"":0,"status":1e5}`,
		`{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"tx_hashes":9}`, `{"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"tx_hashes":8}`,
		`{"` + strings.Repeat("n", 300) + `":1,"a":2}`, `{"a":"` + strings.Repeat("long", 20_000) + `","status":2}`,
		`{"` + strings.Repeat("n", 300) + `": 1, "a": 2}`, `{"a": "` + strings.Repeat("long", 20_000) + `", "status": 2}`,
		`{"1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6, "7": 7, "8": 8, "tx_hashes": 9}`, `{"a": 1, "event": "x", "event": "y", "status": 1.50}`,
		`{"a":1,"a` + strings.Repeat("b", 256) + `":2}`, `{"a": 1, "a` + strings.Repeat("b", 256) + `": 2}`,
	} {
		f.Add(seed)
	}
	names := []string{"event", "status", "tx_hashes", "a", ""}
	f.Fuzz(func(t *testing.T, text string) {
		list, _, err := CutList([]byte("[" + text + "]"))
		if err != nil || len(list) != 1 {
			return
		}
		noted := list[0].Body
		walked := BodyOf(noted.Text)
		var a, b [5]Value
		require.Equal(t, walked.Find(names, b[:]), noted.Find(names, a[:]))
		var members map[string]json.RawMessage
		isObject := json.Unmarshal([]byte(noted.Text), &members) == nil && members != nil
		require.Equal(t, isObject, walked.Find(names, b[:]))
		for i, name := range names {
			require.Equal(t, b[i].Raw(noted.Text), a[i].Raw(noted.Text), name)
			if isObject {
				require.Equal(t, string(members[name]), a[i].Raw(noted.Text), name)
			}
			plainA, okA := a[i].Plain(noted.Text)
			plainB, okB := b[i].Plain(noted.Text)
			require.Equal(t, plainB, plainA, name)
			require.Equal(t, okB, okA, name)
			beforeA, afterA, okA := noted.Without(name)
			beforeB, afterB, okB := walked.Without(name)
			require.Equal(t, []any{beforeB, afterB, okB}, []any{beforeA, afterA, okA}, name)
		}
	})
}

func TestBodiesOfDaemonsAreIndexed(t *testing.T) {
	for _, f := range benchFrames(64) {
		frame, err := new(Cutter).Cut(f)
		require.NoError(t, err)
		for _, u := range frame.Updates {
			require.NotZero(t, u.index.n, u.Text)
			require.NoError(t, checkIndex(&u.Body))
		}
	}
}

// An update of more members than an index holds, or of one that stands too far
// behind, has none: half an index would hide members.
func TestNoHalfAnIndex(t *testing.T) {
	members := func(n int, value string) string {
		text := new(strings.Builder)
		for i := range n {
			fmt.Fprintf(text, `, "%d": %s`, i, value)
		}
		return `{"event": "x"` + text.String() + `}`
	}
	for _, tt := range []struct {
		name, text string
		want       int
	}{
		{"all that fit", members(indexed-1, "1"), indexed},
		{"one more", members(indexed, "1"), 0},
		{"two more", members(indexed+1, "1"), 0},
		{"far behind", members(2, `"`+strings.Repeat("x", maxIndexed)+`"`), 0},
		{"far behind, then more", members(indexed-1, `"`+strings.Repeat("x", maxIndexed/2)+`"`), 0},
		{"as far as can be", `{"event": "` + strings.Repeat("x", maxIndexed-len(`{"event": "", "`)) + `", "0": 1}`, 2},
		{"one further", `{"event": "` + strings.Repeat("x", maxIndexed-len(`{"event": "", "`)+1) + `", "0": 1}`, 0},
		{"compact", `{"event":"x","0":1}`, 0},
		{"a line break", "{\"event\": \"x\",\n\"0\": 1}", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, _, err := CutList([]byte("[" + tt.text + "]"))
			require.NoError(t, err)
			require.EqualValues(t, tt.want, list[0].index.n)
			require.NoError(t, checkIndex(&list[0].Body))
			var values [2]Value
			require.True(t, list[0].Find([]string{"event", "0"}, values[:]))
			for _, v := range values {
				require.NotEmpty(t, v.Raw(tt.text))
			}
			before, after, ok := list[0].Without("0")
			require.True(t, ok)
			require.NotContains(t, before+after, `"0"`)
			require.True(t, json.Valid([]byte(before+after)))
		})
	}
}
