package replay

// reach is by how many items the order of frames and that of a queue may
// differ: two notifications of the daemon may overtake one another.
const reach = 2

// maxCells bounds the table of an alignment, and with it its time and memory.
const maxCells = 1 << 21

// alignment says which items of an answer are which of those that were seen.
// Nearly always one of the two lists begins or ends with the other one; then
// no table is needed.
type alignment struct {
	seen, answer   int // how many items
	prefix, suffix int // so many are paired in order at both ends
	toSeen         []int32
	toAnswer       []int32 // both for what lies between, -1 = not paired
}

// align pairs the items of answer with equal ones of seen: as many in the same
// order as possible, among such pairings as many as possible with equal bytes,
// then what stands swapped with a neighbour. An item is in one pair at most,
// so of contents that repeat none is taken for two.
func align(seen, answer []Item) alignment {
	al := alignment{seen: len(seen), answer: len(answer)}
	n := min(len(seen), len(answer))
	for al.prefix < n && seen[al.prefix].Bytes == answer[al.prefix].Bytes {
		al.prefix++
	}
	for al.prefix+al.suffix < n &&
		seen[len(seen)-1-al.suffix].Bytes == answer[len(answer)-1-al.suffix].Bytes {
		al.suffix++
	}
	if al.prefix+al.suffix < n {
		al.between(seen[al.prefix:len(seen)-al.suffix], answer[al.prefix:len(answer)-al.suffix])
	}
	return al
}

// toSeenAt returns which seen item the k-th item of the answer is, or -1.
func (al *alignment) toSeenAt(k int) int {
	switch {
	case k < al.prefix:
		return k
	case k >= al.answer-al.suffix:
		return al.seen - (al.answer - k)
	case al.toSeen == nil || al.toSeen[k-al.prefix] < 0:
		return -1
	}
	return al.prefix + int(al.toSeen[k-al.prefix])
}

// paired reports whether the i-th seen item is in the answer.
func (al *alignment) paired(i int) bool {
	if i < al.prefix || i >= al.seen-al.suffix {
		return true
	}
	return al.toAnswer != nil && al.toAnswer[i-al.prefix] >= 0
}

func (al *alignment) between(s, a []Item) {
	al.toSeen, al.toAnswer = unpaired(len(a)), unpaired(len(s))
	if (len(s)+1)*(len(a)+1) > maxCells {
		al.pairGreedily(s, a)
		return
	}
	al.pairInOrder(s, a)
	al.pairSwapped(s, a, func(x, y Item) bool { return x.Bytes == y.Bytes })
	al.pairSwapped(s, a, func(x, y Item) bool { return x.Key == y.Key })
}

func unpaired(n int) []int32 {
	list := make([]int32, n)
	for i := range list {
		list[i] = -1
	}
	return list
}

func (al *alignment) pair(i, k int) { al.toSeen[k], al.toAnswer[i] = int32(i), int32(k) }

// onePair outweighs any number of equal bytes.
const onePair = 1 << 16

func weight(x, y Item) uint32 {
	switch {
	case x.Bytes == y.Bytes:
		return onePair + 1
	case x.Key == y.Key:
		return onePair
	}
	return 0
}

// pairInOrder finds the longest common subsequence. Where several are as long,
// it takes the one that pairs early items.
func (al *alignment) pairInOrder(s, a []Item) {
	width := len(a) + 1
	best := make([]uint32, (len(s)+1)*width) // best[i*width+k]: of s[i:] and a[k:]
	for i := len(s) - 1; i >= 0; i-- {
		row, below := best[i*width:(i+1)*width], best[(i+1)*width:(i+2)*width]
		for k := len(a) - 1; k >= 0; k-- {
			b := max(below[k], row[k+1])
			if w := weight(s[i], a[k]); w > 0 {
				b = max(b, below[k+1]+w)
			}
			row[k] = b
		}
	}
	for i, k := 0, 0; i < len(s) && k < len(a); {
		b := best[i*width+k]
		w := weight(s[i], a[k])
		switch {
		case w > 0 && b == best[(i+1)*width+k+1]+w:
			al.pair(i, k)
			i, k = i+1, k+1
		case b == best[(i+1)*width+k]:
			i++
		default:
			k++
		}
	}
}

// pairSwapped pairs equal items that were left over when not more than reach
// pairs stand before the one and behind the other.
func (al *alignment) pairSwapped(s, a []Item, equal func(x, y Item) bool) {
	restS, ranksS := leftOver(al.toAnswer)
	restA, ranksA := leftOver(al.toSeen)
	from := 0
	for n, k := range restA {
		for from < len(restS) && ranksS[from] < ranksA[n]-reach {
			from++
		}
		for m := from; m < len(restS) && ranksS[m] <= ranksA[n]+reach; m++ {
			if i := restS[m]; al.toAnswer[i] < 0 && equal(s[i], a[k]) {
				al.pair(i, k)
				break
			}
		}
	}
}

// pairAnywhere pairs equal bytes that were left over, however far apart, of those
// seen items that may stand in a wrong place: what two queues tell of one sequence
// can be put together in a wrong order.
func (al *alignment) pairAnywhere(seen, answer []Item, misplaced func(i int) bool) {
	s, a := seen[al.prefix:], answer[al.prefix:]
	places := map[Fingerprint][]int{}
	for i, k := range al.toAnswer {
		if k < 0 && misplaced(al.prefix+i) {
			places[s[i].Bytes] = append(places[s[i].Bytes], i)
		}
	}
	for k, i := range al.toSeen {
		list := places[a[k].Bytes]
		if i < 0 && len(list) > 0 {
			al.pair(list[0], k)
			places[a[k].Bytes] = list[1:]
		}
	}
}

// leftOver returns what is not paired, each with how many pairs are before it.
func leftOver(pairs []int32) (rest, ranks []int) {
	rank := 0
	for i, p := range pairs {
		if p >= 0 {
			rank++
			continue
		}
		rest, ranks = append(rest, i), append(ranks, rank)
	}
	return rest, ranks
}

// pairGreedily pairs each item with the next equal one, for lists whose table
// would be too large: fewer pairs, but still none twice.
func (al *alignment) pairGreedily(s, a []Item) {
	places := make(map[Fingerprint][]int, len(s))
	for i, it := range s {
		places[it.Key] = append(places[it.Key], i)
	}
	next := 0
	for k, it := range a {
		list := places[it.Key]
		for len(list) > 0 && list[0] < next {
			list = list[1:]
		}
		if len(list) > 0 {
			al.pair(list[0], k)
			next = list[0] + 1
		}
		places[it.Key] = list
	}
}
