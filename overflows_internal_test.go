package bitcart

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// What a wallet costs whose lane has overflowed and run dry does not grow with the number of wallets:
// the reader would wait for it.
func TestManyOverflowsOfManyWallets(t *testing.T) {
	const wallets, drops = 50_000, 5_000
	d, err := NewCoin("BTC", WithStream(StreamConfig{QueueBytes: 2000, Workers: 1, DequeCap: -1}))
	require.NoError(t, err)
	coins := make([]*Coin, wallets)
	for i := range coins {
		coins[i] = newCoin(d.d, Wallet{Xpub: strconv.Itoa(i)}, nil)
	}
	s := &stream{transport: websocket}
	s.prepare(t.Context(), []*linkPlan{{d: d.d, chain: d, coins: coins}})
	l := s.links[0]
	open := make(chan struct{})
	coins[0].On("own", func(context.Context, *Event) error { <-open; return nil })
	updates, _, err := wire.CutList([]byte(`[{"event":"own"}]`))
	require.NoError(t, err)
	push := func(c *Coin) { l.push(l.lookup(c.key), c.key, &updates[0], SourceWebsocket, time.Now(), time.Time{}) }
	for range 10 { // one inside, and QueueBytes are full
		push(coins[0])
	}
	for _, c := range coins[1 : 1+drops] {
		push(c)
	}
	began := time.Now()
	close(open)
	require.NoError(t, l.queue.Drain(t.Context()))
	require.Less(t, time.Since(began), time.Second) // it takes some milliseconds, and took seconds
	require.Greater(t, d.Stats().Gaps, drops*9/10)
	s.cancel()
	l.beginDrain()
	require.NoError(t, l.drain())
}

// Whose a lane is that has run dry is known by its name, unless its wallet was removed meanwhile.
func TestOwnerOfALane(t *testing.T) {
	for _, busy := range []bool{false, true} {
		d, err := NewCoin("BTC")
		require.NoError(t, err)
		wallet := Wallet{Xpub: "xpub"}
		before, after := newCoin(d.d, wallet, nil), newCoin(d.d, wallet, nil)
		s := &stream{transport: websocket}
		s.prepare(t.Context(), []*linkPlan{{d: d.d, chain: d, coins: []*Coin{before}}})
		l := s.links[0]
		inside, open := make(chan struct{}), make(chan struct{})
		before.On("own", func(context.Context, *Event) error { close(inside); <-open; return nil })
		old := l.lookup(before.key)
		require.Same(t, old, l.watchOf(old.lane))
		require.Same(t, l.chain, l.watchOf(l.chain.lane))
		if busy {
			updates, _, err := wire.CutList([]byte(`[{"event":"own"}]`))
			require.NoError(t, err)
			l.push(old, before.key, &updates[0], SourceWebsocket, time.Now(), time.Time{})
			<-inside
		}
		l.removeCoin(before)
		require.Nil(t, l.watchOf(old.lane))
		w, _ := l.watchLate(after)
		require.Same(t, w, l.watchOf(w.lane))
		if !busy { // otherwise it waits for the handler in the same lane
			require.Nil(t, l.watchOf(old.lane))
		}
		close(open)
		require.NoError(t, l.queue.Drain(t.Context()))
		s.cancel()
		l.beginDrain()
		require.NoError(t, l.drain())
	}
}

// A call whose answer is lost behind a gap of its wallet, with no other in between, may have taken an update
// that is read and dropped later: what the queue holds then does not prove that it was the only one.
func TestLostAnswerBehindAGapTakesADroppedUpdate(t *testing.T) {
	gaps := make(chan Gap, 8)
	d, err := NewCoin("BTC",
		WithStream(StreamConfig{QueuePerWallet: 1, Workers: 1}),
		WithHooks(Hooks{OnGap: func(_ context.Context, g Gap) { gaps <- g }}))
	require.NoError(t, err)
	coin := newCoin(d.d, Wallet{Xpub: "xpub"}, nil)
	inside, open := make(chan struct{}, 8), make(chan struct{})
	coin.On("own", func(context.Context, *Event) error { inside <- struct{}{}; <-open; return nil })
	s := &stream{transport: websocket}
	s.prepare(t.Context(), []*linkPlan{{d: d.d, chain: d, coins: []*Coin{coin}}})
	l := s.links[0]
	r, w := l.recovery, l.lookup(coin.key)
	p := &pass{since: time.Now(), first: true}
	p.ctx, p.end = context.WithCancel(t.Context())
	defer p.end()
	r.setPass(p)
	r.begin(p, []*watch{w})
	l.hist.Lock()
	w.sure, w.read = true, true // the daemon has watched it before this connection
	l.hist.Unlock()
	updates, _, err := wire.CutList([]byte(`[{"event":"own","n":1},{"event":"own","n":2},{"event":"own","n":3},{"event":"own","n":4}]`))
	require.NoError(t, err)
	push := func(i int, sent time.Time) { l.push(w, coin.key, &updates[i], SourceWebsocket, time.Now(), sent) }
	r.failed(p, w, r.beforeAsking(w), ErrMaybeSent)
	require.NoError(t, l.hooks.set.Drain(t.Context()))
	require.Equal(t, GapUnknown, (<-gaps).Reason)
	push(0, time.Time{})
	<-inside
	push(1, time.Time{})

	sent := time.Now() // the first of those that are dropped: the call takes it
	r.failed(p, w, r.beforeAsking(w), ErrMaybeSent)
	push(2, sent)
	push(3, sent)
	l.hist.Lock()
	require.False(t, w.droppedAt.IsZero())
	l.hist.Unlock()
	close(open)
	require.Eventually(t, func() bool {
		l.hist.Lock()
		defer l.hist.Unlock()
		return w.refilling
	}, 10*time.Second, time.Millisecond, "the lane has run dry")
	_, merged := r.merge(p, w, dequeued{updates[3:], 1}, r.beforeAsking(w), true)
	require.True(t, merged)
	require.NoError(t, l.hooks.set.Drain(t.Context()))
	require.Len(t, gaps, 1, "the third is lost")
	require.Equal(t, GapUnknown, (<-gaps).Reason)
	r.releaseAll(true)
	s.cancel()
	l.beginDrain()
	require.NoError(t, l.drain())
}
