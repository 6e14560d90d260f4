package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bitcart-go/bitcart"
)

// A daemon that was restarted has forgotten every wallet. The client names each
// of them again and reads its queue, while events of those that are ready come.

// rearmBench has a manager of so many wallets whose daemon is killed and started
// again.
type rearmBench struct {
	currency string
	wallets  int
	p        *process
	s        *streaming
	late     *tally[time.Duration] // from the sender's write to the handler
}

const (
	daemonTime  = "1ms" // that a daemon takes for a call about a wallet
	trickleRate = 200   // events a second; many more would be a cost of their own
	rearmAtOnce = 8     // calls at once of the plain client: as many as the library makes
	rearmRounds = 7
	steady      = 2  // calls at once, at most, to what is typical
	promptly    = 20 // ms
)

func rearmRows(ctx context.Context, pl plan) ([]row, error) {
	var rows []row
	for _, b := range []rearmBench{
		{currency: "ETH", wallets: pl.restart},     // one call loads many
		{currency: "BTC", wallets: pl.restart / 4}, // each has a call of its own
	} {
		more, err := b.rows(ctx, min(pl.rounds, rearmRounds))
		if err != nil {
			return nil, named(b.currency, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// rearmed is what one restart has taken.
type rearmed struct {
	cost, plain   cost           // of a wallet
	made          map[string]int // calls by method
	calls         float64        // of a wallet
	most, typical float64
	sent, handled int // events meanwhile
	p50, p99      time.Duration
}

func (b *rearmBench) rows(ctx context.Context, rounds int) (rows []row, err error) {
	if err := b.begin(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.end()) }()
	var runs []rearmed
	for range rounds {
		r, err := b.restart(ctx)
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	of := func(unit string, value func(rearmed) float64) figure {
		list := make([]float64, len(runs))
		for i, r := range runs {
			list[i] = value(r)
		}
		return figure{middle(list), unit}
	}
	what := fmt.Sprintf("%d %s wallets: ", b.wallets, b.currency)
	calls := of("calls", func(r rearmed) float64 { return r.calls })
	than := fmt.Sprintf("net/http POST, %s a wallet, %d at once", calls, rearmAtOnce)
	ms := func(value func(rearmed) time.Duration) figure {
		return of("ms", func(r rearmed) float64 { return float64(value(r)) / 1e6 })
	}
	return []row{
		{what + "cost of re-arming one", of("µs CPU", func(r rearmed) float64 { return r.cost.CPU / 1e3 }),
			of("µs CPU", func(r rearmed) float64 { return r.plain.CPU / 1e3 }), than, ratioAtMost(1.5)},
		{what + "re-armed", of("/s", func(r rearmed) float64 { return 1e9 / r.cost.Wall }),
			of("/s", func(r rearmed) float64 { return 1e9 / r.plain.Wall }), "the same", bound{}},
		{what + "calls for re-arming one", calls, figure{}, "", bound{}},
		{what + "calls at once, at most", of("calls", func(r rearmed) float64 { return r.most }),
			of("calls", func(r rearmed) float64 { return r.typical }), "typically", ratioAtMost(steady)},
		{what + "events of others meanwhile, handled", of("events", func(r rearmed) float64 { return float64(r.handled) }),
			of("events", func(r rearmed) float64 { return float64(r.sent) }), "sent", ratioAtLeast(1)},
		{what + "events of others meanwhile, latency p50", ms(func(r rearmed) time.Duration { return r.p50 }), figure{}, "", bound{}},
		{what + "events of others meanwhile, latency p99", ms(func(r rearmed) time.Duration { return r.p99 }), figure{}, "", oursAtMost(promptly)},
	}, nil
}

// soon connects again soon: how long the pause is has no part in the figures.
var soon = bitcart.WithStream(bitcart.StreamConfig{BackoffMin: 50 * time.Millisecond})

// begin starts the daemon and arms every wallet for the first time.
func (b *rearmBench) begin(ctx context.Context) (err error) {
	if b.p, err = b.startDaemon(ctx); err != nil {
		return err
	}
	b.s, b.late = newStreaming(), newTally[time.Duration]()
	if err := b.s.serve(b.currency, b.p, walletsOf(b.wallets), soon); err != nil {
		b.p.stop()
		return err
	}
	bitcart.On(b.s, func(_ context.Context, _ *bitcart.Event, tx bitcart.NewTransaction) error {
		late, err := sinceStamp(tx.Tx, time.Now())
		b.late.add(late)
		return err
	})
	if err := b.s.begin(ctx); err != nil {
		b.p.stop()
		return err
	}
	return nil
}

func (b *rearmBench) end() error {
	err := b.s.end()
	b.p.stop()
	return err
}

func (b *rearmBench) startDaemon(ctx context.Context, variables ...string) (*process, error) {
	return startSender(ctx, append(variables, delayVar+"="+daemonTime, currencyVar+"="+b.currency)...)
}

// restart kills the daemon, starts it again where it was and waits until every
// wallet is armed. Then it makes the same calls in the plain way.
func (b *rearmBench) restart(ctx context.Context) (r rearmed, err error) {
	b.late.reset()
	b.p.kill()
	var w stopwatch
	w.start()
	again, err := b.startDaemon(ctx, addrVar+"="+b.p.addr(), fmt.Sprint(trickleVar, "=", trickleRate))
	if err != nil {
		return r, err
	}
	b.p = again
	if err := b.s.connected(ctx); err != nil {
		return r, err
	}
	w.stop()
	var rep report
	if err := errors.Join(b.p.order(ctx, "/report", nil, &rep), b.p.order(ctx, "/quiet", nil, &r.sent)); err != nil {
		return r, err
	}
	r.cost = w.per(b.wallets)
	r.cost.Wall = float64(w.end.Sub(rep.Connected)) / float64(b.wallets) // without the pause before the reconnect
	r.most, r.typical = float64(rep.Most), float64(rep.Typical)
	r.made = rep.Calls
	for _, n := range r.made {
		r.calls += float64(n) / float64(b.wallets)
	}
	list, err := b.late.wait(ctx, b.s, r.sent)
	if err != nil {
		return r, err
	}
	r.handled = len(list)
	if len(list) > 0 {
		r.p50, r.p99 = middle(list), quantile(list, 0.99)
	}
	r.plain, err = b.plain(ctx, r.made)
	return r, err
}

// plain makes as many calls as the library has made, by method.
func (b *rearmBench) plain(ctx context.Context, calls map[string]int) (cost, error) {
	c := newPlain(b.p, rearmAtOnce)
	defer c.close()
	keys := walletsOf(b.wallets)
	var w stopwatch
	w.start()
	for method, n := range calls {
		err := atOnce(n, rearmAtOnce, func(i int) error {
			params := map[string]any{}
			switch method {
			case "get_updates", "getbalance":
				params["xpub"] = keys[i%len(keys)]
			case "batch_load":
				params["wallets"] = keys[i*len(keys)/n : (i+1)*len(keys)/n]
			}
			var result any
			return c.call(ctx, &result, method, params)
		})
		if err != nil {
			return cost{}, named(method, err)
		}
	}
	w.stop()
	return w.per(b.wallets), nil
}
