package bitcart_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// Gap.Since is not later than the sending of what may be missing, however late what was sent before that is read.

// slowNetwork delays what websockets read while it has a gate.
type slowNetwork struct{ gate atomic.Pointer[chan struct{}] }

type slowSocket struct {
	net.Conn
	of        *slowNetwork
	websocket bool
}

func (n *slowNetwork) option() bitcart.Option {
	return bitcart.WithTransport(&http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return &slowSocket{Conn: conn, of: n}, err
		},
	})
}

func (s *slowSocket) Write(p []byte) (int, error) {
	s.websocket = s.websocket || bytes.Contains(p, []byte("websocket"))
	return s.Conn.Write(p)
}

func (s *slowSocket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if gate := s.of.gate.Load(); s.websocket && gate != nil {
		<-*gate
	}
	return n, err
}

// during holds back what is read while f runs.
func (n *slowNetwork) during(f func()) {
	gate := make(chan struct{})
	n.gate.Store(&gate)
	f()
	n.gate.Store(nil)
	close(gate)
}

func TestGapOfAConnectionThatIsReadLateSaysSince(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	var slow slowNetwork
	m, keys := serve(t, d, 1, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()), slow.option())
	in := inboxOf(t, m, "own")
	listenAll(t, m)
	receive(t, j.connects, "the first connection")
	var lost time.Time
	slow.during(func() {
		emit(t, d, keys[0], "own", 0, 1)
		cutOff(t, d, bitcarttest.FIN)
		lost = time.Now()
		emit(t, d, keys[0], "own", 1, 2)
		thief := newCoin(t, d, bitcart.WithXpub(keys[0]))
		require.NoError(t, thief.Call(patient(t), nil, "get_updates"))
	})
	require.Equal(t, upTo(1), in.numbers(1))
	receive(t, j.connects, "the second connection")
	j.mu.Lock()
	defer j.mu.Unlock()
	require.NotEmpty(t, j.gaps[1:])
	for _, g := range j.gaps[1:] {
		require.False(t, g.Since.After(lost), "%v late", g.Since.Sub(lost))
	}
}

func TestGapOfAnOverflowThatIsReadLateSaysSince(t *testing.T) {
	t.Parallel()
	for _, of := range []string{"wallet", "stranger", "chain"} {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			j := newDiary()
			cfg := quick
			cfg.QueuePerWallet = 1
			var slow slowNetwork
			opts := []bitcart.Option{bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()), slow.option()}
			if of == "stranger" {
				opts = append(opts, bitcart.WithAllWallets())
			}
			m, keys := serve(t, d, 1, opts...)
			key := map[string]string{"wallet": keys[0], "stranger": d.NewWallet(), "chain": ""}[of]
			if of == "stranger" {
				require.NoError(t, d.Load(key))
			}
			event := "own"
			if of == "chain" {
				event = "new_block"
			}
			g := newGated(t)
			m.On(event, g.handle)
			listenAll(t, m)
			receive(t, j.connects, "the first connection")
			emit(t, d, key, event, 0, 1)
			eventually(t, func() bool { return m.Stats()[0].Running == 1 })
			emit(t, d, key, event, 1, 2)
			eventually(t, func() bool { return m.Stats()[0].Queued == 1 })
			var lost time.Time
			slow.during(func() {
				lost = time.Now()
				emit(t, d, key, event, 2, 4)
			})
			eventually(t, func() bool { return m.Stats()[0].Dropped == 2 })
			g.open()
			eventually(t, func() bool { return len(j.reasons()) == 2 })
			j.mu.Lock()
			defer j.mu.Unlock()
			require.Equal(t, bitcart.GapOverflow, j.gaps[1].Reason)
			require.False(t, j.gaps[1].Since.After(lost), "%v late", j.gaps[1].Since.Sub(lost))
		})
	}
}

func TestGapOfAPollThatOverflowsSaysSince(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	j := newDiary()
	cfg := quick
	cfg.QueuePerWallet = 1
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(j.hooks()))
	g := newGated(t)
	coin.On("own", g.handle)
	start(t, func(ctx context.Context) error { return coin.PollUpdates(ctx, time.Millisecond) })
	require.NoError(t, coin.WaitArmed(patient(t)))
	gate := make(chan struct{})
	d.Faults().GateMethod("get_updates", gate)
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", d.CountCalls("get_updates")+1))
	emit(t, d, coin.WalletKey(), "own", 0, 4)
	lost := time.Now()
	close(gate)
	eventually(t, func() bool { return coin.Stats().Dropped > 0 })
	g.open()
	eventually(t, func() bool { return len(j.reasons()) == 1 })
	j.mu.Lock()
	defer j.mu.Unlock()
	require.Equal(t, bitcart.GapOverflow, j.gaps[0].Reason)
	require.False(t, j.gaps[0].Since.After(lost), "%v late", j.gaps[0].Since.Sub(lost))
}
