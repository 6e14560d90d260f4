package bitcart

import (
	"encoding/hex"
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
		{"segregated signatures", head + "0001" + "01" + outpoint + "00" + sequence + output, false},
		{"prefix", "0x" + head + "01" + unsigned + output, true},
		{"no transaction", "zz", false}, {"nothing", "", false}, {"too short", head + "01" + outpoint + "40", false},
		{"no end of inputs", head + "ffffffffffffffffff" + signed, false},
	}
	for _, test := range tests {
		require.Equal(t, test.lacks, lacksSignature(test.tx), test.name)
	}
}

func FuzzLacksSignature(f *testing.F) {
	f.Add("0200000001")
	f.Add("02000000fd0100" + strings.Repeat("00", 36) + "034d0100ff")
	f.Add("02000000ffffffffffffffffff" + strings.Repeat("00", 36) + "034c01ff00000000")
	f.Fuzz(func(t *testing.T, text string) { lacksSignature(text) })
}
