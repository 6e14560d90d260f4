package wsconn_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
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
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wsconn"
)

// relay copies both ways until one side ends.
func relay(a, b net.Conn) {
	var both sync.WaitGroup
	pump := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.Close()
		_ = from.Close()
	}
	both.Go(func() { pump(a, b) })
	both.Go(func() { pump(b, a) })
	both.Wait()
}

// connectProxy tunnels every CONNECT to target and tells what was asked.
func connectProxy(t *testing.T, target string, asked chan<- *http.Request) *httptest.Server {
	t.Helper()
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		asked <- r
		if user := r.Header.Get("Proxy-Authorization"); user != "Basic dTpodW50ZXIy" { // u:hunter2
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		up, err := net.Dial("tcp", target)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		down, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		relay(up, down)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(srv.Close)
	return srv
}

// socksProxy serves SOCKS5 with the login u:hunter2 and leads to target. It tells
// the address that was asked for; code is what it answers.
func socksProxy(t *testing.T, target string, code byte, asked chan<- string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer nc.Close()
				addr, err := socksServe(nc, code)
				if err != nil {
					return
				}
				asked <- addr
				if up, err := net.Dial("tcp", target); err == nil {
					relay(up, nc)
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return l.Addr().String()
}

func socksServe(nc net.Conn, code byte) (string, error) {
	r := bufio.NewReader(nc)
	read := func(n int) []byte {
		p := make([]byte, n)
		_, _ = io.ReadFull(r, p)
		return p
	}
	head := read(2)
	methods := read(int(head[1]))
	if !strings.Contains(string(methods), "\x02") {
		_, _ = nc.Write([]byte{5, 0xff})
		return "", errors.New("no login offered")
	}
	_, _ = nc.Write([]byte{5, 2})
	user := read(int(read(2)[1]))
	password := read(int(read(1)[0]))
	if string(user) != "u" || string(password) != "hunter2" {
		_, _ = nc.Write([]byte{1, 1})
		return "", errors.New("bad login")
	}
	_, _ = nc.Write([]byte{1, 0})
	var host string
	switch kind := read(4)[3]; kind {
	case 1:
		host = net.IP(read(4)).String()
	case 4:
		host = net.IP(read(16)).String()
	default:
		host = string(read(int(read(1)[0])))
	}
	port := binary.BigEndian.Uint16(read(2))
	if code != 0 {
		_, _ = nc.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
		return "", errors.New("refused")
	}
	_, err := nc.Write(append([]byte{5, 0, 0, 3, 4}, "host\x00\x50"...))
	return net.JoinHostPort(host, fmt.Sprint(port)), err
}

func proxyTransport(base *http.Transport, scheme, addr, password string) *http.Transport {
	tr := base.Clone()
	u := &url.URL{Scheme: scheme, Host: addr}
	if password != "" {
		u.User = url.UserPassword("u", password)
	}
	tr.Proxy = http.ProxyURL(u)
	return tr
}

func TestHTTPProxies(t *testing.T) {
	plain := httptest.NewServer(upgradeAnd(echo))
	defer plain.Close()
	secure := newTLSServer(t, true)
	base := transportOf(secure) // trusts the certificate of every httptest server
	base.TLSClientConfig.NextProtos = []string{"h2", "http/1.1"}
	for _, scheme := range []string{"http", "https", ""} {
		for _, target := range []*httptest.Server{plain, secure} {
			t.Run(scheme+" proxy to "+target.URL[:5], func(t *testing.T) {
				asked := make(chan *http.Request, 2)
				proxy := connectProxy(t, target.Listener.Addr().String(), asked)
				if scheme == "https" {
					proxy.StartTLS()
				} else {
					proxy.Start()
				}
				u := strings.Replace(target.URL, "127.0.0.1", "example.com", 1)
				tr := proxyTransport(base, scheme, proxy.Listener.Addr().String(), "hunter2")
				tr.ProxyConnectHeader = http.Header{"X-Extra": {"yes"}}
				c := dial(t, wsconn.Config{URL: u, Transport: tr})
				requireEcho(t, c)
				require.NoError(t, c.Close())
				r := receive(t, asked)
				require.Equal(t, http.MethodConnect, r.Method)
				require.Equal(t, u[strings.Index(u, "example.com"):], r.Host)
				require.Equal(t, "yes", r.Header.Get("X-Extra"))

				tr = proxyTransport(base, scheme, proxy.Listener.Addr().String(), "wrong-secret")
				_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: u, Transport: tr})
				require.ErrorContains(t, err, "HTTP 407")
				require.NotContains(t, err.Error(), "secret")
			})
		}
	}
}

func TestHTTPSProxyUsesCustomTLSDial(t *testing.T) {
	secure := newTLSServer(t, false)
	asked := make(chan *http.Request, 1)
	proxy := connectProxy(t, secure.Listener.Addr().String(), asked)
	proxy.StartTLS()
	tr := proxyTransport(transportOf(secure), "https", proxy.Listener.Addr().String(), "hunter2")
	var dialled []string
	plain := tr.Clone()
	tr.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled = append(dialled, addr)
		return tlsDial(ctx, network, addr, plain.TLSClientConfig)
	}
	c := dial(t, wsconn.Config{URL: secure.URL, Transport: tr})
	requireEcho(t, c)
	require.NoError(t, c.Close())
	require.Equal(t, []string{proxy.Listener.Addr().String()}, dialled, "for the proxy, not for the target behind it")
}

func TestSOCKS5Proxy(t *testing.T) {
	plain := httptest.NewServer(upgradeAnd(echo))
	defer plain.Close()
	secure := newTLSServer(t, false)
	cases := []struct{ scheme, url, asked string }{
		{"socks5", "ws://daemon.test/ws", "daemon.test:80"},
		{"socks5h", "ws://10.1.2.3:5000/ws", "10.1.2.3:5000"},
		{"socks5", "ws://[fd00::1]:5000/ws", "[fd00::1]:5000"},
		{"socks5", "wss://example.com/ws", "example.com:443"},
	}
	for _, tc := range cases {
		t.Run(tc.scheme+" "+tc.url, func(t *testing.T) {
			target := plain
			if strings.HasPrefix(tc.url, "wss") {
				target = secure
			}
			asked := make(chan string, 1)
			addr := socksProxy(t, target.Listener.Addr().String(), 0, asked)
			c := dial(t, wsconn.Config{URL: tc.url, Transport: proxyTransport(transportOf(secure), tc.scheme, addr, "hunter2")})
			requireEcho(t, c)
			require.NoError(t, c.Close())
			require.Equal(t, tc.asked, receive(t, asked))
		})
	}
}

func TestSOCKS5Refusals(t *testing.T) {
	long := strings.Repeat("a", 256)
	cases := []struct {
		name, url, password, want string
		code                      byte
	}{
		{"bad login", "ws://host.test", "wrong-secret", "refused the login", 0},
		{"no login", "ws://host.test", "", "none of the offered logins", 0},
		{"refused", "ws://host.test", "hunter2", "connection refused", 5},
		{"unknown code", "ws://host.test", "hunter2", "unknown reason", 99},
		{"password too long", "ws://host.test", "secret" + long, "impossible length", 0},
		{"host too long", "ws://" + long, "hunter2", "host name is too long", 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			addr := socksProxy(t, "", tc.code, make(chan string, 1))
			_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: tc.url, Transport: proxyTransport(&http.Transport{}, "socks5", addr, tc.password)})
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, err, "wsconn: proxy "+addr)
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestProxyFunctionSeesHTTPSchemes(t *testing.T) {
	for u, want := range map[string]string{
		"ws://host.test/a": "http://host.test/a", "wss://host.test/a": "https://host.test/a",
		"http://host.test/a": "http://host.test/a", "https://host.test/a": "https://host.test/a",
	} {
		sentinel := errors.New("proxy http://u:hunter2@proxy:80 is bad")
		tr := &http.Transport{Proxy: func(r *http.Request) (*url.URL, error) {
			require.Equal(t, want, r.URL.String())
			require.NotNil(t, r.Context())
			return nil, sentinel
		}}
		_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: u, Transport: tr})
		require.ErrorIs(t, err, sentinel)
		require.NotContains(t, err.Error(), "hunter2")
		require.NotContains(t, fmt.Sprintf("%+v %#v", err, err), "hunter2")
	}
}

func TestProxyURLRefused(t *testing.T) {
	for _, u := range []*url.URL{
		{Scheme: "ftp", Host: "proxy:1", User: url.UserPassword("u", "hunter2")},
		{Scheme: "http", User: url.UserPassword("u", "hunter2")},
		{Scheme: "hunter2", Opaque: "x"},
	} {
		_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: "ws://host", Transport: &http.Transport{Proxy: http.ProxyURL(u)}})
		require.ErrorContains(t, err, "proxy URL is not")
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestProxyNotReachableHidesCredentials(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	for _, scheme := range []string{"http", "https", "socks5"} {
		_, err = wsconn.Dial(t.Context(), wsconn.Config{URL: "ws://host", Transport: proxyTransport(&http.Transport{}, scheme, addr, "hunter2")})
		require.ErrorContains(t, err, "proxy "+addr)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestConnectAnswers(t *testing.T) {
	cases := map[string]struct{ answer, want string }{
		"no reason phrase": {"HTTP/1.1 407\r\n\r\n", "HTTP 407"},
		"garbage":          {"hello\r\n\r\n", "malformed"},
		"bytes behind":     {"HTTP/1.1 200 OK\r\n\r\nhello", "nobody asked for"},
		"endless":          {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 1<<20), "CONNECT"},
		"nothing":          {"", "EOF"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tr := overPipe(scripted(tc.answer))
			tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.test"})
			_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: "ws://host", Transport: tr})
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// A proxy that sends back what it was sent, in an answer that cannot be read.
func TestProxysAnswerIsNotQuoted(t *testing.T) {
	login := base64.StdEncoding.EncodeToString([]byte("u:hunter2"))
	for _, answer := range []string{
		"Proxy-Authorization: Basic " + login + "\r\n\r\n",
		"HTTP/1.1 " + login + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nProxy-Authorization Basic " + login + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: " + login + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + login + "\r\n\r\n",
	} {
		tr := overPipe(scripted(answer))
		tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.test", User: url.UserPassword("u", "hunter2")})
		_, err := wsconn.Dial(t.Context(), wsconn.Config{URL: "ws://host", Transport: tr})
		require.ErrorContains(t, err, "CONNECT")
		require.NotContains(t, err.Error(), login)
	}
}
