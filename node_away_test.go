package bitcart_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bitcart-go/bitcart"
	"github.com/stretchr/testify/require"
)

// nodeAway is the transport to a daemon whose node is away at will: then its getinfo has no total of
// wallets (protocol section 10).
type nodeAway struct{ away atomic.Bool }

func (n *nodeAway) RoundTrip(req *http.Request) (*http.Response, error) {
	if !n.away.Load() || req.Body == nil {
		return http.DefaultTransport.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var call struct {
		ID     json.RawMessage
		Method string
	}
	if err := json.Unmarshal(body, &call); err != nil {
		return nil, err
	}
	if call.Method != "getinfo" {
		req.Body = io.NopCloser(bytes.NewReader(body))
		return http.DefaultTransport.RoundTrip(req)
	}
	answer := `{"jsonrpc":"2.0","result":{"connected":false,"path":"/data","version":"1"},"id":` + string(call.ID) + `}`
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(answer)), Request: req,
	}, nil
}

// A daemon whose node is away does not say how many wallets it has: that is no restart.
func TestG11NodeThatIsAwayIsNoRestart(t *testing.T) {
	d := newDaemon(t, "ETH")
	j := newDiary()
	node := new(nodeAway)
	coin := newWalletCoin(t, d, bitcart.WithStream(recovering()), bitcart.WithHooks(j.hooks()),
		bitcart.WithHTTPClient(&http.Client{Transport: node}))
	in := inboxOf(t, coin, "own")
	stream := start(t, websocketOf(coin))
	receive(t, j.connects, "the first connection")
	emit(t, d, coin.WalletKey(), "own", 0, 3)
	requireSequence(t, in, 0, 3, bitcart.SourceWebsocket)
	node.away.Store(true)
	outage(t, d, func() { emit(t, d, coin.WalletKey(), "own", 3, 5) })
	receive(t, j.connects, "the second connection")
	requireSequence(t, in, 3, 5, bitcart.SourceRecovered)
	require.Equal(t, []string{"start"}, j.reasons())
	stream.stopPromptly()
	in.requireEmpty()
}
