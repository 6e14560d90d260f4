package replay

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// several is a currency with wallets, as a manager has them.
type several struct {
	t       *testing.T
	chain   ChainHistory
	wallets [3]Wallet
	held    string // chain-wide
}

func (s *several) connect() {
	for i := range s.wallets {
		s.wallets[i].Hold(&s.chain)
	}
	s.chain.Hold()
}

// start connects, merges empty answers and goes live.
func start(t *testing.T) *several {
	s := &several{t: t}
	s.connect()
	for i := range s.wallets {
		s.wallets[i].Merge(&s.chain, nil)
	}
	s.chain.Release()
	return s
}

func (s *several) live(w int, text string) {
	for _, it := range items(text) {
		if !it.Chain {
			s.wallets[w].Add(it)
			continue
		}
		s.chain.Add(it)
	}
	if s.chain.holding {
		for _, it := range text {
			if it >= '0' && it <= '9' {
				s.held += string(it)
			}
		}
	}
}

func (s *several) release() {
	s.chain.Release()
	s.held = ""
}

// merge returns what is handed over of the wallet and what then waits of the
// chain.
func (s *several) merge(w int, answer string) (own, chain string, m Merged) {
	s.wallets[w].Ask(&s.chain)
	m = s.wallets[w].Merge(&s.chain, items(answer))
	chain = woven(s.held, answer, m.Chain)
	s.held = ""
	for _, r := range chain {
		if r != '[' && r != ']' && s.chain.holding {
			s.held += string(r)
		}
	}
	return woven("", answer, m.Own), chain, m
}

func TestWalletsShareTheChain(t *testing.T) {
	s := start(t)
	s.live(0, "1a2")
	s.live(1, "b")
	s.connect()
	s.live(0, "5")

	own, chain, m := s.merge(0, "1a23c45")
	require.Equal(t, "[c]", own)
	require.Equal(t, "[34]5", chain, "missed blocks come before the held one")
	require.Equal(t, Proven, m.Continuity(false, 100))
	require.Equal(t, Proven, m.OfChain.Continuity(false, 100))
	s.release()

	own, chain, m = s.merge(1, "12b345")
	require.Empty(t, own)
	require.Empty(t, chain, "nothing is fresh in the second answer")
	require.Equal(t, Proven, m.Continuity(false, 100))

	own, chain, m = s.merge(2, "124567d")
	require.Equal(t, "[d]", own)
	require.Equal(t, "[67]", chain, "one that only this queue has")
	require.Equal(t, Proven, m.Continuity(false, 100), "a skipped append is tolerated")
}

func TestWalletContinuity(t *testing.T) {
	tests := []struct {
		name       string
		live       string // before the connection is lost
		others     string // the answer of another wallet comes first
		answer     string
		cause      Continuity
		ofChain    Continuity
		own, chain string
	}{
		{"nothing expected, nothing there", "", "", "", Proven, Proven, "", ""},
		{"nothing expected, something missed", "", "", "a1", Proven, Proven, "[a]", "[1]"},
		{"a block proves an idle wallet", "1", "1", "1a", Proven, Proven, "[a]", ""},
		{"its own update proves the chain", "a", "", "a1", Proven, Proven, "", "[1]"},
		{"one of both is enough", "1a", "1", "a", Proven, Proven, "", ""},
		{"neither is there", "1a", "1", "b", Unknown, Unknown, "[b]", ""},
		{"no block is there", "12", "12", "", Unknown, Unknown, "", ""},
		{"a missed block of another queue is not there", "", "1", "", Unknown, Unknown, "", ""},
		{"and is there", "", "12", "12", Proven, Proven, "", ""},
		{"a known block behind unknown updates", "1", "1", "ab1", Unknown, Unknown, "[ab]", ""},
		{"a block that was overtaken by an update", "1", "1", "a1", Proven, Proven, "[a]", ""},
		{"a full queue from a known block on", "12", "12", "12abcdef", Proven, Proven, "[abcdef]", ""},
		{"a full queue, the first block lost", "12", "12", "2abcdefg", Overflowed, Overflowed, "[abcdefg]", ""},
		{"a full queue with a missed block in front", "1", "12", "2abcdefg", Overflowed, Overflowed, "[abcdefg]", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t)
			s.live(0, tt.live)
			s.connect()
			s.merge(1, tt.others)
			own, chain, m := s.merge(0, tt.answer)
			require.Equal(t, tt.own, own)
			if tt.others == "" {
				require.Equal(t, tt.chain, chain)
			} else {
				require.Empty(t, m.Chain)
			}
			require.Equal(t, tt.cause, m.Continuity(false, 8))
			require.Equal(t, tt.ofChain, m.OfChain.Continuity(false, 8))
		})
	}
}

func TestChainLaneOverflows(t *testing.T) {
	s := start(t)
	s.live(0, "1a")
	s.chain.Hold() // 2 to 5 are dropped
	s.live(0, "b")
	s.chain.Hold()
	s.wallets[0].Hold(&s.chain)
	s.live(0, "7")

	own, chain, m := s.merge(0, "b34567cd")
	require.Equal(t, "[cd]", own)
	require.Equal(t, "[3456]7", chain)
	require.Equal(t, Unknown, m.OfChain.Continuity(false, 100), "b is no witness: it came after the overflow")
}

func TestWalletLaneOverflows(t *testing.T) {
	s := start(t)
	s.live(0, "1a")
	s.wallets[0].Hold(&s.chain) // b is dropped
	s.live(0, "2")
	s.wallets[0].Hold(&s.chain)
	s.live(0, "c")
	m := s.wallets[0].Merge(&s.chain, items("1ab2c"))
	require.Equal(t, []Missed{{Index: 2}}, m.Own)
	require.Empty(t, m.Chain)
	require.Equal(t, Proven, m.Continuity(false, 100))
}

func TestUnprovenAnswersLeaveTheChainHeld(t *testing.T) {
	s := start(t)
	s.live(0, "12")
	s.connect()
	s.live(0, "6")
	_, _, m := s.merge(0, "56")
	require.Equal(t, Unknown, m.OfChain.Continuity(false, 100))
	require.Equal(t, "56", s.held)
	_, chain, m := s.merge(1, "123456")
	require.Equal(t, Proven, m.OfChain.Continuity(false, 100))
	require.Equal(t, "[34]56", chain, "in order although the second answer told the first ones")
}

func TestChainSurvivesCuts(t *testing.T) {
	s := start(t)
	s.live(0, "1")
	s.connect()
	s.live(0, "3")
	s.connect()
	s.live(0, "5")
	s.connect()
	s.live(0, "7")
	_, chain, _ := s.merge(0, "1234567")
	require.Equal(t, "[2]3[4]5[6]7", chain)
}

func TestRestartForgetsQueues(t *testing.T) {
	s := start(t)
	s.live(0, "123a")
	s.connect()
	s.chain.Forget()
	for i := range s.wallets {
		s.wallets[i].Forget()
	}
	own, chain, m := s.merge(0, "231a")
	require.Equal(t, "[a]", own)
	require.Equal(t, "[231]", chain, "the same heights are sent again")
	require.Equal(t, Restarted, m.Continuity(true, 100))
	s.release()
	_, chain, _ = s.merge(1, "31")
	require.Empty(t, chain)

	s.live(0, "4")
	s.connect()
	_, _, m = s.merge(0, "4")
	require.Equal(t, Proven, m.Continuity(false, 100))
	_, _, m = s.merge(2, "45") // loaded late, nothing known of it
	require.Equal(t, Proven, m.Continuity(false, 100))
}

func TestOvertakenBlockComesLater(t *testing.T) {
	s := start(t)
	s.connect()
	s.live(0, "12")
	s.merge(0, "2")
	s.release()
	s.live(0, "3")
	s.connect()
	_, chain, m := s.merge(0, "13")
	require.Empty(t, chain, "it was handed over live")
	require.Equal(t, Proven, m.Continuity(false, 100))
}

func TestReleaseOfAWallet(t *testing.T) {
	s := start(t)
	s.live(0, "1a")
	s.connect()
	s.wallets[0].Release(&s.chain)
	s.merge(1, "12")
	s.chain.Release()
	s.connect()
	m := s.wallets[0].Merge(&s.chain, nil)
	require.False(t, m.Matched)
	m = s.wallets[1].Merge(&s.chain, nil)
	require.Equal(t, Proven, m.Continuity(false, 100), "nothing came since its answer")
}

func TestChainIsBounded(t *testing.T) {
	var c ChainHistory
	var slow, fast Wallet
	slow.Merge(&c, nil)
	for i := range 5000 {
		it := Item{Bytes: Fingerprint(i), Key: Fingerprint(i), Chain: true}
		if i%3 == 0 {
			m := fast.Merge(&c, []Item{it})
			require.Len(t, m.Chain, 1)
			require.Zero(t, m.Chain[0].Before)
		} else {
			c.Add(it)
		}
	}
	require.LessOrEqual(t, c.Len(), 2*QueueSize)
	require.LessOrEqual(t, len(c.cuts), maxCuts)
	var last []Item
	for i := 4900; i < 5000; i++ {
		last = append(last, Item{Bytes: Fingerprint(i), Key: Fingerprint(i), Chain: true})
	}
	m := slow.Merge(&c, last)
	require.Empty(t, m.Chain)
	require.Equal(t, Proven, m.Continuity(false, 100))
}

func TestChainKeepsItsCutsInPlace(t *testing.T) {
	s := start(t)
	s.live(0, "1")
	s.connect()
	s.live(0, "38")
	s.connect()
	s.live(0, "5")
	s.connect()
	s.live(0, "7")
	_, chain, _ := s.merge(1, "123")
	require.Equal(t, "[2]3857", chain)
	_, chain, _ = s.merge(0, "123457") // the append of 8 was skipped
	require.Equal(t, "238[4]57", chain)
}

func TestRecoveredBlocksAreNoWitness(t *testing.T) {
	s := start(t)
	s.live(0, "1")
	_, chain, _ := s.merge(1, "123") // the connection was lost meanwhile
	require.Equal(t, "[23]", chain)
	s.connect()
	_, _, m := s.merge(0, "23abcdef")
	require.Equal(t, Overflowed, m.Continuity(false, 8), "updates of before 2 may be gone")
}

// While a wallet's own updates are dropped, a block that is seen is no proof that
// everything before it was seen too: a full queue may have lost some of it.
func TestBlocksProveNothingWhileUpdatesAreDropped(t *testing.T) {
	for _, kept := range []bool{false, true} {
		s := start(t)
		w := &s.wallets[0]
		s.live(0, "a")
		w.Drop(&s.chain) // b to e are dropped
		if kept {
			w.Keep()
		}
		_, _, m := s.merge(0, "a")
		require.Equal(t, Proven, m.Continuity(false, 4))
		s.live(0, "1") // behind them
		s.connect()
		own, _, m := s.merge(0, "e1fg")
		require.Equal(t, "[efg]", own)
		if kept {
			require.Equal(t, Proven, m.Continuity(false, 4), "it was overtaken by one that was missed")
		} else {
			require.Equal(t, Overflowed, m.Continuity(false, 4), "b, c and d were pushed out")
		}
	}
}

// A chain's lane that has overflowed hands over what it has while answers are
// merged. From when it is held on, missed ones are numbered among what waits.
func TestChainIsHeldAfterItWasHandedOver(t *testing.T) {
	s := start(t)
	s.live(0, "1")
	s.chain.Hold() // 2 is dropped
	_, _, m := s.merge(0, "12")
	require.Equal(t, []Missed{{Index: 1}}, m.Chain)
	s.chain.Handed()
	s.held = ""
	s.connect()
	s.live(0, "45")
	s.wallets[0].Hold(&s.chain)
	_, chain, m := s.merge(0, "345")
	require.Equal(t, "[3]45", chain)
	require.Equal(t, []Missed{{Index: 0, Before: 0}}, m.Chain)
}

// The queue of a wallet that was loaded late begins in the middle of what is
// held: what nobody has brought yet stands right before what is known of it.
func TestQueueThatBeginsAmongTheHeld(t *testing.T) {
	s := start(t)
	s.connect()
	s.live(0, "3")
	s.chain.Hold()
	s.live(0, "7") // 4 to 6 are missed
	var late Wallet
	late.Hold(&s.chain)
	s.chain.Hold()
	late.Ask(&s.chain)
	m := late.Merge(&s.chain, items("567"))
	require.Equal(t, "3[56]7", woven("37", "567", m.Chain))
	s.held = "3567"
	_, chain, m := s.merge(0, "34567")
	require.Equal(t, "3[4]567", chain)
	require.Equal(t, Proven, m.Continuity(false, 100))
}

// A queue that has lost its head says nothing of where its blocks stand among
// those that were seen. Put in the wrong place, they must not hide a block that
// another queue tells of as well.
func TestBlocksInTheWrongOrderAreKnown(t *testing.T) {
	s := start(t)
	s.live(0, "1")
	s.connect()
	s.live(0, "4")
	s.merge(1, "678") // 4 is behind it, or before: nobody knows
	_, chain, m := s.merge(0, "12345678")
	require.NotContains(t, chain, "[4", "it is handed over once")
	require.Len(t, m.Chain, 3, "2, 3 and 5")
	require.Equal(t, Proven, m.Continuity(false, 100))
}

// What other answers had brought before a wallet's queue was asked is not in it afterwards. A wallet that was
// loaded late never has it: its queue is not to begin with that.
func TestQueueOfALateWalletLacksWhatWasBroughtBefore(t *testing.T) {
	s := start(t)
	s.live(0, "12")
	s.connect()
	_, chain, _ := s.merge(0, "123")
	require.Equal(t, "[3]", chain)
	s.merge(1, "123")
	s.release()
	s.wallets[2] = Wallet{}
	s.wallets[2].Hold(&s.chain)
	s.merge(2, "")
	for range 2 {
		s.connect()
		for w, answer := range []string{"", "", ""} {
			_, _, m := s.merge(w, answer)
			require.Equal(t, Proven, m.Continuity(false, 100), "wallet %d", w)
			require.Equal(t, Proven, m.OfChain.Continuity(false, 100), "wallet %d", w)
		}
		s.release()
	}
	s.connect()
	s.live(0, "4")
	s.connect() // the first one has ended before an answer came
	_, chain, m := s.merge(2, "4ab5")
	require.Equal(t, "4[5]", chain)
	require.Equal(t, Proven, m.Continuity(false, 100))
	require.Equal(t, Proven, m.OfChain.Continuity(false, 100))
}

// While the chain lacks something from before a wallet was loaded, another answer can bring that at any time: also
// after the wallet's queue was drained, which never had it.
func TestQueueOfALateWalletLacksWhatIsBroughtLater(t *testing.T) {
	for _, drains := range []int{1, 2} {
		s := start(t)
		s.live(0, "1")
		s.connect() // 2 was missed, and then the wallet was loaded
		late := &s.wallets[2]
		*late = Wallet{}
		late.Begin(&s.chain)
		late.Hold(&s.chain)
		for i := range drains {
			if i > 0 {
				s.connect()
			}
			_, _, m := s.merge(2, "")
			require.Equal(t, Proven, m.Continuity(false, 100), "drain %d of %d", i+1, drains)
		}
		_, chain, _ := s.merge(0, "12")
		require.Equal(t, "[2]", chain)
		s.merge(1, "12")
		s.release()
		s.connect()
		_, _, m := s.merge(2, "")
		require.Equal(t, Proven, m.Continuity(false, 100))
		require.Equal(t, Proven, m.OfChain.Continuity(false, 100))
		s.release()

		s.connect()
		s.merge(0, "3")
		s.release()
		s.connect()
		_, _, m = s.merge(2, "")
		require.Equal(t, Unknown, m.Continuity(false, 100), "what was brought when nothing of before was missing")
	}
}

// Two queues that have lost their heads tell of blocks that stand somewhere between those that were seen. Where
// they are put decides nothing: a queue that still has its head brings none a second time that was seen live.
func TestBlocksOfQueuesWithoutHeadsHideNone(t *testing.T) {
	s := start(t)
	s.connect()
	s.live(0, "1")
	s.connect()
	s.live(0, "8")
	s.connect()
	_, chain, _ := s.merge(2, "78")
	require.Equal(t, "1[7]8", chain)
	_, _, m := s.merge(1, "345678")
	require.Len(t, m.Chain, 4)
	_, _, m = s.merge(0, "12345678")
	require.Equal(t, []int{1}, indexes(m.Chain), "2 alone is new")
}

// What no answer brought in time is handed over behind what was live since, and so stands in the wrong place of the
// sequence. It is in the queue of every wallet, but handed over once.
func TestBlocksThatAnOlderHoldLackedComeOnce(t *testing.T) {
	s := start(t)
	s.live(0, "1")
	s.connect()
	s.live(0, "5") // 2 to 4 are missed
	for i := range s.wallets {
		s.wallets[i].Release(&s.chain) // and the queues are not read in time
	}
	s.release()
	s.live(0, "678")
	s.connect()
	_, chain, _ := s.merge(0, "12345678")
	require.Equal(t, "[234]", chain)
	for w := 1; w < 3; w++ {
		_, chain, m := s.merge(w, "123456789"[:7+w])
		require.Equal(t, []string{"234", "234[9]"}[w-1], chain, "wallet %d", w)
		require.Equal(t, Proven, m.Continuity(false, 100), "wallet %d", w)
	}
}

// That some blocks stand in the wrong place is no reason to take a missed one for an older one of the same contents.
func TestBlocksInTheirPlacesAreNotFoundElsewhere(t *testing.T) {
	s := start(t)
	s.live(0, "1")
	s.connect()
	s.live(0, "95") // 2 is missed
	for i := range s.wallets {
		s.wallets[i].Release(&s.chain)
	}
	s.release()
	s.live(0, "678")
	s.connect()
	_, chain, _ := s.merge(0, "1295678")
	require.Equal(t, "[2]", chain)
	_, chain, _ = s.merge(1, "1256789") // the append of the first 9 was skipped
	require.Equal(t, "2[9]", chain, "another one")
}

func indexes(list []Missed) (all []int) {
	for _, m := range list {
		all = append(all, m.Index)
	}
	return all
}

// Chain-wide updates that are kept for the next answer are found there as if there had been no answer before:
// what was seen is not handed over again, and what was missed goes into its place.
func TestOwnUpdatesGoBeforeTheChains(t *testing.T) {
	s := start(t)
	s.live(0, "1a2")
	s.connect()
	s.live(0, "5b")
	m := s.wallets[0].Judge(&s.chain, items("1a2c35b"))
	require.Equal(t, Evidence{Items: 7, Expected: true, Matched: true, Whole: true}, m.Evidence)
	require.Equal(t, m.Evidence, m.OfChain)
	m = s.wallets[0].MergeOwn(&s.chain, items("1a2c35b"))
	require.Equal(t, "[c]b", woven("b", "1a2c35b", m.Own))
	require.Empty(t, m.Chain)
	require.Equal(t, Evidence{Items: 7, Expected: true, Matched: true, Whole: true}, m.Evidence)

	s.connect()
	own, chain, m := s.merge(0, "1235"+"6d")
	require.Equal(t, "[d]", own)
	require.Equal(t, "[3]5[6]", chain)
	require.Equal(t, Proven, m.Continuity(false, QueueSize))

	s.release()
	s.connect()
	_, chain, _ = s.merge(1, "12356")
	require.Empty(t, chain, "another wallet's queue brings nothing more")
}

// While a wallet's own updates are dropped, such an answer does not end that.
func TestOwnUpdatesGoBeforeTheChainsWhileSomeAreDropped(t *testing.T) {
	s := start(t)
	s.live(0, "1a")
	s.wallets[0].Drop(&s.chain) // b is dropped
	m := s.wallets[0].MergeOwn(&s.chain, items("1a2"))
	require.Empty(t, m.Own)
	s.wallets[0].Keep()
	s.connect()
	own, chain, m := s.merge(0, "1"+"b2c")
	require.Equal(t, "[bc]", own)
	require.Equal(t, "[2]", chain)
	require.Equal(t, Proven, m.Continuity(false, QueueSize))
}
