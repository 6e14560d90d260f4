package blockio

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/bitcart-go/bitcart"
)

// defaultEndpoint is the same for white labels, which have a host of their own
// for REST only.
const defaultEndpoint = "wss://ws.block.io/"

// streamReadLimit takes a block with a full list of transactions, 1 MB.
const streamReadLimit = 4 << 20

// streamConfig collects options. Zero fields mean their defaults, see
// withDefaults.
type streamConfig struct {
	errs      []error
	log       *slog.Logger
	endpoint  string
	transport *http.Transport
	silence   time.Duration
	pauses    pauses
	bounds    Bounds
	onGap     func(context.Context, Gap)
	backfill  func(context.Context, Gap) ([]bitcart.Update, error)
	onRefused func(context.Context, *SubscriptionError)
	onFailed  func(context.Context, error)
}

func newStreamConfig(opts []StreamOption) (streamConfig, error) {
	c := streamConfig{
		log:      slog.New(slog.DiscardHandler),
		endpoint: defaultEndpoint,
		silence:  75 * time.Second,
		pauses:   pauses{500 * time.Millisecond, 30 * time.Second},
	}
	for _, o := range opts {
		if o == nil {
			c.errs = append(c.errs, &OptionError{"StreamOption", errNil})
			continue
		}
		o.applyStream(&c)
	}
	c.bounds = c.bounds.withDefaults()
	return c, errors.Join(c.errs...)
}

// streamOption is an option with a check.
type streamOption struct {
	name string
	set  func(*streamConfig) error
}

func (o streamOption) applyStream(c *streamConfig) {
	if err := o.set(c); err != nil {
		c.errs = append(c.errs, &OptionError{o.name, err})
	}
}

// WithEndpoint sets the URL of the web socket, ws or wss. Default:
// wss://ws.block.io/, for white labels too.
func WithEndpoint(endpoint string) StreamOption {
	return streamOption{"WithEndpoint", func(c *streamConfig) error {
		c.endpoint = endpoint
		return checkEndpoint(endpoint)
	}}
}

// checkEndpoint quotes nothing of the URL: it can hold a password.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "":
		return errors.New("not a URL with a host")
	case u.Scheme != "ws" && u.Scheme != "wss":
		return errors.New("scheme is neither ws nor wss")
	case u.User != nil:
		return errors.New("the service's web sockets know no user")
	}
	return nil
}

// WithTransport makes the web socket use the proxy, dialler and TLS settings of
// t, as HTTP requests would. t is not changed. Default: a direct connection
// that ignores environment variables.
func WithTransport(t *http.Transport) StreamOption {
	return streamOption{"WithTransport", func(c *streamConfig) error {
		if t == nil {
			return errNil
		}
		c.transport = t
		return nil
	}}
}

// WithSilence sets how long the service may send nothing before the connection
// counts as dead. Default: 75 s, because the service sends a ping every 30 s.
// Only whole messages count. It also bounds the wait for the service's greeting
// and for the answer to a subscription: a late answer, which names no request,
// could be taken for another request's.
func WithSilence(d time.Duration) StreamOption {
	return streamOption{"WithSilence", func(c *streamConfig) error {
		if d <= 0 {
			return errors.New("is not positive")
		}
		c.silence = d
		return nil
	}}
}

// WithBackoff sets the bounds of the pauses before another attempt to connect,
// and before an event is delivered again whose handler named no time. The
// pauses grow, are jittered and never exceed max; the attempts never stop by
// themselves. Default: 500 ms and 30 s.
func WithBackoff(min, max time.Duration) StreamOption {
	return streamOption{"WithBackoff", func(c *streamConfig) error {
		if min <= 0 || max < min {
			return errors.New("min is not positive, or above max")
		}
		c.pauses = pauses{min, max}
		return nil
	}}
}

// WithOnRefused sets a function that is called when the service refuses a
// subscription that no Subscribe is waiting for. The stream has forgotten the
// subscription. Every refusal is reported, however long f takes. f runs like the
// function of WithOnGap.
func WithOnRefused(f func(ctx context.Context, err *SubscriptionError)) StreamOption {
	return streamOption{"WithOnRefused", func(c *streamConfig) error {
		c.onRefused = f
		return nil
	}}
}

// WithOnHandlerError sets a function that is called for each error that the
// sink returned for an event, except for bitcart.Retry; the error is a
// *bitcart.HandlerError in most cases. The event is done. f runs like the
// function of WithOnGap. Errors are logged as well.
func WithOnHandlerError(f func(ctx context.Context, err error)) StreamOption {
	return streamOption{"WithOnHandlerError", func(c *streamConfig) error {
		c.onFailed = f
		return nil
	}}
}

// WithBounds sets what a Stream may hold, and how long it may take to end.
func WithBounds(b Bounds) StreamOption {
	return streamOption{"WithBounds", func(c *streamConfig) error {
		c.bounds = b
		return b.check()
	}}
}

// Bounds limits what a Stream holds. The zero value of each field stands for
// its default; negative values are errors.
type Bounds struct {
	// Workers is the most handlers that run at once. 0 = 256. Their goroutines
	// start on demand: an idle stream has none.
	Workers int
	// Queue is the most events of one subscription that wait. 0 = 1024.
	Queue int
	// Bytes is the most bytes of events that wait; one subscription takes at
	// most an eighth of it. 0 = 64 MiB.
	Bytes int64
	// Drain is how long a stream that ends waits for its handlers before it
	// cancels their contexts. 0 = 10 s.
	Drain time.Duration
}

func (b Bounds) check() error {
	if b.Workers < 0 || b.Queue < 0 || b.Bytes < 0 || b.Drain < 0 {
		return errors.New("a bound is negative")
	}
	return nil
}

func (b Bounds) withDefaults() Bounds {
	if b.Workers == 0 {
		b.Workers = 256
	}
	if b.Queue == 0 {
		b.Queue = 1024
	}
	if b.Bytes == 0 {
		b.Bytes = 64 << 20
	}
	if b.Drain == 0 {
		b.Drain = 10 * time.Second
	}
	return b
}
