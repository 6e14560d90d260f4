package bitcart

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/shopspring/decimal"
)

// ErrInexact means that an amount has more decimal places than its coin, so that it is not a whole
// number of the smallest unit.
var ErrInexact = errors.New("bitcart: the amount is no whole number of the smallest unit")

// Decimals returns how many decimal places the coin has: 8 for BTC, whose smallest unit is the
// satoshi. For a token wallet it is still the coin's number; only the contract knows the token's,
// see [Coin.ReadContract].
func (c *Coin) Decimals() int {
	if c.ready() != nil {
		return 0
	}
	return c.d.cur.Decimals
}

// maxDecimals: a token contract counts its decimals in one byte.
const maxDecimals = 255

// ToUnits converts an amount in coins to the coin's smallest unit, such as satoshi or wei. decimals
// is how many decimal places the coin has, 0 to 255. The conversion is exact: an amount with more
// decimal places is ErrInexact, never rounded.
func ToUnits(amount decimal.Decimal, decimals int) (*big.Int, error) {
	switch {
	case decimals < 0 || decimals > maxDecimals:
		return nil, fmt.Errorf("bitcart: %d decimals are out of range", decimals)
	case amount.IsZero():
		return new(big.Int), nil
	case amount.Exponent() > maxAmountExponent: // a few characters that take all memory to write out
		return nil, fmt.Errorf("bitcart: %w", errAmount)
	}
	units, shift := amount.Coefficient(), int64(amount.Exponent())+int64(decimals)
	if shift >= 0 {
		return units.Mul(units, power10(shift)), nil
	}
	// A power of ten that divides it has no more digits than it: a larger one is not even made.
	if rest := new(big.Int); int64(amount.NumDigits())+shift > 0 {
		if units.QuoRem(units, power10(-shift), rest); rest.Sign() == 0 {
			return units, nil
		}
	}
	return nil, fmt.Errorf("%w: %d decimals", ErrInexact, decimals)
}

func power10(n int64) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil) }

// FromUnits converts an amount in the smallest unit to coins, exactly. decimals is how many decimal
// places the coin has, 0 to 255: no token contract can say more. Below 0 it counts as 0; above 255,
// where ToUnits is an error, the result is zero, so check a number that a stranger has given. nil
// units are zero.
func FromUnits(units *big.Int, decimals int) decimal.Decimal {
	if units == nil || decimals > maxDecimals {
		return decimal.Zero
	}
	return decimal.NewFromBigInt(units, -int32(max(0, decimals)))
}
