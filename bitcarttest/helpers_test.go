package bitcarttest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

const patience = 5 * time.Second

// seedWallet is a wallet that can sign, of every currency but XMR.
const seedWallet = "test test test test test test test test test test test junk"

func newDaemon(t *testing.T, currency string, opts ...bitcarttest.Option) *bitcarttest.Daemon {
	t.Helper()
	d, err := bitcarttest.NewDaemon(currency, opts...)
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dial opens a websocket; a key that is not empty becomes its filter.
func dial(t *testing.T, d *bitcarttest.Daemon, key string) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: d.TLSConfig(), HandshakeTimeout: patience}
	conn, _, err := dialer.Dial(socketURL(d), http.Header{"Authorization": {login}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	if key != "" {
		require.NoError(t, conn.WriteJSON(map[string]string{"xpub": key}))
		require.NoError(t, d.WaitRegistered(within(t), key))
	}
	return conn
}

func read(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, data, err := conn.ReadMessage()
	require.NoError(t, err)
	return string(data)
}

// rpc calls a method and gives the decoded result; an error answer fails the test.
func rpc(t *testing.T, d *bitcarttest.Daemon, method string, params any, result any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"method": method, "params": params, "id": 1})
	require.NoError(t, err)
	var answer struct {
		Result json.RawMessage
		Error  json.RawMessage
	}
	raw := post(t, d, string(body))
	require.NoError(t, json.Unmarshal([]byte(raw), &answer), raw)
	require.Empty(t, answer.Error, raw)
	if result != nil {
		require.NoError(t, json.Unmarshal(answer.Result, result), raw)
	}
}

// fails calls a method that must answer an error.
func fails(t *testing.T, d *bitcarttest.Daemon, method string, params any) (code int, message string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"method": method, "params": params, "id": 1})
	require.NoError(t, err)
	var answer struct{ Error *bitcarttest.Error }
	raw := post(t, d, string(body))
	require.NoError(t, json.Unmarshal([]byte(raw), &answer), raw)
	require.NotNil(t, answer.Error, raw)
	return answer.Error.Code, answer.Error.Message
}

type named map[string]any

// addRequest makes a payment request and gives the key that get_request takes.
func addRequest(t *testing.T, d *bitcarttest.Daemon, wallet any, amount string, expiry int) string {
	t.Helper()
	var r struct {
		RequestID string `json:"request_id"`
		Address   string
	}
	switch d.Family() {
	case bitcarttest.Electrum:
		rpc(t, d, "add_request", named{"amount": amount, "expiry": expiry, "xpub": wallet}, &r)
		return r.RequestID
	case bitcarttest.ElectronCash:
		rpc(t, d, "addrequest", named{"amount": amount, "expiration": expiry, "xpub": wallet}, &r)
		return r.Address
	}
	rpc(t, d, "add_request", named{"amount": amount, "expiration": expiry, "xpub": wallet}, &r)
	return r.RequestID
}

type event struct {
	Event, Tx, Address string
	Status             int
	Height             int64
	SentAmount         string   `json:"sent_amount"`
	TxHashes           []string `json:"tx_hashes"`
}

func updates(t *testing.T, d *bitcarttest.Daemon, wallet any) []event {
	t.Helper()
	var list []event
	rpc(t, d, "get_updates", named{"xpub": wallet}, &list)
	return list
}

func eventNames(list []event) []string {
	out := []string{}
	for _, e := range list {
		out = append(out, e.Event)
	}
	return out
}
