package bitcart

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync/atomic"
)

// Coin is one wallet, or no wallet, on one daemon. It is safe for concurrent
// use and holds nothing that has to be closed.
//
// A Coin prints as its currency and a short hash of its wallet: the wallet's
// key may be a seed.
type Coin struct {
	key     string
	d       *daemon
	disp    Dispatcher // what every event looks at ends in the first 64 bytes
	wallet  Wallet
	manager *APIManager            // whose Coin it is; nil for one made by NewCoin or LoadWallet
	running atomic.Bool            // a stream of its own
	self    atomic.Pointer[daemon] // of a managed Coin's own stream, with counters of its own
	watched atomic.Pointer[watch]  // what the running stream keeps for the wallet
	armed   signal                 // broadcast when the wallet becomes armed, or its stream arms none any more
	_       [16]byte               // to whole cache lines: there may be very many Coins
}

// NewCoin makes a Coin of a currency that is known or registered, in upper or
// lower case. It does not connect: a daemon that is away shows with the first
// call. The errors are ErrUnsupportedCurrency, ErrWalletIncomplete and
// *OptionError; WithAllWallets and WithCurrency do not fit.
func NewCoin(currency string, opts ...Option) (*Coin, error) {
	cur, err := lookupCurrency(currency)
	if err != nil {
		return nil, err
	}
	s, err := settings{}.with(inCoin, opts)
	if err != nil {
		return nil, err
	}
	var w Wallet
	if s.wallet != nil {
		w = *s.wallet
		if err := w.check(cur); err != nil {
			return nil, err
		}
	}
	d, err := newDaemon(cur, s)
	if err != nil {
		return nil, err
	}
	return newCoin(d, w, nil), nil
}

func newCoin(d *daemon, w Wallet, m *APIManager) *Coin {
	c := &Coin{d: d, wallet: w, manager: m}
	if w.Xpub != "" {
		c.key = w.key(d.cur)
	}
	c.disp = Dispatcher{log: d.log, coin: c, n: &d.n}
	if m != nil {
		c.disp.parent = &m.handlers
	}
	return c
}

// Currency returns the symbol: "BTC".
func (c *Coin) Currency() string { return c.d.cur.Symbol }

// Wallet returns the wallet, the zero Wallet for a Coin without one.
func (c *Coin) Wallet() Wallet { return c.wallet }

// WalletKey returns the wallet's name in the daemon's events: the xpub, with
// "_" and the contract behind it for a token wallet. "" without wallet. It may
// be a seed: do not log it.
func (c *Coin) WalletKey() string { return c.key }

// URL returns the daemon's base URL, without credentials.
func (c *Coin) URL() string { return c.d.name() }

// Call sends one JSON-RPC request and decodes the answer into result, which is
// a pointer, or nil when the answer does not matter; into an any, numbers come
// as json.Number. params are the positional arguments; a last [Named] adds
// named ones. The Coin's wallet goes along as "xpub", and naming a wallet makes
// the daemon load and watch it.
//
// Give money as decimal.Decimal or text: the daemon reads a JSON number as a
// float. ctx bounds the whole call; without a deadline 5 minutes do. A call
// that is cut off may go on in the daemon.
//
// The error is a *RPCError when the daemon answered one and a *CallError when
// it did not answer, or its answer cannot be decoded into result. Arguments or a
// result that cannot be used, and get_updates beside a stream (ErrStreamRunning),
// are errors before anything is sent. The library never repeats a call;
// errors.Is(err, ErrMaybeSent) says whether the request may have reached the
// daemon, so that what it asked for may have happened.
func (c *Coin) Call(ctx context.Context, result any, method string, params ...any) error {
	if method == "get_updates" && c.streaming() {
		return fmt.Errorf("%w: it reads get_updates", ErrStreamRunning)
	}
	return c.call(ctx, result, method, params...)
}

func (c *Coin) call(ctx context.Context, result any, method string, params ...any) error {
	if err := checkResult(result); err != nil {
		return fmt.Errorf("bitcart: %s: %w", method, err) // before anything is sent
	}
	raw, err := encodeParams(params, c.param())
	if err != nil {
		return fmt.Errorf("bitcart: %s: %w", method, err)
	}
	answer, err := c.d.call(orBackground(ctx), method, raw, func() redactor {
		return secretsOf(c.wallet, c.key, method, params)
	})
	if err != nil {
		return err
	}
	return decodeResult(method, answer, result)
}

func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background() // a nil ctx is bad input, not a reason to panic
	}
	return ctx
}

// param is the wallet as an argument, nil without one.
func (c *Coin) param() any {
	if c.key == "" {
		return nil
	}
	return c.wallet.param()
}

func checkResult(result any) error {
	if result == nil {
		return nil
	}
	if v := reflect.ValueOf(result); v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("result is a %T, not a pointer to decode into", result)
	}
	return nil
}

// decodeError is an answer that is valid but not of the expected type.
type decodeError struct{ err error }

func (e *decodeError) Error() string {
	return "the answer is not of the expected type: " + e.err.Error()
}
func (e *decodeError) Unwrap() error { return e.err }

// decodeResult reports a failure as maybe sent: the daemon has done what was asked.
func decodeResult(method string, answer json.RawMessage, result any) error {
	if result == nil {
		return nil
	}
	if raw, ok := result.(*json.RawMessage); ok {
		*raw = answer
		return nil
	}
	if err := unmarshal(bytes.NewReader(answer), result); err != nil {
		return &CallError{Method: method, MaybeSent: true, Err: &decodeError{err}, safe: withoutAnswer(err)}
	}
	return nil
}

// withoutAnswer is the text of a decodeError that quotes nothing of the answer,
// which may be a key. What the UnmarshalJSON of a user's type says may quote it.
func withoutAnswer(err error) string {
	var typeError *json.UnmarshalTypeError
	if errors.As(err, &typeError) {
		return (&decodeError{typeError}).Error()
	}
	return "the answer is not of the expected type: its own decoding has failed"
}

// On registers the handler of one event; registering again replaces it, and
// nil removes it. It may be called at any time, from handlers too, and takes
// effect with the next event. For a managed Coin it wins over the manager's
// handler, for this wallet's events; chain-wide events run the manager's.
func (c *Coin) On(event string, h Handler) { c.disp.On(event, h) }

// AddEventHandler registers one handler for several events, otherwise as On.
func (c *Coin) AddEventHandler(events []string, h Handler) { c.disp.AddEventHandler(events, h) }

// Handles reports whether the event has a handler, the manager's included.
func (c *Coin) Handles(event string) bool { return c.disp.Handles(event) }

// ProcessUpdates hands updates to their handlers, in order, on the caller's
// goroutine and with the caller's ctx, whatever source they come from. Garbage
// is skipped and an event without a handler is ignored, both logged and
// counted. Every other update is tried, and the errors of handlers, with
// panics and Retry among them, come back joined, each as a *HandlerError; the
// library does not repeat anything here. When ctx ends, the rest is not handed
// over and ctx's error is among the errors.
func (c *Coin) ProcessUpdates(ctx context.Context, updates []Update) error {
	return c.disp.ProcessUpdates(ctx, updates)
}

// CloseIdleConnections closes the connections that no call uses now, as the
// method of http.Client does. Nothing has to call it: they end by themselves
// within a minute, and with a stream.
func (c *Coin) CloseIdleConnections() { c.d.closeIdle() }

func (d *daemon) closeIdle() {
	if d.ownsIdle {
		d.transport.CloseIdleConnections()
	}
}

// String returns the currency and a short hash of the wallet.
func (c *Coin) String() string {
	if c == nil || c.d == nil {
		return "no coin"
	}
	return strings.TrimSpace(c.Currency() + " " + walletName(c.key))
}

// GoString is String.
func (c *Coin) GoString() string { return "bitcart.Coin(" + c.String() + ")" }

// Format prints String for every verb.
func (c *Coin) Format(f fmt.State, _ rune) { writeSafe(f, c.String()) }

// LogValue is String as a slog value.
func (c *Coin) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON encodes String.
func (c *Coin) MarshalJSON() ([]byte, error) { return marshalText(c.String()) }

func marshalText(text string) ([]byte, error) { return json.Marshal(text) }

// runStream runs s as the Coin's only stream.
func (c *Coin) runStream(ctx context.Context, s *stream) error {
	d := c.d
	if c.manager != nil {
		release, err := c.manager.claimCoin(c)
		if err != nil {
			return err
		}
		defer release()
		d = c.d.alone()
		c.self.Store(d)
	} else {
		if !c.running.CompareAndSwap(false, true) {
			return ErrStreamRunning
		}
		defer c.running.Store(false)
	}
	plan := &linkPlan{d: d, chain: c, single: true}
	if c.key != "" {
		plan.coins = []*Coin{c}
	}
	s.prepare(orBackground(ctx), []*linkPlan{plan})
	return s.run()
}

// streaming: a stream reads the wallet's queue in the daemon.
func (c *Coin) streaming() bool {
	return c.running.Load() || c.manager != nil && c.manager.streamsFor(c)
}
