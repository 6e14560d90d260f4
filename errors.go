package bitcart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/bitcart-go/bitcart/internal/jsonrpc"
)

// Errors of the library. Match them with errors.Is.
var (
	// ErrConnectionFailed: the daemon could not be reached, or the connection
	// to it ended without an answer.
	ErrConnectionFailed = errors.New("bitcart: connection to the daemon failed")
	// ErrMaybeSent: the request of a failed call may have reached the daemon,
	// so it may have had its effect. The error matches its cause as well. If the
	// error of a call does not match ErrMaybeSent, the call has had no effect, or
	// the daemon has answered it with an error.
	ErrMaybeSent = errors.New("bitcart: the request may have reached the daemon")
	// ErrInvalidAnswer: the answer cannot be read, or does not come from a daemon.
	ErrInvalidAnswer = errors.New("bitcart: invalid answer")
	// ErrUnsupportedCurrency: the symbol is neither known nor registered.
	ErrUnsupportedCurrency = errors.New("bitcart: unsupported currency")
	// ErrNoCurrencies: an APIManager without any currency cannot stream.
	ErrNoCurrencies = errors.New("bitcart: no currencies")
	// ErrWalletRequired: the method needs a Coin with a wallet.
	ErrWalletRequired = errors.New("bitcart: a wallet is required")
	// ErrWalletIncomplete: the Wallet has no Xpub, or is an XMR view key without
	// its Address.
	ErrWalletIncomplete = errors.New("bitcart: wallet is incomplete")
	// ErrUnknownWallet: the APIManager has no such wallet, or no such currency.
	ErrUnknownWallet = errors.New("bitcart: unknown wallet")
	// ErrWrongEvent: the payload type belongs to another event.
	ErrWrongEvent = errors.New("bitcart: payload belongs to another event")
	// ErrLightningDisabled: the daemon's /spec says that lightning is off.
	ErrLightningDisabled = errors.New("bitcart: lightning is disabled in the daemon")
	// ErrPayerRefused: the daemon does not know the payment request, or the
	// payer is not an address. The daemon does not say which.
	ErrPayerRefused = errors.New("bitcart: the daemon refused the payer of the request")
	// ErrStreamRunning: the Coin or its APIManager streams already. Only that
	// stream may read the daemon's queue.
	ErrStreamRunning = errors.New("bitcart: a stream is running")
	// ErrNoDaemon: the Coin is nil or a zero value. NewCoin makes Coins.
	ErrNoDaemon = errors.New("bitcart: the Coin has no daemon: use NewCoin")
	// ErrInvalidAmount: the amount is negative, zero, too long or has digits
	// beyond the smallest unit, as the method says. Nothing was sent.
	ErrInvalidAmount = errors.New("bitcart: the amount cannot be paid")
	// ErrDrainTimeout matches a *DrainError.
	ErrDrainTimeout = errors.New("bitcart: drain timed out")
)

// Errors that daemons answer. Their codes differ between daemons, so an
// *[RPCError] is matched by the name that the daemon itself gives to its code
// (protocol section 3.2), or by its text where the daemon has no code for it.
// errors.Is(err, ErrRequestNotFound) therefore works for every currency.
var (
	ErrUnauthorized error = newException("Unauthorized", "wrong user or password")

	ErrWalletNotLoaded      error = newException("WalletNotLoaded", "wallet is not loaded")
	ErrLoadingWallet        error = newException("LoadingWallet", "wallet cannot be loaded")
	ErrWalletExists         error = newException("WalletExists", "wallet exists already")
	ErrWalletVersion        error = newException("WalletVersionMismatch", "wallet is of another version")
	ErrWatchOnlyWallet      error = newException("WatchOnlyWallet", "wallet is watch-only")
	ErrNoSeed               error = newException("NoSeed", "wallet has no seed")
	ErrInvalidKey           error = newException("InvalidKeyProvided", "key is invalid")
	ErrPrivateKeyRequired   error = newException("PrivateKeyRequired", "private key is required")
	ErrRequestNotFound      error = newException("RequestNotFound", "payment request not found")
	ErrInvoiceNotFound      error = newException("InvoiceNotFound", "lightning invoice not found")
	ErrTxNotFound           error = newException("TxNotFound", "transaction not found")
	ErrInvalidTxHash        error = newException("InvalidTxHash", "transaction hash is invalid")
	ErrAlreadyBroadcast     error = newException("", "the network has the transaction already")
	ErrInvalidTransaction   error = newException("InvalidTransaction", "transaction is invalid")
	ErrInvalidHexString     error = newException("InvalidHexString", "hex string is invalid")
	ErrInvalidAddress       error = newException("InvalidAddress", "address is invalid")
	ErrNotEnoughFunds       error = newException("NotEnoughFunds", "not enough funds")
	ErrInvalidFee           error = newException("InvalidFeeParameters", "fee parameters are invalid")
	ErrNoMessage            error = newException("NoMessageSpecified", "no message was given")
	ErrInvalidContract      error = newException("InvalidContractAddress", "contract address is invalid")
	ErrNoContractFunction   error = newException("NoSuchContractFunction", "contract has no such function")
	ErrInvalidContractArgs  error = newException("InvalidContractArguments", "contract arguments are invalid")
	ErrUnexpectedFormat     error = newException("UnexpectedFormat", "format is unexpected")
	ErrNoConfigKey          error = newException("NoConfigKey", "no such configuration key")
	ErrInvalidNodeID        error = newException("InvalidNodeID", "lightning node id is invalid")
	ErrInvalidInvoice       error = newException("InvalidLightningInvoice", "lightning invoice is invalid")
	ErrNoPath               error = newException("NoPathFound", "no lightning path found")
	ErrLightningUnsupported error = newException("LightningUnsupported", "wallet does not support lightning")
	ErrProcedureNotFound    error = newException("ProcedureNotFound", "daemon has no such method")

	// ErrUnsupported: the currency's daemons do not support the method. An
	// *UnsupportedError, which comes without a call, matches it, and so does the
	// answer of a daemon that has no such method (ErrProcedureNotFound) or feature.
	ErrUnsupported error = newException("NotImplemented", "not supported by this daemon")
)

// RPCError is an error that the daemon answered: the call has arrived and
// failed.
type RPCError struct {
	Currency string // "" in an error that was not made by a call
	Method   string // of the daemon: "get_request"
	// Code is the daemon's number. The same number means different things on
	// different daemons; compare with errors.Is instead.
	Code int
	// Name is the exc_name that the daemon's /spec gives to Code, such as
	// "RequestNotFoundError"; "" if it has none.
	Name string
	// Message is the daemon's raw text. It can quote the request, including a
	// wallet's key: do not log it. Error redacts it.
	Message string

	safe string // Message without the call's secrets
}

// Error returns the method, the name and code of the error, and the daemon's
// text without the call's wallet and credentials.
func (e *RPCError) Error() string {
	name := e.Name
	if name == "" {
		name = "error"
	}
	text := e.safe
	if text == "" && e.Message != "" {
		text = "(text withheld)" // not made by a call: nothing says which parts are secret
	}
	return fmt.Sprintf("bitcart: %s: %s %d: %s", strings.TrimSpace(e.Currency+" "+e.Method), name, e.Code, text)
}

// Is reports whether the daemon's answer means target, which is one of the
// errors above that daemons answer.
func (e *RPCError) Is(target error) bool {
	want, ok := target.(*exception)
	if !ok {
		return false
	}
	// What no catalogue has a name for is known by its text alone.
	if name := e.name(); name != "" && want.name != "" {
		return name == want.name || wider[name] == target
	}
	text := strings.ToLower(e.Message)
	return slices.ContainsFunc(exceptionTexts[want], func(t string) bool { return strings.Contains(text, t) })
}

// name is the exception's name without "Error". Two codes mean the same on all
// daemons, so they need no catalogue.
func (e *RPCError) name() string {
	switch {
	case e.Name != "":
		return strings.TrimSuffix(e.Name, "Error")
	case e.Code == -32601:
		return "ProcedureNotFound"
	case e.Code == -32602:
		return "NotImplemented"
	}
	return ""
}

// GoString is Error: %#v must not show Message. Like the methods below it is of
// the value, so that a copy of the error keeps silent as well.
func (e RPCError) GoString() string { return e.Error() }

// Format prints Error for every verb.
func (e RPCError) Format(f fmt.State, _ rune) { writeSafe(f, e.Error()) }

// LogValue is Error as a slog value.
func (e RPCError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// MarshalJSON encodes Error: the raw text must not reach a log.
func (e RPCError) MarshalJSON() ([]byte, error) { return marshalText(e.Error()) }

// CallError is a call without an answer, or with one that cannot be used. It
// matches ErrConnectionFailed or ErrInvalidAnswer, and its cause
// (context.DeadlineExceeded, syscall.ECONNREFUSED, ...). It matches
// ErrMaybeSent if the request may have reached the daemon, and ErrUnauthorized
// for HTTP status 401 or 403.
type CallError struct {
	Method     string
	StatusCode int  // of an HTTP answer that is not a daemon's; 0 = none
	MaybeSent  bool // the request may have reached the daemon
	Err        error

	safe string // of a call: Err's text without what was sent
}

// Error returns the method and the cause, without keys and credentials, and
// says whether the request may have arrived.
func (e *CallError) Error() string {
	text := e.safe
	if text == "" {
		text = inner(e.Err)
	}
	text = "bitcart: " + e.Method + ": " + text
	if e.MaybeSent {
		text += " (the request may have reached the daemon)"
	}
	return text
}

// Unwrap returns the cause.
func (e *CallError) Unwrap() error { return e.Err }

// Is matches ErrMaybeSent and ErrUnauthorized as the fields say, and one of
// ErrConnectionFailed and ErrInvalidAnswer.
func (e *CallError) Is(target error) bool {
	switch target {
	case ErrMaybeSent:
		return e.MaybeSent
	case ErrUnauthorized:
		return e.StatusCode == 401 || e.StatusCode == 403
	case ErrInvalidAnswer:
		return e.invalidAnswer()
	case ErrConnectionFailed:
		return !e.invalidAnswer()
	}
	return false
}

// invalidAnswer reports whether something answered that was no daemon, or could
// not be read.
func (e *CallError) invalidAnswer() bool {
	if errors.Is(e.Err, jsonrpc.ErrBadAnswer) || errors.Is(e.Err, jsonrpc.ErrTooLarge) ||
		errors.As(e.Err, new(*decodeError)) {
		return true
	}
	return e.StatusCode != 0 && !broken(e.Err)
}

// broken reports whether the connection ended, or the call's time was over, while
// the answer was read.
func broken(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}

// ConnectError is a websocket that could not be opened, or whose connection has
// ended. It matches ErrConnectionFailed and its cause, such as ErrUnauthorized.
type ConnectError struct {
	Currency   string
	URL        string // without credentials
	StatusCode int    // of the HTTP answer that refused the upgrade; 0 = none
	Err        error

	safe string // of a stream: Err's text without the wallet and the credentials
}

// Error returns the currency, the URL and the cause, without keys and
// credentials.
func (e *ConnectError) Error() string {
	text := e.safe
	if text == "" {
		text = inner(e.Err)
	}
	return fmt.Sprintf("bitcart: %s: websocket %s: %s", e.Currency, e.URL, text)
}

// Unwrap returns the cause.
func (e *ConnectError) Unwrap() error { return e.Err }

// Is matches ErrConnectionFailed.
func (e *ConnectError) Is(target error) bool { return target == ErrConnectionFailed }

// OptionError is an option that is wrong, or that was given where it has no
// meaning.
type OptionError struct {
	Option string // "WithURL"
	Err    error
}

// Error returns the option's name and what is wrong with it, without its value.
func (e *OptionError) Error() string { return "bitcart: " + e.Option + ": " + inner(e.Err) }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// PayloadError is an update whose body does not fit the payload type.
type PayloadError struct {
	Event string
	Field string // the member's name in the update; "" = the body as a whole
	Err   error  // ErrMissingMember for a required member that is absent or null
}

// Error returns the event, the member and what is wrong with it.
func (e *PayloadError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("bitcart: %s: %s", e.Event, e.Err)
	}
	return fmt.Sprintf("bitcart: %s: member %q: %s", e.Event, e.Field, e.Err)
}

// Unwrap returns the cause; ErrMissingMember where a member is missing.
func (e *PayloadError) Unwrap() error { return e.Err }

// ErrMissingMember means that a required member of a payload is absent or null.
var ErrMissingMember = errors.New("missing")

// HandlerError is an error that a handler returned, or its panic as a
// *[PanicError].
type HandlerError struct {
	Event *Event
	Err   error
}

// Error returns the event's name and the text of Err.
func (e *HandlerError) Error() string {
	name := "an event"
	if e.Event != nil {
		name = e.Event.Name
	}
	return fmt.Sprintf("bitcart: handler of %s: %s", name, inner(e.Err))
}

// Unwrap returns what the handler returned.
func (e *HandlerError) Unwrap() error { return e.Err }

// PanicError is a panic of a handler. Its Value comes from the handler and may
// be anything, even a wallet's key, and the text of the error contains it: do
// not log either.
type PanicError struct {
	Value any    // the argument of panic; nil if the handler called runtime.Goexit
	Stack []byte // the goroutine's stack, as debug.Stack writes it
}

// Error returns the text of Value: do not log it.
func (e *PanicError) Error() string {
	if e.Value == nil {
		return "runtime.Goexit was called"
	}
	return fmt.Sprintf("panic: %v", e.Value)
}

// Unwrap returns Value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// DrainError says that a stream ended before everything was handled. It matches
// ErrDrainTimeout.
type DrainError struct {
	Undelivered int // events whose handler was never called
	Retrying    int // events that waited for another attempt after Retry
	Running     int // handlers and hooks that were still running
	Cut         int // get_updates calls that were cut off: the updates that they took are lost
}

// Error returns the four numbers.
func (e *DrainError) Error() string {
	return fmt.Sprintf("bitcart: drain timed out: %d events undelivered, %d waiting for another attempt, "+
		"%d handlers running, %d calls cut off", e.Undelivered, e.Retrying, e.Running, e.Cut)
}

// Is matches ErrDrainTimeout.
func (e *DrainError) Is(target error) bool { return target == ErrDrainTimeout }

// GapError is a Gap in the iteration over [Coin.Events].
type GapError struct{ Gap Gap }

// Error returns the currency, a short hash of the wallet, the time and the
// reason.
func (e *GapError) Error() string {
	scope := "every wallet"
	if e.Gap.Coin != nil {
		scope = walletName(e.Gap.Coin.WalletKey())
	}
	when := "since"
	if e.Gap.Reason == GapStart {
		when = "before"
	}
	return fmt.Sprintf("bitcart: %s: events may be missing for %s %s %s: %s",
		e.Gap.Currency, scope, when, e.Gap.Since.Format(time.RFC3339), e.Gap.Reason)
}

// inner is the text of an error inside another one: each names its package.
func inner(err error) string {
	if err == nil {
		return "unknown"
	}
	text := textOf(err)
	for _, prefix := range []string{"bitcart: ", "jsonrpc: ", "wsconn: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

// textOf survives a user's error whose Error panics, as a typed nil does.
func textOf(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("an error of type %T without text", err)
		}
	}()
	return err.Error()
}

// retryError is what Retry returns.
type retryError struct {
	err   error
	after time.Duration
}

func (e *retryError) Error() string {
	if e.err == nil {
		return "retry"
	}
	return e.err.Error()
}

func (e *retryError) Unwrap() error { return e.err }
