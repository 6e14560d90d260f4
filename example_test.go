package bitcart_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// A payment request is paid while the wallet's events arrive by websocket.
func Example() {
	daemon, err := bitcarttest.NewDaemon("BTC") // a real one: leave WithURL out, or name it
	if err != nil {
		log.Fatal(err)
	}
	defer daemon.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	coin, err := bitcart.NewCoin("BTC", bitcart.WithURL(daemon.URL()), bitcart.WithXpub(daemon.NewWallet()))
	if err != nil {
		log.Fatal(err)
	}
	bitcart.On(coin, func(_ context.Context, ev *bitcart.Event, p bitcart.NewPayment) error {
		fmt.Println(ev.Currency, "request is", p.Status, "received", p.SentAmount.Decimal)
		if p.Status == bitcart.StatusPaid {
			cancel() // ends the stream
		}
		return nil
	})
	go pay(ctx, coin, daemon)
	if err := coin.StartWebsocket(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// BTC request is unconfirmed received 0.25
	// BTC request is paid received 0.25
}

// pay makes a payment request once the wallet is watched, and pays it.
func pay(ctx context.Context, coin *bitcart.Coin, daemon *bitcarttest.Daemon) {
	if err := coin.WaitArmed(ctx); err != nil {
		log.Print(err)
		return
	}
	amount := decimal.NewNullDecimal(decimal.RequireFromString("0.25"))
	request, err := coin.AddRequest(ctx, bitcart.RequestParams{Amount: amount})
	if err != nil {
		log.Print(err)
		return
	}
	if _, err := daemon.Pay(coin.WalletKey(), request.Key, bitcarttest.Transfer{}); err != nil {
		log.Print(err)
	}
	daemon.Mine(1)
}

func ExampleOn() {
	coin, err := bitcart.NewCoin("BTC", bitcart.WithXpub("xpub-of-the-shop"))
	if err != nil {
		log.Fatal(err)
	}
	bitcart.On(coin, func(_ context.Context, _ *bitcart.Event, b bitcart.NewBlock) error {
		fmt.Println("height", b.Height)
		return nil
	})
	err = coin.ProcessUpdates(context.Background(), []bitcart.Update{
		bitcart.NewUpdate(bitcart.EventNewBlock, bitcart.NewBlock{Height: 812345}),
	})
	fmt.Println(err)
	// Output:
	// height 812345
	// <nil>
}

// One handler for several events reads the members that it needs.
func ExampleCoin_AddEventHandler() {
	coin, err := bitcart.NewCoin("BTC", bitcart.WithXpub("xpub-of-the-shop"))
	if err != nil {
		log.Fatal(err)
	}
	coin.AddEventHandler([]string{bitcart.EventNewTransaction, bitcart.EventVerifiedTx},
		func(_ context.Context, ev *bitcart.Event) error {
			fields, err := ev.Fields()
			fmt.Println(ev.Name, fields["tx"])
			return err
		})
	err = coin.ProcessUpdates(context.Background(), bitcart.UpdatesFrom([]map[string]any{
		{"event": "new_transaction", "tx": "750b1409"},
		{"event": "verified_tx", "tx": "750b1409", "height": 812345},
	}))
	fmt.Println(err)
	// Output:
	// new_transaction 750b1409
	// verified_tx 750b1409
	// <nil>
}

// A missing member is an error, not a zero value.
func ExamplePayloadOf() {
	dispatcher, err := bitcart.NewDispatcher()
	if err != nil {
		log.Fatal(err)
	}
	dispatcher.On("new_payment", func(_ context.Context, ev *bitcart.Event) error {
		p, err := bitcart.PayloadOf[bitcart.NewPayment](ev)
		if err != nil {
			return err
		}
		fmt.Println(p.RequestKey(), p.Status)
		return nil
	})
	var updates []bitcart.Update
	list := `[{"event":"new_payment","address":"5bb56e50f4","status":7,"status_str":"Unconfirmed"},
		{"event":"new_payment","address":"5bb56e50f4","status_str":"Unconfirmed"}]`
	if err := json.Unmarshal([]byte(list), &updates); err != nil {
		log.Fatal(err)
	}
	err = dispatcher.ProcessUpdates(context.Background(), updates)
	fmt.Println(errors.Is(err, bitcart.ErrMissingMember), err)
	// Output:
	// 5bb56e50f4 unconfirmed
	// true bitcart: handler of new_payment: new_payment: member "status": missing
}

// Errors are matched by the daemon's own error names, since the codes differ
// between daemons.
func ExampleCoin_Call() {
	for _, currency := range []string{"BTC", "ETH"} {
		daemon, err := bitcarttest.NewDaemon(currency)
		if err != nil {
			log.Fatal(err)
		}
		coin, err := bitcart.NewCoin(currency, bitcart.WithURL(daemon.URL()), bitcart.WithXpub(daemon.NewWallet()))
		if err != nil {
			log.Fatal(err)
		}
		err = coin.Call(context.Background(), nil, "get_request", "nosuch")
		var answered *bitcart.RPCError
		fmt.Println(errors.As(err, &answered), answered.Code, errors.Is(err, bitcart.ErrRequestNotFound))
		coin.CloseIdleConnections()
		daemon.Close()
	}
	// Output:
	// true -32003 true
	// true -32603 true
}

// One set of handlers for the wallets of two currencies.
func ExampleAPIManager() {
	manager, err := bitcart.NewAPIManager(map[string][]string{"BTC": {"xpub-1", "xpub-2"}, "LTC": {"xpub-3"}})
	if err != nil {
		log.Fatal(err)
	}
	bitcart.On(manager, func(_ context.Context, ev *bitcart.Event, tx bitcart.NewTransaction) error {
		fmt.Println(ev.Coin.Currency(), tx.Tx)
		return nil
	})
	for key, coin := range manager.Coins() {
		if key == "xpub-3" {
			err = coin.ProcessUpdates(context.Background(), []bitcart.Update{
				bitcart.NewUpdate("new_transaction", map[string]any{"tx": "9dc8d56b"}),
			})
		}
	}
	fmt.Println(err)
	// Output:
	// LTC 9dc8d56b
	// <nil>
}

// Events is the stream as an iterator.
func ExampleCoin_Events() {
	daemon, err := bitcarttest.NewDaemon("LTC")
	if err != nil {
		log.Fatal(err)
	}
	defer daemon.Close()
	coin, err := bitcart.NewCoin("LTC", bitcart.WithURL(daemon.URL()), bitcart.WithXpub(daemon.NewWallet()))
	if err != nil {
		log.Fatal(err)
	}
	for ev, err := range coin.Events(context.Background()) {
		var gap *bitcart.GapError
		switch {
		case errors.As(err, &gap):
			fmt.Println("gap:", gap.Gap.Reason)
			daemon.Mine(1) // connected: from here on nothing is missed
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(ev.Name)
			return // leaving the loop ends the stream
		}
	}
	// Output:
	// gap: start
	// new_block
}
