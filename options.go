package bitcart

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// Option configures a [Coin], an [APIManager] or a [Dispatcher]. An option
// that is wrong or does not fit its constructor is that constructor's error,
// an *OptionError.
type Option interface {
	apply(*settings) error
}

// place is where options are given.
type place uint

const (
	inCoin       place = 1 << iota // NewCoin
	inManager                      // NewAPIManager
	inCurrency                     // WithCurrency
	inWallet                       // AddWallet, AddWallets, LoadWallet
	inDispatcher                   // NewDispatcher
)

var placeNames = map[place]string{
	inCoin: "NewCoin", inManager: "NewAPIManager", inCurrency: "WithCurrency",
	inWallet: "AddWallet and LoadWallet", inDispatcher: "NewDispatcher",
}

// settings collects options. The zero value of a field means not given.
type settings struct {
	place      place
	wallet     *Wallet
	baseURL    *url.URL
	user, pass string
	hasAuth    bool
	env        bool
	transport  *http.Transport
	proxy      *url.URL
	tls        *tls.Config
	httpClient *http.Client
	log        *slog.Logger
	hooks      Hooks
	stream     StreamConfig
	patience   time.Duration // of recovery; 0 = recoverPatience. Tests have less of it
	allWallets bool
	currencies []currencyOptions
}

type currencyOptions struct {
	currency string
	opts     []Option
}

type option struct {
	name string
	fits place
	set  func(*settings) error
}

func (o option) apply(s *settings) error {
	if o.fits&s.place == 0 {
		return &OptionError{o.name, errors.New("does not fit " + placeNames[s.place])}
	}
	if err := o.set(s); err != nil {
		return &OptionError{o.name, err}
	}
	return nil
}

// with applies opts on top of s and returns all their errors.
func (s settings) with(p place, opts []Option) (settings, error) {
	s.place = p
	var errs []error
	for _, o := range opts {
		if o == nil {
			errs = append(errs, &OptionError{"Option", errors.New("is nil")})
			continue
		}
		errs = append(errs, o.apply(&s))
	}
	return s, errors.Join(errs...)
}

const (
	perDaemon = inCoin | inManager | inCurrency
	anywhere  = perDaemon | inDispatcher
)

// WithWallet sets the wallet of NewCoin. Without it a Coin can make calls that
// need no wallet and hear chain-wide events. An APIManager takes its wallets by
// NewAPIManager and AddWallet.
func WithWallet(w Wallet) Option {
	return option{"WithWallet", inCoin, func(s *settings) error {
		s.wallet = &w
		return nil
	}}
}

// WithXpub is WithWallet(Wallet{Xpub: xpub}). A view key of XMR needs WithWallet,
// with its Address.
func WithXpub(xpub string) Option {
	return option{"WithXpub", inCoin, func(s *settings) error {
		s.wallet = &Wallet{Xpub: xpub}
		return nil
	}}
}

// WithURL sets the daemon's base URL, http or https. A path is kept in front
// of everything that is requested (a daemon behind a proxy). Credentials in it
// count as WithBasicAuth. Default: http://localhost and the currency's port.
func WithURL(base string) Option {
	return option{"WithURL", perDaemon | inWallet, func(s *settings) error {
		u, err := parseBase(base)
		if err != nil {
			return err
		}
		if err := s.takeAuth(u); err != nil {
			return err
		}
		s.baseURL = u
		return nil
	}}
}

// takeAuth moves credentials out of a URL, which is shown.
func (s *settings) takeAuth(u *url.URL) error {
	if u.User == nil {
		return nil
	}
	user := u.User
	u.User = nil
	pass, _ := user.Password()
	return s.setAuth(user.Username(), pass)
}

// parseBase returns errors that do not quote the URL: it can hold a password.
func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("not a URL with a host")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("scheme is neither http nor https")
	case u.Hostname() == "":
		return nil, errors.New("host is missing")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, errors.New("a base URL has no query and no fragment")
	}
	name, zone, zoned := strings.Cut(u.Host, "%")
	if u.Host = strings.ToLower(name); zoned {
		u.Host += "%" + zone // the name of a network interface
	}
	return u, checkPort(u)
}

func checkPort(u *url.URL) error {
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return errors.New("port is out of range")
		}
	}
	return nil
}

// WithBasicAuth sets the daemon's user and password. Default: electrum and
// electrumz. A colon in either is an error: the daemon cannot read it.
func WithBasicAuth(user, password string) Option {
	return option{"WithBasicAuth", perDaemon | inWallet, func(s *settings) error {
		return s.setAuth(user, password)
	}}
}

func (s *settings) setAuth(user, pass string) error {
	if strings.Contains(user+pass, ":") {
		return errors.New("the daemon cannot read a user or password with a colon")
	}
	for _, r := range user + pass {
		if r > 0xff {
			return errors.New("the daemon reads user and password as Latin-1 only")
		}
	}
	s.user, s.pass, s.hasAuth = user, pass, true
	return nil
}

// WithEnv reads where the daemon is from the platform's environment variables:
// <COIN>_HOST and <COIN>_PORT, <COIN>_LOGIN and <COIN>_PASSWORD. What is not
// set keeps its default, and WithURL and WithBasicAuth win over them.
func WithEnv() Option {
	return option{"WithEnv", perDaemon | inWallet, func(s *settings) error {
		s.env = true
		return nil
	}}
}

// WithTransport sets the transport of RPC and websocket: its proxy, dialler and
// TLS settings hold for both. It is not changed, and it is yours to close.
func WithTransport(t *http.Transport) Option {
	return option{"WithTransport", perDaemon, func(s *settings) error {
		if t == nil {
			return errors.New("is nil")
		}
		s.transport = t
		return nil
	}}
}

// WithProxy sends RPC and websocket through a proxy: http, https, socks5 or
// socks5h. Default: what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say. With
// WithTransport it applies to a copy of that transport.
func WithProxy(proxy string) Option {
	return option{"WithProxy", perDaemon, func(s *settings) error {
		u, err := url.Parse(proxy)
		if err != nil || u.Hostname() == "" {
			return errors.New("not a URL with a host")
		}
		switch u.Scheme {
		case "http", "https", "socks5", "socks5h":
			s.proxy = u
			return checkPort(u)
		}
		return errors.New("scheme is none of http, https, socks5, socks5h")
	}}
}

// WithTLSConfig sets the TLS settings of RPC and websocket. The config is
// copied. With WithTransport it applies to a copy of that transport.
func WithTLSConfig(c *tls.Config) Option {
	return option{"WithTLSConfig", perDaemon, func(s *settings) error {
		if c == nil {
			return errors.New("is nil")
		}
		s.tls = c.Clone()
		return nil
	}}
}

// WithHTTPClient sets the HTTP client of RPC, for tracing say. The websocket
// does not use it; WithTransport, WithProxy and WithTLSConfig hold for the
// websocket alone then. Give it no Timeout: that would cut get_updates as well,
// and each time is a gap. Redirects are not followed unless it has a
// CheckRedirect.
func WithHTTPClient(c *http.Client) Option {
	return option{"WithHTTPClient", perDaemon, func(s *settings) error {
		if c == nil {
			return errors.New("is nil")
		}
		s.httpClient = c
		return nil
	}}
}

// WithLogger sets where the library logs. Default: nowhere. Wallet keys and
// passwords are never logged.
func WithLogger(l *slog.Logger) Option {
	return option{"WithLogger", anywhere, func(s *settings) error {
		if l == nil {
			return errors.New("is nil")
		}
		s.log = l
		return nil
	}}
}

// WithHooks sets what is told about streams. Inside WithCurrency it replaces all
// hooks of the manager.
func WithHooks(h Hooks) Option {
	return option{"WithHooks", anywhere, func(s *settings) error {
		s.hooks = h
		return nil
	}}
}

// WithStream sets the bounds and times of streams. Inside WithCurrency it
// replaces the manager's as a whole.
func WithStream(c StreamConfig) Option {
	return option{"WithStream", anywhere, func(s *settings) error {
		if err := c.check(); err != nil {
			return err
		}
		s.stream = c
		return nil
	}}
}

// WithAllWallets delivers the events of every wallet of the daemon, not only
// of the added ones, through an APIManager. Such foreign wallets are not loaded
// after a restart and not recovered; each of their events has a Coin of its own.
// Every reconnect is a gap of all wallets, GapUnknown.
func WithAllWallets() Option {
	return option{"WithAllWallets", inManager | inCurrency, func(s *settings) error {
		s.allWallets = true
		return nil
	}}
}

// WithCurrency serves a currency with settings of its own, on top of the
// manager's. The currency needs no wallet in NewAPIManager's map.
func WithCurrency(currency string, opts ...Option) Option {
	return option{"WithCurrency", inManager, func(s *settings) error {
		if _, err := lookupCurrency(currency); err != nil {
			return err
		}
		if _, err := (settings{}).with(inCurrency, opts); err != nil {
			return err
		}
		s.currencies = append(s.currencies, currencyOptions{strings.ToUpper(currency), opts})
		return nil
	}}
}

// environ fills in what WithEnv asks for.
func (s *settings) environ(cur *currency) error {
	if !s.env {
		return nil
	}
	if err := s.environURL(cur); err != nil {
		return &OptionError{"WithEnv", errors.New(cur.Symbol + "_HOST, " + cur.Symbol + "_PORT: " + err.Error())}
	}
	if err := s.environAuth(cur.Symbol); err != nil {
		return &OptionError{"WithEnv", err}
	}
	return nil
}

// environURL also takes credentials that the host has in front; those of WithBasicAuth and of the
// variables win.
func (s *settings) environURL(cur *currency) error {
	host, port := os.Getenv(cur.Symbol+"_HOST"), os.Getenv(cur.Symbol+"_PORT")
	if s.baseURL != nil || host == "" && port == "" {
		return nil
	}
	u, err := envURL(host, port, cur.Port)
	if err != nil {
		return err
	}
	s.baseURL = u
	if s.hasAuth || anySet(cur.Symbol+"_LOGIN", cur.Symbol+"_PASSWORD") {
		u.User = nil
	}
	return s.takeAuth(u)
}

func (s *settings) environAuth(symbol string) error {
	if s.hasAuth || !anySet(symbol+"_LOGIN", symbol+"_PASSWORD") {
		return nil
	}
	return s.setAuth(envOr(symbol+"_LOGIN", defaultUser), envOr(symbol+"_PASSWORD", defaultPassword))
}

func anySet(names ...string) bool {
	for _, name := range names {
		if _, set := os.LookupEnv(name); set {
			return true
		}
	}
	return false
}

func envOr(name, otherwise string) string {
	if value, set := os.LookupEnv(name); set {
		return value
	}
	return otherwise
}

func envURL(host, port string, defaultPort int) (*url.URL, error) {
	if host == "" {
		host = defaultHost
	}
	if port == "" {
		port = strconv.Itoa(defaultPort)
	}
	if !strings.Contains(host, "://") {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
			host = "[" + strings.Replace(host, "%", "%25", 1) + "]"
		}
		host = "http://" + host
	}
	u, err := parseBase(host)
	if err != nil {
		return nil, err
	}
	if u.Port() == "" {
		u.Host += ":" + port
	}
	return parseBase(u.String())
}

// StartOption configures one run of StartWebsocket or Events.
type StartOption interface {
	applyStart(*startConfig)
}

type startConfig struct {
	force, once, noBacklog bool
	reconnected            func(ctx context.Context, currency string) error
}

type startOption func(*startConfig)

func (o startOption) applyStart(c *startConfig) { o(c) }

// startOptions skips nil options: they change nothing.
func startOptions(opts []StartOption) startConfig {
	var c startConfig
	for _, o := range opts {
		if o != nil {
			o.applyStart(&c)
		}
	}
	return c
}

// WithForceConnect keeps trying when the first connection fails, instead of
// returning the error. Bad credentials, 404 and a bad URL still end it.
func WithForceConnect() StartOption { return startOption(func(c *startConfig) { c.force = true }) }

// WithoutReconnect ends a stream with its first connection and returns why.
func WithoutReconnect() StartOption { return startOption(func(c *startConfig) { c.once = true }) }

// WithoutBacklog drops what the daemon's queues held before the first connect,
// and what a wallet's held before it was added to the stream.
func WithoutBacklog() StartOption { return startOption(func(c *startConfig) { c.noBacklog = true }) }

// WithReconnectCallback calls f after every connect, the first included, when
// the wallets are ready. Its error is logged; with WithoutReconnect it ends the
// stream and is returned. f runs like a hook: it may block and make calls.
func WithReconnectCallback(f func(ctx context.Context, currency string) error) StartOption {
	return startOption(func(c *startConfig) { c.reconnected = f })
}

// StreamConfig bounds a stream. The zero value of each field is its default;
// negative values are errors but for DequeCap.
type StreamConfig struct {
	// Workers is how many handlers run at once for one daemon, at most.
	// 0 = 256. They are started on demand: an idle stream has none.
	Workers int
	// QueuePerWallet is how many events of one wallet wait, at most. 0 = 1024.
	// What a reconnect recovers may go beyond it by what the daemon's queue
	// holds.
	QueuePerWallet int
	// QueueBytes is how many bytes of events wait for one daemon, at most; one
	// wallet holds at most an eighth of it. 0 = 64 MiB.
	QueueBytes int64
	// ReadLimit is the size of one websocket message, in bytes. A larger one
	// ends the connection, which is made again. 0 = 16 MiB.
	ReadLimit int64
	// PingInterval is how long a connection may be silent before it is asked
	// whether it lives. 0 = 20 s.
	PingInterval time.Duration
	// PongTimeout is how long the answer to that may take. 0 = 10 s.
	PongTimeout time.Duration
	// BackoffMin is the first pause before another attempt to connect, to poll,
	// or to hand over an event. The pauses double, are jittered by up to a half,
	// and none is longer than BackoffMax. 0 = 500 ms and 30 s.
	BackoffMin, BackoffMax time.Duration
	// DrainTimeout is how long a stream that ends waits for its handlers.
	// 0 = 10 s.
	DrainTimeout time.Duration
	// SlowHandler is when OnSlowHandler is called for a handler that is still
	// running. 0 = 30 s.
	SlowHandler time.Duration
	// DequeCap is how many updates the daemon's queue holds (its POLLING_CAP).
	// 0 = learn: 100, raised when a longer answer is seen; a smaller queue has
	// to be named, or its overflow goes unseen. -1 = no recovery: every
	// reconnect is a gap.
	DequeCap int
}

func (c StreamConfig) check() error {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"Workers", int64(c.Workers)}, {"QueuePerWallet", int64(c.QueuePerWallet)}, {"QueueBytes", c.QueueBytes},
		{"ReadLimit", c.ReadLimit}, {"PingInterval", int64(c.PingInterval)}, {"PongTimeout", int64(c.PongTimeout)},
		{"BackoffMin", int64(c.BackoffMin)}, {"BackoffMax", int64(c.BackoffMax)},
		{"DrainTimeout", int64(c.DrainTimeout)}, {"SlowHandler", int64(c.SlowHandler)},
	} {
		if f.value < 0 {
			return errors.New(f.name + " is negative")
		}
	}
	switch {
	case c.DequeCap < -1:
		return errors.New("DequeCap is below -1")
	case c.BackoffMax != 0 && c.BackoffMin > c.BackoffMax:
		return errors.New("BackoffMin is above BackoffMax")
	}
	return nil
}

func (c StreamConfig) withDefaults() StreamConfig {
	setDefault(&c.Workers, 256)
	setDefault(&c.QueuePerWallet, 1024)
	setDefault(&c.QueueBytes, 64<<20)
	setDefault(&c.ReadLimit, 16<<20)
	setDefault(&c.PingInterval, 20*time.Second)
	setDefault(&c.PongTimeout, 10*time.Second)
	setDefault(&c.BackoffMin, 500*time.Millisecond)
	setDefault(&c.BackoffMax, max(30*time.Second, c.BackoffMin))
	setDefault(&c.DrainTimeout, 10*time.Second)
	setDefault(&c.SlowHandler, 30*time.Second)
	c.BackoffMin = min(c.BackoffMin, c.BackoffMax)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
