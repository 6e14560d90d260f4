package bitcart_test

import (
	"context"
	"encoding/json"
	"math/big"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

func TestEventNames(t *testing.T) {
	for want, p := range map[string]bitcart.Payload{
		"new_block": bitcart.NewBlock{}, "new_transaction": bitcart.NewTransaction{},
		"new_payment": bitcart.NewPayment{}, "verified_tx": bitcart.VerifiedTx{},
	} {
		require.Equal(t, want, p.EventName())
	}
	require.Equal(t, "new_block", bitcart.EventNewBlock)
	require.Equal(t, "new_transaction", bitcart.EventNewTransaction)
	require.Equal(t, "new_payment", bitcart.EventNewPayment)
	require.Equal(t, "verified_tx", bitcart.EventVerifiedTx)
}

func TestEventFields(t *testing.T) {
	tests := []struct {
		name, text string
		want       map[string]any
	}{
		{"only a name", `{"event":"e"}`, map[string]any{"event": "e"}},
		{"a number", `{"event":"e","height":1001}`, map[string]any{"event": "e", "height": json.Number("1001")}},
		{
			"an integer of more than 64 bits", `{"event":"e","wei":25000000000000000000}`,
			map[string]any{"event": "e", "wei": json.Number("25000000000000000000")},
		},
		{
			"a long fraction", `{"event":"e","n":0.100000000000000005551}`,
			map[string]any{"event": "e", "n": json.Number("0.100000000000000005551")},
		},
		{
			"within others", `{"event":"e","a":[1,{"b":2}],"c":{"d":3e5}}`,
			map[string]any{
				"event": "e", "a": []any{json.Number("1"), map[string]any{"b": json.Number("2")}},
				"c": map[string]any{"d": json.Number("3e5")},
			},
		},
		{
			"null, bool, text", `{"event":"e","n":null,"t":true,"s":"\u00fc\n"}`,
			map[string]any{"event": "e", "n": nil, "t": true, "s": "ü\n"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := eventOfText(t, tt.text).Fields()
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestEventRawIsWhatWasReceived(t *testing.T) {
	const text = "{ \"b\" :1.50,\t\"event\":\"e\" , \"a\":\"\\u0041<&>\"}"
	u := updateOf(t, text)
	require.Equal(t, text, string(eventOf(t, u).Raw()))
	encoded, err := u.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, text, string(encoded))
}

func TestEventIsNotTiedToTheBuffer(t *testing.T) {
	text := []byte(`{"event":"new_block","height":7}`)
	var direct, decoded bitcart.Update
	require.NoError(t, direct.UnmarshalJSON(text))
	require.NoError(t, json.Unmarshal(text, &decoded))
	for i := range text {
		text[i] = 'x'
	}
	for _, u := range []bitcart.Update{direct, decoded} {
		require.Equal(t, `{"event":"new_block","height":7}`, string(eventOf(t, u).Raw()))
	}
}

func TestEventDecode(t *testing.T) {
	ev := eventOfText(t, `{"event":"e","wei":25000000000000000000,"text":"x"}`)

	kept := struct {
		Wei     *big.Int
		Text    string
		Missing string
	}{Missing: "stays"}
	require.NoError(t, ev.Decode(&kept))
	require.Equal(t, "25000000000000000000", kept.Wei.String())
	require.Equal(t, "x", kept.Text)
	require.Equal(t, "stays", kept.Missing)

	wrong := map[string]any{
		"no pointer":  kept,
		"nil":         nil,
		"nil pointer": (*bitcart.NewBlock)(nil),
		"wrong type":  &struct{ Text int }{},
	}
	for name, v := range wrong {
		t.Run(name, func(t *testing.T) { require.Error(t, ev.Decode(v)) })
	}
}

func TestEventOfNoDaemon(t *testing.T) {
	before := time.Now()
	ev := eventOfText(t, `{"event":"my_event"}`)
	require.Equal(t, "my_event", ev.Name)
	require.Empty(t, ev.Currency)
	require.Empty(t, ev.Wallet)
	require.Nil(t, ev.Coin)
	require.Equal(t, bitcart.SourceCustom, ev.Source)
	require.Equal(t, 1, ev.Attempt)
	require.False(t, ev.Repeat)
	require.WithinRange(t, ev.Received, before, time.Now())
}

// A user's test of a handler makes events of its own.
func TestEventMadeByHand(t *testing.T) {
	for name, ev := range map[string]*bitcart.Event{"zero": {}, "named": {Name: "new_block"}} {
		t.Run(name, func(t *testing.T) {
			require.NotPanics(t, func() {
				_ = ev.Raw()
				_, err := ev.Fields()
				_ = err
				require.Error(t, ev.Decode(&struct{}{}), "there is nothing to decode")
				_, err = bitcart.PayloadOf[bitcart.NewBlock](ev)
				require.Error(t, err)
				_ = ev.String()
			})
		})
	}
}

func TestEventIsSafeForConcurrentUse(t *testing.T) {
	ev := eventOfText(t, `{"event":"new_block","height":812345}`)
	var wg sync.WaitGroup
	maps := make([]map[string]any, 16)
	for i := range maps {
		wg.Go(func() {
			fields, err := ev.Fields()
			if err == nil {
				maps[i] = fields
			}
			_, _ = bitcart.PayloadOf[bitcart.NewBlock](ev)
			_ = ev.Decode(&struct{ Height int }{})
			_ = ev.Raw()
			_ = ev.String()
		})
	}
	wg.Wait()
	for _, m := range maps {
		require.Equal(t, json.Number("812345"), m["height"])
		require.Equal(t, reflect.ValueOf(maps[0]).Pointer(), reflect.ValueOf(m).Pointer(), "decoded more than once")
	}
}

func TestEventsCanBeKept(t *testing.T) {
	list := []byte(`[{"event":"new_block","height":1},{"event":"new_block","height":2},{"event":"new_block","height":3}]`)
	var updates []bitcart.Update
	require.NoError(t, json.Unmarshal(list, &updates))
	c := makeCoin(t, "BTC")
	var kept []*bitcart.Event
	c.On("new_block", func(_ context.Context, ev *bitcart.Event) error {
		kept = append(kept, ev)
		return nil
	})
	require.NoError(t, c.ProcessUpdates(t.Context(), updates))
	clear(list)
	clear(updates)
	require.Len(t, kept, 3)
	for i, ev := range kept {
		p, err := bitcart.PayloadOf[bitcart.NewBlock](ev)
		require.NoError(t, err)
		require.EqualValues(t, i+1, p.Height)
	}
}

func TestNamesOfConstantsDiffer(t *testing.T) {
	sources := []bitcart.Source{
		bitcart.SourceCustom, bitcart.SourceWebsocket, bitcart.SourcePoll,
		bitcart.SourceRecovered, bitcart.SourceWebhook, bitcart.SourceStream,
	}
	reasons := []bitcart.GapReason{bitcart.GapUnknown, bitcart.GapStart, bitcart.GapRestart, bitcart.GapOverflow}
	requireDifferentNames(t, sources, bitcart.Source.String)
	requireDifferentNames(t, reasons, bitcart.GapReason.String)
	require.NotPanics(t, func() {
		require.NotEmpty(t, bitcart.Source(200).String())
		require.NotEmpty(t, bitcart.GapReason(200).String())
	})
}

// requireDifferentNames fails when two of the values have one name, or one
// has none.
func requireDifferentNames[T comparable](t *testing.T, values []T, name func(T) string) {
	t.Helper()
	seen := map[string]T{}
	for _, v := range values {
		require.NotEmpty(t, name(v))
		require.NotContains(t, seen, name(v))
		seen[name(v)] = v
	}
}
