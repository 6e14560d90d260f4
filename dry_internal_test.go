package bitcart

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// contend keeps others waiting for what the functions lock, so that what should be one step falls apart if it is not.
func contend(lock ...func()) (stop func()) {
	over := make(chan struct{})
	var done sync.WaitGroup
	for _, lock := range lock {
		done.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					lock()
					runtime.Gosched()
				}
			}
		})
	}
	return sync.OnceFunc(func() { close(over); done.Wait() })
}

// What comes once a gap was told is not dropped on account of what it told: nobody would tell of it.
func TestNothingIsDroppedBehindTheGapOfAnOverflow(t *testing.T) {
	const rounds = 2000
	for _, tt := range []struct {
		name string
		opts []Option
		key  string
	}{
		{"wallet", nil, "known"},
		{"stranger", []Option{WithAllWallets()}, "stranger"},
		{"chain", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			updates, _, err := wire.CutList([]byte(`[{"event":"own"}]`))
			require.NoError(t, err)
			var l *link
			push := func() {
				switch tt.key {
				case "":
					l.push(l.chain, "", &updates[0], SourceWebsocket, time.Now(), time.Time{})
				case "known":
					l.push(l.lookup(tt.key), tt.key, &updates[0], SourceWebsocket, time.Now(), time.Time{})
				default:
					l.pushForeign(tt.key, &updates[0], time.Now())
				}
			}
			behind := make(chan struct{})
			m, err := NewAPIManager(map[string][]string{"BTC": {"known"}}, append(tt.opts,
				WithStream(StreamConfig{QueuePerWallet: 1, Workers: 1, DequeCap: -1}),
				WithHooks(Hooks{OnGap: func(context.Context, Gap) {
					push()
					behind <- struct{}{}
				}}))...)
			require.NoError(t, err)
			inside, open := make(chan struct{}, 3), make(chan struct{})
			m.On("own", func(context.Context, *Event) error {
				inside <- struct{}{}
				<-open
				return nil
			})
			s := &stream{transport: websocket}
			s.prepare(t.Context(), []*linkPlan{m.groups[0].plan()})
			l = s.links[0]
			stop := contend(func() {
				l.hist.Lock()
				runtime.Gosched()
				l.hist.Unlock()
			}, func() { l.queue.Counts() })
			defer stop()
			for round := range rounds {
				push()
				<-inside
				push() // waits
				push() // is dropped
				close(open)
				<-behind
				require.NoError(t, l.queue.Drain(t.Context()))
				require.EqualValues(t, round+1, l.d.stats().Dropped, "what came behind the gap was dropped")
				<-inside
				<-inside
				open = make(chan struct{})
			}
			s.cancel()
			l.beginDrain()
			require.NoError(t, l.drain())
		})
	}
}
