package replay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// sent is one update, different from all others.
type sent struct {
	wallet   int // -1: chain-wide
	number   int // of all updates
	handed   int
	reported bool // a gap was told while it was missing
}

func (e *sent) item() Item {
	fp := Fingerprint(1000 + e.number)
	return Item{Bytes: fp, Key: fp, Chain: e.wallet < 0}
}

func ofChain(e *sent) bool { return e.wallet < 0 }

// exactWorld is a daemon that does everything in order and of which nobody else
// reads, with a client. There everything can be known exactly: what was missed, in
// which order, and whether an answer proves it. [TestSimulation] is about the worse
// ones, where some of it has to be guessed.
type exactWorld struct {
	t       *testing.T
	rng     *rand.Rand
	size    int // of a queue
	lost    int // answers, in percent
	pushes  bool
	all     []*sent
	frames  []*sent // on the way
	up      bool
	wallets [3]exactWallet
	chain   ChainHistory
	lane    exactLane // the chain's
	proofs  int       // how often the chain was proven
}

type exactWallet struct {
	Wallet
	begun int // the number of the first update that it can know
	index int
	queue []*sent
	lane  exactLane
	taken *takenAnswer
	lost  bool // the last call failed
}

// has reports whether an update is one of the wallet's own.
func (x *exactWallet) has(e *sent) bool { return e.wallet == x.index && e.number >= x.begun }

type takenAnswer struct {
	list []*sent
	upTo int // how many updates had been sent
}

// exactLane is what waits and what was handed over.
type exactLane struct {
	holding bool
	held    []*sent
	handed  []*sent
}

func (l *exactLane) live(e *sent) {
	if l.holding {
		l.held = append(l.held, e)
	} else {
		l.hand([]*sent{e})
	}
}

func (l *exactLane) hand(list []*sent) {
	l.handed = append(l.handed, list...)
	for _, e := range list {
		e.handed++
	}
}

// merged puts what was missed among what waits.
func (l *exactLane) merged(missed []Missed, answer []*sent) {
	var list []*sent
	from := 0
	for _, m := range missed {
		list = append(append(list, l.held[from:m.Before]...), answer[m.Index])
		from = m.Before
	}
	l.held = append(list, l.held[from:]...)
	if !l.holding {
		l.open()
	}
}

func (l *exactLane) open() {
	l.hand(l.held)
	l.held, l.holding = nil, false
}

func (w *exactWorld) chance(percent int) bool { return w.rng.IntN(100) < percent }

// emit sends up to most updates: to the queues, and to the connection if there is one.
func (w *exactWorld) emit(most int) {
	for range w.rng.IntN(most + 1) {
		e := &sent{wallet: w.rng.IntN(5) - 2, number: len(w.all)}
		e.wallet = max(e.wallet, -1)
		w.all = append(w.all, e)
		for i := range w.wallets {
			q := &w.wallets[i].queue
			if e.wallet == i || e.wallet < 0 {
				*q = append(*q, e)
			}
			if len(*q) > w.size {
				*q, w.pushes = (*q)[1:], true
			}
		}
		if w.up {
			w.frames = append(w.frames, e)
		}
	}
}

// read reads the frames of all updates before the given one.
func (w *exactWorld) read(upTo int) {
	for len(w.frames) > 0 && w.frames[0].number < upTo {
		e := w.frames[0]
		w.frames = w.frames[1:]
		if e.wallet < 0 {
			if w.chain.Add(e.item()) {
				require.FailNow(w.t, "no repeat", "update %d", e.number)
			}
			w.lane.live(e)
			continue
		}
		x := &w.wallets[e.wallet]
		if x.Add(e.item()) {
			require.FailNow(w.t, "no repeat", "update %d", e.number)
		}
		x.lane.live(e)
	}
}

func (w *exactWorld) readSome() { w.read(len(w.all) - w.rng.IntN(len(w.frames)+1)) }

func (w *exactWorld) disconnect() {
	w.readSome()
	w.up, w.frames = false, nil
}

func (w *exactWorld) connect() {
	w.up = true
	for i := range w.wallets {
		w.hold(&w.wallets[i])
	}
	w.chain.Hold()
	if !w.lane.holding {
		w.lane.holding = true
		w.chain.Handed()
	}
}

func (w *exactWorld) hold(x *exactWallet) {
	x.Hold(&w.chain)
	x.lane.holding = true
}

// recover reads the queues in any order, and merges their answers in any other one,
// unless the connection is lost again.
func (w *exactWorld) recover(cuts int) {
	for _, i := range w.rng.Perm(len(w.wallets)) {
		x := &w.wallets[i]
		w.emit(4)
		w.readSome()
		if w.chance(cuts) {
			w.disconnect()
			break
		}
		x.Ask(&w.chain)
		if w.chance(w.lost) {
			w.lose(x)
			continue
		}
		x.taken = &takenAnswer{x.queue, len(w.all)}
		x.queue = nil
		w.emit(4)
		if w.chance(50) {
			w.pong(x)
		}
	}
	for _, i := range w.rng.Perm(len(w.wallets)) {
		if x := &w.wallets[i]; x.taken != nil {
			w.pong(x)
		}
	}
}

// lose is a call that fails: nobody knows whether it has emptied the queue.
func (w *exactWorld) lose(x *exactWallet) {
	if w.chance(50) {
		x.queue = nil
	}
	x.lost = true
	x.Release(&w.chain)
	x.lane.open()
	w.complete(false, len(w.all), x.has)
	if w.lane.holding {
		w.complete(false, len(w.all), ofChain)
	}
}

// pong merges an answer when all frames from before it have been read.
func (w *exactWorld) pong(x *exactWallet) {
	answer := x.taken
	x.taken = nil
	w.read(answer.upTo)
	if w.chance(50) {
		w.readSome()
	}
	list := make([]Item, len(answer.list))
	for i, e := range answer.list {
		list[i] = e.item()
	}
	m := x.Merge(&w.chain, list)
	for _, missed := range slices.Concat(m.Own, m.Chain) {
		require.False(w.t, missed.Repeat)
	}
	x.lane.merged(m.Own, answer.list)
	x.lane.open()
	w.lane.merged(m.Chain, answer.list)
	own := m.Continuity(false, w.size) == Proven
	chain := m.OfChain.Continuity(false, w.size) == Proven && x.Covers(&w.chain)
	if x.lost { // it may have emptied the queue when the connection had ended
		x.lost, own, chain = false, false, false
	} else if !w.pushes && len(list) < w.size {
		require.True(w.t, own, "a false gap")
		require.Equal(w.t, Proven, m.OfChain.Continuity(false, w.size), "a false gap of the chain's")
	}
	w.complete(own, answer.upTo, x.has)
	if !w.lane.holding {
		return
	}
	if chain {
		w.chain.Release()
		w.lane.open()
		w.proofs++
	}
	if chain || !own { // a wallet's gap is the chain's as well until that is proven
		w.complete(chain, answer.upTo, ofChain)
	}
}

// complete checks that all updates that were sent until the answer were handed over
// if it proves that; otherwise there is a gap.
func (w *exactWorld) complete(proven bool, upTo int, of func(*sent) bool) {
	for _, e := range w.all[:upTo] {
		if e.handed > 1 {
			require.FailNow(w.t, "handed over twice", "update %d of %d", e.number, e.wallet)
		}
		if !of(e) || e.handed > 0 {
			continue
		}
		if proven && !e.reported {
			require.FailNow(w.t, "lost silently", "update %d of %d", e.number, e.wallet)
		}
		e.reported = true
	}
}

// giveUp hands the chain's updates over without a proof.
func (w *exactWorld) giveUp() {
	w.chain.Release()
	w.lane.open()
	w.complete(false, len(w.all), ofChain)
}

func (w *exactWorld) inOrder(handed []*sent) {
	require.True(w.t, slices.IsSortedFunc(handed, func(a, b *sent) int { return a.number - b.number }), "in order")
}

// replace puts another wallet in the place of the last one.
func (w *exactWorld) replace() {
	w.wallets[2] = exactWallet{index: 2, begun: len(w.all)}
	w.wallets[2].Begin(&w.chain)
	w.hold(&w.wallets[2])
}

func TestWhatCanBeKnownIsKnownExactly(t *testing.T) {
	for _, tt := range []struct {
		name           string
		size, most     int
		cuts, replaced int // percent
		lost           int
	}{
		{"queues that hold everything", 1 << 30, 12, 10, 0, 0},
		{"many cuts", 1 << 30, 6, 40, 0, 0},
		{"more than is remembered", 1 << 30, 250, 10, 0, 0},
		{"small queues", 8, 12, 10, 0, 0},
		{"full queues", 100, 200, 10, 0, 0},
		{"wallets come and go", 1 << 30, 12, 10, 30, 0},
		{"wallets with small queues come and go", 8, 12, 20, 30, 0},
		{"lost answers", 1 << 30, 12, 10, 0, 10},
		{"lost answers of small queues", 8, 12, 10, 10, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			proofs := 0
			for seed := range uint64(60) {
				w := &exactWorld{t: t, rng: rand.New(rand.NewPCG(*firstSeed, seed)), size: tt.size, lost: tt.lost}
				for i := range w.wallets {
					w.wallets[i].index = i
				}
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					w.t = t
					w.play(tt.most, tt.cuts, tt.replaced)
				})
				proofs += w.proofs
			}
			require.Greater(t, proofs, 100)
		})
	}
}

func (w *exactWorld) play(most, cuts, replaced int) {
	for range 15 {
		w.emit(most / 2)
		w.connect()
		if w.chance(replaced) {
			w.replace()
		}
		w.recover(cuts)
		if w.up && w.lane.holding {
			w.giveUp()
		}
		for w.up && w.chance(70) {
			w.emit(most)
			w.readSome()
		}
		w.disconnect()
		if !w.pushes && replaced == 0 && w.lost == 0 {
			w.inOrder(w.lane.handed)
			for i := range w.wallets {
				w.inOrder(w.wallets[i].lane.handed)
			}
		}
	}
}
