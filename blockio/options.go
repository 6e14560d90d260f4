package blockio

import (
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
// Credentials, keys and secrets are never logged.
func WithLogger(l *slog.Logger) Option { return loggerOption{l} }

type loggerOption struct{ log *slog.Logger }

func (o loggerOption) applyReceiver(c *receiverConfig) {
	if o.log == nil {
		c.errs = append(c.errs, &OptionError{"WithLogger", errNil})
		return
	}
	c.log = o.log
}

func (o loggerOption) applyStream(c *streamConfig) {
	if o.log == nil {
		c.errs = append(c.errs, &OptionError{"WithLogger", errNil})
		return
	}
	c.log = o.log
}
