package blockio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

func TestReconnectSubscribesAgainAndTellsTheGap(t *testing.T) {
	for name, cut := range map[string]blockiotest.Cut{
		"reset": blockiotest.RST, "EOF": blockiotest.FIN, "close frame": blockiotest.CloseFrame(1001, "restart"),
	} {
		t.Run(name, func(t *testing.T) {
			l := newListening(t)
			l.subscribe(btc("3a"))
			l.start()
			l.subscribe(btc("3b"), blocks("LTC"))
			for range 3 {
				begun := time.Now()
				l.svc.PingSockets()
				l.pay("3a", "before")
				get(t, l.events)
				heard := time.Now()
				l.svc.Faults().CutSockets(cut)
				gap := get(t, l.gaps)
				require.Equal(t, blockio.GapReconnect, gap.Reason)
				require.Equal(t, []blockio.Subscription{btc("3a"), btc("3b"), blocks("LTC")}, gap.Subscriptions)
				require.WithinRange(t, gap.From, begun, heard)
				require.WithinRange(t, gap.To, heard, time.Now())
				require.NoError(t, l.svc.WaitSubscribed(t.Context(), asked(btc("3a")), asked(btc("3b")), asked(blocks("LTC"))))
				l.pay("3b", "after")
				require.Equal(t, "after", txidOf(t, get(t, l.events)))
			}
			require.NoError(t, l.stop())
			require.Empty(t, l.gaps, "one gap per reconnect")
			st := l.Stats()
			require.EqualValues(t, 3, st.Reconnects)
			require.EqualValues(t, 3, st.Gaps)
		})
	}
}

// A connection that ends before everything was subscribed again tells no gap
// of its own: the next one's begins where the first one's did.
func TestGapOverSeveralConnections(t *testing.T) {
	l := newListening(t)
	l.subscribe(btc("3a"), btc("3b"))
	l.start()
	require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
	cutAt := time.Now()
	l.svc.Faults().HoldAnswers(true)
	for n := range 3 {
		l.svc.Faults().CutSockets(blockiotest.FIN)
		require.Eventually(t, func() bool { return len(l.svc.SocketRequests()) == 3+2*n }, streamSoon, time.Millisecond)
		l.svc.Faults().ReleaseAnswers() // of 3a
		require.Eventually(t, func() bool { return len(l.svc.SocketRequests()) == 4+2*n }, streamSoon, time.Millisecond)
	}
	require.Empty(t, l.gaps)
	l.svc.Faults().HoldAnswers(false)
	gap := get(t, l.gaps)
	require.False(t, gap.From.After(cutAt))
	require.Equal(t, []blockio.Subscription{btc("3a"), btc("3b")}, gap.Subscriptions)
	require.NoError(t, l.stop())
	require.Empty(t, l.gaps)
}

func TestNoGapWithoutSubscriptionsBefore(t *testing.T) {
	l := newListening(t)
	l.start()
	l.svc.Faults().CutSockets(blockiotest.FIN)
	require.Eventually(t, func() bool { return l.Stats().Reconnects == 1 && l.Stats().Connected }, streamSoon, time.Millisecond)
	l.subscribe(btc("3new"))
	require.NoError(t, l.stop())
	require.Empty(t, l.gaps)
}

func TestRefusedOnReconnectIsForgotten(t *testing.T) {
	l := newListening(t)
	l.subscribe(btc("bad1"), btc("3a"))
	l.start()
	require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
	l.svc.Faults().RefuseSubscriptions(refuseAddresses)
	l.svc.Faults().CutSockets(blockiotest.RST)
	require.Equal(t, btc("bad1"), get(t, l.refused).Subscription)
	require.Equal(t, []blockio.Subscription{btc("3a")}, get(t, l.gaps).Subscriptions)
	require.Equal(t, []blockio.Subscription{btc("3a")}, l.Subscriptions())
}

func TestUnsubscribeDoesNotHoldUpTheGap(t *testing.T) {
	l := newListening(t)
	l.subscribe(btc("3a"), btc("3b"), btc("3c"))
	l.start()
	require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
	l.svc.Faults().HoldAnswers(true)
	l.svc.Faults().CutSockets(blockiotest.FIN)
	for n := 4; n < 6; n++ {
		require.Eventually(t, func() bool { return len(l.svc.SocketRequests()) == n }, streamSoon, time.Millisecond)
		l.svc.Faults().ReleaseAnswers()
	}
	require.Eventually(t, func() bool { return len(l.svc.SocketRequests()) == 6 }, streamSoon, time.Millisecond)
	require.Empty(t, l.gaps)
	l.Unsubscribe(btc("3b")) // is answered
	l.Unsubscribe(btc("3c")) // is not
	require.Equal(t, []blockio.Subscription{btc("3a")}, get(t, l.gaps).Subscriptions)
}

func TestAnotherRunTellsTheTimeBetween(t *testing.T) {
	l := newListening(t)
	l.subscribe(btc("3a"))
	l.start()
	require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
	require.NoError(t, l.stop())
	ended := time.Now()
	<-l.ended
	l.start()
	gap := get(t, l.gaps)
	require.Equal(t, []blockio.Subscription{btc("3a")}, gap.Subscriptions)
	require.False(t, gap.From.After(ended))
	require.False(t, gap.To.Before(ended))
	l.pay("3a", "tx")
	require.Equal(t, "tx", txidOf(t, get(t, l.events)))
}

func TestBackfillGoesThroughTheSinkAfterOnGap(t *testing.T) {
	var told atomic.Bool
	gaps := make(chan blockio.Gap, 10)
	tries := make(chan int, 10)
	n := 0
	l := newListening(t,
		blockio.WithOnGap(func(_ context.Context, g blockio.Gap) {
			gaps <- g
			select {
			case <-tries: // below
				t.Error("the backfill does not wait for OnGap")
			case <-time.After(20 * time.Millisecond):
			}
			told.Store(true)
		}),
		blockio.WithBackfill(func(_ context.Context, g blockio.Gap) ([]bitcart.Update, error) {
			require.True(t, told.Load(), "OnGap has returned")
			n++
			tries <- n
			if n == 1 {
				return nil, bitcart.Retry(errors.New("throttled"), 0)
			}
			return []bitcart.Update{
				bitcart.NewUpdate(blockio.EventAddress, payment("3a", "missed1")).From("BTC", "3a", bitcart.SourceRecovered),
				bitcart.NewUpdate(blockio.EventAddress, payment("3stranger", "missed2")),
				bitcart.NewUpdate(blockio.EventAddress, 1), // cannot be encoded
			}, errors.New("half of it")
		}))
	l.subscribe(btc("3a"))
	l.start()
	require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
	l.svc.Faults().CutSockets(blockiotest.RST)
	require.Equal(t, []blockio.Subscription{btc("3a")}, get(t, gaps).Subscriptions)
	got := map[string]bitcart.Source{}
	for range 2 {
		ev := get(t, l.events)
		got[ev.Currency+ev.Wallet+txidOf(t, ev)] = ev.Source
	}
	require.Equal(t, map[string]bitcart.Source{"BTC3amissed1": bitcart.SourceRecovered, "missed2": bitcart.SourceCustom}, got)
	require.NoError(t, l.stop())
	require.Len(t, tries, 2)
	require.EqualValues(t, 3, l.Stats().Backfilled)
	require.EqualValues(t, 1, l.Stats().HandlerErrors)
}

// A backfilled event and a live one of the same address are never handled at
// the same time, and the bounds do not apply to backfilled ones.
func TestBackfillKeepsToItsSubscription(t *testing.T) {
	fetch, inside, leave := make(chan bool), make(chan bool), make(chan bool)
	l := newListening(t, blockio.WithBackfill(func(context.Context, blockio.Gap) ([]bitcart.Update, error) {
		<-fetch
		var list []bitcart.Update
		for i := range 50 {
			list = append(list, bitcart.NewUpdate(blockio.EventAddress, payment("3a", fmt.Sprintf("missed%02d", i))))
		}
		return append(list, bitcart.NewUpdate(blockio.EventAddress, payment("3b", "other"))), nil
	}), blockio.WithBounds(blockio.Bounds{Queue: 10}))
	l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
		if txidOf(t, ev) == "live" {
			close(inside)
			<-leave
		}
		l.events <- ev
		return nil
	})
	l.subscribe(btc("3a"), btc("3b"))
	l.start()
	require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
	l.svc.Faults().CutSockets(blockiotest.RST)
	require.NoError(t, l.svc.WaitSubscribed(t.Context(), asked(btc("3a"))))
	l.pay("3a", "live")
	get(t, inside)
	close(fetch)
	require.Equal(t, "other", txidOf(t, get(t, l.events)), "the last one, but not of the same address")
	require.Empty(t, l.events)
	close(leave)
	require.Equal(t, "live", txidOf(t, get(t, l.events)))
	for i := range 50 {
		require.Equal(t, fmt.Sprintf("missed%02d", i), txidOf(t, get(t, l.events)))
	}
	require.NoError(t, l.stop())
	require.Zero(t, l.Stats().Dropped)
}

func TestPauseBeforeAnotherAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []time.Time
		stream, err := blockio.NewStream(&bitcart.Dispatcher{},
			blockio.WithEndpoint("ws://host"),
			blockio.WithBackoff(time.Second, 20*time.Second),
			socketPipe(t, func(ws *peerConn) { // accepts and drops
				attempts = append(attempts, time.Now())
				say(ws, saySuccess)
			}))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		require.NoError(t, stream.Run(ctx))
		require.Greater(t, len(attempts), 20, "it never stops by itself")
		short := 0
		for i := range attempts[1:] {
			pause := attempts[i+1].Sub(attempts[i])
			require.GreaterOrEqual(t, pause, 500*time.Millisecond)
			require.LessOrEqual(t, pause, 21*time.Second)
			if pause < 5*time.Second {
				short++
			}
		}
		require.Less(t, short, 6, "the pauses grow, though each connection was greeted")
	})
}

// A service may be away for a day: the attempts go on with their pauses, and no busy loop comes of them.
func TestServiceThatIsAwayForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const away, longest = 24 * time.Hour, 30 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), away)
		defer cancel()
		var attempts atomic.Int64
		stream, err := blockio.NewStream(&bitcart.Dispatcher{},
			blockio.WithEndpoint("ws://host"),
			blockio.WithBackoff(time.Second, longest),
			blockio.WithTransport(&http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				if attempts.Add(1) > int64(away/time.Second) {
					cancel() // a busy loop would leave this clock where it is
				}
				return nil, syscall.ECONNREFUSED
			}}))
		require.NoError(t, err)
		begin := time.Now()
		require.NoError(t, stream.Run(ctx))
		require.Equal(t, away, time.Since(begin), "a busy loop")
		require.GreaterOrEqual(t, attempts.Load(), int64(away/longest), "it has given up")
		require.LessOrEqual(t, attempts.Load(), int64(20+away/(longest/3)), "a pause is at least half its interval")
	})
}

func TestPausesBeginAnewOnceAConnectionWasGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended, begun []time.Time
		stream, err := blockio.NewStream(&bitcart.Dispatcher{},
			blockio.WithEndpoint("ws://host"),
			blockio.WithBackoff(time.Second, time.Hour),
			socketPipe(t, func(ws *peerConn) {
				begun = append(begun, time.Now())
				say(ws, saySuccess)
				say(ws, sayPing)
				ended = append(ended, time.Now())
			}))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, stream.Run(ctx))
		require.Greater(t, len(begun), 20)
		for i := range begun[1:] {
			require.LessOrEqual(t, begun[i+1].Sub(ended[i]), 3*time.Second)
		}
	})
}

// The first dial fails like any other: nobody listens, a refused upgrade, a
// page of a proxy.
func TestFirstDialIsRetriedLikeAnyOther(t *testing.T) {
	var calls atomic.Int32
	svc := newSocketService(t)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch calls.Add(1) {
		case 1:
			w.WriteHeader(http.StatusUnauthorized)
		case 2:
			http.NotFound(w, r)
		case 3:
			_, _ = w.Write([]byte("<html>please log in</html>"))
		case 4:
			panic(http.ErrAbortHandler)
		default:
			svc.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	l := newListening(t, blockio.WithEndpoint("ws"+strings.TrimPrefix(front.URL, "http")))
	l.start()
	l.subscribe(btc("3a"))
	require.EqualValues(t, 5, calls.Load())
	require.NoError(t, l.stop())
	svc.Close()
}

func TestRunEndsWhileItCannotConnect(t *testing.T) {
	for name, option := range map[string]blockio.StreamOption{
		"pause": blockio.WithBackoff(time.Hour, time.Hour),
		"dial":  blockio.WithEndpoint("ws://192.0.2.1/"), // TEST-NET: nobody answers
	} {
		t.Run(name, func(t *testing.T) {
			l := newListening(t, option)
			l.svc.Faults().RefuseUpgrades(503)
			l.begin()
			require.NoError(t, l.stop())
		})
	}
}

func TestSecureSocketThroughTransport(t *testing.T) {
	svc := newSocketService(t)
	front := httptest.NewTLSServer(svc)
	t.Cleanup(front.Close)
	t.Cleanup(svc.Close) // before the front: its handlers are the service's
	transport := front.Client().Transport.(*http.Transport)
	l := newListening(t, blockio.WithEndpoint("wss"+strings.TrimPrefix(front.URL, "https")), blockio.WithTransport(transport))
	l.start()
	l.subscribe(btc("3a"))
	require.NoError(t, svc.Emit("BTC", blockio.EventAddress, payment("3a", "tx")))
	require.Equal(t, "tx", txidOf(t, get(t, l.events)))
	require.NoError(t, l.stop())
}

func TestBigMessages(t *testing.T) {
	l := newListening(t)
	l.start()
	l.subscribe(blocks("BTC"), btc("3a"))
	txs := make([]string, 5000)
	for i := range txs {
		txs[i] = fmt.Sprintf("%064x", i)
	}
	require.NoError(t, l.svc.Emit("BTC", blockio.EventNewBlocks,
		map[string]any{"network": "BTC", "block_hash": "b", "block_no": 1, "confirmations": 1, "txs": txs}))
	p, err := bitcart.PayloadOf[blockio.NewBlocksEvent](get(t, l.events))
	require.NoError(t, err)
	require.Equal(t, txs, p.TxIDs)

	frameOf := func(size int) []byte {
		head, tail := `{"type":"new-blocks","data":{"network":"BTC","pad":"`, `"}}`
		return []byte(head + strings.Repeat("x", size-len(head)-len(tail)) + tail)
	}
	l.svc.SendFrame(frameOf(4 << 20))
	require.Equal(t, blockio.EventNewBlocks, get(t, l.events).Name)
	l.svc.SendFrame(frameOf(4<<20 + 1))
	require.Len(t, get(t, l.gaps).Subscriptions, 2, "what is beyond the read limit ends the connection")
	l.pay("3a", "after")
	require.Equal(t, "after", txidOf(t, get(t, l.events)))
}

// A queue that has overflowed when Run ends has not run empty: the next Run
// tells what was dropped with the time in which nobody listened.
func TestOverflowAtTheEndIsToldByTheNextRun(t *testing.T) {
	for name, address := range map[string]string{"a subscription's": "3a", "another spelling's": "M-form"} {
		t.Run(name, func(t *testing.T) {
			l := newListening(t, blockio.WithBounds(blockio.Bounds{Queue: 1, Drain: time.Millisecond}))
			inside, stuck := make(chan string, 10), make(chan bool)
			defer close(stuck)
			l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
				inside <- txidOf(t, ev)
				<-stuck
				return nil
			})
			l.start()
			l.subscribe(btc("3a"))
			pay := func(txid string) {
				frame, err := json.Marshal(map[string]any{"type": "address", "data": payment(address, txid)})
				require.NoError(t, err)
				l.svc.SendFrame(frame)
			}
			pay("tx1")
			get(t, inside)
			begun := time.Now()
			pay("tx2")
			pay("tx3")
			require.Eventually(t, func() bool { return l.Stats().Dropped == 1 }, streamSoon, time.Millisecond)
			dropped := time.Now()
			l.svc.PingSockets()
			require.Eventually(t, func() bool { return l.Stats().LastMessage.After(dropped) }, streamSoon, time.Millisecond)
			var left *bitcart.DrainError
			require.ErrorAs(t, l.stop(), &left)
			require.Empty(t, l.gaps)

			get(t, l.ended)
			l.start()
			gap := get(t, l.gaps)
			require.WithinRange(t, gap.From, begun, dropped)
			require.Equal(t, []blockio.Subscription{btc("3a")}, gap.Subscriptions)
			require.NoError(t, l.stop())
			require.Empty(t, l.gaps)

			get(t, l.ended)
			l.start()
			require.True(t, get(t, l.gaps).From.After(dropped), "it is told once")
			require.NoError(t, l.stop())
		})
	}
}

// A gap before a connection on which nothing was owed is over with it: the next
// one's begins with that connection's end.
func TestGapOfAConnectionWithoutSubscriptions(t *testing.T) {
	l := newListening(t)
	l.start()
	cut := func(n uint64) {
		l.svc.Faults().CutSockets(blockiotest.FIN)
		require.Eventually(t, func() bool { return l.Stats().Reconnects == n && l.Stats().Connected }, streamSoon, time.Millisecond)
	}
	cut(1)
	second := time.Now()
	l.subscribe(btc("3a"))
	cut(2)
	require.False(t, get(t, l.gaps).From.Before(second))
}

// A subscription that was accepted again and is then unsubscribed is not counted
// twice: the gap waits for the others.
func TestUnsubscribeEndsNoGapOfOthers(t *testing.T) {
	l := newListening(t)
	l.subscribe(btc("3a"), btc("3b"))
	l.start()
	require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
	l.svc.Faults().HoldAnswers(true)
	l.svc.Faults().CutSockets(blockiotest.FIN)
	require.Eventually(t, func() bool { return len(l.svc.SocketRequests()) == 3 }, streamSoon, time.Millisecond)
	l.svc.Faults().ReleaseAnswers() // of 3a
	require.Eventually(t, func() bool { return len(l.svc.SocketRequests()) == 4 }, streamSoon, time.Millisecond)
	l.Unsubscribe(btc("3a"))
	require.Zero(t, l.Stats().Gaps)
	l.svc.Faults().ReleaseAnswers()
	require.Equal(t, []blockio.Subscription{btc("3b")}, get(t, l.gaps).Subscriptions)
}

func TestNotConnectedBetweenConnections(t *testing.T) {
	l := newListening(t)
	l.start()
	l.svc.Faults().RefuseUpgrades(503)
	l.svc.Faults().CutSockets(blockiotest.FIN)
	require.Eventually(t, func() bool { return !l.Stats().Connected }, streamSoon, time.Millisecond)
	require.False(t, l.Stats().LastMessage.IsZero())
}
