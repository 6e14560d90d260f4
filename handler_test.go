package bitcart_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// receiver is what takes handlers and updates: a Coin, a Dispatcher, and a
// manager by way of one of its wallets.
type receiver interface {
	bitcart.Registry
	AddEventHandler(events []string, h bitcart.Handler)
	Handles(event string) bool
	ProcessUpdates(ctx context.Context, updates []bitcart.Update) error
}

var (
	_ bitcart.Sink     = (*bitcart.Coin)(nil)
	_ bitcart.Sink     = (*bitcart.Dispatcher)(nil)
	_ bitcart.Registry = (*bitcart.Coin)(nil)
	_ bitcart.Registry = (*bitcart.Dispatcher)(nil)
	_ bitcart.Registry = (*bitcart.APIManager)(nil)
	_ receiver         = managerOf{}
)

// managerOf hands updates to one wallet of a manager, or to its chain.
type managerOf struct {
	*bitcart.APIManager
	currency, wallet string
}

func (m managerOf) ProcessUpdates(ctx context.Context, updates []bitcart.Update) error {
	return m.APIManager.ProcessUpdates(ctx, m.currency, m.wallet, updates)
}

// onReceivers runs a test on every kind of receiver.
func onReceivers(t *testing.T, test func(t *testing.T, r receiver)) {
	t.Helper()
	t.Run("Coin", func(t *testing.T) { test(t, makeCoin(t, "BTC", bitcart.WithXpub("a"))) })
	t.Run("Coin without wallet", func(t *testing.T) { test(t, makeCoin(t, "BTC")) })
	t.Run("Dispatcher", func(t *testing.T) {
		d, err := bitcart.NewDispatcher()
		require.NoError(t, err)
		test(t, d)
	})
	t.Run("zero Dispatcher", func(t *testing.T) { test(t, new(bitcart.Dispatcher)) })
	t.Run("APIManager", func(t *testing.T) {
		test(t, managerOf{makeManager(t, map[string][]string{"BTC": {"a"}}), "BTC", "a"})
	})
	t.Run("APIManager, chain", func(t *testing.T) {
		test(t, managerOf{makeManager(t, map[string][]string{"BTC": nil}), "BTC", ""})
	})
}

func TestOnReplacesAndRemoves(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		var ran []string
		update := updatesOf(t, `[{"event":"e"}]`)
		require.False(t, r.Handles("e"))
		r.On("e", nil)
		require.False(t, r.Handles("e"))

		r.On("e", noted(&ran, "first"))
		require.True(t, r.Handles("e"))
		require.False(t, r.Handles("E"), "names are as on the wire")
		require.False(t, r.Handles("x"))
		require.NoError(t, r.ProcessUpdates(t.Context(), update))
		r.On("e", noted(&ran, "second"))
		require.NoError(t, r.ProcessUpdates(t.Context(), update))
		r.On("e", nil)
		require.False(t, r.Handles("e"))
		require.NoError(t, r.ProcessUpdates(t.Context(), update))
		r.On("e", noted(&ran, "third"))
		require.NoError(t, r.ProcessUpdates(t.Context(), update))
		require.Equal(t, []string{"first:e", "second:e", "third:e"}, ran)
	})
}

func TestAddEventHandler(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		var ran []string
		r.On("a", noted(&ran, "old"))
		r.On("c", noted(&ran, "old"))
		events := []string{"a", "b", "a"}
		r.AddEventHandler(events, noted(&ran, "new"))
		events[1] = "changed"
		require.NoError(t, r.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"b"},{"event":"a"},{"event":"c"},{"event":"changed"}]`)))
		require.Equal(t, []string{"new:b", "new:a", "old:c"}, ran)

		r.AddEventHandler([]string{"a", "c"}, nil)
		require.False(t, r.Handles("a"))
		require.True(t, r.Handles("b"))
		require.False(t, r.Handles("c"))
		require.NotPanics(t, func() {
			r.AddEventHandler(nil, noted(&ran, "none"))
			r.AddEventHandler([]string{}, nil)
		})
	})
}

func TestRegistrationFromInsideHandlers(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		var ran []string
		r.On("a", func(_ context.Context, ev *bitcart.Event) error {
			ran = append(ran, "once:"+ev.Name)
			r.On("a", noted(&ran, "replaced"))
			r.On("b", noted(&ran, "added"))
			r.AddEventHandler([]string{"c"}, nil)
			return nil
		})
		r.On("c", noted(&ran, "removed"))
		require.NoError(t, r.ProcessUpdates(t.Context(),
			updatesOf(t, `[{"event":"c"},{"event":"a"},{"event":"b"},{"event":"a"},{"event":"c"}]`)))
		require.Equal(t, []string{"removed:c", "once:a", "added:b", "replaced:a"}, ran, "it takes effect with the next event")
	})
}

func TestRegistrationIsSafeForConcurrentUse(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		var ran atomic.Int64
		count := func(context.Context, *bitcart.Event) error {
			ran.Add(1)
			return nil
		}
		r.On("kept", count)
		updates := updatesOf(t, `[{"event":"kept"},{"event":"a"},{"event":"b"}]`)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 50 {
					r.On("a", count)
					r.AddEventHandler([]string{"a", "b"}, nil)
					r.Handles("a")
					_ = r.ProcessUpdates(context.Background(), updates)
				}
			})
		}
		wg.Wait()
		require.GreaterOrEqual(t, ran.Load(), int64(200))
	})
}

func TestTypedOn(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		var got []string
		bitcart.On(r, func(_ context.Context, ev *bitcart.Event, p bitcart.NewBlock) error {
			got = append(got, fmt.Sprint(ev.Name, " ", p.Height))
			return nil
		})
		bitcart.On(r, func(_ context.Context, _ *bitcart.Event, p *bitcart.VerifiedTx) error {
			got = append(got, fmt.Sprint(p.Tx, " ", p.Height))
			return nil
		})
		bitcart.On(r, func(_ context.Context, _ *bitcart.Event, p *pointerEvent) error {
			got = append(got, fmt.Sprint("pointer ", p.N))
			return nil
		})
		bitcart.On(r, func(_ context.Context, _ *bitcart.Event, p mapEvent) error {
			got = append(got, fmt.Sprint("map ", p["k"]))
			return nil
		})
		for _, event := range []string{"new_block", "verified_tx", "pointer", "map"} {
			require.True(t, r.Handles(event), event)
		}
		require.NoError(t, r.ProcessUpdates(t.Context(), updatesOf(t, `[
			{"event":"new_block","height":5}, {"event":"verified_tx","tx":"t","height":6},
			{"event":"pointer","n":7}, {"event":"map","k":"v"}]`)))
		require.Equal(t, []string{"new_block 5", "t 6", "pointer 7", "map v"}, got)

		bitcart.On[bitcart.NewBlock](r, nil)
		require.False(t, r.Handles("new_block"))
		bitcart.On[*bitcart.VerifiedTx](r, nil)
		require.False(t, r.Handles("verified_tx"))
	})
}

func TestTypedOnReportsWhatItCannotRead(t *testing.T) {
	onReceivers(t, func(t *testing.T, r receiver) {
		ran := 0
		bitcart.On(r, func(context.Context, *bitcart.Event, bitcart.NewBlock) error {
			ran++
			return nil
		})
		err := r.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"new_block"},{"event":"new_block","height":1}]`))
		require.Equal(t, 1, ran, "it is not called for what cannot be read")
		requirePayloadError(t, err, "new_block", "height")
		require.Len(t, handlerErrors(err), 1)
	})
}

func TestTypedOnPassesErrorsOn(t *testing.T) {
	cause := errors.New("cause")
	c := makeCoin(t, "BTC")
	bitcart.On(c, func(context.Context, *bitcart.Event, bitcart.NewBlock) error { return cause })
	require.ErrorIs(t, c.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"new_block","height":1}]`)), cause)
}

// The interface itself names no event.
func TestTypedOnOfTheInterface(t *testing.T) {
	c := makeCoin(t, "BTC")
	require.NotPanics(t, func() {
		bitcart.On(c, func(context.Context, *bitcart.Event, bitcart.Payload) error { return nil })
	})
}

func TestRetryInProcessUpdates(t *testing.T) {
	cause := errors.New("cause")
	tests := []struct {
		name   string
		result error
		want   error
	}{
		{"with a cause", bitcart.Retry(cause, 0), cause},
		{"with a pause", bitcart.Retry(cause, time.Hour), cause},
		{"with a negative pause", bitcart.Retry(cause, -time.Hour), cause},
		{"wrapped", fmt.Errorf("more: %w", bitcart.Retry(cause, time.Hour)), cause},
		{"without a cause", bitcart.Retry(nil, time.Hour), nil},
		{"twice", bitcart.Retry(bitcart.Retry(cause, 0), 0), cause},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Error(t, tt.result)
			require.NotEmpty(t, tt.result.Error())
			onReceivers(t, func(t *testing.T, r receiver) {
				var attempts []int
				r.On("e", func(_ context.Context, ev *bitcart.Event) error {
					attempts = append(attempts, ev.Attempt)
					return tt.result
				})
				var rest []string
				r.On("f", noted(&rest, "f"))
				err := r.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"e"},{"event":"f"}]`))
				require.ErrorIs(t, err, tt.result)
				if tt.want != nil {
					require.ErrorIs(t, err, tt.want)
					require.ErrorContains(t, err, "cause")
				}
				require.Len(t, handlerErrors(err), 1)
				require.Equal(t, []int{1}, attempts, "nothing is repeated, and nobody waits")
				require.Equal(t, []string{"f:f"}, rest)
			})
		})
	}
}
