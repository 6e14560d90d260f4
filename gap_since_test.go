package bitcart_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// dropping is a manager whose lane for the events of a name drops: 0 and 1 wait for open, 2 and 3 were
// dropped. Other frames have come since then.
type dropping struct {
	d     *bitcarttest.Daemon
	j     *diary
	m     *bitcart.APIManager
	key   string
	since time.Time // 2 and 3 had been dropped then
	in    *inbox
	open  chan struct{}
}

// drop makes a wallet's lane drop, or with chainWide the chain's.
func drop(t *testing.T, chainWide bool, opts ...bitcart.Option) *dropping {
	t.Helper()
	s := &dropping{d: newDaemon(t, "BTC"), j: newDiary(), in: newInbox(t), open: make(chan struct{})}
	cfg := recovering()
	cfg.QueuePerWallet = 1
	cfg.PingInterval = 5 * time.Millisecond // pongs say how far the daemon has been read
	m, keys := serve(t, s.d, 1, append(opts, bitcart.WithStream(cfg), bitcart.WithHooks(s.j.hooks()))...)
	s.m, s.key = m, keys[0]
	event, key, other, otherKey := "own", s.key, "new_block", ""
	if chainWide {
		event, key, other, otherKey = other, otherKey, event, key
	}
	m.On(event, func(ctx context.Context, ev *bitcart.Event) error { <-s.open; return s.in.handle(ctx, ev) })
	others := inboxOf(t, m, other)
	listenAll(t, m)
	receive(t, s.j.connects, "the first connection")
	emit(t, s.d, key, event, 0, 1)
	eventually(t, func() bool { return m.Stats()[0].Running == 1 })
	emit(t, s.d, key, event, 1, 2)
	eventually(t, func() bool { return m.Stats()[0].Queued == 1 })
	emit(t, s.d, key, event, 2, 4)
	eventually(t, func() bool { return m.Stats()[0].Dropped == 2 })
	s.since = time.Now()
	emit(t, s.d, otherKey, other, 9, 10)
	require.Equal(t, []int{9}, others.numbers(1))
	for after := range 2 { // the second pong is of a ping that was sent after the first
		heard := time.Now()
		eventually(t, func() bool { return m.Stats()[0].LastFrame.After(heard) }, "pong %d", after)
	}
	return s
}

// requireTold waits for a gap behind the first one that is of such a kind, and checks that it reaches
// back to what was dropped.
func (s *dropping) requireTold(t *testing.T, of func(g bitcart.Gap) bool) {
	t.Helper()
	var told bitcart.Gap
	eventually(t, func() bool {
		s.j.mu.Lock()
		defer s.j.mu.Unlock()
		i := slices.IndexFunc(s.j.gaps[1:], of)
		if i >= 0 {
			told = s.j.gaps[1+i]
		}
		return i >= 0
	})
	require.False(t, told.Since.After(s.since), "%v late", told.Since.Sub(s.since))
}

func ofAWallet(g bitcart.Gap) bool  { return g.Coin != nil }
func ofEveryone(g bitcart.Gap) bool { return g.Coin == nil }

// What was dropped, and not read from the daemon's queue before the connection ended, is missing since
// it was dropped.
func TestGapOfAnInterruptedRefillSaysSince(t *testing.T) {
	t.Parallel()
	s := drop(t, false)
	gate := make(chan struct{})
	s.d.Faults().GateMethod("get_updates", gate)
	calls := s.d.CountCalls("get_updates")
	close(s.open) // the lane runs dry: the refill asks
	require.Equal(t, upTo(2), s.in.numbers(2))
	require.NoError(t, s.d.WaitCalls(patient(t), "get_updates", calls+1))
	s.d.Faults().DropAnswer("get_updates", 1)
	cutOff(t, s.d, bitcarttest.FIN)
	require.NoError(t, s.d.WaitSockets(patient(t), 1))
	close(gate)
	s.requireTold(t, ofAWallet)
}

// runDryInARestart has the lane run dry while the daemon is away: nobody can ask for what was dropped,
// and afterwards it is lost.
func (s *dropping) runDryInARestart(t *testing.T) {
	t.Helper()
	s.d.Faults().Stop(bitcarttest.FIN)
	eventually(t, func() bool { return !s.m.Stats()[0].Connected })
	close(s.open)
	require.Equal(t, upTo(2), s.in.numbers(2))
	eventually(t, func() bool { return s.m.Stats()[0].Running == 0 })
	require.NoError(t, s.d.Faults().Start(patient(t)))
	receive(t, s.j.connects, "the second connection")
}

// A restart is a gap of every wallet since the connection ended; what one of them had dropped before is
// lost, too.
func TestGapOfARefillThatARestartHasInterruptedSaysSince(t *testing.T) {
	t.Parallel()
	s := drop(t, false)
	s.runDryInARestart(t)
	s.requireTold(t, ofAWallet)
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	last := s.j.gaps[len(s.j.gaps)-1]
	require.Equal(t, bitcart.GapRestart, last.Reason)
	require.True(t, last.Since.After(s.since), "of the others only that is missing")
}

// So are chain-wide events that the chain's lane had dropped.
func TestGapOfTheChainsInterruptedRefillSaysSince(t *testing.T) {
	t.Parallel()
	s := drop(t, true)
	s.runDryInARestart(t)
	s.requireTold(t, ofEveryone)
}

// What was dropped is still in the daemon's queue after a gap of every wallet that is no restart.
func TestG11RefillBehindAGapOfEveryWalletNeedsNone(t *testing.T) {
	t.Parallel()
	s := drop(t, false, bitcart.WithAllWallets())
	outage(t, s.d, func() {
		eventually(t, func() bool { return !s.m.Stats()[0].Connected })
		close(s.open)
		require.Equal(t, upTo(2), s.in.numbers(2))
		eventually(t, func() bool { return s.m.Stats()[0].Running == 0 })
	})
	require.Equal(t, []int{2, 3}, s.in.numbers(2))
	receive(t, s.j.connects, "the second connection")
	require.Equal(t, []string{"start", "continuity is not proven"}, s.j.reasons())
}

// What an overflow adds to a pass does not make young what the pass has not found yet.
func TestGapOfAnOverflowInAPassSaysSince(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 1
	m, keys := serve(t, d, 1, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	listenAll(t, m)
	receive(t, j.connects, "the first connection")
	ended := time.Now()
	gate := make(chan struct{})
	d.Faults().GateMethod("get_updates", gate)
	calls := d.CountCalls("get_updates")
	cutOff(t, d, bitcarttest.FIN)
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", calls+1))
	emit(t, d, keys[0], "own", 0, 3)
	eventually(t, func() bool { return m.Stats()[0].Dropped == 2 })
	d.Faults().DropAnswer("get_updates", 1)
	close(gate)
	eventually(t, func() bool { return len(j.reasons()) > 1 })
	j.mu.Lock()
	defer j.mu.Unlock()
	require.False(t, j.gaps[1].Since.After(ended), "%v late", j.gaps[1].Since.Sub(ended))
}

// A wallet that is added while nothing is connected is new, as one that is added to a connection.
func TestGapOfAWalletThatIsAddedInAnOutage(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	m, _ := serve(t, d, 1, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	listenAll(t, m)
	<-j.connects
	outage(t, d, func() {
		eventually(t, func() bool { return !m.Stats()[0].Connected })
		_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: d.NewWallet()})
		require.NoError(t, err)
	})
	<-j.connects
	require.Equal(t, []string{"start", "start of a wallet"}, j.reasons())
}

// Dropped events of a stranger are told although the wallet is added before its lane has run dry.
func TestGapOfAStrangerThatIsAddedInAnOutage(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	stranger := d.NewWallet()
	require.NoError(t, d.Load(stranger))
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 1
	m, _ := serve(t, d, 1, bitcart.WithAllWallets(), bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	open := make(chan struct{})
	m.On("own", func(context.Context, *bitcart.Event) error { <-open; return nil })
	listenAll(t, m)
	<-j.connects
	emit(t, d, stranger, "own", 0, 1)
	eventually(t, func() bool { return m.Stats()[0].Running == 1 })
	emit(t, d, stranger, "own", 1, 4)
	eventually(t, func() bool { return m.Stats()[0].Dropped == 2 })
	outage(t, d, func() {
		eventually(t, func() bool { return !m.Stats()[0].Connected })
		_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: stranger})
		require.NoError(t, err)
	})
	<-j.connects
	close(open)
	require.Contains(t, j.reasons(), "start of a wallet")
}

// Wallets that nobody added drop, too.
func TestGapOfStrangersSaysSince(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	stranger := d.NewWallet()
	require.NoError(t, d.Load(stranger))
	j := newDiary()
	cfg := recovering()
	cfg.QueuePerWallet = 1
	m, _ := serve(t, d, 1, bitcart.WithAllWallets(), bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	open := make(chan struct{})
	m.On("own", func(context.Context, *bitcart.Event) error { <-open; return nil })
	listenAll(t, m)
	<-j.connects
	emit(t, d, stranger, "own", 0, 1)
	eventually(t, func() bool { return m.Stats()[0].Running == 1 })
	emit(t, d, stranger, "own", 1, 4)
	eventually(t, func() bool { return m.Stats()[0].Dropped == 2 })
	dropped := time.Now()
	close(open)
	eventually(t, func() bool { return len(j.reasons()) > 1 })
	j.mu.Lock()
	defer j.mu.Unlock()
	require.False(t, j.gaps[1].Since.After(dropped), "%v late", j.gaps[1].Since.Sub(dropped))
}
