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
			require.True(t, u.index.clean)
		}
	}
	many := new(strings.Builder)
	for i := range indexed + 1 {
		fmt.Fprintf(many, `,"%d":%d`, i, i)
	}
	list, _, err := CutList([]byte(`[{"event":"x"` + many.String() + `}]`))
	require.NoError(t, err)
	require.Zero(t, list[0].index.n, "half an index would hide members")
}
