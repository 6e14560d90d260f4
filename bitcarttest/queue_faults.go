package bitcarttest

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
)

// SwapAppends puts the next n pairs of updates into the queues in the other order than their frames
// were written: in the real daemon, two notifications that run at once can overtake one another
// between frame and queue. The first update of a pair waits for the second one.
func (f *Faults) SwapAppends(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.swaps, f.waiting = n, nil
}

// append is what is to be queued now that an update is due.
func (f *Faults) append(now queued) []queued {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.waiting != nil:
		pair := []queued{now, *f.waiting}
		f.waiting = nil
		f.swaps--
		return pair
	case f.swaps > 0:
		f.waiting = &now
		return nil
	}
	return []queued{now}
}

// queued is an update on its way into the queue of a wallet, or of all for the key "".
type queued struct {
	key string
	u   update
}

// RewriteQueued passes every update that get_updates answers through change, nil for none: the real
// daemon keeps updates by reference, so that tx_hashes of a queued new_payment can have grown since
// its frame was written. change is called under locks of the daemon and must not use it.
func (f *Faults) RewriteQueued(change func(json.RawMessage) json.RawMessage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rewrite = change
}

func (f *Faults) rewritten(raw json.RawMessage) json.RawMessage {
	f.mu.Lock()
	change := f.rewrite
	f.mu.Unlock()
	if change == nil {
		return raw
	}
	return change(raw)
}

// MangleUpgrade answers the next n websocket handshakes with 101 and a wrong key, as a broken proxy
// does, and closes the connection.
func (f *Faults) MangleUpgrade(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mangled = n
}

func (f *Faults) manglesUpgrade() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mangled <= 0 {
		return false
	}
	f.mangled--
	return true
}

// mangle answers a handshake as nobody should.
func mangle(w http.ResponseWriter) {
	hj, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	conn, _, err := hj.Hijack()
	if err != nil {
		return
	}
	_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
		"Connection: Upgrade\r\nSec-WebSocket-Accept: bm90IHRoZSByaWdodCBrZXk=\r\n\r\n"))
	_ = conn.Close()
}

// StallClient opens a websocket of another client that never reads. Once its buffers are full the
// daemon waits for it with every update, for all clients, until WithWriteTimeout cuts it, or end is
// called.
func (f *Faults) StallClient() (end func(), err error) {
	const small = 4 << 10
	dialer := websocket.Dialer{NetDial: func(network, addr string) (net.Conn, error) {
		c, err := net.Dial(network, addr)
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(small)
		}
		return c, err
	}, TLSClientConfig: f.d.TLSConfig()}
	header := http.Header{}
	req := &http.Request{Header: header}
	req.SetBasicAuth(f.d.cfg.user, f.d.cfg.password)
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(f.d.URL(), "http")+"/ws", header)
	if err != nil {
		return nil, err
	}
	return func() { _ = conn.Close() }, nil
}
