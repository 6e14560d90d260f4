package bitcart

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// Names of the events that daemons send. A handler may be registered for any
// other name as well.
const (
	EventNewBlock       = "new_block"       // [NewBlock]; chain-wide
	EventNewTransaction = "new_transaction" // [NewTransaction]
	EventNewPayment     = "new_payment"     // [NewPayment]
	EventVerifiedTx     = "verified_tx"     // [VerifiedTx]; BTC, LTC, GRS, BCH and XRG
)

// chainWide: a daemon's queue does not say which of its items belong to no wallet.
func chainWide(event string) bool { return event == EventNewBlock }

// Source is the way by which an event came.
type Source uint8

// Sources of events.
const (
	SourceCustom    Source = iota // ProcessUpdates
	SourceWebsocket               // a daemon's websocket, live
	SourcePoll                    // get_updates, by PollUpdates
	SourceRecovered               // get_updates, after a connection had been lost
	SourceWebhook                 // a notification service's web hook
	SourceStream                  // a notification service's web socket
)

var sourceNames = [...]string{"custom", "websocket", "poll", "recovered", "webhook", "stream"}

// String returns the source in a word, such as "websocket".
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return fmt.Sprintf("Source(%d)", uint8(s))
}

// Event is one update on its way to a handler. It is safe to keep and to use
// from several goroutines; do not change or copy it.
//
// Wallet may be a seed, so an Event prints without it under every verb, in slog
// and as JSON.
type Event struct {
	Name     string // "new_payment"
	Currency string // "BTC"
	Wallet   string // the wallet's key; "" for chain-wide events
	// Coin is the Coin that the event is about: the one that streams, or the
	// manager's Coin of that wallet. For a manager's chain-wide events it is a
	// Coin of the currency without a wallet. It is nil only for events of a bare
	// Dispatcher.
	Coin *Coin
	// Attempt is 1 at first, and grows each time the handler returns Retry.
	Attempt int
	// Received is when the update was read from the network, or, in
	// ProcessUpdates, when that was called; see Update.At.
	Received time.Time
	// Source is the way by which the event came.
	Source Source
	// Repeat says that the update equals one of this wallet's last 100 updates,
	// or one of the last 100 chain-wide ones. Daemons send updates again when
	// they load a wallet or scan blocks again. ProcessUpdates leaves it false.
	Repeat bool

	body *eventBody
}

// eventBody is shared by all attempts at one event.
type eventBody struct {
	wire.Body
	other atomic.Pointer[otherForms]
}

// otherForms are the forms of an update that few handlers ask for.
type otherForms struct {
	rawOnce sync.Once
	raw     json.RawMessage

	fieldsOnce sync.Once
	fields     map[string]any
	err        error
}

func (b *eventBody) forms() *otherForms {
	if f := b.other.Load(); f != nil {
		return f
	}
	b.other.CompareAndSwap(nil, new(otherForms))
	return b.other.Load()
}

var errNoEvent = errors.New("bitcart: no event")

// Raw returns the update as it was received: for a daemon's event the whole
// object with its member "event", for a notification service's event only the
// data object. Do not change it.
func (e *Event) Raw() json.RawMessage {
	if e == nil || e.body == nil || e.body.Text == "" {
		return nil
	}
	f := e.body.forms()
	f.rawOnce.Do(func() { f.raw = json.RawMessage(e.body.Text) })
	return f.raw
}

// Fields returns every member of Raw, decoded on first use, with numbers as
// json.Number. Do not change the map: all callers share it. The error is a
// *[PayloadError].
func (e *Event) Fields() (map[string]any, error) {
	if e == nil || e.body == nil {
		return nil, errNoEvent
	}
	f := e.body.forms()
	f.fieldsOnce.Do(func() {
		if err := unmarshal(strings.NewReader(e.body.Text), &f.fields); err != nil {
			f.err = &PayloadError{Event: e.Name, Err: err}
		}
	})
	return f.fields, f.err
}

// Decode decodes Raw into v as json.Unmarshal does, except that numbers in an
// any become json.Number. A member that is missing leaves its field as it is;
// [PayloadOf] reports it instead. The error is a *[PayloadError].
func (e *Event) Decode(v any) error {
	if e == nil || e.body == nil {
		return errNoEvent
	}
	if err := unmarshal(strings.NewReader(e.body.Text), v); err != nil {
		return &PayloadError{Event: e.Name, Err: err}
	}
	return nil
}

// unmarshal is json.Unmarshal, but a number that goes into an any keeps its
// text: amounts in the smallest unit exceed 64 bits.
func unmarshal(text io.Reader, v any) error {
	dec := json.NewDecoder(text)
	dec.UseNumber()
	return dec.Decode(v)
}

// redact is the text of a handler's error without the wallet, for logs.
func (e *Event) redact(err error) string {
	var secrets redactor
	secrets.hide(e.Wallet, walletName(e.Wallet))
	if e.Coin != nil {
		secrets.hide(e.Coin.wallet.Xpub, walletName(e.Wallet))
		e.Coin.d.hidePassword(&secrets)
	}
	return secrets.clean(textOf(err))
}

// attempt is the same event for its handler's next try.
func (e *Event) attempt(n int) *Event {
	if n == e.Attempt {
		return e
	}
	again := *e
	again.Attempt = n
	return &again
}

// String returns the name, the currency, a short hash of the wallet and the
// source of the event, with the attempt after a Retry, and "repeat" for a
// repeat.
func (e Event) String() string {
	parts := []string{e.Name, e.Currency, walletName(e.Wallet), e.Source.String()}
	if e.Attempt > 1 {
		parts = append(parts, fmt.Sprintf("attempt %d", e.Attempt))
	}
	if e.Repeat {
		parts = append(parts, "repeat")
	}
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

// GoString is String.
func (e Event) GoString() string { return "bitcart.Event(" + e.String() + ")" }

// Format prints String for every verb.
func (e Event) Format(f fmt.State, _ rune) { writeSafe(f, e.String()) }

// LogValue is String as a slog value.
func (e Event) LogValue() slog.Value { return slog.StringValue(e.String()) }

// MarshalJSON encodes String; Raw has the update.
func (e Event) MarshalJSON() ([]byte, error) { return marshalText(e.String()) }
