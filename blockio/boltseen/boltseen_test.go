package boltseen_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/boltseen"
	"github.com/bitcart-go/bitcart/blockio/internal/seentest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	lease = time.Minute
	keep  = 32 * 24 * time.Hour
)

// open opens a file without syncing it, and closes it when the test ends.
func open(t testing.TB, path string) *boltseen.Seen {
	t.Helper()
	s, err := boltseen.Open(path, boltseen.Config{NoSync: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func newFile(t testing.TB) string { return filepath.Join(t.TempDir(), "seen.db") }

func claim(t *testing.T, s blockio.Seen, key string, want blockio.State) blockio.Token {
	t.Helper()
	c, err := s.Claim(t.Context(), key, lease)
	require.NoError(t, err)
	require.Equal(t, want, c.State, "key %s", key)
	return c.Token
}

func TestContract(t *testing.T) {
	seentest.Contract(t, func(t *testing.T) blockio.Seen { return open(t, newFile(t)) })
}

func TestKeysSurviveReopening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := newFile(t)
		s := open(t, path)
		require.NoError(t, s.Commit(t.Context(), "done", claim(t, s, "done", blockio.Fresh), keep))
		token := claim(t, s, "claimed", blockio.Fresh)
		require.NoError(t, s.Release(t.Context(), "released", claim(t, s, "released", blockio.Fresh)))
		require.NoError(t, s.Close())

		s = open(t, path)
		claim(t, s, "done", blockio.Done)
		claim(t, s, "claimed", blockio.InFlight)
		claim(t, s, "released", blockio.Fresh)
		time.Sleep(lease)
		next := claim(t, s, "claimed", blockio.Fresh)
		require.ErrorIs(t, s.Commit(t.Context(), "claimed", token, keep), blockio.ErrClaimLost)
		require.NoError(t, s.Commit(t.Context(), "claimed", next, keep))
	})
}

// TestKeysSurviveCrash copies the file as it lies on the disk while it is
// open: what a killed process leaves.
func TestKeysSurviveCrash(t *testing.T) {
	path := newFile(t)
	s := open(t, path)
	require.NoError(t, s.Commit(t.Context(), "done", claim(t, s, "done", blockio.Fresh), keep))
	claim(t, s, "claimed", blockio.Fresh)

	left, err := os.ReadFile(path)
	require.NoError(t, err)
	crashed := newFile(t)
	require.NoError(t, os.WriteFile(crashed, left, 0o600))
	after := open(t, crashed)
	claim(t, after, "done", blockio.Done)
	claim(t, after, "claimed", blockio.InFlight)
	claim(t, after, "new", blockio.Fresh)
}

func TestOneAtATime(t *testing.T) {
	path := newFile(t)
	s := open(t, path)
	_, err := boltseen.Open(path, boltseen.Config{LockTimeout: 10 * time.Millisecond})
	require.ErrorIs(t, err, boltseen.ErrLocked)
	require.NoError(t, s.Close())
	open(t, path)
}

func TestOpenFails(t *testing.T) {
	_, err := boltseen.Open(filepath.Join(t.TempDir(), "nowhere", "seen.db"), boltseen.Config{})
	require.ErrorIs(t, err, os.ErrNotExist)

	path := newFile(t)
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("not a database", 10_000)), 0o600))
	_, err = boltseen.Open(path, boltseen.Config{})
	require.ErrorContains(t, err, "boltseen: ")
}

func TestClosed(t *testing.T) {
	s := open(t, newFile(t))
	token := claim(t, s, "a", blockio.Fresh)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "again")
	_, err := s.Claim(t.Context(), "a", lease)
	require.ErrorContains(t, err, "boltseen: ")
	require.Error(t, s.Renew(t.Context(), "a", token, lease))
	require.Error(t, s.Commit(t.Context(), "a", token, keep))
	require.Error(t, s.Release(t.Context(), "a", token))
}

// TestKeysOfAnyLength: the database takes neither empty keys nor long ones.
func TestKeysOfAnyLength(t *testing.T) {
	s := open(t, newFile(t))
	long := strings.Repeat("k", 1<<20)
	for _, key := range []string{"", "k", "d", long[:1024], long[:1025], long[:1026], long} {
		token := claim(t, s, key, blockio.Fresh)
		claim(t, s, key, blockio.InFlight)
		require.NoError(t, s.Renew(t.Context(), key, token, lease))
		require.NoError(t, s.Commit(t.Context(), key, token, keep))
		claim(t, s, key, blockio.Done)
	}
	require.Equal(t, 7, boltseen.Len(t, s))
	digest := sha256.Sum256([]byte(long))
	claim(t, s, string(digest[:]), blockio.Fresh)
}

func TestLongestKeep(t *testing.T) {
	s := open(t, newFile(t))
	require.NoError(t, s.Commit(t.Context(), "a", claim(t, s, "a", blockio.Fresh), 1<<63-1))
	claim(t, s, "a", blockio.Done)
}

// TestExpiredKeysAreRemoved: the file does not grow with the events of the
// past, and what is removed is what has expired.
func TestExpiredKeysAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, newFile(t))
		const n = 200
		for i := range n {
			key := fmt.Sprint("old", i)
			token := claim(t, s, key, blockio.Fresh)
			if i%2 == 0 { // the others are claims of a process that died
				require.NoError(t, s.Commit(t.Context(), key, token, keep))
			}
		}
		require.Equal(t, n, boltseen.Len(t, s))

		time.Sleep(keep)
		for i := range n / 4 {
			key := fmt.Sprint("new", i)
			require.NoError(t, s.Commit(t.Context(), key, claim(t, s, key, blockio.Fresh), keep))
			if i == 0 {
				require.Greater(t, boltseen.Len(t, s), n*9/10, "a few at a time")
			}
		}
		require.Equal(t, n/4, boltseen.Len(t, s))
		for i := range n / 4 {
			claim(t, s, fmt.Sprint("new", i), blockio.Done)
		}
	})
}

// TestLateCommitBesideOthers: an expired claim stays while others come, since
// its handler may be late.
func TestLateCommitBesideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, newFile(t))
		token := claim(t, s, "late", blockio.Fresh)
		time.Sleep(10 * lease)
		for i := range 20 {
			claim(t, s, fmt.Sprint("other", i), blockio.Fresh)
		}
		require.NoError(t, s.Commit(t.Context(), "late", token, keep))
		claim(t, s, "late", blockio.Done)
	})
}

// TestRenewedClaimsAreIndexedOnce: each change takes the entry of the one
// before it away.
func TestRenewedClaimsAreIndexedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, newFile(t))
		token := claim(t, s, "a", blockio.Fresh)
		for range 20 {
			time.Sleep(lease / 3)
			require.NoError(t, s.Renew(t.Context(), "a", token, lease))
		}
		require.Equal(t, 1, boltseen.Len(t, s))
		require.NoError(t, s.Commit(t.Context(), "a", token, keep))
		require.Equal(t, 1, boltseen.Len(t, s))
	})
}

func TestDamagedRecordIsNotFresh(t *testing.T) {
	s := open(t, newFile(t))
	claim(t, s, "a", blockio.Fresh)
	for _, raw := range []string{"", "x", "\x09 2345678 token"} {
		boltseen.Damage(t, s, "a", raw)
		_, err := s.Claim(t.Context(), "a", lease)
		require.Error(t, err)
		claim(t, s, "b"+raw, blockio.Fresh)
	}
}

// TestSyncedFile runs once as a service would, each change on the disk.
func TestSyncedFile(t *testing.T) {
	s, err := boltseen.Open(newFile(t), boltseen.Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.True(t, boltseen.IsSynced(s))
	token := claim(t, s, "a", blockio.Fresh)
	require.NoError(t, s.Renew(t.Context(), "a", token, lease))
	require.NoError(t, s.Commit(t.Context(), "a", token, keep))
	claim(t, s, "a", blockio.Done)
}

// TestZeroSeen: what Open has not made fails, so that nothing is answered 200.
func TestZeroSeen(t *testing.T) {
	for name, s := range map[string]*boltseen.Seen{"zero": {}, "nil": nil} {
		_, err := s.Claim(t.Context(), "a", lease)
		require.ErrorContains(t, err, "boltseen: ", name)
		require.ErrorContains(t, s.Renew(t.Context(), "a", "token", lease), "boltseen: ", name)
		require.ErrorContains(t, s.Commit(t.Context(), "a", "token", keep), "boltseen: ", name)
		require.ErrorContains(t, s.Release(t.Context(), "a", "token"), "boltseen: ", name)
		require.NoError(t, s.Close(), name)
	}
}
