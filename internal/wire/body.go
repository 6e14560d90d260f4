package wire

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
)

// Body is the text of an update, and where its members stand if it was cut out
// of a message: then nobody has to look for them again.
type Body struct {
	Text  string // valid JSON
	index index
}

// BodyOf is a body that was not cut out of a message.
func BodyOf(text string) Body { return Body{Text: text} }

// index is where the names of an object's members begin, behind the quote, in a text
// of the usual form (usual.go). All other places follow from these. It is small,
// since each event that waits has one: 32 bytes more cost a flood some percent.
type index struct {
	names [indexed]uint16
	n     uint8 // how many there are; 0 = the text has to be walked through
}

// indexed is how many members are noted: as many as any event of a daemon has.
const indexed = 7

// maxIndexed is where a name may begin, at most.
const maxIndexed = math.MaxUint16

// What stands between members of the usual form.
const (
	behindName = `": `
	beforeName = `, "`
)

// end is where the value of a member ends.
func (b *Body) end(member int) int {
	if member+1 < int(b.index.n) {
		return int(b.index.names[member+1]) - len(beforeName)
	}
	return len(b.Text) - len(`}`)
}

// isNamed reports whether a member of the index has that name.
func (b *Body) isNamed(member int, name string) bool {
	text := b.Text[b.index.names[member]:]
	return len(text) > len(name) && text[:len(name)] == name && text[len(name)] == '"'
}

// Find finds the named members, the value of names[i] for values[i], and leaves
// the values of those that are not there as they are. A name is of printable
// ASCII without quote and backslash, and asked for once. Find reports false for
// what is no object. In a text that is not valid JSON it may find anything.
func (b *Body) Find(names []string, values []Value) bool {
	if b.index.n > 0 {
		b.findIndexed(names, values)
		return true
	}
	w := walker{text: b.Text}
	for at := 0; ; {
		m, ok := w.member()
		if !ok {
			return w.ended
		}
		if i := indexOf(names, b.Text[m.name:m.nameEnd], at, false); i >= 0 {
			values[i] = m.value
			at = i + 1
		}
	}
}

func (b *Body) findIndexed(names []string, values []Value) {
	at := 0 // a daemon writes members always in the same order
	for k := range int(b.index.n) {
		i := at
		if at == len(names) || !b.isNamed(k, names[at]) {
			if i = slices.IndexFunc(names, func(name string) bool { return b.isNamed(k, name) }); i < 0 {
				continue
			}
		}
		from := int(b.index.names[k]) + len(names[i]) + len(behindName)
		values[i] = Value{from, b.end(k), true}
		at = i + 1
	}
}

// indexOf finds the name of a member, which may be written with escapes unless
// it is plain. A daemon writes members always in the same order, so it looks
// from the place behind the last one.
func indexOf(names []string, key string, from int, plain bool) int {
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
	if plain || strings.IndexByte(key, '\\') < 0 {
		return -1
	}
	var name string
	if json.Unmarshal([]byte(`"`+key+`"`), &name) != nil || strings.IndexByte(name, '\\') >= 0 {
		return -1
	}
	return indexOf(names, name, from, true)
}

// Without returns what stands before and behind the first member of a name, its
// comma left out; what is inside the other members is not looked into. It
// reports false when there is no such member.
func (b *Body) Without(name string) (before, after string, ok bool) {
	if b.index.n > 0 {
		return b.withoutIndexed(name)
	}
	w := walker{text: b.Text}
	end := 0 // of the member before; 0 = there is none
	for {
		m, ok := w.member()
		if !ok {
			return "", "", false
		}
		if b.Text[m.name:m.nameEnd] != name {
			end = m.value.to
			continue
		}
		if next, ok := w.member(); ok {
			return b.Text[:m.name-1], b.Text[next.name-1:], true
		}
		if end == 0 {
			end = m.name - 1
		}
		return b.Text[:end], b.Text[m.value.to:], w.ended
	}
}

func (b *Body) withoutIndexed(name string) (before, after string, ok bool) {
	for k := range int(b.index.n) {
		if !b.isNamed(k, name) {
			continue
		}
		from := int(b.index.names[k])
		switch {
		case k+1 < int(b.index.n):
			return b.Text[:from-1], b.Text[b.index.names[k+1]-1:], true
		case k > 0:
			from -= len(beforeName) - 1
		}
		return b.Text[:from-1], b.Text[b.end(k):], true
	}
	return "", "", false
}
