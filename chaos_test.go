package bitcart_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

var (
	chaosSeeds = flag.Uint64("chaos.seeds", 40, "how many seeds TestChaos runs")
	chaosSeed  = flag.Int64("chaos.seed", -1, "the one seed that TestChaos runs")
)

// TestChaos runs random programs of faults and compares what was handed over and reported with what
// the daemon sent. Every third seed has only faults that must leave no gap, and every sixth is about
// wallets that come and go and lanes that drop. A seed fixes the program, not the timing: run a seed
// with -count to meet a rare one again.
func TestChaos(t *testing.T) {
	t.Parallel()
	from, to := uint64(0), *chaosSeeds
	if *chaosSeed >= 0 {
		from = uint64(*chaosSeed)
		to = from + 1
	}
	for seed := from; seed < to; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := newChaos(t, seed)
			for range 8 + c.rng.IntN(14) {
				c.step()
			}
			c.settle()
			c.judge()
		})
	}
}

// chaos is one program under way. The test's goroutine alone changes the daemon.
type chaos struct {
	t          *testing.T
	rng        *rand.Rand
	d          *bitcarttest.Daemon
	m          *bitcart.APIManager // nil: a Coin alone
	run        *run
	stats      func() bitcart.Stats
	keys       []string
	benign     bool
	crowded    bool            // wallets come and go, and lanes drop
	pull       bool            // by Events instead of handlers
	liveness   bool            // pings are frequent
	losses     chan struct{}   // connections that were lost
	stranger   string          // a wallet that nobody added, for WithAllWallets
	away       map[string]bool // wallets that are removed now
	others     map[string]*bitcart.Coin
	skips      int
	startBadly bool
	queueless  bool               // the daemon keeps nothing for get_updates
	small      bool               // few events find room in a lane
	flood      int                // so many updates are more than a small queue of the daemon holds
	unsettled  int                // updates since the last calm
	lines      []string           // the program so far
	appends    map[string][]place // by wallet: what the daemon has put into its queue
	ending     bool               // the stream is about to be ended

	mu      sync.Mutex
	moods   *rand.Rand // of handlers
	doors   map[string]chan struct{}
	inside  map[string]bool   // wallets whose handler runs
	tracks  map[string]*track // by wallet; "" is the chain
	gaps    []toldGap
	members map[*bitcart.Coin]*member
}

func newChaos(t *testing.T, seed uint64) *chaos {
	rng := rand.New(rand.NewPCG(seed, 4))
	connected := make(chan struct{}, 1<<10)
	c := &chaos{
		t: t, rng: rng, benign: seed%3 == 0, crowded: seed%3 != 0 && seed%4 == 1, moods: rand.New(rand.NewPCG(seed, 5)),
		away: map[string]bool{}, others: map[string]*bitcart.Coin{},
		doors: map[string]chan struct{}{}, inside: map[string]bool{}, tracks: map[string]*track{}, losses: make(chan struct{}, 1<<12),
		appends: map[string][]place{}, members: map[*bitcart.Coin]*member{},
	}
	cfg := c.config()
	opts := []bitcart.Option{bitcart.WithStream(cfg.StreamConfig), bitcart.WithHooks(bitcart.Hooks{
		OnGap:        func(_ context.Context, g bitcart.Gap) { c.told(g) },
		OnConnect:    func(context.Context, bitcart.ConnectInfo) { connected <- struct{}{} },
		OnDisconnect: func(context.Context, bitcart.DisconnectInfo) { c.losses <- struct{}{} },
	})}
	c.d = newDaemon(t, []string{"BTC", "ETH"}[rng.IntN(2)], bitcarttest.WithPollingCap(cfg.queueCap))
	if rng.IntN(3) == 0 {
		c.d.Faults().RewriteQueued(growTxHashes)
	}
	if rng.IntN(4) == 0 && !c.crowded {
		coin := newWalletCoin(t, c.d, opts...)
		c.keys, c.stats = []string{coin.WalletKey()}, coin.Stats
		c.members[coin] = &member{}
		c.start(coin)
	} else {
		if !c.benign && rng.IntN(8) == 0 {
			opts = append(opts, bitcart.WithAllWallets())
			c.stranger = c.d.NewWallet()
		}
		c.m, c.keys = serve(t, c.d, 1+rng.IntN(4), opts...)
		c.stats = func() bitcart.Stats { return c.m.Stats()[0] }
		for _, coin := range c.m.Coins() {
			c.members[coin] = &member{}
		}
		c.start(c.m)
	}
	c.note("%s, %d wallets, manager %v, benign %v, cap %d, queue %d, workers %d, pull %v, strangers %v",
		c.d.Currency(), len(c.keys), c.m != nil, c.benign, cfg.queueCap, cfg.QueuePerWallet, cfg.Workers, c.pull, c.stranger != "")
	if c.startBadly {
		c.d.Faults().AcceptUpgrade()
	}
	receive(t, connected, "the first connect")
	if c.stranger != "" {
		require.NoError(t, c.d.Load(c.stranger))
	}
	t.Cleanup(func() {
		if t.Failed() {
			c.mu.Lock()
			defer c.mu.Unlock()
			t.Log("handed over:\n" + c.handed() + "the program was:\n" + strings.Join(c.lines, "\n"))
		}
	})
	return c
}

// chaosConfig is a stream's, with what the daemon's queues hold.
type chaosConfig struct {
	bitcart.StreamConfig
	queueCap int
}

func (c *chaos) config() chaosConfig {
	cfg := chaosConfig{recovering(), []int{100, 1000}[c.rng.IntN(2)]}
	cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 5*time.Millisecond
	c.pull = c.rng.IntN(6) == 0
	if c.liveness = c.rng.IntN(4) == 0; c.liveness {
		cfg.PingInterval, cfg.PongTimeout = 15*time.Millisecond, 50*time.Millisecond
	}
	if c.benign {
		return cfg
	}
	cfg.Workers = []int{0, 0, 1, 2}[c.rng.IntN(4)]
	if c.crowded {
		c.small, cfg.QueuePerWallet, c.flood = true, 5, 30
		return cfg
	}
	switch c.rng.IntN(8) {
	case 0: // a daemon without queues
		cfg.queueCap, cfg.DequeCap, c.queueless = 0, -1, true
	case 1, 2, 3: // less than what a stream takes for granted
		cfg.queueCap = []int{20, 50}[c.rng.IntN(2)]
		cfg.DequeCap = cfg.queueCap
	}
	c.flood = max(30, cfg.DequeCap+10)
	if c.small = c.rng.IntN(2) == 0; c.small {
		cfg.QueuePerWallet = 5
	}
	c.startBadly = c.rng.IntN(4) == 0
	return cfg
}

// growTxHashes is what an account daemon does to a queued new_payment.
func growTxHashes(raw json.RawMessage) json.RawMessage {
	return json.RawMessage(strings.Replace(string(raw), `["a"]`, `["a", "b"]`, 1))
}

// listener is a Coin or an APIManager.
type listener interface {
	AddEventHandler([]string, bitcart.Handler)
	StartWebsocket(context.Context, ...bitcart.StartOption) error
	Events(context.Context, ...bitcart.StartOption) iter.Seq2[*bitcart.Event, error]
}

func (c *chaos) start(s listener) {
	for _, key := range c.everybody() {
		c.tracks[key] = &track{sent: map[int]*emission{}}
	}
	s.AddEventHandler([]string{"own", bitcart.EventNewPayment, bitcart.EventNewBlock}, c.handle)
	if c.startBadly {
		c.d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "not yet")
		c.failOnce()
	}
	c.run = start(c.t, func(ctx context.Context) error {
		if !c.pull {
			return s.StartWebsocket(ctx, bitcart.WithForceConnect())
		}
		for ev, err := range s.Events(ctx, bitcart.WithForceConnect()) {
			if ev == nil {
				var gap *bitcart.GapError
				if errors.As(err, &gap) {
					continue // OnGap tells it too
				}
				return err
			}
			c.take(ctx, ev)
		}
		return nil
	})
}

func (c *chaos) note(format string, args ...any) {
	c.lines = append(c.lines, time.Now().Format(clock+" ")+fmt.Sprintf(format, args...))
}

func (c *chaos) told(g bitcart.Gap) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of := "every wallet"
	if g.Coin != nil {
		of = c.nameOf(g.Coin.WalletKey())
	}
	c.gaps = append(c.gaps, toldGap{g, time.Now(), of})
}

// handle is the handler of all events; now and then it is slow, asks for another attempt or fails.
func (c *chaos) handle(ctx context.Context, ev *bitcart.Event) error {
	mood := c.enter(ev)
	defer c.exit(ev)
	c.wait(ctx, ev.Wallet)
	switch mood {
	case 0:
		return bitcart.Retry(errOwn, 0)
	case 1:
		<-time.After(time.Millisecond)
	}
	c.taken(ev)
	if mood == 2 {
		return errOwn
	}
	return nil
}

// enter notes that an event's handler runs.
func (c *chaos) enter(ev *bitcart.Event) (mood int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inside[ev.Wallet] {
		c.t.Errorf("G1: two events of %s at once", c.nameOf(ev.Wallet))
	}
	c.inside[ev.Wallet] = true
	// With WithAllWallets the event that was under way is a stranger's then, and gets its further attempts.
	again := ev.Attempt > 1 && c.stranger != ""
	if m := c.members[ev.Coin]; m != nil && m.gone && !again {
		if m.late++; m.late > 1 { // the first one was under way
			c.t.Errorf("events of %s are handed over after its removal", c.nameOf(ev.Wallet))
		}
	}
	return c.moods.IntN(30)
}

func (c *chaos) exit(ev *bitcart.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inside[ev.Wallet] = false
}

// take is the body of the loop over Events.
func (c *chaos) take(ctx context.Context, ev *bitcart.Event) {
	c.enter(ev)
	defer c.exit(ev)
	c.wait(ctx, ev.Wallet)
	c.taken(ev)
}

// wait stands before a wallet's door.
func (c *chaos) wait(ctx context.Context, key string) {
	c.mu.Lock()
	door := c.doors[key]
	c.mu.Unlock()
	if door != nil {
		select {
		case <-door:
		case <-ctx.Done():
		}
	}
}

func (c *chaos) taken(ev *bitcart.Event) {
	n, err := numberOrHeight(ev.Raw())
	c.mu.Lock()
	defer c.mu.Unlock()
	tr := c.tracks[ev.Wallet]
	if err != nil || tr == nil {
		c.t.Errorf("an event that nobody sent: %v", ev.Name)
		return
	}
	tr.taken = append(tr.taken, taken{n, ev.Source == bitcart.SourceWebsocket, time.Now(), ev.Coin})
}

// numberOrHeight is the number of an update: a block's is its height.
func numberOrHeight(raw []byte) (int, error) {
	var v struct{ N, Height int }
	err := json.Unmarshal(raw, &v)
	return v.N + v.Height, err
}

func (c *chaos) wallet() string { return c.keys[c.rng.IntN(len(c.keys))] }

func (c *chaos) nameOf(key string) string {
	switch key {
	case "":
		return "the chain"
	case c.stranger:
		return "the stranger"
	}
	return fmt.Sprint("wallet ", slices.Index(c.keys, key))
}

// emit sends the next n updates of a wallet.
func (c *chaos) emit(key string, n int) {
	for range n {
		c.emitOne(key)
	}
}

func (c *chaos) emitOne(key string) bool {
	tr := c.tracks[key]
	e := &emission{before: time.Now(), nobodys: c.away[key]}
	body := item("own", tr.next)
	if tr.next%3 == 0 {
		body["event"], body["tx_hashes"] = bitcart.EventNewPayment, []string{"a"}
	}
	if c.d.Emit(key, body) != nil {
		return false // the daemon has not loaded it since a restart
	}
	c.sent(key, tr.next, e, key)
	tr.next++
	return true
}

func (c *chaos) mine() {
	e := &emission{before: time.Now()}
	loaded := c.d.Loaded()
	c.d.Mine(1)
	c.sent("", int(c.d.Height()), e, loaded...)
}

func (c *chaos) sent(key string, n int, e *emission, queues ...string) {
	e.after = time.Now()
	c.unsettled++
	if c.skips > 0 {
		c.skips--
		e.excused = true
	}
	for _, q := range queues {
		c.appends[q] = append(c.appends[q], place{key, n})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tracks[key].sent[n] = e
	c.note("  %s %d", c.nameOf(key), n)
}

// some sends a few updates and blocks.
func (c *chaos) some() {
	for range 1 + c.rng.IntN(6) {
		switch c.rng.IntN(6) {
		case 0:
			c.mine()
		case 1:
			if c.stranger != "" {
				_ = c.d.Load(c.stranger) // a restart forgets it
				c.emit(c.stranger, 1)
				break
			}
			fallthrough
		default:
			c.emit(c.wallet(), 1)
		}
	}
}

// step does the next thing.
func (c *chaos) step() {
	harmless := []func(){c.some, c.cut, c.outage, c.cutWhileRecovering, c.stick, c.swap, c.churn}
	steps := append(harmless,
		c.restart, c.restartWhileRecovering, c.failCalls, c.dropAnswer, c.skip, c.steal, c.rob, c.leave, c.comeBack, c.burst, c.stickAll, c.mangle, c.overflowQueue,
		c.churn, c.overflow, c.overflowChain)
	switch {
	case c.benign:
		steps = harmless
	case c.crowded:
		steps = []func(){c.cut, c.restart, c.leave, c.comeBack, c.churn, c.overflow, c.overflowChain, c.overflowChain, c.overflowChain}
	}
	if c.liveness {
		steps = append(steps, c.blackHole, c.dropPongs)
	}
	c.some()
	if c.unsettled > 40 || c.rng.IntN(4) == 0 {
		c.calm()
	}
	steps[c.rng.IntN(len(steps))]()
}

// swap has two updates of a wallet change places on their way into the queue, while a stream hears
// them: one that is sent before a connect and queued behind its answer is lost to everybody.
func (c *chaos) swap() {
	key := c.wallet()
	require.NoError(c.t, c.d.WaitSockets(patient(c.t), 1))
	if !slices.Contains(c.d.Loaded(), key) {
		return
	}
	tr := c.tracks[key]
	c.note("swap two appends")
	first := tr.next
	c.d.Faults().SwapAppends(1)
	c.emit(key, 2)
	c.d.Faults().SwapAppends(0)
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := first; n < tr.next; n++ {
		tr.sent[n].unordered = true
	}
}

// blackHole lets connections go dead without a sign, until the stream has noticed.
func (c *chaos) blackHole() {
	c.note("black hole")
	c.deadUntilNoticed(c.d.Faults().BlackHole)
}

func (c *chaos) dropPongs() {
	c.note("no pongs")
	c.deadUntilNoticed(c.d.Faults().DropPongs)
}

func (c *chaos) deadUntilNoticed(fault func(on bool)) {
	require.NoError(c.t, c.d.WaitSockets(patient(c.t), 1))
	for len(c.losses) > 0 {
		<-c.losses
	}
	fault(true)
	c.some()
	receive(c.t, c.losses, "the dead connection is noticed")
	c.cut() // what was connected meanwhile would go on with a hole in it
	fault(false)
	c.cut()
	c.note("alive again")
}

// stickAll leaves no worker.
func (c *chaos) stickAll() {
	c.note("stuck: all")
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.tracks {
		if c.doors[key] == nil {
			c.doors[key] = make(chan struct{})
		}
	}
}

func (c *chaos) mangle() {
	c.note("mangle the next upgrade")
	c.d.Faults().MangleUpgrade(1)
	c.cut()
}

func (c *chaos) restartWhileRecovering() {
	c.note("restart while the wallets are loaded")
	method := []string{"getbalance", "batch_load"}[c.rng.IntN(2)]
	gate, calls := c.gateOf(method)
	c.cut()
	c.waitCall(method, calls, 20*time.Millisecond)
	c.d.Faults().GateMethod(method, nil)
	c.restart()
	close(gate)
	c.some()
}

func (c *chaos) cut() {
	c.note("cut")
	how := []bitcarttest.Cut{bitcarttest.RST, bitcarttest.FIN, bitcarttest.CloseFrame(1001, "bye")}
	c.d.Faults().CutSockets(how[c.rng.IntN(len(how))])
}

func (c *chaos) outage() {
	c.note("outage")
	c.d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
	c.cut()
	c.some()
	if !c.benign && c.rng.IntN(3) == 0 {
		c.emit(c.wallet(), c.flood)
	}
	if !c.benign && c.rng.IntN(3) == 0 {
		c.steal()
		c.some()
	}
	c.d.Faults().AcceptUpgrade()
	c.note("end of the outage")
}

func (c *chaos) cutWhileRecovering() {
	methods := []string{"get_updates", "getinfo", "getbalance", "batch_load"}
	method := methods[c.rng.IntN(len(methods))]
	c.note("cut while %s is under way", method)
	gate, calls := c.gateOf(method)
	c.cut()
	c.some()
	c.waitCall(method, calls, 20*time.Millisecond) // not every recovery makes every call
	c.some()
	c.cut()
	c.some()
	c.d.Faults().GateMethod(method, nil)
	close(gate)
	c.note("gate open")
}

// stick makes the handler of a wallet, or of the chain, wait, or lets all that wait go on.
func (c *chaos) stick() {
	if len(c.doors) > 0 {
		c.openDoors()
		return
	}
	key := append([]string{""}, c.keys...)[c.rng.IntN(1+len(c.keys))]
	c.note("stuck: %s", c.nameOf(key))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doors[key] = make(chan struct{})
}

func (c *chaos) openDoors() {
	c.note("nothing is stuck")
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, door := range c.doors {
		close(door)
		delete(c.doors, key)
	}
}

// restart keeps the daemon away for longer than a sign of life counts for the library before a call. A real
// one needs seconds: the calls that begin in less would load wallets on the new one, which then looks like
// the old one.
func (c *chaos) restart() {
	c.note("restart")
	require.NoError(c.t, c.d.Faults().Restart(patient(c.t), time.Duration(11+c.rng.IntN(5))*time.Millisecond))
}

func (c *chaos) failCalls() {
	c.failOnce()
	c.cut()
}

func (c *chaos) failOnce() {
	method := []string{"get_updates", "getbalance", "getinfo", "batch_load", "list_wallets"}[c.rng.IntN(5)]
	err := []error{errOwn, bitcarttest.ErrReset}[c.rng.IntN(2)]
	c.note("%s fails once: %v", method, err)
	c.d.Faults().FailMethod(method, 1, err)
}

func (c *chaos) dropAnswer() {
	c.note("an answer of get_updates is lost")
	c.d.Faults().DropAnswer("get_updates", 1)
	c.outage()
}

func (c *chaos) skip() {
	c.note("skip an append")
	c.d.Faults().SkipAppend(1)
	c.skips = 1
	c.emit(c.wallet(), 1)
}

// steal reads the queue of a wallet that the daemon has loaded: what it held, or had
// dropped, may be gone unnoticed.
func (c *chaos) steal() {
	key := c.wallet()
	if !slices.Contains(c.d.Loaded(), key) {
		return
	}
	c.note("steal: %s", c.nameOf(key))
	c.readQueue(key)
	c.excuse(key)
}

// readQueue is what another client does.
func (c *chaos) readQueue(key string) {
	_ = c.other(key).Call(patient(c.t), nil, "get_updates") // an injected fault may hit the thief
}

// other is another client's Coin of a wallet.
func (c *chaos) other(key string) *bitcart.Coin {
	coin := c.others[key]
	if coin == nil {
		coin = newCoin(c.t, c.d, bitcart.WithXpub(key))
		c.others[key] = coin
	}
	return coin
}

// excuse: what is in a wallet's queue, and what was dropped, may be lost unnoticed.
func (c *chaos) excuse(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.excuseAll(key)
	c.excuseAll("")
}

// rob is a theft that leaves a trace: an update that the stream has seen since it last read the
// queue is gone with those that it has missed.
func (c *chaos) rob() {
	key := c.wallet()
	if c.queueless || c.away[key] || !slices.Contains(c.d.Loaded(), key) {
		return
	}
	c.openDoors()
	eventually(c.t, func() bool { s := c.stats(); return s.Connected && !s.Recovering }, "no pass ends")
	c.note("rob: %s", c.nameOf(key))
	c.excuse(key)
	seen := c.tracks[key].next
	if !c.emitOne(key) {
		return // a restart came between
	}
	if !c.comes(key, seen) {
		return // the last cut is not noticed yet, and a lost answer took it
	}
	c.d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
	c.cut()
	c.emit(key, 2)
	read := c.d.Queued(key) < 3
	c.readQueue(key)
	if read {
		c.excuse(key) // the stream itself has asked meanwhile
	}
	c.d.Faults().AcceptUpgrade()
}

// leave removes a wallet.
func (c *chaos) leave() {
	key := c.wallet()
	if c.m == nil || c.away[key] || len(c.away)+1 >= len(c.keys) {
		return
	}
	c.remove(key)
}

func (c *chaos) excuseAll(key string) {
	for _, e := range c.tracks[key].sent {
		e.excused = true
	}
}

func (c *chaos) comeBack() {
	for _, key := range c.keys {
		if c.away[key] {
			c.add(key)
		}
	}
}

// burst sends more than a small queue holds.
func (c *chaos) burst() {
	key := c.wallet()
	c.note("burst: %s", c.nameOf(key))
	c.emit(key, 15)
}

// overflowQueue has a wallet miss more than a small queue of the daemon holds, where nothing was seen since
// the queue was read.
func (c *chaos) overflowQueue() {
	c.note("an outage behind a quiet connection")
	c.openDoors()
	c.cut()
	eventually(c.t, func() bool { s := c.stats(); return s.Connected && !s.Recovering }, "no pass ends")
	c.d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
	c.cut()
	c.emit(c.wallet(), c.flood)
	c.d.Faults().AcceptUpgrade()
}

// calm waits until the stream is connected and, without severe faults, until everything is handled.
func (c *chaos) calm() {
	c.note("calm")
	require.NoError(c.t, c.d.WaitSockets(patient(c.t), 1))
	if !c.benign {
		return
	}
	c.openDoors()
	c.allCome()
	c.unsettled = 0
}

// settle ends all faults, has every wallet handle one more update, and ends the stream.
func (c *chaos) settle() {
	c.note("settle")
	c.openDoors()
	c.comeBack()
	f := c.d.Faults()
	for _, method := range []string{"get_updates", "getbalance", "getinfo", "batch_load", "list_wallets"} {
		f.FailMethod(method, 0, nil)
		f.DropAnswer(method, 0)
	}
	f.SkipAppend(0)
	f.MangleUpgrade(0)
	c.skips = 0
	for _, key := range c.keys {
		c.awaitNext(key, func() (n int, sent bool) {
			n = c.tracks[key].next
			return n, c.emitOne(key)
		})
	}
	if key := c.stranger; key != "" {
		c.awaitNext(key, func() (n int, sent bool) {
			_ = c.d.Load(key)
			n = c.tracks[key].next
			return n, c.emitOne(key)
		})
	}
	c.awaitNext("", func() (n int, sent bool) {
		c.mine()
		return int(c.d.Height()), true
	})
	switch {
	case len(c.keys) == 1 && c.rng.IntN(2) == 0:
		c.stopWhileReading()
	case c.m != nil && !c.queueless && !(c.benign && len(c.keys) < 2) && c.rng.IntN(2) == 0: // another wallet proves the chain
		c.stopInChurn()
	default:
		require.NoError(c.t, c.run.stop())
	}
}

// stopWhileReading ends the stream while the queue of its only wallet is being read: what the
// answer brings is handed over.
func (c *chaos) stopWhileReading() {
	c.note("stop while get_updates is under way")
	gate, calls := c.gateOf("get_updates")
	c.cut()
	c.emit(c.keys[0], 2)
	c.waitCall("get_updates", calls, 100*time.Millisecond) // or the stream ends before it has asked
	c.run.cancel()
	close(gate)
	require.NoError(c.t, c.run.wait())
	c.lookForRest()
}

// awaitNext waits until an update that emit sends has been handled. What nothing can bring back
// after a reconnect is sent again.
func (c *chaos) awaitNext(key string, emit func() (n int, sent bool)) {
	c.t.Helper()
	last, sent, at := 0, false, time.Time{}
	eventually(c.t, func() bool {
		if !sent || c.forgetful(key) && time.Since(at) > 50*time.Millisecond {
			last, sent = emit()
			at = time.Now()
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return sent && slices.ContainsFunc(c.tracks[key].taken, func(e taken) bool { return e.n == last })
	}, "the last update of %s does not come", c.nameOf(key))
}

// forgetful: an update that is sent while nothing is connected is lost.
func (c *chaos) forgetful(key string) bool {
	return c.queueless || key == c.stranger && key != ""
}

// comes reports whether an update is handled soon.
func (c *chaos) comes(key string, n int) bool {
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); <-time.After(pulse) {
		c.mu.Lock()
		there := slices.ContainsFunc(c.tracks[key].taken, func(e taken) bool { return e.n == n && e.live })
		c.mu.Unlock()
		if there {
			return true
		}
	}
	return false
}
