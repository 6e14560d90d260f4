package bitcarttest

import (
	"encoding/hex"
	"strings"

	"github.com/bitcart-go/bitcart/internal/keccak"
)

// checksummed is the mixed-case spelling of a 0x address.
func checksummed(address string) string {
	lower := strings.ToLower(strings.TrimPrefix(address, "0x"))
	sum := keccak.Sum256([]byte(lower))
	digits := hex.EncodeToString(sum[:])
	out := []byte(lower)
	for i, c := range out {
		if c >= 'a' && digits[i] >= '8' {
			out[i] = c - 'a' + 'A'
		}
	}
	return "0x" + string(out)
}
