//go:build bitcart_stdjson

// What the package does, by encoding/json alone: for measuring what its scanner
// is worth. The rules of names do not hold here.

package wire

import "encoding/json"

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

// More has nothing to cut: Cut has cut everything.
func (c *Cutter) More(*Frame) bool { return false }

// scanner is what the other Cut has left.
type scanner struct{ data []byte }

// CutList cuts a JSON array of updates.
func CutList(data []byte) (list []Update, skipped int, err error) {
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil || items == nil {
		return nil, 0, ErrFrame
	}
	return updates([]Update{}, items), 0, nil
}

func updates(list []Update, items []json.RawMessage) []Update {
	for _, item := range items {
		list = append(list, Update{Event: EventName(item), Body: BodyOf(string(item))})
	}
	return list
}

// EventName returns the name in an update's "event" member.
func EventName(raw []byte) string {
	var body struct{ Event string }
	_ = json.Unmarshal(raw, &body) // "" for what has none
	return body.Event
}

// Members finds the named members of a JSON object.
func Members(raw []byte, names ...string) (found map[string]json.RawMessage, ok bool) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, false
	}
	found = make(map[string]json.RawMessage, len(names))
	for _, name := range names {
		if value, ok := members[name]; ok {
			found[name] = value
		}
	}
	return found, true
}
