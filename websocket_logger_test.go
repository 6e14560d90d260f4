package bitcart_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// stuckLog is a logger that takes a message and does not return.
type stuckLog struct {
	slog.Handler
	begun, gate chan struct{}
}

func (l stuckLog) Enabled(context.Context, slog.Level) bool { return true }
func (l stuckLog) WithAttrs([]slog.Attr) slog.Handler       { return l }

func (l stuckLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "connected" {
		close(l.begun)
		<-l.gate
	}
	return nil
}

// A logger is user code: the reader does not wait for it.
func TestG3ReaderWaitsForNoLogger(t *testing.T) {
	d := newDaemon(t, "BTC")
	stuck := stuckLog{begun: make(chan struct{}), gate: make(chan struct{})}
	coin := newWalletCoin(t, d, bitcart.WithLogger(slog.New(stuck)))
	in := inboxOf(t, coin, "x")
	start(t, websocketOf(coin))
	defer close(stuck.gate)
	receive(t, stuck.begun, "the log")
	require.NoError(t, d.Load(coin.WalletKey()))
	require.NoError(t, d.WaitRegistered(patient(t), coin.WalletKey()))
	emit(t, d, coin.WalletKey(), "x", 0, 3)
	require.Equal(t, upTo(3), in.numbers(3))
}

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

// Nor does the stream's end.
func TestG7EndWaitsForNoLogger(t *testing.T) {
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DrainTimeout = 10 * time.Millisecond
	log := blockedLog{gate: make(chan struct{})}
	defer close(log.gate)
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithLogger(slog.New(log)))
	stream := start(t, websocketOf(coin))
	armed(t, coin)
	stream.cancel()
	receive(t, stream.done, "the end")
	var left *bitcart.DrainError
	require.ErrorAs(t, stream.err, &left)
	require.Positive(t, left.Running)
}

// Nor does the next attempt to connect.
func TestG9ReconnectWaitsForNoLogger(t *testing.T) {
	d := newDaemon(t, "BTC")
	log := blockedLog{message: "not connected", gate: make(chan struct{})}
	defer close(log.gate)
	coin := newWalletCoin(t, d, bitcart.WithLogger(slog.New(log)))
	start(t, websocketOf(coin))
	armed(t, coin)
	d.Faults().CutSockets(bitcarttest.FIN)
	eventually(t, func() bool { return coin.Stats().Reconnects > 0 })
}

// begunLog tells of the message from which it does not return.
type begunLog struct {
	blockedLog
	begun chan struct{} // holds one
}

func (l begunLog) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l begunLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == l.message {
		select {
		case l.begun <- struct{}{}:
		default:
		}
	}
	return l.blockedLog.Handle(ctx, r)
}

// Nor does it where a call of the stream itself has failed.
func TestG7EndWaitsForNoLoggerOfAFailedCall(t *testing.T) {
	for name, tt := range map[string]struct {
		currency, fails, message string
		polls                    bool
	}{
		"loading": {"BTC", "getbalance", "wallet could not be loaded", false},
		"reading": {"BTC", "get_updates", "the daemon's queue could not be read", false},
		"batch":   {"ETH", "batch_load", "batch_load failed, loading one by one", false},
		"polling": {"BTC", "get_updates", "wallet could not be loaded", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, tt.currency)
			d.Faults().FailMethod(tt.fails, 1<<20, errOwn)
			cfg := quick
			cfg.DequeCap, cfg.DrainTimeout = 0, 10*time.Millisecond
			log := begunLog{blockedLog{message: tt.message, gate: make(chan struct{})}, make(chan struct{}, 1)}
			defer close(log.gate)
			m, _ := serve(t, d, 2, bitcart.WithStream(cfg), bitcart.WithLogger(slog.New(log)))
			run := websocketOf(m)
			if tt.polls {
				run = pollingOf(m)
			}
			stream := start(t, run)
			receive(t, log.begun, "the log")
			stream.cancel()
			receive(t, stream.done, "the end")
		})
	}
}
