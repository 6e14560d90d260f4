package blockiotest

import (
	"time"

	"github.com/gorilla/websocket"
)

// socketFaults is guarded by Service.mu.
type socketFaults struct {
	status     int // of an upgrade; 0 = upgrade
	ungreeting bool
	silent     bool
	holding    bool
	delay      time.Duration
	copies     int
	refuse     func(SocketRequest) string
	ping       time.Duration
	pingWake   chan struct{} // closed when ping changes; nil while nobody waits
}

// pingChanged is called under Service.mu.
func (f *socketFaults) pingChanged() <-chan struct{} {
	if f.pingWake == nil {
		f.pingWake = make(chan struct{})
	}
	return f.pingWake
}

func (ss *sockets) refusal() int {
	ss.s.mu.Lock()
	defer ss.s.mu.Unlock()
	return ss.faults.status
}

// change changes the faults.
func (ss *sockets) change(f func(*socketFaults)) {
	ss.s.mu.Lock()
	defer ss.s.mu.Unlock()
	f(&ss.faults)
}

// CutSockets cuts every open web socket and waits until they are gone.
func (f *Faults) CutSockets(how Cut) { f.s.sockets.cut(how) }

// SilenceSockets makes the service send nothing over web sockets, like a peer
// that has vanished; it goes on reading. What it would have sent is lost.
func (f *Faults) SilenceSockets(on bool) {
	f.s.sockets.change(func(sf *socketFaults) { sf.silent = on })
}

// RefuseUpgrades answers websocket upgrades with an HTTP status, such as 503. 0
// ends it.
func (f *Faults) RefuseUpgrades(status int) {
	f.s.sockets.change(func(sf *socketFaults) { sf.status = status })
}

// RefuseSubscriptions refuses each request for which refusal returns a text,
// with that text. nil ends it. refusal must not cut sockets or close the Service.
func (f *Faults) RefuseSubscriptions(refusal func(SocketRequest) (message string)) {
	f.s.sockets.change(func(sf *socketFaults) { sf.refuse = refusal })
}

// WithholdGreeting keeps back the success message that greets a new connection.
// When it ends, the waiting connections get theirs.
func (f *Faults) WithholdGreeting(on bool) {
	ss := f.s.sockets
	ss.change(func(sf *socketFaults) { sf.ungreeting = on })
	if on {
		return
	}
	for _, k := range ss.list(everySocket) {
		k.greet()
	}
}

// HoldAnswers keeps the answers to requests back. When it ends, they are sent.
func (f *Faults) HoldAnswers(on bool) {
	f.s.sockets.change(func(sf *socketFaults) { sf.holding = on })
	if !on {
		f.ReleaseAnswers()
	}
}

// ReleaseAnswers sends what HoldAnswers has kept so far.
func (f *Faults) ReleaseAnswers() {
	for _, k := range f.s.sockets.list(everySocket) {
		for _, msg := range k.takeHeld() {
			k.send(websocket.TextMessage, msg)
		}
	}
}

func (k *socket) takeHeld() [][]byte {
	k.ss.s.mu.Lock()
	defer k.ss.s.mu.Unlock()
	held := k.held
	k.held = nil
	return held
}

// DelayAnswers makes each request wait so long before it is taken.
func (f *Faults) DelayAnswers(d time.Duration) {
	f.s.sockets.change(func(sf *socketFaults) { sf.delay = d })
}

// RepeatEvents sends each event over a socket so many times. 1 ends it.
func (f *Faults) RepeatEvents(times int) {
	f.s.sockets.change(func(sf *socketFaults) { sf.copies = max(times, 1) })
}

// PingEvery sets the interval of the sockets' pings. 0 = 30 s, as in the real
// service.
func (f *Faults) PingEvery(d time.Duration) {
	f.s.sockets.change(func(sf *socketFaults) {
		if sf.ping = d; d <= 0 {
			sf.ping = pingEvery
		}
		if sf.pingWake != nil {
			close(sf.pingWake)
			sf.pingWake = nil
		}
	})
}
