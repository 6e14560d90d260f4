package bitcart

import (
	"strings"
	"time"

	"github.com/bitcart-go/bitcart/internal/queue"
	"github.com/bitcart-go/bitcart/internal/replay"
	"github.com/bitcart-go/bitcart/internal/wire"
)

// inbox is what the reader has read and not yet put into the lanes. The messages
// of one read of the network go there together: taking the locks, and starting
// workers, for each of them would cost more than reading it.
type inbox struct {
	cutter  wire.Cutter
	list    []arrived
	entries []queue.Entry[parcel] // of list
	now     time.Time             // when what is in the list came
	size    int                   // how many events it holds at most
}

// arrived is an update on its way into the lane of its watch.
type arrived struct {
	w    *watch
	item replay.Item
}

// maxInbox bounds how many events wait for the reader. Where a wallet's queue
// is short fewer do, or a burst would fill it before a worker could help.
const maxInbox = 512

// maxPush is how many go into the lanes at once: the workers wait meanwhile.
const maxPush = 64

func inboxSize(cfg StreamConfig) int { return max(1, min(maxInbox, cfg.QueuePerWallet/4)) }

// accept takes one message of the websocket, which came at now. Its events are
// in their lanes after the next call of rest at the latest. The reader calls that
// before it waits for anything, and before it tells anybody how far it has read.
func (l *link) accept(data []byte, now time.Time) {
	frame, err := l.inbox.cutter.Cut(data)
	if err != nil {
		l.garbage("the message is no frame")
		return
	}
	if len(frame.Currency) > 0 && !l.d.cur.isNamed(frame.Currency) {
		l.garbage("the frame is of another currency: the URL may be another daemon's")
		return
	}
	w, key := l.chain, ""
	if len(frame.Wallet) > 0 {
		if w = l.lookupBytes(frame.Wallet); w != nil {
			key = w.coin.key
		}
	}
	bad := 0
	for more := true; more; more = l.inbox.cutter.More(&frame) {
		if w == nil && !l.takesForeign() {
			l.d.n.addN(foreign, len(frame.Updates))
			continue
		}
		updates := l.named(frame.Updates, &bad)
		if w == nil {
			l.acceptForeign(string(frame.Wallet), updates, now)
			continue
		}
		for i := range updates {
			l.inbox.add(w, l.event(&updates[i], w.coin, key, SourceWebsocket, now), now)
			if len(l.inbox.list) >= l.inbox.size {
				l.flush()
			}
		}
	}
	if bad > mostWarned {
		l.warn("message skipped", "reason", unnamed, "count", bad-mostWarned)
	}
}

// mostWarned is how many bad updates of a message are logged one by one; of the
// rest only the number is. No more records (hookBound) wait for a logger anyway.
const mostWarned = 1 << 16

const unnamed = "update without an event name"

// named leaves out what is no update, and counts it. bad is how many the message
// had so far.
func (l *link) named(updates []wire.Update, bad *int) []wire.Update {
	n := 0
	for i := range updates {
		if updates[i].Event == "" {
			if *bad++; *bad > mostWarned {
				l.d.n.add(garbage)
			} else {
				l.garbage(unnamed)
			}
			continue
		}
		if n < i {
			updates[n] = updates[i]
		}
		n++
	}
	return updates[:n]
}

func (in *inbox) add(w *watch, ev *Event, now time.Time) {
	in.now = now
	in.list = append(in.list, arrived{w, replay.ItemOf(ev.Name, &ev.body.Body, w == w.link.chain)})
	in.entries = append(in.entries, queue.Entry[parcel]{Lane: w.lane, V: ev, Size: ev.size()})
}

// flush puts what the reader has read into the lanes. A durable journal would
// write here, before the lanes.
func (l *link) flush() {
	in := &l.inbox
	if len(in.list) == 0 {
		return
	}
	l.pushAll(in.list, in.entries, in.now, time.Time{})
	clear(in.list)
	clear(in.entries)
	in.list, in.entries = in.list[:0], in.entries[:0]
}

// rest is what the reader calls before it waits: it flushes, and lets go of what
// it has read.
func (l *link) rest() {
	l.flush()
	l.inbox.cutter.Forget()
}

// pushAll is the one way from a transport into the wallets' lanes. What it pushes
// came at now and was sent after the time sent; zero = sentAfter tells.
func (l *link) pushAll(list []arrived, entries []queue.Entry[parcel], now, sent time.Time) {
	l.countReceived(len(list), now)
	l.hist.Lock()
	defer l.hist.Unlock()
	for i := range list {
		if list[i].w.gone.Load() {
			entries[i].Lane = l.nowhere // its own may be another watch's by now
		}
	}
	for len(list) > 0 {
		n, out := l.queue.PushAll(entries[:min(len(entries), maxPush)], func(i int) {
			entries[i].V.(*Event).Repeat = l.note(list[i].w, list[i].item)
		})
		if out != queue.Accepted {
			if sent.IsZero() {
				sent = l.sentAfter()
			}
			l.refused(list[n-1], out, sent)
		}
		list, entries = list[n:], entries[n:]
	}
}

// refused notes an event, sent after that time, that has found no place in its
// lane. hist is held.
func (l *link) refused(a arrived, out queue.Outcome, sent time.Time) {
	if out == queue.Overflowed {
		l.overflowed(a.w, sent)
	}
	if out == queue.Overflowed || out == queue.Dropped {
		l.noteDropped(a, sent)
	}
	l.pushed(a.w.coin, out)
}

// noteDropped notes an update, sent after that time, that the lane of its wallet
// has dropped. hist is held.
func (l *link) noteDropped(a arrived, sent time.Time) {
	l.laneOwner(a.w).lastDropped = a.item.Key
	switch {
	case l.single:
		for _, w := range l.allWatches() { // the one, if any
			w.lacksMore(sent)
			// Chain-wide ones come before the daemon has loaded the wallet, too.
			w.unqueued = w.unqueued || a.item.Chain && !w.sure
		}
	case a.w != l.chain:
		a.w.lacksMore(sent)
	}
}

// push is accept and flush for one update: a poller's, or one that came for a
// stranger's wallet while that was being added.
func (l *link) push(w *watch, key string, u *wire.Update, src Source, now, sent time.Time) {
	if !l.isUpdate(u) {
		return
	}
	var one inbox
	one.add(w, l.event(u, w.coin, key, src, now), now)
	l.pushAll(one.list, one.entries, now, sent)
}

// isUpdate reports whether u is an update; what is none is counted and logged.
func (l *link) isUpdate(u *wire.Update) bool {
	if u.Event == "" {
		l.garbage(unnamed)
		return false
	}
	return true
}

func (l *link) garbage(why string) {
	l.d.n.add(garbage)
	l.warn("message skipped", "reason", why)
}

// pushed counts an event that found no place in its lane.
func (l *link) pushed(c *Coin, out queue.Outcome) {
	if out == queue.Accepted {
		return
	}
	l.d.n.add(dropped)
	if out == queue.Overflowed {
		l.warn("queue overflowed: events are dropped until it has run empty", "wallet", walletOf(c))
	}
}

// acceptForeign takes updates of a wallet that nobody added, after what came
// before them.
func (l *link) acceptForeign(key string, updates []wire.Update, now time.Time) {
	l.flush()
	for i := range updates {
		l.pushForeign(key, &updates[i], now)
	}
}

// pushForeign takes an update of a wallet that nobody added. Nothing is kept
// for it: not even what would tell a repeat.
func (l *link) pushForeign(key string, u *wire.Update, now time.Time) {
	coin := newCoin(l.d, foreignWallet(key, l.d.cur), l.chain.coin.manager)
	ev := l.event(u, coin, key, SourceWebsocket, now)
	l.mu.Lock() // whoever adds the wallet takes its lane over
	w := l.watches[key]
	out := queue.Accepted
	if w == nil {
		out = l.queue.PushKeyed(key, ev, ev.size())
	}
	l.mu.Unlock()
	if w != nil { // it was added meanwhile
		l.push(w, key, u, SourceWebsocket, now, time.Time{})
		return
	}
	l.countReceived(1, now)
	l.pushed(coin, out)
}

// takesForeign reports whether updates of wallets that nobody added are delivered.
// On a Coin's own stream they never are: the daemon sends everybody's until it has
// read the filter.
func (l *link) takesForeign() bool { return l.d.allWallets && !l.single }

// foreignWallet is the wallet that a key names: a contract stands behind the
// last "_", which no xpub, address or seed holds.
func foreignWallet(key string, cur *currency) Wallet {
	if i := strings.LastIndexByte(key, '_'); i > 0 && i < len(key)-1 && cur.tokens {
		return Wallet{Xpub: key[:i], Contract: key[i+1:]}
	}
	return Wallet{Xpub: key}
}

// countReceived counts n updates that came at now.
func (l *link) countReceived(n int, now time.Time) {
	l.d.n.addN(received, n)
	l.d.n.lastEvent.Store(now.UnixNano())
}

func (l *link) event(u *wire.Update, c *Coin, key string, src Source, now time.Time) *Event {
	ev := newEvent(u.Event, &u.Body)
	ev.Currency, ev.Wallet, ev.Coin, ev.Source, ev.Received = l.d.cur.Symbol, key, c, src, now
	return ev
}
