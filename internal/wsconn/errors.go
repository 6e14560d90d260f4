package wsconn

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/gorilla/websocket"
)

var (
	// ErrClosed says that this side ended the connection, by Shutdown or Close.
	ErrClosed = errors.New("wsconn: connection closed")
	// ErrPongTimeout says that the peer gave no sign of life for PingInterval plus
	// PongTimeout, though it was asked for one.
	ErrPongTimeout = errors.New("wsconn: peer does not answer pings")
	// ErrTooLarge says that the peer sent a message larger than ReadLimit. The
	// connection has ended with it.
	ErrTooLarge = errors.New("wsconn: message is larger than the read limit")
)

// CloseError says that the peer ended the connection with a close frame.
type CloseError struct {
	Code int    // as in RFC 6455 section 7.4; 1005 when the frame had none
	Text string // the peer's own words
}

// Error names the code and quotes the peer.
func (e *CloseError) Error() string {
	return fmt.Sprintf("wsconn: peer closed the connection: code %d %q", e.Code, e.Text)
}

// HandshakeError says that the peer answered the upgrade request, but not by
// upgrading.
type HandshakeError struct {
	StatusCode int // 101 when only the headers of the answer were wrong
	Header     http.Header
	Body       []byte // its first 1024 bytes
}

// Error names the status. It leaves out header and body, which are the peer's
// raw words.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("wsconn: upgrade: peer answered HTTP %d %s without a websocket upgrade",
		e.StatusCode, http.StatusText(e.StatusCode))
}

// readFailure turns an error of the websocket library into ours. The code is for
// the close frame that the peer is owed, 0 when it is owed none.
func readFailure(err error) (code int, cause error) {
	var ce *websocket.CloseError
	switch {
	case errors.As(err, &ce) && ce.Code == websocket.CloseAbnormalClosure:
		// No frame can carry this code: it stands for an end of the stream.
		return 0, fmt.Errorf("wsconn: read: %w", io.ErrUnexpectedEOF)
	case errors.As(err, &ce):
		return 0, &CloseError{Code: ce.Code, Text: ce.Text}
	case errors.Is(err, websocket.ErrReadLimit):
		return websocket.CloseMessageTooBig, ErrTooLarge
	}
	// Broken frames and broken sockets look alike here. Saying goodbye to a broken
	// socket fails at once and does no harm.
	return websocket.CloseProtocolError, fmt.Errorf("wsconn: read: %w", err)
}

// hiddenError keeps the words of an error that may quote credentials out of ours.
type hiddenError struct {
	text  string
	cause error
}

func (e *hiddenError) Error() string { return e.text }

// Is matches the hidden cause; there is no Unwrap, which would hand its text out.
func (e *hiddenError) Is(target error) bool { return errors.Is(e.cause, target) }
