package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-lightning"}, {"-currency", "BCH"}, {"-currency", "ETH"}, {"-currency", "TRX"}, {"-currency", "XMR", "-expiry", "-1s"},
	} {
		var out bytes.Buffer
		require.NoError(t, run(context.Background(), &out, args), args)
		require.Contains(t, out.String(), "pay 0.001 ")
		require.Contains(t, out.String(), "▄", "a QR code")
		require.Contains(t, out.String(), "paid, thank you")
	}
}

// TestLinks: the code of a lightning invoice is the longest.
func TestLinks(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), &out, []string{"-lightning"}))
	require.Contains(t, out.String(), "lightning:lnbc")
}

func TestFailures(t *testing.T) {
	for _, args := range [][]string{
		{"-amount", "much"}, {"-url", "http://127.0.0.1:1"}, {"-url", "http://127.0.0.1:1", "-xpub", "zpubTest"}, {"-currency", "DOGE"},
		{"-expiry", "1s", "-currency", "XRG"}, // this daemon cannot read a request that was paid
	} {
		require.Error(t, run(context.Background(), &bytes.Buffer{}, args), args)
	}
}
