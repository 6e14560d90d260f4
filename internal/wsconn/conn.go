package wsconn

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

const (
	firstBuffer = 4 << 10
	// A buffer that one large message has blown up is not kept for small ones.
	keepBuffer = 1 << 20
)

// Conn is a connection that stands. Read is for one goroutine; all other methods
// are safe for concurrent use.
type Conn struct {
	cfg Config
	ws  *websocket.Conn
	nc  net.Conn // below it
	in  *inbound // what ws runs on

	// Owned by the goroutine in Read.
	buf     []byte
	readErr error
	proved  bool

	proven    chan struct{} // closed by the reader
	epoch     time.Time
	lastFrame atomic.Int64 // since epoch; 0 = none yet

	writing sync.Mutex // serialises Write

	mu        sync.Mutex
	cause     error // why the connection ended; set once, before done is closed
	shutting  bool
	sent      uint64              // the number of the last ping that was sent
	sentAt    time.Duration       // when, since epoch
	awaits    bool                // its pong
	answered  time.Duration       // when the last ping was sent that was answered; 0 = none was
	wanted    *barrier            // of the next ping; nil while no Ping call waits for that
	barriers  map[uint64]*barrier // of pings that were sent, by their numbers
	done      chan struct{}       // closed with cause
	closing   chan struct{}       // closed by the first Shutdown
	pingNow   chan struct{}       // a Ping call wants a ping to be sent
	cut       atomic.Bool         // Close was called
	closeOnce sync.Once
	owned     sync.WaitGroup
}

func newConn(cfg Config, ws *websocket.Conn, in *inbound) *Conn {
	c := &Conn{
		cfg: cfg, ws: ws, nc: in.Conn, in: in,
		proven: make(chan struct{}),
		// A nanosecond early, so that no frame can come at 0.
		epoch:    time.Now().Add(-1),
		barriers: make(map[uint64]*barrier),
		done:     make(chan struct{}),
		closing:  make(chan struct{}),
		pingNow:  make(chan struct{}, 1),
	}
	in.wait = cfg.BeforeWait
	ws.SetReadLimit(cfg.ReadLimit)
	c.watchControlFrames()
	c.owned.Go(c.keepAlive)
	return c
}

// watchControlFrames notes each control frame as life and leaves the answer to
// the library. All of it runs inside Read.
func (c *Conn) watchControlFrames() {
	answerPing, answerClose := c.ws.PingHandler(), c.ws.CloseHandler()
	c.ws.SetPingHandler(func(payload string) error {
		c.sign()
		c.prove()
		c.beforeWait()
		return answerPing(payload)
	})
	c.ws.SetPongHandler(func(payload string) error {
		c.sign()
		c.prove()
		c.passBarriers(payload)
		return nil
	})
	// A close frame does not prove a connection: a peer that takes everybody in
	// and sends them away at once would look healthy.
	c.ws.SetCloseHandler(func(code int, text string) error {
		c.sign()
		c.beforeWait()
		return answerClose(code, text)
	})
}

// Read returns the next text or binary message. The bytes are valid until the
// next Read. Text is handed over as it came, also when it is not valid UTF-8:
// one bad message is for the caller to skip, not worth a connection.
//
// After the first error it always returns the same one: ErrClosed after Shutdown
// or Close, ErrPongTimeout, ErrTooLarge, *CloseError, or one that wraps the
// network's error. It may take CloseTimeout to return an error that this side
// has to excuse itself for. Only one goroutine may call it.
func (c *Conn) Read() ([]byte, error) {
	if c.readErr == nil && c.cut.Load() {
		c.readErr = ErrClosed
	}
	if c.readErr != nil {
		return nil, c.readErr
	}
	msg, err := c.readMessage()
	if err != nil {
		c.beforeWait() // the end may take its time
		c.readErr = c.endRead(err)
		c.buf = nil
		return nil, c.readErr
	}
	return msg, nil
}

func (c *Conn) readMessage() ([]byte, error) {
	_, r, err := c.ws.NextReader()
	if err != nil {
		return nil, err
	}
	c.sign()
	c.prove()
	if cap(c.buf) == 0 || cap(c.buf) > keepBuffer {
		c.buf = make([]byte, 0, firstBuffer)
	}
	c.buf = c.buf[:0]
	for {
		if len(c.buf) == cap(c.buf) {
			c.buf = append(c.buf, 0)[:len(c.buf)]
		}
		n, err := r.Read(c.buf[len(c.buf):cap(c.buf)])
		if n > 0 || err == io.EOF {
			c.sign() // a message that takes long is life too, piece by piece
		}
		c.buf = c.buf[:len(c.buf)+n]
		if err == io.EOF {
			return c.buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// sign notes a sign of life. It is on the path of every message, so it does not
// ask the clock: what counts is when the bytes came.
func (c *Conn) sign() {
	if !c.in.fresh {
		return
	}
	c.in.fresh = false
	// The answer to the upgrade may have brought frames along, before epoch.
	c.lastFrame.Store(max(1, int64(c.in.at.Sub(c.epoch))))
}

// Received is when the last bytes came of what Read has returned. It is for the
// goroutine that is to call Read.
func (c *Conn) Received() time.Time { return c.in.at }

// beforeWait is for the goroutine in Read.
func (c *Conn) beforeWait() {
	if c.cfg.BeforeWait != nil {
		c.cfg.BeforeWait()
	}
}

func (c *Conn) prove() {
	if !c.proved {
		c.proved = true
		close(c.proven)
	}
}

// Write sends msg as one text message; it must be valid UTF-8. It takes at most
// WriteTimeout, and an error of the network ends the connection, because the peer
// may have got half a message. After the end it returns the reason of the end.
func (c *Conn) Write(msg []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.ended(); err != nil {
		return err
	}
	_ = c.ws.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout)) // never fails
	err := c.ws.WriteMessage(websocket.TextMessage, msg)
	if err == nil {
		return nil
	}
	if errors.Is(err, websocket.ErrCloseSent) {
		// A close frame went out under way. Who asked for it ends the connection.
		if ended := c.ended(); ended != nil {
			return ended
		}
		return errors.New("wsconn: write: the peer has closed the connection")
	}
	c.end(fmt.Errorf("wsconn: write: %w", err))
	return c.ended()
}

// Proven is closed when the first message, ping or pong has come: the peer does
// not only accept connections, it serves them. Without keep-alive and without
// messages it stays open.
func (c *Conn) Proven() <-chan struct{} { return c.proven }

// LastFrame is when the last message or control frame was read, the zero Time
// before the first.
func (c *Conn) LastFrame() time.Time {
	since := c.lastFrame.Load()
	if since == 0 {
		return time.Time{}
	}
	return c.epoch.Add(time.Duration(since))
}

// Opened is when the connection was made.
func (c *Conn) Opened() time.Time { return c.epoch }

// ended is nil as long as messages can be sent.
func (c *Conn) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil && c.shutting {
		return ErrClosed
	}
	return c.cause
}
