package bitcarttest

import (
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/shopspring/decimal"
)

var (
	errNoToken       = exception("Exception: Invalid contract address or non-ERC20 token")
	errTransfer      = exception("Exception: Invalid arguments for transfer function")
	errPoorAccount   = exception("ValueError: {'code': -32000, 'message': 'insufficient funds for transfer'}")
	errPoorToken     = exception("web3.exceptions.ContractLogicError: execution reverted: ERC20: transfer amount exceeds balance")
	errPoorTron      = exception("tronpy.exceptions.ValidationError: Contract validate error : balance is not sufficient.")
	errTronUnsigned  = exception("tronpy.exceptions.ValidationError: Validate signature error: miss sig or contract")
	errTronRepeated  = exception("tronpy.exceptions.TransactionError: DUP_TRANSACTION_ERROR")
	transferSelector = "a9059cbb"
)

// accountPayTo makes a transaction: signed, or with unsigned as it is to be signed. On TRX both are
// objects. Nothing is sent before broadcast.
func accountPayTo(d *Daemon, c *Call) (any, error) {
	amount, err := parseDecimal(c.bound["amount"])
	switch {
	case err != nil:
		return nil, err
	case amount.IsNegative():
		return nil, exception("ValueError: value must be between 1 and 2**256 - 1")
	}
	return d.prepare(c, c.text("destination"), amount, nil)
}

// tokenTransfer sends at once, but for unsigned.
func tokenTransfer(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	token := d.token(c.text("address"))
	d.mu.Unlock()
	amount, err := parseDecimal(c.bound["value"])
	if err != nil || token == nil || amount.IsNegative() {
		return nil, errTransfer
	}
	if d.coin.family == ElectronCash {
		return d.cashTransfer(c, token, amount)
	}
	made, err := d.prepare(c, c.text("to"), amount, token)
	if err != nil || c.flag("unsigned") {
		return made, err
	}
	raw, err := encode(made)
	if err != nil {
		return nil, err
	}
	return d.accountSend(raw)
}

// cashTransfer is the transfer of a CashToken.
func (d *Daemon) cashTransfer(c *Call, token *Token, amount decimal.Decimal) (any, error) {
	d.mu.Lock()
	p := place{c.wallet.spec.Xpub, token.Contract}
	fee := decimal.NewFromInt(d.feeRate * int64(d.cfg.txSize)).Shift(-8)
	poor := amount.GreaterThan(d.holdings(p, "").spendable()) || fee.GreaterThan(d.holdings(p.coins(), "").spendable())
	d.mu.Unlock()
	switch {
	case !d.coin.validAddress(c.text("to")):
		return nil, d.errAddress(c.text("to"))
	case poor || !amount.IsPositive():
		return nil, d.errPoor()
	}
	t := &draft{
		wallet: c.wallet, contract: token.Contract, fee: fee, size: d.cfg.txSize, unsigned: c.flag("unsigned"),
		outputs: []output{{to: c.text("to"), value: rounded(amount, token.Decimals)}},
	}
	text := d.keepDraft(t)
	if t.unsigned {
		return cashObject(text, false), nil
	}
	id := d.draftID(text)
	d.send(t, text, id)
	return id, nil
}

func (d *Daemon) prepare(c *Call, to string, amount decimal.Decimal, token *Token) (any, error) {
	if !d.coin.validAddress(to) {
		return nil, exceptionf("ValueError: Unknown format '%s', attempted to normalize to '0x...'", to)
	}
	t := &draft{
		wallet: c.wallet, size: defaultSize, gas: coinGas, unsigned: c.flag("unsigned"),
		outputs: []output{{to: d.coin.normalized(to), value: amount}},
	}
	if token != nil {
		t.contract, t.gas = token.Contract, tokenGas
	}
	gas, err := c.number("gas", t.gas)
	if err != nil {
		return nil, err
	}
	t.gas = max(min(gas, 1e9), 0)
	t.fee = d.gasFee(t.gas)
	if d.coin.style == styleTron {
		return d.prepareTron(c, t)
	}
	return d.prepareEVM(c, t)
}

// payable tells whether the account has what a transaction takes.
func (d *Daemon) payable(t *draft) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := place{t.wallet.address, t.contract}
	coins, spent := d.holdings(p.coins(), "").confirmed, t.fee
	if t.contract == "" {
		spent = spent.Add(t.total())
	}
	switch {
	case spent.GreaterThan(coins) && d.coin.style == styleTron:
		return errPoorTron
	case spent.GreaterThan(coins):
		return errPoorAccount
	case t.contract == "" || t.total().LessThanOrEqual(d.holdings(p, "").confirmed):
		return nil
	case d.coin.style == styleTron:
		return errPoorTron
	}
	return errPoorToken
}

// prepareEVM asks the node for the gas of a transaction, which fails when it cannot be paid.
func (d *Daemon) prepareEVM(c *Call, t *draft) (any, error) {
	if err := d.priceEVM(c, t); err != nil {
		return nil, err
	}
	if err := d.payable(t); err != nil {
		return nil, err
	}
	if t.unsigned {
		return d.evmObject(t), nil
	}
	if !d.signs(c.wallet.spec) && !c.has("private_key") {
		return nil, errWatchOnly
	}
	return "0x" + d.keepDraft(t), nil
}

// priceEVM takes the fee from the call: a price of one gas in wei, which daemons sign as it is, or
// a whole fee in coins, or a rate in gwei. Of the last two arguments only the names are settled
// (protocol section 9.10), so nothing should rely on what they mean here.
func (d *Daemon) priceEVM(c *Call, t *draft) error {
	switch {
	case c.has("fee") && c.has("feerate"):
		return errFeeMix
	case c.has("fee"):
		fee, err := positive(c, "fee")
		t.fee = fee
		return err
	case c.has("feerate"):
		rate, err := positive(c, "feerate")
		t.fee = rate.Shift(9 - int32(d.coin.decimals)).Mul(decimal.NewFromInt(t.gas))
		return err
	case c.has("gas_price"):
		price, err := positive(c, "gas_price")
		t.fee = price.Mul(decimal.NewFromInt(t.gas)).Shift(-int32(d.coin.decimals))
		return err
	}
	return nil
}

// evmObject is a transaction that is to be signed.
func (d *Daemon) evmObject(t *draft) object {
	d.mu.Lock()
	defer d.mu.Unlock()
	price := t.fee.Shift(int32(d.coin.decimals)).Div(decimal.NewFromInt(max(t.gas, 1))).Truncate(0)
	common := object{
		{"nonce", d.nonce(t.wallet.address)}, {"chainId", chainID}, {"from", t.wallet.address},
		{"gasPrice", raw(price)}, {"gas", t.gas},
	}
	o := t.outputs[0]
	if t.contract == "" {
		return append(object{{"to", o.to}, {"value", units(o.value, d.coin.decimals)}}, common...)
	}
	amount := units(o.value, d.token(t.contract).Decimals)
	return append(append(object{{"value", 0}}, common...), object{{"to", t.contract}, {"data", transferData(o.to, amount)}}...)
}

// transferData is the input of a token's transfer function.
func transferData(to string, amount json.RawMessage) string {
	number, err := decimal.NewFromString(string(amount))
	if err != nil {
		number = decimal.Zero
	}
	digits := number.BigInt().Text(16)
	address := strings.ToLower(strings.TrimPrefix(to, "0x"))
	return "0x" + transferSelector + strings.Repeat("0", 64-len(address)) + address + strings.Repeat("0", max(64-len(digits), 0)) + digits
}

// readTransfer is the reverse of transferData.
func readTransfer(data string) (to string, amount decimal.Decimal, ok bool) {
	data = strings.TrimPrefix(data, "0x")
	raw, err := hex.DecodeString(data)
	if err != nil || len(raw) != 4+32+32 || !strings.HasPrefix(data, transferSelector) {
		return "", amount, false
	}
	amount = decimal.NewFromBigInt(bigFrom(raw[36:]), 0)
	return checksummed(hex.EncodeToString(raw[16:36])), amount, true
}

// nonce counts what an address has sent. The caller holds mu.
func (d *Daemon) nonce(address string) int {
	n := 0
	for _, t := range d.chain.order {
		if t.outgoing && d.sameAddress(t.from, address) {
			n++
		}
	}
	return n
}

func getNonce(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.nonce(c.text("address")), nil
}

// accountSign signs a transaction object; text that is signed already stays as it is.
func accountSign(d *Daemon, c *Call) (any, error) {
	if !d.signs(c.wallet.spec) && !c.has("private_key") {
		return nil, exception("Exception: The private key must be exactly 32 bytes long, instead of 0 bytes.")
	}
	if text := c.text("tx"); strings.HasPrefix(text, "0x") {
		return text, nil
	}
	fields, err := transactionObject(c, "tx")
	if err != nil {
		return nil, err
	}
	if d.coin.style == styleTron {
		return d.signTron(fields)
	}
	t, err := d.readEVM(c.wallet, fields)
	if err != nil {
		return nil, err
	}
	return "0x" + d.keepDraft(t), nil
}

// readEVM makes a draft of a transaction object.
func (d *Daemon) readEVM(w *wallet, fields map[string]json.RawMessage) (*draft, error) {
	var to, data string
	_ = json.Unmarshal(fields["to"], &to)
	_ = json.Unmarshal(fields["data"], &data)
	value, err := parseDecimal(fields["value"])
	if err != nil || !d.coin.validAddress(to) {
		return nil, errNoTransaction
	}
	gas, err1 := parseDecimal(fields["gas"])
	price, err2 := parseDecimal(fields["gasPrice"])
	if err1 != nil || err2 != nil {
		return nil, errNoTransaction
	}
	t := &draft{wallet: w, size: defaultSize, gas: gas.IntPart(), fee: gas.Mul(price).Shift(-int32(d.coin.decimals))}
	t.outputs = []output{{to: d.coin.normalized(to), value: value.Shift(-int32(d.coin.decimals))}}
	d.mu.Lock()
	token := d.token(to)
	d.mu.Unlock()
	if recipient, amount, ok := readTransfer(data); ok && token != nil {
		t.contract = token.Contract
		t.outputs[0] = output{to: recipient, value: amount.Shift(-int32(token.Decimals))}
	}
	return t, nil
}

// accountBroadcast sends a transaction: text on EVM chains, an object on TRX.
func accountBroadcast(d *Daemon, c *Call) (any, error) { return d.accountSend(c.bound["tx"]) }

func (d *Daemon) accountSend(raw json.RawMessage) (any, error) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	switch d.coin.style {
	case styleTron:
		return d.sendTron(text)
	case styleMonero:
		return nodeReply(), nil
	}
	name := strings.TrimPrefix(text, "0x")
	if _, err := hex.DecodeString(name); err != nil || name == "" {
		return nil, exceptionf("ValueError: when sending a str, it must be a hex string. Got: '%s'", text)
	}
	id := d.draftID(name)
	if t := d.draft(name); t != nil {
		if err := d.payable(t); err != nil {
			return nil, err
		}
		d.send(t, name, id)
	}
	return id, nil
}

// nodeReply is what a Monero node says to a transaction that it takes.
func nodeReply() object {
	o := object{{"status", "OK"}, {"untrusted", false}, {"credits", 0}, {"top_hash", ""}, {"reason", ""}}
	for _, name := range strings.Fields(`not_relayed double_spend fee_too_low invalid_input invalid_output low_mixin
		overspend too_big too_few_outputs sanity_check_failed tx_extra_too_big`) {
		o = append(o, member{name, false})
	}
	return o
}
