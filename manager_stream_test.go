package bitcart_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// twoDaemons are a BTC and an ETH daemon, and a manager with wallets on both.
type twoDaemons struct {
	btc, eth         *bitcarttest.Daemon
	btcKeys, ethKeys []string
	m                *bitcart.APIManager
}

func newTwoDaemons(t testing.TB, wallets int, opts ...bitcart.Option) *twoDaemons {
	t.Helper()
	s := &twoDaemons{btc: newDaemon(t, "BTC"), eth: newDaemon(t, "ETH")}
	for range wallets {
		s.btcKeys = append(s.btcKeys, s.btc.NewWallet())
		s.ethKeys = append(s.ethKeys, s.eth.NewWallet())
	}
	opts = append([]bitcart.Option{
		bitcart.WithStream(quick),
		bitcart.WithCurrency("BTC", bitcart.WithURL(s.btc.URL())),
		bitcart.WithCurrency("ETH", bitcart.WithURL(s.eth.URL())),
	}, opts...)
	s.m = makeManager(t, map[string][]string{"BTC": s.btcKeys, "ETH": s.ethKeys}, opts...)
	return s
}

func coinOf(t testing.TB, m *bitcart.APIManager, currency, key string) *bitcart.Coin {
	t.Helper()
	c, ok := m.Coin(currency, key)
	require.True(t, ok)
	return c
}

func TestManagerHearsManyWalletsOverOneConnection(t *testing.T) {
	t.Parallel()
	const wallets = 40
	s := newTwoDaemons(t, wallets)
	in := inboxOf(t, s.m, "own", "new_block")
	stream := listenAll(t, s.m)
	require.NoError(t, s.btc.WaitSockets(patient(t), 1))
	require.NoError(t, s.eth.WaitSockets(patient(t), 1))
	require.Empty(t, s.btc.Registered(), "a filter would be one wallet's")
	require.ElementsMatch(t, s.btcKeys, s.btc.Loaded())
	require.ElementsMatch(t, s.ethKeys, s.eth.Loaded())

	for i := range wallets {
		emit(t, s.btc, s.btcKeys[i], "own", i, i+1)
		emit(t, s.eth, s.ethKeys[i], "own", 100+i, 101+i)
	}
	for range 2 * wallets {
		ev := in.next()
		n, keys := numberOf(t, ev), s.btcKeys
		if ev.Currency == "ETH" {
			n, keys = n-100, s.ethKeys
		}
		require.Equal(t, keys[n], ev.Wallet)
		require.Same(t, coinOf(t, s.m, ev.Currency, ev.Wallet), ev.Coin)
		require.Equal(t, bitcart.SourceWebsocket, ev.Source)
	}
	require.Equal(t, 1, s.btc.Sockets())
	require.Equal(t, 1, s.eth.Sockets())
	stream.stopPromptly()
	in.requireEmpty()
}

func TestManagerHearsChainWideEventsOnce(t *testing.T) {
	t.Parallel()
	s := newTwoDaemons(t, 5)
	in := inboxOf(t, s.m, "new_block")
	stream := listenAll(t, s.m)
	for n, d := range []*bitcarttest.Daemon{s.btc, s.eth} {
		emit(t, d, "", "new_block", n, n+1)
		ev := in.next()
		require.Equal(t, n, numberOf(t, ev))
		require.Equal(t, d.Currency(), ev.Currency)
		require.Empty(t, ev.Wallet)
		require.NotNil(t, ev.Coin)
		require.Equal(t, d.Currency(), ev.Coin.Currency())
		require.Empty(t, ev.Coin.WalletKey(), "the currency's Coin without wallet")
		require.Equal(t, d.URL(), ev.Coin.URL())
		require.NoError(t, ev.Coin.Call(patient(t), nil, "getinfo"), "it can make calls")
		ev.Coin.CloseIdleConnections()
	}
	stream.stopPromptly()
	in.requireEmpty()
}

func TestManagerHearsAddedWalletsOnly(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	stranger := d.NewWallet()
	require.NoError(t, d.Load(stranger))
	m, keys := serve(t, d, 1)
	in := inboxOf(t, m, "own")
	stream := listenAll(t, m)
	emit(t, d, stranger, "own", 0, 10)
	emit(t, d, keys[0], "own", 10, 11)
	require.Equal(t, span(10, 11), in.numbers(1))
	stats := daemonStats(t, m)
	require.EqualValues(t, 10, stats.Foreign)
	stream.stopPromptly()
	in.requireEmpty()
}

// A manager whose last wallet has gone must not start to credit strangers.
func TestManagerWithoutWalletsHearsTheChainOnly(t *testing.T) {
	t.Parallel()
	for name, list := range map[string][]string{"empty": {}, "nil": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			stranger := d.NewWallet()
			require.NoError(t, d.Load(stranger))
			m := makeManager(t, map[string][]string{"BTC": list}, bitcart.WithURL(d.URL()), bitcart.WithStream(quick))
			in := inboxOf(t, m, "own", "new_block")
			stream := start(t, websocketOf(m))
			require.NoError(t, d.WaitSockets(patient(t), 1))
			emit(t, d, stranger, "own", 0, 5)
			emit(t, d, "", "new_block", 5, 6)
			require.Equal(t, span(5, 6), in.numbers(1))

			added, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: d.NewWallet()})
			require.NoError(t, err)
			armed(t, added)
			require.True(t, m.RemoveWallet("BTC", added.WalletKey()))
			emit(t, d, stranger, "own", 6, 9)
			emit(t, d, added.WalletKey(), "own", 9, 10)
			emit(t, d, "", "new_block", 10, 11)
			require.Equal(t, span(10, 11), in.numbers(1))
			stream.stopPromptly()
			in.requireEmpty()
		})
	}
}

func TestWithAllWallets(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	stranger := d.NewWallet()
	require.NoError(t, d.Load(stranger))
	m, keys := serve(t, d, 1, bitcart.WithAllWallets())
	in := inboxOf(t, m, "own", "new_block")
	stream := listenAll(t, m)
	emit(t, d, stranger, "own", 0, 20)
	for n := range 20 {
		ev := in.next()
		require.Equal(t, n, numberOf(t, ev), "in order, too")
		require.Equal(t, stranger, ev.Wallet)
		require.Equal(t, "BTC", ev.Currency)
		require.NotNil(t, ev.Coin)
		require.Equal(t, stranger, ev.Coin.WalletKey(), "made from the key")
		if n == 0 {
			require.NoError(t, ev.Coin.Call(patient(t), nil, "getbalance"))
			require.Equal(t, stranger, lastCall(t, d, "getbalance").Wallet)
		}
	}
	emit(t, d, keys[0], "own", 20, 21)
	ev := in.next()
	require.Equal(t, keys[0], ev.Wallet)
	require.Same(t, coinOf(t, m, "BTC", keys[0]), ev.Coin)
	emit(t, d, "", "new_block", 21, 22)
	require.Equal(t, span(21, 22), in.numbers(1))
	_, added := m.Coin("BTC", stranger)
	require.False(t, added)
	stream.stopPromptly()
}

// WithAllWallets inside WithCurrency holds for that currency.
func TestWithAllWalletsOfOneCurrency(t *testing.T) {
	t.Parallel()
	btc, eth := newDaemon(t, "BTC"), newDaemon(t, "ETH")
	m := makeManager(t, nil, bitcart.WithStream(quick),
		bitcart.WithCurrency("BTC", bitcart.WithURL(btc.URL()), bitcart.WithAllWallets()),
		bitcart.WithCurrency("ETH", bitcart.WithURL(eth.URL())))
	in := inboxOf(t, m, "own", "new_block")
	stream := start(t, websocketOf(m))
	for _, d := range []*bitcarttest.Daemon{eth, btc} {
		require.NoError(t, d.WaitSockets(patient(t), 1))
		stranger := d.NewWallet()
		require.NoError(t, d.Load(stranger))
		emit(t, d, stranger, "own", 0, 1)
	}
	require.Equal(t, "BTC", in.next().Currency)
	emit(t, eth, "", "new_block", 1, 2)
	require.Equal(t, "new_block", in.next().Name)
	stream.stopPromptly()
	in.requireEmpty()
}

func TestHandlerOfAManagedCoinWins(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 2)
	managers := inboxOf(t, m, "own", "both", "new_block")
	first := coinOf(t, m, "BTC", keys[0])
	coins := inboxOf(t, first, "own", "sole", "new_block")
	require.True(t, first.Handles("both"), "the manager's count")
	require.False(t, m.Handles("sole"))
	stream := listenAll(t, m)

	emit(t, d, keys[0], "own", 0, 1)
	require.Equal(t, upTo(1), coins.numbers(1))
	emit(t, d, keys[1], "own", 1, 2)
	require.Equal(t, keys[1], managers.next().Wallet)
	emit(t, d, keys[0], "both", 2, 3)
	require.Equal(t, keys[0], managers.next().Wallet, "what the Coin does not handle goes to the manager")
	emit(t, d, keys[0], "sole", 3, 4)
	require.Equal(t, span(3, 4), coins.numbers(1))
	emit(t, d, "", "new_block", 4, 5)
	require.Equal(t, span(4, 5), managers.numbers(1), "chain-wide events are the manager's")

	first.On("own", nil)
	emit(t, d, keys[0], "own", 5, 6)
	require.Equal(t, span(5, 6), managers.numbers(1), "nothing had been overwritten")
	stream.stopPromptly()
	managers.requireEmpty()
	coins.requireEmpty()
}

func TestWalletsAddedWhileStreaming(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "BCH", "ETH"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, currency)
			gaps := make(chan bitcart.Gap, 1024)
			m, keys := serve(t, d, 1, bitcart.WithHooks(gapsOf(gaps)))
			in := inboxOf(t, m, "own")
			stream := listenAll(t, m)
			require.Nil(t, receive(t, gaps, "the gap of the start").Coin)

			added, err := m.AddWallet(currency, bitcart.Wallet{Xpub: d.NewWallet()})
			require.NoError(t, err)
			armed(t, added)
			require.Contains(t, d.Loaded(), added.WalletKey())
			gap := receive(t, gaps, "the gap of the wallet")
			require.Equal(t, bitcart.GapStart, gap.Reason, "what came before is not known")
			require.Same(t, added, gap.Coin)
			emit(t, d, added.WalletKey(), "own", 0, 3)
			require.Equal(t, upTo(3), in.numbers(3))

			var wallets []bitcart.Wallet
			for range 120 {
				wallets = append(wallets, bitcart.Wallet{Xpub: d.NewWallet()})
			}
			more, err := m.AddWallets(currency, wallets)
			require.NoError(t, err)
			armed(t, more...)
			for i, c := range more {
				emit(t, d, c.WalletKey(), "own", i, i+1)
			}
			for range more {
				ev := in.next()
				require.Same(t, more[numberOf(t, ev)], ev.Coin)
			}
			_, err = m.AddWallet(currency, bitcart.Wallet{Xpub: keys[0]})
			require.ErrorIs(t, err, bitcart.ErrWalletExists)
			require.Equal(t, 122, daemonStats(t, m).Armed)
			require.Equal(t, 1, d.Sockets())
			stream.stopPromptly()
		})
	}
}

func TestWalletsRemovedWhileStreaming(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 2)
	g := newGated(t)
	in := newInbox(t)
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		if ev.Wallet == keys[0] {
			_ = g.handle(ctx, ev)
		}
		return in.handle(ctx, ev)
	})
	stream := listenAll(t, m)
	removed := coinOf(t, m, "BTC", keys[0])
	emit(t, d, keys[0], "own", 0, 6)
	receive(t, g.entered, "the handler")
	eventually(t, func() bool { return daemonStats(t, m).Queued == 5 })

	require.True(t, m.RemoveWallet("BTC", keys[0]))
	require.False(t, m.RemoveWallet("BTC", keys[0]))
	require.EqualValues(t, 5, daemonStats(t, m).Dropped, "queued events are dropped and counted")
	require.Zero(t, daemonStats(t, m).Queued)
	require.Equal(t, 1, daemonStats(t, m).Armed)
	emit(t, d, keys[0], "own", 6, 9)
	emit(t, d, keys[1], "own", 9, 10)
	require.Equal(t, span(9, 10), in.numbers(1))
	g.open()
	require.Equal(t, upTo(1), in.numbers(1), "a running handler finishes")
	ended, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	require.Error(t, removed.WaitArmed(ended), "no stream watches it")

	again, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: keys[0]})
	require.NoError(t, err)
	require.NotSame(t, removed, again)
	armed(t, again)
	emit(t, d, keys[0], "own", 10, 11)
	ev := in.next()
	require.Equal(t, 10, numberOf(t, ev))
	require.Same(t, again, ev.Coin)
	stream.stopPromptly()
	in.requireEmpty()
}

// No stream of the manager will watch a wallet that it no longer has: nobody should wait for it, unless
// its Coin streams by itself.
func TestWaitArmedOfARemovedWallet(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 2)
	d.Faults().FailMethod("getbalance", -1, &bitcarttest.Error{Code: -32005, Message: "Exception: Error loading wallet"})
	stream := start(t, websocketOf(m))
	coin := coinOf(t, m, "BTC", keys[0])
	require.NoError(t, d.WaitSockets(patient(t), 1))
	waiting := make(chan error, 1)
	wait := func() { go func() { waiting <- coin.WaitArmed(patient(t)) }() }
	ended := func() error {
		t.Helper()
		return receive(t, waiting, "the end of waiting")
	}
	wait()
	require.Never(t, func() bool { return len(waiting) > 0 }, 50*time.Millisecond, 10*time.Millisecond)
	require.True(t, m.RemoveWallet("BTC", keys[0]))
	require.ErrorIs(t, ended(), bitcart.ErrUnknownWallet)
	wait()
	err := ended()
	require.ErrorIs(t, err, bitcart.ErrUnknownWallet)
	require.NotContains(t, err.Error(), keys[0])

	own := start(t, websocketOf(coin))
	require.NoError(t, d.WaitSockets(patient(t), 2))
	wait()
	require.Never(t, func() bool { return len(waiting) > 0 }, 50*time.Millisecond, 10*time.Millisecond)
	d.Faults().FailMethod("getbalance", 0, nil)
	require.NoError(t, ended())
	d.Faults().RefuseUpgrade(503, "down")
	d.Faults().CutSockets(bitcarttest.FIN)
	eventually(t, func() bool { return !coin.Stats().Connected })
	wait()
	require.Never(t, func() bool { return len(waiting) > 0 }, 50*time.Millisecond, 10*time.Millisecond)
	own.stopPromptly()
	require.ErrorIs(t, ended(), bitcart.ErrUnknownWallet)
	stream.stopPromptly()
	wait()
	require.ErrorIs(t, ended(), bitcart.ErrUnknownWallet, "without a stream, too")

	again, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: keys[0]})
	require.NoError(t, err)
	soon, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, again.WaitArmed(soon), context.DeadlineExceeded, "the next stream will watch it")
	wait()
	require.ErrorIs(t, ended(), bitcart.ErrUnknownWallet, "the old Coin stays out")
}

func TestCurrencyAddedWhileStreaming(t *testing.T) {
	t.Parallel()
	btc, eth := newDaemon(t, "BTC"), newDaemon(t, "ETH")
	m, keys := serve(t, btc, 1)
	in := inboxOf(t, m, "own", "new_block")
	stream := listenAll(t, m)
	added, err := m.AddWallet("ETH", bitcart.Wallet{Xpub: eth.NewWallet()}, bitcart.WithURL(eth.URL()))
	require.NoError(t, err)
	armed(t, added)
	emit(t, eth, added.WalletKey(), "own", 0, 1)
	ev := in.next()
	require.Equal(t, "ETH", ev.Currency)
	require.Same(t, added, ev.Coin)
	emit(t, eth, "", "new_block", 1, 2)
	require.Equal(t, "ETH", in.next().Currency)
	emit(t, btc, keys[0], "own", 2, 3)
	require.Equal(t, "BTC", in.next().Currency)
	require.Len(t, m.Stats(), 2)
	stream.stopPromptly()
	require.NoError(t, eth.WaitSockets(patient(t), 0))
}

// A daemon that cannot be reached when it is added later is tried again: the stream runs.
func TestCurrencyAddedWhileItsDaemonIsAway(t *testing.T) {
	t.Parallel()
	btc, eth := newDaemon(t, "BTC"), newDaemon(t, "ETH")
	eth.Faults().Stop(bitcarttest.FIN)
	m, keys := serve(t, btc, 1)
	in := inboxOf(t, m, "own")
	stream := listenAll(t, m)
	added, err := m.AddWallet("ETH", bitcart.Wallet{Xpub: eth.NewWallet()}, bitcart.WithURL(eth.URL()))
	require.NoError(t, err)
	emit(t, btc, keys[0], "own", 0, 1)
	require.Equal(t, upTo(1), in.numbers(1))
	stream.requireRunning()
	require.NoError(t, eth.Faults().Start(patient(t)))
	armed(t, added)
	emit(t, eth, added.WalletKey(), "own", 1, 2)
	require.Equal(t, span(1, 2), in.numbers(1))
	stream.stopPromptly()
}

// Wallets of one currency may live on several daemons; each has its own connection.
func TestTwoDaemonsOfOneCurrency(t *testing.T) {
	t.Parallel()
	first, second := newDaemon(t, "BTC"), newDaemon(t, "BTC")
	m, keys := serve(t, first, 1)
	other, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: second.NewWallet()}, bitcart.WithURL(second.URL()))
	require.NoError(t, err)
	in := inboxOf(t, m, "own", "new_block")
	stream := listenAll(t, m)
	require.Len(t, m.Stats(), 2)
	require.Equal(t, []string{keys[0]}, first.Loaded())
	require.Equal(t, []string{other.WalletKey()}, second.Loaded())
	emit(t, first, keys[0], "own", 0, 1)
	require.Equal(t, keys[0], in.next().Wallet)
	emit(t, second, other.WalletKey(), "own", 1, 2)
	require.Same(t, other, in.next().Coin)
	emit(t, second, "", "new_block", 2, 3)
	require.Equal(t, second.URL(), in.next().Coin.URL())
	stream.stopPromptly()
	in.requireEmpty()
}

func TestFailureOfOneCurrencyEndsNoOther(t *testing.T) {
	t.Parallel()
	s := newTwoDaemons(t, 2)
	in := inboxOf(t, s.m, "own")
	stream := listenAll(t, s.m)
	for n, fault := range []func(){
		func() { s.eth.Faults().Stop(bitcarttest.RST) },
		func() { require.NoError(t, s.eth.Faults().Start(patient(t))) },
		func() {
			s.eth.Faults().RefuseUpgrade(401, "no")
			s.eth.Faults().CutSockets(bitcarttest.RST)
		},
	} {
		fault()
		emit(t, s.btc, s.btcKeys[n%2], "own", n, n+1)
		require.Equal(t, span(n, n+1), in.numbers(1))
		stream.requireRunning()
	}
	s.eth.Faults().AcceptUpgrade()
	require.NoError(t, s.eth.WaitSockets(patient(t), 1))
	for _, c := range s.m.Coins() {
		armed(t, c)
	}
	emit(t, s.eth, s.ethKeys[0], "own", 9, 10)
	require.Equal(t, span(9, 10), in.numbers(1))
	require.Zero(t, daemonStatsOf(t, s.m, "BTC").Reconnects)
	stream.stopPromptly()
}

// A daemon whose connection has ended for good, while the stream goes on for others, watches no wallet
// before the next stream: nobody should wait for it.
func TestWaitArmedOfADaemonThatWithoutReconnectHasLost(t *testing.T) {
	t.Parallel()
	s := newTwoDaemons(t, 1)
	in := inboxOf(t, s.m, "own")
	stream := start(t, websocketOf(s.m, bitcart.WithoutReconnect()))
	eth := coinOf(t, s.m, "ETH", s.ethKeys[0])
	armed(t, eth, coinOf(t, s.m, "BTC", s.btcKeys[0]))
	waiting := make(chan error, 1)
	s.eth.Faults().RefuseUpgrade(503, "down")
	cutOff(t, s.eth, bitcarttest.FIN)
	eventually(t, func() bool { return !daemonStatsOf(t, s.m, "ETH").Connected })
	go func() { waiting <- eth.WaitArmed(patient(t)) }()
	require.ErrorIs(t, receive(t, waiting, "the end of waiting"), bitcart.ErrConnectionFailed)
	added, err := s.m.AddWallet("ETH", bitcart.Wallet{Xpub: s.eth.NewWallet()})
	require.NoError(t, err)
	require.ErrorIs(t, added.WaitArmed(patient(t)), bitcart.ErrConnectionFailed)

	emit(t, s.btc, s.btcKeys[0], "own", 0, 1)
	require.Equal(t, upTo(1), in.numbers(1), "the other one goes on")
	require.Error(t, stream.stop(), "it returns why the connection was lost")
	s.eth.Faults().AcceptUpgrade()
	go func() { waiting <- added.WaitArmed(patient(t)) }() // for the next stream
	next := start(t, websocketOf(s.m))
	require.NoError(t, receive(t, waiting, "the end of waiting"))
	next.stopPromptly()
}

// daemonStatsOf is the Stats of a manager's daemon of a currency.
func daemonStatsOf(t testing.TB, m *bitcart.APIManager, currency string) bitcart.Stats {
	t.Helper()
	for _, s := range m.Stats() {
		if s.Currency == currency {
			return s
		}
	}
	require.FailNow(t, "no stats of "+currency)
	return bitcart.Stats{}
}

func TestManagerJoinsFirstFailures(t *testing.T) {
	t.Parallel()
	gone, wrong := newDaemon(t, "BTC"), newDaemon(t, "LTC", bitcarttest.WithCredentials("a", "b"))
	fine := newDaemon(t, "ETH")
	gone.Faults().Stop(bitcarttest.FIN)
	m := makeManager(t, nil, bitcart.WithStream(quick),
		bitcart.WithCurrency("BTC", bitcart.WithURL(gone.URL())),
		bitcart.WithCurrency("LTC", bitcart.WithURL(wrong.URL())),
		bitcart.WithCurrency("ETH", bitcart.WithURL(fine.URL())))
	err := start(t, websocketOf(m)).wait()
	require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorIs(t, err, bitcart.ErrUnauthorized)
	currencies := map[string]bool{}
	walk(err, func(e error) {
		if c, ok := e.(*bitcart.ConnectError); ok {
			currencies[c.Currency] = true
		}
	})
	require.Equal(t, map[string]bool{"BTC": true, "LTC": true}, currencies)
	require.NoError(t, fine.WaitSockets(patient(t), 0))
}

// With force, a daemon that is away holds up nobody.
func TestManagerForceConnect(t *testing.T) {
	t.Parallel()
	s := newTwoDaemons(t, 1)
	s.eth.Faults().Stop(bitcarttest.FIN)
	in := inboxOf(t, s.m, "own")
	stream := start(t, websocketOf(s.m, bitcart.WithForceConnect()))
	armed(t, coinOf(t, s.m, "BTC", s.btcKeys[0]))
	emit(t, s.btc, s.btcKeys[0], "own", 0, 1)
	require.Equal(t, upTo(1), in.numbers(1))
	require.False(t, daemonStatsOf(t, s.m, "ETH").Connected)
	require.NoError(t, s.eth.Faults().Start(patient(t)))
	armed(t, coinOf(t, s.m, "ETH", s.ethKeys[0]))
	emit(t, s.eth, s.ethKeys[0], "own", 1, 2)
	require.Equal(t, span(1, 2), in.numbers(1))
	stream.stopPromptly()
}

func TestManagerReconnectCallbackNamesTheCurrency(t *testing.T) {
	t.Parallel()
	s := newTwoDaemons(t, 1)
	calls := make(chan string, 8)
	stream := listenAll(t, s.m, bitcart.WithReconnectCallback(func(_ context.Context, currency string) error {
		calls <- currency
		return nil
	}))
	require.ElementsMatch(t, []string{"BTC", "ETH"}, []string{receive(t, calls, "a callback"), receive(t, calls, "a callback")})
	cutOff(t, s.eth, bitcarttest.RST)
	require.Equal(t, "ETH", receive(t, calls, "the callback of the reconnection"))
	stream.stopPromptly()
	require.Empty(t, calls)
}

func TestSettingsOfCurrencies(t *testing.T) {
	t.Parallel()
	btc := newDaemon(t, "BTC", bitcarttest.WithCredentials("one", "first"))
	eth := newDaemon(t, "ETH", bitcarttest.WithCredentials("two", "second"), bitcarttest.WithPathPrefix("/eth"))
	hooked := make(chan string, 8)
	hooks := func(name string) bitcart.Option {
		return bitcart.WithHooks(bitcart.Hooks{OnConnect: func(_ context.Context, info bitcart.ConnectInfo) { hooked <- name + info.Currency }})
	}
	m := makeManager(t, map[string][]string{"BTC": {btc.NewWallet()}, "ETH": {eth.NewWallet()}},
		bitcart.WithStream(quick), bitcart.WithBasicAuth("one", "first"), hooks("all "),
		bitcart.WithCurrency("BTC", bitcart.WithURL(btc.URL())),
		bitcart.WithCurrency("ETH", bitcart.WithURL(eth.URL()), bitcart.WithBasicAuth("two", "second"), hooks("own ")))
	stream := listenAll(t, m)
	require.ElementsMatch(t, []string{"all BTC", "own ETH"}, []string{receive(t, hooked, "a hook"), receive(t, hooked, "a hook")})
	stats := m.Stats()
	require.Equal(t, []string{"BTC", "ETH"}, []string{stats[0].Currency, stats[1].Currency}, "in the order of currencies")
	require.Equal(t, []string{btc.URL(), eth.URL()}, []string{stats[0].URL, stats[1].URL})
	require.True(t, stats[0].Connected && stats[1].Connected)
	stream.stopPromptly()
}

func TestManagerOfNothing(t *testing.T) {
	t.Parallel()
	m := makeManager(t, nil)
	require.ErrorIs(t, m.StartWebsocket(patient(t)), bitcart.ErrNoCurrencies)
	require.ErrorIs(t, m.PollUpdates(patient(t), time.Millisecond), bitcart.ErrNoCurrencies)
	var errs []error
	for ev, err := range m.Events(patient(t)) {
		require.Nil(t, ev)
		errs = append(errs, err)
	}
	require.Len(t, errs, 1)
	require.ErrorIs(t, errs[0], bitcart.ErrNoCurrencies)
}

func TestStatsOfAManagerPerDaemon(t *testing.T) {
	t.Parallel()
	s := newTwoDaemons(t, 3)
	in := inboxOf(t, s.m, "own", "new_block")
	stream := listenAll(t, s.m)
	emit(t, s.btc, s.btcKeys[0], "own", 0, 4)
	emit(t, s.eth, s.ethKeys[0], "own", 0, 2)
	emit(t, s.eth, "", "new_block", 0, 1)
	in.numbers(7)
	eventually(t, func() bool {
		return daemonStatsOf(t, s.m, "BTC").Delivered == 4 && daemonStatsOf(t, s.m, "ETH").Delivered == 3
	})
	require.EqualValues(t, 4, daemonStatsOf(t, s.m, "BTC").Received)
	require.EqualValues(t, 3, daemonStatsOf(t, s.m, "ETH").Received)
	require.Equal(t, 3, daemonStatsOf(t, s.m, "BTC").Armed)
	require.Equal(t, daemonStatsOf(t, s.m, "BTC").Delivered, coinOf(t, s.m, "BTC", s.btcKeys[1]).Stats().Delivered, "a managed Coin has its daemon's")
	stream.stopPromptly()
}

// A wallet that cannot be loaded is told and tried again, and holds nobody up.
func TestWalletThatCannotBeLoadedHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "ETH"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, currency)
			arms := make(chan bitcart.ArmInfo, 256)
			connects := make(chan bitcart.ConnectInfo, 8)
			m, keys := serve(t, d, 3, bitcart.WithHooks(bitcart.Hooks{
				OnArm:     func(_ context.Context, info bitcart.ArmInfo) { arms <- info },
				OnConnect: func(_ context.Context, info bitcart.ConnectInfo) { connects <- info },
			}))
			bad, err := m.AddWallet(currency, bitcart.Wallet{Xpub: "no-key-of-any-kind"})
			require.NoError(t, err)
			in := inboxOf(t, m, "own")
			stream := start(t, websocketOf(m))
			for _, key := range keys {
				armed(t, coinOf(t, m, currency, key))
				emit(t, d, key, "own", 0, 1)
				require.Equal(t, key, in.next().Wallet)
			}
			info := receive(t, connects, "the connection")
			require.Equal(t, 3, info.Armed)
			require.Equal(t, 1, info.Unarmed)
			good, tries := 0, 0
			for good < 3 || tries < 3 {
				info := receive(t, arms, "a try")
				if info.Err == nil {
					good++
					continue
				}
				tries++
				require.Same(t, bad, info.Coin)
				require.Equal(t, tries, info.Attempts)
				require.True(t, errors.Is(info.Err, bitcart.ErrLoadingWallet) || errors.Is(info.Err, bitcart.ErrInvalidKey), "%v", info.Err)
				require.NotContains(t, shown(t, info.Err), "no-key-of-any-kind")
			}
			stats := daemonStats(t, m)
			require.Equal(t, 3, stats.Armed)
			require.Equal(t, 1, stats.Unarmed)
			stream.stopPromptly()
		})
	}
}

// So it is where the stream goes on only because of a daemon that was added while the lost one's handlers
// still ran.
func TestWaitArmedOfADaemonThatWasLostBeforeAnotherWasAdded(t *testing.T) {
	t.Parallel()
	lost, added := newDaemon(t, "ETH"), newDaemon(t, "BTC")
	key := lost.NewWallet()
	m := makeManager(t, map[string][]string{"ETH": {key}}, bitcart.WithCurrency("ETH", bitcart.WithURL(lost.URL())))
	inside, open := make(chan struct{}), make(chan struct{})
	m.On("own", func(context.Context, *bitcart.Event) error { close(inside); <-open; return nil })
	stream := start(t, websocketOf(m, bitcart.WithoutReconnect()))
	eth := coinOf(t, m, "ETH", key)
	armed(t, eth)
	emit(t, lost, key, "own", 0, 1)
	receive(t, inside, "the handler")
	lost.Faults().RefuseUpgrade(503, "down")
	cutOff(t, lost, bitcarttest.FIN)
	eventually(t, func() bool { return !m.Stats()[0].Connected })
	waiting := make(chan error, 1)
	go func() { waiting <- eth.WaitArmed(patient(t)) }()
	require.Never(t, func() bool { return len(waiting) > 0 }, 50*time.Millisecond, pulse, "the next stream may have it")
	btc, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: added.NewWallet()}, bitcart.WithURL(added.URL()))
	require.NoError(t, err)
	armed(t, btc)
	require.ErrorIs(t, receive(t, waiting, "the end of waiting"), bitcart.ErrConnectionFailed)

	stream.cancel() // it ends: the next one may have the daemon
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, eth.WaitArmed(soon), context.DeadlineExceeded)
	close(open)
	require.Error(t, stream.stop(), "it returns why the connection was lost")
}
