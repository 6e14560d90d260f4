package bitcarttest

import (
	"encoding/hex"
	"strings"
	"time"
)

var errNoLightning = exception("Exception: Lightning not supported in this wallet type")

// lightningMethods are the methods of wallets that can do lightning.
var lightningMethods = []entry{
	{"get_invoice", "key!", getInvoice},
	{"nodeid", "", capable(nodeID)},
	{"add_peer", "connection_string! timeout gossip", capable(addPeer)},
	{"list_peers", "gossip", capable(listPeers)},
	{"list_channels", "", capable(listChannels)},
	{"open_channel", "connection_string! amount! push_amount public password", capable(openChannel)},
	{"close_channel", "channel_point! force", capable(closeChannel)},
	{"lnpay", "invoice! timeout password", capable(payInvoice)},
}

// capable refuses wallets that cannot sign, and everybody where lightning is switched off.
func capable(call func(*Daemon, *Call) (any, error)) func(*Daemon, *Call) (any, error) {
	return func(d *Daemon, c *Call) (any, error) {
		if !d.coin.lightning || !d.signs(c.wallet.spec) {
			return nil, errNoLightning
		}
		return call(d, c)
	}
}

// fillInvoice makes a request a lightning invoice. Watch-only wallets cannot sign one.
func (d *Daemon) fillInvoice(c *Call, r *request) error {
	if !d.signs(c.wallet.spec) {
		return exception("AssertionError")
	}
	if !d.coin.lightning {
		return errNoLightning
	}
	preimage := randomBytes(32)
	r.lightning, r.preimage = true, hex.EncodeToString(preimage)
	r.id = hexSum(string(preimage)) // the payment hash
	r.invoice = "lnbc1" + randomText(bech32, 200)
	return nil
}

func getInvoice(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := c.wallet.book.byID(c.text("key"))
	if r == nil {
		return nil, exception("Exception: Invoice not found")
	}
	return d.requestAnswer(c.wallet, r, false), nil
}

func nodeID(d *Daemon, c *Call) (any, error) {
	id := "02" + hexSum(c.wallet.key)
	if d.cfg.lightningAddr != "" {
		id += "@" + d.cfg.lightningAddr
	}
	return id, nil
}

// payInvoice pays an invoice of a wallet of this daemon. Nothing routes to strangers: an invoice that
// nobody here has made is malformed.
func payInvoice(d *Daemon, c *Call) (any, error) {
	invoice := c.text("invoice")
	if !strings.HasPrefix(invoice, "ln") {
		return nil, exception("electrum.lnaddr.LnDecodeException: Does not start with ln")
	}
	d.events.Lock() // until it is settled: nobody else pays it meanwhile
	defer d.events.Unlock()
	d.mu.Lock()
	payee, r := d.invoice(invoice)
	if r == nil {
		d.mu.Unlock()
		return nil, exception("electrum.lnaddr.LnDecodeException: Bad bech32 checksum")
	}
	paid := !r.paid && d.sendByChannels(c.wallet.key, r.amount.Decimal)
	d.mu.Unlock()
	if !paid {
		return object{{"payment_hash", r.id}, {"success", false}, {"preimage", nil}, {"log", []any{}}}, nil
	}
	d.settle(payee, r)
	attempt := []string{d.cfg.now().Format(time.DateTime), "", trimmed(r.amount.Decimal), ""}
	return object{{"payment_hash", r.id}, {"success", true}, {"preimage", r.preimage}, {"log", [][]string{attempt}}}, nil
}

// invoice finds who has made an invoice. The caller holds mu.
func (d *Daemon) invoice(text string) (*wallet, *request) {
	for _, key := range d.order {
		for _, r := range d.wallets[key].book.requests {
			if r.lightning && r.invoice == text {
				return d.wallets[key], r
			}
		}
	}
	return nil, nil
}

// settle marks an invoice as paid, with its event. The caller holds events.
func (d *Daemon) settle(w *wallet, r *request) {
	d.mu.Lock()
	r.paid = true
	d.receiveByChannels(w, r.amount.Decimal)
	u := d.paymentEvent(w, r, d.received(r))
	d.mu.Unlock()
	d.tell(w, u)
}
