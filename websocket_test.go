package bitcart_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

const (
	tokenETH = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
	tokenTRX = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
	tokenBCH = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// walletKind is a kind of wallet of a family.
type walletKind struct {
	name, currency string
	contract       string
	address        bool // the wallet needs one
	request        string
	requestKey     string
}

func (k walletKind) String() string { return k.name }

var walletKinds = []walletKind{
	{name: "BTC", currency: "BTC", request: "add_request", requestKey: "request_id"},
	{name: "LTC", currency: "LTC", request: "add_request", requestKey: "request_id"},
	{name: "BCH", currency: "BCH", request: "addrequest", requestKey: "address"},
	{name: "ETH", currency: "ETH", request: "add_request", requestKey: "request_id"},
	{name: "TRX", currency: "TRX", request: "add_request", requestKey: "request_id"},
	{name: "XMR", currency: "XMR", address: true, request: "add_request", requestKey: "request_id"},
	{name: "ETH token", currency: "ETH", contract: tokenETH, request: "add_request", requestKey: "request_id"},
	{name: "TRX token", currency: "TRX", contract: tokenTRX, request: "add_request", requestKey: "request_id"},
	{name: "BCH token", currency: "BCH", contract: tokenBCH},
}

func (k walletKind) daemon(t testing.TB) *bitcarttest.Daemon {
	t.Helper()
	if k.contract == "" {
		return newDaemon(t, k.currency)
	}
	return newDaemon(t, k.currency, bitcarttest.WithToken(bitcarttest.Token{Symbol: "USDT", Contract: k.contract, Decimals: 6}))
}

// wallet makes a wallet of the kind and its key.
func (k walletKind) wallet(d *bitcarttest.Daemon) (w bitcart.Wallet, key string) {
	w = bitcart.Wallet{Xpub: d.NewWallet(), Contract: k.contract}
	key = w.Xpub
	if k.contract != "" {
		key += "_" + k.contract
	}
	if k.address {
		w.Address = d.NewAddress()
	}
	return w, key
}

func TestWebsocketHearsEachKindOfWallet(t *testing.T) {
	t.Parallel()
	for _, kind := range walletKinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			d := kind.daemon(t)
			wallet, key := kind.wallet(d)
			coin := newCoin(t, d, bitcart.WithWallet(wallet))
			require.Equal(t, key, coin.WalletKey())
			in := inboxOf(t, coin, "own", "new_block")
			stream := listen(t, coin)

			require.NoError(t, d.WaitRegistered(patient(t), key), "the filter is the key as text")
			require.Contains(t, d.Loaded(), key)
			stranger := d.NewWallet()
			require.NoError(t, d.Load(stranger))
			require.NoError(t, d.Emit(stranger, item("own", 99)))
			require.NoError(t, d.Emit(key, json.RawMessage(`{"event": "own", "n": 1, "amount": "0.10"}`)))
			require.NoError(t, d.Emit("", map[string]any{"event": "new_block", "height": 7}))

			own := in.next()
			require.Equal(t, "own", own.Name)
			require.Equal(t, 1, numberOf(t, own))
			require.Equal(t, key, own.Wallet)
			block := in.next()
			require.Equal(t, "new_block", block.Name)
			require.Empty(t, block.Wallet)
			for _, ev := range []*bitcart.Event{own, block} {
				require.Equal(t, kind.currency, ev.Currency)
				require.Same(t, coin, ev.Coin)
				require.Equal(t, bitcart.SourceWebsocket, ev.Source)
				require.Equal(t, 1, ev.Attempt)
				require.False(t, ev.Repeat)
				require.WithinDuration(t, time.Now(), ev.Received, time.Minute)
			}
			require.JSONEq(t, `{"event": "own", "n": 1, "amount": "0.10"}`, string(own.Raw()))
			stream.stopPromptly()
			in.requireEmpty()
		})
	}
}

// What a shop does: a request, its payment, and the events of it, in the shape of each family.
func TestWebsocketHearsPayments(t *testing.T) {
	t.Parallel()
	for _, kind := range walletKinds {
		if kind.request == "" {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			d := kind.daemon(t)
			wallet, key := kind.wallet(d)
			coin := newCoin(t, d, bitcart.WithWallet(wallet))
			payments := make(chan bitcart.NewPayment, 64)
			bitcart.On(coin, func(_ context.Context, _ *bitcart.Event, p bitcart.NewPayment) error {
				payments <- p
				return nil
			})
			txs := make(chan bitcart.NewTransaction, 64)
			bitcart.On(coin, func(_ context.Context, _ *bitcart.Event, p bitcart.NewTransaction) error {
				txs <- p
				return nil
			})
			listen(t, coin)

			var request map[string]any
			require.NoError(t, coin.Call(patient(t), &request, kind.request, bitcart.Named{"amount": "0.5"}))
			requestKey, ok := request[kind.requestKey].(string)
			require.True(t, ok, "%v", request)
			txid, err := d.Pay(key, requestKey, bitcarttest.Transfer{From: d.NewAddress(), Mined: true})
			require.NoError(t, err)

			require.Equal(t, txid, receive(t, txs, "the transaction").Tx)
			p := receive(t, payments, "the payment")
			for p.Status != bitcart.StatusPaid {
				p = receive(t, payments, "the payment to be paid")
			}
			require.Equal(t, requestKey, p.RequestKey())
			require.Equal(t, []string{txid}, p.TxHashes)
			require.True(t, p.SentAmount.Valid)
			require.Equal(t, "0.5", p.SentAmount.Decimal.String())
		})
	}
}

func TestWebsocketHearsTransactionsWithTheirAmounts(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "ETH")
	coin := newWalletCoin(t, d)
	txs := make(chan bitcart.NewTransaction, 8)
	bitcart.On(coin, func(_ context.Context, _ *bitcart.Event, p bitcart.NewTransaction) error {
		txs <- p
		return nil
	})
	listen(t, coin)
	payer := d.NewAddress()
	txid, err := d.Send(coin.WalletKey(), bitcarttest.Transfer{From: payer, Amount: "25.000000000000000001"})
	require.NoError(t, err)
	tx := receive(t, txs, "the transaction")
	require.Equal(t, txid, tx.Tx)
	require.Equal(t, "25.000000000000000001", tx.Amount.Decimal.String())
	require.True(t, strings.EqualFold(payer, tx.FromAddress))
}

func TestWebsocketWithoutWalletHearsChainWideEventsOnly(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "BCH", "ETH"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, currency)
			stranger := d.NewWallet()
			require.NoError(t, d.Load(stranger))
			coin := newCoin(t, d)
			in := inboxOf(t, coin, "own", "new_block", "new_transaction")
			connected := make(chan bitcart.ConnectInfo, 1)
			stream := start(t, websocketOf(coin, bitcart.WithReconnectCallback(func(context.Context, string) error {
				connected <- bitcart.ConnectInfo{}
				return nil
			})))
			receive(t, connected, "the connection")
			require.NoError(t, d.WaitSockets(patient(t), 1))

			require.NoError(t, d.Emit(stranger, item("own", 1)))
			_, err := d.Send(stranger, bitcarttest.Transfer{Amount: "1"})
			require.NoError(t, err)
			d.Mine(1)
			for height := int64(0); height < d.Height(); {
				ev := in.next()
				require.Equal(t, "new_block", ev.Name)
				require.Empty(t, ev.Wallet)
				require.Same(t, coin, ev.Coin)
				p, err := bitcart.PayloadOf[bitcart.NewBlock](ev)
				require.NoError(t, err)
				height = p.Height
			}
			stream.stopPromptly()
			in.requireEmpty()
			require.Equal(t, []string{stranger}, d.Loaded(), "it has no wallet to load")
		})
	}
}

func TestWebsocketsAtOnceOnOneWallet(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	key := d.NewWallet()
	var boxes []*inbox
	for range 3 {
		coin := newCoin(t, d, bitcart.WithXpub(key))
		boxes = append(boxes, inboxOf(t, coin, "own"))
		listen(t, coin)
	}
	eventually(t, func() bool { return slices.Equal([]string{key, key, key}, d.Registered()) })
	emit(t, d, key, "own", 0, 50)
	for _, in := range boxes {
		require.Equal(t, upTo(50), in.numbers(50))
	}
}

func TestWebsocketBehindAPathPrefix(t *testing.T) {
	t.Parallel()
	for _, tail := range []string{"", "/"} {
		t.Run("tail "+tail, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC", bitcarttest.WithPathPrefix("/api/btc"))
			coin := newWalletCoin(t, d, bitcart.WithURL(strings.TrimSuffix(d.URL(), "/")+tail))
			in := inboxOf(t, coin, "own")
			listen(t, coin)
			emit(t, d, coin.WalletKey(), "own", 0, 1)
			require.Equal(t, upTo(1), in.numbers(1))
			require.ErrorIs(t, coin.Call(patient(t), nil, "get_request", "x"), bitcart.ErrRequestNotFound, "/spec has the prefix, too")
		})
	}
}

func TestWebsocketHandlersMayChangeWhileItRuns(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	listen(t, coin)
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	eventually(t, func() bool { return coin.Stats().Ignored == 1 }, "no handler yet")

	first := inboxOf(t, coin, "own")
	emit(t, d, coin.WalletKey(), "own", 1, 2)
	require.Equal(t, span(1, 2), first.numbers(1))

	second := inboxOf(t, coin, "own", "other")
	emit(t, d, coin.WalletKey(), "own", 2, 3)
	emit(t, d, coin.WalletKey(), "other", 3, 4)
	require.Equal(t, span(2, 4), second.numbers(2))
	first.requireEmpty()

	coin.On("own", nil)
	require.False(t, coin.Handles("own"))
	emit(t, d, coin.WalletKey(), "own", 4, 5)
	emit(t, d, coin.WalletKey(), "other", 5, 6)
	require.Equal(t, span(5, 6), second.numbers(1))
	require.EqualValues(t, 2, coin.Stats().Ignored)
}

func TestWebsocketReconnects(t *testing.T) {
	t.Parallel()
	cuts := map[string]bitcarttest.Cut{
		"RST": bitcarttest.RST, "FIN": bitcarttest.FIN,
		"going away":     bitcarttest.CloseFrame(1001, "Server shutdown"),
		"normal closure": bitcarttest.CloseFrame(1000, ""),
		"internal error": bitcarttest.CloseFrame(1011, "trouble"),
	}
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			connects := make(chan bitcart.ConnectInfo, 8)
			disconnects := make(chan bitcart.DisconnectInfo, 8)
			gaps := make(chan bitcart.Gap, 8)
			coin := newWalletCoin(t, d, bitcart.WithHooks(bitcart.Hooks{
				OnConnect:    func(_ context.Context, info bitcart.ConnectInfo) { connects <- info },
				OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { disconnects <- info },
				OnGap:        func(_ context.Context, gap bitcart.Gap) { gaps <- gap },
			}))
			in := inboxOf(t, coin, "own", "new_block")
			stream := listen(t, coin)
			first := receive(t, connects, "the first connection")
			require.True(t, first.First)
			require.Equal(t, "BTC", first.Currency)
			require.Equal(t, 1, first.Attempts)
			require.Zero(t, first.Downtime)
			require.Equal(t, 1, first.Armed)
			require.Zero(t, first.Unarmed)
			require.Equal(t, bitcart.GapStart, receive(t, gaps, "the gap of the start").Reason)

			for i := range 3 {
				emit(t, d, coin.WalletKey(), "own", i, i+1)
				require.Equal(t, span(i, i+1), in.numbers(1))
				cutOff(t, d, cut)
				lost := receive(t, disconnects, "the disconnection")
				require.Equal(t, "BTC", lost.Currency)
				require.Error(t, lost.Err)
				again := receive(t, connects, "the reconnection")
				require.False(t, again.First)
				require.Positive(t, again.Downtime)
				require.Positive(t, again.Attempts)
				gap := receive(t, gaps, "the gap of the reconnection")
				require.Equal(t, bitcart.GapUnknown, gap.Reason, "nothing proves that nothing is missing")
				require.Equal(t, "BTC", gap.Currency)
				require.Nil(t, gap.Coin, "the connection's gap is everybody's")
				require.False(t, gap.Since.IsZero())
				armed(t, coin)
			}
			require.NoError(t, d.WaitRegistered(patient(t), coin.WalletKey()))
			stats := coin.Stats()
			require.Equal(t, 3, stats.Reconnects)
			require.Equal(t, 4, stats.Gaps)
			require.Equal(t, 1, stats.Armed)
			require.True(t, stats.Connected)
			stream.stopPromptly()
			require.False(t, coin.Stats().Connected)
		})
	}
}

// A daemon that was restarted has forgotten its wallets.
func TestWebsocketLoadsItsWalletAfterARestart(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "BCH", "ETH", "XMR"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, currency)
			wallet := bitcart.Wallet{Xpub: d.NewWallet()}
			if currency == "XMR" {
				wallet.Address = d.NewAddress()
			}
			connects := make(chan bitcart.ConnectInfo, 8)
			coin := newCoin(t, d, bitcart.WithWallet(wallet), bitcart.WithHooks(bitcart.Hooks{
				OnConnect: func(_ context.Context, info bitcart.ConnectInfo) { connects <- info },
			}))
			in := inboxOf(t, coin, "own")
			listen(t, coin)
			receive(t, connects, "the connection")
			require.NoError(t, d.Faults().Restart(patient(t), 10*time.Millisecond))
			receive(t, connects, "the reconnection")
			armed(t, coin)
			require.Equal(t, []string{coin.WalletKey()}, d.Loaded())
			emit(t, d, coin.WalletKey(), "own", 0, 1)
			require.Equal(t, upTo(1), in.numbers(1))
		})
	}
}

// While the daemon is away the attempts go on, with pauses that grow up to the maximum.
func TestWebsocketNeverGivesUp(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	pauses := make(chan bitcart.DisconnectInfo, 1<<12)
	cfg := quick
	cfg.BackoffMin, cfg.BackoffMax = time.Millisecond, 10*time.Millisecond
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
		OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { pauses <- info },
	}))
	in := inboxOf(t, coin, "own")
	listen(t, coin)
	d.Faults().Stop(bitcarttest.RST)
	for range 30 {
		info := receive(t, pauses, "another attempt")
		require.Error(t, info.Err)
		require.Positive(t, info.RetryIn)
		require.LessOrEqual(t, info.RetryIn, cfg.BackoffMax, "delays are capped")
	}
	require.NoError(t, d.Faults().Start(patient(t)))
	eventually(t, func() bool { return len(d.Registered()) == 1 })
	armed(t, coin)
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	require.Equal(t, upTo(1), in.numbers(1))
}

// accepting is a server that takes the upgrade, greets, and drops the connection.
func accepting(t testing.TB, greet func(*websocket.Conn)) *stub {
	return newStub(t, func(s *stub) {
		s.socket = func(conn *websocket.Conn) {
			if greet != nil {
				greet(conn)
			}
		}
	})
}

// The pauses between the attempts of a stream on a server.
func pausesOn(t testing.TB, s *stub, cfg bitcart.StreamConfig, n int) []time.Duration {
	t.Helper()
	infos := make(chan bitcart.DisconnectInfo, 1<<12)
	coin := coinAt(t, s.URL, bitcart.WithXpub("xpub6abcdefgh"), bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
		OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { infos <- info },
	}))
	stream := start(t, websocketOf(coin, bitcart.WithForceConnect())) // the first one may end before it is registered
	var pauses []time.Duration
	for range n {
		pauses = append(pauses, receive(t, infos, "another attempt").RetryIn)
	}
	stream.stopPromptly()
	return pauses
}

func TestBackoffGrowsWhileConnectionsProveNothing(t *testing.T) {
	t.Parallel()
	s := accepting(t, nil)
	cfg := quick
	cfg.BackoffMin, cfg.BackoffMax = 4*time.Millisecond, 100*time.Millisecond
	begin := time.Now()
	pauses := pausesOn(t, s, cfg, 14)
	require.Greater(t, pauses[12], 2*cfg.BackoffMin, "%v", pauses)
	require.Greater(t, pauses[13], 2*cfg.BackoffMin, "%v", pauses)
	require.GreaterOrEqual(t, time.Since(begin), 100*time.Millisecond)
	require.LessOrEqual(t, s.upgrades.Load(), int64(16), "an attempt for each pause")
}

func TestBackoffStartsAnewAfterAProvenConnection(t *testing.T) {
	t.Parallel()
	s := accepting(t, func(conn *websocket.Conn) {
		_, _, _ = conn.ReadMessage() // the filter: a close with unread bytes would be a reset
		_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"updates":[{"event":"new_block","height":1}],"wallet":null,"currency":"BTC"}`))
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, ""), time.Now().Add(patience))
		swallow(conn)
	})
	cfg := quick
	cfg.BackoffMin, cfg.BackoffMax = 4*time.Millisecond, 10*time.Second
	for _, pause := range pausesOn(t, s, cfg, 20) {
		require.LessOrEqual(t, pause, 2*cfg.BackoffMin, "a frame has come")
	}
}

func TestReconnectCallback(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	in := inboxOf(t, coin, "own")
	calls := make(chan string)
	listen(t, coin, bitcart.WithReconnectCallback(func(ctx context.Context, currency string) error {
		if err := coin.WaitArmed(ctx); err != nil { // the wallets are ready
			return err
		}
		select {
		case calls <- fmt.Sprint(currency, d.Loaded()):
		case <-ctx.Done():
		}
		return errOwn // logged, and the stream goes on
	}))
	want := fmt.Sprint("BTC", []string{coin.WalletKey()})
	emit(t, d, coin.WalletKey(), "own", 0, 1)
	require.Equal(t, upTo(1), in.numbers(1), "the callback holds no events up")
	require.Equal(t, want, receive(t, calls, "the callback of the first connection"))
	for range 2 {
		cutOff(t, d, bitcarttest.RST)
		require.Equal(t, want, receive(t, calls, "the callback of a reconnection"))
	}
}

func TestReconnectCallbackErrorEndsAStreamWithoutReconnect(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	stream := start(t, websocketOf(newWalletCoin(t, d), bitcart.WithoutReconnect(),
		bitcart.WithReconnectCallback(func(context.Context, string) error { return errOwn })))
	require.ErrorIs(t, stream.wait(), errOwn)
}

func TestWithoutReconnect(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]bitcarttest.Cut{"RST": bitcarttest.RST, "FIN": bitcarttest.FIN, "close frame": bitcarttest.CloseFrame(1001, "Server shutdown")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			coin := newWalletCoin(t, d)
			in := inboxOf(t, coin, "own")
			stream := listen(t, coin, bitcart.WithoutReconnect())
			emit(t, d, coin.WalletKey(), "own", 0, 1)
			require.Equal(t, upTo(1), in.numbers(1))
			cutOff(t, d, cut)
			err := stream.wait()
			require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
			require.NotContains(t, err.Error(), coin.WalletKey())
			require.NoError(t, d.WaitSockets(patient(t), 0))

			listen(t, coin, bitcart.WithoutReconnect()).stopPromptly() // the end of ctx is no error
		})
	}
}

func TestHalfOpenConnectionIsNoticed(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*bitcarttest.Faults, bool){
		"pongs are lost": (*bitcarttest.Faults).DropPongs,
		"black hole":     (*bitcarttest.Faults).BlackHole,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			cfg := quick
			cfg.PingInterval, cfg.PongTimeout = 50*time.Millisecond, 50*time.Millisecond
			lost := make(chan bitcart.DisconnectInfo, 64)
			coin := newWalletCoin(t, d, bitcart.WithStream(cfg), bitcart.WithHooks(bitcart.Hooks{
				OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { lost <- info },
			}))
			in := inboxOf(t, coin, "own")
			listen(t, coin)
			begin := time.Now()
			fault(d.Faults(), true)
			require.Error(t, receive(t, lost, "the disconnection").Err)
			require.Less(t, time.Since(begin), cfg.PingInterval+cfg.PongTimeout+margin)
			fault(d.Faults(), false)
			eventually(t, func() bool {
				if d.Emit(coin.WalletKey(), item("own", 1)) != nil {
					return false
				}
				select {
				case <-in.ch:
					return true
				default:
					return false
				}
			}, "events flow again")
		})
	}
}

func TestFramesAreLifeWithoutPongs(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	cfg := quick
	cfg.PingInterval, cfg.PongTimeout = 50*time.Millisecond, 500*time.Millisecond
	coin := newWalletCoin(t, d, bitcart.WithStream(cfg))
	in := inboxOf(t, coin, "own")
	listen(t, coin)
	d.Faults().DropPongs(true)
	for begin := time.Now(); time.Since(begin) < 2*(cfg.PingInterval+cfg.PongTimeout); {
		emit(t, d, coin.WalletKey(), "own", 0, 1)
		in.next()
	}
	require.Zero(t, coin.Stats().Reconnects)
}

func TestClosedStreamLeavesWithAHandshake(t *testing.T) {
	t.Parallel()
	code := make(chan int, 1)
	s := newStub(t, func(s *stub) {
		s.socket = func(conn *websocket.Conn) {
			for {
				if _, _, err := conn.ReadMessage(); err != nil {
					if e, ok := err.(*websocket.CloseError); ok {
						code <- e.Code
					} else {
						code <- 0
					}
					return
				}
			}
		}
	})
	listen(t, coinAt(t, s.URL, bitcart.WithXpub("xpub6abcdefgh"))).stopPromptly()
	require.Equal(t, websocket.CloseNormalClosure, receive(t, code, "the end of the websocket"))
}
