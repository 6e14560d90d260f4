package blockio

import (
	"bytes"
	"encoding/json"
	"hash"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// canonical is a JSON value with sorted members and without white space, so
// that a sender may write it differently the next time. Numbers keep their
// digits, of a name that stands twice the last one counts, and what is not
// Unicode stays as it is: two values have one form only if they are equal. It is
// never longer than raw, which is a valid value.
//
// It decodes nothing: anybody can send a body, and a value in memory can take
// seventy times its bytes.
func canonical(raw json.RawMessage) []byte {
	c := canonizer{in: raw, out: make([]byte, 0, len(raw)), moves: maxMoves * len(raw)}
	if c.value(); c.moves < 0 {
		return raw
	}
	return c.out
}

// maxMoves is how often a byte may be moved, on average: once for each object
// around it whose members stand in another order. Nothing that the service sends
// is nested so deeply.
const maxMoves = 64

// canonizer writes a value anew, from in[at:] to the end of out.
type canonizer struct {
	in    []byte
	at    int
	out   []byte
	moved []byte       // room for an object's members while they are moved
	open  []memberSpan // members of the objects around what is written, the outermost first
	moves int          // bytes that may still be moved
}

// memberSpan is a member as it stands in out, without a comma.
type memberSpan struct{ from, to int }

func (c *canonizer) space() {
	for c.at < len(c.in) && isSpace(c.in[c.at]) {
		c.at++
	}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// next is the byte behind white space, 0 at the end.
func (c *canonizer) next() byte {
	if c.space(); c.at < len(c.in) {
		return c.in[c.at]
	}
	return 0
}

// take writes the next byte.
func (c *canonizer) take() {
	if b := c.next(); b != 0 {
		c.out = append(c.out, b)
		c.at++
	}
}

func (c *canonizer) value() {
	switch c.next() {
	case '{':
		c.object()
	case '[':
		c.array()
	case '"':
		c.text()
	default:
		from := c.at
		for c.at < len(c.in) && !isSpace(c.in[c.at]) && !bytes.ContainsRune([]byte(",]}"), rune(c.in[c.at])) {
			c.at++
		}
		c.out = append(c.out, c.in[from:c.at]...)
	}
}

func (c *canonizer) array() {
	c.take()
	for b := c.next(); b != ']' && b != 0; b = c.next() {
		c.value()
		if c.next() == ',' {
			c.take()
		}
	}
	c.take()
}

func (c *canonizer) object() {
	c.take()
	first, begin := len(c.open), len(c.out)
	for b := c.next(); b != '}' && b != 0; b = c.next() {
		m := memberSpan{from: len(c.out)}
		c.text()
		c.take() // the colon
		c.value()
		m.to = len(c.out)
		c.note(m)
		if c.next() == ',' {
			c.take()
		}
	}
	c.sort(begin, c.open[first:])
	c.open = c.open[:first]
	c.take()
}

// note doubles the room: growing by less would cost more in all.
func (c *canonizer) note(m memberSpan) {
	if len(c.open) == cap(c.open) {
		more := make([]memberSpan, len(c.open), max(16, 2*len(c.open)))
		copy(more, c.open)
		c.open = more
	}
	c.open = append(c.open, m)
}

// sort puts the members of one object, which end out, in the order of their
// names. Of equal names it keeps the last.
func (c *canonizer) sort(begin int, members []memberSpan) {
	byName := func(a, b memberSpan) int { return bytes.Compare(c.name(a), c.name(b)) }
	inOrder := true
	for i := 1; i < len(members) && inOrder; i++ {
		inOrder = byName(members[i-1], members[i]) < 0
	}
	if c.moves < 0 || inOrder {
		return
	}
	slices.SortFunc(members, func(a, b memberSpan) int {
		if order := byName(a, b); order != 0 {
			return order
		}
		return a.from - b.from
	})
	if c.moves -= len(c.out) - begin; c.moves < 0 {
		return
	}
	if c.moved = c.moved[:0]; cap(c.moved) < len(c.out)-begin {
		c.moved = make([]byte, 0, max(len(c.out)-begin, 2*cap(c.moved)))
	}
	for i, m := range members {
		if i+1 < len(members) && byName(m, members[i+1]) == 0 {
			continue
		}
		if len(c.moved) > 0 {
			c.moved = append(c.moved, ',')
		}
		c.moved = append(c.moved, c.out[m.from:m.to]...)
	}
	c.out = append(c.out[:begin], c.moved...)
}

// name is a member's name as it is written, without its quotes.
func (c *canonizer) name(m memberSpan) []byte {
	text := c.out[m.from+1 : m.to]
	return text[:endOfText(text)]
}

// endOfText is where the quote stands that ends a text.
func endOfText(text []byte) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text)
}

// text writes a string. An escape stays only where JSON needs one, in its
// shortest form.
func (c *canonizer) text() {
	c.take() // the quote
	end := c.at + endOfText(c.in[c.at:])
	for c.at < end {
		plain := bytes.IndexByte(c.in[c.at:end], '\\')
		if plain < 0 {
			plain = end - c.at
		}
		c.out = append(c.out, c.in[c.at:c.at+plain]...)
		if c.at += plain; c.at < end {
			c.escape()
		}
	}
	c.take()
}

// escape writes what the escape at in[at:] stands for.
func (c *canonizer) escape() {
	code, size := escaped(c.in[c.at:])
	if utf16.IsSurrogate(code) {
		low, more := escaped(c.in[c.at+size:])
		if pair := utf16.DecodeRune(code, low); pair != utf8.RuneError {
			code, size = pair, size+more
		}
	}
	c.at += size
	short := bytes.IndexByte([]byte("\"\\\b\f\n\r\t"), byte(code))
	switch {
	case code < utf8.RuneSelf && short >= 0:
		c.out = append(c.out, '\\', `"\bfnrt`[short])
	case code < ' ':
		c.out = append(c.out, '\\', 'u', '0', '0', hexDigits[code>>4], hexDigits[code&0xf])
	case utf16.IsSurrogate(code): // half of a pair
		c.out = append(c.out, '\\', 'u')
		c.out = strconv.AppendInt(c.out, int64(code), 16)
	default:
		c.out = utf8.AppendRune(c.out, code)
	}
}

const hexDigits = "0123456789abcdef"

// escaped decodes the escape with which text begins; 0 and 0 if it begins with
// none.
func escaped(text []byte) (code rune, size int) {
	switch {
	case len(text) < 2 || text[0] != '\\':
		return 0, 0
	case text[1] == 'u' && len(text) >= 6:
		n, _ := strconv.ParseUint(string(text[2:6]), 16, 16)
		return rune(n), 6
	}
	if i := bytes.IndexByte([]byte("bfnrt"), text[1]); i >= 0 {
		return rune("\b\f\n\r\t"[i]), 2
	}
	return rune(text[1]), 2 // a quote, a slash, a backslash
}

// writeCanonical hashes the canonical form of a value as encoding/json writes it, with
// the characters escaped that matter in HTML: stored keys are digests of that.
func writeCanonical(h hash.Hash, raw json.RawMessage) {
	const piece = 4 << 10
	var escaped bytes.Buffer
	for text := canonical(raw); len(text) > 0; {
		n := min(piece, len(text))
		for n < len(text) && !utf8.RuneStart(text[n]) {
			n++ // not within a character
		}
		escaped.Reset()
		json.HTMLEscape(&escaped, text[:n])
		h.Write(escaped.Bytes())
		text = text[n:]
	}
}
