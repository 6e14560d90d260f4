package bitcart

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bitcart-go/bitcart/internal/jsonrpc"
)

const (
	defaultHost     = "localhost"
	defaultUser     = "electrum"
	defaultPassword = "electrumz"
)

// callTimeout bounds a call whose ctx has no deadline: daemons hold calls
// without limit while they synchronize (protocol section 2).
const callTimeout = 5 * time.Minute

// daemon is one daemon as it is reached by one URL and one set of
// credentials. Coins of one APIManager share it.
type daemon struct {
	cur        *currency
	url        *url.URL
	user, pass string // as the daemon reads them: bytes of Latin-1
	transport  *http.Transport
	ownsIdle   bool // the transport is ours, so its idle connections are ours to close
	rpc        *jsonrpc.Client
	log        *slog.Logger
	hooks      Hooks
	stream     StreamConfig  // with defaults
	patience   time.Duration // of recovery
	allWallets bool
	n          counters
}

func newDaemon(cur *currency, s settings) (*daemon, error) {
	if err := s.environ(cur); err != nil {
		return nil, err
	}
	if s.baseURL == nil {
		if cur.Port == 0 {
			return nil, &OptionError{"WithURL", errors.New(cur.Symbol + " has no default port: the URL is needed")}
		}
		s.baseURL = &url.URL{Scheme: "http", Host: defaultHost + ":" + strconv.Itoa(cur.Port)}
	}
	if !s.hasAuth {
		s.user, s.pass = defaultUser, defaultPassword
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	d := &daemon{
		cur: cur, url: s.baseURL, user: latin1(s.user), pass: latin1(s.pass),
		log:   s.log.With("currency", cur.Symbol),
		hooks: s.hooks, stream: s.stream.withDefaults(), allWallets: s.allWallets,
		patience: cmp.Or(s.patience, recoverPatience),
	}
	d.transport, d.ownsIdle = s.makeTransport()
	client := s.httpClient
	if client == nil {
		client = &http.Client{Transport: d.transport}
	}
	// The slash matters behind a proxy, where /prefix often is not /prefix/.
	d.rpc = jsonrpc.New(jsonrpc.Config{URL: d.url.JoinPath("/"), User: d.user, Password: d.pass, EmptyLogin: true, HTTP: client})
	return d, nil
}

// alone is the same daemon with counters of its own, for a Coin that streams
// apart from its manager.
func (d *daemon) alone() *daemon {
	return &daemon{
		cur: d.cur, url: d.url, user: d.user, pass: d.pass, transport: d.transport, ownsIdle: d.ownsIdle,
		rpc: d.rpc, log: d.log, hooks: d.hooks, stream: d.stream, allWallets: d.allWallets, patience: d.patience,
	}
}

// makeTransport returns the transport of RPC and websocket, and whether it is
// the library's own.
func (s *settings) makeTransport() (t *http.Transport, own bool) {
	switch {
	case s.transport != nil && s.proxy == nil && s.tls == nil:
		return s.transport, false
	case s.transport != nil:
		t = s.transport.Clone()
	default:
		t = defaultTransport()
	}
	if s.proxy != nil {
		t.Proxy = http.ProxyURL(s.proxy)
	}
	if s.tls != nil {
		t.TLSClientConfig = s.tls.Clone()
	}
	if t.OnProxyConnectResponse == nil {
		t.OnProxyConnectResponse = proxyRefusal
	}
	return t, true
}

// proxyRefusal stands for net/http's error, whose text is the proxy's own: it can
// repeat the login.
func proxyRefusal(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("proxy answered HTTP %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
}

// defaultTransport keeps connections for 60 s: the daemon closes them after
// 75 s, and a request on a connection that is being closed fails without
// telling whether it arrived. HTTP/2, which only a gateway would speak, brings
// such ends at any time: it may close a connection or a stream under a request.
func defaultTransport() *http.Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Transport{
		Protocols:             &http1,
		Proxy:                 http.ProxyFromEnvironment,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       60 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// latin1 encodes text as the daemon decodes credentials. setAuth has refused
// what does not fit.
func latin1(text string) string {
	b := make([]byte, 0, len(text))
	for _, r := range text {
		b = append(b, byte(r))
	}
	return string(b)
}

func fromLatin1(text string) string {
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = rune(text[i])
	}
	return string(runes)
}

// name is the URL for logs and errors; newDaemon has taken the credentials out.
func (d *daemon) name() string { return d.url.String() }

// same reports whether both lead to one daemon with the same credentials.
func (d *daemon) same(other *daemon) bool {
	return d.cur == other.cur && d.user == other.user && d.pass == other.pass &&
		strings.TrimRight(d.name(), "/") == strings.TrimRight(other.name(), "/")
}

// websocketURL is /ws below the base, whose path prefix is kept.
func (d *daemon) websocketURL() string { return d.url.JoinPath("ws").String() }

// call sends one request and reports the failure in the library's types.
// secrets, asked for when it fails, are taken out of the error's text.
func (d *daemon) call(ctx context.Context, method string, params []byte, secrets func() redactor) ([]byte, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	result, err := d.rpc.Call(ctx, method, params)
	if err != nil {
		return nil, d.failure(ctx, method, err, secrets())
	}
	return result, nil
}

// callUnbounded is call without the default limit and without a place in the
// line, for get_updates: a call that is cut off has emptied the daemon's queue
// all the same.
func (d *daemon) callUnbounded(ctx context.Context, method string, params []byte, secrets func() redactor) ([]byte, error) {
	result, err := d.rpc.CallAtOnce(ctx, method, params)
	if err != nil {
		return nil, d.failure(ctx, method, err, secrets())
	}
	return result, nil
}

// failure is an error of the RPC layer in the library's types.
func (d *daemon) failure(ctx context.Context, method string, err error, secrets redactor) error {
	var answered *jsonrpc.Error
	if errors.As(err, &answered) {
		return d.rpcError(ctx, method, answered, secrets)
	}
	failed := &CallError{Method: method, MaybeSent: true, Err: err, safe: d.secrets(secrets).clean(inner(err))}
	var transport *jsonrpc.TransportError
	if errors.As(err, &transport) {
		failed.MaybeSent, failed.StatusCode = transport.MaybeSent, transport.StatusCode
	}
	return failed
}

// secrets adds the credentials to those of a call.
func (d *daemon) secrets(of redactor) redactor {
	d.hidePassword(&of)
	of.hide(base64.StdEncoding.EncodeToString([]byte(d.user+":"+d.pass)), "***")
	return of
}

// hidePassword hides it as it goes out and as people write it.
func (d *daemon) hidePassword(r *redactor) {
	r.hide(d.pass, "***")
	if written := fromLatin1(d.pass); written != d.pass {
		r.hide(written, "***")
	}
}

func (d *daemon) rpcError(ctx context.Context, method string, e *jsonrpc.Error, secrets redactor) *RPCError {
	return &RPCError{
		Currency: d.cur.Symbol, Method: method, Code: e.Code, Name: d.rpc.ErrorName(ctx, e.Code), Message: e.Message,
		safe: d.secrets(secrets).clean(e.Message),
	}
}
