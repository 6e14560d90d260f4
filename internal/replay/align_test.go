package replay

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// pairs checks what every alignment has to be, and counts the pairs.
func pairs(t *testing.T, s, a []Item, al alignment) (n int) {
	t.Helper()
	used := map[int]bool{}
	for k := range a {
		i := al.toSeenAt(k)
		if i < 0 {
			continue
		}
		require.Less(t, i, len(s))
		require.Equal(t, s[i].Key, a[k].Key)
		require.False(t, used[i], "an item in two pairs")
		require.True(t, al.paired(i))
		used[i] = true
		n++
	}
	for i := range s {
		require.Equal(t, used[i], al.paired(i))
	}
	return n
}

// longest is the length of the longest common subsequence, found the slow way.
func longest(s, a []Item) int {
	if len(s) == 0 || len(a) == 0 {
		return 0
	}
	if s[0].Key == a[0].Key {
		return 1 + longest(s[1:], a[1:])
	}
	return max(longest(s[1:], a), longest(s, a[1:]))
}

func TestAlignPairsAsManyAsPossible(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		s, a := randomText(rng, 8, "abcABC"), randomText(rng, 8, "abcABC")
		al := align(items(s), items(a))
		n := pairs(t, items(s), items(a), al)
		require.GreaterOrEqual(t, n, longest(items(s), items(a)), "%q %q", s, a)
	}
}

func TestAlignPrefersEqualBytes(t *testing.T) {
	for _, tt := range []struct {
		seen, answer string
		want         []int
	}{
		{"b", "Bb", []int{-1, 0}},
		{"b", "bB", []int{0, -1}},
		{"bB", "B", []int{1}},
		{"ab", "bAB", []int{-1, 0, 1}},
		{"ab", "Bbc", []int{-1, 1, -1}},
		{"bac", "acBb", []int{1, 2, -1, 0}},
	} {
		al := align(items(tt.seen), items(tt.answer))
		var got []int
		for k := range tt.answer {
			got = append(got, al.toSeenAt(k))
		}
		require.Equal(t, tt.want, got, "%q %q", tt.seen, tt.answer)
	}
}

// score is how good the best pairing in order is, found the slow way: by the
// number of pairs first, then by how many of them have equal bytes.
func score(s, a []Item) (pairs, exact int) {
	best := make([][][2]int, len(s)+1)
	for i := range best {
		best[i] = make([][2]int, len(a)+1)
	}
	for i := range s {
		for k := range a {
			better := best[i][k+1]
			if slices.Compare(best[i+1][k][:], better[:]) > 0 {
				better = best[i+1][k]
			}
			if s[i].Key == a[k].Key {
				with := best[i][k]
				with[0]++
				if s[i].Bytes == a[k].Bytes {
					with[1]++
				}
				if slices.Compare(with[:], better[:]) > 0 {
					better = with
				}
			}
			best[i+1][k+1] = better
		}
	}
	last := best[len(s)][len(a)]
	return last[0], last[1]
}

// unpairedAlignment has nothing paired yet, not even the ends.
func unpairedAlignment(s, a []Item) alignment {
	return alignment{seen: len(s), answer: len(a), toSeen: unpaired(len(a)), toAnswer: unpaired(len(s))}
}

// What is left over and stands near is paired afterwards, which hides a pairing in
// order that is not the best one: so it is looked at alone, and at lists in which
// much lies between.
func TestPairInOrderFindsTheBestPairing(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, letters := range []string{"abAB", "abcABC", "abcdefghijklmnABCD"} {
		for range 1000 {
			s, a := items(randomText(rng, 20, letters)), items(randomText(rng, 20, letters))
			al := unpairedAlignment(s, a)
			al.pairInOrder(s, a)
			n := pairs(t, s, a, al)
			exact, last := 0, -1
			for k := range a {
				if i := al.toSeenAt(k); i >= 0 {
					require.Greater(t, i, last, "in order")
					last = i
					if s[i].Bytes == a[k].Bytes {
						exact++
					}
				}
			}
			wantPairs, wantExact := score(s, a)
			require.Equal(t, []int{wantPairs, wantExact}, []int{n, exact})
		}
	}
}

// An item that was paired already is not paired again: a missed update of the same
// contents would be taken for one that was handed over.
func TestPairAnywherePairsWhatWasLeftOverAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range 3000 {
		s, a := items(randomText(rng, 12, "abcABC")), items(randomText(rng, 12, "abcABC"))
		al := align(s, a)
		before := al
		before.toSeen, before.toAnswer = slices.Clone(al.toSeen), slices.Clone(al.toAnswer)
		al.pairAnywhere(s, a, func(i int) bool { return i%5 > 0 })
		pairs(t, s, a, al)
		left := map[Fingerprint]int{}
		for i, it := range s {
			if i%5 > 0 && !al.paired(i) {
				left[it.Bytes]++
			}
		}
		for k, it := range a {
			if i := before.toSeenAt(k); i >= 0 {
				require.Equal(t, i, al.toSeenAt(k), "what is paired stays so")
			} else if al.toSeenAt(k) < 0 {
				require.Zero(t, left[it.Bytes], "there is no equal one")
			}
		}
	}
}

func TestPairGreedilyTakesTheNextEqualOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for range 3000 {
		s, a := items(randomText(rng, 12, "abcdABCD")), items(randomText(rng, 12, "abcdABCD"))
		al := unpairedAlignment(s, a)
		al.pairGreedily(s, a)
		pairs(t, s, a, al)
		next := 0
		for k := range a {
			want := -1
			for i := next; i < len(s) && want < 0; i++ {
				if s[i].Key == a[k].Key {
					want, next = i, i+1
				}
			}
			require.Equal(t, want, al.toSeenAt(k))
		}
	}
}

func TestAlignIsBounded(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	s, a := numbered(0, 3000), numbered(500, 3000)
	s[0], a[0] = numbered(9000, 1)[0], numbered(9001, 1)[0]
	rng.Shuffle(50, func(i, k int) { s[700+i], s[700+k] = s[700+k], s[700+i] }) // both have these
	al := align(s, a)
	require.Greater(t, len(s)*len(a), maxCells)
	require.Greater(t, pairs(t, s, a, al), 2000)

	greedy, table := unpairedAlignment(s, a), unpairedAlignment(s, a)
	greedy.pairGreedily(s, a)
	table.pairInOrder(s, a)
	require.NotEqual(t, table.toSeen, greedy.toSeen)
	require.Equal(t, greedy.toSeen, al.toSeen, "without a table")
}

func randomText(rng *rand.Rand, most int, letters string) string {
	text := make([]byte, rng.IntN(most+1))
	for i := range text {
		text[i] = letters[rng.IntN(len(letters))]
	}
	return string(text)
}

func numbered(from, n int) []Item {
	list := make([]Item, n)
	for i := range list {
		list[i] = Item{Bytes: Fingerprint(from + i), Key: Fingerprint(from + i)}
	}
	return list
}
