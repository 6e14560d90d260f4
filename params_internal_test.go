package bitcart

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	testify "github.com/stretchr/testify/require" // the package has a require of its own
)

type (
	wireName   string
	wireNumber int
	wireByte   byte
	wireFlag   bool
	wireList   []string
	wireTable  map[string]int
	wireText   struct{ a, b int }
	wireInner  struct{ N int }
	wireOuter  struct {
		wireInner
		In    wirePointed
		At    *wirePointed
		List  []wirePointed
		Array [2]wirePointed
		Name  string `json:"name,omitempty"`
		Skip  int    `json:"-"`
		Text  int    `json:",string"`
		Any   any
		Raw   json.RawMessage
		When  time.Time
	}
	wirePointed  struct{ n int }
	wireCounted  int
	wireSpelled  string
	wireMarked   byte
	wireRow      []int
	wireShelf    map[string]int
	wireKey      int
	wireValueful struct{ n int }
)

func (p *wirePointed) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `"pointed %d"`, p.n), nil
}
func (p *wireCounted) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"counted %d"`, *p), nil }
func (p *wireSpelled) MarshalText() ([]byte, error) { return []byte("spelled " + string(*p)), nil }
func (p *wireMarked) MarshalJSON() ([]byte, error)  { return fmt.Appendf(nil, `"marked %d"`, *p), nil }
func (p *wireRow) MarshalJSON() ([]byte, error)     { return fmt.Appendf(nil, `"row %d"`, len(*p)), nil }
func (p *wireShelf) MarshalText() ([]byte, error)   { return fmt.Appendf(nil, "shelf %d", len(*p)), nil }
func (k wireKey) MarshalText() ([]byte, error)      { return fmt.Appendf(nil, "key %d", k), nil }
func (v wireValueful) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"value %d"`, v.n), nil }
func (t wireText) MarshalText() ([]byte, error)     { return fmt.Appendf(nil, "%d/%d", t.a, t.b), nil }

// wireSeeds are values of many kinds; wrapped makes more of each.
func wireSeeds() []any {
	one, text := 1, "text"
	outer := wireOuter{
		wireInner{3}, wirePointed{1}, &wirePointed{2}, []wirePointed{{3}}, [2]wirePointed{{4}, {5}},
		"n", 1, 7, &wirePointed{6}, json.RawMessage(`{"b": 1}`), time.Unix(1, 5),
	}
	return []any{
		nil, "", "a<b>&\u2028\xff", true, 1, int8(-1), uint64(1 << 63), 1.5, 1e300, float32(0.1), math.Copysign(0, -1),
		json.Number("1.50"), json.RawMessage(` {"b": [1, 2]}`), json.RawMessage(nil), []byte(nil), []byte{}, []byte("ab"),
		[3]byte{1, 2, 3}, [0]int{}, []int(nil), []int{}, []int{1}, []string(nil), []string{}, []float64{0.1}, [][]int{{1}, nil, {}},
		[]any{1, "a", nil, []any{}}, []*int{&one, nil}, &one, &text, (*int)(nil), (*string)(nil),
		map[string]int(nil), map[string]int{}, map[string]any{"a": nil, "b": []int(nil)}, map[int]string{2: "b", -1: "a"},
		map[wireName]int{"x": 1}, map[wireKey]int{1: 2}, map[uint8][]string{1: nil, 2: {"a"}}, map[string]wirePointed{"a": {1}},
		map[string]*wirePointed{"a": {1}, "b": nil}, map[int]wirePointed{1: {1}},
		wireName("n"), wireNumber(5), wireFlag(true), wireByte(3), []wireByte{1, 2}, wireList{"a"}, wireList(nil), wireTable{"a": 1},
		[]wireName{"a"}, wireText{1, 2}, &wireText{1, 2}, wireValueful{1}, &wireValueful{1}, (*wireValueful)(nil), []wireValueful{{1}},
		wirePointed{1}, &wirePointed{1}, (*wirePointed)(nil), []wirePointed{{1}}, [2]wirePointed{{1}, {2}}, &[2]wirePointed{{1}, {2}},
		wireCounted(1), []wireCounted{1}, &[1]wireCounted{1}, wireSpelled("s"), []wireSpelled{"s"}, []wireMarked{1, 2}, [1]wireMarked{1},
		&[1]wireMarked{1}, wireRow{1}, []wireRow{{1}, nil}, []wireShelf{{"a": 1}, nil},
		outer, &outer, []wireOuter{outer}, []*wireOuter{&outer, nil}, map[string]wireOuter{"a": outer}, [1]wireOuter{outer},
		struct{ wirePointed }{wirePointed{1}}, &struct{ wirePointed }{wirePointed{1}}, struct{}{}, []struct{}{{}},
		&struct{ C wireCounted }{1}, struct{ *wirePointed }{&wirePointed{1}}, &struct{ A [1]wireCounted }{}, []error{nil},
		time.Unix(1, 0).UTC(), new(time.Time), []time.Time{{}}, time.Second, time.March, []fmt.Stringer{time.March, nil},
		big.NewRat(1, 2), *big.NewRat(1, 2), big.NewFloat(1.5), complex(1, 1), make(chan int), func() {}, []any{func() {}},
		map[bool]int{true: 1}, map[float64]int{1: 1}, map[[1]int]int{{1}: 1},
	}
}

func wrapped(v any) []any {
	return []any{
		v, &v, []any{v, v}, [1]any{v}, map[string]any{"k": v}, map[int]any{1: v}, &[]any{v}, &map[string]any{"k": v},
		[]map[string]any{{"k": v}}, [][]any{{v}}, struct{ V any }{v}, &struct{ V any }{v}, []struct{ V any }{{v}}, &[1]any{v},
	}
}

// TestArgumentsGoOutAsJSON: but for money, an argument is what encoding/json makes of it.
func TestArgumentsGoOutAsJSON(t *testing.T) {
	t.Parallel()
	compare := func(v any) {
		want, wantErr := json.Marshal(v)
		got, err := json.Marshal(wireValue(v))
		if wantErr != nil {
			testify.Error(t, err, "%T %#v", v, v)
			return
		}
		testify.NoError(t, err, "%T %#v", v, v)
		testify.Equal(t, string(want), string(got), "%T %#v", v, v)
	}
	for _, seed := range wireSeeds() {
		for _, once := range wrapped(seed) {
			compare(once)
			for _, twice := range wrapped(once) {
				compare(twice)
			}
		}
	}
}

// TestMoneyIsTextWhereverItIs: in lists and maps of every type.
func TestMoneyIsTextWhereverItIs(t *testing.T) {
	t.Parallel()
	amount, units := decimal.RequireFromString("0.1"), big.NewInt(7)
	tests := []struct {
		in   any
		want string
	}{
		{map[int]*big.Int{1: units}, `{"1":"7"}`}, {map[int]big.Int{1: *units}, `{"1":"7"}`},
		{map[wireKey]*big.Int{1: units}, `{"key 1":"7"}`}, {map[uint8][]*big.Int{1: {units, nil}}, `{"1":["7",null]}`},
		{map[wireName]any{"a": units, "b": nil}, `{"a":"7","b":null}`}, {&map[int]decimal.Decimal{1: amount}, `{"1":"0.1"}`},
		{&[1]*big.Int{units}, `["7"]`}, {&[1]big.Int{*units}, `["7"]`}, {[]big.Int{*units}, `["7"]`}, {[1]big.Int{*units}, `["7"]`},
		{&[]any{&units}, `["7"]`}, {new(any), `null`}, {[]*any{nil}, `[null]`}, {map[string]**big.Int{"a": &units}, `{"a":"7"}`},
	}
	for _, test := range tests {
		got, err := json.Marshal(wireValue(test.in))
		testify.NoError(t, err)
		testify.Equal(t, test.want, string(got), "%T", test.in)
	}
}

// TestEndlessAmountsAreNotWritten: in whichever form they are given.
func TestEndlessAmountsAreNotWritten(t *testing.T) {
	t.Parallel()
	for _, amount := range []decimal.Decimal{decimal.New(1, maxWireExponent+1), decimal.New(1, -maxWireExponent-1)} {
		null := decimal.NewNullDecimal(amount)
		for _, v := range []any{amount, &amount, null, &null, []any{&null}, map[int]*decimal.NullDecimal{1: &null}, []decimal.NullDecimal{null}} {
			_, err := encodeParams([]any{v}, nil)
			testify.ErrorIs(t, err, ErrInvalidAmount, "%T", v)
			_, err = encodeParams([]any{Named{"amount": v}}, nil)
			testify.ErrorIs(t, err, ErrInvalidAmount, "%T", v)
		}
	}
	raw, err := encodeParams([]any{
		decimal.New(1, maxWireExponent/100), (*decimal.NullDecimal)(nil), (*decimal.Decimal)(nil), (*big.Int)(nil), (*Wallet)(nil),
		decimal.NullDecimal{}, decimal.New(0, maxWireExponent+1),
	}, nil)
	testify.NoError(t, err)
	testify.JSONEq(t, `["10000000000",null,null,null,null,null,"0"]`, string(raw))
}

// TestWalletsAmongTheArgumentsAreNamed: what else they say is no secret.
func TestWalletsAmongTheArgumentsAreNamed(t *testing.T) {
	t.Parallel()
	w := Wallet{Xpub: "xpub661MyMwAqRbcF", Contract: "0xdAC17F958D2ee523a2206206994597C13D831ec7"}
	for _, arg := range []any{w, &w, []Wallet{w}} {
		text := secretsOf(Wallet{}, "", "batch_load", []any{arg}).clean("no contract " + w.Contract + " in " + w.Xpub)
		testify.Equal(t, "no contract "+w.Contract+" in "+w.String(), text)
	}
}

// TestKeysOfMapsAreSecrets: what a method that takes keys is given may name them.
func TestKeysOfMapsAreSecrets(t *testing.T) {
	t.Parallel()
	const seed = "abandon ability able about above absent absorb abstract absurd abuse access accident"
	for _, arg := range []any{map[string]any{seed: 1}, map[string]string{seed: "a"}, []map[wireName]int{{seed: 1}}} {
		text := secretsOf(Wallet{}, "", "batch_load", []any{arg, map[string]any{"amount": 5}}).clean("amount: no such wallet: " + seed)
		testify.Equal(t, "amount: no such wallet: ***", text)
	}
}
