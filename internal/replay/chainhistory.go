package replay

// ChainHistory is the sequence of a currency's chain-wide updates. A daemon
// appends each of them to the queue of every loaded wallet, so it is kept once,
// and each [Wallet] has its own place in it. The first answer that brings a
// missed one supplies it; in later ones it is known. The zero value is a
// sequence of which nothing was seen. It is not safe for concurrent use.
type ChainHistory struct {
	log   Log
	items []Item
	ids   []uint64 // of the items: places change, an id does not
	put   []origin // of the items
	named uint64   // the last id that was given
	live  uint64   // the id of the last item that was seen live
	size  int      // what a queue holds, if more than QueueSize

	holding bool
	doubt   bool   // updates may be missing that no answer has brought and no gap has told
	doubts  uint32 // how many doubts there were
	holds   uint32 // how many holds there were
	since   int    // items[since:] came since the hold began
	held    int    // items[held:] wait
	fresh   int    // items[fresh:] came since the last call of Hold
	cuts    cuts   // the places of earlier calls of Hold
	gone    int    // held items that are no longer remembered
	adrift  int    // for how many more connects some items may stand in the wrong place
	lost    uint64 // the id of the last item before the daemon lost its queues; 0 = none
}

// bringing tells of an item how it came: seen live, or in an answer, and during
// which doubt that was.
type bringing uint32

const (
	seenLive         bringing = iota
	broughtUndoubted          // by an answer while nothing was in doubt; higher ones are doubts
)

// origin is where an item came from, and where it was put.
type origin struct {
	how    bringing
	astray bool // behind items that it came before: those were handed over already
}

// bringing is how an item comes that an answer brings now.
func (c *ChainHistory) bringing() bringing {
	if !c.doubt {
		return broughtUndoubted
	}
	return broughtUndoubted + bringing(c.doubts)
}

// Add notes a live update: one that is handed over or, after
// [ChainHistory.Hold], held. An update that is dropped must not be added. It
// reports whether one of the last 100 updates has the same bytes.
func (c *ChainHistory) Add(it Item) (repeat bool) {
	c.named++
	c.live = c.named
	c.items, c.ids, c.put = append(c.items, it), append(c.ids, c.named), append(c.put, origin{})
	c.trim()
	return c.log.Add(it.Bytes)
}

// Hold does for the chain-wide updates what [History.Hold] does for a wallet's.
// After a connect it is to be called when all wallets are held.
func (c *ChainHistory) Hold() {
	if !c.holding {
		c.holding, c.since, c.held = true, len(c.items), len(c.items)
		c.holds++
	}
	c.beginDoubt()
	if c.fresh < len(c.items) {
		c.cuts = c.cuts.add(c.fresh)
	}
	c.fresh, c.adrift = len(c.items), max(0, c.adrift-1)
}

func (c *ChainHistory) beginDoubt() {
	if !c.doubt {
		c.doubt = true
		c.doubts++
	}
}

// EndDoubt tells that a queue need not be older than this to hold all that may be
// missing, although the hold goes on for what other queues may bring.
func (c *ChainHistory) EndDoubt() { c.doubt = false }

// Doubtful reports whether updates may be missing that no answer has brought and no
// gap has told.
func (c *ChainHistory) Doubtful() bool { return c.doubt }

// Drop is [History.Drop].
func (c *ChainHistory) Drop() {
	if !c.holding {
		c.Hold()
		return
	}
	c.cuts = c.cuts.add(len(c.items))
	c.beginDoubt()
}

// Handed tells that everything that was added or brought until now has been
// handed over, although the hold goes on: only what comes from now on waits.
func (c *ChainHistory) Handed() { c.held, c.gone = len(c.items), 0 }

// Release ends the hold: what is held, and what merges have put among it, is
// handed over now. It is to be called when an answer has proven that nothing
// is missing, or when no more answers are to be waited for.
func (c *ChainHistory) Release() {
	c.ReleaseInDoubt()
	c.doubt = false
}

// ReleaseInDoubt is Release while live updates are dropped: of those something is
// missing all the same.
func (c *ChainHistory) ReleaseInDoubt() {
	c.holding, c.gone = false, 0
	c.trim()
}

// Forget tells that the daemon has lost the queues of all wallets, as it does
// with a restart. What came since the last [ChainHistory.Hold] may be in the
// new ones.
func (c *ChainHistory) Forget() {
	if c.fresh > 0 {
		c.lost = c.ids[c.fresh-1]
	}
}

// Grow tells that a queue of the daemon can hold n items.
func (c *ChainHistory) Grow(n int) { c.size = max(c.size, min(n, maxQueueSize)) }

// Len is how many updates are remembered.
func (c *ChainHistory) Len() int { return len(c.items) }

// cursor is a wallet's place in a ChainHistory; items are named by their ids. Its
// zero value is that of a wallet whose queue was never drained.
type cursor struct {
	drained  bool
	holding  bool
	loose    bool     // as in History
	born     uint32   // the doubt of the chain during which its queue was first relied on; 0 = none
	young    bringing // how items can come that are older than its queue; seenLive = they cannot
	holds    uint32   // how many holds the chain had had when the wallet's began
	told     uint64   // the last item that its queue has told
	optional uint64   // items up to this one may be in the queue or not
	seen     uint64   // the last item before the hold
	asked    uint64   // the last id that was given when the queue was asked
	late     uint64   // an item that others had overtaken in the queue before the last drain; 0 = none
}

func (c *ChainHistory) lastID() uint64 {
	if len(c.ids) == 0 {
		return c.lost
	}
	return c.ids[len(c.ids)-1]
}

// hold notes where the wallet's updates may begin to be missed. What was taken
// from answers behind the last live one was missed already.
func (c *ChainHistory) hold(at *cursor) {
	if !at.holding {
		at.holding, at.holds, at.seen = true, c.holds, c.live
	}
}

// release is [History.Release] for one wallet's place.
func (c *ChainHistory) release(at *cursor) {
	at.holding, at.loose, at.optional = false, true, c.lastID()
}

// find returns the place of an item, or -1 if it is not remembered.
func (c *ChainHistory) find(id uint64) int {
	if id == 0 {
		return -1
	}
	for i := len(c.ids) - 1; i >= 0; i-- {
		if c.ids[i] == id {
			return i
		}
	}
	return -1
}

// chainReading is a reading whose places count from start.
type chainReading struct {
	reading
	known  knowledge // by the wallet's hold
	byHold knowledge // by the chain's own hold
	start  int
	fresh  int  // items from this place on came since the last connect
	young  bool // nobody knows when the queue began
}

func (c *ChainHistory) read(at *cursor, answer []Item) chainReading {
	c.hold(at)
	told, lost, seen := c.find(at.told), c.find(c.lost), c.find(at.seen)
	start := max(told, lost) + 1
	v := view{
		items:    c.items[start:],
		start:    start,
		cuts:     c.cuts,
		optional: max(0, c.find(at.optional)+1-start),
		seen:     max(0, seen+1-start),
		forgot:   start == 0 && c.named > uint64(len(c.items)),
		slack:    slack(c.size),
		loose:    at.loose,
		origins:  c.put[start:],
		adrift:   c.adrift > 0,
	}
	v.fresh = max(v.seen, c.fresh-start)
	if late := c.find(at.late); late > lost {
		v.late = &c.items[late]
	}
	r := chainReading{
		reading: v.read(answer), start: start, fresh: start + v.fresh,
		young: !at.drained || lost > told,
	}
	r.known = v.know(&r.reading, answer, v.seen)
	r.byHold = r.known
	if c.holding {
		r.byHold = v.know(&r.reading, answer, min(v.seen, max(0, c.since-start)))
	}
	if !c.certain(start+max(v.seen, v.optional), start+v.fresh, at) {
		r.known.later, r.byHold.later = false, false
	}
	switch {
	case r.young:
		r.known.expected, r.known.later = false, false
		r.byHold.expected, r.byHold.later = false, false
	case start == 0 && seen < 0 && at.seen != at.told && at.seen != at.optional && at.seen != c.lost:
		r.known.expected = true // forgotten, but there were some
	}
	return r
}

// certain reports whether any of the items between two places must have been in
// a queue. What another wallet's answer has brought since it was asked may be
// younger, and what one has brought since it was young older than the queue.
func (c *ChainHistory) certain(from, to int, at *cursor) bool {
	for i := from; i < to; i++ {
		if c.put[i].how == seenLive || c.put[i].how != at.young && c.ids[i] <= at.asked {
			return true
		}
	}
	return false
}

// take puts what was missed into the sequence and moves the wallet's place.
func (c *ChainHistory) take(at *cursor, r *chainReading, answer []Item) []Missed {
	var list []Missed
	for i, s := range r.missed {
		place := r.start + s.place
		m := Missed{Index: s.index, Repeat: c.log.Add(answer[s.index].Bytes)}
		if c.holding { // what was held before goes with what is held now
			if place < c.held {
				place, r.missed[i].astray = c.held, true
			}
			m.Before = c.gone + place - c.held
		}
		r.missed[i].place = place
		list = append(list, m)
	}
	if r.last < 0 && len(r.missed) > 0 && r.missed[0].place < len(c.items) {
		c.adrift = maxCuts // nothing says whether they stand before the others or behind
	}
	c.move(at, r)
	c.insert(r.missed, answer)
	if r.young { // what came before the wallet was loaded is not in its queue
		at.optional = c.lastID()
	}
	c.trim()
	return list
}

// move notes how far the wallet's queue has told of the sequence: what came
// before the last connect is not in it any more in any case.
func (c *ChainHistory) move(at *cursor, r *chainReading) {
	next := cursor{drained: true, born: at.born, told: at.told}
	if c.doubt && (r.young || at.born == c.doubts) {
		next.young = c.bringing()
	}
	last := r.fresh - 1
	if r.last >= 0 {
		last = max(last, r.start+r.last)
	}
	// But another wallet's answer may have been drawn later than this one and
	// have brought what this one's queue still holds.
	for last >= 0 && c.put[last].how != seenLive && c.ids[last] > at.asked && last > r.start+r.last {
		last--
	}
	if last >= 0 {
		next.told = c.ids[last]
	}
	if n := len(r.missed); n > 0 && r.missed[n-1].place > last {
		next.told = c.named + uint64(n) // the name that insert gives it
	}
	if late := overtaken(&r.reading, r.fresh-r.start); len(late) > 0 {
		next.late = c.ids[r.start+late[len(late)-1]]
	}
	*at = next
}

// insert puts items of an answer before those at their places.
func (c *ChainHistory) insert(missed []spot, answer []Item) {
	if len(missed) == 0 {
		return
	}
	n := len(c.items) + len(missed)
	items, ids, put := make([]Item, 0, n), make([]uint64, 0, n), make([]origin, 0, n)
	from := 0
	for _, s := range missed {
		items, ids = append(items, c.items[from:s.place]...), append(ids, c.ids[from:s.place]...)
		put = append(put, c.put[from:s.place]...)
		c.named++
		items, ids, put = append(items, answer[s.index]), append(ids, c.named), append(put, origin{c.bringing(), s.astray})
		from = s.place
	}
	c.fresh = c.makeRoom(missed)
	c.items, c.ids = append(items, c.items[from:]...), append(ids, c.ids[from:]...)
	c.put = append(put, c.put[from:]...)
}

// makeRoom moves the places where something may be missing, for items that are put
// before those at theirs, and returns where the last connection began. What is put
// where a connection ended may have others before it as well as behind it.
func (c *ChainHistory) makeRoom(missed []spot) (fresh int) {
	before := make(cuts, 0, maxCuts)
	behind := func(cut int) int {
		n, first := cut, cut
		for _, s := range missed {
			if s.place <= cut {
				n++
			}
			if s.place < cut {
				first++
			}
		}
		if first < n {
			before = append(before, first)
		}
		return n
	}
	for i, cut := range c.cuts {
		c.cuts[i] = behind(cut)
	}
	fresh = behind(c.fresh)
	for _, cut := range before {
		c.cuts = c.cuts.add(cut)
	}
	return fresh
}

func (c *ChainHistory) trim() {
	n := excess(len(c.items), c.size, c.holding)
	if n == 0 {
		return
	}
	c.items, c.ids, c.put = dropOldest(c.items, n), dropOldest(c.ids, n), dropOldest(c.put, n)
	if c.holding {
		c.gone += max(0, n-c.held)
	}
	c.since, c.held, c.fresh = max(0, c.since-n), max(0, c.held-n), max(0, c.fresh-n)
	c.cuts = c.cuts.shift(n)
}
