package blockio

import (
	"sync/atomic"
	"time"
)

// StreamStats is the state of a [Stream]. Counters are cumulative over all its
// Runs.
type StreamStats struct {
	Connected     bool      `json:"connected"`    // the service has greeted the present connection
	LastMessage   time.Time `json:"last_message"` // of any kind, the service's pings included
	Subscriptions int       `json:"subscriptions"`
	Unanswered    int       `json:"unanswered"` // of Subscriptions: the present connection has not got an answer for them
	Queued        int       `json:"queued"`     // events that wait, without those a handler holds
	QueuedBytes   int64     `json:"queued_bytes"`
	Running       int       `json:"running"` // handlers inside

	Received      uint64 `json:"received"`   // events, without backfilled ones
	Backfilled    uint64 `json:"backfilled"` // updates that the function of WithBackfill has returned
	Delivered     uint64 `json:"delivered"`  // the sink has returned, and not with bitcart.Retry
	Dropped       uint64 `json:"dropped"`    // beyond Bounds, or unsubscribed
	Garbage       uint64 `json:"garbage"`    // messages that nobody can read, or that nobody asked for
	HandlerErrors uint64 `json:"handler_errors"`
	Reconnects    uint64 `json:"reconnects"`
	Gaps          uint64 `json:"gaps"`
}

// streamCounters count over all runs.
type streamCounters struct {
	received, backfilled, delivered, dropped, garbage, handlerErrors, reconnects, gaps atomic.Uint64
}

// Stats returns the state now.
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
