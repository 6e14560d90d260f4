// Manual passes updates to handlers that come from another source than a
// daemon's stream. Here they are JSON lines from standard input or, without
// -stdin, a few built-in ones. A message queue works the same way.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/bitcart-go/bitcart"
)

const sample = `{"event":"new_block","height":812345}
{"event":"new_transaction","tx":"750b1409"}
{"event":"stock_low","item":"coffee","left":3}
{"event":"new_payment","address":"5bb56e50f4","status":3,"status_str":"Paid","tx_hashes":["750b1409"],"sent_amount":"0.50000000"}
`

// StockLow is an event of our own.
type StockLow struct {
	Item string `json:"item"`
	Left int    `json:"left"`
}

// EventName says which event the payload belongs to.
func (StockLow) EventName() string { return "stock_low" }

func main() {
	stdin := flag.Bool("stdin", false, "read updates, one JSON object a line, from standard input")
	flag.Parse()
	var in io.Reader = strings.NewReader(sample)
	if *stdin {
		in = os.Stdin
	}
	if err := run(context.Background(), in); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, in io.Reader) error {
	dispatcher, err := bitcart.NewDispatcher()
	if err != nil {
		return err
	}
	bitcart.On(dispatcher, func(_ context.Context, ev *bitcart.Event, s StockLow) error {
		fmt.Println(ev.Name, s.Item, s.Left)
		return nil
	})
	bitcart.On(dispatcher, func(_ context.Context, ev *bitcart.Event, p bitcart.NewPayment) error {
		fmt.Println(ev.Name, p.RequestKey(), p.Status, p.SentAmount.Decimal)
		return nil
	})
	// One handler for several events reads the members that it needs.
	dispatcher.AddEventHandler([]string{bitcart.EventNewBlock, bitcart.EventNewTransaction},
		func(_ context.Context, ev *bitcart.Event) error {
			fields, err := ev.Fields()
			fmt.Println(ev.Name, fields["height"], fields["tx"])
			return err
		})

	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var update bitcart.Update
		if err := json.Unmarshal(lines.Bytes(), &update); err != nil {
			return err
		}
		if err := dispatcher.ProcessUpdates(ctx, []bitcart.Update{update}); err != nil {
			return err
		}
	}
	return lines.Err()
}
