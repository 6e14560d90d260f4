package blockio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"time"
)

// confirmTimeout bounds the calls for one delivery, repeats included.
const confirmTimeout = 30 * time.Second

var (
	errNoConfirmClient = errors.New("no client to confirm with")
	errNoFact          = errors.New("the data names no fact that could be confirmed")
	errNotConfirmed    = errors.New("the service's recent events do not hold this one")
)

// Confirm returns a Verifier that asks the service itself. It accepts a
// delivery, as Confirmed, if its data is in one of the last 10 events that the
// service says it has sent to that notification (see [Client.RecentEvents]),
// under the same event id if both have one.
//
// This is the strongest proof, and the most expensive: one call for each
// delivery, including repeats and forgeries. Put it behind cheaper checks in
// AllOf and use WithKnownNotifications. If a notification has more than 10
// events at a time, some can no longer be confirmed. The form of the service's
// answer about recent events is not published: if it leaves out their data,
// nothing is confirmed. What is proven is the data, not that it is new: credit
// by transaction.
//
// The client must belong to the account of the notification.
func Confirm(c *Client) Verifier {
	return VerifierFunc(func(ctx context.Context, _ *http.Request, body []byte) (Proof, error) {
		if c == nil {
			return Unverified, errNoConfirmClient
		}
		e, err := parseEnvelope(body)
		if err != nil {
			return Unverified, err
		}
		ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
		defer cancel()
		if err := confirm(ctx, c, e); err != nil {
			return Unverified, err
		}
		return Confirmed, nil
	})
}

func confirm(ctx context.Context, c *Client, e envelope) error {
	// Without this a part of another event, or an empty object, would do.
	if subjectOf(e.Type, e.Data) == "" {
		return errNoFact
	}
	recent, err := c.RecentEvents(ctx, e.NotificationID)
	if err != nil {
		return fmt.Errorf("not confirmed: %w", err)
	}
	// Data that is longer than what was told of an event is not in it. It is not
	// decoded then: a stranger's data could take many times its bytes.
	data := canonical(e.Data)
	recent = slices.DeleteFunc(recent, func(r RecentEvent) bool { return !mayBe(r, e) || len(r.Raw) < len(data) })
	if len(recent) == 0 {
		return errNotConfirmed
	}
	fact, err := decodeAny(data)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(recent, func(r RecentEvent) bool { return holds(r, fact) }) {
		return errNotConfirmed
	}
	return nil
}

// mayBe compares what both say about the event.
func mayBe(r RecentEvent, e envelope) bool {
	same := func(a, b string) bool { return a == "" || b == "" || a == b }
	return same(r.Type, e.Type) && same(r.EventID, e.EventID) && r.NotificationID == e.NotificationID
}

// holds looks at the event's data and, since the form is not published, at
// everything else that is told of it.
func holds(r RecentEvent, fact any) bool {
	told, err := decodeAny(r.Raw)
	return err == nil && within(told, fact)
}

// within also looks into strings that hold an object: a log of requests may
// keep their bodies as text.
func within(told, fact any) bool {
	if reflect.DeepEqual(told, fact) {
		return true
	}
	switch v := told.(type) {
	case map[string]any:
		for _, member := range v {
			if within(member, fact) {
				return true
			}
		}
	case []any:
		for _, item := range v {
			if within(item, fact) {
				return true
			}
		}
	case string:
		if isObject(json.RawMessage(v)) {
			inner, err := decodeAny(json.RawMessage(v))
			return err == nil && within(inner, fact)
		}
	}
	return false
}

// decodeAny keeps the digits of numbers.
func decodeAny(raw json.RawMessage) (value any, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	err = dec.Decode(&value)
	return value, err
}
