package blockio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"time"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/internal/queue"
)

// parcel is an event that waits for its handler.
type parcel struct {
	update   bitcart.Update
	entry    *entry       // nil for an event of a subject that nobody subscribed to in this spelling
	topic    Subscription // the subject in the service's spelling
	received time.Time
	size     int
}

// parcelOverhead is what an event costs beside its bytes.
const parcelOverhead = 256

// newQueue makes the lanes' queue of a run.
func (r *streamRun) newQueue() *queue.Set[parcel] {
	b := r.s.cfg.bounds
	return queue.New(queue.Config[parcel]{
		Workers: b.Workers, PerLane: b.Queue, LaneBytes: b.Bytes / 8, Bytes: b.Bytes,
		Handle: r.handle,
		Dry:    r.dry,
	})
}

// openLane gives an entry its lane. The lane that the same subscription had
// before may still have a handler inside, or events to hand over: then the new
// events wait for it. Stream.mu is held.
func (r *streamRun) openLane(e *entry) {
	e.lane = nil
	if s := r.strays[e.topic]; s != nil { // what it holds stays before what comes
		delete(r.strays, e.topic)
		e.lane, e.droppedAt = s.lane, s.droppedAt
		return
	}
	if old := r.retired[e.topic]; old != nil {
		delete(r.retired, e.topic)
		if old.lane.Revive() {
			e.lane = old.lane
		}
		r.tellOverflow(old) // to open it again has ended that
	}
	if e.lane == nil {
		e.lane = r.queue.NewLane()
	}
}

// closeLane drops what waits for an entry, unless it was the service that ended
// it: then what it had sent is still handed over, and what its lane had no room
// for is told. Stream.mu is held.
func (r *streamRun) closeLane(e *entry) {
	if e.lane == nil {
		return
	}
	if e.refusal == nil {
		r.s.n.dropped.Add(uint64(e.lane.Remove()))
		e.droppedAt = time.Time{} // nobody asks for it any more
	}
	for topic, old := range r.retired {
		if old.isDone() {
			delete(r.retired, topic)
		}
	}
	if !e.isDone() {
		r.retired[e.topic] = e
	}
}

// isDone: the lane has nothing to hand over and nothing to tell.
func (e *entry) isDone() bool { return e.droppedAt.IsZero() && e.lane.Idle() }

// stray is the lane of events whose subject nobody subscribed to in the spelling
// that the service uses. Each subject has its own: the service may spell all of
// them so, and a stuck one must not stop the others.
type stray struct {
	lane      *queue.Lane[parcel]
	droppedAt time.Time // when the lane overflowed; zero = it has not, or that was told
}

func (s *stray) isDone() bool { return s.droppedAt.IsZero() && s.lane.Idle() }

// maxStrays is how many subjects have a stray of their own, at most. When so
// many are in use, the others share one.
const maxStrays = 1 << 10

// strayOf is the stray of a subject. Stream.mu is held.
func (r *streamRun) strayOf(topic Subscription) *stray {
	if s := r.strays[topic]; s != nil {
		return s
	}
	if len(r.strays) >= maxStrays {
		maps.DeleteFunc(r.strays, func(_ Subscription, s *stray) bool { return s.isDone() })
	}
	if len(r.strays) >= maxStrays {
		topic = Subscription{}
	}
	s := r.strays[topic]
	if s == nil {
		s = &stray{lane: r.queue.NewLane()}
		r.strays[topic] = s
	}
	return s
}

// push puts an event into its lane. It never waits. Stream.mu is held.
func (r *streamRun) push(p parcel) {
	var lane *queue.Lane[parcel]
	var droppedAt *time.Time
	if p.entry != nil {
		lane, droppedAt = p.entry.lane, &p.entry.droppedAt
	} else {
		s := r.strayOf(p.topic)
		lane, droppedAt = s.lane, &s.droppedAt
	}
	switch lane.Push(p, p.size) {
	case queue.Accepted:
		return
	case queue.Overflowed:
		*droppedAt = p.received
		r.warn("queue overflowed: events are dropped until it has run empty", "subscription", p.name())
	}
	r.s.n.dropped.Add(1)
}

func (p parcel) name() string {
	if p.entry == nil {
		return "none in this spelling"
	}
	return p.entry.sub.String()
}

// dry is told that an overflowed lane has handed over what it had.
func (r *streamRun) dry(lane *queue.Lane[parcel]) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	lane.Reopen()
	for _, stray := range r.strays {
		if stray.lane == lane {
			// Any of the subscriptions may be meant by what the service spells in
			// another way.
			r.gap(Gap{From: stray.droppedAt, To: time.Now(), Subscriptions: s.book.list(), Reason: GapOverflow})
			stray.droppedAt = time.Time{}
			return
		}
	}
	for _, entries := range []map[Subscription]*entry{s.book.entries, r.retired} {
		for _, e := range entries {
			if e.lane == lane {
				r.tellOverflow(e)
			}
		}
	}
}

// tellOverflow tells what an entry's lane had no room for, once. Stream.mu is
// held.
func (r *streamRun) tellOverflow(e *entry) {
	if e.droppedAt.IsZero() {
		return
	}
	r.gap(Gap{From: e.droppedAt, To: time.Now(), Subscriptions: []Subscription{e.sub}, Reason: GapOverflow})
	e.droppedAt = time.Time{}
}

// handle hands one event over, on a worker.
func (r *streamRun) handle(p parcel, attempt int) (after time.Duration, again bool) {
	if r.work.Err() != nil {
		r.leave(attempt)
		return 0, false
	}
	returned := false
	defer func() {
		if !returned { // the sink is the caller's own and has panicked
			err := &bitcart.PanicError{Value: recover(), Stack: debug.Stack()}
			r.done(p, fmt.Errorf("blockio: the sink failed: %w", err))
		}
	}()
	err := r.s.sink.ProcessUpdates(r.work, []bitcart.Update{p.update.At(p.received, attempt)})
	after, again = bitcart.RetryAfter(err)
	untouched := r.work.Err() != nil && isUntouched(err)
	returned = true
	switch {
	case again && r.isGone(p):
		r.s.n.dropped.Add(1)
		return 0, false
	case again:
		r.logRetry(p, attempt, err)
		if after == 0 {
			after = r.s.cfg.pauses.retry(attempt)
		}
		return after, true
	case untouched:
		r.leave(attempt)
		return 0, false
	}
	r.done(p, err)
	return 0, false
}

// isUntouched: the sink has not called a handler, because its ctx had ended.
func isUntouched(err error) bool {
	var handler *bitcart.HandlerError
	return errors.Is(err, context.Canceled) && !errors.As(err, &handler)
}

// leave counts an event that will not be handed over any more.
func (r *streamRun) leave(attempt int) {
	if attempt == 1 {
		r.undelivered.Add(1)
	} else {
		r.retrying.Add(1)
	}
}

// isGone: it was unsubscribed while its handler ran.
func (r *streamRun) isGone(p parcel) bool {
	if p.entry == nil {
		return false
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return p.entry.refusal == nil && !r.s.book.holds(p.entry)
}

// done counts an event that was handed over, and tells of its error.
func (r *streamRun) done(p parcel, err error) {
	r.s.n.delivered.Add(1)
	if err == nil {
		return
	}
	r.s.n.handlerErrors.Add(1)
	r.notices.postEvent(p.size, func(ctx context.Context) {
		r.s.cfg.log.Error("handler failed", "event", p.update.Event(), "subscription", p.name(), "error", err)
		if f := r.s.cfg.onFailed; f != nil {
			f(ctx, err)
		}
	})
}

func (r *streamRun) logRetry(p parcel, attempt int, err error) {
	if attempt&(attempt-1) == 0 { // the first few, then ever fewer
		r.warn("handler asks for another attempt", "event", p.update.Event(), "subscription", p.name(), "attempt", attempt, "error", err)
	}
}

// gap tells that events may be missing, and has them fetched. It runs no
// foreign code.
func (r *streamRun) gap(g Gap) {
	r.s.n.gaps.Add(1)
	r.tellGap(g)
}

func (r *streamRun) tellGap(g Gap) {
	cfg := &r.s.cfg
	r.notices.postGap(g, func(ctx context.Context) {
		cfg.log.Warn("events may be missing", "reason", g.Reason.String(), "from", g.From, "to", g.To, "subscriptions", len(g.Subscriptions))
		if cfg.onGap != nil {
			defer r.startBackfill(g) // also when it panics
			cfg.onGap(ctx, g)
			return
		}
		r.startBackfill(g)
	})
}

func (r *streamRun) startBackfill(g Gap) {
	if r.s.cfg.backfill == nil {
		return
	}
	tries := 0
	accepted := r.notices.postBackfill(func(ctx context.Context) (time.Duration, bool) {
		tries++
		return r.fill(ctx, g, tries)
	})
	if !accepted {
		r.warn("too many backfills wait: one is left out", "from", g.From, "to", g.To)
	}
}

// fill fetches what a gap has cost.
func (r *streamRun) fill(ctx context.Context, g Gap, tries int) (after time.Duration, again bool) {
	updates, err := r.s.cfg.backfill(ctx, g)
	r.insert(updates)
	if err == nil {
		return 0, false
	}
	if after, again = bitcart.RetryAfter(err); again && after == 0 {
		after = r.s.cfg.pauses.retry(tries)
	}
	if ctx.Err() != nil {
		r.cutOff.Add(1)
		return 0, false
	}
	r.s.cfg.log.Error("backfill failed", "error", err, "again", again)
	return after, again
}

// insert puts fetched updates into the lanes of their subscriptions, whatever
// the bounds: they are in memory already.
func (r *streamRun) insert(updates []bitcart.Update) {
	parcels := make([]parcel, len(updates))
	now := time.Now()
	for i, u := range updates { // not under the lock, for which the reader would wait
		raw, _ := u.MarshalJSON() // what cannot be encoded is an error of ProcessUpdates
		network, address := origin(u.Event(), raw)
		topic := Subscription{network, u.Event(), address}.topic()
		parcels[i] = parcel{update: u, topic: topic, received: now, size: len(raw) + parcelOverhead}
	}
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.stopped {
		r.undelivered.Add(int64(len(updates)))
		return
	}
	for _, p := range parcels {
		var lane *queue.Lane[parcel]
		if e := r.s.book.entries[p.topic]; e != nil && e.lane != nil {
			p.entry, lane = e, e.lane
		} else {
			lane = r.strayOf(p.topic).lane
		}
		r.s.n.backfilled.Add(1)
		lane.Insert([]queue.Placed[parcel]{{V: p, Size: p.size}})
	}
}
