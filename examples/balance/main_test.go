package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	for currency, want := range map[string]string{
		"BTC": "confirmed    1.25 BTC\nunconfirmed  0.5 BTC\nunmatured    0 BTC\nlightning    0 BTC\n",
		"ETH": "confirmed    1.25 ETH\nunconfirmed  0 ETH\nunmatured    0 ETH\nlightning    0 ETH\n",
		"XMR": "confirmed    0 XMR\nunconfirmed  0 XMR\nunmatured    0 XMR\nlightning    0 XMR\n",
	} {
		var out bytes.Buffer
		require.NoError(t, run(context.Background(), &out, []string{"-currency", currency}))
		require.Equal(t, want, out.String())
	}
}

func TestWalletIsNeeded(t *testing.T) {
	require.Error(t, run(context.Background(), &bytes.Buffer{}, []string{"-url", "http://localhost:1"}))
}
