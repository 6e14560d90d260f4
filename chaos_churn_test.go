package bitcart_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// Wallets that leave and come back while something of theirs is under way, and lanes that drop while
// connections end or wallets go. What happens in between is random: faults were found in orders that
// nobody had thought of.

// remove removes a wallet. What waits for it is dropped, and what is sent for it from now on is
// nobody's.
func (c *chaos) remove(key string) {
	c.note("remove %s", c.nameOf(key))
	coin, ok := c.m.Coin(c.d.Currency(), key)
	require.True(c.t, ok)
	require.True(c.t, c.m.RemoveWallet(c.d.Currency(), key))
	c.away[key] = true
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members[coin].gone = true
	for _, e := range c.tracks[key].sent {
		e.nobodys, e.owed = true, nil
	}
}

// add adds a wallet that is away. Without severe faults its Coin gets whatever the daemon holds: the
// answer of a call that is under way for the wallet's last stay, too.
func (c *chaos) add(key string) {
	c.note("add %s", c.nameOf(key))
	coin, err := c.m.AddWallet(c.d.Currency(), bitcart.Wallet{Xpub: key})
	require.NoError(c.t, err)
	delete(c.away, key)
	var held []place
	if c.benign {
		held = c.appends[key][len(c.appends[key])-c.d.Queued(key):]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members[coin] = &member{added: true, ending: c.ending}
	for _, p := range held {
		if e := c.tracks[key].sent[p.n]; p.key == key {
			e.nobodys, e.owed = false, coin
		}
	}
}

// rejoin removes a wallet, or one that is away not, and adds it.
func (c *chaos) rejoin(key string) {
	if !c.away[key] {
		c.remove(key)
	}
	if c.benign || c.rng.IntN(2) == 0 {
		c.emit(key, 1)
	}
	c.add(key)
}

// newcomer adds a wallet that the daemon has not watched, either because it is new or because it was
// closed.
func (c *chaos) newcomer() (key string) {
	if c.m == nil {
		return ""
	}
	if key = c.wallet(); c.away[key] {
		c.note("close %s", c.nameOf(key))
		_, _ = c.other(key).CloseWallet(patient(c.t)) // an injected fault may hit it
		c.add(key)
		return key
	}
	if len(c.keys) == 6 {
		return ""
	}
	key = c.d.NewWallet()
	c.mu.Lock()
	c.keys = append(c.keys, key)
	c.tracks[key] = &track{sent: map[int]*emission{}}
	c.mu.Unlock()
	c.add(key)
	return key
}

// gateOf keeps calls of a method from now on.
func (c *chaos) gateOf(method string) (gate chan struct{}, calls int) {
	gate = make(chan struct{})
	calls = c.d.CountCalls(method)
	c.d.Faults().GateMethod(method, gate)
	return gate, calls
}

// letOne lets one of the calls go on, if there is one.
func letOne(gate chan<- struct{}) {
	select {
	case gate <- struct{}{}:
	case <-time.After(time.Millisecond):
	}
}

// waitCall waits a little for another call: it need not come.
func (c *chaos) waitCall(method string, calls int, d time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	_ = c.d.WaitCalls(ctx, method, calls+1)
}

// churn removes and adds wallets while calls are under way for them.
func (c *chaos) churn() {
	if c.m == nil {
		return
	}
	c.allProven()
	key := c.wallet()
	if c.benign && (len(c.keys) < 2 || c.away[key]) {
		return // no other wallet proves the chain
	}
	method := []string{"get_updates", "get_updates", "get_updates", "getbalance", "batch_load", "getinfo"}[c.rng.IntN(6)]
	c.note("churn of %s while %s is under way", c.nameOf(key), method)
	shaken := c.rng.IntN(4) > 0
	gate, calls := c.gateOf(method)
	if !shaken || c.rng.IntN(3) == 0 {
		c.rejoin(key)
	} else {
		c.cut()
	}
	c.some()
	c.waitCall(method, calls, 20*time.Millisecond)
	if c.rng.IntN(3) == 0 {
		c.d.Faults().GateMethod(method, nil) // later calls go before this one
	}
	down := false
	acts := []func(){
		c.some,
		func() { c.rejoin(key) },
		func() { c.rejoin(key) },
		func() { c.emit(key, 2) },
		func() { letOne(gate) },
	}
	if shaken {
		acts = append(acts, c.cut, func() {
			if !down {
				c.note("down")
				c.d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
				c.cut()
			}
			down = true
		})
	}
	if !c.benign {
		acts = append(acts, func() { c.newcomer() }, c.leave, c.comeBack, func() { c.rejoin(c.wallet()) },
			func() { c.d.Faults().DropAnswer("get_updates", 1) })
	}
	for range 2 + c.rng.IntN(4) {
		acts[c.rng.IntN(len(acts))]()
	}
	c.d.Faults().GateMethod(method, nil)
	if down && c.rng.IntN(2) == 0 {
		close(gate)
		c.some()
		c.d.Faults().AcceptUpgrade()
	} else {
		c.d.Faults().AcceptUpgrade()
		close(gate)
	}
	c.note("gate open")
	c.allProven()
}

// allProven waits, without severe faults, until answers have proven the chain and every wallet's queue
// was read: then each of them can prove whatever may be missing next.
func (c *chaos) allProven() {
	if !c.benign {
		return
	}
	c.openDoors()
	for range 2 { // between a connect and its pass the first look may see neither
		require.NoError(c.t, c.d.WaitSockets(patient(c.t), 1))
		eventually(c.t, func() bool { s := c.stats(); return s.Connected && !s.Recovering && s.Unarmed == 0 }, "no pass ends")
	}
	c.allCome()
}

// allCome waits until everything that should be handed over has been.
func (c *chaos) allCome() {
	for key, tr := range c.tracks {
		eventually(c.t, func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(c.lost(tr)) == 0
		}, "updates of %s do not come", c.nameOf(key))
	}
}

// overflow makes a wallet's lane drop.
func (c *chaos) overflow() {
	key := c.wallet()
	c.overflows(key, func() { c.emit(key, 1) })
}

// overflowChain makes the chain's lane drop.
func (c *chaos) overflowChain() { c.overflows("", c.mine) }

// overflows makes a lane drop, and has something else happen before it runs dry and while it is
// refilled.
func (c *chaos) overflows(key string, send func()) {
	if !c.small || c.queueless || c.away[key] {
		c.some()
		return
	}
	c.note("overflow: %s", c.nameOf(key))
	c.mu.Lock()
	if c.doors[key] == nil {
		c.doors[key] = make(chan struct{})
	}
	c.mu.Unlock()
	for range 7 + c.rng.IntN(6) {
		send()
	}
	if key == "" && c.rng.IntN(2) == 0 {
		c.newcomerGoesFirst()
		return
	}
	if c.rng.IntN(4) == 0 {
		c.lateAppend(key, send)
		return
	}
	acts := []func(){c.some, send, send, func() { c.newcomer() }, c.succession, c.leave, c.comeBack, c.rejoinSome}
	if c.rng.IntN(2) == 0 {
		acts = append(acts, c.cut, c.restart, c.absence)
	}
	some := func(n int) {
		for range n {
			acts[c.rng.IntN(len(acts))]()
		}
	}
	if c.rng.IntN(2) == 0 {
		gate, calls := c.gateOf("get_updates")
		some(1 + c.rng.IntN(3))
		c.waitCall("get_updates", calls, 5*time.Millisecond)
		send()
		c.openGate("get_updates", gate)
	} else {
		some(c.rng.IntN(3))
	}
	if c.rng.IntN(4) == 0 {
		c.openDoors()
		some(c.rng.IntN(3))
		return
	}
	gate, calls := c.gateOf("get_updates")
	c.openDoors()
	c.waitCall("get_updates", calls, 20*time.Millisecond)
	if c.rng.IntN(2) == 0 {
		c.d.Faults().GateMethod("get_updates", nil) // later calls go before this one
	}
	acts = append(acts, func() { letOne(gate) }, func() { c.churnAsked(calls) }, func() { c.churnAsked(calls) })
	some(1 + c.rng.IntN(4))
	c.openGate("get_updates", gate)
}

// newcomerGoesFirst has a wallet that was not watched when the chain's lane began to drop take part in
// what follows: as the only one that is left to ask, or beside the one that is asked for what was dropped.
func (c *chaos) newcomerGoesFirst() {
	require.NoError(c.t, c.d.WaitSockets(patient(c.t), 1))
	if c.rng.IntN(2) == 0 {
		c.succession()
		c.mine()
		c.openDoors()
		c.allTold("")
		return
	}
	gate, calls := c.gateOf("get_updates")
	c.openDoors()
	c.waitCall("get_updates", calls, 20*time.Millisecond)
	c.d.Faults().GateMethod("get_updates", nil) // only that call waits
	c.mine()
	calls = c.d.CountCalls("get_updates")
	c.newcomer()
	c.waitCall("get_updates", calls, 5*time.Millisecond)
	c.openGate("get_updates", gate)
}

// allTold waits until each update of a wallet, or of the chain, was handed over or is covered by a gap: a
// later gap, of another cause, must not hide one that was not told.
func (c *chaos) allTold(key string) {
	eventually(c.t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		tr := c.tracks[key]
		return !slices.ContainsFunc(c.lost(tr), func(n int) bool { return !c.covered(key, tr.sent[n], tr.sent[n].after) })
	}, "G2: something of %s was lost, and no gap is told", c.nameOf(key))
}

// openGate lets calls go on, and gives them a moment.
func (c *chaos) openGate(method string, gate chan struct{}) {
	c.d.Faults().GateMethod(method, nil)
	close(gate)
	c.note("gate open")
	<-time.After(time.Millisecond)
}

// succession has a newcomer take the place of all other wallets.
func (c *chaos) succession() {
	calls := c.d.CountCalls("get_updates")
	key := c.newcomer()
	if key == "" {
		return
	}
	c.waitCall("get_updates", calls, 5*time.Millisecond)
	<-time.After(time.Millisecond)
	for _, k := range c.keys {
		if k != key && !c.away[k] {
			c.remove(k)
		}
	}
}

// absence is an outage.
func (c *chaos) absence() {
	c.note("down")
	c.d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
	c.cut()
	c.some()
	c.d.Faults().AcceptUpgrade()
}

// rejoinSome has a wallet leave and come back.
func (c *chaos) rejoinSome() {
	if c.m != nil {
		c.rejoin(c.wallet())
	}
}

// lateAppend sends another update, which the daemon queues only behind the next one: the answer of
// the refill comes too early. Meanwhile the wallet whose queue is asked may be removed.
func (c *chaos) lateAppend(key string, send func()) {
	require.NoError(c.t, c.d.WaitSockets(patient(c.t), 1))
	c.note("a late append")
	c.d.Faults().SwapAppends(1)
	first := c.lastOf(key)
	send()
	gate, calls := c.gateOf("get_updates")
	c.openDoors()
	c.waitCall("get_updates", calls, 20*time.Millisecond)
	if c.rng.IntN(3) > 0 {
		c.churnAsked(calls)
	}
	calls = c.d.CountCalls("get_updates")
	c.d.Faults().GateMethod("get_updates", nil)
	close(gate)
	if c.rng.IntN(3) > 0 {
		c.waitCall("get_updates", calls, 20*time.Millisecond) // it asks again
	}
	send()
	c.d.Faults().SwapAppends(0)
	defer func() { // what the refill has not waited for comes behind this
		send()
		c.cut()
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := first + 1; n <= c.lastOf(key); n++ {
		if e := c.tracks[key].sent[n]; e != nil {
			e.unordered = true
		}
	}
}

// lastOf is the number of the last update of a wallet, or the chain's height.
func (c *chaos) lastOf(key string) int {
	if key == "" {
		return int(c.d.Height())
	}
	return c.tracks[key].next - 1
}

// churnAsked removes a wallet whose queue is being read since a number of calls, and may add it again.
func (c *chaos) churnAsked(calls int) {
	if c.m == nil {
		return
	}
	var asked []string
	for _, call := range c.d.Calls() {
		if call.Method == "get_updates" {
			asked = append(asked, call.Wallet)
		}
	}
	asked = asked[min(calls, len(asked)):]
	if len(asked) == 0 {
		return
	}
	key := asked[c.rng.IntN(len(asked))]
	switch {
	case !slices.Contains(c.keys, key):
	case c.away[key]:
		c.add(key)
	case c.rng.IntN(2) == 0:
		c.rejoin(key)
	case len(c.away)+1 < len(c.keys):
		c.remove(key)
	}
}

// stopInChurn ends the stream while the queue of a wallet is being read that was removed and added
// again: what the answer brings is handed over, and the rest is left in the daemon.
func (c *chaos) stopInChurn() {
	c.note("stop in churn")
	c.ending = true
	key := c.wallet()
	gate, calls := c.gateOf("get_updates")
	c.cut()
	c.some()
	c.waitCall("get_updates", calls, 20*time.Millisecond)
	c.rejoin(key)
	c.emit(key, 1)
	acts := []func(){c.cut, func() { c.rejoin(key) }, func() { letOne(gate) }, c.mine, func() { <-time.After(time.Millisecond) }}
	for range c.rng.IntN(3) {
		acts[c.rng.IntN(len(acts))]()
	}
	if c.rng.IntN(2) == 0 {
		c.note("down")
		c.d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
		c.d.Faults().CutSockets(bitcarttest.FIN)
		require.NoError(c.t, c.d.WaitSockets(patient(c.t), 0))
		c.emit(key, 2)
		c.mine()
	}
	c.note("end")
	c.run.cancel()
	if c.rng.IntN(2) == 0 {
		letOne(gate)
	}
	close(gate)
	require.NoError(c.t, c.run.wait())
	c.lookForRest()
}

// lookForRest notes what the daemon still holds after the end of the stream: nothing of that is lost.
func (c *chaos) lookForRest() {
	c.d.Faults().GateMethod("get_updates", nil)
	for _, key := range c.everybody()[1:] {
		var list []json.RawMessage
		require.NoError(c.t, c.other(key).Call(patient(c.t), &list, "get_updates"))
		for _, raw := range list {
			var head struct{ Event string }
			require.NoError(c.t, json.Unmarshal(raw, &head))
			n, err := numberOrHeight(raw)
			require.NoError(c.t, err)
			of := key
			if head.Event == bitcart.EventNewBlock {
				of = ""
			}
			c.tracks[of].sent[n].left = true
		}
	}
}
