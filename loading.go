package bitcart

import (
	"context"
	"fmt"
	"slices"
)

// BatchLoad makes an account daemon load and watch many wallets, in calls of up to 2000 wallets. It
// does not wait until they are synchronized. One bad wallet makes it fail, and wallets before that
// one may be loaded. It is not needed for the wallets of a stream, which loads them itself. On
// other daemons, which load a wallet by any call that names it, the error is ErrUnsupported,
// without a call.
//
// ctx bounds all calls; without a deadline each call ends after 5 minutes.
func (c *Coin) BatchLoad(ctx context.Context, wallets []Wallet) error {
	if err := c.supports("BatchLoad"); err != nil {
		return err
	}
	for _, w := range wallets {
		if err := w.check(c.d.cur); err != nil {
			return err
		}
	}
	done := 0
	for batch := range slices.Chunk(wallets, mostBatch) {
		if err := c.callBare(ctx, nil, "batch_load", Named{"wallets": batch, "background": false}); err != nil {
			return fmt.Errorf("bitcart: BatchLoad: %d of %d wallets are loaded: %w", done, len(wallets), err)
		}
		done += len(batch)
	}
	return nil
}

// CloseWallet makes the daemon forget the Coin's wallet until a call names it again, and reports
// whether it was loaded. The daemon drops what its queue held for the wallet and sends no more
// events for it: do not close a wallet while a stream runs for it. It is meant for wallets that
// hold a private key, and for diskless ones, whose payment requests end with the wallet.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) CloseWallet(ctx context.Context) (bool, error) {
	if err := c.supportsWallet("CloseWallet"); err != nil {
		return false, err
	}
	// By its key, not as the call's wallet: that would load it first.
	return queryBare(ctx, c, decodeFlag, "close_wallet", c.key)
}
