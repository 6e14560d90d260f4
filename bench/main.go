// Command bench measures the library beside what a Go user would write instead,
// and prints one table: go -C bench run .
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	switch os.Getenv(roleVar) {
	case "sender":
		return serveProcess(newSender())
	}
	rounds := flag.Int("rounds", 5, "how often each thing is measured; the table has medians")
	only := flag.String("only", "", "measure this contender alone")
	events := flag.Int("events", 256<<10, "how many events a run of the socket takes")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	base, stop, err := startProcess("sender")
	if err != nil {
		return err
	}
	defer stop()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Println(runtime.GOMAXPROCS(0), "processors,", runtime.Version())
	b := socketBench{base: base, events: *events}
	var list []contender
	for _, c := range b.contenders() {
		if *only == "" || c.name == *only {
			list = append(list, c)
		}
	}
	costs, err := compare(*rounds, b.events, list)
	if err != nil {
		return err
	}
	for _, c := range list {
		m := costs[c.name]
		fmt.Printf("%-28s %8.0f ns wall %8.0f ns CPU %6.2f allocs %7.0f B\n", c.name, m.wall, m.cpu, m.allocs, m.bytes)
	}
	return nil
}
