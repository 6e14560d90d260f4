package main

import (
	"context"
	"time"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

const (
	demoNetwork = "BTC"
	demoAddress = "3cBraN1QexampleAddress"
)

// demo is a service inside this process, one of whose addresses is paid, and
// which loses its connections once.
type demo struct {
	service *blockiotest.Service
	ctx     context.Context
	cancel  context.CancelFunc
	ended   chan struct{}
}

func startDemo(ctx context.Context) (*demo, error) {
	service, err := blockiotest.New()
	if err != nil {
		return nil, err
	}
	d := &demo{service: service, ended: make(chan struct{})}
	d.ctx, d.cancel = context.WithTimeout(ctx, 30*time.Second)
	go d.play()
	return d, nil
}

func (d *demo) endpoint() string { return d.service.SocketURL() }

func (d *demo) subscriptions() []blockio.Subscription {
	return []blockio.Subscription{
		{Network: demoNetwork, Type: blockio.TypeAddress, Address: demoAddress},
		{Network: demoNetwork, Type: blockio.TypeNewBlocks},
	}
}

func (d *demo) close() {
	d.cancel()
	<-d.ended
	d.service.Close()
}

// play pays the address twice and ends the demo.
func (d *demo) play() {
	defer close(d.ended)
	defer d.cancel()
	d.pay("7af5cf9f2", "0.01000000")
	d.service.Faults().CutSockets(blockiotest.RST)
	d.pay("8bd1e20c7", "0.25000000")
}

// pay tells of a payment as the service does: once for each count of
// confirmations that it knows.
func (d *demo) pay(txid, amount string) {
	wait := func() error {
		return d.service.WaitSubscribed(d.ctx,
			blockiotest.SocketRequest{Network: demoNetwork, Type: "address", Address: demoAddress},
			blockiotest.SocketRequest{Network: demoNetwork, Type: "new-blocks"})
	}
	value := decimal.RequireFromString(amount)
	for _, confirmations := range blockio.AddressConfirmations(demoNetwork) {
		if wait() != nil {
			return
		}
		_ = d.service.Emit(demoNetwork, blockio.EventAddress, blockio.AddressEvent{
			Network: demoNetwork, Address: demoAddress, BalanceChange: value, AmountReceived: value,
			TxID: txid, Confirmations: confirmations,
		})
	}
	_ = d.service.Emit(demoNetwork, blockio.EventNewBlocks, blockio.NewBlocksEvent{
		Network: demoNetwork, BlockHash: "fb0e1", BlockNo: 456485, Confirmations: 1, TxIDs: []string{txid},
	})
	// The real service goes on for ever. Give the reader a moment to take it.
	select {
	case <-time.After(200 * time.Millisecond):
	case <-d.ctx.Done():
	}
}
