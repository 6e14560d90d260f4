package bitcart

import (
	"sync/atomic"
	"time"
)

// Stats says how a stream is doing; counters are cumulative over all streams of
// the Coin, or of the manager's daemon. A stream that a managed Coin runs by
// itself counts from 0.
type Stats struct {
	Currency   string    `json:"currency"`
	URL        string    `json:"url"` // without credentials
	Connected  bool      `json:"connected"`
	Recovering bool      `json:"recovering"` // wallets are still being made ready
	Since      time.Time `json:"since"`      // of the current connection, or of its loss
	LastFrame  time.Time `json:"last_frame"` // anything that the daemon sent, pongs included
	LastEvent  time.Time `json:"last_event"` // the last update that was received

	Received      uint64 `json:"received"`       // updates of frames, polled and recovered ones, without garbage
	Delivered     uint64 `json:"delivered"`      // handlers that returned anything but Retry; events that the loop of Events took
	Recovered     uint64 `json:"recovered"`      // updates that came late, from the daemon's queue
	Dropped       uint64 `json:"dropped"`        // events that found no room, or whose wallet was removed
	Ignored       uint64 `json:"ignored"`        // events without a handler
	Garbage       uint64 `json:"garbage"`        // what was no update
	Foreign       uint64 `json:"foreign"`        // updates of wallets that were not added
	HandlerErrors uint64 `json:"handler_errors"` // errors of handlers, panics included
	Panics        uint64 `json:"panics"`

	Queued      int `json:"queued"`       // events that wait for their handler
	QueuedBytes int `json:"queued_bytes"` // their size
	Reconnects  int `json:"reconnects"`   // connections after the first
	Gaps        int `json:"gaps"`         // gaps that were found, with OnGap or without
	Armed       int `json:"armed"`        // wallets that are watched now
	Unarmed     int `json:"unarmed"`      // wallets that are not, or not yet
	Running     int `json:"running"`      // handlers inside; at StreamConfig.Workers, wallets wait for each other
}

// counter names one of the cumulative members of Stats.
type counter int

const (
	received counter = iota
	delivered
	recovered
	dropped
	ignored
	garbage
	foreign
	handlerErrors
	panics
	reconnects
	gaps
	counterCount
)

// paddedCounter has a cache line of its own: the reader and the workers count
// each event.
type paddedCounter struct {
	atomic.Uint64
	_ [56]byte
}

// counters is what a daemon's streams have counted, and the link of the one
// that is running. A nil *counters counts nothing.
type counters struct {
	values    [counterCount]paddedCounter
	lastEvent atomic.Int64 // unix nanoseconds
	live      atomic.Pointer[link]
}

func (n *counters) add(c counter) {
	if n != nil {
		n.values[c].Add(1)
	}
}

func (n *counters) addN(c counter, delta int) {
	if n != nil && delta > 0 {
		n.values[c].Add(uint64(delta))
	}
}

// Stats returns how the Coin's stream is doing; for a managed Coin, the
// stream of its daemon. It is cheap and may be called at any time.
func (c *Coin) Stats() Stats {
	if c.ready() != nil {
		return Stats{}
	}
	if d := c.self.Load(); d != nil && c.running.Load() {
		return d.stats()
	}
	return c.d.stats()
}

func (d *daemon) stats() Stats {
	n := &d.n
	get := func(c counter) uint64 { return n.values[c].Load() }
	s := Stats{
		Currency: d.cur.Symbol, URL: d.name(),
		Received: get(received), Delivered: get(delivered), Recovered: get(recovered), Dropped: get(dropped),
		Ignored: get(ignored), Garbage: get(garbage), Foreign: get(foreign),
		HandlerErrors: get(handlerErrors), Panics: get(panics),
		Reconnects: int(get(reconnects)), Gaps: int(get(gaps)),
	}
	if t := n.lastEvent.Load(); t != 0 {
		s.LastEvent = time.Unix(0, t)
	}
	if l := n.live.Load(); l != nil {
		l.addTo(&s)
	}
	return s
}
