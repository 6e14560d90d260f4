package blockio_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

// inBubble runs a Stream against a peer under synctest's clock and returns
// what it told.
func inBubble(t *testing.T, runFor time.Duration, p socketPeer, opts ...blockio.StreamOption) (gaps []blockio.Gap, log string) {
	var lines logLines
	stream, err := blockio.NewStream(&bitcart.Dispatcher{}, append([]blockio.StreamOption{
		blockio.WithEndpoint("ws://host"),
		blockio.WithLogger(lines.logger()),
		blockio.WithBackoff(time.Second, time.Second),
		blockio.WithOnGap(func(_ context.Context, g blockio.Gap) { gaps = append(gaps, g) }),
		socketPipe(t, p),
	}, opts...)...)
	require.NoError(t, err)
	require.NoError(t, stream.Subscribe(t.Context(), btc("3a")))
	ctx, cancel := context.WithTimeout(t.Context(), runFor)
	defer cancel()
	require.NoError(t, stream.Run(ctx))
	return gaps, lines.all()
}

// accepting answers every request with success.
func accepting(ws *peerConn) {
	hear(ws, func(blockiotest.SocketRequest) { say(ws, saySuccess) })
}

func TestSilenceIsADeadConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		opts    []blockio.StreamOption
		silence time.Duration
	}{
		"default":     {nil, 75 * time.Second},
		"WithSilence": {[]blockio.StreamOption{blockio.WithSilence(7 * time.Second)}, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var connects []time.Time
				gaps, log := inBubble(t, 4*time.Minute, func(ws *peerConn) {
					connects = append(connects, time.Now())
					say(ws, saySuccess)
					accepting(ws) // and then not a word
				}, tc.opts...)
				require.Greater(t, len(connects), 2)
				for i := range connects[1:] {
					require.WithinDuration(t, connects[i].Add(tc.silence), connects[i+1], time.Second+time.Millisecond)
					require.GreaterOrEqual(t, connects[i+1].Sub(connects[i]), tc.silence)
				}
				require.Contains(t, log, "the service has sent nothing for too long")
				require.Len(t, gaps, len(connects)-1)
				require.Equal(t, connects[0], gaps[0].From)
				require.Equal(t, connects[1], gaps[0].To)
			})
		})
	}
}

// Pings of the protocol come from the network's machinery too, from a proxy
// before a service that is gone: only messages count.
func TestProtocolPingsAreNoMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connects := 0
		inBubble(t, 5*time.Minute, func(ws *peerConn) {
			connects++
			say(ws, saySuccess)
			done := make(chan bool)
			go func() {
				defer close(done)
				for {
					time.Sleep(5 * time.Second)
					if ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Minute)) != nil {
						return
					}
				}
			}()
			accepting(ws)
			<-done
		})
		require.Equal(t, 4, connects)
	})
}

// The service's ping every 30 s keeps a connection, for hours, with one of
// them missing now and then.
func TestServicePingsKeepAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connects := 0
		gaps, _ := inBubble(t, 5*time.Hour, func(ws *peerConn) {
			connects++
			say(ws, saySuccess)
			done := make(chan bool)
			go func() {
				defer close(done)
				for i := 0; ; i++ {
					time.Sleep(30 * time.Second)
					if i%3 > 0 && !say(ws, sayPing) {
						return
					}
				}
			}()
			accepting(ws)
			<-done
		})
		require.Equal(t, 1, connects)
		require.Empty(t, gaps)
	})
}

// pinging says the service's ping every 30 s until the connection ends.
func pinging(ws *peerConn, f func()) {
	done := make(chan bool)
	go func() {
		defer close(done)
		for say(ws, sayPing) {
			time.Sleep(30 * time.Second)
		}
	}()
	f()
	<-done
}

func TestAnswersThatDoNotCome(t *testing.T) {
	for name, tc := range map[string]struct {
		peer socketPeer
		want string
	}{
		"greeting": {func(ws *peerConn) { pinging(ws, func() { hear(ws, nil) }) }, "has not greeted"},
		"answer": {func(ws *peerConn) {
			say(ws, saySuccess)
			pinging(ws, func() { hear(ws, nil) })
		}, "does not answer a subscription"},
		"refused greeting": {func(ws *peerConn) {
			say(ws, `{"status":"fail","error_message":"too many connections"}`)
			hear(ws, nil)
		}, "too many connections"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				connects := 0
				gaps, log := inBubble(t, 10*time.Minute, func(ws *peerConn) {
					if connects++; connects < 3 {
						tc.peer(ws)
						return
					}
					say(ws, saySuccess)
					pinging(ws, func() { accepting(ws) })
				})
				require.Equal(t, 3, connects)
				require.Contains(t, log, tc.want)
				require.Empty(t, gaps, "it was never subscribed")
			})
		})
	}
}

// A late greeting is waited for, and nothing is sent before it.
func TestLateGreetingAndLateAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connects := 0
		inBubble(t, 10*time.Minute, func(ws *peerConn) {
			connects++
			greeted := make(chan bool)
			go func() {
				time.Sleep(70 * time.Second)
				close(greeted)
				say(ws, saySuccess)
			}()
			pinging(ws, func() {
				hear(ws, func(req blockiotest.SocketRequest) {
					select {
					case <-greeted:
					default:
						t.Error("asked before the greeting")
					}
					time.Sleep(70 * time.Second)
					say(ws, saySuccess)
				})
			})
			<-greeted
		})
		require.Equal(t, 1, connects)
	})
}

// Silence counts from the last message, whenever that came.
func TestSilenceAfterAWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var connects []time.Time
		_, log := inBubble(t, 3*time.Minute, func(ws *peerConn) {
			connects = append(connects, time.Now())
			say(ws, saySuccess)
			if len(connects) == 1 {
				word := time.AfterFunc(time.Minute, func() { say(ws, sayPing) })
				defer word.Stop()
			}
			accepting(ws)
		})
		require.Len(t, connects, 2)
		require.WithinDuration(t, connects[0].Add(time.Minute+75*time.Second), connects[1], time.Second+time.Millisecond)
		require.Contains(t, log, "events may be missing")
		require.NotContains(t, log, "panicked")
	})
}

// The pauses between attempts begin anew after a connection that was good for
// something; the greeting alone does not show that.
func TestPausesBeginAnewAfterAnyMessage(t *testing.T) {
	for name, tc := range map[string]struct {
		answers bool
		message string
		quick   bool
	}{
		"greeting alone": {false, "", false},
		"answer":         {true, "", true},
		"ping":           {false, sayPing, true},
		"event":          {false, `{"type":"address","data":{"network":"BTC","address":"3a"}}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				connects := 0
				inBubble(t, time.Minute, func(ws *peerConn) {
					connects++
					say(ws, saySuccess)
					if _, _, err := ws.ReadMessage(); err != nil { // the subscription
						return
					}
					if tc.answers {
						say(ws, saySuccess)
					}
					if tc.message != "" {
						say(ws, tc.message)
					}
				}, blockio.WithBackoff(time.Second, time.Hour))
				if tc.quick {
					require.Greater(t, connects, 25, "a pause is up to 1.5 s")
				} else {
					require.Less(t, connects, 12)
				}
			})
		})
	}
}
