package bitcart_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// sendOnly sends an update of a wallet to the sockets and puts it into no queue.
func sendOnly(d *bitcarttest.Daemon, key string, n int) {
	d.SendFrame([]byte(frame(key, d.Currency(), fmt.Sprintf(`[{"event": "own", "n": %d}]`, n))))
}

// The daemon writes a frame before it queues the update: the answer of a refill
// can come between the two.
func TestG4DroppedUpdateThatTheDaemonQueuesLate(t *testing.T) {
	for name, queued := range map[string]bool{"late": true, "never": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			j := newDiary()
			cfg := recovering()
			cfg.QueuePerWallet = 1
			coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
			in := newInbox(t)
			open := make(chan struct{})
			coin.On("own", func(ctx context.Context, ev *bitcart.Event) error {
				<-open
				return in.handle(ctx, ev)
			})
			listen(t, coin)
			<-j.connects
			var asked atomic.Int32
			d.Handle("get_updates", func(*bitcarttest.Call) (any, error) {
				switch n := asked.Add(1); {
				case n == 1:
					return []any{item("own", 0)}, nil
				case n == 3 && queued:
					return []any{item("own", 1), item("own", 2)}, nil
				}
				return []any{}, nil
			})
			sendOnly(d, coin.WalletKey(), 0)
			eventually(t, func() bool { return coin.Stats().Running == 1 })
			sendOnly(d, coin.WalletKey(), 1) // waits
			sendOnly(d, coin.WalletKey(), 2) // finds no room
			eventually(t, func() bool { return coin.Stats().Dropped == 1 })
			close(open)
			require.Equal(t, upTo(2), in.numbers(2))
			if queued {
				require.Equal(t, []int{2}, in.numbers(1))
				require.Equal(t, []string{"start"}, j.reasons())
				return
			}
			eventually(t, func() bool { return len(j.reasons()) == 2 })
			require.Equal(t, []string{"start", "overflow of a wallet"}, j.reasons())
		})
	}
}

// An answer can come when its connection has long been followed by another one:
// it does not hold what was missed between the two.
func TestG1AnswerThatItsConnectionDoesNotSee(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	in := inboxOf(t, coin, "own")
	listen(t, coin)
	<-j.connects
	sendOnly(d, coin.WalletKey(), 0)
	require.Equal(t, upTo(1), in.numbers(1))
	gate := make(chan struct{})
	var asked atomic.Int32
	d.Handle("get_updates", func(*bitcarttest.Call) (any, error) {
		if asked.Add(1) == 1 {
			<-gate
			return []any{item("own", 0), item("own", 1)}, nil
		}
		return []any{item("own", 2), item("own", 3)}, nil
	})
	cutOff(t, d, bitcarttest.RST)
	eventually(t, func() bool { return asked.Load() == 1 })
	cutOff(t, d, bitcarttest.RST) // 2 is missed
	require.NoError(t, d.WaitSockets(patient(t), 1))
	sendOnly(d, coin.WalletKey(), 3)
	close(gate)
	require.Equal(t, span(1, 4), in.numbers(3))
	<-j.connects
	require.Equal(t, []string{"start"}, j.reasons())
	require.EqualValues(t, 2, asked.Load())
}
