package bitcarttest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

const otherSeed = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"

type invoice struct {
	RHash      string `json:"rhash"`
	Text       string `json:"lightning_invoice"`
	Status     int
	CanReceive bool `json:"can_receive"`
}

func newInvoice(t *testing.T, d *bitcarttest.Daemon, wallet, amount string) (r invoice) {
	t.Helper()
	rpc(t, d, "add_request", named{"amount": amount, "lightning": true, "xpub": wallet}, &r)
	return r
}

type channelAnswer struct {
	Type  string
	State string
	Point string `json:"channel_point"`
	Local int64  `json:"local_balance"`
}

func channels(t *testing.T, d *bitcarttest.Daemon, wallet string) (list []channelAnswer) {
	t.Helper()
	rpc(t, d, "list_channels", named{"xpub": wallet}, &list)
	return list
}

func TestChannels(t *testing.T) {
	d := rich(t, "BTC")
	node := "02" + strings.Repeat("1b", 32)
	var connected bool
	rpc(t, d, "add_peer", []any{node + "@203.0.113.8:9735", named{"xpub": seedWallet}}, &connected)
	require.True(t, connected)
	var point, closing string
	rpc(t, d, "open_channel", []any{node, "2", named{"xpub": seedWallet}}, &point)
	require.Equal(t, []channelAnswer{{"CHANNEL", "OPENING", point, 200_000_000}}, channels(t, d, seedWallet))
	require.Equal(t, map[string]string{"confirmed": "10", "unconfirmed": "-2.000022", "lightning": "2"}, balanceOf(t, d, seedWallet))
	d.Mine(1)
	require.Equal(t, "OPEN", channels(t, d, seedWallet)[0].State)
	var peers []struct {
		NodeID   string `json:"node_id"`
		Channels []string
	}
	rpc(t, d, "list_peers", named{"gossip": false, "xpub": seedWallet}, &peers)
	require.Len(t, peers, 1)
	require.Equal(t, node, peers[0].NodeID)
	require.Equal(t, []string{point}, peers[0].Channels)

	rpc(t, d, "close_channel", []any{point, false, named{"xpub": seedWallet}}, &closing)
	require.Equal(t, "CLOSED", channels(t, d, seedWallet)[0].State)
	d.Mine(1)
	require.Equal(t, map[string]string{"confirmed": "9.999978"}, balanceOf(t, d, seedWallet))
	code, _ := fails(t, d, "close_channel", []any{point, named{"xpub": seedWallet}})
	require.Equal(t, -32603, code, "closed already")
	code, _ = fails(t, d, "open_channel", []any{node, "200", named{"xpub": seedWallet}})
	require.Equal(t, -32006, code)
}

func TestLightningPayments(t *testing.T) {
	d := rich(t, "BTC")
	require.NoError(t, d.Load(otherSeed))
	_, err := d.AddChannel(otherSeed, bitcarttest.Channel{Remote: "0.5"})
	require.NoError(t, err)
	_, err = d.AddChannel(seedWallet, bitcarttest.Channel{Local: "0.3", Backup: true})
	require.NoError(t, err)
	bill := newInvoice(t, d, otherSeed, "0.1")
	require.True(t, bill.CanReceive)
	require.False(t, newInvoice(t, d, otherSeed, "0.6").CanReceive)
	code, _ := fails(t, d, "get_request", []any{bill.RHash, named{"xpub": otherSeed}})
	require.Equal(t, -32603, code, "a bug: an invoice is read by get_invoice")

	var outcome struct {
		Hash     string `json:"payment_hash"`
		Success  bool
		Preimage *string
	}
	pay := func() { rpc(t, d, "lnpay", []any{bill.Text, named{"xpub": seedWallet}}, &outcome) }
	pay()
	require.False(t, outcome.Success, "a backup can send nothing")
	require.Nil(t, outcome.Preimage)
	_, err = d.AddChannel(seedWallet, bitcarttest.Channel{Local: "0.3"})
	require.NoError(t, err)
	pay()
	require.True(t, outcome.Success)
	require.Equal(t, bill.RHash, outcome.Hash)
	require.Equal(t, "0.2", balanceOf(t, d, seedWallet)["lightning"])
	require.Equal(t, "0.1", balanceOf(t, d, otherSeed)["lightning"])
	list := updates(t, d, otherSeed)
	require.Equal(t, []event{{Event: "new_payment", Address: bill.RHash, Status: 3, SentAmount: "0.10000000", TxHashes: []string{bill.RHash}}}, list)
	rpc(t, d, "get_invoice", []any{bill.RHash, named{"xpub": otherSeed}}, &bill)
	require.Equal(t, 3, bill.Status)
	rpc(t, d, "get_request", []any{bill.RHash, named{"xpub": otherSeed}}, nil)
	pay()
	require.False(t, outcome.Success, "only once")
}

// TestPayPaysInvoices: Pay is the customer.
func TestPayPaysInvoices(t *testing.T) {
	d := newDaemon(t, "LTC")
	require.NoError(t, d.Load(seedWallet))
	bill := newInvoice(t, d, seedWallet, "0.1")
	hash, err := d.Pay(seedWallet, bill.RHash, bitcarttest.Transfer{})
	require.NoError(t, err)
	require.Equal(t, bill.RHash, hash)
	require.Equal(t, []string{"new_payment"}, eventNames(updates(t, d, seedWallet)))
	require.Equal(t, "0.1", balanceOf(t, d, seedWallet)["lightning"])
	_, err = d.Pay(seedWallet, bill.RHash, bitcarttest.Transfer{})
	require.Error(t, err, "paid")
}

func TestNoLightning(t *testing.T) {
	d := newDaemon(t, "BTC", bitcarttest.WithoutLightning())
	require.NoError(t, d.Load(seedWallet))
	for _, method := range []string{"nodeid", "list_peers", "list_channels"} {
		code, _ := fails(t, d, method, named{"xpub": seedWallet})
		require.Equal(t, -32011, code, method)
	}
	code, _ := fails(t, d, "add_request", named{"amount": "1", "lightning": true, "xpub": seedWallet})
	require.Equal(t, -32011, code)
	_, err := d.AddChannel(seedWallet, bitcarttest.Channel{})
	require.Error(t, err)
	spec := (&stage{t: t, d: d}).spec()
	var doc struct{ Capabilities map[string]bool }
	require.NoError(t, json.Unmarshal(spec, &doc))
	require.Equal(t, map[string]bool{"lightning": false}, doc.Capabilities)

	d = newDaemon(t, "BTC")
	_, err = d.AddChannel("zpubNobody", bitcarttest.Channel{})
	require.ErrorIs(t, err, bitcarttest.ErrUnknownWallet)
	_, err = d.AddChannel("zpubNobody", bitcarttest.Channel{Peer: "x"})
	require.Error(t, err)
}

func TestOptionsAreChecked(t *testing.T) {
	for _, size := range []int{0, 15, 2_000_000} {
		_, err := bitcarttest.NewDaemon("BTC", bitcarttest.WithTransactionSize(size))
		require.Error(t, err, size)
	}
}
