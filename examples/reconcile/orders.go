package main

import (
	"slices"
	"sync"
)

// orders are what is to be paid, by the key of the payment request. It stands
// for a table in a shop's database, which is written before the payer sees the
// address.
type orders struct {
	mu   sync.Mutex
	byID map[string]*order
	list []string // keys, in order of time
}

type order struct {
	credited chan struct{} // closed when it is
	by       string        // how the payment was found
}

func newOrders() *orders { return &orders{byID: map[string]*order{}} }

// add adds an order; one that is known is left as it is.
func (o *orders) add(key string) *order {
	o.mu.Lock()
	defer o.mu.Unlock()
	if known := o.byID[key]; known != nil {
		return known
	}
	fresh := &order{credited: make(chan struct{})}
	o.byID[key] = fresh
	o.list = append(o.list, key)
	return fresh
}

func (o *orders) knows(key string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.byID[key] != nil
}

func (o *orders) remove(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.byID, key)
	o.list = slices.DeleteFunc(o.list, func(k string) bool { return k == key })
}

// open lists the orders that are not credited, including those whose request has
// expired: Electrum daemons count payments that come later. A real shop gives
// them up after some time.
func (o *orders) open() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var keys []string
	for _, key := range o.list {
		if o.byID[key].by == "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// credit reports whether this call is the one that credits the order: false for
// one that is credited already or unknown. In a database it is one statement,
// UPDATE orders SET credited = true WHERE key = ? AND NOT credited, in one
// transaction with what the customer gets for it.
func (o *orders) credit(key, by string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	order := o.byID[key]
	if order == nil || order.by != "" {
		return false
	}
	order.by = by
	close(order.credited)
	return true
}
