package bitcart_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// What one read of the network brings goes into the lanes together. These tests write many messages
// at once, and end the writing in every way.

// burst is a daemon whose websocket the test writes by hand, many frames in one piece.
type burst struct {
	t       *testing.T
	m       *bitcart.APIManager
	keys    []string
	ready   chan struct{} // a connect has made its wallets ready
	sockets chan *websocket.Conn
}

func newBurst(t *testing.T, wallets int, cfg bitcart.StreamConfig) *burst {
	t.Helper()
	b := &burst{t: t, ready: make(chan struct{}, 1000), sockets: make(chan *websocket.Conn, 1000)}
	s := newStub(t, func(s *stub) {
		s.socket = func(conn *websocket.Conn) {
			b.sockets <- conn
			swallow(conn)
		}
	})
	for i := range wallets {
		b.keys = append(b.keys, fmt.Sprintf("xpub%03d", i))
	}
	hooks := bitcart.Hooks{OnConnect: func(context.Context, bitcart.ConnectInfo) { b.ready <- struct{}{} }}
	b.m = makeManager(t, map[string][]string{"BTC": b.keys}, bitcart.WithURL(s.URL), bitcart.WithStream(cfg), bitcart.WithHooks(hooks))
	return b
}

// connected is the next connection, when its wallets are ready.
func (b *burst) connected() *websocket.Conn {
	b.t.Helper()
	receive(b.t, b.ready, "a connect")
	return receive(b.t, b.sockets, "a connection")
}

// rawFrame is a frame of a server.
func rawFrame(opcode byte, payload string) []byte {
	head := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		head = append(head, byte(n))
	default:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(n))
	}
	return append(head, payload...)
}

func (b *burst) event(key string, n int) []byte {
	return rawFrame(websocket.TextMessage, frame(key, "BTC", fmt.Sprintf(`[{"event": "own", "n": %d}]`, n)))
}

// meeting holds handlers until as many as are expected are inside.
type meeting struct {
	expected int32
	inside   atomic.Int32
	all      chan struct{}
}

func newMeeting(n int) *meeting { return &meeting{expected: int32(n), all: make(chan struct{})} }

func (m *meeting) join() {
	if m.inside.Add(1) == m.expected {
		close(m.all)
	}
	select {
	case <-m.all:
	case <-time.After(patience):
	}
}

// burstEnd is how a piece ends, behind its last event, and what becomes of its connection.
type burstEnd struct {
	last string
	then fate
}

type fate int

const (
	goesOn    fate = iota // the next piece comes on the same connection
	goesLater             // it ends when all handlers are inside
	goesAway              // it ends at once
	hangsUp               // the client ends it
)

var burstEnds = map[string]burstEnd{
	"nothing more":      {"", goesOn},
	"a ping":            {string(rawFrame(websocket.PingMessage, "x")), goesOn},
	"an unasked pong":   {string(rawFrame(websocket.PongMessage, "x")), goesOn},
	"garbage":           {string(rawFrame(websocket.TextMessage, "x")), goesOn},
	"half a frame":      {"\x81\x05he", goesLater},
	"half a head":       {"\x81", goesLater},
	"the end":           {"", goesAway},
	"half and the end":  {"\x81\x05he", goesAway},
	"a broken frame":    {"\x83\x00", goesAway},
	"a frame too large": {"\x81\x7f\x00\x00\x00\x00\x02\x00\x00\x00", goesAway},
	"a close frame":     {string(rawFrame(websocket.CloseMessage, "\x03\xe9bye")), hangsUp},
}

// As many handlers as there are workers wait for each other. Their events come in one piece, with
// others before them: all get in, however the piece and the connection end, and so they do on the
// next connection.
func TestBurstOfHandlersThatWaitForEachOther(t *testing.T) {
	t.Parallel()
	const wallets = 24
	for name, end := range burstEnds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quick
			cfg.Workers = wallets
			b := newBurst(t, wallets, cfg)
			var now atomic.Pointer[meeting]
			var handled atomic.Int64
			b.m.On("own", func(_ context.Context, ev *bitcart.Event) error {
				if numberOf(t, ev) == 1 {
					now.Load().join()
				}
				handled.Add(1)
				return nil
			})
			stream := start(t, websocketOf(b.m))
			conn := b.connected()
			sent := int64(0)
			for range 12 {
				now.Store(newMeeting(wallets))
				var piece []byte
				for range rand.IntN(2) * rand.IntN(600) { // quick ones
					piece = append(piece, b.event(b.keys[rand.IntN(wallets)], 0)...)
					sent++
				}
				for _, i := range rand.Perm(wallets) {
					piece = append(piece, b.event(b.keys[i], 1)...)
					sent++
				}
				_, err := conn.NetConn().Write(append(piece, end.last...))
				require.NoError(t, err)
				if end.then == goesAway {
					_ = conn.Close()
				}
				receive(t, now.Load().all, "the handlers to meet")
				if end.then == goesLater {
					_ = conn.Close()
				}
				if end.then != goesOn {
					conn = b.connected()
				}
			}
			require.NoError(t, stream.stop())
			require.Equal(t, sent, handled.Load())
			require.Zero(t, daemonStats(t, b.m).Dropped)
		})
	}
}

// What a connection brought before its end does not wait for the next one, which may be far or never
// come.
func TestBurstBeforeTheLastEnd(t *testing.T) {
	t.Parallel()
	const wallets = 24
	for name, end := range burstEnds {
		if end.then != goesAway && end.then != hangsUp {
			continue
		}
		for kind, opts := range map[string][]bitcart.StartOption{"long pause": nil, "no reconnect": {bitcart.WithoutReconnect()}} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				cfg := quick
				cfg.Workers, cfg.BackoffMin, cfg.BackoffMax = wallets, time.Hour, time.Hour
				b := newBurst(t, wallets, cfg)
				all := newMeeting(wallets)
				b.m.On("own", func(context.Context, *bitcart.Event) error { all.join(); return nil })
				stream := start(t, websocketOf(b.m, opts...))
				conn := b.connected()
				var piece []byte
				for n, key := range b.keys {
					piece = append(piece, b.event(key, n)...)
				}
				_, err := conn.NetConn().Write(append(piece, end.last...))
				require.NoError(t, err)
				if end.then == goesAway {
					_ = conn.Close()
				}
				receive(t, all.all, "the handlers to meet")
				err = stream.stop()
				require.NotErrorAs(t, err, new(*bitcart.DrainError))
				require.EqualValues(t, wallets, daemonStats(t, b.m).Delivered)
			})
		}
	}
}

// A stream that is stopped in the middle of a burst hands over what it has received.
func TestStopWithinABurst(t *testing.T) {
	t.Parallel()
	const wallets = 20
	for range 8 {
		cfg := quick
		cfg.Workers = 3
		b := newBurst(t, wallets, cfg)
		var handled atomic.Int64
		b.m.On("own", func(context.Context, *bitcart.Event) error { handled.Add(1); return nil })
		stream := start(t, websocketOf(b.m))
		conn := b.connected()
		var piece []byte
		for n := range 3000 {
			piece = append(piece, b.event(b.keys[n%wallets], n)...)
		}
		var writing sync.WaitGroup
		writing.Go(func() { _, _ = conn.NetConn().Write(piece) })
		at := rand.Int64N(2000)
		eventually(t, func() bool { return handled.Load() >= at })
		require.NoError(t, stream.stop(), "nothing is left over")
		writing.Wait()
		stats := daemonStats(t, b.m)
		require.EqualValues(t, stats.Received, handled.Load())
		require.EqualValues(t, stats.Received, stats.Delivered)
		require.Zero(t, stats.Dropped)
	}
}

// Bursts of every size come in order, to handlers and to a loop, with each event once.
func TestBurstsKeepTheOrder(t *testing.T) {
	t.Parallel()
	const wallets, pieces = 7, 60
	send := func(b *burst, conn *websocket.Conn) (sent int) {
		var next [wallets]int
		for range pieces {
			var piece []byte
			for range 1 + rand.IntN(3)*rand.IntN(300) {
				i := rand.IntN(wallets)
				piece = append(piece, b.event(b.keys[i], next[i])...)
				next[i]++
				sent++
			}
			for len(piece) > 0 { // cut anywhere
				n := min(len(piece), 1+rand.IntN(100_000))
				_, err := conn.NetConn().Write(piece[:n])
				require.NoError(b.t, err)
				piece = piece[n:]
			}
		}
		return sent
	}
	cfg := quick
	cfg.QueuePerWallet = 1 << 20
	t.Run("handlers", func(t *testing.T) {
		t.Parallel()
		b := newBurst(t, wallets, cfg)
		var handled, wrong atomic.Int64
		var mu sync.Mutex
		next := map[string]int{}
		b.m.On("own", func(_ context.Context, ev *bitcart.Event) error {
			mu.Lock()
			defer mu.Unlock()
			if numberOf(t, ev) != next[ev.Wallet] {
				wrong.Add(1)
			}
			next[ev.Wallet]++
			handled.Add(1)
			return nil
		})
		stream := start(t, websocketOf(b.m))
		sent := send(b, b.connected())
		eventually(t, func() bool { return handled.Load() == int64(sent) })
		require.NoError(t, stream.stop())
		require.Zero(t, wrong.Load())
		require.EqualValues(t, sent, handled.Load())
	})
	t.Run("loop", func(t *testing.T) {
		t.Parallel()
		b := newBurst(t, wallets, cfg)
		sent := make(chan int, 1)
		go func() { sent <- send(b, b.connected()) }()
		next, handled, want := map[string]int{}, 0, -1
		for ev, err := range b.m.Events(patient(t)) {
			if ev == nil {
				require.ErrorAs(t, err, new(*bitcart.GapError), "the start")
				continue
			}
			require.Equal(t, next[ev.Wallet], numberOf(t, ev))
			next[ev.Wallet]++
			handled++
			select {
			case want = <-sent:
			default:
			}
			if handled == want {
				break
			}
			if want < 0 && handled > 20 { // do not run ahead of the sum
				want = receive(t, sent, "the sum")
			}
		}
		require.Equal(t, want, handled)
	})
}

// The events of one piece were received when it came.
func TestEventsOfOnePieceCameAtOnce(t *testing.T) {
	t.Parallel()
	b := newBurst(t, 3, quick)
	in := newInbox(t)
	b.m.On("own", in.handle)
	start(t, websocketOf(b.m))
	conn := b.connected()
	last := time.Time{}
	for range 20 {
		before := time.Now()
		var piece []byte
		for n := range 30 {
			piece = append(piece, b.event(b.keys[n%3], n)...)
		}
		_, err := conn.NetConn().Write(piece)
		require.NoError(t, err)
		for range 30 {
			ev := in.next()
			require.WithinRange(t, ev.Received, before, time.Now())
			last = ev.Received
		}
		require.False(t, daemonStats(t, b.m).LastFrame.Before(last), "an event is a sign of life")
		require.WithinDuration(t, daemonStats(t, b.m).LastEvent, last, time.Second)
	}
}

// Raw, Fields and Decode are made when they are asked for, by whoever is first, and for all attempts.
func TestFormsOfAnEventAreMadeOnce(t *testing.T) {
	t.Parallel()
	text := `{"event": "own", "n": 25000000000000000000, "pad": "` + strings.Repeat("x", 100) + `"}`
	for range 500 {
		ev := eventOfText(t, text)
		raws, fields := make([]json.RawMessage, 16), make([]map[string]any, 16)
		begin := make(chan struct{})
		var all sync.WaitGroup
		for i := range raws {
			all.Go(func() {
				<-begin
				if i%2 == 0 {
					raws[i] = ev.Raw()
					fields[i], _ = ev.Fields()
				} else {
					fields[i], _ = ev.Fields()
					raws[i] = ev.Raw()
				}
			})
		}
		close(begin)
		all.Wait()
		fields[0]["mark"] = true
		for i := range raws {
			require.True(t, bytes.Equal([]byte(text), raws[i]))
			require.Same(t, &raws[0][0], &raws[i][0], "one copy")
			require.Equal(t, true, fields[i]["mark"], "one map")
			require.Equal(t, json.Number("25000000000000000000"), fields[i]["n"])
		}
	}
}
