// Package wire cuts what a daemon sends into single updates, and finds the
// members of their bodies.
//
// It has a scanner of its own, because every message goes through it and
// encoding/json costs several times as much (see bench). What it accepts as
// JSON is what encoding/json accepts: also invalid UTF-8, which becomes U+FFFD,
// numbers of any size, and at most 10 000 levels. These rules are the
// package's:
//
//   - Names of members are compared exactly. encoding/json takes "Updates" for
//     "updates".
//   - Of a name that stands twice in an object the last one counts, whatever
//     its value. In encoding/json a null would leave the one before.
//   - A value is decoded only when it is asked for: a number that fits no
//     integer, or a string where a list should be, spoils that value and
//     nothing else.
//
// A message in the form that daemons write costs one pass, any other at most two;
// both cost one copy of each update. A message of very many updates is cut piece
// by piece, since they would take a hundred times its size.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Update is one update as it was received.
type Update struct {
	Event string // "" = garbage: no object, or no event name
	Body         // the one copy of it
}

// Frame is one websocket message: updates that belong to one wallet, or to
// the whole chain when Wallet is empty.
type Frame struct {
	Updates  []Update // valid until the next Cut or More; the updates themselves may be kept
	Wallet   []byte   // valid as long as the message
	Currency []byte   // valid as long as the message
}

// Cutter cuts websocket messages, for one goroutine. The zero value is ready.
// It keeps the updates of the last frames until Forget.
type Cutter struct {
	updates []Update // room of the last frame's
	used    int      // of the room, since Forget
	rest    scanner  // of the last frame, where it has more updates; without data it has not
}

// keepUpdates is how many updates a Cutter keeps room for between messages.
const keepUpdates = 64

// An update in memory takes far more than the two bytes of the shortest item of
// a list: a message is cut so many at a time, and of an answer's bad items no
// more than that are kept.
const (
	atOnce      = 512
	mostGarbage = 512
)

// room is an empty list for the updates of a frame.
func (c *Cutter) room() []Update {
	c.used = max(c.used, len(c.updates))
	c.bound()
	if c.updates == nil {
		c.updates = []Update{} // an empty list is not none
	}
	return c.updates[:0]
}

// Forget lets go of the updates of the frames that were cut so far. Doing it for
// each message would cost more than it is worth.
func (c *Cutter) Forget() {
	c.used = max(c.used, len(c.updates))
	c.bound()
	clear(c.updates[:c.used])
	c.updates, c.used = c.updates[:0], 0
	c.rest.data = nil
}

// bound lets go of room for very many.
func (c *Cutter) bound() {
	if cap(c.updates) > keepUpdates {
		c.updates, c.used = nil, 0
	}
}

// ErrFrame says that a message is no frame of a daemon.
var ErrFrame = errors.New("wire: not a frame with a list of updates")

// eventName is what the value of a member "event" names, "" for what is no
// string. It makes no copy of the names that daemons send all the time.
func eventName(raw []byte) string {
	switch string(raw) {
	case `"new_payment"`:
		return "new_payment"
	case `"new_transaction"`:
		return "new_transaction"
	case `"new_block"`:
		return "new_block"
	case `"verified_tx"`:
		return "verified_tx"
	}
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	return decoded(raw)
}

// decoded is what a valid string holds.
func decoded(raw []byte) (text string) {
	_ = json.Unmarshal(raw, &text) // it is valid
	return text
}

// IsObject reports whether raw, a valid JSON value, is an object.
func IsObject(raw []byte) bool {
	raw = bytes.TrimLeft(raw, " \t\r\n")
	return len(raw) > 0 && raw[0] == '{'
}
