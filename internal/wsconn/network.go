package wsconn

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// tlsCloseGrace is how long a TLS connection may take to send its farewell. The
// standard library waits 5 s for a peer that takes no bytes.
const tlsCloseGrace = 100 * time.Millisecond

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// connect returns a connection on which the target answers HTTP.
func (d *dialer) connect(ctx context.Context) (net.Conn, error) {
	proxy, err := d.proxy(ctx)
	if err != nil {
		return nil, err
	}
	if proxy == nil {
		return d.dialHop(ctx, d.to.addr, d.to.host, d.to.secure)
	}
	nc, err := d.dialThrough(ctx, proxy)
	if err != nil || !d.to.secure {
		return nc, err
	}
	return d.startTLS(ctx, nc, d.to.host)
}

// dialHop connects to the first host on the way: the target itself or a proxy.
// A custom TLS dialler is used for this hop only, as net/http does.
func (d *dialer) dialHop(ctx context.Context, addr, host string, secure bool) (net.Conn, error) {
	d.step = "dial"
	if dialTLS := d.tlsDial(); secure && dialTLS != nil {
		nc, err := dialTLS(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		return d.checkTLS(ctx, nc)
	}
	nc, err := d.plainDial()(ctx, "tcp", addr)
	if err != nil || !secure {
		return nc, err
	}
	return d.startTLS(ctx, nc, host)
}

func (d *dialer) plainDial() dialFunc {
	t := d.transport
	if t.DialContext != nil {
		return checked(t.DialContext)
	}
	//lint:ignore SA1019 a Transport that still uses it must behave here as for HTTP
	if t.Dial != nil {
		//lint:ignore SA1019 see above
		return checked(abandonable(t.Dial))
	}
	return (&net.Dialer{}).DialContext
}

// tlsDial is nil when the Transport has no TLS dialler of its own.
func (d *dialer) tlsDial() dialFunc {
	t := d.transport
	if t.DialTLSContext != nil {
		return checked(t.DialTLSContext)
	}
	//lint:ignore SA1019 a Transport that still uses it must behave here as for HTTP
	if t.DialTLS != nil {
		//lint:ignore SA1019 see above
		return checked(abandonable(t.DialTLS))
	}
	return nil
}

// abandonable lets a dial that knows no context be left when ctx ends. Its
// goroutine then stays until the dial returns, and closes what it got.
func abandonable(dial func(network, addr string) (net.Conn, error)) dialFunc {
	type result struct {
		nc  net.Conn
		err error
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled := make(chan result)
		go func() {
			nc, err := dial(network, addr)
			select {
			case dialled <- result{nc, err}:
			case <-ctx.Done():
				if nc != nil {
					_ = nc.Close()
				}
			}
		}()
		select {
		case r := <-dialled:
			return r.nc, r.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func checked(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		if err == nil && nc == nil {
			return nil, errors.New("the dial function returned neither a connection nor an error")
		}
		return nc, err
	}
}

// startTLS asks for http/1.1 only: a config shared with net/http may offer h2,
// over which there is no such upgrade.
func (d *dialer) startTLS(ctx context.Context, nc net.Conn, host string) (net.Conn, error) {
	cfg := &tls.Config{}
	if d.transport.TLSClientConfig != nil {
		cfg = d.transport.TLSClientConfig.Clone()
	}
	cfg.NextProtos = []string{"http/1.1"}
	if cfg.ServerName == "" {
		cfg.ServerName = host
	}
	tc := tls.Client(nc, cfg)
	if err := d.handshakeTLS(ctx, tc); err != nil {
		return nil, err
	}
	return tc, nil
}

// checkTLS finishes what a custom TLS dialler may have left to do.
func (d *dialer) checkTLS(ctx context.Context, nc net.Conn) (net.Conn, error) {
	tc, ok := nc.(*tls.Conn)
	if !ok {
		return nc, nil
	}
	if err := d.handshakeTLS(ctx, tc); err != nil {
		return nil, err
	}
	if proto := tc.ConnectionState().NegotiatedProtocol; proto != "" && proto != "http/1.1" {
		closeConn(tc)
		return nil, errors.New("the TLS dial function negotiated " + proto + ", a websocket needs http/1.1")
	}
	return tc, nil
}

// handshakeTLS closes tc when it fails.
func (d *dialer) handshakeTLS(ctx context.Context, tc *tls.Conn) error {
	d.step = "TLS handshake"
	if limit := d.transport.TLSHandshakeTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	err := tc.HandshakeContext(ctx)
	if err != nil {
		closeConn(tc)
	}
	return err
}

// guard runs a step that knows no context, and closes nc when ctx ends under it
// or when it fails.
func guard(ctx context.Context, nc net.Conn, step func() error) error {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		_ = innermost(nc).Close()
	})
	err := step()
	if !stop() {
		<-closed
		if err == nil {
			err = ctx.Err()
		}
	}
	if err != nil {
		closeConn(nc)
	}
	return err
}

// closeConn closes nc without waiting for a peer that takes no bytes.
func closeConn(nc net.Conn) {
	inner := innermost(nc)
	if inner != nc {
		timer := time.AfterFunc(tlsCloseGrace, func() { _ = inner.Close() })
		defer timer.Stop()
	}
	_ = nc.Close()
}

// innermost is the socket below the layers of nc: closing it waits for nobody.
func innermost(nc net.Conn) net.Conn {
	for range 8 { // more layers than anybody has; never a loop
		layer, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		inner := layer.NetConn()
		if inner == nil {
			break
		}
		nc = inner
	}
	return nc
}
