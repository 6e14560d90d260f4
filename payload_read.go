//go:build !bitcart_stdjson

package bitcart

import (
	"strings"

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

func (p *NewBlock) read(body *wire.Body) error {
	var v [1]wire.Value
	r := readBody(body, blockMembers, v[:])
	p.Height = r.integer("height", v[0])
	return r.err
}

func (p *NewTransaction) read(body *wire.Body) error {
	var v [5]wire.Value
	r := readBody(body, transactionMembers, v[:])
	p.Tx = r.requiredText("tx", v[0])
	p.FromAddress = r.text("from_address", v[1])
	p.To = r.text("to", v[2])
	p.Amount = r.amount("amount", v[3])
	p.Contract = r.text("contract", v[4])
	return r.err
}

func (p *NewPayment) read(body *wire.Body) error {
	var v [6]wire.Value
	r := readBody(body, paymentMembers, v[:])
	p.Address = r.requiredText("address", v[0])
	p.Status = r.status("status", v[1])
	p.StatusStr = r.requiredText("status_str", v[2])
	p.TxHashes = r.texts("tx_hashes", v[3])
	p.SentAmount = r.amount("sent_amount", v[4])
	p.Contract = r.text("contract", v[5])
	return r.err
}

func (p *VerifiedTx) read(body *wire.Body) error {
	var v [2]wire.Value
	r := readBody(body, verifiedMembers, v[:])
	p.Tx = r.requiredText("tx", v[0])
	p.Height = r.integer("height", v[1])
	return r.err
}

// bodyReader reads the members of one update and keeps the first error.
type bodyReader struct {
	update string
	err    error
}

// shareLimit is how long an update may be of which the texts of its payload are
// parts: a caller who keeps a hash should not keep a long one.
const shareLimit = 1 << 10

// readBody finds the named members of an update.
func readBody(body *wire.Body, names []string, values []wire.Value) (r bodyReader) {
	r.update = body.Text
	if !body.Find(names, values) {
		r.err = errNoObject
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
	if v.Absent(r.update) {
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
	if v.Absent(r.update) {
		return ""
	}
	text, err := readText(v, r.update)
	if err != nil {
		r.fail(member, err)
	}
	if len(r.update) > shareLimit {
		return strings.Clone(text)
	}
	return text
}

func (r *bodyReader) texts(member string, v wire.Value) []string {
	if v.Absent(r.update) {
		return nil
	}
	var room [4]wire.Value
	items, ok := v.List(r.update, room[:0])
	if !ok {
		return decodeAs[[]string](r, member, v)
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
	if n, ok := v.Int(r.update); ok {
		return n
	}
	return decodeAs[int64](r, member, v)
}

// status reads a member that has to be there.
func (r *bodyReader) status(member string, v wire.Value) RequestStatus {
	if r.missing(member, v) {
		return 0
	}
	if n, ok := v.Int(r.update); ok && int64(int(n)) == n {
		return RequestStatus(n)
	}
	return decodeAs[RequestStatus](r, member, v)
}

func (r *bodyReader) amount(member string, v wire.Value) decimal.NullDecimal {
	if v.Absent(r.update) {
		return decimal.NullDecimal{}
	}
	amount, err := readAmount(v, r.update)
	if err != nil {
		r.fail(member, err)
	}
	return amount
}

// decodeAs reads a value as encoding/json does.
func decodeAs[T any](r *bodyReader, member string, v wire.Value) T {
	value, err := readJSON[T](v, r.update)
	if err != nil {
		r.fail(member, err)
	}
	return value
}
