package bitcart

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The daemon closes idle connections after 75 s. A request on a connection that is
// being closed fails without a sign whether it arrived, so the library closes them
// first, and not so early that calls a minute apart need a connection each.
func TestIdleConnectionsAreClosedBeforeTheDaemonDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		coin, err := NewCoin("BTC")
		require.NoError(t, err)
		closed := make(chan time.Time, 1)
		coin.d.transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go func() { // the daemon; ends with the connection
				requests := bufio.NewReader(theirs)
				for {
					request, err := http.ReadRequest(requests)
					if err != nil {
						closed <- time.Now()
						_ = theirs.Close()
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n"+`{"jsonrpc":"2.0","result":null,"id":1}`)
				}
			}()
			return ours, nil
		}
		require.NoError(t, coin.Call(t.Context(), nil, "version"))
		answered := time.Now()
		idle := (<-closed).Sub(answered)
		require.GreaterOrEqual(t, idle, 50*time.Second)
		require.Less(t, idle, 70*time.Second)
	})
}
