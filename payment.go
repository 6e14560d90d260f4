package bitcart

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/shopspring/decimal"
)

// payment is a PayTo or PayToMany on its way.
type payment struct {
	c      *Coin
	name   string // "PayTo"
	method string // "payto"
	args   []any
	payOptions
}

func (c *Coin) pay(ctx context.Context, name string, outputs []Output, opts []PayOption) (*Payout, error) {
	p, err := c.newPayment(name, outputs, opts)
	if err != nil {
		return nil, err
	}
	return p.run(orBackground(ctx))
}

// newPayment checks everything that can be checked before a call.
func (c *Coin) newPayment(name string, outputs []Output, opts []PayOption) (*payment, error) {
	if err := c.supportsWallet(name); err != nil {
		return nil, err
	}
	if c.wallet.Contract != "" {
		return nil, fmt.Errorf("bitcart: %s: the wallet is of a token and the daemon would pay coins from it: "+
			"use Transfer", name)
	}
	o, err := readPayOptions(opts)
	if err != nil {
		return nil, err
	}
	if len(o.fees) > 0 && c.d.cur.Family == FamilyAccount && !pricedByGas[c.Currency()] {
		return nil, c.unsupported(o.fees[0])
	}
	if err := checkOutputs(name, outputs, c.d.cur.Decimals); err != nil {
		return nil, err
	}
	p := &payment{c: c, name: name, payOptions: o}
	p.method, p.args = payArguments(name, outputs)
	return p, nil
}

func payArguments(name string, outputs []Output) (method string, args []any) {
	if name == "PayTo" {
		return "payto", []any{outputs[0].Address, outputs[0].Amount}
	}
	list := make([][]any, len(outputs))
	for i, out := range outputs {
		list[i] = []any{out.Address, out.Amount}
	}
	return "paytomany", []any{list}
}

func checkOutputs(name string, outputs []Output, decimals int) error {
	if len(outputs) == 0 {
		return fmt.Errorf("bitcart: %s: no outputs", name)
	}
	for i, out := range outputs {
		if err := checkOutput(name, out, decimals); err != nil {
			return fmt.Errorf("%w (output %d)", err, i)
		}
	}
	return nil
}

// checkOutput refuses what a daemon would read as something else: Electrum cuts
// digits beyond the smallest unit off without a word.
func checkOutput(name string, out Output, decimals int) error {
	err := checkPositive(out.Amount)
	switch {
	case out.Address == "":
		return fmt.Errorf("bitcart: %s: no address", name)
	case err != nil:
		return fmt.Errorf("%w: %s: the amount %w", ErrInvalidAmount, name, err)
	case !out.Amount.Equal(out.Amount.Truncate(int32(decimals))):
		return fmt.Errorf("%w: %s: the amount has more than %d decimals", ErrInvalidAmount, name, decimals)
	}
	return nil
}

// checkPositive also refuses numbers whose plain text would fill the memory.
func checkPositive(v decimal.Decimal) error {
	switch {
	case tooLarge(v):
		return errors.New("is out of range")
	case !v.IsPositive():
		return errors.New("is not more than zero")
	}
	return nil
}

func (p *payment) run(ctx context.Context) (*Payout, error) {
	switch {
	case len(p.fees) > 0 && p.c.d.cur.Family == FamilyAccount:
		return p.runByGas(ctx)
	case p.feeFunc != nil:
		return p.runByFeeFunc(ctx)
	}
	return p.c.payInTurn(ctx, p.method, p.signer(p.fixedFees()), p.withoutBroadcast)
}

// rateDecimals: daemons count a rate in satoshis per 1000 bytes and cut the rest
// off, a small rate to nothing.
const rateDecimals = 3

// fixedFees are the arguments of WithFee and WithFeeRate. The fee is text as all
// money is; the rate must be a JSON number (protocol section 14).
func (p *payment) fixedFees() Named {
	switch {
	case p.fee.IsPositive():
		return p.feeArgument(p.fee)
	case p.rate.IsPositive():
		return Named{"feerate": json.RawMessage(p.rate.RoundCeil(rateDecimals).String())}
	}
	return nil
}

func (p *payment) feeArgument(fee decimal.Decimal) Named {
	return Named{"fee": fee.RoundCeil(int32(p.c.d.cur.Decimals))}
}

func (p *payment) signer(fees Named) func(context.Context) (signedTx, error) {
	return func(ctx context.Context) (signedTx, error) { return p.sign(ctx, fees) }
}

// sign makes the daemon sign and hand the transaction over. It is told not to
// add it to the wallet: if this call's answer is lost nothing must be left behind.
func (p *payment) sign(ctx context.Context, fees Named) (signedTx, error) {
	named := Named{}
	maps.Copy(named, fees)
	if p.c.keepsCoins() {
		named["addtransaction"] = false
	}
	return query(ctx, p.c, decodeSigned, p.method, p.with(named)...)
}

// with returns the call's arguments with named ones behind them.
func (p *payment) with(named Named) []any {
	return append(slices.Clone(p.args), named)
}

// runByFeeFunc signs a draft to learn the size (protocol section 9.10). The
// user's function runs between two turns, since it may pay as well.
func (p *payment) runByFeeFunc(ctx context.Context) (*Payout, error) {
	lane, leave := paying.join(p.c)
	defer leave()
	draft, sent, err := p.draftInTurn(ctx, lane)
	if err != nil {
		return nil, nothingPaid(err)
	}
	size, defaultFee, err := p.measure(ctx, draft)
	if err != nil {
		return nil, nothingPaid(err)
	}
	fee, err := p.askFee(size, defaultFee)
	if err != nil {
		return nil, err
	}
	if fee.IsPositive() {
		return p.c.payInTurn(ctx, p.method, p.signer(p.feeArgument(fee)), p.withoutBroadcast)
	}
	return p.c.payInTurn(ctx, p.method, func(ctx context.Context) (signedTx, error) {
		if lane.sent != sent { // another payment may have spent the draft's coins
			return p.sign(ctx, nil)
		}
		return draft, nil
	}, p.withoutBroadcast)
}

func (p *payment) draftInTurn(ctx context.Context, lane *payLane) (draft signedTx, sent int, err error) {
	if err := lane.take(ctx, p.method); err != nil {
		return signedTx{}, 0, err
	}
	defer lane.give()
	draft, err = p.sign(ctx, nil)
	return draft, lane.sent, err
}

func (p *payment) measure(ctx context.Context, draft signedTx) (size int, fee decimal.Decimal, err error) {
	size, err = query(ctx, p.c, decodeSize, "get_tx_size", wireTx(draft.text))
	if err != nil {
		return 0, fee, err
	}
	fee, err = p.c.DefaultFeeForSize(ctx, size)
	return size, fee, err
}

// askFee asks the user's function. Zero is no fee of its own.
func (p *payment) askFee(size int, defaultFee decimal.Decimal) (decimal.Decimal, error) {
	fee, err := p.feeFunc(size, defaultFee)
	if err != nil {
		return fee, fmt.Errorf("bitcart: %s: the fee function failed: %w", p.name, err)
	}
	if fee.IsZero() {
		return decimal.Zero, nil
	}
	if err := checkPositive(fee); err != nil {
		return fee, &OptionError{"WithFeeFunc", fmt.Errorf("the fee %w", err)}
	}
	return fee, nil
}

// payInTurn signs a transaction, by the method, and broadcasts it, while no other
// payment of the wallet does. Errors of signing are not maybe sent: no money has moved.
func (c *Coin) payInTurn(
	ctx context.Context, method string, sign func(context.Context) (signedTx, error), withoutBroadcast bool,
) (*Payout, error) {
	lane, leave := paying.join(c)
	defer leave()
	if err := lane.take(ctx, method); err != nil {
		return nil, err
	}
	defer lane.give()
	tx, err := sign(ctx)
	switch {
	case errors.As(err, new(*BroadcastError)):
		lane.sent++
		return nil, err
	case err != nil:
		return nil, nothingPaid(err)
	}
	if withoutBroadcast {
		return &Payout{RawTx: tx.text, Raw: tx.raw}, nil
	}
	if err := c.checkSigned(method, tx); err != nil {
		return nil, err
	}
	lane.sent++
	return c.send(ctx, tx)
}

// checkSigned refuses what no network can ever accept: nobody could settle a
// BroadcastError that holds it.
func (c *Coin) checkSigned(method string, tx signedTx) error {
	object := tx.raw[0] == '{'
	var noTransaction bool
	switch {
	case object && pricedByGas[c.d.cur.Symbol], c.keepsCoins() && !tx.signed():
		return fmt.Errorf("%w: the daemon hands over a transaction without signatures", ErrWatchOnlyWallet)
	case object && c.keepsCoins():
		noTransaction = readObject(tx.raw).text("hex") == ""
	case object && c.d.cur.Symbol == "TRX":
		noTransaction = c.hashOf(tx.text) == ""
	}
	if noTransaction {
		return nothingPaid(undecodable(method, errNoTransaction))
	}
	return nil
}

// send broadcasts what was signed. Once the wallet may keep the coins for it,
// every error holds the transaction. One that the wallet did not take is
// forgotten: the next payment spends its coins, and whoever broadcast it after
// that would replace a payment that was reported as sent.
func (c *Coin) send(ctx context.Context, tx signedTx) (*Payout, error) {
	failed := &BroadcastError{TxID: c.hashOf(tx.text), RawTx: tx.text}
	if c.keepsCoins() {
		txid, err := c.keepCoins(ctx, tx)
		switch {
		case errors.Is(err, ErrMaybeSent):
			failed.Err = nothingPaid(err)
			return nil, failed
		case err != nil:
			return nil, err
		}
		failed.TxID = cmp.Or(txid, failed.TxID)
	}
	txid, err := c.Broadcast(ctx, tx.text)
	if err != nil {
		failed.Err = err
		return nil, failed
	}
	return &Payout{TxID: txid, RawTx: tx.text, Raw: tx.raw}, nil
}

// keepsCoins: the daemon's wallet has coins, which a transaction that was added
// to it keeps from the next payment.
func (c *Coin) keepsCoins() bool { return c.d.cur.Family != FamilyAccount }

var errConflict = errors.New("bitcart: addtransaction: the transaction conflicts with another one of the wallet")

// keepCoins adds the transaction to the wallet before it is broadcast. Otherwise
// the next payment could spend its coins until the network has told the wallet,
// and with a higher fee replace it. The daemon answers the hash, on BCH and XRG
// null; false is a refusal.
func (c *Coin) keepCoins(ctx context.Context, tx signedTx) (txid string, err error) {
	var raw json.RawMessage
	if err := c.call(ctx, &raw, "addtransaction", wireTx(tx.text)); err != nil {
		return "", err
	}
	switch string(raw) {
	case "null":
		return "", nil
	case "false":
		return "", errConflict
	}
	if txid, err = decodeText(raw); err != nil {
		return "", undecodable("addtransaction", err)
	}
	if !c.d.cur.registered && !hash64.MatchString(txid) {
		return "", nil // nobody could look for it
	}
	return txid, nil
}

// nothingPaid makes the error of a call that moves no money one that is not
// maybe sent.
func nothingPaid(err error) error {
	var call *CallError
	if !errors.As(err, &call) {
		return err
	}
	harmless := *call
	harmless.MaybeSent = false
	return &harmless
}

// signedTx is a transaction as the daemon handed it over.
type signedTx struct {
	text string
	raw  json.RawMessage
}

// signed: it is no PSBT, which is base64, no hexadecimal with gaps for
// signatures, and no object that says of itself that they are missing: Electron
// Cash hands over either.
func (t signedTx) signed() bool {
	if t.raw[0] != '{' {
		return hexText.MatchString(t.text) && !lacksSignature(t.text)
	}
	return string(readObject(t.raw).get("complete")) != "false"
}

var errNoTransaction = errors.New("neither the text of a transaction nor an object")

func decodeSigned(raw json.RawMessage) (signedTx, error) {
	if readObject(raw).err == nil {
		return signedTx{string(raw), raw}, nil
	}
	text, err := decodeText(raw)
	if err != nil {
		return signedTx{}, errNoTransaction
	}
	return signedTx{text, raw}, nil
}

var errNoSize = errors.New("not a size")

func decodeSize(raw json.RawMessage) (int, error) {
	v, err := parseAmount(raw)
	if err != nil || !v.Decimal.IsInteger() || !v.Decimal.IsPositive() ||
		v.Decimal.GreaterThan(decimal.NewFromInt(math.MaxInt32)) {
		return 0, errNoSize
	}
	return int(v.Decimal.IntPart()), nil
}
