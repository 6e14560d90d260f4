package blockio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

// The service refuses on a reconnect what it had accepted. What it sent before
// was received, and nobody takes it back.
func TestRefusedOnReconnectKeepsWhatWasReceived(t *testing.T) {
	l := newListening(t)
	inside, leave := make(chan string, 10), make(chan error)
	l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
		inside <- txidOf(t, ev)
		return <-leave
	})
	l.start()
	l.subscribe(btc("3a"))
	for _, txid := range []string{"tx1", "tx2", "tx3"} {
		l.pay("3a", txid)
	}
	require.Equal(t, "tx1", get(t, inside))
	require.Eventually(t, func() bool { return l.Stats().Queued == 2 }, streamSoon, time.Millisecond)
	l.svc.Faults().RefuseSubscriptions(func(blockiotest.SocketRequest) string { return "too many requests" })
	l.svc.Faults().CutSockets(blockiotest.RST)
	require.Equal(t, btc("3a"), get(t, l.refused).Subscription)
	leave <- bitcart.Retry(errors.New("not now"), time.Millisecond)
	require.Equal(t, "tx1", get(t, inside), "the payment is not credited yet")
	leave <- nil
	require.Equal(t, "tx2", get(t, inside))

	l.svc.Faults().RefuseSubscriptions(nil)
	l.subscribe(btc("3a"))
	l.pay("3a", "tx4")
	require.Eventually(t, func() bool { return l.Stats().Queued == 2 }, streamSoon, time.Millisecond)
	require.Empty(t, inside, "one after another, also of a new subscription")
	for _, next := range []string{"tx3", "tx4"} {
		leave <- nil
		require.Equal(t, next, get(t, inside))
	}
	leave <- nil
	require.NoError(t, l.stop())
	require.Zero(t, l.Stats().Dropped)
}

// A queue had overflowed when the service refused its subscription: what was
// dropped is told, whether somebody subscribes again or not.
func TestRefusedOnReconnectTellsTheOverflow(t *testing.T) {
	for name, again := range map[string]bool{"forgotten": false, "subscribed again": true} {
		t.Run(name, func(t *testing.T) {
			l := newListening(t, blockio.WithBounds(blockio.Bounds{Queue: 1}))
			inside, leave := make(chan string, 10), make(chan error, 10)
			l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
				inside <- txidOf(t, ev)
				return <-leave
			})
			l.start()
			l.subscribe(btc("3a"))
			l.pay("3a", "tx1")
			require.Equal(t, "tx1", get(t, inside))
			l.pay("3a", "tx2")
			l.pay("3a", "tx3")
			require.Eventually(t, func() bool { return l.Stats().Dropped == 1 }, streamSoon, time.Millisecond)

			l.svc.Faults().RefuseSubscriptions(func(blockiotest.SocketRequest) string { return "too many requests" })
			l.svc.Faults().CutSockets(blockiotest.RST)
			require.Equal(t, btc("3a"), get(t, l.refused).Subscription)
			if again {
				l.svc.Faults().RefuseSubscriptions(nil)
				l.subscribe(btc("3a"))
			}
			if !again {
				require.Empty(t, l.gaps, "not before the queue has run empty")
				leave <- nil
				leave <- nil
			}
			gap := get(t, l.gaps)
			require.Equal(t, blockio.GapOverflow, gap.Reason)
			require.Equal(t, []blockio.Subscription{btc("3a")}, gap.Subscriptions)
			require.False(t, gap.From.IsZero())
			require.False(t, gap.To.Before(gap.From))
			if again {
				leave <- nil
				require.Equal(t, "tx2", get(t, inside))
				l.pay("3a", "tx4")
				leave <- nil
				leave <- nil
				require.Equal(t, "tx4", get(t, inside))
			}
			require.NoError(t, l.stop())
			require.Empty(t, l.gaps, "it is told once")
		})
	}
}

// A function that is stuck costs calls, but no refusal: a subscription that the
// stream has forgotten in silence would be waited for in vain.
func TestRefusalsOutliveAStuckFunction(t *testing.T) {
	const n = 20
	inside, leave, told := make(chan bool, n), make(chan bool), make(chan string, n)
	l := newListening(t, blockio.WithBounds(blockio.Bounds{Bytes: 1}), blockio.WithOnRefused(
		func(_ context.Context, err *blockio.SubscriptionError) {
			inside <- true
			<-leave
			told <- err.Subscription.Address
		}))
	l.svc.Faults().RefuseSubscriptions(func(blockiotest.SocketRequest) string { return "too many requests" })
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint("3a", i))
		l.subscribe(btc(want[i]))
	}
	l.start()
	get(t, inside)
	require.Eventually(t, func() bool { return l.Stats().Subscriptions == 0 }, streamSoon, time.Millisecond)
	close(leave)
	var got []string
	for range n {
		got = append(got, get(t, told))
	}
	require.ElementsMatch(t, want, got)
	require.NoError(t, l.stop())
	require.Empty(t, told, "each once")
}
