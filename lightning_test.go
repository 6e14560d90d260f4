package bitcart_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// lightningMethods are those of surface that need lightning.
func lightningMethods(t testing.TB) map[string]func(context.Context, *bitcart.Coin) error {
	t.Helper()
	methods := map[string]func(context.Context, *bitcart.Coin) error{}
	for name, m := range surface {
		if m.have == "BTC LTC GRS" {
			methods[name] = m.call
		}
	}
	require.Len(t, methods, 9)
	return methods
}

func specWithLightning(t testing.TB, value string) string {
	t.Helper()
	spec := packed(t, []byte(specOf(t, "BTC")))
	changed := strings.Replace(spec, `"capabilities":{"lightning":true}`, `"capabilities":`+value, 1)
	require.Contains(t, changed, `"capabilities":`+value)
	return changed
}

func TestLightningThatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	for name, call := range lightningMethods(t) {
		w := always(failure(-32603, "Exception: asked"))
		w.spec = specWithLightning(t, `{"lightning":false}`)
		err := call(t.Context(), coinOn(t, "BTC", w, walletOf("BTC")))
		require.ErrorIs(t, err, bitcart.ErrLightningDisabled)
		require.NotErrorIs(t, err, bitcart.ErrUnsupported)
		require.Contains(t, err.Error(), name)
		require.Empty(t, w.calls(), "no call must be made")
	}
}

// Where the spec does not say no, the call decides: it may be that of another daemon, or away.
func TestLightningWithoutAWordOfTheSpec(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{specWithLightning(t, `{"lightning":true}`), specWithLightning(t, `{}`), specWithLightning(t, `null`), "", "<html>"} {
		for name, call := range lightningMethods(t) {
			w := always(failure(-32603, "Exception: asked"))
			w.spec = spec
			require.ErrorContains(t, call(t.Context(), coinOn(t, "BTC", w, walletOf("BTC"))), "asked", name)
			require.Len(t, w.calls(), 1)
		}
	}
}

func TestLightningNeedsAWallet(t *testing.T) {
	t.Parallel()
	for name, call := range lightningMethods(t) {
		w := always(result("null"))
		require.ErrorIs(t, call(t.Context(), coinOn(t, "BTC", w, bitcart.Wallet{})), bitcart.ErrWalletRequired, name)
		require.Empty(t, w.calls())
	}
}

// A wallet that only watches cannot do lightning, whatever words the daemon has for that.
func TestLightningOfAWalletThatCannot(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newWalletCoin(t, d)
	for name, call := range lightningMethods(t) {
		if name == "GetInvoice" || name == "CloseChannel" {
			continue // the daemon looks for the invoice, or the channel, first
		}
		err := call(patient(t), coin)
		require.ErrorIs(t, err, bitcart.ErrLightningUnsupported, name)
		require.NotErrorIs(t, err, bitcart.ErrMaybeSent)
	}
	_, err := coin.AddInvoice(patient(t), bitcart.RequestParams{})
	var answered *bitcart.RPCError
	require.ErrorAs(t, err, &answered)
	require.Equal(t, "AssertionError", answered.Message)
}

func TestInvoices(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	coin := newCoin(t, d, bitcart.WithXpub(payingSeed))
	made, err := coin.AddInvoice(patient(t), bitcart.RequestParams{Amount: amount("0.001"), Description: "ln"})
	require.NoError(t, err)
	require.Equal(t, made.RHash, made.Key)
	require.Len(t, made.RHash, 64)
	require.True(t, strings.HasPrefix(made.LightningInvoice, "ln"))
	requireAmount(t, amount("0.001"), made.Amount, "Amount")
	require.False(t, made.SentAmount.Valid, "the daemon does not say")
	require.Empty(t, made.Address)
	require.Empty(t, made.URI)
	require.Equal(t, `true`, string(lastCall(t, d, "add_request").Named["lightning"]))

	read, err := coin.GetInvoice(patient(t), made.Key)
	require.NoError(t, err)
	require.Equal(t, made.LightningInvoice, read.LightningInvoice)
	_, err = coin.GetInvoice(patient(t), strings.Repeat("0", 64))
	require.ErrorIs(t, err, bitcart.ErrInvoiceNotFound)

	id, err := coin.NodeID(patient(t))
	require.NoError(t, err)
	require.Len(t, id, 66)
	require.NoError(t, coin.Connect(patient(t), id+"@127.0.0.1:9735"))
	require.ErrorIs(t, coin.Connect(patient(t), "nobody"), bitcart.ErrInvalidNodeID)
	_, err = coin.OpenChannel(patient(t), id, amount("0.01").Decimal)
	require.ErrorIs(t, err, bitcart.ErrNotEnoughFunds)
	require.Equal(t, `"0.01"`, string(lastCall(t, d, "open_channel").Args[1]))
	_, err = coin.LNPay(patient(t), "lnbc1nosuch")
	require.ErrorIs(t, err, bitcart.ErrInvalidInvoice)
}

func TestLNPay(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("5b", 32)
	tests := []struct {
		name, answer string
		want         bitcart.LNPayment
		log          int
	}{
		{"paid", `{"payment_hash":"` + hash + `","success":true,"preimage":"baba","log":[["2026-01-02","800x1x1","0.0005",""]],"new":1}`,
			bitcart.LNPayment{PaymentHash: hash, Success: true, Preimage: "baba"}, 1},
		{"not paid", `{"payment_hash":"` + hash + `","success":false,"preimage":null,"log":[]}`, bitcart.LNPayment{PaymentHash: hash}, 0},
		{"without log", `{"payment_hash":"` + hash + `","success":false,"preimage":null,"log":null}`, bitcart.LNPayment{PaymentHash: hash}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := always(result(test.answer))
			p, err := coinOn(t, "BTC", w, walletOf("BTC")).LNPay(t.Context(), "lnbc1")
			require.NoError(t, err)
			require.Equal(t, test.want, bitcart.LNPayment{PaymentHash: p.PaymentHash, Success: p.Success, Preimage: p.Preimage})
			require.Len(t, p.Log, test.log)
			require.JSONEq(t, test.answer, string(p.Raw))
		})
	}
	// What cannot be read must not pass for a payment that failed.
	for _, answer := range []string{`null`, `true`, `{}`, `{"success":null}`, `{"success":"yes"}`, `{"success":1}`, `{"success":true,"log":5}`} {
		p, err := coinOn(t, "BTC", always(result(answer)), walletOf("BTC")).LNPay(t.Context(), "lnbc1")
		require.Nil(t, p)
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, answer)
		require.ErrorIs(t, err, bitcart.ErrMaybeSent, "money may have moved")
	}
}

// A payment whose outcome is unknown is not made a second time.
func TestLNPayIsSentOnce(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "BTC")
	d.Faults().DropAnswer("lnpay", 1)
	_, err := newCoin(t, d, bitcart.WithXpub(payingSeed)).LNPay(patient(t), "lnbc1")
	require.ErrorIs(t, err, bitcart.ErrMaybeSent)
	require.Equal(t, 1, d.CountCalls("lnpay"))
}

func TestListPeersAndChannels(t *testing.T) {
	t.Parallel()
	const point = "2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c:1"
	peers, err := coinOn(t, "BTC", always(result(`[{"node_id":"021b","address":"021b@203.0.113.8:9735","initialized":true,"features":"x","channels":["`+point+`"]}]`)),
		walletOf("BTC")).ListPeers(t.Context())
	require.NoError(t, err)
	require.Len(t, peers, 1)
	require.Contains(t, string(peers[0].Raw), "features")
	peers[0].Raw = nil
	require.Equal(t, bitcart.Peer{NodeID: "021b", Address: "021b@203.0.113.8:9735", Initialized: true, Channels: []string{point}}, *peers[0])

	channels, err := coinOn(t, "BTC", always(result(`[{"type":"CHANNEL","short_channel_id":"800x1x1","channel_id":"4e","channel_point":"`+point+`","closing_txid":null,
		"state":"OPEN","peer_state":"GOOD","remote_pubkey":"02","local_balance":199999,"remote_balance":1,"local_ctn":3,"remote_ctn":3,"local_reserve":2000,
		"remote_reserve":2000,"local_unsettled_sent":0,"remote_unsettled_sent":5},{"type":"BACKUP","channel_id":"4f","channel_point":"`+point+`"}]`)),
		walletOf("BTC")).ListChannels(t.Context())
	require.NoError(t, err)
	require.Len(t, channels, 2)
	open, backup := channels[0], channels[1]
	require.False(t, open.Backup)
	require.Equal(t, []string{"800x1x1", "4e", point, "", "OPEN", "GOOD", "02"},
		[]string{open.ShortID, open.ID, open.Point, open.ClosingTxID, open.State, open.PeerState, open.RemotePubkey})
	requireAmount(t, amount("0.00199999"), open.LocalBalance, "LocalBalance")
	requireAmount(t, amount("0.00000001"), open.RemoteBalance, "RemoteBalance")
	requireAmount(t, amount("0.00002"), open.LocalReserve, "LocalReserve")
	requireAmount(t, amount("0.00002"), open.RemoteReserve, "RemoteReserve")
	requireAmount(t, amount("0"), open.LocalUnsettled, "LocalUnsettled")
	requireAmount(t, amount("0.00000005"), open.RemoteUnsettled, "RemoteUnsettled")
	require.Contains(t, string(open.Raw), "local_ctn")
	require.True(t, backup.Backup)
	require.False(t, backup.LocalBalance.Valid, "not zero: unknown")

	for _, bad := range []string{`{}`, `null`, `[5]`, `[{}]`, `[{"channel_point":"p","node_id":"n","local_balance":"all","initialized":5}]`} {
		_, err = coinOn(t, "BTC", always(result(bad)), walletOf("BTC")).ListChannels(t.Context())
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, bad)
		_, err = coinOn(t, "BTC", always(result(bad)), walletOf("BTC")).ListPeers(t.Context())
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, bad)
	}
}

func TestLightningAnswersOfOneText(t *testing.T) {
	t.Parallel()
	calls := map[string]func(*bitcart.Coin) (string, error){
		"nodeid":        func(c *bitcart.Coin) (string, error) { return c.NodeID(t.Context()) },
		"open_channel":  func(c *bitcart.Coin) (string, error) { return c.OpenChannel(t.Context(), "n", amount("0.1").Decimal) },
		"close_channel": func(c *bitcart.Coin) (string, error) { return c.CloseChannel(t.Context(), "t:1", true) },
	}
	params := map[string]string{"nodeid": `{"xpub":"w"}`, "open_channel": `["n","0.1",{"xpub":"w"}]`, "close_channel": `["t:1",true,{"xpub":"w"}]`}
	for method, call := range calls {
		w := always(result(`"text"`))
		text, err := call(coinOn(t, "BTC", w, bitcart.Wallet{Xpub: "w"}))
		require.NoError(t, err)
		require.Equal(t, "text", text)
		require.Equal(t, method, w.last(t).Method)
		require.JSONEq(t, params[method], string(w.last(t).Params))
		for _, bad := range []string{`null`, `""`, `5`, `{}`} {
			_, err := call(coinOn(t, "BTC", always(result(bad)), bitcart.Wallet{Xpub: "w"}))
			require.ErrorIs(t, err, bitcart.ErrInvalidAnswer, "%s %s", method, bad)
		}
	}
	require.Error(t, coinOn(t, "BTC", always(result(`false`)), walletOf("BTC")).Connect(t.Context(), "n"))
	for _, bad := range []string{`null`, `"yes"`, `{}`} {
		require.ErrorIs(t, coinOn(t, "BTC", always(result(bad)), walletOf("BTC")).Connect(t.Context(), "n"), bitcart.ErrInvalidAnswer)
	}
}

// Electrum cuts digits beyond the satoshi off without a word.
func TestOpenChannelRefusesWhatCannotBePaid(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"0", "-1", "0.000000001", "0.123456789"} {
		w := always(result(`"t:0"`))
		_, err := coinOn(t, "BTC", w, walletOf("BTC")).OpenChannel(t.Context(), "n", amount(bad).Decimal)
		require.ErrorIs(t, err, bitcart.ErrInvalidAmount, bad)
		require.Empty(t, w.calls(), bad)
	}
}

// FuzzLightning: any answer is what the types say, or an error.
func FuzzLightning(f *testing.F) {
	for _, name := range []string{"lnpay", "lnpay.failed", "list_channels", "list_channels.closed", "list_peers", "getinfo"} {
		if g, ok := exchangeOf(f, "BTC", name); ok {
			f.Add([]byte(g.Result))
		}
	}
	f.Add([]byte(`[{"channel_point":"p","node_id":"n","local_balance":1e100}]`))
	f.Add([]byte(`{"connected":true,"server_height":1e18,"total_wallets":-1}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		coin := func() *bitcart.Coin { return coinOn(t, "BTC", always(result(string(answer))), walletOf("BTC")) }
		errs := make([]error, 4)
		var payment *bitcart.LNPayment
		payment, errs[0] = coin().LNPay(t.Context(), "ln")
		_, errs[1] = coin().ListChannels(t.Context())
		_, errs[2] = coin().ListPeers(t.Context())
		_, errs[3] = coin().Info(t.Context())
		require.Equal(t, errs[0] == nil, payment != nil)
		for _, err := range slices.DeleteFunc(errs, func(err error) bool { return err == nil }) {
			var call *bitcart.CallError
			var answered *bitcart.RPCError // the answer can close the envelope and open another
			require.True(t, errors.As(err, &call) || errors.As(err, &answered), "%v", err)
		}
	})
}
