package blockio

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

func TestDecodeFrame(t *testing.T) {
	for text, want := range map[string]frame{
		`{"status":"success"}`:                                 {kind: frameAccepted},
		` { "status" : "success" , "extra":[1,{"a":null}] } `:  {kind: frameAccepted},
		`{"type":null,"status":"success"}`:                     {kind: frameAccepted},
		`{"status":"fail","error_message":"no"}`:               {kind: frameRefused, message: "no"},
		`{"status":"fail","data":{"error_message":"REST"}}`:    {kind: frameRefused, message: "REST"},
		`{"status":"fail","error_message":{"not":"a text"}}`:   {kind: frameRefused, message: "the service gave no reason"},
		`{"status":"fail"}`:                                    {kind: frameRefused, message: "the service gave no reason"},
		`{"type":"ping"}`:                                      {kind: framePing},
		`{"type":"ping","status":"success"}`:                   {kind: framePing},
		`{"data":{"a":1.50},"type":"address"}`:                 {kind: frameEvent, typ: "address", data: json.RawMessage(`{"a":1.50}`)},
		`{"type":"new-blocks","data":{},"event_id":7}`:         {kind: frameEvent, typ: "new-blocks", data: json.RawMessage(`{}`)},
		`{"status":"success","type":"address","data":{"a":1}}`: {kind: frameEvent, typ: "address", data: json.RawMessage(`{"a":1}`)},
	} {
		got, err := decodeFrame([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestDecodeFrameRefusesGarbage(t *testing.T) {
	for _, text := range garbageFrames {
		_, err := decodeFrame([]byte(text))
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), "SECRET")
	}
}

// garbageFrames are messages that nobody can read.
var garbageFrames = []string{
	"", " ", "null", "true", "7", `"success"`, "[]", `[{"type":"ping"}]`, "{", "{}", `{"status":"success"`,
	`{"status":"success"} {"status":"success"}`, `{"status":"SECRET"}`, `{"status":null}`, `{"status":["success"]}`,
	`{"Status":"success"}`, `{"type":"account","data":{}}`, `{"type":7}`, `{"type":"SECRET","data":{"a":"SECRET"}}`, `{"type":""}`,
	`{"type":"address"}`, `{"type":"address","data":null}`, `{"type":"address","data":[]}`, `{"type":"address","data":"SECRET"}`,
	`{"type":"Address","data":{}}`, "\x00\xff\xfe", "<html>SECRET</html>", strings.Repeat("[", 20000),
}

func TestDecodeFrameKeepsNothingOfTheMessage(t *testing.T) {
	msg := []byte(`{"type":"address","data":{"txid":"one"}}`)
	f, err := decodeFrame(msg)
	require.NoError(t, err)
	copy(msg, bytes.Repeat([]byte{'x'}, len(msg))) // the connection reads the next one into the same buffer
	require.JSONEq(t, `{"txid":"one"}`, string(f.data))
}

func TestLongRefusalIsCut(t *testing.T) {
	f, err := decodeFrame([]byte(`{"status":"fail","error_message":"` + strings.Repeat("ä", 5000) + `"}`))
	require.NoError(t, err)
	require.Less(t, len(f.message), 1100)
	require.True(t, utf8.ValidString(f.message))
}

func FuzzDecodeFrame(f *testing.F) {
	for _, name := range []string{"success", "fail", "ping", "address", "new-blocks", "subscribe-address"} {
		msg, err := os.ReadFile("testdata/socket-" + name + ".json")
		require.NoError(f, err)
		f.Add(msg)
	}
	for _, text := range garbageFrames {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		got, err := decodeFrame(msg)
		if err != nil {
			require.Equal(t, frame{}, got)
			return
		}
		require.True(t, json.Valid(msg))
		switch got.kind {
		case frameEvent:
			require.Contains(t, []string{EventAddress, EventNewBlocks}, got.typ)
			u, err := updateOf(got.typ, got.data, bitcart.SourceStream)
			require.NoError(t, err, "what is a frame is an update")
			require.Equal(t, got.typ, u.Event())
			network, address := origin(got.typ, got.data)
			_ = Subscription{network, got.typ, address}.topic()
		case frameRefused:
			require.NotEmpty(t, got.message)
			require.LessOrEqual(t, len(got.message), maxMessageText+3)
		default:
			require.Empty(t, got.data)
		}
	})
}

func TestGapsMerge(t *testing.T) {
	a, b, c := Subscription{"BTC", TypeAddress, "3a"}, Subscription{"BTC", TypeAddress, "3b"}, Subscription{"LTC", TypeNewBlocks, ""}
	n := &notices{}
	now := Gap{}.From.AddDate(2000, 0, 0)
	n.lose(Gap{From: now.Add(5), To: now.Add(6), Subscriptions: []Subscription{a, b}})
	n.lose(Gap{From: now.Add(2), To: now.Add(9), Subscriptions: []Subscription{b, c}})
	n.lose(Gap{From: now.Add(3), To: now.Add(4), Subscriptions: []Subscription{a}})
	require.Equal(t, &Gap{From: now.Add(2), To: now.Add(9), Subscriptions: []Subscription{a, b, c}}, n.lost)
	require.Equal(t, "reconnect overflow GapReason(7)", GapReconnect.String()+" "+GapOverflow.String()+" "+GapReason(7).String())
}
