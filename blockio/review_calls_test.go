package blockio_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
)

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
