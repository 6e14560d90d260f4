package bitcart

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"

	"github.com/shopspring/decimal"
)

// Named holds the named arguments of a [Coin.Call]; it is the last argument.
// The wallet is added by Call under the name "xpub".
type Named map[string]any

// encodeParams makes the "params" member of a request: positional arguments
// in an array, with one object of named ones behind them.
func encodeParams(params []any, wallet any) (json.RawMessage, error) {
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
// settings of its package say, since the daemon reads a number as a float.
func wireValue(v any) any {
	switch v := v.(type) {
	case decimal.Decimal:
		return v.String()
	case *decimal.Decimal:
		if v == nil {
			return nil
		}
		return v.String()
	case decimal.NullDecimal:
		if !v.Valid {
			return nil
		}
		return v.Decimal.String()
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
	case []Wallet:
		list := make([]any, len(v))
		for i, w := range v {
			list[i] = w.param()
		}
		return list
	}
	return v
}

// secretMethods take a key where others take an address or a hash.
var secretMethods = map[string]bool{
	"validatekey": true, "get_key_info": true, "close_wallet": true, "importprivkey": true,
	"restore": true, "create": true, "batch_load": true, "convert_xkey": true, "signmessage": true,
}

// secretNames are named arguments that hold a key.
var secretNames = map[string]bool{
	"xpub": true, "password": true, "private_key": true, "privkey": true, "seed": true, "passphrase": true, "key": true, "wallets": true,
}

// secretsOf collects what a call sends that must not show in an error's text.
func secretsOf(w Wallet, key, method string, params []any) redactor {
	var r redactor
	r.hide(key, walletName(key))
	r.hide(w.Xpub, walletName(key))
	for _, p := range params {
		if named, ok := p.(Named); ok {
			for name, v := range named {
				if secretNames[name] {
					r.hideAll(v)
				}
			}
		} else if secretMethods[method] {
			r.hideAll(p)
		}
	}
	return r
}

func (r *redactor) hideAll(v any) {
	switch v := v.(type) {
	case string:
		r.hide(v, "***")
	case []string:
		for _, s := range v {
			r.hide(s, "***")
		}
	case Wallet:
		r.hide(v.Xpub, "***")
	case []Wallet:
		for _, w := range v {
			r.hide(w.Xpub, "***")
		}
	case []any:
		for _, e := range v {
			r.hideAll(e)
		}
	case map[string]any:
		for _, e := range v {
			r.hideAll(e)
		}
	}
}
