//go:build !bitcart_stdjson

package wire

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// scanner validates JSON and finds where the members of an object and the
// items of an array are, in one pass and without decoding them. What it accepts
// is what encoding/json accepts. After a false answer, or bad, the text is
// invalid, or not of the kind that was asked for, and the scanner is of no
// further use.
type scanner struct {
	data  []byte
	pos   int
	depth int
	clean bool // all of data is printable ASCII without a backslash
}

// scan begins a scan of data.
func scan(data []byte) scanner { return scanner{data: data, clean: isClean(data)} }

// begin begins the scan again.
func (s *scanner) begin() { s.pos, s.depth = 0, 0 }

// maxDepth is encoding/json's.
const maxDepth = 10000

// ended reports whether nothing but white space is left.
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
	switch s.str() {
	case plain:
		name = s.data[start+1 : s.pos-1]
	case opaque:
		name = unescaped(s.data[start:s.pos])
	default:
		return nil, invalid
	}
	s.space()
	if !s.take(':') {
		return nil, invalid
	}
	s.space()
	return name, more
}

// maxName is the length up to which a name with escapes is decoded. No name that
// is looked for is longer: 16 bytes, each written as an escape, and two quotes.
const maxName = 6*16 + 2

// unescaped is a name that may be written with escapes.
func unescaped(raw []byte) []byte {
	if len(raw) > maxName {
		return nil
	}
	return []byte(decoded(raw))
}

// kind is what a value is, as far as anybody asks.
type kind byte

const (
	bad    kind = iota // no value
	plain              // a string of ASCII without escapes
	opaque             // any other string
	null
	other
)

// value steps over the value at pos.
func (s *scanner) value() kind {
	if s.pos == len(s.data) {
		return bad
	}
	switch s.data[s.pos] {
	case '"':
		return s.str()
	case '{':
		return s.object()
	case '[':
		return s.array()
	case 't':
		return s.literal("true", other)
	case 'f':
		return s.literal("false", other)
	case 'n':
		return s.literal("null", null)
	}
	return s.number()
}

func (s *scanner) object() kind {
	if !s.open('{') {
		return bad
	}
	for first := true; ; first = false {
		switch _, p := s.member(first); p {
		case done:
			return other
		case invalid:
			return bad
		}
		if s.value() == bad {
			return bad
		}
	}
}

func (s *scanner) array() kind {
	if !s.open('[') {
		return bad
	}
	for first := true; ; first = false {
		switch s.next(']', first) {
		case done:
			return other
		case invalid:
			return bad
		}
		if s.value() == bad {
			return bad
		}
	}
}

func (s *scanner) literal(text string, as kind) kind {
	if len(s.data)-s.pos < len(text) || string(s.data[s.pos:s.pos+len(text)]) != text {
		return bad
	}
	s.pos += len(text)
	return as
}

// str steps over a string, eight bytes at a time. Invalid UTF-8 is accepted, as
// encoding/json does.
func (s *scanner) str() kind {
	if !s.take('"') {
		return bad
	}
	if s.clean {
		n := bytes.IndexByte(s.data[s.pos:], '"')
		s.pos += n + 1
		if n < 0 {
			return bad
		}
		return plain
	}
	found := plain
	for {
		for s.pos+8 <= len(s.data) {
			at := remarkable(binary.LittleEndian.Uint64(s.data[s.pos:]))
			if at < 8 {
				s.pos += at
				break
			}
			s.pos += 8
		}
		if s.pos == len(s.data) {
			return bad
		}
		c := s.data[s.pos]
		s.pos++
		switch {
		case c == '"':
			return found
		case c < 0x20:
			return bad
		case c == '\\':
			found = opaque
			if !s.escape() {
				return bad
			}
		case c >= utf8.RuneSelf:
			found = opaque
		}
	}
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// isClean reports whether data is printable ASCII without a backslash, as what
// Python's json writes nearly always is: then a string ends with the next quote.
func isClean(data []byte) bool {
	var dirty uint64
	for len(data) >= 32 {
		a, b := binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:])
		c, d := binary.LittleEndian.Uint64(data[16:]), binary.LittleEndian.Uint64(data[24:])
		dirty |= unclean(a) | unclean(b) | unclean(c) | unclean(d)
		data = data[32:]
	}
	for _, c := range data {
		if c < 0x20 || c >= utf8.RuneSelf || c == '\\' {
			return false
		}
	}
	return dirty&highBits == 0
}

// unclean sets the high bit of each of eight bytes that is a backslash, a control
// character or no ASCII. As in remarkable a borrow can set it for a byte behind
// one of those as well, which is no harm where only their presence is asked for.
func unclean(eight uint64) uint64 {
	return ((eight ^ lowBits*'\\') - lowBits) | (eight - lowBits*0x20) | eight
}

// remarkable is the place of the first of eight bytes that is a quote, a
// backslash, a control character or no ASCII, and 8 when none is. A subtraction
// sets the high bit of a byte that is too small for it; what it borrows spoils
// only the bytes behind.
func remarkable(eight uint64) int {
	quote := eight ^ lowBits*'"'
	backslash := eight ^ lowBits*'\\'
	found := ((quote - lowBits) | (backslash - lowBits) | (eight - lowBits*0x20) | eight) & highBits
	return bits.TrailingZeros64(found) / 8
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

func (s *scanner) number() kind {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return bad
	}
	if s.take('.') && !s.digits() {
		return bad
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			return bad
		}
	}
	return other
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
