package bitcart

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bitcart-go/bitcart/internal/jitter"
	"github.com/bitcart-go/bitcart/internal/replay"
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
	over   bool           // nothing is held any more; guarded by link.hist

	strangers atomic.Bool // the daemon has loaded other clients' wallets too
	readings  readings

	mu       jitter.Mutex // guards what follows; a leaf
	pass     *pass        // of the present connection; nil without one
	dialing  bool
	changed  signal    // of pass and dialing
	queueCap int       // what the daemon's queue holds, as far as is known
	doubt    bool      // a queue lacked what it should have held: it may be switched off
	heldAt   time.Time // since when live events wait for a pass to end; zero = none does
	asked    int       // answers that are to come
	longest  int64     // bytes of the longest answer so far
}

type recoverTask struct {
	w        *watch
	epoch    uint64
	attempts int
	loaded   bool
	beside   bool       // another task loads the wallet if this one cannot
	share    *sync.Once // of the end of the pass; nil = it does not count for it
	forChain *sync.Once // it refills the chain's lane, which is opened once; nil = it does not
	since    time.Time  // of such a refill: when the lane began to drop
	tries    int        // of such a refill: wallets that were asked before
	putOff   time.Time  // since when it waits for a call of an earlier connection

	// Of a refill: the last update that was dropped, 0 = none. The daemon writes
	// a frame before it queues the update, so an answer may come too early.
	await  replay.Fingerprint
	awaits int  // how often it was not there
	lost   bool // it never was
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
	r.tasks.run(ctx, recoverCalls, r.l.d.patience, r.recover)
}

// join recovers a wallet that was added while the stream runs: what came
// before is not known.
func (r *recovery) join(w *watch) {
	l := r.l
	l.hist.Lock()
	defer l.hist.Unlock()
	if w.connect > 0 {
		return // another connect has it by now
	}
	r.joins(w)
	if !w.held && !r.over {
		l.hold(w)
	}
	r.tasks.add(recoverTask{w: w, epoch: l.epoch.Load()}, time.Time{})
}

// joins begins an episode of a wallet that is new to a running stream, and returns
// how many gaps it has told. hist is held.
func (r *recovery) joins(w *watch) (gaps int64) {
	added, now := w.missing, time.Now()
	w.episode++
	w.connect++
	w.gapIn, w.begins, w.excused, w.missing = w.episode, true, true, now
	r.l.gap(Gap{Coin: w.coin, Since: now, Reason: GapStart})
	if w.emptied == 0 || added.IsZero() {
		return 1
	}
	// A call for its last stay has taken what was sent since it was added.
	w.episode++
	w.gapIn, w.begins = w.episode, false
	r.l.gap(Gap{Coin: w.coin, Since: added, Reason: GapUnknown})
	return 2
}

// recover makes one wallet ready. leave tells that no call is under way for it
// any more.
func (r *recovery) recover(t recoverTask, leave func()) {
	p := r.current()
	if p == nil || p.epoch != t.epoch {
		return // of a connection that has ended
	}
	select {
	case <-p.witnessed: // before that no call may load a wallet
	case <-p.ctx.Done():
		return
	}
	if t.w.gone.Load() {
		r.left(p, t)
		r.leave(p, t)
		return
	}
	if r.ready(p, &t, leave) {
		r.leave(p, t)
	}
}

// left is for a task whose wallet was removed: another one may refill the
// chain's lane.
func (r *recovery) left(p *pass, t recoverTask) {
	if t.forChain != nil && !r.refillChain(&t) {
		r.chainRefilled(p, t, false)
	}
}

// ready reports false when the task was put off.
func (r *recovery) ready(p *pass, t *recoverTask, leave func()) (done bool) {
	if !t.loaded {
		if !r.alive(p) {
			return false
		}
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
	key := t.w.coin.key
	if !r.readings.begin(key) {
		return r.postpone(p, *t)
	}
	defer r.readings.end(key)
	if t.w.gone.Load() { // it would take what is another watch's
		r.left(p, *t)
		return true
	}
	if !r.reserve() {
		return r.postpone(p, *t)
	}
	defer r.unreserve()
	if !r.alive(p) {
		return false
	}
	return r.dequeue(p, *t, leave)
}

func (r *recovery) isDeferred(w *watch) bool {
	r.l.hist.Lock()
	defer r.l.hist.Unlock()
	return w.deferred
}

// alive asks the connection for a sign of life, unless one has just come. A call
// that names a wallet loads it: made when the daemon has been restarted
// unnoticed, it would hide that from the next connect's witness. The next pass
// has the wallet on its list.
func (r *recovery) alive(p *pass) bool {
	return p.conn.Heard(justNow) || p.conn.Ping(r.l.work) == nil
}

// justNow is much less than the start of a daemon takes.
const justNow = 10 * time.Millisecond

// answerRoom is what an answer is expected to take for each update that the
// daemon's queue holds.
const answerRoom = 2 * parcelOverhead

// reserve makes sure that QueueBytes has room for another answer: what is
// recovered while handlers are stuck waits in the daemon, where it is anyway.
func (r *recovery) reserve() bool {
	waiting := r.l.queue.Counts().Bytes - r.l.queue.Held() // what is held waits for the answers
	r.mu.Lock()
	defer r.mu.Unlock()
	one := max(int64(r.queueCap)*answerRoom, r.longest)
	if (waiting > 0 || r.asked > 0) && waiting+int64(r.asked+1)*one > r.l.cfg.QueueBytes {
		return false
	}
	r.asked++
	return true
}

func (r *recovery) unreserve() {
	r.mu.Lock()
	r.asked--
	r.mu.Unlock()
}

// postpone waits for a call of an earlier connection that still reads the
// wallet's queue, or for room, but does not keep the wallet's live events for long.
func (r *recovery) postpone(p *pass, t recoverTask) (done bool) {
	t.loaded = true
	if t.putOff.IsZero() {
		t.putOff = time.Now()
	}
	if time.Since(t.putOff) > r.l.d.patience {
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

// notLoaded gives a wallet's live events free and tries again later.
func (r *recovery) notLoaded(p *pass, t recoverTask, err error) {
	r.release(p, t.w, true)
	if t.beside {
		return
	}
	retryIn := retryPause(r.l.cfg, t.attempts)
	r.tasks.add(recoverTask{w: t.w, epoch: t.epoch, attempts: t.attempts}, time.Now().Add(retryIn))
	r.l.armTried(ArmInfo{Coin: t.w.coin, Err: err, Attempts: t.attempts, RetryIn: retryIn})
}
