package bitcart

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
)

// Wallet names one wallet to a daemon. A daemon that does not know the wallet
// creates it, and watches it from then on.
//
// Xpub may be a secret (a seed is a valid Xpub). A Wallet therefore prints as a
// short hash under every verb and in slog, and encoding it as JSON is an error.
// Only in an unexported field of another struct does fmt print its fields, since
// it calls no methods there: keep a *Coin instead. Read the fields where you need
// their text.
type Wallet struct {
	// Xpub is what the daemon calls xpub: an extended public or private key or
	// a seed (BTC, LTC, GRS, BCH, XRG), an address, a key or a seed (ETH, BNB,
	// MATIC, TRX), the secret view key or a seed (XMR).
	Xpub string
	// Contract makes it a token wallet: it is the token's contract (a category
	// id on BCH). Its spelling is part of the wallet's key, so two spellings are
	// two wallets (protocol section 5): pass it through [Coin.NormalizeAddress]
	// first.
	Contract string
	// Address is the primary address that goes with a view key (XMR).
	Address string
	// Diskless keeps the wallet in the daemon's memory only: the wallet and its
	// payment requests are lost when the daemon restarts.
	Diskless bool
}

// String returns a short hash that names the wallet without showing it.
func (w Wallet) String() string {
	if w.Xpub == "" {
		return "no wallet"
	}
	if w.Contract == "" {
		return walletName(w.Xpub)
	}
	return walletName(w.Xpub + "_" + w.Contract) // as its Coin's key
}

// GoString is String: %#v shows no key either.
func (w Wallet) GoString() string { return "bitcart.Wallet(" + w.String() + ")" }

// Format prints String for every verb.
func (w Wallet) Format(f fmt.State, _ rune) { writeSafe(f, w.String()) }

// LogValue is String as a slog value.
func (w Wallet) LogValue() slog.Value { return slog.StringValue(w.String()) }

// MarshalJSON always returns an error: a wallet may be a seed, and what is
// encoded as JSON often ends up in a log.
func (w Wallet) MarshalJSON() ([]byte, error) {
	return nil, errors.New("bitcart: a Wallet is a secret and is not encoded as JSON")
}

// key is the wallet's name in events and in the websocket's filter (protocol
// section 5).
func (w Wallet) key(cur *currency) string {
	if w.Contract == "" || cur.viewKey {
		return w.Xpub
	}
	return w.Xpub + "_" + w.Contract
}

// param is the wallet as the "xpub" argument of a call: a plain string where
// that says it all.
func (w Wallet) param() any {
	if w.Contract == "" && w.Address == "" && !w.Diskless {
		return w.Xpub
	}
	p := map[string]any{"xpub": w.Xpub}
	if w.Contract != "" {
		p["contract"] = w.Contract
	}
	if w.Address != "" {
		p["address"] = w.Address
	}
	if w.Diskless {
		p["diskless"] = true
	}
	return p
}

var hex64 = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

// check reports what is missing or does not fit the currency.
func (w Wallet) check(cur *currency) error {
	switch {
	case w.Xpub == "":
		return fmt.Errorf("%w: it has no Xpub", ErrWalletIncomplete)
	case w.Contract != "" && !cur.tokens:
		return fmt.Errorf("bitcart: a %s wallet has no Contract", cur.Symbol)
	case w.Address != "" && !cur.registered && !cur.viewKey:
		return fmt.Errorf("bitcart: a %s wallet has no Address", cur.Symbol)
	case cur.viewKey && w.Address == "" && hex64.MatchString(w.Xpub):
		return fmt.Errorf("%w: a %s view key goes with an Address", ErrWalletIncomplete, cur.Symbol)
	}
	return nil
}
