package bitcart

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLacksSignature(t *testing.T) {
	t.Parallel()
	const head, sequence = "02000000", "feffffff"
	outpoint := strings.Repeat("ab", 32) + "01000000"
	output := "01" + "0010000000000000" + "1976a914" + strings.Repeat("11", 20) + "88ac" + "00000000"
	value := "8813000000000000"
	script := func(parts ...string) string {
		whole := strings.Join(parts, "")
		n := len(whole) / 2
		if n < 0xfd {
			return hex.EncodeToString([]byte{byte(n)}) + whole
		}
		return "fd" + hex.EncodeToString([]byte{byte(n), byte(n >> 8)}) + whole
	}
	schnorr, ecdsa := "41"+strings.Repeat("ff", 65), "48"+strings.Repeat("ff", 72)
	key, master := "21"+"02"+strings.Repeat("ff", 32), "4c53ff"+strings.Repeat("04", 82)
	redeem := "4d2d01" + strings.Repeat("ff", 301)
	signed, unsigned := outpoint+script(schnorr, key)+sequence, outpoint+script("01ff", master)+sequence+value
	tests := []struct {
		name, tx string
		lacks    bool
	}{
		{"signed", head + "01" + signed + output, false},
		{"signed the old way", head + "01" + outpoint + script(ecdsa, key) + sequence + output, false},
		{"not signed", head + "01" + unsigned + output, true},
		{"not signed, key alone", head + "01" + outpoint + script("01ff") + sequence + value + output, true},
		{"second input not signed", head + "02" + signed + unsigned + output, true},
		{"both signed", head + "02" + signed + signed + output, false},
		{"many keys, one signature of two", head + "01" + outpoint + script("00", schnorr, "01ff", redeem) + sequence + value + output, true},
		{"many keys, none of two", head + "01" + outpoint + script("00", "01ff", "01ff", redeem) + sequence + value + output, true},
		{"many keys, signed", head + "01" + outpoint + script("00", schnorr, ecdsa, redeem) + sequence + output, false},
		{"eight keys, all signed", head + "01" + outpoint + script("01ff", strings.Repeat(schnorr, 8), redeem) + sequence + output, false},
		{"not signed, no push behind it", head + "01" + outpoint + script("01ffac") + sequence + value + output, true},
		{"eight keys, one signature missing", head + "01" + outpoint + script("01ff", strings.Repeat(schnorr, 7), "01ff", redeem) + sequence + value + output, true},
		{"segregated signatures", head + "0001" + "01" + outpoint + "00" + sequence + output, false},
		{"prefix", "0x" + head + "01" + unsigned + output, true},
		{"no transaction", "zz", false}, {"nothing", "", false}, {"too short", head + "01" + outpoint + "40", false},
		{"no end of inputs", head + "ffffffffffffffffff" + signed, false},
	}
	for _, test := range tests {
		require.Equal(t, test.lacks, lacksSignature(test.tx), test.name)
	}
}

// TestSignaturesOfEveryKindAreSeen writes transactions of random inputs of the kinds that wallets
// have, and each again with one signature missing.
func TestSignaturesOfEveryKindAreSeen(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 3000 {
		inputs := 1 + r.IntN(4)
		if round%300 == 0 {
			inputs = 250 + r.IntN(10)
		}
		require.False(t, lacksSignature(randomTx(r, inputs, -1)), "round %d", round)
		require.True(t, lacksSignature(randomTx(r, inputs, r.IntN(inputs))), "round %d", round)
	}
}

// randomTx has no signature in one of its inputs, -1 for none.
func randomTx(r *rand.Rand, inputs, gap int) string {
	tx := append([]byte{2, 0, 0, 0}, compactSize(inputs)...)
	for i := range inputs {
		tx = append(tx, randomBytes(r, 36)...)
		script := randomScript(r, i == gap)
		tx = append(append(tx, compactSize(len(script))...), script...)
		tx = append(tx, randomBytes(r, 4)...)
		if i == gap {
			tx = append(tx, randomBytes(r, 8)...) // the input's value
		}
	}
	tx = append(tx, 1)
	tx = append(tx, randomBytes(r, 8)...)
	lock := append([]byte{0x76, 0xa9, 20}, append(randomBytes(r, 20), 0x88, 0xac)...)
	if r.IntN(2) == 0 { // of a token
		lock = append(append([]byte{0xef}, append(randomBytes(r, 32), 0x10, 1)...), lock...)
	}
	tx = append(append(tx, byte(len(lock))), lock...)
	return hex.EncodeToString(append(tx, 0, 0, 0, 0))
}

func randomScript(r *rand.Rand, gap bool) (script []byte) {
	signature := func() []byte { return pushOf(randomBytes(r, []int{65, 70, 71, 72, 73}[r.IntN(5)])) }
	missing := []byte{1, 0xff}
	first := signature()
	if gap {
		first = missing
	}
	redeem := pushOf(append([]byte{0x51}, randomBytes(r, 70+34*r.IntN(14))...))
	switch kind := r.IntN(4); {
	case kind == 0:
		return first // for a bare key
	case kind == 1:
		return append(first, pushOf(append([]byte{2}, randomBytes(r, 32)...))...)
	case kind == 2 || gap:
		script = append([]byte{0}, first...)
		for range r.IntN(5) {
			script = append(script, signature()...)
		}
		return append(script, redeem...)
	}
	signers := 1 + r.IntN(8) // with Schnorr signatures, of which a field of bits says whose they are
	script = []byte{1, 1<<signers - 1}
	for range signers {
		script = append(script, pushOf(randomBytes(r, 65))...)
	}
	return append(script, redeem...)
}

// randomBytes are often ff.
func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(min(0xff, r.IntN(0x180)))
	}
	return b
}

func compactSize(n int) []byte {
	if n < 0xfd {
		return []byte{byte(n)}
	}
	return binary.LittleEndian.AppendUint16([]byte{0xfd}, uint16(n))
}

func pushOf(data []byte) []byte {
	switch n := len(data); {
	case n <= 75:
		return append([]byte{byte(n)}, data...)
	case n <= 0xff:
		return append([]byte{76, byte(n)}, data...)
	default:
		return append([]byte{77, byte(n), byte(n >> 8)}, data...)
	}
}

func FuzzLacksSignature(f *testing.F) {
	f.Add("0200000001")
	f.Add("02000000fd0100" + strings.Repeat("00", 36) + "034d0100ff")
	f.Add("02000000ffffffffffffffffff" + strings.Repeat("00", 36) + "034c01ff00000000")
	f.Fuzz(func(t *testing.T, text string) { lacksSignature(text) })
}
