package blockio_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

func TestEnsureCreatesReusesAndEnables(t *testing.T) {
	for name, opts := range map[string][]blockiotest.Option{
		"with addresses":    {blockiotest.WithPageSize(1)},
		"without addresses": {blockiotest.WithPageSize(1), blockiotest.WithoutAddresses()},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, opts...)
			c := newClient(t, s.URL())
			hook := hookServer(t, 200)
			for _, r := range []blockio.CreateRequest{
				{Type: "account", URL: hook + "/?guard=a%20b"},
				{Type: "address", URL: hook + "/?guard=a%20b", Address: "A"},
				{Type: "new-blocks", URL: hook + "/"},
			} {
				n, created, err := c.EnsureNotification(t.Context(), r)
				require.NoError(t, err)
				require.True(t, created)
				require.True(t, n.Enabled)

				again, created, err := c.EnsureNotification(t.Context(), r)
				require.NoError(t, err)
				require.False(t, created)
				require.Equal(t, n.ID, again.ID)

				_, err = c.DisableNotification(t.Context(), n.ID)
				require.NoError(t, err)
				again, created, err = c.EnsureNotification(t.Context(), r)
				require.NoError(t, err)
				require.False(t, created)
				require.Equal(t, n.ID, again.ID)
				require.True(t, again.Enabled)
			}
			for _, n := range s.Notifications(blockiotest.DefaultKey) {
				require.True(t, n.Enabled)
			}
			require.Len(t, s.Calls("create_notification"), 3)
			require.Len(t, s.Calls("enable_notification"), 3)
		})
	}
}

func TestEnsureOfAnotherAddress(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	hook := hookServer(t, 200)
	_, _, err := c.EnsureNotification(t.Context(), blockio.CreateRequest{Type: "address", URL: hook, Address: "A"})
	require.NoError(t, err)
	_, _, err = c.EnsureNotification(t.Context(), blockio.CreateRequest{Type: "address", URL: hook, Address: "B"})
	var answer *blockio.APIError
	require.ErrorAs(t, err, &answer, "the service has one for each type and URL")
	_, created, err := c.EnsureNotification(t.Context(), blockio.CreateRequest{Type: "address", URL: hook + "/?b", Address: "B"})
	require.NoError(t, err)
	require.True(t, created)
}

func TestEnsureByManyAtOnce(t *testing.T) {
	s := newService(t)
	hook := hookServer(t, 200)
	var created atomic.Int32
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			c := newClient(t, s.URL())
			n, isNew, err := c.EnsureNotification(context.Background(), blockio.CreateRequest{Type: "account", URL: hook})
			if err == nil && isNew {
				created.Add(1)
			}
			if err != nil || n.ID == "" {
				t.Error(n, err)
			}
		})
	}
	all.Wait()
	require.Len(t, s.Notifications(blockiotest.DefaultKey), 1)
	require.EqualValues(t, 1, created.Load())
}

func TestEnsureAfterALostAnswer(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	r := blockio.CreateRequest{Type: "account", URL: hookServer(t, 200)}
	s.Faults().CutCalls(1, "create_notification", true)
	n, created, err := c.EnsureNotification(t.Context(), r)
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, s.Notifications(blockiotest.DefaultKey)[0].ID, n.ID)
	require.Len(t, s.Calls("create_notification"), 1, "not sent again")
}

func TestEnsureReturnsWhatFailed(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	r := blockio.CreateRequest{Type: "account", URL: hookServer(t, 500)}
	_, created, err := c.EnsureNotification(t.Context(), r)
	require.ErrorContains(t, err, "create_notification")
	require.False(t, created)

	s.Faults().CutCalls(1, "create_notification", false)
	_, _, err = c.EnsureNotification(t.Context(), r)
	require.ErrorIs(t, err, bitcart.ErrMaybeSent)

	s.Faults().FailCalls(1, "list_notifications", "Lists are off.")
	_, _, err = c.EnsureNotification(t.Context(), r)
	require.ErrorContains(t, err, "Lists are off.")
	require.Len(t, s.Calls("create_notification"), 2, "not without knowing what there is")

	n := addNotification(t, s, "account", r.URL)
	_, err = c.DisableNotification(t.Context(), n.ID)
	require.NoError(t, err)
	s.Faults().FailCalls(1, "enable_notification", "It stays off.")
	_, _, err = c.EnsureNotification(t.Context(), r)
	require.ErrorContains(t, err, "It stays off.")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = c.EnsureNotification(ctx, r)
	require.ErrorIs(t, err, context.Canceled)
}

func TestEnsureKnowsAURLThatWasWrittenAnew(t *testing.T) {
	c, calls := answering(t, 200, `{"status":"success","data":[
		{"notification_id":"other","type":"account","enabled":true,"url":"http://h.example/b"},
		{"notification_id":"a","type":"account","enabled":true,"url":"http:\/\/H.example\/%61 b"}]}`)
	n, _, err := c.EnsureNotification(t.Context(), blockio.CreateRequest{Type: "account", URL: "http://H.example/%61%20b"})
	require.Error(t, err, "another path")
	require.Empty(t, n)
	require.Positive(t, *calls)
	n, created, err := c.EnsureNotification(t.Context(), blockio.CreateRequest{Type: "account", URL: "http://h.example/b"})
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, "other", n.ID)
}

// TestEnsureKnowsAnotherSpelling: the service may write an address and the host
// of a URL in its own way. What is not recognised is created again at every
// start, which the service refuses: a type and URL have one notification.
func TestEnsureKnowsAnotherSpelling(t *testing.T) {
	for name, tt := range map[string]struct{ listed, listedAddress, url, address string }{
		"host in other case":    {"https://shop.example/Hooks", "", "https://Shop.Example/Hooks", ""},
		"scheme in other case":  {"https://shop.example/Hooks", "", "HTTPS://shop.example/Hooks", ""},
		"no path":               {"https://shop.example/", "", "https://shop.example", ""},
		"no path, with a query": {"https://shop.example/?a=b", "", "https://shop.example?a=b", ""},
		"the scheme's port":     {"https://shop.example/Hooks", "", "https://shop.example:443/Hooks", ""},
		"the port of http":      {"http://[::1]/Hooks", "", "http://[::1]:80/Hooks", ""},
		"an ethereum address": {"https://shop.example/", "0x52908400098527886e0f7030069857d2e4169ee7",
			"https://shop.example/", "0x52908400098527886E0F7030069857D2E4169EE7"},
		"a segwit address": {"https://shop.example/", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
			"https://shop.example/", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4"},
	} {
		t.Run(name, func(t *testing.T) {
			typ := blockio.TypeAccount
			if tt.address != "" {
				typ = blockio.TypeAddress
			}
			c, _ := answering(t, 200, fmt.Sprintf(`{"status":"success","data":[
				{"notification_id":"a","type":%q,"enabled":true,"url":%q,"address":%q}]}`, typ, tt.listed, tt.listedAddress))
			n, created, err := c.EnsureNotification(t.Context(), blockio.CreateRequest{Type: typ, URL: tt.url, Address: tt.address})
			require.NoError(t, err)
			require.False(t, created)
			require.Equal(t, "a", n.ID)
		})
	}
}

// TestEnsureKeepsOthersApart: where case or a port matters it is another one.
func TestEnsureKeepsOthersApart(t *testing.T) {
	for name, tt := range map[string]struct{ listed, listedAddress, url, address string }{
		"path in other case":     {"https://shop.example/Hooks", "", "https://shop.example/hooks", ""},
		"password in other case": {"https://a:Secret@shop.example/", "", "https://a:secret@shop.example/", ""},
		"another port":           {"https://shop.example:80/", "", "https://shop.example/", ""},
		"another scheme":         {"http://shop.example/", "", "https://shop.example/", ""},
		"a base58 address":       {"https://shop.example/", "3cBraN1Q", "https://shop.example/", "3CBraN1Q"},
	} {
		t.Run(name, func(t *testing.T) {
			typ := blockio.TypeAccount
			if tt.address != "" {
				typ = blockio.TypeAddress
			}
			var created int
			h := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/create_notification") {
					created++
					return answerOf(r, 200, `{"status":"success","data":{"notification_id":"b","type":"x","enabled":true}}`), nil
				}
				return answerOf(r, 200, fmt.Sprintf(`{"status":"success","data":[
					{"notification_id":"a","type":%q,"enabled":true,"url":%q,"address":%q}]}`, typ, tt.listed, tt.listedAddress)), nil
			})}
			c, err := blockio.NewClient(blockiotest.DefaultKey, blockio.WithHTTPClient(h))
			require.NoError(t, err)
			n, isNew, err := c.EnsureNotification(t.Context(), blockio.CreateRequest{Type: typ, URL: tt.url, Address: tt.address})
			require.NoError(t, err)
			require.True(t, isNew)
			require.Equal(t, "b", n.ID)
			require.Equal(t, 1, created)
		})
	}
}
