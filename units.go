package bitcart

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/shopspring/decimal"
)

// ErrInexact: an amount has more decimal places than its coin, so that it is no whole number of the
// smallest unit.
var ErrInexact = errors.New("bitcart: the amount is no whole number of the smallest unit")

// Decimals returns how many decimal places the coin has: 8 for BTC, whose smallest unit is the
// satoshi. A token's wallet has the decimals of its token, which only the contract knows.
func (c *Coin) Decimals() int { return c.d.cur.Decimals }

// ToUnits converts an amount in coins into the smallest unit, satoshi or wei say, of a coin with
// so many decimals. It is exact: an amount with more decimal places than that is ErrInexact, and
// never rounded.
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

// FromUnits converts an amount in the smallest unit into coins, exactly. nil is zero. decimals
// below 0 count as 0.
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
