package bitcarttest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

const (
	base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	bech32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
)

var (
	extendedKey = regexp.MustCompile(`^[xyzvtuYZVUL][a-z]{2,3}[0-9A-Za-z]{4,}$`)
	evmAddress  = regexp.MustCompile(`^0x[0-9a-fA-F]{40}$`)
	hexKey      = regexp.MustCompile(`^(0x)?([0-9a-fA-F]{64}|[0-9a-fA-F]{66}|[0-9a-fA-F]{128}|[0-9a-fA-F]{130})$`)
	tronAddress = regexp.MustCompile(`^T[1-9A-HJ-NP-Za-km-z]{33}$`)
	hex64       = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
	genericKey  = regexp.MustCompile(`^[0-9A-Za-z]{16,}$`)
)

// validKey tells a wallet key of a currency from nonsense. It is lenient: checksums are not looked
// at, and short extended keys pass.
func (c coin) validKey(key string) bool {
	if len(strings.Fields(key)) >= 12 {
		return true
	}
	switch c.style {
	case styleEVM:
		return evmAddress.MatchString(key) || hexKey.MatchString(key)
	case styleTron:
		return tronAddress.MatchString(key) || hexKey.MatchString(key)
	case styleMonero:
		return hex64.MatchString(key)
	case styleGeneric:
		return genericKey.MatchString(key)
	}
	return validExtended(key)
}

func validExtended(key string) bool {
	if len(key) < 8 || !extendedKey.MatchString(key) {
		return false
	}
	head := strings.ToLower(key[:4])
	return strings.HasSuffix(head, "pub") || strings.HasSuffix(head, "prv")
}

// validAddress tells an address of a currency from nonsense, without looking at checksums.
func (c coin) validAddress(address string) bool {
	switch c.style {
	case styleEVM:
		return evmAddress.MatchString(address)
	case styleTron:
		return tronAddress.MatchString(address)
	case styleGeneric:
		return genericKey.MatchString(address)
	case styleMonero:
		return len(address) >= 95 && (address[0] == '4' || address[0] == '8')
	}
	if _, rest, ok := strings.Cut(address, ":"); ok && c.family == ElectronCash {
		address = rest
	}
	return len(address) >= 26 && len(address) <= 90 && !strings.ContainsAny(address, " \t\r\n_")
}

// normalized is the daemon's own spelling of an address.
func (c coin) normalized(address string) string {
	if c.style == styleEVM && evmAddress.MatchString(address) {
		return checksummed(address)
	}
	return address
}

// addressOf is the address of an account wallet. For keys that are no address it is made from a
// hash of the key: stable, but not what a real chain would derive.
func (c coin) addressOf(spec walletSpec) string {
	switch {
	case c.style == styleMonero && spec.Address != "":
		return spec.Address
	case c.style != styleMonero && c.validAddress(spec.Xpub):
		return c.normalized(spec.Xpub)
	}
	sum := sha256.Sum256([]byte(strings.TrimPrefix(spec.Xpub, "0x")))
	switch c.style {
	case styleEVM:
		return checksummed(hex.EncodeToString(sum[:20]))
	case styleTron:
		return "T" + spell(base58, sum[:], 33)
	case styleMonero:
		return "4" + spell(base58, sum[:], 94)
	}
	return spell(base58, sum[:], 44)
}

// spell turns bytes into n letters of an alphabet.
func spell(alphabet string, seed []byte, n int) string {
	out := make([]byte, 0, n)
	for block := seed; len(out) < n; {
		next := sha256.Sum256(block)
		for _, b := range next {
			out = append(out, alphabet[int(b)%len(alphabet)])
		}
		block = next[:]
	}
	return string(out[:n])
}

func randomText(alphabet string, n int) string { return spell(alphabet, randomBytes(32), n) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func randomHex(n int) string { return hex.EncodeToString(randomBytes(n)) }

// NewWallet returns a random wallet key of this currency, always of a valid form. It can receive
// but not sign: it is an xpub, an address, or on XMR a view key, which needs an address of
// NewAddress in Wallet.Address. A wallet that pays needs a seed, as the method make_seed makes it.
// The daemon knows the wallet once a call, or Load, has named it.
func (d *Daemon) NewWallet() string {
	switch d.coin.style {
	case styleEVM:
		return "0x" + randomHex(20)
	case styleTron:
		return "T" + randomText(base58, 33)
	case styleMonero:
		return randomHex(32)
	case styleGeneric:
		return randomText(base58, 44)
	}
	return "xpub6" + randomText(base58, 106)
}

// NewAddress returns a random address of this currency, for a payer or a recipient.
func (d *Daemon) NewAddress() string { return d.coin.newAddress() }

func (c coin) newAddress() string {
	switch {
	case c.style == styleEVM:
		return checksummed(randomHex(20))
	case c.style == styleTron:
		return "T" + randomText(base58, 33)
	case c.style == styleMonero:
		return "4" + randomText(base58, 94)
	case c.style == styleGeneric:
		return randomText(base58, 44)
	case c.family == ElectronCash:
		return c.addrHead + randomText(bech32, 41)
	}
	return c.addrHead + randomText(bech32, 38)
}

// integratedAddress is a Monero address that carries a payment id.
func integratedAddress() string { return "4" + randomText(base58, 105) }

// newTxID makes a transaction hash in the form of the coin.
func (c coin) newTxID() string {
	if c.style == styleEVM {
		return "0x" + randomHex(32)
	}
	return randomHex(32)
}
