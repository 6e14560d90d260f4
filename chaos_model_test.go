package bitcart_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// track is what became of one wallet's updates.
type track struct {
	next  int
	sent  map[int]*emission
	taken []taken
}

type emission struct {
	before, after time.Time
	excused       bool          // nobody could notice its loss
	unordered     bool          // its place in the queue was swapped
	nobodys       bool          // its wallet was removed then, or has been since, and whoever added it again was told that it begins anew
	owed          *bitcart.Coin // the daemon held it when the wallet was added again as this Coin, and nothing can have taken it away
	left          bool          // the daemon holds it after the stream's end
}

type taken struct {
	n    int
	live bool
	at   time.Time
	coin *bitcart.Coin
}

// member is one stay of a wallet in the stream.
type member struct {
	added  bool // to the running stream
	ending bool // when it was about to be ended
	gone   bool // the wallet was removed
	late   int  // events that were handed over after that
}

// place is one in a queue of the daemon: an update of a wallet or, with the key "", of the chain.
type place struct {
	key string
	n   int
}

type toldGap struct {
	bitcart.Gap
	at time.Time
	of string // the wallet
}

const clock = "05.000000"

func (g toldGap) String() string {
	return fmt.Sprintf("\n%v %s, chain %v, since %s, told %s", g.of, g.Reason, g.ChainWide, g.Since.Format(clock), g.at.Format(clock))
}

// judge compares what was handed over with what was sent.
func (c *chaos) judge() {
	updates, recovered, repeats := 0, 0, 0
	for _, key := range c.everybody() {
		tr := c.tracks[key]
		updates += len(tr.sent)
		r, again := c.judgeOrder(key, tr)
		recovered, repeats = recovered+r, repeats+again
		c.judgeLoss(key, tr)
	}
	for _, g := range c.gaps {
		require.False(c.t, g.Since.IsZero(), "%v", g)
	}
	c.judgeStarts()
	if c.benign {
		doubts := map[*bitcart.Coin]int{}
		for _, g := range c.gaps {
			if g.Reason != bitcart.GapStart {
				doubts[g.Coin]++
				m := c.members[g.Coin]
				// A connection that ends before a new wallet's queue was read leaves two episodes in doubt.
				require.True(c.t, m != nil && m.added && g.Reason == bitcart.GapUnknown && doubts[g.Coin] <= 2, "G11: %v", c.gaps)
			}
		}
		require.Zero(c.t, repeats, "nothing is handed over again without a gap")
	}
	c.t.Logf("%s: updates %d, recovered %d, gaps %d, repeats %d", c.lines[0][len(clock)+1:], updates, recovered, len(c.gaps)-1, repeats)
}

// judgeStarts: the stream and each wallet that joins it begin with a GapStart, and with one only.
func (c *chaos) judgeStarts() {
	starts := map[*bitcart.Coin]int{}
	for _, g := range c.gaps {
		if g.Reason == bitcart.GapStart {
			starts[g.Coin]++
		}
	}
	require.Equal(c.t, 1, starts[nil], "of the stream: %v", c.gaps)
	for coin, m := range c.members {
		n := starts[coin]
		unknown := n == 0 && (m.gone || m.ending) // to every connection
		require.True(c.t, n == 0 && !m.added || n == 1 && m.added || unknown, "%s begins %d times: %v", c.nameOf(coin.WalletKey()), n, c.gaps)
	}
}

// judgeOrder: live updates come once, first of all, and everything that one Coin gets in order unless a
// gap was told.
func (c *chaos) judgeOrder(key string, tr *track) (recovered, repeats int) {
	live := map[int]bool{}
	last := map[*bitcart.Coin]int{}
	type handed struct {
		n    int
		coin *bitcart.Coin
	}
	seen := map[handed]bool{}
	for _, e := range tr.taken {
		sent := tr.sent[e.n]
		require.NotNil(c.t, sent, "%s: %d was never sent", c.nameOf(key), e.n)
		coin := e.coin
		if c.members[coin] == nil {
			coin = nil // each event of the chain's or a stranger's may have its own
		}
		if !e.live {
			recovered++
		}
		again := live[e.n]
		live[e.n] = true
		require.False(c.t, again && e.live, "%s: %d came again, as a live one", c.nameOf(key), e.n)
		if seen[handed{e.n, coin}] {
			repeats++
			continue
		}
		seen[handed{e.n, coin}] = true
		if sent.excused {
			continue // an append that was skipped has no place among the others
		}
		if before, ok := last[coin]; ok && e.n < before {
			require.True(c.t, c.covered(key, sent, e.at), "%s: %d of %s came at %s behind %d, and no gap was told: %v",
				c.nameOf(key), e.n, sent.before.Format(clock), e.at.Format(clock), before, c.gaps)
		}
		if !sent.unordered { // two that were swapped have no order between them
			last[coin] = max(last[coin], e.n)
		}
	}
	return recovered, repeats
}

// lost is what was not handed over, and should have been unless a gap was told.
func (c *chaos) lost(tr *track) (list []int) {
	coins := map[*bitcart.Coin]map[int]bool{nil: {}}
	for _, e := range tr.taken {
		coins[nil][e.n] = true
		if coins[e.coin] == nil {
			coins[e.coin] = map[int]bool{}
		}
		coins[e.coin][e.n] = true
	}
	for n, sent := range tr.sent {
		if !sent.excused && !sent.nobodys && !sent.left && !coins[sent.owed][n] {
			list = append(list, n)
		}
	}
	return list
}

// judgeLoss: what was never handled is told by a gap.
func (c *chaos) judgeLoss(key string, tr *track) {
	for _, n := range c.lost(tr) {
		sent := tr.sent[n]
		require.True(c.t, !c.benign && c.covered(key, sent, sent.after), "%s: %d of %s was lost, and no gap was told, or none was due: %v",
			c.nameOf(key), n, sent.before.Format(clock), c.gaps)
	}
}

// covered: a gap was told after the update had been sent, and says that it began before until. What a stream
// or wallet lost by starting was sent before that, so such a gap excuses nothing here.
func (c *chaos) covered(key string, sent *emission, until time.Time) bool {
	return slices.ContainsFunc(c.gaps, func(g toldGap) bool {
		mine := g.Coin == nil || g.Coin.WalletKey() == key
		if key == "" {
			mine = g.ChainWide
		}
		return mine && g.Reason != bitcart.GapStart && g.at.After(sent.before) && !g.Since.After(until)
	})
}

// handed is what every wallet's handler got, recovered updates with an r, and the gaps.
func (c *chaos) handed() string {
	var text strings.Builder
	for _, key := range c.everybody() {
		text.WriteString(c.nameOf(key) + ":")
		for _, e := range c.tracks[key].taken {
			fmt.Fprintf(&text, " %d%s@%s", e.n, map[bool]string{false: "r"}[e.live], e.at.Format(clock))
		}
		text.WriteString("\n")
	}
	return fmt.Sprintln(text.String(), c.gaps)
}

// everybody is each sequence of updates: the chain's, the stranger's, the wallets'.
func (c *chaos) everybody() []string {
	list := []string{""}
	if c.stranger != "" {
		list = append(list, c.stranger)
	}
	return append(list, c.keys...)
}
