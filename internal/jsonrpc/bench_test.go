package jsonrpc_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/bitcart-go/bitcart/internal/jsonrpc"
)

// BenchmarkCall measures calls beside the least that a program without this package would do: a
// plain POST and encoding/json, against the same server, with params that vary.
func BenchmarkCall(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := readCall(r.Body)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		fmt.Fprintf(w, `{"jsonrpc": "2.0", "result": {"confirmed": "0.5", "params": %s}, "id": %s}`, c.Params, c.ID)
	}))
	defer server.Close()
	hc := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer hc.CloseIdleConnections()

	var next atomic.Int64
	params := func() json.RawMessage {
		n := next.Add(1)
		return fmt.Appendf(nil, `["key-%d",{"xpub":"xpub%d","n":%d}]`, n*7919, n%97, n)
	}
	client := jsonrpc.New(jsonrpc.Config{URL: mustURL(b, server.URL), User: testUser, Password: testPassword, HTTP: hc})
	callers := map[string]func(b *testing.B) error{
		"client": func(b *testing.B) error {
			_, err := client.Call(b.Context(), "getbalance", params())
			return err
		},
		"plain": func(b *testing.B) error { return plainCall(b, hc, server.URL, next.Load(), params()) },
	}
	for _, name := range []string{"plain", "client"} {
		b.Run("sequence/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := callers[name](b); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	for _, name := range []string{"plain", "client"} {
		b.Run("parallel32/"+name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism((32 + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := callers[name](b); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func plainCall(b *testing.B, hc *http.Client, address string, id int64, params json.RawMessage) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": "getbalance", "params": params, "id": id})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(testUser, testPassword)
	resp, err := hc.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var reply struct {
		Result json.RawMessage `json:"result"`
		Error  *jsonrpc.Error  `json:"error"`
		ID     int64           `json:"id"`
	}
	if err := json.Unmarshal(answer, &reply); err != nil {
		return err
	}
	if reply.ID != id {
		return errors.New("foreign answer")
	}
	return nil
}
