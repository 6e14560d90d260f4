package blockio

import (
	"context"
	"fmt"
	"time"

	"github.com/bitcart-go/bitcart"
)

// Gap says that events of some subscriptions may be missing. The service
// replays nothing. Events that it sent shortly before From can be lost with the
// connection as well, so look back a little further.
type Gap struct {
	// From is when the last message before the gap came, or when the first event
	// was dropped. It is the earlier of both if a Run ended before its queues
	// had run empty.
	From time.Time
	// To is when the last subscription was accepted again, or when events were
	// no longer dropped.
	To            time.Time
	Subscriptions []Subscription // do not change
	Reason        GapReason
}

// GapReason says why events may be missing.
type GapReason uint8

// Reasons of a gap.
const (
	GapReconnect GapReason = iota // the connection was lost
	GapOverflow                   // more events waited than the stream's Bounds allow
)

var gapReasons = [...]string{"reconnect", "overflow"}

// String returns the reason in a word, such as "reconnect".
func (r GapReason) String() string {
	if int(r) < len(gapReasons) {
		return gapReasons[r]
	}
	return fmt.Sprintf("GapReason(%d)", uint8(r))
}

// WithOnGap sets a function that is called when events may be missing: once per
// reconnect, when the last subscription was accepted again, and once a queue
// that had overflowed is empty. Another Run of the same Stream begins with such
// a reconnect.
//
// f runs on a goroutine of the stream, one call at a time with the other
// functions of this kind. It may block and make calls, and delivery does not
// wait for it, but it must not wait for its own stream to return. Its ctx
// carries the values of Run's ctx but not its cancellation; it is cancelled
// when Bounds.Drain is over.
func WithOnGap(f func(ctx context.Context, gap Gap)) StreamOption {
	return streamOption{"WithOnGap", func(c *streamConfig) error {
		c.onGap = f
		return nil
	}}
}

// WithBackfill sets a function that fetches the events that a gap has cost, by
// REST for example: updates of EventAddress and EventNewBlocks, made by
// bitcart.NewUpdate with an AddressEvent or a NewBlocksEvent. f is called for
// each gap, one at a time, after the function of WithOnGap has returned, and
// runs like it.
//
// The updates go through the same sink unchanged, so set their origin with
// Update.From: network, address and bitcart.SourceRecovered. Each is queued
// behind what waits for its own subscription; live events are not held back for
// it, and Bounds do not apply to it. An error is logged, and updates that came
// with it are still delivered; after a bitcart.Retry as the error, f is called
// again.
func WithBackfill(f func(ctx context.Context, gap Gap) ([]bitcart.Update, error)) StreamOption {
	return streamOption{"WithBackfill", func(c *streamConfig) error {
		c.backfill = f
		return nil
	}}
}

// merge is one gap that tells what two tell.
func (g Gap) merge(other Gap) Gap {
	if other.From.Before(g.From) {
		g.From = other.From
	}
	if other.To.After(g.To) {
		g.To = other.To
	}
	seen := map[Subscription]bool{}
	var all []Subscription
	for _, list := range [][]Subscription{g.Subscriptions, other.Subscriptions} {
		for _, sub := range list {
			if !seen[sub] {
				seen[sub] = true
				all = append(all, sub)
			}
		}
	}
	g.Subscriptions = all
	return g
}
