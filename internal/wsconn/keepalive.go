package wsconn

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

// keepAlive sends every ping of the connection and watches for life. A deadline
// per read would notice a dead peer too, but costs each message a timer; this
// wakes up once per interval and asks how long ago the last frame was.
func (c *Conn) keepAlive() {
	var alarm *time.Timer
	var alarmed <-chan time.Time
	shared := time.NewTimer(time.Hour) // for who has to wait for the next ping
	defer shared.Stop()
	watch := watchdog{interval: c.cfg.PingInterval, timeout: c.cfg.PongTimeout}
	if watch.interval > 0 {
		alarm = time.NewTimer(watch.interval)
		defer alarm.Stop()
		alarmed = alarm.C
		c.sendPing() // lets the connection prove itself early
	}
	for {
		select {
		case <-c.done:
			return
		case <-c.closing:
			return // Shutdown has its own clock
		case <-c.pingNow:
			if wait := c.untilPing(); wait > 0 {
				shared.Reset(wait)
			} else {
				c.sendPing()
			}
		case <-shared.C:
			if c.owesPing() {
				c.sendPing()
			}
		case <-alarmed:
			alarm.Reset(c.checkLife(&watch))
		}
	}
}

// checkLife does what the watchdog says and returns when to ask it again.
func (c *Conn) checkLife(watch *watchdog) time.Duration {
	now := time.Since(c.epoch)
	do, pause := watch.check(now, c.life(now))
	switch do {
	case carryOn:
		if c.cfg.PingBusy {
			pause = min(pause, c.pingBusy(now))
		}
	case askPeer:
		c.sendPing()
	case peerDead:
		c.endWithFarewell(ErrPongTimeout, websocket.CloseGoingAway)
	}
	return max(0, pause-(time.Since(c.epoch)-now))
}

// pingBusy sends a ping if the last one is PingInterval old, and returns when the
// next one is due.
func (c *Conn) pingBusy(now time.Duration) time.Duration {
	c.mu.Lock()
	left := c.sentAt + c.cfg.PingInterval - now
	c.mu.Unlock()
	if left > 0 {
		return left
	}
	c.sendPing()
	return c.cfg.PingInterval
}

// life is the last sign of life since epoch; the dial was one.
func (c *Conn) life(now time.Duration) time.Duration {
	life := time.Duration(c.lastFrame.Load())
	if c.cfg.LastLife == nil {
		return life
	}
	if t := c.cfg.LastLife(); !t.IsZero() {
		life = max(life, min(t.Sub(c.epoch), now))
	}
	return life
}

// sendPing sends a ping with a number of its own, so that its pong is not taken
// for another one's. It may wait behind a long Write, but never longer than for
// a pong, so that the watchdog is not late.
func (c *Conn) sendPing() {
	c.mu.Lock()
	c.sent++
	payload := strconv.AppendUint(nil, c.sent, 10)
	c.sentAt, c.awaits = time.Since(c.epoch), true
	if c.wanted != nil {
		c.wanted.number = c.sent
		c.barriers[c.sent], c.wanted = c.wanted, nil
	}
	c.mu.Unlock()
	deadline := time.Now().Add(min(c.cfg.WriteTimeout, c.cfg.PongTimeout))
	err := c.ws.WriteControl(websocket.PingMessage, payload, deadline)
	var timeout net.Error
	switch {
	case err == nil, errors.Is(err, websocket.ErrCloseSent):
	case errors.As(err, &timeout) && timeout.Timeout():
		// A peer that takes nothing may still send. If not, the watchdog sees it.
	default:
		// The socket is broken for writing. What has come is still to be read, the
		// peer's close frame perhaps, which says why.
		_ = c.ws.SetReadDeadline(time.Now().Add(c.cfg.PongTimeout))
	}
}

// Many who ask for a ping in a short time share one. The keep-alive's own pings
// do not wait.
const (
	spacing  = 5 * time.Millisecond  // between two pings
	patience = 10 * time.Millisecond // the same while the pong of the last one has not come
)

// untilPing is how long who asks for a ping waits at most for the next one.
func (c *Conn) untilPing() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sentAt == 0 {
		return 0
	}
	wait := spacing
	if c.awaits {
		wait = patience
	}
	return max(0, c.sentAt+wait-time.Since(c.epoch))
}

// owesPing: somebody has asked for a ping since the last one was sent.
func (c *Conn) owesPing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wanted != nil
}

// Heard reports whether a ping that was sent no longer ago than that was answered
// before the next one was sent, and the connection has not ended since.
func (c *Conn) Heard(within time.Duration) bool {
	if c.ended() != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered > 0 && time.Since(c.epoch)-c.answered <= within
}

// ReadUpTo is a time such that everything that the peer had written before it has
// been read: that of the last ping that was answered before the next one was sent.
// It is the zero Time before the first.
func (c *Conn) ReadUpTo() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answered == 0 {
		return time.Time{}
	}
	return c.epoch.Add(c.answered)
}

// Ping sends a ping and waits for its pong. When it returns nil, every frame that
// the peer had written before Ping was called has been read. It ends with ctx's
// error, or with the connection's reason when that ends. A goroutine must be in
// Read meanwhile, and it must not be this one.
func (c *Conn) Ping(ctx context.Context) error {
	b, err := c.wantPing()
	if err != nil {
		return err
	}
	select {
	case <-b.passed:
		return nil
	case <-ctx.Done():
		c.leave(b)
		return ctx.Err()
	case <-c.done:
		select {
		case <-b.passed:
			return nil
		default:
			return c.ended()
		}
	}
}

// barrier is what Ping calls wait for that share a ping. Conn.mu guards it.
type barrier struct {
	passed  chan struct{} // closed with the pong
	number  uint64        // of the ping; 0 = not sent yet
	waiting int           // calls
}

// wantPing asks for a ping and returns what its pong opens.
func (c *Conn) wantPing() (*barrier, error) {
	if err := c.ended(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wanted == nil {
		c.wanted = &barrier{passed: make(chan struct{})}
		c.askForPing()
	}
	c.wanted.waiting++
	return c.wanted, nil
}

// leave ends a call's wait. A barrier for which nobody waits is forgotten: its
// pong may never come.
func (c *Conn) leave(b *barrier) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.waiting--; b.waiting > 0 {
		return
	}
	if c.wanted == b {
		c.wanted = nil
	}
	delete(c.barriers, b.number)
}

func (c *Conn) askForPing() {
	select {
	case c.pingNow <- struct{}{}:
	default: // keepAlive has not yet seen that it was asked before
	}
}

// passBarriers opens the barrier that the pong names and all before it: a peer
// may answer only the latest of several pings (RFC 6455 section 5.5.3), and what
// holds for a later barrier holds for an earlier one.
func (c *Conn) passBarriers(payload string) {
	upTo, err := strconv.ParseUint(payload, 10, 64)
	if err != nil {
		return // unsolicited, which the RFC allows
	}
	c.beforeWait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if upTo > c.sent {
		return
	}
	if c.awaits && upTo == c.sent {
		c.awaits, c.answered = false, c.sentAt
	}
	if c.wanted != nil {
		c.askForPing() // who wants it need not wait that long
	}
	for number, b := range c.barriers {
		if number <= upTo {
			close(b.passed)
			delete(c.barriers, number)
		}
	}
}

type verdict int

const (
	carryOn verdict = iota
	askPeer
	peerDead
)

// watchdog decides when a silent peer is asked and when it is dead. Times are
// since one epoch.
type watchdog struct {
	interval, timeout time.Duration
	waiting           bool // asked and not heard of since
	asked             time.Duration
}

// check returns what to do now and how long to wait before the next check. While
// an answer is due it looks again after at most one interval, because the next
// question is due one interval after the answer, whenever that was.
func (w *watchdog) check(now, life time.Duration) (verdict, time.Duration) {
	if w.waiting && life >= w.asked {
		w.waiting = false
	}
	if !w.waiting {
		if silent := now - life; silent < w.interval {
			return carryOn, w.interval - silent
		}
		w.waiting, w.asked = true, now
		return askPeer, min(w.interval, w.timeout)
	}
	if left := w.asked + w.timeout - now; left > 0 {
		return carryOn, min(left, w.interval)
	}
	return peerDead, 0
}
