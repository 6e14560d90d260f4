package wsconn

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

const maxConnectAnswer = 64 << 10

var proxyPorts = map[string]string{
	"":        "80", // net/http takes a proxy without scheme for an http one
	"http":    "80",
	"https":   "443",
	"socks5":  "1080",
	"socks5h": "1080",
}

// proxy asks the Transport, with an http or https URL: functions such as
// http.ProxyFromEnvironment do not know ws and wss.
func (d *dialer) proxy(ctx context.Context) (*url.URL, error) {
	d.step = "proxy"
	if d.transport.Proxy == nil {
		return nil, nil
	}
	to := *d.to.http
	req := &http.Request{
		Method: http.MethodGet, URL: &to, Host: to.Host, Header: d.header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	proxy, err := d.transport.Proxy(req.WithContext(ctx))
	if err != nil {
		// Its text may quote the proxy's URL with the password.
		return nil, &hiddenError{text: "the Transport's Proxy function failed", cause: err}
	}
	if proxy == nil {
		return nil, nil
	}
	if _, known := proxyPorts[proxy.Scheme]; !known || proxy.Hostname() == "" {
		return nil, errors.New("the proxy URL is not http, https, socks5 or socks5h with a host")
	}
	return proxy, nil
}

// dialThrough returns a connection to the target that leads through the proxy.
func (d *dialer) dialThrough(ctx context.Context, proxy *url.URL) (net.Conn, error) {
	host, addr, err := hostPort(proxy, proxyPorts[proxy.Scheme])
	if err != nil {
		return nil, errors.New("the proxy URL's host is malformed")
	}
	nc, err := d.dialHop(ctx, addr, host, proxy.Scheme == "https")
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", addr, err)
	}
	d.step = "proxy " + addr
	err = guard(ctx, nc, func() error {
		if proxy.Scheme == "socks5" || proxy.Scheme == "socks5h" {
			return socks5(nc, d.to.addr, proxy.User)
		}
		return d.httpConnect(ctx, nc, proxy)
	})
	if err != nil {
		return nil, err
	}
	return nc, nil
}

// httpConnect opens a tunnel, also for ws: a proxy need not understand the
// upgrade, which RFC 6455 section 4.1 therefore sends through CONNECT.
func (d *dialer) httpConnect(ctx context.Context, nc net.Conn, proxy *url.URL) error {
	header, err := d.connectHeader(ctx, proxy)
	if err != nil {
		return err
	}
	req := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: d.to.addr}, Host: d.to.addr, Header: header}
	if err := req.Write(nc); err != nil {
		return err
	}
	return readConnectAnswer(nc, req)
}

func (d *dialer) connectHeader(ctx context.Context, proxy *url.URL) (http.Header, error) {
	header := d.transport.ProxyConnectHeader
	if d.transport.GetProxyConnectHeader != nil {
		var err error
		if header, err = d.transport.GetProxyConnectHeader(ctx, proxy, d.to.addr); err != nil {
			return nil, &hiddenError{text: "the Transport's GetProxyConnectHeader function failed", cause: err}
		}
	}
	header = canonical(header)
	if user := proxy.User; user != nil {
		password, _ := user.Password()
		login := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		header.Set("Proxy-Authorization", "Basic "+login)
	}
	return header, nil
}

// readConnectAnswer reads the headers only. Bytes behind them would be lost with
// the reader's buffer; none are due, since in both TLS and HTTP the client begins.
func readConnectAnswer(r io.Reader, req *http.Request) error {
	buffered := bufio.NewReader(io.LimitReader(r, maxConnectAnswer))
	answer, err := http.ReadResponse(buffered, req)
	for err == nil && answer.StatusCode/100 == 1 && answer.StatusCode != http.StatusSwitchingProtocols {
		answer, err = http.ReadResponse(buffered, req) // the last one tells
	}
	if err != nil {
		return fmt.Errorf("CONNECT: %w", unquoted(err))
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("CONNECT: proxy answered HTTP %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	if buffered.Buffered() > 0 {
		return errors.New("CONNECT: proxy sent bytes that nobody asked for")
	}
	return nil
}

// unquoted leaves out what net/http quotes of an answer that it cannot read: the
// proxy may have sent its credentials back.
func unquoted(err error) error {
	text, _, quotes := strings.Cut(err.Error(), "\"")
	if !quotes {
		return err
	}
	return &hiddenError{text: strings.TrimRight(text, " :"), cause: err}
}
