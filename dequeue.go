package bitcart

import (
	"errors"
	"time"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// dequeued is an answer of get_updates.
type dequeued struct {
	updates []wire.Update
	size    int // of the queue: also of what is no update and was left out
}

// dequeue reads the wallet's queue and hands over what was missed. The call is
// bounded by the drain alone: one that is cut off has emptied the queue. It
// reports false when the wallet has to be asked again.
func (r *recovery) dequeue(p *pass, t recoverTask, leave func()) (done bool) {
	w := t.w
	gaveUp := make(chan struct{})
	late := time.AfterFunc(r.l.d.patience, func() {
		defer close(gaveUp)
		r.giveUp(p, t)
	})
	asked := r.beforeAsking(w)
	answer, err := r.l.getUpdates(w.coin)
	leave() // others may ask while this one waits for the barrier, which many share
	unbroken := err == nil && r.barrier() == p
	if !late.Stop() {
		<-gaveUp
	}
	if err != nil {
		r.notRead(p, t, asked, err)
		return true
	}
	if r.tooEarly(p, &t, answer) {
		return false
	}
	if t.lost && t.forChain == nil {
		r.lost(p, w) // before what the answer brought
	}
	chainProven, merged := r.merge(p, w, answer, asked, unbroken)
	if !merged {
		t.loaded = true
		r.tasks.add(t, time.Time{})
		return false
	}
	proven := chainProven && !t.lost
	if t.forChain != nil && (proven || !r.refillChain(&t)) {
		r.chainRefilled(p, t, proven)
	}
	return true
}

// notRead frees a wallet whose queue could not be read, and tries again later:
// the daemon may still hold what it held.
func (r *recovery) notRead(p *pass, t recoverTask, asked turn, err error) {
	r.failed(p, t.w, asked, err)
	if t.forChain != nil && !r.refillChain(&t) {
		r.chainRefilled(p, t, false)
	}
	t.attempts++
	retryIn := retryPause(r.l.cfg, t.attempts)
	r.l.warn("the daemon's queue could not be read",
		"wallet", walletName(t.w.coin.key), "error", err, "retry_in", retryIn)
	r.tasks.add(recoverTask{w: t.w, epoch: t.epoch, attempts: t.attempts, loaded: true}, time.Now().Add(retryIn))
}

// getUpdates reads and empties a wallet's queue in the daemon. Only the drain's
// end cuts it off.
func (l *link) getUpdates(c *Coin) (dequeued, error) {
	const method = "get_updates"
	params, err := encodeParams(nil, c.param())
	if err != nil {
		return dequeued{}, err
	}
	answer, err := l.d.callUnbounded(l.work, method, params, func() redactor {
		return secretsOf(c.wallet, c.key, method, nil)
	})
	if err != nil {
		if l.work.Err() != nil && errors.Is(err, ErrMaybeSent) {
			l.callsCut.Add(1) // the daemon empties the queue all the same
		}
		return dequeued{}, err
	}
	updates, skipped, err := wire.CutList(answer)
	if err != nil {
		return dequeued{}, &CallError{Method: method, MaybeSent: true, Err: &decodeError{errors.New("no list")}}
	}
	if skipped > 0 {
		l.d.n.addN(garbage, skipped)
		l.warn("updates without an event name skipped", "wallet", walletName(c.key), "count", skipped)
	}
	return dequeued{updates, len(updates) + skipped}, nil
}

// barrier waits until every frame that the daemon had written before now has
// been read: it writes a frame before it appends the update to the queue. It
// returns the pass whose connection was alive then, nil if there was none.
func (r *recovery) barrier() (alive *pass) {
	for {
		changed := r.changed.next()
		r.mu.Lock()
		p, dialing := r.pass, r.dialing
		r.mu.Unlock()
		switch {
		case p != nil && p.conn.Ping(r.l.work) == nil:
			return p
		case p != nil:
			select {
			case <-p.read:
			case <-r.l.work.Done():
				return nil
			}
		case !dialing:
			return nil // no connection: all that came has been read
		default:
			select {
			case <-changed:
			case <-r.l.work.Done():
				return nil
			}
		}
	}
}
