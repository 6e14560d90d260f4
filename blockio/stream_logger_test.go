package blockio_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

// blockedLog is a logger that does not return from some messages, or from any.
type blockedLog struct {
	slog.Handler
	message string // "" = any
	gate    chan struct{}
}

func (l blockedLog) Enabled(context.Context, slog.Level) bool { return true }
func (l blockedLog) WithAttrs([]slog.Attr) slog.Handler       { return l }

func (l blockedLog) Handle(_ context.Context, r slog.Record) error {
	if l.message == "" || r.Message == l.message {
		<-l.gate
	}
	return nil
}

// A logger is the caller's code: the next attempt to connect does not wait for it.
func TestReconnectWaitsForNoLogger(t *testing.T) {
	log := blockedLog{message: "not connected", gate: make(chan struct{})}
	l := newListening(t, blockio.WithLogger(slog.New(log))).start()
	defer close(log.gate)
	l.subscribe(btc("a"))
	l.svc.Faults().CutSockets(blockiotest.FIN)
	require.Eventually(t, func() bool { return l.Stats().Reconnects > 0 }, streamSoon, time.Millisecond)
	require.NoError(t, l.svc.WaitSubscribed(t.Context(), asked(btc("a"))))
	l.pay("a", "one")
	require.Equal(t, "one", txidOf(t, get(t, l.events)))
}

// Nor does the end of Run.
func TestEndWaitsForNoLogger(t *testing.T) {
	for name, message := range map[string]string{"of any message": "", "of a lost connection": "not connected"} {
		t.Run(name, func(t *testing.T) {
			log := blockedLog{message: message, gate: make(chan struct{})}
			l := newListening(t, blockio.WithLogger(slog.New(log)), blockio.WithBounds(blockio.Bounds{Drain: 10 * time.Millisecond})).start()
			defer close(log.gate)
			l.svc.Faults().CutSockets(blockiotest.FIN)
			require.Eventually(t, func() bool { return l.Stats().Reconnects > 0 }, streamSoon, time.Millisecond)
			var left *bitcart.DrainError
			require.ErrorAs(t, l.stop(), &left)
			require.Positive(t, left.Running)
		})
	}
}

// A logger that panics costs its message alone.
func TestStreamOutlivesAPanickingLogger(t *testing.T) {
	l := newListening(t, blockio.WithLogger(slog.New(panickingLog{}))).start()
	l.subscribe(btc("a"))
	l.svc.Faults().CutSockets(blockiotest.FIN)
	require.Equal(t, blockio.GapReconnect, get(t, l.gaps).Reason)
	l.pay("a", "one")
	require.Equal(t, "one", txidOf(t, get(t, l.events)))
	require.NoError(t, l.stop())
}

type panickingLog struct{}

func (panickingLog) Enabled(context.Context, slog.Level) bool { return true }
func (l panickingLog) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l panickingLog) WithGroup(string) slog.Handler          { return l }

func (panickingLog) Handle(context.Context, slog.Record) error { panic("the logger has a bug") }
