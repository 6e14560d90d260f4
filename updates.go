package bitcart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/bitcart-go/bitcart/internal/wire"
)

// Update is one update on its way into ProcessUpdates: a JSON object with a
// member "event". Make one with [NewUpdate], [UpdateOf] or [UpdatesFrom], or
// decode it from JSON: a list of updates decodes as a whole even if some of its
// items are garbage.
//
// Its content is behind a pointer, so that an Update inside another struct does
// not print the wallet that From sets.
type Update struct{ p *update }

// update is not changed once it is in an Update.
type update struct {
	event    string // "" = garbage
	text     string // valid JSON; "" = none
	err      error  // it could not be encoded
	currency string
	wallet   string
	source   Source
	received time.Time
	attempt  int  // 0 = the first
	beside   bool // made by UpdateOf: text need not have the event's name
}

// NewUpdate returns an update of an event with a body: a map, a struct, a
// Payload, or nil for an event without members. The body is encoded at once,
// with the event's name as its member "event". A body that cannot be encoded,
// or is no JSON object, is an error of ProcessUpdates.
func NewUpdate(event string, body any) Update {
	if event == "" {
		return Update{}
	}
	raw, err := encodeUpdate(event, body)
	if err != nil {
		return Update{&update{event: event, err: fmt.Errorf("bitcart: update of %s: %w", event, err)}}
	}
	return Update{&update{event: event, text: string(raw)}}
}

// UpdateOf returns an update of an event from the JSON bytes of its body, which
// it copies. It is for sources that transmit the event's name beside the body:
// the Event's Raw is exactly these bytes, and a member "event" in them has no
// special meaning. Bytes that are no JSON object are an error of
// ProcessUpdates.
func UpdateOf(event string, raw json.RawMessage) Update {
	if event == "" {
		return Update{}
	}
	u := update{event: event, text: string(raw), beside: true}
	if !json.Valid(raw) || !wire.IsObject(raw) {
		u.text, u.err = "", fmt.Errorf("bitcart: update of %s: %w", event, errNoObject)
	}
	return Update{&u}
}

var errNoObject = errors.New("the body is no JSON object")

// encodeUpdate puts the event's name into the body, in place of one that may
// stand there.
func encodeUpdate(event string, body any) (json.RawMessage, error) {
	members := map[string]json.RawMessage{}
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		if !wire.IsObject(raw) {
			return nil, errNoObject
		}
		if err := json.Unmarshal(raw, &members); err != nil {
			return nil, err
		}
	}
	name, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	members["event"] = name
	return json.Marshal(members)
}

// UpdatesFrom returns updates from dictionaries that hold the event's name
// under "event". A dictionary without such a name becomes garbage, which
// ProcessUpdates skips.
func UpdatesFrom(list []map[string]any) []Update {
	updates := make([]Update, len(list))
	for i, dict := range list {
		event, _ := dict["event"].(string)
		updates[i] = NewUpdate(event, dict)
	}
	return updates
}

// Event returns the event's name, or "" for garbage.
func (u Update) Event() string { return u.get().event }

// get copies what the Update holds: nothing for the zero Update.
func (u Update) get() update {
	if u.p == nil {
		return update{}
	}
	return *u.p
}

// From returns a copy of the update with the Currency, Wallet and Source of its
// Event. Without From they are the Coin's currency and wallet, and
// SourceCustom. An empty currency stands for the Coin's, and an empty wallet
// then for the Coin's wallet; with a currency, an empty wallet means an event
// that belongs to no wallet.
func (u Update) From(currency, wallet string, src Source) Update {
	p := u.get()
	p.currency, p.wallet, p.source = currency, wallet, src
	return Update{&p}
}

// At returns a copy of the update with the Received and Attempt of its Event.
// It is for a source that queues updates itself and delivers one again after
// [Retry]. A zero time stands for the time of ProcessUpdates; attempts count
// from 1, and anything below counts as 1.
func (u Update) At(received time.Time, attempt int) Update {
	p := u.get()
	p.received, p.attempt = received, attempt
	return Update{&p}
}

// UnmarshalJSON accepts any JSON value. One that is no object with an event
// name is kept as garbage, so that one bad item does not fail a whole list.
func (u *Update) UnmarshalJSON(data []byte) error {
	*u = Update{&update{event: wire.EventName(data), text: string(data)}}
	return nil
}

// MarshalJSON returns the update as it was received or encoded. An update made
// by UpdateOf gets the event's name as its member "event", replacing one that
// is already there: decoded again it is the same event, but its Raw has that
// member.
func (u Update) MarshalJSON() ([]byte, error) {
	p := u.get()
	if p.err != nil {
		return nil, p.err
	}
	if p.text == "" {
		return []byte("null"), nil
	}
	if p.beside {
		return encodeUpdate(p.event, json.RawMessage(p.text))
	}
	return []byte(p.text), nil
}

// String returns the event's name, without body and wallet.
func (u Update) String() string {
	if u.Event() == "" {
		return "update: garbage"
	}
	return "update: " + u.Event()
}

// GoString is String.
func (u Update) GoString() string { return "bitcart.Update(" + u.String() + ")" }

// Format prints String for every verb.
func (u Update) Format(f fmt.State, _ rune) { writeSafe(f, u.String()) }

// LogValue is String as a slog value.
func (u Update) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Sink is what accepts updates: a *Coin or a *Dispatcher.
type Sink interface {
	ProcessUpdates(ctx context.Context, updates []Update) error
	Handles(event string) bool
}

// Dispatcher is a registry of handlers, and the only place that calls them.
// Every Coin contains one. A Dispatcher by itself serves events that come from
// no daemon, such as those of package blockio. The zero value is ready to use
// and does not log.
type Dispatcher struct {
	log    *slog.Logger
	coin   *Coin
	n      *counters // nil = nobody counts
	parent *registry // asked where own has no handler; nil = none
	own    registry
}

// NewDispatcher returns a Dispatcher. It accepts WithLogger, WithHooks and
// WithStream; hooks and stream settings have no effect here. The error is an
// *[OptionError].
func NewDispatcher(opts ...Option) (*Dispatcher, error) {
	s, err := settings{}.with(inDispatcher, opts)
	if err != nil {
		return nil, err
	}
	return &Dispatcher{log: s.log}, nil
}

// On registers the handler of one event; see [Coin.On].
func (d *Dispatcher) On(event string, h Handler) { d.own.set([]string{event}, h) }

// AddEventHandler registers one handler for several events; otherwise it is the
// same as On.
func (d *Dispatcher) AddEventHandler(events []string, h Handler) { d.own.set(events, h) }

// Handles reports whether the event has a handler.
func (d *Dispatcher) Handles(event string) bool { return d.handler(event) != nil }

func (d *Dispatcher) handler(event string) Handler {
	if h := d.own.lookup(event); h != nil || d.parent == nil {
		return h
	}
	return d.parent.lookup(event)
}

// ProcessUpdates delivers updates to their handlers; see [Coin.ProcessUpdates].
func (d *Dispatcher) ProcessUpdates(ctx context.Context, updates []Update) error {
	ctx = orBackground(ctx)
	var errs []error
	for i := range updates {
		u := updates[i].get()
		if err := ctx.Err(); err != nil {
			errs = append(errs, fmt.Errorf("bitcart: %d of %d updates were not handed over: %w", len(updates)-i, len(updates), err))
			break
		}
		switch {
		case u.err != nil:
			errs = append(errs, u.err)
		case u.event == "":
			d.garbage("update without an event name")
		default:
			if out := d.dispatch(ctx, d.event(u), d.n); out.err != nil {
				errs = append(errs, out.err)
			}
		}
	}
	return errors.Join(errs...)
}

// event is u for this dispatcher's Coin.
func (d *Dispatcher) event(u update) *Event {
	body := wire.BodyOf(u.text)
	ev := newEvent(u.event, &body)
	ev.Coin, ev.Currency, ev.Wallet, ev.Source, ev.Received = d.coin, u.currency, u.wallet, u.source, u.received
	ev.Attempt = max(u.attempt, 1)
	if ev.Received.IsZero() {
		ev.Received = time.Now()
	}
	if d.coin == nil {
		return ev
	}
	if ev.Currency != "" {
		return ev // From has said everything, also that there is no wallet
	}
	ev.Currency = d.coin.Currency()
	if ev.Wallet == "" && !chainWide(ev.Name) {
		ev.Wallet = d.coin.key
	}
	return ev
}

// newEvent makes an event and its body in one allocation.
func newEvent(name string, body *wire.Body) *Event {
	both := new(struct {
		Event
		eventBody
	})
	both.Name, both.Attempt, both.body = name, 1, &both.eventBody
	both.Body = *body
	return &both.Event
}

// outcome is what came of an event.
type outcome struct {
	err   error       // a *HandlerError; nil when it was handled or has no handler
	retry *retryError // the handler wants it again
	text  string      // of err, without the wallet, for logs
}

// dispatch is where every path ends: it calls the event's handler, if there is
// one, and counts for n what came of it.
func (d *Dispatcher) dispatch(ctx context.Context, ev *Event, n *counters) outcome {
	h := d.handler(ev.Name)
	if h == nil {
		n.add(ignored)
		d.logger().Debug("no handler for event", "event", ev.Name)
		return outcome{}
	}
	return call(ctx, h, ev, n)
}

// call runs h. A handler that panics, or that ends its goroutine by
// runtime.Goexit as a failing test does, has failed. What h returns is looked
// at here as well, since the methods of a user's error can panic too.
func call(ctx context.Context, h Handler, ev *Event, n *counters) (out outcome) {
	returned := false
	defer func() {
		if !returned {
			err := &PanicError{Value: recover(), Stack: debug.Stack()}
			out = outcome{err: &HandlerError{Event: ev, Err: err}, text: ev.redact(err)}
			n.add(panics)
		}
		if out.retry != nil {
			return
		}
		n.add(delivered)
		if out.err != nil {
			n.add(handlerErrors)
		}
	}()
	if err := h(ctx, ev); err != nil {
		out = failure(ev, err)
	}
	returned = true
	return out
}

// failure is the outcome of a handler that has returned err.
func failure(ev *Event, err error) (out outcome) {
	out.err = &HandlerError{Event: ev, Err: err}
	errors.As(err, &out.retry)
	out.text = ev.redact(err)
	return out
}

func (d *Dispatcher) garbage(why string) {
	d.n.add(garbage)
	d.logger().Warn("update skipped", "reason", why)
}

func (d *Dispatcher) logger() *slog.Logger {
	if d.log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return d.log
}
