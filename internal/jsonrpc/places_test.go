package jsonrpc

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// 64 callers that call again and again share a handful of connections.
func TestManyCallersShareAFewConnections(t *testing.T) {
	var conns, calls atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		http.Error(w, "no", http.StatusTeapot)
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	base, err := url.Parse(server.URL)
	require.NoError(t, err)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	c := New(Config{URL: base, HTTP: &http.Client{Transport: transport}})
	c.places.patience = time.Minute // a loaded machine must not change the count

	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			for range 10 {
				_, _ = c.Call(t.Context(), "m", nil)
			}
		})
	}
	callers.Wait()
	require.EqualValues(t, 640, calls.Load())
	require.LessOrEqual(t, conns.Load(), int32(2*fewCalls), "net/http may dial one more for a call that then takes a free one")
	t.Logf("%d connections for %d calls of 64 callers", conns.Load(), calls.Load())
}

// Calls that the daemon holds keep others waiting for a moment only, and the end
// of ctx ends the waiting.
func TestPlacesAreNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces()
		for range fewCalls {
			defer p.enter(t.Context())()
		}
		start := time.Now()
		p.enter(t.Context())()
		require.Equal(t, placePatience, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), placePatience/2)
		defer cancel()
		start = time.Now()
		p.enter(ctx)()
		require.Equal(t, placePatience/2, time.Since(start))
	})
}
