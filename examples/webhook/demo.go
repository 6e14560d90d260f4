package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

const demoAddress = "3cBraN1Q"

// runDemo serves while a service inside this process delivers, with what goes
// wrong in real life.
func runDemo(ctx context.Context, log *slog.Logger) error {
	folder, err := os.MkdirTemp("", "webhook")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := settings{
		path: "/hooks", user: "shop", password: rand.Text(), db: filepath.Join(folder, "seen.db"),
		sources: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
	shop := newBooks(log)
	serving, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- serve(serving, log, s, shop, listener) }()

	hook := url.URL{Scheme: "http", User: url.UserPassword(s.user, s.password), Host: listener.Addr().String(), Path: s.path}
	err = deliver(serving, hook)
	stop()
	if err := errors.Join(err, <-served); err != nil {
		return err
	}
	if shop.count() != 1 {
		return fmt.Errorf("%d payments were credited, not 1", shop.count())
	}
	log.Info("one payment was credited once")
	return nil
}

// deliver creates a notification and has the service tell of one payment.
func deliver(ctx context.Context, hook url.URL) error {
	service, err := blockiotest.New(blockiotest.WithEventIDs())
	if err != nil {
		return err
	}
	defer service.Close()
	client, err := blockio.NewClient(blockiotest.DefaultKey, blockio.WithBaseURL(service.URL()))
	if err != nil {
		return err
	}
	_, _, err = client.EnsureNotification(ctx, blockio.CreateRequest{Type: blockio.TypeAddress, Address: demoAddress, URL: hook.String()})
	if err != nil {
		return err
	}
	if err := forge(ctx, hook); err != nil {
		return err
	}
	service.Faults().DuplicateEvents(2)
	service.Faults().CutDeliveries(1) // the answer gets lost
	for _, confirmations := range blockio.AddressConfirmations("BTC") {
		if err := service.Emit("BTC", blockio.EventAddress, payment(confirmations)); err != nil {
			return err
		}
	}
	// The service's clock runs ahead, so that what failed comes again at once.
	if err := service.Advance(ctx, 24*time.Hour); err != nil {
		return err
	}
	if n := service.Waiting(); n != 0 {
		return fmt.Errorf("%d events were not taken", n)
	}
	return nil
}

func payment(confirmations int) blockio.AddressEvent {
	amount := decimal.RequireFromString("0.01000000")
	return blockio.AddressEvent{
		Network: "BTC", Address: demoAddress, TxID: "7af5cf9f2", Confirmations: confirmations,
		BalanceChange: amount, AmountReceived: amount,
	}
}

// forge is somebody who knows the path and not the password.
func forge(ctx context.Context, hook url.URL) error {
	hook.User = nil
	body := strings.NewReader(`{"type":"address","data":{"network":"BTC","address":"` + demoAddress + `","txid":"forged","confirmations":3}}`)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.String(), body)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("the forgery was answered %s", answer.Status)
	}
	return nil
}
