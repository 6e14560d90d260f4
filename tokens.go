package bitcart

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/shopspring/decimal"
)

// Transfer pays tokens of a contract to an address; amount is in tokens. ETH,
// BNB, MATIC, TRX and BCH support it; elsewhere the error is ErrUnsupported,
// without a call. The daemon signs, so the wallet must be a seed or a private
// key; it may be the token's wallet or the coin's own. On account daemons it
// pays the fee in coins. The daemon cuts off digits beyond the token's
// decimals, which [Coin.ReadContract] can read.
//
// The daemon's own one-step transfer would leave open after a lost answer
// whether money has moved. So Transfer asks for an unsigned transaction, then
// for its signature, then for the broadcast. Errors are those of [Coin.PayTo],
// and ctx bounds the same; the only option that fits is [WithoutBroadcast]. If a
// daemon sends the tokens at once all the same, the error is a *BroadcastError
// with its hash and without RawTx.
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
	return c.payInTurn(orBackground(ctx), "transfer", sign, o.withoutBroadcast)
}

// signTransfer makes a token transaction and signs it. Neither step moves money.
func (c *Coin) signTransfer(ctx context.Context, contract, to string, amount decimal.Decimal) (signedTx, error) {
	var unsigned json.RawMessage
	if err := c.call(ctx, &unsigned, "transfer", contract, to, amount, Named{"unsigned": true}); err != nil {
		return signedTx{}, err
	}
	draft, err := decodeSigned(unsigned)
	switch {
	case err != nil:
		return signedTx{}, undecodable("transfer", err)
	case c.looksSent(draft):
		return signedTx{}, &BroadcastError{TxID: draft.text, Err: undecodable("transfer", errSentAtOnce)}
	}
	return query(ctx, c, decodeSigned, "signtransaction", unsigned)
}

var errSentAtOnce = errors.New("not an unsigned transaction, but what looks like the hash of one that was sent")

// looksSent: a daemon that has sent the tokens, although it was asked not to, answers
// a hash. How one looks on a registered currency nobody knows; it is no long
// hexadecimal text.
func (c *Coin) looksSent(draft signedTx) bool {
	switch {
	case draft.raw[0] == '{':
		return false
	case c.d.cur.registered:
		return len(draft.text) <= len("0x")+64 || !hexText.MatchString(draft.text)
	}
	return hash64.MatchString(draft.text)
}

// ReadContract calls a read-only function of a token contract, such as
// "decimals", "symbol" or "balanceOf" with an address, and decodes its answer
// into result as [Coin.Call] does. Numbers may exceed 64 bits: decode them into
// a *big.Int, decimal.Decimal or json.Number. On BCH there are only "decimals"
// and "symbol", and the Coin needs a wallet. For currencies without tokens the
// error is ErrUnsupported, without a call; a contract or function that the
// chain does not have is ErrInvalidContract or ErrNoContractFunction. ctx
// bounds the call as in [Coin.Call].
func (c *Coin) ReadContract(ctx context.Context, result any, contract, function string, args ...any) error {
	if err := c.supports("ReadContract"); err != nil {
		return err
	}
	return c.call(ctx, result, "readcontract", append([]any{contract, function}, args...)...)
}

// ValidateContract reports whether the text names a token contract. BCH daemons
// check only its length; for currencies without tokens it is false. ctx bounds
// the call as in [Coin.Call]. The call loads no wallet.
func (c *Coin) ValidateContract(ctx context.Context, contract string) (bool, error) {
	return queryBare(ctx, c, decodeFlag, "validatecontract", contract)
}

// Tokens returns the contracts of the tokens that the daemon knows by name, by
// their symbols. It is empty for currencies without tokens. Other contracts can
// be used as well. ctx bounds the call as in [Coin.Call]. The call loads no
// wallet.
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
// array. It is empty for currencies without tokens. ctx bounds the call as in
// [Coin.Call]. The call loads no wallet.
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
// with a checksum on ETH, BNB and MATIC, base58 on TRX, unchanged elsewhere.
// Use it before a contract goes into a [Wallet]: two spellings are two wallets
// (protocol section 5). ctx bounds the call as in [Coin.Call]. The call loads
// no wallet.
func (c *Coin) NormalizeAddress(ctx context.Context, address string) (string, error) {
	return queryBare(ctx, c, decodeText, "normalizeaddress", address)
}
