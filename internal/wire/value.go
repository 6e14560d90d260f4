package wire

import (
	"strings"
	"unicode/utf8"
)

// Value is where a JSON value stands in a text, which every method is given
// again. The zero Value is one that is not there.
type Value struct {
	from, to int
	plain    bool // a string, if it is one, stands there as it is
}

// ValueOf is the value that is the whole text, around which is no white space.
func ValueOf(text string) Value { return Value{to: len(text)} }

// Raw is the value as it stands in the text, "" for one that is not there.
func (v Value) Raw(text string) string { return text[v.from:v.to] }

// Absent: the value is not there, or null, which means the same to a daemon.
func (v Value) Absent(text string) bool { return v.from == v.to || text[v.from] == 'n' }

// Plain returns what a string holds, as a part of the text. ok is false for
// what is no string, and for a string that does not stand there as it is:
// encoding/json undoes escapes and replaces invalid UTF-8.
func (v Value) Plain(text string) (_ string, ok bool) {
	if v.to-v.from < 2 || text[v.from] != '"' {
		return "", false
	}
	inner := text[v.from+1 : v.to-1]
	if v.plain {
		return inner, true
	}
	if strings.IndexByte(inner, '\\') >= 0 || !utf8.ValidString(inner) {
		return "", false
	}
	return inner, true
}

// List appends the items of an array to list. ok is false for what is no array.
func (v Value) List(text string, list []Value) (_ []Value, ok bool) {
	w := walker{text: text[:v.to], pos: v.from}
	for w.item('[', ']') {
		item, ok := w.value()
		if !ok {
			return list, false
		}
		item.plain = v.plain
		list = append(list, item)
	}
	return list, w.ended
}

// Int returns a whole number of up to 18 digits. ok is false for any other
// value, which encoding/json may still be able to read.
func (v Value) Int(text string) (n int64, ok bool) {
	digits, negative := strings.CutPrefix(v.Raw(text), "-")
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}
