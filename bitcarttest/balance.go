package bitcarttest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
)

// Balance is what a wallet holds, as decimal text in whole coins or tokens; "" means nothing.
// Unconfirmed and Unmatured exist on Electrum and Electron Cash daemons, Lightning on Electrum
// ones.
type Balance struct {
	Confirmed, Unconfirmed, Unmatured, Lightning string
}

// place is where money lies: a wallet key's coins on Electrum and Electron Cash daemons, an
// address's on account daemons; contract is "" for the coin itself.
type place struct{ owner, contract string }

type holdings struct{ confirmed, unconfirmed, unmatured, lightning decimal.Decimal }

// SetBalance makes a wallet hold exactly b, without a transaction and without an event. Later
// payments change it as usual. The wallet must be known (ErrUnknownWallet). On XMR it is an error:
// that daemon always says zero.
func (d *Daemon) SetBalance(walletKey string, b Balance) error {
	if d.coin.style == styleMonero {
		return errors.New("bitcarttest: the balance of XMR is always zero")
	}
	want, err := b.parse()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.wallets[walletKey]
	if w == nil {
		return ErrUnknownWallet
	}
	p := d.placeOf(w)
	delete(d.granted, p)
	have := d.holdings(p, "")
	d.granted[p] = holdings{
		confirmed: want.confirmed.Sub(have.confirmed), unconfirmed: want.unconfirmed.Sub(have.unconfirmed),
		unmatured: want.unmatured, lightning: want.lightning.Sub(d.inChannels(w.key)),
	}
	return nil
}

func (b Balance) parse() (holdings, error) {
	var h holdings
	for _, part := range []struct {
		text string
		to   *decimal.Decimal
	}{{b.Confirmed, &h.confirmed}, {b.Unconfirmed, &h.unconfirmed}, {b.Unmatured, &h.unmatured}, {b.Lightning, &h.lightning}} {
		if part.text == "" {
			continue
		}
		v, err := decimal.NewFromString(part.text)
		if err != nil {
			return h, fmt.Errorf("bitcarttest: a balance must be decimal text: %w", err)
		}
		*part.to = v
	}
	return h, nil
}

// placeOf is called under mu, as all that follows.
func (d *Daemon) placeOf(w *wallet) place {
	p := place{owner: w.spec.Xpub}
	if d.coin.family == Account {
		p.owner = w.address
	}
	if w.token != nil {
		p.contract = w.token.Contract
	}
	return p
}

// coins is where the coins lie that a token wallet pays its fees from.
func (p place) coins() place { return place{owner: p.owner} }

// sameAddress compares as the chain does: EVM addresses in any casing.
func (d *Daemon) sameAddress(a, b string) bool {
	return a == b || d.coin.style == styleEVM && strings.EqualFold(a, b)
}

// takes and gives tell on which side of a transaction a place is.
func (d *Daemon) takes(p place, t *transaction) bool {
	if t.outgoing {
		return false
	}
	return d.coin.family != Account && t.xpub == p.owner || d.coin.family == Account && d.sameAddress(t.to, p.owner)
}

func (d *Daemon) gives(p place, t *transaction) bool {
	if !t.outgoing {
		return false
	}
	return d.coin.family != Account && t.xpub == p.owner || d.coin.family == Account && d.sameAddress(t.from, p.owner)
}

// change is what a transaction adds to a place; fees are paid in coins, of tokens too.
func (d *Daemon) change(p place, t *transaction) decimal.Decimal {
	sum := decimal.Zero
	switch {
	case d.takes(p, t) && t.contract == p.contract:
		return t.amount
	case !d.gives(p, t):
		return sum
	case t.contract == p.contract:
		sum = t.amount.Neg()
	}
	if p.contract == "" {
		sum = sum.Sub(t.fee)
	}
	return sum
}

// holdings sums a place up; with an address only what came to it.
func (d *Daemon) holdings(p place, address string) holdings {
	sum := d.granted[p]
	if address != "" {
		sum = holdings{}
	}
	for _, t := range d.chain.order {
		if address != "" && !d.sameAddress(t.to, address) {
			continue
		}
		if t.height > 0 {
			sum.confirmed = sum.confirmed.Add(d.change(p, t))
		} else {
			sum.unconfirmed = sum.unconfirmed.Add(d.change(p, t))
		}
	}
	return sum
}

func (h holdings) spendable() decimal.Decimal { return h.confirmed.Add(h.unconfirmed) }

// engineBalance leaves out what is zero, but for confirmed.
func engineBalance(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.holdings(d.placeOf(c.wallet), "")
	if c.wallet.token != nil {
		return object{{"confirmed", fixed(h.spendable(), c.wallet.token.Decimals)}}, nil
	}
	o := object{{"confirmed", pythonDecimal(h.confirmed)}}
	for _, part := range []struct {
		name  string
		value decimal.Decimal
	}{{"unconfirmed", h.unconfirmed}, {"unmatured", h.unmatured}, {"lightning", h.lightning.Add(d.inChannels(c.wallet.key))}} {
		if !part.value.IsZero() {
			o = append(o, member{part.name, pythonDecimal(part.value)})
		}
	}
	return o, nil
}

func walletAddressBalance(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.holdings(d.placeOf(c.wallet), c.text("address"))
	return object{{"confirmed", fixed(h.confirmed, 8)}, {"unconfirmed", fixed(h.unconfirmed, 8)}, {"unmatured", fixed(h.unmatured, 8)}}, nil
}

func engineAddressBalance(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var confirmed, unconfirmed decimal.Decimal
	for _, t := range d.chain.to[c.text("address")] {
		if t.height > 0 {
			confirmed = confirmed.Add(t.amount)
		} else {
			unconfirmed = unconfirmed.Add(t.amount)
		}
	}
	return object{{"confirmed", pythonDecimal(confirmed)}, {"unconfirmed", pythonDecimal(unconfirmed)}}, nil
}

// accountSum is the text of what lies at a place. XMR's is always zero: a view key sees no spending.
func (d *Daemon) accountSum(p place, decimals int) string {
	if d.coin.style == styleMonero {
		return fixed(decimal.Zero, decimals)
	}
	return fixed(d.holdings(p, "").confirmed, decimals)
}

// balance is accountSum of a wallet.
func (d *Daemon) balance(w *wallet) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.accountSum(d.placeOf(w), d.decimalsOf(w))
}

func accountBalance(d *Daemon, c *Call) (any, error) {
	return object{{"confirmed", d.balance(c.wallet)}}, nil
}

func addressBalance(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.accountSum(place{owner: d.coin.normalized(c.text("address"))}, d.coin.decimals), nil
}

func contractBalance(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.token(c.text("contract"))
	if t == nil {
		return nil, errNoToken
	}
	p := place{d.coin.normalized(c.text("address")), t.Contract}
	return object{{"balance", d.accountSum(p, t.Decimals)}, {"divisibility", t.Decimals}}, nil
}
