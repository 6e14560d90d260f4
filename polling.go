package bitcart

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/bitcart-go/bitcart/internal/jitter"
	"github.com/bitcart-go/bitcart/internal/replay"
)

const (
	defaultInterval = time.Second
	pollCalls       = 8                // get_updates calls at once for one daemon
	pollPatience    = 30 * time.Second // after which a call keeps no place from other wallets
)

// PollUpdates asks the daemon for the wallet's updates at an interval, which
// begins when the last answer has come (0 or less = 1 s), and delivers them to
// the handlers. It blocks until ctx ends, and all its goroutines have ended
// when it returns. It suits tests and a quick look; StartWebsocket receives
// events sooner and recovers what was missed during a lost connection. Without
// a wallet the error is ErrWalletRequired.
//
// Failures are logged, reported to OnDisconnect or OnArm, and followed by
// another attempt after growing pauses. Wrong credentials and HTTP status 404
// end it as long as the daemon has not been reached once. OnGap is called when
// an answer is as long as the daemon's queue, when a call failed after it may
// have emptied the queue, and when the daemon was restarted, for which
// PollUpdates asks the daemon at the interval how many wallets it has. Some
// things go unnoticed: updates that another reader of the queue took; a restart
// between two calls after which other clients have already loaded as many
// wallets as there were before; and, of a daemon whose getinfo does not come
// back, a restart between two calls that concerns diskless wallets only.
//
// get_updates empties the daemon's queue even if its caller has gone, so ctx
// does not cut a call off: when ctx ends, a call under way is waited for and
// its updates are delivered, all within DrainTimeout. For what is returned then
// see StartWebsocket.
func (c *Coin) PollUpdates(ctx context.Context, interval time.Duration) error {
	if err := c.ready(); err != nil {
		return err
	}
	if c.key == "" {
		return ErrWalletRequired
	}
	return c.runStream(ctx, &stream{transport: polling(interval)})
}

// polling is the transport of PollUpdates.
func polling(interval time.Duration) transport {
	if interval <= 0 {
		interval = defaultInterval
	}
	return func(ctx context.Context, l *link) error {
		ctx, end := context.WithCancelCause(ctx)
		defer end(nil)
		stop := context.AfterFunc(ctx, l.beginDrain) // bounds the calls under way
		defer stop()
		p := &poller{
			l: l, ctx: ctx, interval: interval, end: end, queueCap: queueCap(l.cfg), tried: l.started, witnessed: l.started,
		}
		return p.run(ctx)
	}
}

// poller asks for the updates of a link's wallets in turn.
type poller struct {
	l        *link
	ctx      context.Context // of the stream, or the poller's end
	interval time.Duration
	end      context.CancelCauseFunc // when the daemon cannot be used
	tasks    agenda[pollTask]
	restarts atomic.Uint32 // that were seen; written under link.hist
	readings readings

	resuming  jitter.Mutex // held while the daemon is asked whether it was restarted; nothing else is taken before it
	tried     time.Time    // when it last was; guarded by resuming
	witnessed time.Time    // when its answer last told; guarded by resuming
	total     int          // how many wallets it had then; 0 = that is not known; guarded by resuming
	mute      time.Time    // until when getinfo is not asked; guarded by resuming
	refusals  int          // of the daemon that is away to answer that; guarded by resuming
	again     time.Time    // when it is asked again after one; guarded by resuming

	// mu guards what follows. An answer's items are pushed under it, so that
	// chain-wide ones keep their order.
	mu       jitter.Mutex
	chain    replay.Chain
	queueCap int  // what the daemon's queue holds, as far as is known
	up       bool // the last call was answered
	served   bool // one was
	told     bool // the stream knows how the first call went
	failures int  // since the last answer
	downAt   time.Time
}

type pollTask struct {
	w        *watch
	at       replay.Position // what the wallet's queue has told of the chain
	failures int
	since    time.Time // its queue was last read
}

// errDaemonUnusable ends a poller; its cause is the stream's error.
type errDaemonUnusable struct{ error }

func (p *poller) run(ctx context.Context) error {
	l := p.l
	l.mu.Lock()
	for _, w := range l.watches {
		p.add(w)
	}
	idle := len(l.watches) == 0
	l.poller = p
	l.lastFrame = l.d.rpc.LastAnswer
	l.mu.Unlock()
	if idle {
		p.tellFirst(nil)
	}
	p.tasks.run(ctx, pollCalls, pollPatience, func(t pollTask, _ func()) { p.poll(t) })

	var unusable errDaemonUnusable
	if errors.As(context.Cause(ctx), &unusable) {
		return unusable.error
	}
	return nil
}

// add polls a wallet that came later.
func (p *poller) add(w *watch) { p.tasks.add(pollTask{w: w, since: time.Now()}, time.Time{}) }

// poll asks once for one wallet and puts it down for the next time.
func (p *poller) poll(t pollTask) {
	c := t.w.coin
	if t.w.gone.Load() { // it was removed
		if len(p.l.allWatches()) == 0 {
			p.tellFirst(nil)
		}
		return
	}
	if !p.readings.begin(c.key) { // it was removed and added again: the earlier call's answer goes first
		p.tasks.add(t, time.Now().Add(p.l.cfg.BackoffMin/2))
		return
	}
	defer p.readings.end(c.key)
	until := p.resume()
	if p.ctx.Err() != nil {
		return // it may have waited for long
	}
	if !until.IsZero() {
		p.tasks.add(t, until)
		return
	}
	asked, restarts := time.Now(), p.restarts.Load()
	answer, err := p.l.getUpdates(c)
	if err != nil {
		p.failed(t, err)
		return
	}
	p.answered()
	p.l.hist.Lock()
	watched := restarts == p.restarts.Load() // otherwise the answer may be of before
	t.w.sure, t.w.missing = watched, asked
	fresh := watched && p.l.setArmed(t.w)
	p.l.hist.Unlock()
	if fresh {
		p.l.armTried(ArmInfo{Coin: c, Attempts: t.failures + 1})
	}
	t.failures = 0
	t.at = p.push(t, answer)
	t.since = asked
	p.tasks.add(t, time.Now().Add(p.interval))
}

// resume asks, before a call names a wallet, whether the daemon has been
// restarted: when it was away, and otherwise at the interval, since a restart
// can be over before a call fails. until is before when no wallet may be named.
func (p *poller) resume() (until time.Time) {
	p.resuming.Lock()
	defer p.resuming.Unlock()
	p.mu.Lock()
	served, away, since := p.served, p.served && !p.up, p.downAt
	p.mu.Unlock()
	if !away {
		since = p.witnessed
	}
	if p.ctx.Err() != nil || !served || !away && time.Since(p.tried) < p.interval/2 {
		return until
	}
	now := time.Now()
	if away && now.Before(p.again) {
		return p.again // another wallet's poll has just told
	}
	restarted, err := p.restarted(away)
	if err != nil {
		if !tellsNothing(err) {
			return p.refused(err)
		}
		p.tried, p.refusals = now, 0
		if away { // nobody can tell
			p.l.gap(Gap{Since: p.unread(since), ChainWide: true, Reason: GapUnknown})
			p.answered()
		}
		return until
	}
	p.tried, p.witnessed, p.refusals = now, now, 0
	if restarted {
		since = p.unread(since)
		p.forget()
		p.l.gap(Gap{Since: since, ChainWide: true, Reason: GapRestart})
	}
	p.answered()
	return until
}

// refused notes that a daemon did not say whether it was restarted: no wallet
// asks again before the pause is over.
func (p *poller) refused(err error) (until time.Time) {
	if p.ctx.Err() != nil {
		return until
	}
	p.refusals++
	pause := retryPause(p.l.cfg, p.refusals)
	p.again = time.Now().Add(pause)
	p.down(err, pause)
	return p.again
}

// forget notes that the daemon has forgotten the wallets.
func (p *poller) forget() {
	l := p.l
	l.hist.Lock()
	defer l.hist.Unlock()
	p.restarts.Add(1)
	for _, w := range l.allWatches() {
		w.sure = false
	}
	l.disarm()
}

// unread is the earliest time from which on the daemon held what was not read,
// since at the latest: a restart takes the wallets' queues with it.
func (p *poller) unread(since time.Time) time.Time {
	watched := p.l.recovery.watched(p.l.allWatches())
	p.l.hist.Lock()
	defer p.l.hist.Unlock()
	for _, w := range watched {
		if w.missing.Before(since) {
			since = w.missing
		}
	}
	return since
}

// restarted asks the daemon. One that has been there has to be asked for no
// list as long as it has not fewer wallets than before.
func (p *poller) restarted(away bool) (bool, error) {
	l := p.l
	ctx, cancel := context.WithTimeout(p.ctx, l.d.patience) // it empties no queue
	defer cancel()
	ws := l.allWatches()
	watched := l.recovery.watched(ws) // before the question: the polls of others go on
	info, mute, err := p.info(ctx)
	if err != nil {
		return false, err
	}
	if mute {
		return p.restartedByList(ctx, watched)
	}
	total := 0
	if info.TotalWallets != nil {
		total = *info.TotalWallets
	}
	if !away && p.total > 0 && total >= max(p.total, len(watched)) {
		p.total = total
		return false, nil
	}
	restarted, err := l.restartedBy(ctx, info, watched, len(ws))
	if err == nil {
		p.total = total
	}
	return restarted, err
}

// restartedByList is restarted where getinfo does not answer: the daemon's list
// of wallets tells, or at least that the daemon is there.
func (p *poller) restartedByList(ctx context.Context, watched []*watch) (bool, error) {
	p.total = 0
	restarted, err := p.l.forgotten(ctx, watched)
	switch {
	case err != nil && !tellsNothing(err):
		p.mute = time.Time{} // it is the daemon that does not answer
	case err == nil && !restarted && !allListed(watched):
		err = errNoWitness
	}
	return restarted, err
}

// muteTime is how long getinfo is left alone when it has not come back.
const muteTime = 10 * time.Minute

// info asks getinfo for half of ctx's time, since a node can hold that up alone.
// mute reports that it does not answer.
func (p *poller) info(ctx context.Context) (info daemonInfo, mute bool, err error) {
	if time.Now().Before(p.mute) {
		return info, true, nil
	}
	short, cancel := context.WithTimeout(ctx, p.l.d.patience/2)
	defer cancel()
	info, err = p.l.info(short)
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		p.mute = time.Now().Add(muteTime)
		return info, true, nil
	}
	return info, false, err
}

// push puts an answer's items into their lanes: chain-wide ones sit in the
// queue of every wallet and are taken from the first that tells them.
func (p *poller) push(t pollTask, answer dequeued) replay.Position {
	p.mu.Lock()
	defer p.mu.Unlock()
	if answer.size >= p.queueCap {
		p.l.gap(Gap{Coin: t.w.coin, Since: t.since, Reason: GapOverflow, ChainWide: true})
		p.queueCap = answer.size
	}
	var chain []replay.Fingerprint
	for _, u := range answer.updates {
		if chainWide(u.Event) {
			chain = append(chain, replay.Of(u.Text))
		}
	}
	fresh, after := p.chain.Merge(t.at, chain)
	w := t.w
	if current := p.l.lookup(w.coin.key); current != nil {
		w = current // it was removed and added again meanwhile
	}
	now := time.Now()
	for _, u := range answer.updates {
		if !chainWide(u.Event) {
			p.l.push(w, w.coin.key, &u, SourcePoll, now, t.since)
			continue
		}
		if fresh[0] {
			p.l.push(p.l.chain, "", &u, SourcePoll, now, t.since)
		}
		fresh = fresh[1:]
	}
	return after
}

// failed reports a call that brought nothing and tries again later.
func (p *poller) failed(t pollTask, err error) {
	l := p.l
	t.failures++
	retryIn := retryPause(l.cfg, t.failures)
	if errors.Is(err, ErrMaybeSent) {
		l.gap(Gap{Coin: t.w.coin, Since: t.since, Reason: GapUnknown, ChainWide: true})
	}
	var answered *RPCError
	if errors.As(err, &answered) && !errors.Is(err, ErrUnauthorized) {
		p.answered()
		l.armTried(ArmInfo{Coin: t.w.coin, Err: err, Attempts: t.failures, RetryIn: retryIn})
		p.tasks.add(t, time.Now().Add(retryIn))
		return
	}
	if !p.down(err, retryIn) {
		p.tasks.add(t, time.Now().Add(retryIn))
	}
}

// down notes that the daemon cannot be reached. It reports whether that is final.
func (p *poller) down(err error, retryIn time.Duration) (final bool) {
	p.mu.Lock()
	p.failures++
	first := p.up || p.failures == 1
	if first {
		p.downAt = time.Now()
	}
	p.up = false
	p.l.setConnected(false)
	final = !p.served && p.l.first && permanent(err)
	p.mu.Unlock()
	if final {
		retryIn = 0
		p.end(errDaemonUnusable{err}) // before the stream ends ctx for another cause
		p.tellFirst(err)
	} else {
		p.tellFirst(nil)
	}
	p.l.reportLoss(err, retryIn)
	return final
}

// answered notes that the daemon is there.
func (p *poller) answered() {
	p.tellFirst(nil)
	p.mu.Lock()
	if p.up {
		p.mu.Unlock()
		return
	}
	info := ConnectInfo{Currency: p.l.d.cur.Symbol, First: !p.served, Attempts: p.failures + 1}
	if p.served {
		info.Downtime = time.Since(p.downAt)
		p.l.d.n.add(reconnects)
	}
	p.up, p.served, p.failures = true, true, 0
	p.l.setConnected(true)
	p.mu.Unlock()
	if hook := p.l.d.hooks.OnConnect; hook != nil {
		p.l.hooks.post(hookCall{run: func(ctx context.Context) { hook(ctx, info) }})
	}
}

// tellFirst tells the stream how the first call went.
func (p *poller) tellFirst(err error) {
	p.mu.Lock()
	told := p.told
	p.told = true
	p.mu.Unlock()
	if !told && p.l.first {
		p.l.s.firstAttempt(err)
	}
}
