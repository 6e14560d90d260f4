package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"sync"

	"github.com/gorilla/websocket"
)

// The sender is this program in another process: a daemon that answers calls
// with next to nothing and writes frames to the websocket as fast as they are
// taken, many in one write, so that what is measured is the client.

// block is how many frames the sender sends for one credit.
const block = 256

// inFlight is how many blocks the sender may be ahead of the handlers: enough
// to keep the socket full.
const inFlight = 32

const roleVar = "BITCART_BENCH_ROLE"

// startProcess runs this program in another process in the given role, whose
// first line of output is its URL. stop ends it.
func startProcess(role string) (base string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	cmd.Stderr = os.Stderr
	// Ends with this process, however that ends.
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the %s process has not begun: %w", role, err)
	}
	return line[:len(line)-1], stop, nil
}

// serveProcess serves h on a port of its own until standard input ends.
func serveProcess(h http.Handler) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = ln.Close()
	}()
	fmt.Println("http://" + ln.Addr().String())
	if err := http.Serve(ln, h); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// sender is the HTTP handler of the process.
type sender struct {
	mu     sync.Mutex
	conn   net.Conn         // the last websocket's
	blocks map[int][][]byte // by number of wallets: frames as they go over the wire, a block each
}

func newSender() http.Handler {
	s := &sender{blocks: make(map[int][][]byte)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", answer)
	mux.HandleFunc("GET /ws", s.serveWebsocket)
	mux.HandleFunc("POST /flood", s.flood)
	return mux
}

// answer answers a call as a daemon does whose wallets are all loaded and
// quiet.
func answer(w http.ResponseWriter, r *http.Request) {
	var call struct {
		ID     json.RawMessage
		Method string
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result := "null"
	switch call.Method {
	case "get_updates":
		result = "[]"
	case "getinfo":
		result = `{"synchronized": true, "total_wallets": 0}`
	}
	fmt.Fprintf(w, `{"jsonrpc": "2.0", "result": %s, "id": %s}`, result, call.ID)
}

func (s *sender) serveWebsocket(w http.ResponseWriter, r *http.Request) {
	conn, err := s.upgrade(w, r)
	if err != nil {
		return
	}
	defer conn.Close()
	// The library's own answer would leave a deadline for what flood writes.
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

// upgrade makes the connection that of the next flood, before its client can
// ask for one.
func (s *sender) upgrade(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err == nil {
		s.conn = conn.NetConn()
	}
	return conn, err
}

// flood writes the blocks that the query asks for. Each byte of the request's
// body is a credit for one more block.
func (s *sender) flood(w http.ResponseWriter, r *http.Request) {
	wallets, _ := strconv.Atoi(r.URL.Query().Get("wallets"))
	todo, _ := strconv.Atoi(r.URL.Query().Get("blocks"))
	s.mu.Lock()
	conn := s.conn
	if s.blocks[wallets] == nil {
		s.blocks[wallets] = encode(framesFor(walletsOf(wallets)))
	}
	blocks := s.blocks[wallets]
	s.mu.Unlock()
	credits := bufio.NewReader(r.Body)
	for i := range todo {
		if i >= inFlight {
			if _, err := credits.ReadByte(); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		if _, err := conn.Write(blocks[i%len(blocks)]); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
}

// encode puts messages into websocket frames, a block of them together.
func encode(messages [][]byte) (blocks [][]byte) {
	for i, msg := range messages {
		if i%block == 0 {
			blocks = append(blocks, nil)
		}
		last := &blocks[len(blocks)-1]
		*last = frame(*last, text, msg)
	}
	return blocks
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

// flooding is the client's side of a flood.
type flooding struct {
	body    *io.PipeReader
	credits *io.PipeWriter
	done    chan error
}

func newFlooding() *flooding {
	f := &flooding{done: make(chan error, 1)}
	f.body, f.credits = io.Pipe()
	return f
}

// begin asks the sender at base for n frames over so many wallets.
func (f *flooding) begin(base string, wallets, n int) {
	query := url.Values{"wallets": {strconv.Itoa(wallets)}, "blocks": {strconv.Itoa(n / block)}}
	go func() {
		err := post(base+"/flood?"+query.Encode(), f.body)
		_ = f.body.Close() // credits that come yet are needed no more
		f.done <- err
	}()
}

func post(url string, body io.Reader) error {
	resp, err := http.Post(url, "application/octet-stream", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return err
}

// handled is told how many frames were handled so far, by whoever has handled
// the last of them.
func (f *flooding) handled(n int64) {
	if n%block == 0 {
		_, _ = f.credits.Write([]byte{1}) // fails when the sender needs none any more
	}
}

// wait waits for the end of the flood.
func (f *flooding) wait() error {
	_ = f.credits.Close()
	return <-f.done
}
