package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bitcart-go/bitcart"
)

// Latency: from just before the daemon's write of an event to the first line of
// its handler, both processes on this machine and its wall clock. The bare loop
// takes the time when it has the message.

type latencyBench struct {
	p            *process
	rate, events int
}

// spread is what a run has seen.
type spread struct{ p50, p99 time.Duration }

func latencyRows(ctx context.Context, pl plan) ([]row, error) {
	p, err := startSender(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	var rows []row
	for _, rate := range pl.rates {
		b := latencyBench{p, rate, int(pl.rateFor.Seconds() * float64(rate))}
		var ours, bare []spread
		for range pl.rounds {
			for _, c := range []struct {
				runs *[]spread
				run  func(context.Context) ([]time.Duration, error)
			}{{&ours, b.coin}, {&bare, b.loop}} {
				list, err := c.run(ctx)
				if err != nil {
					return nil, err
				}
				*c.runs = append(*c.runs, spread{middle(list), quantile(list, 0.99)})
			}
		}
		rows = append(rows, b.rows(ours, bare)...)
	}
	return rows, nil
}

func (b latencyBench) rows(ours, bare []spread) (rows []row) {
	for _, q := range []struct {
		name string
		of   func(spread) time.Duration
	}{{"p50", func(s spread) time.Duration { return s.p50 }}, {"p99", func(s spread) time.Duration { return s.p99 }}} {
		us := func(runs []spread) figure {
			list := make([]time.Duration, len(runs))
			for i, s := range runs {
				list[i] = q.of(s)
			}
			return figure{float64(middle(list)) / 1e3, "µs"}
		}
		a, o := us(ours), us(bare)
		what := fmt.Sprintf("Coin, %d events/s: %s", b.rate, q.name)
		rows = append(rows, row{what, a, o, "bare websocket loop", bound{}},
			row{what + ", more than the bare loop", figure{a.value - o.value, a.unit}, figure{}, "", bound{}})
	}
	return rows
}

// send has the sender write all events.
func (b latencyBench) send(ctx context.Context) error {
	return b.p.order(ctx, fmt.Sprintf("/paced?rate=%d&events=%d", b.rate, b.events), nil, nil)
}

func (b latencyBench) coin(ctx context.Context) (list []time.Duration, err error) {
	s, err := newCoin(b.p, 1, deepQueue)
	if err != nil {
		return nil, err
	}
	late := newTally[time.Duration]()
	bitcart.On(s, func(_ context.Context, _ *bitcart.Event, tx bitcart.NewTransaction) error {
		now := time.Now()
		d, err := sinceStamp(tx.Tx, now)
		late.add(d)
		return err
	})
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.end()) }()
	if err := b.send(ctx); err != nil {
		return nil, err
	}
	return late.wait(ctx, s, b.events)
}

func (b latencyBench) loop(ctx context.Context) (list []time.Duration, err error) {
	conn, hangUp, err := dial(ctx, b.p)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	sent := make(chan error, 1)
	go func() { sent <- b.send(ctx) }()
	for range b.events {
		_, msg, err := conn.ReadMessage()
		now := time.Now()
		if err != nil {
			hangUp()
			return nil, errors.Join(err, <-sent)
		}
		_, tx, _ := bytes.Cut(msg, []byte(stampPrefix))
		d, err := sinceStamp(string(tx), now)
		if err != nil {
			hangUp()
			return nil, errors.Join(err, <-sent)
		}
		list = append(list, d)
	}
	return list, <-sent
}
