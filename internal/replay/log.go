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

import (
	"hash/maphash"
	"slices"
)

// Fingerprint stands for the text of an update within this process.
type Fingerprint uint64

var seed = maphash.MakeSeed()

// Of returns the fingerprint of an update's text. Equal updates of a daemon
// have equal texts (protocol section 13.5).
func Of(text string) Fingerprint { return Fingerprint(maphash.String(seed, text)) }

// Log is the last updates of one wallet, in order. The zero value remembers
// the last [Size]. Most wallets are quiet, so it is a pointer until it is used,
// and grows then.
type Log struct{ last *last }

// Size is how many updates a Log remembers: as many as a daemon's queue holds.
const Size = 100

type last struct {
	fps   []Fingerprint
	next  int // where the oldest one is overwritten, once there are Size
	sieve sieve
}

// Add appends fp and reports whether one of the remembered updates equals it.
func (l *Log) Add(fp Fingerprint) (repeat bool) {
	if l.last == nil {
		l.last = new(last)
	}
	return l.last.add(fp)
}

func (l *last) add(fp Fingerprint) (repeat bool) {
	if l.sieve.holds(fp) {
		repeat = slices.Contains(l.fps, fp)
	}
	if len(l.fps) < Size {
		l.fps = append(l.fps, fp)
	} else {
		l.fps[l.next] = fp
		l.next = (l.next + 1) % Size
	}
	if l.sieve.count == sieveSize {
		l.sieve = sieve{}
		for _, fp := range l.fps {
			l.sieve.add(fp)
		}
	} else {
		l.sieve.add(fp)
	}
	return repeat
}

// sieve tells of most fingerprints that they are not among those added, by one
// look where a search would take a hundred.
type sieve struct {
	bits  [8]uint64
	count int
}

// sieveSize is how many are added before it is made anew without those that are
// forgotten: one in four is let through then.
const sieveSize = 150

func (s *sieve) add(fp Fingerprint) {
	s.bits[fp/64%8] |= 1 << (fp % 64)
	s.count++
}

func (s *sieve) holds(fp Fingerprint) bool { return s.bits[fp/64%8]&(1<<(fp%64)) != 0 }
