package wsconn_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wsconn"
)

// tape is a connection that plays bytes and swallows what it is told. With
// accept it plays the right answer to the upgrade first.
type tape struct {
	net.Conn // nil: only what is below is called
	play     io.Reader
	accept   bool
	request  strings.Builder
	bytes    string
}

func (c *tape) Write(p []byte) (int, error) {
	if c.play == nil {
		c.request.Write(p)
		if text := c.request.String(); strings.HasSuffix(text, "\r\n\r\n") {
			c.play = strings.NewReader(c.answer(text) + c.bytes)
		}
	}
	return len(p), nil
}

func (c *tape) answer(request string) string {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
	if err != nil || !c.accept {
		return ""
	}
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
}

func (c *tape) Read(p []byte) (int, error)       { return c.play.Read(p) }
func (c *tape) Close() error                     { return nil }
func (c *tape) SetDeadline(time.Time) error      { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

func playing(bytes string, accept bool) *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return &tape{bytes: bytes, accept: accept}, nil
	}}
}

func FuzzUpgradeAnswer(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	f.Add("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n")
	f.Add("HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, answer string) {
		c, err := wsconn.Dial(context.Background(), wsconn.Config{URL: "ws://host", Transport: playing(answer, false), PingInterval: -1})
		require.Error(t, err)
		require.Nil(t, c)
		require.Contains(t, err.Error(), "wsconn: upgrade: ")
	})
}

func FuzzFrames(f *testing.F) {
	f.Add("\x81\x02hi\x89\x01p\x8a\x010\x88\x02\x03\xe8")
	f.Add("\x01\x02hi\x80\x02ho")
	f.Add("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00\x00")
	f.Add("\x02\x01a\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff")
	f.Add("\x81\x7e\x00\x80" + strings.Repeat("x", 128))
	f.Add("\x8a\x1418446744073709551616")
	f.Fuzz(func(t *testing.T, frames string) {
		const limit = 100
		c, err := wsconn.Dial(context.Background(), wsconn.Config{URL: "ws://host", Transport: playing(frames, true), ReadLimit: limit, PingInterval: -1})
		require.NoError(t, err)
		defer c.Close()
		for {
			msg, err := c.Read()
			if err != nil {
				_, again := c.Read()
				require.Same(t, err, again)
				return
			}
			require.LessOrEqual(t, len(msg), limit)
		}
	})
}
