package bitcart

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shopspring/decimal"
)

// Balance is what a wallet holds, in coins, or in tokens for a token wallet.
// What the daemon leaves out is zero: it names a part only if that is not zero
// (protocol section 8), and account daemons know only Confirmed. XMR daemons
// always say zero, because a view key does not show what was spent.
type Balance struct {
	Confirmed   decimal.Decimal
	Unconfirmed decimal.Decimal // negative while more is being sent than received
	Unmatured   decimal.Decimal // mined, but not spendable yet
	Lightning   decimal.Decimal // in lightning channels; BTC, LTC and GRS
	Raw         json.RawMessage // the daemon's answer; do not change it
}

// Balance returns what the Coin's wallet holds. ctx bounds the call as in
// [Coin.Call]; the daemon does not answer before the wallet is synchronized.
// Without a wallet the error is ErrWalletRequired; the others are those of
// Coin.Call.
func (c *Coin) Balance(ctx context.Context) (*Balance, error) {
	if err := c.supportsWallet("Balance"); err != nil {
		return nil, err
	}
	return query(ctx, c, decodeBalance, "getbalance")
}

func decodeBalance(raw json.RawMessage) (*Balance, error) {
	o := readObject(raw)
	if o.err == nil && !o.has("confirmed") {
		o.fail("confirmed", ErrMissingMember) // the one part that is always there
	}
	b := &Balance{
		Confirmed:   o.balance("confirmed"),
		Unconfirmed: o.balance("unconfirmed"),
		Unmatured:   o.balance("unmatured"),
		Lightning:   o.balance("lightning"),
		Raw:         raw,
	}
	return b, o.err
}

// balance is an amount that is zero if it is left out, but not if it is unknown.
func (o *object) balance(name string) decimal.Decimal {
	if isUnknown(o.get(name)) {
		o.fail(name, errAmount)
	}
	return o.amount(name).Decimal
}

// Tx is a transaction. Its fields hold what daemons of several families tell;
// Raw is the whole answer, in the form of its family (protocol section 9.7).
type Tx struct {
	// Hash is the transaction's hash as the daemon writes it, or the hash that
	// was asked for where the answer has none (BTC, LTC, GRS).
	Hash          string
	Confirmations int             // 0 = not in a block
	Height        int64           // of the block; 0 = none, or unknown (BTC, LTC, GRS, BCH, XRG, TRX)
	BlockHash     string          // "" = none, or unknown
	Time          time.Time       // of the block; only on BCH and XRG
	Raw           json.RawMessage // the daemon's answer; do not change it
}

// GetTx returns a transaction of the chain or the mempool by its hash, whether
// or not it belongs to the wallet. A hash that the daemon's node does not know
// is ErrTxNotFound; other errors are those of [Coin.Call]. ctx bounds the call
// as there.
func (c *Coin) GetTx(ctx context.Context, hash string) (*Tx, error) {
	if hash == "" {
		return nil, errors.New("bitcart: GetTx: no hash")
	}
	var raw json.RawMessage
	if err := c.call(ctx, &raw, "get_transaction", hash); err != nil {
		return nil, err
	}
	if string(raw) == "null" {
		return nil, fmt.Errorf("%w: %s", ErrTxNotFound, hash)
	}
	tx, err := decodeTx(raw, hash)
	if err != nil {
		return nil, undecodable("get_transaction", err)
	}
	return tx, nil
}

// hashMembers are the names that daemons give to a transaction's hash: BCH and
// XRG, TRX, XMR, ETH kinds.
var hashMembers = []string{"txid", "txID", "tx_hash", "hash"}

func decodeTx(raw json.RawMessage, hash string) (*Tx, error) {
	o := readObject(raw)
	tx := &Tx{
		Hash:          hash,
		Confirmations: max(0, o.count("confirmations")),
		Height:        max(0, cmp.Or(o.integer("blockNumber"), o.integer("height"))), // ETH kinds, XMR
		BlockHash:     cmp.Or(o.text("blockHash"), o.text("blockhash")),              // ETH kinds, BCH and XRG
		Time:          cmp.Or(o.time("blocktime"), o.time("time")),
		Raw:           raw,
	}
	for _, name := range hashMembers {
		if o.has(name) {
			tx.Hash = o.required(name)
			break
		}
	}
	if o.err != nil {
		return nil, o.err
	}
	return tx, nil
}

// AddressTx is one line of an address's history, together with its transaction.
type AddressTx struct {
	Hash   string              // the transaction's hash
	Height int64               // of the block; 0 = in the mempool, -1 = in the mempool with an unconfirmed parent
	Fee    decimal.NullDecimal // in coins; known only while it is in the mempool
	Tx     *Tx                 // nil only if GetAddress returned an *IncompleteError
	Raw    json.RawMessage     // the line as the daemon answered it, without Tx; do not change it
}

// IncompleteError says that GetAddress could read an address's history but not
// all of its transactions.
type IncompleteError struct {
	Missing int    // transactions that were not read
	Total   int    // lines of the history
	Hash    string // of the first transaction that failed; "" if ctx ended before one did
	Err     error  // why it failed
}

// Error returns how many transactions are missing, and the cause.
func (e *IncompleteError) Error() string {
	text := fmt.Sprintf("bitcart: %d of %d transactions were not read", e.Missing, e.Total)
	if e.Hash != "" {
		text += ": " + e.Hash
	}
	return text + ": " + inner(e.Err)
}

// Unwrap returns the cause.
func (e *IncompleteError) Unwrap() error { return e.Err }

// addressLookUps is how many transactions GetAddress asks for at once.
const addressLookUps = 4

// GetAddress returns the transactions that touch an address, whether or not it
// belongs to the wallet, in the daemon's order. It makes one call for the
// history and one for each transaction, a few at a time; ctx bounds all of
// them. Account daemons keep no such history: the error is ErrUnsupported,
// without a call.
//
// If a transaction cannot be read, no further ones are asked for. The whole
// history is returned all the same, with a nil Tx for each transaction that was
// not read, and the error is an *[IncompleteError].
func (c *Coin) GetAddress(ctx context.Context, address string) ([]*AddressTx, error) {
	if err := c.supports("GetAddress"); err != nil {
		return nil, err
	}
	if address == "" {
		return nil, errors.New("bitcart: GetAddress: no address")
	}
	items, err := query(ctx, c, c.decodeAddressTxs, "getaddresshistory", address)
	if err != nil {
		return nil, err
	}
	return items, c.readTxs(orBackground(ctx), items)
}

func (c *Coin) decodeAddressTxs(raw json.RawMessage) ([]*AddressTx, error) {
	return readItems(raw, func(o *object, raw json.RawMessage) *AddressTx {
		return &AddressTx{
			Hash:   o.required("tx_hash"),
			Height: o.integer("height"),
			Fee:    o.units("fee", c.d.cur.Decimals),
			Raw:    raw,
		}
	})
}

// readTxs looks the transactions of items up, until one fails.
func (c *Coin) readTxs(ctx context.Context, items []*AddressTx) error {
	var (
		next   atomic.Int64
		group  sync.WaitGroup
		failed atomic.Pointer[IncompleteError]
	)
	for range min(addressLookUps, len(items)) {
		group.Go(func() {
			for ctx.Err() == nil && failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(items) {
					return
				}
				tx, err := c.GetTx(ctx, items[i].Hash)
				if err != nil {
					failed.CompareAndSwap(nil, &IncompleteError{Hash: items[i].Hash, Err: err})
					return
				}
				items[i].Tx = tx
			}
		})
	}
	group.Wait()
	missing := 0
	for _, item := range items {
		if item.Tx == nil {
			missing++
		}
	}
	if missing == 0 {
		return nil
	}
	first := failed.Load()
	if first == nil {
		first = &IncompleteError{Err: ctx.Err()}
	}
	first.Missing, first.Total = missing, len(items)
	return first
}

// HistoryItem is one transaction in the history of a wallet (protocol section
// 9.9).
type HistoryItem struct {
	TxID string
	// Amount is by how much the transaction changed the wallet, in coins:
	// negative if coins were sent. Not valid where the daemon does not say ("--"
	// on BCH and XRG).
	Amount  decimal.NullDecimal
	Fee     decimal.NullDecimal // in coins; not valid where the daemon does not know it
	Balance decimal.NullDecimal // of the wallet after the transaction, in coins
	// Height is the height of the block, or, without one: 0 or -1 in the
	// mempool, -2 in the wallet only.
	Height        int64
	Confirmations int
	Timestamp     time.Time // of the block; zero = in no block
	Label         string    // the description of the request that it pays; "" = none
	// Incoming says that the wallet received more than it sent. BCH and XRG do
	// not say so; there it follows from Amount, and is false if that is not valid.
	Incoming bool
	Raw      json.RawMessage // the line as the daemon answered it; do not change it
}

// History returns the transactions of the Coin's wallet, in the daemon's order
// (protocol section 9.9). ctx bounds the call as in [Coin.Call]. Account
// daemons keep no history: the error is ErrUnsupported, without a call. Without
// a wallet it is ErrWalletRequired.
func (c *Coin) History(ctx context.Context) ([]*HistoryItem, error) {
	if err := c.supportsWallet("History"); err != nil {
		return nil, err
	}
	return query(ctx, c, c.decodeHistory, c.d.cur.dialect.history)
}

func (c *Coin) decodeHistory(raw json.RawMessage) ([]*HistoryItem, error) {
	return readItems(raw, c.decodeHistoryItem)
}

// decodeHistoryItem reads the line of either family: Electrum has amounts in
// satoshis, Electron Cash as texts in coins.
func (c *Coin) decodeHistoryItem(o *object, raw json.RawMessage) *HistoryItem {
	decimals := c.d.cur.Decimals
	item := &HistoryItem{
		TxID:          o.required("txid"),
		Amount:        firstAmount(o.units("amount_sat", decimals), dashed(o, "bc_value"), dashed(o, "value")),
		Fee:           firstAmount(o.units("fee_sat", decimals), dashed(o, "fee")),
		Balance:       firstAmount(dashed(o, "bc_balance"), dashed(o, "balance")),
		Height:        o.integer("height"),
		Confirmations: max(0, o.count("confirmations")),
		Timestamp:     o.time("timestamp"),
		Label:         o.text("label"),
		Incoming:      o.flag("incoming"),
		Raw:           raw,
	}
	if !o.has("incoming") {
		item.Incoming = item.Amount.Valid && item.Amount.Decimal.IsPositive()
	}
	return item
}

// dashed is an amount in coins that may be "--", which is none.
func dashed(o *object, name string) decimal.NullDecimal {
	if string(o.get(name)) == `"--"` {
		return decimal.NullDecimal{}
	}
	return o.amount(name)
}

func firstAmount(amounts ...decimal.NullDecimal) decimal.NullDecimal {
	for _, a := range amounts {
		if a.Valid {
			return a
		}
	}
	return decimal.NullDecimal{}
}
