package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

func TestRun(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-lightning"}, {"-currency", "BCH"}, {"-currency", "ETH"}, {"-currency", "TRX"}, {"-currency", "XMR", "-expiry", "-1s"},
	} {
		var out bytes.Buffer
		require.NoError(t, run(context.Background(), &out, args), args)
		require.Contains(t, out.String(), "pay 0.001 ")
		require.Contains(t, out.String(), "▄", "a QR code")
		require.Contains(t, out.String(), "paid, thank you")
	}
}

// TestLinks: the code of a lightning invoice is the longest.
func TestLinks(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), &out, []string{"-lightning"}))
	require.Contains(t, out.String(), "lightning:lnbc")
}

func TestFailures(t *testing.T) {
	for _, args := range [][]string{
		{"-amount", "much"}, {"-url", "http://127.0.0.1:1"}, {"-url", "http://127.0.0.1:1", "-xpub", "zpubTest"}, {"-currency", "DOGE"},
		{"-expiry", "1s", "-currency", "XRG"}, // this daemon cannot read a request that was paid
	} {
		require.Error(t, run(context.Background(), &bytes.Buffer{}, args), args)
	}
}

// TestClocksDiffer: this machine's clock is ahead of the daemon's, for which
// the request can still be paid when its time seems to be over.
func TestClocksDiffer(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s := settings{user: "electrum", password: "electrumz", currency: "BTC", request: bitcart.RequestParams{
		Amount: decimal.NewNullDecimal(decimal.RequireFromString("0.001")), Expiry: 3 * time.Second,
	}}
	daemon, err := startDemo(&s)
	require.NoError(t, err)
	defer daemon.Close()
	coin, err := s.coin(make(chan struct{}, 1))
	require.NoError(t, err)
	defer coin.CloseIdleConnections()
	request, err := s.ask(ctx, coin)
	require.NoError(t, err)
	request.ExpiresAt = request.ExpiresAt.Add(-time.Minute)
	now, err := await(ctx, &bytes.Buffer{}, coin, request, nil, nil)
	require.NoError(t, err)
	require.Equal(t, bitcart.StatusExpired, now.Status)
}

// TestDaemonIsAwayForAMoment: a payer may pay all the same, so the program goes
// on asking.
func TestDaemonIsAwayForAMoment(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s := settings{user: "electrum", password: "electrumz", currency: "BTC", request: bitcart.RequestParams{
		Amount: decimal.NewNullDecimal(decimal.RequireFromString("0.001")), Expiry: time.Hour,
	}}
	daemon, err := startDemo(&s)
	require.NoError(t, err)
	defer daemon.Close()
	coin, err := s.coin(make(chan struct{}, 1))
	require.NoError(t, err)
	defer coin.CloseIdleConnections()
	request, err := s.ask(ctx, coin)
	require.NoError(t, err)
	require.NoError(t, daemon.pay(request))

	daemon.Faults().Stop(bitcarttest.RST)
	changed := make(chan struct{}) // as the gap of a lost connection does
	type outcome struct {
		request *bitcart.Request
		err     error
	}
	ended := make(chan outcome, 1)
	go func() {
		r, err := await(ctx, &bytes.Buffer{}, coin, request, changed, nil)
		ended <- outcome{r, err}
	}()
	for range 2 { // the second one is taken when the first reading has ended
		select {
		case changed <- struct{}{}:
		case o := <-ended:
			require.NoError(t, o.err)
		}
	}
	require.NoError(t, daemon.Faults().Start(ctx))
	o := <-ended
	require.NoError(t, o.err)
	require.Equal(t, bitcart.StatusPaid, o.request.Status)
}
