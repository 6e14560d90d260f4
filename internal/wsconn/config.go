package wsconn

import (
	"net/http"
	"time"
)

const (
	defaultHandshakeTimeout = 30 * time.Second
	defaultReadLimit        = 16 << 20
	defaultWriteTimeout     = 10 * time.Second
	defaultPingInterval     = 20 * time.Second
	defaultPongTimeout      = 10 * time.Second
	defaultCloseTimeout     = time.Second
)

// Config says where to connect and how. Only URL is required; a negative value
// counts as zero unless the field says otherwise.
type Config struct {
	// URL is ws://, wss://, http:// or https:// (http means ws, https means wss).
	// A user or password in it is refused: send an Authorization header.
	URL string

	// Header is sent with the upgrade request. It must not hold the headers that
	// make up the upgrade (Upgrade, Connection, Sec-WebSocket-Key, -Version,
	// -Extensions).
	Header http.Header

	// Transport lends its Proxy, ProxyConnectHeader, DialContext (or Dial),
	// DialTLSContext (or DialTLS), TLSClientConfig and TLSHandshakeTimeout; they
	// hold here as they hold for HTTP requests. It is not changed. Nil means a
	// direct dial that honours no environment variable.
	Transport *http.Transport

	// HandshakeTimeout bounds everything that Dial does: name lookup, TCP, proxy,
	// TLS and upgrade. 0 = 30 s.
	HandshakeTimeout time.Duration

	// ReadLimit is the size in bytes of the largest message accepted. 0 = 16 MiB.
	ReadLimit int64

	// WriteTimeout bounds one Write. 0 = 10 s.
	WriteTimeout time.Duration

	// PingInterval is how long the peer may be silent before it is asked for a
	// sign of life. 0 = 20 s; negative = no keep-alive and no ping after the dial.
	PingInterval time.Duration

	// PingBusy has a peer pinged at PingInterval also while it sends, so that ReadUpTo
	// is little older than that.
	PingBusy bool

	// PongTimeout is how long an asked peer may go on being silent before the
	// connection is given up. 0 = 10 s.
	PongTimeout time.Duration

	// CloseTimeout bounds the closing handshake. 0 = 1 s.
	CloseTimeout time.Duration

	// LastLife, if set, says when the peer last proved in another way that it
	// lives, such as by answering a request on another connection; the zero Time
	// means never. The keep-alive asks it before it pings and before it gives the
	// connection up. It must not block and must not call Close.
	LastLife func() time.Time

	// BeforeWait, if set, is called by Read when it has returned every message
	// that had come: before it waits for the network, before it answers a control
	// frame, before it lets a Ping return, and when it has failed. It must not
	// block.
	BeforeWait func()
}

func (c Config) withDefaults() Config {
	c.HandshakeTimeout = positiveOr(c.HandshakeTimeout, defaultHandshakeTimeout)
	c.ReadLimit = positiveOr(c.ReadLimit, defaultReadLimit)
	c.WriteTimeout = positiveOr(c.WriteTimeout, defaultWriteTimeout)
	c.PongTimeout = positiveOr(c.PongTimeout, defaultPongTimeout)
	c.CloseTimeout = positiveOr(c.CloseTimeout, defaultCloseTimeout)
	if c.PingInterval == 0 {
		c.PingInterval = defaultPingInterval
	}
	return c
}

func positiveOr[T ~int64](v, fallback T) T {
	if v > 0 {
		return v
	}
	return fallback
}
