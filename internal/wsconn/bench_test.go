package wsconn_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wsconn"
)

// flood sends frames of the usual size, in large writes, without end.
func flood(ws *websocket.Conn) {
	var block bytes.Buffer
	for i := range 2000 {
		msg := fmt.Sprintf(`{"updates":[{"event":"new_transaction","tx":"%064d"}],"wallet":"%0111d","currency":"BTC"}`, i, i*7)
		block.Write([]byte{0x81, 126, byte(len(msg) >> 8), byte(len(msg))})
		block.WriteString(msg)
	}
	for {
		if _, err := ws.NetConn().Write(block.Bytes()); err != nil {
			return
		}
	}
}

func BenchmarkRead(b *testing.B) {
	b.Run("wsconn", func(b *testing.B) {
		c := dial(b, wsconn.Config{URL: serve(b, flood)})
		b.ReportAllocs()
		for b.Loop() {
			msg, err := c.Read()
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(msg)))
		}
	})
	b.Run("bare gorilla", func(b *testing.B) {
		d := websocket.Dialer{ReadBufferSize: 64 << 10, WriteBufferSize: 1 << 10}
		ws, _, err := d.Dial("ws"+serve(b, flood)[len("http"):], nil)
		require.NoError(b, err)
		defer ws.Close()
		buf := make([]byte, 0, 4<<10)
		b.ReportAllocs()
		for b.Loop() {
			buf, err = nextInto(ws, buf[:0])
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(buf)))
		}
	})
}

func nextInto(ws *websocket.Conn, buf []byte) ([]byte, error) {
	_, r, err := ws.NextReader()
	if err != nil {
		return buf, err
	}
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// Read adds no allocation to the one that the websocket library makes for each
// message.
func TestReadAllocatesNothingOfItsOwn(t *testing.T) {
	c := dial(t, wsconn.Config{URL: serve(t, flood)})
	_, err := c.Read()
	require.NoError(t, err)
	allocs := testing.AllocsPerRun(1000, func() { _, _ = c.Read() })
	require.LessOrEqual(t, allocs, 1.0)
}
