package bitcarttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// The daemons print JSON with Python's encoder: ", " and ": " between parts, members in the
// order they were put in, everything outside ASCII escaped. Bytes matter: a client that aligns
// frames with queue items compares them.

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := marshal(m.value)
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// encode prints v as the daemon does.
func encode(v any) ([]byte, error) {
	compact, err := marshal(v)
	if err != nil {
		return nil, fmt.Errorf("bitcarttest: encode: %w", err)
	}
	return pythonStyle(compact), nil
}

// pythonStyle reprints JSON text. Numbers stay as they are, so that large ones keep every digit.
func pythonStyle(src []byte) []byte {
	out := make([]byte, 0, len(src)+len(src)/8)
	for i := 0; i < len(src); {
		switch c := src[i]; c {
		case ' ', '\t', '\r', '\n':
			i++
		case ',', ':':
			out = append(out, c, ' ')
			i++
		case '"':
			end := stringEnd(src, i)
			out = appendString(out, src[i:end])
			i = end
		default:
			out = append(out, c)
			i++
		}
	}
	return out
}

// stringEnd is the index behind the string literal that starts at i.
func stringEnd(src []byte, i int) int {
	for j := i + 1; j < len(src); j++ {
		switch src[j] {
		case '\\':
			j++
		case '"':
			return j + 1
		}
	}
	return len(src)
}

func appendString(out, literal []byte) []byte {
	if plain(literal) {
		return append(out, literal...)
	}
	var text string
	if json.Unmarshal(literal, &text) != nil {
		return append(out, literal...)
	}
	return append(out, quote(text)...)
}

func plain(literal []byte) bool {
	for _, c := range literal {
		if c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

// quote is Python's json.dumps of a string.
func quote(text string) []byte {
	out := []byte{'"'}
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r >= ' ' && r <= '~':
			out = append(out, byte(r))
		default:
			out = appendEscape(out, r)
		}
	}
	return append(out, '"')
}

var shortEscapes = map[rune]string{'\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func appendEscape(out []byte, r rune) []byte {
	if short, ok := shortEscapes[r]; ok {
		return append(out, short...)
	}
	if r > 0xffff {
		hi, lo := utf16.EncodeRune(r)
		return fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
	}
	return fmt.Appendf(out, `\u%04x`, r)
}

// parseBody reads a request body as Python's json.loads does: NaN and Infinity are numbers.
// notUTF8 is told apart because the daemon answers it differently.
func parseBody(body []byte) (value json.RawMessage, notUTF8, ok bool) {
	if !utf8.Valid(body) {
		return nil, true, false
	}
	if json.Valid(body) {
		return bytes.TrimSpace(body), false, true
	}
	relaxed := hideConstants(body)
	return bytes.TrimSpace(relaxed), false, json.Valid(relaxed)
}

// Python's constants travel through Go's decoder as strings that nobody sends.
var constants = []struct{ text, hidden string }{
	{"-Infinity", `"\u0000-Infinity"`},
	{"Infinity", `"\u0000Infinity"`},
	{"NaN", `"\u0000NaN"`},
}

func hideConstants(body []byte) []byte {
	var out []byte
	for i := 0; i < len(body); {
		if body[i] == '"' {
			end := stringEnd(body, i)
			out = append(out, body[i:end]...)
			i = end
			continue
		}
		text, hidden := constantAt(body[i:])
		out = append(out, hidden...)
		i += len(text)
	}
	return out
}

func constantAt(rest []byte) (text, hidden string) {
	for _, c := range constants {
		if bytes.HasPrefix(rest, []byte(c.text)) {
			return c.text, c.hidden
		}
	}
	return string(rest[:1]), string(rest[:1])
}

// echo is the id of a request as the answer repeats it.
func echo(id json.RawMessage) []byte {
	if len(id) == 0 {
		return []byte("null")
	}
	for _, c := range constants {
		if string(id) == c.hidden {
			return []byte(c.text)
		}
	}
	return pythonStyle(id)
}
