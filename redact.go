package bitcart

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
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

// redactor replaces the secrets of one call in a daemon's text.
type redactor []string // old, new, old, new, ...

// hide adds a secret; a very short one would blank out ordinary words.
func (r *redactor) hide(secret, name string) {
	if len(secret) >= 4 {
		*r = append(*r, secret, name)
	}
}

// apply puts longer secrets first: a token wallet's key begins with its xpub.
func (r redactor) apply(text string) string {
	for len(r) > 0 {
		longest := 0
		for i := 0; i < len(r); i += 2 {
			if len(r[i]) > len(r[longest]) {
				longest = i
			}
		}
		text = strings.ReplaceAll(text, r[longest], r[longest+1])
		rest := append(redactor{}, r[:longest]...)
		r = append(rest, r[longest+2:]...)
	}
	return text
}
