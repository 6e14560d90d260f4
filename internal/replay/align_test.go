package replay

import (
	"math/rand/v2"
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
	} {
		al := align(items(tt.seen), items(tt.answer))
		var got []int
		for k := range tt.answer {
			got = append(got, al.toSeenAt(k))
		}
		require.Equal(t, tt.want, got, "%q %q", tt.seen, tt.answer)
	}
}

func TestAlignIsBounded(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	s, a := numbered(0, 3000), numbered(500, 3000)
	s[0], a[0] = numbered(9000, 1)[0], numbered(9001, 1)[0]
	rng.Shuffle(50, func(i, k int) { s[100+i], s[100+k] = s[100+k], s[100+i] })
	al := align(s, a)
	require.Greater(t, len(s)*len(a), maxCells)
	require.Greater(t, pairs(t, s, a, al), 2000)
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
