package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// The whole path from the socket to the handler, built so that encoding/json
// does what the library's own scanner does.

// stdjsonTag makes the library read everything with encoding/json.
const stdjsonTag = "bitcart_stdjson"

// worth is what the library's own scanner has to save to be kept: half of what
// the whole path costs without it.
const worth = 0.5

// stdjsonRows compare the whole path from the socket to the handler, here and in
// a program that was built with the tag.
func stdjsonRows(ctx context.Context, pl plan) ([]row, error) {
	dir, err := os.MkdirTemp("", "bitcart-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	tagged := filepath.Join(dir, "bench")
	build := exec.CommandContext(ctx, "go", "build", "-tags", stdjsonTag, "-o", tagged, "github.com/bitcart-go/bitcart/bench")
	build.WaitDelay = outputDelay
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build, which needs the folder bench as working directory: %w\n%s", err, out)
	}
	p, err := startSender(ctx)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	runs := make(map[string][]cost)
	for range pl.rounds {
		for _, self := range []string{"", tagged} { // both in processes of their own
			c, err := runCoin(ctx, self, p, pl.events)
			if err != nil {
				return nil, err
			}
			runs[self] = append(runs[self], c)
		}
	}
	ours, std := median(runs[""]), median(runs[tagged])
	return []row{
		{"Coin: cost of an event, the whole path", ours.cpu(), std.cpu(), "with -tags " + stdjsonTag, ratioAtMost(worth)},
		{"Coin: allocations of an event, the whole path", ours.allocs(), std.allocs(), "with -tags " + stdjsonTag, bound{}},
	}, nil
}

// Variables of the role "coin".
const (
	senderVar  = "BITCART_BENCH_SENDER" // URLs of the sender
	controlVar = "BITCART_BENCH_CONTROL"
	eventsVar  = "BITCART_BENCH_EVENTS"
)

// runCoin runs the Coin contender once, in another process.
func runCoin(ctx context.Context, self string, p *process, events int) (c cost, err error) {
	cmd, err := roleOf(ctx, self, "coin", senderVar+"="+p.daemon, controlVar+"="+p.control, eventsVar+"="+strconv.Itoa(events))
	if err != nil {
		return c, err
	}
	out, err := cmd.Output()
	if err != nil {
		return c, named("the process that runs a Coin", err)
	}
	return c, json.Unmarshal(out, &c)
}

func playCoin() error {
	events, err := strconv.Atoi(os.Getenv(eventsVar))
	if err != nil {
		return errors.New(eventsVar + " is no number")
	}
	ctx, cancel := context.WithTimeout(context.Background(), sectionLimit)
	defer cancel()
	b := socketBench{&process{daemon: os.Getenv(senderVar), control: os.Getenv(controlVar)}, events}
	var w stopwatch
	if err := b.library(1, newCoin, readPayloads)(ctx, &w); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(w.per(events))
}
