package jsonrpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	specTimeout = 10 * time.Second // a daemon answers from memory, so longer means that it hangs
	specPause   = 10 * time.Second // between a failure and the next try
)

// codeUnauthorized is in no daemon's spec and means the same on all of them.
const codeUnauthorized = -32600

// Spec is what a daemon says about itself. It is shared: do not change it.
type Spec struct {
	Version string
	// Exceptions has the daemon's errors by code. Daemons give different meanings to one code.
	Exceptions map[int]Exception
	// Capabilities is nil on daemons that name none.
	Capabilities map[string]bool
	// Raw is the whole document as received.
	Raw json.RawMessage
}

// Exception is the meaning of one error code.
type Exception struct {
	// Name is the exc_name, by which errors are told apart across daemons.
	Name string
	// Docstring is the daemon's explanation.
	Docstring string
}

// specCache holds the spec for good once it is valid.
type specCache struct {
	loaded atomic.Pointer[Spec]
	// turn holds one token. Who has it may fetch, and may use failure and failedAt.
	turn     chan struct{}
	failure  error
	failedAt time.Time
}

func newSpecCache() specCache {
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	return specCache{turn: turn}
}

// Spec returns the daemon's spec, which is fetched once. It is bounded by ctx and by 10 s.
//
// One of several callers fetches it, the others wait; when the fetching caller's ctx ends, the next
// one fetches. Any other failure is returned without asking the daemon again for 10 s, also when the
// daemon refused the credentials, which never change in a Client. Errors are as in Call, with
// MaybeSent always false; a document that is no valid spec is ErrBadAnswer.
func (c *Client) Spec(ctx context.Context) (*Spec, error) {
	if spec := c.spec.loaded.Load(); spec != nil {
		return spec, nil
	}
	bounded, cancel := context.WithTimeout(ctx, specTimeout)
	defer cancel()
	select {
	case <-c.spec.turn:
	case <-bounded.Done():
		return nil, &TransportError{Err: bounded.Err()}
	}
	defer func() { c.spec.turn <- struct{}{} }()

	if spec := c.spec.loaded.Load(); spec != nil {
		return spec, nil
	}
	if c.spec.failure != nil && time.Since(c.spec.failedAt) < specPause {
		return nil, c.spec.failure
	}
	spec, err := c.fetchSpec(bounded)
	switch {
	case err == nil:
		c.spec.loaded.Store(spec)
	case ctx.Err() == nil: // the caller's own end says nothing about the daemon
		c.spec.failure, c.spec.failedAt = err, time.Now()
	}
	return spec, err
}

// ErrorName returns the exc_name of an error code by the daemon's spec, "" when the spec has no such
// code or cannot be had. -32600 is always "UnauthorizedError", without asking. It is bounded by ctx
// and by 10 s.
func (c *Client) ErrorName(ctx context.Context, code int) string {
	if code == codeUnauthorized {
		return "UnauthorizedError"
	}
	spec, err := c.Spec(ctx)
	if err != nil {
		return ""
	}
	return spec.Exceptions[code].Name
}

func (c *Client) fetchSpec(ctx context.Context) (*Spec, error) {
	buf := borrowBuffer()
	defer returnBuffer(buf)

	rep, err := c.exchange(ctx, http.MethodGet, c.specURL, nil, buf)
	if err != nil {
		return nil, harmless(err)
	}
	spec, err := decodeSpec(rep.body)
	if err != nil || rep.status != http.StatusOK {
		return nil, harmless(c.judge(rep, specFailure(rep.body, err)))
	}
	c.noteAnswer()
	return spec, nil
}

// specFailure prefers the daemon's own word to err: it answers wrong credentials with a JSON-RPC
// error in the place of the spec.
func specFailure(body []byte, err error) error {
	const noID = 0 // calls count from 1
	var answer *Error
	if _, refused := decodeAnswer(body, noID); errors.As(refused, &answer) {
		return answer
	}
	if err == nil {
		return badAnswer("a spec with another status than 200")
	}
	return err
}

// harmless clears MaybeSent: that the daemon may have shown its spec is of no consequence, and a
// caller must not take it for a word about the call that needed the spec.
func harmless(err error) error {
	var failure *TransportError
	if errors.As(err, &failure) {
		failure.MaybeSent = false
	}
	return err
}

// decodeSpec checks what the library relies on and ignores what daemons may add. The error matches
// ErrBadAnswer. The spec shares no memory with body.
func decodeSpec(body []byte) (*Spec, error) {
	var doc struct {
		Version    *string `json:"version"`
		Exceptions map[string]struct {
			Name      *string `json:"exc_name"`
			Docstring *string `json:"docstring"`
		} `json:"exceptions"`
		Capabilities json.RawMessage `json:"capabilities"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return nil, badAnswer("no spec")
	}
	if doc.Version == nil || doc.Exceptions == nil {
		return nil, badAnswer("a spec without version or exceptions")
	}
	spec := &Spec{
		Version:      *doc.Version,
		Exceptions:   make(map[int]Exception, len(doc.Exceptions)),
		Capabilities: decodeCapabilities(doc.Capabilities),
		Raw:          bytes.Clone(body),
	}
	for key, e := range doc.Exceptions {
		if e.Name == nil || e.Docstring == nil {
			return nil, badAnswer("a spec with an exception that lacks exc_name or docstring")
		}
		if code, err := strconv.Atoi(key); err == nil { // another key can be no error's code
			spec.Exceptions[code] = Exception{*e.Name, *e.Docstring}
		}
	}
	return spec, nil
}

// decodeCapabilities takes the members that are true or false; others are not for this library.
func decodeCapabilities(raw json.RawMessage) map[string]bool {
	var members map[string]any
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return nil
	}
	capabilities := make(map[string]bool, len(members))
	for name, value := range members {
		if on, ok := value.(bool); ok {
			capabilities[name] = on
		}
	}
	return capabilities
}
