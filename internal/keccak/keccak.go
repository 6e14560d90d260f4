// Package keccak is Keccak-256, the hash function of Ethereum. It predates SHA-3 and differs from it
// in one padding byte, so the standard library does not have it.
package keccak

import "golang.org/x/crypto/sha3"

// Sum256 returns the hash of data.
func Sum256(data []byte) (sum [32]byte) {
	h := sha3.NewLegacyKeccak256()
	h.Write(data) // returns no error, as no hash.Hash does
	h.Sum(sum[:0])
	return sum
}
