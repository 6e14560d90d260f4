package blockio

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// DefaultBaseURL is where the service answers. White labels answer the same
// paths under a host of their own; their web socket stays the service's.
const DefaultBaseURL = "https://block.io/api/v2/"

// Bounds of one call.
const (
	defaultTimeout = time.Minute
	maxAnswer      = 32 << 20 // a page holds 2500 notifications, each with a URL
)

// Client manages the notifications of one account, which is one API key of one
// network. It is safe for concurrent use, owns no goroutine, and prints without
// its key.
type Client struct{ conf *clientConfig }

type clientConfig struct {
	key      func() string // a func prints as an address, even where reflection prints a Client in somebody's struct
	base     string        // with a slash at its end
	http     *http.Client
	tries    int
	minPause time.Duration
	maxPause time.Duration
	errs     []error
}

// ClientOption configures a [Client]. An option that is wrong is NewClient's
// error, an *OptionError.
type ClientOption interface {
	applyClient(*clientConfig)
}

type clientOption func(*clientConfig)

func (o clientOption) applyClient(c *clientConfig) { o(c) }

func (c *clientConfig) wrong(option string, err error) {
	c.errs = append(c.errs, &OptionError{option, err})
}

var (
	errNoKey       = errors.New("blockio: an API key is required")
	errKey         = errors.New("blockio: the API key has characters that no key has")
	errBaseURL     = errors.New("is not an absolute http or https URL")
	errBaseParts   = errors.New("has user info, a query or a fragment")
	errRetryBounds = errors.New("wants at least one try, and pauses above 0 of which the first is not the longer one")
)

// NewClient returns a client for the account that the key belongs to. It does
// not connect. The error is an *[OptionError], or says that the key is missing
// or malformed.
func NewClient(apiKey string, opts ...ClientOption) (*Client, error) {
	conf := &clientConfig{
		key:      func() string { return apiKey },
		base:     DefaultBaseURL,
		http:     &http.Client{Timeout: defaultTimeout},
		tries:    4,
		minPause: 500 * time.Millisecond,
		maxPause: 10 * time.Second,
	}
	conf.errs = append(conf.errs, checkKey(apiKey))
	for _, o := range opts {
		if o == nil {
			conf.wrong("option", errNil)
			continue
		}
		o.applyClient(conf)
	}
	if err := errors.Join(conf.errs...); err != nil {
		return nil, err
	}
	conf.http = withoutRedirects(conf.http)
	return &Client{conf}, nil
}

func checkKey(key string) error {
	if key == "" {
		return errNoKey
	}
	if strings.ContainsFunc(key, func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) }) {
		return errKey // it was read from a file with its line end, most likely
	}
	return nil
}

// withoutRedirects: the key is in the body, and must not wander to another host.
func withoutRedirects(h *http.Client) *http.Client {
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// WithBaseURL sets the base URL of the service; the default is
// [DefaultBaseURL]. Names of methods are appended to its path. Over plain http
// the key can be read on the way.
func WithBaseURL(base string) ClientOption {
	return clientOption(func(c *clientConfig) {
		u, err := url.Parse(base)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			c.wrong("WithBaseURL", errBaseURL)
		case u.User != nil || u.RawQuery != "" || u.Fragment != "":
			c.wrong("WithBaseURL", errBaseParts)
		default:
			c.base = strings.TrimRight(u.String(), "/") + "/"
		}
	})
}

// WithHTTPClient sets the HTTP client that sends the requests, for a proxy, TLS
// settings or tracing. Its Timeout applies to one try; that of the default
// client is a minute. Redirects are not followed, whatever its CheckRedirect
// says, because they would take the key along.
func WithHTTPClient(h *http.Client) ClientOption {
	return clientOption(func(c *clientConfig) {
		if h == nil {
			c.wrong("WithHTTPClient", errNil)
			return
		}
		c.http = h
	})
}

// WithRetry sets how often calls are tried whose repeat is harmless (listing,
// recent events, enabling, disabling) when the connection fails, when something
// in front of the service answers with an HTTP status of 500 or above, or when
// there were too many calls. The pauses between tries grow from minPause to
// maxPause and are jittered. A longer pause that the answer asks for by
// Retry-After is kept, up to a minute; beyond that the call is not repeated.
// Default: 4 tries, 500 ms, 10 s. With 1 a call is never repeated.
func WithRetry(tries int, minPause, maxPause time.Duration) ClientOption {
	return clientOption(func(c *clientConfig) {
		if tries < 1 || minPause <= 0 || maxPause < minPause {
			c.wrong("WithRetry", errRetryBounds)
			return
		}
		c.tries, c.minPause, c.maxPause = tries, minPause, maxPause
	})
}

// String returns the base URL; the key is not shown.
func (c Client) String() string {
	if c.conf == nil {
		return "client without a key"
	}
	return "client of " + c.conf.base
}

// GoString is String.
func (c Client) GoString() string { return "blockio.Client(" + c.String() + ")" }

// Format prints String for every verb.
func (c Client) Format(f fmt.State, _ rune) { writeSafe(f, c.String()) }

// LogValue is String as a slog value.
func (c Client) LogValue() slog.Value { return slogText(c.String()) }

// MarshalJSON encodes String.
func (c Client) MarshalJSON() ([]byte, error) { return marshalText(c.String()) }
