package blockio_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/internal/seentest"
)

func TestMemorySeenContract(t *testing.T) {
	seentest.Contract(t, func(*testing.T) blockio.Seen { return blockio.NewMemorySeen(0) })
}

// claimKey claims a key and expects the answer.
func claimKey(t *testing.T, s blockio.Seen, key string, want blockio.State) blockio.Token {
	t.Helper()
	c, err := s.Claim(t.Context(), key, time.Minute)
	require.NoError(t, err)
	require.Equal(t, want, c.State, "key %s", key)
	return c.Token
}

func TestMemorySeenForgetsWhatExpiresFirst(t *testing.T) {
	s := blockio.NewMemorySeen(3)
	for i, keep := range []time.Duration{3 * time.Hour, time.Hour, 2 * time.Hour} {
		key := fmt.Sprint("key", i)
		require.NoError(t, s.Commit(t.Context(), key, claimKey(t, s, key, blockio.Fresh), keep))
	}
	claimKey(t, s, "new", blockio.Fresh) // in place of key1
	claimKey(t, s, "key0", blockio.Done)
	claimKey(t, s, "key2", blockio.Done)
	claimKey(t, s, "new", blockio.InFlight)
	claimKey(t, s, "key1", blockio.Fresh) // in place of key2
	claimKey(t, s, "key0", blockio.Done)
	claimKey(t, s, "key2", blockio.Fresh) // in place of key0
}

func TestMemorySeenNeverForgetsClaimsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := blockio.NewMemorySeen(2)
		first := claimKey(t, s, "first", blockio.Fresh)
		second := claimKey(t, s, "second", blockio.Fresh)
		for i := range 10 {
			_, err := s.Claim(t.Context(), fmt.Sprint(i), time.Minute)
			require.ErrorIs(t, err, blockio.ErrSeenFull)
		}
		claimKey(t, s, "first", blockio.InFlight)
		require.NoError(t, s.Commit(t.Context(), "second", second, time.Hour))
		claimKey(t, s, "third", blockio.Fresh) // in place of second
		require.NoError(t, s.Renew(t.Context(), "first", first, time.Minute))

		time.Sleep(time.Minute) // an expired one is in nobody's hands
		claimKey(t, s, "fourth", blockio.Fresh)
		claimKey(t, s, "fifth", blockio.Fresh)
		require.ErrorIs(t, s.Commit(t.Context(), "first", first, time.Hour), blockio.ErrClaimLost)
	})
}

func TestMemorySeenStates(t *testing.T) {
	require.Equal(t, "fresh in flight done State(0)", fmt.Sprint(blockio.Fresh, " ", blockio.InFlight, " ", blockio.Done, " ", blockio.State(0)))
}

// What is known of a key before it is claimed anew is out of the way: making
// room later must not take it for what is known now.
func TestMemorySeenKeepsTheLatestOfAKey(t *testing.T) {
	commit := func(t *testing.T, s blockio.Seen, key string, keep time.Duration) {
		require.NoError(t, s.Commit(t.Context(), key, claimKey(t, s, key, blockio.Fresh), keep))
	}
	for name, before := range map[string]func(t *testing.T, s blockio.Seen){
		"a commit that has expired": func(t *testing.T, s blockio.Seen) {
			commit(t, s, "a", time.Minute)
			time.Sleep(2 * time.Minute)
			commit(t, s, "a", time.Hour)
		},
		"a claim that has expired": func(t *testing.T, s blockio.Seen) {
			claimKey(t, s, "a", blockio.Fresh)
			time.Sleep(2 * time.Minute)
			commit(t, s, "a", time.Hour)
		},
		"the claim of the commit": func(t *testing.T, s blockio.Seen) {
			commit(t, s, "a", time.Hour)
			time.Sleep(2 * time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := blockio.NewMemorySeen(2)
				before(t, s)
				commit(t, s, "b", 10*time.Minute)
				claimKey(t, s, "c", blockio.Fresh) // in place of b, which expires first
				claimKey(t, s, "a", blockio.Done)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		s := blockio.NewMemorySeen(2)
		claimKey(t, s, "a", blockio.Fresh)
		time.Sleep(2 * time.Minute)
		claimKey(t, s, "a", blockio.Fresh)
		claimKey(t, s, "b", blockio.Fresh)
		_, err := s.Claim(t.Context(), "c", time.Minute)
		require.ErrorIs(t, err, blockio.ErrSeenFull, "a is in flight again")
	})
}
