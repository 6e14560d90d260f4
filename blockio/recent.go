package blockio

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/bitcart-go/bitcart"
)

// RecentEvent is one of the last 10 events of a notification that the service
// has pushed or tried to push. The form of this answer is not published: a
// field is zero if its member is absent or of another form, and Raw holds
// everything.
type RecentEvent struct {
	EventID        string
	NotificationID string
	Attempt        int
	Type           string
	Data           json.RawMessage // the event's data, nil when there is no such object
	CreatedAt      time.Time
	Raw            json.RawMessage // as received
}

// Update returns the event as an update for ProcessUpdates, to make up for a
// missed delivery: its Source is SourceRecovered. It is an error if the service
// has not said what the event was.
func (e RecentEvent) Update() (bitcart.Update, error) {
	u, err := updateOf(e.Type, e.Data, bitcart.SourceRecovered)
	if err != nil {
		return bitcart.Update{}, fmt.Errorf("blockio: recent event: %w", err)
	}
	return u, nil
}

// String returns id, type and attempt.
func (e RecentEvent) String() string {
	text := fmt.Sprintf("event %s of %s %s attempt %d", e.EventID, e.NotificationID, e.Type, e.Attempt)
	return strings.Join(strings.Fields(text), " ")
}

// GoString is String.
func (e RecentEvent) GoString() string { return "blockio.RecentEvent(" + e.String() + ")" }

// Format prints String for every verb: Raw may hold the notification's URL.
func (e RecentEvent) Format(f fmt.State, _ rune) { writeSafe(f, e.String()) }

// LogValue is String as a slog value.
func (e RecentEvent) LogValue() slog.Value { return slogText(e.String()) }

// MarshalJSON encodes String. Raw is the service's JSON.
func (e RecentEvent) MarshalJSON() ([]byte, error) { return marshalText(e.String()) }

// UnmarshalJSON takes any JSON value.
func (e *RecentEvent) UnmarshalJSON(data []byte) error {
	*e = RecentEvent{Raw: bytes.Clone(data)}
	members, err := objectMembers(data)
	if err != nil {
		return nil // kept raw
	}
	// A member of another form is left to Raw, hence no errors.
	_ = readText(members["event_id"], &e.EventID)
	_ = readText(members["notification_id"], &e.NotificationID)
	_ = readInt(members["delivery_attempt"], &e.Attempt)
	_ = readText(members["type"], &e.Type)
	_ = readTime(members["created_at"], &e.CreatedAt)
	if isObject(members["data"]) {
		e.Data = members["data"]
	}
	return nil
}

// RecentEvents returns the last 10 events that the service has pushed, or tried
// to push, to a notification's URL, in the service's order. It may be repeated
// after a failure, see [WithRetry]; ctx bounds all tries.
func (c *Client) RecentEvents(ctx context.Context, id string) ([]RecentEvent, error) {
	const method = "get_recent_notification_events"
	if id == "" {
		return nil, errIDRequired
	}
	params := map[string]any{"notification_id": id}
	data, err := c.repeatable(ctx, method, params)
	if err != nil {
		return nil, err
	}
	list, err := decodeList[RecentEvent](data, "events")
	if err != nil {
		return nil, c.secretsOf(params).noAnswer(method, true, err)
	}
	for i := range list {
		list[i].NotificationID = cmp.Or(list[i].NotificationID, id)
	}
	return list, nil
}
