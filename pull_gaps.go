package bitcart

import (
	"time"

	"github.com/bitcart-go/bitcart/internal/jitter"
)

// mostGaps bounds how many gaps wait for a loop over Events: one for each wallet
// of a large manager, and some reconnects.
const mostGaps = 1 << 14

// waitingGaps counts the gaps that wait in the lanes, in the pull form. They are
// let in beside the bounds for events, so they have one of their own: gaps that
// find no room are told as one, of every wallet, when there is room again.
type waitingGaps struct {
	mu   jitter.Mutex // a leaf
	n    int
	lost time.Time // since when gaps found no room; zero = none did
}

// enter reports whether another gap may wait, and counts it; otherwise it notes
// since when events may be missing.
func (w *waitingGaps) enter(since time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n < mostGaps {
		w.n++
		return true
	}
	if w.lost.IsZero() || since.Before(w.lost) {
		w.lost = since
	}
	return false
}

// leave notes that n gaps wait no longer. Its caller has to tell of lost, if that
// is not zero.
func (w *waitingGaps) leave(n int) (lost time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n -= n
	if n > 0 {
		lost, w.lost = w.lost, time.Time{}
	}
	return lost
}

func (w *waitingGaps) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

// pullGap puts a gap in its place among the events. Locks may be held.
func (l *link) pullGap(g *Gap) {
	if !l.gapsWaiting.enter(g.Since) {
		return
	}
	lane := l.chain.lane
	switch {
	case g.Coin != nil:
		if w := l.lookup(g.Coin.key); w != nil {
			lane = w.lane
		}
	case g.Reason == GapStart && !l.single:
		lane = l.starts // the chain's is held until every wallet was tried
	}
	if !lane.PushBefore(g, g.size()) {
		l.gapsLeave(1)
	}
}

// gapsLeave notes that n gaps wait no longer, and tells of those that found no
// room meanwhile. Locks may be held.
func (l *link) gapsLeave(n int) {
	if since := l.gapsWaiting.leave(n); !since.IsZero() {
		l.gap(Gap{Since: since, Reason: GapUnknown, ChainWide: true})
	}
}
