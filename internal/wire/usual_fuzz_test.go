//go:build !bitcart_stdjson

package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// wayOf is what one way makes of a frame.
type wayOf struct {
	err              error
	wallet, currency []byte
	chunks           []int // how many updates Cut and each More returned
	updates          []Update
	place            [2]int // of the scanner behind the frame's first updates, where there are more
}

func cutBy(c *Cutter, data []byte) (w wayOf) {
	f, err := c.Cut(data)
	w.err, w.wallet, w.currency = err, f.Wallet, f.Currency
	if err != nil {
		return w
	}
	if c.rest.data != nil {
		w.place = [2]int{c.rest.pos, c.rest.depth}
	}
	for more := true; more; more = c.More(&f) {
		w.chunks = append(w.chunks, len(f.Updates))
		w.updates = append(w.updates, f.Updates...)
	}
	return w
}

// compareWays reads data the usual way, if it has that form, and by the steps
// in scan.go: a line break at the end means nothing, but is no printable ASCII.
func compareWays(c *Cutter, data []byte) error {
	if bytes.IndexByte(data, '\n') >= 0 {
		return nil // it goes the general way already
	}
	usual := cutBy(c, data)
	general := cutBy(new(Cutter), append(bytes.Clone(data), '\n'))
	if !errors.Is(usual.err, general.err) {
		return fmt.Errorf("error %v, the general way %v", usual.err, general.err)
	}
	if !bytes.Equal(usual.wallet, general.wallet) || (usual.wallet == nil) != (general.wallet == nil) {
		return fmt.Errorf("wallet %q, the general way %q", usual.wallet, general.wallet)
	}
	if !bytes.Equal(usual.currency, general.currency) || (usual.currency == nil) != (general.currency == nil) {
		return fmt.Errorf("currency %q, the general way %q", usual.currency, general.currency)
	}
	if fmt.Sprint(usual.chunks, usual.place) != fmt.Sprint(general.chunks, general.place) {
		return fmt.Errorf("pieces %v %v, the general way %v %v", usual.chunks, usual.place, general.chunks, general.place)
	}
	if err := sameUpdates(usual.updates, general.updates); err != nil {
		return err
	}
	list, skipped, err := CutList(data)
	list2, skipped2, err2 := CutList(append(bytes.Clone(data), '\n'))
	if !errors.Is(err, err2) || skipped != skipped2 {
		return fmt.Errorf("list: %d %v, the general way %d %v", skipped, err, skipped2, err2)
	}
	if err := sameUpdates(list, list2); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if a, b := EventName(data), EventName(append(bytes.Clone(data), '\n')); a != b {
		return fmt.Errorf("event %q, the general way %q", a, b)
	}
	return nil
}

func sameUpdates(usual, general []Update) error {
	if len(usual) != len(general) {
		return fmt.Errorf("%d updates, the general way %d", len(usual), len(general))
	}
	for i := range usual {
		a, b := &usual[i], &general[i]
		if a.Event != b.Event || a.Text != b.Text {
			return fmt.Errorf("update %d: %q %.200s, the general way %q %.200s", i, a.Event, a.Text, b.Event, b.Text)
		}
		if b.index.n > 0 {
			return fmt.Errorf("update %d: the general way has an index", i)
		}
		if err := checkIndex(&a.Body); err != nil {
			return fmt.Errorf("update %d: %w", i, err)
		}
	}
	return nil
}

// checkIndex compares the index of a body, if it has one, with what the walker finds:
// each member, in order, with its name and its value.
func checkIndex(b *Body) error {
	if b.index.n == 0 {
		return nil
	}
	w := walker{text: b.Text}
	for k := range int(b.index.n) {
		m, ok := w.member()
		name := b.Text[m.name:m.nameEnd]
		if !ok || m.name != int(b.index.names[k]) || !b.isNamed(k, name) {
			return fmt.Errorf("index %v, but member %d is %q at %d", b.index, k, name, m.name)
		}
		if from := m.nameEnd + len(behindName); from != m.value.from || b.end(k) != m.value.to {
			return fmt.Errorf("member %q stands from %d to %d, by the index from %d to %d", name, m.value.from, m.value.to, from, b.end(k))
		}
	}
	if _, ok := w.member(); ok || !w.ended {
		return fmt.Errorf("index %v lacks members of %.200s", b.index, b.Text)
	}
	return nil
}

// compareShapes is compareWays for data in each place of a frame.
func compareShapes(data string) error {
	var c Cutter // one for all, so that each finds what the one before has left
	for _, text := range []string{
		data,
		`{"updates": [` + data + `], "wallet": "w", "currency": "ETH"}`,
		`{"updates": [{"event": "a"}, ` + data + `], "wallet": null, "currency": "ETH"}`,
		`{"updates": [{` + data + `}], "wallet": "w", "currency": "ETH"}`,
		`{"updates": [{"event": "a", ` + data + `}], "wallet": "w", "currency": "ETH"}`,
		`{"updates": [{"event": "a"}], ` + data,
		`{"updates": [{"event": "a"}], "wallet": ` + data + `, "currency": "ETH"}`,
		`{"updates": [{"event": "a"}], "wallet": "w", "currency": ` + data + `}`,
		`{"updates": [{"event": "a"}], "wallet": "w", "currency": "ETH", ` + data + `}`,
		`{"updates": [{"event": "a"}], "wallet": "w", "currency": "ETH"}` + data,
		`{"updates": ` + data + `, "wallet": "w", "currency": "ETH"}`,
		`[` + data + `]`, `[{"event": "a"}, {` + data + `}]`,
	} {
		if err := compareWays(&c, []byte(text)); err != nil {
			return fmt.Errorf("%.300q: %w", text, err)
		}
	}
	return nil
}

// FuzzUsualAgainstGeneral: the usual way gives what the general one gives.
func FuzzUsualAgainstGeneral(f *testing.F) {
	for _, seed := range waySeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		if err := compareShapes(data); err != nil {
			t.Fatal(err)
		}
	})
}

func waySeeds() []string {
	members := func(n int, last string) string { return strings.Repeat(`"a": 1, `, n) + last }
	return []string{
		``, `{}`, `[]`, `null`, `""`, `"null"`, `"a"`, `1`, `"event": "x"`, `"": ""`, `"": 1, "": 2`, `"event": "x", "event": null`,
		`"event": "x", "event": {"event": "y"}`, `"event":  "x"`, `"event" : "x"`, `"event":"x"`, `"event": "x" `, `"event": "x",  "a": 1`,
		`"event": [[[[`, `"event": [[[1]}]]`, `"a": {"b": [`, `"a": -`, `"a": 1.`, `"a": 1, "b": tru`, `"a": "b`, `"a`, `"a": `, `"a":`, `"a": 1,`, `"a": 1, `,
		members(7, `"event": "x"`), members(8, `"event": "x"`), members(6, `"event": "x"`), members(8, `"a": [[`),
		`"wallet": "w", "currency": "ETH"}`, `"wallet": "", "currency": ""}`, `"wallet": null, "currency": null}`, `"wallet": "null", "currency": "}"}`,
		`"wallet": "w", "currency": "ETH", "updates": []}`, `"updates": [1], "wallet": "w", "currency": "ETH"}`, `"wallet": "w", "currency": "ETH"}}`,
		`"wallet": "w", "wallet": "v", "currency": "ETH"}`, `"wallet": "w", "currency": "ETH", "wallet": 1}`, `"wallet": "w"}`, `"wallet": "w", "currency": "ETH"} `,
		`{"event": "x"}, {"event": "y", "a": {"b": 1}}`, `{"event": "x", "a": "\\"}`, "\x7f", "é", `"a": "\u0041"`,
	}
}

// Updates and frames beside each limit, many of them, and what spoils the frame
// behind them.
func TestUsualWayAtTheLimits(t *testing.T) {
	t.Parallel()
	var c Cutter
	check := func(text string) {
		t.Helper()
		if err := compareWays(&c, []byte(text)); err != nil {
			t.Fatalf("%.300q: %v", text, err)
		}
	}
	ends := []string{
		`, "wallet": "w", "currency": "ETH"}`, `, "wallet": "", "currency": ""}`, `, "wallet": "w", "currency": "ETH"} `, `, "wallet": 1, "currency": "ETH"}`,
		`, "wallet": "w", "currency": null}`, `, "wallet": "w", "currency": "ETH", "updates": [{"event": "b"}]}`, `, "wallet": "w", "currency": "ETH", "updates": 1}`, `}`, ``, ` `,
		`, "wallet": "w", "currency": "ETH", "updates": [` + strings.Repeat(`2, `, 700) + `1]}`,
	}
	for _, n := range []int{0, 1, 64, 65, 511, 512, 513, 1024, 1025} {
		for _, item := range []string{`{"event": "a"}`, `{"event":"a"}`, `1`, `{}`, `{"event": "a", "b": [{}]}`} {
			for _, last := range []string{`{"event": "z"}`, `{"event": "z", }`, `[[`, `{"a": [[}`} {
				for _, end := range ends {
					check(`{"updates": [` + strings.Repeat(item+", ", n) + last + `]` + end)
				}
			}
		}
	}
	for n := 65535 - 40; n < 65535+20; n++ {
		long := strings.Repeat("x", n)
		for _, end := range ends[:3] {
			check(`{"updates": [{"event": "a", "b": "` + long + `"}, {"event": "a"}]` + end)
			check(`{"updates": [{"event": "a", "` + long + `": 1, "c": 2}, {"event": "a"}]` + end)
			check(`{"updates": [{"event": "a", "b": [1, ` + strings.Repeat("1", n) + `], "event": "c"}, {"event": "a"}]` + end)
		}
	}
	for n := range 520 {
		check(`{"updates": [{"` + strings.Repeat("x", n) + `": 1, "event": "a"}], "wallet": "` + strings.Repeat("w", n) + `", "currency": "ETH"}`)
	}
	for n := 9990; n < 10010; n++ {
		for _, inside := range []string{"", "1", "[", "]", `"`} {
			deep := strings.Repeat("[", n) + inside + strings.Repeat("]", n)
			check(`{"updates": [{"event": "a", "b": ` + deep + `}, {"event": "a"}], "wallet": "w", "currency": "ETH"}`)
			check(`{"updates": [{"event": "a", "b":  ` + deep + `}, {"event": "a", "b": ` + deep + `}], "wallet": "w", "currency": "ETH"}`)
			check(`{"updates": [` + deep + `], "wallet": "w", "currency": "ETH"}`)
			check(`[{"event": "a", "b": ` + deep + `}, {"b": ` + deep + `, "event": "x" }]`)
		}
	}
}

// Texts out of the pieces that frames are made of, most of them nearly right.
func TestUsualWayOverRandomPieces(t *testing.T) {
	t.Parallel()
	pieces := []string{
		`{`, `}`, `[`, `]`, `, `, `,`, `: `, `:`, ` `, `"`, `""`, `"a"`, `"event"`, `"event": `, `"event": "new_block"`, `"height": 1`, `"a": `, `1`, `-0.5e1`, `null`, `true`,
		`{"event": "a"}`, `{}`, `[]`, `"wallet": `, `"wallet": "w"`, `"currency": "ETH"`, `, "wallet": "w", "currency": "ETH"}`, `{"updates": [`, `]`, `"updates": []`, `\`, `é`,
	}
	rng := rand.New(rand.NewPCG(11, 12))
	rounds := 30_000
	if testing.Short() {
		rounds = 5_000
	}
	for range rounds {
		var b strings.Builder
		for range rng.IntN(14) {
			b.WriteString(pieces[rng.IntN(len(pieces))])
		}
		if err := compareShapes(b.String()); err != nil {
			t.Fatal(err)
		}
	}
}
