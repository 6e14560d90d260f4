package bitcarttest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart/internal/keccak"
)

// maxDrafts bounds the transactions that wait for broadcast.
const maxDrafts = 1000

// defaultSize is the size of a transaction with one output to somebody else, in bytes.
const defaultSize = 110

// draft is a transaction that nobody has sent yet.
type draft struct {
	wallet   *wallet
	outputs  []output
	contract string // of a token transfer
	fee      decimal.Decimal
	size     int
	gas      int64
	unsigned bool
	body     json.RawMessage // TRX: what the transaction is about
}

// output is one recipient of a payment. amount is as the caller wrote it.
type output struct {
	to     string
	amount json.RawMessage
	value  decimal.Decimal
}

func (t *draft) total() decimal.Decimal {
	sum := decimal.Zero
	for _, o := range t.outputs {
		sum = sum.Add(o.value)
	}
	return sum
}

func hexSum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (d *Daemon) draftID(raw string) string {
	text := strings.TrimPrefix(raw, "0x")
	data, err := hex.DecodeString(text)
	switch {
	case d.coin.style == styleEVM:
		sum := keccak.Sum256(data)
		return "0x" + hex.EncodeToString(sum[:])
	case d.coin.family == ElectronCash && err == nil:
		sum := sha256.Sum256(data)
		sum = sha256.Sum256(sum[:])
		slices.Reverse(sum[:])
		return hex.EncodeToString(sum[:])
	}
	return hexSum(text)
}

// keepDraft stores a draft under a text of its own, which has the size of the real transaction: raw
// bytes in hexadecimal, or, unsigned on Electrum, a partially signed transaction in base64.
func (d *Daemon) keepDraft(t *draft) string {
	text := "0200000001" + randomHex(max(t.size, 16)-5)
	switch {
	case t.unsigned && d.coin.family == Electrum:
		text = "cHNidP8B" + base64.StdEncoding.EncodeToString(randomBytes(max(t.size, 16)))
	case t.size >= smallestCash && d.coin.family == ElectronCash:
		// One input, whose script is a public key behind a (short) signature, or behind the byte ff in
		// its place.
		script := "1e" + randomHex(30) + "21" + randomHex(33)
		if t.unsigned {
			script = "01ff" + "21" + randomHex(33)
		}
		text = "0200000001" + randomHex(36) + hex.EncodeToString([]byte{byte(len(script) / 2)}) + script
		text += randomHex(t.size - len(text)/2)
	}
	d.keepDraftAs(text, t)
	return text
}

// smallestCash is what the input of keepDraft takes.
const smallestCash = 107

func (d *Daemon) keepDraftAs(name string, t *draft) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.drafts) >= maxDrafts {
		clear(d.drafts)
	}
	d.drafts[name] = t
}

func (d *Daemon) draft(name string) *draft {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.drafts[name]
}

func enginePayTo(d *Daemon, c *Call) (any, error) {
	return d.payOut(c, []output{{to: c.text("destination"), amount: c.bound["amount"]}})
}

func payToMany(d *Daemon, c *Call) (any, error) {
	var rows [][2]json.RawMessage
	if json.Unmarshal(c.bound["outputs"], &rows) != nil || len(rows) == 0 {
		return nil, exception("ValueError: not enough values to unpack (expected 2)")
	}
	outputs := make([]output, len(rows))
	for i, row := range rows {
		var to string
		_ = json.Unmarshal(row[0], &to) // what is no text is no address
		outputs[i] = output{to: to, amount: row[1]}
	}
	return d.payOut(c, outputs)
}

// payOut builds one transaction with one or more outputs. Nothing is sent.
func (d *Daemon) payOut(c *Call, outputs []output) (any, error) {
	t := &draft{wallet: c.wallet, outputs: outputs, size: d.cfg.txSize + outputSize*(len(outputs)-1)}
	t.unsigned = c.flag("unsigned") || !d.signs(c.wallet.spec)
	var err error
	if t.fee, err = d.chosenFee(c, t.size); err != nil {
		return nil, err
	}
	if err := d.fund(t); err != nil {
		return nil, err
	}
	text := d.keepDraft(t)
	if c.flag("addtransaction") {
		d.keepLocal(text, t)
	}
	return text, nil
}

// errPoor is what engines say to who wants to spend more than there is.
func (d *Daemon) errPoor() error {
	if d.coin.family == ElectronCash {
		return exception("electroncash.util.NotEnoughFunds")
	}
	return exception("electrum.util.NotEnoughFunds: Insufficient funds")
}

// fund fills the values of the outputs in: "!" is everything that is left.
func (d *Daemon) fund(t *draft) error {
	d.mu.Lock()
	available := d.free(t.wallet).Sub(t.fee)
	d.mu.Unlock()
	var rest *output
	for i := range t.outputs {
		o := &t.outputs[i]
		switch {
		case !d.coin.validAddress(o.to):
			return d.errAddress(o.to)
		case string(o.amount) == `"!"`:
			rest = o
			continue
		}
		var err error
		if o.value, err = parseDecimal(o.amount); err != nil {
			return err
		}
		o.value = rounded(o.value, d.coin.decimals)
		if !o.value.IsPositive() {
			return d.errPoor()
		}
	}
	left := available.Sub(t.total())
	if rest != nil {
		rest.value = left
	}
	if left.IsNegative() || rest != nil && left.IsZero() {
		return d.errPoor()
	}
	return nil
}

// free are the coins of a wallet that no transaction of its own holds already. The caller holds mu.
func (d *Daemon) free(w *wallet) decimal.Decimal {
	sum := d.holdings(d.placeOf(w).coins(), "").spendable()
	for _, t := range w.book.local {
		sum = sum.Sub(t.total()).Sub(t.fee)
	}
	return sum
}

func (d *Daemon) errAddress(address string) error {
	if d.coin.family == ElectronCash {
		return exceptionf("Exception: Invalid address %s", address)
	}
	return exceptionf("Exception: Invalid Bitcoin address or alias: %s", address)
}

// keepLocal puts a transaction into its wallet's history before anybody has sent it, which keeps its
// coins from the next one. It is false when another one has them.
func (d *Daemon) keepLocal(text string, t *draft) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	id, book := d.draftID(text), t.wallet.book
	if book.local[id] != nil {
		return true
	}
	if len(book.local) >= maxDrafts || d.free(t.wallet).LessThan(t.total().Add(t.fee)) {
		return false
	}
	book.local[id] = t
	return true
}

func addTransaction(d *Daemon, c *Call) (any, error) {
	text := rawText(c.bound["tx"])
	kept := true
	if t := d.draft(text); t != nil && t.contract == "" {
		kept = d.keepLocal(text, t)
	}
	switch {
	case d.coin.family == ElectronCash:
		return nil, nil
	case !kept:
		return false, nil
	}
	return d.draftID(text), nil
}

// rawText is a transaction as text, or the hex member of Electron Cash's object.
func rawText(raw json.RawMessage) string {
	var o struct{ Hex string }
	if len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, &o) == nil {
		return o.Hex
	}
	return textOf(raw)
}

func removeLocal(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(c.wallet.book.local, c.text("txid"))
	return nil, nil
}

// networkRefusal is what a server says to a transaction whose coins another one has spent.
const networkRefusal = "the transaction was rejected by network rules.\\n\\ntxn-mempool-conflict"

// engineBroadcast sends a draft, unless its coins are gone. Hexadecimal that is none gets a hash all
// the same, without any effect.
func engineBroadcast(d *Daemon, c *Call) (any, error) {
	text := rawText(c.bound["tx"])
	t := d.draft(text)
	if t != nil && t.unsigned {
		return nil, exception("Exception: Transaction is not complete")
	}
	if _, err := hex.DecodeString(text); err != nil || text == "" {
		return nil, errNoTransaction
	}
	id := d.draftID(text)
	switch {
	case d.covered(t, id):
	case d.coin.family == ElectronCash:
		return networkRefusal, nil // in the place of the hash
	default:
		return nil, exceptionf("aiorpcx.jsonrpc.RPCError: (1, '%s')", networkRefusal)
	}
	d.send(t, text, id)
	return id, nil
}

// covered: the wallet keeps the coins of a draft, or has some left, and keeps them from here on.
// Without that two drafts of the same coins could both be sent.
func (d *Daemon) covered(t *draft, id string) bool {
	if t == nil || t.wallet == nil || t.contract != "" {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	local := t.wallet.book.local
	if d.chain.txs[id] != nil {
		return true // again
	}
	if local[id] == nil && d.free(t.wallet).LessThan(t.total().Add(t.fee)) {
		return false
	}
	local[id] = t
	return true
}

// send spends a draft, once.
func (d *Daemon) send(t *draft, name, id string) {
	if t == nil || t.wallet == nil {
		return
	}
	d.mu.Lock()
	_, waiting := d.drafts[name]
	delete(d.drafts, name)
	d.mu.Unlock()
	if waiting {
		d.spend(t, id)
	}
	// Only when the chain has it: meanwhile its coins are nobody else's.
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.chain.txs[id] != nil {
		delete(t.wallet.book.local, id)
	}
}

// spend puts an outgoing transaction on the chain, with the events that its wallet and the wallets
// of its recipients get.
func (d *Daemon) spend(t *draft, id string) {
	d.events.Lock()
	defer d.events.Unlock()
	made := d.outgoing(t, id)
	received := d.incoming(made)
	if d.coin.detectsBySender() {
		d.advance(1)
		height := d.Height()
		d.blockEvent(height)
		made.height = height
		d.include(made)
		for _, r := range received {
			r.height = height
			d.include(r)
			d.credited(r)
		}
		return
	}
	d.include(made)
	d.tell(t.wallet, d.transactionEvent(t.wallet, made))
	for _, r := range received {
		d.include(r)
		d.pooled(r)
	}
}

// tell notifies a wallet, if it is loaded.
func (d *Daemon) tell(w *wallet, u update) {
	d.mu.Lock()
	loaded := d.wallets[w.key] == w
	d.mu.Unlock()
	if loaded {
		d.notify(w.key, u)
	}
}

func (d *Daemon) outgoing(t *draft, id string) *transaction {
	d.mu.Lock()
	kept := d.holdings(d.placeOf(t.wallet).coins(), "").spendable().Sub(t.fee)
	d.mu.Unlock()
	if t.contract == "" {
		kept = kept.Sub(t.total())
	}
	return &transaction{
		changeTo: d.coin.newAddress(), kept: decimal.Max(kept, decimal.Zero),
		id: id, xpub: t.wallet.spec.Xpub, from: t.wallet.address, to: t.outputs[0].to, contract: t.contract,
		amount: t.total(), fee: t.fee, outputs: t.outputs, gas: t.gas, body: t.body, outgoing: true,
		created: d.cfg.now(), parent: randomHex(32), script: randomHex(20),
	}
}

// incoming are the parts of a payment that go to wallets and requests of this daemon.
func (d *Daemon) incoming(sent *transaction) []*transaction {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []*transaction
	for _, o := range sent.outputs {
		if xpub, ours := d.ownerOf(o.to); ours {
			part := *sent
			part.outgoing, part.outputs, part.fee = false, nil, decimal.Zero
			part.xpub, part.to, part.amount = xpub, d.coin.normalized(o.to), o.value
			out = append(out, &part)
		}
	}
	return out
}

// ownerOf finds the wallet key behind a receiving address. The caller holds mu.
func (d *Daemon) ownerOf(address string) (xpub string, ours bool) {
	for _, key := range d.order {
		w := d.wallets[key]
		if w.book.byAddress(address) != nil || d.coin.family == Account && d.sameAddress(w.address, address) {
			return w.spec.Xpub, true
		}
	}
	return "", false
}

// engineSign answers text on Electrum, an object on Electron Cash. What the wallet cannot sign stays
// as it is.
func engineSign(d *Daemon, c *Call) (any, error) {
	text := rawText(c.bound["tx"])
	complete := true
	if t := d.draft(text); t != nil && t.unsigned {
		if complete = d.signs(c.wallet.spec); complete {
			signed := *t
			signed.unsigned = false
			text = d.keepDraft(&signed)
		}
	}
	if d.coin.family == ElectronCash {
		return cashObject(text, complete), nil
	}
	return text, nil
}

func cashObject(text string, complete bool) object {
	return object{{"hex", text}, {"complete", complete}, {"final", complete}}
}
