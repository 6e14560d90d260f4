package bitcarttest

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

const (
	jsonType = "application/json; charset=utf-8"
	textType = "text/plain; charset=utf-8"
	maxBody  = 1 << 20
	// maxDrain is how much of a body that is too long is read before the answer, so that the client
	// gets to see the answer instead of a reset.
	maxDrain = 64 << 20
)

type connKey struct{}

// requestConn is what a request knows about its connection.
type requestConn struct {
	tcp *trackedConn
	run *run
}

func withConn(ctx context.Context, c net.Conn, r *run) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	tcp, _ := c.(*trackedConn)
	return context.WithValue(ctx, connKey{}, requestConn{tcp, r})
}

func connOf(req *http.Request) requestConn {
	rc, _ := req.Context().Value(connKey{}).(requestConn)
	return rc
}

// ServeHTTP answers the three endpoints, /, /spec and /ws, for the daemon's own server: mounted in
// another one it answers 501. Routing comes before authentication, as in the daemon.
func (d *Daemon) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rc := connOf(req)
	if rc.run == nil { // mounted in somebody else's server: there is no run to belong to
		http.Error(w, "bitcarttest: use the daemon's own URL", http.StatusNotImplemented)
		return
	}
	if !d.enter(rc.run) {
		reset(w, req)
		return
	}
	defer rc.run.active.Done()
	path, ok := strings.CutPrefix(req.URL.Path, d.cfg.prefix)
	if !ok {
		path = ""
	}
	switch path {
	case "/":
		d.route(w, req, "POST", d.serveRPC)
	case "/spec":
		d.route(w, req, "GET,HEAD", d.serveSpec)
	case "/ws":
		d.route(w, req, "GET,HEAD", d.serveWebsocket)
	default:
		writeText(w, http.StatusNotFound, "404: Not Found")
	}
}

func (d *Daemon) route(w http.ResponseWriter, req *http.Request, allow string, next http.HandlerFunc) {
	if !strings.Contains(","+allow+",", ","+req.Method+",") {
		w.Header().Set("Allow", allow)
		writeText(w, http.StatusMethodNotAllowed, "405: Method Not Allowed")
		return
	}
	switch err := d.authorize(req.Header.Get("Authorization")); {
	case err == nil:
		next(w, req)
	case errors.Is(err, errForbidden):
		writeJSON(w, failure(errForbidden, nil))
	default:
		d.writeHTTPError(w, req, errTrouble)
	}
}

var errBadHeader = errors.New("bitcarttest: malformed Authorization header")

// authorize reads the header as the daemon does: latin-1, split at every colon. Anything it does
// not expect is an exception there, not a refusal.
func (d *Daemon) authorize(header string) error {
	if header == "" {
		return errForbidden
	}
	encoded, ok := strings.CutPrefix(header, "Basic ")
	if !ok {
		return errBadHeader
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return errBadHeader
	}
	parts := strings.Split(latin1(raw), ":")
	if len(parts) != 2 {
		return errBadHeader
	}
	if parts[0] != d.cfg.user || parts[1] != d.cfg.password {
		return errForbidden
	}
	return nil
}

func latin1(raw []byte) string {
	runes := make([]rune, len(raw))
	for i, b := range raw {
		runes[i] = rune(b)
	}
	return string(runes)
}

func (d *Daemon) serveSpec(w http.ResponseWriter, _ *http.Request) {
	body, err := encode(d.spec.document(d.coin))
	if err != nil {
		writeText(w, http.StatusInternalServerError, errTrouble.Body)
		return
	}
	writeJSON(w, body)
}

// readBody reads the request body up to the limit of the daemon's server.
func readBody(req *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxBody+1))
	if err != nil {
		return nil, err
	}
	if len(body) <= maxBody {
		return body, nil
	}
	rest, err := io.Copy(io.Discard, io.LimitReader(req.Body, maxDrain))
	if err != nil {
		return nil, err
	}
	return nil, &HTTPError{http.StatusRequestEntityTooLarge,
		fmt.Sprintf("Maximum request body size %d exceeded, actual body size %d", maxBody, int64(len(body))+rest)}
}

func writeJSON(w http.ResponseWriter, body []byte) { write(w, http.StatusOK, jsonType, body) }

func writeText(w http.ResponseWriter, status int, text string) {
	write(w, status, textType, []byte(text))
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone needs no answer
}

// writeHTTPError answers outside of JSON-RPC. From 500 on the daemon's server closes the connection.
func (d *Daemon) writeHTTPError(w http.ResponseWriter, req *http.Request, e *HTTPError) {
	if e.Status < 100 || e.Status > 999 {
		e = errTrouble
	}
	d.log.DebugContext(req.Context(), "answering with an HTTP error", "status", e.Status)
	if e.Status >= 500 {
		w.Header().Set("Connection", "close")
	}
	writeText(w, e.Status, e.Body)
}

// reset breaks the connection of a request without an answer. The response must not be used after.
func reset(w http.ResponseWriter, req *http.Request) {
	if hj, ok := w.(http.Hijacker); ok {
		if c, _, err := hj.Hijack(); err == nil {
			connOf(req).tcp.cut(true)
			_ = c.Close()
		}
	}
}
