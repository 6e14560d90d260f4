package bitcart_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// frame is a frame of a wallet, "" for the whole chain.
func frame(wallet, currency, updates string) string {
	name := "null"
	if wallet != "" {
		name = fmt.Sprintf("%q", wallet)
	}
	return fmt.Sprintf(`{"updates": %s, "wallet": %s, "currency": %q}`, updates, name, currency)
}

// What no daemon sends is counted and skipped, and the connection lives on.
func TestOddFramesAreSkipped(t *testing.T) {
	t.Parallel()
	const key = "xpub6abcdefgh"
	own := `[{"event": "own", "n": 1000}]`
	frames := map[string]string{
		"empty":              "",
		"no JSON":            "hello",
		"half JSON":          `{"updates": [{"event": "own", "n": 1000}`,
		"two values":         frame(key, "BTC", own) + frame(key, "BTC", own),
		"number":             "1",
		"null":               "null",
		"text":               `"own"`,
		"list":               own,
		"no updates":         `{"wallet": null, "currency": "BTC"}`,
		"updates is null":    frame(key, "BTC", "null"),
		"updates is no list": frame(key, "BTC", `{"event": "own", "n": 1000}`),
		"item is no object":  frame(key, "BTC", `["own"]`),
		"item is null":       frame(key, "BTC", `[null]`),
		"item is a list":     frame(key, "BTC", "["+own+"]"),
		"no event":           frame(key, "BTC", `[{"n": 1000}]`),
		"event is null":      frame(key, "BTC", `[{"event": null, "n": 1000}]`),
		"event is a number":  frame(key, "BTC", `[{"event": 5, "n": 1000}]`),
		"event is empty":     frame(key, "BTC", `[{"event": "", "n": 1000}]`),
		"wrong currency":     frame(key, "LTC", own),
		"wrong currency 2":   frame("", "ETH", own),
		"wallet is a number": `{"updates": ` + own + `, "wallet": 5, "currency": "BTC"}`,
		"wallet is a list":   `{"updates": ` + own + `, "wallet": ["` + key + `"], "currency": "BTC"}`,
		"deep":               strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"deep item":          frame(key, "BTC", strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)),
		"no UTF-8 in place":  "{\"updates\": [{\"event\": \"o\xffwn\", \"n\": 1000",
		"huge garbage":       strings.Repeat("x", 5<<20),
	}
	d := newDaemon(t, "BTC")
	coin := newCoin(t, d, bitcart.WithXpub(key))
	in := inboxOf(t, coin, "own", "after")
	listen(t, coin)
	require.NoError(t, d.WaitRegistered(patient(t), key))
	n := 0
	for name, data := range frames {
		before := coin.Stats()
		d.SendFrame([]byte(data))
		d.SendFrame([]byte(frame(key, "BTC", fmt.Sprintf(`[{"event": "after", "n": %d}]`, n))))
		ev := in.next()
		require.Equal(t, "after", ev.Name, "%s: %s", name, ev.Raw())
		require.Equal(t, n, numberOf(t, ev), name)
		after := coin.Stats()
		require.Equal(t, before.Received+1, after.Received, "%s: received counts no garbage", name)
		require.Positive(t, after.Garbage-before.Garbage+after.Foreign-before.Foreign, "%s is not counted", name)
		n++
	}
	require.Zero(t, coin.Stats().Reconnects)
	in.requireEmpty()
}

func TestFrameWithSeveralUpdates(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	in := inboxOf(t, coin, "own")
	listen(t, coin)
	require.NoError(t, d.WaitRegistered(patient(t), coin.WalletKey()))
	d.SendFrame([]byte(frame(coin.WalletKey(), "BTC",
		`[{"event":"own","n":0}, 5, {"n":1}, {"event":"own","n":1}, null, {"event":["own"]}, {"event":"own","n":2}]`)))
	require.Equal(t, upTo(3), in.numbers(3), "the rest of the list goes on")
	stats := coin.Stats()
	require.EqualValues(t, 3, stats.Received)
	require.EqualValues(t, 4, stats.Garbage)
}

func TestHugeFrames(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.ReadLimit = 1 << 20
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg))
	in := inboxOf(t, coin, "own")
	stream := listen(t, coin)
	key := coin.WalletKey()

	large := fmt.Sprintf(`[{"event": "own", "n": 0, "pad": %q}]`, strings.Repeat("x", 900<<10))
	d.SendFrame([]byte(frame(key, "BTC", large)))
	require.Equal(t, upTo(1), in.numbers(1), "a frame below the limit")
	require.Zero(t, coin.Stats().Reconnects)

	d.SendFrame([]byte(frame(key, "BTC", fmt.Sprintf(`[{"event": "own", "n": 1, "pad": %q}]`, strings.Repeat("x", 2<<20)))))
	eventually(t, func() bool { return coin.Stats().Reconnects == 1 }, "a frame above the limit ends the connection")
	armed(t, coin)
	require.NoError(t, d.WaitRegistered(patient(t), key))
	emit(t, d, key, "own", 2, 3)
	require.Equal(t, span(2, 3), in.numbers(1))
	stream.requireRunning()
}

// The event carries the bytes of its update, and a later frame does not change them.
func TestEventsKeepTheirBytes(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	in := inboxOf(t, coin, "own")
	listen(t, coin)
	require.NoError(t, d.WaitRegistered(patient(t), coin.WalletKey()))
	var want []string
	var events []*bitcart.Event
	for i := range 200 {
		text := fmt.Sprintf(`{"event": "own", "n": %d, "pad": %q, "wei": 25000000000000000000}`, i, strings.Repeat("y", i*10))
		want = append(want, text)
		d.SendFrame([]byte(frame(coin.WalletKey(), "BTC", "["+text+"]")))
	}
	for range want {
		events = append(events, in.next())
	}
	for i, ev := range events {
		require.Equal(t, want[i], string(ev.Raw()))
	}
}

// lockedBuffer is a buffer for a logger.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// Whatever happens to a stream, its log names neither wallet nor password.
func TestStreamLogsNoSecrets(t *testing.T) {
	t.Parallel()
	const password = "pass-phrase-of-the-daemon"
	d := newDaemon(t, "BTC", bitcarttest.WithCredentials("electrum", password))
	var out lockedBuffer
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.Level(-100)}))
	connects := make(chan struct{}, 8)
	key, stranger := d.NewWallet(), d.NewWallet()
	coin := newCoin(t, d, bitcart.WithXpub(key), bitcart.WithBasicAuth("electrum", password), bitcart.WithLogger(logger),
		bitcart.WithHooks(bitcart.Hooks{
			OnConnect:      func(context.Context, bitcart.ConnectInfo) { connects <- struct{}{} },
			OnHandlerError: func(context.Context, *bitcart.HandlerError) { panic("hook") },
		}))
	in := newInbox(t)
	coin.On("fail", func(_ context.Context, ev *bitcart.Event) error { return fmt.Errorf("no %v", ev) })
	coin.On("panic", func(_ context.Context, ev *bitcart.Event) error { panic(ev) })
	coin.On("own", in.handle)
	d.Faults().FailMethod("getbalance", 2, &bitcarttest.Error{Code: -32005, Message: "Exception: cannot load " + key})
	stream := listen(t, coin)
	receive(t, connects, "the connection")
	require.NoError(t, d.WaitRegistered(patient(t), key))
	d.SendFrame([]byte("garbage " + key))
	d.SendFrame([]byte(frame(key, "LTC", `[{"event": "own"}]`)))
	d.SendFrame([]byte(frame(key, "BTC", `[{"n": 1}, "`+key+`", {"event": "unheard"}]`)))
	d.SendFrame([]byte(frame(stranger, "BTC", `[{"event": "own", "n": 9}]`)))
	emit(t, d, key, "fail", 0, 1)
	emit(t, d, key, "panic", 0, 1)
	cutOff(t, d, bitcarttest.RST)
	receive(t, connects, "the reconnection")
	require.NoError(t, d.WaitRegistered(patient(t), key))
	emit(t, d, key, "own", 0, 1)
	in.next()
	stream.stopPromptly()
	text := out.String()
	require.NotEmpty(t, text, "nothing was logged at all")
	for name, secret := range map[string]string{"wallet": key, "stranger": stranger, "password": password} {
		require.False(t, strings.Contains(text, secret), "the log shows the %s", name)
	}
}

// A message of very many updates is cut piece by piece.
func TestFrameOfThousandsOfUpdates(t *testing.T) {
	t.Parallel()
	const n = 3000
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d, bitcart.WithStream(bitcart.StreamConfig{QueuePerWallet: 2 * n}))
	in := inboxOf(t, coin, "e")
	stream := listen(t, coin)
	armed(t, coin)
	var frame bytes.Buffer
	frame.WriteString(`{"updates": [`)
	for i := range n {
		fmt.Fprintf(&frame, `{"event": "e", "n": %d}, 7, `, i)
	}
	fmt.Fprintf(&frame, `{}], "wallet": %q, "currency": "BTC"}`, coin.WalletKey())
	d.SendFrame(frame.Bytes())
	require.Equal(t, upTo(n), in.numbers(n))
	require.NoError(t, stream.stop())
	stats := coin.Stats()
	require.EqualValues(t, n, stats.Received)
	require.EqualValues(t, n+1, stats.Garbage)
}

// A message of garbage costs little: beyond a number its items are not logged one by one.
func TestFrameOfGarbageIsNotLoggedWithoutEnd(t *testing.T) {
	t.Parallel()
	const n = 300_000
	d := newDaemon(t, "BTC")
	var logged atomic.Int64
	coin := newWalletCoin(t, d, bitcart.WithLogger(slog.New(countLog{"message skipped", &logged})))
	stream := listen(t, coin)
	armed(t, coin)
	d.SendFrame([]byte(frame(coin.WalletKey(), "BTC", "["+strings.Repeat("7,", n-1)+"{}]")))
	eventually(t, func() bool { return coin.Stats().Garbage == n })
	require.NoError(t, stream.stop())
	require.Positive(t, logged.Load())
	require.LessOrEqual(t, logged.Load(), int64(1<<16+1))
}

// A message of very many updates of a wallet that nobody added is counted to its end.
func TestFrameOfThousandsOfForeignUpdates(t *testing.T) {
	t.Parallel()
	const n = 1500
	d := newDaemon(t, "BTC")
	m, _ := serve(t, d, 1)
	listenAll(t, m)
	d.SendFrame([]byte(frame("stranger", "BTC", "["+strings.Repeat(`{"event":"own"},`, n-1)+`{"event":"own"}]`)))
	eventually(t, func() bool { return m.Stats()[0].Foreign == n })
}
