package blockio

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/bitcart-go/bitcart"
)

// SubjectOf returns the subject of an event of this package, see
// [AddressEvent.Subject]: a key under which to store what was done at that
// number of confirmations. It is "" for other events, and for an event whose
// data cannot be read.
func SubjectOf(ev *bitcart.Event) string {
	if ev == nil {
		return ""
	}
	return subjectOf(ev.Name, ev.Raw())
}

// subjectOf is SubjectOf for an event's type and data. It reads no member that
// an event of the other type has: what the service may write there is no part of
// the fact, and must not spoil its subject.
func subjectOf(typ string, data json.RawMessage) string {
	switch typ {
	case EventAddress:
		var w struct {
			Network       string          `json:"network"`
			Address       string          `json:"address"`
			TxID          string          `json:"txid"`
			Confirmations json.RawMessage `json:"confirmations"`
		}
		if n := 0; json.Unmarshal(data, &w) == nil && countedIn(w.Confirmations, &n) {
			return addressSubject(w.Network, w.Address, w.TxID, n)
		}
	case EventNewBlocks:
		var w struct {
			Network       string          `json:"network"`
			BlockHash     string          `json:"block_hash"`
			Confirmations json.RawMessage `json:"confirmations"`
		}
		if n := 0; json.Unmarshal(data, &w) == nil && countedIn(w.Confirmations, &n) {
			return blockSubject(w.Network, w.BlockHash, n)
		}
	}
	return ""
}

// countedIn reads a count that has to be there.
func countedIn(raw json.RawMessage, n *int) bool { return !absent(raw) && readInt(raw, n) == nil }

func addressSubject(network, address, txid string, confirmations int) string {
	return subject(EventAddress, strings.ToUpper(network), foldAddress(address), strings.ToLower(txid), strconv.Itoa(confirmations))
}

func blockSubject(network, hash string, confirmations int) string {
	return subject(EventNewBlocks, strings.ToUpper(network), strings.ToLower(hash), strconv.Itoa(confirmations))
}

// maxSubject keeps a foreign text from filling a table of keys.
const maxSubject = 250

// subject joins parts so that no other parts give the same text.
func subject(parts ...string) string {
	for i, part := range parts {
		if part == "" {
			return ""
		}
		parts[i] = url.PathEscape(part)
	}
	joined := strings.Join(parts, "/")
	if len(joined) > maxSubject {
		sum := sha256.Sum256([]byte(joined))
		return parts[0] + "/digest:" + hex.EncodeToString(sum[:])
	}
	return joined
}

// foldAddress makes spellings of one address equal: the case of hexadecimal
// ones is a checksum, and bech32 allows all upper case. In other addresses
// case matters.
func foldAddress(address string) string {
	lower := strings.ToLower(address)
	hex, isHex := strings.CutPrefix(lower, "0x")
	switch {
	case isHex && strings.Trim(hex, "0123456789abcdef") == "":
		return lower
	case address == strings.ToUpper(address) && isBech32(lower):
		return lower
	}
	return address
}

// isBech32 looks at the prefixes of the networks that the service has.
func isBech32(lower string) bool {
	for _, prefix := range []string{"bc1", "tb1", "ltc1", "tltc1"} {
		if strings.HasPrefix(lower, prefix) {
			return true
		}
	}
	return false
}
