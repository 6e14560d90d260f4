package main

import (
	"fmt"
	"io"
	"math"
)

// figure is a measured value with its unit.
type figure struct {
	value float64
	unit  string
}

func (f figure) String() string {
	if f.unit == "" {
		return ""
	}
	return number(f.value) + " " + f.unit
}

// number has about three digits.
func number(v float64) string {
	switch abs := math.Abs(v); {
	case abs == math.Trunc(abs) && abs < 1e6:
		return fmt.Sprintf("%.0f", v)
	case abs >= 100:
		return fmt.Sprintf("%.0f", v)
	case abs >= 10:
		return fmt.Sprintf("%.1f", v)
	case abs >= 1:
		return fmt.Sprintf("%.2f", v)
	case abs >= 0.01:
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.4f", v)
}

// row is one line of the table. ratio is always ours to what stands beside it,
// be it a cost, where less is better, or a rate, where more is.
type row struct {
	what   string
	ours   figure
	beside figure // without unit: nothing stands beside it
	than   string // what beside is a figure of
	wanted bound
}

func (r row) ratio() float64 { return r.ours.value / r.beside.value }

// bound is what a row has to keep.
type bound struct {
	text string // "" = nothing is wanted
	kept func(row) bool
}

func oursAtMost(v float64) bound {
	return bound{fmt.Sprintf("ours <= %g", v), func(r row) bool { return r.ours.value <= v }}
}

func ratioAtMost(v float64) bound {
	return bound{fmt.Sprintf("ratio <= %g", v), func(r row) bool { return r.ratio() <= v }}
}

func ratioAtLeast(v float64) bound {
	return bound{fmt.Sprintf("ratio >= %g", v), func(r row) bool { return r.ratio() >= v }}
}

// table prints rows as they come and counts the bounds.
type table struct {
	w            io.Writer
	wanted, kept int
}

const layout = "%-74s %-14s %-58s %7s  %-15s %s\n"

func newTable(w io.Writer) *table {
	t := &table{w: w}
	t.line("WHAT", "OURS", "BESIDE IT", "RATIO", "WANTED", "KEPT")
	return t
}

func (t *table) line(columns ...any) { fmt.Fprintf(t.w, layout, columns...) }

func (t *table) section(title string) { fmt.Fprintln(t.w, title) }

func (t *table) add(r row) {
	beside, ratio, kept := "", "", ""
	if r.beside.unit != "" {
		beside = r.beside.String() + "  " + r.than
		ratio = number(r.ratio())
	}
	if r.wanted.text != "" {
		t.wanted++
		kept = "NO"
		if r.wanted.kept(r) {
			t.kept++
			kept = "yes"
		}
	}
	t.line("  "+r.what, r.ours, beside, ratio, r.wanted.text, kept)
}

func (t *table) end() { fmt.Fprintf(t.w, "%d of %d bounds kept\n", t.kept, t.wanted) }
