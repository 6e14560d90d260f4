package replay

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChainReportsRepeats(t *testing.T) {
	s := start(t)
	require.False(t, s.chain.Add(items("1")[0]))
	require.True(t, s.chain.Add(items("1")[0]))
	s.connect()
	_, _, m := s.merge(0, "1121")
	require.Equal(t, []Missed{{Index: 2}, {Index: 3, Repeat: true}}, m.Chain)
	require.True(t, s.chain.Add(items("2")[0]), "recovered updates count")

	w := &s.wallets[0]
	require.False(t, w.Add(items("a")[0]))
	require.True(t, w.Add(items("a")[0]))
}

// A wallet that came while the chain lacked something proves nothing of it until it
// is complete again.
func TestLateWalletCoversTheChainOnceThatIsComplete(t *testing.T) {
	s := start(t)
	late := &s.wallets[2]
	late.Begin(&s.chain)
	require.True(t, late.Covers(&s.chain), "nothing was missing")
	s.connect()
	require.True(t, late.Covers(&s.chain), "it came before")
	late.Begin(&s.chain)
	require.False(t, late.Covers(&s.chain))
	late.Merge(&s.chain, nil)
	require.False(t, late.Covers(&s.chain))
	s.connect()
	require.False(t, late.Covers(&s.chain), "it is missing yet")
	s.chain.ReleaseInDoubt()
	require.False(t, late.Covers(&s.chain), "live updates are dropped")
	s.chain.Release()
	require.True(t, late.Covers(&s.chain))
	s.connect()
	require.True(t, late.Covers(&s.chain), "what is missing now is younger than it")
	require.True(t, s.wallets[0].Covers(&s.chain))
}

// Nothing is expected of queues that are younger than the end of a doubt, but of what is dropped after it,
// although the hold goes on.
func TestDoubtEndsDuringAHold(t *testing.T) {
	s := start(t)
	s.connect()
	read, late := &s.wallets[0], &s.wallets[1]
	read.Begin(&s.chain)
	require.False(t, read.Covers(&s.chain))
	s.chain.EndDoubt()
	require.True(t, s.chain.holding)
	require.True(t, read.Covers(&s.chain))
	s.chain.Drop()
	late.Begin(&s.chain)
	require.True(t, read.Covers(&s.chain), "it was read before")
	require.False(t, late.Covers(&s.chain))
	s.connect()
	require.False(t, late.Covers(&s.chain))
}

func TestChainDropsAfterWhatWasBeforeTheAnswer(t *testing.T) {
	for _, tt := range []struct{ answer, want string }{{"12345", "[345]6"}, {"1234567", "[345]6[7]"}} {
		s := start(t)
		s.live(0, "12")
		s.connect()
		s.live(0, "6")
		s.chain.Drop() // 7
		_, chain, _ := s.merge(0, tt.answer)
		require.Equal(t, tt.want, chain)
	}
	var c ChainHistory
	c.Drop()
	require.True(t, c.holding, "what comes from now on waits")
	require.True(t, c.doubt)
}

// Of a very long hold the oldest items are forgotten. The others are found, and
// missed ones are numbered among all that waits.
func TestChainBoundsWhatIsHeld(t *testing.T) {
	s := start(t)
	add := func(list []Item) {
		for _, it := range chainWide(list) {
			s.chain.Add(it)
		}
	}
	add(items("1"))
	s.connect()
	const long = maxHeld + 3*QueueSize
	add(numbered(1000, long))
	add(items("28"))
	s.connect() // 3 is missed
	add(items("4"))
	s.connect()
	add(items("5"))
	add(numbered(100_000, maxHeld/2))
	require.LessOrEqual(t, s.chain.Len(), maxHeld)
	require.Len(t, s.chain.put, s.chain.Len())
	s.wallets[0].Ask(&s.chain)
	m := s.wallets[0].Merge(&s.chain, chainWide(items("2345"))) // the append of 8 was skipped
	require.Equal(t, []Missed{{Index: 1, Before: long + len("28")}}, m.Chain, "behind 8")
	require.Equal(t, Unknown, m.Continuity(false, QueueSize), "1 was expected")

	s.chain.Release()
	require.LessOrEqual(t, s.chain.Len(), 2*QueueSize)
	s.connect()
	add(items("6"))
	s.connect()
	add(items("9"))
	m = s.wallets[1].Merge(&s.chain, chainWide(items("679")))
	require.Equal(t, []Missed{{Index: 1, Before: 1}}, m.Chain, "the next hold begins with nothing")
}

func TestChainRemembersAsManyAsAQueueHolds(t *testing.T) {
	s := start(t)
	const large = 1000
	all := chainWide(numbered(0, 10*large))
	s.wallets[0].Merge(&s.chain, all[:large])
	s.wallets[1].Merge(&s.chain, all[large-1:large])
	for _, it := range all[large:] {
		s.chain.Add(it)
	}
	require.GreaterOrEqual(t, s.chain.Len(), large+slack(large))
	require.LessOrEqual(t, s.chain.Len(), 2*large)
	s.chain.Grow(1 << 30)
	require.Equal(t, maxQueueSize, s.chain.size)
}

// Nothing is expected of a queue whose last answer was lost, of what came since it is.
func TestReleasedWalletExpectsOnlyWhatCameSince(t *testing.T) {
	for _, since := range []string{"", "2"} {
		s := start(t)
		s.live(0, "1")
		s.connect()
		s.wallets[0].Release(&s.chain)
		s.release()
		s.live(0, since)
		s.connect()
		_, _, m := s.merge(0, "")
		if since == "" {
			require.Equal(t, Proven, m.Continuity(false, 100))
		} else {
			require.Equal(t, Unknown, m.Continuity(false, 100))
		}
	}
	s := start(t)
	s.live(0, "1")
	s.connect() // 2 is missed
	s.wallets[0].Release(&s.chain)
	s.release()
	s.live(0, "3")
	s.connect()
	own, chain, m := s.merge(0, "2a3")
	require.Equal(t, "[a]", own)
	require.Equal(t, "[2]", chain)
	require.Equal(t, Proven, m.Continuity(false, 100), "what is before 3 may never have been fetched")
}
