package replay

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// emission is one update that the model daemon sent.
type emission struct {
	wallet  int // -1: chain-wide
	place   int // among the emissions of its sequence
	content string
	payment bool

	live      int  // how often it was handed over live
	recovered int  // and from an answer
	skipped   bool // by at least one queue
	queued    int  // how many queues it was appended to
	reported  bool
	read      bool // its frame
	dropped   bool // by a lane that had overflowed
	foreign   bool // somebody else took it when nothing could tell
}

func (e *emission) item(version int) Item {
	key := Of(e.content)
	it := Item{Bytes: key, Key: key, Chain: e.wallet < 0}
	if e.payment && version > 0 {
		it.Bytes = Of(fmt.Sprintf("%s version %d", e.content, version))
	}
	return it
}

// entry is an item of a queue. The daemon may change a payment in place.
type entry struct {
	e       *emission
	version int
}

// modelQueue is the daemon's queue of one wallet, and what truly happened to it
// since the client last drained it.
type modelQueue struct {
	loaded  bool
	entries []entry

	disturbed bool // restart, foreign reader, skipped append
	pushed    []*emission
	taken     []*emission // by the foreign reader
	appended  map[*emission]bool
}

// modelDaemon behaves as the protocol notes say a daemon does.
type modelDaemon struct {
	rng       *rand.Rand
	odds      odds
	cap       int
	queues    []*modelQueue
	late      []func() // appends that others may overtake
	frames    []*emission
	up        bool // a client is connected
	emitted   []*emission
	places    map[int]int
	restarted bool // and the client has not noticed
}

// odds are how often, of 1000, something happens.
type odds struct {
	skip, swap, foreign, restart, cut, lostAnswer, overflow, repeat int
}

func newModelDaemon(rng *rand.Rand, o odds, wallets, size int) *modelDaemon {
	d := &modelDaemon{rng: rng, odds: o, cap: size, places: map[int]int{}}
	for range wallets {
		d.queues = append(d.queues, &modelQueue{appended: map[*emission]bool{}})
	}
	return d
}

func (d *modelDaemon) chance(perMille int) bool { return d.rng.IntN(1000) < perMille }

// emit sends an update: to the socket first, then to the queues.
func (d *modelDaemon) emit() {
	e := &emission{wallet: d.rng.IntN(len(d.queues)*3/2+1) - 1}
	if e.wallet >= len(d.queues) {
		e.wallet = -1
	}
	if e.wallet >= 0 && !d.queues[e.wallet].loaded {
		return
	}
	e.payment = e.wallet >= 0 && d.chance(300)
	e.content = d.content(e)
	d.emitted = append(d.emitted, e)
	d.places[e.wallet]++
	e.place = d.places[e.wallet]
	if d.up {
		d.frames = append(d.frames, e)
	}
	d.enqueue(e)
}

func (d *modelDaemon) content(e *emission) string {
	n := len(d.emitted)
	if d.chance(d.odds.repeat) {
		n = d.rng.IntN(6)
		e.payment = e.wallet >= 0 && n < 2
	}
	return fmt.Sprintf("%d %d", e.wallet, n)
}

func (d *modelDaemon) enqueue(e *emission) {
	skipAll := d.chance(d.odds.skip)
	appendIt := func() {
		for w, q := range d.queues {
			if !q.loaded || e.wallet >= 0 && e.wallet != w {
				continue
			}
			if skipAll || d.chance(d.odds.skip) {
				q.disturbed, e.skipped = true, true
				continue
			}
			d.push(q, e)
		}
	}
	if d.chance(d.odds.swap) && len(d.late) == 0 {
		d.late = append(d.late, appendIt)
		return
	}
	appendIt()
	d.settle()
}

func (d *modelDaemon) push(q *modelQueue, e *emission) {
	e.queued++
	q.entries = append(q.entries, entry{e: e})
	q.appended[e] = true
	if len(q.entries) > d.cap {
		q.pushed = append(q.pushed, q.entries[0].e)
		q.entries = slices.Delete(q.entries, 0, 1)
	}
}

// settle ends what was overtaken.
func (d *modelDaemon) settle() {
	for _, f := range d.late {
		f()
	}
	d.late = nil
}

// change rewrites a queued payment in place.
func (d *modelDaemon) change() {
	q := d.queues[d.rng.IntN(len(d.queues))]
	for i := range q.entries {
		if q.entries[i].e.payment && d.chance(200) {
			q.entries[i].version++
		}
	}
}

// drain is get_updates of the client.
func (d *modelDaemon) drain(w int) []entry {
	if d.chance(500) {
		d.settle()
	}
	q := d.queues[w]
	answer := q.entries
	q.entries = nil
	return answer
}

// steal is get_updates of somebody else.
func (d *modelDaemon) steal() {
	q := d.queues[d.rng.IntN(len(d.queues))]
	if len(q.entries) == 0 {
		return
	}
	for _, en := range q.entries {
		q.taken = append(q.taken, en.e)
	}
	q.entries, q.disturbed = nil, true
}

func (d *modelDaemon) restart() {
	d.late = nil
	for _, q := range d.queues {
		for _, en := range q.entries {
			q.pushed = append(q.pushed, en.e)
		}
		*q = modelQueue{disturbed: true, pushed: q.pushed, taken: q.taken, appended: map[*emission]bool{}}
	}
}

func (d *modelDaemon) busy(most int) {
	for range d.rng.IntN(most + 1) {
		d.emit()
		if d.chance(100) {
			d.change()
		}
	}
}
