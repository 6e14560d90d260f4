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

// Coin is one wallet, or no wallet, on one daemon. Make one with [NewCoin], or
// get one from an [APIManager]. It is safe for concurrent use and needs no
// closing.
//
// The calls and streams of a nil or zero Coin are ErrNoDaemon, and what it is
// asked about itself is zero.
//
// A Coin prints as its currency and a short hash of its wallet, because the
// wallet's key may be a seed.
type Coin struct {
	key     string
	d       *daemon
	disp    Dispatcher // what is read for each event, up to its handlers, is in the first cache line
	wallet  Wallet
	manager *APIManager            // whose Coin it is; nil for one made by NewCoin or LoadWallet
	running atomic.Bool            // a stream of its own
	self    atomic.Pointer[daemon] // of a managed Coin's own stream, with counters of its own
	watched atomic.Pointer[watch]  // what the running stream keeps for the wallet
	armed   signal                 // broadcast when the wallet becomes armed, or no stream will arm it
	_       [16]byte               // to whole cache lines: there may be very many Coins
}

// NewCoin returns a Coin for a currency that the library knows or that was
// registered by [RegisterCurrency]; currency is its symbol in upper or lower
// case. It does not connect: that a daemon is away shows only with the first
// call.
//
// The error is ErrUnsupportedCurrency, ErrWalletIncomplete, an *[OptionError],
// or says that the wallet does not fit the currency. WithAllWallets and
// WithCurrency are for managers and are errors here.
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

// ready returns ErrNoDaemon for a nil or zero Coin.
func (c *Coin) ready() error {
	if c == nil || c.d == nil {
		return ErrNoDaemon
	}
	return nil
}

// Currency returns the currency's symbol in upper case: "BTC".
func (c *Coin) Currency() string {
	if c.ready() != nil {
		return ""
	}
	return c.d.cur.Symbol
}

// Wallet returns the wallet, or the zero Wallet for a Coin without one.
func (c *Coin) Wallet() Wallet {
	if c == nil {
		return Wallet{}
	}
	return c.wallet
}

// WalletKey returns the name of the wallet in the daemon's events: the xpub,
// followed by "_" and the contract for a token wallet (protocol section 5). It
// is "" without a wallet. It may be a seed: do not log it.
func (c *Coin) WalletKey() string {
	if c == nil {
		return ""
	}
	return c.key
}

// URL returns the daemon's base URL, without credentials.
func (c *Coin) URL() string {
	if c.ready() != nil {
		return ""
	}
	return c.d.name()
}

// Call sends one JSON-RPC request and decodes the answer into result, which is
// a pointer, or nil if the answer does not matter. In a result of type any,
// numbers become json.Number. params are the positional arguments; a last
// argument of type [Named] adds named ones. The Coin's wallet is added as
// "xpub", and a call that names a wallet makes the daemon load and watch it.
//
// Pass money as decimal.Decimal, *big.Int or text, by itself or in lists and
// maps: it goes out as text, because the daemon reads a JSON number as a float.
// An amount with an exponent beyond 1000 is ErrInvalidAmount. ctx bounds the
// whole call; without a deadline a call ends after 5 minutes. The daemon may go
// on with a call that was cut off.
//
// The error is an *[RPCError] if the daemon answered one, and a *[CallError] if
// there was no answer or it cannot be decoded into result. Unusable arguments
// or results, and get_updates while a stream runs (ErrStreamRunning), are
// errors before anything is sent. The library never repeats a call;
// errors.Is(err, ErrMaybeSent) says whether the request may have reached the
// daemon and had its effect.
func (c *Coin) Call(ctx context.Context, result any, method string, params ...any) error {
	if c != nil && method == "get_updates" && c.streaming() {
		return fmt.Errorf("%w: it reads get_updates", ErrStreamRunning)
	}
	return c.call(ctx, result, method, params...)
}

// call is Call without the check for a stream.
func (c *Coin) call(ctx context.Context, result any, method string, params ...any) error {
	if err := c.ready(); err != nil {
		return err
	}
	return c.callFor(ctx, c.param(), result, method, params)
}

// callBare is call without the wallet: the daemon would load one that is named,
// and hold the call until it is synchronized.
func (c *Coin) callBare(ctx context.Context, result any, method string, params ...any) error {
	if err := c.ready(); err != nil {
		return err
	}
	return c.callFor(ctx, nil, result, method, params)
}

// callFor names the given wallet; nil = none.
func (c *Coin) callFor(ctx context.Context, wallet, result any, method string, params []any) error {
	if err := checkResult(result); err != nil {
		return fmt.Errorf("bitcart: %s: %w", method, err) // before anything is sent
	}
	raw, err := encodeParams(params, wallet)
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

// On registers the handler of one event. Registering again replaces the
// handler, and a nil handler removes it. On may be called at any time, also by
// handlers, and takes effect with the next event. On a managed Coin it takes
// precedence over the manager's handler for the events of this wallet;
// chain-wide events always run the manager's.
func (c *Coin) On(event string, h Handler) { c.AddEventHandler([]string{event}, h) }

// AddEventHandler registers one handler for several events; otherwise it is the
// same as On.
func (c *Coin) AddEventHandler(events []string, h Handler) {
	if c != nil {
		c.disp.AddEventHandler(events, h)
	}
}

// Handles reports whether the event has a handler, here or on the Coin's
// manager.
func (c *Coin) Handles(event string) bool { return c != nil && c.disp.Handles(event) }

// ProcessUpdates delivers updates from any source to their handlers, in order,
// on the caller's goroutine and with the caller's ctx. An update that is
// garbage is skipped and an event without a handler is ignored; both are logged
// and counted in Stats.
//
// A handler's failure does not stop the rest. The errors of all handlers,
// panics and Retry included, are returned joined, each as a *[HandlerError];
// nothing is retried here, see [RetryAfter]. When ctx ends, the remaining
// updates are not delivered, and ctx's error is among the errors.
func (c *Coin) ProcessUpdates(ctx context.Context, updates []Update) error {
	if err := c.ready(); err != nil {
		return err
	}
	return c.disp.ProcessUpdates(ctx, updates)
}

// CloseIdleConnections closes the connections that no call is using, like the
// method of http.Client. Calling it is optional: idle connections close by
// themselves within a minute, and when a stream ends.
func (c *Coin) CloseIdleConnections() {
	if c.ready() == nil {
		c.d.closeIdle()
	}
}

func (d *daemon) closeIdle() {
	if d.ownsIdle {
		d.transport.CloseIdleConnections()
	}
}

// String returns the currency and a short hash of the wallet.
func (c *Coin) String() string {
	if c.ready() != nil {
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
	if err := c.ready(); err != nil {
		return err
	}
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

// streaming reports whether a stream reads the wallet's queue in the daemon.
func (c *Coin) streaming() bool {
	return c.running.Load() || c.manager != nil && c.manager.streamsFor(c)
}
