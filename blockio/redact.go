package blockio

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// writeSafe is what the Format methods of types that hold a secret do: every
// verb prints the same redacted text, since even %d would print a field.
func writeSafe(f fmt.State, text string) { _, _ = io.WriteString(f, text) }

func marshalText(text string) ([]byte, error) { return json.Marshal(text) }

func slogText(text string) slog.Value { return slog.StringValue(text) }

// hiddenURL shows scheme and host of a URL and whether there is more: user
// info, path and query may each be what guards a web hook.
func hiddenURL(raw string) string {
	if raw == "" {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "(URL withheld)"
	}
	shown := u.Scheme + "://"
	if u.User != nil {
		shown += "***@"
	}
	shown += u.Host
	if strings.Trim(u.EscapedPath(), "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		shown += "/***"
	}
	return shown
}

// urlInText finds URLs as they stand in a text: plain, with slashes escaped as
// some JSON encoders do, and percent-encoded, once or more often.
var urlInText = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*(://|:\\/\\/|%(25)*3a(%(25)*2f){2})[^\s"'<>]+`)

// withheld stands for a text that quotes a secret in some other spelling.
const withheld = "(text withheld: it quotes what was sent)"

// secrets are what a call sends and no text may show.
type secrets []string

// hide adds a secret. A very short one would blank out ordinary words.
func (s *secrets) hide(text string) {
	if len(text) >= 4 {
		*s = append(*s, text)
	}
}

// hideURL adds what may guard a web hook.
func (s *secrets) hideURL(raw string) {
	s.hide(raw)
	u, err := url.Parse(raw)
	if err != nil {
		return
	}
	if u.User != nil {
		s.hide(u.User.Username())
		password, _ := u.User.Password()
		s.hide(password)
		s.hide(u.User.String())
	}
	// A path of plain words guards nothing, and hiding it would blank out what
	// the service says of notifications and addresses.
	if path := strings.Trim(u.EscapedPath(), "/"); len(path) >= 16 || strings.ContainsAny(path, "0123456789") {
		s.hide(path)
	}
	s.hide(u.RawQuery)
	for _, values := range u.Query() {
		for _, v := range values {
			s.hide(v)
		}
	}
}

// clean returns the text without the secrets and without what stands behind
// the host of any URL. When it still holds a secret in another spelling, none
// of it is shown.
func (s secrets) clean(text string) string {
	text = urlInText.ReplaceAllStringFunc(text, func(found string) string {
		if !strings.Contains(found, "://") {
			return "(URL withheld)"
		}
		return hiddenURL(found)
	})
	longest := slices.SortedFunc(slices.Values(s), func(a, b string) int { return len(b) - len(a) })
	for _, secret := range longest { // first: it may hold a shorter one
		text = strings.ReplaceAll(text, secret, "***")
	}
	if s.quotedIn(text) {
		return withheld
	}
	return text
}

// quotedIn compares letters and digits alone, so that escapes, quotes and
// spaces make no difference.
func (s secrets) quotedIn(text string) bool {
	spellings := []string{fold(text)}
	for range 3 { // more often than that nobody encodes
		plain, err := url.QueryUnescape(text)
		if err != nil || plain == text {
			break
		}
		spellings, text = append(spellings, fold(plain)), plain
	}
	for _, secret := range s {
		f := fold(secret)
		quotes := func(spelling string) bool { return strings.Contains(spelling, f) }
		if len(f) >= 4 && slices.ContainsFunc(spellings, quotes) {
			return true
		}
	}
	return false
}

func fold(text string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return -1
		}
		return unicode.ToLower(c)
	}, text)
}
