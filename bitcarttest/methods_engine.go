package bitcarttest

// engineMethods need no wallet.
var engineMethods = []entry{
	{"getaddressbalance", "address!", engineAddressBalance},
	{"getaddresshistory", "address!", addressHistory},
	{"broadcast", "tx!", engineBroadcast},
	{"make_seed", "nbits language seed_type", makeSeed},
}

// engineOpenMethods are what the daemon itself adds to its engine, without a wallet.
var engineOpenMethods = []entry{
	{"get_default_fee", "tx!", engineDefaultFee},
	{"get_tx_size", "raw_tx!", engineSize},
	{"get_tx_hash", "raw_tx!", getTxHash},
}

const payTerms = " fee feerate from_addr from_coins change_addr nocheck unsigned rbf password locktime addtransaction"

// engineWalletMethods need a wallet.
var engineWalletMethods = []entry{
	{"getbalance", "", engineBalance},
	{"listaddresses", "receiving change labels frozen unused funded balance", engineAddresses},
	{"getmpk", "", getMasterKey},
	{"getseed", "password", seedOf},
	{"getunusedaddress createnewaddress", "", newAddress},
	{"getpubkeys", "address!", enginePublicKeys},
	{"ismine", "address!", isMine},
	{"clear_requests", "", clearRequests},
	{"payto", "destination! amount!" + payTerms, enginePayTo},
	{"paytomany", "outputs!" + payTerms, payToMany},
	{"addtransaction", "tx!", addTransaction},
	{"removelocaltx", "txid!", removeLocal},
	{"signtransaction", "tx! password iknowwhatimdoing", engineSign},
	{"get_tx_status", "txid!", engineTxStatus},
}

// engineOwnMethods are what the daemon itself adds to its engine, with a wallet.
var engineOwnMethods = []entry{
	{"get_updates", "", getUpdates},
	{"setrequestaddress", "key! address!", setRequestAddress},
	{"getrequest get_request", "key!", getRequest},
	{"getaddressbalance_wallet", "address!", walletAddressBalance},
	{"get_used_fee", "tx_hash!", usedFee},
}

// electrumMethods and cashMethods are what one of the two engines has under names of its own.
var (
	electrumMethods = append(requestMethods("add_request", "expiry lightning force", "list_requests", "delete_request"),
		entry{"onchain_history", "show_addresses from_height to_height", onchainHistory})
	cashMethods = append(requestMethods("addrequest", "expiration force payment_url index_url", "listrequests", "rmrequest"),
		entry{"clearrequests", "", clearRequests},
		entry{"history", "", cashHistory})
	cashOwnMethods = []entry{
		{"transfer", "address! to! value! unsigned", tokenTransfer},
		{"readcontract", "address! function! * **", readContract},
	}
)

// requestMethods are the methods of payment requests, under the names of an engine.
func requestMethods(add, terms, list, remove string) []entry {
	return []entry{
		{add, "amount! memo " + terms, addRequest},
		{list, "pending expired paid", listRequests},
		{remove, "key!", removeRequest},
	}
}

func getMasterKey(_ *Daemon, c *Call) (any, error) { return masterKey(c.wallet.spec), nil }

// masterKey is the extended public key; for a seed one is made from its hash.
func masterKey(s walletSpec) string {
	if !words(s) {
		return s.Xpub
	}
	return "zpub6" + spell(base58, []byte(s.Xpub), 106)
}

func newAddress(d *Daemon, _ *Call) (any, error) { return d.coin.newAddress(), nil }

func enginePublicKeys(_ *Daemon, c *Call) (any, error) {
	return []string{"02" + hexSum(c.text("address"))}, nil
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
