package main

import (
	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
	"github.com/shopspring/decimal"
)

// demo starts a daemon inside this process, gives a wallet of it something to
// spend, and chooses three recipients.
func demo(s *settings) (*bitcarttest.Daemon, error) {
	daemon, err := bitcarttest.NewDaemon(s.currency)
	if err != nil {
		return nil, err
	}
	s.url, s.xpub = daemon.URL(), "test test test test test test test test test test test junk"
	for _, amount := range []string{"0.1", "0.25", "0.3"} {
		s.outputs = append(s.outputs, bitcart.Output{Address: daemon.NewAddress(), Amount: decimal.RequireFromString(amount)})
	}
	err = daemon.Load(s.xpub)
	if err == nil {
		err = daemon.SetBalance(s.xpub, bitcarttest.Balance{Confirmed: "100"})
	}
	if err != nil {
		daemon.Close()
		return nil, err
	}
	daemon.Faults().DropAnswer("broadcast", 1)
	return daemon, nil
}
