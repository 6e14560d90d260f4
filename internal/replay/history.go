package replay

// QueueSize is how many items a daemon's queue holds unless it is configured
// otherwise (POLLING_CAP).
const QueueSize = 100

// maxQueueSize bounds what an answer can teach about the size of the queue.
const maxQueueSize = 10_000

// maxHeld bounds how many items are remembered while they are held.
const maxHeld = 1 << 14

// History is one sequence of updates: a wallet's, or a wallet's together with
// the chain-wide ones. It remembers what was seen since the wallet's queue was
// last drained, as many items as the queue can hold and some more, and tells
// from the next answer of the queue what was missed. The zero value is a
// sequence of which nothing was seen. It is not safe for concurrent use.
type History struct {
	log        Log
	items      []Item // since the queue was last drained, oldest first
	optional   int    // of items, from the oldest on: may be in the queue or not
	size       int    // what the queue holds, if more than QueueSize
	forgot     bool   // items older than these are no longer remembered
	loose      bool   // the queue may hold what was missed and never fetched
	holding    bool
	seenForgot bool // items of before the hold are no longer remembered

	seen  int  // of items: came before the hold
	fresh int  // items[fresh:] came since the last call of Hold
	cuts  cuts // where earlier calls were
	gone  int  // held items that are no longer remembered
}

// Add notes a live update: one that is handed over or, after [History.Hold],
// held. An update that is dropped must not be added. It reports whether one of
// the last 100 updates has the same bytes.
func (h *History) Add(it Item) (repeat bool) {
	h.items = append(h.items, it)
	h.trim()
	return h.log.Add(it.Bytes)
}

// Hold tells that updates may be missed between what was added before and what
// is added from now on, and that the latter is held. It is to be called for
// every connect, before the first update of the new connection is added. What
// is held already stays held.
func (h *History) Hold() {
	if !h.holding {
		h.holding, h.seen = true, len(h.items)
	} else if h.fresh > h.seen {
		h.cuts = h.cuts.add(h.fresh)
	}
	h.fresh = len(h.items)
}

// Drop tells that updates are dropped after what was added before, as
// [History.Hold] does of missed ones; but the connection is the same.
func (h *History) Drop() {
	if !h.holding {
		h.Hold()
	} else {
		h.cuts = h.cuts.add(len(h.items))
	}
}

// Release gives up the hold without an answer: what is held is handed over
// now. The queue may have been drained by the call that failed, so nothing is
// expected of it any more; what is still in it is recognised.
func (h *History) Release() {
	h.optional, h.loose = len(h.items), true
	h.open()
	h.trim()
}

// Forget tells that the daemon has lost its queue, as it does with a restart.
// What came since the last [History.Hold] may be in the new one.
func (h *History) Forget() {
	if h.holding {
		h.gone += h.fresh - h.seen
		h.items = compact(h.items[h.fresh:])
		h.seen, h.fresh, h.cuts = 0, 0, nil
	} else {
		h.items = nil
	}
	h.optional, h.forgot, h.loose, h.seenForgot = 0, false, false, false
}

// Grow tells that the daemon's queue can hold n items.
func (h *History) Grow(n int) { h.size = max(h.size, min(n, maxQueueSize)) }

// Merge takes the whole answer of the queue, in order, and tells what of it was
// missed. The hold ends with it, and the queue counts as drained.
func (h *History) Merge(answer []Item) Merged {
	h.Grow(len(answer))
	r, known := h.read(answer)
	own := witness{reading: &r, knowledge: known}
	m := Merged{Own: h.take(&r, answer), Evidence: judge(len(answer), own)}
	m.OfChain = m.Evidence
	return m
}

func (h *History) read(answer []Item) (reading, knowledge) {
	if !h.holding {
		h.Hold()
	}
	v := view{
		items: h.items, optional: h.optional, seen: h.seen, fresh: h.fresh, cuts: h.cuts,
		forgot: h.forgot, slack: slack(h.size), loose: h.loose,
	}
	r := v.read(answer)
	known := v.know(&r, answer, h.seen)
	known.expected = known.expected || h.seenForgot
	return r, known
}

// take turns the places of what was missed into places among the held items,
// and leaves of the history what can be in the queue after this drain.
func (h *History) take(r *reading, answer []Item) []Missed {
	var list []Missed
	for _, s := range r.missed {
		repeat := h.log.Add(answer[s.index].Bytes)
		list = append(list, Missed{s.index, h.gone + max(0, s.place-h.seen), repeat})
	}
	h.drained(r)
	return list
}

func (h *History) drained(r *reading) {
	var rest []Item
	for _, i := range overtaken(r, h.fresh) {
		rest = append(rest, h.items[i])
	}
	h.optional = len(rest)
	h.items = append(rest, h.items[max(r.last+1, h.fresh):]...)
	h.forgot, h.loose, h.seenForgot = false, false, false
	h.open()
	h.trim()
}

func (h *History) open() {
	h.holding, h.seen, h.fresh, h.cuts, h.gone = false, 0, 0, nil, 0
}

func (h *History) trim() {
	n := excess(len(h.items), h.size, h.holding)
	if n == 0 {
		return
	}
	h.items = dropOldest(h.items, n)
	h.forgot = true
	h.optional = max(0, h.optional-n)
	if h.holding {
		h.seenForgot = h.seenForgot || h.seen > 0
		h.gone += max(0, n-h.seen)
		h.seen, h.fresh = max(0, h.seen-n), max(0, h.fresh-n)
		h.cuts = h.cuts.shift(n)
	}
}
