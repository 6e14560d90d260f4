package bitcart_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// floodSize is how many wallets get 200 updates each: 200 000 in all. With the race detector the
// daemon's writes alone would take 8 s, so that there are 20 000, and under -short;
// 6 MB are still more than sockets buffer.
func floodSize() (wallets int) {
	if raced || testing.Short() {
		return 100
	}
	return 1000
}

const (
	floodDeque = 100 // what the daemon's queue of one wallet holds
	floodQuiet = 56  // updates of every tenth wallet, which loses nothing: the daemon's queue holds them
	floodLoud  = 216 // updates of the others, so that it is 200 each on average
	floodLane  = 16  // QueuePerWallet
	floodBurst = 20  // updates of one wallet in a row: more than its lane takes

	floodPatience = time.Minute // on a machine that has much else to do
)

// TestFlood: all handlers are stuck while a daemon sends 200 updates to each of 1 000 wallets. The
// daemon must not notice, the queues must stay within their bounds, and when the handlers go on,
// every wallet must get what its queue had kept and what the daemon's queue still has; where that is
// not all, it must be told of a gap, and only there.
func TestFlood(t *testing.T) {
	t.Parallel()
	f := newFlood(t)
	sampler := f.sample()
	f.send()
	require.Zero(t, f.handled.Load(), "the daemon has sent everything while every handler was stuck")
	eventually(t, func() bool { return daemonStats(t, f.m).Received == uint64(f.updates) }, "and the reader has read it")
	f.requireBounds(sampler)
	require.Equal(t, 1, f.d.Sockets(), "nobody was cut off")
	require.Zero(t, daemonStats(t, f.m).Reconnects)
	eventually(t, func() bool {
		stats := daemonStats(t, f.m)
		return uint64(stats.Running+stats.Queued)+stats.Dropped == uint64(f.updates)
	}, "each update runs, waits, or is counted as dropped")

	f.gate.open()
	f.awaitLast()
	require.NoError(t, f.stream.stop())
	f.requireNothingLostInSilence()
}

type flood struct {
	t       *testing.T
	d       *bitcarttest.Daemon
	m       *bitcart.APIManager
	cfg     bitcart.StreamConfig
	stream  *run
	gate    *gated
	updates int
	tracks  map[string]*floodTrack
	keys    []string
	handled atomic.Int64 // handlers that have returned
	last    sync.WaitGroup
	gaps    chan bitcart.Gap
}

// floodTrack is what became of one wallet's updates, 0 to sent-1.
type floodTrack struct {
	sent int
	live []int // handed over as they came, in order
	late []int // recovered
	gaps []bitcart.GapReason
}

func newFlood(t *testing.T) *flood {
	wallets := floodSize()
	f := &flood{t: t, gate: newGated(t), tracks: map[string]*floodTrack{}, gaps: make(chan bitcart.Gap, 2*wallets)}
	f.cfg = recovering()
	f.cfg.Workers = 64 // all are stuck before the queues are full
	f.cfg.QueuePerWallet = floodLane
	f.cfg.QueueBytes = int64(wallets) * 6 << 10 // the first wallets of a burst fill their lanes, the last ones find the whole full
	f.d = newDaemon(t, "ETH", bitcarttest.WithPollingCap(floodDeque), bitcarttest.WithWriteTimeout(floodPatience))
	connected := make(chan bitcart.ConnectInfo, 1)
	hooks := gapsOf(f.gaps)
	hooks.OnConnect = func(_ context.Context, info bitcart.ConnectInfo) { connected <- info }
	f.m, f.keys = serve(t, f.d, wallets, bitcart.WithTransport(narrow(t)), bitcart.WithStream(f.cfg), bitcart.WithHooks(hooks))
	for i, key := range f.keys {
		tr := &floodTrack{sent: floodLoud}
		if i%10 == 0 {
			tr.sent = floodQuiet
		}
		f.tracks[key] = tr
		f.updates += tr.sent
	}
	f.last.Add(wallets)
	f.m.On("own", f.handle)
	f.stream = start(t, websocketOf(f.m))
	require.Equal(t, wallets, receive(t, connected, "the end of the start").Armed)
	require.Equal(t, bitcart.GapStart, receive(t, f.gaps, "the gap of the start").Reason)
	require.NoError(t, f.d.WaitSockets(patient(t), 1))
	return f
}

// narrow is a transport with a small receive buffer, so that what a reader does not read stalls the
// daemon soon: its own send buffer is the kernel's, a few megabytes at most.
func narrow(t testing.TB) *http.Transport {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(256 << 10)
		}
		return conn, err
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// handle is stuck until the gate opens. The lists of a wallet are its own lane's.
func (f *flood) handle(_ context.Context, ev *bitcart.Event) error {
	<-f.gate.gate
	tr, n := f.tracks[ev.Wallet], numberOf(f.t, ev)
	if ev.Source == bitcart.SourceRecovered {
		tr.late = append(tr.late, n)
	} else {
		tr.live = append(tr.live, n)
	}
	f.handled.Add(1)
	if n == tr.sent-1 {
		f.last.Done()
	}
	return nil
}

// send emits all updates, burst by burst, from some goroutines at once.
func (f *flood) send() {
	const senders = 4
	pad := strings.Repeat("x", 200)
	var all sync.WaitGroup
	for s := range senders {
		all.Go(func() {
			for from, more := 0, true; more; from += floodBurst {
				more = false
				for i := s; i < len(f.keys); i += senders {
					key := f.keys[i]
					for n := from; n < min(from+floodBurst, f.tracks[key].sent); n++ {
						more = true
						if err := f.d.Emit(key, json.RawMessage(fmt.Sprintf(`{"event": "own", "n": %d, "pad": %q}`, n, pad))); err != nil {
							f.t.Error(err)
							return
						}
					}
				}
			}
		})
	}
	all.Wait()
	require.False(f.t, f.t.Failed())
}

// awaitLast waits until the last update of each wallet was handed over.
func (f *flood) awaitLast() {
	done := make(chan struct{})
	go func() { f.last.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(floodPatience):
		require.FailNow(f.t, "waited in vain for the last update of each wallet")
	}
}

// floodSampler looks at Stats all the time.
type floodSampler struct {
	end            chan struct{}
	done           sync.WaitGroup
	looks          int
	queued, nbytes int // the most that was seen
}

func (f *flood) sample() *floodSampler {
	s := &floodSampler{end: make(chan struct{})}
	s.done.Go(func() {
		for {
			stats := f.m.Stats()[0]
			s.looks++
			s.queued, s.nbytes = max(s.queued, stats.Queued), max(s.nbytes, stats.QueuedBytes)
			select {
			case <-s.end:
				return
			case <-time.After(100 * time.Microsecond):
			}
		}
	})
	return s
}

// requireBounds ends the sampling. It goes on to the end of the flood, not into the recovery: what
// an answer of get_updates brings is beyond the bounds.
func (f *flood) requireBounds(s *floodSampler) {
	t := f.t
	close(s.end)
	s.done.Wait()
	t.Logf("%d updates to %d wallets; %d looks, at most %d events and %d bytes of %d waited",
		f.updates, len(f.keys), s.looks, s.queued, s.nbytes, f.cfg.QueueBytes)
	require.LessOrEqual(t, s.nbytes, int(f.cfg.QueueBytes))
	require.Greater(t, s.nbytes, int(f.cfg.QueueBytes)*9/10, "the flood has filled them")
	require.LessOrEqual(t, s.queued, len(f.keys)*floodLane)
}

func (f *flood) requireNothingLostInSilence() {
	t := f.t
	close(f.gaps)
	for g := range f.gaps {
		require.NotNil(t, g.Coin, "%s: nothing has happened to all of them", g.Reason)
		tr := f.tracks[g.Coin.WalletKey()]
		tr.gaps = append(tr.gaps, g.Reason)
	}
	gaps := 0
	for i, key := range f.keys {
		tr := f.tracks[key]
		require.Equal(t, upTo(len(tr.live)), nonNil(tr.live), "wallet %d: what was kept is the beginning", i)
		held := max(tr.sent-floodDeque, len(tr.live))
		require.Equal(t, span(held, tr.sent), nonNil(tr.late), "wallet %d: what the daemon held comes behind it", i)
		if lost := held - len(tr.live); lost == 0 {
			require.Empty(t, tr.gaps, "wallet %d has lost nothing", i)
		} else {
			gaps++
			require.Equal(t, []bitcart.GapReason{bitcart.GapOverflow}, tr.gaps, "wallet %d has lost %d", i, lost)
		}
	}
	require.Equal(t, len(f.keys)*9/10, gaps)
	most := 0
	for _, tr := range f.tracks {
		most = max(most, len(tr.live))
	}
	require.LessOrEqual(t, most, floodLane+1, "one in the handler, and as many as a lane takes")
	require.GreaterOrEqual(t, most, floodLane)
}

func nonNil(list []int) []int { return append([]int{}, list...) }
