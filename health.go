package bitcart

import (
	"sync/atomic"
	"time"
)

// Stats describes the state of a stream. The counters are cumulative over all
// streams of the Coin, or of the manager's daemon; a stream that a managed Coin
// runs by itself counts from 0. The other members are zero while no stream
// runs, except for Currency, URL and LastEvent.
type Stats struct {
	Currency   string    `json:"currency"`
	URL        string    `json:"url"` // without credentials
	Connected  bool      `json:"connected"`
	Recovering bool      `json:"recovering"` // some wallets have not been tried since the connect
	Since      time.Time `json:"since"`      // when the connection was made, or lost
	LastFrame  time.Time `json:"last_frame"` // when the daemon last sent anything, pongs included
	LastEvent  time.Time `json:"last_event"` // when the last update was received

	// Received counts live, polled and recovered updates, without garbage.
	Received uint64 `json:"received"`
	// Delivered counts handlers that returned anything but Retry, and events
	// that a loop over Events took.
	Delivered uint64 `json:"delivered"`
	// Recovered counts updates from the daemon's queue, which came late.
	Recovered uint64 `json:"recovered"`
	// Dropped counts events beyond the bounds, and those of removed wallets.
	Dropped       uint64 `json:"dropped"`
	Ignored       uint64 `json:"ignored"`        // events without a handler
	Garbage       uint64 `json:"garbage"`        // messages and updates that cannot be read
	Foreign       uint64 `json:"foreign"`        // updates of wallets that were not added
	HandlerErrors uint64 `json:"handler_errors"` // errors of handlers, panics included
	Panics        uint64 `json:"panics"`         // panics of handlers

	Queued      int `json:"queued"`       // events that wait for their handler
	QueuedBytes int `json:"queued_bytes"` // the size of those events, as StreamConfig.QueueBytes counts it
	Reconnects  int `json:"reconnects"`   // connections after the first; cumulative
	Gaps        int `json:"gaps"`         // gaps that were found, with OnGap or without; cumulative
	Armed       int `json:"armed"`        // wallets that the daemon watches now
	Unarmed     int `json:"unarmed"`      // wallets that it does not watch, or not yet
	// Running counts the handlers that run now. When it reaches
	// StreamConfig.Workers, wallets wait for each other.
	Running int `json:"running"`
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

// Stats returns the state of the Coin's stream, or, for a managed Coin, of its
// daemon's stream. It is cheap and may be called at any time.
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
