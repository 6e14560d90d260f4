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
// What the daemon leaves out is zero: it names a part only when there is some
// (protocol section 8), and account daemons know Confirmed alone. XMR daemons
// always say zero, since a view key does not see what was spent.
type Balance struct {
	Confirmed   decimal.Decimal
	Unconfirmed decimal.Decimal // negative while more is on its way out than in
	Unmatured   decimal.Decimal // mined, and not yet spendable
	Lightning   decimal.Decimal // in channels; BTC, LTC and GRS
	Raw         json.RawMessage // the whole answer
}

// Balance returns what the Coin's wallet holds. ctx bounds the call, which
// waits in the daemon until the wallet is synchronized. The error is
// ErrWalletRequired without a wallet, otherwise as in [Coin.Call].
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
		Confirmed:   o.amount("confirmed").Decimal,
		Unconfirmed: o.amount("unconfirmed").Decimal,
		Unmatured:   o.amount("unmatured").Decimal,
		Lightning:   o.amount("lightning").Decimal,
		Raw:         raw,
	}
	return b, o.err
}

// Tx is a transaction. Only what daemons of several families tell is typed;
// Raw is the whole answer in the form of its family (protocol section 9.7).
type Tx struct {
	// Hash is the transaction's hash as the daemon writes it, or as it was
	// asked for where the answer does not repeat it (BTC, LTC, GRS).
	Hash          string
	Confirmations int       // 0 = not in a block
	Height        int64     // of the block; 0 = none, or not told (BTC, LTC, GRS, BCH, XRG, TRX)
	BlockHash     string    // "" = none, or not told
	Time          time.Time // of the block; told by BCH and XRG only
	Raw           json.RawMessage
}

// GetTx returns a transaction of the chain or the mempool by its hash, whether
// or not it is the wallet's. A hash that the daemon's node does not know is
// ErrTxNotFound; other errors are those of [Coin.Call]. ctx bounds the call.
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

// AddressTx is one line of an address's history with its transaction.
type AddressTx struct {
	Hash   string
	Height int64               // of the block; 0 or -1 = in the mempool, -1 with a parent that is there too
	Fee    decimal.NullDecimal // in coins; told while it is in the mempool
	Tx     *Tx                 // nil only in what comes with an *IncompleteError
	Raw    json.RawMessage     // the line as the daemon answered it, without the transaction
}

// IncompleteError is a history that could be read, unlike some of its
// transactions.
type IncompleteError struct {
	Missing int    // transactions that were not read
	Total   int    // lines of the history
	Hash    string // the transaction that failed first; "" when ctx had ended before
	Err     error  // why
}

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

// GetAddress returns the transactions that touch an address, the wallet's or
// not, in the daemon's order: one call for the history and one for each
// transaction, a few at a time. ctx bounds all of them. Account daemons know no
// such history: ErrUnsupported, without a call.
//
// When a transaction cannot be read no further ones are asked for. The whole
// history comes back all the same, with a nil Tx where none was read, and the
// error is an *IncompleteError.
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

// HistoryItem is one transaction of a wallet's history.
type HistoryItem struct {
	TxID string
	// Amount is what it changed in the wallet, in coins: negative for what
	// went out. Absent where the daemon does not tell ("--" on BCH and XRG).
	Amount        decimal.NullDecimal
	Fee           decimal.NullDecimal // in coins; absent where the daemon does not know it
	Balance       decimal.NullDecimal // of the wallet, in coins, after it
	Height        int64               // of the block; 0 or less = in none: 0 and -1 in the mempool, -2 in the wallet only
	Confirmations int
	Timestamp     time.Time // of the block; zero = in none
	Label         string    // the description of the request that it pays, if any
	// Incoming: it brought more than it took. BCH and XRG do not say; there it
	// is told by Amount, and false when that is absent.
	Incoming bool
	Raw      json.RawMessage // the line as the daemon answered it
}

// History returns the transactions of the Coin's wallet, in the daemon's order
// (protocol section 9.9). ctx bounds the call. Account daemons keep none:
// ErrUnsupported, without a call. ErrWalletRequired without a wallet.
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
