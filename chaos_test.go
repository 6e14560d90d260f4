package bitcart_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
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
	chaosSeeds = flag.Uint64("chaos.seeds", 4, "how many seeds TestChaos runs")
	chaosSince = flag.Bool("chaos.since", false, "TestChaos checks too when gaps say they began")
	chaosSeed  = flag.Int64("chaos.seed", -1, "the one seed that TestChaos runs")
)

// TestChaos runs random programs of faults and compares what was handed over and reported with what
// the daemon sent. Every third seed has only faults that must leave no gap. A seed fixes the program,
// not the timing: run a seed with -count to meet a rare one again.
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
	t         *testing.T
	rng       *rand.Rand
	d         *bitcarttest.Daemon
	m         *bitcart.APIManager // nil: a Coin alone
	run       *run
	keys      []string
	benign    bool
	away      map[string]bool // wallets that are removed now
	thieves   map[string]*bitcart.Coin
	skips     int
	unsettled int      // updates since the last calm
	lines     []string // the program so far

	mu     sync.Mutex
	moods  *rand.Rand // of handlers
	doors  map[string]chan struct{}
	tracks map[string]*track // by wallet; "" is the chain
	gaps   []toldGap
}

// track is what became of one wallet's updates.
type track struct {
	next  int
	sent  map[int]*emission
	taken []taken
}

type emission struct {
	before, after time.Time
	excused       bool // nobody could notice its loss
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

func newChaos(t *testing.T, seed uint64) *chaos {
	rng := rand.New(rand.NewPCG(seed, 4))
	c := &chaos{
		t: t, rng: rng, benign: seed%3 == 0, moods: rand.New(rand.NewPCG(seed, 5)),
		away: map[string]bool{}, thieves: map[string]*bitcart.Coin{},
		doors: map[string]chan struct{}{}, tracks: map[string]*track{},
	}
	cfg := recovering()
	cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 5*time.Millisecond
	queueCap := 100
	if !c.benign && rng.IntN(2) == 0 {
		queueCap = 20
		cfg.DequeCap = queueCap // less than what a stream takes for granted
	}
	if !c.benign && rng.IntN(2) == 0 {
		cfg.QueuePerWallet = 5
	}
	c.d = newDaemon(t, []string{"BTC", "ETH"}[rng.IntN(2)], bitcarttest.WithPollingCap(queueCap))
	connected := make(chan struct{}, 1<<10)
	opts := []bitcart.Option{bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
		OnGap:     func(_ context.Context, g bitcart.Gap) { c.told(g) },
		OnConnect: func(context.Context, bitcart.ConnectInfo) { connected <- struct{}{} },
	})}
	if rng.IntN(4) == 0 {
		coin := newWalletCoin(t, c.d, opts...)
		c.keys = []string{coin.WalletKey()}
		c.follow(coin)
		c.run = start(t, websocketOf(coin))
	} else {
		c.m, c.keys = serve(t, c.d, 1+rng.IntN(4), opts...)
		c.follow(c.m)
		c.run = start(t, websocketOf(c.m))
	}
	c.note("%s, %d wallets, manager %v, benign %v, cap %d, queue %d",
		c.d.Currency(), len(c.keys), c.m != nil, c.benign, queueCap, cfg.QueuePerWallet)
	receive(t, connected, "the first connect")
	t.Cleanup(func() {
		if t.Failed() {
			c.mu.Lock()
			defer c.mu.Unlock()
			t.Log("handed over:\n" + c.handed() + "the program was:\n" + strings.Join(c.lines, "\n"))
		}
	})
	return c
}

func (c *chaos) follow(r interface {
	AddEventHandler([]string, bitcart.Handler)
}) {
	for _, key := range append([]string{""}, c.keys...) {
		c.tracks[key] = &track{sent: map[int]*emission{}}
	}
	r.AddEventHandler([]string{"own", "new_block"}, c.handle)
}

func (c *chaos) note(format string, args ...any) {
	c.lines = append(c.lines, time.Now().Format(clock+" ")+fmt.Sprintf(format, args...))
}

func (c *chaos) told(g bitcart.Gap) {
	of := "every wallet"
	if g.Coin != nil {
		of = c.nameOf(g.Coin.WalletKey())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gaps = append(c.gaps, toldGap{g, time.Now(), of})
}

// handle is the handler of all events; now and then it is slow, asks for another attempt or fails.
func (c *chaos) handle(ctx context.Context, ev *bitcart.Event) error {
	n, err := numberOrHeight(ev.Raw())
	c.mu.Lock()
	door, mood := c.doors[ev.Wallet], c.moods.IntN(30)
	c.mu.Unlock()
	if door != nil {
		select {
		case <-door:
		case <-ctx.Done():
		}
	}
	switch mood {
	case 0:
		return bitcart.Retry(errOwn, 0)
	case 1:
		<-time.After(time.Millisecond)
	case 2:
		err = errOwn
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	tr := c.tracks[ev.Wallet]
	tr.taken = append(tr.taken, taken{n, ev.Source == bitcart.SourceWebsocket, time.Now()})
	return err
}

// numberOrHeight is the number of an update: a block's is its height.
func numberOrHeight(raw []byte) (int, error) {
	var v struct{ N, Height int }
	err := json.Unmarshal(raw, &v)
	return v.N + v.Height, err
}

func (c *chaos) wallet() string { return c.keys[c.rng.IntN(len(c.keys))] }

func (c *chaos) nameOf(key string) string {
	if key == "" {
		return "the chain"
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
	e := &emission{before: time.Now(), excused: c.away[key]}
	if c.d.Emit(key, item("own", tr.next)) != nil {
		return false // the daemon has not loaded it since a restart
	}
	c.sent(key, tr.next, e)
	tr.next++
	return true
}

func (c *chaos) mine() {
	e := &emission{before: time.Now()}
	c.d.Mine(1)
	c.sent("", int(c.d.Height()), e)
}

func (c *chaos) sent(key string, n int, e *emission) {
	e.after = time.Now()
	c.unsettled++
	if c.skips > 0 {
		c.skips--
		e.excused = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tracks[key].sent[n] = e
	c.note("  %s %d", c.nameOf(key), n)
}

// some sends a few updates and blocks.
func (c *chaos) some() {
	for range 1 + c.rng.IntN(6) {
		if c.rng.IntN(5) == 0 {
			c.mine()
		} else {
			c.emit(c.wallet(), 1)
		}
	}
}

// step does the next thing. The first five leave no gap.
func (c *chaos) step() {
	steps := []func(){
		c.some, c.cut, c.outage, c.cutWhileRecovering, c.stick,
		c.restart, c.failCalls, c.dropAnswer, c.skip, c.steal, c.leave, c.comeBack, c.burst,
	}
	if c.benign {
		steps = steps[:5]
	}
	c.some()
	if c.unsettled > 40 || c.rng.IntN(4) == 0 {
		c.calm()
	}
	steps[c.rng.IntN(len(steps))]()
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
		c.emit(c.wallet(), 30)
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
	gate := make(chan struct{})
	calls := c.d.CountCalls(method)
	c.d.Faults().GateMethod(method, gate)
	c.cut()
	c.some()
	// Not every recovery makes every call.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	_ = c.d.WaitCalls(ctx, method, calls+1)
	cancel()
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

func (c *chaos) restart() {
	c.note("restart")
	require.NoError(c.t, c.d.Faults().Restart(patient(c.t), time.Duration(c.rng.IntN(5))*time.Millisecond))
}

func (c *chaos) failCalls() {
	method := []string{"get_updates", "getbalance", "getinfo", "batch_load"}[c.rng.IntN(4)]
	err := []error{errOwn, bitcarttest.ErrReset}[c.rng.IntN(2)]
	c.note("%s fails once: %v", method, err)
	c.d.Faults().FailMethod(method, 1, err)
	c.cut()
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
	thief := c.thieves[key]
	if thief == nil {
		thief = newCoin(c.t, c.d, bitcart.WithXpub(key))
		c.thieves[key] = thief
	}
	_ = thief.Call(patient(c.t), nil, "get_updates") // an injected fault may hit the thief
	c.mu.Lock()
	defer c.mu.Unlock()
	c.excuseAll(key)
	c.excuseAll("")
}

// leave removes a wallet: what waited is dropped.
func (c *chaos) leave() {
	key := c.wallet()
	if c.m == nil || c.away[key] || len(c.away)+1 >= len(c.keys) {
		return
	}
	c.note("remove %s", c.nameOf(key))
	require.True(c.t, c.m.RemoveWallet(c.d.Currency(), key))
	c.away[key] = true
	c.mu.Lock()
	defer c.mu.Unlock()
	c.excuseAll(key)
}

func (c *chaos) excuseAll(key string) {
	for _, e := range c.tracks[key].sent {
		e.excused = true
	}
}

func (c *chaos) comeBack() {
	for _, key := range c.keys {
		if c.away[key] {
			c.note("add %s", c.nameOf(key))
			_, err := c.m.AddWallet(c.d.Currency(), bitcart.Wallet{Xpub: key})
			require.NoError(c.t, err)
			delete(c.away, key)
		}
	}
}

// burst sends more than a small queue holds.
func (c *chaos) burst() {
	key := c.wallet()
	c.note("burst: %s", c.nameOf(key))
	c.emit(key, 15)
}

// calm waits until the stream is connected and, without severe faults, until everything is handled.
func (c *chaos) calm() {
	c.note("calm")
	require.NoError(c.t, c.d.WaitSockets(patient(c.t), 1))
	if !c.benign {
		return
	}
	c.openDoors()
	for key, tr := range c.tracks {
		eventually(c.t, func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return len(tr.taken) >= len(tr.sent)
		}, "updates of %s do not come", c.nameOf(key))
	}
	c.unsettled = 0
}

// settle ends all faults, has every wallet handle one more update, and ends the stream.
func (c *chaos) settle() {
	c.note("settle")
	c.openDoors()
	c.comeBack()
	f := c.d.Faults()
	for _, method := range []string{"get_updates", "getbalance", "getinfo", "batch_load"} {
		f.FailMethod(method, 0, nil)
		f.DropAnswer(method, 0)
	}
	f.SkipAppend(0)
	c.skips = 0
	for _, key := range c.keys {
		require.Eventually(c.t, func() bool { return c.emitOne(key) }, patience, pulse, c.nameOf(key))
		c.awaitTaken(key, c.tracks[key].next-1)
	}
	require.NoError(c.t, c.d.WaitSockets(patient(c.t), 1))
	c.mine()
	c.awaitTaken("", int(c.d.Height()))
	require.NoError(c.t, c.run.stop())
}

func (c *chaos) awaitTaken(key string, n int) {
	c.t.Helper()
	eventually(c.t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return slices.ContainsFunc(c.tracks[key].taken, func(e taken) bool { return e.n == n })
	}, "the last update of %s, %d, does not come", c.nameOf(key), n)
}

// judge compares what was handed over with what was sent.
func (c *chaos) judge() {
	updates, recovered, repeats := 0, 0, 0
	for _, key := range append([]string{""}, c.keys...) {
		tr := c.tracks[key]
		updates += len(tr.sent)
		r, again := c.judgeOrder(key, tr)
		recovered, repeats = recovered+r, repeats+again
		c.judgeLoss(key, tr)
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
		if sent.excused {
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
		for i := n + 1; ; i++ {
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
	for _, key := range append([]string{""}, c.keys...) {
		text.WriteString(c.nameOf(key) + ":")
		for _, e := range c.tracks[key].taken {
			fmt.Fprintf(&text, " %d%s@%s", e.n, map[bool]string{false: "r"}[e.live], e.at.Format(clock))
		}
		text.WriteString("\n")
	}
	return fmt.Sprintln(text.String(), c.gaps)
}
