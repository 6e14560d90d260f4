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
	var updates, wallet, currency []byte
	ok := whole(data, func(s *scanner) bool {
		return s.members(func(key, value []byte) {
			switch {
			case named(key, "updates"):
				updates = value
			case named(key, "wallet"):
				wallet = value
			case named(key, "currency"):
				currency = value
			}
		})
	})
	if !ok {
		return Frame{}, ErrFrame
	}
	var f Frame
	if f.Wallet, ok = optional(wallet); !ok {
		return Frame{}, ErrFrame
	}
	if f.Currency, ok = optional(currency); !ok {
		return Frame{}, ErrFrame
	}
	var err error
	f.Updates, err = CutList(updates)
	return f, err
}

// optional decodes a string that may be null or absent.
func optional(raw []byte) (string, bool) {
	if raw == nil || string(raw) == "null" {
		return "", true
	}
	return text(raw)
}

// CutList cuts a JSON array of updates, as get_updates answers it. A bad item
// is kept as garbage; what is no array at all is an error. data is not kept.
func CutList(data []byte) ([]Update, error) {
	updates := []Update{}
	ok := whole(data, func(s *scanner) bool {
		return s.items(func(item []byte) {
			updates = append(updates, Update{Event: EventName(item), Raw: bytes.Clone(item)})
		})
	})
	if !ok {
		return nil, ErrFrame
	}
	return updates, nil
}

// EventName returns the name in an update's "event" member, or "" for what is
// no object or has no such string.
func EventName(raw []byte) string {
	var event []byte
	ok := whole(raw, func(s *scanner) bool {
		return s.members(func(key, value []byte) {
			if named(key, "event") {
				event = value
			}
		})
	})
	if !ok {
		return ""
	}
	name, _ := text(event)
	return name
}

// Members finds the named members of a JSON object, without keeping the others:
// what a stranger sends may have very many. A name that is missing has no
// entry, and of a name that stands twice the last one counts. ok is false for
// what is no object. The values are part of raw.
func Members(raw []byte, names ...string) (found map[string]json.RawMessage, ok bool) {
	found = make(map[string]json.RawMessage, len(names))
	ok = whole(raw, func(s *scanner) bool {
		return s.members(func(key, value []byte) {
			for _, name := range names {
				if named(key, name) {
					found[name] = value
				}
			}
		})
	})
	if !ok {
		return nil, false
	}
	return found, true
}

// IsObject reports whether raw, a valid JSON value, is an object.
func IsObject(raw []byte) bool {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	return len(raw) > 0 && raw[0] == '{'
}
