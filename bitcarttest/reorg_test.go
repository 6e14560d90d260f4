package bitcarttest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

func statusOf(t *testing.T, d *bitcarttest.Daemon, wallet, key string) int {
	t.Helper()
	var r struct{ Status int }
	rpc(t, d, "get_request", []any{key, named{"xpub": wallet}}, &r)
	return r.Status
}

func TestReorgLowersTheStatus(t *testing.T) {
	d := newDaemon(t, "BTC")
	w := d.NewWallet()
	key := addRequest(t, d, w, "1", 900)
	early := addRequest(t, d, w, "1", 900)
	_, err := d.Pay(w, early, bitcarttest.Transfer{Mined: true})
	require.NoError(t, err)
	txid, err := d.Pay(w, key, bitcarttest.Transfer{})
	require.NoError(t, err)
	d.Mine(2)
	require.Equal(t, 3, statusOf(t, d, w, key))
	updates(t, d, w)

	require.NoError(t, d.Reorg(1))
	require.Empty(t, updates(t, d, w), "it was not in that block")
	require.NoError(t, d.Reorg(2))
	list := updates(t, d, w)
	require.Equal(t, []string{"new_payment"}, eventNames(list))
	require.Equal(t, 7, list[0].Status)
	require.Equal(t, key, list[0].Address)
	require.Equal(t, []string{txid}, list[0].TxHashes)
	require.Equal(t, 7, statusOf(t, d, w, key))
	require.Equal(t, 3, statusOf(t, d, w, early), "an older block stays")

	d.Mine(1)
	list = updates(t, d, w)
	require.Equal(t, []string{"new_block", "new_payment", "verified_tx"}, eventNames(list), "a second time")
	require.Equal(t, 3, list[1].Status)
	require.Equal(t, d.Height(), list[2].Height)
	require.NoError(t, d.Reorg(0))
}

func TestReorgOfOtherFamilies(t *testing.T) {
	d := newDaemon(t, "ETH")
	w := d.NewWallet()
	key := addRequest(t, d, w, "1", 900)
	_, err := d.Pay(w, key, bitcarttest.Transfer{From: d.NewAddress()})
	require.NoError(t, err)
	updates(t, d, w)
	require.NoError(t, d.Reorg(5))
	require.Empty(t, updates(t, d, w))
	require.Equal(t, 3, statusOf(t, d, w, key), "Paid stays Paid")

	require.Error(t, newDaemon(t, "BCH").Reorg(1))
}

func TestDropTransaction(t *testing.T) {
	for _, currency := range []string{"BTC", "XMR"} {
		t.Run(currency, func(t *testing.T) {
			d := newDaemon(t, currency)
			w := d.NewWallet()
			key := addRequest(t, d, w, "1", 900)
			txid, err := d.Pay(w, key, bitcarttest.Transfer{})
			require.NoError(t, err)
			require.Equal(t, 7, statusOf(t, d, w, key))
			updates(t, d, w)

			require.NoError(t, d.DropTransaction(txid))
			require.Empty(t, updates(t, d, w), "no daemon tells")
			require.Equal(t, 0, statusOf(t, d, w, key))
			require.ErrorIs(t, d.DropTransaction(txid), bitcarttest.ErrNotInMempool)
			d.Mine(1)
			require.Equal(t, []string{"new_block"}, eventNames(updates(t, d, w)))

			txid, err = d.Pay(w, key, bitcarttest.Transfer{})
			require.NoError(t, err, "it can be paid again")
			d.Mine(1)
			require.Equal(t, 3, statusOf(t, d, w, key))
			require.ErrorIs(t, d.DropTransaction(txid), bitcarttest.ErrNotInMempool)
		})
	}
}

func TestLoseUpdates(t *testing.T) {
	for _, currency := range []string{"BTC", "ETH"} {
		t.Run(currency, func(t *testing.T) {
			d := newDaemon(t, currency)
			w := d.NewWallet()
			key := addRequest(t, d, w, "1", 900)
			conn := dial(t, d, w)
			d.Faults().LoseUpdates(10)
			_, err := d.Pay(w, key, bitcarttest.Transfer{From: d.NewAddress()})
			require.NoError(t, err)
			require.NoError(t, d.Emit(w, named{"event": "lost"}))
			d.Faults().LoseUpdates(0)
			require.NoError(t, d.Emit(w, named{"event": "heard"}))
			require.Contains(t, read(t, conn), `"heard"`)
			require.Equal(t, []string{"heard"}, eventNames(updates(t, d, w)))
			require.Contains(t, []int{3, 7}, statusOf(t, d, w, key), "the payment has come")
		})
	}
}

func TestSkipBlocks(t *testing.T) {
	d := newDaemon(t, "ETH")
	w := d.NewWallet()
	key := addRequest(t, d, w, "1", 900)
	d.Faults().SkipBlocks(1)
	_, err := d.Pay(w, key, bitcarttest.Transfer{From: d.NewAddress()})
	require.NoError(t, err)
	skipped := d.Height()
	_, err = d.Send(w, bitcarttest.Transfer{Amount: "1"})
	require.NoError(t, err)
	require.Equal(t, []string{"new_block", "new_block", "new_transaction"}, eventNames(updates(t, d, w)))
	require.Equal(t, 0, statusOf(t, d, w, key))

	rpc(t, d, "close_wallet", named{"xpub": w}, nil)
	rpc(t, d, "getbalance", named{"xpub": w}, nil)
	require.Eventually(t, func() bool { return d.Queued(w) == 1 }, patience, time.Millisecond)
	require.Equal(t, []string{"new_transaction"}, eventNames(updates(t, d, w)), "loading looks at the other one")
	require.Equal(t, 0, statusOf(t, d, w, key))

	rpc(t, d, "rescan_blocks", []any{skipped}, nil)
	require.Equal(t, []string{"new_block", "new_transaction", "new_payment"}, eventNames(updates(t, d, w)))
	require.Equal(t, 3, statusOf(t, d, w, key))
}

// Downtime of more blocks than an account daemon catches up with: the newest ones are skipped.
func TestLongDowntime(t *testing.T) {
	for currency, limit := range map[string]int{"ETH": 300, "MATIC": 450} {
		t.Run(currency, func(t *testing.T) {
			d := newDaemon(t, currency)
			w := d.NewWallet()
			first, last, beyond := addRequest(t, d, w, "1", 0), addRequest(t, d, w, "1", 0), addRequest(t, d, w, "1", 0)
			d.Faults().Stop(bitcarttest.FIN)
			pay := func(key string) {
				_, err := d.Pay(w, key, bitcarttest.Transfer{From: d.NewAddress()})
				require.NoError(t, err)
			}
			pay(first)
			d.Mine(limit - 2)
			pay(last)
			pay(beyond)
			height := d.Height()
			d.Mine(50)
			require.NoError(t, d.Faults().Start(within(t)))
			require.Eventually(t, func() bool {
				return statusOf(t, d, w, first) == 3 && statusOf(t, d, w, last) == 3
			}, patience, time.Millisecond)
			require.Equal(t, 0, statusOf(t, d, w, beyond))
			require.NoError(t, d.Faults().Restart(within(t), 0))
			require.Equal(t, 0, statusOf(t, d, w, beyond))
			rpc(t, d, "rescan_blocks", []any{height}, nil)
			require.Equal(t, 3, statusOf(t, d, w, beyond))
		})
	}
}

// XMR counts what a rescan finds once more: half of an amount pays for the whole.
func TestMoneroRescanCountsTwice(t *testing.T) {
	d := newDaemon(t, "XMR")
	w := d.NewWallet()
	key := addRequest(t, d, w, "1", 900)
	txid, err := d.Pay(w, key, bitcarttest.Transfer{Amount: "0.5", Mined: true})
	require.NoError(t, err)
	require.Equal(t, 0, statusOf(t, d, w, key))
	updates(t, d, w)
	rpc(t, d, "rescan_blocks", []any{d.Height()}, nil)
	list := updates(t, d, w)
	require.Equal(t, []string{"new_block", "new_transaction", "new_payment"}, eventNames(list))
	require.Equal(t, 3, list[2].Status)
	require.Equal(t, []string{txid, txid}, list[2].TxHashes)
	require.Equal(t, 3, statusOf(t, d, w, key))
}

func TestNilOption(t *testing.T) {
	d, err := bitcarttest.NewDaemon("BTC", nil)
	require.Error(t, err)
	require.Nil(t, d)
}
