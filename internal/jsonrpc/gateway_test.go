package jsonrpc_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/jsonrpc"
)

// What stands before the daemon writes JSON-RPC errors as well. It has not read
// the id, and what the daemon did with the call it does not know.
func TestErrorOfAGatewayIsNoAnswer(t *testing.T) {
	for _, status := range []int{300, 301, 302, 408, 499, 500, 502, 503, 504} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			io.WriteString(w, `{"jsonrpc":"2.0","error":{"code":-32603,"message":"upstream timed out"},"id":null}`)
		})
		client := newClient(t, server.URL)
		_, err := client.Call(t.Context(), "m", nil)
		var failure *jsonrpc.TransportError
		require.ErrorAs(t, err, &failure, "status %d", status)
		require.True(t, failure.MaybeSent, "status %d", status)
		require.Equal(t, status, failure.StatusCode)
		require.ErrorIs(t, err, jsonrpc.ErrBadAnswer)
		var answered *jsonrpc.Error
		require.NotErrorAs(t, err, &answered, "it is not the daemon's error")
		require.True(t, client.LastAnswer().IsZero(), "no sign of the daemon's life")
	}
}

// What a proxy refuses never reached the daemon, whatever it writes.
func TestRefusalOfAGatewayWasNotSent(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 413, 429} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			io.WriteString(w, `{"jsonrpc":"2.0","error":{"code":-32600,"message":"Unauthorized"},"id":null}`)
		})
		_, err := newClient(t, server.URL).Call(t.Context(), "m", nil)
		require.Error(t, err)
		var failure *jsonrpc.TransportError
		require.False(t, errors.As(err, &failure) && failure.MaybeSent, "status %d", status)
	}
}

// A proxy answers 408 also when the time for the daemon's answer is over: the
// daemon may be at work.
func TestTimeoutOfAProxyMayHaveArrived(t *testing.T) {
	for _, status := range []int{http.StatusRequestTimeout, 499} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(status)
			io.WriteString(w, "stream timeout")
		})
		client := newClient(t, server.URL)
		_, err := client.Call(t.Context(), "m", nil)
		var failure *jsonrpc.TransportError
		require.ErrorAs(t, err, &failure)
		require.True(t, failure.MaybeSent, "status %d", status)
	}
}
