package blockio_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart"
	"github.com/bitcart-go/bitcart/blockio"
)

const (
	pingBody    = `{"type":"ping"}`
	addressData = `{"network":"BTC","address":"3cBraN1Q","balance_change":"0.01000000","amount_sent":"0.00000000","amount_received":"0.01000000","txid":"7af5cf9f2","confirmations":1,"is_green":false}`
	addressBody = `{"event_id":"e1","notification_id":"n1","delivery_attempt":2,"type":"address","data":` + addressData + `,"created_at":1426104819}`
	blocksBody  = `{"notification_id":"n2","delivery_attempt":1,"created_at":1426104819,"type":"new-blocks","data":{"network":"BTC","block_hash":"fb0e1","previous_block_hash":"5b217","block_no":456485,"confirmations":1,"merkle_root":"8173983","time":1426062467,"nonce":1544718438,"difficulty":"0.01240701","txs":["81739"]}}`
)

// taken is a Dispatcher that notes what it was handed.
type taken struct {
	bitcart.Dispatcher
	events []*bitcart.Event
	ctxs   []context.Context
}

func takeEvents(types ...string) *taken {
	s := &taken{}
	s.AddEventHandler(types, func(ctx context.Context, ev *bitcart.Event) error {
		s.events, s.ctxs = append(s.events, ev), append(s.ctxs, ctx)
		return nil
	})
	return s
}

func makeReceiver(t testing.TB, sink bitcart.Sink, opts ...blockio.ReceiverOption) *blockio.Receiver {
	t.Helper()
	rc, err := blockio.NewReceiver(sink, opts...)
	require.NoError(t, err)
	return rc
}

func hook(body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(body))
}

// answer is what h answers to r.
func answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func refuse(err error) blockio.Verifier {
	return blockio.VerifierFunc(func(context.Context, *http.Request, []byte) (blockio.Proof, error) {
		return blockio.Confirmed, err
	})
}

func pass(p blockio.Proof) blockio.Verifier {
	return blockio.VerifierFunc(func(context.Context, *http.Request, []byte) (blockio.Proof, error) { return p, nil })
}

func TestReceiverAnswers(t *testing.T) {
	refused := blockio.WithVerifier(refuse(errors.New("no")))
	for _, test := range []struct {
		name    string
		request *http.Request
		opts    []blockio.ReceiverOption
		want    int
		handled int
	}{
		{"event", hook(addressBody), nil, 200, 1},
		{"ping", hook(pingBody), nil, 200, 0},
		{"ping with more", hook(`{"type":"ping","data":{},"notification_id":"n9"}`), nil, 200, 0},
		{"ping before any check", hook(pingBody), []blockio.ReceiverOption{refused, blockio.WithKnownNotifications("n1")}, 200, 0},
		{"GET", httptest.NewRequest(http.MethodGet, "/", nil), nil, 405, 0},
		{"HEAD", httptest.NewRequest(http.MethodHead, "/", nil), nil, 405, 0},
		{"PUT", httptest.NewRequest(http.MethodPut, "/", strings.NewReader(addressBody)), nil, 405, 0},
		{"body as large as allowed", hook(addressBody), []blockio.ReceiverOption{blockio.WithMaxBody(int64(len(addressBody)))}, 200, 1},
		{"body too large", hook(addressBody), []blockio.ReceiverOption{blockio.WithMaxBody(int64(len(addressBody)) - 1)}, 413, 0},
		{"ping too large", hook(pingBody + strings.Repeat(" ", 100)), []blockio.ReceiverOption{blockio.WithMaxBody(64)}, 413, 0},
		{"4 MiB", hook(addressBody + strings.Repeat(" ", 4<<20-len(addressBody))), nil, 200, 1},
		{"above 4 MiB", hook(addressBody + strings.Repeat(" ", 4<<20-len(addressBody)+1)), nil, 413, 0},
		{"body cut off", httptest.NewRequest(http.MethodPost, "/", iotest.ErrReader(io.ErrUnexpectedEOF)), nil, 400, 0},
		{"no body", hook(""), nil, 400, 0},
		{"no JSON", hook("type=address"), nil, 400, 0},
		{"no object", hook(`[]`), nil, 400, 0},
		{"null", hook(`null`), nil, 400, 0},
		{"half an object", hook(addressBody[:100]), nil, 400, 0},
		{"two objects", hook(addressBody + addressBody), nil, 400, 0},
		{"no type", hook(`{"data":{}}`), nil, 400, 0},
		{"no data", hook(`{"type":"address"}`), nil, 400, 0},
		{"data is a list", hook(`{"type":"address","data":[]}`), nil, 400, 0},
		{"refused", hook(addressBody), []blockio.ReceiverOption{refused}, 401, 0},
		{"refused of an ignored type", hook(addressBody), []blockio.ReceiverOption{refused, blockio.WithIgnored("address")}, 401, 0},
		{"junk is junk before it is refused", hook("x"), []blockio.ReceiverOption{refused}, 400, 0},
		{"panic in the verifier", hook(addressBody), []blockio.ReceiverOption{blockio.WithVerifier(blockio.VerifierFunc(nil))}, 401, 0},
		{"known notification", hook(addressBody), []blockio.ReceiverOption{blockio.WithKnownNotifications("n0", "n1")}, 200, 1},
		{"unknown notification", hook(addressBody), []blockio.ReceiverOption{blockio.WithKnownNotifications("n0", "n")}, 401, 0},
		{"known and refused", hook(addressBody), []blockio.ReceiverOption{refused, blockio.WithKnownNotifications("n1")}, 401, 0},
		{"no notification id", hook(`{"type":"address","data":` + addressData + `}`), []blockio.ReceiverOption{blockio.WithKnownNotifications("n1")}, 401, 0},
		{"no handler", hook(blocksBody), nil, 503, 0},
		{"no handler, unknown type", hook(`{"type":"weather","data":{}}`), nil, 503, 0},
		{"no handler, ignored", hook(blocksBody), []blockio.ReceiverOption{blockio.WithIgnored("weather", "new-blocks")}, 200, 0},
		{"ignored though it has a handler", hook(addressBody), []blockio.ReceiverOption{blockio.WithIgnored("address")}, 200, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			sink := takeEvents(blockio.EventAddress)
			w := answer(makeReceiver(t, sink, test.opts...), test.request)
			require.Equal(t, test.want, w.Code)
			require.Len(t, sink.events, test.handled)
			require.Equal(t, test.want == 503, w.Header().Get("Retry-After") != "")
			require.Equal(t, test.want == 405, w.Header().Get("Allow") == http.MethodPost)
			require.Equal(t, test.want == 401, strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic "))
		})
	}
}

func TestReceiverRetryAfterIsTheLease(t *testing.T) {
	for lease, want := range map[time.Duration]string{0: "60", 1500 * time.Millisecond: "2", time.Millisecond: "1"} {
		var opts []blockio.ReceiverOption
		if lease > 0 {
			opts = append(opts, blockio.WithLease(lease))
		}
		w := answer(makeReceiver(t, takeEvents(), opts...), hook(addressBody))
		require.Equal(t, want, w.Header().Get("Retry-After"))
	}
}

func TestReceiverWithoutBody(t *testing.T) {
	r := hook("")
	r.Body = nil
	require.Equal(t, 400, answer(makeReceiver(t, takeEvents()), r).Code)
}

func TestReceiverEvent(t *testing.T) {
	sink := takeEvents(blockio.EventAddress, blockio.EventNewBlocks)
	rc := makeReceiver(t, sink, blockio.WithVerifier(pass(blockio.Signed)))
	require.Equal(t, 200, answer(rc, hook(addressBody)).Code)
	require.Equal(t, 200, answer(rc, hook(blocksBody)).Code)
	require.Len(t, sink.events, 2)

	ev := sink.events[0]
	require.Equal(t, "address", ev.Name)
	require.Equal(t, "BTC", ev.Currency)
	require.Equal(t, "3cBraN1Q", ev.Wallet)
	require.Equal(t, bitcart.SourceWebhook, ev.Source)
	require.Nil(t, ev.Coin)
	payload, err := bitcart.PayloadOf[blockio.AddressEvent](ev)
	require.NoError(t, err)
	require.Equal(t, "7af5cf9f2", payload.TxID)

	d, ok := blockio.DeliveryFrom(sink.ctxs[0])
	require.True(t, ok)
	require.Equal(t, blockio.Delivery{
		EventID: "e1", NotificationID: "n1", Attempt: 2, Type: "address", Proof: blockio.Signed,
		CreatedAt: time.Unix(1426104819, 0).UTC(), Raw: json.RawMessage(addressBody),
	}, d)

	ev = sink.events[1]
	require.Equal(t, "", ev.Wallet, "a block is of no wallet")
	d, ok = blockio.DeliveryFrom(sink.ctxs[1])
	require.True(t, ok)
	require.Equal(t, "", d.EventID)
	require.Equal(t, blocksBody, string(d.Raw))
}

// TestReceiverFieldsThatNobodyNeeds: what only informs about a delivery keeps no
// payment back, in whatever form it comes.
func TestReceiverFieldsThatNobodyNeeds(t *testing.T) {
	const rest = `"type":"address","data":` + addressData
	for _, member := range []string{
		`"created_at":"11 March 2015"`, `"created_at":1426104819000`, `"created_at":{"seconds":1426104819}`, `"created_at":-1`,
		`"delivery_attempt":"first"`, `"delivery_attempt":1.5`, `"delivery_attempt":[]`, `"signature":{"v1":"00"}`,
	} {
		t.Run(member, func(t *testing.T) {
			sink := takeEvents(blockio.EventAddress)
			rc := makeReceiver(t, sink)
			body := `{` + member + `,` + rest + `}`
			require.Equal(t, 200, answer(rc, hook(body)).Code)
			require.Len(t, sink.events, 1)
			d, ok := blockio.DeliveryFrom(sink.ctxs[0])
			require.True(t, ok)
			require.Zero(t, d.CreatedAt)
			require.Zero(t, d.Attempt)
			require.Equal(t, body, string(d.Raw), "the text is at hand")

			require.Equal(t, 200, answer(rc, hook(body)).Code)
			require.Len(t, sink.events, 1, "a repeat")
			require.Equal(t, 200, answer(rc, hook(`{"type":"ping",`+member+`}`)).Code)
		})
	}
	for _, member := range []string{`"event_id":{}`, `"notification_id":true`} { // these say which event it is
		require.Equal(t, 400, answer(makeReceiver(t, takeEvents(blockio.EventAddress)), hook(`{`+member+`,`+rest+`}`)).Code, member)
		require.Equal(t, 200, answer(makeReceiver(t, takeEvents()), hook(`{`+member+`,"type":"ping"}`)).Code, member)
	}
}

// TestReceiverSignatureOverAnUnreadableTime: the bytes are signed, whatever is
// made of them.
func TestReceiverSignatureOverAnUnreadableTime(t *testing.T) {
	sink := takeEvents(blockio.EventAddress)
	rc := makeReceiver(t, sink, blockio.WithVerifier(blockio.HMAC(hookSecret)))
	body := `{"created_at":"now","type":"address","data":` + addressData + `}`
	signature, err := blockio.Signature(hookSecret, []byte(body))
	require.NoError(t, err)
	signed := strings.TrimSuffix(body, "}") + `,"signature":"` + signature + `"}`
	require.Equal(t, 401, answer(rc, hook(strings.Replace(signed, "now", "new", 1))).Code)
	require.Equal(t, 200, answer(rc, hook(signed)).Code)
	require.Len(t, sink.events, 1)
}

// Handlers of daemons' events believe what they are told, and anybody can post to a web hook.
func TestReceiverTakesNoEventsOfDaemons(t *testing.T) {
	for _, typ := range []string{bitcart.EventNewPayment, bitcart.EventNewTransaction, bitcart.EventNewBlock, bitcart.EventVerifiedTx} {
		sink := takeEvents(typ)
		body := strings.Replace(addressBody, `"type":"address"`, `"type":"`+typ+`"`, 1)
		require.Equal(t, http.StatusBadRequest, answer(makeReceiver(t, sink), hook(body)).Code, typ)
		require.Empty(t, sink.events)
		_, err := blockio.RecentEvent{Type: typ, Data: []byte(addressData)}.Update()
		require.Error(t, err)
	}
}

func TestDeliveryFromElsewhere(t *testing.T) {
	d, ok := blockio.DeliveryFrom(context.Background())
	require.False(t, ok)
	require.Zero(t, d)
}

// TestReceiverOfCoin: a Coin is a Sink as well.
func TestReceiverOfCoin(t *testing.T) {
	coin, err := bitcart.NewCoin("BTC")
	require.NoError(t, err)
	var got *bitcart.Event
	bitcart.On(coin, func(_ context.Context, ev *bitcart.Event, _ blockio.AddressEvent) error {
		got = ev
		return nil
	})
	require.Equal(t, 200, answer(makeReceiver(t, coin), hook(addressBody)).Code)
	require.Same(t, coin, got.Coin)
	require.Equal(t, "3cBraN1Q", got.Wallet)
}

// A block is of no wallet, also for a Coin that has one.
func TestReceiverOfCoinWithAWallet(t *testing.T) {
	coin, err := bitcart.NewCoin("BTC", bitcart.WithXpub("xpubOfTheShop"))
	require.NoError(t, err)
	var got []string
	bitcart.On(coin, func(_ context.Context, ev *bitcart.Event, _ blockio.NewBlocksEvent) error {
		got = append(got, ev.Currency+"/"+ev.Wallet)
		return nil
	})
	rc := makeReceiver(t, coin)
	require.Equal(t, 200, answer(rc, hook(`{"type":"new-blocks","data":{"network":"LTC","block_hash":"fb0e1","block_no":5,"confirmations":1}}`)).Code)
	require.Equal(t, []string{"LTC/"}, got)
}

func TestReceiverHandlerFails(t *testing.T) {
	for name, h := range map[string]bitcart.Handler{
		"error":    func(context.Context, *bitcart.Event) error { return errors.New("no") },
		"retry":    func(context.Context, *bitcart.Event) error { return bitcart.Retry(nil, time.Second) },
		"panic":    func(context.Context, *bitcart.Event) error { panic("a bug") },
		"aborting": func(context.Context, *bitcart.Event) error { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			sink := takeEvents()
			sink.On("address", h)
			rc := makeReceiver(t, sink)
			w := answer(rc, hook(addressBody))
			require.Equal(t, 503, w.Code)
			require.NotEmpty(t, w.Header().Get("Retry-After"))

			n := 0
			sink.On("address", func(context.Context, *bitcart.Event) error { n++; return nil })
			require.Equal(t, 200, answer(rc, hook(addressBody)).Code, "the claim was given back")
			require.Equal(t, 1, n)
		})
	}
}

// wildSink is a Sink that is no Dispatcher.
type wildSink struct {
	handles func() bool
	process func() error
}

func (s wildSink) Handles(string) bool                                    { return s.handles == nil || s.handles() }
func (s wildSink) ProcessUpdates(context.Context, []bitcart.Update) error { return s.process() }

func TestReceiverSinkPanics(t *testing.T) {
	rc := makeReceiver(t, wildSink{process: func() error { panic("a bug") }})
	require.Equal(t, 503, answer(rc, hook(addressBody)).Code)
	require.Equal(t, 503, answer(rc, hook(addressBody)).Code, "not in flight")
}

// TestReceiverHandlerRemovedMeanwhile: between Handles and ProcessUpdates the
// handler is gone, and ProcessUpdates has ignored the event.
func TestReceiverHandlerRemovedMeanwhile(t *testing.T) {
	asked := 0
	rc := makeReceiver(t, wildSink{
		handles: func() bool { asked++; return asked == 1 },
		process: func() error { return nil },
	})
	require.Equal(t, 503, answer(rc, hook(addressBody)).Code)
}

// TestReceiverGoexit: a failing test's handler ends the goroutine.
func TestReceiverGoexit(t *testing.T) {
	sink := takeEvents()
	exit := true
	sink.On("address", func(context.Context, *bitcart.Event) error {
		if exit {
			exit = false
			runtime.Goexit()
		}
		return nil
	})
	rc := makeReceiver(t, sink)
	server := httptest.NewServer(rc)
	defer server.Close()
	_, err := http.Post(server.URL, "application/json", strings.NewReader(addressBody))
	require.Error(t, err, "no answer")
	require.Equal(t, 200, answer(rc, hook(addressBody)).Code)
}

func TestReceiverOptionErrors(t *testing.T) {
	sink := takeEvents()
	for name, o := range map[string]blockio.ReceiverOption{
		"WithVerifier":           blockio.WithVerifier(nil),
		"WithSeen":               blockio.WithSeen(nil),
		"WithMaxBody":            blockio.WithMaxBody(0),
		"WithLease":              blockio.WithLease(0),
		"WithKnownNotifications": blockio.WithKnownNotifications(),
		"WithIgnored":            blockio.WithIgnored("a", ""),
		"WithLogger":             blockio.WithLogger(nil),
		"ReceiverOption":         nil,
	} {
		_, err := blockio.NewReceiver(sink, o)
		var wrong *blockio.OptionError
		require.ErrorAs(t, err, &wrong, name)
		require.Equal(t, name, wrong.Option)
		require.True(t, strings.HasPrefix(err.Error(), "blockio: "+name+": "), err)
	}
	_, err := blockio.NewReceiver(nil)
	require.ErrorContains(t, err, "blockio: ")
	_, err = blockio.NewReceiver(sink, blockio.WithMaxBody(-1), blockio.WithKnownNotifications(""))
	require.ErrorContains(t, err, "WithMaxBody")
	require.ErrorContains(t, err, "WithKnownNotifications")
}

// TestLoggerFitsBoth: one option for the receiver and the stream.
func TestLoggerFitsBoth(t *testing.T) {
	var option blockio.Option = blockio.WithLogger(slog.New(slog.DiscardHandler))
	makeReceiver(t, takeEvents(), option)
	var _ blockio.StreamOption = option
}

type credentialKey struct{}

// TestReceiverKeepsSecrets: whoever quotes them, no log and no answer shows
// what authorises a request.
func TestReceiverKeepsSecrets(t *testing.T) {
	const password, token, query = "correct-horse-9", "Zm9vYmFyMTIz", "hunter2-secret"
	secretsOf := func(ctx context.Context) string {
		r := ctx.Value(credentialKey{}).(*http.Request)
		user, pass, _ := r.BasicAuth()
		return fmt.Sprintf("%s:%s %s %s %q", user, pass, r.Header.Get("Authorization"), r.URL, r.URL.Query().Get("token"))
	}
	for name, opts := range map[string][]blockio.ReceiverOption{
		"handler": nil,
		"verifier": {blockio.WithVerifier(blockio.VerifierFunc(func(ctx context.Context, _ *http.Request, _ []byte) (blockio.Proof, error) {
			return blockio.Unverified, errors.New("refused " + secretsOf(ctx))
		}))},
		"panicking verifier": {blockio.WithVerifier(blockio.VerifierFunc(func(ctx context.Context, _ *http.Request, _ []byte) (blockio.Proof, error) {
			panic(secretsOf(ctx))
		}))},
		"own verifier": {blockio.WithVerifier(blockio.AllOf(blockio.BasicAuth("shop", password+"x"), blockio.HMAC([]byte(token))))},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			sink := takeEvents()
			sink.On("address", func(ctx context.Context, _ *bitcart.Event) error { return errors.New("failed " + secretsOf(ctx)) })
			rc := makeReceiver(t, sink, append(opts, blockio.WithLogger(logger))...)

			r := httptest.NewRequest(http.MethodPost, "/in/"+token+"?token="+query, strings.NewReader(addressBody))
			r.SetBasicAuth("shopkeeper", password)
			r = r.WithContext(context.WithValue(r.Context(), credentialKey{}, r))
			w := answer(rc, r)
			require.Contains(t, []int{401, 503}, w.Code)

			everything := log.String() + w.Body.String() + fmt.Sprintf("%v %+v %#v %v", rc, rc, rc, *rc)
			require.Contains(t, log.String(), "delivery not taken")
			for _, secret := range []string{password, token, query, "shopkeeper", "c2hvcGtlZXBlc"} {
				require.NotContains(t, everything, secret)
			}
		})
	}
}

// TestReceiverHidesWalletKey: a handler's error may quote its coin.
func TestReceiverHidesWalletKey(t *testing.T) {
	const xpub = "xpub6CUGRUonZSQ4TWtTMmzXdrXDtypWKiKrhko4egpiMZbpiaQL2jkwSB1icqYh2cfDfVxdx4df189oLKnC5fSwqPfgyP3hooxujYzAu3fDVmz"
	coin, err := bitcart.NewCoin("BTC", bitcart.WithXpub(xpub))
	require.NoError(t, err)
	coin.On("address", func(_ context.Context, ev *bitcart.Event) error { return errors.New("wallet " + ev.Coin.WalletKey()) })
	var log bytes.Buffer
	rc := makeReceiver(t, coin, blockio.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	require.Equal(t, 503, answer(rc, hook(addressBody)).Code)
	require.Contains(t, log.String(), "***")
	require.NotContains(t, log.String(), xpub)
}

// TestReceiverGoldenDeliveries posts what the service's documentation shows.
func TestReceiverGoldenDeliveries(t *testing.T) {
	for file, handled := range map[string]int{"webhook-ping": 0, "webhook-address": 1, "webhook-new-blocks": 1} {
		t.Run(file, func(t *testing.T) {
			body, err := os.ReadFile("testdata/" + file + ".json")
			require.NoError(t, err)
			sink := takeEvents(blockio.EventAddress, blockio.EventNewBlocks)
			require.Equal(t, 200, answer(makeReceiver(t, sink), hook(string(body))).Code)
			require.Len(t, sink.events, handled)
		})
	}
}

// TestReceiverKeepsSecretsOfHeaders: a relay may authorise itself by a header
// of its own, whose name says so.
func TestReceiverKeepsSecretsOfHeaders(t *testing.T) {
	const secret = "correct-horse-9"
	for name, header := range map[string][2]string{
		"X-Hook-Token": {"X-Hook-Token", secret}, "X-Api-Key": {"x-api-key", secret}, "X-Webhook-Secret": {"X-Webhook-Secret", secret},
		"X-Auth": {"X-Auth", "Bearer " + secret}, "X-Hub-Signature-256": {"X-Hub-Signature-256", "sha256=" + secret},
		"Cookie": {"Cookie", "theme=dark; session=" + secret}, "Authorization": {"Authorization", "Bearer " + secret},
		"Authorization with parts": {"Authorization", `Digest realm="shop", response="` + secret + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			rc := makeReceiver(t, takeEvents("address"), blockio.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
				blockio.WithVerifier(blockio.VerifierFunc(func(context.Context, *http.Request, []byte) (blockio.Proof, error) {
					return blockio.Unverified, errors.New("wrong token: " + secret)
				})))
			r := hook(addressBody)
			r.Header.Set(header[0], header[1])
			require.Equal(t, 401, answer(rc, r).Code)
			require.Contains(t, log.String(), "delivery not taken")
			require.NotContains(t, log.String(), secret)
		})
	}
}

// TestReceiverReasonsStayReadable: headers that authorise nothing hide nothing.
func TestReceiverReasonsStayReadable(t *testing.T) {
	var log bytes.Buffer
	rc := makeReceiver(t, takeEvents("address"), blockio.WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		blockio.WithVerifier(blockio.VerifierFunc(func(context.Context, *http.Request, []byte) (blockio.Proof, error) {
			return blockio.Unverified, errors.New("application/json of 192.0.2.7 is not taken")
		})))
	r := hook(addressBody)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Forwarded-For", "192.0.2.7")
	require.Equal(t, 401, answer(rc, r).Code)
	require.Contains(t, log.String(), "application/json of 192.0.2.7 is not taken")
}

// TestZeroReceiver: what NewReceiver has not made handles nothing, and says so.
func TestZeroReceiver(t *testing.T) {
	for name, rc := range map[string]*blockio.Receiver{"zero": {}, "nil": nil} {
		for _, body := range []string{addressBody, pingBody} {
			w := answer(rc, hook(body))
			require.Equal(t, 503, w.Code, name)
			require.NotEmpty(t, w.Header().Get("Retry-After"), name)
		}
	}
}

func TestDeliveryFromNothing(t *testing.T) {
	var none context.Context
	_, ok := blockio.DeliveryFrom(none)
	require.False(t, ok)
}

// TestReceiverSaysWhy: each refusal is logged with its reason, what is taken is
// not logged, and its answer is empty.
func TestReceiverSaysWhy(t *testing.T) {
	get := hook(addressBody)
	get.Method = http.MethodGet
	bodiless := hook("")
	bodiless.Body = nil
	cut := hook("")
	cut.Body = io.NopCloser(io.MultiReader(strings.NewReader(addressBody), iotest.ErrReader(errors.New("the line is cut"))))
	claimed := blockio.WithSeen(fixedSeen{claim: blockio.Claim{State: blockio.InFlight}})
	for _, test := range []struct {
		name    string
		request *http.Request
		opt     blockio.ReceiverOption
		code    int
		reason  string
	}{
		{"taken", hook(addressBody), blockio.WithMaxBody(1 << 20), 200, ""},
		{"ping", hook(pingBody), blockio.WithMaxBody(1 << 20), 200, ""},
		{"method", get, blockio.WithMaxBody(1 << 20), 405, "not POST"},
		{"no body", bodiless, blockio.WithMaxBody(1 << 20), 400, "unexpected EOF"},
		{"large", hook(addressBody), blockio.WithMaxBody(10), 413, "too large"},
		{"cut off", cut, blockio.WithMaxBody(1 << 20), 400, "the line is cut"},
		{"junk", hook("junk"), blockio.WithMaxBody(1 << 20), 400, "not a JSON object"},
		{"of a daemon", hook(`{"type":"new_block","data":{}}`), blockio.WithMaxBody(1 << 20), 400, "an event of daemons"},
		{"no handler", hook(blocksBody), blockio.WithMaxBody(1 << 20), 503, "the event has no handler"},
		{"refused", hook(addressBody), blockio.WithVerifier(refuse(errors.New("a stranger"))), 401, "a stranger"},
		{"in flight", hook(addressBody), claimed, 503, "being handled right now"},
		{"error without text", hook(addressBody), blockio.WithVerifier(refuse((*textless)(nil))), 401, "without text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log logLines
			sink := takeEvents(blockio.EventAddress, bitcart.EventNewBlock)
			w := answer(makeReceiver(t, sink, blockio.WithVerifier(pass(blockio.Signed)), test.opt, blockio.WithLogger(log.logger())), test.request)
			require.Equal(t, test.code, w.Code)
			if test.code == 200 {
				require.Empty(t, log.all())
				require.Empty(t, w.Body.String())
				return
			}
			require.Empty(t, sink.events)
			require.Contains(t, log.all(), fmt.Sprint("status=", test.code))
			require.Contains(t, log.all(), test.reason)
		})
	}
}

// textless is an error whose Error panics when it is nil.
type textless struct{ text string }

func (e *textless) Error() string { return e.text }

func TestReceiverWarnsWithoutAVerifier(t *testing.T) {
	var log logLines
	makeReceiver(t, takeEvents(), blockio.WithVerifier(pass(blockio.Signed)), blockio.WithLogger(log.logger()))
	require.Empty(t, log.all())
	makeReceiver(t, takeEvents(), blockio.WithLogger(log.logger()))
	require.Contains(t, log.all(), "anybody can send events")
}

// TestReceiverKeepsShortSecrets: of six letters, or eight within a value.
func TestReceiverKeepsShortSecrets(t *testing.T) {
	for name, test := range map[string]struct{ header, value, secret string }{
		"a scheme's":    {"Authorization", "Bearer %s", "k3y-9x"},
		"alone":         {"X-Hook-Token", "%s", "k3y-9x"},
		"a cookie's":    {"Cookie", "theme=dark; s=%s", "k3y-9x"},
		"a parameter's": {"X-Auth", `Digest a="b", c="%s"`, "k3y-9x00"},
	} {
		t.Run(name, func(t *testing.T) {
			var log logLines
			rc := makeReceiver(t, takeEvents("address"), blockio.WithLogger(log.logger()), blockio.WithVerifier(refuse(errors.New("not "+test.secret))))
			r := hook(addressBody)
			r.Header.Set(test.header, fmt.Sprintf(test.value, test.secret))
			require.Equal(t, 401, answer(rc, r).Code)
			require.Contains(t, log.all(), "delivery not taken")
			require.NotContains(t, log.all(), test.secret)
		})
	}
}
