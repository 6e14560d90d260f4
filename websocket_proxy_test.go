package bitcart_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// httpProxy is a proxy that forwards plain requests and opens tunnels.
type httpProxy struct {
	*httptest.Server
	login     string // user:password it wants
	forwarded atomic.Int64
	tunnels   atomic.Int64
	group     sync.WaitGroup
}

func newHTTPProxy(t testing.TB, secure bool, login string) *httpProxy {
	t.Helper()
	p := &httpProxy{login: login}
	p.Server = httptest.NewUnstartedServer(p)
	if secure {
		p.StartTLS()
	} else {
		p.Start()
	}
	t.Cleanup(func() {
		p.CloseClientConnections()
		p.Close()
		p.group.Wait()
	})
	return p
}

func (p *httpProxy) used() int64 { return p.forwarded.Load() + p.tunnels.Load() }

// address is the proxy's URL with its login.
func (p *httpProxy) address() string {
	return strings.Replace(p.URL, "://", "://"+p.login+"@", 1)
}

func (p *httpProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.login))
	if p.login != "" && r.Header.Get("Proxy-Authorization") != want {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method == http.MethodConnect {
		p.tunnel(w, r)
		return
	}
	p.forwarded.Add(1)
	r.RequestURI = ""
	r.Header.Del("Proxy-Authorization")
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

func (p *httpProxy) tunnel(w http.ResponseWriter, r *http.Request) {
	p.tunnels.Add(1)
	p.group.Add(1) // before the server forgets the connection
	defer p.group.Done()
	up, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	down, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = up.Close()
		return
	}
	_, _ = io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
	pipe(down, up)
}

// pipe joins two connections until one of them ends.
func pipe(a, b net.Conn) {
	var group sync.WaitGroup
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		group.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = a.Close()
			_ = b.Close()
		})
	}
	group.Wait()
}

// socksProxy is a SOCKS5 proxy.
type socksProxy struct {
	addr  string
	login string // user:password it wants
	conns atomic.Int64
	names atomic.Int64 // targets that were given by name
	group sync.WaitGroup
}

func newSOCKSProxy(t testing.TB, login string) *socksProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &socksProxy{addr: l.Addr().String(), login: login}
	p.group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.group.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); p.group.Wait() })
	return p
}

func (p *socksProxy) serve(c net.Conn) {
	target, err := p.handshake(c)
	if err != nil {
		_ = c.Close()
		return
	}
	up, err := net.Dial("tcp", target)
	if err != nil {
		_, _ = c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
		_ = c.Close()
		return
	}
	p.conns.Add(1)
	_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	pipe(c, up)
}

func (p *socksProxy) handshake(c net.Conn) (target string, err error) {
	methods, err := readCounted(c, 1)
	if err != nil {
		return "", err
	}
	if p.login == "" {
		_, err = c.Write([]byte{5, 0})
	} else {
		err = p.authenticate(c, methods)
	}
	if err != nil {
		return "", err
	}
	return p.readTarget(c)
}

// readCounted reads skip bytes, a length, and as many bytes.
func readCounted(c net.Conn, skip int) ([]byte, error) {
	head := make([]byte, skip+1)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil, err
	}
	rest := make([]byte, head[skip])
	_, err := io.ReadFull(c, rest)
	return rest, err
}

func (p *socksProxy) authenticate(c net.Conn, methods []byte) error {
	if !strings.Contains(string(methods), "\x02") {
		_, _ = c.Write([]byte{5, 0xff})
		return fmt.Errorf("no login was offered")
	}
	if _, err := c.Write([]byte{5, 2}); err != nil {
		return err
	}
	user, err := readCounted(c, 1)
	if err != nil {
		return err
	}
	password, err := readCounted(c, 0)
	if err != nil {
		return err
	}
	if string(user)+":"+string(password) != p.login {
		_, _ = c.Write([]byte{1, 1})
		return fmt.Errorf("wrong login")
	}
	_, err = c.Write([]byte{1, 0})
	return err
}

func (p *socksProxy) readTarget(c net.Conn) (string, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		return "", err
	}
	var host string
	switch head[3] {
	case 1, 4:
		ip := make([]byte, map[byte]int{1: 4, 4: 16}[head[3]])
		if _, err := io.ReadFull(c, ip); err != nil {
			return "", err
		}
		host = net.IP(ip).String()
	case 3:
		name, err := readCounted(c, 0)
		if err != nil {
			return "", err
		}
		p.names.Add(1)
		host = string(name)
	}
	port := make([]byte, 2)
	_, err := io.ReadFull(c, port)
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port)))), err
}

// requireEventsAndCalls hears an event and makes a call.
func requireEventsAndCalls(t *testing.T, d *bitcarttest.Daemon, coin *bitcart.Coin) {
	t.Helper()
	in := inboxOf(t, coin, "own")
	stream := listen(t, coin)
	emit(t, d, coin.WalletKey(), "own", 0, 3)
	require.Equal(t, upTo(3), in.numbers(3))
	require.NoError(t, coin.Call(patient(t), nil, "getbalance"))
	require.ErrorIs(t, coin.Call(patient(t), nil, "get_request", "x"), bitcart.ErrRequestNotFound, "/spec, too")
	stream.stopPromptly()
}

func TestProxies(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		daemonOf := func(t *testing.T) (*bitcarttest.Daemon, bitcart.Option) {
			if !secure {
				return newDaemon(t, "BTC"), bitcart.WithTLSConfig(&tls.Config{})
			}
			d := newDaemon(t, "BTC", bitcarttest.WithTLS())
			return d, bitcart.WithTLSConfig(d.TLSConfig())
		}
		scheme := map[bool]string{false: "http", true: "https"}[secure]
		for _, login := range []string{"", "me:pass-word"} {
			name := fmt.Sprintf("%s daemon, login %t", scheme, login != "")
			t.Run("HTTP proxy, "+name, func(t *testing.T) {
				t.Parallel()
				d, trust := daemonOf(t)
				p := newHTTPProxy(t, false, login)
				coin := newWalletCoin(t, d, bitcart.WithProxy(p.address()), trust)
				require.NoError(t, coin.Call(patient(t), nil, "getbalance"))
				calls := p.used()
				require.Positive(t, calls, "calls go through the proxy")
				requireEventsAndCalls(t, d, coin)
				require.Positive(t, p.tunnels.Load(), "the websocket goes through the proxy")
				require.Greater(t, p.used(), calls)
			})
			for _, kind := range []string{"socks5", "socks5h"} {
				t.Run(kind+" proxy, "+name, func(t *testing.T) {
					t.Parallel()
					d, trust := daemonOf(t)
					p := newSOCKSProxy(t, login)
					address := kind + "://" + p.addr
					if login != "" {
						address = kind + "://" + login + "@" + p.addr
					}
					requireEventsAndCalls(t, d, newWalletCoin(t, d, bitcart.WithProxy(address), trust))
					require.GreaterOrEqual(t, p.conns.Load(), int64(2), "calls and websocket")
				})
			}
		}
		t.Run("HTTPS proxy, "+scheme+" daemon", func(t *testing.T) {
			t.Parallel()
			d, _ := daemonOf(t)
			p := newHTTPProxy(t, true, "me:pass-word")
			trust := p.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			if secure {
				trust = &tls.Config{InsecureSkipVerify: true} // two authorities
			}
			requireEventsAndCalls(t, d, newWalletCoin(t, d, bitcart.WithProxy(p.address()), bitcart.WithTLSConfig(trust)))
			require.Positive(t, p.tunnels.Load())
			require.GreaterOrEqual(t, p.used(), int64(2))
		})
	}
}

// The name is resolved by the proxy: behind Tor the client cannot.
func TestSOCKSProxyResolvesNames(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	p := newSOCKSProxy(t, "")
	coin := newWalletCoin(t, d, bitcart.WithURL(strings.Replace(d.URL(), "127.0.0.1", "localhost", 1)), bitcart.WithProxy("socks5h://"+p.addr))
	requireEventsAndCalls(t, d, coin)
	require.Equal(t, p.conns.Load(), p.names.Load())
}

func TestProxyThatRefuses(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	p := newHTTPProxy(t, false, "me:right")
	for name, proxy := range map[string]string{
		"wrong login": strings.Replace(p.URL, "://", "://me:wrong-word@", 1),
		"nobody":      "http://me:wrong-word@" + freePort(t),
		"SOCKS":       "socks5://me:wrong-word@" + freePort(t),
	} {
		t.Run(name, func(t *testing.T) {
			coin := newWalletCoin(t, d, bitcart.WithProxy(proxy))
			err := start(t, websocketOf(coin)).wait()
			require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
			require.NotErrorIs(t, err, bitcart.ErrUnauthorized, "it is not the daemon's login")
			require.NotContains(t, shown(t, err), "wrong-word")
			err = coin.Call(patient(t), nil, "getbalance")
			require.Error(t, err)
			require.NotContains(t, shown(t, err), "wrong-word")
			require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
		})
	}
	require.Empty(t, d.Calls())
}

func TestTLS(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC", bitcarttest.WithTLS())
	require.True(t, strings.HasPrefix(d.URL(), "https://"))
	t.Run("WithTLSConfig", func(t *testing.T) {
		requireEventsAndCalls(t, d, newWalletCoin(t, d, bitcart.WithTLSConfig(d.TLSConfig())))
	})
	t.Run("WithTransport", func(t *testing.T) {
		transport := &http.Transport{TLSClientConfig: d.TLSConfig()}
		t.Cleanup(transport.CloseIdleConnections)
		requireEventsAndCalls(t, d, newWalletCoin(t, d, bitcart.WithTransport(transport)))
	})
	t.Run("HTTP/2 is not for websockets", func(t *testing.T) {
		transport := &http.Transport{TLSClientConfig: d.TLSConfig(), ForceAttemptHTTP2: true}
		transport.TLSClientConfig.NextProtos = []string{"h2", "http/1.1"}
		t.Cleanup(transport.CloseIdleConnections)
		requireEventsAndCalls(t, d, newWalletCoin(t, d, bitcart.WithTransport(transport)))
	})
	t.Run("DialTLSContext", func(t *testing.T) {
		var dials atomic.Int64
		transport := &http.Transport{DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			return (&tls.Dialer{Config: d.TLSConfig()}).DialContext(ctx, network, addr)
		}}
		t.Cleanup(transport.CloseIdleConnections)
		requireEventsAndCalls(t, d, newWalletCoin(t, d, bitcart.WithTransport(transport)))
		require.GreaterOrEqual(t, dials.Load(), int64(2))
	})
	t.Run("not trusted", func(t *testing.T) {
		coin := newWalletCoin(t, d)
		err := start(t, websocketOf(coin)).wait()
		require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
		var untrusted *tls.CertificateVerificationError
		require.ErrorAs(t, err, &untrusted)
		err = coin.Call(patient(t), nil, "getbalance")
		require.ErrorAs(t, err, &untrusted)
		require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
	})
}

// The transport's dialler and proxy serve calls and websocket alike.
func TestWithTransport(t *testing.T) {
	t.Parallel()
	t.Run("dialler", func(t *testing.T) {
		d := newDaemon(t, "BTC")
		target, err := url.Parse(d.URL())
		require.NoError(t, err)
		var dials atomic.Int64
		transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr != "daemon.invalid:80" {
				return nil, fmt.Errorf("dials %s", addr)
			}
			dials.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, target.Host)
		}}
		t.Cleanup(transport.CloseIdleConnections)
		requireEventsAndCalls(t, d, newWalletCoin(t, d, bitcart.WithURL("http://daemon.invalid"), bitcart.WithTransport(transport)))
		require.GreaterOrEqual(t, dials.Load(), int64(2))
	})
	t.Run("proxy", func(t *testing.T) {
		d := newDaemon(t, "BTC")
		p := newHTTPProxy(t, false, "me:pass-word")
		at, err := url.Parse(p.address())
		require.NoError(t, err)
		transport := &http.Transport{Proxy: http.ProxyURL(at)}
		t.Cleanup(transport.CloseIdleConnections)
		requireEventsAndCalls(t, d, newWalletCoin(t, d, bitcart.WithTransport(transport)))
		require.Positive(t, p.tunnels.Load())
		require.GreaterOrEqual(t, p.used(), int64(2))
	})
	t.Run("proxy on top", func(t *testing.T) {
		d := newDaemon(t, "BTC")
		p := newHTTPProxy(t, false, "me:pass-word")
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		requireEventsAndCalls(t, d, newWalletCoin(t, d, bitcart.WithTransport(transport), bitcart.WithProxy(p.address())))
		require.Positive(t, p.tunnels.Load())
		require.Nil(t, transport.Proxy, "the transport given is not changed")
	})
}
