//go:build !bitcart_stdjson

package bitcart

import (
	"encoding/json"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// The library's own payloads are read without reflection. A value that is not
// written as daemons write it goes to encoding/json, so that it means what it
// means there.

var (
	blockMembers       = []string{"height"}
	transactionMembers = []string{"tx", "from_address", "to", "amount", "contract"}
	paymentMembers     = []string{"address", "status", "status_str", "tx_hashes", "sent_amount", "contract"}
	verifiedMembers    = []string{"tx", "height"}
)

func readNewBlock(raw []byte) (NewBlock, error) {
	var v [1]wire.Value
	r := readBody(raw, blockMembers, v[:])
	p := NewBlock{Height: r.integer("height", v[0])}
	return p, r.err
}

func readNewTransaction(raw []byte) (NewTransaction, error) {
	var v [5]wire.Value
	r := readBody(raw, transactionMembers, v[:])
	p := NewTransaction{
		Tx:          r.requiredText("tx", v[0]),
		FromAddress: r.text("from_address", v[1]),
		To:          r.text("to", v[2]),
		Amount:      r.amount("amount", v[3]),
		Contract:    r.text("contract", v[4]),
	}
	return p, r.err
}

func readNewPayment(raw []byte) (NewPayment, error) {
	var v [6]wire.Value
	r := readBody(raw, paymentMembers, v[:])
	p := NewPayment{
		Address:    r.requiredText("address", v[0]),
		Status:     r.status("status", v[1]),
		StatusStr:  r.requiredText("status_str", v[2]),
		TxHashes:   r.texts("tx_hashes", v[3]),
		SentAmount: r.amount("sent_amount", v[4]),
		Contract:   r.text("contract", v[5]),
	}
	return p, r.err
}

func readVerifiedTx(raw []byte) (VerifiedTx, error) {
	var v [2]wire.Value
	r := readBody(raw, verifiedMembers, v[:])
	p := VerifiedTx{
		Tx:     r.requiredText("tx", v[0]),
		Height: r.integer("height", v[1]),
	}
	return p, r.err
}

// bodyReader reads the members of one update and keeps the first error.
type bodyReader struct {
	raw []byte
	// shared is the update, as the one copy of which its texts are parts. It
	// is "" for a long one: a caller who keeps a hash should not keep that.
	shared string
	err    error
}

const shareLimit = 1 << 10

// readBody finds the named members of an update.
func readBody(raw []byte, names []string, values []wire.Value) (r bodyReader) {
	r.raw = raw
	if !wire.Find(raw, names, values) {
		r.err = errNoObject
		if !json.Valid(raw) {
			r.err = json.Unmarshal(raw, new(any)) // says where
		}
		return r
	}
	if len(raw) <= shareLimit {
		r.shared = string(raw)
	}
	return r
}

func (r *bodyReader) fail(member string, err error) {
	if r.err == nil {
		r.err = &PayloadError{Field: member, Err: err}
	}
}

// missing: a member that has to be there is not.
func (r *bodyReader) missing(member string, v wire.Value) bool {
	if v.Absent() {
		r.fail(member, ErrMissingMember)
		return true
	}
	return false
}

func (r *bodyReader) requiredText(member string, v wire.Value) string {
	if r.missing(member, v) {
		return ""
	}
	return r.text(member, v)
}

func (r *bodyReader) text(member string, v wire.Value) string {
	if v.Absent() {
		return ""
	}
	from, to, ok := v.Plain(r.raw)
	switch {
	case !ok:
		return readJSON[string](r, member, v)
	case r.shared == "":
		return string(r.raw[from:to])
	}
	return r.shared[from:to]
}

func (r *bodyReader) texts(member string, v wire.Value) []string {
	if v.Absent() {
		return nil
	}
	var room [4]wire.Value
	items, ok := v.List(r.raw, room[:0])
	if !ok {
		return readJSON[[]string](r, member, v)
	}
	list := make([]string, len(items))
	for i, item := range items {
		list[i] = r.text(member, item)
	}
	return list
}

// integer reads a member that has to be there.
func (r *bodyReader) integer(member string, v wire.Value) int64 {
	if r.missing(member, v) {
		return 0
	}
	if n, ok := v.Int(r.raw); ok {
		return n
	}
	return readJSON[int64](r, member, v)
}

// status reads a member that has to be there.
func (r *bodyReader) status(member string, v wire.Value) RequestStatus {
	if r.missing(member, v) {
		return 0
	}
	if n, ok := v.Int(r.raw); ok && int64(int(n)) == n {
		return RequestStatus(n)
	}
	return readJSON[RequestStatus](r, member, v)
}

func (r *bodyReader) amount(member string, v wire.Value) decimal.NullDecimal {
	if v.Absent() {
		return decimal.NullDecimal{}
	}
	amount, err := readAmount(v, r.raw)
	if err != nil {
		r.fail(member, err)
	}
	return amount
}

// readJSON reads a value as encoding/json does.
func readJSON[T any](r *bodyReader, member string, v wire.Value) T {
	var value, zero T
	if err := json.Unmarshal(v.Raw(r.raw), &value); err != nil {
		r.fail(member, err)
		return zero
	}
	return value
}
