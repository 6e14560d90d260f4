package blockio

import (
	"cmp"
	"encoding/json"
	"errors"
	"time"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart"
)

// Names of the events, which are the service's own. Notifications of type
// account send EventAddress.
const (
	EventAddress   = "address"    // [AddressEvent]
	EventNewBlocks = "new-blocks" // [NewBlocksEvent]
)

// AddressEvent is the payload of EventAddress: a transaction has changed the
// balance of an address, or that transaction has more confirmations. The same
// change is reported once for each number in [AddressConfirmations]: credit by
// TxID and Address, not per event.
//
// The amounts are in coins, exact to the last place. Members that the service
// may add later are in the event's Raw and Fields.
type AddressEvent struct {
	Network        string          `json:"network"` // "BTC", "BTCTEST"
	Address        string          `json:"address"`
	BalanceChange  decimal.Decimal `json:"balance_change"` // AmountReceived minus AmountSent; negative if the address has paid
	AmountSent     decimal.Decimal `json:"amount_sent"`
	AmountReceived decimal.Decimal `json:"amount_received"`
	TxID           string          `json:"txid"`
	Confirmations  int             `json:"confirmations"`
	IsGreen        bool            `json:"is_green,omitempty"` // legacy; the service says to ignore it
}

// EventName returns EventAddress.
func (AddressEvent) EventName() string { return EventAddress }

// Subject returns a key for the fact that the event reports. It is the same for
// every notification, delivery and socket that reports the fact, and differs
// for each number of confirmations. It is "" if a member that it needs is
// empty.
func (e AddressEvent) Subject() string {
	return addressSubject(e.Network, e.Address, e.TxID, e.Confirmations)
}

// Final reports whether the transaction has the highest number of confirmations
// that the service reports on this network, so that no further event follows.
// It is false for an unknown network.
func (e AddressEvent) Final() bool {
	return reachesLast(AddressConfirmations(e.Network), e.Confirmations)
}

// MarshalJSON encodes the event as the service does, amounts as text.
func (e AddressEvent) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Network        string `json:"network"`
		Address        string `json:"address"`
		BalanceChange  string `json:"balance_change"`
		AmountSent     string `json:"amount_sent"`
		AmountReceived string `json:"amount_received"`
		TxID           string `json:"txid"`
		Confirmations  int    `json:"confirmations"`
		IsGreen        bool   `json:"is_green"`
	}{
		e.Network, e.Address, amountText(e.BalanceChange), amountText(e.AmountSent), amountText(e.AmountReceived),
		e.TxID, e.Confirmations, e.IsGreen,
	})
}

// UnmarshalJSON decodes the event's data. Members that are absent or null
// leave their field as it is; bitcart.PayloadOf reports them instead. An
// is_green of any form is taken: it must not keep a payment back.
func (e *AddressEvent) UnmarshalJSON(data []byte) error {
	var w struct {
		Network        *string         `json:"network"`
		Address        *string         `json:"address"`
		BalanceChange  json.RawMessage `json:"balance_change"`
		AmountSent     json.RawMessage `json:"amount_sent"`
		AmountReceived json.RawMessage `json:"amount_received"`
		TxID           *string         `json:"txid"`
		Confirmations  json.RawMessage `json:"confirmations"`
		IsGreen        json.RawMessage `json:"is_green"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	next := *e
	set(&next.Network, w.Network)
	set(&next.Address, w.Address)
	set(&next.TxID, w.TxID)
	_ = readBool(w.IsGreen, &next.IsGreen) // legacy: no reason to refuse a payment
	if err := cmp.Or(
		member("balance_change", readDecimal(w.BalanceChange, &next.BalanceChange)),
		member("amount_sent", readDecimal(w.AmountSent, &next.AmountSent)),
		member("amount_received", readDecimal(w.AmountReceived, &next.AmountReceived)),
		member("confirmations", readInt(w.Confirmations, &next.Confirmations)),
	); err != nil {
		return wrongPayload(EventAddress, err)
	}
	*e = next
	return nil
}

// NewBlocksEvent is the payload of EventNewBlocks: a block was mined, or has
// reached one of the further numbers of [BlockConfirmations]. Only the members
// that every chain has are required; the others are zero where the service
// leaves them out.
type NewBlocksEvent struct {
	Network           string          `json:"network"`
	BlockHash         string          `json:"block_hash"`
	PreviousBlockHash string          `json:"previous_block_hash,omitempty"`
	BlockNo           int64           `json:"block_no"` // the height
	Confirmations     int             `json:"confirmations"`
	MerkleRoot        string          `json:"merkle_root,omitempty"`
	Time              time.Time       `json:"time,omitzero"`       // of the block's header, in UTC
	Nonce             uint64          `json:"nonce,omitempty"`     // number, or text in decimal or 0x hex
	Difficulty        decimal.Decimal `json:"difficulty,omitzero"` // exact
	TxIDs             []string        `json:"txs,omitempty"`       // every transaction of the block
}

// EventName returns EventNewBlocks.
func (NewBlocksEvent) EventName() string { return EventNewBlocks }

// Subject returns a key for the fact that the event reports; see
// [AddressEvent.Subject].
func (e NewBlocksEvent) Subject() string {
	return blockSubject(e.Network, e.BlockHash, e.Confirmations)
}

// Final reports whether the block has the highest number of confirmations that
// the service reports, so that no further event follows. It is false for an
// unknown network.
func (e NewBlocksEvent) Final() bool {
	return reachesLast(BlockConfirmations(e.Network), e.Confirmations)
}

// newBlocksWire is the event as the service writes it.
type newBlocksWire struct {
	Network           *string         `json:"network"`
	BlockHash         *string         `json:"block_hash"`
	PreviousBlockHash *string         `json:"previous_block_hash"`
	BlockNo           json.RawMessage `json:"block_no"`
	Confirmations     json.RawMessage `json:"confirmations"`
	MerkleRoot        *string         `json:"merkle_root"`
	Time              json.RawMessage `json:"time"`
	Nonce             json.RawMessage `json:"nonce"`
	Difficulty        json.RawMessage `json:"difficulty"`
	TxIDs             []string        `json:"txs"`
}

// MarshalJSON encodes the event as the service does: time in seconds,
// difficulty as text.
func (e NewBlocksEvent) MarshalJSON() ([]byte, error) {
	var seconds int64
	if !e.Time.IsZero() {
		seconds = e.Time.Unix()
	}
	txs := e.TxIDs
	if txs == nil {
		txs = []string{}
	}
	return json.Marshal(struct {
		Network           string   `json:"network"`
		BlockHash         string   `json:"block_hash"`
		PreviousBlockHash string   `json:"previous_block_hash"`
		BlockNo           int64    `json:"block_no"`
		Confirmations     int      `json:"confirmations"`
		MerkleRoot        string   `json:"merkle_root"`
		Time              int64    `json:"time"`
		Nonce             uint64   `json:"nonce"`
		Difficulty        string   `json:"difficulty"`
		TxIDs             []string `json:"txs"`
	}{
		e.Network, e.BlockHash, e.PreviousBlockHash, e.BlockNo, e.Confirmations, e.MerkleRoot,
		seconds, e.Nonce, amountText(e.Difficulty), txs,
	})
}

// UnmarshalJSON decodes the event's data, see [AddressEvent.UnmarshalJSON].
func (e *NewBlocksEvent) UnmarshalJSON(data []byte) error {
	var w newBlocksWire
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	next := *e
	set(&next.Network, w.Network)
	set(&next.BlockHash, w.BlockHash)
	set(&next.PreviousBlockHash, w.PreviousBlockHash)
	set(&next.MerkleRoot, w.MerkleRoot)
	if w.TxIDs != nil {
		next.TxIDs = w.TxIDs
	}
	if err := cmp.Or(
		member("block_no", readInt(w.BlockNo, &next.BlockNo)),
		member("confirmations", readInt(w.Confirmations, &next.Confirmations)),
		member("time", readTime(w.Time, &next.Time)),
		member("nonce", readNonce(w.Nonce, &next.Nonce)),
		member("difficulty", readDecimal(w.Difficulty, &next.Difficulty)),
	); err != nil {
		return wrongPayload(EventNewBlocks, err)
	}
	*e = next
	return nil
}

// set takes a member that was there and not null.
func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// member names the member that could not be read; nil for no error, so that
// cmp.Or finds the first one.
func member(name string, err error) *memberError {
	if err == nil {
		return nil
	}
	return &memberError{name, err}
}

// memberError is a member of an object that cannot be read. Its text quotes
// no value.
type memberError struct {
	name string
	err  error
}

func (e *memberError) Error() string { return "member \"" + e.name + "\": " + e.err.Error() }

func (e *memberError) Unwrap() error { return e.err }

// wrongPayload is the error that the event system has for such a member.
func wrongPayload(event string, e *memberError) error {
	return &bitcart.PayloadError{Event: event, Field: e.name, Err: e.err}
}

var errNoObject = errors.New("not a JSON object")
