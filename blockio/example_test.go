package blockio_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

// A web hook from its creation to an event, against a service in the process.
func Example() {
	service, err := blockiotest.New(blockiotest.WithAccount("key", "BTC", "3cBraN1Q"))
	if err != nil {
		log.Fatal(err)
	}
	defer service.Close()

	var shop bitcart.Dispatcher
	bitcart.On(&shop, func(_ context.Context, ev *bitcart.Event, p blockio.AddressEvent) error {
		fmt.Println(ev.Source, p.Network, p.Address, p.BalanceChange, p.Final())
		return nil
	})
	receiver, err := blockio.NewReceiver(&shop, blockio.WithVerifier(blockio.BasicAuth("shop", "password")))
	if err != nil {
		log.Fatal(err)
	}
	web := httptest.NewServer(receiver)
	defer web.Close()

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client, err := blockio.NewClient("key", blockio.WithBaseURL(service.URL()), blockio.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	n, created, err := client.EnsureNotification(ctx, blockio.CreateRequest{
		Type: blockio.TypeAccount,
		URL:  "http://shop:password@" + web.Listener.Addr().String() + "/hooks",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n.Network, n.Type, n.Enabled, created)

	payment := blockio.AddressEvent{
		Network: "BTC", Address: "3cBraN1Q", TxID: "7af5cf9f2", Confirmations: 3,
		BalanceChange: decimal.RequireFromString("0.01"), AmountReceived: decimal.RequireFromString("0.01"),
	}
	if err := service.Emit("BTC", blockio.EventAddress, payment); err != nil {
		log.Fatal(err)
	}
	if err := service.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// BTC account true true
	// webhook BTC 3cBraN1Q 0.01 true
}

// Facts that come by web hook and by web socket are handled once.
func ExampleOncePerSubject() {
	var shop bitcart.Dispatcher
	shop.On(blockio.EventAddress, blockio.OncePerSubject(func(_ context.Context, ev *bitcart.Event) error {
		fmt.Println("credited by", ev.Source)
		return nil
	}, blockio.NewMemorySeen(100_000)))

	fact := bitcart.NewUpdate(blockio.EventAddress, blockio.AddressEvent{Network: "BTC", Address: "3cBraN1Q", TxID: "7af5cf9f2"})
	_ = shop.ProcessUpdates(context.Background(), []bitcart.Update{
		fact.From("BTC", "3cBraN1Q", bitcart.SourceStream),
		fact.From("BTC", "3cBraN1Q", bitcart.SourceWebhook),
	})
	// Output: credited by stream
}

// Every notification of the account, page by page.
func ExampleClient_Notifications() {
	client, err := blockio.NewClient("key")
	if err != nil {
		log.Fatal(err)
	}
	for n, err := range client.Notifications(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(n) // without what guards its URL
	}
}

// The service tells of a payment at each count of confirmations, and each of
// these events has a subject of its own: credit at the last count, by
// transaction and address.
func ExampleAddressEvent_Final() {
	type key struct{ network, txid, address string }
	credited := map[key]bool{} // stands for a table of a database
	var shop bitcart.Dispatcher
	bitcart.On(&shop, func(_ context.Context, _ *bitcart.Event, p blockio.AddressEvent) error {
		k := key{p.Network, p.TxID, p.Address}
		if !p.Final() || !p.BalanceChange.IsPositive() || credited[k] {
			return nil
		}
		credited[k] = true
		fmt.Println("credited", p.BalanceChange, "at", p.Confirmations)
		return nil
	})

	payment := blockio.AddressEvent{Network: "BTC", Address: "3cBraN1Q", TxID: "7af5cf9f2", BalanceChange: decimal.RequireFromString("0.01")}
	for _, payment.Confirmations = range []int{0, 1, 3, 3} {
		_ = shop.ProcessUpdates(context.Background(), []bitcart.Update{bitcart.NewUpdate(blockio.EventAddress, payment)})
	}
	// Output: credited 0.01 at 3
}
