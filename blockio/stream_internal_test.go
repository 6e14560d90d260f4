package blockio

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// A function that is stuck costs calls, but no gap: those that found no room
// are told as one.
func TestGapsOutliveAStuckFunction(t *testing.T) {
	told := make(chan Gap, 10)
	var n *notices
	n = newNotices(context.Background(), slog.New(slog.DiscardHandler), 4*noticeSize, func(g Gap) {
		n.postGap(g, func(context.Context) { told <- g })
	})
	inside, leave := make(chan bool), make(chan bool)
	n.post(func(context.Context) { close(inside); <-leave })
	<-inside
	now := time.Now()
	a, b := Subscription{"BTC", TypeAddress, "3a"}, Subscription{"BTC", TypeAddress, "3b"}
	for range 10 {
		n.post(func(context.Context) {}) // the room is gone
	}
	n.postGap(Gap{From: now.Add(1), To: now.Add(2), Subscriptions: []Subscription{a}}, func(context.Context) { t.Error("no room") })
	n.postGap(Gap{From: now.Add(3), To: now.Add(4), Subscriptions: []Subscription{b}}, func(context.Context) { t.Error("no room") })
	close(leave)
	n.drain(context.Background())
	require.Equal(t, Gap{From: now.Add(1), To: now.Add(4), Subscriptions: []Subscription{a, b}}, <-told)
	require.Empty(t, told)
	running, lost, cut := n.end(context.Background())
	require.Equal(t, [3]int{}, [3]int{running, lost, cut})
}

func TestNoticesEnd(t *testing.T) {
	n := newNotices(context.Background(), slog.New(slog.DiscardHandler), 1<<20, func(Gap) {})
	inside, leave := make(chan bool), make(chan bool)
	n.post(func(context.Context) { close(inside); <-leave })
	<-inside
	n.post(func(context.Context) {})
	n.post(func(context.Context) {})
	retried := make(chan bool, 1)
	n.postBackfill(func(context.Context) (time.Duration, bool) { retried <- true; return time.Hour, true })
	<-retried
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.Eventually(t, func() bool { return n.backfills.Len() == 1 }, 10*time.Second, time.Millisecond)
	running, lost, cut := n.end(ctx)
	require.Equal(t, [3]int{1, 2, 1}, [3]int{running, lost, cut})
	close(leave)
	running, _, _ = n.end(context.Background())
	require.Zero(t, running)
}

// What a connection knows of unsubscribed subjects, and what stands in line,
// stays within bounds, however often somebody subscribes and unsubscribes.
func TestChurnLeavesNothingBehind(t *testing.T) {
	s, err := NewStream(&bitcart.Dispatcher{})
	require.NoError(t, err)
	r, err := s.begin(context.Background())
	require.NoError(t, err)
	c := &streamConn{s: s, r: r, sent: map[Subscription]bool{}, wake: make(chan struct{}, 1), gapKnown: true}
	r.conn = c
	for i := range maxStale + 5000 {
		sub := Subscription{"BTC", TypeAddress, fmt.Sprint("3a", i)}
		require.Error(t, s.Subscribe(canceled(), sub), "nobody answers")
		c.sent[sub.topic()] = true
		s.Unsubscribe(sub)
	}
	require.LessOrEqual(t, len(c.sent), maxStale+1)
	require.LessOrEqual(t, len(c.line), maxIdle+10)
	require.Empty(t, r.retired)
	require.Empty(t, s.book.entries)
	r.beginDrain()
	s.endAsking(r)
	require.NoError(t, r.drain())
}

// A refusal is that of the request that was sent: somebody who has unsubscribed
// and subscribed again meanwhile gets an answer of their own.
func TestRefusalOfAnEarlierRequest(t *testing.T) {
	var told atomic.Int64
	s, err := NewStream(&bitcart.Dispatcher{}, WithOnRefused(func(context.Context, *SubscriptionError) { told.Add(1) }))
	require.NoError(t, err)
	r, err := s.begin(context.Background())
	require.NoError(t, err)
	c := &streamConn{s: s, r: r, sent: map[Subscription]bool{}, wake: make(chan struct{}, 1), greeted: true, gapKnown: true}
	r.conn = c
	sub := Subscription{"BTC", TypeAddress, "3a"}
	require.ErrorIs(t, s.Subscribe(canceled(), sub), context.Canceled)
	require.NotNil(t, c.next())
	s.Unsubscribe(sub)
	require.ErrorIs(t, s.Subscribe(canceled(), sub), context.Canceled)
	require.NoError(t, c.answer(frame{kind: frameRefused, message: "no"}, time.Now()))
	require.Equal(t, []Subscription{sub}, s.Subscriptions())
	require.NotNil(t, c.next(), "it is asked for again")
	require.NoError(t, c.answer(frame{kind: frameAccepted}, time.Now()))
	require.NoError(t, s.Subscribe(canceled(), sub))
	r.beginDrain()
	s.endAsking(r)
	require.NoError(t, r.drain())
	require.Zero(t, told.Load())
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestRetryPauses(t *testing.T) {
	p := pauses{time.Second, 10 * time.Second}
	for n, top := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 4: 8 * time.Second, 5: 10 * time.Second, 1000: 10 * time.Second} {
		for range 50 {
			d := p.retry(n)
			require.LessOrEqual(t, d, top)
			require.GreaterOrEqual(t, d, top/2)
		}
	}
	for range 50 {
		b := p.connects()
		for range 20 {
			require.LessOrEqual(t, b.NextBackOff(), 10*time.Second)
		}
	}
}

// A panic of a function is logged without what it was called with.
func TestPanicOfAFunctionShowsNoValue(t *testing.T) {
	var text strings.Builder
	n := newNotices(context.Background(), slog.New(slog.NewTextHandler(&text, nil)), 1<<20, func(Gap) {})
	n.post(func(context.Context) { panic("SECRET") })
	n.drain(context.Background())
	require.Contains(t, text.String(), "panicked")
	require.NotContains(t, text.String(), `SECRET`)
}

// What finds no room just when the line has run empty is told as well.
func TestNothingIsLostBesideAnEmptyLine(t *testing.T) {
	const rounds, posters, each = 200, 4, 30
	for range rounds {
		var gaps, refusals atomic.Int64
		var n *notices
		tell := func(g Gap) func(context.Context) {
			return func(context.Context) { gaps.Add(int64(len(g.Subscriptions))) }
		}
		n = newNotices(context.Background(), slog.New(slog.DiscardHandler), 0, func(g Gap) { n.postGap(g, tell(g)) })
		var all sync.WaitGroup
		for p := range posters {
			all.Go(func() {
				for i := range each {
					g := Gap{Subscriptions: []Subscription{{Network: "BTC", Address: fmt.Sprint(p, " ", i)}}}
					n.postGap(g, tell(g))
					n.postKept(func(context.Context) { refusals.Add(1) })
				}
			})
		}
		all.Wait()
		n.drain(context.Background())
		require.EqualValues(t, posters*each, gaps.Load())
		require.EqualValues(t, posters*each, refusals.Load())
	}
}

// The first pause is the caller's, not that of the package that makes them.
func TestFirstPause(t *testing.T) {
	for range 20 {
		first := pauses{time.Hour, 10 * time.Hour}.connects().NextBackOff()
		require.GreaterOrEqual(t, first, 30*time.Minute)
		require.LessOrEqual(t, first, 90*time.Minute)
	}
	_, err := newStreamConfig([]StreamOption{WithBackoff(0, time.Second)})
	require.Error(t, err)
	_, err = newStreamConfig([]StreamOption{WithBackoff(time.Second, time.Second)})
	require.NoError(t, err)
}
