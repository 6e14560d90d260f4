package bitcart

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bitcart-go/bitcart/internal/queue"
	"github.com/bitcart-go/bitcart/internal/replay"
	"github.com/bitcart-go/bitcart/internal/wire"
)

// linkPlan says what a link serves.
type linkPlan struct {
	d      *daemon
	coins  []*Coin // with a wallet each
	chain  *Coin   // whose chain-wide events are
	single bool    // a Coin's own stream: its wallet and the chain are one sequence
}

// link is a stream's part for one daemon: it knows the wallets, turns updates
// into events and puts them into the wallets' lanes, whose workers hand them
// to the dispatcher.
type link struct {
	s      *stream
	d      *daemon
	cfg    StreamConfig
	first  bool // this link's first attempt to connect is the stream's
	single bool

	queue *queue.Set[parcel]
	hooks *hookRunner
	chain *watch

	work   context.Context // of handlers, hooks and get_updates: cancelled when the drain's time is over
	cut    context.CancelFunc
	drainO sync.Once
	clock  *time.Timer

	mu        sync.Mutex // guards what follows; taken before no other lock, held by no user code
	watches   map[string]*watch
	connected bool
	pass      bool // wallets are being made ready
	since     time.Time
	lastFrame func() time.Time
	armer     *armer // of the connection; nil without one
	armCancel context.CancelFunc
	poller    *poller // nil for a websocket
	armed     int

	epoch   atomic.Uint64  // of the connection; a wallet is armed when it was in this one
	arming  sync.WaitGroup // the armer of the connection
	fail    context.CancelCauseFunc
	started time.Time
}

// parcel is what waits in a lane: an event or, in the pull form, a gap.
type parcel struct {
	ev  *Event
	gap *Gap
}

// parcelOverhead is what an event costs beside its bytes.
const parcelOverhead = 256

func (p parcel) size() int {
	if p.ev == nil {
		return parcelOverhead
	}
	return len(p.ev.body.raw) + parcelOverhead
}

// watch is what a link keeps for one wallet, or for the chain.
type watch struct {
	link *link
	coin *Coin
	lane *queue.Lane[parcel]

	mu      sync.Mutex // guards seen, which the reader writes and recovery reads
	seen    replay.Log
	armedIn atomic.Uint64 // the epoch in which the daemon loaded the wallet; 0 = never
}

func newLink(s *stream, p *linkPlan, first bool) *link {
	l := &link{s: s, d: p.d, cfg: p.d.stream, first: first, single: p.single}
	l.started = time.Now()
	l.since = l.started
	l.work, l.cut = context.WithCancel(s.values)
	l.queue = queue.New(queue.Config[parcel]{
		Workers: l.cfg.Workers, PerLane: l.cfg.QueuePerWallet,
		LaneBytes: l.cfg.QueueBytes / 8, Bytes: l.cfg.QueueBytes,
		Arrival: s.pull != nil,
		Handle:  l.handle,
		Dry:     l.dry,
	})
	l.hooks = newHookRunner(l.work, l.d.log, func() { l.gap(Gap{Since: time.Now(), Reason: GapUnknown, ChainWide: true}) })
	l.watches = make(map[string]*watch, len(p.coins))
	l.chain = &watch{link: l, coin: p.chain, lane: l.queue.NewLane()}
	for _, c := range p.coins {
		l.watchCoin(c)
	}
	l.d.n.live.Store(l)
	return l
}

// watchCoin puts a wallet among those that the link serves. mu is held, or the
// link is new.
func (l *link) watchCoin(c *Coin) *watch {
	w := &watch{link: l, coin: c}
	if l.single {
		w.lane = l.chain.lane
	} else {
		w.lane = l.queue.NewLane()
	}
	l.watches[c.key] = w
	c.watched.Store(w)
	return w
}

// addCoin serves another wallet of a running stream and arms it.
func (l *link) addCoin(c *Coin) {
	if l.watchLate(c) {
		l.gap(Gap{Coin: c, Since: time.Now(), Reason: GapStart})
	}
}

// watchLate reports whether the wallet joins a connected websocket: what came
// before is not known then.
func (l *link) watchLate(c *Coin) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.watchCoin(c)
	if l.armer != nil {
		l.armer.add(w)
	}
	if l.poller != nil {
		l.poller.add(w)
		return false
	}
	return l.connected
}

// removeCoin drops what waits for a wallet; a handler that runs finishes.
func (l *link) removeCoin(c *Coin) {
	l.mu.Lock()
	w := l.watches[c.key]
	if w == nil || w.coin != c {
		l.mu.Unlock()
		return
	}
	delete(l.watches, c.key)
	if l.isArmed(w) {
		l.armed--
	}
	l.mu.Unlock()
	c.watched.CompareAndSwap(w, nil)
	l.d.n.addN(dropped, w.lane.Remove())
}

// run serves the link until ctx ends or the transport cannot go on, and drains it.
func (l *link) run(ctx context.Context) error {
	defer l.d.n.live.CompareAndSwap(l, nil)
	defer l.unwatch()
	stop := context.AfterFunc(ctx, l.beginDrain)
	defer stop()
	slow := l.watchSlowHandlers(ctx)
	err := l.s.transport(ctx, l)
	l.beginDrain() // the transport may have ended by itself
	drained := l.drain()
	slow()
	l.d.closeIdle()
	return errors.Join(err, drained)
}

func (l *link) unwatch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.watches {
		w.coin.watched.CompareAndSwap(w, nil)
	}
}

// beginDrain starts the time within which everything has to be delivered.
func (l *link) beginDrain() {
	l.drainO.Do(func() { l.clock = time.AfterFunc(l.cfg.DrainTimeout, l.cut) })
}

// grace is how long handlers have to return after their ctx was cancelled.
const grace = time.Second

// drain waits for the queues to run empty, then for hooks. When the time is
// over it cancels what runs and reports what is left.
func (l *link) drain() error {
	defer l.cut()
	defer l.clock.Stop()
	_ = l.queue.Drain(l.work) // what is left is counted below
	var left DrainError
	left.Undelivered, left.Retrying = l.queue.Stop()
	last, cancel := outlive(l.work, grace)
	defer cancel()
	running, refused := l.queue.Wait(last)
	left.Running, left.Retrying = running, left.Retrying+refused

	_ = l.hooks.set.Drain(last)
	if lost, _ := l.hooks.set.Stop(); lost > 0 {
		l.d.log.Warn("hooks were not called before the stream ended", "calls", lost)
	}
	running, _ = l.hooks.set.Wait(last)
	left.Running += running
	if left == (DrainError{}) {
		return nil
	}
	return &left
}

// outlive returns a context that ends the time d after ctx. cancel waits for
// its goroutine.
func outlive(ctx context.Context, d time.Duration) (_ context.Context, cancel func()) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() {
		select {
		case <-ctx.Done():
			pause(longer, d)
			end()
		case <-longer.Done():
		}
	})
	return longer, func() { end(); done.Wait() }
}

// accept takes one message of the websocket.
func (l *link) accept(data []byte) {
	frame, err := wire.Cut(data)
	if err != nil {
		l.garbage("the message is no frame")
		return
	}
	if frame.Currency != "" && !strings.EqualFold(frame.Currency, l.d.cur.Symbol) {
		l.garbage("the frame is of another currency: the URL may be another daemon's")
		return
	}
	now := time.Now()
	if frame.Wallet == "" {
		for _, u := range frame.Updates {
			l.push(l.chain, "", u, SourceWebsocket, now)
		}
		return
	}
	w := l.lookup(frame.Wallet)
	for _, u := range frame.Updates {
		if w != nil {
			l.push(w, frame.Wallet, u, SourceWebsocket, now)
		} else {
			l.pushForeign(frame.Wallet, u, now)
		}
	}
}

func (l *link) lookup(key string) *watch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.watches[key]
}

// setConnected notes that the daemon can be reached, or no more. Every wallet
// has to be armed again.
func (l *link) setConnected(up bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.connected == up {
		return
	}
	l.epoch.Add(1)
	l.connected, l.armed, l.since = up, 0, time.Now()
}

// reportLoss tells that the daemon is not connected.
func (l *link) reportLoss(err error, retryIn time.Duration) {
	l.d.log.Warn("not connected", "url", l.d.name(), "error", err, "retry_in", retryIn)
	if hook := l.d.hooks.OnDisconnect; hook != nil {
		info := DisconnectInfo{Currency: l.d.cur.Symbol, Err: err, RetryIn: retryIn}
		l.hooks.post(hookCall{run: func(ctx context.Context) { hook(ctx, info) }})
	}
}

func (l *link) garbage(why string) {
	l.d.n.add(garbage)
	l.d.log.Warn("message skipped", "reason", why)
}

// push is the one way from a transport into a wallet's lane. A durable journal
// would write here, before the lane.
func (l *link) push(w *watch, key string, u wire.Update, src Source, now time.Time) {
	if u.Event == "" {
		l.garbage("update without an event name")
		return
	}
	w.mu.Lock()
	repeat := w.seen.Add(replay.Of(u.Raw))
	w.mu.Unlock()
	ev := l.event(u, w.coin, key, src, now)
	ev.Repeat = repeat
	l.pushed(w.coin, w.lane.Push(parcel{ev: ev}, parcel{ev: ev}.size()))
}

// pushed counts an event that found no place in its lane.
func (l *link) pushed(c *Coin, out queue.Outcome) {
	if out == queue.Accepted {
		return
	}
	l.d.n.add(dropped)
	if out == queue.Overflowed {
		l.d.log.Warn("queue overflowed: events are dropped until it has run empty", "wallet", walletOf(c))
	}
}

// pushForeign takes an update of a wallet that nobody added. Nothing is kept
// for it: not even what would tell a repeat.
func (l *link) pushForeign(key string, u wire.Update, now time.Time) {
	if !l.d.allWallets {
		l.d.n.add(foreign)
		return
	}
	if u.Event == "" {
		l.garbage("update without an event name")
		return
	}
	coin := newCoin(l.d, foreignWallet(key, l.d.cur), l.chain.coin.manager)
	ev := l.event(u, coin, key, SourceWebsocket, now)
	l.pushed(coin, l.queue.PushKeyed(key, parcel{ev: ev}, parcel{ev: ev}.size()))
}

// foreignWallet is the wallet that a key names: a contract stands behind the
// last "_", which no xpub, address or seed holds.
func foreignWallet(key string, cur *currency) Wallet {
	if xpub, contract, ok := strings.Cut(key, "_"); ok && cur.tokens {
		return Wallet{Xpub: xpub, Contract: contract}
	}
	return Wallet{Xpub: key}
}

func (l *link) event(u wire.Update, c *Coin, key string, src Source, now time.Time) *Event {
	l.d.n.add(received)
	l.d.n.lastEvent.Store(now.UnixNano())
	ev := newEvent(u.Event, u.Raw)
	ev.Currency, ev.Wallet, ev.Coin, ev.Source, ev.Received = l.d.cur.Symbol, key, c, src, now
	return ev
}

// handle hands one parcel over, on a worker.
func (l *link) handle(p parcel, attempt int) (retry time.Duration, again bool) {
	if l.s.pull != nil {
		// One that the consumer did not take in time is left over, not done.
		return 0, !l.s.pull(l.work, p)
	}
	ev := p.ev.attempt(attempt)
	err := ev.Coin.disp.dispatch(l.work, ev)
	if err == nil {
		return 0, false
	}
	var wanted *retryError
	if errors.As(err, &wanted) {
		if wanted.after > 0 {
			return wanted.after, true
		}
		return retryPause(l.cfg, attempt), true
	}
	l.d.log.Error("handler failed", "event", ev.Name, "wallet", walletName(ev.Wallet), "error", ev.redact(err))
	if hook := l.d.hooks.OnHandlerError; hook != nil {
		failed := err.(*HandlerError)
		l.hooks.post(hookCall{run: func(ctx context.Context) { hook(ctx, failed) }})
	}
	return 0, false
}

// dry is told that an overflowed lane has handed over what it had. What was
// dropped since is not in the queue any more: that is a gap.
func (l *link) dry(lane *queue.Lane[parcel]) {
	g := Gap{Since: time.Now(), Reason: GapOverflow, ChainWide: lane == l.chain.lane}
	if w := l.watchOf(lane); w != nil {
		g.Coin = w.coin
	}
	l.gap(g)
	lane.Reopen()
}

func (l *link) watchOf(lane *queue.Lane[parcel]) *watch {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.watches {
		if w.lane == lane {
			return w
		}
	}
	return nil
}

// gap reports that events may be missing.
func (l *link) gap(g Gap) {
	g.Currency = l.d.cur.Symbol
	l.d.n.add(gaps)
	l.d.log.Warn("events may be missing", "wallet", walletOf(g.Coin), "reason", g.Reason.String(), "since", g.Since)
	if l.s.pull != nil {
		lane := l.chain.lane
		if g.Coin != nil {
			if w := l.lookup(g.Coin.key); w != nil {
				lane = w.lane
			}
		}
		lane.Push(parcel{gap: &g}, parcelOverhead)
	}
	if hook := l.d.hooks.OnGap; hook != nil {
		l.hooks.post(hookCall{gap: true, run: func(ctx context.Context) { hook(ctx, g) }})
	}
}

func walletOf(c *Coin) string {
	if c == nil {
		return "every wallet"
	}
	return walletName(c.key)
}

// watchSlowHandlers tells OnSlowHandler of handlers that run for long. The
// function it returns ends and waits for its goroutine.
func (l *link) watchSlowHandlers(ctx context.Context) (stop func()) {
	hook := l.d.hooks.OnSlowHandler
	if hook == nil || l.s.pull != nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // during the drain as well
	var done sync.WaitGroup
	done.Go(func() {
		told := map[*Event]bool{}
		for pause(ctx, l.cfg.SlowHandler/2) {
			still := map[*Event]bool{}
			l.queue.Running(func(p parcel, since time.Time) {
				running := time.Since(since)
				if running < l.cfg.SlowHandler {
					return
				}
				still[p.ev] = true
				if !told[p.ev] {
					ev := p.ev
					l.hooks.post(hookCall{run: func(ctx context.Context) { hook(ctx, ev, running) }})
				}
			})
			told = still
		}
	})
	return func() { cancel(); done.Wait() }
}

// addTo fills in what only a running link knows.
func (l *link) addTo(s *Stats) {
	load := l.queue.Counts()
	s.Queued, s.QueuedBytes, s.Running = load.Queued, load.Bytes, load.Running
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Connected, s.Recovering, s.Since = l.connected, l.pass, l.since
	s.Armed, s.Unarmed = l.armed, len(l.watches)-l.armed
	if l.lastFrame != nil {
		s.LastFrame = l.lastFrame()
	}
}
