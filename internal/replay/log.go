// Package replay remembers which updates were seen, in order, so that what a
// daemon's queue says later can be told from what is known. It knows
// fingerprints, not updates, and takes no locks.
//
// A [History] is one sequence of updates, an [Item] each. After a connect it is
// told to hold, the live items that come are held, and one answer of the queue
// is merged: that tells what was missed and where among the held items it
// belongs, and is the [Evidence] that nothing else was. Where several wallets
// share the chain-wide updates, each is a [Wallet] and those are a
// [ChainHistory].
package replay

import "hash/maphash"

// Fingerprint stands for the text of an update within this process.
type Fingerprint uint64

var seed = maphash.MakeSeed()

// Of returns the fingerprint of an update's text. Equal updates of a daemon
// have equal texts (protocol section 13.5).
func Of(text string) Fingerprint { return Fingerprint(maphash.String(seed, text)) }

// Log is the last updates of one wallet, in order. The zero value remembers
// the last [Size]; it grows as it is used, since most wallets are quiet.
type Log struct {
	fps  []Fingerprint
	next int // where the oldest one is overwritten, once the log is full
}

// Size is how many updates a Log remembers: as many as a daemon's queue holds.
const Size = 100

// Add appends fp and reports whether one of the remembered updates equals it.
func (l *Log) Add(fp Fingerprint) (repeat bool) {
	for _, seen := range l.fps {
		if seen == fp {
			repeat = true
			break
		}
	}
	if len(l.fps) < Size {
		l.fps = append(l.fps, fp)
		return repeat
	}
	l.fps[l.next] = fp
	l.next = (l.next + 1) % Size
	return repeat
}
