package blockio_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
)

// factOf is an address event's update as a source brings it.
func factOf(txid string, confirmations int, src bitcart.Source) bitcart.Update {
	return bitcart.NewUpdate("address", blockio.AddressEvent{Network: "BTC", Address: "A", TxID: txid, Confirmations: confirmations}).
		From("BTC", "A", src)
}

// onceDispatcher counts how often the guarded handler runs.
func onceDispatcher(seen blockio.Seen, h bitcart.Handler) *bitcart.Dispatcher {
	d := &bitcart.Dispatcher{}
	d.AddEventHandler([]string{"address", "new-blocks", "other"}, blockio.OncePerSubject(h, seen))
	return d
}

func TestOncePerSubjectOverHookAndSocket(t *testing.T) {
	ran := 0
	d := onceDispatcher(blockio.NewMemorySeen(100), func(context.Context, *bitcart.Event) error { ran++; return nil })
	feed := func(u bitcart.Update) {
		t.Helper()
		require.NoError(t, d.ProcessUpdates(t.Context(), []bitcart.Update{u}))
	}
	feed(factOf("a", 0, bitcart.SourceWebhook))
	feed(factOf("a", 0, bitcart.SourceStream))
	feed(factOf("a", 0, bitcart.SourceWebhook))
	require.Equal(t, 1, ran)
	feed(factOf("a", 1, bitcart.SourceStream))
	feed(factOf("b", 0, bitcart.SourceStream))
	require.Equal(t, 3, ran, "another number of confirmations and another transaction are others")
	block := bitcart.NewUpdate("new-blocks", blockio.NewBlocksEvent{Network: "BTC", BlockHash: "h", Confirmations: 1})
	feed(block)
	feed(block)
	require.Equal(t, 4, ran)
	for range 2 {
		feed(bitcart.NewUpdate("other", map[string]any{"network": "BTC"}))
	}
	require.Equal(t, 6, ran, "what has no subject always runs")
}

func TestOncePerSubjectRunsAgainAfterAFailure(t *testing.T) {
	cause := errors.New("cause")
	for name, fail := range map[string]bitcart.Handler{
		"an error": func(context.Context, *bitcart.Event) error { return cause },
		"a retry":  func(context.Context, *bitcart.Event) error { return bitcart.Retry(cause, time.Hour) },
		"a panic":  func(context.Context, *bitcart.Event) error { panic(cause) },
	} {
		t.Run(name, func(t *testing.T) {
			ran := 0
			d := onceDispatcher(blockio.NewMemorySeen(100), func(ctx context.Context, ev *bitcart.Event) error {
				if ran++; ran < 3 {
					return fail(ctx, ev)
				}
				return nil
			})
			for range 2 {
				require.ErrorIs(t, d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceWebhook)}), cause)
			}
			for range 2 {
				require.NoError(t, d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceStream)}))
			}
			require.Equal(t, 3, ran)
		})
	}
}

func TestOncePerSubjectAtTheSameTime(t *testing.T) {
	inside, finish := make(chan struct{}), make(chan struct{})
	d := onceDispatcher(blockio.NewMemorySeen(100), func(context.Context, *bitcart.Event) error {
		close(inside)
		<-finish
		return nil
	})
	var first error
	var running sync.WaitGroup
	running.Go(func() {
		first = d.ProcessUpdates(context.Background(), []bitcart.Update{factOf("a", 0, bitcart.SourceWebhook)})
	})
	<-inside
	err := d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceStream)})
	require.ErrorContains(t, err, "being handled", "it is not waited for, and not taken for done")
	close(finish)
	running.Wait()
	require.NoError(t, first)
	require.NoError(t, d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceStream)}))
}

// A handler that hands its own fact over again is told so, and does not hang.
func TestOncePerSubjectFromInside(t *testing.T) {
	var d *bitcart.Dispatcher
	var inner error
	d = onceDispatcher(blockio.NewMemorySeen(100), func(ctx context.Context, _ *bitcart.Event) error {
		inner = d.ProcessUpdates(ctx, []bitcart.Update{factOf("a", 0, bitcart.SourceCustom)})
		return nil
	})
	require.NoError(t, d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceWebhook)}))
	require.Error(t, inner)
}

func TestOncePerSubjectHoldsItsClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ran := 0
		d := onceDispatcher(blockio.NewMemorySeen(100), func(context.Context, *bitcart.Event) error {
			ran++
			time.Sleep(10 * time.Minute) // of the fake clock: the handler is slow
			return nil
		})
		var slow sync.WaitGroup
		slow.Go(func() { _ = d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceWebhook)}) })
		time.Sleep(9 * time.Minute)
		require.Error(t, d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceStream)}))
		slow.Wait()
		require.NoError(t, d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceStream)}))
		require.Equal(t, 1, ran)
		time.Sleep(31 * 24 * time.Hour)
		require.NoError(t, d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceWebhook)}))
		require.Equal(t, 1, ran, "deliveries are repeated for 30 days")
	})
}

// A store whose renewals hang or panic costs neither the claim nor the process.
func TestOncePerSubjectRenewHangsOrPanics(t *testing.T) {
	for name, fail := range map[string]func(ctx context.Context){
		"hangs":  func(ctx context.Context) { <-ctx.Done() },
		"panics": func(context.Context) { panic("the store has a bug") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				spy := newSpy()
				renewals := 0
				spy.check = func(ctx context.Context, call string) {
					if call != "renew" {
						return
					}
					if renewals++; renewals%2 == 1 {
						fail(ctx)
					}
				}
				ran := 0
				d := onceDispatcher(spy, func(context.Context, *bitcart.Event) error {
					ran++
					time.Sleep(5 * time.Minute)
					return nil
				})
				var slow sync.WaitGroup
				slow.Go(func() {
					require.NoError(t, d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceWebhook)}))
				})
				for range 9 {
					time.Sleep(30 * time.Second)
					require.Error(t, d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceStream)}))
				}
				slow.Wait()
				require.Equal(t, 1, ran)
			})
		})
	}
}

// A handler whose ctx has ended has still run.
func TestOncePerSubjectCommitsAfterTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ran := 0
	d := onceDispatcher(blockio.NewMemorySeen(100), func(context.Context, *bitcart.Event) error {
		ran++
		cancel()
		return nil
	})
	require.NoError(t, d.ProcessUpdates(ctx, []bitcart.Update{factOf("a", 0, bitcart.SourceWebhook)}))
	require.NoError(t, d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceWebhook)}))
	require.Equal(t, 1, ran)
}

// A handler that goes on after its ctx has ended keeps its claim, and gives it
// back when it fails: a claim without a handler would keep its subject from all.
func TestOncePerSubjectOutlastsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ran := 0
		d := onceDispatcher(blockio.NewMemorySeen(100), func(context.Context, *bitcart.Event) error {
			if ran++; ran > 1 {
				return nil
			}
			cancel()
			time.Sleep(5 * time.Minute)
			return errors.New("cut off")
		})
		feed := func(ctx context.Context) error {
			return d.ProcessUpdates(ctx, []bitcart.Update{factOf("a", 0, bitcart.SourceStream)})
		}
		var slow sync.WaitGroup
		slow.Go(func() { require.ErrorContains(t, feed(ctx), "cut off") })
		time.Sleep(4 * time.Minute)
		require.Error(t, feed(t.Context()), "the handler still runs")
		require.Equal(t, 1, ran)
		slow.Wait()
		require.NoError(t, feed(t.Context()))
		require.Equal(t, 2, ran, "the subject is free at once")
	})
}

// A store that says nothing about a subject is not taken at its word.
func TestOncePerSubjectOfUnknownState(t *testing.T) {
	for _, state := range []blockio.State{0, 9} {
		ran := 0
		d := onceDispatcher(fixedSeen{claim: blockio.Claim{State: state}}, func(context.Context, *bitcart.Event) error { ran++; return nil })
		_, again := bitcart.RetryAfter(d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceStream)}))
		require.True(t, again)
		require.Zero(t, ran)
	}
}

// brokenSeen fails in one place.
type brokenSeen struct {
	blockio.Seen
	claim, commit error
}

func (s brokenSeen) Claim(ctx context.Context, key string, lease time.Duration) (blockio.Claim, error) {
	if s.claim != nil {
		return blockio.Claim{}, s.claim
	}
	return s.Seen.Claim(ctx, key, lease)
}

func (s brokenSeen) Commit(ctx context.Context, key string, token blockio.Token, keep time.Duration) error {
	if s.commit != nil {
		return s.commit
	}
	return s.Seen.Commit(ctx, key, token, keep)
}

func TestOncePerSubjectWithABrokenStore(t *testing.T) {
	cause := errors.New("disk")
	ran := 0
	count := func(context.Context, *bitcart.Event) error { ran++; return nil }
	feed := func(d *bitcart.Dispatcher) error {
		return d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceWebhook)})
	}
	require.ErrorIs(t, feed(onceDispatcher(brokenSeen{blockio.NewMemorySeen(9), cause, nil}, count)), cause)
	require.Zero(t, ran, "not without a claim")
	require.ErrorIs(t, feed(onceDispatcher(brokenSeen{blockio.NewMemorySeen(9), nil, cause}, count)), cause, "it may come again")
	require.Equal(t, 1, ran)
	require.Error(t, feed(onceDispatcher(nil, count)))
	require.Error(t, feed(onceDispatcher(blockio.NewMemorySeen(9), nil)))
	require.Equal(t, 1, ran)
}

// A commit that fails may have been made: the claim is not given back.
func TestOncePerSubjectCommitFails(t *testing.T) {
	spy := newSpy()
	spy.failing("commit", errStore)
	d := onceDispatcher(spy, func(context.Context, *bitcart.Event) error { return nil })
	feed := func() error {
		return d.ProcessUpdates(t.Context(), []bitcart.Update{factOf("a", 0, bitcart.SourceWebhook)})
	}
	require.ErrorIs(t, feed(), errStore)
	require.Equal(t, "claim commit", spy.made())
	_, again := bitcart.RetryAfter(feed())
	require.True(t, again, "the claim is left to expire")
}

func TestOncePerSubjectTellsOfEveryFailure(t *testing.T) {
	cause := errors.New("cause")
	d := onceDispatcher(blockio.NewMemorySeen(9), func(context.Context, *bitcart.Event) error { return cause })
	other := bitcart.NewUpdate("other", map[string]any{"network": "BTC"})
	require.ErrorIs(t, d.ProcessUpdates(t.Context(), []bitcart.Update{other}), cause, "without a subject, too")

	fine := func(context.Context, *bitcart.Event) error { return nil }
	for _, h := range []bitcart.Handler{blockio.OncePerSubject(nil, blockio.NewMemorySeen(9)), blockio.OncePerSubject(fine, nil)} {
		require.ErrorContains(t, h(t.Context(), &bitcart.Event{}), "without a handler or without a Seen")
	}
}
