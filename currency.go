package bitcart

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Family is the kind of daemon that serves a currency. It decides the daemon's
// methods, their parameters and the form of its answers (protocol sections 4
// and 9).
type Family string

// The families of daemons.
const (
	FamilyElectrum     Family = "electrum"     // BTC, LTC, GRS: Electrum wallets, lightning
	FamilyElectronCash Family = "electroncash" // BCH, XRG: Electron Cash wallets
	FamilyAccount      Family = "account"      // ETH, BNB, MATIC, TRX, XMR: one address per wallet
)

// Currency describes a coin to the library; see [RegisterCurrency].
type Currency struct {
	// Symbol is the coin's name in upper case, as the daemon writes it in the
	// member "currency" of its frames: "BTC".
	Symbol string
	// Port is the daemon's default port. 0 = none: WithURL is needed.
	Port int
	// Family is the kind of the coin's daemon.
	Family Family
	// Decimals is how many decimal places the coin has: 8 for BTC.
	Decimals int
	// UnitKey is the member of a payment request that holds the amount in the
	// smallest unit: "amount_sat".
	UnitKey string
	// Events are the names of the events that the daemon sends. nil = those of
	// the family. They are informative: handlers may be registered for any name.
	Events []string
}

// currency is a row of the registry: what the user may say about a coin, and
// what only the known ones need.
type currency struct {
	Currency
	dialect *dialect
	// tokens: a wallet may name a contract, which is then part of its key.
	tokens bool
	// viewKey: a wallet is a view key that goes with an address (XMR).
	viewKey bool
	// registered: it came by RegisterCurrency, so less is known about it.
	registered bool
}

// isNamed reports whether the currency of a frame is this one, in any case.
func (c *currency) isNamed(symbol []byte) bool {
	return string(symbol) == c.Symbol || strings.EqualFold(string(symbol), c.Symbol)
}

// dialect is what differs between families (protocol sections 4 and 9).
type dialect struct {
	createRequest, readRequest, listRequests, removeRequest string
	history                                                 string
	expiryParam                                             string // relative seconds in a request
	expiryField                                             string // in an answer
	expiryAbsolute                                          bool   // expiryField is a unix time
	createdField, descriptionField                          string
	keyField                                                string // what reads the request back
	amountField                                             string // %s = the symbol
	events                                                  []string
	batchLoad                                               bool
	noAmount                                                any    // the amount of a request that has none
	zeroIsNone                                              bool   // an amount of 0 in an answer is noAmount
	listsByFlag                                             bool   // listRequests takes one flag
	readInvoice                                             string // reads a lightning invoice; "" = no lightning
}

var dialects = map[Family]*dialect{
	FamilyElectrum: {
		createRequest: "add_request", readRequest: "get_request", listRequests: "list_requests", removeRequest: "delete_request",
		history: "onchain_history", expiryParam: "expiry", expiryField: "expiry", createdField: "timestamp",
		descriptionField: "message", keyField: "request_id", amountField: "amount_%s",
		events:      []string{EventNewBlock, EventNewTransaction, EventNewPayment, EventVerifiedTx},
		listsByFlag: true, readInvoice: "get_invoice",
	},
	FamilyElectronCash: {
		createRequest: "addrequest", readRequest: "getrequest", listRequests: "listrequests", removeRequest: "rmrequest",
		history: "history", expiryParam: "expiration", expiryField: "exp", createdField: "time",
		descriptionField: "memo", keyField: "address", amountField: "amount (%s)",
		events:      []string{EventNewBlock, EventNewTransaction, EventNewPayment, EventVerifiedTx},
		listsByFlag: true,
	},
	FamilyAccount: {
		createRequest: "add_request", readRequest: "get_request", listRequests: "list_requests", removeRequest: "rmrequest",
		expiryParam: "expiration", expiryField: "expiration", expiryAbsolute: true, createdField: "timestamp",
		descriptionField: "message", keyField: "request_id", amountField: "amount_%s",
		events:    []string{EventNewBlock, EventNewTransaction, EventNewPayment},
		batchLoad: true,
		noAmount:  "0", zeroIsNone: true, // null is an error there
	},
}

// registry of currencies. Rows are never changed or removed.
var currencies = struct {
	sync.RWMutex
	bySymbol map[string]*currency
}{bySymbol: knownCurrencies()}

func knownCurrencies() map[string]*currency {
	rows := []currency{
		{Currency: Currency{Symbol: "BTC", Port: 5000, Family: FamilyElectrum, Decimals: 8, UnitKey: "amount_sat"}},
		{Currency: Currency{Symbol: "LTC", Port: 5001, Family: FamilyElectrum, Decimals: 8, UnitKey: "amount_sat"}},
		{Currency: Currency{Symbol: "ETH", Port: 5002, Family: FamilyAccount, Decimals: 18, UnitKey: "amount_wei"}, tokens: true},
		{Currency: Currency{Symbol: "BCH", Port: 5004, Family: FamilyElectronCash, Decimals: 8, UnitKey: "amount"}, tokens: true},
		{Currency: Currency{Symbol: "XRG", Port: 5005, Family: FamilyElectronCash, Decimals: 8, UnitKey: "amount"}},
		{Currency: Currency{Symbol: "BNB", Port: 5006, Family: FamilyAccount, Decimals: 18, UnitKey: "amount_wei"}, tokens: true},
		{Currency: Currency{Symbol: "MATIC", Port: 5008, Family: FamilyAccount, Decimals: 18, UnitKey: "amount_wei"}, tokens: true},
		{Currency: Currency{Symbol: "TRX", Port: 5009, Family: FamilyAccount, Decimals: 6, UnitKey: "amount_wei"}, tokens: true},
		{Currency: Currency{Symbol: "GRS", Port: 5010, Family: FamilyElectrum, Decimals: 8, UnitKey: "amount_sat"}},
		{Currency: Currency{Symbol: "XMR", Port: 5011, Family: FamilyAccount, Decimals: 12, UnitKey: "amount_piconero"}, viewKey: true},
	}
	known := make(map[string]*currency, len(rows))
	for _, row := range rows {
		row.dialect = dialects[row.Family]
		row.Events = row.dialect.events
		known[row.Symbol] = &row
	}
	return known
}

// RegisterCurrency adds a coin that the library does not know. It applies to
// every Coin and APIManager made afterwards, and cannot be undone. A symbol
// that is known already, an unknown family, and a port, symbol or number of
// decimals out of range are errors. Wallets of a registered account or Electron
// Cash currency may have a contract.
func RegisterCurrency(c Currency) error {
	c.Symbol = strings.ToUpper(c.Symbol)
	d := dialects[c.Family]
	switch {
	case c.Symbol == "" || strings.ContainsFunc(c.Symbol, notSymbol):
		return fmt.Errorf("bitcart: RegisterCurrency: %q is no symbol of letters and digits", c.Symbol)
	case d == nil:
		return fmt.Errorf("bitcart: RegisterCurrency: %s: unknown family %q", c.Symbol, c.Family)
	case c.Port < 0 || c.Port > 65535:
		return fmt.Errorf("bitcart: RegisterCurrency: %s: port %d is out of range", c.Symbol, c.Port)
	case c.Decimals < 0 || c.Decimals > 36:
		return fmt.Errorf("bitcart: RegisterCurrency: %s: %d decimals are out of range", c.Symbol, c.Decimals)
	}
	c.Events = slices.Clone(c.Events)
	if c.Events == nil {
		c.Events = d.events
	}
	currencies.Lock()
	defer currencies.Unlock()
	if currencies.bySymbol[c.Symbol] != nil {
		return fmt.Errorf("bitcart: RegisterCurrency: %s is known already", c.Symbol)
	}
	currencies.bySymbol[c.Symbol] = &currency{
		Currency: c, dialect: d, tokens: c.Family != FamilyElectrum, registered: true,
	}
	return nil
}

func notSymbol(r rune) bool {
	return (r < 'A' || r > 'Z') && (r < '0' || r > '9')
}

// lookupCurrency finds a currency by its symbol in any case.
func lookupCurrency(symbol string) (*currency, error) {
	currencies.RLock()
	defer currencies.RUnlock()
	if c := currencies.bySymbol[strings.ToUpper(symbol)]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnsupportedCurrency, symbol)
}
