package blockiotest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// ErrClosed is returned once the Service is closed.
var ErrClosed = errors.New("blockiotest: service is closed")

// Service is a notification service inside the process: REST endpoints, web
// hooks and web sockets on one port. It is safe for concurrent use. Close it.
type Service struct {
	cfg     config
	log     *slog.Logger
	addr    string // host:port
	server  *http.Server
	sockets *sockets
	sender  *sender
	faults  Faults

	// emitting orders events: sockets and web hooks see them in one order. It
	// is taken before mu.
	emitting sync.Mutex

	ctx    context.Context // ends when the service closes
	cancel context.CancelFunc
	served sync.WaitGroup // the accept loop
	active sync.WaitGroup // requests under way; added to under mu

	mu       sync.Mutex
	closed   bool
	changed  chan struct{} // closed and replaced at every change of state
	offset   time.Duration // what Advance has added to the time
	accounts map[string]*account
	lastID   int // of notifications and events
	calls    []Call
}

// New starts a service. Without WithAccount it has one account: DefaultKey on
// network BTC.
func New(opts ...Option) (*Service, error) {
	cfg := defaultConfig()
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("blockiotest: option is nil")
		}
		if err := o.apply(&cfg); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("tcp", cfg.addr)
	if err != nil {
		return nil, fmt.Errorf("blockiotest: listen: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Service{
		cfg:      cfg,
		log:      cfg.log,
		addr:     listener.Addr().String(),
		ctx:      ctx,
		cancel:   cancel,
		changed:  make(chan struct{}),
		accounts: map[string]*account{},
	}
	s.faults.s = s
	for _, a := range cfg.accounts {
		s.accounts[a.key] = newAccount(a)
	}
	s.sockets = newSockets(s)
	s.sender = newSender(s)
	s.server = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	s.served.Go(func() { _ = s.server.Serve(listener) }) // ends with the listener
	return s, nil
}

// Close ends all sockets, deliveries and requests and waits for every
// goroutine. A second Close does nothing. It must not be called by a web hook's
// handler.
func (s *Service) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.notifyChange()
	s.mu.Unlock()
	if !first {
		return
	}
	s.cancel()
	s.sockets.close()
	_ = s.server.Close()
	s.served.Wait()
	s.active.Wait()
	s.sender.wait()
}

// ServeHTTP answers a request, a web socket's among them.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		hangUp(w)
		return
	}
	defer s.active.Done()
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		s.sockets.ServeHTTP(w, r)
		return
	}
	s.serveREST(w, r)
}

// enter counts a request. It is false when the service is closing.
func (s *Service) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.active.Add(1)
	return true
}

// URL is the base URL of the REST endpoints, for blockio.WithBaseURL.
func (s *Service) URL() string { return "http://" + s.addr + apiPath }

// Addr is the host and port of the service.
func (s *Service) Addr() string { return s.addr }

// Faults is the place of the fault switches.
func (s *Service) Faults() *Faults { return &s.faults }

// Emit sends an event of a network ("BTC") to every web hook and socket that it
// belongs to. data is the event's data: raw JSON, a map, or a payload of
// package blockio.
//
// When Emit returns, the event was written to every socket that subscribed to
// it, and is in the queue of every enabled notification that it belongs to:
// those of type address for its address, those of type account for accounts
// that own its address, and those of type new-blocks for its network. Wait
// waits for the deliveries.
func (s *Service) Emit(network, typ string, data any) error {
	raw, err := objectOf(data)
	if err != nil {
		return err
	}
	var about struct {
		Address string `json:"address"`
	}
	_ = json.Unmarshal(raw, &about) // an event of a type that has none
	s.emitting.Lock()
	defer s.emitting.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	for _, n := range s.interested(network, typ, about.Address) {
		s.enqueue(n, typ, raw)
	}
	s.mu.Unlock()
	s.sockets.emit(network, typ, raw)
	return nil
}

// EmitTo queues an event of any type for one notification, whatever the
// notification's own type is, and for no socket.
func (s *Service) EmitTo(notificationID, typ string, data any) error {
	raw, err := objectOf(data)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.notification(notificationID)
	switch {
	case s.closed:
		return ErrClosed
	case n == nil:
		return errors.New("blockiotest: unknown notification")
	}
	s.enqueue(n, typ, raw)
	return nil
}

// objectOf encodes the data of an event. Raw JSON stays as it is.
func objectOf(data any) (json.RawMessage, error) {
	if raw, ok := data.(json.RawMessage); ok && json.Valid(raw) && bytes.HasPrefix(raw, []byte("{")) {
		return bytes.Clone(raw), nil
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("blockiotest: data: %w", err)
	}
	if !bytes.HasPrefix(raw, []byte("{")) {
		return nil, errors.New("blockiotest: data is no JSON object")
	}
	return raw, nil
}

// notifyChange wakes everybody who waits for a state. The caller holds mu.
func (s *Service) notifyChange() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// waitFor blocks until ok, which is called under mu, says so.
func (s *Service) waitFor(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		done, changed, closed := ok(), s.changed, s.closed
		s.mu.Unlock()
		switch {
		case done:
			return nil
		case closed:
			return ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Now is the service's time: the real one, and what Advance has added.
func (s *Service) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

// now is Now for a caller who holds mu.
func (s *Service) now() time.Time { return time.Now().Add(s.offset) }
