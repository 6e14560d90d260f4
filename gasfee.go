package bitcart

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"

	"github.com/shopspring/decimal"
)

// pricedByGas are the account currencies whose fee the caller can choose. Their
// daemons' own arguments fee and feerate are prices of one gas, and go into a
// kind of transaction that the daemons have switched off; gas and gas_price are
// what they sign. TRX has a limit for contracts only.
var pricedByGas = map[string]bool{"ETH": true, "BNB": true, "MATIC": true}

// runByGas turns the fee into gas and a price, by an unsigned draft.
func (p *payment) runByGas(ctx context.Context) (*Payout, error) {
	draft, err := query(ctx, p.c, decodeGasDraft, p.method, p.with(Named{"unsigned": true})...)
	if err != nil {
		return nil, nothingPaid(err)
	}
	fees, err := p.gasFees(ctx, draft)
	if err != nil {
		return nil, err
	}
	return p.c.payInTurn(ctx, p.method, p.signer(fees), p.withoutBroadcast)
}

func (p *payment) gasFees(ctx context.Context, draft gasDraft) (Named, error) {
	if p.rate.IsPositive() {
		return p.gasArguments(draft.gas, p.rate.Shift(9))
	}
	fee := p.fee
	if p.feeFunc != nil {
		defaultFee, err := p.c.DefaultFee(ctx, string(draft.raw))
		if err != nil {
			return nil, nothingPaid(err)
		}
		if fee, err = p.askFee(int(draft.gas), defaultFee); err != nil || fee.IsZero() {
			return nil, err
		}
	}
	units := fee.Shift(int32(p.c.d.cur.Decimals)).BigInt()
	return p.gasArguments(draft.gas, decimal.NewFromBigInt(units.Quo(units, big.NewInt(draft.gas)), 0))
}

// gasArguments takes the price of one gas in the smallest unit. Both go out as
// JSON numbers: the daemon signs them as they are.
func (p *payment) gasArguments(gas int64, price decimal.Decimal) (Named, error) {
	if !price.IsInteger() || !price.IsPositive() {
		return nil, &OptionError{p.fees[0], errors.New("the price of one gas is not a whole number of the smallest unit")}
	}
	return Named{"gas": gas, "gas_price": json.RawMessage(price.String())}, nil
}

// gasDraft is an unsigned transaction of an account daemon.
type gasDraft struct {
	gas int64
	raw json.RawMessage
}

var errNoGas = errors.New("no transaction with gas and gasPrice")

func decodeGasDraft(raw json.RawMessage) (gasDraft, error) {
	o := readObject(raw)
	d := gasDraft{gas: o.integer("gas"), raw: raw}
	if o.err == nil && (d.gas < 1 || d.gas > 1<<31-1 || !o.has("gasPrice")) {
		o.err = errNoGas
	}
	return d, o.err
}
