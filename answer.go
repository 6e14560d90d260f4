package bitcart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// object reads the members of one object of an answer. The first member that is not of its type is
// kept in err; members that are absent or null are zero. Names are matched exactly: "amount_WEI"
// may be a token and "amount_wei" its smallest unit.
type object struct {
	members map[string]json.RawMessage
	err     error
}

var (
	errNotObject  = errors.New("not an object")
	errNoList     = errors.New("not a list")
	errNotText    = errors.New("not a text")
	errNotTexts   = errors.New("not a list of texts")
	errNotInteger = errors.New("not an integer")
	errNotBool    = errors.New("neither true nor false")
	errNotTime    = errors.New("not a time")
)

func readObject(raw json.RawMessage) *object {
	o := &object{}
	if json.Unmarshal(raw, &o.members) != nil || o.members == nil {
		o.err = errNotObject
	}
	return o
}

// memberError names the member without quoting it: answers hold what must not be logged.
type memberError struct {
	name string
	err  error
}

func (e *memberError) Error() string { return "member \"" + e.name + "\": " + e.err.Error() }
func (e *memberError) Unwrap() error { return e.err }

func (o *object) fail(name string, err error) {
	if o.err == nil {
		o.err = &memberError{name, err}
	}
}

// get returns nil for a member that is absent or null.
func (o *object) get(name string) json.RawMessage {
	if raw := o.members[name]; string(raw) != "null" {
		return raw
	}
	return nil
}

func (o *object) has(name string) bool { return o.get(name) != nil }

func (o *object) text(name string) string {
	var text string
	if raw := o.get(name); raw != nil && json.Unmarshal(raw, &text) != nil {
		o.fail(name, errNotText)
	}
	return text
}

// required is text for a member that must be there.
func (o *object) required(name string) string {
	text := o.text(name)
	if text == "" {
		o.fail(name, ErrMissingMember)
	}
	return text
}

// texts returns nil for an empty list too, and leaves out what is null or empty in it.
func (o *object) texts(name string) []string {
	var texts []string
	if raw := o.get(name); raw != nil && json.Unmarshal(raw, &texts) != nil {
		o.fail(name, errNotTexts)
	}
	texts = slices.DeleteFunc(texts, func(text string) bool { return text == "" })
	if len(texts) == 0 {
		return nil
	}
	return texts
}

func (o *object) list(name string) []json.RawMessage {
	var items []json.RawMessage
	if raw := o.get(name); raw != nil && json.Unmarshal(raw, &items) != nil {
		o.fail(name, errNoList)
	}
	return items
}

func (o *object) flag(name string) bool {
	var flag bool
	if raw := o.get(name); raw != nil && json.Unmarshal(raw, &flag) != nil {
		o.fail(name, errNotBool)
	}
	return flag
}

// integer reads what fits 64 bits, in any spelling of a whole number.
func (o *object) integer(name string) int64 {
	raw := o.get(name)
	if raw == nil {
		return 0
	}
	v, err := parseAmount(raw)
	if err != nil || !v.Decimal.IsInteger() || !v.Decimal.BigInt().IsInt64() {
		o.fail(name, errNotInteger)
		return 0
	}
	return v.Decimal.IntPart()
}

func (o *object) count(name string) int {
	n := o.integer(name)
	if n > math.MaxInt32 || n < math.MinInt32 {
		o.fail(name, errNotInteger)
		return 0
	}
	return int(n)
}

// amount reads money exactly; what a daemon calls unknown is none.
func (o *object) amount(name string) decimal.NullDecimal {
	raw := o.get(name)
	if isUnknown(raw) {
		return decimal.NullDecimal{}
	}
	v, err := parseAmount(raw)
	if err != nil {
		o.fail(name, err)
	}
	return v
}

func isUnknown(raw json.RawMessage) bool {
	return strings.EqualFold(string(raw), `"unknown"`)
}

// units reads an amount in the smallest unit as coins.
func (o *object) units(name string, decimals int) decimal.NullDecimal {
	v := o.amount(name)
	if v.Valid {
		v.Decimal = v.Decimal.Shift(int32(-decimals))
	}
	return v
}

// lastTime is the end of year 9999: a later time cannot be encoded as JSON.
const lastTime = 253402300799

// time reads unix seconds; 0 is no time.
func (o *object) time(name string) time.Time {
	raw := o.get(name)
	if raw == nil {
		return time.Time{}
	}
	v, err := parseAmount(raw)
	if err != nil || v.Decimal.IsNegative() || v.Decimal.GreaterThan(decimal.NewFromInt(lastTime)) {
		o.fail(name, errNotTime)
		return time.Time{}
	}
	if v.Decimal.IsZero() {
		return time.Time{}
	}
	return time.Unix(v.Decimal.IntPart(), 0).UTC()
}

// readItems decodes a list of objects.
func readItems[T any](raw json.RawMessage, decode func(*object, json.RawMessage) T) ([]T, error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || list == nil {
		return nil, errNoList
	}
	items := make([]T, len(list))
	for i, raw := range list {
		o := readObject(raw)
		items[i] = decode(o, raw)
		if o.err != nil {
			return nil, fmt.Errorf("item %d: %w", i, o.err)
		}
	}
	return items, nil
}

// decodeText decodes a text that is not empty.
func decodeText(raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) != nil || text == "" {
		return "", errNotText
	}
	return text, nil
}

func decodeFlag(raw json.RawMessage) (bool, error) {
	switch string(raw) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errNotBool
}

// decoder reads what a method answers.
type decoder[T any] func(json.RawMessage) (T, error)

// query makes a call and decodes its answer.
func query[T any](ctx context.Context, c *Coin, decode decoder[T], method string, params ...any) (T, error) {
	return decoded(decode, method, func(raw *json.RawMessage) error { return c.call(ctx, raw, method, params...) })
}

// queryBare is query for a call that names no wallet, see [Coin.callBare].
func queryBare[T any](ctx context.Context, c *Coin, decode decoder[T], method string, params ...any) (T, error) {
	return decoded(decode, method, func(raw *json.RawMessage) error { return c.callBare(ctx, raw, method, params...) })
}

func decoded[T any](decode decoder[T], method string, call func(*json.RawMessage) error) (T, error) {
	var none T
	var raw json.RawMessage
	if err := call(&raw); err != nil {
		return none, err
	}
	v, err := decode(raw)
	if err != nil {
		return none, undecodable(method, err)
	}
	return v, nil
}

// undecodable is an answer that is not what the method answers. The daemon has done what was
// asked, so the call counts as sent.
func undecodable(method string, err error) error {
	return &CallError{Method: method, MaybeSent: true, Err: &decodeError{err}}
}
