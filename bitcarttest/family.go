package bitcarttest

import "strings"

// Family is the kind of engine behind a daemon. It decides method names, field names, error
// codes and the order of events.
type Family string

// The three families.
const (
	Electrum     Family = "electrum"     // BTC, LTC, GRS
	ElectronCash Family = "electroncash" // BCH, XRG
	Account      Family = "account"      // ETH, BNB, MATIC, TRX, XMR and what third parties build on the same core
)

// keyStyle is the alphabet of wallet keys, addresses and transaction hashes.
type keyStyle int

const (
	styleXpub    keyStyle = iota // extended keys and seeds
	styleEVM                     // 0x addresses
	styleTron                    // T addresses
	styleMonero                  // view keys
	styleGeneric                 // anything of a useful length
)

// coin is what differs per currency.
type coin struct {
	symbol    string
	family    Family
	style     keyStyle
	decimals  int
	unitKey   string // smallest-unit member of a request
	scheme    string // URI scheme
	addrHead  string // first characters of a receiving address
	version   string // answer of the version method
	lightning bool
	traces    bool // getinfo has trace_enabled
	// losesPayments: the daemon fails to build new_payment, and to read a request that has
	// transactions.
	losesPayments bool
	tokens        []Token
}

// Token is a contract that the daemon knows.
type Token struct {
	Symbol   string
	Contract string // an address; the 64 hex digits of a category on BCH
	Decimals int
}

var coins = []coin{
	{symbol: "BTC", family: Electrum, decimals: 8, unitKey: "amount_sat", scheme: "bitcoin", addrHead: "bc1q", version: "4.6.0", lightning: true},
	{symbol: "LTC", family: Electrum, decimals: 8, unitKey: "amount_sat", scheme: "litecoin", addrHead: "ltc1q", version: "4.6.0", lightning: true},
	{symbol: "GRS", family: Electrum, decimals: 8, unitKey: "amount_sat", scheme: "groestlcoin", addrHead: "grs1q", version: "4.6.0", lightning: true},
	{symbol: "BCH", family: ElectronCash, decimals: 8, unitKey: "amount", scheme: "bitcoincash", addrHead: "q", version: "4.4.0"},
	{symbol: "XRG", family: ElectronCash, decimals: 8, unitKey: "amount", scheme: "ergon", addrHead: "q", version: "4.4.0", losesPayments: true},
	{symbol: "ETH", family: Account, style: styleEVM, decimals: 18, unitKey: "amount_wei", scheme: "ethereum", version: specVersion, traces: true, tokens: []Token{
		{"USDT", "0xdAC17F958D2ee523a2206206994597C13D831ec7", 6},
		{"USDC", "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48", 6},
	}},
	{symbol: "BNB", family: Account, style: styleEVM, decimals: 18, unitKey: "amount_wei", scheme: "ethereum", version: specVersion, traces: true, tokens: []Token{
		{"USDT", "0x55d398326f99059fF775485246999027B3197955", 18},
	}},
	{symbol: "MATIC", family: Account, style: styleEVM, decimals: 18, unitKey: "amount_wei", scheme: "ethereum", version: specVersion, traces: true, tokens: []Token{
		{"USDT", "0xc2132D05D31c914a87C6611C10748AEb04B58e8F", 6},
	}},
	{symbol: "TRX", family: Account, style: styleTron, decimals: 6, unitKey: "amount_wei", scheme: "tron", version: specVersion, traces: true, tokens: []Token{
		{"USDT", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", 6},
	}},
	{symbol: "XMR", family: Account, style: styleMonero, decimals: 12, unitKey: "amount_piconero", scheme: "monero", addrHead: "4", version: specVersion},
}

func lookupCoin(symbol string) (coin, bool) {
	for _, c := range coins {
		if c.symbol == symbol {
			return c, true
		}
	}
	return coin{}, false
}

// customCoin is a currency that only its family is known of.
func customCoin(symbol string, family Family) coin {
	c := coin{symbol: symbol, family: family, decimals: 8, unitKey: "amount_sat", scheme: strings.ToLower(symbol), version: "4.6.0"}
	switch family {
	case Electrum:
		c.addrHead, c.lightning = strings.ToLower(symbol)+"1q", true
	case ElectronCash:
		c.addrHead, c.unitKey = "q", "amount"
	default:
		c.style, c.decimals, c.unitKey, c.version = styleGeneric, 18, "amount_wei", specVersion
	}
	return c
}

// paysFromMempool tells whether unconfirmed transactions make events.
func (c coin) paysFromMempool() bool { return c.family != Account || c.style == styleMonero }

// detectsBySender tells whether a payment is found by who sent it.
func (c coin) detectsBySender() bool { return !c.paysFromMempool() }

// syncCap is how many blocks an account daemon catches up with, and holds in memory.
func (c coin) syncCap() int64 {
	switch c.symbol {
	case "MATIC":
		return 450
	case "XMR":
		return 100
	}
	return 300
}
