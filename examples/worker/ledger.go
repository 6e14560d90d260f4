package main

import (
	"context"
	"errors"
	"sync"

	"github.com/bitcart-go/bitcart"
)

// errBusy stands for a database that cannot be reached for a moment.
var errBusy = errors.New("ledger is busy")

// ledger credits each payment request once, whatever is repeated.
type ledger struct {
	mu    sync.Mutex
	paid  map[string]bool
	tries int
}

func newLedger() *ledger { return &ledger{paid: map[string]bool{}} }

func (l *ledger) credit(_ context.Context, p bitcart.NewPayment) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tries++; l.tries == 1 {
		return errBusy // the first try fails, to show Retry
	}
	if p.Status == bitcart.StatusPaid {
		l.paid[p.RequestKey()] = true
	}
	return nil
}
