package main

import (
	"fmt"
	"math/rand/v2"
)

// distinct is how many different frames a flood is made of; then they begin
// again.
const distinct = 8 << 10

// firstBlock is the least height of a block.
const firstBlock = 21_000_000

// walletsOf are the keys of n wallets.
func walletsOf(n int) []string {
	wallets := make([]string, n)
	for i := range wallets {
		wallets[i] = fmt.Sprintf("xpub%0107d", i) // 111 bytes, as an xpub has
	}
	return wallets
}

// message is a frame before it is put together.
type message struct {
	event, update string
	wallet        int // -1 = the whole chain
}

// messagesFor are distinct messages about n wallets as an ETH daemon writes
// them: blocks, transactions and payments.
func messagesFor(n int) []message {
	rng := rand.New(rand.NewPCG(1, 2))
	list := make([]message, distinct)
	for i := range list {
		m := message{wallet: rng.IntN(n)}
		switch rng.IntN(8) {
		case 0:
			m.event, m.wallet = "new_block", -1
			m.update = fmt.Sprintf(`{"event": "new_block", "height": %d}`, firstBlock+i)
		case 1, 2, 3:
			m.event = "new_transaction"
			m.update = fmt.Sprintf(`{"event": "new_transaction", "tx": "0x%s", "from_address": "0x%s", "to": "0x%s", "amount": %q, "contract": null}`,
				hexOf(rng, 64), hexOf(rng, 40), hexOf(rng, 40), amountOf(rng))
		case 4:
			m.event = "new_payment"
			m.update = fmt.Sprintf(`{"event": "new_payment", "address": %q, "status": 0, "status_str": "Unpaid", "tx_hashes": [], "sent_amount": "0", "contract": null}`,
				hexOf(rng, 43))
		default:
			m.event = "new_payment"
			m.update = fmt.Sprintf(`{"event": "new_payment", "address": %q, "status": 3, "status_str": "Paid", "tx_hashes": ["0x%s"], "sent_amount": %q, "contract": "0x%s"}`,
				hexOf(rng, 43), hexOf(rng, 64), amountOf(rng), hexOf(rng, 40))
		}
		list[i] = m
	}
	return list
}

// framesFor are the same as websocket messages, about 400 bytes each.
func framesFor(wallets []string) [][]byte {
	messages := messagesFor(len(wallets))
	frames := make([][]byte, len(messages))
	for i, m := range messages {
		wallet := "null"
		if m.wallet >= 0 {
			wallet = fmt.Sprintf("%q", wallets[m.wallet])
		}
		frames[i] = fmt.Appendf(nil, `{"updates": [%s], "wallet": %s, "currency": "ETH"}`, m.update, wallet)
	}
	return frames
}

func hexOf(rng *rand.Rand, digits int) string {
	var b []byte
	for len(b) < digits {
		b = fmt.Appendf(b, "%016x", rng.Uint64())
	}
	return string(b[:digits])
}

func amountOf(rng *rand.Rand) string {
	return fmt.Sprintf("%d.%018d", rng.IntN(3), rng.Int64N(1e18))
}
