package bitcart

import (
	"encoding/json"
	"errors"
	"math"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// Bounds of an amount on the wire. A short text like 1e999999999 is a valid
// decimal that would fill the memory when it is printed.
const (
	maxAmountText     = 128
	maxAmountExponent = 100
)

var errAmount = errors.New("not an amount")

// tooLarge: the plain text of the amount would exceed these bounds.
func tooLarge(v decimal.Decimal) bool {
	return v.Exponent() > maxAmountExponent || v.Exponent() < -maxAmountExponent || v.NumDigits() > maxAmountText
}

// parseAmount reads money exactly: a JSON string or number, fixed or
// scientific; null is no amount. It never goes through a float.
func parseAmount(raw json.RawMessage) (decimal.NullDecimal, error) {
	text := string(raw)
	return readAmount(wire.ValueOf(text), text)
}

// readAmount is parseAmount of a value in a text.
func readAmount(v wire.Value, in string) (decimal.NullDecimal, error) {
	if v.Absent(in) {
		return decimal.NullDecimal{}, nil
	}
	text := v.Raw(in)
	if text[0] == '"' {
		var err error
		if text, err = readText(v, in); err != nil {
			return decimal.NullDecimal{}, errAmount
		}
	}
	if len(text) > maxAmountText {
		return decimal.NullDecimal{}, errAmount
	}
	if d, ok := shortDecimal(text); ok {
		return decimal.NewNullDecimal(d), nil
	}
	d, err := decimal.NewFromString(text)
	if err != nil || d.Exponent() > maxAmountExponent || d.Exponent() < -maxAmountExponent {
		return decimal.NullDecimal{}, errAmount
	}
	return decimal.NewNullDecimal(d), nil
}

// shortDecimal reads the plain form that daemons write, -12.345, as
// decimal.NewFromString does but with half of its allocations. ok is false for
// any other text, and for one of more digits than an int64 has.
func shortDecimal(text string) (_ decimal.Decimal, ok bool) {
	digits, negative := text, false
	if len(digits) > 0 && digits[0] == '-' {
		digits, negative = digits[1:], true
	}
	var n uint64
	count, places, point := 0, 0, false
	for _, c := range []byte(digits) {
		switch {
		case '0' <= c && c <= '9':
			n = 10*n + uint64(c-'0')
			count++
			if point {
				places++
			}
		case c == '.' && !point && count > 0:
			point = true
		default:
			return decimal.Decimal{}, false
		}
	}
	// 19 digits fit an uint64, and a point stands between two of them.
	if count == 0 || count > 19 || n > math.MaxInt64 || point && places == 0 {
		return decimal.Decimal{}, false
	}
	value := int64(n)
	if negative {
		value = -value
	}
	return decimal.New(value, -int32(places)), true
}
