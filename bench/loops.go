package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/shopspring/decimal"
)

// What a Go user would write in place of the library: loops around a bare
// websocket. None of them reconnects, recovers or waits for a handler.

// dial connects to the daemon. Reads fail when ctx ends.
func dial(ctx context.Context, p *process) (*websocket.Conn, func(), error) {
	dialer := websocket.Dialer{ReadBufferSize: 64 << 10}
	conn, _, err := dialer.DialContext(ctx, "ws"+strings.TrimPrefix(p.daemon, "http")+"/ws", nil)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.NetConn().SetReadDeadline(time.Now()) })
	return conn, func() {
		stop()
		_ = conn.Close()
	}, nil
}

// loop runs a reader of a bare connection.
func (b socketBench) loop(wallets int, read func(*websocket.Conn, int, *flooding) error) func(context.Context, *stopwatch) error {
	return func(ctx context.Context, w *stopwatch) error {
		conn, hangUp, err := dial(ctx, b.p)
		if err != nil {
			return err
		}
		defer hangUp()
		f := newFlooding(b.events)
		w.start()
		f.begin(ctx, b.p, wallets)
		err = read(conn, b.events, f)
		w.stop()
		hangUp() // or a sender would wait for one that has failed
		return errors.Join(err, f.wait())
	}
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
	defer all.Wait()
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

// flatFrame is a frame with one flat struct for all events.
type flatFrame struct {
	Updates  []flatUpdate `json:"updates"`
	Wallet   string       `json:"wallet"`
	Currency string       `json:"currency"`
}

type flatUpdate struct {
	Event     string   `json:"event"`
	Height    int64    `json:"height"`
	Tx        string   `json:"tx"`
	From      string   `json:"from_address"`
	To        string   `json:"to"`
	Amount    string   `json:"amount"`
	Contract  string   `json:"contract"`
	Address   string   `json:"address"`
	Status    int      `json:"status"`
	StatusStr string   `json:"status_str"`
	TxHashes  []string `json:"tx_hashes"`
	Sent      string   `json:"sent_amount"`
}

// readStructs is what a careful user writes: one flat struct for all events.
func readStructs(conn *websocket.Conn, n int, f *flooding) error {
	for i := range n {
		_, r, err := conn.NextReader()
		if err != nil {
			return err
		}
		var frame flatFrame
		if err := json.NewDecoder(r).Decode(&frame); err != nil {
			return err
		}
		for i := range frame.Updates {
			if err := frame.Updates[i].use(); err != nil {
				return err
			}
		}
		f.handled(int64(i + 1))
	}
	return nil
}

func (u *flatUpdate) use() error {
	switch u.Event {
	case "new_block":
		return useBlock(u.Height)
	case "new_transaction":
		amount, err := decimal.NewFromString(u.Amount)
		if err != nil {
			return err
		}
		return useTransaction(u.Tx, u.From, u.To, u.Contract, amount)
	case "new_payment":
		sent, err := decimal.NewFromString(u.Sent)
		if err != nil {
			return err
		}
		return usePayment(u.Address, u.Status, u.StatusStr, u.TxHashes, u.Contract, sent)
	}
	return nil
}

// What every contender does with an event: it looks at each field.

var errIncomplete = errors.New("an event came without what it holds")

func useBlock(height int64) error {
	if height < firstBlock {
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
