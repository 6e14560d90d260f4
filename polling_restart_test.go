package bitcart_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
	"github.com/stretchr/testify/require"
)

// A restart that is over before the next poll is told as well.
func TestG2PollingTellsOfARestartBetweenTwoCalls(t *testing.T) {
	for name, strangers := range map[string]int{"alone": 0, "with strangers": 3} {
		t.Run(name, func(t *testing.T) {
			d := newDaemon(t, "BTC")
			for range strangers {
				require.NoError(t, d.Load(d.NewWallet()))
			}
			j := newDiary()
			coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()))
			start(t, func(ctx context.Context) error { return coin.PollUpdates(ctx, 200*time.Millisecond) })
			require.NoError(t, d.WaitCalls(patient(t), "get_updates", 3))
			require.Empty(t, j.reasons())
			require.NoError(t, d.Faults().Restart(patient(t), 0))
			before := d.CountCalls("get_updates")
			require.NoError(t, d.WaitCalls(patient(t), "get_updates", before+4))
			reasons := slices.DeleteFunc(j.reasons(), func(reason string) bool {
				return reason == "continuity is not proven of a wallet" // a call was under way
			})
			require.Equal(t, []string{"the daemon was restarted"}, reasons)
			require.LessOrEqual(t, d.CountCalls("list_wallets"), 2, "a list only where the total is new")
		})
	}
}

// slowAnswer is a transport that keeps the first answer of get_updates that holds an update.
type slowAnswer struct {
	once       sync.Once
	kept, gate chan struct{}
}

func (s *slowAnswer) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if bytes.Contains(body, []byte(`"own"`)) {
		s.once.Do(func() {
			close(s.kept)
			<-s.gate
		})
	}
	return resp, err
}

// A wallet that is removed and added again is not asked while its earlier call is under way.
func TestG1PollingOfAWalletThatComesBack(t *testing.T) {
	d := newDaemon(t, "BTC")
	key := d.NewWallet()
	require.NoError(t, d.Load(key))
	slow := &slowAnswer{kept: make(chan struct{}), gate: make(chan struct{})}
	m, err := bitcart.NewAPIManager(map[string][]string{"BTC": {key}}, bitcart.WithStream(recovering()),
		bitcart.WithCurrency("BTC", bitcart.WithURL(d.URL())), bitcart.WithHTTPClient(&http.Client{Transport: slow}))
	require.NoError(t, err)
	in := inboxOf(t, m, "own")
	emit(t, d, key, "own", 0, 1)
	start(t, pollingOf(m))
	receive(t, slow.kept, "the answer")
	require.True(t, m.RemoveWallet("BTC", key))
	_, err = m.AddWallet("BTC", bitcart.Wallet{Xpub: key})
	require.NoError(t, err)
	emit(t, d, key, "own", 1, 2)
	require.Never(t, func() bool { return d.Queued(key) == 0 }, 50*time.Millisecond, pulse, "an answer behind the first one")
	close(slow.gate)
	require.Equal(t, upTo(2), in.numbers(2))
}

// What the daemon held for a wallet since its last answer is lost with a restart: the gap begins there.
func TestG2PollingGapOfARestartBeginsWithTheLastAnswer(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	gaps := make(chan bitcart.Gap, 64)
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(gapsOf(gaps)))
	start(t, func(ctx context.Context) error { return coin.PollUpdates(ctx, 400*time.Millisecond) })
	require.NoError(t, d.WaitCalls(patient(t), "get_updates", 2))
	lost := time.Now()
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	require.NoError(t, d.Faults().Restart(patient(t), 600*time.Millisecond)) // a poll fails meanwhile
	gap := receive(t, gaps, "the gap")
	for gap.Reason != bitcart.GapRestart {
		gap = receive(t, gaps, "the gap") // a call was under way
	}
	require.False(t, gap.Since.After(lost), "%v late", gap.Since.Sub(lost))
}

// Where nobody can tell whether the daemon was restarted, it is asked no more often than elsewhere.
func TestPollingAsksForARestartAtTheInterval(t *testing.T) {
	t.Parallel()
	const wallets, rounds = 12, 4
	for name, tt := range map[string]struct {
		diskless bool
		fails    string
	}{
		"somebody can":     {},
		"diskless wallets": {diskless: true},
		"no getinfo":       {fails: "getinfo"},
		"no list":          {fails: "list_wallets"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			loadStrangers(t, d, 3)
			if tt.fails != "" {
				d.Faults().FailMethod(tt.fails, 1<<20, errOwn)
			}
			m := makeManager(t, nil, bitcart.WithCurrency("BTC", bitcart.WithURL(d.URL())), bitcart.WithStream(recovering()))
			for range wallets {
				_, err := m.AddWallet("BTC", bitcart.Wallet{Xpub: d.NewWallet(), Diskless: tt.diskless})
				require.NoError(t, err)
			}
			start(t, func(ctx context.Context) error { return m.PollUpdates(ctx, 200*time.Millisecond) })
			require.NoError(t, d.WaitCalls(patient(t), "get_updates", wallets*rounds))
			require.LessOrEqual(t, d.CountCalls("getinfo"), 3*rounds)
		})
	}
}

// A number or a list of wallets that is none tells nothing: it is no gap, and keeps no wallet from being polled.
func TestPollingWhereTheAnswerAboutWalletsIsNonsense(t *testing.T) {
	t.Parallel()
	key := newDaemon(t, "BTC").NewWallet()
	listed := `[{"path":"/wallets/` + key + `"}]`
	for name, tt := range map[string]struct{ info, list string }{
		"null":            {`null`, `null`},
		"no object":       {`[]`, listed},
		"huge total":      {`{"total_wallets":1e30}`, listed},
		"total is a text": {`{"total_wallets":"1"}`, listed},
		"negative total":  {`{"total_wallets":-1}`, listed},
		"no list":         {`{"total_wallets":1}`, `null`},
		"list of texts":   {`{"total_wallets":1}`, `["` + key + `"]`},
		"path is none":    {`{"total_wallets":1}`, `[{"path":1}]`},
		"Windows":         {`{"total_wallets":1}`, `[{"path":"C:\\bitcart\\wallets\\` + key + `"}]`},
		"path is a name":  {`{"total_wallets":1}`, `[{"path":"` + key + `"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t, func(s *stub) { s.results["getinfo"], s.results["list_wallets"] = tt.info, tt.list })
			gaps := make(chan bitcart.Gap, 64)
			coin := coinAt(t, s.URL, bitcart.WithXpub(key), bitcart.WithHooks(gapsOf(gaps)))
			stream := start(t, pollingOf(coin))
			eventually(t, func() bool { return s.calls("get_updates") > 5 }, "polls")
			stream.stopPromptly()
			require.Empty(t, gaps)
		})
	}
}

// calls is how often a method was called.
func (s *stub) calls(method string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range s.bodies {
		if bytes.Contains(body, []byte(`"`+method+`"`)) {
			n++
		}
	}
	return n
}

// The end of a stream does not wait for an answer about the daemon's wallets: no queue is emptied by it.
func TestG7EndOfPollingWaitsForNoGetinfo(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	m, _ := serve(t, d, 12, bitcart.WithHooks(bitcart.Hooks{
		OnDisconnect: func(context.Context, bitcart.DisconnectInfo) { t.Error("ctx has ended the stream") },
	}))
	gate := make(chan struct{})
	defer close(gate)
	d.Faults().GateMethod("getinfo", gate)
	stream := start(t, pollingOf(m))
	require.NoError(t, d.WaitCalls(patient(t), "getinfo", 1))
	before := d.CountCalls("get_updates")
	stream.stopPromptly()
	require.LessOrEqual(t, d.CountCalls("get_updates"), before+12)
}

// After a restart that is over before the next poll, the daemon watches a wallet again when it was asked.
func TestWaitArmedAfterARestartBetweenTwoPolls(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	gaps := make(chan bitcart.Gap, 64)
	armings := make(chan bitcart.ArmInfo, 64)
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(bitcart.Hooks{
		OnGap: func(_ context.Context, g bitcart.Gap) { gaps <- g },
		OnArm: func(_ context.Context, info bitcart.ArmInfo) { armings <- info },
	}))
	start(t, func(ctx context.Context) error { return coin.PollUpdates(ctx, 200*time.Millisecond) })
	armed(t, coin)
	require.NoError(t, receive(t, armings, "the wallet is watched").Err)
	gate := make(chan struct{})
	d.Faults().GateMethod("get_updates", gate)
	require.NoError(t, d.Faults().Restart(patient(t), 0))
	for receive(t, gaps, "the gap").Reason != bitcart.GapRestart { // a call was under way
	}
	require.Zero(t, coin.Stats().Armed)
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, coin.WaitArmed(soon), context.DeadlineExceeded)
	d.Faults().GateMethod("get_updates", nil)
	close(gate)
	armed(t, coin)
	require.Equal(t, 1, coin.Stats().Armed)
	require.NoError(t, receive(t, armings, "the wallet is watched again").Err)
}

// A getinfo that does not come back stops no polling: the list of wallets tells, or at least that the
// daemon is there.
func TestPollingWhereGetinfoHangs(t *testing.T) {
	t.Parallel()
	for name, diskless := range map[string]bool{"wallets on disk": false, "diskless wallets": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			j := newDiary()
			hooks := j.hooks()
			hooks.OnDisconnect = func(_ context.Context, info bitcart.DisconnectInfo) { t.Error(info.Err) }
			coin := newCoin(t, d, bitcart.WithWallet(bitcart.Wallet{Xpub: d.NewWallet(), Diskless: diskless}),
				bitcart.WithStream(recovering()), bitcart.WithHooks(hooks), bitcart.WithPatience(300*time.Millisecond))
			in := inboxOf(t, coin, "own")
			gate := make(chan struct{})
			defer close(gate)
			d.Faults().GateMethod("getinfo", gate)
			stream := start(t, pollingOf(coin))
			for n := range 3 {
				require.NoError(t, d.WaitCalls(patient(t), "get_updates", d.CountCalls("get_updates")+2))
				emit(t, d, coin.WalletKey(), "own", n, n+1)
				require.Equal(t, n, numberOf(t, in.next()))
			}
			stream.stopPromptly()
			require.Equal(t, 1, d.CountCalls("getinfo"), "it is left alone for a while")
			require.Empty(t, j.reasons())
		})
	}
}

// A daemon that answers nothing is away, however it goes silent.
func TestPollingWhereEverythingHangs(t *testing.T) {
	t.Parallel()
	for name, diskless := range map[string]bool{"wallets on disk": false, "diskless wallets": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			lost, gaps := make(chan bitcart.DisconnectInfo, 1024), make(chan bitcart.Gap, 64)
			coin := newCoin(t, d, bitcart.WithWallet(bitcart.Wallet{Xpub: d.NewWallet(), Diskless: diskless}),
				bitcart.WithStream(recovering()), bitcart.WithPatience(300*time.Millisecond), bitcart.WithHooks(bitcart.Hooks{
					OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { lost <- info },
					OnGap:        func(_ context.Context, g bitcart.Gap) { gaps <- g },
				}))
			stream := start(t, func(ctx context.Context) error { return coin.PollUpdates(ctx, 500*time.Millisecond) })
			armed(t, coin) // between two polls
			gate := make(chan struct{})
			d.Faults().GateMethod("", gate)
			require.Error(t, receive(t, lost, "the loss").Err)
			require.False(t, coin.Stats().Connected)
			d.Faults().GateMethod("", nil)
			close(gate)
			armed(t, coin)
			stream.stopPromptly()
			require.Empty(t, gaps, "it was not restarted")
		})
	}
}

// A daemon that is away is asked, and told of, once for each attempt, not once for each wallet.
func TestPollingOfManyWalletsWhileTheDaemonIsAway(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	const wallets = 100
	var lost atomic.Int64
	connects := make(chan bitcart.ConnectInfo, 64)
	cfg := recovering()
	cfg.BackoffMin, cfg.BackoffMax = 200*time.Millisecond, 200*time.Millisecond
	m, _ := serve(t, d, wallets, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
		OnConnect:    func(_ context.Context, info bitcart.ConnectInfo) { connects <- info },
		OnDisconnect: func(context.Context, bitcart.DisconnectInfo) { lost.Add(1) },
	}))
	start(t, func(ctx context.Context) error { return m.PollUpdates(ctx, 20*time.Millisecond) })
	receive(t, connects, "the first answer")
	d.Faults().Stop(bitcarttest.FIN)
	const most = wallets / 2 // some calls were under way; then there are six pauses at most
	require.Never(t, func() bool { return lost.Load() > most }, 600*time.Millisecond, pulse)
	require.NoError(t, d.Faults().Start(patient(t)))
	info := receive(t, connects, "the second answer")
	require.LessOrEqual(t, info.Attempts, most+1)
}
