package blockio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// ReceiverOption configures a [Receiver]. An option that is wrong is
// NewReceiver's error, an *OptionError.
type ReceiverOption interface {
	applyReceiver(*receiverConfig)
}

// StreamOption configures a [Stream]. An option that is wrong is NewStream's
// error, an *OptionError.
type StreamOption interface {
	applyStream(*streamConfig)
}

// Option configures a [Receiver] as well as a [Stream].
type Option interface {
	ReceiverOption
	StreamOption
}

// OptionError is an option that is wrong. Its text quotes no value.
type OptionError struct {
	Option string // "WithMaxBody"
	Err    error
}

// Error returns the option's name and what is wrong with it, without its value.
func (e *OptionError) Error() string { return fmt.Sprintf("blockio: %s: %v", e.Option, e.Err) }

// Unwrap returns what is wrong with the option.
func (e *OptionError) Unwrap() error { return e.Err }

var errNil = errors.New("is nil")

// WithLogger sets where a Receiver or a Stream logs. Default: nowhere.
// Credentials, keys and secrets are never logged. A logger that panics costs
// its message. One that does not return keeps what is logged behind it waiting,
// and with it the answer to a delivery and the functions that a Stream calls, of
// WithOnGap and its like; neither the socket nor the handlers wait for it.
func WithLogger(l *slog.Logger) Option { return loggerOption{l} }

type loggerOption struct{ log *slog.Logger }

func (o loggerOption) applyReceiver(c *receiverConfig) {
	if o.log == nil {
		c.errs = append(c.errs, &OptionError{"WithLogger", errNil})
		return
	}
	c.log = guarded(o.log)
}

func (o loggerOption) applyStream(c *streamConfig) {
	if o.log == nil {
		c.errs = append(c.errs, &OptionError{"WithLogger", errNil})
		return
	}
	c.log = guarded(o.log)
}

// guarded returns a logger whose panics cost their message alone. A log stands
// beside calls that must be made, and on goroutines where nobody else recovers.
func guarded(l *slog.Logger) *slog.Logger { return slog.New(guardedHandler{l.Handler()}) }

type guardedHandler struct{ slog.Handler }

func (h guardedHandler) Enabled(ctx context.Context, level slog.Level) bool {
	defer func() { _ = recover() }()
	return h.Handler.Enabled(ctx, level)
}

func (h guardedHandler) Handle(ctx context.Context, r slog.Record) error {
	defer func() { _ = recover() }()
	return h.Handler.Handle(ctx, r)
}
