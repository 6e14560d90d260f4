package wire

import (
	"encoding/json"
	"unicode/utf8"
)

// Value is a valid JSON value as it stands in a text. The zero Value is one
// that is not there.
type Value struct {
	Raw   []byte // part of the text
	At    int    // where it begins in the text
	plain bool   // a string of ASCII without escapes
}

// ValueOf is the value that raw is, without white space around it.
func ValueOf(raw []byte) Value { return Value{Raw: raw} }

// Absent: the value is not there, or null, which means the same to a daemon.
func (v Value) Absent() bool { return len(v.Raw) == 0 || v.Raw[0] == 'n' }

// Plain returns what a string holds, when that is what stands between its
// quotes. The bytes are part of the text.
func (v Value) Plain() (text []byte, ok bool) {
	if !v.plain && !v.isPlain() {
		return nil, false
	}
	return v.Raw[1 : len(v.Raw)-1], true
}

// isPlain: the value is a valid string without escapes and without what
// encoding/json replaces.
func (v Value) isPlain() bool {
	if len(v.Raw) < 2 || v.Raw[0] != '"' {
		return false
	}
	for _, c := range v.Raw {
		if c == '\\' {
			return false
		}
	}
	return utf8.Valid(v.Raw)
}

// Text returns what a string holds. ok is false for what is no string.
func (v Value) Text() (text []byte, ok bool) {
	if text, ok = v.Plain(); ok {
		return text, true
	}
	if len(v.Raw) == 0 || v.Raw[0] != '"' {
		return nil, false
	}
	var s string
	if json.Unmarshal(v.Raw, &s) != nil {
		return nil, false
	}
	return []byte(s), true
}

// List appends the items of an array to list. ok is false for what is no array.
func (v Value) List(list []Value) (_ []Value, ok bool) {
	s := scanner{data: v.Raw}
	if len(v.Raw) == 0 || !s.open('[') {
		return list, false
	}
	for first := true; ; first = false {
		if p := s.next(']', first); p != more {
			return list, p == done
		}
		item := s.value()
		if item.Raw == nil {
			return list, false
		}
		item.At += v.At
		list = append(list, item)
	}
}

// Int returns a whole number of up to 18 digits. ok is false for any other
// value, which encoding/json may still be able to read.
func (v Value) Int() (n int64, ok bool) {
	digits, negative := v.Raw, false
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
