package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bitcart-go/bitcart/bitcarttest"
)

// The processes that a section starts are this test's program.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		if err := playRole(role); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		return
	}
	if _, set := os.LookupEnv("GORACE"); !set {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0") // or each process takes a second to end
	}
	goleak.VerifyTestMain(m)
}

var tiny = plan{
	rounds: 1, events: 2 * block, updates: 500, wallets: 100, idle: 50 * time.Millisecond, restart: 80, calls: 64,
	rates: []int{2000}, rateFor: 100 * time.Millisecond,
}

// Each section runs, counts what it has sent itself, and leaves nothing behind.
func TestSections(t *testing.T) {
	find := func(t *testing.T, rows []row, what string) row {
		for _, r := range rows {
			if strings.Contains(r.what, what) {
				return r
			}
		}
		t.Fatalf("no row %q", what)
		return row{}
	}
	checks := map[string]func(*testing.T, []row){
		"socket": func(t *testing.T, rows []row) {
			require.Len(t, rows, 2+3*10+5)
			machine, cost := find(t, rows, "this machine"), find(t, rows, asMany+": cost of an event")
			there := find(t, rows, asMany+": cost of an event, on the machine of the bounds")
			require.InDelta(t, cost.ours.value/machine.ratio(), there.ours.value, 0.001)
			require.Less(t, find(t, rows, "body unread").ours.value, find(t, rows, "with payload").ours.value)
		},
		"wire": func(t *testing.T, rows []row) { find(t, rows, "the whole path") },
		"updates": func(t *testing.T, rows []row) {
			find(t, rows, "APIManager, 1000 wallets: cost")
		},
		"scale": func(t *testing.T, rows []row) {
			goroutines := find(t, rows, "goroutines")
			require.Equal(t, goroutines.beside, goroutines.ours, "with 10 wallets and with many")
		},
		"rearm": func(t *testing.T, rows []row) {
			require.InDelta(t, 1, find(t, rows, "ETH wallets: calls for").ours.value, 0.1)
			require.InDelta(t, 2, find(t, rows, "BTC wallets: calls for").ours.value, 0.1)
			for _, currency := range []string{"ETH", "BTC"} {
				handled := find(t, rows, currency+" wallets: events of others meanwhile, handled")
				require.Equal(t, handled.beside, handled.ours)
				require.NotZero(t, find(t, rows, currency+" wallets: calls at once").ours.value)
			}
		},
		"rpc": func(t *testing.T, rows []row) {
			sequence := find(t, rows, "calls in sequence: connections")
			require.Equal(t, [2]float64{1, 1}, [2]float64{sequence.ours.value, sequence.beside.value})
		},
		"latency": func(t *testing.T, rows []row) {
			p50, p99 := find(t, rows, "p50"), find(t, rows, "p99")
			require.Positive(t, p50.ours.value)
			require.LessOrEqual(t, p50.ours.value, p99.ours.value)
			require.LessOrEqual(t, p50.beside.value, p99.beside.value)
		},
	}
	for _, s := range sections {
		t.Run(s.name, func(t *testing.T) {
			rows, err := runSection(t.Context(), s, tiny)
			require.NoError(t, err)
			require.NotEmpty(t, rows)
			for _, r := range rows {
				require.NotEmpty(t, r.ours.unit, r.what)
				require.False(t, math.IsNaN(r.ours.value) || math.IsInf(r.ours.value, 0), r.what)
			}
			checks[s.name](t, rows)
		})
	}
}

// More frames than the sender may be ahead: it waits for credits, and goes on.
func TestFlood(t *testing.T) {
	t.Parallel()
	p, err := startSender(t.Context())
	require.NoError(t, err)
	defer p.stop()
	b := socketBench{p, (inFlight + perCredit + 2) * block}
	var w stopwatch
	require.NoError(t, b.loop(8, discard)(t.Context(), &w))
	require.NoError(t, b.library(8, newManager, leaveBodies)(t.Context(), &w))
}

// A run that does not come to its end has an error, and leaves nothing behind.
func TestRunsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	p, err := startSender(t.Context())
	require.NoError(t, err)
	defer p.stop()
	b := socketBench{p, block << 20}
	for _, c := range b.contenders() {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := c.run(ctx, new(stopwatch))
		cancel()
		require.Error(t, err, c.name)
	}
	p.kill()
	for _, c := range b.contenders() {
		require.Error(t, c.run(t.Context(), new(stopwatch)), c.name)
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	table := newTable(&out)
	table.section("Things")
	table.add(row{"less", figure{1, "µs"}, figure{2, "µs"}, "other", ratioAtMost(0.5)})
	table.add(row{"more", figure{1, "/s"}, figure{2, "/s"}, "other", ratioAtLeast(1)})
	table.add(row{"ours", figure{3, "B"}, figure{}, "", oursAtMost(3)})
	table.add(row{"free", figure{1.25, "µs"}, figure{}, "", bound{}})
	table.end()
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	require.Equal(t, []string{
		"WHAT OURS BESIDE IT RATIO WANTED KEPT",
		"Things",
		"less 1 µs 2 µs other 0.500 ratio <= 0.5 yes",
		"more 1 /s 2 /s other 0.500 ratio >= 1 NO",
		"ours 3 B ours <= 3 yes",
		"free 1.25 µs",
		"2 of 3 bounds kept",
	}, got)
}

func TestMeter(t *testing.T) {
	m := newMeter()
	first, second := m.enter("a"), m.enter("b")
	second()
	for range 3 {
		m.enter("b")()
	}
	first()
	m.enter("a")()
	rep := m.report()
	require.Equal(t, report{Calls: map[string]int{"a": 2, "b": 4}, Most: 2, Typical: 2}, rep)
	require.Zero(t, newMeter().report().Typical)
}

func TestStamp(t *testing.T) {
	before := time.Now()
	msg := newStamped("w", "ETH").now()
	_, tx, ok := strings.Cut(string(msg), stampPrefix)
	require.True(t, ok)
	require.Len(t, strings.SplitN(tx, `"`, 2)[0], 66)
	late, err := sinceStamp(tx, time.Now())
	require.NoError(t, err)
	require.GreaterOrEqual(t, late, time.Duration(0))
	require.LessOrEqual(t, late, time.Since(before))
	_, err = sinceStamp("0x12", before)
	require.Error(t, err)
}

func TestChoose(t *testing.T) {
	all, err := choose("")
	require.NoError(t, err)
	require.Len(t, all, len(sections))
	two, err := choose("rpc,wire")
	require.NoError(t, err)
	require.Equal(t, []string{"rpc", "wire"}, []string{two[0].name, two[1].name})
	_, err = choose("rpc,nothing")
	require.Error(t, err)
}

// After a restart the sender is asked what bitcarttest's daemon is asked, so what
// it makes the client do is what a daemon makes it do.
func TestSenderIsAskedAsADaemonIs(t *testing.T) {
	t.Parallel()
	const wallets = 60
	addresses := make([]string, wallets)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("0x%040x", i+1)
	}
	for currency, keys := range map[string][]string{"ETH": addresses, "BTC": walletsOf(wallets)} {
		t.Run(currency, func(t *testing.T) {
			t.Parallel()
			d, err := bitcarttest.NewDaemon(currency)
			require.NoError(t, err)
			defer d.Close()
			s := newStreaming()
			require.NoError(t, s.serve(currency, &process{daemon: d.URL()}, keys, soon))
			require.NoError(t, s.begin(t.Context()))
			before := len(d.Calls())
			require.NoError(t, d.Faults().Restart(t.Context(), 0))
			require.NoError(t, s.connected(t.Context()))
			want := make(map[string]int)
			for _, c := range d.Calls()[before:] {
				want[c.Method]++
			}
			require.NoError(t, s.end())

			b := rearmBench{currency: currency, wallets: wallets}
			require.NoError(t, b.begin(t.Context()))
			r, err := b.restart(t.Context())
			require.NoError(t, errors.Join(err, b.end()))
			require.Equal(t, want, r.made)
		})
	}
}
