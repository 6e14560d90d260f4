//go:build !bitcart_stdjson

package wire

import "bytes"

// Daemons write JSON by Python's json: the members of a frame always in the same
// order, one space behind each colon and comma, and nothing but printable ASCII.
// A frame of that form is read here, for a fifth less than by the steps in cut.go
// and scan.go. They read what has another form, from its beginning; what both can
// read means the same to both.

// What stands around the values of a frame.
const (
	beforeUpdates  = `{"updates": `
	beforeWallet   = `, "wallet": `
	beforeCurrency = `, "currency": "`
	frameEnd       = `}`
)

// usualFrame is Cut for a frame of the usual form.
func (c *Cutter) usualFrame(s *scanner) (f Frame, ok bool) {
	if !s.clean || !s.takeText(beforeUpdates) {
		return f, false
	}
	s.depth = 1
	if listed, ok := c.list(s); !listed || !ok || !s.takeText(beforeWallet) {
		return f, false
	}
	switch {
	case s.take('"'):
		if f.Wallet, ok = s.restOfString(); !ok {
			return f, false
		}
	case !s.takeText("null"):
		return f, false
	}
	if !s.takeText(beforeCurrency) {
		return f, false
	}
	if f.Currency, ok = s.restOfString(); !ok || string(s.data[s.pos:]) != frameEnd {
		return f, false
	}
	f.Updates = c.updates
	return f, true
}

// restOfString steps over the rest of a string, whose opening quote is behind.
func (s *scanner) restOfString() (text []byte, ok bool) {
	rest := s.data[s.pos:]
	n := bytes.IndexByte(rest, '"')
	if n < 0 {
		return nil, false
	}
	s.pos += n + 1
	return rest[:n], true
}

func (s *scanner) takeText(text string) bool {
	if len(s.data)-s.pos < len(text) || string(s.data[s.pos:s.pos+len(text)]) != text {
		return false
	}
	s.pos += len(text)
	return true
}

// usualEvent is event for an update of the usual form. Where it is not ok, nothing
// has happened.
func (s *scanner) usualEvent(x *index) (name string, ok bool) {
	if !s.clean {
		return "", false
	}
	start := s.pos
	s.depth++
	name, ok = s.usualMembers(x)
	s.depth--
	if !ok {
		s.pos = start
		*x = index{}
	}
	return name, ok
}

// usualMembers keeps its place in a variable: in the scanner it would be loaded and
// stored with each step.
func (s *scanner) usualMembers(x *index) (name string, ok bool) {
	d, start := s.data, s.pos
	var event []byte
	i := start + len("{")
	for n := 0; ; n++ {
		if i >= len(d) || d[i] != '"' {
			return "", false
		}
		at := i + 1
		k := bytes.IndexByte(d[at:], '"')
		from := at + k + len(behindName)
		if k < 0 || from >= len(d) || d[from-2] != ':' || d[from-1] != ' ' {
			return "", false
		}
		var to int
		if d[from] == '"' {
			v := bytes.IndexByte(d[from+1:], '"')
			if v < 0 {
				return "", false
			}
			to = from + v + len(`""`)
		} else {
			s.pos = from
			if s.value() == bad {
				return "", false
			}
			to = s.pos
		}
		if to == len(d) {
			return "", false
		}
		if string(d[at:at+k]) == "event" { // of two the last one counts
			event = d[from:to]
		}
		if n < indexed && at-start <= maxIndexed {
			x.names[n] = uint16(at - start)
			x.n = uint8(n + 1)
		} else {
			x.n = 0 // half an index would hide members
		}
		if d[to] == '}' {
			s.pos = to + 1
			return eventName(event), true
		}
		if d[to] != ',' || to+1 == len(d) || d[to+1] != ' ' {
			return "", false
		}
		i = to + len(`, `)
	}
}
