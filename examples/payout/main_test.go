package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	for currency, after := range map[string]string{
		"BTC": "after:  99.3499644 BTC", // 178 bytes at 20 satoshis
		"BCH": "after:  99.34999822 BCH",
		"ETH": "after:  99.34874 ETH",
		"TRX": "after:  96.05 TRX",
	} {
		t.Run(currency, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, run(context.Background(), &out, []string{"-currency", currency}))
			require.Contains(t, out.String(), after)
			require.Contains(t, out.String(), "sending it again")
		})
	}
}

func TestDryRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), &out, []string{"-dry"}))
	require.Contains(t, out.String(), "signed: 0200")
	require.Contains(t, out.String(), "after:  100 BTC")
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-to", "x"}, {"-to", "x=y"}, {"-url", "http://localhost:1"}, {"-max-fee", "much"}, {"-currency", "XMR"}} {
		require.Error(t, run(context.Background(), &bytes.Buffer{}, args), args)
	}
	s, err := readFlags([]string{"-to", "a=1", "-to", "b=0.5", "-max-fee", "0.1"})
	require.NoError(t, err)
	require.Len(t, s.outputs, 2)
	require.Equal(t, "0.1", s.maxFee.String())
}
