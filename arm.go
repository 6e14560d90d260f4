package bitcart

import (
	"context"
	"sync/atomic"
	"time"
)

// A daemon watches only the wallets that were loaded since its own start, so
// after every connect each wallet is loaded again by a cheap call that names it.
const (
	armCalls   = 4                // at once
	armTimeout = 30 * time.Second // of one call; a daemon that synchronizes holds calls without limit
)

// armer loads the wallets of one connection.
type armer struct {
	l      *link
	tasks  agenda[armTask]
	first  atomic.Int64 // wallets of the connect that were not tried yet
	passed func()       // called once, when all of them were
}

type armTask struct {
	w        *watch
	attempts int
	ofPass   bool // it was there at the connect
}

func newArmer(l *link, ws []*watch, passed func()) *armer {
	a := &armer{l: l, passed: passed}
	a.first.Store(int64(len(ws)))
	for _, w := range ws {
		a.tasks.add(armTask{w: w, ofPass: true}, time.Time{})
	}
	return a
}

// add arms a wallet that came later.
func (a *armer) add(w *watch) { a.tasks.add(armTask{w: w}, time.Time{}) }

// run loads wallets, a few at a time, until ctx ends. A call that ctx cuts off
// does no harm: it reads nothing that is lost.
func (a *armer) run(ctx context.Context) {
	if a.first.Load() == 0 {
		a.passed()
	}
	a.tasks.run(ctx, armCalls, armTimeout, func(t armTask) { a.try(ctx, t) })
}

func (a *armer) try(ctx context.Context, t armTask) {
	t.attempts++
	if c := t.w.coin; a.l.lookup(c.key) == t.w { // it may have been removed
		callCtx, cancel := context.WithTimeout(ctx, armTimeout)
		err := c.call(callCtx, nil, "getbalance")
		cancel()
		if ctx.Err() != nil {
			return
		}
		a.tried(t, err)
	}
	if t.ofPass && a.first.Add(-1) == 0 {
		a.passed()
	}
}

func (a *armer) tried(t armTask, err error) {
	var retryIn time.Duration
	if err != nil {
		retryIn = retryPause(a.l.cfg, t.attempts)
		a.tasks.add(armTask{w: t.w, attempts: t.attempts}, time.Now().Add(retryIn))
	} else {
		a.l.setArmed(t.w)
	}
	a.l.armTried(ArmInfo{Coin: t.w.coin, Err: err, Attempts: t.attempts, RetryIn: retryIn})
}

// armTried reports one try to load a wallet.
func (l *link) armTried(info ArmInfo) {
	if info.Err != nil {
		l.d.log.Warn("wallet could not be loaded", "wallet", walletName(info.Coin.key), "error", info.Err, "retry_in", info.RetryIn)
	}
	if hook := l.d.hooks.OnArm; hook != nil {
		l.hooks.post(hookCall{run: func(ctx context.Context) { hook(ctx, info) }})
	}
}

// setArmed notes that the daemon watches the wallet, and reports whether that
// is new since the connect.
func (l *link) setArmed(w *watch) bool {
	l.mu.Lock()
	fresh := l.connected && l.watches[w.coin.key] == w && !l.isArmed(w)
	if fresh {
		w.armedIn.Store(l.epoch.Load())
		l.armed++
	}
	l.mu.Unlock()
	if fresh {
		w.coin.armed.broadcast()
	}
	return fresh
}

// isArmed: the daemon has loaded the wallet since the connection was made.
func (l *link) isArmed(w *watch) bool {
	epoch := w.armedIn.Load()
	return epoch != 0 && epoch == l.epoch.Load()
}

// WaitArmed returns nil once a running stream watches the wallet: from then on
// its events arrive, so call it before you show an address to a payer. It
// waits for a stream to be started, and over reconnects, until ctx ends; then
// it returns ctx's error. Without a wallet it is ErrWalletRequired.
func (c *Coin) WaitArmed(ctx context.Context) error {
	if c.key == "" {
		return ErrWalletRequired
	}
	ctx = orBackground(ctx)
	for {
		changed := c.armed.next()
		if w := c.watched.Load(); w != nil && w.link.isArmed(w) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
