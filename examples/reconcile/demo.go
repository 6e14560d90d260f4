package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// shop is a worker on a daemon inside this process, where things go wrong.
type shop struct {
	*worker
	daemon *bitcarttest.Daemon
	paid   []string // keys of the requests that were paid
}

// demo pays some requests, most of them without an event, waits until each is
// credited, and returns how each payment was found.
func demo(ctx context.Context, log *slog.Logger, currency string) (by []string, err error) {
	daemon, err := bitcarttest.NewDaemon(currency)
	if err != nil {
		return nil, err
	}
	defer daemon.Close()
	wallet := bitcart.Wallet{Xpub: daemon.NewWallet()}
	if currency == "XMR" {
		wallet.Address = daemon.NewAddress() // a view key goes with an address
	}
	w, err := newWorker(log, newOrders(), time.Second, currency, bitcart.WithURL(daemon.URL()), bitcart.WithWallet(wallet),
		bitcart.WithStream(bitcart.StreamConfig{BackoffMin: 50 * time.Millisecond}))
	if err != nil {
		return nil, err
	}
	w.ended = make(chan string, 1000)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	by, err = (&shop{worker: w, daemon: daemon}).open(ctx)
	cancel()
	return by, errors.Join(err, <-ended)
}

// open is a day of the shop.
func (s *shop) open(ctx context.Context) (by []string, err error) {
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		what       string
		pay        func(ctx context.Context, key string) error
		reconnects bool
	}{
		{"while all is well", s.pay, false},
		{"while the daemon was down", s.duringRestart, true},
		{"during a lost connection, and the daemon lost the event", s.duringOutage, true},
		{"while connected, and the daemon lost the event", s.unheard, false},
		{"after the daemon had told of all others again", s.afterRepeats, false},
	} {
		told, err := s.sell(ctx, step.pay)
		if err == nil && step.reconnects {
			err = s.settle(ctx)
		}
		if err != nil {
			return by, fmt.Errorf("%s: %w", step.what, err)
		}
		by = append(by, told)
		fmt.Printf("PAID %-56s CREDITED BY %s\n", step.what, told)
	}
	return by, nil
}

// settle waits for the reading that follows a connect.
func (s *shop) settle(ctx context.Context) error {
	for {
		select {
		case why := <-s.ended:
			if why == connected {
				return nil
			}
		case <-ctx.Done():
			return errors.New("no connection was followed by a reading")
		}
	}
}

// sell makes a payment request, has it paid, and waits until it is credited.
func (s *shop) sell(ctx context.Context, pay func(context.Context, string) error) (by string, err error) {
	// The wallet is watched from here on, so an address may be shown.
	if err := s.coin.WaitArmed(ctx); err != nil {
		return "", err
	}
	amount := decimal.NewNullDecimal(decimal.RequireFromString("0.1"))
	request, err := s.coin.AddRequest(ctx, bitcart.RequestParams{Amount: amount})
	if err != nil {
		return "", err
	}
	order := s.orders.add(request.Key)
	if err := pay(ctx, request.Key); err != nil {
		return "", err
	}
	select {
	case <-order.credited:
		s.paid = append(s.paid, request.Key)
		return order.by, nil
	case <-ctx.Done():
		return "", errors.New("the payment was not credited")
	}
}

func (s *shop) pay(_ context.Context, key string) error {
	if _, err := s.daemon.Pay(s.coin.WalletKey(), key, bitcarttest.Transfer{From: s.daemon.NewAddress()}); err != nil {
		return err
	}
	s.daemon.Mine(1)
	return nil
}

// duringRestart: a restarted daemon watches no wallet until it is loaded. An
// account daemon then looks at its last blocks and reports the payment after all;
// the other daemons never do.
func (s *shop) duringRestart(ctx context.Context, key string) error {
	faults := s.daemon.Faults()
	faults.Stop(bitcarttest.RST)
	if err := s.pay(ctx, key); err != nil {
		return err
	}
	return faults.Start(ctx)
}

// duringOutage: the connection is lost, and the event is in no queue either,
// because the daemon's write to some other client failed. No gap is reported.
func (s *shop) duringOutage(ctx context.Context, key string) error {
	faults := s.daemon.Faults()
	faults.RefuseUpgrade(http.StatusBadGateway, "a proxy is restarted")
	defer faults.AcceptUpgrade()
	faults.CutSockets(bitcarttest.FIN)
	faults.SkipAppend(100)
	defer faults.SkipAppend(0)
	return s.pay(ctx, key)
}

// unheard: the same while the connection stands. Only the interval finds it.
func (s *shop) unheard(ctx context.Context, key string) error {
	faults := s.daemon.Faults()
	faults.BlackHole(true)
	defer faults.BlackHole(false)
	faults.SkipAppend(100)
	defer faults.SkipAppend(0)
	return s.pay(ctx, key)
}

// afterRepeats: daemons send events again. What is credited is not credited again.
func (s *shop) afterRepeats(ctx context.Context, key string) error {
	for _, old := range s.paid {
		again := map[string]any{"event": "new_payment", "address": old, "status": bitcart.StatusPaid, "status_str": "Paid"}
		if err := s.daemon.Emit(s.coin.WalletKey(), again); err != nil {
			return err
		}
	}
	return s.pay(ctx, key)
}
