package bitcart_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/shopspring/decimal"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/bitcarttest"
)

// purse is a Coin that can sign and has 5 coins. A service uses its own daemon's URL instead.
func purse(currency string) (coin *bitcart.Coin, done func()) {
	daemon, err := bitcarttest.NewDaemon(currency)
	if err != nil {
		log.Fatal(err)
	}
	const seed = "abandon ability able about above absent absorb abstract absurd abuse access accident"
	coin, err = bitcart.NewCoin(currency, bitcart.WithURL(daemon.URL()), bitcart.WithXpub(seed))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := coin.Balance(context.Background()); err != nil { // the daemon watches it from now on
		log.Fatal(err)
	}
	if _, err := daemon.Send(seed, bitcarttest.Transfer{Amount: "5", Mined: true}); err != nil {
		log.Fatal(err)
	}
	return coin, func() {
		coin.CloseIdleConnections()
		daemon.Close()
	}
}

// The fee is chosen once the transaction's size is known. If a payment was signed but its broadcast
// failed, repeat Broadcast: PayTo would pay a second time.
func ExampleCoin_PayTo() {
	coin, done := purse("BTC")
	defer done()
	ctx := context.Background()

	const most = 1_000 // satoshis
	fee := func(size int, defaultFee decimal.Decimal) (decimal.Decimal, error) {
		return decimal.Min(defaultFee, decimal.New(most, -8)), nil
	}
	const address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
	payout, err := coin.PayTo(ctx, address, decimal.RequireFromString("0.25"), bitcart.WithFeeFunc(fee))

	var unfinished *bitcart.BroadcastError
	switch {
	case errors.As(err, &unfinished):
		fmt.Println("store unfinished.RawTx, and repeat coin.Broadcast until it succeeds")
	case err != nil:
		fmt.Println("nothing was paid:", err)
	default:
		tx, err := coin.GetTx(ctx, payout.TxID)
		fmt.Println("paid, confirmations:", tx.Confirmations, err)
	}
	// Output:
	// paid, confirmations: 0 <nil>
}

func ExampleCoin_Balance() {
	coin, done := purse("ETH")
	defer done()

	balance, err := coin.Balance(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(balance.Confirmed.StringFixed(2))
	// Output:
	// 5.00
}

func ExampleCoin_GetTx() {
	coin, done := purse("LTC")
	defer done()
	ctx := context.Background()

	history, err := coin.History(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, item := range history {
		tx, err := coin.GetTx(ctx, item.TxID)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(item.Amount.Decimal, "confirmations:", tx.Confirmations)
	}

	_, err = coin.GetTx(ctx, "0000000000000000000000000000000000000000000000000000000000000000")
	fmt.Println(errors.Is(err, bitcart.ErrTxNotFound))
	// Output:
	// 5 confirmations: 1
	// true
}

// A transaction can be signed now and broadcast later.
func ExampleWithoutBroadcast() {
	coin, done := purse("BTC")
	defer done()
	ctx := context.Background()

	const address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
	payout, err := coin.PayTo(ctx, address, decimal.NewFromInt(1), bitcart.WithoutBroadcast())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(payout.TxID == "", payout.RawTx != "")

	txid, err := coin.Broadcast(ctx, payout.RawTx)
	fmt.Println(len(txid), err)
	// Output:
	// true true
	// 64 <nil>
}
