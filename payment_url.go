package bitcart

import (
	"context"

	"github.com/shopspring/decimal"
)

// ModifyPaymentURL returns a payment URI, such as Request.URI, with another amount. The amount is
// in coins or tokens, and decimals is how many decimal places they have: [Coin.Decimals] unless it
// is a token. URIs that hold no amount, such as those of TRX, come back unchanged. An amount with
// more decimal places is ErrInexact, because the daemon would cut them off; a negative one is
// ErrInvalidAmount.
//
// ctx bounds the call as in [Coin.Call]. The call loads no wallet.
func (c *Coin) ModifyPaymentURL(ctx context.Context, uri string, amount decimal.Decimal, decimals int) (string, error) {
	if err := checkAmount("ModifyPaymentURL", amount); err != nil {
		return "", err
	}
	if _, err := ToUnits(amount, decimals); err != nil {
		return "", err
	}
	return queryBare(ctx, c, decodeText, "modifypaymenturl", uri, amount, decimals)
}
