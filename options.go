package bitcart

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Option configures a [Coin], an [APIManager] or a [Dispatcher]. If an option is wrong, or is given
// to a constructor that it is not for, that constructor returns an *[OptionError].
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

// WithWallet sets the wallet of NewCoin. A Coin without a wallet can make the calls that need none
// and receives chain-wide events only. An APIManager gets its wallets from NewAPIManager and
// AddWallet instead.
func WithWallet(w Wallet) Option {
	return option{"WithWallet", inCoin, func(s *settings) error {
		s.wallet = &w
		return nil
	}}
}

// WithXpub is short for WithWallet(Wallet{Xpub: xpub}). A view key of XMR needs WithWallet, because
// it comes with an Address.
func WithXpub(xpub string) Option {
	return option{"WithXpub", inCoin, func(s *settings) error {
		s.wallet = &Wallet{Xpub: xpub}
		return nil
	}}
}

// WithURL sets the daemon's base URL, http or https. Its path, for example that of a reverse proxy,
// is put in front of the path of every request. Credentials in the URL have the effect of
// WithBasicAuth. Default: http://localhost and the currency's port.
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

// WithBasicAuth sets the daemon's user and password. Default: electrum and electrumz. The daemon
// cannot read a colon, or characters beyond Latin-1, in either of them, so those are errors.
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

// WithEnv reads the daemon's address and credentials from the platform's environment variables
// <COIN>_HOST, <COIN>_PORT, <COIN>_LOGIN and <COIN>_PASSWORD. A variable that is not set keeps the
// default. WithURL and WithBasicAuth take precedence.
func WithEnv() Option {
	return option{"WithEnv", perDaemon | inWallet, func(s *settings) error {
		s.env = true
		return nil
	}}
}

// WithTransport sets the HTTP transport of both RPC and websocket: its proxy, dialler and TLS
// settings apply to both. The library does not change it, and closing its idle connections is up to
// you.
func WithTransport(t *http.Transport) Option {
	return option{"WithTransport", perDaemon, func(s *settings) error {
		if t == nil {
			return errors.New("is nil")
		}
		s.transport = t
		return nil
	}}
}

// WithProxy sends both RPC and websocket through a proxy; its URL begins with http, https, socks5
// or socks5h. Default: what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say. Together with WithTransport
// it applies to a copy of that transport.
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

// WithTLSConfig sets the TLS settings of both RPC and websocket. The config is copied. Together
// with WithTransport it applies to a copy of that transport.
func WithTLSConfig(c *tls.Config) Option {
	return option{"WithTLSConfig", perDaemon, func(s *settings) error {
		if c == nil {
			return errors.New("is nil")
		}
		s.tls = c.Clone()
		return nil
	}}
}

// WithHTTPClient sets the HTTP client of RPC, for tracing for example. The websocket does not use
// it, so WithTransport, WithProxy and WithTLSConfig then apply to the websocket alone. Do not set
// its Timeout: a timeout also cuts get_updates off, and each time is a gap. Redirects are followed
// only if it has a CheckRedirect.
func WithHTTPClient(c *http.Client) Option {
	return option{"WithHTTPClient", perDaemon, func(s *settings) error {
		if c == nil {
			return errors.New("is nil")
		}
		s.httpClient = c
		return nil
	}}
}

// WithLogger sets where the library logs. Default: nowhere. Wallet keys and passwords are never
// logged.
func WithLogger(l *slog.Logger) Option {
	return option{"WithLogger", anywhere, func(s *settings) error {
		if l == nil {
			return errors.New("is nil")
		}
		s.log = l
		return nil
	}}
}

// WithHooks sets the functions that streams call. Inside WithCurrency it replaces all hooks of the
// manager.
func WithHooks(h Hooks) Option {
	return option{"WithHooks", anywhere, func(s *settings) error {
		s.hooks = h
		return nil
	}}
}

// WithStream sets the bounds and times of streams. Inside WithCurrency it replaces the manager's
// StreamConfig as a whole.
func WithStream(c StreamConfig) Option {
	return option{"WithStream", anywhere, func(s *settings) error {
		if err := c.check(); err != nil {
			return err
		}
		s.stream = c
		return nil
	}}
}

// WithAllWallets makes an APIManager deliver the events of every wallet in the daemon, not only of
// the added ones. Such foreign wallets are neither loaded after a restart nor recovered, and each
// of their events has a Coin of its own. Every reconnect is a Gap of all wallets, with GapUnknown.
func WithAllWallets() Option {
	return option{"WithAllWallets", inManager | inCurrency, func(s *settings) error {
		s.allWallets = true
		return nil
	}}
}

// WithCurrency makes an APIManager serve a currency with options of its own, on top of the
// manager's. The currency need not be in NewAPIManager's map.
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

// WithForceConnect keeps trying if the first connection fails, instead of returning the error.
// Wrong credentials and HTTP status 404 still end the stream.
func WithForceConnect() StartOption { return startOption(func(c *startConfig) { c.force = true }) }

// WithoutReconnect makes a stream end with its first connection, and return why that ended.
func WithoutReconnect() StartOption { return startOption(func(c *startConfig) { c.once = true }) }

// WithoutBacklog drops what the daemon's queues held before the first connect, and what the queue
// of a wallet held before the wallet was added to the stream. Reconnects recover events as usual.
func WithoutBacklog() StartOption { return startOption(func(c *startConfig) { c.noBacklog = true }) }

// WithReconnectCallback calls f after every connect, the first one included, once each wallet has
// been tried. f's error is logged; with WithoutReconnect it ends the stream and is returned. f runs
// like a hook: it may block and make calls, but must not wait for its own stream to return.
func WithReconnectCallback(f func(ctx context.Context, currency string) error) StartOption {
	return startOption(func(c *startConfig) { c.reconnected = f })
}

// StreamConfig sets the bounds and times of a stream. The zero value of each field stands for its
// default. Negative values are errors, except for DequeCap.
type StreamConfig struct {
	// Workers is the most handlers that run at once for one daemon. 0 = 256.
	// Their goroutines start on demand: an idle stream has none.
	Workers int
	// QueuePerWallet is the most events of one wallet that wait for its
	// handler. 0 = 1024. Recovered events may exceed it by what the daemon's
	// queue holds.
	QueuePerWallet int
	// QueueBytes is the most bytes of events that wait for one daemon's
	// handlers; one wallet takes at most an eighth of it. An event counts as its
	// update and 256 bytes more. 0 = 64 MiB.
	QueueBytes int64
	// ReadLimit is the largest websocket message, in bytes. A larger one ends
	// the connection, and the stream reconnects. 0 = 16 MiB.
	ReadLimit int64
	// PingInterval is how long a connection may be silent before the stream
	// sends a ping. A busy one is pinged as often: a pong also tells how far the
	// daemon has been read, see Gap.Since. 0 = 20 s.
	PingInterval time.Duration
	// PongTimeout is how long the answer to a ping may take before the
	// connection counts as dead. 0 = 10 s.
	PongTimeout time.Duration
	// BackoffMin is the first pause before another attempt to connect, to poll, to
	// load a wallet, to read its queue, or to deliver an event after Retry. Pauses
	// double, are jittered by up to a half, and never exceed BackoffMax.
	// 0 = 500 ms and 30 s.
	BackoffMin, BackoffMax time.Duration
	// DrainTimeout is how long a stream that ends waits for its handlers before
	// it cancels their contexts. 0 = 10 s.
	DrainTimeout time.Duration
	// SlowHandler is how long a handler may run before OnSlowHandler is called.
	// 0 = 30 s.
	SlowHandler time.Duration
	// DequeCap is how many updates the daemon's queue holds for each wallet (its
	// POLLING_CAP). 0 = assume 100, and more once a longer answer was seen. If
	// the queue is smaller, set its size, or its overflow goes unnoticed.
	// -1 = no recovery: every reconnect is a gap.
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
