//go:build !bitcart_stdjson

package wire

import "bytes"

// Cut cuts a websocket message. data is not kept.
func (c *Cutter) Cut(data []byte) (Frame, error) {
	s := scanner{data: data}
	if !s.open('{') {
		return Frame{}, ErrFrame
	}
	var wallet, currency Value
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
			c.updates, listed, ok = s.updates(c.room())
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

// located steps over a value and tells where it is.
func (s *scanner) located() (v Value, ok bool) {
	v.from = s.pos
	v.kind = s.value()
	v.to = s.pos
	return v, v.kind != bad
}

// optional decodes a string that may be null or absent.
func optional(v Value, data []byte) (text []byte, ok bool) {
	if v.Absent() {
		return nil, true
	}
	return v.Text(data)
}

// CutList cuts a JSON array of updates, as get_updates answers it. A bad item
// is kept as garbage; what is no array at all is an error. data is not kept.
func CutList(data []byte) ([]Update, error) {
	s := scanner{data: data}
	s.space()
	list, listed, ok := s.updates([]Update{})
	if !listed || !ok || !s.ended() {
		return nil, ErrFrame
	}
	return list, nil
}

// updates reads a list of updates into list. listed is false for what is valid
// but no list.
func (s *scanner) updates(list []Update) (_ []Update, listed, ok bool) {
	if s.pos == len(s.data) || s.data[s.pos] != '[' {
		return list, false, s.value() != bad
	}
	if !s.open('[') {
		return list, false, false
	}
	for first := true; ; first = false {
		switch s.next(']', first) {
		case done:
			return list, true, true
		case invalid:
			return list, false, false
		}
		start := s.pos
		event, ok := s.event()
		if !ok {
			return list, false, false
		}
		list = append(list, Update{Event: event, Raw: bytes.Clone(s.data[start:s.pos])})
	}
}

// event steps over an update and returns its name, "" for what has none.
func (s *scanner) event() (name string, ok bool) {
	if s.pos == len(s.data) || s.data[s.pos] != '{' {
		return "", s.value() != bad
	}
	var event [1]Value
	if !s.find(eventMember[:], event[:]) {
		return "", false
	}
	return eventName(event[0], s.data), true
}

// Find finds the named members of a JSON object, the value of names[i] for
// values[i], and leaves the values of those that are not there as they are. The
// names are of 16 bytes of ASCII at most. It reports false for what is no
// object. Nothing is kept of the other members: what a stranger sends may have
// very many.
func Find(raw []byte, names []string, values []Value) bool {
	s := scanner{data: raw}
	s.space()
	return s.find(names, values) && s.ended()
}

// find does what Find does at pos. A daemon writes members always in the same
// order, so the name behind the last one found is the first to be compared.
func (s *scanner) find(names []string, values []Value) bool {
	if !s.open('{') {
		return false
	}
	at := 0
	for first := true; ; first = false {
		name, p := s.member(first)
		if p != more {
			return p == done
		}
		v, ok := s.located()
		if !ok {
			return false
		}
		for range names {
			if at == len(names) {
				at = 0
			}
			at++
			if string(name) == names[at-1] {
				values[at-1] = v
				break
			}
		}
	}
}
