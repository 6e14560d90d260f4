package bitcart_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// ledger is a daemon and its network in which every call may go wrong in every way. It keeps book
// of what the network has accepted.
type ledger struct {
	keeps bool // its wallet has coins, otherwise a nonce
	trx   bool

	mu       sync.Mutex
	trouble  func(method string) string
	signed   map[string]ledgerTx // by their text
	kept     map[int]string      // coins that the wallet keeps, and for which transaction
	accepted map[int]string      // coins or nonces that are spent
	paid     map[string]int      // accepted payments by address
}

type ledgerTx struct {
	to   string
	coin int
}

func newLedger(currency string, trouble func(method string) string) *ledger {
	return &ledger{
		keeps: currency == "BTC" || currency == "BCH", trx: currency == "TRX", trouble: trouble,
		signed: map[string]ledgerTx{}, kept: map[int]string{}, accepted: map[int]string{}, paid: map[string]int{},
	}
}

var errLost = errors.New("the connection is lost")

func (l *ledger) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := func(status int, kind, body string) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
	if r.Method == http.MethodGet {
		return answer(200, "application/json", `{"version":"4.5.0","exceptions":{}}`)
	}
	var call struct {
		ID     json.RawMessage
		Method string
		Params json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	trouble := l.trouble(call.Method)
	switch trouble {
	case "not sent":
		return nil, errLost
	case "refused":
		return answer(403, "text/html", "<html>no</html>")
	case "error":
		return answer(200, "application/json", fmt.Sprintf(`{"jsonrpc":"2.0","error":{"code":-32603,"message":"Exception: no"},"id":%s}`, call.ID))
	}
	result, text := l.run(call.Method, call.Params)
	switch trouble {
	case "lost":
		return nil, errLost
	case "cut":
		return answer(200, "application/json", `{"jsonrpc":"2.0","resu`)
	case "proxy":
		return answer(502, "text/html", "<html>bad gateway</html>")
	case "null":
		result, text = `null`, ""
	case "odd":
		result, text = `{"odd":[1]}`, ""
	case "flag":
		result, text = `true`, ""
	}
	if text != "" {
		return answer(200, "application/json", fmt.Sprintf(`{"jsonrpc":"2.0","error":{"code":-32603,"message":%q},"id":%s}`, text, call.ID))
	}
	return answer(200, "application/json", fmt.Sprintf(`{"jsonrpc":"2.0","result":%s,"id":%s}`, result, call.ID))
}

// run returns a result, or the text of an error.
func (l *ledger) run(method string, params json.RawMessage) (result, text string) {
	var args []json.RawMessage
	_ = json.Unmarshal(params, &args)
	switch method {
	case "payto":
		if strings.Contains(string(params), `"unsigned":true`) {
			return `{"gas":21000,"gasPrice":5,"nonce":0}`, ""
		}
		var to string
		_ = json.Unmarshal(args[0], &to)
		coin := 0
		for l.kept[coin] != "" || l.accepted[coin] != "" {
			coin++
		}
		raw := fmt.Sprintf("0x02%06x%02x", len(l.signed), coin)
		if l.trx {
			raw = fmt.Sprintf(`{"txID":"%064x"}`, len(l.signed))
		}
		l.signed[raw] = ledgerTx{to, coin}
		return quoted(raw), ""
	case "get_tx_size":
		return `110`, ""
	case "get_default_fee":
		return `"0.00000210"`, ""
	}
	raw := string(args[0])
	if raw[0] == '"' {
		_ = json.Unmarshal(args[0], &raw)
	}
	tx, ok := l.signed[raw]
	if !ok {
		return "", "Exception: no transaction"
	}
	switch method {
	case "addtransaction":
		if other := l.kept[tx.coin]; other != "" && other != raw || l.accepted[tx.coin] != "" && l.accepted[tx.coin] != raw {
			return `false`, ""
		}
		l.kept[tx.coin] = raw
		return `null`, ""
	case "broadcast":
		switch l.accepted[tx.coin] {
		case "":
			l.accepted[tx.coin] = raw
			l.paid[tx.to]++
			return quoted("0x" + strings.Repeat("4a", 32)), ""
		case raw:
			return "", "Exception: already known"
		}
		return "", "Exception: nonce too low, or missing inputs"
	}
	return "", "Exception: Procedure not found"
}

func quoted(raw string) string {
	if raw[0] == '{' {
		return raw
	}
	return `"` + raw + `"`
}

var payTroubles = []string{"not sent", "refused", "error", "lost", "cut", "proxy", "null", "odd", "flag", "ctx"}

var payStyles = map[string][]bitcart.PayOption{
	"plain":             nil,
	"own fee":           {bitcart.WithFeeFunc(func(_ int, fee decimal.Decimal) (decimal.Decimal, error) { return fee, nil })},
	"no fee of its own": {bitcart.WithFeeFunc(func(int, decimal.Decimal) (decimal.Decimal, error) { return decimal.Zero, nil })},
}

// payAsDocumented does what the documentation of PayTo and of BroadcastError asks of a caller, until
// the payment is made or can be no more.
func payAsDocumented(t *testing.T, coin *bitcart.Coin, to string, opts []bitcart.PayOption, each func() context.Context) {
	for range 500 {
		out, err := coin.PayTo(each(), to, dec("1"), opts...)
		var unfinished *bitcart.BroadcastError
		switch {
		case err == nil:
			require.NotEmpty(t, out.TxID)
			return
		case errors.As(err, &unfinished):
			for range 500 {
				_, err := coin.Broadcast(each(), unfinished.RawTx)
				if err == nil || errors.Is(err, bitcart.ErrAlreadyBroadcast) {
					return
				}
			}
			return
		}
		require.NotErrorIs(t, err, bitcart.ErrMaybeSent, "only a broadcast moves money")
	}
	require.Fail(t, "it never came through")
}

// Whatever goes wrong with whatever call, in any order and for callers at the same time: who obeys
// the documentation pays each recipient once.
func TestPaymentsAreMadeOnce(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "BCH", "ETH", "TRX"} {
		for style, opts := range payStyles {
			if currency == "TRX" && opts != nil {
				continue
			}
			t.Run(currency+" "+style, func(t *testing.T) {
				t.Parallel()
				for seed := range uint64(150) {
					payUnderTrouble(t, currency, opts, seed, 1+int(seed%3))
				}
			})
		}
	}
}

func payUnderTrouble(t *testing.T, currency string, opts []bitcart.PayOption, seed uint64, payers int) {
	r := rand.New(rand.NewPCG(seed, 7))
	var cancels []context.CancelFunc // guarded by the ledger's lock
	often := 2 + r.IntN(4)
	l := newLedger(currency, func(string) string {
		if r.IntN(often) > 0 {
			return ""
		}
		trouble := payTroubles[r.IntN(len(payTroubles))]
		if trouble == "ctx" {
			for _, cancel := range cancels {
				cancel()
			}
			return []string{"", "lost"}[r.IntN(2)]
		}
		return trouble
	})
	each := func() context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		l.mu.Lock()
		defer l.mu.Unlock()
		cancels = append(cancels, cancel)
		return ctx
	}
	client := &http.Client{Transport: l}
	url := "http://host/" + strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()) // of a daemon of its own
	var group sync.WaitGroup
	for i := range payers {
		coin := makeCoin(t, currency, bitcart.WithXpub(payerSeed), bitcart.WithHTTPClient(client), bitcart.WithURL(url))
		group.Go(func() { payAsDocumented(t, coin, fmt.Sprint("to ", i), opts, each) })
	}
	group.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cancel := range cancels {
		cancel()
	}
	for to, times := range l.paid {
		require.Equal(t, 1, times, "seed %d: %s", seed, to)
	}
	if payers == 1 {
		require.Equal(t, 1, l.paid["to 0"], "seed %d", seed)
	}
}
