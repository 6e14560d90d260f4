package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/bitcart-go/bitcart"
)

// Calls: what the client adds to the HTTP request.

// paid is what both sides decode a payment request into.
type paid struct {
	ID            string   `json:"request_id"`
	Address       string   `json:"address"`
	URI           string   `json:"URI"`
	Amount        string   `json:"amount_ETH"`
	Status        int      `json:"status"`
	Text          string   `json:"status_str"`
	Sent          string   `json:"sent_amount"`
	Hashes        []string `json:"tx_hashes"`
	Confirmations int      `json:"confirmations"`
}

func (p paid) check() error {
	if p.Status != 3 || len(p.Hashes) != 1 || p.Sent != p.Amount {
		return errIncomplete
	}
	return nil
}

const requestKey = "jC0nO-UTy_sOVE7Oznp8MTVeSI2mSMW0LlIjzwgGpEY"

// rpcBench makes n calls in a run.
type rpcBench struct {
	p           *process
	n           int
	connections map[string][]float64 // that each run has opened
}

const (
	oursInTurn, plainInTurn = "coin.Call", "net/http POST"
	oursAtOnce, plainAtOnce = "coin.Call, at once", "net/http POST, at once"
	usualAtOnce             = "net/http POST, at once, untuned"
	callsAtOnce             = 32
)

func rpcRows(ctx context.Context, pl plan) ([]row, error) {
	p, err := startSender(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	b := rpcBench{p, pl.calls, make(map[string][]float64)}
	costs, err := compare(ctx, pl.rounds, []contender{
		b.contender(oursInTurn, b.ours(1)), b.contender(plainInTurn, b.plain(1, callsAtOnce)),
		b.contender(oursAtOnce, b.ours(callsAtOnce)), b.contender(plainAtOnce, b.plain(callsAtOnce, callsAtOnce)),
		b.contender(usualAtOnce, b.plain(callsAtOnce, 0)),
	})
	if err != nil {
		return nil, err
	}
	opened := func(name string) figure { return figure{middle(b.connections[name]), "connections"} }
	together := fmt.Sprintf("%d calls at once: ", callsAtOnce)
	tuned := fmt.Sprintf("net/http POST, %d connections kept", callsAtOnce)
	const usual = "net/http POST, its usual settings"
	return []row{
		{"calls in sequence: cost of one", costs[oursInTurn].cpu(), costs[plainInTurn].cpu(), "net/http POST", ratioAtMost(1.3)},
		{"calls in sequence: time of one", costs[oursInTurn].wall(), costs[plainInTurn].wall(), "net/http POST", ratioAtMost(1.3)},
		{"calls in sequence: allocations of one", costs[oursInTurn].allocs(), costs[plainInTurn].allocs(), "net/http POST", bound{}},
		{"calls in sequence: connections opened", opened(oursInTurn), opened(plainInTurn), "net/http POST", bound{}},
		{together + "cost of one", costs[oursAtOnce].cpu(), costs[plainAtOnce].cpu(), tuned, ratioAtMost(1.3)},
		{together + "time for each", costs[oursAtOnce].wall(), costs[plainAtOnce].wall(), tuned, ratioAtMost(1.3)},
		{together + "connections opened", opened(oursAtOnce), opened(plainAtOnce), tuned, bound{}},
		{together + "cost of one", costs[oursAtOnce].cpu(), costs[usualAtOnce].cpu(), usual, bound{}},
		{together + "time for each", costs[oursAtOnce].wall(), costs[usualAtOnce].wall(), usual, bound{}},
		{together + "connections opened", opened(oursAtOnce), opened(usualAtOnce), usual, bound{}},
	}, nil
}

// contender counts the connections that a run opens.
func (b rpcBench) contender(name string, run func(context.Context, *stopwatch) error) contender {
	return contender{name, b.n, func(ctx context.Context, w *stopwatch) error {
		var before, after report
		err := errors.Join(
			b.p.order(ctx, "/report", nil, &before),
			run(ctx, w),
			b.p.order(ctx, "/report", nil, &after),
		)
		if made := after.Calls["get_request"] - before.Calls["get_request"]; err == nil && made != b.n {
			err = fmt.Errorf("%d of %d calls have arrived", made, b.n)
		}
		b.connections[name] = append(b.connections[name], float64(after.Connections-before.Connections))
		return err
	}}
}

func (b rpcBench) ours(width int) func(context.Context, *stopwatch) error {
	return func(ctx context.Context, w *stopwatch) error {
		coin, err := bitcart.NewCoin("ETH", bitcart.WithURL(b.p.daemon), bitcart.WithXpub(walletsOf(1)[0]))
		if err != nil {
			return err
		}
		defer coin.CloseIdleConnections()
		w.start()
		defer w.stop()
		return atOnce(b.n, width, func(int) error {
			var request paid
			if err := coin.Call(ctx, &request, "get_request", requestKey); err != nil {
				return err
			}
			return request.check()
		})
	}
}

func (b rpcBench) plain(width, connections int) func(context.Context, *stopwatch) error {
	return func(ctx context.Context, w *stopwatch) error {
		c := newPlain(b.p, connections)
		defer c.close()
		wallet := walletsOf(1)[0]
		w.start()
		defer w.stop()
		return atOnce(b.n, width, func(int) error {
			var request paid
			if err := c.call(ctx, &request, "get_request", []any{requestKey, map[string]any{"xpub": wallet}}); err != nil {
				return err
			}
			return request.check()
		})
	}
}
