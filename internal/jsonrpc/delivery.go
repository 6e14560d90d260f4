package jsonrpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
)

// delivery follows one request into net/http and tells whether it can have left. The hooks run on
// net/http's goroutines.
type delivery struct {
	next http.RoundTripper
	// native is set when the request goes straight to net/http's transport, whose ways are known.
	native    bool
	asked     atomic.Bool // a connection was asked for
	connected atomic.Bool // a connection was had, so bytes may have left
	answered  atomic.Bool // something came back, so the request has left
	streamed  atomic.Bool // its header went into a stream of HTTP/2
	returned  atomic.Bool // with an answer; a redirect may follow
}

func newDelivery(rt http.RoundTripper) *delivery {
	if rt == nil {
		rt = http.DefaultTransport
	}
	_, native := rt.(*http.Transport)
	return &delivery{next: rt, native: native}
}

// RoundTrip passes the request on.
func (d *delivery) RoundTrip(req *http.Request) (*http.Response, error) {
	d.streamed.Store(false)
	d.returned.Store(false)
	resp, err := d.next.RoundTrip(req)
	if err == nil {
		d.returned.Store(true)
	}
	return resp, err
}

// trace makes net/http report to d.
//
// A second question for a connection takes the first connection back: net/http's transport sends a
// POST again only when nothing was written. Others may send again whatever they like, so nothing is
// taken back there. An answer is never taken back, which matters where redirects are followed.
// WroteRequest is of no use, since it is reported before the bytes are flushed.
func (d *delivery) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) {
			d.asked.Store(true)
			if d.native {
				d.connected.Store(false)
			}
		},
		GotConn: func(httptrace.GotConnInfo) { d.connected.Store(true) },
		WroteHeaderField: func(key string, _ []string) {
			if strings.HasPrefix(key, ":") { // as no field of HTTP/1 does
				d.streamed.Store(true)
			}
		},
		GotFirstResponseByte: func() { d.answered.Store(true) },
	})
}

var errSentOnce = errors.New("the stream was reset, and a request that may have arrived is not sent again")

// again returns what gives net/http the body for another try. Over HTTP/1 it
// asks for that when nothing was written; over HTTP/2 also when the peer has
// reset the stream, for an error of the protocol too, without end: a gateway
// does that with an answer of the daemon that it cannot pass on. A redirect may
// have the body again.
func (d *delivery) again(body []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		if d.streamed.Load() && !d.returned.Load() {
			return nil, errSentOnce
		}
		return io.NopCloser(bytes.NewReader(body)), nil
	}
}

// maybeSent judges a request that failed with err before an HTTP answer was had.
func (d *delivery) maybeSent(err error) bool {
	if d.connected.Load() || d.answered.Load() {
		return true
	}
	// net/http's transport asks for a connection before it does anything else. About others that
	// report nothing nothing is known.
	return !d.native && !d.asked.Load() && !neverConnected(err)
}
