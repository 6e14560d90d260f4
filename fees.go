package bitcart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/shopspring/decimal"
)

// UsedFee returns the fee that a transaction has paid, in coins, also for a
// transfer of tokens. It is not valid where the daemon does not know the fee.
// On BTC, LTC, GRS, BCH and XRG the transaction must belong to the Coin's
// wallet; otherwise the error is ErrTxNotFound. A BCH token wallet is an error,
// because the daemon would count the fee with the token's decimals. ctx bounds
// the call as in [Coin.Call].
func (c *Coin) UsedFee(ctx context.Context, txid string) (decimal.NullDecimal, error) {
	if err := c.feesAreCoins("UsedFee"); err != nil {
		return decimal.NullDecimal{}, err
	}
	return query(ctx, c, parseAmount, "get_used_fee", txid)
}

// DefaultFee returns the fee that the daemon would choose for a transaction, in
// coins. rawTx is a transaction as in [Payout].RawTx, or the JSON text of an
// unsigned one; account daemons need the latter, since they read the gas and
// its price from that object and cannot read a signed text (protocol section
// 10). XMR daemons do not support it: the error is ErrUnsupported, without a
// call. A BCH token wallet is an error as in [Coin.UsedFee]. ctx bounds the
// call as in [Coin.Call].
func (c *Coin) DefaultFee(ctx context.Context, rawTx string) (decimal.Decimal, error) {
	if err := c.supports("DefaultFee"); err != nil {
		return decimal.Decimal{}, err
	}
	if err := c.feesAreCoins("DefaultFee"); err != nil {
		return decimal.Decimal{}, err
	}
	return query(ctx, c, requiredAmount, "get_default_fee", wireTx(rawTx))
}

// DefaultFeeForSize returns the fee, in coins, that the daemon would choose for
// a transaction of size virtual bytes. Fees of account daemons do not depend on
// the size: the error is ErrUnsupported, without a call. A BCH token wallet is
// an error as in [Coin.UsedFee]. ctx bounds the call as in [Coin.Call].
func (c *Coin) DefaultFeeForSize(ctx context.Context, size int) (decimal.Decimal, error) {
	if err := c.supports("DefaultFeeForSize"); err != nil {
		return decimal.Decimal{}, err
	}
	if err := c.feesAreCoins("DefaultFeeForSize"); err != nil {
		return decimal.Decimal{}, err
	}
	return query(ctx, c, requiredAmount, "get_default_fee", size)
}

// RecommendedFee returns the fee rate, in satoshis per 1000 virtual bytes, with
// which a transaction should be confirmed within targetBlocks blocks.
// [WithFeeRate] takes it per single virtual byte: divide by 1000. It is not
// valid if there is no estimate, which is always so except on BTC, LTC and GRS.
// ctx bounds the call as in [Coin.Call]. The call loads no wallet.
func (c *Coin) RecommendedFee(ctx context.Context, targetBlocks int) (decimal.NullDecimal, error) {
	rate, err := queryBare(ctx, c, parseAmount, "recommended_fee", targetBlocks)
	if rate.Decimal.IsZero() {
		return decimal.NullDecimal{}, err
	}
	return rate, err
}

var errNoAmount = errors.New("no amount")

// requiredAmount is parseAmount for an answer that is never null.
func requiredAmount(raw json.RawMessage) (decimal.Decimal, error) {
	v, err := parseAmount(raw)
	if err == nil && !v.Valid {
		err = errNoAmount
	}
	return v.Decimal, err
}

// feesAreCoins refuses what would be money of a wrong scale: for a token wallet
// the BCH daemon prints fees with the token's decimals.
func (c *Coin) feesAreCoins(method string) error {
	if err := c.ready(); err != nil {
		return err
	}
	if c.d.cur.Family == FamilyElectronCash && c.wallet.Contract != "" {
		return fmt.Errorf("bitcart: %s: the daemon counts the fees of a token wallet in tokens: "+
			"use a Coin of the coin's own wallet", method)
	}
	return nil
}
