package bitcarttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

const (
	maxMessage = 4 << 20 // limit of the daemon's server
	// closePatience is how long a peer may take to answer a close frame.
	closePatience = 500 * time.Millisecond
)

// socket is one websocket. Frames are written by whoever makes an update, one after another, so
// that an update is queued for get_updates only after it has been written, and a pong that
// answers a later ping comes after it.
type socket struct {
	d      *Daemon
	conn   *websocket.Conn
	tcp    *trackedConn
	number int64         // order of arrival
	done   chan struct{} // closed when the reader has ended

	writing sync.Mutex
	dead    bool // a write failed, or the close frame is out

	// under Daemon.mu
	filter   string
	filtered bool // also by something that is no key: then nothing matches
}

var upgrader = websocket.Upgrader{
	EnableCompression: true,
	CheckOrigin:       func(*http.Request) bool { return true },
	WriteBufferPool:   &sync.Pool{},
	ReadBufferSize:    1024,
	HandshakeTimeout:  5 * time.Second,
}

func (d *Daemon) serveWebsocket(w http.ResponseWriter, req *http.Request) {
	if refusal := d.faults.upgradeRefusal(); refusal != nil {
		d.writeHTTPError(w, req, refusal)
		return
	}
	if d.faults.manglesUpgrade() {
		mangle(w)
		return
	}
	if text := upgradeProblem(req); text != "" {
		writeText(w, http.StatusBadRequest, text)
		return
	}
	rc := connOf(req)
	if s := d.join(w, req, rc); s != nil {
		s.read()
		d.leave(rc.run, s)
	}
}

// upgradeProblem is the complaint of the daemon's server about a handshake.
func upgradeProblem(req *http.Request) string {
	get := func(name string) string {
		if v := req.Header.Get(name); v != "" {
			return v
		}
		return "None"
	}
	switch {
	case !strings.EqualFold(strings.TrimSpace(get("Upgrade")), "websocket"):
		return fmt.Sprintf("No WebSocket UPGRADE hdr: %s\n Can \"Upgrade\" only to \"WebSocket\".", get("Upgrade"))
	case !strings.Contains(strings.ToLower(get("Connection")), "upgrade"):
		return "No CONNECTION upgrade hdr: " + get("Connection")
	case get("Sec-WebSocket-Version") != "13":
		return "Unsupported version: " + get("Sec-WebSocket-Version")
	}
	return ""
}

func (d *Daemon) join(w http.ResponseWriter, req *http.Request, rc requestConn) *socket {
	d.joining.RLock()
	defer d.joining.RUnlock()
	if !d.alive(rc.run) {
		reset(w, req)
		return nil
	}
	conn, err := upgrader.Upgrade(w, req, nil)
	if err != nil {
		return nil // the upgrader has answered
	}
	s := &socket{d: d, conn: conn, tcp: rc.tcp, number: d.arrivals.Add(1), done: make(chan struct{})}
	conn.SetReadLimit(maxMessage)
	conn.SetPingHandler(func(data string) error {
		if !d.faults.pongsDropped() {
			s.send(websocket.PongMessage, []byte(data))
		}
		return nil
	})
	conn.SetCloseHandler(func(int, string) error {
		s.sendClose(websocket.CloseNormalClosure, "")
		return nil
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	rc.tcp.socket.Store(true)
	rc.run.sockets[s] = struct{}{}
	d.notifyChange()
	return s
}

func (d *Daemon) alive(r *run) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !r.stopping
}

func (d *Daemon) leave(r *run, s *socket) {
	_ = s.conn.Close()
	d.mu.Lock()
	delete(r.sockets, s)
	d.notifyChange()
	d.mu.Unlock()
	close(s.done)
}

// read takes the filters of the client until the connection ends.
func (s *socket) read() {
	for {
		kind, data, err := s.conn.ReadMessage()
		if errors.Is(err, websocket.ErrReadLimit) {
			s.drain()
		}
		if err != nil {
			return
		}
		if kind != websocket.TextMessage {
			continue
		}
		if !utf8.Valid(data) {
			s.sendClose(websocket.CloseInvalidFramePayloadData, "Invalid UTF-8 text message")
			return
		}
		if !s.register(data) {
			return
		}
	}
}

// drain reads what is left of a message that was too long, so that the close frame is not
// overtaken by a reset.
func (s *socket) drain() {
	_ = s.tcp.SetReadDeadline(time.Now().Add(closePatience))
	_, _ = io.CopyN(io.Discard, s.conn.NetConn(), 4*maxMessage)
}

// register reads {"xpub": key}. It is false for JSON that is no object, which ends the connection.
func (s *socket) register(data []byte) bool {
	value, _, ok := parseBody(data)
	if !ok {
		return true
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(value, &members) != nil || members == nil {
		return false
	}
	raw := members["xpub"]
	if falsy(raw) {
		return true
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	s.filter, s.filtered = "", true
	if json.Unmarshal(raw, &s.filter) != nil {
		s.filter = "" // an object or the like: no key is equal to it
	}
	s.d.notifyChange()
	return true
}

// falsy is Python's notion of nothing.
func falsy(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", "false", "0", "0.0", `""`, "[]", "{}":
		return true
	}
	return false
}

// wants tells whether updates of a wallet go to this socket; "" is the whole chain. The caller
// holds Daemon.mu.
func (s *socket) wants(key string) bool {
	return key == "" || !s.filtered || s.filter == key
}

// send writes one frame. It blocks while the peer does not read, but not longer than the write
// timeout; then the peer is cut.
func (s *socket) send(kind int, data []byte) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.dead || s.d.faults.holed() {
		return
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.d.cfg.writeTimeout))
	if err := s.conn.WriteMessage(kind, data); err != nil {
		s.dead = true
		_ = s.tcp.Close()
	}
}

// sendClose writes a close frame, after which nothing else goes out.
func (s *socket) sendClose(code int, text string) {
	s.lockWriter()
	defer s.writing.Unlock()
	if s.dead || s.d.faults.holed() {
		return
	}
	s.dead = true
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), time.Now().Add(closePatience))
}

// lockWriter takes the right to write also from a write that hangs.
func (s *socket) lockWriter() {
	if s.writing.TryLock() {
		return
	}
	_ = s.tcp.SetWriteDeadline(time.Now().Add(closePatience))
	s.writing.Lock()
}

// cut ends the connection from the daemon's side.
func (s *socket) cut(how Cut) {
	switch {
	case how.mode == cutReset:
		s.tcp.cut(true)
	case how.mode == cutFIN, s.d.faults.holed():
		s.lockWriter()
		s.dead = true
		s.writing.Unlock()
		s.tcp.cut(false)
	default:
		s.sendClose(how.code, how.text)
		_ = s.tcp.SetReadDeadline(time.Now().Add(closePatience)) // for the peer's close frame
	}
}

func (s *socket) wait() { <-s.done }

// audience lists the sockets that get the updates of a wallet, in order of arrival.
func (d *Daemon) audience(wants func(*socket) bool) []*socket {
	d.joining.Lock()
	defer d.joining.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.openSockets(wants)
}

// openSockets is called under mu.
func (d *Daemon) openSockets(wants func(*socket) bool) []*socket {
	if d.run == nil {
		return nil
	}
	sockets := slices.SortedFunc(maps.Keys(d.run.sockets), func(a, b *socket) int { return int(a.number - b.number) })
	return slices.DeleteFunc(sockets, func(s *socket) bool { return !wants(s) })
}

func everySocket(*socket) bool { return true }

// SendFrame sends a text frame unchanged to every websocket, even one that no daemon would send.
func (d *Daemon) SendFrame(data []byte) {
	d.events.Lock()
	defer d.events.Unlock()
	for _, s := range d.audience(everySocket) {
		s.send(websocket.TextMessage, data)
	}
}

// Sockets counts the open websockets.
func (d *Daemon) Sockets() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.openSockets(everySocket))
}

// WaitSockets blocks until exactly n websockets are open. It returns the error of ctx, or ErrClosed.
func (d *Daemon) WaitSockets(ctx context.Context, n int) error {
	return d.waitFor(ctx, func() bool { return len(d.openSockets(everySocket)) == n })
}

// Registered returns the wallet keys that the open websockets are filtered by, in the order in
// which the websockets were opened. A websocket without a filter is left out; one whose filter is
// no string counts as "".
func (d *Daemon) Registered() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.filters()
}

func (d *Daemon) filters() []string {
	var out []string
	for _, s := range d.openSockets(everySocket) {
		if s.filtered {
			out = append(out, s.filter)
		}
	}
	return out
}

// WaitRegistered blocks until a websocket is filtered by the wallet key: the daemon does not
// acknowledge filters, and what it sends before it has read one goes by the old one. It returns
// the error of ctx, or ErrClosed.
func (d *Daemon) WaitRegistered(ctx context.Context, walletKey string) error {
	return d.waitFor(ctx, func() bool { return slices.Contains(d.filters(), walletKey) })
}
