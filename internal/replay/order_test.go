package replay

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Answers of two wallets can be merged in another order than they were drawn
// in: what the later one has brought may still be in the earlier one's queue.
func TestAnswerDrawnEarlierIsMergedLater(t *testing.T) {
	var c ChainHistory
	var a, b Wallet
	x := chainWide(numbered(1, 9))
	a.Merge(&c, nil)
	b.Merge(&c, nil)
	c.Add(x[0])
	hold := func() {
		a.Hold(&c)
		b.Hold(&c)
		c.Hold()
	}
	hold()
	require.Len(t, b.Merge(&c, x[0:3]).Chain, 2, "drawn later, merged first")
	require.Empty(t, a.Merge(&c, x[0:2]).Chain, "drawn before the third was sent")
	c.Release()
	hold()
	m := a.Merge(&c, x[2:4])
	require.Len(t, m.Chain, 1, "the third is known, the fourth was missed")
	require.Equal(t, Proven, m.Continuity(false, 100))
}

// A missed update that another answer brought before a wallet was asked must be
// in its queue; one that was brought while its answer was under way need not.
func TestAnswerDrawnBeforeAnotherHasBroughtSomething(t *testing.T) {
	for _, late := range []bool{false, true} {
		var c ChainHistory
		var a, b Wallet
		x := chainWide(numbered(1, 9))
		a.Merge(&c, nil)
		b.Merge(&c, nil)
		a.Hold(&c)
		b.Hold(&c)
		c.Hold()
		a.Ask(&c)
		b.Ask(&c)
		require.Len(t, b.Merge(&c, x[0:1]).Chain, 1)
		if late {
			a.Ask(&c)
		}
		m := a.Merge(&c, nil)
		if late {
			require.Equal(t, Unknown, m.Continuity(false, 100), "somebody has read the queue")
		} else {
			require.Equal(t, Proven, m.Continuity(false, 100), "nothing says that it was in the queue already")
		}
		require.Equal(t, m.Continuity(false, 100), m.OfChain.Continuity(false, 100))
	}
}
