// Addresswatch watches addresses through the web socket of the Block.io-style
// notification service. It prints each payment once it is final, survives lost
// connections, and reports the periods in which events may be missing.
//
// Without -address it uses a service inside this process, for a moment. For the
// real one:
//
//	addresswatch -network BTC -address 3cBraN1Q... -address 1dice...
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
	"github.com/bitcart-go/bitcart/blockio"
)

func main() {
	endpoint := flag.String("endpoint", "wss://ws.block.io/", "the service's web socket")
	network := flag.String("network", "BTC", "network of the addresses: BTC, ETH, LTC, BTCTEST, ...")
	blocks := flag.Bool("blocks", false, "watch for new blocks too")
	var addresses []string
	flag.Func("address", "an address to watch; may be given many times", func(a string) error {
		addresses = append(addresses, a)
		return nil
	})
	flag.Parse()

	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	subs := subscriptions(*network, addresses, *blocks)
	if len(subs) == 0 {
		demo, err := startDemo(ctx)
		if err != nil {
			log.Error("demo", "error", err)
			os.Exit(1)
		}
		defer demo.close()
		ctx, *endpoint, subs = demo.ctx, demo.endpoint(), demo.subscriptions()
	}
	if err := watch(ctx, log, *endpoint, subs); err != nil {
		log.Error("addresswatch failed", "error", err)
		os.Exit(1)
	}
	log.Info("addresswatch ended, everything was handled")
}

func subscriptions(network string, addresses []string, blocks bool) []blockio.Subscription {
	var subs []blockio.Subscription
	for _, a := range addresses {
		subs = append(subs, blockio.Subscription{Network: network, Type: blockio.TypeAddress, Address: a})
	}
	if blocks {
		subs = append(subs, blockio.Subscription{Network: network, Type: blockio.TypeNewBlocks})
	}
	return subs
}

// watch listens until ctx ends. The return of Run is the wait for the handlers.
func watch(ctx context.Context, log *slog.Logger, endpoint string, subs []blockio.Subscription) error {
	books := newLedger()
	var events bitcart.Dispatcher
	bitcart.On(&events, func(_ context.Context, ev *bitcart.Event, p blockio.AddressEvent) error {
		return credit(log, books, ev, p)
	})
	bitcart.On(&events, func(_ context.Context, _ *bitcart.Event, b blockio.NewBlocksEvent) error {
		log.Info("block", "network", b.Network, "height", b.BlockNo, "confirmations", b.Confirmations)
		return nil
	})
	stream, err := blockio.NewStream(&events,
		blockio.WithEndpoint(endpoint),
		blockio.WithLogger(log),
		blockio.WithBackoff(100*time.Millisecond, 30*time.Second),
		blockio.WithOnGap(func(_ context.Context, gap blockio.Gap) {
			// The service replays nothing. WithBackfill is the place to ask
			// its REST interface for what was missed.
			log.Warn("look these up by REST", "from", gap.From, "to", gap.To, "subscriptions", gap.Subscriptions)
		}),
		blockio.WithOnRefused(func(_ context.Context, err *blockio.SubscriptionError) {
			log.Error("not watched", "error", err)
		}))
	if err != nil {
		return err
	}
	if err := stream.Subscribe(ctx, subs...); err != nil {
		return err
	}
	return stream.Run(ctx)
}

// credit counts a payment once, when it has the most confirmations that the
// service counts. An event can come again, and comes for each confirmation.
func credit(log *slog.Logger, books *ledger, ev *bitcart.Event, p blockio.AddressEvent) error {
	log.Info("change", "address", p.Address, "amount", p.BalanceChange, "txid", p.TxID,
		"confirmations", p.Confirmations, "attempt", ev.Attempt)
	if !p.Final() || !p.BalanceChange.IsPositive() {
		return nil
	}
	fresh, err := books.credit(p.Network, p.Address, p.TxID, p.BalanceChange)
	if err != nil {
		return bitcart.Retry(err, 0) // the event stays; this address's later ones wait
	}
	if fresh {
		log.Info("credited", "address", p.Address, "amount", p.BalanceChange, "txid", p.TxID)
	}
	return nil
}
