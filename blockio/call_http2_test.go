package blockio_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/internal/http2test"
)

// net/http sends a POST again when its HTTP/2 stream is reset for an error of the protocol, without
// end: a gateway does that with an answer that it cannot pass on, and the call has been made.
func TestCallIsSentOnceOverHTTP2(t *testing.T) {
	server := http2test.Serve(t, true, 0, http2test.ErrorOfProtocol)
	transport := new(http.Transport)
	server.Tune(transport)
	t.Cleanup(transport.CloseIdleConnections)
	client, err := blockio.NewClient("key-of-test",
		blockio.WithBaseURL(server.URL), blockio.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = client.CreateNotification(ctx, blockio.CreateRequest{Type: blockio.TypeAccount, URL: "https://shop.example/hooks"})
	var failure *blockio.CallError
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.MaybeSent)
	require.NotErrorIs(t, err, context.DeadlineExceeded, "it does not go on")
	require.EqualValues(t, 1, server.Requests())
}
