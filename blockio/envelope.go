package blockio

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/internal/wire"
)

// eventPing is the service's test of a web hook's URL, and its sign of life on
// a web socket. It is not an event.
const eventPing = "ping"

// envelope is what the service posts to a web hook. A message of the web
// socket is one with Type and Data alone.
type envelope struct {
	EventID        string // "" on most deliveries: the service documents it, and leaves it out
	NotificationID string
	Attempt        int // from 1; 0 = not said, or not in a number
	Type           string
	Data           json.RawMessage // an object; nil for a ping
	CreatedAt      time.Time       // zero = not said, or not as a time
	Signature      string          // "" on most deliveries, like EventID
	created        string          // the canonical form of a created_at that is no time
}

var (
	errNoType = errors.New("no type")
	errForged = errors.New("the type is an event of daemons")
	errNoData = errors.New("no data object")
)

// parseEnvelope decodes a delivery. Names of members are compared exactly, and
// of a name that stands twice the last one counts. Data shares no memory with
// body, and what is no member of an envelope takes none: anybody can send a
// body. The error's text quotes nothing of it.
func parseEnvelope(body []byte) (envelope, error) {
	members, ok := wire.Members(body, "event_id", "notification_id", "delivery_attempt", "type", "data", "created_at", "signature")
	if !ok {
		return envelope{}, errNoObject
	}
	var e envelope
	if raw := members["type"]; absent(raw) || json.Unmarshal(raw, &e.Type) != nil || e.Type == "" {
		return envelope{}, errNoType
	}
	if e.Type == eventPing {
		return e, nil // whatever else it has: nothing of it is used
	}
	if err := cmp.Or(
		member("event_id", readText(members["event_id"], &e.EventID)),
		member("notification_id", readText(members["notification_id"], &e.NotificationID)),
	); err != nil {
		return envelope{}, err
	}
	// These only inform: no reason to refuse a payment.
	_ = readInt(members["delivery_attempt"], &e.Attempt)
	_ = readText(members["signature"], &e.Signature)
	if created := members["created_at"]; readTime(created, &e.CreatedAt) != nil {
		e.created = string(canonical(created)) // it still tells events apart
	}
	if !isObject(members["data"]) {
		return envelope{}, errNoData
	}
	e.Data = bytes.Clone(members["data"])
	return e, nil
}

// isObject looks at a valid JSON value, or none.
func isObject(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && raw[0] == '{'
}

// isPlainID: a foreign id must not fill the store of keys, or write control
// characters into a log. Another one is digested.
func isPlainID(id string) bool {
	unprintable := func(c rune) bool { return c <= ' ' || c > '~' }
	return id != "" && len(id) <= 200 && !strings.ContainsFunc(id, unprintable)
}

// dedupKey names one event over all attempts at delivering it: its id, or else
// a digest of what is the same in each of them. It is short and printable.
//
// The notification and the attempt would not do: two payments are both
// attempt 1 of one notification, and a retry is attempt 2.
func (e envelope) dedupKey() string {
	if isPlainID(e.EventID) {
		return "event:" + e.EventID
	}
	h := sha256.New()
	created := ""
	switch {
	case e.created != "":
		created = "text:" + e.created
	case !e.CreatedAt.IsZero():
		created = strconv.FormatInt(e.CreatedAt.UnixNano(), 10)
	}
	for _, part := range []string{e.EventID, e.NotificationID, e.Type, created} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	writeCanonical(h, e.Data)
	return "digest:" + hex.EncodeToString(h.Sum(nil))
}

// isUnicode is false for a JSON text of which decoding replaces something: bytes
// that are no UTF-8, and escaped halves of a pair, which any escape that begins
// like one is taken for.
func isUnicode(raw []byte) bool {
	return utf8.Valid(raw) && !bytes.Contains(bytes.ToLower(raw), []byte(`\ud`))
}

// updateOf is the update of an event, whose Raw is its data as received, from
// the network and the address that the data names. data is a valid JSON value.
func updateOf(typ string, data json.RawMessage, src bitcart.Source) (bitcart.Update, error) {
	if typ == "" || typ == eventPing {
		return bitcart.Update{}, errNoType
	}
	switch typ {
	case bitcart.EventNewPayment, bitcart.EventNewTransaction, bitcart.EventNewBlock, bitcart.EventVerifiedTx:
		return bitcart.Update{}, errForged // a daemon's handlers ask for no proof
	}
	if !isObject(data) {
		return bitcart.Update{}, errNoData
	}
	network, address := origin(typ, data)
	return bitcart.UpdateOf(typ, data).From(network, address, src), nil
}

// origin reads where an event comes from. What is no string is "": the payload
// reports it to the handler.
func origin(typ string, data json.RawMessage) (network, address string) {
	var w struct {
		Network json.RawMessage `json:"network"`
		Address json.RawMessage `json:"address"`
	}
	_ = json.Unmarshal(data, &w)
	_ = json.Unmarshal(w.Network, &network)
	if typ != EventNewBlocks {
		_ = json.Unmarshal(w.Address, &address)
	}
	return network, address
}
