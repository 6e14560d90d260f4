package bitcarttest

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
)

func TestChecksummed(t *testing.T) {
	// The examples of the standard that defines the spelling.
	for _, want := range []string{
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
		"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
	} {
		require.Equal(t, want, checksummed(strings.ToLower(want)))
	}
}

func TestAmountTexts(t *testing.T) {
	tests := []struct{ in, trimmed, python, dotted, bank8 string }{
		{"0", "0", "0", "0.", "0.00000000"},
		{"0.10000000", "0.1", "0.1", "0.1", "0.10000000"},
		{"100", "100", "100", "100", "100.00000000"},
		{"0.000001", "0.000001", "0.000001", "0.000001", "0.00000100"},
		{"0.0000015", "0.0000015", "0.0000015", "0.0000015", "0.00000150"},
		{"0.00000015", "0.00000015", "1.5E-7", "0.00000015", "0.00000015"},
		{"0.00000001", "0.00000001", "1E-8", "0.00000001", "0.00000001"},
		{"-0.00000001", "-0.00000001", "-1E-8", "-0.00000001", "-0.00000001"},
		{"0.000000015", "0.000000015", "1.5E-8", "0.000000015", "0.00000002"},
		{"0.000000025", "0.000000025", "2.5E-8", "0.000000025", "0.00000002"},
	}
	for _, tt := range tests {
		v := decimal.RequireFromString(tt.in)
		require.Equal(t, tt.trimmed, trimmed(v), tt.in)
		require.Equal(t, tt.python, pythonDecimal(v), tt.in)
		require.Equal(t, tt.dotted, dotted(v), tt.in)
		require.Equal(t, tt.bank8, fixed(v, 8), tt.in)
	}
}

func TestDistance(t *testing.T) {
	for seconds, want := range map[int64]string{
		20: "20 seconds", 60: "about 1 minutes", 900: "about 15 minutes", 3600: "about 1 hour",
		7200: "about 2 hours", 86400: "about 1 day", 10 * 86400: "about 10 days",
	} {
		require.Equal(t, want, distance(seconds))
	}
}

func TestModifiedURIs(t *testing.T) {
	tests := []struct{ uri, name, value, want string }{
		{"bitcoin:a?amount=1&x=2", "amount", "3", "bitcoin:a?amount=3&x=2"},
		{"bitcoin:a?x=2", "amount", "3", "bitcoin:a?x=2&amount=3"},
		{"ethereum:a@1", "value", "5", "ethereum:a@1?value=5"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, setQuery(tt.uri, tt.name, tt.value))
	}
}

func TestSplitParams(t *testing.T) {
	tests := []struct {
		params string
		args   int
		named  int
	}{
		{``, 0, 0}, {`[]`, 0, 0}, {`{}`, 0, 0}, {`[1, "a"]`, 2, 0}, {`{"a": 1}`, 0, 1},
		{`[1, {"a": 1, "b": 2}]`, 1, 2}, {`[{"a": 1}, 2]`, 2, 0}, {`"abc"`, 3, 0}, {`5`, 0, 0},
	}
	for _, tt := range tests {
		args, named := splitParams(json.RawMessage(tt.params))
		require.Len(t, args, tt.args, tt.params)
		require.Len(t, named, tt.named, tt.params)
	}
}

// The reprinted text must mean the same as the original, be ASCII, and stay as it is when it is
// reprinted once more.
func FuzzPythonStyle(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.50,-3e7,true,null],"b":"x"}`, `"\u00e9é\ud83d\ude00\\\""`, `[ ]`, `"a: b, c"`, `{"\n":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) || !utf8.Valid(data) {
			return
		}
		out := pythonStyle(data)
		require.Equal(t, string(out), string(pythonStyle(out)))
		for _, c := range out {
			require.Less(t, c, byte(0x80))
		}
		require.Equal(t, decodeAny(t, data), decodeAny(t, out))
	})
}

func decodeAny(t *testing.T, data []byte) any {
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v), string(data))
	return v
}

// Whatever comes in, reading it must neither panic nor give a call without an envelope.
func FuzzEnvelope(f *testing.F) {
	for _, s := range []string{
		`{"method": "version", "params": [1, {"xpub": "k"}], "id": NaN}`, `{"params": "abc", "method": null}`, `[]`, `{`, `null`,
		`{"method": "x", "params": {"xpub": {"xpub": "k", "contract": "c"}}}`, "\xff", `{"params": {"xpub": 5}}`, `{"params": [[]], "id": -Infinity}`,
	} {
		f.Add([]byte(s))
	}
	var daemons []*Daemon
	for _, c := range coins {
		daemons = append(daemons, &Daemon{coin: c, spec: specOf(c), methods: methodsOf(c)})
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range daemons {
			e, err := d.readEnvelope(body)
			require.Equal(t, err == nil, e != nil)
			if e == nil {
				continue
			}
			require.NotContains(t, e.call.Named, "xpub")
			_ = echo(e.id)
			for _, m := range d.methods {
				_ = d.bind(m, e)
				for name := range e.call.bound {
					_, _ = parseDecimal(e.call.bound[name])
					_, _ = e.call.number(name, 1)
					_, _ = e.call.text(name), e.call.flag(name)
				}
				break
			}
		}
	})
}

func FuzzRegister(f *testing.F) {
	for _, s := range []string{`{"xpub": "k"}`, `{"xpub": {}}`, `[]`, `5`, `x`, ``, `{"xpub": NaN}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &socket{d: &Daemon{changed: make(chan struct{})}}
		keep := s.register(data)
		if !keep {
			require.False(t, s.filtered)
		}
	})
}

// Whatever is given for a transaction, the methods that take one must answer, and must never make
// money: what they keep is not worth less than nothing.
func FuzzTransactions(f *testing.F) {
	for _, s := range []string{
		`"0200"`, `"cHNidP8B"`, `{"hex": "00"}`, `{"to": "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359", "value": 1, "gas": 2, "gasPrice": 3}`,
		`{"txID": "x", "raw_data": {}, "signature": ["a"]}`, `"{\"txID\": 5}"`, `5`, `null`, `[]`, `{"gas": 1e99, "gasPrice": "1e99"}`,
		`{"to": "0xdAC17F958D2ee523a2206206994597C13D831ec7", "data": "0xa9059cbb", "value": 0, "gas": 1, "gasPrice": 1}`,
	} {
		f.Add([]byte(s))
	}
	calls := []func(*Daemon, *Call) (any, error){
		accountSign, accountDefaultFee, accountSize, accountHash, defaultGas, accountBroadcast, accountPayTo,
		engineSize, engineSign, addTransaction, engineDefaultFee, engineBroadcast, getTxHash, enginePayTo, payToMany,
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if !json.Valid(data) {
			return
		}
		for _, symbol := range []string{"BTC", "BCH", "ETH", "TRX"} {
			d, w := offline(symbol)
			for _, call := range calls {
				c := &Call{wallet: w, bound: map[string]json.RawMessage{}}
				for _, name := range strings.Fields("tx raw_tx tx_data outputs amount fee feerate gas gas_price") {
					c.bound[name] = data
				}
				delete(c.bound, []string{"fee", "feerate"}[len(data)%2])
				c.bound["destination"] = []byte(`"` + d.coin.newAddress() + `"`)
				answer, err := call(d, c)
				require.True(t, err == nil || answer == nil)
			}
			for _, kept := range d.drafts {
				require.False(t, kept.total().IsNegative())
				require.False(t, kept.fee.IsNegative())
			}
		}
	})
}

// offline is a daemon that does not listen, with a wallet that can sign.
func offline(symbol string) (*Daemon, *wallet) {
	c, _ := lookupCoin(symbol)
	d := &Daemon{
		cfg: defaultConfig(), coin: c, spec: specOf(c), changed: make(chan struct{}), chain: newChain(1), wallets: map[string]*wallet{},
		drafts: map[string]*draft{}, granted: map[place]holdings{}, nodes: map[string]*node{}, feeRate: c.startingFeeRate(), tokens: c.tokens,
	}
	spec := walletSpec{Xpub: newSeed(12)}
	w := &wallet{key: spec.Xpub, spec: spec, address: c.addressOf(spec), book: newBook()}
	d.granted[d.placeOf(w)] = holdings{confirmed: decimal.NewFromInt(10)}
	return d, w
}
