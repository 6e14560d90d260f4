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

// place is where a member stands in a text.
type place struct{ name, from, to uint16 }

// add notes a member and reports whether there was room for it.
func (x *index) add(name, nameEnd, from, to int) bool {
	if x.n == indexed || to > math.MaxUint16 || nameEnd-name > math.MaxUint8 {
		return false
	}
	x.at[x.n] = place{uint16(name), uint16(from), uint16(to)}
	x.nameLens[x.n] = uint8(nameEnd - name)
	x.n++
	return true
}

// member is a member of an object in a text. Its name is what stands between
// the quotes.
type member struct {
	name, nameEnd int
	value         Value
}

// members are the members of a body, one after another.
type members struct {
	body *Body
	n    int
	w    walker // of a body without an index
}

func (b *Body) members() members { return members{body: b, w: walker{text: b.Text}} }

// next returns the next member. At the end, and in what is no object, ok is
// false; whole tells the one from the other.
func (m *members) next() (_ member, ok bool) {
	x := &m.body.index
	if x.n == 0 {
		first := m.n == 0
		m.n++
		return m.w.member(first)
	}
	if m.n == int(x.n) {
		return member{}, false
	}
	p := x.at[m.n]
	name := int(p.name)
	found := member{name, name + int(x.nameLens[m.n]), Value{int(p.from), int(p.to), x.clean}}
	m.n++
	return found, true
}

// whole: what next has gone through is an object.
func (m *members) whole() bool { return m.body.index.n > 0 || m.w.ended }

// Find finds the named members, the value of names[i] for values[i], and leaves
// the values of those that are not there as they are. It reports false for what
// is no object. In a text that is not valid JSON it may find anything.
func (b *Body) Find(names []string, values []Value) bool {
	if b.index.n > 0 {
		b.findIndexed(names, values)
		return true
	}
	list := b.members()
	for at := 0; ; {
		m, ok := list.next()
		if !ok {
			return list.whole()
		}
		if i := indexOf(names, b.Text[m.name:m.nameEnd], at); i >= 0 {
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
			if i = indexOf(names, key, at); i < 0 {
				continue
			}
		}
		values[i] = Value{int(p.from), int(p.to), x.clean}
		at = i + 1
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

// Without returns what stands before and behind the first member of a name, its
// comma left out; what is inside the other members is not looked into. It
// reports false when there is no such member.
func (b *Body) Without(name string) (before, after string, ok bool) {
	list := b.members()
	end := 0 // of the member before; 0 = there is none
	for {
		m, ok := list.next()
		if !ok {
			return "", "", false
		}
		if b.Text[m.name:m.nameEnd] != name {
			end = m.value.to
			continue
		}
		if next, ok := list.next(); ok {
			return b.Text[:m.name-1], b.Text[next.name-1:], true
		}
		if end == 0 {
			end = m.name - 1
		}
		return b.Text[:end], b.Text[m.value.to:], list.whole()
	}
}
