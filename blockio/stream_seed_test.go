package blockio_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

// The tests of this file follow the chapter "Web Sockets" of the service's
// document, bullet by bullet and block by block.

func socketGolden(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/socket-" + name + ".json")
	require.NoError(t, err)
	return string(text)
}

// "You can start subscribing to real-time events by using the following Web
// Sockets link."
func TestSeedSocketLink(t *testing.T) {
	dialled := make(chan string, 100)
	stream, err := blockio.NewStream(&bitcart.Dispatcher{}, blockio.WithTransport(&http.Transport{
		DialTLSContext: func(_ context.Context, _, addr string) (net.Conn, error) { // wss
			dialled <- addr
			return nil, errors.New("no network in a test")
		},
	}))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- stream.Run(ctx) }()
	require.Equal(t, "ws.block.io:443", get(t, dialled))
	cancel()
	require.NoError(t, get(t, ended))
}

// "The real-time Web Sockets are available for Bitcoin, Ethereum, Litecoin,
// and their Testnets."
func TestSeedSocketNetworks(t *testing.T) {
	l := newListening(t)
	l.start()
	for _, network := range []string{"BTC", "BTCTEST", "ETH", "ETHTEST", "LTC", "LTCTEST"} {
		l.subscribe(blocks(network), blockio.Subscription{Network: network, Type: blockio.TypeAddress, Address: "a1"})
		data := payment("a1", "tx")
		data["network"] = network
		require.NoError(t, l.svc.Emit(network, blockio.EventAddress, data))
		ev := get(t, l.events)
		require.Equal(t, network, ev.Currency)
		require.Equal(t, "a1", ev.Wallet)
	}
}

// runBriefly runs a Stream for a while of synctest's time.
func runBriefly(t *testing.T, stream *blockio.Stream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, stream.Run(ctx))
}

// "All requests/responses will use the JSON format", "Subscribing to a Single
// Address' Balance Updates" and "Subscribing to New Blocks": the requests.
func TestSeedSocketRequests(t *testing.T) {
	for name, sub := range map[string]blockio.Subscription{
		"subscribe-address":    {Network: "BTC", Type: blockio.TypeAddress, Address: "3ran1Q"},
		"subscribe-new-blocks": {Network: "BTC", Type: blockio.TypeNewBlocks},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var requests []string
				stream, err := blockio.NewStream(&bitcart.Dispatcher{}, blockio.WithEndpoint("ws://host"), socketPipe(t, func(ws *peerConn) {
					say(ws, socketGolden(t, "success"))
					for {
						_, msg, err := ws.ReadMessage()
						if err != nil {
							return
						}
						requests = append(requests, string(msg))
						say(ws, socketGolden(t, "success"))
					}
				}))
				require.NoError(t, err)
				require.NoError(t, stream.Subscribe(t.Context(), sub))
				runBriefly(t, stream)
				require.Len(t, requests, 1)
				require.JSONEq(t, socketGolden(t, name), requests[0])
			})
		})
	}
}

// "Web Sockets will not "replay" events that occurred in the past. You must
// stay connected to receive updates."
func TestSeedSocketNoReplay(t *testing.T) {
	l := newListening(t)
	l.subscribe(btc("3a"))
	l.start()
	require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
	l.svc.Faults().RefuseUpgrades(503)
	l.svc.Faults().CutSockets(blockiotest.RST)
	lost := time.Now()
	l.pay("3a", "missed")
	l.svc.Faults().RefuseUpgrades(0)
	gap := get(t, l.gaps)
	require.Equal(t, []blockio.Subscription{btc("3a")}, gap.Subscriptions)
	require.False(t, gap.From.After(lost))
	require.False(t, gap.To.Before(lost))
	require.NoError(t, l.stop())
	require.Empty(t, l.events)
}

// "Type account notifiactions are not unavailable via WebSockets." The
// client libraries show what is meant: they are not available.
func TestSeedSocketHasNoAccountType(t *testing.T) {
	l := newListening(t)
	l.start()
	err := l.Subscribe(t.Context(), blockio.Subscription{Network: "BTC", Type: "account"})
	var refused *blockio.SubscriptionError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "account", refused.Subscription.Type)
	require.Empty(t, l.svc.SocketRequests())
}

// "Once connected to our Web Sockets, you will receive the following response
// from the server. Please note that any successful subscription to a real-time
// event will result in this response": it comes unasked once, and names no
// request.
func TestSeedSocketSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		var mu sync.Mutex
		note := func(text string) { mu.Lock(); defer mu.Unlock(); order = append(order, text) }
		stream, err := blockio.NewStream(&bitcart.Dispatcher{}, blockio.WithEndpoint("ws://host"), socketPipe(t, func(ws *peerConn) {
			time.Sleep(time.Second)
			note("greeting")
			say(ws, socketGolden(t, "success"))
			hear(ws, func(req blockiotest.SocketRequest) {
				note("request " + req.Address)
				time.Sleep(time.Second)
				note("success " + req.Address)
				say(ws, socketGolden(t, "success"))
			})
		}))
		require.NoError(t, err)
		require.NoError(t, stream.Subscribe(t.Context(), btc("3a"), btc("3b")))
		runBriefly(t, stream)
		require.Equal(t, []string{"greeting", "request 3a", "success 3a", "request 3b", "success 3b"}, order)
	})
}

// "If your request is invalid, the following error response will be received
// by you instead".
func TestSeedSocketFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := make(chan *blockio.SubscriptionError, 1)
		stream, err := blockio.NewStream(&bitcart.Dispatcher{}, blockio.WithEndpoint("ws://host"),
			blockio.WithOnRefused(func(_ context.Context, err *blockio.SubscriptionError) { refused <- err }),
			socketPipe(t, func(ws *peerConn) {
				say(ws, socketGolden(t, "success"))
				hear(ws, func(blockiotest.SocketRequest) { say(ws, socketGolden(t, "fail")) })
			}))
		require.NoError(t, err)
		require.NoError(t, stream.Subscribe(t.Context(), btc("3a")))
		runBriefly(t, stream)
		require.Equal(t, &blockio.SubscriptionError{
			Subscription: btc("3a"),
			Message:      "An exception occurred. Please check your JSON object for accuracy and try again.",
		}, <-refused)
	})
}

// "The notifications server will send the following connectedness check every
// 30 seconds to keep your connection to our Web Sockets server alive. [...] You
// can ignore this message." It reaches no handler, and it is what keeps the
// connection from counting as dead.
func TestSeedSocketPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &bitcart.Dispatcher{}
		sink.On("ping", func(context.Context, *bitcart.Event) error {
			t.Error("a ping is no event")
			return nil
		})
		connects := 0
		stream, err := blockio.NewStream(sink, blockio.WithEndpoint("ws://host"), socketPipe(t, func(ws *peerConn) {
			connects++
			say(ws, socketGolden(t, "success"))
			done := make(chan bool)
			go func() {
				defer close(done)
				for {
					time.Sleep(30 * time.Second)
					if !say(ws, socketGolden(t, "ping")) {
						return
					}
				}
			}()
			hear(ws, nil)
			<-done
		}))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, stream.Run(ctx))
		require.Equal(t, 1, connects)
		require.Zero(t, stream.Stats().Garbage)
		require.Zero(t, stream.Stats().Received)
	})
}

// "If successful, you will start receiving balance updates for the said
// address in the following format." The document's event names another address
// than its request: what the service sends is handed over.
func TestSeedSocketAddressEvent(t *testing.T) {
	l := newListening(t)
	l.start()
	l.subscribe(btc("3ran1Q"))
	l.svc.SendFrame([]byte(socketGolden(t, "address")))
	ev := get(t, l.events)
	require.Equal(t, "address", ev.Name)
	require.Equal(t, "BTC", ev.Currency)
	require.Equal(t, "3cBraN1Q", ev.Wallet)
	require.Equal(t, bitcart.SourceStream, ev.Source)
	p, err := bitcart.PayloadOf[blockio.AddressEvent](ev)
	require.NoError(t, err)
	require.Equal(t, "0.01", p.BalanceChange.String())
	require.Equal(t, "7af5cf9f2", p.TxID)
	require.Equal(t, 3, p.Confirmations)
}

// "X = {0,1,3} for Bitcoin, {0,1,10} for Ethereum, {0,1,5} for Litecoin": one
// fact each, in order.
func TestSeedSocketConfirmations(t *testing.T) {
	l := newListening(t)
	l.start()
	for network, counts := range map[string][]int{"BTC": {0, 1, 3}, "ETH": {0, 1, 10}, "LTC": {0, 1, 5}} {
		l.subscribe(blockio.Subscription{Network: network, Type: blockio.TypeAddress, Address: "a1"})
		subjects := map[string]bool{}
		for _, n := range counts {
			data := payment("a1", "tx")
			data["network"], data["confirmations"] = network, n
			require.NoError(t, l.svc.Emit(network, blockio.EventAddress, data))
			ev := get(t, l.events)
			p, err := bitcart.PayloadOf[blockio.AddressEvent](ev)
			require.NoError(t, err)
			require.Equal(t, n, p.Confirmations)
			require.Equal(t, n == counts[2], p.Final())
			subjects[p.Subject()] = true
		}
		require.Len(t, subjects, 3)
	}
}

// "If successful, you will start receiving updates when new Blocks are mined
// for the specified Network."
func TestSeedSocketNewBlocksEvent(t *testing.T) {
	l := newListening(t)
	l.start()
	l.subscribe(blocks("BTC"))
	l.svc.SendFrame([]byte(socketGolden(t, "new-blocks")))
	ev := get(t, l.events)
	require.Equal(t, "new-blocks", ev.Name)
	require.Equal(t, "BTC", ev.Currency)
	require.Equal(t, "", ev.Wallet)
	p, err := bitcart.PayloadOf[blockio.NewBlocksEvent](ev)
	require.NoError(t, err)
	require.EqualValues(t, 456485, p.BlockNo)
	require.Equal(t, []string{"81739", "ab123"}, p.TxIDs)
}
