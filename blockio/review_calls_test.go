package blockio_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
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

// The service refuses on a reconnect what it had accepted. What it sent before
// was received, and nobody takes it back.
func TestRefusedOnReconnectKeepsWhatWasReceived(t *testing.T) {
	l := newListening(t)
	inside, leave := make(chan string, 10), make(chan error)
	l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
		inside <- txidOf(t, ev)
		return <-leave
	})
	l.start()
	l.subscribe(btc("3a"))
	for _, txid := range []string{"tx1", "tx2", "tx3"} {
		l.pay("3a", txid)
	}
	require.Equal(t, "tx1", get(t, inside))
	require.Eventually(t, func() bool { return l.Stats().Queued == 2 }, streamSoon, time.Millisecond)
	l.svc.Faults().RefuseSubscriptions(func(blockiotest.SocketRequest) string { return "too many requests" })
	l.svc.Faults().CutSockets(blockiotest.RST)
	require.Equal(t, btc("3a"), get(t, l.refused).Subscription)
	leave <- bitcart.Retry(errors.New("not now"), time.Millisecond)
	require.Equal(t, "tx1", get(t, inside), "the payment is not credited yet")
	leave <- nil
	require.Equal(t, "tx2", get(t, inside))

	l.svc.Faults().RefuseSubscriptions(nil)
	l.subscribe(btc("3a"))
	l.pay("3a", "tx4")
	require.Eventually(t, func() bool { return l.Stats().Queued == 2 }, streamSoon, time.Millisecond)
	require.Empty(t, inside, "one after another, also of a new subscription")
	for _, next := range []string{"tx3", "tx4"} {
		leave <- nil
		require.Equal(t, next, get(t, inside))
	}
	leave <- nil
	require.NoError(t, l.stop())
	require.Zero(t, l.Stats().Dropped)
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
