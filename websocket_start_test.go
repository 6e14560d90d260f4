package bitcart_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// refusal is a server that refuses the upgrade.
type refusal struct {
	name      string
	status    int
	body      string
	permanent bool // ends a stream that was never connected
	is        error
}

var refusals = []refusal{
	{"unauthorized as daemons say it", 200, `{"jsonrpc":"2.0","error":{"code":-32600,"message":"Unauthorized"},"id":null}`, true, bitcart.ErrUnauthorized},
	{"401", 401, "Authorization Required", true, bitcart.ErrUnauthorized},
	{"404", 404, "404: Not Found", true, nil},
	{"other JSON-RPC error", 200, `{"jsonrpc":"2.0","error":{"code":-32603,"message":"Exception: x"},"id":null}`, false, nil},
	{"HTML page", 200, "<html>Welcome to nginx!</html>", false, nil},
	{"empty page", 200, "", false, nil},
	{"500", 500, "500 Internal Server Error", false, nil},
	{"502", 502, "Bad Gateway", false, nil},
	{"503", 503, "Service Unavailable", false, nil},
	{"503 of a gateway in JSON-RPC", 503, `{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request"},"id":null}`, false, nil},
	{"unauthorized with its status", 401, `{"jsonrpc":"2.0","error":{"code":-32600,"message":"Unauthorized"},"id":null}`, true, bitcart.ErrUnauthorized},
}

func TestFirstConnectionThatIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			d.Faults().RefuseUpgrade(test.status, test.body)
			coin := newWalletCoin(t, d)
			err := start(t, websocketOf(coin)).wait()
			require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
			require.Equal(t, test.is == bitcart.ErrUnauthorized, errors.Is(err, bitcart.ErrUnauthorized), "%v", err)
			var refused *bitcart.ConnectError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, "BTC", refused.Currency)
			require.Equal(t, test.status, refused.StatusCode)
			require.NotContains(t, err.Error(), coin.WalletKey())

			d.Faults().AcceptUpgrade()
			listen(t, coin) // the coin can start again
		})
	}
}

func TestForceConnectAndRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			d.Faults().RefuseUpgrade(test.status, test.body)
			failed := make(chan bitcart.DisconnectInfo, 1024)
			coin := newWalletCoin(t, d, bitcart.WithHooks(bitcart.Hooks{
				OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { failed <- info },
			}))
			stream := start(t, websocketOf(coin, bitcart.WithForceConnect()))
			if test.permanent {
				err := stream.wait()
				require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
				if test.is != nil {
					require.ErrorIs(t, err, test.is)
				}
				return
			}
			for range 3 {
				require.Error(t, receive(t, failed, "a failed attempt").Err)
			}
			stream.requireRunning()
			d.Faults().AcceptUpgrade()
			armed(t, coin)
			stream.stopPromptly()
		})
	}
}

func TestWrongCredentialsEndTheStreamAtOnce(t *testing.T) {
	t.Parallel()
	const wrong = "wrong-password"
	for name, opts := range map[string][]bitcart.StartOption{
		"plain": nil, "forced": {bitcart.WithForceConnect()}, "without reconnect": {bitcart.WithoutReconnect()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC", bitcarttest.WithCredentials("me", "right"))
			coin := newWalletCoin(t, d, bitcart.WithBasicAuth("me", wrong))
			err := start(t, websocketOf(coin, opts...)).wait()
			require.ErrorIs(t, err, bitcart.ErrUnauthorized)
			require.NotContains(t, shown(t, err), wrong)
			require.NotContains(t, shown(t, err), coin.WalletKey())
			require.NoError(t, d.WaitSockets(patient(t), 0))

			right := newWalletCoin(t, d, bitcart.WithBasicAuth("me", "right"))
			listen(t, right)
		})
	}
}

func TestFirstConnectionToNobody(t *testing.T) {
	t.Parallel()
	err := start(t, websocketOf(coinAt(t, "http://user:secret-word@"+freePort(t), bitcart.WithXpub("xpub6abcdefgh")))).wait()
	require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	var refused *bitcart.ConnectError
	require.ErrorAs(t, err, &refused)
	require.Zero(t, refused.StatusCode)
	require.NotContains(t, refused.URL, "secret-word")
	require.NotContains(t, shown(t, err), "secret-word")
	require.NotContains(t, shown(t, err), "xpub6abcdefgh")
}

func TestForceConnectWaitsForADaemonThatStartsLater(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	d.Faults().Stop(bitcarttest.FIN)
	connects := make(chan bitcart.ConnectInfo, 1)
	failed := make(chan bitcart.DisconnectInfo, 1024)
	coin := newWalletCoin(t, d, bitcart.WithHooks(bitcart.Hooks{
		OnConnect:    func(_ context.Context, info bitcart.ConnectInfo) { connects <- info },
		OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { failed <- info },
	}))
	in := inboxOf(t, coin, "own")
	stream := start(t, websocketOf(coin, bitcart.WithForceConnect()))
	for range 3 {
		info := receive(t, failed, "a failed attempt")
		require.ErrorIs(t, info.Err, bitcart.ErrConnectionFailed)
		require.Positive(t, info.RetryIn)
	}
	stream.requireRunning()
	require.NoError(t, d.Faults().Start(patient(t)))
	armed(t, coin)
	info := receive(t, connects, "the connection")
	require.True(t, info.First)
	require.GreaterOrEqual(t, info.Attempts, 4)
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	require.Equal(t, upTo(1), in.numbers(1))
}

// What ends a new stream must not end one that has worked: the daemon may be half way through a
// restart, or its proxy be reconfigured.
func TestPermanentFailuresAreRetriedOnceConnected(t *testing.T) {
	t.Parallel()
	for _, test := range refusals {
		if !test.permanent {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			cfg := quick
			cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 60*time.Millisecond
			failed := make(chan bitcart.DisconnectInfo, 1024)
			coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
				OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { failed <- info },
			}))
			in := inboxOf(t, coin, "own")
			stream := listen(t, coin)
			d.Faults().RefuseUpgrade(test.status, test.body)
			cutOff(t, d, bitcarttest.RST)
			receive(t, failed, "the loss of the connection")
			for range 3 {
				info := receive(t, failed, "a refused attempt")
				require.ErrorIs(t, info.Err, bitcart.ErrConnectionFailed)
				if test.is != nil {
					require.ErrorIs(t, info.Err, test.is)
				}
				require.GreaterOrEqual(t, info.RetryIn, cfg.BackoffMax/2, "at BackoffMax, but for jitter")
			}
			stream.requireRunning()
			d.Faults().AcceptUpgrade()
			eventually(t, func() bool { return len(d.Registered()) == 1 })
			armed(t, coin)
			emit(t, d, coin.WalletKey(), "own", 0, 1)
			require.Equal(t, upTo(1), in.numbers(1))
		})
	}
}

// hangingPlaces are the places where a start can hang.
func hangingPlaces(t testing.TB) map[string]func() (coin *bitcart.Coin, reached <-chan struct{}) {
	reached := func() (chan struct{}, func()) {
		ch := make(chan struct{}, 1024)
		return ch, func() { ch <- struct{}{} }
	}
	acceptedBy := func(s *silent) <-chan struct{} {
		ch, arrive := reached()
		ended := make(chan struct{})
		t.Cleanup(func() { close(ended) })
		go func() {
			select {
			case <-s.accepted:
				arrive()
			case <-ended:
			}
		}()
		return ch
	}
	wallet := bitcart.WithXpub("xpub6abcdefgh")
	return map[string]func() (*bitcart.Coin, <-chan struct{}){
		"dial": func() (*bitcart.Coin, <-chan struct{}) {
			ch, arrive := reached()
			transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				arrive()
				<-ctx.Done()
				return nil, ctx.Err()
			}}
			t.Cleanup(transport.CloseIdleConnections)
			return coinAt(t, "http://127.0.0.1:1", wallet, bitcart.WithTransport(transport)), ch
		},
		"upgrade": func() (*bitcart.Coin, <-chan struct{}) {
			s := newSilent(t)
			return coinAt(t, "http://"+s.addr, wallet), acceptedBy(s)
		},
		"half an answer": func() (*bitcart.Coin, <-chan struct{}) {
			ch, arrive := reached()
			gone := make(chan struct{})
			t.Cleanup(func() { close(gone) })
			s := newStub(t, func(s *stub) {
				s.upgrade = func(w http.ResponseWriter, _ *http.Request) {
					conn, _, err := http.NewResponseController(w).Hijack()
					if err != nil {
						return
					}
					defer conn.Close()
					_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")
					arrive()
					<-gone
				}
			})
			return coinAt(t, s.URL, wallet), ch
		},
		"TLS handshake": func() (*bitcart.Coin, <-chan struct{}) {
			s := newSilent(t)
			return coinAt(t, "https://"+s.addr, wallet), acceptedBy(s)
		},
		"HTTP proxy": func() (*bitcart.Coin, <-chan struct{}) {
			s := newSilent(t)
			return coinAt(t, "http://127.0.0.1:1", wallet, bitcart.WithProxy("http://"+s.addr)), acceptedBy(s)
		},
		"SOCKS proxy": func() (*bitcart.Coin, <-chan struct{}) {
			s := newSilent(t)
			return coinAt(t, "http://127.0.0.1:1", wallet, bitcart.WithProxy("socks5://"+s.addr)), acceptedBy(s)
		},
		"loading the wallet": func() (*bitcart.Coin, <-chan struct{}) {
			d := newDaemon(t, "BTC")
			hold(t, d, "")
			ch, arrive := reached()
			waiting := patient(t)
			go func() {
				if d.WaitCalls(waiting, "", 1) == nil {
					arrive()
				}
			}()
			return newWalletCoin(t, d), ch
		},
		"pause between attempts": func() (*bitcart.Coin, <-chan struct{}) {
			ch, arrive := reached()
			cfg := quick
			cfg.BackoffMin, cfg.BackoffMax = time.Hour, time.Hour
			return coinAt(t, "http://"+freePort(t), wallet, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
				OnDisconnect: func(context.Context, bitcart.DisconnectInfo) { arrive() },
			})), ch
		},
	}
}

func TestEndOfContextEndsAStartThatHangs(t *testing.T) {
	t.Parallel()
	for name, place := range hangingPlaces(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			coin, reached := place()
			stream := start(t, websocketOf(coin, bitcart.WithForceConnect()))
			receive(t, reached, "the place where it hangs")
			stream.stopPromptly()
		})
	}
}

func TestContextThatHasEndedBefore(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, coin := range map[string]*bitcart.Coin{
		"daemon": newWalletCoin(t, d), "nobody": coinAt(t, "http://"+freePort(t), bitcart.WithXpub("xpub6abcdefgh")),
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				startIn(t, ended, websocketOf(coin)).stopPromptly()
				startIn(t, ended, websocketOf(coin, bitcart.WithoutReconnect())).stopPromptly()
			}
		})
	}
	require.NoError(t, d.WaitSockets(patient(t), 0))
}

// A deadline is the end of ctx like any other.
func TestDeadlineOfContextIsNoError(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	require.NoError(t, startIn(t, ctx, websocketOf(newWalletCoin(t, d))).wait())
}

// Nor is one that comes during the dial: the dialler knows of it a moment before ctx does.
func TestDeadlineDuringTheDialIsNoError(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	for i := range 150 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*5*time.Microsecond)
		require.NoError(t, coin.StartWebsocket(ctx))
		require.NoError(t, coin.StartWebsocket(ctx, bitcart.WithoutReconnect()))
		require.NoError(t, coin.PollUpdates(ctx, time.Millisecond))
		cancel()
	}
}

func TestEndOfContextDoesNotWaitForADeadPeer(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	stream := listen(t, newWalletCoin(t, d))
	d.Faults().BlackHole(true)
	stream.stopPromptly()
}

func TestWaitArmed(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	arms := make(chan bitcart.ArmInfo, 64)
	coin := newWalletCoin(t, d, bitcart.WithHooks(bitcart.Hooks{
		OnArm: func(_ context.Context, info bitcart.ArmInfo) { arms <- info },
	}))
	require.ErrorIs(t, newCoin(t, d).WaitArmed(patient(t)), bitcart.ErrWalletRequired)

	ended, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, coin.WaitArmed(ended), context.DeadlineExceeded, "no stream runs")

	waited := make(chan error, 1)
	waiting := patient(t)
	go func() { waited <- coin.WaitArmed(waiting) }() // begins before the stream
	failure := &bitcarttest.Error{Code: -32005, Message: "Exception: Error loading wallet"}
	d.Faults().FailMethod("getbalance", -1, failure)
	stream := start(t, websocketOf(coin))
	for attempt := 1; attempt <= 3; attempt++ {
		info := receive(t, arms, "a failed try")
		require.Same(t, coin, info.Coin)
		require.ErrorIs(t, info.Err, bitcart.ErrLoadingWallet)
		require.Equal(t, attempt, info.Attempts)
		require.Positive(t, info.RetryIn)
	}
	require.Equal(t, 0, coin.Stats().Armed)
	require.Equal(t, 1, coin.Stats().Unarmed)
	require.Empty(t, waited)

	d.Faults().FailMethod("getbalance", 0, nil)
	require.NoError(t, receive(t, waited, "the wallet to be armed"))
	info := receive(t, arms, "the try that works")
	for info.Err != nil {
		info = receive(t, arms, "the try that works")
	}
	require.Greater(t, info.Attempts, 3)
	require.NoError(t, d.WaitRegistered(patient(t), coin.WalletKey()))
	require.Equal(t, 1, coin.Stats().Armed)

	stream.stopPromptly()
	ended, cancel = context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, coin.WaitArmed(ended), context.DeadlineExceeded, "the stream has ended")
}

// A connection that is lost takes the armed state with it.
func TestWaitArmedOverAReconnection(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	lost := make(chan struct{}, 64)
	coin := newWalletCoin(t, d, bitcart.WithHooks(bitcart.Hooks{
		OnDisconnect: func(context.Context, bitcart.DisconnectInfo) { lost <- struct{}{} },
	}))
	listen(t, coin)
	d.Faults().RefuseUpgrade(503, "")
	cutOff(t, d, bitcarttest.RST)
	receive(t, lost, "the loss of the connection")
	ended, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, coin.WaitArmed(ended), context.DeadlineExceeded)
	d.Faults().AcceptUpgrade()
	armed(t, coin)
	require.NoError(t, d.WaitRegistered(patient(t), coin.WalletKey()))
}
