package bitcarttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
)

// MethodFunc answers one method. What it returns is encoded as the result; an *Error becomes the
// JSON-RPC error, an Exception one with the code of the daemon's catalogue, an *HTTPError and
// ErrReset answer outside of it, any other error becomes -32603. It is called from several
// goroutines, without locks held, and must return before Close can; Call.Context ends when the
// daemon stops.
type MethodFunc func(*Call) (any, error)

// Handle adds a method or replaces one; a nil h restores the daemon's own. The wallet that a call
// names is loaded before h is called; the arguments are not checked.
func (d *Daemon) Handle(method string, h MethodFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if h == nil {
		delete(d.custom, method)
		return
	}
	d.custom[method] = h
}

func (d *Daemon) handler(method string) MethodFunc {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.custom[method]
}

// envelope is a request that has been read.
type envelope struct {
	id      json.RawMessage
	params  json.RawMessage
	call    *Call
	wallet  walletSpec
	unnamed bool // no method text: never the name of a method
}

func (d *Daemon) serveRPC(w http.ResponseWriter, req *http.Request) {
	body, err := readBody(req)
	if err != nil {
		d.answerError(w, req, nil, err)
		return
	}
	e, err := d.readEnvelope(body)
	if err != nil {
		d.answerError(w, req, nil, err)
		return
	}
	rc := connOf(req)
	e.call.ctx = rc.run.ctx
	d.record(e.call)
	result, err := d.execute(e)
	switch {
	case rc.run.ctx.Err() != nil, d.faults.dropsAnswer(e.call.Method):
		reset(w, req) // a process that is gone answers nothing
	case err != nil:
		d.answerError(w, req, e, err)
	default:
		d.answer(w, req, e, result)
	}
	if e.call.reopened {
		d.startReplay() // its updates come after the answer
	}
}

func (d *Daemon) answer(w http.ResponseWriter, req *http.Request, e *envelope, result any) {
	raw, err := encode(result)
	if err != nil {
		d.answerError(w, req, e, err)
		return
	}
	writeJSON(w, bytes.Join([][]byte{[]byte(`{"jsonrpc": "2.0", "result": `), raw, []byte(`, "id": `), echo(e.id), []byte("}")}, nil))
}

func (d *Daemon) answerError(w http.ResponseWriter, req *http.Request, e *envelope, err error) {
	var (
		outside *HTTPError
		rpc     *Error
		id      json.RawMessage
	)
	if e != nil {
		id = e.id
	}
	switch {
	case errors.As(err, &outside):
		d.writeHTTPError(w, req, outside)
	case errors.Is(err, ErrReset), errors.Is(err, ErrClosed):
		reset(w, req)
	case errors.As(err, &rpc):
		writeJSON(w, failure(rpc, id))
	default:
		writeJSON(w, failure(d.raised(err, codeInternal), id))
	}
}

// raised gives an exception its code.
func (d *Daemon) raised(err error, fallback int) *Error {
	var e exception
	if errors.As(err, &e) {
		return &Error{d.spec.code(string(e), fallback), string(e)}
	}
	return &Error{codeInternal, "Exception: " + err.Error()}
}

func failure(e *Error, id json.RawMessage) []byte {
	raw, err := encode(object{{"code", e.Code}, {"message", e.Message}})
	if err != nil {
		raw = []byte("null")
	}
	return bytes.Join([][]byte{[]byte(`{"jsonrpc": "2.0", "error": `), raw, []byte(`, "id": `), echo(id), []byte("}")}, nil)
}

func (d *Daemon) readEnvelope(body []byte) (*envelope, error) {
	value, notUTF8, ok := parseBody(body)
	if notUTF8 {
		return nil, errTrouble
	}
	if !ok {
		return nil, errParse
	}
	var members map[string]json.RawMessage // a struct would match names in any case
	if json.Unmarshal(value, &members) != nil || members == nil {
		return nil, errTrouble
	}
	e := &envelope{id: members["id"], params: members["params"], call: &Call{}}
	if err := d.readMethod(e, members["method"]); err != nil {
		return nil, err
	}
	e.call.Args, e.call.Named = splitParams(e.params)
	spec, err := readWallet(e.call.Named["xpub"])
	if err != nil {
		return nil, err
	}
	delete(e.call.Named, "xpub")
	e.wallet = spec
	if spec.Xpub != "" {
		e.call.Wallet = d.keyOf(spec)
	}
	return e, nil
}

func (d *Daemon) readMethod(e *envelope, raw json.RawMessage) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &e.call.Method)
	}
	if d.coin.family != Account && len(raw) > 0 && string(raw) != "null" {
		return errTrouble // these daemons look the name up in their engine first
	}
	e.unnamed = true
	return nil
}

// splitParams separates positional from named arguments. An object at the end of an array is
// always the named ones.
func splitParams(params json.RawMessage) ([]json.RawMessage, map[string]json.RawMessage) {
	named := map[string]json.RawMessage{}
	if len(params) == 0 {
		return nil, named
	}
	switch params[0] {
	case '{':
		_ = json.Unmarshal(params, &named) // valid JSON: parseBody has seen it
		return nil, named
	case '[':
		var args []json.RawMessage
		_ = json.Unmarshal(params, &args)
		if n := len(args); n > 0 && args[n-1][0] == '{' {
			_ = json.Unmarshal(args[n-1], &named)
			args = args[:n-1]
		}
		return args, named
	case '"':
		return letters(params), named
	}
	return nil, named
}

// letters are the arguments that Python makes of a string: its characters, one by one.
func letters(params json.RawMessage) []json.RawMessage {
	var text string
	_ = json.Unmarshal(params, &text)
	var args []json.RawMessage
	for _, r := range text {
		args = append(args, quote(string(r)))
	}
	return args
}

// execute runs a call to its end, also when the caller has hung up.
func (d *Daemon) execute(e *envelope) (any, error) {
	c := e.call
	if err := d.faults.failure(c.Method); err != nil {
		return nil, err
	}
	m, builtin := d.methods[c.Method]
	builtin = builtin && !e.unnamed
	custom := d.handler(c.Method)
	if d.coin.family == Account && c.Wallet != "" {
		release, ok := d.takeTurn(c.ctx, c.Wallet)
		if !ok {
			return nil, ErrClosed
		}
		defer release()
	}
	if err := d.resolve(e, builtin && !m.wallet && custom == nil); err != nil {
		return nil, err
	}
	if !d.faults.hold(c.ctx, c.Method) {
		return nil, ErrClosed
	}
	result, err := d.invoke(e, m, builtin, custom)
	if e.wallet.OneTime && c.wallet != nil && d.coin.family == Account {
		d.mu.Lock()
		d.closeWallet(c.wallet.key)
		d.mu.Unlock()
	}
	return result, err
}

func (d *Daemon) invoke(e *envelope, m method, builtin bool, custom MethodFunc) (any, error) {
	c := e.call
	switch {
	case custom != nil:
		return custom(c)
	case !builtin:
		return nil, errNoMethod
	case m.refusal != "":
		return nil, exception("NotImplementedError: " + m.refusal)
	case m.wallet && c.wallet == nil:
		return nil, errNoWallet
	}
	if err := d.bind(m, e); err != nil {
		return nil, err
	}
	return m.call(d, c)
}

// resolve loads the wallet of a call. For methods of their own that need none, account daemons do
// not mind one that cannot be loaded.
func (d *Daemon) resolve(e *envelope, needless bool) error {
	if e.wallet.Xpub != "" {
		w, reopened, err := d.load(e.wallet)
		e.call.reopened = e.call.reopened || reopened
		switch {
		case errors.Is(err, ErrClosed):
			return err
		case err == nil:
			e.call.wallet = w
		case !needless || d.coin.family != Account:
			return d.raised(err, codeLoadingWallet)
		}
	}
	return d.override(e)
}

// override is a trap of the account daemons: a named argument "wallet" wins over the xpub.
func (d *Daemon) override(e *envelope) error {
	raw, ok := e.call.Named["wallet"]
	if !ok || d.coin.family != Account {
		return nil
	}
	delete(e.call.Named, "wallet")
	var key string
	if json.Unmarshal(raw, &key) != nil || key == "" {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.call.wallet = d.wallets[key]; e.call.wallet == nil {
		return exceptionf("KeyError: '%s'", key)
	}
	return nil
}
