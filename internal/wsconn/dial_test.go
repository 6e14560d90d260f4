package wsconn_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wsconn"
)

func echo(ws *websocket.Conn) {
	for {
		kind, msg, err := ws.ReadMessage()
		if err != nil {
			return
		}
		if ws.WriteMessage(kind, msg) != nil {
			return
		}
	}
}

func requireEcho(t *testing.T, c *wsconn.Conn) {
	t.Helper()
	require.NoError(t, c.Write([]byte("hello")))
	msg, err := c.Read()
	require.NoError(t, err)
	require.Equal(t, "hello", string(msg))
}

func TestDialSendsHeaderAndPath(t *testing.T) {
	seen := make(chan *http.Request, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		upgradeAnd(echo)(w, r)
	}))
	defer srv.Close()
	header := http.Header{"Authorization": {"Basic abc"}, "Host": {"daemon.example"}}
	c := dial(t, wsconn.Config{URL: srv.URL + "/prefix/ws?a=b#part", Header: header})
	requireEcho(t, c)
	r := receive(t, seen)
	require.Equal(t, "/prefix/ws?a=b", r.RequestURI)
	require.Equal(t, "Basic abc", r.Header.Get("Authorization"))
	require.Equal(t, "daemon.example", r.Host)
	require.Empty(t, r.Header.Get("Sec-Websocket-Extensions"), "compression must not be offered")
	require.Len(t, header, 2, "the caller's header must not change")
	require.NoError(t, c.Close())
}

func TestDialSchemes(t *testing.T) {
	plain := serve(t, echo)
	for _, u := range []string{plain, strings.Replace(plain, "http", "ws", 1), strings.Replace(plain, "http", "WS", 1)} {
		requireEcho(t, dial(t, wsconn.Config{URL: u}))
	}
}

func TestDialRefusesURL(t *testing.T) {
	cases := map[string]string{
		"userinfo":          "ws://electrum:hunter2@127.0.0.1:5000/ws",
		"user only":         "http://hunter2@127.0.0.1:5000/ws",
		"scheme":            "ftp://hunter2/ws",
		"password scheme":   "hunter2:x@127.0.0.1:5000/ws",
		"no scheme":         "127.0.0.1/hunter2",
		"no host":           "ws:///hunter2",
		"port without host": "ws://:80/hunter2",
		"opaque":            "ws:hunter2",
		"bad escape":        "ws://user:hunter2%zz@host/ws",
		"bad port":          "ws://user:hunter2",
		"port too large":    "ws://hunter2:70000",
		"port zero":         "ws://hunter2:0",
		"stray bracket":     "wss://]hunter2",
		"empty":             "",
	}
	for name, u := range cases {
		t.Run(name, func(t *testing.T) {
			c, err := wsconn.Dial(t.Context(), wsconn.Config{URL: u})
			require.Nil(t, c)
			require.ErrorContains(t, err, "wsconn: the URL")
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestDialRefusesUpgradeHeadersInAnySpelling(t *testing.T) {
	u := serve(t, echo)
	for _, name := range []string{"Upgrade", "sec-websocket-key", "Sec-WebSocket-Extensions"} {
		_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: u, Header: http.Header{name: {"x"}}})
		require.ErrorContains(t, err, "header not allowed")
	}
}

func TestHandshakeError(t *testing.T) {
	cases := []struct {
		name   string
		status int
		body   string
	}{
		{"200 with JSON", 200, `{"jsonrpc":"2.0","error":{"code":-32600,"message":"Unauthorized"},"id":null}`},
		{"401", 401, "no"},
		{"404", 404, "404: Not Found"},
		{"500 and long", 500, strings.Repeat("x", 5000)},
		{"redirect", 301, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Test", "yes")
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}))
			defer srv.Close()
			_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: srv.URL})
			var he *wsconn.HandshakeError
			require.ErrorAs(t, err, &he)
			require.Equal(t, tc.status, he.StatusCode)
			require.Equal(t, "yes", he.Header.Get("X-Test"))
			require.Equal(t, tc.body[:min(len(tc.body), 1024)], string(he.Body))
			require.Contains(t, err.Error(), "wsconn: upgrade: peer answered HTTP ")
			if tc.body != "" {
				require.NotContains(t, err.Error(), tc.body)
			}
		})
	}
}

func TestHandshakeErrorForWrongAcceptKey(t *testing.T) {
	tr := overPipe(scripted("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"))
	_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: "ws://host", Transport: tr})
	var he *wsconn.HandshakeError
	require.ErrorAs(t, err, &he)
	require.Equal(t, 101, he.StatusCode)
}

// scripted reads the request and answers with fixed bytes.
func scripted(answer string) func(net.Conn) {
	return func(nc net.Conn) {
		defer nc.Close()
		readRequest(nc)
		_, _ = io.WriteString(nc, answer)
	}
}

func readRequest(r io.Reader) {
	var seen strings.Builder
	one := make([]byte, 1)
	for !strings.HasSuffix(seen.String(), "\r\n\r\n") {
		if _, err := r.Read(one); err != nil {
			return
		}
		seen.Write(one)
	}
}

func TestDialBoundsEndlessAnswer(t *testing.T) {
	tr := overPipe(func(nc net.Conn) {
		defer nc.Close()
		readRequest(nc)
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n")
		for {
			if _, err := io.WriteString(nc, "X: "+strings.Repeat("y", 4000)+"\r\n"); err != nil {
				return
			}
		}
	})
	_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: "ws://host", Transport: tr})
	require.ErrorContains(t, err, "too long")
}

func TestDialRefusesCompressionUnasked(t *testing.T) {
	srv := httptest.NewServer(upgradeAnd(idle))
	defer srv.Close()
	tr := overPipe(func(nc net.Conn) { // adds the extension to a proper answer
		defer nc.Close()
		up, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			return
		}
		defer up.Close()
		go func() { _, _ = io.Copy(up, nc); _ = up.Close() }()
		line := make([]byte, len("HTTP/1.1 101 Switching Protocols\r\n"))
		if _, err := io.ReadFull(up, line); err != nil {
			return
		}
		_, _ = nc.Write(line)
		_, _ = io.WriteString(nc, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n")
		_, _ = io.Copy(nc, up)
	})
	_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: "ws://host", Transport: tr})
	require.ErrorContains(t, err, "extension that was not offered")
}

// hanging lists every phase in which a dial can hang, each as a configuration
// that leads into it.
func hanging(t *testing.T, s *silentListener) map[string]wsconn.Config {
	proxied := func(scheme string) *http.Transport {
		return &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: scheme, Host: s.addr, User: url.UserPassword("u", "hunter2")})}
	}
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	block := func(string, string) (net.Conn, error) {
		s.accepted <- struct{}{}
		<-never
		return nil, errors.New("over")
	}
	return map[string]wsconn.Config{
		"TCP dial": {URL: "ws://host", Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				s.accepted <- struct{}{}
				<-ctx.Done()
				return nil, errors.New("given up")
			}}},
		"dial without context": {URL: "ws://host", Transport: &http.Transport{Dial: block}},     //lint:ignore SA1019 it must work
		"TLS dial w/o context": {URL: "wss://host", Transport: &http.Transport{DialTLS: block}}, //lint:ignore SA1019 it must work
		"upgrade":              {URL: "ws://" + s.addr},
		"TLS handshake":        {URL: "wss://" + s.addr},
		"CONNECT":              {URL: "ws://host.test", Transport: proxied("http")},
		"CONNECT for wss":      {URL: "wss://host.test", Transport: proxied("http")},
		"TLS with the proxy":   {URL: "ws://host.test", Transport: proxied("https")},
		"SOCKS5":               {URL: "ws://host.test", Transport: proxied("socks5")},
	}
}

func TestDialEndsWithContextInEveryPhase(t *testing.T) {
	s := newSilentListener(t)
	for name, cfg := range hanging(t, s) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := wsconn.Dial(ctx, cfg)
				ended <- err
			}()
			receive(t, s.accepted)
			select {
			case err := <-ended:
				require.FailNow(t, "ended by itself", err)
			default:
			}
			cancel()
			err := receive(t, ended)
			require.ErrorIs(t, err, context.Canceled)
			require.NotContains(t, err.Error(), "hunter2")
			if cfg.Transport == nil {
				receive(t, s.gone) // the socket is closed
			}
		})
	}
}

func TestDialEndsWithContextDeadlineAndHandshakeTimeout(t *testing.T) {
	s := newSilentListener(t)
	for name, cfg := range hanging(t, s) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err := wsconn.Dial(ctx, cfg)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotContains(t, err.Error(), "no connection within")

			cfg.HandshakeTimeout = 200 * time.Millisecond
			_, err = wsconn.Dial(t.Context(), cfg)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, "no connection within 200ms")
			receive(t, s.accepted)
			receive(t, s.accepted)
		})
	}
}

func TestDialWithEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := wsconn.Dial(ctx, wsconn.Config{URL: serve(t, echo)})
	require.ErrorIs(t, err, context.Canceled)
}

func TestContextHasNoMeaningAfterDial(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, err := wsconn.Dial(ctx, wsconn.Config{URL: serve(t, echo)})
	require.NoError(t, err)
	defer c.Close()
	cancel()
	requireEcho(t, c)
}

func TestHandshakeTimeoutDoesNotOutliveDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, wsconn.Config{URL: "ws://host", HandshakeTimeout: time.Second, PingInterval: -1, Transport: inPipe(t, echo)})
		time.Sleep(time.Hour)
		requireEcho(t, c)
	})
}

func TestDialConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	_, err = wsconn.Dial(t.Context(), wsconn.Config{URL: "ws://" + addr})
	var op *net.OpError
	require.ErrorAs(t, err, &op)
	require.ErrorContains(t, err, "wsconn: dial: ")
}

func tlsDial(ctx context.Context, network, addr string, cfg *tls.Config) (net.Conn, error) {
	return (&tls.Dialer{Config: cfg}).DialContext(ctx, network, addr)
}

func newTLSServer(t *testing.T, http2 bool) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(upgradeAnd(echo))
	srv.EnableHTTP2 = http2
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

func transportOf(srv *httptest.Server) *http.Transport {
	return srv.Client().Transport.(*http.Transport)
}

func TestTLS(t *testing.T) {
	srv := newTLSServer(t, false)
	c := dial(t, wsconn.Config{URL: srv.URL, Transport: transportOf(srv)})
	requireEcho(t, c)
	require.NoError(t, c.Close())
}

func TestTLSRefusesUnknownCertificate(t *testing.T) {
	srv := newTLSServer(t, false)
	_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: srv.URL})
	require.ErrorContains(t, err, "wsconn: TLS handshake: ")
	var unknown *tls.CertificateVerificationError
	require.ErrorAs(t, err, &unknown)
}

func TestTLSConfigSharedWithHTTP2(t *testing.T) {
	srv := newTLSServer(t, true)
	tr := transportOf(srv).Clone()
	tr.TLSClientConfig.NextProtos = []string{"h2", "http/1.1"}
	c := dial(t, wsconn.Config{URL: srv.URL, Transport: tr})
	requireEcho(t, c)
	require.Equal(t, []string{"h2", "http/1.1"}, tr.TLSClientConfig.NextProtos, "the shared config must not change")
	require.NoError(t, c.Close())
}

func TestCustomTLSDial(t *testing.T) {
	srv := newTLSServer(t, true)
	for name, protos := range map[string][]string{"http/1.1": nil, "h2": {"h2"}} {
		t.Run(name, func(t *testing.T) {
			cfg := transportOf(srv).TLSClientConfig.Clone()
			cfg.NextProtos, cfg.ServerName = protos, "example.com"
			var used atomic.Int32
			tr := &http.Transport{DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				used.Add(1)
				nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return tls.Client(nc, cfg), nil // the handshake is left to the caller
			}}
			c, err := wsconn.Dial(t.Context(), wsconn.Config{URL: srv.URL, Transport: tr})
			require.EqualValues(t, 1, used.Load())
			if protos != nil {
				require.ErrorContains(t, err, "negotiated h2")
				return
			}
			require.NoError(t, err)
			requireEcho(t, c)
			require.NoError(t, c.Close())
		})
	}
}

func TestTLSHandshakeTimeout(t *testing.T) {
	s := newSilentListener(t)
	tr := &http.Transport{TLSHandshakeTimeout: 20 * time.Millisecond}
	_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: "wss://" + s.addr, Transport: tr})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "TLS handshake")
	require.NotContains(t, err.Error(), "no connection within 30s")
	receive(t, s.gone)
}

func TestDialFunctionsOfTransport(t *testing.T) {
	u := serve(t, echo)
	var dialler net.Dialer
	none := func(context.Context, string, string) (net.Conn, error) { return nil, nil }
	t.Run("Dial", func(t *testing.T) {
		//lint:ignore SA1019 it must work
		requireEcho(t, dial(t, wsconn.Config{URL: u, Transport: &http.Transport{Dial: dialler.Dial}}))
	})
	t.Run("DialContext wins over Dial", func(t *testing.T) {
		//lint:ignore SA1019 it must work
		tr := &http.Transport{DialContext: dialler.DialContext, Dial: func(string, string) (net.Conn, error) { return nil, errors.New("used") }}
		requireEcho(t, dial(t, wsconn.Config{URL: u, Transport: tr}))
	})
	t.Run("neither connection nor error", func(t *testing.T) {
		_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: u, Transport: &http.Transport{DialContext: none}})
		require.ErrorContains(t, err, "neither a connection nor an error")
	})
}

func TestAbandonedDialClosesItsConnection(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun, goOn := make(chan struct{}), make(chan struct{})
	client, server := net.Pipe()
	//lint:ignore SA1019 it must work
	tr := &http.Transport{Dial: func(string, string) (net.Conn, error) {
		close(begun)
		<-goOn
		return client, nil
	}}
	ended := make(chan error, 1)
	go func() {
		_, err := wsconn.Dial(ctx, wsconn.Config{URL: "ws://host", Transport: tr})
		ended <- err
	}()
	receive(t, begun)
	cancel()
	require.ErrorIs(t, receive(t, ended), context.Canceled)
	close(goOn)
	_, err := server.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

// countedConn tells when it is closed.
type countedConn struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

func (c *countedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

func TestManyCyclesLeaveNoSocket(t *testing.T) {
	var open atomic.Int64
	tr := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return &countedConn{Conn: nc, open: &open}, nil
	}}
	good := serve(t, echo)
	bad := httptest.NewServer(http.NotFoundHandler())
	defer bad.Close()
	for i := range 200 {
		c, err := wsconn.Dial(t.Context(), wsconn.Config{URL: good, Transport: tr})
		require.NoError(t, err)
		switch i % 3 {
		case 0:
			requireEcho(t, c)
		case 1:
			c.Shutdown()
			_, err = c.Read()
			require.ErrorIs(t, err, wsconn.ErrClosed)
		}
		require.NoError(t, c.Close())
		_, err = wsconn.Dial(t.Context(), wsconn.Config{URL: bad.URL, Transport: tr})
		require.Error(t, err)
	}
	require.Zero(t, open.Load())
}

// The host goes to the dialler as net/http gives it: a name of other letters as
// its ASCII form.
func TestHostIsDialledAsForHTTP(t *testing.T) {
	for _, base := range []string{
		"http://example.com", "http://EXAMPLE.com:81", "http://h.", "http://1.2.3.4", "http://[::1]:5000", "http://[fe80::1%25Eth0]:81",
		"http://b\u00fccher.example", "http://B\u00dcCHER.example:81", "https://b\u00fccher.example", "http://\u4f8b\u3048.jp",
	} {
		for _, proxy := range []string{"", "http://pr\u00f6xy.example:3128", "https://[::1]:3129", "socks5://pr\u00f6xy.example"} {
			var asked []string
			stop := errors.New("far enough")
			transport := &http.Transport{DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
				asked = append(asked, addr)
				return nil, stop
			}}
			if proxy != "" {
				u, err := url.Parse(proxy)
				require.NoError(t, err)
				transport.Proxy = http.ProxyURL(u)
			}
			_, err := (&http.Client{Transport: transport}).Get(base)
			require.ErrorIs(t, err, stop, base)
			_, err = wsconn.Dial(t.Context(), wsconn.Config{URL: base, Transport: transport})
			require.ErrorIs(t, err, stop, base)
			require.Len(t, asked, 2)
			require.Equal(t, asked[0], asked[1], "%s by %s", base, proxy)
		}
	}
}

// A certificate and a proxy's CONNECT name the host in ASCII, too.
func TestHostOfOtherLettersBehindAProxy(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	transport := &http.Transport{
		Proxy:       http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy:1"}),
		DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil },
	}
	dialled := make(chan error, 1)
	go func() {
		_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: "wss://b\u00fccher.example", Transport: transport})
		dialled <- err
	}()
	req, err := http.ReadRequest(bufio.NewReader(theirs))
	require.NoError(t, err)
	require.Equal(t, "xn--bcher-kva.example:443", req.Host)
	_, err = io.WriteString(theirs, "HTTP/1.1 200 OK\r\n\r\n")
	require.NoError(t, err)
	var hello string
	server := tls.Server(theirs, &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		hello = info.ServerName
		return nil, errors.New("far enough")
	}})
	require.Error(t, server.HandshakeContext(t.Context()))
	require.Equal(t, "xn--bcher-kva.example", hello)
	require.NoError(t, theirs.Close())
	require.Error(t, <-dialled)
}

// rawAnswer serves one upgrade with bytes of its own; accept is the right key.
func rawAnswer(t *testing.T, answer func(w io.Writer, accept string)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		req, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			return
		}
		sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		answer(nc, base64.StdEncoding.EncodeToString(sum[:]))
		_, _ = io.Copy(io.Discard, nc)
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return "ws://" + l.Addr().String()
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "

// RFC 9110 section 15.2: a client has to read answers of status 1xx that come
// before the last one. net/http does.
func TestAnswersBeforeTheUpgrade(t *testing.T) {
	for name, before := range map[string]string{
		"none":           "",
		"continue":       "HTTP/1.1 100 Continue\r\n\r\n",
		"hints":          "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
		"several":        strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 100),
		"bare line ends": "HTTP/1.1 103 Early Hints\nLink: x\n\n",
		"long line":      "HTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("x", 4096-len("Link: ")) + "\r\nA: b\r\n\r\n",
		"longer line":    "HTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("x", 100_000) + "\r\n\r\n",
	} {
		for _, atOnce := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, in one piece %v", name, atOnce), func(t *testing.T) {
				many := strings.Repeat("\x81\x01x", 5000)
				url := rawAnswer(t, func(w io.Writer, accept string) {
					text := before + switching + accept + "\r\n\r\n\x81\x05first" + many
					if atOnce {
						_, _ = io.WriteString(w, text)
						return
					}
					for i := range len(text) {
						if _, err := io.WriteString(w, text[i:i+1]); err != nil {
							return
						}
					}
				})
				conn := dial(t, wsconn.Config{URL: url, PingInterval: -1})
				msg, err := conn.Read()
				require.NoError(t, err)
				require.Equal(t, "first", string(msg))
				for range 5000 {
					msg, err = conn.Read()
					require.NoError(t, err)
					require.Equal(t, "x", string(msg))
				}
			})
		}
	}
}

func TestAnswersBeforeTheUpgradeAreBounded(t *testing.T) {
	for name, piece := range map[string]string{
		"without end":      "HTTP/1.1 100 Continue\r\n\r\n",
		"line without end": "HTTP/1.1 103 x",
	} {
		t.Run(name, func(t *testing.T) {
			url := rawAnswer(t, func(w io.Writer, _ string) {
				for {
					if _, err := io.WriteString(w, piece); err != nil {
						return
					}
				}
			})
			_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: url})
			require.ErrorContains(t, err, "too long")
		})
	}
}

// What is no HTTP is told at once, also when there is little of it.
func TestAnswerThatIsNoHTTP(t *testing.T) {
	for _, answer := range []string{"\x00\r\n\r\n", "SSH\r\n", "HTTP/1.1 9\r\n\r\n"} {
		url := rawAnswer(t, func(w io.Writer, _ string) { _, _ = io.WriteString(w, answer) })
		began := time.Now()
		_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: url, HandshakeTimeout: soon})
		require.Error(t, err)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(began), soon)
	}
}

func TestAnswersBeforeTheTunnel(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	transport := &http.Transport{
		Proxy:       http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy:1"}),
		DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil },
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dialled := make(chan error, 1)
	go func() {
		_, err := wsconn.Dial(ctx, wsconn.Config{URL: "ws://host.test", Transport: transport})
		dialled <- err
	}()
	r := bufio.NewReader(theirs)
	_, err := http.ReadRequest(r)
	require.NoError(t, err)
	_, err = io.WriteString(theirs, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")
	require.NoError(t, err)
	req, err := http.ReadRequest(r)
	require.NoError(t, err, "the tunnel stands")
	require.Equal(t, "host.test", req.Host)
	cancel()
	require.ErrorIs(t, <-dialled, context.Canceled)
}
