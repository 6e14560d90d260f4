package wsconn

import (
	"errors"
	"io"
	"time"

	"github.com/gorilla/websocket"
)

// farewellTimeout is for a close frame to a peer that is given up anyway. A
// socket with room takes it at once.
const farewellTimeout = 100 * time.Millisecond

// Shutdown begins the closing handshake and returns: it sends a close frame with
// code 1000. Read goes on with what is in flight until the peer's close frame has
// come or CloseTimeout is over, and then returns ErrClosed; Write and new Pings
// return ErrClosed from now on. It blocks only while the socket takes no bytes,
// at most for the smaller of CloseTimeout and WriteTimeout. It may be called
// from anywhere and several times. Close must still be called, after Read has
// returned its error if the end is to be clean.
func (c *Conn) Shutdown() {
	if !c.beginShutdown() {
		return
	}
	deadline := time.Now().Add(min(c.cfg.CloseTimeout, c.cfg.WriteTimeout))
	// When it fails, the socket is broken or stuck, and either Read notices or the
	// clock does.
	_ = c.ws.WriteControl(websocket.CloseMessage,
		websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), deadline)
}

func (c *Conn) beginShutdown() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil || c.shutting {
		return false
	}
	c.shutting = true
	close(c.closing)
	c.owned.Go(c.endAfterCloseTimeout)
	return true
}

func (c *Conn) endAfterCloseTimeout() {
	timer := time.NewTimer(c.cfg.CloseTimeout)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		c.end(ErrClosed)
	}
}

// Close ends the connection at once and waits for the goroutines of the Conn,
// not for a Read or Write of the caller's, which return an error soon after. It
// waits for no peer: without Shutdown before it there is no closing handshake,
// and the peer may see a reset. It may be called several times and always
// returns nil. It must not be called from LastLife.
func (c *Conn) Close() error {
	c.cut.Store(true)
	c.end(ErrClosed)
	c.closeSocket()
	c.owned.Wait()
	return nil
}

// end ends the connection unless it has ended; who ends it closes the socket.
func (c *Conn) end(cause error) {
	if c.claim(cause) {
		c.closeSocket()
	}
}

// endWithFarewell lets go of Read first, so that a socket that takes no bytes
// does not delay the news.
func (c *Conn) endWithFarewell(cause error, code int) {
	if !c.claim(cause) {
		return
	}
	_ = c.ws.SetReadDeadline(time.Now())
	c.sendFarewell(code)
	c.closeSocket()
}

// endRead ends the connection because of what Read met, and returns what Read
// is to say.
func (c *Conn) endRead(err error) error {
	code, cause := readFailure(err)
	if !c.claim(cause) {
		return c.laterCause(cause)
	}
	if code != 0 {
		c.sendFarewell(code)
		c.discardRest()
	}
	c.closeSocket()
	return c.ended()
}

// laterCause is for a Read that fails after the connection has ended: because
// somebody ended it, or on a close frame that says more than a failed Write did.
func (c *Conn) laterCause(read error) error {
	ended := c.ended()
	var byPeer *CloseError
	if errors.As(read, &byPeer) && !errors.Is(ended, ErrClosed) {
		return byPeer
	}
	return ended
}

// claim sets the reason of the end; only the first caller gets true. After
// Shutdown the reason is our own, whatever came.
func (c *Conn) claim(cause error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return false
	}
	if c.shutting {
		cause = ErrClosed
	}
	c.cause = cause
	close(c.done)
	return true
}

// sendFarewell does nothing when a close frame was sent already.
func (c *Conn) sendFarewell(code int) {
	_ = c.ws.WriteControl(websocket.CloseMessage,
		websocket.FormatCloseMessage(code, ""), time.Now().Add(farewellTimeout))
}

// discardRest reads until the peer has closed, because to close a socket with
// unread bytes resets it, and the peer's next send would fail.
func (c *Conn) discardRest() {
	timer := time.AfterFunc(c.cfg.CloseTimeout, c.closeSocket)
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, c.nc)
}

func (c *Conn) closeSocket() {
	c.closeOnce.Do(func() { closeConn(c.nc) })
}
