package bitcart

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// handle hands one parcel over, on a worker.
func (l *link) handle(p parcel, attempt int) (retry time.Duration, again bool) {
	if l.s.pull != nil {
		// One that the consumer did not take in time is left over, not done.
		return 0, !l.pull(p)
	}
	ev := p.(*Event).attempt(attempt)
	returned := false
	defer func() {
		if !returned { // the handler has ended its goroutine
			l.report(ev, outcome{
				err:  &HandlerError{Event: ev, Err: &PanicError{Stack: debug.Stack()}},
				text: "runtime.Goexit was called",
			})
		}
	}()
	out := ev.Coin.disp.dispatch(l.work, ev, &l.d.n)
	returned = true
	if out.retry == nil {
		l.report(ev, out)
		return 0, false
	}
	if l.wasRemoved(ev) {
		l.d.n.add(dropped)
		return 0, false
	}
	if attempt&(attempt-1) == 0 { // 1, 2, 4, 8, ...: ever fewer warnings
		l.d.log.Warn("handler asks for another attempt", "event", ev.Name, "wallet", walletName(ev.Wallet),
			"attempt", attempt, "error", out.text)
	}
	if out.retry.after > 0 {
		return out.retry.after, true
	}
	return retryPause(l.cfg, attempt), true
}

// pull gives one parcel to the loop of Events.
func (l *link) pull(p parcel) (taken bool) {
	_, isGap := p.(*Gap)
	if isGap {
		l.gapsLeave(1)
	}
	taken = l.s.pull(l.work, p)
	if taken && !isGap {
		l.d.n.add(delivered)
	}
	return taken
}

// wasRemoved reports whether the wallet was removed while its handler ran.
func (l *link) wasRemoved(ev *Event) bool {
	if ev.Wallet == "" || l.d.allWallets {
		return false
	}
	w := l.lookup(ev.Wallet)
	return w == nil || w.coin != ev.Coin
}

// report tells of a handler that has failed.
func (l *link) report(ev *Event, out outcome) {
	if out.err == nil {
		return
	}
	l.d.log.Error("handler failed", "event", ev.Name, "wallet", walletName(ev.Wallet), "error", out.text)
	if hook := l.d.hooks.OnHandlerError; hook != nil {
		failed := out.err.(*HandlerError)
		l.hooks.post(hookCall{size: ev.size(), run: func(ctx context.Context) { hook(ctx, failed) }})
	}
}

// dry is called when an overflowed lane has run empty. What it has dropped is
// still in the daemon's queue, unless that is too small.
func (l *link) dry(lane *queue.Lane[parcel]) {
	if l.strangerDry(lane) {
		return
	}
	if w := l.watchOf(lane); w != nil && !l.recovery.refill(w) {
		l.reopen(w)
	}
}

// strangerDry is dry for the lane of wallets that nobody added. It reports whether
// this is one.
func (l *link) strangerDry(lane *queue.Lane[parcel]) bool {
	l.mu.Lock() // pushForeign drops under it: the gap and the reopening are one step
	defer l.mu.Unlock()
	since := lane.DroppingSince()
	if since.IsZero() {
		return false
	}
	l.gap(Gap{Since: since, Reason: GapOverflow})
	lane.Reopen()
	return true
}

// reopen ends an overflow by a gap: nothing is expected of what was dropped. The
// two are one step, since the gap does not tell of what is dropped after it.
func (l *link) reopen(w *watch) {
	l.hist.Lock()
	defer l.hist.Unlock()
	g := Gap{Since: l.takeDroppedAt(w), Reason: GapOverflow, ChainWide: w.lane == l.chain.lane}
	if w != l.chain {
		g.Coin = w.coin
	}
	l.gap(g)
	w.deferred = false
	if !l.isPolling() { // a poller keeps there since when the daemon's queue was not read
		w.missing = time.Time{}
	}
	w.seen.Keep()
	l.releaseHistory(w)
	l.withLane(w, w.lane.Reopen)
}

// watchOf returns the watch of an overflowed lane, nil if its wallet was removed.
// On a Coin's own stream that is the wallet's watch, if the Coin has a wallet.
func (l *link) watchOf(lane *queue.Lane[parcel]) *watch {
	key := lane.Key()
	l.mu.Lock()
	defer l.mu.Unlock()
	if lane == l.chain.lane {
		if l.single {
			for _, w := range l.watches { // the one, if any
				return w
			}
		}
		return l.chain
	}
	if w := l.watches[key]; w != nil && w.lane == lane { // otherwise it was removed
		return w
	}
	return nil
}

// gap reports that events may be missing. It runs no user code, so locks may
// be held; link.mu only if the gap is nobody's alone.
func (l *link) gap(g Gap) {
	g.Currency = l.d.cur.Symbol
	l.d.n.add(gaps)
	if l.s.pull != nil {
		l.pullGap(&g)
	}
	l.hooks.post(hookCall{gap: &g, run: func(ctx context.Context) {
		l.d.log.Warn("events may be missing", "wallet", walletOf(g.Coin), "reason", g.Reason.String(), "since", g.Since)
		if hook := l.d.hooks.OnGap; hook != nil {
			hook(ctx, g)
		}
	}})
}

// log logs from the hooks' goroutine: a logger is user code, and locks may be
// held here, or the reader may be kept from its socket.
func (l *link) log(level slog.Level, msg string, args ...any) {
	l.hooks.post(hookCall{run: func(ctx context.Context) { l.d.log.Log(ctx, level, msg, args...) }})
}

func (l *link) warn(msg string, args ...any) { l.log(slog.LevelWarn, msg, args...) }

func walletOf(c *Coin) string {
	if c == nil {
		return "every wallet"
	}
	return walletName(c.key)
}

func (l *link) asksForSlowHandlers() bool {
	return l.d.hooks.OnSlowHandler != nil && l.s.pull == nil
}

// watchSlowHandlers tells OnSlowHandler of handlers that run for long. The
// function it returns ends and waits for its goroutine.
func (l *link) watchSlowHandlers(ctx context.Context) (stop func()) {
	if !l.asksForSlowHandlers() {
		return func() {}
	}
	hook := l.d.hooks.OnSlowHandler
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // during the drain as well
	var done sync.WaitGroup
	done.Go(func() {
		told := map[*Event]bool{}
		for pause(ctx, l.cfg.SlowHandler/2) {
			still := map[*Event]bool{}
			l.queue.Running(func(p parcel, attempt int, since time.Time) {
				running := time.Since(since)
				if running < l.cfg.SlowHandler {
					return
				}
				ev := p.(*Event)
				still[ev] = true
				if !told[ev] {
					ev := ev.attempt(attempt)
					l.hooks.post(hookCall{run: func(ctx context.Context) { hook(ctx, ev, running) }})
				}
			})
			told = still
		}
	})
	return func() { cancel(); done.Wait() }
}

// beginDrain starts the time within which everything has to be delivered.
func (l *link) beginDrain() {
	l.drainOnce.Do(func() { l.drainTimer = time.AfterFunc(l.cfg.DrainTimeout, l.cut) })
}

// grace is how long handlers have to return after their ctx was cancelled.
const grace = time.Second

// drain waits for the queues to run empty, then for hooks. When the time is
// over it cancels what runs and reports what is left.
func (l *link) drain() error {
	defer l.cut()
	defer l.drainTimer.Stop()
	_ = l.queue.Drain(l.work) // what is left is counted below
	var left DrainError
	left.Undelivered, left.Retrying = l.queue.Stop()
	left.Undelivered = max(0, left.Undelivered-l.gapsWaiting.count())
	left.Cut = int(l.callsCut.Load())
	last, cancel := outlive(l.work, grace)
	defer cancel()
	running, refused := l.queue.Wait(last)
	left.Running, left.Retrying = running, left.Retrying+refused

	_ = l.hooks.set.Drain(last)
	lost, _ := l.hooks.set.Stop()
	running, _ = l.hooks.set.Wait(last)
	left.Running += running
	if lost > 0 && running == 0 { // what runs may be the logger, which does not return
		l.d.log.Warn("hooks were not called before the stream ended", "calls", lost)
	}
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
