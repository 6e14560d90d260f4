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
	excused       bool // nobody could notice its loss
	unordered     bool // its place in the queue was swapped
}

type taken struct {
	n    int
	live bool
	at   time.Time
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
	if c.benign {
		require.Len(c.t, c.gaps, 1, "G11: %v", c.gaps)
		require.Equal(c.t, bitcart.GapStart, c.gaps[0].Reason)
		require.Zero(c.t, repeats, "nothing is handed over again without a gap")
	}
	c.t.Logf("%s: updates %d, recovered %d, gaps %d, repeats %d", c.lines[0][len(clock)+1:], updates, recovered, len(c.gaps)-1, repeats)
}

// judgeOrder: live updates come once, first of all, and everything in order unless a gap was told.
func (c *chaos) judgeOrder(key string, tr *track) (recovered, repeats int) {
	seen, last := map[int]bool{}, -1
	for _, e := range tr.taken {
		sent := tr.sent[e.n]
		require.NotNil(c.t, sent, "%s: %d was never sent", c.nameOf(key), e.n)
		if !e.live {
			recovered++
		}
		if seen[e.n] {
			repeats++
			require.False(c.t, e.live, "%s: %d came again, as a live one", c.nameOf(key), e.n)
			continue
		}
		seen[e.n] = true
		if sent.excused || sent.unordered {
			continue // an append that was skipped has no place among the others
		}
		if e.n < last {
			require.True(c.t, c.covered(key, sent, e.at), "%s: %d of %s came at %s behind %d, and no gap was told: %v",
				c.nameOf(key), e.n, sent.before.Format(clock), e.at.Format(clock), last, c.gaps)
		}
		last = max(last, e.n)
	}
	return recovered, repeats
}

// judgeLoss: what was never handled is told by a gap.
func (c *chaos) judgeLoss(key string, tr *track) {
	got := map[int]bool{}
	for _, e := range tr.taken {
		got[e.n] = true
	}
	for n, sent := range tr.sent {
		if got[n] || sent.excused {
			continue
		}
		var until time.Time // when the next one that came was sent: it is behind the gap
		for i := n + 1; i < n+1000; i++ {
			if e := tr.sent[i]; e != nil && got[i] {
				until = e.after
				break
			}
		}
		require.True(c.t, c.covered(key, sent, until), "%s: %d of %s was lost, and no gap was told: %v",
			c.nameOf(key), n, sent.before.Format(clock), c.gaps)
	}
}

// covered: a gap was told after the update had been sent, and, with
// -chaos.since, it says that it began before until. What a stream or
// wallet lost by starting was sent before that, so such a gap excuses nothing here.
func (c *chaos) covered(key string, sent *emission, until time.Time) bool {
	return slices.ContainsFunc(c.gaps, func(g toldGap) bool {
		mine := g.Coin == nil || g.Coin.WalletKey() == key
		if key == "" {
			mine = g.ChainWide
		}
		return mine && g.Reason != bitcart.GapStart && g.at.After(sent.before) && (!*chaosSince || !g.Since.After(until))
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
