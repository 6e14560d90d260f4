package replay

// Wallet is what is known of one wallet's queue when the chain-wide updates in
// it belong to a [ChainHistory] that it shares with other wallets: its own
// [History] and its place in that sequence. The zero value is a wallet of which
// nothing was seen. The ChainHistory given to its methods must always be the
// same one.
type Wallet struct {
	own History
	at  cursor
	// While its own live updates are dropped: 1 + the last chain-wide one that
	// came before. 0 = they are not.
	dropped uint64
}

// Add is [History.Add] for one of the wallet's own updates.
func (w *Wallet) Add(it Item) (repeat bool) { return w.own.Add(it) }

// Hold is [History.Hold]. It says the same of the chain-wide updates as far as
// this wallet's queue will tell of them; c itself has to be held as well.
func (w *Wallet) Hold(c *ChainHistory) {
	w.own.Hold()
	c.hold(&w.at)
}

// Drop is [History.Drop] for the wallet's own updates, which are dropped until
// [Wallet.Keep]. A merge in between does not end it: a chain-wide update that
// comes meanwhile says nothing about the wallet's own.
func (w *Wallet) Drop(c *ChainHistory) {
	w.own.Drop()
	c.hold(&w.at)
	w.dropped = 1 + c.live
}

// Keep tells that the wallet's live updates are added again from here on.
func (w *Wallet) Keep() { w.dropped = 0 }

// Ask tells that the daemon is about to be asked for the wallet's queue: what
// other answers have brought of c by now is in it.
func (w *Wallet) Ask(c *ChainHistory) { w.at.asked = c.named }

// Begin tells that the daemon is known to watch the wallet from now on, and was
// not before. What is missing of c until it is complete again may be from before.
func (w *Wallet) Begin(c *ChainHistory) {
	w.at.born = 0
	if c.doubt {
		w.at.born = c.doubts
	}
}

// Covers reports whether the wallet's queue is as old as what may be missing of c.
func (w *Wallet) Covers(c *ChainHistory) bool { return !c.doubt || w.at.born != c.doubts }

// Release is [History.Release].
func (w *Wallet) Release(c *ChainHistory) {
	w.own.Release()
	c.release(&w.at)
}

// Forget is [History.Forget]. [ChainHistory.Forget] has to be called too, once.
func (w *Wallet) Forget() { w.own.Forget() }

// Merge takes the whole answer of the wallet's queue, in order, and tells what
// of it was missed. The wallet's hold ends with it, that of c does not, and the
// queue counts as drained. Its cost does not depend on the number of wallets.
func (w *Wallet) Merge(c *ChainHistory, answer []Item) Merged {
	r, m := w.look(c, answer)
	m.Own = w.own.take(&r.own, r.parts.own)
	m.Chain = c.take(&w.at, &r.chain, r.parts.chain)
	if w.dropped > 0 {
		w.Hold(c)
		w.at.seen = w.dropped - 1
	}
	number(m.Own, r.ownAt)
	number(m.Chain, r.chainAt)
	return m
}

// Judge is what [Wallet.Merge] would tell of the answer as a whole, and which
// chain-wide updates were missed, without their places. It merges nothing.
func (w *Wallet) Judge(c *ChainHistory, answer []Item) Merged {
	r, m := w.look(c, answer)
	for _, s := range r.chain.missed {
		m.Chain = append(m.Chain, Missed{Index: s.index})
	}
	number(m.Chain, r.chainAt)
	return m
}

// MergeOwn is Merge of an answer whose chain-wide updates are kept for the next
// one: it takes the wallet's own, and leaves the wallet's place in c, and the hold
// there, as they are.
func (w *Wallet) MergeOwn(c *ChainHistory, answer []Item) Merged {
	r, m := w.look(c, answer)
	m.Own = w.own.take(&r.own, r.parts.own)
	if w.dropped > 0 {
		w.own.Hold()
	}
	number(m.Own, r.ownAt)
	return m
}

// walletReading is an answer as both sequences see it.
type walletReading struct {
	parts
	own   reading
	chain chainReading
}

func (w *Wallet) look(c *ChainHistory, answer []Item) (walletReading, Merged) {
	w.own.Grow(len(answer))
	c.Grow(len(answer))
	r := walletReading{parts: split(answer)}
	var known knowledge
	r.own, known = w.own.read(r.parts.own)
	r.chain = c.read(&w.at, r.parts.chain)
	byOwn := witness{&r.own, known, r.ownAt}
	m := Merged{
		Evidence: judge(len(answer), byOwn, witness{&r.chain.reading, r.chain.known, r.chainAt}),
		OfChain:  judge(len(answer), witness{&r.chain.reading, r.chain.byHold, r.chainAt}),
	}
	if c.holding && w.at.holds < c.holds { // the wallet's hold is not younger
		m.OfChain = m.Evidence
	}
	return r, m
}

// parts is an answer by sequence, with the place of each item in the answer.
// The places are nil for a sequence that is the whole answer.
type parts struct {
	own, chain     []Item
	ownAt, chainAt []int
}

func split(answer []Item) parts {
	n := 0
	for _, it := range answer {
		if it.Chain {
			n++
		}
	}
	switch n {
	case 0:
		return parts{own: answer}
	case len(answer):
		return parts{chain: answer}
	}
	p := parts{
		own: make([]Item, 0, len(answer)-n), ownAt: make([]int, 0, len(answer)-n),
		chain: make([]Item, 0, n), chainAt: make([]int, 0, n),
	}
	for k, it := range answer {
		if it.Chain {
			p.chain, p.chainAt = append(p.chain, it), append(p.chainAt, k)
		} else {
			p.own, p.ownAt = append(p.own, it), append(p.ownAt, k)
		}
	}
	return p
}

func number(list []Missed, at []int) {
	if at == nil {
		return
	}
	for i := range list {
		list[i].Index = at[list[i].Index]
	}
}
