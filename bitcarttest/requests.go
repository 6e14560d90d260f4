package bitcarttest

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Statuses of a request.
const (
	statusUnpaid      = 0
	statusExpired     = 1
	statusPaid        = 3
	statusUnconfirmed = 7
)

// maxRequests bounds the requests of one wallet; beyond it the oldest are forgotten.
const maxRequests = 50_000

// maxAgain bounds what rescans count once more for a request.
const maxAgain = 1000

// book holds the payment requests of one wallet.
type book struct {
	requests []*request
	ids      map[string]*request
	places   map[string]*request // by address: account wallets have one, and the newest request counts
	payers   map[string]*request // by sender address: the newest request that waits for it
	local    map[string]*draft   // transactions that the wallet knows before anybody has sent them
}

func newBook() *book {
	b := &book{local: map[string]*draft{}}
	b.clear()
	return b
}

// request is one payment request.
type request struct {
	id      string
	address string
	amount  decimal.NullDecimal
	exact   decimal.Decimal // the amount before it was rounded: the smallest units are cut from it
	memo    string
	created int64
	expiry  int64 // seconds, 0 = never

	// account daemons that go by the sender
	payer  string
	txs    []string
	sent   decimal.Decimal
	paid   bool
	seen   map[string]bool
	height int64          // of the first transaction
	again  []*transaction // XMR: what rescans have counted once more

	lightning bool
	invoice   string
	preimage  string
}

func (b *book) add(r *request) {
	if len(b.requests) >= maxRequests {
		kept := b.requests[maxRequests/2:]
		b.clear()
		for _, k := range kept {
			b.index(k)
		}
	}
	b.index(r)
}

func (b *book) index(r *request) {
	b.requests = append(b.requests, r)
	b.ids[r.id] = r
	if r.address != "" {
		b.places[r.address] = r
	}
	if r.payer != "" {
		b.payers[r.payer] = r
	}
}

// find takes the id or the address.
func (b *book) find(key string) *request {
	if r := b.ids[key]; r != nil {
		return r
	}
	return b.places[key]
}

func (b *book) byID(id string) *request { return b.ids[id] }

func (b *book) byAddress(address string) *request { return b.places[address] }

// registerPayer makes a request wait for a sender. A newer request takes the sender over.
func (b *book) registerPayer(r *request, payer string) {
	if b.payers[r.payer] == r {
		delete(b.payers, r.payer)
	}
	r.payer = payer
	b.payers[payer] = r
}

func (b *book) remove(r *request) {
	b.requests = slices.DeleteFunc(b.requests, func(o *request) bool { return o == r })
	delete(b.ids, r.id)
	if b.places[r.address] == r {
		delete(b.places, r.address)
	}
	if b.payers[r.payer] == r {
		delete(b.payers, r.payer)
	}
}

func (b *book) clear() {
	b.requests, b.ids = nil, map[string]*request{}
	b.places, b.payers = map[string]*request{}, map[string]*request{}
}

// receipt is what has come in for a request.
type receipt struct {
	sent, confirmed decimal.Decimal
	txs             []string
	first           int64 // height of the oldest confirmed transaction
}

// received looks the transactions of a request up in the chain, except on daemons that go by the
// sender: those know only what they have credited. The caller holds mu.
func (d *Daemon) received(r *request) receipt {
	if d.coin.detectsBySender() {
		return receipt{sent: r.sent, confirmed: r.sent, txs: r.txs, first: r.height}
	}
	var got receipt
	if r.lightning {
		if r.paid {
			got = receipt{sent: r.amount.Decimal, confirmed: r.amount.Decimal, txs: []string{r.id}}
		}
		return got
	}
	for _, t := range slices.Concat(d.chain.to[r.address], r.again) {
		if t.late {
			continue
		}
		got.sent = got.sent.Add(t.amount)
		got.txs = append(got.txs, t.id)
		if t.height > 0 {
			got.confirmed = got.confirmed.Add(t.amount)
			if got.first == 0 || t.height < got.first {
				got.first = t.height
			}
		}
	}
	return got
}

// status is called under mu.
func (d *Daemon) status(r *request, got receipt) int {
	if r.paid {
		return statusPaid
	}
	reached := func(sum decimal.Decimal) bool {
		return len(got.txs) > 0 && (!r.amount.Valid || !r.amount.Decimal.IsPositive() || sum.GreaterThanOrEqual(r.amount.Decimal))
	}
	switch {
	case !d.coin.detectsBySender() && reached(got.confirmed) && got.first > 0:
		return statusPaid
	case !d.coin.detectsBySender() && reached(got.sent):
		return statusUnconfirmed
	case d.expired(r):
		return statusExpired
	}
	return statusUnpaid
}

func (d *Daemon) expired(r *request) bool {
	return r.expiry > 0 && d.cfg.now().Unix() >= r.created+r.expiry
}

// statusText is the text of a status in events and, on account daemons, everywhere.
func (d *Daemon) statusText(r *request, status int) string {
	switch status {
	case statusExpired:
		return "Expired"
	case statusPaid:
		return "Paid"
	case statusUnconfirmed:
		return "Unconfirmed"
	}
	switch {
	case d.coin.family == ElectronCash:
		return "Pending"
	case d.coin.family == Account && r.expiry > 0:
		return "Expires at " + time.Unix(r.created+r.expiry, 0).Format(time.ANSIC)
	}
	return "Unpaid"
}

// answerText is the text of a status in the answers of Electrum.
func (d *Daemon) answerText(r *request, status int) string {
	if status != statusUnpaid || r.expiry == 0 {
		return d.statusText(r, status)
	}
	return "Expires in " + distance(r.created+r.expiry-d.cfg.now().Unix())
}

// distance is Electrum's wording of a time span.
func distance(seconds int64) string {
	minutes := int64(math.RoundToEven(float64(seconds) / 60))
	switch {
	case minutes == 0:
		return fmt.Sprintf("%d seconds", seconds)
	case minutes < 45:
		return fmt.Sprintf("about %d minutes", minutes)
	case minutes < 90:
		return "about 1 hour"
	case minutes < 1440:
		return fmt.Sprintf("about %d hours", int64(math.RoundToEven(float64(minutes)/60)))
	case minutes < 2880:
		return "about 1 day"
	}
	return fmt.Sprintf("about %d days", int64(math.RoundToEven(float64(minutes)/1440)))
}

// paymentFor is the new_payment event of a transaction, on daemons that look at addresses.
func (d *Daemon) paymentFor(w *wallet, t *transaction) (update, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := w.book.byAddress(t.to)
	if r == nil || t.outgoing || d.coin.losesPayments || t.late {
		return update{}, false
	}
	return d.creditOnce(w, r)
}

// creditOnce is the new_payment of a request that is found by its address. Only engines go on telling
// of one that is paid or has expired: on XMR it is no longer looked at. The caller holds mu.
func (d *Daemon) creditOnce(w *wallet, r *request) (update, bool) {
	got := d.received(r)
	if d.coin.family != Account {
		return d.paymentEvent(w, r, got), true
	}
	status := d.status(r, got)
	if r.paid || status == statusExpired {
		return update{}, false
	}
	r.paid = status == statusPaid
	return d.paymentEvent(w, r, got), true
}

// comesLate tells whether a transaction finds its request paid or expired, on XMR. It is called under
// mu, before the transaction is in the chain.
func (d *Daemon) comesLate(t *transaction) bool {
	if d.coin.style != styleMonero {
		return false
	}
	for _, b := range d.books {
		if r := b.byAddress(t.to); r != nil {
			return d.finished(r)
		}
	}
	return false
}

// finished is called under mu.
func (d *Daemon) finished(r *request) bool {
	status := d.status(r, d.received(r))
	return status == statusPaid || status == statusExpired
}

// credit books a transaction on the request that waits for its sender, once.
func (d *Daemon) credit(w *wallet, t *transaction) (update, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := w.book.payers[t.from]
	if r == nil || r.paid || r.seen[t.id] || d.expired(r) {
		return update{}, false
	}
	if r.seen == nil {
		r.seen = map[string]bool{}
		r.height = t.height
	}
	r.seen[t.id] = true
	r.txs = append(r.txs, t.id)
	r.sent = r.sent.Add(t.amount)
	r.paid = r.sent.GreaterThanOrEqual(r.amount.Decimal)
	return d.paymentEvent(w, r, d.received(r)), true
}

// creditAgain is XMR's credit of a mined transaction that a rescan finds: it does not look whether
// it has it.
func (d *Daemon) creditAgain(w *wallet, t *transaction) (update, bool) {
	if d.coin.style != styleMonero {
		return update{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r := w.book.byAddress(t.to)
	if r == nil || t.late || len(r.again) >= maxAgain || d.finished(r) {
		return update{}, false
	}
	r.again = append(r.again, t)
	return d.creditOnce(w, r)
}

// paymentEvent is called under mu. Account daemons keep the list of hashes by reference, so that a
// queued event shows hashes that came later.
func (d *Daemon) paymentEvent(w *wallet, r *request, got receipt) update {
	status := d.status(r, got)
	body := func(hashes []string) update {
		o := object{
			{"event", "new_payment"}, {"address", d.requestKey(r)}, {"status", status},
			{"status_str", d.statusText(r, status)}, {"tx_hashes", list(hashes)},
			{"sent_amount", fixed(got.sent, d.decimalsOf(w))},
		}
		if d.coin.family == Account {
			contract := ""
			if w.token != nil {
				contract = w.token.Contract
			}
			o = append(o, member{"contract", orNull(contract)})
		}
		return eventOf(o)
	}
	u := body(got.txs)
	if d.coin.family == Account {
		u.refresh = func() []byte { return body(d.received(r).txs).raw }
	}
	return u
}

// requestKey is what get_request takes.
func (d *Daemon) requestKey(r *request) string {
	if d.coin.family == ElectronCash {
		return r.address
	}
	return r.id
}

// list keeps an empty list from being null.
func list(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}

func addRequest(d *Daemon, c *Call) (any, error) {
	r, err := d.newRequest(c)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c.wallet.book.add(r)
	return d.requestAnswer(c.wallet, r, false), nil
}

func (d *Daemon) newRequest(c *Call) (*request, error) {
	r := &request{memo: "", created: d.cfg.now().Unix(), expiry: 3600}
	if c.has("memo") {
		r.memo = c.text("memo")
	}
	var err error
	if r.amount, err = d.requestAmount(c); err != nil {
		return nil, err
	}
	r.exact = r.amount.Decimal
	r.amount.Decimal = rounded(r.exact, d.decimalsOf(c.wallet))
	for _, name := range []string{"expiry", "expiration"} {
		if _, given := c.bound[name]; given {
			if r.expiry, err = c.number(name, 0); err != nil {
				return nil, err
			}
		}
	}
	r.expiry = max(r.expiry, 0)
	if c.flag("lightning") {
		return r, d.fillInvoice(c, r)
	}
	d.place(c.wallet, r)
	return r, nil
}

// place gives a request its id and its address.
func (d *Daemon) place(w *wallet, r *request) {
	switch {
	case d.coin.style == styleMonero:
		r.id, r.address = randomHex(8), integratedAddress()
	case d.coin.family == Account:
		r.id, r.address = base64.RawURLEncoding.EncodeToString(randomBytes(32)), w.address
	default:
		r.id, r.address = randomHex(5), d.coin.newAddress()
		if w.token != nil {
			r.address = "z" + r.address[1:] // the form of an address that takes tokens
		}
	}
}

func (d *Daemon) requestAmount(c *Call) (decimal.NullDecimal, error) {
	none := decimal.NullDecimal{}
	if d.coin.family != Account && !c.has("amount") {
		return none, nil
	}
	v, err := parseDecimal(c.bound["amount"])
	if err != nil {
		return none, err
	}
	if v.IsNegative() {
		if d.coin.family == Electrum {
			return none, exceptionf("electrum.util.InvoiceError: amount is out-of-bounds: %s msat", v.Shift(11).String())
		}
		return none, exception("Exception: Out of bounds amount")
	}
	if v.IsZero() && d.coin.family == Electrum {
		return none, nil
	}
	return decimal.NullDecimal{Decimal: v, Valid: true}, nil
}

// requestAnswer is called under mu. full is the form of get_request, which Electrum alone tells
// apart from that of add_request and list_requests.
func (d *Daemon) requestAnswer(w *wallet, r *request, full bool) object {
	got := d.received(r)
	status := d.status(r, got)
	switch d.coin.family {
	case Electrum:
		return d.electrumAnswer(w, r, got, status, full)
	case ElectronCash:
		return d.cashAnswer(w, r, got, status)
	}
	return d.accountAnswer(w, r, got, status)
}

func (d *Daemon) electrumAnswer(w *wallet, r *request, got receipt, status int, full bool) object {
	var units64 any
	text := "unknown"
	if r.amount.Valid {
		text, units64 = trimmed(r.amount.Decimal), units(r.amount.Decimal, d.coin.decimals)
	}
	o := object{
		{"is_lightning", r.lightning}, {"amount_" + d.coin.symbol, text}, {"message", r.memo},
		{"timestamp", r.created}, {"expiry", r.expiry}, {"status", status},
		{"status_str", d.answerText(r, status)}, {d.coin.unitKey, units64},
	}
	if r.lightning {
		var millis any
		if r.amount.Valid {
			millis = units(r.amount.Decimal, d.coin.decimals+3)
		}
		return append(o, object{
			{"amount_msat", millis}, {"request_id", r.id}, {"rhash", r.id},
			{"lightning_invoice", r.invoice}, {"can_receive", d.canReceive(w.key, r.amount.Decimal)},
		}...)
	}
	o = append(o, object{{"request_id", r.id}, {"address", r.address}, {"URI", d.uri(w, r)}}...)
	if status == statusPaid || status == statusUnconfirmed {
		o = append(o, member{"confirmations", d.requestConfirmations(got, status)})
	}
	o = append(o, member{"tx_hashes", list(got.txs)})
	if full {
		o = append(o, member{"sent_amount", fixed(got.sent, d.decimalsOf(w))})
	}
	return o
}

func (d *Daemon) requestConfirmations(got receipt, status int) int64 {
	if status != statusPaid || got.first == 0 {
		return 0
	}
	return d.chain.height - got.first + 1
}

func (d *Daemon) cashAnswer(w *wallet, r *request, got receipt, status int) object {
	var amount, exp any
	text := "Unknown"
	if r.amount.Valid {
		amount, text = units(r.amount.Decimal, d.decimalsOf(w)), dotted(r.amount.Decimal)
	}
	if r.expiry > 0 {
		exp = r.expiry
	}
	o := object{{"time", r.created}, {"amount", amount}, {"exp", exp}, {"address", r.address}, {"memo", r.memo}, {"id", r.id}}
	symbol := d.coin.symbol
	if symbol != "XRG" {
		var category any
		if w.token != nil {
			category, symbol = w.token.Contract, w.token.Symbol
		}
		o = append(o, object{{"tokenreq", w.token != nil}, {"category_id", category}}...)
	}
	o = append(o, object{{"URI", d.uri(w, r)}, {"status", d.statusText(r, status)}}...)
	if status == statusPaid || status == statusUnconfirmed {
		o = append(o, member{"confirmations", d.requestConfirmations(got, status)})
	}
	return append(o, object{
		{"tx_hashes", list(got.txs)}, {"amount (" + symbol + ")", text},
		{"sent_amount", fixed(got.sent, d.decimalsOf(w))},
	}...)
}

func (d *Daemon) accountAnswer(w *wallet, r *request, got receipt, status int) object {
	symbol, decimals := d.coin.symbol, d.decimalsOf(w)
	if w.token != nil {
		symbol = strings.ToUpper(w.token.Symbol)
	}
	expiration := int64(0)
	if r.expiry > 0 {
		expiration = r.created + r.expiry
	}
	o := object{
		{"id", r.id}, {"request_id", r.id}, {"is_lightning", false},
		{"amount_" + symbol, fixed(r.amount.Decimal, decimals)}, {"sent_amount", fixed(got.sent, decimals)},
		{"message", r.memo}, {"timestamp", r.created}, {"expiration", expiration},
		{"payment_address", orNull(r.payer)}, {"status", status}, {"status_str", d.statusText(r, status)},
	}
	if len(got.txs) > 0 {
		o = append(o, object{{"tx_hashes", got.txs}, {"confirmations", d.chain.confirmations(d.chain.txs[got.txs[0]])}}...)
	}
	return append(o, object{
		{d.coin.unitKey, units(r.exact, decimals)}, {"address", r.address}, {"URI", d.uri(w, r)},
	}...)
}

// chainID stands in the URIs of ETH kinds.
const chainID = 1337

func (d *Daemon) uri(w *wallet, r *request) any {
	amount, decimals := r.amount.Decimal, d.decimalsOf(w)
	switch {
	case d.coin.family == Electrum:
		return engineURI(d.coin.scheme, r)
	case d.coin.family == ElectronCash:
		if !r.amount.Valid || amount.IsZero() {
			return d.coin.scheme + ":" + r.address
		}
		return d.coin.scheme + ":" + r.address + "?amount=" + trimmed(amount)
	case d.coin.style == styleMonero:
		return fmt.Sprintf("%s:%s?tx_amount=%s", d.coin.scheme, r.address, fixed(amount, decimals))
	case d.coin.style != styleEVM:
		return d.coin.scheme + ":" + r.address
	case w.token != nil:
		return fmt.Sprintf("%s:%s@%d/transfer?address=%s&uint256=%s", d.coin.scheme, w.token.Contract, chainID, r.address, units(r.exact, decimals))
	case amount.IsZero():
		return fmt.Sprintf("%s:%s@%d", d.coin.scheme, r.address, chainID)
	}
	return fmt.Sprintf("%s:%s@%d?value=%s", d.coin.scheme, r.address, chainID, units(r.exact, decimals))
}

// engineURI is null when there is nothing to say in it.
func engineURI(scheme string, r *request) any {
	var query []string
	if r.amount.Valid {
		query = append(query, "amount="+trimmed(r.amount.Decimal))
	}
	if r.memo != "" {
		query = append(query, "message="+strings.ReplaceAll(url.QueryEscape(r.memo), "+", "%20"))
	}
	if len(query) == 0 {
		return nil
	}
	if r.expiry > 0 {
		query = append(query, fmt.Sprintf("time=%d", r.created), fmt.Sprintf("exp=%d", r.expiry))
	}
	return scheme + ":" + r.address + "?" + strings.Join(query, "&")
}

var errNoRequest = exception("Exception: Request not found")

// lookup finds a request as get_request does. The caller holds mu.
func (d *Daemon) lookup(w *wallet, key string) *request {
	switch {
	case d.coin.family == ElectronCash:
		return w.book.byAddress(key)
	case d.coin.style == styleMonero:
		return w.book.find(key)
	}
	return w.book.byID(key)
}

func getRequest(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.lookup(c.wallet, c.text("key"))
	switch {
	case r == nil:
		return nil, errNoRequest
	case r.lightning && !r.paid:
		return nil, exception("KeyError: 'address'") // a bug: an invoice has none, get_invoice reads it
	case r.lightning:
		return d.paidInvoice(c.wallet, r), nil
	case d.coin.losesPayments && len(d.received(r).txs) > 0:
		return nil, exception("ValueError: not enough values to unpack (expected 4, got 3)")
	}
	return d.requestAnswer(c.wallet, r, true), nil
}

func (d *Daemon) paidInvoice(w *wallet, r *request) object {
	return append(d.requestAnswer(w, r, true), object{
		{"tx_hashes", []string{r.id}}, {"sent_amount", fixed(r.amount.Decimal, d.coin.decimals)},
	}...)
}

func listRequests(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	flags := c.flag("pending") || c.flag("expired") || c.flag("paid")
	if flags && d.coin.family == Account {
		return nil, exception("AttributeError: 'int' object has no attribute 'status'")
	}
	out := []object{}
	for _, r := range c.wallet.book.requests {
		status := d.status(r, d.received(r))
		wanted := c.flag("pending") && status == statusUnpaid || c.flag("expired") && status == statusExpired ||
			c.flag("paid") && status == statusPaid
		if !flags || wanted {
			out = append(out, d.listed(d.requestAnswer(c.wallet, r, false)))
		}
	}
	return out, nil
}

// listed is the form of a request in a list: what Electron Cash daemons add to their engine's
// answer is missing there.
func (d *Daemon) listed(o object) object {
	if d.coin.family == ElectronCash {
		return slices.DeleteFunc(o, func(m member) bool { return m.name == "sent_amount" })
	}
	return o
}

// setRequestAddress registers who will pay. Only daemons that go by the sender have a use for it.
func setRequestAddress(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.coin.detectsBySender() {
		return false, nil
	}
	r, payer := c.wallet.book.byID(c.text("key")), c.text("address")
	if r == nil || !d.coin.validAddress(payer) {
		return false, nil
	}
	c.wallet.book.registerPayer(r, d.coin.normalized(payer))
	return true, nil
}

func removeRequest(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.lookup(c.wallet, c.text("key"))
	if r != nil {
		c.wallet.book.remove(r)
	}
	if d.coin.family == Electrum {
		return nil, nil
	}
	return r != nil, nil
}

func clearRequests(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.wallet.book.clear()
	if d.coin.family == Account {
		return true, nil
	}
	return nil, nil
}
