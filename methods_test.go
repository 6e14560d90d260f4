package bitcart_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
)

// replay makes the call of a stored exchange and returns what it answered.
type replay struct {
	ctx  context.Context
	t    testing.TB
	coin *bitcart.Coin
	g    exchange
}

// methodRow is a method of Coin beside the exchanges with daemons that it has to make.
type methodRow struct {
	name   string
	stored string // names of exchanges; a daemon has one of them at most
	// bare: the call names no wallet, whether or not the exchange does.
	bare bool
	call func(replay) (any, error)
	want func(r replay, got any) // nil = the answer is what the daemon answered
}

// methodRows: what goes out has to be what real daemons were sent, and what comes back what they
// answered.
var methodRows = []methodRow{
	{name: "AddRequest", stored: "add_request addrequest", call: addRequest, want: wantRequest},
	{name: "AddRequest for ever", stored: "add_request.endless addrequest.endless", call: addRequest, want: wantRequest},
	{name: "AddRequest without amount", stored: "add_request.bare addrequest.bare", call: addRequest, want: wantRequest},
	{name: "AddRequest of zero", stored: "addrequest.zero", call: addRequest, want: wantRequest},
	{name: "AddRequest of tokens", stored: "add_request.token addrequest.token", call: addRequest, want: wantRequest},
	{name: "AddInvoice", stored: "add_request.lightning", want: wantRequest, call: func(r replay) (any, error) {
		return r.coin.AddInvoice(r.ctx, r.requestParams())
	}},
	{name: "GetRequest", stored: "get_request getrequest", call: getRequest, want: wantRequest},
	{name: "GetRequest, bare", stored: "get_request.bare getrequest.bare", call: getRequest, want: wantRequest},
	{name: "GetRequest, endless", stored: "get_request.endless getrequest.endless", call: getRequest, want: wantRequest},
	{name: "GetRequest, expired", stored: "get_request.expired getrequest.expired", call: getRequest, want: wantRequest},
	{name: "GetRequest, partial", stored: "get_request.partial getrequest.partial", call: getRequest, want: wantRequest},
	{name: "GetRequest, unconfirmed", stored: "get_request.unconfirmed getrequest.unconfirmed", call: getRequest, want: wantRequest},
	{name: "GetRequest, paid", stored: "get_request.paid getrequest.paid", call: getRequest, want: wantRequest},
	{name: "GetRequest, payer", stored: "getrequest.payer", call: getRequest, want: wantRequest},
	{name: "GetRequest, token", stored: "getrequest.token", call: getRequest, want: wantRequest},
	{name: "GetInvoice", stored: "get_invoice", call: getInvoice, want: wantRequest},
	{name: "GetInvoice, paid", stored: "get_invoice.paid", call: getInvoice, want: wantRequest},
	{name: "ListRequests", stored: "list_requests listrequests", want: wantRequests, call: listRequests(bitcart.RequestFilter{})},
	{name: "ListRequests, none", stored: "list_requests.empty", want: wantRequests, call: listRequests(bitcart.RequestFilter{})},
	{name: "ListRequests, pending", stored: "list_requests.pending listrequests.pending", want: wantRequests, call: listRequests(bitcart.RequestFilter{Pending: true})},
	{name: "ListRequests, expired", stored: "list_requests.expired listrequests.expired", want: wantRequests, call: listRequests(bitcart.RequestFilter{Expired: true})},
	{name: "ListRequests, paid", stored: "list_requests.paid listrequests.paid", want: wantRequests, call: listRequests(bitcart.RequestFilter{Paid: true})},
	{name: "RemoveRequest", stored: "delete_request rmrequest", want: wantNothing, call: func(r replay) (any, error) {
		return nil, r.coin.RemoveRequest(r.ctx, r.text(0))
	}},
	{name: "SetRequestAddress", stored: "setrequestaddress", want: wantNothing, call: func(r replay) (any, error) {
		return nil, r.coin.SetRequestAddress(r.ctx, r.text(0), r.text(1))
	}},
	{name: "NodeID", stored: "nodeid nodeid.listening", call: func(r replay) (any, error) { return r.coin.NodeID(r.ctx) }},
	{name: "Connect", stored: "add_peer", want: wantNothing, call: func(r replay) (any, error) {
		return nil, r.coin.Connect(r.ctx, r.text(0))
	}},
	{name: "ListPeers", stored: "list_peers", call: func(r replay) (any, error) {
		list, err := r.coin.ListPeers(r.ctx)
		return rawsOf(list, func(p *bitcart.Peer) json.RawMessage { return p.Raw }), err
	}},
	{name: "ListChannels", stored: "list_channels", call: func(r replay) (any, error) {
		list, err := r.coin.ListChannels(r.ctx)
		return rawsOf(list, func(c *bitcart.Channel) json.RawMessage { return c.Raw }), err
	}},
	{name: "OpenChannel", stored: "open_channel", call: func(r replay) (any, error) {
		return r.coin.OpenChannel(r.ctx, r.text(0), decimal.RequireFromString(r.text(1)))
	}},
	{name: "CloseChannel", stored: "close_channel", call: func(r replay) (any, error) {
		return r.coin.CloseChannel(r.ctx, r.text(0), string(r.args()[1]) == "true")
	}},
	{name: "LNPay", stored: "lnpay", call: lnPay},
	{name: "LNPay, failed", stored: "lnpay.failed", call: lnPay},
	{name: "Help", stored: "help", bare: true, call: func(r replay) (any, error) { return r.coin.Help(r.ctx) }},
	{name: "Info", stored: "getinfo", bare: true, want: wantInfo, call: func(r replay) (any, error) { return r.coin.Info(r.ctx) }},
	{name: "ValidateKey", stored: "validatekey", bare: true, call: validateKey},
	{name: "ValidateKey, bad", stored: "validatekey.bad", bare: true, call: validateKey},
	{name: "ValidateAddress", stored: "validateaddress", bare: true, call: func(r replay) (any, error) {
		return r.coin.ValidateAddress(r.ctx, r.text(0))
	}},
	{name: "ValidateAddress, bad", stored: "validateaddress.bad", bare: true, call: func(r replay) (any, error) {
		return r.coin.ValidateAddress(r.ctx, r.text(0))
	}},
	{name: "SetConfig", stored: "setconfig", want: wantNothing, call: func(r replay) (any, error) {
		return nil, r.coin.SetConfig(r.ctx, r.text(0), r.args()[1])
	}},
	{name: "GetConfig", stored: "getconfig", call: func(r replay) (any, error) { return r.coin.GetConfig(r.ctx, r.text(0)) }},
	{name: "GetConfig, unknown", stored: "getconfig.unknown", call: func(r replay) (any, error) { return r.coin.GetConfig(r.ctx, r.text(0)) }},
	{name: "MakeSeed", stored: "make_seed", bare: true, call: func(r replay) (any, error) { return r.coin.MakeSeed(r.ctx) }},
	{name: "CloseWallet", stored: "close_wallet.unknown", bare: true, call: func(r replay) (any, error) { return r.coin.CloseWallet(r.ctx) }},
	{name: "ModifyPaymentURL", stored: "modifypaymenturl", bare: true, call: modifyPaymentURL},
	{name: "ModifyPaymentURL, token", stored: "modifypaymenturl.token", bare: true, call: modifyPaymentURL},
	{name: "BatchLoad", stored: "batch_load", bare: true, want: wantNothing, call: func(r replay) (any, error) {
		return nil, r.coin.BatchLoad(r.ctx, r.wallets())
	}},
	{name: "RescanBlocks", stored: "rescan_blocks", bare: true, want: wantNothing, call: func(r replay) (any, error) {
		return nil, r.coin.RescanBlocks(r.ctx, r.number(0), r.number(1))
	}},
}

func TestMethodsOfEachFamily(t *testing.T) {
	t.Parallel()
	for _, row := range methodRows {
		found := false
		for _, currency := range everyCurrency {
			for name := range strings.FieldsSeq(row.stored) {
				g, ok := exchangeOf(t, currency, name)
				if !ok || g.Error != nil {
					continue // refused there, which TestSupportMatrix is about
				}
				found = true
				t.Run(row.name+" "+currency, func(t *testing.T) { row.check(t, currency, g) })
			}
		}
		require.True(t, found, "%s has no exchange", row.name)
	}
}

func (row methodRow) check(t *testing.T, currency string, g exchange) {
	w := always(g.answer())
	w.spec = catalogue(t, currency)
	wallet := g.wallet(t)
	switch {
	case row.name == "CloseWallet":
		wallet = bitcart.Wallet{Xpub: g.text(t, 0), Address: "a"}
		if currency != "XMR" {
			wallet.Address = ""
		}
	case wallet.Xpub == "" && row.bare:
		wallet = walletOf(currency)
	}
	r := replay{t.Context(), t, coinOn(t, currency, w, wallet), g}
	got, err := row.call(r)
	if errors.Is(err, bitcart.ErrUnsupported) { // a method of another meaning there, or of none
		name, _, _ := strings.Cut(row.name, ",")
		require.Contains(t, surface, name)
		require.NotContains(t, strings.Fields(surface[name].have), currency)
		return
	}
	require.NoError(t, err)
	call := w.last(t)
	require.Equal(t, strings.ReplaceAll(g.Method, "get_request", "getrequest"), strings.ReplaceAll(call.Method, "get_request", "getrequest"))
	require.JSONEq(t, plainParams(t, g.Params, row.bare), plainParams(t, call.Params, row.bare))
	if row.bare {
		require.NotContains(t, namesOf(t, call.Params), "xpub", "the daemon would load the wallet")
	}
	if row.want != nil {
		row.want(r, got)
		return
	}
	encoded, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(g.Result), string(encoded))
}

// plainParams are the arguments, so that two spellings of the same are equal.
func plainParams(t testing.TB, params json.RawMessage, bare bool) string {
	t.Helper()
	names := namesOf(t, params)
	if bare {
		delete(names, "xpub")
	}
	if names == nil {
		names = map[string]json.RawMessage{}
	}
	if string(names["expiration"]) == "null" {
		names["expiration"] = json.RawMessage("0") // both are never
	}
	text, err := json.Marshal([]any{append([]json.RawMessage{}, exchange{Params: params}.arguments(t)...), names})
	require.NoError(t, err)
	return string(text)
}

func (r replay) text(i int) string       { return r.g.text(r.t, i) }
func (r replay) args() []json.RawMessage { return r.g.arguments(r.t) }
func (r replay) named() map[string]any   { return anyOf[map[string]any](r.t, r.g.Params) }
func (r replay) result() map[string]any  { return anyOf[map[string]any](r.t, r.g.Result) }
func (r replay) isElectronCash() bool {
	return r.coin.Currency() == "BCH" || r.coin.Currency() == "XRG"
}
func (r replay) isElectrum() bool      { return strings.Contains("BTC LTC GRS", r.coin.Currency()) }
func addRequest(r replay) (any, error) { return r.coin.AddRequest(r.ctx, r.requestParams()) }
func getRequest(r replay) (any, error) { return r.coin.GetRequest(r.ctx, r.text(0)) }
func getInvoice(r replay) (any, error) { return r.coin.GetInvoice(r.ctx, r.text(0)) }
func wantNothing(r replay, got any)    { require.Nil(r.t, got) }
func integerIn(m map[string]any, name string) int64 {
	n, _ := m[name].(json.Number)
	v, _ := n.Int64()
	return v
}

// anyOf decodes JSON with its numbers as they are written.
func anyOf[T any](t testing.TB, raw json.RawMessage) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&v))
	return v
}

func (r replay) number(i int) int64 {
	if i >= len(r.args()) {
		return 0
	}
	return anyOf[int64](r.t, r.args()[i])
}

// requestParams are those of which the exchange's arguments are made.
func (r replay) requestParams() bitcart.RequestParams {
	named := r.named()
	p := bitcart.RequestParams{Description: named["memo"].(string), Expiry: -time.Minute}
	if text, ok := named["amount"].(string); ok {
		p.Amount = amount(text)
	}
	for _, name := range []string{"expiry", "expiration"} {
		if seconds := integerIn(named, name); seconds > 0 {
			p.Expiry = time.Duration(seconds) * time.Second
		}
	}
	return p
}

func (r replay) wallets() []bitcart.Wallet {
	var list []bitcart.Wallet
	for _, item := range r.named()["wallets"].([]any) {
		switch item := item.(type) {
		case string:
			list = append(list, bitcart.Wallet{Xpub: item})
		case map[string]any:
			w := bitcart.Wallet{Xpub: item["xpub"].(string)}
			w.Contract, _ = item["contract"].(string)
			w.Address, _ = item["address"].(string)
			list = append(list, w)
		}
	}
	return list
}

func listRequests(f bitcart.RequestFilter) func(replay) (any, error) {
	return func(r replay) (any, error) { return r.coin.ListRequests(r.ctx, f) }
}

func lnPay(r replay) (any, error) {
	p, err := r.coin.LNPay(r.ctx, r.text(0))
	if err != nil {
		return nil, err
	}
	want := r.result()
	require.Equal(r.t, want["success"], p.Success)
	require.Equal(r.t, want["payment_hash"], p.PaymentHash)
	preimage, _ := want["preimage"].(string)
	require.Equal(r.t, preimage, p.Preimage)
	require.Len(r.t, p.Log, len(want["log"].([]any)))
	return p.Raw, nil
}

func validateKey(r replay) (any, error) {
	if address, ok := namesOf(r.t, r.g.Params)["address"]; ok {
		return r.coin.ValidateWallet(r.ctx, bitcart.Wallet{Xpub: r.text(0), Address: anyOf[string](r.t, address)})
	}
	return r.coin.ValidateKey(r.ctx, r.text(0))
}

func modifyPaymentURL(r replay) (any, error) {
	return r.coin.ModifyPaymentURL(r.ctx, r.text(0), decimal.RequireFromString(r.text(1)), int(r.number(2)))
}

func rawsOf[T any](list []T, raw func(T) json.RawMessage) []json.RawMessage {
	raws := []json.RawMessage{}
	for _, item := range list {
		raws = append(raws, raw(item))
	}
	return raws
}

func wantRequest(r replay, got any) {
	requireAnswered(r, r.result(), r.g.Result, got.(*bitcart.Request))
}

func wantRequests(r replay, got any) {
	items, list := anyOf[[]json.RawMessage](r.t, r.g.Result), got.([]*bitcart.Request)
	require.Len(r.t, list, len(items))
	for i, raw := range items {
		requireAnswered(r, anyOf[map[string]any](r.t, raw), raw, list[i])
	}
}

// requireAnswered compares a request with the members of the answer, by the rules of the protocol.
func requireAnswered(r replay, answer map[string]any, raw json.RawMessage, got *bitcart.Request) {
	r.t.Helper()
	text := func(name string) string { s, _ := answer[name].(string); return s }
	want := &bitcart.Request{
		Key: text("request_id"), Address: text("address"), URI: text("URI"), Description: text("message"), Confirmations: int(integerIn(answer, "confirmations")),
		Status: bitcart.RequestStatus(integerIn(answer, "status")), StatusStr: text("status_str"), Created: at(integerIn(answer, "timestamp")),
		Payer: text("payment_address"), RHash: text("rhash"), LightningInvoice: text("lightning_invoice"), Contract: r.coin.Wallet().Contract,
	}
	want.Amount, want.Symbol = amountIn(r, answer)
	if sent := text("sent_amount"); sent != "" {
		want.SentAmount = amount(sent)
	}
	hashes, _ := answer["tx_hashes"].([]any)
	for _, hash := range hashes {
		want.TxHashes = append(want.TxHashes, hash.(string))
	}
	expiry, created := integerIn(answer, "expiry"), integerIn(answer, "timestamp")
	switch {
	case r.isElectronCash():
		want.Key, want.Description, want.StatusStr = text("address"), text("memo"), text("status")
		want.Status = map[string]bitcart.RequestStatus{"Pending": 0, "Expired": 1, "Unknown": 2, "Paid": 3, "Unconfirmed": 7}[text("status")]
		created, expiry = integerIn(answer, "time"), integerIn(answer, "exp")
		want.Created = at(created)
	case !r.isElectrum():
		if expiry = integerIn(answer, "expiration"); expiry > 0 {
			expiry -= created
		}
	}
	if expiry > 0 {
		want.ExpiresAt = at(created + expiry)
	}
	requireSame(r.t, want, got)
	require.JSONEq(r.t, string(raw), string(got.Raw))
}

// amountIn finds the member whose name holds the symbol.
func amountIn(r replay, answer map[string]any) (decimal.NullDecimal, string) {
	for name, value := range answer {
		symbol, ok := strings.CutPrefix(name, "amount_")
		if r.isElectronCash() {
			symbol, ok = strings.CutPrefix(strings.TrimSuffix(name, ")"), "amount (")
		}
		if !ok || !r.isElectronCash() && symbol != strings.ToUpper(symbol) {
			continue
		}
		if strings.EqualFold(value.(string), "unknown") {
			return noAmount, symbol
		}
		return amount(value.(string)), symbol
	}
	require.Fail(r.t, "no amount")
	return noAmount, ""
}

func wantInfo(r replay, got any) {
	info, want := got.(*bitcart.Info), r.result()
	network, _ := want["network"].(string)
	require.Equal(r.t, bitcart.Info{
		Connected: want["connected"].(bool), Synchronized: want["synchronized"].(bool), BlockchainHeight: integerIn(want, "blockchain_height"),
		ServerHeight: integerIn(want, "server_height"), TotalWallets: int(integerIn(want, "total_wallets")), SPVNodes: int(integerIn(want, "spv_nodes")),
		Server: want["server"].(string), Path: want["path"].(string), Version: want["version"].(string), Network: network, Raw: info.Raw,
	}, *info)
	require.JSONEq(r.t, string(r.g.Result), string(info.Raw))
}
