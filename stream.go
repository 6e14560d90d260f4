package bitcart

import (
	"context"
	"errors"

	"github.com/bitcart-go/bitcart/internal/jitter"
)

// transport feeds a link until ctx ends or it cannot go on: the websocket or
// polling. nil means that ctx ended.
type transport func(ctx context.Context, l *link) error

// stream is one run of StartWebsocket, PollUpdates or Events: a link for each
// daemon. It owns every goroutine of the run; run returns when they are gone.
type stream struct {
	cfg       startConfig
	transport transport
	// pull takes every event in place of handlers, and reports whether it did
	// before ctx ended; nil = handlers.
	pull func(ctx context.Context, p parcel) bool

	values context.Context // the caller's, without its cancellation
	ctx    context.Context // of the transports
	cancel context.CancelFunc
	done   chan struct{} // closed when the last link has ended

	mu      jitter.Mutex // guards what follows; taken after APIManager.mu; nothing waits under it
	links   []*link      // those of the start
	alive   int          // links that have not ended
	pending int          // links whose first attempt to connect is under way
	failed  bool         // one of them failed for good
	errs    []error
}

// prepare makes the links. From then on wallets can be added to them.
func (s *stream) prepare(ctx context.Context, plans []*linkPlan) {
	s.values = context.WithoutCancel(ctx)
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.done = make(chan struct{})
	for _, p := range plans {
		s.links = append(s.links, newLink(s, p, true))
	}
	s.alive, s.pending = len(s.links), len(s.links)
}

// run serves the links until ctx ends or none can go on.
func (s *stream) run() error {
	defer s.cancel()
	for _, l := range s.links {
		s.start(l)
	}
	<-s.done
	return errors.Join(s.errs...)
}

// add serves another daemon while the stream runs. Its failure to connect does
// not end the stream.
func (s *stream) add(p *linkPlan) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alive == 0 || s.ctx.Err() != nil {
		return nil
	}
	s.alive++
	l := newLink(s, p, false)
	s.start(l)
	return l
}

func (s *stream) start(l *link) {
	go func() { // done waits for it
		err := l.run(s.ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil {
			s.errs = append(s.errs, err)
		}
		if s.alive--; s.alive == 0 {
			close(s.done)
		}
	}()
}

// firstAttempt is told once by each link of the start how its first attempt to
// connect went. When all have been made and one failed for good, the stream ends.
func (s *stream) firstAttempt(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending--
	s.failed = s.failed || err != nil
	if s.pending == 0 && s.failed {
		s.cancel()
	}
}
