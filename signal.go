package bitcart

import "github.com/bitcart-go/bitcart/internal/jitter"

// signal wakes all who wait for something to change. The zero value is ready.
type signal struct {
	mu jitter.Mutex
	ch chan struct{}
}

// next returns a channel that the next broadcast closes. Take it before
// looking at what may have changed.
func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
