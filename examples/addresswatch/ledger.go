package main

import (
	"errors"
	"sync"

	"github.com/shopspring/decimal"
)

// errBusy stands for a database that cannot be reached for a moment.
var errBusy = errors.New("ledger is busy")

type payment struct{ network, address, txid string }

// ledger credits each payment once, whatever is repeated.
type ledger struct {
	mu       sync.Mutex
	credited map[payment]decimal.Decimal
	tries    int
}

func newLedger() *ledger { return &ledger{credited: map[payment]decimal.Decimal{}} }

func (l *ledger) credit(network, address, txid string, amount decimal.Decimal) (fresh bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tries++; l.tries == 1 {
		return false, errBusy // the first try fails, to show Retry
	}
	key := payment{network, address, txid}
	if _, done := l.credited[key]; done {
		return false, nil
	}
	l.credited[key] = amount
	return true, nil
}
