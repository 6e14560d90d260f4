package wire

import (
	"encoding/json"
	"unicode/utf8"
)

// scanner validates JSON and finds where the members of an object and the
// items of an array are, without decoding them. What it accepts is what
// encoding/json accepts; member names are compared exactly, and of a name that
// stands twice the last one counts.
type scanner struct {
	data  []byte
	pos   int
	depth int
}

// maxDepth is encoding/json's.
const maxDepth = 10000

// whole runs scan over one value with nothing but white space around it.
func whole(data []byte, scan func(*scanner) bool) bool {
	s := &scanner{data: data}
	s.space()
	if !scan(s) {
		return false
	}
	s.space()
	return s.pos == len(s.data)
}

// members calls visit for each member of the object at pos.
func (s *scanner) members(visit func(key, value []byte)) bool {
	if !s.open('{') {
		return false
	}
	if s.take('}') {
		return s.close()
	}
	for {
		s.space()
		key := s.pos
		if !s.str() {
			return false
		}
		name := s.data[key:s.pos]
		s.space()
		if !s.take(':') {
			return false
		}
		s.space()
		value := s.pos
		if !s.value() {
			return false
		}
		if visit != nil {
			visit(name, s.data[value:s.pos])
		}
		s.space()
		if s.take('}') {
			return s.close()
		}
		if !s.take(',') {
			return false
		}
	}
}

// items calls visit for each item of the array at pos.
func (s *scanner) items(visit func(value []byte)) bool {
	if !s.open('[') {
		return false
	}
	if s.take(']') {
		return s.close()
	}
	for {
		s.space()
		value := s.pos
		if !s.value() {
			return false
		}
		if visit != nil {
			visit(s.data[value:s.pos])
		}
		s.space()
		if s.take(']') {
			return s.close()
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *scanner) open(c byte) bool {
	if !s.take(c) {
		return false
	}
	s.depth++
	s.space()
	return s.depth <= maxDepth
}

func (s *scanner) close() bool {
	s.depth--
	return true
}

func (s *scanner) value() bool {
	if s.pos == len(s.data) {
		return false
	}
	switch s.data[s.pos] {
	case '{':
		return s.members(nil)
	case '[':
		return s.items(nil)
	case '"':
		return s.str()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

func (s *scanner) literal(text string) bool {
	if len(s.data)-s.pos < len(text) || string(s.data[s.pos:s.pos+len(text)]) != text {
		return false
	}
	s.pos += len(text)
	return true
}

// str scans a string. Invalid UTF-8 is accepted, as encoding/json does.
func (s *scanner) str() bool {
	if !s.take('"') {
		return false
	}
	for s.pos < len(s.data) {
		c := s.data[s.pos]
		s.pos++
		switch {
		case c == '"':
			return true
		case c < 0x20:
			return false
		case c == '\\' && !s.escape():
			return false
		}
	}
	return false
}

func (s *scanner) escape() bool {
	if s.pos == len(s.data) {
		return false
	}
	c := s.data[s.pos]
	s.pos++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if s.pos == len(s.data) || !isHex(s.data[s.pos]) {
				return false
			}
			s.pos++
		}
		return true
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) take(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// text decodes a valid JSON value that should be a string.
func text(raw []byte) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf {
			var s string
			err := json.Unmarshal(raw, &s)
			return s, err == nil
		}
	}
	return string(inner), true
}

// named reports whether a member's name, as it stands with its quotes, is name.
func named(raw []byte, name string) bool {
	if len(raw) == len(name)+2 {
		return string(raw[1:len(raw)-1]) == name
	}
	if len(raw) < len(name)+2 || len(raw) > 6*len(name)+2 {
		return false // an escape takes two to six bytes for one
	}
	for _, c := range raw {
		if c == '\\' { // a name may be written with escapes
			s, _ := text(raw)
			return s == name
		}
	}
	return false
}
