package bitcart_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// What a wallet's own lane drops while the first answer is awaited is no backlog.
func TestG2WithoutBacklogAWalletIsRefilled(t *testing.T) {
	t.Parallel()
	for _, single := range []bool{true, false} {
		t.Run(fmt.Sprint("single ", single), func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			cfg := recovering()
			cfg.QueuePerWallet = 16
			j := newDiary()
			gate := make(chan struct{})
			d.Faults().GateMethod("get_updates", gate)
			key := d.NewWallet()
			require.NoError(t, d.Load(key))
			emit(t, d, key, "own", 100, 103) // the backlog
			var in *inbox
			var stats func() bitcart.Stats
			if single {
				coin := newCoin(t, d, bitcart.WithXpub(key), bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
				in, stats = inboxOf(t, coin, "own"), coin.Stats
				start(t, websocketOf(coin, bitcart.WithoutBacklog()))
			} else {
				m := makeManager(t, map[string][]string{"BTC": {key}}, bitcart.WithURL(d.URL()), bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
				in, stats = inboxOf(t, m, "own"), func() bitcart.Stats { return m.Stats()[0] }
				start(t, websocketOf(m, bitcart.WithoutBacklog()))
			}
			require.NoError(t, d.WaitCalls(patient(t), "get_updates", 1))
			emit(t, d, key, "own", 0, 56)
			eventually(t, func() bool { return stats().Dropped == 40 })
			close(gate)
			<-j.connects
			require.Equal(t, upTo(16), in.numbers(16))
			require.NoError(t, d.WaitCalls(patient(t), "get_updates", 2))
			emit(t, d, key, "own", 56, 57)
			got := []int{}
			for len(got) == 0 || got[len(got)-1] != 56 {
				got = append(got, in.numbers(1)...)
			}
			require.Equal(t, span(16, 57), got)
			require.Equal(t, []string{"start"}, j.reasons())
		})
	}
}

// The same where the first answer has failed, and what was dropped is refilled.
func TestG2WithoutBacklogARefillIsNoBacklog(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := recovering()
	cfg.QueuePerWallet = 1
	cfg.BackoffMin, cfg.BackoffMax = time.Minute, time.Minute // of the next try
	j := newDiary()
	m, keys := serve(t, d, 1, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	in := newInbox(t)
	open := make(chan struct{})
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error { <-open; return in.handle(ctx, ev) })
	d.Faults().FailMethod("get_updates", 1, errOwn)
	start(t, websocketOf(m, bitcart.WithoutBacklog()))
	<-j.connects
	emit(t, d, keys[0], "own", 0, 1)
	eventually(t, func() bool { return m.Stats()[0].Running == 1 })
	emit(t, d, keys[0], "own", 1, 4)
	eventually(t, func() bool { return m.Stats()[0].Dropped == 2 })
	close(open)
	require.Equal(t, upTo(4), in.numbers(4))
	require.Equal(t, []string{"start"}, j.reasons())
}
