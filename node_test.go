package bitcart_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

func TestInfo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, answer string
		want         bitcart.Info
		text         string
	}{
		{
			"Electrum", `{"network":"regtest","path":"/d","server":"s","blockchain_height":111,"server_height":112,"spv_nodes":1,"connected":true,
				"auto_connect":false,"version":"4.6.0b1","fee_estimates":{"2":20000},"synchronized":true,"total_wallets":2}`,
			bitcart.Info{Connected: true, Synchronized: true, BlockchainHeight: 111, ServerHeight: 112, TotalWallets: 2, SPVNodes: 1, Server: "s",
				Network: "regtest", Path: "/d", Version: "4.6.0b1"},
			"version 4.6.0b1: synchronized, block 111 of 112, 2 wallets",
		},
		{
			"node away", `{"connected":false,"path":"/d","version":"4.5.0"}`, bitcart.Info{Path: "/d", Version: "4.5.0"},
			"version 4.5.0: not connected, block 0 of 0, 0 wallets",
		},
		{
			"catching up", `{"connected":true,"synchronized":false,"blockchain_height":5,"server_height":900,"version":"v"}`,
			bitcart.Info{Connected: true, BlockchainHeight: 5, ServerHeight: 900, Version: "v"}, "version v: synchronizing, block 5 of 900, 0 wallets",
		},
		{
			"does not say whether it is synchronized", `{"connected":true,"version":"v"}`, bitcart.Info{Connected: true, Synchronized: true, Version: "v"},
			"version v: synchronized, block 0 of 0, 0 wallets",
		},
		{"null for what is not known", `{"connected":true,"synchronized":true,"server_height":null,"server":null}`,
			bitcart.Info{Connected: true, Synchronized: true}, "version : synchronized, block 0 of 0, 0 wallets"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			info, err := coinOn(t, "BTC", always(result(test.answer)), walletOf("BTC")).Info(t.Context())
			require.NoError(t, err)
			require.JSONEq(t, test.answer, string(info.Raw))
			require.Equal(t, test.text, fmt.Sprint(info))
			test.want.Raw = info.Raw
			require.Equal(t, test.want, *info)
		})
	}
}

func TestInfoThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{`null`, `[]`, `"x"`, `{"connected":1}`, `{"server_height":"high"}`, `{"total_wallets":1.5}`, `{"total_wallets":99999999999}`} {
		_, err := coinOn(t, "ETH", always(result(bad)), walletOf("ETH")).Info(t.Context())
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, bad)
	}
}

// As JSON an Info is what a health check may show.
func TestInfoAsJSON(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BCH")
	coin := newWalletCoin(t, d)
	_, err := coin.AddRequest(patient(t), bitcart.RequestParams{})
	require.NoError(t, err)
	info, err := coin.Info(patient(t))
	require.NoError(t, err)
	require.Contains(t, string(info.Raw), coin.WalletKey(), "this daemon lists its wallets")
	encoded, err := json.Marshal(info)
	require.NoError(t, err)
	require.NotContains(t, string(encoded), coin.WalletKey())
	require.JSONEq(t, `{"connected":true,"synchronized":true,"blockchain_height":1000,"server_height":1000,"total_wallets":1,"spv_nodes":1,"version":"4.4.0"}`, string(encoded))
}

// What is asked of a daemon, not of a wallet, must not make it load one.
func TestCallsThatLoadNoWallet(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"BTC", "BCH", "ETH"} {
		d := newDaemon(t, currency)
		coin := newWalletCoin(t, d)
		ctx := patient(t)
		_, err := coin.Info(ctx)
		require.NoError(t, err)
		names, err := coin.Help(ctx)
		require.NoError(t, err)
		require.Contains(t, names, "getinfo")
		_, err = coin.Spec(ctx)
		require.NoError(t, err)
		valid, err := coin.ValidateKey(ctx, coin.WalletKey())
		require.NoError(t, err)
		require.True(t, valid)
		valid, err = coin.ValidateAddress(ctx, "nonsense")
		require.NoError(t, err)
		require.False(t, valid)
		seed, err := coin.MakeSeed(ctx)
		require.NoError(t, err)
		require.Len(t, strings.Fields(seed), 12)
		closed, err := coin.CloseWallet(ctx)
		require.NoError(t, err)
		require.False(t, closed)
		require.Empty(t, d.Loaded(), currency)
	}
}

func TestSpec(t *testing.T) {
	t.Parallel()
	for currency, code := range map[string]int{"BTC": -32003, "ETH": -32003} {
		d := newDaemon(t, currency)
		coin := newWalletCoin(t, d)
		spec, err := coin.Spec(patient(t))
		require.NoError(t, err)
		require.NotEmpty(t, spec.Version)
		require.Equal(t, map[string]string{"BTC": "RequestNotFoundError", "ETH": "PrivateKeyRequiredError"}[currency], spec.Exceptions[code].Name)
		require.NotEmpty(t, spec.Exceptions[code].Docstring)
		require.Equal(t, map[string]map[string]bool{"BTC": {"lightning": true}}[currency], spec.Capabilities)

		// It belongs to the caller.
		spec.Exceptions[code] = bitcart.SpecException{Name: "Mine"}
		if spec.Capabilities != nil {
			spec.Capabilities["lightning"] = false
		}
		for i := range spec.Raw {
			spec.Raw[i] = ' '
		}
		again, err := coin.Spec(patient(t))
		require.NoError(t, err)
		require.NotEqual(t, "Mine", again.Exceptions[code].Name)
		require.NotEqual(t, map[string]bool{"lightning": false}, again.Capabilities)
		require.True(t, json.Valid(again.Raw))
	}
}

func TestSpecErrors(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC", bitcarttest.WithCredentials("me", "right-password"))
	_, err := newWalletCoin(t, d, bitcart.WithBasicAuth("me", "wrong-password")).Spec(patient(t))
	require.ErrorIs(t, err, bitcart.ErrUnauthorized)
	_, err = coinAt(t, "http://"+freePort(t)).Spec(patient(t))
	require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
	require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
	_, err = coinOn(t, "BTC", always(result("1")), walletOf("BTC")).Spec(t.Context())
	require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for currency, unknown := range map[string]error{"BTC": bitcart.ErrNoConfigKey, "BCH": nil, "ETH": nil} {
		d := newDaemon(t, currency)
		coin := newWalletCoin(t, d)
		require.NoError(t, coin.SetConfig(patient(t), "use_rbf", true), currency)
		value, err := coin.GetConfig(patient(t), "use_rbf")
		require.NoError(t, err)
		require.Equal(t, "true", string(value))
		value, err = coin.GetConfig(patient(t), "nosuch")
		if unknown != nil {
			require.ErrorIs(t, err, unknown)
		} else {
			require.NoError(t, err)
			require.Equal(t, "null", string(value))
		}
	}
	require.ErrorContains(t, coinOn(t, "ETH", always(result("false")), walletOf("ETH")).SetConfig(t.Context(), "k", 1), "setconfig")
}

func TestBatchLoad(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "ETH")
	wallets := make([]bitcart.Wallet, 2050)
	keys := make([]string, len(wallets))
	for i := range wallets {
		keys[i] = fmt.Sprintf("0x%040x", i+1)
		wallets[i] = bitcart.Wallet{Xpub: keys[i]}
	}
	coin := newCoin(t, d)
	require.NoError(t, coin.BatchLoad(patient(t), wallets))
	require.Equal(t, keys, d.Loaded())
	require.Equal(t, 2, d.CountCalls("batch_load"))
	require.NoError(t, coin.BatchLoad(patient(t), nil))
	require.Equal(t, 2, d.CountCalls("batch_load"))

	require.ErrorIs(t, coin.BatchLoad(patient(t), []bitcart.Wallet{{}}), bitcart.ErrWalletIncomplete)
	require.Equal(t, 2, d.CountCalls("batch_load"))
	bad := append(slices.Clone(wallets[:2000]), bitcart.Wallet{Xpub: "quokka marzipan"})
	err := coin.BatchLoad(patient(t), bad)
	require.ErrorIs(t, err, bitcart.ErrInvalidKey)
	require.ErrorContains(t, err, "2000 of 2001 wallets are loaded")
	require.NotContains(t, shown(t, err), "quokka")
}

func TestCloseWallet(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "ETH")
	contract := "0xdAC17F958D2ee523a2206206994597C13D831ec7"
	coin := newCoin(t, d, bitcart.WithWallet(bitcart.Wallet{Xpub: d.NewWallet(), Contract: contract}))
	require.NoError(t, coin.Call(patient(t), nil, "getbalance"))
	require.Len(t, d.Loaded(), 1)
	closed, err := coin.CloseWallet(patient(t))
	require.NoError(t, err)
	require.True(t, closed)
	require.Empty(t, d.Loaded())
}

func TestRescanBlocks(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "ETH")
	coin := newWalletCoin(t, d)
	require.NoError(t, coin.RescanBlocks(patient(t), 999, 1000))
	require.Len(t, lastCall(t, d, "rescan_blocks").Args, 2)
	require.NoError(t, coin.RescanBlocks(patient(t), 999, 0))
	require.Len(t, lastCall(t, d, "rescan_blocks").Args, 1)
	for _, bad := range [][2]int64{{-1, 0}, {5, 4}, {1, -1}} {
		require.ErrorContains(t, coin.RescanBlocks(patient(t), bad[0], bad[1]), "bitcart: RescanBlocks: ")
	}
	require.Equal(t, 2, d.CountCalls("rescan_blocks"))
}

func TestModifyPaymentURL(t *testing.T) {
	t.Parallel()
	for currency, test := range map[string][2]string{
		"BTC": {"bitcoin:bc1q?amount=0.5&message=x", "bitcoin:bc1q?amount=1.5&message=x"},
		"ETH": {"ethereum:0xabc@1?value=5", "ethereum:0xabc@1?value=1500000000000000000"},
		"TRX": {"tron:T", "tron:T"},
	} {
		d := newDaemon(t, currency)
		coin := newCoin(t, d)
		got, err := coin.ModifyPaymentURL(patient(t), test[0], amount("1.5").Decimal, coin.Decimals())
		require.NoError(t, err)
		require.Equal(t, test[1], got)
	}
}

// A link with another amount than was meant would be paid.
func TestModifyPaymentURLIsExact(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{"0.000000001": bitcart.ErrInexact, "1.123456789": bitcart.ErrInexact, "-1": bitcart.ErrInvalidAmount} {
		w := always(result(`"bitcoin:a?amount=1"`))
		_, err := coinOn(t, "BTC", w, bitcart.Wallet{}).ModifyPaymentURL(t.Context(), "bitcoin:a?amount=2", dec(text), 8)
		require.ErrorIs(t, err, want, text)
		require.Empty(t, w.calls())
	}
	_, err := coinOn(t, "BTC", always(result(`"x"`)), bitcart.Wallet{}).ModifyPaymentURL(t.Context(), "x", dec("1"), -1)
	require.Error(t, err)
}

// bareQuestions are methods that name no wallet: the daemon would load it, and hold the call.
var bareQuestions = map[string]func(context.Context, *bitcart.Coin) error{
	"getinfo": func(ctx context.Context, c *bitcart.Coin) error { _, err := c.Info(ctx); return err },
	"help":    func(ctx context.Context, c *bitcart.Coin) error { _, err := c.Help(ctx); return err },
	"validatekey": func(ctx context.Context, c *bitcart.Coin) error {
		_, err := c.ValidateKey(ctx, "k")
		return err
	},
	"validateaddress":  func(ctx context.Context, c *bitcart.Coin) error { _, err := c.ValidateAddress(ctx, "a"); return err },
	"validatecontract": func(ctx context.Context, c *bitcart.Coin) error { _, err := c.ValidateContract(ctx, "a"); return err },
	"normalizeaddress": func(ctx context.Context, c *bitcart.Coin) error { _, err := c.NormalizeAddress(ctx, "a"); return err },
	"get_tokens":       func(ctx context.Context, c *bitcart.Coin) error { _, err := c.Tokens(ctx); return err },
	"getabi":           func(ctx context.Context, c *bitcart.Coin) error { _, err := c.ABI(ctx); return err },
	"make_seed":        func(ctx context.Context, c *bitcart.Coin) error { _, err := c.MakeSeed(ctx); return err },
	"close_wallet":     func(ctx context.Context, c *bitcart.Coin) error { _, err := c.CloseWallet(ctx); return err },
	"modifypaymenturl": func(ctx context.Context, c *bitcart.Coin) error {
		_, err := c.ModifyPaymentURL(ctx, "u", dec("1"), 8)
		return err
	},
}

// null, or another type, is neither an empty text nor false.
func TestBareQuestionsWithOddAnswers(t *testing.T) {
	t.Parallel()
	for method, ask := range bareQuestions {
		for _, answer := range []string{`null`, `5`, `[1]`, `1e999999999`} {
			if method == "getabi" && answer == `[1]` {
				continue // a list, which is the caller's to read
			}
			w := always(result(answer))
			err := ask(t.Context(), coinOn(t, "BTC", w, bitcart.Wallet{Xpub: "w"}))
			require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, "%s %s", method, answer)
			require.Equal(t, method, w.last(t).Method)
			require.NotContains(t, string(w.last(t).Params), "xpub", method)
		}
	}
}

// Keys that are asked about are secret in errors, too.
func TestValidateKeyHidesTheKey(t *testing.T) {
	t.Parallel()
	const seed = "quokka marzipan vellichor"
	w := always(failure(-32603, "Exception: bad key '"+seed+"'"))
	for _, call := range []func(*bitcart.Coin) error{
		func(c *bitcart.Coin) error { _, err := c.ValidateKey(t.Context(), seed); return err },
		func(c *bitcart.Coin) error {
			_, err := c.ValidateWallet(t.Context(), bitcart.Wallet{Xpub: seed, Address: "a"})
			return err
		},
		func(c *bitcart.Coin) error { return c.SetConfig(t.Context(), "rpcpassword", seed) },
	} {
		err := call(coinOn(t, "BTC", w, bitcart.Wallet{}))
		require.Error(t, err)
		require.NotContains(t, shown(t, err), "marzipan")
	}
	_, err := coinOn(t, "BTC", w, bitcart.Wallet{Xpub: seed}).CloseWallet(t.Context())
	require.NotContains(t, shown(t, err), "marzipan")
}
