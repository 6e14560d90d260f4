// Package seentest holds the tests that every blockio.Seen has to pass.
package seentest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio"
)

const (
	lease = time.Minute
	keep  = 32 * 24 * time.Hour
)

// Open makes an empty Seen that holds more than a hundred keys, and closes it
// when the test ends.
type Open func(t *testing.T) blockio.Seen

// Contract tests what blockio.Seen promises, on a fake clock.
func Contract(t *testing.T, open Open) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, blockio.Seen)
	}{
		{"claim, commit, done", claimCommitDone},
		{"a commit is kept for its time", commitExpires},
		{"release makes fresh", releaseMakesFresh},
		{"a claim expires", claimExpires},
		{"renew keeps a claim", renewKeepsClaim},
		{"a late commit has no effect on the next claim", fencedCommit},
		{"a late release and renew have no effect on the next claim", fencedReleaseAndRenew},
		{"an expired claim that nobody took can be committed", lateCommitOfFreeKey},
		{"a committed claim is over", committedIsOver},
		{"unknown keys and wrong tokens are refused", unknownKeys},
		{"keys do not disturb each other", keysAreApart},
		{"one claim of many is fresh", oneOfManyIsFresh},
		{"an ended context changes nothing", endedContext},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test.run(t, open(t)) })
		})
	}
}

func claim(t *testing.T, s blockio.Seen, key string, want blockio.State) blockio.Token {
	t.Helper()
	c, err := s.Claim(t.Context(), key, lease)
	require.NoError(t, err)
	require.Equal(t, want, c.State)
	require.Equal(t, want == blockio.Fresh, c.Token != "", "a token comes with a fresh claim only")
	return c.Token
}

func claimCommitDone(t *testing.T, s blockio.Seen) {
	token := claim(t, s, "a", blockio.Fresh)
	claim(t, s, "a", blockio.InFlight)
	require.NoError(t, s.Commit(t.Context(), "a", token, keep))
	claim(t, s, "a", blockio.Done)
}

func commitExpires(t *testing.T, s blockio.Seen) {
	token := claim(t, s, "a", blockio.Fresh)
	require.NoError(t, s.Commit(t.Context(), "a", token, keep))
	time.Sleep(keep - time.Second)
	claim(t, s, "a", blockio.Done)
	time.Sleep(time.Second)
	claim(t, s, "a", blockio.Fresh)
}

func releaseMakesFresh(t *testing.T, s blockio.Seen) {
	first := claim(t, s, "a", blockio.Fresh)
	require.NoError(t, s.Release(t.Context(), "a", first))
	second := claim(t, s, "a", blockio.Fresh)
	require.NotEqual(t, first, second)
	require.ErrorIs(t, s.Release(t.Context(), "a", first), blockio.ErrClaimLost)
	claim(t, s, "a", blockio.InFlight)
}

func claimExpires(t *testing.T, s blockio.Seen) {
	claim(t, s, "a", blockio.Fresh)
	time.Sleep(lease - time.Second)
	claim(t, s, "a", blockio.InFlight)
	time.Sleep(time.Second)
	claim(t, s, "a", blockio.Fresh)
}

func renewKeepsClaim(t *testing.T, s blockio.Seen) {
	token := claim(t, s, "a", blockio.Fresh)
	for range 5 {
		time.Sleep(lease / 2)
		require.NoError(t, s.Renew(t.Context(), "a", token, lease))
	}
	time.Sleep(lease - time.Second)
	claim(t, s, "a", blockio.InFlight)
	time.Sleep(time.Second)
	claim(t, s, "a", blockio.Fresh)
}

func fencedCommit(t *testing.T, s blockio.Seen) {
	first := claim(t, s, "a", blockio.Fresh)
	time.Sleep(lease)
	second := claim(t, s, "a", blockio.Fresh)
	require.NotEqual(t, first, second)
	require.ErrorIs(t, s.Commit(t.Context(), "a", first, keep), blockio.ErrClaimLost)
	claim(t, s, "a", blockio.InFlight)
	require.NoError(t, s.Release(t.Context(), "a", second))
	claim(t, s, "a", blockio.Fresh)
}

func fencedReleaseAndRenew(t *testing.T, s blockio.Seen) {
	first := claim(t, s, "a", blockio.Fresh)
	time.Sleep(lease)
	second := claim(t, s, "a", blockio.Fresh)
	require.ErrorIs(t, s.Release(t.Context(), "a", first), blockio.ErrClaimLost)
	require.ErrorIs(t, s.Renew(t.Context(), "a", first, 10*lease), blockio.ErrClaimLost)
	time.Sleep(lease - time.Second)
	claim(t, s, "a", blockio.InFlight)
	require.NoError(t, s.Commit(t.Context(), "a", second, keep))
	claim(t, s, "a", blockio.Done)
}

// lateCommitOfFreeKey: its handler was slow, but it was the only one.
func lateCommitOfFreeKey(t *testing.T, s blockio.Seen) {
	token := claim(t, s, "a", blockio.Fresh)
	time.Sleep(2 * lease)
	require.NoError(t, s.Commit(t.Context(), "a", token, keep))
	claim(t, s, "a", blockio.Done)
}

func committedIsOver(t *testing.T, s blockio.Seen) {
	token := claim(t, s, "a", blockio.Fresh)
	require.NoError(t, s.Commit(t.Context(), "a", token, keep))
	require.ErrorIs(t, s.Release(t.Context(), "a", token), blockio.ErrClaimLost)
	require.ErrorIs(t, s.Renew(t.Context(), "a", token, lease), blockio.ErrClaimLost)
	require.ErrorIs(t, s.Commit(t.Context(), "a", token, 2*keep), blockio.ErrClaimLost)
	require.ErrorIs(t, s.Release(t.Context(), "a", ""), blockio.ErrClaimLost)
	time.Sleep(keep - time.Second)
	claim(t, s, "a", blockio.Done)
	time.Sleep(time.Second)
	claim(t, s, "a", blockio.Fresh)
}

func unknownKeys(t *testing.T, s blockio.Seen) {
	require.ErrorIs(t, s.Commit(t.Context(), "a", "token", keep), blockio.ErrClaimLost)
	token := claim(t, s, "a", blockio.Fresh)
	for _, wrong := range []blockio.Token{"", "token", token + "x", token[:len(token)-1]} {
		require.ErrorIs(t, s.Renew(t.Context(), "a", wrong, lease), blockio.ErrClaimLost)
		require.ErrorIs(t, s.Commit(t.Context(), "a", wrong, keep), blockio.ErrClaimLost)
		require.ErrorIs(t, s.Release(t.Context(), "a", wrong), blockio.ErrClaimLost)
	}
	require.ErrorIs(t, s.Commit(t.Context(), "b", token, keep), blockio.ErrClaimLost)
	require.NoError(t, s.Commit(t.Context(), "a", token, keep))
}

func keysAreApart(t *testing.T, s blockio.Seen) {
	const n = 100
	tokens := map[string]blockio.Token{}
	for i := range n {
		key := fmt.Sprint("key", i)
		tokens[key] = claim(t, s, key, blockio.Fresh)
	}
	for i := range n {
		key := fmt.Sprint("key", i)
		if i%2 == 0 {
			require.NoError(t, s.Commit(t.Context(), key, tokens[key], time.Duration(n-i)*time.Hour))
		}
	}
	for i := range n {
		want := blockio.InFlight
		if i%2 == 0 {
			want = blockio.Done
		}
		claim(t, s, fmt.Sprint("key", i), want)
	}
	time.Sleep(n / 2 * time.Hour) // the later half had the shorter times
	for i := range n {
		want := blockio.Fresh
		if i%2 == 0 && i < n/2 {
			want = blockio.Done
		}
		claim(t, s, fmt.Sprint("key", i), want)
	}
}

func oneOfManyIsFresh(t *testing.T, s blockio.Seen) {
	const rounds, callers = 20, 8
	for round := range rounds {
		key := fmt.Sprint("key", round)
		states := make([]blockio.State, callers)
		var all sync.WaitGroup
		for i := range callers {
			all.Go(func() {
				c, err := s.Claim(context.Background(), key, lease)
				if err == nil {
					states[i] = c.State
				}
			})
		}
		all.Wait()
		count := map[blockio.State]int{}
		for _, state := range states {
			count[state]++
		}
		require.Equal(t, map[blockio.State]int{blockio.Fresh: 1, blockio.InFlight: callers - 1}, count)
	}
}

func endedContext(t *testing.T, s blockio.Seen) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Claim(ended, "a", lease)
	require.ErrorIs(t, err, context.Canceled)
	token := claim(t, s, "a", blockio.Fresh)
	require.ErrorIs(t, s.Renew(ended, "a", token, lease), context.Canceled)
	require.ErrorIs(t, s.Commit(ended, "a", token, keep), context.Canceled)
	require.ErrorIs(t, s.Release(ended, "a", token), context.Canceled)
	claim(t, s, "a", blockio.InFlight)
}
