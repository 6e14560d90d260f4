// Package wire cuts what a daemon sends into single updates. It knows the
// envelope and the name of an event, nothing of its body.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Update is one update as it was received. Raw is a private copy.
type Update struct {
	Event string // "" = garbage: no object, or no event name
	Raw   json.RawMessage
}

// Frame is one websocket message: updates that belong to one wallet, or to
// the whole chain when Wallet is "".
type Frame struct {
	Updates  []Update
	Wallet   string
	Currency string
}

// ErrFrame says that a message is no frame of a daemon.
var ErrFrame = errors.New("wire: not a frame with a list of updates")

// Cut cuts a websocket message. data is not kept.
func Cut(data []byte) (Frame, error) {
	var env struct {
		Updates  json.RawMessage `json:"updates"`
		Wallet   *string         `json:"wallet"`
		Currency string          `json:"currency"`
	}
	if err := json.Unmarshal(data, &env); err != nil {
		return Frame{}, ErrFrame // err may quote the wallet
	}
	updates, err := CutList(env.Updates)
	if err != nil {
		return Frame{}, err
	}
	f := Frame{Updates: updates, Currency: env.Currency}
	if env.Wallet != nil {
		f.Wallet = *env.Wallet
	}
	return f, nil
}

// CutList cuts a JSON array of updates, as get_updates answers it. A bad item
// is kept as garbage; what is no array at all is an error. data is not kept.
func CutList(data []byte) ([]Update, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil || items == nil {
		return nil, ErrFrame
	}
	updates := make([]Update, len(items))
	for i, raw := range items {
		updates[i] = Update{Event: EventName(raw), Raw: raw}
	}
	return updates, nil
}

// EventName returns the name in an update's "event" member, or "" for what is
// no object or has no such string.
func EventName(raw []byte) string {
	if !IsObject(raw) {
		return ""
	}
	var head struct {
		Event json.RawMessage `json:"event"`
	}
	var name string
	if json.Unmarshal(raw, &head) != nil || json.Unmarshal(head.Event, &name) != nil {
		return ""
	}
	return name
}

// IsObject reports whether raw, a valid JSON value, is an object.
func IsObject(raw []byte) bool {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	return len(raw) > 0 && raw[0] == '{'
}
