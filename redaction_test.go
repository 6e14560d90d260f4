package bitcart_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gorilla/websocket"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// The secrets: words that stand nowhere else.
const (
	secretSeed     = "quokka marzipan vellichor zugzwang petrichor"
	secretPassword = "hunterplover"
	secretLogin    = "capybaraowner"
	secretContract = "0xDEADBEEFcafe0042"
	secretTokenKey = secretSeed + "_" + secretContract
	secretViewKey  = "b54ed1d0feeb1e5deadfa11ab1e0ddba11c0deca5eacce55f00dfeedfacade00"
)

// secretForms are what must not show, each with the word that it shows. A user
// and the contract of a token are no secrets.
var secretForms = func() map[string]string {
	forms := map[string]string{}
	for _, word := range append(strings.Fields(secretSeed), secretPassword, secretViewKey) {
		for _, form := range formsOf(word) {
			forms[strings.ToLower(form)] = word
		}
	}
	return forms
}()

// leaks returns the word that text shows in one of the ways in which fmt, slog
// and encoding/json write a text, or "".
func leaks(text string) string {
	lower := strings.ToLower(text)
	for form, word := range secretForms {
		if strings.Contains(lower, form) {
			return word
		}
	}
	return ""
}

// formsOf returns how a word is written as text, hex, numbers and base64.
func formsOf(word string) []string {
	decimals := make([]string, len(word))
	spaced := make([]string, len(word))
	coded := make([]string, len(word))
	for i := range len(word) {
		decimals[i] = strconv.Itoa(int(word[i]))
		spaced[i] = fmt.Sprintf("%02x", word[i])
		coded[i] = fmt.Sprintf("0x%x", word[i])
	}
	forms := []string{
		word, hex.EncodeToString([]byte(word)), strings.Join(spaced, " "), strings.Join(coded, ", "),
		strings.Join(decimals, " "), strings.Join(decimals, ", "), strings.Join(decimals, ","),
	}
	// Base64 of a text that holds the word at any place: the whole groups of
	// three that the word fills.
	for shift := range 3 {
		inner := word[(3-shift)%3:]
		inner = inner[:len(inner)/3*3]
		forms = append(forms, base64.RawStdEncoding.EncodeToString([]byte(inner)))
	}
	return forms
}

func TestLeaksSeesEveryForm(t *testing.T) {
	shown := []string{
		fmt.Sprintf("%v", secretSeed), fmt.Sprintf("%q", secretSeed), fmt.Sprintf("%x", secretSeed), fmt.Sprintf("%X", secretSeed),
		fmt.Sprintf("% x", secretSeed), fmt.Sprintf("%d", []byte(secretSeed)), fmt.Sprintf("%#v", []byte(secretSeed)),
		strings.ToUpper(secretSeed), url.QueryEscape(secretSeed), base64.StdEncoding.EncodeToString([]byte("a" + secretSeed)),
		base64.StdEncoding.EncodeToString([]byte(secretLogin + ":" + secretPassword)),
		fmt.Sprintf("%v", struct{ b []byte }{[]byte(secretSeed)}), "marzipan",
	}
	for _, text := range shown {
		require.NotEmpty(t, leaks(text), text)
	}
	require.Empty(t, leaks("bitcart: BTC wallet 3f2a is not loaded"))
}

var secretWallet = bitcart.Wallet{Xpub: secretSeed, Contract: secretContract, Diskless: true}

var secretAccess = []bitcart.Option{
	bitcart.WithBasicAuth(secretLogin, secretPassword),
	bitcart.WithURL("http://h:5002/p"),
	bitcart.WithProxy("http://" + secretLogin + ":" + secretPassword + "@proxy:1"),
	bitcart.WithTLSConfig(&tls.Config{ServerName: "h"}),
}

// secretCoin is a Coin of ETH that holds secrets, and whose daemon answers
// every call with body.
func secretCoin(t testing.TB, body string) *bitcart.Coin {
	t.Helper()
	return makeCoin(t, "ETH", bitcart.WithWallet(secretWallet), bitcart.WithBasicAuth(secretLogin, secretPassword),
		bitcart.WithURL("http://h:5002/p"), bitcart.WithHTTPClient(answering(body, nil)))
}

// secretEvent is an event of that wallet.
func secretEvent(t testing.TB) *bitcart.Event {
	t.Helper()
	c := secretCoin(t, "")
	var got *bitcart.Event
	c.On("new_payment", func(_ context.Context, ev *bitcart.Event) error {
		got = ev
		return nil
	})
	u := bitcart.NewUpdate("new_payment", bitcart.NewPayment{Address: "id", StatusStr: "s"}).From("ETH", secretTokenKey, bitcart.SourceWebhook)
	require.NoError(t, c.ProcessUpdates(t.Context(), []bitcart.Update{u}))
	require.Equal(t, secretTokenKey, got.Wallet)
	return got
}

// rpcError is what a daemon's error with a text becomes.
func rpcError(t testing.TB, message string) *bitcart.RPCError {
	t.Helper()
	answer, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "error": map[string]any{"code": -32005, "message": message},
	})
	require.NoError(t, err)
	err = secretCoin(t, string(answer)).Call(t.Context(), nil, "getbalance", bitcart.Named{"password": secretPassword})
	var re *bitcart.RPCError
	require.ErrorAs(t, err, &re)
	return re
}

// secretValues returns, for each exported type of the package, values that
// hold secrets, or nothing for a type that cannot: the reason stands beside it.
func secretValues(t testing.TB) map[string][]any {
	c := secretCoin(t, "")
	ev := secretEvent(t)
	m := makeManager(t, map[string][]string{"XMR": {secretSeed}, "BTC": {secretSeed}}, secretAccess[0])
	_, err := m.AddWallet("ETH", secretWallet)
	require.NoError(t, err)
	_, err = m.AddWallet("XMR", bitcart.Wallet{Xpub: secretViewKey, Address: testAddress}, secretAccess[:2]...)
	require.NoError(t, err)
	d, err := bitcart.NewDispatcher(bitcart.WithStream(bitcart.StreamConfig{Workers: 3}))
	require.NoError(t, err)
	gap := bitcart.Gap{Currency: "ETH", Coin: c, Since: time.Now(), Reason: bitcart.GapStart}
	rpc := rpcError(t, "Exception: cannot load '"+secretTokenKey+"'")
	call := callError(t)
	update := bitcart.NewUpdate("new_block", bitcart.NewBlock{Height: 1}).From("BTC", secretSeed, bitcart.SourceStream)
	urlErr := wrongOption(t, bitcart.WithURL("http://"+secretLogin+":"+secretPassword+"@h:99999"))
	handlerErr := &bitcart.HandlerError{Event: ev, Err: rpc}
	options := append([]bitcart.Option{
		bitcart.WithXpub(secretSeed), bitcart.WithWallet(secretWallet),
		bitcart.WithURL("http://" + secretLogin + ":" + secretPassword + "@h:1"),
		bitcart.WithCurrency("BTC", secretAccess...),
	}, secretAccess...)
	optionValues := make([]any, len(options))
	for i, o := range options {
		optionValues[i] = o
	}
	return map[string][]any{
		"Wallet":         {secretWallet, &secretWallet, bitcart.Wallet{Xpub: secretViewKey, Address: "a"}},
		"Coin":           {c},
		"APIManager":     {m},
		"Dispatcher":     {d},
		"Event":          {ev, *ev},
		"Update":         {update, &update, bitcart.NewUpdate("e", secretWallet)},
		"Option":         optionValues,
		"StartOption":    {bitcart.WithForceConnect(), bitcart.WithReconnectCallback(func(context.Context, string) error { return nil })},
		"Gap":            {gap, &gap},
		"GapError":       {&bitcart.GapError{Gap: gap}},
		"ArmInfo":        {bitcart.ArmInfo{Coin: c, Err: rpc}, &bitcart.ArmInfo{Coin: c, Err: call}},
		"ConnectInfo":    {bitcart.ConnectInfo{Currency: "ETH"}},
		"DisconnectInfo": {bitcart.DisconnectInfo{Currency: "ETH", Err: call}},
		"Stats":          {c.Stats(), m.Stats()},
		"RPCError":       {rpc, *rpc},
		"CallError":      {call, *call},
		"ConnectError":   {&bitcart.ConnectError{Currency: "ETH", URL: c.URL(), Err: call}, bitcart.ConnectError{Err: call}},
		"HandlerError":   {handlerErr},
		"OptionError":    {urlErr},
		"PayloadError":   {payloadError(t)},
		"PanicError":     {&bitcart.PanicError{Value: rpc, Stack: []byte("goroutine 1")}},
		"DrainError":     {&bitcart.DrainError{Undelivered: 1}},
		"Info":           secretInfo(t),
		// What the daemon says to a payment can quote the wallet that pays.
		"BroadcastError":  {&bitcart.BroadcastError{RawTx: "0200", Err: rpc}, secretBroadcastError(t), *secretBroadcastError(t)},
		"IncompleteError": {&bitcart.IncompleteError{Missing: 1, Total: 2, Hash: "h", Err: rpc}, &bitcart.IncompleteError{Err: call}},
		"Registry":        {bitcart.Registry(c)},
		"Sink":            {bitcart.Sink(c)},
		// What follows holds numbers, names of the library's own, or code.
		"Currency": {}, "Family": {}, "StreamConfig": {}, "Hooks": {}, "Handler": {},
		"GapReason": {}, "Source": {}, "RequestStatus": {}, "Payload": {},
		// Data of a chain and of a payment request, for a user to read.
		"NewBlock": {}, "NewTransaction": {}, "NewPayment": {}, "VerifiedTx": {},
		"Request": {}, "RequestFilter": {}, "RequestParams": {}, "Balance": {}, "Tx": {}, "AddressTx": {},
		"HistoryItem": {}, "Payout": {}, "Output": {}, "PayOption": {},
		"Peer": {}, "Channel": {}, "LNPayment": {},
		// A daemon's catalogue of errors, and the name of a method.
		"Spec": {}, "SpecException": {}, "UnsupportedError": {},
		// What the user hands over in the clear.
		"Named": {},
	}
}

// secretBroadcastError is a payment whose broadcast was answered with the wallet's key in the place
// of a hash.
func secretBroadcastError(t testing.TB) *bitcart.BroadcastError {
	t.Helper()
	coin := makeCoin(t, "ETH", bitcart.WithXpub(secretSeed), bitcart.WithHTTPClient(answering(
		`{"jsonrpc":"2.0","id":1,"result":"`+secretSeed+`"}`, nil)))
	_, err := coin.PayTo(t.Context(), receivers["ETH"], dec("1"))
	var unsent *bitcart.BroadcastError
	require.ErrorAs(t, err, &unsent)
	unsent.RawTx = "0x02" // the answer above was taken for the transaction, too
	return unsent
}

// secretInfo is the answer of a daemon that lists its wallets, whose names are their keys.
func secretInfo(t testing.TB) []any {
	t.Helper()
	info, err := secretCoin(t, `{"jsonrpc":"2.0","id":1,"result":{"connected":true,"version":"4.4.0",
		"path":"/data/`+secretPassword+`","server":"https://node/`+secretPassword+`",
		"wallets":{"/data/bch/wallets/`+secretSeed+`":true}}}`).Info(t.Context())
	require.NoError(t, err)
	require.Contains(t, string(info.Raw), secretSeed, "the answer is there for those who ask for it")
	return []any{info, *info}
}

func wrongOption(t testing.TB, o bitcart.Option) error {
	t.Helper()
	_, err := bitcart.NewCoin("BTC", o)
	var oe *bitcart.OptionError
	require.ErrorAs(t, err, &oe)
	return oe
}

// payloadError is an update that does not fit, of a wallet that is secret.
func payloadError(t testing.TB) error {
	t.Helper()
	u := bitcart.NewUpdate("new_block", map[string]any{"height": "x"}).From("BTC", secretSeed, bitcart.SourceWebhook)
	_, err := bitcart.PayloadOf[bitcart.NewBlock](eventOf(t, u))
	var pe *bitcart.PayloadError
	require.ErrorAs(t, err, &pe)
	return pe
}

// callError is a call whose transport failed and quoted the URL.
func callError(t testing.TB) *bitcart.CallError {
	t.Helper()
	c := makeCoin(t, "ETH", bitcart.WithWallet(secretWallet),
		bitcart.WithURL("http://"+secretLogin+":"+secretPassword+"@h:5002/p"),
		bitcart.WithHTTPClient(&http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			user, password, _ := r.BasicAuth()
			return nil, &url.Error{Op: "Post", URL: "http://" + user + ":" + password + "@h:5002/p", Err: io.ErrUnexpectedEOF}
		})}))
	err := c.Call(t.Context(), nil, "getbalance")
	var ce *bitcart.CallError
	require.ErrorAs(t, err, &ce)
	return ce
}

// exportedTypes returns the exported types of the package.
func exportedTypes(t *testing.T) []string {
	t.Helper()
	var names []string
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, entry := range entries {
		if entry.IsDir() || !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.IsExported() {
					names = append(names, ts.Name.Name)
				}
			}
		}
	}
	return names
}

func TestEveryExportedTypeIsCheckedForSecrets(t *testing.T) {
	covered := secretValues(t)
	names := exportedTypes(t)
	require.Greater(t, len(names), 30)
	require.True(t, slices.Contains(names, "Wallet"))
	for _, name := range names {
		require.Contains(t, covered, name, "add values of the new type to secretValues, or say there why it holds no secret")
	}
}

// inAnyField is how a value sits in a struct of the user's.
type inAnyField struct{ V any }

var verbs = []string{
	"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%#q", "%#x", "% x", "%o", "%c", "%U", "%20v", "%.9s",
}

func TestNoTypePrintsSecrets(t *testing.T) {
	for name, values := range secretValues(t) {
		for i, value := range values {
			t.Run(fmt.Sprint(name, " ", i), func(t *testing.T) {
				for way, text := range printed(value) {
					require.Empty(t, leaks(text), "%s shows it: %s", way, text)
				}
			})
		}
	}
}

// printed returns what the ways of printing make of a value.
func printed(value any) map[string]string {
	texts := map[string]string{}
	forms := map[string]any{
		"plain": value, "in a slice": []any{value}, "in a struct": inAnyField{value}, "in a pointer": &inAnyField{value},
		"in a map": map[string]any{"k": value}, "in two": []any{inAnyField{[]any{value}}},
	}
	for where, form := range forms {
		for _, verb := range verbs {
			texts[verb+" "+where] = fmt.Sprintf(verb, form)
		}
		texts["Sprint "+where] = fmt.Sprint(form)
		encoded, err := json.Marshal(form)
		texts["json "+where] = fmt.Sprint(string(encoded), err)
		for handler, text := range logged(form) {
			texts[handler+" "+where] = text
		}
	}
	if err, ok := value.(error); ok {
		texts["Error"] = err.Error()
		texts["wrapped"] = fmt.Errorf("more: %w", err).Error()
		texts["joined"] = errors.Join(err, err).Error()
	}
	return texts
}

// logged returns what slog's handlers write for a value.
func logged(v any) map[string]string {
	var text, coded bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&coded, nil)} {
		l := slog.New(h)
		l.Info("message", "key", v)
		l.Info("message", slog.Group("group", slog.Any("key", v)))
		l.With("key", v).WithGroup("g").Info("message", "keys", []any{v})
	}
	return map[string]string{"slog text": text.String(), "slog JSON": coded.String()}
}

// fmt does not call methods of what sits in an unexported field.
func TestSecretsInUnexportedFieldsDoNotShow(t *testing.T) {
	c := secretCoin(t, "")
	u := bitcart.NewUpdate("e", nil).From("BTC", secretSeed, bitcart.SourceWebhook)
	for name, v := range map[string]any{
		"Coin":        struct{ c *bitcart.Coin }{c},
		"Event":       struct{ e *bitcart.Event }{secretEvent(t)},
		"Update":      struct{ u bitcart.Update }{u},
		"Updates":     struct{ u []bitcart.Update }{[]bitcart.Update{u}},
		"WithXpub":    struct{ o bitcart.Option }{bitcart.WithXpub(secretSeed)},
		"credentials": struct{ o []bitcart.Option }{secretAccess},
	} {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%d"} {
				text := fmt.Sprintf(verb, v)
				require.Empty(t, leaks(text), "%s shows it: %s", verb, text)
			}
		})
	}
}

func TestWalletIsNotEncoded(t *testing.T) {
	for _, v := range []any{secretWallet, &secretWallet, []bitcart.Wallet{secretWallet}, map[string]any{"w": secretWallet}} {
		encoded, err := json.Marshal(v)
		require.Error(t, err)
		require.Empty(t, encoded)
		require.Empty(t, leaks(err.Error()))
	}
}

// Two wallets must be told apart in a log.
func TestWalletsPrintDifferently(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range []bitcart.Wallet{
		{Xpub: secretSeed}, {Xpub: secretViewKey}, secretWallet, {Xpub: secretSeed, Contract: "0x2"}, {},
	} {
		require.NotContains(t, seen, w.String())
		seen[w.String()] = true
		require.Less(t, len(w.String()), 40)
		require.Equal(t, w.String(), fmt.Sprint(w))
		require.Contains(t, w.GoString(), w.String())
	}
	one, other := makeCoin(t, "BTC", bitcart.WithXpub("a")), makeCoin(t, "BTC", bitcart.WithXpub("b"))
	require.NotEqual(t, one.String(), other.String())
	require.Contains(t, one.String(), "BTC")
	require.Equal(t, one.String(), makeCoin(t, "BTC", bitcart.WithXpub("a")).String())
}

// A reader of logs must find a wallet's lines by its short hash.
func TestAWalletHasOneNameInLogs(t *testing.T) {
	for _, w := range []bitcart.Wallet{{Xpub: secretSeed}, secretWallet} {
		c := makeCoin(t, "ETH", bitcart.WithWallet(w))
		var ev *bitcart.Event
		c.On("e", func(_ context.Context, e *bitcart.Event) error {
			ev = e
			return nil
		})
		require.NoError(t, c.ProcessUpdates(t.Context(), updatesOf(t, `[{"event":"e"}]`)))
		require.Contains(t, c.String(), w.String())
		require.Contains(t, ev.String(), w.String())
	}
}

func TestErrorTypesMatchTheirSentinels(t *testing.T) {
	cause := errors.New("cause")
	tests := []struct {
		name    string
		err     error
		is, not []error
	}{
		{"DrainError", &bitcart.DrainError{Undelivered: 1}, []error{bitcart.ErrDrainTimeout}, []error{bitcart.ErrConnectionFailed}},
		{"CallError, no answer", &bitcart.CallError{Method: "m", Err: cause}, []error{bitcart.ErrConnectionFailed, cause}, []error{bitcart.ErrMaybeSent, bitcart.ErrInvalidAnswer}},
		{"CallError, maybe sent", &bitcart.CallError{Method: "m", MaybeSent: true, Err: cause}, []error{bitcart.ErrConnectionFailed, bitcart.ErrMaybeSent, cause}, []error{bitcart.ErrInvalidAnswer}},
		{"CallError, an answer", &bitcart.CallError{Method: "m", StatusCode: 502, Err: cause}, []error{bitcart.ErrInvalidAnswer, cause}, []error{bitcart.ErrConnectionFailed}},
		{"ConnectError", &bitcart.ConnectError{Currency: "BTC", Err: bitcart.ErrUnauthorized}, []error{bitcart.ErrConnectionFailed, bitcart.ErrUnauthorized}, []error{bitcart.ErrMaybeSent}},
		{"HandlerError", &bitcart.HandlerError{Event: secretEvent(t), Err: cause}, []error{cause}, nil},
		{"HandlerError without event", &bitcart.HandlerError{Err: cause}, []error{cause}, nil},
		{"PanicError", &bitcart.PanicError{Value: cause}, []error{cause}, nil},
		{"PanicError of no error", &bitcart.PanicError{Value: 5}, nil, []error{cause}},
		{"PayloadError", &bitcart.PayloadError{Event: "e", Field: "f", Err: bitcart.ErrMissingMember}, []error{bitcart.ErrMissingMember}, []error{bitcart.ErrWrongEvent}},
		{"GapError", &bitcart.GapError{Gap: bitcart.Gap{Currency: "BTC"}}, nil, []error{bitcart.ErrDrainTimeout}},
		{"zero values", errors.Join(&bitcart.CallError{}, &bitcart.ConnectError{}, &bitcart.HandlerError{}, &bitcart.OptionError{},
			&bitcart.PanicError{}, &bitcart.PayloadError{}, &bitcart.RPCError{}, &bitcart.GapError{}, &bitcart.DrainError{}), nil, []error{cause}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wrapped := fmt.Errorf("more: %w", tt.err)
			for _, target := range tt.is {
				require.ErrorIs(t, wrapped, target)
			}
			for _, target := range tt.not {
				require.NotErrorIs(t, wrapped, target)
			}
			require.NotEmpty(t, tt.err.Error())
		})
	}
}

// What a daemon answers can quote what it was sent.
func TestDaemonsTextIsRedacted(t *testing.T) {
	quoted, err := json.Marshal(secretTokenKey)
	require.NoError(t, err)
	requireRedacted(t, map[string]string{
		"key":             "Exception: " + secretTokenKey,
		"seed":            "Exception: no such wallet " + secretSeed + "!",
		"twice":           secretSeed + secretSeed,
		"quoted":          "KeyError: " + string(quoted),
		"Python's repr":   "InvalidKey: ('" + secretSeed + "', '" + secretContract + "')",
		"credentials":     "Exception: " + secretLogin + ":" + secretPassword,
		"the whole param": `Exception: {"xpub":"` + secretSeed + `","contract":"` + secretContract + `"}`,
	})
}

// A seed is as secret word by word: Python says "'word' is not in list".
func TestDaemonsTextIsRedactedInOtherSpellings(t *testing.T) {
	requireRedacted(t, map[string]string{
		"one word":           "ValueError: '" + strings.Fields(secretSeed)[2] + "' is not in list",
		"list of words":      "Exception: ['" + strings.Join(strings.Fields(secretSeed), "', '") + "']",
		"other spaces":       "Exception: " + strings.ReplaceAll(secretSeed, " ", "  "),
		"upper case":         "Exception: " + strings.ToUpper(secretSeed),
		"in a path":          "Exception: /path/" + url.PathEscape(secretSeed),
		"in a query":         "Exception: ?" + url.QueryEscape(secretSeed),
		"coded for a header": "Exception: Basic " + base64.StdEncoding.EncodeToString([]byte(secretLogin+":"+secretPassword)),
	})
}

// Escapes spell letters beyond ASCII without them, and a password goes out in another encoding than
// that of the answers.
func TestSecretsOfOtherLettersAreRedacted(t *testing.T) {
	const seed, password = "さくら みかん pâté ñandú 𠮷野", "crème-brûlée"
	for name, spell := range map[string]func(string) string{
		"plain":         func(text string) string { return text },
		"upper case":    strings.ToUpper,
		"JSON":          func(text string) string { return escaped(text, jsonEscapes) },
		"JSON in JSON":  func(text string) string { return strings.ReplaceAll(escaped(text, jsonEscapes), `\`, `\\`) },
		"text, Python":  func(text string) string { return escaped(text, pythonEscapes) },
		"bytes, Python": func(text string) string { return escaped(text, byteEscapes) },
		"in a query":    url.QueryEscape,
	} {
		for _, secret := range append(strings.Fields(seed), seed, password) {
			t.Run(name+" "+secret, func(t *testing.T) {
				shown := spell(secret)
				answer, err := json.Marshal(map[string]any{
					"jsonrpc": "2.0", "id": 1, "error": map[string]any{"code": -32005, "message": "Exception: '" + shown + "'"},
				})
				require.NoError(t, err)
				c := makeCoin(t, "BTC", bitcart.WithXpub(seed), bitcart.WithBasicAuth(secretLogin, password),
					bitcart.WithHTTPClient(answering(string(answer), nil)))
				err = c.Call(t.Context(), nil, "getinfo")
				require.ErrorContains(t, err, "-32005")
				for way, text := range printed(err) {
					require.NotContains(t, text, shown, way)
				}
			})
		}
	}
}

// escaped writes letters beyond ASCII by their escapes.
func escaped(text string, escapes func(rune) string) string {
	var b strings.Builder
	for _, c := range text {
		if c < utf8.RuneSelf {
			b.WriteRune(c)
		} else {
			b.WriteString(escapes(c))
		}
	}
	return b.String()
}

func jsonEscapes(c rune) string {
	var text string
	for _, unit := range utf16.Encode([]rune{c}) {
		text += fmt.Sprintf(`\u%04x`, unit)
	}
	return text
}

func pythonEscapes(c rune) string {
	switch {
	case c <= 0xff:
		return fmt.Sprintf(`\x%02x`, c)
	case c <= 0xffff:
		return fmt.Sprintf(`\u%04x`, c)
	}
	return fmt.Sprintf(`\U%08x`, c)
}

func byteEscapes(c rune) string {
	var text string
	for _, b := range []byte(string(c)) {
		text += fmt.Sprintf(`\x%02x`, b)
	}
	return text
}

// What a handler returns quotes a password as its owner writes it.
func TestPasswordOfOtherLettersIsNotLogged(t *testing.T) {
	const password = "crème-brûlée"
	d := newDaemon(t, "BTC", bitcarttest.WithCredentials(secretLogin, password))
	failed := make(chan struct{}, 1)
	var log bytes.Buffer
	c := newCoin(t, d, bitcart.WithBasicAuth(secretLogin, password), bitcart.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		bitcart.WithHooks(bitcart.Hooks{OnHandlerError: func(context.Context, *bitcart.HandlerError) { failed <- struct{}{} }}))
	c.On(bitcart.EventNewBlock, func(context.Context, *bitcart.Event) error { return errors.New("no login with " + password) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.StartWebsocket(ctx) }()
	require.NoError(t, d.WaitSockets(patient(t), 1))
	d.Mine(1)
	<-failed
	cancel()
	require.NoError(t, <-ended)
	require.Contains(t, log.String(), "no login with")
	require.NotContains(t, log.String(), password)
}

// keyText is a text of the user's own type.
type keyText string

// However a key is handed over, a daemon that quotes it does not bring it into an error's text.
func TestKeysInArgumentsOfAnyTypeAreRedacted(t *testing.T) {
	text := secretSeed
	quoted, err := json.Marshal(secretSeed)
	require.NoError(t, err)
	params := map[string]any{
		"text": text, "own type": keyText(text), "pointer": &text, "raw": json.RawMessage(quoted), "list": []keyText{keyText(text)},
		"map": map[string]string{"a": text}, "struct": struct{ Key string }{text}, "names in a list": []bitcart.Named{{"a": text}},
		"named": bitcart.Named{"text": text}, "named pointer": bitcart.Named{"seed": &text}, "named list": bitcart.Named{"private_key": []any{keyText(text)}},
		"wallet in a list": []any{bitcart.Wallet{Xpub: text}},
	}
	answer := `{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Exception: cannot open '` + secretSeed + `'"}}`
	for name, param := range params {
		coin := makeCoin(t, "BTC", bitcart.WithHTTPClient(answering(answer, nil)))
		err := coin.Call(t.Context(), nil, "restore", param)
		require.Error(t, err)
		for way, shown := range printed(err) {
			require.Empty(t, leaks(shown), "%s: %s shows it: %s", name, way, shown)
		}
	}
}

// requireRedacted checks an RPCError of each text, by itself and wrapped.
func requireRedacted(t *testing.T, messages map[string]string) {
	t.Helper()
	for name, message := range messages {
		t.Run(name, func(t *testing.T) {
			e := rpcError(t, message)
			require.Equal(t, message, e.Message, "Message is the raw text")
			wrapped := &bitcart.HandlerError{Event: secretEvent(t), Err: fmt.Errorf("credit: %w", e)}
			for _, err := range []error{e, wrapped} {
				for way, text := range printed(err) {
					require.Empty(t, leaks(text), "%s shows it: %s", way, text)
				}
			}
			require.Contains(t, e.Error(), "-32005")
		})
	}
}

// What a proxy or a wrong address answers can be anything.
func TestStrangersTextIsRedacted(t *testing.T) {
	for name, answer := range map[string]string{
		"no JSON":      "<html>you sent " + secretSeed + " and " + secretPassword + "</html>",
		"other JSON":   `{"you_sent":"` + secretSeed + `"}`,
		"other result": `{"jsonrpc":"2.0","id":1,"result":"` + secretSeed + `"}`,
		"broken":       `{"jsonrpc":"2.0","id":1,"result":` + secretSeed + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			var number int
			err := secretCoin(t, answer).Call(t.Context(), &number, "getinfo")
			require.Error(t, err)
			for way, text := range printed(err) {
				require.Empty(t, leaks(text), "%s shows it: %s", way, text)
			}
		})
	}
}

func TestErrorsOfTheTransportAreRedacted(t *testing.T) {
	for name, cause := range map[string]error{
		"url.Error": &url.Error{Op: "Post", URL: "http://" + secretLogin + ":" + secretPassword + "@h", Err: io.EOF},
		"wrapped":   fmt.Errorf("proxy %w", &url.Error{Op: "parse", URL: "http://" + secretLogin + ":" + secretPassword + "@p", Err: io.EOF}),
	} {
		t.Run(name, func(t *testing.T) {
			c := makeCoin(t, "ETH", bitcart.WithWallet(secretWallet), bitcart.WithBasicAuth(secretLogin, secretPassword),
				bitcart.WithHTTPClient(&http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, cause })}))
			err := c.Call(t.Context(), nil, "getbalance")
			require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
			require.Empty(t, leaks(err.Error()), err.Error())
			require.Empty(t, leaks(fmt.Sprintf("%v %s %q", err, err, err)))
		})
	}
}

// A proxy that refuses a login can repeat it.
func TestProxysTextIsRedacted(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 407 wrong: %s, %s\r\n\r\n", r.Header.Get("Proxy-Authorization"), secretPassword)
		_ = conn.Close()
	}))
	defer proxy.Close()
	through, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	through.User = url.UserPassword(secretLogin, secretPassword)
	for name, opts := range map[string][]bitcart.Option{
		"alone":            {bitcart.WithProxy(through.String())},
		"with a transport": {bitcart.WithTransport(&http.Transport{}), bitcart.WithProxy(through.String())},
	} {
		c := makeCoin(t, "BTC", append(opts, bitcart.WithURL("https://daemon.test"))...)
		_, err := c.Info(t.Context())
		require.ErrorIs(t, err, bitcart.ErrConnectionFailed, name)
		require.NotErrorIs(t, err, bitcart.ErrMaybeSent, name)
		require.ErrorContains(t, err, "407", name)
		for way, text := range printed(err) {
			require.Empty(t, leaks(text), "%s: %s shows it: %s", name, way, text)
		}
	}
}

// Whatever answers the upgrade has got the credentials, and net/http quotes what
// it cannot read.
func TestStrangersUpgradeIsRedacted(t *testing.T) {
	t.Parallel()
	login := base64.StdEncoding.EncodeToString([]byte(secretLogin + ":" + secretPassword))
	for name, answer := range map[string]string{
		"version":  secretPassword + "/1 200 x\r\n\r\n",
		"status":   "HTTP/1.1 " + secretPassword + " x\r\n\r\n",
		"header":   "HTTP/1.1 101 x\r\nAuthorization Basic " + login + "\r\n\r\n",
		"length":   "HTTP/1.1 200 x\r\nContent-Length: " + login + "\r\n\r\n",
		"encoding": "HTTP/1.1 200 x\r\nTransfer-Encoding: " + login + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t, func(s *stub) {
				s.upgrade = func(w http.ResponseWriter, _ *http.Request) {
					conn, _, err := w.(http.Hijacker).Hijack()
					if err != nil {
						return
					}
					_, _ = io.WriteString(conn, answer)
					_ = conn.Close()
				}
			})
			var log bytes.Buffer
			coin := coinAt(t, s.URL, bitcart.WithBasicAuth(secretLogin, secretPassword),
				bitcart.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			err := coin.StartWebsocket(t.Context())
			require.ErrorIs(t, err, bitcart.ErrConnectionFailed)
			for way, text := range printed(err) {
				require.Empty(t, leaks(text), "%s shows it: %s", way, text)
			}
			require.NotEmpty(t, log.String())
			require.Empty(t, leaks(log.String()), log.String())
		})
	}
}

func TestWrongOptionsDoNotShowSecrets(t *testing.T) {
	credentials := secretLogin + ":" + secretPassword + "@"
	tests := map[string]bitcart.Option{
		"port out of range":      bitcart.WithURL("http://" + credentials + "h:99999"),
		"port that is no number": bitcart.WithURL("http://" + credentials + "h:abc"),
		"scheme":                 bitcart.WithURL("ftp://" + credentials + "h"),
		"no scheme":              bitcart.WithURL(credentials + "h"),
		"bad escape":             bitcart.WithURL("http://" + secretLogin + ":%zz" + secretPassword + "@h"),
		"bad character":          bitcart.WithURL("http://" + credentials + "h/\n"),
		"space":                  bitcart.WithURL("http://" + secretLogin + ":" + secretPassword + " x@h"),
		"query":                  bitcart.WithURL("http://h/?password=" + secretPassword),
		"no host":                bitcart.WithURL("http://" + credentials),
		"slash in the password":  bitcart.WithURL("http://" + secretLogin + ":a/" + secretPassword + "@h"),
		"hash in the password":   bitcart.WithURL("http://" + secretLogin + ":1#" + secretPassword + "@h"),
		"colon in the password":  bitcart.WithURL("http://" + secretLogin + ":a:" + secretPassword + "@h"),
		"password with colon":    bitcart.WithBasicAuth(secretLogin, secretPassword+":"),
		"user with colon":        bitcart.WithBasicAuth(secretLogin+":", secretPassword),
		"beyond Latin-1":         bitcart.WithBasicAuth(secretLogin, secretPassword+"€"),
		"proxy's scheme":         bitcart.WithProxy("ftp://" + credentials + "p"),
		"proxy's port":           bitcart.WithProxy("http://" + credentials + "p:abc"),
		"proxy's escape":         bitcart.WithProxy("http://" + secretLogin + ":%zz" + secretPassword + "@p"),
		"proxy without scheme":   bitcart.WithProxy(credentials + "p:1"),
		"wallet that is unfit":   bitcart.WithWallet(secretWallet),
		"in a currency":          bitcart.WithCurrency("ETH", bitcart.WithBasicAuth(secretLogin, secretPassword+":")),
	}
	for name, option := range tests {
		t.Run(name, func(t *testing.T) {
			for place, give := range optionPlaces {
				err := give(option)
				if err == nil {
					continue
				}
				for way, text := range printed(err) {
					require.Empty(t, leaks(text), "%s: %s shows it: %s", place, way, text)
				}
				walk(err, func(e error) { require.Empty(t, leaks(e.Error()), "%s: a cause shows it", place) })
			}
		})
	}
	t.Run("environment", func(t *testing.T) {
		t.Setenv("BTC_PASSWORD", secretPassword+":")
		t.Setenv("BTC_LOGIN", secretLogin+":")
		t.Setenv("BTC_HOST", credentials+"h h")
		_, err := bitcart.NewCoin("BTC", bitcart.WithEnv())
		require.Error(t, err)
		for way, text := range printed(err) {
			require.Empty(t, leaks(text), "%s shows it: %s", way, text)
		}
	})
}

func TestManagersErrorsDoNotShowSecrets(t *testing.T) {
	m := makeManager(t, map[string][]string{"BTC": {secretSeed}})
	_, exists := m.AddWallet("BTC", bitcart.Wallet{Xpub: secretSeed})
	_, twice := bitcart.NewAPIManager(map[string][]string{"BTC": {secretSeed, secretSeed}})
	_, list := m.AddWallets("BTC", []bitcart.Wallet{{Xpub: "x"}, {Xpub: secretSeed}})
	_, view := m.AddWallet("XMR", bitcart.Wallet{Xpub: secretViewKey})
	_, token := m.AddWallet("BTC", secretWallet)
	unknown := m.ProcessUpdates(t.Context(), "LTC", secretSeed, nil)
	foreign := m.ProcessUpdates(t.Context(), "BTC", secretSeed+"x", nil)
	_, symbol := bitcart.NewCoin(secretSeed)
	for name, err := range map[string]error{
		"exists": exists, "twice": twice, "list": list, "view key": view, "token": token, "unknown": unknown, "foreign": foreign,
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, err)
			for way, text := range printed(err) {
				require.Empty(t, leaks(text), "%s shows it: %s", way, text)
			}
		})
	}
	require.Error(t, symbol)
}

func TestLogsDoNotShowSecrets(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 100, AddSource: true}))
	c := makeCoin(t, "ETH", append(slices.Clone(secretAccess), bitcart.WithWallet(secretWallet), bitcart.WithLogger(logger))...)
	m := makeManager(t, map[string][]string{"BTC": {secretSeed}}, append(slices.Clone(secretAccess), bitcart.WithLogger(logger))...)
	updates := updatesOf(t, `[{"event":"unheard"}, {"event":"fails"}, {"event":"panics"},
		"`+secretSeed+`", ["`+secretSeed+`"], {"wallet":"`+secretSeed+`"}, {"event":5,"xpub":"`+secretSeed+`"}]`)
	updates = append(updates, bitcart.NewUpdate("e", secretWallet), updates[0].From("ETH", secretSeed, bitcart.SourceWebhook),
		bitcart.NewUpdate("e", []string{secretSeed}))
	for _, r := range []bitcart.Registry{c, m} {
		r.On("fails", func(context.Context, *bitcart.Event) error { return errors.New("x") })
		r.On("panics", func(context.Context, *bitcart.Event) error { panic("x") })
	}
	for _, err := range []error{
		c.ProcessUpdates(t.Context(), updates),
		m.ProcessUpdates(t.Context(), "BTC", secretSeed, updates),
		m.ProcessUpdates(t.Context(), "BTC", "", updates),
	} {
		require.Error(t, err)
		for way, text := range printed(err) {
			require.Empty(t, leaks(text), "%s shows it: %s", way, text)
		}
	}
	require.True(t, m.RemoveWallet("BTC", secretSeed))
	require.NotEmpty(t, log.String())
	require.Empty(t, leaks(log.String()), log.String())
}

// What a result's own UnmarshalJSON says quotes the answer, and an answer can
// hold the wallet's key: XMR's getpubkeys answers the view key, getseed a seed.
func TestResultsErrorHidesTheWallet(t *testing.T) {
	t.Parallel()
	s := newStub(t, func(s *stub) {
		s.results["getseed"] = `"` + secretSeed + `"`
		s.results["getpubkeys"] = `["` + secretSeed + `"]`
	})
	coin := coinAt(t, s.URL, bitcart.WithXpub(secretSeed))
	for _, test := range []struct {
		method string
		result any
	}{
		{"getseed", new(decimal.Decimal)},
		{"getpubkeys", new([]decimal.Decimal)},
		{"getseed", new(time.Time)},
	} {
		err := coin.Call(patient(t), test.result, test.method)
		require.ErrorIs(t, err, bitcart.ErrInvalidAnswer)
		require.Empty(t, leaks(err.Error()), "%s into a %T", test.method, test.result)
		require.Empty(t, leaks(fmt.Sprintf("%+v", err)))
	}
}

// The reason for which a daemon closes a manager's websocket may name one of its wallets: it knows them by
// calls.
func TestManagersCloseFrameIsRedacted(t *testing.T) {
	t.Parallel()
	const key = "zpub6secretsecretsecret"
	server := newServer(t, &stub{socket: func(conn *websocket.Conn) {
		text := websocket.FormatCloseMessage(1011, "cannot load "+key+" now")
		_ = conn.WriteControl(websocket.CloseMessage, text, time.Now().Add(time.Second))
		swallow(conn)
	}})
	var log lockedBuffer
	lost := make(chan error, 100)
	m := makeManager(t, map[string][]string{"BTC": {"xpub6another", key}}, bitcart.WithURL(server.URL), bitcart.WithStream(quick),
		bitcart.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		bitcart.WithHooks(bitcart.Hooks{OnDisconnect: func(_ context.Context, info bitcart.DisconnectInfo) { lost <- info.Err }}))
	stream := start(t, websocketOf(m))
	err := receive(t, lost, "the disconnection")
	require.ErrorContains(t, err, "1011")
	require.ErrorContains(t, err, "cannot load wallet#")
	require.NotContains(t, err.Error(), key)
	require.NoError(t, stream.stop())
	require.Contains(t, log.String(), "1011")
	require.NotContains(t, log.String(), key)
}
