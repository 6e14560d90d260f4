package bitcart

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// walletName names a wallet in logs and texts, where its key, which may be a
// seed, must not show. "" for no wallet.
func walletName(key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(key))
	return "wallet#" + hex.EncodeToString(sum[:4])
}

// writeSafe is what the Format methods of types that hold a secret do: every
// verb prints the same redacted text, since even %d would print a field.
func writeSafe(f fmt.State, text string) {
	_, _ = io.WriteString(f, text)
}

// withheld stands for a text that quotes a secret in some other spelling.
const withheld = "(text withheld: it quotes what was sent)"

// redactor knows the secrets of one call and what stands for each in a text.
type redactor []secret

type secret struct{ text, name string }

// hide adds a secret. A very short one would blank out ordinary words.
func (r *redactor) hide(text, name string) {
	if len(text) >= 4 {
		*r = append(*r, secret{text, name})
	}
}

// apply replaces the secrets in a daemon's text. When the text still holds one
// in another spelling (escaped, percent-encoded, a seed's words by themselves),
// none of it is shown: the error's name and code say what happened.
func (r redactor) apply(text string) string {
	longestFirst := func(a, b secret) int { return cmp.Compare(len(b.text), len(a.text)) }
	for _, s := range slices.SortedStableFunc(slices.Values(r), longestFirst) { // a token wallet's key begins with its xpub
		text = strings.ReplaceAll(text, s.text, s.name)
	}
	return text
}

// clean is apply and, where that is not enough, nothing.
func (r redactor) clean(text string) string {
	safe := r.apply(text)
	if r.quotedIn(safe) {
		return withheld
	}
	return safe
}

// quotedIn reports whether text holds a secret in any common spelling.
func (r redactor) quotedIn(text string) bool {
	text = unescapePercent(text)
	folded := fold(text)
	words := map[string]bool{}
	for _, w := range strings.FieldsFunc(strings.ToLower(text), notLetterOrDigit) {
		words[w] = true
	}
	for _, s := range r {
		if f := fold(s.text); len(f) >= 4 && strings.Contains(folded, f) || escapedIn(folded, s.text) {
			return true
		}
		parts := strings.Fields(s.text)
		if len(parts) < 2 {
			continue
		}
		for _, w := range parts {
			if len(w) >= 3 && (words[strings.ToLower(w)] || escapedIn(folded, w)) {
				return true
			}
		}
	}
	return false
}

// escapedIn reports whether a folded text holds a secret whose letters beyond
// ASCII are escaped.
func escapedIn(folded, text string) bool {
	for _, escape := range [...]func(rune) string{escapeUTF16, escapeRune, escapeBytes} {
		if f := escaped(text, escape); f != "" && strings.Contains(folded, f) {
			return true
		}
	}
	return false
}

// escaped is a text whose letters beyond ASCII are escaped, folded; "" for one
// without such letters.
func escaped(text string, escape func(rune) string) string {
	var b strings.Builder
	found := false
	for _, c := range text {
		if c < utf8.RuneSelf {
			b.WriteRune(c)
			continue
		}
		found = true
		b.WriteString(escape(c))
	}
	if !found {
		return ""
	}
	return fold(b.String())
}

// escapeUTF16 is what encoders of JSON write, Python's above all.
func escapeUTF16(c rune) string {
	var text string
	for _, unit := range utf16.AppendRune(nil, c) {
		text += fmt.Sprintf("u%04x", unit)
	}
	return text
}

// escapeRune is what Python writes of a text.
func escapeRune(c rune) string {
	switch {
	case c <= 0xff:
		return fmt.Sprintf("x%02x", c)
	case c <= 0xffff:
		return fmt.Sprintf("u%04x", c)
	}
	return fmt.Sprintf("U%08x", c)
}

// escapeBytes is what Python writes of bytes.
func escapeBytes(c rune) string {
	var text string
	for _, b := range []byte(string(c)) {
		text += fmt.Sprintf("x%02x", b)
	}
	return text
}

// fold keeps letters and digits in lower case, so that spaces, quotes and
// escapes make no difference.
func fold(text string) string {
	return strings.Map(func(c rune) rune {
		if notLetterOrDigit(c) {
			return -1
		}
		return unicode.ToLower(c)
	}, text)
}

func notLetterOrDigit(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }

// unescapePercent decodes %XX and + where they stand, and leaves the rest.
func unescapePercent(text string) string {
	if !strings.ContainsAny(text, "%+") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '+':
			b.WriteByte(' ')
		case text[i] == '%' && i+2 < len(text):
			if c, err := hex.DecodeString(text[i+1 : i+3]); err == nil {
				b.WriteByte(c[0])
				i += 2
				continue
			}
			b.WriteByte('%')
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}
