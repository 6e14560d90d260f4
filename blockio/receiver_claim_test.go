package blockio_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
)

// spySeen is a memory store whose calls can be looked at and made to fail.
type spySeen struct {
	blockio.Seen
	mu    sync.Mutex
	calls []string
	fail  map[string]error // by call; errLost leaves the change in place
	check func(ctx context.Context, call string)
	keep  time.Duration
}

func newSpy() *spySeen {
	return &spySeen{Seen: blockio.NewMemorySeen(0), fail: map[string]error{}}
}

var (
	errStore = errors.New("the store is away")
	// errLost: the change was made, and its answer got lost.
	errLost = errors.New("the store's answer got lost")
)

func (s *spySeen) call(ctx context.Context, name string, change func() error) error {
	s.mu.Lock()
	s.calls = append(s.calls, name)
	err, check := s.fail[name], s.check
	s.mu.Unlock()
	if check != nil {
		check(ctx, name)
	}
	switch {
	case errors.Is(err, errLost):
		return errors.Join(change(), err)
	case err != nil:
		return err
	}
	return change()
}

func (s *spySeen) failing(call string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[call] = err
}

func (s *spySeen) made() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.calls, " ")
}

func (s *spySeen) Claim(ctx context.Context, key string, lease time.Duration) (c blockio.Claim, err error) {
	err = s.call(ctx, "claim", func() (err error) {
		c, err = s.Seen.Claim(ctx, key, lease)
		return err
	})
	return c, err
}

func (s *spySeen) Renew(ctx context.Context, key string, token blockio.Token, lease time.Duration) error {
	return s.call(ctx, "renew", func() error { return s.Seen.Renew(ctx, key, token, lease) })
}

func (s *spySeen) Commit(ctx context.Context, key string, token blockio.Token, keep time.Duration) error {
	s.keep = keep
	return s.call(ctx, "commit", func() error { return s.Seen.Commit(ctx, key, token, keep) })
}

func (s *spySeen) Release(ctx context.Context, key string, token blockio.Token) error {
	return s.call(ctx, "release", func() error { return s.Seen.Release(ctx, key, token) })
}

// handling is a sink whose handler of addresses is h, and how often it ran.
func handling(h bitcart.Handler) (*bitcart.Dispatcher, *atomic.Int64) {
	var d bitcart.Dispatcher
	var n atomic.Int64
	d.On(blockio.EventAddress, func(ctx context.Context, ev *bitcart.Event) error {
		n.Add(1)
		if h == nil {
			return nil
		}
		return h(ctx, ev)
	})
	return &d, &n
}

func post(rc http.Handler) int { return answer(rc, hook(addressBody)).Code }

func TestReceiverRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink, n := handling(nil)
		spy := newSpy()
		rc := makeReceiver(t, sink, blockio.WithSeen(spy))
		require.Equal(t, 200, post(rc))
		require.Equal(t, 32*24*time.Hour, spy.keep)
		for range 3 {
			require.Equal(t, 200, post(rc))
		}
		require.EqualValues(t, 1, n.Load())
		require.Equal(t, "claim commit claim claim claim", spy.made())

		retry := strings.Replace(addressBody, `"delivery_attempt":2`, `"delivery_attempt":3`, 1)
		require.Equal(t, 200, answer(rc, hook(retry)).Code)
		require.EqualValues(t, 1, n.Load(), "another attempt at the same event")

		time.Sleep(30 * 24 * time.Hour)
		require.Equal(t, 200, post(rc))
		require.EqualValues(t, 1, n.Load(), "the service repeats for 30 days")
	})
}

// TestReceiverWithoutEventID: two payments are both attempt 1 of one
// notification, and a retry of the first is attempt 2.
func TestReceiverWithoutEventID(t *testing.T) {
	sink, n := handling(nil)
	rc := makeReceiver(t, sink)
	payment := func(txid, attempt string) int {
		return answer(rc, hook(`{"notification_id":"n1","delivery_attempt":`+attempt+`,"type":"address","created_at":1426104819,"data":{"network":"BTC","address":"a","txid":"`+txid+`"}}`)).Code
	}
	require.Equal(t, 200, payment("one", "1"))
	require.Equal(t, 200, payment("two", "1"))
	require.EqualValues(t, 2, n.Load())
	require.Equal(t, 200, payment("one", "2"))
	require.EqualValues(t, 2, n.Load())
}

// TestReceiverSameEventTwiceAtATime runs the handler once.
func TestReceiverSameEventTwiceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, finish := make(chan struct{}), make(chan struct{})
		sink, n := handling(func(context.Context, *bitcart.Event) error {
			close(begun)
			<-finish
			return nil
		})
		rc := makeReceiver(t, sink)
		var first int
		var running sync.WaitGroup
		running.Go(func() { first = post(rc) })
		<-begun
		for range 5 {
			w := answer(rc, hook(addressBody))
			require.Equal(t, 503, w.Code)
			require.Equal(t, "60", w.Header().Get("Retry-After"))
		}
		close(finish)
		running.Wait()
		require.Equal(t, 200, first)
		require.Equal(t, 200, post(rc))
		require.EqualValues(t, 1, n.Load())
	})
}

// TestReceiverRenews: a handler that takes longer than the lease keeps it.
func TestReceiverRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink, n := handling(func(context.Context, *bitcart.Event) error {
			time.Sleep(5*time.Minute + time.Second)
			return nil
		})
		spy := newSpy()
		rc := makeReceiver(t, sink, blockio.WithSeen(spy))
		var first int
		var running sync.WaitGroup
		running.Go(func() { first = post(rc) })
		for range 9 {
			time.Sleep(30 * time.Second)
			require.Equal(t, 503, post(rc))
		}
		running.Wait()
		require.Equal(t, 200, first)
		require.EqualValues(t, 1, n.Load())
		require.Equal(t, 15, strings.Count(spy.made(), "renew"), "three in each lease")
		require.True(t, strings.HasSuffix(spy.made(), "commit"))
		time.Sleep(time.Hour)
		require.Equal(t, 15, strings.Count(spy.made(), "renew"), "none after the commit")
	})
}

// TestReceiverRenewFails: the store is away for a while, and the claim lives
// on as soon as it is back.
func TestReceiverRenewFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spy := newSpy()
		spy.failing("renew", errStore)
		sink, n := handling(func(context.Context, *bitcart.Event) error {
			time.Sleep(50 * time.Second)
			spy.failing("renew", nil)
			time.Sleep(50 * time.Second)
			return nil
		})
		rc := makeReceiver(t, sink, blockio.WithSeen(spy))
		var first int
		var running sync.WaitGroup
		running.Go(func() { first = post(rc) })
		time.Sleep(90 * time.Second)
		require.Equal(t, 503, post(rc))
		running.Wait()
		require.Equal(t, 200, first)
		require.EqualValues(t, 1, n.Load())
	})
}

// TestReceiverLosesClaim: while the store was away the claim ran out, and
// somebody else handles the event. The first handler's commit changes nothing.
// A renewal that hangs or panics is made again in time: without it the claim
// would expire under the running handler, and the next attempt run it again.
func TestReceiverRenewHangsOrPanics(t *testing.T) {
	for name, fail := range map[string]func(ctx context.Context){
		"hangs":  func(ctx context.Context) { <-ctx.Done() },
		"panics": func(context.Context) { panic("the store has a bug") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const lease = time.Minute
				spy := newSpy()
				var renewals atomic.Int64
				spy.check = func(ctx context.Context, call string) {
					if call == "renew" && renewals.Add(1)%2 == 1 {
						fail(ctx)
					}
				}
				sink, n := handling(func(context.Context, *bitcart.Event) error { time.Sleep(5 * lease); return nil })
				rc := makeReceiver(t, sink, blockio.WithSeen(spy), blockio.WithLease(lease))
				var first int
				var running sync.WaitGroup
				running.Go(func() { first = post(rc) })
				for range 9 {
					time.Sleep(lease / 2)
					require.Equal(t, 503, post(rc))
				}
				running.Wait()
				require.Equal(t, 200, first)
				require.Equal(t, 200, post(rc))
				require.EqualValues(t, 1, n.Load())
			})
		})
	}
}

// A store that is slow never has the time in which a claim is lost: each of its
// calls ends while there is some of the lease left.
func TestReceiverSlowStoreKeepsTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lease = time.Minute
		spy := newSpy()
		spy.check = func(ctx context.Context, call string) {
			deadline, ok := ctx.Deadline()
			require.True(t, ok, call)
			require.LessOrEqual(t, time.Until(deadline), lease/3, call)
		}
		result := errors.New("no")
		sink, _ := handling(func(context.Context, *bitcart.Event) error { time.Sleep(lease / 2); return result })
		rc := makeReceiver(t, sink, blockio.WithSeen(spy), blockio.WithLease(lease))
		require.Equal(t, 503, post(rc))
		result = nil
		require.Equal(t, 200, post(rc))
		require.Equal(t, "claim renew release claim renew commit", spy.made())
	})
}

func TestReceiverLosesClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spy := newSpy()
		spy.failing("renew", errStore)
		second := make(chan struct{})
		var runs atomic.Int64
		sink, _ := handling(func(context.Context, *bitcart.Event) error {
			if runs.Add(1) == 1 {
				time.Sleep(90 * time.Second)
			} else {
				<-second
			}
			return nil
		})
		rc := makeReceiver(t, sink, blockio.WithSeen(spy))
		codes := [2]chan int{make(chan int, 1), make(chan int, 1)}
		go func() { codes[0] <- post(rc) }()
		time.Sleep(61 * time.Second)
		spy.failing("renew", nil)
		go func() { codes[1] <- post(rc) }()
		require.Equal(t, 503, <-codes[0], "after 90 s")
		require.Equal(t, 503, post(rc), "the second's claim holds")
		close(second)
		require.Equal(t, 200, <-codes[1])
		require.Equal(t, 200, post(rc))
		require.EqualValues(t, 2, runs.Load())
	})
}

// TestReceiverSenderHangsUp: what runs on has the request's values.
func TestReceiverSenderHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, hangUp := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		spy := newSpy()
		checked := map[string]int{}
		spy.check = func(ctx context.Context, call string) {
			require.NoError(t, ctx.Err(), call)
			require.Equal(t, "value", ctx.Value(key{}), call)
			checked[call]++
		}
		fail := true
		sink, n := handling(func(ctx context.Context, _ *bitcart.Event) error {
			hangUp()
			time.Sleep(30 * time.Second)
			require.NoError(t, ctx.Err())
			require.Equal(t, "value", ctx.Value(key{}))
			if fail {
				fail = false
				return errors.New("once more")
			}
			return nil
		})
		rc := makeReceiver(t, sink, blockio.WithSeen(spy))
		require.Equal(t, 503, answer(rc, hook(addressBody).WithContext(ctx)).Code)
		require.Equal(t, 200, answer(rc, hook(addressBody).WithContext(ctx)).Code)
		require.EqualValues(t, 2, n.Load())
		require.Equal(t, map[string]int{"claim": 2, "renew": 2, "release": 1, "commit": 1}, checked)
	})
}

// TestReceiverHangUpOverHTTP is the same with a real connection.
func TestReceiverHangUpOverHTTP(t *testing.T) {
	begun, finish, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	sink, _ := handling(func(ctx context.Context, _ *bitcart.Event) error {
		close(begun)
		<-finish
		done <- ctx.Err()
		return nil
	})
	rc := makeReceiver(t, sink)
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		context.AfterFunc(r.Context(), func() { close(gone) })
		rc.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, hangUp := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, strings.NewReader(addressBody))
	require.NoError(t, err)
	go func() {
		<-begun
		hangUp()
	}()
	_, err = http.DefaultClient.Do(request)
	require.ErrorIs(t, err, context.Canceled)
	<-gone
	close(finish)
	require.NoError(t, <-done)
	require.Eventually(t, func() bool { return post(rc) == 200 }, 5*time.Second, time.Millisecond)
}

func TestReceiverClaimFails(t *testing.T) {
	for name, err := range map[string]error{"not made": errStore, "answer lost": errLost} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink, n := handling(nil)
				spy := newSpy()
				spy.failing("claim", err)
				rc := makeReceiver(t, sink, blockio.WithSeen(spy))
				require.Equal(t, 503, post(rc))
				require.Zero(t, n.Load())
				spy.failing("claim", nil)
				time.Sleep(time.Minute)
				require.Equal(t, 200, post(rc))
				require.EqualValues(t, 1, n.Load())
			})
		})
	}
}

// TestReceiverCommitFails: the claim is not given back, since it may have been
// committed.
func TestReceiverCommitFails(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		runs int64
	}{"not made": {errStore, 2}, "answer lost": {errLost, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink, n := handling(nil)
				spy := newSpy()
				spy.failing("commit", test.err)
				rc := makeReceiver(t, sink, blockio.WithSeen(spy))
				require.Equal(t, 503, post(rc))
				require.NotContains(t, spy.made(), "release")
				spy.failing("commit", nil)
				if test.runs == 2 {
					require.Equal(t, 503, post(rc), "the claim is left to expire")
				}
				time.Sleep(time.Minute)
				require.Equal(t, 200, post(rc))
				require.Equal(t, test.runs, n.Load())
			})
		})
	}
}

func TestReceiverReleaseFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		sink, n := handling(func(context.Context, *bitcart.Event) error {
			if fail {
				return errors.New("no")
			}
			return nil
		})
		spy := newSpy()
		spy.failing("release", errStore)
		rc := makeReceiver(t, sink, blockio.WithSeen(spy), blockio.WithLease(time.Hour))
		require.Equal(t, 503, post(rc))
		fail = false
		require.Equal(t, 503, post(rc), "the claim has to expire")
		time.Sleep(time.Hour)
		require.Equal(t, 200, post(rc))
		require.EqualValues(t, 2, n.Load())
	})
}

// fixedSeen answers every claim alike.
type fixedSeen struct {
	blockio.Seen
	claim blockio.Claim
}

func (s fixedSeen) Claim(context.Context, string, time.Duration) (blockio.Claim, error) {
	return s.claim, nil
}

// TestReceiverUnknownState: a store that says nothing is not taken at its word.
func TestReceiverUnknownState(t *testing.T) {
	for _, state := range []blockio.State{0, 9} {
		sink, n := handling(nil)
		rc := makeReceiver(t, sink, blockio.WithSeen(fixedSeen{claim: blockio.Claim{State: state}}))
		require.Equal(t, 503, post(rc))
		require.Zero(t, n.Load())
	}
}

// TestReceiverFull: a full memory refuses, and loses nothing.
func TestReceiverFull(t *testing.T) {
	begun, finish := make(chan struct{}), make(chan struct{})
	sink, n := handling(func(_ context.Context, ev *bitcart.Event) error {
		if strings.Contains(string(ev.Raw()), "7af5cf9f2") {
			close(begun)
			<-finish
		}
		return nil
	})
	rc := makeReceiver(t, sink, blockio.WithSeen(blockio.NewMemorySeen(1)))
	var running sync.WaitGroup
	running.Go(func() { post(rc) })
	<-begun
	other := strings.NewReplacer("e1", "e2", "7af5cf9f2", "7af5cf9f3").Replace(addressBody)
	require.Equal(t, 503, answer(rc, hook(other)).Code)
	close(finish)
	running.Wait()
	require.Equal(t, 200, answer(rc, hook(other)).Code)
	require.EqualValues(t, 2, n.Load())
}

// TestReceiverLongEventID: a foreign id does not become a key of any length.
func TestReceiverLongEventID(t *testing.T) {
	sink, n := handling(nil)
	var keys []string
	spy := &keySpy{Seen: blockio.NewMemorySeen(0), keys: &keys}
	rc := makeReceiver(t, sink, blockio.WithSeen(spy))
	long := strings.Replace(addressBody, `"e1"`, `"`+strings.Repeat("e", 1<<20)+`"`, 1)
	for range 2 {
		require.Equal(t, 200, answer(rc, hook(long)).Code)
	}
	require.EqualValues(t, 1, n.Load())
	require.Less(t, len(keys[0]), 300)
}

type keySpy struct {
	blockio.Seen
	keys *[]string
}

func (s *keySpy) Claim(ctx context.Context, key string, lease time.Duration) (blockio.Claim, error) {
	*s.keys = append(*s.keys, key)
	return s.Seen.Claim(ctx, key, lease)
}

// TestReceiverCrashBetweenClaimAndCommit: the process that claimed the event
// is gone, and so is everything that it would still have called. The next one
// takes the event as soon as the lease has run out.
func TestReceiverCrashBetweenClaimAndCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSpy()
		crashed, before := handling(func(context.Context, *bitcart.Event) error {
			for _, call := range []string{"claim", "renew", "commit", "release"} {
				store.failing(call, errStore)
			}
			return nil
		})
		require.Equal(t, 503, post(makeReceiver(t, crashed, blockio.WithSeen(store))))
		require.EqualValues(t, 1, before.Load())

		sink, after := handling(nil)
		next := makeReceiver(t, sink, blockio.WithSeen(store.Seen)) // as it was left
		require.Equal(t, 503, post(next), "claimed")
		time.Sleep(time.Minute)
		require.Equal(t, 200, post(next))
		require.Equal(t, 200, post(next))
		require.EqualValues(t, 1, after.Load())
	})
}

// TestReceiverRenewsBesideItsLogger: the log of a renewal that failed is the
// caller's code. One that does not return, or that panics, stops no renewals:
// the claim would run out under the handler, and the next delivery run it again.
func TestReceiverRenewsBesideItsLogger(t *testing.T) {
	for name, log := range map[string]func(gate chan struct{}){
		"stuck":  func(gate chan struct{}) { <-gate },
		"panics": func(chan struct{}) { panic("the logger has a bug") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const lease = time.Minute
				spy := newSpy()
				spy.failing("renew", errStore)
				spy.check = func(_ context.Context, call string) {
					if call == "renew" {
						spy.failing("renew", nil) // the first one fails
					}
				}
				gate := make(chan struct{})
				sink, n := handling(func(context.Context, *bitcart.Event) error { time.Sleep(5 * lease); return nil })
				rc := makeReceiver(t, sink, blockio.WithSeen(spy), blockio.WithLease(lease),
					blockio.WithLogger(slog.New(onMessage{"claim not renewed", func() { log(gate) }})))
				first := make(chan int, 1)
				go func() { first <- post(rc) }()
				for range 9 {
					time.Sleep(lease / 2)
					require.Equal(t, 503, post(rc))
				}
				time.Sleep(lease)
				require.Equal(t, 200, post(rc), "it is committed, whatever the logger does")
				synctest.Wait()
				require.Equal(t, name == "stuck", len(first) == 0, "no goroutine outlives its delivery")
				close(gate)
				require.Equal(t, 200, <-first)
				require.EqualValues(t, 1, n.Load())
			})
		})
	}
}

// onMessage is a log handler that calls f for one message.
type onMessage struct {
	message string
	f       func()
}

func (h onMessage) Enabled(context.Context, slog.Level) bool { return true }
func (h onMessage) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h onMessage) WithGroup(string) slog.Handler            { return h }

func (h onMessage) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.f()
	}
	return nil
}

// TestReceiverShortLease: a lease that is shorter than a store's call is no
// reason to run a handler beside itself.
func TestReceiverShortLease(t *testing.T) {
	for _, lease := range []time.Duration{1, time.Microsecond, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond} {
		t.Run(lease.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sink, n := handling(func(context.Context, *bitcart.Event) error { time.Sleep(50 * time.Millisecond); return nil })
				rc := makeReceiver(t, sink, blockio.WithLease(lease))
				first := make(chan int, 1)
				go func() { first <- post(rc) }()
				for range 60 {
					time.Sleep(700 * time.Microsecond)
					require.Equal(t, 503, post(rc))
				}
				require.Equal(t, 200, <-first)
				require.EqualValues(t, 1, n.Load())
			})
		})
	}
}

// A renewal that is under way when the handler returns is over before the
// commit: it could otherwise come behind it and claim the key anew.
func TestReceiverCommitsAfterTheLastRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lease = 3 * time.Minute
		sink, _ := handling(func(context.Context, *bitcart.Event) error { time.Sleep(lease/3 + 2*time.Second); return nil })
		spy := newSpy()
		var renewing atomic.Bool
		spy.check = func(_ context.Context, call string) {
			switch call {
			case "renew":
				renewing.Store(true)
				time.Sleep(10 * time.Second) // it does not look at its ctx
				renewing.Store(false)
			case "commit":
				require.False(t, renewing.Load())
			}
		}
		require.Equal(t, 200, post(makeReceiver(t, sink, blockio.WithSeen(spy), blockio.WithLease(lease))))
		require.Equal(t, "claim renew commit", spy.made())
	})
}

// What goes wrong with a claim while its handler runs is logged, and nothing
// else is. A claim that is lost is not renewed any more.
func TestReceiverLogsWhatBecomesOfAClaim(t *testing.T) {
	for name, test := range map[string]struct {
		fail  map[string]error
		panic bool
		calls string
		log   string
	}{
		"nothing wrong":     {nil, false, "claim renew renew renew commit", ""},
		"renewals fail":     {map[string]error{"renew": errStore}, false, "claim renew renew renew commit", "claim not renewed"},
		"renewals panic":    {nil, true, "claim renew renew renew commit", "the store panicked with a string"},
		"the claim is lost": {map[string]error{"renew": blockio.ErrClaimLost}, false, "claim renew commit", "claim not renewed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const lease = 3 * time.Minute
				var log logLines
				sink, _ := handling(func(context.Context, *bitcart.Event) error { time.Sleep(lease + 30*time.Second); return nil })
				spy := newSpy()
				spy.fail = test.fail
				spy.check = func(_ context.Context, call string) {
					if test.panic && call == "renew" {
						panic("a bug")
					}
				}
				require.Equal(t, 200, post(makeReceiver(t, sink, blockio.WithSeen(spy), blockio.WithLease(lease),
					blockio.WithVerifier(pass(blockio.Signed)), blockio.WithLogger(log.logger()))))
				require.Equal(t, test.calls, spy.made())
				require.Equal(t, test.log == "", log.all() == "", log.all())
				require.Contains(t, log.all(), test.log)
			})
		})
	}
	var log logLines
	sink, _ := handling(func(context.Context, *bitcart.Event) error { return errors.New("no") })
	spy := newSpy()
	rc := makeReceiver(t, sink, blockio.WithSeen(spy), blockio.WithLogger(log.logger()))
	require.Equal(t, 503, post(rc))
	require.NotContains(t, log.all(), "claim not released")
	spy.failing("release", errStore)
	require.Equal(t, 503, post(rc))
	require.Contains(t, log.all(), "claim not released")
}
