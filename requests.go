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

// RequestParams describes a payment request, or a lightning invoice, to be created.
type RequestParams struct {
	// Amount is in coins, or in tokens for a token wallet. If it is not valid, any amount pays the
	// request; zero means the same on all but Electron Cash daemons. The daemon rounds digits beyond
	// the coin's smallest unit: read the Amount of the returned Request.
	Amount decimal.NullDecimal
	// Description becomes part of the payment URI where the coin's URIs have a place for it, so the
	// payer may read it.
	Description string
	// Expiry is how long the request can be paid, rounded up to whole seconds. 0 = 15 minutes,
	// negative = it never expires.
	Expiry time.Duration
}

// RequestFilter chooses requests by status. The zero value chooses all. If several fields are set,
// a request must match one of them. A request that is paid but not confirmed (StatusUnconfirmed)
// matches none of them.
type RequestFilter struct {
	Pending bool // StatusUnpaid, which includes requests that are paid in part
	Expired bool // StatusExpired
	Paid    bool // StatusPaid
}

// Request is the state of a payment request, or of a lightning invoice, as the daemon has answered
// it (protocol sections 7, 8 and 9).
type Request struct {
	// Key identifies the request: GetRequest, RemoveRequest and SetRequestAddress take it, and
	// payment events name it, see NewPayment.RequestKey. It is an id, or the address on Electron Cash
	// daemons, or the payment hash for lightning.
	Key string
	// Address is where to pay. All requests of one account wallet share it, except with XMR.
	Address string
	// URI is a payment link. It is "" where the daemon makes none: on Electrum daemons, for a request
	// with neither amount nor description.
	URI         string
	Description string
	Status      RequestStatus
	StatusStr   string // for display only: daemons may change or translate it
	// Amount is counted in Symbol. Not valid = any amount pays the request.
	Amount decimal.NullDecimal
	// SentAmount is what was received so far, counted in Symbol. Not valid = the daemon does not say;
	// Electrum daemons leave it out of new and of listed requests, and for lightning.
	SentAmount decimal.NullDecimal
	TxHashes   []string // of the transactions that pay it, in no particular order
	// Confirmations is how many the payment has; on account daemons, how many its first transaction
	// has. It is 0 as long as less than the amount was paid.
	Confirmations int
	Created       time.Time
	ExpiresAt     time.Time // zero = never
	// Payer is the address that has to pay, see SetRequestAddress. "" = none was set.
	Payer            string
	RHash            string // payment hash; lightning only
	LightningInvoice string // bolt11 text; lightning only
	Contract         string // the token's contract; "" unless the wallet is a token's
	Symbol           string // of the coin or token that amounts are counted in: "BTC", "USDT"; "" if a token's is unknown
	// Raw is the daemon's answer. Do not change it.
	Raw json.RawMessage
}

// Remaining returns what is still to be paid, counted in Symbol and never negative. It is not valid
// if the request has no amount, or if the daemon does not say what was received, see SentAmount.
func (r *Request) Remaining() decimal.NullDecimal {
	if !r.Amount.Valid || !r.SentAmount.Valid {
		return decimal.NullDecimal{}
	}
	return decimal.NewNullDecimal(decimal.Max(r.Amount.Decimal.Sub(r.SentAmount.Decimal), decimal.Zero))
}

// AddRequest creates a payment request in the Coin's wallet, which the daemon loads and watches
// from then on. Daemons of ETH, BNB, MATIC and TRX find a payment by its sender: name it with
// [Coin.SetRequestAddress], or no payment event comes.
//
// ctx bounds the call as in [Coin.Call]. If the error matches ErrMaybeSent, the request may have
// been created; the library does not repeat the call. Without a wallet the error is
// ErrWalletRequired, with a negative amount ErrInvalidAmount.
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

// GetRequest reads a payment request, or a lightning invoice, by its Key; events name it by
// NewPayment.RequestKey. An unknown one is ErrRequestNotFound. Daemons of XRG fail to read a
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
func isHash(key string) bool { return hex64.MatchString(key) }

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

// ListRequests reads the requests of the Coin's wallet that match f. Account daemons look up the
// confirmations of each paid request, which takes time if there are many.
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

// RemoveRequest deletes a request by its Key. A payment that comes later causes no payment event
// any more. An unknown request is ErrRequestNotFound, except on Electrum daemons, which do not
// report it.
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

// SetRequestAddress names the address that will pay a request; key is the request's Key. Daemons of
// ETH, BNB, MATIC and TRX need it because they find a payment by its sender. If a payer has several
// requests, the payment counts for the newest. For the other currencies it is not needed, and the
// error is ErrUnsupported. ErrPayerRefused means that the daemon does not know the request, or that
// payer is not an address.
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
	case tooLarge(amount):
		return fmt.Errorf("%w: %s: out of range", ErrInvalidAmount, method)
	case amount.IsNegative():
		return fmt.Errorf("%w: %s: negative", ErrInvalidAmount, method)
	}
	return nil
}
