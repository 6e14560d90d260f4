package blockio

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// noticeBound is how many calls of a stream's functions wait, at most.
const noticeBound = 1 << 12

// notices calls the functions that a stream's caller has given it, and its
// logger where the reader would have to wait for it: one at a time, in order,
// and backfills beside them, one at a time too.
type notices struct {
	ctx       context.Context
	log       *slog.Logger
	set       *queue.Set[notice]
	calls     *queue.Lane[notice]
	backfills *queue.Lane[notice]
	regap     func(Gap) // tells a gap that found no room

	mu   sync.Mutex // guards what follows; a leaf
	lost *Gap       // gaps that found no room, as one
	kept []notice   // refusals that found no room, at most one for each subscription
}

// notice is one call. It tells whether, and after which time, it wants to be
// called again.
type notice func(ctx context.Context) (after time.Duration, again bool)

// newNotices returns notices that hold so many bytes of events at most.
func newNotices(ctx context.Context, log *slog.Logger, bytes int64, regap func(Gap)) *notices {
	bytes = max(bytes, 4*noticeSize) // with less, dry would find no room for what it has to tell
	n := &notices{ctx: ctx, log: log, regap: regap}
	n.set = queue.New(queue.Config[notice]{
		Workers: 2, PerLane: noticeBound, LaneBytes: bytes, Bytes: 2 * bytes,
		Handle: func(call notice, _ int) (time.Duration, bool) { return n.run(call) },
		Dry:    n.dry,
	})
	n.calls, n.backfills = n.set.NewLane(), n.set.NewLane()
	return n
}

// noticeSize is what a call costs beside the event that it holds.
const noticeSize = 256

// post puts a call in line. It runs no foreign code.
func (n *notices) post(f func(ctx context.Context)) { n.postEvent(0, f) }

// postEvent is post for a call that holds so many bytes of an event.
func (n *notices) postEvent(size int, f func(ctx context.Context)) {
	n.calls.Push(once(f), noticeSize+size) // dry tells of those that find no room
}

// postGap is post for a call that tells of a gap, which is never forgotten.
func (n *notices) postGap(g Gap, f func(ctx context.Context)) {
	if n.calls.Push(once(f), noticeSize) != queue.Accepted {
		n.lose(g)
		n.flush()
	}
}

// postKept is post for a call that is never forgotten.
func (n *notices) postKept(f func(ctx context.Context)) {
	if call := once(f); n.calls.Push(call, noticeSize) != queue.Accepted {
		n.keep(call)
		n.flush()
	}
}

// flush is for the moment in which dry has looked already when what found no
// room was put aside: then there is room again. Otherwise dry comes later.
func (n *notices) flush() {
	n.post(func(context.Context) { n.tellAside() })
}

func (n *notices) keep(calls ...notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kept = append(n.kept, calls...)
}

// postBackfill puts a backfill in line. One that finds no room is not made:
// the gap was told.
func (n *notices) postBackfill(f notice) (accepted bool) {
	return n.backfills.Push(f, noticeSize) == queue.Accepted
}

func once(f func(ctx context.Context)) notice {
	return func(ctx context.Context) (time.Duration, bool) {
		f(ctx)
		return 0, false
	}
}

func (n *notices) lose(g Gap) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.lost != nil {
		g = n.lost.merge(g)
	}
	n.lost = &g
}

// dry is told that a line that was full is empty again.
func (n *notices) dry(lane *queue.Lane[notice]) {
	lane.Reopen()
	n.post(func(ctx context.Context) {
		n.log.WarnContext(ctx, "a function of the stream was stuck: calls were dropped")
	})
	n.tellAside()
}

// tellAside puts in line what had found no room.
func (n *notices) tellAside() {
	n.mu.Lock()
	lost, kept := n.lost, n.kept
	n.lost, n.kept = nil, nil
	n.mu.Unlock()
	for i, call := range kept {
		if n.calls.Push(call, noticeSize) != queue.Accepted {
			n.keep(kept[i:]...) // until it is dry again
			n.flush()
			break
		}
	}
	if lost != nil {
		n.regap(*lost)
	}
}

func (n *notices) run(call notice) (after time.Duration, again bool) {
	returned := false
	defer func() {
		if !returned {
			// The value is not logged: it can be anything.
			n.log.Error("a function of the stream panicked", "type", fmt.Sprintf("%T", recover()), "stack", string(debug.Stack()))
		}
	}()
	after, again = call(n.ctx)
	returned = true
	return after, again
}

// drain waits until nothing is in line, or ctx ends.
func (n *notices) drain(ctx context.Context) { _ = n.set.Drain(ctx) } // what is left is counted by end

// end stops calling and waits until ctx ends for those who are inside. It
// tells how many still are, how many calls were not made, and how many
// backfills were not made or wanted another attempt.
func (n *notices) end(ctx context.Context) (running, lost, cut int) {
	cut = n.backfills.Len()
	undelivered, retrying := n.set.Stop()
	running, refused := n.set.Wait(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	return running, max(0, undelivered+retrying+len(n.kept)-cut), cut + refused
}
