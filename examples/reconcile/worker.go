package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/bitcart-go/bitcart"
)

// worker receives the payment events of a wallet, and reads by RPC what may not
// have reached it.
type worker struct {
	coin   *bitcart.Coin
	orders *orders
	log    *slog.Logger
	every  time.Duration
	due    chan string // why a reading is due; holds the newest reason
	ended  chan string // readings that have ended; nil = nobody wants to know
}

func newWorker(
	log *slog.Logger, o *orders, every time.Duration, currency string, opts ...bitcart.Option,
) (*worker, error) {
	w := &worker{orders: o, log: log, every: every, due: make(chan string, 1)}
	coin, err := bitcart.NewCoin(currency, append(opts, bitcart.WithLogger(log), bitcart.WithHooks(w.hooks()))...)
	if err != nil {
		return nil, err
	}
	w.coin = coin
	bitcart.On(coin, w.received)
	return w, nil
}

// run ends when ctx has ended and everything that was received is handled.
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

// hooks only request a reading: a hook that waited for calls would delay the
// next hook.
//
// When OnConnect is called, the daemon watches the wallet and the connection
// receives its events. The reading finds what was paid before it, an event
// reports what is paid after it, and what falls between is found twice. So the
// order is subscribe, then read. The other way round, a payment between the two
// would be found by neither.
//
// OnGap alone is not enough: an event that the daemon itself has lost causes no
// gap.
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

// ask never waits. A reading that is due has not begun and will find all that
// another one would, so one is enough; it goes by the newest reason.
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

// received is the handler of new_payment. If the orders were in a database that
// cannot be reached for a moment, it would return bitcart.Retry.
func (w *worker) received(_ context.Context, ev *bitcart.Event, p bitcart.NewPayment) error {
	switch {
	case p.Status != bitcart.StatusPaid:
	case w.orders.knows(p.RequestKey()):
		w.credit(p.RequestKey(), "event, "+ev.Source.String())
	default:
		w.ask("payment of an unknown request")
	}
	return nil
}

// credit is called by events and by readings at the same time; the orders ensure
// that only one of them credits.
func (w *worker) credit(key, by string) {
	if w.orders.credit(key, by) {
		w.log.Info("credited", "request", key, "by", by)
	}
}

// reconcile reads the open requests when it is asked to, and at an interval after
// the last reading. The first reading follows the first connect, when the worker
// has subscribed.
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

// read credits the open requests that are paid. It goes on after one that cannot
// be read. The list adds requests that others have made, and those from before
// the start; a shop that has its orders in a database does not need it.
func (w *worker) read(ctx context.Context, why string) error {
	requests, err := w.coin.ListRequests(ctx, bitcart.RequestFilter{})
	if err != nil {
		return err
	}
	for _, request := range requests {
		w.orders.add(request.Key)
	}
	open := w.orders.open()
	w.log.Info("reading open requests", "why", why, "requests", len(open))
	var errs []error
	for _, key := range open {
		request, err := w.coin.GetRequest(ctx, key)
		switch {
		case errors.Is(err, bitcart.ErrRequestNotFound): // removed, or its wallet was diskless
			w.log.Warn("the daemon has no such request any more", "request", key)
			w.orders.remove(key)
		case err != nil:
			errs = append(errs, err)
		case request.Status == bitcart.StatusPaid:
			w.credit(key, "reading, "+why)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(errs...)
}
