package bitcarttest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

func TestCutSockets(t *testing.T) {
	tests := []struct {
		name string
		how  bitcarttest.Cut
		ok   func(error) bool
	}{
		{"RST", bitcarttest.RST, func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{"FIN", bitcarttest.FIN, func(err error) bool { return closeCode(err) == websocket.CloseAbnormalClosure }},
		{"frame", bitcarttest.CloseFrame(4001, "go away"), func(err error) bool { return closeCode(err) == 4001 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDaemon(t, "BTC")
			conn := dial(t, d, "")
			d.Mine(1)
			require.Contains(t, read(t, conn), "new_block")
			ended := make(chan error, 1)
			go func() { _, _, err := conn.ReadMessage(); ended <- err }()
			d.Faults().CutSockets(tt.how)
			err := <-ended
			require.True(t, tt.ok(err), "%v", err)
			require.Zero(t, d.Sockets())
			dial(t, d, "")
		})
	}
}

func TestRestart(t *testing.T) {
	d := newDaemon(t, "ETH")
	url, disk, memory := d.URL(), d.NewWallet(), d.NewWallet()
	kept := addRequest(t, d, disk, "1", 0)
	lost := addRequest(t, d, named{"xpub": memory, "diskless": true}, "1", 0)
	rpc(t, d, "close_wallet", named{"xpub": disk}, nil)
	rpc(t, d, "getbalance", named{"xpub": named{"xpub": disk, "diskless": true}}, nil) // it is on disk already
	conn := dial(t, d, disk)
	d.Mine(1)
	require.NoError(t, d.Faults().Restart(within(t), 10*time.Millisecond))
	_, _, err := conn.ReadMessage()
	if err == nil { // the frame of before may have been read first
		_, _, err = conn.ReadMessage()
	}
	require.Error(t, err)
	require.Equal(t, url, d.URL())
	require.Empty(t, d.Loaded())
	require.EqualValues(t, 1001, d.Height())
	require.Empty(t, updates(t, d, disk), "the queue is gone")
	rpc(t, d, "get_request", []any{kept, named{"xpub": disk}}, nil)
	code, _ := fails(t, d, "get_request", []any{lost, named{"xpub": named{"xpub": memory, "diskless": true}}})
	require.Equal(t, -32603, code)
}

func TestPaymentsWhileDownComeAfterLoading(t *testing.T) {
	for _, currency := range []string{"ETH", "BTC"} {
		t.Run(currency, func(t *testing.T) {
			d := newDaemon(t, currency)
			w := d.NewWallet()
			key := addRequest(t, d, w, "1", 0)
			d.Faults().Stop(bitcarttest.FIN)
			_, err := d.Pay(w, key, bitcarttest.Transfer{From: d.NewAddress()})
			require.NoError(t, err)
			d.Mine(1)
			_, err = http.Get(d.URL())
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			require.NoError(t, d.Faults().Start(within(t)))
			require.Error(t, d.Faults().Start(within(t)), "it runs already")
			var r struct{ Status int }
			require.Eventually(t, func() bool {
				rpc(t, d, "get_request", []any{key, named{"xpub": w}}, &r)
				return r.Status == 3
			}, patience, time.Millisecond)
		})
	}
}

func TestRefuseUpgrade(t *testing.T) {
	d := newDaemon(t, "BTC")
	d.Faults().RefuseUpgrade(http.StatusBadGateway, "no backend")
	_, resp, err := websocket.DefaultDialer.Dial(socketURL(d), http.Header{"Authorization": {login}})
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusBadGateway, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "no backend", string(body))
	rpc(t, d, "version", []any{}, nil)
	d.Faults().AcceptUpgrade()
	dial(t, d, "")
}

// try posts a call and gives the error of the transport, or the answer.
func try(d *bitcarttest.Daemon, method string) (status int, body string, err error) {
	req, err := http.NewRequest(http.MethodPost, d.URL()+"/", strings.NewReader(fmt.Sprintf(`{"method": %q}`, method)))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", login)
	req.Close = true
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), err
}

func TestFailMethod(t *testing.T) {
	d := newDaemon(t, "BTC")
	f := d.Faults()
	f.FailMethod("version", 1, &bitcarttest.Error{Code: -5, Message: "busy"})
	_, body, err := try(d, "version")
	require.NoError(t, err)
	require.Equal(t, `{"jsonrpc": "2.0", "error": {"code": -5, "message": "busy"}, "id": null}`, body)

	f.FailMethod("version", 2, &bitcarttest.HTTPError{Status: 503, Body: "later"})
	for range 2 {
		status, body, err := try(d, "version")
		require.NoError(t, err)
		require.Equal(t, 503, status)
		require.Equal(t, "later", body)
	}

	f.FailMethod("", -1, bitcarttest.ErrReset)
	for range 3 {
		_, _, err = try(d, "version")
		require.ErrorIs(t, err, syscall.ECONNRESET)
	}
	f.FailMethod("", 0, nil)

	f.FailMethod("version", 1, io.ErrUnexpectedEOF)
	code, message := fails(t, d, "version", []any{})
	require.Equal(t, -32603, code)
	require.Equal(t, "Exception: unexpected EOF", message)
	rpc(t, d, "version", []any{}, nil)
	require.Equal(t, 8, d.CountCalls("version"))
	require.Len(t, d.Calls(), 8)
}

func TestDropAnswer(t *testing.T) {
	d := newDaemon(t, "BTC")
	ran := make(chan struct{}, 1)
	d.Handle("act", func(*bitcarttest.Call) (any, error) { ran <- struct{}{}; return nil, nil })
	d.Faults().DropAnswer("act", 1)
	_, _, err := try(d, "act")
	require.ErrorIs(t, err, syscall.ECONNRESET)
	<-ran
	_, _, err = try(d, "act")
	require.NoError(t, err)
}

func TestDelays(t *testing.T) {
	d := newDaemon(t, "BTC")
	gate := make(chan struct{})
	d.Faults().GateMethod("version", gate)
	answered := make(chan error, 1)
	go func() { _, _, err := try(d, "version"); answered <- err }()
	require.NoError(t, d.WaitCalls(within(t), "version", 1))
	select {
	case <-answered:
		require.Fail(t, "the gate is shut")
	case <-time.After(20 * time.Millisecond):
	}
	close(gate)
	require.NoError(t, <-answered)

	d.Faults().GateMethod("version", nil)
	d.Faults().DelayMethod("version", 30*time.Millisecond)
	begin := time.Now()
	_, _, err := try(d, "version")
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(begin), 30*time.Millisecond)

	d.Faults().DelayMethod("version", time.Hour)
	go func() { _, _, err := try(d, "version"); answered <- err }()
	require.NoError(t, d.WaitCalls(within(t), "version", 3))
	d.Close()
	require.Error(t, <-answered, "delays end with the daemon")
}

func TestSkipAppend(t *testing.T) {
	d := newDaemon(t, "BTC")
	w := d.NewWallet()
	require.NoError(t, d.Load(w))
	conn := dial(t, d, w)
	d.Faults().SkipAppend(2)
	for i := range 3 {
		require.NoError(t, d.Emit(w, named{"event": "e", "height": i}))
		require.Contains(t, read(t, conn), fmt.Sprintf(`"height": %d`, i))
	}
	list := updates(t, d, w)
	require.Len(t, list, 1)
	require.EqualValues(t, 2, list[0].Height)
}

func TestBlackHole(t *testing.T) {
	d := newDaemon(t, "BTC")
	w := d.NewWallet()
	require.NoError(t, d.Load(w))
	conn := dial(t, d, "")
	d.Faults().BlackHole(true)
	require.NoError(t, conn.WriteJSON(map[string]string{"xpub": w}))
	require.NoError(t, d.Emit(w, named{"event": "lost"}))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, d.WaitRegistered(ctx, w), context.DeadlineExceeded)
	require.Len(t, updates(t, d, w), 1, "HTTP lives, and the queue has it")
	require.Equal(t, 1, d.Sockets())
	d.Faults().BlackHole(false)
	require.NoError(t, d.WaitRegistered(within(t), w))
	require.NoError(t, d.Emit(w, named{"event": "later"}))
	require.Contains(t, read(t, conn), "later")
}

func TestCloseInsideBlackHole(t *testing.T) {
	d := newDaemon(t, "BTC")
	conn := dial(t, d, "")
	d.Faults().BlackHole(true)
	require.NoError(t, conn.WriteJSON(map[string]string{"xpub": "xpubAnything"}))
	d.Close()
}

func TestDropPongs(t *testing.T) {
	d := newDaemon(t, "BTC")
	conn := dial(t, d, "")
	ponged := make(chan struct{}, 1)
	conn.SetPongHandler(func(string) error { ponged <- struct{}{}; return nil })
	d.Faults().DropPongs(true)
	require.NoError(t, conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(patience)))
	require.NoError(t, conn.WriteJSON(map[string]string{"xpub": "xpubAnything"}))
	require.NoError(t, d.WaitRegistered(within(t), "xpubAnything")) // read in order, so the ping has been
	d.Mine(1)
	require.Contains(t, read(t, conn), "new_block")
	require.Empty(t, ponged)
}
