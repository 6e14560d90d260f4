package bitcarttest

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
)

// walletSpec is a wallet as a call names it.
type walletSpec struct {
	Xpub     string `json:"xpub"`
	Contract string `json:"contract"`
	Address  string `json:"address"`
	Diskless bool   `json:"diskless"`
	OneTime  bool   `json:"one_time"`
}

// wallet is a loaded wallet.
type wallet struct {
	key     string
	spec    walletSpec
	address string // account families: the one address
	token   *Token
	broken  error // its contract could not be loaded: it stays half loaded
	book    *book
	queue   []update
}

// readWallet reads the xpub of a call. Any other type than null, a string or an object is an
// exception outside of the RPC layer.
func readWallet(raw json.RawMessage) (walletSpec, error) {
	var spec walletSpec
	switch raw = bytes.TrimSpace(raw); {
	case len(raw) == 0 || string(raw) == "null":
		return spec, nil
	case raw[0] == '"':
		if json.Unmarshal(raw, &spec.Xpub) != nil {
			return spec, errTrouble
		}
		return spec, nil
	case raw[0] == '{':
		if json.Unmarshal(raw, &spec) != nil {
			return spec, errTrouble
		}
		return spec, nil
	}
	return spec, errTrouble
}

// keyOf is the text that names the wallet in updates and in filters. The contract stays as typed.
func (d *Daemon) keyOf(s walletSpec) string {
	if s.Contract == "" || d.coin.style == styleMonero {
		return s.Xpub
	}
	return s.Xpub + "_" + s.Contract
}

// load opens a wallet, if it is not open yet. reopened says that it was known before, which makes
// account daemons look at their blocks again.
func (d *Daemon) load(spec walletSpec) (w *wallet, reopened bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.running() {
		return nil, false, ErrClosed
	}
	key := d.keyOf(spec)
	if w := d.wallets[key]; w != nil {
		return w, false, w.broken
	}
	known := d.books[key] != nil
	w, err = d.open(key, spec)
	return w, known && w != nil, err
}

// open is called under mu.
func (d *Daemon) open(key string, spec walletSpec) (*wallet, error) {
	if !d.coin.validKey(spec.Xpub) {
		return nil, d.badKey()
	}
	w := &wallet{key: key, spec: spec, address: d.coin.addressOf(spec)}
	if spec.Contract != "" && d.coin.style != styleMonero {
		if w.token, w.broken = d.loadToken(spec.Contract); w.broken != nil && !d.halfLoads(spec.Contract) {
			return nil, w.broken
		}
	}
	d.keep(w)
	return w, w.broken
}

// keep puts a wallet among the loaded ones. The caller holds mu.
func (d *Daemon) keep(w *wallet) {
	known := d.books[w.key] != nil
	if !known {
		d.books[w.key] = newBook()
	}
	w.spec.Diskless = w.spec.Diskless && !known
	w.book = d.books[w.key]
	d.wallets[w.key] = w
	d.order = append(d.order, w.key)
	d.notifyChange()
}

func (d *Daemon) badKey() error {
	switch d.coin.family {
	case Electrum:
		return exception("electrum.util.UserFacingException: Seed or key not recognized")
	case ElectronCash:
		return exception("Exception: Seed or key not recognized")
	}
	return exception("Exception: Invalid key provided")
}

// halfLoads tells whether a wallet with a contract that cannot be loaded is kept all the same.
func (d *Daemon) halfLoads(contract string) bool {
	return d.coin.family != Account || d.coin.validAddress(contract)
}

var errTokenMetadata = exception("Exception: Invalid token, failed fetching BCMR metadata")

func (d *Daemon) loadToken(contract string) (*Token, error) {
	if t := d.token(contract); t != nil {
		return t, nil
	}
	switch {
	case d.coin.family == Electrum:
		return nil, exception("NotImplementedError")
	case d.coin.family == ElectronCash:
		return nil, errTokenMetadata
	case !d.coin.validAddress(contract):
		return nil, exception("Exception: Invalid key provided")
	}
	return nil, errNoToken
}

// token finds a contract in any spelling.
func (d *Daemon) token(contract string) *Token {
	for i := range d.tokens {
		if strings.EqualFold(d.tokens[i].Contract, contract) {
			return &d.tokens[i]
		}
	}
	return nil
}

// closeWallet forgets a loaded wallet. The caller holds mu.
func (d *Daemon) closeWallet(key string) bool {
	w := d.wallets[key]
	if w == nil {
		return false
	}
	delete(d.wallets, key)
	d.order = slices.DeleteFunc(d.order, func(k string) bool { return k == key })
	if w.spec.Diskless {
		delete(d.books, key)
		delete(d.nodes, key)
	}
	d.notifyChange()
	return true
}

// decimalsOf is how many decimals the amounts of a wallet have.
func (d *Daemon) decimalsOf(w *wallet) int {
	if w.token != nil {
		return w.token.Decimals
	}
	return d.coin.decimals
}

// turn makes the calls of one wallet of an account daemon wait for each other.
type turn struct {
	free  chan struct{} // holds one value while nobody has the turn
	users int
}

// takeTurn waits for the wallet. A caller that hangs up keeps its place, as in the daemon: ctx is
// the daemon's, not the request's.
func (d *Daemon) takeTurn(ctx context.Context, key string) (release func(), ok bool) {
	d.mu.Lock()
	t := d.turns[key]
	if t == nil {
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		d.turns[key] = t
	}
	t.users++
	d.mu.Unlock()
	leave := func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(d.turns, key)
		}
	}
	select {
	case <-t.free:
		return func() { t.free <- struct{}{}; leave() }, true
	case <-ctx.Done():
		leave()
		return nil, false
	}
}
