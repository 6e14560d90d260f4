package bitcart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"

	"github.com/bitcart-go/bitcart/internal/jsonrpc"
)

// Info is the state of a daemon, as its method getinfo answers it. While a daemon has lost its
// node, everything but Version and Path is zero.
//
// Some daemons list the wallets that they have opened, and a wallet's name may be a seed; a
// server's URL may hold a key. So an Info prints without Server, Path and Raw under every verb, in
// slog and as JSON.
type Info struct {
	Connected bool `json:"connected"` // to its node or server
	// Synchronized says that the daemon has caught up with its node. For a daemon that does not report
	// it, it equals Connected.
	Synchronized     bool  `json:"synchronized"`
	BlockchainHeight int64 `json:"blockchain_height"` // of the last block that the daemon has processed
	ServerHeight     int64 `json:"server_height"`     // of the newest block that its node or server knows
	// TotalWallets is how many wallets the daemon has loaded, other clients' included.
	TotalWallets int    `json:"total_wallets"`
	SPVNodes     int    `json:"spv_nodes"`         // Electrum servers that it is connected to
	Network      string `json:"network,omitempty"` // "mainnet", "regtest"; "" where the daemon does not say
	Version      string `json:"version"`           // of the engine; of the daemon's own core on account daemons
	Server       string `json:"-"`
	Path         string `json:"-"` // of the daemon's data
	// Raw is the daemon's answer, with members that only some daemons have: fee_estimates, gas_price,
	// ... Do not change or log it.
	Raw json.RawMessage `json:"-"`
}

// String returns the version, how far the daemon is synchronized, and how many wallets it has.
func (i Info) String() string {
	state := "not connected"
	switch {
	case i.Connected && i.Synchronized:
		state = "synchronized"
	case i.Connected:
		state = "synchronizing"
	}
	return fmt.Sprintf("version %s: %s, block %d of %d, %d wallets",
		i.Version, state, i.BlockchainHeight, i.ServerHeight, i.TotalWallets)
}

// GoString is String.
func (i Info) GoString() string { return "bitcart.Info(" + i.String() + ")" }

// Format prints String for every verb.
func (i Info) Format(f fmt.State, _ rune) { writeSafe(f, i.String()) }

// LogValue is String as a slog value.
func (i Info) LogValue() slog.Value { return slog.StringValue(i.String()) }

// Info returns the state of the daemon. Electrum daemons do not answer before they are
// synchronized.
//
// ctx bounds the call as in [Coin.Call]. The call loads no wallet.
func (c *Coin) Info(ctx context.Context) (*Info, error) {
	return queryBare(ctx, c, decodeInfo, "getinfo")
}

func decodeInfo(raw json.RawMessage) (*Info, error) {
	o := readObject(raw)
	info := &Info{
		Connected: o.flag("connected"), Synchronized: o.flag("synchronized"),
		BlockchainHeight: o.integer("blockchain_height"), ServerHeight: o.integer("server_height"),
		TotalWallets: o.count("total_wallets"), SPVNodes: o.count("spv_nodes"),
		Server: o.text("server"), Network: o.text("network"), Path: o.text("path"), Version: o.text("version"),
		Raw: raw,
	}
	if !o.has("synchronized") {
		info.Synchronized = info.Connected
	}
	return info, o.err
}

// Help returns the names of the daemon's methods, which [Coin.Call] can call.
//
// ctx bounds the call as in [Coin.Call]. The call loads no wallet.
func (c *Coin) Help(ctx context.Context) ([]string, error) {
	return queryBare(ctx, c, decodeNames, "help")
}

func decodeNames(raw json.RawMessage) ([]string, error) {
	var names []string
	if json.Unmarshal(raw, &names) != nil || names == nil {
		return nil, errNotTexts
	}
	return names, nil
}

// Spec is the description that a daemon gives of itself: its errors and its capabilities (protocol
// section 3.2).
type Spec struct {
	Version string
	// Exceptions are the daemon's errors by code. The same code means different things on different
	// daemons, so errors.Is matches this package's errors by name.
	Exceptions map[int]SpecException
	// Capabilities says what is switched on: "lightning". It is nil on account daemons.
	Capabilities map[string]bool
	Raw          json.RawMessage // the whole document; do not change it
}

// SpecException is the meaning of one error code.
type SpecException struct {
	Name      string // exc_name: "RequestNotFoundError"
	Docstring string // an explanation for people
}

// Spec returns the daemon's spec. It is read once for all Coins that share a daemon, and kept:
// after an update of the daemon it is the old one. If it cannot be read, the error is returned for
// 10 s before the daemon is asked again.
//
// ctx bounds the call, which ends after 10 s at the latest.
func (c *Coin) Spec(ctx context.Context) (*Spec, error) {
	if err := c.ready(); err != nil {
		return nil, err
	}
	spec, err := c.d.rpc.Spec(orBackground(ctx))
	if err != nil {
		return nil, c.d.failure(orBackground(ctx), "spec", err, secretsOf(c.wallet, c.key, "spec", nil))
	}
	return copySpec(spec), nil
}

// copySpec: the original is shared by all calls.
func copySpec(s *jsonrpc.Spec) *Spec {
	exceptions := make(map[int]SpecException, len(s.Exceptions))
	for code, e := range s.Exceptions {
		exceptions[code] = SpecException{Name: e.Name, Docstring: e.Docstring}
	}
	return &Spec{
		Version: s.Version, Exceptions: exceptions, Capabilities: maps.Clone(s.Capabilities),
		Raw: append(json.RawMessage(nil), s.Raw...),
	}
}

// GetConfig returns a setting as JSON, or null if it has no value. An unknown name is
// ErrNoConfigKey on Electrum daemons, and null on the others. On Electrum daemons a wallet has
// settings of its own, and the Coin's wallet is the one that is asked.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) GetConfig(ctx context.Context, key string) (json.RawMessage, error) {
	var value json.RawMessage
	err := c.call(ctx, &value, "getconfig", key)
	return value, err
}

// SetConfig changes a setting; value is anything that encodes as JSON. On account daemons, names
// that begin with "env_" change the settings of the running daemon. See [Coin.GetConfig] for whose
// setting it is.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) SetConfig(ctx context.Context, key string, value any) error {
	set, err := c.confirmed(ctx, "setconfig", key, value)
	if err == nil && !set {
		err = errors.New("bitcart: setconfig: the daemon did not take the value")
	}
	return err
}

// RescanBlocks makes an account daemon scan the blocks from start to end again; end 0 stands for
// the newest block. The events of those blocks are sent again, and payments that were missed are
// credited. Use it for XMR only if you must: the daemon counts a payment a second time. On other
// daemons the error is ErrUnsupported, without a call.
//
// ctx bounds the call as in [Coin.Call]; the scan may go on after ctx has ended.
func (c *Coin) RescanBlocks(ctx context.Context, start, end int64) error {
	if err := c.supports("RescanBlocks"); err != nil {
		return err
	}
	if start < 0 || end != 0 && end < start {
		return fmt.Errorf("bitcart: RescanBlocks: there are no blocks from %d to %d", start, end)
	}
	blocks := []any{start}
	if end != 0 {
		blocks = append(blocks, end)
	}
	return c.callBare(ctx, nil, "rescan_blocks", blocks...)
}
