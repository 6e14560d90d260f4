// Quickstart prints the events of a wallet: new blocks, transactions, and the
// status of payment requests.
//
// Without flags it starts a daemon inside this process, creates a payment
// request there, pays it, and prints the events as they come, first by
// websocket, then by polling. With -url and -xpub it listens to a running
// daemon until Ctrl-C:
//
//	go run ./examples/quickstart -url http://localhost:5000 -xpub <xpub>
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/bitcart-go/bitcart"
)

func main() {
	url := flag.String("url", "", "a daemon's URL; empty = a daemon inside this process")
	user := flag.String("user", "electrum", "the daemon's user")
	password := flag.String("password", "electrumz", "the daemon's password")
	currency := flag.String("currency", "BTC", "the daemon's currency")
	xpub := flag.String("xpub", "", "the wallet to listen to; empty = blocks only")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *url == "" {
		err = demo(ctx, *currency)
	} else {
		err = listen(ctx, *currency, *url, *user, *password, *xpub)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// listen prints the events of a running daemon until ctx ends.
func listen(ctx context.Context, currency, url, user, password, xpub string) error {
	opts := []bitcart.Option{bitcart.WithURL(url), bitcart.WithBasicAuth(user, password)}
	if xpub != "" {
		opts = append(opts, bitcart.WithXpub(xpub))
	}
	coin, err := bitcart.NewCoin(currency, opts...)
	if err != nil {
		return err
	}
	printEvents(coin, func() {})
	fmt.Println("listening to", coin, "at", coin.URL(), "- Ctrl-C ends it")
	return coin.StartWebsocket(ctx)
}

// printEvents registers handlers that print; paid is called for each payment
// request that is paid.
func printEvents(coin *bitcart.Coin, paid func()) {
	start := time.Now()
	show := func(ev *bitcart.Event, format string, args ...any) {
		fmt.Printf("%6.3fs %-9s %-15s %s\n", time.Since(start).Seconds(), ev.Source, ev.Name, fmt.Sprintf(format, args...))
	}
	bitcart.On(coin, func(_ context.Context, ev *bitcart.Event, b bitcart.NewBlock) error {
		show(ev, "height %d", b.Height)
		return nil
	})
	bitcart.On(coin, func(_ context.Context, ev *bitcart.Event, tx bitcart.NewTransaction) error {
		show(ev, "%s", tx.Tx)
		return nil
	})
	bitcart.On(coin, func(_ context.Context, ev *bitcart.Event, p bitcart.NewPayment) error {
		show(ev, "request %s is %s, %s received", p.RequestKey(), p.Status, p.SentAmount.Decimal)
		if p.Status == bitcart.StatusPaid {
			paid()
		}
		return nil
	})
}
