package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// tally collects what handlers have seen, for somebody who waits for a number
// of them.
type tally[T any] struct {
	mu   sync.Mutex
	list []T
	more chan struct{} // has room for one
}

func newTally[T any]() *tally[T] { return &tally[T]{more: make(chan struct{}, 1)} }

func (t *tally[T]) add(v T) {
	t.mu.Lock()
	t.list = append(t.list, v)
	t.mu.Unlock()
	select {
	case t.more <- struct{}{}:
	default:
	}
}

func (t *tally[T]) snapshot() []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.list)
}

func (t *tally[T]) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = t.list[:0]
}

// wait waits until n were collected while the stream runs.
func (t *tally[T]) wait(ctx context.Context, s *streaming, n int) ([]T, error) {
	for {
		list := t.snapshot()
		if len(list) > n {
			return nil, fmt.Errorf("%d events were handled, %d were sent", len(list), n)
		}
		if len(list) == n {
			return list, nil
		}
		if err := s.until(ctx, t.more); err != nil {
			return nil, fmt.Errorf("%d of %d events were handled: %w", len(list), n, err)
		}
	}
}
