package wsconn_test

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wsconn"
)

// waits counts the calls of Config.BeforeWait.
type waits struct{ calls atomic.Int64 }

func (w *waits) note() { w.calls.Add(1) }

func (w *waits) count() int { return int(w.calls.Load()) }

// inHand is a Transport to a peer whose outgoing bytes the test writes itself;
// what the client sends is read and answered by nobody.
func inHand(t *testing.T) (*http.Transport, <-chan net.Conn) {
	hand := make(chan net.Conn, 1)
	return inPipe(t, func(ws *websocket.Conn) {
		hand <- ws.NetConn()
		deaf(ws)
	}), hand
}

// dataFrame is a frame of a server. Opcode 0 goes on with a message.
func dataFrame(opcode byte, final bool, payload string) []byte {
	if final {
		opcode |= 0x80
	}
	head := []byte{opcode}
	switch n := len(payload); {
	case n < 126:
		head = append(head, byte(n))
	case n < 1<<16:
		head = append(head, 126, byte(n>>8), byte(n))
	default:
		head = append(head, 127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(head, payload...)
}

func text(payload string) []byte { return dataFrame(1, true, payload) }

// A stream of messages, some of several frames, and control frames among them is
// cut anywhere. After each piece Read has returned every message that is
// complete, has said so before it waits, and knows when the piece came.
func TestReadBetweenPieces(t *testing.T) {
	for range 40 {
		seed := rand.Uint64()
		if !t.Run(fmt.Sprintf("%#x", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { readBetweenPieces(t, rand.New(rand.NewPCG(seed, 0))) })
		}) {
			return
		}
	}
}

func readBetweenPieces(t *testing.T, r *rand.Rand) {
	var stream []byte
	var want []string
	var ends []int   // where want's messages end in stream
	var frames []int // where frames end
	payload := func() string {
		n := r.IntN(40)
		if r.IntN(6) == 0 {
			n = r.IntN(80_000)
		}
		return strings.Repeat(string(rune('a'+len(want)%26)), n)
	}
	add := func(frame []byte) {
		stream = append(stream, frame...)
		frames = append(frames, len(stream))
	}
	control := func() {
		if r.IntN(4) == 0 {
			add(dataFrame(byte(9+r.IntN(2)), true, "x")) // ping or pong
		}
	}
	for range 1 + r.IntN(30) {
		control()
		msg := payload()
		opcode := byte(1)
		whole := msg
		for range r.IntN(3) {
			if opcode == 0 && msg == "" { // nothing is read of a part without bytes
				msg, whole = "c", whole+"c"
			}
			add(dataFrame(opcode, false, msg))
			opcode = 0
			control()
			msg = payload()
			whole += msg
		}
		add(dataFrame(opcode, true, msg))
		want, ends = append(want, whole), append(ends, len(stream))
	}
	control()

	var w waits
	transport, hand := inHand(t)
	c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, BeforeWait: w.note, Transport: transport})
	peer := <-hand
	require.Zero(t, w.count(), "the upgrade is not the reader's")
	require.True(t, c.LastFrame().IsZero())
	type message struct {
		text     string
		received time.Time
	}
	got := make(chan message, len(want))
	ended := make(chan error, 1)
	go func() {
		for {
			msg, err := c.Read()
			if err != nil {
				ended <- err
				return
			}
			got <- message{string(msg), c.Received()}
		}
	}()
	synctest.Wait()
	require.Equal(t, 1, w.count())

	next, frame := 0, 0
	for sent := 0; sent < len(stream); {
		time.Sleep(time.Duration(1+r.IntN(1000)) * time.Millisecond)
		n := min(len(stream)-sent, []int{1, 2, 1 + r.IntN(50), 1 + r.IntN(5000), len(stream)}[r.IntN(5)])
		life, waited := c.LastFrame(), w.count()
		_, err := peer.Write(stream[sent : sent+n])
		require.NoError(t, err)
		before := sent
		sent += n
		synctest.Wait()
		require.Greater(t, w.count(), waited, "it waits for the network")
		for next < len(want) && ends[next] <= sent {
			require.NotEmpty(t, got, "a message that is complete is returned before the next wait")
			msg := <-got
			require.Equal(t, want[next], msg.text)
			require.Equal(t, time.Now(), msg.received, "it came with the last piece")
			next++
		}
		require.Empty(t, got)
		whole := false // a frame came in this piece, from its first byte to its last
		for ; frame < len(frames) && frames[frame] <= sent; frame++ {
			whole = whole || frame == 0 && before == 0 || frame > 0 && frames[frame-1] >= before
		}
		if whole {
			require.WithinDuration(t, time.Now(), c.LastFrame(), 0)
		}
		require.False(t, c.LastFrame().After(time.Now()))
		require.False(t, c.LastFrame().Before(life), "time goes forward")
	}
	require.Equal(t, len(want), next)

	require.NoError(t, peer.Close())
	require.ErrorIs(t, <-ended, io.ErrUnexpectedEOF)
	calls := w.count()
	_, err := c.Read()
	require.Error(t, err)
	require.Equal(t, calls, w.count(), "a Read that has failed waits no more")
}

// However a connection ends, BeforeWait is not called afterwards.
func TestNothingIsWaitedForAfterTheEnd(t *testing.T) {
	ends := map[string]func(c *wsconn.Conn, peer net.Conn){
		"the peer goes":          func(_ *wsconn.Conn, peer net.Conn) { _ = peer.Close() },
		"half a frame":           func(_ *wsconn.Conn, peer net.Conn) { _, _ = peer.Write([]byte("\x81\x05he")); _ = peer.Close() },
		"half a head":            func(_ *wsconn.Conn, peer net.Conn) { _, _ = peer.Write([]byte("\x81")); _ = peer.Close() },
		"a close frame":          func(_ *wsconn.Conn, peer net.Conn) { _, _ = peer.Write(dataFrame(8, true, "\x03\xe9bye")) },
		"a broken frame":         func(_ *wsconn.Conn, peer net.Conn) { _, _ = peer.Write([]byte("\x83\x00")) },
		"a message that is long": func(_ *wsconn.Conn, peer net.Conn) { _, _ = peer.Write(text(strings.Repeat("x", 2000))[:100]) },
		"Close":                  func(c *wsconn.Conn, _ net.Conn) { _ = c.Close() },
		"Shutdown":               func(c *wsconn.Conn, _ net.Conn) { c.Shutdown() },
		"Shutdown, answered": func(c *wsconn.Conn, peer net.Conn) {
			c.Shutdown()
			_, _ = peer.Write(dataFrame(8, true, "\x03\xe8"))
		},
		"silence": func(*wsconn.Conn, net.Conn) { time.Sleep(time.Hour) },
	}
	for name, end := range ends {
		for _, before := range []string{"", "some messages"} {
			t.Run(name+" after "+before, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var w waits
					transport, hand := inHand(t)
					c := dial(t, wsconn.Config{URL: "ws://host", ReadLimit: 1000, BeforeWait: w.note, Transport: transport})
					peer := <-hand
					var got []string
					ended := reading(c, func(msg string) { got = append(got, msg) })
					if before != "" {
						_, err := peer.Write(bytes.Repeat(text("m"), 5))
						require.NoError(t, err)
						synctest.Wait()
					}
					end(c, peer)
					require.Error(t, <-ended)
					if before != "" {
						require.Len(t, got, 5)
					}
					calls := w.count()
					require.NoError(t, c.Close())
					_, err := c.Read()
					require.Error(t, err)
					synctest.Wait()
					require.Equal(t, calls, w.count())
				})
			})
		}
	}
}

// Frames that came with the answer to the upgrade are returned without a wait,
// and are as old as that answer.
func TestFramesThatComeWithTheUpgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w waits
		gone := make(chan struct{})
		transport := overPipe(func(nc net.Conn) {
			defer close(gone)
			defer nc.Close()
			req, err := http.ReadRequest(bufio.NewReader(nc))
			if err != nil {
				return
			}
			sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			answer := fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
				base64.StdEncoding.EncodeToString(sum[:]))
			_, _ = nc.Write(append(answer, append(text("one"), text("two")...)...))
			_, _ = io.Copy(io.Discard, nc)
		})
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, BeforeWait: w.note, Transport: transport})
		dialled := time.Now()
		time.Sleep(time.Minute)
		for _, want := range []string{"one", "two"} {
			msg, err := c.Read()
			require.NoError(t, err)
			require.Equal(t, want, string(msg))
			require.Equal(t, dialled, c.Received())
			require.WithinDuration(t, dialled, c.LastFrame(), time.Nanosecond)
			require.False(t, c.LastFrame().IsZero())
		}
		require.Zero(t, w.count())
		ended := reading(c, nil)
		synctest.Wait()
		require.Equal(t, 1, w.count())
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-ended, wsconn.ErrClosed)
		<-gone
	})
}

// A barrier stands behind everything that the peer wrote before it, also when
// all of it comes in one piece with the pong, and BeforeWait is called in between.
func TestPingReturnsBehindWhatCameBeforeItsPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var read, told atomic.Int32
		hand := make(chan *websocket.Conn, 1)
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, BeforeWait: func() { told.Store(read.Load()) },
			Transport: inPipe(t, func(ws *websocket.Conn) {
				ws.SetPingHandler(func(payload string) error {
					piece := bytes.Repeat(text("before"), 100)
					piece = append(piece, dataFrame(10, true, payload)...)
					piece = append(piece, bytes.Repeat(text("behind"), 100)...)
					_, err := ws.NetConn().Write(piece)
					return err
				})
				hand <- ws
				idle(ws)
			})})
		<-hand
		ended := reading(c, func(msg string) {
			if msg == "before" {
				read.Add(1)
			}
		})
		require.NoError(t, c.Ping(t.Context()))
		require.EqualValues(t, 100, read.Load())
		require.EqualValues(t, 100, told.Load())
		require.NoError(t, c.Close())
		require.Error(t, <-ended)
	})
}

// LastFrame may be asked for from anywhere, and Received by the reader, while
// messages come.
func TestTimesBesideTheReader(t *testing.T) {
	const messages = 2000
	c := dial(t, wsconn.Config{BeforeWait: func() {}, URL: serve(t, func(ws *websocket.Conn) {
		for range messages {
			_ = ws.WriteMessage(websocket.TextMessage, []byte("x"))
		}
		idle(ws)
	})})
	over := make(chan struct{})
	var asking sync.WaitGroup
	for range 3 {
		asking.Go(func() {
			last := time.Time{}
			for {
				now := c.LastFrame()
				if now.Before(last) {
					t.Error("time goes backward")
				}
				last = now
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	begun, last := time.Now(), time.Time{}
	for range messages {
		_, err := c.Read()
		require.NoError(t, err)
		require.False(t, c.Received().Before(last))
		last = c.Received()
		require.WithinRange(t, last, begun.Add(-soon), time.Now())
	}
	close(over)
	asking.Wait()
}
