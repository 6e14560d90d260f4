package bitcart

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"reflect"

	"github.com/shopspring/decimal"
)

// Named holds the named arguments of a [Coin.Call] and is its last argument.
// Call adds the wallet under the name "xpub"; do not set it.
type Named map[string]any

// encodeParams makes the "params" member of a request: positional arguments
// in an array, with one object of named ones behind them.
func encodeParams(params []any, wallet any) (json.RawMessage, error) {
	if key, ok := wallet.(string); ok && len(params) == 0 {
		return encodeWallet(key)
	}
	positional, named, err := splitParams(params)
	if err != nil {
		return nil, err
	}
	if wallet != nil {
		if _, set := named["xpub"]; set {
			return nil, errors.New("the argument xpub is the Coin's wallet; do not pass it")
		}
		named["xpub"] = wallet
	}
	if len(positional) == 0 && len(named) > 0 {
		return json.Marshal(named)
	}
	list := []byte{'['}
	last := byte(0) // with which the last argument begins
	for i, p := range positional {
		raw, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, raw...)
		last = raw[0]
	}
	// The daemon takes a last object for the named arguments, so one that is
	// meant as a positional argument needs another behind it.
	if len(named) > 0 || last == '{' {
		raw, err := json.Marshal(named)
		if err != nil {
			return nil, err
		}
		if last != 0 {
			list = append(list, ',')
		}
		list = append(list, raw...)
	}
	return append(list, ']'), nil
}

// encodeWallet is encodeParams of the wallet alone, as recovery asks for each
// wallet after every connect.
func encodeWallet(key string) (json.RawMessage, error) {
	quoted, err := json.Marshal(key)
	if err != nil {
		return nil, err
	}
	raw := make(json.RawMessage, 0, len(quoted)+len(`{"xpub":}`))
	raw = append(raw, `{"xpub":`...)
	raw = append(raw, quoted...)
	return append(raw, '}'), nil
}

func splitParams(params []any) (positional []any, named map[string]any, err error) {
	named = map[string]any{}
	if n := len(params); n > 0 {
		if last, ok := params[n-1].(Named); ok {
			maps.Copy(named, last)
			params = params[:n-1]
		}
	}
	if _, set := named["wallet"]; set {
		return nil, nil, errors.New(`an argument named "wallet" would replace the wallet in the daemon; pass none`)
	}
	for name, v := range named {
		named[name] = wireValue(v)
	}
	for _, p := range params {
		if _, ok := p.(Named); ok {
			return nil, nil, errors.New("Named must be the last argument")
		}
		positional = append(positional, wireValue(p))
	}
	return positional, named, nil
}

// wireValue is how an argument goes out. Money is text whatever the global
// settings of its package say, since the daemon reads a number as a float; in a
// struct of the user's it is what encoding/json makes of it.
func wireValue(v any) any { return new(wiring).value(v, 0) }

// wiring is the conversion of one argument.
type wiring struct {
	tooDeep bool // it ends: encoding/json finds out whether a value holds itself
}

const maxDepth = 100

func (w *wiring) value(v any, depth int) any {
	switch v := v.(type) {
	case decimal.Decimal:
		return amountText(v)
	case decimal.NullDecimal:
		if !v.Valid {
			return nil
		}
		return amountText(v.Decimal)
	case *decimal.Decimal:
		if v == nil {
			return nil
		}
		return amountText(*v)
	case *decimal.NullDecimal:
		if v == nil {
			return nil
		}
		return w.value(*v, depth)
	case big.Int:
		return v.String() // encoding/json would make {} of it
	case *big.Int:
		if v == nil {
			return nil
		}
		return v.String()
	case Wallet:
		return v.param()
	case *Wallet:
		if v == nil {
			return nil
		}
		return v.param()
	case nil, string, bool, int, int64, []string, []byte, json.Marshaler, encoding.TextMarshaler:
		return v
	}
	if w.tooDeep = w.tooDeep || depth == maxDepth; w.tooDeep {
		return v
	}
	return w.elements(reflect.ValueOf(v), depth+1)
}

// elements is value for what lists, maps and pointers hold.
func (w *wiring) elements(v reflect.Value, depth int) any {
	switch v.Kind() {
	case reflect.Pointer:
		switch e := v.Elem(); e.Kind() {
		case reflect.Slice, reflect.Array, reflect.Map:
			return w.elements(e, depth)
		case reflect.Pointer, reflect.Interface:
			return w.value(e.Interface(), depth)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 || v.Kind() == reflect.Slice && v.IsNil() {
			break
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = w.value(asEncoded(v.Index(i)), depth)
		}
		return list
	case reflect.Map:
		if v.IsNil() {
			break
		}
		members := reflect.MakeMapWithSize(reflect.MapOf(v.Type().Key(), reflect.TypeFor[any]()), v.Len())
		for key, e := range v.Seq2() {
			member := w.value(e.Interface(), depth)
			members.SetMapIndex(key, reflect.ValueOf(&member).Elem())
		}
		return members.Interface()
	}
	return asEncoded(v)
}

// asEncoded is a value as encoding/json sees it: where it can be pointed to, it
// and what is in it have the methods of a pointer, too.
func asEncoded(v reflect.Value) any {
	if v.CanAddr() && v.Kind() != reflect.Pointer && v.Kind() != reflect.Interface {
		return v.Addr().Interface()
	}
	return v.Interface()
}

// maxWireExponent: no coin has amounts beyond it, and what a few characters
// spell can take all memory to write out.
const maxWireExponent = 1000

func amountText(v decimal.Decimal) any {
	switch {
	case v.IsZero():
		return "0"
	case v.Exponent() > maxWireExponent || v.Exponent() < -maxWireExponent:
		return unwritable{}
	}
	return v.String()
}

// unwritable stands for an amount that is not written out: it fails to encode.
type unwritable struct{}

func (unwritable) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("%w: out of range", ErrInvalidAmount)
}

// publicMethods take no secret among their positional arguments (addresses, hashes
// and ids), so an error may quote those. It quotes none of any other method. A
// transaction is no public argument: whoever has it can broadcast it.
var publicMethods = map[string]bool{
	"get_request": true, "getrequest": true, "get_invoice": true, "rmrequest": true,
	"delete_request": true, "setrequestaddress": true, "get_transaction": true,
	"gettransaction": true, "get_tx_status": true, "getaddresshistory": true,
	"getaddressbalance": true, "getaddressbalance_wallet": true, "getaddressbalance_contract": true,
	"validateaddress": true, "normalizeaddress": true, "validatecontract": true, "readcontract": true,
	"payto": true, "paytomany": true, "transfer": true, "get_used_fee": true, "getconfig": true, "help": true, "modifypaymenturl": true,
	"add_request": true, "addrequest": true, "add_invoice": true, "lnpay": true, "open_channel": true,
	"close_channel": true, "add_peer": true,
}

// secretNames are named arguments that hold a key.
var secretNames = map[string]bool{
	"xpub": true, "password": true, "private_key": true, "privkey": true, "seed": true,
	"passphrase": true, "key": true, "wallets": true,
}

// secretsOf collects what a call sends that must not show in an error's text.
func secretsOf(w Wallet, key, method string, params []any) redactor {
	var r redactor
	r.hide(key, walletName(key))
	r.hide(w.Xpub, walletName(key))
	for _, p := range params {
		r.hideWallets(p)
		if named, ok := p.(Named); ok {
			for name, v := range named {
				r.hideWallets(v)
				if secretNames[name] || !publicMethods[method] {
					r.hideAll(v)
				}
			}
		} else if !publicMethods[method] {
			r.hideAll(p)
		}
	}
	return r
}

// hideWallets hides wallets wherever they are given.
func (r *redactor) hideWallets(v any) {
	switch v := v.(type) {
	case Wallet:
		r.hide(v.Xpub, v.String())
	case *Wallet:
		if v != nil {
			r.hide(v.Xpub, v.String())
		}
	case []Wallet:
		for _, w := range v {
			r.hide(w.Xpub, w.String())
		}
	}
}

// maxMemberName: what is longer names no member but may be a key. The shortest
// one is an address.
const maxMemberName = 24

// hideAll hides every text in an argument.
func (r *redactor) hideAll(v any) {
	r.hideWallets(v)
	switch v := v.(type) {
	case Wallet, *Wallet, []Wallet: // by their names
	case string:
		r.hide(v, "***")
	case []any:
		for _, e := range v {
			r.hideAll(e)
		}
	case map[string]any:
		for name, e := range v {
			if len(name) > maxMemberName {
				r.hide(name, "***")
			}
			r.hideAll(e)
		}
	default:
		r.hideEncoded(v)
	}
}

// hideEncoded hides the texts in what an argument of another type was sent as.
func (r *redactor) hideEncoded(v any) {
	raw, err := json.Marshal(wireValue(v))
	if err != nil {
		return // then nothing was sent
	}
	var sent any
	if unmarshal(bytes.NewReader(raw), &sent) != nil {
		return
	}
	switch sent.(type) {
	case string, []any, map[string]any:
		r.hideAll(sent)
	}
}
