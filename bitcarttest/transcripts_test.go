package bitcarttest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

// TestTranscripts replays recorded traffic of real daemons and compares the answers. It needs the
// recordings, which are not part of the module.
func TestTranscripts(t *testing.T) {
	folder := os.Getenv("BITCART_TRANSCRIPTS")
	if folder == "" {
		t.Skip("set BITCART_TRANSCRIPTS to a folder with recordings of real daemons to compare with them")
	}
	t.Run("ETH", func(t *testing.T) {
		r := newReplay(t, "ETH", 1023)
		require.NoError(t, r.d.Load("0x6b23766009d1510def0dd6850b6e58b476c6d080"))
		r.lenient = map[string]string{
			"get_transaction": "recorded with a synthetic chain in place of a node",
			"get_tx_status":   "recorded with a synthetic chain in place of a node",
		}
		r.http(filepath.Join(folder, "levela_http.jsonl"))
		r.websockets(filepath.Join(folder, "levela_ws.jsonl"))
	})
	t.Run("BTC", func(t *testing.T) {
		r := newReplay(t, "BTC", 111)
		r.lenient = map[string]string{"listaddresses": "the engine lists unused addresses too"}
		r.http(filepath.Join(folder, "levelb_btc_http.jsonl"))
		r.websockets(filepath.Join(folder, "levelb_btc_ws.jsonl"))
	})
}

type line struct {
	Seq     int             `json:"seq"`
	Time    float64         `json:"t"` // seconds since the start of the recording
	Kind    string          `json:"kind"`
	Conn    string          `json:"conn"`
	Dir     string          `json:"dir"`
	Note    string          `json:"note"`
	Path    string          `json:"path"`
	Body    json.RawMessage `json:"body"`
	Answer  json.RawMessage `json:"answer"`
	Request struct {
		Line    string          `json:"line"`
		Headers [][2]string     `json:"headers"`
		Body    json.RawMessage `json:"body"`
	} `json:"request"`
	Response struct {
		Line    string      `json:"line"`
		Headers [][2]string `json:"headers"`
		Body    *string     `json:"body"`
		Closed  bool        `json:"server_closed_connection"`
	} `json:"response"`
	Frame struct {
		Opcode  string  `json:"opcode"`
		Payload *string `json:"payload"`
		Code    *int    `json:"close_code"`
	} `json:"frame"`
}

func (l line) header(list [][2]string, name string) string {
	for _, h := range list {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

type replay struct {
	t       *testing.T
	clock   *atomic.Int64 // the daemon's clock: the recording's own time
	d       *bitcarttest.Daemon
	names   []string // recorded texts and what this run has in their place, alternating
	lenient map[string]string
}

func newReplay(t *testing.T, currency string, height int64) *replay {
	r := &replay{t: t, clock: &atomic.Int64{}}
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var err error
	r.d, err = bitcarttest.NewDaemon(currency, bitcarttest.WithHeight(height), bitcarttest.WithoutReplay(), // the recorded repeats, if any, came between two connections
		bitcarttest.WithClock(func() time.Time { return start.Add(time.Duration(r.clock.Load())) }))
	require.NoError(t, err)
	t.Cleanup(r.d.Close)
	return r
}

// at moves the daemon's clock to the time of a line.
func (r *replay) at(l line) { r.clock.Store(int64(l.Time * float64(time.Second))) }

func (r *replay) lines(path string) []line {
	raw, err := os.ReadFile(path)
	require.NoError(r.t, err)
	var out []line
	for text := range bytes.Lines(raw) {
		var l line
		require.NoError(r.t, json.Unmarshal(text, &l))
		out = append(out, l)
	}
	return out
}

func (r *replay) translate(text string) string { return strings.NewReplacer(r.names...).Replace(text) }

func (r *replay) http(path string) {
	compared := 0
	for _, l := range r.lines(path) {
		r.at(l)
		switch l.Kind {
		case "http":
			r.exchange(l)
			compared++
		case "control":
			r.control(l)
		}
	}
	require.Greater(r.t, compared, 100, "the recording is longer than that")
}

// recordedBody is the body as it was sent, with long ones filled up again.
func (r *replay) recordedBody(l line) []byte {
	var text string
	if json.Unmarshal(l.Request.Body, &text) != nil {
		var binary struct{ Base64 []byte }
		require.NoError(r.t, json.Unmarshal(l.Request.Body, &binary))
		return binary.Base64
	}
	if strings.Contains(text, "characters in all>") {
		size, err := strconv.Atoi(l.header(l.Request.Headers, "Content-Length"))
		require.NoError(r.t, err)
		return bytes.Repeat([]byte("x"), size)
	}
	return []byte(r.translate(text))
}

func (r *replay) exchange(l line) {
	t, where := r.t, fmt.Sprintf("line %d: %s", l.Seq, l.Note)
	body := r.recordedBody(l)
	conn, err := net.Dial("tcp", hostOf(r.d))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	var raw bytes.Buffer
	fmt.Fprintf(&raw, "%s\r\n", l.Request.Line)
	for _, h := range l.Request.Headers {
		if strings.EqualFold(h[0], "Content-Length") {
			h[1] = strconv.Itoa(len(body))
		}
		fmt.Fprintf(&raw, "%s: %s\r\n", h[0], h[1])
	}
	raw.WriteString("\r\n")
	raw.Write(body)
	_, err = conn.Write(raw.Bytes())
	require.NoError(t, err, where)
	method, _, _ := strings.Cut(l.Request.Line, " ")
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, &http.Request{Method: method})
	require.NoError(t, err, where)
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err, where)

	fields := strings.SplitN(l.Response.Line, " ", 3)
	require.Equal(t, fields[0], resp.Proto, where)
	require.Equal(t, fields[1], strconv.Itoa(resp.StatusCode), where)
	require.Equal(t, l.header(l.Response.Headers, "Content-Type"), resp.Header.Get("Content-Type"), where)
	require.Equal(t, l.header(l.Response.Headers, "Allow"), resp.Header.Get("Allow"), where)
	if l.Response.Closed {
		_, err = reader.ReadByte()
		require.ErrorIs(t, err, io.EOF, where)
	}
	r.compareBodies(l, where, string(body), *l.Response.Body, string(got))
}

func (r *replay) compareBodies(l line, where, request, want, got string) {
	t := r.t
	switch {
	case strings.HasPrefix(want, "Maximum request body size"):
		require.Contains(t, got, "Maximum request body size 1048576 exceeded, actual body size ", where)
		return
	case !strings.HasPrefix(want, "{"):
		require.Equal(t, want, got, where)
		return
	case strings.Contains(want, "NaN"):
		require.True(t, strings.HasSuffix(got, `, "id": NaN}`), got)
		return
	}
	if len(want) >= 3000 || strings.Contains(want, "characters in all>") {
		want = cutArray(want)
		got = cutArray(got)
	}
	w, g := decode(t, want, where), decode(t, got, where)
	if strings.HasPrefix(l.Request.Line, "GET /spec") && !strings.Contains(want, `"error":`) {
		r.compareSpecs(w, g, where)
		return
	}
	r.learn(w, g)
	var call struct{ Method string }
	_ = json.Unmarshal([]byte(request), &call)
	if r.lenient[call.Method] != "" {
		require.IsType(t, w["result"], g["result"], where)
		return
	}
	if call.Method == "help" || call.Method == "getinfo" {
		require.IsType(t, w["result"], g["result"], where)
		require.Subset(t, keysOf(g["result"]), without(keysOf(w["result"]), "fee_estimates"), where)
		return
	}
	r.compare(w, g, "", where)
	// The bytes have Python's separators, so a compact encoding of the same value is shorter.
	require.NotContains(t, got, `":"`, where)
	require.NotContains(t, got, `","`, where)
}

// cutArray keeps what a cut recording has in common with the answer: its shape up to the cut.
func cutArray(text string) string {
	i := strings.Index(text, "}, {")
	if i < 0 {
		return text
	}
	return text[:i] + `}], "id": 100}`
}

func decode(t *testing.T, text, where string) map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v map[string]any
	require.NoError(t, dec.Decode(&v), "%s: %s", where, text)
	return v
}

func keysOf(v any) []string {
	var out []string
	if m, ok := v.(map[string]any); ok {
		for k := range m {
			out = append(out, k)
		}
	}
	return out
}

func without(list []string, item string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == item })
}

func (r *replay) compareSpecs(want, got map[string]any, where string) {
	t := r.t
	require.ElementsMatch(t, keysOf(want), keysOf(got), where)
	require.Equal(t, want["version"], got["version"])
	require.Equal(t, want["capabilities"], got["capabilities"])
	names := func(m map[string]any) map[string]any {
		out := map[string]any{}
		for code, e := range m["exceptions"].(map[string]any) {
			out[code] = e.(map[string]any)["exc_name"]
		}
		return out
	}
	require.Equal(t, names(want), names(got), where)
}

// learn notes which of our texts stand for which recorded ones.
func (r *replay) learn(want, got any) {
	w, ok1 := want.(map[string]any)
	g, ok2 := got.(map[string]any)
	if !ok1 || !ok2 {
		return
	}
	for _, name := range []string{"request_id", "address"} {
		a, _ := w[name].(string)
		b, _ := g[name].(string)
		if a != "" && a != b && !slices.Contains(r.names, a) {
			r.names = append(r.names, a, b)
		}
	}
	for k := range w {
		r.learn(w[k], g[k])
	}
}

// exact are members whose values must agree, not only their types.
var exact = map[string]bool{
	"event": true, "status": true, "sent_amount": true, "confirmations": true, "height": true, "amount": true,
	"contract": true, "code": true, "is_lightning": true, "amount_sat": true, "amount_wei": true, "amount_msat": true,
	"expiry": true, "confirmed": true, "currency": true, "from_address": false,
}

func (r *replay) compare(want, got any, name, where string) {
	t := r.t
	where = where + " " + name
	require.IsType(t, want, got, "%s: %v", where, got)
	switch w := want.(type) {
	case map[string]any:
		g := got.(map[string]any)
		require.ElementsMatch(t, keysOf(w), keysOf(g), where)
		for k := range w {
			r.compare(w[k], g[k], k, where)
		}
	case []any:
		g := got.([]any)
		require.Len(t, g, len(w), where)
		for i := range w {
			r.compare(w[i], g[i], name+"[]", where)
		}
	case string:
		switch {
		case exact[name] || strings.HasPrefix(name, "amount_"):
			require.Equal(t, w, got, where)
		case name == "status_str":
			require.Equal(t, class(w), class(got.(string)), where)
		case name == "message" && !strings.Contains(w, "argument after *") && !strings.HasPrefix(w, "KeyError: '"):
			require.Equal(t, w, got, where)
		}
	case json.Number:
		if exact[name] {
			require.Equal(t, w, got, where)
		}
	}
}

// class is a status text without the time in it.
func class(text string) string {
	if rest, ok := strings.CutPrefix(text, "Expires at "); ok {
		if _, err := time.Parse(time.ANSIC, rest); err == nil {
			return "Expires at"
		}
	}
	return text
}

// control repeats what was done to the chain behind the recorded daemon.
func (r *replay) control(l line) {
	t := r.t
	var body struct {
		To, From, Amount, Contract, Wallet, ID, Sender, Address string
		Mine                                                    bool
		Blocks, N                                               int
	}
	require.NoError(t, json.Unmarshal([]byte(r.translate(string(l.Body))), &body))
	var answer struct{ Tx string }
	require.NoError(t, json.Unmarshal(l.Answer, &answer))
	var txid string
	var err error
	switch l.Path {
	case "/mine":
		r.d.Mine(max(body.Blocks, 1))
	case "/tx":
		key := body.To
		if body.Contract != "" {
			key += "_" + body.Contract
		}
		txid, err = r.d.Send(key, bitcarttest.Transfer{From: body.From, Amount: body.Amount})
	case "/pay":
		sender := body.Sender
		if sender == "" && body.Amount == "" {
			sender = r.d.NewAddress()
		}
		txid, err = r.d.Pay(body.Wallet, body.ID, bitcarttest.Transfer{From: sender, Amount: body.Amount})
	case "/send":
		txid, err = r.d.Pay(r.owner(body.Address), body.Address, bitcarttest.Transfer{Amount: body.Amount, Mined: body.Mine})
	case "/burst":
		for i := range body.N {
			require.NoError(t, r.d.Emit(body.Wallet, map[string]any{
				"event": "new_transaction", "tx": fmt.Sprintf("0x%064x", i), "from_address": r.d.NewAddress(),
				"to": r.d.NewAddress(), "amount": "1.000000000000000000", "contract": nil,
			}))
		}
	}
	require.NoError(t, err, "line %d %s", l.Seq, l.Path)
	if txid != "" {
		r.names = append(r.names, answer.Tx, txid)
	}
}

// owner finds the wallet that has a request with this address.
func (r *replay) owner(address string) string {
	for _, key := range r.d.Loaded() {
		raw := post(r.t, r.d, fmt.Sprintf(`{"method": "list_requests", "params": {"xpub": %q}}`, key))
		if strings.Contains(raw, address) {
			return key
		}
	}
	return ""
}

func hostOf(d *bitcarttest.Daemon) string {
	u, err := url.Parse(d.URL())
	if err != nil {
		return ""
	}
	return u.Host
}

// recordedConn is a websocket of the recording, replayed.
type recordedConn struct {
	conn   *websocket.Conn
	frames chan string
	ended  chan error
	want   []string
}

func (r *replay) websockets(path string) {
	t := r.t
	conns := map[string]*recordedConn{}
	lines := r.lines(path)
	compared := 0
	for i, l := range lines {
		r.at(l)
		where := fmt.Sprintf("line %d: %s %s", l.Seq, l.Conn, l.Note)
		c := conns[l.Conn]
		switch {
		case l.Kind == "http":
			r.exchange(l)
		case l.Kind == "control" && l.Path != "/stop":
			r.control(l)
		case l.Kind == "ws_handshake":
			if c = r.handshake(l, where); c != nil {
				conns[l.Conn] = c
			}
		case l.Kind == "ws_frame" && l.Dir == "client->server":
			r.clientFrame(c, l, where)
		case l.Kind == "ws_frame" && l.Frame.Opcode == "text":
			c.want = append(c.want, *l.Frame.Payload)
			compared++
		case l.Kind == "ws_frame" && l.Frame.Opcode == "close" && *l.Frame.Code != 1001:
			r.ends(c, *l.Frame.Code, where)
			delete(conns, l.Conn)
		case l.Kind == "note" && l.Note == "connection stayed open":
			require.NoError(t, c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)), where)
			select {
			case err := <-c.ended:
				require.NoError(t, err, where)
			case got := <-c.frames:
				require.Equal(t, "pong", got, where)
			case <-time.After(5 * time.Second):
				require.Fail(t, "no pong", where)
			}
		case l.Kind == "ws_eof" && c != nil && lines[i-1].Kind == "ws_frame" && lines[i-1].Dir == "client->server":
			r.ends(c, websocket.CloseAbnormalClosure, where)
			delete(conns, l.Conn)
		case l.Kind == "ws_eof" && c != nil && lines[i-1].Kind == "note":
			require.NoError(t, c.conn.Close())
			<-c.ended
			delete(conns, l.Conn)
		}
	}
	require.Greater(t, compared, 20)
	r.d.Close()
	for name, c := range conns {
		r.ends(c, websocket.CloseGoingAway, name)
		r.compareFrames(c, name)
	}
}

func (r *replay) handshake(l line, where string) *recordedConn {
	header := http.Header{}
	for _, h := range l.Request.Headers {
		if h[0] == "Authorization" || h[0] == "Sec-WebSocket-Protocol" {
			header.Set(h[0], h[1])
		}
	}
	dialer := websocket.Dialer{EnableCompression: l.Conn == "deflate", HandshakeTimeout: 5 * time.Second}
	conn, resp, err := dialer.Dial(socketURL(r.d), header)
	require.NotNil(r.t, resp, where)
	require.Equal(r.t, strings.Fields(l.Response.Line)[1], strconv.Itoa(resp.StatusCode), where)
	if err != nil {
		body, _ := io.ReadAll(resp.Body)
		require.Equal(r.t, *l.Response.Body, string(body), where)
		return nil
	}
	require.Equal(r.t, l.header(l.Response.Headers, "Sec-WebSocket-Protocol"), resp.Header.Get("Sec-WebSocket-Protocol"), where)
	c := &recordedConn{conn: conn, frames: make(chan string, 1000), ended: make(chan error, 1)}
	conn.SetPongHandler(func(string) error { c.frames <- "pong"; return nil })
	go func() {
		for {
			_, data, err := conn.ReadMessage()
			if err != nil {
				_ = conn.Close()
				c.ended <- err
				return
			}
			c.frames <- string(data)
		}
	}()
	return c
}

func (r *replay) clientFrame(c *recordedConn, l line, where string) {
	t := r.t
	payload := []byte{}
	if l.Frame.Payload != nil {
		payload = []byte(*l.Frame.Payload)
	}
	switch l.Frame.Opcode {
	case "close":
		if l.Frame.Code != nil {
			payload = websocket.FormatCloseMessage(*l.Frame.Code, "")
		}
		require.NoError(t, c.conn.WriteControl(websocket.CloseMessage, payload, time.Now().Add(time.Second)), where)
	case "ping":
		require.NoError(t, c.conn.WriteControl(websocket.PingMessage, payload, time.Now().Add(time.Second)), where)
		require.Equal(t, "pong", <-c.frames, where)
	case "binary":
		require.NoError(t, c.conn.WriteMessage(websocket.BinaryMessage, payload), where)
	default:
		if strings.Contains(string(payload), "characters in all>") {
			payload = bytes.Repeat([]byte("x"), 5<<20)
		}
		_ = c.conn.WriteMessage(websocket.TextMessage, payload) // too long a message is cut off while it is written
		var filter struct{ Xpub any }
		if json.Unmarshal(payload, &filter) == nil && filter.Xpub != nil && filter.Xpub != "" {
			key, _ := filter.Xpub.(string)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			require.NoError(t, r.d.WaitRegistered(ctx, key), where)
		}
	}
}

func (r *replay) ends(c *recordedConn, code int, where string) {
	select {
	case err := <-c.ended:
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			require.Equal(r.t, code, closed.Code, where)
		} else {
			require.Equal(r.t, websocket.CloseAbnormalClosure, code, "%s: %v", where, err)
		}
	case <-time.After(5 * time.Second):
		require.Fail(r.t, "the connection did not end", where)
	}
}

// compareFrames compares wallet by wallet: between wallets the daemons keep no order.
func (r *replay) compareFrames(c *recordedConn, name string) {
	close(c.frames)
	got := map[string][]map[string]any{}
	for text := range c.frames {
		f := decode(r.t, text, name)
		key := fmt.Sprint(f["wallet"])
		got[key] = append(got[key], f)
	}
	want := map[string][]map[string]any{}
	for _, text := range c.want {
		f := decode(r.t, text, name)
		key := fmt.Sprint(f["wallet"])
		want[key] = append(want[key], f)
	}
	require.Len(r.t, got, len(want), name)
	for key := range want {
		require.Len(r.t, got[key], len(want[key]), "%s: %v", name, got[key])
		for i := range want[key] {
			r.compare(want[key][i], got[key][i], "", fmt.Sprintf("%s frame %d", name, i))
		}
	}
}

func socketURL(d *bitcarttest.Daemon) string {
	return "ws" + strings.TrimPrefix(d.URL(), "http") + "/ws"
}

var login = "Basic " + base64.StdEncoding.EncodeToString([]byte("electrum:electrumz"))

// post sends a body and gives the answer.
func post(t *testing.T, d *bitcarttest.Daemon, body string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, d.URL()+"/", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", login)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: d.TLSConfig()}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(raw)
}
