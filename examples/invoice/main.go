// Invoice makes a payment request, shows its link and a QR code, and waits
// until it is paid.
//
// Without flags it starts a daemon inside this process, which pays the request
// a moment later. With -url and -xpub it asks a running daemon:
//
//	cd examples/invoice
//	go run . -url http://localhost:5000 -xpub <xpub> -amount 0.001 -description "Coffee"
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
	"github.com/mdp/qrterminal/v3"
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
	request                       bitcart.RequestParams
	payer                         string
	lightning                     bool
}

func readFlags(args []string) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("invoice", flag.ContinueOnError)
	flags.StringVar(&s.url, "url", "", "a daemon's URL; empty = a daemon inside this process")
	flags.StringVar(&s.user, "user", "electrum", "the daemon's user")
	flags.StringVar(&s.password, "password", "electrumz", "the daemon's password")
	flags.StringVar(&s.currency, "currency", "BTC", "the daemon's currency")
	flags.StringVar(&s.wallet.Xpub, "xpub", "", "the wallet that is paid")
	flags.StringVar(&s.wallet.Contract, "contract", "", "the contract, for a wallet of tokens")
	flags.StringVar(&s.wallet.Address, "address", "", "the address, for a wallet of XMR")
	amount := flags.String("amount", "0.001", "what is to be paid")
	flags.StringVar(&s.request.Description, "description", "Coffee", "what it is for")
	flags.DurationVar(&s.request.Expiry, "expiry", 15*time.Minute, "how long it can be paid")
	flags.StringVar(&s.payer, "payer", "", "who will pay: ETH, BNB, MATIC and TRX find a payment by its sender")
	flags.BoolVar(&s.lightning, "lightning", false, "make a lightning invoice; the wallet is a seed then")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	value, err := decimal.NewFromString(*amount)
	if err != nil {
		return s, fmt.Errorf("-amount: %w", err)
	}
	s.request.Amount = decimal.NewNullDecimal(value)
	if s.url != "" && s.wallet.Xpub == "" {
		return s, errors.New("who is paid? give -xpub")
	}
	return s, nil
}

func run(ctx context.Context, out io.Writer, args []string) error {
	s, err := readFlags(args)
	if err != nil {
		return err
	}
	shown := func(*bitcart.Request) error { return nil }
	if s.url == "" {
		d, err := startDemo(&s)
		if err != nil {
			return err
		}
		defer d.Close()
		shown = d.pay
	}
	changed := make(chan struct{}, 1)
	coin, err := s.coin(changed)
	if err != nil {
		return err
	}
	defer coin.CloseIdleConnections()

	streaming, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- coin.StartWebsocket(streaming) }()
	request, err := s.takePayment(ctx, out, coin, changed, ended, shown)
	stop()
	if streamErr := <-ended; err == nil {
		err = streamErr
	}
	if err != nil {
		return err
	}
	return outcome(out, request)
}

// coin is the wallet. changed gets a value when the request may have changed:
// at every payment event, and when events may have been missed.
func (s settings) coin(changed chan<- struct{}) (*bitcart.Coin, error) {
	look := func() {
		select {
		case changed <- struct{}{}:
		default: // somebody will look already
		}
	}
	coin, err := bitcart.NewCoin(s.currency,
		bitcart.WithURL(s.url), bitcart.WithBasicAuth(s.user, s.password), bitcart.WithWallet(s.wallet),
		bitcart.WithHooks(bitcart.Hooks{OnGap: func(context.Context, bitcart.Gap) { look() }}))
	if err != nil {
		return nil, err
	}
	bitcart.On(coin, func(context.Context, *bitcart.Event, bitcart.NewPayment) error {
		look()
		return nil
	})
	return coin, nil
}

// takePayment makes a request, shows it, and returns it when it is paid or too
// late. ended gets the end of the stream, and is given back what was taken.
func (s settings) takePayment(ctx context.Context, out io.Writer, coin *bitcart.Coin, changed <-chan struct{}, ended chan error,
	shown func(*bitcart.Request) error) (*bitcart.Request, error) {
	if err := watched(ctx, coin, ended); err != nil {
		return nil, err
	}
	request, err := s.ask(ctx, coin)
	if err != nil {
		return nil, err
	}
	show(out, request)
	if err := shown(request); err != nil {
		return nil, err
	}
	return await(ctx, out, coin, request, changed, ended)
}

// watched waits until the daemon watches the wallet: a payment to an address that
// is shown earlier may cause no event.
func watched(ctx context.Context, coin *bitcart.Coin, ended chan error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	armed := make(chan error, 1)
	go func() { armed <- coin.WaitArmed(ctx) }()
	select {
	case err := <-armed:
		return err
	case err := <-ended:
		ended <- err
		cancel()
		<-armed
		return errors.Join(errors.New("the stream has ended"), err)
	}
}

func (s settings) ask(ctx context.Context, coin *bitcart.Coin) (*bitcart.Request, error) {
	if s.lightning {
		return coin.AddInvoice(ctx, s.request)
	}
	request, err := coin.AddRequest(ctx, s.request)
	if err != nil || s.payer == "" {
		return request, err
	}
	return request, coin.SetRequestAddress(ctx, request.Key, s.payer)
}

func show(out io.Writer, r *bitcart.Request) {
	link := payLink(r)
	fmt.Fprintf(out, "pay %s %s", r.Amount.Decimal, r.Symbol)
	if !r.ExpiresAt.IsZero() {
		fmt.Fprintf(out, " until %s", r.ExpiresAt.Format(time.TimeOnly))
	}
	fmt.Fprintf(out, "\n%s\n\n", link)
	qrterminal.GenerateHalfBlock(link, qrterminal.L, out)
	fmt.Fprintln(out)
}

// payLink is what a payer's wallet reads.
func payLink(r *bitcart.Request) string {
	switch {
	case r.LightningInvoice != "":
		return "lightning:" + r.LightningInvoice
	case r.URI != "":
		return r.URI
	}
	return r.Address
}

// await reads the request whenever it may have changed: what an event says can
// be old when it arrives, the daemon's answer is not. No event tells of the
// expiry, so a clock does.
func await(
	ctx context.Context, out io.Writer, coin *bitcart.Coin, request *bitcart.Request,
	changed <-chan struct{}, ended chan error,
) (*bitcart.Request, error) {
	told := request.StatusStr
	look := untilLate(request)
	for {
		select {
		case <-changed:
		case <-look:
		case err := <-ended:
			ended <- err
			return nil, errors.Join(errors.New("the stream has ended"), err)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		now, err := coin.GetRequest(ctx, request.Key)
		if errors.Is(err, bitcart.ErrConnectionFailed) && ctx.Err() == nil {
			look = time.After(time.Second) // the daemon is restarted, say; it may be paid all the same
			continue
		}
		if err != nil {
			return nil, err
		}
		if now.Status == bitcart.StatusPaid || now.Status == bitcart.StatusExpired {
			return now, nil
		}
		if told != now.StatusStr {
			told = now.StatusStr
			fmt.Fprintln(out, now.Status, "received", now.SentAmount.Decimal)
		}
		look = untilLate(request)
	}
}

// untilLate ticks when the request's time is over, or a second from now where
// the daemon's clock says so later; never for one without an end.
func untilLate(r *bitcart.Request) <-chan time.Time {
	if r.ExpiresAt.IsZero() {
		return nil
	}
	return time.After(max(0, time.Until(r.ExpiresAt)) + time.Second)
}

func outcome(out io.Writer, r *bitcart.Request) error {
	if r.Status != bitcart.StatusPaid {
		return errors.New("nobody has paid in time")
	}
	fmt.Fprintln(out, "paid, thank you:", r.TxHashes)
	return nil
}
