package bitcart

import (
	"context"
	"net"
	"net/url"
	"strings"
	"sync"
)

// payLanes lets payments of one wallet take turns, from the signature to the
// broadcast's answer. Without that a daemon chooses the same coins, or the same
// nonce, for two payments that are signed at once, and of the two that were
// reported as sent one replaces the other on the network.
type payLanes struct {
	mu    sync.Mutex
	lanes map[laneKey]*payLane
}

// laneKey is a wallet as the daemon's coins see it: a token wallet pays from
// the account of the coin's wallet.
type laneKey struct{ url, xpub string }

// oneName is a daemon's URL in one of its spellings: the scheme's port may be
// left out, and localhost has several names: to connect to the unspecified address
// is one, too.
func oneName(u url.URL) string {
	host, port := strings.TrimSuffix(u.Hostname(), "."), u.Port()
	if ip := net.ParseIP(host); ip != nil {
		if host = ip.String(); ip.IsLoopback() || ip.IsUnspecified() {
			host = "localhost"
		}
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	u.Host = net.JoinHostPort(host, port)
	return strings.TrimRight(u.String(), "/")
}

// payLane exists while somebody pays from the wallet.
type payLane struct {
	users int // guarded by payLanes.mu
	turn  chan struct{}
	sent  int // payments that have left, whoever has the turn
}

// paying is shared by all Coins: several may be of one wallet.
var paying = payLanes{lanes: map[laneKey]*payLane{}}

// join returns the lane of a Coin's wallet; leave must be called.
func (l *payLanes) join(c *Coin) (lane *payLane, leave func()) {
	key := laneKey{oneName(*c.d.url), c.wallet.Xpub}
	l.mu.Lock()
	defer l.mu.Unlock()
	lane = l.lanes[key]
	if lane == nil {
		lane = &payLane{turn: make(chan struct{}, 1)}
		l.lanes[key] = lane
	}
	lane.users++
	return lane, func() { l.leave(key, lane) }
}

func (l *payLanes) leave(key laneKey, lane *payLane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lane.users--; lane.users == 0 {
		delete(l.lanes, key)
	}
}

// take waits for the turn; give must be called when it returns nil. The error
// is that of the method's call, which was never sent.
func (l *payLane) take(ctx context.Context, method string) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &CallError{Method: method, Err: ctx.Err()}
	}
}

func (l *payLane) give() { <-l.turn }
