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

// ask makes a call that names no wallet: the daemon would load it, and hold the call until it is
// synchronized.
func (c *Coin) ask(ctx context.Context, result any, method string, params ...any) error {
	if err := c.ready(); err != nil {
		return err
	}
	encoded, err := encodeParams(params, nil)
	if err != nil {
		return fmt.Errorf("bitcart: %s: %w", method, err)
	}
	answer, err := c.d.call(orBackground(ctx), method, encoded, func() redactor {
		return secretsOf(c.wallet, c.key, method, params)
	})
	if err != nil {
		return err
	}
	return decodeResult(method, answer, result)
}

// Info is the state of a daemon, from getinfo. A daemon whose node is away says little more than
// that: all but Version and Path is zero then.
//
// Some daemons list the wallets that they have opened, and a wallet's name may be a seed; a server's
// URL may hold a key. So an Info prints without Server, Path and Raw under every verb, in slog and as
// JSON.
type Info struct {
	Connected bool `json:"connected"` // to its node or server
	// Synchronized: the daemon has caught up with its node. One that does not say so is taken at its
	// word while it is connected.
	Synchronized     bool  `json:"synchronized"`
	BlockchainHeight int64 `json:"blockchain_height"` // of the last block that the daemon has processed
	ServerHeight     int64 `json:"server_height"`     // of the newest block that its node or server knows
	// TotalWallets is how many wallets the daemon has loaded, other clients' included.
	TotalWallets int    `json:"total_wallets"`
	SPVNodes     int    `json:"spv_nodes"`
	Network      string `json:"network,omitempty"` // "mainnet", "regtest"; "" where the daemon does not say
	Version      string `json:"version"`           // of the engine; of the daemon's own core on account daemons
	Server       string `json:"-"`
	Path         string `json:"-"` // of the daemon's data
	// Raw is the daemon's answer, with what only some daemons have: fee_estimates, gas_price, ... Do
	// not change or log it.
	Raw json.RawMessage `json:"-"`
}

// String tells what has to do with being up to date.
func (i Info) String() string {
	state := "not connected"
	switch {
	case i.Connected && i.Synchronized:
		state = "synchronized"
	case i.Connected:
		state = "synchronizing"
	}
	return fmt.Sprintf("version %s: %s, block %d of %d, %d wallets", i.Version, state, i.BlockchainHeight, i.ServerHeight, i.TotalWallets)
}

// GoString is String.
func (i Info) GoString() string { return "bitcart.Info(" + i.String() + ")" }

// Format prints String for every verb.
func (i Info) Format(f fmt.State, _ rune) { writeSafe(f, i.String()) }

// LogValue is String as a slog value.
func (i Info) LogValue() slog.Value { return slog.StringValue(i.String()) }

// Info asks a daemon how it is doing. Electrum daemons answer only when they are synchronized.
//
// ctx bounds the call as in [Coin.Call]. No wallet is loaded by it.
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

// Help returns the names of the daemon's methods, for Call.
//
// ctx bounds the call as in [Coin.Call].
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

// Spec is what a daemon says about itself: its errors and what it can do (protocol section 3.2).
type Spec struct {
	Version string
	// Exceptions are the daemon's errors by code. Daemons give one code different meanings; errors.Is
	// with this package's errors goes by their names.
	Exceptions map[int]SpecException
	// Capabilities is nil on account daemons. "lightning": switched on.
	Capabilities map[string]bool
	Raw          json.RawMessage // the whole document; do not change it
}

// SpecException is the meaning of one error code.
type SpecException struct {
	Name      string // exc_name: "RequestNotFoundError"
	Docstring string // for people
}

// Spec returns the daemon's spec. It is read once for all Coins that share a daemon and kept, so
// after an update of the daemon it is the old one. A spec that cannot be had is asked for again
// after 10 s, and its error returned meanwhile.
//
// ctx bounds it, and 10 s do.
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

// GetConfig returns a setting, null where it has no value. An unknown name is ErrNoConfigKey on
// Electrum daemons and null on the others. On Electrum a wallet has settings of its own: those of
// the Coin's wallet are asked for.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) GetConfig(ctx context.Context, key string) (json.RawMessage, error) {
	var value json.RawMessage
	err := c.call(ctx, &value, "getconfig", key)
	return value, err
}

// SetConfig changes a setting; value is anything that encodes as JSON. Names that begin with "env_"
// change the running settings of an account daemon. See GetConfig for whose setting it is.
//
// ctx bounds the call as in [Coin.Call].
func (c *Coin) SetConfig(ctx context.Context, key string, value any) error {
	set, err := c.confirmed(ctx, "setconfig", key, value)
	if err == nil && !set {
		err = errors.New("bitcart: setconfig: the daemon did not take the value")
	}
	return err
}

// RescanBlocks makes an account daemon look at blocks again, from start to end; end 0 is the newest
// one. Events of those blocks come again, and payments that were missed are credited. Do not use it
// with XMR without need: the daemon counts a payment a second time. ErrUnsupported on the other
// daemons.
//
// ctx bounds the call as in [Coin.Call], and the scan may go on after its end.
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
	return c.ask(ctx, nil, "rescan_blocks", blocks...)
}
