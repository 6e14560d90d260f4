package keccak_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/keccak"
)

func TestKeccak256(t *testing.T) {
	tests := map[string]string{
		"":                       "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
		"abc":                    "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
		strings.Repeat("a", 135): "34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446",
		strings.Repeat("a", 136): "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e",
	}
	for text, want := range tests {
		sum := keccak.Sum256([]byte(text))
		require.Equal(t, want, hex.EncodeToString(sum[:]), "%d bytes", len(text))
	}
}
