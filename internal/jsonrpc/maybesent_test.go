package jsonrpc_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/jsonrpc"
)

// transportError makes a call with secrets in it and checks that none is in the error.
func transportError(t *testing.T, ctx context.Context, client *jsonrpc.Client) *jsonrpc.TransportError {
	t.Helper()
	_, err := client.Call(ctx, "payto", json.RawMessage(`{"xpub":"`+testXpub+`"}`))
	var failure *jsonrpc.TransportError
	require.ErrorAs(t, err, &failure)
	for _, text := range []string{err.Error(), failure.Err.Error()} {
		require.NotContains(t, text, testXpub)
		require.NotContains(t, text, testPassword)
		require.NotContains(t, text, "Basic")
		require.NotContains(t, text, "payto")
		require.NotContains(t, text, "http://")
		require.NotContains(t, text, "leak")
		require.Less(t, len(text), 200)
	}
	require.True(t, client.LastAnswer().IsZero() || failure.StatusCode == 500)
	return failure
}

func TestNotSentWithoutConnection(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	gone.Close()
	refused := "http://" + gone.Addr().String()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	hangsUp := serveHandshake(t)

	dialer := func(control error) func(*jsonrpc.Config, *http.Transport) {
		return func(_ *jsonrpc.Config, tr *http.Transport) {
			d := net.Dialer{Control: func(string, string, syscall.RawConn) error { return control }}
			tr.DialContext = d.DialContext
		}
	}
	noDNS := func(_ *jsonrpc.Config, tr *http.Transport) {
		d := net.Dialer{Resolver: &net.Resolver{PreferGo: true,
			Dial: func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }}}
		tr.DialContext = d.DialContext
	}
	proxy := func(address string) func(*jsonrpc.Config, *http.Transport) {
		return func(_ *jsonrpc.Config, tr *http.Transport) { tr.Proxy = http.ProxyURL(mustURL(t, address)) }
	}
	noConnect := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "leak", http.StatusBadGateway) }).URL
	wantsLogin := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "leak", http.StatusProxyAuthRequired) }).URL
	badProxy := func(_ *jsonrpc.Config, tr *http.Transport) {
		tr.Proxy = func(*http.Request) (*url.URL, error) {
			return nil, fmt.Errorf("invalid proxy address %q", "http://leak")
		}
	}

	cases := []struct {
		name, url string
		tune      func(*jsonrpc.Config, *http.Transport)
		cause     error
	}{
		{"refused", refused, nil, syscall.ECONNREFUSED},
		{"unreachable", refused, dialer(syscall.ENETUNREACH), syscall.ENETUNREACH},
		{"name unknown", "http://daemon.invalid", noDNS, nil},
		{"certificate unknown", secure.URL, nil, nil},
		{"TLS handshake broken off", hangsUp, nil, nil},
		{"TLS on a plain port", strings.Replace(noConnect, "http:", "https:", 1), nil, nil},
		{"proxy refuses the connection", "http://127.0.0.1:1", proxy(refused), syscall.ECONNREFUSED},
		{"proxy refuses the tunnel", "https://127.0.0.1:1", proxy(noConnect), nil},
		{"proxy wants a login for the tunnel", "https://127.0.0.1:1", proxy(wantsLogin), nil},
		{"proxy address unusable", "http://127.0.0.1:1", badProxy, nil},
		{"no host", "http:///x", nil, nil},
		{"no such scheme", "ftp://127.0.0.1", nil, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			tune := tc.tune
			if tune == nil {
				tune = func(*jsonrpc.Config, *http.Transport) {}
			}
			failure := transportError(t, t.Context(), newClient(t, tc.url, tune))
			require.False(t, failure.MaybeSent)
			require.Zero(t, failure.StatusCode)
			require.NotErrorAs(t, failure, new(*url.Error))
			if tc.cause != nil {
				require.ErrorIs(t, failure, tc.cause)
			}
		})
	}
}

// serveHandshake is an https address that hangs up on the first bytes of a handshake.
func serveHandshake(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(conn).ReadByte()
			conn.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return "https://" + ln.Addr().String()
}

func TestNotSentWhenContextEndsBeforeAConnection(t *testing.T) {
	dialing := make(chan struct{}, 1)
	never := func(_ *jsonrpc.Config, tr *http.Transport) {
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			dialing <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}
	t.Run("before the call", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		failure := transportError(t, ctx, newClient(t, "http://127.0.0.1:1"))
		require.False(t, failure.MaybeSent)
		require.ErrorIs(t, failure, context.Canceled)
	})
	t.Run("before the call, foreign RoundTripper", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		failure := transportError(t, ctx, newClient(t, "http://127.0.0.1:1", func(c *jsonrpc.Config, _ *http.Transport) {
			c.HTTP.Transport = roundTripper(func(r *http.Request) (*http.Response, error) { return nil, r.Context().Err() })
		}))
		require.False(t, failure.MaybeSent)
		require.ErrorIs(t, failure, context.Canceled)
	})
	t.Run("cancelled while dialling", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-dialing; cancel() }()
		failure := transportError(t, ctx, newClient(t, "http://127.0.0.1:1", never))
		require.False(t, failure.MaybeSent)
		require.ErrorIs(t, failure, context.Canceled)
	})
	t.Run("deadline while dialling", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		failure := transportError(t, ctx, newClient(t, "http://127.0.0.1:1", never))
		<-dialing
		require.False(t, failure.MaybeSent)
		require.ErrorIs(t, failure, context.DeadlineExceeded)
	})
	t.Run("while all connections are busy", func(t *testing.T) {
		entered, leave := make(chan struct{}), make(chan struct{})
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			c := readCall(r.Body)
			close(entered)
			<-leave
			io.WriteString(w, answer("1", c.ID))
		})
		client := newClient(t, server.URL, func(_ *jsonrpc.Config, tr *http.Transport) { tr.MaxConnsPerHost = 1 })
		first := make(chan error)
		go func() {
			_, err := client.Call(context.Background(), "m", nil)
			first <- err
		}()
		<-entered
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		failure := transportError(t, ctx, client)
		require.False(t, failure.MaybeSent)
		require.ErrorIs(t, failure, context.DeadlineExceeded)
		close(leave)
		require.NoError(t, <-first)
	})
}

func TestMaybeSentWhenTheAnswerDoesNotCome(t *testing.T) {
	send := func(text string) func(net.Conn, call) bool {
		return func(conn net.Conn, _ call) bool { io.WriteString(conn, text); return false }
	}
	cases := []struct {
		name   string
		handle func(net.Conn, call) bool
		status int
		cause  error
	}{
		{"end", send(""), 0, io.EOF},
		{"reset", func(conn net.Conn, _ call) bool { reset(conn); return false }, 0, syscall.ECONNRESET},
		{"end inside the headers", send("HTTP/1.1 200 OK\r\nContent-"), 0, nil},
		{"no HTTP", send("leak" + testXpub + "\r\n\r\n"), 0, nil},
		{"no HTTP header", send("HTTP/1.1 200 OK\r\nleak" + testXpub + "\r\n\r\n"), 0, nil},
		{"no HTTP header, first line", send("HTTP/1.1 200 OK\r\n leak\r\n\r\n"), 0, nil},
		{"redirect to nowhere", send("HTTP/1.1 302 Found\r\nLocation: http://leak:%zz\r\nContent-Length: 0\r\n\r\n"), 0, nil},
		{"end inside the body", send("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"jsonrpc\":"), 200, io.ErrUnexpectedEOF},
		{"end inside a chunk", send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"leak\":"), 200, io.ErrUnexpectedEOF},
		{"body of unknown length cut", send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"leak\":"), 200, jsonrpc.ErrBadAnswer},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			failure := transportError(t, t.Context(), newClient(t, serveRaw(t, tc.handle)))
			require.True(t, failure.MaybeSent)
			require.Equal(t, tc.status, failure.StatusCode)
			if tc.cause != nil {
				require.ErrorIs(t, failure, tc.cause)
			}
		})
	}
}

func TestMaybeSentWhenContextEnds(t *testing.T) {
	own := errors.New("leak: the caller's reason")
	contexts := []struct {
		name  string
		end   func(parent context.Context, arrived <-chan struct{}) (context.Context, context.CancelFunc)
		cause error
	}{
		{"deadline", func(parent context.Context, _ <-chan struct{}) (context.Context, context.CancelFunc) {
			return context.WithTimeout(parent, 30*time.Millisecond)
		}, context.DeadlineExceeded},
		{"cancelled", func(parent context.Context, arrived <-chan struct{}) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(parent)
			go func() { <-arrived; cancel() }()
			return ctx, cancel
		}, context.Canceled},
		{"cancelled with a cause", func(parent context.Context, arrived <-chan struct{}) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(parent)
			go func() { <-arrived; cancel(own) }()
			return ctx, func() { cancel(nil) }
		}, context.Canceled},
	}
	for _, tc := range contexts {
		for _, headers := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, headers %t", tc.name, headers), func(t *testing.T) {
				arrived := make(chan struct{})
				base := serveRaw(t, func(conn net.Conn, _ call) bool {
					if headers {
						io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
					}
					close(arrived)
					_, _ = conn.Read(make([]byte, 1)) // until the client goes away
					return false
				})
				ctx, cancel := tc.end(t.Context(), arrived)
				defer cancel()
				_, err := newClient(t, base).Call(ctx, "m", nil)
				var failure *jsonrpc.TransportError
				require.ErrorAs(t, err, &failure)
				<-arrived
				require.True(t, failure.MaybeSent)
				require.ErrorIs(t, err, tc.cause)
			})
		}
	}
}

func TestMaybeSentWhenTheClientsTimeoutEnds(t *testing.T) {
	base := serveRaw(t, func(conn net.Conn, _ call) bool {
		_, _ = conn.Read(make([]byte, 1))
		return false
	})
	client := newClient(t, base, func(c *jsonrpc.Config, _ *http.Transport) { c.HTTP.Timeout = 30 * time.Millisecond })
	failure := transportError(t, t.Context(), client)
	require.True(t, failure.MaybeSent)
	require.ErrorIs(t, failure, context.DeadlineExceeded)
}

func TestMaybeSentByStatus(t *testing.T) {
	const own = "500 Internal Server Error\n\nServer got itself in trouble"
	const page = "<html>leak " + testXpub + "</html>"
	cases := []struct {
		status     int
		kind, body string
		maybe      bool
	}{
		{400, "text/plain", "400: Bad Request", false},
		{401, "text/html", page, false},
		{403, "text/html", page, false},
		{404, "text/plain; charset=utf-8", "404: Not Found", false},
		{405, "text/plain; charset=utf-8", "405: Method Not Allowed", false},
		{407, "text/html", page, false},
		{413, "text/plain; charset=utf-8", "Maximum request body size 1048576 exceeded, actual body size 1271636", false},
		{429, "", "", false},
		{404, "application/json", `{"error":"not found"}`, false},
		{404, "application/json", `{"result":1,"id":987}`, true},

		{500, "text/plain; charset=utf-8", own, true}, // also when an answer cannot be encoded, after the method ran
		{500, "text/html", own, true},
		{500, "text/plain", "500 Internal Server Error", true},
		{500, "text/plain", "Server got itself in trouble", true},
		{500, "text/html", "<html><title>500 Internal Server Error</title>leak</html>", true},
		{500, "text/plain", "500 Internal Server Error\n\nTraceback (most recent call last): leak", true},
		{502, "text/plain", own, true},
		{502, "text/html", page, true},
		{503, "", "", true},
		{504, "text/plain", "upstream timed out", true},
		{599, "text/html", page, true},

		{200, "text/html", page, true},
		{200, "application/json", `{"leak":1}`, true},
		{200, "text/plain", own, true},
		{202, "application/json", `{}`, true},
		{204, "", "", true},
		{300, "text/html", page, true},
		{302, "text/html", page, true},
		{304, "", "", true},
		{200, `leak"` + "; x", "x", true},
		{200, "leak/" + strings.Repeat("x", 200), "x", true},
	}
	for _, tc := range cases {
		t.Run(fmt.Sprint(tc.status, " ", tc.kind, " ", len(tc.body)), func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", tc.kind)
				w.WriteHeader(tc.status)
				io.WriteString(w, tc.body)
			})
			client := newClient(t, server.URL)
			failure := transportError(t, t.Context(), client)
			require.Equal(t, tc.maybe, failure.MaybeSent)
			require.Equal(t, tc.status, failure.StatusCode)
			require.ErrorIs(t, failure, jsonrpc.ErrBadAnswer)
			require.Contains(t, failure.Error(), fmt.Sprintf("HTTP status %d", tc.status))
			isOwn := tc.status == 500 && tc.body == own && strings.HasPrefix(tc.kind, "text/plain")
			require.Equal(t, isOwn, !client.LastAnswer().IsZero())
		})
	}
}

func TestAnswerLimit(t *testing.T) {
	const limit = 1000
	fill := func(id json.RawMessage, size int) string {
		empty := len(answer(`""`, id))
		return answer(`"`+strings.Repeat("x", size-empty)+`"`, id)
	}
	for _, tc := range []struct {
		name string
		size int
		send func(w http.ResponseWriter, body string)
		ok   bool
	}{
		{"at the limit", limit, func(w http.ResponseWriter, body string) { io.WriteString(w, body) }, true},
		{"at the limit, chunked", limit, writeChunked, true},
		{"above", limit + 1, func(w http.ResponseWriter, body string) { io.WriteString(w, body) }, false},
		{"above, chunked", limit + 1, writeChunked, false},
		{"far above, chunked", 2 << 20, writeChunked, false},
		{"compressed far above", 2 << 20, writeGzip, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) { tc.send(w, fill(readCall(r.Body).ID, tc.size)) })
			client := newClient(t, server.URL, func(c *jsonrpc.Config, _ *http.Transport) { c.MaxAnswer = limit })
			_, err := client.Call(t.Context(), "m", nil)
			if tc.ok {
				require.NoError(t, err)
				return
			}
			var failure *jsonrpc.TransportError
			require.ErrorAs(t, err, &failure)
			require.ErrorIs(t, err, jsonrpc.ErrTooLarge)
			require.True(t, failure.MaybeSent)
			require.Equal(t, 200, failure.StatusCode)
		})
	}
}

func writeChunked(w http.ResponseWriter, body string) {
	w.(http.Flusher).Flush()
	io.WriteString(w, body)
}

func writeGzip(w http.ResponseWriter, body string) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, body)
	z.Close()
	w.Header().Set("Content-Encoding", "gzip")
	w.Write(packed.Bytes())
}

// The daemon kills a connection after it has read a call on it: net/http would send a GET again, a
// call never.
func TestCallIsSentOnceOnAReusedConnection(t *testing.T) {
	for name, end := range map[string]func(net.Conn){"end": func(c net.Conn) { c.Close() }, "reset": reset} {
		t.Run(name, func(t *testing.T) {
			var handled atomic.Int64
			base := serveRaw(t, func(conn net.Conn, c call) bool {
				if handled.Add(1) > 1 {
					end(conn)
					return false
				}
				writeAnswer(conn, c)
				return true
			})
			client := newClient(t, base)
			_, err := client.Call(t.Context(), "m", nil)
			require.NoError(t, err)
			_, err = client.Call(t.Context(), "m", nil)
			var failure *jsonrpc.TransportError
			require.ErrorAs(t, err, &failure)
			require.True(t, failure.MaybeSent)
			require.EqualValues(t, 2, handled.Load())
		})
	}
}

// The daemon kills connections as soon as they are idle, in a race with the next call.
func TestCallIsSentAtMostOnceWhileIdleConnectionsDie(t *testing.T) {
	const calls = 500
	var handled [calls + 1]atomic.Int64
	var n atomic.Int64
	base := serveRaw(t, func(conn net.Conn, c call) bool {
		var id int
		_ = json.Unmarshal(c.ID, &id)
		handled[id].Add(1)
		writeAnswer(conn, c)
		if n.Add(1)%2 == 0 {
			reset(conn)
		}
		return false
	})
	client := newClient(t, base)
	for id := 1; id <= calls; id++ {
		_, err := client.Call(t.Context(), "m", nil)
		times := handled[id].Load()
		require.LessOrEqual(t, times, int64(1))
		var failure *jsonrpc.TransportError
		if !errors.As(err, &failure) {
			require.NoError(t, err)
			require.EqualValues(t, 1, times)
		} else if times == 1 {
			require.True(t, failure.MaybeSent)
		}
	}
}

// A connection that takes nothing any more lets net/http try another one, which is safe.
func TestNothingWrittenIsNotSent(t *testing.T) {
	for _, redial := range []bool{true, false} {
		t.Run(fmt.Sprint("redial ", redial), func(t *testing.T) {
			var handled, dials atomic.Int64
			base := serveRaw(t, func(conn net.Conn, c call) bool {
				handled.Add(1)
				writeAnswer(conn, c)
				return true
			})
			client := newClient(t, base, func(_ *jsonrpc.Config, tr *http.Transport) {
				tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
					if dials.Add(1) > 1 && !redial {
						return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
					}
					conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
					return &oneWrite{Conn: conn}, err
				}
			})
			_, err := client.Call(t.Context(), "m", nil)
			require.NoError(t, err)
			_, err = client.Call(t.Context(), "m", nil)
			require.EqualValues(t, 2, dials.Load())
			if redial {
				require.NoError(t, err)
				require.EqualValues(t, 2, handled.Load())
				return
			}
			var failure *jsonrpc.TransportError
			require.ErrorAs(t, err, &failure)
			require.False(t, failure.MaybeSent)
			require.EqualValues(t, 1, handled.Load())
		})
	}
}

// oneWrite is a connection that fails after its first write.
type oneWrite struct {
	net.Conn
	writes atomic.Int64
}

func (c *oneWrite) Write(b []byte) (int, error) {
	if c.writes.Add(1) > 1 {
		return 0, &net.OpError{Op: "write", Err: syscall.EPIPE}
	}
	return c.Conn.Write(b)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A RoundTripper of the caller may not report to httptrace. Then only a proof counts.
func TestForeignRoundTripper(t *testing.T) {
	for _, tc := range []struct {
		name  string
		err   error
		maybe bool
	}{
		{"unknown failure", errors.New("stream broke"), true},
		{"read failure", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{"header without quotation marks", textproto.ProtocolError("malformed MIME header line: leak"), true},
		{"no connection", fmt.Errorf("traced: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), false},
		{"no address", &net.DNSError{Name: "daemon.invalid", IsNotFound: true}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client := newClient(t, "http://daemon.invalid", func(c *jsonrpc.Config, _ *http.Transport) {
				c.HTTP.Transport = roundTripper(func(*http.Request) (*http.Response, error) { return nil, tc.err })
			})
			require.Equal(t, tc.maybe, transportError(t, t.Context(), client).MaybeSent)
		})
	}
}

// A RoundTripper that sends again by itself: the last try does not unsay the first.
func TestForeignRoundTripperThatSendsAgain(t *testing.T) {
	base := serveRaw(t, func(conn net.Conn, _ call) bool { reset(conn); return false })
	client := newClient(t, base, func(c *jsonrpc.Config, tr *http.Transport) {
		var dials atomic.Int64
		tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials.Add(1) > 1 {
				return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		c.HTTP.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if resp, err := tr.RoundTrip(r); err == nil {
				return resp, nil
			}
			r.Body, _ = r.GetBody()
			return tr.RoundTrip(r)
		})
	})
	failure := transportError(t, t.Context(), client)
	require.True(t, failure.MaybeSent)
	require.ErrorIs(t, failure, syscall.ECONNREFUSED)
}

// A RoundTripper that has asked for a connection and got none has sent nothing, whatever it says of it.
func TestForeignRoundTripperThatHidesWhy(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	client := newClient(t, "http://"+gone.Addr().String(), func(c *jsonrpc.Config, tr *http.Transport) {
		c.HTTP.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if _, err := tr.RoundTrip(r); err == nil {
				t.Error("somebody answers")
			}
			return nil, errors.New("no luck")
		})
	})
	failure := transportError(t, t.Context(), client)
	require.False(t, failure.MaybeSent)
	require.EqualError(t, failure.Err, "no luck")
}

// What an error quotes is not shown, also when it begins with that.
func TestQuotedErrorIsNotShown(t *testing.T) {
	for text, want := range map[string]string{
		`"leak" is no answer`:    "HTTP exchange failed",
		"\nleak":                 "HTTP exchange failed",
		`malformed answer "leak`: "malformed answer",
		"cut `leak`":             "cut",
		"bad (\"leak\")":         "bad",
	} {
		client := newClient(t, "http://daemon.invalid", func(c *jsonrpc.Config, _ *http.Transport) {
			c.HTTP.Transport = roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New(text) })
		})
		require.EqualError(t, transportError(t, t.Context(), client).Err, want)
	}
}

// An answer that is too large is not read to its end: the daemon is let go.
func TestTooLargeAnswerEndsTheConnection(t *testing.T) {
	over := make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(over)
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 4096))
		}
	})
	client := newClient(t, server.URL, func(c *jsonrpc.Config, _ *http.Transport) { c.MaxAnswer = 1000 })
	_, err := client.Call(t.Context(), "m", nil)
	require.ErrorIs(t, err, jsonrpc.ErrTooLarge)
	select {
	case <-over:
	case <-time.After(10 * time.Second):
		server.CloseClientConnections()
		require.Fail(t, "the daemon still writes")
	}
}
