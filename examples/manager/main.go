// Manager serves many wallets of two currencies with one set of handlers, over
// one connection per daemon. It starts two daemons inside this process, sends a
// transaction to every wallet, and ends when it has received an event for each.
package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

const walletsPerCurrency = 50

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	daemons := map[string]*bitcarttest.Daemon{}
	wallets := map[string][]string{}
	var opts []bitcart.Option
	for _, currency := range []string{"BTC", "LTC"} {
		daemon, err := bitcarttest.NewDaemon(currency)
		if err != nil {
			return err
		}
		defer daemon.Close()
		daemons[currency] = daemon
		opts = append(opts, bitcart.WithCurrency(currency, bitcart.WithURL(daemon.URL())))
		for range walletsPerCurrency {
			wallets[currency] = append(wallets[currency], daemon.NewWallet())
		}
	}
	manager, err := bitcart.NewAPIManager(wallets, opts...)
	if err != nil {
		return err
	}
	// A wallet can join later too, while the stream runs.
	if _, err := manager.AddWallet("BTC", bitcart.Wallet{Xpub: daemons["BTC"].NewWallet()}); err != nil {
		return err
	}

	var heard atomic.Int64
	expected := int64(2*walletsPerCurrency + 1)
	bitcart.On(manager, func(_ context.Context, ev *bitcart.Event, tx bitcart.NewTransaction) error {
		fmt.Println(ev.Coin, "received", tx.Tx)
		if heard.Add(1) == expected {
			cancel() // everything was heard: the stream ends
		}
		return nil
	})
	go sendToAll(ctx, manager, daemons)
	if err := manager.StartWebsocket(ctx); err != nil {
		return err
	}
	for _, s := range manager.Stats() {
		fmt.Printf("%s: %d updates received, %d delivered\n", s.Currency, s.Received, s.Delivered)
	}
	if heard.Load() != expected {
		return fmt.Errorf("heard %d of %d transactions", heard.Load(), expected)
	}
	return nil
}

// sendToAll sends a transaction to each wallet as soon as it is watched.
func sendToAll(ctx context.Context, manager *bitcart.APIManager, daemons map[string]*bitcarttest.Daemon) {
	for key, coin := range manager.Coins() {
		if err := coin.WaitArmed(ctx); err != nil {
			return
		}
		if _, err := daemons[coin.Currency()].Send(key, bitcarttest.Transfer{Amount: "0.01"}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
	}
}
