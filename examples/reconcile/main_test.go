package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEachPaymentIsCredited(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "BCH", "ETH", "TRX", "XMR"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			by, err := demo(context.Background(), slog.New(slog.DiscardHandler), currency)
			require.NoError(t, err)
			require.Len(t, by, 5)
			for i, way := range []string{"event", "", "reading", "reading", "event"} {
				require.True(t, strings.HasPrefix(by[i], way), "%d: %s", i, by[i])
			}
			if currency == "BTC" || currency == "BCH" {
				require.Contains(t, by[1], "reading", "these daemons never tell what was paid while they were down")
			}
		})
	}
}

func TestCreditedOnceWhoeverIsFirst(t *testing.T) {
	t.Parallel()
	o := newOrders()
	var credits atomic.Int64
	var all sync.WaitGroup
	for n := range 50 {
		o.add(fmt.Sprint(n))
	}
	for range 8 {
		all.Go(func() {
			for n := range 50 {
				if o.credit(fmt.Sprint(n), "somebody") {
					credits.Add(1)
				}
				o.open()
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 50, credits.Load())
	require.Empty(t, o.open())
	require.False(t, o.credit("unknown", "somebody"))
}
