package main

import (
	"context"
	"time"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// demo is a daemon inside this process whose wallet is paid a few times.
type demo struct {
	daemon *bitcarttest.Daemon
	wallet string
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
}

func startDemo(ctx context.Context, currency string) (*demo, error) {
	daemon, err := bitcarttest.NewDaemon(currency)
	if err != nil {
		return nil, err
	}
	d := &demo{daemon: daemon, wallet: daemon.NewWallet(), ended: make(chan struct{})}
	d.ctx, d.cancel = context.WithTimeout(ctx, 4*time.Second)
	go d.payments(currency)
	return d, nil
}

func (d *demo) url() string { return d.daemon.URL() }

func (d *demo) close() {
	d.cancel()
	<-d.ended
	d.daemon.Close()
}

// payments creates a request every second and pays it.
func (d *demo) payments(currency string) {
	defer close(d.ended)
	coin, err := bitcart.NewCoin(currency, bitcart.WithURL(d.url()), bitcart.WithXpub(d.wallet))
	if err != nil {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-d.ctx.Done():
			return
		case <-tick.C:
		}
		amount := decimal.NewNullDecimal(decimal.RequireFromString("0.1"))
		request, err := coin.AddRequest(d.ctx, bitcart.RequestParams{Amount: amount})
		if err != nil {
			return
		}
		if _, err := d.daemon.Pay(d.wallet, request.Key, bitcarttest.Transfer{}); err != nil {
			return
		}
		d.daemon.Mine(1)
	}
}
