package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bitcart-go/bitcart"
)

// streaming is a form of the library that hears events.
type streaming struct {
	bitcart.Registry
	start    func(context.Context, ...bitcart.StartOption) error
	stats    func() bitcart.Stats
	connects chan bitcart.ConnectInfo // each time that all wallets were tried
	cancel   context.CancelFunc
	ended    chan error
}

// deepQueue holds what the sender is ahead of the handlers, also when all of
// it is for one wallet. Daemons are much slower.
var deepQueue = bitcart.WithStream(bitcart.StreamConfig{QueuePerWallet: 2 * inFlight * block})

// newCoin is a Coin of the first wallet.
func newCoin(p *process, _ int, opts ...bitcart.Option) (*streaming, error) {
	s := newStreaming()
	coin, err := bitcart.NewCoin("ETH", append(opts, bitcart.WithURL(p.daemon), bitcart.WithXpub(walletsOf(1)[0]), s.hooks())...)
	if err != nil {
		return nil, err
	}
	s.Registry, s.start, s.stats = coin, coin.StartWebsocket, coin.Stats
	return s, nil
}

// newManager is an APIManager of n ETH wallets.
func newManager(p *process, n int, opts ...bitcart.Option) (*streaming, error) {
	s := newStreaming()
	return s, s.serve("ETH", p, walletsOf(n), opts...)
}

func newStreaming() *streaming {
	return &streaming{connects: make(chan bitcart.ConnectInfo, 8), ended: make(chan error, 1), cancel: func() {}}
}

// serve makes it an APIManager of these wallets.
func (s *streaming) serve(currency string, p *process, wallets []string, opts ...bitcart.Option) error {
	m, err := bitcart.NewAPIManager(map[string][]string{currency: wallets}, append(opts, bitcart.WithURL(p.daemon), s.hooks())...)
	if err != nil {
		return err
	}
	s.Registry, s.start, s.stats = m, m.StartWebsocket, func() bitcart.Stats { return m.Stats()[0] }
	return nil
}

func (s *streaming) manager() *bitcart.APIManager { return s.Registry.(*bitcart.APIManager) }

func (s *streaming) hooks() bitcart.Option {
	return bitcart.WithHooks(bitcart.Hooks{OnConnect: func(ctx context.Context, info bitcart.ConnectInfo) {
		select {
		case s.connects <- info:
		case <-ctx.Done():
		}
	}})
}

// begin begins to stream and returns when every wallet is armed.
func (s *streaming) begin(ctx context.Context) error {
	run, cancel := context.WithCancel(ctx)
	s.cancel = cancel
	go func() { s.ended <- s.start(run) }() // end waits for it
	if err := s.connected(ctx); err != nil {
		return errors.Join(err, s.end())
	}
	return nil
}

// connected waits until the next connection has armed every wallet.
func (s *streaming) connected(ctx context.Context) error {
	var info bitcart.ConnectInfo
	select {
	case info = <-s.connects:
	case err := <-s.ended:
		s.ended <- err // for end
		return errEnded
	case <-ctx.Done():
		return named("no connection", ctx.Err())
	}
	if info.Unarmed > 0 {
		return fmt.Errorf("%d wallets could not be armed", info.Unarmed)
	}
	return nil
}

// errEnded: end tells why.
var errEnded = errors.New("the stream has ended by itself")

// until waits for done while the stream runs.
func (s *streaming) until(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case err := <-s.ended:
		s.ended <- err // for end
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// patience is for a stream to end, which drains for 10 s at most.
const patience = 20 * time.Second

// end ends the stream and tells when an event was not handled.
func (s *streaming) end() error {
	s.cancel()
	select {
	case err := <-s.ended:
		if st := s.stats(); err == nil && st.Dropped+st.HandlerErrors+st.Garbage > 0 {
			err = fmt.Errorf("events were not handled: %+v", st)
		}
		return err
	case <-time.After(patience):
		return errors.New("the stream does not end")
	}
}
