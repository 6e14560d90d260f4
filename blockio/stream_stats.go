package blockio

import (
	"sync/atomic"
	"time"
)

// StreamStats is the state of a [Stream]. Counters are cumulative over all its
// Runs.
type StreamStats struct {
	Connected     bool      `json:"connected"`    // the service has greeted the current connection
	LastMessage   time.Time `json:"last_message"` // of any kind, the service's pings included
	Subscriptions int       `json:"subscriptions"`
	Unanswered    int       `json:"unanswered"` // of Subscriptions: not answered yet on the current connection
	Queued        int       `json:"queued"`     // events that wait for their handler
	QueuedBytes   int64     `json:"queued_bytes"`
	Running       int       `json:"running"` // handlers that run now

	Received      uint64 `json:"received"`   // events, without backfilled ones
	Backfilled    uint64 `json:"backfilled"` // updates that the function of WithBackfill returned
	Delivered     uint64 `json:"delivered"`  // events for which the sink returned anything but bitcart.Retry
	Dropped       uint64 `json:"dropped"`    // events beyond Bounds, or of subscriptions that were removed
	Garbage       uint64 `json:"garbage"`    // messages that cannot be read, or that were not asked for
	HandlerErrors uint64 `json:"handler_errors"`
	Reconnects    uint64 `json:"reconnects"`
	Gaps          uint64 `json:"gaps"`
}

// streamCounters count over all runs.
type streamCounters struct {
	received, backfilled, delivered, dropped, garbage, handlerErrors, reconnects, gaps atomic.Uint64
}

// Stats returns the state of the stream.
func (s *Stream) Stats() StreamStats {
	if s == nil {
		return StreamStats{}
	}
	st := StreamStats{
		Received: s.n.received.Load(), Backfilled: s.n.backfilled.Load(), Delivered: s.n.delivered.Load(),
		Dropped: s.n.dropped.Load(), Garbage: s.n.garbage.Load(), HandlerErrors: s.n.handlerErrors.Load(),
		Reconnects: s.n.reconnects.Load(), Gaps: s.n.gaps.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.LastMessage = s.lastMessage
	st.Subscriptions, st.Unanswered = len(s.book.entries), len(s.book.entries)
	r := s.run
	if r == nil {
		return st
	}
	load := r.queue.Counts()
	st.Queued, st.QueuedBytes, st.Running = load.Queued, load.Bytes, load.Running
	if c := r.conn; c != nil {
		st.Connected = c.greeted
		if t := c.message.Load(); t != nil {
			st.LastMessage = *t
		}
		for topic := range s.book.entries {
			if c.sent[topic] {
				st.Unanswered--
			}
		}
	}
	return st
}
