package bitcart

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"

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
		return wireList(v)
	case []decimal.Decimal:
		return wireList(v)
	case []any:
		return wireList(v)
	case [][]any:
		return wireList(v)
	case map[string]any:
		members := make(map[string]any, len(v))
		for name, e := range v {
			members[name] = wireValue(e)
		}
		return members
	}
	return v
}

func wireList[E any](list []E) any {
	if list == nil {
		return nil
	}
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = wireValue(e)
	}
	return out
}

// publicMethods take no key among their positional arguments (addresses, hashes
// and ids), so an error may quote those. It quotes none of any other method.
var publicMethods = map[string]bool{
	"get_request": true, "getrequest": true, "get_invoice": true, "rmrequest": true,
	"delete_request": true, "setrequestaddress": true, "get_transaction": true,
	"gettransaction": true, "get_tx_status": true, "get_tx_size": true, "getaddresshistory": true,
	"getaddressbalance": true, "getaddressbalance_wallet": true, "getaddressbalance_contract": true,
	"validateaddress": true, "normalizeaddress": true, "validatecontract": true, "readcontract": true,
	"payto": true, "paytomany": true, "transfer": true, "broadcast": true, "get_used_fee": true,
	"get_default_fee": true, "getconfig": true, "help": true, "modifypaymenturl": true,
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
				if secretNames[name] {
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

func (r *redactor) hideAll(v any) {
	r.hideWallets(v)
	switch v := v.(type) {
	case string:
		r.hide(v, "***")
	case []string:
		for _, s := range v {
			r.hide(s, "***")
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
