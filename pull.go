package bitcart

import (
	"context"
	"iter"
)

// Events is StartWebsocket in the form of an iterator. It yields every event in
// order of arrival, one at a time; handlers do not run. An event is done when
// the loop's body is: there is no Retry. Each iteration is a stream of its own,
// and leaving the loop ends it.
//
// A gap comes in its place among the events, as (nil, *[GapError]), and OnGap
// is called as well; the iteration goes on. When 16 384 gaps wait for the loop,
// further ones are reported as one. If another stream runs, the only pair is
// (nil, ErrStreamRunning). If the stream fails, or the loop did not take all
// events within DrainTimeout, the last pair is (nil, err). When ctx ends
// otherwise, the iteration just ends.
func (c *Coin) Events(ctx context.Context, opts ...StartOption) iter.Seq2[*Event, error] {
	return pullEvents(ctx, opts, c.runStream)
}

func pullEvents(
	ctx context.Context, opts []StartOption, run func(context.Context, *stream) error,
) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		ctx, cancel := context.WithCancel(orBackground(ctx))
		p := &puller{parcels: make(chan parcel), taken: make(chan struct{}), left: make(chan struct{})}
		ended := make(chan error, 1)
		go func() {
			ended <- run(ctx, &stream{cfg: startOptions(opts), transport: websocket, pull: p.pull})
			close(ended)
		}()
		// The loop's body may panic: the stream is ended and waited for all the same.
		defer func() {
			cancel()
			close(p.left)
			for range ended {
			}
		}()
		p.loop(yield, ended)
	}
}

// puller passes parcels from a stream's worker to a loop.
type puller struct {
	parcels chan parcel
	taken   chan struct{} // the loop is back from its body
	left    chan struct{} // closed when the loop has been left
}

func (p *puller) loop(yield func(*Event, error) bool, ended <-chan error) {
	for {
		select {
		case next := <-p.parcels:
			if !yieldParcel(yield, next) {
				return
			}
			p.taken <- struct{}{}
		case err := <-ended:
			if err != nil {
				yield(nil, err)
			}
			return
		}
	}
}

func yieldParcel(yield func(*Event, error) bool, next parcel) bool {
	if gap, ok := next.(*Gap); ok {
		return yield(nil, &GapError{*gap})
	}
	return yield(next.(*Event), nil)
}

// pull gives one parcel to the loop and waits until its body is done with it.
// What arrives after the loop was left is dropped: the caller wants no more.
func (p *puller) pull(ctx context.Context, next parcel) bool {
	select {
	case p.parcels <- next:
	case <-p.left:
		return true
	case <-ctx.Done():
		return false
	}
	select {
	case <-p.taken:
	case <-p.left:
	}
	return true
}
