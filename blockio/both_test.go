package blockio_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

// One fact by two notifications and a web socket, the first of which fails:
// the handler has succeeded once when everything is delivered.
func TestHooksAndSocketTogether(t *testing.T) {
	s := newService(t, blockiotest.WithAccount(blockiotest.DefaultKey, "BTC", "A"), blockiotest.WithEventIDs())
	var mu sync.Mutex
	var failures, successes int
	sources := map[bitcart.Source]int{}
	guarded := blockio.OncePerSubject(func(_ context.Context, ev *bitcart.Event) error {
		mu.Lock()
		defer mu.Unlock()
		if failures == 0 {
			failures++
			return bitcart.Retry(errors.New("the database is down"), time.Millisecond)
		}
		successes++
		return nil
	}, blockio.NewMemorySeen(100))
	var shop bitcart.Dispatcher
	shop.On(blockio.EventAddress, func(ctx context.Context, ev *bitcart.Event) error {
		mu.Lock()
		sources[ev.Source]++
		mu.Unlock()
		return guarded(ctx, ev)
	})
	receiver, err := blockio.NewReceiver(&shop)
	require.NoError(t, err)
	web := httptest.NewServer(receiver)
	t.Cleanup(web.Close)

	c := newClient(t, s.URL())
	for _, r := range []blockio.CreateRequest{
		{Type: blockio.TypeAccount, URL: web.URL + "/account"}, {Type: blockio.TypeAddress, Address: "A", URL: web.URL + "/address"},
	} {
		_, created, err := c.EnsureNotification(t.Context(), r)
		require.NoError(t, err)
		require.True(t, created)
	}
	stream, err := blockio.NewStream(&shop, blockio.WithEndpoint(s.SocketURL()))
	require.NoError(t, err)
	require.NoError(t, stream.Subscribe(t.Context(), blockio.Subscription{Network: "BTC", Type: blockio.TypeAddress, Address: "A"}))
	ctx, cancel := context.WithCancel(t.Context())
	var streamErr error
	var running sync.WaitGroup
	running.Go(func() { streamErr = stream.Run(ctx) })
	require.NoError(t, s.WaitSubscribed(t.Context(), blockiotest.SocketRequest{Network: "BTC", Type: "address", Address: "A"}))

	require.NoError(t, s.Emit("BTC", "address", blockio.AddressEvent{Network: "BTC", Address: "A", TxID: "t", BalanceChange: amount("1.50000000")}))
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return sources[bitcart.SourceStream] > 0
	}, 5*time.Second, time.Millisecond)
	require.NoError(t, s.Advance(t.Context(), 30*24*time.Hour))
	cancel()
	running.Wait()
	require.NoError(t, streamErr)

	require.Zero(t, s.Waiting(), "everything was answered 200")
	require.GreaterOrEqual(t, sources[bitcart.SourceWebhook], 2)
	require.Equal(t, 1, failures)
	require.Equal(t, 1, successes)
	for _, d := range s.Deliveries() {
		require.Contains(t, []int{200, 503}, d.Status)
	}
}
