package jsonrpc_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/http2test"
	"github.com/bitcart-go/bitcart/internal/jsonrpc"
)

// net/http sends a POST again when the peer has reset its HTTP/2 stream for an error of protocol. A
// gateway does that when it cannot pass the daemon's answer on: the call has run.
func TestCallIsSentOnceOverHTTP2(t *testing.T) {
	for name, tt := range map[string]struct {
		secure    bool
		redirects int64
		code      uint32
	}{
		"error of protocol":                   {true, 0, http2test.ErrorOfProtocol},
		"error of protocol, without TLS":      {false, 0, http2test.ErrorOfProtocol},
		"error of protocol behind a redirect": {true, 1, http2test.ErrorOfProtocol},
		"refused":                             {true, 0, http2test.RefusedStream},
	} {
		t.Run(name, func(t *testing.T) {
			server := http2test.Serve(t, tt.secure, tt.redirects, tt.code)
			tune := func(_ *jsonrpc.Config, tr *http.Transport) {
				server.Tune(tr)
				t.Cleanup(tr.CloseIdleConnections)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // net/http would go on for a minute
			defer cancel()
			failure := transportError(t, ctx, newClient(t, server.URL, tune, func(c *jsonrpc.Config, _ *http.Transport) {
				c.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
			}))
			require.Equal(t, tt.redirects+1, server.Requests())
			require.True(t, failure.MaybeSent)
			require.NotErrorIs(t, failure, context.DeadlineExceeded, "it does not go on")
		})
	}
}

// A redirect that the caller's client follows takes the body along, over HTTP/2 too.
func TestRedirectOverHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
		} else if r.URL.Path == "/" {
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
		} else {
			_, _ = io.WriteString(w, answer(`"there"`, readCall(r.Body).ID))
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	client := newClient(t, server.URL, func(c *jsonrpc.Config, tr *http.Transport) {
		c.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
		tr.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
		tr.ForceAttemptHTTP2 = true
	})
	result, err := client.Call(t.Context(), "m", nil)
	require.NoError(t, err)
	require.Equal(t, `"there"`, string(result))
}
