package blockio

import (
	"context"
	"encoding/json"
	"time"
)

// Delivery is one web hook delivery: what the service says about an event
// besides its data. It is read-only and safe to keep.
type Delivery struct {
	EventID        string // "" where the service sent none
	NotificationID string
	Attempt        int             // the service's count of its tries, from 1; 0 where it sent none that can be read
	Type           string          // "address" or "new-blocks"
	Proof          Proof           // what the Verifier found out about the sender
	CreatedAt      time.Time       // when the service made the event; zero where it sent none that can be read
	Raw            json.RawMessage // the whole body as received; do not change it
}

type deliveryKey struct{}

// DeliveryFrom returns the delivery that a handler was called for. It is false
// for an event that did not come through a Receiver, for example from a socket.
func DeliveryFrom(ctx context.Context) (Delivery, bool) {
	d, ok := orBackground(ctx).Value(deliveryKey{}).(*Delivery)
	if !ok {
		return Delivery{}, false
	}
	return *d, true
}

func withDelivery(ctx context.Context, d *Delivery) context.Context {
	return context.WithValue(ctx, deliveryKey{}, d)
}
