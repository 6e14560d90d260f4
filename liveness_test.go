package bitcart_test

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// A daemon may be away for a day: the attempts go on with their pauses, no busy loop comes of them,
// and the daemon is heard again when it is back.
func TestG9DaemonThatIsAwayForADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const away = 24 * time.Hour
		d := newPipeDaemon()
		defer d.close()
		d.stop()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var attempts atomic.Int64
		coin := makeCoin(t, "BTC", bitcart.WithURL("http://daemon.example"), bitcart.WithTransport(&http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				if attempts.Add(1) > int64(away/herdMin) {
					cancel() // a busy loop would leave this clock where it is
				}
				return d.dial()
			},
		}))
		ended := make(chan error, 1)
		go func() { ended <- coin.StartWebsocket(ctx, bitcart.WithForceConnect()) }()
		select {
		case <-time.After(away):
		case <-ctx.Done():
			require.FailNow(t, "a busy loop")
		}
		require.GreaterOrEqual(t, attempts.Load(), int64(away/herdMax), "it has given up")
		require.LessOrEqual(t, attempts.Load(), int64(20+away/(herdMax/3)), "a pause is at least half its interval")
		d.start()
		time.Sleep(herdMax)
		synctest.Wait()
		require.Equal(t, 1, d.open(), "a daemon that is back is heard again")
		cancel()
		require.NoError(t, <-ended)
	})
}

// tiredDaemon is a daemon on pipes that answers calls at once, and pings only while it is not busy: those that
// came meanwhile are answered afterwards.
type tiredDaemon struct {
	*pipeDaemon
	pongs atomic.Pointer[chan struct{}] // pongs wait until it is closed
}

func newTiredDaemon() *tiredDaemon {
	d := &tiredDaemon{pipeDaemon: newPipeDaemon()}
	d.pongs.Store(gateOf(true))
	d.server.Handler = &stub{
		results: map[string]string{"getinfo": `{"synchronized":true}`},
		socket: func(conn *websocket.Conn) {
			ended := make(chan struct{})
			defer close(ended)
			conn.SetPingHandler(func(data string) error {
				gate := *d.pongs.Load()
				go func() {
					select {
					case <-gate:
						_ = conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
					case <-ended:
					}
				}()
				return nil
			})
			swallow(conn)
		},
	}
	return d
}

func gateOf(open bool) *chan struct{} {
	gate := make(chan struct{})
	if open {
		close(gate)
	}
	return &gate
}

// busyFor withholds pongs for a while of synctest's time.
func (d *tiredDaemon) busyFor(busy time.Duration) {
	gate := gateOf(false)
	d.pongs.Store(gate)
	time.Sleep(busy)
	close(*gate)
	d.pongs.Store(gateOf(true))
}

// An answer of a call is life: a daemon that is slow with pongs for a while and answers calls is not
// dropped. But it is life of the daemon, not of the connection, so it does not count without end.
func TestG9LifeByCalls(t *testing.T) {
	t.Parallel()
	const interval, timeout = 20 * time.Second, 10 * time.Second
	for name, tt := range map[string]struct {
		busy  time.Duration
		calls bool
		lost  bool
	}{
		"no pongs for a while, calls are answered": {2*(interval+timeout) + interval - time.Second, true, false},
		"no pongs for a while, no calls":           {interval + timeout + interval + time.Second, false, true},
		"no pongs any more, calls are answered":    {4 * (interval + timeout), true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newTiredDaemon()
				defer d.close()
				var dials atomic.Int32
				lost := make(chan time.Time, 16)
				coin := makeCoin(t, "BTC", bitcart.WithURL("http://daemon.example"),
					bitcart.WithStream(bitcart.StreamConfig{PingInterval: interval, PongTimeout: timeout, DequeCap: -1}),
					bitcart.WithTransport(&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
						dials.Add(1)
						return d.dial()
					}}),
					bitcart.WithHooks(bitcart.Hooks{
						OnDisconnect: func(context.Context, bitcart.DisconnectInfo) { lost <- time.Now() },
					}))
				defer coin.CloseIdleConnections()
				stream := start(t, websocketOf(coin))
				time.Sleep(time.Minute) // it has had pongs
				synctest.Wait()
				begin := coin.Stats().LastFrame
				require.WithinRange(t, begin, time.Now().Add(-interval), time.Now())

				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				worker := make(chan struct{})
				go func() {
					defer close(worker)
					for tt.calls && ctx.Err() == nil {
						if err := coin.Call(context.Background(), nil, "getinfo"); err != nil {
							t.Error(err)
						}
						select {
						case <-time.After(time.Second):
						case <-ctx.Done():
						}
					}
				}()
				d.busyFor(tt.busy - time.Since(begin))
				time.Sleep(time.Second)
				synctest.Wait()
				if !tt.lost {
					require.Empty(t, lost)
					require.True(t, coin.Stats().Connected)
				} else {
					require.NotEmpty(t, lost)
					most := interval + timeout
					if tt.calls {
						most += 2 * (interval + timeout)
					}
					require.LessOrEqual(t, (<-lost).Sub(begin), most)
				}
				cancel()
				<-worker
				require.NoError(t, stream.stop())
			})
		})
	}
}

// Pongs that always take longer than PongTimeout, from a daemon that answers calls, end nothing however long
// that goes on: its connection is heard of again and again.
func TestG9SlowPongsWhileCallsAreAnswered(t *testing.T) {
	t.Parallel()
	for _, slow := range []time.Duration{12 * time.Second, 25 * time.Second, 55 * time.Second} {
		t.Run(slow.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newPipeDaemon()
				defer d.close()
				d.server.Handler = &stub{
					results: map[string]string{"getinfo": `{"synchronized":true}`},
					socket: func(conn *websocket.Conn) {
						ended := make(chan struct{})
						defer close(ended)
						conn.SetPingHandler(func(data string) error {
							go func() {
								select {
								case <-time.After(slow):
									_ = conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
								case <-ended:
								}
							}()
							return nil
						})
						swallow(conn)
					},
				}
				lost := make(chan bitcart.DisconnectInfo, 100)
				coin := makeCoin(t, "BTC", bitcart.WithURL("http://daemon.example"),
					bitcart.WithStream(bitcart.StreamConfig{DequeCap: -1}),
					bitcart.WithTransport(&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return d.dial() }}),
					bitcart.WithHooks(bitcart.Hooks{OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { lost <- info }}))
				defer coin.CloseIdleConnections()
				stream := start(t, websocketOf(coin))
				for range 30 * 60 {
					require.NoError(t, coin.Call(context.Background(), nil, "getinfo"))
					time.Sleep(time.Second)
				}
				require.Empty(t, lost)
				require.WithinRange(t, coin.Stats().LastFrame, time.Now().Add(-slow-30*time.Second), time.Now())
				require.NoError(t, stream.stop())
			})
		})
	}
}

// A worker that makes calls all the time does not keep a dead socket from being noticed.
func TestG9DeadSocketIsNoticedWhileCallsAreAnswered(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.PingInterval, cfg.PongTimeout = 50*time.Millisecond, 50*time.Millisecond
	lost := make(chan bitcart.DisconnectInfo, 64)
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
		OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { lost <- info },
	}))
	in := inboxOf(t, coin, "own")
	listen(t, coin)
	require.NoError(t, d.WaitRegistered(patient(t), coin.WalletKey()))
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	in.next()
	d.Faults().BlackHole(true)
	calls, deadline := 0, time.Now().Add(3*(cfg.PingInterval+cfg.PongTimeout)+3*margin)
	for len(lost) == 0 {
		require.NoError(t, coin.Call(patient(t), nil, "getinfo"))
		calls++
		require.True(t, time.Now().Before(deadline), "%d calls were answered", calls)
	}
	require.Error(t, receive(t, lost, "the disconnection").Err)
	require.Greater(t, calls, 1)
	d.Faults().BlackHole(false)
}

// That holds for a connection on which nothing has come yet, too.
func TestG9LifeByCallsBeforeTheFirstFrame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newTiredDaemon()
		defer d.close()
		busy := gateOf(false)
		d.pongs.Store(busy)
		lost := make(chan time.Duration, 100)
		begun := time.Now()
		coin := makeCoin(t, "BTC", bitcart.WithURL("http://daemon.example"),
			bitcart.WithStream(bitcart.StreamConfig{DequeCap: -1}),
			bitcart.WithTransport(&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return d.dial() }}),
			bitcart.WithHooks(bitcart.Hooks{OnDisconnect: func(context.Context, bitcart.DisconnectInfo) { lost <- time.Since(begun) }}))
		defer coin.CloseIdleConnections()
		stream := start(t, websocketOf(coin))
		for range 45 {
			require.NoError(t, coin.Call(context.Background(), nil, "getinfo"))
			time.Sleep(time.Second)
		}
		close(*busy)
		d.pongs.Store(gateOf(true))
		synctest.Wait()
		require.Empty(t, lost)
		require.NoError(t, stream.stop())
	})
}
