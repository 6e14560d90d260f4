package bitcarttest

import (
	"errors"
	"slices"
)

// span is a range of blocks, both ends included.
type span struct{ from, to int64 }

// newest is the block behind which the newest n begin that the daemon has looked into.
func (c *chain) newest(n int64) int64 {
	since := c.height - n
	for _, s := range slices.Backward(c.skipped) {
		if since < s.to {
			since -= s.to - s.from + 1
		}
	}
	return since
}

func (c *chain) isSkipped(height int64) bool {
	return slices.ContainsFunc(c.skipped, func(s span) bool { return s.from <= height && height <= s.to })
}

// catchUp looks at the blocks that came while the daemon was down. An account daemon does not go
// beyond its cap: the newest ones behind it are skipped for good. The caller holds mu.
func (d *Daemon) catchUp() {
	c := &d.chain
	if first := c.processed + d.coin.syncCap() + 1; d.coin.family == Account && first <= c.height {
		c.skipped = append(c.skipped, span{first, c.height})
	}
	c.processed = c.height
}

// skipsBlock tells whether the daemon does not look into a new block.
func (d *Daemon) skipsBlock(height int64) bool {
	if !d.faults.skipsBlock() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chain.skipped = append(d.chain.skipped, span{height, height})
	return true
}

// Reorg replaces the newest n blocks by empty ones, as a reorganisation of the chain does. On an
// Electrum daemon what was in them waits in the mempool again: requests that it paid get a
// new_payment with their lower status, and Mine confirms it a second time. Account daemons never
// look back: nothing changes, and Paid stays Paid. For BCH and XRG it is an error, since it is not
// known what those send. Channels are left alone.
func (d *Daemon) Reorg(n int) error {
	switch {
	case d.coin.family == ElectronCash:
		return errors.New("bitcarttest: what a daemon of this family does in a reorganisation is not known")
	case d.coin.family == Account || n <= 0:
		return nil
	}
	d.events.Lock()
	defer d.events.Unlock()
	for _, t := range d.unconfirm(int64(n)) {
		for _, w := range d.watchers(t) {
			if p, ok := d.paymentFor(w, t); ok {
				d.notify(w.key, p)
			}
		}
	}
	return nil
}

// unconfirm puts the transactions of the newest n blocks back into the mempool.
func (d *Daemon) unconfirm(n int64) (undone []*transaction) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.chain.order {
		if t.height > d.chain.height-n {
			t.height = 0
			undone = append(undone, t)
		}
	}
	d.chain.pool = append(undone[:len(undone):len(undone)], d.chain.pool...)
	return undone
}

// ErrNotInMempool is returned by DropTransaction.
var ErrNotInMempool = errors.New("bitcarttest: no such transaction in the mempool")

// DropTransaction takes a transaction that Send or Pay has made out of the mempool, as when its
// sender replaces it by one that pays somebody else. No daemon sends an event then: a request that
// it had paid is unpaid again, which only get_request tells. A transaction that is in a block, and so
// any of ETH, BNB, MATIC and TRX, is ErrNotInMempool, one that a wallet of this daemon has paid too.
func (d *Daemon) DropTransaction(txid string) error {
	d.events.Lock()
	defer d.events.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &d.chain
	t := c.txs[txid]
	if t == nil || t.outgoing || !slices.Contains(c.pool, t) {
		return ErrNotInMempool
	}
	same := func(o *transaction) bool { return o == t }
	c.pool = slices.DeleteFunc(c.pool, same)
	c.order = slices.DeleteFunc(c.order, same)
	c.to[t.to] = slices.DeleteFunc(c.to[t.to], same)
	delete(c.txs, txid)
	return nil
}
