package wire

import (
	"encoding/json"
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
			Frame{Updates: []Update{{"new_block", json.RawMessage(`{"event": "new_block", "height": 1}`)}}, Currency: "BTC"}, false},
		{"wallet", `{"updates":[{"event":"a"},{"event":"b"}],"wallet":"xpub","currency":"LTC"}`,
			Frame{[]Update{{"a", json.RawMessage(`{"event":"a"}`)}, {"b", json.RawMessage(`{"event":"b"}`)}}, "xpub", "LTC"}, false},
		{"no wallet member", `{"updates":[],"currency":"BTC"}`, Frame{Updates: []Update{}, Currency: "BTC"}, false},
		{"garbage items stay in place", `{"updates":[1,{"event":5},{"x":1},null,{"event":"ok"}],"wallet":null}`,
			Frame{Updates: []Update{{"", json.RawMessage(`1`)}, {"", json.RawMessage(`{"event":5}`)}, {"", json.RawMessage(`{"x":1}`)},
				{"", json.RawMessage(`null`)}, {"ok", json.RawMessage(`{"event":"ok"}`)}}}, false},
		{"updates no list", `{"updates":{"event":"a"},"wallet":null}`, Frame{}, true},
		{"updates null", `{"updates":null}`, Frame{}, true},
		{"updates missing", `{"wallet":"x"}`, Frame{}, true},
		{"wallet no string", `{"updates":[],"wallet":{"xpub":"x"}}`, Frame{}, true},
		{"list", `[]`, Frame{}, true},
		{"null", `null`, Frame{}, true},
		{"cut off", `{"updates":[{"event":"a"}`, Frame{}, true},
		{"empty", ``, Frame{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Cut([]byte(tt.in))
			if tt.wantErr {
				require.ErrorIs(t, err, ErrFrame)
				require.NotContains(t, err.Error(), "xpub")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestCutKeepsNothingOfItsInput(t *testing.T) {
	data := []byte(`{"updates":[{"event":"new_block","height":7}],"wallet":"w","currency":"BTC"}`)
	f, err := Cut(data)
	require.NoError(t, err)
	clear(data)
	require.Equal(t, `{"event":"new_block","height":7}`, string(f.Updates[0].Raw))
	require.Equal(t, "w", f.Wallet)
}

func FuzzCut(f *testing.F) {
	f.Add([]byte(`{"updates":[{"event":"new_block","height":7}],"wallet":"w","currency":"BTC"}`))
	f.Add([]byte(`{"updates":[1,null,{"event":null}],"wallet":null}`))
	f.Add([]byte(`{"updates":[{"event":"a","event":"b"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := Cut(data)
		if err != nil {
			require.ErrorIs(t, err, ErrFrame)
			return
		}
		for _, u := range frame.Updates {
			require.True(t, json.Valid(u.Raw))
			if u.Event != "" {
				var body map[string]any
				require.NoError(t, json.Unmarshal(u.Raw, &body), "an update with a name is an object")
			}
		}
	})
}
