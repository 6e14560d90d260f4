// Testsum reads what go test -json prints, shows a line for each package and
// the output of every failing test, and ends with the counts.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

func main() {
	output := map[string]*strings.Builder{}
	var passed, failed, skipped int
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Println(in.Text()) // what the compiler says is not JSON
			continue
		}
		key := e.Package + " " + e.Test
		if output[key] == nil {
			output[key] = &strings.Builder{}
		}
		switch e.Action {
		case "output", "build-output":
			output[key].WriteString(e.Output)
			if e.Action == "build-output" {
				fmt.Print(e.Output)
			}
		case "pass":
			if e.Test == "" {
				fmt.Printf("ok    %s %.1fs\n", e.Package, e.Elapsed)
			} else {
				passed++
			}
			delete(output, key)
		case "skip":
			if e.Test != "" {
				skipped++
				fmt.Printf("skip  %s: %s", e.Test, lastLine(output[key].String()))
			}
			delete(output, key)
		case "fail":
			if e.Test != "" {
				failed++
			}
			fmt.Print(output[key].String())
			delete(output, key)
		}
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped)
}

// lastLine is the line in which a skipped test says why.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, l := range lines {
		if !strings.HasPrefix(strings.TrimSpace(l), "---") && !strings.HasPrefix(strings.TrimSpace(l), "===") {
			return strings.TrimSpace(l) + "\n"
		}
	}
	return "\n"
}
