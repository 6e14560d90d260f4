package bitcart

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An answer that is taken while a restart is seen arms no wallet, and does not make the next poll see the
// restart again.
func TestAnswerBesideARestart(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct{ ID json.RawMessage }
		_ = json.NewDecoder(r.Body).Decode(&call)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","result":[],"id":%s}`, call.ID)
	}))
	defer server.Close()
	connects := make(chan struct{}, 8)
	d, err := NewCoin("BTC", WithURL(server.URL), WithHooks(Hooks{OnConnect: func(context.Context, ConnectInfo) { connects <- struct{}{} }}))
	require.NoError(t, err)
	coin := newCoin(d.d, Wallet{Xpub: "xpub"}, nil)
	s := &stream{}
	s.prepare(t.Context(), []*linkPlan{{d: d.d, chain: d, coins: []*Coin{coin}}})
	l := s.links[0]
	w := l.lookup(coin.key)
	p := &poller{l: l, ctx: t.Context(), interval: time.Minute, queueCap: 1000}
	polled := make(chan struct{})
	l.hist.Lock()
	go func() { defer close(polled); p.poll(pollTask{w: w}) }()
	<-connects        // the answer has come
	p.restarts.Add(1) // as forget does
	w.sure = false
	l.disarm()
	l.hist.Unlock()
	<-polled
	require.False(t, w.sure)
	require.False(t, l.isArmed(w))
	s.cancel()
	l.beginDrain()
	require.NoError(t, l.drain())
	d.d.closeIdle()
}

// What getinfo has told before it fell silent is not held against what it tells later; and what has ended
// well leaves no pause to the next outage.
func TestPollerForgetsWhatIsOver(t *testing.T) {
	answers := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			ID     json.RawMessage
			Method string
		}
		_ = json.NewDecoder(r.Body).Decode(&call)
		fmt.Fprintf(w, `{"jsonrpc":"2.0",%s,"id":%s}`, answers[call.Method], call.ID)
	}))
	defer server.Close()
	d, err := NewCoin("BTC", WithURL(server.URL))
	require.NoError(t, err)
	coin := newCoin(d.d, Wallet{Xpub: "xpub"}, nil)
	s := &stream{}
	s.prepare(t.Context(), []*linkPlan{{d: d.d, chain: d, coins: []*Coin{coin}}})
	l := s.links[0]
	w := l.lookup(coin.key)
	w.sure = true
	p := &poller{l: l, ctx: t.Context(), total: 2, mute: time.Now().Add(time.Hour), told: true, up: true, served: true}
	answers["list_wallets"] = `"result":[{"path":"/wallets/xpub"}]`
	p.refusals = 3
	require.Zero(t, p.resume())
	require.Zero(t, p.refusals)
	require.Zero(t, p.restarts.Load())
	p.mute = time.Time{}
	answers["getinfo"], answers["list_wallets"] = `"result":{"total_wallets":2}`, `"result":[{"path":"/wallets/others"}]`
	require.Zero(t, p.resume())
	require.EqualValues(t, 1, p.restarts.Load(), "others have loaded as many")
	answers["getinfo"] = `"error":{"code":-32000,"message":"no"}`
	p.refusals = 3
	require.Zero(t, p.resume())
	require.Zero(t, p.refusals)

	// A daemon that was away and lists no diskless wallets may have been restarted.
	w.coin.wallet.Diskless = true
	p.mute, p.up, p.downAt = time.Now().Add(time.Hour), false, time.Now()
	w.sure = true
	gaps := d.Stats().Gaps
	require.Zero(t, p.resume())
	require.Equal(t, gaps+1, d.Stats().Gaps)
	s.cancel()
	l.beginDrain()
	require.NoError(t, l.drain())
	d.d.closeIdle()
}
