package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// The sender plays a daemon whose wallets are quiet: it answers calls with next
// to nothing and writes to the websocket what its control orders.

// Variables that set a sender up. None is needed.
const (
	addrVar     = "BITCART_BENCH_ADDR"     // where the daemon listens
	delayVar    = "BITCART_BENCH_DELAY"    // how long it takes for get_updates and getbalance
	currencyVar = "BITCART_BENCH_CURRENCY" // of its frames
	trickleVar  = "BITCART_BENCH_TRICKLE"  // events a second for wallets that are ready, from the first connection on
)

type sender struct {
	delay    time.Duration
	currency string
	rate     int // of the trickle
	meter    *meter

	mu        sync.Mutex
	conn      net.Conn            // the last websocket's
	connected time.Time           // when that was made
	loaded    map[string]struct{} // the wallets
	ready     []string            // those whose queue was read
	blocks    map[int][][]byte    // by number of wallets: frames of a flood as they go over the wire
	trickle   *trickle            // nil before the first connection
}

func serveSender() error {
	s := &sender{currency: "ETH", meter: newMeter(), loaded: make(map[string]struct{}), blocks: make(map[int][][]byte)}
	addr := "127.0.0.1:0"
	for name, set := range map[string]func(string) error{
		addrVar:     func(v string) error { addr = v; return nil },
		currencyVar: func(v string) error { s.currency = v; return nil },
		delayVar:    func(v string) (err error) { s.delay, err = time.ParseDuration(v); return },
		trickleVar:  func(v string) (err error) { s.rate, err = strconv.Atoi(v); return },
	} {
		if v := os.Getenv(name); v != "" {
			if err := set(v); err != nil {
				return named(name, err)
			}
		}
	}
	daemon := http.NewServeMux()
	daemon.HandleFunc("POST /{$}", s.answer)
	daemon.HandleFunc("GET /ws", s.serveWebsocket)
	control := http.NewServeMux()
	control.HandleFunc("POST /flood", s.flood)
	control.HandleFunc("POST /paced", s.paced)
	control.HandleFunc("POST /chain", s.chain)
	control.HandleFunc("POST /quiet", s.quiet)
	control.HandleFunc("POST /report", s.report)
	return serveProcess(addr, &http.Server{Handler: daemon, ConnState: s.meter.follow}, control)
}

// paidRequest is what a daemon answers about a payment request.
const paidRequest = `{"request_id": "jC0nO-UTy_sOVE7Oznp8MTVeSI2mSMW0LlIjzwgGpEY", "id": "jC0nO-UTy_sOVE7Oznp8MTVeSI2mSMW0LlIjzwgGpEY", ` +
	`"address": "0x1111111111111111111111111111111111111111", "URI": "ethereum:0x1111111111111111111111111111111111111111?value=500000000000000000", ` +
	`"amount_ETH": "0.500000000000000000", "amount_wei": 500000000000000000, "message": "Order 17", "timestamp": 1700000000, "expiration": 1700000900, ` +
	`"status": 3, "status_str": "Paid", "sent_amount": "0.500000000000000000", "confirmations": 12, ` +
	`"tx_hashes": ["0xcf69f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d"], "payment_address": "0x2222222222222222222222222222222222222222"}`

// answer answers a call.
func (s *sender) answer(w http.ResponseWriter, r *http.Request) {
	var call struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer s.meter.enter(call.Method)()
	result := "null"
	switch call.Method {
	case "get_updates", "getbalance":
		if s.delay > 0 {
			time.Sleep(s.delay)
		}
		s.load(call.Params, call.Method == "get_updates")
		result = "[]"
		if call.Method == "getbalance" {
			result = `{"confirmed": "0.5"}`
		}
	case "batch_load":
		s.load(call.Params, false)
		result = "true"
	case "getinfo":
		s.mu.Lock()
		result = fmt.Sprintf(`{"synchronized": true, "total_wallets": %d}`, len(s.loaded))
		s.mu.Unlock()
	case "get_request":
		result = paidRequest
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(w, `{"jsonrpc": "2.0", "result": %s, "id": %s}`, result, call.ID)
}

// load notes the wallets that a call names; asked: it reads their queue.
func (s *sender) load(params json.RawMessage, asked bool) {
	var by struct {
		Xpub    string   `json:"xpub"`
		Wallets []string `json:"wallets"`
	}
	if err := json.Unmarshal(params, &by); err != nil {
		return // it names none
	}
	if by.Xpub != "" {
		by.Wallets = append(by.Wallets, by.Xpub)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range by.Wallets {
		s.loaded[w] = struct{}{}
	}
	if asked && s.rate > 0 {
		s.ready = append(s.ready, by.Wallets...)
	}
}

func (s *sender) serveWebsocket(w http.ResponseWriter, r *http.Request) {
	conn, err := s.upgrade(w, r)
	if err != nil {
		return
	}
	defer conn.Close()
	// The library's own answer would leave a deadline for what the others write.
	conn.SetPingHandler(func(payload string) error {
		_, err := conn.NetConn().Write(frame(nil, pong, []byte(payload)))
		return err
	})
	for { // answers pings and the close frame
		if _, _, err := conn.NextReader(); err != nil {
			return
		}
	}
}

// upgrade makes the connection that of the next order, before its client can
// give one.
func (s *sender) upgrade(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return nil, err
	}
	s.conn, s.connected = conn.NetConn(), time.Now()
	if s.rate > 0 && s.trickle == nil {
		s.trickle = s.startTrickle(s.conn)
	}
	return conn, nil
}

func (s *sender) current() net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn
}

// numberOf reads a number of an order.
func numberOf(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.FormValue(name))
	return n
}

// chain writes new blocks, all different and one frame each.
func (s *sender) chain(w http.ResponseWriter, r *http.Request) {
	conn := s.current()
	for i := range numberOf(r, "blocks") {
		msg := fmt.Appendf(nil, `{"updates": [{"event": "new_block", "height": %d}], "wallet": null, "currency": %q}`, firstBlock+i, s.currency)
		if _, err := conn.Write(frame(nil, text, msg)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
}

// paced writes events of the first wallet at a steady rate, each of them by
// itself and with the time on it.
func (s *sender) paced(w http.ResponseWriter, r *http.Request) {
	conn, left := s.current(), numberOf(r, "events")
	e := newStamped(walletsOf(1)[0], s.currency)
	err := pace(r.Context(), numberOf(r, "rate"), func() (more bool, err error) {
		_, err = conn.Write(e.now())
		left--
		return left > 0, err
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// pace calls write so many times a second, until there is no more to write. It
// writes all that is due and sleeps then: a sender that spins would take a
// processor away from what is measured.
func pace(ctx context.Context, rate int, write func() (more bool, err error)) error {
	const shortest = 200 * time.Microsecond
	each := time.Second / time.Duration(max(rate, 1))
	for due := time.Now(); ; {
		for ; !due.After(time.Now()); due = due.Add(each) {
			more, err := write()
			if err != nil || !more {
				return err
			}
		}
		time.Sleep(max(time.Until(due), shortest))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// trickle are events of wallets that are ready, while others are not.
type trickle struct {
	stop context.CancelFunc
	done chan struct{}
	sent int
}

func (s *sender) startTrickle(conn net.Conn) *trickle {
	ctx, cancel := context.WithCancel(context.Background())
	t := &trickle{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		_ = pace(ctx, s.rate, func() (bool, error) {
			wallet, ok := s.anyReady()
			if !ok {
				return true, nil
			}
			_, err := conn.Write(newStamped(wallet, s.currency).now())
			if err == nil {
				t.sent++
			}
			return err == nil, err
		})
	}()
	return t
}

func (s *sender) anyReady() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ready) == 0 {
		return "", false
	}
	return s.ready[rand.IntN(len(s.ready))], true
}

// quiet ends the trickle and tells how many events it had.
func (s *sender) quiet(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	t := s.trickle
	s.mu.Unlock()
	if t == nil {
		http.Error(w, "there is none", http.StatusConflict)
		return
	}
	t.stop()
	<-t.done
	fmt.Fprint(w, t.sent)
}

// report is what the sender has seen of its clients.
type report struct {
	Calls       map[string]int // by method
	Most        int            // calls at once
	Typical     int            // calls at once when one more came, that included: the median
	Connections int            // that were opened, websockets included
	Connected   time.Time      // the last websocket
}

func (s *sender) report(w http.ResponseWriter, _ *http.Request) {
	rep := s.meter.report()
	s.mu.Lock()
	rep.Connected = s.connected
	s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(rep)
}

// meter counts calls and connections.
type meter struct {
	mu          sync.Mutex
	calls       map[string]int
	running     int
	seen        []int // by number of calls at once, how often so many were seen
	connections int
}

func newMeter() *meter { return &meter{calls: make(map[string]int)} }

func (m *meter) follow(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		m.mu.Lock()
		m.connections++
		m.mu.Unlock()
	}
}

func (m *meter) enter(method string) (leave func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls[method]++
	m.running++
	for len(m.seen) <= m.running {
		m.seen = append(m.seen, 0)
	}
	m.seen[m.running]++
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.running--
	}
}

func (m *meter) report() report {
	m.mu.Lock()
	defer m.mu.Unlock()
	rep := report{Calls: make(map[string]int), Most: max(0, len(m.seen)-1), Connections: m.connections}
	total := 0
	for method, n := range m.calls {
		rep.Calls[method] = n
		total += n
	}
	for n, half := 0, total/2; n < len(m.seen); n++ {
		if half -= m.seen[n]; half < 0 {
			rep.Typical = n
			break
		}
	}
	return rep
}

// Opcodes of websocket frames that are whole messages.
const (
	text = 0x81
	pong = 0x8a
)

// frame appends a frame as a server writes it, without mask (RFC 6455 section
// 5.2).
func frame(b []byte, opcode byte, payload []byte) []byte {
	b = append(b, opcode)
	if len(payload) < 126 {
		b = append(b, byte(len(payload)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(len(payload)))
	}
	return append(b, payload...)
}

// stamped is a transaction whose hash begins with the time when it was written.
type stamped struct {
	frame []byte
	digit []byte // where the time stands
}

const (
	stampDigits = 20
	stampPrefix = `"tx": "`
)

func newStamped(wallet, currency string) stamped {
	rng := rand.New(rand.NewPCG(rand.Uint64(), 0))
	update := fmt.Sprintf(`{"event": "new_transaction", "tx": "0x%s%s", "from_address": "0x%s", "to": "0x%s", "amount": %q, "contract": null}`,
		bytes.Repeat([]byte("0"), stampDigits), hexOf(rng, 64-stampDigits), hexOf(rng, 40), hexOf(rng, 40), amountOf(rng))
	b := frame(nil, text, fmt.Appendf(nil, `{"updates": [%s], "wallet": %q, "currency": %q}`, update, wallet, currency))
	at := bytes.Index(b, []byte(stampPrefix)) + len(stampPrefix) + len("0x")
	return stamped{b, b[at : at+stampDigits]}
}

// now is the frame with the present time on it.
func (s stamped) now() []byte {
	copy(s.digit, fmt.Sprintf("%0*d", stampDigits, time.Now().UnixNano()))
	return s.frame
}

// sinceStamp is how long before now a transaction was written.
func sinceStamp(tx string, now time.Time) (time.Duration, error) {
	digits := strings.TrimPrefix(tx, "0x")
	if len(digits) < stampDigits {
		return 0, errIncomplete
	}
	ns, err := strconv.ParseInt(digits[:stampDigits], 10, 64)
	if err != nil {
		return 0, err
	}
	return time.Duration(now.UnixNano() - ns), nil
}
