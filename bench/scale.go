package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/bitcart-go/bitcart"
)

// What many wallets cost that stream over one connection: memory, goroutines,
// idle time, and adding one more.

const (
	fewWallets  = 10
	someWallets = 1000
	manyBlocks  = 100 // as many as a wallet's history holds
)

func scaleRows(ctx context.Context, pl plan) (rows []row, err error) {
	p, err := startSender(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	few, _, err := streamWallets(ctx, p, fewWallets)
	if err != nil {
		return nil, err
	}
	fewGoroutines, err := settledGoroutines(ctx, few)
	if err := errors.Join(err, few.end()); err != nil {
		return nil, err
	}

	before := heapInUse()
	many, blocks, err := streamWallets(ctx, p, pl.wallets)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, many.end()) }()
	manyGoroutines, err := settledGoroutines(ctx, many)
	if err != nil {
		return nil, err
	}
	perWallet := func() figure { return figure{(heapInUse() - before) / float64(pl.wallets), "B"} }
	armed := perWallet()
	if err := p.order(ctx, fmt.Sprintf("/chain?blocks=%d", manyBlocks), nil, nil); err != nil {
		return nil, err
	}
	if _, err := blocks.wait(ctx, many, manyBlocks); err != nil {
		return nil, err
	}
	withBlocks := perWallet()
	idle, err := idleCPU(ctx, pl.idle)
	if err != nil {
		return nil, err
	}
	rows = append(rows,
		row{fmt.Sprintf("%d wallets: memory of one (HeapInuse)", pl.wallets), armed, figure{}, "", oursAtMost(1024)},
		row{fmt.Sprintf("%d wallets: memory of one after %d blocks", pl.wallets, manyBlocks), withBlocks, figure{}, "", oursAtMost(1.2 * 1024)},
		row{fmt.Sprintf("%d wallets: goroutines", pl.wallets), count(manyGoroutines), count(fewGoroutines), fmt.Sprintf("with %d wallets", fewWallets), ratioAtMost(1)},
		row{fmt.Sprintf("%d wallets: idle for %v", pl.wallets, pl.idle), idle, figure{}, "", oursAtMost(0.1)},
	)
	adding, err := addingRows(ctx, p, pl, many)
	return append(rows, adding...), err
}

func count(n int) figure { return figure{float64(n), "goroutines"} }

// streamWallets streams for n wallets, all of them armed, with the usual
// settings.
func streamWallets(ctx context.Context, p *process, n int) (s *streaming, heights *tally[int64], err error) {
	if s, err = newManager(p, n); err != nil {
		return nil, nil, err
	}
	heights = newTally[int64]()
	bitcart.On(s, func(_ context.Context, _ *bitcart.Event, p bitcart.NewBlock) error {
		heights.add(p.Height)
		return useBlock(p.Height)
	})
	return s, heights, s.begin(ctx)
}

// settledGoroutines counts goroutines when the last call is over: connections
// that wait for another call have two each, for a minute.
func settledGoroutines(ctx context.Context, s *streaming) (int, error) {
	const still = 20 // looks without a change
	last, same := 0, 0
	for same < still {
		for _, c := range s.manager().Coins() {
			c.CloseIdleConnections()
			break
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
		same++
		if n := runtime.NumGoroutine(); n != last {
			last, same = n, 0
		}
	}
	return last, nil
}

func heapInUse() float64 {
	runtime.GC()
	runtime.GC() // the second one frees what pools have kept over the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse)
}

// idleCPU is how much of one processor this process uses while nothing happens
// but the keep-alive.
func idleCPU(ctx context.Context, d time.Duration) (figure, error) {
	debug.FreeOSMemory() // or the runtime does so meanwhile
	cpu, start := cpuTime(), time.Now()
	if err := sleep(ctx, d); err != nil {
		return figure{}, err
	}
	return figure{100 * float64(cpuTime()-cpu) / float64(time.Since(start)), "% CPU"}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// addingRows measure AddWallet in managers of different sizes that stream, or
// do not.
func addingRows(ctx context.Context, p *process, pl plan, many *streaming) (rows []row, err error) {
	some, _, err := streamWallets(ctx, p, someWallets)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, some.end()) }()
	quietSome, err := newManager(p, someWallets)
	if err != nil {
		return nil, err
	}
	quietMany, err := newManager(p, pl.wallets)
	if err != nil {
		return nil, err
	}
	const streams = true
	managers := []struct {
		s       *streaming
		streams bool
		took    []float64
	}{{some, streams, nil}, {many, streams, nil}, {quietSome, !streams, nil}, {quietMany, !streams, nil}}
	for range pl.rounds {
		for i := range managers {
			m := &managers[i]
			took, err := addWallets(ctx, m.s.manager(), m.streams)
			if err != nil {
				return nil, err
			}
			m.took = append(m.took, took...)
		}
	}
	took := func(i int) figure { return figure{middle(managers[i].took) / 1e3, "µs"} }
	what := fmt.Sprintf("AddWallet to %d wallets", pl.wallets)
	than := fmt.Sprintf("to %d wallets", someWallets)
	return []row{
		{what + ", streaming", took(1), took(0), than, ratioAtMost(flat)},
		{what + ", not streaming", took(3), took(2), than, ratioAtMost(flat)},
	}, nil
}

// addWallets adds some wallets, one after another, tells how many ns each took,
// and removes them again.
func addWallets(ctx context.Context, m *bitcart.APIManager, streams bool) (took []float64, err error) {
	const added = 100
	runtime.GC() // not meanwhile
	for i := range added {
		wallet := bitcart.Wallet{Xpub: fmt.Sprintf("zpub%0107d", i)}
		start := time.Now()
		coin, err := m.AddWallet("ETH", wallet)
		took = append(took, float64(time.Since(start)))
		if err != nil {
			return nil, err
		}
		if streams { // or its arming would run beside the next one
			if err := coin.WaitArmed(ctx); err != nil {
				return nil, err
			}
		}
	}
	for i := range added {
		if !m.RemoveWallet("ETH", fmt.Sprintf("zpub%0107d", i)) {
			return nil, errors.New("a wallet was added and is not there")
		}
	}
	return took, nil
}
