package bitcart

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/shopspring/decimal"
)

// Payload is the body of an event: one of the four types below, or a type of
// your own whose EventName says which event it belongs to. EventName is called
// on the zero value.
//
// A struct of your own is decoded by encoding/json. A member that is absent or
// null is an error unless its field can express that (a pointer, slice, map,
// interface, or a struct with a bool field Valid, such as decimal.NullDecimal)
// or has the tag option omitempty or omitzero. Of a type with an UnmarshalJSON of
// its own only fields with a json tag count: the others need not have the names
// of members.
type Payload interface{ EventName() string }

// NewBlock is the payload of EventNewBlock: the chain has a new block. Account
// daemons may send heights out of order and more than once; the other daemons
// may leave heights out.
type NewBlock struct {
	Height int64 `json:"height"`
}

// EventName returns EventNewBlock.
func (NewBlock) EventName() string { return EventNewBlock }

// NewTransaction is the payload of EventNewTransaction: a transaction of this
// wallet has appeared. Only daemons of ETH, BNB, MATIC and TRX send more than
// Tx.
type NewTransaction struct {
	Tx          string              `json:"tx"` // the transaction's hash
	FromAddress string              `json:"from_address,omitempty"`
	To          string              `json:"to,omitempty"`
	Amount      decimal.NullDecimal `json:"amount,omitzero"` // in coins or tokens; absent is not zero
	Contract    string              `json:"contract,omitempty"`
}

// EventName returns EventNewTransaction.
func (NewTransaction) EventName() string { return EventNewTransaction }

// NewPayment is the payload of EventNewPayment: the status of a payment request
// has changed. The same status can come again, and a reorganisation of the
// chain can lower it.
type NewPayment struct {
	// Address is the member "address" of the update. It holds the request's id
	// on most daemons, an address on BCH and XRG, and the payment hash for
	// lightning. Use RequestKey.
	Address    string              `json:"address"`
	Status     RequestStatus       `json:"status"`
	StatusStr  string              `json:"status_str"` // for display only: daemons may change or translate it
	TxHashes   []string            `json:"tx_hashes,omitempty"`
	SentAmount decimal.NullDecimal `json:"sent_amount,omitzero"` // received so far, in coins or tokens; absent is not zero
	Contract   string              `json:"contract,omitempty"`
}

// EventName returns EventNewPayment.
func (NewPayment) EventName() string { return EventNewPayment }

// RequestKey returns the key of the request, as [Coin.GetRequest] takes it.
func (p NewPayment) RequestKey() string { return p.Address }

// VerifiedTx is the payload of EventVerifiedTx: a transaction of this wallet
// has its first confirmation.
type VerifiedTx struct {
	Tx     string `json:"tx"`     // the transaction's hash
	Height int64  `json:"height"` // of its block
}

// EventName returns EventVerifiedTx.
func (VerifiedTx) EventName() string { return EventVerifiedTx }

// RequestStatus is the state of a payment request, as the daemon's code
// (protocol section 7).
type RequestStatus int

// States of a payment request.
const (
	StatusUnpaid       RequestStatus = 0 // less than the amount was paid, or nothing
	StatusExpired      RequestStatus = 1 // unpaid and past its expiry
	StatusUnknown      RequestStatus = 2 // the daemon says so, or the library does not know its status: see StatusStr
	StatusPaid         RequestStatus = 3 // on chain: at least one confirmation; lightning: settled
	StatusInFlight     RequestStatus = 4 // outgoing lightning
	StatusFailed       RequestStatus = 5 // outgoing lightning
	StatusRouting      RequestStatus = 6 // outgoing lightning
	StatusUnconfirmed  RequestStatus = 7 // the amount was paid, without a confirmation yet
	StatusBroadcasting RequestStatus = 8 // outgoing
	StatusBroadcast    RequestStatus = 9 // outgoing
)

var statusNames = [...]string{"unpaid", "expired", "unknown", "paid", "in flight", "failed", "routing",
	"unconfirmed", "broadcasting", "broadcast"}

// String returns the status in words, such as "unpaid" or "in flight".
func (s RequestStatus) String() string {
	if s >= 0 && int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("RequestStatus(%d)", int(s))
}

// PayloadOf decodes the update of ev. P is a payload type, a pointer to one, or
// any type that encoding/json can decode an object into. The error is
// ErrWrongEvent if P belongs to another event, otherwise a *[PayloadError]. A
// required member that is absent or null is such an error, so no field is zero
// by accident.
//
// The members of this package's payloads must have exactly the daemon's names;
// for a type of your own encoding/json ignores the case of names.
func PayloadOf[P any](ev *Event) (P, error) {
	var p, zero P
	if ev == nil || ev.body == nil {
		return zero, errNoEvent
	}
	known, err := readPayload(ev, &p)
	if !known {
		return decodePayload[P](ev)
	}
	if err != nil {
		return zero, err
	}
	return p, nil
}

// readPayload reads the update into *target if that is one of the library's own
// payloads: they are on the hot path and need no reflection.
func readPayload(ev *Event, target any) (known bool, err error) {
	body, want := &ev.body.Body, ""
	switch p := target.(type) {
	case *NewBlock:
		if want = EventNewBlock; ev.Name == want {
			err = p.read(body)
		}
	case *NewTransaction:
		if want = EventNewTransaction; ev.Name == want {
			err = p.read(body)
		}
	case *NewPayment:
		if want = EventNewPayment; ev.Name == want {
			err = p.read(body)
		}
	case *VerifiedTx:
		if want = EventVerifiedTx; ev.Name == want {
			err = p.read(body)
		}
	case **NewBlock:
		*p = new(NewBlock)
		return readPayload(ev, *p)
	case **NewTransaction:
		*p = new(NewTransaction)
		return readPayload(ev, *p)
	case **NewPayment:
		*p = new(NewPayment)
		return readPayload(ev, *p)
	case **VerifiedTx:
		*p = new(VerifiedTx)
		return readPayload(ev, *p)
	default:
		return false, nil
	}
	if ev.Name != want {
		return true, wrongEvent(ev, reflect.TypeOf(target).Elem(), want)
	}
	if err != nil {
		return true, payloadError(ev, err, nil)
	}
	return true, nil
}

// decodePayload is PayloadOf for other types.
func decodePayload[P any](ev *Event) (P, error) {
	var p, zero P
	if name, err := payloadName[P](); err == nil && name != ev.Name {
		return zero, wrongEvent(ev, reflect.TypeFor[P](), name)
	}
	t := reflect.TypeFor[P]()
	err := unmarshal(strings.NewReader(ev.body.Text), &p)
	if err == nil {
		err = checkRequired(ev.body.Text, t)
	}
	if err != nil {
		return zero, payloadError(ev, err, t)
	}
	return p, nil
}

func wrongEvent(ev *Event, t reflect.Type, name string) error {
	return fmt.Errorf("%w: %v is of %s, the event is %s", ErrWrongEvent, t, name, ev.Name)
}

// payloadError says of which event an error is and, for one that encoding/json
// has found in a value of type t, of which member.
func payloadError(ev *Event, err error, t reflect.Type) *PayloadError {
	var detail *PayloadError
	if !errors.As(err, &detail) {
		detail = &PayloadError{Err: err}
	}
	var wrongType *json.UnmarshalTypeError
	if t != nil && errors.As(err, &wrongType) && detail.Field == "" {
		detail.Field = wirePath(t, wrongType.Field)
	}
	detail.Event = ev.Name
	return detail
}

var errNotPayload = errors.New("names no event")

// payloadName asks a zero P for its event. For a pointer type that is a
// pointer to a zero value, since a nil one would be followed.
func payloadName[P any]() (string, error) {
	var p P
	switch v := any(p).(type) {
	case NewBlock, NewTransaction, NewPayment, VerifiedTx:
		return v.(Payload).EventName(), nil
	}
	t := reflect.TypeFor[P]()
	if t.Kind() == reflect.Interface {
		return "", errNotPayload
	}
	v := any(p)
	if t.Kind() == reflect.Pointer {
		v = reflect.New(t.Elem()).Interface()
	}
	if named, ok := v.(Payload); ok {
		return named.EventName(), nil
	}
	if named, ok := reflect.New(t).Interface().(Payload); ok { // only the pointer has the method
		return named.EventName(), nil
	}
	return "", errNotPayload
}

// unmarshaler tells types that read themselves, whose fields need not be members.
var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// requiredMembers caches what checkRequired wants of a type.
var requiredMembers sync.Map // reflect.Type -> []string

// checkRequired reports the first member of a user's type that is absent or null
// in text and whose field has no value for that.
func checkRequired(text string, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	names, ok := requiredMembers.Load(t)
	if !ok {
		names, _ = requiredMembers.LoadOrStore(t, requiredOf(t))
	}
	if len(names.([]string)) == 0 {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return err
	}
	for _, name := range names.([]string) {
		if !present(members, name) {
			return &PayloadError{Field: name, Err: ErrMissingMember}
		}
	}
	return nil
}

// present looks a member up as encoding/json does: the exact name, or else
// one that differs in case only.
func present(members map[string]json.RawMessage, name string) bool {
	if raw, ok := members[name]; ok {
		return !bytes.Equal(raw, []byte("null"))
	}
	for key, raw := range members {
		if strings.EqualFold(key, name) && !bytes.Equal(raw, []byte("null")) {
			return true
		}
	}
	return false
}

// requiredOf lists the members that a struct type requires. As in encoding/json
// the members of an embedded struct are the outer one's, and an outer member
// hides an embedded one of the same name.
func requiredOf(t reflect.Type) []string {
	var names []string
	readsItself := reflect.PointerTo(t).Implements(unmarshaler)
	hidden := map[string]bool{}
	for level := []reflect.Type{t}; len(level) > 0; {
		fields, embedded := fieldsOf(level)
		var here []string
		for _, f := range fields {
			if _, tagged := f.Tag.Lookup("json"); readsItself && !tagged {
				continue
			}
			name, required := memberOf(f)
			if name == "" || hidden[name] {
				continue
			}
			here = append(here, name)
			if required {
				names = append(names, name)
			}
		}
		for _, name := range here {
			hidden[name] = true
		}
		level = embedded
	}
	return names
}

// fieldsOf returns the fields of struct types, and apart from them the structs
// that are embedded in those types.
func fieldsOf(structs []reflect.Type) (fields []reflect.StructField, embedded []reflect.Type) {
	for _, t := range structs {
		for i := range t.NumField() {
			switch f := t.Field(i); {
			case !isEmbedded(f):
				fields = append(fields, f)
			case f.Type.Kind() == reflect.Struct:
				embedded = append(embedded, f.Type)
			}
		}
	}
	return fields, embedded
}

func isEmbedded(f reflect.StructField) bool {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return f.Anonymous && name == ""
}

// memberOf returns a field's name on the wire, "" when it has none, and
// whether it must be there.
func memberOf(f reflect.StructField) (name string, required bool) {
	tag := f.Tag.Get("json")
	if !f.IsExported() || tag == "-" {
		return "", false
	}
	name, opts, _ := strings.Cut(tag, ",")
	if name == "" {
		name = f.Name
	}
	return name, !strings.Contains(opts, "omitempty") && !strings.Contains(opts, "omitzero") && !canBeAbsent(f.Type)
}

// wirePath takes the names of embedded structs, which are not on the wire, out
// of a path that encoding/json reports.
func wirePath(t reflect.Type, path string) string {
	for {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		first, rest, ok := strings.Cut(path, ".")
		if !ok || t.Kind() != reflect.Struct {
			return path
		}
		f, found := t.FieldByName(first)
		if !found || !isEmbedded(f) {
			return path
		}
		t, path = f.Type, rest
	}
}

func canBeAbsent(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	case reflect.Struct:
		valid, ok := t.FieldByName("Valid")
		return ok && valid.Type.Kind() == reflect.Bool
	}
	return false
}
