package bitcart_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// What an answer of get_updates tells of blocks that comes when its connection has ended.

// ignores waits until n more events have found no handler.
func (c *chainRig) ignores(n uint64, after func()) {
	c.t.Helper()
	before := daemonStats(c.t, c.m).Ignored
	after()
	eventually(c.t, func() bool { return daemonStats(c.t, c.m).Ignored >= before+n })
}

// provenByFirst loses the connection and waits until the first wallet's answer has opened the chain's
// lane on the next one. The second wallet's call waits.
func (c *chainRig) provenByFirst() *tolledCall {
	c.t.Helper()
	call := c.gated("get_updates", c.keys[1])
	cutOff(c.t, c.d, bitcarttest.FIN)
	receive(c.t, call.asked, "the second wallet's call")
	c.ignores(1, func() { emit(c.t, c.d, c.keys[0], "own", 0, 1) })
	return call
}

// An answer that is as long as the daemon's queue may lack the first blocks of the outage.
func TestLateAnswerThatIsFull(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]int{"and holds none of them": 0, "and holds the last one": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fullLateAnswer(t, more)
		})
	}
}

func fullLateAnswer(t *testing.T, more int) {
	for name, remove := range map[string]bool{
		"G1: others bring those first":                          false,
		"G2: without the others the next answer proves nothing": true,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChainRig(t, 2, 1000)
			close(c.door)
			first := c.d.Height() + 1
			call := c.provenByFirst()
			outage(t, c.d, func() {
				c.d.Mine(1)
				emit(t, c.d, c.keys[1], "own", 0, 150)
				c.d.Mine(more)
				c.ignores(90, func() { close(call.gate) })
				if remove {
					require.True(t, c.m.RemoveWallet("BTC", c.keys[0]))
				}
			})
			c.reconnects()
			if remove {
				require.True(t, c.toldOfBlocks(), "a block is lost: %v", c.heights())
				return
			}
			c.requireAll(first, c.d.Height())
		})
	}
}

// G1: so may one of a queue that somebody else has read.
func TestG1LateAnswerBehindAnotherReader(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 2, 1000)
	close(c.door)
	first := c.d.Height() + 1
	c.d.Mine(1)
	c.arrives(first)
	call := c.provenByFirst()
	outage(t, c.d, func() {
		c.d.Mine(1)
		other := newCoin(t, c.d, bitcart.WithXpub(c.keys[1]))
		require.NoError(t, other.Call(patient(t), nil, "get_updates"))
		require.Zero(t, c.d.Queued(c.keys[1]))
		c.d.Mine(1)
		c.ignores(1, func() {
			emit(t, c.d, c.keys[1], "own", 0, 1)
			close(call.gate)
		})
	})
	c.reconnects()
	c.requireAll(first, c.d.Height())
}

// behindHeld adds a wallet behind two live blocks that are held. Its call waits, and so does the
// first wallet's.
func (c *chainRig) behindHeld(method string) (key string, old, read *tolledCall) {
	c.t.Helper()
	key = c.d.NewWallet()
	old, read = c.gated(method, c.keys[0]), c.gated("get_updates", key)
	load := c.gated("getbalance", key)
	cutOff(c.t, c.d, bitcarttest.FIN)
	receive(c.t, old.asked, "the first wallet's call")
	_, err := c.m.AddWallet("BTC", bitcart.Wallet{Xpub: key})
	require.NoError(c.t, err)
	receive(c.t, load.asked, "the new wallet's load")
	before := daemonStats(c.t, c.m).Received
	mineEach(c.d, 2)
	eventually(c.t, func() bool { return daemonStats(c.t, c.m).Received == before+2 })
	close(load.gate)
	receive(c.t, read.asked, "the new wallet's call")
	return key, old, read
}

// G1: a wallet that was loaded behind live blocks that are still held tells in its answer of a block after
// them: that one does not go before them.
func TestG1NewWalletBringsNoLaterBlockBeforeHeldOnes(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 1, 10)
	close(c.door)
	first := c.d.Height() + 1
	key, old, read := c.behindHeld("get_updates")
	outage(t, c.d, func() {
		c.d.Mine(1)
		c.ignores(1, func() {
			emit(t, c.d, key, "own", 0, 1)
			close(read.gate)
		})
		close(old.gate)
		eventually(t, func() bool { return len(c.heights()) >= 3 })
		c.requireAll(first, c.d.Height())
	})
	c.reconnects()
	c.requireAll(first, c.d.Height())
}

// G1: nor when the stream ends before another connection.
func TestG1LaterBlocksOfANewWalletAtTheEnd(t *testing.T) {
	t.Parallel()
	c := newSilentRig(t, 1, recovering())
	close(c.door)
	run := listenAll(t, c.m)
	<-c.j.connects
	first := c.d.Height() + 1
	key, _, read := c.behindHeld("getbalance")
	outage(t, c.d, func() {
		c.d.Mine(1)
		c.ignores(1, func() {
			emit(t, c.d, key, "own", 0, 1)
			close(read.gate)
		})
		require.NoError(t, run.stop())
	})
	c.requireAll(first, c.d.Height())
}

// G1: what a wallet's own updates take of an answer leaves the place for its blocks.
func TestG1LateAnswerWithManyOwnUpdates(t *testing.T) {
	t.Parallel()
	cfg := recovering()
	cfg.QueuePerWallet, cfg.QueueBytes, cfg.DequeCap = 10, 20_000, 10
	c := newSilentRig(t, 1, cfg, bitcarttest.WithPollingCap(10))
	close(c.door)
	listenAll(t, c.m)
	<-c.j.connects
	first := c.d.Height() + 1
	key, old, read := c.behindHeld("get_updates")
	outage(t, c.d, func() {
		c.d.Mine(1)
		c.ignores(8, func() {
			emit(t, c.d, key, "own", 0, 8)
			close(read.gate)
		})
		close(old.gate)
		eventually(t, func() bool { return len(c.heights()) >= 3 })
	})
	c.requireAll(first, c.d.Height())
	require.False(t, c.toldOfBlocks(), "%v", c.j.reasons())
}

// G4, G5: blocks that are too many to be kept are handed over at once, behind a gap.
func TestG4LateAnswerWithManyBlocks(t *testing.T) {
	t.Parallel()
	cfg := recovering()
	cfg.QueuePerWallet, cfg.QueueBytes, cfg.DequeCap = 12, 20_000, 12
	c := newSilentRig(t, 1, cfg, bitcarttest.WithPollingCap(12))
	close(c.door)
	listenAll(t, c.m)
	<-c.j.connects
	key, old, read := c.behindHeld("get_updates")
	outage(t, c.d, func() {
		mineEach(c.d, 9)
		c.ignores(1, func() {
			emit(t, c.d, key, "own", 0, 1)
			close(read.gate)
		})
		eventually(t, c.toldOfBlocks)
		close(old.gate)
	})
	c.reconnects()
	got := c.heights()
	slices.Sort(got)
	require.Equal(t, c.d.Height(), got[len(got)-1])
	require.Equal(t, slices.Compact(slices.Clone(got)), got, "each is handed over once")
}

// G2: with WithoutBacklog nothing tells whether a late answer's blocks are from before the stream. Another
// wallet's queue does.
func TestG2WithoutBacklogLateAnswer(t *testing.T) {
	t.Parallel()
	c := newSilentRig(t, 2, recovering())
	close(c.door)
	first := c.d.Height() + 1
	call := c.gated("get_updates", c.keys[1])
	start(t, websocketOf(c.m, bitcart.WithoutBacklog()))
	receive(t, call.asked, "the second wallet's call")
	require.NoError(t, c.d.WaitCalls(patient(t), "get_updates", 1))
	c.ignores(1, func() { emit(t, c.d, c.keys[0], "own", 0, 1) })
	var again *tolledCall
	outage(t, c.d, func() {
		c.d.Mine(1)
		close(call.gate)
		eventually(t, func() bool { return c.d.CountCalls("get_updates") == 2 && c.d.Queued(c.keys[1]) == 0 })
		c.calls = nil
		again = c.gated("get_updates", c.keys[1])
	})
	receive(t, again.asked, "the second wallet's next call")
	c.ignores(1, func() { emit(t, c.d, c.keys[0], "own", 1, 2) }) // the first wallet has proven the chain
	close(again.gate)
	receive(t, c.j.connects, "the connection")
	c.reconnects()
	c.requireAll(first, c.d.Height())
}
