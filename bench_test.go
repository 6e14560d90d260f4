package bitcart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bitcart-go/bitcart"
	"github.com/gorilla/websocket"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
)

// floodDaemon answers calls with next to nothing and writes frames to each websocket as
// fast as they are read, so that a benchmark measures the client.
type floodDaemon struct {
	*httptest.Server
	frames [][]byte
	count  atomic.Int64 // frames to write
	start  chan struct{}
}

func newFloodDaemon(tb testing.TB, frames [][]byte) *floodDaemon {
	d := &floodDaemon{frames: frames, start: make(chan struct{})}
	d.Server = httptest.NewServer(http.HandlerFunc(d.serve))
	tb.Cleanup(d.Close)
	return d
}

func (d *floodDaemon) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/ws" {
		var call struct {
			ID     json.RawMessage
			Method string
		}
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &call)
		result := "null"
		switch call.Method {
		case "get_updates":
			result = "[]"
		case "getinfo":
			result = `{"synchronized": true, "total_wallets": 0}`
		}
		fmt.Fprintf(w, `{"jsonrpc": "2.0", "result": %s, "id": %s}`, result, call.ID)
		return
	}
	up := websocket.Upgrader{WriteBufferSize: 64 << 10}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	gone := make(chan struct{})
	go func() { // answers pings and sees the close frame
		defer close(gone)
		for {
			if _, _, err := conn.NextReader(); err != nil {
				conn.Close()
				return
			}
		}
	}()
	select {
	case <-d.start:
	case <-gone:
		return
	}
	for i := range d.count.Load() {
		if conn.WriteMessage(websocket.TextMessage, d.frames[int(i)%len(d.frames)]) != nil {
			return
		}
	}
	<-gone
}

// benchFrames are distinct frames over wallets: payments, transactions and
// blocks as account daemons send them.
func benchFrames(n int, wallets []string) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	hex := func(n int) string {
		var b strings.Builder
		for range n {
			fmt.Fprintf(&b, "%x", rng.IntN(16))
		}
		return b.String()
	}
	frames := make([][]byte, n)
	for i := range frames {
		wallet := wallets[i%len(wallets)]
		amount := decimal.New(rng.Int64N(1e15), -18)
		var update, owner string
		switch i % 8 {
		case 0:
			update, owner = fmt.Sprintf(`{"event": "new_block", "height": %d}`, 800000+i), "null"
		case 1, 2, 3:
			update = fmt.Sprintf(`{"event": "new_transaction", "tx": "0x%s", "from_address": "0x%s", "to": "0x%s", "amount": %q, "contract": null}`,
				hex(64), hex(40), hex(40), amount.StringFixed(18))
			owner = fmt.Sprintf("%q", wallet)
		default:
			update = fmt.Sprintf(`{"event": "new_payment", "address": %q, "status": %d, "status_str": "Paid", "tx_hashes": ["0x%s"], "sent_amount": %q, "contract": null}`,
				hex(43), i%2*3, hex(64), amount.StringFixed(18))
			owner = fmt.Sprintf("%q", wallet)
		}
		frames[i] = fmt.Appendf(nil, `{"updates": [%s], "wallet": %s, "currency": "ETH"}`, update, owner)
	}
	return frames
}

func benchWallets(n int) []string {
	wallets := make([]string, n)
	for i := range wallets {
		wallets[i] = fmt.Sprintf("0x%040x", i+1)
	}
	return wallets
}

// readEverything registers handlers that read each field, and calls done when
// n events were handled.
func readEverything(r bitcart.Registry, n int64, done func()) *atomic.Int64 {
	var handled atomic.Int64
	count := func() error {
		if handled.Add(1) == n {
			done()
		}
		return nil
	}
	bitcart.On(r, func(_ context.Context, _ *bitcart.Event, b bitcart.NewBlock) error {
		if b.Height == 0 {
			panic("no height")
		}
		return count()
	})
	bitcart.On(r, func(_ context.Context, _ *bitcart.Event, tx bitcart.NewTransaction) error {
		if tx.Tx == "" || tx.FromAddress == "" || tx.To == "" || !tx.Amount.Valid {
			panic("incomplete")
		}
		return count()
	})
	bitcart.On(r, func(_ context.Context, _ *bitcart.Event, p bitcart.NewPayment) error {
		if p.Address == "" || len(p.TxHashes) != 1 || !p.SentAmount.Valid {
			panic("incomplete")
		}
		return count()
	})
	return &handled
}

func BenchmarkProcessUpdates(b *testing.B) {
	coin, err := bitcart.NewCoin("ETH", bitcart.WithXpub("0x0000000000000000000000000000000000000001"))
	require.NoError(b, err)
	var updates []bitcart.Update
	for _, f := range benchFrames(4096, benchWallets(8)) {
		var frame struct{ Updates []bitcart.Update }
		require.NoError(b, json.Unmarshal(f, &frame))
		updates = append(updates, frame.Updates...)
	}
	run := func(name string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				k := i % len(updates)
				if err := coin.ProcessUpdates(b.Context(), updates[k:k+1]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, name := range []string{bitcart.EventNewBlock, bitcart.EventNewTransaction, bitcart.EventNewPayment} {
		coin.On(name, func(context.Context, *bitcart.Event) error { return nil })
	}
	run("handler")
	readEverything(coin, -1, nil)
	run("payload")
	b.Run("alternative=map", func(b *testing.B) {
		raws := make([][]byte, len(updates))
		for i, u := range updates {
			raws[i], _ = u.MarshalJSON()
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			var m map[string]any
			if err := json.Unmarshal(raws[i%len(raws)], &m); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSocket is from the daemon's socket to the handler's last line.
func BenchmarkSocket(b *testing.B) {
	quiet := bitcart.WithStream(bitcart.StreamConfig{QueuePerWallet: 1 << 20, QueueBytes: 16 << 30})
	b.Run("coin", func(b *testing.B) {
		wallets := benchWallets(1)
		d := newFloodDaemon(b, benchFrames(4096, wallets))
		coin, err := bitcart.NewCoin("ETH", bitcart.WithURL(d.URL), bitcart.WithXpub(wallets[0]), quiet)
		require.NoError(b, err)
		benchStream(b, d, coin, coin.WaitArmed, coin.StartWebsocket)
	})
	for _, n := range []int{8, 1000} {
		b.Run(fmt.Sprintf("manager/wallets=%d", n), func(b *testing.B) {
			wallets := benchWallets(n)
			d := newFloodDaemon(b, benchFrames(4096, wallets))
			m, err := bitcart.NewAPIManager(map[string][]string{"ETH": wallets}, bitcart.WithURL(d.URL), quiet)
			require.NoError(b, err)
			armed := func(ctx context.Context) error {
				for _, c := range m.Coins() {
					if err := c.WaitArmed(ctx); err != nil {
						return err
					}
				}
				return nil
			}
			benchStream(b, d, m, armed, m.StartWebsocket)
		})
	}
	b.Run("alternative=readloop+map", func(b *testing.B) {
		d := newFloodDaemon(b, benchFrames(4096, benchWallets(8)))
		d.count.Store(int64(b.N))
		conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(d.URL, "http")+"/ws", nil)
		require.NoError(b, err)
		defer conn.Close()
		b.ReportAllocs()
		b.ResetTimer()
		close(d.start)
		for range b.N {
			_, msg, err := conn.ReadMessage()
			if err != nil {
				b.Fatal(err)
			}
			readNaively(b, msg)
		}
	})
}

// readNaively is the loop's body that a user would write without a library.
func readNaively(b *testing.B, msg []byte) {
	var frame map[string]any
	if err := json.Unmarshal(msg, &frame); err != nil {
		b.Fatal(err)
	}
	for _, u := range frame["updates"].([]any) {
		update := u.(map[string]any)
		var err error
		switch update["event"] {
		case "new_block":
			_ = int64(update["height"].(float64))
		case "new_transaction":
			_, _, _ = update["tx"].(string), update["from_address"].(string), update["to"].(string)
			_, err = decimal.NewFromString(update["amount"].(string))
		case "new_payment":
			_, _, _ = update["address"].(string), int(update["status"].(float64)), update["tx_hashes"].([]any)
			_, err = decimal.NewFromString(update["sent_amount"].(string))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func benchStream(b *testing.B, d *floodDaemon, r bitcart.Registry, armed func(context.Context) error,
	start func(context.Context, ...bitcart.StartOption) error) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	d.count.Store(int64(b.N))
	handled := readEverything(r, int64(b.N), cancel)
	ended := make(chan error, 1)
	go func() { ended <- start(ctx) }()
	require.NoError(b, armed(ctx))
	b.ReportAllocs()
	b.ResetTimer()
	close(d.start)
	require.NoError(b, <-ended)
	b.StopTimer()
	require.EqualValues(b, b.N, handled.Load())
}

// BenchmarkCall stands beside a plain net/http client that does the same.
func BenchmarkCall(b *testing.B) {
	d := newFloodDaemon(b, nil)
	coin, err := bitcart.NewCoin("ETH", bitcart.WithURL(d.URL), bitcart.WithXpub("0x0000000000000000000000000000000000000001"))
	require.NoError(b, err)
	b.Cleanup(coin.CloseIdleConnections)
	plain := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.Cleanup(plain.CloseIdleConnections)
	calls := map[string]func(i int) error{
		"client": func(i int) error {
			var result any
			return coin.Call(context.Background(), &result, "get_request", fmt.Sprintf("request-%d", i))
		},
		"alternative=nethttp": func(i int) error { return plainCall(plain, d.URL, i) },
	}
	for name, call := range calls {
		b.Run("sequence/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := call(i); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("32 at once/"+name, func(b *testing.B) {
			b.SetParallelism(32 / runtime.GOMAXPROCS(0))
			b.ReportAllocs()
			var n atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := call(int(n.Add(1))); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func plainCall(client *http.Client, url string, i int) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": "get_request", "id": i,
		"params": []any{fmt.Sprintf("request-%d", i), map[string]any{"xpub": "0x0000000000000000000000000000000000000001"}}})
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, url+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth("electrum", "electrumz")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Result any
		Error  any
		ID     int
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// BenchmarkManagerMemory reports what a wallet costs in an APIManager that
// streams, and what adding one costs.
func BenchmarkManagerMemory(b *testing.B) {
	const wallets = 50_000
	d := newFloodDaemon(b, nil)
	ws := make([]bitcart.Wallet, wallets)
	for i := range ws {
		ws[i] = bitcart.Wallet{Xpub: fmt.Sprintf("xpub%0107d", i)} // 111 bytes
	}
	for b.Loop() {
		before := heapInuse()
		m, err := bitcart.NewAPIManager(map[string][]string{"BTC": nil}, bitcart.WithURL(d.URL))
		require.NoError(b, err)
		_, err = m.AddWallets("BTC", ws)
		require.NoError(b, err)
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan error, 1)
		go func() { ended <- m.StartWebsocket(ctx) }()
		for _, c := range m.Coins() {
			require.NoError(b, c.WaitArmed(ctx))
		}
		b.ReportMetric(float64(heapInuse()-before)/wallets, "B/wallet")
		cancel()
		require.NoError(b, <-ended)
		runtime.KeepAlive(m)
	}
}

func heapInuse() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapInuse)
}
