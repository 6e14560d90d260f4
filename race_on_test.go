//go:build race

package bitcart_test

// raced: the race detector is on, which makes everything several times slower.
const raced = true
