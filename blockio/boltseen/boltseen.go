// Package boltseen remembers in a file which web hook deliveries were handled:
// a durable [blockio.Seen]. It is a module of its own, so that package bitcart
// does not depend on a database.
//
//	seen, err := boltseen.Open("/var/lib/shop/seen.db", boltseen.Config{})
//	...
//	defer seen.Close()
//	receiver, err := blockio.NewReceiver(sink, blockio.WithSeen(seen))
//
// What was committed survives a crash of the process and, unless NoSync is
// set, of the machine. A claim survives it as well: its event is InFlight until
// the lease has run out. One process at a time has the file open; receivers in
// several processes need a store that they can share.
//
// The file holds a key for as long as its event may be repeated, some 200
// bytes each. Expired keys are removed a few at a time by each fresh Claim:
// there is no goroutine. The file does not shrink, its space is used again.
package boltseen

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/bitcart-go/bitcart/blockio"
)

// Config says how a file is opened. The zero value of each field stands for its
// default.
type Config struct {
	// LockTimeout is how long Open waits for another process to close the
	// file. 0 = 1 s.
	LockTimeout time.Duration
	// NoSync leaves it to the operating system when changes reach the disk. That
	// is faster, and commits survive a crash of the process, but perhaps not one
	// of the machine. False = each change is on the disk when its call returns.
	NoSync bool
}

// Seen is a blockio.Seen in a file. It is safe for concurrent use.
type Seen struct{ db *bbolt.DB }

var _ blockio.Seen = (*Seen)(nil)

// ErrLocked: another process, or another Seen of this one, has the file open.
var ErrLocked = errors.New("boltseen: the file is in use")

// Open opens the file, and creates it if there is none; its folder must exist.
// Close it after the receiver's server has shut down. If the file is in use,
// the error is ErrLocked.
func Open(path string, c Config) (*Seen, error) {
	if c.LockTimeout <= 0 {
		c.LockTimeout = time.Second
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: c.LockTimeout, NoSync: c.NoSync})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("boltseen: %w", err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{keysBucket, expiryBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("boltseen: %w", err), db.Close())
	}
	return &Seen{db}, nil
}

var errNotOpen = errors.New("boltseen: no file: open one by Open")

// file returns the database, an error for a Seen that Open has not made.
func (s *Seen) file() (*bbolt.DB, error) {
	if s == nil || s.db == nil {
		return nil, errNotOpen
	}
	return s.db, nil
}

// Close closes the file after running calls have ended. Later calls fail, so
// that their deliveries are not answered 200.
func (s *Seen) Close() error {
	db, err := s.file()
	if err != nil {
		return nil // there is nothing to close
	}
	if err := db.Close(); err != nil {
		return fmt.Errorf("boltseen: %w", err)
	}
	return nil
}

// Claim is [blockio.Seen]'s Claim.
func (s *Seen) Claim(ctx context.Context, key string, lease time.Duration) (blockio.Claim, error) {
	if err := ctx.Err(); err != nil {
		return blockio.Claim{}, err
	}
	// Only a fresh key needs to be written: looking first spares repeats the disk.
	claim, err := s.look(key)
	if err != nil || claim.State != 0 {
		return claim, err
	}
	err = s.update(ctx, func(t table) error {
		now := time.Now()
		if err := t.sweep(now); err != nil {
			return err
		}
		held, err := t.look(key, now)
		if err != nil || held.State != 0 {
			claim = held // another call was faster
			return err
		}
		claim = blockio.Claim{State: blockio.Fresh, Token: blockio.Token(rand.Text())}
		return t.store(key, record{blockio.InFlight, now.Add(lease), claim.Token})
	})
	if err != nil {
		return blockio.Claim{}, err
	}
	return claim, nil
}

// look reads what is known of a key: no State when it is free.
func (s *Seen) look(key string) (claim blockio.Claim, err error) {
	db, err := s.file()
	if err != nil {
		return blockio.Claim{}, err
	}
	err = db.View(func(tx *bbolt.Tx) error {
		claim, err = tableOf(tx).look(key, time.Now())
		return err
	})
	if err != nil {
		return blockio.Claim{}, fmt.Errorf("boltseen: %w", err)
	}
	return claim, nil
}

// Renew is [blockio.Seen]'s Renew.
func (s *Seen) Renew(ctx context.Context, key string, token blockio.Token, lease time.Duration) error {
	return s.ofClaim(ctx, key, token, func(t table) error {
		return t.store(key, record{blockio.InFlight, time.Now().Add(lease), token})
	})
}

// Commit is [blockio.Seen]'s Commit. A Receiver keeps keys for 32 days.
func (s *Seen) Commit(ctx context.Context, key string, token blockio.Token, keep time.Duration) error {
	return s.ofClaim(ctx, key, token, func(t table) error {
		return t.store(key, record{blockio.Done, time.Now().Add(keep), ""})
	})
}

// Release is [blockio.Seen]'s Release.
func (s *Seen) Release(ctx context.Context, key string, token blockio.Token) error {
	return s.ofClaim(ctx, key, token, func(t table) error { return t.remove(key) })
}

// ofClaim runs change while the key is claimed under token. A claim that has
// expired is good as long as nobody took the key: what its handler did is done.
func (s *Seen) ofClaim(ctx context.Context, key string, token blockio.Token, change func(table) error) error {
	return s.update(ctx, func(t table) error {
		r, known, err := t.load(key)
		switch {
		case err != nil:
			return err
		case !known || r.state != blockio.InFlight || r.token != token:
			return blockio.ErrClaimLost
		}
		return change(t)
	})
}

// update runs change in a transaction: all of it is written, or nothing.
func (s *Seen) update(ctx context.Context, change func(table) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db, err := s.file()
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return change(tableOf(tx))
	})
	if err != nil && !errors.Is(err, blockio.ErrClaimLost) {
		return fmt.Errorf("boltseen: %w", err)
	}
	return err
}
