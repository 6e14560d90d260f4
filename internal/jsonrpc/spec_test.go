package jsonrpc_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/jsonrpc"
)

const (
	electrumSpec = `{"version": "4.5.0", "electrum_map": {"request not found": -32003}, "exceptions": {
		"-32003": {"exc_name": "RequestNotFoundError", "docstring": "No such request"},
		"-32601": {"exc_name": "ProcedureNotFoundError", "docstring": ""}},
		"capabilities": {"lightning": true}, "extra": [1]}`
	accountSpec  = `{"version":"4.5.0","exceptions":{"-32003":{"exc_name":"PrivateKeyRequiredError","docstring":"x"}}}`
	unauthorized = `{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Unauthorized"}, "id": null}`
)

func TestSpec(t *testing.T) {
	var asked atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		user, password, _ := r.BasicAuth()
		if r.Method != http.MethodGet || r.URL.Path != "/spec" || user != testUser || password != testPassword {
			io.WriteString(w, unauthorized)
			return
		}
		io.WriteString(w, electrumSpec)
	})
	client := newClient(t, server.URL)
	for range 3 {
		spec, err := client.Spec(t.Context())
		require.NoError(t, err)
		require.Equal(t, &jsonrpc.Spec{
			Version: "4.5.0",
			Exceptions: map[int]jsonrpc.Exception{
				-32003: {Name: "RequestNotFoundError", Docstring: "No such request"},
				-32601: {Name: "ProcedureNotFoundError"},
			},
			Capabilities: map[string]bool{"lightning": true},
			Raw:          []byte(electrumSpec),
		}, spec)
	}
	require.Equal(t, "RequestNotFoundError", client.ErrorName(t.Context(), -32003))
	require.Equal(t, "UnauthorizedError", client.ErrorName(t.Context(), -32600))
	require.Empty(t, client.ErrorName(t.Context(), -32005))
	require.EqualValues(t, 1, asked.Load())
	require.False(t, client.LastAnswer().IsZero())
}

func TestErrorNameDiffersByDaemon(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, accountSpec) })
	client := newClient(t, server.URL)
	require.Equal(t, "PrivateKeyRequiredError", client.ErrorName(t.Context(), -32003))
	spec, err := client.Spec(t.Context())
	require.NoError(t, err)
	require.Nil(t, spec.Capabilities)
}

func TestErrorNameWithoutSpec(t *testing.T) {
	var asked atomic.Int64
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.NotFound(w, r)
	})
	client := newClient(t, server.URL)
	require.Equal(t, "UnauthorizedError", client.ErrorName(t.Context(), -32600))
	require.Zero(t, asked.Load())
	for _, code := range []int{-32003, -32601, -32603, -32700, 0} {
		require.Empty(t, client.ErrorName(t.Context(), code))
	}
	require.EqualValues(t, 1, asked.Load())
}

func TestSpecIsValidated(t *testing.T) {
	exceptions := func(text string) string { return `{"version":"4.5.0","exceptions":` + text + `}` }
	bodies := map[string]string{
		"no JSON":               "leak",
		"empty":                 "",
		"cut":                   accountSpec[:40],
		"garbage after":         accountSpec + "x",
		"array":                 "[" + accountSpec + "]",
		"null":                  "null",
		"no version":            `{"exceptions":{}}`,
		"version null":          `{"version":null,"exceptions":{}}`,
		"version a number":      `{"version":4.5,"exceptions":{}}`,
		"no exceptions":         `{"version":"4.5.0"}`,
		"exceptions null":       exceptions(`null`),
		"exceptions an array":   exceptions(`[]`),
		"exception null":        exceptions(`{"-1":null}`),
		"exception a string":    exceptions(`{"-1":"x"}`),
		"exc_name missing":      exceptions(`{"-1":{"docstring":"x"}}`),
		"exc_name a number":     exceptions(`{"-1":{"exc_name":1,"docstring":"x"}}`),
		"docstring missing":     exceptions(`{"-1":{"exc_name":"x"}}`),
		"docstring null":        exceptions(`{"-1":{"exc_name":"x","docstring":null}}`),
		"one bad among good":    exceptions(`{"-1":{"exc_name":"x","docstring":""},"-2":{}}`),
		"a JSON-RPC result":     `{"result":1,"id":0}`,
		"an error of a gateway": `{"error":{"code":503,"message":"leak"}}`,
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
			client := newClient(t, server.URL)
			_, err := client.Spec(t.Context())
			var failure *jsonrpc.TransportError
			require.ErrorAs(t, err, &failure)
			require.ErrorIs(t, err, jsonrpc.ErrBadAnswer)
			require.False(t, failure.MaybeSent)
			require.NotContains(t, err.Error(), "leak")
			require.True(t, client.LastAnswer().IsZero())
		})
	}
}

func TestSpecIgnoresWhatDaemonsAdd(t *testing.T) {
	for name, body := range map[string]string{
		"odd codes":           `{"version":"","exceptions":{"x":{"exc_name":"a","docstring":""},"1.5":{"exc_name":"b","docstring":""}}}`,
		"odd capabilities":    `{"version":"","exceptions":{},"capabilities":[1]}`,
		"a member error":      `{"version":"","exceptions":{},"error":{"code":1,"message":""},"id":null}`,
		"capabilities null":   `{"version":"","exceptions":{},"capabilities":null}`,
		"exception with more": `{"version":"","exceptions":{"99999999999999999999":{"exc_name":"a","docstring":"","http":400}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
			spec, err := newClient(t, server.URL).Spec(t.Context())
			require.NoError(t, err)
			require.Empty(t, spec.Exceptions)
			require.Nil(t, spec.Capabilities)
		})
	}
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"version":"","exceptions":{},"capabilities":{"lightning":false,"level":3}}`)
	})
	spec, err := newClient(t, server.URL).Spec(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"lightning": false}, spec.Capabilities)
}

func TestSpecRefused(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, unauthorized) })
	client := newClient(t, server.URL)
	_, err := client.Spec(t.Context())
	require.Equal(t, &jsonrpc.Error{Code: -32600, Message: "Unauthorized"}, err)
	require.False(t, client.LastAnswer().IsZero())
}

func TestSpecFailuresAreNeverMaybeSent(t *testing.T) {
	statuses := []int{200, 302, 404, 500, 502}
	for _, status := range statuses {
		server := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			if status != 200 {
				io.WriteString(w, accountSpec) // not to be cached from an error page
			}
		})
		_, err := newClient(t, server.URL).Spec(t.Context())
		var failure *jsonrpc.TransportError
		require.ErrorAs(t, err, &failure)
		require.False(t, failure.MaybeSent)
		require.Equal(t, status, failure.StatusCode)
		require.ErrorIs(t, err, jsonrpc.ErrBadAnswer)
	}
}

// specDaemon answers /spec in place of the network, so that time can be faked.
type specDaemon struct {
	asked  atomic.Int64
	answer func(ctx context.Context, n int64) (string, error)
}

func (d *specDaemon) client(t *testing.T) *jsonrpc.Client {
	return jsonrpc.New(jsonrpc.Config{
		URL: mustURL(t, "http://daemon.invalid"),
		HTTP: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			body, err := d.answer(r.Context(), d.asked.Add(1))
			if err != nil {
				return nil, err
			}
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		})},
	})
}

func hang(ctx context.Context, _ int64) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

func TestSpecIsFetchedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		daemon := &specDaemon{answer: func(context.Context, int64) (string, error) {
			<-release
			return accountSpec, nil
		}}
		client := daemon.client(t)
		specs := make(chan *jsonrpc.Spec, 50)
		for range cap(specs) {
			go func() {
				spec, _ := client.Spec(t.Context())
				specs <- spec
			}()
		}
		synctest.Wait()
		close(release)
		first := <-specs
		require.NotNil(t, first)
		for range cap(specs) - 1 {
			require.Same(t, first, <-specs)
		}
		require.EqualValues(t, 1, daemon.asked.Load())
	})
}

func TestSpecFailureIsSharedAndRemembered(t *testing.T) {
	failures := map[string]func() (string, error){
		"network":      func() (string, error) { return "", errors.New("broken") },
		"no spec":      func() (string, error) { return "{}", nil },
		"unauthorized": func() (string, error) { return unauthorized, nil },
	}
	for name, fail := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				daemon := &specDaemon{answer: func(_ context.Context, n int64) (string, error) {
					if n > 1 {
						return accountSpec, nil
					}
					<-release
					return fail()
				}}
				client := daemon.client(t)
				errs := make(chan error, 20)
				for range cap(errs) {
					go func() {
						_, err := client.Spec(t.Context())
						errs <- err
					}()
				}
				synctest.Wait()
				close(release)
				for range cap(errs) {
					require.Error(t, <-errs)
				}
				time.Sleep(10*time.Second - time.Nanosecond) // fake time
				_, err := client.Spec(t.Context())
				require.Error(t, err)
				require.EqualValues(t, 1, daemon.asked.Load())

				time.Sleep(time.Nanosecond)
				spec, err := client.Spec(t.Context())
				require.NoError(t, err)
				require.Equal(t, "4.5.0", spec.Version)
				require.EqualValues(t, 2, daemon.asked.Load())
			})
		})
	}
}

func TestSpecIsTakenOverWhenTheFetchingCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		daemon := &specDaemon{answer: func(ctx context.Context, n int64) (string, error) {
			if n == 1 {
				return hang(ctx, n)
			}
			return accountSpec, nil
		}}
		client := daemon.client(t)
		firstCtx, leave := context.WithCancel(t.Context())
		firstErr := make(chan error, 1)
		go func() {
			_, err := client.Spec(firstCtx)
			firstErr <- err
		}()
		synctest.Wait()

		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.Spec(impatient)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		others := make(chan error, 5)
		for range cap(others) {
			go func() {
				_, err := client.Spec(t.Context())
				others <- err
			}()
		}
		synctest.Wait()
		require.EqualValues(t, 1, daemon.asked.Load())
		leave()
		require.ErrorIs(t, <-firstErr, context.Canceled)
		for range cap(others) {
			require.NoError(t, <-others)
		}
		require.EqualValues(t, 2, daemon.asked.Load())
	})
}

func TestSpecOfAHangingDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		daemon := &specDaemon{answer: hang}
		client := daemon.client(t)
		start := time.Now()
		require.Empty(t, client.ErrorName(t.Context(), -32003))
		require.Equal(t, 10*time.Second, time.Since(start))
		// Not another 10 s for the next failed call.
		require.Empty(t, client.ErrorName(t.Context(), -32003))
		require.Equal(t, 10*time.Second, time.Since(start))
		require.EqualValues(t, 1, daemon.asked.Load())

		time.Sleep(10 * time.Second) // fake time
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		require.Empty(t, client.ErrorName(ctx, -32003))
		require.Equal(t, time.Second, time.Since(start))
	})
}
