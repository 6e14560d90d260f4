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
			params, extras := signature(e.params)
			for _, name := range strings.Fields(e.names) {
				table[name] = method{params: params, extras: extras, wallet: wallet, own: own, call: e.call}
			}
		}
	}
	add(inherited, false, false)
	add(everywhere, false, true)
	if c.family == Account {
		add(accountMethods, false, true)
		add(accountWalletMethods, true, true)
		refuse(table, c)
		return table
	}
	add(engineMethods, false, false)
	add(engineWalletMethods, true, false)
	add(engineOwnMethods, true, true)
	if c.family == Electrum {
		add(electrumMethods, true, false)
	} else {
		add(cashMethods, true, false)
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
	{"make_seed", "nbits full_info **", makeSeed},
	{"getfeerate", "", getFeeRate},
	{"broadcast", "tx!", broadcast},
}

// everywhere are methods without a wallet that every daemon itself has.
var everywhere = []entry{
	{"help commands", "func", help},
	{"getinfo", "", getInfo},
	{"validatekey", "key! **", validateKey},
	{"normalizeaddress", "address!", normalizeAddress},
	{"validatecontract", "address!", validateContract},
	{"get_tokens", "", getTokens},
	{"getabi", "", func(*Daemon, *Call) (any, error) { return []any{}, nil }},
	{"close_wallet", "key", closeWallet},
	{"get_transaction gettransaction", "tx! use_spv", getTransaction},
	{"modifypaymenturl", "url! amount! divisibility", modifyPaymentURL},
	{"recommended_fee", "target_blocks!", recommendedFee},
	{"get_default_fee", "tx!", getDefaultFee},
	{"get_used_fee", "tx_hash!", getUsedFee},
	{"get_tx_hash", "tx!", getTxHash},
	{"get_tx_size", "tx!", getTxSize},
	{"readcontract", "address! function! **", readContract},
}

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
			{"version", d.coin.version}, {"fee_estimates", object{{"25", 20000}, {"10", 20000}, {"5", 20000}, {"2", 20000}}},
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
			{"default_wallet", d.path() + "/wallets/default_wallet"}, {"wallets", opened}, {"fee_per_kb", 1000},
			{"synchronized", true}, {"total_wallets", loaded},
		}, nil
	}
	o := object{
		{"blockchain_height", height}, {"connected", true}, {"gas_price", gasPrice}, {"path", d.path()},
		{"server", "inmemory://"}, {"server_height", height}, {"spv_nodes", 0}, {"synchronized", true},
		{"total_wallets", loaded}, {"version", d.coin.version},
	}
	if d.coin.traces {
		o = slices.Insert(o, 8, member{"trace_enabled", false})
	}
	return o, nil
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

func validateContract(d *Daemon, c *Call) (any, error) {
	switch {
	case d.coin.family == ElectronCash:
		return len(c.text("address")) == 64, nil
	case d.coin.family == Electrum:
		return false, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.token(c.text("address")) != nil, nil
}

func getTokens(d *Daemon, _ *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := object{}
	for _, t := range d.tokens {
		out = append(out, member{t.Symbol, t.Contract})
	}
	return out, nil
}

func readContract(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.token(c.text("address"))
	if t == nil {
		return nil, exception("Exception: Invalid contract address or non-ERC20 token")
	}
	switch function := c.text("function"); function {
	case "symbol", "name":
		return t.Symbol, nil
	case "decimals":
		return t.Decimals, nil
	case "balanceOf":
		return 0, nil
	default:
		return nil, exceptionf("Exception: Contract ABI is missing %s function", function)
	}
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
	if len(d.config) < 1000 || d.config[key] != nil {
		d.config[key] = c.bound["value"]
	}
	if d.coin.family == Electrum {
		return nil, nil
	}
	return true, nil
}

var seedWords = strings.Fields(`amber beacon cactus dolphin ember falcon garden harbor island jungle kettle lantern
	meadow nectar orchid pebble quartz ribbon saddle timber umbrella velvet walnut yellow`)

func newSeed() string {
	words := make([]string, 12)
	for i, b := range randomBytes(len(words)) {
		words[i] = seedWords[int(b)%len(seedWords)]
	}
	return strings.Join(words, " ")
}

func makeSeed(d *Daemon, c *Call) (any, error) {
	seed := newSeed()
	if d.coin.family != Account || !c.flag("full_info") {
		return seed, nil
	}
	return object{{"seed", seed}, {"private_key", "0x" + randomHex(32)}, {"address", d.coin.addressOf(walletSpec{Xpub: seed})}}, nil
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

const gasPrice = 20_000_000_000

func recommendedFee(d *Daemon, _ *Call) (any, error) {
	if d.coin.family == Electrum {
		return 30000, nil
	}
	return 0, nil
}

func getFeeRate(d *Daemon, _ *Call) (any, error) {
	switch d.coin.family {
	case Electrum:
		return object{{"policy", "eta:2"}, {"description", "Within 2 blocks"}, {"sat/kvB", 20000}, {"tooltip", "20. sat/vbyte"}}, nil
	case ElectronCash:
		return 1000, nil
	}
	return gasPrice, nil
}

func getDefaultFee(d *Daemon, c *Call) (any, error) {
	switch {
	case d.coin.family == Account && d.coin.style == styleTron:
		return "1.100000", nil
	case d.coin.family == Account:
		return fixed(decimal.NewFromInt(21000*gasPrice).Shift(-18), d.coin.decimals), nil
	}
	size := decimal.NewFromInt(int64(len(c.text("tx")) / 2))
	if n, err := parseDecimal(c.bound["tx"]); err == nil {
		size = n
	}
	return fixed(size.Mul(decimal.NewFromInt(20)).Shift(-8), 8), nil
}

func getUsedFee(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.chain.txs[c.text("tx_hash")] == nil {
		return nil, nil
	}
	return fixed(decimal.New(1, -5), d.coin.decimals), nil
}

func getTxHash(d *Daemon, c *Call) (any, error) { return d.draftID(c.text("tx")), nil }

func getTxSize(_ *Daemon, c *Call) (any, error) { return len(c.text("tx")) / 2, nil }

// raw keeps a number of any size as it is.
func raw(v decimal.Decimal) json.RawMessage { return json.RawMessage(v.String()) }
