package blockio_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
)

// Web hooks become events of the same system as a daemon's. The notification's
// URL is https://shop:password@host/hooks. How the service computes its own
// signature is published nowhere, so Basic auth, which the service sends, is
// what proves the sender.
func ExampleNewReceiver() {
	var shop bitcart.Dispatcher
	bitcart.On(&shop, func(ctx context.Context, _ *bitcart.Event, p blockio.AddressEvent) error {
		d, _ := blockio.DeliveryFrom(ctx)
		fmt.Println(p.Network, p.TxID, p.BalanceChange, p.Confirmations, d.Proof)
		return nil // only now the delivery is answered 200
	})
	receiver, err := blockio.NewReceiver(&shop,
		blockio.WithVerifier(blockio.BasicAuth("shop", os.Getenv("HOOK_PASSWORD"))),
		blockio.WithIgnored(blockio.EventNewBlocks))
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/hooks", receiver)
}

// How a sender that you run yourself, a relay say, signs for HMAC.
func ExampleSignature() {
	secret := []byte("a secret that both know")
	signature, err := blockio.Signature(secret, []byte(`{"type":"address","data":{}}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf(`{"type":"address","data":{},"signature":"%s"}`, signature)
	// Output: {"type":"address","data":{},"signature":"7c286056e40146bee73d9b66a1b9ae8c54e74037a70e4626ca6a64062ea8820d"}
}
