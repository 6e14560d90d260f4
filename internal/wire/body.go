package wire

import (
	"encoding/json"
	"math"
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

// index is where the members of an object stand.
type index struct {
	at       [indexed]place
	nameLens [indexed]uint8
	n        uint8 // how many there are; 0 = the text has to be walked through
	clean    bool  // the text is printable ASCII without a backslash
}

// indexed is how many members are noted: more than any event of a daemon has.
const indexed = 8

const (
	maxIndexed     = math.MaxUint16 // of a place
	maxIndexedName = math.MaxUint8  // of a name's length
)

// place is where a member stands in a text.
type place struct{ name, from, to uint16 }

// add notes a member and reports whether there was room for it.
func (x *index) add(name, nameEnd, from, to int) bool {
	if x.n == indexed || to > maxIndexed || nameEnd-name > maxIndexedName {
		return false
	}
	x.at[x.n] = place{uint16(name), uint16(from), uint16(to)}
	x.nameLens[x.n] = uint8(nameEnd - name)
	x.n++
	return true
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
	at := 0
	x := &b.index
	for k := range x.at[:x.n] {
		p := &x.at[k]
		key := b.Text[p.name : int(p.name)+int(x.nameLens[k])]
		i := at
		if at == len(names) || names[at] != key {
			if i = indexOf(names, key, at, true); i < 0 { // names in the index have no escapes
				continue
			}
		}
		values[i] = Value{int(p.from), int(p.to), x.clean}
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
	x := &b.index
	for k := range x.at[:x.n] {
		p := &x.at[k]
		if int(x.nameLens[k]) != len(name) || b.Text[p.name:int(p.name)+len(name)] != name {
			continue
		}
		switch {
		case k+1 < int(x.n):
			return b.Text[:p.name-1], b.Text[x.at[k+1].name-1:], true
		case k > 0:
			return b.Text[:x.at[k-1].to], b.Text[p.to:], true
		}
		return b.Text[:p.name-1], b.Text[p.to:], true
	}
	return "", "", false
}
