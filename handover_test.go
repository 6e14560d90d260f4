package bitcart_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

func TestRetryAfter(t *testing.T) {
	for name, tc := range map[string]struct {
		returned error
		after    time.Duration
		again    bool
	}{
		"nil":         {nil, 0, false},
		"other":       {errors.New("no"), 0, false},
		"retry":       {bitcart.Retry(errors.New("busy"), time.Minute), time.Minute, true},
		"its pause":   {bitcart.Retry(nil, 0), 0, true},
		"negative":    {bitcart.Retry(nil, -time.Second), 0, true},
		"wrapped":     {fmt.Errorf("deep: %w", bitcart.Retry(nil, time.Second)), time.Second, true},
		"among other": {errors.Join(errors.New("no"), bitcart.Retry(nil, time.Second)), time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			var d bitcart.Dispatcher
			d.On("x", func(context.Context, *bitcart.Event) error { return tc.returned })
			err := d.ProcessUpdates(t.Context(), []bitcart.Update{bitcart.NewUpdate("x", nil)})
			after, again := bitcart.RetryAfter(err)
			require.Equal(t, tc.after, after)
			require.Equal(t, tc.again, again)
		})
	}
}

func TestUpdateAt(t *testing.T) {
	received := time.Now().Add(-time.Hour)
	u := bitcart.NewUpdate("x", nil).From("BTC", "wallet", bitcart.SourceStream)
	ev := eventOf(t, u.At(received, 3))
	require.Equal(t, 3, ev.Attempt)
	require.Equal(t, received, ev.Received)
	require.Equal(t, "wallet", ev.Wallet)
	require.Equal(t, bitcart.SourceStream, ev.Source)
	ev = eventOf(t, u.At(time.Time{}, 0))
	require.Equal(t, 1, ev.Attempt)
	require.WithinDuration(t, time.Now(), ev.Received, time.Minute)
	require.Equal(t, 1, eventOf(t, u).Attempt, "u itself has not changed")
	require.NoError(t, new(bitcart.Dispatcher).ProcessUpdates(t.Context(), []bitcart.Update{bitcart.Update{}.At(received, 2)}))
}
