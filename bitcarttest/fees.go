package bitcarttest

import (
	"encoding/json"
	"strings"

	"github.com/shopspring/decimal"
)

// Gas of the two kinds of transactions on EVM chains.
const (
	coinGas  = 21_000
	tokenGas = 60_000
)

// tronSize is the size of every TRX transaction here.
const tronSize = 267

// What one more output adds to the size of a transaction.
const outputSize = 34

// SetFeeRate sets what transactions cost from now on: in satoshis per byte on Electrum (20 at the
// start) and Electron Cash daemons (1), in wei per unit of gas on EVM chains (20 gwei), in sun per
// transaction on TRX (1 100 000). 0 makes them free and removes the estimate: recommended_fee of
// Electrum then answers null. Negative rates count as 0.
func (d *Daemon) SetFeeRate(rate int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.feeRate = max(rate, 0)
}

func (c coin) startingFeeRate() int64 {
	switch {
	case c.family == Electrum:
		return 20
	case c.family == ElectronCash:
		return 1
	case c.style == styleTron:
		return 1_100_000
	}
	return 20_000_000_000
}

func (d *Daemon) rate() decimal.Decimal {
	d.mu.Lock()
	defer d.mu.Unlock()
	return decimal.NewFromInt(d.feeRate)
}

// sizeFee is the fee of a transaction on an engine.
func (d *Daemon) sizeFee(size int64) decimal.Decimal {
	return d.rate().Mul(decimal.NewFromInt(size)).Shift(-8)
}

// gasFee is the fee of a transaction on an account chain.
func (d *Daemon) gasFee(gas int64) decimal.Decimal {
	if d.coin.style == styleTron {
		return d.rate().Shift(-6)
	}
	return d.rate().Mul(decimal.NewFromInt(gas)).Shift(-int32(d.coin.decimals))
}

// chosenFee is the fee of a payment of an engine: as given, by a rate, or the default.
func (d *Daemon) chosenFee(c *Call, size int) (decimal.Decimal, error) {
	switch {
	case c.has("fee") && c.has("feerate"):
		return decimal.Zero, exception("Exception: Cannot specify both 'fee' and 'feerate' at the same time!")
	case c.has("feerate") && d.coin.family == Electrum && c.bound["feerate"][0] == '"':
		// A trap of Electrum: unlike amounts, a fee rate must be a number.
		return decimal.Zero, exception("decimal.InvalidOperation: [<class 'decimal.InvalidOperation'>]")
	case c.has("fee"):
		return positive(c, "fee")
	case c.has("feerate"):
		rate, err := positive(c, "feerate")
		return rate.Mul(decimal.NewFromInt(int64(size))).Shift(-8).RoundUp(8), err
	}
	return d.sizeFee(int64(size)), nil
}

// positive reads an argument that must not be less than nothing.
func positive(c *Call, name string) (decimal.Decimal, error) {
	v, err := parseDecimal(c.bound[name])
	if err == nil && v.IsNegative() {
		err = exceptionf("ValueError: negative %s", name)
	}
	return v, err
}

// engineDefaultFee takes a size in bytes, or a transaction.
func engineDefaultFee(d *Daemon, c *Call) (any, error) {
	size := int64(rawSize(rawText(c.bound["tx"])))
	if n, err := parseDecimal(c.bound["tx"]); err == nil && n.LessThan(decimal.NewFromInt(1e9)) {
		size = n.IntPart()
	}
	return fixed(d.sizeFee(size), 8), nil
}

var errFeeMix = exception("Exception: Invalid mix of transaction fee params")

// accountDefaultFee takes a transaction, as an object or as its JSON text. An empty one counts as a
// plain transfer.
func accountDefaultFee(d *Daemon, c *Call) (any, error) {
	fields, err := transactionObject(c, "tx")
	switch {
	case err != nil:
		return nil, err
	case d.coin.style != styleEVM || len(fields) == 0:
		return fixed(d.gasFee(coinGas), d.coin.decimals), nil
	}
	_, legacy := fields["gasPrice"]
	_, modern := fields["maxFeePerGas"]
	gas, err1 := parseDecimal(fields["gas"])
	price, err2 := parseDecimal(fields["gasPrice"])
	if !legacy || modern || err1 != nil || err2 != nil {
		return nil, errFeeMix
	}
	return fixed(gas.Mul(price).Shift(-int32(d.coin.decimals)), d.coin.decimals), nil
}

var errNoTransaction = exception("Exception: Invalid transaction")

// transactionObject reads an argument that is an object, or the JSON text of one.
func transactionObject(c *Call, name string) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(c.text(name)), &fields) != nil || fields == nil {
		return nil, errNoTransaction
	}
	return fields, nil
}

// usedFee is what a transaction has cost: on engines the wallet must have it, and knows the fee of
// its own ones only.
func usedFee(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.chain.txs[c.text("tx_hash")]
	switch {
	case d.coin.family == Account && t == nil:
		return nil, d.errNoTx(c.text("tx_hash"))
	case d.coin.style == styleMonero:
		return moneroFee, nil
	case d.coin.family == Account && t.outgoing:
		return fixed(t.fee, d.coin.decimals), nil
	case d.coin.style == styleTron:
		return fixed(decimal.NewFromInt(d.feeRate).Shift(-6), 6), nil
	case d.coin.family == Account:
		return fixed(decimal.NewFromInt(d.feeRate*coinGas).Shift(-int32(d.coin.decimals)), d.coin.decimals), nil
	case t == nil || t.xpub != c.wallet.spec.Xpub:
		return nil, errNotInWallet
	case !t.outgoing:
		return nil, nil
	}
	return fixed(t.fee, 8), nil
}

func recommendedFee(d *Daemon, _ *Call) (any, error) {
	rate := d.rate()
	switch {
	case d.coin.family != Electrum:
		return 0, nil
	case rate.IsZero():
		return nil, nil
	}
	return raw(rate.Mul(decimal.NewFromInt(1500))), nil // per 1000 bytes, for the next block
}

func getFeeRate(d *Daemon, _ *Call) (any, error) {
	rate := d.rate()
	switch d.coin.family {
	case Electrum:
		return object{
			{"policy", "eta:2"}, {"description", "Within 2 blocks"},
			{"sat/kvB", raw(rate.Shift(3))}, {"tooltip", rate.String() + ". sat/vbyte"},
		}, nil
	case ElectronCash:
		return raw(rate.Shift(3)), nil
	}
	return raw(rate), nil
}

// rawSize is the size of a transaction in hexadecimal.
func rawSize(text string) int { return len(strings.TrimPrefix(text, "0x")) / 2 }

func engineSize(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := rawText(c.bound["raw_tx"])
	if t := d.drafts[text]; t != nil {
		return t.size, nil // a partially signed one is longer
	}
	return rawSize(text), nil
}

func accountSize(d *Daemon, c *Call) (any, error) {
	if d.coin.style != styleTron {
		return rawSize(c.text("tx_data")), nil
	}
	if _, err := transactionObject(c, "tx_data"); err != nil {
		return nil, err
	}
	return tronSize, nil
}
