// Balance prints what a wallet holds.
//
// Without flags it starts a daemon inside this process with a funded wallet.
// With -url and -xpub it asks a running daemon:
//
//	go run ./examples/balance -url http://localhost:5000 -xpub <xpub>
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
	"github.com/shopspring/decimal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Stdout, os.Args[1:])
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	url, user, password, currency string
	wallet                        bitcart.Wallet
}

func readFlags(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("balance", flag.ContinueOnError)
	flags.StringVar(&s.url, "url", "", "a daemon's URL; empty = a daemon inside this process")
	flags.StringVar(&s.user, "user", "electrum", "the daemon's user")
	flags.StringVar(&s.password, "password", "electrumz", "the daemon's password")
	flags.StringVar(&s.currency, "currency", "BTC", "the daemon's currency")
	flags.StringVar(&s.wallet.Xpub, "xpub", "", "the wallet")
	flags.StringVar(&s.wallet.Contract, "contract", "", "the contract, for a wallet of tokens")
	flags.StringVar(&s.wallet.Address, "address", "", "the address, for a wallet of XMR")
	err := flags.Parse(args)
	if err == nil && s.url != "" && s.wallet.Xpub == "" {
		err = errors.New("whose balance? give -xpub")
	}
	return s, err
}

func run(ctx context.Context, out io.Writer, args []string) error {
	s, err := readFlags(args)
	if err != nil {
		return err
	}
	if s.url == "" {
		daemon, err := demo(&s)
		if err != nil {
			return err
		}
		defer daemon.Close()
	}
	coin, err := bitcart.NewCoin(s.currency,
		bitcart.WithURL(s.url), bitcart.WithBasicAuth(s.user, s.password), bitcart.WithWallet(s.wallet))
	if err != nil {
		return err
	}
	defer coin.CloseIdleConnections()

	// A wallet that the daemon opens for the first time is synchronized first.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	balance, err := coin.Balance(ctx)
	if err != nil {
		return err
	}
	show(out, coin.Currency(), balance)
	return nil
}

func show(out io.Writer, currency string, b *bitcart.Balance) {
	for _, part := range []struct {
		name   string
		amount decimal.Decimal
	}{
		{"confirmed", b.Confirmed}, {"unconfirmed", b.Unconfirmed}, {"unmatured", b.Unmatured}, {"lightning", b.Lightning},
	} {
		fmt.Fprintf(out, "%-12s %s %s\n", part.name, part.amount, currency)
	}
}

// demo starts a daemon inside this process and gives a wallet of it something.
func demo(s *settings) (*bitcarttest.Daemon, error) {
	daemon, err := bitcarttest.NewDaemon(s.currency)
	if err != nil {
		return nil, err
	}
	s.url, s.wallet = daemon.URL(), bitcart.Wallet{Xpub: daemon.NewWallet()}
	if s.currency == "XMR" {
		s.wallet.Address = daemon.NewAddress() // a view key goes with an address; its balance is always zero
		return daemon, nil
	}
	err = daemon.Load(s.wallet.Xpub)
	if err == nil {
		err = daemon.SetBalance(s.wallet.Xpub, bitcarttest.Balance{Confirmed: "1.25", Unconfirmed: "0.5"})
	}
	if err != nil {
		daemon.Close()
		return nil, err
	}
	return daemon, nil
}
