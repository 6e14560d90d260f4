package bitcarttest_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

const (
	trouble      = "500 Internal Server Error\n\nServer got itself in trouble"
	unauthorized = `{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Unauthorized"}, "id": null}`
	parseError   = `{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}`
	plainText    = "text/plain; charset=utf-8"
	jsonText     = "application/json; charset=utf-8"
)

// exchange sends one request and tells whether the daemon closed the connection after it.
func exchange(t *testing.T, d *bitcarttest.Daemon, method, path, auth, body string) (resp *http.Response, text string, closed bool) {
	t.Helper()
	conn, err := net.Dial("tcp", hostOf(d))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	req, err := http.NewRequest(method, "http://"+hostOf(d)+path, strings.NewReader(body))
	require.NoError(t, err)
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	require.NoError(t, req.Write(conn))
	reader := bufio.NewReader(conn)
	resp, err = http.ReadResponse(reader, req)
	require.NoError(t, err)
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = reader.ReadByte()
	return resp, string(raw), err == io.EOF
}

func basic(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }

func TestAuthorization(t *testing.T) {
	d := newDaemon(t, "BTC")
	tests := []struct {
		name, auth string
		status     int
		body       string
	}{
		{"none", "", 200, unauthorized},
		{"wrong password", basic("electrum:x"), 200, unauthorized},
		{"wrong user", basic("x:electrumz"), 200, unauthorized},
		{"two colons", basic("electrum:a:b"), 500, trouble},
		{"no colon", basic("electrum"), 500, trouble},
		{"bearer", "Bearer abc", 500, trouble},
		{"lower case scheme", "b" + login[1:], 500, trouble},
		{"no base64", "Basic %%%", 500, trouble},
	}
	for _, tt := range tests {
		for _, endpoint := range [][2]string{{"POST", "/"}, {"GET", "/spec"}, {"GET", "/ws"}} {
			t.Run(tt.name+endpoint[1], func(t *testing.T) {
				resp, body, closed := exchange(t, d, endpoint[0], endpoint[1], tt.auth, "{")
				require.Equal(t, tt.status, resp.StatusCode)
				require.Equal(t, tt.body, body)
				require.Equal(t, tt.status == 500, closed)
			})
		}
	}
	require.Empty(t, d.Calls())
}

func TestColonInPasswordNeverLogsIn(t *testing.T) {
	d := newDaemon(t, "BTC", bitcarttest.WithCredentials("user", "a:b"))
	resp, body, _ := exchange(t, d, "POST", "/", basic("user:a:b"), `{"method": "version"}`)
	require.Equal(t, 500, resp.StatusCode)
	require.Equal(t, trouble, body)
}

func TestRouting(t *testing.T) {
	d := newDaemon(t, "ETH", bitcarttest.WithPathPrefix("/daemons/eth/"))
	tests := []struct {
		method, path string
		status       int
		body, allow  string
	}{
		{"GET", "/daemons/eth/", 405, "405: Method Not Allowed", "POST"},
		{"POST", "/daemons/eth/spec", 405, "405: Method Not Allowed", "GET,HEAD"},
		{"POST", "/daemons/eth/ws", 405, "405: Method Not Allowed", "GET,HEAD"},
		{"GET", "/daemons/eth/spec/", 404, "404: Not Found", ""},
		{"POST", "/", 404, "404: Not Found", ""},
		{"GET", "/daemons/eth/ws", 400, "No WebSocket UPGRADE hdr: None\n Can \"Upgrade\" only to \"WebSocket\".", ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+tt.path, func(t *testing.T) {
			resp, body, closed := exchange(t, d, tt.method, tt.path, login, "")
			require.Equal(t, tt.status, resp.StatusCode)
			require.Equal(t, tt.body, body)
			require.Equal(t, plainText, resp.Header.Get("Content-Type"))
			require.Equal(t, tt.allow, resp.Header.Get("Allow"))
			require.False(t, closed)
		})
	}
	require.True(t, strings.HasSuffix(d.URL(), "/daemons/eth"))
	rpc(t, d, "version", []any{}, nil)
	dial(t, d, "")
}

func TestBodies(t *testing.T) {
	d := newDaemon(t, "ETH")
	const version = `{"jsonrpc": "2.0", "result": "4.5.0", "id": `
	tests := []struct {
		name, body string
		status     int
		want       string
	}{
		{"broken", `{"method": `, 200, parseError},
		{"empty", ``, 200, parseError},
		{"byte order mark", "\ufeff{}", 200, parseError},
		{"not UTF-8", "{\"method\": \"\xff\"}", 500, trouble},
		{"array", `[{"method": "version"}]`, 500, trouble},
		{"null", `null`, 500, trouble},
		{"string", `"version"`, 500, trouble},
		{"number", `5`, 500, trouble},
		{"xpub number", `{"method": "version", "params": {"xpub": 5}}`, 500, trouble},
		{"xpub array", `{"method": "version", "params": {"xpub": ["a"]}}`, 500, trouble},
		{"xpub true", `{"method": "version", "params": {"xpub": true}}`, 500, trouble},
		{"no method", `{}`, 200, `{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Procedure not found"}, "id": null}`},
		{"method in another case", `{"Method": "version", "id": 1}`, 200, `{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Procedure not found"}, "id": 1}`},
		{"no id", `{"method": "version"}`, 200, version + `null}`},
		{"id text", `{"method": "version", "id": "ä"}`, 200, version + `"\u00e4"}`},
		{"id object", `{"method": "version", "id": {"b":1,"a":[2,3]}}`, 200, version + `{"b": 1, "a": [2, 3]}}`},
		{"id NaN", `{"method": "version", "id": NaN}`, 200, version + `NaN}`},
		{"id -Infinity", `{"method": "version", "id": -Infinity}`, 200, version + `-Infinity}`},
		{"twice the same name", `{"method": "x", "method": "version", "id": 1, "id": 2}`, 200, version + `2}`},
		{"characters as arguments", `{"method": "validatekey", "params": "k"}`, 200, `{"jsonrpc": "2.0", "result": false, "id": null}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, body, closed := exchange(t, d, "POST", "/", login, tt.body)
			require.Equal(t, tt.status, resp.StatusCode)
			require.Equal(t, tt.want, body)
			require.Equal(t, tt.status == 500, closed)
		})
	}
}

func TestBodyLimit(t *testing.T) {
	d := newDaemon(t, "BTC")
	resp, body, closed := exchange(t, d, "POST", "/", login, strings.Repeat(" ", 3<<20))
	require.Equal(t, 413, resp.StatusCode)
	require.Equal(t, "Maximum request body size 1048576 exceeded, actual body size 3145728", body)
	require.Equal(t, plainText, resp.Header.Get("Content-Type"))
	require.False(t, closed)
	resp, _, _ = exchange(t, d, "POST", "/", login, `{"method": "version"}`+strings.Repeat(" ", 1<<20-21))
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, jsonText, resp.Header.Get("Content-Type"))
}

func TestSpecs(t *testing.T) {
	tests := []struct {
		currency string
		names    map[string]string
		codes    int
		ln       any
	}{
		{"BTC", map[string]string{"-32003": "RequestNotFoundError", "-32014": "NoConfigKeyError"}, 16, true},
		{"XRG", map[string]string{"-32005": "LoadingWalletError"}, 16, false},
		{"ETH", map[string]string{"-32003": "PrivateKeyRequiredError", "-32602": "NotImplementedError"}, 15, nil},
		{"TRX", map[string]string{"-32013": "UnexpectedFormatError"}, 16, nil},
		{"XMR", map[string]string{"-32001": "InvalidHexStringError"}, 15, nil},
	}
	for _, tt := range tests {
		t.Run(tt.currency, func(t *testing.T) {
			d := newDaemon(t, tt.currency)
			_, body, _ := exchange(t, d, "GET", "/spec", login, "")
			var doc struct {
				Version      string
				Map          map[string]int `json:"electrum_map"`
				Exceptions   map[string]struct{ Exc_name, Docstring string }
				Capabilities map[string]any
			}
			require.NoError(t, json.Unmarshal([]byte(body), &doc))
			require.Equal(t, "4.5.0", doc.Version)
			require.NotEmpty(t, doc.Map)
			require.Len(t, doc.Exceptions, tt.codes)
			require.Equal(t, tt.ln, doc.Capabilities["lightning"])
			for code, name := range tt.names {
				require.Equal(t, name, doc.Exceptions[code].Exc_name)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	d := newDaemon(t, "LTC", bitcarttest.WithTLS())
	require.True(t, strings.HasPrefix(d.URL(), "https://"))
	rpc(t, d, "version", []any{}, nil)
	conn := dial(t, d, "")
	d.Mine(1)
	require.Contains(t, read(t, conn), "new_block")
	d.Faults().CutSockets(bitcarttest.RST)
	_, _, err := conn.ReadMessage()
	require.Error(t, err)
}

func TestConnectionsAreKeptAlive(t *testing.T) {
	d := newDaemon(t, "BTC")
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range 3 {
		req, err := http.NewRequest("POST", d.URL()+"/", strings.NewReader(`{"method": "version"}`))
		require.NoError(t, err)
		req.Header.Set("Authorization", login)
		resp, err := client.Do(req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	require.Equal(t, 1, d.Connections())
	require.Equal(t, 1, d.OpenConnections())
	client.CloseIdleConnections()
	require.Eventually(t, func() bool { return d.OpenConnections() == 0 }, patience, time.Millisecond)
}
