package boltseen

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

// Len returns how many keys the file holds, and checks that each is indexed once.
func Len(t testing.TB, s *Seen) int {
	t.Helper()
	var keys, indexed int
	require.NoError(t, s.db.View(func(tx *bbolt.Tx) error {
		keys, indexed = tx.Bucket(keysBucket).Stats().KeyN, tx.Bucket(expiryBucket).Stats().KeyN
		return tx.Bucket(expiryBucket).ForEach(func(k, _ []byte) error {
			require.NotNil(t, tx.Bucket(keysBucket).Get(k[timeSize:]), "an entry without its key")
			return nil
		})
	}))
	require.Equal(t, keys, indexed)
	return keys
}

// IsSynced: each change is on the disk when its call returns.
func IsSynced(s *Seen) bool { return !s.db.NoSync }

// Damage writes a key's record over.
func Damage(t testing.TB, s *Seen, key, raw string) {
	t.Helper()
	require.NoError(t, s.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(keysBucket).Put(stored(key), []byte(raw))
	}))
}
