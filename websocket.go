package bitcart

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bitcart-go/bitcart/internal/jsonrpc"
	"github.com/bitcart-go/bitcart/internal/wsconn"
)

// StartWebsocket receives the daemon's events over its websocket and delivers
// them to the handlers. It blocks until ctx ends, and all its goroutines have
// ended when it returns. A Coin with a wallet receives the wallet's and the
// chain-wide events as one sequence, a Coin without a wallet only the
// chain-wide ones. Only one stream of a Coin runs at a time; another one
// returns ErrStreamRunning.
//
// The first events are those that the daemon's queue holds, up to 100 of each
// wallet, with SourceRecovered. An earlier stream may have delivered them
// already, and Repeat does not say so; WithoutBacklog drops them.
//
// A lost connection is replaced, with growing and jittered pauses; the attempts
// never stop by themselves. Only the error of the first attempt is returned,
// and not even that one with WithForceConnect. Wrong credentials
// (ErrUnauthorized) and HTTP status 404 end the stream as long as the daemon
// has not been reached once. A host that does not exist counts as a daemon that
// is away; a malformed URL is an error of [NewCoin] already.
//
// When ctx ends, the connection is closed with a handshake, and the handlers
// have DrainTimeout to handle what was received: nil means that they have
// handled all of it. Otherwise the handlers' contexts are cancelled, and when
// they have returned, or a second later, the error is a *[DrainError].
func (c *Coin) StartWebsocket(ctx context.Context, opts ...StartOption) error {
	return c.runStream(ctx, &stream{cfg: startOptions(opts), transport: websocket})
}

// websocket is the transport of StartWebsocket: connect, register, make ready,
// read, and again.
func websocket(ctx context.Context, l *link) error {
	run, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	l.fail = fail
	var recovering sync.WaitGroup
	recovering.Go(func() { l.recovery.run(run) })
	err := (&socket{l: l, pauses: newBackoff(l.cfg)}).run(run)
	if run.Err() != nil && ctx.Err() == nil {
		err = context.Cause(run)
	}
	// Calls of get_updates under way bring what must not be lost: they have
	// the drain's time.
	l.beginDrain()
	fail(nil)
	recovering.Wait()
	l.recovery.passes.Wait()
	l.recovery.releaseAll(true) // there is nothing more to wait for
	return err
}

// socket is the state of a link's websocket over its connections.
type socket struct {
	l      *link
	pauses interface {
		NextBackOff() time.Duration
		Reset()
	}
	attempts int       // since the last connection
	served   bool      // there was a connection
	told     bool      // the stream knows how the first attempt went
	downAt   time.Time // when the last connection ended
	lastLife time.Time // up to when it was read: what was sent after that may be missing
}

// run connects until ctx ends or there is no further attempt.
func (w *socket) run(ctx context.Context) error {
	for {
		w.attempts++
		w.l.recovery.setDialing(true)
		dialled := time.Now()
		conn, err := w.l.dial(ctx)
		if err != nil {
			w.l.recovery.setDialing(false)
			if isOver(ctx) {
				return nil
			}
		}
		w.tellFirst(err)
		if err == nil {
			w.l.socket.Store(&opening{conn, dialled})
			err = w.use(ctx, conn)
			w.l.recovery.setDialing(false)
			if ctx.Err() != nil {
				return nil
			}
		}
		if w.final(err) {
			w.l.reportLoss(err, 0)
			return err
		}
		delay := w.pauses.NextBackOff()
		if permanent(err) {
			delay = w.l.cfg.BackoffMax
		}
		w.l.reportLoss(err, delay)
		w.l.recovery.abandon(w.lastLife, delay)
		if !pause(ctx, delay) {
			return nil
		}
	}
}

// isOver reports whether ctx has ended, or its deadline has come, which a dialler
// can notice a moment before ctx does.
func isOver(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// use serves a connection to its end.
func (w *socket) use(ctx context.Context, conn *wsconn.Conn) error {
	err := w.serve(ctx, conn)
	select {
	case <-conn.Proven():
		// Only a connection that carried something resets the pauses: one
		// that is accepted and dropped must not become a busy loop.
		w.pauses.Reset()
		w.attempts = 0
	default:
	}
	w.downAt = time.Now()
	return err
}

// tellFirst tells the stream how the link's first attempt went.
func (w *socket) tellFirst(err error) {
	if w.told {
		return
	}
	w.told = true
	if err != nil && !w.final(err) {
		err = nil
	}
	if w.l.first {
		w.l.s.firstAttempt(err)
	}
}

// final reports whether there is no further attempt after err.
func (w *socket) final(err error) bool {
	switch {
	case w.l.s.cfg.once:
		return true
	case w.served || !w.l.first: // a daemon that joined later ends nothing
		return false
	}
	return permanent(err) || w.attempts == 1 && !w.l.s.cfg.force
}

// serve registers, makes the wallets ready beside the reader, and reads until
// the connection ends. When ctx ends it closes with a handshake: a client that
// vanishes makes the daemon drop events for everybody (protocol section 14).
func (w *socket) serve(ctx context.Context, conn *wsconn.Conn) error {
	l := w.l
	defer conn.Close()
	closing := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closing)
		conn.Shutdown()
	})
	defer func() {
		if !stop() {
			<-closing
		}
	}()
	if err := l.register(conn); err != nil {
		return l.connectionError(err)
	}
	p := w.connected(ctx, conn)
	defer func() {
		l.disconnected(p)
		// What a pass has not recovered is missing since before it.
		if life := conn.ReadUpTo(); p.complete.Load() && !life.IsZero() {
			w.lastLife = life
		} else if w.lastLife.IsZero() {
			w.lastLife = l.started
		}
	}()
	defer l.rest()
	for {
		msg, err := conn.Read()
		if err != nil {
			return l.connectionError(err)
		}
		l.accept(msg, conn.Received())
	}
}

// closePatience is how long a daemon has to answer the close frame: a stream
// without anything to deliver returns within a second, whatever the daemon does.
const closePatience = 750 * time.Millisecond

func (l *link) dial(ctx context.Context) (*wsconn.Conn, error) {
	header := http.Header{}
	header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(l.d.user+":"+l.d.pass)))
	var current atomic.Pointer[wsconn.Conn]
	conn, err := wsconn.Dial(ctx, wsconn.Config{
		URL: l.d.websocketURL(), Header: header, Transport: l.d.transport,
		ReadLimit: l.cfg.ReadLimit, PingInterval: l.cfg.PingInterval, PongTimeout: l.cfg.PongTimeout,
		PingBusy:     true,
		CloseTimeout: closePatience,
		LastLife:     func() time.Time { return l.lifeByCalls(current.Load()) },
		BeforeWait:   l.rest,
	})
	if err != nil {
		return nil, l.d.connectError(ctx, err)
	}
	current.Store(conn)
	return conn, nil
}

// lifeByCalls is when the daemon last answered a call: one that is busy and
// slow with pongs is not dead. But an answer proves the daemon, not this
// connection. So it counts only where the connection was asked and has not
// answered in time, lest nobody asks it; and only for a limited time after the
// connection's own last frame: otherwise a worker that makes calls would never
// notice a dead socket.
func (l *link) lifeByCalls(conn *wsconn.Conn) time.Time {
	answer := l.d.rpc.LastAnswer()
	if conn == nil {
		return answer
	}
	life := conn.LastFrame()
	if life.IsZero() {
		life = conn.Opened()
	}
	patience := l.cfg.PingInterval + l.cfg.PongTimeout
	if time.Since(life) < patience {
		return time.Time{}
	}
	if limit := life.Add(2 * patience); answer.After(limit) {
		return limit
	}
	return answer
}

// connectError says why an upgrade failed. The daemon answers wrong
// credentials with HTTP 200 and a JSON-RPC error (protocol section 1).
func (d *daemon) connectError(ctx context.Context, err error) *ConnectError {
	e := &ConnectError{Currency: d.cur.Symbol, URL: d.name(), Err: err}
	var refused *wsconn.HandshakeError
	if !errors.As(err, &refused) {
		// net/http quotes an answer that it cannot read, and who has answered has
		// got the credentials.
		e.safe = d.secrets(nil).clean(inner(err))
		return e
	}
	e.StatusCode = refused.StatusCode
	var body struct {
		Error *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	switch {
	case e.StatusCode >= 500: // of a gateway, whose codes mean something else: -32600 is a bad request
	case json.Unmarshal(refused.Body, &body) == nil && body.Error != nil:
		e.Err = d.rpcError(ctx, "GET /ws", &jsonrpc.Error{Code: body.Error.Code, Message: body.Error.Message}, nil)
	case e.StatusCode == http.StatusUnauthorized, e.StatusCode == http.StatusForbidden:
		e.Err = errors.Join(ErrUnauthorized, err)
	}
	return e
}

// connectionError says why a connection has ended. The peer may have given a
// reason, which can quote what was sent.
func (l *link) connectionError(err error) *ConnectError {
	var secrets redactor
	hide := func(c *Coin) {
		secrets.hide(c.key, walletName(c.key))
		if c.wallet.Xpub != c.key {
			secrets.hide(c.wallet.Xpub, walletName(c.key))
		}
	}
	var closed *wsconn.CloseError
	switch {
	case l.single:
		hide(l.chain.coin)
	case errors.As(err, &closed) && closed.Text != "": // calls have told the keys to the daemon
		for _, w := range l.allWatches() {
			hide(w.coin)
		}
	}
	return &ConnectError{Currency: l.d.cur.Symbol, URL: l.d.name(), Err: err, safe: l.d.secrets(secrets).clean(inner(err))}
}

// permanent reports whether another attempt cannot help before somebody corrects
// the settings.
func permanent(err error) bool {
	var upgrade *ConnectError
	var call *CallError
	return errors.Is(err, ErrUnauthorized) ||
		errors.As(err, &upgrade) && upgrade.StatusCode == http.StatusNotFound ||
		errors.As(err, &call) && call.StatusCode == http.StatusNotFound
}

// noWallet is a filter that no wallet matches, so that a Coin without wallet
// is sent the chain-wide events only.
const noWallet = "(no wallet)"

// register sends the filter: the wallet's key as a string, since an object
// matches nothing (protocol section 6). A manager sends none and gets all.
func (l *link) register(conn *wsconn.Conn) error {
	if !l.single {
		return nil
	}
	key := noWallet
	for k := range l.watches {
		key = k
	}
	msg, err := json.Marshal(map[string]string{"xpub": key})
	if err != nil {
		return err
	}
	return conn.Write(msg)
}

// connected notes the connection and makes its wallets ready, beside the reader.
func (w *socket) connected(ctx context.Context, conn *wsconn.Conn) *pass {
	l := w.l
	info := ConnectInfo{Currency: l.d.cur.Symbol, First: !w.served, Attempts: w.attempts}
	if w.served {
		info.Downtime = time.Since(w.downAt)
		l.d.n.add(reconnects)
	}
	p := &pass{
		conn: conn, info: info, read: make(chan struct{}), witnessed: make(chan struct{}),
		first: !w.served, since: w.lastLife,
	}
	if p.first {
		p.since = l.started
	}
	p.ctx, p.end = context.WithCancel(ctx)
	w.served = true
	l.log(slog.LevelInfo, "connected", "url", l.d.name(), "attempts", info.Attempts, "downtime", info.Downtime)

	l.setConnected(true)
	l.mu.Lock()
	l.recovering, l.lastFrame = true, conn.LastFrame
	p.epoch = l.epoch.Load()
	watches := make([]*watch, 0, len(l.watches))
	for _, watched := range l.watches {
		watches = append(watches, watched)
	}
	l.recovery.setPass(p) // a wallet that is added from here on finds it
	l.mu.Unlock()
	p.wallets = len(watches)
	l.recovery.begin(p, watches)
	l.recovery.start(p, watches)
	return p
}

// disconnected ends the pass of a connection whose frames have all been read.
func (l *link) disconnected(p *pass) {
	l.recovery.end(p)
	l.mu.Lock()
	l.recovering = false
	l.mu.Unlock()
	l.setConnected(false)
}

// callBack runs the reconnect callback. With WithoutReconnect its error ends
// the stream.
func (l *link) callBack(ctx context.Context, callback func(context.Context, string) error) {
	err := callback(ctx, l.d.cur.Symbol)
	if err == nil {
		return
	}
	l.d.log.Error("reconnect callback failed", "error", err)
	if l.s.cfg.once {
		l.fail(err)
	}
}
