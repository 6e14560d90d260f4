// Payout pays many recipients in one transaction, with a fee that it chooses
// once the size of the transaction is known. Daemons that cannot pay many at
// once (ETH, BNB, MATIC, TRX) are asked for one payment each.
//
// Without flags it starts a daemon inside this process, whose first answer to a
// broadcast is lost on purpose, and pays from a wallet there. With -url, -xpub
// and -to it pays from a wallet of a running daemon; -xpub is then the wallet's
// seed or private key. -dry only signs.
//
//	go run ./examples/payout -url http://localhost:5000 -xpub <seed> -to <address>=0.01 -to <address>=0.02
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/bitcart-go/bitcart"
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
	url, user, password, currency, xpub string
	outputs                             []bitcart.Output
	maxFee                              decimal.Decimal
	dry                                 bool
}

func readFlags(args []string) (settings, error) {
	s := settings{maxFee: decimal.RequireFromString("0.0005")}
	flags := flag.NewFlagSet("payout", flag.ContinueOnError)
	flags.StringVar(&s.url, "url", "", "a daemon's URL; empty = a daemon inside this process")
	flags.StringVar(&s.user, "user", "electrum", "the daemon's user")
	flags.StringVar(&s.password, "password", "electrumz", "the daemon's password")
	flags.StringVar(&s.currency, "currency", "BTC", "the daemon's currency")
	flags.StringVar(&s.xpub, "xpub", "", "the wallet that pays: a seed or a private key")
	flags.BoolVar(&s.dry, "dry", false, "sign, but do not broadcast")
	flags.Func("to", "`address=amount`, as often as there are recipients", s.addOutput)
	maxFee := "the highest `fee` of a transaction, in coins (default " + s.maxFee.String() + ")"
	flags.Func("max-fee", maxFee, func(text string) (err error) {
		s.maxFee, err = decimal.NewFromString(text)
		return err
	})
	err := flags.Parse(args)
	if err == nil && s.url != "" && (s.xpub == "" || len(s.outputs) == 0) {
		err = errors.New("who pays whom? give -xpub and -to")
	}
	return s, err
}

func (s *settings) addOutput(text string) error {
	address, amount, found := strings.Cut(text, "=")
	value, err := decimal.NewFromString(amount)
	if !found || err != nil {
		return errors.New("is not address=amount")
	}
	s.outputs = append(s.outputs, bitcart.Output{Address: address, Amount: value})
	return nil
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
		bitcart.WithURL(s.url), bitcart.WithBasicAuth(s.user, s.password), bitcart.WithXpub(s.xpub))
	if err != nil {
		return err
	}
	defer coin.CloseIdleConnections()
	if err := showBalance(ctx, out, coin, "before:"); err != nil {
		return err
	}
	if err := s.payAll(ctx, out, coin); err != nil {
		return err
	}
	return showBalance(ctx, out, coin, "after: ")
}

func showBalance(ctx context.Context, out io.Writer, coin *bitcart.Coin, when string) error {
	b, err := coin.Balance(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, when, b.Confirmed.Add(b.Unconfirmed), coin.Currency())
	return nil
}

// payAll pays everybody in one transaction, or in one each where the daemon
// cannot do that.
func (s settings) payAll(ctx context.Context, out io.Writer, coin *bitcart.Coin) error {
	opts := s.options(out, coin)
	payout, err := coin.PayToMany(ctx, s.outputs, opts...)
	// By its type: that one comes before any call, so nothing was signed.
	if lacking := new(bitcart.UnsupportedError); !errors.As(err, &lacking) {
		return report(ctx, out, coin, payout, err)
	}
	for _, o := range s.outputs {
		payout, err := coin.PayTo(ctx, o.Address, o.Amount, opts...)
		if err := report(ctx, out, coin, payout, err); err != nil {
			return err
		}
	}
	return nil
}

func (s settings) options(out io.Writer, coin *bitcart.Coin) []bitcart.PayOption {
	var opts []bitcart.PayOption
	if s.dry {
		opts = append(opts, bitcart.WithoutBroadcast())
	}
	if coin.Currency() == "TRX" {
		return opts // its fees cannot be chosen
	}
	return append(opts, bitcart.WithFeeFunc(func(size int, defaultFee decimal.Decimal) (decimal.Decimal, error) {
		fee := decimal.Min(defaultFee, s.maxFee)
		fmt.Fprintf(out, "size %d, usual fee %s, we pay %s\n", size, defaultFee, fee)
		return fee, nil
	}))
}

// report tells what became of a payment, and ends one that is half done.
func report(ctx context.Context, out io.Writer, coin *bitcart.Coin, payout *bitcart.Payout, err error) error {
	var unfinished *bitcart.BroadcastError
	switch {
	case errors.As(err, &unfinished):
		// The money may have left. Paying again could pay twice: only the same
		// transaction may be sent again. A service keeps RawTx until that is done.
		txid, err := finish(ctx, out, coin, unfinished)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "paid by", txid)
		return nil
	case err != nil:
		return err // nothing was paid
	case payout.TxID == "":
		fmt.Fprintln(out, "signed:", payout.RawTx)
		return nil
	}
	fmt.Fprintln(out, "paid by", payout.TxID)
	return nil
}

// finish broadcasts a signed transaction until the network has it.
func finish(ctx context.Context, out io.Writer, coin *bitcart.Coin, b *bitcart.BroadcastError) (txid string, err error) {
	for range 3 {
		fmt.Fprintln(out, "signed, but not known to be sent: sending it again")
		txid, err = coin.Broadcast(ctx, b.RawTx)
		if err == nil {
			return txid, nil
		}
		if errors.Is(err, bitcart.ErrAlreadyBroadcast) {
			return cmp.Or(b.TxID, "a transaction that the network has already"), nil
		}
	}
	return "", err
}
