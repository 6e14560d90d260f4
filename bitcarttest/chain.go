package bitcarttest

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// maxTransactions bounds the chain; beyond it the oldest half is forgotten.
const maxTransactions = 100_000

// chain is the world outside of the daemon: it goes on while the daemon is down.
type chain struct {
	height    int64
	processed int64  // the daemon has seen the blocks up to here
	skipped   []span // blocks that it has not looked into, in order
	txs       map[string]*transaction
	order     []*transaction
	pool      []*transaction            // those of them that wait for a block
	to        map[string][]*transaction // incoming ones by address
}

// transaction is a transfer to a wallet, or out of it.
type transaction struct {
	id       string
	xpub     string // engine families: the wallet it belongs to
	from, to string
	contract string // as the token table spells it, "" for the coin
	amount   decimal.Decimal
	outgoing bool
	height   int64 // 0 while it waits in the mempool
	created  time.Time
	late     bool   // XMR: its request was paid, or had expired, when it came
	parent   string // engine families: the output that it spends
	script   string

	// what its sender knows
	fee      decimal.Decimal
	gas      int64
	body     json.RawMessage // TRX
	outputs  []output
	changeTo string          // engine families: the rest of what was spent
	kept     decimal.Decimal // goes there
}

func newChain(height int64) chain {
	return chain{height: height, processed: height, txs: map[string]*transaction{}, to: map[string][]*transaction{}}
}

func (c *chain) add(t *transaction) {
	if len(c.order) >= maxTransactions {
		kept := c.order[maxTransactions/2:]
		c.txs, c.to, c.order = map[string]*transaction{}, map[string][]*transaction{}, nil
		for _, k := range kept {
			c.index(k)
		}
	}
	c.index(t)
	if t.height == 0 {
		c.pool = append(c.pool, t)
	}
}

func (c *chain) index(t *transaction) {
	if c.txs[t.id] == nil { // the parts of a payment have one hash; its sender's comes first
		c.txs[t.id] = t
	}
	c.order = append(c.order, t)
	if !t.outgoing {
		c.to[t.to] = append(c.to[t.to], t)
	}
}

func (c *chain) confirmations(t *transaction) int64 {
	if t == nil || t.height == 0 {
		return 0
	}
	return c.height - t.height + 1
}

// takePool empties the mempool.
func (c *chain) takePool() []*transaction {
	waiting := c.pool
	c.pool = nil
	return waiting
}

// Transfer is a transaction to make.
type Transfer struct {
	// From is the sender, "" for a random one. Account daemons other than XMR find a payment by it.
	From string
	// Amount is decimal text in whole coins or tokens. For Pay, "" is what is still missing.
	Amount string
	// Contract makes it a token transfer; "" means the contract of the wallet key, if it has one.
	Contract string
	// Mined puts the transaction straight into a new block, where the family would leave it in the
	// mempool.
	Mined bool
}

// Mine adds n blocks. An account daemon sends new_block for each of them, the others only for the
// last one. The first of them confirms what waits in the mempool.
func (d *Daemon) Mine(n int) {
	if n <= 0 {
		return
	}
	d.events.Lock()
	defer d.events.Unlock()
	d.mine(n)
}

// mine is called with events held.
func (d *Daemon) mine(n int) {
	first := d.Height() + 1
	if d.coin.family != Account {
		d.advance(int64(n))
		d.blockEvent(first + int64(n) - 1)
		d.confirm(first)
		return
	}
	for i := range int64(n) {
		d.advance(1)
		d.blockEvent(first + i)
		if i == 0 {
			d.confirm(first)
		}
	}
}

func (d *Daemon) advance(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chain.height += n
	if d.running() {
		d.chain.processed = d.chain.height
	}
	d.notifyChange()
}

func (d *Daemon) blockEvent(height int64) {
	d.mu.Lock()
	running := d.running()
	d.mu.Unlock()
	if running {
		d.notify("", eventOf(object{{"event", "new_block"}, {"height", height}}))
	}
}

// Send makes a transaction to a wallet that pays no request, and returns its hash. In families
// that watch the mempool it waits there for Mine; otherwise it is in a block of its own. The wallet
// must be known (ErrUnknownWallet), but need not be loaded: then nobody gets an event.
func (d *Daemon) Send(walletKey string, t Transfer) (txid string, err error) {
	d.events.Lock()
	defer d.events.Unlock()
	amount, err := decimal.NewFromString(t.Amount)
	if err != nil || !amount.IsPositive() {
		return "", errors.New("bitcarttest: Send needs a positive amount")
	}
	d.mu.Lock()
	if d.books[walletKey] == nil {
		d.mu.Unlock()
		return "", ErrUnknownWallet
	}
	made := d.transfer(walletKey, t, amount)
	if d.coin.family != Account {
		made.to = d.coin.newAddress()
	}
	d.mu.Unlock()
	d.deliver(made, t.Mined)
	return made.id, nil
}

// Pay makes a transaction for a payment request, named by the key that get_request takes or by its
// address, and returns its hash. Account daemons other than XMR credit it only when its sender is
// registered with setrequestaddress; Pay registers t.From if there is no sender yet, and uses the
// registered one if t.From is empty. It returns ErrUnknownWallet or ErrUnknownRequest, and an error
// when there is nothing left to pay and no amount is given.
func (d *Daemon) Pay(walletKey, requestKey string, t Transfer) (txid string, err error) {
	d.events.Lock()
	defer d.events.Unlock()
	if paid, hash, err := d.payLightning(walletKey, requestKey); paid || err != nil {
		return hash, err
	}
	made, err := d.payment(walletKey, requestKey, t)
	if err != nil {
		return "", err
	}
	d.deliver(made, t.Mined)
	return made.id, nil
}

// payLightning pays an invoice as a stranger does: whole, and at once.
func (d *Daemon) payLightning(walletKey, hash string) (paid bool, _ string, err error) {
	d.mu.Lock()
	b, w := d.books[walletKey], d.wallets[walletKey]
	if b == nil {
		d.mu.Unlock()
		return false, "", ErrUnknownWallet
	}
	r := b.byID(hash)
	invoice := r != nil && r.lightning
	settled := invoice && r.paid
	d.mu.Unlock()
	switch {
	case !invoice:
		return false, "", nil
	case w == nil:
		return false, "", ErrUnknownWallet // its node is not running
	case settled:
		return false, "", errors.New("bitcarttest: the invoice is paid")
	}
	d.settle(w, r)
	return true, hash, nil
}

func (d *Daemon) payment(walletKey, requestKey string, t Transfer) (*transaction, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.books[walletKey]
	if b == nil {
		return nil, ErrUnknownWallet
	}
	r := b.find(requestKey)
	if r == nil {
		return nil, ErrUnknownRequest
	}
	amount, err := d.due(b, r, t.Amount)
	if err != nil {
		return nil, err
	}
	if d.coin.detectsBySender() {
		if r.payer == "" && t.From != "" {
			b.registerPayer(r, d.coin.normalized(t.From))
		}
		if t.From == "" {
			t.From = r.payer
		}
	}
	made := d.transfer(walletKey, t, amount)
	made.to = r.address
	return made, nil
}

// due is the amount of a payment. The caller holds mu.
func (d *Daemon) due(b *book, r *request, given string) (decimal.Decimal, error) {
	if given != "" {
		amount, err := decimal.NewFromString(given)
		if err != nil || !amount.IsPositive() {
			return amount, errors.New("bitcarttest: the amount must be positive decimal text")
		}
		return amount, nil
	}
	missing := r.amount.Decimal.Sub(d.received(r).sent)
	if !r.amount.Valid || !missing.IsPositive() {
		return missing, errors.New("bitcarttest: nothing is missing: name an amount")
	}
	return missing, nil
}

// transfer is called under mu.
func (d *Daemon) transfer(walletKey string, t Transfer, amount decimal.Decimal) *transaction {
	xpub, contract := walletKey, t.Contract
	w := d.wallets[walletKey]
	if i := strings.LastIndexByte(walletKey, '_'); i > 0 && d.coin.style != styleMonero {
		xpub = walletKey[:i]
		if contract == "" {
			contract = walletKey[i+1:]
		}
	}
	made := &transaction{id: d.coin.newTxID(), xpub: xpub, from: t.From, created: d.cfg.now(), parent: randomHex(32), script: randomHex(20)}
	made.from = d.coin.normalized(made.from)
	if made.from == "" {
		made.from = d.coin.newAddress()
	}
	made.to = d.coin.addressOf(walletSpec{Xpub: xpub})
	if w != nil {
		made.to = w.address
	}
	decimals := d.coin.decimals
	if token := d.token(contract); token != nil {
		made.contract, decimals = token.Contract, token.Decimals
	}
	made.amount = rounded(amount, decimals)
	return made
}

// deliver puts a transaction into the mempool or into a block, with the events of the family. The
// caller holds events.
func (d *Daemon) deliver(t *transaction, mined bool) {
	switch {
	case d.coin.detectsBySender():
		d.advance(1)
		t.height = d.Height()
		d.blockEvent(t.height)
		d.include(t)
		if d.skipsBlock(t.height) {
			return
		}
		d.credited(t)
	case mined:
		d.advance(1)
		height := d.Height()
		d.blockEvent(height)
		d.include(t)
		d.pooled(t)
		d.confirm(height)
	default:
		d.include(t)
		d.pooled(t)
	}
}

func (d *Daemon) include(t *transaction) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t.late = d.comesLate(t)
	d.chain.add(t)
}

// watchers are the loaded wallets that see a transaction: every spelling of one address or of one
// key is a wallet of its own.
func (d *Daemon) watchers(t *transaction) []*wallet {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.running() {
		return nil
	}
	var out []*wallet
	for _, key := range d.order {
		if w := d.wallets[key]; d.sees(w, t) {
			out = append(out, w)
		}
	}
	return out
}

// sees is called under mu. A half loaded token wallet is taken for one of the coin itself.
func (d *Daemon) sees(w *wallet, t *transaction) bool {
	if d.coin.family != Account {
		return w.spec.Xpub == t.xpub && (w.token == nil && t.contract == "" || w.token != nil && w.token.Contract == t.contract)
	}
	if d.coin.style == styleMonero {
		return w.spec.Xpub == t.xpub
	}
	contract := ""
	if w.token != nil {
		contract = w.token.Contract
	}
	return d.sameAddress(w.address, t.to) && contract == t.contract
}

// pooled sends the events of an unconfirmed transaction.
func (d *Daemon) pooled(t *transaction) {
	for _, w := range d.watchers(t) {
		events := []update{d.transactionEvent(w, t)}
		if p, ok := d.paymentFor(w, t); ok {
			events = append(events, p)
			if d.coin.family != Account {
				slices.Reverse(events) // these daemons tell of the payment first
			}
		}
		d.notifyAll(w, events)
	}
}

// confirm puts the mempool into the block at a height, transaction by transaction, as wallets
// verify them.
func (d *Daemon) confirm(height int64) {
	d.mu.Lock()
	waiting := d.chain.takePool()
	d.settleChannels(height)
	d.mu.Unlock()
	for _, t := range waiting {
		d.mu.Lock()
		t.height = height
		d.mu.Unlock()
		for _, w := range d.watchers(t) {
			var events []update
			if p, ok := d.paymentFor(w, t); ok {
				events = append(events, p)
			}
			if d.coin.family != Account {
				events = append(events, eventOf(object{{"event", "verified_tx"}, {"tx", t.id}, {"height", height}}))
			}
			d.notifyAll(w, events)
		}
	}
}

// credited sends the events of a mined transaction on daemons that go by the sender.
func (d *Daemon) credited(t *transaction) {
	for _, w := range d.watchers(t) {
		events := []update{d.transactionEvent(w, t)}
		if p, ok := d.credit(w, t); ok {
			events = append(events, p)
		}
		if p, ok := d.creditAgain(w, t); ok {
			events = append(events, p)
		}
		d.notifyAll(w, events)
	}
}

func (d *Daemon) notifyAll(w *wallet, events []update) {
	for _, u := range events {
		d.notify(w.key, u)
	}
}

func (d *Daemon) transactionEvent(w *wallet, t *transaction) update {
	if !d.coin.detectsBySender() {
		return eventOf(object{{"event", "new_transaction"}, {"tx", t.id}})
	}
	return eventOf(object{
		{"event", "new_transaction"}, {"tx", t.id}, {"from_address", t.from}, {"to", t.to},
		{"amount", fixed(t.amount, d.decimalsOf(w))}, {"contract", orNull(t.contract)},
	})
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// startReplay makes an account daemon look again at the blocks that it holds, for all wallets: what
// was missed comes, and so do repeats.
func (d *Daemon) startReplay() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cfg.replay && d.running() && d.coin.detectsBySender() {
		d.background.Go(d.replay)
	}
}

func (d *Daemon) replay() {
	d.events.Lock()
	defer d.events.Unlock()
	for _, t := range d.held() {
		d.credited(t)
	}
}

// held lists the transactions of the blocks that the daemon has in memory.
func (d *Daemon) held() []*transaction {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.running() {
		return nil
	}
	since := max(d.run.since, d.chain.newest(d.coin.syncCap()))
	return slices.DeleteFunc(slices.Clone(d.chain.order), func(t *transaction) bool {
		return t.height <= since || t.outgoing || d.chain.isSkipped(t.height)
	})
}
