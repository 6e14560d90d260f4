package bitcarttest

import (
	"encoding/json"
	"math/big"
	"strings"

	"github.com/shopspring/decimal"
)

// exactFloat is the binary value of a float with all its digits.
func exactFloat(f float64) (decimal.Decimal, error) {
	rat := new(big.Rat)
	if rat.SetFloat64(f) == nil || f > 1e60 || f < -1e60 {
		return decimal.Decimal{}, errDecimal
	}
	v, err := decimal.NewFromString(rat.FloatString(60))
	if err != nil {
		return decimal.Decimal{}, errDecimal
	}
	return v, nil
}

// rounded is an amount in the precision of the coin, halves to even as Python's quantize does.
func rounded(v decimal.Decimal, decimals int) decimal.Decimal { return v.RoundBank(int32(decimals)) }

// units is an amount in the smallest unit, as a JSON integer of any size.
func units(v decimal.Decimal, decimals int) json.RawMessage {
	return json.RawMessage(v.Shift(int32(decimals)).Truncate(0).String())
}

func fixed(v decimal.Decimal, decimals int) string { return v.StringFixedBank(int32(decimals)) }

// trimmed is an amount without trailing zeros.
func trimmed(v decimal.Decimal) string {
	s := v.String()
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// dotted is Electron Cash's form: zero is "0.".
func dotted(v decimal.Decimal) string {
	if v.IsZero() {
		return "0."
	}
	return trimmed(v)
}

// pythonDecimal is the text of a Python Decimal: small values are in scientific form.
func pythonDecimal(v decimal.Decimal) string {
	s := trimmed(v)
	fraction, ok := strings.CutPrefix(strings.TrimPrefix(s, "-"), "0.")
	digits := strings.TrimLeft(fraction, "0")
	if zeros := len(fraction) - len(digits); !ok || zeros < 6 {
		return s
	}
	exponent := len(fraction) - len(digits) + 1
	out := digits[:1]
	if len(digits) > 1 {
		out += "." + digits[1:]
	}
	if strings.HasPrefix(s, "-") {
		out = "-" + out
	}
	return out + "E-" + decimal.NewFromInt(int64(exponent)).String()
}

func bigFrom(raw []byte) *big.Int { return new(big.Int).SetBytes(raw) }
