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
	const fewKeys, manyKeys = "map, few keys", "map, many keys"
	contenders := []contender{
		{asCoin, b.n, b.coin}, {std, b.n, b.maps},
		{fewKeys, b.n, b.lookups(one)}, {manyKeys, b.n, b.lookups(pl.wallets)},
	}
	sizes := []int{one, some, pl.wallets}
	for _, wallets := range sizes {
		c, err := b.manager(name(wallets), wallets, wallets)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, c)
	}
	quiet := name(pl.wallets) + ", updates of one"
	c, err := b.manager(quiet, pl.wallets, one)
	if err != nil {
		return nil, err
	}
	contenders = append(contenders, c)
	costs, err := compare(ctx, pl.rounds, contenders)
	if err != nil {
		return nil, err
	}
	coin, maps, few := costs[asCoin], costs[std], costs[name(one)]
	rows := []row{
		{"Coin: cost of an event", coin.cpu(), maps.cpu(), std, bound{}},
		{"Coin: allocations of an event", coin.allocs(), maps.allocs(), std, bound{}},
	}
	for _, form := range []struct {
		name   string
		than   cost
		beside string
		wanted bound
	}{
		{name(one), coin, "Coin", bound{}},
		{name(some), few, "with 1 wallet", ratioAtMost(flat)},
		{quiet, few, "with 1 wallet", ratioAtMost(flat)},
		{name(pl.wallets), few, "with 1 wallet", ratioAtMost(flat)},
	} {
		c := costs[form.name]
		rows = append(rows,
			row{form.name + ": cost of an event", c.cpu(), form.than.cpu(), form.beside, form.wanted},
			row{form.name + ": allocations of an event", c.allocs(), coin.allocs(), "Coin", bound{}})
	}
	more := func(many, few string) figure { return figure{(costs[many].CPU - costs[few].CPU) / 1e3, "µs CPU"} }
	return append(rows, row{
		fmt.Sprintf("APIManager: what %d wallets add to the cost of an event", pl.wallets),
		more(name(pl.wallets), name(one)), more(manyKeys, fewKeys), "what so many keys add to a map's lookup", bound{},
	}), nil
}

// flat is how much more something may cost that should not depend on a size.
// Updates spread at random over very many wallets exceed it: each of them fetches
// its wallet from memory, which no cache holds. The last row says how much of
// that a bare map does as well.
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

// manager has so many wallets, and updates of some of them, spread over all.
func (b updateBench) manager(name string, wallets, busy int) (contender, error) {
	keys := walletsOf(wallets)
	m, err := bitcart.NewAPIManager(map[string][]string{"ETH": keys})
	if err != nil {
		return contender{}, err
	}
	handled := checked(m)
	var awake []string
	for i := 0; i < wallets; i += wallets / busy {
		awake = append(awake, keys[i])
	}
	whose := b.whose(awake)
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

// whose says of which wallet each update is.
func (b updateBench) whose(keys []string) []string {
	rng := rand.New(rand.NewPCG(3, 4))
	whose := make([]string, b.n)
	for i := range whose {
		whose[i] = keys[rng.IntN(len(keys))]
	}
	return whose
}

// lookups finds the wallets in a bare map: what no code can save that knows many
// of them.
func (b updateBench) lookups(wallets int) func(context.Context, *stopwatch) error {
	keys := walletsOf(wallets)
	known := make(map[string]*paid, wallets)
	for _, key := range keys {
		known[key] = &paid{Status: 1}
	}
	whose := b.whose(keys)
	return func(_ context.Context, w *stopwatch) error {
		sum, none := 0, 0
		w.start()
		for i := range whose {
			found := known[whose[i+none]]
			sum += found.Status
			none = found.Confirmations // so that the next one waits for this one, as events do
		}
		w.stop()
		if sum != b.n {
			return errIncomplete
		}
		return nil
	}
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
