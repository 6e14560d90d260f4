package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
	"github.com/shopspring/decimal"
)

// demo starts a daemon inside this process and lets a payment arrive twice:
// heard by websocket, then by polling. Everything crosses a real socket.
func demo(ctx context.Context, currency string) error {
	daemon, err := bitcarttest.NewDaemon(currency)
	if err != nil {
		return err
	}
	defer daemon.Close()
	fmt.Println("daemon:", daemon.URL())

	fmt.Println("\nby websocket:")
	err = hear(ctx, currency, daemon, func(ctx context.Context, coin *bitcart.Coin) error {
		return coin.StartWebsocket(ctx)
	})
	if err != nil {
		return err
	}
	fmt.Println("\nby polling:")
	return hear(ctx, currency, daemon, func(ctx context.Context, coin *bitcart.Coin) error {
		return coin.PollUpdates(ctx, 100*time.Millisecond)
	})
}

// hear runs a stream for a new wallet, pays a request, and ends the stream
// when it is paid.
func hear(ctx context.Context, currency string, daemon *bitcarttest.Daemon,
	stream func(context.Context, *bitcart.Coin) error) error {
	wallet := bitcart.Wallet{Xpub: daemon.NewWallet()}
	if currency == "XMR" {
		wallet.Address = daemon.NewAddress() // a view key goes with an address
	}
	coin, err := bitcart.NewCoin(currency, bitcart.WithURL(daemon.URL()), bitcart.WithWallet(wallet))
	if err != nil {
		return err
	}
	ctx, paid := context.WithTimeout(ctx, 30*time.Second)
	defer paid()
	printEvents(coin, paid)
	ended := make(chan error, 1)
	go func() { ended <- stream(ctx, coin) }()

	// The wallet is watched from here on: now an address may be shown.
	err = coin.WaitArmed(ctx)
	if err == nil {
		err = pay(ctx, coin, daemon)
	}
	if err != nil {
		paid()
		<-ended
		return err
	}
	if err := <-ended; err != nil {
		return err
	}
	if ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("the payment was not heard within 30 s")
	}
	return nil
}

// pay creates a payment request, pays it, and mines blocks until it is paid.
func pay(ctx context.Context, coin *bitcart.Coin, daemon *bitcarttest.Daemon) error {
	var request struct {
		ID      string `json:"request_id"`
		Address string `json:"address"`
	}
	method := "add_request"
	if coin.Currency() == "BCH" || coin.Currency() == "XRG" {
		method = "addrequest"
	}
	amount := decimal.RequireFromString("0.05")
	if err := coin.Call(ctx, &request, method, bitcart.Named{"amount": amount}); err != nil {
		return err
	}
	key := cmp.Or(request.ID, request.Address) // BCH and XRG name a request by its address
	fmt.Printf("payment request %s for %s %s to %s\n", key, amount, coin.Currency(), request.Address)
	txid, err := daemon.Pay(coin.WalletKey(), key, bitcarttest.Transfer{From: daemon.NewAddress()})
	if err != nil {
		return err
	}
	fmt.Println("paid by", txid)
	daemon.Mine(1)
	return nil
}
