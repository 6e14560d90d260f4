package bitcart_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A daemon that synchronizes holds calls without limit: without a deadline of
// the caller's, five minutes end the call; a deadline of the caller's counts alone.
func TestCallLimits(t *testing.T) {
	for name, limit := range map[string]time.Duration{"default": 0, "shorter": time.Minute, "longer": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang := roundTrip(func(r *http.Request) (*http.Response, error) {
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
				coin, err := bitcart.NewCoin("BTC", bitcart.WithHTTPClient(&http.Client{Transport: hang}))
				require.NoError(t, err)
				ctx, want := context.Background(), 5*time.Minute
				if limit != 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, limit)
					defer cancel()
					want = limit
				}
				begin := time.Now()
				require.ErrorIs(t, coin.Call(ctx, nil, "getinfo"), context.DeadlineExceeded)
				require.Equal(t, want, time.Since(begin))
			})
		})
	}
}
