package main

import (
	"context"
	"encoding/json"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/internal/wire"
)

// The library's own JSON scanner beside encoding/json.

func wireRows(ctx context.Context, pl plan) ([]row, error) {
	rows, err := cutterRows(ctx, pl)
	if err != nil {
		return nil, err
	}
	whole, err := stdjsonRows(ctx, pl)
	return append(rows, whole...), err
}

// cutterRows compare internal/wire with encoding/json by themselves: cutting a
// frame into updates with their names, and finding what a payload is read from.
func cutterRows(ctx context.Context, pl plan) ([]row, error) {
	frames := framesFor(walletsOf(8))
	var payments []wire.Body
	var cutter wire.Cutter
	for _, data := range frames {
		f, err := cutter.Cut(data)
		if err != nil {
			return nil, err
		}
		for _, u := range f.Updates {
			if u.Event == bitcart.EventNewPayment {
				payments = append(payments, u.Body)
			}
		}
	}
	each := func(name string, do func(i int) error) contender {
		return contender{name, pl.events, func(_ context.Context, w *stopwatch) error {
			w.start()
			defer w.stop()
			for i := range pl.events {
				if err := do(i); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	const cutting, finding = "wire.Cutter", "wire.Body.Find"
	const unmarshal, members = "json.Unmarshal, struct and name", "json.Unmarshal into a struct of RawMessage"
	names := []string{"address", "status", "status_str", "tx_hashes", "sent_amount", "contract"}
	costs, err := compare(ctx, pl.rounds, []contender{
		each(cutting, func(i int) error {
			_, err := cutter.Cut(frames[i%len(frames)])
			return err
		}),
		each(unmarshal, func(i int) error { return cutByJSON(frames[i%len(frames)]) }),
		each(finding, func(i int) error {
			var values [6]wire.Value
			if !payments[i%len(payments)].Find(names, values[:]) {
				return errIncomplete
			}
			return nil
		}),
		each(members, func(i int) error { return findByJSON(payments[i%len(payments)].Text) }),
	})
	if err != nil {
		return nil, err
	}
	return []row{
		{"cutting a frame: cost", costs[cutting].cpu(), costs[unmarshal].cpu(), unmarshal, bound{}},
		{"cutting a frame: allocations", costs[cutting].allocs(), costs[unmarshal].allocs(), unmarshal, bound{}},
		{"finding the members of a payment: cost", costs[finding].cpu(), costs[members].cpu(), members, bound{}},
	}, nil
}

// cutByJSON does what wire.Cutter does.
func cutByJSON(data []byte) error {
	var f struct {
		Updates  []json.RawMessage `json:"updates"`
		Wallet   *string           `json:"wallet"`
		Currency string            `json:"currency"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	for _, raw := range f.Updates {
		var body struct {
			Event string `json:"event"`
		}
		if err := json.Unmarshal(raw, &body); err != nil {
			return err
		}
	}
	return nil
}

// findByJSON does what wire.Body.Find does.
func findByJSON(text string) error {
	var p struct {
		Address    json.RawMessage `json:"address"`
		Status     json.RawMessage `json:"status"`
		StatusStr  json.RawMessage `json:"status_str"`
		TxHashes   json.RawMessage `json:"tx_hashes"`
		SentAmount json.RawMessage `json:"sent_amount"`
		Contract   json.RawMessage `json:"contract"`
	}
	return json.Unmarshal([]byte(text), &p)
}
