package jsonrpc

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
)

// delivery follows one request into net/http and tells whether it can have left. The hooks run on
// net/http's goroutines.
type delivery struct {
	// native is set when the request goes straight to net/http's transport, whose ways are known.
	native    bool
	asked     atomic.Bool // a connection was asked for
	connected atomic.Bool // a connection was had, so bytes may have left
	answered  atomic.Bool // something came back, so the request has left
}

func newDelivery(rt http.RoundTripper) *delivery {
	if rt == nil {
		rt = http.DefaultTransport
	}
	_, native := rt.(*http.Transport)
	return &delivery{native: native}
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
		GotConn:              func(httptrace.GotConnInfo) { d.connected.Store(true) },
		GotFirstResponseByte: func() { d.answered.Store(true) },
	})
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
