package bitcarttest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

// step is one line of a golden file. {{name}} in an expected text stands for what is random: it
// takes its value where it comes first, and must have that value from then on.
type step struct {
	Note   string
	Auth   string
	Call   json.RawMessage
	Want   string
	Mine   int
	Pay    *struct{ Wallet, Request, Amount string }
	Open   map[string]string
	Conn   string
	Frames []string
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		currency := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(currency, func(t *testing.T) {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			var steps []step
			require.NoError(t, json.Unmarshal(raw, &steps))
			g := &golden{t: t, names: map[string]string{}, conns: map[string]*websocket.Conn{}}
			g.d = newDaemon(t, currency, bitcarttest.WithHeight(500), bitcarttest.WithClock(func() time.Time {
				return time.Unix(1767323045, 0)
			}))
			for _, s := range steps {
				g.step(s)
			}
		})
	}
}

type golden struct {
	t     *testing.T
	d     *bitcarttest.Daemon
	names map[string]string
	conns map[string]*websocket.Conn
}

func (g *golden) step(s step) {
	switch {
	case s.Call != nil:
		g.call(s)
	case s.Pay != nil:
		_, err := g.d.Pay(s.Pay.Wallet, g.fill(s.Pay.Request), bitcarttest.Transfer{Amount: s.Pay.Amount})
		require.NoError(g.t, err, s.Note)
	case s.Mine > 0:
		g.d.Mine(s.Mine)
	case s.Open != nil:
		for name, key := range s.Open {
			g.conns[name] = dial(g.t, g.d, key)
		}
	case s.Conn != "":
		for _, want := range s.Frames {
			g.match(s.Note, want, read(g.t, g.conns[s.Conn]))
		}
	default:
		require.Fail(g.t, "a step that does nothing", s.Note)
	}
}

func (g *golden) call(s step) {
	req, err := http.NewRequest(http.MethodPost, g.d.URL()+"/", strings.NewReader(g.fill(string(s.Call))))
	require.NoError(g.t, err, s.Note)
	req.Header.Set("Authorization", login)
	if s.Auth != "" {
		req.Header.Set("Authorization", s.Auth)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(g.t, err, s.Note)
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(g.t, err, s.Note)
	require.Equal(g.t, http.StatusOK, resp.StatusCode, s.Note)
	require.Equal(g.t, "application/json; charset=utf-8", resp.Header.Get("Content-Type"), s.Note)
	g.match(s.Note, s.Want, string(got))
}

var placeholder = regexp.MustCompile(`\{\{(\w+)\}\}`)

func (g *golden) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		value, ok := g.names[strings.Trim(p, "{}")]
		require.True(g.t, ok, "%s has no value yet", p)
		return value
	})
}

// match compares part by part, so that a failure shows where the texts differ.
func (g *golden) match(note, want, got string) {
	rest := got
	for want != "" {
		at := placeholder.FindStringSubmatchIndex(want)
		if at == nil {
			require.Equal(g.t, want, rest, note)
			return
		}
		literal, name := want[:at[0]], want[at[2]:at[3]]
		want = want[at[1]:]
		require.True(g.t, strings.HasPrefix(rest, literal), "%s:\nwant %s\ngot  %s", note, literal, rest)
		rest = rest[len(literal):]
		value, known := g.names[name]
		if !known {
			value = rest[:strings.IndexAny(rest, `"`)]
			require.NotEmpty(g.t, value, note)
			g.names[name] = value
		}
		require.True(g.t, strings.HasPrefix(rest, value), "%s: {{%s}} is %s\ngot %s", note, name, value, rest)
		rest = rest[len(value):]
	}
}
