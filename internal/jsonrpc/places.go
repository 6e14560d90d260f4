package jsonrpc

import (
	"context"
	"time"
)

// places lets a few calls run at once, so that many short calls share a few
// connections. It is no limit: a daemon may hold calls without end, so one that
// has waited for a while goes ahead.
type places struct {
	taken    chan struct{}
	patience time.Duration
}

const (
	fewCalls      = 8
	placePatience = 100 * time.Millisecond
)

func newPlaces() places {
	return places{taken: make(chan struct{}, fewCalls), patience: placePatience}
}

// enter waits for a place, or until one need not wait any longer. leave is to be
// called when the call has ended.
func (p places) enter(ctx context.Context) (leave func()) {
	select {
	case p.taken <- struct{}{}:
		return p.leave
	default:
	}
	timer := time.NewTimer(p.patience)
	defer timer.Stop()
	select {
	case p.taken <- struct{}{}:
		return p.leave
	case <-timer.C:
	case <-ctx.Done():
	}
	return func() {}
}

func (p places) leave() { <-p.taken }
