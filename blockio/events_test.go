package blockio_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
)

// goldenData is the data of an event in testdata.
func goldenData(t testing.TB, name string) json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	var w struct {
		Data json.RawMessage `json:"data"`
	}
	require.NoError(t, json.Unmarshal(text, &w))
	return w.Data
}

// eventOf returns the event that a handler gets.
func eventOf(t testing.TB, name string, body any) *bitcart.Event {
	t.Helper()
	var d bitcart.Dispatcher
	var got *bitcart.Event
	d.On(name, func(_ context.Context, ev *bitcart.Event) error {
		got = ev
		return nil
	})
	require.NoError(t, d.ProcessUpdates(context.Background(), []bitcart.Update{bitcart.NewUpdate(name, body)}))
	require.NotNil(t, got)
	return got
}

func amount(text string) decimal.Decimal { return decimal.RequireFromString(text) }

// Seed: "Balance Change Notification", by web hook and by web socket.
func TestSeedAddressEvent(t *testing.T) {
	for _, name := range []string{"webhook-address.json", "socket-address.json"} {
		p, err := bitcart.PayloadOf[blockio.AddressEvent](eventOf(t, "address", goldenData(t, name)))
		require.NoError(t, err)
		require.Equal(t, blockio.AddressEvent{
			Network: "BTC", Address: "3cBraN1Q", BalanceChange: amount("0.01000000"), AmountSent: amount("0.00000000"),
			AmountReceived: amount("0.01000000"), TxID: "7af5cf9f2", Confirmations: 3,
		}, p)
		back, err := json.Marshal(p)
		require.NoError(t, err)
		require.JSONEq(t, string(goldenData(t, name)), string(back), "every member, with its places")
	}
}

// Seed: "New Block Notification", by web hook and by web socket.
func TestSeedNewBlocksEvent(t *testing.T) {
	for _, name := range []string{"webhook-new-blocks.json", "socket-new-blocks.json"} {
		p, err := bitcart.PayloadOf[*blockio.NewBlocksEvent](eventOf(t, "new-blocks", goldenData(t, name)))
		require.NoError(t, err)
		require.Equal(t, &blockio.NewBlocksEvent{
			Network: "BTC", BlockHash: "fb0e1", PreviousBlockHash: "5b217", BlockNo: 456485, Confirmations: 1,
			MerkleRoot: "8173983", Time: time.Unix(1426062467, 0).UTC(), Nonce: 1544718438,
			Difficulty: amount("0.01240701"), TxIDs: []string{"81739", "ab123"},
		}, p)
		back, err := json.Marshal(p)
		require.NoError(t, err)
		require.JSONEq(t, string(goldenData(t, name)), string(back))
	}
}

func TestTypedHandlers(t *testing.T) {
	var d bitcart.Dispatcher
	var subjects []string
	bitcart.On(&d, func(_ context.Context, _ *bitcart.Event, p blockio.AddressEvent) error {
		subjects = append(subjects, p.Subject())
		return nil
	})
	bitcart.On(&d, func(_ context.Context, _ *bitcart.Event, p blockio.NewBlocksEvent) error {
		subjects = append(subjects, p.Subject())
		return nil
	})
	require.True(t, d.Handles(blockio.EventAddress))
	require.True(t, d.Handles(blockio.EventNewBlocks))
	require.NoError(t, d.ProcessUpdates(t.Context(), []bitcart.Update{
		bitcart.NewUpdate("address", goldenData(t, "webhook-address.json")),
		bitcart.NewUpdate("new-blocks", goldenData(t, "webhook-new-blocks.json")),
	}))
	require.Equal(t, []string{"address/BTC/3cBraN1Q/7af5cf9f2/3", "new-blocks/BTC/fb0e1/1"}, subjects)

	_, err := bitcart.PayloadOf[blockio.AddressEvent](eventOf(t, "new-blocks", goldenData(t, "webhook-new-blocks.json")))
	require.ErrorIs(t, err, bitcart.ErrWrongEvent)
}

// members is the data of an address event with some members changed; nil
// leaves one out.
func members(t testing.TB, name string, changes map[string]any) map[string]any {
	t.Helper()
	all := map[string]any{}
	require.NoError(t, json.Unmarshal(goldenData(t, name), &all))
	for key, value := range changes {
		all[key] = value
		if value == nil {
			delete(all, key)
		}
	}
	return all
}

// Seed: "net balance change, can be negative"; Ethereum has 18 places.
func TestAmountsAreExact(t *testing.T) {
	tests := []struct {
		name string
		sent any
		want string
	}{
		{"negative", "-0.01000000", "-0.01000000"},
		{"18 places", "0.000000000000000001", "0.000000000000000001"},
		{"18 places, negative", "-123456789.123456789123456789", "-123456789.123456789123456789"},
		{"a number", json.RawMessage("0.10000000000000000001"), "0.10000000000000000001"},
		{"scientific", json.RawMessage("1e-8"), "0.00000001"},
		{"whole", "21000000", "21000000"},
		{"nothing", "0.00000000", "0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{"balance_change", "amount_sent", "amount_received"} {
				p, err := bitcart.PayloadOf[blockio.AddressEvent](eventOf(t, "address", members(t, "webhook-address.json", map[string]any{name: tt.sent})))
				require.NoError(t, err)
				got := map[string]decimal.Decimal{"balance_change": p.BalanceChange, "amount_sent": p.AmountSent, "amount_received": p.AmountReceived}[name]
				require.True(t, amount(tt.want).Equal(got), got.String())
			}
		})
	}
}

func TestPayloadsReportWhatTheyCannotRead(t *testing.T) {
	tests := []struct {
		file, member string
		value        any
		missing      bool
	}{
		{"webhook-address.json", "network", nil, true},
		{"webhook-address.json", "address", nil, true},
		{"webhook-address.json", "balance_change", nil, true},
		{"webhook-address.json", "amount_sent", nil, true},
		{"webhook-address.json", "amount_received", nil, true},
		{"webhook-address.json", "txid", nil, true},
		{"webhook-address.json", "confirmations", nil, true},
		{"webhook-address.json", "balance_change", json.RawMessage("null"), true},
		{"webhook-address.json", "balance_change", "much", false},
		{"webhook-address.json", "balance_change", "", false},
		{"webhook-address.json", "balance_change", true, false},
		{"webhook-address.json", "balance_change", "1e999999999", false},
		{"webhook-address.json", "amount_sent", "1e-999999999", false},
		{"webhook-address.json", "amount_sent", "1e101", false},
		{"webhook-address.json", "amount_sent", json.RawMessage("1e-101"), false},
		{"webhook-address.json", "amount_sent", "0." + strings.Repeat("1", 127), false},
		{"webhook-address.json", "amount_sent", strings.Repeat("1", 129), false},
		{"webhook-address.json", "amount_received", []int{1}, false},
		{"webhook-address.json", "confirmations", 1.5, false},
		{"webhook-address.json", "confirmations", "many", false},
		{"webhook-address.json", "txid", 5, false},
		{"webhook-new-blocks.json", "network", nil, true},
		{"webhook-new-blocks.json", "block_hash", nil, true},
		{"webhook-new-blocks.json", "block_no", nil, true},
		{"webhook-new-blocks.json", "confirmations", nil, true},
		{"webhook-new-blocks.json", "block_no", "last", false},
		{"webhook-new-blocks.json", "time", "today", false},
		{"webhook-new-blocks.json", "nonce", -1, false},
		{"webhook-new-blocks.json", "nonce", "0xzz", false},
		{"webhook-new-blocks.json", "difficulty", "hard", false},
		{"webhook-new-blocks.json", "txs", "81739", false},
	}
	for _, tt := range tests {
		body := members(t, tt.file, map[string]any{tt.member: tt.value})
		var err error
		if tt.file == "webhook-address.json" {
			_, err = bitcart.PayloadOf[blockio.AddressEvent](eventOf(t, "address", body))
		} else {
			_, err = bitcart.PayloadOf[blockio.NewBlocksEvent](eventOf(t, "new-blocks", body))
		}
		var detail *bitcart.PayloadError
		require.ErrorAs(t, err, &detail, "%s %v", tt.member, tt.value)
		require.Equal(t, tt.member, detail.Field, "%v", tt.value)
		require.Equal(t, tt.missing, errors.Is(err, bitcart.ErrMissingMember), "%s %v", tt.member, tt.value)
	}
}

func TestBlocksWithoutEveryMember(t *testing.T) {
	body := map[string]any{"network": "ETH", "block_hash": "0xAB", "block_no": "7", "confirmations": 10, "nonce": "0xFFFFFFFFFFFFFFFF",
		"difficulty": json.RawMessage("58750003716598352816469")}
	p, err := bitcart.PayloadOf[blockio.NewBlocksEvent](eventOf(t, "new-blocks", body))
	require.NoError(t, err)
	require.Equal(t, blockio.NewBlocksEvent{Network: "ETH", BlockHash: "0xAB", BlockNo: 7, Confirmations: 10,
		Nonce: 1<<64 - 1, Difficulty: amount("58750003716598352816469")}, p)
}

func TestUnmarshalLeavesAFailedEventAsItWas(t *testing.T) {
	p := blockio.AddressEvent{Network: "BTC", TxID: "a"}
	require.Error(t, json.Unmarshal([]byte(`{"network":"LTC","txid":"b","amount_sent":"x"}`), &p))
	require.Equal(t, blockio.AddressEvent{Network: "BTC", TxID: "a"}, p)
	b := blockio.NewBlocksEvent{BlockNo: 5}
	require.Error(t, json.Unmarshal([]byte(`{"block_no":6,"difficulty":"x"}`), &b))
	require.Equal(t, blockio.NewBlocksEvent{BlockNo: 5}, b)
}

func TestUnknownMembersAreKept(t *testing.T) {
	ev := eventOf(t, "address", members(t, "webhook-address.json", map[string]any{"replaced_by": "tx2"}))
	_, err := bitcart.PayloadOf[blockio.AddressEvent](ev)
	require.NoError(t, err)
	fields, err := ev.Fields()
	require.NoError(t, err)
	require.Equal(t, "tx2", fields["replaced_by"])
	require.Contains(t, string(ev.Raw()), `"replaced_by":"tx2"`)
}

func TestSubjects(t *testing.T) {
	base := blockio.AddressEvent{Network: "BTC", Address: "1AbC", TxID: "ab", Confirmations: 1}
	with := func(change func(*blockio.AddressEvent)) string {
		e := base
		change(&e)
		return e.Subject()
	}
	same := map[string]string{
		"amounts":         with(func(e *blockio.AddressEvent) { e.BalanceChange = amount("5") }),
		"case of network": with(func(e *blockio.AddressEvent) { e.Network = "btc" }),
		"case of txid":    with(func(e *blockio.AddressEvent) { e.TxID = "AB" }),
		"legacy":          with(func(e *blockio.AddressEvent) { e.IsGreen = true }),
	}
	for name, got := range same {
		require.Equal(t, base.Subject(), got, name)
	}
	other := map[string]string{
		"network":         with(func(e *blockio.AddressEvent) { e.Network = "BTCTEST" }),
		"address":         with(func(e *blockio.AddressEvent) { e.Address = "1AbD" }),
		"case of address": with(func(e *blockio.AddressEvent) { e.Address = "1abc" }),
		"txid":            with(func(e *blockio.AddressEvent) { e.TxID = "ac" }),
		"confirmations":   with(func(e *blockio.AddressEvent) { e.Confirmations = 0 }),
		"shifted":         with(func(e *blockio.AddressEvent) { e.Address, e.TxID = "1AbC/ab", "1" }),
		"shifted back":    with(func(e *blockio.AddressEvent) { e.Address, e.TxID = "1AbC", "ab/1" }),
		"long":            with(func(e *blockio.AddressEvent) { e.Address = string(make([]byte, 1<<20)) }),
		"block":           blockio.NewBlocksEvent{Network: "BTC", BlockHash: "1AbC", Confirmations: 1}.Subject(),
		"block deeper":    blockio.NewBlocksEvent{Network: "BTC", BlockHash: "1AbC", Confirmations: 3}.Subject(),
	}
	seen := map[string]string{base.Subject(): "base"}
	for name, got := range other {
		require.NotEmpty(t, got, name)
		require.Less(t, len(got), 300, name)
		require.Empty(t, seen[got], "%s has the subject of another", name)
		seen[got] = name
	}
	hex := blockio.AddressEvent{Network: "ETH", Address: "0xAbCdEf", TxID: "0xAA"}
	lower := blockio.AddressEvent{Network: "ETH", Address: "0xabcdef", TxID: "0xaa"}
	require.Equal(t, lower.Subject(), hex.Subject(), "the case of a hexadecimal address is a checksum")
	upper, lower := blockio.AddressEvent{Network: "BTC", Address: "3ABC", TxID: "aa"}, blockio.AddressEvent{Network: "BTC", Address: "3abc", TxID: "aa"}
	require.NotEqual(t, upper.Subject(), lower.Subject(), "case is a part of the address")
	bech := blockio.AddressEvent{Network: "BTC", Address: "BC1QXY", TxID: "aa"}
	require.Equal(t, "address/BTC/bc1qxy/aa/0", bech.Subject())
	legacy := blockio.AddressEvent{Network: "LTC", Address: "Ltc1aB", TxID: "aa"}
	require.Equal(t, "address/LTC/Ltc1aB/aa/0", legacy.Subject(), "an old address may begin like a new one")

	require.Empty(t, blockio.AddressEvent{Network: "BTC", Address: "a"}.Subject(), "without a transaction it names nothing")
	require.Empty(t, blockio.NewBlocksEvent{Network: "BTC"}.Subject())
	require.Empty(t, blockio.SubjectOf(nil))
	require.Empty(t, blockio.SubjectOf(eventOf(t, "other", map[string]any{"network": "BTC"})))
	require.Empty(t, blockio.SubjectOf(eventOf(t, "address", members(t, "webhook-address.json", map[string]any{"confirmations": nil}))))
	require.Empty(t, blockio.SubjectOf(eventOf(t, "address", members(t, "webhook-address.json", map[string]any{"txid": 5}))))
}

// Seed: "X = {0,1,3} for Bitcoin, {0,1,10} for Ethereum, {0,1,5} for
// Litecoin", "you will also receive an update at N confirmations", and "Web
// Hooks are available for Bitcoin, Ethereum, Litecoin, and their Testnets".
func TestSeedConfirmations(t *testing.T) {
	tests := []struct {
		networks       []string
		address, block []int
	}{
		{[]string{"BTC", "BTCTEST", "btc"}, []int{0, 1, 3}, []int{1, 3}},
		{[]string{"ETH", "ETHTEST"}, []int{0, 1, 10}, []int{1, 10}},
		{[]string{"LTC", "LTCTEST"}, []int{0, 1, 5}, []int{1, 5}},
		{[]string{"DOGE", ""}, nil, nil},
	}
	for _, tt := range tests {
		for _, network := range tt.networks {
			require.Equal(t, tt.address, blockio.AddressConfirmations(network), network)
			require.Equal(t, tt.block, blockio.BlockConfirmations(network), network)
			for _, n := range tt.address {
				want := n == tt.address[len(tt.address)-1]
				require.Equal(t, want, blockio.AddressEvent{Network: network, Confirmations: n}.Final(), "%s %d", network, n)
			}
			for _, n := range tt.block {
				want := n == tt.block[len(tt.block)-1]
				require.Equal(t, want, blockio.NewBlocksEvent{Network: network, Confirmations: n}.Final(), "%s %d", network, n)
			}
		}
	}
	blockio.AddressConfirmations("BTC")[0] = 99
	require.Equal(t, []int{0, 1, 3}, blockio.AddressConfirmations("BTC"), "the table is not the caller's")
	require.False(t, blockio.AddressEvent{Network: "DOGE", Confirmations: 100}.Final())
}

// A member that one type of event does not have says nothing of its subject,
// whatever it holds: the service may add members.
func TestSubjectIgnoresOtherMembers(t *testing.T) {
	odd := []string{`null`, `""`, `"x"`, `5`, `true`, `[]`, `{"hash":"x"}`}
	for _, value := range odd {
		added := func(name string) map[string]any { return map[string]any{name: json.RawMessage(value)} }
		address := eventOf(t, "address", members(t, "webhook-address.json", added("block_hash")))
		p, err := bitcart.PayloadOf[blockio.AddressEvent](address)
		require.NoError(t, err)
		require.NotEmpty(t, p.Subject())
		require.Equal(t, p.Subject(), blockio.SubjectOf(address), value)
		for _, name := range []string{"address", "txid"} {
			block := eventOf(t, "new-blocks", members(t, "webhook-new-blocks.json", added(name)))
			p, err := bitcart.PayloadOf[blockio.NewBlocksEvent](block)
			require.NoError(t, err)
			require.NotEmpty(t, p.Subject())
			require.Equal(t, p.Subject(), blockio.SubjectOf(block), name+" "+value)
		}
	}
}

func FuzzAddressEvent(f *testing.F) {
	f.Add([]byte(goldenData(f, "webhook-address.json")))
	f.Add([]byte(`{"network":null,"balance_change":-1e-100,"amount_sent":"0.000000000000000001","confirmations":"3","txid":"\ud800"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p blockio.AddressEvent
		if json.Unmarshal(data, &p) != nil {
			require.Zero(t, p)
			return
		}
		text, err := json.Marshal(p)
		require.NoError(t, err)
		var again blockio.AddressEvent
		require.NoError(t, json.Unmarshal(text, &again), string(text))
		require.True(t, p.BalanceChange.Equal(again.BalanceChange))
		require.True(t, p.AmountSent.Equal(again.AmountSent))
		require.True(t, p.AmountReceived.Equal(again.AmountReceived))
		require.Equal(t, p.Subject(), again.Subject())
	})
}

func FuzzNewBlocksEvent(f *testing.F) {
	f.Add([]byte(goldenData(f, "webhook-new-blocks.json")))
	f.Add([]byte(`{"block_no":-9223372036854775808,"nonce":"0xff","time":"2020-01-01T00:00:00Z","difficulty":1e100,"txs":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p blockio.NewBlocksEvent
		if json.Unmarshal(data, &p) != nil {
			require.Zero(t, p)
			return
		}
		text, err := json.Marshal(p)
		require.NoError(t, err)
		var again blockio.NewBlocksEvent
		require.NoError(t, json.Unmarshal(text, &again), string(text))
		require.Equal(t, p.BlockNo, again.BlockNo)
		require.Equal(t, p.Nonce, again.Nonce)
		require.True(t, p.Difficulty.Equal(again.Difficulty))
		require.Equal(t, p.Subject(), again.Subject())
	})
}

// Seed: "legacy, can be ignored": whatever it is, the payment that it comes
// with reaches its handler.
func TestSeedIsGreenCanBeIgnored(t *testing.T) {
	for _, sent := range []string{`false`, `true`, `null`, `"false"`, `"true"`, `0`, `1`, `""`, `{}`, `[]`, `"maybe"`, `1.5`} {
		p, err := bitcart.PayloadOf[blockio.AddressEvent](eventOf(t, "address",
			members(t, "webhook-address.json", map[string]any{"is_green": json.RawMessage(sent)})))
		require.NoError(t, err, sent)
		require.Equal(t, "7af5cf9f2", p.TxID)
		require.Equal(t, sent == `true` || sent == `"true"` || sent == `1`, p.IsGreen, sent)
	}
	without := members(t, "webhook-address.json", map[string]any{"is_green": nil})
	_, err := bitcart.PayloadOf[blockio.AddressEvent](eventOf(t, "address", without))
	require.NoError(t, err)
}

// A block without a list of transactions is written with an empty one, as the
// service would, and numbers may begin with any digit.
func TestBlockWithoutTransactions(t *testing.T) {
	text, err := json.Marshal(blockio.NewBlocksEvent{Network: "BTC", BlockNo: 912345, Confirmations: 9})
	require.NoError(t, err)
	require.Contains(t, string(text), `"txs":[]`)
	var back blockio.NewBlocksEvent
	require.NoError(t, json.Unmarshal(text, &back))
	require.EqualValues(t, 912345, back.BlockNo)
	require.Equal(t, 9, back.Confirmations)
}
