package blockio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

// A handler that is stuck delays its own address only.
func TestSlowHandlerDelaysItsOwnSubscription(t *testing.T) {
	l := newListening(t)
	stuck := make(chan bool)
	l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
		if ev.Wallet == "3stuck" {
			<-stuck
		}
		l.events <- ev
		return nil
	})
	l.start()
	l.subscribe(btc("3stuck"), btc("3a"), blocks("BTC"))
	l.pay("3stuck", "first")
	l.pay("3stuck", "second")
	for i := range 20 {
		l.pay("3a", fmt.Sprintf("tx%d", i))
		require.Equal(t, fmt.Sprintf("tx%d", i), txidOf(t, get(t, l.events)), "the order of one address")
	}
	require.NoError(t, l.svc.Emit("BTC", blockio.EventNewBlocks, map[string]any{"network": "BTC", "block_hash": "b", "block_no": 1, "confirmations": 1}))
	require.Equal(t, blockio.EventNewBlocks, get(t, l.events).Name)
	// A handler has told of its event a little before it returns.
	require.Eventually(t, func() bool { return l.Stats().Running == 1 }, streamSoon, time.Millisecond)
	require.Equal(t, 1, l.Stats().Queued)
	close(stuck)
	require.Equal(t, "first", txidOf(t, get(t, l.events)))
	require.Equal(t, "second", txidOf(t, get(t, l.events)))
	require.NoError(t, l.stop())
}

// The service may spell every address in a way of its own: a stuck handler
// delays its own address only then, too, whether its events come by the socket
// or by a backfill.
func TestSlowHandlerDelaysItsOwnSpellingOnly(t *testing.T) {
	l := newListening(t, blockio.WithBackfill(func(context.Context, blockio.Gap) ([]bitcart.Update, error) {
		return []bitcart.Update{
			bitcart.NewUpdate(blockio.EventAddress, payment("M-stuck", "third")),
			bitcart.NewUpdate(blockio.EventAddress, payment("M-b", "backfilled")),
		}, nil
	}))
	stuck := make(chan bool)
	l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
		if strings.Contains(string(ev.Raw()), "M-stuck") {
			<-stuck
		}
		l.events <- ev
		return nil
	})
	l.start()
	l.subscribe(btc("3stuck"), btc("3a"), btc("3b"))
	pay := func(address, txid string) {
		frame, err := json.Marshal(map[string]any{"type": "address", "data": payment(address, txid)})
		require.NoError(t, err)
		l.svc.SendFrame(frame)
	}
	pay("M-stuck", "first")
	pay("M-stuck", "second")
	for i := range 20 {
		pay("M-a", fmt.Sprintf("tx%d", i))
		require.Equal(t, fmt.Sprintf("tx%d", i), txidOf(t, get(t, l.events)), "the order of one address")
	}
	l.svc.Faults().CutSockets(blockiotest.FIN)
	get(t, l.gaps)
	require.Equal(t, "backfilled", txidOf(t, get(t, l.events)))
	require.Eventually(t, func() bool { return l.Stats().Running == 1 }, streamSoon, time.Millisecond)
	l.subscribe(btc("M-stuck")) // now it has a lane of its own, which is the same
	pay("M-stuck", "fourth")
	pay("M-a", "last")
	require.Equal(t, "last", txidOf(t, get(t, l.events)))
	close(stuck)
	for _, want := range []string{"first", "second", "third", "fourth"} {
		require.Equal(t, want, txidOf(t, get(t, l.events)))
	}
	require.NoError(t, l.stop())
}

// Repeated events are handed over as they come: the service gives them no id.
func TestRepeatedEventsAreHandedOver(t *testing.T) {
	l := newListening(t)
	l.start()
	l.subscribe(btc("3a"))
	l.svc.Faults().RepeatEvents(2)
	l.pay("3a", "tx")
	first, second := get(t, l.events), get(t, l.events)
	require.Equal(t, blockio.SubjectOf(first), blockio.SubjectOf(second), "by which a handler knows the repeat")
	require.NotEmpty(t, blockio.SubjectOf(first))
}

func TestRetryStaysAtTheHead(t *testing.T) {
	l := newListening(t, blockio.WithOnHandlerError(func(_ context.Context, err error) { t.Error(err) }))
	type try struct {
		txid    string
		attempt int
	}
	tries := make(chan try, 100)
	received := map[string]time.Time{}
	l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
		txid := txidOf(t, ev)
		tries <- try{txid, ev.Attempt}
		if ev.Attempt == 1 {
			received[txid] = ev.Received
		}
		require.Equal(t, received[txid], ev.Received)
		switch {
		case txid == "tx1" && ev.Attempt < 4:
			return bitcart.Retry(errors.New("the database is away"), time.Duration(ev.Attempt-1)*time.Millisecond)
		case txid == "tx2" && ev.Attempt < 2:
			return errors.Join(errors.New("wrapped"), fmt.Errorf("deep: %w", bitcart.Retry(nil, 0)))
		}
		return nil
	})
	l.start()
	l.subscribe(btc("3a"))
	l.pay("3a", "tx1")
	l.pay("3a", "tx2")
	l.pay("3a", "tx3")
	for _, want := range []try{{"tx1", 1}, {"tx1", 2}, {"tx1", 3}, {"tx1", 4}, {"tx2", 1}, {"tx2", 2}, {"tx3", 1}} {
		require.Equal(t, want, get(t, tries))
	}
	require.NoError(t, l.stop())
	require.EqualValues(t, 3, l.Stats().Delivered)
	require.Zero(t, l.Stats().HandlerErrors)
}

func TestRetryAfterItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begun := time.Now()
		sink := &bitcart.Dispatcher{}
		sink.On(blockio.EventAddress, func(context.Context, *bitcart.Event) error {
			at = append(at, time.Since(begun))
			return bitcart.Retry(nil, map[int]time.Duration{1: time.Hour, 2: 0, 3: 2 * time.Hour}[len(at)])
		})
		stream, err := blockio.NewStream(sink, blockio.WithEndpoint("ws://host"), blockio.WithBackoff(time.Minute, time.Minute),
			socketPipe(t, func(ws *peerConn) {
				say(ws, saySuccess)
				say(ws, `{"type":"address","data":{"network":"BTC","address":"3a"}}`)
				pinging(ws, func() { hear(ws, nil) })
			}))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		var left *bitcart.DrainError
		require.ErrorAs(t, stream.Run(ctx), &left)
		require.Equal(t, bitcart.DrainError{Retrying: 1}, *left)
		require.Len(t, at, 3)
		require.Equal(t, time.Hour, at[1])
		require.GreaterOrEqual(t, at[2], time.Hour+30*time.Second)
		require.LessOrEqual(t, at[2], time.Hour+time.Minute)
	})
}

func TestHandlerErrorsAreTold(t *testing.T) {
	failed := make(chan error, 10)
	var log logLines
	l := newListening(t, blockio.WithOnHandlerError(func(_ context.Context, err error) { failed <- err }), blockio.WithLogger(log.logger()))
	l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
		switch txidOf(t, ev) {
		case "error":
			return errors.New("no such order")
		case "panic":
			panic("no such map")
		case "goexit":
			runtime.Goexit()
		}
		l.events <- ev
		return nil
	})
	l.start()
	l.subscribe(btc("3a"))
	for _, txid := range []string{"error", "panic", "goexit", "fine"} {
		l.pay("3a", txid)
	}
	var handler *bitcart.HandlerError
	require.ErrorAs(t, get(t, failed), &handler)
	require.EqualError(t, handler.Err, "no such order")
	var panicked *bitcart.PanicError
	require.ErrorAs(t, get(t, failed), &panicked)
	require.Equal(t, "no such map", panicked.Value)
	require.ErrorAs(t, get(t, failed), &panicked)
	require.Equal(t, "fine", txidOf(t, get(t, l.events)), "delivery goes on")
	require.NoError(t, l.stop())
	require.EqualValues(t, 3, l.Stats().HandlerErrors)
	require.EqualValues(t, 4, l.Stats().Delivered)
	require.Contains(t, log.all(), "no such order")
}

// sinkFunc is a Sink of the caller's own.
type sinkFunc func(ctx context.Context, updates []bitcart.Update) error

func (f sinkFunc) ProcessUpdates(ctx context.Context, updates []bitcart.Update) error {
	return f(ctx, updates)
}
func (sinkFunc) Handles(string) bool { return true }

func TestSinkThatPanics(t *testing.T) {
	failed := make(chan error, 10)
	svc := newSocketService(t)
	stream, err := blockio.NewStream(sinkFunc(func(_ context.Context, updates []bitcart.Update) error {
		require.Len(t, updates, 1)
		panic("my own sink")
	}), blockio.WithEndpoint(svc.SocketURL()), blockio.WithOnHandlerError(func(_ context.Context, err error) {
		failed <- err
		panic("and my own function")
	}))
	require.NoError(t, err)
	l := &listening{Stream: stream, t: t, svc: svc, ended: make(chan error, 1)}
	l.start()
	l.subscribe(btc("3a"))
	for range 2 {
		l.pay("3a", "tx")
		var panicked *bitcart.PanicError
		require.ErrorAs(t, get(t, failed), &panicked)
		require.Equal(t, "my own sink", panicked.Value)
	}
	require.NoError(t, l.stop())
}

// What is beyond the bounds is dropped until the queue has run empty; that is
// a gap of that subscription, and is fetched like any other.
func TestOverflowIsAGapOfItsSubscription(t *testing.T) {
	backfills := make(chan blockio.Gap, 10)
	l := newListening(t, blockio.WithBounds(blockio.Bounds{Queue: 3}), blockio.WithBackfill(
		func(_ context.Context, g blockio.Gap) ([]bitcart.Update, error) {
			backfills <- g
			return []bitcart.Update{bitcart.NewUpdate(blockio.EventAddress, payment("3a", "fetched")).From("BTC", "3a", bitcart.SourceRecovered)}, nil
		}))
	stuck := make(chan bool)
	inside := make(chan string, 100)
	l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
		if ev.Wallet == "3a" {
			inside <- txidOf(t, ev)
			<-stuck
		}
		l.events <- ev
		return nil
	})
	l.start()
	l.subscribe(btc("3a"), btc("3b"))
	l.pay("3a", "tx0")
	get(t, inside)
	begun := time.Now()
	for i := 1; i <= 6; i++ {
		l.pay("3a", fmt.Sprintf("tx%d", i))
	}
	l.pay("3b", "other")
	require.Equal(t, "other", txidOf(t, get(t, l.events)), "the reader goes on")
	require.EqualValues(t, 3, l.Stats().Dropped)
	require.Empty(t, l.gaps, "not before the queue has run empty")
	dropped := time.Now()
	close(stuck)
	gap := get(t, l.gaps)
	require.Equal(t, blockio.GapOverflow, gap.Reason)
	require.Equal(t, []blockio.Subscription{btc("3a")}, gap.Subscriptions)
	require.WithinRange(t, gap.From, begun, dropped)
	require.False(t, gap.To.Before(dropped))
	require.Equal(t, gap, get(t, backfills))
	var got []string
	for range 5 {
		got = append(got, txidOf(t, get(t, l.events)))
	}
	require.Equal(t, []string{"tx0", "tx1", "tx2", "tx3", "fetched"}, got)
	l.pay("3a", "tx7")
	require.Equal(t, "tx7", txidOf(t, get(t, l.events)))
	require.NoError(t, l.stop())
	require.Empty(t, l.gaps)
}

// Events of a subject that the service spells in a way of its own are handed
// over; when there are too many of them, anything may be missing.
func TestEventsOfOtherSpellings(t *testing.T) {
	l := newListening(t, blockio.WithBounds(blockio.Bounds{Queue: 2}))
	l.start()
	l.subscribe(btc("M-form"), blocks("LTC"))
	stuck := make(chan bool)
	inside := make(chan bool, 100)
	l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
		inside <- true
		<-stuck
		l.events <- ev
		return nil
	})
	for i := range 5 {
		l.svc.SendFrame(fmt.Appendf(nil, `{"type":"address","data":{"network":"LTC","address":"3-form","txid":"tx%d"}}`, i))
		if i == 0 {
			get(t, inside)
		}
	}
	l.svc.SendFrame([]byte(`{"type":"new-blocks","data":{"network":"LTC"}}`)) // case and member's order do not matter
	require.Equal(t, blockio.EventNewBlocks, get(t, l.events).Name)
	close(stuck)
	gap := get(t, l.gaps)
	require.Equal(t, blockio.GapOverflow, gap.Reason)
	require.Equal(t, []blockio.Subscription{btc("M-form"), blocks("LTC")}, gap.Subscriptions)
	for range 3 {
		require.Equal(t, "3-form", get(t, l.events).Wallet)
	}
}

func TestDrain(t *testing.T) {
	t.Run("everything that was received is handed over", func(t *testing.T) {
		l := newListening(t)
		inside, leave := make(chan bool, 10), make(chan bool)
		l.sink.On(blockio.EventAddress, func(ctx context.Context, ev *bitcart.Event) error {
			inside <- true
			<-leave
			require.NoError(t, ctx.Err(), "a handler's ctx is not Run's")
			l.events <- ev
			return nil
		})
		l.start()
		l.subscribe(btc("3a"))
		for i := range 3 {
			l.pay("3a", fmt.Sprintf("tx%d", i))
		}
		get(t, inside)
		require.Eventually(t, func() bool { return l.Stats().Queued == 2 }, streamSoon, time.Millisecond)
		l.end()
		require.NoError(t, l.svc.WaitSockets(t.Context(), 0))
		require.Empty(t, l.ended, "Run waits for the handlers")
		close(leave)
		require.NoError(t, l.stop())
		require.Len(t, l.events, 3)
	})
	t.Run("the time is over", func(t *testing.T) {
		l := newListening(t, blockio.WithBounds(blockio.Bounds{Drain: 10 * time.Millisecond}))
		inside := make(chan bool, 10)
		l.sink.On(blockio.EventAddress, func(ctx context.Context, ev *bitcart.Event) error {
			inside <- true
			<-ctx.Done()
			return ctx.Err()
		})
		l.start()
		l.subscribe(btc("3a"))
		for i := range 3 {
			l.pay("3a", fmt.Sprintf("tx%d", i))
		}
		get(t, inside)
		require.Eventually(t, func() bool { return l.Stats().Queued == 2 }, streamSoon, time.Millisecond)
		var left *bitcart.DrainError
		err := l.stop()
		require.ErrorAs(t, err, &left)
		require.ErrorIs(t, err, bitcart.ErrDrainTimeout)
		require.Equal(t, bitcart.DrainError{Undelivered: 2}, *left)
		require.Empty(t, inside, "no handler begins when the time is over")
	})
	t.Run("a handler that ignores its ctx", func(t *testing.T) {
		l := newListening(t, blockio.WithBounds(blockio.Bounds{Drain: 10 * time.Millisecond}))
		inside, leave := make(chan bool, 10), make(chan bool)
		t.Cleanup(func() { close(leave) })
		l.sink.On(blockio.EventAddress, func(context.Context, *bitcart.Event) error {
			inside <- true
			<-leave
			return nil
		})
		l.start()
		l.subscribe(btc("3a"))
		l.pay("3a", "tx")
		get(t, inside)
		var left *bitcart.DrainError
		require.ErrorAs(t, l.stop(), &left)
		require.Equal(t, bitcart.DrainError{Running: 1}, *left)
	})
	t.Run("a backfill under way is waited for, and its events are handed over", func(t *testing.T) {
		inside, leave := make(chan bool), make(chan bool)
		l := newListening(t, blockio.WithBackfill(func(context.Context, blockio.Gap) ([]bitcart.Update, error) {
			close(inside)
			<-leave
			return []bitcart.Update{bitcart.NewUpdate(blockio.EventAddress, payment("3a", "fetched"))}, nil
		}))
		l.subscribe(btc("3a"))
		l.start()
		require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
		l.svc.Faults().CutSockets(blockiotest.RST)
		get(t, inside)
		l.end()
		require.NoError(t, l.svc.WaitSockets(t.Context(), 0))
		close(leave)
		require.NoError(t, l.stop())
		require.Equal(t, "fetched", txidOf(t, get(t, l.events)))
	})
	t.Run("a backfill that is cut off", func(t *testing.T) {
		inside := make(chan bool)
		l := newListening(t, blockio.WithBounds(blockio.Bounds{Drain: 10 * time.Millisecond}), blockio.WithBackfill(
			func(ctx context.Context, _ blockio.Gap) ([]bitcart.Update, error) {
				close(inside)
				<-ctx.Done()
				return []bitcart.Update{bitcart.NewUpdate(blockio.EventAddress, payment("3a", "fetched"))}, ctx.Err()
			}))
		l.subscribe(btc("3a"))
		l.start()
		require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
		l.svc.Faults().CutSockets(blockiotest.RST)
		get(t, inside)
		var left *bitcart.DrainError
		require.ErrorAs(t, l.stop(), &left)
		require.Equal(t, 1, left.Cut)
		require.Equal(t, 1, left.Undelivered)
		require.Empty(t, l.events)
	})
}

// A function that is stuck delays neither the reader nor the handlers.
func TestStuckGapFunctionDelaysNobody(t *testing.T) {
	inside, leave := make(chan bool, 10), make(chan bool)
	l := newListening(t, blockio.WithOnGap(func(context.Context, blockio.Gap) {
		inside <- true
		<-leave
	}))
	l.subscribe(btc("3a"))
	l.start()
	require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
	l.svc.Faults().CutSockets(blockiotest.RST)
	get(t, inside)
	for range 2 {
		l.svc.Faults().CutSockets(blockiotest.RST)
		require.NoError(t, l.svc.WaitSubscribed(t.Context(), asked(btc("3a"))))
		l.pay("3a", "tx")
		require.Equal(t, "tx", txidOf(t, get(t, l.events)))
		require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
	}
	close(leave)
	get(t, inside)
	get(t, inside)
	require.NoError(t, l.stop())
}

func TestValuesOfRunReachTheHandler(t *testing.T) {
	type key struct{}
	svc := newSocketService(t)
	sink := &bitcart.Dispatcher{}
	got := make(chan any, 1)
	sink.On(blockio.EventAddress, func(ctx context.Context, _ *bitcart.Event) error {
		got <- ctx.Value(key{})
		return nil
	})
	stream, err := blockio.NewStream(sink, blockio.WithEndpoint(svc.SocketURL()))
	require.NoError(t, err)
	require.NoError(t, stream.Subscribe(t.Context(), btc("3a")))
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- stream.Run(ctx) }()
	require.NoError(t, svc.WaitSubscribed(t.Context(), asked(btc("3a"))))
	require.NoError(t, svc.Emit("BTC", blockio.EventAddress, payment("3a", "tx")))
	require.Equal(t, "value", get(t, got))
	cancel()
	require.NoError(t, get(t, ended))
}

// Everything at once: cuts, subscriptions that come and go, slow handlers and
// retries. No event is handled twice or out of order, and each stretch of
// events that are missing has a gap of its own.
func TestStreamUnderStress(t *testing.T) {
	var mu sync.Mutex // guards what the stream's functions note
	var handled []int
	gaps := 0
	l := newListening(t, blockio.WithBounds(blockio.Bounds{Workers: 4, Queue: 8}), blockio.WithOnGap(
		func(_ context.Context, g blockio.Gap) {
			mu.Lock()
			defer mu.Unlock()
			if slices.Contains(g.Subscriptions, btc("3steady")) {
				gaps++
			}
		}))
	var calls atomic.Int32
	l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
		if calls.Add(1)%7 == 0 && ev.Attempt == 1 {
			return bitcart.Retry(nil, time.Microsecond)
		}
		if ev.Wallet == "3steady" {
			n, err := strconv.Atoi(txidOf(t, ev))
			require.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			handled = append(handled, n)
		}
		return nil
	})
	l.start()
	l.subscribe(btc("3steady"))
	stop := make(chan struct{})
	var all sync.WaitGroup
	loop := func(f func(i int)) {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					f(i)
				}
			}
		})
	}
	loop(func(i int) { l.pay("3steady", strconv.Itoa(i)) })
	loop(func(i int) { l.pay(fmt.Sprintf("3churn%d", i%5), "churn") })
	for n := range 3 {
		loop(func(i int) {
			sub := btc(fmt.Sprintf("3churn%d", (i+n)%5))
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			_ = l.Subscribe(ctx, sub)
			l.Unsubscribe(sub)
		})
	}
	loop(func(int) { _, _ = l.Stats(), l.Subscriptions(); runtime.Gosched() })
	for i := range 20 {
		l.svc.Faults().CutSockets([]blockiotest.Cut{blockiotest.RST, blockiotest.FIN, blockiotest.CloseFrame(1012, "")}[i%3])
		require.NoError(t, l.svc.WaitSubscribed(t.Context(), asked(btc("3steady"))))
	}
	close(stop)
	all.Wait()
	require.NoError(t, l.stop())

	missing, last := 0, -1
	for _, n := range handled {
		require.Greater(t, n, last)
		if n > last+1 {
			missing++
		}
		last = n
	}
	require.NotEmpty(t, handled)
	require.LessOrEqual(t, missing, gaps)
	st := l.Stats()
	require.Equal(t, st.Received, st.Delivered+st.Dropped, "every event has one fate")
	require.Zero(t, st.Garbage)
}
