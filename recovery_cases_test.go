package bitcart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// tollgate lets a test see and stop calls by method and wallet.
type tollgate struct {
	mu sync.Mutex
	f  func(method, wallet string) (<-chan struct{}, error)
}

func (g *tollgate) set(f func(method, wallet string) (<-chan struct{}, error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.f = f
}

func (g *tollgate) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var call struct {
		Method string
		Params json.RawMessage
	}
	_ = json.Unmarshal(body, &call)
	g.mu.Lock()
	f := g.f
	g.mu.Unlock()
	if f != nil {
		gate, err := f(call.Method, string(call.Params))
		if err != nil {
			return nil, err
		}
		if gate != nil {
			select {
			case <-gate:
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

func tolled() (*tollgate, bitcart.Option) {
	g := &tollgate{}
	return g, bitcart.WithHTTPClient(&http.Client{Transport: g})
}

// 1. A daemon that synchronizes: every load hangs.
// 2. WithoutBacklog, the first connection: blocks that the chain's lane dropped.
func TestG2WithoutBacklogTheChainIsRefilled(t *testing.T) {
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 2
	m, _ := serve(t, d, 1, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	var mu sync.Mutex
	var got []int64
	open := make(chan struct{})
	bitcart.On(m, func(_ context.Context, _ *bitcart.Event, b bitcart.NewBlock) error {
		<-open
		mu.Lock()
		defer mu.Unlock()
		got = append(got, b.Height)
		return nil
	})
	r := start(t, websocketOf(m, bitcart.WithoutBacklog()))
	<-j.connects
	h := d.Height()
	mineEach(d, 8)
	eventually(t, func() bool { return m.Stats()[0].Dropped > 0 && m.Stats()[0].Received >= 8 })
	close(open)
	eventually(t, func() bool { return d.CountCalls("get_updates") > 1 && m.Stats()[0].Running == 0 })
	d.Mine(1)
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(got) > 0 && got[len(got)-1] == h+9 })
	require.NoError(t, r.stop())
	if len(j.reasons()) == 1 {
		require.Len(t, got, 9, "no gap was told: %v", got)
	}
}

// 3. An overflow while held, whose last drop the pass's answer has brought.
func TestG11OverflowWhileHeldNeedsNoGap(t *testing.T) {
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 5
	m, keys := serve(t, d, 1, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	in := inboxOf(t, m, "own")
	listenAll(t, m)
	<-j.connects
	emit(t, d, keys[0], "own", 0, 3)
	require.Equal(t, upTo(3), in.numbers(3))
	gate := make(chan struct{})
	d.Faults().GateMethod("get_updates", gate)
	calls := d.CountCalls("get_updates")
	cutOff(t, d, bitcarttest.FIN)
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", calls+1))
	emit(t, d, keys[0], "own", 3, 20)
	eventually(t, func() bool { return m.Stats()[0].Dropped > 0 })
	d.Faults().GateMethod("get_updates", nil)
	close(gate)
	require.Equal(t, span(3, 20), in.numbers(17))
	begin := time.Now()
	emit(t, d, keys[0], "own", 20, 21)
	require.Equal(t, span(20, 21), in.numbers(1))
	t.Logf("the next live event waited %v (BackoffMin %v); get_updates calls %d", time.Since(begin), cfg.BackoffMin, d.CountCalls("get_updates")-calls)
	<-j.connects
	eventually(t, func() bool { return m.Stats()[0].Queued == 0 })
	require.Equal(t, []string{"start"}, j.reasons())
}

// 4. The pass's end opens the chain's lane although a refill still holds it.
func TestG1EndOfAPassLeavesARefillsHold(t *testing.T) {
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 3
	g, opt := tolled()
	m, keys := serve(t, d, 2, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()), opt)
	var mu sync.Mutex
	var got []int64
	var door atomic.Pointer[chan struct{}]
	bitcart.On(m, func(_ context.Context, _ *bitcart.Event, b bitcart.NewBlock) error {
		if c := door.Load(); c != nil {
			<-*c
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, b.Height)
		return nil
	})
	last := func() int64 {
		mu.Lock()
		defer mu.Unlock()
		if len(got) == 0 {
			return 0
		}
		return got[len(got)-1]
	}
	listenAll(t, m)
	<-j.connects
	d.Mine(1)
	eventually(t, func() bool { return last() == d.Height() })
	// The second wallet's load hangs, then fails.
	loadGate, readGate := make(chan struct{}), make(chan struct{})
	var read atomic.Int32
	var failLoad, gateRead atomic.Bool
	failLoad.Store(true)
	g.set(func(method, params string) (<-chan struct{}, error) {
		second := bytes.Contains([]byte(params), []byte(keys[1]))
		switch {
		case method == "getbalance" && second && failLoad.Load():
			<-loadGate
			return nil, errors.New("no")
		case method == "get_updates" && gateRead.Load():
			read.Add(1)
			return readGate, nil
		}
		return nil, nil
	})
	calls := d.CountCalls("get_updates")
	cutOff(t, d, bitcarttest.FIN)
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", calls+1)) // of the first wallet
	require.NoError(t, d.WaitSockets(patient(t), 1))
	d.Mine(1)
	eventually(t, func() bool { return last() == d.Height() }) // the chain is open
	stuck := make(chan struct{})
	door.Store(&stuck)
	gateRead.Store(true)
	h := d.Height()
	mineEach(d, 1)
	eventually(t, func() bool { return m.Stats()[0].Running == 1 })
	mineEach(d, 9)
	defer func() { t.Logf("%+v %v %d", m.Stats()[0], j.reasons(), read.Load()) }()
	require.Eventually(t, func() bool { return m.Stats()[0].Dropped > 0 && m.Stats()[0].Queued == 3 }, 5*time.Second, pulse)
	door.Store(nil)
	close(stuck)
	eventually(t, func() bool { return read.Load() == 1 }) // the refill reads
	d.Mine(1)                                              // held
	close(loadGate)                                        // the pass ends
	<-j.connects
	newest := d.Height()
	require.Never(t, func() bool { return last() == newest }, 50*time.Millisecond, pulse, "it comes before what was dropped")
	close(readGate)
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(got) >= 13 })
	mu.Lock()
	defer mu.Unlock()
	t.Log(got, j.reasons(), h)
	_ = h
	for i := 1; i < len(got); i++ {
		require.Less(t, got[i-1], got[i], "order of blocks, gaps %v", j.reasons())
	}
}

// 5. What a refill holds waits for an outage's end.
// 6. The end of the stream, while a refill waits for a connection.
func TestG2EndWithDroppedEventsIsTold(t *testing.T) {
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 1
	m, keys := serve(t, d, 1, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	in := newInbox(t)
	open := make(chan struct{})
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		<-open
		return in.handle(ctx, ev)
	})
	r := listenAll(t, m)
	<-j.connects
	emit(t, d, keys[0], "own", 0, 1)
	eventually(t, func() bool { return m.Stats()[0].Running == 1 })
	emit(t, d, keys[0], "own", 1, 10)
	eventually(t, func() bool { return m.Stats()[0].Dropped == 8 })
	d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
	d.Faults().CutSockets(bitcarttest.RST)
	eventually(t, func() bool { return !m.Stats()[0].Connected })
	close(open)
	require.Equal(t, upTo(2), in.numbers(2))
	eventually(t, func() bool { st := m.Stats()[0]; return st.Queued == 0 && st.Running == 0 }) // the lane runs dry
	err := r.stop()
	t.Log(err, j.reasons(), m.Stats()[0].Dropped)
	require.True(t, err != nil || len(j.reasons()) > 1, "8 updates were dropped, the stream says nil and no gap was told")
}

// 7. A pass whose connection has ended says that it is connected.
func TestOnConnectIsNotForADeadConnection(t *testing.T) {
	d := newDaemon(t, "BTC")
	var log journal
	hooks := bitcart.Hooks{
		OnConnect:    func(_ context.Context, i bitcart.ConnectInfo) { log.add("connect armed=%d gaps=%d", i.Armed, i.Gaps) },
		OnDisconnect: func(_ context.Context, i bitcart.DisconnectInfo) { log.add("disconnect") },
		OnGap:        func(_ context.Context, g bitcart.Gap) { log.add("gap %v coin=%v", g.Reason, g.Coin != nil) },
	}
	m, _ := serve(t, d, 1, bitcart.WithStream(recovering()), bitcart.WithHooks(hooks))
	start(t, websocketOf(m, bitcart.WithReconnectCallback(func(context.Context, string) error { log.add("callback"); return nil })))
	eventually(t, func() bool { return log.count("callback") == 1 })
	gate := make(chan struct{})
	d.Faults().GateMethod("get_updates", gate)
	calls := d.CountCalls("get_updates")
	cutOff(t, d, bitcarttest.FIN)
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", calls+1))
	d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
	d.Faults().CutSockets(bitcarttest.RST)
	eventually(t, func() bool { return log.count("disconnect") >= 4 })
	d.Faults().GateMethod("get_updates", nil)
	close(gate)
	eventually(t, func() bool { return log.count("disconnect") >= 10 })
	t.Log(log.all())
	require.Equal(t, 1, log.count("callback"), "the daemon is down: %v", log.all())
}

// 8. PollUpdates and a daemon that was restarted.
func TestPollingTellsOfARestart(t *testing.T) {
	d := newDaemon(t, "BTC")
	j := newDiary()
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	in := inboxOf(t, coin, "own")
	start(t, pollingOf(coin))
	<-j.connects
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	in.numbers(1)
	d.Faults().Stop(bitcarttest.RST)
	eventually(t, func() bool { return !coin.Stats().Connected })
	require.Never(t, func() bool { return coin.Stats().Connected }, 100*time.Millisecond, pulse, "the daemon is down")
	require.NoError(t, d.Faults().Start(patient(t)))
	<-j.connects
	eventually(t, func() bool { return strings.Contains(fmt.Sprint(j.reasons()), "restart") })
}

// 9. The gap for the chain comes behind what it is about.
func TestGapComesBeforeTheHeldBlocks(t *testing.T) {
	d := newDaemon(t, "BTC")
	g, opt := tolled()
	m, keys := serve(t, d, 1, bitcart.WithStream(recovering()), opt)
	var log journal
	start(t, func(ctx context.Context) error {
		for ev, err := range m.Events(ctx) {
			if err != nil {
				log.add("gap %v", err.(*bitcart.GapError).Gap.Coin != nil)
				continue
			}
			log.add("%s", ev.Name)
		}
		return nil
	})
	c, _ := m.Coin("BTC", keys[0])
	armed(t, c)
	eventually(t, func() bool { return !m.Stats()[0].Recovering })
	loadGate := make(chan struct{})
	var waits atomic.Bool
	g.set(func(method, _ string) (<-chan struct{}, error) {
		if method == "getbalance" {
			waits.Store(true)
			<-loadGate
			return nil, errors.New("no")
		}
		return nil, nil
	})
	cutOff(t, d, bitcarttest.FIN)
	eventually(t, waits.Load)
	require.NoError(t, d.WaitSockets(patient(t), 1))
	d.Mine(1)
	eventually(t, func() bool { return m.Stats()[0].Queued == 1 })
	close(loadGate)
	eventually(t, func() bool { return log.count("new_block") == 1 && len(log.all()) >= 4 })
	t.Log(log.all())
	lines := log.all()
	require.Less(t, slices.Index(lines[1:], "gap false"), slices.Index(lines[1:], "new_block"), "%v", lines)
}

func mineEach(d *bitcarttest.Daemon, n int) {
	for range n {
		d.Mine(1)
	}
}

// 3b. The same for the chain's lane.
func TestG11ChainOverflowWhileHeldNeedsNoGap(t *testing.T) {
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 5
	m, _ := serve(t, d, 1, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	in := inboxOf(t, m, "new_block")
	listenAll(t, m)
	<-j.connects
	mineEach(d, 2)
	in.next()
	in.next()
	gate := make(chan struct{})
	d.Faults().GateMethod("get_updates", gate)
	calls := d.CountCalls("get_updates")
	cutOff(t, d, bitcarttest.FIN)
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", calls+1))
	mineEach(d, 17)
	eventually(t, func() bool { return m.Stats()[0].Dropped > 0 })
	d.Faults().GateMethod("get_updates", nil)
	close(gate)
	for range 17 {
		in.next()
	}
	mineEach(d, 1)
	in.next()
	<-j.connects
	eventually(t, func() bool { return m.Stats()[0].Queued == 0 })
	t.Log(d.CountCalls("get_updates") - calls)
	require.Equal(t, []string{"start"}, j.reasons())
}

// 10. A lane that is full at a connect, and drops only then.
func TestGapOfAFullLaneSaysSince(t *testing.T) {
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 1
	m, keys := serve(t, d, 2, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	open := make(chan struct{})
	m.On("own", func(context.Context, *bitcart.Event) error { <-open; return nil })
	began := time.Now()
	listenAll(t, m)
	<-j.connects
	emit(t, d, keys[0], "own", 0, 1)
	eventually(t, func() bool { return m.Stats()[0].Running == 1 })
	emit(t, d, keys[0], "own", 1, 2)
	eventually(t, func() bool { return m.Stats()[0].Queued == 1 })
	cutOff(t, d, bitcarttest.FIN)
	<-j.connects
	emit(t, d, keys[0], "own", 2, 4)
	eventually(t, func() bool { return m.Stats()[0].Dropped == 2 })
	d.Faults().DropAnswer("get_updates", 1)
	close(open)
	eventually(t, func() bool { return len(j.reasons()) > 1 })
	j.mu.Lock()
	defer j.mu.Unlock()
	require.True(t, j.gaps[1].Since.After(began), "since %v", j.gaps[1].Since)
}

// 11. A Coin whose lane is full at a connect: the refill proves what the pass has not.
func TestG11CoinWithAFullLaneNeedsNoGap(t *testing.T) {
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 2
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	in := newInbox(t)
	open := make(chan struct{})
	coin.On("own", func(ctx context.Context, ev *bitcart.Event) error { <-open; return in.handle(ctx, ev) })
	listen(t, coin)
	<-j.connects
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	eventually(t, func() bool { return coin.Stats().Running == 1 })
	emit(t, d, coin.WalletKey(), "own", 1, 6)
	eventually(t, func() bool { return coin.Stats().Dropped > 0 })
	outage(t, d, func() { emit(t, d, coin.WalletKey(), "own", 6, 9) })
	<-j.connects
	close(open)
	require.Equal(t, upTo(9), in.numbers(9))
	require.Equal(t, []string{"start"}, j.reasons())
}

// 12. What a pass holds must not keep the pass from asking.
func TestG4HeldEventsLeaveRoomForTheirAnswers(t *testing.T) {
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueueBytes = 100_000
	m, keys := serve(t, d, 6, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	in := inboxOf(t, m, "own")
	listenAll(t, m)
	<-j.connects
	gate := make(chan struct{})
	d.Faults().GateMethod("getbalance", gate)
	calls := d.CountCalls("getbalance")
	cutOff(t, d, bitcarttest.FIN)
	require.NoError(t, d.WaitCalls(patient(t), "getbalance", calls+6))
	for _, k := range keys {
		emit(t, d, k, "own", 0, 40)
	}
	eventually(t, func() bool { return m.Stats()[0].Queued == 240 })
	begin := time.Now()
	close(gate)
	for range 240 {
		in.next()
	}
	t.Log("the held events waited", time.Since(begin), j.reasons())
	require.Equal(t, []string{"start"}, j.reasons())
}

// A daemon that synchronizes holds every load: no wallet's live events wait for the turns of all others.
func TestG10NoWalletWaitsForTheTurnOfOthers(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, keys := serve(t, d, 80, bitcart.WithStream(recovering()), bitcart.WithPatience(200*time.Millisecond))
	in := inboxOf(t, m, "own")
	for _, k := range keys {
		require.NoError(t, d.Load(k))
	}
	d.Faults().DelayMethod("getbalance", time.Hour)
	r := start(t, websocketOf(m))
	require.NoError(t, d.WaitSockets(patient(t), 1))
	for i, k := range keys {
		require.NoError(t, d.Emit(k, item("own", i)))
	}
	require.ElementsMatch(t, upTo(len(keys)), in.numbers(len(keys)))
	d.Faults().DelayMethod("getbalance", 0)
	require.NoError(t, r.stop())
}

// What a refill holds when its connection ends does not wait for the end of the outage.
func TestWhatARefillHoldsIsHandedOverInAnOutage(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 1
	cfg.BackoffMin, cfg.BackoffMax = 40*time.Millisecond, 50*time.Millisecond
	m, keys := serve(t, d, 1, bitcart.WithStream(cfg), bitcart.WithPatience(300*time.Millisecond), bitcart.WithHooks(j.hooks()))
	in := newInbox(t)
	open := make(chan struct{})
	m.On("own", func(ctx context.Context, ev *bitcart.Event) error {
		<-open
		return in.handle(ctx, ev)
	})
	listenAll(t, m)
	<-j.connects
	emit(t, d, keys[0], "own", 0, 1)
	eventually(t, func() bool { return m.Stats()[0].Running == 1 })
	emit(t, d, keys[0], "own", 1, 2)
	eventually(t, func() bool { return m.Stats()[0].Queued == 1 })
	calls := d.CountCalls("get_updates")
	sendOnly(d, keys[0], 2) // dropped, and its append was skipped
	eventually(t, func() bool { return m.Stats()[0].Dropped == 1 })
	close(open)
	require.Equal(t, upTo(2), in.numbers(2))
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", calls+1))
	emit(t, d, keys[0], "own", 3, 4) // held by the refill
	eventually(t, func() bool { return m.Stats()[0].Queued == 1 })
	d.Faults().RefuseUpgrade(http.StatusServiceUnavailable, "down")
	d.Faults().CutSockets(bitcarttest.RST)
	require.Equal(t, []int{3}, in.numbers(1))
}

// One queue of a Coin's own stream that cannot be read is one gap, of the wallet and the chain.
func TestG2QueueThatCannotBeReadIsOneGap(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	start(t, websocketOf(coin))
	receive(t, j.connects, "the first connection")
	d.Faults().FailMethod("get_updates", 1, errors.New("not now"))
	d.Faults().CutSockets(bitcarttest.FIN)
	require.Equal(t, 1, receive(t, j.connects, "the second connection").Gaps)
	require.Equal(t, []string{"start", "continuity is not proven of a wallet"}, j.reasons())
}

// An answer that comes when its connection has ended may lack what was missed since then: the gap of
// the wallet that could not be loaded at the connect is too old to stand for that.
func TestG2AnswerOfADeadConnectionAfterTheGap(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	g, opt := tolled()
	m, keys := serve(t, d, 1, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()), opt)
	key := keys[0]
	in := inboxOf(t, m, "own")
	start(t, websocketOf(m))
	receive(t, j.connects, "the first connection")
	emit(t, d, key, "own", 0, 1)
	require.Equal(t, upTo(1), in.numbers(1))

	loads, load, asked, ask := 0, make(chan struct{}), make(chan struct{}, 1), make(chan struct{})
	g.set(func(method, _ string) (<-chan struct{}, error) {
		switch method {
		case "getbalance":
			if loads++; loads == 1 {
				return nil, errOwn
			}
			return load, nil
		case "get_updates":
			asked <- struct{}{}
			return ask, nil
		}
		return nil, nil
	})
	cutOff(t, d, bitcarttest.FIN)
	receive(t, j.connects, "the second connection")
	told := []string{"start", "continuity is not proven of a wallet", "continuity is not proven"}
	eventually(t, func() bool { return len(j.reasons()) == len(told) })
	emit(t, d, key, "own", 1, 2)
	requireSequence(t, in, 1, 2, bitcart.SourceWebsocket) // it goes on behind the gap
	close(load)
	receive(t, asked, "the second try asks for the queue")
	outage(t, d, func() {
		eventually(t, func() bool { return !m.Stats()[0].Connected })
		emit(t, d, key, "own", 2, 4)
		thief := newCoin(t, d, bitcart.WithXpub(key))
		require.NoError(t, thief.Call(patient(t), nil, "get_updates"))
		emit(t, d, key, "own", 4, 5)
		g.set(nil)
		close(ask)
		requireSequence(t, in, 4, 5, bitcart.SourceRecovered)
	})
	require.NotZero(t, receive(t, j.connects, "the third connection").Gaps, "2 and 3 are lost: %v", j.reasons())
	require.Equal(t, append(told, told[1:]...), j.reasons())
}

// The second try for a wallet asks when an update was sent and not yet queued: whoever reads the queue
// then takes that with what is missed, and the first gap was told before both.
func TestG2AnswerBeforeTheDaemonQueuesAfterTheGap(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	g, opt := tolled()
	m, keys := serve(t, d, 1, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()), opt)
	key := keys[0]
	in := inboxOf(t, m, "own")
	start(t, websocketOf(m))
	receive(t, j.connects, "the first connection")

	loads, load := 0, make(chan struct{})
	g.set(func(method, _ string) (<-chan struct{}, error) {
		if method != "getbalance" {
			return nil, nil
		}
		if loads++; loads == 1 {
			return nil, errOwn
		}
		return load, nil
	})
	outage(t, d, func() { emit(t, d, key, "own", 0, 1) })
	receive(t, j.connects, "the second connection")
	told := []string{"start", "continuity is not proven of a wallet", "continuity is not proven"}
	eventually(t, func() bool { return len(j.reasons()) == len(told) })
	sendOnly(d, key, 1)
	requireSequence(t, in, 1, 2, bitcart.SourceWebsocket)
	close(load)
	requireSequence(t, in, 0, 1, bitcart.SourceRecovered)
	outage(t, d, func() {
		emit(t, d, key, "own", 2, 3)
		thief := newCoin(t, d, bitcart.WithXpub(key))
		require.NoError(t, thief.Call(patient(t), nil, "get_updates"))
		emit(t, d, key, "own", 3, 4)
	})
	require.NotZero(t, receive(t, j.connects, "the third connection").Gaps, "2 is lost: %v", j.reasons())
}

// A daemon that was restarted sends blocks before it has loaded the wallet again, and puts them into no
// queue: what a full lane drops of them cannot be read again, and the restart's gap was told before.
func TestG2BlocksThatAreDroppedBeforeTheWalletIsLoaded(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 1
	toll, opt := tolled()
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()), opt)
	open := make(chan struct{})
	var blocks atomic.Int64
	coin.On("new_block", func(context.Context, *bitcart.Event) error {
		<-open
		blocks.Add(1)
		return nil
	})
	listen(t, coin)
	<-j.connects
	d.Mine(1)
	eventually(t, func() bool { return coin.Stats().Running == 1 })
	mineEach(d, 2)
	eventually(t, func() bool { return coin.Stats().Dropped == 1 })

	loads, load := make(chan struct{}, 64), make(chan struct{})
	toll.set(func(method, _ string) (<-chan struct{}, error) {
		if method != "getbalance" {
			return nil, nil
		}
		loads <- struct{}{}
		return load, nil
	})
	require.NoError(t, d.Faults().Restart(patient(t), 0))
	receive(t, loads, "the load behind the restart's gap")
	mineEach(d, 2)
	eventually(t, func() bool { return coin.Stats().Dropped == 3 })
	told := len(j.reasons())
	close(load)
	armed(t, coin)
	<-j.connects
	mineEach(d, 1)
	eventually(t, func() bool { return coin.Stats().Dropped == 4 })
	close(open)
	eventually(t, func() bool { return coin.Stats().Queued == 0 && blocks.Load() >= 3 })
	mineEach(d, 1)
	eventually(t, func() bool { return blocks.Load() >= 4 })
	require.Greater(t, len(j.reasons()), told, "two blocks are lost: %v", j.reasons())
}

// A gap that is told while a lane drops does not stand for what it drops afterwards: if the answer that
// holds that is lost, there is another gap.
func TestG2LostAnswerWithWhatWasDroppedBehindAGap(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 1
	toll, opt := tolled()
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()), opt)
	door := make(chan struct{})
	var blocks atomic.Int64
	coin.On("new_block", func(context.Context, *bitcart.Event) error {
		<-door
		blocks.Add(1)
		return nil
	})
	listen(t, coin)
	<-j.connects
	asked, gates := make(chan string, 64), make(chan chan struct{}, 64)
	toll.set(func(method, _ string) (<-chan struct{}, error) {
		if method != "getinfo" && method != "get_updates" {
			return nil, nil
		}
		gate := make(chan struct{})
		gates <- gate
		asked <- method
		return gate, nil
	})
	next := func(method string) (open func()) {
		t.Helper()
		require.Equal(t, method, receive(t, asked, method))
		gate := <-gates
		return func() { close(gate) }
	}
	mine := func(dropped uint64) {
		t.Helper()
		mineEach(d, 1)
		eventually(t, func() bool { return coin.Stats().Dropped == dropped })
	}
	require.NoError(t, d.Faults().Restart(patient(t), 0))
	witness := next("getinfo")
	mine(0)
	mine(1)
	witness()
	ask := next("get_updates")
	mine(2) // behind the restart's gap
	told := len(j.reasons())
	d.Faults().DropAnswer("get_updates", 1)
	ask()
	ask = next("get_updates")
	toll.set(func(string, string) (<-chan struct{}, error) { return nil, nil })
	mine(3)
	ask()
	eventually(t, func() bool { return d.Queued(coin.WalletKey()) == 0 })
	close(door)
	eventually(t, func() bool { return coin.Stats().Queued == 0 && blocks.Load() >= 1 })
	mineEach(d, 1)
	eventually(t, func() bool { return blocks.Load() >= 3 })
	require.Greater(t, len(j.reasons()), told, "a block is lost: %v", j.reasons())
}

// With WithAllWallets nobody asks whether the daemon was restarted: what the chain's lane drops before the
// wallets are loaded again may be in no queue.
func TestG2WithAllWalletsBlocksThatAreDroppedBeforeTheWalletIsLoaded(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 1
	toll, opt := tolled()
	m, _ := serve(t, d, 1, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()), opt, bitcart.WithAllWallets())
	door := make(chan struct{})
	var blocks atomic.Int64
	m.On("new_block", func(context.Context, *bitcart.Event) error {
		<-door
		blocks.Add(1)
		return nil
	})
	listenAll(t, m)
	<-j.connects
	d.Mine(1)
	eventually(t, func() bool { return daemonStats(t, m).Running == 1 })
	mineEach(d, 2)
	eventually(t, func() bool { return daemonStats(t, m).Dropped == 1 })
	loads, load := make(chan struct{}, 64), make(chan struct{})
	toll.set(func(method, _ string) (<-chan struct{}, error) {
		if method != "getbalance" {
			return nil, nil
		}
		loads <- struct{}{}
		return load, nil
	})
	require.NoError(t, d.Faults().Restart(patient(t), 0))
	receive(t, loads, "the load behind the connect's gap")
	mineEach(d, 2)
	eventually(t, func() bool { return daemonStats(t, m).Dropped == 3 })
	told := len(j.reasons())
	close(load)
	<-j.connects
	mineEach(d, 1)
	eventually(t, func() bool { return daemonStats(t, m).Dropped == 4 })
	close(door)
	eventually(t, func() bool { return blocks.Load() >= 3 && daemonStats(t, m).Queued == 0 })
	d.Mine(1)
	eventually(t, func() bool { return blocks.Load() >= 4 && daemonStats(t, m).Queued == 0 })
	require.Greater(t, len(j.reasons()), told, "two blocks are lost: %v", j.reasons())
}
