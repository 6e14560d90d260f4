package replay

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzMerge merges any answers into any histories: a wallet's own and that of
// wallets that share the chain's.
func FuzzMerge(f *testing.F) {
	for _, s := range []string{
		"ab\x00c\x01abdc\x01", "a1b2\x00c3\x00d\x01a1xb2c3d\x01c3\x02", "aaa\x00a\x01aaaa\x01\x00a\x01aa\x01",
		"\x01abc\x01", "1\x001\x011\x01", "a\x03b\x01ab\x01", "abc\x04\x00bc\x01abc\x01", "aB\x00b\x01AbbB\x01",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 400 {
			return
		}
		play(t, script)
	})
}

func TestMergeKeepsItsPromises(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		play(t, []byte(randomText(rng, 60, "abcAB12\x00\x00\x01\x01\x02\x03\x04")))
	}
}

// player runs a script: 0 connects, 1 begins or ends an answer, 2 changes the
// wallet, 3 gives a hold up, 4 is a restart; all else is an update, live or
// in the answer.
type player struct {
	t       *testing.T
	chain   ChainHistory
	wallets [2]Wallet
	single  History // told everything that the first wallet is told
	at      int
	held    [2]int
	ofChain int
	alone   int
	forgot  bool
	balance map[Fingerprint]int // of the single one: answered and not yet handed over
}

func play(t *testing.T, script []byte) {
	p := &player{t: t, balance: map[Fingerprint]int{}}
	var answer []Item
	answering := false
	for _, b := range script {
		switch {
		case b == 1 && answering:
			p.merge(answer)
			answer, answering = nil, false
		case b == 1:
			answering = true
		case b > 4 && answering:
			answer = append(answer, fuzzItem(b))
		case b > 4:
			p.add(fuzzItem(b))
		default:
			p.control(b)
		}
	}
	p.merge(answer)
}

func fuzzItem(b byte) Item { return items(string(rune(b & 0x7f)))[0] }

func (p *player) add(it Item) {
	if it.Chain {
		p.chain.Add(it)
		if p.chain.holding {
			p.ofChain++
		}
	} else {
		w := &p.wallets[p.at]
		w.Add(it)
		if w.own.holding {
			p.held[p.at]++
		}
	}
	p.single.Add(it)
	p.balance[it.Key]--
	if p.single.holding {
		p.alone++
	}
}

func (p *player) control(b byte) {
	switch b {
	case 0:
		for i := range p.wallets {
			p.wallets[i].Hold(&p.chain)
		}
		p.chain.Hold()
		p.single.Hold()
	case 2:
		p.at = 1 - p.at
	case 3:
		p.wallets[p.at].Release(&p.chain)
		p.held[p.at] = 0
		p.chain.Release()
		p.ofChain = 0
		p.single.Release()
		p.alone = 0
	case 4:
		p.chain.Forget()
		for i := range p.wallets {
			p.wallets[i].Forget()
		}
		p.single.Forget()
	}
}

func (p *player) merge(answer []Item) {
	before := slices.Clone(answer)
	m := p.wallets[p.at].Merge(&p.chain, answer)
	p.check(m.Own, answer, false, p.held[p.at])
	p.check(m.Chain, answer, true, p.ofChain)
	p.held[p.at] = 0
	if p.chain.holding {
		p.ofChain += len(m.Chain)
		require.Equal(p.t, p.ofChain, p.chain.gone+len(p.chain.items)-p.chain.held)
	}
	require.Equal(p.t, len(p.chain.items), len(p.chain.ids))
	require.Equal(p.t, len(p.chain.items), len(p.chain.put))
	require.LessOrEqual(p.t, p.chain.fresh, len(p.chain.items))

	p.forgot = p.forgot || p.single.forgot
	m = p.single.Merge(answer)
	last := 0
	for _, x := range m.Own {
		require.GreaterOrEqual(p.t, x.Before, last)
		require.LessOrEqual(p.t, x.Before, p.alone)
		last = x.Before
	}
	// Of each contents as many are handed over as were told by answers.
	for _, it := range answer {
		p.balance[it.Key]++
	}
	for _, x := range m.Own {
		p.balance[answer[x.Index].Key]--
	}
	for key, n := range p.balance {
		if p.forgot {
			break // an answer may tell of those that are not remembered
		}
		require.LessOrEqual(p.t, n, 0, "contents %d lost", key)
	}
	p.alone = 0
	require.Equal(p.t, before, answer, "the answer is not written to")
}

func (p *player) check(list []Missed, answer []Item, chain bool, held int) {
	index, place := -1, 0
	for _, m := range list {
		require.Greater(p.t, m.Index, index, "in order, and none twice")
		require.GreaterOrEqual(p.t, m.Before, place)
		require.LessOrEqual(p.t, m.Before, held)
		require.Equal(p.t, chain, answer[m.Index].Chain)
		index, place = m.Index, m.Before
	}
}
