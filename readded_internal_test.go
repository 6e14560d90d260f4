package bitcart

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What was read for a wallet before it was removed, and is not in its lane yet, goes nowhere: the lane may be
// the wallet's again by then, whose own queue brings the update.
func TestEventsReadBeforeTheWalletWasAddedAgain(t *testing.T) {
	d, err := NewCoin("BTC")
	require.NoError(t, err)
	wallet := Wallet{Xpub: "xpub"}
	before, after := newCoin(d.d, wallet, nil), newCoin(d.d, wallet, nil)
	s := &stream{transport: websocket}
	s.prepare(t.Context(), []*linkPlan{{d: d.d, chain: d, coins: []*Coin{before}}})
	l := s.links[0]
	inside, open := make(chan struct{}, 2), make(chan struct{})
	before.On("own", func(context.Context, *Event) error {
		inside <- struct{}{}
		<-open
		return nil
	})
	reads := func() {
		l.accept([]byte(`{"updates": [{"event": "own"}], "wallet": "xpub", "currency": "BTC"}`), time.Now())
	}
	reads()
	l.rest()
	<-inside
	lane := l.lookup(before.key).lane
	reads()
	l.removeCoin(before)
	w, _ := l.watchLate(after)
	require.Same(t, lane, w.lane, "its events wait for the handler")
	l.rest()
	close(open)
	require.NoError(t, l.queue.Drain(t.Context()))
	require.Empty(t, inside, "handed over after the removal")
	require.EqualValues(t, 1, d.Stats().Dropped)
	s.cancel()
	l.beginDrain()
	require.NoError(t, l.drain())
}

// ConnectInfo counts both gaps of a wallet that was added in an outage, of which a call for its last stay has taken
// what was sent since.
func TestGapsOfAWalletThatWasAddedAgainAreCounted(t *testing.T) {
	b := newBlockRig(t, 1)
	b.ends(b.starts())
	w := b.ws[0]
	b.hist.Lock()
	w.connect, w.missing = 0, time.Now() // as if it were new
	w.wasEmptied()
	b.hist.Unlock()
	p := b.connects(false, time.Now())
	require.Len(t, b.told(), 2)
	require.EqualValues(t, 2, p.gaps.Load())
}
