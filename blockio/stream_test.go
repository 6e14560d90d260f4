package blockio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
)

func TestNewStreamRefusesWrongOptions(t *testing.T) {
	for name, o := range map[string]blockio.StreamOption{
		"WithEndpoint":  blockio.WithEndpoint("https://ws.block.io/"),
		"WithTransport": blockio.WithTransport(nil),
		"WithSilence":   blockio.WithSilence(0),
		"WithBackoff":   blockio.WithBackoff(time.Second, time.Millisecond),
		"WithBounds":    blockio.WithBounds(blockio.Bounds{Queue: -1}),
		"WithLogger":    blockio.WithLogger(nil),
		"StreamOption":  nil,
	} {
		_, err := blockio.NewStream(&bitcart.Dispatcher{}, o)
		var wrong *blockio.OptionError
		require.ErrorAs(t, err, &wrong, name)
		require.Equal(t, name, wrong.Option)
		require.Regexp(t, "^blockio: ", err.Error())
	}
	for _, endpoint := range []string{"", "ws://", "ws.block.io", "ws://user:SECRET@host/", "://", "ws://host:SECRET/"} {
		_, err := blockio.NewStream(&bitcart.Dispatcher{}, blockio.WithEndpoint(endpoint))
		require.Error(t, err, endpoint)
		require.NotContains(t, err.Error(), "SECRET")
	}
	_, err := blockio.NewStream(nil, blockio.WithSilence(-1))
	require.ErrorContains(t, err, "sink")
	require.ErrorContains(t, err, "WithSilence")
	for _, o := range []blockio.StreamOption{
		blockio.WithOnGap(nil), blockio.WithBackfill(nil), blockio.WithOnRefused(nil), blockio.WithOnHandlerError(nil),
		blockio.WithTransport(&http.Transport{}), blockio.WithBackoff(time.Second, time.Second), blockio.WithBounds(blockio.Bounds{}),
	} {
		_, err := blockio.NewStream(&bitcart.Dispatcher{}, o)
		require.NoError(t, err)
	}
}

// Messages that nobody can read, or that nobody asked for, are counted, logged
// without their text, and cost nothing else.
func TestGarbageIsSkipped(t *testing.T) {
	var log logLines
	l := newListening(t, blockio.WithLogger(log.logger()))
	l.start()
	l.subscribe(btc("3a"))
	garbage := []string{
		"", "SECRET", "[]", "{}", `{"status":"SECRET"}`, `{"type":"SECRET"}`, `{"type":"address","data":"SECRET"}`, `{"type":"account","data":{}}`,
		`{"status":"success"}`, `{"status":"fail","error_message":"SECRET"}`, // answers that nobody asked for
		"\xff\xfe", strings.Repeat("[", 20000),
	}
	for _, text := range garbage {
		l.svc.SendFrame([]byte(text))
	}
	l.pay("3a", "tx")
	require.Equal(t, "tx", txidOf(t, get(t, l.events)))
	l.subscribe(btc("3b"))
	require.NoError(t, l.stop())
	require.EqualValues(t, len(garbage), l.Stats().Garbage)
	require.Equal(t, len(garbage), strings.Count(log.all(), "message skipped"))
	require.NotContains(t, log.all(), "SECRET")
	require.Empty(t, l.gaps)
}

// An event that lacks members reaches its handler, whose payload says what is
// missing: it is not lost without a word.
func TestEventsWithWrongMembersReachTheHandler(t *testing.T) {
	failed := make(chan error, 10)
	l := newListening(t, blockio.WithOnHandlerError(func(_ context.Context, err error) { failed <- err }))
	bitcart.On(l.sink, func(context.Context, *bitcart.Event, blockio.AddressEvent) error { return nil })
	l.start()
	for _, data := range []string{`{}`, `{"network":7,"address":[]}`, `{"network":"BTC","address":"3a","amount_sent":"much"}`} {
		l.svc.SendFrame([]byte(`{"type":"address","data":` + data + `}`))
		var payload *bitcart.PayloadError
		require.ErrorAs(t, get(t, failed), &payload)
	}
}

func TestEventWithoutHandlerIsSkipped(t *testing.T) {
	l := newListening(t)
	l.sink.On(blockio.EventAddress, nil)
	l.start()
	l.subscribe(btc("3a"))
	l.pay("3a", "tx")
	require.NoError(t, l.stop())
	require.EqualValues(t, 1, l.Stats().Delivered)
	require.Zero(t, l.Stats().HandlerErrors)
}

// A Coin is a sink too: its events carry the coin, and the network as the
// service names it.
func TestCoinAsSink(t *testing.T) {
	coin, err := bitcart.NewCoin("BTC", bitcart.WithXpub("xpub"))
	require.NoError(t, err)
	svc := newSocketService(t)
	stream, err := blockio.NewStream(coin, blockio.WithEndpoint(svc.SocketURL()))
	require.NoError(t, err)
	events := make(chan *bitcart.Event, 1)
	coin.On(blockio.EventAddress, func(_ context.Context, ev *bitcart.Event) error {
		events <- ev
		return nil
	})
	l := &listening{Stream: stream, t: t, svc: svc, ended: make(chan error, 1)}
	l.start()
	sub := blockio.Subscription{Network: "BTCTEST", Type: blockio.TypeAddress, Address: "2N"}
	l.subscribe(sub)
	data := payment("2N", "tx")
	data["network"] = "BTCTEST"
	require.NoError(t, svc.Emit("BTCTEST", blockio.EventAddress, data))
	ev := get(t, events)
	require.Same(t, coin, ev.Coin)
	require.Equal(t, "BTCTEST", ev.Currency)
	require.Equal(t, "2N", ev.Wallet)
	require.NoError(t, l.stop())
}

func TestStats(t *testing.T) {
	l := newListening(t)
	require.Equal(t, blockio.StreamStats{}, l.Stats())
	l.subscribe(btc("3a"))
	require.Equal(t, blockio.StreamStats{Subscriptions: 1, Unanswered: 1}, l.Stats())
	begun := time.Now()
	l.start()
	require.Eventually(t, func() bool { return l.Stats().Unanswered == 0 }, streamSoon, time.Millisecond)
	l.pay("3a", "tx")
	get(t, l.events)
	st := l.Stats()
	require.True(t, st.Connected)
	require.WithinRange(t, st.LastMessage, begun, time.Now())
	require.EqualValues(t, 1, st.Received)
	last := st.LastMessage
	require.NoError(t, l.stop())
	st = l.Stats()
	require.False(t, st.Connected)
	require.False(t, st.LastMessage.Before(last))
	require.EqualValues(t, 1, st.Delivered)
}

// The end says goodbye, and what was on its way is still handed over.
func TestEndClosesWithAHandshake(t *testing.T) {
	l := newListening(t)
	l.start()
	l.subscribe(btc("3a"))
	for range 20 {
		l.pay("3a", "tx")
	}
	require.NoError(t, l.stop())
	require.Len(t, l.events, 20)
	require.NoError(t, l.svc.WaitSockets(t.Context(), 0))
}

func TestNilContext(t *testing.T) {
	l := newListening(t)
	l.start()
	//lint:ignore SA1012 it must not panic
	require.NoError(t, l.Subscribe(nil, btc("3a")))
}

func TestSubscriptionErrorNamesItself(t *testing.T) {
	err := &blockio.SubscriptionError{Subscription: btc("3a"), Message: "no\nsuch thing"}
	require.EqualError(t, err, `blockio: subscription "BTC address 3a" refused: "no\nsuch thing"`)
	require.Equal(t, "LTC new-blocks", blocks("LTC").String())
	var refused *blockio.SubscriptionError
	require.True(t, errors.As(errors.Join(err), &refused))
}

// TestZeroStream: what NewStream has not made does not run.
func TestZeroStream(t *testing.T) {
	for name, s := range map[string]*blockio.Stream{"zero": {}, "nil": nil} {
		require.Error(t, s.Run(t.Context()), name)
		require.Error(t, s.Subscribe(t.Context(), btc("a")), name)
		s.Unsubscribe(btc("a"))
		require.Empty(t, s.Subscriptions(), name)
		require.Zero(t, s.Stats(), name)
	}
}

// TestStreamPrintsNoSecrets: an endpoint can have a key in its query, and a
// sink can be a wallet's coin.
func TestStreamPrintsNoSecrets(t *testing.T) {
	s, err := blockio.NewStream(&bitcart.Dispatcher{}, blockio.WithEndpoint("wss://ws.example/guard3d-path?token=qu3ry-token"))
	require.NoError(t, err)
	require.NoError(t, s.Subscribe(t.Context(), btc("a")))
	requireNoSecret(t, "Stream", s)
	require.Equal(t, "blockio.Stream", fmt.Sprint(s))
}
