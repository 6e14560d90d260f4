package blockio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

func TestCall(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	id := addNotification(t, s, "account", "http://h.example/").ID
	params := map[string]any{"notification_id": id}

	var n struct {
		ID string `json:"notification_id"`
	}
	require.NoError(t, c.Call(t.Context(), &n, "disable_notification", params))
	require.Equal(t, id, n.ID)
	var raw json.RawMessage
	require.NoError(t, c.Call(t.Context(), &raw, "enable_notification", params))
	require.Contains(t, string(raw), id)
	require.NoError(t, c.Call(t.Context(), nil, "enable_notification", params))
	require.Equal(t, map[string]any{"notification_id": id}, params, "the caller's map is left alone")

	var wrong []int
	err := c.Call(t.Context(), &wrong, "enable_notification", params)
	require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
	require.ErrorIs(t, err, bitcart.ErrMaybeSent)

	var answer *blockio.APIError
	require.ErrorAs(t, c.Call(t.Context(), nil, "unknown_method", nil), &answer)
	require.Equal(t, "unknown_method", answer.Method)
	require.Equal(t, http.StatusNotFound, answer.HTTPStatus)

	before := len(s.Calls())
	for _, method := range []string{"", "../v1/x", "a/b", "a?api_key=b", "a b", "a%2f", "\u00e9", strings.Repeat("x", 101)} {
		require.Error(t, c.Call(t.Context(), nil, method, nil), method)
	}
	require.Error(t, c.Call(t.Context(), nil, "get_balance", map[string]any{"api_key": "other"}))
	err = c.Call(t.Context(), nil, "get_balance", map[string]any{"f": func() {}})
	require.Error(t, err)
	require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
	require.Len(t, s.Calls(), before, "nothing was sent")

	for _, none := range []*blockio.Client{nil, {}} {
		require.Error(t, none.Call(t.Context(), nil, "get_balance", nil))
		_, err := none.ListNotifications(t.Context(), 0)
		require.Error(t, err)
		_, err = none.CreateNotification(t.Context(), blockio.CreateRequest{Type: "account", URL: "http://h.example"})
		require.Error(t, err)
	}
}

// The body is read first, whatever the HTTP status.
func TestTheBodyComesBeforeTheStatus(t *testing.T) {
	const success, fail = `{"status":"success","data":{"a":1}}`, `{"status":"fail","data":{"error_message":"It failed."}}`
	tests := []struct {
		status           int
		body, message    string
		ok, foreign      bool
		throttled, maybe bool
	}{
		{status: 200, body: success, ok: true},
		{status: 404, body: success, ok: true},
		{status: 500, body: success, ok: true},
		{status: 429, body: success, ok: true},
		{status: 200, body: fail, message: "It failed."},
		{status: 404, body: fail, message: "It failed."},
		{status: 500, body: fail, message: "It failed."},
		{status: 419, body: fail, message: "It failed.", throttled: true},
		{status: 420, body: fail, message: "It failed.", throttled: true},
		{status: 429, body: fail, message: "It failed.", throttled: true},
		{status: 400, body: `{"status":"fail","error_message":"At the top."}`, message: "At the top."},
		{status: 400, body: `{"status":"fail"}`},
		{status: 400, body: `{"status":"fail","data":"text"}`},
		{status: 400, body: `{"status":"error","data":{"error_message":"Another word."}}`, message: "Another word."},
		{status: 200, body: `<html>welcome</html>`, foreign: true, maybe: true},
		{status: 200, body: ``, foreign: true, maybe: true},
		{status: 200, body: `[]`, foreign: true, maybe: true},
		{status: 200, body: `null`, foreign: true, maybe: true},
		{status: 200, body: `{"status":5}`, foreign: true, maybe: true},
		{status: 200, body: `{"message":"gateway"}`, foreign: true, maybe: true},
		{status: 502, body: `<html>bad gateway</html>`, foreign: true, maybe: true},
		{status: 302, body: ``, foreign: true},
		{status: 403, body: `forbidden`, foreign: true},
		{status: 419, body: `slow down`, throttled: true},
		{status: 420, body: ``, throttled: true},
		{status: 429, body: `<html>slow down</html>`, throttled: true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status, " ", tt.body), func(t *testing.T) {
			c, calls := answering(t, tt.status, tt.body, "Retry-After", "7")
			var raw json.RawMessage
			err := c.Call(t.Context(), &raw, "get_balance", nil)
			require.Equal(t, 1, *calls)
			if tt.ok {
				require.NoError(t, err)
				require.JSONEq(t, `{"a":1}`, string(raw))
				return
			}
			var answer *blockio.APIError
			require.ErrorAs(t, err, &answer)
			require.Equal(t, "get_balance", answer.Method)
			require.Equal(t, tt.message, answer.Message)
			require.Equal(t, tt.status, answer.HTTPStatus)
			require.Equal(t, 7*time.Second, answer.RetryAfter)
			require.Equal(t, tt.throttled, answer.Throttled())
			require.Equal(t, tt.foreign, errors.Is(err, bitcart.ErrInvalidAnswer))
			require.Equal(t, tt.maybe, errors.Is(err, bitcart.ErrMaybeSent))
			require.ErrorContains(t, err, "blockio: get_balance: ")
			require.ErrorContains(t, err, fmt.Sprint(tt.status))
			require.ErrorContains(t, err, tt.message)
		})
	}
}

func TestRetryAfter(t *testing.T) {
	date := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for text, want := range map[string]time.Duration{"": 0, "0": 0, "12": 12 * time.Second, " 3 ": 3 * time.Second, "-5": 0, "soon": 0,
		"99999999999999999999": 0, "1.5": 0, "Mon, 02 Jan 2006 15:04:05 GMT": 0, date: time.Hour} {
		c, _ := answering(t, 429, "", "Retry-After", text)
		var answer *blockio.APIError
		require.ErrorAs(t, c.Call(t.Context(), nil, "get_balance", nil), &answer)
		require.InDelta(t, want.Seconds(), answer.RetryAfter.Seconds(), 3, text)
	}
}

func TestErrorsHintAtAllowedAddresses(t *testing.T) {
	s := newService(t, blockiotest.WithAllowedAddrs(netip.MustParsePrefix("10.0.0.0/8")))
	_, err := newClient(t, s.URL()).ListNotifications(t.Context(), 0)
	require.ErrorContains(t, err, "see that it allows this machine's")
	require.Len(t, s.Calls(), 1, "not repeated")

	other, _ := answering(t, 404, `{"status":"fail","data":{"error_message":"It failed."}}`)
	_, err = other.ListNotifications(t.Context(), 0)
	require.NotContains(t, err.Error(), "allows")
}

// A repeat is harmless for these four calls only.
func TestWhatIsRepeated(t *testing.T) {
	faults := map[string]func(*blockiotest.Faults){
		"419":                   func(f *blockiotest.Faults) { f.Throttle(2, 419, 0) },
		"420":                   func(f *blockiotest.Faults) { f.Throttle(2, 420, 0) },
		"429":                   func(f *blockiotest.Faults) { f.Throttle(2, 429, 0) },
		"502":                   func(f *blockiotest.Faults) { f.BreakCalls(2, "", 502, "<html>") },
		"503 without a body":    func(f *blockiotest.Faults) { f.BreakCalls(2, "", 503, "") },
		"cut before":            func(f *blockiotest.Faults) { f.CutCalls(2, "", false) },
		"cut after":             func(f *blockiotest.Faults) { f.CutCalls(2, "", true) },
		"cut within the answer": func(f *blockiotest.Faults) { f.HalveAnswers(2, "") },
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			c := newClient(t, s.URL())
			id := addNotification(t, s, "account", "http://h.example/").ID
			calls := map[string]func() error{
				"list_notifications":             func() error { _, err := c.ListNotifications(t.Context(), 0); return err },
				"get_recent_notification_events": func() error { _, err := c.RecentEvents(t.Context(), id); return err },
				"enable_notification":            func() error { _, err := c.EnableNotification(t.Context(), id); return err },
				"disable_notification":           func() error { _, err := c.DisableNotification(t.Context(), id); return err },
			}
			for method, call := range calls {
				fault(s.Faults())
				require.NoError(t, call(), method)
				require.Len(t, s.Calls(method), 3, method)
			}
			once := map[string]func() error{
				"create_notification": func() error {
					_, err := c.CreateNotification(t.Context(), blockio.CreateRequest{Type: "account", URL: "http://127.0.0.1:1/"})
					return err
				},
				"get_balance":         func() error { return c.Call(t.Context(), nil, "get_balance", nil) },
				"delete_notification": func() error { return c.DeleteNotification(t.Context(), id) },
			}
			for method, call := range once {
				fault(s.Faults())
				require.Error(t, call(), method)
				require.Len(t, s.Calls(method), 1, method)
				_ = c.Call(t.Context(), nil, "use_up_the_fault", nil)
			}
		})
	}
}

func TestTriesAreBounded(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	s.Faults().Throttle(10, 429, 0)
	_, err := c.ListNotifications(t.Context(), 0)
	var answer *blockio.APIError
	require.ErrorAs(t, err, &answer)
	require.True(t, answer.Throttled())
	require.Len(t, s.Calls(), 3)
	once := newClient(t, s.URL(), blockio.WithRetry(1, time.Second, time.Second))
	_, err = once.ListNotifications(t.Context(), 0)
	require.Error(t, err)
	require.Len(t, s.Calls(), 4)
}

// pausesOf runs a listing against answers with fake time and returns when each
// request came.
func pausesOf(t *testing.T, retryAfter string, opts ...blockio.ClientOption) (at []time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			at = append(at, time.Since(start))
			return answerOf(r, 429, "", "Retry-After", retryAfter), nil
		})}
		c, newErr := blockio.NewClient("key-of-test", append([]blockio.ClientOption{blockio.WithHTTPClient(h)}, opts...)...)
		require.NoError(t, newErr)
		_, err = c.ListNotifications(t.Context(), 0)
	})
	return at, err
}

func TestPausesGrowAndAreCapped(t *testing.T) {
	at, err := pausesOf(t, "", blockio.WithRetry(12, time.Second, 9*time.Second))
	require.Error(t, err)
	require.Len(t, at, 12)
	require.Zero(t, at[0])
	for i := 1; i < len(at); i++ {
		pause := at[i] - at[i-1]
		require.LessOrEqual(t, pause, 9*time.Second)
		require.GreaterOrEqual(t, pause, time.Second/2)
	}
	require.Greater(t, at[11]-at[7], 4*3*time.Second)
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	at, err := pausesOf(t, "40", blockio.WithRetry(3, time.Millisecond, time.Millisecond))
	require.Error(t, err)
	require.Equal(t, []time.Duration{0, 40 * time.Second, 80 * time.Second}, at)
	at, err = pausesOf(t, "61")
	require.ErrorContains(t, err, "again after 1m1s", "the caller is told of a long one")
	require.Len(t, at, 1)
}

func TestAPauseEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		h := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return answerOf(r, 429, "", "Retry-After", "40"), nil
		})}
		c, err := blockio.NewClient("key-of-test", blockio.WithHTTPClient(h))
		require.NoError(t, err)
		_, err = c.ListNotifications(ctx, 0)
		var answer *blockio.APIError
		require.ErrorAs(t, err, &answer, "what the service said")
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestCallsWithoutAnAnswer(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	s.Faults().CutCalls(1, "get_balance", false)
	err := c.Call(t.Context(), nil, "get_balance", nil)
	var failed *blockio.CallError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "get_balance", failed.Method)
	require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
	require.ErrorIs(t, err, bitcart.ErrMaybeSent)
	require.NotErrorIs(t, err, bitcart.ErrInvalidAnswer)
	require.ErrorContains(t, err, "may have reached")

	s.Faults().HalveAnswers(1, "get_balance")
	err = c.Call(t.Context(), nil, "get_balance", nil)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorIs(t, err, bitcart.ErrMaybeSent)

	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	refused := newClient(t, "http://"+gone.Addr().String())
	err = refused.Call(t.Context(), nil, "get_balance", nil)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
	require.NotErrorIs(t, err, bitcart.ErrMaybeSent, "a refused connection is certain")

	ctx, cancel := context.WithCancel(t.Context())
	stuck := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	err = newClient(t, stuck).Call(ctx, nil, "get_balance", nil)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, bitcart.ErrMaybeSent)
	err = newClient(t, stuck).Call(ctx, nil, "get_balance", nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAnAnswerThatIsTooLarge(t *testing.T) {
	calls := 0
	h := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		calls++
		resp := answerOf(r, 200, "")
		resp.Body = io.NopCloser(endless{})
		return resp, nil
	})}
	c, err := blockio.NewClient("key-of-test", blockio.WithHTTPClient(h))
	require.NoError(t, err)
	_, err = c.ListNotifications(t.Context(), 0)
	require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
	require.Equal(t, 1, calls, "it would be too large again")
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// The key is in the body: it must not go where a redirect points.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("followed") })
	for _, status := range []int{301, 302, 303, 307, 308} {
		from := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, status) })
		h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
		c := newClient(t, from, blockio.WithHTTPClient(h))
		var answer *blockio.APIError
		require.ErrorAs(t, c.Call(t.Context(), nil, "get_balance", nil), &answer)
		require.Equal(t, status, answer.HTTPStatus)
		require.NotNil(t, h.CheckRedirect)
	}
}

func TestNewClientOptions(t *testing.T) {
	for name, key := range map[string]string{"none": "", "with a line end": "hunter2\n", "with a space": "hunter 2", "control": "hunter2\x00"} {
		_, err := blockio.NewClient(key)
		require.ErrorContains(t, err, "blockio: ", name)
		require.NotContains(t, err.Error(), "hunter", name)
	}
	requireOptionError(t, "WithHTTPClient", blockio.WithHTTPClient(nil))
	requireOptionError(t, "option", nil)
	for _, base := range []string{"", "block.io/api/v2", "/api", "ws://h.example", "http://", "http://u:hunter2@h.example", "http://h.example?k=hunter2",
		"http://h.example#f", "http://%zz:hunter2"} {
		requireOptionError(t, "WithBaseURL", blockio.WithBaseURL(base))
	}
	requireOptionError(t, "WithRetry", blockio.WithRetry(0, 1, 1))
	requireOptionError(t, "WithRetry", blockio.WithRetry(1, 0, 1))
	requireOptionError(t, "WithRetry", blockio.WithRetry(1, 2, 1))

	var paths []string
	h := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		paths = append(paths, r.URL.String())
		return answerOf(r, 200, `{"status":"success"}`), nil
	})}
	for _, opts := range [][]blockio.ClientOption{
		{}, {blockio.WithBaseURL("https://pay.example/api/v2")}, {blockio.WithBaseURL("https://pay.example/x%20y/api/v2//")},
	} {
		c, err := blockio.NewClient("key-of-test", append(opts, blockio.WithHTTPClient(h))...)
		require.NoError(t, err)
		require.NoError(t, c.Call(t.Context(), nil, "get_balance", nil))
	}
	require.Equal(t, []string{"https://block.io/api/v2/get_balance", "https://pay.example/api/v2/get_balance",
		"https://pay.example/x%20y/api/v2/get_balance"}, paths, "white labels have a host of their own")
}

func requireOptionError(t *testing.T, name string, o blockio.ClientOption) {
	t.Helper()
	c, err := blockio.NewClient("key-of-test", o)
	require.Nil(t, c)
	var detail *blockio.OptionError
	require.ErrorAs(t, err, &detail)
	require.Equal(t, name, detail.Option)
	require.NotContains(t, err.Error(), "hunter2")
}

// A proxy answers 408 also when the time for the service's answer is over: the
// notification may exist.
func TestTimeoutOfAProxyMayHaveArrived(t *testing.T) {
	for status, maybe := range map[int]bool{408: true, 499: true, 400: false, 404: false, 429: false, 502: true} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		client, err := blockio.NewClient("some-api-key", blockio.WithBaseURL(server.URL))
		require.NoError(t, err)
		_, err = client.CreateNotification(t.Context(), blockio.CreateRequest{Type: blockio.TypeAccount, URL: "https://shop.example/hooks"})
		require.Error(t, err)
		require.Equal(t, maybe, errors.Is(err, bitcart.ErrMaybeSent), "status %d", status)
		server.Close()
	}
}

// A nil context is bad input, not a reason to panic, as everywhere else.
func TestClientWithANilContext(t *testing.T) {
	var none context.Context
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer server.Close()
	client, err := blockio.NewClient("some-api-key", blockio.WithBaseURL(server.URL), blockio.WithRetry(2, time.Microsecond, time.Microsecond))
	require.NoError(t, err)
	hook := blockio.CreateRequest{Type: blockio.TypeAccount, URL: "https://shop.example/hooks"}
	for name, call := range map[string]func() error{
		"Call":   func() error { return client.Call(none, nil, "get_balance", nil) },
		"List":   func() error { _, err := client.ListNotifications(none, 0); return err },
		"Create": func() error { _, err := client.CreateNotification(none, hook); return err },
		"Ensure": func() error { _, _, err := client.EnsureNotification(none, hook); return err },
		"Recent": func() error { _, err := client.RecentEvents(none, "id"); return err },
	} {
		require.NotPanics(t, func() { require.ErrorIs(t, call(), bitcart.ErrInvalidAnswer, name) }, name)
	}
}
