// Gettx prints a transaction by its hash: its confirmations, and the daemon's
// whole answer, whose form depends on the currency.
//
// Without flags it starts a daemon inside this process, makes a transaction
// there, and looks at it before and after a block. With -url and -txid it asks
// a running daemon:
//
//	go run ./examples/gettx -url http://localhost:5000 -txid <hash>
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
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

func run(ctx context.Context, out io.Writer, args []string) error {
	flags := flag.NewFlagSet("gettx", flag.ContinueOnError)
	url := flags.String("url", "", "a daemon's URL; empty = a daemon inside this process")
	user := flags.String("user", "electrum", "the daemon's user")
	password := flags.String("password", "electrumz", "the daemon's password")
	currency := flags.String("currency", "BTC", "the daemon's currency")
	txid := flags.String("txid", "", "the transaction's hash")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if *url == "" {
		return demo(ctx, out, *currency)
	}
	if *txid == "" {
		return errors.New("which transaction? give -txid")
	}
	coin, err := bitcart.NewCoin(*currency, bitcart.WithURL(*url), bitcart.WithBasicAuth(*user, *password))
	if err != nil {
		return err
	}
	defer coin.CloseIdleConnections()
	return show(ctx, out, coin, *txid)
}

// show prints a transaction. One that the daemon's node does not know is no
// failure of this program.
func show(ctx context.Context, out io.Writer, coin *bitcart.Coin, txid string) error {
	tx, err := coin.GetTx(ctx, txid)
	switch {
	case errors.Is(err, bitcart.ErrTxNotFound):
		fmt.Fprintln(out, "no such transaction:", txid)
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintln(out, "transaction", tx.Hash)
	fmt.Fprintln(out, "confirmations", tx.Confirmations)
	if tx.Height > 0 {
		fmt.Fprintln(out, "block", tx.Height, tx.BlockHash)
	}
	var whole bytes.Buffer
	if err := json.Indent(&whole, tx.Raw, "", "  "); err != nil {
		return err
	}
	fmt.Fprintln(out, whole.String())
	return nil
}

// demo shows a transaction before and after a block, and one that there is not.
func demo(ctx context.Context, out io.Writer, currency string) error {
	daemon, err := bitcarttest.NewDaemon(currency)
	if err != nil {
		return err
	}
	defer daemon.Close()
	wallet := daemon.NewWallet()
	if err := daemon.Load(wallet); err != nil {
		return err
	}
	txid, err := daemon.Send(wallet, bitcarttest.Transfer{Amount: "0.25"})
	if err != nil {
		return err
	}
	coin, err := bitcart.NewCoin(currency, bitcart.WithURL(daemon.URL()))
	if err != nil {
		return err
	}
	defer coin.CloseIdleConnections()
	if err := show(ctx, out, coin, txid); err != nil {
		return err
	}
	daemon.Mine(1)
	if err := show(ctx, out, coin, txid); err != nil {
		return err
	}
	return show(ctx, out, coin, unknown(txid))
}

// unknown is a hash in the form of a known one.
func unknown(txid string) string {
	head := ""
	if strings.HasPrefix(txid, "0x") {
		head = "0x"
	}
	return head + strings.Repeat("0", len(txid)-len(head))
}
