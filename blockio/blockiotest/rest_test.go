package blockiotest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

func start(t testing.TB, opts ...blockiotest.Option) *blockiotest.Service {
	t.Helper()
	s, err := blockiotest.New(opts...)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// web is a client that leaves no connection behind.
var web = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

// restAnswer is what the service says.
type restAnswer struct {
	Status string `json:"status"`
	Data   struct {
		Network       string           `json:"network"`
		ID            string           `json:"notification_id"`
		Type          string           `json:"type"`
		Enabled       bool             `json:"enabled"`
		URL           string           `json:"url"`
		Message       string           `json:"error_message"`
		Notifications []map[string]any `json:"notifications"`
		Events        []map[string]any `json:"events"`
	} `json:"data"`
}

// call makes a call as the seed writes it: all parameters in the query.
func call(t testing.TB, s *blockiotest.Service, method string, params ...string) (restAnswer, int) {
	t.Helper()
	query := url.Values{"api_key": {blockiotest.DefaultKey}}
	for i := 0; i+1 < len(params); i += 2 {
		query.Set(params[i], params[i+1])
	}
	resp, err := web.Get(s.URL() + method + "/?" + query.Encode())
	require.NoError(t, err)
	return readAnswer(t, resp), resp.StatusCode
}

func readAnswer(t testing.TB, resp *http.Response) (a restAnswer) {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(body, &a), string(body))
	return a
}

// hookFunc is a web hook's server.
func hookFunc(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func hookOf(t testing.TB, status int) string {
	t.Helper()
	return hookFunc(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
	})
}

// Seed: the create_notification, disable_, enable_, list_, recent and delete
// URLs, with their parameters in the query.
func TestSeedEndpoints(t *testing.T) {
	s := start(t)
	hook := hookOf(t, 200)
	account, status := call(t, s, "create_notification", "type", "account", "url", hook+"/?a=1&b=2")
	require.Equal(t, 200, status)
	require.Equal(t, "success", account.Status)
	require.Equal(t, "BTC", account.Data.Network)
	require.Equal(t, "account", account.Data.Type)
	require.Equal(t, hook+"/?a=1&b=2", account.Data.URL)
	require.True(t, account.Data.Enabled)
	require.NotEmpty(t, account.Data.ID)
	address, _ := call(t, s, "create_notification", "type", "address", "address", "A", "url", hook)
	require.Equal(t, "address", address.Data.Type)
	blocks, _ := call(t, s, "create_notification", "type", "new-blocks", "url", hook)
	require.Equal(t, "new-blocks", blocks.Data.Type)

	off, _ := call(t, s, "disable_notification", "notification_id", account.Data.ID)
	require.False(t, off.Data.Enabled)
	on, _ := call(t, s, "enable_notification", "notification_id", account.Data.ID)
	require.True(t, on.Data.Enabled)

	list, _ := call(t, s, "list_notifications", "page", "1")
	require.Len(t, list.Data.Notifications, 3)
	require.Equal(t, "A", list.Data.Notifications[1]["address"])
	some, _ := call(t, s, "list_notifications", "notification_ids", account.Data.ID+","+blocks.Data.ID)
	require.Len(t, some.Data.Notifications, 2)

	require.NoError(t, s.Emit("BTC", "new-blocks", map[string]any{"network": "BTC", "block_hash": "h"}))
	require.NoError(t, s.Wait(t.Context()))
	recent, _ := call(t, s, "get_recent_notification_events", "notification_id", blocks.Data.ID)
	require.Len(t, recent.Data.Events, 1)
	require.Equal(t, "new-blocks", recent.Data.Events[0]["type"])
	require.Equal(t, true, recent.Data.Events[0]["delivered"])

	gone, _ := call(t, s, "delete_notification", "notification_id", account.Data.ID)
	require.Equal(t, account.Data.ID, gone.Data.ID)
	_, status = call(t, s, "delete_notification", "notification_id", account.Data.ID)
	require.Equal(t, 404, status)
	require.Len(t, s.Notifications(blockiotest.DefaultKey), 2)
}

// The create answer has the members of the seed's example, and no others.
func TestSeedCreateAnswerMembers(t *testing.T) {
	text, err := os.ReadFile("../testdata/answer-create.json")
	require.NoError(t, err)
	var want, got map[string]any
	require.NoError(t, json.Unmarshal(text, &want))
	s := start(t)
	resp, err := web.Get(s.URL() + "create_notification/?api_key=" + blockiotest.DefaultKey + "&type=account&url=" + url.QueryEscape(hookOf(t, 200)))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&got))
	require.Equal(t, kinds(want), kinds(got))
}

// kinds replaces the values of an object by their types.
func kinds(v any) any {
	object, ok := v.(map[string]any)
	if !ok {
		return fmt.Sprintf("%T", v)
	}
	types := map[string]any{}
	for key, value := range object {
		types[key] = kinds(value)
	}
	return types
}

func TestParametersInTheBody(t *testing.T) {
	s := start(t)
	for kind, body := range map[string]string{
		"application/json":                  `{"api_key":"` + blockiotest.DefaultKey + `","page":1,"notification_ids":["x"]}`,
		"application/json; charset=utf-8":   `{"api_key":"` + blockiotest.DefaultKey + `"}`,
		"application/x-www-form-urlencoded": "api_key=" + blockiotest.DefaultKey + "&page=1",
	} {
		resp, err := web.Post(s.URL()+"list_notifications", kind, strings.NewReader(body))
		require.NoError(t, err)
		require.Contains(t, readAnswer(t, resp).Data.Message, "No valid notifications found", kind)
	}
	for _, body := range []string{`[]`, `{`, `"x"`} {
		resp, err := web.Post(s.URL()+"list_notifications", "application/json", strings.NewReader(body))
		require.NoError(t, err)
		require.Contains(t, readAnswer(t, resp).Data.Message, "cannot be read")
	}
	calls := s.Calls("list_notifications")
	require.Len(t, calls, 6)
	require.Equal(t, http.MethodPost, calls[0].HTTPMethod)
	require.Empty(t, calls[0].RawQuery)
}

func TestRefusals(t *testing.T) {
	s := start(t, blockiotest.WithAccount("k1", "BTC"), blockiotest.WithAccount("k2", "LTC"))
	hook := hookOf(t, 200)
	tests := []struct {
		method, message string
		params          []string
		status          int
	}{
		{"list_notifications", "IP address", []string{"api_key", "wrong"}, 403},
		{"list_notifications", "IP address", []string{"api_key", ""}, 403},
		{"get_balance", "no such method", []string{"api_key", "k1"}, 404},
		{"list_notifications", "No valid notifications found", []string{"api_key", "k1"}, 404},
		{"list_notifications", "page", []string{"api_key", "k1", "page", "0"}, 404},
		{"list_notifications", "page", []string{"api_key", "k1", "page", "x"}, 404},
		{"create_notification", "type", []string{"api_key", "k1", "url", hook}, 404},
		{"create_notification", "type", []string{"api_key", "k1", "type", "other", "url", hook}, 404},
		{"create_notification", "address", []string{"api_key", "k1", "type", "address", "url", hook}, 404},
		{"create_notification", "URL", []string{"api_key", "k1", "type", "account"}, 404},
		{"create_notification", "URL", []string{"api_key", "k1", "type", "account", "url", "shop.example"}, 404},
		{"create_notification", "URL", []string{"api_key", "k1", "type", "account", "url", "ftp://shop.example"}, 404},
		{"create_notification", "200 and 299", []string{"api_key", "k1", "type", "account", "url", hookOf(t, 300)}, 404},
		{"create_notification", "200 and 299", []string{"api_key", "k1", "type", "account", "url", "http://127.0.0.1:1"}, 404},
		{"enable_notification", "ID", []string{"api_key", "k1", "notification_id", "x"}, 404},
		{"get_recent_notification_events", "ID", []string{"api_key", "k1"}, 404},
	}
	for _, tt := range tests {
		got, status := call(t, s, tt.method, tt.params...)
		require.Equal(t, "fail", got.Status, tt)
		require.Contains(t, got.Data.Message, tt.message, tt)
		require.Equal(t, tt.status, status, tt)
	}
	mine, _ := call(t, s, "create_notification", "api_key", "k1", "type", "account", "url", hook)
	require.Equal(t, "success", mine.Status)
	twice, _ := call(t, s, "create_notification", "api_key", "k1", "type", "account", "url", hook)
	require.Contains(t, twice.Data.Message, "exists already")
	other, _ := call(t, s, "create_notification", "api_key", "k2", "type", "account", "url", hook)
	require.Equal(t, "LTC", other.Data.Network, "one key per network")
	foreign, _ := call(t, s, "enable_notification", "api_key", "k2", "notification_id", mine.Data.ID)
	require.Contains(t, foreign.Data.Message, "ID", "of another account")

	resp, err := web.Get("http://" + s.Addr() + "/elsewhere")
	require.NoError(t, err)
	require.Contains(t, readAnswer(t, resp).Data.Message, "no such method")
}

func TestAllowedAddrs(t *testing.T) {
	for prefix, status := range map[string]int{"127.0.0.0/8": 404, "10.0.0.0/8": 403} {
		s := start(t, blockiotest.WithAllowedAddrs(netip.MustParsePrefix(prefix)))
		_, got := call(t, s, "list_notifications")
		require.Equal(t, status, got, prefix)
	}
}

func TestRequestFaults(t *testing.T) {
	s := start(t)
	_, err := s.AddNotification(blockiotest.DefaultKey, blockiotest.Notification{Type: "account", URL: "http://h.example"})
	require.NoError(t, err)
	f := s.Faults()
	get := func() (*http.Response, string, error) {
		resp, err := web.Get(s.URL() + "list_notifications?api_key=" + blockiotest.DefaultKey)
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp, string(body), err
	}
	f.Throttle(2, 429, 3*time.Second)
	f.FailCalls(1, "other_method", "never")
	f.FailCalls(1, "list_notifications", "out of order")
	f.BreakCalls(1, "", 502, "<html>")
	f.BreakCalls(1, "", 503, "")
	for range 2 {
		resp, body, err := get()
		require.NoError(t, err)
		require.Equal(t, 429, resp.StatusCode)
		require.Equal(t, "3", resp.Header.Get("Retry-After"))
		require.Contains(t, body, `"fail"`)
	}
	resp, body, err := get()
	require.NoError(t, err)
	require.Equal(t, 404, resp.StatusCode)
	require.Contains(t, body, "out of order")
	resp, body, err = get()
	require.NoError(t, err)
	require.Equal(t, 502, resp.StatusCode)
	require.Equal(t, "<html>", body)
	resp, body, err = get()
	require.NoError(t, err)
	require.Equal(t, 503, resp.StatusCode)
	require.Empty(t, body)
	f.CutCalls(1, "", false)
	_, _, err = get()
	require.Error(t, err)
	f.HalveAnswers(1, "")
	_, body, err = get()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NotEmpty(t, body)
	resp, _, err = get()
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode, "all faults are used up but the one for another method")
	f.CutCalls(1, "disable_notification", true)
	_, err = web.Get(s.URL() + "disable_notification?api_key=" + blockiotest.DefaultKey + "&notification_id=" + s.Notifications(blockiotest.DefaultKey)[0].ID)
	require.Error(t, err)
	require.False(t, s.Notifications(blockiotest.DefaultKey)[0].Enabled, "it has run")
}

func TestOptionErrors(t *testing.T) {
	for name, o := range map[string]blockiotest.Option{
		"WithAccount without key":     blockiotest.WithAccount("", "BTC"),
		"WithAccount without network": blockiotest.WithAccount("k", ""),
		"WithPageSize":                blockiotest.WithPageSize(0),
		"WithSignature":               blockiotest.WithSignature(nil),
		"WithParallel":                blockiotest.WithParallel(0),
		"WithLogger":                  blockiotest.WithLogger(nil),
		"WithHookTimeout":             blockiotest.WithHookTimeout(0),
		"WithAddr":                    blockiotest.WithAddr("nowhere:99999"),
		"nil":                         nil,
	} {
		s, err := blockiotest.New(o)
		require.ErrorContains(t, err, "blockiotest: ", name)
		require.Nil(t, s, name)
	}
}

func TestAfterClose(t *testing.T) {
	s := start(t)
	n, err := s.AddNotification(blockiotest.DefaultKey, blockiotest.Notification{Type: "account", URL: "http://h.example"})
	require.NoError(t, err)
	s.Close()
	s.Close()
	require.ErrorIs(t, s.Emit("BTC", "new-blocks", map[string]any{}), blockiotest.ErrClosed)
	require.ErrorIs(t, s.EmitTo(n.ID, "x", map[string]any{}), blockiotest.ErrClosed)
	require.ErrorIs(t, s.Advance(context.Background(), time.Hour), blockiotest.ErrClosed)
	_, err = web.Get(s.URL())
	require.Error(t, err)
}
