package blockio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/bitcart-go/bitcart"
)

// Receiver is an http.Handler that accepts the service's web hooks; mount it
// under the path of a notification's URL. It hands each event to its handler
// once, as far as its Seen remembers. It answers 200 only for what was handled:
// the service delivers everything else again, 25 times over 30 days.
//
// The service sends the same fact more than once under different event ids (two
// notifications that match it, another number of confirmations), and a handler
// whose commit was lost in a crash runs again: credit by transaction, not per
// event.
//
// How it answers:
//
//	ping                                     200, before any check
//	event, its handler returned nil          200
//	event that was handled before            200, without the handler
//	event of a type in WithIgnored           200
//	not POST                                 405
//	body above WithMaxBody                   413
//	not an envelope with a data object, or
//	  of a type that daemons have           400
//	refused by the Verifier, or of an
//	  unknown notification                   401
//	event without a handler, being handled
//	  right now, handler or Seen failed      503 with Retry-After
//
// It starts no goroutine that outlives a request, so http.Server.Shutdown waits
// for the handlers. Set the server's ReadTimeout: a Receiver limits how much a
// sender sends, not how long that takes.
type Receiver struct {
	sink bitcart.Sink
	conf receiverConfig
}

// Defaults of a Receiver, and what the service's behaviour asks for.
const (
	defaultMaxBody = 4 << 20 // a block's list of txids is up to 1 MB
	defaultLease   = time.Minute
	keepSeen       = 32 * 24 * time.Hour // deliveries are repeated for 30 days
)

var (
	errNoSink    = errors.New("blockio: a receiver needs a sink")
	errNotPost   = errors.New("the method is not POST")
	errUnknownID = errors.New("unknown notification")
	errNoHandler = errors.New("the event has no handler")
)

// NewReceiver returns a Receiver that hands events to sink, a *bitcart.Coin or
// a *bitcart.Dispatcher. Without WithVerifier it accepts deliveries from
// anybody, as Unverified; without WithSeen it remembers events only in memory.
func NewReceiver(sink bitcart.Sink, opts ...ReceiverOption) (*Receiver, error) {
	if sink == nil {
		return nil, errNoSink
	}
	conf, err := receiverOptions(opts)
	if err != nil {
		return nil, err
	}
	if conf.verifier == nil {
		conf.log.Warn("receiver without a verifier: anybody can send events")
	}
	return &Receiver{sink: sink, conf: conf}, nil
}

// ServeHTTP answers one delivery. If the sender hangs up while an event is
// being handled, the handler goes on: it and the Seen get the values of the
// request's context, not its cancellation.
func (rc *Receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rc == nil || rc.sink == nil { // not made by NewReceiver
		w.Header().Set("Retry-After", strconv.Itoa(int(defaultLease.Seconds())))
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	code, why := rc.serve(w, r)
	switch code {
	case http.StatusOK:
		w.WriteHeader(code)
		return
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		// Some senders show their credentials only when they are asked.
		w.Header().Set("WWW-Authenticate", `Basic realm="notifications", charset="UTF-8"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", rc.retryAfter())
	}
	rc.logRefusal(r, code, why)
	http.Error(w, http.StatusText(code), code)
}

func (rc *Receiver) logRefusal(r *http.Request, code int, why error) {
	if rc.conf.log.Enabled(r.Context(), slog.LevelWarn) { // looking for secrets is not free
		rc.conf.log.Warn("delivery not taken", "status", code, "reason", rc.withoutSecrets(r, why), "from", r.RemoteAddr)
	}
}

// retryAfter is a lease, in seconds: then a claim in flight is over, or lost.
func (rc *Receiver) retryAfter() string {
	return strconv.Itoa(int(math.Ceil(rc.conf.lease.Seconds())))
}

// serve answers a status and, unless it is 200, why.
func (rc *Receiver) serve(w http.ResponseWriter, r *http.Request) (int, error) {
	if r.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, errNotPost
	}
	if r.Body == nil {
		return http.StatusBadRequest, io.ErrUnexpectedEOF // a request that no server made
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, rc.conf.maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return http.StatusRequestEntityTooLarge, err
	}
	if err != nil {
		return http.StatusBadRequest, err
	}
	e, err := parseEnvelope(body)
	if err != nil {
		return http.StatusBadRequest, err
	}
	if e.Type == eventPing {
		// Unsigned, and without its answer no notification can be created.
		return http.StatusOK, nil
	}
	proof, err := rc.verify(r, e, body)
	if err != nil {
		return http.StatusUnauthorized, err
	}
	return rc.take(r.Context(), e, &Delivery{
		EventID: e.EventID, NotificationID: e.NotificationID, Attempt: e.Attempt, Type: e.Type,
		Proof: proof, CreatedAt: e.CreatedAt, Raw: body,
	})
}

func (rc *Receiver) verify(r *http.Request, e envelope, body []byte) (Proof, error) {
	if rc.conf.known != nil && !rc.conf.known[e.NotificationID] {
		return Unverified, errUnknownID
	}
	if rc.conf.verifier == nil {
		return Unverified, nil
	}
	return verify(r.Context(), rc.conf.verifier, r, body)
}

// take hands a verified event over, unless it needs no handling.
func (rc *Receiver) take(ctx context.Context, e envelope, d *Delivery) (int, error) {
	if rc.conf.ignored[e.Type] {
		return http.StatusOK, nil
	}
	if !rc.sink.Handles(e.Type) {
		return http.StatusServiceUnavailable, errNoHandler
	}
	update, err := updateOf(e.Type, e.Data, bitcart.SourceWebhook)
	if err != nil {
		return http.StatusBadRequest, err
	}
	ctx = withDelivery(context.WithoutCancel(ctx), d)
	if err := rc.handleOnce(ctx, e.dedupKey(), update); err != nil {
		return http.StatusServiceUnavailable, err
	}
	return http.StatusOK, nil
}

// Format prints no fields under any verb: a Verifier may hold a secret.
func (Receiver) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "blockio.Receiver") }
