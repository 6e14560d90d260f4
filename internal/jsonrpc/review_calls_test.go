package jsonrpc_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/jsonrpc"
)

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
