package blockio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func clientOf(t *testing.T, f transport) *Client {
	t.Helper()
	c, err := NewClient("key-of-test", WithHTTPClient(&http.Client{Transport: f}), WithRetry(1, 1, 1))
	require.NoError(t, err)
	return c
}

func clientHearing(t *testing.T, data string) *Client {
	return clientOf(t, func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"status":"success","data":` + data + `}`))}, nil
	})
}

// Whether a request may have arrived is what the connection says, whatever the
// error looks like.
func TestMaybeSentByHowFarItCame(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for _, test := range []struct {
		connected, written bool
		err                error
		maybe              bool
	}{
		{true, false, io.EOF, false}, {true, true, dial, true}, {false, false, dial, false}, {false, false, io.EOF, true},
	} {
		c := clientOf(t, func(r *http.Request) (*http.Response, error) {
			trace := httptrace.ContextClientTrace(r.Context())
			if test.connected {
				trace.GotConn(httptrace.GotConnInfo{})
			}
			if test.written {
				trace.WroteHeaders()
			}
			return nil, test.err
		})
		err := c.Call(t.Context(), nil, "get_balance", nil)
		require.Equal(t, test.maybe, errors.Is(err, bitcart.ErrMaybeSent), "%+v", test)
		require.ErrorContains(t, err, "blockio: get_balance: ")
		require.ErrorContains(t, err, test.err.Error())
	}
}

// An end of ctx while the notification is created is an error.
func TestEnsureEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := clientOf(t, func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "create_notification") {
			cancel()
			return nil, context.Canceled
		}
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"status":"success","data":[]}`))}, nil
	})
	_, created, err := c.EnsureNotification(ctx, CreateRequest{Type: TypeAccount, URL: "https://shop.example/"})
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, created)
}

func TestAnswersOfOtherForms(t *testing.T) {
	_, err := clientHearing(t, `5`).RecentEvents(t.Context(), "n1")
	require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
	list, err := clientHearing(t, `{"network":"BTC","events":[{},{"type":"x"}]}`).RecentEvents(t.Context(), "n1")
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.JSONEq(t, `{"network":"BTC"}`, string(list[0].Raw))
	require.Error(t, clientHearing(t, `{}`).Call(t.Context(), (*json.RawMessage)(nil), "get_balance", nil))
}

// Only what stands in front of the service is asked again: an answer of the
// service's own, with whatever status, would be the same.
func TestWhatIsAskedAgain(t *testing.T) {
	for _, test := range []struct {
		err          APIError
		again, maybe bool
		text         string
	}{
		{APIError{foreign: true, HTTPStatus: 500}, true, true, "not an answer of the service"},
		{APIError{foreign: true, HTTPStatus: 499}, false, true, "not an answer of the service"},
		{APIError{foreign: true, HTTPStatus: 300}, false, false, "not an answer of the service"},
		{APIError{foreign: true, HTTPStatus: 200}, false, true, "not an answer of the service"},
		{APIError{HTTPStatus: 500}, false, false, "failed without a reason"},
		{APIError{HTTPStatus: 429}, true, false, "called too often"},
		{APIError{HTTPStatus: 404, Message: "of another's making"}, false, false, "(text withheld)"},
	} {
		require.Equal(t, test.again, test.err.passing(), test.err)
		require.Equal(t, test.maybe, test.err.Is(bitcart.ErrMaybeSent), test.err)
		require.ErrorContains(t, &test.err, test.text)
	}
	require.EqualError(t, &CallError{Method: "m"}, "blockio: m: failed")
	c := clientConfig{minPause: time.Hour, maxPause: 10 * time.Hour}
	require.GreaterOrEqual(t, c.pauses().NextBackOff(), 30*time.Minute)
}

// Every verb prints the text that shows no secret, and not nothing.
func TestVerbsPrintTheSafeText(t *testing.T) {
	c := clientHearing(t, `{}`)
	for _, v := range []interface {
		fmt.Formatter
		GoString() string
	}{*c, APIError{Method: "m"}, CallError{Method: "m"}, CreateRequest{Type: "x"}, Notification{ID: "n"}, RecentEvent{EventID: "e"}} {
		text := fmt.Sprintf("%v", v)
		require.NotEmpty(t, text, "%T", v)
		require.Contains(t, v.GoString(), text)
	}
	require.Equal(t, "blockio.Receiver", fmt.Sprint(Receiver{}))
	require.ErrorIs(t, &OptionError{"x", errNil}, errNil)
}
