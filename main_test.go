package bitcart_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bitcart-go/bitcart"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// updateOf decodes one update from JSON, as a daemon's frame holds it.
func updateOf(t testing.TB, text string) bitcart.Update {
	t.Helper()
	var u bitcart.Update
	require.NoError(t, json.Unmarshal([]byte(text), &u))
	return u
}

// updatesOf decodes a JSON list of updates.
func updatesOf(t testing.TB, text string) []bitcart.Update {
	t.Helper()
	var list []bitcart.Update
	require.NoError(t, json.Unmarshal([]byte(text), &list))
	return list
}

// eventOf returns the event that a handler gets for an update.
func eventOf(t testing.TB, u bitcart.Update) *bitcart.Event {
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

// eventOfText is eventOf for an update in JSON.
func eventOfText(t testing.TB, text string) *bitcart.Event {
	t.Helper()
	return eventOf(t, updateOf(t, text))
}

// makeCoin is NewCoin without an error.
func makeCoin(t testing.TB, currency string, opts ...bitcart.Option) *bitcart.Coin {
	t.Helper()
	c, err := bitcart.NewCoin(currency, opts...)
	require.NoError(t, err)
	return c
}

// makeManager is NewAPIManager without an error.
func makeManager(t testing.TB, wallets map[string][]string, opts ...bitcart.Option) *bitcart.APIManager {
	t.Helper()
	m, err := bitcart.NewAPIManager(wallets, opts...)
	require.NoError(t, err)
	return m
}

// roundTripper answers requests without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering is an HTTP client whose every answer is body; what was asked for
// is appended to asked.
func answering(body string, asked *[]*http.Request) *http.Client {
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
		}
		if asked != nil {
			*asked = append(*asked, r)
		}
		return &http.Response{
			StatusCode: http.StatusOK,
			Header:     http.Header{"Content-Type": {"application/json"}},
			Body:       io.NopCloser(strings.NewReader(body)),
			Request:    r,
		}, nil
	})}
}

// noted is a handler that appends a text to a list.
func noted(list *[]string, text string) bitcart.Handler {
	return func(_ context.Context, ev *bitcart.Event) error {
		*list = append(*list, fmt.Sprintf("%s:%s", text, ev.Name))
		return nil
	}
}

// walk calls f for err and for everything that it wraps.
func walk(err error, f func(error)) {
	if err == nil {
		return
	}
	f(err)
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			walk(e, f)
		}
		return
	}
	walk(errors.Unwrap(err), f)
}

// handlerErrors returns the *HandlerErrors within err, in order.
func handlerErrors(err error) []*bitcart.HandlerError {
	var list []*bitcart.HandlerError
	walk(err, func(e error) {
		if h, ok := e.(*bitcart.HandlerError); ok {
			list = append(list, h)
		}
	})
	return list
}

// wrongOptions returns the names of the options that err complains about.
func wrongOptions(err error) []string {
	var list []string
	walk(err, func(e error) {
		if o, ok := e.(*bitcart.OptionError); ok {
			list = append(list, o.Option)
		}
	})
	return list
}
