package bitcarttest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

func TestSwapAppends(t *testing.T) {
	d := newDaemon(t, "BTC")
	w := d.NewWallet()
	require.NoError(t, d.Load(w))
	conn := dial(t, d, w)
	d.Faults().SwapAppends(1)
	for i := range 4 {
		require.NoError(t, d.Emit(w, named{"event": "e", "height": i}))
		require.Contains(t, read(t, conn), fmt.Sprintf(`"height": %d`, i), "frames keep their order")
		if i == 0 {
			require.Zero(t, d.Queued(w), "it waits for the second one")
		}
	}
	var heights []int
	for _, u := range updates(t, d, w) {
		heights = append(heights, int(u.Height))
	}
	require.Equal(t, []int{1, 0, 2, 3}, heights)
}

func TestRewriteQueued(t *testing.T) {
	d := newDaemon(t, "BTC")
	w := d.NewWallet()
	require.NoError(t, d.Load(w))
	conn := dial(t, d, w)
	d.Faults().RewriteQueued(func(raw json.RawMessage) json.RawMessage {
		return json.RawMessage(strings.Replace(string(raw), "1", "2", 1))
	})
	require.NoError(t, d.Emit(w, named{"event": "e", "height": 1}))
	require.Contains(t, read(t, conn), `"height": 1`)
	require.EqualValues(t, 2, updates(t, d, w)[0].Height)
	d.Faults().RewriteQueued(nil)
	require.NoError(t, d.Emit(w, named{"event": "e", "height": 1}))
	require.EqualValues(t, 1, updates(t, d, w)[0].Height)
}

func TestMangleUpgrade(t *testing.T) {
	d := newDaemon(t, "BTC")
	d.Faults().MangleUpgrade(1)
	_, _, err := websocket.DefaultDialer.Dial(socketURL(d), http.Header{"Authorization": {login}})
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	dial(t, d, "")
}

func TestStalledClientHoldsEverybodyUp(t *testing.T) {
	d := newDaemon(t, "BTC", bitcarttest.WithWriteTimeout(100*time.Millisecond))
	w := d.NewWallet()
	require.NoError(t, d.Load(w))
	end, err := d.Faults().StallClient()
	require.NoError(t, err)
	defer end()
	require.NoError(t, d.WaitSockets(within(t), 1))
	big := strings.Repeat("x", 1<<20)
	for range 64 { // more than any buffer between them
		require.NoError(t, d.Emit(w, named{"event": "e", "text": big}))
		if d.Sockets() == 0 {
			return // cut
		}
	}
	require.NoError(t, d.WaitSockets(within(t), 0))
}
