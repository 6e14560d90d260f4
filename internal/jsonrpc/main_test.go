package jsonrpc_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bitcart-go/bitcart/internal/jsonrpc"
)

const (
	testUser     = "electrum"
	testPassword = "s3cr3t-password"
	testXpub     = "xprv9s21ZrQH143K3secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustURL(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}

// newClient returns a client with connections of its own, closed at the end of the test.
func newClient(t testing.TB, base string, tune ...func(*jsonrpc.Config, *http.Transport)) *jsonrpc.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	cfg := jsonrpc.Config{
		URL: mustURL(t, base), User: testUser, Password: testPassword,
		HTTP: &http.Client{Transport: transport},
	}
	for _, f := range tune {
		f(&cfg, transport)
	}
	return jsonrpc.New(cfg)
}

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

type call struct {
	Version string          `json:"jsonrpc"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	ID      json.RawMessage `json:"id"`
}

func readCall(r io.Reader) (c call) {
	_ = json.NewDecoder(r).Decode(&c) // a broken call leaves an empty method, which the tests notice
	return c
}

func answer(result string, id json.RawMessage) string {
	return fmt.Sprintf(`{"jsonrpc": "2.0", "result": %s, "id": %s}`, result, id)
}

// serveRaw answers every request on every connection by calling handle, which may do with the
// connection as it likes; false ends the connection.
func serveRaw(t testing.TB, handle func(conn net.Conn, c call) bool) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)

	var mu sync.Mutex
	var conns []net.Conn
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			running.Go(func() { serveConn(conn, handle) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return "http://" + ln.Addr().String()
}

func serveConn(conn net.Conn, handle func(net.Conn, call) bool) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil || !handle(conn, readCall(bytes.NewReader(body))) {
			return
		}
	}
}

func writeAnswer(conn net.Conn, c call) {
	body := answer(`"ok"`, c.ID)
	io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "+
		strconv.Itoa(len(body))+"\r\n\r\n"+body)
}

// reset makes the peer see a reset instead of an end.
func reset(conn net.Conn) {
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}
