package replay

// Missed is an item of an answer that was never seen live. It is to be handed
// over before the held item of that number, behind all of them if there are no
// more; of several with the same number, the first one first.
type Missed struct {
	Index  int  // in the answer
	Before int  // in what is held, 0 = the oldest
	Repeat bool // one of the last 100 updates of the sequence has the same bytes
}

// Merged is what an answer of a wallet's queue tells. What is held and not
// mentioned keeps its place; every held item is handed over once.
type Merged struct {
	Own   []Missed // to be put among the wallet's held updates
	Chain []Missed // to be put among the held chain-wide updates

	Evidence          // that the wallet's own updates are complete now
	OfChain  Evidence // that the held chain-wide ones are
}

// Evidence is what an answer says about what it does not hold.
type Evidence struct {
	Items    int  // of the answer
	Expected bool // it should hold something that was seen since the last drain
	Matched  bool // it does: nobody has drained the queue in between
	Whole    bool // nothing that was missed can have been pushed out of the queue
}

// Continuity says whether all updates since a wallet's queue was last drained
// have been seen or recovered, and if not, why that is not known.
type Continuity int

// The causes in the order in which they count.
const (
	Proven     Continuity = iota
	Restarted             // the daemon was restarted: its queue was lost
	Overflowed            // more may have been missed than the queue holds
	Unknown               // somebody else may have drained the queue
)

// Continuity judges by the answer and by what the caller knows: whether the
// daemon was restarted since the last drain, and how many items its queue holds.
func (e Evidence) Continuity(restarted bool, queueSize int) Continuity {
	switch {
	case restarted:
		return Restarted
	case e.Items >= queueSize && !e.Whole:
		return Overflowed
	case e.Expected && !e.Matched:
		return Unknown
	}
	return Proven
}

// witness is what one sequence says about an answer.
type witness struct {
	*reading
	knowledge
	index []int // which items of the answer are of this sequence, nil = all
}

func (w witness) at(k int) int {
	if w.index == nil {
		return k
	}
	return w.index[k]
}

// judge finds whether the answer reaches back to before the hold. Everything
// was seen until then, so the answer has to begin with what was seen: an item
// that is known further inside only looks like one of before, and what was
// drained or pushed out stood where the unknown ones now begin. The one
// exception is a known item that a missed one has overtaken.
func judge(items int, witnesses ...witness) Evidence {
	known, first := 0, items
	expected, later, foundLater := false, false, false
	for _, w := range witnesses {
		expected = expected || w.expected
		later = later || w.later
		foundLater = foundLater || w.foundLater
		if w.known > 0 {
			known += w.known
			first = min(first, w.at(w.first))
		}
	}
	strange := 0
	for _, w := range witnesses {
		strange += w.strangeBefore(first)
	}
	head := known > 0 && (strange == 0 || strange == 1 && known == 1)
	return Evidence{
		Items:    items,
		Expected: expected || later,
		Matched:  head || !expected && foundLater,
		// A lone known item at the very beginning may have been overtaken by
		// a missed one, which then was pushed out just before it.
		Whole: head && (first > 0 || known > 1),
	}
}

// strangeBefore is how many items of the sequence stand before the first known
// one of the answer although they are not older than all that is remembered.
func (w witness) strangeBefore(first int) int {
	n := 0
	for k := 0; !w.old && k < w.al.answer && w.at(k) < first; k++ {
		n++
	}
	return n
}
