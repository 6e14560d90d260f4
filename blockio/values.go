package blockio

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// Bounds of a decimal on the wire. A short text like 1e999999999 is a valid
// decimal that would fill the memory when it is printed.
const (
	maxDecimalText     = 128
	maxDecimalExponent = 100
)

var (
	errNotDecimal = errors.New("not a decimal number")
	errNotInteger = errors.New("not an integer")
	errNotTime    = errors.New("not a time")
	errNotText    = errors.New("not a text")
	errNotBool    = errors.New("neither true nor false")
)

// absent: a member that is not there, or null, says nothing.
func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// scalar is the text of a JSON number or string: the service writes counts as
// numbers and amounts as strings, and its clients have seen both for both.
func scalar(raw json.RawMessage) (text string, ok bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "", false
	}
	if raw[0] == '"' {
		err := json.Unmarshal(raw, &text)
		return text, err == nil
	}
	if raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9' {
		return string(raw), true
	}
	return "", false
}

// readText takes a string, or a number by its digits.
func readText(raw json.RawMessage, field *string) error {
	if absent(raw) {
		return nil
	}
	text, ok := scalar(raw)
	if !ok {
		return errNotText
	}
	*field = text
	return nil
}

// readDecimal reads exactly, never by way of a float.
func readDecimal(raw json.RawMessage, field *decimal.Decimal) error {
	if absent(raw) {
		return nil
	}
	text, ok := scalar(raw)
	if !ok || len(text) > maxDecimalText {
		return errNotDecimal
	}
	d, err := decimal.NewFromString(text)
	if err != nil || d.Exponent() > maxDecimalExponent || d.Exponent() < -maxDecimalExponent {
		return errNotDecimal
	}
	*field = d
	return nil
}

func readInt[T int | int64](raw json.RawMessage, field *T) error {
	if absent(raw) {
		return nil
	}
	text, ok := scalar(raw)
	if !ok {
		return errNotInteger
	}
	n, err := strconv.ParseInt(text, 10, strconv.IntSize)
	if err != nil || int64(T(n)) != n {
		return errNotInteger
	}
	*field = T(n)
	return nil
}

// readNonce takes what the chains write: Bitcoin a number of 32 bits, Ethereum
// 64 bits, in other interfaces of it as 0x hex.
func readNonce(raw json.RawMessage, field *uint64) error {
	if absent(raw) {
		return nil
	}
	text, ok := scalar(raw)
	base := 10
	if hex, found := strings.CutPrefix(strings.ToLower(text), "0x"); found {
		text, base = hex, 16
	}
	n, err := strconv.ParseUint(text, base, 64)
	if !ok || err != nil {
		return errNotInteger
	}
	*field = n
	return nil
}

// lastSecond is the end of the year 9999: what is later has no text in JSON.
const lastSecond = 253402300799

// readTime takes seconds since 1970, whole or with a fraction, or RFC 3339.
func readTime(raw json.RawMessage, field *time.Time) error {
	if absent(raw) {
		return nil
	}
	text, ok := scalar(raw)
	if !ok {
		return errNotTime
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		if t.Unix() < 0 || t.Unix() > lastSecond {
			return errNotTime
		}
		*field = t.UTC()
		return nil
	}
	var seconds decimal.Decimal
	if readDecimal(raw, &seconds) != nil || seconds.IsNegative() || seconds.GreaterThan(decimal.NewFromInt(lastSecond)) {
		return errNotTime
	}
	whole := seconds.IntPart()
	nanos := seconds.Sub(decimal.NewFromInt(whole)).Shift(9).IntPart()
	*field = time.Unix(whole, nanos).UTC()
	return nil
}

// amountText keeps the places that an amount came with: "0.01000000".
func amountText(d decimal.Decimal) string {
	if exp := d.Exponent(); exp < 0 && exp > math.MinInt32 {
		return d.StringFixed(-exp)
	}
	return d.String()
}
