package bitcart

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A daemon watches only the wallets that were loaded since its own start, so
// after every connect each wallet is loaded again: many by one batch_load where
// the family has it, else each by a cheap call that names it.
const (
	loadTimeout = 30 * time.Second // of one call; a daemon that synchronizes holds calls without limit
	firstBatch  = 50               // wallets in the first batch_load
	mostBatch   = 2000             // wallets in one; 1 MiB is the daemon's limit for a request
	batchTime   = time.Second      // what one batch_load should take
)

// load makes the daemon load one wallet.
func (c *Coin) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	return c.call(ctx, nil, "getbalance")
}

// loadBatch makes the daemon load many wallets and waits until they are
// synchronized: batch_load answers before that. One bad wallet fails it.
func (l *link) loadBatch(ctx context.Context, ws []*watch) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	wallets := make([]Wallet, len(ws))
	for i, w := range ws {
		wallets[i] = w.coin.wallet
	}
	if err := l.chain.coin.call(ctx, nil, "batch_load", Named{"wallets": wallets}); err != nil {
		return err
	}
	for {
		info, err := l.info(ctx)
		if err != nil {
			return err
		}
		if info.Synchronized == nil || *info.Synchronized {
			return nil
		}
		if !pause(ctx, l.cfg.BackoffMin/2) {
			return ctx.Err()
		}
	}
}

// daemonInfo is what getinfo answers on every family. A member is nil when it
// does not say: a daemon whose node is away says neither.
type daemonInfo struct {
	TotalWallets *int  `json:"total_wallets"`
	Synchronized *bool `json:"synchronized"`
}

func (l *link) info(ctx context.Context) (daemonInfo, error) {
	var info daemonInfo
	raw, err := encodeParams(nil, nil) // without wallet: it must load none
	if err != nil {
		return info, err
	}
	answer, err := l.d.call(ctx, "getinfo", raw, func() redactor { return nil })
	if err != nil {
		return info, err
	}
	if err := decodeResult("getinfo", answer, &info); err != nil {
		return info, err
	}
	if info.TotalWallets != nil && *info.TotalWallets < 0 {
		info.TotalWallets = nil
	}
	return info, nil
}

// restarted asks, before anything is loaded, whether the daemon has forgotten
// one of the wallets that it should still have loaded; all is how many are
// ours. Other clients may have loaded as many since, so the list of them
// decides. Diskless wallets are not in it: for those alone their number has to
// do, as long as nobody else's were seen.
func (l *link) restarted(ctx context.Context, loaded []*watch, all int) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	info, err := l.info(ctx)
	if err != nil {
		return false, err
	}
	return l.restartedBy(ctx, info, loaded, all)
}

// restartedBy is restarted after getinfo was asked.
func (l *link) restartedBy(ctx context.Context, info daemonInfo, loaded []*watch, all int) (bool, error) {
	if info.TotalWallets == nil {
		if !allListed(loaded) {
			return false, errNoWitness
		}
		return l.forgotten(ctx, loaded)
	}
	total := *info.TotalWallets
	if total > all {
		l.recovery.strangers.Store(true)
	}
	alone := len(loaded) == all && !l.recovery.strangers.Load()
	switch {
	case total < len(loaded):
		return true, nil
	case slices.ContainsFunc(loaded, (*watch).listed):
		return l.forgotten(ctx, loaded)
	case total == len(loaded) && alone:
		return false, nil
	}
	return false, errNoWitness
}

// errNoWitness: neither the daemon's number of wallets nor its list of them tells
// whether it was restarted.
var errNoWitness = errors.New("nothing tells whether the daemon was restarted")

// tellsNothing reports whether err means that the daemon has answered, but that
// its answer does not tell whether it was restarted.
func tellsNothing(err error) bool {
	var answered *RPCError
	if errors.As(err, &answered) {
		return !errors.Is(err, ErrUnauthorized)
	}
	var nonsense *decodeError
	return errors.As(err, &nonsense) || errors.Is(err, errNoWitness)
}

// allListed reports whether the daemon's list of wallets would name all of them.
func allListed(ws []*watch) bool {
	return !slices.ContainsFunc(ws, func(w *watch) bool { return !w.listed() })
}

// listed reports whether a daemon that has loaded the wallet names it in its list.
func (w *watch) listed() bool {
	return !w.coin.wallet.Diskless && !strings.ContainsAny(w.coin.key, pathSeparators)
}

// pathSeparators are those of the daemon's system, which is not known.
const pathSeparators = `/\`

// forgotten looks for the wallets in the daemon's list. That is long where very
// many are loaded, but a restart in silence would cost more; a list that cannot
// be had proves nothing.
func (l *link) forgotten(ctx context.Context, armed []*watch) (bool, error) {
	raw, err := encodeParams(nil, nil)
	if err != nil {
		return false, err
	}
	answer, err := l.d.call(ctx, "list_wallets", raw, func() redactor { return nil })
	if err != nil {
		return false, err
	}
	var list []struct {
		Path string `json:"path"`
	}
	if err := decodeResult("list_wallets", answer, &list); err != nil {
		return false, err
	}
	if list == nil {
		return false, errNoWitness
	}
	loaded := make(map[string]bool, len(list))
	for _, w := range list {
		loaded[w.Path[strings.LastIndexAny(w.Path, pathSeparators)+1:]] = true
	}
	for _, w := range armed {
		if w.listed() && !loaded[w.coin.key] {
			return true, nil
		}
	}
	return false, nil
}

// armTried reports one try to load a wallet.
func (l *link) armTried(info ArmInfo) {
	if info.Err != nil {
		l.warn("wallet could not be loaded", "wallet", walletName(info.Coin.key), "error", info.Err, "retry_in", info.RetryIn)
	}
	if hook := l.d.hooks.OnArm; hook != nil {
		l.hooks.post(hookCall{run: func(ctx context.Context) { hook(ctx, info) }})
	}
}

// setArmed notes that the daemon watches the wallet, and reports whether that
// is new since the connect.
func (l *link) setArmed(w *watch) bool {
	l.mu.Lock()
	fresh := l.connected && !w.gone.Load() && !l.isArmed(w)
	if fresh {
		w.armedIn.Store(l.epoch.Load())
		l.armed++
	}
	l.mu.Unlock()
	if fresh {
		w.coin.armed.broadcast()
	}
	return fresh
}

// isArmed reports whether the daemon has loaded the wallet since the connection
// was made.
func (l *link) isArmed(w *watch) bool {
	epoch := w.armedIn.Load()
	return epoch != 0 && epoch == l.epoch.Load()
}

// WaitArmed waits until a running stream watches the wallet, and returns nil.
// Events arrive from then on, so call it before you show an address to a payer.
// It also waits for a stream to be started and for reconnects. When ctx ends
// first it returns ctx's error. If a manager's stream goes on for others without
// the wallet's daemon, as it does with WithoutReconnect, the error is
// ErrConnectionFailed. If the wallet was removed from its manager, or never was
// added (WithAllWallets), it is ErrUnknownWallet, unless the Coin streams by
// itself. Without a wallet it is ErrWalletRequired.
func (c *Coin) WaitArmed(ctx context.Context) error {
	if err := c.ready(); err != nil {
		return err
	}
	if c.key == "" {
		return ErrWalletRequired
	}
	ctx = orBackground(ctx)
	for !c.isArmed() {
		changed := c.armed.next()
		if c.isArmed() {
			return nil
		}
		switch {
		case c.manager == nil:
		case c.manager.hasLeft(c):
			return fmt.Errorf("%w: the manager no longer has %s %s", ErrUnknownWallet, c.Currency(), walletName(c.key))
		case c.manager.hasGivenUp(c):
			return fmt.Errorf("%w: the stream goes on without this daemon", ErrConnectionFailed)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (c *Coin) isArmed() bool {
	w := c.watched.Load()
	return w != nil && w.link.isArmed(w)
}
