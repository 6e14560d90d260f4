// Command bench measures the library beside what a Go user would write instead
// and prints one table:
//
//	go -C bench run .
//
// It takes five to six minutes. -only names sections to run alone (socket, wire,
// updates, scale, rearm, rpc, latency), -rounds how often each thing is
// measured, -quick shortens the time for which idle wallets are watched.
//
// # How it measures
//
// The daemon is this program in another process (sender.go): it answers calls
// with next to nothing and writes frames many at a time, so that the processor
// time of this process, as getrusage tells it, is the client's alone. Frames are
// varied, of the kinds and sizes that an ETH daemon sends; every handler and every
// loop looks at each field of what it is given, and a run fails when an event is
// missing, dropped or wrong.
//
// A restart of the daemon is one: its process is killed and another one begins
// where it listened. Latency is by the clock of the machine, which the sender
// writes into each event just before it sends it.
//
// Contenders take turns, several rounds of them, and the table has medians: a
// slow moment of the machine meets all of them. Allocations and processor time
// are of the whole process, garbage collection and the reader included.
// Preparing (connecting, arming wallets) is not counted where the row is about
// events or calls.
//
// # How to read the table
//
// OURS is the library, BESIDE IT what the same machine did in the same minutes
// in the way that is named, RATIO always the first divided by the second: less is
// better for costs and times, more for throughput. "µs CPU" is processor time,
// "µs" time that passes; "by CPU" is events for each second of processor time,
// "by wall clock" for each second that passes, which the sender bounds as well.
// Quote ratios rather than times: machines differ. Where a time is wanted, it is
// for the machine of the bounds, on which encoding/json decodes a frame of 401
// bytes into a flat struct in 3.4 µs; the first row tells what this one takes for
// such frames, 386 bytes on average, in the same minutes, and what an event would
// cost there. WANTED is what the library sets
// itself, KEPT whether this run has kept it; on a machine that others use, look
// twice before you believe a NO.
//
// # Where what is
//
// socket.go, loops.go: events from the socket to the handler. wire.go, stdjson.go:
// the JSON scanner. updates.go: ProcessUpdates. scale.go: 50 000 wallets.
// rearm.go: after a daemon's restart. rpc.go, plain.go: calls. latency.go: from
// the daemon's write to the handler. library.go: the library's side of all of
// these. sender.go, flood.go, frames.go, process.go: the other process.
// measure.go, tally.go, table.go: figures and the table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"
)

// plan says how much is measured.
type plan struct {
	rounds  int
	events  int           // of a run of the socket, a multiple of block
	updates int           // of a run of ProcessUpdates
	wallets int           // of a large manager
	idle    time.Duration // for which it is watched
	restart int           // wallets that a restart makes forget
	calls   int           // of a run of RPC
	rates   []int         // events a second, of latency
	rateFor time.Duration // how long each of them
}

// standard is what the table in the documents was made with.
var standard = plan{
	rounds: 11, events: 128 << 10, updates: 100_000, wallets: 50_000, idle: time.Minute, restart: 10_000, calls: 4000,
	rates: []int{1000, 20_000}, rateFor: time.Second,
}

// section is a part of the table.
type section struct {
	name, title string
	rows        func(context.Context, plan) ([]row, error)
}

var sections = []section{
	{"socket", "From the socket to the handler", socketRows},
	{"wire", "The JSON scanner", wireRows},
	{"updates", "ProcessUpdates", updateRows},
	{"scale", "Many wallets", scaleRows},
	{"rearm", "After a restart of the daemon", rearmRows},
	{"rpc", "Calls", rpcRows},
	{"latency", "From the daemon's write to the handler's first line", latencyRows},
}

// sectionLimit is within which each section has to end.
const sectionLimit = 4 * time.Minute

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	if role := os.Getenv(roleVar); role != "" {
		return playRole(role)
	}
	pl := standard
	flag.IntVar(&pl.rounds, "rounds", pl.rounds, "how often each thing is measured")
	only := flag.String("only", "", "measure these sections alone, as socket,rpc")
	quick := flag.Bool("quick", false, "watch idle wallets for 10 s instead of a minute")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	if *quick {
		pl.idle = 10 * time.Second
	}
	if pl.rounds < 1 {
		return errors.New("-rounds is less than 1")
	}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *profile != "" {
		end, err := profileTo(*profile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
	}
	return printTable(ctx, os.Stdout, pl, chosen)
}

func choose(only string) ([]section, error) {
	if only == "" {
		return sections, nil
	}
	var chosen []section
	for _, name := range strings.Split(only, ",") {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-only: there is no section %q", name)
		}
		chosen = append(chosen, sections[i])
	}
	return chosen, nil
}

func printTable(ctx context.Context, w io.Writer, pl plan, chosen []section) error {
	began := time.Now()
	fmt.Fprintf(w, "%s, %s/%s, %d processors, medians of %d rounds\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), pl.rounds)
	t := newTable(w)
	for _, s := range chosen {
		t.section(s.title)
		rows, err := runSection(ctx, s, pl)
		if err != nil {
			return named(s.name, err)
		}
		for _, r := range rows {
			t.add(r)
		}
	}
	t.end()
	fmt.Fprintf(w, "measured in %.0f s\n", time.Since(began).Seconds())
	return nil
}

func runSection(ctx context.Context, s section, pl plan) ([]row, error) {
	ctx, cancel := context.WithTimeout(ctx, sectionLimit)
	defer cancel()
	return s.rows(ctx, pl)
}

func profileTo(file string) (end func() error, err error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
