package bitcart_test

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"

	"github.com/gorilla/websocket"
)

// pipeDaemon is the websocket of a daemon on a network of pipes: it takes upgrades, answers pings,
// and can be down, when nobody can connect.
type pipeDaemon struct {
	server *http.Server
	served sync.WaitGroup
	conns  chan net.Conn
	over   chan struct{}
	end    func()

	mu      sync.Mutex
	down    bool
	sockets map[*websocket.Conn]bool
}

func newPipeDaemon() *pipeDaemon {
	d := &pipeDaemon{conns: make(chan net.Conn), over: make(chan struct{}), sockets: map[*websocket.Conn]bool{}}
	d.end = sync.OnceFunc(func() { close(d.over) })
	d.server = &http.Server{Handler: d}
	d.served.Go(func() { _ = d.server.Serve(d) })
	return d
}

// Accept, Close and Addr make it a net.Listener.
func (d *pipeDaemon) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.over:
		return nil, net.ErrClosed
	}
}

func (d *pipeDaemon) Close() error { d.end(); return nil }

func (d *pipeDaemon) Addr() net.Addr { return &net.TCPAddr{} }

func (d *pipeDaemon) dial() (net.Conn, error) {
	d.mu.Lock()
	down := d.down
	d.mu.Unlock()
	if down {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	ours, theirs := net.Pipe()
	select {
	case d.conns <- newBuffered(theirs):
		return ours, nil
	case <-d.over:
		return nil, errors.New("the daemon is gone")
	}
}

// buffered is an end of a pipe that takes some writes without a reader, as a socket does.
type buffered struct {
	net.Conn
	out  chan []byte
	once sync.Once
	gone chan struct{}
}

func newBuffered(c net.Conn) *buffered {
	b := &buffered{Conn: c, out: make(chan []byte, 16), gone: make(chan struct{})}
	go func() { // ends with Close
		for {
			select {
			case p := <-b.out:
				_, _ = b.Conn.Write(p)
			case <-b.gone:
				return
			}
		}
	}()
	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	select {
	case b.out <- bytes.Clone(p):
		return len(p), nil
	case <-b.gone:
		return 0, net.ErrClosed
	}
}

func (b *buffered) Close() error {
	b.once.Do(func() { close(b.gone) })
	return b.Conn.Close()
}

func (d *pipeDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	d.mu.Lock()
	d.sockets[conn] = true
	d.mu.Unlock()
	swallow(conn)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sockets, conn)
}

func (d *pipeDaemon) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = true
	for conn := range d.sockets {
		_ = conn.Close()
	}
}

func (d *pipeDaemon) start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = false
}

func (d *pipeDaemon) open() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.sockets)
}

func (d *pipeDaemon) close() {
	_ = d.server.Close()
	d.served.Wait()
}
