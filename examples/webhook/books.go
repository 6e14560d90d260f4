package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
)

// errBusy stands for a database that cannot be reached for a moment.
var errBusy = errors.New("books are busy")

// books credits each transaction once, whatever is repeated: the service tells
// of it at several numbers of confirmations, and a handler runs again when the
// process dies before its commit. A real one is a table with the transaction
// and the address as its key.
type books struct {
	log      *slog.Logger
	mu       sync.Mutex
	credited map[[3]string]bool // network, transaction, address
	tries    int
}

func newBooks(log *slog.Logger) *books {
	return &books{log: log, credited: map[[3]string]bool{}}
}

// payment is the handler. Its error makes the service deliver again.
func (b *books) payment(ctx context.Context, _ *bitcart.Event, p blockio.AddressEvent) error {
	d, _ := blockio.DeliveryFrom(ctx)
	b.log.Info("payment", "network", p.Network, "txid", p.TxID, "change", p.BalanceChange,
		"confirmations", p.Confirmations, "attempt", d.Attempt, "proof", d.Proof)
	if !p.Final() || !p.BalanceChange.IsPositive() {
		return nil // more confirmations are told of later; or the address has paid
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tries++; b.tries == 1 {
		return errBusy // the first try fails, to show the second
	}
	b.credited[[3]string{p.Network, p.TxID, p.Address}] = true
	return nil
}

func (b *books) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.credited)
}
