package bitcart

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bitcart-go/bitcart/internal/queue"
	"github.com/bitcart-go/bitcart/internal/replay"
	"github.com/bitcart-go/bitcart/internal/wire"
	"github.com/bitcart-go/bitcart/internal/wsconn"
)

const (
	recoverCalls    = 8                // wallets that are recovered at once
	recoverPatience = 30 * time.Second // after which a wallet's live events wait no longer for its answer
)

// recovery makes the wallets of a link ready after every connect: it asks
// whether the daemon was restarted, loads each wallet, reads its queue, and puts
// what was missed before the live events that wait since the connect. It lives
// as long as the link; a connect begins a new pass over all wallets.
type recovery struct {
	l      *link
	tasks  agenda[recoverTask]
	passes sync.WaitGroup // beginnings of passes under way

	mu       sync.Mutex // guards what follows; a leaf
	pass     *pass      // of the present connection; nil without one
	dialing  bool
	changed  signal    // of pass and dialing
	queueCap int       // what the daemon's queue holds, as far as is known
	doubt    bool      // a queue lacked what it should have held: it may be switched off
	heldAt   time.Time // since when live events wait for a pass to end; zero = none does
}

// pass is what one connect has brought.
type pass struct {
	conn  *wsconn.Conn
	epoch uint64
	info  ConnectInfo
	ctx   context.Context // of the connection
	end   context.CancelFunc
	read  chan struct{} // closed when everything that the connection brought has been read
	since time.Time     // from when on updates may be missing

	wallets   int
	first     bool
	common    bool // a gap for every wallet was reported
	left      atomic.Int64
	complete  atomic.Bool // every wallet was tried
	recovered atomic.Int64
	gaps      atomic.Int64
	proven    atomic.Bool // what the chain brought is known
}

type recoverTask struct {
	w        *watch
	epoch    uint64
	attempts int
	loaded   bool
	share    *sync.Once // of the end of the pass; nil = it does not count for it
	forChain *sync.Once // it refills the chain's lane, which is opened once; nil = it does not
	putOff   time.Time  // since when it waits for a call of an earlier connection
}

// queueCap is what a daemon's queue holds as far as is known at first.
func queueCap(c StreamConfig) int {
	if c.DequeCap > 0 {
		return c.DequeCap
	}
	return replay.QueueSize
}

func newRecovery(l *link) *recovery {
	return &recovery{l: l, queueCap: queueCap(l.cfg)}
}

// run recovers wallets until ctx ends, and waits for those under way.
func (r *recovery) run(ctx context.Context) {
	r.tasks.run(ctx, recoverCalls, recoverPatience, r.recover)
}

func (r *recovery) setPass(p *pass) {
	r.mu.Lock()
	r.pass, r.dialing = p, false
	if r.heldAt.IsZero() {
		r.heldAt = time.Now()
	}
	r.mu.Unlock()
	r.changed.broadcast()
}

func (r *recovery) setDialing(on bool) {
	r.mu.Lock()
	r.dialing = on
	r.mu.Unlock()
	r.changed.broadcast()
}

// begin starts the pass of a new connection, before its first frame is read.
func (r *recovery) begin(p *pass, ws []*watch) {
	l := r.l
	l.hist.Lock()
	for _, w := range ws {
		w.episode++
		w.missing = p.since
		l.holdHistory(w)
		// A lane that is full takes nothing more until it has run dry, and is
		// refilled then: reconnects must not pile up more and more in it.
		if w.deferred = w.lane.Overflow(); !w.deferred {
			w.lane.Hold()
		}
	}
	l.chainHold++
	if !l.single {
		l.chainLog.Hold() // after the wallets, which note their places in it
		if !l.chain.lane.Overflow() {
			l.chain.lane.Hold()
		}
	} else if len(ws) == 0 {
		l.together.Hold()
		l.chain.lane.Hold()
	}
	l.hist.Unlock()
}

// end ends the pass: all that the connection brought has been read.
func (r *recovery) end(p *pass) {
	p.end()
	close(p.read)
	r.mu.Lock()
	r.pass = nil
	r.mu.Unlock()
	r.changed.broadcast()
}

func (r *recovery) current() *pass {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pass
}

// start asks for the restart witness and puts the wallets down for recovery.
func (r *recovery) start(p *pass, ws []*watch) {
	r.passes.Go(func() {
		r.witness(p, ws)
		if p.ctx.Err() != nil {
			return
		}
		if len(ws) == 0 {
			r.passed(p)
			return
		}
		r.load(p, ws)
	})
}

// witness reports the gaps that concern every wallet.
func (r *recovery) witness(p *pass, ws []*watch) {
	l := r.l
	gap := Gap{Since: p.since, ChainWide: true}
	watched := r.watched(ws)
	switch {
	case p.first:
		gap.Reason = GapStart
	case l.cfg.DequeCap < 0, l.d.allWallets, len(watched) == 0:
		gap.Reason = GapUnknown
	default:
		restarted, err := l.restarted(p.ctx, watched)
		if p.ctx.Err() != nil || err == nil && !restarted {
			return
		}
		gap.Reason = GapUnknown // nobody can tell whether it was restarted
		if restarted {
			gap.Reason = GapRestart
		}
		r.forget(ws, restarted)
	}
	p.common = true
	p.gaps.Add(1)
	l.hist.Lock()
	for _, w := range ws {
		w.gapIn = w.episode // each wallet's gap is this one
	}
	l.hist.Unlock()
	l.gap(gap)
}

// watched are the wallets that the daemon should still have loaded.
func (r *recovery) watched(ws []*watch) []*watch {
	r.l.hist.Lock()
	defer r.l.hist.Unlock()
	var sure []*watch
	for _, w := range ws {
		if w.sure {
			sure = append(sure, w)
		}
	}
	return sure
}

// forget: nothing proves that the daemon has watched the wallets; restarted
// says that its queues began anew.
func (r *recovery) forget(ws []*watch, restarted bool) {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	for _, w := range ws {
		w.sure = false
		if restarted {
			w.seen.Forget()
		}
	}
	if restarted {
		l.together.Forget()
		l.chainLog.Forget()
	}
}

// load puts the wallets down, many at once where the daemon can load so.
func (r *recovery) load(p *pass, ws []*watch) {
	p.left.Store(int64(len(ws)))
	task := func(w *watch, loaded bool) {
		r.tasks.add(recoverTask{w: w, epoch: p.epoch, loaded: loaded, share: new(sync.Once)}, time.Time{})
	}
	if !r.l.d.cur.dialect.batchLoad || r.l.single || len(ws) < 2 {
		for _, w := range ws {
			task(w, false)
		}
		return
	}
	for size := firstBatch; len(ws) > 0 && p.ctx.Err() == nil; {
		batch := ws[:min(size, len(ws))]
		ws = ws[len(batch):]
		began := time.Now()
		err := r.l.loadBatch(p.ctx, batch)
		if err != nil {
			r.l.d.log.Warn("batch_load failed, loading one by one", "wallets", len(batch), "error", err)
		}
		for _, w := range batch {
			task(w, err == nil)
		}
		switch took := time.Since(began); {
		case took < batchTime/2:
			size = min(2*size, mostBatch)
		case took > 2*batchTime:
			size = max(size/2, 1)
		}
	}
}

// join recovers a wallet that was added while the stream runs: what came
// before is not known.
func (r *recovery) join(w *watch) {
	l := r.l
	l.hist.Lock()
	w.episode++
	w.gapIn, w.missing = w.episode, time.Now()
	l.holdHistory(w)
	w.lane.Hold()
	l.hist.Unlock()
	l.gap(Gap{Coin: w.coin, Since: time.Now(), Reason: GapStart})
	r.tasks.add(recoverTask{w: w, epoch: l.epoch.Load()}, time.Time{})
}

// recover makes one wallet ready.
func (r *recovery) recover(t recoverTask) {
	p := r.current()
	if p == nil || p.epoch != t.epoch {
		return // of a connection that has ended
	}
	if r.l.lookup(t.w.coin.key) != t.w { // it was removed
		if t.forChain != nil && !r.refill(r.l.chain) {
			r.chainRefilled(p, t, false)
		}
		r.leave(p, t)
		return
	}
	if r.ready(p, &t) {
		r.leave(p, t)
	}
}

// leave counts a wallet's part of the pass as done, once.
func (r *recovery) leave(p *pass, t recoverTask) {
	if t.share == nil {
		return
	}
	t.share.Do(func() {
		if p.left.Add(-1) == 0 {
			r.passed(p)
		}
	})
}

// ready reports false when the task was put off.
func (r *recovery) ready(p *pass, t *recoverTask) (done bool) {
	if !t.loaded {
		t.attempts++
		err := t.w.coin.load(p.ctx)
		if p.ctx.Err() != nil {
			return false
		}
		if err != nil {
			r.notLoaded(p, *t, err)
			return true
		}
	}
	if r.l.setArmed(t.w) {
		r.l.armTried(ArmInfo{Coin: t.w.coin, Attempts: max(t.attempts, 1)})
	}
	if r.l.cfg.DequeCap < 0 {
		r.release(p, t.w, false)
		return true
	}
	if r.isDeferred(t.w) {
		if t.forChain != nil {
			r.chainRefilled(p, *t, false)
		}
		return true
	}
	if !t.w.asking.CompareAndSwap(false, true) {
		return r.postpone(p, *t)
	}
	defer t.w.asking.Store(false)
	r.dequeue(p, *t)
	return true
}

func (r *recovery) isDeferred(w *watch) bool {
	r.l.hist.Lock()
	defer r.l.hist.Unlock()
	return w.deferred
}

// postpone waits for a call of an earlier connection that still reads the
// wallet's queue, but does not keep the wallet's live events for long.
func (r *recovery) postpone(p *pass, t recoverTask) (done bool) {
	t.loaded = true
	if t.putOff.IsZero() {
		t.putOff = time.Now()
	}
	if time.Since(t.putOff) > recoverPatience {
		r.giveUp(p, t)
		t.putOff = time.Now()
	}
	r.tasks.add(t, time.Now().Add(r.l.cfg.BackoffMin/2))
	return false
}

// giveUp waits no longer for a wallet's answer: neither its live events nor
// the chain's, nor the end of the pass.
func (r *recovery) giveUp(p *pass, t recoverTask) {
	r.release(p, t.w, true)
	if t.forChain != nil {
		r.chainRefilled(p, t, false)
	}
	r.leave(p, t)
}

// chainRefilled opens the chain's lane after an overflow, once.
func (r *recovery) chainRefilled(p *pass, t recoverTask, proven bool) {
	t.forChain.Do(func() {
		if !proven {
			p.gaps.Add(1)
			r.l.gap(Gap{ChainWide: true, Since: r.l.droppedSince(r.l.chain), Reason: GapOverflow})
		}
		r.l.hist.Lock()
		defer r.l.hist.Unlock()
		r.openChain()
	})
}

// notLoaded gives a wallet's live events free and tries again later.
func (r *recovery) notLoaded(p *pass, t recoverTask, err error) {
	r.release(p, t.w, true)
	retryIn := retryPause(r.l.cfg, t.attempts)
	r.tasks.add(recoverTask{w: t.w, epoch: t.epoch, attempts: t.attempts}, time.Now().Add(retryIn))
	r.l.armTried(ArmInfo{Coin: t.w.coin, Err: err, Attempts: t.attempts, RetryIn: retryIn})
}

// dequeue reads the wallet's queue and hands over what was missed. The call is
// bounded by the drain alone: one that is cut off has emptied the queue.
func (r *recovery) dequeue(p *pass, t recoverTask) {
	w := t.w
	gaveUp := make(chan struct{})
	late := time.AfterFunc(recoverPatience, func() {
		defer close(gaveUp)
		r.giveUp(p, t)
	})
	r.l.hold(w) // again, if this is a later try
	r.l.hist.Lock()
	hold := r.l.chainHold
	r.l.hist.Unlock()
	updates, err := r.l.getUpdates(w.coin)
	if err == nil {
		r.barrier()
	}
	if !late.Stop() {
		<-gaveUp
		if err == nil {
			r.l.hold(w)
		}
	}
	chainProven := false
	if err != nil {
		r.release(p, w, true)
		r.l.d.log.Warn("the daemon's queue could not be read", "wallet", walletName(w.coin.key), "error", err)
	} else {
		chainProven = r.merge(p, w, updates, hold)
	}
	if t.forChain != nil {
		r.chainRefilled(p, t, chainProven)
	}
}

// barrier waits until every frame that the daemon had written before now has
// been read: it writes a frame before it appends the update to the queue.
func (r *recovery) barrier() {
	for {
		changed := r.changed.next()
		r.mu.Lock()
		p, dialing := r.pass, r.dialing
		r.mu.Unlock()
		switch {
		case p != nil && p.conn.Ping(r.l.work) == nil:
			return
		case p != nil:
			select {
			case <-p.read:
			case <-r.l.work.Done():
				return
			}
		case !dialing:
			return // no connection: all that came has been read
		default:
			select {
			case <-changed:
			case <-r.l.work.Done():
				return
			}
		}
	}
}

// merge puts what the answer tells among the live events and opens the lane.
// hold is the chain's hold during which the answer was asked for.
func (r *recovery) merge(p *pass, w *watch, updates []wire.Update, hold uint64) (chainProven bool) {
	l := r.l
	answer := make([]replay.Item, len(updates))
	for i, u := range updates {
		answer[i] = replay.ItemOf(u.Event, u.Raw, chainWide(u.Event))
	}
	now := time.Now()
	l.hist.Lock()
	defer l.hist.Unlock()
	if current := l.lookup(w.coin.key); current != w {
		if current != nil {
			r.gapOf(p, current, GapUnknown) // removed and added again: the answer is lost to it
		}
		return false
	}
	backlog := l.s.cfg.noBacklog && !w.read
	var m replay.Merged
	if l.single {
		m = l.together.Merge(answer)
	} else {
		m = w.seen.Merge(&l.chainLog, answer)
	}
	chainProven = r.judge(p, w, m)
	w.read, w.sure = true, true
	if !backlog {
		w.lane.Insert(r.events(p, w, m.Own, updates, now))
	}
	if !l.s.cfg.noBacklog || !p.first {
		l.chain.lane.Insert(r.events(p, l.chain, m.Chain, updates, now))
	}
	w.lane.Release(nil, nil, nil)
	if hold == l.chainHold && (chainProven || p.common) {
		r.openChain()
	}
	return chainProven
}

// openChain hands over the chain-wide events that waited. hist is held.
func (r *recovery) openChain() {
	if !r.l.single {
		r.l.chainLog.Release()
	}
	r.l.chain.lane.Release(nil, nil, nil)
}

// judge reports a gap where nothing proves that the answer holds all that was
// missed, and tells whether it holds all of the chain's. hist is held.
func (r *recovery) judge(p *pass, w *watch, m replay.Merged) (chainProven bool) {
	r.mu.Lock()
	verdict := m.Continuity(false, r.queueCap)
	chain := m.OfChain.Continuity(false, r.queueCap)
	r.queueCap = max(r.queueCap, m.Items)
	switch {
	case m.Items > 0:
		r.doubt = false
	case m.Expected:
		r.doubt = true
	case r.doubt && verdict == replay.Proven:
		verdict = replay.Unknown // nobody's queue holds anything: it may be switched off
	}
	r.mu.Unlock()
	if !w.sure && verdict == replay.Proven {
		verdict = replay.Unknown // it may not have been watched
	}
	chainProven = w.sure && chain == replay.Proven
	if r.l.single {
		chainProven = verdict == replay.Proven
	}
	if r.l.single || chainProven || p.common {
		p.proven.Store(true)
	}
	switch {
	case verdict == replay.Proven:
	case verdict == replay.Overflowed:
		r.gapOf(p, w, GapOverflow)
	case !w.read:
		r.gapOf(p, w, GapStart)
	default:
		r.gapOf(p, w, GapUnknown)
	}
	return chainProven
}

// gapOf reports a wallet's gap, once for each episode. hist is held.
func (r *recovery) gapOf(p *pass, w *watch, reason GapReason) {
	if w.gapIn == w.episode {
		return
	}
	w.gapIn = w.episode
	p.gaps.Add(1)
	r.l.gap(Gap{Coin: w.coin, ChainWide: r.l.single || !p.proven.Load(), Since: w.missing, Reason: reason})
}

// events makes the events of what was missed.
func (r *recovery) events(p *pass, w *watch, missed []replay.Missed, updates []wire.Update, now time.Time) []queue.Placed[parcel] {
	list := make([]queue.Placed[parcel], 0, len(missed))
	for _, m := range missed {
		u := updates[m.Index]
		if u.Event == "" {
			r.l.garbage("update without an event name")
			continue
		}
		key, repeat := w.coin.key, m.Repeat
		owner := w
		if chainWide(u.Event) {
			key, owner = "", r.l.chain
		}
		if r.l.single {
			repeat = owner.last.Add(replay.Of(u.Raw))
		}
		ev := r.l.event(u, owner.coin, key, SourceRecovered, now)
		ev.Repeat = repeat
		r.l.d.n.add(recovered)
		p.recovered.Add(1)
		list = append(list, queue.Placed[parcel]{V: parcel{ev: ev}, Size: parcel{ev: ev}.size(), Before: m.Before})
	}
	return list
}

// release gives a wallet's live events free without an answer. failed reports
// that what was missed before them is not known.
func (r *recovery) release(p *pass, w *watch, failed bool) {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	if l.lookup(w.coin.key) != w {
		return // its lane may be another's by now
	}
	if failed {
		r.gapOf(p, w, GapUnknown)
	}
	if l.single {
		l.together.Release()
	} else {
		w.seen.Release(&l.chainLog)
	}
	w.lane.Release(nil, nil, nil)
}

// releaseAll hands over every live event that still waits.
func (r *recovery) releaseAll() {
	l := r.l
	l.mu.Lock()
	watches := make([]*watch, 0, len(l.watches))
	for _, w := range l.watches {
		watches = append(watches, w)
	}
	l.mu.Unlock()
	l.hist.Lock()
	defer l.hist.Unlock()
	for _, w := range watches {
		if l.single {
			l.together.Release()
		} else {
			w.seen.Release(&l.chainLog)
		}
		w.lane.Release(nil, nil, nil)
	}
	r.openChain()
}

// abandon hands over what has waited too long for a pass to end, when the next
// connection is tried after the time next.
func (r *recovery) abandon(since time.Time, next time.Duration) {
	r.mu.Lock()
	tooLong := !r.heldAt.IsZero() && time.Since(r.heldAt)+next > recoverPatience
	if tooLong {
		r.heldAt = time.Time{}
	}
	r.mu.Unlock()
	if !tooLong {
		return
	}
	r.l.gap(Gap{Since: since, ChainWide: true, Reason: GapUnknown})
	r.releaseAll()
}

// passed is called when every wallet was tried once after a connect.
func (r *recovery) passed(p *pass) {
	l := r.l
	p.complete.Store(true)
	r.mu.Lock()
	if r.pass == p {
		r.heldAt = time.Time{}
	}
	r.mu.Unlock()
	l.hist.Lock()
	if l.single && p.wallets == 0 {
		l.together.Release()
	}
	if r.current() == p {
		r.openChain()
	}
	l.hist.Unlock()
	if !p.proven.Load() && !p.common {
		p.gaps.Add(1)
		l.gap(Gap{ChainWide: true, Since: p.since, Reason: GapUnknown}) // no answer has shown all of the chain's
	}
	l.mu.Lock()
	if l.epoch.Load() == p.epoch {
		l.pass = false
	}
	info := p.info
	info.Armed, info.Unarmed = l.armed, len(l.watches)-l.armed
	l.mu.Unlock()
	info.Recovered, info.Gaps = int(p.recovered.Load()), int(p.gaps.Load())
	if hook := l.d.hooks.OnConnect; hook != nil {
		l.hooks.post(hookCall{run: func(ctx context.Context) { hook(ctx, info) }})
	}
	if callback := l.s.cfg.reconnected; callback != nil {
		l.hooks.post(hookCall{run: func(ctx context.Context) { l.callBack(ctx, callback) }})
	}
}

// refill recovers a lane that has overflowed and run dry from the daemon's
// queue: a wallet's own, or any armed wallet's for the chain. It reports false
// when there is none to ask.
func (r *recovery) refill(w *watch) bool {
	l := r.l
	p := r.current()
	if p == nil || l.cfg.DequeCap < 0 {
		return false
	}
	var forChain *sync.Once
	if w == l.chain {
		forChain = new(sync.Once)
		if w = l.anyArmed(); w == nil {
			return false
		}
	}
	l.hist.Lock()
	defer l.hist.Unlock()
	if r.current() != p {
		return false // a new connection is about to hold everything
	}
	w.episode++
	w.missing = w.droppedAt
	l.holdHistory(w)
	if forChain == nil || !w.deferred {
		w.lane.Hold()
	}
	if forChain != nil {
		w.missing = l.chain.droppedAt
		l.chainHold++
		l.chainLog.Hold()
		l.chain.lane.Hold()
		l.chain.lane.Reopen()
	} else {
		w.deferred = false
		w.lane.Reopen()
	}
	r.tasks.add(recoverTask{w: w, epoch: p.epoch, loaded: true, forChain: forChain}, time.Time{})
	return true
}

func (l *link) anyArmed() *watch {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.watches {
		if l.isArmed(w) {
			return w
		}
	}
	return nil
}

// getUpdates reads and empties a wallet's queue in the daemon. Only the drain's
// end cuts it off.
func (l *link) getUpdates(c *Coin) ([]wire.Update, error) {
	const method = "get_updates"
	params, err := encodeParams(nil, c.param())
	if err != nil {
		return nil, err
	}
	answer, err := l.d.callUnbounded(l.work, method, params, func() redactor {
		return secretsOf(c.wallet, c.key, method, nil)
	})
	if err != nil {
		if l.work.Err() != nil && errors.Is(err, ErrMaybeSent) {
			l.callsCut.Add(1) // the daemon empties the queue all the same
		}
		return nil, err
	}
	updates, err := wire.CutList(answer)
	if err != nil {
		return nil, &CallError{Method: method, MaybeSent: true, Err: &decodeError{errors.New("no list")}}
	}
	return updates, nil
}
