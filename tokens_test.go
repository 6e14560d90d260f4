package bitcart_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

const usdt = "0xdAC17F958D2ee523a2206206994597C13D831ec7"

var errNoSuchTx = &bitcarttest.Error{Code: -32002, Message: "Exception: No such blockchain transaction"}

func TestTransferRequests(t *testing.T) {
	t.Parallel()
	tests := []struct{ currency, unsigned, signed, hash string }{
		{"ETH", "ETH/transfer.unsigned", "ETH/signtransaction", "ETH/transfer"},
		{"TRX", "TRX/transfer.unsigned", "TRX/signtransaction", "TRX/broadcast"},
		{"BCH", "BCH/transfer.unsigned", "BCH/payto", "BCH/broadcast"},
	}
	for _, test := range tests {
		for _, broadcast := range []bool{true, false} {
			t.Run(fmt.Sprint(test.currency, broadcast), func(t *testing.T) {
				t.Parallel()
				s := newStub(t, func(s *stub) {
					s.results["transfer"], s.results["signtransaction"] = answerOf(t, test.unsigned), answerOf(t, test.signed)
					s.results["broadcast"] = answerOf(t, test.hash)
				})
				contract := usdt
				coin := makeCoin(t, test.currency, bitcart.WithURL(s.URL), bitcart.WithXpub(payerSeed))
				t.Cleanup(coin.CloseIdleConnections)
				var opts []bitcart.PayOption
				if !broadcast {
					opts = append(opts, bitcart.WithoutBroadcast())
				}
				out, err := coin.Transfer(patient(t), contract, "there", dec("1.000000000000000001"), opts...)
				require.NoError(t, err)
				require.JSONEq(t, answerOf(t, test.signed), string(out.Raw))

				want := []string{
					`transfer["` + contract + `","there","1.000000000000000001",{"unsigned":true,W}]`,
					`signtransaction[` + compact(t, answerOf(t, test.unsigned)) + `,{W}]`,
				}
				if broadcast {
					signed := compact(t, answerOf(t, test.signed))
					if test.currency == "BCH" {
						want = append(want, `addtransaction[`+signed+`,{W}]`)
					}
					want = append(want, `broadcast[`+signed+`,{W}]`)
					require.JSONEq(t, answerOf(t, test.hash), fmt.Sprintf("%q", out.TxID))
				} else {
					require.Empty(t, out.TxID)
				}
				require.Equal(t, want, requests(t, s))
			})
		}
	}
}

func compact(t testing.TB, text string) string {
	t.Helper()
	var v json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return string(out)
}

// requests are all calls, as lastRequest has them.
func requests(t testing.TB, s *stub) []string {
	t.Helper()
	s.mu.Lock()
	all := s.bodies
	s.mu.Unlock()
	list := []string{}
	for i := range all {
		list = append(list, lastRequest(t, &stub{bodies: all[:i+1]}))
	}
	return list
}

// tokenPayer is payer with 10 USDT.
func tokenPayer(t testing.TB) (*bitcarttest.Daemon, *bitcart.Coin) {
	t.Helper()
	d, coin := payer(t, "ETH")
	_, err := d.Send(payerSeed, bitcarttest.Transfer{Amount: "10", Contract: usdt, Mined: true})
	require.NoError(t, err)
	return d, coin
}

func TestTransferOnADaemon(t *testing.T) {
	t.Parallel()
	d, coin := tokenPayer(t)
	out, err := coin.Transfer(patient(t), usdt, receivers["ETH"], dec("1.500001"))
	require.NoError(t, err)
	tx, err := coin.GetTx(patient(t), out.TxID)
	require.NoError(t, err)
	require.Equal(t, out.TxID, tx.Hash)
	tokens := newCoin(t, d, bitcart.WithWallet(bitcart.Wallet{Xpub: payerSeed, Contract: usdt}))
	b, err := tokens.Balance(patient(t))
	require.NoError(t, err)
	require.Equal(t, "8.499999", b.Confirmed.String())

	out, err = tokens.Transfer(patient(t), usdt, receivers["ETH"], dec("1"), bitcart.WithoutBroadcast())
	require.NoError(t, err, "the token's wallet can pay as well")
	_, err = coin.Broadcast(patient(t), out.RawTx)
	require.NoError(t, err)
	b, err = tokens.Balance(patient(t))
	require.NoError(t, err)
	require.Equal(t, "7.499999", b.Confirmed.String())
}

// One step signs and one sends, so that no lost answer leaves a transfer in doubt that could be repeated.
func TestTransferWithAnyCallFailing(t *testing.T) {
	t.Parallel()
	steps := []string{"transfer", "signtransaction", "broadcast"}
	for i, step := range steps {
		for _, fault := range payFaults {
			t.Run(step+" "+fault.name, func(t *testing.T) {
				t.Parallel()
				d, coin := tokenPayer(t)
				arm(d, step, fault.err)
				out, err := coin.Transfer(patient(t), usdt, receivers["ETH"], dec("1.5"))
				require.Error(t, err)
				require.Nil(t, out)
				require.Equal(t, steps[:i+1], methodsOf(d))
				var unfinished *bitcart.BroadcastError
				require.Equal(t, step == "broadcast", errors.As(err, &unfinished))
				require.Equal(t, step == "broadcast" && fault.unsure, errors.Is(err, bitcart.ErrMaybeSent))
				if unfinished != nil {
					_, err = coin.Broadcast(patient(t), unfinished.RawTx)
					require.NoError(t, err)
					require.Len(t, broadcasts(d), 1)
					require.Equal(t, 1, d.CountCalls("signtransaction"))
				}
			})
		}
	}
}

func TestTransferRefusesBeforeAnyCall(t *testing.T) {
	t.Parallel()
	seed := bitcart.WithXpub(payerSeed)
	tests := []struct {
		name, currency     string
		wallet             bitcart.Option
		contract, to, text string
		opts               []bitcart.PayOption
		is                 error
		option             string
	}{
		{"BTC", "BTC", seed, usdt, "a", "1", nil, bitcart.ErrUnsupported, ""},
		{"XRG", "XRG", seed, usdt, "a", "1", nil, bitcart.ErrUnsupported, ""},
		{"XMR", "XMR", bitcart.WithWallet(bitcart.Wallet{Xpub: strings.Repeat("ab", 32), Address: "4A"}), usdt, "a", "1", nil, bitcart.ErrUnsupported, ""},
		{"no wallet", "ETH", nil, usdt, "a", "1", nil, bitcart.ErrWalletRequired, ""},
		{"zero", "ETH", seed, usdt, "a", "0", nil, bitcart.ErrInvalidAmount, ""},
		{"negative", "TRX", seed, usdt, "a", "-1", nil, bitcart.ErrInvalidAmount, ""},
		{"no contract", "ETH", seed, "", "a", "1", nil, nil, ""},
		{"no receiver", "ETH", seed, usdt, "", "1", nil, nil, ""},
		{"fee", "ETH", seed, usdt, "a", "1", []bitcart.PayOption{bitcart.WithFee(dec("1"))}, nil, "WithFee"},
		{"rate", "BCH", seed, usdt, "a", "1", []bitcart.PayOption{bitcart.WithFeeRate(dec("1"))}, nil, "WithFeeRate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDaemon(t, test.currency)
			var opts []bitcart.Option
			if test.wallet != nil {
				opts = append(opts, test.wallet)
			}
			_, err := newCoin(t, d, opts...).Transfer(t.Context(), test.contract, test.to, dec(test.text), test.opts...)
			require.Error(t, err)
			if test.is != nil {
				require.ErrorIs(t, err, test.is)
			}
			if test.option != "" {
				require.Equal(t, []string{test.option}, wrongOptions(err))
			}
			require.Zero(t, d.CountCalls(""))
		})
	}
}

func TestReadContract(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "ETH")
	coin := newCoin(t, d)
	var symbol string
	require.NoError(t, coin.ReadContract(patient(t), &symbol, usdt, "symbol"))
	require.Equal(t, "USDT", symbol)
	var decimals int
	require.NoError(t, coin.ReadContract(patient(t), &decimals, usdt, "decimals"))
	require.Equal(t, 6, decimals)
	require.ErrorIs(t, coin.ReadContract(patient(t), nil, usdt, "fly"), bitcart.ErrNoContractFunction)
	require.ErrorIs(t, coin.ReadContract(patient(t), nil, receivers["ETH"], "symbol"), bitcart.ErrInvalidContract)

	const huge = "115792089237316195423570985008687907853269984665640564039457584007913129639935" // 256 bits
	eth, s := answered(t, "ETH", "readcontract", huge)
	var units big.Int
	require.NoError(t, eth.ReadContract(patient(t), &units, usdt, "balanceOf", receivers["ETH"]))
	require.Equal(t, huge, units.String())
	require.Equal(t, `readcontract["`+usdt+`","balanceOf","`+receivers["ETH"]+`",{W}]`, lastRequest(t, s))
	var amount decimal.Decimal
	require.NoError(t, eth.ReadContract(patient(t), &amount, usdt, "balanceOf", receivers["ETH"]))
	require.Equal(t, huge, amount.String())

	for _, currency := range []string{"BTC", "XRG", "XMR"} {
		d := newDaemon(t, currency)
		require.ErrorIs(t, newCoin(t, d).ReadContract(t.Context(), nil, usdt, "symbol"), bitcart.ErrUnsupported)
		require.Zero(t, d.CountCalls(""))
	}
}

func TestTokenQuestions(t *testing.T) {
	t.Parallel()
	tests := []struct {
		currency, contract string
		valid              bool
		tokens             int
	}{
		{"ETH", usdt, true, 2}, {"ETH", receivers["ETH"], false, 2}, {"TRX", receivers["TRX"], true, 1},
		{"BCH", strings.Repeat("ab", 32), true, -1}, {"BTC", usdt, false, 0}, {"XMR", usdt, false, -1},
	}
	for _, test := range tests {
		t.Run(test.currency, func(t *testing.T) {
			t.Parallel()
			coin := newCoin(t, newDaemon(t, test.currency))
			valid, err := coin.ValidateContract(patient(t), test.contract)
			require.NoError(t, err)
			require.Equal(t, test.valid, valid)
			tokens, err := coin.Tokens(patient(t))
			require.NoError(t, err)
			if test.tokens >= 0 {
				require.Len(t, tokens, test.tokens)
			}
			abi, err := coin.ABI(patient(t))
			require.NoError(t, err)
			require.True(t, json.Valid(abi))
			require.Equal(t, byte('['), abi[0])
		})
	}
	coin := newCoin(t, newDaemon(t, "ETH"))
	tokens, err := coin.Tokens(patient(t))
	require.NoError(t, err)
	require.Equal(t, usdt, tokens["USDT"])
	for spelling, want := range map[string]string{strings.ToLower(usdt): usdt, usdt: usdt} {
		got, err := coin.NormalizeAddress(patient(t), spelling)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err = coin.NormalizeAddress(patient(t), "nothing")
	require.Error(t, err)
	got, err := newCoin(t, newDaemon(t, "BTC")).NormalizeAddress(patient(t), "anything")
	require.NoError(t, err)
	require.Equal(t, "anything", got)
}

func TestBadTokenAnswers(t *testing.T) {
	t.Parallel()
	for method, call := range map[string]func(*bitcart.Coin) error{
		"validatecontract": func(c *bitcart.Coin) error { _, err := c.ValidateContract(t.Context(), usdt); return err },
		"get_tokens":       func(c *bitcart.Coin) error { _, err := c.Tokens(t.Context()); return err },
		"getabi":           func(c *bitcart.Coin) error { _, err := c.ABI(t.Context()); return err },
		"normalizeaddress": func(c *bitcart.Coin) error { _, err := c.NormalizeAddress(t.Context(), usdt); return err },
		"transfer": func(c *bitcart.Coin) error {
			_, err := c.Transfer(t.Context(), usdt, "a", dec("1"))
			return err
		},
	} {
		for _, answer := range []string{`null`, `5`} {
			coin, s := answered(t, "ETH", method, answer)
			err := call(coin)
			require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, method)
			require.Len(t, s.bodies, 1)
		}
	}
}
