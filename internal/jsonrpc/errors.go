package jsonrpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

var (
	// ErrTooLarge is inside a TransportError when the answer has more than Config.MaxAnswer bytes.
	ErrTooLarge = errors.New("answer too large")
	// ErrBadAnswer is inside a TransportError when something answered, but not with a JSON-RPC answer
	// to this call or, from Spec, not with a valid spec.
	ErrBadAnswer = errors.New("bad answer")
)

// errForeignID marks an answer to some other call. It says nothing about this one, whatever its status.
var errForeignID = fmt.Errorf("%w: its id is not the id of the call", ErrBadAnswer)

// Error is a JSON-RPC error: the daemon got the call and answered that it failed.
type Error struct {
	// Code means different things on different daemons; Client.ErrorName resolves it.
	Code int
	// Message is the daemon's text as received. It may repeat arguments of the call, wallet keys
	// included, so it must not be printed unredacted. It is empty when the daemon sent no string.
	Message string
}

// Error names the code only, because Message may hold secrets.
func (e *Error) Error() string {
	return "jsonrpc: the daemon answered with error " + strconv.Itoa(e.Code)
}

// TransportError means that there is no valid answer of the daemon.
type TransportError struct {
	// MaybeSent tells that the daemon may have run, or may still run, the call. False is certain:
	// the request never left, or it was refused before a method ran. It is always false in errors of
	// Spec, which changes nothing in the daemon.
	MaybeSent bool
	// StatusCode is the HTTP status, 0 when there was no HTTP answer.
	StatusCode int
	// Err is the cause: ErrTooLarge, ErrBadAnswer, or what the network, TLS or the context reported.
	// Its text is safe to print.
	Err error
}

// Error is a short text without URL, credentials, request or answer body.
func (e *TransportError) Error() string {
	if e.StatusCode == 0 {
		return fmt.Sprintf("jsonrpc: %v", e.Err)
	}
	return fmt.Sprintf("jsonrpc: HTTP status %d: %v", e.StatusCode, e.Err)
}

// Unwrap returns Err.
func (e *TransportError) Unwrap() error { return e.Err }

func badAnswer(reason string) error {
	return fmt.Errorf("%w: %s", ErrBadAnswer, reason)
}

// quietError keeps its causes within reach of errors.Is and errors.As under a text that is safe to print.
type quietError struct {
	text   string
	causes []error
}

func (e *quietError) Error() string   { return e.text }
func (e *quietError) Unwrap() []error { return e.causes }

// quiet prepares an error of net/http to be shown. It takes off the *url.Error, whose text has the
// URL, and whatever net/http quotes from the answer or from a proxy's address. When ctx has ended
// it makes sure that ctx.Err() is found, because net/http reports the context's cause instead.
func quiet(ctx context.Context, err error) error {
	for outer := (*url.Error)(nil); errors.As(err, &outer); {
		err = outer.Err
	}
	causes := []error{err}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		causes = append(causes, ended)
	}
	text := safeText(err)
	if len(causes) == 1 && text == err.Error() {
		return err
	}
	return &quietError{text: text, causes: causes}
}

// safeText drops everything from the first quotation mark or line end on: net/http quotes what it
// could not understand, which can be a part of an answer.
func safeText(err error) string {
	var header textproto.ProtocolError // some Go versions put the header line into it without quotation marks
	if errors.As(err, &header) {
		return "malformed HTTP header"
	}
	text := err.Error()
	if i := strings.IndexAny(text, "\"`\r\n"); i >= 0 {
		text = strings.TrimRight(text[:i], " :(")
	}
	if text == "" {
		return "HTTP exchange failed"
	}
	return text
}

// neverConnected tells whether err itself proves that no connection was made.
func neverConnected(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}
