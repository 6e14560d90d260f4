package replay

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHistoryMerge(t *testing.T) {
	tests := []struct {
		name   string
		live   string // "|" is a new connection: what is behind the first one is held
		answer string
		want   string // handed over; what was missed in brackets
		cause  Continuity
	}{
		{"nothing at all", "|", "", "", Proven},
		{"nothing was missed", "abc|", "abc", "", Proven},
		{"the end was missed", "abc|", "abcde", "[de]", Proven},
		{"held updates are in the answer", "abc|fg", "abcdefg", "[de]fg", Proven},
		{"some held updates are not in it yet", "abc|fgh", "abcdef", "[de]fgh", Proven},
		{"nothing seen, all missed", "|", "abc", "[abc]", Proven},
		{"nothing seen, and held ones in it", "|c", "abc", "[ab]c", Proven},
		{"missed and held ones by turns", "a|c|e", "abcde", "[b]c[d]e", Proven},
		{"the same while nothing came", "a|||c|||e", "abcde", "[b]c[d]e", Proven},
		{"three connections without an answer", "a|c|e|g", "abcdefg", "[b]c[d]e[f]g", Proven},
		{"swapped neighbours", "abcd|", "bacd", "", Proven},
		{"swapped neighbours at both ends", "abcd|fg", "abdcegf", "[e]fg", Proven},
		{"three in another order", "abc|", "bca", "", Proven},
		{"three in yet another order", "abc|", "cab", "", Proven},
		{"swapped neighbours, one of which the daemon changed", "abc|", "Bac", "", Proven},
		{"a missed one has overtaken the last", "abc|", "abdc", "[d]", Proven},
		{"and the last is the only one", "c|", "dc", "[d]", Proven},
		{"a skipped append", "abcd|", "abde", "[e]", Proven},
		{"the first was skipped", "abcd|", "bcde", "[e]", Proven},
		{"a held one was skipped", "ab|de", "abce", "[c]de", Proven},
		{"a held one was skipped before the next connect", "a|cx|e", "acde", "cx[d]e", Proven},
		{"and before the one after that", "a|cx|e|g", "acdefg", "cx[d]e[f]g", Proven},
		{"and before many that brought nothing", "a|cx|e|" + strings.Repeat("|", maxCuts) + "g", "acdeg", "cx[d]eg", Proven},
		{"the daemon changed a payment", "abc|", "aBcd", "[d]", Proven},
		{"and sent it again", "ab|", "aBb", "[B]", Proven},
		{"the unchanged one is the one that was seen", "ab|", "abB", "[B]", Proven},
		{"equal contents", "aa|", "aaa", "[a]", Proven},
		{"equal contents, one held", "a|a", "aaa", "a[a]", Proven},
		{"equal contents by turns", "abab|", "ababab", "[ab]", Proven},
		{"another reader took all", "abc|", "", "", Unknown},
		{"another reader took what was seen", "abc|", "de", "[de]", Unknown},
		{"another reader, and held ones are there", "abc|f", "ef", "[e]f", Unknown},
		{"another reader took what came between two connections", "|c|", "", "c", Unknown},
		{"found although nothing came before", "|c|", "cd", "c[d]", Proven},
		{"one that looks known further inside", "abc|", "dec", "[de]", Unknown},
		{"one that looks known at the front", "abcdefgh|", "ax", "[x]", Unknown},
		{"it may be a held one of the same contents", "a|a", "a", "a", Unknown},
		{"full, from a known one on", "abcdefgh|", "cdefghijkl", "[ijkl]", Proven},
		{"full, nothing known", "abc|", "defghijklm", "[defghijklm]", Overflowed},
		{"full, only held ones known", "abc|ijklm", "defghijklm", "[defgh]ijklm", Overflowed},
		{"full, the last one seen at the front", "abc|", "cdefghijkl", "[defghijkl]", Overflowed},
		{"full, the last one seen overtaken", "abc|", "dcefghijkl", "[defghijkl]", Proven},
		{"full, nothing ever seen", "|", "abcdefghij", "[abcdefghij]", Overflowed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, held := replayed(tt.live)
			m := h.Merge(items(tt.answer))
			require.Equal(t, tt.want, woven(held, tt.answer, m.Own))
			require.Equal(t, tt.cause, m.Continuity(false, 10))
			require.Equal(t, Restarted, m.Continuity(true, 10))
			require.False(t, h.holding)
		})
	}
}

// replayed is a history after live updates, with what of them is held.
func replayed(live string) (h *History, held string) {
	h = &History{}
	before, after, _ := strings.Cut(live, "|")
	for _, it := range items(before) {
		h.Add(it)
	}
	h.Hold()
	for _, conn := range strings.Split(after, "|") {
		h.Hold()
		for _, it := range items(conn) {
			h.Add(it)
		}
	}
	return h, strings.ReplaceAll(after, "|", "")
}

func TestHistoryAfterAMerge(t *testing.T) {
	tests := []struct {
		name          string
		live, answer  string
		live2         string
		answer2, want string
		cause         Continuity
	}{
		{"what was drained is not expected", "abc|", "abc", "|", "", "", Proven},
		{"what was not in the answer yet is", "a|bc", "ab", "|", "cd", "[d]", Proven},
		{"and missing when another reader took it", "a|bc", "ab", "|", "d", "[d]", Unknown},
		{"the overtaken one comes later", "a|bc", "ac", "|", "bd", "[d]", Proven},
		{"or not at all", "a|bc", "ac", "|", "d", "[d]", Proven},
		{"one of before the connect does not come later", "ab|", "b", "|", "a", "[a]", Proven},
		{"equal contents are not taken for drained ones", "abc|", "abc", "|", "abc", "[abc]", Proven},
		{"what another reader took is missed once", "ab|", "", "|", "", "", Proven},
		{"what is live now is expected", "abc|", "abc", "de|", "def", "[f]", Proven},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := replayed(tt.live)
			h.Merge(items(tt.answer))
			before, held, _ := strings.Cut(tt.live2, "|")
			for _, it := range items(before) {
				h.Add(it)
			}
			h.Hold()
			m := h.Merge(items(tt.answer2))
			require.Equal(t, tt.want, woven(held, tt.answer2, m.Own))
			require.Equal(t, tt.cause, m.Continuity(false, 100))
		})
	}
}

func TestHistoryRelease(t *testing.T) {
	t.Run("what is still in the queue is recognised", func(t *testing.T) {
		h, _ := replayed("a|c")
		h.Release()
		h.Add(items("d")[0])
		h.Hold()
		m := h.Merge(items("abcde"))
		require.Equal(t, "[be]", woven("", "abcde", m.Own))
		require.Equal(t, Proven, m.Continuity(false, 100))
	})
	t.Run("nothing is expected of a queue that may have been drained", func(t *testing.T) {
		h, _ := replayed("a|c")
		h.Release()
		h.Hold()
		require.Equal(t, Proven, h.Merge(nil).Continuity(false, 100))
	})
	t.Run("what came since is", func(t *testing.T) {
		h, _ := replayed("a|c")
		h.Release()
		h.Add(items("d")[0])
		h.Hold()
		require.Equal(t, Unknown, h.Merge(items("e")).Continuity(false, 100))
	})
}

func TestHistoryForgetsWhatItExpected(t *testing.T) {
	add := func(h *History, list []Item) {
		for _, it := range list {
			h.Add(it)
		}
	}
	t.Run("what was never fetched may come once", func(t *testing.T) {
		h, _ := replayed("a|")
		h.Release()
		add(h, items("c"))
		h.Hold()
		m := h.Merge(items("xbc"))
		require.Equal(t, Proven, m.Continuity(false, 100))
		require.Equal(t, m.Evidence, m.OfChain)
		add(h, items("e"))
		h.Hold()
		require.Equal(t, Unknown, h.Merge(items("xde")).Continuity(false, 100))
	})
	t.Run("a restart ends what a release began", func(t *testing.T) {
		for answer, want := range map[string]Continuity{"": Unknown, "xyd": Unknown, "d": Proven} {
			h, _ := replayed("a|c")
			h.Release()
			h.Forget()
			add(h, items("d"))
			h.Hold()
			require.Equal(t, want, h.Merge(items(answer)).Continuity(false, 100), "%q", answer)
		}
	})
	t.Run("what came since a release is expected though older items are forgotten", func(t *testing.T) {
		var h History
		add(&h, numbered(0, 190))
		h.Hold()
		h.Release()
		add(&h, numbered(190, 10))
		require.True(t, h.forgot)
		h.Hold()
		require.Equal(t, Unknown, h.Merge(nil).Continuity(false, 100))
	})
	t.Run("a drop begins a hold", func(t *testing.T) {
		h := &History{}
		add(h, items("a"))
		h.Drop()
		add(h, items("c"))
		m := h.Merge(items("abc"))
		require.Equal(t, "[b]c", woven("c", "abc", m.Own))
		h.Drop()
		add(h, items("e"))
		require.Equal(t, Proven, h.Merge(nil).Continuity(false, 100), "it came behind the drop and may not be queued yet")
	})
}

func TestHistoryForget(t *testing.T) {
	h, held := replayed("abc|d|ef")
	h.Forget()
	m := h.Merge(items("abdxf"))
	require.Equal(t, "d[abdx]ef", woven(held, "abdxf", m.Own), "equal contents of before the restart are others")
	require.Equal(t, Restarted, m.Continuity(true, 100))

	h.Add(items("g")[0])
	h.Forget()
	h.Hold()
	require.Equal(t, Proven, h.Merge(nil).Continuity(false, 100))
}

func TestHistoryForgetsTheOldest(t *testing.T) {
	var h History
	var all []Item
	for i := range 1000 {
		it := Item{Bytes: Fingerprint(i), Key: Fingerprint(i)}
		all = append(all, it)
		require.False(t, h.Add(it))
		require.LessOrEqual(t, len(h.items), 2*QueueSize)
		require.GreaterOrEqual(t, len(h.items), min(i+1, QueueSize+slack(0)))
	}
	h.Hold()
	missed := Item{Bytes: 5000, Key: 5000}
	answer := append(append([]Item(nil), all[780:]...), missed) // a queue that is larger
	m := h.Merge(answer)
	require.Equal(t, []Missed{{Index: len(answer) - 1}}, m.Own, "what is older was seen")
	require.Equal(t, Proven, m.Continuity(false, QueueSize))

	for _, it := range all {
		h.Add(it)
	}
	require.Greater(t, len(h.items), len(answer), "it remembers as many as the queue was seen to hold")
}

func TestHistoryBoundsWhatIsHeld(t *testing.T) {
	var h History
	h.Add(Item{Bytes: 1, Key: 1})
	h.Hold()
	const held = 2*maxHeld + 5
	for i := range held {
		h.Add(Item{Bytes: Fingerprint(i + 2), Key: Fingerprint(i + 2)})
	}
	require.LessOrEqual(t, len(h.items), maxHeld+1)
	last := Item{Bytes: held + 1, Key: held + 1}
	m := h.Merge([]Item{{Bytes: held, Key: held}, last, {Bytes: 9 << 40, Key: 9 << 40}})
	require.Equal(t, []Missed{{Index: 2, Before: held}}, m.Own)
	require.Equal(t, Unknown, m.Continuity(false, QueueSize))
	require.LessOrEqual(t, len(h.items), reach)
}

func TestHistoryRepeats(t *testing.T) {
	var h History
	require.False(t, h.Add(items("a")[0]))
	require.True(t, h.Add(items("a")[0]))
	h.Hold()
	m := h.Merge(items("aaab"))
	require.Equal(t, []Missed{{Index: 2, Repeat: true}, {Index: 3}}, m.Own)
	require.True(t, h.Add(items("b")[0]), "recovered updates count")
}

// What a connection brought before it began to drop may be younger than the
// answer; what was missed before it stands before that.
func TestMissedStandsBeforeWhatCameBehindTheAnswer(t *testing.T) {
	h, held := replayed("ab||f")
	h.Drop() // g
	m := h.Merge(items("abcde"))
	require.Equal(t, "[cde]f", woven(held, "abcde", m.Own))

	h, held = replayed("ab||f")
	h.Drop() // g
	m = h.Merge(items("abcdefg"))
	require.Equal(t, "[cde]f[g]", woven(held, "abcdefg", m.Own))
}
