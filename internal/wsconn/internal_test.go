package wsconn

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

func TestWatchdog(t *testing.T) {
	type step struct {
		now, life time.Duration
		want      verdict
		pause     time.Duration
	}
	cases := map[string][]step{
		"silent":                     {{20, 0, askPeer, 10}, {25, 0, carryOn, 5}, {30, 0, peerDead, 0}},
		"answer":                     {{20, 0, askPeer, 10}, {30, 21, carryOn, 11}, {41, 21, askPeer, 10}, {51, 21, peerDead, 0}},
		"answer in the same instant": {{20, 0, askPeer, 10}, {30, 20, carryOn, 10}},
		"busy":                       {{20, 19, carryOn, 19}, {39, 38, carryOn, 19}},
		"late check":                 {{90, 0, askPeer, 10}, {100, 0, peerDead, 0}},
	}
	for name, steps := range cases {
		t.Run(name, func(t *testing.T) {
			w := watchdog{interval: 20, timeout: 10}
			for _, s := range steps {
				got, pause := w.check(s.now, s.life)
				require.Equal(t, s.want, got, "at %d", s.now)
				require.Equal(t, s.pause, pause, "at %d", s.now)
			}
		})
	}
}

func TestWatchdogWithTimeoutLongerThanInterval(t *testing.T) {
	w := watchdog{interval: 2, timeout: 9}
	v, pause := w.check(2, 0)
	require.Equal(t, askPeer, v)
	require.EqualValues(t, 2, pause, "an answer may make the next question due before the timeout")
	v, pause = w.check(4, 3)
	require.Equal(t, carryOn, v)
	require.EqualValues(t, 1, pause)
}

func TestCloseConnCutsStuckTLSFarewell(t *testing.T) {
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	serverCfg := srv.TLS.Clone()
	clientCfg := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	srv.Close()
	clientCfg.ServerName = "example.com"
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		shaken := make(chan error, 1)
		go func() { shaken <- tls.Server(server, serverCfg).Handshake() }()
		tc := tls.Client(client, clientCfg)
		go func() { _, _ = tc.Read(make([]byte, 1)) }() // takes the session tickets
		require.NoError(t, tc.Handshake())
		require.NoError(t, <-shaken)
		begun := time.Now()
		closeConn(tc)
		require.Equal(t, tlsCloseGrace, time.Since(begun))
	})
}

// A peer that sends but answers no ping lives, as far as the watchdog is
// concerned: what callers wait for that have gone must not pile up meanwhile.
func TestBarriersOfCallersThatHaveGone(t *testing.T) {
	pings := make(chan string, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		ws.SetPingHandler(func(payload string) error {
			pings <- payload
			return nil
		})
		for err == nil {
			_, _, err = ws.ReadMessage()
		}
	}))
	defer srv.Close()
	c, err := Dial(t.Context(), Config{URL: srv.URL, PingInterval: -1})
	require.NoError(t, err)
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = c.Read() })
	waiting := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		n := len(c.barriers)
		if c.wanted != nil {
			n++
		}
		return n
	}
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		for range cap(ended) {
			go func() { ended <- c.Ping(ctx) }()
		}
		<-pings
		cancel()
		for range cap(ended) {
			require.ErrorIs(t, <-ended, context.Canceled)
		}
		require.Zero(t, waiting(), "of a ping that was sent")

		gone, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, c.Ping(gone), context.Canceled)
		require.Zero(t, waiting(), "of one that perhaps was not")
	}
	require.NoError(t, c.Close())
	reading.Wait()
}

// script answers with fixed bytes, whatever it is told.
type script struct {
	io.Reader
	told bytes.Buffer
}

func (s *script) Write(p []byte) (int, error) { return s.told.Write(p) }

func FuzzSOCKS5(f *testing.F) {
	f.Add("\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", "host:80", true)
	f.Add("\x05\x02\x01\x00\x05\x00\x00\x03\x01h\x00\x00rest", "[::1]:80", true)
	f.Add("\x05\x02\x01\x01", "1.2.3.4:80", true)
	f.Add("\x05\x00\x05\x05\x00\x01", "host:x", false)
	f.Add("\x05\xff", "", false)
	f.Fuzz(func(t *testing.T, answer, addr string, login bool) {
		var user *url.Userinfo
		if login {
			user = url.UserPassword("u", "hunter2")
		}
		rest := strings.NewReader(answer)
		s := &script{Reader: rest}
		err := socks5(s, addr, user)
		if err != nil {
			require.NotContains(t, err.Error(), "hunter2")
			return
		}
		// Method, login, reply: nothing of the target's bytes may be taken.
		require.LessOrEqual(t, len(answer)-rest.Len(), 2+2+4+1+255+2)
		require.Contains(t, s.told.String(), "\x05\x01\x00")
	})
}

func FuzzConnectAnswer(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\n\r\n")
	f.Add("HTTP/1.1 407\r\n\r\n")
	f.Add("HTTP/1.0 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nhello")
	f.Add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	f.Add("\r\n")
	f.Fuzz(func(t *testing.T, answer string) {
		err := readConnectAnswer(strings.NewReader(answer), &http.Request{Method: http.MethodConnect})
		if err == nil {
			require.Contains(t, answer, "200")
		}
	})
}

func FuzzParseTarget(f *testing.F) {
	for _, u := range []string{"ws://host", "wss://[::1%25eth0]:5/a?b#c", "http://u:p@host", "https://h:99999/", "ws://ü.example/%20", ":", "ws:x", "wss://]0", "ws://\"\x8000000000"} {
		f.Add(u)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		to, err := parseTarget(raw)
		if err != nil {
			require.Equal(t, target{}, to)
			return
		}
		require.Nil(t, to.http.User)
		require.NotEmpty(t, to.host)
		require.Equal(t, to.secure, strings.HasPrefix(to.ws, "wss://"))
		_, _, err = net.SplitHostPort(to.addr)
		require.NoError(t, err)
	})
}

// Fields of SOCKS5 have a length of one byte.
func TestSOCKS5FieldsAreBounded(t *testing.T) {
	longest, tooLong := strings.Repeat("x", 255), strings.Repeat("x", 256)
	login := func(name, password string) ([]byte, error) {
		var sent bytes.Buffer
		err := socksSendLogin(struct {
			io.Reader
			io.Writer
		}{strings.NewReader("\x01\x00"), &sent}, url.UserPassword(name, password))
		return sent.Bytes(), err
	}
	sent, err := login(longest, longest)
	require.NoError(t, err)
	require.Equal(t, "\x01\xff"+longest+"\xff"+longest, string(sent))
	for _, fields := range [][2]string{{tooLong, "p"}, {"u", tooLong}, {"", "p"}} {
		sent, err := login(fields[0], fields[1])
		require.ErrorContains(t, err, "impossible length")
		require.Empty(t, sent)
	}
	request, err := socksRequest(longest + ":80")
	require.NoError(t, err)
	require.Equal(t, "\x05\x01\x00\x03\xff"+longest+"\x00\x50", string(request))
	_, err = socksRequest(tooLong + ":80")
	require.ErrorContains(t, err, "too long")
}
