//go:build bitcart_stdjson

// What the package does, by encoding/json alone: for measuring what its scanner
// is worth. The rules of names do not hold here.

package wire

import (
	"bytes"
	"encoding/json"
)

// Cut cuts a websocket message.
func (c *Cutter) Cut(data []byte) (Frame, error) {
	var f struct {
		Updates          []json.RawMessage `json:"updates"`
		Wallet, Currency string
	}
	if err := json.Unmarshal(data, &f); err != nil || f.Updates == nil {
		return Frame{}, ErrFrame
	}
	c.updates = updates(c.room(), f.Updates)
	return Frame{Updates: c.updates, Wallet: []byte(f.Wallet), Currency: []byte(f.Currency)}, nil
}

// CutList cuts a JSON array of updates.
func CutList(data []byte) ([]Update, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil || items == nil {
		return nil, ErrFrame
	}
	return updates([]Update{}, items), nil
}

func updates(list []Update, items []json.RawMessage) []Update {
	for _, item := range items {
		var body struct{ Event string }
		_ = json.Unmarshal(item, &body) // "" for what has none
		list = append(list, Update{Event: body.Event, Raw: item})
	}
	return list
}

// Find finds the named members of a JSON object.
func Find(raw []byte, names []string, values []Value) bool {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return false
	}
	for i, name := range names {
		if value, ok := members[name]; ok {
			// The value is a part of a copy: look where it is in the text.
			values[i] = ValueOf(value)
			values[i].from = bytes.LastIndex(raw, value)
			values[i].to = values[i].from + len(value)
		}
	}
	return true
}
