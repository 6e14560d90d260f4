package bitcart

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bitcart-go/bitcart/internal/jitter"
)

// APIManager serves many wallets of many currencies over one connection per
// daemon. Make one with [NewAPIManager] or [ManagerFromEnv]. It is safe for
// concurrent use, and it prints without wallet keys.
//
// Handlers are registered once for all wallets: [Event].Coin is the wallet that
// an event is about. A handler set on one of the manager's Coins takes
// precedence for that wallet. Chain-wide events run the manager's handler once,
// with a Coin of the currency that has no wallet.
type APIManager struct {
	handlers registry
	base     settings
	opts     map[string][]Option // of WithCurrency, by symbol

	mu      jitter.Mutex // guards what follows; taken before link.mu, and with no user code inside
	groups  []*group
	stream  *stream // running; nil otherwise
	streams int     // Coins that stream by themselves
}

// group is what the manager keeps for one daemon.
type group struct {
	d     *daemon
	chain *Coin // whose the chain-wide events are
	coins map[string]*Coin
	link  *link // of the running stream; nil without one
}

// NewAPIManager returns a manager for the given wallets: for each currency a
// list of xpubs. A currency with an empty or nil list has no wallets; the
// manager receives its chain-wide events, and AddWallet can add wallets later.
// It does not connect.
//
// Options apply to every currency; WithCurrency overrides them for one. WithURL
// names one daemon, so with several currencies give it inside WithCurrency.
// WithWallet and WithXpub are errors here. The other errors are those of
// AddWallets; all of them are returned joined.
func NewAPIManager(wallets map[string][]string, opts ...Option) (*APIManager, error) {
	s, err := settings{}.with(inManager, opts)
	if err != nil {
		return nil, err
	}
	m := &APIManager{base: s, opts: make(map[string][]Option)}
	var errs []error
	for _, c := range s.currencies {
		m.opts[c.currency] = append(m.opts[c.currency], c.opts...)
	}
	for symbol := range m.opts {
		errs = append(errs, m.serve(symbol))
	}
	for _, symbol := range slices.Sorted(maps.Keys(wallets)) {
		if err := m.serve(symbol); err != nil {
			errs = append(errs, err)
			continue
		}
		ws := make([]Wallet, len(wallets[symbol]))
		for i, xpub := range wallets[symbol] {
			ws[i] = Wallet{Xpub: xpub}
		}
		_, err := m.AddWallets(symbol, ws)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return m, nil
}

// AddWallet adds a wallet. While a stream runs, the stream loads the wallet at
// once; WaitArmed of the returned Coin waits for that. A websocket stream
// reports the wallet to OnGap, with GapStart: what happened before is unknown.
// The wallet's first events may come before the caller has set handlers on the
// returned Coin: they run the manager's handlers, or are ignored if it has none.
// opts can name another daemon (WithURL, WithBasicAuth, WithEnv); a daemon that
// the manager knows already is shared. Errors are those of AddWallets.
func (m *APIManager) AddWallet(currency string, w Wallet, opts ...Option) (*Coin, error) {
	coins, err := m.AddWallets(currency, []Wallet{w}, opts...)
	if err != nil {
		return nil, err
	}
	return coins[0], nil
}

// AddWallets adds all of the wallets, or none if there is an error; an empty
// list is no error. A wallet that was added before or is twice in ws is
// ErrWalletExists, one without Xpub ErrWalletIncomplete. Other errors are
// ErrUnsupportedCurrency, *[OptionError], and one for a wallet that does not
// fit the currency.
func (m *APIManager) AddWallets(currency string, ws []Wallet, opts ...Option) ([]*Coin, error) {
	d, err := m.newDaemon(currency, opts)
	if err != nil {
		return nil, err
	}
	for _, w := range ws {
		if err := w.check(d.cur); err != nil {
			return nil, err
		}
	}
	var joined []*watch // which a running stream has to make ready
	defer func() {
		for _, w := range joined {
			w.link.recovery.join(w) // it logs and tells hooks: after the lock
		}
	}()
	m.mu.Lock()
	defer m.mu.Unlock()
	added := make(map[string]bool, len(ws))
	for _, w := range ws {
		key := w.key(d.cur)
		if _, ok := m.find(d.cur.Symbol, key); ok || added[key] {
			return nil, fmt.Errorf("%w: %s %s", ErrWalletExists, d.cur.Symbol, walletName(key))
		}
		added[key] = true
	}
	coins := make([]*Coin, len(ws))
	if len(ws) == 0 {
		return coins, nil
	}
	g := m.groupOf(d) // last, so that a failure leaves no daemon behind
	for i, w := range ws {
		coins[i] = newCoin(g.d, w, m)
	}
	for _, c := range coins {
		g.coins[c.key] = c
		if g.link != nil {
			if w, live := g.link.watchLate(c); live {
				joined = append(joined, w)
			}
		}
	}
	return coins, nil
}

// RemoveWallet removes a wallet and reports whether it was there. Its waiting
// events are dropped and counted in Stats.Dropped; a handler that is running
// finishes, and its event is done then even if it asks for another attempt, but
// with [WithAllWallets], where it gets that. The daemon still watches the wallet,
// and what it sends for it counts as Stats.Foreign; [Coin.CloseWallet] ends that
// for all clients of the daemon.
// If the wallet is added again, it gets a new Coin, without the old one's
// handlers.
func (m *APIManager) RemoveWallet(currency, walletKey string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range m.groups {
		c := g.coins[walletKey]
		if c == nil || !strings.EqualFold(g.d.cur.Symbol, currency) {
			continue
		}
		delete(g.coins, walletKey)
		if g.link != nil {
			g.link.removeCoin(c)
		}
		c.armed.broadcast()
		return true
	}
	return false
}

// LoadWallet returns a Coin with the manager's settings that is not added to
// the manager: the manager's stream does not deliver its events, and it has
// handlers of its own. Like NewCoin it makes no call. Errors are those of
// NewCoin.
func (m *APIManager) LoadWallet(currency string, w Wallet, opts ...Option) (*Coin, error) {
	d, err := m.newDaemon(currency, opts)
	if err != nil {
		return nil, err
	}
	if err := w.check(d.cur); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if g := m.known(d); g != nil {
		d = g.d.alone()
	}
	return newCoin(d, w, nil), nil
}

// newDaemon puts the manager's options, those of the currency and opts together.
func (m *APIManager) newDaemon(currency string, opts []Option) (*daemon, error) {
	cur, err := lookupCurrency(currency)
	if err != nil {
		return nil, err
	}
	s, err := m.base.with(inCurrency, m.opts[cur.Symbol])
	if err != nil {
		return nil, err
	}
	if s, err = s.with(inWallet, opts); err != nil {
		return nil, err
	}
	return newDaemon(cur, s)
}

// serve makes the manager serve a currency, with or without wallets.
func (m *APIManager) serve(currency string) error {
	d, err := m.newDaemon(currency, nil)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.groupOf(d)
	return nil
}

// groupOf returns the group of the daemon, and makes it when it is new. mu is held.
func (m *APIManager) groupOf(d *daemon) *group {
	if g := m.known(d); g != nil {
		return g
	}
	g := &group{d: d, coins: make(map[string]*Coin)}
	g.chain = newCoin(d, Wallet{}, m)
	m.groups = append(m.groups, g)
	if m.stream != nil {
		g.link = m.stream.add(g.plan())
		for _, other := range m.groups {
			if other.link != nil && other.link.over.Load() {
				other.link.giveUp() // now the stream goes on without it
			}
		}
	}
	return g
}

// known finds the group of the same daemon. mu is held.
func (m *APIManager) known(d *daemon) *group {
	for _, g := range m.groups {
		if g.d.same(d) {
			return g
		}
	}
	return nil
}

func (g *group) plan() *linkPlan {
	p := &linkPlan{d: g.d, chain: g.chain, coins: make([]*Coin, 0, len(g.coins))}
	for _, c := range g.coins {
		p.coins = append(p.coins, c)
	}
	return p
}

// Coin returns the Coin of a wallet that was added, by its key as
// [Coin.WalletKey] returns it.
func (m *APIManager) Coin(currency, walletKey string) (*Coin, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(currency, walletKey)
}

// find looks a wallet up. mu is held.
func (m *APIManager) find(currency, key string) (*Coin, bool) {
	for _, g := range m.groups {
		if !strings.EqualFold(g.d.cur.Symbol, currency) {
			continue
		}
		if c := g.coins[key]; c != nil {
			return c, true
		}
	}
	return nil, false
}

// Coins yields the wallet keys and Coins of the wallets that are added now, in
// no particular order.
func (m *APIManager) Coins() iter.Seq2[string, *Coin] {
	return func(yield func(string, *Coin) bool) {
		m.mu.Lock()
		var coins []*Coin
		for _, g := range m.groups {
			for _, c := range g.coins {
				coins = append(coins, c)
			}
		}
		m.mu.Unlock()
		for _, c := range coins {
			if !yield(c.key, c) {
				return
			}
		}
	}
}

// On registers the handler of one event, for all wallets and for chain-wide
// events; see [Coin.On].
func (m *APIManager) On(event string, h Handler) { m.handlers.set([]string{event}, h) }

// AddEventHandler registers one handler for several events; otherwise it is the
// same as On.
func (m *APIManager) AddEventHandler(events []string, h Handler) { m.handlers.set(events, h) }

// Handles reports whether the manager itself has a handler for the event.
func (m *APIManager) Handles(event string) bool { return m.handlers.lookup(event) != nil }

// ProcessUpdates delivers updates of one wallet to their handlers, see
// [Coin.ProcessUpdates]. With an empty walletKey the updates are chain-wide. If
// the currency or the wallet was not added, the error is ErrUnknownWallet; with
// WithAllWallets any wallet of an added currency will do.
func (m *APIManager) ProcessUpdates(ctx context.Context, currency, walletKey string, updates []Update) error {
	c, err := m.target(currency, walletKey)
	if err != nil {
		return err
	}
	return c.ProcessUpdates(ctx, updates)
}

func (m *APIManager) target(currency, key string) (*Coin, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if key != "" {
		if c, ok := m.find(currency, key); ok {
			return c, nil
		}
	}
	for _, g := range m.groups {
		if !strings.EqualFold(g.d.cur.Symbol, currency) {
			continue
		}
		switch {
		case key == "":
			return g.chain, nil
		case g.d.allWallets:
			return newCoin(g.d, foreignWallet(key, g.d.cur), m), nil
		}
	}
	return nil, fmt.Errorf("%w: %s %s", ErrUnknownWallet, strings.ToUpper(currency), walletName(key))
}

// StartWebsocket receives the events of all wallets, over one websocket per
// daemon; see [Coin.StartWebsocket]. All first connections are tried, and their
// errors are returned joined. After that, no currency's failure ends another's
// stream. Without a currency the error is ErrNoCurrencies.
func (m *APIManager) StartWebsocket(ctx context.Context, opts ...StartOption) error {
	return m.runStream(ctx, &stream{cfg: startOptions(opts), transport: websocket})
}

// PollUpdates asks for the updates of all wallets, a few at a time; see
// [Coin.PollUpdates]. Chain-wide events come once for each daemon, and only
// from daemons that have a wallet.
func (m *APIManager) PollUpdates(ctx context.Context, interval time.Duration) error {
	return m.runStream(ctx, &stream{transport: polling(interval)})
}

// Events is StartWebsocket in the form of an iterator; see [Coin.Events].
func (m *APIManager) Events(ctx context.Context, opts ...StartOption) iter.Seq2[*Event, error] {
	return pullEvents(ctx, opts, m.runStream)
}

// Stats returns the state of the streams, one for each daemon, in alphabetical
// order of the currencies.
func (m *APIManager) Stats() []Stats {
	m.mu.Lock()
	groups := slices.Clone(m.groups)
	m.mu.Unlock()
	slices.SortStableFunc(groups, func(a, b *group) int { return strings.Compare(a.d.cur.Symbol, b.d.cur.Symbol) })
	stats := make([]Stats, len(groups))
	for i, g := range groups {
		stats[i] = g.d.stats()
	}
	return stats
}

func (m *APIManager) runStream(ctx context.Context, s *stream) error {
	if err := m.claim(orBackground(ctx), s); err != nil {
		return err
	}
	defer m.release()
	return s.run()
}

// claim makes s the manager's only stream.
func (m *APIManager) claim(ctx context.Context, s *stream) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.stream != nil:
		return ErrStreamRunning
	case m.streams > 0:
		return fmt.Errorf("%w: one of the manager's Coins streams by itself", ErrStreamRunning)
	case len(m.groups) == 0:
		return ErrNoCurrencies
	}
	plans := make([]*linkPlan, len(m.groups))
	for i, g := range m.groups {
		plans[i] = g.plan()
	}
	m.stream = s
	s.prepare(ctx, plans)
	for i, g := range m.groups {
		g.link = s.links[i]
	}
	return nil
}

func (m *APIManager) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stream = nil
	for _, g := range m.groups {
		g.link = nil
	}
}

// claimCoin lets one of the manager's Coins stream by itself. As long as it is
// added it may do so only while the manager does not stream, and so may the Coin
// of a daemon's chain-wide events; once it was removed it may at any time.
func (m *APIManager) claimCoin(c *Coin) (release func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ours := m.serves(c)
	if ours && m.stream != nil {
		return nil, fmt.Errorf("%w: the Coin's manager streams", ErrStreamRunning)
	}
	if !c.running.CompareAndSwap(false, true) {
		return nil, ErrStreamRunning
	}
	if ours {
		m.streams++
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if ours {
			m.streams--
		}
		c.running.Store(false)
		c.armed.broadcast()
	}, nil
}

// serves reports whether the Coin is added, or is that of a daemon's chain-wide
// events. mu is held.
func (m *APIManager) serves(c *Coin) bool {
	for _, g := range m.groups {
		if g.chain == c || c.key != "" && g.coins[c.key] == c {
			return true
		}
	}
	return false
}

// streamsFor reports whether the manager's stream reads the Coin's queue.
func (m *APIManager) streamsFor(c *Coin) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stream != nil && m.serves(c)
}

// hasLeft reports whether no stream will watch the Coin: it is not added, and
// does not stream by itself.
func (m *APIManager) hasLeft(c *Coin) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.serves(c) && !c.running.Load()
}

// hasGivenUp reports whether the manager's stream goes on without the Coin's daemon.
func (m *APIManager) hasGivenUp(c *Coin) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stream == nil || m.stream.ctx.Err() != nil {
		return false // the next one may have it
	}
	given, others := false, false
	for _, g := range m.groups {
		switch {
		case g.link == nil:
		case !g.link.over.Load():
			others = true
		case g.coins[c.key] == c:
			given = true
		}
	}
	return given && others
}

// String returns the number of wallets for each currency.
func (m *APIManager) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	parts := make([]string, len(m.groups))
	for i, g := range m.groups {
		parts[i] = fmt.Sprintf("%s: %d wallets", g.d.cur.Symbol, len(g.coins))
	}
	return "manager of " + strings.Join(parts, ", ")
}

// GoString is String.
func (m *APIManager) GoString() string { return "bitcart.APIManager(" + m.String() + ")" }

// Format prints String for every verb.
func (m *APIManager) Format(f fmt.State, _ rune) { writeSafe(f, m.String()) }

// LogValue is String as a slog value.
func (m *APIManager) LogValue() slog.Value { return slog.StringValue(m.String()) }

// MarshalJSON encodes String.
func (m *APIManager) MarshalJSON() ([]byte, error) { return marshalText(m.String()) }
