package blockiotest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Bounds of what a Service keeps.
const (
	maxQueue   = 100_000 // events that wait; more are dropped
	maxLog     = 10_000  // calls, deliveries; the oldest go first
	maxSending = 64      // deliveries under way
	recentLen  = 10      // events of a notification, as in the service
)

// Delivery is one attempt at posting an event to a web hook.
type Delivery struct {
	NotificationID string
	EventID        string // also when it was not sent
	Type           string
	Attempt        int       // from 1
	At             time.Time // of the service, when it began
	Body           []byte    // what was to be sent
	Status         int       // of the answer; 0 = none
	Err            error     // why there was none
	Delivered      bool      // the status was 200 to 299
}

// delivery is an event in the queue of a notification. It is guarded by
// Service.mu.
type delivery struct {
	to        *notification
	eventID   string
	typ       string
	data      json.RawMessage
	created   time.Time
	attempt   int // the next or the last one
	due       time.Time
	rank      int // order among those that are due together
	held      bool
	sending   bool
	delivered bool
}

// sender posts what is due. One goroutine picks, others post.
type sender struct {
	s      *Service
	http   *http.Client
	done   sync.WaitGroup
	queue  []*delivery
	rank   int
	log    []Delivery
	active int
}

func newSender(s *Service) *sender {
	q := &sender{s: s, http: &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: s.cfg.roots},
			MaxIdleConnsPerHost: maxSending,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	q.done.Go(q.run)
	return q
}

// wait is called when the service's ctx has ended.
func (q *sender) wait() {
	q.done.Wait()
	q.http.CloseIdleConnections()
}

// enqueue adds an event for a notification. The caller holds mu.
func (s *Service) enqueue(n *notification, typ string, data json.RawMessage) {
	q := s.sender
	if len(q.queue) >= maxQueue {
		s.log.Warn("event dropped: too many wait", "type", typ)
		return
	}
	q.rank++
	d := &delivery{
		to: n, eventID: s.newID("event"), typ: typ, data: data, created: s.now(),
		attempt: 1, due: s.now().Add(s.faults.delay), rank: q.rank, held: s.faults.holding,
	}
	q.queue = append(q.queue, d)
	n.recent = append(n.recent, d)
	if len(n.recent) > recentLen {
		n.recent = n.recent[1:]
	}
	if take(&s.faults.duplicates) {
		twin := *d
		q.rank++
		twin.rank = q.rank
		q.queue = append(q.queue, &twin)
	}
	s.notifyChange()
}

// run starts what is due until the service closes.
func (q *sender) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		q.s.mu.Lock()
		now := q.s.now()
		for d := q.pick(now); d != nil; d = q.pick(now) {
			q.begin(d)
		}
		timer.Reset(q.untilNext(now))
		changed := q.s.changed
		q.s.mu.Unlock()
		select {
		case <-q.s.ctx.Done():
			return
		case <-changed:
		case <-timer.C:
		}
	}
}

// pick returns the delivery to begin with, or nil. The caller holds mu.
func (q *sender) pick(now time.Time) *delivery {
	if q.active >= maxSending || q.s.closed {
		return nil
	}
	var first *delivery
	for _, d := range q.queue {
		if !d.ready(now) || d.to.sending >= q.s.cfg.parallel {
			continue
		}
		if first == nil || cmp.Or(d.due.Compare(first.due), cmp.Compare(d.rank, first.rank)) < 0 {
			first = d
		}
	}
	return first
}

func (d *delivery) ready(now time.Time) bool {
	return !d.held && !d.sending && !d.due.After(now)
}

// untilNext is when the next delivery is due. One that is due and has no place
// waits for a change instead. The caller holds mu.
func (q *sender) untilNext(now time.Time) time.Duration {
	next := time.Hour
	for _, d := range q.queue {
		if !d.held && !d.sending && d.due.After(now) {
			next = min(next, d.due.Sub(now))
		}
	}
	return next
}

// begin posts on a goroutine of its own. The caller holds mu.
func (q *sender) begin(d *delivery) {
	if !d.to.Enabled {
		q.drop(d)
		return
	}
	d.sending = true
	d.to.sending++
	q.active++
	p := q.post(d)
	q.done.Go(func() {
		status, err := q.send(p)
		q.end(d, p, status, err)
	})
}

func (q *sender) drop(d *delivery) {
	q.queue = slices.DeleteFunc(q.queue, func(other *delivery) bool { return other == d })
	q.s.notifyChange()
}

// end notes what came of an attempt and plans the next one.
func (q *sender) end(d *delivery, p post, status int, err error) {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	d.sending = false
	d.to.sending--
	q.active--
	d.delivered = err == nil && status >= 200 && status <= 299
	q.log = append(q.log, Delivery{
		NotificationID: d.to.ID, EventID: d.eventID, Type: d.typ, Attempt: d.attempt, At: p.at, Body: p.body,
		Status: status, Err: err, Delivered: d.delivered,
	})
	if len(q.log) > maxLog {
		q.log = slices.Delete(q.log, 0, len(q.log)-maxLog)
	}
	if d.delivered || d.attempt > retries {
		q.drop(d)
		return
	}
	d.due = d.due.Add(retryPauses[d.attempt-1]) // the time that answers take does not shift the plan
	d.attempt++
	q.s.notifyChange()
}

// post is one attempt, with the faults that hit it.
type post struct {
	target    *url.URL
	body      []byte
	at        time.Time
	half, cut bool
}

// post composes an attempt. The caller holds mu.
func (q *sender) post(d *delivery) post {
	f := &q.s.faults
	return post{
		target: d.to.target,
		body:   q.s.compose(d),
		at:     q.s.now(),
		half:   take(&f.halfDeliveries),
		cut:    take(&f.cutDeliveries),
	}
}

// compose writes the envelope. The caller holds mu.
func (s *Service) compose(d *delivery) []byte {
	envelope := struct {
		EventID        string          `json:"event_id,omitempty"`
		NotificationID string          `json:"notification_id"`
		Attempt        int             `json:"delivery_attempt"`
		Type           string          `json:"type"`
		Data           json.RawMessage `json:"data"`
		CreatedAt      int64           `json:"created_at"`
	}{"", d.to.ID, d.attempt, d.typ, d.data, d.created.Unix()}
	if s.cfg.eventIDs {
		envelope.EventID = d.eventID
	}
	body, err := json.Marshal(envelope)
	if err != nil {
		return nil // not with data that objectOf has checked
	}
	forged := take(&s.faults.forged)
	if s.cfg.secret == nil && !forged {
		return body
	}
	secret := s.cfg.secret
	if forged {
		secret = append([]byte("not "), secret...)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(body)
	return slices.Concat(body[:len(body)-1], []byte(`,"signature":"`+hex.EncodeToString(mac.Sum(nil))+`"}`))
}

var errHalfBody = errors.New("blockiotest: the body was cut off")

// send posts and returns the status of the answer.
func (q *sender) send(p post) (int, error) {
	ctx, cancel := context.WithTimeout(q.s.ctx, q.s.cfg.hookTimeout)
	defer cancel()
	var body io.Reader = bytes.NewReader(p.body)
	if p.half {
		half := bytes.NewReader(p.body[:len(p.body)/2])
		body = io.MultiReader(half, failing{errHalfBody})
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.target.String(), body)
	if err != nil {
		return 0, err
	}
	req.ContentLength = int64(len(p.body))
	req.Header.Set("Content-Type", "application/json")
	if p.cut {
		return 0, cmp.Or(q.sendAndHangUp(req), errHungUp)
	}
	resp, err := q.http.Do(req) // user info in the URL goes out as Basic auth
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, err
}

var errHungUp = errors.New("blockiotest: hung up before the answer")

// sendAndHangUp writes a request on a connection of its own and closes that. A
// client whose context is cancelled may do so before the request has left.
func (q *sender) sendAndHangUp(req *http.Request) error {
	if user := req.URL.User; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	conn, err := q.dial(req.Context(), req.URL)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(req.Context(), func() { _ = conn.Close() })
	defer stop()
	return req.Write(conn)
}

func (q *sender) dial(ctx context.Context, target *url.URL) (net.Conn, error) {
	if target.Scheme == "https" {
		d := tls.Dialer{Config: &tls.Config{RootCAs: q.s.cfg.roots}}
		return d.DialContext(ctx, "tcp", net.JoinHostPort(target.Hostname(), cmp.Or(target.Port(), "443")))
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", net.JoinHostPort(target.Hostname(), cmp.Or(target.Port(), "80")))
}

// failing is a reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// ping asks a URL whether it is a web hook, as a new notification's is.
func (q *sender) ping(target *url.URL) bool {
	status, err := q.send(post{target: target, body: []byte(`{"type":"ping"}`)})
	return err == nil && status >= 200 && status <= 299
}

// Deliveries lists the attempts that have ended, in the order of their end.
func (s *Service) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sender.log)
}

// Waiting counts the events that are neither delivered nor given up, including
// those under way.
func (s *Service) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sender.queue)
}

// Wait blocks until no delivery is under way or due: what is left has failed
// and waits for its next attempt, or is held.
func (s *Service) Wait(ctx context.Context) error {
	return s.waitFor(ctx, func() bool { return s.sender.idle(s.now()) })
}

// idle is called under mu.
func (q *sender) idle(now time.Time) bool {
	return !slices.ContainsFunc(q.queue, func(d *delivery) bool { return d.sending || d.ready(now) })
}

// Advance moves the service's time on by d. What falls due on the way is
// delivered at its own time and order, and Advance waits for the answers; d is
// the whole way, and the time that the answers take comes on top.
func (s *Service) Advance(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	target := s.now().Add(d)
	s.mu.Unlock()
	for {
		if err := s.Wait(ctx); err != nil {
			return err
		}
		more, err := s.step(target)
		if err != nil || !more {
			return err
		}
	}
}

// step moves the time to the next delivery until target, or to target.
func (s *Service) step(target time.Time) (more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, ErrClosed
	}
	next, more := s.sender.nextDue(target)
	s.jump(next)
	return more, nil
}

// jump sets the time, never back. The caller holds mu.
func (s *Service) jump(to time.Time) {
	if ahead := to.Sub(s.now()); ahead > 0 {
		s.offset += ahead
	}
	s.notifyChange()
}

// nextDue is the first time until target at which a delivery is due. The
// caller holds mu.
func (q *sender) nextDue(target time.Time) (time.Time, bool) {
	next, found := target, false
	for _, d := range q.queue {
		if !d.held && !d.due.After(next) {
			next, found = d.due, true
		}
	}
	return next, found
}
