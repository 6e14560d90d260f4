package wsconn_test

import (
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bitcart-go/bitcart/internal/wsconn"
)

// Many who ask for a ping share one. These are the bounds that they may count on:
// the least time between two pings, and the same while the pong of the last one
// has not come.
const (
	pingSpacing  = 5 * time.Millisecond
	pingPatience = 10 * time.Millisecond
)

// asked is a connection under synctest's clock whose peer notes each ping and
// says only what the test makes it say, so that each step has one outcome.
type asked struct {
	*wsconn.Conn
	t     *testing.T
	peer  *websocket.Conn
	ended <-chan error // what Read returned
	gone  chan struct{}

	mu    sync.Mutex
	pings []wirePing
	auto  bool // answer each ping at once

	answered []int       // by number in pings, in the order of the pongs
	came     []time.Time // when
	last     []int       // the latest ping then
}

// wirePing is a ping as the peer got it.
type wirePing struct {
	payload string
	at      time.Time
}

func newAsked(t *testing.T, cfg wsconn.Config) *asked {
	a := &asked{t: t, gone: make(chan struct{})}
	peers := make(chan *websocket.Conn, 1)
	cfg.URL = "ws://host"
	cfg.Transport = inPipe(t, func(ws *websocket.Conn) {
		defer close(a.gone)
		answer := ws.PingHandler()
		ws.SetPingHandler(func(payload string) error {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.pings = append(a.pings, wirePing{payload, time.Now()})
			if !a.auto {
				return nil
			}
			a.note(len(a.pings) - 1)
			return answer(payload)
		})
		peers <- ws
		idle(ws)
	})
	a.Conn = dial(t, cfg)
	a.peer, a.ended = <-peers, reading(a.Conn, nil)
	synctest.Wait()
	return a
}

// seen is the pings that the peer got until now.
func (a *asked) seen() []wirePing {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.pings)
}

// say sends a pong with that payload, whatever it is.
func (a *asked) say(payload string) {
	a.t.Helper()
	require.NoError(a.t, a.peer.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(time.Minute)))
	synctest.Wait()
}

// answer sends the pong of the i-th ping.
func (a *asked) answer(i int) {
	a.t.Helper()
	pings := a.seen()
	require.Greater(a.t, len(pings), i, "no such ping was sent")
	a.mu.Lock()
	a.note(i)
	a.mu.Unlock()
	a.say(pings[i].payload)
}

// note is called with mu held.
func (a *asked) note(i int) {
	a.answered = append(a.answered, i)
	a.came = append(a.came, time.Now())
	a.last = append(a.last, len(a.pings)-1)
}

// answerAll sends what pongs are owed and lets no ping wait from now on.
func (a *asked) answerAll() {
	a.t.Helper()
	a.mu.Lock()
	a.auto = true
	a.mu.Unlock()
	if n := len(a.seen()); n > 0 {
		a.answer(n - 1)
	}
}

// reached is how many pings, from the first on, are proven to have arrived.
func (a *asked) reached() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.answered) == 0 {
		return 0
	}
	return 1 + slices.Max(a.answered)
}

// heard is what Heard may say and what it has to: it may go by any ping that was
// answered, and goes by one that was the latest when its pong came.
func (a *asked) heard(within time.Duration) (may, must bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for k, i := range a.answered {
		if time.Since(a.pings[i].at) <= within {
			may = true
			must = must || a.last[k] == i
		}
	}
	return may, must
}

// asking is a call of Ping that runs or has ended.
type asking struct {
	ctx    context.Context
	cancel context.CancelFunc
	at     time.Time
	low    int // how many pings were sent before the call: their pongs prove nothing
	high   int // the same when the call was surely under way

	over  chan struct{}
	err   error // once over
	until time.Time
}

// ask begins so many calls of Ping at one moment.
func (a *asked) ask(ctx context.Context, n int) []*asking {
	a.t.Helper()
	low := len(a.seen())
	list := make([]*asking, n)
	for i := range list {
		q := &asking{at: time.Now(), low: low, over: make(chan struct{})}
		q.ctx, q.cancel = context.WithCancel(ctx)
		list[i] = q
		go func() {
			defer close(q.over)
			q.err = a.Ping(q.ctx)
			q.until = time.Now()
		}()
	}
	high := low
	if n > 1 {
		high = len(a.seen())
	}
	for _, q := range list {
		q.high = high
	}
	synctest.Wait()
	return list
}

func (a *asked) askOne() *asking { return a.ask(a.t.Context(), 1)[0] }

func (q *asking) done() bool {
	synctest.Wait()
	return q.ended()
}

func (q *asking) ended() bool {
	select {
	case <-q.over:
		return true
	default:
		return false
	}
}

// close ends the connection and waits for its Read and its peer.
func (a *asked) close() {
	require.NoError(a.t, a.Close())
	<-a.ended
	<-a.gone
}

// A call is satisfied by the pong of a ping that was sent after it or of a later
// one, and by no other, in whatever order the peer answers and however late.
func TestPongIsForThoseWhoAskedBeforeItsPing(t *testing.T) {
	// Three calls, each after the ping of the one before, and all orders of up to
	// four pongs with repeats.
	var orders [][]int
	for n := range 3 + 9 + 27 + 81 {
		var order []int
		for n++; n > 0; n = (n - 1) / 3 {
			order = append(order, (n-1)%3)
		}
		orders = append(orders, order)
	}
	require.Contains(t, orders, []int{2, 1, 0, 2})
	for _, order := range orders {
		synctest.Test(t, func(t *testing.T) {
			a := newAsked(t, wsconn.Config{PingInterval: -1})
			var calls []*asking
			for i := range 3 {
				calls = append(calls, a.askOne())
				time.Sleep(pingPatience)
				require.Len(t, a.seen(), i+1, "a ping for each")
			}
			time.Sleep(time.Second)
			for i := range calls {
				require.False(t, calls[i].done())
			}
			for _, i := range order {
				a.answer(i)
				for k, q := range calls {
					require.Equal(t, k < a.reached(), q.done(), "call %d, pongs %v of %v", k, a.answered, order)
				}
			}
			a.answerAll()
			for _, q := range calls {
				require.True(t, q.done())
				require.NoError(t, q.err)
			}
			time.Sleep(time.Minute)
			require.Len(t, a.seen(), 3, "nobody asks any more")
			a.close()
		})
	}
}

// The same for who asks between a ping and its pong: it shares the next one.
func TestPingThatIsUnderWayIsForNobodyElse(t *testing.T) {
	for _, pause := range []time.Duration{0, 1, time.Millisecond, pingSpacing - 1, pingSpacing, pingSpacing + 1, pingPatience - 1} {
		t.Run(pause.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAsked(t, wsconn.Config{PingInterval: -1})
				first := a.askOne()
				require.Len(t, a.seen(), 1, "nobody asked before: at once")
				time.Sleep(pause)
				second := a.ask(t.Context(), 3)
				require.Len(t, a.seen(), 1)
				a.answer(0)
				require.True(t, first.done())
				require.NoError(t, first.err)
				for _, q := range second {
					require.False(t, q.done(), "that ping was sent before the call")
				}
				time.Sleep(pingPatience)
				require.Len(t, a.seen(), 2, "one for all of them")
				a.answer(0)
				for _, q := range second {
					require.False(t, q.done())
				}
				a.answer(1)
				for _, q := range second {
					require.True(t, q.done())
					require.NoError(t, q.err)
				}
				a.close()
			})
		})
	}
}

// oddPongs are payloads that are the number of no ping, or of none that is under
// way: sent is the number of the latest ping, as the peer got it.
func oddPongs(t *testing.T, sent string) []string {
	n, ok := new(big.Int).SetString(sent, 10)
	require.True(t, ok, "a ping's payload is a number: %q", sent)
	plus := func(k *big.Int) string { return new(big.Int).Add(n, k).String() }
	pow := func(k uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), k) }
	return []string{
		"0", "00", "", " ", "x", "\x00", "\xff\xfe", "NaN", "1e3", "0x1", "-", "-0", "-1", "+", "1.0",
		strings.Repeat("9", 125), strings.Repeat("x", 125), strings.Repeat("\x00", 125),
		sent + " ", " " + sent, sent + "\x00", sent + "x", sent + ".0", "-" + sent, "+" + sent,
		plus(big.NewInt(1)), plus(big.NewInt(2)), plus(big.NewInt(1000)), // not sent yet
		plus(pow(8)), plus(pow(16)), plus(pow(31)), plus(pow(32)), plus(pow(63)), plus(pow(64)), plus(pow(128)),
		pow(31).String(), pow(32).String(), pow(63).String(), pow(64).String(),
		"2147483647", "4294967295", "9223372036854775807", "18446744073709551615",
	}
}

// Pongs that answer nothing open no barrier, neither one whose ping is under way
// nor one whose ping is yet to be sent, and change no one's turn.
func TestOddPongsAnswerNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := newAsked(t, wsconn.Config{}) // for the number of the ping after the dial
		zero := probe.seen()[0].payload
		probe.close()
		for i := range oddPongs(t, "1") {
			// With keep-alive the ping after the dial is the first one; it stays
			// without a pong.
			a := newAsked(t, wsconn.Config{PongTimeout: time.Hour})
			require.Equal(t, zero, a.seen()[0].payload)
			time.Sleep(pingPatience)
			under := a.askOne()
			pings := a.seen()
			require.Len(t, pings, 2)
			next := a.askOne() // its ping must wait
			odd := oddPongs(t, pings[1].payload)[i]
			require.NotContains(t, []string{pings[0].payload, pings[1].payload}, odd)
			a.say(odd)
			require.False(t, under.done(), "%q", odd)
			require.False(t, next.done(), "%q", odd)
			require.False(t, a.Heard(time.Hour), "%q", odd)
			time.Sleep(pingPatience - 1)
			require.Len(t, a.seen(), 2, "%q is not the pong that the next ping waits for", odd)
			time.Sleep(time.Nanosecond)
			require.Len(t, a.seen(), 3)
			require.False(t, next.done(), "%q came before its ping was sent", odd)
			require.False(t, under.done())
			require.False(t, a.Heard(time.Hour), "%q", odd)
			a.answer(0)
			require.False(t, under.done())
			require.False(t, a.Heard(3*pingPatience-1), "%q", odd)
			a.answer(1)
			require.True(t, under.done())
			require.False(t, next.done(), "%q", odd)
			a.answer(2)
			require.True(t, next.done())
			require.NoError(t, under.err)
			require.NoError(t, next.err)

			// All at once, before anything is asked.
			for _, payload := range oddPongs(t, a.seen()[2].payload) {
				a.say(payload)
			}
			last := a.askOne()
			time.Sleep(pingSpacing)
			require.False(t, last.done(), "announced pongs")
			a.answer(3)
			require.True(t, last.done())
			a.close()
		}
	})
}

// Two pings are 5 ms apart, 10 ms while the pong of the last one has not come.
func TestPingsKeepTheirDistance(t *testing.T) {
	for name, tc := range map[string]struct{ again, pong, want time.Duration }{
		"long ago":                 {time.Second, time.Millisecond, time.Second},
		"long ago, without a pong": {time.Second, -1, time.Second},
		"at once":                  {0, 0, pingSpacing},
		"at once, without a pong":  {0, -1, pingPatience},
		"pong before the spacing":  {1 * time.Millisecond, 3 * time.Millisecond, pingSpacing},
		"call after the pong":      {3 * time.Millisecond, 1 * time.Millisecond, pingSpacing},
		"call after the spacing":   {7 * time.Millisecond, 1 * time.Millisecond, 7 * time.Millisecond},
		"call late, without":       {7 * time.Millisecond, -1, pingPatience},
		"call just before the end": {pingPatience - 1, -1, pingPatience},
		"call at the end":          {pingPatience, -1, pingPatience},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAsked(t, wsconn.Config{PingInterval: -1})
				begun := time.Now()
				a.askOne()
				var all sync.WaitGroup
				all.Go(func() {
					time.Sleep(tc.again)
					for range 20 {
						all.Go(func() { _ = a.Ping(t.Context()) })
					}
				})
				if tc.pong >= 0 {
					time.Sleep(tc.pong)
					a.answer(0)
				}
				time.Sleep(2*time.Second - time.Since(begun))
				pings := a.seen()
				require.Greater(t, len(pings), 1)
				require.Equal(t, tc.want, pings[1].at.Sub(pings[0].at))
				// Who came after the second one was sent, at the same moment, is
				// owed a third.
				require.LessOrEqual(t, len(pings), 3)
				a.answerAll()
				all.Wait()
				a.close()
			})
		})
	}
}

// A ping that the keep-alive sends serves those who have asked, too.
func TestKeepAlivePingIsSharedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = time.Second
		a := newAsked(t, wsconn.Config{PingInterval: interval, PongTimeout: time.Hour})
		require.Len(t, a.seen(), 1)
		early := a.askOne()
		a.answer(0)
		require.False(t, early.done(), "the ping after the dial was sent before the call")
		time.Sleep(pingSpacing)
		require.Len(t, a.seen(), 2)
		a.answer(1)
		require.True(t, early.done())
		// The peer falls silent; somebody asks shortly before the keep-alive does.
		time.Sleep(interval - 2*time.Millisecond)
		late := a.askOne()
		time.Sleep(interval / 2)
		require.False(t, late.done())
		require.Len(t, a.seen(), 4, "the one that was asked for, and the one of the keep-alive")
		a.answer(3)
		require.True(t, late.done())
		// Who asks meanwhile has to wait no longer than for the keep-alive.
		time.Sleep(interval - 2*time.Millisecond)
		a.askOne()
		late = a.askOne()
		require.Len(t, a.seen(), 5)
		time.Sleep(2 * time.Millisecond)
		require.Len(t, a.seen(), 6)
		a.answer(5)
		require.True(t, late.done())
		time.Sleep(interval / 2)
		require.Len(t, a.seen(), 6)
		a.close()
	})
}

// Whatever many do at once, the pings are bounded by time.
func TestThousandWhoPingShareFewFrames(t *testing.T) {
	t.Run("by the clock", func(t *testing.T) {
		for name, tc := range map[string]struct{ delay, between time.Duration }{
			"a peer that answers at once": {0, pingSpacing},
			"a peer that takes 3 ms":      {3 * time.Millisecond, pingSpacing},
			"a peer that takes 30 ms":     {30 * time.Millisecond, pingPatience},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var at []time.Time
					var answering sync.WaitGroup
					c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, Transport: inPipe(t, func(ws *websocket.Conn) {
						ws.SetPingHandler(func(payload string) error {
							at = append(at, time.Now())
							answering.Go(func() {
								time.Sleep(tc.delay)
								_ = ws.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(time.Minute))
							})
							return nil
						})
						idle(ws)
						answering.Wait()
					})})
					ended := reading(c, nil)
					r := rand.New(rand.NewPCG(1, 2))
					begun := time.Now()
					var all sync.WaitGroup
					for i := range 1000 {
						pause := time.Duration(r.Int64N(int64(200 * time.Millisecond)))
						if i%4 == 0 {
							pause = 50 * time.Millisecond
						}
						all.Go(func() {
							time.Sleep(pause)
							asked := time.Now()
							require.NoError(t, c.Ping(t.Context()))
							require.GreaterOrEqual(t, time.Since(asked), tc.delay)
							require.LessOrEqual(t, time.Since(asked), tc.between+tc.delay)
						})
					}
					all.Wait()
					took := time.Since(begun)
					require.NoError(t, c.Close())
					<-ended
					synctest.Wait()
					require.LessOrEqual(t, len(at), 2+int(took/tc.between))
					for i := range at[1:] {
						require.GreaterOrEqual(t, at[i+1].Sub(at[i]), tc.between)
					}
				})
			})
		}
	})

	// Over a socket, beside a stream of messages: each call is a barrier as well.
	t.Run("over a socket", func(t *testing.T) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		t.Run("", func(t *testing.T) { // whose clean-up comes before the look for leaks
			var pings, written, read atomic.Int64
			stop := make(chan struct{})
			u := serve(t, func(ws *websocket.Conn) {
				answer := ws.PingHandler()
				ws.SetPingHandler(func(payload string) error {
					pings.Add(1)
					return answer(payload)
				})
				var writing sync.WaitGroup
				writing.Go(func() {
					msg := make([]byte, 300)
					for range 50_000 {
						select {
						case <-stop:
							return
						default:
						}
						if ws.WriteMessage(websocket.BinaryMessage, msg) != nil {
							return
						}
						written.Add(1)
					}
				})
				idle(ws)
				writing.Wait()
			})
			c := dial(t, wsconn.Config{URL: u, PingInterval: -1})
			ended := reading(c, func(string) { read.Add(1) })
			begun := time.Now()
			var all sync.WaitGroup
			var short, failed atomic.Int64
			for range 1000 {
				all.Go(func() {
					for range 4 {
						before := written.Load()
						if c.Ping(t.Context()) != nil {
							failed.Add(1)
						}
						if read.Load() < before {
							short.Add(1)
						}
					}
				})
			}
			returned := make(chan struct{})
			go func() {
				all.Wait()
				close(returned)
			}()
			receive(t, returned)
			took := time.Since(begun)
			close(stop)
			require.NoError(t, c.Close())
			require.ErrorIs(t, receive(t, ended), wsconn.ErrClosed)
			require.Zero(t, failed.Load())
			require.Zero(t, short.Load(), "calls that returned before what was written had been read")
			require.Positive(t, written.Load())
			require.GreaterOrEqual(t, pings.Load(), int64(4))
			require.LessOrEqual(t, pings.Load(), 5+int64(took/pingSpacing))
		})
	})
}

// A random program of calls, contexts that end, pongs that come late, in any
// order, merged or never, and pauses, against a model that knows only which pings
// the peer got and which pongs it sent.
func TestSharedPingsModel(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newPingModel(t, seed).run() })
		})
	}
}

type pingModel struct {
	*asked
	r       *rand.Rand
	calls   []*asking // that run, as far as the model knows
	checked int       // pings
	begun   []*asking
}

func newPingModel(t *testing.T, seed uint64) *pingModel {
	return &pingModel{asked: newAsked(t, wsconn.Config{PingInterval: -1}), r: rand.New(rand.NewPCG(seed, 7))}
}

func (m *pingModel) run() {
	for range 150 {
		m.step()
		m.check()
	}
	m.answerAll()
	m.check()
	time.Sleep(2 * pingPatience)
	m.check()
	for _, q := range m.begun {
		require.True(m.t, q.done(), "the peer answers: nobody waits any more")
	}
	m.close()
	require.False(m.t, m.Heard(time.Hour), "the connection has ended")
}

func (m *pingModel) step() {
	switch op := m.r.IntN(20); {
	case op < 7:
		n := 1
		if op == 0 {
			n += m.r.IntN(20)
		}
		ctx := m.t.Context()
		switch m.r.IntN(4) {
		case 0:
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Duration(m.r.IntN(30_000))*time.Microsecond)
			m.t.Cleanup(cancel)
		case 1:
			if m.r.IntN(5) == 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				cancel()
			}
		}
		list := m.ask(ctx, n)
		m.calls, m.begun = append(m.calls, list...), append(m.begun, list...)
	case op < 9:
		if len(m.calls) > 0 {
			m.calls[m.r.IntN(len(m.calls))].cancel()
		}
	case op < 14:
		time.Sleep(time.Duration(m.r.IntN(7000)) * time.Microsecond)
	case op < 18:
		n := len(m.seen())
		if n == 0 {
			return
		}
		switch m.r.IntN(4) {
		case 0:
			m.answer(m.r.IntN(n))
		case 1:
			m.answer(max(0, n-1-m.r.IntN(3)))
		default:
			m.answer(n - 1)
		}
	case op < 19:
		sent := "0"
		if pings := m.seen(); len(pings) > 0 {
			sent = pings[len(pings)-1].payload
		}
		odd := oddPongs(m.t, sent)
		if payload := odd[m.r.IntN(len(odd))]; !slices.ContainsFunc(m.seen(), func(p wirePing) bool { return p.payload == payload }) {
			m.say(payload)
		}
	default:
		require.NoError(m.t, m.peer.WriteMessage(websocket.TextMessage, []byte("x")))
	}
}

func (m *pingModel) check() {
	m.t.Helper()
	pings, reached := m.seen(), m.reached()
	for ; m.checked < len(pings); m.checked++ {
		m.checkDistance(pings, m.checked)
	}
	m.calls = slices.DeleteFunc(m.calls, func(q *asking) bool {
		if q.ended() {
			m.checkEnd(q, reached)
			return true
		}
		require.NoError(m.t, q.ctx.Err(), "its context has ended")
		require.LessOrEqual(m.t, reached, q.high, "the pong of a ping that was sent after the call has come")
		if q.low == q.high && len(pings) == q.low {
			require.Less(m.t, time.Now(), m.latest(pings, q), "a ping is due")
		}
		return false
	})
	for _, within := range []time.Duration{0, 1, time.Millisecond, pingSpacing, pingPatience, 37 * time.Millisecond, time.Hour} {
		may, must := m.heard(within)
		if got := m.Heard(within); got {
			require.True(m.t, may, "within %v", within)
		} else {
			require.False(m.t, must, "within %v", within)
		}
	}
}

// checkEnd: a call that has ended had a reason to.
func (m *pingModel) checkEnd(q *asking, reached int) {
	if q.err == nil {
		require.Greater(m.t, reached, q.low, "no ping that was sent after the call was answered")
		return
	}
	require.ErrorIs(m.t, q.err, q.ctx.Err())
	if deadline, ok := q.ctx.Deadline(); ok && q.until.Before(deadline) {
		require.ErrorIs(m.t, q.err, context.Canceled)
	}
}

// checkDistance: the i-th ping was sent because somebody had asked, not too soon
// after the one before and not too late for who asked.
func (m *pingModel) checkDistance(pings []wirePing, i int) {
	at := pings[i].at
	require.True(m.t, slices.ContainsFunc(m.begun, func(q *asking) bool { return q.low <= i && i <= q.high && !q.at.After(at) }),
		"nobody asked for ping %d", i)
	if i > 0 {
		least := pingPatience
		for k, p := range m.answered {
			if p == i-1 && !m.came[k].After(at) {
				least = pingSpacing
			}
		}
		require.GreaterOrEqual(m.t, at.Sub(pings[i-1].at), least)
	}
	for _, q := range m.begun {
		if q.low == i && q.high == i && (!q.ended() || q.until.After(at)) {
			require.LessOrEqual(m.t, at, m.latest(pings, q))
		}
	}
}

// latest is when who asks has a ping at the latest.
func (m *pingModel) latest(pings []wirePing, q *asking) time.Time {
	if q.low == 0 {
		return q.at
	}
	if t := pings[q.low-1].at.Add(pingPatience); t.After(q.at) {
		return t
	}
	return q.at
}

// A peer that takes no bytes for a while: what is written then says nothing about
// when it was read, but nobody is satisfied by a ping that the peer had before.
func TestSharedPingsWhilePeerTakesNoBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 5))
		take := make(chan struct{})
		pings := make(chan string, 1000)
		peers := make(chan *websocket.Conn, 1)
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, Transport: inPipe(t, func(ws *websocket.Conn) {
			ws.SetPingHandler(func(payload string) error {
				pings <- payload
				<-take // and so does whatever comes next
				return nil
			})
			peers <- ws
			idle(ws)
		})})
		ended := reading(c, nil)
		ws := <-peers
		for range 30 {
			first := make(chan error, 1)
			go func() { first <- c.Ping(t.Context()) }()
			payload := <-pings
			// The peer has the first one's ping and takes no more.
			second := make(chan error, 20)
			time.Sleep(time.Duration(r.IntN(12)) * time.Millisecond)
			for range 20 {
				go func() { second <- c.Ping(t.Context()) }()
			}
			time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
			require.Empty(t, pings)
			require.NoError(t, ws.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(time.Minute)))
			synctest.Wait()
			require.Len(t, first, 1)
			require.NoError(t, <-first)
			require.Empty(t, second, "the peer has not had their ping")
			for len(second) < 20 { // a call that came with a ping needs the next
				take <- struct{}{}
				payload = <-pings
				require.NoError(t, ws.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(time.Minute)))
				synctest.Wait()
			}
			for range 20 {
				require.NoError(t, <-second)
			}
			take <- struct{}{}
			synctest.Wait()
			require.Empty(t, pings)
			time.Sleep(time.Second)
		}
		require.NoError(t, c.Close())
		<-ended
		close(take)
	})
}

// Whatever ends the connection, it ends all who wait, whether their ping was sent
// or is yet to be, and leaves no goroutine: the bubble ends only without any.
func TestWaitingPingsEndWithTheConnection(t *testing.T) {
	for name, end := range map[string]func(a *asked){
		"close frame": func(a *asked) {
			_ = a.peer.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, "bye"), time.Now().Add(time.Minute))
		},
		"network":         func(a *asked) { _ = a.peer.NetConn().Close() },
		"broken protocol": func(a *asked) { _, _ = a.peer.NetConn().Write([]byte{0xff, 0xff}) },
		"too large": func(a *asked) {
			_ = a.peer.WriteMessage(websocket.BinaryMessage, make([]byte, 1000))
		},
		"no pong":  func(*asked) { time.Sleep(time.Hour) },
		"shutdown": func(a *asked) { a.Shutdown() },
		"close":    func(a *asked) { _ = a.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAsked(t, wsconn.Config{ReadLimit: 100})
				a.answer(0)
				var calls []*asking
				for range 5 { // three pings, and calls that wait for one
					calls = append(calls, a.ask(t.Context(), 20)...)
					time.Sleep(pingPatience / 2)
				}
				calls = append(calls, a.ask(t.Context(), 20)...)
				gone := a.ask(t.Context(), 1)[0]
				gone.cancel()
				require.True(t, gone.done())
				for _, q := range calls {
					require.False(t, q.done())
				}
				end(a)
				var reason error
				select {
				case reason = <-a.ended:
				case <-time.After(time.Minute):
					require.FailNow(t, "Read does not end")
				}
				for _, q := range calls {
					require.True(t, q.done())
					require.Equal(t, reason, q.err)
				}
				require.ErrorIs(t, gone.err, context.Canceled)
				begun := time.Now()
				for range 3 {
					require.Equal(t, reason, a.Ping(t.Context()), "from now on")
				}
				require.Equal(t, begun, time.Now())
				require.False(t, a.Heard(time.Hour))
				require.NoError(t, a.Close())
				<-a.gone
			})
		})
	}

	t.Run("over a socket", func(t *testing.T) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		t.Run("", func(t *testing.T) {
			pinged := make(chan struct{}, 1000)
			drop := make(chan struct{})
			u := serve(t, func(ws *websocket.Conn) {
				ws.SetPingHandler(func(string) error { pinged <- struct{}{}; return nil })
				go func() {
					<-drop
					_ = ws.NetConn().Close()
				}()
				idle(ws)
			})
			c := dial(t, wsconn.Config{URL: u, PingInterval: -1})
			ended := reading(c, nil)
			results := make(chan error, 300)
			for range 100 {
				go func() { results <- c.Ping(t.Context()) }()
			}
			receive(t, pinged)
			receive(t, pinged)
			for range 100 {
				go func() { results <- c.Ping(t.Context()) }()
			}
			close(drop)
			reason := receive(t, ended)
			for range 100 {
				go func() { results <- c.Ping(t.Context()) }()
			}
			for range 300 {
				require.Equal(t, reason, receive(t, results))
			}
		})
	})
}

// A call that is given up is gone: it sends no more than a ping, and who asks
// later is served as if it had never been.
func TestPingThatIsGivenUpLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked(t, wsconn.Config{PingInterval: -1})
		over, cancel := context.WithCancel(t.Context())
		cancel()
		giveUp := func(q *asking) {
			q.cancel()
			require.True(t, q.done())
			require.ErrorIs(t, q.err, context.Canceled)
		}
		serves := func() { // a call is served, by a ping of its own
			t.Helper()
			q := a.askOne()
			time.Sleep(pingPatience)
			n := len(a.seen())
			require.Greater(t, n, q.low)
			for i := range q.low {
				a.answer(i)
				require.False(t, q.done(), "that is the pong of a call that was given up")
			}
			a.answer(n - 1)
			require.True(t, q.done())
			require.NoError(t, q.err)
			time.Sleep(time.Second)
			require.Len(t, a.seen(), n, "nobody asks any more")
		}

		q := a.ask(over, 1)[0] // the context had ended
		require.True(t, q.done())
		require.ErrorIs(t, q.err, context.Canceled)
		serves()

		q = a.askOne() // its ping is on the wire
		giveUp(q)
		serves()

		q = a.askOne() // its ping is yet to be sent
		time.Sleep(time.Millisecond)
		giveUp(a.askOne())
		giveUp(q)
		serves()

		begun := time.Now() // with a deadline
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, a.Ping(ctx), context.DeadlineExceeded)
		require.Equal(t, 3*time.Millisecond, time.Since(begun))
		serves()

		// Of those who share a ping, who gives up takes nobody along.
		a.askOne().cancel()
		shared := a.ask(t.Context(), 10)
		giveUp(shared[0])
		giveUp(shared[4])
		time.Sleep(pingPatience)
		giveUp(shared[9])
		a.answer(len(a.seen()) - 1)
		for i, q := range shared {
			require.True(t, q.done())
			require.Equal(t, i != 0 && i != 4 && i != 9, q.err == nil)
		}
		serves()

		// Many in a row, with a peer that answers none of them.
		n := len(a.seen())
		begun = time.Now()
		for i := range 500 {
			q := a.askOne()
			time.Sleep(time.Duration(i%4) * time.Millisecond)
			giveUp(q)
		}
		require.LessOrEqual(t, len(a.seen())-n, 1+int(time.Since(begun)/pingPatience))
		serves()
		a.close()
	})
}

// Heard goes by when the ping was sent that was answered, the latest of those.
func TestHeardGoesByThePing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked(t, wsconn.Config{PingInterval: -1})
		ages := func(i int) { // the latest ping that was answered is the i-th
			t.Helper()
			age := time.Since(a.seen()[i].at)
			require.True(t, a.Heard(age))
			require.True(t, a.Heard(time.Hour))
			require.False(t, a.Heard(age-1))
		}
		require.False(t, a.Heard(time.Hour), "nothing was sent")
		q := a.askOne()
		require.False(t, a.Heard(time.Hour), "nothing was answered")
		time.Sleep(3 * time.Second)
		require.NoError(t, a.peer.WriteMessage(websocket.TextMessage, []byte("x")))
		synctest.Wait()
		require.False(t, a.Heard(time.Hour), "a message is no pong")
		a.answer(0)
		require.True(t, q.done())
		ages(0)
		time.Sleep(time.Second)
		ages(0)
		for range 3 {
			a.askOne()
			time.Sleep(time.Second)
			ages(0)
		}
		for _, i := range []int{1, 2, 1, 0, 2} { // the third one is under way
			a.answer(i)
			require.True(t, a.Heard(time.Hour))
			require.False(t, a.Heard(time.Since(a.seen()[2].at)-1), "none that is younger was answered")
		}
		a.answer(3)
		ages(3)
		for i := range 4 {
			a.answer(i)
			ages(3)
		}
		time.Sleep(time.Second)
		ages(3)
		require.False(t, a.Heard(-1))
		// The end of the connection takes the proof along.
		require.NoError(t, a.peer.NetConn().Close())
		<-a.ended
		require.False(t, a.Heard(time.Hour))
		require.NoError(t, a.Close())
		<-a.gone
	})
}
