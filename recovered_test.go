package bitcart_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// What is recovered is marked as a repeat of what came live before the connection was lost.
func TestRecoveredRepeatsAreMarked(t *testing.T) {
	t.Parallel()
	for _, managed := range []bool{false, true} {
		t.Run(map[bool]string{false: "coin", true: "manager"}[managed], func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			j := newDiary()
			opts := []bitcart.Option{bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks())}
			own, blocks, key := newInbox(t), newInbox(t), ""
			if managed {
				m, keys := serve(t, d, 1, opts...)
				m.On("own", own.handle)
				m.On("new_block", blocks.handle)
				listenAll(t, m)
				key = keys[0]
			} else {
				coin := newWalletCoin(t, d, opts...)
				coin.On("own", own.handle)
				coin.On("new_block", blocks.handle)
				listen(t, coin)
				key = coin.WalletKey()
			}
			receive(t, j.connects, "the connection")
			emit(t, d, key, "own", 1, 2)
			emit(t, d, "", "new_block", 5, 6)
			require.False(t, own.next().Repeat)
			require.False(t, blocks.next().Repeat)

			outage(t, d, func() {
				emit(t, d, key, "own", 1, 3) // 1 again, and 2
				emit(t, d, "", "new_block", 5, 7)
			})
			for _, in := range []*inbox{own, blocks} {
				for _, repeat := range []bool{true, false} {
					ev := in.next()
					require.Equal(t, bitcart.SourceRecovered, ev.Source)
					require.Equal(t, repeat, ev.Repeat, "%s %s", ev.Name, ev.Raw())
				}
			}
			require.Equal(t, []string{"start"}, j.reasons())
		})
	}
}

// A queue that is longer than the 100 updates that are assumed is a gap only until that is known.
func TestLongerQueueIsLearned(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC", bitcarttest.WithPollingCap(500))
	j := newDiary()
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
	in := inboxOf(t, coin, "own")
	listen(t, coin)
	receive(t, j.connects, "the connection")
	n := 0
	for _, missed := range []int{150, 149, 120} {
		outage(t, d, func() { emit(t, d, coin.WalletKey(), "own", n, n+missed) })
		requireSequence(t, in, n, n+missed, bitcart.SourceRecovered)
		receive(t, j.connects, "the reconnection")
		n += missed
	}
	require.Equal(t, []string{"start", "overflow of a wallet"}, j.reasons(), "150 could be all that it holds, 149 no more")
}

// lateReads is a network on which what comes by websocket can be late.
type lateReads struct {
	late  atomic.Bool
	gate  chan struct{} // closed when it comes
	conns http.Transport
}

type lateConn struct {
	net.Conn
	network *lateReads
	socket  atomic.Bool // it has asked to be a websocket
	once    sync.Once
	closed  chan struct{}
}

func newLateReads(t testing.TB) *lateReads {
	n := &lateReads{gate: make(chan struct{})}
	n.conns.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &lateConn{Conn: conn, network: n, closed: make(chan struct{})}, nil
	}
	t.Cleanup(n.conns.CloseIdleConnections)
	return n
}

func (c *lateConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("Upgrade: websocket")) {
		c.socket.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *lateConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.socket.Load() && c.network.late.Load() {
		select {
		case <-c.network.gate:
		case <-c.closed:
		}
	}
	return n, err
}

func (c *lateConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// A frame can arrive after the answer that holds its update, too. Until a pong shows that every such
// frame has been read, nothing of the answer is handed over: the update would come twice.
func TestAnswerWaitsForTheFramesBeforeIt(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	network := newLateReads(t)
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithTransport(&network.conns))
	in := inboxOf(t, coin, "own")
	answer := make(chan struct{})
	d.Faults().GateMethod("get_updates", answer)
	stream := listen(t, coin)
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", 1))
	network.late.Store(true)
	emit(t, d, coin.WalletKey(), "own", 0, 2)
	close(answer)
	require.Never(t, func() bool { return len(in.ch) > 0 }, 50*time.Millisecond, pulse, "before the frame was read")
	close(network.gate)
	require.Equal(t, upTo(2), in.numbers(2))
	emit(t, d, coin.WalletKey(), "own", 2, 3)
	require.Equal(t, span(2, 3), in.numbers(1))
	stream.stopPromptly()
	in.requireEmpty()
}

// G1: what a new wallet's queue holds comes behind live events if the queue can only be read at a later try.
// The GapStart says nothing about that, so there is another gap before them.
func TestG1NewWalletThatIsReadAtALaterTry(t *testing.T) {
	t.Parallel()
	for _, added := range []bool{false, true} {
		for _, failing := range []string{"getbalance", "get_updates"} {
			t.Run(fmt.Sprintf("%s fails, added %v", failing, added), func(t *testing.T) {
				t.Parallel()
				d := newDaemon(t, "BTC")
				j := newDiary()
				g, opt := tolled()
				m, _ := serve(t, d, 0, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()), opt)
				key := d.NewWallet()
				require.NoError(t, d.Load(key)) // by another client
				emit(t, d, key, "own", 0, 2)
				in := inboxOf(t, m, "own")
				calls, again := 0, make(chan struct{})
				g.set(func(method, _ string) (<-chan struct{}, error) {
					if method != failing {
						return nil, nil
					}
					if calls++; calls == 1 {
						return nil, errOwn
					}
					return again, nil
				})
				add := func() {
					_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: key})
					require.NoError(t, err)
				}
				told := []string{"start", "continuity is not proven of a wallet"}
				if !added {
					add()
				}
				start(t, websocketOf(m))
				receive(t, j.connects, "the first connection")
				if added {
					add()
					told = slices.Insert(told, 1, "start of a wallet")
				}
				eventually(t, func() bool { return len(j.reasons()) >= len(told) })
				emit(t, d, key, "own", 2, 3)
				requireSequence(t, in, 2, 3, bitcart.SourceWebsocket)
				close(again)
				requireSequence(t, in, 0, 2, bitcart.SourceRecovered)
				require.Equal(t, told, j.reasons())
			})
		}
	}
}
