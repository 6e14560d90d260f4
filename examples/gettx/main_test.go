package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	for _, currency := range []string{"BTC", "BCH", "ETH", "TRX", "XMR"} {
		t.Run(currency, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, run(context.Background(), &out, []string{"-currency", currency}))
			require.Contains(t, out.String(), "confirmations 1\n")
			require.Contains(t, out.String(), "no such transaction")
		})
	}
}

func TestHashIsNeeded(t *testing.T) {
	require.Error(t, run(context.Background(), &bytes.Buffer{}, []string{"-url", "http://localhost:1"}))
}
