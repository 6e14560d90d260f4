package bitcarttest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/shopspring/decimal"
)

// maxDrafts bounds the signed transactions that wait for broadcast.
const maxDrafts = 1000

// draft is a signed transaction that nobody has sent yet.
type draft struct {
	wallet, from, to, contract string
	amount                     decimal.Decimal
}

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (d *Daemon) draftID(raw string) string {
	id := hexSum(strings.TrimPrefix(raw, "0x"))
	if d.coin.style == styleEVM {
		return "0x" + id
	}
	return id
}

// keepDraft stores a draft and gives it the raw text that a real transaction would have.
func (d *Daemon) keepDraft(t draft) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.drafts) >= maxDrafts {
		clear(d.drafts)
	}
	raw := "0200000001" + randomHex(105)
	d.drafts[raw] = t
	return raw
}

// payOut builds one transaction with one or more outputs.
func (d *Daemon) payOut(c *Call, outputs []output) (any, error) {
	if err := d.checkFees(c); err != nil {
		return nil, err
	}
	d.mu.Lock()
	confirmed, unconfirmed := d.holdings(c.wallet, "")
	d.mu.Unlock()
	available, total := confirmed.Add(unconfirmed), decimal.Zero
	for _, o := range outputs {
		amount, err := d.outputAmount(o, available)
		if err != nil {
			return nil, err
		}
		total = total.Add(amount)
	}
	if total.GreaterThan(available) || !total.IsPositive() {
		if d.coin.family == ElectronCash {
			return nil, exception("electroncash.util.NotEnoughFunds")
		}
		return nil, exception("electrum.util.NotEnoughFunds: Insufficient funds")
	}
	return d.keepDraft(draft{wallet: c.wallet.key, from: c.wallet.address, to: outputs[0].to, amount: total}), nil
}

// checkFees is a trap of Electrum: unlike amounts, a fee rate must be a number.
func (d *Daemon) checkFees(c *Call) error {
	switch {
	case c.has("fee") && c.has("feerate"):
		return exception("Exception: Cannot specify both 'fee' and 'feerate' at the same time!")
	case c.has("feerate") && d.coin.family == Electrum && c.bound["feerate"][0] == '"':
		return exception("decimal.InvalidOperation: [<class 'decimal.InvalidOperation'>]")
	}
	return nil
}

func (d *Daemon) outputAmount(o output, available decimal.Decimal) (decimal.Decimal, error) {
	if !d.coin.validAddress(o.to) {
		if d.coin.family == ElectronCash {
			return available, exceptionf("Exception: Invalid address %s", o.to)
		}
		return available, exceptionf("Exception: Invalid Bitcoin address or alias: %s", o.to)
	}
	if string(o.amount) == `"!"` {
		return available, nil
	}
	return parseDecimal(o.amount)
}

// broadcast sends a draft. Text that is none gets a hash all the same, without any effect.
func broadcast(d *Daemon, c *Call) (any, error) {
	text := c.text("tx")
	var fields struct{ ID string }
	if strings.HasPrefix(text, "{") && json.Unmarshal(c.bound["tx"], &fields) == nil {
		return d.coin.newTxID(), nil
	}
	return d.send(text)
}

func (d *Daemon) send(text string) (any, error) {
	text = strings.TrimPrefix(text, "0x")
	if _, err := hex.DecodeString(text); err != nil || text == "" {
		return nil, exception("Exception: Invalid transaction")
	}
	id := d.draftID(text)
	d.mu.Lock()
	t, ok := d.drafts[text]
	delete(d.drafts, text)
	w := d.wallets[t.wallet]
	d.mu.Unlock()
	if ok && w != nil {
		d.spend(w, t, id)
	}
	return id, nil
}

// spend puts an outgoing transaction on the chain, with the event that its wallet gets.
func (d *Daemon) spend(w *wallet, t draft, id string) {
	made := &transaction{
		id: id, xpub: w.spec.Xpub, from: t.from, to: t.to, contract: t.contract, amount: t.amount,
		outgoing: true, created: d.cfg.now(), parent: randomHex(32), script: randomHex(20),
	}
	d.events.Lock()
	defer d.events.Unlock()
	if d.coin.detectsBySender() {
		d.advance(1)
		made.height = d.Height()
		d.blockEvent(made.height)
	}
	d.include(made)
	if d.coin.family != Account {
		d.notify(w.key, d.transactionEvent(w, made))
	}
}

func addTransaction(d *Daemon, c *Call) (any, error) {
	if d.coin.family == ElectronCash {
		return nil, nil
	}
	return d.draftID(c.text("tx")), nil
}
