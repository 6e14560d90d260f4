package wsconn_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wsconn"
)

func TestHalfOpenPeerIsNoticedWithinTheBoundAndNotBefore(t *testing.T) {
	cases := []struct {
		name              string
		interval, timeout time.Duration
		lastWord          time.Duration // after the dial
	}{
		{"defaults", 0, 0, 0},
		{"one frame", 0, 0, 7 * time.Second},
		{"one frame while asked", 0, 0, 25 * time.Second},
		{"timeout longer than interval", 2 * time.Second, 9 * time.Second, 0},
		{"the same, one frame", 2 * time.Second, 9 * time.Second, 3 * time.Second},
		{"the same, one frame later", 2 * time.Second, 9 * time.Second, 5 * time.Second},
		{"the same, frame just before the end", 2 * time.Second, 9 * time.Second, 10900 * time.Millisecond},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: tc.interval, PongTimeout: tc.timeout,
					Transport: inPipe(t, func(ws *websocket.Conn) {
						if tc.lastWord > 0 {
							go func() {
								time.Sleep(tc.lastWord)
								_ = ws.WriteMessage(websocket.TextMessage, []byte("x"))
							}()
						}
						deaf(ws)
					})})
				dialled := time.Now()
				err := <-reading(c, nil)
				require.Equal(t, wsconn.ErrPongTimeout, err)
				bound := 30 * time.Second
				if tc.interval != 0 {
					bound = tc.interval + tc.timeout
				}
				require.Equal(t, tc.lastWord+bound, time.Since(dialled))
				require.Equal(t, wsconn.ErrPongTimeout, c.Write([]byte("x")))
				require.Equal(t, wsconn.ErrPongTimeout, c.Ping(t.Context()))
			})
		})
	}
}

func TestGivenUpPeerGetsCloseFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan error, 1)
		c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, func(ws *websocket.Conn) {
			ws.SetPingHandler(func(string) error { return nil })
			got <- readAll(ws)
		})})
		require.Equal(t, wsconn.ErrPongTimeout, <-reading(c, nil))
		require.True(t, websocket.IsCloseError(<-got, websocket.CloseGoingAway))
	})
}

func TestPeerThatTakesNoBytesIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		defer close(stop)
		c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, func(*websocket.Conn) { <-stop })})
		dialled := time.Now()
		require.Equal(t, wsconn.ErrPongTimeout, <-reading(c, nil))
		require.Equal(t, 30*time.Second, time.Since(dialled))
	})
}

// countPings answers pings and counts them, writing a message every so often.
func countPings(count *atomic.Int64, every, until time.Duration) peer {
	return func(ws *websocket.Conn) {
		answer := ws.PingHandler()
		ws.SetPingHandler(func(payload string) error {
			count.Add(1)
			return answer(payload)
		})
		if every > 0 {
			go func() {
				for range until / every {
					time.Sleep(every)
					if ws.WriteMessage(websocket.TextMessage, []byte("x")) != nil {
						return
					}
				}
				_ = ws.NetConn().Close()
			}()
		}
		idle(ws)
	}
}

func TestBusyPeerIsNeverPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pings atomic.Int64
		c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, countPings(&pings, 19*time.Second, time.Hour))})
		dialled := time.Now()
		err := <-reading(c, nil)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Greater(t, time.Since(dialled), 59*time.Minute)
		require.EqualValues(t, 1, pings.Load(), "only the one after the dial")
	})
}

func TestBusyPeerIsPingedOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, every := range []time.Duration{0, 7 * time.Second, 19 * time.Second} {
			var pings atomic.Int64
			c := dial(t, wsconn.Config{URL: "ws://host", PingBusy: true, Transport: inPipe(t, countPings(&pings, every, 2*time.Hour))})
			ended := reading(c, nil)
			for range 180 {
				time.Sleep(20 * time.Second)
				require.LessOrEqual(t, time.Since(c.ReadUpTo()), 20*time.Second)
			}
			require.LessOrEqual(t, pings.Load(), int64(181), "no more often than an idle one")
			require.NoError(t, c.Close())
			<-ended
		}
	})
}

func TestIdlePeerThatAnswersLivesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pings atomic.Int64
		c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, countPings(&pings, 0, 0))})
		ended := reading(c, nil)
		time.Sleep(time.Hour + time.Second)
		require.EqualValues(t, 1+time.Hour/(20*time.Second), pings.Load())
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-ended, wsconn.ErrClosed)
	})
}

func TestNegativePingIntervalMeansNoKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pings atomic.Int64
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, Transport: inPipe(t, countPings(&pings, 0, 0))})
		ended := reading(c, nil)
		time.Sleep(24 * time.Hour)
		require.Zero(t, pings.Load())
		require.NoError(t, c.Ping(t.Context()), "a ping by hand still works")
		require.EqualValues(t, 1, pings.Load())
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-ended, wsconn.ErrClosed)
	})
}

func TestLastLifePostpones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var life atomic.Pointer[time.Time]
		life.Store(&time.Time{})
		var pings atomic.Int64
		c := dial(t, wsconn.Config{URL: "ws://host",
			LastLife: func() time.Time { return *life.Load() },
			Transport: inPipe(t, func(ws *websocket.Conn) {
				ws.SetPingHandler(func(string) error { pings.Add(1); return nil }) // no pong, ever
				idle(ws)
			})})
		dialled := time.Now()
		ended := reading(c, nil)
		for range 20 { // answers of another connection
			time.Sleep(15 * time.Second)
			now := time.Now()
			life.Store(&now)
		}
		require.EqualValues(t, 1, pings.Load())
		time.Sleep(25 * time.Second) // asked 5 s ago
		require.EqualValues(t, 2, pings.Load())
		now := time.Now()
		life.Store(&now)
		require.Equal(t, wsconn.ErrPongTimeout, <-ended)
		require.Equal(t, 20*15*time.Second+25*time.Second+30*time.Second, time.Since(dialled))
	})
}

func TestLastLifeFarInTheFutureCountsAsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialled := time.Now()
		c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, deaf),
			LastLife: func() time.Time {
				if time.Since(dialled) < 5*time.Minute {
					return time.Unix(1<<40, 0)
				}
				return time.Time{}
			}})
		require.Equal(t, wsconn.ErrPongTimeout, <-reading(c, nil))
		require.Equal(t, 5*time.Minute+10*time.Second, time.Since(dialled))
	})
}

func TestOldLastLifeHidesNoFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := time.Now().Add(-time.Hour)
		c := dial(t, wsconn.Config{URL: "ws://host", LastLife: func() time.Time { return old },
			Transport: inPipe(t, countPings(new(atomic.Int64), 0, 0))})
		ended := reading(c, nil)
		time.Sleep(time.Hour)
		require.NoError(t, c.Ping(t.Context()))
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-ended, wsconn.ErrClosed)
	})
}

// A Write that takes long keeps the ping back; a peer that sends meanwhile lives.
func TestPingBehindStuckWriteDoesNotEndLiveConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, wsconn.Config{URL: "ws://host", WriteTimeout: time.Hour, PingInterval: 5 * time.Second,
			Transport: inPipe(t, func(ws *websocket.Conn) {
				// The ping after the dial is 7 bytes. From then on it takes nothing.
				_, _ = io.ReadFull(ws.NetConn(), make([]byte, 7))
				for range 60 {
					if ws.WriteMessage(websocket.TextMessage, []byte("x")) != nil {
						return
					}
					time.Sleep(7 * time.Second)
				}
				deaf(ws)
			})})
		ended := reading(c, nil)
		begun := time.Now()
		require.NoError(t, c.Write(make([]byte, 100)))
		require.Equal(t, 60*7*time.Second, time.Since(begun))
		require.NoError(t, c.Close())
		<-ended
	})
}

// A message whose bytes trickle in is life, though no frame ends.
func TestSlowLargeMessageIsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 1 << 20
		c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, func(ws *websocket.Conn) {
			go deaf(ws)
			nc := ws.NetConn()
			_, _ = nc.Write([]byte{0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 0})
			for range 64 {
				time.Sleep(5 * time.Second)
				_, _ = nc.Write(make([]byte, size/64))
			}
			time.Sleep(time.Second)
		})})
		msg, err := c.Read()
		require.NoError(t, err)
		require.Len(t, msg, size)
	})
}

func TestProvenByPongByFrameNotByClose(t *testing.T) {
	cases := map[string]struct {
		peer peer
		want bool
	}{
		"pong": {idle, true},
		"message": {func(ws *websocket.Conn) {
			_ = ws.WriteMessage(websocket.TextMessage, []byte("x"))
			deaf(ws)
		}, true},
		"ping": {func(ws *websocket.Conn) {
			go deaf(ws)
			_ = ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Minute))
		}, true},
		"nothing": {deaf, false},
		"close": {func(ws *websocket.Conn) {
			go deaf(ws)
			_ = ws.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Minute))
			time.Sleep(time.Minute)
		}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, tc.peer)})
				require.True(t, c.LastFrame().IsZero())
				ended := reading(c, nil)
				synctest.Wait()
				select {
				case <-c.Proven():
					require.True(t, tc.want)
				default:
					require.False(t, tc.want)
				}
				require.Equal(t, name == "nothing", c.LastFrame().IsZero())
				_ = c.Close()
				<-ended
			})
		})
	}
}

func TestLastFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, Transport: inPipe(t, countPings(new(atomic.Int64), 3*time.Second, 3*time.Second))})
		dialled := time.Now()
		_, err := c.Read()
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.WithinDuration(t, dialled.Add(3*time.Second), c.LastFrame(), 2)
	})
}

func TestPingIsABarrier(t *testing.T) {
	const frames = 500
	ofDial := make(chan error, 1)
	u := serve(t, func(ws *websocket.Conn) {
		answer := ws.PingHandler()
		ws.SetPingHandler(func(payload string) error {
			if payload == "1" {
				ofDial <- answer(payload)
				return nil
			}
			for i := range frames {
				_ = ws.WriteMessage(websocket.TextMessage, strconv.AppendInt(nil, int64(i), 10))
			}
			return answer(payload)
		})
		idle(ws)
	})
	c := dial(t, wsconn.Config{URL: u})
	var read atomic.Int64
	ended := reading(c, func(string) { read.Add(1) })
	require.NoError(t, receive(t, ofDial)) // which a call could share that came before it
	for i := range int64(5) {
		require.NoError(t, c.Ping(t.Context()))
		require.GreaterOrEqual(t, read.Load(), (i+1)*frames)
	}
	require.NoError(t, c.Close())
	require.ErrorIs(t, receive(t, ended), wsconn.ErrClosed)
}

// RFC 6455 lets a peer answer only the latest of several pings.
func TestPingsAtOnceWithPeerThatAnswersTheLatestOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var latest string
		var pings int
		c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, func(ws *websocket.Conn) {
			ws.SetPingHandler(func(payload string) error {
				mu.Lock()
				defer mu.Unlock()
				latest, pings = payload, pings+1
				return nil
			})
			go func() {
				time.Sleep(time.Second)
				mu.Lock()
				defer mu.Unlock()
				_ = ws.WriteControl(websocket.PongMessage, []byte(latest), time.Now().Add(time.Minute))
			}()
			idle(ws)
		})})
		ended := reading(c, nil)
		var all sync.WaitGroup
		begun := time.Now()
		for range 50 {
			all.Go(func() { require.NoError(t, c.Ping(t.Context())) })
		}
		all.Wait()
		require.Equal(t, time.Second, time.Since(begun))
		require.NoError(t, c.Close())
		<-ended
	})
}

func TestForeignPongsOpenNoBarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, func(ws *websocket.Conn) {
			ws.SetPingHandler(func(string) error {
				for _, payload := range []string{"", "0", "-1", "99", "18446744073709551616", "x"} {
					_ = ws.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(time.Minute))
				}
				return nil
			})
			idle(ws)
		})})
		ended := reading(c, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		require.ErrorIs(t, c.Ping(ctx), context.DeadlineExceeded)
		require.NoError(t, c.Close())
		<-ended
	})
}

func TestPingEnds(t *testing.T) {
	t.Run("with its context, though the socket is stuck", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			stop := make(chan struct{})
			defer close(stop)
			c := dial(t, wsconn.Config{URL: "ws://host", Transport: inPipe(t, func(*websocket.Conn) { <-stop })})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			begun := time.Now()
			require.ErrorIs(t, c.Ping(ctx), context.DeadlineExceeded)
			require.Equal(t, time.Second, time.Since(begun))
		})
	})
	t.Run("with the connection", func(t *testing.T) {
		ofDial := make(chan error, 1)
		c := dial(t, wsconn.Config{URL: serve(t, func(ws *websocket.Conn) {
			ws.SetPingHandler(func(payload string) error {
				if payload == "1" {
					ofDial <- nil
					return nil
				}
				_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, ""), time.Now().Add(soon))
				return errors.New("over")
			})
			idle(ws)
		})})
		ended := reading(c, nil)
		require.NoError(t, receive(t, ofDial))
		err := c.Ping(t.Context())
		var ce *wsconn.CloseError
		require.ErrorAs(t, err, &ce)
		require.Same(t, err, receive(t, ended))
	})
	t.Run("with Close", func(t *testing.T) {
		c := dial(t, wsconn.Config{URL: serve(t, deaf)})
		ended := make(chan error, 1)
		go func() { ended <- c.Ping(t.Context()) }()
		require.NoError(t, c.Close())
		require.ErrorIs(t, receive(t, ended), wsconn.ErrClosed)
	})
}

// The socket breaks for writing only; what came before is still read.
func TestBrokenPingLetsReadFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := inPipe(t, func(ws *websocket.Conn) {
			time.Sleep(time.Minute + time.Second)
			_ = ws.WriteMessage(websocket.TextMessage, []byte("on the way"))
			_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, ""), time.Now().Add(time.Minute))
		})
		open := tr.DialContext
		var broken atomic.Bool
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := open(ctx, network, addr)
			return &breakable{Conn: nc, broken: &broken}, err
		}
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, Transport: tr})
		broken.Store(true)
		pinged := make(chan error, 1)
		go func() {
			time.Sleep(time.Minute)
			pinged <- c.Ping(t.Context())
		}()
		msg, err := c.Read()
		require.NoError(t, err)
		require.Equal(t, "on the way", string(msg))
		_, err = c.Read()
		var ce *wsconn.CloseError
		require.ErrorAs(t, err, &ce)
		require.Same(t, err, <-pinged)
	})
}

func TestBrokenPingEndsSilentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := inPipe(t, deaf)
		open := tr.DialContext
		var broken atomic.Bool
		tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := open(ctx, network, addr)
			return &breakable{Conn: nc, broken: &broken}, err
		}
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, PongTimeout: 4 * time.Second, Transport: tr})
		broken.Store(true)
		ended := reading(c, nil)
		begun := time.Now()
		require.ErrorContains(t, c.Ping(t.Context()), "wsconn: read: ")
		require.Equal(t, 4*time.Second, time.Since(begun))
		var timeout net.Error
		require.ErrorAs(t, <-ended, &timeout)
		require.True(t, timeout.Timeout())
	})
}

type breakable struct {
	net.Conn
	broken *atomic.Bool
}

func (c *breakable) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, errors.New("broken pipe")
	}
	return c.Conn.Write(p)
}
