package bitcarttest

import (
	"time"

	"github.com/shopspring/decimal"
)

// entryOfHistory is a transaction of a wallet with what it changed.
type entryOfHistory struct {
	*transaction
	value, balance decimal.Decimal
}

// historyOf is called under mu.
func (d *Daemon) historyOf(w *wallet) []entryOfHistory {
	p := d.placeOf(w)
	granted := d.granted[p]
	balance := granted.confirmed.Add(granted.unconfirmed)
	var out []entryOfHistory
	for _, t := range d.chain.order {
		if value := d.change(p, t); !value.IsZero() {
			balance = balance.Add(value)
			out = append(out, entryOfHistory{t, value, balance})
		}
	}
	return out
}

// notMined is Electrum's place in time for what is in no block.
const notMined = 999_999_999_999

// heightLocal is Electrum's height of a transaction that nobody has sent.
const heightLocal = -2

func onchainHistory(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []object{}
	for _, e := range d.historyOf(c.wallet) {
		var fee any
		if e.outgoing {
			fee = units(e.fee, 8)
		}
		out = append(out, d.electrumEntry(e, d.label(c.wallet, e.to), fee))
	}
	for id, t := range c.wallet.book.local {
		spent := t.total().Add(t.fee).Neg()
		local := &transaction{id: id, outgoing: true, height: heightLocal}
		out = append(out, d.electrumEntry(entryOfHistory{local, spent, spent}, "", units(t.fee, 8)))
	}
	return out, nil
}

func (d *Daemon) electrumEntry(e entryOfHistory, label string, fee any) object {
	var stamp, date, index any
	monotonic := int64(notMined)
	if e.height > 0 {
		monotonic = e.created.Unix()
		stamp, date, index = monotonic, e.created.Format("2006-01-02 15:04"), 1
	}
	return object{
		{"amount_sat", units(e.value, 8)}, {"bc_balance", trimmed(e.balance)}, {"bc_value", trimmed(e.value)},
		{"confirmations", d.chain.confirmations(e.transaction)}, {"date", date}, {"fee_sat", fee}, {"group_id", nil},
		{"height", e.height}, {"incoming", !e.outgoing}, {"label", label}, {"monotonic_timestamp", monotonic},
		{"timestamp", stamp}, {"txid", e.id}, {"txpos_in_block", index}, {"wanted_height", nil},
	}
}

// label is the description of the request at an address.
func (d *Daemon) label(w *wallet, address string) string {
	if r := w.book.byAddress(address); r != nil {
		return r.memo
	}
	return ""
}

func cashHistory(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []object{}
	for _, e := range d.historyOf(c.wallet) {
		stamp, date := int64(0), "unconfirmed"
		if e.height > 0 {
			stamp, date = e.created.Unix(), e.created.Format(time.DateTime)
		}
		out = append(out, object{
			{"txid", e.id}, {"height", e.height}, {"confirmations", d.chain.confirmations(e.transaction)}, {"timestamp", stamp},
			{"date", date}, {"label", d.label(c.wallet, e.to)}, {"value", "--"}, {"fee", "--"}, {"balance", dotted(e.balance)},
		})
	}
	return out, nil
}

func addressHistory(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []object{}
	for _, t := range d.chain.to[c.text("address")] {
		o := object{{"tx_hash", t.id}, {"height", t.height}}
		if t.height == 0 {
			o = append(o, member{"fee", 2 * defaultSize})
		}
		out = append(out, o)
	}
	return out, nil
}
