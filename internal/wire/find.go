package wire

import (
	"encoding/json"
	"strings"
)

// Find finds the named members of a JSON object, the value of names[i] for
// values[i], and leaves the values of those that are not there as they are. It
// reports false for what is no object. The text must be valid JSON, as that of
// an Update is; of another text it may find anything.
func Find(text string, names []string, values []Value) bool {
	w := walker{text: text}
	w.space()
	if !w.take('{') {
		return false
	}
	at := 0
	for first := true; ; first = false {
		w.space()
		if w.take('}') {
			return true
		}
		if !first {
			w.take(',')
			w.space()
		}
		key, ok := w.str()
		if !ok {
			return false
		}
		w.space()
		w.take(':')
		w.space()
		v, ok := w.value()
		if !ok {
			return false
		}
		if i := indexOf(names, text[key.from+1:key.to-1], at); i >= 0 {
			values[i] = v
			at = i + 1
		}
	}
}

// indexOf finds the name of a member, which may be written with escapes. A
// daemon writes members always in the same order, so it looks from the place
// behind the last one.
func indexOf(names []string, key string, from int) int {
	for i := from; i < len(names); i++ {
		if names[i] == key {
			return i
		}
	}
	for i := range from {
		if names[i] == key {
			return i
		}
	}
	if strings.IndexByte(key, '\\') < 0 {
		return -1
	}
	var name string
	if json.Unmarshal([]byte(`"`+key+`"`), &name) != nil || strings.IndexByte(name, '\\') >= 0 {
		return -1
	}
	return indexOf(names, name, from)
}

// List appends the items of an array to list. ok is false for what is no array.
func (v Value) List(text string, list []Value) (_ []Value, ok bool) {
	w := walker{text: text[:v.to], pos: v.from}
	if !w.take('[') {
		return list, false
	}
	for first := true; ; first = false {
		w.space()
		if w.take(']') {
			return list, true
		}
		if !first {
			w.take(',')
			w.space()
		}
		item, ok := w.value()
		if !ok {
			return list, false
		}
		list = append(list, item)
	}
}

// walker steps from value to value in valid JSON, without validating it again.
// In a text that is not valid it says false, or goes on; it never goes beyond
// the end.
type walker struct {
	text string
	pos  int
}

func (w *walker) space() {
	for w.pos < len(w.text) && w.text[w.pos] <= ' ' {
		w.pos++
	}
}

func (w *walker) take(c byte) bool {
	if w.pos < len(w.text) && w.text[w.pos] == c {
		w.pos++
		return true
	}
	return false
}

func (w *walker) value() (v Value, ok bool) {
	if w.pos == len(w.text) {
		return v, false
	}
	switch w.text[w.pos] {
	case '"':
		return w.str()
	case '{', '[':
		return w.nested()
	}
	v.from = w.pos
	for w.pos < len(w.text) && !ends(w.text[w.pos]) {
		w.pos++
	}
	v.to = w.pos
	return v, v.to > v.from
}

// ends: c stands behind a number or a literal.
func ends(c byte) bool { return c <= ' ' || c == ',' || c == '}' || c == ']' }

// str steps over a string. A quote with an odd number of backslashes before it
// does not end it.
func (w *walker) str() (v Value, ok bool) {
	v.from = w.pos
	if !w.take('"') {
		return v, false
	}
	begin := w.pos
	for {
		quote := strings.IndexByte(w.text[w.pos:], '"')
		if quote < 0 {
			return v, false
		}
		w.pos += quote + 1
		if w.text[w.pos-2] != '\\' || !escaped(w.text[begin:w.pos-1]) {
			v.to = w.pos
			return v, true
		}
	}
}

// escaped: an odd number of backslashes stands at the end.
func escaped(text string) bool {
	return (len(text)-len(strings.TrimRight(text, `\`)))%2 == 1
}

// nested steps over an object or an array.
func (w *walker) nested() (v Value, ok bool) {
	v.from = w.pos
	for depth := 0; w.pos < len(w.text); {
		switch w.text[w.pos] {
		case '"':
			if _, ok := w.str(); !ok {
				return v, false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		w.pos++
		if depth == 0 {
			v.to = w.pos
			return v, true
		}
	}
	return v, false
}
