package main

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// cost is what a run has used, for each of its n operations.
type cost struct {
	Wall, CPU     float64 // ns
	Allocs, Bytes float64
}

// stopwatch says what this process uses from start to stop: a run prepares
// before and cleans up after.
type stopwatch struct {
	mem, memEnd runtime.MemStats
	cpu, cpuEnd time.Duration
	at, end     time.Time
}

func (w *stopwatch) start() {
	runtime.GC()
	runtime.ReadMemStats(&w.mem)
	w.cpu, w.at = cpuTime(), time.Now()
}

func (w *stopwatch) stop() {
	w.end, w.cpuEnd = time.Now(), cpuTime()
	runtime.ReadMemStats(&w.memEnd)
}

func (w *stopwatch) per(n int) cost {
	of := func(total float64) float64 { return total / float64(n) }
	return cost{
		Wall: of(float64(w.end.Sub(w.at))), CPU: of(float64(w.cpuEnd - w.cpu)),
		Allocs: of(float64(w.memEnd.Mallocs - w.mem.Mallocs)),
		Bytes:  of(float64(w.memEnd.TotalAlloc - w.mem.TotalAlloc)),
	}
}

// cpuTime is what this process has used of its processors, in user and system
// mode, its threads taken together.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // only an invalid argument is one
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// median of each figure by itself.
func median(runs []cost) cost {
	of := func(figure func(cost) float64) float64 {
		list := make([]float64, len(runs))
		for i, r := range runs {
			list[i] = figure(r)
		}
		return middle(list)
	}
	return cost{
		Wall: of(func(c cost) float64 { return c.Wall }), CPU: of(func(c cost) float64 { return c.CPU }),
		Allocs: of(func(c cost) float64 { return c.Allocs }), Bytes: of(func(c cost) float64 { return c.Bytes }),
	}
}

func middle[T cmp.Ordered](list []T) T { return quantile(list, 0.5) }

func quantile[T cmp.Ordered](list []T, q float64) T {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// contender is one way to do the same work.
type contender struct {
	name string
	n    int // operations of a run
	run  func(context.Context, *stopwatch) error
}

// compare runs all contenders, one after another, and that several times, so
// that a slow moment of the machine meets each of them. It returns medians.
func compare(ctx context.Context, rounds int, contenders []contender) (map[string]cost, error) {
	runs := make(map[string][]cost)
	for range rounds {
		for _, c := range contenders {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			var w stopwatch
			if err := c.run(ctx, &w); err != nil {
				return nil, named(c.name, err)
			}
			runs[c.name] = append(runs[c.name], w.per(c.n))
		}
	}
	medians := make(map[string]cost)
	for name, list := range runs {
		medians[name] = median(list)
	}
	return medians, nil
}

// cpu is the processor time of one operation.
func (c cost) cpu() figure { return figure{c.CPU / 1e3, "µs CPU"} }

// wall is the time that passes for one operation.
func (c cost) wall() figure { return figure{c.Wall / 1e3, "µs"} }

// perCPU is how many operations a second of processor time does.
func (c cost) perCPU() figure { return figure{1e6 / c.CPU, "k/CPU s"} }

// perSecond is how many operations a second does.
func (c cost) perSecond() figure { return figure{1e6 / c.Wall, "k/s"} }

// allocs is rounded: what the measuring itself allocates is some hundredths.
func (c cost) allocs() figure { return figure{math.Round(10*c.Allocs) / 10, "allocs"} }
