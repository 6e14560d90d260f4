package bitcarttest

import (
	"errors"
	"fmt"
)

// Error is a JSON-RPC error. A MethodFunc returns one to choose code and message itself.
type Error struct {
	Code    int
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("bitcarttest: error %d: %s", e.Code, e.Message) }

// HTTPError makes the daemon answer outside of JSON-RPC, as a reverse proxy in front of it would.
// The answer is text/plain; from status 500 on the connection is closed after it.
type HTTPError struct {
	Status int
	Body   string
}

// Error implements error.
func (e *HTTPError) Error() string { return fmt.Sprintf("bitcarttest: HTTP status %d", e.Status) }

// ErrReset makes the daemon reset the TCP connection instead of answering.
var ErrReset = errors.New("bitcarttest: connection reset")

// ErrClosed is returned by calls on a closed daemon.
var ErrClosed = errors.New("bitcarttest: daemon closed")

// ErrUnknownWallet is returned for a wallet key that the daemon has never loaded, or, by Emit,
// does not have loaded now.
var ErrUnknownWallet = errors.New("bitcarttest: wallet not loaded")

// ErrUnknownRequest is returned by Pay for a request key that the wallet does not have.
var ErrUnknownRequest = errors.New("bitcarttest: no such payment request")

// Codes that no spec holds.
const (
	codeUnauthorized  = -32600
	codeNoMethod      = -32601
	codeInternal      = -32603
	codeParse         = -32700
	codeNoWallet      = -32000
	codeLoadingWallet = -32005
)

// The exceptions of the daemon's envelope, without a Python class in front.
var (
	errNoMethod  = &Error{codeNoMethod, "Procedure not found"}
	errNoWallet  = &Error{codeNoWallet, "Wallet not loaded"}
	errParse     = &Error{codeParse, "Parse error"}
	errForbidden = &Error{codeUnauthorized, "Unauthorized"}
	// errTrouble is an exception outside of the RPC layer.
	errTrouble = &HTTPError{500, "500 Internal Server Error\n\nServer got itself in trouble"}
)

// Exception returns an error for Faults.FailMethod and for a MethodFunc: the daemon answers its
// text with the code that its own list of errors has for it, as for the exceptions of its engine,
// and with -32603 if there is none. The text begins with the name of a Python class: "Exception: No
// path found".
func Exception(text string) error { return exception(text) }

// exception is the text of a Python exception; its code is looked up in the spec.
type exception string

func (e exception) Error() string { return string(e) }

func exceptionf(format string, args ...any) error { return exception(fmt.Sprintf(format, args...)) }
