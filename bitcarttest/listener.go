package bitcarttest

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// listener counts connections and keeps hold of the open ones, so that they can be reset.
type listener struct {
	net.Listener
	d    *Daemon
	down <-chan struct{} // closed when the daemon stops

	mu   sync.Mutex
	open map[*trackedConn]struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tracked := &trackedConn{Conn: c, owner: l, closed: make(chan struct{})}
	l.mu.Lock()
	l.open[tracked] = struct{}{}
	l.mu.Unlock()
	l.d.accepted.Add(1)
	return tracked, nil
}

func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// hurry bounds reads and writes that are under way.
func (l *listener) hurry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		_ = c.SetDeadline(time.Now().Add(closePatience))
	}
}

func (l *listener) cutAll(reset bool) {
	l.mu.Lock()
	conns := make([]*trackedConn, 0, len(l.open))
	for c := range l.open {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	for _, c := range conns {
		c.cut(reset)
	}
}

// trackedConn is one accepted TCP connection.
type trackedConn struct {
	net.Conn
	owner  *listener
	socket atomic.Bool // it carries a websocket
	closed chan struct{}
	once   sync.Once
}

// Read holds back what has arrived while a black hole is on.
func (c *trackedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.socket.Load() {
		select {
		case <-c.owner.d.faults.holeEnd():
		case <-c.owner.down:
		case <-c.closed:
		}
	}
	return n, err
}

func (c *trackedConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.owner.mu.Lock()
		delete(c.owner.open, c)
		c.owner.mu.Unlock()
	})
	return c.Conn.Close()
}

// cut closes the connection without a word: with a FIN, or with a RST that also throws away what
// the peer has not read.
func (c *trackedConn) cut(reset bool) {
	if tcp, ok := c.Conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0) // fails only on a closed connection
	}
	_ = c.Close()
}
