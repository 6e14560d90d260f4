package bitcart

import (
	"encoding/json"
	"errors"

	"github.com/shopspring/decimal"
)

// Bounds of an amount on the wire. A short text like 1e999999999 is a valid
// decimal that would fill the memory when it is printed.
const (
	maxAmountText     = 128
	maxAmountExponent = 100
)

var errAmount = errors.New("not an amount")

// parseAmount reads money exactly: a JSON string or number, fixed or
// scientific; null is no amount. It never goes through a float.
func parseAmount(raw json.RawMessage) (decimal.NullDecimal, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return decimal.NullDecimal{}, nil
	}
	text := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return decimal.NullDecimal{}, errAmount
		}
	}
	if len(text) > maxAmountText {
		return decimal.NullDecimal{}, errAmount
	}
	d, err := decimal.NewFromString(text)
	if err != nil || d.Exponent() > maxAmountExponent || d.Exponent() < -maxAmountExponent {
		return decimal.NullDecimal{}, errAmount
	}
	return decimal.NewNullDecimal(d), nil
}
