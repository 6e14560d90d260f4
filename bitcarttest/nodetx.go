package bitcarttest

import (
	"github.com/shopspring/decimal"
)

// moneroFee is the fee of every Monero transaction.
const moneroFee = "0.000030640000"

var errNotInWallet = exception("Exception: No such blockchain transaction")

func (d *Daemon) errNoTx(id string) error {
	switch {
	case d.coin.family != Account:
		return exception(`aiorpcx.jsonrpc.RPCError: (2, "daemon error: DaemonError({'code': -5, 'message': 'No such mempool or blockchain transaction. Use gettransaction for wallet transactions.'})")`)
	case d.coin.style == styleMonero && !hex64.MatchString(id):
		return exception("Exception: Invalid tx hash")
	case d.coin.style == styleMonero:
		return exception("Exception: Transaction not found")
	}
	return exceptionf("TransactionNotFound: Transaction with hash: '%s' not found.", id)
}

// getTransaction is get_transaction of every family.
func getTransaction(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := c.text("tx")
	if c.has("tx_hash") {
		id = c.text("tx_hash")
	}
	t := d.chain.txs[id]
	switch {
	case t == nil:
		return nil, d.errNoTx(id)
	case d.coin.family == Electrum:
		return d.electrumTransaction(t), nil
	case d.coin.family == ElectronCash:
		return d.cashTransaction(t), nil
	case d.coin.style == styleTron:
		return d.tronTransaction(t), nil
	case d.coin.style == styleMonero:
		return d.moneroTransaction(t), nil
	}
	return d.evmTransaction(t), nil
}

// outputsOf are the outputs of a transaction on an engine's chain; what the wallet has sent has its
// change behind them.
func (t *transaction) outputsOf() []output {
	if !t.outgoing {
		return []output{{to: t.to, value: t.amount}}
	}
	return append(t.outputs[:len(t.outputs):len(t.outputs)], output{to: t.changeTo, value: t.kept})
}

// sequence is that of an input that does not ask to be replaceable (BIP 125).
const sequence uint32 = 1<<32 - 2

func (d *Daemon) electrumTransaction(t *transaction) object {
	input := object{{"prevout_hash", t.parent}, {"prevout_n", 0}, {"coinbase", false}, {"nsequence", sequence}, {"scriptSig", ""}}
	if t.outgoing {
		input = append(input, member{"witness", []string{hexSum(t.id), "02" + hexSum(t.parent)}})
	}
	outputs := []object{}
	for _, o := range t.outputsOf() {
		outputs = append(outputs, object{{"scriptpubkey", "0014" + scriptOf(o.to)}, {"address", o.to}, {"value_sats", units(o.value, 8)}})
	}
	return object{
		{"version", 2}, {"locktime", 0}, {"inputs", []object{input}}, {"outputs", outputs},
		{"confirmations", d.chain.confirmations(t)},
	}
}

// scriptOf stands for the hash in the script of an address.
func scriptOf(address string) string { return hexSum(address)[:40] }

func (d *Daemon) cashTransaction(t *transaction) object {
	outputs := []object{}
	for i, o := range t.outputsOf() {
		hash := scriptOf(o.to)
		outputs = append(outputs, object{
			{"value", raw(o.value)}, {"n", i},
			{"scriptPubKey", object{
				{"asm", "OP_DUP OP_HASH160 " + hash + " OP_EQUALVERIFY OP_CHECKSIG"}, {"hex", "76a914" + hash + "88ac"},
				{"reqSigs", 1}, {"type", "pubkeyhash"}, {"addresses", []string{d.coin.scheme + ":" + o.to}},
			}},
		})
	}
	o := object{
		{"txid", t.id}, {"hash", t.id}, {"version", 2}, {"size", 226}, {"locktime", 0},
		{"vin", []object{{
			{"txid", t.parent}, {"vout", 0}, {"scriptSig", object{{"asm", ""}, {"hex", ""}}}, {"sequence", sequence},
		}}},
		{"vout", outputs}, {"hex", "0200000001" + t.parent + t.script},
	}
	if t.height > 0 {
		o = append(o, object{{"blockhash", t.parent}, {"time", t.created.Unix()}, {"blocktime", t.created.Unix()}}...)
	}
	return append(o, member{"confirmations", d.chain.confirmations(t)})
}

func (d *Daemon) evmTransaction(t *transaction) object {
	to, value, input, gas := t.to, units(t.amount, d.coin.decimals), "0x", int64(coinGas)
	if token := d.token(t.contract); token != nil {
		to, value, input = t.contract, units(decimal.Zero, 0), transferData(t.to, units(t.amount, token.Decimals))
		gas = tokenGas
	}
	if t.gas > 0 {
		gas = t.gas
	}
	return object{
		{"blockHash", "0x" + t.parent}, {"blockNumber", d.heightOf(t)}, {"from", t.from}, {"gas", gas}, {"gasPrice", d.feeRate},
		{"hash", t.id}, {"input", input}, {"nonce", 0}, {"to", to}, {"transactionIndex", 0}, {"value", value},
		{"type", 2}, {"chainId", chainID}, {"v", 1}, {"r", "0x" + t.parent}, {"s", "0x" + t.parent},
		{"confirmations", d.chain.confirmations(t)},
	}
}

// accountTxStatus is the receipt of a transaction; XMR has none but the transaction itself.
func accountTxStatus(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := c.text("tx")
	t := d.chain.txs[id]
	switch {
	case t == nil:
		return nil, d.errNoTx(id)
	case d.coin.style == styleMonero:
		return d.moneroTransaction(t), nil
	case d.coin.style == styleTron:
		return d.tronReceipt(t), nil
	}
	return d.evmReceipt(t), nil
}

func (d *Daemon) evmReceipt(t *transaction) object {
	to, gas := t.to, int64(coinGas)
	if t.contract != "" {
		to, gas = t.contract, tokenGas
	}
	return object{
		{"blockHash", "0x" + t.parent}, {"blockNumber", d.heightOf(t)}, {"contractAddress", nil}, {"cumulativeGasUsed", gas},
		{"effectiveGasPrice", d.feeRate}, {"from", t.from}, {"gasUsed", gas}, {"logs", []any{}}, {"logsBloom", "0x00"},
		{"status", 1}, {"to", to}, {"transactionHash", t.id}, {"transactionIndex", 0}, {"type", 2},
		{"confirmations", d.chain.confirmations(t)},
	}
}

func (d *Daemon) tronReceipt(t *transaction) object {
	return object{
		{"id", t.id}, {"fee", d.feeRate}, {"blockNumber", d.heightOf(t)}, {"blockTimeStamp", t.created.UnixMilli()},
		{"contractResult", []string{""}}, {"receipt", object{{"net_fee", d.feeRate}}}, {"confirmations", d.chain.confirmations(t)},
	}
}

// heightOf is null in the mempool.
func (d *Daemon) heightOf(t *transaction) any {
	if t.height == 0 {
		return nil
	}
	return t.height
}

func (d *Daemon) tronTransaction(t *transaction) object {
	body := any(t.body)
	if t.body == nil {
		w := &wallet{address: t.from}
		body = d.tronBody(&draft{wallet: w, outputs: []output{{to: t.to, value: t.amount}}, contract: t.contract}, nil)
	}
	return object{
		{"ret", []object{{{"contractRet", "SUCCESS"}}}}, {"signature", []string{tronSignature(t.id)}}, {"txID", t.id},
		{"raw_data", body}, {"raw_data_hex", "0a02" + t.script}, {"confirmations", d.chain.confirmations(t)},
	}
}

func (d *Daemon) moneroTransaction(t *transaction) object {
	return object{
		{"version", 2}, {"unlock_time", 0},
		{"vin", []object{{{"key", object{{"amount", 0}, {"key_offsets", []int{1001, 17}}, {"k_image", t.parent}}}}}},
		{"vout", []object{{{"amount", 0}, {"target", object{{"tagged_key", object{{"key", hexSum(t.id)}, {"view_tag", t.script[:2]}}}}}}}},
		{"extra", []int{1, 2, 3}},
		{"rct_signatures", object{
			{"type", 6}, {"txnFee", 30640000}, {"ecdhInfo", []object{{{"amount", t.script[:16]}}}}, {"outPk", []string{hexSum(t.parent)}},
		}},
		{"rctsig_prunable", object{{"nbp", 1}}},
		{"fee", moneroFee}, {"tx_hash", t.id}, {"height", d.heightOf(t)}, {"confirmations", d.chain.confirmations(t)},
	}
}

func engineTxStatus(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.chain.txs[c.text("txid")]
	if t == nil || t.xpub != c.wallet.spec.Xpub {
		return nil, errNotInWallet
	}
	return object{{"confirmations", d.chain.confirmations(t)}}, nil
}
