package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/bitcart-go/bitcart"
)

// worker hears the payments of a wallet, and reads by RPC what it may not have
// heard.
type worker struct {
	coin   *bitcart.Coin
	orders *orders
	log    *slog.Logger
	every  time.Duration
	due    chan string // why a reading is due; holds the newest reason
	ended  chan string // readings that have ended; nil = nobody wants to know
}

func newWorker(log *slog.Logger, o *orders, every time.Duration, currency string, opts ...bitcart.Option) (*worker, error) {
	w := &worker{orders: o, log: log, every: every, due: make(chan string, 1)}
	coin, err := bitcart.NewCoin(currency, append(opts, bitcart.WithLogger(log), bitcart.WithHooks(w.hooks()))...)
	if err != nil {
		return nil, err
	}
	w.coin = coin
	bitcart.On(coin, w.heard)
	return w, nil
}

// run ends with ctx, when everything that was received has been handled.
func (w *worker) run(ctx context.Context) error {
	var reading sync.WaitGroup
	defer reading.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reading.Go(func() { w.reconcile(ctx) })
	return w.coin.StartWebsocket(ctx, bitcart.WithForceConnect())
}

// connected is the reason of the reading that follows a connect.
const connected = "connected"

// hooks only say that a reading is due: a hook that waited for calls would
// keep the next one waiting.
//
// When OnConnect is called, the connection hears the wallet and the daemon
// watches it. What is paid before the reading is seen by the reading, what is
// paid after it is told by an event, and what falls between is told by both:
// that is why the order is subscribe, then read. The other way round, a payment
// between the two would be seen by neither.
//
// OnConnect is needed beside OnGap: an event that the daemon itself has lost
// leaves no gap behind.
func (w *worker) hooks() bitcart.Hooks {
	return bitcart.Hooks{
		OnGap: func(_ context.Context, gap bitcart.Gap) {
			w.ask("gap: " + gap.Reason.String())
		},
		OnConnect: func(context.Context, bitcart.ConnectInfo) { w.ask(connected) },
		OnHandlerError: func(_ context.Context, err *bitcart.HandlerError) {
			w.log.Error("event not handled", "event", err.Event, "error", err)
		},
	}
}

// ask never waits. A reading that is due has not begun and will see all that
// another one would, so that one is enough; it is called by the newest reason.
func (w *worker) ask(why string) {
	for {
		select {
		case w.due <- why:
			return
		default:
		}
		select {
		case <-w.due:
		default:
		}
	}
}

// heard is the handler of new_payment. Where the orders are in a database that
// cannot be reached for a moment, it would return bitcart.Retry.
func (w *worker) heard(_ context.Context, ev *bitcart.Event, p bitcart.NewPayment) error {
	switch {
	case p.Status != bitcart.StatusPaid:
	case w.orders.knows(p.RequestKey()):
		w.credit(p.RequestKey(), "event, "+ev.Source.String())
	default:
		w.ask("payment of an unknown request")
	}
	return nil
}

// credit is called by events and by readings, at the same time: the orders see
// to it that only one of them credits.
func (w *worker) credit(key, by string) {
	if w.orders.credit(key, by) {
		w.log.Info("credited", "request", key, "by", by)
	}
}

// reconcile reads the open requests when it is asked to, and at an interval
// since the last reading. It begins when there was a connection: not before the
// worker has subscribed.
func (w *worker) reconcile(ctx context.Context) {
	const again = time.Second // after a reading that failed
	var next <-chan time.Time
	for {
		why := "interval"
		select {
		case <-ctx.Done():
			return
		case why = <-w.due:
		case <-next:
		}
		pause := w.every
		if err := w.read(ctx, why); err != nil && ctx.Err() == nil {
			w.log.Warn("reading the open requests failed", "why", why, "error", err)
			pause = min(pause, again)
		}
		next = time.After(pause)
		if w.ended != nil {
			w.ended <- why
		}
	}
}

// read credits the open requests that are paid. It goes on behind one that
// cannot be read. The list takes over requests that others have made, and those
// from before the start; a shop that has its orders in a database needs none.
func (w *worker) read(ctx context.Context, why string) error {
	keys, err := listRequests(ctx, w.coin)
	if err != nil {
		return err
	}
	for _, key := range keys {
		w.orders.add(key)
	}
	open := w.orders.open()
	w.log.Info("reading open requests", "why", why, "requests", len(open))
	var errs []error
	for _, key := range open {
		paid, err := readRequest(ctx, w.coin, key)
		switch {
		case errors.Is(err, bitcart.ErrRequestNotFound): // removed, or its wallet was diskless
			w.log.Warn("the daemon has no such request any more", "request", key)
			w.orders.remove(key)
		case err != nil:
			errs = append(errs, err)
		case paid:
			w.credit(key, "reading, "+why)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(errs...)
}
