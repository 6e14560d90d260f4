package bitcart_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// chainRig is a manager's stream whose handler of blocks stands before a door, so that its lane overflows.
type chainRig struct {
	t    *testing.T
	d    *bitcarttest.Daemon
	m    *bitcart.APIManager
	j    *diary
	keys []string
	toll *tollgate
	door chan struct{}

	calls []*tolledCall // that wait for gates

	mu  sync.Mutex
	got []int64
}

func newChainRig(t *testing.T, wallets, queue int) *chainRig {
	t.Helper()
	cfg := recovering()
	cfg.QueuePerWallet = queue
	c := newSilentRig(t, wallets, cfg)
	listenAll(t, c.m)
	<-c.j.connects
	return c
}

// newSilentRig is a chainRig that does not listen yet.
func newSilentRig(t *testing.T, wallets int, cfg bitcart.StreamConfig, opts ...bitcarttest.Option) *chainRig {
	t.Helper()
	c := &chainRig{t: t, d: newDaemon(t, "BTC", opts...), j: newDiary(), door: make(chan struct{})}
	var toll bitcart.Option
	c.toll, toll = tolled()
	c.m, c.keys = serve(t, c.d, wallets, bitcart.WithStream(cfg), bitcart.WithHooks(c.j.hooks()), toll)
	bitcart.On(c.m, func(_ context.Context, _ *bitcart.Event, b bitcart.NewBlock) error {
		<-c.door
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, b.Height)
		return nil
	})
	return c
}

// gate keeps the next calls of get_updates for a wallet until the gate is opened. asked gets a value for each.
func (c *chainRig) gate(key string) (asked chan struct{}, gate chan struct{}) {
	asked, gate = make(chan struct{}, 64), make(chan struct{})
	c.toll.set(func(method, params string) (<-chan struct{}, error) {
		if method != "get_updates" || !strings.Contains(params, key) {
			return nil, nil
		}
		asked <- struct{}{}
		return gate, nil
	})
	return asked, gate
}

// overflow mines blocks one by one, n of which find no room.
func (c *chainRig) overflow(n uint64) {
	c.t.Helper()
	running := daemonStats(c.t, c.m).Running
	c.d.Mine(1)
	eventually(c.t, func() bool { return daemonStats(c.t, c.m).Running == running+1 })
	for before := daemonStats(c.t, c.m).Dropped; daemonStats(c.t, c.m).Dropped < before+n; {
		received := daemonStats(c.t, c.m).Received
		c.d.Mine(1)
		eventually(c.t, func() bool { return daemonStats(c.t, c.m).Received > received })
	}
}

// add adds a new wallet, and waits until its queue was read.
func (c *chainRig) add() (key string) {
	c.t.Helper()
	key = c.d.NewWallet()
	calls := c.d.CountCalls("get_updates")
	coin, err := c.m.AddWallet("BTC", bitcart.Wallet{Xpub: key})
	require.NoError(c.t, err)
	armed(c.t, coin)
	require.NoError(c.t, c.d.WaitCalls(patient(c.t), "get_updates", calls+1))
	return key
}

func (c *chainRig) heights() []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]int64(nil), c.got...)
}

// arrives waits until a block was handled.
func (c *chainRig) arrives(height int64) {
	c.t.Helper()
	eventually(c.t, func() bool {
		got := c.heights()
		return len(got) > 0 && got[len(got)-1] >= height
	}, "block %d", height)
}

// requireAll:  whether every block from..to was handled, in order and once.
func (c *chainRig) requireAll(from, to int64) {
	c.t.Helper()
	var want []int64
	for h := from; h <= to; h++ {
		want = append(want, h)
	}
	require.Equal(c.t, want, c.heights())
}

// toldOfBlocks reports whether a gap tells that blocks may be missing.
func (c *chainRig) toldOfBlocks() bool {
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	return slices.ContainsFunc(c.j.gaps, func(g bitcart.Gap) bool { return g.ChainWide && g.Reason != bitcart.GapStart })
}

// reconnects loses the connection twice, with a block before, in and after each outage.
func (c *chainRig) reconnects() {
	c.t.Helper()
	for range 2 {
		c.d.Mine(1)
		c.arrives(c.d.Height())
		c.d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
		cutOff(c.t, c.d, bitcarttest.FIN)
		c.d.Mine(1)
		for len(c.j.connects) > 0 {
			<-c.j.connects
		}
		c.d.Faults().AcceptUpgrade()
		receive(c.t, c.j.connects, "the next connection")
		c.d.Mine(1)
		c.arrives(c.d.Height())
	}
}

// G2: the queue of a wallet that came after the chain's lane had begun to drop does not hold
// what was dropped before.
func TestG2NewWalletProvesNoDroppedBlocks(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 1, 1)
	c.overflow(2)
	require.True(t, c.m.RemoveWallet("BTC", c.keys[0]))
	c.add()
	c.d.Mine(1)
	eventually(t, func() bool { return daemonStats(t, c.m).Dropped == 3 })
	close(c.door)
	eventually(t, func() bool {
		for _, reason := range c.j.reasons() {
			if reason == "overflow" {
				return true
			}
		}
		return false
	}, "two blocks are lost")
}

// G11: where another wallet's queue holds what the chain's lane has dropped, a new one is not asked for it.
func TestG11NewWalletIsNotAskedForDroppedBlocks(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 1, 1)
	first := c.d.Height() + 1
	c.overflow(2)
	for range 7 {
		c.add()
	}
	c.d.Mine(1)
	eventually(t, func() bool { return daemonStats(t, c.m).Dropped == 3 })
	close(c.door)
	c.arrives(c.d.Height())
	c.requireAll(first, c.d.Height())
	for _, reason := range c.j.reasons() {
		require.NotEqual(t, "overflow", reason)
	}
}

// G1: while a refill of the chain's lane is under way, another wallet's answer, which proves nothing,
// does not open it, although the gap of the connect concerned the chain.
func TestG1OtherAnswersLeaveTheChainsRefillAlone(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 1, 1)
	first := c.d.Height() + 1
	c.overflow(2)
	asked, gate := c.gate(c.keys[0])
	close(c.door)
	receive(t, asked, "the refill")
	c.d.Mine(1) // waits behind what was dropped
	c.add()
	eventually(t, func() bool { return len(c.j.reasons()) == 2 })
	eventually(t, func() bool { return c.m.Stats()[0].Armed == 2 })
	close(gate)
	c.arrives(c.d.Height())
	c.requireAll(first, c.d.Height())
}

// G2: the same for blocks that were missed during an outage. The one wallet that was watched goes before
// its answer has come; the new one's second answer proves nothing of before.
func TestG2NewWalletProvesNoMissedBlocks(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 1, 2)
	close(c.door)
	c.d.Mine(1)
	c.arrives(c.d.Height())
	asked, gate := c.gate(c.keys[0])
	outage(t, c.d, func() { mineEach(c.d, 2) })
	receive(t, asked, "the recovery's call")
	open := make(chan struct{})
	key := c.d.NewWallet()
	coin, err := c.m.AddWallet("BTC", bitcart.Wallet{Xpub: key})
	require.NoError(t, err)
	coin.On("own", func(context.Context, *bitcart.Event) error { <-open; return nil })
	armed(t, coin)
	emit(t, c.d, key, "own", 0, 1)
	eventually(t, func() bool { return daemonStats(t, c.m).Running == 1 })
	emit(t, c.d, key, "own", 1, 8)
	eventually(t, func() bool { return daemonStats(t, c.m).Dropped > 0 })
	calls := c.d.CountCalls("get_updates")
	close(open)
	require.NoError(t, c.d.WaitCalls(patient(t), "get_updates", calls+1))
	eventually(t, func() bool { return daemonStats(t, c.m).Queued == 0 })
	require.True(t, c.m.RemoveWallet("BTC", c.keys[0]))
	close(gate)
	<-c.j.connects
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	told := false
	for _, g := range c.j.gaps {
		told = told || g.ChainWide && g.Reason != bitcart.GapStart
	}
	require.True(t, told || len(c.heights()) == 3, "two blocks are lost: %v, %v", c.heights(), c.j.gaps)
}

// G11: if the wallet that is asked for what the chain's lane has dropped is removed meanwhile, another one is asked.
func TestG11ChainsRefillOfARemovedWallet(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 2, 1)
	first := c.d.Height() + 1
	c.overflow(2)
	wanted, gate := make(chan string, 64), make(chan struct{})
	c.toll.set(func(method, params string) (<-chan struct{}, error) {
		if method != "get_updates" {
			return nil, nil
		}
		wanted <- params
		return gate, nil
	})
	close(c.door)
	params := receive(t, wanted, "the refill")
	for _, key := range c.keys {
		if strings.Contains(params, key) {
			require.True(t, c.m.RemoveWallet("BTC", key))
		}
	}
	close(gate)
	c.arrives(c.d.Height())
	c.requireAll(first, c.d.Height())
	require.Equal(t, []string{"start"}, c.j.reasons())
}

// G1: while the chain's lane drops, the queue of a wallet that came later holds only the last of what was dropped.
func TestG1NewWalletBringsNoDroppedBlocksTooEarly(t *testing.T) {
	t.Parallel()
	c := newChainRig(t, 1, 1)
	first := c.d.Height() + 1
	c.overflow(1)
	key := c.d.NewWallet()
	asked, gate := c.gate(key)
	_, err := c.m.AddWallet("BTC", bitcart.Wallet{Xpub: key})
	require.NoError(t, err)
	receive(t, asked, "the new wallet's call")
	c.d.Mine(1)
	eventually(t, func() bool { return daemonStats(t, c.m).Dropped == 2 })
	close(gate)
	eventually(t, func() bool { return c.d.Queued(key) == 0 })
	emit(t, c.d, key, "own", 0, 1) // its lane is open when the answer is in
	eventually(t, func() bool { return daemonStats(t, c.m).Ignored == 1 })
	close(c.door)
	c.arrives(c.d.Height())
	c.reconnects()
	c.requireAll(first, c.d.Height())
	require.Equal(t, []string{"start", "start of a wallet"}, c.j.reasons())
}

// heldAndDropped has blocks 1 and 2 wait, held since a connect, and 3 and 4 dropped. A new wallet's queue, which
// holds 4 alone, was read; ask lets the first wallet's be read.
func heldAndDropped(t *testing.T) (c *chainRig, ask func()) {
	t.Helper()
	c = newChainRig(t, 1, 2)
	close(c.door)
	key := c.d.NewWallet()
	type call struct{ method, key string }
	asked, gates := make(chan call, 64), map[call]chan struct{}{
		{"get_updates", c.keys[0]}: make(chan struct{}),
		{"getbalance", key}:        make(chan struct{}),
		{"get_updates", key}:       make(chan struct{}),
	}
	c.toll.set(func(method, params string) (<-chan struct{}, error) {
		for of, gate := range gates {
			if method == of.method && strings.Contains(params, of.key) {
				asked <- of
				return gate, nil
			}
		}
		return nil, nil
	})
	cutOff(t, c.d, bitcarttest.FIN)
	require.Equal(t, call{"get_updates", c.keys[0]}, receive(t, asked, "the first wallet's call"))
	_, err := c.m.AddWallet("BTC", bitcart.Wallet{Xpub: key})
	require.NoError(t, err)
	require.Equal(t, call{"getbalance", key}, receive(t, asked, "the new wallet's load"))
	mineEach(c.d, 3)
	eventually(t, func() bool { return daemonStats(t, c.m).Dropped == 1 })
	close(gates[call{"getbalance", key}])
	require.Equal(t, call{"get_updates", key}, receive(t, asked, "the new wallet's call"))
	c.d.Mine(1)
	eventually(t, func() bool { return daemonStats(t, c.m).Dropped == 2 })
	close(gates[call{"get_updates", key}])
	eventually(t, func() bool { return c.d.Queued(key) == 0 })
	emit(t, c.d, key, "own", 0, 1) // its lane is open when the answer is in
	eventually(t, func() bool { return daemonStats(t, c.m).Ignored == 1 })
	return c, func() { close(gates[call{"get_updates", c.keys[0]}]) }
}

// G1: nor does it bring them before the live blocks that are held since the connect, of which the daemon had sent
// some before it loaded that wallet.
func TestG1NewWalletBringsNoDroppedBlocksBeforeHeldOnes(t *testing.T) {
	t.Parallel()
	c, ask := heldAndDropped(t)
	last := c.d.Height()
	ask()
	c.arrives(last)
	c.reconnects()
	c.requireAll(last-3, c.d.Height())
	require.Equal(t, []string{"start", "start of a wallet"}, c.j.reasons())
}

// G2: if no older wallet is left to bring them, what the new one's queue held is handed over all the same.
func TestG2NewWalletBringsDroppedBlocksWhereNoOtherDoes(t *testing.T) {
	t.Parallel()
	c, ask := heldAndDropped(t)
	last := c.d.Height()
	require.True(t, c.m.RemoveWallet("BTC", c.keys[0]))
	ask()
	c.arrives(last)
	require.Equal(t, []int64{last - 3, last - 2, last}, c.heights())
	require.Contains(t, c.j.reasons(), "overflow")
}

// tolledCall is a kind of call that waits for a gate.
type tolledCall struct {
	method, key string
	asked, gate chan struct{}
}

// gated keeps the calls of a method for a wallet until the gate is opened, beside those that are kept already.
func (c *chainRig) gated(method, key string) *tolledCall {
	call := &tolledCall{method, key, make(chan struct{}, 64), make(chan struct{})}
	c.calls = append(c.calls, call)
	all := c.calls
	c.toll.set(func(method, params string) (<-chan struct{}, error) {
		for _, of := range all {
			if method == of.method && strings.Contains(params, of.key) {
				of.asked <- struct{}{}
				return of.gate, nil
			}
		}
		return nil, nil
	})
	return call
}

// G2: where no queue holds anything, as with a daemon that keeps none, none proves that no block is missing either.
func TestG2QueuesThatAreSwitchedOffProveNoBlocks(t *testing.T) {
	t.Parallel()
	c := newSilentRig(t, 2, recovering(), bitcarttest.WithPollingCap(0))
	close(c.door)
	listenAll(t, c.m)
	<-c.j.connects
	c.ignores(2, func() {
		for _, key := range c.keys {
			emit(t, c.d, key, "own", 0, 1)
		}
	})
	outage(t, c.d, func() {})
	receive(t, c.j.connects, "the connection that shows it")
	told := len(c.j.reasons())
	outage(t, c.d, func() { c.d.Mine(1) })
	receive(t, c.j.connects, "the next connection")
	c.j.mu.Lock()
	defer c.j.mu.Unlock()
	require.True(t, slices.ContainsFunc(c.j.gaps[told:], func(g bitcart.Gap) bool { return g.ChainWide }),
		"a block is lost: %v", c.j.gaps)
}

// G1: on the first connection the queues' backlogs begin at different blocks. They come in order, whichever
// queue is read first.
func TestG1BacklogsOfBlocksComeInOrder(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(c *chainRig){
		"a wallet was loaded later": func(c *chainRig) {
			mineEach(c.d, 3)
			require.NoError(c.t, c.d.Load(c.keys[0]))
		},
		"a wallet's own updates have pushed blocks out": func(c *chainRig) {
			require.NoError(c.t, c.d.Load(c.keys[0]))
			mineEach(c.d, 3)
			emit(c.t, c.d, c.keys[0], "own", 0, 100)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newSilentRig(t, 2, recovering())
			close(c.door)
			first := c.d.Height() + 1
			require.NoError(t, c.d.Load(c.keys[1]))
			prepare(c)
			c.d.Mine(1)
			later := c.gated("get_updates", c.keys[1])
			listenAll(t, c.m)
			receive(t, later.asked, "the second wallet's call")
			c.ignores(1, func() { emit(t, c.d, c.keys[0], "own", 0, 1) }) // the first one's answer has come
			c.d.Mine(1)
			close(later.gate)
			<-c.j.connects
			c.arrives(c.d.Height())
			c.requireAll(first, c.d.Height())
			require.Equal(t, []string{"start"}, c.j.reasons())
			c.reconnects()
			c.requireAll(first, c.d.Height())
			require.Equal(t, []string{"start"}, c.j.reasons())
		})
	}
}

// G11: a queue that was read on a first connection that ended before all were proves on the next one that no
// block is missing.
func TestG11FirstConnectionThatEndsEarly(t *testing.T) {
	t.Parallel()
	c := newSilentRig(t, 2, recovering())
	close(c.door)
	for _, key := range c.keys {
		require.NoError(t, c.d.Load(key))
	}
	first := c.d.Height() + 1
	later := c.gated("getbalance", c.keys[1])
	start(t, websocketOf(c.m))
	receive(t, later.asked, "the second wallet's load")
	c.ignores(1, func() { emit(t, c.d, c.keys[0], "own", 0, 1) }) // the first one's answer has come
	c.d.Mine(1)
	outage(t, c.d, func() {
		c.d.Mine(1)
		close(later.gate)
	})
	receive(t, c.j.connects, "the connection that stays")
	c.d.Mine(1)
	c.arrives(c.d.Height())
	c.requireAll(first, c.d.Height())
	require.Equal(t, []string{"start"}, c.reasonsOfBlocks())
}
