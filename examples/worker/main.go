// Worker is a long-running service. It logs with slog, retries a payment while
// its bookkeeping fails, and logs a health line; on SIGINT or SIGTERM it handles
// what was received, then ends.
//
// Without -url it uses a daemon inside this process for a few seconds. With -url
// it serves a wallet of a running daemon; a user and a password go into the URL:
//
//	BITCART_WALLET=<xpub> go run ./examples/worker -url http://user:password@localhost:5000
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/bitcart-go/bitcart"
)

func main() {
	url := flag.String("url", "", "a daemon's URL; empty = a daemon inside this process, for a few seconds")
	currency := flag.String("currency", "BTC", "the daemon's currency")
	xpub := flag.String("xpub", os.Getenv("BITCART_WALLET"), "the wallet, by default from BITCART_WALLET")
	every := flag.Duration("health", time.Second, "pause between health lines")
	flag.Parse()

	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if *url == "" {
		demo, err := startDemo(ctx, *currency)
		if err != nil {
			log.Error("demo", "error", err)
			os.Exit(1)
		}
		defer demo.close()
		ctx, *url, *xpub = demo.ctx, demo.url(), demo.wallet
	}
	if err := work(ctx, log, *currency, *url, *xpub, *every); err != nil {
		log.Error("worker failed", "error", err)
		os.Exit(1)
	}
	log.Info("worker ended, everything was handled")
}

// work streams until ctx ends. The return of StartWebsocket is the wait for
// the handlers, so nothing else has to be drained.
func work(ctx context.Context, log *slog.Logger, currency, url, xpub string, every time.Duration) error {
	coin, err := bitcart.NewCoin(currency, bitcart.WithURL(url), bitcart.WithXpub(xpub),
		bitcart.WithLogger(log), bitcart.WithHooks(hooks(log)),
		bitcart.WithStream(bitcart.StreamConfig{DrainTimeout: 20 * time.Second}))
	if err != nil {
		return err
	}
	books := newLedger()
	bitcart.On(coin, func(ctx context.Context, ev *bitcart.Event, p bitcart.NewPayment) error {
		err := books.credit(ctx, p)
		if errors.Is(err, errBusy) {
			return bitcart.Retry(err, 0) // the event stays; this wallet's later ones wait
		}
		return err
	})
	var health sync.WaitGroup
	defer health.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	health.Go(func() { logHealth(ctx, log, coin, every) })
	// WithForceConnect: the daemon may be started after the worker.
	return coin.StartWebsocket(ctx, bitcart.WithForceConnect())
}

func hooks(log *slog.Logger) bitcart.Hooks {
	return bitcart.Hooks{
		OnConnect: func(_ context.Context, info bitcart.ConnectInfo) {
			log.Info("daemon connected", "first", info.First, "downtime", info.Downtime)
		},
		OnGap: func(_ context.Context, gap bitcart.Gap) {
			log.Warn("events may be missing: read open requests by RPC", "reason", gap.Reason, "since", gap.Since)
		},
		OnHandlerError: func(_ context.Context, err *bitcart.HandlerError) {
			log.Error("event not handled", "event", err.Event, "error", err)
		},
	}
}

func logHealth(ctx context.Context, log *slog.Logger, coin *bitcart.Coin, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s := coin.Stats()
			log.Info("health", "connected", s.Connected, "armed", s.Armed, "received", s.Received,
				"delivered", s.Delivered, "queued", s.Queued, "running", s.Running, "dropped", s.Dropped)
		}
	}
}
