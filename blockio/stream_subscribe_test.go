package blockio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

func TestSubscribeBeforeAndWhileRunning(t *testing.T) {
	l := newListening(t)
	l.subscribe(btc("3before"))
	require.Empty(t, l.svc.SocketRequests(), "nothing is sent before Run")
	l.start()
	l.subscribe(btc("3while"), blocks("LTC"))
	require.Equal(t, []blockiotest.SocketRequest{asked(btc("3before")), asked(btc("3while")), asked(blocks("LTC"))}, l.svc.SocketRequests())
	require.Equal(t, []blockio.Subscription{btc("3before"), btc("3while"), blocks("LTC")}, l.Subscriptions())

	l.pay("3before", "tx1")
	l.pay("3while", "tx2")
	require.NoError(t, l.svc.Emit("LTC", blockio.EventNewBlocks, map[string]any{"network": "LTC", "block_hash": "b", "block_no": 7, "confirmations": 1}))
	got := map[string]string{}
	for range 3 {
		ev := get(t, l.events)
		got[ev.Wallet] = ev.Currency
		require.Equal(t, bitcart.SourceStream, ev.Source)
		require.Equal(t, 1, ev.Attempt)
		require.WithinDuration(t, time.Now(), ev.Received, streamSoon)
	}
	require.Equal(t, map[string]string{"3before": "BTC", "3while": "BTC", "": "LTC"}, got)
	require.NoError(t, l.stop())
}

func TestRepeatIsNotSent(t *testing.T) {
	l := newListening(t)
	l.subscribe(btc("3a"), btc("3a"))
	l.start()
	l.subscribe(btc("3a"), btc("3a"))
	l.subscribe(btc("3a"))
	eth := blockio.Subscription{Network: "ETH", Type: blockio.TypeAddress, Address: "0xAbCd"}
	lower := blockio.Subscription{Network: "eth", Type: blockio.TypeAddress, Address: "0xabcd"}
	l.subscribe(eth, lower) // one address in two spellings
	require.Equal(t, []blockiotest.SocketRequest{asked(btc("3a")), asked(eth)}, l.svc.SocketRequests())
}

func TestWhatTheServiceWouldRefuseIsNotSent(t *testing.T) {
	for name, sub := range map[string]blockio.Subscription{
		"account":             {Network: "BTC", Type: blockio.TypeAccount},
		"unknown type":        {Network: "BTC", Type: "blocks"},
		"no type":             {Network: "BTC", Address: "3a"},
		"no network":          {Type: blockio.TypeAddress, Address: "3a"},
		"no address":          {Network: "BTC", Type: blockio.TypeAddress},
		"address of blocks":   {Network: "BTC", Type: blockio.TypeNewBlocks, Address: "3a"},
		"not UTF-8":           {Network: "BTC", Type: blockio.TypeAddress, Address: "3\xff"},
		"space":               {Network: "BTC", Type: blockio.TypeAddress, Address: "3a 3b"},
		"as long as a novel":  {Network: "BTC", Type: blockio.TypeAddress, Address: fmt.Sprintf("%0300d", 1)},
		"network has newline": {Network: "BTC\n", Type: blockio.TypeNewBlocks},
	} {
		t.Run(name, func(t *testing.T) {
			for _, running := range []bool{false, true} {
				l := newListening(t)
				if running {
					l.start()
				}
				err := l.Subscribe(t.Context(), sub, btc("3good"))
				var refused *blockio.SubscriptionError
				require.ErrorAs(t, err, &refused)
				require.Equal(t, sub, refused.Subscription)
				require.NotEmpty(t, refused.Message)
				require.Regexp(t, "^blockio: ", err.Error())
				require.Equal(t, []blockio.Subscription{btc("3good")}, l.Subscriptions(), "the others are subscribed")
				if name == "account" {
					require.Contains(t, err.Error(), "web hooks only")
				}
				if running {
					require.Equal(t, []blockiotest.SocketRequest{asked(btc("3good"))}, l.svc.SocketRequests())
				}
			}
		})
	}
}

// refuseAddresses refuses addresses that begin with "bad".
func refuseAddresses(req blockiotest.SocketRequest) string {
	if len(req.Address) >= 3 && req.Address[:3] == "bad" {
		return "Invalid address " + req.Address + "."
	}
	return ""
}

func TestRefusalNamesItsSubscription(t *testing.T) {
	l := newListening(t)
	l.svc.Faults().RefuseSubscriptions(refuseAddresses)
	l.start()
	err := l.Subscribe(t.Context(), btc("3a"), btc("bad1"), btc("3b"), btc("bad2"))
	var refused []*blockio.SubscriptionError
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		var one *blockio.SubscriptionError
		require.ErrorAs(t, e, &one)
		refused = append(refused, one)
	}
	require.Equal(t, []*blockio.SubscriptionError{
		{Subscription: btc("bad1"), Message: "Invalid address bad1."},
		{Subscription: btc("bad2"), Message: "Invalid address bad2."},
	}, refused)
	require.Equal(t, []blockio.Subscription{btc("3a"), btc("3b")}, l.Subscriptions(), "refused ones are forgotten")

	l.svc.Faults().RefuseSubscriptions(nil)
	l.subscribe(btc("bad1")) // and can be tried again
	require.NoError(t, l.stop())
	require.Empty(t, l.refused, "Subscribe has told of them")
}

func TestRefusedAfterSubscribeReturned(t *testing.T) {
	var log logLines
	l := newListening(t, blockio.WithLogger(log.logger()))
	l.svc.Faults().RefuseSubscriptions(refuseAddresses)
	l.subscribe(btc("bad1"), btc("3a")) // before Run
	l.start()
	require.Equal(t, &blockio.SubscriptionError{Subscription: btc("bad1"), Message: "Invalid address bad1."}, get(t, l.refused))
	require.Contains(t, log.all(), "Invalid address bad1.")
	require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)

	l.svc.Faults().HoldAnswers(true)
	ctx, cancel := context.WithCancel(t.Context())
	returned := make(chan error)
	go func() { returned <- l.Subscribe(ctx, btc("bad2"), btc("3b")) }()
	require.Eventually(t, func() bool { return len(l.svc.SocketRequests()) == 3 }, streamSoon, time.Millisecond)
	cancel()
	err := get(t, returned)
	require.ErrorIs(t, err, context.Canceled)
	require.Regexp(t, "^blockio: 2 of 2 ", err.Error())
	require.Len(t, l.Subscriptions(), 3, "they stay subscribed")
	l.svc.Faults().HoldAnswers(false)
	require.Equal(t, btc("bad2"), get(t, l.refused).Subscription)
	require.NoError(t, l.svc.WaitSubscribed(t.Context(), asked(btc("3b"))))
}

func TestOneRequestInFlight(t *testing.T) {
	l := newListening(t)
	l.start()
	l.svc.Faults().HoldAnswers(true)
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() { l.subscribe(btc(fmt.Sprintf("3addr%d", i))) })
	}
	require.Eventually(t, func() bool { return len(l.Subscriptions()) == 5 }, streamSoon, time.Millisecond)
	for n := 1; n <= 5; n++ {
		require.Eventually(t, func() bool { return len(l.svc.SocketRequests()) == n }, streamSoon, time.Millisecond)
		l.svc.PingSockets() // what comes in between is no answer
		l.svc.SendFrame([]byte(`{"type":"address","data":{"network":"BTC","address":"3other","txid":"t"}}`))
		get(t, l.events)
		require.Len(t, l.svc.SocketRequests(), n, "the next request waits for the answer")
		require.Equal(t, 5-n+1, l.Stats().Unanswered)
		l.svc.Faults().ReleaseAnswers()
	}
	all.Wait()
}

func TestUnsubscribeDropsItsEvents(t *testing.T) {
	l := newListening(t)
	l.start()
	l.subscribe(btc("3a"), btc("3b"))
	l.Unsubscribe(btc("3a"), btc("3never"))
	require.Equal(t, []blockio.Subscription{btc("3b")}, l.Subscriptions())
	l.pay("3a", "dropped") // the service knows no unsubscribing
	l.pay("3b", "kept")
	require.Equal(t, "kept", txidOf(t, get(t, l.events)))
	require.EqualValues(t, 1, l.Stats().Dropped)

	l.subscribe(btc("3a")) // the service still sends: it need not be asked
	require.Len(t, l.svc.SocketRequests(), 2)
	l.pay("3a", "again")
	require.Equal(t, "again", txidOf(t, get(t, l.events)))

	l.Unsubscribe(btc("3a"))
	l.svc.Faults().CutSockets(blockiotest.FIN)
	require.Equal(t, []blockio.Subscription{btc("3b")}, get(t, l.gaps).Subscriptions)
	require.Len(t, l.svc.SocketRequests(), 3, "only what is subscribed is sent again")
	require.NoError(t, l.stop())
	require.Empty(t, l.events)
}

func TestUnsubscribeDropsWhatWaits(t *testing.T) {
	l := newListening(t)
	inside, leave := make(chan string, 10), make(chan error)
	l.sink.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
		inside <- txidOf(t, ev)
		return <-leave
	})
	l.start()
	l.subscribe(btc("3a"))
	l.pay("3a", "tx1")
	l.pay("3a", "tx2")
	l.pay("3a", "tx3")
	require.Equal(t, "tx1", get(t, inside))
	require.Eventually(t, func() bool { return l.Stats().Queued == 2 }, streamSoon, time.Millisecond)
	l.Unsubscribe(btc("3a"))
	require.Zero(t, l.Stats().Queued)

	l.subscribe(btc("3a"))
	l.pay("3a", "tx4")
	require.Eventually(t, func() bool { return l.Stats().Queued == 1 }, streamSoon, time.Millisecond)
	require.Empty(t, inside, "events of one subscription are handled one after another, also of a new one")
	leave <- bitcart.Retry(errors.New("not now"), time.Hour) // for which nobody asks any more
	require.Equal(t, "tx4", get(t, inside))
	leave <- nil
	require.NoError(t, l.stop())
	require.EqualValues(t, 3, l.Stats().Dropped)
}

func TestUnsubscribeWhileItsAnswerIsDue(t *testing.T) {
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("again %t", again), func(t *testing.T) {
			l := newListening(t)
			l.start()
			l.svc.Faults().HoldAnswers(true)
			first := make(chan error, 1)
			go func() { first <- l.Subscribe(t.Context(), btc("3a")) }()
			require.Eventually(t, func() bool { return len(l.svc.SocketRequests()) == 1 }, streamSoon, time.Millisecond)
			l.Unsubscribe(btc("3a"))
			require.NoError(t, get(t, first), "nobody needs the answer any more")
			if again {
				go func() { first <- l.Subscribe(t.Context(), btc("3a")) }()
				require.Eventually(t, func() bool { return len(l.Subscriptions()) == 1 }, streamSoon, time.Millisecond)
			}
			l.svc.Faults().HoldAnswers(false)
			if again {
				require.NoError(t, get(t, first))
			}
			l.subscribe(btc("3b"))
			l.pay("3a", "tx1")
			l.pay("3b", "tx2")
			if again {
				got := []string{txidOf(t, get(t, l.events)), txidOf(t, get(t, l.events))}
				require.ElementsMatch(t, []string{"tx1", "tx2"}, got)
			} else {
				require.Equal(t, "tx2", txidOf(t, get(t, l.events)))
			}
			require.Len(t, l.svc.SocketRequests(), 2)
		})
	}
}

func TestSubscribeWaitsForTheConnection(t *testing.T) {
	var log logLines
	l := newListening(t, blockio.WithLogger(log.logger()))
	l.svc.Faults().RefuseUpgrades(503)
	l.begin()
	require.Eventually(t, func() bool { return strings.Contains(log.all(), "not connected") }, streamSoon, time.Millisecond)
	returned := make(chan error, 1)
	go func() { returned <- l.Subscribe(t.Context(), btc("3a")) }()
	require.Eventually(t, func() bool { return len(l.Subscriptions()) == 1 }, streamSoon, time.Millisecond)
	l.svc.Faults().RefuseUpgrades(0)
	require.NoError(t, get(t, returned))
}

func TestSubscribeEndsWithTheStream(t *testing.T) {
	l := newListening(t)
	l.svc.Faults().WithholdGreeting(true)
	l.begin()
	require.NoError(t, l.svc.WaitSockets(t.Context(), 1))
	returned := make(chan error, 1)
	go func() { returned <- l.Subscribe(t.Context(), btc("3a")) }()
	require.Eventually(t, func() bool { return len(l.Subscriptions()) == 1 }, streamSoon, time.Millisecond)
	require.Empty(t, l.svc.SocketRequests(), "nothing is sent before the greeting")
	require.NoError(t, l.stop())
	err := get(t, returned)
	require.ErrorIs(t, err, blockio.ErrStreamEnded)
	require.Regexp(t, "^blockio: ", err.Error())
	require.Len(t, l.Subscriptions(), 1)
}

// A handler that subscribes while the stream ends must not be waited for.
func TestSubscribeInHandlerWhileTheStreamEnds(t *testing.T) {
	l := newListening(t)
	inside, leave := make(chan bool), make(chan bool)
	got := make(chan error, 1)
	l.sink.On(blockio.EventAddress, func(ctx context.Context, _ *bitcart.Event) error {
		inside <- true
		<-leave
		got <- l.Subscribe(ctx, btc("3late"))
		return nil
	})
	l.start()
	l.subscribe(btc("3a"))
	l.pay("3a", "tx1")
	get(t, inside)
	l.end()
	require.NoError(t, l.svc.WaitSockets(t.Context(), 0))
	close(leave)
	if err := get(t, got); err != nil {
		require.ErrorIs(t, err, blockio.ErrStreamEnded)
	}
	require.NoError(t, l.stop())
}

func TestSubscribeFromHandlerAndHook(t *testing.T) {
	var l *listening
	fromHook := make(chan error, 1)
	l = newListening(t, blockio.WithOnGap(func(ctx context.Context, _ blockio.Gap) {
		fromHook <- l.Subscribe(ctx, btc("3hook"))
	}))
	fromHandler := make(chan error, 1)
	l.sink.On(blockio.EventAddress, func(ctx context.Context, ev *bitcart.Event) error {
		l.Unsubscribe(btc("3a"))
		fromHandler <- l.Subscribe(ctx, btc("3handler"))
		return nil
	})
	l.start()
	l.subscribe(btc("3a"), btc("3b"))
	l.pay("3a", "tx1")
	require.NoError(t, get(t, fromHandler))
	l.svc.Faults().CutSockets(blockiotest.RST)
	require.NoError(t, get(t, fromHook))
	require.Equal(t, []blockio.Subscription{btc("3b"), btc("3handler"), btc("3hook")}, l.Subscriptions())
}

func TestSecondRun(t *testing.T) {
	l := newListening(t)
	l.start()
	err := l.Run(t.Context())
	require.ErrorIs(t, err, bitcart.ErrStreamRunning)
	require.NoError(t, l.stop())
}

// What the service still sends for a subscription that it has refused is handed
// over; for one that was unsubscribed, answered or not, it is dropped.
func TestEventsOfWhatIsNotSubscribed(t *testing.T) {
	l := newListening(t)
	l.svc.Faults().RefuseSubscriptions(refuseAddresses)
	l.start()
	send := func(address string) {
		frame, err := json.Marshal(map[string]any{"type": "address", "data": payment(address, "of "+address)})
		require.NoError(t, err)
		l.svc.SendFrame(frame)
	}
	require.Error(t, l.Subscribe(t.Context(), btc("bad1")))
	send("bad1")
	require.Equal(t, "of bad1", txidOf(t, get(t, l.events)))

	l.svc.Faults().HoldAnswers(true)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, l.Subscribe(ended, btc("3a")))
	require.Eventually(t, func() bool { return len(l.svc.SocketRequests()) == 2 }, streamSoon, time.Millisecond)
	l.Unsubscribe(btc("3a"))
	send("3a")
	require.Eventually(t, func() bool { return l.Stats().Dropped == 1 }, streamSoon, time.Millisecond)
	require.NoError(t, l.stop())
	require.Empty(t, l.events)
}
