//go:build !bitcart_stdjson

package wire

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCut(t *testing.T) {
	tests := []struct {
		name, in string
		want     Frame
		wantErr  bool
	}{
		{"chain-wide", `{"updates": [{"event": "new_block", "height": 1}], "wallet": null, "currency": "BTC"}`,
			Frame{Updates: []Update{{"new_block", BodyOf(`{"event": "new_block", "height": 1}`)}}, Currency: []byte("BTC")}, false},
		{"wallet", `{"updates":[{"event":"a"},{"event":"b"}],"wallet":"xpub","currency":"LTC"}`,
			Frame{[]Update{{"a", BodyOf(`{"event":"a"}`)}, {"b", BodyOf(`{"event":"b"}`)}}, []byte("xpub"), []byte("LTC")}, false},
		{"no wallet member", `{"updates":[],"currency":"BTC"}`, Frame{Updates: []Update{}, Currency: []byte("BTC")}, false},
		{"garbage items stay in place", `{"updates":[1,{"event":5},{"x":1},null,{"event":"ok"}],"wallet":null}`,
			Frame{Updates: []Update{{"", BodyOf(`1`)}, {"", BodyOf(`{"event":5}`)}, {"", BodyOf(`{"x":1}`)},
				{"", BodyOf(`null`)}, {"ok", BodyOf(`{"event":"ok"}`)}}}, false},
		{"updates no list", `{"updates":{"event":"a"},"wallet":null}`, Frame{}, true},
		{"updates null", `{"updates":null}`, Frame{}, true},
		{"updates missing", `{"wallet":"x"}`, Frame{}, true},
		{"wallet no string", `{"updates":[],"wallet":{"xpub":"x"}}`, Frame{}, true},
		{"list", `[]`, Frame{}, true},
		{"null", `null`, Frame{}, true},
		{"cut off", `{"updates":[{"event":"a"}`, Frame{}, true},
		{"empty", ``, Frame{}, true},
		{"names are exact", `{"Updates":[{"event":"a"}]}`, Frame{}, true},
		{"the event's name too", `{"updates":[{"Event":"a"}]}`, Frame{Updates: []Update{{"", BodyOf(`{"Event":"a"}`)}}}, false},
		{"escaped names", `{"upd\u0061tes":[{"ev\u0065nt":"\u0061b"}],"wallet":"caf\u00e9"}`,
			Frame{Updates: []Update{{"ab", BodyOf(`{"ev\u0065nt":"\u0061b"}`)}}, Wallet: []byte("café")}, false},
		{"the last of two counts", `{"updates":[],"wallet":"a","wallet":"b"}`, Frame{Updates: []Update{}, Wallet: []byte("b")}, false},
		{"white space", " {\"updates\" :\t[ { \"event\" : \"a\" } ]\r\n} ", Frame{Updates: []Update{{"a", BodyOf(`{ "event" : "a" }`)}}}, false},
		{"something behind it", `{"updates":[]} x`, Frame{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := new(Cutter).Cut([]byte(tt.in))
			if tt.wantErr {
				require.ErrorIs(t, err, ErrFrame)
				require.NotContains(t, err.Error(), "xpub")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, unindexed(got))
		})
	}
}

// unindexed is a frame without what speeds up the search in it.
func unindexed(f Frame) Frame {
	list := append([]Update{}, f.Updates...)
	for i := range list {
		list[i].index = index{}
	}
	f.Updates = list
	return f
}

func TestCutKeepsNothingOfItsInput(t *testing.T) {
	data := []byte(`{"updates":[{"event":"new_block","height":7}],"wallet":"w","currency":"BTC"}`)
	f, err := new(Cutter).Cut(data)
	require.NoError(t, err)
	clear(data)
	require.Equal(t, `{"event":"new_block","height":7}`, f.Updates[0].Text)

}

func TestMembers(t *testing.T) {
	got, ok := Members([]byte(` {"a":1,"b" : {"c":2} ,"\u0061":[3],"A":4,"x":null}`), "a", "b", "c", "x")
	require.True(t, ok)
	require.Equal(t, map[string]json.RawMessage{
		"a": json.RawMessage(`[3]`), "b": json.RawMessage(`{"c":2}`), "x": json.RawMessage(`null`),
	}, got)
	for _, bad := range []string{``, `null`, `[]`, `{`, `{"a":1}{}`, `{"a":}`} {
		_, ok := Members([]byte(bad), "a")
		require.False(t, ok, bad)
	}
}

// validJSON is what the scanner says.
func validJSON(data []byte) bool {
	s := scanner{data: data}
	s.space()
	return s.value() != bad && s.ended()
}

// The scanner accepts what encoding/json accepts and finds what it finds.
func FuzzScannerAgainstEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`{"updates":[{"event":"new_block","height":7}],"wallet":"w","currency":"BTC"}`,
		`{"event":"a","event":null}`, `{"event":"\ud83d\ude00\u00e9"}`, `[1,-0.5e+10,true,false,null,"x",{},[]]`,
		`{"a":01}`, `{"a":1.}`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":1,}`, `[1,]`, `{"a"}`, `{"event":"\xff"}`, `-`, ``, ` null `,
		strings.Repeat("[", 10001) + strings.Repeat("]", 10001), strings.Repeat("[", 10000) + strings.Repeat("]", 10000),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		require.Equal(t, json.Valid(data), validJSON(data))

		var members map[string]json.RawMessage
		var name string
		isObject := json.Unmarshal(data, &members) == nil && members != nil
		found, ok := Members(data, "event")
		require.Equal(t, isObject, ok)
		require.Equal(t, members["event"], found["event"])
		if isObject {
			_ = json.Unmarshal(members["event"], &name) // stays "" for what is no string
		}
		require.Equal(t, name, EventName(data))

		var items []json.RawMessage
		isList := json.Unmarshal(data, &items) == nil && items != nil
		updates, skipped, err := CutList(data)
		require.Equal(t, isList, err == nil)
		require.Equal(t, len(items), len(updates)+skipped)
		if skipped > 0 {
			return
		}
		for i, item := range items {
			require.Equal(t, string(item), updates[i].Text)
		}
	})
}

func FuzzCut(f *testing.F) {
	f.Add([]byte(`{"updates":[{"event":"new_block","height":7}],"wallet":"w","currency":"BTC"}`))
	f.Add([]byte(`{"updates":[1,null,{"event":null}],"wallet":null}`))
	f.Add([]byte(`{"updates":[{"event":"a","event":"b"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Cutter
		frame, err := c.Cut(data)
		if err != nil {
			require.ErrorIs(t, err, ErrFrame)
			return
		}
		for more := true; more; more = c.More(&frame) {
			for _, u := range frame.Updates {
				require.True(t, json.Valid([]byte(u.Text)))
				if u.Event != "" {
					var body map[string]any
					require.NoError(t, json.Unmarshal([]byte(u.Text), &body), "an update with a name is an object")
				}
			}
		}
	})
}

// A reader that waits keeps nothing of what it has read.
func TestCutterForgets(t *testing.T) {
	update := `{"event": "new_block", "height": 7}`
	frame := func(updates int) []byte {
		list := strings.TrimSuffix(strings.Repeat(update+", ", updates), ", ")
		return []byte(`{"updates": [` + list + `], "wallet": null, "currency": "BTC"}`)
	}
	var c Cutter
	for _, updates := range []int{5, 1, 3} {
		f, err := c.Cut(frame(updates))
		require.NoError(t, err)
		require.Len(t, f.Updates, updates)
	}
	held := func() (n int) {
		for _, u := range c.updates[:cap(c.updates)] {
			if u.Text != "" || u.Event != "" {
				n++
			}
		}
		return n
	}
	require.Equal(t, 5, held(), "otherwise this test proves nothing")
	c.Forget()
	require.Zero(t, held())
	c.Forget() // twice is once

	_, err := c.Cut(frame(2 * keepUpdates))
	require.NoError(t, err)
	_, err = c.Cut([]byte("garbage"))
	require.ErrorIs(t, err, ErrFrame)
	c.Forget()
	require.LessOrEqual(t, cap(c.updates), keepUpdates, "room for many is not kept")
	require.Zero(t, held())
	f, err := c.Cut(frame(2))
	require.NoError(t, err)
	require.Equal(t, update, f.Updates[1].Text)
	c.Forget()
	require.Zero(t, held())
}

// What stands behind the updates that are cut at once is valid as well, and is
// cut as they are.
func TestFrameOfVeryManyUpdates(t *testing.T) {
	list := func(n int) []string {
		updates := make([]string, n)
		for i := range updates {
			updates[i] = fmt.Sprintf(`{"event":"e%d", "n":%d}`, i%7, i)
			if i%5 == 4 {
				updates[i] = " [ 1, {}] "
			}
		}
		return updates
	}
	var c Cutter
	for _, n := range []int{0, 1, atOnce - 1, atOnce, atOnce + 1, 2*atOnce - 1, 2 * atOnce, 5*atOnce + 3} {
		updates := list(n)
		for _, head := range []string{"", `"updates": [{}, {}], `} { // of two lists the last one counts
			data := []byte(`{` + head + `"updates":[` + strings.Join(updates, ",") + `], "wallet":"w\u0041"}`)
			f, err := c.Cut(data)
			require.NoError(t, err)
			require.Equal(t, "wA", string(f.Wallet))
			var got []Update
			for more := true; more; more = c.More(&f) {
				require.LessOrEqual(t, len(f.Updates), atOnce)
				got = append(got, f.Updates...)
			}
			require.False(t, c.More(&f))
			require.Len(t, got, n)
			for i, u := range got {
				require.Equal(t, strings.TrimSpace(updates[i]), u.Text)
				require.Equal(t, EventName([]byte(updates[i])), u.Event)
			}
		}
		for _, tail := range []string{`]`, `,}`, `,]}`, `,{]}`, `]]}`, `,x]}`, `, "a": 1]}`, `], "updates": 1}x`} {
			_, err := c.Cut([]byte(`{"updates":[` + strings.Join(updates, ",") + tail))
			require.ErrorIs(t, err, ErrFrame, "%d %s", n, tail)
		}
	}
	f, err := c.Cut([]byte(`{"updates":[` + strings.Join(list(3*atOnce), ",") + `], "updates":[7]}`))
	require.NoError(t, err)
	require.Len(t, f.Updates, 1)
	require.False(t, c.More(&f))

	_, err = c.Cut([]byte(`{"updates":[` + strings.Join(list(3*atOnce), ",") + `]}`))
	require.NoError(t, err)
	c.Forget()
	require.Nil(t, c.rest.data, "the message is let go of")
	require.LessOrEqual(t, cap(c.updates), keepUpdates)
}

// Two bytes are an item of a list, and an Update takes a hundred: a message of
// the size that is allowed must not fill the memory.
func TestMemoryOfVeryManyItems(t *testing.T) {
	const n = 1 << 17
	for _, item := range []string{`1`, `{}`, `{"event":3}`} {
		items := strings.Repeat(item+",", n) + item
		memory := func(f func()) uint64 {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			f()
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		frame, answer := []byte(`{"updates":[`+items+`]}`), []byte(`[`+items+`]`)
		count := 0
		used := memory(func() {
			var c Cutter
			f, err := c.Cut(frame)
			require.NoError(t, err)
			for more := true; more; more = c.More(&f) {
				count += len(f.Updates)
			}
		})
		require.Equal(t, n+1, count)
		require.Less(t, used, uint64(10*len(frame)), "a frame of %s", item)
		used = memory(func() {
			list, skipped, err := CutList(answer)
			require.NoError(t, err)
			require.Equal(t, n+1, len(list)+skipped)
		})
		require.Less(t, used, uint64(10*len(answer)), "an answer of %s", item)
	}
}
