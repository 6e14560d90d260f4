package blockiotest

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	pingEvery = 30 * time.Second
	// socketPatience is how long a peer may take to read a frame, or to answer
	// a close frame.
	socketPatience = 2 * time.Second
	maxRequest     = 64 << 10
)

// The service's own words.
const (
	successFrame = `{"status":"success"}`
	pingFrame    = `{"type":"ping"}`

	badRequest     = "An exception occurred. Please check your JSON object for accuracy and try again."
	accountRequest = "Notifications of type account are not available via web sockets."
)

// SocketRequest is what a client asks a web socket for.
type SocketRequest struct {
	Network string `json:"network"`
	Type    string `json:"type"` // "address" or "new-blocks"
	Address string `json:"address,omitempty"`
}

// sockets is the web socket side of a Service.
type sockets struct {
	s      *Service
	events sync.Mutex // one event after another; before Service.mu

	// under Service.mu
	open     map[*socket]struct{}
	joined   int
	requests []SocketRequest
	faults   socketFaults
}

func newSockets(s *Service) *sockets {
	return &sockets{s: s, open: map[*socket]struct{}{}, faults: socketFaults{copies: 1, ping: pingEvery}}
}

// socket is one connection. Frames are written by whoever has one to send, one
// after another.
type socket struct {
	ss     *sockets
	conn   *websocket.Conn
	number int
	done   chan struct{} // closed when the reader has ended
	owned  sync.WaitGroup

	writing sync.Mutex
	dead    bool // a write failed, or the close frame is out

	// under Service.mu
	subscribed map[SocketRequest]bool
	greeted    bool
	held       [][]byte // answers that a fault keeps back
}

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

// ServeHTTP upgrades a request and serves its socket until it ends.
func (ss *sockets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status := ss.refusal(); status != 0 {
		http.Error(w, http.StatusText(status), status)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	conn.SetReadLimit(maxRequest)
	k := ss.join(conn)
	if k == nil {
		_ = conn.Close()
		return
	}
	k.greet()
	k.owned.Go(k.ping)
	k.read()
	ss.leave(k)
}

// join is nil when the service is closing.
func (ss *sockets) join(conn *websocket.Conn) *socket {
	ss.s.mu.Lock()
	defer ss.s.mu.Unlock()
	if ss.s.closed {
		return nil
	}
	ss.joined++
	k := &socket{ss: ss, conn: conn, number: ss.joined, done: make(chan struct{}), subscribed: map[SocketRequest]bool{}}
	ss.open[k] = struct{}{}
	ss.s.notifyChange()
	return k
}

func (ss *sockets) leave(k *socket) {
	_ = k.conn.Close()
	ss.s.mu.Lock()
	delete(ss.open, k)
	ss.s.notifyChange()
	ss.s.mu.Unlock()
	close(k.done)
	k.owned.Wait()
}

// greet says the unasked success of a new connection.
func (k *socket) greet() {
	k.ss.s.mu.Lock()
	due := !k.ss.faults.ungreeting && !k.greeted
	k.greeted = k.greeted || due
	k.ss.s.mu.Unlock()
	if due {
		k.send(websocket.TextMessage, []byte(successFrame))
	}
}

// ping sends the service's sign of life.
func (k *socket) ping() {
	for {
		k.ss.s.mu.Lock()
		every := k.ss.faults.ping
		changed := k.ss.faults.pingChanged()
		k.ss.s.mu.Unlock()
		timer := time.NewTimer(every)
		select {
		case <-timer.C:
			k.send(websocket.TextMessage, []byte(pingFrame))
		case <-changed:
			timer.Stop()
		case <-k.done:
			timer.Stop()
			return
		}
	}
}

// read takes requests until the connection ends.
func (k *socket) read() {
	for {
		_, msg, err := k.conn.ReadMessage()
		if err != nil || !k.pause() {
			return
		}
		k.ss.accept(k, msg)
	}
}

// pause keeps an answer back for as long as the fault says.
func (k *socket) pause() bool {
	k.ss.s.mu.Lock()
	d := k.ss.faults.delay
	k.ss.s.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-k.ss.s.ctx.Done():
		return false
	}
}

// accept takes a request and answers it.
func (ss *sockets) accept(k *socket, msg []byte) {
	var req SocketRequest
	err := json.Unmarshal(msg, &req)
	refusal := ss.refusalOf(req, err)
	answer := []byte(successFrame)
	if refusal != "" {
		answer, _ = json.Marshal(map[string]string{"status": "fail", "error_message": refusal}) // of strings: never fails
	}
	if !ss.note(k, req, refusal == "", answer) {
		k.send(websocket.TextMessage, answer)
	}
}

// refusalOf is why a request is refused, "" for one that is not.
func (ss *sockets) refusalOf(req SocketRequest, err error) string {
	ss.s.mu.Lock()
	refuse := ss.faults.refuse
	ss.s.mu.Unlock()
	switch {
	case err != nil:
		return badRequest
	case req.Type == "account":
		return accountRequest
	case req.Network == "" || req.Type == "address" && req.Address == "",
		req.Type != "address" && req.Type != "new-blocks":
		return badRequest
	case refuse != nil:
		return refuse(req)
	}
	return ""
}

// note writes a request down, and keeps its answer back where a fault says so.
func (ss *sockets) note(k *socket, req SocketRequest, accepted bool, answer []byte) (held bool) {
	ss.s.mu.Lock()
	defer ss.s.mu.Unlock()
	defer ss.s.notifyChange()
	ss.requests = append(ss.requests, req)
	if accepted {
		k.subscribed[req] = true
	}
	if ss.faults.holding {
		k.held = append(k.held, answer)
	}
	return ss.faults.holding
}

// send writes one frame, unless a fault keeps the sockets silent. It blocks
// while the peer does not read, but not for long; then the peer is cut.
func (k *socket) send(kind int, msg []byte) {
	k.writing.Lock()
	defer k.writing.Unlock()
	if k.dead || k.ss.isSilent() {
		return
	}
	_ = k.conn.SetWriteDeadline(time.Now().Add(socketPatience))
	if err := k.conn.WriteMessage(kind, msg); err != nil {
		k.dead = true
		_ = k.conn.NetConn().Close()
	}
}

func (ss *sockets) isSilent() bool {
	ss.s.mu.Lock()
	defer ss.s.mu.Unlock()
	return ss.faults.silent
}

// emit writes an event to every socket that subscribed to it.
func (ss *sockets) emit(network, typ string, data json.RawMessage) {
	var about struct {
		Address string `json:"address"`
	}
	_ = json.Unmarshal(data, &about) // an event of a type that has none
	req := SocketRequest{Network: network, Type: typ}
	if typ == "address" {
		req.Address = about.Address
	}
	msg, err := json.Marshal(struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}{typ, data})
	if err != nil {
		return
	}
	ss.events.Lock()
	defer ss.events.Unlock()
	ss.s.mu.Lock()
	copies := ss.faults.copies
	ss.s.mu.Unlock()
	for _, k := range ss.list(func(k *socket) bool { return k.subscribed[req] }) {
		for range copies {
			k.send(websocket.TextMessage, msg)
		}
	}
}

// list is the open sockets that want is true for, in order of arrival.
func (ss *sockets) list(want func(*socket) bool) []*socket {
	ss.s.mu.Lock()
	defer ss.s.mu.Unlock()
	all := slices.SortedFunc(maps.Keys(ss.open), func(a, b *socket) int { return a.number - b.number })
	return slices.DeleteFunc(all, func(k *socket) bool { return !want(k) })
}

func everySocket(*socket) bool { return true }

// close ends all sockets and waits for their goroutines. None is added any
// more: the service is closed.
func (ss *sockets) close() { ss.cut(CloseFrame(websocket.CloseGoingAway, "")) }

func (ss *sockets) cut(how Cut) {
	list := ss.list(everySocket)
	for _, k := range list {
		k.cut(how)
	}
	for _, k := range list {
		<-k.done
	}
}

// Cut is a way to end a connection.
type Cut struct {
	reset bool
	code  int // 0 = without a close frame
	text  string
}

// The ways to cut sockets without a close handshake.
var (
	RST = Cut{reset: true} // the peer gets "connection reset"; what it has not read may be lost
	FIN = Cut{}            // the peer gets an unexpected EOF behind the last frame
)

// CloseFrame cuts with a close handshake.
func CloseFrame(code int, text string) Cut { return Cut{code: code, text: text} }

func (k *socket) cut(how Cut) {
	if how.reset {
		if tcp, ok := k.conn.NetConn().(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = k.conn.NetConn().Close()
		return
	}
	_ = k.conn.NetConn().SetWriteDeadline(time.Now().Add(socketPatience)) // for a write that hangs
	k.writing.Lock()
	defer k.writing.Unlock()
	if how.code == 0 {
		k.dead = true
		_ = k.conn.NetConn().Close()
		return
	}
	if !k.dead {
		_ = k.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(how.code, how.text),
			time.Now().Add(socketPatience))
	}
	k.dead = true
	_ = k.conn.SetReadDeadline(time.Now().Add(socketPatience)) // for the peer's close frame
}

// SocketURL is the URL of the web sockets, for blockio.WithEndpoint.
func (s *Service) SocketURL() string { return "ws://" + s.addr + "/" }

// Sockets counts the open web sockets.
func (s *Service) Sockets() int { return len(s.sockets.list(everySocket)) }

// WaitSockets blocks until exactly n web sockets are open. It returns the error
// of ctx, or ErrClosed.
func (s *Service) WaitSockets(ctx context.Context, n int) error {
	return s.waitFor(ctx, func() bool { return len(s.sockets.open) == n })
}

// SocketRequests returns every request that came over a web socket so far, in
// order of arrival; one that was no JSON object is empty.
func (s *Service) SocketRequests() []SocketRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sockets.requests)
}

// WaitSubscribed blocks until an open web socket is subscribed to each of the
// given things. It returns the error of ctx, or ErrClosed.
func (s *Service) WaitSubscribed(ctx context.Context, reqs ...SocketRequest) error {
	return s.waitFor(ctx, func() bool {
		for _, req := range reqs {
			if !s.sockets.has(req) {
				return false
			}
		}
		return true
	})
}

// has is called under Service.mu.
func (ss *sockets) has(req SocketRequest) bool {
	for k := range ss.open {
		if k.subscribed[req] {
			return true
		}
	}
	return false
}

// SendFrame sends a text message as it is to every web socket: one that the
// service would not send.
func (s *Service) SendFrame(msg []byte) {
	s.sockets.events.Lock()
	defer s.sockets.events.Unlock()
	for _, k := range s.sockets.list(everySocket) {
		k.send(websocket.TextMessage, msg)
	}
}

// PingSockets sends a ping of the service to every web socket now.
func (s *Service) PingSockets() { s.SendFrame([]byte(pingFrame)) }
