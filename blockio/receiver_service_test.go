package blockio_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

// incoming is the data of an address event.
func incoming(txid string) map[string]any {
	return map[string]any{
		"network": "BTC", "address": "3cBraN1Q", "balance_change": "0.01000000", "amount_sent": "0.00000000",
		"amount_received": "0.01000000", "txid": txid, "confirmations": 0, "is_green": false,
	}
}

// TestReceiverOfService is a service that signs, forges, repeats, hangs up and
// delivers out of order, and a shop whose handler fails at first. Every payment
// is handled once, by a delivery that was signed and confirmed.
func TestReceiverOfService(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	service := newService(t, blockiotest.WithSignature(hookSecret), blockiotest.WithEventIDs(), blockiotest.WithParallel(4))
	client := newClient(t, service.URL())

	var mu sync.Mutex
	tries, credited := map[string]int{}, map[string]int{}
	var sink bitcart.Dispatcher
	bitcart.On(&sink, func(ctx context.Context, _ *bitcart.Event, p blockio.AddressEvent) error {
		mu.Lock()
		defer mu.Unlock()
		d, ok := blockio.DeliveryFrom(ctx)
		if !ok || d.Proof != blockio.Confirmed {
			return errors.New("not proven")
		}
		if tries[p.TxID]++; tries[p.TxID] <= 2 {
			return errors.New("the books are busy")
		}
		credited[p.TxID]++
		return nil
	})
	rc := makeReceiver(t, &sink, blockio.WithVerifier(blockio.AllOf(
		blockio.BasicAuth("shop", "correct-horse-9"), blockio.HMAC(hookSecret), blockio.Confirm(client))))
	server := httptest.NewServer(rc)
	defer server.Close()
	url := strings.Replace(server.URL, "://", "://shop:correct-horse-9@", 1)
	_, created, err := client.EnsureNotification(ctx, blockio.CreateRequest{Type: blockio.TypeAddress, URL: url, Address: "3cBraN1Q"})
	require.NoError(t, err, "the ping was answered")
	require.True(t, created)

	service.Faults().DuplicateEvents(3)
	service.Faults().ForgeSignatures(4)
	service.Faults().CutDeliveries(3)
	service.Faults().HalveDeliveries(3)
	service.Faults().HoldDeliveries()
	want := map[string]int{}
	for _, txid := range []string{"t1", "t2", "t3", "t4", "t5", "t6"} {
		require.NoError(t, service.Emit("BTC", blockio.EventAddress, incoming(txid)))
		want[txid] = 1
	}
	service.Faults().ReleaseDeliveries(true)
	require.NoError(t, service.Wait(ctx))
	require.NoError(t, service.Advance(ctx, 7*24*time.Hour))

	require.Zero(t, service.Waiting(), "everything was taken in the end")
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, want, credited)
	statuses := map[int]bool{}
	for _, d := range service.Deliveries() {
		statuses[d.Status] = true
	}
	for _, status := range []int{200, 401, 503} {
		require.True(t, statuses[status], "no delivery was answered %d", status)
	}
}
