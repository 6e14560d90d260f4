package bitcarttest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

// answer is one golden file: a call and what the daemon of that currency answers.
type answer struct {
	Note, Source string
	Forced       bool // the daemon does not run into this error by itself
	Path         string
	Method       string
	Params       json.RawMessage
	Result       json.RawMessage
	Error        *bitcarttest.Error
	ExcName      string `json:"exc_name"`
}

const answers = "../testdata/rpc"

// TestGoldenAnswers compares every golden file, by keys and JSON types, with what the daemon
// answers to the same call.
func TestGoldenAnswers(t *testing.T) {
	folders, err := filepath.Glob(answers + "/*/spec.json")
	require.NoError(t, err)
	require.Len(t, folders, 9)
	for _, file := range folders {
		symbol := filepath.Base(filepath.Dir(file))
		t.Run(symbol, func(t *testing.T) {
			s := newStage(t, symbol)
			s.makeRequests()
			for _, name := range s.order() {
				t.Run(name, func(t *testing.T) { s.with(t).check(name) })
			}
		})
	}
}

// stage is a daemon on which the calls of the golden files make sense: what they name exists.
type stage struct {
	t      *testing.T
	symbol string
	d      *bitcarttest.Daemon
	now    *atomic.Int64
	files  map[string]answer
	names  map[string]string // golden names, and what stands for them here
}

const stageTime = 1767323045

func newStage(t *testing.T, symbol string, opts ...bitcarttest.Option) *stage {
	s := &stage{t: t, symbol: symbol, now: &atomic.Int64{}, files: map[string]answer{}, names: map[string]string{}}
	s.now.Store(stageTime)
	opts = append(opts, bitcarttest.WithHeight(799), bitcarttest.WithClock(func() time.Time { return time.Unix(s.now.Load(), 0) }))
	if symbol == "BCH" {
		opts = append(opts, bitcarttest.WithToken(bitcarttest.Token{Symbol: "GEM", Contract: strings.Repeat("ab", 32), Decimals: 2}))
	}
	s.d = newDaemon(t, symbol, opts...)
	files, err := filepath.Glob(filepath.Join(answers, symbol, "*.json"))
	require.NoError(t, err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var a answer
		require.NoError(t, json.Unmarshal(raw, &a), file)
		s.files[strings.TrimSuffix(filepath.Base(file), ".json")] = a
	}
	return s
}

func (s *stage) with(t *testing.T) *stage {
	c := *s
	c.t = t
	return &c
}

// first and late are calls that change something: the first make what others name, the late ones
// come when nobody looks at it any more.
var (
	first = strings.Fields(`add_request.token addrequest.token add_request.lightning payto payto.all broadcast payto.unsigned paytomany
		addtransaction addtransaction.conflict removelocaltx signtransaction transfer setconfig`)
	late = strings.Fields(`lnpay.failed get_invoice setrequestaddress lnpay get_invoice.paid open_channel list_peers list_channels
		close_channel delete_request rmrequest clear_requests clearrequests close_wallet`)
)

func (s *stage) order() []string {
	var names []string
	for name := range s.files {
		if !slices.Contains(first, name) && !slices.Contains(late, name) && !s.made(name) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	known := func(name string) bool { _, ok := s.files[name]; return !ok }
	names = append(slices.DeleteFunc(slices.Clone(first), known), names...)
	return append(names, slices.DeleteFunc(slices.Clone(late), known)...)
}

// made tells whether a file was checked by makeRequests.
func (s *stage) made(name string) bool { return slices.Contains(s.makers(), name) }

func (s *stage) makers() []string {
	add := s.addMethod()
	return []string{add, add + ".bare", add + ".endless"}
}

func (s *stage) addMethod() string {
	if s.d.Family() == bitcarttest.ElectronCash {
		return "addrequest"
	}
	return "add_request"
}

func (s *stage) readMethod() string {
	if s.d.Family() == bitcarttest.Electrum {
		return "get_request"
	}
	return "getrequest"
}

// wallet is the key of the wallet that the calls of a file name.
func (s *stage) wallet(name string) string {
	params := s.files[name].Params
	var list []json.RawMessage
	if json.Unmarshal(params, &list) == nil && len(list) > 0 {
		params = list[len(list)-1]
	}
	var of struct{ Xpub json.RawMessage }
	require.NoError(s.t, json.Unmarshal(params, &of), name)
	var key string
	if json.Unmarshal(of.Xpub, &key) == nil {
		return key
	}
	var spec struct{ Xpub, Contract string }
	require.NoError(s.t, json.Unmarshal(of.Xpub, &spec), name)
	if spec.Contract != "" {
		return spec.Xpub + "_" + spec.Contract
	}
	return spec.Xpub
}

// makeRequests makes a request for every state that the files show, and pays some.
func (s *stage) makeRequests() {
	for _, name := range s.makers() {
		if _, ok := s.files[name]; ok {
			s.check(name)
		}
	}
	for _, state := range []string{"expired", "partial", "paid", "payer", "unconfirmed"} {
		if a, ok := s.files[s.readMethod()+"."+state]; ok {
			s.makeRequest(state, a)
		}
	}
	s.fund()
}

func (s *stage) makeRequest(state string, a answer) {
	var golden struct {
		Sent  string   `json:"sent_amount"`
		Payer string   `json:"payment_address"`
		Txs   []string `json:"tx_hashes"`
	}
	if a.Error == nil {
		require.NoError(s.t, json.Unmarshal(a.Result, &golden))
	} else {
		golden.Sent, golden.Txs = map[string]string{"partial": "0.2"}[state], []string{strings.Repeat(state, 8)} // XRG
	}
	var key []json.RawMessage
	require.NoError(s.t, json.Unmarshal(a.Params, &key))
	params := map[string]any{}
	require.NoError(s.t, json.Unmarshal(s.files[s.addMethod()].Params, &params))
	if state == "expired" {
		params[map[bool]string{true: "expiry", false: "expiration"}[s.d.Family() == bitcarttest.Electrum]] = 60
	}
	var live map[string]any
	rpc(s.t, s.d, s.addMethod(), params, &live)
	lookup, address := fmt.Sprint(live["address"]), fmt.Sprint(live["address"])
	if s.d.Family() != bitcarttest.ElectronCash {
		lookup = fmt.Sprint(live["request_id"])
	}
	s.names[text(key[0])] = lookup
	s.learnAddress(a, address)
	wallet := s.wallet(s.addMethod())
	switch state {
	case "expired":
		s.now.Add(61)
	case "payer":
		rpc(s.t, s.d, "setrequestaddress", []any{lookup, golden.Payer, named{"xpub": params["xpub"]}}, nil)
	default:
		txid, err := s.d.Pay(wallet, lookup, bitcarttest.Transfer{
			From: golden.Payer, Amount: map[bool]string{true: golden.Sent}[state == "partial"], Mined: state != "unconfirmed",
		})
		require.NoError(s.t, err)
		s.names[golden.Txs[0]] = txid
	}
}

// learnAddress notes the address of a request where a file of another method names it.
func (s *stage) learnAddress(request answer, address string) {
	var r struct{ Address string }
	if request.Error == nil && json.Unmarshal(request.Result, &r) == nil && s.d.Family() != bitcarttest.Account {
		s.names[r.Address] = address
	}
}

// fund gives the wallets of the files what they spend.
func (s *stage) fund() {
	key := s.wallet(s.addMethod())
	if s.symbol == "XMR" {
		return
	}
	b := bitcarttest.Balance{Confirmed: "10.5"}
	if s.d.Family() != bitcarttest.Account {
		b.Unconfirmed = "0.7"
	}
	require.NoError(s.t, s.d.SetBalance(key, b))
	for name := range s.files {
		if strings.HasSuffix(name, "request.token") && strings.HasPrefix(name, "add") {
			token := s.wallet(name)
			require.NoError(s.t, s.d.Load(token))
			require.NoError(s.t, s.d.SetBalance(token, bitcarttest.Balance{Confirmed: "25"}))
		}
	}
}

// before is what has to happen for a file.
var before = map[string]func(*stage){
	"getbalance.small": func(s *stage) { s.give(bitcarttest.Balance{Confirmed: "0.00000001"}) },
	"getbalance.all": func(s *stage) {
		s.give(bitcarttest.Balance{Confirmed: "1.5", Unconfirmed: "0.25", Unmatured: "6.25", Lightning: "0.0005"})
	},
	"payto.watch_only": func(s *stage) { s.give(bitcarttest.Balance{Confirmed: "1"}) },
	"error.WatchOnlyWalletError": func(s *stage) {
		key := s.wallet("error.WatchOnlyWalletError")
		require.NoError(s.t, s.d.Load(key))
		require.NoError(s.t, s.d.SetBalance(key, bitcarttest.Balance{Confirmed: "1"})) // that is asked for first
	},
	"lnpay": func(s *stage) {
		require.NoError(s.t, s.d.SetBalance(s.wallet("lnpay"), bitcarttest.Balance{Confirmed: "5", Lightning: "1"}))
	},
	"list_channels": func(s *stage) {
		for _, ch := range []bitcarttest.Channel{{Local: "0.1", Remote: "0.2"}, {Backup: true}} {
			_, err := s.d.AddChannel(s.wallet("list_channels"), ch)
			require.NoError(s.t, err)
		}
	},
	"close_wallet": func(s *stage) { require.NoError(s.t, s.d.Load(s.wallet("close_wallet"))) },
}

// give sets the balance of the watch-only wallet.
func (s *stage) give(b bitcarttest.Balance) {
	key := s.wallet("getbalance.small")
	require.NoError(s.t, s.d.Load(key))
	require.NoError(s.t, s.d.SetBalance(key, b))
}

// alone are the files that need a daemon of their own.
var alone = map[string]func(t *testing.T, symbol string) *stage{
	"list_peers.none":    func(t *testing.T, symbol string) *stage { return newStage(t, symbol) },
	"list_channels.none": func(t *testing.T, symbol string) *stage { return newStage(t, symbol) },
	"nodeid.listening": func(t *testing.T, symbol string) *stage {
		return newStage(t, symbol, bitcarttest.WithLightningListen("203.0.113.7:9735"))
	},
	"list_channels.closed": func(t *testing.T, symbol string) *stage {
		s := newStage(t, symbol)
		key := s.wallet("list_channels.closed")
		require.NoError(t, s.d.Load(key))
		point, err := s.d.AddChannel(key, bitcarttest.Channel{Local: "0.1"})
		require.NoError(t, err)
		rpc(t, s.d, "close_channel", []any{point, named{"xpub": key}}, nil)
		return s
	},
}

func (s *stage) check(name string) {
	a := s.files[name]
	require.Contains(s.t, []string{"recorded", "documented"}, a.Source)
	if build, ok := alone[name]; ok {
		s = build(s.t, s.symbol)
	}
	if prepare, ok := before[name]; ok && (a.Error == nil || a.Error.Code != -32601) {
		prepare(s)
	}
	switch {
	case a.Path != "":
		s.checkSpec(a)
	case a.Error != nil:
		s.checkError(name, a)
	default:
		var live json.RawMessage
		rpc(s.t, s.d, a.Method, json.RawMessage(s.fill(a.Params)), &live)
		s.learn(a.Method, a.Result, live)
		require.Equal(s.t, shape(s.t, a.Result), shape(s.t, live), "%s\ngolden %s\nlive   %s", a.Note, a.Result, live)
	}
	if name == "help" {
		s.checkNames(a)
	}
}

// fill puts the names of this daemon into the parameters; longer ones first, since one may begin
// with another.
func (s *stage) fill(params json.RawMessage) string {
	var old []string
	for name := range s.names {
		old = append(old, name)
	}
	sort.Slice(old, func(i, j int) bool { return len(old[i]) > len(old[j]) })
	var pairs []string
	for _, name := range old {
		pairs = append(pairs, name, s.names[name])
	}
	return strings.NewReplacer(pairs...).Replace(string(params))
}

// naming are the methods whose answer is a name that other files use.
var naming = strings.Fields("payto paytomany broadcast signtransaction addtransaction transfer open_channel")

// learn notes what stands here for the names in a golden result.
func (s *stage) learn(method string, golden, live json.RawMessage) {
	var w, g struct {
		ID      string `json:"request_id"`
		Address string
		Invoice string `json:"lightning_invoice"`
		TxID    string
	}
	if w, g := text(golden), text(live); slices.Contains(naming, method) && w != "" && g != "" {
		s.names[w] = g
	}
	if json.Unmarshal(golden, &w) != nil || json.Unmarshal(live, &g) != nil {
		return
	}
	for want, got := range map[string]string{w.ID: g.ID, w.Address: g.Address, w.Invoice: g.Invoice, w.TxID: g.TxID} {
		if want != "" && got != "" {
			s.names[want] = got
		}
	}
}

func (s *stage) checkError(name string, a answer) {
	if a.Error.Code == -32600 {
		s.checkRefused(a)
		return
	}
	if a.Forced {
		s.d.Faults().FailMethod(a.Method, 1, bitcarttest.Exception(a.Error.Message))
	}
	code, message := fails(s.t, s.d, a.Method, json.RawMessage(s.fill(a.Params)))
	require.Equal(s.t, a.Error.Code, code, message)
	require.Equal(s.t, a.Error.Message, message)
	require.Equal(s.t, s.exceptions()[fmt.Sprint(code)], a.ExcName)
	require.Equal(s.t, strings.HasPrefix(name, "error.internal") || code == -32603, a.ExcName == "", "no name, no entry")
}

// checkRefused calls with a wrong password.
func (s *stage) checkRefused(a answer) {
	req, err := http.NewRequest(http.MethodPost, s.d.URL()+"/", strings.NewReader(`{"method": "`+a.Method+`", "id": 5}`))
	require.NoError(s.t, err)
	req.SetBasicAuth("electrum", "wrong")
	var got struct {
		Error *bitcarttest.Error
		ID    any
	}
	require.NoError(s.t, json.Unmarshal(s.send(req), &got))
	require.Equal(s.t, a.Error, got.Error)
	require.Nil(s.t, got.ID)
}

func (s *stage) send(req *http.Request) []byte {
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(s.t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, resp.StatusCode)
	return raw
}

func (s *stage) spec() []byte {
	req, err := http.NewRequest(http.MethodGet, s.d.URL()+"/spec", nil)
	require.NoError(s.t, err)
	req.SetBasicAuth("electrum", "electrumz")
	return s.send(req)
}

func (s *stage) exceptions() map[string]string { return exceptionsOf(s.t, s.spec()) }

func exceptionsOf(t *testing.T, spec []byte) map[string]string {
	var doc struct {
		Exceptions map[string]struct {
			Name string `json:"exc_name"`
		}
	}
	require.NoError(t, json.Unmarshal(spec, &doc))
	names := map[string]string{}
	for code, e := range doc.Exceptions {
		names[code] = e.Name
	}
	return names
}

// checkSpec compares more than the shape: codes, names, fragments and capabilities.
func (s *stage) checkSpec(a answer) {
	live := s.spec()
	require.Equal(s.t, shape(s.t, a.Result), shape(s.t, live))
	require.Equal(s.t, exceptionsOf(s.t, a.Result), exceptionsOf(s.t, live))
	var want, got map[string]any
	require.NoError(s.t, json.Unmarshal(a.Result, &want))
	require.NoError(s.t, json.Unmarshal(live, &got))
	for _, name := range []string{"version", "electrum_map", "capabilities"} {
		require.Equal(s.t, want[name], got[name])
	}
}

// checkNames looks for the method names of the golden file among the real ones.
func (s *stage) checkNames(a answer) {
	var want, got []string
	rpc(s.t, s.d, "help", []any{}, &got)
	require.NoError(s.t, json.Unmarshal(a.Result, &want))
	require.Subset(s.t, got, want)
}

func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

// maps are the members whose keys are data, not names.
var maps = map[string]bool{"fee_estimates": true, "wallets": true, "electrum_map": true, "exceptions": true}

// shape is the keys and JSON types of a value. An array is the set of the shapes in it, so that
// both sides must have all kinds of elements.
func shape(t *testing.T, raw json.RawMessage) string {
	var v any
	require.NoError(t, json.Unmarshal(raw, &v), string(raw))
	return shapeOf(v, false)
}

func shapeOf(v any, isMap bool) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		set := map[string]bool{}
		for _, item := range v {
			set[shapeOf(item, false)] = true
		}
		return "[" + strings.Join(sorted(set), " | ") + "]"
	case map[string]any:
		set := map[string]bool{}
		for name, item := range v {
			if isMap || strings.ToUpper(name) == name && len(v) < 5 { // the symbols of get_tokens
				name = "*"
			}
			set[name+": "+shapeOf(item, maps[name])] = true
		}
		return "{" + strings.Join(sorted(set), ", ") + "}"
	}
	return "?"
}

func sorted(set map[string]bool) []string {
	var out []string
	for s := range set {
		out = append(out, s)
	}
	sort.Strings(out)
	return out
}
