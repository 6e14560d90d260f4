package bitcarttest

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

var engineMethods = []entry{
	{"getaddressbalance", "address!", engineAddressBalance},
	{"getaddresshistory", "address!", addressHistory},
}

var engineWalletMethods = []entry{
	{"getbalance", "", engineBalance},
	{"listaddresses", "receiving change labels frozen unused funded balance", engineAddresses},
	{"getmpk", "", func(_ *Daemon, c *Call) (any, error) { return masterKey(c.wallet.spec), nil }},
	{"getseed", "password", seedOf},
	{"getunusedaddress createnewaddress", "", func(d *Daemon, _ *Call) (any, error) { return d.coin.newAddress(), nil }},
	{"getpubkeys", "address!", func(_ *Daemon, c *Call) (any, error) { return []string{"02" + hashText(c.text("address"))}, nil }},
	{"ismine", "address!", isMine},
	{"clear_requests", "", clearRequests},
	{"payto", "destination! amount! fee feerate from_addr from_coins change_addr nocheck unsigned rbf password locktime addtransaction", enginePayTo},
	{"paytomany", "outputs! fee feerate from_addr from_coins change_addr nocheck unsigned rbf password locktime addtransaction", payToMany},
	{"addtransaction", "tx!", addTransaction},
	{"removelocaltx", "txid!", func(*Daemon, *Call) (any, error) { return nil, nil }},
	{"signtransaction", "tx! password iknowwhatimdoing", signTransaction},
	{"get_tx_status", "txid!", engineTxStatus},
}

// engineOwnMethods are what the daemon itself adds to its engine.
var engineOwnMethods = []entry{
	{"get_updates", "", getUpdates},
	{"setrequestaddress", "key! address!", setRequestAddress},
	{"getrequest get_request", "key!", getRequest},
	{"getaddressbalance_wallet", "address!", walletAddressBalance},
}

var electrumMethods = []entry{
	{"add_request", "amount! memo expiry lightning force", addRequest},
	{"list_requests", "pending expired paid", listRequests},
	{"delete_request", "key!", removeRequest},
	{"onchain_history", "show_addresses from_height to_height", onchainHistory},
	{"get_invoice", "key!", getInvoice},
	{"nodeid", "", nodeID},
	{"add_peer", "connection_string! timeout gossip", addPeer},
	{"list_peers", "gossip", emptyList},
	{"list_channels", "", emptyList},
	{"open_channel", "connection_string! amount! push_amount public password", openChannel},
	{"close_channel", "channel_point! force", noChannel},
	{"lnpay", "invoice! timeout password", payInvoice},
}

var cashMethods = []entry{
	{"addrequest", "amount! memo expiration force payment_url index_url", addRequest},
	{"listrequests", "pending expired paid", listRequests},
	{"rmrequest", "key!", removeRequest},
	{"clearrequests", "", clearRequests},
	{"history", "", cashHistory},
	{"transfer", "address! to! value! unsigned", enginePayTo},
}

func hashText(text string) string { return strings.TrimPrefix(hexSum(text), "0x") }

// masterKey is the extended public key; for a seed one is made from its hash.
func masterKey(s walletSpec) string {
	if !words(s) {
		return s.Xpub
	}
	return "zpub6" + spell(base58, []byte(s.Xpub), 106)
}

// holdings are the confirmed and the unconfirmed balance of a wallet. The caller holds mu.
func (d *Daemon) holdings(w *wallet, address string) (confirmed, unconfirmed decimal.Decimal) {
	for _, t := range d.chain.order {
		if !d.sees(w, t) || address != "" && t.to != address {
			continue
		}
		amount := t.amount
		if t.outgoing {
			amount = amount.Neg()
		}
		if t.height > 0 {
			confirmed = confirmed.Add(amount)
		} else {
			unconfirmed = unconfirmed.Add(amount)
		}
	}
	return confirmed, unconfirmed
}

func engineBalance(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	confirmed, unconfirmed := d.holdings(c.wallet, "")
	o := object{{"confirmed", pythonDecimal(confirmed)}}
	if !unconfirmed.IsZero() {
		o = append(o, member{"unconfirmed", pythonDecimal(unconfirmed)})
	}
	return o, nil
}

func walletAddressBalance(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	confirmed, unconfirmed := d.holdings(c.wallet, c.text("address"))
	return object{{"confirmed", fixed(confirmed, 8)}, {"unconfirmed", fixed(unconfirmed, 8)}, {"unmatured", fixed(decimal.Zero, 8)}}, nil
}

func engineAddressBalance(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var confirmed, unconfirmed decimal.Decimal
	for _, t := range d.chain.to[c.text("address")] {
		if t.height > 0 {
			confirmed = confirmed.Add(t.amount)
		} else {
			unconfirmed = unconfirmed.Add(t.amount)
		}
	}
	return object{{"confirmed", pythonDecimal(confirmed)}, {"unconfirmed", pythonDecimal(unconfirmed)}}, nil
}

func addressHistory(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []object{}
	for _, t := range d.chain.to[c.text("address")] {
		o := object{{"tx_hash", t.id}, {"height", t.height}}
		if t.height == 0 {
			o = append(o, member{"fee", 200})
		}
		out = append(out, o)
	}
	return out, nil
}

func engineAddresses(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []string{}
	for _, r := range c.wallet.book.requests {
		if r.address != "" {
			out = append(out, r.address)
		}
	}
	return out, nil
}

func isMine(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return c.wallet.book.byAddress(c.text("address")) != nil, nil
}

// getTransaction is get_transaction of every family, and get_tx_status of the account daemons.
func getTransaction(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := c.text("tx")
	t := d.chain.txs[id]
	switch {
	case t == nil && d.coin.family != Account:
		return nil, exception(`aiorpcx.jsonrpc.RPCError: (2, "daemon error: DaemonError({'code': -5, 'message': 'No such mempool or blockchain transaction. Use gettransaction for wallet transactions.'})")`)
	case t == nil && d.coin.style == styleMonero:
		return nil, exception("Exception: Transaction not found")
	case t == nil:
		return nil, exceptionf("TransactionNotFound: Transaction with hash: '%s' not found.", id)
	case d.coin.family == Account:
		return d.accountTransaction(t), nil
	case d.coin.family == ElectronCash:
		return d.cashTransaction(t), nil
	}
	return object{
		{"version", 2}, {"locktime", 0},
		{"inputs", []object{{{"prevout_hash", t.parent}, {"prevout_n", 0}, {"coinbase", false}, {"nsequence", 4294967294}, {"scriptSig", ""}}}},
		{"outputs", []object{{{"scriptpubkey", "0014" + t.script}, {"address", t.to}, {"value_sats", units(t.amount, 8)}}}},
		{"confirmations", d.chain.confirmations(t)},
	}, nil
}

func (d *Daemon) cashTransaction(t *transaction) object {
	o := object{
		{"txid", t.id}, {"hash", t.id}, {"version", 2}, {"size", 226}, {"locktime", 0},
		{"vin", []object{{{"txid", t.parent}, {"vout", 0}, {"sequence", 4294967294}}}},
		{"vout", []object{{
			{"value", raw(t.amount)}, {"n", 0},
			{"scriptPubKey", object{{"hex", "76a914" + t.script + "88ac"}, {"type", "pubkeyhash"}, {"addresses", []string{d.coin.scheme + ":" + t.to}}}},
		}}},
	}
	if t.height > 0 {
		o = append(o, object{{"blockhash", t.parent}, {"time", t.created.Unix()}, {"blocktime", t.created.Unix()}}...)
	}
	return append(o, member{"confirmations", d.chain.confirmations(t)})
}

func engineTxStatus(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.chain.txs[c.text("txid")]
	if t == nil || !d.sees(c.wallet, t) {
		return nil, exception("Exception: No such blockchain transaction")
	}
	return object{{"confirmations", d.chain.confirmations(t)}}, nil
}

func onchainHistory(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out, balance := []object{}, decimal.Zero
	for _, t := range d.chain.order {
		if !d.sees(c.wallet, t) {
			continue
		}
		value := t.amount
		if t.outgoing {
			value = value.Neg()
		}
		balance = balance.Add(value)
		var stamp, date, index any
		monotonic := int64(999999999999)
		if t.height > 0 {
			stamp, monotonic, date, index = t.created.Unix(), t.created.Unix(), t.created.Format("2006-01-02 15:04"), 1
		}
		out = append(out, object{
			{"amount_sat", units(value, 8)}, {"bc_balance", trimmed(balance)}, {"bc_value", trimmed(value)},
			{"confirmations", d.chain.confirmations(t)}, {"date", date}, {"fee_sat", nil}, {"group_id", nil},
			{"height", t.height}, {"incoming", !t.outgoing}, {"label", d.label(c.wallet, t)}, {"monotonic_timestamp", monotonic},
			{"timestamp", stamp}, {"txid", t.id}, {"txpos_in_block", index}, {"wanted_height", nil},
		})
	}
	return out, nil
}

// label is the description of the request that a transaction pays.
func (d *Daemon) label(w *wallet, t *transaction) string {
	if r := w.book.byAddress(t.to); r != nil {
		return r.memo
	}
	return ""
}

func cashHistory(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out, balance := []object{}, decimal.Zero
	for _, t := range d.chain.order {
		if !d.sees(c.wallet, t) {
			continue
		}
		balance = balance.Add(t.amount)
		stamp, date := int64(0), "unconfirmed"
		if t.height > 0 {
			stamp, date = t.created.Unix(), t.created.Format(time.DateTime)
		}
		out = append(out, object{
			{"txid", t.id}, {"height", t.height}, {"confirmations", d.chain.confirmations(t)}, {"timestamp", stamp},
			{"date", date}, {"label", d.label(c.wallet, t)}, {"value", "--"}, {"fee", "--"}, {"balance", dotted(balance)},
		})
	}
	return out, nil
}

func enginePayTo(d *Daemon, c *Call) (any, error) {
	to, value := "destination", "amount"
	if _, ok := c.bound["to"]; ok {
		to, value = "to", "value"
	}
	return d.payOut(c, []output{{c.text(to), c.bound[value]}})
}

type output struct {
	to     string
	amount json.RawMessage
}

func payToMany(d *Daemon, c *Call) (any, error) {
	var rows [][2]json.RawMessage
	if json.Unmarshal(c.bound["outputs"], &rows) != nil || len(rows) == 0 {
		return nil, exception("ValueError: not enough values to unpack (expected 2)")
	}
	outputs := make([]output, len(rows))
	for i, row := range rows {
		var to string
		_ = json.Unmarshal(row[0], &to)
		outputs[i] = output{to, row[1]}
	}
	return d.payOut(c, outputs)
}
