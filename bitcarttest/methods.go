package bitcarttest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// entry is a line of the method tables: names (the first one, then aliases), parameters, and what
// the method does.
type entry struct {
	names  string
	params string
	call   func(*Daemon, *Call) (any, error)
}

// methodsOf builds the method table of a currency.
func methodsOf(c coin) map[string]method {
	table := map[string]method{}
	add := func(entries []entry, wallet, own bool) {
		for _, e := range entries {
			m := signature(e.params)
			m.wallet, m.own, m.call = wallet, own, e.call
			for _, name := range strings.Fields(e.names) {
				table[name] = m
			}
		}
	}
	add(inherited, false, false)
	add(everywhere, false, true)
	if c.family == Account {
		add(transactions, false, true)
		add(accountMethods, false, true)
		add(accountWalletMethods, true, true)
		if c.style != styleMonero {
			add(contractMethods, false, true)
			add(contractWalletMethods, true, true)
		}
		if c.style == styleEVM {
			add(evmMethods, false, true)
		}
		refuse(table, c)
		return table
	}
	add(engineMethods, false, false)
	add(engineOpenMethods, false, true)
	add(engineWalletMethods, true, false)
	add(engineOwnMethods, true, true)
	if c.family == Electrum {
		add(electrumTransactions, false, true)
		add(electrumMethods, true, false)
		add(lightningMethods, true, false)
	} else {
		add(transactions, false, true)
		add(cashMethods, true, false)
		add(cashOwnMethods, true, true)
	}
	return table
}

// inherited are methods without a wallet that every daemon has; on the electrum and electron-cash
// daemons they are the engine's.
var inherited = []entry{
	{"version", "", version},
	{"list_wallets", "", listWallets},
	{"validateaddress", "address!", validateAddress},
	{"getconfig", "key!", getConfig},
	{"setconfig", "key! value!", setConfig},
	{"is_synchronized", "", func(*Daemon, *Call) (any, error) { return true, nil }},
	{"getfeerate", "", getFeeRate},
}

// everywhere are methods without a wallet that every daemon itself has.
var everywhere = []entry{
	{"help commands", "func", help},
	{"getinfo", "", getInfo},
	{"validatekey", "key! **", validateKey},
	{"normalizeaddress", "address!", normalizeAddress},
	{"validatecontract", "address!", validateContract},
	{"get_tokens", "", getTokens},
	{"getabi", "", getABI},
	{"close_wallet", "key", closeWallet},
	{"modifypaymenturl", "url! amount! divisibility", modifyPaymentURL},
	{"recommended_fee", "target!", recommendedFee},
}

// Electrum daemons have a parameter more, and another name for the first.
var (
	transactions         = []entry{{"get_transaction gettransaction", "tx!", getTransaction}}
	electrumTransactions = []entry{{"get_transaction", "tx_hash! use_spv", getTransaction}}
)

func version(d *Daemon, _ *Call) (any, error) { return d.coin.version, nil }

func help(d *Daemon, c *Call) (any, error) {
	if !c.has("func") {
		return slices.Sorted(maps.Keys(d.methods)), nil
	}
	m, ok := d.methods[c.text("func")]
	if !ok {
		return nil, exception("Exception: Procedure not found")
	}
	var names []string
	for _, p := range m.params {
		names = append(names, p.name)
	}
	if m.rest {
		names = append(names, "*args")
	}
	if m.extras {
		names = append(names, "**kwargs")
	}
	return c.text("func") + "(" + strings.Join(names, ", ") + ")", nil
}

func (d *Daemon) path() string { return "/data/" + strings.ToLower(d.coin.symbol) + "/mainnet" }

func getInfo(d *Daemon, _ *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	height, loaded := d.chain.height, len(d.wallets)
	switch d.coin.family {
	case Electrum:
		return object{
			{"network", "mainnet"}, {"path", d.path()}, {"server", "127.0.0.1"}, {"blockchain_height", height},
			{"server_height", height}, {"spv_nodes", 1}, {"connected", true}, {"auto_connect", false},
			{"version", d.coin.version}, {"fee_estimates", d.estimates()},
			{"synchronized", true}, {"total_wallets", loaded},
		}, nil
	case ElectronCash:
		opened := object{}
		for _, key := range d.order {
			opened = append(opened, member{d.path() + "/wallets/" + key, true})
		}
		return object{
			{"path", d.path()}, {"server", "127.0.0.1"}, {"blockchain_height", height}, {"server_height", height},
			{"spv_nodes", 1}, {"connected", true}, {"auto_connect", false}, {"version", d.coin.version},
			{"default_wallet", d.path() + "/wallets/default_wallet"}, {"wallets", opened}, {"fee_per_kb", d.feeRate * 1000},
			{"synchronized", true}, {"total_wallets", loaded},
		}, nil
	}
	o := object{
		{"blockchain_height", height}, {"connected", true}, {"gas_price", d.feeRate}, {"path", d.path()},
		{"server", "inmemory://"}, {"server_height", height}, {"spv_nodes", 0}, {"synchronized", true},
		{"total_wallets", loaded}, {"version", d.coin.version},
	}
	if d.coin.traces {
		o = slices.Insert(o, 8, member{"trace_enabled", false})
	}
	return o, nil
}

// estimates are satoshis per 1000 bytes, by the number of blocks to wait. The caller holds mu.
func (d *Daemon) estimates() object {
	o := object{}
	for _, blocks := range []string{"25", "10", "5", "2"} {
		o = append(o, member{blocks, d.feeRate * 1000})
	}
	return o
}

// listWallets leaves out what is not on disk.
func listWallets(d *Daemon, _ *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []object{}
	for _, key := range d.order {
		if d.wallets[key].spec.Diskless {
			continue
		}
		o := object{{"path", d.path() + "/wallets/" + key}, {"synchronized", true}}
		if d.coin.family != Account {
			o = append(o, member{"unlocked", true})
		}
		out = append(out, o)
	}
	return out, nil
}

func validateKey(d *Daemon, c *Call) (any, error) { return d.coin.validKey(c.text("key")), nil }

func validateAddress(d *Daemon, c *Call) (any, error) {
	return d.coin.validAddress(c.text("address")), nil
}

func normalizeAddress(d *Daemon, c *Call) (any, error) {
	address := c.text("address")
	if d.coin.style == styleEVM && !d.coin.validAddress(address) {
		return nil, exceptionf("ValueError: Unknown format '%s', attempted to normalize to '0x...'", address)
	}
	return d.coin.normalized(address), nil
}

// closeWallet takes a key, or closes the wallet of the call.
func closeWallet(d *Daemon, c *Call) (any, error) {
	key := c.Wallet
	if c.has("key") {
		key = c.text("key")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closeWallet(key), nil
}

// settings are the names that an Electrum engine knows.
var settings = []string{"auto_connect", "check_updates", "confirmed_only", "dynamic_fees", "fee_per_kb", "log_to_file", "oneserver", "rpcuser", "server", "use_gossip", "use_rbf"}

func getConfig(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := c.text("key")
	if v, ok := d.config[key]; ok {
		return v, nil
	}
	switch {
	case d.coin.family == Electrum && !slices.Contains(settings, key):
		return nil, exceptionf(`KeyError: "No ConfigVar with key='%s'"`, key)
	case d.coin.family == Account && key == "lightning":
		return false, nil
	}
	return nil, nil
}

func setConfig(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := c.text("key")
	if d.coin.family == Electrum && !slices.Contains(settings, key) {
		return nil, exceptionf(`KeyError: "No ConfigVar with key='%s'"`, key)
	}
	running := d.coin.family == Account && strings.HasPrefix(key, "env_") // a setting of the process, which is not kept
	if !running && (len(d.config) < 1000 || d.config[key] != nil) {
		d.config[key] = c.bound["value"]
	}
	if d.coin.family == Electrum {
		return nil, nil
	}
	return true, nil
}

var seedWords = strings.Fields(`amber beacon cactus dolphin ember falcon garden harbor island jungle kettle lantern
	meadow nectar orchid pebble quartz ribbon saddle timber umbrella velvet walnut yellow`)

func newSeed(n int) string {
	words := make([]string, n)
	for i, b := range randomBytes(len(words)) {
		words[i] = seedWords[int(b)%len(seedWords)]
	}
	return strings.Join(words, " ")
}

func makeSeed(d *Daemon, c *Call) (any, error) {
	if d.coin.style == styleMonero {
		return newSeed(25), nil
	}
	seed := newSeed(12)
	if !c.flag("full_info") {
		return seed, nil
	}
	key := randomHex(32)
	if d.coin.style == styleEVM {
		key = "0x" + key
	}
	return object{{"seed", seed}, {"private_key", key}, {"address", d.coin.addressOf(walletSpec{Xpub: seed})}}, nil
}

// modifyPaymentURL swaps the amount of a payment URI.
func modifyPaymentURL(d *Daemon, c *Call) (any, error) {
	uri := c.text("url")
	amount, err := parseDecimal(c.bound["amount"])
	if err != nil {
		return nil, err
	}
	decimals, err := c.number("divisibility", int64(d.coin.decimals))
	if err != nil {
		return nil, err
	}
	switch {
	case d.coin.style == styleTron || d.coin.style == styleGeneric:
		return uri, nil
	case d.coin.style == styleMonero:
		return setQuery(uri, "tx_amount", fixed(amount, d.coin.decimals)), nil
	case d.coin.style == styleEVM && strings.Contains(uri, "uint256="):
		return setQuery(uri, "uint256", string(units(amount, int(min(decimals, 36))))), nil
	case d.coin.style == styleEVM:
		return setQuery(uri, "value", string(units(amount, int(min(decimals, 36))))), nil
	}
	return setQuery(uri, "amount", trimmed(amount)), nil
}

func setQuery(uri, name, value string) string {
	base, query, _ := strings.Cut(uri, "?")
	var parts []string
	if query != "" {
		parts = strings.Split(query, "&")
	}
	for i, p := range parts {
		if strings.HasPrefix(p, name+"=") {
			parts[i] = name + "=" + value
			return base + "?" + strings.Join(parts, "&")
		}
	}
	return base + "?" + strings.Join(append(parts, name+"="+value), "&")
}

func getTxHash(d *Daemon, c *Call) (any, error) { return d.draftID(rawText(c.bound["raw_tx"])), nil }

// raw keeps a number of any size as it is.
func raw(v decimal.Decimal) json.RawMessage { return json.RawMessage(v.String()) }
