package replay

import (
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	reconnects = flag.Int("replay.reconnects", 1000, "how many reconnects each simulation makes")
	firstSeed  = flag.Uint64("replay.seed", 1, "the first seed of the simulations")
)

// TestSimulation lets the code above a model of the daemon run into everything
// that is known to happen. What nobody can recover or notice is counted apart.
func TestSimulation(t *testing.T) {
	usual := odds{swap: 50, cut: 30, overflow: 30, restart: 20}
	rough := odds{skip: 20, swap: 100, foreign: 50, restart: 50, cut: 100, lostAnswer: 30, overflow: 50}
	for _, tt := range []struct {
		name   string
		odds   odds
		repeat int // of 1000 contents
	}{
		{"calm", odds{}, 0},
		{"usual", usual, 0},
		{"usual, contents repeat", usual, 300},
		{"rough", rough, 0},
		{"rough, contents repeat", rough, 300},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.odds.repeat = tt.repeat
			f := simulate(tt.odds)
			t.Logf("%+v", f)
			require.Zero(t, f.LiveTwice, "seeds %v", f.Seeds)
			require.Less(t, f.Needless*100, f.Merges)
			require.Greater(t, f.Gaps, 0, "the simulation is not too easy")
			if tt.repeat == 0 {
				require.Zero(t, f.Silent, "seeds %v", f.Seeds)
				require.Less(t, f.Disorder*500, f.Emissions)
				require.Less(t, f.Again*1000, f.Emissions)
			} else { // a foreign update may pass for a known one
				require.Less(t, f.Silent*1000, f.Emissions)
				require.Less(t, f.Again*100, f.Emissions)
			}
		})
	}
}

// simulate runs daemons of all kinds, a few reconnects each.
func simulate(o odds) figures {
	var sum figures
	for seed := *firstSeed; sum.Reconnects < *reconnects; seed++ {
		rng := rand.New(rand.NewPCG(seed, 0))
		size := []int{4, 10, 30, 100, 150}[rng.IntN(5)]
		d := newModelDaemon(rng, o, 1+rng.IntN(4), size)
		c := newModelClient(d)
		for range 25 {
			c.outage()
			c.connect()
			c.run(2 + rng.IntN(3*size))
			c.disconnect()
		}
		c.finish()
		c.count.lost(d.emitted)
		c.count.Emissions = len(d.emitted)
		if c.count.Silent+c.count.LiveTwice > 0 {
			c.count.Seeds = append(c.count.Seeds, seed)
		}
		sum.add(c.count)
	}
	return sum
}

// finish reconnects without trouble, so that every queue is read to its end.
func (c *modelClient) finish() {
	c.d.odds = odds{}
	for range 2 {
		c.connect()
		c.d.settle()
		c.receive(len(c.d.frames))
		c.d.up = false
	}
}
