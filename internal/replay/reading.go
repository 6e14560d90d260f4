package replay

import "slices"

// view is what an answer is compared with: the items of one sequence that came
// since the queue was last drained, oldest first.
type view struct {
	items    []Item
	start    int      // what is to be taken from the cuts to have places in items
	optional int      // items[:optional] may be in the queue or not
	seen     int      // items[:seen] came before the hold
	fresh    int      // items[fresh:] came since the last connect
	cuts     cuts     // where else something may be missing
	late     *Item    // overtaken in the queue before the last drain: may come now
	forgot   bool     // there were older items, which are no longer known
	slack    int      // so many of items are more than the queue holds
	loose    bool     // updates may be in the queue that were never seen
	origins  []origin // of items, if they are the chain's
	adrift   bool     // any of items may stand in the wrong order
}

// reading is what an answer says of one sequence. Its missed items are numbered
// as in the answer's part for that sequence.
type reading struct {
	al     alignment
	missed []spot
	last   int  // the last of the seen items that is in the answer, or -1
	late   int  // an item of the answer that was overtaken before, or -1
	old    bool // the first ones of the answer were handed over long ago
}

// knowledge is what of an answer was seen before some hold.
type knowledge struct {
	known      int  // items of the answer; counted up to enough
	first      int  // the first of those
	expected   bool // some of before the hold should be in the answer
	later      bool // some of earlier connections since the hold should be
	foundLater bool // and are
}

// spot is an item of an answer that was never seen, and before which of the
// seen ones it belongs.
type spot struct {
	index, place int
	astray       bool // that place is behind the right one
}

// enough says what counting known items is good for: none, one, or several.
const enough = 2

func (v *view) read(answer []Item) reading {
	r := reading{al: align(v.items, answer), last: -1, late: -1}
	if v.adrift || slices.ContainsFunc(v.origins, func(o origin) bool { return o.astray }) {
		r.al.pairAnywhere(v.items, answer, func(i int) bool { return v.adrift || v.origins[i].astray })
	}
	leading := v.leading(&r.al)
	next := 0
	for k := range answer {
		i := r.al.toSeenAt(k)
		switch {
		case i >= 0:
			r.last = max(r.last, i)
		case r.late < 0 && k <= reach && v.late != nil && v.late.Key == answer[k].Key:
			r.late = k
		case k >= leading:
			next = v.next(&r.al, max(next, k))
			r.missed = append(r.missed, spot{index: k, place: v.place(r.last+1, v.seenAt(&r.al, next))})
		}
	}
	r.old = leading > 0 || v.loose
	return r
}

// know counts what of the answer came before a hold that began at seen.
func (v *view) know(r *reading, answer []Item, seen int) knowledge {
	w := knowledge{expected: seen > v.optional, later: v.fresh > max(seen, v.optional)}
	from := 0 // the seen item that is the first known one
	for k := range answer {
		i := r.al.toSeenAt(k)
		switch {
		case i >= seen && i < v.fresh:
			w.foundLater = true
		case w.known == enough || i >= seen:
		case i >= 0 && !v.doubtful(&r.al, answer[k].Key, seen), i < 0 && k == r.late:
			if w.known++; w.known == 1 {
				w.first, from = k, max(i, 0)
			}
		}
	}
	if w.known > 0 && !v.plausible(&r.al, from, seen) {
		w.known = 0
	}
	return w
}

// plausible reports whether the answer holds what came between two of the seen
// items, but for a few whose append was skipped. Otherwise what looks known
// only has the same contents.
func (v *view) plausible(al *alignment, from, to int) bool {
	absent := 0
	for i := from; i < to; i++ {
		if !al.paired(i) {
			absent++
		}
	}
	return absent <= 1+(to-from)/4
}

// leading is how many items of the answer are older than all that are still
// known: those before the first known one, if that one is among the oldest and
// the others are there too. They were seen, since everything was until the hold.
func (v *view) leading(al *alignment) int {
	if !v.forgot {
		return 0
	}
	for k := range al.answer {
		if i := al.toSeenAt(k); i >= 0 {
			if i < v.slack && v.plausible(al, i, v.seen) {
				return k
			}
			return 0
		}
	}
	return 0
}

// doubtful reports whether an item of the answer that equals one of before the
// hold may be a later one of the same contents: then it proves nothing.
func (v *view) doubtful(al *alignment, key Fingerprint, seen int) bool {
	for i := seen; i < len(v.items); i++ {
		if v.items[i].Key == key && !al.paired(i) {
			return true
		}
	}
	return false
}

// next returns the first paired item of the answer from k on, or its length.
func (v *view) next(al *alignment, k int) int {
	for k < al.answer && al.toSeenAt(k) < 0 {
		k++
	}
	return k
}

func (v *view) seenAt(al *alignment, k int) int {
	if k == al.answer {
		return len(v.items)
	}
	return al.toSeenAt(k)
}

// place decides where between two seen items a missed one belongs. Updates are
// missed while nothing is connected, so where a connection ended if possible;
// the later end, since of what came before it nothing is in the answer.
func (v *view) place(from, to int) int {
	within := func(cut int) bool { return from <= cut && cut <= to }
	if from == 0 && to < v.seen {
		return to // what stood before it was in the queue no more, or never
	}
	if within(v.fresh) {
		return v.fresh
	}
	for i := len(v.cuts) - 1; i >= 0; i-- {
		if cut := v.cuts[i] - v.start; cut > v.seen && within(cut) {
			return cut
		}
	}
	if within(v.seen) {
		return v.seen
	}
	return from
}
