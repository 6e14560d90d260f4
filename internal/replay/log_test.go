package replay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// plainLog is what a Log answers, by a search.
type plainLog []Fingerprint

func (l *plainLog) add(fp Fingerprint) (repeat bool) {
	repeat = slices.Contains(*l, fp)
	*l = append(*l, fp)
	if len(*l) > Size {
		*l = (*l)[1:]
	}
	return repeat
}

func compareLogs(t *testing.T, what string, fps func(i int) Fingerprint, n int) (repeats int) {
	t.Helper()
	var l Log
	var plain plainLog
	for i := range n {
		fp := fps(i)
		want := plain.add(fp)
		if got := l.Add(fp); got != want {
			require.FailNow(t, "the log and a search disagree", "%s, update %d: %v, not %v", what, i, got, want)
		}
		if want {
			repeats++
		}
	}
	return repeats
}

// sieveBits is how many different places a fingerprint may have in the sieve.
const sieveBits = 512

// The sieve changes no answer: whatever repeats, and however much of it falls
// into one place of the sieve.
func TestLogAnswersLikeASearch(t *testing.T) {
	for range 8 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 7))
		for _, different := range []uint64{1, 2, 10, Size - 1, Size, Size + 1, sieveSize - 1, sieveSize, sieveSize + 1, 1000, 1 << 62} {
			places := map[string]func(uint64) Fingerprint{
				"in order":     func(n uint64) Fingerprint { return Fingerprint(n) },
				"of one place": func(n uint64) Fingerprint { return Fingerprint(n*sieveBits + 7) },
				"of one word":  func(n uint64) Fingerprint { return Fingerprint(n%64 + n*sieveBits) },
				"of texts":     func(n uint64) Fingerprint { return Of(fmt.Sprint(n)) },
			}
			for name, place := range places {
				what := fmt.Sprintf("%d different ones %s, seed %#x", different, name, seed)
				repeats := compareLogs(t, what, func(int) Fingerprint { return place(r.Uint64N(different)) }, 1000)
				if different < 10 {
					require.GreaterOrEqual(t, repeats, 900, what)
				}
			}
		}
	}
}

// Each distance between two equal ones, at each fill of log and sieve: 100 is
// the last that is remembered.
func TestLogRemembersExactlySize(t *testing.T) {
	for before := range 2 * sieveSize {
		for _, apart := range []int{1, 2, Size - 1, Size, Size + 1, sieveSize - 1, sieveSize, sieveSize + 1, 2 * sieveSize} {
			var l Log
			next := Fingerprint(0)
			fresh := func(n int) {
				for range n {
					next++
					require.False(t, l.Add(next*sieveBits+next%sieveBits))
				}
			}
			const twin = 5
			fresh(before)
			require.False(t, l.Add(twin))
			fresh(apart - 1)
			if l.Add(twin) != (apart <= Size) {
				require.FailNow(t, "wrong", "%d before the first one, %d apart", before, apart)
			}
		}
	}
}

// Phases, as a wallet has them: quiet, then a rescan that repeats everything.
func TestLogOverPhases(t *testing.T) {
	for range 50 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 8))
		var l Log
		var plain plainLog
		next := uint64(0)
		for range 20 {
			fresh, back := r.IntN(120), r.IntN(130)
			for range fresh {
				next++
				require.Equal(t, plain.add(Fingerprint(next)), l.Add(Fingerprint(next)), "seed %#x", seed)
			}
			for i := max(0, int(next)-back); i < int(next); i++ {
				require.Equal(t, plain.add(Fingerprint(i)), l.Add(Fingerprint(i)), "seed %#x", seed)
			}
		}
	}
}

// The sieve is worth its upkeep only while it knows most new updates for new, however
// many there have been.
func TestSieveLetsFewThrough(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	var l Log
	through := 0
	const n = 20_000
	for i := range n {
		fp := Fingerprint(rng.Uint64())
		if i > 0 && l.last.sieve.holds(fp) {
			through++
		}
		require.False(t, l.Add(fp))
	}
	require.Less(t, through, n/4)
}

// A zero fingerprint is one like others: an empty log has not seen it.
func TestLogOfZeros(t *testing.T) {
	var l Log
	require.False(t, l.Add(0))
	for range 3 * sieveSize {
		require.True(t, l.Add(0))
	}
}

func FuzzLog(f *testing.F) {
	f.Add([]byte{0, 0, 1, 2, 1}, uint16(512))
	f.Add(make([]byte, 400), uint16(1))
	f.Fuzz(func(t *testing.T, choices []byte, stride uint16) {
		compareLogs(t, "fuzz", func(i int) Fingerprint { return Fingerprint(choices[i]) * Fingerprint(stride) }, len(choices))
	})
}
