package replay

import "slices"

// modelClient does with the model daemon what a stream does with a real one.
type modelClient struct {
	d       *modelDaemon
	wallets []*modelWallet
	chain   ChainHistory
	held    []delivery // chain-wide
	holding bool       // of the chain
	drops   bool       // the chain's lane has overflowed
	count   figures
}

type modelWallet struct {
	Wallet
	held      []delivery
	holding   bool
	drops     bool
	restarted bool
	drained   bool
	seen      map[*emission]bool // before the hold
	before    map[*emission]bool // chain-wide, before this wallet's hold
}

type delivery struct {
	e    *emission
	live bool
}

// figures are what a simulation counts.
type figures struct {
	Reconnects, Merges, Emissions int

	Silent    int // lost without a report although the answers told of it
	Reported  int // lost, with a gap
	Skipped   int // lost since the daemon did not put it into the queue
	Foreign   int // lost since another client took it, and nothing could tell
	LiveTwice int // handed over live twice
	Again     int // handed over again, as recovered
	Disorder  int

	Gaps         int
	Needless     int // although nothing was lost, and nothing had disturbed the queue
	NeedlessFull int // the same, with a queue that was just full

	Seeds []uint64 // of the runs in which something was lost silently
}

func newModelClient(d *modelDaemon) *modelClient {
	c := &modelClient{d: d}
	for range d.queues {
		c.wallets = append(c.wallets, &modelWallet{seen: map[*emission]bool{}, before: map[*emission]bool{}})
	}
	return c
}

// hand gives an update to its handler.
func (c *modelClient) hand(list ...delivery) {
	for _, x := range list {
		if x.live {
			x.e.live++
		} else {
			x.e.recovered++
		}
	}
}

// receive reads n frames.
func (c *modelClient) receive(n int) {
	for _, e := range c.d.frames[:n] {
		c.frame(e)
	}
	c.d.frames = slices.Clone(c.d.frames[n:])
}

func (c *modelClient) frame(e *emission) {
	e.read = true
	live := delivery{e, true}
	if e.wallet < 0 {
		if c.drops {
			e.dropped = true
			return
		}
		c.chain.Add(e.item(0))
		for _, w := range c.wallets {
			if !w.holding {
				w.before[e] = true
			}
		}
		if c.holding {
			c.held = append(c.held, live)
		} else {
			c.hand(live)
		}
		return
	}
	w := c.wallets[e.wallet]
	if w.drops {
		return
	}
	w.Add(e.item(0))
	if w.holding {
		w.held = append(w.held, live)
	} else {
		w.seen[e] = true
		c.hand(live)
	}
}

// run reads frames while the daemon works, and lets lanes overflow.
func (c *modelClient) run(most int) {
	for range c.d.rng.IntN(4) {
		c.d.busy(most / 3)
		c.receive(c.d.rng.IntN(len(c.d.frames) + 1))
		if c.d.chance(c.d.odds.foreign) {
			c.d.steal()
		}
		if c.d.chance(c.d.odds.overflow) {
			c.overflow()
		}
	}
}

// overflow drops what comes for a while, then recovers from the queue.
func (c *modelClient) overflow() {
	n := c.d.rng.IntN(len(c.wallets))
	w := c.wallets[n]
	ofChain := c.d.chance(300)
	if ofChain {
		c.chain.Hold()
		c.holding, c.drops = true, true
	} else {
		w.Hold(&c.chain)
		w.holding, w.drops = true, true
	}
	c.d.busy(10)
	c.receive(c.d.rng.IntN(len(c.d.frames) + 1))
	if c.d.chance(300) {
		return // the connection is lost before
	}
	w.drops, c.drops = false, false
	if ofChain {
		c.chain.Hold()
	}
	for i := range c.wallets {
		if i != n && !(ofChain && c.holding) {
			continue
		}
		c.hold(c.wallets[i])
		c.d.busy(2)
		answer := c.d.drain(i)
		c.barrier()
		c.merge(i, answer)
	}
	c.giveUpChain()
}

func (c *modelClient) barrier() {
	n := len(c.d.frames)
	c.d.busy(3)
	c.receive(n + c.d.rng.IntN(len(c.d.frames)-n+1))
}

func (c *modelClient) hold(w *modelWallet) {
	w.Hold(&c.chain)
	w.holding = true
}

// disconnect loses the frames that nobody has read.
func (c *modelClient) disconnect() {
	c.receive(c.d.rng.IntN(len(c.d.frames) + 1))
	c.d.up, c.d.frames = false, nil
}

func (c *modelClient) outage() {
	d := c.d
	switch n := d.rng.IntN(100); {
	case n < 30:
	case n < 90:
		d.busy(12)
	case n < 97:
		d.busy(d.cap)
	default:
		d.busy(4 * d.cap)
	}
	if d.chance(d.odds.foreign) {
		d.steal()
		d.busy(5)
	}
	if d.chance(d.odds.restart) {
		d.restart()
		d.restarted = true
		for _, w := range c.wallets {
			w.restarted, w.drained = true, false
		}
		d.busy(5)
	}
}

// connect recovers every wallet. A cut connection leaves some for the next.
func (c *modelClient) connect() {
	c.count.Reconnects++
	c.d.settle() // what was sent before is queued long before the first answer
	c.d.up = true
	c.drops = false
	for _, w := range c.wallets {
		w.drops = false
		c.hold(w)
	}
	c.chain.Hold()
	c.holding = true
	if c.d.restarted {
		c.d.restarted = false
		c.chain.Forget()
		for _, w := range c.wallets {
			w.Forget()
		}
	}
	for _, n := range c.d.rng.Perm(len(c.wallets)) {
		c.d.queues[n].loaded = true
		c.d.busy(4)
		c.receive(c.d.rng.IntN(len(c.d.frames) + 1))
		if c.d.chance(c.d.odds.cut) {
			return
		}
		if c.d.chance(c.d.odds.lostAnswer) {
			c.lose(n)
			continue
		}
		c.wallets[n].Ask(&c.chain)
		answer := c.d.drain(n)
		if c.d.chance(c.d.odds.cut) {
			c.d.busy(3)
			c.disconnect()
			c.merge(n, answer)
			return
		}
		c.barrier()
		c.merge(n, answer)
	}
	c.giveUpChain()
}

// lose is an answer that never arrives: nobody knows whether the queue is empty.
func (c *modelClient) lose(n int) {
	w, q := c.wallets[n], c.d.queues[n]
	if c.d.chance(500) {
		for _, en := range c.d.drain(n) {
			q.pushed = append(q.pushed, en.e)
		}
	}
	w.Release(&c.chain)
	c.hand(w.held...)
	w.seen, w.before = map[*emission]bool{}, map[*emission]bool{} // nothing is expected now
	w.held, w.holding = nil, false
	w.restarted = false
	for _, en := range q.entries { // whether they are still there is not known
		en.e.reported = true
	}
	c.count.Gaps++
	c.report(n)
}

func (c *modelClient) merge(n int, answer []entry) {
	c.count.Merges++
	w, q := c.wallets[n], c.d.queues[n]
	items := make([]Item, len(answer))
	for i, en := range answer {
		items[i] = en.e.item(en.version)
	}
	m := w.Merge(&c.chain, items)
	own := weave(w.held, m.Own, answer)
	c.hand(own...)
	c.countDisorder(own)
	c.held = weave(c.held, m.Chain, answer)
	if verdict := m.Continuity(w.restarted, c.d.cap); verdict != Proven {
		c.gap(n, verdict, len(answer))
	} else {
		c.judgeForeign(n)
	}
	if !c.holding || m.OfChain.Continuity(w.restarted, c.d.cap) == Proven {
		c.openChain()
	}
	w.held, w.holding, w.restarted, w.drained = nil, false, false, true
	w.seen, w.before = map[*emission]bool{}, map[*emission]bool{}
	*q = modelQueue{loaded: q.loaded, entries: q.entries, appended: map[*emission]bool{}}
	for _, en := range q.entries {
		q.appended[en.e] = true
	}
	// What was read already and is appended later counts as seen.
	for _, x := range own {
		if x.live {
			w.seen[x.e] = true
		}
	}
}

// weave puts what was missed among what is held.
func weave(held []delivery, missed []Missed, answer []entry) []delivery {
	var list []delivery
	from := 0
	for _, m := range missed {
		list = append(list, held[from:m.Before]...)
		list = append(list, delivery{e: answer[m.Index].e})
		from = m.Before
	}
	return append(list, held[from:]...)
}

func (c *modelClient) openChain() {
	c.chain.Release()
	c.hand(c.held...)
	c.countDisorder(c.held)
	c.held, c.holding = nil, false
}

// giveUpChain opens the chain's lane although no answer was proven.
func (c *modelClient) giveUpChain() {
	if !c.holding {
		return
	}
	c.openChain()
	for _, e := range c.d.emitted {
		if e.wallet < 0 {
			e.reported = true
		}
	}
}

// gap is OnGap. It is needless if the queue had everything.
func (c *modelClient) gap(n int, verdict Continuity, length int) {
	w, q := c.wallets[n], c.d.queues[n]
	c.count.Gaps++
	c.report(n)
	if w.restarted || q.disturbed || !w.drained {
		return
	}
	for _, e := range q.pushed {
		if !e.read {
			return // it was an overflow
		}
	}
	if verdict == Overflowed && length == c.d.cap {
		c.count.NeedlessFull++
		return
	}
	c.count.Needless++
}

func (c *modelClient) report(n int) {
	q := c.d.queues[n]
	for _, list := range [][]*emission{q.pushed, q.taken} {
		for _, e := range list {
			e.reported = true
		}
	}
	for _, e := range c.d.emitted {
		if e.wallet == n && e.live+e.recovered == 0 {
			e.reported = true // or it comes yet
		}
	}
}

// judgeForeign excuses what a foreign reader took from a queue in which nothing
// stood that had been seen.
func (c *modelClient) judgeForeign(n int) {
	w, q := c.wallets[n], c.d.queues[n]
	for _, e := range q.taken {
		e.foreign = e.foreign || e.dropped // no chain-wide update tells of it
	}
	for e := range q.appended {
		if w.drained && (w.seen[e] || w.before[e]) {
			return
		}
	}
	if len(q.taken) == 0 {
		return
	}
	for _, e := range slices.Concat(q.taken, q.pushed) { // a full queue was taken
		e.foreign = true
	}
}

// countDisorder counts updates that come after a later one which was not a
// neighbour. What is handed over again is not looked at.
func (c *modelClient) countDisorder(list []delivery) {
	latest := -1
	for _, x := range list {
		if x.e.live+x.e.recovered > 1 {
			continue
		}
		if x.e.place < latest-1 {
			c.count.Disorder++
		}
		latest = max(latest, x.e.place)
	}
}

// lost sorts what was not handed over. Contents that repeat are counted
// together, since nobody can tell which of them was which.
func (f *figures) lost(emitted []*emission) {
	type tally struct {
		emitted, handed, reported, skipped, foreign int
	}
	tallies := map[string]*tally{}
	for _, e := range emitted {
		t := tallies[e.content]
		if t == nil {
			t = &tally{}
			tallies[e.content] = t
		}
		n := e.live + e.recovered
		t.emitted++
		t.handed += n
		switch {
		case n > 0:
		case e.queued == 0 || e.skipped:
			t.skipped++
		case e.reported:
			t.reported++
		case e.foreign:
			t.foreign++
		}
		if e.live > 1 {
			f.LiveTwice++
		}
		if n > 1 {
			f.Again += n - 1
		}
	}
	for _, t := range tallies {
		missing := t.emitted - t.handed
		for _, n := range []struct {
			have int
			sum  *int
		}{{t.skipped, &f.Skipped}, {t.reported, &f.Reported}, {t.foreign, &f.Foreign}} {
			k := max(0, min(missing, n.have))
			*n.sum += k
			missing -= k
		}
		f.Silent += max(0, missing)
	}
}

func (f *figures) add(o figures) {
	f.Reconnects += o.Reconnects
	f.Merges += o.Merges
	f.Emissions += o.Emissions
	f.Silent += o.Silent
	f.Reported += o.Reported
	f.Skipped += o.Skipped
	f.Foreign += o.Foreign
	f.LiveTwice += o.LiveTwice
	f.Again += o.Again
	f.Disorder += o.Disorder
	f.Gaps += o.Gaps
	f.Needless += o.Needless
	f.NeedlessFull += o.NeedlessFull
	f.Seeds = append(f.Seeds, o.Seeds...)
}
