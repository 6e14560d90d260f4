package bitcarttest

import (
	"encoding/json"
	"strings"

	"github.com/shopspring/decimal"
)

var accountMethods = []entry{
	{"batch_load", "wallets! background", batchLoad},
	{"rescan_blocks", "start! end", rescanBlocks},
	{"debuglocks", "", debugLocks},
	{"get_tx_status", "tx!", getTransaction},
	{"getaddressbalance getaddressbalance_wallet", "address!", addressBalance},
	{"getaddressbalance_contract", "address! contract!", contractBalance},
	{"get_default_gas", "tx!", func(*Daemon, *Call) (any, error) { return 21000, nil }},
	{"getnonce", "address!", func(*Daemon, *Call) (any, error) { return 0, nil }},
	{"get_key_info", "key!", keyInfo},
	{"list_peers", "", func(*Daemon, *Call) (any, error) { return []any{}, nil }},
}

var accountWalletMethods = []entry{
	{"getbalance", "", accountBalance},
	{"add_request add_invoice", "amount! memo expiration force payment_address", addRequest},
	{"getrequest get_request get_invoice", "key!", getRequest},
	{"list_requests list_invoices", "pending expired paid", listRequests},
	{"rmrequest", "key!", removeRequest},
	{"clear_requests clear_invoices", "", clearRequests},
	{"setrequestaddress", "key! address!", setRequestAddress},
	{"get_updates", "", getUpdates},
	{"getaddress getunusedaddress", "", func(_ *Daemon, c *Call) (any, error) { return c.wallet.address, nil }},
	{"getpubkeys", "", func(_ *Daemon, c *Call) (any, error) { return c.wallet.spec.Xpub, nil }},
	{"listaddresses", "balance **", listAddresses},
	{"ismine", "address!", func(_ *Daemon, c *Call) (any, error) {
		return strings.EqualFold(c.text("address"), c.wallet.address), nil
	}},
	{"getprivatekeys", "", privateKeys},
	{"getseed", "", seedOf},
	{"payto", "destination! amount! fee feerate gas unsigned nonce gas_price speed_multiplier src_address private_key", accountPayTo},
	{"transfer", "address! to! value! gas unsigned nonce gas_price speed_multiplier private_key", tokenTransfer},
	{"signtransaction", "tx! private_key", signTransaction},
}

const noSuchKeys = "As we use only one address per wallet, address keys are used, but not the xprv/xpub"

// refuse marks what account daemons deliberately do not have.
func refuse(table map[string]method, c coin) {
	names := strings.Fields("createnewaddress getaddresshistory getmasterprivate getmerkle getmpk history removelocaltx")
	switch c.style {
	case styleMonero:
		names = append(names, strings.Fields("add_peer get_default_fee get_tx_size payto signmessage verifymessage signtransaction")...)
	case styleTron:
		names = append(names, "add_peer")
		table["get_default_energy"] = table["get_default_gas"]
	}
	for _, name := range names {
		table[name] = method{wallet: false, own: true, refusal: noSuchKeys}
	}
}

// batchLoad opens many wallets; one bad one fails the call, after the ones before it were loaded.
func batchLoad(d *Daemon, c *Call) (any, error) {
	var items []json.RawMessage
	if json.Unmarshal(c.bound["wallets"], &items) != nil {
		return nil, exception("TypeError: 'wallets' is not iterable")
	}
	for _, item := range items {
		spec, err := readWallet(item)
		if err != nil || spec.Xpub == "" {
			return nil, d.raised(d.badKey(), codeLoadingWallet)
		}
		_, reopened, err := d.load(spec)
		if err != nil {
			return nil, err
		}
		c.reopened = c.reopened || reopened
	}
	return true, nil
}

// rescanBlocks looks at blocks again: new_block and new_transaction come a second time, new_payment
// for what was not credited yet.
func rescanBlocks(d *Daemon, c *Call) (any, error) {
	start, err := c.number("start", 0)
	if err != nil {
		return nil, err
	}
	end, err := c.number("end", d.Height())
	if err != nil {
		return nil, err
	}
	d.events.Lock()
	defer d.events.Unlock()
	start, end = max(start, end-10*syncCap), min(end, d.Height())
	for height := start; height <= end; height++ {
		d.blockEvent(height)
		for _, t := range d.minedAt(height) {
			d.credited(t)
		}
	}
	return true, nil
}

func (d *Daemon) minedAt(height int64) []*transaction {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*transaction
	for _, t := range d.chain.order {
		if t.height == height && !t.outgoing {
			out = append(out, t)
		}
	}
	return out
}

func debugLocks(d *Daemon, _ *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	locked := object{}
	for key := range d.turns {
		locked = append(locked, member{key, true})
	}
	return object{{"locked_wallets", locked}, {"total_locks", len(locked)}}, nil
}

// balanceOf sums the mined transactions of an address. The caller holds mu.
func (d *Daemon) balanceOf(address, contract string) decimal.Decimal {
	sum := decimal.Zero
	for _, t := range d.chain.order {
		if t.height > 0 && t.contract == contract && strings.EqualFold(t.to, address) && !t.outgoing {
			sum = sum.Add(t.amount)
		}
		if t.height > 0 && t.contract == contract && strings.EqualFold(t.from, address) && t.outgoing {
			sum = sum.Sub(t.amount)
		}
	}
	return sum
}

// balance is the text of a wallet's balance. XMR's is always zero: a view key sees no spending.
func (d *Daemon) balance(w *wallet) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	contract := ""
	if w.token != nil {
		contract = w.token.Contract
	}
	sum := decimal.Zero
	if d.coin.style != styleMonero {
		sum = d.balanceOf(w.address, contract)
	}
	return fixed(sum, d.decimalsOf(w))
}

func accountBalance(d *Daemon, c *Call) (any, error) {
	return object{{"confirmed", d.balance(c.wallet)}}, nil
}

func addressBalance(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fixed(d.balanceOf(c.text("address"), ""), d.coin.decimals), nil
}

func contractBalance(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.token(c.text("contract"))
	if t == nil {
		return nil, exception("Exception: Invalid contract address or non-ERC20 token")
	}
	return object{{"balance", fixed(d.balanceOf(c.text("address"), t.Contract), t.Decimals)}, {"divisibility", t.Decimals}}, nil
}

func listAddresses(d *Daemon, c *Call) (any, error) {
	if c.flag("balance") {
		return [][]string{{c.wallet.address, d.balance(c.wallet)}}, nil
	}
	return []string{c.wallet.address}, nil
}

func keyInfo(d *Daemon, c *Call) (any, error) {
	key := c.text("key")
	if !d.coin.validKey(key) {
		return nil, d.badKey()
	}
	spec := walletSpec{Xpub: key}
	var private, seed any
	if d.signs(spec) {
		private = key
	}
	if words(spec) {
		seed = key
	}
	return object{{"address", d.coin.addressOf(spec)}, {"public_key", nil}, {"private_key", private}, {"seed", seed}}, nil
}

func words(s walletSpec) bool { return strings.Contains(s.Xpub, " ") }

// signs tells whether a wallet holds a private key.
func (d *Daemon) signs(s walletSpec) bool {
	if d.coin.family != Account {
		return words(s) || len(s.Xpub) > 4 && strings.EqualFold(s.Xpub[1:4], "prv")
	}
	return words(s) || hex64.MatchString(strings.TrimPrefix(s.Xpub, "0x")) && d.coin.style != styleMonero
}

var (
	errWatchOnly = exception("Exception: This is a watching-only wallet")
	errNoSeed    = exception("Exception: This wallet has no seed words")
)

func privateKeys(d *Daemon, c *Call) (any, error) {
	if !d.signs(c.wallet.spec) {
		return nil, errWatchOnly
	}
	return c.wallet.spec.Xpub, nil
}

func seedOf(_ *Daemon, c *Call) (any, error) {
	if !words(c.wallet.spec) {
		return nil, errNoSeed
	}
	return c.wallet.spec.Xpub, nil
}

// accountTransaction is a node's transaction. The caller holds mu.
func (d *Daemon) accountTransaction(t *transaction) object {
	confirmations := d.chain.confirmations(t)
	var height any
	if t.height > 0 {
		height = t.height
	}
	switch d.coin.style {
	case styleTron:
		return object{
			{"ret", []object{{{"contractRet", "SUCCESS"}}}}, {"signature", []string{randomHex(65)}}, {"txID", t.id},
			{"raw_data", object{{"timestamp", t.created.UnixMilli()}}}, {"raw_data_hex", t.script}, {"confirmations", confirmations},
		}
	case styleMonero:
		return object{
			{"version", 2}, {"unlock_time", 0}, {"vin", []any{}}, {"vout", []any{}}, {"extra", []any{}},
			{"rct_signatures", object{{"type", 6}, {"txnFee", 30640000}}}, {"fee", "0.000030640000"},
			{"tx_hash", t.id}, {"height", height}, {"confirmations", confirmations},
		}
	}
	to, value, input := t.to, t.amount.Shift(int32(d.coin.decimals)), "0x"
	if t.contract != "" {
		to, value, input = t.contract, decimal.Zero, "0xa9059cbb"
	}
	return object{
		{"blockHash", "0x" + t.parent}, {"blockNumber", height}, {"from", t.from}, {"gas", 21000}, {"gasPrice", gasPrice},
		{"hash", t.id}, {"input", input}, {"nonce", 0}, {"to", to}, {"transactionIndex", 0}, {"value", raw(value.Truncate(0))},
		{"type", 2}, {"chainId", chainID}, {"v", 1}, {"r", "0x" + t.parent}, {"s", "0x" + t.parent}, {"status", 1},
		{"confirmations", confirmations},
	}
}

// accountPayTo gives a signed transaction, or with unsigned the transaction object. Nothing is sent before broadcast.
func accountPayTo(d *Daemon, c *Call) (any, error) {
	return d.prepare(c, c.text("destination"), c.bound["amount"], nil)
}

func tokenTransfer(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	t := d.token(c.text("address"))
	d.mu.Unlock()
	if t == nil {
		return nil, exception("Exception: Invalid contract address or non-ERC20 token")
	}
	made, err := d.prepare(c, c.text("to"), c.bound["value"], t)
	if err != nil || c.flag("unsigned") {
		return made, err
	}
	text, ok := made.(string)
	if !ok {
		return made, nil
	}
	return d.send(text)
}

func (d *Daemon) prepare(c *Call, to string, value json.RawMessage, token *Token) (any, error) {
	if !d.coin.validAddress(to) {
		return nil, exceptionf("ValueError: Unknown format '%s', attempted to normalize to '0x...'", to)
	}
	amount, err := parseDecimal(value)
	if err != nil {
		return nil, err
	}
	if c.flag("unsigned") || d.coin.style == styleTron {
		return object{
			{"to", to}, {"value", raw(amount.Shift(int32(d.decimalsOf(c.wallet))).Truncate(0))}, {"nonce", 0},
			{"chainId", chainID}, {"from", c.wallet.address}, {"gasPrice", gasPrice}, {"gas", 21000},
		}, nil
	}
	if !d.signs(c.wallet.spec) {
		return nil, errWatchOnly
	}
	out := draft{wallet: c.wallet.key, from: c.wallet.address, to: to, amount: amount}
	if token != nil {
		out.contract = token.Contract
	}
	return "0x" + d.keepDraft(out), nil
}

func signTransaction(d *Daemon, c *Call) (any, error) {
	if d.coin.family == Account && !d.signs(c.wallet.spec) && !c.has("private_key") {
		return nil, exception("Exception: The private key must be exactly 32 bytes long, instead of 0 bytes.")
	}
	if text := c.text("tx"); !strings.HasPrefix(text, "{") {
		return text, nil
	}
	var fields struct {
		To    string      `json:"to"`
		Value json.Number `json:"value"`
	}
	if json.Unmarshal(c.bound["tx"], &fields) != nil {
		return nil, exception("Exception: Invalid transaction")
	}
	amount, err := decimal.NewFromString(fields.Value.String())
	if err != nil {
		return nil, exception("Exception: Invalid transaction")
	}
	return "0x" + d.keepDraft(draft{
		wallet: c.wallet.key, from: c.wallet.address, to: fields.To, amount: amount.Shift(int32(-d.coin.decimals)),
	}), nil
}
