package blockio_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
)

const confirmKey = "0000-secret-key-1111"

// recentEvents is a client of a service that answers the recent events so, and
// what the service was asked.
func recentEvents(t *testing.T, status int, body string) (*blockio.Client, *[]string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		var params map[string]string
		_ = json.Unmarshal(got, &params)
		asked = append(asked, r.URL.Path+" "+params["notification_id"])
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := blockio.NewClient(confirmKey, blockio.WithBaseURL(server.URL), blockio.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	return client, &asked
}

func success(data string) string { return `{"status":"success","data":` + data + `}` }

func TestConfirm(t *testing.T) {
	spaced := strings.ReplaceAll(strings.ReplaceAll(addressData, ",", " , "), ":", " : ")
	other := strings.Replace(addressData, "0.01000000", "9.01000000", 1)
	entry := func(data string) string {
		return `{"event_id":"e1","notification_id":"n1","type":"address","delivery_attempt":1,"data":` + data + `}`
	}
	text, err := json.Marshal(addressBody)
	require.NoError(t, err)
	for _, test := range []struct {
		name, body, recent string
		ok                 bool
	}{
		{"the event", addressBody, `{"events":[` + entry(other) + `,` + entry(addressData) + `]}`, true},
		{"a bare list", addressBody, `[` + entry(addressData) + `]`, true},
		{"written otherwise", addressBody, `[` + entry(spaced) + `]`, true},
		{"delivered with more white space", strings.Replace(addressBody, addressData, spaced, 1), `[` + addressData + `]`, true},
		{"without ids", addressBody, `[{"data":` + addressData + `}]`, true},
		{"under another name", addressBody, `[{"event_id":"e1","payload":{"n":1,"body":[` + addressData + `]}}]`, true},
		{"as text", addressBody, `[{"request":{"body":` + string(text) + `,"status":503}}]`, true},
		{"as text, another", addressBody, `[{"event_id":"e1","request":{"body":` + strconv.Quote(other) + `}}]`, false},
		{"as text, cut off", addressBody, `[{"event_id":"e1","request":{"body":` + strconv.Quote(addressData[:len(addressData)-1]) + `}}]`, false},
		{"by itself", addressBody, `[` + addressData + `]`, true},
		{"another amount", addressBody, `[` + entry(other) + `]`, false},
		{"another event id", addressBody, `[` + strings.Replace(entry(addressData), "e1", "e2", 1) + `]`, false},
		{"another notification", addressBody, `[` + strings.Replace(entry(addressData), "n1", "n2", 1) + `]`, false},
		{"another type", addressBody, `[` + strings.Replace(entry(addressData), `"address","deliv`, `"new-blocks","deliv`, 1) + `]`, false},
		{"a part of the data", `{"notification_id":"n1","type":"address","data":{"a":1}}`, `[` + entry(`{"x":{"a":1}}`) + `]`, false},
		{"empty data", `{"notification_id":"n1","type":"address","data":{}}`, `[` + entry(`{}`) + `]`, false},
		{"less than was told", strings.Replace(addressBody, `,"is_green":false`, "", 1), `[` + entry(addressData) + `]`, false},
		{"nothing recent", addressBody, `[]`, false},
		{"no data told", addressBody, `[{"event_id":"e1"}]`, false},
		{"not objects", addressBody, `[1,"x",null]`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, asked := recentEvents(t, 200, success(test.recent))
			proof, err := blockio.Confirm(client).Verify(t.Context(), hook(test.body), []byte(test.body))
			requireProof(t, test.ok, blockio.Confirmed, proof, err)
			if test.ok {
				require.Equal(t, []string{"/get_recent_notification_events n1"}, *asked)
			}
		})
	}
}

// TestConfirmCannotAsk: what cannot be confirmed is refused, and no error
// shows the key.
func TestConfirmCannotAsk(t *testing.T) {
	check := func(t *testing.T, ctx context.Context, c *blockio.Client, body string) {
		t.Helper()
		proof, err := blockio.Confirm(c).Verify(ctx, hook(body), []byte(body))
		requireProof(t, false, 0, proof, err)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), confirmKey)
	}
	failing, _ := recentEvents(t, 404, `{"status":"fail","data":{"error_message":"bad key `+confirmKey+`"}}`)
	good, asked := recentEvents(t, 200, success(`[{"data":`+addressData+`}]`))
	ended, cancel := context.WithCancel(t.Context())
	cancel()

	check(t, t.Context(), nil, addressBody)
	check(t, t.Context(), &blockio.Client{}, addressBody)
	check(t, t.Context(), failing, addressBody)
	check(t, ended, good, addressBody)
	check(t, t.Context(), good, "junk")
	check(t, t.Context(), good, `{"type":"address","data":`+addressData+`}`)
	check(t, t.Context(), good, `{"notification_id":"n1","type":"weather","data":`+addressData+`}`)
	require.Empty(t, *asked)
}

// TestReceiverConfirms is the whole way, behind a cheaper check.
func TestReceiverConfirms(t *testing.T) {
	client, asked := recentEvents(t, 200, success(`{"events":[{"event_id":"e1","data":`+addressData+`}]}`))
	sink := takeEvents(blockio.EventAddress)
	rc := makeReceiver(t, sink, blockio.WithVerifier(blockio.AllOf(blockio.BasicAuth("shop", "correct-horse-9"), blockio.Confirm(client))))
	require.Equal(t, 401, answer(rc, hook(addressBody)).Code)
	require.Empty(t, *asked, "the forgery costs no call")

	r := hook(addressBody)
	r.SetBasicAuth("shop", "correct-horse-9")
	require.Equal(t, 200, answer(rc, r).Code)
	d, _ := blockio.DeliveryFrom(sink.ctxs[0])
	require.Equal(t, blockio.Confirmed, d.Proof)
}
