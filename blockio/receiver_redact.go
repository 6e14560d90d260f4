package blockio

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// withoutSecrets is an error's text without what authorises the request: a
// Verifier or a handler of somebody else's may quote it.
func (rc *Receiver) withoutSecrets(r *http.Request, err error) string {
	hidden := requestSecrets(r)
	if coin, ok := rc.sink.(interface{ WalletKey() string }); ok {
		hidden.hide(coin.WalletKey())
	}
	// The longest first: one may be a part of another.
	slices.SortFunc(hidden, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return hidden.clean(textOf(err))
}

// secretHeaders are parts of the names of headers that authorise.
var secretHeaders = append([]string{"auth", "cookie"}, secretNames...)

// hideParts adds a header's value, and what may stand in it behind a scheme or
// the name of a parameter. Shorter parts would be ordinary words.
func (s *secrets) hideParts(value string) {
	_, credentials, _ := strings.Cut(value, " ")
	s.hide(value)
	s.hide(credentials)
	for _, part := range strings.FieldsFunc(value, func(c rune) bool { return strings.ContainsRune(` ,;="`, c) }) {
		if len(part) >= 8 {
			s.hide(part)
		}
	}
}

// requestSecrets lists credentials in headers and in the URL, whose path or
// query may be what guards the web hook.
func requestSecrets(r *http.Request) (hidden secrets) {
	user, password, _ := r.BasicAuth()
	hidden.hide(user)
	hidden.hide(password)
	for name, values := range r.Header {
		if !containsAny(strings.ToLower(name), secretHeaders) {
			continue
		}
		for _, value := range values {
			hidden.hideParts(value)
		}
	}
	for _, cookie := range r.Cookies() {
		hidden.hide(cookie.Value)
	}
	hidden.hideURL(r.URL.String())
	return hidden
}

// textOf survives an error whose Error panics, as a typed nil does.
func textOf(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("an error of type %T without text", err)
		}
	}()
	return err.Error()
}
