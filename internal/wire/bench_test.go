package wire

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
)

// benchFrames are distinct frames as an ETH daemon writes them.
func benchFrames(n int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	hex := func(bytes int) string {
		b := make([]byte, bytes)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return fmt.Sprintf("0x%x", b)
	}
	frames := make([][]byte, n)
	for i := range frames {
		wallet := fmt.Sprintf("xpub%0107d", rng.IntN(1000))
		update := fmt.Sprintf(`{"event": "new_block", "height": %d}`, 21_000_000+i)
		switch i % 4 {
		case 1:
			update = fmt.Sprintf(`{"event": "new_transaction", "tx": %q, "from_address": %q, "to": %q, "amount": "0.%018d", "contract": null}`,
				hex(32), hex(20), hex(20), rng.Int64N(1e18))
		case 2, 3:
			update = fmt.Sprintf(`{"event": "new_payment", "address": %q, "status": 3, "status_str": "Paid", "tx_hashes": [%q], "sent_amount": "%d.%018d", "contract": null}`,
				hex(21), hex(32), rng.IntN(9), rng.Int64N(1e18))
		}
		frames[i] = fmt.Appendf(nil, `{"updates": [%s], "wallet": %q, "currency": "ETH"}`, update, wallet)
	}
	return frames
}

func BenchmarkCut(b *testing.B) {
	frames := benchFrames(4096)
	size := 0
	for _, f := range frames {
		size += len(f)
	}
	run := func(name string, cut func([]byte) error) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size / len(frames)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := cut(frames[i%len(frames)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	var c Cutter
	run("cutter", func(data []byte) error {
		_, err := c.Cut(data)
		return err
	})
	run("alternative=json.Unmarshal", func(data []byte) error {
		var f struct {
			Updates          []json.RawMessage
			Wallet, Currency string
		}
		if err := json.Unmarshal(data, &f); err != nil {
			return err
		}
		for _, raw := range f.Updates {
			var body struct{ Event string }
			if err := json.Unmarshal(raw, &body); err != nil {
				return err
			}
		}
		return nil
	})
	run("alternative=json.Valid", func(data []byte) error {
		if !json.Valid(data) {
			return ErrFrame
		}
		return nil
	})
}

func BenchmarkFind(b *testing.B) {
	var bodies []Body
	for _, f := range benchFrames(4096) {
		var c Cutter
		frame, err := c.Cut(f)
		if err != nil {
			b.Fatal(err)
		}
		if frame.Updates[0].Event == "new_payment" {
			bodies = append(bodies, frame.Updates[0].Body)
		}
	}
	names := []string{"address", "status", "status_str", "tx_hashes", "sent_amount", "contract"}
	b.Run("indexed", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			var v [6]Value
			if !bodies[i%len(bodies)].Find(names, v[:]) {
				b.Fatal("not found")
			}
		}
	})
	b.Run("walked", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			var v [6]Value
			body := BodyOf(bodies[i%len(bodies)].Text)
			if !body.Find(names, v[:]) {
				b.Fatal("not found")
			}
		}
	})
	b.Run("alternative=json.Unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			var v struct {
				Address    json.RawMessage `json:"address"`
				Status     json.RawMessage `json:"status"`
				StatusStr  json.RawMessage `json:"status_str"`
				TxHashes   json.RawMessage `json:"tx_hashes"`
				SentAmount json.RawMessage `json:"sent_amount"`
				Contract   json.RawMessage `json:"contract"`
			}
			if err := json.Unmarshal([]byte(bodies[i%len(bodies)].Text), &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
