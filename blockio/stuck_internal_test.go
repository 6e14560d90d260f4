package blockio

import (
	"context"
	"log/slog"
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
