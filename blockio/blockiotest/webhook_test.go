package blockiotest_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/blockio/blockiotest"
)

// recorder is a web hook that keeps what it got and answers as it is told.
type recorder struct {
	URL    string
	status func(n int) int // of the n-th post, from 1

	mu     sync.Mutex
	bodies []string
}

func record(t testing.TB, status func(n int) int) *recorder {
	t.Helper()
	r := &recorder{status: status}
	r.URL = hookFunc(t, r.serve)
	return r
}

func always(status int) func(int) int { return func(int) int { return status } }

func (r *recorder) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.bodies = append(r.bodies, string(body))
	n := len(r.bodies)
	r.mu.Unlock()
	w.WriteHeader(r.status(n))
}

func (r *recorder) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.bodies...)
}

// texts are the members "n" of the data of what was posted.
func (r *recorder) texts(t testing.TB) []string {
	t.Helper()
	var list []string
	for _, body := range r.got() {
		var e struct {
			Data struct {
				N int `json:"n"`
			} `json:"data"`
		}
		require.NoError(t, json.Unmarshal([]byte(body), &e))
		list = append(list, fmt.Sprint(e.Data.N))
	}
	return list
}

func numbered(n int) map[string]any { return map[string]any{"network": "BTC", "address": "A", "n": n} }

func addHook(t testing.TB, s *blockiotest.Service, typ, url string) string {
	t.Helper()
	n := blockiotest.Notification{Type: typ, URL: url}
	if typ == "address" {
		n.Address = "A"
	}
	added, err := s.AddNotification(blockiotest.DefaultKey, n)
	require.NoError(t, err)
	return added.ID
}

func emit(t testing.TB, s *blockiotest.Service, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		require.NoError(t, s.Emit("BTC", "address", numbered(n)))
	}
}

// Seed: "A notification event will use the following structure". The members
// are those of the example, event_id and signature where they are asked for.
func TestSeedDeliveries(t *testing.T) {
	want := map[string]any{}
	text, err := os.ReadFile("../testdata/webhook-envelope.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &want))
	secret := []byte("secret")
	for name, opts := range map[string][]blockiotest.Option{
		"with both": {blockiotest.WithEventIDs(), blockiotest.WithSignature(secret)},
		"as in the full examples, without event_id and signature": nil,
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, opts...)
			r := record(t, always(200))
			id := addHook(t, s, "address", r.URL)
			var data struct {
				Data json.RawMessage `json:"data"`
			}
			require.NoError(t, json.Unmarshal(text, &data))
			require.NoError(t, s.EmitTo(id, "address", data.Data))
			require.NoError(t, s.Wait(t.Context()))
			var got map[string]any
			require.NoError(t, json.Unmarshal([]byte(r.got()[0]), &got))
			require.Equal(t, id, got["notification_id"])
			require.InDelta(t, time.Now().Unix(), got["created_at"], 5)
			if opts == nil {
				require.NotContains(t, got, "event_id")
				require.NotContains(t, got, "signature")
				return
			}
			require.Equal(t, kinds(want), kinds(got))
			body := []byte(r.got()[0])
			at := bytes.LastIndex(body, []byte(`,"signature":"`))
			mac := hmac.New(sha256.New, secret)
			mac.Write(body[:at])
			mac.Write([]byte("}"))
			require.Equal(t, hex.EncodeToString(mac.Sum(nil)), got["signature"])
		})
	}
}

// Seed: "Your Web Server must respond with a Status Code of 2xx (i.e., between
// 200-299) for us to consider the notification successful".
func TestSeedOnly2xxIsSuccess(t *testing.T) {
	s := start(t)
	for status, ok := range map[int]bool{200: true, 201: true, 204: true, 299: true, 300: false, 301: false, 304: false, 400: false, 401: false, 500: false, 503: false} {
		id := addHook(t, s, "address", hookOf(t, status))
		emit(t, s, 1)
		require.NoError(t, s.Wait(t.Context()))
		log := s.Deliveries()
		last := log[len(log)-1]
		require.Equal(t, status, last.Status)
		require.Equal(t, ok, last.Delivered, status)
		if ok {
			require.Zero(t, s.Waiting())
		} else {
			require.Equal(t, 1, s.Waiting(), status)
		}
		_, _ = call(t, s, "delete_notification", "notification_id", id)
		require.NoError(t, s.Advance(t.Context(), time.Minute))
		require.Zero(t, s.Waiting(), "what waits for a deleted notification is dropped")
	}
}

// Seed: "Unsuccessful notifications will be retried 25 times over 30 days with
// exponential back-off".
func TestSeedRetries25TimesOver30Days(t *testing.T) {
	pauses := blockiotest.RetryPauses()
	require.Len(t, pauses, 25)
	var sum time.Duration
	for i, p := range pauses {
		sum += p
		if i > 0 {
			require.InDelta(t, 1.6, float64(p)/float64(pauses[i-1]), 0.01)
		}
	}
	require.Equal(t, 30*24*time.Hour, sum)

	s := start(t)
	r := record(t, always(503))
	addHook(t, s, "address", r.URL)
	emit(t, s, 1)
	require.NoError(t, s.Wait(t.Context()))
	first := s.Deliveries()[0].At
	require.NoError(t, s.Advance(t.Context(), 30*24*time.Hour))
	log := s.Deliveries()
	require.Len(t, log, 26)
	at := first
	for i, d := range log {
		require.Equal(t, i+1, d.Attempt)
		require.False(t, d.Delivered)
		require.WithinDuration(t, at, d.At, 5*time.Second, "attempt %d", d.Attempt)
		if i < len(pauses) {
			at = at.Add(pauses[i])
		}
	}
	require.Zero(t, s.Waiting(), "given up")
	for i, body := range r.got() {
		require.Contains(t, body, fmt.Sprintf(`"delivery_attempt":%d,`, i+1))
		require.Contains(t, body, fmt.Sprintf(`"created_at":%d`, first.Unix()), "a retry keeps its event's time")
	}
	require.NoError(t, s.Advance(t.Context(), 60*24*time.Hour))
	require.Len(t, s.Deliveries(), 26)
}

func TestASuccessEndsTheRetries(t *testing.T) {
	s := start(t)
	r := record(t, func(n int) int {
		if n < 4 {
			return 500
		}
		return 200
	})
	addHook(t, s, "address", r.URL)
	emit(t, s, 1)
	require.NoError(t, s.Advance(t.Context(), 30*24*time.Hour))
	require.Len(t, r.got(), 4)
	require.Zero(t, s.Waiting())
}

// Seed: "username/password (i.e., using Basic Auth)", "URLs guarded by
// parameters".
func TestSeedGuardedURLs(t *testing.T) {
	s := start(t)
	var user, password, target string
	var posted atomic.Int32
	host := hookFunc(t, func(_ http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		target = r.RequestURI
		posted.Add(1)
	})[len("http://"):]
	addHook(t, s, "address", "http://me%40x:p%3Aw%20d@"+host+"/a%20b?guard=1%262")
	emit(t, s, 1)
	require.NoError(t, s.Wait(t.Context()))
	require.EqualValues(t, 1, posted.Load())
	require.Equal(t, []string{"me@x", "p:w d", "/a%20b?guard=1%262"}, []string{user, password, target})
}

// Seed: "Account: ... all your account's addresses", "Address ... (internal or
// external)", "New-Blocks", and "Web Hooks of type account provide balance
// change notifications of type address".
func TestSeedWhoHearsWhat(t *testing.T) {
	s := start(t, blockiotest.WithAccount("btc", "BTC", "mine"), blockiotest.WithAccount("ltc", "LTC", "mine"))
	hooks := map[string]*recorder{}
	for name, n := range map[string]blockiotest.Notification{
		"btc account": {Type: "account"}, "btc external": {Type: "address", Address: "external"},
		"btc mine": {Type: "address", Address: "mine"}, "btc blocks": {Type: "new-blocks"},
		"ltc account": {Type: "account"}, "ltc blocks": {Type: "new-blocks"},
	} {
		hooks[name] = record(t, always(200))
		n.URL = hooks[name].URL + "/" + name[4:]
		_, err := s.AddNotification(name[:3], n)
		require.NoError(t, err)
	}
	require.NoError(t, s.Emit("BTC", "address", map[string]string{"address": "mine"}))
	require.NoError(t, s.Emit("BTC", "address", map[string]string{"address": "external"}))
	require.NoError(t, s.Emit("BTC", "address", map[string]string{"address": "nobody's"}))
	require.NoError(t, s.Emit("BTC", "new-blocks", map[string]string{"block_hash": "h"}))
	require.NoError(t, s.Emit("LTC", "new-blocks", map[string]string{"block_hash": "h"}))
	require.NoError(t, s.AddAddress("ltc", "later"))
	require.NoError(t, s.Emit("LTC", "address", map[string]string{"address": "later"}))
	require.NoError(t, s.Wait(t.Context()))
	for name, want := range map[string]int{"btc account": 1, "btc external": 1, "btc mine": 1, "btc blocks": 1, "ltc account": 1, "ltc blocks": 1} {
		require.Len(t, hooks[name].got(), want, name)
	}
	require.Contains(t, hooks["btc account"].got()[0], `"type":"address"`)
	require.Error(t, s.AddAddress("other", "x"))
	require.Error(t, s.EmitTo("other", "x", map[string]any{}))
	require.Error(t, s.Emit("BTC", "address", []int{1}))
	require.Error(t, s.Emit("BTC", "address", func() {}))
	require.Error(t, s.Emit("BTC", "address", json.RawMessage(`[]`)))
	require.Error(t, s.Emit("BTC", "address", json.RawMessage(`{`)))
}

func TestDataGoesOutAsGiven(t *testing.T) {
	s := start(t)
	r := record(t, always(200))
	addHook(t, s, "address", r.URL)
	require.NoError(t, s.Emit("BTC", "address", json.RawMessage(`{"address":"A","amount":"0.10","z":1,"b":1.50}`)))
	require.NoError(t, s.Wait(t.Context()))
	require.Contains(t, r.got()[0], `"data":{"address":"A","amount":"0.10","z":1,"b":1.50}`)
}

func TestDisabledNotifications(t *testing.T) {
	s := start(t)
	r := record(t, func(n int) int {
		if n == 1 {
			return 500
		}
		return 200
	})
	id := addHook(t, s, "address", r.URL)
	emit(t, s, 1)
	require.NoError(t, s.Wait(t.Context()))
	_, _ = call(t, s, "disable_notification", "notification_id", id)
	emit(t, s, 2)
	require.NoError(t, s.Advance(t.Context(), 30*24*time.Hour))
	require.Len(t, r.got(), 1)
	require.Zero(t, s.Waiting())
	_, _ = call(t, s, "enable_notification", "notification_id", id)
	emit(t, s, 3)
	require.NoError(t, s.Wait(t.Context()))
	require.Equal(t, []string{"1", "3"}, r.texts(t))
}

func TestOrderAndParallel(t *testing.T) {
	s := start(t)
	r := record(t, always(200))
	addHook(t, s, "address", r.URL)
	emit(t, s, 1, 2, 3, 4, 5)
	require.NoError(t, s.Wait(t.Context()))
	require.Equal(t, []string{"1", "2", "3", "4", "5"}, r.texts(t))

	p := start(t, blockiotest.WithParallel(3))
	arrived, finish := make(chan struct{}, 10), make(chan struct{})
	addHook(t, p, "address", hookFunc(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-finish
	}))
	emit(t, p, 1, 2, 3, 4, 5)
	for range 3 {
		<-arrived
	}
	require.Equal(t, 5, p.Waiting())
	require.Empty(t, arrived, "three at once")
	close(finish)
	require.NoError(t, p.Wait(t.Context()))
	require.Zero(t, p.Waiting())
}

func TestDeliveryFaults(t *testing.T) {
	tests := []struct {
		name  string
		fault func(*blockiotest.Faults)
		want  []string // what the web hook has read whole, after an hour
	}{
		{"none", func(*blockiotest.Faults) {}, []string{"1", "2", "3"}},
		{"duplicates", func(f *blockiotest.Faults) { f.DuplicateEvents(2) }, []string{"1", "1", "2", "2", "3"}},
		{"half a body", func(f *blockiotest.Faults) { f.HalveDeliveries(1) }, []string{"2", "3", "1"}},
		{"cut", func(f *blockiotest.Faults) { f.CutDeliveries(1) }, []string{"1", "2", "3", "1"}},
		{"delayed", func(f *blockiotest.Faults) { f.DelayDeliveries(time.Minute) }, []string{"1", "2", "3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t)
			read := make(chan struct{}, 10)
			r := record(t, func(int) int { read <- struct{}{}; return 200 })
			addHook(t, s, "address", r.URL)
			tt.fault(s.Faults())
			emit(t, s, 1)
			if tt.name == "cut" {
				<-read // the first attempt is read to its end before the next one is sent
			}
			emit(t, s, 2, 3)
			if tt.name == "delayed" {
				require.NoError(t, s.Wait(t.Context()))
				require.Empty(t, r.got())
			}
			require.NoError(t, s.Advance(t.Context(), time.Hour))
			require.Equal(t, tt.want, r.texts(t))
			require.Zero(t, s.Waiting())
		})
	}
}

func TestFailedAttemptsAreLogged(t *testing.T) {
	s := start(t, blockiotest.WithHookTimeout(50*time.Millisecond))
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	addHook(t, s, "address", hookFunc(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-stuck:
		case <-r.Context().Done():
		}
	}))
	emit(t, s, 1)
	require.NoError(t, s.Wait(t.Context()))
	log := s.Deliveries()
	require.Len(t, log, 1)
	require.ErrorIs(t, log[0].Err, context.DeadlineExceeded)
	require.Zero(t, log[0].Status)
	require.Equal(t, 1, s.Waiting())
}

func TestReordering(t *testing.T) {
	for reverse, want := range map[bool][]string{false: {"1", "2", "3", "4", "5"}, true: {"1", "4", "3", "2", "5"}} {
		s := start(t)
		r := record(t, always(200))
		addHook(t, s, "address", r.URL)
		emit(t, s, 1)
		require.NoError(t, s.Wait(t.Context()))
		s.Faults().HoldDeliveries()
		emit(t, s, 2, 3, 4)
		require.NoError(t, s.Wait(t.Context()))
		require.Equal(t, []string{"1"}, r.texts(t))
		s.Faults().ReleaseDeliveries(reverse)
		require.NoError(t, s.Wait(t.Context()))
		emit(t, s, 5)
		require.NoError(t, s.Wait(t.Context()))
		require.Equal(t, want, r.texts(t))
	}
}

func TestForgedSignatures(t *testing.T) {
	for name, opts := range map[string][]blockiotest.Option{"signed": {blockiotest.WithSignature([]byte("s"))}, "unsigned": nil} {
		s := start(t, opts...)
		r := record(t, always(200))
		addHook(t, s, "address", r.URL)
		s.Faults().ForgeSignatures(1)
		emit(t, s, 1, 1)
		require.NoError(t, s.Wait(t.Context()))
		var forged, honest struct {
			Signature string `json:"signature"`
		}
		require.NoError(t, json.Unmarshal([]byte(r.got()[0]), &forged))
		require.NoError(t, json.Unmarshal([]byte(r.got()[1]), &honest))
		require.Len(t, forged.Signature, 64, name)
		require.NotEqual(t, forged.Signature, honest.Signature, name)
	}
}

func TestHooksOverTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	s := start(t, blockiotest.WithRootCAs(roots))
	addHook(t, s, "address", server.URL)
	emit(t, s, 1)
	require.NoError(t, s.Wait(t.Context()))
	require.True(t, s.Deliveries()[0].Delivered)
}

// A request whose sender hangs up arrives whole, with its credentials, over
// TLS too, and its answer counts for nothing.
func TestCutDeliveriesArriveWhole(t *testing.T) {
	for name, makeServer := range map[string]func(http.Handler) *httptest.Server{"http": httptest.NewServer, "https": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			var sizes []int
			read := make(chan struct{}, 10)
			server := makeServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if _, password, _ := r.BasicAuth(); err == nil && password == "pass" {
					sizes = append(sizes, len(body))
				}
				read <- struct{}{}
			}))
			t.Cleanup(server.Close)
			opts := []blockiotest.Option{}
			if name == "https" {
				roots := x509.NewCertPool()
				roots.AddCert(server.Certificate())
				opts = append(opts, blockiotest.WithRootCAs(roots))
			}
			s := start(t, opts...)
			addHook(t, s, "address", strings.Replace(server.URL, "://", "://user:pass@", 1))
			s.Faults().CutDeliveries(1)
			data := numbered(1)
			data["filler"] = strings.Repeat("x", 300_000)
			require.NoError(t, s.Emit("BTC", "address", data))
			<-read
			require.NoError(t, s.Advance(t.Context(), time.Hour))
			<-read
			require.Len(t, sizes, 2, "the cut attempt and the next one")
			require.Equal(t, sizes[0], sizes[1])
			require.Greater(t, sizes[0], 300_000)
			log := s.Deliveries()
			require.Len(t, log, 2)
			require.Error(t, log[0].Err)
			require.Zero(t, log[0].Status)
			require.True(t, log[1].Delivered)
		})
	}
}

func TestCloseEndsDeliveries(t *testing.T) {
	s := start(t)
	inside := make(chan struct{})
	addHook(t, s, "address", hookFunc(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(inside)
		<-r.Context().Done()
	}))
	emit(t, s, 1)
	<-inside
	s.Close()
	log := s.Deliveries()
	require.Len(t, log, 1)
	require.ErrorIs(t, log[0].Err, context.Canceled)
	require.Equal(t, 1, s.Waiting())
}
