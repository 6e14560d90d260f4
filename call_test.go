package bitcart_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// echoing makes a daemon answer a method "echo" with null, whatever its arguments are.
func echoing(d *bitcarttest.Daemon) {
	d.Handle("echo", func(*bitcarttest.Call) (any, error) { return nil, nil })
}

// lastCall is the last call of a method.
func lastCall(t testing.TB, d *bitcarttest.Daemon, method string) bitcarttest.Call {
	t.Helper()
	calls := d.Calls()
	for _, c := range slices.Backward(calls) {
		if c.Method == method {
			return c
		}
	}
	require.FailNow(t, "no call of "+method)
	return bitcarttest.Call{}
}

func TestCallParams(t *testing.T) {
	t.Parallel()
	type own struct {
		A int `json:"a"`
	}
	tests := []struct {
		name   string
		params []any
		args   []string
		named  map[string]string
	}{
		{name: "none"},
		{name: "positional", params: []any{"a", 1, true, nil}, args: []string{`"a"`, `1`, `true`, `null`}},
		{name: "named", params: []any{bitcart.Named{"a": 1, "b": "x"}}, named: map[string]string{"a": `1`, "b": `"x"`}},
		{
			name: "both", params: []any{"key", bitcart.Named{"verbose": false}},
			args: []string{`"key"`}, named: map[string]string{"verbose": `false`},
		},
		{name: "nil names", params: []any{"key", bitcart.Named(nil)}, args: []string{`"key"`}},
		{name: "only nil names", params: []any{bitcart.Named(nil)}},
		{name: "empty names", params: []any{bitcart.Named{}}},
		{name: "lists", params: []any{[]any{[]string{"a", "0.1"}}}, args: []string{`[["a","0.1"]]`}},
		{name: "a map is positional", params: []any{map[string]any{"a": 1}}, args: []string{`{"a":1}`}},
		{name: "a struct is positional", params: []any{"x", own{1}}, args: []string{`"x"`, `{"a":1}`}},
		{
			name: "a map in front of names", params: []any{map[string]any{"a": 1}, bitcart.Named{"b": 2}},
			args: []string{`{"a":1}`}, named: map[string]string{"b": `2`},
		},
		{name: "raw JSON", params: []any{json.RawMessage(`{"a":1}`)}, args: []string{`{"a":1}`}},
		{name: "text is not HTML", params: []any{"<a&b>"}, args: []string{`"<a&b>"`}},
	}
	d := newDaemon(t, "ETH")
	echoing(d)
	coins := map[string]*bitcart.Coin{"without wallet": newCoin(t, d), "with wallet": newWalletCoin(t, d)}
	for _, test := range tests {
		for kind, coin := range coins {
			t.Run(test.name+" "+kind, func(t *testing.T) {
				require.NoError(t, coin.Call(patient(t), nil, "echo", test.params...))
				call := lastCall(t, d, "echo")
				require.Equal(t, coin.WalletKey(), call.Wallet)
				require.Len(t, call.Args, len(test.args))
				for i, want := range test.args {
					require.JSONEq(t, want, string(call.Args[i]))
				}
				require.Len(t, call.Named, len(test.named))
				for name, want := range test.named {
					require.JSONEq(t, want, string(call.Named[name]), name)
				}
			})
		}
	}
}

func TestCallDoesNotChangeItsParams(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	echoing(d)
	named := bitcart.Named{"a": 1}
	list := []any{"x", named}
	require.NoError(t, newWalletCoin(t, d).Call(patient(t), nil, "echo", list...))
	require.Equal(t, bitcart.Named{"a": 1}, named)
	require.Equal(t, []any{"x", bitcart.Named{"a": 1}}, list)
}

// selfMade encodes itself, by its pointer's method.
type selfMade struct{ A int }

func (*selfMade) MarshalJSON() ([]byte, error) { return []byte(`"made"`), nil }

func TestCallSendsMoneyAsText(t *testing.T) {
	t.Parallel()
	amount := decimal.RequireFromString("0.1")
	huge := decimal.RequireFromString("123456789012345678901234567890.000000000000000001")
	type output struct {
		To     string          `json:"to"`
		Amount decimal.Decimal `json:"amount"`
	}
	tests := []struct {
		name   string
		params []any
		want   string
	}{
		{"positional", []any{amount}, `"0.1"`},
		{"more digits than a float has", []any{huge}, `"123456789012345678901234567890.000000000000000001"`},
		{"small", []any{decimal.New(1, -18)}, `"0.000000000000000001"`},
		{"large", []any{decimal.New(1, 20)}, `"100000000000000000000"`},
		{"null", []any{decimal.NullDecimal{}}, `null`},
		{"not null", []any{decimal.NewNullDecimal(amount)}, `"0.1"`},
		{"pointer", []any{&amount}, `"0.1"`},
		{"in a list", []any{[]any{[]any{"addr", amount}}}, `[["addr","0.1"]]`},
		{"in a struct", []any{[]output{{"addr", amount}}}, `[{"to":"addr","amount":"0.1"}]`},
		{"in a map", []any{[]any{map[string]any{"v": amount}}}, `[{"v":"0.1"}]`},
		{"big integer", []any{big.NewInt(25)}, `"25"`},
		{"big integer by value", []any{*big.NewInt(25)}, `"25"`},
		{"no big integer", []any{(*big.Int)(nil)}, `null`},
		{"big integers in a list", []any{[]*big.Int{big.NewInt(25), nil}}, `["25",null]`},
		{"big integers in a map", []any{[]any{map[string]*big.Int{"v": big.NewInt(25)}}}, `[{"v":"25"}]`},
		{"lists in a list", []any{[][]decimal.Decimal{{amount}, nil}}, `[["0.1"],null]`},
		{"in an array", []any{[1]decimal.NullDecimal{{}}}, `[null]`},
		{"pointer to a list", []any{&[]any{amount}}, `["0.1"]`},
		{"own names in a list", []any{[]bitcart.Named{{"v": big.NewInt(25)}}}, `[{"v":"25"}]`},
		{"zero of any size", []any{decimal.New(0, 1<<30)}, `"0"`},
		{"bytes", []any{[]byte("x")}, `"eA=="`},
		{"with a method of its pointer", []any{[]selfMade{{1}}}, `["made"]`},
		{"not null, in a list", []any{[]decimal.NullDecimal{decimal.NewNullDecimal(amount)}}, `["0.1"]`},
	}
	d := newDaemon(t, "BTC")
	echoing(d)
	coin := newWalletCoin(t, d)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, coin.Call(patient(t), nil, "echo", test.params...))
			require.JSONEq(t, test.want, string(lastCall(t, d, "echo").Args[0]))
		})
	}
	t.Run("named", func(t *testing.T) {
		require.NoError(t, coin.Call(patient(t), nil, "echo", bitcart.Named{"amount": amount, "fee": decimal.NullDecimal{}}))
		named := lastCall(t, d, "echo").Named
		require.Equal(t, `"0.1"`, string(named["amount"]))
		require.Equal(t, `null`, string(named["fee"]))
	})
}

// A few characters spell an amount that takes all memory to write out.
func TestCallRefusesAmountsWithoutEnd(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	echoing(d)
	coin := newCoin(t, d)
	for _, exponent := range []int32{1001, -1001, 1 << 25, -1 << 25} {
		amount := decimal.New(1, exponent)
		for _, param := range []any{
			amount, &amount, decimal.NewNullDecimal(amount), []any{amount}, map[string]any{"a": amount}, bitcart.Named{"a": amount},
		} {
			err := coin.Call(patient(t), nil, "echo", param)
			require.ErrorIs(t, err, bitcart.ErrInvalidAmount)
			require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
			require.Less(t, len(err.Error()), 300)
		}
	}
	require.Zero(t, d.CountCalls(""))
	require.NoError(t, coin.Call(patient(t), nil, "echo", decimal.New(1, -255)), "a token's")
}

// A value that holds itself is an error, not the end of the program.
func TestCallWithAnEndlessArgument(t *testing.T) {
	t.Parallel()
	list := []any{nil}
	list[0] = list
	twice := []any{nil, nil}
	twice[0], twice[1] = twice, twice
	names := map[string]any{}
	names["a"] = names
	var pointer any
	pointer = &pointer
	coin := makeCoin(t, "BTC")
	for _, param := range []any{list, twice, names, pointer, bitcart.Named{"a": list}} {
		require.Error(t, coin.Call(t.Context(), nil, "echo", param))
	}
}

// The decimal package has a switch for the whole program; what the daemon gets must not hang on it.
func TestCallSendsMoneyAsTextWhateverTheProgramSets(t *testing.T) {
	decimal.MarshalJSONWithoutQuotes = true
	defer func() { decimal.MarshalJSONWithoutQuotes = false }()
	d := newDaemon(t, "BTC")
	echoing(d)
	amount := decimal.RequireFromString("0.1")
	require.NoError(t, newCoin(t, d).Call(patient(t), nil, "echo", amount, bitcart.Named{"amount": amount}))
	call := lastCall(t, d, "echo")
	require.Equal(t, `"0.1"`, string(call.Args[0]))
	require.Equal(t, `"0.1"`, string(call.Named["amount"]))
}

func TestCallNamesTheWallet(t *testing.T) {
	t.Parallel()
	const key = "0x1111111111111111111111111111111111111111"
	tests := []struct {
		name, currency string
		wallet         bitcart.Wallet
		want           string // "" = nothing, or null
	}{
		{"no wallet", "BTC", bitcart.Wallet{}, ""},
		{"xpub", "BTC", bitcart.Wallet{Xpub: "xpub6abcdefgh"}, `"xpub6abcdefgh"`},
		{"seed", "BTC", bitcart.Wallet{Xpub: `a "b" \c`}, `"a \"b\" \\c"`},
		{"token", "ETH", bitcart.Wallet{Xpub: key, Contract: "0xAbC"}, `{"xpub":"` + key + `","contract":"0xAbC"}`},
		{"XMR", "XMR", bitcart.Wallet{Xpub: strings.Repeat("ab", 32), Address: "4A"}, `{"xpub":"` + strings.Repeat("ab", 32) + `","address":"4A"}`},
		{"diskless", "BTC", bitcart.Wallet{Xpub: "xpub6abcdefgh", Diskless: true}, `{"xpub":"xpub6abcdefgh","diskless":true}`},
		{"diskless token", "ETH", bitcart.Wallet{Xpub: key, Contract: "0xAbC", Diskless: true}, `{"xpub":"` + key + `","contract":"0xAbC","diskless":true}`},
	}
	s := newStub(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			opts := []bitcart.Option{bitcart.WithURL(s.URL)}
			if test.want != "" {
				opts = append(opts, bitcart.WithWallet(test.wallet))
			}
			coin := makeCoin(t, test.currency, opts...)
			t.Cleanup(coin.CloseIdleConnections)

			require.NoError(t, coin.Call(patient(t), nil, "m"))
			requireXpub(t, test.want, namesOf(t, s.lastParams(t)))

			require.NoError(t, coin.Call(patient(t), nil, "m", bitcart.Named{"a": 1}))
			names := namesOf(t, s.lastParams(t))
			requireXpub(t, test.want, names)
			require.JSONEq(t, `1`, string(names["a"]))

			require.NoError(t, coin.Call(patient(t), nil, "m", "p"))
			requireXpub(t, test.want, namesOf(t, s.lastParams(t)))
		})
	}
}

// namesOf are the named arguments of a call.
func namesOf(t testing.TB, params json.RawMessage) map[string]json.RawMessage {
	t.Helper()
	require.NotEqual(t, "null", string(params), "the daemon fails on null params")
	if len(params) == 0 {
		return nil
	}
	var names map[string]json.RawMessage
	if params[0] == '{' {
		require.NoError(t, json.Unmarshal(params, &names))
		return names
	}
	var list []json.RawMessage
	require.NoError(t, json.Unmarshal(params, &list))
	if n := len(list); n > 0 && list[n-1][0] == '{' {
		require.NoError(t, json.Unmarshal(list[n-1], &names))
	}
	return names
}

func requireXpub(t testing.TB, want string, names map[string]json.RawMessage) {
	t.Helper()
	require.NotContains(t, names, "wallet", "an argument of that name replaces the wallet")
	if want == "" {
		require.Contains(t, []string{"", "null"}, string(names["xpub"]))
		return
	}
	require.JSONEq(t, want, string(names["xpub"]))
}

func TestCallResults(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(s *stub) {
		s.results["big"] = `{"wei":25000000000000000000,"rate":0.1,"list":[1,null]}`
		s.results["text"] = `"a"`
		s.results["no"] = `null`
	})
	coin := coinAt(t, s.URL)

	var any any
	require.NoError(t, coin.Call(patient(t), &any, "big"))
	require.Equal(t, map[string]interface{}{
		"wei": json.Number("25000000000000000000"), "rate": json.Number("0.1"), "list": []interface{}{json.Number("1"), nil},
	}, any)

	var typed struct{ Wei decimal.Decimal }
	require.NoError(t, coin.Call(patient(t), &typed, "big"))
	require.Equal(t, "25000000000000000000", typed.Wei.String())

	var raw json.RawMessage
	require.NoError(t, coin.Call(patient(t), &raw, "big"))
	require.JSONEq(t, s.results["big"], string(raw))

	require.NoError(t, coin.Call(patient(t), nil, "big"))

	pointer := new(string)
	require.NoError(t, coin.Call(patient(t), &pointer, "no"))
	require.Nil(t, pointer, "null is no text")

	var number int
	err := coin.Call(patient(t), &number, "text")
	require.Error(t, err)
	require.NotErrorIs(t, err, bitcart.ErrConnectionFailed)

	require.Error(t, coin.Call(patient(t), number, "text"), "a result that is no pointer")
}

func TestCallsAtOnceGetTheirOwnAnswers(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	d.Handle("echo", func(c *bitcarttest.Call) (any, error) { return c.Args[0], nil })
	coin := newCoin(t, d)
	var group sync.WaitGroup
	errs := make([]error, 100)
	for i := range errs {
		group.Go(func() {
			var got int
			errs[i] = coin.Call(patient(t), &got, "echo", i)
			if errs[i] == nil && got != i {
				errs[i] = fmt.Errorf("%d got the answer %d", i, got)
			}
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
}

func TestErrMaybeSent(t *testing.T) {
	t.Parallel()
	type setting struct {
		d    *bitcarttest.Daemon
		coin *bitcart.Coin
		ctx  context.Context
	}
	tests := []struct {
		name    string
		prepare func(t *testing.T, s *setting)
		params  []any
		maybe   bool
		calls   int
		causes  []error
	}{
		{
			name:    "refused",
			prepare: func(_ *testing.T, s *setting) { s.d.Faults().Stop(bitcarttest.RST) },
			causes:  []error{bitcart.ErrConnectionFailed, syscall.ECONNREFUSED},
		},
		{
			name:    "reset",
			prepare: func(_ *testing.T, s *setting) { s.d.Faults().FailMethod("echo", -1, bitcarttest.ErrReset) },
			maybe:   true, calls: 1, causes: []error{bitcart.ErrConnectionFailed, syscall.ECONNRESET},
		},
		{
			name:    "answer dropped",
			prepare: func(_ *testing.T, s *setting) { s.d.Faults().DropAnswer("echo", 1) },
			maybe:   true, calls: 1, causes: []error{bitcart.ErrConnectionFailed},
		},
		{
			name: "answer dropped on a connection that was used before",
			prepare: func(t *testing.T, s *setting) {
				require.NoError(t, s.coin.Call(patient(t), nil, "getinfo"))
				s.d.Faults().DropAnswer("echo", 1)
			},
			maybe: true, calls: 1, causes: []error{bitcart.ErrConnectionFailed},
		},
		{
			name: "deadline",
			prepare: func(t *testing.T, s *setting) {
				hold(t, s.d, "echo")
				ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
				t.Cleanup(cancel)
				s.ctx = ctx
			},
			maybe: true, calls: 1, causes: []error{context.DeadlineExceeded},
		},
		{
			name: "cancelled meanwhile",
			prepare: func(t *testing.T, s *setting) {
				hold(t, s.d, "echo")
				ctx, cancel := context.WithCancel(context.Background())
				waiting := patient(t)
				go func() {
					_ = s.d.WaitCalls(waiting, "echo", 1)
					cancel()
				}()
				s.ctx = ctx
			},
			maybe: true, calls: 1, causes: []error{context.Canceled},
		},
		{
			name: "cancelled before",
			prepare: func(_ *testing.T, s *setting) {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				s.ctx = ctx
			},
			causes: []error{context.Canceled},
		},
		{
			name:    "params that cannot be encoded",
			prepare: func(*testing.T, *setting) {},
			params:  []any{make(chan int)},
		},
		{
			name: "error answer",
			prepare: func(_ *testing.T, s *setting) {
				s.d.Faults().FailMethod("echo", 1, &bitcarttest.Error{Code: -32603, Message: "Exception: no"})
			},
			calls: 1,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			echoing(d)
			s := &setting{d: d, coin: newCoin(t, d), ctx: patient(t)}
			test.prepare(t, s)
			err := s.coin.Call(s.ctx, nil, "echo", test.params...)
			require.Error(t, err)
			require.Equal(t, test.maybe, errors.Is(err, bitcart.ErrMaybeSent), "%v", err)
			for _, cause := range test.causes {
				require.ErrorIs(t, err, cause)
			}
			require.Equal(t, test.calls, d.CountCalls("echo"), "the library must not repeat a call")
			if len(test.causes) > 0 {
				var call *bitcart.CallError
				require.ErrorAs(t, err, &call)
				require.Equal(t, "echo", call.Method)
				require.Equal(t, test.maybe, call.MaybeSent)
			}
		})
	}
}

// hold keeps calls of a method waiting until the returned function is called, or the test ends.
func hold(t testing.TB, d *bitcarttest.Daemon, method string) (release func()) {
	t.Helper()
	gate := make(chan struct{})
	release = sync.OnceFunc(func() { close(gate) })
	d.Faults().GateMethod(method, gate)
	t.Cleanup(release)
	return release
}

func TestCallThatNeverConnectsWasNotSent(t *testing.T) {
	t.Parallel()
	dialErr := errors.New("no route")
	tests := map[string]*http.Transport{
		"dial fails": {DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, dialErr }},
		"dial hangs": {DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}},
	}
	for name, transport := range tests {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(transport.CloseIdleConnections) // ends the dial, too
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			err := coinAt(t, "http://127.0.0.1:1", bitcart.WithTransport(transport)).Call(ctx, nil, "getinfo")
			require.Error(t, err)
			require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
		})
	}
	t.Run("TLS handshake hangs", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		err := coinAt(t, "https://"+newSilent(t).addr).Call(ctx, nil, "getinfo")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
	})
}

func TestRPCErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, currency string
		code           int
		message        string
		exception      string // the name of /spec
		is             error
		not            error
	}{
		{"request not found", "BTC", -32003, "Exception: Request not found", "RequestNotFoundError", bitcart.ErrRequestNotFound, bitcart.ErrPrivateKeyRequired},
		{"request not found", "BCH", -32003, "Exception: Request not found", "RequestNotFoundError", bitcart.ErrRequestNotFound, bitcart.ErrPrivateKeyRequired},
		{"request not found", "ETH", -32603, "Exception: Request not found", "", bitcart.ErrRequestNotFound, bitcart.ErrPrivateKeyRequired},
		{"same code", "ETH", -32003, "Exception: The private key must be exactly 32 bytes", "PrivateKeyRequiredError", bitcart.ErrPrivateKeyRequired, bitcart.ErrRequestNotFound},
		{"same code", "TRX", -32003, "Exception: The private key must be exactly 32 bytes", "PrivateKeyRequiredError", bitcart.ErrPrivateKeyRequired, bitcart.ErrRequestNotFound},
		{"funds", "BTC", -32006, "Exception: Insufficient funds", "NotEnoughFundsError", bitcart.ErrNotEnoughFunds, bitcart.ErrWatchOnlyWallet},
		{"funds", "BCH", -32603, "electroncash.util.NotEnoughFunds: ", "", bitcart.ErrNotEnoughFunds, bitcart.ErrRequestNotFound},
		{"watch only", "ETH", -32006, "Exception: This is a watching-only wallet", "WatchOnlyWalletError", bitcart.ErrWatchOnlyWallet, bitcart.ErrNotEnoughFunds},
		{"no tx", "BTC", -32002, "Exception: No such mempool transaction", "TxNotFoundError", bitcart.ErrTxNotFound, bitcart.ErrRequestNotFound},
		{"no tx", "ETH", -32002, "TransactionNotFound: x", "TxNotFoundError", bitcart.ErrTxNotFound, bitcart.ErrRequestNotFound},
		{"bad wallet", "BTC", -32005, "Exception: Error loading wallet", "LoadingWalletError", bitcart.ErrLoadingWallet, bitcart.ErrInvalidKey},
		{"bad wallet", "ETH", -32005, "Exception: Invalid key provided", "InvalidKeyProvidedError", bitcart.ErrInvalidKey, bitcart.ErrLoadingWallet},
		{"no wallet", "BTC", -32000, "Wallet not loaded", "WalletNotLoadedError", bitcart.ErrWalletNotLoaded, bitcart.ErrLoadingWallet},
		{"no method", "BTC", -32601, "Procedure not found", "ProcedureNotFoundError", bitcart.ErrProcedureNotFound, bitcart.ErrRequestNotFound},
		{"no method is unsupported", "BTC", -32601, "Procedure not found", "ProcedureNotFoundError", bitcart.ErrUnsupported, bitcart.ErrRequestNotFound},
		{"refused", "ETH", -32602, "NotImplementedError: ", "NotImplementedError", bitcart.ErrUnsupported, bitcart.ErrRequestNotFound},
		{"TRX only", "TRX", -32013, "Exception: format", "UnexpectedFormatError", bitcart.ErrUnexpectedFormat, bitcart.ErrWalletVersion},
		{"BTC's meaning", "BTC", -32013, "Exception: version", "WalletVersionMismatchError", bitcart.ErrWalletVersion, bitcart.ErrUnexpectedFormat},
		{"unknown", "BTC", -32603, "ValueError: strange", "", nil, bitcart.ErrRequestNotFound},
	}
	for _, test := range tests {
		t.Run(test.name+" "+test.currency, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, test.currency)
			d.Faults().FailMethod("m", -1, &bitcarttest.Error{Code: test.code, Message: test.message})
			err := newWalletCoin(t, d).Call(patient(t), nil, "m")
			var rpc *bitcart.RPCError
			require.ErrorAs(t, err, &rpc)
			require.Equal(t, "m", rpc.Method)
			require.Equal(t, test.code, rpc.Code)
			require.Equal(t, test.message, rpc.Message)
			require.Equal(t, test.exception, rpc.Name)
			require.Contains(t, err.Error(), test.message)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			require.NotErrorIs(t, err, test.not)
			require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
			require.NotErrorIs(t, err, bitcart.ErrUnauthorized)
		})
	}
}

// The daemons' own answers, not made up ones.
func TestRequestNotFoundOfEachFamily(t *testing.T) {
	t.Parallel()
	for currency, method := range map[string]string{"BTC": "get_request", "LTC": "get_request", "BCH": "getrequest", "XRG": "getrequest", "ETH": "getrequest", "TRX": "getrequest"} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			err := newWalletCoin(t, newDaemon(t, currency)).Call(patient(t), nil, method, "0123456789")
			require.ErrorIs(t, err, bitcart.ErrRequestNotFound)
		})
	}
}

// Without a readable /spec the names are unknown; the text still says what it was.
func TestRPCErrorWithoutSpec(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]string{"no JSON": "<html>", "no exceptions": `{"version":"1"}`, "wrong types": `{"version":1,"exceptions":{}}`, "empty": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t, func(s *stub) {
				s.text = `{"jsonrpc":"2.0","error":{"code":-32003,"message":"Exception: Request not found"},"id":1}`
			})
			mux := http.NewServeMux()
			mux.HandleFunc("/spec", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(spec)) })
			mux.Handle("/", s.Config.Handler)
			server := newServer(t, mux)
			err := coinAt(t, server.URL).Call(patient(t), nil, "get_request", "x")
			var rpc *bitcart.RPCError
			require.ErrorAs(t, err, &rpc)
			require.Empty(t, rpc.Name)
			require.ErrorIs(t, err, bitcart.ErrRequestNotFound)
			require.NotErrorIs(t, err, bitcart.ErrPrivateKeyRequired)
		})
	}
}

func TestCallUnauthorized(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC", bitcarttest.WithCredentials("me", "right-password"))
	for name, auth := range map[string][2]string{"password": {"me", "wrong-password"}, "user": {"you", "right-password"}} {
		t.Run(name, func(t *testing.T) {
			err := newWalletCoin(t, d, bitcart.WithBasicAuth(auth[0], auth[1])).Call(patient(t), nil, "getbalance")
			require.ErrorIs(t, err, bitcart.ErrUnauthorized)
			require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
			require.NotErrorIs(t, err, bitcart.ErrConnectionFailed)
			require.NotContains(t, err.Error(), auth[1])
		})
	}
	require.Empty(t, d.Loaded())
	require.NoError(t, newWalletCoin(t, d, bitcart.WithBasicAuth("me", "right-password")).Call(patient(t), nil, "getbalance"))
}

func TestCallUnauthorizedByAProxyInFront(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(s *stub) { s.status, s.text = http.StatusUnauthorized, "401 Authorization Required" })
	err := coinAt(t, s.URL).Call(patient(t), nil, "getinfo")
	require.ErrorIs(t, err, bitcart.ErrUnauthorized)
	require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
}

func TestCallAnsweredByNoDaemon(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		status int
		text   string
		show   string // what the error has to show of it
	}{
		{"500", 500, "500 Internal Server Error\n\nServer got itself in trouble", "500"},
		{"404", 404, "404: Not Found", "404"},
		{"413", 413, "Maximum request body size 1048576 exceeded", "413"},
		{"HTML page", 200, "<html><body>Welcome to nginx!</body></html>", ""},
		{"empty", 200, "", ""},
		{"other JSON", 200, `{"hello":"world"}`, ""},
		{"list", 200, `[]`, ""},
		{"null", 200, `null`, ""},
		{"cut off", 200, `{"jsonrpc":"2.0","result":{"a"`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t, func(s *stub) {
				s.status, s.text = test.status, test.text
				if s.text == "" {
					s.text = " "
				}
			})
			err := coinAt(t, s.URL).Call(patient(t), nil, "getinfo")
			var call *bitcart.CallError
			require.ErrorAs(t, err, &call)
			require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
			require.NotErrorIs(t, err, bitcart.ErrConnectionFailed)
			require.NotErrorIs(t, err, bitcart.ErrUnauthorized)
			require.Contains(t, err.Error(), test.show)
			if test.status != 200 {
				require.Equal(t, test.status, call.StatusCode)
			}
			if test.status == 404 || test.status == 413 {
				require.NotErrorIs(t, err, bitcart.ErrMaybeSent, "what was refused has had no effect")
			}
		})
	}
}

// A real daemon answers 500 to what it cannot read, and closes the connection.
func TestCallAnsweredWith500(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	d.Faults().FailMethod("m", 1, &bitcarttest.HTTPError{Status: 500, Body: "500 Internal Server Error\n\nServer got itself in trouble"})
	coin := newCoin(t, d)
	err := coin.Call(patient(t), nil, "m")
	var call *bitcart.CallError
	require.ErrorAs(t, err, &call)
	require.Equal(t, 500, call.StatusCode)
	require.Contains(t, err.Error(), "500")
	require.NoError(t, coin.Call(patient(t), nil, "getinfo"), "the next call takes a new connection")
}

func TestCallsKeepTheirConnection(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	for range 20 {
		var result any
		require.NoError(t, coin.Call(patient(t), &result, "getbalance"))
		require.NoError(t, coin.Call(patient(t), nil, "getbalance"), "also when the answer does not matter")
		require.Error(t, coin.Call(patient(t), nil, "no such method"), "also after errors")
	}
	require.LessOrEqual(t, d.Connections(), 2, "one for calls, one for /spec at most")
}

func TestManagedCoinsShareConnections(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "ETH")
	keys := []string{}
	for range 30 {
		keys = append(keys, d.NewWallet())
	}
	m := makeManager(t, map[string][]string{"ETH": keys}, bitcart.WithURL(d.URL()))
	for _, coin := range m.Coins() {
		require.NoError(t, coin.Call(patient(t), nil, "getbalance"))
		t.Cleanup(coin.CloseIdleConnections)
	}
	require.Equal(t, 1, d.Connections())
}

func TestCloseIdleConnections(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newCoin(t, d)
	require.NoError(t, coin.Call(patient(t), nil, "getinfo"))
	require.Equal(t, 1, d.OpenConnections())
	coin.CloseIdleConnections()
	eventually(t, func() bool { return d.OpenConnections() == 0 })
	require.NoError(t, coin.Call(patient(t), nil, "getinfo"), "the coin can be used afterwards")
}

// shown is an error in every form in which it can get into a log.
func shown(t testing.TB, err error) string {
	t.Helper()
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&out, verb+"\n", err)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Error("failed", "err", err)
	slog.New(slog.NewJSONHandler(&out, nil)).Error("failed", "err", err)
	if data, encErr := json.Marshal(err); encErr == nil {
		out.Write(data)
	}
	for e := errors.Unwrap(err); e != nil; e = errors.Unwrap(e) {
		fmt.Fprintf(&out, "%v\n%+v\n", e, e)
	}
	return out.String()
}

func TestRPCErrorHidesSecrets(t *testing.T) {
	t.Parallel()
	const seed = "abandon ability able about above absent absorb abstract absurd abuse access accident"
	const password = "pass-phrase-of-the-daemon"
	token := bitcart.Wallet{Xpub: "0x1111111111111111111111111111111111111111", Contract: "0x2222222222222222222222222222222222222222"}
	tests := []struct {
		name, currency string
		wallet         bitcart.Wallet
		text           string // the daemon's, quoting what was sent
		secrets        []string
	}{
		{"xpub", "BTC", bitcart.Wallet{Xpub: "xpub6abcdefghijk"}, "Exception: bad xpub6abcdefghijk!", []string{"xpub6abcdefghijk"}},
		{"twice", "BTC", bitcart.Wallet{Xpub: "xpub6abcdefghijk"}, "xpub6abcdefghijk and xpub6abcdefghijk", []string{"xpub6abcdefghijk"}},
		{"seed", "BTC", bitcart.Wallet{Xpub: seed}, "Exception: no wallet '" + seed + "'", []string{seed, "abandon ability"}},
		{"token", "ETH", token, "Exception: no " + token.Xpub + "_" + token.Contract, []string{token.Xpub, token.Xpub + "_" + token.Contract}},
		{"credentials", "BTC", bitcart.Wallet{Xpub: "xpub6abcdefghijk"}, "Exception: login electrum:" + password, []string{password}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, test.currency, bitcarttest.WithCredentials("electrum", password))
			d.Faults().FailMethod("m", -1, &bitcarttest.Error{Code: -32603, Message: test.text})
			err := newCoin(t, d, bitcart.WithWallet(test.wallet), bitcart.WithBasicAuth("electrum", password)).Call(patient(t), nil, "m")
			var rpc *bitcart.RPCError
			require.ErrorAs(t, err, &rpc)
			require.Equal(t, test.text, rpc.Message, "the raw text is for those who ask for it")
			for _, secret := range test.secrets {
				require.NotContains(t, shown(t, err), secret)
				require.NotContains(t, shown(t, fmt.Errorf("wrapped: %w", err)), secret)
			}
		})
	}
}

// A daemon that quotes a key by Python's repr or as JSON escapes what stands in it.
func TestRPCErrorHidesKeysThatAreEscaped(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"as Python prints it": `KeyError: 'it\'s "my" seed'`,
		"as JSON":             `bad request {"xpub": "it's \"my\" seed"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, "BTC")
			d.Faults().FailMethod("m", -1, &bitcarttest.Error{Code: -32603, Message: text})
			err := newCoin(t, d, bitcart.WithXpub(`it's "my" seed`)).Call(patient(t), nil, "m")
			var rpc *bitcart.RPCError
			require.ErrorAs(t, err, &rpc)
			require.NotContains(t, err.Error(), "seed")
		})
	}
}

func TestCallErrorHidesSecrets(t *testing.T) {
	t.Parallel()
	const password = "pass-phrase"
	addr := freePort(t)
	echo := newStub(t, func(s *stub) { s.status, s.text = 500, "what you sent was xpub6abcdefghijk, by "+password })
	for name, url := range map[string]string{
		"refused":        "http://user:" + password + "@" + addr,
		"quoted by 500":  strings.Replace(echo.URL, "://", "://user:"+password+"@", 1),
		"TLS to no TLS":  strings.Replace(strings.Replace(echo.URL, "://", "://user:"+password+"@", 1), "http:", "https:", 1),
		"name not found": "http://user:" + password + "@host.invalid:1",
	} {
		t.Run(name, func(t *testing.T) {
			coin := coinAt(t, url, bitcart.WithXpub("xpub6abcdefghijk"))
			err := coin.Call(patient(t), nil, "getbalance")
			require.Error(t, err)
			require.NotContains(t, shown(t, err), "xpub6abcdefghijk")
			require.NotContains(t, shown(t, err), password)
			require.NotContains(t, coin.URL(), password)
		})
	}
}
