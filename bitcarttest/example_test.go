package bitcarttest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// call posts a JSON-RPC request with the default login.
func call(d *bitcarttest.Daemon, body string) string {
	req, err := http.NewRequest(http.MethodPost, d.URL()+"/", strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	req.SetBasicAuth("electrum", "electrumz")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	return string(raw)
}

func Example() {
	d, err := bitcarttest.NewDaemon("BTC")
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()

	// What the code under test would do: make a request, and listen.
	wallet := d.NewWallet()
	var answer struct {
		Result struct {
			RequestID string `json:"request_id"`
		}
	}
	raw := call(d, fmt.Sprintf(`{"method": "add_request", "params": {"amount": "0.5", "xpub": %q}}`, wallet))
	if err := json.Unmarshal([]byte(raw), &answer); err != nil {
		log.Fatal(err)
	}
	login := http.Header{"Authorization": {"Basic ZWxlY3RydW06ZWxlY3RydW16"}}
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(d.URL(), "http")+"/ws", login)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	// What the test does: pay, and add a block.
	if _, err := d.Pay(wallet, answer.Result.RequestID, bitcarttest.Transfer{}); err != nil {
		log.Fatal(err)
	}
	d.Mine(1)
	for range 5 {
		var frame struct {
			Updates []struct {
				Event     string
				StatusStr string `json:"status_str"`
			}
		}
		if err := conn.ReadJSON(&frame); err != nil {
			log.Fatal(err)
		}
		fmt.Println(strings.TrimSpace(frame.Updates[0].Event + " " + frame.Updates[0].StatusStr))
	}
	// Output:
	// new_payment Unconfirmed
	// new_transaction
	// new_block
	// new_payment Paid
	// verified_tx
}

// A reorganisation of the chain takes a payment back: a worker that is under test must not ship for
// the first word about it.
func ExampleDaemon_Reorg() {
	d, err := bitcarttest.NewDaemon("BTC")
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()

	// The worker: anything that takes the daemon's URL.
	coin, err := bitcart.NewCoin("BTC", bitcart.WithURL(d.URL()), bitcart.WithXpub(d.NewWallet()))
	if err != nil {
		log.Fatal(err)
	}
	heard := make(chan bitcart.RequestStatus, 10)
	bitcart.On(coin, func(_ context.Context, _ *bitcart.Event, p bitcart.NewPayment) error {
		heard <- p.Status
		return nil
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- coin.StartWebsocket(ctx) }()
	if err := coin.WaitArmed(ctx); err != nil {
		log.Fatal(err)
	}

	// The test.
	request, err := coin.AddRequest(ctx, bitcart.RequestParams{Amount: decimal.NewNullDecimal(decimal.RequireFromString("0.5"))})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := d.Pay(coin.WalletKey(), request.Key, bitcarttest.Transfer{}); err != nil {
		log.Fatal(err)
	}
	d.Mine(1)
	if err := d.Reorg(1); err != nil {
		log.Fatal(err)
	}
	d.Mine(1)
	for range 4 {
		fmt.Println(<-heard)
	}
	stop()
	fmt.Println(<-ended)
	// Output:
	// unconfirmed
	// paid
	// unconfirmed
	// paid
	// <nil>
}

func ExampleDaemon_Handle() {
	d, err := bitcarttest.NewDaemon("ETH")
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	d.Handle("weather", func(c *bitcarttest.Call) (any, error) {
		if len(c.Args) == 0 {
			return nil, &bitcarttest.Error{Code: -32000, Message: "where?"}
		}
		return map[string]string{"sky": "blue"}, nil
	})
	fmt.Println(call(d, `{"method": "weather", "params": ["here"], "id": 1}`))
	fmt.Println(call(d, `{"method": "weather", "id": 2}`))
	// Output:
	// {"jsonrpc": "2.0", "result": {"sky": "blue"}, "id": 1}
	// {"jsonrpc": "2.0", "error": {"code": -32000, "message": "where?"}, "id": 2}
}

func ExampleFaults_FailMethod() {
	d, err := bitcarttest.NewDaemon("LTC")
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	d.Faults().FailMethod("version", 1, &bitcarttest.HTTPError{Status: 502, Body: "bad gateway"})
	fmt.Println(call(d, `{"method": "version"}`))
	fmt.Println(call(d, `{"method": "version"}`))
	// Output:
	// bad gateway
	// {"jsonrpc": "2.0", "result": "4.6.0", "id": null}
}
