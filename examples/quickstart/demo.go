package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// demo starts a daemon inside this process and has two payments arrive: one is
// received by websocket, the other by polling. Everything crosses a real socket.
func demo(ctx context.Context, currency string) error {
	daemon, err := bitcarttest.NewDaemon(currency)
	if err != nil {
		return err
	}
	defer daemon.Close()
	fmt.Println("daemon:", daemon.URL())

	fmt.Println("\nby websocket:")
	err = receive(ctx, currency, daemon, func(ctx context.Context, coin *bitcart.Coin) error {
		return coin.StartWebsocket(ctx)
	})
	if err != nil {
		return err
	}
	fmt.Println("\nby polling:")
	return receive(ctx, currency, daemon, func(ctx context.Context, coin *bitcart.Coin) error {
		return coin.PollUpdates(ctx, 100*time.Millisecond)
	})
}

// receive runs a stream for a new wallet, pays a request, and ends the stream
// when it is paid.
func receive(ctx context.Context, currency string, daemon *bitcarttest.Daemon,
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

	// The wallet is watched from here on, so an address may be shown.
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
		return fmt.Errorf("no event of the payment came within 30 s")
	}
	return nil
}

// pay creates a payment request, pays it, and mines a block, which confirms it.
func pay(ctx context.Context, coin *bitcart.Coin, daemon *bitcarttest.Daemon) error {
	amount := decimal.RequireFromString("0.05")
	request, err := coin.AddRequest(ctx, bitcart.RequestParams{Amount: decimal.NewNullDecimal(amount)})
	if err != nil {
		return err
	}
	fmt.Printf("payment request %s for %s %s to %s\n", request.Key, amount, request.Symbol, request.Address)
	payer := daemon.NewAddress()
	// Daemons of ETH, BNB, MATIC and TRX find a payment by its sender; the others do not need it.
	err = coin.SetRequestAddress(ctx, request.Key, payer)
	if err != nil && !errors.Is(err, bitcart.ErrUnsupported) {
		return err
	}
	txid, err := daemon.Pay(coin.WalletKey(), request.Key, bitcarttest.Transfer{From: payer})
	if err != nil {
		return err
	}
	fmt.Println("paid by", txid)
	daemon.Mine(1)
	return nil
}
