package blockio

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// A logger that is stuck holds one message, not one for each renewal that fails.
func TestAsidesDoNotPileUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a asides
		var calls atomic.Int64
		gate := make(chan struct{})
		stuck := func() { calls.Add(1); <-gate }
		for range 10 {
			a.call(stuck)
			synctest.Wait()
		}
		require.EqualValues(t, 1, calls.Load())
		ended := make(chan struct{})
		go func() { heldClaim{asides: &a}.end(); close(ended) }()
		synctest.Wait()
		select {
		case <-ended:
			t.Fatal("it is still being logged")
		default:
		}
		close(gate)
		<-ended
		a.call(stuck)
		a.running.Wait()
		require.EqualValues(t, 2, calls.Load(), "the next one is logged again")
	})
}

// Lanes that retired and have nothing left to hand over are forgotten.
func TestRetiredLanesAreForgotten(t *testing.T) {
	inside, leave := make(chan bool, 1), make(chan bool)
	var sink bitcart.Dispatcher
	sink.On(EventAddress, func(context.Context, *bitcart.Event) error { inside <- true; <-leave; return nil })
	s, err := NewStream(&sink)
	require.NoError(t, err)
	r, err := s.begin(context.Background())
	require.NoError(t, err)
	subs := []Subscription{{"BTC", TypeAddress, "3a"}, {"BTC", TypeAddress, "3b"}}
	for _, sub := range subs {
		require.Error(t, s.Subscribe(canceled(), sub), "nobody answers")
	}
	s.mu.Lock()
	first := s.book.entries[subs[0].topic()]
	u, err := updateOf(EventAddress, []byte(`{"network":"BTC","address":"3a"}`), bitcart.SourceStream)
	require.NoError(t, err)
	r.push(parcel{update: u, entry: first, size: 1})
	s.mu.Unlock()
	<-inside
	s.Unsubscribe(subs[0])
	retired := func() int { s.mu.Lock(); defer s.mu.Unlock(); return len(r.retired) }
	require.Equal(t, 1, retired(), "a handler is inside")
	close(leave)
	require.Eventually(t, first.lane.Idle, 10*time.Second, time.Millisecond)
	s.Unsubscribe(subs[1])
	require.Zero(t, retired())
	r.beginDrain()
	require.NoError(t, r.drain())
}

// How many calls a stuck function has cost is logged at the end, which waits
// for no logger.
func TestCallsThatWereNotMadeAreLogged(t *testing.T) {
	for name, stuck := range map[string]bool{"logger returns": false, "logger is stuck, too": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := make(chan struct{})
				var logged atomic.Int64
				log := slog.New(endLog{slog.DiscardHandler, func() {
					if logged.Add(1); stuck {
						<-gate
					}
				}})
				s, err := NewStream(&bitcart.Dispatcher{}, WithLogger(log), WithBounds(Bounds{Drain: time.Second}))
				require.NoError(t, err)
				r, err := s.begin(context.Background())
				require.NoError(t, err)
				r.notices.post(func(context.Context) { <-gate })
				r.notices.post(func(context.Context) { t.Error("too late") })
				synctest.Wait()
				begun := time.Now()
				r.beginDrain()
				require.ErrorIs(t, r.drain(), bitcart.ErrDrainTimeout)
				require.LessOrEqual(t, time.Since(begun), time.Second+drainGrace+loggerGrace)
				require.EqualValues(t, 1, logged.Load())
				close(gate)
				synctest.Wait()
			})
		})
	}
}

// endLog calls f for each message.
type endLog struct {
	slog.Handler
	f func()
}

func (l endLog) Enabled(context.Context, slog.Level) bool { return true }

func (l endLog) Handle(context.Context, slog.Record) error {
	l.f()
	return nil
}

// A logger that panics when it is asked for its level costs its message alone,
// as does one that is a zero value.
func TestGuardedLogger(t *testing.T) {
	for name, log := range map[string]*slog.Logger{"panics": slog.New(panickingLevel{}), "zero": {}} {
		require.NotPanics(t, func() { guarded(log).Warn("message") }, name)
	}
}

type panickingLevel struct{ slog.Handler }

func (panickingLevel) Enabled(context.Context, slog.Level) bool { panic("the logger has a bug") }

// Of lists without objects it is the first one.
func TestListWithoutObjects(t *testing.T) {
	for text, want := range map[string]int{`{"a":[1],"b":[]}`: 1, `{"a":[],"b":[1]}`: 0, `{"a":[1],"b":[{}]}`: 1, `{"b":[1,2],"c":[3],"a":5}`: 2} {
		items, _, err := findList([]byte(text), "notifications")
		require.NoError(t, err)
		require.Len(t, items, want, text)
	}
}

// Nobody is told what was dropped of a subscription that was given up.
func TestUnsubscribedOverflowIsNotTold(t *testing.T) {
	inside, leave := make(chan bool, 1), make(chan bool)
	var sink bitcart.Dispatcher
	sink.On(EventAddress, func(context.Context, *bitcart.Event) error { inside <- true; <-leave; return nil })
	s, err := NewStream(&sink, WithBounds(Bounds{Queue: 1}))
	require.NoError(t, err)
	r, err := s.begin(context.Background())
	require.NoError(t, err)
	sub := Subscription{"BTC", TypeAddress, "3a"}
	require.Error(t, s.Subscribe(canceled(), sub), "nobody answers")
	u, err := updateOf(EventAddress, []byte(`{"network":"BTC","address":"3a"}`), bitcart.SourceStream)
	require.NoError(t, err)
	push := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		r.push(parcel{update: u, entry: s.book.entries[sub.topic()], received: time.Now(), size: 1})
	}
	push()
	<-inside
	push()
	push()
	require.EqualValues(t, 1, s.Stats().Dropped)
	s.Unsubscribe(sub)
	require.Error(t, s.Subscribe(canceled(), sub), "nobody answers")
	close(leave)
	r.beginDrain()
	require.NoError(t, r.drain())
	require.Zero(t, s.Stats().Gaps)
}

// beginOffline begins a Run of a Stream that has no connection, for synctest's
// clock, and returns what hands over an event of an address.
func beginOffline(t *testing.T, h bitcart.Handler, opts ...StreamOption) (r *streamRun, push func(address string)) {
	var sink bitcart.Dispatcher
	sink.On(EventAddress, h)
	s, err := NewStream(&sink, opts...)
	require.NoError(t, err)
	r, err = s.begin(context.Background())
	require.NoError(t, err)
	return r, func(address string) {
		sub := Subscription{"BTC", TypeAddress, address}
		s.mu.Lock()
		defer s.mu.Unlock()
		e := s.subscribe(sub)
		r.push(parcel{update: addressUpdate(address), entry: e, received: time.Now(), size: 1})
	}
}

func addressUpdate(address string) bitcart.Update {
	return bitcart.NewUpdate(EventAddress, AddressEvent{Network: "BTC", Address: address}).From("BTC", address, bitcart.SourceRecovered)
}

// Handlers that return an error because their time is over are told of as well,
// each of them.
func TestErrorsOfCancelledHandlersAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		r, push := beginOffline(t, func(ctx context.Context, _ *bitcart.Event) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, WithBounds(Bounds{Drain: time.Second}), WithOnHandlerError(func(context.Context, error) {
			time.Sleep(10 * time.Millisecond) // the next one waits
			told++
		}))
		for _, address := range []string{"3a", "3b", "3c"} {
			push(address)
		}
		synctest.Wait()
		r.beginDrain()
		r.s.endAsking(r)
		require.NoError(t, r.drain())
		require.Equal(t, 3, told)
	})
}

// An overflow that is over only while Run ends is told and made up for within
// the drain's time, like any other.
func TestDrainWaitsForTheBackfillOfAnOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		handled := 0
		r, push := beginOffline(t, func(context.Context, *bitcart.Event) error {
			<-gate
			time.Sleep(time.Second)
			handled++
			return nil
		}, WithBounds(Bounds{Queue: 1}), WithBackfill(func(_ context.Context, g Gap) ([]bitcart.Update, error) {
			require.Equal(t, GapOverflow, g.Reason)
			time.Sleep(time.Second)
			return []bitcart.Update{addressUpdate("3a"), addressUpdate("3a")}, nil
		}))
		push("3a")
		synctest.Wait()
		push("3a")
		push("3a") // finds no room
		require.EqualValues(t, 1, r.s.Stats().Dropped)
		r.beginDrain()
		r.s.endAsking(r)
		close(gate)
		require.NoError(t, r.drain())
		require.Equal(t, 4, handled)
	})
}

// What other spellings had no room for is told once, not by the next Run again.
func TestOverflowOfStrangersIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, gaps := make(chan struct{}), 0
		r, _ := beginOffline(t, func(context.Context, *bitcart.Event) error { <-gate; return nil },
			WithBounds(Bounds{Queue: 1}), WithOnGap(func(context.Context, Gap) { gaps++ }))
		for range 3 {
			r.s.mu.Lock()
			r.push(parcel{update: addressUpdate("3a"), received: time.Now(), size: 1})
			r.s.mu.Unlock()
			synctest.Wait()
		}
		r.beginDrain()
		r.s.endAsking(r)
		close(gate)
		require.NoError(t, r.drain())
		require.Equal(t, 1, gaps)
		r.s.leave(r)
		require.Zero(t, r.s.lost)
	})
}

// cancelledSink gives an event up when its ctx ends, before any handler.
type cancelledSink struct{ bitcart.Dispatcher }

func (*cancelledSink) ProcessUpdates(ctx context.Context, _ []bitcart.Update) error {
	<-ctx.Done()
	return ctx.Err()
}

// An event that no handler was called for is left over, and nobody's error.
func TestUntouchedEventIsUndelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := NewStream(&cancelledSink{}, WithBounds(Bounds{Drain: time.Second}),
			WithOnHandlerError(func(context.Context, error) { t.Error("no handler has run") }))
		require.NoError(t, err)
		r, err := s.begin(context.Background())
		require.NoError(t, err)
		s.mu.Lock()
		r.push(parcel{update: addressUpdate("3a"), received: time.Now(), size: 1})
		s.mu.Unlock()
		synctest.Wait()
		r.beginDrain()
		s.endAsking(r)
		var left *bitcart.DrainError
		require.ErrorAs(t, r.drain(), &left)
		require.Equal(t, bitcart.DrainError{Undelivered: 1}, *left)
		require.Zero(t, s.Stats().Delivered)
	})
}

// A function of WithOnGap that panics keeps no backfill from being made.
func TestBackfillAfterAPanicOfOnGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backfills := 0
		r, _ := beginOffline(t, func(context.Context, *bitcart.Event) error { return nil },
			WithOnGap(func(context.Context, Gap) { panic("a bug") }),
			WithBackfill(func(context.Context, Gap) ([]bitcart.Update, error) { backfills++; return nil, nil }))
		r.gap(Gap{Reason: GapReconnect})
		r.beginDrain()
		r.s.endAsking(r)
		require.NoError(t, r.drain())
		require.Equal(t, 1, backfills)
	})
}

// Lanes of other spellings do not grow with the subjects that the service makes
// up: what nothing waits in is forgotten, and beyond the bound they share one.
func TestStraysAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, handled := make(chan struct{}), atomic.Int64{}
		r, _ := beginOffline(t, func(context.Context, *bitcart.Event) error { <-gate; handled.Add(1); return nil })
		push := func(i int) {
			r.s.mu.Lock()
			defer r.s.mu.Unlock()
			topic := Subscription{"BTC", EventAddress, strconv.Itoa(i)}
			r.push(parcel{update: addressUpdate("3a"), topic: topic, received: time.Now(), size: 1})
			require.LessOrEqual(t, len(r.strays), maxStrays+1)
		}
		const beyond = maxStrays + 50
		for i := range beyond {
			push(i)
		}
		push(beyond - 1)
		require.Len(t, r.strays, maxStrays+1)
		require.Equal(t, 51, r.strays[Subscription{}].lane.Len())
		close(gate)
		synctest.Wait()
		push(beyond)
		require.Len(t, r.strays, 1)
		r.beginDrain()
		r.s.endAsking(r)
		require.NoError(t, r.drain())
		require.EqualValues(t, beyond+2, handled.Load())
	})
}

// The same for a subscription's own queue.
func TestOverflowIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate, gaps := make(chan struct{}), 0
		r, push := beginOffline(t, func(context.Context, *bitcart.Event) error { <-gate; return nil },
			WithBounds(Bounds{Queue: 1}), WithOnGap(func(context.Context, Gap) { gaps++ }))
		for range 3 {
			push("3a")
			synctest.Wait()
		}
		r.beginDrain()
		r.s.endAsking(r)
		close(gate)
		require.NoError(t, r.drain())
		require.Equal(t, 1, gaps)
		r.s.leave(r)
		require.Zero(t, r.s.lost)
	})
}

// When the time is over no handler is called any more, and what is left is
// counted: by whether its handler was called before.
func TestNothingIsHandedOverAfterTheTime(t *testing.T) {
	handled := 0
	r, push := beginOffline(t, func(context.Context, *bitcart.Event) error { handled++; return nil })
	r.beginDrain()
	r.cut()
	push("3a")
	_, again := r.handle(parcel{update: addressUpdate("3a")}, 2)
	require.False(t, again)
	r.s.endAsking(r)
	var left *bitcart.DrainError
	require.ErrorAs(t, r.drain(), &left)
	require.Equal(t, bitcart.DrainError{Undelivered: 1, Retrying: 1}, *left)
	require.Zero(t, handled)
	r.insert([]bitcart.Update{addressUpdate("3a"), addressUpdate("3b")})
	require.EqualValues(t, 3, r.undelivered.Load()+int64(r.queue.Counts().Queued))
	require.Zero(t, r.s.Stats().Backfilled)
}

// A Retry of an event that was unsubscribed meanwhile is its end: it was
// dropped, not delivered.
func TestRetryOfWhatWasUnsubscribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		r, push := beginOffline(t, func(context.Context, *bitcart.Event) error { <-gate; return bitcart.Retry(nil, time.Hour) })
		push("3a")
		synctest.Wait()
		r.s.Unsubscribe(Subscription{"BTC", TypeAddress, "3a"})
		close(gate)
		synctest.Wait()
		require.EqualValues(t, 1, r.s.Stats().Dropped)
		require.Zero(t, r.s.Stats().Delivered)
		r.beginDrain()
		r.s.endAsking(r)
		require.NoError(t, r.drain())
	})
}

// A backfill is made once for each gap, and again when it asks for that: after
// the time that it names, or else after pauses that grow.
func TestBackfillAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begun := time.Now()
		r, _ := beginOffline(t, func(context.Context, *bitcart.Event) error { return nil },
			WithBounds(Bounds{Drain: 24 * time.Hour}), WithBackoff(time.Minute, time.Hour), WithOnGap(func(context.Context, Gap) {}),
			WithBackfill(func(context.Context, Gap) ([]bitcart.Update, error) {
				at = append(at, time.Since(begun))
				switch len(at) {
				case 1:
					return nil, bitcart.Retry(nil, 2*time.Hour)
				case 2:
					return nil, bitcart.Retry(nil, 0)
				}
				return nil, nil
			}))
		r.gap(Gap{Reason: GapReconnect})
		r.beginDrain()
		r.s.endAsking(r)
		require.NoError(t, r.drain())
		require.Len(t, at, 3)
		require.Equal(t, 2*time.Hour, at[1]-at[0])
		require.Greater(t, at[2]-at[1], 59*time.Second, "the second pause is twice the first, less its jitter")
		require.LessOrEqual(t, at[2]-at[1], 2*time.Minute)
	})
}

// What a connection knows of unsubscribed subjects, and of those in line that
// nobody wants any more, stays within bounds; what is subscribed is kept.
func TestConnectionForgetsWhatIsStale(t *testing.T) {
	s, err := NewStream(&bitcart.Dispatcher{})
	require.NoError(t, err)
	c := &streamConn{s: s, wake: make(chan struct{}, 1), sent: map[Subscription]bool{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	live, _ := s.book.add(Subscription{"BTC", TypeAddress, "live"})
	c.sent[live.topic], c.asked = true, &entry{topic: Subscription{"BTC", TypeAddress, "0"}}
	for i := range 5000 {
		e, _ := s.book.add(Subscription{"BTC", TypeAddress, "live" + strconv.Itoa(i)})
		c.sent[e.topic] = true
	}
	const all = 5001 + maxStale + 1
	for i := range maxStale + 100 {
		c.sent[Subscription{"BTC", TypeAddress, strconv.Itoa(i)}] = true
		before := len(c.sent)
		c.forgetStale()
		if n := len(c.sent); n > all || n < before-1 || !c.sent[live.topic] || !c.sent[c.asked.topic] {
			t.Fatal("of", before, "are left", n, "or a subscribed or asked one is forgotten")
		}
	}
	for i := range 5000 {
		topic := Subscription{"BTC", TypeAddress, "live" + strconv.Itoa(i)}
		require.True(t, c.sent[topic])
		delete(s.book.entries, topic)
	}
	c.enqueue(live)
	for i := range 3 * maxIdle {
		e, _ := s.book.add(Subscription{"BTC", TypeAddress, strconv.Itoa(i)})
		c.enqueue(e)
		delete(s.book.entries, e.topic)
		require.LessOrEqual(t, len(c.line), maxIdle+5)
		require.GreaterOrEqual(t, len(c.line), min(i+1, 2))
		require.Same(t, live, c.line[0])
	}
	require.Greater(t, len(c.line), 2, "not at every call")
}

// While Run ends there is nobody to answer: Subscribe remembers, as it does
// without a Run, and Unsubscribe forgets.
func TestSubscribeWhileRunEnds(t *testing.T) {
	r, push := beginOffline(t, func(context.Context, *bitcart.Event) error { return nil })
	push("3a")
	r.beginDrain()
	r.s.endAsking(r)
	b, c := Subscription{"BTC", TypeAddress, "3b"}, Subscription{"BTC", TypeAddress, "3c"}
	require.NoError(t, r.s.Subscribe(t.Context(), b, c))
	r.s.Unsubscribe(c)
	require.NoError(t, r.drain())
	r.s.leave(r)
	require.Equal(t, []Subscription{{"BTC", TypeAddress, "3a"}, b}, r.s.Subscriptions())
	(*Stream)(nil).Unsubscribe(b)
}

// A subscription takes over what its spelling had before, the overflow included:
// that is told once, as its own.
func TestSubscriptionTakesOverItsStray(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var gaps []Gap
		r, push := beginOffline(t, func(context.Context, *bitcart.Event) error { <-gate; return nil },
			WithBounds(Bounds{Queue: 1}), WithOnGap(func(_ context.Context, g Gap) { gaps = append(gaps, g) }))
		sub := Subscription{"BTC", TypeAddress, "3a"}
		begun := time.Now()
		for range 3 {
			r.s.mu.Lock()
			r.push(parcel{update: addressUpdate("3a"), topic: sub.topic(), received: time.Now(), size: 1})
			r.s.mu.Unlock()
			synctest.Wait()
		}
		push("3a")
		push("3b")
		require.EqualValues(t, 2, r.s.Stats().Dropped)
		close(gate)
		synctest.Wait()
		require.Len(t, gaps, 1)
		require.Equal(t, []Subscription{sub}, gaps[0].Subscriptions)
		require.Equal(t, begun, gaps[0].From)
		r.beginDrain()
		r.s.endAsking(r)
		require.NoError(t, r.drain())
		require.Len(t, gaps, 1)
	})
}
