package blockio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bitcart-go/bitcart"
)

// Stream listens to the service's web socket and hands its events to a
// bitcart.Sink, under the names EventAddress and EventNewBlocks. An event's
// Currency is the network as the service writes it, its Wallet is the address
// ("" for a block), and its Source is bitcart.SourceStream.
//
// The events of one address, and the blocks of one network, are handled one
// after another in order of arrival; a handler that is slow, or that returns
// bitcart.Retry, delays only those. The service can repeat an event: credit by
// txid and address, never per event.
//
// The service replays nothing, so what happens while there is no connection
// does not reach the stream. Each such period is reported to the function of
// WithOnGap, and WithBackfill can fetch its events.
//
// A Stream is safe for concurrent use.
type Stream struct {
	cfg  streamConfig
	sink bitcart.Sink
	n    streamCounters

	// mu guards what follows. No foreign code runs under it, nothing waits
	// under it, and it is taken before the locks of the queues.
	mu   sync.Mutex
	book book
	run  *streamRun // nil while no Run is inside
	// lost is when the gap began that is not told yet: the last message before
	// it, or an overflow that Run's end has left untold. It outlives a Run, so
	// that the next one can tell the time between them.
	lost        time.Time
	lastMessage time.Time // of the connections that have ended
}

var errNoStream = errors.New("blockio: no stream: make one by NewStream")

// NewStream returns a Stream that hands its events to sink, a *bitcart.Coin or
// a *bitcart.Dispatcher. It does not connect.
func NewStream(sink bitcart.Sink, opts ...StreamOption) (*Stream, error) {
	cfg, err := newStreamConfig(opts)
	if sink == nil {
		err = errors.Join(errors.New("blockio: NewStream: the sink is nil"), err)
	}
	if err != nil {
		return nil, err
	}
	return &Stream{cfg: cfg, sink: sink}, nil
}

// Subscribe adds subscriptions, which every connection of the stream asks the
// service for. A subscription that the service could only refuse, such as one
// of type account, is refused at once.
//
// While no Run is active, it remembers the subscriptions and returns. Otherwise
// it returns when the service has answered each of them, or when ctx ends;
// after that they stay subscribed and are answered later. A subscription that
// was accepted before is not sent again.
//
// A refused subscription is forgotten, and is reported as a
// *[SubscriptionError]; several errors are joined. What the service has already
// sent for it is still delivered. ErrStreamEnded means that Run ended first. A
// handler may call Subscribe; later events of its own subscription wait
// meanwhile.
func (s *Stream) Subscribe(ctx context.Context, subs ...Subscription) error {
	if s == nil || s.sink == nil {
		return errNoStream
	}
	ctx = orBackground(ctx)
	var errs []error
	var waits []*entry
	s.mu.Lock()
	r := s.run
	for _, sub := range subs {
		if err := sub.check(); err != nil {
			errs = append(errs, err)
			continue
		}
		if e := s.subscribe(sub); r != nil && !r.over && !e.settled {
			e.waiters++
			waits = append(waits, e)
		}
	}
	s.mu.Unlock()
	return errors.Join(append(errs, s.await(ctx, r, waits)...)...)
}

// subscribe puts sub into the book and in line for the connection. mu is held.
func (s *Stream) subscribe(sub Subscription) *entry {
	e, fresh := s.book.add(sub)
	if r := s.run; fresh && r != nil && !r.over {
		r.openLane(e)
		if r.conn != nil {
			r.conn.enqueue(e)
		}
	}
	return e
}

// await waits for the answers.
func (s *Stream) await(ctx context.Context, r *streamRun, waits []*entry) []error {
	var errs []error
	var cause error
	unanswered := 0
	for _, e := range waits {
		if cause == nil {
			cause = e.wait(ctx, r)
		}
		switch answered, refusal := s.answerOf(e); {
		case refusal != nil:
			errs = append(errs, refusal)
		case !answered:
			unanswered++
		}
	}
	if unanswered > 0 {
		errs = append(errs, unansweredError(cause, unanswered, len(waits)))
	}
	return errs
}

func unansweredError(cause error, n, of int) error {
	if cause == ErrStreamEnded {
		return fmt.Errorf("%w: %d of %d subscriptions", cause, n, of)
	}
	return fmt.Errorf("blockio: %d of %d subscriptions were not answered: %w", n, of, cause)
}

// wait returns why there is no more waiting, nil for an answer.
func (e *entry) wait(ctx context.Context, r *streamRun) error {
	select {
	case <-e.answered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ended:
		return ErrStreamEnded
	}
}

// answerOf ends a wait.
func (s *Stream) answerOf(e *entry) (answered bool, refusal error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.waiters--
	if e.refusal != nil {
		return true, e.refusal
	}
	return e.settled, nil
}

// Unsubscribe removes subscriptions at once: waiting events are dropped, and so
// is what the service still sends. The service has no way to unsubscribe, so it
// goes on until the connection ends. A handler that is running finishes.
// Subscriptions that do not exist are skipped.
func (s *Stream) Unsubscribe(subs ...Subscription) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range subs {
		if e := s.book.entries[sub.topic()]; e != nil {
			s.forget(e)
			e.settle() // nobody needs the answer any more
		}
	}
}

// forget takes an entry out of the book. mu is held.
func (s *Stream) forget(e *entry) {
	delete(s.book.entries, e.topic)
	if s.run == nil {
		return
	}
	s.run.closeLane(e)
	if c := s.run.conn; c != nil {
		c.release(e)
		c.forgetStale()
	}
}

// Subscriptions returns the subscriptions in the order of Subscribe.
func (s *Stream) Subscriptions() []Subscription {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book.list()
}

// sorted is the entries in the order of Subscribe. Those that the service has
// accepted once stand first in it, since it is asked in the same order: what is
// new does not hold up the gap of what is not.
func (b *book) sorted() []*entry {
	all := make([]*entry, 0, len(b.entries))
	for _, e := range b.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(x, y *entry) int { return cmp.Compare(x.number, y.number) })
	return all
}

// list is the subscriptions in the order of Subscribe.
func (b *book) list() []Subscription {
	all := b.sorted()
	subs := make([]Subscription, len(all))
	for i, e := range all {
		subs[i] = e.sub
	}
	return subs
}

// Run connects, subscribes and delivers events until ctx ends. A connection
// that cannot be made, that ends, or that is silent for too long is replaced,
// with growing and jittered pauses; the attempts never stop by themselves, not
// even if the first one fails. After each connect all subscriptions are sent
// again.
//
// When ctx ends, the connection is closed with a handshake, and the handlers
// have Bounds.Drain to handle what was received: nil means that they have
// handled all of it. Otherwise the handlers' contexts are cancelled, and when
// they have returned, or a second later, the error is a *bitcart.DrainError. A
// second Run at the same time returns bitcart.ErrStreamRunning.
//
// Handlers get the values of ctx, not its cancellation.
func (s *Stream) Run(ctx context.Context) error {
	if s == nil || s.sink == nil {
		return errNoStream
	}
	ctx = orBackground(ctx)
	r, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer s.leave(r)
	stop := context.AfterFunc(ctx, r.beginDrain)
	defer stop()
	r.connectUntil(ctx)
	r.beginDrain()
	s.endAsking(r)
	return r.drain()
}

func (s *Stream) begin(ctx context.Context) (*streamRun, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		return nil, fmt.Errorf("blockio: Run: %w", bitcart.ErrStreamRunning)
	}
	s.run = newStreamRun(s, ctx)
	for _, e := range s.book.entries {
		s.run.openLane(e)
	}
	return s.run, nil
}

// endAsking lets those go on who wait for an answer: there will be none. A
// handler may be among them, and the drain would wait for it.
func (s *Stream) endAsking(r *streamRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.over = true
	close(r.ended)
}

func (s *Stream) leave(r *streamRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// What a lane that never ran empty had no room for is told with the next gap.
	for _, stray := range r.strays {
		s.loseSince(stray.droppedAt)
	}
	for _, e := range s.book.entries {
		s.loseSince(e.droppedAt)
		e.lane, e.droppedAt = nil, time.Time{}
	}
	s.run = nil
}

// loseSince puts the beginning of the gap that is not told yet back. mu is held.
func (s *Stream) loseSince(at time.Time) {
	if !at.IsZero() && (s.lost.IsZero() || at.Before(s.lost)) {
		s.lost = at
	}
}

// Format prints no fields under any verb: an endpoint may hold a secret.
func (s *Stream) Format(f fmt.State, _ rune) { writeSafe(f, "blockio.Stream") }
