package bitcarttest

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/gorilla/websocket"
)

// update is one event object: its bytes, and, for what the daemon keeps by reference, how it looks
// when the queue is read.
type update struct {
	raw     []byte
	refresh func() []byte // called under Daemon.mu
}

func (u update) queued() json.RawMessage {
	if u.refresh != nil {
		return u.refresh()
	}
	return u.raw
}

// eventOf encodes an event of the daemon's own; they hold nothing that cannot be encoded.
func eventOf(o object) update {
	raw, err := encode(o)
	if err != nil {
		raw = []byte(`{}`)
	}
	return update{raw: raw}
}

// Emit sends an update object (a map, a struct, a json.RawMessage) as the daemon sends its own:
// to the websockets first, then to the queue of get_updates. The wallet must be loaded, since a
// daemon has no events of other wallets (ErrUnknownWallet). walletKey "" is the whole chain: one
// frame per websocket, and the queue of every loaded wallet. When Emit returns, the frame has been
// written.
func (d *Daemon) Emit(walletKey string, body any) error {
	raw, err := encode(body)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(raw, []byte("{")) {
		return errors.New("bitcarttest: an update must be a JSON object")
	}
	d.events.Lock()
	defer d.events.Unlock()
	d.mu.Lock()
	_, loaded := d.wallets[walletKey]
	running := d.running()
	d.mu.Unlock()
	switch {
	case !running:
		return ErrClosed
	case walletKey != "" && !loaded:
		return ErrUnknownWallet
	}
	d.notify(walletKey, update{raw: raw})
	return nil
}

// notify writes the frame to the websockets, then appends to the queues. The caller holds events.
func (d *Daemon) notify(key string, u update) {
	if d.faults.losesUpdate() {
		return
	}
	frame := d.frame(key, u.raw)
	for _, s := range d.audience(func(s *socket) bool { return s.wants(key) }) {
		s.send(websocket.TextMessage, frame)
	}
	if d.faults.skipsAppend() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, q := range d.faults.append(queued{key, u}) {
		d.append(q)
	}
}

// append puts an update into its queue, or into all. The caller holds mu.
func (d *Daemon) append(q queued) {
	if q.key != "" {
		d.enqueue(d.wallets[q.key], q.u)
		return
	}
	for _, w := range d.wallets {
		d.enqueue(w, q.u)
	}
}

func (d *Daemon) frame(key string, raw []byte) []byte {
	wallet := []byte("null")
	if key != "" {
		wallet = quote(key)
	}
	return bytes.Join([][]byte{
		[]byte(`{"updates": [`), raw, []byte(`], "wallet": `), wallet,
		[]byte(`, "currency": `), quote(d.coin.symbol), []byte(`}`),
	}, nil)
}

// enqueue keeps the newest updates of a wallet. The caller holds mu.
func (d *Daemon) enqueue(w *wallet, u update) {
	if w == nil || d.cfg.pollingCap == 0 {
		return
	}
	if len(w.queue) >= d.cfg.pollingCap {
		w.queue = w.queue[len(w.queue)-d.cfg.pollingCap+1:]
	}
	w.queue = append(w.queue, u)
}

// Queued counts the updates that get_updates would return for a wallet now.
func (d *Daemon) Queued(walletKey string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w := d.wallets[walletKey]; w != nil {
		return len(w.queue)
	}
	return 0
}

func getUpdates(d *Daemon, c *Call) (any, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]json.RawMessage, 0, len(c.wallet.queue))
	for _, u := range c.wallet.queue {
		out = append(out, d.faults.rewritten(u.queued()))
	}
	c.wallet.queue = nil
	return out, nil
}
