package bitcart

import (
	"context"

	"github.com/shopspring/decimal"
)

// ModifyPaymentURL returns a payment URI, such as Request.URI, with another amount in coins or
// tokens. decimals is how many decimal places they have: [Coin.Decimals] unless it is a token. URIs
// that hold no amount, as those of TRX, come back unchanged. An amount with more decimal places is
// ErrInexact, since the daemon would cut them off, and a negative one ErrInvalidAmount.
//
// ctx bounds the call as in [Coin.Call]. No wallet is loaded by it.
func (c *Coin) ModifyPaymentURL(ctx context.Context, uri string, amount decimal.Decimal, decimals int) (string, error) {
	if err := checkAmount("ModifyPaymentURL", amount); err != nil {
		return "", err
	}
	if _, err := ToUnits(amount, decimals); err != nil {
		return "", err
	}
	return queryBare(ctx, c, decodeText, "modifypaymenturl", uri, amount, decimals)
}
