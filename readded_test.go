package bitcart_test

import (
	"net/http"
	"sync/atomic"
	"testing"

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
