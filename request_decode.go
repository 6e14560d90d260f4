package bitcart

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// decodeRequest reads what a daemon answers for one payment request or lightning invoice (protocol
// sections 7, 8, 9.3, 9.5 and 9.13).
func (c *Coin) decodeRequest(raw json.RawMessage) (*Request, error) {
	cur, o := c.d.cur, readObject(raw)
	d := cur.dialect
	r := &Request{
		Key:              o.required(d.keyOf(o)),
		Address:          o.text("address"),
		URI:              o.text("URI"),
		Description:      o.text(d.descriptionField),
		TxHashes:         o.texts("tx_hashes"),
		SentAmount:       o.amount("sent_amount"),
		Confirmations:    max(0, o.count("confirmations")),
		Created:          o.time(d.createdField),
		Payer:            o.text("payment_address"),
		RHash:            o.text("rhash"),
		LightningInvoice: o.text("lightning_invoice"),
		Contract:         c.contractOf(o),
		Raw:              raw,
	}
	r.Status, r.StatusStr = o.status()
	r.Amount, r.Symbol = cur.requestAmount(o, r.Contract != "")
	r.ExpiresAt = d.expiry(o, r.Created)
	if o.err != nil {
		return nil, o.err
	}
	return r, nil
}

// keyOf is the member that reads the request back. An invoice has no address on any daemon.
func (d *dialect) keyOf(o *object) string {
	if !o.has(d.keyField) && o.has("rhash") {
		return "rhash"
	}
	return d.keyField
}

// contractOf: only BCH names the token in its answer.
func (c *Coin) contractOf(o *object) string {
	if category := o.text("category_id"); category != "" {
		return category
	}
	return c.wallet.Contract
}

// requestAmount reads the amount in coins or tokens, and what it is counted in. Its member has the
// symbol in its name, which for a token only the daemon knows.
func (cur *currency) requestAmount(o *object, token bool) (decimal.NullDecimal, string) {
	name, symbol := cur.amountMember(o, token)
	var amount decimal.NullDecimal
	switch {
	case name != "":
		amount = o.amount(name)
	case !token && cur.UnitKey != "":
		amount = o.units(cur.UnitKey, cur.Decimals)
	}
	if cur.dialect.zeroIsNone && amount.Decimal.IsZero() {
		amount = decimal.NullDecimal{}
	}
	return amount, symbol
}

func (cur *currency) amountMember(o *object, token bool) (name, symbol string) {
	head, tail, _ := strings.Cut(cur.dialect.amountField, "%s")
	own := head + cur.Symbol + tail
	if !token && o.has(own) {
		return own, cur.Symbol
	}
	var names []string
	for name := range o.members {
		if strings.HasPrefix(name, head) && strings.HasSuffix(name, tail) && !isUnitKey(cur, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if name != own {
			return name, name[len(head) : len(name)-len(tail)]
		}
	}
	if len(names) > 0 {
		return own, cur.Symbol
	}
	if token {
		return "", "" // the coin's symbol would make coins of tokens
	}
	return "", cur.Symbol
}

// isUnitKey: amounts in a smallest unit stand beside the one in coins, as amount_sat and
// amount_msat do. Symbols are in upper case there.
func isUnitKey(cur *currency, name string) bool {
	unit, ok := strings.CutPrefix(name, "amount_")
	return name == cur.UnitKey || ok && unit != strings.ToUpper(unit)
}

// statusTexts are the texts of daemons that send no code, in lower case (protocol section 7).
var statusTexts = map[string]RequestStatus{
	"pending": StatusUnpaid, "unpaid": StatusUnpaid, "expired": StatusExpired, "unknown": StatusUnknown,
	"paid": StatusPaid, "in progress": StatusInFlight, "failed": StatusFailed, "computing route...": StatusRouting,
	"unconfirmed": StatusUnconfirmed, "broadcasting": StatusBroadcasting, "broadcast successfully": StatusBroadcast,
}

// status reads a code or a text. What is neither known nor there is StatusUnknown: its zero value
// would say that nothing was paid.
func (o *object) status() (RequestStatus, string) {
	raw, shown := o.get("status"), o.text("status_str")
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	if shown == "" {
		shown = text
	}
	if code, err := strconv.ParseUint(text, 10, 16); err == nil {
		return RequestStatus(code), shown
	}
	if status, ok := statusTexts[strings.ToLower(text)]; ok {
		return status, shown
	}
	return StatusUnknown, shown
}

// expiry is when a request ends, the zero time for never.
func (d *dialect) expiry(o *object, created time.Time) time.Time {
	if d.expiryAbsolute {
		return o.time(d.expiryField)
	}
	seconds := o.integer(d.expiryField)
	switch {
	case seconds <= 0:
		return time.Time{}
	case created.IsZero():
		o.fail(d.createdField, ErrMissingMember)
		return time.Time{}
	case seconds > lastTime-created.Unix():
		return time.Time{} // beyond what a time can say
	}
	return time.Unix(created.Unix()+seconds, 0).UTC()
}
