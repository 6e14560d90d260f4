package bitcart

import (
	"context"
	"fmt"
	"slices"
)

// lack says who cannot serve a method: whole families, and currencies of the others.
type lack struct {
	families   []Family
	currencies []string
}

var (
	electrumOnly   = lack{families: []Family{FamilyElectronCash, FamilyAccount}}
	accountOnly    = lack{families: []Family{FamilyElectrum, FamilyElectronCash}}
	notAccount     = lack{families: []Family{FamilyAccount}}
	notMonero      = lack{currencies: []string{"XMR"}}
	accountByPayer = lack{families: accountOnly.families, currencies: notMonero.currencies}
	tokensOnly     = lack{families: []Family{FamilyElectrum}, currencies: []string{"XRG", "XMR"}}
)

// lacking is the support matrix (protocol section 9.15), by the methods of Coin. What is not in
// it every daemon has, or only the daemon knows.
var lacking = map[string]lack{
	"AddInvoice": electrumOnly, "GetInvoice": electrumOnly, "NodeID": electrumOnly, "Connect": electrumOnly,
	"ListPeers": electrumOnly, "ListChannels": electrumOnly, "OpenChannel": electrumOnly, "CloseChannel": electrumOnly,
	"LNPay": electrumOnly,

	"History": notAccount, "GetAddress": notAccount,

	"PayTo": notMonero, "PayToMany": notAccount, "Transfer": tokensOnly, "ReadContract": tokensOnly,

	// Daemons of XMR sign nothing, answer no hash to a broadcast and refuse get_default_fee. Fees of
	// account daemons do not depend on a size.
	"Broadcast": notMonero, "DefaultFee": notMonero, "DefaultFeeForSize": notAccount,

	// The others find a payment by its address; XMR by the payment id in it.
	"SetRequestAddress": accountByPayer,

	"BatchLoad": accountOnly, "RescanBlocks": accountOnly,
}

// UnsupportedError is a method that the daemons of a currency do not support. The library knows
// that without a call. It matches ErrUnsupported.
type UnsupportedError struct {
	Method   string // the method of Coin, "History", or the option, "WithFee"
	Currency string // "ETH"
}

// Error returns the method and the currency.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("bitcart: %s: daemons of %s do not support it", e.Method, e.Currency)
}

// Is matches ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool { return target == ErrUnsupported }

// supports returns an *UnsupportedError for a method of Coin that the currency lacks.
func (c *Coin) supports(method string) error {
	if err := c.ready(); err != nil {
		return err
	}
	row, cur := lacking[method], c.d.cur
	if slices.Contains(row.families, cur.Family) || slices.Contains(row.currencies, cur.Symbol) {
		return c.unsupported(method)
	}
	return nil
}

func (c *Coin) unsupported(method string) error {
	return &UnsupportedError{Method: method, Currency: c.Currency()}
}

// supportsWallet is supports for a method that is about the Coin's wallet.
func (c *Coin) supportsWallet(method string) error {
	if err := c.supports(method); err != nil {
		return err
	}
	if c.key == "" {
		return fmt.Errorf("%w: %s", ErrWalletRequired, method)
	}
	return nil
}

// supportsLightning is supportsWallet, and asks the daemon's spec whether lightning is switched on
// (protocol section 3.2). A spec that cannot be had does not decide it: the call that follows does.
func (c *Coin) supportsLightning(ctx context.Context, method string) error {
	if err := c.supportsWallet(method); err != nil {
		return err
	}
	spec, err := c.d.rpc.Spec(orBackground(ctx))
	if err != nil {
		return nil
	}
	if on, known := spec.Capabilities["lightning"]; known && !on {
		return fmt.Errorf("%w: %s", ErrLightningDisabled, method)
	}
	return nil
}
