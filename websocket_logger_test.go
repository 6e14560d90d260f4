package bitcart_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
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
