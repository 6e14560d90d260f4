package blockio

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"unicode/utf8"
)

var (
	errNoSignature    = errors.New("no signature")
	errTwoSignatures  = errors.New("more than one signature")
	errWrongSignature = errors.New("wrong signature")
	errNoSecret       = errors.New("no secret")
	errNotOneObject   = errors.New("not one JSON object")
	errRepeatedMember = errors.New("a member stands twice")
	errNotUTF8        = errors.New("not UTF-8")
	errTooDeep        = errors.New("nested too deeply")
	errTooMany        = errors.New("too many members")
)

// HMAC returns a Verifier for deliveries that were signed by this library's own scheme, for example
// by a relay of yours. It does not check the service's own signatures: how those are computed is
// published nowhere.
//
// The member "signature" of the envelope is the lower-case hexadecimal HMAC-SHA256, under one of
// the secrets, of the body without that member (see [Signature]), or of the same body with its
// members sorted by name at every level and without white space, for a sender that cannot keep the
// bytes. A body with two such members is refused, and so is one with more than 1024 members.
// Several secrets allow a change of secret: the new one and, for a while, the old one. Empty
// secrets are ignored, and without any other everything is refused.
//
// A signature does not expire: whoever has seen a delivery can send it again. That is a repeat for
// as long as the [Seen] remembers it, 32 days in a file, and is handled once more after that. So
// credit by transaction.
func HMAC(secrets ...[]byte) Verifier {
	var keys [][]byte
	for _, secret := range secrets {
		if len(secret) > 0 {
			keys = append(keys, bytes.Clone(secret))
		}
	}
	return VerifierFunc(func(_ context.Context, _ *http.Request, body []byte) (Proof, error) {
		if len(keys) == 0 {
			return Unverified, errNoSecret
		}
		if err := checkSignature(keys, body); err != nil {
			return Unverified, err
		}
		return Signed, nil
	})
}

// Signature returns the value that [HMAC] expects as the member "signature" of body, a JSON object
// that may already have such a member. Only that member is cut out of the body, together with the
// comma and white space that separate it from the member before it, or from the one after it if it
// is the first. Members of that name inside other members are data.
func Signature(secret, body []byte) (string, error) {
	if len(secret) == 0 {
		return "", fmt.Errorf("blockio: signature: %w", errNoSecret)
	}
	rest, _, err := cutSignature(body)
	if err != nil && !errors.Is(err, errNoSignature) {
		return "", fmt.Errorf("blockio: signature: %w", err)
	}
	return sign(secret, rest), nil
}

func checkSignature(secrets [][]byte, body []byte) error {
	rest, raw, err := cutSignature(body)
	if err != nil {
		return err
	}
	var signature string
	if raw[0] != '"' || json.Unmarshal(raw, &signature) != nil {
		return errWrongSignature
	}
	forms := [][]byte{rest}
	if sorted, err := sortedJSON(rest); err == nil && !bytes.Equal(sorted, rest) {
		forms = append(forms, sorted)
	}
	for _, secret := range secrets {
		for _, form := range forms {
			if hmac.Equal([]byte(signature), []byte(sign(secret, form))) {
				return nil
			}
		}
	}
	return errWrongSignature
}

func sign(secret, message []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(message)
	return hex.EncodeToString(mac.Sum(nil))
}

// cutSignature returns body without its member "signature", and that member's
// value. Names are compared decoded: an escaped letter makes no difference to
// who reads the envelope either. With errNoSignature rest is body.
func cutSignature(body []byte) (rest []byte, value json.RawMessage, err error) {
	members, err := spansOf(body)
	if err != nil {
		return nil, nil, err
	}
	at := -1
	for i, m := range members {
		switch {
		case m.name != "signature":
		case at >= 0:
			return nil, nil, errTwoSignatures
		default:
			at = i
		}
	}
	if at < 0 {
		return body, nil, errNoSignature
	}
	from, to := members[at].start, members[at].end
	switch {
	case at > 0:
		from = members[at-1].end + bytes.IndexByte(body[members[at-1].end:], ',')
	case len(members) > 1:
		to = members[1].start
	}
	return slices.Concat(body[:from], body[to:]), members[at].value, nil
}

// span is a member of an object: body[start:end] is its name and value.
type span struct {
	name       string
	value      json.RawMessage
	start, end int
}

// maxMembers is far above what an envelope has. Anybody can send a body, and
// what is kept of a member is many times what it takes there.
const maxMembers = 1024

// spansOf lists the members of a JSON object as they stand, also those whose
// name stands twice.
func spansOf(body []byte) ([]span, error) {
	if !json.Valid(body) {
		return nil, errNotOneObject
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errNotOneObject
	}
	var members []span
	for dec.More() {
		if len(members) == maxMembers {
			return nil, errTooMany
		}
		m := span{start: int(dec.InputOffset())}
		m.start += bytes.IndexByte(body[m.start:], '"')
		name, err := dec.Token()
		if err != nil {
			return nil, errNotOneObject
		}
		m.name, _ = name.(string)
		if err := dec.Decode(&m.value); err != nil {
			return nil, errNotOneObject
		}
		m.end = int(dec.InputOffset())
		members = append(members, m)
	}
	return members, nil
}

// Bounds of the sorting, which copies a value once for every object around it
// and keeps every member of an object, before anything is known about the
// sender. A full block has some 10 000 texts.
const (
	maxSortDepth  = 32
	maxSortTokens = 1 << 16
)

// sortedJSON is a JSON value with sorted members, without white space, and
// with strings escaped no further than JSON needs; numbers keep their digits.
// Bytes that several values could have given are refused.
func sortedJSON(raw []byte) ([]byte, error) {
	if !utf8.Valid(raw) {
		return nil, errNotUTF8
	}
	s := sorter{dec: json.NewDecoder(bytes.NewReader(raw)), left: maxSortTokens}
	s.dec.UseNumber()
	out, err := s.value(nil, maxSortDepth)
	if err != nil {
		return nil, err
	}
	if _, err := s.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotOneObject
	}
	if bytes.ContainsRune(out, utf8.RuneError) && !isUnicode(raw) {
		return nil, errNotUTF8 // half of a pair, escaped, may have become U+FFFD
	}
	return out, nil
}

// sorter writes a value anew. Its methods append to out.
type sorter struct {
	dec  *json.Decoder
	left int // tokens that may still come
}

func (s *sorter) token() (json.Token, error) {
	if s.left--; s.left < 0 {
		return nil, errTooMany
	}
	return s.dec.Token()
}

func (s *sorter) value(out []byte, depth int) ([]byte, error) {
	if depth < 0 {
		return nil, errTooDeep
	}
	token, err := s.token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return s.object(out, depth-1)
	case json.Delim('['):
		return s.array(out, depth-1)
	}
	return appendScalar(out, token)
}

func (s *sorter) object(out []byte, depth int) ([]byte, error) {
	members := map[string][]byte{}
	var names []string
	for s.dec.More() {
		token, err := s.token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		if _, twice := members[name]; twice {
			return nil, errRepeatedMember
		}
		if members[name], err = s.value(nil, depth); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	out = append(out, '{')
	for i, name := range names {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendScalar(out, name); err != nil {
			return nil, err
		}
		out = append(append(out, ':'), members[name]...)
	}
	_, err := s.token() // the closing brace
	return append(out, '}'), err
}

func (s *sorter) array(out []byte, depth int) ([]byte, error) {
	out = append(out, '[')
	for first := true; s.dec.More(); first = false {
		if !first {
			out = append(out, ',')
		}
		var err error
		if out, err = s.value(out, depth); err != nil {
			return nil, err
		}
	}
	_, err := s.token() // the closing bracket
	return append(out, ']'), err
}

// appendScalar writes a string, number, boolean or null. The escapes that are
// for HTML pages would differ from what other languages write.
func appendScalar(out []byte, scalar any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(scalar); err != nil {
		return nil, err
	}
	return append(out, bytes.TrimSuffix(text.Bytes(), []byte{'\n'})...), nil
}
