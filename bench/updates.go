package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/bitcart-go/bitcart"
)

// ProcessUpdates: updates that the caller has already. What it costs must not
// depend on how many wallets a manager has.

// updateBench hands updates over one by one.
type updateBench struct {
	n       int // of a run
	updates []bitcart.Update
	bodies  [][]byte
}

func newUpdateBench(n int) (updateBench, error) {
	b := updateBench{n: n}
	for _, m := range messagesFor(1) {
		if m.event == bitcart.EventNewBlock {
			continue // of no wallet
		}
		var u bitcart.Update
		if err := json.Unmarshal([]byte(m.update), &u); err != nil {
			return b, err
		}
		b.updates = append(b.updates, u)
		b.bodies = append(b.bodies, []byte(m.update))
	}
	return b, nil
}

func updateRows(ctx context.Context, pl plan) ([]row, error) {
	const one, some = 1, 1000
	b, err := newUpdateBench(pl.updates)
	if err != nil {
		return nil, err
	}
	name := func(wallets int) string {
		if wallets == one {
			return "APIManager, 1 wallet"
		}
		return fmt.Sprintf("APIManager, %d wallets", wallets)
	}
	const std = "json.Unmarshal of the body into a map"
	contenders := []contender{{asCoin, b.n, b.coin}, {std, b.n, b.maps}}
	sizes := []int{one, some, pl.wallets}
	for _, wallets := range sizes {
		c, err := b.manager(name(wallets), wallets)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, c)
	}
	costs, err := compare(ctx, pl.rounds, contenders)
	if err != nil {
		return nil, err
	}
	coin, maps, few := costs[asCoin], costs[std], costs[name(one)]
	rows := []row{
		{"Coin: cost of an event", coin.cpu(), maps.cpu(), std, bound{}},
		{"Coin: allocations of an event", coin.allocs(), maps.allocs(), std, bound{}},
	}
	for _, wallets := range sizes {
		c := costs[name(wallets)]
		r := row{name(wallets) + ": cost of an event", c.cpu(), few.cpu(), "with 1 wallet", ratioAtMost(flat)}
		if wallets == one {
			r = row{name(wallets) + ": cost of an event", c.cpu(), coin.cpu(), "Coin", bound{}}
		}
		rows = append(rows, r, row{name(wallets) + ": allocations of an event", c.allocs(), coin.allocs(), "Coin", bound{}})
	}
	return rows, nil
}

// flat is how much more something may cost that should not depend on a size:
// a larger map misses the processor's caches more often.
const flat = 1.25

// checked counts handlers' calls and notes whether each had what it needs:
// errors come back from ProcessUpdates.
func checked(r bitcart.Registry) *int {
	handled := new(int) // on the caller's goroutine
	readPayloads(r, func() { *handled++ })
	return handled
}

func (b updateBench) all(handled *int) error {
	if *handled != b.n {
		return fmt.Errorf("%d of %d updates were handled", *handled, b.n)
	}
	*handled = 0
	return nil
}

func (b updateBench) coin(ctx context.Context, w *stopwatch) error {
	coin, err := bitcart.NewCoin("ETH", bitcart.WithXpub(walletsOf(1)[0]))
	if err != nil {
		return err
	}
	handled := checked(coin)
	var errs []error
	w.start()
	for i := range b.n {
		at := i % len(b.updates)
		if err := coin.ProcessUpdates(ctx, b.updates[at:at+1]); err != nil {
			errs = append(errs, err)
		}
	}
	w.stop()
	return errors.Join(append(errs, b.all(handled))...)
}

func (b updateBench) manager(name string, wallets int) (contender, error) {
	keys := walletsOf(wallets)
	m, err := bitcart.NewAPIManager(map[string][]string{"ETH": keys})
	if err != nil {
		return contender{}, err
	}
	handled := checked(m)
	rng := rand.New(rand.NewPCG(3, 4))
	whose := make([]string, b.n)
	for i := range whose {
		whose[i] = keys[rng.IntN(wallets)]
	}
	return contender{name, b.n, func(ctx context.Context, w *stopwatch) error {
		var errs []error
		w.start()
		for i, wallet := range whose {
			at := i % len(b.updates)
			if err := m.ProcessUpdates(ctx, "ETH", wallet, b.updates[at:at+1]); err != nil {
				errs = append(errs, err)
			}
		}
		w.stop()
		return errors.Join(append(errs, b.all(handled))...)
	}}, nil
}

// maps decodes the bodies alone: no handler, no dispatch.
func (b updateBench) maps(_ context.Context, w *stopwatch) error {
	w.start()
	defer w.stop()
	for i := range b.n {
		var update map[string]any
		if err := json.Unmarshal(b.bodies[i%len(b.bodies)], &update); err != nil {
			return err
		}
	}
	return nil
}
