//go:build bitcart_stdjson

package bitcart

import (
	"encoding/json"
	"errors"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// The built-in payloads by encoding/json alone: for measuring what the
// library's own reading of them is worth. Names of members count in any case
// here.

func (p *NewBlock) read(body *wire.Body) error { return named(p.decode([]byte(body.Text))) }

func (p *NewTransaction) read(body *wire.Body) error { return named(p.decode([]byte(body.Text))) }

func (p *NewPayment) read(body *wire.Body) error { return named(p.decode([]byte(body.Text))) }

func (p *VerifiedTx) read(body *wire.Body) error { return named(p.decode([]byte(body.Text))) }

// named says which member an error is about.
func named(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		err = &PayloadError{Field: wrongType.Field, Err: err}
	}
	return err
}

func (p *NewBlock) decode(raw []byte) error {
	var w struct {
		Height *int64 `json:"height"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	return mustHave("height", w.Height, &p.Height)
}

func (p *NewTransaction) decode(raw []byte) error {
	var w struct {
		Tx          *string         `json:"tx"`
		FromAddress string          `json:"from_address"`
		To          string          `json:"to"`
		Amount      json.RawMessage `json:"amount"`
		Contract    string          `json:"contract"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	amount, err := parseAmount(w.Amount)
	if err != nil {
		return &PayloadError{Field: "amount", Err: err}
	}
	p.FromAddress, p.To, p.Amount, p.Contract = w.FromAddress, w.To, amount, w.Contract
	return mustHave("tx", w.Tx, &p.Tx)
}

func (p *NewPayment) decode(raw []byte) error {
	var w struct {
		Address    *string         `json:"address"`
		Status     *RequestStatus  `json:"status"`
		StatusStr  *string         `json:"status_str"`
		TxHashes   []string        `json:"tx_hashes"`
		SentAmount json.RawMessage `json:"sent_amount"`
		Contract   string          `json:"contract"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	sent, err := parseAmount(w.SentAmount)
	if err != nil {
		return &PayloadError{Field: "sent_amount", Err: err}
	}
	p.TxHashes, p.SentAmount, p.Contract = w.TxHashes, sent, w.Contract
	return errors.Join(
		mustHave("address", w.Address, &p.Address),
		mustHave("status", w.Status, &p.Status),
		mustHave("status_str", w.StatusStr, &p.StatusStr))
}

func (p *VerifiedTx) decode(raw []byte) error {
	var w struct {
		Tx     *string `json:"tx"`
		Height *int64  `json:"height"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	return errors.Join(mustHave("tx", w.Tx, &p.Tx), mustHave("height", w.Height, &p.Height))
}

func mustHave[T any](name string, value *T, field *T) error {
	if value == nil {
		return &PayloadError{Field: name, Err: ErrMissingMember}
	}
	*field = *value
	return nil
}
