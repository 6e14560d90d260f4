package main

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/bitcart-go/bitcart"
)

// From the socket to the handler: the client's work for one event.

// socketBench takes so many events in a run.
type socketBench struct {
	p      *process
	events int
}

// Contenders, and those of them that are forms of the library.
const (
	asCoin     = "Coin"
	asManager  = "APIManager, 8 wallets"
	asMany     = "APIManager, 1000 wallets"
	unread     = "Coin, bodies unread"
	discarding = "read and discard"
	mapping    = "ReadMessage, map, switch"
	structural = "NextReader, struct, switch"
	spawning   = "goroutine per event"
	decoding   = "json.Unmarshal, flat struct"
	crowded    = "the same on all processors at once"
)

// What must not cost more than a time was written down for a machine on which
// decoding a frame of 401 bytes takes so long.
const (
	decodingThere = 3.4 // µs
	costThere     = 2   // µs of an event
)

func (b socketBench) contenders() []contender {
	// Longer runs for what costs little, so that its start is a small part: the
	// heap, the lanes and each wallet's history grow then.
	longer := socketBench{b.p, 4 * b.events}
	return []contender{
		{discarding, longer.events, longer.loop(8, discard)},
		{asCoin, longer.events, longer.library(1, newCoin, readPayloads)},
		{unread, longer.events, longer.library(1, newCoin, leaveBodies)},
		{asManager, longer.events, longer.library(8, newManager, readPayloads)},
		{asMany, longer.events, longer.library(1000, newManager, readPayloads)},
		{mapping, b.events, b.loop(8, readMaps)},
		{structural, b.events, b.loop(8, readStructs)},
		{spawning, b.events, b.loop(8, readInGoroutines)},
	}
}

// decode does what a loop's decoder does, without a socket: it tells how fast
// the machine is at that moment.
func (b socketBench) decode(_ context.Context, w *stopwatch) error {
	frames := framesFor(walletsOf(8))
	w.start()
	defer w.stop()
	return decodeAll(frames, b.events)
}

// decodeEverywhere does as much on each processor. Where that takes more
// processor time for a frame, processors share what does the work, as two
// threads of one core do; what runs on several then costs more than it would
// on cores of its own.
func (b socketBench) decodeEverywhere(_ context.Context, w *stopwatch) error {
	frames := framesFor(walletsOf(8))
	n := runtime.GOMAXPROCS(0)
	w.start()
	defer w.stop()
	return atOnce(n, n, func(int) error { return decodeAll(frames, b.events) })
}

func decodeAll(frames [][]byte, n int) error {
	for i := range n {
		var f flatFrame
		if err := json.Unmarshal(frames[i%len(frames)], &f); err != nil {
			return err
		}
	}
	return nil
}

func socketRows(ctx context.Context, pl plan) ([]row, error) {
	p, err := startSender(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	b := socketBench{p, pl.events}
	if err := b.warmUp(ctx); err != nil {
		return nil, err
	}
	costs, err := compare(ctx, pl.rounds, append(b.contenders(),
		contender{decoding, b.events, b.decode},
		contender{crowded, runtime.GOMAXPROCS(0) * b.events, b.decodeEverywhere}))
	if err != nil {
		return nil, err
	}
	there := figure{decodingThere, "µs CPU"}
	slower := costs[decoding].cpu().value / there.value
	rows := []row{
		{"this machine: decoding a frame, " + decoding, costs[decoding].cpu(), there, "the machine of the bounds", bound{}},
		{"this machine: " + crowded, costs[crowded].cpu(), costs[decoding].cpu(), "on one of them", bound{}},
	}
	for _, name := range []string{asCoin, asManager, asMany} {
		c := costs[name]
		rows = append(rows,
			row{name + ": cost of an event", c.cpu(), costs[discarding].cpu(), discarding, oursAtMost(costThere)},
			row{name + ": cost of an event, on the machine of the bounds", figure{c.cpu().value / slower, "µs CPU"}, figure{}, "", oursAtMost(costThere)})
		for _, other := range []struct {
			name   string
			wanted bound
		}{{discarding, ratioAtLeast(1.0 / 8)}, {mapping, ratioAtLeast(4)}, {structural, bound{}}, {spawning, bound{}}} {
			o := costs[other.name]
			rows = append(rows,
				row{name + ": throughput by CPU", c.perCPU(), o.perCPU(), other.name, other.wanted},
				row{name + ": throughput by wall clock", c.perSecond(), o.perSecond(), other.name, other.wanted})
		}
	}
	return append(rows,
		row{asMany + ": throughput by CPU", costs[asMany].perCPU(), costs[asCoin].perCPU(), "one Coin", ratioAtLeast(0.85)},
		row{asMany + ": throughput by wall clock", costs[asMany].perSecond(), costs[asCoin].perSecond(), "one Coin", ratioAtLeast(0.85)},
		row{"Coin: allocations of an event, body unread", costs[unread].allocs(), costs[mapping].allocs(), mapping, oursAtMost(2)},
		row{"Coin: allocations of an event with payload", costs[asCoin].allocs(), costs[mapping].allocs(), mapping, oursAtMost(6)},
		row{"Coin: cost of an event, body unread", costs[unread].cpu(), costs[discarding].cpu(), discarding, bound{}},
	), nil
}

// warmUp has the sender make its frames.
func (b socketBench) warmUp(ctx context.Context) error {
	for _, wallets := range []int{1, 8, 1000} {
		f := newFlooding(0)
		f.begin(ctx, b.p, wallets)
		if err := f.wait(); err != nil {
			return err
		}
	}
	return nil
}

// library streams until all events were handled.
func (b socketBench) library(wallets int,
	create func(*process, int, ...bitcart.Option) (*streaming, error), register func(bitcart.Registry, func()),
) func(context.Context, *stopwatch) error {
	return func(ctx context.Context, w *stopwatch) error {
		s, err := create(b.p, wallets, deepQueue)
		if err != nil {
			return err
		}
		f := newFlooding(b.events)
		var handled atomic.Int64
		register(s, func() { f.handled(handled.Add(1)) })
		if err := s.begin(ctx); err != nil {
			return err
		}
		w.start()
		f.begin(ctx, b.p, wallets)
		err = s.until(ctx, f.all)
		w.stop()
		return errors.Join(err, s.end(), f.wait())
	}
}

// readPayloads registers handlers that read every field.
func readPayloads(r bitcart.Registry, done func()) {
	bitcart.On(r, func(_ context.Context, _ *bitcart.Event, p bitcart.NewBlock) error {
		defer done()
		return useBlock(p.Height)
	})
	bitcart.On(r, func(_ context.Context, _ *bitcart.Event, p bitcart.NewTransaction) error {
		defer done()
		return useTransaction(p.Tx, p.FromAddress, p.To, p.Contract, p.Amount.Decimal)
	})
	bitcart.On(r, func(_ context.Context, _ *bitcart.Event, p bitcart.NewPayment) error {
		defer done()
		return usePayment(p.Address, int(p.Status), p.StatusStr, p.TxHashes, p.Contract, p.SentAmount.Decimal)
	})
}

// leaveBodies registers handlers that read nothing.
func leaveBodies(r bitcart.Registry, done func()) {
	for _, event := range []string{bitcart.EventNewBlock, bitcart.EventNewTransaction, bitcart.EventNewPayment} {
		r.On(event, func(context.Context, *bitcart.Event) error {
			done()
			return nil
		})
	}
}
