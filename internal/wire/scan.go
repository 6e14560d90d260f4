package wire

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
)

// scanner validates JSON and finds where the members of an object and the
// items of an array are, in one pass and without decoding them. What it accepts
// is what encoding/json accepts. After a false or a nil answer the text is
// invalid, or not of the kind that was asked for, and the scanner is of no
// further use.
type scanner struct {
	data   []byte
	pos    int
	depth  int
	opaque bool // the last string holds an escape or what is not ASCII
}

// maxDepth is encoding/json's.
const maxDepth = 10000

// ended: nothing but white space is left.
func (s *scanner) ended() bool {
	s.space()
	return s.pos == len(s.data)
}

// open begins the object or array at pos.
func (s *scanner) open(bracket byte) bool {
	s.space()
	s.depth++
	return s.depth <= maxDepth && s.take(bracket)
}

// progress is how far the reading of an object or array has come.
type progress int

const (
	more progress = iota
	done
	invalid
)

// next steps to the next item, or behind the closing bracket. first is whether
// the bracket was opened just now.
func (s *scanner) next(bracket byte, first bool) progress {
	s.space()
	if s.take(bracket) {
		s.depth--
		return done
	}
	if !first {
		if !s.take(',') {
			return invalid
		}
		s.space()
	}
	return more
}

// member steps to the value of an object's next member, and returns its name.
func (s *scanner) member(first bool) (name []byte, p progress) {
	if p = s.next('}', first); p != more {
		return nil, p
	}
	start := s.pos
	if !s.str() {
		return nil, invalid
	}
	name = s.data[start+1 : s.pos-1]
	if s.opaque {
		name = unescaped(s.data[start:s.pos])
	}
	s.space()
	if !s.take(':') {
		return nil, invalid
	}
	s.space()
	return name, more
}

// maxName is how long a name is written at most that can be one of ours: one of
// 16 bytes, each as an escape.
const maxName = 6*16 + 2

// unescaped is a name that may be written with escapes.
func unescaped(raw []byte) []byte {
	var name string
	if len(raw) > maxName || json.Unmarshal(raw, &name) != nil {
		return nil
	}
	return []byte(name)
}

// value steps over the value at pos and returns it.
func (s *scanner) value() Value {
	start := s.pos
	if start == len(s.data) {
		return Value{}
	}
	ok := false
	switch s.data[start] {
	case '"':
		ok = s.str()
		return s.since(start, ok, ok && !s.opaque)
	case '{':
		ok = s.object()
	case '[':
		ok = s.array()
	case 't':
		ok = s.literal("true")
	case 'f':
		ok = s.literal("false")
	case 'n':
		ok = s.literal("null")
	default:
		ok = s.number()
	}
	return s.since(start, ok, false)
}

func (s *scanner) since(start int, ok, plain bool) Value {
	if !ok {
		return Value{}
	}
	return Value{Raw: s.data[start:s.pos:s.pos], At: start, plain: plain}
}

func (s *scanner) object() bool {
	if !s.open('{') {
		return false
	}
	for first := true; ; first = false {
		if p := s.next('}', first); p != more {
			return p == done
		}
		if !s.str() {
			return false
		}
		s.space()
		if !s.take(':') {
			return false
		}
		s.space()
		if s.value().Raw == nil {
			return false
		}
	}
}

func (s *scanner) array() bool {
	if !s.open('[') {
		return false
	}
	for first := true; ; first = false {
		if p := s.next(']', first); p != more {
			return p == done
		}
		if s.value().Raw == nil {
			return false
		}
	}
}

func (s *scanner) literal(text string) bool {
	if len(s.data)-s.pos < len(text) || string(s.data[s.pos:s.pos+len(text)]) != text {
		return false
	}
	s.pos += len(text)
	return true
}

// str scans a string, eight bytes at a time. Invalid UTF-8 is accepted, as
// encoding/json does.
func (s *scanner) str() bool {
	if !s.take('"') {
		return false
	}
	s.opaque = false
	var seen uint64
	for {
		for s.pos+8 <= len(s.data) {
			eight := binary.LittleEndian.Uint64(s.data[s.pos:])
			if found := remarkable(eight); found != 0 {
				before := bits.TrailingZeros64(found) &^ 7
				seen |= eight & (1<<before - 1)
				s.pos += before / 8
				break
			}
			seen |= eight
			s.pos += 8
		}
		if s.pos == len(s.data) {
			return false
		}
		c := s.data[s.pos]
		s.pos++
		switch {
		case c == '"':
			s.opaque = s.opaque || seen&highBits != 0
			return true
		case c < 0x20:
			return false
		case c == '\\':
			s.opaque = true
			if !s.escape() {
				return false
			}
		default:
			seen |= uint64(c)
		}
	}
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// remarkable has the high bit of each byte set that is a quote, a backslash or
// a control character. Above the lowest of them other bits may be set as well.
func remarkable(eight uint64) uint64 {
	quote := eight ^ lowBits*'"'
	backslash := eight ^ lowBits*'\\'
	return ((quote-lowBits)&^quote | (backslash-lowBits)&^backslash | (eight-lowBits*0x20)&^eight) & highBits
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
	for s.pos < len(s.data) && s.data[s.pos] <= ' ' {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}
