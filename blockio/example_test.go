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
