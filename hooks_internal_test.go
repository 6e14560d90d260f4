package bitcart

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A gap that is dropped while the runner takes calls again is told as well.
func TestGapsThatFindNoRoomAreTold(t *testing.T) {
	for range 2000 {

		r := newHookRunner(context.Background(), slog.New(slog.DiscardHandler), 2, func(time.Time) {})
		var posts sync.WaitGroup
		for range 4 {
			posts.Go(func() {
				for range 20 {
					r.post(hookCall{gap: &Gap{Since: time.Now()}, run: func(context.Context) { runtime.Gosched() }})
				}
			})
		}
		posts.Wait()
		require.NoError(t, r.set.Drain(context.Background()))
		require.Zero(t, r.lost, "nobody tells of it")
		r.set.Stop()
		r.set.Wait(context.Background())
	}
}
