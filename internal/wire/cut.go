//go:build !bitcart_stdjson

package wire

import "encoding/json"

// Cut cuts a websocket message. data is not kept, but where it holds more
// updates than are cut at once: see More.
func (c *Cutter) Cut(data []byte) (Frame, error) {
	s := scan(data)
	if f, ok := c.usualFrame(&s); ok {
		return f, nil
	}
	s.begin()
	if !s.open('{') {
		return Frame{}, ErrFrame
	}
	var wallet, currency span
	listed := false
	for first := true; ; first = false {
		name, p := s.member(first)
		if p == done {
			break
		}
		if p == invalid {
			return Frame{}, ErrFrame
		}
		ok := false
		switch string(name) {
		case "updates":
			// Of two lists the last one counts.
			listed, ok = c.list(&s)
		case "wallet":
			wallet, ok = s.located()
		case "currency":
			currency, ok = s.located()
		default:
			ok = s.value() != bad
		}
		if !ok {
			return Frame{}, ErrFrame
		}
	}
	if !listed || !s.ended() {
		return Frame{}, ErrFrame
	}
	f := Frame{Updates: c.updates}
	var ok [2]bool
	f.Wallet, ok[0] = optional(wallet, data)
	f.Currency, ok[1] = optional(currency, data)
	if !ok[0] || !ok[1] {
		return Frame{}, ErrFrame
	}
	return f, nil
}

// list reads the value of "updates" into c. What is more than is cut at once is
// validated only, and noted for More.
func (c *Cutter) list(s *scanner) (listed, ok bool) {
	if c.rest.data != nil {
		c.rest.data = nil // of two lists the last one counts
	}
	c.updates = c.room()
	if !s.isList() {
		return false, s.value() != bad
	}
	if !s.open('[') {
		return false, false
	}
	list, p := s.items(c.updates, true, atOnce)
	c.updates = list
	if p == more {
		c.rest = *s
		p = s.skip()
	}
	return true, p == done
}

// More cuts the next updates of the frame that Cut has just returned, and
// reports whether there are any. The frame's message must still be as it was.
func (c *Cutter) More(f *Frame) bool {
	if c.rest.data == nil {
		return false
	}
	list, p := c.rest.items(c.updates[:0], false, atOnce)
	if p != more {
		c.rest.data = nil
	}
	c.updates, f.Updates = list, list
	return len(list) > 0
}

// span is where in data a value stands, as a scanner has found it.
type span struct {
	from, to int
	kind     kind
}

// located steps over a value and tells where it is.
func (s *scanner) located() (v span, ok bool) {
	v.from = s.pos
	v.kind = s.value()
	v.to = s.pos
	return v, v.kind != bad
}

// optional decodes a string that may be null or absent, as a part of data if it
// stands there.
func optional(v span, data []byte) (text []byte, ok bool) {
	switch v.kind {
	case bad, null:
		return nil, true
	case plain:
		return data[v.from+1 : v.to-1], true
	case opaque:
		return []byte(decoded(data[v.from:v.to])), true
	}
	return nil, false
}

// CutList cuts a JSON array of updates, as get_updates answers it. A bad item
// is kept as garbage, but not very many of them: skipped is how many were left
// out. What is no array at all is an error. data is not kept.
func CutList(data []byte) (list []Update, skipped int, err error) {
	s := scan(data)
	s.space()
	if !s.isList() || !s.open('[') {
		return nil, 0, ErrFrame
	}
	list = []Update{}
	garbage := 0
	for first := true; ; first = false {
		var p progress
		n := len(list)
		if list, p = s.items(list, first, n+1); p == invalid {
			return nil, 0, ErrFrame
		}
		if p == done {
			break
		}
		if list[n].Event != "" {
			continue
		}
		if garbage++; garbage > mostGarbage {
			list, skipped = list[:n], skipped+1
		}
	}
	if !s.ended() {
		return nil, 0, ErrFrame
	}
	return list, skipped, nil
}

// isList: a list begins here.
func (s *scanner) isList() bool { return s.pos < len(s.data) && s.data[s.pos] == '[' }

// items cuts the items of a list that is open, until list holds as many as most.
func (s *scanner) items(list []Update, first bool, most int) (_ []Update, p progress) {
	for ; len(list) < most; first = false {
		if p := s.next(']', first); p != more {
			return list, p
		}
		start := s.pos
		list = append(list, Update{})
		u := &list[len(list)-1]
		var ok bool
		if u.Event, ok = s.event(&u.index); !ok {
			return list, invalid
		}
		u.Text = string(s.data[start:s.pos])
	}
	return list, more
}

// skip steps over the rest of a list.
func (s *scanner) skip() progress {
	for {
		if p := s.next(']', false); p != more {
			return p
		}
		if s.value() == bad {
			return invalid
		}
	}
}

// event steps over an update and returns its name, "" for what has none. It
// notes in x where the members of one of the usual form stand, as seen from where
// the update begins.
func (s *scanner) event(x *index) (name string, ok bool) {
	if s.pos == len(s.data) || s.data[s.pos] != '{' {
		return "", s.value() != bad
	}
	if name, ok := s.usualEvent(x); ok {
		return name, true
	}
	if !s.open('{') {
		return "", false
	}
	var event span
	for first := true; ; first = false {
		key, p := s.member(first)
		if p == done {
			break
		}
		if p == invalid {
			return "", false
		}
		v, ok := s.located()
		if !ok {
			return "", false
		}
		if string(key) == "event" { // of two the last one counts
			event = v
		}
	}
	return eventName(s.data[event.from:event.to]), true
}

// EventName returns the name in an update's "event" member, or "" for what is
// no object or has no such string.
func EventName(raw []byte) string {
	s := scan(raw)
	s.space()
	name, ok := s.event(new(index))
	if !ok || !s.ended() {
		return ""
	}
	return name
}

// Members is [Body.Find] in bytes that need not be valid, with the values by name: a
// name that is missing has no entry. ok is false for what is no object. Nothing
// is kept of the other members: what a stranger sends may have very many. The
// values are part of raw.
func Members(raw []byte, names ...string) (found map[string]json.RawMessage, ok bool) {
	s := scan(raw)
	s.space()
	if s.value() == bad || !s.ended() {
		return nil, false
	}
	values := make([]Value, len(names))
	body := BodyOf(string(raw))
	if !body.Find(names, values) {
		return nil, false
	}
	found = make(map[string]json.RawMessage, len(names))
	for i, v := range values {
		if v.to > v.from {
			found[names[i]] = raw[v.from:v.to:v.to]
		}
	}
	return found, true
}
