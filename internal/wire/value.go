package wire

import (
	"encoding/json"
	"unicode/utf8"
)

// Value is where a valid JSON value stands in a text, which every method is
// given again. The zero Value is one that is not there.
type Value struct {
	from, to int
	kind     kind
}

// ValueOf is the value that is the whole text, valid and without white space
// around it.
func ValueOf(text []byte) Value {
	v := Value{to: len(text)}
	switch {
	case len(text) == 0:
	case text[0] == '"':
		v.kind = opaque
	case text[0] == 'n':
		v.kind = null
	default:
		v.kind = other
	}
	return v
}

// Absent: the value is not there, or null, which means the same to a daemon.
func (v Value) Absent() bool { return v.kind == bad || v.kind == null }

// Raw is the value as it stands in the text, nil for one that is not there.
func (v Value) Raw(text []byte) json.RawMessage {
	if v.kind == bad {
		return nil
	}
	return text[v.from:v.to:v.to]
}

// Plain returns where in the text stands what a string holds, when it stands
// there as it is.
func (v Value) Plain(text []byte) (from, to int, ok bool) {
	from, to = v.from+1, v.to-1
	switch v.kind {
	case plain:
		return from, to, true
	case opaque:
		return from, to, isPlain(text[from:to])
	}
	return 0, 0, false
}

// isPlain: what stands between the quotes of a valid string is what it holds.
// encoding/json would replace invalid UTF-8.
func isPlain(inner []byte) bool {
	for _, c := range inner {
		if c == '\\' {
			return false
		}
	}
	return utf8.Valid(inner)
}

// Text returns what a string holds, as a part of the text if it stands there.
// ok is false for what is no string.
func (v Value) Text(text []byte) (_ []byte, ok bool) {
	if from, to, ok := v.Plain(text); ok {
		return text[from:to], true
	}
	if v.kind != opaque {
		return nil, false
	}
	var s string
	err := json.Unmarshal(v.Raw(text), &s)
	return []byte(s), err == nil
}

// List appends the items of an array to list. ok is false for what is no array.
func (v Value) List(text []byte, list []Value) (_ []Value, ok bool) {
	s := scanner{data: text[:v.to], pos: v.from}
	if v.kind != other || !s.open('[') {
		return list, false
	}
	for first := true; ; first = false {
		if p := s.next(']', first); p != more {
			return list, p == done
		}
		item := Value{from: s.pos}
		item.kind = s.value()
		if item.kind == bad {
			return list, false
		}
		item.to = s.pos
		list = append(list, item)
	}
}

// Int returns a whole number of up to 18 digits. ok is false for any other
// value, which encoding/json may still be able to read.
func (v Value) Int(text []byte) (n int64, ok bool) {
	digits, negative := text[v.from:v.to], false
	if len(digits) > 0 && digits[0] == '-' {
		digits, negative = digits[1:], true
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
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
