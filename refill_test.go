package bitcart_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

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

// G4: what is recovered after an outage while handlers are stuck obeys QueueBytes: the rest waits in the daemon.
func TestG4HoldsForWhatIsRecovered(t *testing.T) {
	t.Parallel()
	const wallets, missed = 40, 90
	d := newDaemon(t, "ETH")
	cfg := recovering()
	cfg.Workers, cfg.QueuePerWallet, cfg.QueueBytes = 4, 10, 100_000
	j := newDiary()
	m, keys := serve(t, d, wallets, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	g := newGated(t)
	m.On("own", g.handle)
	start(t, websocketOf(m))
	<-j.connects
	d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
	d.Faults().CutSockets(bitcarttest.FIN)
	for _, key := range keys {
		for n := range missed {
			require.NoError(t, d.Emit(key, padded(n, 100)))
		}
	}
	d.Faults().AcceptUpgrade()
	eventually(t, func() bool { return daemonStats(t, m).QueuedBytes > int(cfg.QueueBytes)/2 }, "some are asked for")
	for range 100 {
		stats := daemonStats(t, m)
		require.LessOrEqual(t, stats.QueuedBytes, int(cfg.QueueBytes))
		require.LessOrEqual(t, stats.Queued, wallets*cfg.QueuePerWallet)
	}
	g.open()
	receive(t, j.connects, "the reconnection")
	eventually(t, func() bool { return daemonStats(t, m).Delivered == wallets*missed })
	require.Equal(t, []string{"start"}, j.reasons(), "the daemon held what there was no room for")
}

// G11: a lane that overflows while the answer of the first get_updates is on its way is refilled
// from the daemon's queue, which holds everything: no gap, nothing twice.
func TestOverflowDuringTheFirstPass(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "ETH")
	cfg := recovering()
	cfg.QueuePerWallet = 16
	j := newDiary()
	asked, answer := make(chan struct{}), make(chan struct{})
	d.Handle("get_updates", func(*bitcarttest.Call) (any, error) {
		close(asked)
		<-answer // it was empty when it was read; the answer takes its time
		return []any{}, nil
	})
	m, keys := serve(t, d, 1, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	in := inboxOf(t, m, "own")
	stream := listenAll(t, m)
	receive(t, asked, "get_updates")
	emit(t, d, keys[0], "own", 0, 56)
	eventually(t, func() bool { return daemonStats(t, m).Dropped == 40 })
	d.Handle("get_updates", nil)
	close(answer)
	<-j.connects
	require.Equal(t, upTo(56), in.numbers(56))
	stream.stopPromptly()
	in.requireEmpty()
	require.Equal(t, []string{"start"}, j.reasons())
}

// A wallet that cannot be loaded is not armed by the overflow of its queue.
func TestG10OverflowArmsNoWallet(t *testing.T) {
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DequeCap, cfg.QueuePerWallet = 0, 4
	tries := make(chan bitcart.ArmInfo, 1<<10)
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
		OnArm: func(_ context.Context, info bitcart.ArmInfo) { tries <- info },
	}))
	require.NoError(t, d.Load(coin.WalletKey()))
	for _, method := range []string{"getbalance", "get_updates"} {
		d.Faults().FailMethod(method, -1, errors.New("the contract is broken"))
	}
	gate := make(chan struct{})
	coin.On("x", func(context.Context, *bitcart.Event) error {
		<-gate
		return nil
	})
	start(t, websocketOf(coin))
	require.Error(t, receive(t, tries, "a try").Err)
	require.NoError(t, d.WaitRegistered(patient(t), coin.WalletKey()))
	emit(t, d, coin.WalletKey(), "x", 0, 20)
	eventually(t, func() bool { return coin.Stats().Dropped > 0 })
	close(gate)
	for range 10 {
		require.Error(t, receive(t, tries, "another try").Err)
	}
	require.Zero(t, coin.Stats().Armed)

	for _, method := range []string{"getbalance", "get_updates"} {
		d.Faults().FailMethod(method, 0, nil)
	}
	armed(t, coin)
	eventually(t, func() bool { return coin.Stats().Delivered == 20 }, "what was dropped is in the daemon's queue")
}

// G1: a wallet whose refill waits for the last dropped update is asked for what the chain's lane has
// dropped, too. That answer does not end the waiting.
func TestG1ChainsRefillLeavesAWalletsAlone(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 1
	cfg.BackoffMin, cfg.BackoffMax = 400*time.Millisecond, 400*time.Millisecond // the wallet's next try comes after the chain's
	m, keys := serve(t, d, 1, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	in, blocks := newInbox(t), newInbox(t)
	door, chainsDoor := make(chan struct{}), make(chan struct{})
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		<-door
		return in.handle(ctx, ev)
	})
	m.On("new_block", func(ctx context.Context, ev *bitcart.Event) error {
		<-chainsDoor
		return blocks.handle(ctx, ev)
	})
	answers, asked := make(chan []any, 8), make(chan struct{}, 64)
	d.Handle("get_updates", func(*bitcarttest.Call) (any, error) {
		defer func() { asked <- struct{}{} }()
		select {
		case answer := <-answers:
			return answer, nil
		default:
			return []any{}, nil
		}
	})
	listenAll(t, m)
	<-j.connects
	<-asked
	first := int(d.Height()) + 1
	d.Mine(1)
	sendOnly(d, keys[0], 0)
	eventually(t, func() bool { return daemonStats(t, m).Running == 2 })
	mineEach(d, 2)
	for n := 1; n < 4; n++ {
		sendOnly(d, keys[0], n)
	}
	eventually(t, func() bool { return daemonStats(t, m).Dropped == 3 })

	answers <- []any{item("own", 0), item("own", 1), item("own", 2)} // 3 is not queued yet
	before := daemonStats(t, m).LastFrame
	close(door)
	receive(t, asked, "the wallet's refill")
	eventually(t, func() bool { return daemonStats(t, m).LastFrame.After(before) }, "no pong behind the answer")
	answers <- []any{
		map[string]any{"event": "new_block", "height": first},
		map[string]any{"event": "new_block", "height": first + 1},
		map[string]any{"event": "new_block", "height": first + 2},
	}
	close(chainsDoor)
	receive(t, asked, "the chain's refill")
	sendOnly(d, keys[0], 4)
	eventually(t, func() bool { return daemonStats(t, m).Received == 8 })
	answers <- []any{item("own", 3), item("own", 4)}
	require.Equal(t, upTo(5), in.numbers(5))
	for n := range 3 {
		var v struct{ Height int }
		require.NoError(t, blocks.next().Decode(&v))
		require.Equal(t, first+n, v.Height)
	}
	require.Equal(t, []string{"start"}, j.reasons())
}
