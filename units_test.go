package bitcart_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

func TestUnits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		amount   string
		decimals int
		units    string
	}{
		{"0", 8, "0"}, {"1", 8, "100000000"}, {"0.00000001", 8, "1"}, {"1e-8", 8, "1"}, {"-0.5", 8, "-50000000"},
		{"20999999.99999999", 8, "2099999999999999"}, {"25", 18, "25000000000000000000"}, {"0.000000000000000001", 18, "1"},
		{"123456789012345678901234567890.000000000000000001", 18, "123456789012345678901234567890000000000000000001"},
		{"1.500000", 6, "1500000"}, {"1.50000000000", 6, "1500000"}, {"7", 0, "7"}, {"1e20", 0, "100000000000000000000"},
	}
	for _, test := range tests {
		t.Run(test.amount, func(t *testing.T) {
			units, err := bitcart.ToUnits(decimal.RequireFromString(test.amount), test.decimals)
			require.NoError(t, err)
			require.Equal(t, test.units, units.String())
			require.True(t, decimal.RequireFromString(test.amount).Equal(bitcart.FromUnits(units, test.decimals)))
		})
	}
	require.True(t, bitcart.FromUnits(nil, 8).IsZero())
	require.Equal(t, "5", bitcart.FromUnits(big.NewInt(5), -3).String())
}

// Money is never rounded in silence.
func TestUnitsThatAreNotExact(t *testing.T) {
	t.Parallel()
	for text, decimals := range map[string]int{"0.000000001": 8, "1.5": 0, "1e-300": 18, "0.1e-18": 18, "1e-2000000": 8} {
		units, err := bitcart.ToUnits(decimal.New(1, 0).Mul(mustDecimal(t, text)), decimals)
		require.ErrorIs(t, err, bitcart.ErrInexact, text)
		require.Nil(t, units)
	}
	for text, decimals := range map[string]int{"1": -1, "2": 1000, "1e2000000": 8} {
		_, err := bitcart.ToUnits(mustDecimal(t, text), decimals)
		require.ErrorContains(t, err, "bitcart: ")
		require.NotErrorIs(t, err, bitcart.ErrInexact)
	}
}

// A token contract counts its decimals in one byte, and each of them is exact both ways.
func TestUnitsOfEveryToken(t *testing.T) {
	t.Parallel()
	largest := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
	for decimals := range 256 {
		for _, units := range []*big.Int{big.NewInt(1), big.NewInt(-1), big.NewInt(0), largest} {
			requireRoundTrip(t, units, decimals)
		}
	}
	_, err := bitcart.ToUnits(decimal.New(1, 0), 256)
	require.ErrorContains(t, err, "out of range")
	for _, beyond := range []int{256, 1 << 20, math.MaxInt32, math.MaxInt} {
		require.True(t, bitcart.FromUnits(largest, beyond).IsZero(), "never more than it is")
	}
}

// How an amount is written does not matter, only what it is.
func TestUnitsOfOddSpellings(t *testing.T) {
	t.Parallel()
	thousand := new(big.Int).Exp(big.NewInt(10), big.NewInt(2000), nil)
	for _, amount := range []decimal.Decimal{
		decimal.NewFromBigInt(thousand, -2000), decimal.New(0, 1<<30), decimal.New(0, math.MinInt32), {}, decimal.New(1, 100),
	} {
		units, err := bitcart.ToUnits(amount, 8)
		require.NoError(t, err)
		want := new(big.Int).Exp(big.NewInt(10), big.NewInt(108), nil)
		switch {
		case amount.IsZero():
			want.SetInt64(0)
		case amount.Exponent() < 0:
			want.SetInt64(1e8)
		}
		require.Zero(t, want.Cmp(units))
	}
	for _, amount := range []decimal.Decimal{decimal.New(1, math.MinInt32), decimal.NewFromBigInt(thousand, -2009)} {
		_, err := bitcart.ToUnits(amount, 8)
		require.ErrorIs(t, err, bitcart.ErrInexact)
	}
	_, err := bitcart.ToUnits(decimal.New(1, math.MaxInt32), 8)
	require.ErrorContains(t, err, "not an amount")
}

// mustDecimal also makes decimals that the package does not parse any more.
func mustDecimal(t testing.TB, text string) decimal.Decimal {
	t.Helper()
	digits, exponent, ok := strings.Cut(text, "e")
	d := decimal.RequireFromString(digits)
	if !ok {
		return d
	}
	e, ok := new(big.Int).SetString(exponent, 10)
	require.True(t, ok)
	return decimal.NewFromBigInt(d.Coefficient(), d.Exponent()+int32(e.Int64()))
}

func TestDecimals(t *testing.T) {
	t.Parallel()
	for currency, want := range map[string]int{"BTC": 8, "BCH": 8, "ETH": 18, "TRX": 6, "XMR": 12} {
		require.Equal(t, want, makeCoin(t, currency).Decimals())
	}
}

// Amounts survive both ways, against math/big.
func TestUnitsAgainstBig(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		decimals := random.IntN(256)
		units := new(big.Int).Mul(big.NewInt(random.Int64()), big.NewInt(random.Int64N(1<<40)-1<<39))
		requireRoundTrip(t, units, decimals)
	}
}

func requireRoundTrip(t testing.TB, units *big.Int, decimals int) {
	t.Helper()
	amount := bitcart.FromUnits(units, decimals)
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	require.Zero(t, new(big.Rat).SetFrac(units, scale).Cmp(amount.Rat()), "%s at %d is not %s", units, decimals, amount)
	text, err := decimal.NewFromString(amount.String()) // as it goes over the wire
	require.NoError(t, err)
	back, err := bitcart.ToUnits(text, decimals)
	require.NoError(t, err)
	require.Zero(t, units.Cmp(back), "%s at %d became %s", units, decimals, back)
}

// FuzzUnits: an amount is converted exactly, or it is an error.
func FuzzUnits(f *testing.F) {
	f.Add("0.1", uint8(8))
	f.Add("25000000000000000000.000000000000000001", uint8(18))
	f.Add("1e-9", uint8(8))
	f.Add("-0.", uint8(0))
	f.Fuzz(func(t *testing.T, text string, decimals uint8) {
		if len(text) > 100 {
			return
		}
		amount, err := decimal.NewFromString(text)
		if err != nil || amount.Exponent() > 200 || amount.Exponent() < -200 {
			return
		}
		units, err := bitcart.ToUnits(amount, int(decimals))
		if amount.Exponent() > 100 && !amount.IsZero() {
			require.Error(t, err)
			return
		}
		scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil))
		want := scale.Mul(scale, amount.Rat())
		require.Equal(t, want.IsInt(), err == nil, "%s at %d: %v", text, decimals, err)
		if err != nil {
			require.ErrorIs(t, err, bitcart.ErrInexact)
			return
		}
		require.Zero(t, want.Num().Cmp(units))
		requireRoundTrip(t, units, int(decimals))
	})
}

// FuzzAmount: what a daemon writes as an amount is read exactly, or it is an error.
func FuzzAmount(f *testing.F) {
	for _, text := range []string{`"0.5"`, `1e-8`, `"1E-8"`, `"0."`, `"unknown"`, `null`, `25000000000000000000`, `"-1"`, `""`, `"+.5"`, `"1e101"`, `"−1"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := readAnswer(t, "BTC", walletOf("BTC"), `{"request_id":"k","sent_amount":`+text+`,"z":0}`)
		if err != nil {
			return
		}
		requireSameNumber(t, r.Raw, "sent_amount", r.SentAmount)
	})
}
