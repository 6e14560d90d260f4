package bitcart

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/shopspring/decimal"
)

// Transfer pays tokens of a contract to an address; amount is in tokens. ETH,
// BNB, MATIC, TRX and BCH have it (ErrUnsupported elsewhere, without a call).
// The wallet signs, so it is a seed or a private key, and on account daemons it
// pays the fee in coins; it may be the token's wallet or the coin's own. Digits
// beyond the token's decimals are cut off by the daemon: see [Coin.ReadContract].
//
// The daemon is asked for an unsigned transaction, then for its signature, then
// to broadcast it: its own one-step transfer would leave a lost answer in
// doubt. Errors are those of [Coin.PayTo]; of its options only
// [WithoutBroadcast] fits.
func (c *Coin) Transfer(ctx context.Context, contract, to string, amount decimal.Decimal, opts ...PayOption) (*Payout, error) {
	if err := c.supportsWallet("Transfer"); err != nil {
		return nil, err
	}
	o, err := readPayOptions(opts)
	if err != nil {
		return nil, err
	}
	if len(o.fees) > 0 {
		return nil, &OptionError{o.fees[0], errors.New("does not fit Transfer: the daemon chooses the fee")}
	}
	if contract == "" {
		return nil, errors.New("bitcart: Transfer: no contract")
	}
	if err := checkOutput("Transfer", Output{to, amount}, maxAmountExponent); err != nil {
		return nil, err // how many decimals the token has only the daemon knows
	}
	sign := func(ctx context.Context) (signedTx, error) { return c.signTransfer(ctx, contract, to, amount) }
	return c.payInTurn(orBackground(ctx), sign, o.withoutBroadcast)
}

// signTransfer makes a token transaction and signs it. Neither step moves money.
func (c *Coin) signTransfer(ctx context.Context, contract, to string, amount decimal.Decimal) (signedTx, error) {
	var unsigned json.RawMessage
	if err := c.call(ctx, &unsigned, "transfer", contract, to, amount, Named{"unsigned": true}); err != nil {
		return signedTx{}, err
	}
	if _, err := decodeSigned(unsigned); err != nil {
		return signedTx{}, undecodable("transfer", err)
	}
	return query(ctx, c, decodeSigned, "signtransaction", unsigned)
}

// ReadContract calls a function of a token contract that changes nothing, such
// as "decimals", "symbol" or "balanceOf" with an address, and decodes its answer
// into result as [Coin.Call] does. Numbers may exceed 64 bits: take them as
// *big.Int, decimal.Decimal or json.Number. BCH knows "decimals" and "symbol"
// and needs a wallet. ErrUnsupported, without a call, where there are no tokens;
// ErrInvalidContract and ErrNoContractFunction for what the chain does not have.
func (c *Coin) ReadContract(ctx context.Context, result any, contract, function string, args ...any) error {
	if err := c.supports("ReadContract"); err != nil {
		return err
	}
	return c.call(ctx, result, "readcontract", append([]any{contract, function}, args...)...)
}

// ValidateContract reports whether the text names a token contract. BCH checks
// its length alone; where there are no tokens it is false. ctx bounds the call.
func (c *Coin) ValidateContract(ctx context.Context, contract string) (bool, error) {
	return queryBare(ctx, c, decodeFlag, "validatecontract", contract)
}

// Tokens returns the contracts of the tokens that the daemon knows by name, by
// their symbols; empty where there are no tokens. Other contracts work as well.
// ctx bounds the call.
func (c *Coin) Tokens(ctx context.Context) (map[string]string, error) {
	return queryBare(ctx, c, decodeTokens, "get_tokens")
}

func decodeTokens(raw json.RawMessage) (map[string]string, error) {
	var tokens map[string]string
	if json.Unmarshal(raw, &tokens) != nil || tokens == nil {
		return nil, errNotObject
	}
	return tokens, nil
}

// ABI returns the interface of token contracts that the daemon uses, a JSON
// array; empty where there are no tokens. ctx bounds the call.
func (c *Coin) ABI(ctx context.Context) (json.RawMessage, error) {
	return queryBare(ctx, c, decodeABI, "getabi")
}

func decodeABI(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, errNoList
	}
	return raw, nil
}

// NormalizeAddress returns the daemon's spelling of an address or contract:
// checksummed on ETH, BNB and MATIC, base58 on TRX, unchanged elsewhere. Use it
// on a contract before it goes into a [Wallet]: two spellings are two wallets
// (protocol section 5). ctx bounds the call.
func (c *Coin) NormalizeAddress(ctx context.Context, address string) (string, error) {
	return queryBare(ctx, c, decodeText, "normalizeaddress", address)
}
