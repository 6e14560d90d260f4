package bitcart_test

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

const (
	herdSize = 1000
	// The defaults of StreamConfig: a pause is between half and one and a half of its interval, the
	// first interval is BackoffMin, and no pause is longer than BackoffMax.
	herdMin, herdMax = 500 * time.Millisecond, 30 * time.Second
)

// TestHerd: a daemon with 1 000 clients goes down for two minutes and comes back, twice. The clients
// and their settings are real ones with the default times; the clock is synctest's and the network
// is made of pipes, so that times are exact and nothing depends on the machine. It proves that the
// attempts of the herd are spread over the whole interval, that each client goes on trying without
// an end, that none is faster than its bounds, that a connection that has proved itself starts the
// pauses anew, and that a daemon that has come back has everybody within BackoffMax. It proves
// nothing about the calls of many wallets after a connect: these clients have none.
func TestHerd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHerd(t)
		time.Sleep(time.Minute) // of fake time: pongs come, and no connection is lost
		require.Equal(t, herdSize, h.daemon.open(), "all are connected")
		for range 2 {
			begin := h.goDown()
			time.Sleep(2 * time.Minute)
			h.requirePauses(begin)
			h.requireSpread("the first attempts", h.attempts(begin, 0), herdMin)
			h.requireSpread("the later attempts", h.attempts(begin, 7), herdMax/2)
			back := h.comeBack()
			time.Sleep(herdMax)
			synctest.Wait()
			require.Equal(t, herdSize, h.daemon.open(), "a daemon that is back has everybody within BackoffMax")
			h.requireSpread("the return", h.attempts(back, 0), herdMax/2)
		}
	})
}

// herd are the clients of one daemon, all in one synctest bubble.
type herd struct {
	t       *testing.T
	daemon  *pipeDaemon
	mu      sync.Mutex
	dials   [][]time.Time // of each client
	cancel  context.CancelFunc
	streams sync.WaitGroup
}

func newHerd(t *testing.T) *herd {
	h := &herd{t: t, daemon: newPipeDaemon(), dials: make([][]time.Time, herdSize)}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	for i := range herdSize {
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			h.mu.Lock()
			h.dials[i] = append(h.dials[i], time.Now())
			h.mu.Unlock()
			return h.daemon.dial()
		}}
		coin := makeCoin(t, "BTC", bitcart.WithURL("http://daemon.example"), bitcart.WithTransport(transport))
		h.streams.Go(func() { _ = coin.StartWebsocket(ctx, bitcart.WithForceConnect()) })
	}
	t.Cleanup(h.stop)
	return h
}

func (h *herd) stop() {
	h.cancel()
	h.streams.Wait()
	h.daemon.close()
}

// goDown cuts everybody in one moment.
func (h *herd) goDown() time.Time {
	begin := time.Now()
	h.daemon.stop()
	return begin
}

func (h *herd) comeBack() time.Time {
	h.daemon.start()
	return time.Now()
}

// of are a client's attempts since a moment.
func (h *herd) of(client int, since time.Time) []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.dials[client]
	i, _ := slices.BinarySearchFunc(list, since, time.Time.Compare)
	return slices.Clone(list[i:])
}

// attempts are the n-th ones of all clients since a moment.
func (h *herd) attempts(since time.Time, n int) []time.Time {
	var list []time.Time
	for i := range herdSize {
		mine := h.of(i, since)
		if len(mine) <= n {
			require.FailNow(h.t, "an attempt is missing", "attempt %d of client %d", n, i)
		}
		list = append(list, mine[n])
	}
	slices.SortFunc(list, time.Time.Compare)
	return list
}

// requirePauses checks the attempts of each client while the daemon is down.
func (h *herd) requirePauses(begin time.Time) {
	h.t.Helper()
	now := time.Now()
	for i := range herdSize {
		last, interval := begin, herdMin
		for n, at := range h.of(i, begin) {
			pause, most := at.Sub(last), min(interval*3/2, herdMax)
			if pause < interval/2 || pause > most {
				require.FailNow(h.t, "a pause is out of its bounds", "client %d, attempt %d: %s, not %s to %s", i, n, pause, interval/2, most)
			}
			last, interval = at, min(2*interval, herdMax*2/3)
		}
		if now.Sub(last) > herdMax {
			require.FailNow(h.t, "a client has given up", "client %d", i)
		}
	}
}

// requireSpread checks that attempts are not in one heap: they reach over the time given, most of
// them are at moments of their own, and no 10 ms see more than one of twenty.
func (h *herd) requireSpread(what string, at []time.Time, over time.Duration) {
	h.t.Helper()
	require.Greater(h.t, at[len(at)-1].Sub(at[0]), over*9/10, what)
	distinct := len(slices.CompactFunc(slices.Clone(at), time.Time.Equal))
	require.Greater(h.t, distinct, len(at)*9/10, what)
	most := 0
	for from, to := 0, 0; to < len(at); to++ {
		for at[to].Sub(at[from]) > 10*time.Millisecond {
			from++
		}
		most = max(most, to-from+1)
	}
	require.LessOrEqual(h.t, most, len(at)/20, "%s: so many within 10 ms", what)
}

// TestHerdOverSockets: the same over TCP, with a bitcarttest daemon that is restarted, and with
// shorter pauses, since this clock is real. It proves that every client is back after a restart,
// and that the pauses which they were told differ and fill their interval; when the attempts really
// came depends on the machine, so that is TestHerd's.
func TestHerdOverSockets(t *testing.T) {
	t.Parallel()
	clients := herdSize
	if raced || testing.Short() {
		clients = 200
	}
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.BackoffMin, cfg.BackoffMax = 100*time.Millisecond, time.Second
	var mu sync.Mutex
	var firsts, all []time.Duration
	for range clients {
		first := true
		coin := newCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
			OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) {
				mu.Lock()
				defer mu.Unlock()
				if first {
					firsts = append(firsts, info.RetryIn)
				}
				first = false
				all = append(all, info.RetryIn)
			},
		}))
		start(t, websocketOf(coin, bitcart.WithForceConnect())) // the daemon counts a client before it has registered
	}
	require.NoError(t, d.WaitSockets(patient(t), clients))
	require.NoError(t, d.Faults().Restart(patient(t), 300*time.Millisecond)) // most fail once or twice meanwhile
	require.NoError(t, d.WaitSockets(patient(t), clients), "everybody is back")

	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(firsts) == clients }, "each was told")
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(firsts)
	require.GreaterOrEqual(t, firsts[0], cfg.BackoffMin/2)
	require.LessOrEqual(t, firsts[clients-1], cfg.BackoffMin*3/2)
	for fifth := range time.Duration(5) { // of the interval: it has a fifth of the pauses, more or less
		from := cfg.BackoffMin/2 + fifth*cfg.BackoffMin/5
		i, _ := slices.BinarySearch(firsts, from)
		j, _ := slices.BinarySearch(firsts, from+cfg.BackoffMin/5)
		require.Greater(t, j-i, clients/16, "%v", firsts)
		require.Less(t, j-i, clients*2/5, "%v", firsts)
	}
	require.Greater(t, len(slices.Compact(firsts)), clients*9/10, "hardly two are the same")
	require.LessOrEqual(t, slices.Max(all), cfg.BackoffMax)
}
