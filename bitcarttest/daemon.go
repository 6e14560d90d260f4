package bitcarttest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Daemon is one daemon of one currency. It is safe for concurrent use. Close it.
type Daemon struct {
	cfg  config
	coin coin
	spec spec
	log  *slog.Logger
	addr string // host:port, the same over restarts

	serverTLS, clientTLS *tls.Config
	accepted, arrivals   atomic.Int64
	background           sync.WaitGroup

	// events orders everything that makes updates: while it is held, updates of one cause go out
	// one after another. It is taken before mu.
	events sync.Mutex
	// joining is read-locked while a websocket is set up, so that a client that has seen the 101
	// misses nothing that is sent from then on.
	joining sync.RWMutex

	mu      sync.Mutex
	closed  bool
	run     *run // nil while the daemon is down
	changed chan struct{}
	chain   chain
	wallets map[string]*wallet // loaded ones
	order   []string           // their keys, in the order of loading
	books   map[string]*book   // what is on disk, and the books of loaded diskless wallets
	drafts  map[string]*draft  // transactions that were not broadcast
	granted map[place]holdings // what SetBalance has given
	nodes   map[string]*node   // lightning, by wallet key
	feeRate int64
	turns   map[string]*turn
	custom  map[string]MethodFunc
	tokens  []Token
	config  map[string]json.RawMessage
	methods map[string]method
	calls   callLog
	faults  Faults
}

// run is what lives from one start of the daemon to its next stop.
type run struct {
	ctx      context.Context // ends when the daemon stops: delays and waits end with it
	cancel   context.CancelFunc
	listener *listener
	server   *http.Server
	served   chan struct{}  // closed when nothing is accepted any more
	conns    sync.WaitGroup // goroutines of connections
	active   sync.WaitGroup // requests, websockets included; added to under Daemon.mu
	sockets  map[*socket]struct{}
	since    int64         // blocks above this height are the ones that the daemon holds in memory
	done     chan struct{} // closed when the stop is complete
	stopping bool
}

// NewDaemon starts a daemon for a currency: BTC, LTC, GRS, BCH, XRG, ETH, BNB, MATIC, TRX, XMR, or
// any other symbol together with WithFamily.
func NewDaemon(currency string, opts ...Option) (*Daemon, error) {
	cfg := defaultConfig()
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("bitcarttest: nil option")
		}
		if err := o.apply(&cfg); err != nil {
			return nil, err
		}
	}
	c, err := chooseCoin(currency, cfg)
	if err != nil {
		return nil, err
	}
	d := &Daemon{
		cfg:     cfg,
		coin:    c,
		spec:    specOf(c),
		log:     cfg.log.With("currency", c.symbol),
		addr:    cfg.addr,
		changed: make(chan struct{}),
		chain:   newChain(cfg.height),
		wallets: map[string]*wallet{},
		books:   map[string]*book{},
		drafts:  map[string]*draft{},
		granted: map[place]holdings{},
		nodes:   map[string]*node{},
		feeRate: c.startingFeeRate(),
		turns:   map[string]*turn{},
		custom:  map[string]MethodFunc{},
		tokens:  mergeTokens(c.tokens, cfg.tokens),
		config:  map[string]json.RawMessage{},
		methods: methodsOf(c),
		calls:   newCallLog(),
	}
	d.faults.d = d
	if cfg.tls {
		if d.serverTLS, d.clientTLS, err = selfSigned(); err != nil {
			return nil, err
		}
	}
	if err := d.start(context.Background()); err != nil {
		return nil, err
	}
	return d, nil
}

func chooseCoin(currency string, cfg config) (coin, error) {
	symbol := strings.ToUpper(currency)
	c, known := lookupCoin(symbol)
	switch {
	case symbol == "":
		return coin{}, errors.New("bitcarttest: no currency")
	case !known && cfg.family == "":
		return coin{}, fmt.Errorf("bitcarttest: unknown currency %q: name its family with WithFamily", symbol)
	case !known, cfg.family != "" && cfg.family != c.family:
		c = customCoin(symbol, cfg.family)
	}
	if cfg.decimals >= 0 {
		c.decimals = cfg.decimals
	}
	c.lightning = c.lightning && !cfg.noLightning
	return c, nil
}

func mergeTokens(known, extra []Token) []Token {
	out := slices.Clone(known)
	for _, t := range extra {
		out = slices.DeleteFunc(out, func(o Token) bool { return strings.EqualFold(o.Contract, t.Contract) })
		out = append(out, t)
	}
	return out
}

// start listens and serves. After a stop the port may be held for a moment by what is left of old
// connections, so a restart tries for a while.
func (d *Daemon) start(ctx context.Context) error {
	if err := d.startable(); err != nil {
		return err
	}
	inner, err := listen(ctx, d.addr)
	if err != nil {
		return fmt.Errorf("bitcarttest: listen: %w", err)
	}
	runCtx, cancel := context.WithCancel(context.Background())
	r := &run{ctx: runCtx, cancel: cancel, sockets: map[*socket]struct{}{}, served: make(chan struct{}), done: make(chan struct{})}
	r.listener = &listener{Listener: inner, d: d, down: runCtx.Done(), open: map[*trackedConn]struct{}{}}
	r.server = &http.Server{
		Handler:           d,
		IdleTimeout:       75 * time.Second, // as the daemon's keep-alive
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return withConn(ctx, c, r) },
		ConnState:         r.follow,
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	d.mu.Lock()
	if d.closed || d.run != nil { // meanwhile
		d.mu.Unlock()
		cancel()
		_ = inner.Close()
		return d.startable()
	}
	d.addr = inner.Addr().String()
	d.run = r
	r.since = d.chain.processed
	d.catchUp()
	d.background.Go(func() { r.serve(d.serverTLS) })
	d.notifyChange()
	d.mu.Unlock()
	return nil
}

func (d *Daemon) startable() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return ErrClosed
	case d.run != nil:
		return errors.New("bitcarttest: already running")
	}
	return nil
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	deadline := time.Now().Add(3 * time.Second)
	for {
		l, err := lc.Listen(ctx, "tcp", addr)
		if err == nil || strings.HasSuffix(addr, ":0") || time.Now().After(deadline) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (r *run) serve(tlsConfig *tls.Config) {
	defer close(r.served)
	var l net.Listener = r.listener
	if tlsConfig != nil {
		l = tls.NewListener(l, tlsConfig)
	}
	_ = r.server.Serve(l) // always ends with ErrServerClosed, or with the closed listener
}

// follow counts the goroutines of connections, so that a stop can wait for them.
func (r *run) follow(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		r.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		r.conns.Done()
	}
}

// enter counts a request. It is false when the daemon is stopping.
func (d *Daemon) enter(r *run) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.stopping {
		return false
	}
	r.active.Add(1)
	return true
}

// Close stops the daemon: every websocket gets the close frame 1001 "Server shutdown", delays end,
// and all goroutines are waited for. A second Close does nothing. It must not be called from a
// MethodFunc.
func (d *Daemon) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.stop(CloseFrame(1001, "Server shutdown"))
	d.background.Wait()
}

// beginStop marks the current run. Behind it no websocket joins any more.
func (d *Daemon) beginStop() (r *run, sockets []*socket, first bool) {
	d.joining.Lock()
	defer d.joining.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notifyChange()
	if d.run == nil || d.run.stopping {
		return d.run, nil, false
	}
	d.run.stopping = true
	return d.run, slices.Collect(maps.Keys(d.run.sockets)), true
}

// stop ends the current run, if there is one.
func (d *Daemon) stop(how Cut) {
	r, sockets, first := d.beginStop()
	if r == nil {
		return
	}
	if !first {
		<-r.done
		return
	}

	_ = r.listener.Close()
	r.cancel()
	for _, s := range sockets {
		s.cut(how)
	}
	for _, s := range sockets {
		s.wait()
	}
	if how.mode == cutReset {
		r.listener.cutAll(true)
	}
	r.listener.hurry()
	r.active.Wait()
	_ = r.server.Close()
	<-r.served // what was accepted until now is in the list of connections
	r.listener.cutAll(false)
	r.conns.Wait()

	d.mu.Lock()
	d.run = nil
	d.forget()
	d.notifyChange()
	close(r.done)
	d.mu.Unlock()
}

// forget drops what a daemon process holds in memory. The caller holds mu.
func (d *Daemon) forget() {
	for key, w := range d.wallets {
		if w.spec.Diskless {
			delete(d.books, key)
			delete(d.nodes, key)
		}
	}
	d.wallets = map[string]*wallet{}
	d.order = nil
}

// running is called under mu.
func (d *Daemon) running() bool { return !d.closed && d.run != nil && !d.run.stopping }

// notifyChange wakes everybody who waits for a state. The caller holds mu.
func (d *Daemon) notifyChange() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// waitFor blocks until ok, which is called under mu, says so.
func (d *Daemon) waitFor(ctx context.Context, ok func() bool) error {
	for {
		d.mu.Lock()
		done, changed, closed := ok(), d.changed, d.closed
		d.mu.Unlock()
		if done {
			return nil
		}
		if closed {
			return ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// URL returns the base URL, with the path prefix. It stays the same over restarts.
func (d *Daemon) URL() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	scheme := "http"
	if d.serverTLS != nil {
		scheme = "https"
	}
	return scheme + "://" + d.addr + d.cfg.prefix
}

// Currency returns the symbol in upper case.
func (d *Daemon) Currency() string { return d.coin.symbol }

// Family returns the family of the daemon.
func (d *Daemon) Family() Family { return d.coin.family }

// TLSConfig returns a client configuration that trusts this daemon; nil without WithTLS.
func (d *Daemon) TLSConfig() *tls.Config {
	if d.clientTLS == nil {
		return nil
	}
	return d.clientTLS.Clone()
}

// Height returns the height of the chain.
func (d *Daemon) Height() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.chain.height
}

// Loaded lists the keys of the loaded wallets in the order of loading.
func (d *Daemon) Loaded() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.order)
}

// Load loads a wallet given by its key (xpub, or xpub_contract for a token), as if an RPC had
// named it.
func (d *Daemon) Load(key string) error {
	spec := walletSpec{Xpub: key}
	if i := strings.LastIndexByte(key, '_'); i > 0 {
		spec.Xpub, spec.Contract = key[:i], key[i+1:]
	}
	_, reopened, err := d.load(spec)
	if reopened {
		d.startReplay()
	}
	return err
}

// Connections counts the TCP connections accepted so far.
func (d *Daemon) Connections() int { return int(d.accepted.Load()) }

// OpenConnections counts the TCP connections that are open now, websockets included.
func (d *Daemon) OpenConnections() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.run == nil {
		return 0
	}
	return d.run.listener.count()
}

// Faults returns the fault switches.
func (d *Daemon) Faults() *Faults { return &d.faults }
