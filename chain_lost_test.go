package bitcart_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// gateOwn keeps the handler of a wallet's own events until the gate is opened.
func (c *chainRig) gateOwn(key string) (open chan struct{}) {
	c.t.Helper()
	coin, ok := c.m.Coin("BTC", key)
	require.True(c.t, ok)
	open = make(chan struct{})
	coin.On("own", func(context.Context, *bitcart.Event) error { <-open; return nil })
	return open
}

// overflowOwn sends a wallet events of its own, of which n find no room. Another handler is inside already.
func (c *chainRig) overflowOwn(key string, n int) {
	c.t.Helper()
	dropped := daemonStats(c.t, c.m).Dropped
	emit(c.t, c.d, key, "own", 0, 1)
	eventually(c.t, func() bool { return daemonStats(c.t, c.m).Running == 2 })
	emit(c.t, c.d, key, "own", 1, n+2)
	eventually(c.t, func() bool { return daemonStats(c.t, c.m).Dropped == dropped+uint64(n) })
}

// mineDropped mines a block that finds no room.
func (c *chainRig) mineDropped() {
	c.t.Helper()
	dropped := daemonStats(c.t, c.m).Dropped
	c.d.Mine(1)
	eventually(c.t, func() bool { return daemonStats(c.t, c.m).Dropped > dropped })
}

// runsDry opens the door and waits until the two blocks are handled for which there was room.
func (c *chainRig) runsDry() {
	c.t.Helper()
	close(c.door)
	eventually(c.t, func() bool { return len(c.heights()) == 2 && daemonStats(c.t, c.m).Running == 0 })
}

// tellsOfBlocksBefore waits for a gap that tells of blocks that were sent before that time.
func (c *chainRig) tellsOfBlocksBefore(lost time.Time) {
	c.t.Helper()
	eventually(c.t, func() bool {
		c.j.mu.Lock()
		defer c.j.mu.Unlock()
		return slices.ContainsFunc(c.j.gaps, func(g bitcart.Gap) bool {
			return g.ChainWide && g.Reason != bitcart.GapStart && g.Since.Before(lost)
		})
	}, "blocks are lost: %v", c.heights())
}

// behindFailedCall drops blocks, two before the only wallet's queue is asked for in vain and one after it.
func behindFailedCall(t *testing.T, fail func(*bitcarttest.Faults)) (c *chainRig, first int64) {
	c = newChainRig(t, 1, 1)
	first = c.d.Height() + 1
	open := c.gateOwn(c.keys[0])
	c.overflow(2)
	c.overflowOwn(c.keys[0], 2)
	calls := c.d.CountCalls("get_updates")
	fail(c.d.Faults())
	close(open)
	require.NoError(t, c.d.WaitCalls(patient(t), "get_updates", calls+2))
	eventually(t, func() bool { return len(c.j.reasons()) > 1 }, "the wallet's gap")
	c.mineDropped()
	close(c.door)
	c.arrives(c.d.Height())
	return c, first
}

// G2: a call whose answer is lost has emptied the wallet's queue, also of the blocks that the chain's lane
// had dropped by then. What the queue holds afterwards does not prove that they were all.
func TestG2LostAnswerTakesDroppedBlocks(t *testing.T) {
	t.Parallel()
	c, _ := behindFailedCall(t, func(f *bitcarttest.Faults) { f.DropAnswer("get_updates", 1) })
	require.True(t, c.toldOfBlocks(), "two blocks are lost: %v", c.heights())
	require.Equal(t, []string{"start", "continuity is not proven of a wallet", "overflow"}, c.j.reasons())
}

// G11: a call that the daemon has refused has taken nothing.
func TestG11RefusedCallTakesNoDroppedBlocks(t *testing.T) {
	t.Parallel()
	c, first := behindFailedCall(t, func(f *bitcarttest.Faults) { f.FailMethod("get_updates", 1, errOwn) })
	c.requireAll(first, c.d.Height())
	require.False(t, c.toldOfBlocks(), "%v", c.j.reasons())
}

// behindFullAnswer drops blocks: two before a wallet's own events have pushed them out of its queue, and
// one after that, which the wallet's answer tells.
func behindFullAnswer(t *testing.T, wallets int) (c *chainRig, first int64) {
	c = newChainRig(t, wallets, 1)
	first = c.d.Height() + 1
	open := c.gateOwn(c.keys[0])
	c.overflow(2)
	c.overflowOwn(c.keys[0], 150)
	c.mineDropped()
	close(open)
	eventually(t, func() bool { return len(c.j.reasons()) > 1 }, "the wallet's queue was full")
	close(c.door)
	c.arrives(c.d.Height())
	return c, first
}

// G2: an answer that is as long as the daemon's queue may lack the first of the blocks that the chain's lane
// has dropped. The next one of that wallet does not prove that they have all come.
func TestG2FullAnswerLacksDroppedBlocks(t *testing.T) {
	t.Parallel()
	c, _ := behindFullAnswer(t, 1)
	require.True(t, c.toldOfBlocks(), "two blocks are lost: %v", c.heights())
	require.Equal(t, []string{"start", "overflow of a wallet", "overflow"}, c.j.reasons())
}

// G1: what such an answer tells of the later ones waits for the queue that holds them all.
func TestG1FullAnswerBringsNoDroppedBlocksTooEarly(t *testing.T) {
	t.Parallel()
	c, first := behindFullAnswer(t, 2)
	c.requireAll(first, c.d.Height())
	require.False(t, c.toldOfBlocks(), "%v", c.j.reasons())
}

// G2: the answer of a refill that is full, and comes when the chain's lane drops again, ends that refill
// with its own gap: the next one's does not reach back as far.
func TestG2FullAnswerOfARefillWhileBlocksAreDroppedAgain(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 1, 1)
	c.overflow(2)
	lost := time.Now()
	asked, gate := c.gate(c.keys[0])
	close(c.door)
	receive(t, asked, "the refill")
	c.add() // a pong tells that what was sent before has been read
	emit(t, c.d, c.keys[0], "own", 0, 150)
	for range 3 { // of which the lane has room for one
		received := daemonStats(t, c.m).Received
		c.d.Mine(1)
		eventually(t, func() bool { return daemonStats(t, c.m).Received > received })
	}
	close(gate)
	c.arrives(c.d.Height())
	c.tellsOfBlocksBefore(lost)
}

// G1: of an answer that is left to a refill, what was handed over already does not come again.
func TestG1SetAsideBlocksComeOnce(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 1, 1)
	first := c.d.Height() + 1
	open := c.gateOwn(c.keys[0])
	emit(t, c.d, c.keys[0], "own", 0, 1)
	eventually(t, func() bool { return daemonStats(t, c.m).Running == 1 })
	emit(t, c.d, c.keys[0], "own", 1, 152)
	eventually(t, func() bool { return daemonStats(t, c.m).Dropped == 150 })
	c.overflow(2) // behind two that find room
	close(open)
	eventually(t, func() bool { return len(c.j.reasons()) > 1 }, "the wallet's queue was full")
	close(c.door)
	c.arrives(c.d.Height())
	c.reconnects()
	c.requireAll(first, c.d.Height())
}

// G1: nor of the answers behind calls that have failed at a reconnect.
func TestG1BlocksComeOnceBehindFailedCalls(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 2, 1)
	first := c.d.Height() + 1
	c.overflow(2)
	var mu sync.Mutex
	failed := make(map[string]bool)
	c.toll.set(func(method, params string) (<-chan struct{}, error) {
		mu.Lock()
		defer mu.Unlock()
		if method != "get_updates" || failed[params] {
			return nil, nil
		}
		failed[params] = true
		return nil, errOwn
	})
	outage(t, c.d, func() { c.d.Mine(1) })
	eventually(t, func() bool { return c.d.Queued(c.keys[0]) == 0 && c.d.Queued(c.keys[1]) == 0 })
	<-c.j.connects
	c.mineDropped()
	close(c.door)
	c.arrives(c.d.Height())
	c.reconnects()
	c.requireAll(first, c.d.Height())
}

// failOnce has the next call of get_updates for a wallet fail. The daemon gets none.
func (c *chainRig) failOnce(key string) {
	var failed atomic.Bool
	c.toll.set(func(method, params string) (<-chan struct{}, error) {
		if method != "get_updates" || !strings.Contains(params, key) || failed.Swap(true) {
			return nil, nil
		}
		return nil, errOwn
	})
}

// reasonsOfBlocks are those of the gaps that are of no wallet.
func (c *chainRig) reasonsOfBlocks() []string {
	return slices.DeleteFunc(c.j.reasons(), func(r string) bool { return strings.HasSuffix(r, "of a wallet") })
}

// G11: as long as the chain's lane drops, it is the refill's to tell what may be missing, once. Until then
// reconnects say nothing of it.
func TestG11ReconnectsBehindALostAnswerTellNoGapOfBlocks(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 1, 1)
	c.overflow(1)
	dropped := time.Now()
	c.mineDropped()
	c.failOnce(c.keys[0])
	cutOff(t, c.d, bitcarttest.FIN)
	<-c.j.connects
	told := c.reasonsOfBlocks()
	for range 5 {
		cutOff(t, c.d, bitcarttest.FIN)
		receive(t, c.j.connects, "the next connection")
	}
	require.Equal(t, told, c.reasonsOfBlocks())
	close(c.door)
	c.arrives(c.d.Height())
	c.tellsOfBlocksBefore(dropped)
	require.Equal(t, append(told, "overflow"), c.reasonsOfBlocks())
}

// A gap about what is brought back when the stream ends has a time.
func TestSinceOfWhatIsBroughtBackAtTheEnd(t *testing.T) {
	t.Parallel()
	cfg := recovering()
	cfg.QueuePerWallet = 1
	c := newSilentRig(t, 1, cfg)
	run := listenAll(t, c.m)
	<-c.j.connects
	c.overflow(2)
	c.failOnce(c.keys[0])
	cutOff(t, c.d, bitcarttest.FIN)
	eventually(t, func() bool { return c.d.Queued(c.keys[0]) == 0 })
	<-c.j.connects
	c.mineDropped()
	calls := c.d.CountCalls("get_updates")
	cutOff(t, c.d, bitcarttest.FIN)
	require.NoError(t, c.d.WaitCalls(patient(t), "get_updates", calls+1))
	<-c.j.connects
	c.ignores(1, func() { emit(t, c.d, c.keys[0], "own", 0, 1) })
	c.mineDropped()
	outage(t, c.d, func() {
		close(c.door)
		eventually(t, func() bool { return len(c.heights()) >= 2 && daemonStats(t, c.m).Running == 0 })
		require.NoError(t, run.stop())
	})
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	for _, g := range c.j.gaps {
		require.False(t, g.Since.IsZero(), "%v", c.j.gaps)
	}
}

// G1, G11: the chain's lane runs dry when a new connection has been made, and no wallet is loaded yet. The
// first answers of that connection bring what was dropped.
func TestG11ChainsLaneRunsDryBeforeAnyWalletIsLoaded(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 1, 1)
	first := c.d.Height() + 1
	c.overflow(2)
	load := c.gated("getbalance", c.keys[0])
	cutOff(t, c.d, bitcarttest.FIN)
	receive(t, load.asked, "the wallet's load")
	c.runsDry()
	received := daemonStats(t, c.m).Received
	c.d.Mine(1)
	eventually(t, func() bool { return daemonStats(t, c.m).Received > received })
	close(load.gate)
	n := int(c.d.Height() - first + 1)
	eventually(t, func() bool { return len(c.heights()) == n })
	c.requireAll(first, c.d.Height())
	require.Equal(t, []string{"start"}, c.j.reasons())
}

// G2: nor is it known yet that the daemon was restarted. That gap tells of what was dropped before, too.
func TestG2ChainsLaneRunsDryBeforeTheWitness(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 1, 1)
	c.overflow(1)
	dropped := time.Now()
	c.mineDropped()
	witness := c.gated("getinfo", "")
	require.NoError(t, c.d.Faults().Restart(patient(t), 0))
	receive(t, witness.asked, "the witness")
	c.runsDry()
	close(witness.gate)
	receive(t, c.j.connects, "the connection")
	c.d.Mine(1)
	c.arrives(c.d.Height())
	c.tellsOfBlocksBefore(dropped)
}

// G2: a wallet that cannot be loaded brings nothing: then a gap tells of it.
func TestG2ChainsLaneRunsDryAndNoWalletIsLoaded(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 1, 1)
	c.overflow(1)
	dropped := time.Now()
	c.mineDropped()
	c.d.Faults().FailMethod("getbalance", -1, errOwn)
	load := c.gated("getbalance", c.keys[0])
	cutOff(t, c.d, bitcarttest.FIN)
	receive(t, load.asked, "the wallet's load")
	c.runsDry()
	close(load.gate)
	receive(t, c.j.connects, "the connection")
	c.d.Mine(1)
	c.arrives(c.d.Height())
	c.tellsOfBlocksBefore(dropped)
}

// G11: where the queue that is asked for what the chain's lane has dropped does not show all of it, another one is
// asked that may hold it.
func TestG11ChainsRefillAsksAnotherQueue(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]error{"its own updates have pushed it out": nil, "the call fails": errOwn} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChainRig(t, 2, 1)
			first := c.d.Height() + 1
			c.overflow(2)
			asked, gate := make(chan string, 64), make(chan struct{})
			var calls atomic.Int32
			c.toll.set(func(method, params string) (<-chan struct{}, error) {
				if method != "get_updates" {
					return nil, nil
				}
				asked <- params
				if calls.Add(1) == 1 && fail != nil {
					return nil, fail
				}
				return gate, nil
			})
			close(c.door)
			params := receive(t, asked, "the refill")
			for _, key := range c.keys {
				if fail == nil && strings.Contains(params, key) {
					emit(t, c.d, key, "own", 0, 150)
				}
			}
			c.d.Mine(1) // waits
			close(gate)
			c.arrives(c.d.Height())
			c.requireAll(first, c.d.Height())
			require.Empty(t, c.reasonsOfBlocks()[1:])
		})
	}
}
