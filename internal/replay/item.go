package replay

import (
	"hash/maphash"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// Item stands for one update, as a frame or a daemon's queue told it.
type Item struct {
	Bytes Fingerprint // of the update as it stands: what tells repeats
	Key   Fingerprint // of what of it never changes: what aligns
	Chain bool        // it is in the queue of every wallet
}

const (
	changing = "new_payment" // the event whose queued update the daemon changes
	changed  = "tx_hashes"   // the member that it changes
)

// ItemOf returns the item of an update: its event's name, its body, and whether it is about the chain instead of a wallet.
func ItemOf(event string, body *wire.Body, chainWide bool) Item {
	it := Item{Bytes: Of(body.Text), Chain: chainWide}
	it.Key = it.Bytes
	if event != changing {
		return it
	}
	if before, after, ok := body.Without(changed); ok {
		var room [512]byte // for what daemons send
		it.Key = Fingerprint(maphash.Bytes(seed, append(append(room[:0], before...), after...)))
	}
	return it
}
