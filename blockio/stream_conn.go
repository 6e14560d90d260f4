package blockio

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/internal/wsconn"
)

// maxStale is how many subjects a connection knows that were unsubscribed.
const maxStale = 1 << 14

// maxIdle is how many unsubscribed entries stand in line before they are taken
// out: somebody may subscribe and unsubscribe while the service is slow.
const maxIdle = 1 << 10

// streamConn is one connection: the reader takes messages, and tend sends
// requests, one at a time, and watches the clock.
type streamConn struct {
	s       *Stream
	r       *streamRun
	ws      *wsconn.Conn
	begun   time.Time
	message atomic.Pointer[time.Time] // when the last message came
	wake    chan struct{}             // tend has something to do
	done    chan struct{}             // closed when the reader has ended
	cause   atomic.Pointer[error]     // why this side has ended it

	// Guarded by Stream.mu:
	greeted  bool
	proved   bool                  // a message came after the greeting
	line     []*entry              // to be asked for
	asked    *entry                // the request in flight: answers name none, so there is one
	askedAt  time.Time             // of what is awaited: the greeting, an answer; zero = nothing is
	sent     map[Subscription]bool // what was asked for, by topic; true = accepted
	owed     int                   // subscriptions of earlier connections that were not answered yet
	again    []*entry              // those that were accepted again
	againAt  time.Time             // the last one
	gapKnown bool                  // the gap before this connection is told, or there is none
}

// serve uses a connection to its end. proved: it was good for something.
func (r *streamRun) serve(ctx context.Context, ws *wsconn.Conn) (proved bool, err error) {
	defer ws.Close()
	now := time.Now()
	c := &streamConn{
		s: r.s, r: r, ws: ws, begun: now, askedAt: now, sent: map[Subscription]bool{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	c.join()
	closing := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closing)
		ws.Shutdown()
	})
	tended := make(chan struct{})
	go func() {
		defer close(tended)
		c.tend()
	}()
	err = c.read()
	close(c.done)
	<-tended
	if !stop() {
		<-closing
	}
	proved = c.part()
	if own := c.cause.Load(); own != nil {
		err = *own
	}
	return proved, err
}

// join makes the connection the stream's, with everything to be asked for.
func (c *streamConn) join() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.book.sorted() {
		c.line = append(c.line, e)
		if e.owed = e.accepted; e.owed {
			c.owed++
		}
	}
	c.r.conn = c
	c.closeGap()
}

// part takes the connection away from the stream.
func (c *streamConn) part() (proved bool) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastMessage = c.life()
	if s.lost.IsZero() {
		s.lost = s.lastMessage
	}
	c.r.conn = nil
	return c.proved
}

// life is when the last message came; the dial was one.
func (c *streamConn) life() time.Time {
	if t := c.message.Load(); t != nil {
		return *t
	}
	return c.begun
}

// fail ends the connection from this side.
func (c *streamConn) fail(err error) {
	c.cause.CompareAndSwap(nil, &err)
	_ = c.ws.Close()
}

// nudge wakes tend.
func (c *streamConn) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// read takes messages until the connection ends. It waits for nothing else.
func (c *streamConn) read() error {
	for {
		msg, err := c.ws.Read()
		if err != nil {
			return err
		}
		if err := c.accept(msg, time.Now()); err != nil {
			return err
		}
	}
}

// accept takes one message. An error ends the connection.
func (c *streamConn) accept(msg []byte, now time.Time) error {
	c.message.Store(&now)
	f, err := decodeFrame(msg)
	if err != nil {
		c.garbage(err.Error(), len(msg))
		return nil
	}
	switch f.kind {
	case framePing:
		c.prove()
	case frameEvent:
		c.event(f, len(msg), now)
	default:
		return c.answer(f, now)
	}
	return nil
}

// prove notes that the connection is good for something, which the greeting
// alone does not show.
func (c *streamConn) prove() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.proved = c.proved || c.greeted
}

func (c *streamConn) garbage(why string, size int) {
	c.s.n.garbage.Add(1)
	c.r.warn("message skipped", "reason", why, "bytes", size)
}

// event puts an event into its subscription's lane.
func (c *streamConn) event(f frame, size int, now time.Time) {
	u, err := updateOf(f.typ, f.data, bitcart.SourceStream)
	if err != nil {
		c.garbage(err.Error(), size)
		return
	}
	c.s.n.received.Add(1)
	network, address := origin(f.typ, f.data)
	topic := Subscription{network, f.typ, address}.topic()
	c.prove()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	e := c.s.book.entries[topic]
	if _, asked := c.sent[topic]; e == nil && asked { // unsubscribed
		c.s.n.dropped.Add(1)
		return
	}
	// An event of a subject that nobody asked for is handed over: the service
	// may spell a network or an address in a way of its own.
	c.r.push(parcel{update: u, entry: e, topic: topic, received: now, size: size + parcelOverhead})
}

// answer takes the greeting, or the answer to the request in flight.
func (c *streamConn) answer(f frame, now time.Time) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.proved = c.proved || c.greeted
	refused := f.kind == frameRefused
	switch {
	case !c.greeted && refused:
		return fmt.Errorf("the service refuses the connection: %q", f.message)
	case !c.greeted:
		c.greeted = true
		c.r.log(slog.LevelInfo, "connected")
	case c.asked == nil:
		c.garbage("an answer that nobody asked for", 0)
		return nil
	case refused:
		c.refuse(c.asked, f.message)
		c.asked = nil
	default:
		c.take(c.asked, now)
		c.asked = nil
	}
	c.askedAt = time.Time{}
	c.nudge()
	return nil
}

// take notes that the service has accepted a subscription. Stream.mu is held.
func (c *streamConn) take(e *entry, now time.Time) {
	c.sent[e.topic] = true
	if !c.s.book.holds(e) {
		return // unsubscribed meanwhile
	}
	e.accepted = true
	e.settle()
	if e.owed {
		c.again, c.againAt = append(c.again, e), now
	}
	c.release(e)
}

// refuse forgets a subscription that the service has refused. Stream.mu is held.
func (c *streamConn) refuse(e *entry, message string) {
	delete(c.sent, e.topic)
	if !c.s.book.holds(e) {
		return
	}
	e.refusal = &SubscriptionError{Subscription: e.sub, Message: message}
	c.s.forget(e)
	e.settle()
	if e.waiters == 0 {
		c.r.tellRefused(e.refusal)
	}
}

// release: the gap waits for e no longer. Stream.mu is held.
func (c *streamConn) release(e *entry) {
	if e.owed {
		e.owed = false
		c.owed--
		c.closeGap()
	}
}

// closeGap tells the gap before this connection, when everything that was
// subscribed before is answered. Stream.mu is held.
func (c *streamConn) closeGap() {
	if c.gapKnown || c.owed > 0 {
		return
	}
	c.gapKnown = true
	g := Gap{From: c.s.lost, To: c.againAt, Reason: GapReconnect}
	c.s.lost = time.Time{}
	for _, e := range c.again {
		if c.s.book.holds(e) {
			g.Subscriptions = append(g.Subscriptions, e.sub)
		}
	}
	c.again = nil
	if len(g.Subscriptions) > 0 {
		c.r.gap(g)
	}
}

// enqueue puts a new subscription in line. Stream.mu is held.
func (c *streamConn) enqueue(e *entry) {
	if len(c.line) > 2*len(c.s.book.entries)+maxIdle {
		c.line = slices.DeleteFunc(c.line, func(e *entry) bool { return !c.s.book.holds(e) })
	}
	c.line = append(c.line, e)
	c.nudge()
}

// forgetStale keeps what a connection knows of unsubscribed subjects within
// bounds. The service may still send events of one that is forgotten, and they
// are handed over then. Stream.mu is held.
func (c *streamConn) forgetStale() {
	if len(c.sent)-len(c.s.book.entries) <= maxStale {
		return
	}
	for topic := range c.sent {
		if c.s.book.entries[topic] == nil && (c.asked == nil || c.asked.topic != topic) {
			delete(c.sent, topic)
			return
		}
	}
}

// tend sends what is in line and ends a connection that is silent, or that
// answers nothing, until the reader has ended.
func (c *streamConn) tend() {
	alarm := time.NewTimer(c.s.cfg.silence)
	defer alarm.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-c.wake:
		case <-alarm.C:
		}
		if e := c.next(); e != nil {
			_ = c.ws.Write(e.sub.request()) // the reader hears why it failed
		}
		left, err := c.patience(time.Now())
		if err != nil {
			c.fail(err)
			return
		}
		alarm.Reset(left)
	}
}

// next takes the subscription that is to be asked for now, nil for none.
func (c *streamConn) next() *entry {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for c.greeted && c.asked == nil && len(c.line) > 0 {
		e := c.line[0]
		c.line[0] = nil
		c.line = c.line[1:]
		switch {
		case !c.s.book.holds(e): // unsubscribed meanwhile
		case c.sent[e.topic]:
			// It was unsubscribed and subscribed again. The service has never
			// stopped sending, and need not be asked.
			c.take(e, time.Now())
		default:
			c.asked, c.askedAt = e, time.Now()
			c.sent[e.topic] = false
			return e
		}
	}
	return nil
}

// patience is how long the service may still be silent, or owe an answer; an
// error when that time is over.
func (c *streamConn) patience(now time.Time) (time.Duration, error) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	silence := c.s.cfg.silence
	left := silence - now.Sub(c.life())
	if left <= 0 {
		return 0, errSilent
	}
	if c.askedAt.IsZero() {
		return left, nil
	}
	left = min(left, silence-now.Sub(c.askedAt))
	switch {
	case left > 0:
		return left, nil
	case c.greeted:
		return 0, errNoAnswer
	}
	return 0, errUngreeted
}
