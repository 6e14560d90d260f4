package main

import (
	"strings"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// demo is a daemon inside this process whose request is paid as soon as it is
// shown.
type demo struct {
	*bitcarttest.Daemon
	key   string
	payer string
}

func startDemo(s *settings) (*demo, error) {
	daemon, err := bitcarttest.NewDaemon(s.currency)
	if err != nil {
		return nil, err
	}
	s.url, s.wallet = daemon.URL(), bitcart.Wallet{Xpub: daemon.NewWallet()}
	if s.currency == "XMR" {
		s.wallet.Address = daemon.NewAddress() // a view key goes with an address
	}
	if s.lightning {
		s.wallet.Xpub = strings.Repeat("test ", 11) + "junk" // only a wallet with keys can make invoices
	}
	if daemon.Family() == bitcarttest.Account && s.currency != "XMR" {
		s.payer = daemon.NewAddress()
	}
	return &demo{daemon, s.wallet.Xpub, s.payer}, nil
}

// pay pays a request and mines a block, which confirms the payment.
func (d *demo) pay(r *bitcart.Request) error {
	_, err := d.Pay(d.key, r.Key, bitcarttest.Transfer{From: d.payer})
	if err == nil {
		d.Mine(1)
	}
	return err
}
