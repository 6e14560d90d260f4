package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart"
)

// socketBench is from the socket to the handler: events is how many frames a
// run takes.
type socketBench struct {
	base   string // of the sender
	events int
}

// contenders are the library's forms and what a Go user would write instead.
func (b socketBench) contenders() []contender {
	return []contender{
		{"read and discard", func() error { return b.loop(8, discard) }},
		{"Coin", func() error { return b.library(1, newCoin, readPayloads) }},
		{"Coin, bodies unread", func() error { return b.library(1, newCoin, leaveBodies) }},
		{"APIManager, 8 wallets", func() error { return b.library(8, newManager, readPayloads) }},
		{"APIManager, 1000 wallets", func() error { return b.library(1000, newManager, readPayloads) }},
		{"ReadMessage, map, switch", func() error { return b.loop(8, readMaps) }},
		{"NextReader, struct, switch", func() error { return b.loop(8, readStructs) }},
		{"goroutine per event", func() error { return b.loop(8, readInGoroutines) }},
	}
}

// limit is for one run.
const limit = time.Minute

// loop runs a reader of a bare connection.
func (b socketBench) loop(wallets int, read func(*websocket.Conn, int, *flooding) error) error {
	dialer := websocket.Dialer{ReadBufferSize: 64 << 10}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(b.base, "http")+"/ws", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(limit)) // never fails
	f := newFlooding()
	f.begin(b.base, wallets, b.events)
	return errors.Join(read(conn, b.events, f), f.wait())
}

// discard reads each message into one buffer and does nothing with it.
func discard(conn *websocket.Conn, n int, f *flooding) error {
	buf := make([]byte, 64<<10)
	for i := range n {
		_, r, err := conn.NextReader()
		if err != nil {
			return err
		}
		for err == nil {
			_, err = r.Read(buf)
		}
		if err != io.EOF {
			return err
		}
		f.handled(int64(i + 1))
	}
	return nil
}

// readMaps is the loop that most users write.
func readMaps(conn *websocket.Conn, n int, f *flooding) error {
	for i := range n {
		_, msg, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		if err := readMap(msg); err != nil {
			return err
		}
		f.handled(int64(i + 1))
	}
	return nil
}

// readInGoroutines is the same with each message in a goroutine of its own:
// in no order, and without bound.
func readInGoroutines(conn *websocket.Conn, n int, f *flooding) error {
	var all sync.WaitGroup
	var handled atomic.Int64
	var failed atomic.Pointer[error]
	for range n {
		_, msg, err := conn.ReadMessage()
		if err != nil {
			return err
		}
		all.Go(func() {
			if err := readMap(msg); err != nil {
				failed.Store(&err)
			}
			f.handled(handled.Add(1))
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func readMap(msg []byte) error {
	var frame map[string]any
	if err := json.Unmarshal(msg, &frame); err != nil {
		return err
	}
	list, _ := frame["updates"].([]any)
	for _, item := range list {
		update, _ := item.(map[string]any)
		contract, _ := update["contract"].(string)
		switch update["event"] {
		case "new_block":
			height, _ := update["height"].(float64)
			if err := useBlock(int64(height)); err != nil {
				return err
			}
		case "new_transaction":
			tx, _ := update["tx"].(string)
			from, _ := update["from_address"].(string)
			to, _ := update["to"].(string)
			text, _ := update["amount"].(string)
			amount, err := decimal.NewFromString(text)
			if err != nil {
				return err
			}
			if err := useTransaction(tx, from, to, contract, amount); err != nil {
				return err
			}
		case "new_payment":
			address, _ := update["address"].(string)
			status, _ := update["status"].(float64)
			text, _ := update["status_str"].(string)
			var hashes []string
			list, _ := update["tx_hashes"].([]any)
			for _, h := range list {
				hash, _ := h.(string)
				hashes = append(hashes, hash)
			}
			amount, _ := update["sent_amount"].(string)
			sent, err := decimal.NewFromString(amount)
			if err != nil {
				return err
			}
			if err := usePayment(address, int(status), text, hashes, contract, sent); err != nil {
				return err
			}
		}
	}
	return nil
}

// readStructs is what a careful user writes: one flat struct for all events.
func readStructs(conn *websocket.Conn, n int, f *flooding) error {
	type update struct {
		Event     string           `json:"event"`
		Height    int64            `json:"height"`
		Tx        string           `json:"tx"`
		From      string           `json:"from_address"`
		To        string           `json:"to"`
		Amount    *decimal.Decimal `json:"amount"`
		Contract  string           `json:"contract"`
		Address   string           `json:"address"`
		Status    int              `json:"status"`
		StatusStr string           `json:"status_str"`
		TxHashes  []string         `json:"tx_hashes"`
		Sent      *decimal.Decimal `json:"sent_amount"`
	}
	for i := range n {
		_, r, err := conn.NextReader()
		if err != nil {
			return err
		}
		var frame struct {
			Updates  []update `json:"updates"`
			Wallet   string   `json:"wallet"`
			Currency string   `json:"currency"`
		}
		if err := json.NewDecoder(r).Decode(&frame); err != nil {
			return err
		}
		for _, u := range frame.Updates {
			var err error
			switch u.Event {
			case "new_block":
				err = useBlock(u.Height)
			case "new_transaction":
				err = useTransaction(u.Tx, u.From, u.To, u.Contract, *u.Amount)
			case "new_payment":
				err = usePayment(u.Address, u.Status, u.StatusStr, u.TxHashes, u.Contract, *u.Sent)
			}
			if err != nil {
				return err
			}
		}
		f.handled(int64(i + 1))
	}
	return nil
}

// What every contender does with an event: it looks at each field.

var errIncomplete = errors.New("an event came without what it holds")

func useBlock(height int64) error {
	if height < 21_000_000 {
		return errIncomplete
	}
	return nil
}

func useTransaction(tx, from, to, contract string, amount decimal.Decimal) error {
	if len(tx) != 66 || len(from) != 42 || len(to) != 42 || contract != "" || amount.IsNegative() {
		return errIncomplete
	}
	return nil
}

func usePayment(address string, status int, text string, hashes []string, contract string, sent decimal.Decimal) error {
	if len(address) != 43 || text == "" || sent.IsNegative() {
		return errIncomplete
	}
	if paid := status == 3; paid != (len(hashes) == 1) || paid != (len(contract) == 42) {
		return errIncomplete
	}
	return nil
}

// client is a form of the library that hears events.
type client struct {
	bitcart.Registry
	stream func(context.Context, ...bitcart.StartOption) error
	coins  []*bitcart.Coin
}

// deepQueue holds what the sender is ahead of the handlers, also when all of
// it is for one wallet. Daemons are much slower.
var deepQueue = bitcart.WithStream(bitcart.StreamConfig{QueuePerWallet: 2 * inFlight * block})

func newCoin(base string, wallets []string) (client, error) {
	coin, err := bitcart.NewCoin("ETH", bitcart.WithURL(base), bitcart.WithXpub(wallets[0]), deepQueue)
	if err != nil {
		return client{}, err
	}
	return client{coin, coin.StartWebsocket, []*bitcart.Coin{coin}}, nil
}

func newManager(base string, wallets []string) (client, error) {
	m, err := bitcart.NewAPIManager(map[string][]string{"ETH": wallets}, bitcart.WithURL(base), deepQueue)
	if err != nil {
		return client{}, err
	}
	c := client{Registry: m, stream: m.StartWebsocket}
	for _, coin := range m.Coins() {
		c.coins = append(c.coins, coin)
	}
	return c, nil
}

// start begins to stream and returns when every wallet is armed.
func (c client) start(ctx context.Context) (ended chan error, err error) {
	ended = make(chan error, 1)
	go func() { ended <- c.stream(ctx) }()
	for _, coin := range c.coins {
		if err := coin.WaitArmed(ctx); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// library streams until all events were handled, and tells of any that was not.
func (b socketBench) library(wallets int, create func(string, []string) (client, error), register func(bitcart.Registry, func())) error {
	c, err := create(b.base, walletsOf(wallets))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f := newFlooding()
	var handled atomic.Int64
	register(c, func() {
		n := handled.Add(1)
		f.handled(n)
		if n == int64(b.events) {
			cancel()
		}
	})
	ended, err := c.start(ctx)
	if err != nil {
		return err
	}
	f.begin(b.base, wallets, b.events)
	overdue := time.AfterFunc(limit, cancel)
	defer overdue.Stop()
	err = errors.Join(<-ended, f.wait())
	if s := c.coins[0].Stats(); err == nil && (handled.Load() != int64(b.events) || s.Dropped+s.HandlerErrors > 0) {
		err = fmt.Errorf("%d of %d events were handled: %+v", handled.Load(), b.events, s)
	}
	return err
}

// readPayloads registers handlers that read every field.
func readPayloads(r bitcart.Registry, done func()) {
	bitcart.On(r, func(_ context.Context, _ *bitcart.Event, p bitcart.NewBlock) error {
		defer done()
		return useBlock(p.Height)
	})
	bitcart.On(r, func(_ context.Context, _ *bitcart.Event, p bitcart.NewTransaction) error {
		defer done()
		return useTransaction(p.Tx, p.FromAddress, p.To, p.Contract, p.Amount.Decimal)
	})
	bitcart.On(r, func(_ context.Context, _ *bitcart.Event, p bitcart.NewPayment) error {
		defer done()
		return usePayment(p.Address, int(p.Status), p.StatusStr, p.TxHashes, p.Contract, p.SentAmount.Decimal)
	})
}

// leaveBodies registers handlers that read nothing.
func leaveBodies(r bitcart.Registry, done func()) {
	for _, event := range []string{bitcart.EventNewBlock, bitcart.EventNewTransaction, bitcart.EventNewPayment} {
		r.On(event, func(context.Context, *bitcart.Event) error {
			done()
			return nil
		})
	}
}
