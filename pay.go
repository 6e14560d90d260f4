package bitcart

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/shopspring/decimal"
)

// Output is one receiver of a payment.
type Output struct {
	Address string          // as the daemon of the coin takes it; it is the daemon that checks it
	Amount  decimal.Decimal // in coins
}

// Payout is a payment that was signed, and broadcast unless that was not asked
// for.
type Payout struct {
	// TxID is the hash by which the network knows the transaction; "" without
	// broadcast.
	TxID string
	// RawTx is the signed transaction: hexadecimal text, or, where the daemon
	// hands over an object (TRX, tokens on BCH), its JSON text. A wallet without
	// keys gives what has to be signed elsewhere (a PSBT on BTC, LTC and GRS).
	RawTx string
	Raw   json.RawMessage // the answer that RawTx was taken from
}

// BroadcastError is a payment that was signed, but is not known to have been
// broadcast. Repeat it by [Coin.Broadcast] with RawTx, as often as needed: the
// network takes one transaction once. Never repeat it by paying again, which
// signs a second payment.
//
// Whatever Err is, the transaction may be on its way: a daemon passes on what
// one server answered, and another may have taken it. Err matches ErrMaybeSent
// when the daemon's answer to the broadcast itself is missing.
//
// On BTC, LTC, GRS, BCH and XRG the wallet keeps the coins for it, until the
// daemon's removelocaltx gives it up; where Err is of addtransaction, whose
// answer is missing then, maybe not. Account daemons keep nothing. On ETH, BNB
// and MATIC the next payment of the wallet may take the same nonce, and only one
// of the two can stand; on TRX both can. Settle it first.
//
// A BroadcastError prints without RawTx, which whoever has it can broadcast.
type BroadcastError struct {
	TxID  string // to look for it on the chain; "" on BTC, LTC and GRS where addtransaction has not told it
	RawTx string // as in Payout
	Err   error
}

func (e *BroadcastError) Error() string {
	return fmt.Sprintf("bitcart: the transaction is signed, but not known to be broadcast (%d characters, SHA-256 %.4x): %s",
		len(e.RawTx), sha256.Sum256([]byte(e.RawTx)), inner(e.Err))
}

// Unwrap returns the cause.
func (e *BroadcastError) Unwrap() error { return e.Err }

// Format prints Error for every verb: %#v must not show RawTx.
func (e *BroadcastError) Format(f fmt.State, _ rune) { writeSafe(f, e.Error()) }

// GoString is Error.
func (e *BroadcastError) GoString() string { return e.Error() }

// PayOption changes how [Coin.PayTo] and [Coin.PayToMany] pay. Of the options
// about the fee at most one may be given; without any the daemon chooses.
type PayOption interface {
	apply(*payOptions) error
}

type payOptions struct {
	fees             []string // the options about the fee that were given, by name
	fee, rate        decimal.Decimal
	feeFunc          func(size int, defaultFee decimal.Decimal) (decimal.Decimal, error)
	withoutBroadcast bool
}

type payOption struct {
	name string
	set  func(*payOptions) error
}

func (o payOption) apply(p *payOptions) error {
	if err := o.set(p); err != nil {
		return &OptionError{o.name, err}
	}
	return nil
}

// WithFee sets the whole fee, in coins, of more than nothing. It is rounded up
// to the smallest unit; on ETH, BNB and MATIC, where it is spread over the gas,
// down to one the daemon can ask for. ErrUnsupported on TRX and on registered
// account currencies.
func WithFee(fee decimal.Decimal) PayOption {
	return feeOption("WithFee", func(p *payOptions) error {
		p.fee = fee
		return checkPositive(fee)
	})
}

// WithFeeRate sets the fee for each unit of the transaction's size: satoshis
// per virtual byte, rounded up to three decimals; gwei per gas on ETH, BNB and
// MATIC, where one that is no whole number of wei is an error.
// ErrUnsupported on TRX and on registered account currencies.
func WithFeeRate(rate decimal.Decimal) PayOption {
	return feeOption("WithFeeRate", func(p *payOptions) error {
		p.rate = rate
		return checkPositive(rate)
	})
}

// WithFeeFunc asks fee for the whole fee once the transaction's size is known:
// in virtual bytes, on ETH, BNB and MATIC in gas. defaultFee is what the daemon
// would choose; it and the result are in coins, the result as for [WithFee]. Zero
// means the daemon's choice. An error ends the payment before anything has left
// and comes back wrapped. fee runs on the caller's goroutine and may make calls.
// ErrUnsupported on TRX and on registered account currencies.
func WithFeeFunc(fee func(size int, defaultFee decimal.Decimal) (decimal.Decimal, error)) PayOption {
	return feeOption("WithFeeFunc", func(p *payOptions) error {
		p.feeFunc = fee
		if fee == nil {
			return errors.New("is nil")
		}
		return nil
	})
}

// WithoutBroadcast only signs: [Payout].RawTx is the transaction, for
// [Coin.Broadcast]. The wallet does not keep its coins for it: what else is paid
// before the broadcast can spend them.
func WithoutBroadcast() PayOption {
	return payOption{"WithoutBroadcast", func(p *payOptions) error {
		p.withoutBroadcast = true
		return nil
	}}
}

func feeOption(name string, set func(*payOptions) error) PayOption {
	return payOption{name, func(p *payOptions) error {
		if len(p.fees) > 0 {
			return errors.New("excludes " + p.fees[0])
		}
		p.fees = append(p.fees, name)
		return set(p)
	}}
}

func readPayOptions(opts []PayOption) (payOptions, error) {
	var p payOptions
	var errs []error
	for _, o := range opts {
		if o == nil {
			errs = append(errs, &OptionError{"PayOption", errors.New("is nil")})
			continue
		}
		errs = append(errs, o.apply(&p))
	}
	return p, errors.Join(errs...)
}

// PayTo pays amount coins to an address. The daemon signs, so the wallet is a
// seed or a private key; a wallet of a token is an error, since the daemon would
// pay coins from it: see [Coin.Transfer]. XMR daemons cannot pay: ErrUnsupported,
// without a call.
//
// Signing and broadcasting are calls of their own, and only the broadcast moves
// money. An error of any type but *[BroadcastError] therefore means that nothing
// was paid and that paying again is safe. A *BroadcastError means that the one
// transaction is signed and may be kept or sent: go on with [Coin.Broadcast],
// never with PayTo.
//
// Payments of one wallet on one daemon take turns within the process, if all name
// the daemon by one URL or as this machine; those of other processes, or by another
// daemon, can collide with them. ctx bounds the waiting and all calls; each
// call has 5 minutes when ctx has no deadline. When it ends too early the error
// is a *BroadcastError if the transaction was signed.
func (c *Coin) PayTo(ctx context.Context, address string, amount decimal.Decimal, opts ...PayOption) (*Payout, error) {
	return c.pay(ctx, "PayTo", []Output{{address, amount}}, opts)
}

// PayToMany pays several outputs in one transaction, otherwise as [Coin.PayTo].
// Account daemons cannot: ErrUnsupported, without a call.
func (c *Coin) PayToMany(ctx context.Context, outputs []Output, opts ...PayOption) (*Payout, error) {
	return c.pay(ctx, "PayToMany", outputs, opts)
}

// Broadcast sends a signed transaction, text or JSON text as in [Payout], to the
// network and returns its hash. Sending one transaction again is safe and pays
// once; a node that has it already may answer an error, which matches
// ErrAlreadyBroadcast where its text is known; the hash comes with that error, but
// on BTC, LTC and GRS. An error that matches ErrMaybeSent leaves open whether it
// is on its way. The Coin needs no wallet. XMR daemons sign nothing and answer no
// hash: ErrUnsupported, without a call. ctx bounds the call.
func (c *Coin) Broadcast(ctx context.Context, rawTx string) (txid string, err error) {
	if err := c.supports("Broadcast"); err != nil {
		return "", err
	}
	if strings.TrimSpace(rawTx) == "" {
		return "", errors.New("bitcart: Broadcast: no transaction")
	}
	var raw json.RawMessage
	err = c.call(ctx, &raw, "broadcast", wireTx(rawTx))
	if err == nil {
		txid, err = c.readTxID(raw)
	}
	if errors.Is(err, ErrAlreadyBroadcast) {
		txid = c.hashOf(rawTx)
	}
	return txid, err
}

// wireTx is a transaction as an argument: an object where its text is one.
func wireTx(rawTx string) any {
	if text := strings.TrimSpace(rawTx); strings.HasPrefix(text, "{") && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return rawTx
}

var (
	hash64  = regexp.MustCompile(`^(0x)?[0-9a-fA-F]{64}$`)
	hexText = regexp.MustCompile(`^(0x)?([0-9a-fA-F]{2})+$`)
)

// readTxID checks that the answer to a broadcast is a hash. Electron Cash
// answers the text of a refusal or of a timeout in its place (the daemon drops
// the flag beside it), so such a text leaves the outcome open.
func (c *Coin) readTxID(raw json.RawMessage) (string, error) {
	text, err := decodeText(raw)
	if err != nil {
		return "", undecodable("broadcast", err)
	}
	known := !c.d.cur.registered
	if known && !hash64.MatchString(text) || strings.ContainsAny(text, " \t\r\n") {
		safe := c.d.secrets(secretsOf(c.wallet, c.key, "broadcast", nil)).clean(text)
		refusal := &RPCError{Currency: c.Currency(), Method: "broadcast", Message: text, safe: safe}
		return "", &CallError{
			Method: "broadcast", MaybeSent: true, Err: &decodeError{refusal},
			safe: "no transaction hash but " + fmt.Sprintf("%.300q", safe),
		}
	}
	return text, nil
}
