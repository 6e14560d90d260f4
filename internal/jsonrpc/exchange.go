package jsonrpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// reply is an HTTP answer that was read to its end. The body is in a borrowed buffer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// exchange sends one request and reads the whole answer into buf, so that the connection can be used
// again. The error is a *TransportError.
func (c *Client) exchange(ctx context.Context, method string, target url.URL, body []byte, buf *bytes.Buffer) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, &TransportError{Err: err}
	}
	sent := newDelivery(c.http.Transport)
	req, err := c.request(sent.trace(ctx), method, target, body)
	if err != nil {
		return reply{}, &TransportError{Err: quiet(ctx, err)}
	}
	if body != nil {
		req.GetBody = sent.again(body)
	}
	client := *c.http
	client.Transport = sent
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, &TransportError{MaybeSent: sent.maybeSent(err), Err: quiet(ctx, err)}
	}
	defer resp.Body.Close()

	if err := c.read(resp, buf); err != nil {
		return reply{}, &TransportError{MaybeSent: true, StatusCode: resp.StatusCode, Err: quiet(ctx, err)}
	}
	return reply{resp.StatusCode, resp.Header, buf.Bytes()}, nil
}

func (c *Client) request(ctx context.Context, method string, target url.URL, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, "", bytes.NewReader(body)) // the URL has been parsed
	if err != nil {
		return nil, err
	}
	req.URL, req.Host = &target, target.Host
	if body != nil {
		req.Header["Content-Type"] = jsonType
	}
	if c.credentials != nil {
		req.Header["Authorization"] = c.credentials
	}
	return req, nil
}

var jsonType = []string{"application/json"}

func (c *Client) read(resp *http.Response, buf *bytes.Buffer) error {
	if resp.ContentLength > c.maxAnswer {
		return ErrTooLarge
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, c.maxAnswer+1))
	if err != nil {
		return err
	}
	if n > c.maxAnswer {
		return ErrTooLarge
	}
	return nil
}

// judge returns the error for an HTTP answer whose body is not what was asked for: cause itself when
// that is the daemon's *Error, otherwise a *TransportError by the status.
func (c *Client) judge(rep reply, cause error) error {
	var answer *Error
	switch {
	case errors.As(cause, &answer) && rep.status >= 300 && !rep.isRefusal() && !namesCall(rep.body):
		// The daemon's own errors come with 200. A gateway's come with the id
		// null, and unless it refused the call itself it knows nothing of what
		// the daemon did.
		cause = badAnswer("an error without id")
	case answer != nil:
		c.noteAnswer()
		return answer
	}
	if rep.isOwnFault() {
		c.noteAnswer()
		cause = badAnswer("the daemon failed over the request, its credentials or its own answer")
	}
	return &TransportError{
		MaybeSent:  !rep.isRefusal() || errors.Is(cause, errForeignID),
		StatusCode: rep.status,
		Err:        fmt.Errorf("%w, content type %s", cause, rep.mediaType()),
	}
}

// statusClientClosed is what nginx notes for a client that has hung up.
const statusClientClosed = 499

// isRefusal tells whether the request was turned down before any method ran.
// A proxy may answer 408 when the daemon has held the call for too long.
func (r reply) isRefusal() bool {
	switch r.status {
	case http.StatusRequestTimeout, statusClientClosed:
		return false
	}
	return r.status >= 400 && r.status < 500
}

// isOwnFault recognises the answer of the daemon's web server to a request over which the daemon
// failed: one that broke its parser, but also one whose result it could not encode. So it is a sign
// of life and leaves open what was done. A proxy's own 500 looks different.
func (r reply) isOwnFault() bool {
	text := string(r.body[:min(len(r.body), 1024)])
	return r.status == http.StatusInternalServerError && r.mediaType() == "text/plain" &&
		strings.HasPrefix(text, "500 Internal Server Error") &&
		strings.Contains(text, "Server got itself in trouble")
}

// mediaType is the content type without its parameters. It goes into error texts, hence the limits.
func (r reply) mediaType() string {
	kind, _, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil || len(kind) > 60 {
		return "unknown"
	}
	return kind
}

// maxPooled keeps a rare large answer from occupying memory for good.
const maxPooled = 1 << 20

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func borrowBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func returnBuffer(buf *bytes.Buffer) {
	if buf.Cap() > maxPooled {
		return
	}
	buf.Reset()
	buffers.Put(buf)
}
