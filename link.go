package bitcart

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bitcart-go/bitcart/internal/jitter"
	"github.com/bitcart-go/bitcart/internal/queue"
	"github.com/bitcart-go/bitcart/internal/replay"
	"github.com/bitcart-go/bitcart/internal/wsconn"
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
	first  bool // it was there when the stream began, which may end if its first attempt to connect fails
	single bool

	inbox inbox // the reader's

	queue   *queue.Set[parcel]
	nowhere *queue.Lane[parcel] // takes nothing in
	starts  *queue.Lane[parcel] // of the pull form: what comes before every wallet's first events
	hooks   *hookRunner
	chain   *watch

	work       context.Context // of handlers, hooks and get_updates: cancelled when the drain's time is over
	cut        context.CancelFunc
	drainOnce  sync.Once
	drainTimer *time.Timer

	mu         jitter.Mutex // guards what follows; taken after hist, with no user code inside
	watches    map[string]*watch
	retired    map[string]*queue.Lane[parcel] // of removed wallets whose handler still runs
	connected  bool
	recovering bool      // some wallets have not been tried since the connect
	since      time.Time // when the connection was made, or lost
	lastFrame  func() time.Time
	poller     *poller // nil for a websocket
	armed      int

	over   atomic.Bool             // its transport has ended, although ctx has not
	socket atomic.Pointer[opening] // the last connection; nil before the first, and for a poller
	// Grows when the connection is made or lost, and when a poller finds the daemon
	// restarted: a wallet is armed if it was loaded in the present epoch.
	epoch   atomic.Uint64
	fail    context.CancelCauseFunc // ends the transport with an error
	started time.Time

	// hist guards what was seen of the daemon's sequences, and makes a push and
	// its note in the history one step. Taken before mu.
	hist     jitter.Mutex
	recovery *recovery // of a websocket

	gapsWaiting waitingGaps  // in the lanes, in the pull form
	callsCut    atomic.Int64 // get_updates calls that the drain's end cut off

	together  replay.History                  // of a Coin's own stream, where wallet and chain are one sequence
	repeats   struct{ own, chain replay.Log } // what tells repeats there
	chainLog  replay.ChainHistory             // of a manager's: the chain's
	aside     aside                           // of the chain's, until its lane is refilled
	chainHold uint64                          // grows with each hold of the chain, which only an answer that was asked for during it ends
}

// parcel is what waits in a lane: an *Event or, in the pull form, a *Gap.
type parcel interface {
	size() int // that it counts for in its queue
}

// parcelOverhead is what an event costs beside its bytes.
const parcelOverhead = 256

func (e *Event) size() int { return len(e.body.Text) + parcelOverhead }

func (g *Gap) size() int { return parcelOverhead }

// watch is what a link keeps for one wallet, or for the chain.
type watch struct {
	link *link
	coin *Coin
	lane *queue.Lane[parcel]

	armedIn atomic.Uint64 // the epoch in which the daemon loaded the wallet; 0 = never
	gone    atomic.Bool   // the wallet was removed, and may have come back as another watch; set under link.mu

	// What follows is guarded by link.hist. There may be very many watches: the
	// small fields stand together.
	read      bool          // its queue has been read
	sure      bool          // as far as is known, the daemon has watched it ever since
	excused   bool          // a gap was reported since the connect, so that it is not sure needs no other
	deferred  bool          // its lane was full at the connect: it is refilled when it has run dry
	held      bool          // its lane is held
	refilling bool          // its lane was reopened after an overflow, and no answer has come since
	unqueued  bool          // the chain's were dropped when the daemon may not have loaded it
	begins    bool          // the last gap that was reported was a GapStart
	seen      replay.Wallet // a manager's wallets
	droppedAt time.Time     // since when what its lane has dropped was sent, once it has overflowed; zero = it has not
	// The last update that was dropped; 0 = none since the lane was reopened.
	lastDropped replay.Fingerprint
	episode     uint32 // counts what may have interrupted its events
	gapIn       uint32 // the episode whose gap was reported
	connect     uint32 // counts the connects
	// The connect after which something may have been lost that the next answer
	// does not show: a call of get_updates may have emptied the queue although its
	// answer never came, the wallet may have been loaded late, or an answer lacked
	// an update after the gap had been reported. 0 = none.
	unreadIn uint32
	// When a call had emptied the queue whose answer never came, in time since the
	// link was made. 0 = none did.
	emptied time.Duration
	missing time.Time          // since when updates may be missing that no gap was reported for; zero = none since the last answer
	turn    uint32             // grows each time its lane is held or opened; see the type turn
	begun   uint32             // the turn that began with the connect
	awaited replay.Fingerprint // the dropped update that a refill expects; 0 = none, or an answer has brought it
	drained *drained           // what its queue has told and its history has not; nil = nothing
}

func newLink(s *stream, p *linkPlan, first bool) *link {
	l := &link{s: s, d: p.d, cfg: p.d.stream, first: first, single: p.single}
	l.started = time.Now()
	l.since = l.started
	l.work, l.cut = context.WithCancel(s.values)
	l.inbox.size = inboxSize(l.cfg)
	l.queue = queue.New(queue.Config[parcel]{
		Workers: l.cfg.Workers, PerLane: l.cfg.QueuePerWallet,
		LaneBytes: l.cfg.QueueBytes / 8, Bytes: l.cfg.QueueBytes,
		Arrival: s.pull != nil,
		Timed:   l.asksForSlowHandlers(),
		Since:   l.sentAfter,
		Handle:  l.handle,
		Dry:     l.dry,
	})
	l.nowhere = l.queue.NewLane()
	l.nowhere.Remove()
	l.starts = l.queue.NewLane()
	l.hooks = newHookRunner(l.work, l.d.log, l.cfg.QueueBytes, func(since time.Time) {
		l.gap(Gap{Since: since, Reason: GapUnknown, ChainWide: true})
	})
	l.watches = make(map[string]*watch, len(p.coins))
	l.chain = &watch{link: l, coin: p.chain, lane: l.queue.NewLane()}
	for _, c := range p.coins {
		l.watchCoin(c)
	}
	l.recovery = newRecovery(l)
	l.d.n.live.Store(l)
	return l
}

// watchCoin puts a wallet among those that the link serves. mu is held, or the
// link is new.
func (l *link) watchCoin(c *Coin) *watch {
	w := &watch{link: l, coin: c}
	stranger := l.queue.Adopt(c.key) // with WithAllWallets
	switch old := l.retired[c.key]; {
	case l.single:
		w.lane = l.chain.lane
	case stranger != nil:
		w.lane = stranger
	case old != nil && old.Revive():
		w.lane = old
	default:
		w.lane = l.queue.NewNamed(c.key)
	}
	delete(l.retired, c.key)
	l.watches[c.key] = w
	c.watched.Store(w)
	return w
}

// watchLate serves another wallet of a running stream. live reports that it
// joins a connected websocket, whose pass does not know it. Its events wait from
// the first one on then: what its queue holds goes before them.
func (l *link) watchLate(c *Coin) (w *watch, live bool) {
	l.hist.Lock()
	defer l.hist.Unlock()
	l.mu.Lock()
	w = l.watchCoin(c)
	switch {
	case l.poller != nil:
		l.poller.add(w)
	default:
		live = l.recovery.current() != nil
		w.missing = time.Now()
	}
	l.mu.Unlock()
	if live && !l.recovery.over {
		l.hold(w)
	}
	return w, live
}

// removeCoin drops what waits for a wallet; a handler that runs finishes.
func (l *link) removeCoin(c *Coin) {
	l.hist.Lock() // nothing is pushed meanwhile
	defer l.hist.Unlock()
	l.mu.Lock()
	w := l.watches[c.key]
	if w == nil || w.coin != c {
		l.mu.Unlock()
		return
	}
	delete(l.watches, c.key)
	w.gone.Store(true)
	if l.isArmed(w) {
		l.armed--
	}
	gapsLost := 0
	events := w.lane.RemoveFunc(func(p parcel) {
		if _, isGap := p.(*Gap); isGap {
			gapsLost++
		}
	})
	l.d.n.addN(dropped, events-gapsLost)
	l.retire(w)
	l.mu.Unlock()
	c.watched.CompareAndSwap(w, nil)
	l.gapsLeave(gapsLost)
}

// retire keeps the lane of a removed wallet while a handler is inside: should
// the wallet come back meanwhile, its events wait for that handler. mu is held.
func (l *link) retire(w *watch) {
	for key, lane := range l.retired {
		if !lane.Busy() {
			delete(l.retired, key)
		}
	}
	if l.d.allWallets {
		w.lane.Name(w.coin.key)
		return
	}
	if w.lane.Busy() {
		if l.retired == nil {
			l.retired = make(map[string]*queue.Lane[parcel])
		}
		l.retired[w.coin.key] = w.lane
	}
}

// run serves the link until ctx ends or the transport cannot go on, and drains it.
func (l *link) run(ctx context.Context) error {
	defer l.d.n.live.CompareAndSwap(l, nil)
	defer l.unwatch()
	stop := context.AfterFunc(ctx, l.beginDrain)
	defer stop()
	slow := l.watchSlowHandlers(ctx)
	err := l.s.transport(ctx, l)
	l.setConnected(false)
	if ctx.Err() == nil {
		l.giveUp()
	}
	l.beginDrain() // the transport may have ended by itself
	drained := l.drain()
	slow()
	l.d.closeIdle()
	return errors.Join(err, drained)
}

// giveUp wakes those who wait for a wallet to be armed: this stream arms none
// any more.
func (l *link) giveUp() {
	l.over.Store(true)
	for _, w := range l.allWatches() {
		w.coin.armed.broadcast()
	}
}

func (l *link) unwatch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.watches {
		w.coin.watched.CompareAndSwap(w, nil)
	}
}

func (l *link) lookup(key string) *watch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.watches[key]
}

// lookupBytes is lookup without a copy of the key.
func (l *link) lookupBytes(key []byte) *watch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.watches[string(key)]
}

// allWatches is a snapshot.
func (l *link) allWatches() []*watch {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*watch, 0, len(l.watches))
	for _, w := range l.watches {
		list = append(list, w)
	}
	return list
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

// disarm notes that the daemon has forgotten the wallets, although it can be reached.
func (l *link) disarm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch.Add(1)
	l.armed = 0
}

// reportLoss tells that the daemon is not connected.
func (l *link) reportLoss(err error, retryIn time.Duration) {
	l.warn("not connected", "url", l.d.name(), "error", err, "retry_in", retryIn)
	if hook := l.d.hooks.OnDisconnect; hook != nil {
		info := DisconnectInfo{Currency: l.d.cur.Symbol, Err: err, RetryIn: retryIn}
		l.hooks.post(hookCall{run: func(ctx context.Context) { hook(ctx, info) }})
	}
}

// overflowed notes that a lane drops from now on, first an update that was sent
// after that time: whatever gap was reported before does not stand for it. hist is
// held.
func (l *link) overflowed(w *watch, sent time.Time) {
	l.full(w, sent)
	switch {
	case l.single:
		l.together.Drop()
		for _, w := range l.allWatches() { // the one, if any
			w.episode++
			w.lacks(sent)
		}
	case w == l.chain:
		l.chainLog.Drop()
	default:
		w.seen.Drop(&l.chainLog)
		w.episode++
		w.lacks(sent)
	}
}

// opening is a connection and when its dial began.
type opening struct {
	conn    *wsconn.Conn
	dialled time.Time
}

// sentAfter is a time before the daemon sent what has just been read: only a pong
// says how far the daemon has been read.
func (l *link) sentAfter() time.Time {
	o := l.socket.Load()
	if o == nil {
		return time.Now()
	}
	if t := o.conn.ReadUpTo(); !t.IsZero() {
		return t
	}
	return o.dialled
}

// laneOwner is the watch that keeps what is known of an overflow of w's lane. On
// a Coin's own stream wallet and chain share one lane, and it is the chain's.
func (l *link) laneOwner(w *watch) *watch {
	if l.single {
		return l.chain
	}
	return w
}

// isPolling reports whether a poller feeds the link, and no websocket.
func (l *link) isPolling() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.poller != nil
}

// note adds a live update to the history and reports whether it is a repeat.
// hist is held.
func (l *link) note(w *watch, it replay.Item) (repeat bool) {
	switch {
	case l.single:
		l.together.Add(it)
		return l.repeatsOf(w).Add(it.Bytes)
	case w == l.chain:
		return l.chainLog.Add(it)
	}
	return w.seen.Add(it)
}

// repeatsOf is what tells repeats on a Coin's own stream.
func (l *link) repeatsOf(w *watch) *replay.Log {
	if w == l.chain {
		return &l.repeats.chain
	}
	return &l.repeats.own
}

// holdHistory notes that updates may be missed from here on. hist is held.
func (l *link) holdHistory(w *watch) {
	switch {
	case l.single:
		l.together.Hold()
	case w == l.chain:
		l.chainLog.Hold()
	default:
		w.seen.Hold(&l.chainLog)
	}
}

// releaseHistory notes that no answer is expected to bring what was missed.
// hist is held.
func (l *link) releaseHistory(w *watch) {
	switch {
	case l.single:
		l.together.Release()
	case w == l.chain:
		l.chainLog.Release()
	default:
		w.seen.Release(&l.chainLog)
	}
}

// addTo fills in what only a running link knows.
func (l *link) addTo(s *Stats) {
	load := l.queue.Counts()
	s.Queued = max(0, load.Queued-l.gapsWaiting.count())
	s.QueuedBytes, s.Running = int(load.Bytes), load.Running
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Connected, s.Recovering, s.Since = l.connected, l.recovering, l.since
	s.Armed, s.Unarmed = l.armed, len(l.watches)-l.armed
	if l.lastFrame != nil {
		s.LastFrame = l.lastFrame()
	}
}
