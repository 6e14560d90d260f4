package bitcart

import "context"

// ValidateKey reports whether the daemon could open a wallet by key: an xpub, a seed, an address or
// whatever the currency takes for Wallet.Xpub. Ask ValidateWallet about the view key of XMR.
//
// ctx bounds the call as in [Coin.Call]. No wallet is loaded by it.
func (c *Coin) ValidateKey(ctx context.Context, key string) (bool, error) {
	return c.ValidateWallet(ctx, Wallet{Xpub: key})
}

// ValidateWallet is ValidateKey for a wallet, whose Address goes along. Its Contract is not looked
// at.
//
// ctx bounds the call as in [Coin.Call]. No wallet is loaded by it.
func (c *Coin) ValidateWallet(ctx context.Context, w Wallet) (bool, error) {
	params := []any{w.Xpub}
	if w.Address != "" {
		params = append(params, Named{"address": w.Address})
	}
	return queryBare(ctx, c, decodeFlag, "validatekey", params...)
}

// ValidateAddress reports whether the daemon takes the text for an address that can be paid.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) ValidateAddress(ctx context.Context, address string) (bool, error) {
	return queryBare(ctx, c, decodeFlag, "validateaddress", address)
}

// MakeSeed makes the seed of a new wallet, which is not opened. Whoever has the seed has the coins:
// do not log it.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) MakeSeed(ctx context.Context) (string, error) {
	return queryBare(ctx, c, decodeText, "make_seed")
}
