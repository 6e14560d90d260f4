package wire

import "strings"

// walker steps from value to value in valid JSON, without validating it again.
// In a text that is not valid it says false, or goes on; it never goes beyond
// the end.
type walker struct {
	text  string
	pos   int
	begun bool // the opening bracket is behind
	ended bool // the closing one is too
}

// member is a member of an object in a text. Its name is what stands between
// the quotes.
type member struct {
	name, nameEnd int
	value         Value
}

// member steps over the next member of the object that the text is. At the
// object's end, and in what is none, ok is false; ended tells which.
func (w *walker) member() (m member, ok bool) {
	if !w.item('{', '}') {
		return m, false
	}
	key, ok := w.str()
	if !ok {
		return m, false
	}
	w.space()
	w.take(':')
	w.space()
	m.name, m.nameEnd = key.from+1, key.to-1
	m.value, ok = w.value()
	return m, ok
}

// item steps to the next item of an object or array.
func (w *walker) item(open, close byte) bool {
	w.space()
	if first := !w.begun; first {
		if !w.take(open) {
			return false
		}
		w.begun = true
	} else {
		w.take(',')
	}
	w.space()
	if w.take(close) {
		w.ended = true
		return false
	}
	return true
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
		if !escaped(w.text[begin : w.pos-1]) {
			v.to = w.pos
			return v, true
		}
	}
}

// escaped: an odd number of backslashes stands at the end.
func escaped(text string) bool {
	n := len(text)
	for n > 0 && text[n-1] == '\\' {
		n--
	}
	return (len(text)-n)%2 == 1
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
