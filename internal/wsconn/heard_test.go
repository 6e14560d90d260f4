package wsconn_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wsconn"
)

// A pong that comes late answers the ping that it names, not one that was sent
// meanwhile: that one may never have arrived.
func TestHeardGoesByThePingThatWasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 20 * time.Second
		pings := make(chan string, 10)
		peers := make(chan *websocket.Conn, 1)
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: interval, Transport: inPipe(t, func(ws *websocket.Conn) {
			ws.SetPingHandler(func(payload string) error {
				pings <- payload
				return nil
			})
			peers <- ws
			idle(ws)
		})})
		ended := reading(c, nil)
		peer, first := <-peers, <-pings
		require.False(t, c.Heard(time.Hour), "nothing was answered yet")
		second := <-pings
		answer := func(payload string) {
			require.NoError(t, peer.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(time.Minute)))
			synctest.Wait()
		}
		answer(first)
		require.False(t, c.Heard(interval/2), "the one that was answered is older")
		answer(second)
		require.True(t, c.Heard(interval/2))
		time.Sleep(interval/2 + 1)
		require.False(t, c.Heard(interval/2))
		require.NoError(t, c.Close())
		<-ended
		require.False(t, c.Heard(time.Hour), "the connection has ended")
	})
}

// A pong says what has been read: what was written before its ping was sent, not what was written before it was
// answered.
func TestReadUpTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const latency = time.Second
		c := dial(t, wsconn.Config{URL: "ws://host", PingInterval: -1, Transport: inPipe(t, func(ws *websocket.Conn) {
			answer := ws.PingHandler()
			ws.SetPingHandler(func(payload string) error {
				time.Sleep(latency)
				return answer(payload)
			})
			idle(ws)
		})})
		ended := reading(c, nil)
		require.Zero(t, c.ReadUpTo(), "nothing was answered")
		for range 3 {
			time.Sleep(time.Hour)
			sent := time.Now()
			require.NoError(t, c.Ping(t.Context()))
			require.Equal(t, sent, c.ReadUpTo())
			require.Equal(t, latency, time.Since(sent))
		}
		require.NoError(t, c.Close())
		<-ended
	})
}
