package bitcarttest

import (
	"encoding/json"
	"strings"
)

// accountMethods need no wallet.
var accountMethods = []entry{
	{"batch_load", "wallets! background", batchLoad},
	{"rescan_blocks", "start_block! end_block", rescanBlocks},
	{"debuglocks", "", debugLocks},
	{"get_tx_status", "tx!", accountTxStatus},
	{"getaddressbalance getaddressbalance_wallet", "address!", addressBalance},
	{"get_default_gas", "tx!", defaultGas},
	{"getnonce", "address! pending", getNonce},
	{"get_key_info", "key!", keyInfo},
	{"list_peers", "", func(*Daemon, *Call) (any, error) { return []any{}, nil }},
	{"make_seed", "nbits language full_info", makeSeed},
	{"broadcast", "tx!", accountBroadcast},
	{"get_default_fee", "tx!", accountDefaultFee},
	{"get_used_fee", "tx_hash!", usedFee},
	{"get_tx_size", "tx_data!", accountSize},
	{"get_tx_hash", "tx_data!", accountHash},
}

// accountWalletMethods need a wallet.
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
	{"getpubkeys", "", accountPublicKey},
	{"listaddresses", "balance **", listAddresses},
	{"ismine", "address!", func(_ *Daemon, c *Call) (any, error) {
		return strings.EqualFold(c.text("address"), c.wallet.address), nil
	}},
	{"getprivatekeys", "", privateKeys},
	{"getseed", "", seedOf},
	{"payto", "destination! amount! fee feerate gas unsigned nonce gas_price speed_multiplier src_address private_key", accountPayTo},
	{"signtransaction", "tx! private_key", accountSign},
}

// contractMethods and contractWalletMethods exist where there are token contracts.
var (
	contractMethods = []entry{
		{"readcontract", "address! function! * **", readContract},
		{"getaddressbalance_contract", "address! contract!", contractBalance},
	}
	contractWalletMethods = []entry{
		{"transfer", "address! to! value! gas unsigned nonce gas_price speed_multiplier fee private_key", tokenTransfer},
	}
	evmMethods = []entry{{"add_peer", "url!", func(*Daemon, *Call) (any, error) { return nil, nil }}}
)

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

// rescanBlocks looks at blocks again, at one when no end is given: new_block and new_transaction
// come a second time, new_payment for what was not credited yet.
func rescanBlocks(d *Daemon, c *Call) (any, error) {
	start, err := c.number("start_block", 0)
	if err != nil {
		return nil, err
	}
	end, err := c.number("end_block", start)
	if err != nil {
		return nil, err
	}
	d.events.Lock()
	defer d.events.Unlock()
	start, end = max(start, end-10*d.coin.syncCap()), min(end, d.Height())
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

func listAddresses(d *Daemon, c *Call) (any, error) {
	if c.flag("balance") {
		return [][]string{{c.wallet.address, d.balance(c.wallet)}}, nil
	}
	return []string{c.wallet.address}, nil
}

// defaultGas is the gas of a transaction; TRX counts energy, which plain transfers do not take.
func defaultGas(d *Daemon, c *Call) (any, error) {
	fields, err := transactionObject(c, "tx")
	if err != nil {
		return nil, err
	}
	_, calls := fields["data"]
	if d.coin.style == styleTron {
		calls = strings.Contains(string(fields["raw_data"]), "contract_address")
	}
	switch {
	case calls:
		return tokenGas, nil
	case d.coin.style == styleTron:
		return 0, nil
	}
	return coinGas, nil
}

func accountHash(d *Daemon, c *Call) (any, error) {
	if d.coin.style == styleTron {
		return tronHash(d, c)
	}
	return d.draftID(c.text("tx_data")), nil
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
	return object{{"address", d.coin.addressOf(spec)}, {"public_key", d.publicKey(spec)}, {"private_key", private}, {"seed", seed}}, nil
}

// publicKey is null for a wallet that is known by its address only; XMR's is the view key.
func (d *Daemon) publicKey(s walletSpec) any {
	switch {
	case d.coin.style == styleMonero && !words(s):
		return s.Xpub
	case d.coin.style == styleMonero:
		return hexSum(s.Xpub)
	case d.coin.validAddress(s.Xpub):
		return nil
	}
	return "02" + hexSum(s.Xpub)
}

func accountPublicKey(d *Daemon, c *Call) (any, error) { return d.publicKey(c.wallet.spec), nil }

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
