package boltseen

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"go.etcd.io/bbolt"

	"github.com/bitcart-go/bitcart/blockio"
)

// Two buckets: what is known of a key, and in which order keys expire.
var (
	keysBucket   = []byte("blockio.seen.keys")
	expiryBucket = []byte("blockio.seen.expiry")
)

// table is both buckets within one transaction.
type table struct{ keys, expiry *bbolt.Bucket }

func tableOf(tx *bbolt.Tx) table {
	return table{tx.Bucket(keysBucket), tx.Bucket(expiryBucket)}
}

// record is what is known of a key.
type record struct {
	state   blockio.State // InFlight or Done
	expires time.Time
	token   blockio.Token // of a claim
}

// maxKey is far below what the database takes, and above every key of a
// Receiver.
const maxKey = 1024

// stored is a key as it stands in the file. The first byte keeps digests of
// long keys apart from keys that look like one.
func stored(key string) []byte {
	if len(key) <= maxKey {
		return append([]byte{'k'}, key...)
	}
	sum := sha256.Sum256([]byte(key))
	return append([]byte{'d'}, sum[:]...)
}

// sweepBatch is how many expired keys one Claim removes: more than the one
// that it adds, so that they cannot pile up.
const sweepBatch = 8

// claimGrace is for how long an expired claim stays: while nobody takes its
// key, a handler that was late can still commit it.
const claimGrace = 24 * time.Hour

var errDamaged = errors.New("a record is damaged")

func (t table) load(key string) (record, bool, error) {
	raw := t.keys.Get(stored(key))
	if raw == nil {
		return record{}, false, nil
	}
	r, err := decodeRecord(raw)
	return r, err == nil, err
}

// look is load for a Claim: no State when the key is free.
func (t table) look(key string, now time.Time) (blockio.Claim, error) {
	r, known, err := t.load(key)
	if err != nil || !known || !now.Before(r.expires) {
		return blockio.Claim{}, err
	}
	return blockio.Claim{State: r.state}, nil
}

func (t table) store(key string, r record) error {
	if err := t.remove(key); err != nil {
		return err
	}
	if err := t.expiry.Put(expiryKey(key, r), nil); err != nil {
		return err
	}
	return t.keys.Put(stored(key), r.encode())
}

func (t table) remove(key string) error {
	r, known, err := t.load(key)
	if err != nil || !known {
		return err
	}
	if err := t.expiry.Delete(expiryKey(key, r)); err != nil {
		return err
	}
	return t.keys.Delete(stored(key))
}

// sweep removes some of the keys that have had their time.
func (t table) sweep(now time.Time) error {
	// Removing moves a bucket's cursor, so the entries are collected first.
	var expired [][]byte
	c := t.expiry.Cursor()
	for k, _ := c.First(); k != nil && len(expired) < sweepBatch; k, _ = c.Next() {
		if len(k) >= timeSize && now.Before(decodeTime(k)) {
			break
		}
		expired = append(expired, bytes.Clone(k))
	}
	for _, k := range expired {
		if err := t.expiry.Delete(k); err != nil {
			return err
		}
		if err := t.keys.Delete(k[min(timeSize, len(k)):]); err != nil {
			return err
		}
	}
	return nil
}

const timeSize = 8

// expiryKey sorts by the time at which the key is removed.
func expiryKey(key string, r record) []byte {
	at := r.expires
	if r.state == blockio.InFlight {
		at = at.Add(claimGrace)
	}
	return append(encodeTime(at), stored(key)...)
}

// encodeTime writes times so that their bytes sort as they do.
func encodeTime(at time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(max(at.UnixMicro(), 0)))
}

func decodeTime(raw []byte) time.Time {
	return time.UnixMicro(int64(binary.BigEndian.Uint64(raw)))
}

// encode writes the state, the time of expiry and the token.
func (r record) encode() []byte {
	raw := append([]byte{byte(r.state)}, encodeTime(r.expires)...)
	return append(raw, r.token...)
}

func decodeRecord(raw []byte) (record, error) {
	if len(raw) < 1+timeSize {
		return record{}, errDamaged
	}
	r := record{blockio.State(raw[0]), decodeTime(raw[1:]), blockio.Token(raw[1+timeSize:])}
	if r.state != blockio.InFlight && r.state != blockio.Done {
		return record{}, errDamaged
	}
	return r, nil
}
