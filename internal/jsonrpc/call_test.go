package jsonrpc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/jsonrpc"
)

func TestCallSendsTheEnvelope(t *testing.T) {
	methods := []string{
		"getbalance", "", `a"b\c`, "new\nline\x00", "täg \u2028 \U0001F600", "<script>&", "bad utf8 \xff\xfe", "\x7f",
	}
	params := []json.RawMessage{nil, {}, json.RawMessage(`[]`), json.RawMessage(`{"xpub":null}`),
		json.RawMessage(`["25000000000000000000",1e-8,{"xpub":"é"}]`)}

	type seen struct {
		call
		raw    string
		method string
		auth   string
		kind   string
	}
	var last seen
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		last = seen{readCall(strings.NewReader(string(body))), string(body), r.Method, user + ":" + password,
			r.Header.Get("Content-Type")}
		fmt.Fprint(w, answer("1", last.ID))
	})
	client := newClient(t, server.URL)
	id := 0
	for _, method := range methods {
		for _, p := range params {
			id++
			_, err := client.Call(t.Context(), method, p)
			require.NoError(t, err)
			require.True(t, json.Valid([]byte(last.raw)), last.raw)
			require.Equal(t, strings.ToValidUTF8(method, "\ufffd\ufffd"), strings.ToValidUTF8(last.Method, ""))
			require.Equal(t, "2.0", last.Version)
			require.Equal(t, fmt.Sprint(id), string(last.ID))
			if len(p) == 0 {
				require.NotContains(t, last.raw, "params")
			} else {
				require.Equal(t, string(p), string(last.Params))
			}
			require.Equal(t, http.MethodPost, last.method)
			require.Equal(t, testUser+":"+testPassword, last.auth)
			require.Equal(t, "application/json", last.kind)
		}
	}
}

func TestCallReturnsTheResultAsReceived(t *testing.T) {
	results := []string{
		`null`, `true`, `"4.5.0"`, `""`, `[]`, `{}`, `0`, `25000000000000000000`, `1E-8`, `0.100000000000000006`,
		`{"b": 1,  "a":[1.50, null], "error": {"code": 1}, "id": 7}`, "\"caf\\u00e9 \u20bf\"", `-0`, `{"a":1,"a":2}`,
		`"` + strings.Repeat("x", 3<<20) + `"`,
	}
	var next atomic.Value
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, answer(next.Load().(string), readCall(r.Body).ID)+" \n")
	})
	client := newClient(t, server.URL)
	var got []json.RawMessage
	for _, result := range results {
		next.Store(result)
		raw, err := client.Call(t.Context(), "m", nil)
		require.NoError(t, err)
		got = append(got, raw)
	}
	// Compared only now: results must not share memory with buffers of later calls.
	for i := range results {
		require.Equal(t, results[i], string(got[i]))
	}
}

// The answers of a daemon, and what is near to them. ID stands for the id of the call.
func TestCallReadsAnswers(t *testing.T) {
	const bad = "bad"
	cases := []struct {
		name, body string
		status     int
		want       string // result, bad, or "code message"
	}{
		{"result", `{"jsonrpc":"2.0","result":5,"id":ID}`, 200, "5"},
		{"no jsonrpc, unknown members", `{"x":[1],"id":ID,"result":5,"y":{}}`, 200, "5"},
		{"null error beside result", `{"result":5,"error":null,"id":ID}`, 200, "5"},
		{"white space around", " \n{ \"result\" : 5 , \"id\" : ID }\r\n\t", 200, "5"},
		{"result with another status", `{"result":5,"id":ID}`, 502, "5"},
		{"error", `{"jsonrpc": "2.0", "error": {"code": -32003, "message": "Exception: Request not found"}, "id": ID}`, 200,
			"-32003 Exception: Request not found"},
		{"unauthorized", `{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Unauthorized"}, "id": null}`, 200, "-32600 Unauthorized"},
		{"unauthorized, 401", `{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Unauthorized"}, "id": null}`, 401, "-32600 Unauthorized"},
		{"error with 500", `{"error":{"code":-32603,"message":"x"},"id":ID}`, 500, "-32603 x"},
		{"parse error", `{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}`, 200, "-32700 Parse error"},
		{"error wins over result", `{"result":5,"error":{"code":1,"message":"m"},"id":ID}`, 200, "1 m"},
		{"error with data", `{"error":{"code":1,"message":"m","data":{"a":1}},"id":ID}`, 200, "1 m"},
		{"message no string", `{"error":{"code":1,"message":{"a":1}},"id":ID}`, 200, "1 "},
		{"message missing", `{"error":{"code":1},"id":ID}`, 200, "1 "},
		{"message null", `{"error":{"code":1,"message":null},"id":ID}`, 200, "1 "},

		{"code missing", `{"error":{"message":"m"},"id":ID}`, 200, bad},
		{"code a string", `{"error":{"code":"1","message":"m"},"id":ID}`, 200, bad},
		{"code a fraction", `{"error":{"code":1.5,"message":"m"},"id":ID}`, 200, bad},
		{"code out of range", `{"error":{"code":99999999999999999999,"message":"m"},"id":ID}`, 200, bad},
		{"error a string", `{"error":"m","id":ID}`, 200, bad},
		{"error an array", `{"error":[1],"id":ID}`, 200, bad},
		{"error false", `{"error":false,"result":1,"id":ID}`, 200, bad},
		{"error without id, as gateways write it", `{"error":{"code":503,"message":"m"}}`, 503, bad},
		{"error with a foreign id", `{"error":{"code":1,"message":"m"},"id":999}`, 200, bad},
		{"neither", `{"jsonrpc":"2.0","id":ID}`, 200, bad},
		{"both null error only", `{"error":null,"id":ID}`, 200, bad},
		{"result with id null", `{"result":5,"id":null}`, 200, bad},
		{"result without id", `{"result":5}`, 200, bad},
		{"result with a foreign id", `{"result":5,"id":999}`, 200, bad},
		{"result with the id as a string", `{"result":5,"id":"ID"}`, 200, bad},
		{"result with the id as a fraction", `{"result":5,"id":ID.0}`, 200, bad},
		{"null", `null`, 200, bad},
		{"array", `[{"result":5,"id":ID}]`, 200, bad},
		{"string", `"x"`, 200, bad},
		{"empty", ``, 200, bad},
		{"two values", `{"result":5,"id":ID}{}`, 200, bad},
		{"garbage after", `{"result":5,"id":ID}x`, 200, bad},
		{"cut", `{"result":5,"id":ID`, 200, bad},
		{"byte order mark", "\ufeff" + `{"result":5,"id":ID}`, 200, bad},
		{"NaN", `{"result":NaN,"id":ID}`, 200, bad},
		{"too deep", strings.Repeat("[", 20000) + strings.Repeat("]", 20000), 200, bad},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(tc.status)
				io.WriteString(w, strings.ReplaceAll(tc.body, "ID", string(readCall(r.Body).ID)))
			})
			client := newClient(t, server.URL)
			result, err := client.Call(t.Context(), "m", nil)
			if tc.want == bad {
				var failure *jsonrpc.TransportError
				require.ErrorAs(t, err, &failure)
				require.ErrorIs(t, err, jsonrpc.ErrBadAnswer)
				require.True(t, failure.MaybeSent)
				require.Equal(t, tc.status, failure.StatusCode)
				require.True(t, client.LastAnswer().IsZero())
				require.Nil(t, result)
				return
			}
			require.False(t, client.LastAnswer().IsZero())
			if err == nil {
				require.Equal(t, tc.want, string(result))
				return
			}
			var answer *jsonrpc.Error
			require.ErrorAs(t, err, &answer)
			require.Equal(t, tc.want, fmt.Sprint(answer.Code, " ", answer.Message))
			// The message may repeat a wallet key, so the text has the code only.
			require.Equal(t, fmt.Sprint("jsonrpc: the daemon answered with error ", answer.Code), err.Error())
			require.NotErrorAs(t, err, new(*jsonrpc.TransportError))
		})
	}
}

func TestLastAnswer(t *testing.T) {
	body := `{"error":{"code":-32600,"message":"Unauthorized"},"id":null}`
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
	client := newClient(t, server.URL)
	require.True(t, client.LastAnswer().IsZero())

	before := time.Now()
	_, err := client.Call(t.Context(), "m", nil)
	require.Error(t, err)
	first := client.LastAnswer()
	require.False(t, first.Before(before))
	require.False(t, first.After(time.Now()))

	_, err = client.Spec(t.Context())
	require.Error(t, err)
	require.True(t, client.LastAnswer().After(first))
}

func TestConnectionIsReused(t *testing.T) {
	var opened, n atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := readCall(r.Body).ID
		switch n.Add(1) % 5 {
		case 0:
			fmt.Fprintf(w, `{"error":{"code":1,"message":"m"},"id":%s}`, id)
		case 1:
			w.Header().Set("Transfer-Encoding", "chunked")
			io.WriteString(w, answer(`"`+strings.Repeat("x", 100_000)+`"`, id)+"\n\n")
		case 2:
			http.Error(w, "404: Not Found", http.StatusNotFound)
		case 3:
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		default:
			io.WriteString(w, answer("1", id))
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client := newClient(t, server.URL)
	for range 200 {
		_, _ = client.Call(t.Context(), "m", nil)
	}
	require.EqualValues(t, 200, n.Load())
	require.EqualValues(t, 1, opened.Load())
}

func TestConcurrentCallsGetTheirOwnAnswers(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		c := readCall(r.Body)
		fmt.Fprint(w, answer(string(c.Params), c.ID))
	})
	client := newClient(t, server.URL)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				params := fmt.Sprintf(`[%d,%d]`, g, i)
				result, err := client.Call(context.Background(), "echo", json.RawMessage(params))
				if err != nil || string(result) != params {
					t.Errorf("got %s, %v; want %s", result, err, params)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestEndpoints(t *testing.T) {
	cases := []struct{ base, call, spec string }{
		{"http://HOST", "/", "/spec"},
		{"http://HOST/", "/", "/spec"},
		{"http://HOST/btc", "/btc", "/btc/spec"},
		{"http://HOST/btc/", "/btc/", "/btc/spec"},
		{"http://HOST/a%2Fb/c", "/a%2Fb/c", "/a%2Fb/c/spec"},
		{"http://HOST/a/b/", "/a/b/", "/a/b/spec"},
		{"http://HOST/btc?token=1#part", "/btc?token=1", "/btc/spec?token=1"},
		{"http://other:pass@HOST/", "/", "/spec"},
	}
	for _, tc := range cases {
		t.Run(tc.base, func(t *testing.T) {
			var got, auth string
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got, auth = r.Method+" "+r.RequestURI, r.Header.Get("Authorization")
				fmt.Fprint(w, answer("1", readCall(r.Body).ID))
			})
			base := strings.Replace(tc.base, "HOST", strings.TrimPrefix(server.URL, "http://"), 1)
			client := newClient(t, base, func(c *jsonrpc.Config, _ *http.Transport) { c.User, c.Password = "", "" })

			_, err := client.Call(t.Context(), "m", nil)
			require.NoError(t, err)
			require.Equal(t, "POST "+tc.call, got)
			_, err = client.Spec(t.Context())
			require.ErrorIs(t, err, jsonrpc.ErrBadAnswer)
			require.Equal(t, "GET "+tc.spec, got)
			require.Empty(t, auth)
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var strays atomic.Int64
	other := serve(t, func(http.ResponseWriter, *http.Request) { strays.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		client := newClient(t, server.URL)
		_, err := client.Call(t.Context(), "m", nil)
		var failure *jsonrpc.TransportError
		require.ErrorAs(t, err, &failure)
		require.Equal(t, status, failure.StatusCode)
		require.True(t, failure.MaybeSent)
		_, err = client.Spec(t.Context())
		require.Error(t, err)
	}
	require.Zero(t, strays.Load())
}

func TestCallersRedirectPolicyIsKept(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, answer("1", readCall(r.Body).ID)) })
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	follow := func(c *jsonrpc.Config, _ *http.Transport) {
		c.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
	}
	_, err := newClient(t, server.URL, follow).Call(t.Context(), "m", nil)
	require.NoError(t, err)

	// The first server had the call, so a second one that is not there does not unsay it.
	other.Close()
	_, err = newClient(t, server.URL, follow).Call(t.Context(), "m", nil)
	var failure *jsonrpc.TransportError
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.MaybeSent)
}

func TestNewDoesNotChangeTheCallersClient(t *testing.T) {
	hc := &http.Client{}
	jsonrpc.New(jsonrpc.Config{URL: mustURL(t, "http://127.0.0.1"), HTTP: hc})
	require.Nil(t, hc.CheckRedirect)
}

func TestIncompleteConfig(t *testing.T) {
	_, err := jsonrpc.New(jsonrpc.Config{}).Call(t.Context(), "m", nil)
	var failure *jsonrpc.TransportError
	require.ErrorAs(t, err, &failure)
	require.False(t, failure.MaybeSent)
}

// One of user and password is enough for a login, and an empty one may be a daemon's.
func TestLogins(t *testing.T) {
	for _, tt := range []struct {
		user, password string
		empty, want    bool
	}{
		{"u", "p", false, true}, {"u", "", false, true}, {"", "p", false, true},
		{"", "", true, true}, {"", "", false, false}, {"u", "p", true, true},
	} {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			user, password, has := r.BasicAuth()
			if has != tt.want || user != tt.user || password != tt.password {
				t.Errorf("%+v: %t %q %q", tt, has, user, password)
			}
			_, _ = io.WriteString(w, answer("1", readCall(r.Body).ID))
		})
		client := newClient(t, server.URL, func(c *jsonrpc.Config, _ *http.Transport) {
			c.User, c.Password, c.EmptyLogin = tt.user, tt.password, tt.empty
		})
		_, err := client.Call(t.Context(), "m", nil)
		require.NoError(t, err)
	}
}
