package bitcart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/shopspring/decimal"
)

// Electrum daemons (BTC, LTC, GRS) support lightning if it is switched on, for wallets that hold a
// key. For other currencies its methods return ErrUnsupported, and where the daemon's spec says that
// it is off ErrLightningDisabled, both before any call. A wallet that does not support it, such as
// one of an xpub, is ErrLightningUnsupported, by the daemon's answer. (Protocol section 9.13.)

// AddInvoice creates a lightning invoice. Its LightningInvoice is the text to pay, and its Key and
// RHash are its payment hash. For currencies without lightning the error is ErrUnsupported, where
// the daemon has it switched off ErrLightningDisabled, and for a wallet that holds no key
// ErrLightningUnsupported. So it is with all lightning methods.
//
// ctx bounds the call, and errors are as in [Coin.AddRequest].
func (c *Coin) AddInvoice(ctx context.Context, p RequestParams) (*Request, error) {
	if err := c.supportsLightning(ctx, "AddInvoice"); err != nil {
		return nil, err
	}
	args, err := c.requestArguments("AddInvoice", p)
	if err != nil {
		return nil, err
	}
	args["lightning"] = true
	method := c.d.cur.dialect.createRequest
	r, err := c.readRequest(ctx, method, args)
	if err == nil && (r.LightningInvoice == "" || r.RHash == "") {
		return nil, undecodable(method, &memberError{"lightning_invoice or rhash", ErrMissingMember})
	}
	return r, keylessWallet(err)
}

// keylessWallet: a wallet that cannot sign an invoice answers this method with a failed assertion
// and no word, the others with their own error.
func keylessWallet(err error) error {
	var answered *RPCError
	if errors.As(err, &answered) && strings.HasPrefix(answered.Message, "AssertionError") {
		return fmt.Errorf("%w: %w", ErrLightningUnsupported, err)
	}
	return err
}

// GetInvoice reads a lightning invoice by its payment hash, which is its Key. An unknown one is
// ErrInvoiceNotFound.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) GetInvoice(ctx context.Context, rhash string) (*Request, error) {
	if err := c.supportsLightning(ctx, "GetInvoice"); err != nil {
		return nil, err
	}
	return c.readRequest(ctx, c.d.cur.dialect.readInvoice, rhash)
}

// NodeID returns the id of the wallet's lightning node: its public key in hexadecimal, followed by
// "@host:port" if the node listens there.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) NodeID(ctx context.Context) (string, error) {
	return c.lightningText(ctx, "NodeID", "nodeid")
}

// Connect connects the wallet's lightning node to a peer, "pubkey@host" or "pubkey@host:port". Any
// other text is ErrInvalidNodeID.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) Connect(ctx context.Context, peer string) error {
	if err := c.supportsLightning(ctx, "Connect"); err != nil {
		return err
	}
	connected, err := query(ctx, c, decodeFlag, "add_peer", peer)
	if err == nil && !connected {
		err = errors.New("bitcart: add_peer: the daemon did not connect")
	}
	return err
}

// Peer is a lightning node that the wallet's node is connected to.
type Peer struct {
	NodeID      string
	Address     string
	Initialized bool
	Channels    []string        // the points, "txid:n", of the channels with it
	Raw         json.RawMessage // the daemon's answer; do not change it
}

// ListPeers returns the peers of the wallet's lightning node, without those that it only exchanges
// gossip with.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) ListPeers(ctx context.Context) ([]*Peer, error) {
	var raw json.RawMessage
	if err := c.lightning(ctx, "ListPeers", &raw, "list_peers", Named{"gossip": false}); err != nil {
		return nil, err
	}
	peers, err := readItems(raw, decodePeer)
	if err != nil {
		return nil, undecodable("list_peers", err)
	}
	return peers, nil
}

func decodePeer(o *object, raw json.RawMessage) *Peer {
	return &Peer{
		NodeID: o.required("node_id"), Address: o.text("address"), Initialized: o.flag("initialized"),
		Channels: o.texts("channels"), Raw: raw,
	}
}

// Channel is a lightning channel of the wallet, or the backup of one. Amounts are in coins; they
// are not valid where the daemon does not say, as for backups, which hold little more than the
// channel's ids.
type Channel struct {
	Backup       bool
	ID           string // channel id
	ShortID      string // its place in the chain; "" until it is mined
	Point        string // "txid:n" of the output that opened it, as CloseChannel takes it
	ClosingTxID  string // "" while it is open
	State        string // the daemon's word for it: "OPEN"
	PeerState    string
	RemotePubkey string
	// LocalBalance is the wallet's share, RemoteBalance the peer's.
	LocalBalance, RemoteBalance decimal.NullDecimal
	// LocalReserve and RemoteReserve are what each side cannot spend.
	LocalReserve, RemoteReserve decimal.NullDecimal
	// LocalUnsettled and RemoteUnsettled are what each side has sent and the
	// other has not settled yet.
	LocalUnsettled, RemoteUnsettled decimal.NullDecimal
	Raw                             json.RawMessage // the daemon's answer; do not change it
}

// ListChannels returns the wallet's channels and backups of channels.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) ListChannels(ctx context.Context) ([]*Channel, error) {
	var raw json.RawMessage
	if err := c.lightning(ctx, "ListChannels", &raw, "list_channels"); err != nil {
		return nil, err
	}
	channels, err := readItems(raw, c.decodeChannel)
	if err != nil {
		return nil, undecodable("list_channels", err)
	}
	return channels, nil
}

func (c *Coin) decodeChannel(o *object, raw json.RawMessage) *Channel {
	decimals := c.d.cur.Decimals
	return &Channel{
		Backup: o.text("type") == "BACKUP", ID: o.text("channel_id"), ShortID: o.text("short_channel_id"),
		Point: o.required("channel_point"), ClosingTxID: o.text("closing_txid"), State: o.text("state"),
		PeerState: o.text("peer_state"), RemotePubkey: o.text("remote_pubkey"),
		LocalBalance: o.units("local_balance", decimals), RemoteBalance: o.units("remote_balance", decimals),
		LocalReserve: o.units("local_reserve", decimals), RemoteReserve: o.units("remote_reserve", decimals),
		LocalUnsettled: o.units("local_unsettled_sent", decimals), RemoteUnsettled: o.units("remote_unsettled_sent", decimals),
		Raw: raw,
	}
}

// OpenChannel opens a channel with a node and returns the channel's point, "txid:n". node is the
// node's id or "pubkey@host:port", amount is in coins. It spends the wallet's coins and is never
// repeated: after an error that matches ErrMaybeSent, and after an *RPCError that may have come late,
// look at [Coin.ListChannels] and [Coin.History] before you try again. An amount that is not more
// than zero, or has digits beyond the satoshi, is ErrInvalidAmount.
//
// It takes turns with the payments of the wallet, see [Coin.PayTo]. ctx bounds the waiting, and the
// call as in [Coin.Call].
func (c *Coin) OpenChannel(ctx context.Context, node string, amount decimal.Decimal) (point string, err error) {
	if err := c.supports("OpenChannel"); err != nil {
		return "", err
	}
	if err := checkOutput("OpenChannel", Output{node, amount}, c.d.cur.Decimals); err != nil {
		return "", err
	}
	if err := c.supportsLightning(ctx, "OpenChannel"); err != nil {
		return "", err
	}
	lane, leave := paying.join(c)
	defer leave()
	if err := lane.take(orBackground(ctx), "open_channel"); err != nil {
		return "", err
	}
	defer lane.give()
	lane.sent++ // the daemon takes coins of the wallet for it
	return query(ctx, c, decodeText, "open_channel", node, amount)
}

// CloseChannel closes a channel by its point and returns the hash of the closing transaction. With
// force it closes the channel without the peer's consent, and the wallet's coins come back only
// after a delay.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) CloseChannel(ctx context.Context, point string, force bool) (txid string, err error) {
	return c.lightningText(ctx, "CloseChannel", "close_channel", point, force)
}

// LNPayment is the outcome of a lightning payment.
type LNPayment struct {
	PaymentHash string
	Success     bool
	Preimage    string            // the proof of payment; "" without success
	Log         []json.RawMessage // the attempts, as the daemon writes them; do not change them
	Raw         json.RawMessage   // the daemon's answer; do not change it
}

// LNPay pays a lightning invoice, given as its bolt11 text. A payment that failed is no error: look
// at Success. It is never repeated. A text that is no invoice is ErrInvalidInvoice.
//
// After an error that matches ErrMaybeSent the payment may have been made, may still be made, or may
// never have begun. An *RPCError does not prove that nothing was paid either, unless it is one that
// comes before any payment: ErrInvalidInvoice, ErrLightningUnsupported, ErrUnauthorized, or an error
// of the wallet. Nothing here tells how a payment went that was asked for earlier, and GetInvoice
// knows only the wallet's own invoices. So keep the invoice as open and do not pay it, or another one
// for the same thing, until you know:
//
//   - The recipient knows whether the invoice was paid; a second payment needs their word that it
//     was not and will not be.
//   - As long as a Channel of [Coin.ListChannels] has a LocalUnsettled above zero, payments are on
//     their way, and this may be one of them.
//   - If none has, and the sum of all LocalBalance is what it was before LNPay, nothing has been paid
//     so far, provided that nothing else pays or receives over the channels. The daemon may be between
//     two attempts, so this alone is no reason to pay again at once.
//
// ctx bounds the call as in [Coin.Call]; the payment may go on after ctx has ended.
func (c *Coin) LNPay(ctx context.Context, invoice string) (*LNPayment, error) {
	var raw json.RawMessage
	if err := c.lightning(ctx, "LNPay", &raw, "lnpay", invoice); err != nil {
		return nil, err
	}
	p, err := decodeLNPayment(raw)
	if err != nil {
		return nil, undecodable("lnpay", err)
	}
	return p, nil
}

func decodeLNPayment(raw json.RawMessage) (*LNPayment, error) {
	o := readObject(raw)
	p := &LNPayment{
		PaymentHash: o.text("payment_hash"), Success: o.flag("success"), Preimage: o.text("preimage"),
		Log: o.list("log"), Raw: raw,
	}
	if !o.has("success") {
		o.fail("success", ErrMissingMember) // false would say that nothing was paid
	}
	return p, o.err
}

// lightning makes a call that needs lightning.
func (c *Coin) lightning(ctx context.Context, name string, result any, method string, params ...any) error {
	if err := c.supportsLightning(ctx, name); err != nil {
		return err
	}
	return c.call(ctx, result, method, params...)
}

// lightningText is lightning for an answer that is a text, and not an empty one.
func (c *Coin) lightningText(ctx context.Context, name, method string, params ...any) (string, error) {
	var text string
	err := c.lightning(ctx, name, &text, method, params...)
	if err == nil && text == "" {
		err = undecodable(method, errNotText)
	}
	return text, err
}
