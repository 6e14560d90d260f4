// Reconcile is a service that credits each payment request exactly once,
// including payments that no event reports. It subscribes first and reads then:
// after every connect, after every gap and at an interval it reads its open
// requests by RPC, while events keep coming.
//
// Without -url it uses a daemon inside this process, which is restarted and
// loses events, prints how each payment was found, and ends. With -url it
// serves a wallet of a running daemon until SIGINT or SIGTERM:
//
//	BITCART_WALLET=<xpub> go run ./examples/reconcile -url http://localhost:5000
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/bitcart-go/bitcart"
)

func main() {
	url := flag.String("url", "", "a daemon's URL; empty = a daemon inside this process")
	user := flag.String("user", "electrum", "the daemon's user")
	password := flag.String("password", "electrumz", "the daemon's password")
	currency := flag.String("currency", "BTC", "the daemon's currency; not XRG, which cannot read a paid request")
	xpub := flag.String("xpub", os.Getenv("BITCART_WALLET"), "the wallet, by default from BITCART_WALLET")
	every := flag.Duration("every", 10*time.Minute, "pause between readings of the open requests")
	flag.Parse()

	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var err error
	if *url == "" {
		_, err = demo(ctx, log, *currency)
	} else {
		err = serve(ctx, log, *every, *currency, bitcart.WithURL(*url),
			bitcart.WithBasicAuth(*user, *password), bitcart.WithXpub(*xpub))
	}
	if err != nil {
		log.Error("failed", "error", err)
		os.Exit(1)
	}
}

// serve works for a wallet of a running daemon until ctx ends.
func serve(ctx context.Context, log *slog.Logger, every time.Duration, currency string, opts ...bitcart.Option) error {
	w, err := newWorker(log, newOrders(), every, currency, opts...)
	if err != nil {
		return err
	}
	return w.run(ctx)
}
