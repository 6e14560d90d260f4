package bitcarttest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

var everyCurrency = []string{"BTC", "LTC", "GRS", "BCH", "XRG", "ETH", "BNB", "MATIC", "TRX", "XMR"}

func TestNewWalletAndAddressAreValid(t *testing.T) {
	for _, currency := range everyCurrency {
		d := newDaemon(t, currency)
		for range 50 {
			require.NoError(t, d.Load(d.NewWallet()), currency)
		}
		var ok bool
		rpc(t, d, "validateaddress", []any{d.NewAddress()}, &ok)
		require.True(t, ok, currency)
		rpc(t, d, "validatekey", []any{d.NewWallet()}, &ok)
		require.True(t, ok, currency)
		rpc(t, d, "validatekey", []any{"nonsense"}, &ok)
		require.False(t, ok, currency)
	}
}

func TestWalletsExistOnlyAfterACall(t *testing.T) {
	for _, currency := range everyCurrency {
		t.Run(currency, func(t *testing.T) {
			d := newDaemon(t, currency)
			w := d.NewWallet()
			require.ErrorIs(t, d.Emit(w, named{"event": "x"}), bitcarttest.ErrUnknownWallet)
			_, err := d.Send(w, bitcarttest.Transfer{Amount: "1"})
			require.ErrorIs(t, err, bitcarttest.ErrUnknownWallet)
			require.Empty(t, updates(t, d, w))
			require.Equal(t, []string{w}, d.Loaded())
			require.NoError(t, d.Emit(w, named{"event": "x"}))
			var info struct {
				Total int `json:"total_wallets"`
			}
			rpc(t, d, "getinfo", []any{}, &info)
			require.Equal(t, 1, info.Total)
			var paths []struct{ Path string }
			rpc(t, d, "list_wallets", []any{}, &paths)
			require.True(t, strings.HasSuffix(paths[0].Path, w))
			var closed bool
			rpc(t, d, "close_wallet", named{"xpub": w}, &closed)
			require.True(t, closed)
			require.Empty(t, d.Loaded())
		})
	}
}

func TestWalletKeys(t *testing.T) {
	const eth, usdt = "0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359", "0xdac17f958d2ee523a2206206994597c13d831ec7"
	category := strings.Repeat("ab", 32)
	tests := []struct {
		currency string
		wallet   any
		key      string
	}{
		{"BTC", "tpubShort", "tpubShort"},
		{"BTC", named{"xpub": "tpubShort", "contract": nil}, "tpubShort"},
		{"ETH", named{"xpub": eth, "contract": usdt}, eth + "_" + usdt},
		{"XMR", named{"xpub": category, "address": "4x", "contract": "c"}, category},
		{"BCH", named{"xpub": "xpubShort", "contract": category}, "xpubShort_" + category},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.currency, tt.wallet), func(t *testing.T) {
			d := newDaemon(t, tt.currency, bitcarttest.WithToken(bitcarttest.Token{Symbol: "GEM", Contract: category, Decimals: 2}))
			rpc(t, d, "getbalance", named{"xpub": tt.wallet}, nil)
			require.Equal(t, []string{tt.key}, d.Loaded())
			require.Equal(t, tt.key, d.Calls()[0].Wallet)
		})
	}
}

func TestTwoSpellingsAreTwoWallets(t *testing.T) {
	d := newDaemon(t, "ETH")
	const lower, mixed = "0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
	require.NoError(t, d.Load(lower))
	require.NoError(t, d.Load(mixed))
	tx, err := d.Send(lower, bitcarttest.Transfer{Amount: "1"})
	require.NoError(t, err)
	for _, key := range []string{lower, mixed} {
		list := updates(t, d, key)
		require.Equal(t, []string{"new_block", "new_transaction"}, eventNames(list))
		require.Equal(t, tx, list[1].Tx)
	}
}

func TestBadContractsStayHalfLoaded(t *testing.T) {
	tests := []struct {
		currency, contract string
		code               int
		loaded             bool
	}{
		{"ETH", "0x1234567890123456789012345678901234567890", -32009, true},
		{"ETH", "what", -32005, false},
		{"BTC", "what", -32005, true},
		{"BCH", strings.Repeat("cd", 32), -32005, true},
	}
	for _, tt := range tests {
		t.Run(tt.currency+tt.contract, func(t *testing.T) {
			d := newDaemon(t, tt.currency)
			w := d.NewWallet()
			require.NoError(t, d.Load(w))
			code, _ := fails(t, d, "getbalance", named{"xpub": named{"xpub": w, "contract": tt.contract}})
			require.Equal(t, tt.code, code)
			conn := dial(t, d, w+"_"+tt.contract)
			_, err := d.Send(w, bitcarttest.Transfer{Amount: "1"})
			require.NoError(t, err)
			require.NoError(t, d.Emit("", named{"event": "end"}))
			want := []string{"end"}
			if tt.loaded {
				want = []string{"new_transaction", "end"}
			}
			if tt.currency == "ETH" {
				want = append([]string{"new_block"}, want...)
			}
			for _, name := range want {
				require.Contains(t, read(t, conn), `"event": "`+name+`"`)
			}
		})
	}
}

func TestOneTimeWalletsAreClosed(t *testing.T) {
	d := newDaemon(t, "ETH")
	rpc(t, d, "getbalance", named{"xpub": named{"xpub": d.NewWallet(), "one_time": true, "diskless": true}}, nil)
	require.Empty(t, d.Loaded())
}

func TestCallsOfOneWalletWaitForEachOther(t *testing.T) {
	tests := []struct {
		currency   string
		sameWallet bool
		together   int
	}{
		{"ETH", true, 1},
		{"ETH", false, 2},
		{"BTC", true, 2},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.currency, tt.sameWallet), func(t *testing.T) {
			d := newDaemon(t, tt.currency)
			entered, gate := make(chan struct{}, 2), make(chan struct{})
			open := sync.OnceFunc(func() { close(gate) })
			t.Cleanup(open) // before the daemon is closed, which waits for the calls
			d.Handle("slow", func(*bitcarttest.Call) (any, error) {
				entered <- struct{}{}
				<-gate
				return nil, nil
			})
			a, b := d.NewWallet(), d.NewWallet()
			if tt.sameWallet {
				b = a
			}
			var wg sync.WaitGroup
			for _, w := range []string{a, b} {
				wg.Go(func() { post(t, d, fmt.Sprintf(`{"method": "slow", "params": {"xpub": %q}}`, w)) })
			}
			require.NoError(t, d.WaitCalls(within(t), "slow", 2))
			for range tt.together {
				<-entered
			}
			if tt.together == 1 {
				select {
				case <-entered:
					require.Fail(t, "two calls of one wallet at once")
				case <-time.After(30 * time.Millisecond):
				}
			}
			open()
			wg.Wait()
		})
	}
}

func TestNeverSendWallet(t *testing.T) {
	d := newDaemon(t, "ETH")
	code, message := fails(t, d, "getaddress", named{"xpub": d.NewWallet(), "wallet": "other"})
	require.Equal(t, -32603, code)
	require.Equal(t, "KeyError: 'other'", message)
}

func TestBatchLoad(t *testing.T) {
	d := newDaemon(t, "ETH")
	a, b, c := d.NewWallet(), d.NewWallet(), d.NewWallet()
	rpc(t, d, "batch_load", named{"wallets": []any{a, named{"xpub": b}}}, nil)
	code, _ := fails(t, d, "batch_load", named{"wallets": []any{c, "nonsense"}})
	require.Equal(t, -32005, code)
	require.Equal(t, []string{a, b, c}, d.Loaded())
	for _, currency := range []string{"BTC", "BCH"} {
		code, _ = fails(t, newDaemon(t, currency), "batch_load", named{"wallets": []any{}})
		require.Equal(t, -32601, code)
	}
}

func TestMethodsCanBeReplaced(t *testing.T) {
	d := newDaemon(t, "SOL", bitcarttest.WithFamily(bitcarttest.Account), bitcarttest.WithDecimals(9))
	w := d.NewWallet()
	d.Handle("validators", func(c *bitcarttest.Call) (any, error) {
		return map[string]any{"wallet": c.Wallet, "args": c.Args, "named": c.Named}, nil
	})
	var got struct {
		Wallet string
		Args   []int
		Named  map[string]int
	}
	rpc(t, d, "validators", []any{1, 2, named{"three": 3, "xpub": w}}, &got)
	require.Equal(t, w, got.Wallet)
	require.Equal(t, []int{1, 2}, got.Args)
	require.Equal(t, map[string]int{"three": 3}, got.Named)
	require.Equal(t, []string{w}, d.Loaded())

	d.Handle("getbalance", func(*bitcarttest.Call) (any, error) { return nil, &bitcarttest.Error{Code: 7, Message: "no"} })
	code, message := fails(t, d, "getbalance", named{"xpub": w})
	require.Equal(t, 7, code)
	require.Equal(t, "no", message)
	d.Handle("getbalance", nil)
	var balance map[string]string
	rpc(t, d, "getbalance", named{"xpub": w}, &balance)
	require.Equal(t, "0.000000000", balance["confirmed"])
}

func TestArguments(t *testing.T) {
	tests := []struct {
		currency, method, params string
		code                     int
		message                  string
	}{
		{"ETH", "version", `{"x": 1}`, -32603, "TypeError: BlockProcessorDaemon.version() got an unexpected keyword argument 'x'"},
		{"ETH", "version", `[1]`, -32603, "TypeError: BlockProcessorDaemon.version() got multiple values for argument 'wallet'"},
		{"BTC", "version", `[1]`, -32603, "TypeError: Commands.version() takes 1 positional argument but 2 were given"},
		{"BTC", "validatekey", `[]`, -32603, "TypeError: BTCDaemon.validatekey() missing 1 required positional argument: 'key'"},
		{"BTC", "setconfig", `[]`, -32603, "TypeError: Commands.setconfig() missing 2 required positional arguments: 'key' and 'value'"},
		{"BTC", "validatekey", `["a", {"key": "b"}]`, -32603, "TypeError: BTCDaemon.validatekey() got multiple values for argument 'key'"},
		{"BTC", "version", `7`, -32603, "TypeError: electrum.commands.Commands.version() argument after * must be an iterable, not int"},
		{"BTC", "version", `1.5`, -32603, "TypeError: electrum.commands.Commands.version() argument after * must be an iterable, not float"},
		{"BTC", "version", `true`, -32603, "TypeError: electrum.commands.Commands.version() argument after * must be an iterable, not bool"},
		{"BTC", "getconfig", `["nope"]`, -32014, `KeyError: "No ConfigVar with key='nope'"`},
		{"ETH", "get_transaction", `["0x0"]`, -32002, "TransactionNotFound: Transaction with hash: '0x0' not found."},
		{"XMR", "get_transaction", `["0"]`, -32001, "Exception: Invalid tx hash"},
		{"XMR", "get_transaction", `["` + strings.Repeat("0", 64) + `"]`, -32002, "Exception: Transaction not found"},
		{"XMR", "payto", `[]`, -32602, "NotImplementedError: As we use only one address per wallet, address keys are used, but not the xprv/xpub"},
	}
	for _, tt := range tests {
		t.Run(tt.currency+tt.method+tt.params, func(t *testing.T) {
			d := newDaemon(t, tt.currency)
			code, message := fails(t, d, tt.method, json.RawMessage(tt.params))
			require.Equal(t, tt.code, code)
			require.Equal(t, tt.message, message)
		})
	}
}

func TestFamilyMustBeKnown(t *testing.T) {
	for _, opts := range [][]bitcarttest.Option{nil, {bitcarttest.WithFamily("x")}} {
		_, err := bitcarttest.NewDaemon("DOGE", opts...)
		require.Error(t, err)
	}
	_, err := bitcarttest.NewDaemon("")
	require.Error(t, err)
}

// Calling any method with a wallet loads the wallet; where none is needed, one that cannot be loaded
// does no harm.
func TestMethodsWithoutNeedLoadTheirWallet(t *testing.T) {
	for _, currency := range everyCurrency {
		t.Run(currency, func(t *testing.T) {
			d := newDaemon(t, currency)
			w := d.NewWallet()
			rpc(t, d, "validatekey", []any{"x", named{"xpub": w}}, nil)
			require.Equal(t, []string{w}, d.Loaded())
			require.NoError(t, d.Emit(w, named{"event": "x"}))
			var closed bool
			rpc(t, d, "close_wallet", named{"xpub": w}, &closed)
			require.True(t, closed)
			require.Empty(t, d.Loaded())
			if d.Family() == bitcarttest.Account {
				rpc(t, d, "version", named{"xpub": "nonsense"}, nil)
				require.Empty(t, d.Loaded())
			}
		})
	}
}
