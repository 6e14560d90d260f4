package bitcart

import "context"

// ValidateKey reports whether the daemon could open a wallet with the key: an xpub, a seed, an
// address or anything else that the currency accepts as Wallet.Xpub. For a view key of XMR use
// [Coin.ValidateWallet].
//
// ctx bounds the call as in [Coin.Call]. The call loads no wallet.
func (c *Coin) ValidateKey(ctx context.Context, key string) (bool, error) {
	return c.ValidateWallet(ctx, Wallet{Xpub: key})
}

// ValidateWallet is like [Coin.ValidateKey] for the Xpub and Address of a wallet. It does not look
// at its Contract.
//
// ctx bounds the call as in [Coin.Call]. The call loads no wallet.
func (c *Coin) ValidateWallet(ctx context.Context, w Wallet) (bool, error) {
	params := []any{w.Xpub}
	if w.Address != "" {
		params = append(params, Named{"address": w.Address})
	}
	return queryBare(ctx, c, decodeFlag, "validatekey", params...)
}

// ValidateAddress reports whether the daemon accepts the text as an address that can be paid.
//
// ctx bounds the call as in [Coin.Call]. The call loads no wallet.
func (c *Coin) ValidateAddress(ctx context.Context, address string) (bool, error) {
	return queryBare(ctx, c, decodeFlag, "validateaddress", address)
}

// MakeSeed returns the seed of a new wallet, which the daemon does not open. Whoever has the seed
// has the coins: do not log it.
//
// ctx bounds the call as in [Coin.Call]. The call loads no wallet.
func (c *Coin) MakeSeed(ctx context.Context) (string, error) {
	return queryBare(ctx, c, decodeText, "make_seed")
}
