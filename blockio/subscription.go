package blockio

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bitcart-go/bitcart/internal/queue"
)

// Subscription is what a [Stream] listens to.
type Subscription struct {
	Network string // "BTC", "BTCTEST", as the service names it
	Type    string // TypeAddress or TypeNewBlocks
	Address string // any address of the network; "" for TypeNewBlocks
}

// String names the subscription in logs and errors.
func (s Subscription) String() string {
	return strings.Join(strings.Fields(s.Network+" "+s.Type+" "+s.Address), " ")
}

// topic is the same for every spelling of one subscription.
func (s Subscription) topic() Subscription {
	return Subscription{strings.ToUpper(s.Network), s.Type, foldAddress(s.Address)}
}

// maxSubscriptionText is far above what a network or address has.
const maxSubscriptionText = 256

// check refuses what the service would refuse, or what it could misread.
func (s Subscription) check() error {
	refused := ""
	switch {
	case s.Type == TypeAccount:
		refused = "type account is for web hooks only; subscribe to each address instead"
	case s.Type != EventAddress && s.Type != EventNewBlocks:
		refused = "the type is neither address nor new-blocks"
	case s.Network == "":
		refused = "the network is missing"
	case s.Type == EventAddress && s.Address == "":
		refused = "the address is missing"
	case s.Type == EventNewBlocks && s.Address != "":
		refused = "new-blocks has no address"
	case !isPlain(s.Network) || !isPlain(s.Address):
		refused = "the network or the address is malformed"
	default:
		return nil
	}
	return &SubscriptionError{Subscription: s, Message: refused}
}

// isPlain: nothing in s is changed by encoding it as JSON.
func isPlain(s string) bool {
	return len(s) <= maxSubscriptionText && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' })
}

// request is the message that asks the service for it.
func (s Subscription) request() []byte {
	msg, _ := json.Marshal(struct { // of strings: never fails
		Network string `json:"network"`
		Type    string `json:"type"`
		Address string `json:"address,omitempty"`
	}{s.Network, s.Type, s.Address})
	return msg
}

// SubscriptionError is a subscription that was refused by the service, or by
// Stream.Subscribe because the service could only refuse it.
type SubscriptionError struct {
	Subscription Subscription
	Message      string // the service's text, or why it was not sent
}

// Error returns the subscription and the message.
func (e *SubscriptionError) Error() string {
	return fmt.Sprintf("blockio: subscription %q refused: %q", e.Subscription.String(), e.Message)
}

// ErrStreamEnded: Run has ended before the service answered. What was asked
// for stays subscribed for the next Run.
var ErrStreamEnded = errors.New("blockio: the stream has ended before the service answered")

// entry is one subscription of a Stream. Its fields are guarded by Stream.mu.
type entry struct {
	sub      Subscription
	topic    Subscription
	number   uint64        // order of Subscribe
	answered chan struct{} // closed when the service has answered, or nobody needs the answer any more
	settled  bool          // answered is closed
	refusal  *SubscriptionError
	waiters  int  // Subscribe calls that wait for answered
	accepted bool // by this connection or an earlier one
	owed     bool // the gap of the present connection waits for its answer

	lane      *queue.Lane[parcel] // of the present Run; nil without one
	droppedAt time.Time           // when the lane overflowed; zero = it has not, or that was told
}

// settle lets those go on who wait for the answer.
func (e *entry) settle() {
	if !e.settled {
		e.settled = true
		close(e.answered)
	}
}

// book is the set of subscriptions, by topic. It is guarded by Stream.mu.
type book struct {
	entries map[Subscription]*entry
	last    uint64
}

// add returns the entry of sub. fresh: it was not in the book.
func (b *book) add(sub Subscription) (e *entry, fresh bool) {
	topic := sub.topic()
	if e := b.entries[topic]; e != nil {
		return e, false
	}
	if b.entries == nil {
		b.entries = make(map[Subscription]*entry)
	}
	b.last++
	e = &entry{sub: sub, topic: topic, number: b.last, answered: make(chan struct{})}
	b.entries[topic] = e
	return e, true
}

// holds: e was neither unsubscribed nor refused.
func (b *book) holds(e *entry) bool { return b.entries[e.topic] == e }
