package replay

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever came at once, afterwards a bounded number of items is remembered, and
// nothing that a queue may hold is forgotten.
func TestExcessKeepsWhatIsNeeded(t *testing.T) {
	for _, size := range []int{0, 4, QueueSize, 150, 1000, 5000, maxQueueSize} {
		needed := max(size, QueueSize) + 2*slack(size)
		for _, holding := range []bool{false, true} {
			most := needed + needed/5
			if holding {
				most = max(most, maxHeld)
			}
			for _, n := range []int{0, 1, QueueSize, needed, most - 1, most, most + 1, most + 50, most + maxQueueSize} {
				kept := n - excess(n, size, holding)
				require.LessOrEqual(t, kept, most, "size %d, %d items, holding %v", size, n, holding)
				require.GreaterOrEqual(t, kept, min(n, needed), "size %d, %d items, holding %v", size, n, holding)
				if n <= most {
					require.Equal(t, n, kept, "size %d, %d items, holding %v", size, n, holding)
				}
			}
		}
	}
	require.Zero(t, excess(15*QueueSize, 0, true), "what is held is remembered longer")
}

func TestCutsMoveWithTheItems(t *testing.T) {
	for _, tt := range []struct {
		forgotten int
		want      cuts
	}{
		{0, cuts{3, 5, 9}}, {2, cuts{1, 3, 7}}, {3, cuts{0, 2, 6}}, {4, cuts{1, 5}}, {9, cuts{0}}, {10, cuts{}},
	} {
		require.Equal(t, tt.want, cuts{3, 5, 9}.shift(tt.forgotten), "%d forgotten", tt.forgotten)
	}
}

// Of a very long hold the oldest items are forgotten. Where its connections began is
// known of the others all the same.
func TestLongHoldKeepsTheOrder(t *testing.T) {
	var h History
	h.Hold()
	add := func(list []Item) {
		for _, it := range list {
			h.Add(it)
		}
	}
	add(numbered(1000, maxHeld-10))
	add(items("cx"))
	h.Hold() // d is missed
	add(items("e"))
	h.Hold()
	add(items("f"))
	require.False(t, h.forgot)
	add(numbered(100_000, 20))
	require.True(t, h.forgot)
	m := h.Merge(items("cdef")) // the append of x was skipped
	require.Equal(t, []Missed{{Index: 1, Before: maxHeld - 10 + len("cx")}}, m.Own, "behind x")
}
