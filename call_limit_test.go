package bitcart_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
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

// A daemon empties a wallet's queue for a caller that has gone, too. So neither those five minutes
// nor the end of the stream's ctx cut get_updates off: what it brings is delivered however late.
func TestGetUpdatesIsNotCutOff(t *testing.T) {
	for name, ends := range map[string]bool{"stream goes on": false, "ctx ends": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const late = 10 * time.Minute
				asked := make(chan struct{}, 1<<10)
				daemon := roundTrip(func(r *http.Request) (*http.Response, error) {
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return nil, err
					}
					result := `{"total_wallets": 1}`
					if strings.Contains(string(body), "get_updates") {
						asked <- struct{}{}
						select {
						case <-time.After(late):
						case <-r.Context().Done():
							return nil, r.Context().Err()
						}
						result = `[{"event": "own"}]`
					}
					answer := httptest.NewRecorder()
					_, _ = io.WriteString(answer, `{"jsonrpc": "2.0", "result": `+result+`, "id": 1}`)
					return answer.Result(), nil
				})
				var gaps atomic.Int32
				coin, err := bitcart.NewCoin("BTC", bitcart.WithXpub("xpub6abcdefgh"),
					bitcart.WithHTTPClient(&http.Client{Transport: daemon}),
					bitcart.WithStream(bitcart.StreamConfig{DrainTimeout: 2 * late}),
					bitcart.WithHooks(bitcart.Hooks{OnGap: func(context.Context, bitcart.Gap) { gaps.Add(1) }}))
				require.NoError(t, err)
				got := make(chan struct{}, 1<<10)
				coin.On("own", func(context.Context, *bitcart.Event) error { got <- struct{}{}; return nil })
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				ended := make(chan error, 1)
				begin := time.Now()
				go func() { ended <- coin.PollUpdates(ctx, time.Hour) }()
				<-asked
				if !ends {
					select {
					case <-got:
					case <-time.After(late + time.Second):
						require.FailNow(t, "the event did not come")
					}
					got <- struct{}{}
				}
				cancel()
				require.NoError(t, <-ended)
				require.Len(t, got, 1)
				require.Equal(t, late, time.Since(begin))
				require.Zero(t, gaps.Load())
			})
		})
	}
}
