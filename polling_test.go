package bitcart_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// polls waits for n further answers to get_updates.
func polls(t testing.TB, d *bitcarttest.Daemon, n int) {
	t.Helper()
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", d.CountCalls("get_updates")+n))
}

func TestPollingHearsEachUpdateOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range walletKinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			d := kind.daemon(t)
			wallet, key := kind.wallet(d)
			coin := newCoin(t, d, bitcart.WithWallet(wallet))
			in := inboxOf(t, coin, "own", "new_block")
			require.NoError(t, d.Load(key))
			stream := start(t, pollingOf(coin))
			armed(t, coin)
			for i := range 60 {
				if i%5 == 4 {
					emit(t, d, "", "new_block", i, i+1)
				} else {
					emit(t, d, key, "own", i, i+1)
				}
			}
			for i := range 60 {
				ev := in.next()
				require.Equal(t, i, numberOf(t, ev), "in order")
				require.Equal(t, bitcart.SourcePoll, ev.Source)
				require.Equal(t, map[bool]string{true: "", false: key}[i%5 == 4], ev.Wallet)
				require.Equal(t, kind.currency, ev.Currency)
				require.Same(t, coin, ev.Coin)
			}
			polls(t, d, 3)
			stream.stopPromptly()
			in.requireEmpty()
			require.Zero(t, d.Queued(key))
			stats := coin.Stats()
			require.EqualValues(t, 60, stats.Received)
			require.EqualValues(t, 60, stats.Delivered)
		})
	}
}

func TestManagerPollsEachUpdateOnce(t *testing.T) {
	t.Parallel()
	s := newTwoDaemons(t, 4)
	in := inboxOf(t, s.m, "own", "new_block")
	stream := start(t, pollingOf(s.m))
	for _, c := range s.m.Coins() {
		armed(t, c)
	}
	daemons := map[string]*bitcarttest.Daemon{"BTC": s.btc, "ETH": s.eth}
	keys := map[string][]string{"BTC": s.btcKeys, "ETH": s.ethKeys}
	for currency, d := range daemons {
		for n := range 12 {
			emit(t, d, keys[currency][n%4], "own", n, n+1)
			emit(t, d, "", "new_block", n, n+1)
		}
	}
	own, blocks := map[string][]int{}, map[string][]int{}
	for range 2 * 24 {
		ev := in.next()
		require.Equal(t, bitcart.SourcePoll, ev.Source)
		if ev.Wallet == "" {
			blocks[ev.Currency] = append(blocks[ev.Currency], numberOf(t, ev))
			require.Empty(t, ev.Coin.WalletKey())
			continue
		}
		own[ev.Wallet] = append(own[ev.Wallet], numberOf(t, ev))
		require.Same(t, coinOf(t, s.m, ev.Currency, ev.Wallet), ev.Coin)
	}
	for currency, d := range daemons {
		require.ElementsMatch(t, upTo(12), blocks[currency], "chain-wide events come once per currency")
		for i, key := range keys[currency] {
			require.Equal(t, []int{i, i + 4, i + 8}, own[key])
		}
		polls(t, d, 8)
	}
	stream.stopPromptly()
	in.requireEmpty()
}

func TestManagerPollsWalletsThatComeAndGo(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 1)
	in := inboxOf(t, m, "own")
	stream := start(t, pollingOf(m))
	armed(t, coinOf(t, m, "BTC", keys[0]))
	added, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: d.NewWallet()})
	require.NoError(t, err)
	armed(t, added)
	emit(t, d, added.WalletKey(), "own", 0, 1)
	require.Same(t, added, in.next().Coin)
	require.True(t, m.RemoveWallet("BTC", added.WalletKey()))
	polls(t, d, 3)
	emit(t, d, added.WalletKey(), "own", 1, 2)
	emit(t, d, keys[0], "own", 2, 3)
	require.Equal(t, span(2, 3), in.numbers(1))
	polls(t, d, 3)
	stream.stopPromptly()
	in.requireEmpty()
	require.Equal(t, 1, d.Queued(added.WalletKey()), "a removed wallet is not asked for")
}

func TestPollingInterval(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	in := inboxOf(t, coin, "own")
	require.NoError(t, d.Load(coin.WalletKey()))
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	stream := start(t, func(ctx context.Context) error { return coin.PollUpdates(ctx, time.Hour) })
	require.Equal(t, upTo(1), in.numbers(1), "the first question is not put off")
	emit(t, d, coin.WalletKey(), "own", 1, 2)
	stream.stopPromptly()
	require.Equal(t, 1, d.CountCalls("get_updates"))
	in.requireEmpty()
	require.Equal(t, 1, d.Queued(coin.WalletKey()))
}

func TestPollingNeedsAWallet(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	require.ErrorIs(t, newCoin(t, d).PollUpdates(patient(t), time.Millisecond), bitcart.ErrWalletRequired)
	require.Empty(t, d.Calls())

	m := makeManager(t, map[string][]string{"BTC": nil}, bitcart.WithURL(d.URL()), bitcart.WithStream(quick))
	stream := start(t, pollingOf(m)) // wallets may come later
	in := inboxOf(t, m, "own")
	added, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: d.NewWallet()})
	require.NoError(t, err)
	armed(t, added)
	emit(t, d, added.WalletKey(), "own", 0, 1)
	require.Equal(t, upTo(1), in.numbers(1))
	stream.stopPromptly()
}

func TestPollingThatIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("credentials", func(t *testing.T) {
		t.Parallel()
		d := newDaemon(t, "BTC", bitcarttest.WithCredentials("me", "right"))
		coin := newWalletCoin(t, d, bitcart.WithBasicAuth("me", "wrong-word"))
		err := start(t, pollingOf(coin)).wait()
		require.ErrorIs(t, err, bitcart.ErrUnauthorized)
		require.NotContains(t, shown(t, err), "wrong-word")
		require.NotContains(t, shown(t, err), coin.WalletKey())
	})
	t.Run("404", func(t *testing.T) {
		t.Parallel()
		d := newDaemon(t, "BTC")
		require.Error(t, start(t, pollingOf(newWalletCoin(t, d, bitcart.WithURL(d.URL()+"/nowhere")))).wait())
	})
	t.Run("once reached", func(t *testing.T) {
		t.Parallel()
		d := newDaemon(t, "BTC")
		coin := newWalletCoin(t, d)
		in := inboxOf(t, coin, "own")
		stream := start(t, pollingOf(coin))
		armed(t, coin)
		d.Faults().FailMethod("", 4, &bitcarttest.HTTPError{Status: http.StatusNotFound, Body: "404: Not Found"})
		polls(t, d, 6)
		stream.requireRunning()
		d.Faults().FailMethod("", 4, &bitcarttest.Error{Code: -32600, Message: "Unauthorized"})
		polls(t, d, 6)
		stream.requireRunning()
		emit(t, d, coin.WalletKey(), "own", 0, 1)
		require.Equal(t, upTo(1), in.numbers(1))
		stream.stopPromptly()
	})
}

func TestPollingWaitsForADaemonThatIsAway(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	d.Faults().Stop(bitcarttest.FIN)
	lost := make(chan bitcart.DisconnectInfo, 1024)
	cfg := quick
	cfg.BackoffMin, cfg.BackoffMax = 4*time.Millisecond, 60*time.Millisecond
	dials := make(chan time.Time, 1024)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials <- time.Now()
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithTransport(transport), bitcart.WithHooks(bitcart.Hooks{
		OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { lost <- info },
	}))
	in := inboxOf(t, coin, "own")
	stream := start(t, pollingOf(coin))
	info := receive(t, lost, "the report")
	require.ErrorIs(t, info.Err, bitcart.ErrConnectionFailed)
	require.Positive(t, info.RetryIn)
	require.LessOrEqual(t, info.RetryIn, cfg.BackoffMax)
	first := receive(t, dials, "an attempt")
	var last time.Time
	for range 11 {
		last = receive(t, dials, "another attempt")
	}
	require.Greater(t, last.Sub(first), 100*time.Millisecond, "pauses grow: without, 66 ms would do")
	stream.requireRunning()
	require.NoError(t, d.Faults().Start(patient(t)))
	armed(t, coin)
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	require.Equal(t, upTo(1), in.numbers(1))
	stream.stopPromptly()
}

// A call that failed may have emptied the queue.
func TestPollingReportsWhatItMayHaveLost(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	gaps := make(chan bitcart.Gap, 64)
	coin := newWalletCoin(t, d, bitcart.WithHooks(gapsOf(gaps)))
	in := inboxOf(t, coin, "own")
	stream := start(t, pollingOf(coin))
	armed(t, coin)
	polls(t, d, 2)
	require.Empty(t, gaps, "polling has no gap of its start")
	d.Faults().DropAnswer("get_updates", 1)
	gap := receive(t, gaps, "the gap")
	require.Equal(t, bitcart.GapUnknown, gap.Reason)
	require.Equal(t, "BTC", gap.Currency)
	polls(t, d, 2)
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	require.Equal(t, upTo(1), in.numbers(1))
	stream.stopPromptly()
	require.Empty(t, gaps)
}

func TestPollingReportsAnAnswerAsLongAsTheQueue(t *testing.T) {
	t.Parallel()
	const limit = 5
	for name, sent := range map[string]int{"shorter": limit - 1, "as long": limit, "longer": limit + 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC", bitcarttest.WithPollingCap(limit))
			cfg := quick
			cfg.DequeCap = limit
			gaps := make(chan bitcart.Gap, 64)
			m, keys := serve(t, d, 2, bitcart.WithStream(cfg), bitcart.WithHooks(gapsOf(gaps)))
			in := inboxOf(t, m, "own")
			require.NoError(t, d.Load(keys[0]))
			emit(t, d, keys[0], "own", 0, sent)
			stream := start(t, pollingOf(m))
			first := max(0, sent-limit)
			require.Equal(t, span(first, sent), in.numbers(sent-first))
			polls(t, d, 4)
			stream.stopPromptly()
			if sent < limit {
				require.Empty(t, gaps)
				return
			}
			gap := receive(t, gaps, "the gap")
			require.Equal(t, bitcart.GapOverflow, gap.Reason)
			require.NotNil(t, gap.Coin)
			require.Equal(t, keys[0], gap.Coin.WalletKey())
			require.Empty(t, gaps, "one wallet's gap, once")
		})
	}
}

// What is under way when ctx ends has emptied the daemon's queue: it is waited for and delivered.
func TestPollingWaitsForACallUnderWay(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 2)
	in := inboxOf(t, m, "own")
	for _, key := range keys {
		require.NoError(t, d.Load(key))
	}
	release := hold(t, d, "get_updates")
	stream := start(t, pollingOf(m))
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", 1))
	for _, key := range keys {
		emit(t, d, key, "own", 0, 3)
	}
	stream.cancel()
	select {
	case <-stream.done:
		require.FailNow(t, "a call under way was cut off")
	case <-time.After(100 * time.Millisecond): // the time that a cut would have
	}
	release()
	require.NoError(t, stream.wait())
	left := 0
	for _, key := range keys {
		left += d.Queued(key)
	}
	require.Len(t, in.ch, 6-left, "what left the daemon was delivered")
	require.Less(t, left, 6)
}

func TestPollingIsCutWhenTheDrainIsOver(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DrainTimeout = 100 * time.Millisecond
	gaps := make(chan bitcart.Gap, 8)
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(gapsOf(gaps)))
	hold(t, d, "get_updates")
	stream := start(t, pollingOf(coin))
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", 1))
	begin := time.Now()
	stream.cancel()
	_ = stream.wait()
	require.GreaterOrEqual(t, time.Since(begin), cfg.DrainTimeout)
	require.Less(t, time.Since(begin), cfg.DrainTimeout+grace+margin)
	require.Equal(t, bitcart.GapUnknown, receive(t, gaps, "the gap of the call that was cut").Reason)
}

// A stuck handler does not stop other wallets from being asked for, nor the end.
func TestPollingWithAStuckHandler(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.DrainTimeout = 50 * time.Millisecond
	m, keys := serve(t, d, 2, bitcart.WithStream(cfg))
	g := newGated(t)
	in := newInbox(t)
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		if ev.Wallet == keys[0] {
			return g.handle(ctx, ev)
		}
		return in.handle(ctx, ev)
	})
	stream := start(t, pollingOf(m))
	for _, c := range m.Coins() {
		armed(t, c)
	}
	emit(t, d, keys[0], "own", 0, 4)
	receive(t, g.entered, "the handler")
	emit(t, d, keys[1], "own", 0, 20)
	require.Equal(t, upTo(20), in.numbers(20))
	eventually(t, func() bool { return daemonStats(t, m).Received == 24 })
	var left *bitcart.DrainError
	require.ErrorAs(t, stream.stop(), &left)
	require.Equal(t, bitcart.DrainError{Undelivered: 3, Running: 1}, *left)
}

func TestRetryWhilePolling(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	in := newInbox(t)
	coin.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		if ev.Attempt < 3 {
			return bitcart.Retry(errOwn, time.Millisecond)
		}
		return in.handle(ctx, ev)
	})
	stream := start(t, pollingOf(coin))
	armed(t, coin)
	emit(t, d, coin.WalletKey(), "own", 0, 5)
	require.Equal(t, upTo(5), in.numbers(5))
	stream.stopPromptly()
}

func TestPollingMarksRepeats(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	in := inboxOf(t, coin, "own")
	stream := start(t, pollingOf(coin))
	armed(t, coin)
	for _, repeat := range []bool{false, true} {
		emit(t, d, coin.WalletKey(), "own", 0, 1)
		require.Equal(t, repeat, in.next().Repeat)
	}
	stream.stopPromptly()
}

func TestPollingWithAnEndedContext(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	startIn(t, ended, pollingOf(newWalletCoin(t, d))).stopPromptly()
	m, _ := serve(t, d, 2)
	startIn(t, ended, pollingOf(m)).stopPromptly()
	require.Zero(t, d.CountCalls("get_updates"))
}
