package bitcarttest

import (
	"encoding/hex"
	"strings"
)

var errNoLightning = exception("Exception: Lightning not supported in this wallet type")

// fillInvoice makes a request a lightning invoice. Watch-only wallets cannot sign one.
func (d *Daemon) fillInvoice(c *Call, r *request) error {
	if !d.signs(c.wallet.spec) {
		return exception("AssertionError")
	}
	r.lightning, r.id = true, randomHex(32)
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
	return d.requestAnswer(c.wallet, r, true), nil
}

func nodeID(d *Daemon, c *Call) (any, error) {
	if !d.signs(c.wallet.spec) {
		return nil, errNoLightning
	}
	return "02" + hashText(c.wallet.key), nil
}

func addPeer(d *Daemon, c *Call) (any, error) {
	if !d.signs(c.wallet.spec) {
		return nil, errNoLightning
	}
	id, _, _ := strings.Cut(c.text("connection_string"), "@")
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != 33 {
		return nil, exception("electrum.lnutil.ConnStringFormatError: Invalid node ID, must be 33 bytes and hexadecimal")
	}
	return true, nil
}

func emptyList(d *Daemon, c *Call) (any, error) {
	if !d.signs(c.wallet.spec) {
		return nil, errNoLightning
	}
	return []any{}, nil
}

func openChannel(d *Daemon, c *Call) (any, error) {
	if !d.signs(c.wallet.spec) {
		return nil, errNoLightning
	}
	return nil, exception("electrum.util.NotEnoughFunds: Insufficient funds")
}

func noChannel(*Daemon, *Call) (any, error) { return nil, exception("Exception: channel not found") }

func payInvoice(d *Daemon, c *Call) (any, error) {
	if !d.signs(c.wallet.spec) {
		return nil, errNoLightning
	}
	if !strings.HasPrefix(c.text("invoice"), "ln") {
		return nil, exception("electrum.lnaddr.LnDecodeException: Does not start with ln")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range d.wallets {
		for _, r := range w.book.requests {
			if r.lightning && r.invoice == c.text("invoice") {
				return object{{"payment_hash", r.id}, {"success", false}, {"preimage", nil}, {"log", []any{}}}, nil
			}
		}
	}
	return nil, exception("electrum.lnaddr.LnDecodeException: Bad bech32 checksum")
}
