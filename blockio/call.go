package blockio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// keyParam is where the key goes: into the body, since proxies log URLs.
const keyParam = "api_key"

var (
	errNoClient   = errors.New("blockio: no client: make one by NewClient")
	errMethodName = errors.New("blockio: the method's name may have letters, digits and underscores")
	errKeyParam   = errors.New("blockio: the client sends its own api_key")
)

// Call calls any method of the service, such as "get_balance", with the
// account's key and decodes the data of the answer into result, which may be
// nil or a *json.RawMessage. Nothing is repeated. ctx bounds the whole call.
//
// The error is an *[APIError] for an answer without success, and a *[CallError]
// if there was none or it cannot be read. Error texts leave out the key,
// everything after the host of URLs, and parameters whose names say that they
// are secret.
func (c *Client) Call(ctx context.Context, result any, method string, params map[string]any) error {
	data, err := c.call(ctx, method, params)
	if err != nil || result == nil {
		return err
	}
	if raw, ok := result.(*json.RawMessage); ok && raw != nil {
		*raw = data
		return nil
	}
	if err := json.Unmarshal(data, result); err != nil {
		return c.secretsOf(params).noAnswer(method, true, fmt.Errorf("%w: %w", errBadAnswer, err))
	}
	return nil
}

// repeatable is Call for what may be done twice.
func (c *Client) repeatable(ctx context.Context, method string, params map[string]any) (json.RawMessage, error) {
	if c == nil || c.conf == nil {
		return nil, errNoClient
	}
	ctx = orBackground(ctx)
	pauses := c.conf.pauses()
	for try := 1; ; try++ {
		data, err := c.call(ctx, method, params)
		if err == nil || try == c.conf.tries {
			return data, err
		}
		pause, again := pauseFor(err, pauses.NextBackOff())
		if !again || !sleep(ctx, pause) {
			return nil, err
		}
	}
}

// pauses grow and are jittered, and stay below maxPause with their jitter.
func (c *clientConfig) pauses() *backoff.ExponentialBackOff {
	const jitter = 0.5
	b := backoff.NewExponentialBackOff()
	b.RandomizationFactor = jitter
	b.Multiplier = 2
	b.MaxElapsedTime = 0 // the tries are counted
	b.MaxInterval = time.Duration(float64(c.maxPause) / (1 + jitter))
	b.InitialInterval = min(c.minPause, b.MaxInterval)
	b.Reset()
	return b
}

// maxRetryAfter: a caller is told of a longer pause rather than kept waiting.
const maxRetryAfter = time.Minute

// pauseFor says whether a failed call may go well next time, and when.
func pauseFor(err error, pause time.Duration) (time.Duration, bool) {
	var answer *APIError
	if errors.As(err, &answer) {
		pause = max(pause, answer.RetryAfter)
		return pause, answer.passing() && answer.RetryAfter <= maxRetryAfter
	}
	var call *CallError
	return pause, errors.As(err, &call) && !errors.Is(err, errTooLarge)
}

// sleep reports whether ctx had not ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// call sends one request and returns the data of its answer.
func (c *Client) call(ctx context.Context, method string, params map[string]any) (json.RawMessage, error) {
	if c == nil || c.conf == nil {
		return nil, errNoClient
	}
	if !isMethodName(method) {
		return nil, errMethodName
	}
	if _, own := params[keyParam]; own {
		return nil, errKeyParam
	}
	hidden := c.secretsOf(params)
	body, err := encodeParams(c.conf.key(), params)
	if err != nil {
		return nil, hidden.noAnswer(method, false, err)
	}
	rep, maybeSent, err := c.exchange(orBackground(ctx), method, body)
	if err != nil {
		return nil, hidden.noAnswer(method, maybeSent, err)
	}
	return rep.data(method, hidden)
}

// orBackground: a nil ctx is bad input, not a reason to panic.
func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

func isMethodName(method string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
	return method != "" && len(method) <= 100 && strings.Trim(method, allowed) == ""
}

func encodeParams(key string, params map[string]any) ([]byte, error) {
	all := maps.Clone(params)
	if all == nil {
		all = map[string]any{}
	}
	all[keyParam] = key
	return json.Marshal(all)
}

// secretNames are parts of the names of parameters that no text shows.
var secretNames = []string{"key", "pin", "pass", "secret", "seed", "priv", "token", "signature"}

// secretsOf lists what an error's text must not show of a call.
func (c *Client) secretsOf(params map[string]any) secrets {
	var s secrets
	s.hide(c.conf.key())
	for name, value := range params {
		text, ok := value.(string)
		switch {
		case !ok:
		case name == "url":
			s.hideURL(text)
		case containsAny(strings.ToLower(name), secretNames):
			s.hide(text)
		}
	}
	return s
}

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// noAnswer is the error of a call without an answer.
func (s secrets) noAnswer(method string, maybeSent bool, err error) error {
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err // method and URL are known
	}
	return &CallError{Method: method, MaybeSent: maybeSent, Err: err, safe: s.clean(textOf(err))}
}

// reply is an HTTP answer that was read to its end.
type reply struct {
	status     int
	retryAfter time.Duration
	body       []byte
}

// exchange sends one request and reads the whole answer.
func (c *Client) exchange(ctx context.Context, method string, body []byte) (_ reply, maybeSent bool, _ error) {
	var sent progress
	ctx = httptrace.WithClientTrace(ctx, sent.trace())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.conf.base+method, bytes.NewReader(body))
	if err != nil {
		return reply{}, false, err
	}
	req.GetBody = nil // or net/http sends it again over HTTP/2 when its stream is reset, even if the call may have been made
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := c.conf.http.Do(req)
	if err != nil {
		return reply{}, sent.maybe(err), err
	}
	defer resp.Body.Close()
	read, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(read) > maxAnswer {
		err = errTooLarge
	}
	if err != nil {
		return reply{}, true, err
	}
	return reply{resp.StatusCode, retryAfter(resp.Header), read}, false, nil
}

// progress is how far a request came.
type progress struct{ connected, written atomic.Bool }

func (p *progress) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { p.connected.Store(true) },
		WroteHeaders: func() { p.written.Store(true) },
	}
}

// maybe is whether a request that failed may have arrived. A RoundTripper that
// tells nothing leaves only failed dials as certain.
func (p *progress) maybe(err error) bool {
	if p.connected.Load() {
		return p.written.Load()
	}
	var op *net.OpError
	var dns *net.DNSError
	dial := errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
	return !dial
}

// retryAfter reads seconds or a date.
func retryAfter(h http.Header) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// data reads the answer. Its body comes first: the service sends failures with
// several statuses, and the status counts only where the body is not its own.
func (r reply) data(method string, hidden secrets) (json.RawMessage, error) {
	var answer struct {
		Status *string         `json:"status"`
		Data   json.RawMessage `json:"data"`
		// Where the web socket has it; no harm to look here as well.
		Message string `json:"error_message"`
	}
	failed := &APIError{Method: method, HTTPStatus: r.status, RetryAfter: r.retryAfter}
	if json.Unmarshal(r.body, &answer) != nil || answer.Status == nil {
		failed.foreign = true
		return nil, failed
	}
	if *answer.Status == "success" {
		return answer.Data, nil
	}
	var detail struct {
		Message string `json:"error_message"`
	}
	_ = json.Unmarshal(answer.Data, &detail) // a failure may come without data
	failed.Message = detail.Message
	if failed.Message == "" {
		failed.Message = answer.Message
	}
	failed.safe = hidden.clean(failed.Message)
	return nil, failed
}
