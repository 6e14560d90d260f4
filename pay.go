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

// Output is one recipient of a payment.
type Output struct {
	Address string          // in any form that the coin's daemon accepts; only the daemon checks it
	Amount  decimal.Decimal // in coins
}

// Payout is a payment that was signed and, except with [WithoutBroadcast],
// broadcast.
type Payout struct {
	// TxID is the hash of the transaction in the network; "" if it was not
	// broadcast.
	TxID string
	// RawTx is the signed transaction: hexadecimal text, or JSON text where the
	// daemon answers an object (TRX, tokens on BCH). From a wallet without keys
	// it is what has to be signed elsewhere (a PSBT on BTC, LTC and GRS).
	RawTx string
	Raw   json.RawMessage // the answer that RawTx was taken from; do not change it
}

// BroadcastError is a payment that was signed but is not known to have been
// broadcast. Pass RawTx to [Coin.Broadcast] until that returns nil or
// ErrAlreadyBroadcast: the network accepts a transaction only once. Never
// repeat the payment itself, which would sign a second one.
//
// Whatever Err is, the transaction may be on its way: the daemon passes on the
// answer of one server, and another server may have accepted the transaction.
// Err matches ErrMaybeSent if the daemon's answer to the broadcast itself is
// missing.
//
// On BTC, LTC, GRS, BCH and XRG the wallet keeps the transaction's coins from
// other payments until the daemon's method removelocaltx gives them up; if Err
// comes from addtransaction, whose answer is missing then, it may not keep
// them. Account daemons keep nothing: on ETH, BNB and MATIC the wallet's next
// payment may use the same nonce, so that only one of the two can succeed, and
// on TRX both can. Settle this payment first. If Broadcast keeps failing, for
// lack of money or because another transaction has used the same coins or
// nonce, [Coin.GetTx] of TxID tells whether the network has the transaction.
//
// Without RawTx there is nothing to broadcast: the daemon has answered
// [Coin.Transfer] with a hash, TxID, although it was asked not to send. Look for
// that transaction with GetTx before you pay again.
//
// A BroadcastError prints without RawTx, because anybody who has it can
// broadcast it.
type BroadcastError struct {
	TxID  string // the transaction's hash; "" on BTC, LTC and GRS if addtransaction's answer is missing
	RawTx string // as in Payout; "" if a Transfer was sent at once
	Err   error  // why it is not known to be broadcast
}

// Error returns the cause, and length and hash of RawTx in its place.
func (e *BroadcastError) Error() string {
	if e.RawTx == "" {
		return "bitcart: the transaction may be broadcast, and was not handed over: " + inner(e.Err)
	}
	return fmt.Sprintf("bitcart: the transaction is signed, but not known to be broadcast (%d characters, SHA-256 %.4x): %s",
		len(e.RawTx), sha256.Sum256([]byte(e.RawTx)), inner(e.Err))
}

// Unwrap returns the cause.
func (e *BroadcastError) Unwrap() error { return e.Err }

// Format prints Error for every verb: %#v must not show RawTx. It is of the
// value, as GoString is, so that a copy of the error keeps silent as well.
func (e BroadcastError) Format(f fmt.State, _ rune) { writeSafe(f, e.Error()) }

// GoString is Error.
func (e BroadcastError) GoString() string { return e.Error() }

// PayOption changes how [Coin.PayTo], [Coin.PayToMany] and [Coin.Transfer] pay.
// At most one option about the fee may be given; without any, the daemon
// chooses the fee.
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

// WithFee sets the whole fee, in coins; it must be more than zero. It is
// rounded up to the smallest unit. On ETH, BNB and MATIC it is spread over the
// transaction's gas and rounded down to a whole price per gas. On TRX and on
// registered account currencies it is ErrUnsupported.
func WithFee(fee decimal.Decimal) PayOption {
	return feeOption("WithFee", func(p *payOptions) error {
		p.fee = fee
		return checkPositive(fee)
	})
}

// WithFeeRate sets the fee per unit of the transaction's size: in satoshis per
// virtual byte, rounded up to three decimals, or in gwei per gas on ETH, BNB and
// MATIC, where a rate that is not a whole number of wei is an error. On TRX and
// on registered account currencies it is ErrUnsupported.
func WithFeeRate(rate decimal.Decimal) PayOption {
	return feeOption("WithFeeRate", func(p *payOptions) error {
		p.rate = rate
		return checkPositive(rate)
	})
}

// WithFeeFunc calls fee for the whole fee once the transaction's size is known.
// size is in virtual bytes, or in gas on ETH, BNB and MATIC. defaultFee is what
// the daemon would choose. defaultFee and the result are in coins, and the
// result is rounded as in [WithFee]; zero leaves the fee to the daemon. An
// error ends the payment before any money has moved, and is returned wrapped.
// fee runs on the caller's goroutine and may make calls. On TRX and on
// registered account currencies it is ErrUnsupported.
func WithFeeFunc(fee func(size int, defaultFee decimal.Decimal) (decimal.Decimal, error)) PayOption {
	return feeOption("WithFeeFunc", func(p *payOptions) error {
		p.feeFunc = fee
		if fee == nil {
			return errors.New("is nil")
		}
		return nil
	})
}

// WithoutBroadcast only signs. [Payout].RawTx is then the transaction, for
// [Coin.Broadcast]. The wallet does not keep the transaction's coins: another
// payment before the broadcast can spend them.
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

// PayTo pays amount coins to an address. The daemon signs, so the wallet must
// be a seed or a private key. A token wallet is an error, because the daemon
// would pay coins from it: use [Coin.Transfer]. XMR daemons cannot pay: the
// error is ErrUnsupported, without a call. An amount that is not more than
// zero, or has digits beyond the smallest unit, is ErrInvalidAmount.
//
// Signing and broadcasting are separate calls, and only the broadcast moves
// money. So an error of any type but *[BroadcastError] means that nothing was
// paid, and paying again is safe. A *BroadcastError means that one transaction
// is signed and may be on its way: continue with [Coin.Broadcast], never with
// PayTo.
//
// Payments from one wallet on one daemon take turns within the process, provided
// that all name the daemon by the same URL; localhost and the loopback addresses
// are one name. Those of other processes, or through another daemon, can collide
// with them. ctx bounds the waiting and all calls; without a deadline each call
// ends after 5 minutes. If ctx ends after the transaction was signed, the error
// is a *BroadcastError, unless the daemon's wallet was to be told of the
// transaction first (BTC, LTC, GRS, BCH, XRG) and was not: then nothing was paid.
func (c *Coin) PayTo(ctx context.Context, address string, amount decimal.Decimal, opts ...PayOption) (*Payout, error) {
	return c.pay(ctx, "PayTo", []Output{{address, amount}}, opts)
}

// PayToMany pays several outputs in one transaction; otherwise it is like
// [Coin.PayTo]. Account daemons cannot do this: the error is ErrUnsupported,
// without a call.
func (c *Coin) PayToMany(ctx context.Context, outputs []Output, opts ...PayOption) (*Payout, error) {
	return c.pay(ctx, "PayToMany", outputs, opts)
}

// Broadcast sends a signed transaction, as in [Payout].RawTx, to the network
// and returns its hash. Sending a transaction again is safe and pays only once.
// A node that has the transaction already may answer with an error; it matches
// ErrAlreadyBroadcast if its text is known, and the hash is returned beside it,
// except on BTC, LTC and GRS and for a transaction with blobs. After an error
// that matches ErrMaybeSent the transaction may be on its way. The Coin needs
// no wallet. XMR daemons do not support it: the error is ErrUnsupported,
// without a call. ctx bounds the call as in [Coin.Call].
func (c *Coin) Broadcast(ctx context.Context, rawTx string) (txid string, err error) {
	if err := c.supports("Broadcast"); err != nil {
		return "", err
	}
	if strings.TrimSpace(rawTx) == "" {
		return "", errors.New("bitcart: Broadcast: no transaction")
	}
	var raw json.RawMessage
	sent := wireTx(rawTx)
	err = c.call(ctx, &raw, "broadcast", sent)
	if err == nil {
		txid, err = c.readTxID(raw, sent)
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
// the flag beside it), so such a text leaves the outcome open. It may quote what
// was sent.
func (c *Coin) readTxID(raw json.RawMessage, sent ...any) (string, error) {
	text, err := decodeText(raw)
	if err != nil {
		return "", undecodable("broadcast", err)
	}
	known := !c.d.cur.registered
	if known && !hash64.MatchString(text) || strings.ContainsAny(text, " \t\r\n") {
		safe := c.d.secrets(secretsOf(c.wallet, c.key, "broadcast", sent)).clean(text)
		refusal := &RPCError{Currency: c.Currency(), Method: "broadcast", Message: text, safe: safe}
		return "", &CallError{
			Method: "broadcast", MaybeSent: true, Err: &decodeError{refusal},
			safe: "no transaction hash but " + fmt.Sprintf("%.300q", safe),
		}
	}
	return text, nil
}
