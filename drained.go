package bitcart

import (
	"slices"

	"github.com/bitcart-go/bitcart/internal/replay"
	"github.com/bitcart-go/bitcart/internal/wire"
)

// drained is what a wallet's queue has told and the history has not: the
// answers, in order, that came after the connection had changed under them.
// Together with the next one they are what that one would have been.
type drained struct {
	updates []wire.Update
	bytes   int64
	sizes   []int // of the answers
	// The connect after whose end chain-wide updates were put off for the next
	// answer; 0 = none were.
	putOffIn uint32
	lacking  bool // they do not prove that they are all that were missed
	ownOnly  bool // the chain-wide ones are still to be put off
}

// keep adds the answer to what is drained of w. hist is held.
func (w *watch) keep(answer dequeued) {
	if w.drained == nil {
		w.drained = new(drained)
	}
	w.drained.add(answer)
}

// keeps reports whether anything is drained of w. hist is held.
func (w *watch) keeps() bool { return w.drained != nil && len(w.drained.updates) > 0 }

func (d *drained) add(answer dequeued) {
	d.updates = append(d.updates, answer.updates...)
	d.sizes = append(d.sizes, answer.size)
	for _, u := range answer.updates {
		d.bytes += int64(len(u.Text)) + parcelOverhead
	}
}

// lacksOfChain notes that the answer that is about to be kept does not prove that all
// of the chain's have come. hist is held.
func (w *watch) lacksOfChain() {
	if w.drained == nil {
		w.drained = new(drained)
	}
	w.drained.lacking = true
}

// keepFirst is keep for what the queue told before that.
func (w *watch) keepFirst(answer dequeued) {
	behind := w.drained
	w.drained = nil
	w.keep(answer)
	if behind != nil {
		w.drained.updates = append(w.drained.updates, behind.updates...)
		w.drained.sizes = append(w.drained.sizes, behind.sizes...)
		w.drained.bytes += behind.bytes
		w.drained.putOffIn, w.drained.lacking = behind.putOffIn, behind.lacking
	}
}

// keepLater keeps the chain-wide updates of what is drained for the next answer,
// which may follow when another connection has been made. hist is held.
func (w *watch) keepLater(told *drained) {
	var later []wire.Update
	for _, u := range told.updates {
		if chainWide(u.Event) {
			later = append(later, u)
		}
	}
	w.keep(dequeued{later, len(later)})
	w.drained.putOffIn, w.drained.lacking = w.connect, told.lacking
}

// awaitsAnswer reports whether anything is drained of w that does not wait for
// another connection. hist is held.
func (w *watch) awaitsAnswer() bool {
	return w.keeps() && (w.drained.putOffIn == 0 || len(w.drained.sizes) > 1)
}

// keepsYounger reports whether chain-wide updates of after the last connection are
// drained of w. hist is held.
func (w *watch) keepsYounger() bool {
	return w.drained != nil && w.drained.putOffIn > 0 && w.drained.putOffIn == w.connect
}

// items is what the history sees of the updates, and chainBytes what the
// chain-wide ones take.
func (d *drained) items() (list []replay.Item, chainBytes int64) {
	list = make([]replay.Item, len(d.updates))
	for i, u := range d.updates {
		list[i] = replay.ItemOf(u.Event, &u.Body, chainWide(u.Event))
		if list[i].Chain {
			chainBytes += int64(len(u.Text)) + parcelOverhead
		}
	}
	return list, chainBytes
}

// weigh judges several answers as one: it counts as long as the longest, and a
// later one that fills the daemon's queue may have lost what stood before it.
func (d *drained) weigh(m *replay.Merged, queueCap int) {
	for i, n := range d.sizes {
		if i > 0 && n >= queueCap {
			m.Whole, m.OfChain.Whole = false, false
		}
	}
	m.Items = slices.Max(d.sizes)
	m.OfChain.Items = m.Items
}
