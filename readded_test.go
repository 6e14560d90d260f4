package bitcart_test

import (
	"net/http"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// G2: what a call of get_updates has brought whose wallet was removed and added again meanwhile is
// handed over: the call has emptied the queue, and no later one may come.
func TestG2AnswerOfAWalletThatWasAddedAgain(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	toll, opt := tolled()
	m, keys := serve(t, d, 1, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()), opt)
	in := inboxOf(t, m, "own")
	stream := listenAll(t, m)
	<-j.connects
	asked, first, later := make(chan struct{}, 64), make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	toll.set(func(method, _ string) (<-chan struct{}, error) {
		if method != "get_updates" {
			return nil, nil
		}
		asked <- struct{}{}
		if calls.Add(1) == 1 {
			return first, nil
		}
		return later, nil
	})
	cutOff(t, d, bitcarttest.FIN)
	receive(t, asked, "the recovery's call")
	require.True(t, m.RemoveWallet("BTC", keys[0]))
	_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: keys[0]})
	require.NoError(t, err)
	eventually(t, func() bool { return len(j.reasons()) == 2 }, "it joins")
	d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
	d.Faults().CutSockets(bitcarttest.FIN)
	require.NoError(t, d.WaitSockets(patient(t), 0))
	emit(t, d, keys[0], "own", 0, 2) // missed
	stream.cancel()
	before := d.CountCalls("get_updates")
	close(first)
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", before+1))
	close(later)
	require.NoError(t, stream.wait())
	require.Zero(t, d.Queued(keys[0]))
	require.Equal(t, upTo(2), in.numbers(2), "%v", j.reasons())
}

// G2: nor is such a call's loss forgotten: when its answer is lost, so is what the wallet's new stay has missed
// by then, although no connection has told the daemon of it yet.
func TestG2LostAnswerOfAWalletThatWasAddedAgain(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	m, keys := serve(t, d, 2, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	listenAll(t, m)
	<-j.connects
	gate := make(chan struct{})
	d.Faults().GateMethod("get_updates", gate)
	calls := d.CountCalls("get_updates")
	cutOff(t, d, bitcarttest.FIN)
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", calls+2))
	d.Faults().DropAnswer("get_updates", 2)
	var lost time.Time
	outage(t, d, func() {
		require.True(t, m.RemoveWallet("BTC", keys[0]))
		_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: keys[0]})
		require.NoError(t, err)
		lost = time.Now()
		emit(t, d, keys[0], "own", 0, 1)
		close(gate)
		eventually(t, func() bool { return d.Queued(keys[0]) == 0 && d.Queued(keys[1]) == 0 })
	})
	d.Faults().GateMethod("get_updates", nil)
	receive(t, j.connects, "the next connection")
	j.mu.Lock()
	defer j.mu.Unlock()
	require.True(t, slices.ContainsFunc(j.gaps, func(g bitcart.Gap) bool {
		mine := g.Coin != nil && g.Coin.WalletKey() == keys[0]
		return mine && g.Reason == bitcart.GapUnknown && g.Since.Before(lost)
	}), "%v", j.gaps)
}

// G1: a wallet's live events wait for what its queue holds from the moment on at which it is added, however
// many others join before it.
func TestG1NewWalletWaitsFromTheStart(t *testing.T) {
	t.Parallel()
	const others = 2000
	d := newDaemon(t, "ETH")
	m, _ := serve(t, d, 1, bitcart.WithStream(recovering()))
	key := d.NewWallet()
	in := newInbox(t)
	m.On("own", in.handle)
	listenAll(t, m)
	require.NoError(t, d.Load(key))
	emit(t, d, key, "own", 0, 1)
	eventually(t, func() bool { return daemonStats(t, m).Foreign == 1 })

	wallets := make([]bitcart.Wallet, others, others+1)
	for i := range wallets {
		wallets[i].Xpub = d.NewWallet()
	}
	added := make(chan error, 1)
	go func() {
		_, err := m.AddWallets("ETH", append(wallets, bitcart.Wallet{Xpub: key}))
		added <- err
	}()
	for _, ok := m.Coin("ETH", key); !ok; _, ok = m.Coin("ETH", key) {
		runtime.Gosched()
	}
	emit(t, d, key, "own", 1, 6)
	require.NoError(t, receive(t, added, "the wallets are added"))
	require.Equal(t, upTo(6), in.numbers(6))
}
