// Package http2test is, for tests, a server that resets requests over HTTP/2 as
// gateways do and net/http's own server does not.
package http2test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Codes with which a stream is reset (RFC 9113, section 7).
const (
	ErrorOfProtocol = 1
	RefusedStream   = 7
)

// Of RFC 9113, section 6.
const (
	frameData, frameHeaders, frameReset, frameSettings = 0, 1, 3, 4
	flagEndStream, flagEndHeaders                      = 1, 4
)

// Server reads requests to their end and resets them.
type Server struct {
	URL       string
	secure    bool
	tls       *tls.Config // of a client that trusts it
	redirects int64
	code      uint32
	requests  atomic.Int64
}

// Serve starts a Server, with TLS or without, that redirects the first requests to
// "/there" and resets each of the others with the code. It ends with the test.
func Serve(t testing.TB, secure bool, redirects int64, code uint32) *Server {
	t.Helper()
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(certified.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &Server{
		URL: "http://" + ln.Addr().String(), secure: secure, redirects: redirects, code: code,
		tls: certified.Client().Transport.(*http.Transport).TLSClientConfig,
	}
	if secure {
		s.URL = "https://" + ln.Addr().String()
		ln = tls.NewListener(ln, &tls.Config{Certificates: certified.TLS.Certificates, NextProtos: []string{"h2"}})
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.reset(conn) })
		}
	})
	t.Cleanup(running.Wait)
	t.Cleanup(func() { _ = ln.Close() })
	return s
}

// Tune makes a transport speak HTTP/2 to the server. Its idle connections have to
// be closed before the test ends.
func (s *Server) Tune(tr *http.Transport) {
	tr.TLSClientConfig = s.tls
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetHTTP2(s.secure)
	tr.Protocols.SetUnencryptedHTTP2(!s.secure)
}

// Requests is how many requests have come.
func (s *Server) Requests() int64 { return s.requests.Load() }

func (s *Server) reset(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	if _, err := io.CopyN(io.Discard, in, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	_, _ = conn.Write(frame(frameSettings, 0, 0, nil))
	for {
		var head [9]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, in, length); err != nil {
			return
		}
		if kind := head[3]; (kind == frameData || kind == frameHeaders) && head[4]&flagEndStream != 0 {
			stream := binary.BigEndian.Uint32(head[5:])
			if s.requests.Add(1) <= s.redirects {
				fields := "\x08\x03307" + "\x0f\x1f\x06/there" // :status, location
				_, _ = conn.Write(frame(frameHeaders, flagEndStream|flagEndHeaders, stream, []byte(fields)))
				continue
			}
			_, _ = conn.Write(frame(frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, s.code)))
		}
	}
}

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	f := []byte{0, 0, byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(f, stream), payload...)
}
