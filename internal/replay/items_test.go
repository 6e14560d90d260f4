package replay

import (
	"strings"
	"unicode"
)

// items makes a sequence from a text: each letter or digit is an item. Digits
// are chain-wide. An upper-case letter is the update of the lower-case one
// after the daemon has changed it in place.
func items(text string) []Item {
	var list []Item
	for _, r := range text {
		key := Of(string(unicode.ToLower(r)))
		list = append(list, Item{Bytes: Of(string(r)), Key: key, Chain: unicode.IsDigit(r)})
	}
	return list
}

// woven is what is handed over: held text with what was missed put in, the
// latter in brackets.
func woven(held, answer string, missed []Missed) string {
	var b strings.Builder
	from := 0
	for _, m := range missed {
		b.WriteString(held[from:m.Before])
		b.WriteString("[" + answer[m.Index:m.Index+1] + "]")
		from = m.Before
	}
	return strings.ReplaceAll(b.String()+held[from:], "][", "")
}
