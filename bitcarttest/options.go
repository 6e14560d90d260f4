package bitcarttest

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Option changes what NewDaemon builds.
type Option interface{ apply(*config) error }

type optionFunc func(*config) error

func (f optionFunc) apply(c *config) error { return f(c) }

type config struct {
	user, password string
	family         Family
	decimals       int
	pollingCap     int
	addr           string
	prefix         string
	now            func() time.Time
	tls            bool
	log            *slog.Logger
	writeTimeout   time.Duration
	height         int64
	replay         bool
	tokens         []Token
	txSize         int
	noLightning    bool
	lightningAddr  string
}

func defaultConfig() config {
	return config{
		user:         "electrum",
		password:     "electrumz",
		decimals:     -1,
		pollingCap:   100,
		addr:         "127.0.0.1:0",
		now:          time.Now,
		log:          slog.New(slog.DiscardHandler),
		writeTimeout: 5 * time.Second,
		height:       1000,
		replay:       true,
		txSize:       defaultSize,
	}
}

// WithCredentials sets user and password; the default is electrum and electrumz. As with the real
// daemon, a colon in either makes a login impossible.
func WithCredentials(user, password string) Option {
	return optionFunc(func(c *config) error { c.user, c.password = user, password; return nil })
}

// WithFamily sets the family; it is needed for currencies that the package does not know.
func WithFamily(f Family) Option {
	return optionFunc(func(c *config) error {
		if f != Electrum && f != ElectronCash && f != Account {
			return fmt.Errorf("bitcarttest: unknown family %q", f)
		}
		c.family = f
		return nil
	})
}

// WithDecimals sets how many decimal places the coin has, 0 to 36.
func WithDecimals(n int) Option {
	return optionFunc(func(c *config) error {
		if n < 0 || n > 36 {
			return fmt.Errorf("bitcarttest: %d decimals", n)
		}
		c.decimals = n
		return nil
	})
}

// WithPollingCap sets how many updates the queue of each wallet holds for get_updates. The default
// is 100; 0 switches the queue off, so that get_updates always answers an empty list.
func WithPollingCap(n int) Option {
	return optionFunc(func(c *config) error {
		if n < 0 {
			return errors.New("bitcarttest: negative polling cap")
		}
		c.pollingCap = n
		return nil
	})
}

// WithAddr sets the address to listen on; the default is 127.0.0.1:0, a free port.
func WithAddr(addr string) Option {
	return optionFunc(func(c *config) error { c.addr = addr; return nil })
}

// WithPathPrefix puts the three endpoints under a path, as a reverse proxy does.
func WithPathPrefix(prefix string) Option {
	return optionFunc(func(c *config) error {
		if trimmed := strings.Trim(prefix, "/"); trimmed != "" {
			c.prefix = "/" + trimmed
		}
		return nil
	})
}

// WithClock replaces time.Now for creation times and expiry. now is called from several goroutines.
func WithClock(now func() time.Time) Option {
	return optionFunc(func(c *config) error {
		if now == nil {
			return errors.New("bitcarttest: nil clock")
		}
		c.now = now
		return nil
	})
}

// WithTLS serves HTTPS and WSS with a certificate of its own; TLSConfig gives a client
// configuration that trusts it.
func WithTLS() Option {
	return optionFunc(func(c *config) error { c.tls = true; return nil })
}

// WithLogger logs connections and faults, never wallet keys. By default nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(c *config) error {
		if l == nil {
			return errors.New("bitcarttest: nil logger")
		}
		c.log = l
		return nil
	})
}

// WithWriteTimeout bounds one websocket write, 5 s by default. As with the real daemon a client
// that stops reading holds everybody up; after this time it is cut.
func WithWriteTimeout(d time.Duration) Option {
	return optionFunc(func(c *config) error {
		if d <= 0 {
			return errors.New("bitcarttest: write timeout must be positive")
		}
		c.writeTimeout = d
		return nil
	})
}

// WithHeight sets the height of the chain at the start, 1000 by default.
func WithHeight(height int64) Option {
	return optionFunc(func(c *config) error { c.height = height; return nil })
}

// WithToken adds a token contract, or replaces the one at the same address.
func WithToken(t Token) Option {
	return optionFunc(func(c *config) error {
		if t.Contract == "" || t.Symbol == "" || t.Decimals < 0 || t.Decimals > 36 {
			return errors.New("bitcarttest: a token needs a symbol, a contract and its decimals")
		}
		c.tokens = append(c.tokens, t)
		return nil
	})
}

// WithoutReplay stops account-family daemons from repeating the transactions of the blocks they
// hold in memory whenever a known wallet is loaded again.
func WithoutReplay() Option {
	return optionFunc(func(c *config) error { c.replay = false; return nil })
}

// WithTransactionSize sets the size in bytes, at least 16, of the transactions that wallets of
// Electrum and Electron Cash daemons make, for one recipient; each further one adds 34. The default
// is 110. Fees go by it: SetFeeRate.
func WithTransactionSize(n int) Option {
	return optionFunc(func(c *config) error {
		if n < 16 || n > 1_000_000 {
			return fmt.Errorf("bitcarttest: a transaction of %d bytes", n)
		}
		c.txSize = n
		return nil
	})
}

// WithoutLightning switches lightning off, as the real daemon's default is: /spec says so, and the
// lightning methods answer -32011.
func WithoutLightning() Option {
	return optionFunc(func(c *config) error { c.noLightning = true; return nil })
}

// WithLightningListen sets the address, host:port, that the lightning nodes listen on, as nodeid
// shows it.
func WithLightningListen(addr string) Option {
	return optionFunc(func(c *config) error { c.lightningAddr = addr; return nil })
}
