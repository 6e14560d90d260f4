package replay

import "slices"

// Chain is one sequence that several queues tell of: the chain-wide items that
// a daemon appends to the queue of every loaded wallet. Each queue is read at
// its own time, so each has a position in the sequence. The zero value is empty.
type Chain struct {
	items []Fingerprint
	base  Position // of items[0]
}

// Position is a place in a Chain: how many items of it a queue has told of.
// The zero Position is that of a queue that was never read.
type Position uint64

const chainSize = 4096 // items that are remembered

// Merge takes the chain-wide items of one answer of a queue, in order. It
// returns which of them no queue had told of before, and where the queue is
// afterwards. An item that a queue lacks, since the daemon may skip an append,
// is passed over.
func (c *Chain) Merge(at Position, fps []Fingerprint) (fresh []bool, after Position) {
	if len(fps) == 0 {
		return nil, at
	}
	i := 0
	if at == 0 {
		i = c.align(fps)
	} else if at > c.base {
		i = int(at - c.base)
	}
	fresh = make([]bool, len(fps))
	for k, fp := range fps {
		if found := slices.Index(c.items[i:], fp); found >= 0 {
			i += found + 1
			continue
		}
		fresh[k] = true
		c.items = append(c.items, fp)
		i = len(c.items)
	}
	after = c.base + Position(i)
	c.trim()
	return fresh, after
}

// align finds where an answer of an unread queue begins: where it overlaps the
// end of the sequence most, else where it last stands within it.
func (c *Chain) align(fps []Fingerprint) int {
	for i := max(0, len(c.items)-len(fps)); i < len(c.items); i++ {
		if slices.Equal(c.items[i:], fps[:len(c.items)-i]) {
			return i
		}
	}
	for i := len(c.items) - len(fps); i >= 0; i-- {
		if slices.Equal(c.items[i:i+len(fps)], fps) {
			return i
		}
	}
	return 0
}

func (c *Chain) trim() {
	if extra := len(c.items) - chainSize; extra >= chainSize {
		c.items = slices.Clone(c.items[extra:])
		c.base += Position(extra)
	}
}
