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
// broadcast, for what is no transaction, and for one with blobs, which its hash
// leaves out.
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
		if raw := hexBytes(text); raw != nil && raw[0] != blobType {
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

// blobType is the first byte of a transaction that is sent with blobs.
const blobType = 3

// hexBytes is nil for what is no hexadecimal text, or an empty one.
func hexBytes(text string) []byte {
	if len(text) >= 2 && text[0] == '0' && text[1]|' ' == 'x' { // Python takes 0X, too
		text = text[2:]
	}
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) == 0 {
		return nil
	}
	return raw
}
