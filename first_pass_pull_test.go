package bitcart_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// The gap of the start comes before all events of a first connection, also while a wallet's queue is still to be
// read.
func TestPullStartComesBeforeTheFirstEvents(t *testing.T) {
	t.Parallel()
	c := newSilentRig(t, 2, recovering())
	for _, key := range c.keys {
		require.NoError(t, c.d.Load(key))
	}
	emit(t, c.d, c.keys[0], "own", 0, 1)
	later := c.gated("get_updates", c.keys[1])
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	for ev, err := range c.m.Events(ctx) {
		var gap *bitcart.GapError
		switch {
		case errors.As(err, &gap):
			got = append(got, "gap")
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, ev.Name)
			if len(got) == 1 || ev.Wallet == c.keys[0] {
				close(later.gate)
			}
		}
		if len(got) == 2 {
			break
		}
	}
	require.Equal(t, []string{"gap", "own"}, got)
}
