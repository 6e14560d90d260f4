package blockio_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

// Seed: "Create a Notification": Account, Address and New-Blocks, and the ping
// that the URL has to answer.
func TestSeedCreateNotification(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	var mu sync.Mutex
	var posted []string
	hook := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		mu.Lock()
		defer mu.Unlock()
		if json.NewDecoder(r.Body).Decode(&body) == nil {
			posted = append(posted, fmt.Sprint(r.Method, " ", body))
		}
	})
	for _, r := range []blockio.CreateRequest{
		{Type: blockio.TypeAccount, URL: hook},
		{Type: blockio.TypeAddress, Address: "3cBraN1Q", URL: hook},
		{Type: blockio.TypeNewBlocks, URL: hook},
	} {
		n, err := c.CreateNotification(t.Context(), r)
		require.NoError(t, err)
		require.NotEmpty(t, n.ID)
		require.NotEmpty(t, n.Raw)
		require.Equal(t, "BTC", n.Network, "the key's")
		require.Equal(t, r.Type, n.Type)
		require.Equal(t, r.URL, n.URL)
		require.True(t, n.Enabled)
	}
	require.Equal(t, []string{"POST map[type:ping]", "POST map[type:ping]", "POST map[type:ping]"}, posted)
	stored := s.Notifications(blockiotest.DefaultKey)
	require.Len(t, stored, 3)
	require.Equal(t, "3cBraN1Q", stored[1].Address)
}

// Seed: "If successful, you will receive a response with the following
// structure", for create_notification.
func TestSeedCreateAnswer(t *testing.T) {
	text, err := os.ReadFile("testdata/answer-create.json")
	require.NoError(t, err)
	c, _ := answering(t, http.StatusOK, string(text))
	n, err := c.CreateNotification(t.Context(), blockio.CreateRequest{Type: "account", URL: "https://shop.example/hooks/blockio"})
	require.NoError(t, err)
	require.JSONEq(t, `{"network":"BTC","notification_id":"306b6d8f0a","type":"account","enabled":true,"url":"https://shop.example/hooks/blockio"}`, string(n.Raw))
	n.Raw = nil
	require.Equal(t, blockio.Notification{Network: "BTC", ID: "306b6d8f0a", Type: "account", Enabled: true, URL: "https://shop.example/hooks/blockio"}, n)
}

// Seed: the URL "must respond with a Status Code between 200-299".
func TestSeedCreateWantsAnAnswerToThePing(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	for status, ok := range map[int]bool{200: true, 204: true, 299: true, 302: false, 400: false, 500: false} {
		_, err := c.CreateNotification(t.Context(), blockio.CreateRequest{Type: "account", URL: hookServer(t, status)})
		if ok {
			require.NoError(t, err, status)
			continue
		}
		var answer *blockio.APIError
		require.ErrorAs(t, err, &answer, status)
		require.Equal(t, "create_notification", answer.Method)
		require.Contains(t, answer.Message, "200 and 299")
	}
}

// Seed: "make sure the URL is URI encoded so it is distinguishable as a
// parameter value", "normal URLs guarded by parameters, or by a
// username/password".
func TestSeedURLsArriveAsTheyAre(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	var mu sync.Mutex
	var auth, query string
	hook := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		user, password, _ := r.BasicAuth()
		auth, query = user+" "+password, r.URL.RawQuery
	})
	host, _ := url.Parse(hook)
	target := "http://us%40er:p%26w@" + host.Host + "/h%20k?type=new-blocks&api_key=x&token=a%2Bb+c<>"
	n, err := c.CreateNotification(t.Context(), blockio.CreateRequest{Type: "account", URL: target})
	require.NoError(t, err)
	require.Equal(t, target, n.URL)
	require.Equal(t, "account", n.Type, "the URL's parameters are not the call's")
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, "us@er p&w", auth)
	require.Equal(t, "type=new-blocks&api_key=x&token=a%2Bb+c<>", query)
}

func TestTheKeyGoesIntoTheBody(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	added := addNotification(t, s, "account", "http://h.example/")
	_, _ = c.CreateNotification(t.Context(), blockio.CreateRequest{Type: "account", URL: "http://127.0.0.1:1/"})
	_, _ = c.EnableNotification(t.Context(), added.ID)
	_, _ = c.DisableNotification(t.Context(), added.ID)
	_, _ = c.ListNotifications(t.Context(), 1, added.ID)
	_, _ = c.RecentEvents(t.Context(), added.ID)
	_ = c.DeleteNotification(t.Context(), added.ID)
	_ = c.Call(t.Context(), nil, "get_balance", nil)
	calls := s.Calls()
	require.Len(t, calls, 7)
	for _, call := range calls {
		require.Equal(t, http.MethodPost, call.HTTPMethod, call.Method)
		require.Empty(t, call.RawQuery, call.Method)
		require.Equal(t, blockiotest.DefaultKey, call.Params["api_key"], call.Method)
	}
}

func addNotification(t testing.TB, s *blockiotest.Service, typ, url string) blockiotest.Notification {
	t.Helper()
	n, err := s.AddNotification(blockiotest.DefaultKey, blockiotest.Notification{Type: typ, URL: url})
	require.NoError(t, err)
	return n
}

func TestCreateChecksFirst(t *testing.T) {
	c, calls := answering(t, 200, `{}`)
	for _, r := range []blockio.CreateRequest{
		{},
		{Type: "account"},
		{URL: "http://h.example"},
		{Type: "account", URL: "/hook"},
		{Type: "account", URL: "ftp://h.example"},
		{Type: "account", URL: "http://"},
		{Type: "account", URL: "http://user:hunter2@%zz"},
		{Type: "account", URL: "http://h.example", Address: "a"},
		{Type: "address", URL: "http://h.example"},
	} {
		_, err := c.CreateNotification(t.Context(), r)
		require.Error(t, err, r)
		require.NotContains(t, err.Error(), "hunter2")
		_, _, err = c.EnsureNotification(t.Context(), r)
		require.Error(t, err, r)
	}
	_, err := c.EnableNotification(t.Context(), "")
	require.Error(t, err)
	_, err = c.DisableNotification(t.Context(), "")
	require.Error(t, err)
	require.Error(t, c.DeleteNotification(t.Context(), ""))
	_, err = c.RecentEvents(t.Context(), "")
	require.Error(t, err)
	_, err = c.ListNotifications(t.Context(), -1)
	require.Error(t, err)
	_, err = c.ListNotifications(t.Context(), 0, "a,b")
	require.Error(t, err)
	_, err = c.ListNotifications(t.Context(), 0, "")
	require.Error(t, err)
	require.Zero(t, *calls, "nothing was sent")
}

// Seed: "Disable a Notification", "Enable a Notification", "Delete
// Notification".
func TestSeedDisableEnableDelete(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	id := addNotification(t, s, "account", "http://h.example/").ID
	n, err := c.DisableNotification(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, id, n.ID)
	require.False(t, n.Enabled)
	require.False(t, s.Notifications(blockiotest.DefaultKey)[0].Enabled)
	n, err = c.EnableNotification(t.Context(), id)
	require.NoError(t, err)
	require.True(t, n.Enabled)
	require.NoError(t, c.DeleteNotification(t.Context(), id))
	require.Empty(t, s.Notifications(blockiotest.DefaultKey))

	var answer *blockio.APIError
	require.ErrorAs(t, c.DeleteNotification(t.Context(), id), &answer)
	require.Len(t, s.Calls("delete_notification"), 2, "a refusal is not repeated")
	_, err = c.EnableNotification(t.Context(), id)
	require.ErrorAs(t, err, &answer)
	require.Len(t, s.Calls("enable_notification"), 2)
}

// Seed: "List Notifications": pages, and the filter by ids.
func TestSeedListNotifications(t *testing.T) {
	for name, opts := range map[string][]blockiotest.Option{
		"an object that holds the list": {blockiotest.WithPageSize(2)},
		"an array":                      {blockiotest.WithPageSize(2), blockiotest.WithBareLists()},
		"without addresses":             {blockiotest.WithPageSize(2), blockiotest.WithoutAddresses()},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, opts...)
			c := newClient(t, s.URL())
			var ids []string
			for i := range 3 {
				ids = append(ids, addNotification(t, s, "new-blocks", fmt.Sprint("http://h.example/", i)).ID)
			}
			listed := func(page int, filter ...string) []string {
				list, err := c.ListNotifications(t.Context(), page, filter...)
				require.NoError(t, err)
				var got []string
				for _, n := range list {
					require.Equal(t, "BTC", n.Network)
					require.Equal(t, "new-blocks", n.Type)
					require.True(t, n.Enabled)
					require.NotEmpty(t, n.URL)
					require.NotEmpty(t, n.Raw)
					got = append(got, n.ID)
				}
				return got
			}
			require.Equal(t, ids[:2], listed(0))
			require.Equal(t, ids[:2], listed(1))
			require.Equal(t, ids[2:], listed(2))
			require.Empty(t, listed(3))
			require.Equal(t, []string{ids[0], ids[2]}, listed(0, ids[0], ids[2]))
			require.Empty(t, listed(0, "unknown"))

			calls := s.Calls("list_notifications")
			require.NotContains(t, calls[0].Params, "page", "page 0 leaves it out")
			require.NotContains(t, calls[0].Params, "notification_ids")
			require.Equal(t, "1", calls[1].Params["page"])
			require.Equal(t, ids[0]+","+ids[2], calls[4].Params["notification_ids"])
		})
	}
}

func TestAnEmptyListIsNoError(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	list, err := c.ListNotifications(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, list)
	for n, err := range c.Notifications(t.Context()) {
		require.Fail(t, "nothing is yielded", "%v %v", n, err)
	}
	require.Len(t, s.Calls(), 2)

	s.Faults().FailCalls(1, "list_notifications", "Notifications are off.")
	_, err = c.ListNotifications(t.Context(), 0)
	var answer *blockio.APIError
	require.ErrorAs(t, err, &answer, "no other failure is an empty list")
}

// Seed: "Upto 2500 notifications per page".
func TestSeedNotificationsOfAllPages(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	const n = 5001
	want := map[string]bool{}
	for i := range n {
		want[addNotification(t, s, "new-blocks", fmt.Sprint("http://h.example/", i)).ID] = true
	}
	for got, err := range c.Notifications(t.Context()) {
		require.NoError(t, err)
		require.True(t, want[got.ID], "unknown, or twice")
		delete(want, got.ID)
	}
	require.Empty(t, want)
	var pages []string
	for _, call := range s.Calls("list_notifications") {
		pages = append(pages, call.Params["page"])
	}
	require.Equal(t, []string{"", "2", "3", "4"}, pages)
}

func TestNotificationsWithSmallPages(t *testing.T) {
	s := newService(t, blockiotest.WithPageSize(1))
	c := newClient(t, s.URL())
	var ids []string
	for i := range 4 {
		ids = append(ids, addNotification(t, s, "new-blocks", fmt.Sprint("http://h.example/", i)).ID)
	}
	var got []string
	for n, err := range c.Notifications(t.Context(), ids[1:]...) {
		require.NoError(t, err)
		got = append(got, n.ID)
	}
	require.Equal(t, ids[1:], got, "a page that is not full need not be the last")
	for range c.Notifications(t.Context()) {
		break
	}
}

func TestNotificationsEndsWhereTheServiceDoesNotCountPages(t *testing.T) {
	c, calls := answering(t, 200, `{"status":"success","data":[{"notification_id":"a"},{"notification_id":"b"}]}`)
	var got []string
	for n, err := range c.Notifications(t.Context()) {
		require.NoError(t, err)
		got = append(got, n.ID)
	}
	require.Equal(t, []string{"a", "b"}, got)
	require.Equal(t, 2, *calls)
}

func TestNotificationsYieldsItsError(t *testing.T) {
	s := newService(t, blockiotest.WithPageSize(1))
	c := newClient(t, s.URL())
	addNotification(t, s, "account", "http://h.example/1")
	addNotification(t, s, "account", "http://h.example/2")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs, got int
	for _, err := range c.Notifications(ctx) {
		if err != nil {
			errs++
			require.ErrorIs(t, err, context.Canceled)
			continue
		}
		got++
		cancel()
	}
	require.Equal(t, 1, got)
	require.Equal(t, 1, errs, "it ends with the error")
}

func TestListShapes(t *testing.T) {
	const a, b = `{"notification_id":"a","network":"LTC","enabled":"false"}`, `{"notification_id":7,"enabled":1}`
	tests := []struct {
		name, data string
		want       []blockio.Notification // nil = an error
	}{
		{"an array", `[` + a + `,` + b + `]`, []blockio.Notification{{ID: "a", Network: "LTC"}, {ID: "7", Enabled: true}}},
		{"under its name", `{"network":"BTC","x":[],"notifications":[` + a + `,` + b + `]}`,
			[]blockio.Notification{{ID: "a", Network: "LTC"}, {ID: "7", Network: "BTC", Enabled: true}}},
		{"under another name", `{"network":"BTC","page":1,"items":[` + a + `]}`, []blockio.Notification{{ID: "a", Network: "LTC"}}},
		{"one by itself", a, []blockio.Notification{{ID: "a", Network: "LTC"}}},
		{"null", `null`, []blockio.Notification{}},
		{"an empty array", `[]`, []blockio.Notification{}},
		{"null under its name", `{"notifications":null}`, []blockio.Notification{}},
		{"empty under its name", `{"notifications":[]}`, []blockio.Notification{}},
		{"no list", `{"network":"BTC"}`, nil},
		{"an item without an id", `[{"network":"BTC"}]`, nil},
		{"an item that is no object", `["a"]`, nil},
		{"a null item", `[null]`, nil},
		{"an item of a wrong type", `[{"notification_id":"a","enabled":"maybe"}]`, nil},
		{"a text", `"none"`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := answering(t, 200, `{"status":"success","data":`+tt.data+`}`)
			list, err := c.ListNotifications(t.Context(), 0)
			if tt.want == nil {
				require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
				return
			}
			require.NoError(t, err)
			require.Len(t, list, len(tt.want))
			for i := range list {
				list[i].Raw = nil
				require.Equal(t, tt.want[i], list[i])
			}
		})
	}
}

// Seed: "Get Recent Notification Events": "the last 10 notification events we
// pushed, or attempted to push".
func TestSeedRecentEvents(t *testing.T) {
	for name, opts := range map[string][]blockiotest.Option{
		"an object that holds the list": nil,
		"an array":                      {blockiotest.WithBareLists(), blockiotest.WithEventIDs()},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, opts...)
			c := newClient(t, s.URL())
			id := addNotification(t, s, "new-blocks", hookServer(t, 500)).ID
			for i := range 11 {
				require.NoError(t, s.Emit("BTC", "new-blocks", blockio.NewBlocksEvent{Network: "BTC", BlockHash: fmt.Sprint("h", i), Confirmations: 1}))
			}
			require.NoError(t, s.Wait(t.Context()))
			list, err := c.RecentEvents(t.Context(), id)
			require.NoError(t, err)
			require.Len(t, list, 10)
			for i, e := range list {
				require.Equal(t, id, e.NotificationID)
				require.Equal(t, "new-blocks", e.Type)
				require.NotZero(t, e.Attempt)
				require.WithinDuration(t, s.Now(), e.CreatedAt, 1e10)
				require.Equal(t, name == "an array", e.EventID != "")
				require.Contains(t, string(e.Raw), "delivered")
				u, err := e.Update()
				require.NoError(t, err)
				require.Equal(t, "new-blocks", u.Event())
				require.Contains(t, string(e.Data), fmt.Sprintf("%q", fmt.Sprint("h", i+1)))
			}
		})
	}
}

func TestRecentEventsKeepWhatIsUnknown(t *testing.T) {
	c, _ := answering(t, 200, `{"status":"success","data":{"network":"BTC","log":[
		{"type":"address","delivery_attempt":{},"created_at":"?","event_id":[],"data":"text","http_status":500},
		"a line", 5, null, {"type":"address","data":{"network":"BTC","address":"a"},"notification_id":"other"}]}}`)
	list, err := c.RecentEvents(t.Context(), "n")
	require.NoError(t, err)
	require.Len(t, list, 5)
	require.Equal(t, "address", list[0].Type)
	require.Equal(t, "n", list[0].NotificationID)
	require.Contains(t, string(list[0].Raw), "http_status")
	require.Equal(t, `"a line"`, string(list[1].Raw))
	for i := range 4 {
		_, err := list[i].Update()
		require.ErrorContains(t, err, "blockio: ", i)
	}
	require.Equal(t, "other", list[4].NotificationID)
	u, err := list[4].Update()
	require.NoError(t, err)
	var d bitcart.Dispatcher
	d.On("address", func(_ context.Context, ev *bitcart.Event) error {
		require.Equal(t, bitcart.SourceRecovered, ev.Source)
		require.Equal(t, "a", ev.Wallet)
		return nil
	})
	require.NoError(t, d.ProcessUpdates(t.Context(), []bitcart.Update{u}))
}

func TestCreateAnswersThatAreNone(t *testing.T) {
	for _, data := range []string{`null`, `[]`, `{}`, `[{"notification_id":"a"},{"notification_id":"b"}]`, `"a"`, `{"network":"BTC"}`} {
		c, _ := answering(t, 200, `{"status":"success","data":`+data+`}`)
		_, err := c.CreateNotification(t.Context(), blockio.CreateRequest{Type: "account", URL: "http://h.example"})
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, data)
		require.ErrorIs(t, err, bitcart.ErrMaybeSent, "it may exist")
	}
}

func TestOneServiceManyCallers(t *testing.T) {
	s := newService(t)
	c := newClient(t, s.URL())
	id := addNotification(t, s, "account", "http://h.example/").ID
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				_, _ = c.DisableNotification(t.Context(), id)
				_, _ = c.EnableNotification(t.Context(), id)
				_, _ = c.ListNotifications(t.Context(), 0)
			}
		})
	}
	all.Wait()
	require.Len(t, s.Calls(), 60)
}

// TestListBesideOthers: the object that holds a list may hold other ones.
func TestListBesideOthers(t *testing.T) {
	for name, data := range map[string]string{
		"an empty one before it": `{"errors":[],"items":[{"notification_id":"a"}]}`,
		"numbers before it":      `{"network":"BTC","a":[1,2],"items":[{"notification_id":"a"}]}`,
		"one behind it":          `{"items":[{"notification_id":"a"}],"warnings":["x"],"z":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := answering(t, 200, `{"status":"success","data":`+data+`}`)
			list, err := c.ListNotifications(t.Context(), 0)
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.Equal(t, "a", list[0].ID)
			events, err := c.RecentEvents(t.Context(), "a")
			require.NoError(t, err)
			require.Len(t, events, 1)
			require.Equal(t, "a", events[0].NotificationID)
		})
	}
	c, _ := answering(t, 200, `{"status":"success","data":{"network":"BTC","items":[]}}`)
	list, err := c.ListNotifications(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, list)
}
