package replay

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/internal/wire"
)

func chainWide(list []Item) []Item {
	for i := range list {
		list[i].Chain = true
	}
	return list
}

func BenchmarkMergeIdleWallet(b *testing.B) {
	var c ChainHistory
	var w Wallet
	w.Merge(&c, nil)
	blocks := chainWide(numbered(0, 150))
	for _, it := range blocks {
		c.Add(it)
	}
	w.Hold(&c)
	c.Hold()
	b.ReportAllocs()
	for b.Loop() {
		again := w
		again.Merge(&c, blocks[50:])
	}
}

func benchmarkHistory(b *testing.B, seen, held, answer []Item) {
	var h History
	for _, it := range seen {
		h.Add(it)
	}
	h.Hold()
	for _, it := range held {
		h.Add(it)
	}
	b.ReportAllocs()
	for b.Loop() {
		again := h
		again.Merge(answer)
	}
}

func BenchmarkMergeKnown(b *testing.B) {
	benchmarkHistory(b, numbered(0, 100), nil, numbered(0, 100))
}

func BenchmarkMergeHalfMissed(b *testing.B) {
	benchmarkHistory(b, numbered(0, 50), nil, numbered(0, 100))
}

func BenchmarkMergeHalfHeld(b *testing.B) {
	benchmarkHistory(b, numbered(0, 30), numbered(70, 30), numbered(0, 100))
}

// BenchmarkMergeWorst has nothing in common at the ends, and contents that repeat.
func BenchmarkMergeWorst(b *testing.B) {
	rng := rand.New(rand.NewPCG(7, 8))
	seen, answer := numbered(0, 150), numbered(0, 100)
	for i := range seen {
		seen[i] = numbered(rng.IntN(30), 1)[0]
	}
	for i := range answer {
		answer[i] = numbered(rng.IntN(30), 1)[0]
	}
	benchmarkHistory(b, seen[:100], seen[100:], answer)
}

func BenchmarkAdd(b *testing.B) {
	var h History
	list := numbered(0, 1000)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		h.Add(list[i%len(list)])
		i++
	}
}

func BenchmarkItemOfPayment(b *testing.B) {
	raw := `{"event":"new_payment","address":"5bb56e50f4","status":7,"status_str":"Unconfirmed","tx_hashes":["750b1409","9dc8d56b"],"sent_amount":"0.50000000"}`
	updates, _, err := wire.CutList([]byte("[" + raw + "]"))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		ItemOf("new_payment", &updates[0].Body, false)
	}
}
