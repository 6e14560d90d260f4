package main

import (
	"cmp"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// cost is what a run has used, for each of its n operations.
type cost struct {
	wall, cpu     float64 // ns
	allocs, bytes float64
}

// measure runs f, which does n operations, and tells what this process has
// used for one.
func measure(n int, f func() error) (cost, error) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu, start := cpuTime(), time.Now()
	err := f()
	wall, used := time.Since(start), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	per := func(total float64) float64 { return total / float64(n) }
	return cost{
		wall: per(float64(wall)), cpu: per(float64(used)),
		allocs: per(float64(after.Mallocs - before.Mallocs)),
		bytes:  per(float64(after.TotalAlloc - before.TotalAlloc)),
	}, err
}

// cpuTime is what this process has used of its processors, in user and system
// mode, its threads taken together.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
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
		wall: of(func(c cost) float64 { return c.wall }), cpu: of(func(c cost) float64 { return c.cpu }),
		allocs: of(func(c cost) float64 { return c.allocs }), bytes: of(func(c cost) float64 { return c.bytes }),
	}
}

func middle[T cmp.Ordered](list []T) T {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// contender is one way to do the same work.
type contender struct {
	name string
	run  func() error
}

// compare runs all contenders, one after another, and that several times, so
// that a slow moment of the machine meets each of them.
func compare(rounds, n int, contenders []contender) (map[string]cost, error) {
	runs := make(map[string][]cost)
	for range rounds {
		for _, c := range contenders {
			r, err := measure(n, c.run)
			if err != nil {
				return nil, err
			}
			runs[c.name] = append(runs[c.name], r)
		}
	}
	medians := make(map[string]cost)
	for name, list := range runs {
		medians[name] = median(list)
	}
	return medians, nil
}
