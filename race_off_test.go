//go:build !race

package bitcart_test

const raced = false
