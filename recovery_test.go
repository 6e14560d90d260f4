package bitcart_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// recovering is quick with recovery.
func recovering() bitcart.StreamConfig {
	cfg := quick
	cfg.DequeCap = 0
	return cfg
}

// diary writes down what hooks tell.
type diary struct {
	mu       sync.Mutex
	gaps     []bitcart.Gap
	connects chan bitcart.ConnectInfo
}

func newDiary() *diary { return &diary{connects: make(chan bitcart.ConnectInfo, 1024)} }

func (j *diary) hooks() bitcart.Hooks {
	return bitcart.Hooks{
		OnGap: func(_ context.Context, g bitcart.Gap) {
			j.mu.Lock()
			defer j.mu.Unlock()
			j.gaps = append(j.gaps, g)
		},
		OnConnect: func(_ context.Context, info bitcart.ConnectInfo) { j.connects <- info },
	}
}

// reasons are those of the gaps so far; the Coin's gaps are marked.
func (j *diary) reasons() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := []string{}
	for _, g := range j.gaps {
		text := g.Reason.String()
		if g.Coin != nil {
			text += " of a wallet"
		}
		list = append(list, text)
	}
	return list
}

// outage cuts the sockets and keeps them out while f runs.
func outage(t testing.TB, d *bitcarttest.Daemon, f func()) {
	t.Helper()
	d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
	d.Faults().CutSockets(bitcarttest.FIN)
	require.NoError(t, d.WaitSockets(patient(t), 0))
	f()
	d.Faults().AcceptUpgrade()
}

// requireSequence takes n events and checks their numbers and where they came from.
func requireSequence(t testing.TB, in *inbox, from, to int, src bitcart.Source) {
	t.Helper()
	for i := from; i < to; i++ {
		ev := in.next()
		require.Equal(t, i, numberOf(t, ev))
		require.Equal(t, src.String(), ev.Source.String(), "event %d", i)
	}
}

func TestG2MissedEventsAreRecoveredOnceAndInOrder(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "BCH", "ETH", "TRX"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, currency)
			j := newDiary()
			coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
			in := inboxOf(t, coin, "own", "new_block")
			stream := listen(t, coin)
			<-j.connects
			n := 0
			for range 3 {
				emit(t, d, coin.WalletKey(), "own", n, n+10)
				requireSequence(t, in, n, n+10, bitcart.SourceWebsocket)
				outage(t, d, func() { emit(t, d, coin.WalletKey(), "own", n+10, n+30) })
				requireSequence(t, in, n+10, n+30, bitcart.SourceRecovered)
				info := <-j.connects
				require.Equal(t, 20, info.Recovered)
				require.Zero(t, info.Gaps)
				require.Equal(t, 1, info.Armed)
				n += 30
			}
			stream.stopPromptly()
			in.requireEmpty()
			require.Equal(t, []string{"start"}, j.reasons(), "G11: continuity is proven")
			require.EqualValues(t, 60, coin.Stats().Recovered)
		})
	}
}

func TestG2ManagerRecoversEachWalletAndTheChainOnce(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "ETH"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			const wallets = 30
			d := newDaemon(t, currency)
			j := newDiary()
			m, keys := serve(t, d, wallets, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
			boxes := map[string]*inbox{}
			for _, key := range keys {
				boxes[key] = newInbox(t)
			}
			m.On("own", func(ctx context.Context, ev *bitcart.Event) error { return boxes[ev.Wallet].handle(ctx, ev) })
			blocks := inboxOf(t, m, "new_block")
			stream := listenAll(t, m)
			<-j.connects
			busy := keys[:wallets/2] // the others stay idle
			height := d.Height()
			for round := range 3 {
				n := round * 10
				for _, key := range busy {
					emit(t, d, key, "own", n, n+4)
				}
				d.Mine(2)
				for _, key := range busy {
					requireSequence(t, boxes[key], n, n+4, bitcart.SourceWebsocket)
				}
				outage(t, d, func() {
					for _, key := range busy {
						emit(t, d, key, "own", n+4, n+10)
					}
					d.Mine(3)
				})
				for _, key := range busy {
					requireSequence(t, boxes[key], n+4, n+10, bitcart.SourceRecovered)
				}
				require.Zero(t, (<-j.connects).Gaps)
			}
			// Account daemons tell every block, the others the tip.
			perRound := 5
			if currency == "BTC" {
				perRound = 2
			}
			last := int64(0)
			for range 3 * perRound {
				ev := blocks.next()
				require.Empty(t, ev.Wallet)
				b, err := bitcart.PayloadOf[bitcart.NewBlock](ev)
				require.NoError(t, err)
				require.Greater(t, b.Height, last, "once and in order")
				last = b.Height
			}
			require.Equal(t, height+15, last)
			stream.stopPromptly()
			blocks.requireEmpty()
			require.Equal(t, []string{"start"}, j.reasons(), "G11: idle wallets included")
		})
	}
}

func TestG10RestartIsReportedOnceAndWalletsAreWatchedAgain(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "ETH"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, currency)
			j := newDiary()
			m, keys := serve(t, d, 60, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
			in := inboxOf(t, m, "own")
			stream := listenAll(t, m)
			<-j.connects
			require.NoError(t, d.Faults().Restart(patient(t), 20*time.Millisecond))
			info := <-j.connects
			require.Equal(t, 60, info.Armed)
			require.Len(t, d.Loaded(), 60)
			for i, key := range keys {
				emit(t, d, key, "own", i, i+1)
			}
			seen := map[int]bool{}
			for range keys {
				seen[numberOf(t, in.next())] = true
			}
			require.Len(t, seen, 60)
			stream.stopPromptly()
			require.Equal(t, []string{"start", "the daemon was restarted"}, j.reasons())
		})
	}
}

func TestGapWhenMoreWasMissedThanTheDaemonHolds(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC", bitcarttest.WithPollingCap(100))
	j := newDiary()
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	in := inboxOf(t, coin, "own")
	listen(t, coin)
	<-j.connects
	emit(t, d, coin.WalletKey(), "own", 0, 5)
	require.Equal(t, upTo(5), in.numbers(5))
	outage(t, d, func() { emit(t, d, coin.WalletKey(), "own", 5, 160) })
	requireSequence(t, in, 60, 160, bitcart.SourceRecovered)
	require.Equal(t, 1, (<-j.connects).Gaps)
	require.Equal(t, []string{"start", "overflow of a wallet"}, j.reasons())
}

func TestGapWhenSomebodyElseReadsTheQueue(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	in := inboxOf(t, coin, "own")
	listen(t, coin)
	<-j.connects
	thief := newCoin(t, d, bitcart.WithXpub(coin.WalletKey()))
	emit(t, d, coin.WalletKey(), "own", 0, 5)
	require.Equal(t, upTo(5), in.numbers(5))
	outage(t, d, func() {
		emit(t, d, coin.WalletKey(), "own", 5, 10)
		require.NoError(t, thief.Call(patient(t), nil, "get_updates"))
		emit(t, d, coin.WalletKey(), "own", 10, 15)
	})
	requireSequence(t, in, 10, 15, bitcart.SourceRecovered)
	<-j.connects
	require.Equal(t, []string{"start", "continuity is not proven of a wallet"}, j.reasons())
}

func TestBacklogBeforeTheFirstConnect(t *testing.T) {
	t.Parallel()
	for _, discard := range []bool{false, true} {
		t.Run(fmt.Sprint("discard ", discard), func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			coin := newWalletCoin(t, d, bitcart.WithStream(recovering()))
			in := inboxOf(t, coin, "own")
			require.NoError(t, d.Load(coin.WalletKey()))
			emit(t, d, coin.WalletKey(), "own", 0, 5)
			var opts []bitcart.StartOption
			if discard {
				opts = append(opts, bitcart.WithoutBacklog())
			}
			j := newDiary()
			connected := bitcart.WithReconnectCallback(func(context.Context, string) error {
				j.connects <- bitcart.ConnectInfo{}
				return nil
			})
			listen(t, coin, append(opts, connected)...)
			<-j.connects
			if !discard {
				requireSequence(t, in, 0, 5, bitcart.SourceRecovered)
			}
			emit(t, d, coin.WalletKey(), "own", 5, 6)
			requireSequence(t, in, 5, 6, bitcart.SourceWebsocket)
			outage(t, d, func() { emit(t, d, coin.WalletKey(), "own", 6, 8) })
			requireSequence(t, in, 6, 8, bitcart.SourceRecovered)
		})
	}
}

func TestG4OverflowIsRefilledFromTheDaemon(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 10
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	in := newInbox(t)
	open := make(chan struct{})
	coin.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		<-open
		return in.handle(ctx, ev)
	})
	listen(t, coin)
	<-j.connects
	emit(t, d, coin.WalletKey(), "own", 0, 60) // 1 inside, 10 wait, 49 find no room
	eventually(t, func() bool { return coin.Stats().Dropped >= 49 })
	close(open)
	require.Equal(t, upTo(60), in.numbers(60))
	emit(t, d, coin.WalletKey(), "own", 60, 65)
	require.Equal(t, span(60, 65), in.numbers(5))
	require.Equal(t, []string{"start"}, j.reasons())
}

func TestG7GetUpdatesUnderWayIsWaitedFor(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()))
	in := inboxOf(t, coin, "own")
	require.NoError(t, d.Load(coin.WalletKey()))
	emit(t, d, coin.WalletKey(), "own", 0, 5)
	gate := make(chan struct{})
	d.Faults().GateMethod("get_updates", gate)
	stream := listen(t, coin)
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", 1))
	stream.cancel()
	stream.requireRunning()
	close(gate)
	require.NoError(t, stream.wait())
	require.Equal(t, upTo(5), in.numbers(5))
}

func TestHangingGetUpdatesHoldsNobodyElseUp(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 3, bitcart.WithStream(recovering()))
	in := inboxOf(t, m, "own")
	gate := make(chan struct{})
	d.Handle("get_updates", func(c *bitcarttest.Call) (any, error) {
		if c.Wallet == keys[0] {
			<-gate
		}
		return []any{}, nil
	})
	defer close(gate)
	listenAll(t, m)
	emit(t, d, keys[1], "own", 1, 2)
	emit(t, d, keys[2], "own", 2, 3)
	require.ElementsMatch(t, []int{1, 2}, in.numbers(2))
}

func TestWalletAddedToARunningStream(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	m, _ := serve(t, d, 1, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	in := inboxOf(t, m, "own")
	listenAll(t, m)
	<-j.connects
	c, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: d.NewWallet()})
	require.NoError(t, err)
	armed(t, c)
	emit(t, d, c.WalletKey(), "own", 0, 3)
	require.Equal(t, upTo(3), in.numbers(3))
	outage(t, d, func() { emit(t, d, c.WalletKey(), "own", 3, 6) })
	requireSequence(t, in, 3, 6, bitcart.SourceRecovered)
	require.Equal(t, []string{"start", "start of a wallet"}, j.reasons())
}

func TestBatchLoadFallsBackToOneByOne(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "ETH")
	j := newDiary()
	m, keys := serve(t, d, 10, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	bad, err := m.AddWallet("ETH", bitcart.Wallet{Xpub: "nonsense"})
	require.NoError(t, err)
	start(t, websocketOf(m))
	info := <-j.connects
	require.Equal(t, 10, info.Armed)
	require.Equal(t, 1, info.Unarmed)
	require.Len(t, d.Loaded(), len(keys))
	require.False(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		return bad.WaitArmed(ctx) == nil
	}())
}
