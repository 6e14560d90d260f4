package wsconn

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

const (
	// One syscall brings many of the small frames of a burst, and who reads them
	// has them together: what is done once for them all costs less for each.
	readBufferSize = 256 << 10
	// What a client sends is a subscription of some hundred bytes.
	writeBufferSize = 1 << 10
	// An upgrade answer is some hundred bytes too; the library below reads headers
	// without end.
	maxHandshakeBytes = 1 << 20
)

// Dial connects and upgrades. ctx bounds all of it (name lookup, TCP, proxy, TLS,
// upgrade) and has no meaning for the Conn afterwards. When ctx ends, the error
// matches ctx.Err(); when HandshakeTimeout is over, context.DeadlineExceeded; an
// answer that is no upgrade is a *HandshakeError. The caller must Close the Conn
// and must keep a goroutine in Read: without it no pong is ever seen.
func Dial(ctx context.Context, cfg Config) (*Conn, error) {
	cfg = cfg.withDefaults()
	to, err := parseTarget(cfg.URL)
	if err != nil {
		return nil, err
	}
	handshakeCtx, cancel := context.WithTimeout(ctx, cfg.HandshakeTimeout)
	defer cancel()
	d := &dialer{to: to, header: canonical(cfg.Header), transport: cfg.Transport}
	if d.transport == nil {
		d.transport = &http.Transport{}
	}
	ws, in, err := d.dial(handshakeCtx)
	if err != nil {
		return nil, d.explain(ctx, handshakeCtx, cfg, err)
	}
	return newConn(cfg, ws, in), nil
}

// target is a URL in the forms that the steps of a dial need.
type target struct {
	ws     string   // ws or wss
	http   *url.URL // the same as http or https: what a Proxy function understands
	host   string   // without port
	addr   string   // host:port
	secure bool
}

var schemes = map[string]struct {
	ws, http, port string
}{
	"ws":    {"ws", "http", "80"},
	"http":  {"ws", "http", "80"},
	"wss":   {"wss", "https", "443"},
	"https": {"wss", "https", "443"},
}

// parseTarget names no part of the URL in its errors: a misplaced password can
// be in any of them.
func parseTarget(raw string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, errors.New("wsconn: the URL cannot be parsed")
	}
	scheme, known := schemes[u.Scheme]
	switch {
	case !known:
		return target{}, errors.New("wsconn: the URL's scheme is not ws, wss, http or https")
	case u.User != nil:
		return target{}, errors.New("wsconn: the URL holds a user or password: use an Authorization header")
	case u.Hostname() == "":
		return target{}, errors.New("wsconn: the URL has no host")
	}
	host, addr, err := hostPort(u, scheme.port)
	if err != nil || !validAddr(addr) {
		return target{}, errors.New("wsconn: the URL's host or port is malformed")
	}
	u.Fragment, u.RawFragment = "", ""
	u.Scheme = scheme.ws
	t := target{ws: u.String(), http: u, host: host, addr: addr, secure: scheme.ws == "wss"}
	u.Scheme = scheme.http
	return t, nil
}

func validAddr(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// hostPort is where a URL leads, as net/http dials it.
func hostPort(u *url.URL, defaultPort string) (host, addr string, err error) {
	if port := u.Port(); port != "" {
		defaultPort = port
	}
	host, err = asciiHost(u.Hostname())
	return host, net.JoinHostPort(host, defaultPort), err
}

// asciiHost writes a name of other letters as the DNS, certificates and proxies
// know it. net/http does so for what it dials and for the Host of a request; the
// latter is the way to it.
func asciiHost(host string) (string, error) {
	if strings.IndexFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return host, nil
	}
	var sent bytes.Buffer
	req := &http.Request{Method: http.MethodHead, URL: &url.URL{Path: "/"}, Host: strings.ToLower(host), Header: http.Header{}}
	if err := req.Write(&sent); err != nil {
		return "", err
	}
	read, err := http.ReadRequest(bufio.NewReader(&sent))
	if err != nil {
		return "", err
	}
	if read.Host == "" {
		return "", errors.New("no name in the DNS")
	}
	return read.Host, nil
}

// canonical copies h with canonical names, so that no spelling slips past the
// checks for names that must not be set.
func canonical(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		for _, v := range values {
			out.Add(name, v)
		}
	}
	return out
}

// dialer is one attempt.
type dialer struct {
	to        target
	header    http.Header
	transport *http.Transport
	step      string // where the attempt is, for error texts
}

func (d *dialer) dial(ctx context.Context) (*websocket.Conn, *inbound, error) {
	nc, err := d.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	d.step = "upgrade"
	in := newInbound(nc)
	var ws *websocket.Conn
	err = guard(ctx, nc, func() error {
		ws, err = d.upgrade(ctx, in)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return ws, in, nil
}

// upgrade lets the library speak over a connection that stands already, because
// its own dial ignores the context after TCP, cannot use an https proxy, takes a
// TLS dialler for the proxy's, and panics on a CONNECT answer without a reason.
//
// Compression is not offered. The messages are small, each would cost an inflate
// here and a deflate per client in the peer's fan-out, and the read limit counts
// compressed bytes, so it would no longer bound memory. For the same reason a
// peer that compresses unasked is refused: the library would go along with it.
func (d *dialer) upgrade(ctx context.Context, in *inbound) (*websocket.Conn, error) {
	standing := func(context.Context, string, string) (net.Conn, error) { return in, nil }
	upgrader := websocket.Dialer{
		NetDialContext:    standing,
		NetDialTLSContext: standing,
		ReadBufferSize:    readBufferSize,
		WriteBufferSize:   writeBufferSize,
	}
	// guard ends the upgrade with ctx. A deadline as well would make a race of
	// which error is seen.
	ws, answer, err := upgrader.DialContext(context.WithoutCancel(ctx), d.to.ws, d.header)
	if errors.Is(err, websocket.ErrBadHandshake) {
		return nil, newHandshakeError(answer)
	}
	if err != nil {
		return nil, err
	}
	if answer.Header.Get("Sec-Websocket-Extensions") != "" {
		return nil, errors.New("peer uses a websocket extension that was not offered")
	}
	in.limit = false
	return ws, nil
}

func newHandshakeError(answer *http.Response) error {
	body, _ := io.ReadAll(answer.Body) // in memory and at most 1024 bytes
	return &HandshakeError{StatusCode: answer.StatusCode, Header: answer.Header, Body: body}
}

// explain prefers the reason that the caller can act on: its own context, then
// the peer's answer, then our timeout, and only then what broke because of them.
func (d *dialer) explain(ctx, handshakeCtx context.Context, cfg Config, err error) error {
	var refused *HandshakeError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("wsconn: %s: %w", d.step, ctx.Err())
	case errors.As(err, &refused):
		return refused
	case handshakeCtx.Err() != nil:
		return fmt.Errorf("wsconn: %s: no connection within %v: %w", d.step, cfg.HandshakeTimeout, handshakeCtx.Err())
	}
	return fmt.Errorf("wsconn: %s: %w", d.step, err)
}
