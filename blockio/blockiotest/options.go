package blockiotest

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net/netip"
	"time"
)

// What New uses without options.
const (
	DefaultKey     = "test-api-key"
	DefaultNetwork = "BTC"
)

// Option changes what New builds.
type Option interface{ apply(*config) error }

type optionFunc func(*config) error

func (f optionFunc) apply(c *config) error { return f(c) }

type config struct {
	addr        string
	log         *slog.Logger
	accounts    []accountConfig
	custom      bool // accounts were named, so the default one is gone
	allowed     []netip.Prefix
	pageSize    int
	bareLists   bool
	addressless bool
	eventIDs    bool
	secret      []byte
	parallel    int
	hookTimeout time.Duration
	roots       *x509.CertPool
}

type accountConfig struct {
	key, network string
	addresses    []string
}

func defaultConfig() config {
	return config{
		addr:        "127.0.0.1:0",
		log:         slog.New(slog.DiscardHandler),
		accounts:    []accountConfig{{key: DefaultKey, network: DefaultNetwork}},
		pageSize:    2500,
		parallel:    1,
		hookTimeout: 10 * time.Second,
	}
}

// WithAccount adds an account of one network with an API key and the addresses
// that it owns, and leaves the default one out. It may be given many times.
func WithAccount(key, network string, addresses ...string) Option {
	return optionFunc(func(c *config) error {
		if key == "" || network == "" {
			return errors.New("blockiotest: an account needs a key and a network")
		}
		if !c.custom {
			c.custom, c.accounts = true, nil
		}
		c.accounts = append(c.accounts, accountConfig{key, network, addresses})
		return nil
	})
}

// WithAddr sets the address to listen on; the default is 127.0.0.1:0, a free port.
func WithAddr(addr string) Option {
	return optionFunc(func(c *config) error { c.addr = addr; return nil })
}

// WithAllowedAddrs sets the addresses from which calls are accepted; the
// default is everywhere. A call from elsewhere is refused like one with a wrong
// key.
func WithAllowedAddrs(prefixes ...netip.Prefix) Option {
	return optionFunc(func(c *config) error { c.allowed = prefixes; return nil })
}

// WithPageSize sets how many notifications a page lists; the default is the
// service's 2500.
func WithPageSize(n int) Option {
	return optionFunc(func(c *config) error {
		if n < 1 {
			return errors.New("blockiotest: page size below 1")
		}
		c.pageSize = n
		return nil
	})
}

// WithBareLists makes lists answer an array, where otherwise it is an object
// that holds one: which of the two the service does is not published.
func WithBareLists() Option {
	return optionFunc(func(c *config) error { c.bareLists = true; return nil })
}

// WithoutAddresses leaves the address out of listed notifications.
func WithoutAddresses() Option {
	return optionFunc(func(c *config) error { c.addressless = true; return nil })
}

// WithEventIDs gives deliveries the event_id that the service documents and
// leaves out of its examples.
func WithEventIDs() Option {
	return optionFunc(func(c *config) error { c.eventIDs = true; return nil })
}

// WithSignature signs deliveries by the scheme of blockio.HMAC: lower-case hex
// of HMAC-SHA256 over the body without its last member, signature.
func WithSignature(secret []byte) Option {
	return optionFunc(func(c *config) error {
		if len(secret) == 0 {
			return errors.New("blockiotest: no secret")
		}
		c.secret = secret
		return nil
	})
}

// WithParallel sets how many deliveries of one notification may be under way at
// once. With the default of 1 they come one after another, in order.
func WithParallel(n int) Option {
	return optionFunc(func(c *config) error {
		if n < 1 {
			return errors.New("blockiotest: fewer than 1 delivery at once")
		}
		c.parallel = n
		return nil
	})
}

// WithHookTimeout sets how long, in real time, a web hook may take to answer;
// the default is 10 s.
func WithHookTimeout(d time.Duration) Option {
	return optionFunc(func(c *config) error {
		if d <= 0 {
			return errors.New("blockiotest: timeout of 0 or less")
		}
		c.hookTimeout = d
		return nil
	})
}

// WithRootCAs sets the certificate authorities that the service trusts for web
// hooks.
func WithRootCAs(pool *x509.CertPool) Option {
	return optionFunc(func(c *config) error { c.roots = pool; return nil })
}

// WithLogger logs what the service does; the default is nowhere.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(c *config) error {
		if l == nil {
			return errors.New("blockiotest: logger is nil")
		}
		c.log = l
		return nil
	})
}
