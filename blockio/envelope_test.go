package blockio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

func golden(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return text
}

// received returns the event that a handler gets for an update.
func received(t testing.TB, u bitcart.Update) *bitcart.Event {
	t.Helper()
	var d bitcart.Dispatcher
	var got *bitcart.Event
	d.On(u.Event(), func(_ context.Context, ev *bitcart.Event) error {
		got = ev
		return nil
	})
	require.NoError(t, d.ProcessUpdates(context.Background(), []bitcart.Update{u}))
	require.NotNil(t, got, "no event")
	return got
}

// Seed: "A notification event will use the following structure".
func TestSeedEnvelopeStructure(t *testing.T) {
	e, err := parseEnvelope(golden(t, "webhook-envelope.json"))
	require.NoError(t, err)
	require.JSONEq(t, string(dataOf(t, "webhook-envelope.json")), string(e.Data))
	e.Data = nil
	require.Equal(t, envelope{
		EventID: "5f2e0b1c9d", NotificationID: "306b6d8f0a", Attempt: 1, Type: "address",
		CreatedAt: time.Unix(1426104819, 0).UTC(), Signature: "00ff",
	}, e)
}

// Seed: "Balance Change Notification", "New Block Notification": neither has
// event_id or signature.
func TestSeedExampleNotifications(t *testing.T) {
	for name, typ := range map[string]string{"webhook-address.json": EventAddress, "webhook-new-blocks.json": EventNewBlocks} {
		e, err := parseEnvelope(golden(t, name))
		require.NoError(t, err)
		require.JSONEq(t, string(dataOf(t, name)), string(e.Data))
		e.Data = nil
		require.Equal(t, envelope{
			NotificationID: "306b6d8f0a", Attempt: 1, Type: typ, CreatedAt: time.Unix(1426104819, 0).UTC(),
		}, e)
	}
}

// Seed: "This URL will receive the following object": a ping has no data.
func TestSeedPing(t *testing.T) {
	for _, name := range []string{"webhook-ping.json", "socket-ping.json"} {
		e, err := parseEnvelope(golden(t, name))
		require.NoError(t, err)
		require.Equal(t, envelope{Type: "ping"}, e)
		_, err = updateOf(e.Type, e.Data, bitcart.SourceWebhook)
		require.Error(t, err, "a ping never reaches a handler")
		_, err = updateOf(e.Type, json.RawMessage(`{}`), bitcart.SourceWebhook)
		require.Error(t, err)
	}
}

func dataOf(t testing.TB, name string) json.RawMessage {
	t.Helper()
	var w struct {
		Data json.RawMessage `json:"data"`
	}
	require.NoError(t, json.Unmarshal(golden(t, name), &w))
	return w.Data
}

func TestParseEnvelope(t *testing.T) {
	at := time.Unix(1426104819, 0).UTC()
	tests := []struct {
		name, body string
		want       envelope
		wrong      string
	}{
		{"data alone, as the socket sends it", `{"type":"address","data":{"a":1}}`, envelope{Type: "address", Data: json.RawMessage(`{"a":1}`)}, ""},
		{"nulls", `{"event_id":null,"notification_id":null,"delivery_attempt":null,"created_at":null,"signature":null,"type":"x","data":{}}`,
			envelope{Type: "x", Data: json.RawMessage(`{}`)}, ""},
		{"numbers for texts and texts for numbers", `{"event_id":7,"notification_id":8,"delivery_attempt":"2","created_at":"1426104819","type":"x","data":{}}`,
			envelope{EventID: "7", NotificationID: "8", Attempt: 2, CreatedAt: at, Type: "x", Data: json.RawMessage(`{}`)}, ""},
		{"time with a fraction", `{"created_at":1426104819.5,"type":"x","data":{}}`,
			envelope{CreatedAt: at.Add(time.Second / 2), Type: "x", Data: json.RawMessage(`{}`)}, ""},
		{"time as text", `{"created_at":"2015-03-11T21:13:39+01:00","type":"x","data":{}}`,
			envelope{CreatedAt: at, Type: "x", Data: json.RawMessage(`{}`)}, ""},
		{"unknown members", `{"more":[{}],"type":"x","data":{"b":[]}}`, envelope{Type: "x", Data: json.RawMessage(`{"b":[]}`)}, ""},
		{"names are exact", `{"type":"x","TYPE":"ping","Type":"y","data":{}}`, envelope{Type: "x", Data: json.RawMessage(`{}`)}, ""},
		{"the last of two counts", `{"type":"x","data":{},"type":"y"}`, envelope{Type: "y", Data: json.RawMessage(`{}`)}, ""},
		{"a ping with data", `{"type":"ping","data":{"a":1}}`, envelope{Type: "ping"}, ""},
		{"white space", " \n{ \"type\" : \"x\" , \"data\" :\t{ } } ", envelope{Type: "x", Data: json.RawMessage(`{ }`)}, ""},
		{"attempt is no number", `{"delivery_attempt":"first","type":"x","data":{}}`, envelope{Type: "x", Data: json.RawMessage(`{}`)}, ""},
		{"attempt is half", `{"delivery_attempt":1.5,"type":"x","data":{}}`, envelope{Type: "x", Data: json.RawMessage(`{}`)}, ""},
		{"attempt is an object", `{"delivery_attempt":{},"type":"x","data":{}}`, envelope{Type: "x", Data: json.RawMessage(`{}`)}, ""},
		{"signature is an array", `{"signature":[],"type":"x","data":{}}`, envelope{Type: "x", Data: json.RawMessage(`{}`)}, ""},
		{"time is negative", `{"created_at":-1,"type":"x","data":{}}`, envelope{Type: "x", Data: json.RawMessage(`{}`), created: `-1`}, ""},
		{"time is huge", `{"created_at":1e90,"type":"x","data":{}}`, envelope{Type: "x", Data: json.RawMessage(`{}`), created: `1e90`}, ""},
		{"time is before 1970", `{"created_at":"1969-12-31T23:59:59Z","type":"x","data":{}}`, envelope{Type: "x", Data: json.RawMessage(`{}`), created: `"1969-12-31T23:59:59Z"`}, ""},
		{"time is after 9999", `{"created_at":"9999-12-31T23:59:59-01:00","type":"x","data":{}}`, envelope{Type: "x", Data: json.RawMessage(`{}`), created: `"9999-12-31T23:59:59-01:00"`}, ""},
		{"time is a word", `{"created_at":"now","type":"x","data":{}}`, envelope{Type: "x", Data: json.RawMessage(`{}`), created: `"now"`}, ""},
		{"time in milliseconds", `{"created_at":1426104819000,"type":"x","data":{}}`, envelope{Type: "x", Data: json.RawMessage(`{}`), created: `1426104819000`}, ""},
		{"time is an object", `{"created_at":{ "s":1,"n":2 },"type":"x","data":{}}`, envelope{Type: "x", Data: json.RawMessage(`{}`), created: `{"n":2,"s":1}`}, ""},
		{"a ping with junk", `{"type":"ping","event_id":{},"notification_id":[],"delivery_attempt":"x","created_at":"now","signature":1e9,"data":5}`, envelope{Type: "ping"}, ""},

		{"empty", ``, envelope{}, "not a JSON object"},
		{"null", `null`, envelope{}, "not a JSON object"},
		{"array", `[{"type":"ping"}]`, envelope{}, "not a JSON object"},
		{"text", `"ping"`, envelope{}, "not a JSON object"},
		{"cut off", `{"type":"ping"`, envelope{}, "not a JSON object"},
		{"two objects", `{"type":"ping"}{"type":"ping"}`, envelope{}, "not a JSON object"},
		{"the seed's comments", `{"type":"ping" // x` + "\n}", envelope{}, "not a JSON object"},
		{"no type", `{"data":{}}`, envelope{}, "no type"},
		{"a status of the socket", `{"status":"success"}`, envelope{}, "no type"},
		{"empty type", `{"type":"","data":{}}`, envelope{}, "no type"},
		{"type is a number", `{"type":5,"data":{}}`, envelope{}, "no type"},
		{"no data", `{"type":"address"}`, envelope{}, "no data"},
		{"data is null", `{"type":"address","data":null}`, envelope{}, "no data"},
		{"data is an array", `{"type":"address","data":[{}]}`, envelope{}, "no data"},
		{"data is a text", `{"type":"address","data":"{}"}`, envelope{}, "no data"},
		{"id is an object", `{"event_id":{},"type":"x","data":{}}`, envelope{}, "event_id"},
		{"id is a boolean", `{"notification_id":true,"type":"x","data":{}}`, envelope{}, "notification_id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseEnvelope([]byte(tt.body))
			if tt.wrong != "" {
				require.ErrorContains(t, err, tt.wrong)
				require.Zero(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestEnvelopeErrorsQuoteNothing(t *testing.T) {
	for _, body := range []string{`hunter2`, `{"created_at":"hunter2","type":"x"}`, `{"event_id":{"hunter2":1}}`, `{"type":"hunter2"}`} {
		_, err := parseEnvelope([]byte(body))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestEnvelopeSharesNoMemory(t *testing.T) {
	body := []byte(`{"type":"x","data":{"a":"b"}}`)
	e, err := parseEnvelope(body)
	require.NoError(t, err)
	clear(body)
	require.Equal(t, `{"a":"b"}`, string(e.Data))
}

func parsed(t testing.TB, body string) envelope {
	t.Helper()
	e, err := parseEnvelope([]byte(body))
	require.NoError(t, err)
	return e
}

func TestDedupKey(t *testing.T) {
	const first = `{"notification_id":"n","delivery_attempt":1,"type":"address","created_at":5,"data":{"txid":"a","amount":"1.0"}}`
	key := parsed(t, first).dedupKey()
	require.Regexp(t, `^digest:[0-9a-f]{64}$`, key)

	same := map[string]string{
		"a retry":                `{"notification_id":"n","delivery_attempt":2,"type":"address","created_at":5,"data":{"txid":"a","amount":"1.0"}}`,
		"written in other order": `{"data":{"amount":"1.0", "txid":"a"},"created_at":5,"type":"address","delivery_attempt":1,"notification_id":"n"}`,
		"written with escapes":   `{"notification_id":"\u006e","delivery_attempt":1,"type":"address","created_at":5,"data":{"txid":"\u0061","amount":"1.0"}}`,
		"signed":                 `{"notification_id":"n","delivery_attempt":1,"type":"address","created_at":5,"data":{"txid":"a","amount":"1.0"},"signature":"00"}`,
		"time as text":           `{"notification_id":"n","delivery_attempt":1,"type":"address","created_at":"5","data":{"txid":"a","amount":"1.0"}}`,
	}
	for name, body := range same {
		require.Equal(t, key, parsed(t, body).dedupKey(), name)
	}
	other := map[string]string{
		"another payment":      `{"notification_id":"n","delivery_attempt":1,"type":"address","created_at":5,"data":{"txid":"b","amount":"1.0"}}`,
		"another amount":       `{"notification_id":"n","delivery_attempt":1,"type":"address","created_at":5,"data":{"txid":"a","amount":"1.00"}}`,
		"another large number": `{"notification_id":"n","delivery_attempt":1,"type":"address","created_at":5,"data":{"txid":"a","amount":9007199254740993}}`,
		"one above it":         `{"notification_id":"n","delivery_attempt":1,"type":"address","created_at":5,"data":{"txid":"a","amount":9007199254740992}}`,
		"another notification": `{"notification_id":"m","delivery_attempt":1,"type":"address","created_at":5,"data":{"txid":"a","amount":"1.0"}}`,
		"another type":         `{"notification_id":"n","delivery_attempt":1,"type":"account","created_at":5,"data":{"txid":"a","amount":"1.0"}}`,
		"another time":         `{"notification_id":"n","delivery_attempt":1,"type":"address","created_at":6,"data":{"txid":"a","amount":"1.0"}}`,
		"time in milliseconds": `{"notification_id":"n","delivery_attempt":1,"type":"address","created_at":5000000000000,"data":{"txid":"a","amount":"1.0"}}`,
		"the next millisecond": `{"notification_id":"n","delivery_attempt":1,"type":"address","created_at":5000000000001,"data":{"txid":"a","amount":"1.0"}}`,
		"no time":              `{"notification_id":"n","delivery_attempt":1,"type":"address","data":{"txid":"a","amount":"1.0"}}`,
		"shifted texts":        `{"notification_id":"na","delivery_attempt":1,"type":"ddress","created_at":5,"data":{"txid":"a","amount":"1.0"}}`,
		"half a surrogate":     `{"notification_id":"n","delivery_attempt":1,"type":"address","created_at":5,"data":{"txid":"\ud800","amount":"1.0"}}`,
		"another half":         `{"notification_id":"n","delivery_attempt":1,"type":"address","created_at":5,"data":{"txid":"\ud801","amount":"1.0"}}`,
		"no UTF-8":             "{\"notification_id\":\"n\",\"delivery_attempt\":1,\"type\":\"address\",\"created_at\":5,\"data\":{\"txid\":\"\xff\",\"amount\":\"1.0\"}}",
		"other bytes":          "{\"notification_id\":\"n\",\"delivery_attempt\":1,\"type\":\"address\",\"created_at\":5,\"data\":{\"txid\":\"\xfe\",\"amount\":\"1.0\"}}",
		"with an id":           `{"event_id":"e","notification_id":"n","delivery_attempt":1,"type":"address","created_at":5,"data":{"txid":"a","amount":"1.0"}}`,
	}
	seen := map[string]string{key: "the first"}
	for name, body := range other {
		k := parsed(t, body).dedupKey()
		require.Empty(t, seen[k], "%s has the key of another", name)
		seen[k] = name
	}
}

func TestDedupKeyOfAnEventID(t *testing.T) {
	// The sign for what cannot be read may be what the sender wrote.
	data := func(text string) string { return envelope{Data: json.RawMessage(text)}.dedupKey() }
	replaced := data("{\"a\":\"\ufffd\",\"b\":1}")
	require.Equal(t, replaced, data("{ \"b\": 1, \"a\": \"\ufffd\" }"))
	require.Equal(t, replaced, data(`{"a":"\ufffd","b":1}`))
	sum := sha256.Sum256([]byte("0:,0:,0:,0:,{\"a\":\"\ufffd\",\"b\":1}"))
	require.Equal(t, "digest:"+hex.EncodeToString(sum[:]), replaced, "stored keys hold")
	require.Equal(t, "event:e", envelope{EventID: "e", NotificationID: "n", Type: "x"}.dedupKey())
	require.Equal(t, envelope{EventID: "e", Attempt: 1}.dedupKey(), envelope{EventID: "e", Attempt: 2, NotificationID: "m"}.dedupKey())
	require.NotEqual(t, envelope{EventID: "e"}.dedupKey(), envelope{EventID: "f"}.dedupKey())
	for _, id := range []string{"!", "~", strings.Repeat("x", 200)} {
		require.Equal(t, "event:"+id, envelope{EventID: id}.dedupKey())
	}
	for name, id := range map[string]string{"long": strings.Repeat("x", 201), "a space": "a b", "deleted": "\x7f", "control characters": "a\nb", "not ASCII": "\u00e9"} {
		key := envelope{EventID: id}.dedupKey()
		require.Regexp(t, `^digest:[0-9a-f]{64}$`, key, name)
		require.Equal(t, key, envelope{EventID: id, Attempt: 4}.dedupKey(), name)
		require.NotEqual(t, key, envelope{EventID: id + "x"}.dedupKey(), name)
	}
	require.NotEqual(t, envelope{EventID: strings.TrimPrefix(envelope{}.dedupKey(), "digest:")}.dedupKey(), envelope{}.dedupKey())
}

func TestUpdateOf(t *testing.T) {
	const data = ` {"network":"BTCTEST", "address":"A",  "balance_change":1.10,"new<member>":[1e2]} `
	u, err := updateOf(EventAddress, json.RawMessage(data), bitcart.SourceWebhook)
	require.NoError(t, err)
	ev := received(t, u)
	require.Equal(t, "address", ev.Name)
	require.Equal(t, "BTCTEST", ev.Currency)
	require.Equal(t, "A", ev.Wallet)
	require.Equal(t, bitcart.SourceWebhook, ev.Source)
	require.Equal(t, data, string(ev.Raw()), "the bytes as received")
	fields, err := ev.Fields()
	require.NoError(t, err)
	require.Contains(t, fields, "new<member>", "unknown members are kept")
	require.NotContains(t, u.String(), "BTCTEST")
}

func TestUpdateOfOtherData(t *testing.T) {
	tests := []struct {
		name, typ, data, currency, wallet, raw string
	}{
		{"new-blocks has no wallet", EventNewBlocks, `{"network":"LTC","address":"A"}`, "LTC", "", `{"network":"LTC","address":"A"}`},
		{"empty", "x", `{ }`, "", "", `{ }`},
		{"a type of later", "x", `{"network":"ETH","address":"B"}`, "ETH", "B", `{"network":"ETH","address":"B"}`},
		{"network is no text", EventAddress, `{"network":1,"address":{}}`, "", "", `{"network":1,"address":{}}`},
		{"a member of that name", "x", `{"event":"y"}`, "", "", `{"event":"y"}`},
		{"a strange type", `q"<`, `{}`, "", "", `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, err := updateOf(tt.typ, json.RawMessage(tt.data), bitcart.SourceStream)
			require.NoError(t, err)
			ev := received(t, u)
			require.Equal(t, tt.typ, ev.Name)
			require.Equal(t, tt.currency, ev.Currency)
			require.Equal(t, tt.wallet, ev.Wallet)
			require.Equal(t, tt.raw, string(ev.Raw()))
			_, err = ev.Fields()
			require.NoError(t, err)
		})
	}
	for _, data := range []string{``, `null`, `[]`, `"{}"`, `}`} {
		_, err := updateOf("x", json.RawMessage(data), bitcart.SourceStream)
		require.Error(t, err, data)
	}
	_, err := updateOf("", json.RawMessage(`{}`), bitcart.SourceStream)
	require.Error(t, err)
}

// The same fact by web hook and by socket: seed, "Example Notifications" and
// "Web Sockets".
func TestSubjectIsEqualOverHookAndSocket(t *testing.T) {
	for typ, pair := range map[string][2]string{
		EventAddress:   {"webhook-address.json", "socket-address.json"},
		EventNewBlocks: {"webhook-new-blocks.json", "socket-new-blocks.json"},
	} {
		hook, socket := parsed(t, string(golden(t, pair[0]))), parsed(t, string(golden(t, pair[1])))
		require.NotEmpty(t, subjectOf(typ, hook.Data))
		require.Equal(t, subjectOf(typ, hook.Data), subjectOf(typ, socket.Data))
		u, err := updateOf(typ, socket.Data, bitcart.SourceStream)
		require.NoError(t, err)
		require.Equal(t, subjectOf(typ, hook.Data), SubjectOf(received(t, u)))
	}
}

func FuzzParseEnvelope(f *testing.F) {
	for _, name := range []string{"webhook-envelope.json", "webhook-ping.json", "webhook-address.json", "webhook-new-blocks.json", "socket-success.json"} {
		f.Add(golden(f, name))
	}
	f.Add([]byte(`{"event_id":1e999999999,"created_at":253402300799.9,"type":"x","data":{"event":"y"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := parseEnvelope(body)
		if err != nil {
			require.Zero(t, e)
			return
		}
		require.NotEmpty(t, e.Type)
		require.LessOrEqual(t, len(e.dedupKey()), 300)
		require.Equal(t, e.dedupKey(), e.dedupKey())
		if e.Type == eventPing {
			require.Empty(t, e.Data)
			return
		}
		again := e
		again.Attempt++
		again.Signature = "another"
		require.Equal(t, e.dedupKey(), again.dedupKey())
		u, err := updateOf(e.Type, e.Data, bitcart.SourceWebhook)
		require.NoError(t, err)
		ev := received(t, u)
		require.Equal(t, e.Type, ev.Name)
		require.Equal(t, string(e.Data), string(ev.Raw()))
		require.Equal(t, subjectOf(e.Type, e.Data), SubjectOf(ev))
		_, err = ev.Fields()
		require.NoError(t, err)
		_, err = e.CreatedAt.MarshalJSON()
		require.NoError(t, err)
	})
}
