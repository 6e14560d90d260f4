package bitcart_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// wire answers the requests of Coins without a network, and keeps what they sent.
type wire struct {
	spec   string // the document of /spec; "" = none can be had
	answer func(method string) string

	mu   sync.Mutex
	sent []sentCall
}

type sentCall struct {
	Method string
	Params json.RawMessage
}

// result is an answer member of a JSON-RPC envelope, and failure another.
func result(value string) string { return `"result":` + value }

func failure(code int, message string) string {
	return fmt.Sprintf(`"error":{"code":%d,"message":%q}`, code, message)
}

// always gives every call the same answer.
func always(answer string) *wire {
	return &wire{answer: func(string) string { return answer }}
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body := w.spec
	if r.Method == http.MethodPost {
		body = w.call(r.Body)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

func (w *wire) call(body io.ReadCloser) string {
	defer body.Close()
	var call struct {
		sentCall
		ID json.RawMessage
	}
	if err := json.NewDecoder(body).Decode(&call); err != nil {
		return err.Error()
	}
	w.mu.Lock()
	w.sent = append(w.sent, call.sentCall)
	w.mu.Unlock()
	return `{"jsonrpc":"2.0",` + w.answer(call.Method) + `,"id":` + string(call.ID) + `}`
}

// calls is what was sent so far.
func (w *wire) calls() []sentCall {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]sentCall(nil), w.sent...)
}

// last is the one call that was sent.
func (w *wire) last(t testing.TB) sentCall {
	t.Helper()
	calls := w.calls()
	require.Len(t, calls, 1)
	return calls[0]
}

// coinOn makes a Coin whose daemon is w.
func coinOn(t testing.TB, currency string, w *wire, wallet bitcart.Wallet) *bitcart.Coin {
	t.Helper()
	opts := []bitcart.Option{bitcart.WithHTTPClient(&http.Client{Transport: w})}
	if wallet.Xpub != "" {
		opts = append(opts, bitcart.WithWallet(wallet))
	}
	return makeCoin(t, currency, opts...)
}

// exchange is a recorded or documented exchange with a daemon.
type exchange struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Exception string `json:"exc_name"`
}

// exchangeOf reads testdata/rpc/<currency>/<name>.json; ok is false when there is none.
func exchangeOf(t testing.TB, currency, name string) (g exchange, ok bool) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "rpc", currency, name+".json"))
	if os.IsNotExist(err) {
		return exchange{}, false
	}
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &g))
	return g, true
}

// mustExchange is exchangeOf for one that has to be there.
func mustExchange(t testing.TB, currency, name string) exchange {
	t.Helper()
	g, ok := exchangeOf(t, currency, name)
	require.True(t, ok, "there is no %s %s", currency, name)
	return g
}

func (g exchange) answer() string {
	if g.Error != nil {
		return failure(g.Error.Code, g.Error.Message)
	}
	return result(string(g.Result))
}

// wallet is the one that the exchange names.
func (g exchange) wallet(t testing.TB) bitcart.Wallet {
	t.Helper()
	raw := namesOf(t, g.Params)["xpub"]
	var w struct{ Xpub, Contract, Address string }
	switch {
	case len(raw) == 0:
		return bitcart.Wallet{}
	case raw[0] == '"':
		require.NoError(t, json.Unmarshal(raw, &w.Xpub))
	default:
		require.NoError(t, json.Unmarshal(raw, &w))
	}
	return bitcart.Wallet{Xpub: w.Xpub, Contract: w.Contract, Address: w.Address}
}

// arguments are the positional ones.
func (g exchange) arguments(t testing.TB) []json.RawMessage {
	t.Helper()
	var list []json.RawMessage
	if len(g.Params) == 0 || g.Params[0] != '[' {
		return nil
	}
	require.NoError(t, json.Unmarshal(g.Params, &list))
	if n := len(list); n > 0 && list[n-1][0] == '{' {
		list = list[:n-1]
	}
	return list
}

// text is a positional argument.
func (g exchange) text(t testing.TB, i int) string {
	t.Helper()
	var text string
	require.NoError(t, json.Unmarshal(g.arguments(t)[i], &text))
	return text
}

// specOf is the document that daemons of a currency serve.
func specOf(t testing.TB, currency string) string {
	t.Helper()
	return string(mustExchange(t, currency, "spec").Result)
}

// packed is JSON without spaces.
func packed(t testing.TB, raw json.RawMessage) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, json.Compact(&out, raw))
	return out.String()
}

// everyCurrency are the known ones.
var everyCurrency = []string{"BTC", "LTC", "GRS", "BCH", "XRG", "ETH", "BNB", "MATIC", "TRX", "XMR"}

// walletOf is some wallet of a currency.
func walletOf(currency string) bitcart.Wallet {
	if currency == "XMR" {
		return bitcart.Wallet{Xpub: strings.Repeat("5c", 32), Address: "4Test"}
	}
	return bitcart.Wallet{Xpub: "test wallet of " + currency}
}
