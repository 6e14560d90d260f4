package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// plain makes calls with net/http and encoding/json alone, as a Go user would.
type plain struct {
	url  string
	http *http.Client
	id   atomic.Uint64
}

// newPlain keeps up to so many connections; 0 leaves everything as net/http has
// it.
func newPlain(p *process, connections int) *plain {
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	return &plain{url: p.daemon + "/", http: &http.Client{Transport: transport}}
}

func (c *plain) call(ctx context.Context, result any, method string, params any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": c.id.Add(1), "method": method, "params": params})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth("electrum", "electrumz")
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body) // or the connection cannot be used again
	if err != nil {
		return err
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return fmt.Errorf("%s: %d %s", method, answer.Error.Code, answer.Error.Message)
	}
	return json.Unmarshal(answer.Result, result)
}

func (c *plain) close() { c.http.CloseIdleConnections() }

// atOnce runs do for 0 to n-1, so many at once, and returns the first error.
func atOnce(n, width int, do func(i int) error) error {
	var next atomic.Int64
	var running sync.WaitGroup
	failed := make(chan error, width)
	for range width {
		running.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	running.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}
