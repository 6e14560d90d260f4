package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

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
	const fewKeys = "a Coin behind a map of 1 wallet"
	manyKeys := fmt.Sprintf("a Coin behind a map of %d wallets", pl.wallets)
	contenders := []contender{{asCoin, b.n, b.coin}, {std, b.n, b.maps}}
	for _, form := range []struct {
		name    string
		wallets int
	}{{fewKeys, one}, {manyKeys, pl.wallets}} {
		run, err := b.behindMap(form.wallets)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, contender{form.name, b.n, run})
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
	coin, maps := costs[asCoin], costs[std]
	few, many := name(one), name(pl.wallets)
	rows := []row{
		{"Coin: cost of an event", coin.cpu(), maps.cpu(), std, bound{}},
		{"Coin: allocations of an event", coin.allocs(), maps.allocs(), std, bound{}},
	}
	for _, form := range []struct {
		name, beside string
		wanted       bound
	}{
		{few, fewKeys, bound{}},
		{name(some), few, ratioAtMost(flat)},
		{quiet, few, ratioAtMost(flat)},
		{many, manyKeys, ratioAtMost(flat)},
		{many, few, ratioAtMost(flat)},
		{manyKeys, fewKeys, bound{}}, // what any program pays
	} {
		c, beside := costs[form.name], costs[form.beside]
		rows = append(rows, row{form.name + ": cost of an event", c.cpu(), beside.cpu(), form.beside, form.wanted})
	}
	return append(rows, row{many + ": allocations of an event", costs[many].allocs(), costs[manyKeys].allocs(), manyKeys, bound{}}), nil
}

// flat is how much more something may cost that should not depend on a size.
// Updates of very many wallets at random exceed it: what is in no cache has to be
// fetched from memory, by any program that looks a wallet up. So they stand
// beside a Coin behind a map of as many as well, under the same load.
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
		for i := range b.n {
			at := i % len(b.updates)
			if err := m.ProcessUpdates(ctx, "ETH", whose[i], b.updates[at:at+1]); err != nil {
				errs = append(errs, err)
			}
		}
		w.stop()
		return errors.Join(append(errs, b.all(handled))...)
	}}, nil
}

// whose says of which wallet each update is. A key that is looked up is not the
// very string that it is known by: it was read from somewhere, just now.
func (b updateBench) whose(keys []string) []string {
	rng := rand.New(rand.NewPCG(3, 4))
	whose := make([]string, b.n)
	for i := range whose {
		whose[i] = strings.Clone(keys[rng.IntN(len(keys))])
	}
	return whose
}

// behindMap is one Coin for all updates, and in front of it a bare map that
// knows so many wallets: what a program pays for looking each of them up, under
// the same load and without an APIManager.
func (b updateBench) behindMap(wallets int) (func(context.Context, *stopwatch) error, error) {
	keys := walletsOf(wallets)
	m, err := bitcart.NewAPIManager(map[string][]string{"ETH": keys})
	if err != nil {
		return nil, err
	}
	known := make(map[string]*bitcart.Coin, wallets)
	for _, key := range keys {
		known[key], _ = m.Coin("ETH", key)
	}
	whose := b.whose(keys)
	coin, err := bitcart.NewCoin("ETH", bitcart.WithXpub(keys[0]))
	if err != nil {
		return nil, err
	}
	handled := checked(coin)
	return func(ctx context.Context, w *stopwatch) error {
		var errs []error
		length := 0
		w.start()
		for i := range b.n {
			at := i % len(b.updates)
			length += len(known[whose[i]].WalletKey()) // fetches the Coin
			if err := coin.ProcessUpdates(ctx, b.updates[at:at+1]); err != nil {
				errs = append(errs, err)
			}
		}
		w.stop()
		if length != b.n*len(keys[0]) {
			errs = append(errs, errIncomplete)
		}
		return errors.Join(append(errs, b.all(handled))...)
	}, nil
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
