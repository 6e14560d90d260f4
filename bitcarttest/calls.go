package bitcarttest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
)

// maxCalls is how many calls the log holds.
const maxCalls = 10000

// Call is one RPC, as it came in and as a MethodFunc sees it.
type Call struct {
	Method string
	Args   []json.RawMessage          // positional arguments
	Named  map[string]json.RawMessage // named arguments, without xpub
	Wallet string                     // the wallet key: secret in production, so do not log it

	ctx      context.Context
	wallet   *wallet
	reopened bool // the call loaded a wallet that was known before
	bound    map[string]json.RawMessage
}

// Context returns a context that ends when the daemon stops. For a logged call it is
// context.Background.
func (c *Call) Context() context.Context {
	if c.ctx == nil {
		return context.Background()
	}
	return c.ctx
}

// logged is the part of a call that the log keeps.
func (c *Call) logged() Call {
	return Call{Method: c.Method, Args: slices.Clone(c.Args), Named: maps.Clone(c.Named), Wallet: c.Wallet}
}

type callLog struct {
	last   []Call
	counts map[string]int
	total  int
}

func newCallLog() callLog { return callLog{counts: map[string]int{}} }

func (l *callLog) add(c Call) {
	if len(l.last) == maxCalls {
		l.last = append(l.last[:0:0], l.last[maxCalls/2:]...)
	}
	l.last = append(l.last, c)
	l.total++
	if _, ok := l.counts[c.Method]; ok || len(l.counts) < maxCalls {
		l.counts[c.Method]++
	}
}

// Calls returns the log of calls in order of arrival, including refused ones but not calls with a
// wrong login. It holds between the last 5 000 and the last 10 000.
func (d *Daemon) Calls() []Call {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls.last)
}

// CountCalls counts the calls of a method since NewDaemon; "" counts all.
func (d *Daemon) CountCalls(method string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls.count(method)
}

func (l *callLog) count(method string) int {
	if method == "" {
		return l.total
	}
	return l.counts[method]
}

// WaitCalls blocks until the method has been called n times in all; "" means any method. It does
// not wait for the answers. It returns the error of ctx, or ErrClosed.
func (d *Daemon) WaitCalls(ctx context.Context, method string, n int) error {
	return d.waitFor(ctx, func() bool { return d.calls.count(method) >= n })
}

func (d *Daemon) record(c *Call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls.add(c.logged())
	d.notifyChange()
}
