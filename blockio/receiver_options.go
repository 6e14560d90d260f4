package blockio

import (
	"errors"
	"log/slog"
	"time"
)

// receiverConfig collects options. The zero value of a field means not given.
type receiverConfig struct {
	verifier Verifier
	seen     Seen
	maxBody  int64
	lease    time.Duration
	known    map[string]bool // notification ids; nil = any
	ignored  map[string]bool // event types
	log      *slog.Logger
	errs     []error
}

type receiverOption struct {
	name string
	set  func(*receiverConfig) error
}

func (o receiverOption) applyReceiver(c *receiverConfig) {
	if err := o.set(c); err != nil {
		c.errs = append(c.errs, &OptionError{o.name, err})
	}
}

func receiverOptions(opts []ReceiverOption) (receiverConfig, error) {
	c := receiverConfig{maxBody: defaultMaxBody, lease: defaultLease, log: slog.New(slog.DiscardHandler)}
	for _, o := range opts {
		if o == nil {
			c.errs = append(c.errs, &OptionError{"ReceiverOption", errNil})
			continue
		}
		o.applyReceiver(&c)
	}
	if c.seen == nil {
		c.seen = NewMemorySeen(0)
	}
	return c, errors.Join(c.errs...)
}

var (
	errNotPositive    = errors.New("is not positive")
	errNoNotification = errors.New("names no notification")
)

// WithVerifier sets what proves that a delivery comes from the service.
// Default: nothing, so that every delivery is Unverified.
func WithVerifier(v Verifier) ReceiverOption {
	return receiverOption{"WithVerifier", func(c *receiverConfig) error {
		if v == nil {
			return errNil
		}
		c.verifier = v
		return nil
	}}
}

// WithSeen sets the store that remembers which events were handled. Default:
// NewMemorySeen(0), which forgets them when the process ends. Receivers that
// serve the same notification, in several processes for example, must share
// one.
func WithSeen(s Seen) ReceiverOption {
	return receiverOption{"WithSeen", func(c *receiverConfig) error {
		if s == nil {
			return errNil
		}
		c.seen = s
		return nil
	}}
}

// WithMaxBody sets the largest body of a delivery, in bytes. Default: 4 MiB.
func WithMaxBody(bytes int64) ReceiverOption {
	return receiverOption{"WithMaxBody", func(c *receiverConfig) error {
		if bytes <= 0 {
			return errNotPositive
		}
		c.maxBody = bytes
		return nil
	}}
}

// WithLease sets how long an event stays claimed after the process that handles
// it has died. While a handler runs, its claim is renewed three times in each
// lease. Default: 1 minute. A lease below 10 ms, in which no store could renew
// it, counts as 10 ms.
func WithLease(lease time.Duration) ReceiverOption {
	return receiverOption{"WithLease", func(c *receiverConfig) error {
		if lease <= 0 {
			return errNotPositive
		}
		c.lease = max(lease, minLease)
		return nil
	}}
}

// WithKnownNotifications answers 401 for deliveries of notifications other than
// these. The ids prove nothing about the sender.
func WithKnownNotifications(ids ...string) ReceiverOption {
	return receiverOption{"WithKnownNotifications", func(c *receiverConfig) error {
		if len(ids) == 0 {
			return errNoNotification
		}
		return addAll(&c.known, ids)
	}}
}

// WithIgnored answers 200 for events of these types without handling them.
// Otherwise the service keeps delivering an event that has no handler, and
// gives up after 30 days.
func WithIgnored(types ...string) ReceiverOption {
	return receiverOption{"WithIgnored", func(c *receiverConfig) error {
		return addAll(&c.ignored, types)
	}}
}

var errEmptyName = errors.New("holds an empty name")

func addAll(set *map[string]bool, names []string) error {
	for _, name := range names {
		if name == "" {
			return errEmptyName
		}
		if *set == nil {
			*set = map[string]bool{}
		}
		(*set)[name] = true
	}
	return nil
}
