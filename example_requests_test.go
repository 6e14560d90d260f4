package bitcart_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// shop is a Coin of a new wallet. A service uses its own daemon's URL instead.
func shop(currency string) (daemon *bitcarttest.Daemon, coin *bitcart.Coin, done func()) {
	daemon, err := bitcarttest.NewDaemon(currency)
	if err != nil {
		log.Fatal(err)
	}
	coin, err = bitcart.NewCoin(currency, bitcart.WithURL(daemon.URL()), bitcart.WithXpub(daemon.NewWallet()))
	if err != nil {
		log.Fatal(err)
	}
	return daemon, coin, func() {
		coin.CloseIdleConnections()
		daemon.Close()
	}
}

// A request is created, paid in part, and read by its key. The same code serves every currency.
func ExampleCoin_AddRequest() {
	daemon, coin, done := shop("LTC")
	defer done()
	ctx := context.Background()

	request, err := coin.AddRequest(ctx, bitcart.RequestParams{
		Amount:      decimal.NewNullDecimal(decimal.RequireFromString("0.5")),
		Description: "Order 17",
		Expiry:      time.Hour,
	})
	if err != nil {
		log.Fatal(err) // if it matches bitcart.ErrMaybeSent, the request may exist all the same
	}
	fmt.Println(request.Status, request.Amount.Decimal, request.Symbol, request.ExpiresAt.Sub(request.Created))
	// Show request.URI to the payer, and store request.Key: payment events name it.

	if _, err := daemon.Pay(coin.WalletKey(), request.Key, bitcarttest.Transfer{Amount: "0.2"}); err != nil {
		log.Fatal(err)
	}
	request, err = coin.GetRequest(ctx, request.Key)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(request.Status, "received", request.SentAmount.Decimal, "remaining", request.Remaining().Decimal)
	// Output:
	// unpaid 0.5 LTC 1h0m0s
	// unpaid received 0.2 remaining 0.3
}

// Daemons of ETH, BNB, MATIC and TRX find a payment by its sender, so they must know who will pay.
func ExampleCoin_SetRequestAddress() {
	daemon, coin, done := shop("ETH")
	defer done()
	ctx := context.Background()

	request, err := coin.AddRequest(ctx, bitcart.RequestParams{Amount: decimal.NewNullDecimal(decimal.RequireFromString("1.5"))})
	if err != nil {
		log.Fatal(err)
	}
	const payer = "0x2222222222222222222222222222222222222222"
	if err := coin.SetRequestAddress(ctx, request.Key, payer); err != nil && !errors.Is(err, bitcart.ErrUnsupported) {
		log.Fatal(err) // ErrUnsupported: this currency does not need it
	}
	if _, err := daemon.Pay(coin.WalletKey(), request.Key, bitcarttest.Transfer{From: payer}); err != nil {
		log.Fatal(err)
	}
	request, err = coin.GetRequest(ctx, request.Key)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(request.Status, request.SentAmount.Decimal, request.Symbol)
	// Output:
	// paid 1.5 ETH
}

// After a gap a worker reads the open requests. The filter works for every daemon: where the daemon
// has none, the library filters.
func ExampleCoin_ListRequests() {
	_, coin, done := shop("ETH")
	defer done()
	ctx := context.Background()

	for _, order := range []string{"Order 1", "Order 2"} {
		if _, err := coin.AddRequest(ctx, bitcart.RequestParams{Description: order}); err != nil {
			log.Fatal(err)
		}
	}
	open, err := coin.ListRequests(ctx, bitcart.RequestFilter{Pending: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(open), "requests are open")
	// Output:
	// 2 requests are open
}

func ExampleCoin_GetRequest() {
	_, coin, done := shop("BCH")
	defer done()
	_, err := coin.GetRequest(context.Background(), "qr0khg85tm5vryezw7cfs8n2j4hk0hrsevpk5prj0p")
	fmt.Println(errors.Is(err, bitcart.ErrRequestNotFound))
	// Output:
	// true
}

// Lightning depends on the currency, on the daemon's settings and on the wallet.
func ExampleCoin_AddInvoice() {
	for _, currency := range []string{"ETH", "BTC"} {
		_, coin, done := shop(currency)
		_, err := coin.AddInvoice(context.Background(), bitcart.RequestParams{})
		switch {
		case errors.Is(err, bitcart.ErrUnsupported):
			fmt.Println(currency, "has no lightning")
		case errors.Is(err, bitcart.ErrLightningDisabled):
			fmt.Println("the daemon has it switched off")
		case errors.Is(err, bitcart.ErrLightningUnsupported):
			fmt.Println("the wallet holds no key")
		}
		done()
	}
	// Output:
	// ETH has no lightning
	// the wallet holds no key
}

// Amounts are converted between coins and satoshis without rounding.
func ExampleToUnits() {
	units, err := bitcart.ToUnits(decimal.RequireFromString("0.00012345"), 8)
	fmt.Println(units, err)
	_, err = bitcart.ToUnits(decimal.RequireFromString("0.000000001"), 8)
	fmt.Println(errors.Is(err, bitcart.ErrInexact))
	fmt.Println(bitcart.FromUnits(units, 8))
	// Output:
	// 12345 <nil>
	// true
	// 0.00012345
}
