package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// distinct is how many different frames a flood is made of; then they begin
// again.
const distinct = 8 << 10

// walletsOf are the keys of n wallets.
func walletsOf(n int) []string {
	wallets := make([]string, n)
	for i := range wallets {
		wallets[i] = fmt.Sprintf("xpub%0107d", i) // 111 bytes, as an xpub has
	}
	return wallets
}

// framesFor are distinct frames over wallets as an ETH daemon writes them:
// blocks, transactions and payments, about 400 bytes each.
func framesFor(wallets []string) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	hex := func(digits int) string {
		var b strings.Builder
		for range digits {
			b.WriteByte("0123456789abcdef"[rng.IntN(16)])
		}
		return b.String()
	}
	amount := func() string {
		return fmt.Sprintf("%d.%018d", rng.IntN(3), rng.Int64N(1e18))
	}
	frames := make([][]byte, distinct)
	for i := range frames {
		wallet := fmt.Sprintf("%q", wallets[rng.IntN(len(wallets))])
		var update string
		switch rng.IntN(8) {
		case 0:
			update, wallet = fmt.Sprintf(`{"event": "new_block", "height": %d}`, 21_000_000+i), "null"
		case 1, 2, 3:
			update = fmt.Sprintf(`{"event": "new_transaction", "tx": "0x%s", "from_address": "0x%s", "to": "0x%s", "amount": %q, "contract": null}`,
				hex(64), hex(40), hex(40), amount())
		case 4:
			update = fmt.Sprintf(`{"event": "new_payment", "address": %q, "status": 0, "status_str": "Unpaid", "tx_hashes": [], "sent_amount": "0", "contract": null}`, hex(43))
		default:
			update = fmt.Sprintf(`{"event": "new_payment", "address": %q, "status": 3, "status_str": "Paid", "tx_hashes": ["0x%s"], "sent_amount": %q, "contract": "0x%s"}`,
				hex(43), hex(64), amount(), hex(40))
		}
		frames[i] = fmt.Appendf(nil, `{"updates": [%s], "wallet": %s, "currency": "ETH"}`, update, wallet)
	}
	return frames
}
