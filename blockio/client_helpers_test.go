package blockio_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

// newService starts a service that ends with the test.
func newService(t testing.TB, opts ...blockiotest.Option) *blockiotest.Service {
	t.Helper()
	s, err := blockiotest.New(opts...)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// newClient makes a client of a base URL that repeats at once and leaves no
// connection behind.
func newClient(t testing.TB, base string, opts ...blockio.ClientOption) *blockio.Client {
	t.Helper()
	h := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	t.Cleanup(h.CloseIdleConnections)
	opts = append([]blockio.ClientOption{
		blockio.WithBaseURL(base), blockio.WithHTTPClient(h), blockio.WithRetry(3, time.Millisecond, 2*time.Millisecond),
	}, opts...)
	c, err := blockio.NewClient(blockiotest.DefaultKey, opts...)
	require.NoError(t, err)
	return c
}

// hookServer is a web hook that answers every post with a status.
func hookServer(t testing.TB, status int) (url string) {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
	})
}

func serve(t testing.TB, h http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// roundTripper answers requests without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answerOf is an HTTP answer.
func answerOf(r *http.Request, status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}
}

// answering is a client whose every call gets one answer; calls counts them.
func answering(t testing.TB, status int, body string, header ...string) (c *blockio.Client, calls *int) {
	t.Helper()
	calls = new(int)
	h := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		*calls++
		return answerOf(r, status, body, header...), nil
	})}
	c, err := blockio.NewClient(blockiotest.DefaultKey, blockio.WithHTTPClient(h), blockio.WithRetry(3, time.Millisecond, 2*time.Millisecond))
	require.NoError(t, err)
	return c, calls
}
