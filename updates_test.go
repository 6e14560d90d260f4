package bitcart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

func TestProcessUpdatesInOrder(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, "value")
		var updates []bitcart.Update
		var want, got []string
		for i := range 50 {
			name := fmt.Sprint("e", i%3)
			updates = append(updates, bitcart.NewUpdate(name, map[string]int{"n": i}))
			want = append(want, fmt.Sprint(name, " ", i))
		}
		inside := 0
		r.AddEventHandler([]string{"e0", "e1", "e2"}, func(ctx context.Context, ev *bitcart.Event) error {
			inside++
			defer func() { inside-- }()
			fields, err := ev.Fields()
			got = append(got, fmt.Sprint(ev.Name, " ", fields["n"]))
			if inside != 1 || ctx.Value(key{}) != "value" {
				return errors.New("not one by one, or not with the caller's ctx")
			}
			return err
		})
		require.NoError(t, r.ProcessUpdates(ctx, updates))
		require.Equal(t, want, got)
		require.NoError(t, r.ProcessUpdates(ctx, nil))
	})
}

func TestProcessUpdatesJoinsErrors(t *testing.T) {
	first, third := errors.New("first"), errors.New("third")
	onReceivers(t, func(t *testing.T, r receiver) {
		r.On("a", func(context.Context, *bitcart.Event) error { return first })
		r.On("b", func(context.Context, *bitcart.Event) error { return nil })
		r.On("c", func(context.Context, *bitcart.Event) error { return third })
		err := r.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"a"},{"event":"b"},{"event":"c"}]`))
		require.ErrorIs(t, err, first)
		require.ErrorIs(t, err, third)
		list := handlerErrors(err)
		require.Len(t, list, 2)
		require.Equal(t, "a", list[0].Event.Name)
		require.Equal(t, first, list[0].Err)
		require.Equal(t, "c", list[1].Event.Name)
		require.Equal(t, third, errors.Unwrap(list[1]))
		require.ErrorContains(t, list[0], "bitcart: ")
		require.ErrorContains(t, list[0], "first")
		require.NoError(t, r.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"b"}]`)))
	})
}

func TestProcessUpdatesSurvivesPanics(t *testing.T) {
	cause := errors.New("cause")
	tests := []struct {
		name  string
		panic func()
		want  any // nil = any value
	}{
		{"text", func() { panic("text") }, "text"},
		{"error", func() { panic(cause) }, cause},
		{"number", func() { panic(5) }, 5},
		{"nil", func() { panic(nil) }, nil},
		{"nil pointer", func() { var ev *bitcart.Event; _ = ev.Name }, nil},
		{"index", func() { var list []int; _ = list[len(os.Args)] }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onReceivers(t, func(t *testing.T, r receiver) {
				var ran []string
				r.On("a", func(context.Context, *bitcart.Event) error {
					panickingHandler(tt.panic)
					return nil
				})
				r.On("b", noted(&ran, "b"))
				err := r.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"a"},{"event":"b"}]`))
				var pe *bitcart.PanicError
				require.ErrorAs(t, err, &pe)
				require.NotNil(t, pe.Value)
				if tt.want != nil {
					require.Equal(t, tt.want, pe.Value)
				}
				if e, ok := pe.Value.(error); ok {
					require.ErrorIs(t, err, e)
				}
				require.Contains(t, string(pe.Stack), "panickingHandler", "the stack shows where")
				require.Contains(t, pe.Error(), "panic")
				require.Equal(t, []string{"b:b"}, ran)
				require.Len(t, handlerErrors(err), 1)
			})
		})
	}
}

//go:noinline
func panickingHandler(f func()) { f() }

// The handler runs on the caller's goroutine, so the caller ends; what it used
// stays usable.
func TestProcessUpdatesSurvivesGoexit(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		var ran []string
		r.On("a", func(context.Context, *bitcart.Event) error {
			runtime.Goexit()
			return nil
		})
		r.On("b", noted(&ran, "b"))
		ended := make(chan struct{})
		var err error
		go func() {
			defer close(ended)
			err = r.ProcessUpdates(context.Background(), updatesOf(t, `[{"event":"a"}]`))
		}()
		<-ended
		if err != nil {
			var pe *bitcart.PanicError
			require.ErrorAs(t, err, &pe)
			require.Nil(t, pe.Value)
		}
		r.On("a", noted(&ran, "a"))
		require.NoError(t, r.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"a"},{"event":"b"}]`)))
		require.Equal(t, []string{"a:a", "b:b"}, ran)
	})
}

const garbage = `[1, null, "x", true, [], [{"event":"e"}], {}, {"event":""}, {"event":null}, {"event":5}, {"event":{}}, {"events":"e"}]`

func TestGarbageIsSkippedAndCounted(t *testing.T) {
	updates := updatesOf(t, strings.TrimSuffix(garbage, "]")+`, {"event":"e"}, {"event":"unheard"}]`)
	require.Len(t, updates, 14)
	onReceivers(t, func(t *testing.T, r receiver) {
		var ran []string
		r.On("e", noted(&ran, "e"))
		r.On("", noted(&ran, "nothing"))
		require.NoError(t, r.ProcessUpdates(t.Context(), updates))
		require.NoError(t, r.ProcessUpdates(t.Context(), []bitcart.Update{{}}))
		require.Equal(t, []string{"e:e"}, ran)
		stats, ok := statsOf(r)
		if !ok {
			return
		}
		require.EqualValues(t, 13, stats.Garbage)
		require.EqualValues(t, 1, stats.Ignored)
		require.EqualValues(t, 1, stats.Delivered)
		require.Zero(t, stats.HandlerErrors)
		require.Zero(t, stats.Dropped)
	})
}

// statsOf returns the stats of a receiver that has some.
func statsOf(r receiver) (bitcart.Stats, bool) {
	switch r := r.(type) {
	case *bitcart.Coin:
		return r.Stats(), true
	case managerOf:
		return r.Stats()[0], true
	default:
		return bitcart.Stats{}, false
	}
}

func TestProcessUpdatesCounts(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		r.On("ok", func(context.Context, *bitcart.Event) error { return nil })
		r.On("error", func(context.Context, *bitcart.Event) error { return errors.New("x") })
		r.On("panic", func(context.Context, *bitcart.Event) error { panic("x") })
		r.On("retry", func(context.Context, *bitcart.Event) error { return bitcart.Retry(nil, 0) })
		err := r.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"ok"},{"event":"ok"},{"event":"error"},{"event":"panic"},{"event":"retry"},{"event":"x"}]`))
		require.Len(t, handlerErrors(err), 3)
		stats, ok := statsOf(r)
		if !ok {
			return
		}
		require.EqualValues(t, 4, stats.Delivered, "anything but Retry")
		require.EqualValues(t, 2, stats.HandlerErrors, "panics included")
		require.EqualValues(t, 1, stats.Panics)
		require.EqualValues(t, 1, stats.Ignored)
		require.Zero(t, stats.Running)
		require.Zero(t, stats.Queued)
	})
}

func TestProcessUpdatesLogs(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d, err := bitcart.NewDispatcher(bitcart.WithLogger(logger))
	require.NoError(t, err)
	coin := makeCoin(t, "BTC", bitcart.WithLogger(logger))
	m := makeManager(t, map[string][]string{"BTC": {"a"}}, bitcart.WithLogger(logger))
	for name, r := range map[string]receiver{"Dispatcher": d, "Coin": coin, "APIManager": managerOf{m, "BTC", "a"}} {
		t.Run(name, func(t *testing.T) {
			log.Reset()
			require.NoError(t, r.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"unheard"}]`)))
			require.Contains(t, log.String(), "level=DEBUG")
			require.Contains(t, log.String(), "unheard")
			log.Reset()
			require.NoError(t, r.ProcessUpdates(t.Context(), updatesOf(t, `[5]`)))
			require.NotEmpty(t, log.String(), "garbage is logged")
		})
	}
}

func TestProcessUpdatesWithAnEndedContext(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		ctx, cancel := context.WithCancel(t.Context())
		var ran []string
		r.On("a", noted(&ran, "a"))
		r.On("end", func(_ context.Context, ev *bitcart.Event) error {
			ran = append(ran, ev.Name)
			cancel()
			return errors.New("its own error")
		})
		err := r.ProcessUpdates(ctx, updatesOf(t, `[{"event":"a"},{"event":"end"},{"event":"a"},{"event":"a"}]`))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "its own error")
		require.Equal(t, []string{"a:a", "end"}, ran, "the rest is not handed over")
		require.Len(t, handlerErrors(err), 1)

		err = r.ProcessUpdates(ctx, updatesOf(t, `[{"event":"a"}]`))
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, ran, 2)
	})
}

func TestProcessUpdatesWithoutAContext(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		r.On("a", func(ctx context.Context, _ *bitcart.Event) error { return ctx.Err() })
		require.NotPanics(t, func() {
			//lint:ignore SA1012 that is what is tested
			_ = r.ProcessUpdates(nil, updatesOf(t, `[{"event":"a"},5,{"event":"b"}]`)) //nolint:staticcheck
		})
	})
}

func TestNewUpdate(t *testing.T) {
	type body struct {
		N    int    `json:"n"`
		Text string `json:"text,omitempty"`
	}
	tests := []struct {
		name, event string
		body        any
		want        string
	}{
		{"nothing", "e", nil, `{"event":"e"}`},
		{"map", "e", map[string]any{"n": 1}, `{"event":"e","n":1}`},
		{"empty map", "e", map[string]any{}, `{"event":"e"}`},
		{"map of texts", "e", map[string]string{"a": "b"}, `{"event":"e","a":"b"}`},
		{"struct", "e", body{N: 1}, `{"event":"e","n":1}`},
		{"pointer to a struct", "e", &body{1, "t"}, `{"event":"e","n":1,"text":"t"}`},
		{"empty struct", "e", struct{}{}, `{"event":"e"}`},
		{"payload", "new_block", bitcart.NewBlock{Height: 5}, `{"event":"new_block","height":5}`},
		{"payload of another event", "e", bitcart.NewBlock{Height: 5}, `{"event":"e","height":5}`},
		{"raw JSON", "e", json.RawMessage(` { "n" : 1 } `), `{"event":"e","n":1}`},
		{"raw empty object", "e", json.RawMessage(` { } `), `{"event":"e"}`},
		{"exact numbers", "e", map[string]any{"n": json.Number("25000000000000000000"), "m": uint64(math.MaxUint64)}, `{"event":"e","n":25000000000000000000,"m":18446744073709551615}`},
		{"name that needs escapes", "a\"\\\n<é>", map[string]any{"n": 1}, `{"event":"a\"\\\n<é>","n":1}`},
		{"name within the body", "e", map[string]any{"event": "other", "n": 1}, `{"event":"e","n":1}`},
		{"the same name within the body", "e", map[string]any{"event": "e", "n": 1}, `{"event":"e","n":1}`},
		{"name of another type within the body", "e", map[string]any{"event": 5}, `{"event":"e"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := bitcart.NewUpdate(tt.event, tt.body)
			require.Equal(t, tt.event, u.Event())
			ev := eventOf(t, u)
			require.Equal(t, tt.event, ev.Name)
			require.Equal(t, tt.want, compactNumbers(t, ev.Raw(), tt.want))
			require.Equal(t, 1, strings.Count(string(ev.Raw()), `"event":`), "%s", ev.Raw())
			encoded, err := u.MarshalJSON()
			require.NoError(t, err)
			require.Equal(t, string(ev.Raw()), string(encoded))
			fields, err := ev.Fields()
			require.NoError(t, err)
			require.Equal(t, tt.event, fields["event"])
		})
	}
}

// compactNumbers returns want when got holds the same JSON, numbers compared
// as text.
func compactNumbers(t *testing.T, got []byte, want string) string {
	t.Helper()
	decode := func(text []byte) (v any) {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		require.NoError(t, d.Decode(&v), "%s", text)
		_, err := d.Token()
		require.ErrorIs(t, err, io.EOF)
		return v
	}
	if fmt.Sprintf("%#v", decode(got)) == fmt.Sprintf("%#v", decode([]byte(want))) {
		return want
	}
	return string(got)
}

func TestNewUpdateEncodesAtOnce(t *testing.T) {
	body := map[string]any{"n": 1}
	u := bitcart.NewUpdate("e", body)
	require.Equal(t, map[string]any{"n": 1}, body, "the caller's map was changed")
	body["n"] = 2
	require.JSONEq(t, `{"event":"e","n":1}`, string(eventOf(t, u).Raw()))
}

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errEncoding }

var errEncoding = errors.New("cannot be encoded")

func TestUpdatesThatCannotBeEncodedAreReported(t *testing.T) {
	for name, body := range map[string]any{
		"channel": map[string]any{"c": make(chan int)}, "function": func() {}, "not a number": map[string]any{"n": math.NaN()},
		"list": []int{1}, "text": "x", "number": 5, "bool": true, "raw list": json.RawMessage(`[1]`),
		"raw nothing": json.RawMessage(``), "broken": json.RawMessage(`{"a":`), "bytes": []byte(`{"a":1}`),
		"failing": failing{}, "wallet": bitcart.Wallet{Xpub: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			u := bitcart.NewUpdate("e", body)
			require.Equal(t, "e", u.Event(), "it knows its event all the same")
			_, err := json.Marshal(u)
			require.Error(t, err)
			onReceivers(t, func(t *testing.T, r receiver) {
				var ran []string
				r.AddEventHandler([]string{"e", "f"}, noted(&ran, "h"))
				err := r.ProcessUpdates(t.Context(), []bitcart.Update{u, bitcart.NewUpdate("f", nil), u.From("BTC", "", bitcart.SourceWebhook)})
				require.ErrorContains(t, err, "bitcart: ")
				require.Equal(t, []string{"h:f"}, ran, "the rest goes on")
				if name == "failing" {
					require.ErrorIs(t, err, errEncoding)
				}
				if stats, ok := statsOf(r); ok {
					require.Zero(t, stats.HandlerErrors)
				}
			})
		})
	}
}

func TestUpdateWithoutNameIsNoEvent(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		var ran []string
		r.On("", noted(&ran, "h"))
		require.NotPanics(t, func() {
			_ = r.ProcessUpdates(t.Context(), []bitcart.Update{bitcart.NewUpdate("", map[string]any{"n": 1})})
		})
		require.Empty(t, ran)
	})
}

func TestUpdatesFrom(t *testing.T) {
	list := []map[string]any{
		{"event": "a", "n": 1},
		{"n": 2},
		nil,
		{"event": 5},
		{"event": ""},
		{"event": nil},
		{"event": "b"},
	}
	updates := bitcart.UpdatesFrom(list)
	require.Len(t, updates, len(list), "a bad item is kept")
	require.Equal(t, "a", updates[0].Event())
	require.Equal(t, "b", updates[6].Event())
	for _, u := range updates[1:6] {
		require.Empty(t, u.Event())
	}
	list[0]["n"] = 2
	onReceivers(t, func(t *testing.T, r receiver) {
		var got []string
		r.AddEventHandler([]string{"a", "b"}, func(_ context.Context, ev *bitcart.Event) error {
			got = append(got, string(ev.Raw()))
			return nil
		})
		require.NoError(t, r.ProcessUpdates(t.Context(), updates))
		require.Len(t, got, 2)
		require.JSONEq(t, `{"event":"a","n":1}`, got[0])
		require.JSONEq(t, `{"event":"b"}`, got[1])
		if stats, ok := statsOf(r); ok {
			require.EqualValues(t, 5, stats.Garbage)
		}
	})
	require.Empty(t, bitcart.UpdatesFrom(nil))
}

func TestUpdatesInJSON(t *testing.T) {
	updates := updatesOf(t, garbage)
	require.Len(t, updates, 12)
	for i, u := range updates {
		require.Empty(t, u.Event(), i)
	}
	encoded, err := json.Marshal(updates)
	require.NoError(t, err)
	require.JSONEq(t, garbage, string(encoded), "garbage is kept as it is")

	var u bitcart.Update
	require.Error(t, json.Unmarshal([]byte(`{"event":`), &u))
	require.NotPanics(t, func() {
		for _, broken := range []string{"", "{", "{]", `{"event":"e"`, `{"event":"e"}x`, "\x00", `{"event":"e","a":}`} {
			var direct bitcart.Update
			err := direct.UnmarshalJSON([]byte(broken))
			require.True(t, err != nil || direct.Event() == "", "%q was taken for an update", broken)
		}
		_, _ = json.Marshal(bitcart.Update{})
		_ = bitcart.Update{}.String()
	})
	wrapper := struct {
		Updates []bitcart.Update `json:"updates"`
		One     *bitcart.Update  `json:"one"`
	}{}
	require.NoError(t, json.Unmarshal([]byte(`{"updates":[{"event":"a"},7,{"event":"b"}],"one":{"event":"c"}}`), &wrapper))
	require.Equal(t, "a", wrapper.Updates[0].Event())
	require.Equal(t, "b", wrapper.Updates[2].Event())
	require.Equal(t, "c", wrapper.One.Event())
}

// JSON tells upper case from lower.
func TestEventNameIsReadExactly(t *testing.T) {
	for _, text := range []string{`{"Event":"e"}`, `{"EVENT":"e","event":5}`} {
		require.Empty(t, updateOf(t, text).Event(), text)
	}
	for _, text := range []string{
		`{"event":"e","Event":"x"}`, `{"\u0065vent":"e"}`, `{"event":"\u0065"}`, ` { "a" : {"event":"x"}, "event" : "e" } `,
		`{"a":"\"event\":\"x\"","event":"e"}`, `{"event":"x","event":"e"}`,
	} {
		u := updateOf(t, text)
		require.Equal(t, "e", u.Event(), text)
		fields, err := eventOf(t, u).Fields()
		require.NoError(t, err)
		require.Equal(t, "e", fields["event"], text)
	}
}

func TestUpdateDecodedTwiceForgetsTheFirst(t *testing.T) {
	u := bitcart.NewUpdate("e", make(chan int)).From("BTC", "a", bitcart.SourceWebhook)
	require.NoError(t, json.Unmarshal([]byte(`{"event":"new_block","height":5}`), &u))
	require.Equal(t, "new_block", u.Event())
	require.JSONEq(t, `{"event":"new_block","height":5}`, string(eventOf(t, u).Raw()))
}

func TestUpdateOf(t *testing.T) {
	const body = ` {"b" : 1.10, "a":"<", "event":"its own", "a":"<"} `
	u := bitcart.UpdateOf("e", json.RawMessage(body))
	require.Equal(t, "e", u.Event())
	ev := eventOf(t, u.From("BTC", "w", bitcart.SourceWebhook))
	require.Equal(t, "e", ev.Name)
	require.Equal(t, body, string(ev.Raw()), "the bytes as received")
	fields, err := ev.Fields()
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": "<", "b": json.Number("1.10"), "event": "its own"}, fields)

	encoded, err := json.Marshal(u)
	require.NoError(t, err)
	var again bitcart.Update
	require.NoError(t, json.Unmarshal(encoded, &again))
	require.Equal(t, "e", again.Event(), "it does not become another event by being stored")
	require.JSONEq(t, `{"a":"<","b":1.10,"event":"e"}`, string(eventOf(t, again).Raw()))

	require.Equal(t, "update: garbage", bitcart.UpdateOf("", json.RawMessage(`{}`)).String())
	for _, bad := range []string{``, `null`, `[]`, `"{}"`, `{`, `}`, `{"a":}`, `{}{}`} {
		u := bitcart.UpdateOf("e", json.RawMessage(bad))
		require.Equal(t, "e", u.Event())
		require.ErrorContains(t, new(bitcart.Dispatcher).ProcessUpdates(t.Context(), []bitcart.Update{u}), "bitcart: update of e", bad)
		_, err := json.Marshal(u)
		require.Error(t, err)
	}
}

// An event that says its currency and no wallet is of no wallet, also in a
// Coin that has one.
func TestUpdateFromNoWallet(t *testing.T) {
	coin := makeCoin(t, "BTC", bitcart.WithXpub("a"))
	var got *bitcart.Event
	coin.On("new-blocks", func(_ context.Context, ev *bitcart.Event) error {
		got = ev
		return nil
	})
	u := bitcart.NewUpdate("new-blocks", nil)
	require.NoError(t, coin.ProcessUpdates(t.Context(), []bitcart.Update{u.From("LTC", "", bitcart.SourceStream)}))
	require.Equal(t, "LTC", got.Currency)
	require.Empty(t, got.Wallet)
	require.Same(t, coin, got.Coin)
	require.NoError(t, coin.ProcessUpdates(t.Context(), []bitcart.Update{u.From("", "", bitcart.SourceStream)}))
	require.Equal(t, "BTC", got.Currency)
	require.Equal(t, "a", got.Wallet)
}

func TestUpdateFrom(t *testing.T) {
	u := bitcart.NewUpdate("new_payment", map[string]any{"a": 1})
	from := u.From("DOGE", "w", bitcart.SourceWebhook)

	coin := makeCoin(t, "BTC", bitcart.WithXpub("a"))
	m := makeManager(t, map[string][]string{"BTC": {"a"}})
	managed, _ := m.Coin("BTC", "a")
	tests := []struct {
		name             string
		r                receiver
		coin             *bitcart.Coin
		currency, wallet string
	}{
		{"Coin", coin, coin, "BTC", "a"},
		{"Dispatcher", new(bitcart.Dispatcher), nil, "", ""},
		{"managed Coin", managed, managed, "BTC", "a"},
		{"APIManager", managerOf{m, "btc", "a"}, managed, "BTC", "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []*bitcart.Event
			tt.r.On("new_payment", func(_ context.Context, ev *bitcart.Event) error {
				got = append(got, ev)
				return nil
			})
			require.NoError(t, tt.r.ProcessUpdates(t.Context(), []bitcart.Update{u, from, from.From("", "", bitcart.SourceStream)}))
			require.Len(t, got, 3)
			for _, ev := range got {
				require.Same(t, tt.coin, ev.Coin)
				require.False(t, ev.Repeat)
				require.Equal(t, 1, ev.Attempt)
			}
			require.Equal(t, tt.currency, got[0].Currency)
			require.Equal(t, tt.wallet, got[0].Wallet)
			require.Equal(t, bitcart.SourceCustom, got[0].Source)
			require.Equal(t, "DOGE", got[1].Currency)
			require.Equal(t, "w", got[1].Wallet)
			require.Equal(t, bitcart.SourceWebhook, got[1].Source)
			require.Equal(t, bitcart.SourceStream, got[2].Source)
			tt.r.On("new_payment", nil)
		})
	}
}

func TestChainWideEvents(t *testing.T) {
	t.Run("Coin", func(t *testing.T) {
		c := makeCoin(t, "BTC", bitcart.WithXpub("a"))
		var got *bitcart.Event
		c.On("new_block", func(_ context.Context, ev *bitcart.Event) error {
			got = ev
			return nil
		})
		require.NoError(t, c.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"new_block","height":1}]`)))
		require.Same(t, c, got.Coin)
		require.Equal(t, "BTC", got.Currency)
		require.Empty(t, got.Wallet, "it is of no wallet")
	})
	t.Run("APIManager", func(t *testing.T) {
		m := makeManager(t, map[string][]string{"BTC": {"a", "b"}, "LTC": nil})
		var got []*bitcart.Event
		m.On("new_block", func(_ context.Context, ev *bitcart.Event) error {
			got = append(got, ev)
			return nil
		})
		for _, currency := range []string{"BTC", "btc", "LTC"} {
			require.NoError(t, m.ProcessUpdates(t.Context(), currency, "", updatesOf(t, `[{"event":"new_block","height":1}]`)))
		}
		require.Len(t, got, 3, "once, and not for each wallet")
		for i, currency := range []string{"BTC", "BTC", "LTC"} {
			require.Equal(t, currency, got[i].Currency)
			require.Empty(t, got[i].Wallet)
			require.NotNil(t, got[i].Coin)
			require.Equal(t, currency, got[i].Coin.Currency())
			require.Empty(t, got[i].Coin.WalletKey())
		}
		require.Same(t, got[0].Coin, got[1].Coin)
	})
}

func TestManagerHandsUpdatesToTheirWallet(t *testing.T) {
	m := makeManager(t, map[string][]string{"BTC": {"a", "b"}, "LTC": {"a"}})
	_, err := m.AddWallet("ETH", bitcart.Wallet{Xpub: "0x1", Contract: "0xA"})
	require.NoError(t, err)
	var got []string
	m.On("e", func(_ context.Context, ev *bitcart.Event) error {
		found, ok := m.Coin(ev.Currency, ev.Wallet)
		if !ok || found != ev.Coin {
			return errors.New("another Coin")
		}
		got = append(got, ev.Currency+"/"+ev.Wallet)
		return nil
	})
	for _, w := range [][2]string{{"BTC", "b"}, {"ltc", "a"}, {"ETH", "0x1_0xA"}, {"BTC", "a"}} {
		require.NoError(t, m.ProcessUpdates(t.Context(), w[0], w[1], updatesOf(t, `[{"event":"e"}]`)))
	}
	require.Equal(t, []string{"BTC/b", "LTC/a", "ETH/0x1_0xA", "BTC/a"}, got)

	got = nil
	for _, w := range [][2]string{{"BTC", "c"}, {"ETH", "0x1"}, {"ETH", "0x1_0xa"}, {"GRS", "a"}, {"GRS", ""}, {"NOPE", "a"}, {"", ""}} {
		err := m.ProcessUpdates(t.Context(), w[0], w[1], updatesOf(t, `[{"event":"e"}]`))
		require.ErrorIs(t, err, bitcart.ErrUnknownWallet, w)
	}
	require.True(t, m.RemoveWallet("BTC", "b"))
	err = m.ProcessUpdates(t.Context(), "BTC", "b", updatesOf(t, `[{"event":"e"}]`))
	require.ErrorIs(t, err, bitcart.ErrUnknownWallet)
	require.Empty(t, got)
}

func TestManagedCoinsHandlerWins(t *testing.T) {
	m := makeManager(t, map[string][]string{"BTC": {"a", "b"}})
	coin, _ := m.Coin("BTC", "a")
	var ran []string
	m.AddEventHandler([]string{"e", "new_block"}, noted(&ran, "manager"))
	require.True(t, coin.Handles("e"), "the manager's included")
	require.False(t, coin.Handles("own"))
	coin.AddEventHandler([]string{"e", "own", "new_block"}, noted(&ran, "coin"))
	require.False(t, m.Handles("own"), "the manager itself")

	steps := []struct {
		name string
		run  func() error
		want []string
	}{
		{"by the manager", func() error {
			return m.ProcessUpdates(t.Context(), "BTC", "a", updatesOf(t, `[{"event":"e"},{"event":"own"}]`))
		}, []string{"coin:e", "coin:own"}},
		{"by the Coin", func() error { return coin.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"e"}]`)) }, []string{"coin:e"}},
		{"another wallet", func() error {
			return m.ProcessUpdates(t.Context(), "BTC", "b", updatesOf(t, `[{"event":"e"},{"event":"own"}]`))
		}, []string{"manager:e"}},
		{"chain-wide", func() error {
			return m.ProcessUpdates(t.Context(), "BTC", "", updatesOf(t, `[{"event":"new_block"},{"event":"own"}]`))
		}, []string{"manager:new_block"}},
		{"the manager's was replaced", func() error {
			m.On("e", noted(&ran, "manager2"))
			return m.ProcessUpdates(t.Context(), "BTC", "a", updatesOf(t, `[{"event":"e"}]`))
		}, []string{"coin:e"}},
		{"the Coin's was removed", func() error {
			coin.On("e", nil)
			return m.ProcessUpdates(t.Context(), "BTC", "a", updatesOf(t, `[{"event":"e"}]`))
		}, []string{"manager2:e"}},
		{"both were removed", func() error {
			m.On("e", nil)
			return m.ProcessUpdates(t.Context(), "BTC", "a", updatesOf(t, `[{"event":"e"}]`))
		}, nil},
	}
	for _, step := range steps {
		ran = nil
		require.NoError(t, step.run(), step.name)
		require.Equal(t, step.want, ran, step.name)
	}
	require.False(t, coin.Handles("e"))
	require.EqualValues(t, 3, m.Stats()[0].Ignored)
}

func TestProcessUpdatesWithinHandlers(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		var ran []string
		depth := 0
		r.On("a", func(ctx context.Context, ev *bitcart.Event) error {
			ran = append(ran, "a")
			if depth++; depth == 3 {
				return errors.New("deep")
			}
			return r.ProcessUpdates(ctx, updatesOf(t, `[{"event":"b"},{"event":"a"}]`))
		})
		r.On("b", noted(&ran, "b"))
		err := r.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"a"},{"event":"b"}]`))
		require.ErrorContains(t, err, "deep")
		require.Equal(t, []string{"a", "b:b", "a", "b:b", "a", "b:b"}, ran)
	})
	t.Run("a handler changes the manager", func(t *testing.T) {
		m := makeManager(t, map[string][]string{"BTC": {"a"}})
		var ran []string
		m.On("e", func(ctx context.Context, ev *bitcart.Event) error {
			ran = append(ran, ev.Wallet)
			if len(ran) > 1 {
				return nil
			}
			_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: "b"})
			m.RemoveWallet("BTC", "a")
			return errors.Join(err, m.ProcessUpdates(ctx, "BTC", "b", updatesOf(t, `[{"event":"e"}]`)))
		})
		require.NoError(t, m.ProcessUpdates(t.Context(), "BTC", "a", updatesOf(t, `[{"event":"e"}]`)))
		require.Equal(t, []string{"a", "b"}, ran)
	})
}

// Reports of the library go to the caller alone.
func TestProcessUpdatesDoesNotCallHooks(t *testing.T) {
	called := false
	c := makeCoin(t, "BTC", bitcart.WithHooks(bitcart.Hooks{
		OnHandlerError: func(context.Context, *bitcart.HandlerError) { called = true },
	}))
	c.On("a", func(context.Context, *bitcart.Event) error { return errors.New("x") })
	require.Error(t, c.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"a"}]`)))
	require.False(t, called)
}
