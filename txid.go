package bitcart

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/bitcart-go/bitcart/internal/keccak"
)

// hashOf is the hash by which the network knows a signed transaction, where the
// transaction says it: a payment whose broadcast got no hash for an answer can
// be looked for then. "" on BTC, LTC and GRS, whose daemons tell it before the
// broadcast, and for what is no transaction.
func (c *Coin) hashOf(rawTx string) string {
	cur := c.d.cur
	switch text := strings.TrimSpace(rawTx); {
	case cur.registered:
		return ""
	case cur.Symbol == "TRX":
		if hash := readObject([]byte(text)).text("txID"); hash64.MatchString(hash) {
			return hash
		}
	case pricedByGas[cur.Symbol]:
		if raw := hexBytes(text); raw != nil {
			sum := keccak.Sum256(raw)
			return "0x" + hex.EncodeToString(sum[:])
		}
	case cur.Family == FamilyElectronCash:
		if strings.HasPrefix(text, "{") {
			text = readObject([]byte(text)).text("hex")
		}
		if raw := hexBytes(text); raw != nil {
			sum := sha256.Sum256(raw)
			sum = sha256.Sum256(sum[:])
			slices.Reverse(sum[:])
			return hex.EncodeToString(sum[:])
		}
	}
	return ""
}

// hexBytes is nil for what is no hexadecimal text, or an empty one.
func hexBytes(text string) []byte {
	raw, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil || len(raw) == 0 {
		return nil
	}
	return raw
}
