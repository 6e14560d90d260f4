package blockio

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/bitcart-go/bitcart"
)

// Statuses by which the service says that it is called too often.
const (
	statusPageExpired  = 419
	statusEnhanceCalm  = 420
	statusTooManyCalls = http.StatusTooManyRequests
)

var (
	errTooLarge  = errors.New("the answer is too large")
	errBadAnswer = errors.New("the answer cannot be read")
)

// APIError is a call that was answered without success, by the service or, with
// an HTTP status, by a proxy in front of it. It prints as Error under every
// verb, in slog and as JSON.
type APIError struct {
	Method string // "create_notification"
	// Message is the service's text as it was received; "" if the answer did not
	// come from the service. It can quote the request, including a URL with its
	// password: do not log it. Error redacts it.
	Message    string
	HTTPStatus int
	RetryAfter time.Duration // of the header, 0 = none

	safe    string // Message without the call's secrets
	foreign bool   // no answer of the service: a proxy's, a captive portal's
}

// Error returns the method, the service's text without secrets, and, if that is
// known, what to do about it.
func (e *APIError) Error() string {
	text := e.safe
	switch {
	case e.foreign:
		text = "not an answer of the service"
	case text == "" && e.Message != "":
		text = "(text withheld)" // not made by a call: nothing says which parts are secret
	case text == "":
		text = "failed without a reason"
	}
	text = fmt.Sprintf("blockio: %s: %s (HTTP status %d)", e.Method, text, e.HTTPStatus)
	if speaksOfAddresses(e.Message) {
		text += "; the service answers only the IP addresses that the account allows: see that it allows this machine's"
	}
	if e.Throttled() {
		text += "; called too often"
	}
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(", again after %s", e.RetryAfter)
	}
	return text
}

// speaksOfAddresses: the service refuses a wrong key and a machine that the
// account does not allow by one text, which names both.
func speaksOfAddresses(message string) bool {
	lower := strings.ToLower(message)
	return strings.Contains(lower, "ip address") || strings.Contains(lower, "whitelist")
}

// Throttled reports whether there were too many calls for the service, or for a
// proxy in front of it: HTTP status 419, 420 or 429. Such a call was not
// executed.
func (e *APIError) Throttled() bool {
	switch e.HTTPStatus {
	case statusPageExpired, statusEnhanceCalm, statusTooManyCalls:
		return true
	}
	return false
}

// Is matches bitcart.ErrInvalidAnswer if the answer did not come from the
// service, and bitcart.ErrMaybeSent if the call may have been executed all the
// same.
func (e *APIError) Is(target error) bool {
	switch target {
	case bitcart.ErrInvalidAnswer:
		return e.foreign && !e.Throttled()
	case bitcart.ErrMaybeSent:
		// A proxy may answer 408 (499 in the words of nginx) when the service has
		// taken too long for it.
		late := e.HTTPStatus == http.StatusRequestTimeout || e.HTTPStatus == 499
		refused := e.HTTPStatus >= 300 && e.HTTPStatus <= 499
		return e.foreign && (late || !refused)
	}
	return false
}

// passing: a repeat may have another answer.
func (e *APIError) passing() bool {
	return e.Throttled() || e.foreign && e.HTTPStatus >= 500
}

// GoString is Error: %#v must not show Message. Like the methods below it is
// of the value, so that a copy of the error keeps silent as well.
func (e APIError) GoString() string { return e.Error() }

// Format prints Error for every verb.
func (e APIError) Format(f fmt.State, _ rune) { writeSafe(f, e.Error()) }

// LogValue is Error as a slog value.
func (e APIError) LogValue() slog.Value { return slogText(e.Error()) }

// MarshalJSON encodes Error: the raw text must not reach a log.
func (e APIError) MarshalJSON() ([]byte, error) { return marshalText(e.Error()) }

// CallError is a call without an answer that can be read. It matches its cause
// (context.DeadlineExceeded, syscall.ECONNREFUSED, ...),
// bitcart.ErrConnectionFailed or bitcart.ErrInvalidAnswer, and
// bitcart.ErrMaybeSent if the service may have executed the call.
type CallError struct {
	Method    string
	MaybeSent bool
	Err       error

	safe string // Err's text without the call's secrets
}

// Error returns the method and what is known of the cause, without secrets.
func (e *CallError) Error() string {
	text := e.safe
	if text == "" {
		text = "failed"
	}
	text = "blockio: " + e.Method + ": " + text
	if e.MaybeSent {
		text += " (the request may have reached the service)"
	}
	return text
}

// Unwrap returns the cause. Its text may contain more than Error shows.
func (e *CallError) Unwrap() error { return e.Err }

// Is matches the errors of package bitcart that CallError names.
func (e *CallError) Is(target error) bool {
	invalid := errors.Is(e.Err, errTooLarge) || errors.Is(e.Err, errBadAnswer)
	switch target {
	case bitcart.ErrMaybeSent:
		return e.MaybeSent
	case bitcart.ErrInvalidAnswer:
		return invalid
	case bitcart.ErrConnectionFailed:
		return !invalid
	}
	return false
}

// GoString is Error.
func (e CallError) GoString() string { return e.Error() }

// Format prints Error for every verb.
func (e CallError) Format(f fmt.State, _ rune) { writeSafe(f, e.Error()) }

// LogValue is Error as a slog value.
func (e CallError) LogValue() slog.Value { return slogText(e.Error()) }

// MarshalJSON encodes Error.
func (e CallError) MarshalJSON() ([]byte, error) { return marshalText(e.Error()) }
