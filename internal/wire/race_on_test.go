//go:build race

package wire_test

// raced: the race detector makes the exhaustive tables slow, and has nothing to
// find in a scanner without goroutines: go test without it goes through them.
const raced = true
