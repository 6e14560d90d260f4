package blockiotest

import (
	"net/http"
	"slices"
	"time"
)

// Faults are the switches for what goes wrong. The zero value is a service
// without faults. Counts add up until they are used.
type Faults struct {
	s *Service

	// guarded by Service.mu
	requests       []requestFault
	delay          time.Duration
	holding        bool
	duplicates     int
	forged         int
	halfDeliveries int
	cutDeliveries  int
}

// take uses one of a counted fault up.
func take(n *int) bool {
	if *n <= 0 {
		return false
	}
	*n--
	return true
}

// requestFault hits one REST call.
type requestFault struct {
	method     string // "" = any
	status     int
	retryAfter time.Duration
	body       string
	cut        bool // hang up instead of an answer, before (ran false) or after the call has run
	half       bool // answer half of the body
	ran        bool
}

func (f *Faults) add(n int, fault requestFault) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	for range n {
		f.requests = append(f.requests, fault)
	}
}

// next uses up the first fault for a method. The caller holds mu.
func (f *Faults) next(method string) (requestFault, bool) {
	for i, fault := range f.requests {
		if fault.method == "" || fault.method == method {
			f.requests = slices.Delete(f.requests, i, i+1)
			return fault, true
		}
	}
	return requestFault{}, false
}

// FailCalls answers the next n calls of a method ("" = any) with a failure in
// the service's form and does not run them.
func (f *Faults) FailCalls(n int, method, message string) {
	f.add(n, requestFault{method: method, status: http.StatusNotFound, body: failure(message)})
}

// BreakCalls answers the next n calls with an HTTP status and any body, as a
// proxy before the service does: FailCalls without JSON. They do not run.
func (f *Faults) BreakCalls(n int, method string, status int, body string) {
	f.add(n, requestFault{method: method, status: status, body: body})
}

// Throttle refuses the next n calls with a status, one of 419, 420 and 429 in
// the service, and a Retry-After in whole seconds unless it is 0.
func (f *Faults) Throttle(n, status int, retryAfter time.Duration) {
	f.add(n, requestFault{status: status, retryAfter: retryAfter, body: failure("Too many requests.")})
}

// CutCalls hangs up on the next n calls of a method without an answer: after
// the call has run, or without running it.
func (f *Faults) CutCalls(n int, method string, ran bool) {
	f.add(n, requestFault{method: method, cut: true, ran: ran})
}

// HalveAnswers runs the next n calls of a method and hangs up in the middle of
// the answer.
func (f *Faults) HalveAnswers(n int, method string) {
	f.add(n, requestFault{method: method, half: true, ran: true})
}

// DuplicateEvents delivers the next n queued events twice.
func (f *Faults) DuplicateEvents(n int) { f.count(&f.duplicates, n) }

// ForgeSignatures signs the next n attempts with a wrong secret.
func (f *Faults) ForgeSignatures(n int) { f.count(&f.forged, n) }

// HalveDeliveries hangs up on the web hook in the middle of the body, in the
// next n attempts.
func (f *Faults) HalveDeliveries(n int) { f.count(&f.halfDeliveries, n) }

// CutDeliveries hangs up on the web hook once the request has left, without
// waiting for the answer, in the next n attempts. They count as failed.
func (f *Faults) CutDeliveries(n int) { f.count(&f.cutDeliveries, n) }

func (f *Faults) count(field *int, n int) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	*field += n
}

// DelayDeliveries makes events due a while after they are queued, in the
// service's time.
func (f *Faults) DelayDeliveries(d time.Duration) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.delay = d
}

// HoldDeliveries keeps events that are queued from now on back.
func (f *Faults) HoldDeliveries() {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.holding = true
}

// ReleaseDeliveries ends HoldDeliveries and sends what was held: in order, or
// the last one first.
func (f *Faults) ReleaseDeliveries(reverse bool) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.holding = false
	now := f.s.now()
	for _, d := range f.s.sender.queue {
		if !d.held {
			continue
		}
		d.held, d.due = false, now
		if reverse {
			d.rank = -d.rank
		}
	}
	f.s.notifyChange()
}
