// Package jsonrpc speaks JSON-RPC 2.0 over HTTP with one Bitcart daemon and keeps the daemon's spec,
// the catalogue of its error codes.
//
// A call is sent once. When there is no valid answer the error tells whether the daemon may have run
// the call nevertheless, so that the caller never pays twice by trying again.
package jsonrpc

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const defaultMaxAnswer = 64 << 20

// Config says where the daemon is and how to reach it.
type Config struct {
	// URL is the base URL of the daemon. Its path prefix and query are kept for calls and for the
	// spec. User information in it is ignored.
	URL *url.URL
	// User and Password go out as HTTP Basic with every request; both empty means no authentication,
	// unless EmptyLogin says that they are a daemon's.
	User, Password string
	EmptyLogin     bool
	// HTTP sends the requests and is required; nil stands for a client of zero values. Redirects are
	// not followed unless it has a CheckRedirect of its own: a call with credentials must not wander.
	// Whether a call may have been sent is learned through net/http/httptrace: with a RoundTripper
	// that does not report to it, most failures count as maybe sent. A RoundTripper that sends a
	// request again by itself breaks the promise that a call is sent once.
	HTTP *http.Client
	// MaxAnswer is the largest answer accepted, in bytes after decompression; 0 means 64 MiB.
	MaxAnswer int64
}

// Client talks to one daemon. It is safe for concurrent use and owns no goroutines or connections;
// idle connections belong to Config.HTTP.
type Client struct {
	callURL, specURL url.URL
	credentials      []string // of the header Authorization; nil without
	http             *http.Client
	maxAnswer        int64

	lastID  atomic.Uint64
	started time.Time
	// answered is the time of the last answer as nanoseconds after started, which keeps the
	// monotonic clock; 0 means never.
	answered atomic.Int64

	spec   specCache
	places places
}

// New returns a client of the daemon. It does not connect.
func New(cfg Config) *Client {
	callURL, specURL := endpoints(cfg.URL)
	return &Client{
		callURL:     callURL,
		specURL:     specURL,
		credentials: credentials(cfg),
		http:        withoutRedirects(cfg.HTTP),
		maxAnswer:   answerLimit(cfg.MaxAnswer),
		started:     time.Now(),
		spec:        newSpecCache(),
		places:      newPlaces(),
	}
}

// Call runs a method of the daemon and returns its result as received, which may be null. Nil or
// empty params are left out of the request; others must be valid JSON. The result belongs to the caller.
//
// The error is *Error when the daemon answered with one, otherwise *TransportError. The whole call,
// reading of the answer included, is bounded by ctx alone; a daemon may hold a call without limit.
// When ctx ends after the request has left, the daemon still runs the call to its end.
//
// Of many calls at once a few run and the others wait for them, for a tenth of
// a second at most: so they share a few connections.
func (c *Client) Call(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	leave := c.places.enter(ctx)
	defer leave()
	return c.CallAtOnce(ctx, method, params)
}

// CallAtOnce is Call without waiting for others.
func (c *Client) CallAtOnce(ctx context.Context, method string, params json.RawMessage) (json.RawMessage, error) {
	id := c.lastID.Add(1)
	buf := borrowBuffer()
	defer returnBuffer(buf)

	rep, err := c.exchange(ctx, http.MethodPost, c.callURL, encodeRequest(id, method, params), buf)
	if err != nil {
		return nil, err
	}
	result, err := decodeAnswer(rep.body, id)
	if err != nil {
		return nil, c.judge(rep, err)
	}
	c.noteAnswer()
	return result, nil
}

// LastAnswer is the time at which the daemon last answered anything, an error included; the zero
// time when it never did. What a proxy answers in its place does not count.
func (c *Client) LastAnswer() time.Time {
	after := c.answered.Load()
	if after == 0 {
		return time.Time{}
	}
	return c.started.Add(time.Duration(after))
}

func (c *Client) noteAnswer() {
	c.answered.Store(max(1, int64(time.Since(c.started))))
}

func endpoints(base *url.URL) (call, spec url.URL) {
	u := url.URL{}
	if base != nil {
		u = *base
	}
	u.User = nil
	u.Fragment, u.RawFragment = "", ""
	u.Host = strings.TrimSuffix(u.Host, ":")

	at := u
	at.Path = strings.TrimSuffix(u.Path, "/") + "/spec"
	if u.RawPath != "" {
		at.RawPath = strings.TrimSuffix(u.RawPath, "/") + "/spec"
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, at
}

// credentials are the same for every request, so they are encoded once.
func credentials(cfg Config) []string {
	if cfg.User == "" && cfg.Password == "" && !cfg.EmptyLogin {
		return nil
	}
	req := http.Request{Header: make(http.Header)}
	req.SetBasicAuth(cfg.User, cfg.Password)
	return req.Header["Authorization"]
}

func withoutRedirects(hc *http.Client) *http.Client {
	own := http.Client{}
	if hc != nil {
		own = *hc
	}
	if own.CheckRedirect == nil {
		own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return &own
}

func answerLimit(limit int64) int64 {
	if limit <= 0 {
		return defaultMaxAnswer
	}
	return min(limit, math.MaxInt64-1) // one byte more is read to notice a larger answer
}
