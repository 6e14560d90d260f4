package bitcart

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/shopspring/decimal"
)

// defaultExpiry is the life of a request whose Expiry is 0.
const defaultExpiry = 15 * time.Minute

// RequestParams describes a payment request that is to be made.
type RequestParams struct {
	// Amount is in coins, in tokens for a token wallet. Not valid = any amount; zero is the same on
	// all but Electron Cash daemons. Digits beyond what the coin has the daemon rounds: look at the
	// Request's Amount.
	Amount decimal.NullDecimal
	// Description goes into the payment URI where the coin's has a place for it, so the payer can
	// read it.
	Description string
	// Expiry is how long the request can be paid, in whole seconds and rounded up. 0 = 15 minutes,
	// negative = for ever.
	Expiry time.Duration
}

// RequestFilter chooses requests by status. The zero value chooses all; with several members set a
// request has to match one. Requests that are paid but not confirmed match none of them.
type RequestFilter struct {
	Pending bool // StatusUnpaid, paid in part included
	Expired bool // StatusExpired
	Paid    bool // StatusPaid
}

// Request is a payment request, or a lightning invoice, as its daemon last told.
type Request struct {
	// Key is what GetRequest, RemoveRequest and SetRequestAddress take, and what payment events name:
	// see NewPayment.RequestKey. It is an id, the address on Electron Cash daemons, the payment hash
	// for lightning.
	Key     string
	Address string // to pay to; all requests of one account wallet but XMR's share theirs
	// URI is a payment link. "" when the daemon makes none: Electrum without amount and description.
	URI         string
	Description string
	Status      RequestStatus
	StatusStr   string // for people; it can change and be localised
	// Amount is in Symbol. Not valid = any amount pays it.
	Amount decimal.NullDecimal
	// SentAmount is what has come so far, in Symbol. Not valid = the daemon does not say: Electrum in
	// new and listed requests, and for lightning.
	SentAmount decimal.NullDecimal
	TxHashes   []string // in no order that means anything
	// Confirmations of the payment; on account daemons of its first transaction. 0 also while the
	// amount is not reached.
	Confirmations int
	Created       time.Time
	ExpiresAt     time.Time // zero = never
	// Payer is who has to pay, see SetRequestAddress. "" = nobody was named.
	Payer            string
	RHash            string // payment hash; lightning only
	LightningInvoice string // bolt11 text; lightning only
	Contract         string // of a token wallet
	Symbol           string // what the amounts are counted in: "BTC", or the token's "USDT"
	// Raw is the daemon's answer. Do not change it.
	Raw json.RawMessage
}

// Remaining is what is still to be paid, in Symbol and never negative. It is not valid where the
// request has no amount, or the daemon does not say what has come: SentAmount.
func (r *Request) Remaining() decimal.NullDecimal {
	if !r.Amount.Valid || !r.SentAmount.Valid {
		return decimal.NullDecimal{}
	}
	return decimal.NewNullDecimal(decimal.Max(r.Amount.Decimal.Sub(r.SentAmount.Decimal), decimal.Zero))
}

// AddRequest makes a payment request in the Coin's wallet, which the daemon loads and watches from
// then on. On ETH, BNB, MATIC and TRX the payment is found by its sender: tell it by
// SetRequestAddress, or no payment event comes.
//
// ctx bounds the call as in [Coin.Call]. An error that matches ErrMaybeSent may have left a request
// behind; the library does not repeat it. A Coin without wallet is ErrWalletRequired, a negative
// amount ErrInvalidAmount.
func (c *Coin) AddRequest(ctx context.Context, p RequestParams) (*Request, error) {
	if err := c.supportsWallet("AddRequest"); err != nil {
		return nil, err
	}
	args, err := c.requestArguments("AddRequest", p)
	if err != nil {
		return nil, err
	}
	return c.readRequest(ctx, c.d.cur.dialect.createRequest, args)
}

func (c *Coin) requestArguments(method string, p RequestParams) (Named, error) {
	d := c.d.cur.dialect
	args := Named{"memo": p.Description, d.expiryParam: expirySeconds(p.Expiry), "amount": d.noAmount, "force": true}
	if p.Amount.Valid {
		if err := checkAmount(method, p.Amount.Decimal); err != nil {
			return nil, err
		}
		args["amount"] = p.Amount.Decimal
	}
	return args, nil
}

// expirySeconds: daemons read 0 as never, so a part of a second must not become it.
func expirySeconds(expiry time.Duration) int64 {
	switch {
	case expiry < 0:
		return 0
	case expiry == 0:
		expiry = defaultExpiry
	}
	seconds := int64(expiry / time.Second)
	if expiry%time.Second != 0 {
		seconds++
	}
	return seconds
}

// GetRequest reads a request by its Key, or by what an event names it: NewPayment.RequestKey. An
// unknown one is ErrRequestNotFound. Lightning invoices are read too. Daemons of XRG fail on a
// request that has transactions (protocol section 11.16).
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) GetRequest(ctx context.Context, key string) (*Request, error) {
	if err := c.supportsWallet("GetRequest"); err != nil {
		return nil, err
	}
	d := c.d.cur.dialect
	if d.readInvoice != "" && isHash(key) {
		return c.readRequest(ctx, d.readInvoice, key) // the daemon fails to read an invoice as a request
	}
	return c.readRequest(ctx, d.readRequest, key)
}

// isHash: 64 hexadecimal digits, as a payment hash has; ids of requests on chain are shorter.
func isHash(key string) bool { return viewKeyText.MatchString(key) }

func (c *Coin) readRequest(ctx context.Context, method string, params ...any) (*Request, error) {
	var raw json.RawMessage
	if err := c.call(ctx, &raw, method, params...); err != nil {
		return nil, err
	}
	r, err := c.decodeRequest(raw)
	if err != nil {
		return nil, undecodable(method, err)
	}
	return r, nil
}

// ListRequests reads the wallet's requests. Account daemons look the confirmations of each paid one
// up, which takes time where there are many.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) ListRequests(ctx context.Context, f RequestFilter) ([]*Request, error) {
	if err := c.supportsWallet("ListRequests"); err != nil {
		return nil, err
	}
	d := c.d.cur.dialect
	var items []json.RawMessage
	if err := c.call(ctx, &items, d.listRequests, f.flags(d)); err != nil {
		return nil, err
	}
	requests := make([]*Request, 0, len(items))
	for i, raw := range items {
		r, err := c.decodeRequest(raw)
		if err != nil {
			return nil, undecodable(d.listRequests, fmt.Errorf("item %d: %w", i, err))
		}
		if f.matches(r.Status) {
			requests = append(requests, r)
		}
	}
	return requests, nil
}

// flags are what the daemon is asked for. Account daemons fail on any flag (protocol section 9.6)
// and the engines of the others obey one flag only, so that more are left to matches.
func (f RequestFilter) flags(d *dialect) Named {
	flags := Named{}
	for name, set := range map[string]bool{"pending": f.Pending, "expired": f.Expired, "paid": f.Paid} {
		if set {
			flags[name] = true
		}
	}
	if len(flags) != 1 || !d.listsByFlag {
		return nil
	}
	return flags
}

func (f RequestFilter) matches(s RequestStatus) bool {
	var wanted []RequestStatus
	if f.Pending {
		wanted = append(wanted, StatusUnpaid)
	}
	if f.Expired {
		wanted = append(wanted, StatusExpired)
	}
	if f.Paid {
		wanted = append(wanted, StatusPaid)
	}
	return wanted == nil || slices.Contains(wanted, s)
}

// RemoveRequest deletes a request by its Key. A payment that comes later is no event of it any
// more. An unknown one is ErrRequestNotFound, but on Electrum daemons, which do not tell.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) RemoveRequest(ctx context.Context, key string) error {
	if err := c.supportsWallet("RemoveRequest"); err != nil {
		return err
	}
	method := c.d.cur.dialect.removeRequest
	removed, err := c.confirmed(ctx, method, key)
	if err == nil && !removed {
		err = fmt.Errorf("%w: %s", ErrRequestNotFound, method)
	}
	return err
}

// confirmed makes a call that answers true or false; null, as some daemons answer, counts as true.
func (c *Coin) confirmed(ctx context.Context, method string, params ...any) (bool, error) {
	ok := true
	err := c.call(ctx, &ok, method, params...)
	return ok, err
}

// SetRequestAddress tells who will pay a request, by its Key: daemons of ETH, BNB, MATIC and TRX
// find a payment by its sender. The newest request of a payer is the one that the payment counts
// for. Elsewhere it is ErrUnsupported, and not needed. ErrPayerRefused: the daemon does not know the
// request, or takes payer for no address.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) SetRequestAddress(ctx context.Context, key, payer string) error {
	if err := c.supportsWallet("SetRequestAddress"); err != nil {
		return err
	}
	taken, err := query(ctx, c, decodeFlag, "setrequestaddress", key, payer)
	if err == nil && !taken {
		err = fmt.Errorf("%w: setrequestaddress", ErrPayerRefused)
	}
	return err
}

// checkAmount refuses what no daemon takes, and what would fill the memory when it is printed.
func checkAmount(method string, amount decimal.Decimal) error {
	switch {
	case amount.Exponent() > maxAmountExponent || amount.Exponent() < -maxAmountExponent || amount.NumDigits() > maxAmountText:
		return fmt.Errorf("%w: %s: out of range", ErrInvalidAmount, method)
	case amount.IsNegative():
		return fmt.Errorf("%w: %s: negative", ErrInvalidAmount, method)
	}
	return nil
}
