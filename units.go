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
func (c *Coin) Decimals() int { return c.d.cur.Decimals }

// ToUnits converts an amount in coins to the coin's smallest unit, such as satoshi or wei. decimals
// is how many decimal places the coin has. The conversion is exact: an amount with more decimal
// places is ErrInexact, never rounded.
func ToUnits(amount decimal.Decimal, decimals int) (*big.Int, error) {
	if err := checkScale(amount, decimals); err != nil {
		return nil, err
	}
	units := amount.Shift(int32(decimals))
	if !units.IsInteger() {
		return nil, fmt.Errorf("%w: %d decimals", ErrInexact, decimals)
	}
	return units.BigInt(), nil
}

// FromUnits converts an amount in the smallest unit to coins, exactly. decimals is how many decimal
// places the coin has; below 0 it counts as 0. nil units are zero.
func FromUnits(units *big.Int, decimals int) decimal.Decimal {
	if units == nil {
		return decimal.Zero
	}
	return decimal.NewFromBigInt(units, -int32(max(0, min(decimals, maxAmountExponent))))
}

// checkScale: what a few characters spell can take all memory to write out.
func checkScale(amount decimal.Decimal, decimals int) error {
	switch e := amount.Exponent(); {
	case decimals < 0 || decimals > maxAmountExponent:
		return fmt.Errorf("bitcart: %d decimals are out of range", decimals)
	case e > maxAmountExponent:
		return fmt.Errorf("bitcart: %w", errAmount)
	case e < -10*maxAmountExponent:
		return fmt.Errorf("%w: %d decimals", ErrInexact, decimals)
	}
	return nil
}
