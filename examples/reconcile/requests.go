package main

import (
	"cmp"
	"context"

	"github.com/bitcart-go/bitcart"
)

// methods are the daemon's names of what is done with payment requests.
type methods struct{ create, read, list string }

func methodsOf(coin *bitcart.Coin) methods {
	switch coin.Currency() {
	case "BCH", "XRG":
		return methods{"addrequest", "getrequest", "listrequests"}
	}
	return methods{"add_request", "get_request", "list_requests"}
}

// request is what is needed of the daemon's answers.
type request struct {
	ID      string `json:"request_id"`
	Address string `json:"address"`
	Status  paid   `json:"status"`
}

// key is what reads the request back: BCH and XRG name it by its address.
func (r request) key() string { return cmp.Or(r.ID, r.Address) }

// paid is a status that is either paid or not: a code, or a text on BCH.
type paid bool

// UnmarshalJSON takes any JSON value.
func (p *paid) UnmarshalJSON(data []byte) error {
	*p = string(data) == "3" || string(data) == `"Paid"`
	return nil
}

func createRequest(ctx context.Context, coin *bitcart.Coin, amount string) (request, error) {
	var r request
	err := coin.Call(ctx, &r, methodsOf(coin).create, bitcart.Named{"amount": amount})
	return r, err
}

func readRequest(ctx context.Context, coin *bitcart.Coin, key string) (bool, error) {
	var r request
	err := coin.Call(ctx, &r, methodsOf(coin).read, key)
	return bool(r.Status), err
}

// listRequests returns the keys of all requests of the wallet. Without flags:
// account daemons fail with one.
func listRequests(ctx context.Context, coin *bitcart.Coin) ([]string, error) {
	var list []request
	if err := coin.Call(ctx, &list, methodsOf(coin).list); err != nil {
		return nil, err
	}
	keys := make([]string, len(list))
	for i, r := range list {
		keys[i] = r.key()
	}
	return keys, nil
}
