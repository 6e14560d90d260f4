package bitcart_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// userLog is a logger that does something with the first record of a text.
type userLog struct {
	text string
	once *sync.Once
	do   func()
}

func (l userLog) Enabled(context.Context, slog.Level) bool { return true }
func (l userLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l userLog) WithGroup(string) slog.Handler            { return l }

func (l userLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == l.text {
		l.once.Do(l.do)
	}
	return nil
}

// logCause is something of one wallet that is logged, over each transport.
type logCause struct {
	text  string
	polls bool
	cause func(t *testing.T, d *bitcarttest.Daemon, key string)
}

func sent(text string) func(*testing.T, *bitcarttest.Daemon, string) {
	return func(_ *testing.T, d *bitcarttest.Daemon, _ string) { d.SendFrame([]byte(text)) }
}

func emitted(event string, n int) func(*testing.T, *bitcarttest.Daemon, string) {
	return func(t *testing.T, d *bitcarttest.Daemon, key string) { emit(t, d, key, event, 0, n) }
}

var logCauses = map[string]logCause{
	"garbage":                 {"message skipped", false, sent("hello")},
	"frame of another coin":   {"message skipped", false, sent(frame("", "LTC", `[{"event": "own"}]`))},
	"update without a name":   {"message skipped", false, sent(frame("", "BTC", `[{"n": 1}]`))},
	"overflow":                {"queue overflowed: events are dropped until it has run empty", false, emitted("held", 30)},
	"unknown event":           {"no handler for event", false, emitted("unheard of", 1)},
	"gap":                     {"events may be missing", false, func(*testing.T, *bitcarttest.Daemon, string) {}}, // of the start
	"connection":              {"connected", false, func(*testing.T, *bitcarttest.Daemon, string) {}},
	"polled overflow":         {"queue overflowed: events are dropped until it has run empty", true, emitted("held", 30)},
	"polled unknown event":    {"no handler for event", true, emitted("unheard of", 1)},
	"polled gap":              {"events may be missing", true, emitted("held", 120)}, // more than the daemon's queue holds
	"polled update of no use": {"message skipped", true, emitted("", 1)},
}

// loggedStream runs a stream of two wallets whose logger does something once, when the first wallet
// has given cause to it. hears requires that the other wallet hears its events.
func loggedStream(t *testing.T, tt logCause, do func(m *bitcart.APIManager, key string)) (stream *run, hears func()) {
	t.Helper()
	d := newDaemon(t, "BTC")
	cfg := recovering()
	cfg.QueuePerWallet = 8
	var m *bitcart.APIManager
	var keys []string
	log := userLog{tt.text, new(sync.Once), func() { do(m, keys[0]) }}
	m, keys = serve(t, d, 2, bitcart.WithStream(cfg), bitcart.WithLogger(slog.New(log)))
	in := inboxOf(t, m, "own")
	open := make(chan struct{})
	m.On("held", func(context.Context, *bitcart.Event) error { <-open; return nil })
	if tt.polls {
		for _, key := range keys {
			require.NoError(t, d.Load(key))
		}
		tt.cause(t, d, keys[0])
		stream = start(t, pollingOf(m))
	} else {
		stream = start(t, websocketOf(m))
		armed(t, coinOf(t, m, "BTC", keys[1]))
		require.NoError(t, d.WaitSockets(patient(t), 1))
		require.NoError(t, d.Load(keys[0])) // it may not be armed yet
		tt.cause(t, d, keys[0])
	}
	t.Cleanup(func() { close(open) })
	return stream, func() {
		t.Helper()
		emit(t, d, keys[1], "own", 0, 5)
		require.Equal(t, upTo(5), in.numbers(5))
	}
}

// A logger is user code: one that does not return holds up neither the reader, nor a poll, nor another
// wallet, whatever it was told.
func TestG3LoggerThatBlocks(t *testing.T) {
	t.Parallel()
	for name, tt := range logCauses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun, gate := make(chan struct{}), make(chan struct{})
			stream, hears := loggedStream(t, tt, func(*bitcart.APIManager, string) {
				close(begun)
				<-gate
			})
			defer func() { stream.cancel(); close(gate) }()
			receive(t, begun, "the log")
			hears()
		})
	}
}

// No lock is held while a logger runs: it may use the library, and change what the stream hears.
func TestG6LoggerThatCallsBack(t *testing.T) {
	t.Parallel()
	for name, tt := range logCauses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := make(chan error, 1)
			_, hears := loggedStream(t, tt, func(m *bitcart.APIManager, key string) {
				m.Stats()
				m.On("another event", nil)
				removed := m.RemoveWallet("BTC", key)
				_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: key})
				if !removed {
					err = errOwn
				}
				done <- err
			})
			require.NoError(t, receive(t, done, "the logger"))
			hears()
		})
	}
}
