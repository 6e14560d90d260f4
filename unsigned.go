package bitcart

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// lacksSignature: Electron Cash writes a transaction without all of its
// signatures as hexadecimal, too. In the place of each missing one its input's
// script pushes the byte ff, which is no signature. What cannot be read as a
// transaction is not judged.
func lacksSignature(text string) bool {
	raw, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		return false
	}
	r := byteReader{rest: raw}
	r.take(4) // version
	for inputs := r.count(); inputs > 0 && r.ok(); inputs-- {
		r.take(32 + 4) // the output that it spends
		if script := r.take(r.count()); pushesNoSignature(script) {
			return true // what follows has another form, which ends with the input's value
		}
		r.take(4) // sequence
	}
	return false
}

// pushesNoSignature looks at the pushes with which a script begins. In front of
// the Schnorr signatures of eight keys the byte ff says that all eight signed;
// alone, or in front of nothing but a key, it stands for a signature.
func pushesNoSignature(script []byte) bool {
	r := byteReader{rest: script}
	pushes, first := 0, false
reading:
	for ; len(r.rest) > 0 && r.ok(); pushes++ {
		var push []byte
		switch op := r.take(1)[0]; {
		case op <= 75: // 0 stands in front of the signatures of many keys
			push = r.take(uint64(op))
		case op == 76:
			push = r.take(r.number(1))
		case op == 77:
			push = r.take(r.number(2))
		default:
			break reading
		}
		if len(push) != 1 || push[0] != 0xff {
			continue
		}
		if first = pushes == 0; !first {
			return true
		}
	}
	return first && pushes <= 2
}

// byteReader takes bytes off the front of a transaction, until there are too few.
type byteReader struct {
	rest  []byte
	short bool
}

func (r *byteReader) ok() bool { return !r.short }

func (r *byteReader) take(n uint64) []byte {
	if r.short || n > uint64(len(r.rest)) {
		r.short = true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// number reads an unsigned integer of some bytes, the lowest first.
func (r *byteReader) number(size uint64) uint64 {
	var b [8]byte
	copy(b[:], r.take(size))
	return binary.LittleEndian.Uint64(b[:])
}

// count reads a number as transactions hold them: small ones in a byte.
func (r *byteReader) count() uint64 {
	switch first := r.number(1); first {
	case 0xfd:
		return r.number(2)
	case 0xfe:
		return r.number(4)
	case 0xff:
		return r.number(8)
	default:
		return first
	}
}
